/* Line arbitration: every verdict, what it moves and what it counts, at both ends of the sequence space; and a random
 * walk against a model that marks each message. */
#include "feed/arb.h"

#include <criterion/criterion.h>
#include <string.h>

static void expect(struct arb *arb, uint32_t line, uint64_t seq, uint32_t count, enum arb_verdict verdict,
                   uint32_t skip, uint64_t next_seq)
{
    uint32_t got_skip = 12345;
    const enum arb_verdict got = arb_accept(arb, line, seq, count, 1000, &got_skip);
    cr_assert_eq(got, verdict, "verdict of %lu+%u is %d", (unsigned long)seq, count, (int)got);
    cr_assert_eq(got_skip, skip);
    cr_assert_eq(arb->next_seq, next_seq);
}

Test(arb, first_packet_decides_where_to_join)
{
    struct arb arb;
    arb_init(&arb, 2, 0);
    expect(&arb, 1, 500, 3, ARB_FRESH, 0, 503);
    expect(&arb, 0, 497, 3, ARB_DUPLICATE, 0, 503);
    expect(&arb, 0, 500, 3, ARB_DUPLICATE, 0, 503);
}

Test(arb, heartbeat_decides_where_to_join)
{
    struct arb arb;
    arb_init(&arb, 1, 0);
    expect(&arb, 0, 77, 0, ARB_DUPLICATE, 0, 77);
    expect(&arb, 0, 77, 1, ARB_FRESH, 0, 78);
}

Test(arb, whole_session_wanted_makes_a_late_start_a_gap)
{
    struct arb arb;
    arb_init(&arb, 1, 1);
    expect(&arb, 0, 2, 1, ARB_GAP, 0, 1);
    expect(&arb, 0, 1, 1, ARB_FRESH, 0, 2);
}

Test(arb, a_late_b_first)
{
    struct arb arb;
    arb_init(&arb, 2, 1);
    expect(&arb, 1, 1, 4, ARB_FRESH, 0, 5);
    expect(&arb, 0, 1, 4, ARB_DUPLICATE, 0, 5);
    expect(&arb, 1, 5, 4, ARB_FRESH, 0, 9);
    expect(&arb, 0, 5, 4, ARB_DUPLICATE, 0, 9);
    cr_assert_eq(arb.line[1].fresh_count, 2u);
    cr_assert_eq(arb.line[1].duplicate_count, 0u);
    cr_assert_eq(arb.line[0].fresh_count, 0u);
    cr_assert_eq(arb.line[0].duplicate_count, 2u);
    cr_assert_eq(arb.line[0].packet_count, 2u);
    cr_assert_eq(arb.line[0].next_seq, 9u);
}

Test(arb, straddling_packet_skips_what_was_delivered)
{
    struct arb arb;
    arb_init(&arb, 2, 10);
    expect(&arb, 0, 10, 5, ARB_FRESH, 0, 15);
    expect(&arb, 1, 8, 8, ARB_STRADDLING, 7, 16);  /* begins before our first */
    expect(&arb, 1, 15, 2, ARB_STRADDLING, 1, 17); /* one old, one new */
    expect(&arb, 0, 15, 2, ARB_DUPLICATE, 0, 17);  /* ends exactly at next */
    expect(&arb, 0, 17, 1, ARB_FRESH, 0, 18);      /* begins exactly at next */
    expect(&arb, 0, 1, 65534, ARB_STRADDLING, 17, 65535);
    cr_assert_eq(arb.line[1].fresh_count, 2u);
}

Test(arb, gap_moves_nothing_but_the_newest)
{
    struct arb arb;
    arb_init(&arb, 2, 1);
    expect(&arb, 0, 1, 2, ARB_FRESH, 0, 3);
    expect(&arb, 0, 4, 3, ARB_GAP, 0, 3); /* a hole of one message */
    cr_assert_eq(arb.newest_seq, 7u);
    cr_assert_eq(arb.line[0].gap_count, 1u);
    cr_assert_eq(arb.line[0].lost_count, 1u);
    cr_assert_eq(arb.line[0].next_seq, 7u);
    cr_assert_eq(arb.hole_count, 0u);
    expect(&arb, 1, 3, 1, ARB_FRESH, 0, 4);
    cr_assert_eq(arb.line[1].lost_count, 0u, "a line that joins late has lost nothing yet");
    uint32_t skip;
    cr_assert_eq(arb_accept_held(&arb, 4, 3, &skip), ARB_FRESH);
    cr_assert_eq(skip, 0u);
    cr_assert_eq(arb.next_seq, 7u);
    cr_assert_eq(arb.line[0].packet_count, 2u, "held packets are not counted twice");
}

