/* MoldUDP64 framing: boundaries of every field, from buffers of exactly the payload's size. */
#include "feed/mold.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define PAYLOAD_MAX 70000u

/* A payload under construction. */
struct packet {
    uint8_t bytes[PAYLOAD_MAX];
    uint32_t len;
};

static void begin(struct packet *packet, uint64_t seq, uint32_t count)
{
    static const char session[10] = {'0', '0', '0', '0', '1', '0', '0', '5', '9', 'B'};
    memcpy(packet->bytes, session, 10);
    for (uint32_t i = 0; i < 8; i++)
        packet->bytes[10 + i] = (uint8_t)(seq >> (56 - 8 * i));
    packet->bytes[18] = (uint8_t)(count >> 8);
    packet->bytes[19] = (uint8_t)count;
    packet->len = 20;
}

static void block(struct packet *packet, uint32_t len, uint8_t fill)
{
    cr_assert_leq(packet->len + 2 + len, PAYLOAD_MAX);
    packet->bytes[packet->len++] = (uint8_t)(len >> 8);
    packet->bytes[packet->len++] = (uint8_t)len;
    memset(packet->bytes + packet->len, fill, len);
    packet->len += len;
}

/* Parse from an allocation of exactly `len` bytes; pointers of the view are moved back into `packet`. */
static enum mold_verdict parse(const struct packet *packet, uint32_t len, struct mold_packet *view)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    cr_assert_not_null(copy);
    memcpy(copy, packet->bytes, len);
    const enum mold_verdict verdict = mold_parse(copy, len, view);
    if (verdict <= MOLD_END) {
        view->session = packet->bytes + (view->session - copy);
        view->blocks = packet->bytes + (view->blocks - copy);
    }
    free(copy);
    return verdict;
}

Test(mold, packet_of_three_messages_is_viewed_and_walked)
{
    static struct packet packet;
    struct mold_packet view;
    begin(&packet, 14757701, 3);
    block(&packet, 36, 'A');
    block(&packet, 0, 0);
    block(&packet, 300, 'D');
    cr_assert_eq(parse(&packet, packet.len, &view), MOLD_DATA);
    cr_assert_eq(view.seq, 14757701);
    cr_assert_eq(view.count, 3);
    cr_assert_eq(view.blocks_len, 2 + 36 + 2 + 2 + 300);
    cr_assert_eq(view.trailing_len, 0);
    cr_assert_eq(view.session, packet.bytes);
    cr_assert_eq(view.blocks, packet.bytes + 20);

    const uint8_t *message;
    uint32_t message_len;
    const uint8_t *at = mold_next(view.blocks, &message, &message_len);
    cr_assert_eq(message, packet.bytes + 22);
    cr_assert_eq(message_len, 36);
    at = mold_next(at, &message, &message_len);
    cr_assert_eq(message_len, 0);
    at = mold_next(at, &message, &message_len);
    cr_assert_eq(message_len, 300);
    cr_assert_eq(message[299], 'D');
    cr_assert_eq(at, packet.bytes + packet.len);
}

Test(mold, cut_at_every_byte_is_refused_whole)
{
    static struct packet packet;
    begin(&packet, 1, 4);
    block(&packet, 19, 'D');
    block(&packet, 0, 0);
    block(&packet, 1, 'X');
    block(&packet, 36, 'A');
    for (uint32_t len = 0; len <= packet.len; len++) {
        struct mold_packet view, before;
        memset(&view, 0x5a, sizeof(view));
        memcpy(&before, &view, sizeof(view));
        const enum mold_verdict expected = len < 20 ? MOLD_SHORT : len < packet.len ? MOLD_BAD_BLOCK : MOLD_DATA;
        cr_assert_eq(parse(&packet, len, &view), expected, "%u bytes", len);
        if (expected != MOLD_DATA)
            cr_assert_arr_eq((const uint8_t *)&view, (const uint8_t *)&before, sizeof(view));
    }
}

