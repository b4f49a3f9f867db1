/* What books cost: the operations alone, and the whole channel (arbitration, decoding, books, events) with and without
 * looking ahead over a burst. Every round begins with the same standing orders, put in unmeasured. One thread. */
#include "feed/book.h"
#include "feed/channel.h"
#include "feed/frame.h"
#include "feed/itch.h"
#include "feed/wire.h"
#include "gateway/clock.h"
#include "tests/bench/bench.h"
#include "tests/bench/workload.h"

#include <stdio.h>

#define SYMBOLS 8000u
#define WARM 1000000u
#define MESSAGES 400000u
#define BURST_MAX 32u

static struct workload workload;
static struct itch_msg *messages; /* all of the workload, decoded beforehand: for the book alone */
static struct channel_params params;
static void *channel_memory, *book_memory;
static uint64_t sum_wanted; /* every way through the channel must give the same events */

static void apply(struct book *book, const struct itch_msg *msg)
{
    struct book_change change;
    switch (msg->type) {
    case ITCH_ADD:
    case ITCH_ADD_MPID:
        (void)book_add(book, msg->locate, msg->add.ref, msg->add.side, (int32_t)msg->add.price, msg->add.qty);
        break;
    case ITCH_EXECUTED:
        (void)book_reduce(book, msg->executed.ref, msg->executed.qty, &change);
        break;
    case ITCH_CANCEL:
        (void)book_reduce(book, msg->cancel.ref, msg->cancel.qty, &change);
        break;
    case ITCH_DELETE:
        (void)book_delete(book, msg->delete.ref, &change);
        break;
    case ITCH_REPLACE:
        (void)book_replace(book, msg->replace.orig_ref, msg->replace.ref, (int32_t)msg->replace.price, msg->replace.qty,
                           &change);
        break;
    default:
        break;
    }
}

/* `context`: how many messages ahead the book is told what comes, 0 = not. */
static void run_book(void *context, double *ret_ns)
{
    const uint32_t ahead = *(const uint32_t *)context;
    struct book *book = book_init(book_memory, &params.book);
    uint32_t i = 0;
    for (; i < workload.warm_message_count; i++)
        apply(book, &messages[i]);
    const uint64_t begin_tsc = clock_tsc_ordered();
    for (; i < workload.message_count; i++) {
        if (ahead > 0 && i + ahead < workload.message_count)
            book_prefetch(book, messages[i + ahead].order.ref);
        apply(book, &messages[i]);
    }
    *ret_ns = bench_ns(clock_tsc_ordered() - begin_tsc) / (workload.message_count - workload.warm_message_count);
    const struct book_counters *counters = book_counters(book);
    CHECK(counters->verdict[BOOK_ORPHAN] == 0 && counters->verdict[BOOK_ORDERS_FULL] == 0 &&
          counters->verdict[BOOK_LEVELS_FULL] == 0);
}

static void run_decode(void *unused, double *ret_ns)
{
    (void)unused;
    uint64_t sum = 0;
    const uint64_t begin_tsc = clock_tsc_ordered();
    for (uint32_t i = workload.warm_frame_count; i < workload.frame_count; i++) {
        struct frame_view view;
        struct mold_packet packet;
        if (frame_parse(workload.frames[i].data, workload.frames[i].len, &view) != FRAME_UDP ||
            mold_parse(view.payload, view.payload_len, &packet) != MOLD_DATA)
            continue;
        const uint8_t *block = packet.blocks;
        for (uint32_t k = 0; k < packet.count; k++) {
            const uint8_t *message;
            uint32_t message_len;
            struct itch_msg msg;
            block = mold_next(block, &message, &message_len);
            if (itch_decode(message, message_len, &msg) == ITCH_OK)
                sum += msg.order.ref;
        }
    }
    bench_keep(sum);
    *ret_ns = bench_ns(clock_tsc_ordered() - begin_tsc) / (workload.message_count - workload.warm_message_count);
}

/* Begin to fetch what the messages of a frame will touch. Add orders need their slot, the others their order. */
static void look_ahead(struct book *book, const struct workload_frame *frame)
{
    struct frame_view view;
    struct mold_packet packet;
    if (frame_parse(frame->data, frame->len, &view) != FRAME_UDP ||
        mold_parse(view.payload, view.payload_len, &packet) != MOLD_DATA)
        return;
    const uint8_t *block = packet.blocks;
    for (uint32_t k = 0; k < packet.count; k++) {
        const uint8_t *message;
        uint32_t message_len;
        block = mold_next(block, &message, &message_len);
        if (message_len >= ITCH_PREFIX_LEN + 8)
            book_prefetch(book, load_be64(message + ITCH_PREFIX_LEN));
    }
}

