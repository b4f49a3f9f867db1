/* The channel as a whole: each message type gives exactly its events; holes, sessions and ends as the contract has
 * them; and, whatever two lines do to a session, the events are those of the session without loss.
 *
 * Every payload is an allocation of exactly its size that is gone once the cursor is drained. */
#include "feed/channel.h"
#include "feed/frame.h"
#include "ring/check.h"

#include <criterion/criterion.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIDNIGHT_NS 1600000000000000000u
#define REORDER_NS  1000000u
#define CHANNEL_IDX 3u
#define EVENTS_MAX  200000u
#define PACKET_MAX  70000u
#define LOCATE      7u

struct rig {
    void *memory;
    struct channel *channel;
    struct md_event *event; /* all that came out */
    uint32_t event_count;
    uint32_t cursor_count; /* times channel_next said true */
    uint64_t last_seq;
    uint64_t now_ns;
    uint64_t hash;
};

struct packet {
    uint8_t bytes[PACKET_MAX];
    uint32_t len;
    uint16_t count;
};

/* ---- rig ---- */

static const struct channel_params default_params = {
    .book = {.instruments_max = 64, .orders_max = 1024, .levels_max = 1024},
    .line_count = 2,
    .reorder_packets = 4,
    .reorder_ns = REORDER_NS,
    .hold_messages = 4096,
    .midnight_ns = MIDNIGHT_NS,
    .first_seq = 1,
    .index = CHANNEL_IDX,
};

static struct rig rig_open(const struct channel_params *params)
{
    struct rig rig = {.now_ns = 1000};
    const size_t bytes = channel_footprint(params);
    cr_assert_gt(bytes, 0u);
    rig.memory = aligned_alloc(CACHE_LINE_BYTES, bytes);
    rig.event = calloc(EVENTS_MAX, sizeof(rig.event[0]));
    cr_assert(rig.memory && rig.event);
    memset(rig.memory, 0xa5, bytes);
    rig.channel = channel_init(rig.memory, params);
    return rig;
}

static void rig_close(struct rig *rig)
{
    free(rig->memory);
    free(rig->event);
}

static void drain(struct rig *rig, struct channel_cursor *cursor)
{
    while (channel_next(rig->channel, cursor)) {
        rig->cursor_count++;
        cr_assert_leq(cursor->event_count, CHANNEL_EVENTS_MAX);
        if (cursor->message == NULL)
            cr_assert_eq(cursor->event_count, 1u);
        for (uint32_t i = 0; i < cursor->event_count; i++) {
            const struct md_event *event = &cursor->event[i];
            cr_assert_lt(rig->event_count, EVENTS_MAX);
            rig->event[rig->event_count++] = *event;
            rig->hash = md_event_hash(rig->hash, event);
            cr_assert_eq(event->channel, CHANNEL_IDX);
            cr_assert_eq((event->flags & MD_MORE) != 0, i + 1 < cursor->event_count);
            if (event->type == MD_SESSION)
                rig->last_seq = 0;
        }
        if (cursor->seq != 0) {
            cr_assert_gt(cursor->seq, rig->last_seq, "twice or backwards");
            rig->last_seq = cursor->seq;
        }
    }
    cr_assert(!channel_next(rig->channel, cursor), "an empty cursor stays empty");
    cr_assert_leq(channel_held_count(rig->channel), CHANNEL_REORDER_PACKETS_MAX);
    cr_assert_eq(channel_counters(rig->channel)->event_count, rig->event_count);
}

static bool receive_bytes(struct rig *rig, uint32_t line, const uint8_t *bytes, uint32_t len)
{
    struct channel_cursor cursor;
    memset(&cursor, 0x5a, sizeof(cursor));
    if (channel_expire(rig->channel, rig->now_ns, 11, &cursor))
        drain(rig, &cursor);
    uint8_t *payload = malloc(len > 0 ? len : 1);
    cr_assert_not_null(payload);
    memcpy(payload, bytes, len);
    const bool news = channel_receive(rig->channel, line, payload, len, rig->now_ns, 22, &cursor);
    drain(rig, &cursor);
    free(payload);
    return news;
}

static bool expire(struct rig *rig, uint64_t now_ns)
{
    struct channel_cursor cursor;
    rig->now_ns = now_ns;
    const bool news = channel_expire(rig->channel, now_ns, 33, &cursor);
    if (news)
        drain(rig, &cursor);
    return news;
}

static bool flush(struct rig *rig)
{
    struct channel_cursor cursor;
    const bool news = channel_flush(rig->channel, rig->now_ns, &cursor);
    if (news)
        drain(rig, &cursor);
    return news;
}

/* ---- packets ---- */

static const char session_a[] = "SESSION-A ";
static const char session_b[] = "SESSION-B ";
static const char session_c[] = "SESSION-C ";

static void packet_begin(struct packet *packet)
{
    packet->len = MOLD_HEADER_LEN;
    packet->count = 0;
}

static void packet_block(struct packet *packet, const void *message, uint32_t len)
{
    packet->bytes[packet->len++] = (uint8_t)(len >> 8);
    packet->bytes[packet->len++] = (uint8_t)len;
    if (len > 0)
        memcpy(packet->bytes + packet->len, message, len);
    packet->len += len;
    packet->count++;
}

static void packet_msg(struct packet *packet, const struct itch_msg *msg)
{
    uint8_t message[ITCH_LENGTH_MAX];
    packet_block(packet, message, itch_encode(msg, message));
}

static bool packet_send(struct rig *rig, uint32_t line, const char *session, uint64_t seq, struct packet *packet)
{
    mold_encode_header(packet->bytes, session, seq, packet->count);
    return receive_bytes(rig, line, packet->bytes, packet->len);
}

static bool send_control(struct rig *rig, uint32_t line, const char *session, uint64_t seq, uint16_t count)
{
    uint8_t bytes[MOLD_HEADER_LEN];
    mold_encode_header(bytes, session, seq, count);
    return receive_bytes(rig, line, bytes, sizeof(bytes));
}

/* Messages of system events: message n has letter and time from its sequence. */
static bool send_range(struct rig *rig, uint32_t line, const char *session, uint64_t seq, uint32_t count)
{
    static struct packet packet;
    packet_begin(&packet);
    for (uint32_t i = 0; i < count; i++) {
        const struct itch_msg msg = {
            .type = 'S', .timestamp_ns = (seq + i) % 100000, .system_event.code = (uint8_t)('A' + (seq + i) % 26)};
        packet_msg(&packet, &msg);
    }
    return packet_send(rig, line, session, seq, &packet);
}

/* One message in a packet of its own, in sequence. */
static uint32_t send_msg(struct rig *rig, const struct itch_msg *msg)
{
    static struct packet packet;
    const uint32_t before = rig->event_count;
    packet_begin(&packet);
    packet_msg(&packet, msg);
    packet_send(rig, 0, session_a, channel_arb(rig->channel)->next_seq, &packet);
    return rig->event_count - before;
}

/* ---- what is expected ---- */

static void expect(const struct rig *rig, uint32_t from_end, const struct md_event *want)
{
    cr_assert_gt(rig->event_count, from_end);
    const struct md_event *got = &rig->event[rig->event_count - 1 - from_end];
    cr_assert_eq(got->type, want->type, "type %u", got->type);
    cr_assert_eq(got->side, want->side, "side %c", got->side);
    cr_assert_eq(got->flags, want->flags, "flags %x", got->flags);
    cr_assert_eq(got->instrument, want->instrument);
    cr_assert_eq(got->price, want->price, "price %d", got->price);
    cr_assert_eq(got->qty, want->qty, "qty %u", got->qty);
    cr_assert_eq(got->ref, want->ref, "ref %lx", (unsigned long)got->ref);
    cr_assert_eq(got->exchange_ns, want->exchange_ns);
    cr_assert_eq(got->rx_tsc, want->rx_tsc);
    cr_assert_eq(got->bid_price, want->bid_price, "bid %d", got->bid_price);
    cr_assert_eq(got->bid_qty, want->bid_qty);
    cr_assert_eq(got->ask_price, want->ask_price, "ask %d", got->ask_price);
    cr_assert_eq(got->ask_qty, want->ask_qty);
}

/* Event of LOCATE with an empty book at time 5 unless said otherwise: later initializers win, on purpose. */
#pragma GCC diagnostic ignored "-Woverride-init"
#define EVENT(...)                                                                                                     \
    &(struct md_event)                                                                                                 \
    {                                                                                                                  \
        .instrument = LOCATE, .price = MD_PRICE_NONE, .exchange_ns = MIDNIGHT_NS + 5, .rx_tsc = 22,                    \
        .bid_price = MD_PRICE_NONE, .ask_price = MD_PRICE_NONE, __VA_ARGS__                                            \
    }
#define MSG(...)                                                                                                       \
    &(struct itch_msg)                                                                                                 \
    {                                                                                                                  \
        .locate = LOCATE, .timestamp_ns = 5, __VA_ARGS__                                                               \
    }

/* A rig whose session has begun and whose LOCATE is listed, with nothing to look at before. */
static struct rig rig_listed(void)
{
    struct rig rig = rig_open(&default_params);
    send_msg(&rig, MSG(.type = 'R', .directory = {.stock = md_symbol("ABC"), .round_lot = 100, .luld_tier = '1'}));
    return rig;
}

static void add(struct rig *rig, uint64_t ref, uint8_t side, uint32_t price, uint32_t qty)
{
    const uint32_t events =
        send_msg(rig, MSG(.type = 'A',
                          .add = {.ref = ref, .qty = qty, .price = price, .stock = md_symbol("ABC"), .side = side}));
    cr_assert_eq(events, 1u);
}

static uint32_t types_count(const struct rig *rig, enum md_type type)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < rig->event_count; i++)
        count += rig->event[i].type == type;
    return count;
}

/* ---- set-up ---- */

Test(channel, parameters_out_of_range_have_no_footprint)
{
    struct channel_params params = default_params;
    params.line_count = 0;
    cr_assert_eq(channel_footprint(&params), 0u);
    params.line_count = ARB_LINES_MAX + 1;
    cr_assert_eq(channel_footprint(&params), 0u);
    params = default_params;
    params.reorder_packets = CHANNEL_REORDER_PACKETS_MAX + 1;
    cr_assert_eq(channel_footprint(&params), 0u);
    params = default_params;
    params.book.orders_max = 0;
    cr_assert_eq(channel_footprint(&params), 0u);
}

Test(channel, nothing_is_known_before_the_first_packet)
{
    struct rig rig = rig_open(&default_params);
    static const uint8_t zero[MOLD_SESSION_LEN];
    cr_assert_eq(memcmp(channel_session(rig.channel), zero, sizeof(zero)), 0);
    cr_assert_eq(channel_deadline_ns(rig.channel), UINT64_MAX);
    cr_assert(!channel_stale(rig.channel));
    cr_assert(!expire(&rig, UINT64_MAX - 1));
    cr_assert(!flush(&rig));
    cr_assert_eq(rig.event_count, 0u);
    rig_close(&rig);
}

/* ---- one message type after the other ---- */

Test(channel, r_defines_the_instrument)
{
    struct rig rig = rig_open(&default_params);
    cr_assert_eq(
        send_msg(&rig, MSG(.type = 'R', .directory = {.stock = md_symbol("ABC"), .round_lot = 100, .luld_tier = '2'})),
        2u);
    expect(&rig, 1,
           EVENT(.type = MD_SESSION, .instrument = MD_INSTRUMENT_NONE, .ref = md_symbol("SESSION-"), .exchange_ns = 0));
    expect(&rig, 0, EVENT(.type = MD_DEFINE, .qty = 100, .ref = md_symbol("ABC")));
    const struct instrument *instrument = &channel_instruments(rig.channel)[LOCATE];
    cr_assert_eq(instrument->symbol, md_symbol("ABC"));
    cr_assert_eq(instrument->round_lot, 100u);
    cr_assert_eq(instrument->luld_tier, '2');
    cr_assert_eq(instrument->listed, 1);
    cr_assert_eq(instrument->collar_upper, MD_PRICE_NONE);
    rig_close(&rig);
}

Test(channel, a_and_f_enter_orders)
{
    struct rig rig = rig_listed();
    add(&rig, 100, 'B', 5000, 10);
    expect(&rig, 0,
           EVENT(.type = MD_ADD, .side = 'B', .price = 5000, .qty = 10, .ref = 100, .bid_price = 5000, .bid_qty = 10));
    cr_assert_eq(send_msg(&rig, MSG(.type = 'F', .add = {.ref = 101,
                                                         .qty = 7,
                                                         .price = 5100,
                                                         .stock = md_symbol("ABC"),
                                                         .side = 'S',
                                                         .mpid = md_symbol("MMID")})),
                 1u);
    expect(&rig, 0,
           EVENT(.type = MD_ADD, .side = 'S', .price = 5100, .qty = 7, .ref = 101, .bid_price = 5000, .bid_qty = 10,
                 .ask_price = 5100, .ask_qty = 7));
    add(&rig, 102, 'B', 5000, 5);
    expect(&rig, 0,
           EVENT(.type = MD_ADD, .side = 'B', .price = 5000, .qty = 5, .ref = 102, .bid_price = 5000, .bid_qty = 15,
                 .ask_price = 5100, .ask_qty = 7));
    cr_assert_eq(channel_order_count(rig.channel), 3u);
    rig_close(&rig);
}

