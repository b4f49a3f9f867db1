/* orders over 127.0.0.1, carrier kernel: a venue that does what the test wants, an owner that the test plays step by
 * step, and time that is an argument. */
#include "gateway/orders.h"

#include "feed/soup.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOOPBACK   0x7f000001u
#define MS_NS      UINT64_C(1000000)
#define STEPS_MAX  100000u
#define SAYS_MAX   64u
#define SYMBOL     UINT64_C(0x2020202020415049) /* "IPA" */

/* --- the venue: its stream is kept, so that a login can have it again */

static struct {
    int listener, client;
    bool logged_in, mute; /* mute: its stream grows, the client does not get it */
    bool deaf;            /* requests about orders are passed over */
    char reject;          /* a login is rejected with this letter; 0 = is not */
    uint32_t count, next, heard_len;
    uint32_t open, next_ref; /* orders; next UserRefNum */
    uint32_t enters, cancels, logins;
    uint32_t len[SAYS_MAX];
    uint8_t say[SAYS_MAX][OUCH_ANSWER_FIXED_MAX];
    uint8_t heard[4096];
} venue;

static void venue_say(struct ouch_answer answer)
{
    cr_assert_lt(venue.count, SAYS_MAX);
    venue.len[venue.count] = ouch_encode_answer(&answer, venue.say[venue.count]);
    venue.count++;
}

static void venue_put(uint8_t type, const uint8_t *payload, uint32_t payload_len)
{
    uint8_t bytes[SOUP_HEADER_LEN + OUCH_ANSWER_FIXED_MAX];

    soup_encode_header(bytes, type, payload_len);
    if (payload_len > 0)
        memcpy(bytes + SOUP_HEADER_LEN, payload, payload_len);
    cr_assert_eq(send(venue.client, bytes, SOUP_HEADER_LEN + payload_len, MSG_NOSIGNAL), SOUP_HEADER_LEN + payload_len);
}

static void venue_login(const struct soup_packet *packet)
{
    uint8_t bytes[SOUP_ACCEPTED_LEN];
    struct soup_login login;

    cr_assert(soup_decode_login(packet, &login));
    if (venue.reject) {
        venue_put(SOUP_LOGIN_REJECTED, (const uint8_t *)&venue.reject, 1);
        return;
    }
    venue.logged_in = true;
    venue.logins++;
    venue.next = login.sequence > 0 ? (uint32_t)login.sequence - 1 : venue.count;
    soup_encode_accepted(bytes, "SESSION001", venue.next + 1);
    cr_assert_eq(send(venue.client, bytes, sizeof(bytes), MSG_NOSIGNAL), (ssize_t)sizeof(bytes));
}

static void venue_request(const uint8_t *message, uint32_t len)
{
    struct ouch_enter enter;
    struct ouch_cancel cancel;

    if (ouch_decode_query(message, len) == 0) {
        venue_say((struct ouch_answer){.type = OUCH_QUERY_ANSWER, .user_ref = venue.next_ref});
    } else if (venue.deaf) {
        return;
    } else if (ouch_decode_enter(message, len, &enter) == 0) {
        venue.enters++;
        venue.open++;
        venue.next_ref = enter.user_ref + 1;
        venue_say((struct ouch_answer){.type = OUCH_ACCEPTED, .user_ref = enter.user_ref, .side = enter.side,
                                       .qty = enter.qty, .symbol = enter.symbol, .price = enter.price, .state = 'L'});
    } else {
        cr_assert_eq(ouch_decode_cancel(message, len, &cancel), 0);
        venue.cancels++;
        venue.open--;
        venue_say((struct ouch_answer){.type = OUCH_CANCELED, .user_ref = cancel.user_ref, .qty = 100, .reason = 'U'});
    }
}

static void venue_hear(void)
{
    struct soup_packet packet;
    uint32_t at = 0;

    while (soup_parse(venue.heard + at, venue.heard_len - at, &packet) == SOUP_PACKET) {
        at += packet.packet_len;
        if (packet.type == SOUP_LOGIN)
            venue_login(&packet);
        else if (packet.type == SOUP_UNSEQUENCED)
            venue_request(packet.payload, packet.payload_len);
    }
    memmove(venue.heard, venue.heard + at, venue.heard_len - at);
    venue.heard_len -= at;
}

