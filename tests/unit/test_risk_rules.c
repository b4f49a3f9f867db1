/* risk: the checks of reference data, prices, money, losses, times and repetition, each at its limit, one below and one
 * above. Those of the single order, the position and the rate are in test_risk.c. */
#include "gateway/order/open.h"
#include "gateway/order/risk.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>

#define BID 1000000
#define ASK 1000100
#define MS  UINT64_C(1000000)

static struct market *market;
static struct risk *risk;
static struct open_orders orders;
static struct market_instrument *abc;
static struct account_share *share;

static const struct risk_limits wide = {.order_qty_max = 999999,
                                        .order_notional_max = UINT64_MAX,
                                        .collar_bps = 10000,
                                        .position_max = 1000000,
                                        .rate_per_s = 1000000,
                                        .rate_burst = 1000000};

static void start(void)
{
    static const uint32_t counts[1] = {4};

    market = malloc(sizeof(*market));
    risk = malloc(sizeof(*risk));
    market_init(market, aligned_alloc(CACHE_LINE_BYTES, market_footprint(counts, 1)), counts, 1);
    risk_init(risk, &wide, false);
    risk->session_up = true;
    share = calloc(1, account_footprint(4));
    open_init(&orders, aligned_alloc(CACHE_LINE_BYTES, open_footprint(16)), 16, 1, 0);
    abc = market_find(market, 0, 1);
    abc->symbol = md_symbol("ABC");
    abc->state = 'T';
    abc->bid_price = BID;
    abc->ask_price = ASK;
    abc->bid_qty = abc->ask_qty = 100;
    market->now_ns = 1000 * MS;
}

static void stop(void)
{
    free(market->channel[0].instruments);
    free(market);
    free(risk);
    free(share);
    free(orders.slots);
}

TestSuite(risk_rules, .init = start, .fini = stop);

static enum risk_verdict ask_of(uint8_t strategy, uint8_t side, int32_t price, uint32_t qty)
{
    const struct order_intent intent = {
        .action = ORDER_NEW, .side = side, .tif = ORDER_DAY, .instrument = 1, .price = price, .qty = qty};

    risk_limit_lcore(risk, &risk->limits); /* tests change them in place */
    return risk_reserve(risk, market, &intent, strategy, market->now_ns);
}

static enum risk_verdict ask(uint8_t side, int32_t price, uint32_t qty)
{
    return ask_of(0, side, price, qty);
}

/* The same without anything kept. */
static enum risk_verdict probe(uint8_t side, int32_t price, uint32_t qty)
{
    const enum risk_verdict verdict = ask(side, price, qty);

    if (verdict == RISK_PASS)
        risk_release(market, 0, 1, side, 0, qty);
    return verdict;
}

static void trade(int32_t price)
{
    const struct md_event event = {.type = MD_TRADE,
                                   .instrument = 1,
                                   .price = price,
                                   .qty = 1,
                                   .bid_price = abc->bid_price,
                                   .ask_price = abc->ask_price};
    market_apply(market, &event);
}

static void time_goes_to(uint64_t ns)
{
    const uint64_t before_ns = market->now_ns;
    const struct md_event event = {.type = MD_TIME, .instrument = MD_INSTRUMENT_NONE, .exchange_ns = ns};

    market_apply(market, &event);
    risk_frame(risk, market, before_ns);
}

static struct open_order *rest(uint8_t side, int32_t price)
{
    const struct order_intent intent = {.action = ORDER_NEW, .side = side, .instrument = 1, .price = price, .qty = 10};
    struct open_order *order = open_find(&orders, open_insert(&orders, &intent, abc->symbol, 0, 0));

    open_own(&orders, market, order);
    return order;
}

/* ---- reference data ---- */

Test(risk_rules, a_restricted_symbol_is_refused)
{
    cr_assert_eq(probe('B', ASK, 1), RISK_PASS);
    abc->reference = REFERENCE_KNOWN | REFERENCE_RESTRICTED;
    cr_assert_eq(probe('B', ASK, 1), RISK_RESTRICTED);
    cr_assert_eq(probe('S', BID, 1), RISK_RESTRICTED);
    abc->reference = REFERENCE_KNOWN;
    cr_assert_eq(probe('B', ASK, 1), RISK_PASS);
}

Test(risk_rules, a_symbol_that_the_file_lacks_is_refused_or_accepted)
{
    static const struct reference reference = {NULL, 0};
    risk->limits.no_reference = RISK_RULE_REFUSE;
    cr_assert_eq(probe('B', ASK, 1), RISK_PASS, "without a file nothing is asked of it");
    market->reference = &reference;
    cr_assert_eq(probe('B', ASK, 1), RISK_NO_REFERENCE);
    abc->reference = REFERENCE_KNOWN;
    cr_assert_eq(probe('B', ASK, 1), RISK_PASS);
    abc->reference = 0;
    risk->limits.no_reference = RISK_RULE_USUAL;
    cr_assert_eq(probe('B', ASK, 1), RISK_PASS);
}

