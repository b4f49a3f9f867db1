/* risk: each limit on both sides of its edge, the order of the checks, the bucket to the nanosecond. Newer checks:
 * test_risk_rules.c; agreement with a slow, obvious model: test_risk_model.c. */
#include "gateway/order/risk.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>

#define BID 1000000
#define ASK 1000100

struct rig {
    struct market market;
    struct risk risk;
    struct market_instrument *abc;
    void *memory;
};

static const struct risk_limits wide = {
    .order_qty_max = 1000,
    .order_notional_max = UINT64_C(1) << 62,
    .collar_bps = 100,
    .rate_per_s = 1000000,
    .rate_burst = 1000,
    .position_max = 10000,
};

static struct rig rig_open(const struct risk_limits *limits)
{
    static const uint32_t counts[2] = {4, 4};
    struct rig rig;

    rig.memory = aligned_alloc(64, market_footprint(counts, 2));
    market_init(&rig.market, rig.memory, counts, 2);
    risk_init(&rig.risk, limits, false);
    rig.risk.session_up = true;
    rig.abc = &rig.market.channel[0].instruments[1];
    rig.abc->symbol = md_symbol("ABC");
    rig.abc->bid_price = BID;
    rig.abc->bid_qty = 100;
    rig.abc->ask_price = ASK;
    rig.abc->ask_qty = 100;
    return rig;
}

static struct order_intent order(uint8_t side, int32_t price, uint32_t qty)
{
    return (struct order_intent){
        .action = ORDER_NEW, .side = side, .tif = ORDER_IOC, .instrument = 1, .price = price, .qty = qty};
}

static enum risk_verdict ask(struct rig *rig, struct order_intent intent)
{
    risk_limit_lcore(&rig->risk, &rig->risk.limits); /* tests change them in place */
    return risk_reserve(&rig->risk, &rig->market, &intent, 0, 1000);
}

#define REFUSED(rig, intent, reason)                                                                                   \
    do {                                                                                                               \
        const uint64_t buys = (rig)->abc->open_buy_qty, sells = (rig)->abc->open_sell_qty;                             \
        cr_assert_eq(ask((rig), (intent)), (reason));                                                                  \
        cr_assert_eq((rig)->abc->open_buy_qty, buys, "a refusal reserves nothing");                                    \
        cr_assert_eq((rig)->abc->open_sell_qty, sells);                                                                \
    } while (0)

Test(risk, a_good_order_passes_and_is_reserved_on_its_side)
{
    struct rig rig = rig_open(&wide);
    cr_assert_eq(ask(&rig, order('B', ASK, 100)), RISK_PASS);
    cr_assert_eq(rig.abc->open_buy_qty, 100u);
    cr_assert_eq(ask(&rig, order('S', BID, 70)), RISK_PASS);
    cr_assert_eq(ask(&rig, order('T', BID, 7)), RISK_PASS);
    cr_assert_eq(ask(&rig, order('E', BID, 3)), RISK_PASS);
    cr_assert_eq(rig.abc->open_sell_qty, 80u);
    risk_release(&rig.market, 0, 1, 'T', 0, 7);
    risk_release(&rig.market, 0, 1, 'B', 0, 100);
    cr_assert_eq(rig.abc->open_buy_qty, 0u);
    cr_assert_eq(rig.abc->open_sell_qty, 73u);
    free(rig.memory);
}

Test(risk, a_malformed_intent_is_refused)
{
    struct rig rig = rig_open(&wide);
    struct order_intent intent = order('B', ASK, 100);
    REFUSED(&rig, order('b', ASK, 100), RISK_BAD_INTENT);
    REFUSED(&rig, order(0, ASK, 100), RISK_BAD_INTENT);
    REFUSED(&rig, order('B', 0, 100), RISK_BAD_INTENT);
    REFUSED(&rig, order('B', -1, 100), RISK_BAD_INTENT);
    REFUSED(&rig, order('B', INT32_MIN, 100), RISK_BAD_INTENT);
    REFUSED(&rig, order('B', ASK, 0), RISK_BAD_INTENT);
    intent.tif = 9;
    REFUSED(&rig, intent, RISK_BAD_INTENT);
    intent = order('B', ASK, 100);
    intent.action = ORDER_REPLACE;
    REFUSED(&rig, intent, RISK_BAD_INTENT);
    intent.action = 0;
    REFUSED(&rig, intent, RISK_BAD_INTENT);
    free(rig.memory);
}

