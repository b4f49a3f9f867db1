/* risk: each limit on both sides of its edge, the order of the checks, the bucket to the nanosecond, and agreement
 * with a slow, obvious model on random streams. */
#include "gateway/order/risk.h"

#include <criterion/criterion.h>
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
    .session_up = true,
};

static struct rig rig_open(const struct risk_limits *limits)
{
    static const uint32_t counts[2] = {4, 4};
    struct rig rig;

    rig.memory = aligned_alloc(64, market_footprint(counts, 2));
    market_init(&rig.market, rig.memory, counts, 2);
    risk_init(&rig.risk, limits, false);
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
    return risk_reserve(&rig->risk, &rig->market, &intent, 1000);
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
    risk_release(&rig.market, 0, 1, 'T', 7);
    risk_release(&rig.market, 0, 1, 'B', 100);
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
    struct risk_limits limits = wide;
    limits.session_up = false;
    struct rig rig = rig_open(&limits);
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
    cr_assert_eq(risk_reserve_replace(&rig.risk, &rig.market, &intent, 300, 1000), RISK_PASS);
    cr_assert_eq(rig.abc->open_buy_qty, 450u);
    intent.qty = 100;
    cr_assert_eq(risk_reserve_replace(&rig.risk, &rig.market, &intent, 450, 1000), RISK_PASS);
    cr_assert_eq(rig.abc->open_buy_qty, 450u, "nobody has confirmed the smaller one");
    rig.abc->position = 9550;
    intent.qty = 451;
    cr_assert_eq(risk_reserve_replace(&rig.risk, &rig.market, &intent, 450, 1000), RISK_POSITION);
    intent.qty = 1001;
    cr_assert_eq(risk_reserve_replace(&rig.risk, &rig.market, &intent, 1001, 1000), RISK_QTY);
    intent.qty = 100;
    intent.action = ORDER_NEW;
    cr_assert_eq(risk_reserve_replace(&rig.risk, &rig.market, &intent, 450, 1000), RISK_BAD_INTENT);
    free(rig.memory);
}

static enum risk_verdict ask_at(struct rig *rig, uint64_t now_ns)
{
    const struct order_intent intent = order('B', ASK, 1);
    return risk_reserve(&rig->risk, &rig->market, &intent, now_ns);
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
    limits.session_up = false;
    struct rig rig = rig_open(&limits);
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
    rig.risk.limits.session_up = true;
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

Test(risk, every_reason_has_a_name_of_its_own)
{
    for (uint32_t i = 0; i < RISK_VERDICT_COUNT; i++)
        for (uint32_t j = 0; j < i; j++)
            cr_assert_str_neq(risk_verdict_name((enum risk_verdict)i), risk_verdict_name((enum risk_verdict)j));
    cr_assert_str_eq(risk_verdict_name(RISK_VERDICT_COUNT), "unknown");
}

/* --- the model: the same rules said slowly, in wide arithmetic, with a list of the times at which orders passed
 * -------- */

struct model {
    struct risk_limits limits;
    __int128 tokens_e9; /* tokens times 10^9 */
    uint64_t refilled_ns;
};

static enum risk_verdict model_ask(struct model *model, const struct market *market, const struct order_intent *intent,
                                   uint64_t now_ns)
{
    const struct market_channel *channel = &market->channel[0];
    const struct market_instrument *instrument = &channel->instruments[intent->instrument];
    const bool buy = intent->side == 'B';
    const __int128 touch = buy ? instrument->ask_price : instrument->bid_price;

    if ((!buy && intent->side != 'S') || intent->price <= 0 || intent->qty == 0)
        return RISK_BAD_INTENT;
    if (instrument->symbol == 0)
        return RISK_UNKNOWN_INSTRUMENT;
    if (channel->stale)
        return RISK_STALE;
    if (instrument->untradable)
        return RISK_UNTRADABLE;
    if (instrument->state && instrument->state != 'T')
        return RISK_HALTED;
    if (touch == MD_PRICE_NONE)
        return RISK_NO_BBO;
    if (intent->qty > model->limits.order_qty_max)
        return RISK_QTY;
    if ((__int128)intent->price * intent->qty > model->limits.order_notional_max)
        return RISK_NOTIONAL;
    const __int128 size = touch < 0 ? -touch : touch;
    if (buy ? (__int128)intent->price * 10000 > touch * 10000 + size * model->limits.collar_bps
            : (__int128)intent->price * 10000 < touch * 10000 - size * model->limits.collar_bps)
        return RISK_COLLAR;
    const __int128 worst = buy ? (__int128)instrument->position + (__int128)instrument->open_buy_qty + intent->qty
                               : -((__int128)instrument->position - (__int128)instrument->open_sell_qty - intent->qty);
    if (worst > model->limits.position_max)
        return RISK_POSITION;
    const __int128 full = (__int128)model->limits.rate_burst * 1000000000;
    if (now_ns > model->refilled_ns) {
        model->tokens_e9 += (__int128)(now_ns - model->refilled_ns) * model->limits.rate_per_s;
        model->refilled_ns = now_ns;
    }
    if (model->tokens_e9 > full)
        model->tokens_e9 = full;
    if (model->tokens_e9 < 1000000000)
        return RISK_RATE;
    model->tokens_e9 -= 1000000000;
    return RISK_PASS;
}

static uint64_t random_state;
static uint32_t random_below(uint32_t bound)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((random_state >> 33) % bound);
}

