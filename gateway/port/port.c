/* See port.h. Offloads are off, since frames are parsed and sent as they are; but a device that can look at checksums
 * of received datagrams is asked to, unless the config does not want it. */
#include "gateway/port/port.h"

#include <errno.h>
#include <net/if.h>
#include <rte_bus_vdev.h>
#include <rte_dev.h>
#include <rte_devargs.h>
#include <rte_eth_ring.h>
#include <rte_ether.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Of each queue of net_af_xdp. The driver counts frames for which the kernel had no buffer, and not those for which the
 * ring of descriptors had no room: with a descriptor for each buffer the buffers end first, and no loss is silent. */
#define AF_XDP_BUFFERS 2048u

#define ETHERNET_OVERHEAD_BYTES (RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN + 2 * RTE_VLAN_HLEN)

uint16_t port_data_room(const struct config_port *config)
{
    return (uint16_t)(config->mtu + ETHERNET_OVERHEAD_BYTES);
}

uint16_t port_rx_descriptors(const struct config_port *config)
{
    if (config_device_is(config->device, "net_af_xdp") && config->rx_descriptors < AF_XDP_BUFFERS)
        return AF_XDP_BUFFERS;
    return config->rx_descriptors;
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

/* A name that the config knows may belong to a driver that this DPDK was built without, or that is in a package of its
 * own. DPDK then says -EPERM, as it does where rights are missing. */
static bool driver_there(const char *name)
{
    struct rte_devargs devargs;

    if (rte_devargs_parse(&devargs, name) != 0)
        return false;
    free(devargs.data);
    return true;
}

/* What the config asks for, within what the device can. A note says where the two differ. */
static int descriptors_fit(struct port *port, char ret_error[PORT_ERROR_MAX])
{
    const struct config_port *config = port->config;

    port->rx_descriptors = port_rx_descriptors(config);
    port->tx_descriptors = config->tx_descriptors;
    const int error = rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &port->rx_descriptors, &port->tx_descriptors);
    if (error)
        return fail(ret_error, config, "does not take the configured descriptors", error);
    if (port->replay) /* nobody's device */
        return 0;
    size_t len = strlen(port->note);
    if (port->rx_descriptors != config->rx_descriptors)
        len += (size_t)snprintf(port->note + len, sizeof(port->note) - len,
                                "%srx_descriptors %u instead of %u: %s", len ? "; " : "", port->rx_descriptors,
                                config->rx_descriptors,
                                port_rx_descriptors(config) == config->rx_descriptors
                                    ? "the device's limit"
                                    : "with fewer its driver counts no loss");
    if (port->tx_descriptors != config->tx_descriptors && len < sizeof(port->note))
        snprintf(port->note + len, sizeof(port->note) - len, "%stx_descriptors %u instead of %u: the device's limit",
                 len ? "; " : "", port->tx_descriptors, config->tx_descriptors);
    return 0;
}

/* Several receive queues: the device spreads flows over them. One: nothing to spread. */
static void rss_set(const struct port *port, const struct rte_eth_dev_info *info, struct rte_eth_conf *conf)
{
    if (port->rx_queue_count < 2 || info->flow_type_rss_offloads == 0)
        return;
    conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    conf->rx_adv_conf.rss_conf.rss_hf = info->flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP);
}

/* The EAL's interrupt thread: the control thread looks at the link itself, and learns here that there was something. */
static int link_event(uint16_t port_id, enum rte_eth_event_type event, void *arg, void *result)
{
    struct port_link *link = arg;

    (void)port_id;
    (void)event;
    (void)result;
    __atomic_fetch_add(&link->event_count, 1, __ATOMIC_RELAXED);
    return 0;
}

/* Where the link is seen: an interface of the kernel by the kernel, another device by its driver. */
static void link_begin(struct port *port)
{
    char name[CONFIG_INTERFACE_MAX + 1];

    if (config_device_interface(port->config->device, name))
        port->interface_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    else
        (void)rte_eth_dev_callback_register(port->id, RTE_ETH_EVENT_INTR_LSC, link_event, &port->link);
}

