/* Tick to trade in memory: from a frame in the rx ring of a net_ring port to the order in the tx ring of another,
 * through the gateway's own code (gateway_rig.h): parse, arbitration, book, strategy, gate, OUCH, delegated send. Every
 * frame brings one message that moves a best price, so every frame leads to one order; its copy on line B and an idle
 * turn come behind it, not measured. Stage stamps are off but for the row that is about them. All stamps are the TSC,
 * before the frame is put into the rx ring and behind the transmit burst: of the bare loop, of the gateway, of the
 * parts.
 *
 *   dpdk_loop_ns             the frame from rx ring to tx ring by rx burst and tx burst, nothing in between: the limit;
 *                            one behind each frame of t2t_inline_ns
 *   dpdk_loop_as_long_ns     the same again and again, for as long as the gateway's p50 of the round before: what
 *                            befalls a span of that length in which nothing else happens, a timer's tick for example
 *   dpdk_loop_burst_N_ns     a packet of the same loop without stamps, N to a burst
 *   t2t_inline_ns            one thread, as gateway.mode inline
 *   t2t_inline_parts_ns      what its parts take, added up; t2t_inline_part_ns has each
 *   t2t_inline_tail_ns       p99.9 of the gateway less p99.9 of the bare loop; ratio: to p50 of the gateway
 *   t2t_inline_tail_as_long_ns  the same less p99.9 of the loop that goes on for as long
 *   t2t_two_core_ns          rx lcore and strategy lcore each on a CPU of its own
 *   t2t_two_core_parts_ns    the parts and one hop (t2t_hop_ns) of the ring between the two
 *   t2t_ring_ns              both loops and the ring, on one thread
 *   t2t_..._stage_ns         stage stamps on: p50 of each stage, since the stamp behind the rx burst
 *   t2t_..._at_N_ns          frames offered at N a second on an absolute schedule; "lost" is a number of frames
 *
 * Whole and parts see the same: the parts are those of a walk through the functions of the loops, in their order, on
 * the same objects, over the same feed, with the same work between two frames. Of each walk one part is timed, fenced
 * at both ends, and the median of an empty span is taken off; whatever the loops add, counters and copies, is in the
 * whole alone. What fences keep from overlapping makes the sum larger than it would be, by some ns a part. For two
 * cores the parts are timed once more, each on the CPU that does it there, while the other lcore polls on the other. */
#include "tests/bench/gateway_rig.h"

#include "gateway/submit.h"
#include "tests/bench/bench_eal.h"
#include "tests/bench/rate.h"
#include "tests/bench/samples.h"

#include <pthread.h>
#include <string.h>

#define MEMORY_MB 64u          /* of DPDK: two gateways */
#define FRAMES 20000u          /* of one round */
#define LOOP_PACKETS 400000u   /* of one round of the bare loop without stamps */
#define LOOP_FRAMES 256u       /* that go round in it */
#define PAUSE_NS 2000u         /* two-core, between two frames: the strategy lcore comes to idle turns */
#define STAGES 6
#define STAGE_NAMES {"parsed", "booked", "popped", "decided", "encoded", "sent"}
#define HOPS 20000u
#define HOP_SLOTS 65536u       /* as the md_ring of the gateway */

static struct gateway_rig inline_rig, two_core_rig;
static uint64_t pause_ticks;
static int peer_cpu;

/* --- figures */

#define FRACTIONS 4
#define FRACTION_NAMES {"p50", "p99", "p99.9", "max"}

static double inline_p50_ns, inline_p999_ns, loop_p999_ns, long_p999_ns, inline_parts_ns, hop_ns; /* of the round */
static struct samples samples, loop_samples, long_samples; /* of the round; the bare loop's are made by run_inline */

static void quantiles(struct samples *from, double *ret_ns)
{
    static const double fractions[FRACTIONS] = {0.5, 0.99, 0.999, 1};

    samples_quantiles(from, fractions, FRACTIONS, ret_ns);
}

static double median(void)
{
    static const double half = 0.5;
    double ret_ns;

    samples_quantiles(&samples, &half, 1, &ret_ns);
    return ret_ns;
}

/* --- the bare loop */

/* One frame of it, behind one of the gateway's: whatever befalls the CPU befalls both. */
static uint64_t loop_frame(struct gateway_rig *rig)
{
    struct rte_mbuf *frame = gateway_rig_copy(rig);
    void *sent;

    const uint64_t begin_tsc = clock_tsc_ordered();
    (void)gateway_rig_put(rig, frame);
    const uint16_t taken = rte_eth_rx_burst(rig->feed_port, 0, &frame, 1);
    const uint16_t gone = rte_eth_tx_burst(rig->order_port, 0, &frame, 1);
    const uint64_t end_tsc = clock_tsc();
    CHECK(taken == 1 && gone == 1 && rte_ring_sc_dequeue(rig->wire, &sent) == 0);
    rte_pktmbuf_free(sent);
    return end_tsc - begin_tsc;
}

