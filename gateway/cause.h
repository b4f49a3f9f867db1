/* Causes: where each event stood in the feed, kept on the producer's side in an array indexed and tagged by the
 * event's number (its ring sequence; inline it is counted alike), so that the event itself pays nothing and every
 * order's cause is known.
 *
 * Contract: writer rx lcore; reader control thread. event_seq is 0 while an entry changes, its number after it:
 * store fences in cause_store pair with load fences in cause_find. A miss is "cause lost", for its reader to count. */
#ifndef GATEWAY_CAUSE_H
#define GATEWAY_CAUSE_H

#include "ring/prefetch.h"

#include <ck_pr.h>
#include <stdbool.h>
#include <stdint.h>

#define CAUSE_AHEAD 16u /* causes ahead of which lines are asked for: stores wait behind one that misses */

struct cause {
    uint64_t event_seq;
    uint64_t feed_seq;     /* of the message; 0 = unsequenced */
    uint64_t channel_line; /* channel in the high, line that brought the packet in the low 32 bits */
};

struct causes {
    struct cause *slot;
    uint64_t mask;         /* slots - 1, a power of two of them */
};

static inline void cause_store(struct causes *causes, uint64_t event_seq, uint64_t feed_seq, uint16_t channel,
                               uint16_t line)
{
    struct cause *cause = &causes->slot[event_seq & causes->mask];

    ck_pr_store_64(&cause->event_seq, 0);
    ck_pr_fence_store();
    ck_pr_store_64(&cause->feed_seq, feed_seq);
    ck_pr_store_64(&cause->channel_line, (uint64_t)channel << 32 | line);
    ck_pr_fence_store();
    ck_pr_store_64(&cause->event_seq, event_seq);
    prefetch_write(&causes->slot[(event_seq + CAUSE_AHEAD) & causes->mask]);
}

/* The cause of event `event_seq` >= 1. False: overwritten since. Control thread. */
static inline bool cause_find(const struct causes *causes, uint64_t event_seq, struct cause *ret_cause)
{
    const struct cause *cause = &causes->slot[event_seq & causes->mask];

    if (ck_pr_load_64(&cause->event_seq) != event_seq)
        return false;
    ck_pr_fence_load();
    const struct cause copy = {.event_seq = event_seq,
                               .feed_seq = ck_pr_load_64(&cause->feed_seq),
                               .channel_line = ck_pr_load_64(&cause->channel_line)};
    ck_pr_fence_load();
    if (ck_pr_load_64(&cause->event_seq) != event_seq)
        return false;
    *ret_cause = copy;
    return true;
}

#endif
