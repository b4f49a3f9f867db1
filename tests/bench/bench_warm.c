/* The first order after a pause, from the event to the end of the transmit burst, on net_ring: what a quiet while of
 * other work that wants the caches costs, and what of it is left where idle turns walk the way of an order (warm_us).
 * The other work goes through 32 MiB, 128 KiB at a time, with a market event and idle turns in between, as a loop that
 * polls has them. One thread.
 *
 *   pause_order_ns             the first order after a pause; pause_order_warm_N_us_ns: walked every N us meanwhile
 *   steady_order_ns            the thousandth order, back to back */
#include "gateway/submit.h"

#include "tests/bench/bench_eal.h"

#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_MB 64u
#define FRAMES 256u
#define WIRE_SLOTS 1024u
#define INSTRUMENTS 4096u
#define WORK_BYTES (UINT64_C(32) << 20)
#define PIECE_BYTES (UINT64_C(128) << 10)
#define PAUSES 8u          /* of one round */
#define PAUSE_PIECES 1024u /* of one pause */
#define WARM_US 100u
#define WARM_OFTEN_US 10u

static struct strategy_lcore *lcore;
static struct rte_ring *wire;
static uint8_t *work;
static bool wanted;

static void on_event(void *state, const struct md_event *event, uint64_t now_ns, struct strategy_out *out)
{
    (void)state;
    (void)now_ns;
    if (!wanted)
        return;
    wanted = false;
    out->intent[out->count++] = (struct order_intent){.action = ORDER_NEW,
                                                      .side = 'B',
                                                      .tif = ORDER_IOC,
                                                      .instrument = event->instrument,
                                                      .price = event->ask_price,
                                                      .qty = 100};
}

static void on_order(void *state, const struct order_event *event, struct strategy_out *out)
{
    (void)state;
    (void)event;
    (void)out;
}

static const struct strategy_ops ops = {.name = "one", .on_event = on_event, .on_order = on_order};

static void event_send(enum md_type type, uint64_t ref)
{
    const struct md_event event = {.type = (uint8_t)type,
                                   .instrument = 7,
                                   .ref = ref,
                                   .rx_tsc = clock_tsc(),
                                   .bid_price = 1000000,
                                   .bid_qty = 500,
                                   .ask_price = 1000200,
                                   .ask_qty = 500};
    strategy_event(lcore, &event);
}

/* Tick to trade of the order that the next event leads to; it is filled at once, so that nothing stays open. */
static uint64_t order(void)
{
    void *frame;

    wanted = true;
    const uint64_t begin_tsc = clock_tsc_ordered();
    event_send(MD_ADD, 1);
    const uint64_t ticks = lcore->sent_tsc - begin_tsc;
    CHECK(rte_ring_dequeue(wire, &frame) == 0);
    rte_pktmbuf_free(frame);
    return ticks;
}

static void pause_work(void)
{
    static uint64_t at;
    uint64_t sum = 0;

    for (uint32_t piece = 0; piece < PAUSE_PIECES; piece++) {
        for (uint64_t i = 0; i < PIECE_BYTES; i += 64)
            sum += work[at + i]++;
        at = (at + PIECE_BYTES) % WORK_BYTES;
        event_send(MD_DELETE, 1); /* the market goes on, and nobody wants to trade */
        for (uint32_t turn = 0; turn < 2 * WARM_IDLE_TURNS; turn++)
            strategy_turn_end(lcore, false);
    }
    bench_keep(sum);
}

static void run_pauses(uint64_t warm_ticks, double *ret_ns)
{
    uint64_t ticks[PAUSES], sum = 0;

    lcore->warm.ticks = warm_ticks;
    lcore->warm.due_tsc = 0;
    for (uint32_t i = 0; i < PAUSES; i++) {
        pause_work();
        ticks[i] = order();
        sum += ticks[i];
    }
    *ret_ns = bench_ns(sum) / PAUSES;
}

static void run_cold(void *unused, double *ret_ns)
{
    (void)unused;
    run_pauses(0, ret_ns);
}