static void venue_leave(void)
{
    if (venue.client >= 0)
        close(venue.client);
    venue.client = -1;
    venue.logged_in = false;
    venue.heard_len = 0;
}

static void venue_step(void)
{
    const int client = accept4(venue.listener, NULL, NULL, SOCK_NONBLOCK);

    if (client >= 0) {
        const int one = 1;
        cr_assert_eq(setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), 0);
        venue_leave();
        venue.client = client;
    }
    if (venue.client < 0)
        return;
    const ssize_t len = recv(venue.client, venue.heard + venue.heard_len, sizeof(venue.heard) - venue.heard_len, 0);
    if (len > 0) {
        venue.heard_len += (uint32_t)len;
        venue_hear();
    } else if (len == 0 || errno != EAGAIN) {
        venue_leave();
    }
    for (; venue.logged_in && !venue.mute && venue.next < venue.count; venue.next++)
        venue_put(SOUP_SEQUENCED, venue.say[venue.next], venue.len[venue.next]);
}

/* --- the owner */

static struct strategy_lcore owner;
static struct order_path path;
static struct order_link *link_to_owner;
static struct {
    bool begun, cancels, ended; /* has the session; was told to cancel everything, to send nothing more */
    uint32_t heartbeats;        /* that it was asked for */
    int socket;
} owner_knows;

static void owner_send(const uint8_t *message, uint32_t len)
{
    uint8_t bytes[SOUP_HEADER_LEN + OUCH_MESSAGE_MAX];

    soup_encode_header(bytes, SOUP_UNSEQUENCED, len);
    memcpy(bytes + SOUP_HEADER_LEN, message, len);
    cr_assert(send_log_room(&link_to_owner->log));
    kernel_line_send(owner_knows.socket, &link_to_owner->log, bytes, SOUP_HEADER_LEN + len);
}

static void owner_enter(void)
{
    const struct ouch_enter enter = {.user_ref = owner.open.next_ref++, .side = 'B', .qty = 100, .symbol = SYMBOL,
                                     .price = 10000, .tif = '0', .display = 'Y', .capacity = 'P', .iso = 'N',
                                     .cross = 'N'};
    uint8_t message[OUCH_MESSAGE_MAX];

    cr_assert(owner_knows.begun);
    owner_send(message, ouch_encode_enter(&enter, message));
    owner.open.count++; /* nobody looks at more than their number */
    link_to_owner->sent_ref = enter.user_ref;
    order_link_asked(link_to_owner);
}

static void owner_cancel_newest(void)
{
    const struct ouch_cancel cancel = {.user_ref = link_to_owner->sent_ref};
    uint8_t message[OUCH_MESSAGE_MAX];

    owner_send(message, ouch_encode_cancel(&cancel, message));
    order_link_asked(link_to_owner);
}

static void owner_replace_newest(void)
{
    const struct ouch_replace replace = {.orig_user_ref = link_to_owner->sent_ref,
                                         .user_ref = owner.open.next_ref++, .qty = 100, .price = 10000, .tif = '0',
                                         .display = 'Y', .iso = 'N'};
    uint8_t message[OUCH_MESSAGE_MAX];

    owner_send(message, ouch_encode_replace(&replace, message));
    order_link_asked(link_to_owner);
}

static void owner_hear(void)
{
    struct order_news news;

    while (order_link_hear(link_to_owner, &news)) {
        if (news.type == ORDER_NEWS_BEGIN) {
            owner_knows.begun = true;
            owner_knows.socket = news.socket;
            send_log_begin(&link_to_owner->log, news.epoch, news.value);
        } else if (news.type == ORDER_NEWS_BREAK || news.type == ORDER_NEWS_END) {
            owner_knows.begun = false;
            owner_knows.ended = news.type == ORDER_NEWS_END;
            send_log_end(&link_to_owner->log);
        } else if (news.type == ORDER_NEWS_CANCEL_ALL) {
            owner_knows.cancels = true;
        } else if (news.type == ORDER_NEWS_HEARTBEAT) {
            owner_knows.heartbeats++;
        } else if (news.type == ORDER_NEWS_ANSWER) {
            link_to_owner->heard++;
            owner.open.count -= news.answer.type == OUCH_CANCELED;
        }
    }
}

/* --- all three, and the time */