Test(risk_rules, a_definition_brings_what_the_file_says)
{
    static const struct reference_row row = {.symbol = 77,
                                             .close_price = 999,
                                             .tick = REFERENCE_TICK_SIZE,
                                             .tick_size = 5,
                                             .lot = 10,
                                             .flags = REFERENCE_KNOWN};
    static const struct reference reference = {&row, 1};
    market->reference = &reference;
    abc->symbol = 0;
    const struct md_event define = {.type = MD_DEFINE, .instrument = 1, .ref = 77, .bid_price = BID, .ask_price = ASK};
    market_apply(market, &define);
    cr_assert(abc->close_price == 999 && abc->lot == 10 && abc->tick_size == 5 && abc->reference == REFERENCE_KNOWN);
    cr_assert_eq(probe('B', ASK, 10), RISK_PASS);
    const struct md_event session = {.type = MD_SESSION, .instrument = MD_INSTRUMENT_NONE};
    market_apply(market, &session);
    cr_assert(abc->close_price == MD_PRICE_NONE && abc->lot == 0 && abc->reference == 0);
}

Test(risk_rules, price_and_quantity_keep_to_tick_and_lot)
{
    abc->tick = REFERENCE_TICK_SIZE;
    abc->tick_size = 100;
    abc->lot = 100;
    cr_assert_eq(probe('B', ASK, 100), RISK_PASS);
    cr_assert_eq(probe('B', ASK - 1, 100), RISK_TICK);
    cr_assert_eq(probe('B', ASK + 1, 100), RISK_TICK);
    cr_assert_eq(probe('B', ASK, 99), RISK_LOT);
    cr_assert_eq(probe('B', ASK, 101), RISK_LOT);
    cr_assert_eq(probe('B', ASK, 200), RISK_PASS);
    abc->lot = 2;
    cr_assert_eq(probe('B', ASK, 3), RISK_LOT);
    abc->lot = 1;
    cr_assert_eq(probe('B', ASK, 3), RISK_PASS);
}

Test(risk_rules, whatever_is_said_of_an_instrument_is_noticed_alone)
{
    static const enum risk_verdict expected[] = {RISK_PASS, RISK_HALTED, RISK_HALTED, RISK_UNTRADABLE, RISK_RESTRICTED,
                                                 RISK_TICK, RISK_TICK,   RISK_LOT,    RISK_STALE,      RISK_HALTED,
                                                 RISK_PASS};
    struct market_channel *channel = &market->channel[0];

    abc->tick_size = 7;
    for (uint32_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        abc->state = i == 1 ? 'Q' : 'T';
        abc->operational = i == 2 ? 'H' : 'T';
        abc->untradable = i == 3;
        abc->reference = i == 4 ? REFERENCE_KNOWN | REFERENCE_RESTRICTED : REFERENCE_KNOWN;
        abc->tick = i == 5 ? REFERENCE_TICK_SIZE : i == 6 ? REFERENCE_TICK_NMS : REFERENCE_TICK_ANY;
        abc->lot = i == 7 ? 2 : i == 10 ? 1 : 0;
        channel->stale = i == 8;
        channel->session_ended = i == 9;
        cr_assert_eq(probe('B', ASK - 1, 1), expected[i], "%u", i);
    }
}

/* ---- prices ---- */

Test(risk_rules, locked_and_crossed_are_refused_where_the_rules_say_so)
{
    abc->bid_price = abc->ask_price = ASK;
    cr_assert_eq(probe('B', ASK, 1), RISK_PASS);
    risk->limits.crossed = RISK_RULE_REFUSE;
    cr_assert_eq(probe('B', ASK, 1), RISK_PASS, "locked is not crossed");
    risk->limits.locked = RISK_RULE_REFUSE;
    cr_assert_eq(probe('B', ASK, 1), RISK_LOCKED);
    abc->bid_price = ASK + 1;
    cr_assert_eq(probe('B', ASK, 1), RISK_CROSSED);
    risk->limits.crossed = RISK_RULE_USUAL;
    cr_assert_eq(probe('B', ASK, 1), RISK_PASS);
    abc->bid_price = ASK - 1;
    cr_assert_eq(probe('B', ASK, 1), RISK_PASS);
}

Test(risk_rules, with_one_side_empty_the_rule_names_the_price)
{
    risk->limits.collar_bps = 0;
    abc->ask_price = MD_PRICE_NONE;
    abc->last_price = BID + 10;
    abc->close_price = BID + 20;
    cr_assert_eq(probe('B', 1, 1), RISK_NO_BBO);
    cr_assert_eq(probe('S', BID, 1), RISK_PASS);
    risk->limits.one_sided = RISK_RULE_REFUSE;
    cr_assert_eq(probe('S', BID, 1), RISK_ONE_SIDED);
    risk->limits.one_sided = RISK_RULE_OTHER;
    cr_assert_eq(probe('B', BID, 1), RISK_PASS);
    cr_assert_eq(probe('B', BID + 1, 1), RISK_COLLAR);
    risk->limits.one_sided = RISK_RULE_LAST;
    cr_assert_eq(probe('B', BID + 10, 1), RISK_PASS);
    cr_assert_eq(probe('B', BID + 11, 1), RISK_COLLAR);
    risk->limits.one_sided = RISK_RULE_CLOSE;
    cr_assert_eq(probe('B', BID + 20, 1), RISK_PASS);
    cr_assert_eq(probe('B', BID + 21, 1), RISK_COLLAR);
    abc->close_price = MD_PRICE_NONE;
    cr_assert_eq(probe('B', BID, 1), RISK_NO_BBO);
    cr_assert_eq(probe('S', BID, 1), RISK_PASS, "the opposite side is there");
}

