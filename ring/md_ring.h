/* md_ring: broadcast ring of md_event, one producer (an rx lcore), any number of readers (strategy lcores).
 *
 * The sequence number is inside the slot: 56 bytes of event and 8 of sequence are one cache line, so a hop moves one
 * line and nobody polls an index. The producer knows no reader and waits for none; publishing costs the same for one
 * reader as for ten. A reader that is lapped learns exactly how many events it lost.
 *
 * Contract of the shared words (all others belong to one thread):
 *   slot.seq    writer: producer; readers: all. BUSY before the payload changes, the event's sequence after it.
 *               Paired: store fences in md_ring_push with load fences in md_ring_pop.
 *   slot.word   writer: producer; readers: all. A copy counts only if slot.seq was the expected one before and after:
 *               whatever was written or read between, in pieces or twice, does not matter.
 *   ring.head   writer: producer; readers: anyone, as a hint (lag, telemetry), never to decide that a slot is ready.
 *   reader.position  writer: that reader; readers: frame source of a replay (to hold back), telemetry.
 *   reader.lost_count, overrun_count  writer: that reader; readers: telemetry.
 * Without the BUSY mark a lapped reader could copy half an event and find the old number twice.
 *
 * Where an event lies: sequences are MD_RING_STRIDE slots apart, so that the next one is on another page. A reader at
 * the head polls one line only; with neighbours side by side its core's prefetchers would fetch the next ones too, from
 * under the producer that is about to write them. What they no longer do, both sides do themselves: the producer asks
 * for the line of MD_RING_AHEAD events later, to write; a reader that lags, for one of MD_RING_BEHIND later. The line
 * that a reader polls it has taken back meanwhile: md_ring_expect. */
#ifndef RING_MD_RING_H
#define RING_MD_RING_H

#include "ring/check.h"
#include "ring/md_event.h"
#include "ring/prefetch.h"

#include <ck_pr.h>
#include <stdalign.h>
#include <string.h>

/* ThreadSanitizer does not see Concurrency Kit's inline assembly, and GCC refuses fences under it (-Wtsan): there the
 * same accesses are made with acquire and release on each word. */
#ifdef TICKGATE_TSAN
#define MD_RING_LOAD(word) __atomic_load_n((word), __ATOMIC_ACQUIRE)
#define MD_RING_STORE(word, value) __atomic_store_n((word), (value), __ATOMIC_RELEASE)
#define MD_RING_FENCE_LOAD() ((void)0)
#define MD_RING_FENCE_STORE() ((void)0)
#else
#define MD_RING_LOAD(word) ck_pr_load_64(word)
#define MD_RING_STORE(word, value) ck_pr_store_64((word), (value))
#define MD_RING_FENCE_LOAD() ck_pr_fence_load()
#define MD_RING_FENCE_STORE() ck_pr_fence_store()
#endif

#define MD_RING_BUSY 0u           /* no event has sequence 0 */
#define MD_RING_SLOTS_MIN 64u
#define MD_RING_SLOTS_MAX (1u << 24)
#define MD_RING_STRIDE 65u /* odd: every slot has its turn; a page and a line, so that no set of the cache fills up */
#define MD_RING_AHEAD 16u  /* what crosses the cores in the time of some ten events */
#define MD_RING_BEHIND 16u

struct md_slot {
    alignas(CACHE_LINE_BYTES) uint64_t seq;
    uint64_t word[MD_EVENT_WORDS];
};
_Static_assert(sizeof(struct md_slot) == CACHE_LINE_BYTES, "one event, one line");
_Static_assert(sizeof(struct md_event) == MD_EVENT_WORDS * sizeof(uint64_t), "the payload is copied in words");

struct md_ring {
    struct md_slot *slots; /* read-mostly */
    uint64_t mask;
    alignas(CACHE_LINE_BYTES) uint64_t head; /* sequence of the next event to publish */
};

struct md_ring_reader {
    const struct md_slot *slots; /* read-mostly */
    uint64_t mask;
    uint64_t next;           /* sequence wanted next */
    uint64_t empty_seq;      /* next when the ring was last found empty */
    uint64_t lost_count;     /* events lost to overruns, exactly */
    uint64_t overrun_count;  /* times lapped */
    alignas(CACHE_LINE_BYTES) uint64_t position; /* exported copy of next */
};

enum md_ring_verdict {
    MD_RING_EMPTY = 0,   /* nothing new (or the producer is writing just this slot) */
    MD_RING_EVENT = 1,   /* an event was copied */
    MD_RING_OVERRUN = 2, /* the reader was lapped: `lost_count` has grown, the next pop goes on after the loss */
};

/* Lay a ring over `slots` (aligned to a cache line, slot_count of them, a power of two within MD_RING_SLOTS_MIN and
 * _MAX). The first event gets `first_seq` >= 1. Before any reader is initialised. */
