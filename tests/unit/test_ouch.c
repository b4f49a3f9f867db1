/* ouch: bytes built by hand from the table, and the bytes of real orders. */
#include "gateway/order/ouch.h"

#include "gateway/capture/capture.h"
#include "ring/md_event.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t enter_bytes[OUCH_ENTER_LEN] =
    "O\x01\x02\x03\x04"
    "B\x05\x06\x07\x08"
    "MSFT    \x11\x12\x13\x14\x15\x16\x17\x18"
    "0YPNN"
    "ABCDEFGHIJKLMN\0"; /* the string's own end is the second byte of the appendage length */
static const uint8_t replace_bytes[OUCH_REPLACE_LEN] = "U\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c"
                                                       "\x11\x12\x13\x14\x15\x16\x17\x18"
                                                       "3AN"
                                                       "abcdefghijklmn\0";
static const uint8_t cancel_bytes[OUCH_CANCEL_LEN] = {'X', 1, 2, 3, 4, 9, 8, 7, 6};

Test(ouch, enter_stands_as_the_table_says)
{
    struct ouch_enter enter;
    uint8_t message[OUCH_ENTER_LEN];

    cr_assert_eq(ouch_decode_enter(enter_bytes, OUCH_ENTER_LEN, &enter), 0);
    cr_assert(enter.user_ref == 0x01020304 && enter.side == 'B' && enter.qty == 0x05060708);
    cr_assert(enter.symbol == md_symbol("MSFT") && enter.price == 0x1112131415161718);
    cr_assert(enter.tif == '0' && enter.display == 'Y' && enter.capacity == 'P' && enter.iso == 'N' &&
              enter.cross == 'N');
    cr_assert_arr_eq(enter.cl_ord_id, "ABCDEFGHIJKLMN", 14);
    cr_assert_eq(ouch_encode_enter(&enter, message), OUCH_ENTER_LEN);
    cr_assert_arr_eq(message, enter_bytes, OUCH_ENTER_LEN);
}

Test(ouch, replace_and_cancel_stand_as_the_table_says)
{
    struct ouch_replace replace;
    struct ouch_cancel cancel;
    uint8_t message[OUCH_MESSAGE_MAX];

    cr_assert_eq(ouch_decode_replace(replace_bytes, OUCH_REPLACE_LEN, &replace), 0);
    cr_assert(replace.orig_user_ref == 0x01020304 && replace.user_ref == 0x05060708 && replace.qty == 0x090a0b0c);
    cr_assert(replace.price == 0x1112131415161718 && replace.tif == '3' && replace.display == 'A' &&
              replace.iso == 'N');
    cr_assert_arr_eq(replace.cl_ord_id, "abcdefghijklmn", 14);
    cr_assert_eq(ouch_encode_replace(&replace, message), OUCH_REPLACE_LEN);
    cr_assert_arr_eq(message, replace_bytes, OUCH_REPLACE_LEN);
    cr_assert_eq(ouch_decode_cancel(cancel_bytes, OUCH_CANCEL_LEN, &cancel), 0);
    cr_assert(cancel.user_ref == 0x01020304 && cancel.qty == 0x09080706);
    cr_assert_eq(ouch_encode_cancel(&cancel, message), OUCH_CANCEL_LEN);
    cr_assert_arr_eq(message, cancel_bytes, OUCH_CANCEL_LEN);
}

/* A copy of exactly this length, so that a sanitizer sees a read past its end. */
static uint8_t *exact(const uint8_t *bytes, uint32_t len)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    memcpy(copy, bytes, len);
    return copy;
}

Test(ouch, short_at_every_byte_is_refused_and_writes_nothing)
{
    struct ouch_enter enter = {.qty = 77};
    struct ouch_replace replace = {.qty = 77};
    struct ouch_cancel cancel = {.qty = 77};

    for (uint32_t len = 0; len < OUCH_ENTER_LEN; len++) {
        uint8_t *copy = exact(enter_bytes, len);
        cr_assert_lt(ouch_decode_enter(copy, len, &enter), 0);
        free(copy);
    }
    for (uint32_t len = 0; len < OUCH_REPLACE_LEN; len++) {
        uint8_t *copy = exact(replace_bytes, len);
        cr_assert_lt(ouch_decode_replace(copy, len, &replace), 0);
        free(copy);
    }
    for (uint32_t len = 0; len < OUCH_CANCEL_LEN; len++) {
        uint8_t *copy = exact(cancel_bytes, len);
        cr_assert_lt(ouch_decode_cancel(copy, len, &cancel), 0);
        free(copy);
    }
    cr_assert(enter.qty == 77 && replace.qty == 77 && cancel.qty == 77);
    cr_assert_lt(ouch_decode_enter(replace_bytes, OUCH_REPLACE_LEN, &enter), 0, "another type");
    cr_assert_lt(ouch_decode_cancel(enter_bytes, OUCH_CANCEL_LEN, &cancel), 0);
}