Test(risk_rules, with_no_bbo_the_rule_names_the_price)
{
    risk->limits.collar_bps = 0;
    abc->bid_price = abc->ask_price = MD_PRICE_NONE;
    abc->last_price = 500;
    abc->close_price = 600;
    cr_assert_eq(probe('B', 1, 1), RISK_NO_BBO);
    risk->limits.one_sided = RISK_RULE_OTHER;
    cr_assert_eq(probe('B', 1, 1), RISK_NO_BBO, "that is another rule");
    risk->limits.no_bbo = RISK_RULE_LAST;
    cr_assert_eq(probe('B', 500, 1), RISK_PASS);
    cr_assert_eq(probe('S', 499, 1), RISK_COLLAR);
    risk->limits.no_bbo = RISK_RULE_CLOSE;
    cr_assert_eq(probe('S', 600, 1), RISK_PASS);
    cr_assert_eq(probe('B', 601, 1), RISK_COLLAR);
    abc->close_price = MD_PRICE_NONE;
    cr_assert_eq(probe('B', 1, 1), RISK_NO_BBO);
}

Test(risk_rules, collars_of_last_trade_and_close_hold_either_way)
{
    abc->last_price = 1000000;
    abc->close_price = 1000000;
    risk->limits.collar_last_bps = 10; /* 1,000 */
    cr_assert_eq(probe('B', 1001000, 1), RISK_PASS);
    cr_assert_eq(probe('B', 1001001, 1), RISK_COLLAR_LAST);
    cr_assert_eq(probe('B', 999000, 1), RISK_PASS);
    cr_assert_eq(probe('B', 998999, 1), RISK_COLLAR_LAST);
    cr_assert_eq(probe('S', 1001001, 1), RISK_COLLAR_LAST);
    abc->last_price = MD_PRICE_NONE;
    cr_assert_eq(probe('B', 1001001, 1), RISK_PASS, "before the first trade nothing is asked");
    risk->limits.collar_last_bps = 0;
    risk->limits.collar_close_bps = 20; /* 2,000 */
    cr_assert_eq(probe('B', 1002000, 1), RISK_PASS);
    cr_assert_eq(probe('B', 1002001, 1), RISK_COLLAR_CLOSE);
    cr_assert_eq(probe('S', 998000, 1), RISK_PASS);
    cr_assert_eq(probe('S', 997999, 1), RISK_COLLAR_CLOSE);
    abc->close_price = MD_PRICE_NONE;
    cr_assert_eq(probe('S', 997999, 1), RISK_PASS);
}

/* ---- money ---- */

Test(risk_rules, gross_is_asked_at_the_worse_of_price_and_mark)
{
    trade(100);
    risk->limits.gross_max = 10000;
    abc->ask_price = 100;
    abc->bid_price = 99;
    cr_assert_eq(probe('B', 100, 100), RISK_PASS);
    cr_assert_eq(probe('B', 100, 101), RISK_GROSS);
    cr_assert_eq(probe('B', 101, 100), RISK_GROSS, "its price is above the mark");
    cr_assert_eq(probe('B', 1, 101), RISK_GROSS, "its price is below the mark");
    cr_assert_eq(ask('B', 100, 60), RISK_PASS);
    cr_assert_eq(probe('S', 100, 60), RISK_PASS, "the other side is not the larger one");
    cr_assert_eq(probe('S', 100, 100), RISK_PASS);
    cr_assert_eq(probe('S', 100, 101), RISK_GROSS);
    account_trade(market, abc, 0, 'B', 100, 100);
    cr_assert_eq(probe('S', 100, 100), RISK_PASS, "brings back");
    trade(200);
    cr_assert_eq(probe('S', 100, 1), RISK_PASS, "also when the mark has gone beyond the limit");
    cr_assert_eq(probe('B', 100, 1), RISK_GROSS);
}

Test(risk_rules, net_is_long_against_short_over_all_instruments)
{
    struct market_instrument *other = market_find(market, 0, 2);
    trade(100);
    abc->ask_price = 100;
    abc->bid_price = 99;
    other->last_price = 50;
    risk->limits.net_max = 10000;
    account_trade(market, other, 0, 'S', 100, 50); /* 5,000 short */
    cr_assert_eq(probe('B', 100, 150), RISK_PASS);
    cr_assert_eq(probe('B', 100, 151), RISK_NET);
    cr_assert_eq(probe('S', 100, 50), RISK_PASS);
    cr_assert_eq(probe('S', 100, 51), RISK_NET);
    cr_assert_eq(ask('S', 100, 50), RISK_PASS);
    cr_assert_eq(probe('S', 100, 1), RISK_NET, "open sales count");
    cr_assert_eq(probe('B', 100, 150), RISK_PASS, "but not for those who buy");
}

Test(risk_rules, open_orders_are_counted)
{
    risk->limits.open_orders_max = 2;
    struct open_order *first = rest('B', 100);
    cr_assert_eq(probe('B', ASK, 1), RISK_PASS);
    rest('B', 101);
    cr_assert_eq(probe('B', ASK, 1), RISK_OPEN_ORDERS);
    struct order_intent replace = {.action = ORDER_REPLACE, .side = 'B', .instrument = 1, .price = ASK, .qty = 5};
    cr_assert_eq(risk_reserve_replace(risk, market, &replace, 10, 0, 1), RISK_PASS, "no more orders than before");
    open_disown(&orders, market, first);
    open_remove(&orders, first);
    cr_assert_eq(probe('B', ASK, 1), RISK_PASS);
}

