/* See topology.h. In pipeline order: eal, rx lcores with their channels, strategy lcores, ports, frame sources. */
#include "gateway/topology_parts.h"

#include "gateway/params.h"
#include "gateway/plugin.h"

#include <errno.h>
#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_mbuf_dyn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define POOL_CACHE 256u
#define ORDER_RING_SLOTS 8192u /* replay: order frames on the wire between two turns */
#define REQUEST_FRAMES 255u    /* retransmission requests beyond those that the driver keeps in its descriptors */
#define END_WAIT_MS 2000u      /* for the end of a hot thread */
#define FRAME_RING_SLOTS 256u  /* replay: frames on the wire between two turns; more than the largest burst */

int topology_fail(char ret_error[TOPOLOGY_ERROR_MAX], int error, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    vsnprintf(ret_error, TOPOLOGY_ERROR_MAX, format, list);
    va_end(list);
    return error;
}

int topology_no_memory(char ret_error[TOPOLOGY_ERROR_MAX], const char *what, const char *name, size_t bytes)
{
    return topology_fail(ret_error, -ENOMEM,
                "%s %s: no memory for %zu MiB; make its tables smaller (orders_max, levels_max, ring_slots)", what,
                name, bytes >> 20);
}

static int node_of(const struct config_lcore *lcore)
{
    return place_node_of_cpu(lcore->cpu);
}

/* --- rx lcores and their channels
 * ------------------------------------------------------------------------------------ */

/* Where a channel with servers asks them: through the control thread; answers of the port's own transport come as one
 * more line. */
static int servers_build(struct topology *topology, uint32_t feed_idx, struct rx *rx, struct channel *channel, int node,
                         char ret_error[TOPOLOGY_ERROR_MAX])
{
    const struct config_feed *feed = &topology->config->feed[feed_idx];
    const struct config_retransmission *retransmission = &feed->retransmission;

    if (!retransmission->present && !feed->snapshot.present)
        return 0;
    struct recovery_link *link = place_alloc(&topology->place, sizeof(*link), node);
    if (!link)
        return topology_no_memory(ret_error, "recovery of feed", feed->name, sizeof(*link));
    recovery_link_init(link);
    topology->link[feed_idx] = link;
    rx->link[rx->channel_count] = link;
    rx->recovering = true;
    if (!retransmission->present || retransmission->transport != CONFIG_TRANSPORT_PORT)
        return 0;
    const uint32_t source = retransmission->server_count == 1 ? retransmission->server_list[0].ip : 0;
    if (!line_add(&rx->lines, retransmission->local_ip, retransmission->local_port, source, channel,
                  CHANNEL_LINE_RETRANSMISSION))
        return topology_fail(ret_error, -EINVAL, "feed %s: local_ip and local_port of its retransmission are taken",
                             feed->name);
    return 0;
}

_Static_assert(CONFIG_FEEDS_MAX * (CONFIG_LINES_MAX + 1) <= LINES_MAX, "all of a config have room on one lcore");

static int channel_build(struct topology *topology, uint32_t feed_idx, struct rx *rx, int node,
                         char ret_error[TOPOLOGY_ERROR_MAX])
{
    const struct config_feed *feed = &topology->config->feed[feed_idx];
    struct channel_params params = params_channel(topology->config, feed_idx, !topology->options.replay);

    if (feed->books == CONFIG_BOOKS_TRADED) {
        const size_t traded_bytes = PARAMS_TRADED_MAX * sizeof(uint64_t);
        uint64_t *traded = place_alloc(&topology->place, traded_bytes, node);
        if (!traded)
            return topology_no_memory(ret_error, "symbols of feed", feed->name, traded_bytes);
        params.traded_count = params_traded(topology->config, feed_idx, &topology->daily, traded);
        params.traded = traded;
    }
    const size_t bytes = channel_footprint(&params);
    if (bytes == 0)
        return topology_fail(ret_error, -EINVAL, "feed %s: a parameter is out of range", feed->name);
    void *memory = place_alloc(&topology->place, bytes, node);
    if (!memory)
        return topology_no_memory(ret_error, "feed", feed->name, bytes);
    struct channel *channel = channel_init(memory, &params);
    for (uint32_t i = 0; i < feed->line_count; i++) {
        const struct config_line *line = &feed->line_list[i];
        /* no more than lines of a config, and none of them twice */
        CHECK(line_add(&rx->lines, line->group, line->udp_port, line->source, channel, (uint8_t)i));
        line_find(&rx->lines, line->group, line->udp_port)->verify = feed->checksum == CONFIG_CHECKSUM_VERIFY;
    }
    const int error = topology->options.replay ? 0 : servers_build(topology, feed_idx, rx, channel, node, ret_error);
    if (error)
        return error;
    rx->channel[rx->channel_count++] = channel;
    topology->channel[feed_idx] = channel;
    topology->channel_rx[feed_idx] = rx;
    return 0;
}