Test(channel, e_executes_at_the_orders_price)
{
    struct rig rig = rig_listed();
    add(&rig, 100, 'B', 5000, 10);
    cr_assert_eq(send_msg(&rig, MSG(.type = 'E', .executed = {.ref = 100, .qty = 4, .match = 9})), 1u);
    expect(
        &rig, 0,
        EVENT(.type = MD_EXECUTE, .side = 'B', .price = 5000, .qty = 4, .ref = 100, .bid_price = 5000, .bid_qty = 6));
    send_msg(&rig, MSG(.type = 'E', .executed = {.ref = 100, .qty = 6, .match = 10}));
    expect(&rig, 0, EVENT(.type = MD_EXECUTE, .side = 'B', .price = 5000, .qty = 6, .ref = 100));
    cr_assert_eq(channel_order_count(rig.channel), 0u);
    rig_close(&rig);
}

Test(channel, c_executes_and_prints_the_true_price)
{
    struct rig rig = rig_listed();
    add(&rig, 100, 'S', 5000, 10);
    cr_assert_eq(send_msg(&rig, MSG(.type = 'C',
                                    .executed = {.ref = 100, .qty = 4, .match = 9, .price = 4990, .printable = 'Y'})),
                 2u);
    expect(&rig, 1,
           EVENT(.type = MD_EXECUTE, .flags = MD_MORE, .side = 'S', .price = 5000, .qty = 4, .ref = 100,
                 .ask_price = 5000, .ask_qty = 6));
    expect(&rig, 0,
           EVENT(.type = MD_TRADE, .flags = MD_CORRECTS, .side = 'S', .price = 4990, .qty = 4, .ref = 9,
                 .ask_price = 5000, .ask_qty = 6));
    send_msg(&rig, MSG(.type = 'C', .executed = {.ref = 100, .qty = 99, .match = 10, .price = 4980, .printable = 'N'}));
    expect(&rig, 1,
           EVENT(.type = MD_EXECUTE, .flags = MD_MORE | MD_HIDDEN, .side = 'S', .price = 5000, .qty = 6, .ref = 100));
    expect(&rig, 0,
           EVENT(.type = MD_TRADE, .flags = MD_CORRECTS | MD_HIDDEN, .side = 'S', .price = 4980, .qty = 6, .ref = 10));
    rig_close(&rig);
}

Test(channel, x_cancels_and_d_deletes)
{
    struct rig rig = rig_listed();
    add(&rig, 100, 'B', 5000, 10);
    send_msg(&rig, MSG(.type = 'X', .cancel = {.ref = 100, .qty = 3}));
    expect(&rig, 0,
           EVENT(.type = MD_CANCEL, .side = 'B', .price = 5000, .qty = 3, .ref = 100, .bid_price = 5000, .bid_qty = 7));
    send_msg(&rig, MSG(.type = 'D', .delete = {.ref = 100}));
    expect(&rig, 0, EVENT(.type = MD_DELETE, .side = 'B', .price = 5000, .qty = 7, .ref = 100));
    rig_close(&rig);
}

Test(channel, u_is_a_delete_then_an_add_each_with_its_own_bbo)
{
    struct rig rig = rig_listed();
    add(&rig, 100, 'B', 5000, 10);
    add(&rig, 101, 'B', 4900, 20);
    cr_assert_eq(send_msg(&rig, MSG(.type = 'U', .replace = {.orig_ref = 100, .ref = 200, .qty = 30, .price = 5010})),
                 2u);
    expect(&rig, 1,
           EVENT(.type = MD_DELETE, .flags = MD_REPLACE | MD_MORE, .side = 'B', .price = 5000, .qty = 10, .ref = 100,
                 .bid_price = 4900, .bid_qty = 20));
    expect(&rig, 0,
           EVENT(.type = MD_ADD, .flags = MD_REPLACE, .side = 'B', .price = 5010, .qty = 30, .ref = 200,
                 .bid_price = 5010, .bid_qty = 30));
    rig_close(&rig);
}

Test(channel, u_whose_new_order_is_refused_is_a_plain_delete)
{
    struct rig rig = rig_listed();
    add(&rig, 100, 'B', 5000, 10);
    add(&rig, 101, 'B', 4900, 20);
    cr_assert_eq(send_msg(&rig, MSG(.type = 'U', .replace = {.orig_ref = 100, .ref = 101, .qty = 30, .price = 5010})),
                 1u);
    expect(
        &rig, 0,
        EVENT(.type = MD_DELETE, .side = 'B', .price = 5000, .qty = 10, .ref = 100, .bid_price = 4900, .bid_qty = 20));
    cr_assert_eq(
        send_msg(&rig, MSG(.type = 'U', .replace = {.orig_ref = 101, .ref = 300, .qty = 30, .price = 0x80000000u})),
        1u);
    expect(&rig, 0,
           EVENT(.type = MD_DELETE, .flags = MD_UNTRADABLE, .side = 'B', .price = 4900, .qty = 20, .ref = 101));
    cr_assert_eq(channel_counters(rig.channel)->price_range_count, 1u);
    rig_close(&rig);
}

Test(channel, orphans_are_counted_by_type_and_give_no_event)
{
    struct rig rig = rig_listed();
    cr_assert_eq(send_msg(&rig, MSG(.type = 'U', .replace = {.orig_ref = 1, .ref = 2, .qty = 3, .price = 4})), 0u);
    cr_assert_eq(send_msg(&rig, MSG(.type = 'D', .delete = {.ref = 1})), 0u);
    cr_assert_eq(send_msg(&rig, MSG(.type = 'X', .cancel = {.ref = 1, .qty = 1})), 0u);
    cr_assert_eq(send_msg(&rig, MSG(.type = 'E', .executed = {.ref = 1, .qty = 1})), 0u);
    cr_assert_eq(send_msg(&rig, MSG(.type = 'C', .executed = {.ref = 1, .qty = 1, .price = 5})), 0u);
    for (const char *type = "UDXEC"; *type; type++)
        cr_assert_eq(channel_counters(rig.channel)->orphan_count[(uint8_t)*type], 1u);
    cr_assert_eq(channel_order_count(rig.channel), 0u, "an orphan replace enters nothing");
    rig_close(&rig);
}

Test(channel, prints_do_not_touch_the_book)
{
    struct rig rig = rig_listed();
    add(&rig, 100, 'B', 5000, 10);
    send_msg(&rig,
             MSG(.type = 'P',
                 .trade = {.ref = 100, .qty = 8, .price = 5005, .stock = md_symbol("ABC"), .side = 'B', .match = 77}));
    expect(&rig, 0,
           EVENT(.type = MD_TRADE, .side = 'B', .price = 5005, .qty = 8, .ref = 77, .bid_price = 5000, .bid_qty = 10));
    send_msg(&rig,
             MSG(.type = 'Q',
                 .cross = {.qty = 5000000000u, .stock = md_symbol("ABC"), .match = 78, .price = 5006, .cross = 'O'}));
    expect(&rig, 0,
           EVENT(.type = MD_CROSS, .flags = MD_AUCTION | MD_SATURATED, .side = 'O', .price = 5006, .qty = UINT32_MAX,
                 .ref = 78, .bid_price = 5000, .bid_qty = 10));
    send_msg(&rig,
             MSG(.type = 'Q',
                 .cross = {.qty = UINT32_MAX, .stock = md_symbol("ABC"), .match = 79, .price = 5006, .cross = 'C'}));
    expect(&rig, 0,
           EVENT(.type = MD_CROSS, .flags = MD_AUCTION, .side = 'C', .price = 5006, .qty = UINT32_MAX, .ref = 79,
                 .bid_price = 5000, .bid_qty = 10));
    send_msg(&rig, MSG(.type = 'B', .broken = {.match = 78}));
    expect(&rig, 0, EVENT(.type = MD_BROKEN, .ref = 78, .bid_price = 5000, .bid_qty = 10));
    rig_close(&rig);
}

Test(channel, states_are_told_and_kept)
{
    struct rig rig = rig_listed();
    const struct instrument *instrument = &channel_instruments(rig.channel)[LOCATE];
    send_msg(&rig, MSG(.type = 'H',
                       .trading_action = {.stock = md_symbol("ABC"), .reason = md_symbol("LUDP"), .state = 'P'}));
    expect(&rig, 0, EVENT(.type = MD_STATE, .side = 'P', .ref = md_symbol("LUDP")));
    cr_assert_eq(instrument->state, 'P');
    send_msg(&rig, MSG(.type = 'Y', .reg_sho = {.stock = md_symbol("ABC"), .action = '1'}));
    expect(&rig, 0, EVENT(.type = MD_SHORT_SALE, .side = '1'));
    cr_assert_eq(instrument->short_sale, '1');
    send_msg(&rig, MSG(.type = 'h', .operational = {.stock = md_symbol("ABC"), .market = 'Q', .action = 'H'}));
    expect(&rig, 0, EVENT(.type = MD_OPERATIONAL, .side = 'H', .ref = 'Q'));
    cr_assert_eq(instrument->operational, 'H');
    send_msg(&rig,
             MSG(.type = 'L',
                 .participant = {
                     .stock = md_symbol("ABC"), .mpid = md_symbol("GSCO"), .primary = 'Y', .mode = 'N', .state = 'A'}));
    expect(&rig, 0, EVENT(.type = MD_PARTICIPANT, .side = 'A', .qty = 'N' | 'Y' << 8, .ref = md_symbol("GSCO")));
    send_msg(&rig, MSG(.type = 'N', .rpii = {.stock = md_symbol("ABC"), .interest = 'A'}));
    expect(&rig, 0, EVENT(.type = MD_RETAIL, .side = 'A'));
    send_msg(&rig,
             MSG(.type = 'J',
                 .collar = {.stock = md_symbol("ABC"), .reference = 500, .upper = 550, .lower = 450, .extension = 2}));
    expect(&rig, 0, EVENT(.type = MD_COLLAR, .price = 500, .qty = 2, .ref = (uint64_t)550 << 32 | 450));
    cr_assert_eq(instrument->collar_reference, 500);
    cr_assert_eq(instrument->collar_upper, 550);
    cr_assert_eq(instrument->collar_lower, 450);
    send_msg(&rig, MSG(.type = 'K',
                       .ipo = {.stock = md_symbol("ABC"), .release_s = 36000, .price = 170000, .qualifier = 'A'}));
    expect(&rig, 0, EVENT(.type = MD_IPO, .side = 'A', .price = 170000, .qty = 36000));
    rig_close(&rig);
}

Test(channel, auction_messages_come_in_two_parts)
{
    struct rig rig = rig_listed();
    cr_assert_eq(send_msg(&rig, MSG(.type = 'I', .noii = {.paired_qty = 6000000000u,
                                                          .imbalance_qty = 7000000000u,
                                                          .stock = md_symbol("ABC"),
                                                          .far_price = 501,
                                                          .near_price = 502,
                                                          .reference = 503,
                                                          .direction = 'S',
                                                          .cross = 'O',
                                                          .variation = 'L'})),
                 2u);
    expect(&rig, 1,
           EVENT(.type = MD_IMBALANCE, .flags = MD_MORE | MD_SATURATED, .side = 'S', .price = 502, .qty = UINT32_MAX,
                 .ref = 6000000000u));
    expect(&rig, 0, EVENT(.type = MD_IMBALANCE_REF, .side = 'O', .price = 503, .qty = 'L', .ref = 501));
    cr_assert_eq(send_msg(&rig, MSG(.type = 'O', .listing = {.stock = md_symbol("ABC"),
                                                             .near_execution_time = 36000999999999u,
                                                             .min_price = 10,
                                                             .max_price = 20,
                                                             .near_price = 15,
                                                             .lower = 12,
                                                             .upper = 18,
                                                             .eligibility = 'Y'})),
                 2u);
    expect(&rig, 1,
           EVENT(.type = MD_LISTING, .flags = MD_MORE, .side = 'Y', .price = 15, .ref = (uint64_t)10 << 32 | 20));
    expect(&rig, 0, EVENT(.type = MD_LISTING_COLLAR, .qty = 36000, .ref = (uint64_t)18 << 32 | 12));
    rig_close(&rig);
}