static void run_warm(void *warm_ticks, double *ret_ns)
{
    run_pauses(*(const uint64_t *)warm_ticks, ret_ns);
}

/* The thousandth order. */
static void run_steady(void *unused, double *ret_ns)
{
    uint64_t sum = 0;

    (void)unused;
    lcore->warm.ticks = 0;
    for (uint32_t i = 0; i < 1000; i++)
        order();
    for (uint32_t i = 0; i < 1000; i++)
        sum += order();
    *ret_ns = bench_ns(sum) / 1000;
}

static void open_all(void)
{
    static const struct order_frame_route route = {
        .local_ip = 0x0a000001, .peer_ip = 0x0a000002, .local_port = 1, .peer_port = 2};
    static const struct risk_limits limits = {.order_qty_max = 1000,
                                              .order_notional_max = UINT64_C(1) << 60,
                                              .collar_bps = 100,
                                              .rate_per_s = 10000000,
                                              .rate_burst = 1000000,
                                              .position_max = INT32_MAX};
    const uint32_t counts[1] = {INSTRUMENTS};
    const struct rte_eth_conf conf = {0};

    struct rte_mempool *pool = rte_pktmbuf_pool_create("orders", 1023, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
    wire = rte_ring_create("wire", WIRE_SLOTS, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);
    struct rte_ring *unused = rte_ring_create("unused", WIRE_SLOTS, 0, 0);
    const int id = rte_eth_from_rings("orders", &unused, 1, &wire, 1, 0);
    CHECK(pool && wire && id >= 0);
    const uint16_t port_id = (uint16_t)id;
    CHECK(rte_eth_dev_configure(port_id, 1, 1, &conf) == 0 &&
          rte_eth_rx_queue_setup(port_id, 0, 64, 0, NULL, pool) == 0 &&
          rte_eth_tx_queue_setup(port_id, 0, 64, 0, NULL) == 0 && rte_eth_dev_start(port_id) == 0);
    lcore = bench_alloc(sizeof(*lcore));
    lcore->path = bench_alloc(sizeof(*lcore->path));
    lcore->path->carrier = CONFIG_CARRIER_UDP;
    lcore->path->tx = bench_alloc(sizeof(*lcore->path->tx));
    CHECK(order_tx_init(lcore->path->tx, &route, port_id, 0, pool, FRAMES) == 0);
    market_init(&lcore->market, bench_alloc(market_footprint(counts, 1)), counts, 1);
    open_init(&lcore->open, bench_alloc(open_footprint(4096)), 4096, 1, 0);
    risk_init(&lcore->risk, &limits, false);
    lcore->risk.session_up = true;
    lcore->fills_immediate = true;
    strategy_hists_init(lcore);
    lcore->strategy[0] = (struct strategy_slot){.ops = &ops, .name = "one"};
    lcore->strategy_count = 1;
    work = bench_alloc(WORK_BYTES);
    event_send(MD_DEFINE, md_symbol("ABC"));
    event_send(MD_ADD, 1);
}

int main(int argc, char **argv)
{
    struct bench_options options;

    if (!bench_open(argc, argv, &options))
        return 2;
    bench_eal_start(argv[0], &options, MEMORY_MB, false);
    open_all();
    uint64_t often_ticks = (uint64_t)(WARM_OFTEN_US * 1000.0 * 1000.0 / bench_ns(1000));
    uint64_t warm_ticks = (uint64_t)(WARM_US * 1000.0 * 1000.0 / bench_ns(1000));
    const struct bench_case cases[] = {
        {.name = "pause_order_ns", .run = run_cold},
        {.name = "pause_order_warm_100_us_ns", .run = run_warm, .context = &warm_ticks},
        {.name = "pause_order_warm_10_us_ns", .run = run_warm, .context = &often_ticks},
        {.name = "steady_order_ns", .run = run_steady},
    };
    return bench_run(&options, "warm", cases, sizeof(cases) / sizeof(cases[0]));
}
