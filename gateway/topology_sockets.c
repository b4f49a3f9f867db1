/* The part of topology that ports of sockets need: they are no Ethernet devices, have no queues and no frame buffers;
 * each line has a socket, and the rx lcore of its feed reads it. */
#include "gateway/topology_parts.h"

static int sockets_of(struct topology *topology, struct rx *rx, char ret_error[TOPOLOGY_ERROR_MAX])
{
    const struct config *config = topology->config;
    const int node = place_node_of_cpu(rx->cpu);
    uint32_t mtu = 0;

    if (rx->sockets)
        return 0;
    for (uint32_t i = 0; i < config->port_count; i++)
        if (config->port[i].socket.present && config->port[i].mtu > mtu)
            mtu = config->port[i].mtu;
    rx->sockets = place_alloc(&topology->place, sizeof(*rx->sockets), node);
    if (!rx->sockets || socket_rx_init(rx->sockets, &topology->place, mtu, node) != 0)
        return topology_no_memory(ret_error, "sockets of lcore", rx->name, sizeof(*rx->sockets));
    return 0;
}

int topology_sockets_build(struct topology *topology, char ret_error[TOPOLOGY_ERROR_MAX])
{
    const struct config *config = topology->config;

    for (uint32_t i = 0; i < config->feed_count; i++)
        for (uint32_t j = 0; j < config->feed[i].line_count; j++) {
            const struct config_line *line = &config->feed[i].line_list[j];
            const struct config_port *port = &config->port[line->port_idx];
            struct rx *rx = topology->channel_rx[i];
            if (!port->socket.present)
                continue;
            int error = sockets_of(topology, rx, ret_error);
            if (error == 0)
                error = socket_rx_open(rx->sockets, line_find(&rx->lines, line->group, line->udp_port), &port->socket,
                                       config->feed[i].name, line->name, ret_error);
            if (error)
                return error;
        }
    for (uint32_t i = 0; i < topology->rx_count; i++) /* nothing wakes an lcore for frames of a port */
        if (topology->rx[i]->sockets && topology->rx[i]->queue_count > 0)
            topology->rx[i]->sockets->block = false;
    return 0;
}

void topology_sockets_finish(struct topology *topology)
{
    for (uint32_t i = 0; i < topology->rx_count; i++)
        if (topology->rx[i]->sockets)
            socket_rx_close(topology->rx[i]->sockets);
}
