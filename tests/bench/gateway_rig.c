/* See gateway_rig.h. */
#include "tests/bench/gateway_rig.h"

#include "feed/wire.h"
#include "gateway/capture/capture.h"
#include "gateway/strategy/strategy_table.h"
#include "tests/bench/bench.h"
#include "tests/bench/workload.h"

#include <rte_eth_ring.h>
#include <stdio.h>
#include <stdlib.h>

#define ORDER_FRAMES 128u    /* prepared; more than the send log has slots */
#define EVENTS 65536u        /* slots of the md_ring and of the causes */
#define OPEN_ORDERS 4096u
#define LEVELS 10u           /* of each side of a standing book, ORDERS_EACH orders in each */
#define ORDERS_EACH 5u
#define CENT 100
#define WARM_US 100u         /* as orders.warm_us by default */
#define WINDOW 65535u        /* of the venue's TCP */
#define GROUP_A 0xefc00101u
#define GROUP_B 0xefc00201u
#define UDP_PORT 26477u
#define SOURCE 0x0a0a0101u

static const struct order_frame_route route = {
    .tcp = true, .local_mac = {2, 0, 0, 0, 0, 1}, .peer_mac = {2, 0, 0, 0, 0, 2}, .local_ip = 0x0a000001,
    .peer_ip = 0x0a000002, .local_port = 40001, .peer_port = 26000, .window = 65535,
};
static const char session[MOLD_SESSION_LEN] = {'B', 'E', 'N', 'C', 'H', ' ', ' ', ' ', ' ', ' '};

/* --- the ports */

static uint16_t port_open(const char *name, struct rte_ring *rx, struct rte_ring *tx, struct rte_mempool *pool)
{
    const struct rte_eth_conf conf = {0};
    const int id = rte_eth_from_rings(name, &rx, 1, &tx, 1, 0);

    CHECK(id >= 0);
    const uint16_t port_id = (uint16_t)id;
    CHECK(rte_eth_dev_configure(port_id, 1, 1, &conf) == 0 &&
          rte_eth_rx_queue_setup(port_id, 0, 64, 0, NULL, pool) == 0 &&
          rte_eth_tx_queue_setup(port_id, 0, 64, 0, NULL) == 0 && rte_eth_dev_start(port_id) == 0);
    return port_id;
}

static struct rte_ring *ring_make(const char *name, const char *what)
{
    char text[32];

    snprintf(text, sizeof(text), "%s.%s", name, what);
    struct rte_ring *ring = rte_ring_create(text, GATEWAY_RIG_RING, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);
    CHECK(ring);
    return ring;
}

static struct rte_mempool *pool_make(const char *name, const char *what, uint32_t count)
{
    char text[32];

    snprintf(text, sizeof(text), "%s.%s", name, what);
    struct rte_mempool *pool =
        rte_pktmbuf_pool_create(text, count, count > 1023 ? 256 : 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
    CHECK(pool);
    return pool;
}

/* --- the feed */

static uint32_t packet_make(const struct itch_msg *msg, uint64_t seq, uint32_t line, uint8_t *ret_frame)
{
    uint8_t *payload = ret_frame + CAPTURE_HEADERS_LEN;
    const uint32_t len = itch_encode(msg, payload + MOLD_HEADER_LEN + 2);

    mold_encode_header(payload, session, seq, 1);
    store_be16(payload + MOLD_HEADER_LEN, (uint16_t)len);
    return capture_encode_udp(ret_frame, line == 0 ? GROUP_A : GROUP_B, UDP_PORT, SOURCE, UDP_PORT,
                              MOLD_HEADER_LEN + 2 + len);
}

static uint32_t base_price(uint32_t symbol)
{
    return 1000000 + symbol * 1000 * CENT;
}

static struct itch_msg phase_message(uint32_t symbol, uint32_t phase)
{
    const uint16_t locate = (uint16_t)(symbol + 1);
    const uint64_t ref = UINT64_C(1000000) + symbol;