Test(arb, heartbeat_reveals_a_hole)
{
    struct arb arb;
    arb_init(&arb, 1, 1);
    expect(&arb, 0, 1, 0, ARB_DUPLICATE, 0, 1);
    expect(&arb, 0, 1, 2, ARB_FRESH, 0, 3);
    expect(&arb, 0, 3, 0, ARB_DUPLICATE, 0, 3);
    expect(&arb, 0, 5, 0, ARB_GAP, 0, 3);
    cr_assert_eq(arb.newest_seq, 5u);
    cr_assert_eq(arb.line[0].lost_count, 2u);
    cr_assert_eq(arb.line[0].duplicate_count, 0u, "a heartbeat is no duplicate");
    cr_assert_eq(arb.line[0].packet_count, 4u);
}

Test(arb, passed_hole_is_counted_and_never_delivered_later)
{
    struct arb arb;
    arb_init(&arb, 2, 1);
    expect(&arb, 0, 11, 5, ARB_GAP, 0, 1);
    arb_pass_hole(&arb, 11);
    cr_assert_eq(arb.next_seq, 11u);
    cr_assert_eq(arb.hole_count, 1u);
    cr_assert_eq(arb.missed_count, 10u);
    cr_assert_eq(arb.hole_first_seq, 1u);
    cr_assert_eq(arb.hole_len_count, 10u);
    expect(&arb, 1, 1, 10, ARB_DUPLICATE, 0, 11);
    uint32_t skip;
    cr_assert_eq(arb_accept_held(&arb, 9, 4, &skip), ARB_STRADDLING);
    cr_assert_eq(skip, 2u);
    arb_pass_hole(&arb, 100);
    cr_assert_eq(arb.hole_count, 2u);
    cr_assert_eq(arb.missed_count, 10u + 87u);
    cr_assert_eq(arb.hole_first_seq, 13u);
    cr_assert_eq(arb.newest_seq, 100u);
}

Test(arb, sequences_up_to_the_last_one)
{
    struct arb arb;
    uint32_t skip;
    arb_init(&arb, 1, 1);
    expect(&arb, 0, UINT64_MAX - 2, 2, ARB_GAP, 0, 1);
    cr_assert_eq(arb.newest_seq, UINT64_MAX);
    arb_pass_hole(&arb, UINT64_MAX - 2);
    cr_assert_eq(arb.missed_count, UINT64_MAX - 3);
    cr_assert_eq(arb_accept_held(&arb, UINT64_MAX - 2, 2, &skip), ARB_FRESH);
    expect(&arb, 0, UINT64_MAX, 0, ARB_DUPLICATE, 0, UINT64_MAX);
    expect(&arb, 0, UINT64_MAX - 65534, 65534, ARB_DUPLICATE, 0, UINT64_MAX);
    expect(&arb, 0, 1, 1, ARB_DUPLICATE, 0, UINT64_MAX);
}

Test(arb, restart_begins_sequences_again_and_keeps_counters)
{
    struct arb arb;
    arb_init(&arb, 2, 0);
    expect(&arb, 0, 900, 1, ARB_FRESH, 0, 901);
    expect(&arb, 0, 905, 1, ARB_GAP, 0, 901);
    arb_pass_hole(&arb, 905);
    cr_assert_eq(arb.first_seq, 900u);
    arb_restart(&arb, 1);
    cr_assert(arb.newest_seq == 1 && arb.first_seq == 1);
    expect(&arb, 0, 1, 1, ARB_FRESH, 0, 2);
    cr_assert_eq(arb.line[0].lost_count, 4u, "the new session is no loss of the line");
    cr_assert_eq(arb.line[0].fresh_count, 3u);
    cr_assert_eq(arb.hole_count, 1u);
    cr_assert_eq(arb.line_count, 2u);
}

Test(arb, what_was_overtaken_is_late_and_not_lost)
{
    struct arb arb;
    const struct arb_line *line = &arb.line[0];
    arb_init(&arb, 1, 1);
    expect(&arb, 0, 1, 2, ARB_FRESH, 0, 3);
    expect(&arb, 0, 5, 2, ARB_GAP, 0, 3);
    cr_assert(line->lost_count == 2 && line->late_count == 0);
    expect(&arb, 0, 3, 2, ARB_FRESH, 0, 5);
    cr_assert(line->lost_count == 0 && line->late_count == 2);
    expect(&arb, 0, 3, 2, ARB_DUPLICATE, 0, 5);
    expect(&arb, 0, 1, 2, ARB_DUPLICATE, 0, 5);
    cr_assert(line->lost_count == 0 && line->late_count == 2, "what comes twice is late once");
    cr_assert_eq(line->next_seq, 7u);
}

