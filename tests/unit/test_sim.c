/* gateway/venue/sim: a scripted day with each answer and its time, each refusal, the bounds, and random traffic. */
#include "gateway/venue/sim.h"

#include "ring/check.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define US UINT64_C(1000)
#define S (1000 * 1000 * US)
#define MIDNIGHT (1700000000 * S)
#define OPEN (MIDNIGHT + 34200 * S)
#define ORDER_NS (20 * US)
#define ANSWER_NS (30 * US)

static const struct sim_params SMALL = {
    .book = {{.instruments_max = 8, .orders_max = 512, .levels_max = 256},
             {.instruments_max = 4, .orders_max = 512, .levels_max = 256}},
    .channel_count = 2,
    .orders_max = 64,
    .requests_max = 16,
    .answers_max = 256,
    .order_ns = ORDER_NS,
    .answer_ns = ANSWER_NS,
    .midnight_ns = MIDNIGHT,
};

/* Filled with ones first: nothing may depend on zeroed memory. A guard line behind the end must stay as it is. */
static struct sim *sim_make(const struct sim_params *params)
{
    const size_t bytes = sim_footprint(params);
    cr_assert_gt(bytes, 0);
    uint8_t *memory = aligned_alloc(CACHE_LINE_BYTES, bytes + CACHE_LINE_BYTES);
    cr_assert_not_null(memory);
    memset(memory, 0xff, bytes);
    memset(memory + bytes, 0xa5, CACHE_LINE_BYTES);
    return sim_init(memory, params);
}

static void sim_free(struct sim *sim, const struct sim_params *params)
{
    const uint8_t *guard = (const uint8_t *)sim + sim_footprint(params);
    for (unsigned i = 0; i < CACHE_LINE_BYTES; i++)
        cr_assert_eq(guard[i], 0xa5, "written behind the end");
    free(sim);
}

/* ---- what the feed says: channel 0, instrument 3 unless it is given ---- */

#define LOCATE 3u

static void at(struct sim *sim, uint64_t now_ns)
{
    sim_event(sim, &(struct md_event){.type = MD_TIME, .exchange_ns = now_ns});
}

static void state(struct sim *sim, enum md_type type, uint8_t letter)
{
    sim_event(sim, &(struct md_event){.type = (uint8_t)type, .instrument = LOCATE, .side = letter});
}

static void channel_event(struct sim *sim, enum md_type type, uint16_t flags)
{
    sim_event(sim, &(struct md_event){.type = (uint8_t)type, .flags = flags, .instrument = MD_INSTRUMENT_NONE});
}

static void define(struct sim *sim, uint16_t channel, uint16_t instrument, const char *symbol)
{
    sim_event(sim, &(struct md_event){
                       .type = MD_DEFINE, .channel = channel, .instrument = instrument, .ref = md_symbol(symbol)});
}

static void add(struct sim *sim, uint64_t ref, uint8_t side, int32_t price, uint32_t qty)
{
    sim_event(sim, &(struct md_event){
                       .type = MD_ADD, .instrument = LOCATE, .side = side, .price = price, .qty = qty, .ref = ref});
}

static void change(struct sim *sim, enum md_type type, uint64_t ref, uint32_t qty)
{
    sim_event(sim, &(struct md_event){.type = (uint8_t)type, .instrument = LOCATE, .qty = qty, .ref = ref});
}

/* A channel whose instrument is known and trades. */
static struct sim *sim_open(const struct sim_params *params)
{
    struct sim *sim = sim_make(params);
    at(sim, OPEN);
    channel_event(sim, MD_SESSION, 0);
    define(sim, 0, LOCATE, "ACME");
    state(sim, MD_STATE, 'T');
    return sim;
}

/* ---- what the client sends ---- */

static struct ouch_enter order_of(uint32_t user_ref, uint8_t side, uint32_t qty, uint64_t price)
{
    return (struct ouch_enter){.user_ref = user_ref,
                               .side = side,
                               .qty = qty,
                               .symbol = md_symbol("ACME"),
                               .price = price,
                               .tif = '0',
                               .display = 'Y',
                               .capacity = 'P',
                               .iso = 'N',
                               .cross = 'N',
                               .cl_ord_id = "client order 1"};
}

static bool send_enter(struct sim *sim, struct ouch_enter enter, uint64_t now_ns)
{
    uint8_t message[OUCH_MESSAGE_MAX];
    return sim_order(sim, message, ouch_encode_enter(&enter, message), now_ns);
}

static bool send_ioc(struct sim *sim, struct ouch_enter enter, uint64_t now_ns)
{
    enter.tif = '3';
    return send_enter(sim, enter, now_ns);
}

static bool send_replace(struct sim *sim, uint32_t orig, uint32_t user_ref, uint32_t qty, uint64_t price, uint8_t tif,
                         uint64_t now_ns)
{
    uint8_t message[OUCH_MESSAGE_MAX];
    const struct ouch_replace replace = {.orig_user_ref = orig,
                                         .user_ref = user_ref,
                                         .qty = qty,
                                         .price = price,
                                         .tif = tif,
                                         .display = 'N',
                                         .iso = 'N',
                                         .cl_ord_id = "another one   "};
    return sim_order(sim, message, ouch_encode_replace(&replace, message), now_ns);
}

static bool send_cancel(struct sim *sim, uint32_t user_ref, uint32_t qty, uint64_t now_ns)
{
    uint8_t message[OUCH_MESSAGE_MAX];
    const struct ouch_cancel cancel = {.user_ref = user_ref, .qty = qty};
    return sim_order(sim, message, ouch_encode_cancel(&cancel, message), now_ns);
}

/* ---- what comes back ---- */

static struct ouch_answer answer_at(struct sim *sim, uint64_t now_ns, uint8_t type, uint32_t user_ref)
{
    struct ouch_answer answer = {.type = 0};
    cr_assert(sim_next(sim, now_ns, &answer), "no answer, expected %c of %u", type, user_ref);
    cr_assert(answer.type == type && answer.user_ref == user_ref, "%c of %u, expected %c of %u", answer.type,
              answer.user_ref, type, user_ref);
    return answer;
}

