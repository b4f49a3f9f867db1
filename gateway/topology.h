/* The topology: from config to objects, threads and back. Everything that a run needs is made here before armed, in
 * one place: memory on the right node, channels and books, rings, ports, strategies, gates, order frames. Control
 * thread. */
#ifndef GATEWAY_TOPOLOGY_H
#define GATEWAY_TOPOLOGY_H

#include "config/config.h"
#include "gateway/port/eal.h"
#include "gateway/port/membership.h"
#include "gateway/port/port.h"
#include "gateway/port/request_tx.h"
#include "gateway/port/stack.h"
#include "gateway/reference_file.h"
#include "gateway/rx_loop.h"
#include "gateway/strategy_loop.h"
#include "gateway/xdp/xdp_guard.h"

#define TOPOLOGY_ERROR_MAX 1024u /* not less than REFERENCE_FILE_ERROR_MAX */

struct topology_options {
    bool replay;
    bool throttle;       /* the frame source holds back for slow readers */
    bool recording;      /* orders go to the control thread too */
    bool proof;          /* hot threads may make no system call: each is counted */
    bool hashing;
    bool sim;            /* replay: a simulated venue answers orders */
    uint64_t buffer_bytes; /* replay: memory for frames that are loaded ahead */
};

struct topology {
    const struct config *config;
    struct topology_options options;
    struct eal eal;
    struct place place;
    struct reference_file daily; /* what the day begins with */
    struct clock clock;
    struct rx *rx[CONFIG_LCORES_MAX];
    uint32_t rx_count;
    struct strategy_lcore *strategies[CONFIG_LCORES_MAX];
    uint32_t strategies_count;
    struct channel *channel[CONFIG_FEEDS_MAX];  /* by feed */
    struct rx *channel_rx[CONFIG_FEEDS_MAX];
    struct recovery_link *link[CONFIG_FEEDS_MAX]; /* by feed; NULL: nobody to ask, or a replay */
    struct request_tx *request_tx[CONFIG_FEEDS_MAX]; /* by feed; NULL: requests go through the kernel */
    struct port port[CONFIG_PORTS_MAX + CONFIG_LCORES_MAX];
    uint32_t port_count;
    struct xdp_guard guard[CONFIG_PORTS_MAX]; /* of AF_XDP interfaces */
    uint32_t guard_count;
    struct port *order_port;
    struct port *control_port;   /* of the order session's TCP, where order_port has one transmit queue only */
    uint8_t order_mac[6];
    struct stack_params stack;   /* carrier tcp */
    struct membership membership; /* live: what neighbours of the ports are owed */
    struct rte_mempool *pool[2 * CONFIG_PORTS_MAX + CONFIG_FEEDS_MAX + 2 * CONFIG_LCORES_MAX];
    uint32_t pool_count;
    int dynfield;
    uint64_t dynflag;
    bool armed;
    bool hung;           /* a hot thread has not ended */
    uint32_t stop;       /* writer: control thread; readers: hot threads, once a turn */
};

/* Build everything. 0, or -errno and one sentence; then topology_close still has to be called. */
int topology_build(struct topology *topology, const struct config *config, const struct topology_options *options,
                   char ret_error[TOPOLOGY_ERROR_MAX]);
/* Launch the hot threads: from here to topology_stop nothing is allocated. 0 or -errno. */
int topology_arm(struct topology *topology, char ret_error[TOPOLOGY_ERROR_MAX]);
/* Has any feed servers to ask? */
bool topology_recovering(const struct topology *topology);
/* Replay: every frame was delivered, every event consumed, every order recorded? */
bool topology_finished(const struct topology *topology);
/* Stop the hot threads and wait for them. One that does not end within two seconds is left behind, and a line says so:
 * then `hung` is set, and the process may only report and leave with _exit. */
void topology_stop(struct topology *topology);
/* Close ports, give memory back, stop the EAL. */
void topology_close(struct topology *topology);

#endif
