/* See workload.h. Shares of message types and packet sizes are round numbers near those of a Nasdaq day: about as many
 * deletes as adds, one replace in ten, one execution in twenty. */
#include "tests/bench/workload.h"

#include "feed/itch.h"
#include "feed/mold.h"
#include "feed/wire.h"
#include "tests/bench/bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HEADERS_LEN 42u             /* Ethernet, IPv4, UDP */
#define FRAME_LEN_MAX 1442u
#define FRAME_MESSAGES_MAX 30u
#define TICK_E4 100                 /* one cent */
#define OPEN_NS 34200000000000u     /* 09:30, ns since midnight */

struct live_order {
    uint64_t ref;
    uint32_t qty;
    uint16_t locate;
    uint8_t side;
};

struct builder {
    struct workload *workload;
    struct workload_zipf zipf;
    struct live_order *live;
    uint32_t live_count;
    int32_t *mid_price;  /* by locate */
    uint64_t state;
    uint64_t next_ref;
    uint64_t time_ns;
    uint64_t next_seq;
    uint8_t *at;         /* where the next frame goes */
    uint32_t frame_len;  /* of the frame being built, 0 = none */
    uint32_t frame_messages, frame_messages_wanted;
};

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

static void finish_frame(struct builder *b)
{
    static const char session[MOLD_SESSION_LEN] = {'B', 'E', 'N', 'C', 'H', ' ', ' ', ' ', ' ', ' '};
    if (b->frame_len == 0)
        return;
    uint8_t *frame = b->at;
    memset(frame, 0, HEADERS_LEN);
    memcpy(frame, "\x01\x00\x5e\x36\x0c\x6f\x02\x00\x00\x00\x00\x01\x08\x00", 14);
    frame[14] = 0x45;
    store_be16(frame + 16, (uint16_t)(b->frame_len - 14));
    frame[20] = 0x40; /* don't fragment */
    frame[22] = 16;
    frame[23] = 17;
    store_be32(frame + 26, 0x0a000001u);
    store_be32(frame + 30, 0xe9360c6fu);
    store_be16(frame + 34, 26477);
    store_be16(frame + 36, 26477);
    store_be16(frame + 38, (uint16_t)(b->frame_len - 34));
    mold_encode_header(frame + HEADERS_LEN, session, b->next_seq, (uint16_t)b->frame_messages);
    b->next_seq += b->frame_messages;
    b->workload->frames[b->workload->frame_count++] =
        (struct workload_frame){.data = frame, .len = b->frame_len, .message_count = b->frame_messages};
    b->at += (b->frame_len + 63u) & ~63u; /* as buffers of a receive queue: each frame begins a line */
    b->frame_len = 0;
}

static void emit(struct builder *b, struct itch_msg *msg)
{
    uint8_t bytes[ITCH_LENGTH_MAX];
    msg->timestamp_ns = b->time_ns;
    const uint32_t len = itch_encode(msg, bytes);
    if (b->frame_len != 0 &&
        (b->frame_len + 2 + len > FRAME_LEN_MAX || b->frame_messages >= b->frame_messages_wanted))
        finish_frame(b);
    if (b->frame_len == 0) {
        const uint64_t dice = workload_random(&b->state) % 100; /* half of all packets hold one message */
        b->frame_len = HEADERS_LEN + MOLD_HEADER_LEN;
        b->frame_messages = 0;
        b->frame_messages_wanted = dice < 50 ? 1 : dice < 90 ? 2 + (uint32_t)(dice % 5) : 7 + (uint32_t)(dice % 24);
        if (b->frame_messages_wanted > FRAME_MESSAGES_MAX)
            b->frame_messages_wanted = FRAME_MESSAGES_MAX;
        b->time_ns += 2000 + dice * 37;
    }
    store_be16(b->at + b->frame_len, (uint16_t)len);
    memcpy(b->at + b->frame_len + 2, bytes, len);
    b->frame_len += 2 + len;
    b->frame_messages++;
    b->workload->message_count++;
}

static void symbol_of(uint32_t locate, char ret_text[9])
{
    for (unsigned i = 0; i < 4; i++, locate /= 26)
        ret_text[i] = (char)('A' + locate % 26);
    ret_text[4] = '\0';
}

static uint32_t round_qty(struct builder *b)
{
    const uint64_t dice = workload_random(&b->state);
    return dice % 10 < 7 ? 100 : (uint32_t)(dice >> 32) % 900 + 1;
}

/* Some ticks away from the middle: most at the top, a long tail behind it. */
static uint32_t price_near(struct builder *b, uint16_t locate, uint8_t side)
{
    int32_t *mid = &b->mid_price[locate];
    if (workload_random(&b->state) % 256 == 0)
        *mid += (workload_random(&b->state) & 1) != 0 ? TICK_E4 : -TICK_E4;
    if (*mid < 100 * TICK_E4)
        *mid = 100 * TICK_E4;
    const double away = -log(1.0 - uniform(&b->state)) * 6.0;
    const int32_t ticks = 1 + (int32_t)(away < 90.0 ? away : 90.0);
    return (uint32_t)(side == 'B' ? *mid - ticks * TICK_E4 : *mid + ticks * TICK_E4);
}

