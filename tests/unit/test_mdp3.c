/* MDP 3.0 packets: what is one, what is not, and that nothing is read beyond them. Every payload is an allocation of
 * exactly its size. */
#include "feed/mdp3.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define TEMPLATE 32u

/* Packet header and messages of these sizes (headers counted), bodies of 0xab. */
static uint8_t *packet_make(uint32_t seq, const uint16_t *sizes, uint32_t size_count, uint32_t *ret_len)
{
    uint32_t len = MDP3_HEADER_LEN;
    for (uint32_t i = 0; i < size_count; i++)
        len += sizes[i];
    uint8_t *bytes = malloc(len);
    cr_assert(bytes);
    memset(bytes, 0xab, len);
    for (uint32_t i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(seq >> (8 * i));
    for (uint32_t i = 0; i < 8; i++)
        bytes[4 + i] = (uint8_t)(i + 1);
    uint8_t *at = bytes + MDP3_HEADER_LEN;
    for (uint32_t i = 0; i < size_count; i++) {
        const uint8_t header[MDP3_MESSAGE_HEADER_LEN] = {
            (uint8_t)sizes[i], (uint8_t)(sizes[i] >> 8), 0, 0, (uint8_t)(TEMPLATE + i), 0, MDP3_SCHEMA, 0, 6, 0};
        memcpy(at, header, sizeof(header));
        at += sizes[i];
    }
    *ret_len = len;
    return bytes;
}

Test(mdp3, header_and_messages_are_read_as_they_lie)
{
    const uint16_t sizes[] = {10, 300, 47};
    struct mdp3_packet packet;
    struct mdp3_message message;
    uint32_t len;
    uint8_t *bytes = packet_make(0xfffffffe, sizes, 3, &len);
    cr_assert_eq(mdp3_parse(bytes, len, &packet), MDP3_DATA);
    cr_assert_eq(packet.seq, 0xfffffffeu);
    cr_assert_eq(packet.sent_ns, UINT64_C(0x0807060504030201));
    cr_assert_eq(packet.message_count, 3u);
    cr_assert_eq(packet.messages_len, len - MDP3_HEADER_LEN);
    const uint8_t *at = packet.messages;
    for (uint32_t i = 0; i < 3; i++) {
        const uint8_t *next = mdp3_next(at, &message);
        cr_assert_eq(next - at, sizes[i]);
        cr_assert_eq(message.template_id, TEMPLATE + i);
        cr_assert_eq(message.body, at + MDP3_MESSAGE_HEADER_LEN);
        cr_assert_eq(message.body_len, sizes[i] - MDP3_MESSAGE_HEADER_LEN);
        at = next;
    }
    cr_assert_eq(at, bytes + len);
    free(bytes);
}

Test(mdp3, header_alone_is_refused)
{
    struct mdp3_packet packet = {.seq = 99};
    uint32_t len;
    uint8_t *bytes = packet_make(7, NULL, 0, &len);
    cr_assert_eq(mdp3_parse(bytes, len, &packet), MDP3_EMPTY);
    cr_assert_eq(packet.seq, 99u, "nothing is written");
    free(bytes);
}

Test(mdp3, every_cut_is_refused)
{
    const uint16_t sizes[] = {10, 30};
    uint32_t len;
    uint8_t *bytes = packet_make(7, sizes, 2, &len);
    for (uint32_t cut = 0; cut < len; cut++) {
        struct mdp3_packet packet = {.seq = 99};
        uint8_t *part = malloc(cut > 0 ? cut : 1);
        memcpy(part, bytes, cut);
        const enum mdp3_verdict verdict = mdp3_parse(part, cut, &packet);
        const bool whole = cut == MDP3_HEADER_LEN + 10; /* between two messages */
        const enum mdp3_verdict refusal = cut < MDP3_HEADER_LEN    ? MDP3_SHORT
                                          : cut == MDP3_HEADER_LEN ? MDP3_EMPTY
                                                                   : MDP3_BAD_SIZE;
        cr_assert_eq(verdict, whole ? MDP3_DATA : refusal, "%u bytes", cut);
        if (!whole)
            cr_assert_eq(packet.seq, 99u, "nothing is written");
        free(part);
    }
    free(bytes);
}

Test(mdp3, sizes_that_cannot_be_are_refused)
{
    const uint16_t sizes[] = {20};
    struct mdp3_packet packet;
    uint32_t len;
    uint8_t *bytes = packet_make(7, sizes, 1, &len);
    for (uint32_t size = 0; size <= 0xffff; size++) {
        bytes[MDP3_HEADER_LEN] = (uint8_t)size;
        bytes[MDP3_HEADER_LEN + 1] = (uint8_t)(size >> 8);
        /* 10: what is left is as long as a message header, of a size that runs past the payload */
        cr_assert_eq(mdp3_parse(bytes, len, &packet), size == 20 ? MDP3_DATA : MDP3_BAD_SIZE, "size %u", size);
    }
    free(bytes);
}

Test(mdp3, another_schema_is_another_protocol)
{
    const uint16_t sizes[] = {20};
    struct mdp3_packet packet;
    uint32_t len;
    uint8_t *bytes = packet_make(7, sizes, 1, &len);
    bytes[MDP3_HEADER_LEN + 6] = 2;
    cr_assert_eq(mdp3_parse(bytes, len, &packet), MDP3_BAD_SCHEMA);
    free(bytes);
}

Test(mdp3, verdicts_have_names)
{
    for (uint32_t i = 0; i < MDP3_VERDICT_COUNT; i++)
        cr_assert_str_neq(mdp3_verdict_name((enum mdp3_verdict)i), "unknown");
    cr_assert_str_eq(mdp3_verdict_name(MDP3_VERDICT_COUNT), "unknown");
}
