/* Fuzz target of feed/channel, and with it of arbitration, recovery and books: the input is a short life of a channel.
 *
 * Byte 0: lines - 1 in bits 0-1, join anywhere in bit 2 (else the whole session is wanted), reorder packets above.
 * Byte 1: what there is of recovery, enum recovery_bits; bits 6-7: the window of kept messages, 64 ... 512.
 * Then what comes: line and, above it, enum input; milliseconds since the one before; payload length (big-endian 16);
 * payload. The last may be cut. What the channel asks for is taken after each, as the rx loop does; whether the input
 * answers it is up to the input. Memory is scarce on purpose, so that full books come up. In an input
 * whose length is 3 more than a multiple of 4 nobody's instruments are traded: all that has a name is passed over. */
#include <string.h>

#include "feed/channel.h"
#include "ring/check.h"
#include "tests/fuzz/fuzz.h"

#define INSTRUMENTS_MAX   16u
#define ORDERS_MAX        32u
#define LEVELS_MAX        16u
#define CHANNEL_INDEX     5u
#define PACKET_HEADER_LEN 4u
#define START_NS          1000000000000u
#define REORDER_NS        20000000u
#define SILENCE_NS        1000000000u
#define STEPS_MAX         10000000u /* more messages than any input holds: the walk does not end */
#define TURNS_MAX         10000u    /* more than any recovery takes: it does not come to an end */

static const uint64_t nobody_traded; /* a list of none */

enum recovery_bits {
    RECOVERY_RETRANSMISSION = 1u << 0,
    RECOVERY_SNAPSHOT = 1u << 1,
    RECOVERY_JOIN_SNAPSHOT = 1u << 2,
    STALE_AT_ONCE = 1u << 3,
    SILENCE = 1u << 4,
    ONE_IN_FLIGHT = 1u << 5,
};

/* In bits 4-6 of an input's first byte; others are packets too. */
enum input {
    INPUT_PACKET = 0,
    INPUT_REPLY,
    INPUT_SNAPSHOT,      /* payload: blocks */
    INPUT_SNAPSHOT_END,  /* payload: sequence, big-endian */
    INPUT_SNAPSHOT_LOST,
};
#define INPUT_OTHER_SPIN 0x80u /* of another spin than the one asked for */

struct life {
    struct channel *channel;
    uint64_t last_seq; /* newest sequence delivered in this session, 0 = none */
    uint64_t event_count;
    uint32_t spin;     /* asked for last */
    bool told_stale;   /* by MD_STALE_* and MD_SESSION alone */
    bool stale_at_once;
    struct channel_ahead ahead;
};

static void check_bbo(struct life *life, const struct md_event *event)
{
    struct book *book = channel_book(life->channel);
    struct book_level_view bid, ask;
    const uint32_t bid_count = book_levels(book, event->instrument, 'B', 1, &bid);
    const uint32_t ask_count = book_levels(book, event->instrument, 'S', 1, &ask);
    CHECK(bid_count <= 1 && ask_count <= 1);
    CHECK(event->bid_price == (bid_count == 1 ? bid.price : MD_PRICE_NONE));
    CHECK(event->ask_price == (ask_count == 1 ? ask.price : MD_PRICE_NONE));
    CHECK(event->bid_qty == (bid_count == 0 ? 0 : bid.qty > UINT32_MAX ? UINT32_MAX : (uint32_t)bid.qty));
    CHECK(event->ask_qty == (ask_count == 0 ? 0 : ask.qty > UINT32_MAX ? UINT32_MAX : (uint32_t)ask.qty));
}

static void check_step(struct life *life, const struct channel_cursor *cursor)
{
    CHECK(cursor->event_count <= CHANNEL_EVENTS_MAX);
    for (uint32_t i = 0; i < cursor->event_count; i++) {
        const struct md_event *event = &cursor->event[i];
        CHECK(event->type > MD_NONE && event->type < MD_TYPE_COUNT);
        CHECK(event->channel == CHANNEL_INDEX);
        CHECK(event->instrument < INSTRUMENTS_MAX || event->instrument == MD_INSTRUMENT_NONE);
        CHECK((event->bid_price == MD_PRICE_NONE) == (event->bid_qty == 0));
        CHECK((event->ask_price == MD_PRICE_NONE) == (event->ask_qty == 0));
        if (event->type == MD_SESSION)
            life->last_seq = 0;
        if (event->type == MD_STALE_BEGIN || event->type == MD_STALE_END || event->type == MD_SESSION)
            life->told_stale = event->type == MD_STALE_BEGIN;
        CHECK(event->flags & MD_STALE || event->instrument == MD_INSTRUMENT_NONE || !life->told_stale);
    }
    life->event_count += cursor->event_count;
    if (cursor->event_count > 0) {
        const struct md_event *last = &cursor->event[cursor->event_count - 1];
        CHECK((last->flags & MD_MORE) == 0);
        if (last->instrument != MD_INSTRUMENT_NONE)
            check_bbo(life, last);
    }
    if (cursor->message == NULL)
        return;
    fuzz_read_all(cursor->message, cursor->message_len);
    if (cursor->seq != 0) {
        CHECK(cursor->seq > life->last_seq); /* never twice, never backwards */
        life->last_seq = cursor->seq;
    }
}

