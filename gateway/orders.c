/* See orders.h. */
#include "gateway/orders.h"

#include "gateway/order/trades.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READS_MAX 8u /* in one step */
#define READ_BYTES 16384u
#define NEWS_SPARE 8u               /* room that answers leave for news of the session */
#define ROUTE_LOOK_NS UINT64_C(1000000000)
#define OPEN_SAID_MAX 16u
#define CANCEL_PATIENCE_NS UINT64_C(5000000000) /* of a clean stop, for the answers to its cancels: a segment that is
                                                  * lost twice takes three seconds */
#define LEAVE_PATIENCE_NS UINT64_C(2000000000)  /* for the end of the connection */
#define MS_NS UINT64_C(1000000)

static const struct config_orders *config_of(const struct orders *orders)
{
    return &orders->config->orders;
}

/* --- the connection, whichever it is */

static int line_connect(struct orders *orders)
{
    const struct config_orders *config = config_of(orders);

    return orders->tcp ? tcp_line_connect(&orders->tcp_line, config->peer_ip, config->peer_port, config->local_port)
                       : kernel_line_connect(&orders->kernel_line, config->local_ip, config->local_port,
                                             config->peer_ip, config->peer_port);
}

static bool line_write(struct orders *orders, const uint8_t *bytes, uint32_t len)
{
    return orders->tcp ? tcp_line_write(&orders->tcp_line, bytes, len)
                       : kernel_line_write(&orders->kernel_line, bytes, len);
}

static uint32_t line_read(struct orders *orders, uint8_t *ret_bytes, uint32_t bytes_max)
{
    return orders->tcp ? tcp_line_read(&orders->tcp_line, ret_bytes, bytes_max)
                       : kernel_line_read(&orders->kernel_line, ret_bytes, bytes_max);
}

static bool line_quiet(const struct orders *orders)
{
    return orders->tcp ? tcp_line_quiet(&orders->tcp_line) : kernel_line_quiet(&orders->kernel_line);
}

static void line_end(struct orders *orders)
{
    orders->tcp ? tcp_line_end(&orders->tcp_line) : kernel_line_end(&orders->kernel_line);
}

static void line_close(struct orders *orders)
{
    orders->tcp ? tcp_line_close(&orders->tcp_line) : kernel_line_close(&orders->kernel_line);
}

static void line_abort(struct orders *orders)
{
    orders->tcp ? tcp_line_abort(&orders->tcp_line) : kernel_line_abort(&orders->kernel_line);
}

/* --- set-up */

/* An address is lwIP's or the kernel's, never both: the kernel would answer what is ours with resets. */
static bool kernel_has(uint32_t ip, char *ret_interface, size_t interface_len)
{
    struct ifaddrs *list;
    bool found = false;

    if (getifaddrs(&list) != 0)
        return false;
    for (const struct ifaddrs *entry = list; entry && !found; entry = entry->ifa_next) {
        const struct sockaddr_in *address = (const struct sockaddr_in *)(const void *)entry->ifa_addr;
        if (!address || address->sin_family != AF_INET || ntohl(address->sin_addr.s_addr) != ip)
            continue;
        snprintf(ret_interface, interface_len, "%s", entry->ifa_name);
        found = true;
    }
    freeifaddrs(list);
    return found;
}

static int tcp_open(struct orders *orders, const struct orders_setup *setup, uint64_t now_ns,
                    char ret_error[ORDERS_ERROR_MAX])
{
    const struct config_orders *config = config_of(orders);
    char interface[64], ip[INET_ADDRSTRLEN];
    const struct in_addr address = {.s_addr = htonl(config->local_ip)};

    if (kernel_has(config->local_ip, interface, sizeof(interface))) {
        snprintf(ret_error, ORDERS_ERROR_MAX,
                 "%s:%u: orders.local_ip: %s is the kernel's, on %s, and the session's own TCP needs one for itself; "
                 "take it off there (ip addr del), or use another",
                 orders->config->path, config->line, inet_ntop(AF_INET, &address, ip, sizeof(ip)), interface);
        return -EADDRINUSE;
    }
    stack_time(&orders->stack, now_ns);
    if (stack_open(&orders->stack, &setup->stack) != 0) {
        snprintf(ret_error, ORDERS_ERROR_MAX, "the TCP of the order session found no memory");
        return -ENOMEM;
    }
    memcpy(orders->local_mac, setup->stack.mac, 6);
    tcp_line_init(&orders->tcp_line, &orders->stack, &orders->link->log, config->probe_ms * MS_NS);
    return 0;
}

