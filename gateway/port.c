/* See port.h. Offloads are off, since frames are parsed and sent as they are; but a device that can look at checksums
 * of received datagrams is asked to. */
#include "gateway/port.h"

#include <errno.h>
#include <rte_bus_vdev.h>
#include <rte_dev.h>
#include <rte_eth_ring.h>
#include <rte_ether.h>
#include <stdio.h>
#include <string.h>

#define PORT_GROUPS_MAX 128u
#define ETHERNET_OVERHEAD_BYTES (RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN + 2 * RTE_VLAN_HLEN)

uint16_t port_data_room(const struct config_port *config)
{
    return (uint16_t)(config->mtu + ETHERNET_OVERHEAD_BYTES);
}

static int fail(char ret_error[PORT_ERROR_MAX], const struct config_port *config, const char *what, int error)
{
    snprintf(ret_error, PORT_ERROR_MAX, "port %s (%s): %s: %s", config->name, config->device, what,
             error ? strerror(-error) : "not found");
    return error ? error : -ENODEV;
}

/* Bring the device into the EAL, if it is not there by an allow list already. */
static int device_attach(const struct config_port *config, char *ret_name, size_t name_len)
{
    if (strncmp(config->device, "net_", 4) != 0) {
        snprintf(ret_name, name_len, "%s", config->device);
        return 0;
    }
    const char *args = strchr(config->device, ',');
    const int driver_len = args ? (int)(args - config->device) : (int)strlen(config->device);
    /* The port's name makes the vdev's name unique: two ports may use one driver. */
    snprintf(ret_name, name_len, "%.*s_%s", driver_len, config->device, config->name);
    return rte_vdev_init(ret_name, args ? args + 1 : "");
}

static int queues_start(struct port *port, struct rte_mempool *pool, int node, char ret_error[PORT_ERROR_MAX])
{
    const struct config_port *config = port->config;
    struct rte_eth_dev_info info;
    struct rte_eth_conf conf = {0};
    uint16_t rx_descriptors = config->rx_descriptors;
    uint16_t tx_descriptors = config->tx_descriptors;

    int error = rte_eth_dev_info_get(port->id, &info);
    if (error)
        return fail(ret_error, config, "cannot read its properties", error);
    if (port->rx_queue_count > info.max_rx_queues || port->tx_queue_count > info.max_tx_queues) {
        snprintf(
            ret_error, PORT_ERROR_MAX,
            "port %s (%s): needs %u rx and %u tx queues, the device has %u and %u; use a port per lcore, or make the "
            "device with more queues",
            config->name, config->device, port->rx_queue_count, port->tx_queue_count, info.max_rx_queues,
            info.max_tx_queues);
        return -EINVAL;
    }
    conf.rxmode.offloads = info.rx_offload_capa & (RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM);
    error = rte_eth_dev_configure(port->id, port->rx_queue_count, port->tx_queue_count, &conf);
    if (error)
        return fail(ret_error, config, "cannot be configured", error);
    /* Drivers without an MTU of their own (net_ring) say so: frames then are as long as the mbufs. */
    error = rte_eth_dev_set_mtu(port->id, (uint16_t)config->mtu);
    if (error && error != -ENOTSUP)
        return fail(ret_error, config, "does not take the configured mtu", error);
    error = rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &rx_descriptors, &tx_descriptors);
    if (error)
        return fail(ret_error, config, "does not take the configured descriptors", error);
    for (uint16_t queue = 0; queue < port->rx_queue_count; queue++) {
        error = rte_eth_rx_queue_setup(port->id, queue, rx_descriptors, (unsigned)node, NULL, pool);
        if (error)
            return fail(ret_error, config, "rx queue cannot be set up", error);
    }
    for (uint16_t queue = 0; queue < port->tx_queue_count; queue++) {
        error = rte_eth_tx_queue_setup(port->id, queue, tx_descriptors, (unsigned)node, NULL);
        if (error)
            return fail(ret_error, config, "tx queue cannot be set up", error);
    }
    error = rte_eth_dev_start(port->id);
    if (error)
        return fail(ret_error, config, "does not start", error);
    port->started = true;
    struct rte_ether_addr mac;
    if (rte_eth_macaddr_get(port->id, &mac) == 0)
        memcpy(port->mac, mac.addr_bytes, sizeof(port->mac));
    return 0;
}