Test(risk, random_streams_agree_with_the_model, .timeout = 60)
{
    uint64_t verdicts[RISK_VERDICT_COUNT] = {0};

    for (uint64_t seed = 1; seed <= 20; seed++) {
        random_state = seed;
        const struct risk_limits limits = {.order_qty_max = 500,
                                           .order_notional_max = 400000,
                                           .collar_bps = random_below(3000),
                                           .rate_per_s = 1000, /* divides 10^9: the gate's rounding is none */
                                           .rate_burst = 1 + random_below(20),
                                           .position_max = 1500,
                                           .session_up = true};
        struct rig rig = rig_open(&limits);
        struct model model = {.limits = limits, .tokens_e9 = (__int128)limits.rate_burst * 1000000000};
        uint64_t now_ns = 1;
        for (int step = 0; step < 20000; step++) {
            struct market_instrument *instrument = &rig.market.channel[0].instruments[random_below(4)];
            now_ns += random_below(2) ? random_below(3000000) : 0;
            switch (random_below(8)) {
            case 0:
                instrument->bid_price = random_below(20) ? (int32_t)random_below(1200) - 100 : MD_PRICE_NONE;
                instrument->ask_price = random_below(20) ? (int32_t)random_below(1200) - 100 : MD_PRICE_NONE;
                break;
            case 1:
                instrument->symbol = random_below(10) != 0;
                instrument->untradable = random_below(20) == 0;
                instrument->state = (uint8_t)"TTTTTTTH"[random_below(8)];
                rig.market.channel[0].stale = random_below(20) == 0;
                break;
            case 2: /* everything open trades or is given back */
                instrument->position += random_below(2) ? (int64_t)instrument->open_buy_qty : 0;
                instrument->position -= random_below(2) ? (int64_t)instrument->open_sell_qty : 0;
                risk_release(&rig.market, 0, (uint16_t)(instrument - rig.market.channel[0].instruments), 'B',
                             (uint32_t)instrument->open_buy_qty);
                risk_release(&rig.market, 0, (uint16_t)(instrument - rig.market.channel[0].instruments), 'S',
                             (uint32_t)instrument->open_sell_qty);
                break;
            default: {
                struct order_intent intent =
                    order((uint8_t)"BBBBSSSSx"[random_below(9)], (int32_t)random_below(1500) - 10, random_below(600));
                intent.instrument = (uint16_t)(instrument - rig.market.channel[0].instruments);
                const uint64_t buys = instrument->open_buy_qty, sells = instrument->open_sell_qty;
                const enum risk_verdict expected = model_ask(&model, &rig.market, &intent, now_ns);
                const enum risk_verdict verdict = risk_reserve(&rig.risk, &rig.market, &intent, now_ns);
                cr_assert_eq(verdict, expected, "seed %lu, step %d: %s, the model says %s", seed, step,
                             risk_verdict_name(verdict), risk_verdict_name(expected));
                const uint32_t taken = verdict == RISK_PASS ? intent.qty : 0;
                cr_assert_eq(instrument->open_buy_qty, buys + (intent.side == 'B' ? taken : 0));
                cr_assert_eq(instrument->open_sell_qty, sells + (intent.side == 'S' ? taken : 0));
                verdicts[verdict]++;
            }
            }
        }
        free(rig.memory);
    }
    static const enum risk_verdict reached[] = {RISK_PASS,   RISK_BAD_INTENT, RISK_UNKNOWN_INSTRUMENT, RISK_STALE,
                                                RISK_HALTED, RISK_UNTRADABLE, RISK_NO_BBO,             RISK_QTY,
                                                RISK_COLLAR, RISK_NOTIONAL,   RISK_POSITION,           RISK_RATE};
    for (size_t i = 0; i < sizeof(reached) / sizeof(reached[0]); i++)
        cr_assert_gt(verdicts[reached[i]], 100u, "%s was hardly reached", risk_verdict_name(reached[i]));
}
