/* The part of topology around the ports themselves: what the host must have for them, the XDP guards of their
 * interfaces, and on which NUMA node their frames came to lie. */
#include "gateway/topology_parts.h"

#include "gateway/port/device.h"

#include <errno.h>
#include <rte_mempool.h>
#include <stdio.h>
#include <string.h>

/* Does anything of this run need the port? The rest is not opened. */
static bool port_used(const struct topology *topology, uint32_t port_idx)
{
    const struct config *config = topology->config;

    for (uint32_t i = 0; i < config->feed_count; i++)
        for (uint32_t j = 0; j < config->feed[i].line_count; j++)
            if (config->feed[i].line_list[j].port_idx == port_idx)
                return true;
    return config->orders.present && config->orders.carrier != CONFIG_CARRIER_KERNEL &&
           (config->orders.port_idx == port_idx ||
            (config->orders.has_control_port && config->orders.control_port_idx == port_idx));
}

/* An address that lwIP or a receive loop answers for is nobody else's on this host. */
static int addresses_check(const struct config *config, char ret_error[TOPOLOGY_ERROR_MAX])
{
    char error_text[DEVICE_ERROR_MAX], what[96];

    if (config->orders.present && config->orders.carrier == CONFIG_CARRIER_TCP &&
        device_check_address(config->orders.local_ip, "orders.local_ip", error_text) != 0)
        return topology_fail(ret_error, -EADDRINUSE, "%s:%u: %s", config->path, config->orders.line, error_text);
    for (uint32_t i = 0; i < config->port_count; i++) {
        snprintf(what, sizeof(what), "ports[%u].address", i);
        if (config->port[i].ip != 0 && device_check_address(config->port[i].ip, what, error_text) != 0)
            return topology_fail(ret_error, -EADDRINUSE, "%s:%u: %s", config->path, config->port[i].line, error_text);
    }
    for (uint32_t i = 0; i < config->port_count; i++) {
        snprintf(what, sizeof(what), "ports[%u].address", i);
        if (device_check_address(config->port[i].ip, what, error_text) != 0)
            return topology_fail(ret_error, -EADDRINUSE, "%s:%u: %s", config->path, config->port[i].line, error_text);
    }
    for (uint32_t i = 0; i < config->feed_count; i++) {
        const struct config_retransmission *retransmission = &config->feed[i].retransmission;
        snprintf(what, sizeof(what), "feeds[%u].retransmission.local_ip", i);
        if (retransmission->present && retransmission->transport == CONFIG_TRANSPORT_PORT &&
            device_check_address(retransmission->local_ip, what, error_text) != 0)
            return topology_fail(ret_error, -EADDRINUSE, "%s:%u: %s", config->path, retransmission->line, error_text);
    }
    return 0;
}

int topology_devices_check(const struct topology *topology, char ret_error[TOPOLOGY_ERROR_MAX])
{
    const struct config *config = topology->config;
    char error_text[DEVICE_ERROR_MAX];

    for (uint32_t i = 0; i < config->port_count; i++) {
        const bool device = port_used(topology, i) && !config->port[i].socket.present;
        const int error = device ? device_check(&config->port[i], "/sys", error_text) : 0;
        if (error)
            return topology_fail(ret_error, error, "%s:%u: %s", config->path, config->port[i].line, error_text);
    }
    return addresses_check(config, ret_error);
}

/* The guard of one interface, unless it has it already. */
static int guard_open(struct topology *topology, uint32_t port_idx, const char *interface,
                      char ret_error[TOPOLOGY_ERROR_MAX])
{
    static struct xdp_guard_params params; /* too large for a stack */
    const struct config *config = topology->config;
    struct xdp_guard *guard = &topology->guard[topology->guard_count];
    char error_text[XDP_GUARD_ERROR_MAX];

    for (uint32_t i = 0; i < topology->guard_count; i++)
        if (strcmp(topology->guard[i].interface, interface) == 0)
            return 0;
    if (!xdp_guard_built() && !config->port[port_idx].guard.given) {
        *guard = (struct xdp_guard){.lock_fd = -1};
        snprintf(guard->interface, sizeof(guard->interface), "%s", interface);
        snprintf(guard->note, sizeof(guard->note),
                 "no guard in this build: every frame of %s goes to tickgate, the kernel's ARP and IGMP too",
                 interface);
        topology->guard_count++;
        return 0;
    }
    if (!xdp_guard_params(config, interface, &params))
        return topology_fail(ret_error, -E2BIG, "%s:%u: port %s: more than %u groups, servers and ports for one guard",
                             config->path, config->port[port_idx].line, config->port[port_idx].name, GUARD_FLOWS_MAX);
    const int error = xdp_guard_open(guard, &params, error_text);
    if (error)
        return topology_fail(ret_error, error, "%s:%u: port %s: %s", config->path, config->port[port_idx].line,
                             config->port[port_idx].name, error_text);
    topology->guard_count++;
    return 0;
}

int topology_guards_open(struct topology *topology, char ret_error[TOPOLOGY_ERROR_MAX])
{
    const struct config *config = topology->config;
    char interface[CONFIG_INTERFACE_MAX + 1];

    for (uint32_t i = 0; i < config->port_count; i++) {
        const char *device = config->port[i].device;
        const bool own_program = strstr(device, ",xdp_prog=") != NULL;
        if (!port_used(topology, i) || !config_device_is(device, "net_af_xdp") || own_program ||
            !config_device_interface(device, interface))
            continue;
        const int error = guard_open(topology, i, interface, ret_error);
        if (error)
            return error;
    }
    return 0;
}

void topology_guards_begin(struct topology *topology)
{
    for (uint32_t i = 0; i < topology->guard_count; i++)
        xdp_guard_begin(&topology->guard[i]);
}

void topology_guards_close(struct topology *topology)
{
    for (uint32_t i = 0; i < topology->guard_count; i++)
        xdp_guard_close(&topology->guard[i]);
    topology->guard_count = 0;
}

/* Where the first frame of a pool really lies; -1: not known. */
static int pool_node(struct rte_mempool *pool)
{
    void *frame = NULL;

    if (rte_mempool_get(pool, &frame) != 0)
        return -1;
    const int node = place_node_of_memory(frame);
    rte_mempool_put(pool, frame);
    return node;
}

int topology_nodes_check(const struct topology *topology, const struct port *port, struct rte_mempool *pool,
                         uint32_t cpu, char ret_error[TOPOLOGY_ERROR_MAX])
{
    const struct config_port *config = port->config;
    const int nodes[3] = {place_node_of_cpu(cpu), pool_node(pool), port->node};
    const char *odd = place_odd(nodes);

    if (!odd)
        return 0;
    (void)topology_fail(
        ret_error, -EINVAL,
        "%s:%u: port %s: CPU %u is on NUMA node %d, its frames on %d, its device on %d (-1: of none): %s; "
        "choose a CPU of the device's node, and reserve hugepages there",
        topology->config->path, config->line, config->name, cpu, nodes[0], nodes[1], nodes[2], odd);
    if (topology->config->gateway.numa_strict)
        return -EINVAL;
    fprintf(stderr, "tickgate: warning: %s\n", ret_error);
    ret_error[0] = '\0';
    return 0;
}