Test(channel, market_wide_messages_name_no_instrument)
{
    struct rig rig = rig_listed();
    add(&rig, 100, 'B', 5000, 10);
    send_msg(&rig, MSG(.type = 'S', .locate = 0, .system_event.code = 'Q'));
    expect(&rig, 0, EVENT(.type = MD_SYSTEM, .side = 'Q', .instrument = MD_INSTRUMENT_NONE));
    cr_assert_eq(send_msg(&rig, MSG(.type = 'V', .locate = 0, .mwcb_level.level_e8 = {300, 200, 1ull << 60})), 3u);
    expect(&rig, 2,
           EVENT(.type = MD_MWCB_LEVEL, .flags = MD_MORE, .side = '1', .ref = 300, .instrument = MD_INSTRUMENT_NONE));
    expect(&rig, 1,
           EVENT(.type = MD_MWCB_LEVEL, .flags = MD_MORE, .side = '2', .ref = 200, .instrument = MD_INSTRUMENT_NONE));
    expect(&rig, 0, EVENT(.type = MD_MWCB_LEVEL, .side = '3', .ref = 1ull << 60, .instrument = MD_INSTRUMENT_NONE));
    send_msg(&rig, MSG(.type = 'W', .locate = 0, .mwcb_status.level = '2'));
    expect(&rig, 0, EVENT(.type = MD_MWCB_BREACH, .side = '2', .instrument = MD_INSTRUMENT_NONE));
    rig_close(&rig);
}

Test(channel, first_message_that_names_a_stock_defines_it)
{
    /* Each type with a stock in it, on a locate never heard of. */
    const uint64_t xyz = md_symbol("XYZ");
    const struct itch_msg messages[] = {
        {.type = 'A', .add = {.ref = 1, .qty = 1, .price = 1, .stock = xyz, .side = 'B'}},
        {.type = 'F', .add = {.ref = 2, .qty = 1, .price = 1, .stock = xyz, .side = 'S'}},
        {.type = 'P', .trade = {.qty = 1, .price = 1, .stock = xyz, .side = 'B'}},
        {.type = 'Q', .cross = {.qty = 1, .price = 1, .stock = xyz, .cross = 'O'}},
        {.type = 'H', .trading_action = {.stock = xyz, .state = 'T'}},
        {.type = 'Y', .reg_sho = {.stock = xyz, .action = '0'}},
        {.type = 'L', .participant = {.stock = xyz}},
        {.type = 'K', .ipo = {.stock = xyz}},
        {.type = 'J', .collar = {.stock = xyz}},
        {.type = 'h', .operational = {.stock = xyz}},
        {.type = 'I', .noii = {.stock = xyz}},
        {.type = 'N', .rpii = {.stock = xyz}},
        {.type = 'O', .listing = {.stock = xyz}},
    };
    struct rig rig = rig_listed();
    for (uint16_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        struct itch_msg msg = messages[i];
        const uint32_t before = rig.event_count;
        const uint32_t own = msg.type == 'I' || msg.type == 'O' ? 2 : 1;
        msg.locate = (uint16_t)(20 + i);
        msg.timestamp_ns = 5;
        cr_assert_eq(send_msg(&rig, &msg), 1 + own, "type %c", msg.type);
        expect(&rig, rig.event_count - 1 - before,
               EVENT(.type = MD_DEFINE, .flags = MD_MORE, .instrument = msg.locate, .ref = xyz));
        msg.add.ref += msg.type == 'A' || msg.type == 'F' ? 100 : 0;
        cr_assert_eq(send_msg(&rig, &msg), own, "defined once only");
        cr_assert_eq(channel_instruments(rig.channel)[msg.locate].listed, 0);
    }
    /* The directory comes later and knows the lot. */
    cr_assert_eq(send_msg(&rig, MSG(.type = 'R', .locate = 20, .directory = {.stock = xyz, .round_lot = 10})), 1u);
    const struct md_event *event = &rig.event[rig.event_count - 1];
    cr_assert_eq(event->type, MD_DEFINE);
    cr_assert_eq(event->qty, 10u);
    cr_assert_eq(event->bid_price, 1, "with the book that is there already");
    rig_close(&rig);
}

Test(channel, price_beyond_int32_makes_the_instrument_untradable)
{
    struct rig rig = rig_listed();
    add(&rig, 100, 'B', INT32_MAX, 10);
    cr_assert_eq(rig.event[rig.event_count - 1].flags, 0u);
    cr_assert_eq(
        send_msg(&rig,
                 MSG(.type = 'A',
                     .add = {.ref = 101, .qty = 1, .price = 0x80000000u, .stock = md_symbol("ABC"), .side = 'S'})),
        1u);
    expect(&rig, 0, EVENT(.type = MD_UNRELIABLE, .flags = MD_UNTRADABLE, .bid_price = INT32_MAX, .bid_qty = 10));
    cr_assert_eq(channel_counters(rig.channel)->price_range_count, 1u);
    send_msg(&rig, MSG(.type = 'B', .broken = {.match = 1}));
    expect(&rig, 0, EVENT(.type = MD_BROKEN, .flags = MD_UNTRADABLE, .ref = 1, .bid_price = INT32_MAX, .bid_qty = 10));
    send_msg(&rig, MSG(.type = 'B', .locate = LOCATE + 1, .broken = {.match = 1}));
    expect(&rig, 0, EVENT(.type = MD_BROKEN, .instrument = LOCATE + 1, .ref = 1));
    send_msg(&rig,
             MSG(.type = 'C', .executed = {.ref = 100, .qty = 1, .match = 3, .price = UINT32_MAX, .printable = 'Y'}));
    expect(&rig, 1,
           EVENT(.type = MD_EXECUTE, .flags = MD_MORE | MD_UNTRADABLE, .side = 'B', .price = INT32_MAX, .qty = 1,
                 .ref = 100, .bid_price = INT32_MAX, .bid_qty = 9));
    expect(&rig, 0,
           EVENT(.type = MD_TRADE, .flags = MD_CORRECTS | MD_UNTRADABLE, .side = 'B', .qty = 1, .ref = 3,
                 .bid_price = INT32_MAX, .bid_qty = 9));
    rig_close(&rig);
}

Test(channel, add_of_no_side_is_refused_and_counted)
{
    struct rig rig = rig_listed();
    cr_assert_eq(send_msg(&rig, MSG(.type = 'A',
                                    .add = {.ref = 1, .qty = 1, .price = 1, .stock = md_symbol("ABC"), .side = 'b'})),
                 1u, "said at once");
    expect(&rig, 0, EVENT(.type = MD_UNRELIABLE, .flags = MD_UNTRADABLE));
    cr_assert_eq(channel_counters(rig.channel)->side_count, 1u);
    cr_assert(book_untradable(channel_book(rig.channel), LOCATE));
    cr_assert_eq(channel_order_count(rig.channel), 0u);
    rig_close(&rig);
}

Test(channel, saturated_bbo_is_flagged)
{
    struct rig rig = rig_listed();
    add(&rig, 1, 'S', 10, UINT32_MAX - 1);
    cr_assert_eq(rig.event[rig.event_count - 1].flags, 0u);
    add(&rig, 2, 'S', 10, 5);
    expect(&rig, 0,
           EVENT(.type = MD_ADD, .flags = MD_SATURATED, .side = 'S', .price = 10, .qty = 5, .ref = 2, .ask_price = 10,
                 .ask_qty = UINT32_MAX));
    rig_close(&rig);
}

Test(channel, what_cannot_be_used_is_counted_and_skipped)
{
    struct rig rig = rig_listed();
    static struct packet packet;
    uint8_t message[ITCH_LENGTH_MAX];
    const struct channel_counters *counters = channel_counters(rig.channel);
    packet_begin(&packet);
    packet_block(&packet, NULL, 0);
    packet_block(&packet, "?strange", 8);
    packet_block(&packet, "A", 1);
    const uint32_t len = itch_encode(MSG(.type = 'B', .locate = 64), message);
    packet_block(&packet, message, len);
    itch_encode(MSG(.type = 'B', .locate = 63, .broken = {.match = 4}), message);
    packet_block(&packet, message, len);
    packet.bytes[packet.len++] = 0xee; /* behind the last block */
    const uint32_t before = rig.event_count, cursors = rig.cursor_count;
    packet_send(&rig, 0, session_a, 2, &packet);
    cr_assert_eq(rig.event_count, before + 1);
    cr_assert_eq(rig.cursor_count, cursors + 5, "each message has its turn, also without events");
    cr_assert_eq(rig.last_seq, 6u);
    cr_assert_eq(counters->empty_count, 1u);
    cr_assert_eq(counters->itch[ITCH_UNKNOWN], 1u);
    cr_assert_eq(counters->itch[ITCH_SHORT], 1u);
    cr_assert_eq(counters->locate_range_count, 1u);
    cr_assert_eq(counters->trailing_count, 1u);
    cr_assert_eq(counters->message_type_count['?'], 1u);
    cr_assert_eq(counters->message_count, 1u + 4u);
    rig_close(&rig);
}

Test(channel, locate_65535_is_never_an_instrument)
{
    struct channel_params params = default_params;
    params.book.instruments_max = BOOK_INSTRUMENTS_MAX;
    struct rig rig = rig_open(&params);
    cr_assert_eq(send_msg(&rig, MSG(.type = 'B', .locate = 65534)), 2u);
    cr_assert_eq(send_msg(&rig, MSG(.type = 'B', .locate = 65535)), 0u);
    cr_assert_eq(channel_counters(rig.channel)->locate_range_count, 1u);
    rig_close(&rig);
}

Test(channel, malformed_packets_say_nothing)
{
    struct rig rig = rig_open(&default_params);
    static struct packet packet;
    packet_begin(&packet);
    packet_msg(&packet, MSG(.type = 'B'));
    mold_encode_header(packet.bytes, session_a, 1, 1);
    for (uint32_t len = 0; len < packet.len; len++)
        cr_assert(!receive_bytes(&rig, 0, packet.bytes, len));
    cr_assert(!send_control(&rig, 0, session_a, UINT64_MAX, 1));
    cr_assert_eq(rig.event_count, 0u);
    cr_assert_eq(channel_counters(rig.channel)->session_count, 0u, "a malformed packet begins no session");
    cr_assert_eq(channel_counters(rig.channel)->mold[MOLD_SHORT], MOLD_HEADER_LEN);
    cr_assert_eq(channel_counters(rig.channel)->mold[MOLD_BAD_SEQ], 1u);
    cr_assert(receive_bytes(&rig, 0, packet.bytes, packet.len));
    rig_close(&rig);
}

/* ---- lines ---- */

Test(channel, a_late_b_first_delivers_once)
{
    struct rig rig = rig_open(&default_params);
    cr_assert(send_range(&rig, 1, session_a, 1, 3));
    cr_assert(!send_range(&rig, 0, session_a, 1, 3));
    cr_assert(send_range(&rig, 1, session_a, 4, 2));
    cr_assert(!send_range(&rig, 0, session_a, 4, 2));
    cr_assert_eq(rig.event_count, 1u + 5u);
    cr_assert_eq(channel_counters(rig.channel)->arb[ARB_FRESH], 2u);
    cr_assert_eq(channel_counters(rig.channel)->arb[ARB_DUPLICATE], 2u);
    rig_close(&rig);
}

Test(channel, differently_cut_lines_deliver_each_message_once)
{
    struct rig rig = rig_open(&default_params);
    send_range(&rig, 0, session_a, 1, 3);
    send_range(&rig, 1, session_a, 1, 5); /* straddles at its front */
    send_range(&rig, 0, session_a, 4, 4); /* two old, two new */
    send_range(&rig, 1, session_a, 6, 1);
    send_range(&rig, 1, session_a, 7, 10); /* one old, nine new */
    cr_assert_eq(rig.last_seq, 16u);
    cr_assert_eq(types_count(&rig, MD_SYSTEM), 16u);
    for (uint32_t i = 1; i <= 16; i++)
        cr_assert_eq(rig.event[i].side, 'A' + i % 26);
    cr_assert_eq(channel_counters(rig.channel)->arb[ARB_STRADDLING], 3u);
    rig_close(&rig);
}

Test(channel, joining_begins_with_the_first_packet)
{
    struct channel_params params = default_params;
    params.first_seq = 0;
    struct rig rig = rig_open(&params);
    send_range(&rig, 0, session_a, 5000, 2);
    cr_assert_eq(rig.last_seq, 5001u);
    cr_assert(!channel_stale(rig.channel));
    cr_assert_eq(channel_arb(rig.channel)->hole_count, 0u);
    rig_close(&rig);
    rig = rig_open(&params);
    cr_assert(send_control(&rig, 0, session_a, 5000, 0), "a heartbeat can begin the session");
    send_range(&rig, 0, session_a, 5000, 2);
    cr_assert_eq(rig.last_seq, 5001u);
    rig_close(&rig);
}