Test(risk, the_kill_switch_blocks_until_it_is_released)
{
    struct rig rig = rig_open(&wide);
    risk_kill(&rig.risk, true);
    REFUSED(&rig, order('B', ASK, 100), RISK_KILLED);
    risk_kill(&rig.risk, false);
    cr_assert_eq(ask(&rig, order('B', ASK, 100)), RISK_PASS);
    free(rig.memory);
    struct risk born_killed;
    risk_init(&born_killed, &wide, true);
    cr_assert_eq(born_killed.killed, 1u);
}

Test(risk, without_a_session_nothing_is_sent)
{
    struct rig rig = rig_open(&wide);
    rig.risk.session_up = false;
    REFUSED(&rig, order('B', ASK, 100), RISK_NO_SESSION);
    rig.risk.session_up = true; /* it comes and goes while the gate works */
    cr_assert_eq(ask(&rig, order('B', ASK, 100)), RISK_PASS);
    rig.risk.session_up = false;
    REFUSED(&rig, order('B', ASK, 100), RISK_NO_SESSION);
    free(rig.memory);
}

Test(risk, an_instrument_that_is_not_known_is_refused)
{
    struct rig rig = rig_open(&wide);
    struct order_intent intent = order('B', ASK, 100);
    intent.instrument = 2;
    REFUSED(&rig, intent, RISK_UNKNOWN_INSTRUMENT);
    intent.instrument = 4;
    REFUSED(&rig, intent, RISK_UNKNOWN_INSTRUMENT);
    intent.instrument = MD_INSTRUMENT_NONE;
    REFUSED(&rig, intent, RISK_UNKNOWN_INSTRUMENT);
    intent = order('B', ASK, 100);
    intent.channel = 2;
    REFUSED(&rig, intent, RISK_UNKNOWN_INSTRUMENT);
    free(rig.memory);
}

Test(risk, a_stale_channel_is_refused_unless_the_laboratory_allows_it)
{
    struct rig rig = rig_open(&wide);
    rig.market.channel[1].stale = true;
    cr_assert_eq(ask(&rig, order('B', ASK, 1)), RISK_PASS, "another channel's hole is no reason");
    rig.market.channel[0].stale = true;
    REFUSED(&rig, order('B', ASK, 1), RISK_STALE);
    rig.risk.limits.allow_stale = true;
    cr_assert_eq(ask(&rig, order('B', ASK, 1)), RISK_PASS);
    free(rig.memory);
}

Test(risk, what_cannot_be_traded_is_refused)
{
    struct rig rig = rig_open(&wide);
    rig.abc->untradable = true;
    REFUSED(&rig, order('B', ASK, 1), RISK_UNTRADABLE);
    rig.abc->untradable = false;
    for (const char *state = "HPQ"; *state; state++) {
        rig.abc->state = (uint8_t)*state;
        REFUSED(&rig, order('B', ASK, 1), RISK_HALTED);
    }
    rig.abc->state = 'T';
    rig.abc->operational = 'H';
    REFUSED(&rig, order('B', ASK, 1), RISK_HALTED);
    rig.abc->operational = 'T';
    cr_assert_eq(ask(&rig, order('B', ASK, 1)), RISK_PASS);
    rig.market.channel[0].session_ended = true;
    REFUSED(&rig, order('B', ASK, 1), RISK_HALTED);
    free(rig.memory);
}

Test(risk, the_opposite_side_must_be_there)
{
    struct rig rig = rig_open(&wide);
    rig.abc->ask_price = MD_PRICE_NONE;
    REFUSED(&rig, order('B', ASK, 1), RISK_NO_BBO);
    cr_assert_eq(ask(&rig, order('S', BID, 1)), RISK_PASS);
    rig.abc->bid_price = MD_PRICE_NONE;
    REFUSED(&rig, order('S', BID, 1), RISK_NO_BBO);
    free(rig.memory);
}

