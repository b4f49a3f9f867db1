/* MoldUDP64 1.00 framing: "MoldUDP64 Protocol Specification V 1.00" (Nasdaq). Downstream packet: session, sequence of
 * the first message, count, then count blocks of {length, data}. Pure; any thread. */
#ifndef FEED_MOLD_H
#define FEED_MOLD_H

#include "feed/wire.h"
#include "ring/check.h"

#include <stdbool.h>
#include <stdint.h>

#define MOLD_HEADER_LEN 20u
#define MOLD_SESSION_LEN 10u
#define MOLD_REQUEST_LEN 20u
#define MOLD_COUNT_END 0xffffu /* end of session, no blocks follow; not 65,535 messages */

/* Specification 1.00, "Downstream Packet"; a "Request Packet" has the same fields */
struct mold_wire {
    uint8_t session[MOLD_SESSION_LEN];
    struct be64 seq;
    struct be16 count;
};

_Static_assert(sizeof(struct mold_wire) == MOLD_HEADER_LEN, "MoldUDP64 1.00, Downstream Packet");
_Static_assert(sizeof(struct mold_wire) == MOLD_REQUEST_LEN, "MoldUDP64 1.00, Request Packet");

#define MOLD_BLOCK_LENGTH_LEN 2u /* the length field of a block, not counted in its length */

enum mold_verdict {
    MOLD_DATA = 0,     /* count >= 1, every block lies inside the payload */
    MOLD_HEARTBEAT,    /* count 0: seq is the next one expected */
    MOLD_END,          /* end of session: seq is the next one expected */
    MOLD_SHORT,        /* payload shorter than the header */
    MOLD_BAD_BLOCK,    /* a block runs past the payload: the whole packet is refused, the other line may have it */
    MOLD_BAD_SEQ,      /* seq + count would pass 2^64 - 1 (looked at before the blocks) */
    MOLD_VERDICT_COUNT
};

struct mold_packet {
    uint64_t seq;          /* of the first message; 0 = unsequenced (scrubbed captures; MoldUDP64 counts from 1) */
    uint32_t count;        /* messages, 1 ... 65,534; 0 for heartbeat and end */
    uint32_t blocks_len;   /* bytes that the blocks take */
    const uint8_t *session; /* MOLD_SESSION_LEN letters, inside the payload */
    const uint8_t *blocks;  /* first block, inside the payload */
    uint32_t trailing_len; /* bytes behind the last block */
};

const char *mold_verdict_name(enum mold_verdict verdict);

/* The header of a UDP payload. MOLD_DATA: if its blocks are whole, which mold_blocks says. `ret_packet` is written only
 * with MOLD_DATA, MOLD_HEARTBEAT and MOLD_END; all that is behind the header is `trailing_len` still. */
static inline enum mold_verdict mold_header(const uint8_t *payload, uint32_t payload_len,
                                            struct mold_packet *ret_packet)
{
    if (UNLIKELY(payload_len < MOLD_HEADER_LEN))
        return MOLD_SHORT;
    const struct mold_wire *wire = (const struct mold_wire *)payload;
    const uint64_t seq = load_be64(&wire->seq);
    const uint32_t wire_count = load_be16(&wire->count);
    const uint32_t count = wire_count == MOLD_COUNT_END ? 0 : wire_count;
    if (UNLIKELY(seq > UINT64_MAX - count))
        return MOLD_BAD_SEQ;

    ret_packet->seq = seq;
    ret_packet->count = count;
    ret_packet->blocks_len = 0;
    ret_packet->session = wire->session;
    ret_packet->blocks = payload + MOLD_HEADER_LEN;
    ret_packet->trailing_len = payload_len - MOLD_HEADER_LEN;
    if (LIKELY(count > 0))
        return MOLD_DATA;
    return wire_count == MOLD_COUNT_END ? MOLD_END : MOLD_HEARTBEAT;
}

/* All blocks take `blocks_len` bytes: are they there? MOLD_DATA: then `packet` says so. */
static inline enum mold_verdict mold_blocks(struct mold_packet *packet, uint32_t blocks_len)
{
    const uint32_t rest_len = packet->trailing_len;

    if (UNLIKELY(blocks_len > rest_len))
        return MOLD_BAD_BLOCK;
    packet->blocks_len = blocks_len;
    packet->trailing_len = rest_len - blocks_len;
    return MOLD_DATA;
}

/* Walk `count` blocks from `at` on, lengths only; a datagram is shorter than 64 KiB: nothing wraps. Returns where the
 * next one begins; more than `bytes_len`: they are not all there. */
static inline uint32_t mold_walk(const uint8_t *bytes, uint32_t bytes_len, uint32_t at, uint32_t count)
{
    for (; count > 0; count--) {
        if (UNLIKELY(at + MOLD_BLOCK_LENGTH_LEN > bytes_len))
            return bytes_len + 1;
        at += MOLD_BLOCK_LENGTH_LEN + load_be16(bytes + at);
    }
    return at;
}

/* Parse one UDP payload: lengths only, never messages. The blocks are walked once, so that a packet is delivered whole
 * or not at all. `ret_packet` is written only with MOLD_DATA, MOLD_HEARTBEAT and MOLD_END. */
static inline enum mold_verdict mold_parse(const uint8_t *payload, uint32_t payload_len, struct mold_packet *ret_packet)
{
    struct mold_packet packet;
    enum mold_verdict verdict = mold_header(payload, payload_len, &packet);

    if (LIKELY(verdict == MOLD_DATA))
        verdict = mold_blocks(&packet, mold_walk(packet.blocks, packet.trailing_len, 0, packet.count));
    if (LIKELY(verdict <= MOLD_END))
        *ret_packet = packet;
    return verdict;
}

/* Message of the block at `block`: its bytes and its length (0 is legal). Returns the next block. Only for blocks that
 * mold_parse has accepted, not more than `count` of them. */
static inline const uint8_t *mold_next(const uint8_t *block, const uint8_t **ret_message, uint32_t *ret_message_len)
{
    const uint32_t len = (uint32_t)block[0] << 8 | block[1];
    *ret_message = block + 2;
    *ret_message_len = len;
    return block + 2 + len;
}

/* Write a downstream header of MOLD_HEADER_LEN bytes (feed generator, BinaryFILE wrapping, tests). */
void mold_encode_header(uint8_t *ret_header, const char session[MOLD_SESSION_LEN], uint64_t seq, uint16_t count);

/* Write a request to a re-request server: `count` messages from `seq` on, again ("Request Packet"). */
void mold_encode_request(uint8_t ret_request[MOLD_REQUEST_LEN], const uint8_t session[MOLD_SESSION_LEN], uint64_t seq,
                         uint16_t count);

#endif
