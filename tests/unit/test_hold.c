/* The window of messages behind a hole: what is kept is found, what is done with is gone, and a plain list of flags
 * says the same after any mixture of both. */
#include "feed/hold.h"
#include "ring/check.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGES 128u

struct rig { struct hold hold; void *memory; };

static struct rig rig_open(uint32_t messages, uint64_t seq)
{
    struct rig rig;
    rig.memory = aligned_alloc(CACHE_LINE_BYTES, hold_footprint(messages));
    cr_assert(rig.memory);
    memset(rig.memory, 0xa5, hold_footprint(messages));
    hold_init(&rig.hold, rig.memory, messages);
    hold_clear(&rig.hold, seq);
    return rig;
}

/* Blocks of two bytes: the low bits of the sequence that they are said to have. */
static uint32_t put(struct rig *rig, uint64_t seq, uint32_t count, uint8_t line, uint64_t now_ns)
{
    uint8_t blocks[4 * 64];
    cr_assert_leq(count, 64u);
    for (uint32_t i = 0; i < count; i++)
        memcpy(blocks + 4 * i, (uint8_t[]){0, 2, (uint8_t)((seq + i) >> 8), (uint8_t)(seq + i)}, 4);
    return hold_put(&rig->hold, seq, count, blocks, line, now_ns);
}

static void expect_held(const struct rig *rig, uint64_t seq)
{
    const struct hold_slot *slot = hold_find(&rig->hold, seq);
    cr_assert(slot);
    cr_assert(slot->block[0] == 0 && slot->block[1] == 2);
    cr_assert(slot->block[2] == (uint8_t)(seq >> 8) && slot->block[3] == (uint8_t)seq);
}

Test(hold, windows_are_powers_of_two_within_the_limits)
{
    cr_assert_eq(hold_footprint(0), 0u);
    cr_assert_eq(hold_footprint(HOLD_MESSAGES_MIN / 2), 0u);
    cr_assert_eq(hold_footprint(100), 0u);
    cr_assert_eq(hold_footprint(HOLD_MESSAGES_MAX * 2), 0u);
    cr_assert_geq(hold_footprint(HOLD_MESSAGES_MIN), HOLD_MESSAGES_MIN * sizeof(struct hold_slot));
    cr_assert_eq(hold_footprint(HOLD_MESSAGES_MIN) % CACHE_LINE_BYTES, 0u);
}

Test(hold, what_is_kept_is_found_once)
{
    struct rig rig = rig_open(MESSAGES, 10);
    cr_assert_eq(put(&rig, 12, 3, 1, 500), 3u);
    cr_assert_eq(put(&rig, 11, 5, 2, 600), 2u, "11 and 15 are new");
    cr_assert_eq(put(&rig, 12, 3, 3, 700), 0u);
    cr_assert_eq(rig.hold.count, 5u);
    cr_assert_eq(rig.hold.packet_count, 2u);
    cr_assert(!hold_find(&rig.hold, 10) && !hold_find(&rig.hold, 16));
    for (uint64_t seq = 11; seq < 16; seq++)
        expect_held(&rig, seq);
    cr_assert_eq(hold_find(&rig.hold, 12)->line, 1u);
    cr_assert_eq(hold_find(&rig.hold, 15)->line, 2u);
    cr_assert_eq(hold_next(&rig.hold, 0, 100), 11u);
    cr_assert_eq(hold_next_missing(&rig.hold, 11, 100), 16u);
    cr_assert_eq(hold_next_missing(&rig.hold, 11, 14), 14u);
    cr_assert_eq(hold_next(&rig.hold, 16, 100), 100u);
    free(rig.memory);
}

Test(hold, a_hole_was_seen_when_the_first_packet_behind_it_came)
{
    struct rig rig = rig_open(MESSAGES, 10);
    put(&rig, 20, 1, 0, 500);
    put(&rig, 15, 1, 0, 700); /* overtaken: what is missing in front of it was seen at 500 */
    put(&rig, 30, 1, 0, 900);
    cr_assert_eq(hold_find(&rig.hold, 15)->seen_ns, 500u);
    cr_assert_eq(hold_find(&rig.hold, 30)->seen_ns, 900u);
    free(rig.memory);
}

Test(hold, the_window_moves_and_forgets)
{
    struct rig rig = rig_open(MESSAGES, 10);
    put(&rig, 11, 4, 0, 1);
    put(&rig, 20, 4, 0, 1);
    hold_advance(&rig.hold, 13);
    cr_assert(!hold_find(&rig.hold, 12));
    expect_held(&rig, 13);
    cr_assert_eq(rig.hold.count, 6u);
    cr_assert_eq(rig.hold.packet_count, 1u, "the first message of the first packet is gone");
    cr_assert_eq(put(&rig, 5, 8, 0, 1), 0u, "below the window");
    hold_advance(&rig.hold, 21);
    cr_assert_eq(rig.hold.count, 3u);
    hold_advance(&rig.hold, 5);
    cr_assert_eq(rig.hold.base_seq, 21u, "never back");
    hold_advance(&rig.hold, 1000000);
    cr_assert_eq(rig.hold.count, 0u);
    cr_assert_eq(rig.hold.base_seq, 1000000u);
    cr_assert_eq(put(&rig, 1000005, 1, 0, 1), 1u);
    free(rig.memory);
}

