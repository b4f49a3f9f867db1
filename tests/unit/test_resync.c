/* resync: a reader that was lapped knows in the end what the channels know, in whatever order rx lcore and reader have
 * their turns. Both are driven step by step in one thread: the real strategy loop on one side, channels on the
 * other. */
#include "gateway/resync.h"

#include "gateway/strategy_loop.h"
#include "tests/unit/feed_rig.h"

#include <criterion/criterion.h>

#define SYMBOLS 40u
#define SLOTS   64u
#define OTHER   2u /* a channel of another rx lcore */

static struct feed_rig feed[2]; /* both of one rx lcore */
static struct md_ring ring;
static struct md_slot slots[SLOTS];
static struct md_ring_reader reader;
static struct resync *resync;
static struct strategy_lcore *lcore;
static struct view *view[2]; /* every instrument of channel 0, some of channel 1 */
static void *market_memory, *open_memory;
static uint64_t published_count; /* MD_TIME not counted */
static uint64_t applied_count, refresh_count, lost_count;
static uint32_t lost_channels;
static uint64_t applied_hash;
static uint64_t refresh_tsc;
static struct strategy_out answer;
static uint32_t refused_reason;
static uint64_t dice_state = 1;

static uint32_t dice(uint32_t bound)
{
    dice_state = dice_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(dice_state >> 33) % bound;
}

/* ---- a strategy that keeps two views ---- */

static void on_event(void *state, const struct md_event *event, uint64_t now_ns, struct strategy_out *out)
{
    (void)state;
    (void)now_ns;
    for (uint32_t i = 0; i < 2; i++)
        view_apply(view[i], event);
    if (event->flags & MD_REFRESH) {
        refresh_count++;
        refresh_tsc = event->rx_tsc;
    } else {
        applied_count++;
        applied_hash = md_event_hash(applied_hash, event);
    }
    *out = answer;
    answer.count = 0;
}

static void on_order(void *state, const struct order_event *event, struct strategy_out *out)
{
    (void)state;
    (void)out;
    cr_assert_eq(event->type, ORDER_REFUSED);
    refused_reason = event->reason;
}

static void on_lost(void *state, uint32_t channels, uint64_t count)
{
    (void)state;
    for (uint32_t i = 0; i < 2; i++)
        view_lost(view[i], channels);
    lost_channels |= channels;
    lost_count += count;
}

static const struct strategy_ops ops = {
    .name = "test", .on_event = on_event, .on_order = on_order, .on_lost = on_lost, .depth = true};

/* ---- the two sides ---- */

static void publish(const struct md_event *event)
{
    md_ring_push(&ring, event);
    published_count += event->type != MD_TIME;
}

static void publish_all(uint32_t idx)
{
    const struct md_event time = {.type = MD_TIME, .instrument = MD_INSTRUMENT_NONE, .exchange_ns = ring.head};

    publish(&time);
    for (uint32_t i = 0; i < feed[idx].event_count; i++)
        publish(&feed[idx].event[i]);
}

static void produce(uint32_t idx, uint32_t message_count)
{
    for (uint32_t i = 0; i < message_count; i++) {
        feed_rig_step(&feed[idx]);
        publish_all(idx);
    }
}

/* Messages while the reader keeps up. */
static void follow(uint32_t message_count)
{
    for (uint32_t i = 0; i < message_count; i++) {
        produce(i % 2, 1);
        resync_step(resync);
        strategy_poll(lcore);
    }
}

/* The reader sleeps, and finds out. */
static void lap(void)
{
    const uint64_t overruns = lcore->overrun_count;

    produce(0, SLOTS);
    produce(1, SLOTS);
    strategy_poll(lcore);
    cr_assert_eq(lcore->overrun_count, overruns + 1);
}

/* Both have their turns until nothing is left to do. */
static void settle(void)
{
    for (uint32_t turns = 0; turns < 100000; turns++) {
        resync_step(resync);
        if (strategy_poll(lcore) == 0 && !resync->waiting && reader.next == ring.head)
            return;
    }
    cr_assert_fail("it never comes to an end");
}

