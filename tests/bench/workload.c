/* See workload.h. The session is that of the feed generator (tools/session.h), a file that of gateway/capture; here it
 * is only cut into frames. */
#include "tests/bench/workload.h"

#include "feed/itch.h"
#include "feed/mold.h"
#include "gateway/capture/capture.h"
#include "ring/check.h"
#include "tests/bench/bench.h"
#include "tools/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAYLOAD_LEN_MAX 1400u
#define FRAME_LEN_MAX (PAYLOAD_LEN_MAX + CAPTURE_HEADERS_LEN)
#define FRAME_BYTES_EACH 72u /* room for each message: its mean is 55 bytes in frames */
#define BLOCK_BYTES_EACH 40u /* ... and 31 alone */
#define RATE_PER_S 40000u
#define GROUP 0xefc00101u
#define UDP_PORT 26477u
#define SOURCE 0x0a0a0101u

/* Messages that come together share a frame, as a venue would send them. */
struct cutter {
    struct workload *workload;
    uint8_t *at;             /* where the next frame goes */
    uint32_t payload_len;    /* of the frame being put together; 0 = none */
    uint32_t message_count;  /* in it */
    uint64_t seq;            /* of its first message */
    uint64_t last_ns;
};

static void frame_end(struct cutter *cutter)
{
    static const char session[MOLD_SESSION_LEN] = {'B', 'E', 'N', 'C', 'H', ' ', ' ', ' ', ' ', ' '};
    struct workload *workload = cutter->workload;

    if (cutter->payload_len == 0)
        return;
    mold_encode_header(cutter->at + CAPTURE_HEADERS_LEN, session, cutter->seq, (uint16_t)cutter->message_count);
    const uint32_t len = capture_encode_udp(cutter->at, GROUP, UDP_PORT, SOURCE, UDP_PORT, cutter->payload_len);
    workload->frames[workload->frame_count++] =
        (struct workload_frame){.data = cutter->at, .len = len, .message_count = cutter->message_count};
    workload->message_count += cutter->message_count;
    cutter->seq += cutter->message_count;
    cutter->at += len;
    cutter->payload_len = cutter->message_count = 0;
}

static void message_add(struct cutter *cutter, const struct itch_msg *msg)
{
    uint8_t message[ITCH_LENGTH_MAX];
    const uint32_t len = itch_encode(msg, message);

    if (msg->timestamp_ns - cutter->last_ns >= SESSION_CLUSTER_GAP_NS || cutter->message_count == SESSION_CLUSTER_MAX ||
        cutter->payload_len + 2 + len > PAYLOAD_LEN_MAX)
        frame_end(cutter);
    if (cutter->payload_len == 0)
        cutter->payload_len = MOLD_HEADER_LEN;
    uint8_t *to = cutter->at + CAPTURE_HEADERS_LEN + cutter->payload_len;
    to[0] = 0;
    to[1] = (uint8_t)len;
    memcpy(to + 2, message, len);
    memcpy(cutter->workload->blocks + cutter->workload->blocks_len, to, 2 + len);
    cutter->workload->blocks_len += 2 + len;
    cutter->payload_len += 2 + len;
    cutter->message_count++;
    cutter->last_ns = msg->timestamp_ns;
}

