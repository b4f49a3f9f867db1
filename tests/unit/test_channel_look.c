/* feed/channel_look: looking ahead changes no event and no book, whatever is looked at and whatever becomes of it. */
#include "feed/channel.h"
#include "ring/check.h"
#include "tools/session.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define SYMBOLS  20u
#define MESSAGES 30000u
#define PACKETS_MAX MESSAGES
#define PACKET_MAX  1400u
#define BURST 32u

static const struct channel_params params = {
    .book = {.instruments_max = SYMBOLS + 1, .orders_max = 8192, .levels_max = 8192},
    .line_count = 2, .reorder_packets = 8, .reorder_ns = 1000, .hold_messages = 4096, .first_seq = 1,
};

struct packet { uint8_t bytes[PACKET_MAX]; uint32_t len; };

static struct packet *packets;
static uint32_t packet_count;

static void packets_make(void)
{
    const struct session_params session_params = {
        .seed = 3, .messages = MESSAGES, .open_ns = SESSION_OPEN_NS, .symbols = SYMBOLS, .rate_per_s = 100000};
    struct session *session = session_open(&session_params);
    struct session_random random;
    struct itch_msg msg;
    uint64_t seq = 1;
    session_random_init(&random, 1);
    packets = calloc(PACKETS_MAX, sizeof(*packets));
    cr_assert(session && packets);
    for (bool more = session_next(session, &msg); more;) {
        struct packet *packet = &packets[packet_count++];
        const uint32_t wanted = 1 + session_random_below(&random, 20);
        uint16_t count = 0;
        for (packet->len = MOLD_HEADER_LEN; more && count < wanted; count++) {
            uint8_t *block = packet->bytes + packet->len;
            block[0] = 0;
            block[1] = (uint8_t)itch_encode(&msg, block + 2);
            packet->len += 2u + block[1];
            more = session_next(session, &msg);
        }
        mold_encode_header(packet->bytes, "LOOK      ", seq, count);
        seq += count;
    }
    session_close(session);
}

static struct channel *channel_make_of(const struct channel_params *of)
{
    void *memory = aligned_alloc(CACHE_LINE_BYTES, channel_footprint(of));
    cr_assert(memory);
    return channel_init(memory, of);
}

static struct channel *channel_make(void)
{
    return channel_make_of(&params);
}

static uint64_t drain(struct channel *channel, struct channel_cursor *cursor, uint64_t hash)
{
    while (channel_next(channel, cursor))
        for (uint32_t i = 0; i < cursor->event_count; i++)
            hash = md_event_hash(hash, &cursor->event[i]);
    return hash;
}

/* Every packet once, on one line. */
static uint64_t events_plain(struct channel *channel)
{
    struct channel_cursor cursor;
    uint64_t hash = 0;
    for (uint32_t i = 0; i < packet_count; i++)
        if (channel_receive(channel, 0, packets[i].bytes, packets[i].len, i, 0, &cursor))
            hash = drain(channel, &cursor, hash);
    return hash;
}

Test(channel_look, events_and_books_are_those_of_packets_that_come_alone)
{
    packets_make();
    struct channel *plain = channel_make(), *looked = channel_make();
    const uint64_t hash = events_plain(plain);
    static struct channel_ahead ahead;
    static struct channel_look looks[BURST];
    struct channel_cursor cursor;
    uint64_t looked_hash = 0;
    uint32_t looked_count = 0, duplicate_count = 0, early_count = 0;
    /* Both lines, one behind the other, in bursts: what the first has shown is not looked at again. */
    for (uint32_t begin = 0; begin < 2 * packet_count; begin += BURST) {
        const uint32_t end = begin + BURST < 2 * packet_count ? begin + BURST : 2 * packet_count;
        uint32_t next = begin;
        for (uint32_t i = begin; i <= end; i++) {
            if (i < end) {
                channel_look(looked, &ahead, packets[i / 2].bytes, packets[i / 2].len, &looks[i % BURST]);
                *(i % 2 == 0 ? &looked_count : &duplicate_count) += looks[i % BURST].count;
            } else {
                channel_look_end(&ahead);
            }
            for (; next < end && (i == end || (next <= i && channel_look_ready(&ahead, &looks[next % BURST])));
                 next++) {
                early_count += i < end;
                if (channel_receive_looked(looked, next % 2, &ahead, &looks[next % BURST], next, 0, &cursor))
                    looked_hash = drain(looked, &cursor, looked_hash);
            }
        }
    }
    cr_assert_neq(hash, 0);
    cr_assert_eq(looked_hash, hash);
    cr_assert_eq(book_hash(channel_book(looked)), book_hash(channel_book(plain)));
    cr_assert_eq(channel_counters(looked)->message_count, MESSAGES);
    cr_assert_eq(looked_count, MESSAGES);
    cr_assert_gt(early_count, packet_count / 2);
    cr_assert_eq(duplicate_count, 0);
    free(plain);
    free(looked);
    free(packets);
}