/* ---- losses ---- */

Test(risk_rules, a_loss_closes_the_gate_until_it_is_armed_again)
{
    trade(100);
    risk->limits.loss_max = 1000;
    account_trade(market, abc, 0, 'B', 100, 100);
    trade(91);
    time_goes_to(market->now_ns + 1);
    cr_assert_eq(probe('B', ASK, 1), RISK_PASS);
    cr_assert_eq(risk_lost(risk), 0u);
    trade(90);
    cr_assert_eq(probe('B', ASK, 1), RISK_LOSS);
    cr_assert_eq(risk_lost(risk), 1u << RISK_LCORE);
    trade(200);
    cr_assert_eq(probe('B', ASK, 1), RISK_LOSS, "a profit does not open it");
    trade(50);
    cr_assert(risk_post_rearm(risk, RISK_LCORE));
    cr_assert_eq(probe('B', ASK, 1), RISK_PASS, "the loss is forgiven");
    cr_assert_eq(risk_lost(risk), 0u);
    trade(41);
    cr_assert_eq(probe('B', ASK, 1), RISK_PASS);
    trade(40);
    time_goes_to(market->now_ns + 1);
    cr_assert_eq(risk_lost(risk), 1u << RISK_LCORE, "without an order too: the control thread sees it");
}

/* A feed may be silent when an operator acts. */
Test(risk_rules, what_is_forgiven_is_open_and_a_limit_that_is_reached_closes_without_a_frame)
{
    trade(100);
    risk->limits.loss_max = 1000;
    account_trade(market, abc, 0, 'B', 100, 100);
    trade(80);
    cr_assert_eq(probe('B', ASK, 1), RISK_LOSS);
    cr_assert(risk_post_rearm(risk, RISK_LCORE));
    cr_assert_neq(risk_lost(risk), 0u);
    risk_turn(risk, market);
    cr_assert(risk_post_taken(risk) && risk_lost(risk) == 0);
    trade(75);
    struct risk_limits limits = risk->limits;
    limits.loss_max = 500;
    cr_assert(risk_post_limits(risk, RISK_LCORE, &limits));
    risk_turn(risk, market);
    cr_assert_eq(risk_lost(risk), 1u << RISK_LCORE);
}

Test(risk_rules, a_scope_that_is_armed_again_is_open_though_its_limit_is_switched_off_at_once)
{
    trade(100);
    risk->limits.loss_max = 1000;
    account_trade(market, abc, 0, 'B', 100, 100);
    trade(90);
    cr_assert_eq(probe('B', ASK, 1), RISK_LOSS);
    cr_assert(risk_post_rearm(risk, RISK_LCORE));
    risk_take(risk);
    risk->limits.loss_max = 0;
    cr_assert_eq(probe('B', ASK, 1), RISK_PASS);
    cr_assert_eq(risk_lost(risk), 0u);
}

Test(risk_rules, a_loss_of_one_strategy_is_its_own)
{
    struct risk_limits tight = wide;
    tight.loss_max = 500;
    account_strategy(market, 1, share);
    risk_limit_strategy(risk, 1, &tight);
    trade(100);
    account_trade(market, abc, 1, 'B', 100, 100);
    account_trade(market, abc, 0, 'S', 100, 100);
    trade(95);
    cr_assert_eq(ask_of(0, 'B', ASK, 1), RISK_PASS);
    cr_assert_eq(ask_of(1, 'B', ASK, 1), RISK_LOSS);
    cr_assert_eq(risk_lost(risk), 1u << RISK_STRATEGY(1));
    cr_assert(risk_post_rearm(risk, RISK_STRATEGY(1)));
    cr_assert_eq(ask_of(1, 'B', ASK, 1), RISK_PASS);
}

Test(risk_rules, the_share_of_the_gateway_is_one_more_scope)
{
    struct risk_limits limits = wide;
    limits.gross_max = 20001;
    limits.position_max = 301;
    limits.open_orders_max = 5;
    limits.rate_per_s = 11;
    limits.rate_burst = 9;
    limits.loss_max = 1000;
    risk_share_of(&limits, 2);
    cr_assert(limits.gross_max == 10000 && limits.position_max == 150 && limits.open_orders_max == 2);
    cr_assert(limits.rate_per_s == 5 && limits.rate_burst == 4 && limits.loss_max == 1000);
    risk_limit_share(risk, &limits);
    trade(100);
    abc->ask_price = 100;
    abc->bid_price = 99;
    cr_assert_eq(probe('B', 100, 101), RISK_GROSS);
    cr_assert_eq(probe('B', 60, 151), RISK_POSITION);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(probe('B', 100, 100), RISK_PASS);
    cr_assert_eq(probe('B', 100, 100), RISK_RATE);
    account_trade(market, abc, 0, 'B', 100, 110);
    cr_assert_eq(probe('B', 100, 1), RISK_LOSS);
    cr_assert_eq(risk_lost(risk), 1u << RISK_GATEWAY);
}