static int rx_build(struct topology *topology, uint32_t lcore_idx, char ret_error[TOPOLOGY_ERROR_MAX])
{
    const struct config *config = topology->config;
    const struct config_lcore *lcore = &config->lcore[lcore_idx];
    const int node = node_of(lcore);
    struct rx *rx = place_alloc(&topology->place, sizeof(*rx), node);

    if (!rx)
        return topology_no_memory(ret_error, "lcore", lcore->name, sizeof(*rx));
    rx->name = lcore->name;
    rx->lcore_id = lcore_idx;
    rx->cpu = lcore->cpu;
    rx->burst = config->gateway.burst;
    rx->clock = &topology->clock;
    rx->stage_stamps = config->latency.stages;
    rx->proof = topology->options.proof;
    rx->dynfield = (size_t)topology->dynfield;
    rx->stop = &topology->stop;
    rx->deadline_ns = UINT64_MAX;
    hist_init(&rx->parsed);
    hist_init(&rx->booked);
    topology->rx[topology->rx_count++] = rx;

    for (uint32_t i = 0; i < config->feed_count; i++) {
        if (config->feed[i].lcore_idx != lcore_idx)
            continue;
        const int error = channel_build(topology, i, rx, node, ret_error);
        if (error)
            return error;
    }
    const size_t cause_bytes = (size_t)config->gateway.ring_slots * sizeof(struct cause);
    rx->causes.slot = place_alloc(&topology->place, cause_bytes, node);
    rx->causes.mask = config->gateway.ring_slots - 1;
    if (!rx->causes.slot)
        return topology_no_memory(ret_error, "lcore", lcore->name, cause_bytes);
    if (config->gateway.mode == CONFIG_INLINE)
        return 0;
    const size_t slots_bytes = (size_t)config->gateway.ring_slots * sizeof(struct md_slot);
    rx->ring = place_alloc(&topology->place, sizeof(*rx->ring), node);
    struct md_slot *slots = place_alloc(&topology->place, slots_bytes, node);
    if (!rx->ring || !slots)
        return topology_no_memory(ret_error, "ring of lcore", lcore->name, slots_bytes);
    md_ring_init(rx->ring, slots, config->gateway.ring_slots, 1);
    return 0;
}

/* --- strategy lcores
 * ------------------------------------------------------------------------------------------------- */