static void expect_accepted(struct sim *sim, uint32_t user_ref, uint32_t qty)
{
    const struct ouch_answer answer = answer_at(sim, UINT64_MAX, OUCH_ACCEPTED, user_ref);
    cr_assert(answer.qty == qty && answer.state == 'L', "%u shares", answer.qty);
}

static void expect_executed(struct sim *sim, uint32_t user_ref, uint32_t qty, uint64_t price)
{
    const struct ouch_answer answer = answer_at(sim, UINT64_MAX, OUCH_EXECUTED, user_ref);
    cr_assert(answer.qty == qty && answer.price == price, "%u at %lu", answer.qty, (unsigned long)answer.price);
}

static void expect_canceled(struct sim *sim, uint32_t user_ref, uint32_t qty, uint16_t reason)
{
    const struct ouch_answer answer = answer_at(sim, UINT64_MAX, OUCH_CANCELED, user_ref);
    cr_assert(answer.qty == qty && answer.reason == reason, "%u for %c", answer.qty, answer.reason);
}

static void expect_rejected(struct sim *sim, uint32_t user_ref, uint16_t reason)
{
    const struct ouch_answer answer = answer_at(sim, UINT64_MAX, OUCH_REJECTED, user_ref);
    cr_assert_eq(answer.reason, reason, "%x, expected %x", answer.reason, reason);
}

static void expect_none(struct sim *sim)
{
    struct ouch_answer answer = {.type = 0};
    cr_assert_not(sim_next(sim, UINT64_MAX, &answer), "%c of %u", answer.type, answer.user_ref);
}

/* All that is under way reaches the engines: for what does not depend on when. From then on it is the end of time. */
static void arrive(struct sim *sim)
{
    sim_time(sim, UINT64_MAX);
}

/* ---- set-up ---- */

Test(sim, parameters_out_of_range_have_no_footprint)
{
    struct sim_params bad[8];
    for (unsigned i = 0; i < 8; i++)
        bad[i] = SMALL;
    bad[0].channel_count = 0;
    bad[1].channel_count = SIM_CHANNELS_MAX + 1;
    bad[2].orders_max = 3;
    bad[3].requests_max = 0;
    bad[4].answers_max = 12;
    bad[5].book[1].instruments_max = 0;
    bad[6].book[0].orders_max = 0;
    bad[7].channel_count = 3; /* the third has no book */
    for (unsigned i = 0; i < 8; i++)
        cr_assert_eq(sim_footprint(&bad[i]), 0, "case %u", i);
    cr_assert_gt(sim_footprint(&SMALL), 0);
}

/* ---- a script ---- */

Test(sim, every_answer_of_a_script_comes_with_its_fields_and_at_its_time)
{
    struct sim *sim = sim_open(&SMALL);
    struct ouch_answer answer;
    add(sim, 10, 'S', 1000000, 300);
    add(sim, 11, 'S', 1000100, 300);
    cr_assert(send_enter(sim, order_of(7, 'B', 500, 1000000), OPEN));
    at(sim, OPEN + ORDER_NS - 1);
    cr_assert_eq(sim_counters(sim)->enter_count, 0); /* still on its way */
    change(sim, MD_CANCEL, 10, 100);                 /* a frame before it: only 200 are left for us */
    at(sim, OPEN + ORDER_NS + 5 * US);
    const uint64_t engine_ns = OPEN + ORDER_NS; /* whenever the next frame comes */
    cr_assert_eq(sim_counters(sim)->enter_count, 1);
    cr_assert_eq(sim_position(sim, md_symbol("ACME")), 200);
    cr_assert_not(sim_next(sim, engine_ns + ANSWER_NS - 1, &answer));
    answer = answer_at(sim, engine_ns + ANSWER_NS, OUCH_ACCEPTED, 7);
    cr_assert(answer.side == 'B' && answer.qty == 500 && answer.symbol == md_symbol("ACME") &&
              answer.price == 1000000 && answer.tif == '0' && answer.display == 'Y' && answer.capacity == 'P' &&
              answer.iso == 'N' && answer.cross == 'N' && answer.state == 'L');
    cr_assert_eq(answer.timestamp_ns, engine_ns - MIDNIGHT);
    cr_assert_eq(memcmp(answer.cl_ord_id, "client order 1", OUCH_CL_ORD_ID_LEN), 0);
    struct book_order_info resting;
    cr_assert(book_find(sim_book(sim, 0), answer.order_ref, &resting) && resting.qty == 300 && resting.side == 'B');
    answer = answer_at(sim, engine_ns + ANSWER_NS, OUCH_EXECUTED, 7);
    cr_assert(answer.qty == 200 && answer.price == 1000000 && answer.liquidity == 'R' && answer.match == 1 &&
              answer.timestamp_ns == engine_ns - MIDNIGHT);
    expect_none(sim);

    /* The background comes to it: an answer of the frame's time. */
    const uint64_t frame_ns = OPEN + 100 * US;
    at(sim, frame_ns);
    add(sim, 12, 'S', 999900, 100);
    cr_assert_not(sim_next(sim, frame_ns + ANSWER_NS - 1, &answer));
    answer = answer_at(sim, frame_ns + ANSWER_NS, OUCH_EXECUTED, 7);
    cr_assert(answer.qty == 100 && answer.price == 1000000 && answer.liquidity == 'A' && answer.match == 2 &&
              answer.timestamp_ns == frame_ns - MIDNIGHT);

    cr_assert(send_replace(sim, 7, 8, 600, 1000050, '0', frame_ns));
    at(sim, frame_ns + ORDER_NS);
    answer = answer_at(sim, UINT64_MAX, OUCH_REPLACED, 8);
    cr_assert(answer.orig_user_ref == 7 && answer.qty == 300 && answer.price == 1000050 && answer.display == 'N' &&
              answer.side == 'B' && answer.symbol == md_symbol("ACME") && answer.capacity == 'P' &&
              answer.state == 'L');
    cr_assert_eq(memcmp(answer.cl_ord_id, "another one   ", OUCH_CL_ORD_ID_LEN), 0);
    cr_assert(book_find(sim_book(sim, 0), answer.order_ref, &resting) && resting.price == 1000050);
    cr_assert_eq(sim_open_count(sim), 1);
    cr_assert(send_cancel(sim, 8, 400, frame_ns + 200 * US)); /* 300 of the chain are done: 100 shall be left */
    cr_assert(send_cancel(sim, 8, 0, frame_ns + 201 * US));
    arrive(sim);
    expect_canceled(sim, 8, 200, 'U');
    expect_canceled(sim, 8, 100, 'U');
    expect_none(sim);
    cr_assert(sim_open_count(sim) == 0 && sim_position(sim, md_symbol("ACME")) == 300);
    const struct sim_counters *counters = sim_counters(sim);
    cr_assert(counters->accepted_count == 1 && counters->replaced_count == 1 && counters->fill_count == 2 &&
              counters->fill_qty == 300 && counters->canceled_count == 2 && counters->canceled_qty == 300);
    sim_free(sim, &SMALL);
}