Test(ouch, an_appendage_ends_with_the_message_or_is_refused)
{
    uint8_t message[OUCH_ENTER_LEN + 9];
    struct ouch_enter enter;

    memcpy(message, enter_bytes, OUCH_ENTER_LEN);
    memcpy(message + OUCH_ENTER_LEN, "\x05\x02LIME\x02\x12" "0", 9); /* firm, BBO weight: as seen in a real order */
    message[OUCH_ENTER_LEN - 1] = 9;
    cr_assert_eq(ouch_decode_enter(message, sizeof(message), &enter), 0);
    cr_assert_lt(ouch_decode_enter(message, sizeof(message) - 1, &enter), 0);
    message[OUCH_ENTER_LEN - 1] = 8;
    cr_assert_lt(ouch_decode_enter(message, sizeof(message), &enter), 0, "longer than it says");
    cr_assert_lt(ouch_decode_enter(message, sizeof(message) - 1, &enter), 0, "the last element is cut");
    message[OUCH_ENTER_LEN - 1] = 9;
    message[OUCH_ENTER_LEN] = 9;
    cr_assert_lt(ouch_decode_enter(message, sizeof(message), &enter), 0, "an element that runs past the end");
    message[OUCH_ENTER_LEN] = 0;
    cr_assert_lt(ouch_decode_enter(message, sizeof(message), &enter), 0, "an element of nothing");
    message[OUCH_ENTER_LEN - 1] = 1;
    cr_assert_lt(ouch_decode_enter(message, OUCH_ENTER_LEN + 1, &enter), 0, "and one alone");
    memcpy(message + OUCH_ENTER_LEN, "\x02\x12" "0\0", 4);
    message[OUCH_ENTER_LEN - 1] = 4;
    cr_assert_lt(ouch_decode_enter(message, OUCH_ENTER_LEN + 4, &enter), 0, "and one behind a good one");
    message[OUCH_ENTER_LEN - 1] = 3;
    cr_assert_eq(ouch_decode_enter(message, OUCH_ENTER_LEN + 3, &enter), 0);
}

Test(ouch, a_replace_may_have_an_appendage_and_a_cancel_none)
{
    uint8_t message[OUCH_REPLACE_LEN + 0x0103];
    struct ouch_replace replace;
    struct ouch_cancel cancel;

    memset(message, 0, sizeof(message));
    memcpy(message, replace_bytes, OUCH_REPLACE_LEN);
    message[OUCH_REPLACE_LEN - 2] = 0x01; /* longer than a byte can say: one element of 255, one of 2 */
    message[OUCH_REPLACE_LEN - 1] = 0x03;
    message[OUCH_REPLACE_LEN] = 0xff;
    message[OUCH_REPLACE_LEN + 0x100] = 2;
    cr_assert_eq(ouch_decode_replace(message, sizeof(message), &replace), 0);
    cr_assert_eq(replace.price, 0x1112131415161718u);
    cr_assert_arr_eq(replace.cl_ord_id, "abcdefghijklmn", 14);
    message[OUCH_REPLACE_LEN - 2] = 0;
    cr_assert_lt(ouch_decode_replace(message, sizeof(message), &replace), 0, "the high byte counts");
    message[OUCH_REPLACE_LEN - 2] = 0xff;
    message[OUCH_REPLACE_LEN - 1] = 0xff;
    cr_assert_lt(ouch_decode_replace(message, sizeof(message), &replace), 0);
    cr_assert_lt(ouch_decode_replace(message, OUCH_REPLACE_LEN, &replace), 0);
    memcpy(message, cancel_bytes, OUCH_CANCEL_LEN);
    cr_assert_lt(ouch_decode_cancel(message, OUCH_CANCEL_LEN + 1, &cancel), 0);
}