static struct orders orders;
static struct config config;
static char folder[] = "/tmp/tickgate-orders-XXXXXX";
static char refs_path[64];
static uint64_t now_ns = 1000 * MS_NS;

static void step(void)
{
    now_ns += MS_NS / 10;
    orders_step(&orders, now_ns);
    venue_step();
}

#define UNTIL(condition)                                                                                               \
    for (uint32_t steps = 0; !(condition); steps++) {                                                                  \
        cr_assert_lt(steps, STEPS_MAX, "%s", #condition);                                                              \
        step();                                                                                                        \
        owner_hear();                                                                                                  \
    }

static void start(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(LOOPBACK)};
    socklen_t len = sizeof(address);
    char error[ORDERS_ERROR_MAX];

    venue.client = -1;
    venue.next_ref = 1;
    venue.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    cr_assert_eq(bind(venue.listener, (const struct sockaddr *)&address, len), 0);
    cr_assert_eq(listen(venue.listener, 8), 0);
    cr_assert_eq(getsockname(venue.listener, (struct sockaddr *)&address, &len), 0);
    cr_assert_not_null(mkdtemp(folder));
    snprintf(refs_path, sizeof(refs_path), "%s/refs", folder);
    config.orders = (struct config_orders){.present = true, .carrier = CONFIG_CARRIER_KERNEL, .peer_ip = LOOPBACK,
                                           .peer_port = ntohs(address.sin_port), .username = "desk",
                                           .heartbeat_ms = 1000, .timeout_ms = 60000, .login_timeout_ms = 30000,
                                           .retry_ms = 1, .retry_max_ms = 1, .answer_timeout_ms = 200,
                                           .refs_file = refs_path, .refs_headroom = 1000, .refs_leap_max = 1000};
    owner.name = "trade0";
    owner.path = &path;
    path.carrier = CONFIG_CARRIER_KERNEL;
    cr_assert_eq(posix_memalign((void **)&link_to_owner, CACHE_LINE_BYTES, sizeof(*link_to_owner)), 0);
    owner.link = link_to_owner;
    const struct orders_setup setup = {.owner = &owner, .link = link_to_owner};
    cr_assert_eq(orders_open(&orders, &config, &setup, now_ns, error), 0, "%s", error);
}

static void end(void)
{
    orders_close(&orders);
    unlink(refs_path);
    rmdir(folder);
}

TestSuite(orders, .init = start, .fini = end, .timeout = 60);

/* --- a clean stop */

Test(orders, a_stop_cancels_what_is_open_and_ends)
{
    UNTIL(owner_knows.begun);
    owner_enter();
    UNTIL(orders.book.inherited_count == 1);
    orders_stop(&orders, now_ns);
    UNTIL(owner_knows.cancels);
    owner_cancel_newest();
    UNTIL(orders_stopped(&orders));
    cr_assert_eq(venue.open, 0u);
    cr_assert(owner_knows.ended);
}

/* What the owner sends before it hears of the stop is known to be on its way only then. */
Test(orders, an_order_that_goes_out_while_a_stop_begins_is_waited_for)
{
    UNTIL(owner_knows.begun);
    orders_stop(&orders, now_ns);
    step();
    owner_enter();
    owner_hear();
    cr_assert(owner_knows.cancels && !owner_knows.ended);
    owner_cancel_newest();
    UNTIL(orders_stopped(&orders));
    cr_assert_eq(venue.enters, 1u);
    cr_assert_eq(venue.open, 0u, "and nothing is left behind");
}

/* The venue has it, and its answer was lost with the connection: only the next login can tell. */
Test(orders, a_stop_in_a_break_finds_the_orders_that_were_in_flight)
{
    UNTIL(owner_knows.begun);
    venue.mute = true;
    owner_enter();
    UNTIL(venue.open == 1);
    venue_leave();
    UNTIL(!owner_knows.begun);
    orders_stop(&orders, now_ns);
    venue.mute = false;
    UNTIL(orders_stopped(&orders));
    cr_assert_eq(venue.open, 0u);
}

