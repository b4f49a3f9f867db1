/* The part of topology that orders need: each strategy lcore's way to the wire, and what the order session is made of.
 *
 *   replay, udp  every strategy lcore has frames and a transmit queue: lcore i sends on queue i
 *   tcp          the owner alone: queue 0 is its own, the next one the control thread's (or queue 0 of control_port)
 *   kernel       the owner alone: no port */
#include "gateway/topology_parts.h"

#include "gateway/order/trades.h"

#include <errno.h>
#include <string.h>

#define SIM_REQUESTS 4096u   /* orders on their way to the venue of a replay */
#define CONTROL_FRAMES 2047u /* segments of the control thread that the driver may keep */

static bool session_of(const struct topology *topology)
{
    const struct config_orders *orders = &topology->config->orders;

    return orders->present && !topology->options.replay && orders->carrier != CONFIG_CARRIER_UDP;
}

struct strategy_lcore *topology_orders_owner(const struct topology *topology)
{
    if (!session_of(topology))
        return NULL;
    for (uint32_t i = 0; i < topology->strategies_count; i++)
        if (topology->strategies[i]->lcore_id == topology->config->orders.lcore_idx)
            return topology->strategies[i];
    return NULL;
}

uint16_t topology_orders_queues(const struct topology *topology, uint32_t port_idx)
{
    const struct config_orders *orders = &topology->config->orders;

    if (!orders->present || orders->carrier == CONFIG_CARRIER_KERNEL)
        return 0;
    if (orders->carrier == CONFIG_CARRIER_UDP)
        return orders->port_idx == port_idx ? (uint16_t)topology->strategies_count : 0;
    if (orders->has_control_port)
        return orders->port_idx == port_idx || orders->control_port_idx == port_idx;
    return orders->port_idx == port_idx ? 2 : 0;
}

static void route_of(const struct topology *topology, struct order_frame_route *ret_route)
{
    const struct config_orders *orders = &topology->config->orders;

    *ret_route = (struct order_frame_route){.local_ip = orders->local_ip,
                                            .peer_ip = orders->peer_ip,
                                            .local_port = orders->local_port,
                                            .peer_port = orders->peer_port};
    memcpy(ret_route->local_mac, topology->order_mac, 6);
    memcpy(ret_route->peer_mac, orders->peer_mac, 6);
}

static int frames_build(struct topology *topology, struct strategy_lcore *lcore, uint16_t queue, int node,
                        char ret_error[TOPOLOGY_ERROR_MAX])
{
    struct order_frame_route route;
    const uint32_t frames = topology->config->orders.frames;

    route_of(topology, &route);
    struct rte_mempool *pool = topology_pool(topology, "orders", frames * 2, node, ret_error);
    if (!pool)
        return -ENOMEM;
    lcore->path->tx = place_alloc(&topology->place, sizeof(*lcore->path->tx), node);
    if (!lcore->path->tx)
        return topology_no_memory(ret_error, "order frames of lcore", lcore->name, sizeof(*lcore->path->tx));
    if (order_tx_init(lcore->path->tx, &route, topology->order_port->id, queue, pool, frames) != 0)
        return topology_fail(ret_error, -ENOMEM, "no memory for %u order frames; raise gateway.memory_mb", frames);
    return 0;
}

/* The venue of a replay, one for each strategy lcore: what one of them does, another does not see. */
static int sim_build(struct topology *topology, struct strategy_lcore *lcore, int node,
                     char ret_error[TOPOLOGY_ERROR_MAX])
{
    const struct config *config = topology->config;
    struct sim_params params = {.channel_count = config->feed_count,
                                .orders_max = config->orders.open_orders_max,
                                .requests_max = SIM_REQUESTS,
                                .answers_max = SIM_REQUESTS * 4,
                                .order_ns = config->orders.sim.order_us * UINT64_C(1000),
                                .answer_ns = config->orders.sim.answer_us * UINT64_C(1000),
                                .midnight_ns = config->feed[0].midnight_ns};

    while (params.answers_max < 4 * params.orders_max)
        params.answers_max *= 2;
    for (uint32_t i = 0; i < config->feed_count; i++)
        params.book[i] = (struct book_params){.instruments_max = config->feed[i].instruments_max,
                                              .orders_max = config->feed[i].orders_max,
                                              .levels_max = config->feed[i].levels_max};
    void *memory = sim_footprint(&params) > 0 ? place_alloc(&topology->place, sim_footprint(&params), node) : NULL;
    if (!memory)
        return topology_no_memory(ret_error, "simulated venue of lcore", lcore->name, sim_footprint(&params));
    lcore->sim = sim_init(memory, &params);
    return 0;
}