Test(arb, hole_of_a_line_is_filled_in_pieces)
{
    struct arb arb;
    const struct arb_line *line = &arb.line[0];
    arb_init(&arb, 1, 1);
    expect(&arb, 0, 1, 1, ARB_FRESH, 0, 2);
    expect(&arb, 0, 12, 1, ARB_GAP, 0, 2); /* 2 to 11 */
    expect(&arb, 0, 14, 1, ARB_GAP, 0, 2); /* 13 */
    cr_assert_eq(line->lost_count, 11u);
    expect(&arb, 0, 5, 2, ARB_GAP, 0, 2); /* in the middle: 2 to 4 and 7 to 11 are left */
    cr_assert(line->lost_count == 9 && line->late_count == 2);
    expect(&arb, 0, 4, 4, ARB_GAP, 0, 2); /* of which 4 and 7 are new */
    cr_assert(line->lost_count == 7 && line->late_count == 4);
    expect(&arb, 0, 1, 13, ARB_STRADDLING, 1, 14); /* all the rest, and what was there */
    cr_assert(line->lost_count == 0 && line->late_count == 11);
    expect(&arb, 0, 2, 12, ARB_DUPLICATE, 0, 14);
    cr_assert(line->lost_count == 0 && line->late_count == 11);
}

Test(arb, newest_holes_of_a_line_are_remembered)
{
    struct arb arb;
    const struct arb_line *line = &arb.line[0];
    arb_init(&arb, 2, 0);
    for (uint32_t i = 0; i <= ARB_LINE_HOLES + 1; i++)
        arb_accept(&arb, 0, 100 + 2 * i, 1, 0, &(uint32_t){0}); /* one hole more than there is room */
    cr_assert_eq(line->lost_count, ARB_LINE_HOLES + 1);
    for (uint32_t i = 0; i <= ARB_LINE_HOLES; i++)
        arb_accept(&arb, 0, 101 + 2 * i, 1, 0, &(uint32_t){0});
    cr_assert_eq(line->lost_count, 1u, "the oldest");
    cr_assert_eq(line->late_count, ARB_LINE_HOLES);
    cr_assert_eq(arb.line[1].late_count, 0u);
}

Test(arb, holes_of_a_line_end_with_the_session)
{
    struct arb arb;
    arb_init(&arb, 1, 1);
    expect(&arb, 0, 1, 1, ARB_FRESH, 0, 2);
    expect(&arb, 0, 5, 1, ARB_GAP, 0, 2);
    arb_restart(&arb, 1);
    expect(&arb, 0, 1, 6, ARB_FRESH, 0, 7);
    expect(&arb, 0, 2, 3, ARB_DUPLICATE, 0, 7);
    cr_assert(arb.line[0].lost_count == 3 && arb.line[0].late_count == 0);
}

Test(arb, late_at_the_end_of_the_sequence)
{
    struct arb arb;
    arb_init(&arb, 1, UINT64_MAX - 9);
    expect(&arb, 0, UINT64_MAX - 9, 1, ARB_FRESH, 0, UINT64_MAX - 8);
    expect(&arb, 0, UINT64_MAX, 0, ARB_GAP, 0, UINT64_MAX - 8); /* all up to the last are announced */
    cr_assert_eq(arb.line[0].lost_count, 8u);
    expect(&arb, 0, UINT64_MAX - 3, 3, ARB_GAP, 0, UINT64_MAX - 8);
    expect(&arb, 0, UINT64_MAX - 8, 5, ARB_FRESH, 0, UINT64_MAX - 3);
    cr_assert(arb.line[0].lost_count == 0 && arb.line[0].late_count == 8);
    cr_assert_eq(arb.line[0].next_seq, UINT64_MAX);
}

Test(arb, first_ahead_of_a_hole_is_first)
{
    struct arb arb;
    arb_init(&arb, 2, 1);
    expect(&arb, 0, 1, 1, ARB_FRESH, 0, 2);
    expect(&arb, 0, 4, 2, ARB_GAP, 0, 2);
    expect(&arb, 1, 4, 2, ARB_GAP, 0, 2);
    expect(&arb, 1, 9, 0, ARB_GAP, 0, 2); /* a heartbeat brings nothing */
    cr_assert_eq(arb.line[0].fresh_count, 2u);
    cr_assert_eq(arb.line[1].fresh_count, 0u);
    cr_assert_eq(arb.line[0].gap_count + arb.line[1].gap_count, 3u);
}