Test(orders, a_stop_does_not_wait_for_ever_for_a_venue_that_is_gone_and_says_what_may_be_open)
{
    cr_redirect_stderr();
    UNTIL(owner_knows.begun);
    venue.mute = true;
    owner_enter();
    UNTIL(venue.open == 1);
    close(venue.listener);
    venue_leave();
    UNTIL(!owner_knows.begun);
    orders_stop(&orders, now_ns);
    UNTIL(orders_stopped(&orders));
    cr_assert_stderr_eq_str("tickgate: order session: closed: it is taken up again\n"
                            "tickgate: the venue has not confirmed that all orders are cancelled: 1 may be open\n");
}

/* --- the book of record */

/* A day's symbols: where there were no room for one, its first fill would be one of no order, and kill for good. */
Test(orders, the_book_of_record_has_room_for_every_symbol_of_an_exchange)
{
    struct order_event events[ANSWER_EVENTS_MAX];
    struct market_carried carried;
    uint32_t event_count, count = 0;

    for (uint32_t i = 1; i <= 12000; i++) {
        struct ouch_answer answer = {.type = OUCH_ACCEPTED, .user_ref = i, .side = 'B', .qty = 100, .price = 10000,
                                     .state = 'L', .symbol = SYMBOL + ((uint64_t)i << 24)};
        cr_assert_eq(answer_apply(&orders.book, &orders.positions, &answer, 0, &orders.answers, events, &event_count),
                     ANSWER_INHERITED, "symbol %u", i);
        answer = (struct ouch_answer){.type = OUCH_EXECUTED, .user_ref = i, .qty = 100, .price = 10000};
        cr_assert_eq(answer_apply(&orders.book, &orders.positions, &answer, 0, &orders.answers, events, &event_count),
                     ANSWER_INHERITED);
    }
    while (orders_position(&orders, count, &carried)) {
        cr_assert_eq(carried.position, 100);
        count++;
    }
    cr_assert_eq(count, 12000u);
}

Test(orders, the_book_of_record_has_room_for_what_its_owner_may_have_open)
{
    char error[ORDERS_ERROR_MAX];
    const struct orders_setup setup = {.owner = &owner, .link = link_to_owner};

    cr_assert_eq(orders.book.mask + 1, ORDERS_BOOK_MIN);
    orders_close(&orders);
    config.orders.open_orders_max = 2 * ORDERS_BOOK_MIN;
    cr_assert_eq(orders_open(&orders, &config, &setup, now_ns, error), 0, "%s", error);
    cr_assert_eq(orders.book.mask + 1, 2 * ORDERS_BOOK_MIN);
}

/* --- what is not answered */

/* The venue is there, and does nothing: an order that was to be replaced would wait for ever. */
Test(orders, a_replace_and_a_cancel_that_nobody_answers_are_the_end_of_the_connection)
{
    for (uint32_t i = 0; i < 2; i++) {
        UNTIL(owner_knows.begun);
        owner_enter();
        UNTIL(orders.book.inherited_count == i + 1);
        step();
        venue.deaf = true;
        i == 0 ? owner_replace_newest() : owner_cancel_newest();
        UNTIL(!owner_knows.begun);
        cr_assert_eq(orders.counters.late_count, i + 1);
        venue.deaf = false;
    }
}

static void steps_of(uint64_t time_ns)
{
    for (const uint64_t end_ns = now_ns + time_ns; now_ns < end_ns;) {
        step();
        owner_hear();
    }
}

Test(orders, an_order_that_nobody_answers_is_the_end_of_the_connection_and_not_before_its_time)
{
    UNTIL(owner_knows.begun);
    venue.deaf = true;
    owner_enter();
    steps_of(199 * MS_NS);
    cr_assert(owner_knows.begun && orders.counters.late_count == 0);
    steps_of(2 * MS_NS);
    cr_assert(!owner_knows.begun);
    cr_assert_eq(orders.counters.late_count, 1u);
}

/* Patience begins with the oldest that has no answer, and with each answer anew. */
Test(orders, orders_that_are_answered_in_time_never_make_a_connection_late)
{
    UNTIL(owner_knows.begun);
    for (uint32_t i = 0; i < 5; i++) {
        venue.mute = true;
        owner_enter();
        steps_of(150 * MS_NS);
        owner_enter(); /* behind the one whose answer comes now */
        venue.mute = false;
        steps_of(10 * MS_NS);
        owner_cancel_newest();
        steps_of(10 * MS_NS);
    }
    steps_of(400 * MS_NS);
    cr_assert(owner_knows.begun);
    cr_assert_eq(orders.counters.late_count, 0u);
    cr_assert_eq(venue.enters, 10u);
}

