/* Line rate on one receive lcore, from an in-memory port: what a packet costs the gateway's own receive loop
 * (gateway_rig.h: rx_turn, burst 32), in ns and as packets a second. A step of the same thread puts 32 frames into the
 * rx ring, then the loop takes them; the two are stamped apart, so that what the feeder costs (line_feeder_ns: buffer,
 * copy, sequence, ring) is in no other row.
 *
 *   line_heartbeat_ns   MoldUDP64 heartbeats, 62 bytes and frame check sequence: 14.5 million/s are line rate at 10 GbE
 *   line_add_ns         packets of one Add (or its Delete) on line B, which line A has brought before: parse, channel
 *                       look-up, arbitration
 *   line_add_book_ns    the same on line A: book, events and md_ring too
 *   line_foreign_ns     frames of 60 bytes and frame check sequence, no IPv4: refused at parse
 *   limit_rx_ns         heartbeats taken from the port and given back, not looked at
 *   message_ns          a generated day, 8,000 symbols, 2.7 messages a packet, through books into an md_ring that
 *                       nobody has to read: its per_s is messages_per_s */
#include "tests/bench/gateway_rig.h"

#include "gateway/capture/capture.h"
#include "tests/bench/bench.h"
#include "tests/bench/workload.h"

#include <stdio.h>
#include <string.h>

#define BURST 32u
#define BURSTS 4000u            /* of one round */
#define BURSTS_BRIEF 1000u
#define DAY_MESSAGES 200000u    /* of one round */
#define DAY_MESSAGES_BRIEF 50000u
#define DAY_SYMBOLS 8000u
#define DAY_ORDERS 400000u
#define DAY_WARM 4000000u
#define DAY_WARM_BRIEF 1000000u

static struct gateway_rig rig, day_rig;
static struct workload day;
static uint32_t day_frame, bursts;
static double feeder_ns;

/* --- a round: the feeder's step, then the loop's */

struct feed {
    struct rte_mbuf *(*frame)(const struct feed *feed);
    uint32_t line;
    const uint8_t *bytes;
    uint16_t len;
};

struct spent {
    uint64_t feeder, loop;
};

static void burst_feed(const struct feed *feed)
{
    struct rte_mbuf *frames[BURST];

    for (uint32_t i = 0; i < BURST; i++)
        frames[i] = feed->frame(feed);
    CHECK(rte_ring_sp_enqueue_bulk(rig.in, (void **)frames, BURST, NULL) == BURST);
}

static void burst_take(void)
{
    CHECK(rx_turn(&rig.rx) == BURST);
}

static void burst_drop(void)
{
    struct rte_mbuf *frames[BURST];

    CHECK(rte_eth_rx_burst(rig.feed_port, 0, frames, BURST) == BURST);
    for (uint32_t i = 0; i < BURST; i++)
        rte_pktmbuf_free(frames[i]);
}

static struct spent round_run(const struct feed *feed, void (*take)(void))
{
    struct spent spent = {0};

    uint64_t tsc = clock_tsc_ordered();
    for (uint32_t i = 0; i < bursts; i++) {
        burst_feed(feed);
        const uint64_t fed_tsc = clock_tsc_ordered();
        take();
        const uint64_t taken_tsc = clock_tsc_ordered();
        spent.feeder += fed_tsc - tsc;
        spent.loop += taken_tsc - fed_tsc;
        tsc = taken_tsc;
    }
    return spent;
}

static double ns_each(uint64_t ticks)
{
    return bench_ns(ticks) / bursts / BURST;
}

/* --- cases */

static struct rte_mbuf *frame_same(const struct feed *feed)
{
    return gateway_rig_bytes(&rig, feed->bytes, feed->len);
}

static struct rte_mbuf *frame_next(const struct feed *feed)
{
    return gateway_rig_frame(&rig, feed->line);
}

static void run_same(void *feed, double *ret_ns)
{
    const uint64_t event_count = rig.rx.event_count;
    const struct spent spent = round_run(feed, burst_take);

    ret_ns[0] = ns_each(spent.loop);
    feeder_ns = ns_each(spent.feeder);
    CHECK(rig.rx.event_count - event_count <= bursts); /* MD_TIME at most: nothing was new */
}

static void run_limit(void *feed, double *ret_ns)
{
    ret_ns[0] = ns_each(round_run(feed, burst_drop).loop);
}

static void run_feeder(void *unused, double *ret_ns)
{
    (void)unused;
    ret_ns[0] = feeder_ns;
}