Test(sim, requests_due_at_a_frames_time_come_before_its_events)
{
    struct sim *sim = sim_open(&SMALL);
    add(sim, 10, 'S', 1000000, 300);
    cr_assert(send_ioc(sim, order_of(1, 'B', 100, 1000000), OPEN));
    at(sim, OPEN + ORDER_NS);
    change(sim, MD_DELETE, 10, 300);
    cr_assert(send_ioc(sim, order_of(2, 'B', 100, 1000000), OPEN + ORDER_NS));
    at(sim, OPEN + 2 * ORDER_NS);
    expect_accepted(sim, 1, 100);
    expect_executed(sim, 1, 100, 1000000);
    expect_accepted(sim, 2, 100);
    expect_canceled(sim, 2, 100, 'I');
    expect_none(sim);
    sim_free(sim, &SMALL);
}

Test(sim, time_never_goes_back)
{
    struct sim *sim = sim_open(&SMALL);
    struct ouch_answer answer;
    at(sim, OPEN + 100 * US);
    at(sim, OPEN); /* another channel's frame, stamped earlier */
    cr_assert(send_enter(sim, order_of(1, 'B', 100, 1000000), OPEN));
    sim_time(sim, UINT64_MAX); /* the end of a replay */
    cr_assert_not(sim_next(sim, OPEN + 100 * US + ORDER_NS + ANSWER_NS - 1, &answer));
    answer = answer_at(sim, OPEN + 100 * US + ORDER_NS + ANSWER_NS, OUCH_ACCEPTED, 1);
    cr_assert_eq(answer.timestamp_ns, OPEN + 100 * US + ORDER_NS - MIDNIGHT);
    sim_free(sim, &SMALL);
}

/* ---- requests ---- */

Test(sim, orders_that_cannot_be_are_rejected_with_the_reason)
{
    struct sim *sim = sim_open(&SMALL);
    const struct { uint16_t reason; struct ouch_enter enter; } cases[] = {
#define CASE(why, field, value) {why, ({ struct ouch_enter e = order_of(0, 'B', 100, 1000000); e.field = value; e; })}
        CASE(SIM_REJECT_SIDE, side, 'X'),
        CASE(SIM_REJECT_QUANTITY, qty, 0),
        CASE(SIM_REJECT_QUANTITY, qty, 1000000),
        CASE(SIM_REJECT_SYMBOL, symbol, md_symbol("NOBODY")),
        CASE(SIM_REJECT_SYMBOL, symbol, 0),
        CASE(SIM_REJECT_PRICE, price, 0),
        CASE(SIM_REJECT_PRICE, price, UINT64_C(1999999901)),
        CASE(SIM_REJECT_PRICE, price, (UINT64_C(1) << 32) + 1000000),
        CASE(SIM_REJECT_OTHER, tif, '7'),
        CASE(SIM_REJECT_CROSS, cross, 'O'),
#undef CASE
    };
    uint32_t user_ref = 0;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ouch_enter enter = cases[i].enter;
        enter.user_ref = ++user_ref;
        cr_assert(send_enter(sim, enter, OPEN));
        arrive(sim);
        const struct ouch_answer answer = answer_at(sim, UINT64_MAX, OUCH_REJECTED, user_ref);
        cr_assert_eq(answer.reason, cases[i].reason, "case %zu: %x", i, answer.reason);
        cr_assert_eq(memcmp(answer.cl_ord_id, enter.cl_ord_id, OUCH_CL_ORD_ID_LEN), 0);
    }
    expect_none(sim);
    cr_assert(sim_open_count(sim) == 0 && sim_counters(sim)->rejected_count == user_ref);
    for (const char *tif = "056E"; *tif != '\0'; tif++) {
        struct ouch_enter enter = order_of(++user_ref, 'E', 999999, 1999999900);
        enter.tif = (uint8_t)*tif;
        cr_assert(send_enter(sim, enter, OPEN));
        arrive(sim);
        expect_accepted(sim, user_ref, 999999);
    }
    cr_assert_eq(sim_open_count(sim), 4);
    sim_free(sim, &SMALL);
}

Test(sim, orders_wait_for_trading_where_the_state_is_known)
{
    struct sim *sim = sim_make(&SMALL);
    uint32_t user_ref = 0;
    at(sim, OPEN);
    define(sim, 0, LOCATE, "ACME");
    cr_assert(send_enter(sim, order_of(++user_ref, 'B', 100, 1000000), OPEN)); /* not known */
    arrive(sim);
    expect_accepted(sim, 1, 100);
    for (const char *letter = "HPQ"; *letter != '\0'; letter++) {
        state(sim, MD_STATE, (uint8_t)*letter);
        cr_assert(send_enter(sim, order_of(++user_ref, 'B', 100, 1000000), OPEN));
        arrive(sim);
        expect_rejected(sim, user_ref, SIM_REJECT_HALTED);
    }
    cr_assert(send_replace(sim, 1, ++user_ref, 200, 1000000, '0', OPEN));
    arrive(sim);
    expect_rejected(sim, user_ref, SIM_REJECT_HALTED);
    state(sim, MD_STATE, 'T');
    state(sim, MD_OPERATIONAL, 'H');
    cr_assert(send_enter(sim, order_of(++user_ref, 'B', 100, 1000000), OPEN));
    cr_assert(send_cancel(sim, 1, 60, OPEN)); /* cancels always pass */
    arrive(sim);
    expect_rejected(sim, user_ref, SIM_REJECT_HALTED);
    expect_canceled(sim, 1, 40, 'U');
    state(sim, MD_OPERATIONAL, 'T');
    cr_assert(send_enter(sim, order_of(++user_ref, 'B', 100, 1000000), OPEN));
    arrive(sim);
    expect_accepted(sim, user_ref, 100);
    expect_none(sim);
    sim_free(sim, &SMALL);
}