void workload_init(struct workload *workload, uint32_t symbol_count, uint32_t order_count, uint32_t warm_count,
                   uint32_t message_count)
{
    const uint64_t total = (uint64_t)warm_count + message_count;
    /* Closing the session takes messages too: ask for more and stop early. */
    const struct session_params params = {.seed = 1,
                                          .messages = total * 2 + session_messages_min(symbol_count),
                                          .open_ns = SESSION_OPEN_NS,
                                          .symbols = symbol_count,
                                          .rate_per_s = RATE_PER_S,
                                          .orders = order_count};
    struct session *session = session_open(&params);
    struct itch_msg msg;

    CHECK(session);
    *workload = (struct workload){.symbol_count = symbol_count, .live_order_max = 2 * order_count};
    const uint64_t frame_bytes = total * FRAME_BYTES_EACH;
    const uint64_t block_bytes = total * BLOCK_BYTES_EACH;
    workload->memory = bench_alloc(frame_bytes);
    workload->blocks = bench_alloc(block_bytes);
    workload->frames = bench_alloc(total * sizeof(*workload->frames));
    struct cutter cutter = {.workload = workload, .at = workload->memory, .seq = 1};
    for (uint64_t i = 0; i < total; i++) {
        CHECK(session_next(session, &msg));
        if (i == warm_count) {
            frame_end(&cutter);
            workload->warm_frame_count = workload->frame_count;
            workload->warm_message_count = workload->message_count;
            workload->warm_blocks_len = workload->blocks_len;
        }
        CHECK(cutter.at + FRAME_LEN_MAX <= workload->memory + frame_bytes &&
              workload->blocks_len + 2 + ITCH_LENGTH_MAX <= block_bytes);
        message_add(&cutter, &msg);
    }
    frame_end(&cutter);
    workload->live_order_count = session_order_count(session);
    session_close(session);
}

/* --- a file */

static struct capture *file_open(const char *path)
{
    char error[CAPTURE_ERROR_MAX];
    struct capture *capture = capture_open(path, NULL, error);

    if (capture && capture_is_binaryfile(capture))
        return capture;
    fprintf(stderr, capture ? "%s is no BinaryFILE: two bytes of length before each message\n" : "%s\n",
            capture ? path : error);
    exit(2);
}

/* The frame's messages in `ret_packet`; false at the end of what is good. */
static bool file_next(struct capture *capture, struct capture_frame *ret_frame, struct mold_packet *ret_packet)
{
    const enum capture_status status = capture_next(capture, ret_frame);

    if (status == CAPTURE_BROKEN)
        fprintf(stderr, "warning: %s\n", capture_error(capture));
    return status == CAPTURE_FRAME &&
           mold_parse(ret_frame->data + CAPTURE_HEADERS_LEN, ret_frame->len - CAPTURE_HEADERS_LEN, ret_packet) ==
               MOLD_DATA;
}

/* What is in the first `message_max` messages: how many and how long, the highest locate, most orders alive. */
static void file_measure(struct workload *workload, const char *path, uint64_t message_max, uint64_t *ret_frames_len)
{
    struct capture *capture = file_open(path);
    struct capture_frame frame;
    struct mold_packet packet;
    uint64_t live_count = 0;

    *ret_frames_len = 0;
    while (workload->message_count < message_max && file_next(capture, &frame, &packet)) {
        const uint8_t *block = packet.blocks;
        for (uint32_t i = 0; i < packet.count; i++) {
            const uint8_t *message;
            uint32_t message_len;
            struct itch_msg msg;
            block = mold_next(block, &message, &message_len);
            if (itch_decode(message, message_len, &msg) != ITCH_OK) {
                fprintf(stderr, "%s: message %llu is none of ITCH 5.0\n", path,
                        (unsigned long long)workload->message_count + i + 1);
                exit(2);
            }
            if (msg.locate > workload->symbol_count)
                workload->symbol_count = msg.locate;
            live_count += msg.type == ITCH_ADD || msg.type == ITCH_ADD_MPID;
            live_count -= msg.type == ITCH_DELETE && live_count > 0;
            if (live_count > workload->live_order_max)
                workload->live_order_max = (uint32_t)live_count;
        }
        workload->message_count += packet.count;
        workload->frame_count++;
        workload->blocks_len += (uint64_t)(block - packet.blocks);
        *ret_frames_len += frame.len;
    }
    capture_close(capture);
    if (workload->message_count < WORKLOAD_MESSAGES_MIN) {
        fprintf(stderr, "%s: %u messages are too few to measure anything, at least %u\n", path,
                workload->message_count, WORKLOAD_MESSAGES_MIN);
        exit(2);
    }
}

