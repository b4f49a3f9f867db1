/* From bytes to messages: what parsing headers, walking blocks and decoding take for each message of a day in small.
 * The frames are read from memory that no cache holds whole, as from a receive queue. One thread. */
#include "feed/frame.h"
#include "feed/itch.h"
#include "feed/mold.h"
#include "gateway/clock.h"
#include "tests/bench/bench.h"
#include "tests/bench/workload.h"

#include <stdio.h>

#define SYMBOLS 8000u
#define MESSAGES 400000u

enum depth { DEPTH_FRAME, DEPTH_MOLD, DEPTH_WALK, DEPTH_DECODE };

static struct workload workload;

static void run(void *context, double *ret_ns)
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
        for (uint32_t k = 0; depth >= DEPTH_WALK && k < packet.count; k++) {
            const uint8_t *message;
            uint32_t message_len;
            struct itch_msg msg;
            block = mold_next(block, &message, &message_len);
            if (depth == DEPTH_WALK)
                sum += message[0];
            else if (itch_decode(message, message_len, &msg) != ITCH_OK)
                failed_count++;
            else
                sum += msg.order.ref + msg.order.price;
        }
    }
    const uint64_t ticks = clock_tsc_ordered() - begin_tsc;
    bench_keep(sum);
    CHECK(failed_count == 0);
    ret_ns[0] = bench_ns(ticks) / (workload.message_count - workload.warm_message_count);
    ret_ns[1] = bench_ns(ticks) / (workload.frame_count - workload.warm_frame_count);
}

int main(int argc, char **argv)
{
    struct bench_options options;
    static enum depth depths[] = {DEPTH_FRAME, DEPTH_MOLD, DEPTH_WALK, DEPTH_DECODE};
    if (!bench_open(argc, argv, &options))
        return 2;
    workload_init(&workload, SYMBOLS, 100000, MESSAGES);
#define CASE(text, depth) {.name = text, .run = run, .context = &depths[depth], .value_count = 2, \
                           .value_names = {"a message", "a frame"}, .base = 3}
    const struct bench_case cases[] = {
        CASE("frame_parse", DEPTH_FRAME),
        CASE("... mold_parse", DEPTH_MOLD),
        CASE("... mold_next", DEPTH_WALK),
        CASE("... itch_decode", DEPTH_DECODE),
    };
#undef CASE
    return bench_run(&options, "decode", cases, sizeof(cases) / sizeof(cases[0]));
}
