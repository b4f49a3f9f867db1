/* From intent to bytes: the risk gate and the order frame, on instruments chosen by Zipf's law. One thread, no DPDK.
 *
 *   gate_ns            risk_reserve and risk_release with the usual limits
 *   gate_check_ns      ... and one check more, or everything
 *   gate_refuse_ns     risk_reserve that refuses
 *   order_encode_ns    order_frame_encode; gate_encode_ns: all three
 *   market_apply_ns    an event into the market that the gate looks at
 *
 * What a check costs: the gate with the usual limits (qty, notional, collar, position, rate), each further check
 * switched on alone, and all of them together; the ratio is to the usual gate of the same round. */
#include "gateway/clock.h"
#include "gateway/order/market.h"
#include "gateway/order/order_frame.h"
#include "gateway/order/risk.h"
#include "tests/bench/bench.h"
#include "tests/bench/workload.h"

#define INSTRUMENTS 8001u
#define INTENTS 65536u
#define FRAMES 64u

static const struct order_frame_at nowhere;
static struct market market;
static struct risk risk;
static struct order_frame_template template;
static struct order_intent *intents;
static uint8_t frames[FRAMES][128];
static uint64_t now_ns = 1700000000000000000u;

static struct account_share *shares;

/* A gate with these limits; checks of the reference file are switched by what instruments have of it. */
struct gate {
    struct risk_limits limits;
    bool reference, strategy, share;
};

static void gate_make(const struct gate *gate)
{
    risk_init(&risk, &gate->limits, false);
    risk.session_up = true;
    for (uint32_t i = 1; i < INSTRUMENTS; i++) {
        struct market_instrument *instrument = market_find(&market, 0, (uint16_t)i);
        instrument->tick = gate->reference ? REFERENCE_TICK_SIZE : REFERENCE_TICK_ANY;
        instrument->tick_size = 100;
        instrument->lot = gate->reference ? 100 : 0;
        instrument->reference = REFERENCE_KNOWN | REFERENCE_BORROWABLE;
        instrument->last_price = instrument->close_price = 1000000;
    }
    if (gate->strategy) {
        account_strategy(&market, 0, shares);
        risk_limit_strategy(&risk, 0, &gate->limits);
    } else {
        market.account.shared = 0;
    }
    if (gate->share)
        risk_limit_share(&risk, &gate->limits);
}

static enum risk_verdict reserve(const struct order_intent *intent)
{
    now_ns += 10000; /* more than the rate, so that the bucket stays full */
    return risk_reserve(&risk, &market, intent, 0, now_ns);
}

static void run_gate(void *context, double *ret_ns)
{
    gate_make(context);
    uint64_t passed_count = 0;
    const uint64_t begin_tsc = clock_tsc_ordered();
    for (uint32_t i = 0; i < INTENTS; i++) {
        const struct order_intent *intent = &intents[i];
        passed_count += reserve(intent) == RISK_PASS;
        risk_release(&market, intent->channel, intent->instrument, intent->side, 0, intent->qty);
    }
    *ret_ns = bench_ns(clock_tsc_ordered() - begin_tsc) / INTENTS;
    CHECK(passed_count == INTENTS);
}

static void run_refuse(void *context, double *ret_ns)
{
    gate_make(context);
    uint64_t refused_count = 0;
    const uint64_t begin_tsc = clock_tsc_ordered();
    for (uint32_t i = 0; i < INTENTS; i++) {
        struct order_intent intent = intents[i];
        intent.price *= 2; /* buys and sells alike: a fat finger, beyond the notional limit or the collar */
        intent.side = 'B';
        refused_count += reserve(&intent) != RISK_PASS;
    }
    *ret_ns = bench_ns(clock_tsc_ordered() - begin_tsc) / INTENTS;
    CHECK(refused_count == INTENTS);
}

/* Any tick will do, as long as it is another one. */
static struct order_frame_id id_of(uint32_t user_ref)
{
    return (struct order_frame_id){.user_ref = user_ref, .tick_ns = user_ref * 0x9e3779b1u};
}

