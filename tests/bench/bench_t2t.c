/* Tick to trade in memory: from a frame in the rx ring of a net_ring port to the order in the tx ring of another,
 * through the gateway's own code (gateway_rig.h): parse, arbitration, book, strategy, gate, OUCH, delegated send. Every
 * frame brings one message that moves a best price, so every frame leads to one order; its copy on line B and an idle
 * turn come behind it, not measured. Stage stamps are off but for the row that is about them. All stamps are the TSC,
 * before the frame is put into the rx ring and behind the transmit burst: of the bare loop, of the gateway, of the
 * parts.
 *
 *   dpdk_loop_ns             the frame from rx ring to tx ring by rx burst and tx burst, nothing in between: the limit
 *   dpdk_loop_burst_N_ns     a packet of the same loop without stamps, N to a burst
 *   t2t_inline_ns            one thread, as gateway.mode inline
 *   t2t_inline_parts_ns      what its parts take, added up; t2t_inline_part_ns has each
 *   t2t_inline_tail_ns       p99.9 of the gateway less p99.9 of the bare loop; ratio: to p50 of the gateway
 *   t2t_two_core_ns          rx lcore and strategy lcore each on a CPU of its own
 *   t2t_two_core_parts_ns    the inline parts and one hop (t2t_hop_ns) of the ring between the two
 *   t2t_..._stage_ns         stage stamps on: p50 of each stage, since the stamp behind the rx burst
 *   t2t_..._at_N_ns          frames offered at N a second on an absolute schedule; "lost" is a number of frames
 *
 * Whole and parts see the same: the parts are those of a walk through the functions of the loops, in their order, on
 * the same objects, over the same feed, with the same work between two frames. Of each walk one part is timed, fenced
 * at both ends, and the median of an empty span is taken off; whatever the loops add, from counters to causes, is in
 * the whole alone. What fences keep from overlapping makes the sum larger than it would be, by some ns a part. For two
 * cores the inline parts are timed once more, while the strategy lcore polls on the other CPU.
 *
 * Offered rates: the latency begins when the frame was due, so that lateness counts. Feed and venue are steps of the rx
 * thread's turn, as the frame source of a replay is: a feeder of its own would have the third CPU of the two-core case,
 * and would bring cold lines that a NIC puts into the cache. What they take is part of the turn, so that the highest
 * rate without loss (every frame found room in the rx ring) is a lower bound. */
#include "tests/bench/gateway_rig.h"

#include "gateway/submit.h"
#include "tests/bench/bench.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAMES 20000u          /* of one round */
#define LOOP_PACKETS 400000u   /* of one round of the bare loop without stamps */
#define LOOP_FRAMES 256u       /* that go round in it */
#define PAUSE_NS 2000u         /* two-core, between two frames: the strategy lcore comes to idle turns */
#define LAG_NS 2000u           /* line B behind line A */
#define RATE_MIN 10000u
#define RATES_MAX 14u
#define RATE_TRIES 3u          /* until a rate is given up */
#define RATE_FRAMES_MAX 600000u
#define STAGES 6
#define STAGE_NAMES {"parsed", "booked", "popped", "decided", "encoded", "sent"}
#define HOPS 20000u
#define HOP_SLOTS 65536u       /* as the md_ring of the gateway */

static struct gateway_rig inline_rig, two_core_rig;
static uint64_t pause_ticks, lag_ticks;
static int peer_cpu;
static bool brief;

/* --- ticks of a round */

static struct ticks {
    uint64_t *value;
    uint32_t count;
} samples;

