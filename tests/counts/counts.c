/* What tools/counts has callgrind count: each count_NAME below is one way through our code on bytes that are the same
 * everywhere, without EAL, clock or system call inside. Instructions are collected while one of these functions is on
 * the stack and at no other time; one dump is made behind each. Says on its output which compiler built it and, for
 * each function, how many messages, events or orders it works on. One thread. */
#include "feed/book.h"
#include "feed/channel.h"
#include "feed/frame.h"
#include "feed/itch.h"
#include "feed/mold.h"
#include "gateway/order/market.h"
#include "gateway/order/order_frame.h"
#include "gateway/order/ouch.h"
#include "gateway/order/risk.h"
#include "ring/md_ring.h"
#include "tests/bench/bench.h"
#include "tests/bench/workload.h"

#include <stdio.h>
#include <stdlib.h>

#define SYMBOLS 200u
#define TRADED_STEP 20u    /* of those, where few have books */
#define ORDERS 4000u       /* alive at a time */
#define WARM 20000u
#define MESSAGES 20000u
#define BURST_FRAMES 32u
#define SLOTS 4096u
#define INTENTS 4096u
#define INSTRUMENTS 256u

/* A function of its own, with its name, in any build, and what is a part of it in any build. */
#define COUNTED static __attribute__((noinline))
#define PART static inline __attribute__((always_inline))

static struct workload workload;
static struct channel_params params;
static struct book *book;
static struct channel *channels[3]; /* one message at a time, in bursts, in bursts with books of few */
static uint32_t next_frame[3];
static uint64_t traded[SYMBOLS / TRADED_STEP];
static struct md_event *events; /* of the measured messages */
static uint32_t event_count;
static struct md_ring ring;
static struct md_ring_reader reader;
static struct market market;
static struct risk risks[2]; /* with the usual limits, and with every check on */
static struct order_intent *intents;
static struct order_frame_template templates[2]; /* UDP, TCP */
static uint8_t frames[2][128];
static uint64_t now_ns = 1700000000000000000u;
static volatile uint64_t kept; /* results are used */

/* ---- feed/ ---- */

COUNTED void count_decode(void)
{
    const uint8_t *block = workload.blocks + workload.warm_blocks_len;
    const uint8_t *end = workload.blocks + workload.blocks_len;
    uint64_t sum = 0;
    while (block != end) {
        const uint8_t *message;
        uint32_t message_len;
        struct itch_msg msg;
        block = mold_next(block, &message, &message_len);
        if (itch_decode(message, message_len, &msg) == ITCH_OK)
            sum += msg.order.ref + msg.order.price;
    }
    kept = sum;
}

PART void apply(const struct itch_msg *msg)
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

static struct itch_msg *messages; /* decoded before */

COUNTED void count_book(void)
{
    for (uint32_t i = 0; i < MESSAGES; i++)
        apply(&messages[WARM + i]);
}

PART void drain(struct channel *channel, struct channel_cursor *cursor)
{
    while (channel_next(channel, cursor))
        for (uint32_t i = 0; i < cursor->event_count; i++)
            kept = cursor->event[i].ref + cursor->event[i].bid_qty;
}

/* Bursts that are looked ahead over, as the receive loop does it. */
PART void receive(uint32_t way, uint32_t burst_frames, uint32_t frame_end)
{
    static struct channel_ahead aheads[3];
    static struct channel_look looks[BURST_FRAMES];
    struct channel *channel = channels[way];
    struct channel_ahead *ahead = &aheads[way];
    while (next_frame[way] < frame_end) {
        const struct workload_frame *burst = &workload.frames[next_frame[way]];
        const uint32_t left = frame_end - next_frame[way], count = left < burst_frames ? left : burst_frames;
        uint32_t received_count = 0;
        for (uint32_t i = 0; i <= count; i++) {
            struct frame_view view;
            struct channel_cursor cursor;
            if (i == count)
                channel_look_end(ahead);
            else if (frame_parse(burst[i].data, burst[i].len, &view) == FRAME_UDP)
                channel_look(channel, ahead, view.payload, view.payload_len, &looks[i]);
            for (; received_count < count && received_count <= i &&
                   (i == count || channel_look_ready(ahead, &looks[received_count]));
                 received_count++)
                if (channel_receive_looked(channel, 0, ahead, &looks[received_count], received_count, 0, &cursor))
                    drain(channel, &cursor);
        }
        next_frame[way] += count;
    }
}

