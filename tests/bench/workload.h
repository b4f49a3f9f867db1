/* A trading day in small, for benchmarks: MoldUDP64 frames of ITCH 5.0 messages in one block of memory. From the model
 * of the feed generator: symbols follow Zipf's law, orders live short or long, prices cluster at the touch, packets
 * hold one message or many; the same arguments give the same bytes everywhere. Or from a Nasdaq BinaryFILE (--itch), as
 * gateway/capture reads it: messages of one timestamp share a packet. Built before anything is measured. */
#ifndef TESTS_BENCH_WORKLOAD_H
#define TESTS_BENCH_WORKLOAD_H

#include "ring/md_event.h"

#include <stdint.h>

#define WORKLOAD_MESSAGES_MIN 5000u /* of a file */

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
    uint32_t live_order_max;     /* most orders alive at one time; of a file a bound, executions are not followed */
    uint32_t live_order_count;   /* alive at the end; of a file 0, not known */
};

/* The first `warm_count` messages (directory and a book that fills up towards `order_count` live orders), then
 * `message_count` to be measured. */
void workload_init(struct workload *workload, uint32_t symbol_count, uint32_t order_count, uint32_t warm_count,
                   uint32_t message_count);

struct bench_options;
/* The same, or from options->itch_path: as many messages of it, fewer where the file ends before, of which the first
 * options->warm_count, or warm_count, are not to be measured, but at most half of what there is. A file that cannot be
 * read, or that is not ITCH 5.0, ends the program with one sentence. With options->write_path the messages are written
 * there, and the program ends. */
void workload_open(struct workload *workload, const struct bench_options *options, uint32_t symbol_count,
                   uint32_t order_count, uint32_t warm_count, uint32_t message_count);

/* Zipf-distributed rank 0 ... count - 1, from a table of its own and a random number: for benchmarks without frames. */
struct workload_zipf { double *cumulative; uint32_t count; };
void workload_zipf_init(struct workload_zipf *zipf, uint32_t count);
uint32_t workload_zipf_next(const struct workload_zipf *zipf, uint64_t *state);
uint64_t workload_random(uint64_t *state);

#endif