static int strategy_build(struct topology *topology, struct strategy_lcore *lcore, uint32_t strategy_idx, int node,
                          char ret_error[TOPOLOGY_ERROR_MAX])
{
    const struct config_strategy *strategy = &topology->config->strategy[strategy_idx];
    struct strategy_slot *slot = &lcore->strategy[lcore->strategy_count];
    struct params_strategy params;
    char error_text[STRATEGY_ERROR_MAX] = "", plugin_error[PLUGIN_ERROR_MAX];

    params_strategy(topology->config, strategy_idx, &params);
    slot->name = strategy->name;
    if (plugin_strategy(strategy, &slot->ops, plugin_error) != 0)
        return topology_fail(ret_error, -EINVAL, "%s:%u: strategy %s: %s", topology->config->path, strategy->line,
                             strategy->name, plugin_error);
    const size_t bytes = slot->ops->state_size(&params.setup);
    slot->state = place_alloc(&topology->place, bytes, node);
    if (!slot->state)
        return topology_no_memory(ret_error, "strategy", strategy->name, bytes);
    if (slot->ops->init(slot->state, &params.setup, error_text) != 0)
        return topology_fail(ret_error, -EINVAL, "%s:%u: strategy %s: %s", topology->config->path, strategy->line,
                    strategy->name, error_text);
    slot->stop_on_overrun = strategy->on_overrun == CONFIG_OVERRUN_STOP;
    for (uint32_t i = 0; slot->ops->depth && i < lcore->reader_count; i++)
        if (!resync_symbols_add(lcore->resync[i], params.setup.symbols, params.setup.symbol_count))
            return topology_fail(ret_error, -EINVAL,
                        "%s:%u: strategy %s: more than %u instruments are kept in depth on its lcore; list fewer",
                        topology->config->path, strategy->line, strategy->name, RESYNC_SYMBOLS_MAX);
    lcore->strategy_count++;
    return 0;
}

/* How a reader of `rx` is brought up to date after it was lapped. */
static int resync_build(struct topology *topology, struct strategy_lcore *lcore, struct rx *rx, int node,
                        char ret_error[TOPOLOGY_ERROR_MAX])
{
    struct resync *resync = place_alloc(&topology->place, sizeof(*resync), node);

    if (!resync)
        return topology_no_memory(ret_error, "lcore", lcore->name, sizeof(*resync));
    resync_init(resync, rx->ring);
    for (uint32_t i = 0; i < topology->config->feed_count; i++)
        if (topology->channel_rx[i] == rx && !resync_channel_add(resync, topology->channel[i], (uint16_t)i))
            return topology_fail(ret_error, -EINVAL, "lcore %s: too many feeds on one lcore", rx->name);
    lcore->resync[lcore->reader_count] = resync;
    rx->resync[rx->resync_count++] = resync;
    return 0;
}

static int readers_build(struct topology *topology, struct strategy_lcore *lcore, int node,
                         char ret_error[TOPOLOGY_ERROR_MAX])
{
    for (uint32_t i = 0; i < topology->rx_count && topology->rx[i]->ring; i++) {
        struct md_ring_reader *reader = place_alloc(&topology->place, sizeof(*reader), node);
        if (!reader)
            return topology_no_memory(ret_error, "lcore", lcore->name, sizeof(*reader));
        md_ring_reader_init(reader, topology->rx[i]->ring);
        const int error = resync_build(topology, lcore, topology->rx[i], node, ret_error);
        if (error)
            return error;
        lcore->reader[lcore->reader_count++] = reader;
    }
    return 0;
}

/* Limits of a strategy of its own, and its account. */
static int limits_build(struct topology *topology, struct strategy_lcore *lcore, uint32_t strategy_idx, int node,
                        char ret_error[TOPOLOGY_ERROR_MAX])
{
    const struct config *config = topology->config;
    const uint8_t slot = (uint8_t)(lcore->strategy_count - 1);
    struct risk_limits limits;
    uint32_t instrument_count = 0;

    if (!config->strategy[strategy_idx].risk.present)
        return 0;
    for (uint32_t i = 0; i < config->feed_count; i++)
        instrument_count += config->feed[i].instruments_max;
    void *memory = place_alloc(&topology->place, account_footprint(instrument_count), node);
    if (!memory)
        return topology_no_memory(ret_error, "account of strategy", config->strategy[strategy_idx].name,
                                  account_footprint(instrument_count));
    account_strategy(&lcore->market, slot, memory);
    params_strategy_limits(config, strategy_idx, &limits);
    risk_limit_strategy(&lcore->risk, slot, &limits);
    return 0;
}

/* The lcore's part of what the gateway may do: an equal one, so that all lcores together never do more, whoever races
 * whom. A loss counts whole: no lcore may lose alone what the gateway may lose. */
