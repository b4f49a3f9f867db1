/* desk: whole conversations on buffers, with the engine behind it. */
#include "tools/desk.h"

#include "feed/wire.h"
#include "ring/md_event.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define SYMBOL md_symbol("ABC")
#define SECOND UINT64_C(1000000000)

static struct desk *desk;
static struct match *match;
static struct desk_params params;
static uint64_t now_ns;
static uint8_t got[1 << 20]; /* what the client has received and not looked at */
static uint32_t got_len;
static uint32_t heard_in, heard_out;

static int64_t instrument_of(void *arg, uint64_t symbol)
{
    (void)arg;
    return symbol == SYMBOL ? 7 : -1;
}

static void hear(void *arg, const struct match_news *news)
{
    (void)arg;
    desk_news(desk, news, now_ns);
}

static void heard(void *arg, bool in, uint64_t seq, const uint8_t *message, uint32_t len)
{
    (void)arg;
    cr_assert((len > 0 || in) && message && (in ? seq == 0 : seq == heard_out + 1));
    *(in ? &heard_in : &heard_out) += 1;
}

static void start(void)
{
    const struct match_params engine = {.book = {.instruments_max = 16, .orders_max = 1024, .levels_max = 256},
                                        .client_orders_max = 256};

    now_ns = 1000 * SECOND;
    params = (struct desk_params){.heartbeat_ns = SECOND, .timeout_ns = 15 * SECOND, .midnight_ns = 900 * SECOND,
                                  .heard = heard};
    soup_field(params.username, SOUP_USERNAME_LEN, "desk");
    soup_field(params.password, SOUP_PASSWORD_LEN, "gate");
    soup_field(params.session, SOUP_SESSION_LEN, "DAY1");
    match = match_init(aligned_alloc(64, (match_footprint(&engine) + 63) / 64 * 64), &engine, hear, NULL);
}

static void stop(void)
{
    desk_close(desk);
    free(match);
}

TestSuite(desk, .init = start, .fini = stop, .timeout = 60);

static void open_desk(void)
{
    desk = desk_open(match, &params, instrument_of, NULL);
    cr_assert_not_null(desk);
    desk_connected(desk, now_ns);
}

static void take(void)
{
    got_len += desk_send(desk, now_ns, got + got_len, sizeof(got) - got_len);
}

/* The next packet that the client has; its type, 0 = none. */
static uint8_t packet(struct soup_packet *ret_packet)
{
    static uint8_t kept[65536];
    struct soup_packet found;

    take();
    if (soup_parse(got, got_len, &found) != SOUP_PACKET)
        return 0;
    memcpy(kept, got, found.packet_len);
    memmove(got, got + found.packet_len, got_len - found.packet_len);
    got_len -= found.packet_len;
    cr_assert_eq(soup_parse(kept, found.packet_len, ret_packet), SOUP_PACKET);
    return ret_packet->type;
}

static void say_login(const char *password, uint64_t sequence)
{
    struct soup_login login = {.sequence = sequence};
    uint8_t bytes[SOUP_LOGIN_LEN];

    soup_field(login.username, SOUP_USERNAME_LEN, "desk");
    soup_field(login.password, SOUP_PASSWORD_LEN, password);
    soup_field(login.session, SOUP_SESSION_LEN, "");
    desk_receive(desk, bytes, soup_encode_login(bytes, &login), now_ns);
}

static uint64_t log_in(uint64_t sequence)
{
    struct soup_packet answer;
    char name[SOUP_SESSION_LEN];
    uint64_t next;

    say_login("gate", sequence);
    cr_assert_eq(packet(&answer), SOUP_LOGIN_ACCEPTED);
    cr_assert(soup_decode_accepted(&answer, name, &next));
    return next;
}

static void say(const uint8_t *message, uint32_t len)
{
    uint8_t bytes[256];

    const uint32_t header_len = soup_encode_header(bytes, SOUP_UNSEQUENCED, len);
    memcpy(bytes + header_len, message, len);
    desk_receive(desk, bytes, header_len + len, now_ns);
}