Test(risk, quantity_and_notional_are_inclusive_limits)
{
    struct risk_limits limits = wide;
    limits.order_notional_max = UINT64_C(500) * ASK;
    struct rig rig = rig_open(&limits);
    cr_assert_eq(ask(&rig, order('B', ASK, 500)), RISK_PASS);
    REFUSED(&rig, order('B', ASK, 501), RISK_NOTIONAL);
    REFUSED(&rig, order('B', ASK + 1, 500), RISK_NOTIONAL);
    REFUSED(&rig, order('B', ASK, 1001), RISK_QTY);
    rig.risk.limits.order_notional_max = UINT64_MAX;
    rig.risk.limits.order_qty_max = UINT32_MAX;
    rig.risk.limits.position_max = UINT32_MAX;
    rig.risk.limits.collar_bps = 10000;
    rig.abc->ask_price = INT32_MAX;
    cr_assert_eq(ask(&rig, order('B', INT32_MAX, UINT32_MAX - 500)), RISK_PASS,
                 "the largest product does not overflow");
    free(rig.memory);
}

Test(risk, the_collar_is_exact_and_never_wider_than_the_rule)
{
    struct rig rig = rig_open(&wide); /* 100 bps */
    const int32_t highest = ASK + ASK / 100;     /* 1,010,101 exactly: ASK is a multiple of 100 */
    const int32_t lowest = BID - BID / 100;
    cr_assert_eq(ask(&rig, order('B', highest, 1)), RISK_PASS);
    REFUSED(&rig, order('B', highest + 1, 1), RISK_COLLAR);
    cr_assert_eq(ask(&rig, order('B', 1, 1)), RISK_PASS, "a low bid is no danger");
    cr_assert_eq(ask(&rig, order('S', lowest, 1)), RISK_PASS);
    REFUSED(&rig, order('S', lowest - 1, 1), RISK_COLLAR);
    cr_assert_eq(ask(&rig, order('S', INT32_MAX, 1)), RISK_PASS);
    rig.abc->ask_price = 149; /* 1 % of it is 1.49: one is inside, two is not */
    cr_assert_eq(ask(&rig, order('B', 150, 1)), RISK_PASS);
    REFUSED(&rig, order('B', 151, 1), RISK_COLLAR);
    rig.risk.limits.collar_bps = 0;
    cr_assert_eq(ask(&rig, order('B', 149, 1)), RISK_PASS);
    REFUSED(&rig, order('B', 150, 1), RISK_COLLAR);
    rig.abc->ask_price = 0;
    REFUSED(&rig, order('B', 1, 1), RISK_COLLAR);
    rig.abc->ask_price = -100; /* legal in a feed; an order has a price above zero, far beyond it */
    rig.risk.limits.collar_bps = 10000;
    REFUSED(&rig, order('B', 1, 1), RISK_COLLAR);
    free(rig.memory);
}

Test(risk, position_counts_what_is_open_on_the_same_side)
{
    struct rig rig = rig_open(&wide); /* 10,000 */
    rig.abc->position = 9000;
    cr_assert_eq(ask(&rig, order('B', ASK, 600)), RISK_PASS);
    REFUSED(&rig, order('B', ASK, 401), RISK_POSITION);
    cr_assert_eq(ask(&rig, order('B', ASK, 400)), RISK_PASS);
    REFUSED(&rig, order('B', ASK, 1), RISK_POSITION);
    cr_assert_eq(ask(&rig, order('S', BID, 1000)), RISK_PASS, "the other side makes it smaller");
    rig.abc->position = -9000;
    rig.abc->open_sell_qty = 0;
    cr_assert_eq(ask(&rig, order('S', BID, 1000)), RISK_PASS);
    REFUSED(&rig, order('S', BID, 1), RISK_POSITION);
    free(rig.memory);
}

