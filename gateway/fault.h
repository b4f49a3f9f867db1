/* Faults for frames of a replay, seeded and reproducible: the same captures, parameters and seed give the same frames.
 *
 * Between the merge of the captures and the frame sources, per line of a feed. Pure but for its queue, whose memory is
 * bounded; also used by tools/impair (a bridge between two interfaces) and by the campaign. One owner, any thread.
 *
 *   fault_put(fault, line, frame)          one frame in; one that is older than the last counts as being of its time
 *   while (fault_take(fault, until_ns, &frame)) use(frame)    what is due, in time order; until_ns = time of the next
 *                                          frame that will be put; UINT64_MAX at the end
 *
 * What happens to the n-th frame of a line is a matter of seed, line and n alone: faults of one line do not depend on
 * frames of another, and more loss means the same losses and further ones. A lost packet has no other fault, a packet
 * that is cut off is not corrupted too. */
#ifndef GATEWAY_FAULT_H
#define GATEWAY_FAULT_H

#include "gateway/capture/capture.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAULT_PARTS 1000000000u  /* shares are in parts of this */
#define FAULT_LINES_MAX 128u
#define FAULT_TIME_NS_MAX UINT64_C(86400000000000)
#define FAULT_QUEUE_BYTES_MIN 65536u
#define FAULT_ERROR_MAX 256u
#define FAULT_LINE_NONE UINT32_MAX /* a frame of no line: goes through unharmed, in its turn */

struct fault_line_params {
    uint32_t loss;          /* share of packets lost */
    uint32_t duplicate;     /* ... that come twice */
    uint32_t reorder;       /* ... that are overtaken by the next one to four packets of the line; up to four at once */
    uint32_t corrupt;       /* ... in which one to four bits of the UDP payload are turned; the checksum stays as it
                             * was, and never fits by chance */
    uint32_t truncate;      /* ... cut off somewhere behind the Ethernet header */
    uint64_t skew_ns;       /* every packet comes so much later, like all times up to FAULT_TIME_NS_MAX ... */
    uint64_t jitter_ns;     /* ... and up to so much more; packets of one line keep their order */
    uint64_t stall_every_ns; /* 0 = never. After each such span the line stands still ... */
    uint64_t stall_ns;      /* ... for so long; what came meanwhile comes at its end, one behind the other */
    uint64_t restart_at;    /* 0 = never. The packet that holds this MoldUDP64 sequence, and all later ones, are of
                             * another session (the last letter of its name is one higher), in which this message is
                             * number 1. Those before it in its packet are lost with the old session, so that lines
                             * that are cut into packets differently agree. A right checksum stays right */
};

struct fault_counters {
    uint64_t frame_count, lost_count, duplicate_count, reordered_count, corrupt_count, truncated_count;
    uint64_t stall_count;    /* frames that waited for the end of a stall */
    uint64_t restart_count;  /* frames renumbered */
    uint64_t overflow_count; /* frames sent on before they were due: the queue was full */
};

struct fault;

/* "KEY=VALUE[,KEY=VALUE ...]" on top of `params`: loss, duplicate, reorder, corrupt, truncate in percent; skew_us,
 * jitter_us, stall_every_ms, stall_ms; restart_at. Ranges are those of a config. 0, or -EINVAL and what is wrong with
 * which key, as a clause. */
int fault_parse(const char *text, struct fault_line_params *params, char ret_error[FAULT_ERROR_MAX]);

/* `line_count` up to FAULT_LINES_MAX; NULL: no memory, or a parameter out of range. `queue_bytes`: memory for frames
 * that wait, at least FAULT_QUEUE_BYTES_MIN. */
struct fault *fault_open(uint64_t seed, const struct fault_line_params *lines, uint32_t line_count, size_t queue_bytes);
void fault_close(struct fault *fault);
/* Who puts without taking until there is nothing more to take may find the queue full: then the frame is lost. */
void fault_put(struct fault *fault, uint32_t line, const struct capture_frame *frame);
/* The bytes stay readable until the next put or take. With UINT64_MAX also what still waits to be overtaken. */
bool fault_take(struct fault *fault, uint64_t until_ns, struct capture_frame *ret_frame);
/* When the next frame will be due, UINT64_MAX = none that is known: for those who wait. */
uint64_t fault_due_ns(const struct fault *fault);
/* `line` may be FAULT_LINE_NONE. */
const struct fault_counters *fault_counters(const struct fault *fault, uint32_t line);

#endif