static void emit_add(struct builder *b)
{
    const uint16_t locate = (uint16_t)(1 + workload_zipf_next(&b->zipf, &b->state));
    const uint64_t dice = workload_random(&b->state);
    char text[9];
    symbol_of(locate, text);
    struct itch_msg msg = {.type = dice % 100 < 96 ? ITCH_ADD : ITCH_ADD_MPID, .locate = locate};
    msg.add.ref = b->next_ref;
    msg.add.side = (dice >> 40 & 1) != 0 ? 'B' : 'S';
    msg.add.qty = round_qty(b);
    msg.add.price = price_near(b, locate, msg.add.side);
    msg.add.stock = md_symbol(text);
    msg.add.mpid = msg.type == ITCH_ADD_MPID ? md_symbol("MMKR") : 0;
    b->next_ref += 1 + dice % 7; /* references of a real feed have holes */
    b->live[b->live_count++] = (struct live_order){.ref = msg.add.ref, .qty = msg.add.qty, .locate = locate,
                                                  .side = msg.add.side};
    if (b->live_count > b->workload->live_order_max)
        b->workload->live_order_max = b->live_count;
    emit(b, &msg);
}

/* Three of four orders that something happens to are young, the others any. */
static uint32_t pick(struct builder *b)
{
    const uint64_t dice = workload_random(&b->state);
    const uint32_t young = b->live_count < 2000 ? b->live_count : 2000;
    if (dice % 4 != 0)
        return b->live_count - 1 - (uint32_t)(dice >> 32) % young;
    return (uint32_t)(dice >> 32) % b->live_count;
}

static void emit_change(struct builder *b, uint64_t dice)
{
    const uint32_t i = pick(b);
    struct live_order *order = &b->live[i];
    struct itch_msg msg = {.locate = order->locate};
    bool gone = false;
    if (dice < 78) {
        msg.type = ITCH_DELETE;
        msg.delete.ref = order->ref;
        gone = true;
    } else if (dice < 90) {
        msg.type = ITCH_REPLACE;
        msg.replace.orig_ref = order->ref;
        msg.replace.ref = b->next_ref;
        msg.replace.qty = order->qty;
        msg.replace.price = price_near(b, order->locate, order->side);
        order->ref = b->next_ref++;
    } else if (dice < 97) {
        msg.type = ITCH_EXECUTED;
        msg.executed.ref = order->ref;
        msg.executed.qty = order->qty;
        msg.executed.match = b->next_ref;
        gone = true;
    } else {
        msg.type = ITCH_CANCEL;
        msg.cancel.ref = order->ref;
        msg.cancel.qty = order->qty > 1 ? order->qty / 2 : 1;
        order->qty -= msg.cancel.qty;
        gone = order->qty == 0;
    }
    if (gone)
        *order = b->live[--b->live_count];
    emit(b, &msg);
}

void workload_init(struct workload *workload, uint32_t symbol_count, uint32_t standing_count, uint32_t message_count)
{
    const uint32_t total = symbol_count + standing_count + message_count;
    *workload = (struct workload){.symbol_count = symbol_count};
    workload->memory = bench_alloc((uint64_t)total * 192); /* the worst: one message a frame */
    workload->frames = bench_alloc((uint64_t)total * sizeof(*workload->frames));
    struct builder b = {.workload = workload, .state = 42, .next_ref = 1, .time_ns = OPEN_NS, .next_seq = 1,
                        .at = workload->memory};
    b.live = bench_alloc((uint64_t)(standing_count + message_count) * sizeof(*b.live));
    b.mid_price = bench_alloc((symbol_count + 1) * sizeof(*b.mid_price));
    workload_zipf_init(&b.zipf, symbol_count);

    for (uint32_t locate = 1; locate <= symbol_count; locate++) {
        char text[9];
        symbol_of(locate, text);
        b.mid_price[locate] = (int32_t)(1000 + workload_random(&b.state) % 30000) * TICK_E4;
        struct itch_msg msg = {.type = ITCH_STOCK_DIRECTORY, .locate = (uint16_t)locate};
        msg.directory.stock = md_symbol(text);
        msg.directory.round_lot = 100;
        emit(&b, &msg);
    }
    for (uint32_t i = 0; i < standing_count; i++)
        emit_add(&b);
    finish_frame(&b);
    workload->warm_frame_count = workload->frame_count;
    workload->warm_message_count = workload->message_count;
    for (uint32_t i = 0; i < message_count; i++) { /* adds and removals in balance: the books neither grow nor empty */
        const uint64_t dice = workload_random(&b.state) % 1000;
        if (dice < 460 || b.live_count < standing_count / 2 || b.live_count == 0)
            emit_add(&b);
        else
            emit_change(&b, workload_random(&b.state) % 100);
    }
    finish_frame(&b);
    free(b.live);
    free(b.mid_price);
    free(b.zipf.cumulative);
}