Test(risk, a_replace_reserves_the_increase_alone)
{
    struct rig rig = rig_open(&wide);
    struct order_intent intent = order('B', ASK, 300);
    cr_assert_eq(ask(&rig, intent), RISK_PASS);
    intent.action = ORDER_REPLACE;
    intent.qty = 450;
    cr_assert_eq(risk_reserve_replace(&rig.risk, &rig.market, &intent, 300, 0, 1000), RISK_PASS);
    cr_assert_eq(rig.abc->open_buy_qty, 450u);
    intent.qty = 100;
    cr_assert_eq(risk_reserve_replace(&rig.risk, &rig.market, &intent, 450, 0, 1000), RISK_PASS);
    cr_assert_eq(rig.abc->open_buy_qty, 450u, "nobody has confirmed the smaller one");
    rig.abc->position = 9550;
    intent.qty = 451;
    cr_assert_eq(risk_reserve_replace(&rig.risk, &rig.market, &intent, 450, 0, 1000), RISK_POSITION);
    intent.qty = 1001;
    cr_assert_eq(risk_reserve_replace(&rig.risk, &rig.market, &intent, 1001, 0, 1000), RISK_QTY);
    intent.qty = 100;
    intent.action = ORDER_NEW;
    cr_assert_eq(risk_reserve_replace(&rig.risk, &rig.market, &intent, 450, 0, 1000), RISK_BAD_INTENT);
    intent.action = ORDER_REPLACE;
    cr_assert_eq(risk_reserve_replace(&rig.risk, &rig.market, &intent, 450, RISK_STRATEGIES_MAX, 1000),
                 RISK_BAD_INTENT);
    free(rig.memory);
}

static enum risk_verdict ask_at(struct rig *rig, uint64_t now_ns)
{
    const struct order_intent intent = order('B', ASK, 1);
    return risk_reserve(&rig->risk, &rig->market, &intent, 0, now_ns);
}

Test(risk, the_bucket_is_exact_to_the_nanosecond)
{
    struct risk_limits limits = wide;
    limits.rate_per_s = 1000; /* one a millisecond */
    limits.rate_burst = 3;
    struct rig rig = rig_open(&limits);
    const uint64_t start = UINT64_C(1700000000000000000);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(ask_at(&rig, start), RISK_PASS);
    cr_assert_eq(ask_at(&rig, start), RISK_RATE);
    cr_assert_eq(ask_at(&rig, start + 999999), RISK_RATE);
    cr_assert_eq(ask_at(&rig, start + 1000000), RISK_PASS);
    cr_assert_eq(ask_at(&rig, start + 1000000), RISK_RATE);
    cr_assert_eq(ask_at(&rig, start - 5000000), RISK_RATE, "time that runs backwards adds nothing");
    cr_assert_eq(ask_at(&rig, start + 1999999), RISK_RATE, "nor does it count twice");
    cr_assert_eq(ask_at(&rig, start + 2000000), RISK_PASS);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(ask_at(&rig, UINT64_MAX), RISK_PASS, "an idle age fills it, and no more than that");
    cr_assert_eq(ask_at(&rig, UINT64_MAX), RISK_RATE);
    free(rig.memory);
}

Test(risk, extreme_rates_do_not_overflow)
{
    struct risk_limits limits = wide;
    limits.rate_per_s = 1;
    limits.rate_burst = 1000000;
    limits.position_max = UINT32_MAX;
    struct rig rig = rig_open(&limits);
    for (int i = 0; i < 1000000; i++)
        cr_assert_eq(ask_at(&rig, 5), RISK_PASS);
    cr_assert_eq(ask_at(&rig, 1000000004), RISK_RATE);
    cr_assert_eq(ask_at(&rig, 1000000005), RISK_PASS);
    free(rig.memory);
    limits.rate_per_s = 10000000;
    limits.rate_burst = 1;
    rig = rig_open(&limits);
    cr_assert_eq(ask_at(&rig, 1), RISK_PASS);
    cr_assert_eq(ask_at(&rig, 100), RISK_RATE);
    cr_assert_eq(ask_at(&rig, 101), RISK_PASS);
    free(rig.memory);
}