    if (phase % 2 == 1)
        return (struct itch_msg){.type = ITCH_DELETE, .locate = locate, .delete = {.ref = ref}};
    return (struct itch_msg){.type = ITCH_ADD,
                             .locate = locate,
                             .add = {.ref = ref,
                                     .qty = 300,
                                     .price = base_price(symbol),
                                     .stock = md_symbol("BENCH"),
                                     .side = phase == 0 ? 'B' : 'S'}};
}

struct rte_mbuf *gateway_rig_bytes(struct gateway_rig *rig, const uint8_t *bytes, uint16_t len)
{
    struct rte_mbuf *frame = rte_pktmbuf_alloc(rig->frames);

    CHECK(frame);
    memcpy(rte_pktmbuf_mtod(frame, void *), bytes, GATEWAY_RIG_FRAME_MAX);
    frame->data_len = len;
    frame->pkt_len = len;
    return frame;
}

struct rte_mbuf *gateway_rig_frame(struct gateway_rig *rig, uint32_t line)
{
    const uint64_t message = rig->put[line]++;
    uint8_t *newest = &rig->newest[message % GATEWAY_RIG_RING];

    if (line == 0) {
        const uint32_t symbol = (uint32_t)(workload_random(&rig->random) % GATEWAY_RIG_SYMBOLS);
        *newest = (uint8_t)(symbol * GATEWAY_RIG_PHASES + rig->phase[symbol]);
        rig->phase[symbol] = (uint8_t)((rig->phase[symbol] + 1) % GATEWAY_RIG_PHASES);
    } else {
        DCHECK(message < rig->put[0] && rig->put[0] - message <= GATEWAY_RIG_RING);
    }
    const struct gateway_rig_template *template =
        &rig->template[line][*newest / GATEWAY_RIG_PHASES][*newest % GATEWAY_RIG_PHASES];
    struct rte_mbuf *frame = gateway_rig_bytes(rig, template->bytes, template->len);
    uint8_t *payload = rte_pktmbuf_mtod_offset(frame, uint8_t *, CAPTURE_HEADERS_LEN);
    store_be64(payload + MOLD_SESSION_LEN, rig->opening + message + 1);
    store_be48(payload + MOLD_HEADER_LEN + 2 + 5, message); /* its timestamp */
    return frame;
}

struct rte_mbuf *gateway_rig_copy(struct gateway_rig *rig)
{
    return gateway_rig_bytes(rig, rig->template[0][0][0].bytes, rig->template[0][0][0].len);
}

uint16_t gateway_rig_heartbeat(const struct gateway_rig *rig, uint8_t ret_frame[GATEWAY_RIG_FRAME_MAX])
{
    mold_encode_header(ret_frame + CAPTURE_HEADERS_LEN, session, rig->opening + rig->put[0] + 1, 0);
    return (uint16_t)capture_encode_udp(ret_frame, GROUP_A, UDP_PORT, SOURCE, UDP_PORT, MOLD_HEADER_LEN);
}

uint16_t gateway_rig_loop_port(void)
{
    struct rte_ring *ring = ring_make("loop", "both");

    return port_open("loop", ring, ring, pool_make("loop", "unused", 255));
}

static void say(struct gateway_rig *rig, const struct itch_msg *msg)
{
    uint8_t bytes[GATEWAY_RIG_FRAME_MAX];

    const uint32_t len = packet_make(msg, ++rig->opening, 0, bytes);
    CHECK(gateway_rig_put(rig, gateway_rig_bytes(rig, bytes, (uint16_t)len)));
    rx_turn(&rig->rx);
    if (rig->ring)
        strategy_turn_end(rig->strategies, strategy_poll(rig->strategies) > 0);
}

/* Directory, trading, and LEVELS levels of each side that stay, a cent apart, with a gap of a cent around the base. */
static void opening_play(struct gateway_rig *rig)
{
    uint64_t ref = 0;

    say(rig, &(struct itch_msg){.type = ITCH_SYSTEM_EVENT, .system_event = {.code = 'Q'}});
    for (uint32_t symbol = 0; symbol < GATEWAY_RIG_SYMBOLS; symbol++) {
        const uint16_t locate = (uint16_t)(symbol + 1);
        char name[9];
        snprintf(name, sizeof(name), "S%07u", symbol);
        const uint64_t stock = md_symbol(name);
        say(rig, &(struct itch_msg){
                     .type = ITCH_STOCK_DIRECTORY, .locate = locate, .directory = {.stock = stock, .round_lot = 100}});
        say(rig, &(struct itch_msg){
                     .type = ITCH_TRADING_ACTION, .locate = locate, .trading_action = {.stock = stock, .state = 'T'}});
        for (uint32_t i = 0; i < 2 * LEVELS * ORDERS_EACH; i++) {
            const uint32_t away = (1 + i / 2 / ORDERS_EACH) * CENT;
            const bool bid = i % 2 == 0;
            say(rig, &(struct itch_msg){.type = ITCH_ADD,
                                        .locate = locate,
                                        .add = {.ref = ++ref,
                                                .qty = 100,
                                                .price = base_price(symbol) + (bid ? -away : away),
                                                .stock = stock,
                                                .side = bid ? 'B' : 'S'}});
        }
    }
    for (uint32_t line = 0; line < 2; line++)
        for (uint32_t symbol = 0; symbol < GATEWAY_RIG_SYMBOLS; symbol++)
            for (uint32_t phase = 0; phase < GATEWAY_RIG_PHASES; phase++) {
                const struct itch_msg msg = phase_message(symbol, phase);
                struct gateway_rig_template *template = &rig->template[line][symbol][phase];
                template->len = (uint16_t)packet_make(&msg, 1, line, template->bytes);
            }
}

/* --- the venue and the control thread */

/* Everything that is in the send log was sent by its owner and is acknowledged. */
static void log_take(struct send_log *log)
{
    const struct send_log_slot *slot;
    enum send_log_state state;
    uint32_t count = 0, end_seq = 0;

    while ((slot = send_log_peek(log, count, &state)) && state != SEND_LOG_RESERVED) {
        CHECK(state == SEND_LOG_SENT);
        end_seq = slot->seq + slot->len;
        count++;
    }
    if (count > 0)
        send_log_taken(log, count, 1, end_seq + WINDOW);
}

bool gateway_rig_order(struct gateway_rig *rig, struct gateway_rig_order *ret_order)
{
    struct order_record record;
    struct ouch_enter enter;
    char tick[7] = {0};

    do { /* fills are told too */
        if (rig->link_room == 0 && (rig->link_room = order_link_room(rig->link)) == 0)
            return false;
        if (!order_sink_take(rig->sink, &record))
            return false;
    } while (record.fill_qty > 0);
    log_take(&rig->link->log);
    CHECK(ouch_decode_enter(record.frame + ORDER_FRAME_HEADER_MAX, OUCH_ENTER_LEN, &enter) == 0);
    const struct order_news news = {.type = ORDER_NEWS_ANSWER,
                                    .answer = {.type = OUCH_EXECUTED,
                                               .user_ref = enter.user_ref,
                                               .qty = enter.qty,
                                               .price = enter.price,
                                               .liquidity = 'R',
                                               .match = enter.user_ref}};
    CHECK(order_link_tell(rig->link, &news));
    rig->link_room--;
    memcpy(tick, enter.cl_ord_id, 6);
    /* The order says the low 24 bits of its message's time. */
    const uint64_t newest = rig->put[0] - 1;
    const uint64_t back = (newest - strtoull(tick, NULL, 16)) & 0xffffffu;
    *ret_order = (struct gateway_rig_order){.message = newest - back, .tx_tsc = record.tx_tsc};
    return true;
}

/* --- the gateway */

static void rx_build(struct gateway_rig *rig, const char *name, const struct channel_params *params, uint32_t cpu)
{
    struct rx *rx = &rig->rx;
    struct channel *channel = channel_init(bench_alloc(channel_footprint(params)), params);

    rx->name = name;
    rx->cpu = cpu;
    rx->burst = 32;
    rx->clock = &rig->clock;
    rx->stop = &rig->stop;
    rx->deadline_ns = UINT64_MAX;
    rx->queue[rx->queue_count++] = (struct rx_queue){.port_id = rig->feed_port};
    rx->causes = (struct causes){.slot = bench_alloc(EVENTS * sizeof(struct cause)), .mask = EVENTS - 1};
    hist_init(&rx->parsed);
    hist_init(&rx->booked);
    rx->ring = rig->ring;
    rx->inline_strategies = rig->ring ? NULL : rig->strategies;
    rx->channel[rx->channel_count++] = channel;
    CHECK(line_add(&rx->lines, GROUP_A, UDP_PORT, 0, channel, 0) &&
          (params->line_count == 1 || line_add(&rx->lines, GROUP_B, UDP_PORT, 0, channel, 1)));
}

/* `probe` orders at each change of a best price. */
static void strategy_build(struct strategy_lcore *lcore, const uint32_t counts[1])
{
    static const struct strategy_param params[] = {{.key = "every", .value = "1"}};
    const struct strategy_setup setup = {
        .params = params, .param_count = 1, .channel_count = 1, .instrument_counts = counts};
    struct strategy_slot *slot = &lcore->strategy[lcore->strategy_count++];
    char error[STRATEGY_ERROR_MAX];

    slot->ops = strategy_table_find("probe");
    slot->name = "probe";
    slot->state = bench_alloc(slot->ops->state_size(&setup));
    CHECK(slot->ops->init(slot->state, &setup, error) == 0);
}

static void strategies_build(struct gateway_rig *rig, const char *name, uint32_t cpu)
{
    static const struct risk_limits limits = {.order_qty_max = 1000,
                                              .order_notional_max = UINT64_C(1) << 40,
                                              .collar_bps = 100,
                                              .rate_per_s = 1000000000,
                                              .rate_burst = 1000000,
                                              .position_max = 1000000};
    const uint32_t counts[1] = {GATEWAY_RIG_SYMBOLS + 1};
    struct strategy_lcore *lcore = bench_alloc(sizeof(*lcore));

    rig->strategies = lcore;
    lcore->name = name;
    lcore->cpu = cpu;
    lcore->stop = &rig->stop;
    lcore->answered = true;
    lcore->warm.ticks = (uint64_t)(WARM_US * 1000.0 / bench_ns(1));
    market_init(&lcore->market, bench_alloc(market_footprint(counts, 1)), counts, 1);
    open_init(&lcore->open, bench_alloc(open_footprint(OPEN_ORDERS)), OPEN_ORDERS, 1, 0);
    risk_init(&lcore->risk, &limits, false);
    strategy_hists_init(lcore);
    strategy_build(lcore, counts);
    if (rig->ring) {
        md_ring_reader_init(&rig->reader, rig->ring);
        lcore->reader[lcore->reader_count++] = &rig->reader;
    }
    lcore->link = bench_alloc(sizeof(*lcore->link));
    order_link_init(lcore->link, UINT32_MAX);
    lcore->sink = bench_alloc(sizeof(*lcore->sink));
    order_sink_init(lcore->sink, rig->wire, true);
    rig->link = lcore->link;
    rig->sink = lcore->sink;
    lcore->path = bench_alloc(sizeof(*lcore->path));
    *lcore->path = (struct order_path){.carrier = CONFIG_CARRIER_TCP, .link = lcore->link, .socket = -1};
    lcore->path->tx = bench_alloc(sizeof(*lcore->path->tx));
    CHECK(order_tx_init(lcore->path->tx, &route, rig->order_port, 0, pool_make(name, "orders", ORDER_FRAMES * 2 - 1),
                        ORDER_FRAMES) == 0);
}

/* A strategy lcore that is off its CPU may be lapped. */
static void resync_build(struct gateway_rig *rig)
{
    struct resync *resync = bench_alloc(sizeof(*resync));

    resync_init(resync, rig->ring);
    CHECK(resync_channel_add(resync, rig->rx.channel[0], 0));
    rig->strategies->resync[0] = resync;
    rig->rx.resync[rig->rx.resync_count++] = resync;
}

bool gateway_rig_idle(const struct gateway_rig *rig)
{
    if (!rte_ring_empty(rig->in))
        return false;
    if (!rig->ring)
        return true;
    const struct resync *resync = rig->rx.resync[0];
    return ck_pr_load_64(&rig->reader.position) == rig->ring->head && ck_pr_load_64(&resync->asked) == resync->done &&
           ck_pr_load_64(&resync->reader.position) == resync->records.head;
}

/* Behind the opening, so that nothing is traded in it. */
static void session_begin(struct strategy_lcore *lcore)
{
    const struct order_news begin = {.type = ORDER_NEWS_BEGIN, .epoch = 1, .value = 1, .route = route};

    send_log_limit(&lcore->link->log, 1, 1 + WINDOW);
    CHECK(order_link_tell(lcore->link, &begin));
    while (!lcore->risk.session_up)
        strategy_turn_end(lcore, false);
}

static void *strategy_thread(void *context)
{
    struct gateway_rig *rig = context;

    bench_pin(rig->strategy_cpu);
    CHECK(rte_thread_register() == 0);
    __atomic_store_n(&rig->ready, 1, __ATOMIC_RELEASE); /* paired with: gateway_rig_start */
    strategy_loop(rig->strategies);
    rte_thread_unregister();
    return NULL;
}

void gateway_rig_start(struct gateway_rig *rig, int cpu)
{
    rig->strategy_cpu = cpu;
    rig->stop = rig->ready = 0;
    CHECK(pthread_create(&rig->thread, NULL, strategy_thread, rig) == 0);
    while (!__atomic_load_n(&rig->ready, __ATOMIC_ACQUIRE)) /* paired with: strategy_thread */
        continue;
}

void gateway_rig_stop(struct gateway_rig *rig)
{
    __atomic_store_n(&rig->stop, 1, __ATOMIC_RELAXED);
    CHECK(pthread_join(rig->thread, NULL) == 0);
}

static void feed_open(struct gateway_rig *rig, const char *name)
{
    char text[32];

    CHECK(clock_calibrate(&rig->clock, 0) == 0);
    rig->frames = pool_make(name, "feed", 4 * GATEWAY_RIG_RING - 1);
    rig->in = ring_make(name, "in");
    snprintf(text, sizeof(text), "%s_md", name);
    rig->feed_port = port_open(text, rig->in, ring_make(name, "unused"), rig->frames);
}

static void ring_open(struct gateway_rig *rig)
{
    rig->ring = bench_alloc(sizeof(*rig->ring));
    md_ring_init(rig->ring, bench_alloc(EVENTS * sizeof(struct md_slot)), EVENTS, 1);
}

void gateway_rig_feed(struct gateway_rig *rig, const char *name, const struct channel_params *params, uint32_t cpu)
{
    feed_open(rig, name);
    ring_open(rig);
    rx_build(rig, name, params, cpu);
}

void gateway_rig_open(struct gateway_rig *rig, const char *name, bool two_core, uint32_t cpu)
{
    static const struct channel_params params = {
        .book = {.instruments_max = GATEWAY_RIG_SYMBOLS + 1, .orders_max = 1u << 14, .levels_max = 1u << 12},
        .line_count = 2, .reorder_packets = 64, .reorder_ns = 2000000, .hold_messages = 1024,
        .silence_ns = UINT64_C(3000000000), .first_seq = 1,
    };
    char text[32];

    feed_open(rig, name);
    rig->wire = ring_make(name, "wire");
    snprintf(text, sizeof(text), "%s_orders", name);
    rig->order_port = port_open(text, ring_make(name, "silent"), rig->wire, rig->frames);
    if (two_core)
        ring_open(rig);
    strategies_build(rig, name, cpu);
    rx_build(rig, name, &params, cpu);
    if (two_core)
        resync_build(rig);
    opening_play(rig);
    session_begin(rig->strategies);
    CHECK(!channel_stale(rig->rx.channel[0]) && rig->strategies->order_count == 0);
}