Test(arb, eight_lines_each_count_for_themselves)
{
    struct arb arb;
    arb_init(&arb, ARB_LINES_MAX, 1);
    for (uint64_t seq = 1; seq <= 800; seq++)
        for (uint32_t i = 0; i < ARB_LINES_MAX; i++) {
            const uint32_t line = (uint32_t)(seq + i) % ARB_LINES_MAX; /* a different one is first each time */
            if (seq % 10 != 0 || line != 3)
                expect(&arb, line, seq, 1, i == 0 ? ARB_FRESH : ARB_DUPLICATE, 0, seq + 1);
        }
    for (uint32_t line = 0; line < ARB_LINES_MAX; line++) {
        cr_assert_eq(arb.line[line].fresh_count, 100u);
        cr_assert_eq(arb.line[line].duplicate_count, line == 3 ? 620u : 700u);
        cr_assert_eq(arb.line[line].lost_count, line == 3 ? 79u : 0u, "800 itself is not missed yet");
        cr_assert_eq(arb.line[line].late_count, 0u);
    }
}

Test(arb, neighbours_that_change_places_lose_nothing)
{
    uint64_t random = 88172645463325252u;
    struct { uint64_t seq; uint32_t count; } packet[500];
    struct arb arb;
    uint64_t seq = 1, late_count = 0;
    uint32_t skip;
    arb_init(&arb, 1, 1);
    for (uint32_t i = 0; i < 500; i++) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        packet[i].seq = seq;
        packet[i].count = 1 + (uint32_t)(random % 40);
        seq += packet[i].count;
    }
    for (uint32_t i = 1; i + 1 < 500; i++) { /* the first one says where the line begins */
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        if (random % 3 != 0)
            continue;
        const uint64_t moved_seq = packet[i].seq;
        const uint32_t moved_count = packet[i].count;
        late_count += moved_count;
        packet[i] = packet[i + 1];
        packet[i + 1].seq = moved_seq;
        packet[i + 1].count = moved_count;
        i++; /* not further back */
    }
    for (uint32_t i = 0; i < 500; i++)
        arb_accept(&arb, 0, packet[i].seq, packet[i].count, i, &skip);
    cr_assert_gt(late_count, 1000u);
    cr_assert_eq(arb.line[0].late_count, late_count);
    cr_assert_eq(arb.line[0].lost_count, 0u);
    cr_assert_eq(arb.line[0].next_seq, seq);
}

Test(arb, random_packets_agree_with_a_model_of_single_messages)
{
    uint64_t random = 88172645463325252u;
    for (uint32_t round = 0; round < 200; round++) {
        const uint64_t base = round % 3 == 0 ? UINT64_MAX - 400 : round % 3 == 1 ? 1 : 1u << 20;
        bool delivered[400] = {false};
        struct arb arb;
        arb_init(&arb, 4, base);
        for (uint32_t step = 0; step < 300; step++) {
            random ^= random << 13, random ^= random >> 7, random ^= random << 17;
            const uint64_t ahead = random % 8 == 0 ? random % 5 : 0;
            const uint64_t behind = (random >> 8) % 12;
            const uint32_t count = (uint32_t)(random >> 16) % 9;
            const uint32_t line = (uint32_t)(random >> 24) % 4;
            uint64_t at = arb.next_seq - base + ahead;
            at = at > behind ? at - behind : 0;
            if (at + count >= 400)
                break;
            const uint64_t next = arb.next_seq - base;
            struct arb whole = arb;
            uint32_t skip, whole_skip;
            const enum arb_verdict verdict = arb_accept(&arb, line, base + at, count, step, &skip);
            cr_assert_eq(arb_accept_any(&whole, line, base + at, count, step, &whole_skip), verdict);
            cr_assert(skip == whole_skip && memcmp(&whole, &arb, sizeof(arb)) == 0, "the short way is the whole rule");
            if (at > next) {
                cr_assert_eq(verdict, ARB_GAP);
                cr_assert_eq(arb.next_seq, base + next);
                if (random >> 60 == 0)
                    arb_pass_hole(&arb, base + at);
                continue;
            }
            uint32_t fresh = 0;
            for (uint64_t i = at; i < at + count; i++)
                fresh += !delivered[i] && i >= next;
            cr_assert_eq(verdict, fresh == 0 ? ARB_DUPLICATE : fresh == count ? ARB_FRESH : ARB_STRADDLING);
            cr_assert_eq(skip, fresh == 0 ? 0 : count - fresh);
            if (fresh > 0)
                for (uint64_t i = at + skip; i < at + count; i++) {
                    cr_assert(!delivered[i], "delivered twice");
                    delivered[i] = true;
                }
            cr_assert_eq(arb.line[line].last_ns, step);
            cr_assert_geq(arb.newest_seq, arb.next_seq);
        }
    }
}