Test(risk, the_first_check_that_fails_names_the_reason)
{
    struct risk_limits limits = wide;
    limits.rate_burst = 0;
    struct rig rig = rig_open(&limits);
    rig.risk.session_up = false;
    struct order_intent bad = order('B', 0, 5000);
    risk_kill(&rig.risk, true);
    rig.market.channel[0].stale = true;
    rig.abc->untradable = true;
    rig.abc->state = 'H';
    rig.abc->ask_price = MD_PRICE_NONE;
    rig.abc->position = 10000;
    rig.abc->symbol = 0;
    REFUSED(&rig, bad, RISK_BAD_INTENT);
    bad.price = INT32_MAX;
    REFUSED(&rig, bad, RISK_KILLED);
    risk_kill(&rig.risk, false);
    REFUSED(&rig, bad, RISK_NO_SESSION);
    rig.risk.session_up = true;
    REFUSED(&rig, bad, RISK_UNKNOWN_INSTRUMENT);
    rig.abc->symbol = 1;
    REFUSED(&rig, bad, RISK_STALE);
    rig.market.channel[0].stale = false;
    REFUSED(&rig, bad, RISK_UNTRADABLE);
    rig.abc->untradable = false;
    REFUSED(&rig, bad, RISK_HALTED);
    rig.abc->state = 'T';
    REFUSED(&rig, bad, RISK_NO_BBO);
    rig.abc->ask_price = ASK;
    REFUSED(&rig, bad, RISK_QTY);
    bad.qty = 1000;
    rig.risk.limits.order_notional_max = 1;
    REFUSED(&rig, bad, RISK_NOTIONAL);
    rig.risk.limits.order_notional_max = UINT64_MAX;
    REFUSED(&rig, bad, RISK_COLLAR);
    bad.price = ASK;
    REFUSED(&rig, bad, RISK_POSITION);
    rig.abc->position = 0;
    REFUSED(&rig, bad, RISK_RATE);
    free(rig.memory);
}

Test(risk, a_posted_limit_holds_from_the_next_order_on)
{
    struct rig rig = rig_open(&wide);
    struct risk_limits tighter = wide;
    tighter.order_qty_max = 99;
    cr_assert_eq(ask(&rig, order('B', ASK, 100)), RISK_PASS);
    cr_assert(risk_post_taken(&rig.risk));
    cr_assert(risk_post_limits(&rig.risk, RISK_LCORE, &tighter));
    cr_assert_not(risk_post_taken(&rig.risk));
    cr_assert_eq(risk_shown(&rig.risk, RISK_LCORE)->order_qty_max, 99u);
    cr_assert_not(risk_post_limits(&rig.risk, RISK_LCORE, &wide), "one at a time: the owner may be reading it");
    cr_assert_eq(risk_shown(&rig.risk, RISK_LCORE)->order_qty_max, 99u);
    REFUSED(&rig, order('B', ASK, 100), RISK_QTY);
    cr_assert(risk_post_taken(&rig.risk));
    cr_assert_eq(ask(&rig, order('B', ASK, 99)), RISK_PASS);
    cr_assert(risk_post_limits(&rig.risk, RISK_LCORE, &wide));
    risk_take(&rig.risk); /* without an order: at the end of a turn */
    cr_assert(risk_post_taken(&rig.risk));
    cr_assert_eq(ask(&rig, order('B', ASK, 100)), RISK_PASS);
    free(rig.memory);
}

Test(risk, a_lower_rate_does_not_leave_a_fuller_bucket)
{
    struct risk_limits limits = wide;
    limits.rate_per_s = 1000;
    limits.rate_burst = 10;
    struct rig rig = rig_open(&limits);
    limits.rate_burst = 2;
    cr_assert(risk_post_limits(&rig.risk, RISK_LCORE, &limits));
    cr_assert_eq(ask(&rig, order('B', ASK, 1)), RISK_PASS);
    cr_assert_eq(ask(&rig, order('B', ASK, 1)), RISK_PASS);
    REFUSED(&rig, order('B', ASK, 1), RISK_RATE);
    limits.rate_burst = 10;
    cr_assert(risk_post_limits(&rig.risk, RISK_LCORE, &limits));
    REFUSED(&rig, order('B', ASK, 1), RISK_RATE); /* a larger bucket is not a fuller one */
    free(rig.memory);
}