Test(mold, count_zero_is_a_heartbeat)
{
    static struct packet packet;
    struct mold_packet view;
    begin(&packet, 77, 0);
    cr_assert_eq(parse(&packet, packet.len, &view), MOLD_HEARTBEAT);
    cr_assert_eq(view.seq, 77);
    cr_assert_eq(view.count, 0);
    cr_assert_eq(view.blocks_len, 0);
    cr_assert_eq(view.trailing_len, 0);
}

Test(mold, count_0xffff_is_the_end_and_holds_no_messages)
{
    static struct packet packet;
    struct mold_packet view;
    begin(&packet, 99, 0xffff);
    cr_assert_eq(parse(&packet, packet.len, &view), MOLD_END);
    cr_assert_eq(view.seq, 99);
    cr_assert_eq(view.count, 0);
    cr_assert_eq(view.blocks_len, 0);
    block(&packet, 19, 'D'); /* what follows is not looked at */
    cr_assert_eq(parse(&packet, packet.len, &view), MOLD_END);
    cr_assert_eq(view.count, 0);
    cr_assert_eq(view.trailing_len, 21);
}

Test(mold, count_0xfffe_is_65534_messages)
{
    static struct packet packet;
    struct mold_packet view;
    begin(&packet, 1, 0xfffe);
    cr_assert_eq(parse(&packet, packet.len, &view), MOLD_BAD_BLOCK);
    for (uint32_t i = 0; i < 25000; i++)
        block(&packet, 0, 0);
    packet.bytes[18] = (uint8_t)(25000 >> 8);
    packet.bytes[19] = (uint8_t)25000;
    cr_assert_eq(parse(&packet, packet.len, &view), MOLD_DATA);
    cr_assert_eq(view.count, 25000);
    cr_assert_eq(view.blocks_len, 50000);
}

Test(mold, block_one_byte_past_the_end_is_refused)
{
    static struct packet packet;
    struct mold_packet view;
    begin(&packet, 1, 2);
    block(&packet, 19, 'D');
    block(&packet, 19, 'D');
    packet.bytes[20 + 21 + 1] = 20;
    cr_assert_eq(parse(&packet, packet.len, &view), MOLD_BAD_BLOCK);
    packet.bytes[20 + 21 + 1] = 19;
    cr_assert_eq(parse(&packet, packet.len, &view), MOLD_DATA);
    packet.bytes[20] = 0xff; /* 65,299 bytes */
    cr_assert_eq(parse(&packet, packet.len, &view), MOLD_BAD_BLOCK);
}

Test(mold, count_beyond_the_blocks_is_refused)
{
    static struct packet packet;
    struct mold_packet view;
    begin(&packet, 1, 2);
    block(&packet, 19, 'D');
    cr_assert_eq(parse(&packet, packet.len, &view), MOLD_BAD_BLOCK);
    packet.bytes[packet.len++] = 0; /* half a length field */
    cr_assert_eq(parse(&packet, packet.len, &view), MOLD_BAD_BLOCK);
    packet.bytes[packet.len++] = 0; /* a whole one: an empty message */
    cr_assert_eq(parse(&packet, packet.len, &view), MOLD_DATA);
}

Test(mold, empty_blocks_are_messages)
{
    static struct packet packet;
    struct mold_packet view;
    begin(&packet, 5, 3);
    for (uint32_t i = 0; i < 3; i++)
        block(&packet, 0, 0);
    cr_assert_eq(parse(&packet, packet.len, &view), MOLD_DATA);
    cr_assert_eq(view.count, 3);
    cr_assert_eq(view.blocks_len, 6);
}

Test(mold, trailing_bytes_are_counted_and_not_walked)
{
    static struct packet packet;
    struct mold_packet view;
    begin(&packet, 5, 1);
    block(&packet, 19, 'D');
    const uint32_t whole_len = packet.len;
    for (uint32_t trailing = 1; trailing <= 6; trailing++) {
        packet.bytes[packet.len++] = 0xff;
        cr_assert_eq(parse(&packet, packet.len, &view), MOLD_DATA);
        cr_assert_eq(view.trailing_len, trailing);
        cr_assert_eq(view.blocks_len, whole_len - 20);
    }
    begin(&packet, 5, 0);
    packet.len += 4;
    cr_assert_eq(parse(&packet, packet.len, &view), MOLD_HEARTBEAT);
    cr_assert_eq(view.trailing_len, 4);
}