static int book_open(struct orders *orders, const struct reference_file *daily, char ret_error[ORDERS_ERROR_MAX])
{
    const uint32_t owner_max = orders->config->orders.open_orders_max;
    const uint32_t orders_max = owner_max > ORDERS_BOOK_MIN ? owner_max : ORDERS_BOOK_MIN; /* powers of two, both */
    void *memory = aligned_alloc(CACHE_LINE_BYTES, open_footprint(orders_max));
    struct trades *trades = calloc(1, sizeof(*trades));

    if (!memory || !trades) {
        free(memory);
        free(trades);
        snprintf(ret_error, ORDERS_ERROR_MAX, "no memory for the orders of the session");
        return -ENOMEM;
    }
    /* No order is of this life for it: all are found by what the venue says of them. */
    open_init(&orders->book, memory, orders_max, UINT32_MAX, 0);
    market_init(&orders->positions, NULL, NULL, 0);
    orders->positions.trades = trades;
    if (daily)
        reference_file_carry(daily, &orders->positions);
    return 0;
}

/* What of the venue's next number is believed: a wrong one would use up the numbers of the day. */
static void bound_refs(struct orders *orders)
{
    const uint32_t limit = orders->refs.limit, leap = config_of(orders)->refs_leap_max;
    const uint64_t leap_count = orders->session.loss_count[ORDER_SESSION_LOSS_USER_REF];

    orders->session.params.user_ref_max = limit <= UINT32_MAX - leap ? limit + leap : UINT32_MAX;
    if (leap_count == orders->leap_count)
        return;
    orders->leap_count = leap_count;
    fprintf(stderr, "tickgate: the venue says that it expects order number %u next, ours are below %u: not believed, "
                    "the session does not come up; if it is right, raise orders.refs_leap_max\n",
            orders->session.leapt_user_ref, limit);
}

int orders_open(struct orders *orders, const struct config *config, const struct orders_setup *setup,
                uint64_t now_ns, char ret_error[ORDERS_ERROR_MAX])
{
    const struct config_orders *section = &config->orders;
    struct order_session_params params = {.heartbeat_ns = section->heartbeat_ms * MS_NS,
                                          .timeout_ns = section->timeout_ms * MS_NS,
                                          .login_timeout_ns = section->login_timeout_ms * MS_NS,
                                          .retry_ns = section->retry_ms * MS_NS,
                                          .retry_max_ns = section->retry_max_ms * MS_NS,
                                          .query = true};

    *orders = (struct orders){.config = config,
                              .tcp = section->carrier == CONFIG_CARRIER_TCP,
                              .owner = setup->owner,
                              .link = setup->link};
    if (!orders->tcp)
        kernel_line_init(&orders->kernel_line, &orders->link->log);
    soup_field(params.username, sizeof(params.username), section->username);
    soup_field(params.password, sizeof(params.password), section->password);
    soup_field(params.session, sizeof(params.session), section->session);
    int error = refs_open(&orders->refs, section->refs_file, section->refs_headroom, ret_error);
    if (error)
        return error;
    orders->refs_open = true;
    error = book_open(orders, setup->daily, ret_error);
    if (error)
        return error;
    orders->owner->open.next_ref = orders->owner->open.oldest_ref = orders->refs.first;
    order_link_init(orders->link, orders->refs.limit);
    order_session_init(&orders->session, &params, now_ns);
    bound_refs(orders);
    return orders->tcp ? tcp_open(orders, setup, now_ns, ret_error) : 0;
}

