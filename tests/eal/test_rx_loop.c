/* rx_loop and strategy_loop together: two rx lcores feed one strategy lcore, turned by hand on one thread, so that a
 * burst of one ring is cut where the other one's turn comes. Their clocks stand still at the times that the test
 * chooses: whatever is decided by a frame must be decided at its time, also where the other ring was read meanwhile. */
#include "gateway/rx_loop.h"

#include "feed/itch.h"
#include "feed/wire.h"
#include "gateway/capture/capture.h"
#include "tests/eal/eal_fixture.h"

#include <rte_eth_ring.h>
#include <stdlib.h>
#include <string.h>

#define RINGS 2u
#define INSTRUMENTS 2u
#define EVENTS 1024u       /* slots of an md_ring */
#define ADDS_MAX 4096u     /* of one ring, in one test */
#define MESSAGES_MAX 36u   /* of one frame: with its time more events than the strategy loop takes at once */
#define BURST RX_BURST_MAX /* frames; the strategy loop takes fewer events from one ring before it looks at the next */
#define GROUP 0xefc00101u
#define UDP_PORT 26477u
#define OPENING_NS UINT64_C(1000000)
#define SILENCE_NS UINT64_C(1000000000)

struct feed {
    struct rx *rx;
    struct rte_ring *in;
    struct clock clock; /* stands still */
    struct md_ring ring;
    struct md_ring_reader reader;
    void *slots, *channel, *causes;
    uint64_t seq;       /* of the newest message, which is the reference of its order */
};

static struct feed feeds[RINGS];
static struct strategy_lcore *lcore;
static struct rte_mempool *pool;
static void *market_memory, *open_memory;

/* What the strategy heard, and what it wants: an order of each add from this one on, of channel 0. */
static uint64_t decided_ns[RINGS][ADDS_MAX];
static uint32_t decided_count, turn_count;
static uint16_t decided_channel;
static uint64_t order_from;

static void on_event(void *state, const struct md_event *event, uint64_t now_ns, struct strategy_out *out)
{
    (void)state;
    if (event->type != MD_ADD)
        return;
    cr_assert(event->channel < RINGS && event->ref < ADDS_MAX);
    cr_assert_eq(decided_ns[event->channel][event->ref], 0u, "each add once");
    decided_ns[event->channel][event->ref] = now_ns;
    decided_count++;
    turn_count += event->channel != decided_channel;
    decided_channel = event->channel;
    if (event->channel == 0 && event->ref >= order_from)
        out->intent[out->count++] = (struct order_intent){
            .action = ORDER_NEW, .side = 'B', .tif = ORDER_IOC, .instrument = 1, .price = event->ask_price, .qty = 1};
}

static void on_order(void *state, const struct order_event *event, struct strategy_out *out)
{
    (void)state;
    (void)event;
    (void)out;
}

static const struct strategy_ops ops = {.name = "test", .on_event = on_event, .on_order = on_order};

/* The feed's next messages: the first is the directory, all others are adds whose reference is their number. */
static struct itch_msg message_next(struct feed *feed)
{
    if (++feed->seq == 1)
        return (struct itch_msg){
            .type = ITCH_STOCK_DIRECTORY, .locate = 1, .directory = {.stock = md_symbol("ABC"), .round_lot = 100}};
    return (struct itch_msg){.type = ITCH_ADD,
                             .locate = 1,
                             .add = {.ref = feed->seq, .qty = 100, .price = 1000200, .side = 'S'}};
}

/* A frame of a datagram whose payload is in `bytes`, into the rx ring. */
static void put_datagram(struct feed *feed, uint8_t *bytes, uint32_t group, uint32_t payload_len)
{
    const uint32_t frame_len = capture_encode_udp(bytes, group, UDP_PORT, 1, UDP_PORT, payload_len);
    struct rte_mbuf *frame = rte_pktmbuf_alloc(pool);

    cr_assert(frame && rte_ring_sp_enqueue(feed->in, frame) == 0);
    memcpy(rte_pktmbuf_append(frame, (uint16_t)frame_len), bytes, frame_len);
}

/* A frame of so many of them. */
static void put(struct feed *feed, uint32_t count)
{
    uint8_t bytes[CAPTURE_HEADERS_LEN + MOLD_HEADER_LEN + MESSAGES_MAX * (2 + ITCH_LENGTH_MAX)];
    uint8_t *payload = bytes + CAPTURE_HEADERS_LEN;
    uint32_t payload_len = MOLD_HEADER_LEN;

    mold_encode_header(payload, "TWO RINGS ", feed->seq + 1, (uint16_t)count);
    for (uint32_t i = 0; i < count; i++) {
        const struct itch_msg msg = message_next(feed);
        const uint32_t len = itch_encode(&msg, payload + payload_len + 2);
        store_be16(payload + payload_len, (uint16_t)len);
        payload_len += 2 + len;
    }
    put_datagram(feed, bytes, GROUP, payload_len);
}