static void enter(uint32_t user_ref, uint8_t side, uint32_t qty, uint64_t price, uint8_t tif)
{
    const struct ouch_enter request = {.user_ref = user_ref, .side = side, .qty = qty, .symbol = SYMBOL,
                                       .price = price, .tif = tif, .display = 'Y', .capacity = 'P', .iso = 'N',
                                       .cross = 'N', .cl_ord_id = "0123456789ABC"};
    uint8_t message[64];

    say(message, ouch_encode_enter(&request, message));
}

static void replace(uint32_t orig, uint32_t user_ref, uint32_t qty, uint64_t price)
{
    const struct ouch_replace request = {
        .orig_user_ref = orig, .user_ref = user_ref, .qty = qty, .price = price,
        .tif = '0', .display = 'Y', .iso = 'N'};
    uint8_t message[64];

    say(message, ouch_encode_replace(&request, message));
}

static void cancel(uint32_t user_ref, uint32_t qty)
{
    const struct ouch_cancel request = {.user_ref = user_ref, .qty = qty};
    uint8_t message[64];

    say(message, ouch_encode_cancel(&request, message));
}

/* The next answer, which must be of this type and about this number. */
static struct ouch_answer answer(uint8_t type, uint32_t user_ref)
{
    struct soup_packet found;
    struct ouch_answer decoded;

    cr_assert_eq(packet(&found), SOUP_SEQUENCED, "no answer; '%c' was due", type);
    cr_assert_eq(ouch_decode_answer(found.payload, found.payload_len, &decoded), 0);
    cr_assert(decoded.type == type && decoded.user_ref == user_ref, "'%c' %u instead of '%c' %u", decoded.type,
              decoded.user_ref, type, user_ref);
    cr_assert_eq(decoded.timestamp_ns, now_ns - params.midnight_ns);
    return decoded;
}

static void nothing(void)
{
    struct soup_packet found;

    cr_assert_eq(packet(&found), 0);
}

Test(desk, an_order_rests_is_told_and_is_cancelled)
{
    open_desk();
    cr_assert_eq(log_in(1), 1u);
    enter(1, 'B', 100, 50000, '0');
    const struct ouch_answer accepted = answer(OUCH_ACCEPTED, 1);
    cr_assert(accepted.qty == 100 && accepted.price == 50000 && accepted.side == 'B' && accepted.state == 'L');
    cr_assert_eq(accepted.symbol, SYMBOL);
    cr_assert_geq(accepted.order_ref, MATCH_CLIENT_REF, "the reference that the feed has");
    cr_assert_arr_eq(accepted.cl_ord_id, "0123456789ABC", 13);
    cancel(1, 40);
    cr_assert_eq(answer(OUCH_CANCELED, 1).qty, 60u, "it shall be 40");
    cancel(1, 40);
    nothing();
    cancel(1, 0);
    const struct ouch_answer canceled = answer(OUCH_CANCELED, 1);
    cr_assert(canceled.qty == 40 && canceled.reason == 'U');
    cancel(1, 0);
    nothing();
    cr_assert_eq(match_client_count(match), 0u);
    cr_assert_eq(desk_order_at(desk, 0)->open_qty, 0u);
    cr_assert(heard_in == 5 && heard_out == 3);
}

Test(desk, an_immediate_order_takes_what_is_there)
{
    open_desk();
    log_in(1);
    match_add(match, 7, 1001, 'S', 50000, 30);
    match_add(match, 7, 1002, 'S', 50100, 30);
    enter(1, 'B', 100, 50000, '3');
    answer(OUCH_ACCEPTED, 1);
    const struct ouch_answer executed = answer(OUCH_EXECUTED, 1);
    cr_assert(executed.qty == 30 && executed.price == 50000 && executed.liquidity == 'R' && executed.match > 0);
    const struct ouch_answer canceled = answer(OUCH_CANCELED, 1);
    cr_assert(canceled.qty == 70 && canceled.reason == 'I');
    nothing();
    cr_assert_eq(desk_position(desk, SYMBOL), 30);
    cr_assert_eq(desk_cash(desk, SYMBOL), -30 * 50000);
    cr_assert_eq(desk_cash(desk, SYMBOL + 1), 0);
}