static void share_build(const struct topology *topology, struct strategy_lcore *lcore)
{
    struct risk_limits share;

    if (!topology->config->risk.gateway.present)
        return;
    params_gateway_limits(topology->config, &share);
    risk_share_of(&share, params_gateway_shares(topology->config));
    risk_limit_share(&lcore->risk, &share);
}

/* The gate of an lcore, and what it knows before the first event. */
static void gate_build(const struct topology *topology, struct strategy_lcore *lcore)
{
    const struct config *config = topology->config;
    struct market *market = &lcore->market;
    struct risk_limits limits;

    params_limits(config, &limits);
    risk_init(&lcore->risk, &limits, config->risk.kill);
    share_build(topology, lcore);
    lcore->risk.session_up = config->orders.present;
    for (uint32_t i = 0; i < config->feed_count; i++)
        market->channel[i].midnight_ns = config->feed[i].midnight_ns;
    market->account.mark = config->risk.mark == CONFIG_MARK_MID ? ACCOUNT_MARK_MID : ACCOUNT_MARK_LAST;
    market->reference = topology->daily.has_reference ? &topology->daily.reference : NULL;
    /* What is held at the start of the day is the session's owner's, and without one the first lcore's. */
    if (config->orders.carrier == CONFIG_CARRIER_UDP ? topology->strategies_count == 1
                                                     : lcore->lcore_id == config->orders.lcore_idx)
        reference_file_carry(&topology->daily, market);
}

/* What the lcore measures by, in ticks of the TSC. */
static void warm_build(const struct topology *topology, struct strategy_lcore *lcore)
{
    struct clock_report clock;

    clock_report_load(&topology->clock, &clock);
    for (uint64_t i = 0, ticks = clock.tsc_hz / 1000; i < SINCE_COUNT - 1; i++, ticks *= 10)
        lcore->since_tsc[i] = ticks;
    lcore->warm.ticks = clock.tsc_hz * topology->config->orders.warm_us / 1000000;
}

static int strategies_build(struct topology *topology, uint32_t lcore_idx, char ret_error[TOPOLOGY_ERROR_MAX])
{
    const struct config *config = topology->config;
    const struct config_lcore *config_lcore = &config->lcore[lcore_idx];
    const int node = node_of(config_lcore);
    uint32_t instrument_counts[CONFIG_FEEDS_MAX];
    struct strategy_lcore *lcore = place_alloc(&topology->place, sizeof(*lcore), node);

    if (!lcore)
        return topology_no_memory(ret_error, "lcore", config_lcore->name, sizeof(*lcore));
    lcore->name = config_lcore->name;
    lcore->lcore_id = lcore_idx;
    lcore->cpu = config_lcore->cpu;
    lcore->fills_immediate = config->orders.fills == CONFIG_FILLS_IMMEDIATE;
    lcore->hashing = topology->options.hashing;
    for (uint32_t i = 0; i < config->feed_count; i++)
        lcore->midnight[i] = (uint32_t)config->feed[i].midnight_ns;
    lcore->stage_stamps = config->latency.stages;
    lcore->proof = topology->options.proof;
    lcore->stop = &topology->stop;
    strategy_hists_init(lcore);
    warm_build(topology, lcore);
    topology->strategies[topology->strategies_count++] = lcore;

    for (uint32_t i = 0; i < config->feed_count; i++)
        instrument_counts[i] = config->feed[i].instruments_max;
    const size_t market_bytes = market_footprint(instrument_counts, config->feed_count);
    void *memory = place_alloc(&topology->place, market_bytes, node);
    if (!memory)
        return topology_no_memory(ret_error, "market of lcore", lcore->name, market_bytes);
    market_init(&lcore->market, memory, instrument_counts, config->feed_count);

    gate_build(topology, lcore);
    const uint32_t open_max = config->orders.present ? config->orders.open_orders_max : 16;
    memory = place_alloc(&topology->place, open_footprint(open_max), node);
    if (!memory)
        return topology_no_memory(ret_error, "open orders of lcore", lcore->name, open_footprint(open_max));
    open_init(&lcore->open, memory, open_max, 1, (uint64_t)config->orders.open_timeout_ms * 1000000);

    const int error = readers_build(topology, lcore, node, ret_error);
    if (error)
        return error;
    for (uint32_t i = 0; i < config->strategy_count; i++) {
        if (config->strategy[i].lcore_idx != lcore_idx)
            continue;
        int strategy_error = strategy_build(topology, lcore, i, node, ret_error);
        if (strategy_error == 0)
            strategy_error = limits_build(topology, lcore, i, node, ret_error);
        if (strategy_error)
            return strategy_error;
    }
    return 0;
}

