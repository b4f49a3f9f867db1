/* See replay_source.h. */
#include "gateway/replay_source.h"

#include "feed/channel.h"

#include <errno.h>
#include <rte_mbuf_dyn.h>
#include <string.h>

#define RECORD_ALIGN 8u
/* Shortest block of a datagram that gives events: a length and an ITCH prefix with one byte. Whatever a frame says, it
 * cannot hold more messages than this allows. */
#define MESSAGE_LEN_MIN (2u + 12u)

static uint32_t record_bytes(uint32_t len)
{
    return (uint32_t)sizeof(struct replay_record) + (len + RECORD_ALIGN - 1) / RECORD_ALIGN * RECORD_ALIGN;
}

int replay_source_init(struct replay_source *source, struct place *place, uint64_t buffer_bytes, int node)
{
    uint64_t wanted = buffer_bytes / sizeof(struct replay_block);

    memset(source, 0, sizeof(*source));
    hist_init(&source->lateness);
    /* A ck_ring of n slots holds n - 1. */
    ck_ring_init(&source->full, REPLAY_BLOCKS_MAX);
    ck_ring_init(&source->empty, REPLAY_BLOCKS_MAX);
    if (wanted > REPLAY_BLOCKS_MAX - 1)
        wanted = REPLAY_BLOCKS_MAX - 1;
    if (wanted < 2)
        wanted = 2;
    uint8_t *memory = place_alloc(place, wanted * sizeof(struct replay_block), node);
    if (!memory)
        return -ENOMEM;
    for (uint64_t i = 0; i < wanted; i++)
        ck_ring_enqueue_spsc(&source->empty, source->empty_slots, memory + i * sizeof(struct replay_block));
    source->block_count = (uint32_t)wanted;
    return 0;
}

static bool filling_take(struct replay_source *source)
{
    void *block;

    if (source->filling)
        return true;
    if (!ck_ring_dequeue_spsc(&source->empty, source->empty_slots, &block))
        return false;
    source->filling = block;
    source->filling->used_bytes = 0;
    source->filling->last = false;
    return true;
}

static void filling_give(struct replay_source *source)
{
    /* Cannot fail: the ring has a slot for every block there is. */
    ck_ring_enqueue_spsc(&source->full, source->full_slots, source->filling);
    source->filling = NULL;
}

bool replay_source_add(struct replay_source *source, const struct capture_frame *frame)
{
    const uint32_t bytes = record_bytes(frame->len);

    if (source->filling && source->filling->used_bytes + bytes > sizeof(source->filling->bytes))
        filling_give(source);
    if (!filling_take(source))
        return false;
    const struct replay_record record = {.ts_ns = frame->ts_ns, .len = frame->len};
    uint8_t *to = source->filling->bytes + source->filling->used_bytes;
    memcpy(to, &record, sizeof(record));
    memcpy(to + sizeof(record), frame->data, frame->len);
    source->filling->used_bytes += bytes;
    return true;
}

bool replay_source_finish(struct replay_source *source)
{
    if (!filling_take(source))
        return false;
    source->filling->last = true;
    filling_give(source);
    return true;
}

/* The next record, or NULL: none loaded yet, or all done (ended). */
static const struct replay_record *peek(struct replay_source *source)
{
    for (;;) {
        if (source->block && source->block_pos < source->block->used_bytes)
            return (const struct replay_record *)(const void *)(source->block->bytes + source->block_pos);
        if (source->block) {
            const bool last = source->block->last;
            ck_ring_enqueue_spsc(&source->empty, source->empty_slots, source->block);
            source->block = NULL;
            if (last) {
                source->ended = true;
                return NULL;
            }
        }
        void *block;
        if (!ck_ring_dequeue_spsc(&source->full, source->full_slots, &block)) {
            source->starved_count++;
            return NULL;
        }
        source->block = block;
        source->block_pos = 0;
    }
}

/* Absolute schedule: each frame is due at its own distance from the first, whatever happened before it. */
static bool due(struct replay_source *source, uint64_t ts_ns)
{
    if (!source->paced)
        return true;
    const uint64_t now = clock_tsc();
    const uint64_t since_ns = ts_ns > source->first_ts_ns ? ts_ns - source->first_ts_ns : 0;
    const uint64_t due_tsc = source->start_tsc + (uint64_t)((double)since_ns * source->ticks_per_ns);
    if (now < due_tsc)
        return false;
    hist_record(&source->lateness, now - due_tsc);
    return true;
}

/* A reader that has caught up entirely is never waited for: more room than the whole ring there cannot be. */
bool replay_source_room(const struct replay_source *source, uint64_t events)
{
    for (uint32_t i = 0; i < source->sink_count; i++)
        if (order_sink_room(source->sink[i]) < ORDER_SINK_RECORDS / 2)
            return false;
    if (!source->ring)
        return true;
    const uint64_t needed = source->admitted_events + source->held_events + events;
    for (uint32_t i = 0; i < source->room_count; i++) {
        const uint64_t free_slots = md_ring_room(source->ring, source->room[i].position);
        if (free_slots < needed && (source->admitted_events > 0 || free_slots <= source->ring->mask))
            return false;
    }
    return true;
}

static bool wire_put(struct replay_source *source, const struct replay_record *record)
{
    struct rte_mbuf *frame = rte_pktmbuf_alloc(source->pool);

    if (!frame) {
        source->no_mbuf_count++;
        return false;
    }
    const uint32_t len = record->len < rte_pktmbuf_tailroom(frame) ? record->len : rte_pktmbuf_tailroom(frame);
    memcpy(rte_pktmbuf_mtod(frame, void *), record + 1, len);
    frame->data_len = (uint16_t)len;
    frame->pkt_len = len;
    frame->port = source->port_id;
    *RTE_MBUF_DYNFIELD(frame, source->dynfield, uint64_t *) = record->ts_ns;
    frame->ol_flags |= source->dynflag;
    if (rte_ring_sp_enqueue(source->wire, frame) != 0) {
        rte_pktmbuf_free(frame);
        return false;
    }
    return true;
}

void replay_source_step(struct replay_source *source, uint32_t frame_max)
{
    source->admitted_events = 0; /* the receive loop has emptied the wire since */
    if (source->ended)
        return;
    const uint64_t begin_tsc = clock_tsc();
    uint32_t count = 0;

    while (count < frame_max) {
        const struct replay_record *record = peek(source);
        if (!record)
            break;
        const uint64_t events = (uint64_t)(record->len / MESSAGE_LEN_MIN + 2) * CHANNEL_EVENTS_MAX;
        if (!replay_source_room(source, events)) {
            source->held_back_count++;
            break;
        }
        if (!due(source, record->ts_ns))
            break;
        if (!wire_put(source, record))
            break;
        source->admitted_events += events;
        source->block_pos += record_bytes(record->len);
        source->frame_count++;
        count++;
    }
    if (count > 0)
        source->step_tsc += clock_tsc() - begin_tsc;
}