/* Exactly the groups' MAC addresses if the device can, else wider, and say so. */
static void reception_widen(struct port *port, const uint32_t *groups, uint32_t group_count)
{
    struct rte_ether_addr list[PORT_GROUPS_MAX];
    uint32_t count = 0;

    if (port->config->promiscuous) {
        snprintf(port->how, sizeof(port->how), "%s",
                 rte_eth_promiscuous_enable(port->id) == 0 ? "promiscuous (as configured)"
                                                           : "promiscuous refused by the device");
        return;
    }
    for (uint32_t i = 0; i < group_count && count < PORT_GROUPS_MAX; i++)
        list[count++] = (struct rte_ether_addr){.addr_bytes = {0x01, 0x00, 0x5e, (uint8_t)(groups[i] >> 16 & 0x7f),
                                                               (uint8_t)(groups[i] >> 8), (uint8_t)groups[i]}};
    if (group_count <= PORT_GROUPS_MAX && rte_eth_dev_set_mc_addr_list(port->id, list, count) == 0)
        snprintf(port->how, sizeof(port->how), "multicast filter of %u addresses", count);
    else if (rte_eth_allmulticast_enable(port->id) == 0)
        snprintf(port->how, sizeof(port->how), "all multicast (the device takes no address list)");
    else if (rte_eth_promiscuous_enable(port->id) == 0)
        snprintf(port->how, sizeof(port->how), "promiscuous (the device has no multicast filter)");
    else
        snprintf(port->how, sizeof(port->how), "as the device comes (it has no filter to set)");
}

int port_open(struct port *port, const struct config_port *config, uint16_t rx_queues, uint16_t tx_queues,
              struct rte_mempool *pool, int node, const uint32_t *groups, uint32_t group_count,
              char ret_error[PORT_ERROR_MAX])
{
    char name[RTE_ETH_NAME_MAX_LEN];

    *port = (struct port){.config = config, .rx_queue_count = rx_queues, .tx_queue_count = tx_queues};
    int error = device_attach(config, name, sizeof(name));
    if (error)
        return fail(ret_error, config, "cannot be created", error);
    error = rte_eth_dev_get_port_by_name(name, &port->id);
    if (error)
        return fail(ret_error, config, "is no Ethernet device of this host", 0);
    error = queues_start(port, pool, node, ret_error);
    if (error == 0 && rx_queues > 0)
        reception_widen(port, groups, group_count);
    return error;
}

int port_open_ring(struct port *port, const struct config_port *config, const char *name, uint16_t rx_queues,
                   uint16_t tx_queues, uint32_t ring_slots, struct rte_mempool *pool, int node,
                   char ret_error[PORT_ERROR_MAX])
{
    char ring_name[RTE_RING_NAMESIZE];

    *port = (struct port){.config = config, .rx_queue_count = rx_queues, .tx_queue_count = tx_queues};
    if (rx_queues > 0) {
        snprintf(ring_name, sizeof(ring_name), "rx_%s", name);
        port->rx_ring = rte_ring_create(ring_name, ring_slots, node, RING_F_SP_ENQ | RING_F_SC_DEQ);
        if (!port->rx_ring)
            return fail(ret_error, config, "no memory for its replay ring", -ENOMEM);
    }
    for (uint16_t queue = 0; queue < tx_queues; queue++) {
        snprintf(ring_name, sizeof(ring_name), "tx%u_%s", queue, name);
        port->tx_ring[queue] = rte_ring_create(ring_name, ring_slots, node, RING_F_SP_ENQ | RING_F_SC_DEQ);
        if (!port->tx_ring[queue])
            return fail(ret_error, config, "no memory for its replay ring", -ENOMEM);
    }
    const int id = rte_eth_from_rings(name, &port->rx_ring, rx_queues, port->tx_ring, tx_queues, (unsigned)node);
    if (id < 0)
        return fail(ret_error, config, "replay port cannot be made", -rte_errno);
    port->id = (uint16_t)id;
    snprintf(port->how, sizeof(port->how), "replay");
    return queues_start(port, pool, node, ret_error);
}

void port_close(struct port *port)
{
    if (port->started) {
        rte_eth_dev_stop(port->id);
        rte_eth_dev_close(port->id);
        port->started = false;
    }
    rte_ring_free(port->rx_ring);
    port->rx_ring = NULL;
    for (uint16_t queue = 0; queue < port->tx_queue_count; queue++) {
        rte_ring_free(port->tx_ring[queue]);
        port->tx_ring[queue] = NULL;
    }
}