Test(channel, unsequenced_packets_are_delivered_and_not_arbitrated)
{
    struct rig rig = rig_open(&default_params);
    send_range(&rig, 0, session_a, 0, 3);
    send_range(&rig, 0, session_a, 0, 3);
    cr_assert_eq(types_count(&rig, MD_SYSTEM), 6u);
    cr_assert_eq(rig.last_seq, 0u);
    cr_assert_eq(channel_counters(rig.channel)->unsequenced_count, 2u);
    cr_assert_eq(channel_arb(rig.channel)->line[0].packet_count, 0u);
    cr_assert(!send_control(&rig, 0, session_a, 0, 0));
    cr_assert_eq(channel_arb(rig.channel)->line[0].packet_count, 0u);
    send_range(&rig, 0, session_a, 3, 1); /* waits */
    send_range(&rig, 0, session_a, 0, 1); /* does not, and frees nobody */
    cr_assert_eq(types_count(&rig, MD_SYSTEM), 7u);
    cr_assert_eq(channel_held_count(rig.channel), 1u);
    rig_close(&rig);
}

/* ---- holes ---- */

static void hole_is_filled(uint64_t hole_seq, uint32_t hole_count)
{
    struct rig whole = rig_open(&default_params), rig = rig_open(&default_params);
    const uint64_t after = hole_seq + hole_count;
    send_range(&whole, 0, session_a, 1, (uint32_t)hole_seq - 1);
    send_range(&whole, 0, session_a, hole_seq, hole_count);
    send_range(&whole, 0, session_a, after, 2);
    send_range(&whole, 0, session_a, after + 2, 2);

    send_range(&rig, 0, session_a, 1, (uint32_t)hole_seq - 1);
    cr_assert(!send_range(&rig, 0, session_a, after, 2), "kept");
    cr_assert(!send_range(&rig, 1, session_a, after, 2), "not kept twice");
    cr_assert(!send_range(&rig, 0, session_a, after + 2, 2));
    cr_assert(!send_range(&rig, 1, session_a, after + 1, 3), "all of it is kept already, in two packets");
    cr_assert_eq(channel_held_count(rig.channel), 2u);
    cr_assert_eq(channel_deadline_ns(rig.channel), rig.now_ns + REORDER_NS);
    cr_assert(!expire(&rig, rig.now_ns + REORDER_NS - 1));
    for (uint64_t seq = hole_seq; seq < after; seq++)
        cr_assert(send_range(&rig, 1, session_a, seq, 1));
    cr_assert_eq(rig.event_count, whole.event_count);
    cr_assert_eq(rig.hash, whole.hash);
    cr_assert_eq(rig.last_seq, after + 3);
    cr_assert_eq(channel_held_count(rig.channel), 0u);
    cr_assert_eq(channel_deadline_ns(rig.channel), UINT64_MAX);
    cr_assert(!channel_stale(rig.channel));
    cr_assert_eq(channel_counters(rig.channel)->held_count, 2u);
    rig_close(&whole);
    rig_close(&rig);
}

Test(channel, hole_filled_by_the_other_line_leaves_no_trace)
{
    hole_is_filled(4, 1);
    hole_is_filled(2, 30);
}

Test(channel, hole_is_passed_exactly_at_its_deadline)
{
    struct rig rig = rig_open(&default_params);
    send_range(&rig, 0, session_a, 1, 2);
    rig.now_ns = 5000;
    send_range(&rig, 0, session_a, 5, 2);
    rig.now_ns = 9000;
    send_range(&rig, 0, session_a, 7, 1); /* the window is that of the first */
    cr_assert_eq(channel_deadline_ns(rig.channel), 5000 + REORDER_NS);
    cr_assert(!expire(&rig, 5000 + REORDER_NS - 1));
    cr_assert_eq(rig.last_seq, 2u);
    cr_assert(expire(&rig, 5000 + REORDER_NS));
    cr_assert_eq(rig.last_seq, 7u);
    expect(&rig, 3,
           EVENT(.type = MD_STALE_BEGIN, .flags = MD_STALE, .instrument = MD_INSTRUMENT_NONE, .ref = 3, .qty = 2,
                 .exchange_ns = MIDNIGHT_NS + 2, .rx_tsc = 33));
    for (uint32_t i = 0; i < 3; i++)
        cr_assert_eq(rig.event[rig.event_count - 1 - i].flags, MD_STALE);
    cr_assert(channel_stale(rig.channel));
    cr_assert_eq(channel_deadline_ns(rig.channel), UINT64_MAX);
    cr_assert_eq(channel_counters(rig.channel)->expired_count, 1u);
    cr_assert_eq(channel_counters(rig.channel)->held_overflow_count, 0u);
    cr_assert_eq(channel_arb(rig.channel)->missed_count, 2u);
    cr_assert(!send_range(&rig, 1, session_a, 3, 2), "too late");
    send_range(&rig, 1, session_a, 8, 1);
    cr_assert_eq(rig.event[rig.event_count - 1].flags, MD_STALE, "stale until something recovers it");
    rig_close(&rig);
}

Test(channel, a_further_hole_is_told_again)
{
    struct rig rig = rig_open(&default_params);
    send_range(&rig, 0, session_a, 1, 1);
    send_range(&rig, 0, session_a, 3, 1);
    flush(&rig);
    send_range(&rig, 0, session_a, 10, 1);
    flush(&rig);
    cr_assert_eq(types_count(&rig, MD_STALE_BEGIN), 2u);
    expect(&rig, 1,
           EVENT(.type = MD_STALE_BEGIN, .flags = MD_STALE, .instrument = MD_INSTRUMENT_NONE, .ref = 4, .qty = 6,
                 .exchange_ns = MIDNIGHT_NS + 3, .rx_tsc = 0));
    cr_assert_eq(channel_counters(rig.channel)->expired_count, 0u);
    cr_assert_eq(channel_counters(rig.channel)->held_overflow_count, 0u);
    rig_close(&rig);
}

Test(channel, holes_between_held_packets_are_handled_one_at_a_time)
{
    struct rig rig = rig_open(&default_params);
    send_range(&rig, 0, session_a, 1, 1);
    rig.now_ns = 10000;
    send_range(&rig, 0, session_a, 3, 1);
    rig.now_ns = 20000;
    send_range(&rig, 0, session_a, 6, 2);
    rig.now_ns = 30000;
    send_range(&rig, 0, session_a, 5, 1); /* overtaken */
    cr_assert_eq(channel_held_count(rig.channel), 3u);
    expire(&rig, 10000 + REORDER_NS);
    cr_assert_eq(rig.last_seq, 3u);
    cr_assert_eq(channel_deadline_ns(rig.channel), 20000 + REORDER_NS, "the second hole was seen later");
    send_range(&rig, 1, session_a, 4, 1);
    cr_assert_eq(rig.last_seq, 7u);
    cr_assert_eq(types_count(&rig, MD_STALE_BEGIN), 1u);
    rig_close(&rig);
}

Test(channel, holes_whose_windows_have_both_ended_are_passed_together)
{
    struct rig rig = rig_open(&default_params);
    send_range(&rig, 0, session_a, 2, 1);
    send_range(&rig, 0, session_a, 4, 1);
    send_control(&rig, 0, session_a, 9, 0);
    expire(&rig, rig.now_ns + REORDER_NS);
    cr_assert_eq(rig.last_seq, 4u);
    cr_assert_eq(types_count(&rig, MD_STALE_BEGIN), 3u);
    cr_assert_eq(channel_counters(rig.channel)->expired_count, 3u);
    cr_assert_eq(channel_arb(rig.channel)->next_seq, 9u);
    rig_close(&rig);
}

Test(channel, one_packet_too_many_passes_the_hole)
{
    struct rig rig = rig_open(&default_params); /* keeps 4 */
    send_range(&rig, 0, session_a, 1, 1);
    for (uint64_t seq = 3; seq < 7; seq++)
        cr_assert(!send_range(&rig, 0, session_a, seq, 1));
    cr_assert_eq(channel_held_count(rig.channel), 4u);
    cr_assert(!send_range(&rig, 1, session_a, 4, 2), "a duplicate of what is held is not one too many");
    cr_assert(send_range(&rig, 0, session_a, 7, 1));
    cr_assert_eq(rig.last_seq, 7u);
    cr_assert_eq(types_count(&rig, MD_STALE_BEGIN), 1u);
    cr_assert_eq(channel_counters(rig.channel)->held_overflow_count, 1u);
    cr_assert_eq(channel_held_count(rig.channel), 0u);
    rig_close(&rig);
}

Test(channel, overflow_passes_one_hole_and_the_next_one_waits)
{
    struct rig rig = rig_open(&default_params);
    send_range(&rig, 0, session_a, 1, 1);
    for (uint64_t seq = 3; seq < 11; seq += 2)
        send_range(&rig, 0, session_a, seq, 1);
    cr_assert(send_range(&rig, 0, session_a, 2000, 1)); /* kept, at the far end */
    cr_assert_eq(rig.last_seq, 3u);
    cr_assert_eq(channel_held_count(rig.channel), 4u);
    cr_assert(send_range(&rig, 0, session_a, 1000, 1)); /* kept in between */
    cr_assert_eq(rig.last_seq, 5u);
    cr_assert_eq(types_count(&rig, MD_STALE_BEGIN), 2u);
    flush(&rig);
    cr_assert_eq(rig.last_seq, 2000u);
    cr_assert_eq(types_count(&rig, MD_SYSTEM), 7u);
    cr_assert_eq(channel_arb(rig.channel)->missed_count, 2000u - 7u);
    rig_close(&rig);
}

Test(channel, overflow_by_a_packet_in_front_of_those_held)
{
    struct rig rig = rig_open(&default_params);
    send_range(&rig, 0, session_a, 1, 1);
    for (uint64_t seq = 13; seq < 21; seq += 2)
        send_range(&rig, 0, session_a, seq, 1);
    cr_assert(send_range(&rig, 1, session_a, 4, 2));
    cr_assert_eq(rig.last_seq, 5u);
    cr_assert_eq(channel_held_count(rig.channel), 4u);
    cr_assert_eq(channel_arb(rig.channel)->missed_count, 2u);
    rig_close(&rig);
}

Test(channel, nothing_is_kept_when_reorder_packets_is_0)
{
    struct channel_params params = default_params;
    params.reorder_packets = 0;
    struct rig rig = rig_open(&params);
    send_range(&rig, 0, session_a, 1, 1);
    cr_assert(send_range(&rig, 0, session_a, 4, 2));
    cr_assert_eq(rig.last_seq, 5u);
    cr_assert_eq(types_count(&rig, MD_STALE_BEGIN), 1u);
    cr_assert_eq(rig.event[rig.event_count - 3].qty, 2u);
    cr_assert_eq(channel_counters(rig.channel)->held_count, 0u);
    cr_assert_eq(channel_counters(rig.channel)->held_overflow_count, 1u);
    cr_assert(!send_control(&rig, 0, session_a, 8, 0), "what a heartbeat reveals still waits");
    cr_assert(send_range(&rig, 1, session_a, 6, 2));
    cr_assert_eq(types_count(&rig, MD_STALE_BEGIN), 1u);
    rig_close(&rig);
}

Test(channel, reorder_window_of_0_passes_holes_at_once)
{
    struct channel_params params = default_params;
    params.reorder_ns = 0;
    struct rig rig = rig_open(&params);
    send_range(&rig, 0, session_a, 1, 1);
    cr_assert(send_range(&rig, 0, session_a, 4, 2));
    cr_assert_eq(rig.last_seq, 5u);
    cr_assert(send_control(&rig, 0, session_a, 8, 0));
    cr_assert_eq(channel_counters(rig.channel)->expired_count, 2u);
    rig_close(&rig);
}

Test(channel, endless_reorder_window_never_ends)
{
    struct channel_params params = default_params;
    params.reorder_ns = UINT64_MAX;
    struct rig rig = rig_open(&params);
    send_range(&rig, 0, session_a, 2, 1);
    cr_assert_eq(channel_deadline_ns(rig.channel), UINT64_MAX);
    cr_assert(!expire(&rig, UINT64_MAX - 1));
    cr_assert(flush(&rig));
    cr_assert_eq(rig.last_seq, 2u);
    rig_close(&rig);
}

/* A packet of blocks of `len` letters 'z', an unknown type. */
static bool send_long(struct rig *rig, uint64_t seq, uint32_t count, uint32_t len)
{
    static struct packet packet;
    static uint8_t letters[4096];
    memset(letters, 'z', sizeof(letters));
    packet_begin(&packet);
    for (uint32_t i = 0; i < count; i++)
        packet_block(&packet, letters, len);
    return packet_send(rig, 0, session_a, seq, &packet);
}