Test(desk, a_resting_order_is_filled_by_the_flow_and_sells_go_short)
{
    open_desk();
    log_in(1);
    enter(1, 'T', 100, 50000, '0');
    answer(OUCH_ACCEPTED, 1);
    match_add(match, 7, 2001, 'B', 50000, 60);
    cr_assert_eq(answer(OUCH_EXECUTED, 1).liquidity, 'A');
    match_add(match, 7, 2002, 'B', 50100, 60);
    const struct ouch_answer executed = answer(OUCH_EXECUTED, 1);
    cr_assert(executed.qty == 40 && executed.price == 50000, "at the price of the order in the book");
    cr_assert_eq(desk_position(desk, SYMBOL), -100);
    cr_assert_eq(desk_cash(desk, SYMBOL), 100 * 50000);
    cr_assert_eq(desk_counters(desk)->fill_count, 2u);
    cancel(1, 0);
    nothing();
}

Test(desk, trades_are_broken_newest_first)
{
    open_desk();
    log_in(1);
    cr_assert_not(desk_break(desk, now_ns));
    enter(1, 'T', 100, 50000, '0');
    match_add(match, 7, 2001, 'B', 50000, 60);
    match_add(match, 7, 2002, 'B', 50000, 30);
    answer(OUCH_ACCEPTED, 1);
    const uint64_t first = answer(OUCH_EXECUTED, 1).match, second = answer(OUCH_EXECUTED, 1).match;
    cr_assert(desk_break(desk, now_ns));
    const struct ouch_answer broken = answer(OUCH_BROKEN, 1);
    cr_assert(broken.match == second && broken.reason == 'E');
    cr_assert(desk_position(desk, SYMBOL) == -60 && desk_cash(desk, SYMBOL) == 60 * 50000);
    cr_assert(desk_break(desk, now_ns));
    cr_assert_eq(answer(OUCH_BROKEN, 1).match, first);
    cr_assert(desk_position(desk, SYMBOL) == 0 && desk_cash(desk, SYMBOL) == 0);
    cr_assert_not(desk_break(desk, now_ns));
    cr_assert_eq(desk_counters(desk)->broken_count, 2u);
}

Test(desk, orders_of_the_account_trade_with_each_other)
{
    open_desk();
    log_in(1);
    enter(1, 'S', 50, 50000, '0');
    answer(OUCH_ACCEPTED, 1);
    enter(2, 'B', 80, 50000, '0');
    answer(OUCH_ACCEPTED, 2);
    answer(OUCH_EXECUTED, 1);
    cr_assert_eq(answer(OUCH_EXECUTED, 2).qty, 50u);
    cr_assert(desk_position(desk, SYMBOL) == 0 && desk_cash(desk, SYMBOL) == 0);
    cr_assert_eq(desk_order_at(desk, 1)->open_qty, 30u);
}

Test(desk, a_replace_counts_what_was_executed_before)
{
    open_desk();
    log_in(1);
    enter(1, 'B', 100, 50000, '0');
    answer(OUCH_ACCEPTED, 1);
    match_add(match, 7, 3001, 'S', 50000, 40);
    answer(OUCH_EXECUTED, 1);
    replace(1, 2, 150, 50200);
    const struct ouch_answer replaced = answer(OUCH_REPLACED, 2);
    cr_assert(replaced.orig_user_ref == 1 && replaced.qty == 110 && replaced.price == 50200 && replaced.side == 'B');
    cr_assert_geq(replaced.order_ref, MATCH_CLIENT_REF);
    cancel(2, 60);
    cr_assert_eq(answer(OUCH_CANCELED, 2).qty, 90u, "60 intended, 40 executed, 20 left");
    replace(1, 3, 10, 50000);
    nothing(); /* order 1 is done */
    replace(2, 3, 40, 50000);
    cr_assert_eq(answer(OUCH_CANCELED, 2).qty, 20u, "nothing would be left: it is taken down");
    cr_assert_eq(desk_order_at(desk, 0)->replaced_by, 2u);
}

Test(desk, a_replace_may_trade_at_once)
{
    open_desk();
    log_in(1);
    match_add(match, 7, 4001, 'S', 50500, 30);
    enter(1, 'B', 100, 50000, '0');
    answer(OUCH_ACCEPTED, 1);
    replace(1, 2, 100, 50500);
    answer(OUCH_REPLACED, 2);
    cr_assert_eq(answer(OUCH_EXECUTED, 2).qty, 30u);
    cr_assert_eq(desk_order_at(desk, 1)->open_qty, 70u);
}