static void run_encode(void *unused, double *ret_ns)
{
    (void)unused;
    uint64_t sum = 0;
    const uint64_t begin_tsc = clock_tsc_ordered();
    for (uint32_t i = 0; i < INTENTS; i++)
        sum += order_frame_encode(&template, frames[i % FRAMES], &intents[i], 0x2020202041414141u, id_of(i + 1),
                                  nowhere);
    *ret_ns = bench_ns(clock_tsc_ordered() - begin_tsc) / INTENTS;
    bench_keep(sum);
}

static void run_both(void *context, double *ret_ns)
{
    gate_make(context);
    uint64_t sum = 0;
    const uint64_t begin_tsc = clock_tsc_ordered();
    for (uint32_t i = 0; i < INTENTS; i++) {
        const struct order_intent *intent = &intents[i];
        if (reserve(intent) == RISK_PASS)
            sum += order_frame_encode(&template, frames[i % FRAMES], intent,
                                      market_find(&market, 0, intent->instrument)->symbol, id_of(i + 1), nowhere);
        risk_release(&market, intent->channel, intent->instrument, intent->side, 0, intent->qty);
    }
    *ret_ns = bench_ns(clock_tsc_ordered() - begin_tsc) / INTENTS;
    bench_keep(sum);
}

static void run_apply(void *unused, double *ret_ns)
{
    (void)unused;
    const uint64_t begin_tsc = clock_tsc_ordered();
    for (uint32_t i = 0; i < INTENTS; i++) {
        const struct md_event event = {.type = MD_ADD, .side = 'B', .instrument = intents[i].instrument,
                                       .price = 1000000, .qty = 100, .ref = i,
                                       .bid_price = 1000000, .bid_qty = 100 + i % 8,
                                       .ask_price = 1000100, .ask_qty = 100};
        market_apply(&market, &event);
    }
    *ret_ns = bench_ns(clock_tsc_ordered() - begin_tsc) / INTENTS;
}