/* Frames of it one after the other, until `least_ticks` are over. */
static uint64_t loop_frames(struct gateway_rig *rig, uint64_t least_ticks)
{
    struct rte_mbuf *frame = gateway_rig_copy(rig);
    void *sent = frame;
    uint64_t end_tsc;

    const uint64_t begin_tsc = clock_tsc_ordered();
    do {
        (void)gateway_rig_put(rig, sent);
        const uint16_t taken = rte_eth_rx_burst(rig->feed_port, 0, &frame, 1);
        const uint16_t gone = rte_eth_tx_burst(rig->order_port, 0, &frame, 1);
        end_tsc = clock_tsc();
        CHECK(taken == 1 && gone == 1 && rte_ring_sc_dequeue(rig->wire, &sent) == 0);
    } while (end_tsc - begin_tsc < least_ticks);
    rte_pktmbuf_free(sent);
    return end_tsc - begin_tsc;
}

static void run_loop(void *unused, double *ret_ns)
{
    (void)unused;
    quantiles(&loop_samples, ret_ns);
    loop_p999_ns = ret_ns[2];
}

static void run_loop_as_long(void *unused, double *ret_ns)
{
    (void)unused;
    quantiles(&long_samples, ret_ns);
    long_p999_ns = ret_ns[2];
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
    const uint64_t p50_ticks = (uint64_t)(inline_p50_ns / bench_ns(1));

    samples.count = loop_samples.count = long_samples.count = 0;
    for (uint32_t i = 0; i < FRAMES; i++) {
        struct rte_mbuf *frame = gateway_rig_frame(rig, 0);
        const uint64_t begin_tsc = clock_tsc_ordered();
        (void)gateway_rig_put(rig, frame);
        rx_turn(&rig->rx);
        CHECK(gateway_rig_order(rig, &order) && order.message == rig->put[0] - 1);
        samples_add(&samples, order.tx_tsc - begin_tsc);
        behind(rig);
        samples_add(&loop_samples, loop_frame(rig));
        samples_add(&long_samples, loop_frames(rig, p50_ticks));
    }
    quantiles(&samples, ret_ns);
    inline_p50_ns = ret_ns[0];
    inline_p999_ns = ret_ns[2];
}

static void run_tail(void *unused, double *ret_ns)
{
    (void)unused;
    ret_ns[0] = inline_p999_ns - loop_p999_ns;
}

static void run_tail_as_long(void *unused, double *ret_ns)
{
    (void)unused;
    ret_ns[0] = inline_p999_ns - long_p999_ns;
}

/* --- its parts */

enum part {
    PART_EMPTY,
    PART_RX, PART_STAMP, PART_CHANNEL, PART_CAUSE,                 /* rx lcore */
    PART_MARKET, PART_STRATEGY, PART_GATE, PART_ENCODE, PART_SEND, /* strategy lcore */
    PART_COUNT
};
#define PART_NAMES {"rx", "stamp", "channel", "cause", "market", "strategy", "gate", "encode", "send"}

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