/* An order that was done before its replace came there has no other answer than that; so has one of which the owner had
 * not heard that it is done, when it asked. */
Test(orders, the_end_of_its_order_answers_a_replace)
{
    for (uint32_t i = 0; i < 2; i++) {
        UNTIL(owner_knows.begun);
        owner_enter();
        UNTIL(orders.book.inherited_count == 1 && link_to_owner->heard == orders.told_count);
        venue.deaf = true;
        if (i == 0)
            owner_replace_newest();
        const uint32_t told_count = orders.told_count;
        venue_say((struct ouch_answer){
            .type = OUCH_EXECUTED, .user_ref = link_to_owner->sent_ref, .qty = 100, .price = 10000, .match = 77});
        for (uint32_t steps = 0; orders.told_count == told_count; steps++) {
            cr_assert_lt(steps, STEPS_MAX);
            step();
        }
        step();
        if (i == 1)
            owner_replace_newest();
        for (uint32_t steps = 0; steps < 20000; steps++)
            step();
        owner_hear();
        cr_assert(owner_knows.begun && orders.book.inherited_count == 0);
        cr_assert_eq(orders.counters.late_count, 0u);
        venue.deaf = false;
    }
}

/* --- for the kill: a connection that is the control thread's */

static struct kill_look look(void)
{
    struct kill_look look;

    orders_look(&orders, &look);
    return look;
}

static void two_open(void)
{
    UNTIL(owner_knows.begun);
    owner_enter();
    owner_enter();
    UNTIL(orders.book.inherited_count == 2);
    cr_assert(look().session && look().up && !look().taken_over && look().open_count == 2);
}

/* What the owner wrote before may be lost, so nothing is sure until a login has told. */
Test(orders, a_session_that_is_taken_over_is_cancelled_by_the_control_thread_and_given_back)
{
    two_open();
    orders_take_over(&orders, now_ns);
    cr_assert(!look().up && !look().taken_over);
    UNTIL(look().taken_over);
    cr_assert_not(owner_knows.begun);
    UNTIL(look().open_count == 0);
    cr_assert_eq(venue.open, 0u);
    cr_assert_eq(venue.cancels, 2u, "each was asked for once");
    cr_assert_eq(orders.counters.own_cancel_count, 2u);
    steps_of(100 * MS_NS);
    cr_assert_not(owner_knows.begun, "not yet");
    orders_return(&orders);
    UNTIL(owner_knows.begun);
    cr_assert_not(look().taken_over);
    owner_enter();
    UNTIL(orders.book.inherited_count == 1);
}

/* Its cancels may have been lost with the connection, and then they are said again. */
Test(orders, cancels_of_the_control_thread_are_said_again_on_the_next_connection)
{
    two_open();
    orders_take_over(&orders, now_ns);
    venue.deaf = true;
    UNTIL(orders.counters.own_cancel_count == 2);
    steps_of(MS_NS);
    cr_assert_eq(orders.counters.own_cancel_count, 2u);
    venue_leave();
    venue.deaf = false;
    UNTIL(look().up && look().open_count == 0);
    cr_assert_eq(orders.counters.own_cancel_count, 4u);
    cr_assert_eq(venue.open, 0u);
}

Test(orders, an_owner_that_is_lost_is_told_so_once_and_never_gets_the_session_back)
{
    two_open();
    orders_owner_lost(&orders, now_ns);
    orders_owner_lost(&orders, now_ns);
    cr_assert(look().owner_lost && !look().up);
    owner_hear();
    cr_assert_not(owner_knows.begun);
    UNTIL(look().taken_over && look().open_count == 0);
    orders_return(&orders);
    steps_of(100 * MS_NS);
    cr_assert_not(owner_knows.begun);
    cr_assert(look().taken_over);
    cr_assert_eq(orders.counters.owner_lost_count, 1u);
    cr_assert_eq(venue.open, 0u);
}

Test(orders, who_has_no_session_has_nothing_to_look_at)
{
    orders_close(&orders);
    orders_take_over(&orders, now_ns);
    orders_owner_lost(&orders, now_ns);
    orders_stop(&orders, now_ns);
    cr_assert(!look().session && !look().up && !look().taken_over && !look().owner_lost);
    cr_assert_not(orders_step(&orders, now_ns));
}

