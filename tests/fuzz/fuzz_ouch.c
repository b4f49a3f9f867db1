/* Fuzz target of gateway/order/ouch: the input is one OUCH 5.0 message from either side. What is decoded is encoded to
 * the same bytes, the appendage's elements lie inside it one behind the other, and a message that is a byte shorter is
 * another or none. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "gateway/order/ouch.h"
#include "ring/check.h"
#include "tests/fuzz/fuzz.h"

/* `encoded` has the fixed part with an empty appendage; it gets the elements of `message`, one by one. */
static void check_appendage(const uint8_t *message, uint32_t len, uint8_t *encoded, uint32_t fixed_len)
{
    struct ouch_element element;
    uint32_t at = 0, encoded_len = fixed_len;
    bool same = true;
    while (ouch_element_next(message, len, &at, &element)) {
        CHECK(element.value + element.value_len == message + fixed_len + at && fixed_len + at <= len);
        fuzz_read_all(element.value, element.value_len);
        same = same && element.value_len > 0 && element.value_len == ouch_tag_len(element.tag) &&
               ouch_append(encoded, &encoded_len, element.tag, ouch_element_value(&element));
        CHECK(encoded_len <= fixed_len + OUCH_APPENDAGE_MAX);
    }
    CHECK(fixed_len + at == len);
    CHECK(!same || (encoded_len == len && memcmp(encoded, message, len) == 0));
}

static void check_enter(const uint8_t *message, uint32_t len)
{
    uint8_t encoded[OUCH_ENTER_LEN + OUCH_APPENDAGE_MAX];
    struct ouch_enter enter;
    if (ouch_decode_enter(message, len, &enter) != 0)
        return;
    CHECK(ouch_encode_enter(&enter, encoded) == OUCH_ENTER_LEN);
    CHECK(memcmp(encoded, message, OUCH_ENTER_LEN - 2) == 0);
    CHECK(ouch_decode_enter(message, len - 1, &enter) == -EINVAL);
    check_appendage(message, len, encoded, OUCH_ENTER_LEN);
}

static void check_replace(const uint8_t *message, uint32_t len)
{
    uint8_t encoded[OUCH_REPLACE_LEN + OUCH_APPENDAGE_MAX];
    struct ouch_replace replace;
    if (ouch_decode_replace(message, len, &replace) != 0)
        return;
    CHECK(ouch_encode_replace(&replace, encoded) == OUCH_REPLACE_LEN);
    CHECK(memcmp(encoded, message, OUCH_REPLACE_LEN - 2) == 0);
    CHECK(ouch_decode_replace(message, len - 1, &replace) == -EINVAL);
    check_appendage(message, len, encoded, OUCH_REPLACE_LEN);
}

static void check_short_requests(const uint8_t *message, uint32_t len)
{
    uint8_t encoded[OUCH_MESSAGE_MAX];
    struct ouch_cancel cancel;
    struct ouch_modify modify;
    if (ouch_decode_cancel(message, len, &cancel) == 0)
        CHECK(ouch_encode_cancel(&cancel, encoded) == len && memcmp(encoded, message, len) == 0);
    if (ouch_decode_modify(message, len, &modify) == 0)
        CHECK(ouch_encode_modify(&modify, encoded) == len && memcmp(encoded, message, len) == 0);
    if (ouch_decode_query(message, len) == 0)
        CHECK(ouch_encode_query(encoded) == len && memcmp(encoded, message, len) == 0);
}

static void check_answer(const uint8_t *message, uint32_t len)
{
    uint8_t encoded[OUCH_ANSWER_FIXED_MAX + OUCH_APPENDAGE_MAX];
    struct ouch_answer answer, before;
    memset(&answer, 0x5a, sizeof(answer));
    memcpy(&before, &answer, sizeof(answer));
    if (ouch_decode_answer(message, len, &answer) != 0) {
        CHECK(memcmp(&answer, &before, sizeof(answer)) == 0);
        return;
    }
    CHECK(ouch_cancel_reason_text((uint8_t)answer.reason) != NULL && ouch_reject_reason_text(answer.reason) != NULL);
    const uint32_t fixed_len = ouch_encode_answer(&answer, encoded);
    CHECK(fixed_len > 0 && fixed_len <= OUCH_ANSWER_FIXED_MAX);
    if (answer.type == OUCH_AIQ_CANCELED && len == fixed_len - 1) {
        CHECK(memcmp(encoded, message, len) == 0 && encoded[len] == 0);
        return;
    }
    CHECK(fixed_len + answer.appendage_len == len);
    CHECK(ouch_decode_answer(message, len - 1, &before) != 0 || answer.type == OUCH_AIQ_CANCELED);
    if (len == fixed_len) {
        CHECK(memcmp(encoded, message, len) == 0);
        return;
    }
    CHECK(memcmp(encoded, message, fixed_len - 2) == 0);
    /* Where a Replace Order has its appendage's length an Order Replaced has tif and display: letters, far more. */
    if (answer.type != OUCH_REPLACED || (answer.tif >= ' ' && len < ' ' << 8))
        check_appendage(message, len, encoded, fixed_len);
}

static void check_message(const uint8_t *message, uint32_t len)
{
    struct ouch_element element;
    check_enter(message, len);
    check_replace(message, len);
    check_short_requests(message, len);
    check_answer(message, len);
    for (uint32_t at = 0; ouch_element_next(message, len, &at, &element);) { /* decoded or not */
        CHECK(element.value >= message && element.value + element.value_len <= message + len);
        fuzz_read_all(element.value, element.value_len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len > FUZZ_GUARDED_MAX)
        return 0;
    uint8_t *exact = fuzz_copy_exact(data, len);
    check_message(exact, (uint32_t)len);
    free(exact);
    check_message(fuzz_copy_guarded(data, len), (uint32_t)len);
    return 0;
}