Test(risk_rules, what_cannot_be_shared_is_our_own_mistake, .signal = SIGABRT)
{
    struct risk_limits limits = wide;
    limits.open_orders_max = 1;
    risk_share_of(&limits, 2); /* half an order would be none, and none is off */
}

Test(risk_rules, nobody_is_no_lcore, .signal = SIGABRT)
{
    struct risk_limits limits = wide;
    risk_share_of(&limits, 0);
}

Test(risk_rules, a_limit_of_one_for_each_can_be_shared)
{
    struct risk_limits limits = wide;
    limits.open_orders_max = 2;
    limits.gross_max = limits.net_max = 2;
    risk_share_of(&limits, 2);
    cr_assert(limits.open_orders_max == 1 && limits.gross_max == 1 && limits.net_max == 1);
    limits = wide;
    risk_share_of(&limits, 2);
    cr_assert(limits.open_orders_max == 0 && limits.gross_max == 0 && limits.net_max == 0, "what is off stays off");
}

Test(risk_rules, money_that_cannot_be_shared_is_our_own_mistake, .signal = SIGABRT)
{
    struct risk_limits limits = wide;
    limits.gross_max = 1;
    risk_share_of(&limits, 2);
}

Test(risk_rules, a_net_limit_that_cannot_be_shared_is_our_own_mistake, .signal = SIGABRT)
{
    struct risk_limits limits = wide;
    limits.net_max = 1;
    risk_share_of(&limits, 2);
}

Test(risk_rules, there_are_so_many_strategies_and_no_more, .signal = SIGABRT)
{
    risk_limit_strategy(risk, RISK_STRATEGIES_MAX, &wide);
}

Test(risk_rules, there_are_so_many_scopes_and_no_more, .signal = SIGABRT)
{
    (void)risk_post_limits(risk, RISK_SCOPES_MAX, &wide);
}

Test(risk_rules, the_first_limits_of_a_strategy_begin_with_a_full_bucket)
{
    struct risk_limits tight = wide;
    tight.rate_per_s = 1;
    tight.rate_burst = 3;
    cr_assert(risk_post_limits(risk, RISK_STRATEGY(2), &tight));
    for (int i = 0; i < 3; i++)
        cr_assert_eq(ask_of(2, 'B', ASK, 1), RISK_PASS);
    cr_assert_eq(ask_of(2, 'B', ASK, 1), RISK_RATE);
    cr_assert(risk_post_limits(risk, RISK_STRATEGY(2), &tight));
    cr_assert_eq(ask_of(2, 'B', ASK, 1), RISK_RATE, "the next ones fill nothing");
}

Test(risk_rules, a_strategy_is_held_to_its_own_limits_too)
{
    struct risk_limits tight = wide;
    tight.order_qty_max = 10;
    tight.position_max = 15;
    account_strategy(market, 1, share);
    risk_limit_strategy(risk, 1, &tight);
    cr_assert_eq(ask_of(1, 'B', ASK, 11), RISK_QTY);
    cr_assert_eq(ask_of(0, 'B', ASK, 11), RISK_PASS);
    cr_assert_eq(ask_of(1, 'B', ASK, 10), RISK_PASS);
    cr_assert_eq(ask_of(1, 'B', ASK, 6), RISK_POSITION, "what others have open is not its own");
    cr_assert_eq(ask_of(1, 'B', ASK, 5), RISK_PASS);
    tight.order_qty_max = 4;
    cr_assert(risk_post_limits(risk, RISK_STRATEGY(2), &tight));
    cr_assert_eq(ask_of(2, 'B', ASK, 5), RISK_QTY, "one without limits of its own gets some");
    for (int i = 0; i < 5; i++)
        cr_assert_eq(ask_of(2, 'B', ASK, 4), RISK_PASS, "but its position is not counted apart");
    cr_assert_eq(ask_of(RISK_STRATEGIES_MAX, 'B', ASK, 1), RISK_BAD_INTENT);
}

/* ---- when ---- */

Test(risk_rules, silence_is_told_apart_from_a_hole)
{
    struct md_event event = {.type = MD_STALE_BEGIN, .instrument = MD_INSTRUMENT_NONE, .qty = 0};
    market_apply(market, &event);
    cr_assert_eq(probe('B', ASK, 1), RISK_SILENT);
    event.qty = 1;
    market_apply(market, &event);
    cr_assert_eq(probe('B', ASK, 1), RISK_STALE);
    event.qty = 0;
    market_apply(market, &event);
    risk->limits.allow_stale = true;
    cr_assert_eq(probe('B', ASK, 1), RISK_PASS);
    risk->limits.allow_stale = false;
    event.type = MD_STALE_END;
    market_apply(market, &event);
    cr_assert_eq(probe('B', ASK, 1), RISK_PASS);
}

