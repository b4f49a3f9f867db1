/* view: after every event it is what the feed's own book is, level by level and queue by queue; and it says so when it
 * is not. */
#include "tests/unit/feed_rig.h"

#include "feed/refresh.h"

#include <criterion/criterion.h>

#define SYMBOLS 12u

static struct feed_rig rig;
static struct view *view;
static uint64_t chosen[3];

static struct view *view_make(const struct view_params *params)
{
    const size_t bytes = view_footprint(params);
    cr_assert_gt(bytes, 0u);
    void *memory = malloc(bytes);
    memset(memory, 0xa5, bytes);
    return view_init(memory, params);
}

static struct view *view_of(const uint64_t *symbols, uint32_t symbol_count, uint32_t orders_max, uint32_t levels_max)
{
    const struct view_params params = {.channel = 2,
                                       .instrument_count = 65536,
                                       .symbols = symbols,
                                       .symbol_count = symbol_count,
                                       .orders_max = orders_max,
                                       .levels_max = levels_max};
    return view_make(&params);
}

static void start(void)
{
    struct session *session;
    struct itch_msg msg;

    feed_rig_open(&rig, 2, SYMBOLS, 5);
    const struct session_params params = {.seed = 1,
                                          .messages = session_messages_min(SYMBOLS),
                                          .symbols = SYMBOLS,
                                          .rate_per_s = 1000,
                                          .open_ns = SESSION_OPEN_NS};
    session = session_open(&params); /* symbols are the same in every session */
    while (session_next(session, &msg))
        if (msg.type == ITCH_STOCK_DIRECTORY && (msg.locate == 1 || msg.locate == 4 || msg.locate == SYMBOLS))
            chosen[msg.locate == 1 ? 0 : msg.locate == 4 ? 1 : 2] = msg.directory.stock;
    session_close(session);
    cr_assert(chosen[0] && chosen[1] && chosen[2]);
    view = view_of(chosen, 3, 4096, 256);
}

static void stop(void)
{
    feed_rig_close(&rig);
    free(view);
}

TestSuite(view, .init = start, .fini = stop);

static void follow(uint32_t message_count)
{
    for (uint32_t i = 0; i < message_count; i++) {
        feed_rig_step(&rig);
        for (uint32_t k = 0; k < rig.event_count; k++)
            view_apply(view, &rig.event[k]);
    }
}

static void compare_all(const char *when)
{
    for (uint32_t i = 0; i < 3; i++) {
        const uint16_t instrument = view_instrument(view, i);
        cr_assert_neq(instrument, MD_INSTRUMENT_NONE, "%s", when);
        cr_assert(view_whole(view, instrument), "%s: instrument %u", when, instrument);
        const char *difference = feed_rig_view_difference(&rig, view, instrument);
        cr_assert_null(difference, "%s: instrument %u: %s", when, instrument, difference);
    }
}

/* All of a refresh at once, `step` times a turn with `between` messages of the session in between. */
static void refresh_all(const uint64_t *symbols, uint32_t symbol_count, uint32_t between)
{
    struct refresh *refresh = malloc(sizeof(*refresh));
    struct md_event event;
    enum refresh_verdict verdict;
    bool more = false;

    refresh_begin(refresh, rig.channel, 2, symbols, symbol_count);
    while ((verdict = refresh_next(refresh, &event)) != REFRESH_END) {
        if (verdict == REFRESH_EVENT) {
            view_apply(view, &event);
            more = (event.flags & MD_MORE) != 0;
        }
        if (!more)
            follow(between);
    }
    free(refresh);
}