/* Line A first, not measured, or as the case itself. In the meantime as many as line B may be behind. */
static void run_add(void *book, double *ret_ns)
{
    static const struct feed feeds[2] = {{.frame = frame_next, .line = 0}, {.frame = frame_next, .line = 1}};
    const uint64_t event_count = rig.rx.event_count;
    struct spent sum = {0};

    for (uint32_t done = 0; done < bursts * BURST; done += GATEWAY_RIG_RING) {
        for (uint32_t line = 0; line < 2; line++)
            for (uint32_t i = 0; i < GATEWAY_RIG_RING / BURST; i++) {
                burst_feed(&feeds[line]);
                const uint64_t begin_tsc = clock_tsc_ordered();
                burst_take();
                if ((line == 0) == (book != NULL))
                    sum.loop += clock_tsc_ordered() - begin_tsc;
            }
    }
    const uint32_t count = (bursts * BURST + GATEWAY_RIG_RING - 1) / GATEWAY_RIG_RING * GATEWAY_RIG_RING;
    ret_ns[0] = bench_ns(sum.loop) / count;
    CHECK(rig.rx.event_count - event_count >= count); /* line A was new, all of it */
}

/* --- a day */

static struct rte_mbuf *day_next(void)
{
    const struct workload_frame *frame = &day.frames[day_frame++];
    struct rte_mbuf *mbuf = rte_pktmbuf_alloc(day_rig.frames);

    CHECK(mbuf && day_frame <= day.frame_count);
    memcpy(rte_pktmbuf_append(mbuf, (uint16_t)frame->len), frame->data, frame->len);
    return mbuf;
}

/* One burst; returns the ticks that the loop took. */
static uint64_t day_burst(uint32_t *ret_messages)
{
    struct rte_mbuf *frames[BURST];

    for (uint32_t i = 0; i < BURST; i++) {
        *ret_messages += day.frames[day_frame].message_count;
        frames[i] = day_next();
    }
    CHECK(rte_ring_sp_enqueue_bulk(day_rig.in, (void **)frames, BURST, NULL) == BURST);
    const uint64_t begin_tsc = clock_tsc_ordered();
    CHECK(rx_turn(&day_rig.rx) == BURST);
    return clock_tsc_ordered() - begin_tsc;
}

static void run_day(void *message_count, double *ret_ns)
{
    uint32_t messages = 0;
    uint64_t ticks = 0;

    while (messages < *(const uint32_t *)message_count)
        ticks += day_burst(&messages);
    ret_ns[0] = bench_ns(ticks) / messages;
}

static void day_open(uint32_t warm, uint32_t measured, uint32_t cpu)
{
    const struct channel_params params = {
        .book = {.instruments_max = DAY_SYMBOLS + 1, .orders_max = 1u << 21, .levels_max = 1u << 20},
        .line_count = 1, .reorder_packets = 64, .reorder_ns = 2000000, .hold_messages = 1024, .first_seq = 1,
    };
    uint32_t messages = 0;

    workload_init(&day, DAY_SYMBOLS, DAY_ORDERS, warm, measured + BURST * 64);
    CHECK(day.live_order_max < params.book.orders_max);
    gateway_rig_feed(&day_rig, "day", &params, cpu);
    while (day_frame + BURST <= day.warm_frame_count)
        (void)day_burst(&messages);
}

int main(int argc, char **argv)
{
    static uint8_t heartbeat[GATEWAY_RIG_FRAME_MAX], foreign[GATEWAY_RIG_FRAME_MAX];
    static uint32_t day_messages;
    struct feed heartbeats = {.frame = frame_same, .bytes = heartbeat};
    struct feed foreigners = {.frame = frame_same, .bytes = foreign, .len = 60};
    struct bench_options options;

    if (!bench_open(argc, argv, &options))
        return 2;
    gateway_rig_eal(argv[0], (uint32_t)options.cpu);
    bursts = options.brief ? BURSTS_BRIEF : BURSTS;
    day_messages = options.brief ? DAY_MESSAGES_BRIEF : DAY_MESSAGES;
    gateway_rig_open(&rig, "line", true, (uint32_t)options.cpu);
    heartbeats.len = gateway_rig_heartbeat(&rig, heartbeat);
    memset(foreign, 0xff, 6);
    foreign[12] = 0x08; /* ARP */
    foreign[13] = 0x06;
    day_open(options.brief ? DAY_WARM_BRIEF : DAY_WARM, (options.rounds + 1) * (day_messages + BURST * 64),
             (uint32_t)options.cpu);
    const struct bench_case cases[] = {
        {.name = "limit_rx_ns", .run = run_limit, .context = &heartbeats},
        {.name = "line_heartbeat_ns", .run = run_same, .context = &heartbeats},
        {.name = "line_foreign_ns", .run = run_same, .context = &foreigners},
        {.name = "line_feeder_ns", .run = run_feeder},
        {.name = "line_add_ns", .run = run_add},
        {.name = "line_add_book_ns", .run = run_add, .context = &rig},
        {.name = "message_ns", .run = run_day, .context = &day_messages},
    };
    const int status = bench_run(&options, "line_rate", cases, sizeof(cases) / sizeof(cases[0]));
    CHECK(!channel_stale(rig.rx.channel[0]) && !channel_stale(day_rig.rx.channel[0]));
    return status;
}
