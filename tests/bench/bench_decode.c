/* From bytes to messages: what walking blocks, decoding and parsing headers take for each message of a day in small,
 * beside what the memory takes to be read at all. The bytes come from memory that no cache holds whole, as from a
 * receive queue. One thread.
 *
 *   decode_ns        every message of a stream of blocks, walked and decoded to host order
 *   limit_stream_ns  the same bytes read a cache line at a time: the limit
 *   limit_walk_ns    the same blocks walked, a byte of each looked at
 *   frame_parse_ns, mold_parse_ns, mold_decode_ns   from frames, so deep; each with what is above it */
#include "feed/frame.h"
#include "feed/itch.h"
#include "feed/mold.h"
#include "gateway/clock.h"
#include "tests/bench/bench.h"
#include "tests/bench/workload.h"

#include <stdio.h>
#include <string.h>

#define SYMBOLS 8000u
#define ORDERS 400000u
#define MESSAGES 1000000u

enum depth { DEPTH_FRAME, DEPTH_MOLD, DEPTH_WALK, DEPTH_DECODE };

static struct workload workload;

static void run_frames(void *context, double *ret_ns)
{
    const enum depth depth = *(const enum depth *)context;
    uint64_t sum = 0, failed_count = 0;
    const uint64_t begin_tsc = clock_tsc_ordered();
    for (uint32_t i = workload.warm_frame_count; i < workload.frame_count; i++) {
        const struct workload_frame *frame = &workload.frames[i];
        struct frame_view view;
        struct mold_packet packet;
        if (frame_parse(frame->data, frame->len, &view) != FRAME_UDP) {
            failed_count++;
            continue;
        }
        sum += view.dst_port;
        if (depth == DEPTH_FRAME)
            continue;
        if (mold_parse(view.payload, view.payload_len, &packet) != MOLD_DATA) {
            failed_count++;
            continue;
        }
        sum += packet.seq;
        const uint8_t *block = packet.blocks;
        for (uint32_t k = 0; depth >= DEPTH_DECODE && k < packet.count; k++) {
            const uint8_t *message;
            uint32_t message_len;
            struct itch_msg msg;
            block = mold_next(block, &message, &message_len);
            if (itch_decode(message, message_len, &msg) != ITCH_OK)
                failed_count++;
            bench_keep_all(&msg);
            sum += msg.order.ref + msg.order.price;
        }
    }
    const uint64_t ticks = clock_tsc_ordered() - begin_tsc;
    bench_keep(sum);
    CHECK(failed_count == 0);
    ret_ns[0] = bench_ns(ticks) / (workload.message_count - workload.warm_message_count);
    ret_ns[1] = bench_ns(ticks) / (workload.frame_count - workload.warm_frame_count);
}

static void run_blocks(void *context, double *ret_ns)
{
    const enum depth depth = *(const enum depth *)context;
    const uint8_t *block = workload.blocks + workload.warm_blocks_len;
    const uint8_t *end = workload.blocks + workload.blocks_len;
    uint64_t sum = 0, failed_count = 0;
    const uint64_t begin_tsc = clock_tsc_ordered();
    while (block != end) {
        const uint8_t *message;
        uint32_t message_len;
        struct itch_msg msg;
        block = mold_next(block, &message, &message_len);
        if (depth == DEPTH_WALK) {
            sum += message[0];
            continue;
        }
        failed_count += itch_decode(message, message_len, &msg) != ITCH_OK;
        bench_keep_all(&msg);
        sum += msg.order.ref + msg.order.price;
    }
    const uint64_t ticks = clock_tsc_ordered() - begin_tsc;
    bench_keep(sum);
    CHECK(failed_count == 0);
    ret_ns[0] = bench_ns(ticks) / (workload.message_count - workload.warm_message_count);
}

static void run_stream(void *unused, double *ret_ns)
{
    (void)unused;
    const uint8_t *line = workload.blocks + workload.warm_blocks_len / CACHE_LINE_BYTES * CACHE_LINE_BYTES;
    uint64_t sum[4] = {0};
    const uint64_t begin_tsc = clock_tsc_ordered();
    for (; line < workload.blocks + workload.blocks_len; line += CACHE_LINE_BYTES)
        for (uint32_t i = 0; i < 4; i++) {
            uint64_t word;
            memcpy(&word, line + 16 * i, sizeof(word));
            sum[i] += word;
        }
    const uint64_t ticks = clock_tsc_ordered() - begin_tsc;
    bench_keep(sum[0] + sum[1] + sum[2] + sum[3]);
    ret_ns[0] = bench_ns(ticks) / (workload.message_count - workload.warm_message_count);
}

/* What another decoder must have found too: the (first) references of the eight order messages, and all times. */
static void say_found(void)
{
    const uint8_t *block = workload.blocks + workload.warm_blocks_len;
    uint64_t ref_sum = 0, time_sum = 0;
    while (block != workload.blocks + workload.blocks_len) {
        const uint8_t *message;
        uint32_t message_len;
        struct itch_msg msg;
        block = mold_next(block, &message, &message_len);
        CHECK(itch_decode(message, message_len, &msg) == ITCH_OK);
        ref_sum += strchr("AFECXDUP", msg.type) != NULL ? msg.order.ref : 0;
        time_sum += msg.timestamp_ns;
    }
    printf("refs=%llx times=%llx\n", (unsigned long long)ref_sum, (unsigned long long)time_sum);
}

int main(int argc, char **argv)
{
    struct bench_options options;
    static enum depth depths[] = {DEPTH_FRAME, DEPTH_MOLD, DEPTH_WALK, DEPTH_DECODE};
    if (!bench_open(argc, argv, &options))
        return 2;
    workload_open(&workload, &options, SYMBOLS, ORDERS, MESSAGES, MESSAGES);
#define FRAMES(text, depth) {.name = text, .run = run_frames, .context = &depths[depth], .value_count = 2, \
                             .value_names = {"message", "frame"}, .base = 3}
    const struct bench_case cases[] = {
        {.name = "decode_ns", .run = run_blocks, .context = &depths[DEPTH_DECODE]},
        {.name = "limit_stream_ns", .run = run_stream},
        {.name = "limit_walk_ns", .run = run_blocks, .context = &depths[DEPTH_WALK]},
        FRAMES("frame_parse_ns", DEPTH_FRAME),
        FRAMES("mold_parse_ns", DEPTH_MOLD),
        FRAMES("mold_decode_ns", DEPTH_DECODE),
    };
#undef FRAMES
    if (options.turns)
        printf("ready %u %u\n", workload.warm_message_count, workload.message_count - workload.warm_message_count);
    const int status = bench_run(&options, "decode", cases, sizeof(cases) / sizeof(cases[0]));
    if (options.turns && status == 0)
        say_found();
    return status;
}