/* A burst of `count` frames of `messages` each, that arrives at `now_ns`. */
static void burst(uint32_t ring, uint32_t count, uint32_t messages, uint64_t now_ns)
{
    struct feed *feed = &feeds[ring];

    for (uint32_t i = 0; i < count; i++)
        put(feed, messages);
    feed->clock.set[0].line.ns = now_ns;
    cr_assert_eq(rx_turn(feed->rx), count);
}

static void decide_all(void)
{
    while (strategy_poll(lcore) > 0)
        continue;
}

static uint16_t port_open(const char *name, struct rte_ring *in, struct rte_ring *out)
{
    const struct rte_eth_conf conf = {0};
    const int id = rte_eth_from_rings(name, &in, 1, &out, 1, 0);

    cr_assert(id >= 0);
    const uint16_t port_id = (uint16_t)id;
    cr_assert_eq(rte_eth_dev_configure(port_id, 1, 1, &conf), 0);
    cr_assert_eq(rte_eth_rx_queue_setup(port_id, 0, 64, 0, NULL, pool), 0);
    cr_assert_eq(rte_eth_tx_queue_setup(port_id, 0, 64, 0, NULL), 0);
    cr_assert_eq(rte_eth_dev_start(port_id), 0);
    return port_id;
}

static struct rte_ring *wire_make(const char *name)
{
    struct rte_ring *wire = rte_ring_create(name, 2 * BURST, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);

    cr_assert(wire);
    return wire;
}

static void *zeroed(size_t bytes)
{
    bytes = (bytes + CACHE_LINE_BYTES - 1) / CACHE_LINE_BYTES * CACHE_LINE_BYTES;
    return memset(aligned_alloc(CACHE_LINE_BYTES, bytes), 0, bytes);
}

static void feed_open(uint16_t index)
{
    static const char *const names[RINGS] = {"feed0", "feed1"}, *const unused[RINGS] = {"unused0", "unused1"};
    const struct channel_params params = {
        .book = {.instruments_max = INSTRUMENTS, .orders_max = ADDS_MAX, .levels_max = 64},
        .line_count = 1, .hold_messages = 64, .first_seq = 1, .index = index, .silence_ns = SILENCE_NS};
    struct feed *feed = &feeds[index];

    feed->in = wire_make(names[index]);
    feed->slots = zeroed(EVENTS * sizeof(struct md_slot));
    md_ring_init(&feed->ring, feed->slots, EVENTS, 1);
    md_ring_reader_init(&feed->reader, &feed->ring);
    feed->channel = zeroed(channel_footprint(&params));
    feed->causes = zeroed(EVENTS * sizeof(struct cause));
    feed->rx = zeroed(sizeof(*feed->rx));
    feed->rx->burst = BURST;
    feed->rx->clock = &feed->clock;
    feed->rx->deadline_ns = UINT64_MAX;
    feed->rx->queue[feed->rx->queue_count++].port_id = port_open(names[index], feed->in, wire_make(unused[index]));
    feed->rx->causes = (struct causes){.slot = feed->causes, .mask = EVENTS - 1};
    feed->rx->ring = &feed->ring;
    feed->rx->channel[feed->rx->channel_count++] = channel_init(feed->channel, &params);
    cr_assert(line_add(&feed->rx->lines, GROUP, UDP_PORT, 0, feed->rx->channel[0], 0));
    lcore->reader[lcore->reader_count++] = &feed->reader;
}