Test(sim, numbers_only_grow_and_a_query_tells_the_next)
{
    struct sim *sim = sim_open(&SMALL);
    uint8_t message[OUCH_MESSAGE_MAX];
    cr_assert(send_enter(sim, order_of(5, 'B', 100, 1000000), OPEN));
    cr_assert(send_enter(sim, order_of(5, 'B', 100, 1000000), OPEN));
    cr_assert(send_enter(sim, order_of(4, 'B', 100, 1000000), OPEN));
    cr_assert(send_enter(sim, order_of(0, 'B', 100, 1000000), OPEN));
    cr_assert(send_replace(sim, 5, 5, 100, 1000000, '0', OPEN));
    cr_assert(send_replace(sim, 5, 3, 100, 1000000, '0', OPEN));
    cr_assert(sim_order(sim, message, ouch_encode_query(message), OPEN));
    arrive(sim);
    expect_accepted(sim, 5, 100);
    (void)answer_at(sim, UINT64_MAX, OUCH_QUERY_ANSWER, 6);
    expect_none(sim);
    cr_assert(sim_counters(sim)->repeated_count == 5 && sim_counters(sim)->query_count == 1);
    cr_assert(send_enter(sim, order_of(9, 'Z', 100, 1000000), OPEN)); /* a rejected order's number is used */
    cr_assert(sim_order(sim, message, ouch_encode_query(message), OPEN));
    arrive(sim);
    expect_rejected(sim, 9, SIM_REJECT_SIDE);
    (void)answer_at(sim, UINT64_MAX, OUCH_QUERY_ANSWER, 10);
    sim_free(sim, &SMALL);
}

Test(sim, bytes_that_are_no_request_are_dropped_and_counted)
{
    struct sim *sim = sim_open(&SMALL);
    const struct ouch_enter enter = order_of(1, 'B', 100, 1000000);
    const struct ouch_modify modify = {.user_ref = 1, .side = 'S', .qty = 1};
    uint8_t message[OUCH_MESSAGE_MAX + 1] = {0};
    const uint32_t len = ouch_encode_enter(&enter, message);
    for (uint32_t cut = 0; cut < len; cut++) {
        cr_assert(sim_order(sim, message, cut, OPEN));
        arrive(sim);
    }
    cr_assert(sim_order(sim, message, len + 1, OPEN));
    message[0] = 'z';
    cr_assert(sim_order(sim, message, len, OPEN));
    arrive(sim);
    expect_none(sim);
    cr_assert_eq(sim_counters(sim)->malformed_count, len + 2);
    cr_assert(sim_order(sim, message, ouch_encode_modify(&modify, message), OPEN));
    arrive(sim);
    expect_none(sim);
    cr_assert_eq(sim_counters(sim)->modify_count, 1);
    sim_free(sim, &SMALL);
}

Test(sim, cancel_of_what_is_done_or_to_what_is_left_is_ignored)
{
    struct sim *sim = sim_open(&SMALL);
    cr_assert(send_cancel(sim, 1, 0, OPEN));
    cr_assert(send_cancel(sim, 0, 0, OPEN));
    cr_assert(send_enter(sim, order_of(1, 'B', 100, 1000000), OPEN));
    cr_assert(send_cancel(sim, 1, 100, OPEN));
    cr_assert(send_cancel(sim, 1 + SMALL.orders_max, 0, OPEN)); /* the same slot, another order */
    arrive(sim);
    expect_accepted(sim, 1, 100);
    expect_none(sim);
    add(sim, 10, 'S', 1000000, 30);
    cr_assert(send_cancel(sim, 1, 20, OPEN + US)); /* less than is executed: all of the rest */
    arrive(sim);
    expect_executed(sim, 1, 30, 1000000);
    expect_canceled(sim, 1, 70, 'U');
    cr_assert_eq(sim_counters(sim)->ignored_count, 4);
    sim_free(sim, &SMALL);
}

Test(sim, replace_is_ignored_cancels_or_goes_through_as_the_protocol_says)
{
    struct sim *sim = sim_open(&SMALL);
    uint8_t message[OUCH_MESSAGE_MAX];
    const struct { uint32_t qty; uint64_t price; uint8_t tif; } bad[] = {
        {0, 1000000, '0'}, {1000000, 1000000, '0'}, {30, 1000000, '0'}, {100, 0, '0'}, {100, 1000000, '7'},
    };
    uint32_t user_ref = 1;
    cr_assert(send_replace(sim, 1, 2, 100, 1000000, '0', OPEN)); /* of no order: its number is not used */
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++, user_ref += 2) {
        cr_assert(send_enter(sim, order_of(user_ref, 'B', 100, 1000000), OPEN));
        arrive(sim);
        expect_accepted(sim, user_ref, 100);
        add(sim, 100 + i, 'S', 1000000, 30);
        expect_executed(sim, user_ref, 30, 1000000);
        cr_assert(send_replace(sim, user_ref, user_ref + 1, bad[i].qty, bad[i].price, bad[i].tif, OPEN));
        cr_assert(sim_order(sim, message, ouch_encode_query(message), OPEN));
        arrive(sim);
        expect_canceled(sim, user_ref, 70, 'U');
        (void)answer_at(sim, UINT64_MAX, OUCH_QUERY_ANSWER, user_ref + 1);
        expect_none(sim);
    }
    cr_assert_eq(sim_counters(sim)->ignored_count, 1);
    add(sim, 200, 'S', 1000100, 50);
    cr_assert(send_enter(sim, order_of(20, 'B', 100, 1000000), OPEN));
    cr_assert(send_replace(sim, 20, 20 + SMALL.orders_max, 100, 1000100, '3', OPEN)); /* into its own slot */
    arrive(sim);
    expect_accepted(sim, 20, 100);
    const struct ouch_answer answer = answer_at(sim, UINT64_MAX, OUCH_REPLACED, 20 + SMALL.orders_max);
    cr_assert(answer.orig_user_ref == 20 && answer.qty == 100 && answer.tif == '3' && answer.order_ref == 0);
    expect_executed(sim, 20 + SMALL.orders_max, 50, 1000100);
    expect_canceled(sim, 20 + SMALL.orders_max, 50, 'I');
    expect_none(sim);
    cr_assert_eq(sim_open_count(sim), 0);
    sim_free(sim, &SMALL);
}