static int ascending(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

Test(view, is_the_book_after_every_event)
{
    uint32_t compared = 0;

    for (uint32_t i = 0; i < 60000; i++) {
        feed_rig_step(&rig);
        for (uint32_t k = 0; k < rig.event_count; k++) {
            const uint16_t instrument = rig.event[k].instrument;
            view_apply(view, &rig.event[k]);
            const bool ours = instrument != MD_INSTRUMENT_NONE &&
                              (instrument == view_instrument(view, 0) || instrument == view_instrument(view, 1) ||
                               instrument == view_instrument(view, 2));
            if (!ours || (rig.event[k].flags & MD_MORE)) /* a replace is two events: the book is behind both */
                continue;
            cr_assert(view_whole(view, instrument));
            const char *difference = feed_rig_view_difference(&rig, view, instrument);
            cr_assert_null(difference, "message %u: %s", i, difference);
            compared++;
        }
    }
    cr_assert_gt(compared, 5000u);
    cr_assert_eq(view_counters(view)->mismatch_count, 0u);
    cr_assert_eq(view_counters(view)->full_count, 0u);
    compare_all("at the end");
}

Test(view, a_new_session_is_begun_from_nothing_with_other_numbers)
{
    uint16_t before[3];

    follow(20000);
    for (uint32_t i = 0; i < 3; i++)
        before[i] = view_instrument(view, i);
    feed_rig_session(&rig);
    follow(1);
    cr_assert_eq(view_order_count(view), 0u);
    for (uint32_t i = 0; i < 3; i++)
        cr_assert(!view_whole(view, before[i]) && view_instrument(view, i) == MD_INSTRUMENT_NONE);
    follow(20000);
    for (uint32_t i = 0; i < 3; i++)
        cr_assert_neq(view_instrument(view, i), before[i]);
    compare_all("in the second session");
}

Test(view, is_whole_again_after_a_refresh_whatever_comes_between)
{
    static const uint32_t betweens[] = {0, 1, 3, 40};
    uint64_t symbols[3];

    memcpy(symbols, chosen, sizeof(symbols));
    qsort(symbols, 3, sizeof(symbols[0]), ascending);
    follow(10000);
    for (size_t i = 0; i < sizeof(betweens) / sizeof(betweens[0]); i++) {
        view_lost(view, 1u << 2);
        for (uint32_t k = 0; k < 700; k++)
            feed_rig_step(&rig); /* lost */
        follow(50);
        for (uint32_t k = 0; k < 3; k++)
            cr_assert_not(view_whole(view, view_instrument(view, k)));
        refresh_all(symbols, 3, betweens[i]);
        compare_all("after the refresh");
        follow(3000);
        compare_all("and later");
    }
    cr_assert_eq(view_counters(view)->mismatch_count, 0u, "and it was never surprised");
}

Test(view, a_loss_of_other_channels_is_not_its_own)
{
    follow(10000);
    view_lost(view, ~(1u << 2));
    compare_all("as if nothing had been");
    view_lost(view, 1u << 2);
    cr_assert_not(view_whole(view, view_instrument(view, 0)));
}

Test(view, a_session_in_the_middle_of_a_refresh_is_a_beginning_too)
{
    struct refresh *refresh = malloc(sizeof(*refresh));
    uint64_t symbols[3];
    struct md_event event;
    enum refresh_verdict verdict;

    memcpy(symbols, chosen, sizeof(symbols));
    qsort(symbols, 3, sizeof(symbols[0]), ascending);
    for (uint32_t stop_at = 1; stop_at < 400; stop_at += 23) {
        uint32_t count = 0;
        follow(5000);
        view_lost(view, 1u << 2);
        feed_rig_step(&rig);
        refresh_begin(refresh, rig.channel, 2, symbols, 3);
        while ((verdict = refresh_next(refresh, &event)) != REFRESH_END) {
            if (verdict == REFRESH_EVENT)
                view_apply(view, &event);
            if (verdict == REFRESH_EVENT && (event.flags & MD_MORE) == 0 && ++count == stop_at) {
                feed_rig_session(&rig);
                follow(300);
            }
        }
        follow(2000);
        compare_all("after both");
    }
    cr_assert_eq(view_counters(view)->mismatch_count, 0u);
    free(refresh);
}

Test(view, without_its_orders_in_the_refresh_it_is_not_believed)
{
    follow(10000);
    view_lost(view, 1u << 2);
    refresh_all(NULL, 0, 0);
    follow(5000);
    for (uint32_t i = 0; i < 3; i++)
        cr_assert_not(view_whole(view, view_instrument(view, i)));
    cr_assert_gt(view_counters(view)->mismatch_count, 0u, "the best prices of the events gave it away");
}

Test(view, when_memory_is_full_the_instrument_is_not_whole_and_says_so)
{
    for (uint32_t levels = 0; levels < 2; levels++) {
        free(view);
        view = levels ? view_of(chosen, 3, 4096, 2) : view_of(chosen, 3, 20, 256);
        follow(20000);
        cr_assert_gt(view_counters(view)->full_count, 0u);
        cr_assert_eq(view_counters(view)->mismatch_count, 0u);
        uint32_t broken = 0;
        for (uint32_t i = 0; i < 3; i++) {
            const uint16_t instrument = view_instrument(view, i);
            struct view_level level[1];
            if (view_whole(view, instrument)) {
                cr_assert_null(feed_rig_view_difference(&rig, view, instrument));
                continue;
            }
            cr_assert_eq(view_levels(view, instrument, 'B', 1, level), 0u, "nothing rather than half");
            broken++;
        }
        cr_assert_gt(broken, 0u);
        feed_rig_session(&rig);
    }
}

Test(view, while_the_channel_is_stale_nothing_is_whole)
{
    follow(10000);
    const struct md_event begin = {
        .type = MD_STALE_BEGIN, .flags = MD_STALE, .channel = 2, .instrument = MD_INSTRUMENT_NONE};
    const struct md_event other = {
        .type = MD_STALE_BEGIN, .flags = MD_STALE, .channel = 1, .instrument = MD_INSTRUMENT_NONE};
    const struct md_event time = {.type = MD_TIME, .channel = 2, .instrument = MD_INSTRUMENT_NONE};
    const struct md_event end = {.type = MD_STALE_END, .channel = 2, .instrument = MD_INSTRUMENT_NONE};
    view_apply(view, &other);
    compare_all("another channel's");
    view_apply(view, &begin);
    view_apply(view, &time);
    cr_assert_not(view_whole(view, view_instrument(view, 0)));
    cr_assert_null(feed_rig_view_difference(&rig, view, view_instrument(view, 0)), "but it is what the feed has");
    view_apply(view, &end);
    compare_all("all of it has been applied");
}

Test(view, an_untradable_book_is_not_whole_until_its_next_event_says_otherwise)
{
    follow(10000);
    const uint16_t instrument = view_instrument(view, 1);
    const struct book_bbo *bbo = book_bbo(channel_book(rig.channel), instrument);
    struct md_event event = {.type = MD_RETAIL,
                             .flags = MD_UNTRADABLE,
                             .channel = 2,
                             .instrument = instrument,
                             .bid_price = bbo->bid_price,
                             .bid_qty = bbo->bid_qty,
                             .ask_price = bbo->ask_price,
                             .ask_qty = bbo->ask_qty};
    view_apply(view, &event);
    cr_assert_not(view_whole(view, instrument));
    event.flags = 0;
    view_apply(view, &event);
    cr_assert(view_whole(view, instrument));
    event.type = MD_UNRELIABLE; /* an order is missing for good */
    view_apply(view, &event);
    event.type = MD_RETAIL;
    view_apply(view, &event);
    cr_assert_not(view_whole(view, instrument));
}

Test(view, events_that_cannot_be_are_noticed)
{
    const struct {
        enum md_type type;
        uint64_t ref;
        int32_t price;
        uint32_t qty;
    } odd[] = {
        {MD_EXECUTE, 1, 100, 1}, {MD_CANCEL, 2, 100, 1},        {MD_DELETE, 3, 100, 1},
        {MD_ADD, 9, 100, 0},     {MD_ADD, 9, MD_PRICE_NONE, 5},
    };
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        feed_rig_session(&rig);
        follow(10000);
        const uint64_t before = view_counters(view)->mismatch_count;
        const uint16_t instrument = view_instrument(view, 1);
        const struct book_bbo *bbo = book_bbo(channel_book(rig.channel), instrument);
        const struct md_event event = {.type = (uint8_t)odd[i].type,
                                       .side = 'B',
                                       .channel = 2,
                                       .instrument = instrument,
                                       .price = odd[i].price,
                                       .qty = odd[i].qty,
                                       .ref = odd[i].ref + (UINT64_C(1) << 40),
                                       .bid_price = bbo->bid_price,
                                       .bid_qty = bbo->bid_qty,
                                       .ask_price = bbo->ask_price,
                                       .ask_qty = bbo->ask_qty};
        cr_assert(view_whole(view, instrument));
        view_apply(view, &event);
        cr_assert_not(view_whole(view, instrument), "case %zu", i);
        cr_assert_eq(view_counters(view)->mismatch_count, before + 1);
    }
}

