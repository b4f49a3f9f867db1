/* The gateway by hand, for benchmarks: receive loop, channel, strategy lcore, gate and order path as a live run with an
 * order session has them (topology.c), on two net_ring ports of this process. What stands outside the gateway stands
 * here too: a feed of two lines of which every message moves a best price, and a control thread with a venue that
 * executes each order at once. An EAL must run: bench_eal.h.
 *
 *   feed -> rx ring -> rx_turn -> [md_ring] -> strategy -> gate -> delegated send -> tx ring -> venue -> news */
#ifndef TESTS_BENCH_GATEWAY_RIG_H
#define TESTS_BENCH_GATEWAY_RIG_H

#include "gateway/rx_loop.h"

#include <pthread.h>

#define GATEWAY_RIG_RING 1024u    /* slots of the rx ring and the tx ring */
#define GATEWAY_RIG_SYMBOLS 32u   /* that a desk trades */
#define GATEWAY_RIG_PHASES 4u     /* a better bid, gone again, a better ask, gone again */
#define GATEWAY_RIG_FRAME_MAX 128u

struct gateway_rig_template {
    uint8_t bytes[GATEWAY_RIG_FRAME_MAX];
    uint16_t len;
};

struct gateway_rig {
    /* the gateway */
    struct rx rx;
    struct strategy_lcore *strategies;
    struct md_ring *ring;           /* two-core; NULL inline */
    struct md_ring_reader reader;
    int strategy_cpu;
    uint32_t stop, ready;           /* of the strategy loop: it shall end, it has begun */
    pthread_t thread;
    struct clock clock;
    /* the ports */
    struct rte_mempool *frames;
    struct rte_ring *in, *wire;
    uint16_t feed_port, order_port;
    /* the feed: message n of the market is number n + 1 of its channel, and its time is n ns */
    struct gateway_rig_template template[2][GATEWAY_RIG_SYMBOLS][GATEWAY_RIG_PHASES]; /* of each line */
    uint8_t phase[GATEWAY_RIG_SYMBOLS];
    uint64_t random;
    uint64_t opening;               /* messages before the first of the market */
    uint64_t put[2];                /* messages of the market that each line has put */
    uint8_t newest[GATEWAY_RIG_RING]; /* template of a message that line B has not put yet */
    /* the venue, which looks at nothing that the strategy lcore writes but these */
    struct order_sink *sink;
    struct order_link *link;
    uint32_t link_room;             /* news that there was room for at the newest look, less those told since */
};

/* Build it and play the opening: directory, a standing book, the session. `cpu` is the rx lcore's. */
void gateway_rig_open(struct gateway_rig *rig, const char *name, bool two_core, uint32_t cpu);

/* Two-core: the strategy loop on `cpu`, until gateway_rig_stop. */
void gateway_rig_start(struct gateway_rig *rig, int cpu);
void gateway_rig_stop(struct gateway_rig *rig);

/* The receiving half alone: a channel of these parameters on one or two lines, its events into an md_ring that nobody
 * reads. Nothing is played. */
void gateway_rig_feed(struct gateway_rig *rig, const char *name, const struct channel_params *params, uint32_t cpu);

/* The next message of the market, in a frame of its own, as it comes on line 0; line 1 brings what line 0 has brought
 * before, in order. The frame is in no ring yet. */
struct rte_mbuf *gateway_rig_frame(struct gateway_rig *rig, uint32_t line);
/* A frame like it that no feed knows, and a port of which both rings are one: for the bare loop. */
struct rte_mbuf *gateway_rig_copy(struct gateway_rig *rig);
uint16_t gateway_rig_loop_port(void);
/* A frame of `len` bytes; `bytes` has GATEWAY_RIG_FRAME_MAX. Those of a heartbeat of line 0 that names what comes
 * next there; returns their number. */
struct rte_mbuf *gateway_rig_bytes(struct gateway_rig *rig, const uint8_t *bytes, uint16_t len);
uint16_t gateway_rig_heartbeat(const struct gateway_rig *rig, uint8_t ret_frame[GATEWAY_RIG_FRAME_MAX]);
/* Into the rx ring. False: it is full. */
static inline bool gateway_rig_put(struct gateway_rig *rig, struct rte_mbuf *frame)
{
    return rte_ring_sp_enqueue(rig->in, frame) == 0;
}

/* rx thread: nothing is on its way to the strategies, not even a resync. */
bool gateway_rig_idle(const struct gateway_rig *rig);

/* An order that has gone out: which message of the market led to it, and the stamp behind its transmit burst. */
struct gateway_rig_order {
    uint64_t message;
    uint64_t tx_tsc;
};

/* The next order that was in the tx ring: the control thread takes its bytes over, and the venue executes it. The
 * strategy lcore itself has taken it off the ring at the end of its turn, as in a replay (order_sink.h): as with a NIC,
 * nobody else touches its queue. False: there is none. */
bool gateway_rig_order(struct gateway_rig *rig, struct gateway_rig_order *ret_order);

#endif