/* Frames that come alone, as they do when the line is quiet. */
COUNTED void count_channel_single(void)
{
    receive(0, 1, workload.frame_count);
}

COUNTED void count_channel_burst(void)
{
    receive(1, BURST_FRAMES, workload.frame_count);
}

COUNTED void count_channel_traded(void)
{
    receive(2, BURST_FRAMES, workload.frame_count);
}

/* ---- ring/ ---- */

COUNTED void count_ring_push(void)
{
    for (uint32_t i = 0; i < SLOTS; i++)
        kept = md_ring_push(&ring, &events[i]);
}

COUNTED void count_ring_pop(void)
{
    struct md_event event;
    for (uint32_t i = 0; i < SLOTS; i++)
        if (md_ring_pop(&reader, &event) == MD_RING_EVENT)
            kept = event.ref;
}

/* ---- gateway/order/ ---- */

COUNTED void count_market(void)
{
    for (uint32_t i = 0; i < event_count; i++)
        market_apply(&market, &events[i]);
}

PART enum risk_verdict reserve(struct risk *risk, const struct order_intent *intent)
{
    now_ns += 10000; /* more than the rate, so that the bucket stays full */
    return risk_reserve(risk, &market, intent, 0, now_ns);
}

PART void gate(struct risk *risk)
{
    uint32_t passed_count = 0;
    for (uint32_t i = 0; i < INTENTS; i++) {
        passed_count += reserve(risk, &intents[i]) == RISK_PASS;
        risk_release(&market, intents[i].channel, intents[i].instrument, intents[i].side, 0, intents[i].qty);
    }
    kept = passed_count;
}

COUNTED void count_gate(void)
{
    gate(&risks[0]);
}

COUNTED void count_gate_all(void)
{
    gate(&risks[1]);
}

COUNTED void count_gate_refused(void)
{
    uint32_t passed_count = 0;
    for (uint32_t i = 0; i < INTENTS; i++) {
        struct order_intent intent = intents[i];
        intent.price *= 2; /* a fat finger */
        intent.side = 'B';
        passed_count += reserve(&risks[0], &intent) == RISK_PASS;
    }
    kept = passed_count;
}

PART void encode(uint32_t carrier)
{
    uint32_t len = 0;
    for (uint32_t i = 0; i < INTENTS; i++)
        len += order_frame_encode(&templates[carrier], frames[carrier], &intents[i], 0x2020202041414141u,
                                  (struct order_frame_id){.user_ref = i + 1, .tick_ns = i * 0x9e3779b1u},
                                  (struct order_frame_at){.seq = i * 50, .ack = i});
    kept = len;
}

COUNTED void count_frame_udp(void)
{
    encode(0);
}

COUNTED void count_frame_tcp(void)
{
    encode(1);
}

COUNTED void count_ouch_enter(void)
{
    uint8_t message[OUCH_MESSAGE_MAX];
    struct ouch_enter enter = {.tif = '3', .display = 'Y', .capacity = 'P', .iso = 'N', .cross = 'N',
                               .symbol = 0x2020202041414141u, .cl_ord_id = "0123456789ABC"};
    for (uint32_t i = 0; i < INTENTS; i++) {
        enter.user_ref = i;
        enter.side = intents[i].side;
        enter.qty = intents[i].qty;
        enter.price = (uint64_t)intents[i].price;
        kept = ouch_encode_enter(&enter, message);
    }
}

/* ---- what has to be there before ---- */

