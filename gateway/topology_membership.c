/* The part of topology between a port's lines and its network: their groups are joined, and brought to receive queues;
 * control frames go from there to the control thread, answers through a transmit queue of its own. */
#include "gateway/topology_parts.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#define CONTROL_FRAMES 255u /* answers and reports beyond those that the driver keeps in its descriptors */

bool topology_membership_wants(const struct config *config, uint32_t port_idx)
{
    const struct config_port *port = &config->port[port_idx];

    return port->membership == CONFIG_MEMBERSHIP_OWN || port->ip != 0;
}

void topology_steer(const struct topology *topology, uint32_t port_idx, struct port *port)
{
    struct steer_rule rules[CONFIG_FEEDS_MAX * CONFIG_LINES_MAX];
    char why[STEER_TEXT_MAX];
    uint32_t count = 0;

    if (port->rx_queue_count < 2)
        return;
    for (uint32_t i = 0; i < topology->config->feed_count; i++)
        for (uint32_t j = 0; j < topology->config->feed[i].line_count; j++) {
            const struct config_line *line = &topology->config->feed[i].line_list[j];
            if (line->port_idx != port_idx)
                continue;
            rules[count] = (struct steer_rule){.group = line->group,
                                               .udp_port = line->udp_port,
                                               .queue_id = (uint16_t)(count % port->rx_queue_count)};
            count++;
        }
    if (steer_rules(port->id, rules, count, why) == 0)
        snprintf(port->steering, sizeof(port->steering), "%s", why);
    else /* its one lcore polls all of them anyway */
        snprintf(port->steering, sizeof(port->steering), "%u queues by the device's own choice (%.100s)",
                 port->rx_queue_count, why);
}

/* Each receive queue of the port hands its control frames over. */
static int asides_build(struct topology *topology, struct membership_port *member, struct rx *rx, int node,
                        char ret_error[TOPOLOGY_ERROR_MAX])
{
    for (uint32_t i = 0; i < rx->queue_count; i++) {
        struct rx_queue *queue = &rx->queue[i];
        if (queue->port_id != member->port_id)
            continue;
        struct aside *aside = place_alloc(&topology->place, sizeof(*aside), node);
        if (!aside)
            return topology_no_memory(ret_error, "control frames of port", member->config->name, sizeof(*aside));
        aside_init(aside);
        aside->igmp = member->config->membership == CONFIG_MEMBERSHIP_OWN;
        for (uint32_t j = 0; j < member->station.ip_count; j++)
            CHECK(aside_ip_add(aside, member->station.ip[j]));
        CHECK(membership_aside_add(member, aside)); /* an rx lcore has no more queues than that */
        queue->aside = aside;
    }
    return 0;
}

int topology_membership_build(struct topology *topology, uint32_t port_idx, const struct port *port, struct rx *rx,
                              uint16_t tx_queue_id, int node, char ret_error[TOPOLOGY_ERROR_MAX])
{
    const struct config *config = topology->config;
    const struct config_port *config_port = &config->port[port_idx];
    const bool speaks = topology_membership_wants(config, port_idx) || topology_requests_from(config, port_idx);
    struct rte_mempool *pool = NULL;
    uint64_t seed = 0;

    if (!speaks && config_port->membership == CONFIG_MEMBERSHIP_NONE)
        return 0;
    struct membership_port *member = place_alloc(&topology->place, sizeof(*member), node);
    if (!member)
        return topology_no_memory(ret_error, "membership of port", config_port->name, sizeof(*member));
    if (speaks && !(pool = topology_pool(topology, "control", config_port->tx_descriptors + CONTROL_FRAMES, node,
                                         ret_error)))
        return -ENOMEM;
    if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) < 0)
        seed = clock_tsc(); /* early in the boot: hosts should differ, no more */
    membership_port_init(member, config_port, port->id, tx_queue_id, pool, port->mac, seed);
    for (uint32_t i = 0; i < config->feed_count; i++) {
        if (topology_requests_through(&config->feed[i], port_idx))
            CHECK(station_ip_add(&member->station, config->feed[i].retransmission.local_ip));
        for (uint32_t j = 0; j < config->feed[i].line_count; j++) {
            const struct config_line *line = &config->feed[i].line_list[j];
            if (line->port_idx == port_idx)
                CHECK(membership_group_add(member, line->group, line->source)); /* no more than lines of a config */
        }
    }
    topology->membership.port[topology->membership.port_count++] = member;
    return speaks ? asides_build(topology, member, rx, node, ret_error) : 0;
}
