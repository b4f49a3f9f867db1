/* Fuzz target of feed/mdp3 and of the choice in feed/framing: the input is one UDP payload. Messages add up to exactly
 * the payload, and what a datagram is does not depend on whether it was asked for by name. */
#include <stdbool.h>
#include <string.h>

#include "feed/framing.h"
#include "ring/check.h"
#include "tests/fuzz/fuzz.h"

static enum mdp3_verdict check_payload(const uint8_t *payload, uint32_t len)
{
    struct mdp3_packet packet;
    memset(&packet, 0x5a, sizeof(packet));
    const struct mdp3_packet before = packet;
    const enum mdp3_verdict verdict = mdp3_parse(payload, len, &packet);
    CHECK(verdict < MDP3_VERDICT_COUNT);
    CHECK((verdict == MDP3_SHORT) == (len < MDP3_HEADER_LEN));
    CHECK((verdict == MDP3_EMPTY) == (len == MDP3_HEADER_LEN));
    if (verdict != MDP3_DATA) {
        CHECK(packet.seq == before.seq && packet.message_count == before.message_count);
        CHECK(packet.messages == before.messages && packet.messages_len == before.messages_len);
        return verdict;
    }

    CHECK(packet.message_count >= 1);
    CHECK(packet.messages == payload + MDP3_HEADER_LEN && MDP3_HEADER_LEN + packet.messages_len == len);
    const uint8_t *at = packet.messages;
    for (uint32_t i = 0; i < packet.message_count; i++) {
        struct mdp3_message message;
        const uint8_t *next = mdp3_next(at, &message);
        CHECK(message.body == at + MDP3_MESSAGE_HEADER_LEN && message.body + message.body_len == next);
        CHECK(next <= payload + len);
        fuzz_read_all(message.body, message.body_len);
        at = next;
    }
    CHECK(at == payload + len);
    return verdict;
}

static enum framing check_framing(const uint8_t *payload, uint32_t len, enum mdp3_verdict verdict)
{
    struct framing_packet any, mold, mdp3;
    const bool is_mold = framing_parse(FRAMING_MOLD, payload, len, &mold);
    const bool is_mdp3 = framing_parse(FRAMING_MDP3, payload, len, &mdp3);
    CHECK(is_mdp3 == (verdict == MDP3_DATA));
    CHECK(framing_parse(FRAMING_NONE, payload, len, &any) == (is_mold || is_mdp3));
    if (!is_mold && !is_mdp3)
        return FRAMING_NONE;

    const struct framing_packet *named = is_mold ? &mold : &mdp3;
    CHECK(named->framing == (is_mold ? FRAMING_MOLD : FRAMING_MDP3) && any.framing == named->framing);
    CHECK(any.seq == named->seq && any.count == named->count && any.seq + any.count >= any.seq);
    CHECK(any.block_count == named->block_count && any.blocks == named->blocks);
    CHECK(any.blocks >= payload && any.blocks <= payload + len);
    return any.framing;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len > FUZZ_GUARDED_MAX)
        return 0;
    uint8_t *exact = fuzz_copy_exact(data, len);
    const enum mdp3_verdict verdict = check_payload(exact, (uint32_t)len);
    const enum framing framing = check_framing(exact, (uint32_t)len, verdict);
    free(exact);
    const uint8_t *guarded = fuzz_copy_guarded(data, len);
    CHECK(check_payload(guarded, (uint32_t)len) == verdict);
    CHECK(check_framing(guarded, (uint32_t)len, verdict) == framing);
    return 0;
}
