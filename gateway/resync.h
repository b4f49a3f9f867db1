/* Bringing a reader up to date that was lapped: all that the rx lcore knows, to that reader alone. One of these stands
 * between an rx lcore and each reader of its ring; made before armed, never waits, allocates nothing.
 *
 *   reader        asks, and takes what comes between the events of the ring
 *   rx lcore      answers, a slice each turn, through an md_ring of its own which it never lets the reader lose from
 *
 * Order. Each record carries, in rx_tsc, the ring sequence of the newest event at the time it was made: it belongs
 * behind that event and before the next. It was pushed before the next was published, so a reader that has popped event
 * n finds every record that belongs before n. A reader that is lapped again asks again; a request has a number, which a
 * mark ahead of its records repeats, and what is still on its way for an older one is dropped.
 *
 * Contract of the shared words, beside those of md_ring:
 *   asked       writer: reader; reader: rx lcore, each turn. Number of the newest request, 0 = none yet.
 *   *_count     one writer each; readers: telemetry. */
#ifndef GATEWAY_RESYNC_H
#define GATEWAY_RESYNC_H

#include "feed/refresh.h"
#include "ring/md_ring.h"

#define RESYNC_CHANNELS_MAX 16u
#define RESYNC_SYMBOLS_MAX 4096u /* instruments whose depth is wanted */
#define RESYNC_SLOTS 2048u       /* records on their way */
#define RESYNC_SLICE 64u         /* steps of a refresh in one turn; a go that was begun is ended */
_Static_assert(RESYNC_SLOTS > REFRESH_GO_MAX, "a go has room");

struct resync {
    /* read-mostly */
    const struct md_ring *ring;      /* of the rx lcore: whose events the records stand between */
    struct channel *channel[RESYNC_CHANNELS_MAX];
    uint16_t index[RESYNC_CHANNELS_MAX]; /* of these channels in events */
    uint32_t channel_count;
    uint32_t channels;               /* the same as bits */
    uint32_t symbol_count;
    uint64_t symbol[RESYNC_SYMBOLS_MAX]; /* ascending */
    /* reader */
    alignas(CACHE_LINE_BYTES) uint64_t asked;
    struct md_ring_reader reader;
    struct md_event record;          /* taken, its turn has not come; rx_tsc is where it belongs */
    bool holding;                    /* `record` is one */
    bool current;                    /* what comes is for the newest request */
    bool waiting;                    /* the newest request has not been answered to its end */
    uint64_t answered_count;
    /* rx lcore */
    alignas(CACHE_LINE_BYTES) uint64_t begun; /* request that is being answered */
    uint64_t done;                   /* request that was answered last */
    uint32_t channel_at;
    uint64_t event_count;            /* events sent */
    uint64_t broken_off_count;       /* answers not ended, since the reader was lapped again */
    struct md_ring records;
    struct refresh refresh;
    struct md_slot slots[RESYNC_SLOTS];
};

/* For one reader of `ring`. Before armed. */
void resync_init(struct resync *resync, const struct md_ring *ring);
/* The rx lcore's channels, events of which have number `index` (below 32). Before armed. False: too many. */
bool resync_channel_add(struct resync *resync, struct channel *channel, uint16_t index);
/* The reader keeps the depth of these instruments. Before armed. False: more than RESYNC_SYMBOLS_MAX. */
bool resync_symbols_add(struct resync *resync, const uint64_t *symbols, uint32_t symbol_count);

/* Events were lost: begin anew. Reader. */
void resync_ask(struct resync *resync);
/* The next event that belongs behind ring event `seq` or an earlier one, which have been applied; rx_tsc is 0. False:
 * there is none yet. Reader, while `waiting`: before it applies what it has popped after `seq`. */
bool resync_next(struct resync *resync, uint64_t seq, struct md_event *ret_event);

/* Out of the rx loop's way: the next slice of what was asked for. */
void resync_answer(struct resync *resync);

/* Each turn, between packets. rx lcore. Costs a load while nothing is asked. */
static inline void resync_step(struct resync *resync)
{
    if (UNLIKELY(MD_RING_LOAD(&resync->asked) != resync->done)) /* paired with: resync_ask */
        resync_answer(resync);
}

#endif