Test(channel, messages_longer_than_any_of_itch_are_kept_short)
{
    struct rig rig = rig_open(&default_params);
    send_range(&rig, 0, session_a, 1, 1);
    cr_assert(!send_long(&rig, 3, 2, 4000));
    cr_assert_eq(channel_held_messages(rig.channel), 2u);
    cr_assert(send_range(&rig, 1, session_a, 2, 1));
    cr_assert_eq(rig.last_seq, 4u);
    cr_assert_eq(channel_counters(rig.channel)->itch[ITCH_UNKNOWN], 2u);
    rig_close(&rig);
}

Test(channel, packet_beyond_the_window_passes_every_hole_before_it)
{
    struct rig rig = rig_open(&default_params); /* keeps 4,096 messages */
    send_range(&rig, 0, session_a, 1, 1);
    send_range(&rig, 0, session_a, 3, 1);
    cr_assert(!send_range(&rig, 0, session_a, 4096, 2), "the last that can be kept");
    cr_assert(send_range(&rig, 0, session_a, 4097, 2));
    cr_assert_eq(rig.last_seq, 4098u);
    cr_assert_eq(types_count(&rig, MD_STALE_BEGIN), 2u);
    cr_assert_eq(types_count(&rig, MD_SYSTEM), 5u);
    cr_assert_eq(channel_held_count(rig.channel), 0u);
    cr_assert_eq(channel_arb(rig.channel)->missed_count, 4098u - 5u);
    rig_close(&rig);
}

Test(channel, heartbeat_reveals_a_hole_that_then_expires)
{
    struct rig rig = rig_open(&default_params);
    send_range(&rig, 0, session_a, 1, 2);
    cr_assert(!send_control(&rig, 0, session_a, 3, 0), "all is well");
    cr_assert_eq(channel_deadline_ns(rig.channel), UINT64_MAX);
    rig.now_ns = 50000;
    cr_assert(!send_control(&rig, 0, session_a, 6, 0));
    cr_assert_eq(channel_deadline_ns(rig.channel), 50000 + REORDER_NS);
    send_range(&rig, 1, session_a, 3, 1); /* a part of it */
    cr_assert_eq(rig.last_seq, 3u);
    cr_assert_eq(channel_deadline_ns(rig.channel), 50000 + REORDER_NS);
    expire(&rig, 50000 + REORDER_NS);
    cr_assert_eq(rig.event[rig.event_count - 1].type, MD_STALE_BEGIN);
    cr_assert_eq(rig.event[rig.event_count - 1].ref, 4u);
    cr_assert_eq(rig.event[rig.event_count - 1].qty, 2u);
    cr_assert_eq(channel_arb(rig.channel)->next_seq, 6u);
    rig_close(&rig);
}

Test(channel, later_heartbeats_neither_prolong_the_window_nor_lose_the_rest)
{
    struct rig rig = rig_open(&default_params);
    send_range(&rig, 0, session_a, 1, 2);
    rig.now_ns = 50000;
    send_control(&rig, 0, session_a, 6, 0);
    rig.now_ns = 60000;
    send_control(&rig, 0, session_a, 6, 0);
    send_control(&rig, 1, session_a, 9, 0);
    send_control(&rig, 1, session_a, 7, 0);
    cr_assert_eq(channel_deadline_ns(rig.channel), 50000 + REORDER_NS);
    send_range(&rig, 1, session_a, 3, 4);
    cr_assert_eq(channel_deadline_ns(rig.channel), 50000 + REORDER_NS, "7 and 8 are still missing");
    send_range(&rig, 1, session_a, 7, 2);
    cr_assert_eq(channel_deadline_ns(rig.channel), UINT64_MAX);
    rig.now_ns = 70000;
    send_control(&rig, 0, session_a, 12, 0);
    cr_assert_eq(channel_deadline_ns(rig.channel), 70000 + REORDER_NS, "a new hole, a new window");
    rig.now_ns = 80000;
    send_range(&rig, 0, session_b, 2, 1);
    send_range(&rig, 1, session_b, 2, 1); /* now it is believed */
    cr_assert_eq(channel_deadline_ns(rig.channel), 80000 + REORDER_NS, "of a new session too");
    rig_close(&rig);
}

Test(channel, sequences_near_the_last_one)
{
    struct channel_params params = default_params;
    params.first_seq = 0;
    struct rig rig = rig_open(&params);
    send_range(&rig, 0, session_a, UINT64_MAX - 6, 2);
    cr_assert(!send_range(&rig, 0, session_a, UINT64_MAX - 2, 2));
    send_range(&rig, 1, session_a, UINT64_MAX - 5, 3);
    cr_assert_eq(rig.last_seq, UINT64_MAX - 1);
    cr_assert(!send_control(&rig, 0, session_a, UINT64_MAX, 0));
    cr_assert(send_control(&rig, 0, session_a, UINT64_MAX, MOLD_COUNT_END));
    cr_assert_eq(rig.event[rig.event_count - 1].type, MD_SESSION_END);
    rig_close(&rig);
    /* From one end to the other: the count of missing messages saturates. */
    rig = rig_open(&default_params);
    send_range(&rig, 0, session_a, UINT64_MAX - 1, 1);
    flush(&rig);
    cr_assert_eq(rig.event[1].type, MD_STALE_BEGIN);
    cr_assert_eq(rig.event[1].qty, UINT32_MAX);
    cr_assert_eq(rig.event[1].flags, MD_STALE | MD_SATURATED);
    cr_assert_eq(rig.last_seq, UINT64_MAX - 1);
    rig_close(&rig);
}

/* ---- sessions ---- */

Test(channel, end_of_session_is_told_once)
{
    struct rig rig = rig_open(&default_params);
    send_range(&rig, 0, session_a, 1, 2);
    cr_assert(send_control(&rig, 0, session_a, 3, MOLD_COUNT_END));
    cr_assert_eq(rig.event[rig.event_count - 1].type, MD_SESSION_END);
    cr_assert_eq(rig.event[rig.event_count - 1].instrument, MD_INSTRUMENT_NONE);
    cr_assert(!send_control(&rig, 1, session_a, 3, MOLD_COUNT_END));
    cr_assert(!send_control(&rig, 0, session_a, 3, MOLD_COUNT_END));
    cr_assert_eq(types_count(&rig, MD_SESSION_END), 1u);
    cr_assert(send_control(&rig, 0, session_b, 1, MOLD_COUNT_END));
    cr_assert_eq(types_count(&rig, MD_SESSION_END), 2u, "once per session");
    rig_close(&rig);
}

Test(channel, end_waits_for_the_messages_before_it)
{
    struct rig rig = rig_open(&default_params);
    send_range(&rig, 0, session_a, 1, 2);
    cr_assert(!send_control(&rig, 0, session_a, 5, MOLD_COUNT_END));
    cr_assert(send_range(&rig, 1, session_a, 3, 2));
    cr_assert_eq(rig.event[rig.event_count - 1].type, MD_SESSION_END);
    cr_assert_eq(rig.event[rig.event_count - 2].type, MD_SYSTEM);
    cr_assert_eq(types_count(&rig, MD_STALE_BEGIN), 0u);
    rig_close(&rig);
    rig = rig_open(&default_params);
    send_range(&rig, 0, session_a, 1, 2);
    send_control(&rig, 0, session_a, 5, MOLD_COUNT_END);
    expire(&rig, rig.now_ns + REORDER_NS);
    cr_assert_eq(rig.event[rig.event_count - 2].type, MD_STALE_BEGIN);
    cr_assert_eq(rig.event[rig.event_count - 1].type, MD_SESSION_END);
    rig_close(&rig);
}

Test(channel, unsequenced_end_is_told)
{
    struct rig rig = rig_open(&default_params);
    cr_assert(send_control(&rig, 0, session_a, 0, MOLD_COUNT_END));
    cr_assert_eq(rig.event_count, 2u);
    cr_assert_eq(rig.event[1].type, MD_SESSION_END);
    rig_close(&rig);
}

Test(channel, new_session_empties_books_and_directory)
{
    struct rig rig = rig_listed();
    add(&rig, 100, 'B', 5000, 10);
    send_range(&rig, 0, session_b, 1, 1);
    cr_assert_eq(rig.event[rig.event_count - 2].type, MD_SESSION);
    cr_assert_eq(channel_order_count(rig.channel), 0u);
    cr_assert_eq(channel_instruments(rig.channel)[LOCATE].symbol, 0u);
    cr_assert_eq(memcmp(channel_session(rig.channel), session_b, MOLD_SESSION_LEN), 0);
    cr_assert_eq(channel_counters(rig.channel)->session_count, 2u);
    cr_assert(!send_range(&rig, 1, session_a, 3, 1), "the old one is over");
    cr_assert(!send_control(&rig, 1, session_a, 30, MOLD_COUNT_END));
    cr_assert_eq(channel_counters(rig.channel)->old_session_count, 2u);
    cr_assert_eq(rig.last_seq, 1u);
    rig_close(&rig);
}

Test(channel, session_name_of_zeros_is_a_name_like_any_other)
{
    static const char zeros[MOLD_SESSION_LEN];
    struct rig rig = rig_open(&default_params);
    send_range(&rig, 0, zeros, 1, 1);
    send_range(&rig, 0, zeros, 2, 1);
    cr_assert_eq(types_count(&rig, MD_SESSION), 1u);
    cr_assert_eq(rig.event[0].ref, 0u);
    rig_close(&rig);
    rig = rig_open(&default_params);
    send_range(&rig, 0, session_a, 1, 1);
    cr_assert(send_range(&rig, 0, zeros, 1, 1), "there was no session before the first");
    cr_assert_eq(types_count(&rig, MD_SESSION), 2u);
    rig_close(&rig);
}

Test(channel, new_session_counts_from_1_even_when_the_first_was_joined)
{
    struct channel_params params = default_params;
    params.first_seq = 0;
    struct rig rig = rig_open(&params);
    send_range(&rig, 0, session_a, 900, 1);
    cr_assert(!send_range(&rig, 0, session_b, 3, 1));
    cr_assert(send_range(&rig, 1, session_b, 3, 1));
    cr_assert_eq(rig.event[rig.event_count - 1].type, MD_SESSION, "its first messages are missing: kept");
    cr_assert_eq(channel_held_count(rig.channel), 1u);
    send_range(&rig, 1, session_b, 1, 2);
    cr_assert_eq(rig.last_seq, 3u);
    cr_assert(!channel_stale(rig.channel));
    rig_close(&rig);
}

/* One bit of a name is enough. */
Test(channel, one_packet_of_another_session_does_not_end_one_that_goes_on)
{
    struct rig rig = rig_listed();
    add(&rig, 100, 'B', 5000, 10);
    const uint64_t seq = rig.last_seq + 1;
    cr_assert(!send_range(&rig, 0, session_b, seq, 1));
    cr_assert(!send_control(&rig, 1, session_c, seq, MOLD_COUNT_END), "nor one of each");
    cr_assert_eq(channel_counters(rig.channel)->other_session_count, 2u);
    cr_assert_eq(channel_counters(rig.channel)->session_count, 1u);
    cr_assert_eq(channel_order_count(rig.channel), 1u);
    cr_assert(send_range(&rig, 1, session_a, seq, 1), "ours goes on");
    cr_assert_eq(rig.last_seq, seq);
    cr_assert(send_range(&rig, 1, session_c, seq, 1), "the second packet of that name");
    cr_assert_eq(memcmp(channel_session(rig.channel), session_c, MOLD_SESSION_LEN), 0);
    cr_assert_eq(channel_order_count(rig.channel), 0u);
    cr_assert(!send_range(&rig, 0, session_b, seq, 1));
    cr_assert(send_range(&rig, 1, "SESSION-D ", 1, 1), "where a session begins");
    cr_assert(!send_range(&rig, 0, session_b, seq, 1), "of that one nobody has spoken in this session");
    cr_assert_eq(channel_counters(rig.channel)->session_count, 3u);
    rig_close(&rig);
}

Test(channel, another_session_is_believed_at_once_where_ours_has_ended_or_is_silent)
{
    struct channel_params params = default_params;
    params.silence_ns = 1000000;
    struct rig rig = rig_open(&params);
    send_range(&rig, 0, session_a, 1, 2);
    const uint64_t silent_ns = rig.now_ns + params.silence_ns;
    rig.now_ns += params.silence_ns - 1;
    cr_assert(!send_range(&rig, 0, session_b, 7, 1));
    cr_assert_eq(channel_deadline_ns(rig.channel), silent_ns, "the line is not silent, our session is");
    send_control(&rig, 0, session_a, 3, MOLD_COUNT_END);
    cr_assert(send_range(&rig, 0, session_c, 7, 1));
    cr_assert_eq(channel_counters(rig.channel)->session_count, 2u);
    rig.now_ns += params.silence_ns;
    cr_assert(expire(&rig, rig.now_ns));
    cr_assert(channel_stale(rig.channel));
    cr_assert(send_range(&rig, 0, session_b, 7, 1));
    cr_assert_eq(channel_counters(rig.channel)->session_count, 3u);
    cr_assert_eq(channel_counters(rig.channel)->other_session_count, 1u);
    rig_close(&rig);
}

