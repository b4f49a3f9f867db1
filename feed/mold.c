/* MoldUDP64 framing. Contract in mold.h.
 *
 * Called once for each payload that arrives on a line of a channel, on its rx lcore; by the feed generator for headers;
 * by the control thread for requests. Looks at lengths only, never at messages. Count 0xffff is the end of
 * the session, not 65,535 messages. */
#include "feed/mold.h"

#include "feed/wire.h"
#include "ring/check.h"

/* Specification 1.00, "Downstream Packet"; a "Request Packet" has the same fields */
struct mold_wire {
    uint8_t session[MOLD_SESSION_LEN];
    struct be64 seq;
    struct be16 count;
};

_Static_assert(sizeof(struct mold_wire) == MOLD_HEADER_LEN, "MoldUDP64 1.00, Downstream Packet");
_Static_assert(sizeof(struct mold_wire) == MOLD_REQUEST_LEN, "MoldUDP64 1.00, Request Packet");

#define BLOCK_LENGTH_LEN 2u /* the length field of a block, not counted in its length */

enum mold_verdict mold_parse(const uint8_t *payload, uint32_t payload_len, struct mold_packet *ret_packet)
{
    if (UNLIKELY(payload_len < MOLD_HEADER_LEN))
        return MOLD_SHORT;
    const struct mold_wire *wire = (const struct mold_wire *)payload;
    const uint64_t seq = load_be64(&wire->seq);
    const uint32_t wire_count = load_be16(&wire->count);
    const uint32_t count = wire_count == MOLD_COUNT_END ? 0 : wire_count;
    if (UNLIKELY(seq > UINT64_MAX - count))
        return MOLD_BAD_SEQ;

    uint32_t at = MOLD_HEADER_LEN; /* the next block; a datagram is shorter than 64 KiB: it cannot wrap */
    for (uint32_t left = count; left > 0; left--) {
        if (UNLIKELY(at + BLOCK_LENGTH_LEN > payload_len))
            return MOLD_BAD_BLOCK;
        at += BLOCK_LENGTH_LEN + load_be16(payload + at);
    }
    if (UNLIKELY(at > payload_len))
        return MOLD_BAD_BLOCK;

    ret_packet->seq = seq;
    ret_packet->count = count;
    ret_packet->blocks_len = at - MOLD_HEADER_LEN;
    ret_packet->session = wire->session;
    ret_packet->blocks = payload + MOLD_HEADER_LEN;
    ret_packet->trailing_len = payload_len - at;
    if (LIKELY(count > 0))
        return MOLD_DATA;
    return wire_count == MOLD_COUNT_END ? MOLD_END : MOLD_HEARTBEAT;
}

void mold_encode_header(uint8_t *ret_header, const char session[MOLD_SESSION_LEN], uint64_t seq, uint16_t count)
{
    struct mold_wire *wire = (struct mold_wire *)ret_header;
    memcpy(wire->session, session, MOLD_SESSION_LEN);
    store_be64(&wire->seq, seq);
    store_be16(&wire->count, count);
}

void mold_encode_request(uint8_t ret_request[MOLD_REQUEST_LEN], const uint8_t session[MOLD_SESSION_LEN], uint64_t seq,
                         uint16_t count)
{
    mold_encode_header(ret_request, (const char *)session, seq, count);
}

const char *mold_verdict_name(enum mold_verdict verdict)
{
    static const char *const names[MOLD_VERDICT_COUNT] = {
        [MOLD_DATA] = "data",   [MOLD_HEARTBEAT] = "heartbeat", [MOLD_END] = "end",
        [MOLD_SHORT] = "short", [MOLD_BAD_BLOCK] = "bad_block", [MOLD_BAD_SEQ] = "bad_seq",
    };
    return (unsigned)verdict < MOLD_VERDICT_COUNT ? names[verdict] : "unknown";
}
