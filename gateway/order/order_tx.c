/* See order_tx.h. A burst of one, always: an order waits for no other. */
#include "gateway/order/order_tx.h"

#include "ring/check.h"

#include <errno.h>
#include <rte_ethdev.h>
#include <string.h>

int order_tx_init(struct order_tx *tx, const struct order_frame_route *route, uint16_t port_id, uint16_t queue_id,
                  struct rte_mempool *pool, uint32_t frames)
{
    CHECK(frames > 0 && frames <= ORDER_TX_FRAMES_MAX && (frames & (frames - 1)) == 0);

    *tx = (struct order_tx){.mask = frames - 1, .port_id = port_id, .queue_id = queue_id};
    order_frame_template_init(&tx->template, route);
    for (uint32_t i = 0; i < frames; i++) {
        tx->frame[i] = rte_pktmbuf_alloc(pool);
        if (!tx->frame[i] || rte_pktmbuf_tailroom(tx->frame[i]) < ORDER_FRAME_LEN_MAX)
            return -ENOMEM;
        order_frame_prepare(&tx->template, rte_pktmbuf_mtod(tx->frame[i], uint8_t *));
        tx->prepared[i] = true;
    }
    return 0;
}

void order_tx_finish(struct order_tx *tx)
{
    for (uint32_t i = 0; i <= tx->mask; i++)
        rte_pktmbuf_free(tx->frame[i]);
}

void order_tx_route(struct order_tx *tx, const struct order_frame_route *route)
{
    order_frame_template_init(&tx->template, route);
    memset(tx->prepared, 0, sizeof(tx->prepared));
}

struct rte_mbuf *order_tx_encode(struct order_tx *tx, const struct order_intent *intent, uint64_t symbol,
                                 struct order_frame_id id, struct order_frame_at at)
{
    const uint32_t idx = tx->next & tx->mask;
    struct rte_mbuf *frame = tx->frame[idx];

    if (UNLIKELY(rte_mbuf_refcnt_read(frame) != 1)) {
        tx->busy_count++;
        return NULL;
    }
    uint8_t *bytes = rte_pktmbuf_mtod(frame, uint8_t *);
    if (UNLIKELY(!tx->prepared[idx]))
        order_frame_prepare(&tx->template, bytes);
    const uint32_t len = order_frame_encode(&tx->template, bytes, intent, symbol, id, at);
    tx->prepared[idx] = intent->action == ORDER_NEW;
    frame->data_len = (uint16_t)len;
    frame->pkt_len = len;
    return frame;
}

bool order_tx_send(struct order_tx *tx, struct rte_mbuf *frame)
{
    rte_mbuf_refcnt_update(frame, 1); /* one reference is ours for good, one is the driver's until the frame is out */
    if (UNLIKELY(rte_eth_tx_burst(tx->port_id, tx->queue_id, &frame, 1) != 1)) {
        rte_mbuf_refcnt_update(frame, -1);
        tx->full_count++;
        return false;
    }
    tx->next++;
    tx->sent_count++;
    return true;
}