/* What a reader was told is what the channel knows of itself. */
static void check_stale(const struct life *life)
{
    const struct arb *arb = channel_arb(life->channel);
    CHECK(life->told_stale == channel_stale(life->channel));
    CHECK(life->told_stale || !life->stale_at_once || arb->newest_seq == arb->next_seq);
}

static void drain(struct life *life, struct channel_cursor *cursor)
{
    uint32_t step_count = 0;
    while (channel_next(life->channel, cursor)) {
        check_step(life, cursor);
        CHECK(++step_count < STEPS_MAX);
    }
    check_stale(life);
}

/* As the receive loop does it, but the second stage of looking ahead is often that of a packet long gone. */
static bool receive(struct life *life, uint32_t line, const uint8_t *payload, uint32_t len, uint64_t now_ns,
                    uint64_t rx_tsc, struct channel_cursor *ret_cursor)
{
    struct channel_look look;
    channel_look(life->channel, &life->ahead, payload, len, &look);
    CHECK(look.count <= CHANNEL_LOOK_MAX);
    if (rx_tsc % 2 != 0)
        channel_look_end(&life->ahead);
    return channel_receive_looked(life->channel, line, &life->ahead, &look, now_ns, rx_tsc, ret_cursor);
}

/* Holes whose time has come, and one slice of what was held. */
static void expire(struct life *life, uint64_t now_ns)
{
    struct channel_cursor cursor;
    uint32_t turn_count = 0;
    while (channel_deadline_ns(life->channel) <= now_ns) {
        const bool slice = channel_deadline_ns(life->channel) == 0;
        if (channel_expire(life->channel, now_ns, 0, &cursor))
            drain(life, &cursor);
        if (slice)
            return;
        CHECK(++turn_count < TURNS_MAX);
    }
}

static void ask(struct life *life, uint64_t now_ns)
{
    const struct arb *arb = channel_arb(life->channel);
    const struct retransmit *retransmit = channel_retransmit(life->channel);
    uint32_t turn_count = 0;
    for (;;) {
        const struct channel_ask asked = channel_ask_next(life->channel, now_ns);
        if (asked.type == CHANNEL_ASK_NOTHING)
            return;
        CHECK(++turn_count < TURNS_MAX);
        if (asked.type == CHANNEL_ASK_SPIN) {
            CHECK(asked.spin != life->spin);
            life->spin = asked.spin;
        }
        if (asked.type != CHANNEL_ASK_REQUEST)
            continue;
        CHECK(asked.server < retransmit->params.server_count);
        CHECK(asked.count >= 1 && asked.count <= retransmit->params.request_messages);
        CHECK(asked.seq >= arb->next_seq && asked.count <= arb->newest_seq - asked.seq);
        CHECK(retransmit->range_count <= retransmit->params.in_flight);
        for (uint32_t i = 0; i < retransmit->range_count; i++)
            for (uint32_t j = 0; j < i; j++)
                CHECK(retransmit->range[i].end_seq <= retransmit->range[j].first_seq ||
                      retransmit->range[j].end_seq <= retransmit->range[i].first_seq);
    }
}

/* A server's word. A snapshot waits until books are empty, as its contract wants. */
static bool answer(struct life *life, uint8_t what, const uint8_t *payload, uint32_t payload_len, uint64_t now_ns,
                   struct channel_cursor *ret_cursor)
{
    const uint32_t spin = life->spin + (what & INPUT_OTHER_SPIN ? 1 : 0);
    uint32_t turn_count = 0;
    uint64_t seq = 0;
    switch (what >> 4 & 7) {
    case INPUT_REPLY:
        return channel_reply(life->channel, payload, payload_len, now_ns, 0, ret_cursor);
    case INPUT_SNAPSHOT:
    case INPUT_SNAPSHOT_END:
        while (!channel_snapshot_ready(life->channel, spin))
            CHECK(++turn_count < TURNS_MAX);
        if ((what >> 4 & 7) == INPUT_SNAPSHOT)
            return channel_snapshot(life->channel, spin, payload, payload_len, now_ns, 0, ret_cursor);
        for (uint32_t i = 0; i < 8 && i < payload_len; i++)
            seq = seq << 8 | payload[i];
        return channel_snapshot_end(life->channel, spin, seq, now_ns, 0, ret_cursor);
    default: /* INPUT_SNAPSHOT_LOST */
        channel_snapshot_lost(life->channel, spin, now_ns);
        return false;
    }
}