static int by_name(const void *left, const void *right)
{
    const uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static void traded_make(void)
{
    const uint8_t *block = workload.blocks;
    for (uint32_t i = 0; i < WARM; i++) {
        const uint8_t *message;
        uint32_t message_len;
        struct itch_msg msg;
        block = mold_next(block, &message, &message_len);
        if (itch_decode(message, message_len, &msg) == ITCH_OK && msg.type == ITCH_STOCK_DIRECTORY &&
            msg.locate % TRADED_STEP == 0)
            traded[msg.locate / TRADED_STEP - 1] = msg.directory.stock;
    }
    qsort(traded, SYMBOLS / TRADED_STEP, sizeof(traded[0]), by_name);
    CHECK(traded[0] != 0);
}

static void books_make(void)
{
    workload_init(&workload, SYMBOLS, ORDERS, WARM, MESSAGES);
    params = (struct channel_params){
        .book = {.instruments_max = SYMBOLS + 1, .orders_max = 1u << 14, .levels_max = 1u << 14},
        .line_count = 2, .reorder_packets = 64, .reorder_ns = 1000000, .hold_messages = 1024, .first_seq = 1,
    };
    CHECK(workload.live_order_max < params.book.orders_max);
    for (uint32_t i = 0; i < 2; i++)
        channels[i] = channel_init(bench_alloc(channel_footprint(&params)), &params);
    traded_make();
    struct channel_params traded_params = params;
    traded_params.traded = traded;
    traded_params.traded_count = SYMBOLS / TRADED_STEP;
    channels[2] = channel_init(bench_alloc(channel_footprint(&traded_params)), &traded_params);
    receive(0, 1, workload.warm_frame_count);
    receive(1, BURST_FRAMES, workload.warm_frame_count);
    receive(2, BURST_FRAMES, workload.warm_frame_count);
    book = book_init(bench_alloc(book_footprint(&params.book)), &params.book);
    messages = bench_alloc((WARM + MESSAGES) * sizeof(*messages));
    const uint8_t *block = workload.blocks;
    for (uint32_t i = 0; i < WARM + MESSAGES; i++) {
        const uint8_t *message;
        uint32_t message_len;
        block = mold_next(block, &message, &message_len);
        CHECK(itch_decode(message, message_len, &messages[i]) == ITCH_OK);
        if (i < WARM)
            apply(&messages[i]);
    }
}

/* Events of another channel that has taken the same frames. */
static void events_make(void)
{
    struct channel *channel = channel_init(bench_alloc(channel_footprint(&params)), &params);
    events = bench_alloc(2 * MESSAGES * sizeof(*events));
    for (uint32_t i = 0; i < workload.frame_count; i++) {
        struct channel_cursor cursor;
        struct frame_view view;
        CHECK(frame_parse(workload.frames[i].data, workload.frames[i].len, &view) == FRAME_UDP);
        if (!channel_receive(channel, 0, view.payload, view.payload_len, i, 0, &cursor))
            continue;
        while (channel_next(channel, &cursor))
            for (uint32_t k = 0; i >= workload.warm_frame_count && k < cursor.event_count; k++) {
                CHECK(event_count < 2 * MESSAGES);
                events[event_count++] = cursor.event[k];
            }
    }
    CHECK(event_count >= SLOTS);
    md_ring_init(&ring, bench_alloc(SLOTS * sizeof(struct md_slot)), SLOTS, 1);
    md_ring_reader_init(&reader, &ring);
}

static void market_make(void)
{
    const uint32_t counts[] = {INSTRUMENTS};
    market_init(&market, bench_alloc(market_footprint(counts, 1)), counts, 1);
    intents = bench_alloc(INTENTS * sizeof(*intents));
    for (uint32_t i = 0; i < INTENTS; i++)
        intents[i] = (struct order_intent){.action = ORDER_NEW, .side = (i & 1) != 0 ? 'B' : 'T', .tif = ORDER_IOC,
                                           .instrument = (uint16_t)(1 + i % (INSTRUMENTS - 1)),
                                           .price = ((i & 1) != 0 ? 1000100 : 1000000) - (int32_t)(i / 2 % 100) * 100,
                                           .qty = 100 * (1 + i % 4)};
}

/* Every instrument trades at 100.00 to 100.01, whatever the events before have left. */
static void instruments_make(bool all)
{
    static const struct risk_limits usual = {.order_qty_max = 1000, .order_notional_max = 10000000000u,
                                             .collar_bps = 500, .rate_per_s = 1000000, .rate_burst = 1000000,
                                             .position_max = 100000};
    struct risk_limits limits = usual;
    for (uint32_t i = 1; i < INSTRUMENTS; i++) {
        const struct md_event define = {.type = MD_DEFINE, .instrument = (uint16_t)i, .ref = md_symbol("ABCD"),
                                        .qty = 100, .price = MD_PRICE_NONE,
                                        .bid_price = MD_PRICE_NONE, .ask_price = MD_PRICE_NONE};
        const struct md_event state = {.type = MD_STATE, .side = 'T', .instrument = (uint16_t)i, .price = MD_PRICE_NONE,
                                       .bid_price = 1000000, .bid_qty = 100, .ask_price = 1000100, .ask_qty = 100};
        market_apply(&market, &define);
        market_apply(&market, &state);
        struct market_instrument *instrument = market_find(&market, 0, (uint16_t)i);
        instrument->tick = all ? REFERENCE_TICK_SIZE : REFERENCE_TICK_ANY;
        instrument->tick_size = 100;
        instrument->lot = all ? 100 : 0;
        instrument->reference = REFERENCE_KNOWN | REFERENCE_BORROWABLE;
        instrument->last_price = instrument->close_price = 1000000;
    }
    if (all) {
        limits.collar_last_bps = limits.collar_close_bps = 500;
        limits.gross_max = limits.net_max = limits.loss_max = UINT64_C(1) << 60;
        limits.open_orders_max = 1000000;
        limits.hours_to_s = 4000000000u;
        limits.short_sale = limits.self_cross = true;
        limits.duplicate_ms = 1;
        limits.messages_per_s = limits.messages_burst = 1000000;
    }
    struct risk *risk = &risks[all];
    risk_init(risk, &limits, false);
    risk->session_up = true;
    if (all) {
        account_strategy(&market, 0, bench_alloc(account_footprint(INSTRUMENTS)));
        risk_limit_strategy(risk, 0, &limits);
        risk_limit_share(risk, &limits);
    }
}

static void frames_make(void)
{
    for (uint32_t tcp = 0; tcp < 2; tcp++) {
        const struct order_frame_route route = {.tcp = tcp != 0, .local_mac = {2, 0, 0, 0, 0, 1},
                                                .peer_mac = {2, 0, 0, 0, 0, 2}, .local_ip = 0x0a000001,
                                                .peer_ip = 0x0a000002, .local_port = 20000, .peer_port = 20001};
        order_frame_template_init(&templates[tcp], &route);
        order_frame_prepare(&templates[tcp], frames[tcp]);
    }
}

static void counted(const char *name, const char *unit, void (*run)(void), uint64_t unit_count)
{
    run();
    printf("count_%s %s %llu\n", name, unit, (unsigned long long)unit_count);
}

int main(void)
{
#ifdef __clang__
    printf("compiler clang-%d\n", __clang_major__);
#else
    printf("compiler gcc-%d\n", __GNUC__);
#endif
    books_make();
    counted("decode", "message", count_decode, MESSAGES);
    counted("book", "message", count_book, MESSAGES);
    CHECK(book_counters(book)->verdict[BOOK_OK] > MESSAGES && book_counters(book)->verdict[BOOK_ORPHAN] == 0);
    counted("channel_single", "message", count_channel_single, MESSAGES);
    counted("channel_burst", "message", count_channel_burst, MESSAGES);
    counted("channel_traded", "message", count_channel_traded, MESSAGES);
    CHECK(channel_counters(channels[2])->untraded_count > MESSAGES && channel_order_count(channels[2]) > 0);
    CHECK(book_hash(channel_book(channels[0])) == book_hash(book) &&
          book_hash(channel_book(channels[1])) == book_hash(book));

    events_make();
    counted("ring_push", "event", count_ring_push, SLOTS);
    counted("ring_pop", "event", count_ring_pop, SLOTS);
    CHECK(reader.lost_count == 0 && kept == events[SLOTS - 1].ref);

    market_make();
    counted("market", "event", count_market, event_count);
    instruments_make(false);
    counted("gate", "order", count_gate, INTENTS);
    CHECK(kept == INTENTS);
    counted("gate_refused", "order", count_gate_refused, INTENTS);
    CHECK(kept == 0);
    instruments_make(true);
    counted("gate_all", "order", count_gate_all, INTENTS);
    CHECK(kept == INTENTS);
    frames_make();
    counted("frame_udp", "order", count_frame_udp, INTENTS);
    counted("frame_tcp", "order", count_frame_tcp, INTENTS);
    counted("ouch_enter", "order", count_ouch_enter, INTENTS);
    return 0;
}