/* One packet of nobody's session, its first, and ours would have been over for the day. */
Test(channel, a_session_that_was_left_for_one_that_is_silent_goes_on)
{
    struct channel_params params = default_params;
    params.silence_ns = 1000000;
    struct rig rig = rig_open(&params);
    send_range(&rig, 0, session_a, 1, 2);
    cr_assert(send_control(&rig, 0, session_b, 1, 0));
    rig.now_ns += params.silence_ns - 1;
    cr_assert(!send_range(&rig, 0, session_a, 3, 1), "late");
    cr_assert_eq(channel_counters(rig.channel)->old_session_count, 1u);
    rig.now_ns += 1;
    expire(&rig, rig.now_ns);
    cr_assert(!send_control(&rig, 0, session_a, 4, MOLD_COUNT_END), "its end is no going on");
    cr_assert(!send_control(&rig, 0, session_a, 4, 0), "nor a heartbeat");
    cr_assert(send_range(&rig, 0, session_a, 4, 1));
    cr_assert_eq(memcmp(channel_session(rig.channel), session_a, MOLD_SESSION_LEN), 0);
    cr_assert_eq(channel_arb(rig.channel)->next_seq, 1u, "what came before is missing");
    cr_assert(!send_range(&rig, 0, session_b, 1, 1), "now that one was left");
    rig_close(&rig);
}

Test(channel, the_end_of_a_session_that_was_left_long_ago_begins_none)
{
    struct channel_params params = default_params;
    params.silence_ns = 1000000;
    struct rig rig = rig_open(&params);
    send_range(&rig, 0, session_a, 1, 2);
    send_range(&rig, 0, session_b, 1, 2);
    send_range(&rig, 0, session_c, 1, 2);
    for (uint32_t i = 0; i < 4; i++) {
        rig.now_ns += params.silence_ns / 2;
        cr_assert(!send_control(&rig, 1, session_a, 3, MOLD_COUNT_END));
    }
    cr_assert_eq(memcmp(channel_session(rig.channel), session_c, MOLD_SESSION_LEN), 0);
    expire(&rig, rig.now_ns);
    cr_assert_eq(channel_counters(rig.channel)->silent_count, 1u, "ours is silent all the same");
    cr_assert(channel_stale(rig.channel));
    send_range(&rig, 0, session_c, 3, 1);
    send_control(&rig, 0, session_c, 4, MOLD_COUNT_END);
    cr_assert(!send_control(&rig, 1, session_a, 3, MOLD_COUNT_END), "nor where ours has ended");
    cr_assert_eq(channel_counters(rig.channel)->session_count, 3u);
    rig_close(&rig);
}

/* ---- nothing new, and a venue that begins anew under the same name ---- */

#define SILENCE_NS UINT64_C(1000000)

/* Lines are at sequence 101; so is B if `b_behind` is 0. */
static struct rig rig_spoken(uint64_t b_behind)
{
    struct channel_params params = default_params;
    params.silence_ns = SILENCE_NS;
    struct rig rig = rig_open(&params);
    send_range(&rig, 0, session_a, 1, 100);
    send_range(&rig, 1, session_a, 1, (uint32_t)(100 - b_behind));
    return rig;
}

/* Time goes on until the feed is silent; lines may speak, but say nothing new. */
static void rig_silent(struct rig *rig)
{
    expire(rig, rig->now_ns + SILENCE_NS);
    cr_assert(channel_stale(rig->channel));
}

Test(channel, a_feed_that_says_only_what_is_long_known_is_stale_until_it_says_what_is_new)
{
    struct rig rig = rig_spoken(50);
    for (uint64_t seq = 51; seq < 61; seq++) { /* in order, but late */
        rig.now_ns += SILENCE_NS / 10 - 1;
        send_range(&rig, 1, session_a, seq, 1);
        cr_assert(!channel_stale(rig.channel));
    }
    rig.now_ns += SILENCE_NS / 10;
    send_range(&rig, 1, session_a, 61, 1);
    cr_assert(channel_stale(rig.channel));
    cr_assert_eq(rig.event[rig.event_count - 1].type, MD_STALE_BEGIN);
    cr_assert_eq(rig.event[rig.event_count - 1].qty, 0u);
    cr_assert_eq(channel_counters(rig.channel)->silent_count, 1u);
    send_control(&rig, 1, session_a, 62, 0);
    send_range(&rig, 0, session_a, 90, 11);
    cr_assert(channel_stale(rig.channel), "heartbeats and repetitions below what is next are no news");
    cr_assert_eq(channel_counters(rig.channel)->again_count, 3u);
    cr_assert(send_control(&rig, 0, session_a, 101, 0));
    cr_assert_eq(rig.event[rig.event_count - 1].type, MD_STALE_END);
    cr_assert(send_range(&rig, 0, session_a, 101, 1));
    cr_assert_eq(types_count(&rig, MD_SESSION), 1u);
    rig_close(&rig);
}

Test(channel, a_venue_that_begins_anew_after_silence_is_believed_with_its_first_packet)
{
    for (uint32_t heartbeat = 0; heartbeat < 2; heartbeat++) {
        struct rig rig = rig_listed();
        rig_close(&rig);
        rig = rig_spoken(0);
        rig_silent(&rig);
        cr_assert(heartbeat ? send_control(&rig, 1, session_a, 1, 0) : send_range(&rig, 1, session_a, 1, 3));
        cr_assert_eq(types_count(&rig, MD_SESSION), 2u);
        cr_assert(!channel_stale(rig.channel));
        cr_assert_eq(channel_counters(rig.channel)->anew_count, 1u);
        cr_assert_eq(channel_counters(rig.channel)->session_count, 2u);
        cr_assert_eq(channel_arb(rig.channel)->next_seq, heartbeat ? 1u : 4u);
        send_range(&rig, 0, session_a, 1, 3);
        cr_assert(send_range(&rig, 0, session_a, 4, 2));
        cr_assert_eq(rig.last_seq, 5u);
        cr_assert_eq(types_count(&rig, MD_SESSION), 2u);
        cr_assert_eq(memcmp(channel_session(rig.channel), session_a, MOLD_SESSION_LEN), 0);
        rig_close(&rig);
    }
}

Test(channel, a_venue_that_begins_anew_without_silence_is_believed_after_silence_ns_twice)
{
    struct rig rig = rig_spoken(0);
    const uint64_t begun_ns = rig.now_ns;
    uint64_t seq = 1;
    for (; types_count(&rig, MD_SESSION) == 1; seq++) {
        rig.now_ns += SILENCE_NS / 20;
        send_range(&rig, 0, session_a, seq, 1);
        if (types_count(&rig, MD_SESSION) == 1 && seq > 2 && seq % 7 != 0) /* B is behind, and lacks some */
            send_range(&rig, 1, session_a, seq % 5 == 0 ? seq - 2 : seq, 1);
        cr_assert_lt(seq, 60u);
        if (types_count(&rig, MD_SESSION) == 1)
            cr_assert_eq(channel_stale(rig.channel), rig.now_ns - begun_ns >= SILENCE_NS);
    }
    cr_assert_geq(rig.now_ns - begun_ns, 2 * SILENCE_NS);
    cr_assert_leq(rig.now_ns - begun_ns, 2 * SILENCE_NS + SILENCE_NS / 10);
    cr_assert_eq(channel_arb(rig.channel)->next_seq, 1u, "what came before is missing");
    expire(&rig, rig.now_ns + REORDER_NS);
    cr_assert(channel_stale(rig.channel), "and is known to be");
    cr_assert_eq(rig.last_seq, seq - 1);
    rig_close(&rig);
}

Test(channel, a_venue_that_began_anew_and_is_quiet_is_understood_by_its_heartbeats)
{
    struct rig rig = rig_spoken(0);
    for (uint32_t i = 0; i < 10; i++) {
        rig.now_ns += SILENCE_NS / 3;
        send_control(&rig, i % 2, session_a, 4, 0);
    }
    cr_assert_eq(types_count(&rig, MD_SESSION), 2u);
    cr_assert_eq(channel_arb(rig.channel)->newest_seq, 4u);
    rig_close(&rig);
}

/* One line, and perhaps another one that says again what it has said: no venue that begins anew. */
static void expect_no_session(struct rig *rig)
{
    cr_assert_eq(types_count(rig, MD_SESSION), 1u);
    cr_assert_eq(channel_counters(rig->channel)->anew_count, 0u);
    cr_assert_eq(channel_arb(rig->channel)->next_seq, 101u);
    cr_assert(send_range(rig, 0, session_a, 101, 1));
    cr_assert(!channel_stale(rig->channel), "as if nothing had been");
    rig_close(rig);
}

Test(channel, a_line_that_is_far_behind_is_no_venue_that_begins_anew)
{
    struct rig rig = rig_spoken(99);
    for (uint64_t seq = 2; seq <= 100; seq++) {
        rig.now_ns += SILENCE_NS / 3;
        send_range(&rig, 1, session_a, seq, 1);
        if (seq % 10 > 4)
            send_range(&rig, 1, session_a, seq - 3, 1); /* the network brings some twice */
        if (seq % 10 == 8)
            send_range(&rig, 0, session_a, seq % 20 == 8 ? 1 : seq / 10, 1); /* and the other line one from the past */
    }
    cr_assert(channel_stale(rig.channel));
    expect_no_session(&rig);
    rig = rig_spoken(99); /* one that has spoken never */
    rig_close(&rig);
    struct channel_params params = default_params;
    params.silence_ns = SILENCE_NS;
    rig = rig_open(&params);
    send_range(&rig, 0, session_a, 1, 100);
    rig_silent(&rig);
    for (uint64_t seq = 1; seq <= 100; seq++) {
        rig.now_ns += SILENCE_NS / 3;
        send_range(&rig, 1, session_a, seq, 1);
    }
    expect_no_session(&rig);
}

/* It had skipped messages, which then came late: for the first time on this line. */
Test(channel, what_a_line_says_late_is_not_said_again)
{
    struct rig rig = rig_spoken(50);
    send_range(&rig, 1, session_a, 98, 1);
    for (uint64_t seq = 51; seq < 98; seq++) {
        rig.now_ns += SILENCE_NS / 3;
        send_range(&rig, 1, session_a, seq, 1);
    }
    expect_no_session(&rig);
}

Test(channel, packets_that_circulate_are_no_venue_that_begins_anew)
{
    struct rig rig = rig_spoken(0);
    for (uint32_t i = 0; i < 100; i++) {
        rig.now_ns += SILENCE_NS / 10;
        send_range(&rig, 0, session_a, 40, 3);
    }
    cr_assert(channel_stale(rig.channel));
    expect_no_session(&rig);
    rig = rig_spoken(0);
    for (uint32_t i = 0; i < 100; i++) {
        rig.now_ns += SILENCE_NS / 10;
        send_range(&rig, 0, session_a, 40 + i % 4, 1);
    }
    expect_no_session(&rig);
}

/* Of whatever is forged: while any line says what is next, nothing of it counts. */
Test(channel, no_venue_begins_anew_while_a_line_goes_on)
{
    struct rig rig = rig_spoken(0);
    for (uint64_t i = 0; i < 60; i++) {
        rig.now_ns += SILENCE_NS / 10;
        send_range(&rig, 0, session_a, i % 50 + 1, 1);
        if (i % 10 == 9)
            send_control(&rig, 1, session_a, 101, 0);
    }
    cr_assert(!channel_stale(rig.channel));
    for (uint64_t i = 0; i < 60; i++) { /* silence again and again, each time ended by a heartbeat */
        rig.now_ns += SILENCE_NS / 10;
        send_range(&rig, 0, session_a, i % 50 + 2, 1);
        if (i % 15 == 14)
            send_control(&rig, 1, session_a, 101, 0);
    }
    expect_no_session(&rig);
}

Test(channel, the_end_of_the_session_that_goes_back_is_no_venue_that_begins_anew)
{
    struct rig rig = rig_spoken(0);
    for (uint64_t i = 0; i < 60; i++) {
        rig.now_ns += SILENCE_NS / 10;
        send_control(&rig, 0, session_a, 50, MOLD_COUNT_END);
    }
    cr_assert(channel_stale(rig.channel));
    expect_no_session(&rig);
}