void md_ring_init(struct md_ring *ring, struct md_slot *slots, uint32_t slot_count, uint64_t first_seq);

/* A reader that begins with the next event published. Call it before the producer is armed, or lose nothing but the
 * past. */
void md_ring_reader_init(struct md_ring_reader *reader, struct md_ring *ring);

/* Where the event `seq` lies, will lie, or was. */
static inline uint64_t md_ring_slot_idx(uint64_t mask, uint64_t seq)
{
    return seq * MD_RING_STRIDE & mask;
}

/* An event is coming: the line of its slot, which whoever polls the head has, is on its way back while the event is
 * still being made. Producer only; publishes nothing, and may be in vain. */
static inline void md_ring_expect(const struct md_ring *ring)
{
    prefetch_write(&ring->slots[md_ring_slot_idx(ring->mask, ring->head)]);
}

/* Publish one event. Producer only; never waits, cannot fail. Returns the event's sequence. */
static inline uint64_t md_ring_push(struct md_ring *ring, const struct md_event *event)
{
    const uint64_t seq = ring->head;
    struct md_slot *slot = &ring->slots[md_ring_slot_idx(ring->mask, seq)];
    uint64_t word[MD_EVENT_WORDS];

#define TAKE(i) word[i] = md_event_word_of(event, i);
    MD_EVENT_EACH_WORD(TAKE) /* first, else they have to be loaded behind the fence */
    prefetch_write(&ring->slots[md_ring_slot_idx(ring->mask, seq + MD_RING_AHEAD)]);
    MD_RING_STORE(&slot->seq, MD_RING_BUSY);
    MD_RING_FENCE_STORE(); /* a reader that sees a new word also sees that the old number is gone */
#define PUT(i) MD_RING_STORE(&slot->word[i], word[i]);
    MD_EVENT_EACH_WORD(PUT)
    MD_RING_FENCE_STORE(); /* a reader that sees the number sees the words */
    MD_RING_STORE(&slot->seq, seq);
    MD_RING_STORE(&ring->head, seq + 1);
    return seq;
}
#undef TAKE
#undef PUT

/* Take the next event, if there is one. That reader's thread only; never waits. */
static inline enum md_ring_verdict md_ring_pop(struct md_ring_reader *reader, struct md_event *ret_event)
{
    const struct md_slot *slot = &reader->slots[md_ring_slot_idx(reader->mask, reader->next)];
    uint64_t word[MD_EVENT_WORDS];

    const uint64_t seq = MD_RING_LOAD(&slot->seq);
    if (seq != reader->next) {
        if (seq == MD_RING_BUSY || (int64_t)(seq - reader->next) < 0) {
            reader->empty_seq = reader->next;
            return MD_RING_EMPTY;
        }
        MD_RING_STORE(&reader->lost_count, reader->lost_count + (seq - reader->next));
        MD_RING_STORE(&reader->overrun_count, reader->overrun_count + 1);
        reader->next = seq;
        return MD_RING_OVERRUN;
    }
    MD_RING_FENCE_LOAD(); /* words are read after the number ... */
#define TAKE(i) word[i] = MD_RING_LOAD(&slot->word[i]);
    MD_EVENT_EACH_WORD(TAKE)
    MD_RING_FENCE_LOAD(); /* ... and before it is looked at again */
    if (UNLIKELY(MD_RING_LOAD(&slot->seq) != seq))
        return MD_RING_EMPTY; /* overwritten while it was copied: the next pop finds BUSY or the newer number */
#define PUT(i) md_event_word(ret_event, i, word[i]);
    MD_EVENT_EACH_WORD(PUT)
    reader->next = seq + 1;
    if (seq - reader->empty_seq >= MD_RING_BEHIND) /* not at the head: there they are the producer's */
        prefetch_read(&reader->slots[md_ring_slot_idx(reader->mask, seq + MD_RING_BEHIND)]);
    return MD_RING_EVENT;
}
#undef TAKE
#undef PUT

/* Tell the frame source of a replay, and telemetry, how far this reader is. Once per burst. */
static inline void md_ring_reader_export(struct md_ring_reader *reader)
{
    MD_RING_STORE(&reader->position, reader->next);
}

/* How many more events may be published before a reader at `position` (an exported one) loses any; 0 too for one that
 * was lapped and has not exported since. Producer's thread. */
static inline uint64_t md_ring_room(const struct md_ring *ring, const uint64_t *position)
{
    const uint64_t slot_count = ring->mask + 1;
    const uint64_t lag_count = ring->head - MD_RING_LOAD(position);
    return lag_count < slot_count ? slot_count - lag_count : 0; /* an unsigned difference would open the throttle */
}

#endif
