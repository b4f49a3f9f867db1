/* What books cost a message: decoded and entered (book_*), and through the whole channel, arbitration and events
 * included (channel_*); in bursts that are looked ahead over, and one message or frame at a time. Beside them what the
 * memory of this host takes: a line that is not in the cache, known long before (limit_line_ahead_ns) and known last
 * (limit_miss_ns), in a table as large as a book. Every way goes on with books of its own where it has stopped the
 * round before, so all of them do the same work in each round. One thread. */
#include "feed/book.h"
#include "feed/channel.h"
#include "feed/frame.h"
#include "feed/itch.h"
#include "feed/mold.h"
#include "gateway/clock.h"
#include "tests/bench/bench.h"
#include "tests/bench/workload.h"

#include <stdio.h>

#define SYMBOLS 8000u
#define ORDERS 400000u      /* alive at a time */
#define WARM 4000000u
#define ROUND 200000u       /* messages measured in one */
#define BURST_MESSAGES 64u  /* that are there before the first is applied; a multiple of AHEAD */
#define BURST_FRAMES 32u
#define LOOK_STEP 2u        /* as RX_LOOK_STEP and RX_FOUND of the receive loop */
#define LOOKS 8u
#define AHEAD 8u
#define LINES (1u << 21)    /* of the table: 128 MiB */
#define LINE_READS 200000u

static struct workload workload;
static struct channel_params params;

/* One way through the messages: where it stands. */
struct way {
    bool ahead;
    struct book *book;
    struct channel *channel;
    const uint8_t *block;
    uint32_t frame_idx;
    uint64_t sum;       /* of the events */
};

static struct way ways[4];

