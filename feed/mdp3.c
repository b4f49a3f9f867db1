/* MDP 3.0 framing. Contract in mdp3.h. */
#include "feed/mdp3.h"

#include "ring/check.h"

#include <string.h>

#define SCHEMA_AT 6u /* size, block length, template id, then the schema's number */

static uint16_t load_le16(const uint8_t *from)
{
    return (uint16_t)(from[0] | from[1] << 8);
}

static uint32_t load_le32(const uint8_t *from)
{
    return (uint32_t)load_le16(from) | (uint32_t)load_le16(from + 2) << 16;
}

enum mdp3_verdict mdp3_parse(const uint8_t *payload, uint32_t payload_len, struct mdp3_packet *ret_packet)
{
    if (payload_len < MDP3_HEADER_LEN)
        return MDP3_SHORT;
    if (payload_len == MDP3_HEADER_LEN)
        return MDP3_EMPTY;
    const uint8_t *at = payload + MDP3_HEADER_LEN;
    uint32_t left = payload_len - MDP3_HEADER_LEN;
    uint32_t message_count = 0;

    for (; left > 0; message_count++) {
        if (left < MDP3_MESSAGE_HEADER_LEN)
            return MDP3_BAD_SIZE;
        const uint32_t size = load_le16(at);
        if (size < MDP3_MESSAGE_HEADER_LEN || size > left)
            return MDP3_BAD_SIZE;
        if (load_le16(at + SCHEMA_AT) != MDP3_SCHEMA)
            return MDP3_BAD_SCHEMA;
        at += size;
        left -= size;
    }
    *ret_packet = (struct mdp3_packet){
        .seq = load_le32(payload),
        .sent_ns = (uint64_t)load_le32(payload + 4) | (uint64_t)load_le32(payload + 8) << 32,
        .message_count = message_count,
        .messages = payload + MDP3_HEADER_LEN,
        .messages_len = payload_len - MDP3_HEADER_LEN,
    };
    return MDP3_DATA;
}

const uint8_t *mdp3_next(const uint8_t *at, struct mdp3_message *ret_message)
{
    const uint32_t size = load_le16(at);

    *ret_message = (struct mdp3_message){.template_id = load_le16(at + 4),
                                         .body = at + MDP3_MESSAGE_HEADER_LEN,
                                         .body_len = size - MDP3_MESSAGE_HEADER_LEN};
    return at + size;
}

const char *mdp3_verdict_name(enum mdp3_verdict verdict)
{
    static const char *const names[MDP3_VERDICT_COUNT] = {
        [MDP3_DATA] = "data",
        [MDP3_SHORT] = "short",
        [MDP3_EMPTY] = "empty",
        [MDP3_BAD_SIZE] = "bad_size",
        [MDP3_BAD_SCHEMA] = "bad_schema",
    };
    return (unsigned)verdict < MDP3_VERDICT_COUNT ? names[verdict] : "unknown";
}