void orders_close(struct orders *orders)
{
    if (!orders->config)
        return;
    if (orders->tcp && orders->tcp_line.stack)
        tcp_line_abort(&orders->tcp_line);
    else if (!orders->tcp)
        kernel_line_abort(&orders->kernel_line);
    if (orders->stack.netif.state)
        stack_close(&orders->stack);
    if (orders->refs_open)
        refs_close(&orders->refs, orders->stop == ORDERS_STOPPED ? orders->owner->open.next_ref : 0);
    free(orders->book.slots);
    free(orders->positions.trades);
    orders->config = NULL;
}

void orders_abort(struct orders *orders, uint64_t now_ns)
{
    if (!orders->config)
        return;
    if (orders->tcp && orders->tcp_line.stack) {
        (void)tcp_line_step(&orders->tcp_line, now_ns);
        tcp_line_abort(&orders->tcp_line);
    } else if (!orders->tcp) {
        kernel_line_abort(&orders->kernel_line);
    }
}

int orders_fd(const struct orders *orders)
{
    return orders->config && !orders->tcp ? kernel_line_fd(&orders->kernel_line) : -1;
}

/* --- news to the owner */

static void tell(struct orders *orders, const struct order_news *news)
{
    if (!orders->owner_lost)
        CHECK(order_link_tell(orders->link, news)); /* answers leave room for these */
}

/* The connection is lost, or taken back in anger: the owner may not send any more. */
static void take_back(struct orders *orders)
{
    const struct order_news news = {.type = ORDER_NEWS_BREAK};

    line_end(orders);
    orders->begun = false;
    orders->counters.break_count++;
    tell(orders, &news);
}

static void abort_line(struct orders *orders, uint64_t now_ns)
{
    line_abort(orders);
    order_session_abort(&orders->session, now_ns);
    order_session_closed(&orders->session, now_ns);
}

/* No more numbers than there are on disk. */
static void say_refs(const struct orders *orders, int error)
{
    fprintf(stderr, "tickgate: orders.refs_file %s: cannot be written: %s; orders end at UserRefNum %u: make room\n",
            config_of(orders)->refs_file, strerror(-error), orders->refs.limit);
}

static void give(struct orders *orders, uint64_t now_ns)
{
    struct order_news news = {.type = ORDER_NEWS_RESOLVE, .value = orders->session.next_user_ref};

    if (orders->tcp && !stack_peer_mac(&orders->stack, config_of(orders)->peer_ip, orders->route.peer_mac))
        return; /* forgotten by now: what we say next has it asked for */
    const int error = refs_raise(&orders->refs, news.value);
    if (error != 0)
        say_refs(orders, error);
    __atomic_store_n(&orders->link->ref_limit, orders->refs.limit, __ATOMIC_RELAXED);
    tell(orders, &news);

    if (++orders->epoch == 0)
        orders->epoch = 1;
    news = (struct order_news){.type = ORDER_NEWS_BEGIN, .epoch = orders->epoch, .socket = orders_fd(orders)};
    if (orders->tcp) {
        orders->route.tcp = true;
        orders->route.local_ip = config_of(orders)->local_ip;
        orders->route.peer_ip = config_of(orders)->peer_ip;
        orders->route.local_port = orders->tcp_line.local_port;
        orders->route.peer_port = config_of(orders)->peer_port;
        memcpy(orders->route.local_mac, orders->local_mac, 6);
        tcp_line_begin(&orders->tcp_line, orders->epoch, &news.value, &orders->route.window);
        news.route = orders->route;
        orders->route_ns = now_ns;
    } else {
        kernel_line_begin(&orders->kernel_line, orders->epoch, &news.value);
    }
    tell(orders, &news);
    orders->begun = true;
    orders->answered_ns = orders->asked_ns = 0;
    orders->answered_ref = orders->sent_ref = __atomic_load_n(&orders->link->sent_ref, __ATOMIC_RELAXED);
}

/* --- what the venue says */

/* Answers that change what is open or held: one that cannot be read leaves that unknown. */
static bool moves_orders(uint8_t type)
{
    return type == OUCH_ACCEPTED || type == OUCH_REPLACED || type == OUCH_EXECUTED || type == OUCH_CANCELED ||
           type == OUCH_AIQ_CANCELED || type == OUCH_MODIFIED || type == OUCH_BROKEN;
}