static int compare_ticks(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void sample(uint64_t ticks)
{
    CHECK(samples.count < RATE_FRAMES_MAX);
    samples.value[samples.count++] = ticks;
}

static void sort_samples(void)
{
    CHECK(samples.count > 0);
    qsort(samples.value, samples.count, sizeof(samples.value[0]), compare_ticks);
}

static double quantile(double fraction)
{
    const uint32_t at = (uint32_t)(fraction * samples.count);
    return bench_ns(samples.value[at < samples.count ? at : samples.count - 1]);
}

static const double fractions[] = {0.5, 0.99, 0.999, 1};
#define FRACTIONS 4
#define FRACTION_NAMES {"p50", "p99", "p99.9", "max"}

static void quantiles(double *ret_ns)
{
    sort_samples();
    for (uint32_t i = 0; i < FRACTIONS; i++)
        ret_ns[i] = quantile(fractions[i]);
}

/* --- the bare loop */

static double loop_p999_ns, inline_p50_ns, inline_p999_ns, inline_parts_ns, hop_ns; /* of the round */

static void run_loop(void *context, double *ret_ns)
{
    struct gateway_rig *rig = context;

    samples.count = 0;
    for (uint32_t i = 0; i < FRAMES; i++) {
        struct rte_mbuf *frame = gateway_rig_copy(rig);
        void *sent;
        const uint64_t begin_tsc = clock_tsc_ordered();
        (void)gateway_rig_put(rig, frame);
        const uint16_t taken = rte_eth_rx_burst(rig->feed_port, 0, &frame, 1);
        const uint16_t gone = rte_eth_tx_burst(rig->order_port, 0, &frame, 1);
        sample(clock_tsc() - begin_tsc);
        CHECK(taken == 1 && gone == 1 && rte_ring_sc_dequeue(rig->wire, &sent) == 0);
        rte_pktmbuf_free(sent);
    }
    quantiles(ret_ns);
    loop_p999_ns = ret_ns[2];
}

static uint16_t loop_port;

/* Both rings of this port are one: what is sent is received next. */
static void run_loop_burst(void *context, double *ret_ns)
{
    const uint16_t burst = *(const uint16_t *)context;
    struct rte_mbuf *frames[32];
    uint64_t gone = 0;
    const uint64_t begin_tsc = clock_tsc_ordered();

    for (uint32_t i = 0; i < LOOP_PACKETS; i += burst)
        gone += rte_eth_tx_burst(loop_port, 0, frames, rte_eth_rx_burst(loop_port, 0, frames, burst));
    *ret_ns = bench_ns(clock_tsc_ordered() - begin_tsc) / LOOP_PACKETS;
    CHECK(gone == LOOP_PACKETS);
}

/* --- the gateway */

/* What is behind a frame and not measured: its copy on line B, and an idle turn. The owner hears of its fill. */
static void behind(struct gateway_rig *rig)
{
    CHECK(gateway_rig_put(rig, gateway_rig_frame(rig, 1)));
    rx_turn(&rig->rx);
    rx_turn(&rig->rx);
}

static void run_inline(void *context, double *ret_ns)
{
    struct gateway_rig *rig = context;
    struct gateway_rig_order order;

    samples.count = 0;
    for (uint32_t i = 0; i < FRAMES; i++) {
        struct rte_mbuf *frame = gateway_rig_frame(rig, 0);
        const uint64_t begin_tsc = clock_tsc_ordered();
        (void)gateway_rig_put(rig, frame);
        rx_turn(&rig->rx);
        CHECK(gateway_rig_order(rig, &order) && order.message == rig->put[0] - 1);
        sample(order.tx_tsc - begin_tsc);
        behind(rig);
    }
    quantiles(ret_ns);
    inline_p50_ns = ret_ns[0];
    inline_p999_ns = ret_ns[2];
}

static void run_tail(void *unused, double *ret_ns)
{
    (void)unused;
    ret_ns[0] = inline_p999_ns - loop_p999_ns;
}

/* --- its parts */

enum part {
    PART_EMPTY, PART_RX, PART_STAMP, PART_CHANNEL, PART_MARKET, PART_STRATEGY, PART_GATE, PART_ENCODE, PART_SEND,
    PART_COUNT
};
#define PART_NAMES {"rx", "stamp", "channel", "market", "strategy", "gate", "encode", "send"}

#define TIMED(which, work)                                                                                             \
    do {                                                                                                               \
        if (part == (which))                                                                                           \
            begin_tsc = clock_tsc_ordered();                                                                           \
        work;                                                                                                          \
        if (part == (which))                                                                                           \
            end_tsc = clock_tsc_ordered();                                                                             \
    } while (0)

/* rx_loop.c: queue_poll, frame_find, receive, for a burst of one frame. */
static inline bool channel_part(struct rx *rx, struct rte_mbuf *frame, struct channel_cursor *cursor)
{
    static struct channel_look look;
    struct frame_view view;

    if (frame_parse(rte_pktmbuf_mtod(frame, const uint8_t *), frame->data_len, &view) != FRAME_UDP)
        return false;
    const struct line *line = line_find(&rx->lines, view.dst_ip, view.dst_port);
    channel_look(line->channel, &rx->ahead, view.payload, view.payload_len, &look);
    channel_look_end(&rx->ahead);
    return channel_receive_looked(line->channel, line->line, &rx->ahead, &look, rx->now_ns, rx->burst_tsc, cursor) &&
           channel_next(line->channel, cursor);
}

/* strategy_loop.c: strategy_event, for the time of a frame and the event in it. */
static inline void market_part(struct strategy_lcore *lcore, const struct rx *rx, const struct md_event *event)
{
    const struct md_event time = {.type = MD_TIME,
                                  .instrument = MD_INSTRUMENT_NONE,
                                  .price = MD_PRICE_NONE,
                                  .exchange_ns = rx->now_ns,
                                  .rx_tsc = rx->burst_tsc,
                                  .bid_price = MD_PRICE_NONE,
                                  .ask_price = MD_PRICE_NONE};
    const uint64_t before_ns = lcore->market.now_ns;

    market_apply(&lcore->market, &time);
    risk_frame(&lcore->risk, &lcore->market, before_ns);
    market_apply(&lcore->market, event);
}

/* submit.c: what is done behind the transmit burst. */
static void entered(struct strategy_lcore *lcore, const struct order_intent *intent, uint64_t symbol)
{
    const uint32_t user_ref = open_insert(&lcore->open, intent, symbol, 0, lcore->market.now_ns);
    struct open_order *order = open_find(&lcore->open, user_ref);
    const struct order_record record = {.now_ns = lcore->market.now_ns, .user_ref = user_ref};

    open_own(&lcore->open, &lcore->market, order);
    lcore->link->sent_ref = user_ref;
    order_sink_note(lcore->sink, &record, order_path_frame(lcore->path));
}

static uint64_t walk(struct gateway_rig *rig, enum part part)
{
    struct strategy_lcore *lcore = rig->strategies;
    struct rx *rx = &rig->rx;
    struct rte_mbuf *frame = gateway_rig_frame(rig, 0);
    struct channel_cursor cursor;
    struct strategy_out out = {.count = 0};
    enum risk_verdict verdict = RISK_PASS;
    struct gateway_rig_order order;
    uint64_t begin_tsc = 0, end_tsc = 0;
    uint16_t taken = 0;
    bool told = false;

    TIMED(PART_EMPTY, (void)0);
    TIMED(PART_RX, (void)gateway_rig_put(rig, frame); taken = rte_eth_rx_burst(rig->feed_port, 0, &frame, 1));
    TIMED(PART_STAMP, rx->burst_tsc = clock_tsc(); rx->now_ns = clock_ns(rx->clock, rx->burst_tsc));
    TIMED(PART_CHANNEL, told = channel_part(rx, frame, &cursor));
    CHECK(taken == 1 && told && cursor.event_count == 1);
    const struct md_event *event = &cursor.event[0];
    TIMED(PART_MARKET, market_part(lcore, rx, event));
    TIMED(PART_STRATEGY,
          lcore->strategy[0].ops->on_event(lcore->strategy[0].state, event, lcore->market.now_ns, &out));
    CHECK(out.count == 1);
    const struct order_intent *intent = &out.intent[0];
    TIMED(PART_GATE, verdict = risk_reserve(&lcore->risk, &lcore->market, intent, 0, lcore->market.now_ns));
    CHECK(verdict == RISK_PASS);
    const uint64_t symbol = market_find(&lcore->market, 0, intent->instrument)->symbol;
    const struct order_frame_id id = {.user_ref = lcore->open.next_ref, .tick_ns = (uint32_t)event->exchange_ns};
    TIMED(PART_ENCODE, verdict = order_path_encode(lcore->path, intent, symbol, id));
    CHECK(verdict == RISK_PASS);
    TIMED(PART_SEND, verdict = order_path_send(lcore->path));
    CHECK(verdict == RISK_PASS);
    entered(lcore, intent, symbol);
    CHECK(!channel_next(rx->channel[0], &cursor));
    rte_pktmbuf_free(frame);
    strategy_turn_end(lcore, true);
    CHECK(gateway_rig_order(rig, &order) && order.message == rig->put[0] - 1);
    behind(rig);
    return end_tsc - begin_tsc;
}

/* Each part by itself; returns their sum, as a span of its own. */
static double parts_run(struct gateway_rig *rig, double ret_ns[PART_COUNT - 1])
{
    double empty_ns = 0, sum_ns = 0;

    for (uint32_t part = 0; part < PART_COUNT; part++) {
        samples.count = 0;
        for (uint32_t i = 0; i < FRAMES / PART_COUNT; i++)
            sample(walk(rig, (enum part)part));
        sort_samples();
        const double part_ns = quantile(0.5);
        if (part == PART_EMPTY)
            empty_ns = sum_ns = part_ns;
        else
            sum_ns += ret_ns[part - 1] = part_ns - empty_ns;
    }
    return sum_ns;
}

static void run_parts(void *context, double *ret_ns)
{
    inline_parts_ns = parts_run(context, ret_ns);
}

static void run_inline_parts(void *unused, double *ret_ns)
{
    (void)unused;
    ret_ns[0] = inline_parts_ns;
}

/* --- two cores */

static uint32_t peer_ready;

static void *strategy_thread(void *context)
{
    struct gateway_rig *rig = context;

    bench_pin(peer_cpu);
    CHECK(rte_thread_register() == 0);
    __atomic_store_n(&peer_ready, 1, __ATOMIC_RELEASE);
    strategy_loop(rig->strategies);
    rte_thread_unregister();
    return NULL;
}

static pthread_t strategy_start(struct gateway_rig *rig)
{
    pthread_t thread;

    __atomic_store_n(&rig->stop, 0, __ATOMIC_RELEASE);
    __atomic_store_n(&peer_ready, 0, __ATOMIC_RELEASE);
    CHECK(pthread_create(&thread, NULL, strategy_thread, rig) == 0);
    while (!__atomic_load_n(&peer_ready, __ATOMIC_ACQUIRE))
        continue;
    return thread;
}

static void strategy_stop(struct gateway_rig *rig, pthread_t thread)
{
    __atomic_store_n(&rig->stop, 1, __ATOMIC_RELEASE);
    CHECK(pthread_join(thread, NULL) == 0);
}

/* The rx lcore goes on turning until the order is there, and for PAUSE_NS after it. */
static void run_two_core(void *context, double *ret_ns)
{
    struct gateway_rig *rig = context;
    struct gateway_rig_order order;
    const pthread_t thread = strategy_start(rig);

    samples.count = 0;
    for (uint32_t i = 0; i < FRAMES; i++) {
        struct rte_mbuf *frame = gateway_rig_frame(rig, 0);
        const uint64_t begin_tsc = clock_tsc_ordered();
        (void)gateway_rig_put(rig, frame);
        do
            rx_turn(&rig->rx);
        while (!gateway_rig_order(rig, &order));
        CHECK(order.message == rig->put[0] - 1);
        sample(order.tx_tsc - begin_tsc);
        behind(rig);
        const uint64_t due_tsc = clock_tsc() + pause_ticks;
        while (clock_tsc() < due_tsc)
            rx_turn(&rig->rx);
    }
    strategy_stop(rig, thread);
    quantiles(ret_ns);
}

static struct md_ring hop_there, hop_back;
static struct md_ring_reader hop_reader_there, hop_reader_back;

static void *hop_thread(void *unused)
{
    struct md_event event;

    (void)unused;
    bench_pin(peer_cpu);
    __atomic_store_n(&peer_ready, 1, __ATOMIC_RELEASE);
    for (uint32_t i = 0; i < HOPS; i++) {
        while (md_ring_pop(&hop_reader_there, &event) != MD_RING_EVENT)
            continue;
        md_ring_push(&hop_back, &event);
    }
    return NULL;
}

/* Half a round trip of an event over two rings. */
static void run_hop(void *unused, double *ret_ns)
{
    struct md_event event = {.type = MD_ADD};
    pthread_t thread;

    (void)unused;
    __atomic_store_n(&peer_ready, 0, __ATOMIC_RELEASE);
    CHECK(pthread_create(&thread, NULL, hop_thread, NULL) == 0);
    while (!__atomic_load_n(&peer_ready, __ATOMIC_ACQUIRE))
        continue;
    samples.count = 0;
    for (uint32_t i = 0; i < HOPS; i++) {
        const uint64_t begin_tsc = clock_tsc_ordered();
        md_ring_push(&hop_there, &event);
        while (md_ring_pop(&hop_reader_back, &event) != MD_RING_EVENT)
            continue;
        sample(clock_tsc() - begin_tsc);
    }
    CHECK(pthread_join(thread, NULL) == 0);
    sort_samples();
    hop_ns = ret_ns[0] = quantile(0.5) / 2;
}

/* While the strategy lcore polls: two CPUs may be one core. */
static void run_two_core_parts(void *context, double *ret_ns)
{
    const pthread_t thread = strategy_start(context);
    double unused[PART_COUNT - 1];

    ret_ns[0] = parts_run(&inline_rig, unused) + hop_ns;
    strategy_stop(context, thread);
}

/* Each stage's p50, with stage stamps on. What the runs are about is not changed by it. */
static void run_stages(void *context, double *ret_ns)
{
    struct gateway_rig *rig = context;
    struct strategy_lcore *lcore = rig->strategies;
    struct hist *const stages[] = {&rig->rx.parsed, &rig->rx.booked, &lcore->stage[STAGE_POPPED],
                                   &lcore->stage[STAGE_DECIDED], &lcore->stage[STAGE_ENCODED],
                                   &lcore->stage[STAGE_SENT]};
    const double p50_ns = inline_p50_ns, p999_ns = inline_p999_ns;
    double unused[BENCH_VALUES_MAX];

    for (uint32_t i = 0; i < STAGES; i++)
        hist_init(stages[i]);
    rig->rx.stage_stamps = lcore->stage_stamps = true;
    (rig->ring ? run_two_core : run_inline)(rig, unused);
    rig->rx.stage_stamps = lcore->stage_stamps = false;
    for (uint32_t i = 0; i < STAGES; i++)
        ret_ns[i] = bench_ns(hist_quantile(stages[i], 0.5));
    inline_p50_ns = p50_ns;
    inline_p999_ns = p999_ns;
}

/* --- by offered rate */

struct rate {
    struct gateway_rig *rig;
    uint32_t per_s, frame_count;
    char name[48];
};

#define RATE_VALUES 7
#define RATE_NAMES {"p50", "p90", "p99", "p99.9", "p99.99", "max", "lost"}
static const double rate_fractions[] = {0.5, 0.9, 0.99, 0.999, 0.9999, 1};

/* Returns how many frames would have been lost: they found the rx ring full, or led to no order. */
static uint32_t rate_offer(const struct rate *rate)
{
    struct gateway_rig *rig = rate->rig;
    const double ticks_each = 1e9 / rate->per_s / bench_ns(1);
    const uint64_t first[2] = {rig->put[0], rig->put[1]};
    const pthread_t thread = rig->ring ? strategy_start(rig) : (pthread_t)0;
    const uint64_t begin_tsc = clock_tsc() + pause_ticks;
    const uint64_t patience = 10000 * pause_ticks;
    struct gateway_rig_order order;
    uint64_t moved_tsc = begin_tsc;
    uint32_t put[2] = {0, 0}, full_count = 0;

    samples.count = 0;
    while (samples.count < rate->frame_count && clock_tsc() - moved_tsc + patience < 2 * patience) {
        const uint64_t now_tsc = clock_tsc();
        for (uint32_t line = 0; line < 2; line++) /* the other line brings it later */
            while (put[line] < (line == 0 ? rate->frame_count : put[0]) &&
                   (int64_t)(now_tsc - begin_tsc - line * lag_ticks - (uint64_t)(put[line] * ticks_each)) >= 0) {
                if (rte_ring_full(rig->in) || (line == 0 && put[0] - put[1] == GATEWAY_RIG_RING)) {
                    full_count++;
                    break;
                }
                (void)gateway_rig_put(rig, gateway_rig_frame(rig, line));
                put[line]++;
                moved_tsc = now_tsc;
            }
        rx_turn(&rig->rx);
        while (gateway_rig_order(rig, &order)) {
            sample(order.tx_tsc - begin_tsc - (uint64_t)((double)(order.message - first[0]) * ticks_each));
            moved_tsc = now_tsc;
        }
    }
    /* The next run begins with both lines even, and with nothing on its way. */
    while (put[1] < put[0] || !rte_ring_empty(rig->in) ||
           (rig->ring && ck_pr_load_64(&rig->reader.position) != rig->ring->head)) {
        if (put[1] < put[0] && gateway_rig_put(rig, gateway_rig_frame(rig, 1)))
            put[1]++;
        rx_turn(&rig->rx);
        while (gateway_rig_order(rig, &order))
            continue;
    }
    if (rig->ring)
        strategy_stop(rig, thread);
    do
        rx_turn(&rig->rx);
    while (gateway_rig_order(rig, &order));
    CHECK(rig->put[1] - first[1] == put[1]);
    return full_count + rate->frame_count - samples.count;
}

static void run_rate(void *context, double *ret_ns)
{
    const uint32_t lost_count = rate_offer(context);

    if (samples.count == 0)
        sample(0); /* nothing came in time: all are lost */
    sort_samples();
    for (uint32_t i = 0; i < RATE_VALUES - 1; i++)
        ret_ns[i] = quantile(rate_fractions[i]);
    ret_ns[RATE_VALUES - 1] = lost_count; /* frames */
}

static uint32_t rate_frames(uint32_t per_s)
{
    const uint32_t frame_count = per_s / (brief ? 50 : 10);
    return frame_count < RATE_FRAMES_MAX ? frame_count : RATE_FRAMES_MAX;
}

/* Rates from RATE_MIN on, doubled, until one loses frames in each of RATE_TRIES; of these every one, or every third and
 * the last. Returns how many. */
static uint32_t rates_find(struct gateway_rig *rig, const char *name, struct rate ret_rates[RATES_MAX])
{
    uint32_t count = 0, step = brief ? 3 : 1, kept = 0;

    for (; count < RATES_MAX; count++) {
        struct rate *rate = &ret_rates[count];
        *rate = (struct rate){.rig = rig, .per_s = RATE_MIN << count, .frame_count = rate_frames(RATE_MIN << count)};
        snprintf(rate->name, sizeof(rate->name), "t2t_%s_at_%u_ns", name, rate->per_s);
        uint32_t tries = 0;
        while (tries < RATE_TRIES && rate_offer(rate) > 0)
            tries++;
        if (tries == RATE_TRIES)
            break;
    }
    for (uint32_t i = 0; i < count; i++)
        if (i % step == 0 || i == count - 1)
            ret_rates[kept++] = ret_rates[i];
    return kept;
}

/* --- set-up */

static void loop_open(struct gateway_rig *rig)
{
    loop_port = gateway_rig_loop_port();
    for (uint32_t i = 0; i < LOOP_FRAMES; i++) {
        struct rte_mbuf *frame = gateway_rig_copy(rig);
        CHECK(rte_eth_tx_burst(loop_port, 0, &frame, 1) == 1);
    }
}

static void hop_open(void)
{
    md_ring_init(&hop_there, bench_alloc(HOP_SLOTS * sizeof(struct md_slot)), HOP_SLOTS, 1);
    md_ring_init(&hop_back, bench_alloc(HOP_SLOTS * sizeof(struct md_slot)), HOP_SLOTS, 1);
    md_ring_reader_init(&hop_reader_there, &hop_there);
    md_ring_reader_init(&hop_reader_back, &hop_back);
}

int main(int argc, char **argv)
{
    static struct rate rates[2][RATES_MAX];
    static uint16_t bursts[] = {1, 32};
    struct bench_case cases[14 + 2 * RATES_MAX];
    struct bench_options options;
    uint32_t count = 0;

    if (!bench_open(argc, argv, &options))
        return 2;
    gateway_rig_eal(argv[0], (uint32_t)options.cpu);
    peer_cpu = options.peer_cpu;
    brief = options.brief;
    pause_ticks = (uint64_t)(PAUSE_NS / bench_ns(1));
    lag_ticks = (uint64_t)(LAG_NS / bench_ns(1));
    samples.value = bench_alloc(RATE_FRAMES_MAX * sizeof(samples.value[0]));
    gateway_rig_open(&inline_rig, "inline", false, (uint32_t)options.cpu);
    loop_open(&inline_rig);
#define CASE(...) cases[count++] = (struct bench_case){__VA_ARGS__}
    CASE(.name = "t2t_inline_ns", .run = run_inline, .context = &inline_rig, .value_count = FRACTIONS,
         .value_names = FRACTION_NAMES);
    CASE(.name = "dpdk_loop_ns", .run = run_loop, .context = &inline_rig, .value_count = FRACTIONS,
         .value_names = FRACTION_NAMES);
    CASE(.name = "t2t_inline_tail_ns", .run = run_tail);
    CASE(.name = "dpdk_loop_burst_1_ns", .run = run_loop_burst, .context = &bursts[0]);
    CASE(.name = "dpdk_loop_burst_32_ns", .run = run_loop_burst, .context = &bursts[1]);
    CASE(.name = "t2t_inline_part_ns", .run = run_parts, .context = &inline_rig, .value_count = PART_COUNT - 1,
         .value_names = PART_NAMES);
    CASE(.name = "t2t_inline_parts_ns", .run = run_inline_parts);
    CASE(.name = "t2t_inline_stage_ns", .run = run_stages, .context = &inline_rig, .value_count = STAGES,
         .value_names = STAGE_NAMES);
    const uint32_t inline_rates = rates_find(&inline_rig, "inline", rates[0]);
    for (uint32_t i = 0; i < inline_rates; i++)
        CASE(.name = rates[0][i].name, .run = run_rate, .context = &rates[0][i], .value_count = RATE_VALUES,
             .value_names = RATE_NAMES);
    if (peer_cpu >= 0) {
        gateway_rig_open(&two_core_rig, "two_core", true, (uint32_t)options.cpu);
        hop_open();
        CASE(.name = "t2t_hop_ns", .run = run_hop);
        CASE(.name = "t2t_two_core_ns", .run = run_two_core, .context = &two_core_rig, .value_count = FRACTIONS,
             .value_names = FRACTION_NAMES);
        CASE(.name = "t2t_two_core_parts_ns", .run = run_two_core_parts, .context = &two_core_rig, .base = count - 1);
        CASE(.name = "t2t_two_core_stage_ns", .run = run_stages, .context = &two_core_rig, .value_count = STAGES,
             .value_names = STAGE_NAMES);
        const uint32_t two_core_rates = rates_find(&two_core_rig, "two_core", rates[1]);
        for (uint32_t i = 0; i < two_core_rates; i++)
            CASE(.name = rates[1][i].name, .run = run_rate, .context = &rates[1][i], .value_count = RATE_VALUES,
                 .value_names = RATE_NAMES);
    }
#undef CASE
    return bench_run(&options, "t2t", cases, count);
}