static void start(void)
{
    static const struct order_frame_route route = {
        .local_ip = 0x0a000001, .peer_ip = 0x0a000002, .local_port = 1, .peer_port = 2};
    static const struct risk_limits limits = {.order_qty_max = 1,
                                              .order_notional_max = UINT64_C(1) << 40,
                                              .collar_bps = 100,
                                              .rate_per_s = 1000000, /* one in 1000 ns */
                                              .rate_burst = 1,
                                              .position_max = 1000};
    static const uint32_t counts[RINGS] = {INSTRUMENTS, INSTRUMENTS};

    eal_fixture_start("rx-loop");
    pool = rte_pktmbuf_pool_create("frames", 511, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
    cr_assert(pool);
    lcore = zeroed(sizeof(*lcore));
    for (uint16_t i = 0; i < RINGS; i++)
        feed_open(i);
    lcore->path = zeroed(sizeof(*lcore->path));
    lcore->path->carrier = CONFIG_CARRIER_UDP;
    lcore->path->tx = zeroed(sizeof(*lcore->path->tx));
    const uint16_t port_id = port_open("orders", wire_make("silent"), wire_make("wire"));
    cr_assert_eq(order_tx_init(lcore->path->tx, &route, port_id, 0, pool, 16), 0);
    market_memory = zeroed(market_footprint(counts, RINGS));
    market_init(&lcore->market, market_memory, counts, RINGS);
    open_memory = zeroed(open_footprint(64));
    open_init(&lcore->open, open_memory, 64, 1, 1000); /* reservations end after 1000 ns */
    risk_init(&lcore->risk, &limits, false);
    lcore->risk.session_up = true;
    strategy_hists_init(lcore);
    lcore->strategy[lcore->strategy_count++] = (struct strategy_slot){.ops = &ops, .name = "test"};

    order_from = UINT64_MAX;
    for (uint32_t i = 0; i < RINGS; i++)
        burst(i, 1, 1, OPENING_NS);
    decide_all();
}

static void stop(void)
{
    order_tx_finish(lcore->path->tx);
    free(lcore->path->tx);
    free(lcore->path);
    free(lcore);
    free(market_memory);
    free(open_memory);
    for (uint32_t i = 0; i < RINGS; i++) {
        free(feeds[i].rx);
        free(feeds[i].slots);
        free(feeds[i].channel);
        free(feeds[i].causes);
    }
    eal_fixture_stop();
}

TestSuite(rx_loop, .init = start, .fini = stop, .timeout = 60);

/* Bursts of at most so many frames and messages a frame: each add is decided at the time of its frame. */
static void decide_bursts(uint32_t frames_max, uint32_t messages_max)
{
    static uint64_t arrived_ns[RINGS][ADDS_MAX];
    const uint32_t rounds = 50;
    uint64_t seed = 7, now_ns = OPENING_NS;
    uint32_t add_count = 0;

    for (uint32_t round = 0; round < rounds; round++) {
        for (uint32_t i = 0; i < RINGS; i++) {
            const uint32_t ring = (i + round) % RINGS; /* now one is ahead in time, now the other */
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            const uint32_t count = frames_max - (uint32_t)(seed >> 33) % (frames_max + 1) / 2;
            now_ns += 700;
            for (uint32_t k = 1; k <= count * messages_max; k++)
                arrived_ns[ring][feeds[ring].seq + k] = now_ns;
            burst(ring, count, messages_max, now_ns);
            add_count += count * messages_max;
        }
        decide_all();
    }
    cr_assert_eq(decided_count, add_count);
    cr_assert_geq(turn_count, 3 * rounds, "each ring's burst was cut");
    for (uint32_t ring = 0; ring < RINGS; ring++)
        for (uint64_t ref = 0; ref <= feeds[ring].seq; ref++)
            cr_assert_eq(decided_ns[ring][ref], arrived_ns[ring][ref], "add %lu of ring %u: decided at %lu, not %lu",
                         ref, ring, decided_ns[ring][ref], arrived_ns[ring][ref]);
}

Test(rx_loop, frames_of_two_rings_are_each_decided_at_their_own_time)
{
    decide_bursts(BURST, 1);
}

Test(rx_loop, a_frame_that_is_read_in_two_parts_keeps_its_time)
{
    decide_bursts(1, MESSAGES_MAX);
}

Test(rx_loop, the_gate_counts_orders_by_the_time_of_their_frames)
{
    const uint64_t now_ns = OPENING_NS + 10000;

    order_from = 0; /* an order a frame, and one in 1000 ns may pass */
    burst(0, BURST, 1, now_ns);
    burst(1, 1, 1, now_ns + 1000);
    decide_all();
    cr_assert_eq(turn_count, 2u, "ring 1 was read in the middle of ring 0's burst");
    cr_assert_eq(lcore->risk.verdict_count[RISK_PASS], 1u, "at the time of ring 1 another one would have passed");
    cr_assert_eq(lcore->risk.verdict_count[RISK_RATE], BURST - 1);
}

Test(rx_loop, a_reservation_is_timed_from_its_own_frame)
{
    const uint64_t now_ns = OPENING_NS + 10000;

    order_from = feeds[0].seq + BURST; /* the last of the burst, behind what ring 1 has brought */
    burst(0, BURST, 1, now_ns);
    burst(1, 1, 1, now_ns + 900);
    decide_all();
    cr_assert_eq(turn_count, 2u, "ring 1 was read in the middle of ring 0's burst");
    cr_assert_eq(lcore->open.count, 1u);
    order_from = UINT64_MAX;
    burst(0, 1, 1, now_ns + 999);
    decide_all();
    cr_assert_eq(lcore->open.count, 1u, "not before its time is over");
    burst(0, 1, 1, now_ns + 1000);
    decide_all();
    cr_assert_eq(lcore->open.count, 0u);
    cr_assert_eq(lcore->release_count, 1u);
}

Test(rx_loop, a_flood_of_foreign_frames_hides_no_silence)
{
    static uint8_t bytes[CAPTURE_HEADERS_LEN + MOLD_HEADER_LEN];
    struct feed *feed = &feeds[0];

    for (uint32_t i = 1; i <= 2; i++) {
        put_datagram(feed, bytes, GROUP + 1, MOLD_HEADER_LEN);
        feed->clock.set[0].line.ns = OPENING_NS + i * SILENCE_NS / 2;
        cr_assert_eq(rx_turn(feed->rx), 1u);
        cr_assert_eq(feed->rx->foreign_count, i);
        cr_assert_eq(channel_stale(feed->rx->channel[0]), i == 2);
    }
}

/* A ring to the control thread that is full: nothing waits, nothing is forgotten. */
Test(rx_loop, an_ask_for_recovery_that_finds_no_room_is_counted_and_made_again)
{
    const uint64_t ms = 1000000, opening_ns = 1000 * ms;
    const struct channel_params params = {
        .book = {.instruments_max = INSTRUMENTS, .orders_max = ADDS_MAX, .levels_max = 64},
        .line_count = 1, .reorder_packets = 64, .reorder_ns = ms, .hold_messages = 64, .stale_at_once = true,
        .first_seq = 1,
        .recovery = {.retransmit = {.server_count = 1, .request_messages = 64, .in_flight = 1, .rate_per_s = 1000,
                                    .rate_burst = 10, .attempts = 2, .timeout_ns = 5 * ms, .timeout_max_ns = 5 * ms},
                     .gap_max = 1000, .snapshot = true, .spin_retry_ns = 50 * ms, .spin_retry_max_ns = 50 * ms}};
    const struct recovery_ask filler = {.type = RECOVERY_SPIN_STOP};
    struct recovery_link *link = zeroed(sizeof(*link));
    struct rx *rx = feeds[0].rx;
    void *memory = zeroed(channel_footprint(&params));
    struct channel *channel = channel_init(memory, &params);
    uint8_t heartbeat[MOLD_HEADER_LEN];
    struct channel_cursor cursor;
    struct recovery_ask asked;

    recovery_link_init(link);
    rx->channel[0] = channel;
    rx->link[0] = link;
    mold_encode_header(heartbeat, "TWO RINGS ", 5, 0); /* 1 to 4 are missing */
    if (channel_receive(channel, 0, heartbeat, sizeof(heartbeat), opening_ns, 0, &cursor))
        rx_publish(rx, channel, &cursor);
    while (recovery_link_ask(link, &filler))
        continue;
    rx->now_ns = opening_ns + ms;
    rx_recover(rx);
    cr_assert_eq(rx->ask_lost_count, 1u);
    while (recovery_link_next(link, &asked))
        cr_assert_eq(asked.type, RECOVERY_SPIN_STOP);
    rx_recover(rx);
    cr_assert_not(recovery_link_next(link, &asked), "as one that was made, until its time is over");
    rx->now_ns += 5 * ms;
    rx_recover(rx);
    cr_assert(recovery_link_next(link, &asked));
    cr_assert(asked.type == RECOVERY_REQUEST && asked.seq == 1 && asked.count == 4);

    while (recovery_link_ask(link, &filler)) /* nobody answers: a snapshot it shall be */
        continue;
    rx->now_ns += 5 * ms;
    for (uint32_t turns = 0; rx->ask_lost_count == 1 && turns < 10; turns++)
        rx_recover(rx);
    cr_assert_eq(rx->ask_lost_count, 2u);
    cr_assert_eq(channel_counters(channel)->spin_lost_count, 1u, "of which nobody will hear an end");
    while (recovery_link_next(link, &asked))
        continue;
    rx->now_ns += 50 * ms;
    for (uint32_t turns = 0; turns < 10; turns++)
        rx_recover(rx);
    cr_assert(recovery_link_next(link, &asked));
    cr_assert(asked.type == RECOVERY_SPIN && asked.spin > 0);
    cr_assert_eq(rx->ask_lost_count, 2u);
    free(memory);
    free(link);
}