Test(desk, what_cannot_be_is_rejected)
{
    static const struct { uint8_t side; uint32_t qty; uint64_t price; uint16_t code; } cases[] = {
        {'X', 100, 50000, 0x0009}, {0, 100, 50000, 0x0009},     {'B', 0, 50000, 0x0013},
        {'B', 1000000, 50000, 0x0013}, {'B', 100, 0, 0x001d}, {'B', 100, 2000000000, 0x001d},
    };
    const struct ouch_enter other = {.user_ref = 100, .side = 'B', .qty = 1, .symbol = md_symbol("ZZZ"), .price = 1};
    uint8_t message[64];

    open_desk();
    log_in(1);
    for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enter(i + 1, cases[i].side, cases[i].qty, cases[i].price, '0');
        cr_assert_eq(answer(OUCH_REJECTED, i + 1).reason, cases[i].code);
        cr_assert(desk_order_at(desk, i)->rejected);
    }
    say(message, ouch_encode_enter(&other, message));
    cr_assert_eq(answer(OUCH_REJECTED, 100).reason, 0x0017);
    say((const uint8_t *)"?", 1);
    say((const uint8_t *)"", 0);
    nothing();
    cr_assert_eq(desk_counters(desk)->malformed_count, 2u);
    cr_assert_eq(match_client_count(match), 0u);
}

Test(desk, a_number_that_is_not_above_all_before_is_ignored)
{
    open_desk();
    log_in(1);
    enter(5, 'B', 100, 50000, '0');
    answer(OUCH_ACCEPTED, 5);
    enter(5, 'B', 100, 50000, '0');
    enter(4, 'B', 100, 50000, '0');
    replace(5, 5, 200, 50000);
    nothing();
    cr_assert_eq(desk_counters(desk)->repeated_count, 3u);
    uint8_t message[8];
    say(message, ouch_encode_query(message));
    answer(OUCH_QUERY_ANSWER, 6);
}

Test(desk, the_day_is_replayed_from_where_a_login_asks)
{
    struct soup_packet found;

    open_desk();
    log_in(1);
    for (uint32_t i = 1; i <= 5; i++) {
        enter(i, 'B', 100, 40000 + i, '0');
        answer(OUCH_ACCEPTED, i);
    }
    for (uint64_t from = 0; from <= 7; from++) {
        desk_closed(desk, now_ns);
        got_len = 0;
        desk_connected(desk, now_ns);
        const uint64_t first = from == 0 || from > 6 ? 6 : from;
        cr_assert_eq(log_in(from), first);
        for (uint64_t seq = first; seq <= 5; seq++)
            answer(OUCH_ACCEPTED, (uint32_t)seq);
        cr_assert_eq(packet(&found), 0);
    }
    cr_assert_eq(match_client_count(match), 5u, "nothing was declared to be cancelled");
    cr_assert_eq(desk_next_seq(desk), 6u);
}

Test(desk, a_disconnect_cancels_where_that_is_declared)
{
    params.cancel_on_disconnect = true;
    open_desk();
    log_in(1);
    for (uint32_t i = 1; i <= 3; i++) {
        enter(i, 'B', 100, 40000 + i, '0');
        answer(OUCH_ACCEPTED, i);
    }
    cancel(2, 0);
    answer(OUCH_CANCELED, 2);
    desk_closed(desk, now_ns);
    cr_assert_eq(match_client_count(match), 0u);
    cr_assert_eq(desk_counters(desk)->disconnect_cancel_count, 2u);
    got_len = 0;
    desk_connected(desk, now_ns);
    cr_assert_eq(log_in(5), 5u);
    cr_assert_eq(answer(OUCH_CANCELED, 1).qty, 100u);
    cr_assert_eq(answer(OUCH_CANCELED, 3).reason, 'Z');
}