/* A desk has to hear of it: somebody may have hedged what is not held any more. */
static void say_broken(struct orders *orders, const struct ouch_answer *answer, enum answer_verdict verdict)
{
    uint32_t cursor = 0;
    const struct trades_entry *trade = trades_next(orders->positions.trades, answer->user_ref, answer->match, &cursor);
    char symbol[9];

    fprintf(stderr, "tickgate: the venue breaks trade %" PRIu64 " of order %u (%c): ", answer->match, answer->user_ref,
            answer->reason >= ' ' && answer->reason <= '~' ? answer->reason : '?');
    if (verdict == ANSWER_UNKNOWN_TRADE || !trade) {
        fputs("it is not known here, so positions are not known\n", stderr);
        return;
    }
    md_symbol_text(trade->order.symbol, symbol);
    fprintf(stderr, "%s %u %s at %" PRId32 ": %s\n", trade->order.side == 'B' ? "bought" : "sold", trade->order.qty,
            symbol, trade->order.price,
            verdict == ANSWER_IMPOSSIBLE ? "it was broken before" : "positions are without it now");
}

static void message(struct orders *orders, const struct order_session_message *message)
{
    struct order_event events[ANSWER_EVENTS_MAX];
    struct order_news news = {.type = ORDER_NEWS_ANSWER};
    uint32_t event_count;

    orders->counters.answer_count++;
    if (ouch_decode_answer(message->bytes, message->len, &news.answer) != 0) {
        orders->counters.malformed_count++;
        orders->counters.unreadable_count += message->len > 0 && moves_orders(message->bytes[0]);
        return;
    }
    const uint8_t type = news.answer.type;
    orders->counters.reject_count += type == OUCH_REJECTED;
    if ((type == OUCH_ACCEPTED || type == OUCH_REJECTED || type == OUCH_REPLACED) &&
        (int32_t)(news.answer.user_ref - orders->answered_ref) > 0) {
        orders->answered_ref = news.answer.user_ref;
        orders->answered_ns = 0;
    }
    const enum answer_verdict verdict = answer_apply(&orders->book, &orders->positions, &news.answer, 0,
                                                     &orders->answers, events, &event_count);
    orders->counters.unreadable_count +=
        (type == OUCH_EXECUTED && verdict == ANSWER_UNKNOWN_ORDER) || verdict == ANSWER_UNKNOWN_TRADE;
    if (type == OUCH_BROKEN)
        say_broken(orders, &news.answer, verdict);
    orders->told_count += !orders->owner_lost;
    tell(orders, &news);
}

/* Some of what has come, so that a flood holds nothing else up. False: there was nothing. */
static bool receive(struct orders *orders, uint64_t now_ns)
{
    struct order_session_message next;
    uint8_t bytes[READ_BYTES];
    bool busy = false;

    for (uint32_t reads = 0; reads < READS_MAX; reads++) {
        while ((orders->owner_lost || order_link_room(orders->link) > NEWS_SPARE) &&
               order_session_next(&orders->session, now_ns, &next)) {
            message(orders, &next);
            busy = true;
        }
        const uint32_t room = order_session_room(&orders->session);
        const uint32_t len = room > 0 ? line_read(orders, bytes, room < READ_BYTES ? room : READ_BYTES) : 0;
        if (len == 0)
            break;
        order_session_receive(&orders->session, bytes, len, now_ns);
        busy = true;
    }
    return busy;
}

/* --- life of the session */

static void connection_events(struct orders *orders, uint64_t now_ns)
{
    const int event =
        orders->tcp ? (int)tcp_line_event(&orders->tcp_line) : (int)kernel_line_event(&orders->kernel_line);

    if (event == TCP_LINE_CONNECTED)
        order_session_connected(&orders->session, now_ns);
    if (event == TCP_LINE_CLOSED) {
        while (receive(orders, now_ns)) /* what came before still counts */
            continue;
        order_session_closed(&orders->session, now_ns);
    }
}

