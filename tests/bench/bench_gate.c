/* From intent to bytes: the risk gate and the order frame, on instruments chosen by Zipf's law. One thread, no DPDK. */
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

static enum risk_verdict reserve(const struct order_intent *intent)
{
    now_ns += 10000;
    return risk_reserve(&risk, &market, intent, 0, now_ns);
}

static void run_gate(void *unused, double *ret_ns)
{
    (void)unused;
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

static void run_refuse(void *unused, double *ret_ns)
{
    (void)unused;
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

static void run_both(void *unused, double *ret_ns)
{
    (void)unused;
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
    const struct risk_limits limits = {.order_qty_max = 1000, .order_notional_max = 10000000000u, .collar_bps = 500,
                                       .rate_per_s = 1000000, .rate_burst = 1000000, .position_max = 100000};
    risk_init(&risk, &limits, false);
    risk.session_up = true;
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
        intents[i] = (struct order_intent){.action = ORDER_NEW, .side = (i & 1) != 0 ? 'B' : 'S', .tif = ORDER_IOC,
                                           .instrument = (uint16_t)(1 + workload_zipf_next(&zipf, &state)),
                                           .price = (i & 1) != 0 ? 1000100 : 1000000, .qty = 100 + i % 400};
    const struct bench_case cases[] = {
        {.name = "risk_reserve, order_frame_encode, risk_release", .run = run_both},
        {.name = "risk_reserve and risk_release", .run = run_gate},
        {.name = "risk_reserve, refused", .run = run_refuse},
        {.name = "order_frame_encode", .run = run_encode},
        {.name = "market_apply", .run = run_apply},
    };
    return bench_run(&options, "gate", cases, sizeof(cases) / sizeof(cases[0]));
}
