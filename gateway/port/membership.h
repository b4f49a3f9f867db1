/* Multicast membership of the ports, and what else their neighbours are owed: IGMP, ARP and pings. Control thread.
 *
 *   own     the port's igmp speaks through a transmit queue of the port that is the control thread's; what it hears
 *           comes from the rx lcores (aside). For interfaces that no kernel has, or whose kernel should keep out
 *   kernel  a socket for each group holds the membership on the kernel's interface behind the port, and the kernel
 *           answers queries: only where it sees them (AF_PACKET, bifurcated drivers; AF_XDP if its program lets them
 *           pass)
 *
 *   membership_open, arm, membership_join, membership_step ... membership_leave, step until membership_left, close */
#ifndef GATEWAY_PORT_MEMBERSHIP_H
#define GATEWAY_PORT_MEMBERSHIP_H

#include "config/config.h"
#include "gateway/port/aside.h"
#include "gateway/port/igmp.h"
#include "gateway/port/station.h"

#include <rte_mbuf.h>

#define MEMBERSHIP_ERROR_MAX 512u
#define MEMBERSHIP_QUEUES_MAX 16u

struct membership_port {
    const struct config_port *config;
    uint16_t port_id, tx_queue_id;
    struct rte_mempool *pool;           /* of frames that are sent; NULL: none are (mode kernel) */
    struct aside *aside[MEMBERSHIP_QUEUES_MAX]; /* of each receive queue */
    uint32_t aside_count;
    struct station station;
    struct igmp igmp;                   /* mode kernel: only its list of groups */
    int socket[IGMP_GROUPS_MAX];        /* mode kernel */
    uint32_t socket_count;
    uint64_t received_count;            /* frames put aside by the rx lcores */
    uint64_t sent_count;
    uint64_t full_count, no_mbuf_count; /* not sent: the queue took nothing; all frames are with the driver */
};

struct membership {
    struct membership_port *port[CONFIG_PORTS_MAX];
    uint32_t port_count;
};

/* Before armed. `pool` and `tx_queue_id`: the control thread's. `seed`: of random delays. */
void membership_port_init(struct membership_port *port, const struct config_port *config, uint16_t port_id,
                          uint16_t tx_queue_id, struct rte_mempool *pool, const uint8_t mac[6], uint64_t seed);
/* A group, from one source or from all (0). False: too many. */
bool membership_group_add(struct membership_port *port, uint32_t group, uint32_t source);
/* Control frames of one receive queue. False: too many queues. */
bool membership_aside_add(struct membership_port *port, struct aside *aside);

/* What can fail: the kernel's sockets join. 0 or -errno, and one sentence. */
int membership_open(struct membership *membership, const struct config *config,
                    char ret_error[MEMBERSHIP_ERROR_MAX]);
void membership_join(struct membership *membership, uint64_t now_ns);
/* The link of this port has come up: whoever snoops at its other end has forgotten the groups, or was not there yet. */
void membership_link_up(struct membership *membership, uint16_t port_id, uint64_t now_ns);
/* Take what was put aside, answer it, send what is due. True: there was something to do, and may be more. */
bool membership_step(struct membership *membership, uint64_t now_ns);
/* Leave all groups of our own; may be called again. */
void membership_leave(struct membership *membership, uint64_t now_ns);
/* Has that been said, as often as it should be? */
bool membership_left(const struct membership *membership);
/* Frames that are still aside go back; the kernel's sockets leave. After the hot threads have ended. */
void membership_close(struct membership *membership);

#endif