/* Of hostile packets a look says what mold_parse says, and nothing of one that is not whole stays decoded. */
static void look_hostile(const struct channel_params *of)
{
    packets_make();
    struct channel *channel = channel_make_of(of);
    (void)events_plain(channel);
    const uint8_t *book = (const uint8_t *)channel_book(channel);
    const size_t book_bytes = book_footprint(&params.book);
    uint8_t *before = malloc(book_bytes);
    static struct channel_ahead ahead;
    struct channel_look look;
    struct session_random random;
    uint32_t looked_count = 0, broken_count = 0;
    session_random_init(&random, 2);
    memcpy(before, book, book_bytes);
    for (uint32_t i = 0; i < 20000; i++) {
        struct packet packet = packets[session_random_below(&random, packet_count)];
        /* Beyond what was delivered, else it would not be looked at; then damaged, and cut anywhere. */
        packet.bytes[MOLD_SESSION_LEN + 4] = (uint8_t)session_random_below(&random, 4);
        for (uint32_t k = session_random_below(&random, 4); k > 0; k--)
            packet.bytes[session_random_below(&random, packet.len)] = (uint8_t)session_random_next(&random);
        const uint32_t len = i % 4 == 0 ? session_random_below(&random, packet.len + 1) : packet.len;
        uint8_t *exact = malloc(len + 1);
        memcpy(exact + 1, packet.bytes, len); /* nothing behind it may be read */
        struct mold_packet parsed = {.seq = 0};
        const uint32_t ahead_count = ahead.count;
        channel_look(channel, &ahead, exact + 1, len, &look);
        const enum mold_verdict verdict = mold_parse(exact + 1, len, &parsed);
        cr_assert_eq(look.verdict, verdict);
        cr_assert(verdict > MOLD_END ||
                  (look.packet.seq == parsed.seq && look.packet.count == parsed.count &&
                   look.packet.blocks == parsed.blocks && look.packet.blocks_len == parsed.blocks_len &&
                   look.packet.trailing_len == parsed.trailing_len));
        cr_assert_eq(ahead.count - ahead_count, look.count);
        cr_assert_eq(look.end, ahead.count);
        cr_assert_leq(look.count, CHANNEL_LOOK_MAX);
        looked_count += look.count;
        broken_count += verdict == MOLD_BAD_BLOCK;
        if (i % 3 == 0)
            channel_look_end(&ahead);
        free(exact);
    }
    cr_assert_eq(memcmp(before, book, book_bytes), 0);
    cr_assert_gt(looked_count, 20000u);
    cr_assert_gt(broken_count, 1000u);
    free(before);
    free(channel);
    free(packets);
}

Test(channel_look, any_bytes_may_be_looked_at_and_leave_the_books_as_they_were)
{
    look_hostile(&params);
}

Test(channel_look, any_bytes_may_be_looked_at_where_hardly_anything_is_traded)
{
    const uint64_t traded[1] = {md_symbol("NOSUCH")};
    struct channel_params few = params;

    few.traded = traded;
    few.traded_count = 1;
    look_hostile(&few);
}

Test(channel_look, more_messages_than_can_be_looked_at_are_received_all_the_same)
{
    struct channel *channel = channel_make();
    static uint8_t bytes[MOLD_HEADER_LEN + 200 * (2 + ITCH_LENGTH_MAX)];
    static struct channel_ahead ahead;
    struct channel_look look;
    struct channel_cursor cursor;
    uint32_t len = MOLD_HEADER_LEN, event_count = 0;
    for (uint32_t i = 0; i < 200; i++) {
        const struct itch_msg msg = {.type = ITCH_ADD,
                                     .locate = 1,
                                     .add = {.ref = i, .side = 'B', .qty = 1, .price = 100 + i, .stock = 0}};
        bytes[len] = 0;
        bytes[len + 1] = (uint8_t)itch_encode(&msg, bytes + len + 2);
        len += 2u + bytes[len + 1];
    }
    mold_encode_header(bytes, "LOOK      ", 1, 200);
    channel_look(channel, &ahead, bytes, len, &look);
    cr_assert_eq(look.count, CHANNEL_LOOK_MAX);
    channel_look_end(&ahead);
    cr_assert(channel_receive_looked(channel, 0, &ahead, &look, 1, 0, &cursor));
    while (channel_next(channel, &cursor))
        for (uint32_t i = 0; i < cursor.event_count; i++)
            event_count += cursor.event[i].type == MD_ADD;
    cr_assert_eq(event_count, 200);
    cr_assert_eq(channel_order_count(channel), 200);
    free(channel);
}