static int path_build(struct topology *topology, struct strategy_lcore *lcore, uint32_t idx,
                      char ret_error[TOPOLOGY_ERROR_MAX])
{
    const struct config_orders *orders = &topology->config->orders;
    const int node = place_node_of_cpu(lcore->cpu);
    const bool session = session_of(topology);

    lcore->path = place_alloc(&topology->place, sizeof(*lcore->path), node);
    lcore->sink = place_alloc(&topology->place, sizeof(*lcore->sink), node);
    lcore->link = session ? place_alloc(&topology->place, sizeof(*lcore->link), node) : NULL;
    lcore->market.trades = session ? place_alloc(&topology->place, sizeof(struct trades), node) : NULL;
    if (!lcore->path || !lcore->sink || (session && (!lcore->link || !lcore->market.trades)))
        return topology_no_memory(ret_error, "orders of lcore", lcore->name, sizeof(*lcore->sink));
    *lcore->path = (struct order_path){.carrier = session ? orders->carrier : CONFIG_CARRIER_UDP,
                                       .slow_allowed = orders->slow_path == CONFIG_SLOW_PATH_SEND,
                                       .link = lcore->link,
                                       .socket = -1};
    lcore->answered = session || topology->options.sim;
    if (lcore->answered) { /* each order is answered, and stays open until it is */
        lcore->open.timeout_ns = 0;
        lcore->fills_immediate = false;
        lcore->risk.session_up = !session;
    }
    if (topology->options.sim && sim_build(topology, lcore, node, ret_error) != 0)
        return -ENOMEM;
    CHECK(!session || orders->carrier != CONFIG_CARRIER_TCP || orders->frames > SEND_LOG_SLOTS);
    const bool port = topology->order_port != NULL;
    order_sink_init(lcore->sink, port ? topology->order_port->tx_ring[session ? 0 : idx] : NULL,
                    topology->options.recording);
    return port ? frames_build(topology, lcore, session ? 0 : (uint16_t)idx, node, ret_error) : 0;
}

/* The control thread's TCP: transmit queue, receive queues, frames. */
static int stack_params_of(struct topology *topology, char ret_error[TOPOLOGY_ERROR_MAX])
{
    const struct config *config = topology->config;
    const struct config_orders *orders = &config->orders;
    struct stack_params *params = &topology->stack;
    const struct port *ports[2] = {topology->order_port, topology->control_port};

    *params = (struct stack_params){.ip = orders->local_ip,
                                    .prefix_len = orders->prefix_len,
                                    .gateway_ip = orders->gateway_ip,
                                    .mtu = (uint16_t)config->port[orders->port_idx].mtu};
    memcpy(params->mac, topology->order_mac, 6);
    for (uint32_t i = 0; i < 2; i++)
        for (uint16_t queue = 0; ports[i] && queue < ports[i]->rx_queue_count; queue++)
            params->rx[params->rx_count++] = (struct stack_queue){.port_id = ports[i]->id, .queue_id = queue};
    params->tx = ports[1] ? (struct stack_queue){.port_id = ports[1]->id, .queue_id = 0}
                          : (struct stack_queue){.port_id = ports[0]->id, .queue_id = 1};
    params->pool = topology_pool(topology, "session", CONTROL_FRAMES, 0,
                                 ret_error);
    return params->pool ? 0 : -ENOMEM;
}

int topology_orders_build(struct topology *topology, char ret_error[TOPOLOGY_ERROR_MAX])
{
    static const uint8_t none[6];
    const struct config_orders *orders = &topology->config->orders;
    struct strategy_lcore *owner = topology_orders_owner(topology);
    int error = 0;

    if (topology->order_port)
        memcpy(topology->order_mac, memcmp(orders->local_mac, none, 6) ? orders->local_mac : topology->order_port->mac,
               6);
    for (uint32_t i = 0; i < topology->strategies_count && error == 0; i++) {
        struct strategy_lcore *lcore = topology->strategies[i];
        if (!session_of(topology) || lcore == owner)
            error = path_build(topology, lcore, i, ret_error);
        else
            lcore->risk.session_up = false;
    }
    if (error == 0 && session_of(topology) && orders->carrier == CONFIG_CARRIER_TCP)
        error = stack_params_of(topology, ret_error);
    return error;
}

void topology_orders_finish(struct topology *topology)
{
    for (uint32_t i = 0; i < topology->strategies_count; i++) {
        const struct order_path *path = topology->strategies[i]->path;
        if (path && path->tx)
            order_tx_finish(path->tx);
    }
}