Test(ouch, whatever_is_encoded_is_decoded_and_random_bytes_are_survived)
{
    uint64_t state = 5;

    for (int i = 0; i < 100000; i++) {
        uint8_t bytes[96];
        struct ouch_enter enter;
        struct ouch_replace replace;
        for (size_t at = 0; at < sizeof(bytes); at++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            bytes[at] = (uint8_t)(state >> 56);
        }
        bytes[0] = 'O';
        bytes[OUCH_ENTER_LEN - 2] = bytes[OUCH_ENTER_LEN - 1] = 0;
        uint8_t encoded[OUCH_MESSAGE_MAX];
        cr_assert_eq(ouch_decode_enter(bytes, OUCH_ENTER_LEN, &enter), 0);
        cr_assert_eq(ouch_encode_enter(&enter, encoded), OUCH_ENTER_LEN);
        cr_assert_arr_eq(encoded, bytes, OUCH_ENTER_LEN);
        bytes[0] = 'U';
        bytes[OUCH_REPLACE_LEN - 2] = bytes[OUCH_REPLACE_LEN - 1] = 0;
        cr_assert_eq(ouch_decode_replace(bytes, OUCH_REPLACE_LEN, &replace), 0);
        cr_assert_eq(ouch_encode_replace(&replace, encoded), OUCH_REPLACE_LEN);
        cr_assert_arr_eq(encoded, bytes, OUCH_REPLACE_LEN);
        const uint32_t len = OUCH_ENTER_LEN + bytes[95] % 40u; /* an appendage of the right length, of any content */
        uint8_t *copy = exact(bytes, len);
        copy[0] = 'O';
        copy[OUCH_ENTER_LEN - 2] = 0;
        copy[OUCH_ENTER_LEN - 1] = (uint8_t)(len - OUCH_ENTER_LEN);
        ouch_decode_enter(copy, len, &enter);
        free(copy);
    }
}

/* The client's messages of a capture of one TCP segment: SoupBinTCP packets of type U. */
static uint32_t real_messages(const char *name, void (*check)(const uint8_t *message, uint32_t message_len))
{
    char path[1024], error[CAPTURE_ERROR_MAX];
    struct capture_frame frame;
    uint32_t count = 0;

    snprintf(path, sizeof(path), "%s/data/omi_single_packets/Nasdaq/Nasdaq.Nsm.Ouch.v5.0/%s", getenv("SHARED"), name);
    struct capture *capture = capture_open(path, NULL, error);
    cr_assert_not_null(capture, "%s", error);
    while (capture_next(capture, &frame) == CAPTURE_FRAME) {
        const uint8_t *ip = frame.data + (frame.data[12] == 0x81 ? 18 : 14);
        const uint8_t *tcp = ip + (ip[0] & 15) * 4;
        const uint8_t *soup = tcp + (tcp[12] >> 4) * 4;
        const uint8_t *end = ip + (ip[2] << 8 | ip[3]);
        while (soup + 3 <= end) {
            const uint32_t len = (uint32_t)soup[0] << 8 | soup[1];
            if (soup[2] == 'U') {
                check(soup + 3, len - 1);
                count++;
            }
            soup += 2 + len;
        }
    }
    capture_close(capture);
    return count;
}

static void check_enter(const uint8_t *message, uint32_t message_len)
{
    struct ouch_enter enter;
    uint8_t encoded[OUCH_ENTER_LEN];

    cr_assert_eq(ouch_decode_enter(message, message_len, &enter), 0);
    ouch_encode_enter(&enter, encoded);
    cr_assert_arr_eq(encoded, message, OUCH_ENTER_LEN - 2, "all but the length of the appendage");
    cr_assert(enter.side == 'B' || enter.side == 'S' || enter.side == 'T' || enter.side == 'E');
}

static void check_cancel(const uint8_t *message, uint32_t message_len)
{
    struct ouch_cancel cancel;
    uint8_t encoded[OUCH_CANCEL_LEN];

    cr_assert_eq(ouch_decode_cancel(message, message_len, &cancel), 0);
    ouch_encode_cancel(&cancel, encoded);
    cr_assert_arr_eq(encoded, message, OUCH_CANCEL_LEN);
}

Test(ouch, real_orders_decode_and_encode_byte_for_byte)
{
    char path[1024];
    const char *shared = getenv("SHARED");
    snprintf(path, sizeof(path), "%s/data/omi_single_packets/Nasdaq/Nasdaq.Nsm.Ouch.v5.0", shared ? shared : "");
    DIR *directory = opendir(path);
    uint32_t enters = 0, cancels = 0;

    if (!directory)
        cr_skip_test("the real captures are not here");
    for (const struct dirent *entry; (entry = readdir(directory));) {
        if (strncmp(entry->d_name, "EnterOrder", 10) == 0)
            enters += real_messages(entry->d_name, check_enter);
        else if (strncmp(entry->d_name, "CancelOrder", 11) == 0)
            cancels += real_messages(entry->d_name, check_cancel);
    }
    closedir(directory);
    cr_assert_gt(enters, 0u);
    cr_assert_gt(cancels, 0u);
}
