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
#define ROUND 200000u       /* messages measured in one; of a file fewer, when it is short */
#define ROUND_MIN 100u
#define BURST_MESSAGES 64u  /* that are there before the first is applied */
#define BURST_FRAMES 32u
#define PACKET 4u           /* of a burst of messages are looked at together */
#define LINES (1u << 21)    /* of the table: 128 MiB */
#define LINE_READS 200000u

static struct workload workload;
static struct channel_params params;
static uint32_t round_count; /* messages of a round */
static bool whole;           /* the messages begin with the day: each order that they speak of was entered */

/* One way through the messages: where it stands. */
struct way {
    bool ahead;
    struct book *book;
    struct channel *channel;
    const uint8_t *block;
    uint32_t frame_idx;
    uint64_t sum;       /* of the events */
    struct channel_ahead under_way;
};

static struct way ways[4];

static inline void apply(struct book *book, const struct channel_looked *looked)
{
    const struct itch_msg *msg = &looked->msg;
    const struct book_look look = {.ref = msg->order.ref, .home = looked->home, .instrument = msg->locate};
    struct book_change change;
    switch (msg->type) {
    case ITCH_ADD:
    case ITCH_ADD_MPID:
        (void)book_add_looked(book, look, msg->add.side, (int32_t)msg->add.price, msg->add.qty);
        break;
    case ITCH_EXECUTED:
    case ITCH_EXECUTED_PRICE:
        (void)book_reduce_looked(book, look, msg->executed.qty, &change);
        break;
    case ITCH_CANCEL:
        (void)book_reduce_looked(book, look, msg->cancel.qty, &change);
        break;
    case ITCH_DELETE:
        (void)book_delete_looked(book, look, &change);
        break;
    case ITCH_REPLACE:
        (void)book_replace_looked(book, look, msg->replace.ref, (int32_t)msg->replace.price, msg->replace.qty,
                                  &change);
        break;
    default:
        break;
    }
}

/* Without looking ahead. */
static void single(struct way *way, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct channel_looked looked;
        const uint8_t *message;
        uint32_t message_len;
        way->block = mold_next(way->block, &message, &message_len);
        if (itch_decode(message, message_len, &looked.msg) != ITCH_OK)
            continue;
        looked.home = book_look_none(way->book, looked.msg.order.ref, 0).home;
        apply(way->book, &looked);
    }
}

/* As the channel looks at packets of PACKET messages, and applies them when those behind have been looked at too. */
static void burst(struct way *way, uint32_t count)
{
    struct channel_ahead *ahead = &way->under_way;
    uint32_t next = ahead->count;
    const uint32_t end = next + count;
    while (next != end) {
        const uint32_t left = end - ahead->count;
        if (left > 0)
            way->block = channel_look_messages(ahead, way->book, way->block, left < PACKET ? left : PACKET);
        if (ahead->count == end)
            channel_look_end(ahead);
        const uint32_t ready = ahead->count == end ? end : ahead->count - CHANNEL_AHEAD_STEPS;
        for (; (int32_t)(ready - next) > 0; next++)
            apply(way->book, &ahead->message[next % CHANNEL_AHEAD]);
    }
}

