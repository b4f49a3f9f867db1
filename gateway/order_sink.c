/* See order_sink.h. */
#include "gateway/order_sink.h"

#include "feed/wire.h"

#include <rte_ether.h>
#include <rte_mbuf.h>
#include <string.h>

void order_sink_init(struct order_sink *sink, struct rte_ring *wire, bool recording)
{
    memset(sink, 0, sizeof(*sink));
    sink->wire = wire;
    sink->recording = recording;
    ck_ring_init(&sink->ring, ORDER_SINK_RECORDS);
}

static void push(struct order_sink *sink, struct order_record *record)
{
    if (!ck_ring_enqueue_spsc_order_record(&sink->ring, sink->record, record))
        __atomic_store_n(&sink->lost_count, sink->lost_count + 1, __ATOMIC_RELAXED); /* telemetry reads it */
}

static void push_framed(struct order_sink *sink, struct order_record *record, const uint8_t *frame, uint32_t frame_len)
{
    record->frame_len = (uint8_t)(frame_len < ORDER_SINK_FRAME_MAX ? frame_len : ORDER_SINK_FRAME_MAX);
    memcpy(record->frame, frame, record->frame_len);
    push(sink, record);
}

static void pend(struct order_sink *sink, const struct order_record *record)
{
    if (sink->pending_head - sink->pending_tail == ORDER_SINK_PENDING) /* a turn longer than any: take some off first */
        order_sink_drain(sink);
    sink->pending[sink->pending_head++ % ORDER_SINK_PENDING] = *record;
}

void order_sink_note(struct order_sink *sink, const struct order_record *record, const uint8_t *frame)
{
    if (!sink->wire) {
        if (sink->recording) {
            struct order_record copy = *record;
            push_framed(sink, &copy, frame, RTE_ETHER_HDR_LEN + load_be16(frame + RTE_ETHER_HDR_LEN + 2));
        }
        return;
    }
    pend(sink, record);
}

void order_sink_fill(struct order_sink *sink, const struct order_record *record)
{
    struct order_record copy = *record;

    if (sink->recording && sink->wire)
        pend(sink, record);
    else if (sink->recording)
        push(sink, &copy);
}

void order_sink_drain(struct order_sink *sink)
{
    struct rte_mbuf *frame;

    while (sink->pending_tail != sink->pending_head) {
        struct order_record *record = &sink->pending[sink->pending_tail % ORDER_SINK_PENDING];
        if (record->fill_qty > 0) {
            push(sink, record);
        } else if (rte_ring_sc_dequeue(sink->wire, (void **)&frame) == 0) {
            sink->frame_count++;
            if (sink->recording)
                push_framed(sink, record, rte_pktmbuf_mtod(frame, const uint8_t *), frame->data_len);
            rte_pktmbuf_free(frame);
        } else {
            break;
        }
        sink->pending_tail++;
    }
}

uint32_t order_sink_room(const struct order_sink *sink)
{
    return ORDER_SINK_RECORDS - 1 - ck_ring_size(&sink->ring);
}

bool order_sink_take(struct order_sink *sink, struct order_record *ret_record)
{
    return ck_ring_dequeue_spsc_order_record(&sink->ring, sink->record, ret_record);
}