/* --- ports
 * ----------------------------------------------------------------------------------------------------------- */

struct rte_mempool *topology_pool(struct topology *topology, const char *name, uint32_t count, int node,
                                  char ret_error[TOPOLOGY_ERROR_MAX])
{
    uint16_t data_room = RTE_MBUF_DEFAULT_BUF_SIZE;
    char pool_name[RTE_MEMPOOL_NAMESIZE];

    for (uint32_t i = 0; i < topology->config->port_count; i++) {
        const uint32_t needed = (uint32_t)port_data_room(&topology->config->port[i]) + RTE_PKTMBUF_HEADROOM;
        if (needed > data_room)
            data_room = (uint16_t)needed;
    }
    snprintf(pool_name, sizeof(pool_name), "%s_%u", name, topology->pool_count);
    const uint32_t cache = count >= 2 * POOL_CACHE ? POOL_CACHE : count / 2; /* a cache may not hold most of a pool */
    struct rte_mempool *pool = rte_pktmbuf_pool_create(pool_name, count, cache, 0, data_room, node);
    if (!pool) {
        topology_fail(ret_error, -ENOMEM, "no memory for %u frames of %u bytes (%s); raise gateway.memory_mb", count,
                      data_room, name);
        return NULL;
    }
    topology->pool[topology->pool_count++] = pool;
    return pool;
}

static uint32_t pool_frames(const struct config *config)
{
    uint32_t count = 4096 + ASIDE_FRAMES; /* what AF_XDP keeps for its fill ring, what is in flight, or aside */

    for (uint32_t i = 0; i < config->port_count; i++)
        count += port_rx_descriptors(&config->port[i]) * (uint32_t)config->port[i].rx_queues +
                 2048u * (config->port[i].rx_queues - 1u);
    return count;
}

bool topology_requests_through(const struct config_feed *feed, uint32_t port_idx)
{
    return feed->retransmission.present && feed->retransmission.transport == CONFIG_TRANSPORT_PORT &&
           feed->retransmission.port_idx == port_idx;
}

bool topology_requests_from(const struct config *config, uint32_t port_idx)
{
    for (uint32_t i = 0; i < config->feed_count; i++)
        if (topology_requests_through(&config->feed[i], port_idx))
            return true;
    return false;
}

/* Retransmission requests of the feeds that send them through this port: all on the control thread's queue. */
static int request_paths_build(struct topology *topology, uint32_t port_idx, const struct port *port, uint16_t queue_id,
                               int node, char ret_error[TOPOLOGY_ERROR_MAX])
{
    for (uint32_t i = 0; i < topology->config->feed_count; i++) {
        const struct config_retransmission *retransmission = &topology->config->feed[i].retransmission;
        if (!topology_requests_through(&topology->config->feed[i], port_idx))
            continue;
        struct rte_mempool *pool = topology_pool(
            topology, "requests", (uint32_t)port->config->tx_descriptors + REQUEST_FRAMES, node, ret_error);
        struct request_tx *tx = place_alloc(&topology->place, sizeof(*tx), node);
        if (!pool || !tx)
            return -ENOMEM;
        request_tx_init(tx, port->id, queue_id, pool, port->mac, retransmission->peer_mac, retransmission->local_ip,
                        retransmission->local_port);
        topology->request_tx[i] = tx;
    }
    return 0;
}

