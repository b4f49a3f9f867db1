/* What becomes of orders beside the wire. In a replay the order port is a net_ring, and the strategy lcore itself takes
 * its frames off at the end of a turn. Frames that are wanted in a file, and the journal, go to the control thread as
 * records through a ck_ring; the frame source holds back while that ring is nearly full, so that none is lost. */
#ifndef GATEWAY_ORDER_SINK_H
#define GATEWAY_ORDER_SINK_H

#include <ck_ring.h>
#include <rte_ring.h>
#include <stdbool.h>
#include <stdint.h>

#define ORDER_SINK_PENDING 4096u   /* orders sent in one turn, at most: a power of two */
#define ORDER_SINK_RECORDS 65536u  /* records on their way to the control thread: a power of two */
#define ORDER_SINK_FRAME_MAX 112u

/* One order on the wire, and why; or what was executed of one, or broken: then fill_qty is not 0, there is no frame. */
struct order_record {
    uint64_t now_ns;      /* decision time */
    uint64_t event_seq;   /* ring sequence of the event that caused it: the rx lcore's causes know the feed's */
    uint64_t rx_tsc;      /* of that event */
    uint64_t tx_tsc;      /* after the doorbell */
    uint32_t user_ref;
    uint16_t rx_idx;      /* whose ring */
    uint8_t strategy;     /* index on its lcore */
    uint8_t frame_len;
    uint8_t fill_side;    /* as the order's */
    bool fill_broken;     /* an execution is taken back */
    uint8_t reserved[2];
    uint32_t fill_qty, fill_left_qty;
    int32_t fill_price;
    uint64_t fill_symbol;
    uint8_t frame[ORDER_SINK_FRAME_MAX];
};

CK_RING_PROTOTYPE(order_record, order_record)

struct order_sink {
    struct rte_ring *wire;          /* tx ring of the net_ring port; NULL in a live run */
    bool recording;
    struct order_record pending[ORDER_SINK_PENDING]; /* sent, not yet taken off the wire; frame still empty */
    uint32_t pending_head, pending_tail;
    uint64_t frame_count;
    uint64_t lost_count;            /* records that found no room: a mistake of the throttle, or none was wanted */
    ck_ring_t ring CK_CC_CACHELINE; /* strategy lcore -> control thread */
    struct order_record record[ORDER_SINK_RECORDS];
};

void order_sink_init(struct order_sink *sink, struct rte_ring *wire, bool recording);

/* Strategy lcore: an order went out, as `frame`. Live it is on its way to the control thread at once; in a replay when
 * the frame was taken off the wire. */
void order_sink_note(struct order_sink *sink, const struct order_record *record, const uint8_t *frame);
/* Strategy lcore: an execution, told behind the orders that went out before it. */
void order_sink_fill(struct order_sink *sink, const struct order_record *record);
/* Strategy lcore, end of a turn: take the frames off the wire. */
void order_sink_drain(struct order_sink *sink);
/* Records that may still be added before any is lost. Any thread; a lower bound on the strategy lcore. */
uint32_t order_sink_room(const struct order_sink *sink);
/* Control thread: the next record. */
bool order_sink_take(struct order_sink *sink, struct order_record *ret_record);

#endif