/* --- what keeps a session going */

Test(orders, an_owner_that_says_nothing_is_asked_for_a_heartbeat)
{
    UNTIL(owner_knows.begun);
    const uint64_t before = orders.counters.heartbeat_count;
    steps_of(3500 * MS_NS);
    cr_assert_eq(owner_knows.heartbeats, 3u, "one a second, as long as nothing goes out");
    cr_assert_eq(orders.counters.heartbeat_count - before, 3u);
}

Test(orders, numbers_are_kept_ahead_of_those_that_are_used)
{
    UNTIL(owner_knows.begun);
    const uint32_t limit = orders.refs.limit;
    cr_assert_eq(link_to_owner->ref_limit, limit);
    owner.open.next_ref = limit - 10;
    step();
    cr_assert_gt(orders.refs.limit, limit);
    cr_assert_eq(link_to_owner->ref_limit, orders.refs.limit, "the owner may use them");
}

/* --- what is said */

Test(orders, why_a_session_does_not_come_up_is_said_once_and_names_the_fix)
{
    cr_redirect_stderr();
    venue.reject = 'A';
    UNTIL(orders.session.loss_count[ORDER_SESSION_LOSS_REJECTED] == 3);
    venue.reject = 0;
    UNTIL(owner_knows.begun);
    venue.reject = 'S';
    venue_leave();
    UNTIL(orders.session.loss_count[ORDER_SESSION_LOSS_REJECTED] == 5);
    venue.reject = 0;
    UNTIL(owner_knows.begun);
    venue_put(SOUP_END, NULL, 0);
    UNTIL(orders.session.state == ORDER_SESSION_ENDED);
    step();
    cr_assert_stderr_eq_str(
        "tickgate: order session: login rejected: (A) not authorised: orders.username, orders.password\n"
        "tickgate: order session: up again\n"
        "tickgate: order session: closed: it is taken up again\n"
        "tickgate: order session: login rejected: (S) there is no such session: orders.session\n"
        "tickgate: order session: up again\n"
        "tickgate: order session: ended by the venue: no more orders until a restart\n");
}

static int64_t position_held(void)
{
    struct market_carried carried;

    return orders_position(&orders, 0, &carried) ? carried.position : 0;
}

static uint64_t unreadable(void)
{
    struct kill_look look;

    orders_look(&orders, &look);
    return look.unreadable_count;
}

Test(orders, a_broken_trade_goes_out_of_the_book_of_record_and_is_said)
{
    cr_redirect_stderr();
    UNTIL(owner_knows.begun);
    owner_enter();
    venue.next_ref = 2;
    UNTIL(orders.book.inherited_count == 1);
    venue_say((struct ouch_answer){.type = OUCH_EXECUTED, .user_ref = 1, .qty = 100, .price = 10000, .match = 77});
    UNTIL(orders.answers.fill_count == 1);
    cr_assert_eq(position_held(), 100);
    venue_say((struct ouch_answer){.type = OUCH_BROKEN, .user_ref = 1, .match = 77, .reason = 'E'});
    venue_say((struct ouch_answer){.type = OUCH_BROKEN, .user_ref = 1, .match = 77, .reason = 'E'});
    UNTIL(orders.answers.broken_count == 2);
    cr_assert_eq(orders.book.inherited_count, 0u);
    cr_assert_eq(position_held(), 0);
    cr_assert_eq(unreadable(), 0u);
    cr_assert_stderr_eq_str(
        "tickgate: the venue breaks trade 77 of order 1 (E): bought 100 IPA at 10000: positions are without it now\n"
        "tickgate: the venue breaks trade 77 of order 1 (E): bought 100 IPA at 10000: it was broken before\n");
}

/* It is somebody's, and nobody knows whose: what is held is not known. */
Test(orders, a_fill_of_an_order_that_is_not_known_kills)
{
    UNTIL(owner_knows.begun);
    venue_say((struct ouch_answer){.type = OUCH_EXECUTED, .user_ref = 9, .qty = 100, .price = 10000, .match = 79});
    UNTIL(orders.answers.verdict[ANSWER_UNKNOWN_ORDER] == 1);
    cr_assert_eq(unreadable(), 1u);
    venue_say((struct ouch_answer){.type = OUCH_CANCELED, .user_ref = 9, .qty = 100, .reason = 'U'});
    UNTIL(orders.answers.verdict[ANSWER_UNKNOWN_ORDER] == 2);
    cr_assert_eq(unreadable(), 1u, "a cancel of what is not here changes nothing");
}