/* ---- the flow ---- */

Test(sim, session_and_reset_cancel_what_rests_in_their_channel_and_forget_its_symbols)
{
    const enum md_type types[] = {MD_SESSION, MD_RESET};
    for (unsigned i = 0; i < 2; i++) {
        struct sim *sim = sim_open(&SMALL);
        define(sim, 1, 0, "OTHER");
        struct ouch_enter other = order_of(2, 'S', 50, 1000000);
        other.symbol = md_symbol("OTHER");
        add(sim, 10, 'S', 1000000, 40);
        cr_assert(send_enter(sim, order_of(1, 'B', 100, 1000000), OPEN));
        cr_assert(send_enter(sim, other, OPEN));
        arrive(sim);
        expect_accepted(sim, 1, 100);
        expect_executed(sim, 1, 40, 1000000);
        expect_accepted(sim, 2, 50);
        state(sim, MD_STATE, 'H');
        channel_event(sim, types[i], MD_REFRESH); /* to another reader: not about the venue */
        expect_none(sim);
        cr_assert_eq(sim_open_count(sim), 2);
        channel_event(sim, types[i], 0);
        expect_canceled(sim, 1, 60, 'Z');
        expect_none(sim);
        cr_assert(sim_open_count(sim) == 1 && book_order_count(sim_book(sim, 0)) == 0 &&
                  book_order_count(sim_book(sim, 1)) == 1);
        cr_assert_eq(sim_position(sim, md_symbol("ACME")), 40); /* stays ours */
        cr_assert(send_enter(sim, order_of(3, 'B', 100, 1000000), OPEN));
        arrive(sim);
        expect_rejected(sim, 3, SIM_REJECT_SYMBOL);
        define(sim, 0, LOCATE, "ACME");
        cr_assert(send_enter(sim, order_of(4, 'B', 100, 1000000), OPEN)); /* its halt is forgotten too */
        arrive(sim);
        expect_accepted(sim, 4, 100);
        sim_free(sim, &SMALL);
    }
}

Test(sim, refreshes_and_events_of_no_instrument_change_nothing)
{
    struct sim *sim = sim_open(&SMALL);
    struct md_event event = {.type = MD_ADD, .flags = MD_REFRESH, .instrument = LOCATE, .side = 'B', .price = 1,
                             .qty = 1};
    sim_event(sim, &event);
    event.flags = 0;
    event.channel = 2;
    sim_event(sim, &event);
    event.channel = 1;
    event.instrument = 4;
    sim_event(sim, &event);
    event.type = MD_TRADE;
    event.instrument = 0;
    sim_event(sim, &event);
    cr_assert(book_order_count(sim_book(sim, 0)) == 0 && book_order_count(sim_book(sim, 1)) == 0);
    cr_assert_eq(sim_counters(sim)->out_of_range_count, 2);
    add(sim, UINT64_MAX, 'B', 1000000, 1); /* a reference that is kept for clients */
    change(sim, MD_EXECUTE, 77, 1);
    cr_assert(sim_counters(sim)->background_refused_count == 1 && sim_counters(sim)->background_dropped_count == 1);
    sim_free(sim, &SMALL);
}

Test(sim, two_halves_of_a_replace_are_one_and_half_of_one_is_a_delete)
{
    struct sim *sim = sim_open(&SMALL);
    struct md_event half = {.type = MD_DELETE, .flags = MD_REPLACE | MD_MORE, .instrument = LOCATE, .side = 'S',
                            .qty = 100, .ref = 10};
    struct md_event rest = {.type = MD_ADD, .flags = MD_REPLACE, .instrument = LOCATE, .side = 'S', .price = 1000200,
                            .qty = 100, .ref = 11};
    struct book_order_info order;
    add(sim, 10, 'S', 1000000, 100);
    cr_assert(send_ioc(sim, order_of(1, 'B', 30, 1000000), OPEN));
    arrive(sim);
    sim_event(sim, &half);
    sim_event(sim, &rest);
    cr_assert(book_find(sim_book(sim, 0), 11, &order) && order.qty == 70 && order.price == 1000200); /* 30 are ours */
    cr_assert_not(book_find(sim_book(sim, 0), 10, &order));
    half.ref = 11;
    sim_event(sim, &half);
    add(sim, 12, 'B', 999000, 500); /* not its second half */
    cr_assert_not(book_find(sim_book(sim, 0), 11, &order));
    cr_assert(book_find(sim_book(sim, 0), 12, &order) && order.side == 'B' && order.qty == 500);
    rest.ref = 13;
    sim_event(sim, &rest); /* without a first half it is an order like any other */
    cr_assert(book_find(sim_book(sim, 0), 13, &order) && order.qty == 100);
    cr_assert_eq(book_order_count(sim_book(sim, 0)), 2);
    cr_assert_eq(sim_counters(sim)->background_dropped_count, 0);
    sim_free(sim, &SMALL);
}

Test(sim, symbol_means_the_first_channel_that_knows_it_and_short_sales_are_sales)
{
    struct sim *sim = sim_make(&SMALL);
    at(sim, OPEN);
    define(sim, 1, 2, "ACME");
    cr_assert(send_enter(sim, order_of(1, 'T', 100, 1000000), OPEN));
    arrive(sim);
    define(sim, 0, LOCATE, "ACME");
    cr_assert(send_enter(sim, order_of(2, 'T', 100, 1000000), OPEN));
    arrive(sim);
    cr_assert(book_order_count(sim_book(sim, 1)) == 1 && book_order_count(sim_book(sim, 0)) == 1);
    add(sim, 1, 'B', 1000000, 60);
    sim_event(sim, &(struct md_event){.type = MD_ADD, .channel = 1, .instrument = 2, .side = 'B', .price = 1000000,
                                      .qty = 10, .ref = 1});
    cr_assert_eq(sim_position(sim, md_symbol("ACME")), -70);
    cr_assert_eq(sim_position(sim, md_symbol("NOBODY")), 0);
    struct sim_account account;
    uint32_t cursor = 0;
    cr_assert(sim_account_next(sim, &cursor, &account) && account.symbol == md_symbol("ACME"));
    cr_assert(account.position == -60 && account.cash == 60 * INT64_C(1000000));
    cr_assert(sim_account_next(sim, &cursor, &account) && account.position == -10 && account.cash == 10000000);
    cr_assert_not(sim_account_next(sim, &cursor, &account));
    define(sim, 0, LOCATE, "RENAMED");
    cr_assert_eq(sim_position(sim, md_symbol("RENAMED")), -60);
    cr_assert_eq(sim_position(sim, md_symbol("ACME")), -10);
    sim_free(sim, &SMALL);
}