Test(view, an_instrument_that_becomes_another_symbol_leaves)
{
    follow(10000);
    const uint16_t instrument = view_instrument(view, 0);
    const uint32_t order_count = view_order_count(view);
    const struct md_event other = {.type = MD_DEFINE, .channel = 2, .instrument = instrument, .ref = md_symbol("ZZZZ")};
    view_apply(view, &other);
    cr_assert_eq(view_instrument(view, 0), MD_INSTRUMENT_NONE);
    cr_assert_lt(view_order_count(view), order_count);
    cr_assert_not(view_whole(view, instrument));
    struct md_event again = {.type = MD_DEFINE,
                             .channel = 2,
                             .instrument = 60000,
                             .ref = chosen[0],
                             .bid_price = MD_PRICE_NONE,
                             .ask_price = MD_PRICE_NONE};
    view_apply(view, &again);
    cr_assert(view_whole(view, 60000), "empty, as its book");
    again.instrument = 60001;
    again.bid_price = 5;
    again.bid_qty = 1;
    view_apply(view, &again);
    cr_assert_eq(view_instrument(view, 0), 60001u);
    cr_assert_not(view_whole(view, 60001), "there were orders before it had a name");
    cr_assert_not(view_whole(view, 60000));
}

Test(view, parameters_out_of_range_have_no_footprint)
{
    const uint64_t symbol = 1;
    const struct view_params good = {
        .instrument_count = 5, .symbols = &symbol, .symbol_count = 1, .orders_max = 1, .levels_max = 1};
    struct view_params bad;
    cr_assert(view_footprint(&good) > 0 && view_footprint(&good) % 8 == 0);
    bad = good, bad.symbol_count = 0;
    cr_assert_eq(view_footprint(&bad), 0u);
    bad = good, bad.symbol_count = VIEW_SYMBOLS_MAX + 1;
    cr_assert_eq(view_footprint(&bad), 0u);
    bad = good, bad.orders_max = 0;
    cr_assert_eq(view_footprint(&bad), 0u);
    bad = good, bad.orders_max = VIEW_ORDERS_MAX + 1;
    cr_assert_eq(view_footprint(&bad), 0u);
    bad = good, bad.levels_max = 0;
    cr_assert_eq(view_footprint(&bad), 0u);
    bad = good, bad.levels_max = VIEW_LEVELS_MAX + 1;
    cr_assert_eq(view_footprint(&bad), 0u);
    bad = good, bad.instrument_count = 65537;
    cr_assert_eq(view_footprint(&bad), 0u);
}

