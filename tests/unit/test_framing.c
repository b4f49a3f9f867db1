/* Which protocol a datagram is of, by itself and by order. */
#include "feed/framing.h"

#include <criterion/criterion.h>
#include <string.h>

static const uint8_t mdp3_bytes[] = {0xef, 0x15, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, /* one message of 10 bytes */
                                     10,   0,    0, 0, 12, 0, 1, 0, 6, 0};

static uint32_t mold_make(uint8_t *ret_bytes, const char *session, uint64_t seq, uint16_t count)
{
    mold_encode_header(ret_bytes, session, seq, count);
    memcpy(ret_bytes + MOLD_HEADER_LEN, "\0\3abc", 5);
    return count == 1 ? MOLD_HEADER_LEN + 5 : MOLD_HEADER_LEN;
}

Test(framing, each_is_known_by_itself)
{
    uint8_t bytes[64];
    struct framing_packet packet;
    cr_assert(framing_parse(FRAMING_NONE, bytes, mold_make(bytes, "SESSION  1", 77, 1), &packet));
    cr_assert_eq(packet.framing, FRAMING_MOLD);
    cr_assert_eq(packet.seq, 77u);
    cr_assert_eq(packet.count, 1u);
    cr_assert_eq(packet.block_count, 1u);
    cr_assert_eq(packet.blocks, bytes + MOLD_HEADER_LEN);
    cr_assert(!packet.end);
    cr_assert_eq(memcmp(packet.session, "SESSION  1", MOLD_SESSION_LEN), 0);
    cr_assert(framing_parse(FRAMING_NONE, mdp3_bytes, sizeof(mdp3_bytes), &packet));
    cr_assert_eq(packet.framing, FRAMING_MDP3);
    cr_assert_eq(packet.seq, 5615u);
    cr_assert_eq(packet.count, 1u, "a packet is one step, whatever it holds");
    cr_assert_eq(packet.block_count, 1u);
    cr_assert_eq(packet.blocks, mdp3_bytes + MDP3_HEADER_LEN);
    cr_assert_eq(packet.session, NULL);
    cr_assert_eq(packet.sent_ns, 1u);
}

Test(framing, heartbeat_and_end_of_moldudp64)
{
    uint8_t bytes[64];
    struct framing_packet packet;
    cr_assert(framing_parse(FRAMING_MOLD, bytes, mold_make(bytes, "SESSION  1", 5, 0), &packet));
    cr_assert(packet.count == 0 && packet.block_count == 0 && !packet.end);
    cr_assert(framing_parse(FRAMING_MOLD, bytes, mold_make(bytes, "SESSION  1", 5, MOLD_COUNT_END), &packet));
    cr_assert(packet.count == 0 && packet.block_count == 0 && packet.end);
}

Test(framing, what_is_not_wanted_is_refused)
{
    uint8_t bytes[64];
    struct framing_packet packet = {.seq = 1234};
    const uint32_t len = mold_make(bytes, "SESSION  1", 77, 1);
    cr_assert(!framing_parse(FRAMING_MDP3, bytes, len, &packet));
    cr_assert(!framing_parse(FRAMING_MOLD, mdp3_bytes, sizeof(mdp3_bytes), &packet));
    cr_assert(!framing_parse(FRAMING_NONE, bytes, len - 1, &packet), "a block is cut");
    cr_assert(!framing_parse(FRAMING_NONE, bytes, 0, &packet));
    cr_assert(!framing_parse(FRAMING_NONE, bytes, mold_make(bytes, "SESSION\x01 1", 77, 1), &packet), "no text");
    cr_assert(!framing_parse(FRAMING_NONE, mdp3_bytes, MDP3_HEADER_LEN, &packet), "twelve bytes are anything");
    cr_assert_eq(packet.seq, 1234u, "nothing is written");
    cr_assert(framing_parse(FRAMING_NONE, bytes, mold_make(bytes, "\0\0\0\0\0\0\0\0\0\0", 0, 1), &packet), "scrubbed");
}

Test(framing, names)
{
    cr_assert_str_eq(framing_name(FRAMING_MOLD), "mold");
    cr_assert_str_eq(framing_name(FRAMING_MDP3), "mdp3");
    cr_assert_str_eq(framing_name(FRAMING_COUNT), "unknown");
}