/* rx_loop.c: publish, for the time of a frame and the event in it: where they stood in the feed. */
static inline void cause_part(struct rx *rx, const struct channel_cursor *cursor)
{
    cause_store(&rx->causes, ++rx->event_count, 0, 0, rx->line_idx);
    cause_store(&rx->causes, ++rx->event_count, cursor->seq, cursor->event[0].channel, (uint16_t)cursor->line);
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
    TIMED(PART_CAUSE, cause_part(rx, &cursor));
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

/* Each part from `first` to `last` by itself; returns the empty span. */
static double parts_run(struct gateway_rig *rig, enum part first, enum part last, double ret_ns[PART_COUNT - 1])
{
    double empty_ns = 0;

    for (uint32_t part = PART_EMPTY; part <= (uint32_t)last; part = part == PART_EMPTY ? (uint32_t)first : part + 1) {
        samples.count = 0;
        for (uint32_t i = 0; i < FRAMES / PART_COUNT; i++)
            samples_add(&samples, walk(rig, (enum part)part));
        if (part == PART_EMPTY)
            empty_ns = median();
        else
            ret_ns[part - 1] = median() - empty_ns;
    }
    return empty_ns;
}

/* As a span of its own. */
static double parts_sum(const double part_ns[PART_COUNT - 1], double empty_ns)
{
    for (uint32_t i = 0; i < PART_COUNT - 1; i++)
        empty_ns += part_ns[i];
    return empty_ns;
}

static void run_parts(void *context, double *ret_ns)
{
    const double empty_ns = parts_run(context, PART_RX, PART_SEND, ret_ns);

    inline_parts_ns = parts_sum(ret_ns, empty_ns);
}

static void run_inline_parts(void *unused, double *ret_ns)
{
    (void)unused;
    ret_ns[0] = inline_parts_ns;
}

/* --- two cores */

/* The rx lcore goes on turning until the order is there, and for PAUSE_NS after it. */
static void run_two_core(void *context, double *ret_ns)
{
    struct gateway_rig *rig = context;
    struct gateway_rig_order order;

    gateway_rig_start(rig, peer_cpu);
    samples.count = 0;
    for (uint32_t i = 0; i < FRAMES; i++) {
        struct rte_mbuf *frame = gateway_rig_frame(rig, 0);
        const uint64_t begin_tsc = clock_tsc_ordered();
        (void)gateway_rig_put(rig, frame);
        do
            rx_turn(&rig->rx);
        while (!gateway_rig_order(rig, &order));
        CHECK(order.message == rig->put[0] - 1);
        samples_add(&samples, order.tx_tsc - begin_tsc);
        behind(rig);
        const uint64_t due_tsc = clock_tsc() + pause_ticks;
        while (clock_tsc() < due_tsc)
            rx_turn(&rig->rx);
    }
    gateway_rig_stop(rig);
    quantiles(&samples, ret_ns);
}

/* Both loops on one thread: what the ring costs without the other CPU. */
static void run_ring(void *context, double *ret_ns)
{
    struct gateway_rig *rig = context;
    struct gateway_rig_order order;

    samples.count = 0;
    for (uint32_t i = 0; i < FRAMES; i++) {
        struct rte_mbuf *frame = gateway_rig_frame(rig, 0);
        const uint64_t begin_tsc = clock_tsc_ordered();
        (void)gateway_rig_put(rig, frame);
        rx_turn(&rig->rx);
        strategy_turn_end(rig->strategies, strategy_poll(rig->strategies) > 0);
        CHECK(gateway_rig_order(rig, &order) && order.message == rig->put[0] - 1);
        samples_add(&samples, order.tx_tsc - begin_tsc);
        behind(rig);
        strategy_turn_end(rig->strategies, strategy_poll(rig->strategies) > 0);
    }
    quantiles(&samples, ret_ns);
}

static struct md_ring hop_there, hop_back;
static struct md_ring_reader hop_reader_there, hop_reader_back;

static uint32_t hop_ready;

static void *hop_thread(void *unused)
{
    struct md_event event;

    (void)unused;
    bench_pin(peer_cpu);
    __atomic_store_n(&hop_ready, 1, __ATOMIC_RELEASE);
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
    __atomic_store_n(&hop_ready, 0, __ATOMIC_RELEASE);
    CHECK(pthread_create(&thread, NULL, hop_thread, NULL) == 0);
    while (!__atomic_load_n(&hop_ready, __ATOMIC_ACQUIRE))
        continue;
    samples.count = 0;
    for (uint32_t i = 0; i < HOPS; i++) {
        const uint64_t begin_tsc = clock_tsc_ordered();
        md_ring_push(&hop_there, &event);
        while (md_ring_pop(&hop_reader_back, &event) != MD_RING_EVENT)
            continue;
        samples_add(&samples, clock_tsc() - begin_tsc);
    }
    CHECK(pthread_join(thread, NULL) == 0);
    hop_ns = ret_ns[0] = median() / 2;
}

static double two_core_part_ns[PART_COUNT - 1];
static uint32_t parts_done;

static void *parts_thread(void *unused)
{
    (void)unused;
    bench_pin(peer_cpu);
    CHECK(rte_thread_register() == 0);
    (void)parts_run(&inline_rig, PART_MARKET, PART_SEND, two_core_part_ns);
    rte_thread_unregister();
    __atomic_store_n(&parts_done, 1, __ATOMIC_RELEASE); /* paired with: run_two_core_parts */
    return NULL;
}

/* Those of the rx lcore here, while the strategy lcore polls on the other CPU; its own there, while the rx lcore polls
 * here. Two CPUs are not equally fast at all times, and may be one core. */
static void run_two_core_parts(void *context, double *ret_ns)
{
    struct gateway_rig *rig = context;
    pthread_t thread;

    gateway_rig_start(rig, peer_cpu);
    const double empty_ns = parts_run(&inline_rig, PART_RX, PART_CAUSE, two_core_part_ns);
    gateway_rig_stop(rig);
    __atomic_store_n(&parts_done, 0, __ATOMIC_RELAXED);
    CHECK(pthread_create(&thread, NULL, parts_thread, NULL) == 0);
    while (!__atomic_load_n(&parts_done, __ATOMIC_ACQUIRE)) /* paired with: parts_thread */
        rx_turn(&rig->rx);
    CHECK(pthread_join(thread, NULL) == 0);
    ret_ns[0] = parts_sum(two_core_part_ns, empty_ns) + hop_ns;
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
    struct bench_case cases[18 + 2 * RATES_MAX];
    struct bench_options options;
    uint32_t count = 0;

    if (!bench_open(argc, argv, &options))
        return 2;
    bench_eal_start(argv[0], &options, MEMORY_MB, true);
    peer_cpu = options.peer_cpu;
    pause_ticks = (uint64_t)(PAUSE_NS / bench_ns(1));
    samples_init(&samples, FRAMES);
    samples_init(&loop_samples, FRAMES);
    samples_init(&long_samples, FRAMES);
    gateway_rig_open(&inline_rig, "inline", false, (uint32_t)options.cpu);
    loop_open(&inline_rig);
#define CASE(...) cases[count++] = (struct bench_case){__VA_ARGS__}
    CASE(.name = "t2t_inline_ns", .run = run_inline, .context = &inline_rig, .value_count = FRACTIONS,
         .value_names = FRACTION_NAMES);
    CASE(.name = "dpdk_loop_ns", .run = run_loop, .value_count = FRACTIONS,
         .value_names = FRACTION_NAMES);
    CASE(.name = "dpdk_loop_as_long_ns", .run = run_loop_as_long, .value_count = FRACTIONS,
         .value_names = FRACTION_NAMES);
    CASE(.name = "t2t_inline_tail_ns", .run = run_tail);
    CASE(.name = "t2t_inline_tail_as_long_ns", .run = run_tail_as_long);
    CASE(.name = "dpdk_loop_burst_1_ns", .run = run_loop_burst, .context = &bursts[0]);
    CASE(.name = "dpdk_loop_burst_32_ns", .run = run_loop_burst, .context = &bursts[1]);
    CASE(.name = "t2t_inline_part_ns", .run = run_parts, .context = &inline_rig, .value_count = PART_COUNT - 1,
         .value_names = PART_NAMES);
    CASE(.name = "t2t_inline_parts_ns", .run = run_inline_parts);
    CASE(.name = "t2t_inline_stage_ns", .run = run_stages, .context = &inline_rig, .value_count = STAGES,
         .value_names = STAGE_NAMES);
    const uint32_t inline_rates = rates_find(&inline_rig, -1, "inline", options.brief, rates[0]);
    for (uint32_t i = 0; i < inline_rates; i++)
        CASE(.name = rates[0][i].name, .run = rate_run, .context = &rates[0][i], .value_count = RATE_VALUES,
             .value_names = RATE_NAMES);
    if (peer_cpu >= 0) {
        gateway_rig_open(&two_core_rig, "two_core", true, (uint32_t)options.cpu);
        hop_open();
        CASE(.name = "t2t_hop_ns", .run = run_hop);
        CASE(.name = "t2t_ring_ns", .run = run_ring, .context = &two_core_rig, .value_count = FRACTIONS,
             .value_names = FRACTION_NAMES);
        CASE(.name = "t2t_two_core_ns", .run = run_two_core, .context = &two_core_rig, .value_count = FRACTIONS,
             .value_names = FRACTION_NAMES);
        const uint32_t base = count - 1;
        CASE(.name = "t2t_two_core_parts_ns", .run = run_two_core_parts, .context = &two_core_rig, .base = base);
        CASE(.name = "t2t_two_core_stage_ns", .run = run_stages, .context = &two_core_rig, .value_count = STAGES,
             .value_names = STAGE_NAMES);
        const uint32_t two_core_rates = rates_find(&two_core_rig, peer_cpu, "two_core", options.brief, rates[1]);
        for (uint32_t i = 0; i < two_core_rates; i++)
            CASE(.name = rates[1][i].name, .run = rate_run, .context = &rates[1][i], .value_count = RATE_VALUES,
                 .value_names = RATE_NAMES);
    }
#undef CASE
    return bench_run(&options, "t2t", cases, count);
}