/* What was passed was none of the venue's: lines go on in front of it, and say each message for the first time. */
Test(channel, lines_that_go_on_in_front_of_what_was_passed_begin_anew)
{
    struct rig rig = rig_spoken(0);
    send_range(&rig, 0, session_a, 1001, 1);
    expire(&rig, rig.now_ns + REORDER_NS);
    cr_assert_eq(channel_arb(rig.channel)->next_seq, 1002u);
    for (uint64_t seq = 101; seq < 130; seq++) {
        rig.now_ns += SILENCE_NS / 10;
        send_range(&rig, 0, session_a, seq, 1);
        send_range(&rig, 1, session_a, seq, 1);
    }
    cr_assert_eq(channel_counters(rig.channel)->anew_count, 1u);
    cr_assert_eq(rig.last_seq, 129u, "and are heard");
    cr_assert(channel_stale(rig.channel), "but not whole");
    rig_close(&rig);
}

/* ---- an end that was none ---- */

Test(channel, messages_behind_the_end_of_a_session_take_it_back)
{
    struct rig rig = rig_spoken(0);
    send_control(&rig, 0, session_a, 101, MOLD_COUNT_END);
    cr_assert_eq(rig.event[rig.event_count - 1].type, MD_SESSION_END);
    cr_assert_eq(channel_deadline_ns(rig.channel), UINT64_MAX);
    send_range(&rig, 1, session_a, 90, 11);
    send_control(&rig, 1, session_a, 101, 0);
    cr_assert(channel_market(rig.channel).ended, "what is late says nothing of it");
    cr_assert(send_range(&rig, 1, session_a, 101, 1));
    cr_assert_eq(rig.event[rig.event_count - 2].type, MD_STALE_END);
    cr_assert_eq(rig.event[rig.event_count - 2].ref, 101u);
    cr_assert_eq(rig.event[rig.event_count - 1].type, MD_SYSTEM);
    cr_assert(!channel_market(rig.channel).ended);
    cr_assert_eq(channel_deadline_ns(rig.channel), rig.now_ns + SILENCE_NS);
    cr_assert_eq(channel_counters(rig.channel)->end_withdrawn_count, 1u);
    rig_silent(&rig);
    cr_assert(send_control(&rig, 1, session_a, 102, MOLD_COUNT_END), "the venue's own");
    cr_assert_eq(rig.event[rig.event_count - 2].type, MD_STALE_END);
    cr_assert_eq(rig.event[rig.event_count - 1].type, MD_SESSION_END);
    cr_assert_eq(types_count(&rig, MD_SESSION_END), 2u);
    cr_assert_eq(types_count(&rig, MD_SESSION), 1u);
    rig_close(&rig);
}

Test(channel, a_message_ahead_of_a_hole_behind_the_end_takes_it_back)
{
    struct rig rig = rig_spoken(0);
    send_control(&rig, 0, session_a, 101, MOLD_COUNT_END);
    send_range(&rig, 1, session_a, 103, 1);
    cr_assert_eq(channel_counters(rig.channel)->end_withdrawn_count, 1u);
    send_range(&rig, 1, session_a, 101, 2);
    cr_assert_eq(rig.last_seq, 103u);
    cr_assert_eq(rig.event[rig.event_count - 4].type, MD_STALE_END);
    rig_close(&rig);
}

/* Announced, and messages before it are missing: said by nobody yet. */
Test(channel, an_end_is_taken_back_before_it_is_told)
{
    struct rig rig = rig_spoken(0);
    send_control(&rig, 0, session_a, 105, MOLD_COUNT_END);
    send_range(&rig, 1, session_a, 101, 2);
    cr_assert_eq(channel_counters(rig.channel)->end_withdrawn_count, 0u);
    send_range(&rig, 1, session_a, 104, 2);
    cr_assert_eq(channel_counters(rig.channel)->end_withdrawn_count, 1u);
    send_range(&rig, 1, session_a, 103, 1);
    cr_assert_eq(rig.last_seq, 105u);
    cr_assert_eq(types_count(&rig, MD_SESSION_END), 0u);
    cr_assert_eq(types_count(&rig, MD_STALE_END), 0u);
    rig_close(&rig);
}

Test(channel, heartbeats_that_go_on_behind_the_end_of_a_session_take_it_back)
{
    struct rig rig = rig_spoken(0);
    for (uint32_t i = 0; i < 10; i++) { /* B is late */
        send_control(&rig, 0, session_a, 101, MOLD_COUNT_END);
        rig.now_ns += SILENCE_NS - 1;
        send_control(&rig, 1, session_a, 101, 0);
    }
    cr_assert(channel_market(rig.channel).ended);
    rig.now_ns += 1;
    cr_assert(send_control(&rig, 1, session_a, 101, 0));
    cr_assert(!channel_market(rig.channel).ended);
    cr_assert_eq(rig.event[rig.event_count - 1].type, MD_STALE_END);
    rig_silent(&rig);
    rig_close(&rig);
}

/* Of an end further on, for which a hole was passed: lines go on in front of it. */
Test(channel, lines_that_go_on_before_the_end_of_a_session_take_it_back)
{
    struct rig rig = rig_spoken(0);
    send_control(&rig, 0, session_a, 201, MOLD_COUNT_END);
    expire(&rig, rig.now_ns + REORDER_NS);
    cr_assert(channel_market(rig.channel).ended);
    for (uint64_t seq = 101; seq < 140; seq++) {
        rig.now_ns += SILENCE_NS / 10;
        send_range(&rig, 0, session_a, seq, 1);
        send_range(&rig, 1, session_a, seq, 1);
    }
    cr_assert_eq(channel_counters(rig.channel)->end_withdrawn_count, 1u);
    cr_assert(!channel_market(rig.channel).ended);
    cr_assert_eq(channel_counters(rig.channel)->anew_count, 1u);
    cr_assert_eq(rig.last_seq, 139u);
    rig_close(&rig);
}

Test(channel, an_end_before_what_was_delivered_is_none)
{
    struct rig rig = rig_spoken(0);
    cr_assert(!send_control(&rig, 0, session_a, 100, MOLD_COUNT_END));
    cr_assert_eq(types_count(&rig, MD_SESSION_END), 0u);
    rig_silent(&rig);
    rig_close(&rig);
}

/* Behind the end there is nothing, not even the end of a doubt. */
Test(channel, the_end_of_a_session_is_told_behind_the_end_of_doubt)
{
    struct channel_params params = default_params;
    params.stale_at_once = true;
    struct rig rig = rig_open(&params);
    send_range(&rig, 0, session_a, 1, 2);
    send_control(&rig, 0, session_a, 5, MOLD_COUNT_END);
    send_range(&rig, 1, session_a, 3, 2);
    cr_assert_eq(rig.event[rig.event_count - 2].type, MD_STALE_END);
    cr_assert_eq(rig.event[rig.event_count - 1].type, MD_SESSION_END);
    rig_close(&rig);
}

Test(channel, margins_of_lines_are_those_of_one_session)
{
    struct rig rig = rig_open(&default_params);
    send_range(&rig, 0, session_a, 1, 1);
    send_range(&rig, 1, session_b, 1, 1);
    cr_assert_eq(channel_health(rig.channel)->line[1].first_count, 1u, "the same number, another message");
    cr_assert_eq(channel_health(rig.channel)->line[1].duplicate_count, 0u);
    rig_close(&rig);
}

Test(channel, a_live_packet_far_ahead_is_not_believed_alone_and_one_of_a_capture_is)
{
    const uint64_t far_seq = UINT64_C(1) << 40;
    struct channel_params params = default_params;
    params.live = true;
    struct rig rig = rig_open(&params);
    send_range(&rig, 0, session_a, 1, 2);
    cr_assert(!send_range(&rig, 0, session_a, far_seq, 1));
    cr_assert_eq(channel_counters(rig.channel)->far_count, 1u);
    cr_assert(send_range(&rig, 1, session_a, 3, 1), "as if it had not come");
    cr_assert_eq(channel_arb(rig.channel)->newest_seq, 4u);
    send_range(&rig, 1, session_a, far_seq + 1, 1);
    cr_assert_eq(channel_arb(rig.channel)->newest_seq, far_seq + 2, "two that agree");
    rig_close(&rig);
    rig = rig_open(&default_params);
    send_range(&rig, 0, session_a, 1, 2);
    send_range(&rig, 0, session_a, far_seq, 1);
    cr_assert_eq(channel_arb(rig.channel)->newest_seq, far_seq + 1);
    rig_close(&rig);
}

Test(channel, two_live_packets_far_ahead_are_withdrawn_when_lines_go_on_and_passed_when_they_say_it_again)
{
    const uint64_t far_seq = UINT64_C(1) << 40;
    for (uint32_t again = 0; again < 2; again++) {
        struct channel_params params = default_params;
        params.live = params.stale_at_once = true;
        params.silence_ns = 1000000;
        struct rig rig = rig_open(&params);
        send_range(&rig, 0, session_a, 1, 2);
        send_range(&rig, 0, session_a, far_seq, 1);
        send_range(&rig, 0, session_a, far_seq + 1, 1);
        cr_assert(channel_stale(rig.channel));
        cr_assert_eq(channel_arb(rig.channel)->next_seq, 3u, "nothing is passed yet");
        for (uint64_t seq = 3; seq < 14; seq++) {
            rig.now_ns += params.silence_ns / 10;
            if (again)
                send_range(&rig, 0, session_a, far_seq + seq, 1);
            else
                cr_assert(send_range(&rig, seq % 2, session_a, seq, 1));
        }
        cr_assert_eq(channel_counters(rig.channel)->withdrawn_count, again ? 0u : 1u);
        cr_assert_eq(channel_stale(rig.channel), again == 1);
        cr_assert_eq(rig.last_seq, again ? far_seq + 13 : 13u);
        cr_assert_eq(channel_arb(rig.channel)->hole_count, again);
        rig_close(&rig);
    }
}

Test(channel, session_change_in_the_middle_of_a_hole)
{
    struct rig rig = rig_open(&default_params);
    send_range(&rig, 0, session_a, 1, 2);
    send_range(&rig, 0, session_a, 5, 2);
    send_control(&rig, 0, session_a, 10, MOLD_COUNT_END);
    send_range(&rig, 0, session_b, 1, 1);
    cr_assert_eq(channel_held_count(rig.channel), 0u);
    cr_assert_eq(channel_deadline_ns(rig.channel), UINT64_MAX);
    const struct md_event *event = &rig.event[rig.event_count - 4];
    cr_assert_eq(event[0].type, MD_STALE_BEGIN);
    cr_assert_eq(event[0].flags, MD_STALE);
    cr_assert_eq(event[0].ref, 3u);
    cr_assert_eq(event[0].qty, 7u, "what was held is missing too");
    cr_assert_eq(event[1].type, MD_SESSION_END);
    cr_assert_eq(event[2].type, MD_SESSION);
    cr_assert_eq(event[3].type, MD_SYSTEM);
    cr_assert_eq(event[3].flags, 0u);
    cr_assert(!channel_stale(rig.channel));
    cr_assert_eq(channel_arb(rig.channel)->hole_count, 1u);
    cr_assert_eq(channel_arb(rig.channel)->missed_count, 7u);
    cr_assert(!expire(&rig, rig.now_ns + 2 * REORDER_NS), "the old hole's window is forgotten");
    rig_close(&rig);
}

Test(channel, new_session_ends_staleness)
{
    struct rig rig = rig_open(&default_params);
    send_range(&rig, 0, session_a, 3, 1);
    flush(&rig);
    cr_assert(channel_stale(rig.channel));
    send_range(&rig, 0, session_b, 1, 1);
    send_range(&rig, 0, session_c, 1, 1);
    cr_assert(!channel_stale(rig.channel));
    cr_assert_eq(rig.event[rig.event_count - 1].flags, 0u);
    cr_assert_eq(types_count(&rig, MD_SESSION), 3u);
    rig_close(&rig);
}

/* ---- properties ---- */

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13, *state ^= *state >> 7, *state ^= *state << 17;
    return *state * 0x2545f4914f6cdd1du >> 11;
}

#define STORY_MAX 400u

struct story {
    uint8_t bytes[STORY_MAX][ITCH_LENGTH_MAX];
    uint32_t len[STORY_MAX];
    uint32_t count;
};