static void run_book(void *context, double *ret_ns)
{
    struct way *way = context;
    const uint64_t begin_tsc = clock_tsc_ordered();
    if (!way->ahead)
        single(way, round_count);
    else
        for (uint32_t i = 0; i < round_count; i += BURST_MESSAGES)
            burst(way, round_count - i < BURST_MESSAGES ? round_count - i : BURST_MESSAGES);
    ret_ns[0] = bench_ns(clock_tsc_ordered() - begin_tsc) / round_count;
    const struct book_counters *counters = book_counters(way->book);
    CHECK((!whole || counters->verdict[BOOK_ORPHAN] == 0) && counters->verdict[BOOK_ORDERS_FULL] == 0 &&
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

/* A burst, as the receive loop has it. */
static inline uint32_t receive(struct way *way, uint32_t burst_frames)
{
    static struct channel_look looks[BURST_FRAMES];
    struct channel_ahead *ahead = &way->under_way;
    const struct workload_frame *frames = &workload.frames[way->frame_idx];
    uint32_t message_count = 0, received_count = 0;
    for (uint32_t i = 0; i <= burst_frames; i++) {
        struct frame_view view;
        struct channel_cursor cursor;
        if (i < burst_frames && frame_parse(frames[i].data, frames[i].len, &view) == FRAME_UDP)
            channel_look(way->channel, ahead, view.payload, view.payload_len, &looks[i]);
        if (i == burst_frames)
            channel_look_end(ahead);
        while (received_count < burst_frames && received_count <= i &&
               (i == burst_frames || channel_look_ready(ahead, &looks[received_count]))) {
            if (channel_receive_looked(way->channel, 0, ahead, &looks[received_count], way->frame_idx, 0, &cursor))
                drain(way, &cursor);
            message_count += frames[received_count++].message_count;
            way->frame_idx++;
        }
    }
    return message_count;
}

/* As many frames as hold a round's messages. */
static void run_channel(void *context, double *ret_ns)
{
    struct way *way = context;
    uint32_t message_count = 0;
    const uint64_t begin_tsc = clock_tsc_ordered();
    while (message_count < round_count)
        message_count += receive(way, way->ahead ? BURST_FRAMES : 1);
    ret_ns[0] = bench_ns(clock_tsc_ordered() - begin_tsc) / message_count;
}

static struct way *channel_way(struct way *way, bool ahead)
{
    *way = (struct way){.ahead = ahead};
    way->channel = channel_init(bench_alloc(channel_footprint(&params)), &params);
    while (way->frame_idx < workload.warm_frame_count)
        (void)receive(way, 1);
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

/* Most messages of a burst: by so many a round may be longer than it should. */
static uint32_t burst_count_max(void)
{
    uint32_t count = 0, max = 0;
    for (uint32_t i = workload.warm_frame_count; i < workload.frame_count; i++) {
        count += workload.frames[i].message_count;
        if (i >= workload.warm_frame_count + BURST_FRAMES)
            count -= workload.frames[i - BURST_FRAMES].message_count;
        max = count > max ? count : max;
    }
    return max;
}

static bool day_open(const struct bench_options *options)
{
    workload_open(&workload, options, SYMBOLS, ORDERS, WARM, (options->rounds + 2) * ROUND);
    whole = options->itch_path == NULL;
    params = (struct channel_params){
        .book = {.instruments_max = SYMBOLS + 1, .orders_max = 1u << 21, .levels_max = 1u << 20},
        .line_count = 2, .reorder_packets = 64, .reorder_ns = 1000000, .hold_messages = 1024, .first_seq = 1,
    };
    if (workload.symbol_count >= params.book.instruments_max)
        params.book.instruments_max = workload.symbol_count + 1;
    while (workload.live_order_max >= params.book.orders_max / 2) { /* a book of its own for a busier day */
        params.book.orders_max *= 2;
        params.book.levels_max *= 2;
    }
    const uint32_t measured = workload.message_count - workload.warm_message_count;
    const uint32_t longer = (options->rounds + 2) * burst_count_max();
    round_count = measured > longer ? (measured - longer) / (options->rounds + 1) : 0;
    round_count = round_count < ROUND ? round_count : ROUND;
    if (round_count < ROUND_MIN || channel_footprint(&params) == 0) {
        fprintf(stderr, "%u messages are too few for %u rounds, or their orders too many\n", workload.message_count,
                options->rounds);
        return false;
    }
    return true;
}

/* What another book must have come to: orders alive, and a hash of the best price and quantity of each side wherever
 * there is one. */
static void say_found(const struct book *book)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (uint32_t instrument = 0; instrument < params.book.instruments_max; instrument++) {
        uint64_t words[5] = {instrument};
        uint32_t count = 0;
        for (uint32_t side = 0; side < 2; side++) {
            struct book_level_view level;
            if (book_levels(book, instrument, side == 0 ? 'B' : 'S', 1, &level) == 0)
                continue;
            words[1 + 2 * side] = (uint64_t)level.price;
            words[2 + 2 * side] = level.qty;
            count++;
        }
        for (uint32_t i = 0; i < 5 && count > 0; i++)
            hash = (hash ^ words[i]) * 0x100000001b3u;
    }
    printf("orders=%x tops=%llx\n", book_order_count(book), (unsigned long long)hash);
}

int main(int argc, char **argv)
{
    struct bench_options options;
    if (!bench_open(argc, argv, &options) || !day_open(&options))
        return 2;
    struct line *lines = bench_alloc((uint64_t)LINES * sizeof(*lines));
    const struct bench_case cases[] = {
        {.name = "book_burst_ns", .run = run_book, .context = book_way(&ways[0], true)},
        {.name = "book_single_ns", .run = run_book, .context = book_way(&ways[1], false)},
        {.name = "channel_burst_ns", .run = run_channel, .context = channel_way(&ways[2], true)},
        {.name = "channel_single_ns", .run = run_channel, .context = channel_way(&ways[3], false)},
        {.name = "limit_line_ahead_ns", .run = run_line_ahead, .context = lines},
        {.name = "limit_miss_ns", .run = run_miss, .context = lines},
    };
    if (options.turns)
        printf("ready %u %u\n", workload.warm_message_count, round_count);
    const int status = bench_run(&options, "book", cases, sizeof(cases) / sizeof(cases[0]));
    if (options.turns) { /* perhaps not the same number of each */
        say_found(ways[0].book);
        return status;
    }
    CHECK(book_hash(ways[0].book) == book_hash(ways[1].book));
    while (ways[3].frame_idx < ways[2].frame_idx) /* a burst may end later */
        (void)receive(&ways[3], 1);
    CHECK(ways[2].sum == ways[3].sum);
    if (!options.json)
        printf("%u orders alive\n", book_order_count(ways[0].book));
    return status;
}