/* ---- bounds ---- */

Test(sim, requests_beyond_the_queue_have_not_left)
{
    struct sim *sim = sim_open(&SMALL);
    for (uint32_t i = 1; i <= SMALL.requests_max; i++)
        cr_assert(send_enter(sim, order_of(i, 'B', 100, 1000000), OPEN));
    cr_assert_not(send_enter(sim, order_of(100, 'B', 100, 1000000), OPEN));
    cr_assert_eq(sim_counters(sim)->refused_count, 1);
    arrive(sim);
    for (uint32_t i = 1; i <= SMALL.requests_max; i++)
        expect_accepted(sim, i, 100);
    expect_none(sim);
    cr_assert(send_enter(sim, order_of(100, 'B', 100, 1000000), OPEN));
    sim_free(sim, &SMALL);
}

Test(sim, order_whose_slot_is_taken_is_rejected)
{
    struct sim *sim = sim_open(&SMALL);
    cr_assert(send_enter(sim, order_of(1, 'B', 100, 1000000), OPEN));
    cr_assert(send_enter(sim, order_of(2, 'B', 100, 1000000), OPEN));
    cr_assert(send_enter(sim, order_of(1 + SMALL.orders_max, 'B', 100, 1000000), OPEN));
    cr_assert(send_replace(sim, 1, 2 + SMALL.orders_max, 100, 1000000, '0', OPEN));
    arrive(sim);
    expect_accepted(sim, 1, 100);
    expect_accepted(sim, 2, 100);
    expect_rejected(sim, 1 + SMALL.orders_max, SIM_REJECT_PROCESSING);
    expect_rejected(sim, 2 + SMALL.orders_max, SIM_REJECT_PROCESSING);
    cr_assert_eq(sim_open_count(sim), 2);
    sim_free(sim, &SMALL);
}

Test(sim, order_whose_answers_would_not_fit_is_rejected_before_it_trades)
{
    struct sim_params params = SMALL;
    params.answers_max = 16;
    struct sim *sim = sim_open(&params);
    for (uint64_t ref = 1; ref <= 20; ref++)
        add(sim, ref, 'S', 1000000 + (int32_t)ref, 10);
    cr_assert(send_ioc(sim, order_of(1, 'B', 150, 1000020), OPEN)); /* 15 trades, Accepted, Canceled */
    arrive(sim);
    expect_rejected(sim, 1, SIM_REJECT_PROCESSING);
    cr_assert_eq(sim_position(sim, md_symbol("ACME")), 0);
    cr_assert(send_enter(sim, order_of(2, 'B', 10, 999900), OPEN));
    cr_assert(send_replace(sim, 2, 3, 140, 1000020, '0', OPEN));
    cr_assert(send_replace(sim, 2, 4, 140, 1000020, '0', OPEN));
    arrive(sim);
    expect_accepted(sim, 2, 10);
    expect_rejected(sim, 3, SIM_REJECT_PROCESSING);
    expect_rejected(sim, 4, SIM_REJECT_PROCESSING); /* the answers before it had not been taken */
    cr_assert(send_replace(sim, 2, 5, 150, 1000020, '0', OPEN));
    arrive(sim);
    expect_rejected(sim, 5, SIM_REJECT_PROCESSING);
    cr_assert(send_replace(sim, 2, 6, 140, 1000020, '0', OPEN)); /* 14 trades and Replaced: all that there is */
    arrive(sim);
    (void)answer_at(sim, UINT64_MAX, OUCH_REPLACED, 6);
    for (unsigned i = 0; i < 14; i++)
        (void)answer_at(sim, UINT64_MAX, OUCH_EXECUTED, 6);
    expect_none(sim);
    cr_assert_eq(sim_position(sim, md_symbol("ACME")), 140);
    sim_free(sim, &params);
}

Test(sim, resting_orders_are_cancelled_when_another_fill_would_not_fit)
{
    struct sim_params params = SMALL;
    params.answers_max = 8;
    struct sim *sim = sim_open(&params);
    cr_assert(send_enter(sim, order_of(1, 'B', 100, 1000000), OPEN));
    cr_assert(send_enter(sim, order_of(2, 'B', 100, 1000000), OPEN));
    arrive(sim); /* two answers, two reserved */
    for (uint64_t ref = 1; ref <= 4; ref++)
        add(sim, ref, 'S', 1000000, 10);
    cr_assert_eq(sim_open_count(sim), 2);
    cr_assert_not(send_cancel(sim, 1, 0, OPEN)); /* its answer might not fit */
    add(sim, 5, 'S', 1000000, 10);
    cr_assert(sim_open_count(sim) == 0 && sim_counters(sim)->overflow_cancel_count == 2);
    expect_accepted(sim, 1, 100);
    expect_accepted(sim, 2, 100);
    for (unsigned i = 0; i < 4; i++)
        expect_executed(sim, 1, 10, 1000000);
    expect_canceled(sim, 1, 60, 'Z');
    expect_canceled(sim, 2, 100, 'Z');
    expect_none(sim);
    cr_assert_eq(book_bbo(sim_book(sim, 0), LOCATE)->ask_qty, 10);
    sim_free(sim, &params);
}

/* ---- random traffic ---- */