Test(risk, every_reason_has_a_name_of_its_own)
{
    for (uint32_t i = 0; i < RISK_VERDICT_COUNT; i++)
        for (uint32_t j = 0; j < i; j++)
            cr_assert_str_neq(risk_verdict_name((enum risk_verdict)i), risk_verdict_name((enum risk_verdict)j));
    cr_assert_str_eq(risk_verdict_name(RISK_VERDICT_COUNT), "unknown");
    cr_assert_str_eq(risk_verdict_name(RISK_ORDER_BUSY), "order_busy");
    cr_assert_str_eq(risk_verdict_name(RISK_LOG_FULL), "log_full");
}

Test(risk, an_order_that_brings_a_position_back_is_never_refused_for_it)
{
    struct rig rig = rig_open(&wide); /* 10,000 */
    rig.abc->position = -25000;
    cr_assert_eq(ask(&rig, order('B', ASK, 1000)), RISK_PASS);
    REFUSED(&rig, order('S', BID, 1), RISK_POSITION);
    rig.abc->position = 25000;
    cr_assert_eq(ask(&rig, order('E', BID, 1000)), RISK_PASS);
    REFUSED(&rig, order('B', ASK, 1), RISK_POSITION);
    free(rig.memory);
}

Test(risk, open_orders_of_one_side_do_not_pay_for_the_other)
{
    struct rig rig = rig_open(&wide);
    rig.abc->open_buy_qty = 9000;
    rig.abc->open_sell_qty = 9000;
    REFUSED(&rig, order('B', ASK, 1000 + 1), RISK_QTY);
    rig.risk.limits.order_qty_max = 5000;
    REFUSED(&rig, order('B', ASK, 1001), RISK_POSITION);
    REFUSED(&rig, order('T', BID, 1001), RISK_POSITION);
    cr_assert_eq(ask(&rig, order('B', ASK, 1000)), RISK_PASS);
    cr_assert_eq(ask(&rig, order('T', BID, 1000)), RISK_PASS);
    cr_assert(rig.abc->open_buy_qty == 10000 && rig.abc->open_sell_qty == 10000);
    free(rig.memory);
}

Test(risk, the_collar_of_a_sell_is_as_exact_as_that_of_a_buy)
{
    struct rig rig = rig_open(&wide); /* 100 bps */
    rig.abc->bid_price = 149; /* 1 % of it is 1.49 */
    cr_assert_eq(ask(&rig, order('S', 148, 1)), RISK_PASS);
    REFUSED(&rig, order('S', 147, 1), RISK_COLLAR);
    rig.risk.limits.collar_bps = 0;
    cr_assert_eq(ask(&rig, order('S', 149, 1)), RISK_PASS);
    REFUSED(&rig, order('S', 148, 1), RISK_COLLAR);
    rig.risk.limits.collar_bps = 10000;
    cr_assert_eq(ask(&rig, order('S', 1, 1)), RISK_PASS, "down to nothing");
    cr_assert_eq(ask(&rig, order('B', 2 * ASK, 1)), RISK_PASS, "up to twice the ask");
    REFUSED(&rig, order('B', 2 * ASK + 1, 1), RISK_COLLAR);
    rig.abc->bid_price = -5;
    cr_assert_eq(ask(&rig, order('S', 1, 1)), RISK_PASS, "better than the bid");
    rig.abc->bid_price = 0;
    rig.risk.limits.collar_bps = 0;
    cr_assert_eq(ask(&rig, order('S', 1, 1)), RISK_PASS);
    free(rig.memory);
}

