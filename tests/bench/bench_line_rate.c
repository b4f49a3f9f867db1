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
 *                       nobody has to read: its per_s is messages_per_s
 *   message_traded_ns   the same day with books: traded of 100 symbols, every 80th of the 8,000 by their activity, the
 *                       most active one first: 87 % of the messages are passed over; room for 65,536 orders instead of
 *                       two million
 *   message_active_ns   ... of the 100 most active ones: 45 % are; 262,144 */
#include "tests/bench/gateway_rig.h"

#include "feed/mold.h"
#include "gateway/capture/capture.h"
#include "tests/bench/bench_eal.h"
#include "tests/bench/workload.h"

#include <stdio.h>
#include <string.h>

#define MEMORY_MB 128u          /* of DPDK: four gateways */
#define BURST 32u
#define BURSTS 4000u            /* of one round */
#define BURSTS_BRIEF 1000u
#define DAY_MESSAGES 200000u    /* of one round */
#define DAY_MESSAGES_BRIEF 50000u
#define DAY_SYMBOLS 8000u
#define DAY_ORDERS 400000u
#define DAY_WARM 4000000u
#define DAY_WARM_BRIEF 1000000u
#define TRADED 100u

/* A gateway that takes the day, from frame to frame. */
struct day {
    struct gateway_rig rig;
    uint32_t frame;
    uint32_t message_count; /* of one round */
    uint64_t traded[TRADED];
};

static struct gateway_rig rig;
static struct workload workload;
static struct day day_all, day_traded, day_active;
static uint32_t bursts;
static double feeder_ns;
static uint8_t heartbeat[GATEWAY_RIG_FRAME_MAX];

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

/* As a venue says it: what comes next. */
static void run_heartbeat(void *feed, double *ret_ns)
{
    (void)gateway_rig_heartbeat(&rig, heartbeat);
    run_same(feed, ret_ns);
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

static struct rte_mbuf *day_next(struct day *day)
{
    const struct workload_frame *frame = &workload.frames[day->frame++];
    struct rte_mbuf *mbuf = rte_pktmbuf_alloc(day->rig.frames);

    CHECK(mbuf && day->frame <= workload.frame_count);
    memcpy(rte_pktmbuf_append(mbuf, (uint16_t)frame->len), frame->data, frame->len);
    return mbuf;
}

/* One burst; returns the ticks that the loop took. */
static uint64_t day_burst(struct day *day, uint32_t *ret_messages)
{
    struct rte_mbuf *frames[BURST];

    for (uint32_t i = 0; i < BURST; i++) {
        *ret_messages += workload.frames[day->frame].message_count;
        frames[i] = day_next(day);
    }
    CHECK(rte_ring_sp_enqueue_bulk(day->rig.in, (void **)frames, BURST, NULL) == BURST);
    const uint64_t begin_tsc = clock_tsc_ordered();
    CHECK(rx_turn(&day->rig.rx) == BURST);
    return clock_tsc_ordered() - begin_tsc;
}

static void run_day(void *context, double *ret_ns)
{
    struct day *day = context;
    uint32_t messages = 0;
    uint64_t ticks = 0;

    while (messages < day->message_count)
        ticks += day_burst(day, &messages);
    ret_ns[0] = bench_ns(ticks) / messages;
}

/* Symbols by activity: how many messages of the first hour, in the upper half of a word, and the stock locate. */
static uint64_t activity[DAY_SYMBOLS + 1];
static uint64_t symbols[DAY_SYMBOLS + 1];

static int by_activity(const void *left, const void *right)
{
    const uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a < b) - (a > b);
}

static int by_name(const void *left, const void *right)
{
    return by_activity(right, left);
}

static void activity_count(void)
{
    const uint8_t *block = workload.blocks;

    for (uint32_t i = 0; i < workload.warm_message_count; i++) {
        const uint8_t *message;
        uint32_t message_len;
        struct itch_msg msg;
        block = mold_next(block, &message, &message_len);
        CHECK(itch_decode(message, message_len, &msg) == ITCH_OK && msg.locate <= DAY_SYMBOLS);
        activity[msg.locate] = (activity[msg.locate] + (UINT64_C(1) << 32)) | msg.locate;
        if (msg.type == ITCH_STOCK_DIRECTORY)
            symbols[msg.locate] = msg.directory.stock;
    }
    activity[0] = 0; /* of the whole market */
    qsort(activity, DAY_SYMBOLS + 1, sizeof(activity[0]), by_activity);
}

