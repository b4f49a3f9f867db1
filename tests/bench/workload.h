/* A trading day in small, for benchmarks: MoldUDP64 frames of ITCH 5.0 messages in one block of memory, from the model
 * of the feed generator: symbols follow Zipf's law, orders live short or long, prices cluster at the touch, packets
 * hold one message or many. The same arguments give the same bytes everywhere. Built before anything is measured. */
#ifndef TESTS_BENCH_WORKLOAD_H
#define TESTS_BENCH_WORKLOAD_H

#include "ring/md_event.h"

#include <stdint.h>

struct workload_frame {
    const uint8_t *data;
    uint32_t len;
    uint32_t message_count;
};

struct workload {
    uint8_t *memory;
    struct workload_frame *frames;
    uint32_t frame_count;
    uint32_t message_count;      /* of all frames */
    uint32_t warm_frame_count;   /* the first frames: directory and the standing book; not to be measured */
    uint32_t warm_message_count;
    uint8_t *blocks;             /* all messages again, one behind the other, each with its two bytes of length */
    uint64_t blocks_len;
    uint64_t warm_blocks_len;    /* of the first warm_message_count */
    uint32_t symbol_count;       /* stock locates 1 ... symbol_count */
    uint32_t live_order_max;     /* most orders alive at one time */
    uint32_t live_order_count;   /* alive at the end */
};

/* The first `warm_count` messages (directory and a book that fills up towards `order_count` live orders), then
 * `message_count` to be measured. */
void workload_init(struct workload *workload, uint32_t symbol_count, uint32_t order_count, uint32_t warm_count,
                   uint32_t message_count);

/* Zipf-distributed rank 0 ... count - 1, from a table of its own and a random number: for benchmarks without frames. */
struct workload_zipf { double *cumulative; uint32_t count; };
void workload_zipf_init(struct workload_zipf *zipf, uint32_t count);
uint32_t workload_zipf_next(const struct workload_zipf *zipf, uint64_t *state);
uint64_t workload_random(uint64_t *state);

#endif