/* Each kind of answer, two bytes short: AIQ Canceled has a form that is one byte short. */
Test(orders, an_answer_that_cannot_be_read_kills_where_it_would_have_changed_something)
{
    static const struct { uint8_t type; bool moves; } answers[] = {
        {OUCH_ACCEPTED, true}, {OUCH_REPLACED, true}, {OUCH_EXECUTED, true}, {OUCH_CANCELED, true},
        {OUCH_AIQ_CANCELED, true}, {OUCH_MODIFIED, true}, {OUCH_BROKEN, true}, {OUCH_REJECTED, false},
        {OUCH_RESTATED, false}, {OUCH_PRIORITY, false}, {OUCH_CANCEL_PENDING, false}, {OUCH_CANCEL_REJECT, false},
        {OUCH_SYSTEM, false},
    };
    UNTIL(owner_knows.begun);
    for (uint32_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        const uint64_t before = unreadable();
        venue_say((struct ouch_answer){.type = answers[i].type, .user_ref = 1, .qty = 100, .price = 10000});
        venue.len[venue.count - 1] -= 2;
        steps_of(5 * MS_NS);
        cr_assert_eq(orders.counters.malformed_count, i + 1, "%c", answers[i].type);
        cr_assert_eq(unreadable() - before, answers[i].moves, "%c", answers[i].type);
    }
}

/* What a break of an unknown trade leaves is not known; nor what one leaves that cannot be read. */
Test(orders, a_broken_trade_that_is_not_known_or_cannot_be_read_kills)
{
    cr_redirect_stderr();
    UNTIL(owner_knows.begun);
    venue_say((struct ouch_answer){.type = OUCH_BROKEN, .user_ref = 1, .match = 78, .reason = 'C'});
    UNTIL(orders.answers.broken_count == 1);
    cr_assert_eq(unreadable(), 1u);
    venue_say((struct ouch_answer){.type = OUCH_BROKEN, .user_ref = 1, .match = 78, .reason = 'C'});
    venue.len[venue.count - 1]--;
    UNTIL(orders.counters.malformed_count == 1);
    cr_assert_eq(unreadable(), 2u);
    cr_assert_stderr_eq_str(
        "tickgate: the venue breaks trade 78 of order 1 (C): it is not known here, so positions are not known\n");
}

/* An earlier life had more open than this one has room for: their fills would move no position of the gate. */
Test(orders, orders_that_the_owner_has_no_room_for_are_said_and_kill)
{
    struct kill_look look;

    cr_redirect_stderr();
    UNTIL(owner_knows.begun);
    orders_look(&orders, &look);
    cr_assert_eq(look.unreadable_count, 0u);
    owner.answers.verdict[ANSWER_FULL] = 3;
    step();
    step();
    orders_look(&orders, &look);
    cr_assert_eq(look.unreadable_count, 3u);
    cr_assert_stderr_eq_str("tickgate: lcore trade0 has no room for orders of earlier lives (3): the gate does not "
                            "count them; raise orders.open_orders_max\n");
}

/* Orders go on for half a headroom yet: there is time to make room, for who knows. */
Test(orders, numbers_that_cannot_be_kept_are_said_before_they_are_used_up)
{
    char said[256];

    cr_redirect_stderr();
    UNTIL(owner_knows.begun);
    const int kept = dup(orders.refs.fd), full = open("/dev/full", O_RDWR);
    cr_assert(kept >= 0 && full >= 0 && dup2(full, orders.refs.fd) >= 0);
    owner.open.next_ref = orders.refs.limit - 400;
    for (uint32_t i = 0; i < 100; i++)
        step();
    snprintf(said, sizeof(said), "tickgate: orders.refs_file %s: cannot be written: No space left on device; orders "
                                 "end at UserRefNum %u: make room\n", refs_path, orders.refs.limit);
    cr_assert_stderr_eq_str(said);
    cr_assert(dup2(kept, orders.refs.fd) >= 0);
}
