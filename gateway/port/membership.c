/* See membership.h. */
#include "gateway/port/membership.h"

#include "ring/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FRAMES_A_STEP 64u /* of each receive queue: other work of the control thread waits meanwhile */
#define VLAN_LEN 4u
#define MACS_LEN 12u

void membership_port_init(struct membership_port *port, const struct config_port *config, uint16_t port_id,
                          uint16_t tx_queue_id, struct rte_mempool *pool, const uint8_t mac[6], uint64_t seed)
{
    struct igmp_setup setup = {.ip = config->ip,
                               .mtu = (uint16_t)config->mtu,
                               .version = (uint8_t)config->igmp_version,
                               .refresh_ns = config->igmp_refresh_s * IGMP_NS_PER_S,
                               .seed = seed};

    memset(port, 0, sizeof(*port));
    port->config = config;
    port->port_id = port_id;
    port->tx_queue_id = tx_queue_id;
    port->pool = pool;
    memcpy(setup.mac, mac, 6);
    igmp_begin(&port->igmp, &setup);
    station_init(&port->station, mac, config->vlan);
    if (config->ip != 0)
        station_ip_add(&port->station, config->ip);
}

bool membership_group_add(struct membership_port *port, uint32_t group, uint32_t source)
{
    return igmp_add(&port->igmp, group, source);
}

bool membership_aside_add(struct membership_port *port, struct aside *aside)
{
    if (port->aside_count == MEMBERSHIP_QUEUES_MAX)
        return false;
    port->aside[port->aside_count++] = aside;
    return true;
}

/* --- the kernel's membership
 * ------------------------------------------------------------------------------------------------ */

static struct sockaddr_storage address_of(uint32_t ip)
{
    struct sockaddr_storage storage = {0};

    ((struct sockaddr_in *)(void *)&storage)->sin_family = AF_INET;
    ((struct sockaddr_in *)(void *)&storage)->sin_addr.s_addr = htonl(ip);
    return storage;
}

/* One socket for each group, since the kernel limits the groups of one (net.ipv4.igmp_max_memberships). It is bound to
 * nothing, so no datagram is ever put into it. */
static int kernel_join_group(struct membership_port *port, uint32_t interface, const struct igmp_group *group)
{
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int failed = 0;

    if (fd < 0)
        return -errno;
    port->socket[port->socket_count++] = fd;
    if (group->source_count == 0) {
        const struct group_req any = {.gr_interface = interface, .gr_group = address_of(group->ip)};
        return setsockopt(fd, IPPROTO_IP, MCAST_JOIN_GROUP, &any, sizeof(any)) == 0 ? 0 : -errno;
    }
    for (uint32_t i = 0; i < group->source_count && failed == 0; i++) {
        const struct group_source_req one = {.gsr_interface = interface,
                                             .gsr_group = address_of(group->ip),
                                             .gsr_source =
                                                 address_of(port->igmp.source[group->source_first + i])};
        failed = setsockopt(fd, IPPROTO_IP, MCAST_JOIN_SOURCE_GROUP, &one, sizeof(one)) == 0 ? 0 : -errno;
    }
    return failed;
}

static int kernel_join(struct membership_port *port, const struct config *config, char ret_error[MEMBERSHIP_ERROR_MAX])
{
    const struct config_port *of = port->config;
    struct rte_eth_dev_info info = {0};
    char interface[IF_NAMESIZE] = "";

    if (rte_eth_dev_info_get(port->port_id, &info) != 0 || info.if_index == 0 ||
        !if_indextoname(info.if_index, interface)) {
        snprintf(ret_error, MEMBERSHIP_ERROR_MAX,
                 "%s:%u: port %s: membership: kernel, but the kernel has no interface behind %s; write membership: own",
                 config->path, of->line, of->name, of->device);
        return -ENODEV;
    }
    for (uint32_t i = 0; i < port->igmp.group_count; i++) {
        const uint32_t ip = port->igmp.group[i].ip;
        const int error = kernel_join_group(port, info.if_index, &port->igmp.group[i]);
        if (error == 0)
            continue;
        snprintf(ret_error, MEMBERSHIP_ERROR_MAX,
                 "%s:%u: port %s: the kernel does not join %u.%u.%u.%u on %s: %s%s", config->path, of->line, of->name,
                 ip >> 24, ip >> 16 & 0xff, ip >> 8 & 0xff, ip & 0xff, interface, strerror(-error),
                 error == -ENOBUFS ? "; raise net.ipv4.igmp_max_msf, or list fewer sources" : "");
        return error;
    }
    return 0;
}

int membership_open(struct membership *membership, const struct config *config, char ret_error[MEMBERSHIP_ERROR_MAX])
{
    for (uint32_t i = 0; i < membership->port_count; i++) {
        if (membership->port[i]->config->membership != CONFIG_MEMBERSHIP_KERNEL)
            continue;
        const int error = kernel_join(membership->port[i], config, ret_error);
        if (error)
            return error;
    }
    return 0;
}