static int queues_start(struct port *port, struct rte_mempool *pool, int node, char ret_error[PORT_ERROR_MAX])
{
    const struct config_port *config = port->config;
    struct rte_eth_dev_info info;
    struct rte_eth_conf conf = {0};

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
    if (config->checksum)
        conf.rxmode.offloads = info.rx_offload_capa & (RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM);
    rss_set(port, &info, &conf);
    conf.intr_conf.lsc = (*info.dev_flags & RTE_ETH_DEV_INTR_LSC) != 0 && port->interface_fd < 0 && !port->replay;
    error = rte_eth_dev_configure(port->id, port->rx_queue_count, port->tx_queue_count, &conf);
    if (error)
        return fail(ret_error, config, "cannot be configured", error);
    /* Drivers without an MTU of their own (net_ring) say so: frames then are as long as the mbufs. */
    error = rte_eth_dev_set_mtu(port->id, (uint16_t)config->mtu);
    if (error && error != -ENOTSUP)
        return fail(ret_error, config, "does not take the configured mtu", error);
    error = descriptors_fit(port, ret_error);
    if (error)
        return error;
    for (uint16_t queue = 0; queue < port->rx_queue_count; queue++) {
        error = rte_eth_rx_queue_setup(port->id, queue, port->rx_descriptors, (unsigned)node, NULL, pool);
        if (error)
            return fail(ret_error, config, "rx queue cannot be set up", error);
    }
    for (uint16_t queue = 0; queue < port->tx_queue_count; queue++) {
        error = rte_eth_tx_queue_setup(port->id, queue, port->tx_descriptors, (unsigned)node, NULL);
        if (error)
            return fail(ret_error, config, "tx queue cannot be set up", error);
    }
    error = rte_eth_dev_start(port->id);
    if (error)
        return fail(ret_error, config,
                    config_device_is(config->device, "net_memif")
                        ? "does not start; is the other side, the server of its socket, there"
                        : "does not start",
                    error);
    port->started = true;
    struct rte_ether_addr mac;
    if (rte_eth_macaddr_get(port->id, &mac) == 0)
        memcpy(port->mac, mac.addr_bytes, sizeof(port->mac));
    return 0;
}

int port_open(struct port *port, const struct config_port *config, uint16_t rx_queues, uint16_t tx_queues,
              struct rte_mempool *pool, int node, const uint32_t *groups, uint32_t group_count,
              char ret_error[PORT_ERROR_MAX])
{
    char name[RTE_ETH_NAME_MAX_LEN];

    *port = (struct port){.config = config,
                          .rx_queue_count = rx_queues,
                          .tx_queue_count = tx_queues,
                          .node = -1,
                          .interface_fd = -1};
    int error = device_attach(config, name, sizeof(name));
    if (error && !driver_there(name))
        return fail(ret_error, config, "install the package of its driver, which this DPDK lacks", -ENODEV);
    if (error == -EPERM || error == -EACCES)
        return fail(ret_error, config,
                    "cannot be created by this user; be root, or give the program cap_net_raw (net_tap: cap_net_admin)",
                    error);
    if (error) /* the driver of net_tap says EINVAL, whatever it was */
        return fail(ret_error, config,
                    config_device_is(config->device, "net_tap")
                        ? "cannot be created; it takes root or net_admin, and a name that no other interface has"
                        : "cannot be created",
                    error);
    error = rte_eth_dev_get_port_by_name(name, &port->id);
    if (error)
        return fail(ret_error, config, "is no Ethernet device of this host", 0);
    port->node = rte_eth_dev_socket_id(port->id);
    link_begin(port);
    error = queues_start(port, pool, node, ret_error);
    if (error == 0 && rx_queues > 0 &&
        !steer_filter(port->id, config->promiscuous, groups, group_count, port->how) && group_count > 0)
        fprintf(stderr, "tickgate: port %s receives more than its groups: %s\n", config->name, port->how);
    return error;
}

int port_open_ring(struct port *port, const struct config_port *config, const char *name, uint16_t rx_queues,
                   uint16_t tx_queues, uint32_t ring_slots, struct rte_mempool *pool, int node,
                   char ret_error[PORT_ERROR_MAX])
{
    char ring_name[RTE_RING_NAMESIZE];

    *port = (struct port){.config = config,
                          .rx_queue_count = rx_queues,
                          .tx_queue_count = tx_queues,
                          .node = -1,
                          .interface_fd = -1,
                          .replay = true};
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

/* Up and running, as the kernel sees its interface; one that is gone is down. */
static bool interface_up(const struct port *port)
{
    struct ifreq request = {0};

    (void)config_device_interface(port->config->device, request.ifr_name);
    return ioctl(port->interface_fd, SIOCGIFFLAGS, &request) == 0 &&
           (request.ifr_flags & (IFF_UP | IFF_RUNNING)) == (IFF_UP | IFF_RUNNING);
}

bool port_link_step(struct port *port, uint64_t now_ns, FILE *out)
{
    struct rte_eth_link link = {0};
    bool up;

    if (port->replay || !port->started)
        return false;
    if (port->interface_fd >= 0)
        up = interface_up(port);
    else
        up = rte_eth_link_get_nowait(port->id, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
    const bool came_up =
        port_link_seen(&port->link, up, __atomic_load_n(&port->link.event_count, __ATOMIC_RELAXED), now_ns);
    if (out)
        (void)port_link_tell(&port->link, port->config->name, now_ns, out);
    return came_up;
}

void port_counts(const struct port *port, struct port_counts *ret_counts)
{
    struct rte_eth_stats stats = {0};

    if (port->started)
        (void)rte_eth_stats_get(port->id, &stats);
    *ret_counts = (struct port_counts){.rx_frames = stats.ipackets,
                                       .tx_frames = stats.opackets,
                                       .missed = stats.imissed,
                                       .rx_errors = stats.ierrors,
                                       .no_mbuf = stats.rx_nombuf,
                                       .tx_errors = stats.oerrors};
}

void port_close(struct port *port)
{
    if (port->interface_fd >= 0)
        close(port->interface_fd);
    port->interface_fd = -1;
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