/* A random life of a few instruments: references often hit, now and then not. */
static void story_make(struct story *story, uint64_t *random)
{
    uint64_t last_ref = 0;
    story->count = STORY_MAX - (uint32_t)(random_next(random) % 100);
    for (uint32_t i = 0; i < story->count; i++) {
        struct itch_msg msg = {.locate = (uint16_t)(random_next(random) % 5), .timestamp_ns = i * 10};
        const uint64_t ref = last_ref - random_next(random) % 20;
        const uint32_t qty = 1 + (uint32_t)(random_next(random) % 50),
                       price = 100 + (uint32_t)(random_next(random) % 20);
        const char letters[] = "AAAAFFEECXXDDUUPQBHYIVS";
        msg.type = (uint8_t)letters[random_next(random) % (sizeof(letters) - 1)];
        switch (msg.type) {
        case 'A':
        case 'F':
            msg.add.ref = ++last_ref, msg.add.qty = qty, msg.add.price = price, msg.add.stock = md_symbol("RANDOM");
            msg.add.side = random_next(random) % 2 ? 'B' : 'S';
            break;
        case 'U':
            msg.replace.orig_ref = ref, msg.replace.ref = ++last_ref, msg.replace.qty = qty, msg.replace.price = price;
            break;
        case 'D':
            msg.delete.ref = ref;
            break;
        case 'V':
            msg.mwcb_level.level_e8[1] = i;
            break;
        default:
            msg.executed.ref = ref, msg.executed.qty = qty, msg.executed.match = i, msg.executed.price = price;
            msg.executed.printable = 'Y';
            break;
        }
        story->len[i] = itch_encode(&msg, story->bytes[i]);
    }
}

/* Messages [from, to) of the story, counted from 0, in one packet. */
static void story_send(struct rig *rig, const struct story *story, uint32_t line, uint32_t from, uint32_t to)
{
    static struct packet packet;
    packet_begin(&packet);
    for (uint32_t i = from; i < to; i++)
        packet_block(&packet, story->bytes[i], story->len[i]);
    packet_send(rig, line, session_a, from + 1, &packet);
}

Test(channel, two_lossy_lines_give_the_events_of_one_without_loss)
{
    static struct story story;
    uint64_t random = 0x123456789abcdefu;
    struct channel_params params = default_params;
    params.reorder_packets = 64;
    uint64_t held_count = 0, straddling_count = 0, gap_count = 0;
    for (uint32_t round = 0; round < 150; round++) {
        story_make(&story, &random);
        struct rig whole = rig_open(&params), rig = rig_open(&params);
        for (uint32_t i = 0; i < story.count; i++)
            story_send(&whole, &story, 0, i, i + 1);
        send_control(&whole, 0, session_a, story.count + 1, MOLD_COUNT_END);

        /* Each line is cut in its own way and lies up to 20 messages behind or ahead; a message is lost on one only. */
        uint32_t at[2] = {0, 0};
        uint32_t lost_end[2] = {0, 0}; /* end of the last range lost on each line */
        while (at[0] < story.count || at[1] < story.count) {
            rig.now_ns += 10;
            uint32_t line = (uint32_t)random_next(&random) % 2;
            if (at[line] >= story.count || at[line] > at[1 - line] + 20)
                line = 1 - line;
            uint32_t to = at[line] + 1 + (uint32_t)random_next(&random) % 8;
            if (to > story.count)
                to = story.count;
            const bool other_has_it = lost_end[1 - line] <= at[line];
            if (other_has_it && random_next(&random) % 3 == 0 && at[1 - line] <= at[line])
                lost_end[line] = to; /* the other line has it all still to come and has lost none of it */
            else if (random_next(&random) % 4 == 0 && to < story.count) {
                uint32_t end = to + 1 + (uint32_t)random_next(&random) % 5; /* two packets change places */
                if (end > story.count)
                    end = story.count;
                story_send(&rig, &story, line, to, end);
                story_send(&rig, &story, line, at[line], to);
                to = end;
            } else {
                story_send(&rig, &story, line, at[line], to);
            }
            /* A line may not lose what the other has lost: it is sent here before the other can go on. */
            if (lost_end[line] == to && lost_end[line] > at[line])
                for (uint32_t other = 1 - line; at[other] < to;) {
                    uint32_t end = at[other] + 1 + (uint32_t)random_next(&random) % 8;
                    if (end > story.count)
                        end = story.count;
                    if (random_next(&random) % 2) /* ahead of the hole, on the line that lost */
                        if (to < story.count)
                            story_send(&rig, &story, line, to, to + 1);
                    story_send(&rig, &story, other, at[other], end);
                    at[other] = end;
                }
            at[line] = to;
            if (random_next(&random) % 10 == 0)
                send_control(&rig, line, session_a, at[line] + 1, 0);
        }
        send_control(&rig, 1, session_a, story.count + 1, MOLD_COUNT_END);
        cr_assert_eq(channel_held_count(rig.channel), 0u);
        cr_assert_eq(channel_counters(rig.channel)->expired_count, 0u);
        cr_assert_eq(rig.event_count, whole.event_count);
        cr_assert_eq(rig.hash, whole.hash, "round %u", round);
        held_count += channel_counters(rig.channel)->held_count;
        gap_count += channel_counters(rig.channel)->arb[ARB_GAP];
        straddling_count += channel_counters(rig.channel)->arb[ARB_STRADDLING];
        rig_close(&whole);
        rig_close(&rig);
    }
    /* The lines did what they are here for. */
    cr_assert_gt(held_count, 1000u);
    cr_assert_gt(gap_count, held_count);
    cr_assert_gt(straddling_count, 1000u);
}

Test(channel, hostile_packets_never_deliver_twice_or_backwards)
{
    static struct packet packet;
    uint64_t random = 0xfeedfaceu;
    for (uint32_t round = 0; round < 300; round++) {
        struct channel_params params = default_params;
        params.reorder_packets = round % 7;
        params.reorder_ns = round % 3 * 100;
        params.first_seq = round % 2;
        params.book.orders_max = params.book.levels_max = 8;
        struct rig rig = rig_open(&params);
        const uint64_t base = round % 5 == 0 ? UINT64_MAX - 60 : 1;
        for (uint32_t step = 0; step < 300; step++) {
            rig.now_ns += random_next(&random) % 60;
            const char *session = random_next(&random) % 100 ? session_a
                                  : random_next(&random) % 2 ? session_b
                                                             : session_c;
            const uint64_t seq =
                random_next(&random) % 50 == 0 ? random_next(&random) : base + random_next(&random) % 60;
            const uint32_t count = (uint32_t)random_next(&random) % 5;
            packet_begin(&packet);
            for (uint32_t i = 0; i < count; i++) {
                uint8_t message[ITCH_LENGTH_MAX];
                const char letters[] = "SRHYLVWKJhAFECXDUPQBINO";
                for (uint32_t j = 0; j < sizeof(message); j++)
                    message[j] = random_next(&random) % 3 ? 0 : (uint8_t)random_next(&random);
                message[0] = (uint8_t)letters[random_next(&random) % (sizeof(letters) - 1)];
                message[1] = 0;
                message[19] = random_next(&random) % 2 ? 'B' : 'S';
                packet_block(&packet, message, (uint32_t)random_next(&random) % 12 ? ITCH_LENGTH_MAX : step % 50);
            }
            if (random_next(&random) % 40 == 0)
                send_control(&rig, step % 2, session, seq, MOLD_COUNT_END);
            else
                packet_send(&rig, step % 2, session, seq, &packet); /* drain() checks the order */
            cr_assert_leq(channel_held_count(rig.channel), params.reorder_packets);
            cr_assert_gt(channel_deadline_ns(rig.channel), rig.now_ns);
        }
        flush(&rig);
        cr_assert_eq(channel_held_count(rig.channel), 0u);
        cr_assert_eq(channel_arb(rig.channel)->next_seq, channel_arb(rig.channel)->newest_seq);
        rig_close(&rig);
    }
}

/* ---- real data ---- */

static FILE *shared_open(const char *name)
{
    char path[4096];
    const char *shared = getenv("SHARED");
    if (!shared)
        cr_skip_test("no real captures: SHARED is not set");
    snprintf(path, sizeof(path), "%s/data/%s", shared, name);
    FILE *file = fopen(path, "rb");
    if (!file)
        cr_skip_test("no real captures in SHARED");
    return file;
}

Test(channel, nasdaq_open_of_2023_08_22)
{
    FILE *file = shared_open("pcap/nasdaq_totalview_itch50_moldudp64_vlan141_20230822-open-100pkts_dhsilv.pcap");
    char error[PCAP_ERRBUF_SIZE];
    pcap_t *pcap = pcap_fopen_offline(file, error);
    cr_assert_not_null(pcap);
    struct channel_params params = default_params;
    params.book = (struct book_params){.instruments_max = 16384, .orders_max = 1024, .levels_max = 1024};
    params.first_seq = 0;
    struct rig rig = rig_open(&params);
    struct pcap_pkthdr *header;
    const uint8_t *frame;
    uint64_t first_seq = 0;
    while (pcap_next_ex(pcap, &header, &frame) == 1) {
        struct frame_view view;
        cr_assert_eq(frame_parse(frame, header->caplen, &view), FRAME_UDP);
        rig.now_ns = (uint64_t)header->ts.tv_sec * 1000000000u + (uint64_t)header->ts.tv_usec * 1000u;
        receive_bytes(&rig, 0, view.payload, view.payload_len);
        receive_bytes(&rig, 1, view.payload, view.payload_len); /* line B has the same */
        if (first_seq == 0)
            first_seq = channel_arb(rig.channel)->next_seq;
    }
    pcap_close(pcap);
    const struct channel_counters *counters = channel_counters(rig.channel);
    uint64_t orphans = 0;
    for (uint32_t i = 0; i < 256; i++)
        orphans += counters->orphan_count[i];
    cr_assert_eq(counters->packet_count, 200u);
    cr_assert_eq(counters->arb[ARB_FRESH], 100u);
    cr_assert_eq(counters->arb[ARB_DUPLICATE], 100u);
    cr_assert_eq(counters->message_count, 269u);
    cr_assert_eq(counters->message_type_count['A'], 125u);
    cr_assert_eq(counters->message_type_count['U'], 99u);
    cr_assert_eq(counters->message_type_count['D'], 30u);
    cr_assert_eq(orphans, 132u);
    cr_assert_leq(first_seq - 14757701u, 13u);
    cr_assert_eq(rig.last_seq, 14757969u);
    cr_assert_eq(channel_arb(rig.channel)->hole_count, 0u);
    cr_assert_eq(channel_counters(rig.channel)->held_count, 0u);
    cr_assert(!channel_stale(rig.channel));
    cr_assert_eq(memcmp(channel_session(rig.channel), "000010059B", MOLD_SESSION_LEN), 0);
    rig_close(&rig);
}

Test(channel, aapl_start_of_day_2020_01_30)
{
    FILE *file = shared_open("itch_binaryfile/nasdaq_itch50_binaryfile_AAPL-locate13-first10k_20200130_runk.itch");
    static struct packet packet;
    struct rig rig = rig_open(&default_params);
    uint8_t len[2], message[65536];
    uint64_t seq = 1;
    bool more = true;
    while (more) {
        packet_begin(&packet);
        while (packet.count < 20 && (more = fread(len, 1, 2, file) == 2)) {
            const uint32_t bytes = (uint32_t)len[0] << 8 | len[1];
            cr_assert_eq(fread(message, 1, bytes, file), bytes);
            packet_block(&packet, message, bytes);
        }
        const uint16_t count = packet.count;
        if (count > 0)
            packet_send(&rig, 0, session_a, seq, &packet);
        seq += count;
    }
    fclose(file);
    const struct channel_counters *counters = channel_counters(rig.channel);
    cr_assert_eq(counters->message_count, 10000u);
    cr_assert_eq(counters->itch[ITCH_OK], 10000u);
    for (uint32_t i = 0; i < 256; i++)
        cr_assert_eq(counters->orphan_count[i], 0u);
    cr_assert_eq(types_count(&rig, MD_ADD), 4758u + 7u + 2u);
    cr_assert_eq(types_count(&rig, MD_DELETE), 4083u + 7u);
    cr_assert_eq(types_count(&rig, MD_EXECUTE), 849u);
    cr_assert_eq(types_count(&rig, MD_TRADE), 240u);
    cr_assert_eq(types_count(&rig, MD_DEFINE), 1u);
    cr_assert_eq(channel_order_count(rig.channel), 215u);
    const struct book_totals bids = book_totals(channel_book(rig.channel), 13, 'B');
    const struct book_totals asks = book_totals(channel_book(rig.channel), 13, 'S');
    cr_assert_eq(bids.level_count, 79u);
    cr_assert_eq(asks.level_count, 63u);
    cr_assert_eq(bids.qty, 10103u);
    cr_assert_eq(asks.qty, 8211u);
    const struct md_event *last = &rig.event[rig.event_count - 1];
    cr_assert_eq(last->bid_price, 3201400);
    cr_assert_eq(last->bid_qty, 25u);
    cr_assert_eq(last->ask_price, 3203000);
    cr_assert_eq(last->ask_qty, 100u);
    cr_assert_eq(channel_instruments(rig.channel)[13].symbol, md_symbol("AAPL"));
    rig_close(&rig);
}