static uint64_t sum(const uint64_t *values, uint32_t count)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < count; i++)
        total += values[i];
    return total;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static void *memory;
    if (len < 2)
        return 0;
    const uint64_t *nobody = len % 4 == 3 ? &nobody_traded : NULL;
    const uint8_t bits = data[1];
    const bool recovering = (bits & (RECOVERY_RETRANSMISSION | RECOVERY_SNAPSHOT)) != 0;
    const struct channel_params params = {
        .book = {.instruments_max = INSTRUMENTS_MAX, .orders_max = ORDERS_MAX, .levels_max = LEVELS_MAX},
        .traded = nobody,
        .line_count = (data[0] & 3u) + 1,
        .reorder_packets = data[0] >> 3,
        .reorder_ns = REORDER_NS,
        .hold_messages = 64u << (bits >> 6),
        .stale_at_once = (bits & STALE_AT_ONCE) != 0,
        .silence_ns = bits & SILENCE ? SILENCE_NS : 0,
        .recovery = {.retransmit = {.server_count = bits & RECOVERY_RETRANSMISSION ? 2 : 0,
                                    .request_messages = 8,
                                    .in_flight = bits & ONE_IN_FLIGHT ? 1 : 4,
                                    .rate_per_s = 500,
                                    .rate_burst = 5,
                                    .attempts = 2,
                                    .timeout_ns = 5000000,
                                    .timeout_max_ns = 10000000},
                     .gap_max = 32,
                     .snapshot = (bits & RECOVERY_SNAPSHOT) != 0,
                     .join_snapshot = (bits & RECOVERY_JOIN_SNAPSHOT) != 0,
                     .spin_retry_ns = 10000000,
                     .spin_retry_max_ns = 40000000},
        .first_seq = data[0] & 4u ? 0 : 1,
        .index = CHANNEL_INDEX,
    };
    /* One block for the largest; a channel must not care what was in it before. */
    if (memory == NULL) {
        struct channel_params largest = params;
        largest.line_count = 4;
        largest.reorder_packets = 31;
        largest.hold_messages = 512;
        largest.traded = &nobody_traded;
        const size_t footprint = channel_footprint(&largest);
        CHECK(footprint > 0);
        memory =
            aligned_alloc(CACHE_LINE_BYTES, (footprint + CACHE_LINE_BYTES - 1) / CACHE_LINE_BYTES * CACHE_LINE_BYTES);
        CHECK(memory != NULL);
        memset(memory, 0xa5, footprint);
    }
    struct life life = {.channel = channel_init(memory, &params), .stale_at_once = params.stale_at_once};
    CHECK(life.channel != NULL);

    struct channel_cursor cursor;
    uint64_t now_ns = START_NS, packet_count = 0;
    size_t at = 2;
    while (len - at >= PACKET_HEADER_LEN) {
        const uint8_t what = data[at];
        const uint32_t line = (what & 15u) % params.line_count;
        now_ns += data[at + 1] * (uint64_t)1000000;
        size_t payload_len = (size_t)data[at + 2] << 8 | data[at + 3];
        at += PACKET_HEADER_LEN;
        if (payload_len > len - at)
            payload_len = len - at;
        const bool answered = (what >> 4 & 7) >= INPUT_REPLY && (what >> 4 & 7) <= INPUT_SNAPSHOT_LOST;
        expire(&life, now_ns);
        /* Freed at once: the channel must not refer to it afterwards. */
        uint8_t *payload = fuzz_copy_exact(data + at, payload_len);
        const uint32_t given_len = (uint32_t)payload_len;
        if (answered ? answer(&life, what, payload, given_len, now_ns, &cursor)
                     : receive(&life, line, payload, given_len, now_ns, packet_count, &cursor))
            drain(&life, &cursor);
        else
            CHECK(recovering || answered || !channel_next(life.channel, &cursor)); /* else a backlog may go on */
        free(payload);
        check_stale(&life);
        CHECK(recovering || channel_held_count(life.channel) <= params.reorder_packets);
        CHECK(channel_held_messages(life.channel) <= params.hold_messages);
        ask(&life, now_ns);
        packet_count += !answered;
        at += payload_len;
    }
    if (channel_flush(life.channel, now_ns, &cursor))
        drain(&life, &cursor);
    CHECK(channel_held_count(life.channel) == 0 && channel_held_messages(life.channel) == 0);
    CHECK(channel_deadline_ns(life.channel) == UINT64_MAX || params.silence_ns > 0);
    CHECK(channel_arb(life.channel)->next_seq == channel_arb(life.channel)->newest_seq);

    const struct channel_counters *counters = channel_counters(life.channel);
    CHECK(counters->packet_count == packet_count);
    CHECK(sum(counters->mold, MOLD_VERDICT_COUNT) == packet_count);
    CHECK(sum(counters->itch, ITCH_VERDICT_COUNT) == counters->message_count);
    CHECK(sum(counters->message_type_count, 256) == counters->message_count);
    CHECK(counters->event_count == life.event_count);
    CHECK(counters->untraded_count <= (nobody ? counters->itch[ITCH_OK] : 0));
    CHECK(book_order_count(channel_book(life.channel)) <= ORDERS_MAX);
    return 0;
}