Test(risk_rules, a_jump_of_time_blocks_until_time_was_steady)
{
    risk->limits.clock_back_ms = 10;
    risk->limits.clock_ahead_ms = 100;
    risk->limits.clock_steady_ms = 50;
    const uint64_t at = market->now_ns;
    time_goes_to(at - 10 * MS);
    cr_assert_eq(probe('B', ASK, 1), RISK_PASS);
    time_goes_to(at + 90 * MS);
    cr_assert_eq(probe('B', ASK, 1), RISK_PASS);
    time_goes_to(at + 190 * MS + 1);
    cr_assert_eq(probe('B', ASK, 1), RISK_CLOCK);
    cr_assert_eq(risk->clock_jump_count, 1u);
    time_goes_to(at + 240 * MS);
    cr_assert_eq(probe('B', ASK, 1), RISK_CLOCK);
    time_goes_to(at + 240 * MS + 1);
    cr_assert_eq(probe('B', ASK, 1), RISK_PASS);
    time_goes_to(at + 230 * MS);
    cr_assert_eq(probe('B', ASK, 1), RISK_CLOCK);
    time_goes_to(at + 229 * MS);
    cr_assert_eq(probe('B', ASK, 1), RISK_CLOCK, "time before the jump is not steady time");
    time_goes_to(at + 280 * MS);
    cr_assert_eq(probe('B', ASK, 1), RISK_PASS);
}

Test(risk_rules, a_jump_may_be_counted_and_block_nothing)
{
    risk->limits.clock_back_ms = 10;
    time_goes_to(market->now_ns - 11 * MS);
    cr_assert_eq(probe('B', ASK, 1), RISK_PASS, "steady at once");
    cr_assert_eq(risk->clock_jump_count, 1u);
}

Test(risk_rules, the_first_frame_is_no_jump)
{
    risk->limits.clock_ahead_ms = 1;
    market->now_ns = 0;
    time_goes_to(UINT64_C(1700000000000000000));
    cr_assert_eq(probe('B', ASK, 1), RISK_PASS);
}

Test(risk_rules, hours_begin_and_end_with_the_nanosecond)
{
    market->channel[0].midnight_ns = 1000;
    risk->limits.hours_from_s = 10;
    risk->limits.hours_to_s = 20;
    market->now_ns = 1000 + 10 * 1000 * MS - 1;
    cr_assert_eq(probe('B', ASK, 1), RISK_HOURS);
    market->now_ns++;
    cr_assert_eq(probe('B', ASK, 1), RISK_PASS);
    market->now_ns = 1000 + 20 * 1000 * MS - 1;
    cr_assert_eq(probe('B', ASK, 1), RISK_PASS);
    market->now_ns++;
    cr_assert_eq(probe('B', ASK, 1), RISK_HOURS);
    risk->limits.hours_from_s = 0;
    cr_assert_eq(probe('B', ASK, 1), RISK_HOURS, "one end is enough");
    risk->limits.hours_to_s = 0;
    cr_assert_eq(probe('B', ASK, 1), RISK_PASS);
}

Test(risk_rules, market_hours_are_the_venues)
{
    static const struct {
        uint8_t code;
        enum risk_verdict early, late;
    } rows[] = {
        {0, RISK_EARLY, RISK_PASS},  {'O', RISK_EARLY, RISK_PASS}, {'S', RISK_EARLY, RISK_PASS},
        {'Q', RISK_PASS, RISK_PASS}, {'M', RISK_PASS, RISK_LATE},  {'E', RISK_PASS, RISK_LATE},
        {'C', RISK_PASS, RISK_LATE},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        market->channel[0].system = rows[i].code;
        risk->limits.no_early = risk->limits.no_late = false;
        cr_assert_eq(probe('B', ASK, 1), RISK_PASS);
        risk->limits.no_early = true;
        cr_assert_eq(probe('B', ASK, 1), rows[i].early);
        risk->limits.no_early = false;
        risk->limits.no_late = true;
        cr_assert_eq(probe('B', ASK, 1), rows[i].late);
    }
}

/* ---- short sales ---- */

Test(risk_rules, a_sale_of_more_than_is_held_is_marked_short)
{
    risk->limits.short_sale = true;
    cr_assert_eq(probe('S', BID, 1), RISK_SHORT_UNMARKED);
    abc->position = 100;
    cr_assert_eq(probe('S', BID, 100), RISK_PASS);
    cr_assert_eq(probe('S', BID, 101), RISK_SHORT_UNMARKED);
    cr_assert_eq(ask('S', BID, 60), RISK_PASS);
    cr_assert_eq(probe('S', BID, 40), RISK_PASS);
    cr_assert_eq(probe('S', BID, 41), RISK_SHORT_UNMARKED, "what is open to be sold counts as sold");
    cr_assert_eq(probe('B', ASK, 1000), RISK_PASS);
    abc->position = 0; /* of the sale that is open no more than before may be replaced, whatever was held */
    const struct order_intent less = {.action = ORDER_REPLACE, .side = 'S', .instrument = 1, .price = BID, .qty = 60};
    cr_assert_eq(risk_reserve_replace(risk, market, &less, 60, 0, market->now_ns), RISK_PASS);
    risk->limits.short_sale = false;
    cr_assert_eq(probe('S', BID, 1000), RISK_PASS);
}