/* What whoever runs the gateway can do about it. */
static const char *advice_of(const struct order_session *session)
{
    switch (session->loss) {
    case ORDER_SESSION_LOSS_CONNECT:
        return "is the venue there, and are orders.peer_ip and orders.peer_port right? It is tried again";
    case ORDER_SESSION_LOSS_REJECTED:
        return session->reject_reason == 'A'   ? "(A) not authorised: orders.username, orders.password"
               : session->reject_reason == 'S' ? "(S) there is no such session: orders.session"
                                               : "for a reason that SoupBinTCP does not have";
    case ORDER_SESSION_LOSS_SEQUENCE:
        return "the venue does not say again what was missed, so it is not taken up: ask the venue";
    case ORDER_SESSION_LOSS_SHORTER:
    case ORDER_SESSION_LOSS_OTHER_SESSION:
        return "no more orders; a restart reads the venue's messages from the first on";
    default:
        return "it is taken up again";
    }
}

/* Each way of losing a connection once, until the session is up again; what others say is left to them. */
static void say_loss(struct orders *orders)
{
    const struct order_session *session = &orders->session;
    const bool ended = session->state == ORDER_SESSION_ENDED && session->loss == ORDER_SESSION_LOSS_NONE;
    const uint32_t bit = 1u << session->loss; /* NONE: the venue has ended the session */

    if (session->state == ORDER_SESSION_UP && orders->said != 0) {
        orders->said = 0;
        fprintf(stderr, "tickgate: order session: up again\n");
    }
    if ((session->loss == ORDER_SESSION_LOSS_NONE && !ended) || session->loss == ORDER_SESSION_LOSS_ABORT ||
        session->loss == ORDER_SESSION_LOSS_USER_REF || (orders->said & bit) != 0 || orders->stop != ORDERS_RUNNING)
        return;
    orders->said |= bit;
    fprintf(stderr, "tickgate: order session: %s: %s\n",
            ended ? "ended by the venue" : order_session_loss_text((enum order_session_loss)session->loss),
            ended ? "no more orders until a restart" : advice_of(session));
}

static void session_wants(struct orders *orders, uint64_t now_ns)
{
    switch (order_session_want(&orders->session, now_ns)) {
    case ORDER_SESSION_CONNECT:
        if (line_connect(orders) != 0)
            order_session_closed(&orders->session, now_ns);
        break;
    case ORDER_SESSION_CLOSE:
        if (orders->session.stop)
            line_close(orders);
        else /* the port is wanted again, and a FIN of lwIP's may stand before bytes that the owner has sent */
            line_abort(orders);
        order_session_closed(&orders->session, now_ns);
        break;
    default:
        break;
    }
}

/* The session's own packets. While the connection is the owner's, a heartbeat is asked of it. */
static void session_says(struct orders *orders, uint64_t now_ns)
{
    uint8_t bytes[ORDER_SESSION_SEND_MAX];
    const struct order_news heartbeat = {.type = ORDER_NEWS_HEARTBEAT};
    const uint64_t sends = order_path_sends(orders->owner->path);

    if (sends != orders->owner_sends) {
        orders->owner_sends = sends;
        order_session_sent(&orders->session, now_ns);
    }
    const uint32_t len = order_session_send(&orders->session, now_ns, bytes);
    if (len == 0)
        return;
    if (!orders->begun) {
        line_write(orders, bytes, len);
    } else if (order_link_room(orders->link) > NEWS_SPARE / 2) {
        tell(orders, &heartbeat);
        orders->counters.heartbeat_count++;
    }
}

/* Another next hop: the owner's frames have to follow. */
static void watch_route(struct orders *orders, uint64_t now_ns)
{
    struct order_news news = {.type = ORDER_NEWS_ROUTE};
    uint8_t mac[6];

    if (!orders->tcp || !orders->begun || now_ns - orders->route_ns < ROUTE_LOOK_NS)
        return;
    orders->route_ns = now_ns;
    if (!stack_peer_mac(&orders->stack, orders->route.peer_ip, mac) || memcmp(mac, orders->route.peer_mac, 6) == 0 ||
        order_link_room(orders->link) <= NEWS_SPARE / 2)
        return;
    memcpy(orders->route.peer_mac, mac, 6);
    news.route = orders->route;
    tell(orders, &news);
}

