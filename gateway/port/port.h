/* Ethdev ports: all of them, whatever stands behind. Opened from config before armed, closed after the hot threads have
 * ended. Control thread. */
#ifndef GATEWAY_PORT_PORT_H
#define GATEWAY_PORT_PORT_H

#include "config/config.h"
#include "gateway/port/port_link.h"
#include "gateway/port/steer.h"

#include <rte_ethdev.h>
#include <rte_ring.h>

#define PORT_ERROR_MAX 512u

struct port {
    const struct config_port *config;
    uint16_t id;              /* ethdev port */
    uint16_t rx_queue_count;
    uint16_t tx_queue_count;
    bool started;
    char how[STEER_TEXT_MAX]; /* how wide it receives: "multicast filter", "all multicast" ... */
    char steering[STEER_TEXT_MAX]; /* several receive queues: which frames come to which; empty otherwise */
    char note[160];           /* what of the config the device did not take; empty otherwise */
    uint16_t rx_descriptors, tx_descriptors; /* of each queue, after the device's limits */
    int node;                 /* NUMA node of the device, -1 = of none */
    int interface_fd;         /* asks the kernel for the link of its interface; -1: the driver knows */
    bool replay;
    struct port_link link;
    uint8_t mac[6];
    /* replay: the port is a net_ring over these */
    struct rte_ring *rx_ring; /* frame source -> rx queue 0; NULL otherwise */
    struct rte_ring *tx_ring[RTE_MAX_LCORE / 8]; /* tx queue -> order sink */
};

/* What a frame buffer must hold for this port's MTU, headroom not counted. */
uint16_t port_data_room(const struct config_port *config);

/* Descriptors that each of its receive queues is asked to have: those of the config, or more where the driver needs
 * them to count its losses. */
uint16_t port_rx_descriptors(const struct config_port *config);

/* Open the device that the config names, with these queues; rx mbufs come from `pool`. The groups (host byte order)
 * are put into the MAC filter; where the device has none, all multicast, then promiscuous. 0 or -errno, and one
 * sentence. */
int port_open(struct port *port, const struct config_port *config, uint16_t rx_queues, uint16_t tx_queues,
              struct rte_mempool *pool, int node, const uint32_t *groups, uint32_t group_count,
              char ret_error[PORT_ERROR_MAX]);

/* The same port for a replay: a net_ring whose rx ring the frame source fills and whose tx rings the order sinks
 * drain. */
int port_open_ring(struct port *port, const struct config_port *config, const char *name, uint16_t rx_queues,
                   uint16_t tx_queues, uint32_t ring_slots, struct rte_mempool *pool, int node,
                   char ret_error[PORT_ERROR_MAX]);

/* Frames and errors since it was opened, as the device counts them. */
struct port_counts {
    uint64_t rx_frames, tx_frames;
    uint64_t missed;          /* dropped by the device: we took them too slowly */
    uint64_t rx_errors, no_mbuf, tx_errors;
};
/* Any thread. Zeros where the device counts nothing. */
void port_counts(const struct port *port, struct port_counts *ret_counts);

/* Look at the link, and tell `out` (may be NULL) of a change. True: it has come up since the look before. Control
 * thread, some times a second. */
bool port_link_step(struct port *port, uint64_t now_ns, FILE *out);

void port_close(struct port *port);

#endif
