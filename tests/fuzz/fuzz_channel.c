/* Fuzz target of feed/channel, and with it of arbitration and books: the input is a short life of one channel.
 *
 * Byte 0: lines - 1 in bits 0-1, join anywhere in bit 2 (else the whole session is wanted), reorder packets above.
 * Then packets: line, milliseconds since the one before, payload length (big-endian 16), payload. The last may be cut.
 * Memory is scarce on purpose, so that full books come up. */
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
#define SPIN_MAX          10000000u /* more messages than any input holds: the walk does not end */

struct life {
    struct channel *channel;
    uint64_t last_seq; /* newest sequence delivered in this session, 0 = none */
    uint64_t event_count;
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

static void drain(struct life *life, struct channel_cursor *cursor)
{
    uint32_t spin_count = 0;
    while (channel_next(life->channel, cursor)) {
        check_step(life, cursor);
        CHECK(++spin_count < SPIN_MAX);
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
    if (len < 1)
        return 0;
    const struct channel_params params = {
        .book = {.instruments_max = INSTRUMENTS_MAX, .orders_max = ORDERS_MAX, .levels_max = LEVELS_MAX},
        .line_count = (data[0] & 3u) + 1,
        .reorder_packets = data[0] >> 3,
        .reorder_ns = REORDER_NS,
        .hold_messages = 1024,
        .first_seq = data[0] & 4u ? 0 : 1,
        .index = CHANNEL_INDEX,
    };
    /* One block for the largest; a channel must not care what was in it before. */
    if (memory == NULL) {
        struct channel_params largest = params;
        largest.line_count = 4;
        largest.reorder_packets = 31;
        const size_t footprint = channel_footprint(&largest);
        CHECK(footprint > 0);
        memory =
            aligned_alloc(CACHE_LINE_BYTES, (footprint + CACHE_LINE_BYTES - 1) / CACHE_LINE_BYTES * CACHE_LINE_BYTES);
        CHECK(memory != NULL);
        memset(memory, 0xa5, footprint);
    }
    struct life life = {.channel = channel_init(memory, &params)};
    CHECK(life.channel != NULL);

    struct channel_cursor cursor;
    uint64_t now_ns = START_NS, packet_count = 0;
    size_t at = 1;
    while (len - at >= PACKET_HEADER_LEN) {
        const uint32_t line = data[at] % params.line_count;
        now_ns += data[at + 1] * (uint64_t)1000000;
        size_t payload_len = (size_t)data[at + 2] << 8 | data[at + 3];
        at += PACKET_HEADER_LEN;
        if (payload_len > len - at)
            payload_len = len - at;
        uint32_t hole_count = 0;
        while (channel_deadline_ns(life.channel) <= now_ns) {
            if (channel_expire(life.channel, now_ns, 0, &cursor))
                drain(&life, &cursor);
            CHECK(++hole_count <= CHANNEL_REORDER_PACKETS_MAX);
        }
        /* Freed at once: the channel must not refer to it afterwards. */
        uint8_t *payload = fuzz_copy_exact(data + at, payload_len);
        if (channel_receive(life.channel, line, payload, (uint32_t)payload_len, now_ns, packet_count, &cursor))
            drain(&life, &cursor);
        else
            CHECK(!channel_next(life.channel, &cursor));
        free(payload);
        CHECK(channel_held_count(life.channel) <= params.reorder_packets);
        packet_count++;
        at += payload_len;
    }
    if (channel_flush(life.channel, now_ns, &cursor))
        drain(&life, &cursor);
    CHECK(channel_held_count(life.channel) == 0);
    CHECK(channel_deadline_ns(life.channel) == UINT64_MAX);

    const struct channel_counters *counters = channel_counters(life.channel);
    CHECK(counters->packet_count == packet_count);
    CHECK(sum(counters->mold, MOLD_VERDICT_COUNT) == packet_count);
    CHECK(sum(counters->itch, ITCH_VERDICT_COUNT) == counters->message_count);
    CHECK(sum(counters->message_type_count, 256) == counters->message_count);
    CHECK(counters->event_count == life.event_count);
    CHECK(book_order_count(channel_book(life.channel)) <= ORDERS_MAX);
    return 0;
}
