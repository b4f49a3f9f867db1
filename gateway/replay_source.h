/* Where a replay's frames come from: captures, read by the control thread into blocks of memory, put by the rx
 * lcore, when they are due, on the net_ring port that its own receive loop polls. So the loop under test is the
 * production loop.
 *
 * The loader (control thread) and the step (rx lcore) share nothing but two ck_rings of block pointers: full blocks
 * one way, empty ones back. What the captures hold beyond the blocks' memory is streamed. */
#ifndef GATEWAY_REPLAY_SOURCE_H
#define GATEWAY_REPLAY_SOURCE_H

#include "gateway/capture/capture.h"
#include "gateway/clock.h"
#include "gateway/order_sink.h"
#include "gateway/place.h"
#include "ring/hist.h"
#include "ring/md_ring.h"

#include <ck_ring.h>
#include <rte_mbuf.h>
#include <rte_ring.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

#define REPLAY_BLOCK_BYTES (1u << 20)
#define REPLAY_BLOCKS_MAX 4096u
#define REPLAY_ROOMS_MAX 16u

/* A frame in a block: this, then its bytes, then padding to 8. */
struct replay_record {
    uint64_t ts_ns;
    uint32_t len;
    uint32_t reserved;
};

struct replay_block {
    uint32_t used_bytes;
    bool last;               /* nothing comes after this block */
    alignas(struct replay_record) uint8_t bytes[REPLAY_BLOCK_BYTES - sizeof(uint64_t)];
};
_Static_assert(sizeof(struct replay_block) == REPLAY_BLOCK_BYTES, "blocks keep their records aligned");

/* Something that a frame's events may overrun unless the source holds back: a reader of the md_ring. */
struct replay_room { const uint64_t *position; };

struct replay_source {
    /* step: rx lcore */
    struct replay_block *block; /* being read, or NULL */
    uint32_t block_pos;
    uint16_t port_id;
    size_t dynfield;         /* offset of the frame-time field of an mbuf */
    uint64_t dynflag;
    struct rte_mempool *pool;
    struct rte_ring *wire;   /* rx ring of the net_ring port */
    const struct md_ring *ring; /* NULL: inline, or no throttle */
    struct replay_room room[REPLAY_ROOMS_MAX];
    uint32_t room_count;
    const struct order_sink *sink[REPLAY_ROOMS_MAX]; /* whose records must not be lost */
    uint32_t sink_count;
    bool paced;
    uint64_t start_tsc;      /* when the first frame is due; set before armed, the same for all sources */
    uint64_t first_ts_ns;    /* that frame's time */
    double ticks_per_ns;     /* session time to TSC: speed factor included */
    bool ended;              /* every frame is on the wire */
    uint64_t frame_count;
    uint64_t held_back_count;  /* turns in which a reader had no room */
    uint64_t starved_count;    /* turns in which the loader was behind */
    uint64_t no_mbuf_count;
    uint64_t held_events;      /* the same for packets held behind holes; set by the receive loop */
    uint64_t admitted_events;  /* upper bound of what frames now on the wire may publish */
    uint64_t step_tsc;         /* ticks spent here: the replay's cost, not the gateway's */
    struct hist lateness;      /* ticks behind schedule, paced replays */
    /* between loader and step */
    ck_ring_t full CK_CC_CACHELINE;
    ck_ring_t empty CK_CC_CACHELINE;
    ck_ring_buffer_t full_slots[REPLAY_BLOCKS_MAX];
    ck_ring_buffer_t empty_slots[REPLAY_BLOCKS_MAX];
    /* loader: control thread */
    struct replay_block *filling;
    uint32_t block_count;
};

/* Blocks of `buffer_bytes` in all, from `place` on `node`. 0 or -ENOMEM. */
int replay_source_init(struct replay_source *source, struct place *place, uint64_t buffer_bytes, int node);

/* Loader: add one frame. False: no block is free, try again later. */
bool replay_source_add(struct replay_source *source, const struct capture_frame *frame);
/* Loader: there will be no more. False as above. */
bool replay_source_finish(struct replay_source *source);

/* May `events` more be published without a reader losing any, those of frames on the wire and of packets held behind
 * holes counted in? Always true without throttle. rx lcore. */
bool replay_source_room(const struct replay_source *source, uint64_t events);

/* Step: put at most `frame_max` frames that are due, and whose events have room, on the wire. rx lcore, each turn. */
void replay_source_step(struct replay_source *source, uint32_t frame_max);

#endif
