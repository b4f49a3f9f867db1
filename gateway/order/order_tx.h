/* Order frames meet the transmit queue: a ring of prepared mbufs, sent one at a time on a queue that belongs to this
 * lcore alone. The only object file that transmits on order queues (tests/lint shows it with nm). A frame is patched
 * again only when its reference count shows that the driver has let go of it. Strategy lcore. */
#ifndef GATEWAY_ORDER_ORDER_TX_H
#define GATEWAY_ORDER_ORDER_TX_H

#include "gateway/order/order_frame.h"
#include "ring/prefetch.h"

#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>

#define ORDER_TX_FRAMES_MAX 4096u

struct order_tx {
    struct order_frame_template template;
    struct rte_mbuf *frame[ORDER_TX_FRAMES_MAX];
    bool prepared[ORDER_TX_FRAMES_MAX]; /* holds a laid-out Enter Order */
    uint32_t mask;
    uint32_t next;         /* frame to use next */
    uint16_t port_id, queue_id;
    uint64_t sent_count;
    uint64_t full_count;   /* the queue took nothing */
    uint64_t busy_count;   /* the next frame is still with the driver */
};

/* Take `frames` mbufs (a power of two) from `pool` and lay an order into each. 0 or -ENOMEM. Before armed. */
int order_tx_init(struct order_tx *tx, const struct order_frame_route *route, uint16_t port_id, uint16_t queue_id,
                  struct rte_mempool *pool, uint32_t frames);
/* Give the mbufs back. After the lcore has ended. */
void order_tx_finish(struct order_tx *tx);

/* Another connection: all frames are laid out anew before their next use. Owner lcore. */
void order_tx_route(struct order_tx *tx, const struct order_frame_route *route);

/* Make the next frame the order of `intent`; NULL: all frames are with the driver ("tx full"). Nothing is sent yet, and
 * the next call overwrites it. `at`: see order_frame_encode. */
struct rte_mbuf *order_tx_encode(struct order_tx *tx, const struct order_intent *intent, uint64_t symbol,
                                 struct order_frame_id id, struct order_frame_at at);

/* Ring the doorbell for the frame just encoded. False: the queue took nothing; the frame is free again. */
bool order_tx_send(struct order_tx *tx, struct rte_mbuf *frame);

/* Do not send the frame just encoded, and leave its bytes as they are until the ring comes round again: they were given
 * to somebody else to send. */
static inline void order_tx_pass(struct order_tx *tx)
{
    tx->next++;
}

/* Has the driver let go of the next frame? */
static inline bool order_tx_free(const struct order_tx *tx)
{
    return rte_mbuf_refcnt_read(tx->frame[tx->next & tx->mask]) == 1;
}

/* Idle: keep the lines of the next order in this lcore's cache. Changes nothing. */
static inline void order_tx_warm(const struct order_tx *tx)
{
    const struct rte_mbuf *frame = tx->frame[tx->next & tx->mask];
    const uint8_t *bytes = rte_pktmbuf_mtod(frame, const uint8_t *);

    prefetch_write(frame);
    prefetch_write(bytes);
    prefetch_write(bytes + ORDER_FRAME_LEN_MAX - 1);
    prefetch_write(&tx->prepared[tx->next & tx->mask]);
}

#endif