/* `step`: every so many-th symbol has a book, by activity; 0: all have. `orders_max`: as a desk would set it. */
static void day_open(struct day *day, const char *name, uint32_t step, uint32_t orders_max, uint32_t cpu)
{
    struct channel_params params = {
        .book = {.instruments_max = DAY_SYMBOLS + 1, .orders_max = orders_max, .levels_max = orders_max / 2},
        .line_count = 1, .reorder_packets = 64, .reorder_ns = 2000000, .hold_messages = 1024, .first_seq = 1,
    };
    uint32_t messages = 0;

    if (step > 0) {
        for (uint32_t i = 0; i < TRADED; i++)
            day->traded[i] = symbols[(uint32_t)activity[i * step]];
        qsort(day->traded, TRADED, sizeof(day->traded[0]), by_name);
        params.traded = day->traded;
        params.traded_count = TRADED;
    }
    gateway_rig_feed(&day->rig, name, &params, cpu);
    while (day->frame + BURST <= workload.warm_frame_count)
        (void)day_burst(day, &messages);
}

/* Its books are whole, and so many percent of the messages were passed over at least. */
static void day_check(struct day *day, uint32_t percent)
{
    struct channel *channel = day->rig.rx.channel[0];
    const struct channel_counters *counters = channel_counters(channel);
    const struct book_counters *book = book_counters(channel_book(channel));

    CHECK(!channel_stale(channel) && book->verdict[BOOK_ORDERS_FULL] + book->verdict[BOOK_LEVELS_FULL] == 0);
    CHECK(book->verdict[BOOK_OK] > 0 && book->verdict[BOOK_ORPHAN] == 0);
    CHECK(counters->untraded_count >= counters->message_count * percent / 100);
    CHECK((counters->untraded_count > 0) == (percent > 0));
}

int main(int argc, char **argv)
{
    static uint8_t foreign[GATEWAY_RIG_FRAME_MAX];
    struct feed heartbeats = {.frame = frame_same, .bytes = heartbeat};
    struct feed foreigners = {.frame = frame_same, .bytes = foreign, .len = 60};
    struct bench_options options;

    if (!bench_open(argc, argv, &options))
        return 2;
    bench_eal_start(argv[0], &options, MEMORY_MB, true);
    bursts = options.brief ? BURSTS_BRIEF : BURSTS;
    const uint32_t day_messages = options.brief ? DAY_MESSAGES_BRIEF : DAY_MESSAGES;
    gateway_rig_open(&rig, "line", true, (uint32_t)options.cpu);
    heartbeats.len = gateway_rig_heartbeat(&rig, heartbeat);
    memset(foreign, 0xff, 6);
    foreign[12] = 0x08; /* ARP */
    foreign[13] = 0x06;
    workload_init(&workload, DAY_SYMBOLS, DAY_ORDERS, options.brief ? DAY_WARM_BRIEF : DAY_WARM,
                  (options.rounds + 1) * (day_messages + BURST * 64) + BURST * 64);
    activity_count();
    day_all.message_count = day_traded.message_count = day_active.message_count = day_messages;
    day_open(&day_all, "day", 0, 1u << 21, (uint32_t)options.cpu);
    day_open(&day_traded, "traded", DAY_SYMBOLS / TRADED, 1u << 16, (uint32_t)options.cpu);
    day_open(&day_active, "active", 1, 1u << 18, (uint32_t)options.cpu);
    const struct bench_case cases[] = {
        {.name = "limit_rx_ns", .run = run_limit, .context = &heartbeats},
        {.name = "line_heartbeat_ns", .run = run_heartbeat, .context = &heartbeats},
        {.name = "line_foreign_ns", .run = run_same, .context = &foreigners},
        {.name = "line_feeder_ns", .run = run_feeder},
        {.name = "line_add_ns", .run = run_add},
        {.name = "line_add_book_ns", .run = run_add, .context = &rig},
        {.name = "message_ns", .run = run_day, .context = &day_all},
        {.name = "message_traded_ns", .run = run_day, .context = &day_traded},
        {.name = "message_active_ns", .run = run_day, .context = &day_active},
    };
    const int status = bench_run(&options, "line_rate", cases, sizeof(cases) / sizeof(cases[0]));
    CHECK(!channel_stale(rig.rx.channel[0]));
    day_check(&day_all, 0);
    day_check(&day_traded, 85);
    day_check(&day_active, 43);
    return status;
}
