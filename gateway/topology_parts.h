/* What the parts of topology share among themselves. */
#ifndef GATEWAY_TOPOLOGY_PARTS_H
#define GATEWAY_TOPOLOGY_PARTS_H

#include "gateway/topology.h"

#include <rte_mempool.h>

/* Write one sentence and return `error`. */
__attribute__((format(printf, 3, 4))) int topology_fail(char ret_error[TOPOLOGY_ERROR_MAX], int error,
                                                        const char *format, ...);
int topology_no_memory(char ret_error[TOPOLOGY_ERROR_MAX], const char *what, const char *name, size_t bytes);
/* A pool of frame buffers for any port of the config; NULL and a sentence. */
struct rte_mempool *topology_pool(struct topology *topology, const char *name, uint32_t count, int node,
                                  char ret_error[TOPOLOGY_ERROR_MAX]);

/* Live: sockets of the lines whose ports are sockets (device: socket,...), each with its rx lcore. After the ports were
 * opened. */
int topology_sockets_build(struct topology *topology, char ret_error[TOPOLOGY_ERROR_MAX]);
void topology_sockets_finish(struct topology *topology);
/* Live runs, in topology_ports.c. Is everything there that the ports of this config need? Before the EAL starts. */
int topology_devices_check(const struct topology *topology, char ret_error[TOPOLOGY_ERROR_MAX]);
/* The guards of all AF_XDP interfaces in use, before their ports are opened; begun when they are; off again after they
 * are closed. */
int topology_guards_open(struct topology *topology, char ret_error[TOPOLOGY_ERROR_MAX]);
void topology_guards_begin(struct topology *topology);
void topology_guards_close(struct topology *topology);
/* Are the CPU that polls a port, the frames of its pool and its device on one NUMA node? gateway.numa_strict decides
 * between an error and a warning. */
int topology_nodes_check(const struct topology *topology, const struct port *port, struct rte_mempool *pool,
                         uint32_t cpu, char ret_error[TOPOLOGY_ERROR_MAX]);

/* Do retransmission requests of this feed, of any feed, leave through this port? */
bool topology_requests_through(const struct config_feed *feed, uint32_t port_idx);
bool topology_requests_from(const struct config *config, uint32_t port_idx);
/* Does the control thread need a transmit queue of this port for its neighbours: IGMP of our own, ARP, pings? */
bool topology_membership_wants(const struct config *config, uint32_t port_idx);
/* Several receive queues: each line to one of them, where the device can; said in port->steering. */
void topology_steer(const struct topology *topology, uint32_t port_idx, struct port *port);
/* The port's part in the membership, after it was opened and its receive queues are the rx lcore's. */
int topology_membership_build(struct topology *topology, uint32_t port_idx, const struct port *port, struct rx *rx,
                              uint16_t tx_queue_id, int node, char ret_error[TOPOLOGY_ERROR_MAX]);

/* The strategy lcore whose the order session is; NULL where each sends for itself (udp, replays). */
struct strategy_lcore *topology_orders_owner(const struct topology *topology);
/* Transmit queues of this port that orders and the session's TCP need; 0: it has no part in the session. */
uint16_t topology_orders_queues(const struct topology *topology, uint32_t port_idx);
/* Ways to the wire of all strategy lcores that have one. After the ports were opened. */
int topology_orders_build(struct topology *topology, char ret_error[TOPOLOGY_ERROR_MAX]);
/* Give back what they hold. After the hot threads have ended. */
void topology_orders_finish(struct topology *topology);

#endif