/* The owner has sent orders on this connection that the venue has said nothing of. */
static bool unanswered(const struct orders *orders)
{
    return orders->begun && (int32_t)(orders->sent_ref - orders->answered_ref) > 0;
}

/* --- for the kill */

/* Orders of earlier lives that the gate does not know, since the owner's table had no room for them: what they hold and
 * buy is counted nowhere. (The book of record has more room.) */
static uint64_t unbooked_count(const struct orders *orders)
{
    return __atomic_load_n(&orders->owner->answers.verdict[ANSWER_FULL], __ATOMIC_RELAXED);
}

static void watch_owner_room(struct orders *orders)
{
    const uint64_t count = unbooked_count(orders);

    if (count == orders->unbooked_count)
        return;
    orders->unbooked_count = count;
    fprintf(stderr, "tickgate: lcore %s has no room for orders of earlier lives (%" PRIu64 "): the gate does not count "
                    "them; raise orders.open_orders_max\n", orders->owner->name, count);
}

void orders_look(const struct orders *orders, struct kill_look *ret_look)
{
    const bool up = orders->config && orders->session.state == ORDER_SESSION_UP;

    *ret_look = (struct kill_look){
        .session = orders->config != NULL,
        .up = up,
        .taken_over = up && !orders->begun && (orders->owner_lost || orders->aside) &&
                      orders->session.login_count > orders->aside_login,
        .owner_lost = orders->owner_lost,
        .in_flight = unanswered(orders),
        .open_count = orders->book.inherited_count,
        .unreadable_count = orders->counters.unreadable_count + (orders->config ? unbooked_count(orders) : 0),
        .full_count = orders->answers.verdict[ANSWER_FULL],
    };
}

const struct open_order *orders_open_next(struct orders *orders, uint32_t *cursor)
{
    return open_next(&orders->book, cursor);
}

/* The numbers of what is open, as the venue has said it. */
static void say_open(struct orders *orders)
{
    const struct open_order *order;
    uint32_t cursor = 0, count = 0;
    char symbol[9];

    while (count < OPEN_SAID_MAX && (order = orders_open_next(orders, &cursor))) {
        md_symbol_text(order->symbol, symbol);
        fprintf(stderr, "tickgate: not confirmed: order %u, %c %u %s, %s\n", order->user_ref, order->side, order->qty,
                symbol, open_state_name((enum open_state)order->state));
        count++;
    }
    if (orders->book.inherited_count > count)
        fprintf(stderr, "tickgate: not confirmed: %u more\n", orders->book.inherited_count - count);
}

/* Bytes that the owner may still write are of the past; what it has open is unknown until the next login has told. */
static void seize(struct orders *orders, uint64_t now_ns)
{
    orders->aside_login = orders->session.login_count;
    if (orders->begun)
        take_back(orders);
    abort_line(orders, now_ns);
}

void orders_owner_lost(struct orders *orders, uint64_t now_ns)
{
    if (!orders->config || orders->owner_lost)
        return;
    orders->counters.owner_lost_count++;
    fprintf(stderr, "tickgate: lcore %s makes no turn: its order session is shut, and the control thread cancels its "
                    "orders\n", orders->owner->name);
    say_open(orders);
    seize(orders, now_ns);
    orders->owner_lost = true;
}

void orders_take_over(struct orders *orders, uint64_t now_ns)
{
    if (!orders->config || orders->stop != ORDERS_RUNNING)
        return;
    orders->counters.taken_over_count++;
    say_open(orders);
    seize(orders, now_ns);
    orders->aside = true;
}

void orders_return(struct orders *orders)
{
    orders->aside = false;
}

static bool late(uint64_t since_ns, uint64_t patience_ns, uint64_t now_ns)
{
    return since_ns != 0 && now_ns - since_ns >= patience_ns;
}

