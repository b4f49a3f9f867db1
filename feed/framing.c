/* Framing. Contract in framing.h. */
#include "feed/framing.h"

static bool session_text(const uint8_t *session)
{
    bool text = true, zero = true;

    for (uint32_t i = 0; i < MOLD_SESSION_LEN; i++) {
        text = text && session[i] >= ' ' && session[i] <= '~';
        zero = zero && session[i] == 0;
    }
    return text || zero;
}

static bool parse_mold(const uint8_t *payload, uint32_t payload_len, struct framing_packet *ret_packet)
{
    struct mold_packet packet;
    const enum mold_verdict verdict = mold_parse(payload, payload_len, &packet);

    if (verdict > MOLD_END || !session_text(packet.session))
        return false;
    *ret_packet = (struct framing_packet){.framing = FRAMING_MOLD,
                                          .seq = packet.seq,
                                          .count = packet.count,
                                          .block_count = packet.count,
                                          .blocks = packet.blocks,
                                          .end = verdict == MOLD_END,
                                          .session = packet.session};
    return true;
}

static bool parse_mdp3(const uint8_t *payload, uint32_t payload_len, struct framing_packet *ret_packet)
{
    struct mdp3_packet packet;

    if (mdp3_parse(payload, payload_len, &packet) != MDP3_DATA)
        return false;
    *ret_packet = (struct framing_packet){.framing = FRAMING_MDP3,
                                          .seq = packet.seq,
                                          .count = 1,
                                          .block_count = packet.message_count,
                                          .blocks = packet.messages,
                                          .sent_ns = packet.sent_ns};
    return true;
}

bool framing_parse(enum framing wanted, const uint8_t *payload, uint32_t payload_len,
                   struct framing_packet *ret_packet)
{
    return (wanted != FRAMING_MDP3 && parse_mold(payload, payload_len, ret_packet)) ||
           (wanted != FRAMING_MOLD && parse_mdp3(payload, payload_len, ret_packet));
}

const char *framing_name(enum framing framing)
{
    static const char *const names[FRAMING_COUNT] = {
        [FRAMING_NONE] = "none", [FRAMING_MOLD] = "mold", [FRAMING_MDP3] = "mdp3"};
    return (unsigned)framing < FRAMING_COUNT ? names[framing] : "unknown";
}
