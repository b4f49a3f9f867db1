/* Fuzz target of feed/itch: the input is one message. What decodes encodes back to the same bytes. */
#include <stdbool.h>
#include <string.h>

#include "feed/itch.h"
#include "ring/check.h"
#include "tests/fuzz/fuzz.h"

#define TRADING_ACTION_RESERVED_AT 20 /* not kept: encoded as a space */

static enum itch_verdict check_message(const uint8_t *message, uint32_t len)
{
    struct itch_msg msg, before;
    memset(&msg, 0x5a, sizeof(msg));
    memcpy(&before, &msg, sizeof(msg));
    const enum itch_verdict verdict = itch_decode(message, len, &msg);
    const uint32_t type_len = len > 0 ? itch_length(message[0]) : 0;
    switch (verdict) {
    case ITCH_SHORT:
        CHECK(len == 0 || len < type_len);
        break;
    case ITCH_UNKNOWN:
        CHECK(len > 0 && type_len == 0);
        break;
    case ITCH_OK:
        CHECK(type_len > 0 && len >= type_len);
        break;
    case ITCH_VERDICT_COUNT:
    default:
        CHECK(false); /* no such verdict */
    }
    if (verdict != ITCH_OK) {
        CHECK(memcmp(&msg, &before, sizeof(msg)) == 0);
        return verdict;
    }

    uint8_t encoded[ITCH_LENGTH_MAX + 1];
    memset(encoded, 0x5a, sizeof(encoded));
    CHECK(itch_encode(&msg, encoded) == type_len);
    CHECK(encoded[type_len] == 0x5a);
    if (msg.type == ITCH_TRADING_ACTION)
        encoded[TRADING_ACTION_RESERVED_AT] = message[TRADING_ACTION_RESERVED_AT];
    CHECK(memcmp(encoded, message, type_len) == 0);
    return verdict;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len > FUZZ_GUARDED_MAX)
        return 0;
    uint8_t *exact = fuzz_copy_exact(data, len);
    const enum itch_verdict verdict = check_message(exact, (uint32_t)len);
    free(exact);
    CHECK(check_message(fuzz_copy_guarded(data, len), (uint32_t)len) == verdict);
    return 0;
}
