/* The venue side of a feed: messages by sequence, packets, answers to requests. Contract in venue.h.
 *
 * Called by tools/exchange, the campaign and tests, on the thread that owns the venue. Reads no clock, knows no
 * socket. */
#include "tools/venue.h"

#include "feed/wire.h"
#include "ring/check.h"
#include "tools/venue_state.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_LENGTH_LEN 2u

struct venue *venue_open(const char session[MOLD_SESSION_LEN])
{
    struct venue *venue = calloc(1, sizeof(*venue));
    if (venue == NULL)
        return NULL;
    venue->ends_max = 1024;
    venue->blocks_bytes_max = 1u << 16;
    venue->end = calloc(venue->ends_max, sizeof(*venue->end));
    venue->blocks = malloc(venue->blocks_bytes_max);
    venue->book = venue_book_open(NULL);
    if (venue->end == NULL || venue->blocks == NULL || venue->book == NULL) {
        venue_close(venue);
        return NULL;
    }
    memcpy(venue->session, session, MOLD_SESSION_LEN);
    return venue;
}

void venue_close(struct venue *venue)
{
    if (venue == NULL)
        return;
    venue_book_close(venue->book);
    free(venue->blocks);
    free(venue->end);
    free(venue);
}

bool venue_restart(struct venue *venue, const char session[MOLD_SESSION_LEN])
{
    venue_book_clear(venue->book);
    venue->count = 0;
    memcpy(venue->session, session, MOLD_SESSION_LEN);
    return true;
}

/* what was said */

static bool room_for(struct venue *venue, uint64_t block_len)
{
    if (venue->count + 1 == venue->ends_max) {
        uint64_t *end = realloc(venue->end, 2 * venue->ends_max * sizeof(*end));
        if (end == NULL)
            return false;
        venue->end = end;
        venue->ends_max *= 2;
    }
    if (venue->end[venue->count] + block_len > venue->blocks_bytes_max) { /* twice as much takes any block */
        uint8_t *blocks = realloc(venue->blocks, 2 * venue->blocks_bytes_max);
        if (blocks == NULL)
            return false;
        venue->blocks = blocks;
        venue->blocks_bytes_max *= 2;
    }
    return true;
}

/* False: no memory. The book has no other limits that a message could meet. */
static bool book_keeps(struct venue *venue, const uint8_t *message, uint32_t message_len)
{
    struct itch_msg msg;
    if (itch_decode(message, message_len, &msg) != ITCH_OK)
        return true;
    const enum book_verdict verdict = venue_book_apply(venue->book, &msg);
    return verdict != BOOK_BAD_INSTRUMENT && verdict != BOOK_ORDERS_FULL && verdict != BOOK_LEVELS_FULL;
}

uint64_t venue_say(struct venue *venue, const uint8_t *message, uint32_t message_len)
{
    const uint64_t block_len = BLOCK_LENGTH_LEN + (uint64_t)message_len;
    if (message_len > VENUE_MESSAGE_MAX || !room_for(venue, block_len) || !book_keeps(venue, message, message_len))
        return 0;
    uint8_t *block = venue->blocks + venue->end[venue->count];
    store_be16(block, (uint16_t)message_len);
    memcpy(block + BLOCK_LENGTH_LEN, message, message_len);
    venue->count++;
    venue->end[venue->count] = venue->end[venue->count - 1] + block_len;
    return venue->count;
}

uint64_t venue_next_seq(const struct venue *venue)
{
    return venue->count + 1;
}

const uint8_t *venue_message(const struct venue *venue, uint64_t seq, uint32_t *ret_len)
{
    if (seq == 0 || seq > venue->count)
        return NULL;
    *ret_len = (uint32_t)(venue->end[seq] - venue->end[seq - 1]) - BLOCK_LENGTH_LEN;
    return venue->blocks + venue->end[seq - 1] + BLOCK_LENGTH_LEN;
}

const struct venue_book *venue_book(const struct venue *venue)
{
    return venue->book;
}

const struct venue_counters *venue_counters(const struct venue *venue)
{
    return &venue->counters;
}

/* packets */

uint32_t venue_packet(const struct venue *venue, uint64_t seq, uint32_t count_max,
                      uint8_t ret_payload[VENUE_PAYLOAD_MAX])
{
    CHECK(seq >= 1);
    const uint64_t first = seq <= venue->count ? seq : venue->count + 1;
    const uint64_t from = venue->end[first - 1];
    uint64_t last = first - 1; /* none yet */
    while (last < venue->count && last - (first - 1) < count_max && last - (first - 1) < MOLD_COUNT_END - 1 &&
           venue->end[last + 1] - from <= VENUE_PAYLOAD_MAX - MOLD_HEADER_LEN)
        last++;
    const uint32_t blocks_len = (uint32_t)(venue->end[last] - from);
    mold_encode_header(ret_payload, venue->session, first, (uint16_t)(last - (first - 1)));
    memcpy(ret_payload + MOLD_HEADER_LEN, venue->blocks + from, blocks_len);
    return MOLD_HEADER_LEN + blocks_len;
}

uint32_t venue_packet_end(const struct venue *venue, uint8_t ret_payload[VENUE_PAYLOAD_MAX])
{
    mold_encode_header(ret_payload, venue->session, venue_next_seq(venue), MOLD_COUNT_END);
    return MOLD_HEADER_LEN;
}

/* MoldUDP64 1.00, "Request Packet": session, first sequence, count, laid out like a downstream header. There is no
 * negative answer. */
uint32_t venue_answer(struct venue *venue, const uint8_t *request, uint32_t request_len,
                      uint8_t ret_payload[VENUE_PAYLOAD_MAX])
{
    struct venue_counters *counters = &venue->counters;
    if (request_len != MOLD_HEADER_LEN || load_be64(request + MOLD_SESSION_LEN) == 0) {
        counters->malformed_count++;
        return 0;
    }
    if (memcmp(request, venue->session, MOLD_SESSION_LEN) != 0) {
        counters->other_session_count++;
        return 0;
    }
    const uint64_t seq = load_be64(request + MOLD_SESSION_LEN);
    const uint32_t count = load_be16(request + MOLD_SESSION_LEN + 8);
    counters->request_count++;
    if (count == 0) {
        counters->empty_count++;
        return 0;
    }
    if (seq > venue->count) {
        counters->beyond_count++;
        return 0;
    }
    counters->answered_count++;
    return venue_packet(venue, seq, count, ret_payload);
}