/* Live: each port of the config that carries a line or the orders, once. */
static int ports_open(struct topology *topology, char ret_error[TOPOLOGY_ERROR_MAX])
{
    const struct config *config = topology->config;

    for (uint32_t idx = 0; idx < config->port_count; idx++) {
        uint32_t groups[CONFIG_FEEDS_MAX * CONFIG_LINES_MAX + 1];
        uint32_t group_count = 0;
        struct rx *rx = NULL;
        if (config->port[idx].socket.present)
            continue;
        for (uint32_t i = 0; i < config->feed_count; i++)
            for (uint32_t j = 0; j < config->feed[i].line_count; j++) {
                if (config->feed[i].line_list[j].port_idx != idx)
                    continue;
                if (rx && rx != topology->channel_rx[i])
                    return topology_fail(ret_error, -EINVAL,
                                "%s:%u: port %s carries lines of two rx lcores; give each its own port", config->path,
                                config->port[idx].line, config->port[idx].name);
                rx = topology->channel_rx[i];
                groups[group_count++] = config->feed[i].line_list[j].group;
            }
        if (config->port[idx].membership == CONFIG_MEMBERSHIP_OWN)
            groups[group_count++] = IGMP_ALL_SYSTEMS; /* queries come there */
        const uint16_t order_queues = topology_orders_queues(topology, idx);
        if (!rx && order_queues == 0)
            continue;
        const int node = place_node_of_cpu(rx ? rx->cpu : topology->strategies[0]->cpu);
        struct port *port = &topology->port[topology->port_count];
        struct rte_mempool *pool = topology_pool(topology, "frames", pool_frames(config), node, ret_error);
        if (!pool)
            return -ENOMEM;
        topology->port_count++;
        /* Queues of strategy lcores first, then the control thread's. Drivers such as AF_XDP make queues in pairs: at
         * least one of each, used or not. */
        const uint16_t tx_queues = (uint16_t)(
            order_queues + (topology_requests_from(config, idx) || topology_membership_wants(config, idx)));
        /* The order session's TCP takes frames from whatever queue they come: AF_PACKET spreads them over its pairs. */
        const bool session = order_queues > 0 && config->orders.carrier == CONFIG_CARRIER_TCP;
        uint16_t rx_queues = config->port[idx].rx_queues;
        if (session && rx_queues < tx_queues)
            rx_queues = tx_queues;
        int error = port_open(port, &config->port[idx], rx_queues, tx_queues > 0 ? tx_queues : 1, pool, node, groups,
                              group_count, ret_error);
        if (error == 0)
            error = topology_nodes_check(topology, port, pool, rx ? rx->cpu : topology->strategies[0]->cpu, ret_error);
        if (error == 0)
            error = request_paths_build(topology, idx, port, order_queues, node, ret_error);
        if (error)
            return error;
        for (uint16_t queue = 0; rx && queue < rx_queues; queue++) {
            if (rx->queue_count == RX_QUEUES_MAX)
                return topology_fail(ret_error, -EINVAL, "%s:%u: lcore %s would poll more than %u queues; use fewer "
                                     "rx_queues", config->path, config->port[idx].line, rx->name, RX_QUEUES_MAX);
            rx->queue[rx->queue_count++] = (struct rx_queue){.port_id = port->id, .queue_id = queue};
        }
        if (rx)
            topology_steer(topology, idx, port);
        if (rx && (error = topology_membership_build(topology, idx, port, rx, order_queues, node, ret_error)) != 0)
            return error;
        if (order_queues > 0 && session && config->orders.has_control_port && config->orders.control_port_idx == idx)
            topology->control_port = port;
        else if (order_queues > 0)
            topology->order_port = port;
    }
    return 0;
}