/* New orders: each has an answer of its own. */
static void watch_new(struct orders *orders, uint64_t now_ns)
{
    orders->sent_ref = __atomic_load_n(&orders->link->sent_ref, __ATOMIC_RELAXED);
    if (!unanswered(orders))
        orders->answered_ns = 0;
    else if (orders->answered_ns == 0)
        orders->answered_ns = now_ns;
}

/* Replaces and cancels: the venue may pass one over because its order is done, but it says so behind it. What was said
 * before the owner asked, and had not reached it, counts as said behind it. */
static void watch_asked(struct orders *orders, uint64_t now_ns)
{
    const uint64_t asked = __atomic_load_n(&orders->link->asked, __ATOMIC_RELAXED);
    const bool more = (uint32_t)(asked >> 32) != orders->asked_count;

    if (!orders->begun || orders->told_count != orders->asked_told)
        orders->asked_ns = 0;
    if (orders->begun && more && (uint32_t)asked == orders->told_count && orders->asked_ns == 0)
        orders->asked_ns = now_ns;
    orders->asked_count = (uint32_t)(asked >> 32);
    orders->asked_told = orders->told_count;
}

/* Requests without an answer for so long: the connection is worth nothing. */
static void watch_answers(struct orders *orders, uint64_t now_ns)
{
    const uint64_t patience_ns = config_of(orders)->answer_timeout_ms * MS_NS;

    watch_new(orders, now_ns);
    watch_asked(orders, now_ns);
    if (patience_ns == 0 ||
        (!late(orders->answered_ns, patience_ns, now_ns) && !late(orders->asked_ns, patience_ns, now_ns)))
        return;
    orders->counters.late_count++;
    fprintf(stderr, "tickgate: order session: no answer to what was sent, orders up to %u, for %u ms "
                    "(orders.answer_timeout_ms): the connection is taken up anew\n", orders->owner->open.next_ref - 1,
            config_of(orders)->answer_timeout_ms);
    abort_line(orders, now_ns);
}

static void watch_refs(struct orders *orders)
{
    const uint32_t next_ref = __atomic_load_n(&orders->owner->open.next_ref, __ATOMIC_RELAXED);
    const int result = refs_step(&orders->refs, next_ref);

    if (result > 0)
        __atomic_store_n(&orders->link->ref_limit, orders->refs.limit, __ATOMIC_RELAXED);
    if (result < 0)
        say_refs(orders, result);
}

/* Orders that no owner looks after: cancelled from the book of record, as far as TCP takes them in one step. */
static void cancel_for_owner(struct orders *orders)
{
    uint8_t bytes[SOUP_HEADER_LEN + OUCH_CANCEL_LEN];
    struct order_event event;
    struct open_order *order;
    uint32_t cursor = 0;

    if (orders->cancel_login != orders->session.login_count) { /* cancels may be lost with the connection before */
        orders->cancel_login = orders->session.login_count;
        answer_break_next(&orders->book, &cursor, 0, &event); /* nobody is to be told: one call walks them all */
        cursor = 0;
    }
    while ((order = open_next(&orders->book, &cursor))) {
        if (order->state == OPEN_PENDING_CANCEL)
            continue;
        const struct ouch_cancel cancel = {.user_ref = order->user_ref};
        soup_encode_header(bytes, SOUP_UNSEQUENCED, OUCH_CANCEL_LEN);
        ouch_encode_cancel(&cancel, bytes + SOUP_HEADER_LEN);
        if (!line_write(orders, bytes, sizeof(bytes)))
            return;
        open_cancel_sent(order, 0);
        orders->counters.own_cancel_count++;
    }
}

/* --- a clean stop: cancel, end, log out */

void orders_stop(struct orders *orders, uint64_t now_ns)
{
    const struct order_news news = {.type = ORDER_NEWS_CANCEL_ALL};

    if (!orders->config || orders->stop != ORDERS_RUNNING)
        return;
    orders->stop = ORDERS_CANCELLING;
    orders->stop_ns = now_ns;
    if (orders->begun)
        tell(orders, &news);
}

