/* Faults for frames of a replay, seeded and reproducible: the same captures, parameters and seed give the same frames.
 *
 * Between the merge of the captures and the frame sources, per line of a feed. Pure but for its queue, whose memory is
 * bounded; also used by tools/impair (a bridge between two interfaces) and by the campaign. One owner, any thread.
 *
 *   fault_put(fault, line, frame)          one frame in, time never runs backwards
 *   while (fault_take(fault, until_ns, &frame)) use(frame)    what is due, in time order; until_ns = time of the next
 *                                          frame that will be put; UINT64_MAX at the end
 */
#ifndef GATEWAY_FAULT_H
#define GATEWAY_FAULT_H

#include "gateway/capture/capture.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAULT_PARTS 1000000000u  /* shares are in parts of this */
#define FAULT_LINES_MAX 128u
#define FAULT_LINE_NONE UINT32_MAX /* a frame of no line: goes through unharmed, in its turn */

struct fault_line_params {
    uint32_t loss;          /* share of packets lost */
    uint32_t duplicate;     /* ... that come twice */
    uint32_t reorder;       /* ... that are overtaken by the next one to four packets of the line */
    uint32_t corrupt;       /* ... in which one to four bits of the UDP payload are turned; the checksum stays as it was */
    uint32_t truncate;      /* ... cut off somewhere behind the Ethernet header */
    uint64_t skew_ns;       /* every packet comes so much later ... */
    uint64_t jitter_ns;     /* ... and up to so much more; packets of one line keep their order */
    uint64_t stall_every_ns; /* 0 = never. After each such span the line stands still ... */
    uint64_t stall_ns;      /* ... for so long; what came meanwhile comes at its end, one behind the other */
    uint64_t restart_at;    /* 0 = never. The packet that holds this MoldUDP64 sequence, and all later ones, are of
                             * another session (the last letter of its name is one higher), numbered from 1. Where the
                             * packet begins before it, that packet begins the new session. Checksum is mended */
};

struct fault_counters {
    uint64_t frame_count, lost_count, duplicate_count, reordered_count, corrupt_count, truncated_count;
    uint64_t stall_count;    /* frames that waited for the end of a stall */
    uint64_t restart_count;  /* frames renumbered */
    uint64_t overflow_count; /* frames sent on before they were due: the queue was full */
};

struct fault;

/* `line_count` up to FAULT_LINES_MAX; NULL: no memory, or a parameter out of range. `queue_bytes`: memory for frames
 * that wait. */
struct fault *fault_open(uint64_t seed, const struct fault_line_params *lines, uint32_t line_count, size_t queue_bytes);
void fault_close(struct fault *fault);
void fault_put(struct fault *fault, uint32_t line, const struct capture_frame *frame);
/* The bytes stay readable until the next call. */
bool fault_take(struct fault *fault, uint64_t until_ns, struct capture_frame *ret_frame);
const struct fault_counters *fault_counters(const struct fault *fault, uint32_t line);

#endif