static void file_take(struct workload *workload, const char *path, uint32_t warm_count, uint32_t message_count)
{
    struct capture_frame frame;
    struct mold_packet packet;
    uint64_t frames_len;

    *workload = (struct workload){0};
    file_measure(workload, path, (uint64_t)warm_count + message_count, &frames_len);
    const uint32_t frame_count = workload->frame_count;
    const uint32_t half = workload->message_count / 2;
    const uint32_t measured = message_count < half ? message_count : half;
    const uint32_t rest = workload->message_count - measured, warm = rest < warm_count ? rest : warm_count;
    workload->memory = bench_alloc(frames_len);
    workload->blocks = bench_alloc(workload->blocks_len);
    workload->frames = bench_alloc(frame_count * sizeof(*workload->frames));
    workload->frame_count = workload->message_count = 0;
    workload->blocks_len = 0;
    uint8_t *at = workload->memory;
    struct capture *capture = file_open(path);
    while (workload->frame_count < frame_count && file_next(capture, &frame, &packet)) {
        if (workload->message_count < warm || workload->frame_count == 0) {
            workload->warm_frame_count = workload->frame_count + 1;
            workload->warm_message_count = workload->message_count + packet.count;
        }
        memcpy(at, frame.data, frame.len);
        workload->frames[workload->frame_count++] =
            (struct workload_frame){.data = at, .len = frame.len, .message_count = packet.count};
        at += frame.len;
        const uint32_t len = frame.len - CAPTURE_HEADERS_LEN - MOLD_HEADER_LEN;
        memcpy(workload->blocks + workload->blocks_len, packet.blocks, len);
        workload->blocks_len += len;
        workload->message_count += packet.count;
        if (workload->warm_frame_count == workload->frame_count)
            workload->warm_blocks_len = workload->blocks_len;
    }
    capture_close(capture);
}

/* The blocks are those of a BinaryFILE; one without a message ends it. */
static void file_write(const struct workload *workload, const char *path)
{
    static const uint8_t end[2];
    FILE *file = fopen(path, "wbe");

    if (file == NULL || fwrite(workload->blocks, 1, workload->blocks_len, file) != workload->blocks_len ||
        fwrite(end, 1, sizeof(end), file) != sizeof(end) || fclose(file) != 0) {
        fprintf(stderr, "--write: %s: %s\n", path, strerror(errno));
        exit(1);
    }
    printf("%s: %u messages\n", path, workload->message_count);
    exit(0);
}

void workload_open(struct workload *workload, const struct bench_options *options, uint32_t symbol_count,
                   uint32_t order_count, uint32_t warm_count, uint32_t message_count)
{
    if (options->itch_path)
        file_take(workload, options->itch_path, options->warm_count > 0 ? options->warm_count : warm_count,
                  message_count);
    else
        workload_init(workload, symbol_count, order_count, warm_count, message_count);
    if (options->write_path)
        file_write(workload, options->write_path);
}

uint64_t workload_random(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u;
    uint64_t value = *state;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

static double uniform(uint64_t *state)
{
    return (double)(workload_random(state) >> 11) * 0x1p-53;
}

void workload_zipf_init(struct workload_zipf *zipf, uint32_t count)
{
    double sum = 0;
    *zipf = (struct workload_zipf){.cumulative = bench_alloc(count * sizeof(double)), .count = count};
    for (uint32_t i = 0; i < count; i++)
        zipf->cumulative[i] = sum += 1.0 / (i + 1);
    for (uint32_t i = 0; i < count; i++)
        zipf->cumulative[i] /= sum;
}

uint32_t workload_zipf_next(const struct workload_zipf *zipf, uint64_t *state)
{
    const double wanted = uniform(state);
    uint32_t low = 0, high = zipf->count - 1;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (zipf->cumulative[middle] < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