static uint64_t receive(struct channel *channel, const struct workload_frame *frame, uint64_t now_ns,
                        uint64_t sum)
{
    struct channel_cursor cursor;
    struct frame_view view;
    if (frame_parse(frame->data, frame->len, &view) != FRAME_UDP)
        return sum;
    if (!channel_receive(channel, 0, view.payload, view.payload_len, now_ns, 0, &cursor))
        return sum;
    while (channel_next(channel, &cursor))
        for (uint32_t i = 0; i < cursor.event_count; i++)
            sum += cursor.event[i].ref + cursor.event[i].bid_qty;
    return sum;
}

static struct channel *channel_warm(void)
{
    struct channel *channel = channel_init(channel_memory, &params);
    CHECK(channel != NULL);
    for (uint32_t i = 0; i < workload.warm_frame_count; i++)
        bench_keep(receive(channel, &workload.frames[i], i, 0));
    return channel;
}

/* `context`: frames in a burst; 1 = each frame by itself, without look-ahead. */
static void run_channel(void *context, double *ret_ns)
{
    const uint32_t burst = *(const uint32_t *)context;
    struct channel *channel = channel_warm();
    uint64_t sum = 0;
    const uint64_t begin_tsc = clock_tsc_ordered();
    for (uint32_t i = workload.warm_frame_count; i < workload.frame_count; i += burst) {
        const uint32_t left = workload.frame_count - i;
        const uint32_t here = burst < left ? burst : left;
        for (uint32_t k = 0; k < here; k++) {
            if (k + 1 < here) /* one frame ahead: further, and the lines are gone again */
                look_ahead(channel_book(channel), &workload.frames[i + k + 1]);
            sum = receive(channel, &workload.frames[i + k], i + k, sum);
        }
    }
    *ret_ns = bench_ns(clock_tsc_ordered() - begin_tsc) / (workload.message_count - workload.warm_message_count);
    CHECK(sum_wanted == 0 || sum == sum_wanted);
    sum_wanted = sum;
}

int main(int argc, char **argv)
{
    struct bench_options options;
    static uint32_t alone = 0, ahead = 4, single = 1, burst = BURST_MAX;
    if (!bench_open(argc, argv, &options))
        return 2;
    workload_init(&workload, SYMBOLS, WARM, MESSAGES);
    params = (struct channel_params){
        .book = {.instruments_max = SYMBOLS + 1, .orders_max = 1u << 21, .levels_max = 1u << 20},
        .line_count = 2, .reorder_packets = 64, .reorder_ns = 1000000, .first_seq = 1,
    };
    CHECK(channel_footprint(&params) > 0 && workload.live_order_max < params.book.orders_max);
    channel_memory = bench_alloc(channel_footprint(&params));
    book_memory = bench_alloc(book_footprint(&params.book));
    messages = bench_alloc(workload.message_count * sizeof(*messages));
    uint32_t message_count = 0;
    for (uint32_t i = 0; i < workload.frame_count; i++) {
        struct frame_view view;
        struct mold_packet packet;
        CHECK(frame_parse(workload.frames[i].data, workload.frames[i].len, &view) == FRAME_UDP);
        CHECK(mold_parse(view.payload, view.payload_len, &packet) == MOLD_DATA);
        const uint8_t *block = packet.blocks;
        for (uint32_t k = 0; k < packet.count; k++) {
            const uint8_t *message;
            uint32_t message_len;
            block = mold_next(block, &message, &message_len);
            CHECK(itch_decode(message, message_len, &messages[message_count++]) == ITCH_OK);
        }
    }
    CHECK(message_count == workload.message_count);
    const struct bench_case cases[] = {
        {.name = "a message: channel, frame by frame", .run = run_channel, .context = &single},
        {.name = "a message: channel, burst of 32 with look-ahead", .run = run_channel, .context = &burst},
        {.name = "a message: parse and decode only", .run = run_decode},
        {.name = "a message: book alone", .run = run_book, .context = &alone},
        {.name = "a message: book alone, prefetch 4 ahead", .run = run_book, .context = &ahead},
    };
    return bench_run(&options, "book", cases, sizeof(cases) / sizeof(cases[0]));
}