static void compare(const char *when)
{
    for (uint16_t i = 0; i < 2; i++) {
        const char *difference = feed_rig_market_difference(&feed[i], &lcore->market, i);
        cr_assert_null(difference, "%s, channel %u: %s", when, i, difference);
        for (uint32_t k = 0; k < SYMBOLS; k++) {
            const uint16_t instrument = view_instrument(view[i], k);
            if (instrument == MD_INSTRUMENT_NONE)
                continue;
            cr_assert_eq(view_whole(view[i], instrument), !channel_stale(feed[i].channel), "%s", when);
            difference = feed_rig_view_difference(&feed[i], view[i], instrument);
            cr_assert_null(difference, "%s, channel %u, instrument %u: %s", when, i, instrument, difference);
        }
        cr_assert_eq(view_counters(view[i])->mismatch_count, 0u, "%s", when);
    }
    cr_assert_eq(lcore->market.out_of_range_count, 0u);
    cr_assert_eq(lcore->event_count[0], applied_count, "a refresh is outside every count");
    cr_assert_eq(lcore->event_hash[0], applied_hash, "and every hash");
    cr_assert_not(lcore->market.channel[OTHER].lost || lcore->market.channel[OTHER].stale, "%s", when);
}

static struct view *view_make(uint16_t channel, const uint64_t *symbols, uint32_t symbol_count)
{
    const struct view_params params = {.channel = channel,
                                       .instrument_count = feed[channel].instrument_count,
                                       .symbols = symbols,
                                       .symbol_count = symbol_count,
                                       .orders_max = 16384,
                                       .levels_max = 512};
    return view_init(malloc(view_footprint(&params)), &params);
}

static void start(void)
{
    static const struct risk_limits limits = {.order_qty_max = 1000,
                                              .order_notional_max = UINT64_MAX,
                                              .collar_bps = 10000,
                                              .rate_per_s = 1,
                                              .rate_burst = 1000000,
                                              .position_max = 1000000};
    uint64_t symbols[SYMBOLS];
    uint32_t symbol_count = 0;
    struct itch_msg msg;

    feed_rig_open(&feed[0], 0, SYMBOLS, 11);
    feed_rig_open(&feed[1], 1, SYMBOLS, 22);
    const struct session_params params = {.seed = 1,
                                          .messages = session_messages_min(SYMBOLS),
                                          .symbols = SYMBOLS,
                                          .rate_per_s = 1000,
                                          .open_ns = SESSION_OPEN_NS};
    struct session *session = session_open(&params); /* symbols are the same in every session */
    while (session_next(session, &msg))
        if (msg.type == ITCH_STOCK_DIRECTORY)
            symbols[symbol_count++] = msg.directory.stock;
    session_close(session);
    cr_assert_eq(symbol_count, SYMBOLS);
    view[0] = view_make(0, symbols, SYMBOLS);
    view[1] = view_make(1, symbols + 5, 3);

    md_ring_init(&ring, slots, SLOTS, 1);
    md_ring_reader_init(&reader, &ring);
    resync = aligned_alloc(CACHE_LINE_BYTES, sizeof(*resync));
    resync_init(resync, &ring);
    cr_assert(resync_channel_add(resync, feed[0].channel, 0) && resync_channel_add(resync, feed[1].channel, 1));
    cr_assert(resync_symbols_add(resync, symbols, SYMBOLS));

    lcore =
        aligned_alloc(CACHE_LINE_BYTES, (sizeof(*lcore) + CACHE_LINE_BYTES - 1) / CACHE_LINE_BYTES * CACHE_LINE_BYTES);
    memset(lcore, 0, sizeof(*lcore));
    lcore->reader[0] = &reader;
    lcore->resync[0] = resync;
    lcore->reader_count = 1;
    lcore->strategy[0] = (struct strategy_slot){.ops = &ops, .name = "test"};
    lcore->strategy_count = 1;
    lcore->hashing = true;
    const uint32_t counts[3] = {feed[0].instrument_count, feed[1].instrument_count, 4};
    market_memory = aligned_alloc(CACHE_LINE_BYTES, market_footprint(counts, 3));
    market_init(&lcore->market, market_memory, counts, 3);
    open_memory = malloc(open_footprint(16));
    open_init(&lcore->open, open_memory, 16, 1, 1000);
    risk_init(&lcore->risk, &limits, false);
}

static void stop(void)
{
    feed_rig_close(&feed[0]);
    feed_rig_close(&feed[1]);
    free(view[0]);
    free(view[1]);
    free(resync);
    free(lcore);
    free(market_memory);
    free(open_memory);
}

TestSuite(resync, .init = start, .fini = stop);