int main(int argc, char **argv)
{
    struct bench_options options;
    if (!bench_open(argc, argv, &options))
        return 2;
    const uint32_t counts[] = {INSTRUMENTS};
    market_init(&market, bench_alloc(market_footprint(counts, 1)), counts, 1);
    for (uint32_t i = 1; i < INSTRUMENTS; i++) {
        const struct md_event define = {.type = MD_DEFINE, .instrument = (uint16_t)i, .ref = md_symbol("ABCD"),
                                        .qty = 100, .price = MD_PRICE_NONE,
                                        .bid_price = MD_PRICE_NONE, .ask_price = MD_PRICE_NONE};
        const struct md_event state = {.type = MD_STATE, .side = 'T', .instrument = (uint16_t)i, .price = MD_PRICE_NONE,
                                       .bid_price = 1000000, .bid_qty = 100, .ask_price = 1000100, .ask_qty = 100};
        market_apply(&market, &define);
        market_apply(&market, &state);
    }
    shares = bench_alloc(account_footprint(INSTRUMENTS));
    const struct order_frame_route route = {.local_mac = {2, 0, 0, 0, 0, 1}, .peer_mac = {2, 0, 0, 0, 0, 2},
                                            .local_ip = 0x0a000001, .peer_ip = 0x0a000002, .local_port = 20000,
                                            .peer_port = 20001};
    order_frame_template_init(&template, &route);
    for (uint32_t i = 0; i < FRAMES; i++)
        order_frame_prepare(&template, frames[i]);

    struct workload_zipf zipf;
    uint64_t state = 7;
    workload_zipf_init(&zipf, INSTRUMENTS - 1);
    intents = bench_alloc(INTENTS * sizeof(*intents));
    for (uint32_t i = 0; i < INTENTS; i++)
        intents[i] = (struct order_intent){.action = ORDER_NEW, .side = (i & 1) != 0 ? 'B' : 'T', .tif = ORDER_IOC,
                                           .instrument = (uint16_t)(1 + workload_zipf_next(&zipf, &state)),
                                           .price = ((i & 1) != 0 ? 1000100 : 1000000) - (int32_t)(i / 2 % 100) * 100,
                                           .qty = 100 * (1 + i % 4)};
    const struct risk_limits usual = {.order_qty_max = 1000,
                                      .order_notional_max = 10000000000u,
                                      .collar_bps = 500,
                                      .rate_per_s = 1000000,
                                      .rate_burst = 1000000,
                                      .position_max = 100000};
    struct gate gates[] = {{.limits = usual}, {.limits = usual}, {.limits = usual}, {.limits = usual},
                           {.limits = usual}, {.limits = usual}, {.limits = usual}, {.limits = usual},
                           {.limits = usual}, {.limits = usual}, {.limits = usual}, {.limits = usual},
                           {.limits = usual}, {.limits = usual}};
    gates[1].limits.collar_last_bps = gates[1].limits.collar_close_bps = 500;
    gates[2].limits.gross_max = gates[2].limits.net_max = UINT64_C(1) << 60;
    gates[3].limits.loss_max = UINT64_C(1) << 60;
    gates[4].limits.open_orders_max = 1000000;
    gates[5].limits.hours_to_s = 4000000000u;
    gates[6].limits.short_sale = true;
    gates[7].limits.self_cross = true;
    gates[8].limits.duplicate_ms = 1;
    gates[9].limits.messages_per_s = gates[9].limits.messages_burst = 1000000;
    gates[10].reference = true;
    gates[11].strategy = true;
    gates[12].share = true;
    struct gate *all = &gates[13];
    for (uint32_t i = 1; i < 10; i++) { /* whatever is on alone above */
        const struct risk_limits *one = &gates[i].limits;
        all->limits.collar_last_bps |= one->collar_last_bps;
        all->limits.collar_close_bps |= one->collar_close_bps;
        all->limits.gross_max |= one->gross_max;
        all->limits.net_max |= one->net_max;
        all->limits.loss_max |= one->loss_max;
        all->limits.open_orders_max |= one->open_orders_max;
        all->limits.hours_to_s |= one->hours_to_s;
        all->limits.short_sale |= one->short_sale;
        all->limits.self_cross |= one->self_cross;
        all->limits.duplicate_ms |= one->duplicate_ms;
        all->limits.messages_per_s |= one->messages_per_s;
        all->limits.messages_burst |= one->messages_burst;
    }
    all->reference = all->strategy = all->share = true;
    const struct bench_case cases[] = {
        {.name = "gate_ns", .run = run_gate, .context = &gates[0]},
        {.name = "gate_check_ns, collars of last trade and close", .run = run_gate, .context = &gates[1]},
        {.name = "gate_check_ns, gross and net", .run = run_gate, .context = &gates[2]},
        {.name = "gate_check_ns, loss", .run = run_gate, .context = &gates[3]},
        {.name = "gate_check_ns, open orders", .run = run_gate, .context = &gates[4]},
        {.name = "gate_check_ns, hours", .run = run_gate, .context = &gates[5]},
        {.name = "gate_check_ns, short sale", .run = run_gate, .context = &gates[6]},
        {.name = "gate_check_ns, self-cross", .run = run_gate, .context = &gates[7]},
        {.name = "gate_check_ns, duplicate", .run = run_gate, .context = &gates[8]},
        {.name = "gate_check_ns, messages", .run = run_gate, .context = &gates[9]},
        {.name = "gate_check_ns, tick and lot", .run = run_gate, .context = &gates[10]},
        {.name = "gate_check_ns, limits of the strategy", .run = run_gate, .context = &gates[11]},
        {.name = "gate_check_ns, share of the gateway", .run = run_gate, .context = &gates[12]},
        {.name = "gate_check_ns, everything", .run = run_gate, .context = all},
        {.name = "gate_encode_ns", .run = run_both, .context = &gates[0]},
        {.name = "gate_refuse_ns", .run = run_refuse, .context = &gates[0]},
        {.name = "order_encode_ns", .run = run_encode},
        {.name = "market_apply_ns", .run = run_apply},
    };
    return bench_run(&options, "gate", cases, sizeof(cases) / sizeof(cases[0]));
}