/* References, numbers, prices and flags at random: it stays consistent with itself, which the sanitizers and the checks
 * inside watch, and never holds more than it may. */
Test(view, hostile_events_leave_it_consistent)
{
    uint64_t seed = 9;

    free(view);
    view = view_of(chosen, 3, 64, 8);
    for (uint32_t step = 0; step < 400000; step++) {
        uint32_t dice[8];
        for (int i = 0; i < 8; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            dice[i] = (uint32_t)(seed >> 33);
        }
        const struct md_event event = {
            .type = (uint8_t)(dice[0] % 4 == 0 ? dice[0] / 4 % MD_TYPE_COUNT : 3 + dice[0] / 4 % 4),
            .side = dice[1] % 2 ? 'B' : 'S',
            .flags = dice[1] / 2 % 8 ? 0 : (uint16_t)(dice[1] >> 8 & 0x1ff),
            .channel = 2,
            .instrument = (uint16_t)(dice[2] % 100 == 0 ? MD_INSTRUMENT_NONE : dice[2] % 4),
            .price = (int32_t)(dice[3] % 12),
            .qty = dice[4] % 20,
            .ref = dice[0] / 4 % MD_TYPE_COUNT == MD_DEFINE && dice[0] % 4 == 0 ? chosen[dice[5] % 3] : dice[5] % 100,
            .bid_price = MD_PRICE_NONE,
            .ask_price = MD_PRICE_NONE};
        if (event.instrument == MD_INSTRUMENT_NONE && dice[6] % 8 != 0)
            continue;
        view_apply(view, &event);
        if (dice[7] % 5000 == 0)
            view_lost(view, 1u << 2);
        if (dice[7] % 500 == 1) {
            const struct md_event session = {.type = dice[7] / 500 % 2 ? MD_SESSION : MD_RESET,
                                             .flags = dice[7] / 1000 % 2 ? MD_REFRESH : 0,
                                             .channel = 2,
                                             .instrument = MD_INSTRUMENT_NONE};
            view_apply(view, &session);
        }
        cr_assert_leq(view_order_count(view), 64u);
        uint64_t total = 0;
        for (uint32_t i = 0; i < 3; i++)
            for (uint32_t s = 0; s < 2; s++) {
                struct view_level level[9];
                const uint32_t count = view_levels(view, view_instrument(view, i), s ? 'B' : 'S', 9, level);
                cr_assert_leq(count, 8u);
                for (uint32_t k = 0; k < count; k++) {
                    total += level[k].order_count;
                    cr_assert(k == 0 ||
                              (s ? level[k].price < level[k - 1].price : level[k].price > level[k - 1].price));
                }
            }
        cr_assert_eq(total, view_order_count(view));
    }
    cr_assert(view_counters(view)->mismatch_count > 100 && view_counters(view)->full_count > 100);
}