Test(risk_rules, a_short_sale_needs_a_locate_and_under_restriction_a_price_above_the_bid)
{
    risk->limits.short_sale = true;
    cr_assert_eq(probe('T', BID, 1), RISK_SHORT_LOCATE);
    cr_assert_eq(probe('E', BID, 1), RISK_SHORT_LOCATE);
    abc->reference = REFERENCE_KNOWN | REFERENCE_BORROWABLE;
    cr_assert_eq(probe('T', BID, 1), RISK_PASS);
    abc->short_sale = '0';
    cr_assert_eq(probe('T', BID, 1), RISK_PASS);
    for (const char *code = "12"; *code; code++) {
        abc->short_sale = (uint8_t)*code;
        cr_assert_eq(probe('T', BID, 1), RISK_SHORT_PRICE);
        cr_assert_eq(probe('T', BID + 1, 1), RISK_PASS);
        cr_assert_eq(probe('E', BID, 1), RISK_PASS, "exempt");
    }
    abc->bid_price = MD_PRICE_NONE;
    risk->limits.one_sided = RISK_RULE_OTHER;
    cr_assert_eq(probe('T', BID, 1), RISK_SHORT_PRICE, "without a bid nobody knows what is above it");
}

/* ---- ourselves ---- */

Test(risk_rules, no_order_meets_one_of_our_own)
{
    risk->limits.self_cross = true;
    struct open_order *sell = rest('S', ASK), *better = rest('T', ASK - 10), *buy = rest('B', BID);
    cr_assert_eq(probe('B', ASK - 10, 1), RISK_SELF_CROSS);
    cr_assert_eq(probe('B', ASK - 11, 1), RISK_PASS);
    cr_assert_eq(probe('S', BID, 1), RISK_SELF_CROSS);
    cr_assert_eq(probe('S', BID + 1, 1), RISK_PASS);
    open_disown(&orders, market, better);
    cr_assert_eq(probe('B', ASK - 1, 1), RISK_PASS, "the better one is gone");
    cr_assert_eq(probe('B', ASK, 1), RISK_SELF_CROSS);
    sell->price = ASK + 5;
    open_own(&orders, market, sell);
    cr_assert_eq(probe('B', ASK + 4, 1), RISK_PASS, "the venue has moved it");
    open_disown(&orders, market, sell);
    open_disown(&orders, market, buy);
    cr_assert_eq(probe('B', 2 * ASK, 1), RISK_PASS);
    cr_assert_eq(probe('S', 1, 1), RISK_PASS);
    cr_assert_eq(market->account.lcore.open_count, 0u);
    rest('S', ASK);
    risk->limits.self_cross = false;
    cr_assert_eq(probe('B', ASK, 1), RISK_PASS);
}

Test(risk_rules, the_same_order_is_not_sent_twice_within_the_window)
{
    risk->limits.duplicate_ms = 10;
    const uint64_t at = market->now_ns;
    cr_assert_eq(probe('B', ASK, 5), RISK_PASS);
    cr_assert_eq(probe('B', ASK, 5), RISK_DUPLICATE);
    cr_assert_eq(ask_of(1, 'B', ASK, 5), RISK_PASS, "another strategy's");
    cr_assert_eq(probe('B', ASK, 6), RISK_PASS);
    cr_assert_eq(probe('B', ASK - 1, 5), RISK_PASS);
    market->now_ns = at + 10 * MS - 1;
    cr_assert_eq(probe('B', ASK, 5), RISK_DUPLICATE);
    market->now_ns = at + 10 * MS;
    cr_assert_eq(probe('B', ASK, 5), RISK_PASS);
    const struct order_intent replace = {.action = ORDER_REPLACE, .side = 'B', .instrument = 1, .price = ASK, .qty = 5};
    cr_assert_eq(risk_reserve_replace(risk, market, &replace, 5, 0, market->now_ns), RISK_PASS, "no new order");
    const struct order_intent intent = {.action = ORDER_NEW, .side = 'B', .instrument = 1, .price = 7, .qty = 5};
    cr_assert_eq(risk_reserve(risk, market, &intent, 0, market->now_ns), RISK_PASS);
    risk_undo(risk, market, &intent, 5, 0);
    cr_assert_eq(risk_reserve(risk, market, &intent, 0, market->now_ns), RISK_PASS, "the first was never sent");
}

Test(risk_rules, more_orders_than_can_be_remembered_are_refused)
{
    risk->limits.duplicate_ms = 10;
    for (uint32_t i = 0; i < RECENT_ORDERS; i++)
        cr_assert_eq(probe('B', (int32_t)(ASK - i), 5), RISK_PASS, "%u", i);
    cr_assert_eq(probe('B', 5, 5), RISK_DUPLICATE);
    market->now_ns += 10 * MS;
    cr_assert_eq(probe('B', 5, 5), RISK_PASS);
}

Test(risk_rules, a_strategy_may_have_a_longer_window)
{
    struct risk_limits tight = wide;
    tight.duplicate_ms = 20;
    risk->limits.duplicate_ms = 10;
    risk_limit_strategy(risk, 1, &tight);
    cr_assert_eq(ask_of(1, 'B', ASK, 5), RISK_PASS);
    cr_assert_eq(ask_of(0, 'B', ASK, 5), RISK_PASS);
    market->now_ns += 10 * MS;
    cr_assert_eq(ask_of(0, 'B', ASK, 5), RISK_PASS);
    cr_assert_eq(ask_of(1, 'B', ASK, 5), RISK_DUPLICATE);
    market->now_ns += 10 * MS;
    cr_assert_eq(ask_of(1, 'B', ASK, 5), RISK_PASS);
}

/* ---- how often ---- */

