/* ouch: bytes built by hand from the tables of the specification. Real messages: tests/golden/orders_real.c. */
#include "gateway/order/ouch.h"

#include "ring/md_event.h"

#include <criterion/criterion.h>
#include <errno.h>
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

Test(ouch, modify_and_query_stand_as_the_table_says)
{
    static const uint8_t modify_bytes[OUCH_MODIFY_LEN] = {'M', 1, 2, 3, 4, 'T', 9, 8, 7, 6};
    static const uint8_t query_bytes[OUCH_QUERY_LEN] = {'Q'};
    struct ouch_modify modify;
    uint8_t message[OUCH_MESSAGE_MAX];

    cr_assert_eq(ouch_decode_modify(modify_bytes, OUCH_MODIFY_LEN, &modify), 0);
    cr_assert(modify.user_ref == 0x01020304 && modify.side == 'T' && modify.qty == 0x09080706);
    cr_assert_eq(ouch_encode_modify(&modify, message), OUCH_MODIFY_LEN);
    cr_assert_arr_eq(message, modify_bytes, OUCH_MODIFY_LEN);
    cr_assert_eq(ouch_decode_query(query_bytes, OUCH_QUERY_LEN), 0);
    cr_assert_eq(ouch_encode_query(message), OUCH_QUERY_LEN);
    cr_assert_arr_eq(message, query_bytes, OUCH_QUERY_LEN);
    cr_assert_eq(ouch_decode_query(modify_bytes, OUCH_QUERY_LEN), -EINVAL);
    cr_assert_eq(ouch_decode_query(query_bytes, 0), -EINVAL);
    cr_assert_eq(ouch_decode_modify(cancel_bytes, OUCH_CANCEL_LEN, &modify), -EINVAL);
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
    struct ouch_modify modify = {.qty = 77};

    for (uint32_t len = 0; len <= OUCH_MODIFY_LEN + 1; len++) {
        uint8_t *copy = exact((const uint8_t *)"MabcdBefghi", len);
        cr_assert_eq(ouch_decode_modify(copy, len, len == OUCH_MODIFY_LEN ? &(struct ouch_modify){0} : &modify),
                     len == OUCH_MODIFY_LEN ? 0 : -EINVAL);
        free(copy);
    }
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
    cr_assert(enter.qty == 77 && replace.qty == 77 && cancel.qty == 77 && modify.qty == 77);
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

/* --- answers */

#define TIME "\x10\x11\x12\x13\x14\x15\x16\x17"
#define TIME_NS UINT64_C(0x1011121314151617)
#define REF "\x20\x21\x22\x23"
#define QTY "\x30\x31\x32\x33"
#define PRICE "\x40\x41\x42\x43\x44\x45\x46\x47"
#define ORDER "\x50\x51\x52\x53\x54\x55\x56\x57"
#define MATCH "\x60\x61\x62\x63\x64\x65\x66\x67"
#define ORIG "\x70\x71\x72\x73"
#define PREVENTED "\x01\x02\x03\x04"
#define ID "ABCDEFGHIJKLMN"
#define COMMON(letter) .type = (letter), .timestamp_ns = TIME_NS /* of every message */

/* One message of each type, every byte of it, and what it says. */
static const struct {
    uint32_t len;
    bool appendage;
    const char *bytes;
    struct ouch_answer answer;
} answers[] = {
    {10, false, "S" TIME "E", {COMMON('S'), .event = 'E'}},
    {64, true, "A" TIME REF "B" QTY "MSFT    " PRICE "0Y" ORDER "PNCL" ID "\0\0",
     {COMMON('A'), .user_ref = 0x20212223, .side = 'B', .qty = 0x30313233, .price = 0x4041424344454647, .tif = '0',
      .display = 'Y', .order_ref = 0x5051525354555657, .capacity = 'P', .iso = 'N', .cross = 'C', .state = 'L',
      .symbol = 0x202020205446534d, .cl_ord_id = ID}},
    {68, true, "U" TIME ORIG REF "S" QTY "MSFT    " PRICE "3N" ORDER "AYOD" ID "\0\0",
     {COMMON('U'), .orig_user_ref = 0x70717273, .user_ref = 0x20212223, .side = 'S', .qty = 0x30313233,
      .price = 0x4041424344454647, .tif = '3', .display = 'N', .order_ref = 0x5051525354555657, .capacity = 'A',
      .iso = 'Y', .cross = 'O', .state = 'D', .symbol = 0x202020205446534d, .cl_ord_id = ID}},
    {18, false, "C" TIME REF QTY "U",
     {COMMON('C'), .user_ref = 0x20212223, .qty = 0x30313233, .reason = 'U'}},
    {32, false, "D" TIME REF QTY "Q" PREVENTED PRICE "Rx",
     {COMMON('D'), .user_ref = 0x20212223, .qty = 0x30313233, .reason = 'Q', .prevented_qty = 0x01020304,
      .price = 0x4041424344454647, .liquidity = 'R', .aiq_strategy = 'x'}},
    {36, true, "E" TIME REF QTY PRICE "A" MATCH "\0\0",
     {COMMON('E'), .user_ref = 0x20212223, .qty = 0x30313233, .price = 0x4041424344454647, .liquidity = 'A',
      .match = 0x6061626364656667}},
    {36, false, "B" TIME REF MATCH "S" ID,
     {COMMON('B'), .user_ref = 0x20212223, .match = 0x6061626364656667, .reason = 'S', .cl_ord_id = ID}},
    {29, false, "J" TIME REF "\x01\x17" ID,
     {COMMON('J'), .user_ref = 0x20212223, .reason = 0x0117, .cl_ord_id = ID}},
    {13, false, "P" TIME REF, {COMMON('P'), .user_ref = 0x20212223}},
    {13, false, "I" TIME REF, {COMMON('I'), .user_ref = 0x20212223}},
    {30, false, "T" TIME REF PRICE "A" ORDER,
     {COMMON('T'), .user_ref = 0x20212223, .price = 0x4041424344454647, .display = 'A',
      .order_ref = 0x5051525354555657}},
    {18, false, "M" TIME REF "E" QTY, {COMMON('M'), .user_ref = 0x20212223, .side = 'E', .qty = 0x30313233}},
    {16, true, "R" TIME REF "P\0\0", {COMMON('R'), .user_ref = 0x20212223, .reason = 'P'}},
    {13, false, "Q" TIME REF, {COMMON('Q'), .user_ref = 0x20212223}},
};
#define ANSWERS (sizeof(answers) / sizeof(answers[0]))

/* Field by field: padding is nobody's. */
static void assert_same(const struct ouch_answer *is, const struct ouch_answer *should)
{
    const uint8_t letter = should->type;
    cr_assert(is->type == letter && is->event == should->event && is->side == should->side, "%c", letter);
    cr_assert(is->tif == should->tif && is->display == should->display, "%c", letter);
    cr_assert(is->capacity == should->capacity && is->iso == should->iso, "%c", letter);
    cr_assert(is->cross == should->cross && is->state == should->state, "%c", letter);
    cr_assert(is->liquidity == should->liquidity && is->aiq_strategy == should->aiq_strategy, "%c", letter);
    cr_assert(is->reason == should->reason && is->user_ref == should->user_ref, "%c", letter);
    cr_assert(is->orig_user_ref == should->orig_user_ref && is->qty == should->qty, "%c", letter);
    cr_assert(is->prevented_qty == should->prevented_qty && is->timestamp_ns == should->timestamp_ns, "%c", letter);
    cr_assert(is->symbol == should->symbol && is->price == should->price, "%c", letter);
    cr_assert(is->order_ref == should->order_ref && is->match == should->match, "%c", letter);
    cr_assert(memcmp(is->cl_ord_id, should->cl_ord_id, OUCH_CL_ORD_ID_LEN) == 0, "%c", letter);
    cr_assert(is->appendage_len == should->appendage_len, "%c", letter);
}

Test(ouch, each_answer_stands_as_the_table_says)
{
    for (size_t i = 0; i < ANSWERS; i++) {
        uint8_t message[OUCH_ANSWER_FIXED_MAX];
        struct ouch_answer answer;
        memset(&answer, 0x5a, sizeof(answer));
        uint8_t *copy = exact((const uint8_t *)answers[i].bytes, answers[i].len);
        cr_assert_eq(ouch_decode_answer(copy, answers[i].len, &answer), 0, "%c", answers[i].bytes[0]);
        assert_same(&answer, &answers[i].answer);
        memset(message, 0xa5, sizeof(message));
        cr_assert_eq(ouch_encode_answer(&answers[i].answer, message), answers[i].len, "%c", answers[i].bytes[0]);
        cr_assert_arr_eq(message, answers[i].bytes, answers[i].len, "%c", answers[i].bytes[0]);
        free(copy);
    }
}

Test(ouch, an_answer_of_another_length_is_refused_and_writes_nothing)
{
    for (size_t i = 0; i < ANSWERS; i++) {
        for (uint32_t len = 0; len <= answers[i].len + 1; len++) {
            struct ouch_answer answer = {.qty = 77, .type = 1};
            uint8_t longer[OUCH_ANSWER_FIXED_MAX + 1] = {0};
            memcpy(longer, answers[i].bytes, answers[i].len);
            if (len == answers[i].len || (answers[i].bytes[0] == 'D' && len == 31))
                continue;
            uint8_t *copy = exact(longer, len);
            cr_assert_eq(ouch_decode_answer(copy, len, &answer), -EINVAL, "%c of %u", answers[i].bytes[0], len);
            cr_assert(answer.qty == 77 && answer.type == 1);
            free(copy);
        }
    }
}

Test(ouch, types_that_there_are_not_are_told_apart_from_those_that_are_broken)
{
    uint8_t message[OUCH_ANSWER_FIXED_MAX] = {0};
    struct ouch_answer answer = {.qty = 77};
    uint32_t known_count = 0;

    for (uint32_t type = 0; type <= UINT8_MAX; type++) {
        message[0] = (uint8_t)type;
        const int verdict = ouch_decode_answer(message, 1, &answer);
        cr_assert(verdict == -EINVAL || verdict == -ENOTSUP);
        known_count += verdict == -EINVAL;
        const struct ouch_answer wanted = {.type = (uint8_t)type};
        cr_assert_eq(ouch_encode_answer(&wanted, message) > 0, verdict == -EINVAL, "%u", type);
    }
    cr_assert_eq(known_count, ANSWERS);
    cr_assert_eq(answer.qty, 77u);
}

Test(ouch, aiq_canceled_may_lack_its_last_byte)
{
    static const char bytes[] = "D" TIME REF QTY "Q" PREVENTED PRICE "R";
    struct ouch_answer answer = {.aiq_strategy = 'x'};
    uint8_t *copy = exact((const uint8_t *)bytes, 31);

    cr_assert_eq(ouch_decode_answer(copy, 31, &answer), 0);
    cr_assert(answer.liquidity == 'R' && answer.aiq_strategy == 0 && answer.price == 0x4041424344454647);
    free(copy);
}

/* --- appendage */

static const struct { uint8_t tag, len; } tags[] = {
    {1, 8}, {2, 4}, {3, 4}, {4, 1}, {5, 4}, {6, 1}, {7, 4}, {9, 8}, {10, 1}, {11, 4}, {12, 1},
    {13, 4}, {14, 4}, {15, 4}, {16, 1}, {17, 1}, {18, 1}, {22, 4}, {23, 8}, {24, 2}, {25, 1},
};
#define TAGS (sizeof(tags) / sizeof(tags[0]))

Test(ouch, each_tag_has_its_length_and_others_have_none)
{
    uint32_t known_count = 0;

    for (size_t i = 0; i < TAGS; i++)
        cr_assert_eq(ouch_tag_len(tags[i].tag), tags[i].len, "tag %u", tags[i].tag);
    for (uint32_t tag = 0; tag <= UINT8_MAX; tag++)
        known_count += ouch_tag_len((uint8_t)tag) != 0;
    cr_assert_eq(known_count, TAGS);
}

Test(ouch, every_tag_is_appended_big_endian_and_found_again)
{
    uint8_t message[OUCH_ENTER_LEN + OUCH_APPENDAGE_MAX];
    uint32_t len = OUCH_ENTER_LEN, at = 0;
    struct ouch_enter enter;
    struct ouch_element element;

    memcpy(message, enter_bytes, OUCH_ENTER_LEN);
    for (size_t i = 0; i < TAGS; i++) {
        const uint32_t begin = len;
        cr_assert(ouch_append(message, &len, tags[i].tag, UINT64_C(0x8182838485868788)));
        cr_assert_eq(len, begin + 2 + tags[i].len);
        cr_assert(message[begin] == 1 + tags[i].len && message[begin + 1] == tags[i].tag);
        cr_assert_arr_eq(message + begin + 2, &"\x81\x82\x83\x84\x85\x86\x87\x88"[8 - tags[i].len], tags[i].len);
        cr_assert_eq((uint32_t)message[45] << 8 | message[46], len - OUCH_ENTER_LEN);
        uint8_t *copy = exact(message, len);
        cr_assert_eq(ouch_decode_enter(copy, len, &enter), 0, "tag %u", tags[i].tag);
        free(copy);
    }
    for (size_t i = 0; i < TAGS; i++) {
        const uint64_t wanted = UINT64_C(0x8182838485868788) & UINT64_MAX >> (64 - 8 * tags[i].len);
        cr_assert(ouch_element_next(message, len, &at, &element));
        cr_assert(element.tag == tags[i].tag && element.value_len == tags[i].len);
        cr_assert_eq(ouch_element_value(&element), wanted, "tag %u", tags[i].tag);
    }
    cr_assert_not(ouch_element_next(message, len, &at, &element));
    cr_assert_eq(at, len - OUCH_ENTER_LEN);
}

/* As seen in a real order and its answer: firm and BBO weight. */
Test(ouch, text_is_appended_first_letter_highest)
{
    uint8_t message[OUCH_ANSWER_FIXED_MAX + 9];
    uint32_t len = ouch_encode_answer(&answers[1].answer, message);

    cr_assert(ouch_append(message, &len, OUCH_TAG_FIRM, 'L' << 24 | 'I' << 16 | 'M' << 8 | 'E'));
    cr_assert(ouch_append(message, &len, OUCH_TAG_BBO_WEIGHT, '0'));
    cr_assert_eq(len, 64u + 9);
    cr_assert_arr_eq(message + 62, "\0\x09\x05\x02LIME\x02\x12" "0", 11);
}

Test(ouch, messages_with_an_appendage_take_one_and_others_do_not)
{
    for (size_t i = 0; i < ANSWERS; i++) {
        uint8_t message[OUCH_ANSWER_FIXED_MAX + OUCH_APPENDAGE_MAX];
        struct ouch_answer answer;
        struct ouch_element element;
        uint32_t len = ouch_encode_answer(&answers[i].answer, message), at = 0;
        cr_assert_eq(ouch_append(message, &len, OUCH_TAG_GROUP_ID, 0x1234), answers[i].appendage);
        cr_assert_eq(len, answers[i].len + (answers[i].appendage ? 4 : 0));
        cr_assert_eq(ouch_decode_answer(message, len, &answer), 0);
        cr_assert_eq(answer.appendage_len, answers[i].appendage ? 4 : 0);
        cr_assert_eq(ouch_element_next(message, len, &at, &element), answers[i].appendage, "%c", message[0]);
        if (answers[i].appendage)
            cr_assert(element.tag == OUCH_TAG_GROUP_ID && ouch_element_value(&element) == 0x1234 &&
                      element.value == message + len - 2);
        cr_assert_not(ouch_element_next(message, len, &at, &element));
    }
    uint8_t message[OUCH_REPLACE_LEN + 4];
    uint32_t len = OUCH_CANCEL_LEN;
    memcpy(message, cancel_bytes, len);
    cr_assert_not(ouch_append(message, &len, OUCH_TAG_POST_ONLY, 'P'));
    len = 0;
    cr_assert_not(ouch_append(message, &len, OUCH_TAG_POST_ONLY, 'P'));
    len = OUCH_REPLACE_LEN;
    memcpy(message, replace_bytes, len);
    cr_assert_not(ouch_append(message, &len, 8, 'P'), "no such tag");
    cr_assert(ouch_append(message, &len, OUCH_TAG_POST_ONLY, 'P'));
    cr_assert_eq(len, OUCH_REPLACE_LEN + 3);
    cr_assert_arr_eq(message + OUCH_REPLACE_LEN - 2, "\0\x03\x02\x0cP", 5);
}

Test(ouch, an_appendage_is_filled_to_its_limit_and_no_further)
{
    uint8_t message[OUCH_ENTER_LEN + OUCH_APPENDAGE_MAX + 1];
    uint32_t len = OUCH_ENTER_LEN;
    struct ouch_enter enter;

    memcpy(message, enter_bytes, OUCH_ENTER_LEN);
    message[sizeof(message) - 1] = 0xa5;
    for (uint32_t i = 0; i < OUCH_APPENDAGE_MAX / 10; i++)
        cr_assert(ouch_append(message, &len, OUCH_TAG_DISPLAY_PRICE, i));
    cr_assert_eq(len, OUCH_ENTER_LEN + 250);
    cr_assert_not(ouch_append(message, &len, OUCH_TAG_DISPLAY_PRICE, 1), "ten more");
    cr_assert_eq(len, OUCH_ENTER_LEN + 250);
    cr_assert(ouch_append(message, &len, OUCH_TAG_FIRM, 1), "six more");
    cr_assert_eq(len, OUCH_ENTER_LEN + OUCH_APPENDAGE_MAX);
    cr_assert_not(ouch_append(message, &len, OUCH_TAG_POST_ONLY, 1), "and it is full");
    cr_assert_eq(len, OUCH_ENTER_LEN + OUCH_APPENDAGE_MAX);
    cr_assert_eq(message[sizeof(message) - 1], 0xa5);
    cr_assert_eq(ouch_decode_enter(message, len, &enter), 0);
}

Test(ouch, an_answers_appendage_ends_with_it_or_is_refused)
{
    for (size_t i = 0; i < ANSWERS; i++) {
        const uint32_t fixed_len = answers[i].len;
        uint8_t message[OUCH_ANSWER_FIXED_MAX + 9];
        struct ouch_answer answer;
        if (!answers[i].appendage)
            continue;
        memcpy(message, answers[i].bytes, fixed_len);
        memcpy(message + fixed_len, "\x05\x02LIME\x02\x12" "0", 9);
        message[fixed_len - 1] = 9;
        cr_assert_eq(ouch_decode_answer(message, fixed_len + 9, &answer), 0);
        cr_assert_eq(answer.appendage_len, 9u);
        cr_assert_eq(ouch_decode_answer(message, fixed_len + 8, &answer), -EINVAL, "shorter than it says");
        message[fixed_len - 1] = 8;
        cr_assert_eq(ouch_decode_answer(message, fixed_len + 9, &answer), -EINVAL, "longer than it says");
        cr_assert_eq(ouch_decode_answer(message, fixed_len + 8, &answer), -EINVAL, "the last element is cut");
        message[fixed_len - 1] = 9;
        message[fixed_len + 6] = 3;
        cr_assert_eq(ouch_decode_answer(message, fixed_len + 9, &answer), -EINVAL, "an element runs over the end");
        message[fixed_len + 6] = 0;
        cr_assert_eq(ouch_decode_answer(message, fixed_len + 9, &answer), -EINVAL, "an element of nothing");
        message[fixed_len + 6] = 2;
        message[fixed_len - 2] = 1;
        cr_assert_eq(ouch_decode_answer(message, fixed_len + 9, &answer), -EINVAL, "the high byte counts");
    }
}

Test(ouch, a_walk_over_what_was_not_decoded_stops_where_it_does_not_fit)
{
    static const char broken[][4] = {"\x02\x12" "0", "\x03\x12" "0", "\xff\x12" "0", "\0\x12" "0"};

    for (size_t i = 0; i < 4; i++) {
        uint8_t message[OUCH_ENTER_LEN + 6];
        struct ouch_element element = {.tag = 99};
        uint32_t at = 0;
        memcpy(message, enter_bytes, OUCH_ENTER_LEN);
        memcpy(message + OUCH_ENTER_LEN, "\x02\x0cP", 3);
        memcpy(message + OUCH_ENTER_LEN + 3, broken[i], 3);
        message[OUCH_ENTER_LEN - 1] = 6;
        uint8_t *copy = exact(message, sizeof(message));
        cr_assert(ouch_element_next(copy, sizeof(message), &at, &element));
        cr_assert(element.tag == OUCH_TAG_POST_ONLY && at == 3);
        cr_assert_eq(ouch_element_next(copy, sizeof(message), &at, &element), i == 0);
        cr_assert_eq(at, i == 0 ? 6u : 3u);
        at = UINT32_MAX;
        cr_assert_not(ouch_element_next(copy, sizeof(message), &at, &element));
        cr_assert_not(ouch_element_next(copy, sizeof(message) - 1, &(uint32_t){0}, &element), "another length");
        free(copy);
    }
}

Test(ouch, a_tag_alone_is_an_element_without_a_value)
{
    uint8_t message[OUCH_ENTER_LEN + 2];
    struct ouch_element element;
    uint32_t at = 0;

    memcpy(message, enter_bytes, OUCH_ENTER_LEN);
    memcpy(message + OUCH_ENTER_LEN, "\x01\x63", 2);
    message[OUCH_ENTER_LEN - 1] = 2;
    cr_assert_eq(ouch_decode_enter(message, sizeof(message), &(struct ouch_enter){0}), 0);
    cr_assert(ouch_element_next(message, sizeof(message), &at, &element));
    cr_assert(element.tag == 0x63 && element.value_len == 0 && ouch_element_value(&element) == 0);
}

/* --- words */

Test(ouch, reasons_of_the_specification_have_words_and_others_say_so)
{
    const char *unknown = ouch_cancel_reason_text('?');
    uint32_t known_count = 0;

    for (uint32_t reason = 0; reason <= UINT8_MAX; reason++) {
        const char *text = ouch_cancel_reason_text((uint8_t)reason);
        cr_assert_not_null(text);
        const bool known = reason != 0 && strchr("DEFGHIKQSTUXZe", (int)reason) != NULL;
        cr_assert_eq(strcmp(text, unknown) != 0, known, "%c", (char)reason);
        known_count += known;
    }
    cr_assert_eq(known_count, 14u);
    cr_assert_str_eq(unknown, ouch_reject_reason_text(0));
    for (uint32_t code = 0; code <= UINT16_MAX; code++) {
        const char *text = ouch_reject_reason_text((uint16_t)code);
        cr_assert_not_null(text);
        cr_assert_eq(strcmp(text, unknown) != 0, (code >= 1 && code <= 0x33) || code == 0x40, "0x%04x", code);
    }
    cr_assert_str_eq(ouch_cancel_reason_text('Q'), "self match prevention");
    cr_assert_str_eq(ouch_reject_reason_text(0x17), "invalid symbol");
    cr_assert_str_eq(ouch_reject_reason_text(0x2a), "risk: rate of duplicates");
}