/* --- our own
 * -------------------------------------------------------------------------------------------------------------- */

/* `vlan`: a tag is put in, 0 = none. */
static void send_frame(struct membership_port *port, const uint8_t *bytes, uint32_t len, uint16_t vlan)
{
    struct rte_mbuf *frame = rte_pktmbuf_alloc(port->pool);
    const uint8_t tag[VLAN_LEN] = {0x81, 0x00, (uint8_t)(vlan >> 8), (uint8_t)vlan};
    const uint32_t tag_len = vlan != 0 ? VLAN_LEN : 0;

    if (!frame) {
        port->no_mbuf_count++;
        return; /* as if the network had lost it */
    }
    uint8_t *to = rte_pktmbuf_mtod(frame, uint8_t *);
    CHECK(rte_pktmbuf_tailroom(frame) >= len + tag_len);
    memcpy(to, bytes, MACS_LEN);
    memcpy(to + MACS_LEN, tag, tag_len);
    memcpy(to + MACS_LEN + tag_len, bytes + MACS_LEN, len - MACS_LEN);
    frame->pkt_len = len + tag_len;
    frame->data_len = (uint16_t)frame->pkt_len;
    if (rte_eth_tx_burst(port->port_id, port->tx_queue_id, &frame, 1) != 1) {
        rte_pktmbuf_free(frame);
        port->full_count++;
        return;
    }
    port->sent_count++;
}

static void frame_take(struct membership_port *port, const struct rte_mbuf *frame, uint64_t now_ns)
{
    uint8_t reply[STATION_FRAME_MAX];
    const uint8_t *bytes = rte_pktmbuf_mtod(frame, const uint8_t *);
    uint32_t len = 0;

    port->received_count++;
    switch (station_receive(&port->station, bytes, frame->data_len, now_ns, reply, &len)) {
    case STATION_ARP:
    case STATION_ECHO:
        send_frame(port, reply, len, 0); /* the tags of the request are in it */
        break;
    case STATION_IGMP:
        if (port->config->membership == CONFIG_MEMBERSHIP_OWN)
            igmp_receive(&port->igmp, bytes + len, frame->data_len - len, now_ns);
        break;
    default:
        break;
    }
}

static bool port_step(struct membership_port *port, uint64_t now_ns)
{
    uint8_t bytes[IGMP_FRAME_MAX];
    struct rte_mbuf *frame;
    bool busy = false;
    uint32_t len;

    for (uint32_t i = 0; i < port->aside_count; i++)
        for (uint32_t j = 0; j < FRAMES_A_STEP && (frame = aside_take(port->aside[i])); j++) {
            frame_take(port, frame, now_ns);
            rte_pktmbuf_free(frame);
            busy = true;
        }
    while (port->config->membership == CONFIG_MEMBERSHIP_OWN && (len = igmp_next(&port->igmp, now_ns, bytes)) > 0)
        send_frame(port, bytes, len, port->config->vlan);
    return busy;
}

void membership_join(struct membership *membership, uint64_t now_ns)
{
    for (uint32_t i = 0; i < membership->port_count; i++)
        if (membership->port[i]->config->membership == CONFIG_MEMBERSHIP_OWN)
            igmp_join(&membership->port[i]->igmp, now_ns);
    membership_step(membership, now_ns);
}

void membership_link_up(struct membership *membership, uint16_t port_id, uint64_t now_ns)
{
    for (uint32_t i = 0; i < membership->port_count; i++)
        if (membership->port[i]->port_id == port_id &&
            membership->port[i]->config->membership == CONFIG_MEMBERSHIP_OWN)
            igmp_join(&membership->port[i]->igmp, now_ns);
}

bool membership_step(struct membership *membership, uint64_t now_ns)
{
    bool busy = false;

    for (uint32_t i = 0; i < membership->port_count; i++)
        busy |= port_step(membership->port[i], now_ns);
    return busy;
}

void membership_leave(struct membership *membership, uint64_t now_ns)
{
    for (uint32_t i = 0; i < membership->port_count; i++)
        igmp_leave(&membership->port[i]->igmp, now_ns);
}

bool membership_left(const struct membership *membership)
{
    for (uint32_t i = 0; i < membership->port_count; i++)
        if (!igmp_left(&membership->port[i]->igmp))
            return false;
    return true;
}

void membership_close(struct membership *membership)
{
    struct rte_mbuf *frame;

    for (uint32_t i = 0; i < membership->port_count; i++) {
        struct membership_port *port = membership->port[i];
        for (uint32_t j = 0; j < port->aside_count; j++)
            while ((frame = aside_take(port->aside[j])))
                rte_pktmbuf_free(frame);
        for (uint32_t j = 0; j < port->socket_count; j++)
            close(port->socket[j]);
        port->socket_count = 0;
    }
}