Test(risk, prices_at_the_ends_of_their_range_do_not_overflow)
{
    struct risk_limits limits = wide;
    limits.collar_bps = UINT32_MAX;
    struct rig rig = rig_open(&limits);
    rig.abc->ask_price = INT32_MAX;
    rig.abc->bid_price = INT32_MAX;
    cr_assert_eq(ask(&rig, order('B', INT32_MAX, 1)), RISK_PASS);
    cr_assert_eq(ask(&rig, order('S', 1, 1)), RISK_PASS);
    rig.abc->ask_price = rig.abc->bid_price = INT32_MIN + 1;
    cr_assert_eq(ask(&rig, order('S', INT32_MAX, 1)), RISK_PASS);
    rig.risk.limits.collar_bps = 10000;
    REFUSED(&rig, order('B', INT32_MAX, 1), RISK_COLLAR);
    rig.abc->ask_price = 1;
    REFUSED(&rig, order('B', INT32_MAX, 1), RISK_COLLAR);
    rig.abc->bid_price = INT32_MAX;
    rig.risk.limits.collar_bps = 9999;
    REFUSED(&rig, order('S', 1, 1), RISK_COLLAR);
    free(rig.memory);
}

Test(risk, a_notional_that_would_fit_32_bits_only_by_wrapping_is_refused)
{
    struct risk_limits limits = wide;
    limits.order_qty_max = UINT32_MAX;
    limits.position_max = UINT32_MAX;
    limits.order_notional_max = 1000000000;
    struct rig rig = rig_open(&limits);
    rig.abc->ask_price = 1 << 16;
    REFUSED(&rig, order('B', 1 << 16, 1 << 16), RISK_NOTIONAL); /* 2^32 */
    REFUSED(&rig, order('B', 1 << 16, 1u << 31), RISK_NOTIONAL);
    cr_assert_eq(ask(&rig, order('B', 1 << 16, 15258)), RISK_PASS); /* 999,948,288 */
    REFUSED(&rig, order('B', 1 << 16, 15259), RISK_NOTIONAL);
    free(rig.memory);
}

Test(risk, a_replace_goes_through_every_check_and_costs_a_token)
{
    struct risk_limits limits = wide;
    limits.rate_burst = 2;
    struct rig rig = rig_open(&limits);
    struct order_intent intent = order('S', BID, 300);
    cr_assert_eq(ask(&rig, intent), RISK_PASS);
    intent.action = ORDER_REPLACE;
    risk_kill(&rig.risk, true);
    cr_assert_eq(risk_reserve_replace(&rig.risk, &rig.market, &intent, 300, 0, 1000), RISK_KILLED);
    risk_kill(&rig.risk, false);
    rig.abc->state = 'H';
    cr_assert_eq(risk_reserve_replace(&rig.risk, &rig.market, &intent, 300, 0, 1000), RISK_HALTED);
    rig.abc->state = 'T';
    intent.price = BID / 2;
    cr_assert_eq(risk_reserve_replace(&rig.risk, &rig.market, &intent, 300, 0, 1000), RISK_COLLAR);
    intent.price = BID;
    rig.abc->position = -9700; /* with what is open: at the limit */
    intent.qty = 301;
    cr_assert_eq(risk_reserve_replace(&rig.risk, &rig.market, &intent, 300, 0, 1000), RISK_POSITION);
    rig.abc->position = -20000; /* beyond it, but a replace that asks for no more adds nothing */
    intent.qty = 300;
    cr_assert_eq(risk_reserve_replace(&rig.risk, &rig.market, &intent, 300, 0, 1000), RISK_PASS);
    cr_assert_eq(risk_reserve_replace(&rig.risk, &rig.market, &intent, 300, 0, 1000), RISK_RATE);
    cr_assert_eq(rig.abc->open_sell_qty, 300u);
    free(rig.memory);
}

Test(risk, what_is_refused_costs_no_token)
{
    struct risk_limits limits = wide;
    limits.rate_burst = 1;
    struct rig rig = rig_open(&limits);
    for (int i = 0; i < 10; i++)
        REFUSED(&rig, order('B', ASK * 2, 1), RISK_COLLAR);
    cr_assert_eq(ask(&rig, order('B', ASK, 1)), RISK_PASS);
    REFUSED(&rig, order('B', ASK, 1), RISK_RATE);
    free(rig.memory);
}

Test(risk, the_first_order_may_come_at_time_zero)
{
    struct risk_limits limits = wide;
    limits.rate_per_s = 1;
    limits.rate_burst = 2;
    struct rig rig = rig_open(&limits);
    cr_assert_eq(ask_at(&rig, 0), RISK_PASS);
    cr_assert_eq(ask_at(&rig, 0), RISK_PASS);
    cr_assert_eq(ask_at(&rig, 0), RISK_RATE);
    cr_assert_eq(ask_at(&rig, 999999999), RISK_RATE);
    cr_assert_eq(ask_at(&rig, 1000000000), RISK_PASS, "what came before is not forgotten");
    free(rig.memory);
}

