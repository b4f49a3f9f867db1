/* Fuzz target of feed/mold: the input is one UDP payload. Block lengths add up to at most the payload. */
#include <stdbool.h>
#include <string.h>

#include "feed/mold.h"
#include "ring/check.h"
#include "tests/fuzz/fuzz.h"

static enum mold_verdict check_payload(const uint8_t *payload, uint32_t len)
{
    struct mold_packet packet;
    memset(&packet, 0x5a, sizeof(packet));
    const struct mold_packet before = packet;
    const enum mold_verdict verdict = mold_parse(payload, len, &packet);
    switch (verdict) {
    case MOLD_SHORT:
        CHECK(len < MOLD_HEADER_LEN);
        break;
    case MOLD_BAD_BLOCK:
    case MOLD_BAD_SEQ:
        CHECK(len >= MOLD_HEADER_LEN);
        break;
    case MOLD_HEARTBEAT:
    case MOLD_END:
        CHECK(packet.count == 0 && packet.blocks_len == 0);
        break;
    case MOLD_DATA:
        CHECK(packet.count >= 1 && packet.count < MOLD_COUNT_END);
        break;
    case MOLD_VERDICT_COUNT:
    default:
        CHECK(false); /* no such verdict */
    }
    if (verdict > MOLD_END) {
        CHECK(packet.seq == before.seq && packet.count == before.count && packet.blocks == before.blocks);
        return verdict;
    }

    CHECK(packet.seq + packet.count >= packet.seq);
    CHECK(packet.session == payload && packet.blocks == payload + MOLD_HEADER_LEN);
    CHECK(MOLD_HEADER_LEN + packet.blocks_len + packet.trailing_len == len);
    const uint8_t *block = packet.blocks;
    for (uint32_t i = 0; i < packet.count; i++) {
        const uint8_t *message;
        uint32_t message_len;
        const uint8_t *next = mold_next(block, &message, &message_len);
        CHECK(message == block + 2 && message + message_len == next);
        CHECK(next <= packet.blocks + packet.blocks_len);
        fuzz_read_all(message, message_len);
        block = next;
    }
    CHECK(block == packet.blocks + packet.blocks_len);
    return verdict;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len > FUZZ_GUARDED_MAX)
        return 0;
    uint8_t *exact = fuzz_copy_exact(data, len);
    const enum mold_verdict verdict = check_payload(exact, (uint32_t)len);
    free(exact);
    CHECK(check_payload(fuzz_copy_guarded(data, len), (uint32_t)len) == verdict);
    return 0;
}