Test(desk, who_may_not_log_in_is_told_and_left)
{
    struct soup_packet found;

    open_desk();
    say_login("wrong", 1);
    cr_assert_eq(packet(&found), SOUP_LOGIN_REJECTED);
    cr_assert_eq(found.payload[0], 'A');
    cr_assert(desk_wants_close(desk));
    desk_closed(desk, now_ns);
    desk_connected(desk, now_ns);
    enter(1, 'B', 1, 1, '0');
    cr_assert(desk_wants_close(desk), "a request before the login");
    cr_assert_eq(desk_order_count(desk), 0u);
}

Test(desk, bytes_come_in_any_pieces_and_damage_ends_the_connection)
{
    const struct ouch_enter request = {.user_ref = 1, .side = 'B', .qty = 1, .symbol = SYMBOL, .price = 1, .tif = '0'};
    uint8_t bytes[64];

    open_desk();
    log_in(1);
    uint32_t len = soup_encode_header(bytes, SOUP_UNSEQUENCED, OUCH_ENTER_LEN);
    len += ouch_encode_enter(&request, bytes + len);
    for (uint32_t i = 0; i < len; i++) {
        nothing();
        desk_receive(desk, bytes + i, 1, now_ns);
    }
    answer(OUCH_ACCEPTED, 1);
    desk_receive(desk, (const uint8_t[]){0, 0, 'U'}, 3, now_ns);
    cr_assert(desk_wants_close(desk));
}

Test(desk, both_sides_hear_of_each_other)
{
    struct soup_packet found;

    open_desk();
    log_in(1);
    const uint64_t due_ns = desk_deadline_ns(desk);
    cr_assert_eq(due_ns, now_ns + SECOND);
    now_ns = due_ns - 1;
    nothing();
    now_ns = due_ns;
    cr_assert_eq(packet(&found), SOUP_SERVER_HEARTBEAT);
    for (uint32_t i = 0; i < 14; i++) {
        cr_assert_not(desk_wants_close(desk));
        now_ns += SECOND;
        take();
    }
    cr_assert(desk_wants_close(desk), "a client that is silent for so long is gone");
}

Test(desk, misbehaviour_is_as_ordered)
{
    struct soup_packet found;

    params.answer_delay_ns = 5000;
    params.garbage_after = 2;
    params.silent_after = 3;
    open_desk();
    log_in(1);
    enter(1, 'B', 1, 40000, '0');
    nothing();
    cr_assert_eq(desk_deadline_ns(desk), now_ns + 5000);
    now_ns += 5000;
    cr_assert_eq(packet(&found), SOUP_SEQUENCED);
    enter(2, 'B', 1, 40000, '0');
    take();
    cr_assert_eq(soup_parse(got, got_len, &found), SOUP_BAD);
    enter(3, 'B', 1, 40000, '0');
    cr_assert_not(desk_reads(desk));
    got_len = 0;
    now_ns += 10 * SECOND;
    take();
    cr_assert_eq(got_len, 0u);
    cr_assert_eq(desk_deadline_ns(desk), UINT64_MAX);
    desk_closed(desk, now_ns);
    desk_connected(desk, now_ns);
    log_in(0);
    cr_assert(desk_reads(desk), "that was one connection's");
    enter(4, 'B', 1, 40000, '0');
    now_ns += 5000;
    cr_assert_eq(packet(&found), SOUP_SEQUENCED);
}

Test(desk, some_are_rejected_by_dice_of_a_seed)
{
    uint32_t rejected = 0;

    params.reject_share = 0.25;
    params.close_after = 400;
    open_desk();
    log_in(1);
    for (uint32_t i = 1; i < 400; i++) {
        struct soup_packet found;
        enter(i, 'B', 1, 40000, '3');
        cr_assert_eq(packet(&found), SOUP_SEQUENCED);
        rejected += found.payload[0] == OUCH_REJECTED;
        if (found.payload[0] == OUCH_ACCEPTED)
            answer(OUCH_CANCELED, i);
    }
    cr_assert_not(desk_wants_close(desk));
    enter(400, 'B', 1, 40000, '3');
    cr_assert(desk_wants_close(desk));
    cr_assert(rejected > 60 && rejected < 140, "%u", rejected);
    cr_assert(desk_counters(desk)->rejected_count - rejected <= 1);
}