Test(risk_rules, cancels_count_as_messages_are_never_refused_and_have_room)
{
    struct risk_limits limits = wide;
    limits.messages_per_s = 1000; /* one a millisecond */
    limits.messages_burst = 5;
    limits.messages_reserve = 2;
    risk_init(risk, &limits, false);
    risk->session_up = true;
    const uint64_t at = market->now_ns;
    for (int i = 0; i < 3; i++)
        cr_assert_eq(probe('B', ASK, 1), RISK_PASS);
    cr_assert_eq(probe('B', ASK, 1), RISK_MESSAGES, "two are kept for cancels");
    for (int i = 0; i < 4; i++)
        risk_cancel(risk, market->now_ns); /* and two more than there is room for */
    market->now_ns = at + 5 * MS - 1;
    cr_assert_eq(probe('B', ASK, 1), RISK_MESSAGES);
    market->now_ns = at + 5 * MS;
    cr_assert_eq(probe('B', ASK, 1), RISK_PASS, "two were owed, two are kept, one is there");
    cr_assert_eq(probe('B', ASK, 1), RISK_MESSAGES);
    market->now_ns = at + 1000 * MS;
    risk_cancel(risk, market->now_ns);
    cr_assert_eq(probe('B', ASK, 1), RISK_PASS);
    cr_assert_eq(probe('B', ASK, 1), RISK_PASS);
    cr_assert_eq(probe('B', ASK, 1), RISK_MESSAGES);
}

Test(risk_rules, messages_that_are_not_counted_cost_nothing_later)
{
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(probe('B', ASK, 1), RISK_PASS);
        risk_cancel(risk, market->now_ns);
    }
    struct risk_limits limits = wide;
    limits.messages_per_s = 1;
    limits.messages_burst = 1;
    cr_assert(risk_post_limits(risk, RISK_LCORE, &limits));
    cr_assert_eq(probe('B', ASK, 1), RISK_PASS);
    cr_assert_eq(probe('B', ASK, 1), RISK_MESSAGES);
}

Test(risk_rules, a_strategy_has_a_rate_of_its_own)
{
    struct risk_limits tight = wide;
    tight.rate_per_s = 1;
    tight.rate_burst = 1;
    risk_limit_strategy(risk, 1, &tight);
    cr_assert_eq(ask_of(1, 'B', ASK, 1), RISK_PASS);
    cr_assert_eq(ask_of(1, 'B', ASK, 1), RISK_RATE);
    cr_assert_eq(ask_of(0, 'B', ASK, 1), RISK_PASS);
}

Test(risk_rules, a_refusal_takes_no_token_of_any_bucket)
{
    struct risk_limits limits = wide, tight = wide;
    limits.messages_per_s = limits.messages_burst = 10;
    limits.rate_per_s = limits.rate_burst = 10;
    tight.rate_per_s = tight.rate_burst = 1;
    risk_init(risk, &limits, false);
    risk->session_up = true;
    risk_limit_strategy(risk, 1, &tight);
    cr_assert_eq(ask_of(1, 'B', ASK, 1), RISK_PASS);
    const int64_t messages = risk->messages.level_ns, rate = risk->rate.level_ns;
    for (int i = 0; i < 20; i++)
        cr_assert_eq(ask_of(1, 'B', ASK, 1), RISK_RATE);
    cr_assert(risk->messages.level_ns == messages && risk->rate.level_ns == rate);
    cr_assert_eq(ask_of(0, 'B', ASK, 1), RISK_PASS);
    cr_assert(risk->messages.level_ns < messages && risk->rate.level_ns < rate);
}

/* ---- what the control thread sees ---- */

Test(risk_rules, the_control_thread_sees_what_is_held)
{
    trade(100);
    account_trade(market, abc, 0, 'B', 100, 90);
    cr_assert_eq(ask('S', ASK, 150), RISK_PASS);
    rest('B', 1);
    time_goes_to(market->now_ns + 1);
    cr_assert(risk->now.gross == 100 * 100 && risk->now.net_long == 10000 && risk->now.net_short == 5000);
    cr_assert(risk->now.profit == 1000 && risk->now.realised == 0 && risk->now.open_count == 1);
}

Test(risk_rules, a_strategy_without_limits_of_its_own_shows_those_of_its_lcore)
{
    struct risk_limits lcore = *risk_shown(risk, RISK_LCORE), its = lcore, parts = lcore;

    its.order_qty_max = 2;
    parts.order_qty_max = 3;
    risk_limit_strategy(risk, 1, &its);
    risk_limit_share(risk, &parts);
    lcore.order_qty_max = 4;
    cr_assert(risk_post_limits(risk, RISK_LCORE, &lcore));
    cr_assert_eq(risk_shown(risk, RISK_STRATEGY(0))->order_qty_max, 4u);
    cr_assert_eq(risk_shown(risk, RISK_STRATEGY(1))->order_qty_max, 2u);
    cr_assert_eq(risk_shown(risk, RISK_STRATEGY(RISK_STRATEGIES_MAX - 1))->order_qty_max, 4u);
    cr_assert_eq(risk_shown(risk, RISK_GATEWAY)->order_qty_max, 3u);
    risk_take(risk);
    its.order_qty_max = 5;
    cr_assert(risk_post_limits(risk, RISK_STRATEGY(1), &its));
    cr_assert_eq(risk_shown(risk, RISK_STRATEGY(0))->order_qty_max, 4u);
}
