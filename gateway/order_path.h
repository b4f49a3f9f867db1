/* The way of an order from a strategy lcore to the wire, whichever carrier the config names:
 *
 *   udp     a datagram on the lcore's own transmit queue
 *   tcp     delegated send: a segment on that queue, told to the control thread's TCP through the send log
 *   kernel  send(2) on the session's socket: a system call an order
 *
 * Encode, then send: between the two nothing has happened yet. Owner lcore. */
#ifndef GATEWAY_ORDER_PATH_H
#define GATEWAY_ORDER_PATH_H

#include "config/config.h"
#include "gateway/order/order_tx.h"
#include "gateway/order/risk.h"
#include "gateway/order_link.h"
#include "ring/prefetch.h"

struct order_path {
    enum config_carrier carrier;
    bool slow_allowed;             /* tcp: what may not be sent now goes to the control thread's TCP, or is refused */
    struct order_tx *tx;           /* udp, tcp */
    struct order_link *link;       /* tcp, kernel */
    int socket;                    /* kernel */
    struct order_frame_template template; /* kernel: segments that never see a wire, for their bytes */
    uint8_t buffer[128];           /* kernel: the frame in hand */
    uint8_t *frame;                /* in hand */
    struct rte_mbuf *mbuf;
    uint32_t stream_len;           /* tcp, kernel: of its SoupBinTCP packet */
    bool delegated;
    uint64_t direct_count;         /* kernel: taken by the socket at once; tcp: see tx->sent_count. Writer: owner */
    uint64_t slow_count;           /* given to the control thread: window, log, or a queue that took nothing */
    uint64_t heartbeat_count;
};

/* A connection is this lcore's: BEGIN of the link's news. */
void order_path_begin(struct order_path *path, const struct order_news *begin);
/* It is not any more. */
void order_path_end(struct order_path *path);

/* Make the frame of `intent` (ORDER_FRAME_HEARTBEAT too). RISK_PASS: it is in hand. RISK_TX_FULL, RISK_LOG_FULL,
 * RISK_WINDOW: nothing is. */
enum risk_verdict order_path_encode(struct order_path *path, const struct order_intent *intent, uint64_t symbol,
                                    struct order_frame_id id);
/* Send what is in hand. RISK_PASS, or RISK_TX_FULL (udp): nothing was sent. */
enum risk_verdict order_path_send(struct order_path *path);
/* The frame in hand, until the next encode. */
static inline const uint8_t *order_path_frame(const struct order_path *path)
{
    return path->frame;
}

/* Idle: keep the lines of the next order in this lcore's cache; those of the log were the control thread's. Changes
 * nothing. */
static inline void order_path_warm(struct order_path *path)
{
    if (path->tx)
        order_tx_warm(path->tx);
    if (path->carrier != CONFIG_CARRIER_TCP)
        return;
    prefetch_write(&path->link->log.slot[path->link->log.next_slot % SEND_LOG_SLOTS]);
    prefetch_read(&path->link->log.limit);
}

/* Messages that were sent so far, by whatever way. Any thread. */
static inline uint64_t order_path_sends(const struct order_path *path)
{
    const uint64_t count = path->tx ? __atomic_load_n(&path->tx->sent_count, __ATOMIC_RELAXED)
                                    : __atomic_load_n(&path->direct_count, __ATOMIC_RELAXED);

    return count + __atomic_load_n(&path->slow_count, __ATOMIC_RELAXED);
}

/* Heartbeat of the session. Nothing happens where it cannot be sent now: it will be asked for again. */
void order_path_heartbeat(struct order_path *path);

#endif