/* Orders of the owner that the venue has told nothing of, since the session is down. */
static uint32_t doubtful_count(const struct orders *orders)
{
    return orders->session.state == ORDER_SESSION_UP ? 0
                                                     : __atomic_load_n(&orders->owner->open.count, __ATOMIC_RELAXED);
}

/* May more be open than the book of record says? An owner that has not heard of the stop may still send. */
static bool in_doubt(struct orders *orders)
{
    if (!orders->begun)
        return doubtful_count(orders) > 0 && orders->session.state < ORDER_SESSION_ENDED;
    if (!order_link_heard(orders->link))
        return true;
    orders->sent_ref = __atomic_load_n(&orders->link->sent_ref, __ATOMIC_RELAXED);
    return unanswered(orders);
}

static uint32_t left_count(const struct orders *orders)
{
    const uint32_t known = orders->book.inherited_count, doubtful = doubtful_count(orders);

    return known > doubtful ? known : doubtful;
}

static bool owner_has_ended(const struct orders *orders)
{
    enum send_log_state state;

    return orders->owner_lost ||
           (send_log_owner_epoch(&orders->link->log) == 0 && !send_log_peek(&orders->link->log, 0, &state));
}

static void stop_step(struct orders *orders, uint64_t now_ns)
{
    const struct order_news end = {.type = ORDER_NEWS_END};

    switch (orders->stop) {
    case ORDERS_CANCELLING:
        if ((orders->book.inherited_count > 0 || in_doubt(orders)) && now_ns - orders->stop_ns < CANCEL_PATIENCE_NS)
            return;
        if (left_count(orders) > 0)
            fprintf(stderr, "tickgate: the venue has not confirmed that all orders are cancelled: %u may be open\n",
                    left_count(orders));
        if (orders->begun)
            tell(orders, &end);
        orders->stop = ORDERS_ENDING;
        orders->stop_ns = now_ns;
        return;
    case ORDERS_ENDING:
        if (orders->begun && !owner_has_ended(orders) && now_ns - orders->stop_ns < LEAVE_PATIENCE_NS)
            return;
        if (orders->begun) {
            line_end(orders);
            orders->begun = false;
        }
        order_session_stop(&orders->session, now_ns);
        orders->stop = ORDERS_LEAVING;
        orders->stop_ns = now_ns;
        return;
    case ORDERS_LEAVING:
        if (orders->session.state == ORDER_SESSION_STOPPED || now_ns - orders->stop_ns >= LEAVE_PATIENCE_NS)
            orders->stop = ORDERS_STOPPED;
        return;
    default:
        return;
    }
}

bool orders_step(struct orders *orders, uint64_t now_ns)
{
    if (!orders->config)
        return false;
    bool busy =
        orders->tcp ? tcp_line_step(&orders->tcp_line, now_ns) : kernel_line_step(&orders->kernel_line, now_ns);
    connection_events(orders, now_ns);
    busy |= receive(orders, now_ns);
    session_wants(orders, now_ns);
    say_loss(orders);
    if (orders->begun && orders->session.state != ORDER_SESSION_UP)
        take_back(orders);
    session_says(orders, now_ns);
    const bool up = orders->session.state == ORDER_SESSION_UP && line_quiet(orders);
    if (up && !orders->begun && !orders->owner_lost && !orders->aside && orders->stop == ORDERS_RUNNING &&
        order_link_room(orders->link) > NEWS_SPARE)
        give(orders, now_ns);
    if (up && !orders->begun && (orders->owner_lost || orders->aside || orders->stop == ORDERS_CANCELLING))
        cancel_for_owner(orders);
    watch_owner_room(orders);
    watch_route(orders, now_ns);
    watch_answers(orders, now_ns);
    watch_refs(orders);
    bound_refs(orders);
    stop_step(orders, now_ns);
    return busy;
}

bool orders_position(const struct orders *orders, uint32_t index, struct market_carried *ret_carried)
{
    for (uint32_t i = 0; i < MARKET_CARRIED_MAX; i++)
        if (orders->positions.carried[i].symbol != 0 && index-- == 0) {
            *ret_carried = orders->positions.carried[i];
            return true;
        }
    return false;
}