Test(risk, no_rate_makes_an_order_free_or_never)
{
    struct risk_limits limits = wide;
    static const struct { uint32_t rate_per_s; uint64_t token_ns; } cases[] = {
        {0, 1000000000},      {1, 1000000000}, {3, 333333334}, {7, 142857143}, {10000000, 100},
        {999999999, 2},       {1000000000, 1}, {UINT32_MAX, 1}, {3294967296, 1}, {3294967297, 1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct risk risk;
        limits.rate_per_s = cases[i].rate_per_s;
        risk_init(&risk, &limits, false);
        cr_assert_eq(risk.rate.token_ns, cases[i].token_ns, "%u a second: %lu ns", cases[i].rate_per_s,
                     risk.rate.token_ns);
        cr_assert_eq(risk.rate.full_ns, cases[i].token_ns * limits.rate_burst);
    }
}

Test(risk, verdicts_are_counted_one_by_one)
{
    struct risk risk;
    risk_init(&risk, &wide, false);
    risk_count(&risk, RISK_COLLAR);
    risk_count(&risk, RISK_COLLAR);
    risk_count(&risk, RISK_PASS);
    for (uint32_t i = 0; i < RISK_VERDICT_COUNT; i++)
        cr_assert_eq(risk.verdict_count[i], i == RISK_COLLAR ? 2u : i == RISK_PASS ? 1u : 0u);
}

Test(risk, more_cannot_be_given_back_than_was_taken, .signal = SIGABRT)
{
    struct rig rig = rig_open(&wide);
    cr_assert_eq(ask(&rig, order('B', ASK, 5)), RISK_PASS);
    risk_release(&rig.market, 0, 1, 'B', 0, 5);
    risk_release(&rig.market, 0, 1, 'B', 0, 1);
}

static uint64_t random_state;
static uint32_t random_below(uint32_t bound)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((random_state >> 33) % bound);
}

/* Whatever the rate and however its rounding falls: in no stretch of time do more pass than burst and rate allow. */
Test(risk, in_no_stretch_of_time_do_more_pass_than_burst_and_rate_allow)
{
    enum { PASSES = 3000 };
    static uint64_t passed_ns[PASSES];

    for (uint64_t seed = 1; seed <= 12; seed++) {
        random_state = seed;
        struct risk_limits limits = wide;
        limits.rate_per_s = 1 + random_below(seed % 2 ? 50 : 3000000);
        limits.rate_burst = 1 + random_below(10);
        limits.position_max = UINT32_MAX;
        struct rig rig = rig_open(&limits);
        const uint64_t token_ns = 1000000000 / limits.rate_per_s;
        uint64_t now_ns = 1700000000000000000u, newest_ns = 0; /* newest: of the times that the gate was told */
        uint32_t count = 0, refused = 0;
        while (count < PASSES) {
            now_ns += random_below((uint32_t)token_ns);
            const uint64_t asked_ns = now_ns - (random_below(9) ? 0 : random_below(1000));
            newest_ns = asked_ns > newest_ns ? asked_ns : newest_ns;
            if (ask_at(&rig, asked_ns) == RISK_PASS)
                passed_ns[count++] = newest_ns;
            else
                refused++;
        }
        cr_assert_gt(refused, 100u);
        for (uint32_t i = 0; i < PASSES; i++)
            for (uint32_t j = i + limits.rate_burst; j < PASSES && j < i + 200; j++) {
                const uint64_t beyond = j - i + 1 - limits.rate_burst; /* these the rate had to pay for */
                const uint64_t stretch_ns = passed_ns[j] - passed_ns[i];
                cr_assert_leq(beyond * 1000000000, stretch_ns * limits.rate_per_s, "orders %u to %u of seed %lu", i, j,
                              seed);
            }
        free(rig.memory);
    }
}