/* Replay: one net_ring port for each rx lcore, whatever ports its lines have, and one for the orders. */
static int ports_open_replay(struct topology *topology, char ret_error[TOPOLOGY_ERROR_MAX])
{
    const struct config *config = topology->config;
    char name[32];

    for (uint32_t i = 0; i < topology->rx_count; i++) {
        struct rx *rx = topology->rx[i];
        const int node = place_node_of_cpu(rx->cpu);
        struct rte_mempool *pool = topology_pool(topology, "frames", 2048, node, ret_error);
        if (!pool)
            return -ENOMEM;
        struct port *port = &topology->port[topology->port_count++];
        snprintf(name, sizeof(name), "replay%u", i);
        const int error = port_open_ring(port, &config->port[0], name, 1, 1, FRAME_RING_SLOTS, pool, node, ret_error);
        if (error)
            return error;
        rx->queue[rx->queue_count++] = (struct rx_queue){.port_id = port->id, .queue_id = 0};
        rx->replay = place_alloc(&topology->place, sizeof(*rx->replay), node);
        if (!rx->replay || replay_source_init(rx->replay, &topology->place,
                                              topology->options.buffer_bytes / topology->rx_count, node) != 0)
            return topology_no_memory(ret_error, "replay buffer of lcore", rx->name, topology->options.buffer_bytes);
        rx->replay->port_id = port->id;
        rx->replay->pool = pool;
        rx->replay->wire = port->rx_ring;
        rx->replay->dynfield = (size_t)topology->dynfield;
        rx->replay->dynflag = topology->dynflag;
        if (topology->options.throttle && rx->ring) {
            rx->replay->ring = rx->ring;
            for (uint32_t j = 0; j < topology->strategies_count; j++)
                rx->replay->room[rx->replay->room_count++].position = &topology->strategies[j]->reader[i]->position;
        }
    }
    if (!config->orders.present)
        return 0;
    struct port *port = &topology->port[topology->port_count++];
    topology->order_port = port;
    return port_open_ring(port, &config->port[config->orders.port_idx], "replay_orders", 1,
                          (uint16_t)topology->strategies_count, ORDER_RING_SLOTS, topology->pool[0], 0, ret_error);
}

/* --- life cycle
 * ------------------------------------------------------------------------------------------------------ */

int topology_build(struct topology *topology, const struct config *config, const struct topology_options *options,
                   char ret_error[TOPOLOGY_ERROR_MAX])
{
    memset(topology, 0, sizeof(*topology));
    topology->config = config;
    topology->options = *options;

    int error = reference_file_load(&topology->daily, config, ret_error);
    if (error == 0 && !options->replay)
        error = topology_devices_check(topology, ret_error);
    if (error == 0)
        error = eal_start(&topology->eal, config, options->replay, ret_error);
    if (error)
        return error;
    if (clock_calibrate(&topology->clock, rte_get_tsc_hz()) != 0)
        return topology_fail(ret_error, -EIO,
                    "the TSC of this host cannot be calibrated against its clocks: no latency can be measured");
    if (rte_mbuf_dyn_rx_timestamp_register(&topology->dynfield, &topology->dynflag) != 0)
        return topology_fail(ret_error, -EIO, "DPDK has no room for the time field of frames");
    for (uint32_t i = 0; i < config->lcore_count; i++)
        if (config->lcore[i].role == CONFIG_RX && (error = rx_build(topology, i, ret_error)) != 0)
            return error;
    for (uint32_t i = 0; i < config->lcore_count; i++) {
        const bool strategies = config->gateway.mode == CONFIG_INLINE || config->lcore[i].role == CONFIG_STRATEGY;
        if (strategies && (error = strategies_build(topology, i, ret_error)) != 0)
            return error;
    }
    if (config->gateway.mode == CONFIG_INLINE)
        topology->rx[0]->inline_strategies = topology->strategies[0];
    if (options->replay)
        error = ports_open_replay(topology, ret_error);
    else if ((error = topology_guards_open(topology, ret_error)) == 0 && /* before the first frame */
             (error = ports_open(topology, ret_error)) == 0) {
        topology_guards_begin(topology);
        error = topology_sockets_build(topology, ret_error);
    }
    if (error == 0 && config->orders.present)
        error = topology_orders_build(topology, ret_error);
    if (error == 0 && options->replay && options->recording)
        for (uint32_t i = 0; i < topology->rx_count; i++)
            for (uint32_t j = 0; j < topology->strategies_count; j++)
                topology->rx[i]->replay->sink[topology->rx[i]->replay->sink_count++] = topology->strategies[j]->sink;
    return error;
}