static uint64_t random_next(uint64_t *seed)
{
    uint64_t z = *seed += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* A feed of two channels: books that were never disturbed, and the events of each change. */
struct flow {
    struct book *book[2];
    uint64_t seed;
    uint64_t refs;
    uint64_t now_ns;
};

static void flow_open(struct flow *flow, uint64_t seed)
{
    *flow = (struct flow){.seed = seed, .refs = 300, .now_ns = OPEN};
    for (unsigned i = 0; i < 2; i++) {
        void *memory = aligned_alloc(CACHE_LINE_BYTES, book_footprint(&SMALL.book[i]));
        cr_assert_not_null(memory);
        flow->book[i] = book_init(memory, &SMALL.book[i]);
    }
}

static void flow_close(struct flow *flow)
{
    free(flow->book[0]);
    free(flow->book[1]);
}

/* The next message; returns how many events. */
static unsigned flow_next(struct flow *flow, struct md_event events[3])
{
    const uint64_t value = random_next(&flow->seed), more = random_next(&flow->seed);
    const uint16_t channel = (uint16_t)(value >> 40 & 1);
    struct book *book = flow->book[channel];
    const uint64_t ref = 1 + value % flow->refs, other = 1 + more % flow->refs;
    const uint8_t side = (more >> 63) != 0 ? 'B' : 'S';
    const uint32_t qty = 1 + (uint32_t)(more >> 32) % 200;
    const uint16_t instrument = (uint16_t)((value >> 20) % 3);
    const int32_t price = 1000000 + (int32_t)((more >> 20) % 12) * 100 + (side == 'B' ? -1200 : 0);
    struct book_order_info order;
    struct book_change taken;
    unsigned count = 0;

    flow->now_ns += random_next(&flow->seed) % (20 * US);
    events[count++] = (struct md_event){.type = MD_TIME, .exchange_ns = flow->now_ns};
    struct md_event event = {.channel = channel, .instrument = instrument, .side = side, .price = price, .qty = qty,
                             .ref = ref};
    if (!book_find(book, ref, &order)) {
        event.type = MD_ADD;
        if (book_add(book, instrument, ref, side, price, qty) == BOOK_OK)
            events[count++] = event;
        return count;
    }
    event.instrument = (uint16_t)order.instrument;
    event.side = order.side;
    event.price = order.price;
    switch (value >> 61) {
    case 0:
    case 1:
    case 2:
    case 3:
        event.type = MD_EXECUTE;
        (void)book_reduce(book, ref, qty, &taken);
        event.qty = taken.qty;
        break;
    case 4:
        event.type = MD_CANCEL;
        (void)book_reduce(book, ref, qty, &taken);
        event.qty = taken.qty;
        break;
    case 5:
    case 6:
        event.type = MD_DELETE;
        (void)book_delete(book, ref, &taken);
        event.qty = taken.qty;
        break;
    default:
        if (other != ref && book_find(book, other, &(struct book_order_info){.qty = 0}))
            return count;
        event.type = MD_DELETE;
        event.flags = MD_REPLACE | MD_MORE;
        event.qty = order.qty;
        events[count++] = event;
        event.type = MD_ADD;
        event.flags = MD_REPLACE;
        event.ref = other;
        event.qty = qty;
        event.price = order.side == side ? price : order.price;
        (void)book_replace(book, ref, other, event.price, qty, &taken);
        break;
    }
    events[count++] = event;
    return count;
}

static const char *const SYMBOLS[2][3] = {{"A", "B", "C"}, {"D", "E", "F"}};

static void define_all(struct sim *sim)
{
    at(sim, OPEN);
    for (uint16_t channel = 0; channel < 2; channel++)
        for (uint16_t i = 0; i < 3; i++)
            define(sim, channel, i, SYMBOLS[channel][i]);
}

Test(sim, without_orders_the_engines_books_are_the_feeds)
{
    struct sim *sim = sim_make(&SMALL);
    struct md_event events[3];
    struct flow flow;
    flow_open(&flow, 3);
    define_all(sim);
    for (uint32_t step = 0; step < 100000; step++) {
        const unsigned count = flow_next(&flow, events);
        for (unsigned i = 0; i < count; i++)
            sim_event(sim, &events[i]);
        for (unsigned i = 0; i < 2 && step % 16 == 0; i++)
            cr_assert_eq(book_hash(sim_book(sim, i)), book_hash(flow.book[i]), "step %u", step);
    }
    cr_assert(book_order_count(flow.book[0]) > 50 && book_order_count(flow.book[1]) > 50);
    cr_assert(sim_counters(sim)->background_dropped_count == 0 && sim_counters(sim)->background_refused_count == 0);
    flow_close(&flow);
    sim_free(sim, &SMALL);
}

/* A client that believes nothing but answers. */
#define REFS_MAX 65536u

struct client_order {
    uint32_t asked, open, executed;
    uint8_t answered, symbol;
    bool buys, done;
};

struct client {
    struct client_order order[REFS_MAX];
    int64_t position[6];
    uint64_t seed;
    uint32_t next_ref;
    uint64_t hash;
    uint64_t count[128]; /* answers by letter */
};

static void client_hear(struct client *client, const struct ouch_answer *answer)
{
    cr_assert_lt(answer->user_ref, client->next_ref);
    struct client_order *order = &client->order[answer->user_ref], *orig;
    client->count[answer->type]++;
    switch (answer->type) {
    case OUCH_ACCEPTED:
        cr_assert(order->answered++ == 0 && answer->qty == order->asked);
        order->open = answer->qty;
        break;
    case OUCH_REPLACED:
        orig = &client->order[answer->orig_user_ref];
        cr_assert(order->answered++ == 0 && orig->answered == 1 && !orig->done && orig->open > 0);
        cr_assert_eq(answer->qty, order->asked - orig->executed);
        order->executed = orig->executed;
        order->open = answer->qty;
        orig->open = 0;
        orig->done = true;
        break;
    case OUCH_REJECTED:
        cr_assert_eq(order->answered++, 0);
        order->done = true;
        break;
    case OUCH_EXECUTED:
        cr_assert(order->answered == 1 && !order->done && answer->qty > 0 && answer->qty <= order->open);
        order->open -= answer->qty;
        order->executed += answer->qty;
        client->position[order->symbol] += order->buys ? (int64_t)answer->qty : -(int64_t)answer->qty;
        break;
    case OUCH_CANCELED:
        cr_assert(order->answered == 1 && !order->done && answer->qty > 0 && answer->qty <= order->open);
        order->open -= answer->qty;
        break;
    default:
        cr_assert_fail("answer %c", answer->type);
    }
    const uint64_t words[] = {answer->type, answer->user_ref, answer->qty, answer->price, answer->match,
                              answer->timestamp_ns, answer->order_ref, answer->reason};
    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        client->hash = (client->hash ^ words[i]) * 0x9e3779b97f4a7c15u + i;
}

static void client_act(struct client *client, struct sim *sim, uint64_t now_ns)
{
    const uint64_t value = random_next(&client->seed), more = random_next(&client->seed);
    const uint32_t user_ref = client->next_ref, orig = user_ref - 1 - (uint32_t)(more % 8) % user_ref;
    const uint64_t price = 999000 + value % 20 * 100;
    const uint32_t qty = 1 + (uint32_t)(more >> 32) % 300;
    const uint32_t symbol = (uint32_t)(value >> 32) % 6;
    bool left = false;

    switch (more >> 61) {
    case 0:
        (void)send_cancel(sim, orig, (value & 256) != 0 ? 0 : qty, now_ns);
        return;
    case 1:
    case 2:
        left = send_replace(sim, orig, user_ref, qty, price, (value & 512) != 0 ? '0' : '3', now_ns);
        client->order[user_ref].symbol = client->order[orig].symbol;
        client->order[user_ref].buys = client->order[orig].buys;
        break;
    default: {
        struct ouch_enter enter = order_of(user_ref, (value & 1024) != 0 ? 'B' : 'S', qty, price);
        enter.symbol = md_symbol(SYMBOLS[symbol / 3][symbol % 3]);
        enter.tif = (value & 512) != 0 ? '0' : '3';
        left = send_enter(sim, enter, now_ns);
        client->order[user_ref].symbol = (uint8_t)symbol;
        client->order[user_ref].buys = enter.side == 'B';
        break;
    }
    }
    client->order[user_ref].asked = qty;
    client->next_ref += left; /* what has not left has no number */
}

/* Answers are taken with every so many frames; a nervous loop looks at the venue again and again in between. */
static struct client *run_random(const struct sim_params *params, uint64_t seed, uint32_t listen_every, bool nervous)
{
    struct client *client = calloc(1, sizeof(*client));
    struct sim *sim = sim_make(params);
    struct ouch_answer answer;
    struct md_event events[3];
    struct flow flow;
    cr_assert_not_null(client);
    client->next_ref = 1;
    client->seed = seed;
    flow_open(&flow, seed + 1);
    define_all(sim);
    for (uint32_t step = 0; step < 60000; step++) {
        const unsigned count = flow_next(&flow, events);
        for (unsigned i = 0; i < count; i++) {
            sim_event(sim, &events[i]);
            if (nervous)
                sim_time(sim, flow.now_ns);
        }
        if (step % listen_every == 0)
            while (sim_next(sim, flow.now_ns, &answer))
                client_hear(client, &answer);
        if (random_next(&client->seed) % 4 == 0)
            client_act(client, sim, flow.now_ns);
        if (step % 10000 == 9999) {
            const uint16_t channel = (uint16_t)(step / 10000 & 1);
            book_clear(flow.book[channel]);
            sim_event(sim, &(struct md_event){.type = MD_RESET, .channel = channel, .instrument = MD_INSTRUMENT_NONE});
            for (uint16_t i = 0; i < 3; i++)
                define(sim, channel, i, SYMBOLS[channel][i]);
        }
    }
    sim_time(sim, UINT64_MAX);
    while (sim_next(sim, UINT64_MAX, &answer))
        client_hear(client, &answer);
    /* Both sides agree. */
    uint32_t open_count = 0;
    for (uint32_t user_ref = 1; user_ref < client->next_ref; user_ref++)
        open_count += client->order[user_ref].open > 0;
    cr_assert_eq(sim_open_count(sim), open_count);
    for (uint32_t i = 0; i < 6; i++)
        cr_assert_eq(sim_position(sim, md_symbol(SYMBOLS[i / 3][i % 3])), client->position[i], "symbol %u", i);
    const struct sim_counters *counters = sim_counters(sim);
    cr_assert(counters->fill_count == client->count[OUCH_EXECUTED] &&
              counters->canceled_count == client->count[OUCH_CANCELED] &&
              counters->accepted_count == client->count[OUCH_ACCEPTED] &&
              counters->replaced_count == client->count[OUCH_REPLACED] &&
              counters->rejected_count == client->count[OUCH_REJECTED]);
    /* It was not idle, and where queues are short they were full. */
    cr_assert(counters->fill_count > 1000 && counters->replaced_count > 100 && counters->canceled_count > 100);
    cr_assert(counters->background_dropped_count > 100 && counters->background_refused_count == 0);
    if (params->answers_max < SMALL.answers_max)
        cr_assert(counters->refused_count > 100 && counters->rejected_count > 100 &&
                      counters->overflow_cancel_count > 10,
                  "%lu %lu %lu", (unsigned long)counters->refused_count, (unsigned long)counters->rejected_count,
                  (unsigned long)counters->overflow_cancel_count);
    flow_close(&flow);
    sim_free(sim, params);
    return client;
}

Test(sim, random_orders_are_answered_exactly_and_positions_agree)
{
    for (uint64_t seed = 1; seed <= 3; seed++)
        free(run_random(&SMALL, seed * 100, 1, false));
}

Test(sim, short_queues_refuse_reject_and_cancel_but_lose_nothing)
{
    struct sim_params params = SMALL;
    params.answers_max = 16;
    params.requests_max = 4;
    params.orders_max = 8;
    for (uint64_t seed = 1; seed <= 3; seed++)
        free(run_random(&params, seed * 100, 40, false));
}

Test(sim, same_input_gives_the_same_answers_however_often_the_venue_is_looked_at)
{
    struct client *calm = run_random(&SMALL, 7, 1, false), *nervous = run_random(&SMALL, 7, 1, true);
    struct client *other = run_random(&SMALL, 8, 1, false);
    cr_assert(calm->hash == nervous->hash && calm->next_ref == nervous->next_ref);
    cr_assert_neq(calm->hash, other->hash);
    free(calm);
    free(nervous);
    free(other);
}