Test(resync, a_reader_that_keeps_up_hears_nothing_of_it)
{
    follow(8000);
    compare("at the end");
    cr_assert(refresh_count == 0 && resync->event_count == 0 && lcore->resync_count == 0);
    cr_assert_eq(applied_count, published_count);
}

Test(resync, a_lapped_reader_is_brought_up_to_date)
{
    follow(8000);
    lap();
    cr_assert(lcore->market.channel[0].lost && lcore->market.channel[1].lost);
    cr_assert_eq(lost_channels, 3u, "channels of other rx lcores are none of them");
    cr_assert_eq(lost_count, lcore->lost_count);
    settle();
    compare("after the resync");
    cr_assert(lcore->overrun_count == 1 && lcore->resync_count == 1 && resync->answered_count == 1);
    cr_assert_eq(refresh_count, resync->event_count);
    follow(2000);
    compare("and later");
    cr_assert_eq(resync->event_count, refresh_count, "once was enough");
    cr_assert_leq(applied_count + lost_count, reader.next);
    cr_assert_neq(refresh_tsc, 0u);
}

Test(resync, what_the_reader_has_at_stake_is_not_touched)
{
    follow(4000);
    struct market_instrument *instrument = market_find(&lcore->market, 0, 5);
    instrument->position = -300;
    instrument->open_buy_qty = 20;
    instrument->open_sell_qty = 30;
    lap();
    settle();
    cr_assert(instrument->position == -300 && instrument->open_buy_qty == 20 && instrument->open_sell_qty == 30);
    compare("after the resync");
}

Test(resync, orders_wait_for_the_end_of_the_refresh)
{
    follow(4000);
    lcore->risk.session_up = true;
    struct risk_limits limits = lcore->risk.limits;
    limits.position_max = 100000000;
    risk_limit_lcore(&lcore->risk, &limits);
    uint32_t refused = 0;

    lap();
    while (lcore->market.channel[0].lost) { /* channel 1 has its turn behind it */
        for (uint16_t i = 0; i < feed[0].instrument_count; i++) {
            struct order_intent intent = {.action = ORDER_NEW, .side = 'S', .instrument = i, .qty = 1};
            intent.price = market_find(&lcore->market, 0, i)->bid_price;
            const enum risk_verdict verdict = risk_reserve(&lcore->risk, &lcore->market, &intent, 0, 1);
            cr_assert_neq(verdict, RISK_PASS);
            refused += verdict == RISK_STALE;
        }
        resync_step(resync);
        strategy_poll(lcore);
    }
    cr_assert_gt(refused, 200u);
    struct order_intent intent = {.action = ORDER_NEW, .side = 'S', .qty = 1};
    uint32_t passed = 0;
    for (uint16_t i = 0; i < feed[0].instrument_count; i++) {
        intent.instrument = i;
        intent.price = market_find(&lcore->market, 0, i)->bid_price;
        passed += risk_reserve(&lcore->risk, &lcore->market, &intent, 0, 1) == RISK_PASS;
    }
    cr_assert_gt(passed, SYMBOLS / 2);
}

Test(resync, events_behind_a_record_are_applied_behind_it)
{
    follow(8000);
    for (uint32_t i = 0; i < 60; i++) {
        lap();
        settle();
        lap();
        /* The rx lcore makes slices and goes on publishing; the reader has slept and finds both. */
        while (resync->done != resync->asked && ring.head - reader.next < SLOTS - 20) {
            resync_step(resync);
            produce(i % 2, 1);
        }
        while (reader.next != ring.head)
            strategy_poll(lcore);
        settle();
        compare("after both");
    }
}

Test(resync, one_more_overrun_in_the_middle_begins_anew)
{
    follow(8000);
    for (uint32_t slices = 0; slices < 40; slices++) {
        const uint64_t answered = resync->answered_count;
        lap();
        for (uint32_t i = 0; i < slices; i++)
            resync_step(resync);
        if (slices % 2) /* what was sent is on its way, or taken */
            strategy_poll(lcore);
        lap();
        settle();
        compare("after the second");
        cr_assert_leq(resync->answered_count, answered + 2);
        cr_assert_eq(lcore->resync_count, resync->answered_count);
    }
    cr_assert_gt(resync->broken_off_count, 20u);
}