Test(mold, sequence_that_would_wrap_is_refused)
{
    static struct packet packet;
    struct mold_packet view;
    begin(&packet, UINT64_MAX - 2, 2);
    block(&packet, 0, 0);
    block(&packet, 0, 0);
    cr_assert_eq(parse(&packet, packet.len, &view), MOLD_DATA);
    cr_assert_eq(view.seq + view.count, UINT64_MAX);
    packet.bytes[17]++;
    cr_assert_eq(parse(&packet, packet.len, &view), MOLD_BAD_SEQ);
    packet.bytes[17]++;
    cr_assert_eq(parse(&packet, packet.len, &view), MOLD_BAD_SEQ);
    begin(&packet, UINT64_MAX, 0);
    cr_assert_eq(parse(&packet, packet.len, &view), MOLD_HEARTBEAT);
    begin(&packet, UINT64_MAX, 0xffff);
    cr_assert_eq(parse(&packet, packet.len, &view), MOLD_END);
}

Test(mold, sequence_zero_is_passed_on_as_unsequenced)
{
    static struct packet packet;
    struct mold_packet view;
    begin(&packet, 0, 1);
    block(&packet, 19, 'D');
    cr_assert_eq(parse(&packet, packet.len, &view), MOLD_DATA);
    cr_assert_eq(view.seq, 0);
}

Test(mold, encoded_header_is_the_one_built_by_hand)
{
    static struct packet packet;
    uint8_t header[MOLD_HEADER_LEN];
    begin(&packet, 0x0102030405060708u, 0xa1b2);
    mold_encode_header(header, "000010059B", 0x0102030405060708u, 0xa1b2);
    cr_assert_arr_eq(header, packet.bytes, MOLD_HEADER_LEN);
}

Test(mold, encoded_request_is_session_sequence_and_count)
{
    static const uint8_t session[MOLD_SESSION_LEN] = {'0', '0', '0', '0', '1', '0', '0', '5', '9', 'B'};
    static struct packet packet;
    uint8_t request[MOLD_REQUEST_LEN];
    begin(&packet, UINT64_MAX - 1, 0xfffe);
    mold_encode_request(request, session, UINT64_MAX - 1, 0xfffe);
    cr_assert_arr_eq(request, packet.bytes, MOLD_REQUEST_LEN);
}

/* Whatever the lengths say: blocks and trailing bytes add up to the payload, and a walk ends where the blocks end. */
Test(mold, blocks_and_trailing_bytes_add_up_on_random_payloads)
{
    static struct packet packet;
    uint64_t state = 7;
    uint32_t data_count = 0, bad_count = 0;
    for (uint32_t round = 0; round < 100000; round++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        const uint32_t count = (uint32_t)(state >> 60);
        begin(&packet, state >> 40, count);
        for (uint32_t i = 0; i < 8; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            block(&packet, (uint32_t)(state >> 59), 0);
        }
        struct mold_packet view;
        const uint32_t len = packet.len - (uint32_t)(state >> 33) % 40;
        const enum mold_verdict verdict = parse(&packet, len, &view);
        bad_count += verdict == MOLD_BAD_BLOCK;
        if (verdict != MOLD_DATA)
            continue;
        data_count++;
        cr_assert_eq(MOLD_HEADER_LEN + view.blocks_len + view.trailing_len, len);
        const uint8_t *at = view.blocks;
        for (uint32_t i = 0; i < view.count; i++) {
            const uint8_t *message;
            uint32_t message_len;
            at = mold_next(at, &message, &message_len);
            cr_assert_eq(message + message_len, at);
        }
        cr_assert_eq(at, view.blocks + view.blocks_len);
    }
    cr_assert_gt(data_count, 1000);
    cr_assert_gt(bad_count, 1000);
}

Test(mold, verdict_names_are_distinct)
{
    for (uint32_t i = 0; i <= MOLD_VERDICT_COUNT; i++) {
        for (uint32_t j = 0; j < i; j++)
            cr_assert_str_neq(mold_verdict_name((enum mold_verdict)i), mold_verdict_name((enum mold_verdict)j));
    }
}