static inline void apply(struct book *book, const struct itch_msg *msg)
{
    struct book_change change;
    switch (msg->type) {
    case ITCH_ADD:
    case ITCH_ADD_MPID:
        (void)book_add(book, msg->locate, msg->add.ref, msg->add.side, (int32_t)msg->add.price, msg->add.qty);
        break;
    case ITCH_EXECUTED:
    case ITCH_EXECUTED_PRICE:
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

static inline void look_at(const struct itch_msg *msg, struct book_look ret_look[2])
{
    const bool adds = msg->type == ITCH_ADD || msg->type == ITCH_ADD_MPID;
    const bool replaces = msg->type == ITCH_REPLACE;
    ret_look[0] = (struct book_look){.ref = msg->order.ref,
                                     .price = (int32_t)msg->order.price,
                                     .instrument = msg->locate,
                                     .side = msg->order.letter,
                                     .kind = adds ? BOOK_LOOK_ADD : BOOK_LOOK_CHANGE};
    ret_look[1] = (struct book_look){.ref = msg->order.word,
                                     .price = (int32_t)msg->order.price,
                                     .instrument = msg->locate,
                                     .kind = replaces ? BOOK_LOOK_ADD : BOOK_LOOK_NOTHING};
}

/* Without looking ahead. */
static void single(struct way *way, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct itch_msg msg;
        const uint8_t *message;
        uint32_t message_len;
        way->block = mold_next(way->block, &message, &message_len);
        if (itch_decode(message, message_len, &msg) == ITCH_OK)
            apply(way->book, &msg);
    }
}

/* Some messages at a time: those of the next step begin to be fetched while those of this one are applied. */
static void burst(struct way *way, uint32_t count)
{
    struct itch_msg msg[BURST_MESSAGES];
    struct book_look look[BURST_MESSAGES][2];
    for (uint32_t i = 0; i < count + 3 * AHEAD; i += AHEAD) {
        for (uint32_t k = i; k < i + AHEAD && k < count; k++) {
            const uint8_t *message;
            uint32_t message_len;
            way->block = mold_next(way->block, &message, &message_len);
            if (itch_decode(message, message_len, &msg[k]) != ITCH_OK)
                msg[k].type = 0;
            look_at(&msg[k], look[k]);
        }
        if (i < count)
            book_look_refs(way->book, look[i], 2 * AHEAD);
        if (i >= AHEAD && i - AHEAD < count)
            book_look_orders(way->book, look[i - AHEAD], 2 * AHEAD);
        if (i >= 2 * AHEAD && i - 2 * AHEAD < count)
            book_look_levels(way->book, look[i - 2 * AHEAD], 2 * AHEAD);
        if (i >= 3 * AHEAD)
            for (uint32_t k = i - 3 * AHEAD; k < i - 2 * AHEAD; k++)
                apply(way->book, &msg[k]);
    }
}

static void run_book(void *context, double *ret_ns)
{
    struct way *way = context;
    const uint64_t begin_tsc = clock_tsc_ordered();
    if (!way->ahead)
        single(way, ROUND);
    else
        for (uint32_t i = 0; i < ROUND; i += BURST_MESSAGES)
            burst(way, ROUND - i < BURST_MESSAGES ? ROUND - i : BURST_MESSAGES);
    ret_ns[0] = bench_ns(clock_tsc_ordered() - begin_tsc) / ROUND;
    const struct book_counters *counters = book_counters(way->book);
    CHECK(counters->verdict[BOOK_ORPHAN] == 0 && counters->verdict[BOOK_ORDERS_FULL] == 0 &&
          counters->verdict[BOOK_LEVELS_FULL] == 0);
}

static struct way *book_way(struct way *way, bool ahead)
{
    *way = (struct way){.ahead = ahead, .block = workload.blocks};
    way->book = book_init(bench_alloc(book_footprint(&params.book)), &params.book);
    single(way, workload.warm_message_count);
    return way;
}

static inline void drain(struct way *way, struct channel_cursor *cursor)
{
    while (channel_next(way->channel, cursor))
        for (uint32_t i = 0; i < cursor->event_count; i++)
            way->sum += cursor->event[i].ref + cursor->event[i].bid_qty;
}

static inline uint32_t receive(struct way *way)
{
    const struct workload_frame *frame = &workload.frames[way->frame_idx];
    struct channel_cursor cursor;
    struct frame_view view;
    if (frame_parse(frame->data, frame->len, &view) == FRAME_UDP &&
        channel_receive(way->channel, 0, view.payload, view.payload_len, way->frame_idx, 0, &cursor))
        drain(way, &cursor);
    way->frame_idx++;
    return frame->message_count;
}

/* The same, BURST_FRAMES at a time, as the receive loop does it. */
static inline uint32_t receive_burst(struct way *way)
{
    static struct channel_look looks[LOOKS];
    const struct workload_frame *frames = &workload.frames[way->frame_idx];
    uint32_t message_count = 0;
    for (uint32_t i = 0; i < BURST_FRAMES + 3 * LOOK_STEP; i++) {
        struct frame_view view;
        struct channel_cursor cursor;
        if (i < BURST_FRAMES && frame_parse(frames[i].data, frames[i].len, &view) == FRAME_UDP)
            channel_look(way->channel, view.payload, view.payload_len, &looks[i % LOOKS]);
        if (i - LOOK_STEP < BURST_FRAMES)
            channel_look_orders(way->channel, &looks[(i - LOOK_STEP) % LOOKS]);
        if (i - 2 * LOOK_STEP < BURST_FRAMES)
            channel_look_levels(way->channel, &looks[(i - 2 * LOOK_STEP) % LOOKS]);
        if (i < 3 * LOOK_STEP)
            continue;
        if (channel_receive_looked(way->channel, 0, &looks[(i - 3 * LOOK_STEP) % LOOKS], way->frame_idx, 0, &cursor))
            drain(way, &cursor);
        message_count += frames[i - 3 * LOOK_STEP].message_count;
        way->frame_idx++;
    }
    return message_count;
}

/* As many frames as hold a round's messages. */
static void run_channel(void *context, double *ret_ns)
{
    struct way *way = context;
    uint32_t message_count = 0;
    const uint64_t begin_tsc = clock_tsc_ordered();
    while (message_count < ROUND)
        message_count += way->ahead ? receive_burst(way) : receive(way);
    ret_ns[0] = bench_ns(clock_tsc_ordered() - begin_tsc) / message_count;
}

static struct way *channel_way(struct way *way, bool ahead)
{
    *way = (struct way){.ahead = ahead};
    way->channel = channel_init(bench_alloc(channel_footprint(&params)), &params);
    while (way->frame_idx < workload.warm_frame_count)
        (void)receive(way);
    return way;
}

struct line { _Alignas(CACHE_LINE_BYTES) uint64_t word; };

static void run_line_ahead(void *context, double *ret_ns)
{
    static uint64_t state;
    struct line *lines = context;
    uint32_t at[16] = {0};
    uint64_t sum = 0;
    const uint64_t begin_tsc = clock_tsc_ordered();
    for (uint32_t i = 0; i < LINE_READS; i++) {
        sum += lines[at[i % 16]].word;
        at[i % 16] = (uint32_t)(workload_random(&state) % LINES);
        __builtin_prefetch(&lines[at[i % 16]], 1);
    }
    ret_ns[0] = bench_ns(clock_tsc_ordered() - begin_tsc) / LINE_READS;
    bench_keep(sum);
}

/* Where the next line is, is known only when this one has come. */
static void run_miss(void *context, double *ret_ns)
{
    static uint64_t state = 1;
    struct line *lines = context;
    uint64_t at = workload_random(&state) % LINES;
    const uint64_t begin_tsc = clock_tsc_ordered();
    for (uint32_t i = 0; i < LINE_READS / 8; i++)
        at = ((at + i) * 0x9e3779b97f4a7c15u + lines[at].word) >> 32 & (LINES - 1);
    ret_ns[0] = bench_ns(clock_tsc_ordered() - begin_tsc) / (LINE_READS / 8);
    bench_keep(at);
}

int main(int argc, char **argv)
{
    struct bench_options options;
    if (!bench_open(argc, argv, &options))
        return 2;
    workload_init(&workload, SYMBOLS, ORDERS, WARM, (options.rounds + 2) * ROUND);
    params = (struct channel_params){
        .book = {.instruments_max = SYMBOLS + 1, .orders_max = 1u << 21, .levels_max = 1u << 20},
        .line_count = 2, .reorder_packets = 64, .reorder_ns = 1000000, .hold_messages = 1024, .first_seq = 1,
    };
    CHECK(channel_footprint(&params) > 0 && workload.live_order_max < params.book.orders_max);
    struct line *lines = bench_alloc((uint64_t)LINES * sizeof(*lines));
    const struct bench_case cases[] = {
        {.name = "book_burst_ns", .run = run_book, .context = book_way(&ways[0], true)},
        {.name = "book_single_ns", .run = run_book, .context = book_way(&ways[1], false)},
        {.name = "channel_burst_ns", .run = run_channel, .context = channel_way(&ways[2], true)},
        {.name = "channel_single_ns", .run = run_channel, .context = channel_way(&ways[3], false)},
        {.name = "limit_line_ahead_ns", .run = run_line_ahead, .context = lines},
        {.name = "limit_miss_ns", .run = run_miss, .context = lines},
    };
    const int status = bench_run(&options, "book", cases, sizeof(cases) / sizeof(cases[0]));
    CHECK(book_hash(ways[0].book) == book_hash(ways[1].book));
    while (ways[3].frame_idx < ways[2].frame_idx) /* a burst may end later */
        (void)receive(&ways[3]);
    CHECK(ways[2].sum == ways[3].sum);
    if (!options.json)
        printf("%u orders alive\n", book_order_count(ways[0].book));
    return status;
}
