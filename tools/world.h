/* One run of the campaign: a venue, two faulty lines, lossy servers and one channel with recovery, in simulated time.
 *
 * Beside it a second channel that sees every message in order, message by message: the truth. Every event of the first
 * that is not marked stale must carry the BBO that the truth has at the same feed sequence; each time that it says it
 * is whole, all of its BBOs must be the truth's; and in the end its books must be equal, order by order. The same seed
 * gives the same run. */
#ifndef TOOLS_WORLD_H
#define TOOLS_WORLD_H

#include "feed/channel.h"

#include <stdbool.h>
#include <stdint.h>

#define WORLD_SENTENCE_MAX 256u

struct world_params {
    uint64_t seed;
    uint64_t messages;  /* of the run, over all its sessions */
};

/* How often each path ran. */
struct world_counters {
    uint64_t message_count;      /* said by the venue */
    uint64_t event_count;        /* given out by the channel */
    uint64_t fresh_event_count;  /* ... not marked stale: all compared */
    uint64_t other_line_count;   /* holes that the other line filled */
    uint64_t retransmission_count; /* ... with the help of re-request servers */
    uint64_t request_count;
    uint64_t back_off_count;     /* requests made again after a time-out */
    uint64_t snapshot_count;     /* spliced */
    uint64_t spin_restart_count; /* spins broken off, too old or too far: begun again */
    uint64_t overflow_count;     /* times that kept messages had to be forgotten */
    uint64_t session_change_count;
    uint64_t late_join_count;
    uint64_t stale_count;        /* times that the channel became stale */
    uint64_t silent_count;       /* ... because lines said nothing new for long, or nothing */
    uint64_t lost_frame_count, duplicate_frame_count, reordered_frame_count, corrupt_frame_count, truncated_frame_count,
        stalled_frame_count;
};

/* Run it. True: converged. False: `ret_sentence` says what was different, and where. Counters are added to. */
bool world_run(const struct world_params *params, struct world_counters *counters,
               char ret_sentence[WORLD_SENTENCE_MAX]);

#endif