Test(hold, fits_is_the_whole_window_and_no_more)
{
    struct rig rig = rig_open(MESSAGES, 10);
    cr_assert(hold_fits(&rig.hold, 10) && hold_fits(&rig.hold, 10 + MESSAGES));
    cr_assert(!hold_fits(&rig.hold, 11 + MESSAGES) && !hold_fits(&rig.hold, 9));
    hold_clear(&rig.hold, UINT64_MAX - 5);
    cr_assert(hold_fits(&rig.hold, UINT64_MAX));
    cr_assert_eq(put(&rig, UINT64_MAX - 3, 3, 0, 1), 3u);
    cr_assert_eq(hold_next(&rig.hold, 0, UINT64_MAX), UINT64_MAX - 3);
    cr_assert_eq(hold_next_missing(&rig.hold, UINT64_MAX - 3, UINT64_MAX), UINT64_MAX);
    free(rig.memory);
}

/* No sequence lies behind the last one: a search that stepped over it would begin again at 0. */
Test(hold, a_full_window_at_the_end_of_all_sequences_is_searched_once)
{
    struct rig rig = rig_open(MESSAGES, UINT64_MAX - MESSAGES);
    for (uint64_t seq = UINT64_MAX - MESSAGES; seq < UINT64_MAX; seq += 64)
        cr_assert_eq(put(&rig, seq, 64, 0, 1), 64u);
    cr_assert_eq(hold_next_missing(&rig.hold, UINT64_MAX - MESSAGES, UINT64_MAX), UINT64_MAX);
    hold_advance(&rig.hold, UINT64_MAX);
    cr_assert_eq(rig.hold.count, 0u);
    cr_assert_eq(hold_next(&rig.hold, UINT64_MAX - 9, UINT64_MAX), UINT64_MAX);
    free(rig.memory);
}

Test(hold, long_messages_are_cut_and_empty_ones_kept)
{
    struct rig rig = rig_open(MESSAGES, 1);
    uint8_t blocks[2 + 200 + 2];
    memset(blocks, 'z', sizeof(blocks));
    memcpy(blocks, (uint8_t[]){0, 200}, 2);
    memcpy(blocks + 202, (uint8_t[]){0, 0}, 2);
    cr_assert_eq(hold_put(&rig.hold, 2, 2, blocks, 0, 1), 2u);
    cr_assert_eq(hold_find(&rig.hold, 2)->block[1], HOLD_MESSAGE_LEN_MAX);
    cr_assert_eq(hold_find(&rig.hold, 2)->block[2 + HOLD_MESSAGE_LEN_MAX - 1], 'z');
    cr_assert_eq(hold_find(&rig.hold, 3)->block[1], 0u);
    free(rig.memory);
}

Test(hold, agrees_with_a_list_of_flags)
{
    enum { SPAN = 4096 };
    static bool held[SPAN + 2 * MESSAGES];
    struct rig rig = rig_open(MESSAGES, 1);
    uint64_t base = 1, random = 12345;
    while (base < SPAN) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        const uint64_t dice = random >> 33;
        const uint64_t seq = base + dice % MESSAGES;
        const uint32_t most = (uint32_t)(base + MESSAGES - seq);
        const uint32_t count = 1 + (uint32_t)(dice >> 8) % (most < 9 ? most : 9);
        uint32_t new_count = 0;
        for (uint32_t i = 0; i < count; i++) {
            new_count += !held[seq + i];
            held[seq + i] = true;
        }
        cr_assert_eq(put(&rig, seq, count, 0, 1), new_count);
        if (dice % 3 == 0) {
            const uint64_t to = base + (dice >> 12) % 20;
            hold_advance(&rig.hold, to);
            for (; base < to; base++)
                held[base] = false;
        }
        uint32_t held_count = 0;
        uint64_t next = base + MESSAGES, missing = base + MESSAGES;
        for (uint64_t i = base + MESSAGES; i-- > base;) {
            held_count += held[i];
            cr_assert_eq(hold_find(&rig.hold, i) != NULL, held[i]);
            *(held[i] ? &next : &missing) = i;
        }
        cr_assert_eq(rig.hold.count, held_count);
        cr_assert_eq(hold_next(&rig.hold, base, base + MESSAGES), next);
        cr_assert_eq(hold_next_missing(&rig.hold, base, base + MESSAGES), missing);
    }
    free(rig.memory);
}
