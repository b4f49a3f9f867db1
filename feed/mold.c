/* MoldUDP64 framing, what is not hot of it. Contract in mold.h.
 *
 * Called by the feed generator for headers; by the control thread for requests and names. */
#include "feed/mold.h"

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