int topology_arm(struct topology *topology, char ret_error[TOPOLOGY_ERROR_MAX])
{
    int error = 0;

    /* Not earlier: what is mapped from here on is touched at once, on whatever node. */
    if (!topology->options.replay && (error = place_lock()) != 0 && !topology->eal.note[0])
        snprintf(topology->eal.note, sizeof(topology->eal.note),
                 "memory is not locked (%s): a page that a driver uses for the first time costs a hot lcore a fault",
                 strerror(-error));
    error = 0;
    armed_init();
    topology->armed = true;
    /* Readers first: nobody misses the first event. */
    for (uint32_t i = 0; i < topology->strategies_count && topology->config->gateway.mode == CONFIG_TWO_CORE; i++)
        error |= rte_eal_remote_launch(strategy_loop, topology->strategies[i], topology->strategies[i]->lcore_id);
    for (uint32_t i = 0; i < topology->rx_count; i++)
        error |= rte_eal_remote_launch(rx_loop, topology->rx[i], topology->rx[i]->lcore_id);
    return error ? topology_fail(ret_error, -EIO, "a hot thread could not be launched") : 0;
}

bool topology_recovering(const struct topology *topology)
{
    for (uint32_t i = 0; i < topology->config->feed_count; i++)
        if (topology->link[i])
            return true;
    return false;
}

bool topology_finished(const struct topology *topology)
{
    for (uint32_t i = 0; i < topology->rx_count; i++) {
        const struct rx *rx = topology->rx[i];
        if (!__atomic_load_n(&rx->finished, __ATOMIC_ACQUIRE)) /* paired with: idle, in the receive loop */
            return false;
        for (uint32_t j = 0; j < topology->strategies_count && rx->ring; j++)
            if (md_ring_room(rx->ring, &topology->strategies[j]->reader[i]->position) != rx->ring->mask + 1)
                return false;
    }
    return true;
}

/* A thread under proof never returns to the EAL: it says that it is out by its own word. */
static void thread_wait(struct topology *topology, const char *name, const struct armed *armed, unsigned lcore_id)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    uint32_t waited_ms = 0;

    while (!__atomic_load_n(&armed->left, __ATOMIC_ACQUIRE) && waited_ms++ < END_WAIT_MS) /* paired with: armed_leave */
        nanosleep(&pause, NULL);
    if (!__atomic_load_n(&armed->left, __ATOMIC_ACQUIRE)) {
        fprintf(stderr, "tickgate: lcore %s does not end: a strategy has not returned; it is left behind\n", name);
        topology->hung = true;
        return;
    }
    if (!armed->proof)
        rte_eal_wait_lcore(lcore_id);
}

void topology_stop(struct topology *topology)
{
    if (!topology->armed)
        return;
    __atomic_store_n(&topology->stop, 1u, __ATOMIC_RELAXED);
    for (uint32_t i = 0; i < topology->rx_count; i++)
        thread_wait(topology, topology->rx[i]->name, &topology->rx[i]->armed, topology->rx[i]->lcore_id);
    for (uint32_t i = 0; i < topology->strategies_count && topology->config->gateway.mode == CONFIG_TWO_CORE; i++)
        thread_wait(topology, topology->strategies[i]->name, &topology->strategies[i]->armed,
                    topology->strategies[i]->lcore_id);
    topology->armed = false;
}

void topology_close(struct topology *topology)
{
    topology_stop(topology);
    topology_orders_finish(topology);
    topology_sockets_finish(topology);
    membership_close(&topology->membership); /* its frames belong to the pools */
    for (uint32_t i = 0; i < topology->port_count; i++)
        port_close(&topology->port[i]);
    topology_guards_close(topology);
    for (uint32_t i = 0; i < topology->pool_count; i++)
        rte_mempool_free(topology->pool[i]);
    eal_stop(&topology->eal, topology->options.proof);
    reference_file_free(&topology->daily);
    place_free(&topology->place);
}