Test(resync, a_request_that_nobody_has_seen_yet_is_asked_twice_and_answered_once)
{
    follow(2000);
    lap();
    lap();
    settle();
    compare("after both");
    cr_assert(resync->answered_count == 1 && resync->broken_off_count == 0);
}

Test(resync, a_session_may_begin_at_any_moment)
{
    follow(3000);
    for (uint32_t when = 0; when < 60; when++) {
        lap();
        for (uint32_t i = 0; i < when; i++) {
            resync_step(resync);
            strategy_poll(lcore);
        }
        feed_rig_session(&feed[when % 2]);
        produce(when % 2, 20);
        if (when % 3 == 0)
            lap(); /* and is lost */
        settle();
        compare("after both");
        follow(500);
        compare("and later");
    }
}

Test(resync, a_stale_channel_stays_stale_and_the_other_one_does_not)
{
    follow(4000);
    lap();
    feed[0].seq += 5;
    produce(0, 3);
    settle();
    compare("after the resync");
    cr_assert(lcore->market.channel[0].stale && !lcore->market.channel[1].stale);
    lap();
    resync_step(resync);
    strategy_poll(lcore);
    feed[1].seq += 5;
    produce(1, 3);
    settle();
    compare("in the middle");
    cr_assert(lcore->market.channel[0].stale && lcore->market.channel[1].stale);
    feed_rig_session(&feed[0]);
    feed_rig_session(&feed[1]);
    lap();
    settle();
    compare("it ended unseen");
    cr_assert(!lcore->market.channel[0].stale && !lcore->market.channel[1].stale);
}

Test(resync, the_end_of_a_session_that_was_lost_is_known)
{
    follow(3000);
    feed_rig_end(&feed[1]);
    publish_all(1);
    produce(0, 2 * SLOTS);
    strategy_poll(lcore);
    cr_assert_not(lcore->market.channel[1].session_ended);
    settle();
    compare("after the resync");
    cr_assert(lcore->market.channel[1].session_ended && !lcore->market.channel[0].session_ended);
}

Test(resync, the_rx_lcore_never_sends_more_than_the_reader_has_room_for)
{
    follow(8000);
    lap();
    for (uint32_t i = 0; i < 1000; i++) { /* the reader sleeps */
        resync_step(resync);
        cr_assert_leq(resync->records.head - resync->reader.next, RESYNC_SLOTS);
    }
    cr_assert_neq(resync->done, resync->asked, "all of it does not fit");
    settle();
    compare("after the resync");
    cr_assert(resync->reader.lost_count == 0 && resync->event_count > RESYNC_SLOTS);
}

Test(resync, a_slice_is_bounded)
{
    follow(8000);
    lap();
    uint32_t turns = 0;
    for (; resync->done != resync->asked; turns++) {
        const uint64_t before = resync->event_count;
        resync_step(resync);
        cr_assert_leq(resync->event_count - before, RESYNC_SLICE + REFRESH_GO_MAX);
        strategy_poll(lcore);
    }
    cr_assert_gt(turns, 2 * (SYMBOLS + 8) / RESYNC_SLICE);
}

Test(resync, without_one_a_lapped_reader_stays_stale_to_its_next_session)
{
    lcore->resync[0] = NULL;
    follow(3000);
    produce(0, 2 * SLOTS);
    while (reader.next != ring.head)
        strategy_poll(lcore);
    cr_assert(lcore->overrun_count == 1 && lost_channels == UINT32_MAX);
    follow(1000);
    cr_assert(lcore->market.channel[0].lost && lcore->market.channel[OTHER].lost);
    feed_rig_session(&feed[0]);
    follow(2);
    cr_assert_not(lcore->market.channel[0].lost);
    cr_assert(lcore->market.channel[1].lost);
}

/* The policy: with tx closed every new order has a reason, and which one tells whether the policy was asked. */
Test(resync, a_strategy_that_stops_on_overrun_sends_no_new_orders_until_the_next_session)
{
    const struct order_intent new = {.action = ORDER_NEW, .side = 'B', .price = 1, .qty = 1};
    const struct order_intent cancel = {.action = ORDER_CANCEL, .orig_ref = 1};
    const struct order_intent replace = {.action = ORDER_REPLACE, .orig_ref = 1, .price = 2, .qty = 1};
    const struct order_intent mine = {.side = 'B', .qty = 1, .price = 1, .instrument = 1};
    const struct {
        struct order_intent intent;
        bool gated;
    } cases[] = {{new, true}, {cancel, false}, {replace, true}};

    follow(3000);
    cr_assert_eq(open_insert(&lcore->open, &mine, 0, 0, UINT64_MAX / 2), 1u);
    for (uint32_t step = 0; step < 6; step++) {
        static const bool stops[] = {true, true, true, false, true, true};
        static const bool stopped[] = {false, true, true, false, true, false};
        lcore->strategy[0].stop_on_overrun = stops[step];
        if (step == 1)
            lap();
        if (step == 2)
            settle();
        if (step == 4) { /* one of two channels */
            feed_rig_session(&feed[0]);
            follow(4);
        }
        if (step == 5) {
            feed_rig_session(&feed[1]);
            follow(4);
        }
        for (size_t i = 0; i < 3; i++) {
            answer = (struct strategy_out){.count = 1, .intent = {cases[i].intent}};
            const uint64_t before = lcore->risk.verdict_count[RISK_OVERRUN];
            const struct md_event any = {.type = MD_RETAIL, .instrument = 1};
            strategy_event(lcore, &any);
            cr_assert_eq(refused_reason, stopped[step] && cases[i].gated ? RISK_OVERRUN : RISK_NO_SESSION,
                         "step %u, case %zu: %s", step, i, risk_verdict_name((enum risk_verdict)refused_reason));
            cr_assert_eq(lcore->risk.verdict_count[RISK_OVERRUN] - before, stopped[step] && cases[i].gated);
        }
    }
}

Test(resync, symbols_are_kept_in_order_and_once)
{
    static const uint64_t more[] = {9, 3, 7, 3, 9, 1}, sorted[] = {1, 3, 7, 9};
    static uint64_t many[RESYNC_SYMBOLS_MAX];

    resync_init(resync, &ring);
    cr_assert(resync_symbols_add(resync, more, 6) && resync_symbols_add(resync, more, 2));
    cr_assert_eq(resync->symbol_count, 4u);
    for (uint32_t i = 0; i < 4; i++)
        cr_assert_eq(resync->symbol[i], sorted[i]);
    for (uint32_t i = 0; i < RESYNC_SYMBOLS_MAX; i++)
        many[i] = 100 + i;
    cr_assert(resync_symbols_add(resync, many, RESYNC_SYMBOLS_MAX - 4));
    cr_assert_not(resync_symbols_add(resync, many + RESYNC_SYMBOLS_MAX - 4, 1));
    cr_assert(resync_symbols_add(resync, more, 6), "known ones need no room");
    for (uint16_t i = 0; i < RESYNC_CHANNELS_MAX; i++)
        cr_assert(resync_channel_add(resync, NULL, i));
    cr_assert_not(resync_channel_add(resync, NULL, 0));
    cr_assert_eq(resync->channels, 0xffffu);
}

Test(resync, of_an_rx_lcore_without_channels_is_answered_at_once)
{
    resync_init(resync, &ring);
    resync_ask(resync);
    resync_step(resync);
    struct md_event event;
    cr_assert_not(resync_next(resync, ring.head - 1, &event));
    cr_assert(!resync->waiting && resync->answered_count == 1);
}

/* Turns, messages, holes, sessions and naps in random order. */
Test(resync, whatever_the_order_of_turns_both_know_the_same_in_the_end)
{
    follow(4000);
    for (uint32_t round = 0; round < 300; round++) {
        for (uint32_t i = dice(400); i > 0; i--) {
            const uint32_t idx = dice(2);
            switch (dice(12)) {
            case 0:
            case 1:
            case 2:
                strategy_poll(lcore);
                break;
            case 3:
            case 4:
            case 5:
                resync_step(resync);
                break;
            case 6:
                produce(idx, dice(60) == 0 ? 3 * SLOTS : dice(40));
                break;
            case 7:
                if (dice(100) == 0)
                    feed_rig_session(&feed[idx]);
                break;
            case 8:
                if (dice(200) == 0)
                    feed[idx].seq += dice(5);
                break;
            default:
                produce(idx, 1);
                break;
            }
        }
        settle();
        compare("after a round");
    }
    cr_assert(lcore->overrun_count > 100 && lcore->resync_count > 50 && resync->broken_off_count > 10,
              "%lu overruns, %lu resyncs, %lu broken off", lcore->overrun_count, lcore->resync_count,
              resync->broken_off_count);
}
