/* igmp: joins, answers, versions, refresh and leaves in virtual time; a day beside a router that keeps to the RFCs. */
#include "tests/unit/igmp_due.h"
#include "tests/unit/igmp_rig.h"

#include <stdlib.h>

#define DAY (86400 * S)
#define START (1000 * S)

static struct igmp igmp;
static uint8_t packet[RIG_PACKET_MAX];
static struct rig_message message;

static void begin(const struct igmp_setup *setup, uint32_t source)
{
    igmp_begin(&igmp, setup);
    cr_assert(igmp_add(&igmp, GROUP, source));
    cr_assert(igmp_add(&igmp, GROUP_2, 0));
}

static uint32_t take(uint64_t now_ns)
{
    uint8_t frame[IGMP_FRAME_MAX];
    const uint32_t len = igmp_next(&igmp, now_ns, frame);
    if (len > 0)
        rig_decode(frame, len, igmp.setup.ip, &message);
    return len;
}

/* Whatever is due until then is taken when it is due; how many frames that were. */
static uint32_t pass(uint64_t until_ns)
{
    uint32_t count = 0;
    for (uint64_t due_ns; (due_ns = igmp_due_ns(&igmp)) <= until_ns;)
        while (take(due_ns) > 0)
            count++;
    return count;
}

static void joined(const struct igmp_setup *setup, uint32_t source)
{
    begin(setup, source);
    igmp_join(&igmp, START);
    pass(START + 10 * S);
    cr_assert_eq(igmp_due_ns(&igmp), IGMP_NEVER);
}

#define HEAR(len, at_ns) igmp_receive(&igmp, packet, len, at_ns)

Test(igmp, a_join_is_reported_at_once_and_once_more_within_a_second)
{
    const struct igmp_setup setup = rig_setup(0);
    begin(&setup, SOURCE);
    cr_expect_eq(take(START), 0u, "not joined");
    cr_expect(igmp_left(&igmp));
    igmp_join(&igmp, START);
    cr_expect_not(igmp_left(&igmp));
    for (uint32_t round = 0; round < 2; round++) {
        const uint64_t due_ns = igmp_due_ns(&igmp);
        cr_assert(round == 0 ? due_ns == START : due_ns > START && due_ns <= START + 1 * S);
        cr_expect(round == 0 || take(due_ns - 1) == 0);
        cr_assert(take(due_ns) > 0);
        cr_assert_eq(message.record_count, 2u);
        cr_expect(message.record[0].type == IGMP_ALLOW && message.record[0].group == GROUP);
        cr_expect(message.record[0].source_count == 1 && message.record[0].source[0] == SOURCE);
        cr_expect(message.record[1].type == IGMP_TO_EX && message.record[1].group == GROUP_2);
        cr_expect_eq(message.record[1].source_count, 0u);
        cr_expect_eq(take(due_ns), 0u);
    }
    cr_expect_eq(igmp_due_ns(&igmp), IGMP_NEVER);
    cr_expect_eq(igmp.counters.report_count, 2u);
}

Test(igmp, a_join_may_be_made_again_until_it_leaves)
{
    const struct igmp_setup setup = rig_setup(0);
    begin(&setup, SOURCE);
    igmp_join(&igmp, START);
    while (igmp_due_ns(&igmp) != IGMP_NEVER)
        cr_assert(take(igmp_due_ns(&igmp)) > 0);
    igmp_join(&igmp, START + 100 * S);
    for (uint32_t round = 0; round < 2; round++) {
        cr_assert(take(igmp_due_ns(&igmp)) > 0);
        cr_expect(message.record[0].type == IGMP_ALLOW && message.record[1].type == IGMP_TO_EX);
    }
    cr_expect_eq(igmp_due_ns(&igmp), IGMP_NEVER);
    igmp_leave(&igmp, START + 200 * S);
    igmp_join(&igmp, START + 200 * S);
    cr_assert(take(START + 200 * S) > 0);
    cr_expect(message.record[0].type == IGMP_BLOCK && message.record[1].type == IGMP_TO_IN);
}

Test(igmp, version_2_reports_each_group_and_leaves_it)
{
    const struct igmp_setup setup = rig_setup(2);
    begin(&setup, SOURCE);
    igmp_join(&igmp, START);
    for (uint32_t i = 0; i < 2; i++) {
        cr_assert(take(START) > 0);
        cr_expect(message.type == 0x16 && message.group == (i == 0 ? GROUP : GROUP_2));
    }
    cr_expect_eq(take(START), 0u);
    cr_expect_eq(pass(START + 1 * S), 2u, "the repetition");
    igmp_leave(&igmp, START + 5 * S);
    for (uint32_t i = 0; i < 2; i++) {
        cr_expect_not(igmp_left(&igmp));
        cr_assert(take(START + 5 * S) > 0);
        cr_expect(message.type == 0x17 && message.group == (i == 0 ? GROUP : GROUP_2));
    }
    cr_expect(igmp_left(&igmp));
    cr_expect_eq(igmp.counters.leave_count, 2u);
}

Test(igmp, version_3_leaves_with_to_in_and_block_repeated_within_100_ms)
{
    const struct igmp_setup setup = rig_setup(0);
    joined(&setup, SOURCE);
    HEAR(rig_query_v3(packet, 0, 100, 5, 125, NULL, 0), START + 20 * S);
    igmp_leave(&igmp, START + 20 * S);
    cr_expect_not(igmp_left(&igmp));
    for (uint32_t i = 0; i < 5; i++) {
        cr_assert_leq(igmp_due_ns(&igmp), START + 20 * S + i * 100 * MS);
        cr_assert(take(igmp_due_ns(&igmp)) > 0);
        cr_expect(message.record[0].type == IGMP_BLOCK && message.record[0].source[0] == SOURCE);
        cr_expect(message.record[1].type == IGMP_TO_IN && message.record[1].source_count == 0);
    }
    cr_expect(igmp_left(&igmp));
    cr_expect_eq(igmp_due_ns(&igmp), IGMP_NEVER, "and the pending answer is dropped");
    HEAR(rig_query_v3(packet, 0, 10, 2, 125, NULL, 0), START + 30 * S);
    cr_expect_eq(igmp_due_ns(&igmp), IGMP_NEVER, "nothing is answered any more");
    igmp_leave(&igmp, START + 40 * S);
    cr_expect(igmp_left(&igmp));
}

Test(igmp, a_general_query_is_answered_once_at_a_random_time_within_its_response_time)
{
    const uint8_t codes[] = {1, 10, 100, 130, 255};
    for (uint32_t c = 0; c < sizeof(codes); c++) {
        const uint64_t max_ns = igmp_wire_code(codes[c]) * 100 * MS;
        uint64_t least_ns = UINT64_MAX, most_ns = 0;
        for (uint64_t seed = 0; seed < 200; seed++) {
            struct igmp_setup setup = rig_setup(0);
            setup.seed = seed;
            joined(&setup, SOURCE);
            HEAR(rig_query_v3(packet, 0, codes[c], 2, 125, NULL, 0), START + 100 * S);
            const uint64_t delay_ns = igmp_due_ns(&igmp) - (START + 100 * S);
            cr_assert(delay_ns > 0 && delay_ns < max_ns, "%lu of %lu", (unsigned long)delay_ns, (unsigned long)max_ns);
            cr_assert_leq(delay_ns + (max_ns >= 400 * MS ? 100 * MS : max_ns / 4), max_ns, "not at the very end");
            least_ns = delay_ns < least_ns ? delay_ns : least_ns;
            most_ns = delay_ns > most_ns ? delay_ns : most_ns;
            cr_assert(take(igmp_due_ns(&igmp)) > 0);
            cr_assert(message.record_count == 2 && message.record[0].type == IGMP_IS_IN &&
                      message.record[1].type == IGMP_IS_EX);
            cr_assert_eq(igmp_due_ns(&igmp), IGMP_NEVER);
        }
        cr_expect_lt(least_ns, max_ns / 8);
        cr_expect_gt(most_ns, max_ns / 2);
    }
}

Test(igmp, the_earlier_of_two_answers_wins)
{
    const struct igmp_setup setup = rig_setup(0);
    joined(&setup, SOURCE);
    HEAR(rig_query_v3(packet, 0, 255, 2, 125, NULL, 0), START + 20 * S);
    HEAR(rig_query_v3(packet, 0, 1, 2, 125, NULL, 0), START + 21 * S);
    cr_expect_leq(igmp_due_ns(&igmp), START + 21 * S + 100 * MS);
    cr_expect_eq(pass(START + 10000 * S), 1u, "one answer for both");
    HEAR(rig_query_v3(packet, 0, 10, 2, 125, NULL, 0), START + 20000 * S);
    const uint64_t due_ns = igmp_due_ns(&igmp);
    HEAR(rig_query_v3(packet, 0, 255, 2, 125, NULL, 0), START + 20000 * S);
    HEAR(rig_query_v3(packet, GROUP, 255, 2, 125, NULL, 0), START + 20000 * S);
    cr_expect_eq(igmp_due_ns(&igmp), due_ns, "said with everything, earlier");
    cr_expect_eq(pass(START + 30000 * S), 1u);
}

Test(igmp, a_query_about_a_group_or_its_sources_is_answered_about_these)
{
    const struct igmp_setup setup = rig_setup(0);
    igmp_begin(&igmp, &setup);
    igmp_add(&igmp, GROUP, SOURCE);
    igmp_add(&igmp, GROUP, SOURCE_2);
    igmp_add(&igmp, GROUP_2, 0);
    igmp_join(&igmp, START);
    pass(START + 10 * S);
    const uint32_t theirs[2] = {HOST, QUERIER}, one[2] = {HOST, SOURCE_2}, other[1] = {SOURCE};

    HEAR(rig_query_v3(packet, GROUP, 10, 2, 125, NULL, 0), START + 20 * S);
    cr_assert_eq(pass(START + 21 * S), 1u);
    cr_expect(message.record_count == 1 && message.record[0].type == IGMP_IS_IN && message.record[0].source_count == 2);
    HEAR(rig_query_v3(packet, GROUP, 10, 2, 125, one, 2), START + 30 * S);
    cr_assert_eq(pass(START + 31 * S), 1u);
    cr_expect(message.record[0].source_count == 1 && message.record[0].source[0] == SOURCE_2);
    HEAR(rig_query_v3(packet, GROUP, 10, 2, 125, theirs, 2), START + 40 * S);
    cr_expect_eq(pass(START + 50 * S), 0u, "not ours");
    HEAR(rig_query_v3(packet, GROUP + 1, 10, 2, 125, NULL, 0), START + 50 * S);
    cr_expect_eq(pass(START + 60 * S), 0u, "not ours");
    HEAR(rig_query_v3(packet, GROUP_2, 10, 2, 125, theirs, 2), START + 60 * S);
    cr_assert_eq(pass(START + 61 * S), 1u, "from all includes these");
    cr_expect(message.record[0].type == IGMP_IS_EX && message.record[0].group == GROUP_2);
    HEAR(rig_query_v3(packet, GROUP, 10, 2, 125, one, 2), START + 70 * S);
    HEAR(rig_query_v3(packet, GROUP, 10, 2, 125, other, 1), START + 70 * S);
    cr_assert_eq(pass(START + 71 * S), 1u, "both in one answer");
    cr_expect_eq(message.record[0].source_count, 2u);
    HEAR(rig_query_v3(packet, GROUP, 10, 2, 125, one, 2), START + 80 * S);
    HEAR(rig_query_v3(packet, GROUP, 10, 2, 125, NULL, 0), START + 80 * S);
    cr_assert_eq(pass(START + 81 * S), 1u);
    cr_expect_eq(message.record[0].source_count, 2u, "the whole group was asked for too");
    HEAR(rig_query_v3(packet, GROUP, 10, 2, 125, one, 2), START + 90 * S);
    cr_assert_eq(pass(START + 91 * S), 1u);
    cr_expect_eq(message.record[0].source_count, 1u, "what was asked before is forgotten");
}

Test(igmp, version_2_is_silent_when_another_host_has_reported_and_version_3_is_not)
{
    struct igmp_setup setup = rig_setup(0);
    joined(&setup, 0);
    HEAR(rig_query(packet, 2, 0, 100), START + 20 * S);
    HEAR(rig_report(packet, 2, GROUP), START + 20 * S);
    cr_assert_eq(pass(START + 40 * S), 1u);
    cr_expect(message.type == 0x16 && message.group == GROUP_2);
    cr_expect_eq(igmp.counters.suppressed_count, 1u);
    setup.version = 3;
    joined(&setup, 0);
    HEAR(rig_query(packet, 2, 0, 100), START + 20 * S);
    HEAR(rig_report(packet, 2, GROUP), START + 20 * S);
    cr_assert_eq(pass(START + 40 * S), 1u);
    cr_expect(message.type == 0x22 && message.record_count == 2, "version 3 always: an older querier changes nothing");
}

Test(igmp, an_older_querier_is_answered_in_its_version_until_it_has_been_silent_long_enough)
{
    const struct igmp_setup setup = rig_setup(0);
    for (uint32_t version = 1; version <= 2; version++) {
        const uint64_t heard_ns = START + 100 * S, until_ns = heard_ns + (2 * 125 + 10) * S;
        joined(&setup, SOURCE);
        HEAR(rig_query(packet, version, 0, 100), heard_ns);
        cr_expect_eq(pass(heard_ns + 10 * S), 2u);
        cr_expect_eq(message.type, version == 1 ? 0x12u : 0x16u);
        HEAR(rig_query_v3(packet, 0, 10, 2, 125, NULL, 0), until_ns - 20 * S);
        cr_expect_eq(pass(until_ns - 10 * S), 2u, "also the queries of a newer one");
        cr_expect_eq(message.type, version == 1 ? 0x12u : 0x16u);
        HEAR(rig_query_v3(packet, 0, 10, 2, 125, NULL, 0), until_ns);
        cr_expect_eq(pass(until_ns + 10 * S), 1u);
        cr_expect_eq(message.type, 0x22u, "back in version 3");
        cr_expect_eq(igmp.counters.older_count, 1u);
        HEAR(rig_query(packet, version, 0, 100), until_ns + 100 * S);
        igmp_leave(&igmp, until_ns + 100 * S);
        cr_expect_eq(pass(until_ns + 200 * S), version == 1 ? 0u : 2u, "version 1 has no leave");
        cr_expect(version == 1 || message.type == 0x17);
        cr_expect(igmp_left(&igmp));
    }
}

Test(igmp, an_answer_that_is_pending_when_the_version_changes_goes_out_in_the_new_one)
{
    const struct igmp_setup setup = rig_setup(0);
    joined(&setup, SOURCE);
    HEAR(rig_query_v3(packet, 0, 100, 2, 125, NULL, 0), START + 20 * S);
    const uint64_t due_ns = igmp_due_ns(&igmp);
    HEAR(rig_query(packet, 2, GROUP + 5, 10), START + 20 * S); /* of a group that is not ours */
    cr_expect_eq(igmp_due_ns(&igmp), due_ns);
    cr_expect_eq(pass(START + 30 * S), 2u);
    cr_expect_eq(message.type, 0x16u);
    /* and the other way: a v3 query of 3,174 s leaves answers that are still pending when version 3 comes back */
    HEAR(rig_query_v3(packet, 0, 255, 2, 125, NULL, 0), START + 100 * S);
    cr_assert_gt(igmp_due_ns(&igmp), START + 100 * S);
    uint8_t types[256] = {0};
    for (uint64_t at_ns; (at_ns = igmp_due_ns(&igmp)) != IGMP_NEVER;)
        while (take(at_ns) > 0)
            types[message.type]++;
    cr_expect_eq(types[0x16] + types[0x22], 2);
}

Test(igmp, a_fixed_version_2_knows_version_1_and_takes_version_3_queries)
{
    const struct igmp_setup setup = rig_setup(2);
    joined(&setup, SOURCE);
    HEAR(rig_query_v3(packet, 0, 10, 2, 125, NULL, 0), START + 20 * S);
    cr_expect_eq(pass(START + 21 * S), 2u);
    cr_expect_eq(message.type, 0x16u);
    HEAR(rig_query(packet, 1, 0, 0), START + 30 * S);
    cr_expect_eq(pass(START + 40 * S), 2u);
    cr_expect_eq(message.type, 0x12u);
}

Test(igmp, the_queriers_robustness_is_taken_within_2_to_7)
{
    const struct igmp_setup setup = rig_setup(0);
    for (uint8_t qrv = 0; qrv < 8; qrv++) {
        joined(&setup, SOURCE);
        HEAR(rig_query_v3(packet, 0, 10, 4, 125, NULL, 0), START + 20 * S);
        HEAR(rig_query_v3(packet, 0, 10, qrv, 125, NULL, 0), START + 20 * S);
        igmp_leave(&igmp, START + 30 * S);
        cr_expect_eq(pass(START + 40 * S), qrv == 0 ? 4u : qrv < 2 ? 2u : qrv, "QRV %u", qrv);
    }
}

Test(igmp, everything_is_refreshed_while_no_querier_speaks)
{
    struct igmp_setup setup = rig_setup(0);
    setup.refresh_ns = 60 * S;
    begin(&setup, SOURCE);
    igmp_join(&igmp, START);
    cr_expect_eq(pass(START + 1 * S), 2u);
    for (uint32_t i = 1; i <= 10; i++) {
        cr_assert_eq(igmp_due_ns(&igmp), START + i * 60 * S);
        cr_assert_eq(pass(START + i * 60 * S), 1u);
        cr_expect(message.record_count == 2 && message.record[1].type == IGMP_IS_EX);
    }
    cr_expect_eq(igmp.counters.refresh_count, 10u);
    /* a querier: it asks, so nothing is said unasked; when it has gone, the refresh goes on at once */
    uint64_t at_ns = START + 601 * S;
    for (uint32_t i = 0; i < 20; i++, at_ns += 125 * S) {
        HEAR(rig_query_v3(packet, 0, 100, 2, 125, NULL, 0), at_ns);
        cr_expect_eq(pass(at_ns + 124 * S), 1u);
    }
    cr_expect_eq(igmp.counters.refresh_count, 10u);
    at_ns -= 125 * S;
    cr_expect_eq(igmp_due_ns(&igmp), at_ns + 250 * S);
    cr_expect_eq(pass(at_ns + 250 * S), 1u);
    cr_expect_eq(pass(at_ns + 310 * S), 1u);
    /* an older one does not tell its interval: it is taken as it was seen, at least a second */
    HEAR(rig_query(packet, 2, 0, 10), at_ns + 1000 * S);
    HEAR(rig_query(packet, 2, 0, 10), at_ns + 1005 * S);
    pass(at_ns + 1007 * S);
    cr_expect_eq(igmp_due_ns(&igmp), at_ns + 1015 * S);
}

Test(igmp, no_query_puts_the_refresh_off_for_longer_than_a_querier_of_default_settings)
{
    struct igmp_setup setup = rig_setup(0);
    setup.refresh_ns = 60 * S;
    begin(&setup, SOURCE);
    igmp_join(&igmp, START);
    HEAR(rig_query_v3(packet, 0, 255, 7, 255, NULL, 0), START + 1 * S); /* asks again in nine hours, it says */
    pass(START + 2 * S);
    cr_expect_leq(igmp_due_ns(&igmp), START + 251 * S);
    pass(START + 251 * S);
    cr_expect_eq(igmp.counters.refresh_count, 1u);
}

Test(igmp, without_refresh_nothing_is_said_unasked_for_a_day)
{
    const struct igmp_setup setup = rig_setup(0);
    joined(&setup, SOURCE);
    cr_expect_eq(pass(START + DAY), 0u);
}

Test(igmp, a_flood_is_bounded_and_starves_nothing)
{
    for (uint8_t version = 2; version <= 3; version++) {
        struct igmp_setup setup = rig_setup(version);
        uint64_t told_ns = START + 20 * S, worst_ns = 0, frames = 0;
        joined(&setup, SOURCE);
        for (uint64_t at_ns = START + 20 * S; at_ns < START + 80 * S; at_ns += 100000) { /* 10,000 a second */
            const uint64_t i = at_ns / 100000;
            const uint32_t len = i % 3 == 0   ? rig_query(packet, 2, 0, 255)
                                 : i % 3 == 1 ? rig_query_v3(packet, GROUP + 7, 1, 2, 125, NULL, 0)
                                              : rig_query_v3(packet, 0, 255, 2, 125, NULL, 0);
            HEAR(len, at_ns);
            if (at_ns % (20 * MS) == 0)
                while (take(at_ns) > 0) {
                    frames++;
                    if (message.type == 0x16 ? message.group == GROUP : message.record_count == 2) {
                        worst_ns = at_ns - told_ns > worst_ns ? at_ns - told_ns : worst_ns;
                        told_ns = at_ns;
                    }
                }
        }
        cr_expect_gt(igmp.counters.verdict_count[IGMP_LIMITED], 590000u);
        cr_expect_leq(worst_ns, 4 * S, "version %u: not told for %lu ms", version, (unsigned long)(worst_ns / MS));
        cr_expect_leq(frames, 60u * 20u * 2u, "version %u: %lu frames in a minute", version, (unsigned long)frames);
        cr_expect_geq(frames, 15u);
    }
}

Test(igmp, hostile_bytes_of_every_length_change_nothing_that_matters)
{
    const struct igmp_setup setup = rig_setup(0);
    const uint32_t sources[3] = {SOURCE, SOURCE_2, HOST};
    uint64_t now_ns = START + 20 * S;

    joined(&setup, SOURCE);
    srand(1);
    for (uint32_t len = 0; len <= 80; len++)
        for (uint32_t round = 0; round < 300; round++, now_ns += 50 * MS) {
            uint32_t full = rig_query_v3(packet, GROUP, 10, 2, 125, sources, 3);
            for (uint32_t i = 0; i < 1 + round % 5; i++)
                packet[rand() % 76] = (uint8_t)rand();
            if (round % 2 && (packet[0] & 15) >= 5 && (packet[0] & 15) * 4u + 8 <= full)
                rig_seal(packet, full);
            uint8_t *exact = malloc(len > 0 ? len : 1);
            cr_assert_not_null(exact);
            memcpy(exact, packet, len < RIG_PACKET_MAX ? len : RIG_PACKET_MAX);
            igmp_receive(&igmp, exact, len, now_ns);
            free(exact);
            while (take(now_ns) > 0)
                ;
        }
    uint64_t sum = 0;
    for (uint32_t i = 0; i < IGMP_VERDICT_COUNT; i++)
        sum += igmp.counters.verdict_count[i];
    cr_expect_eq(sum, 81u * 300u, "each is counted once");
    now_ns += 7200 * S;
    HEAR(rig_query_v3(packet, 0, 10, 2, 125, NULL, 0), now_ns);
    cr_assert_geq(pass(now_ns + 1 * S), 1u);
    cr_expect(message.record_count == 2 && message.record[0].source[0] == SOURCE);
}

Test(igmp, groups_and_sources_are_merged_and_bounded)
{
    const struct igmp_setup setup = rig_setup(0);
    igmp_begin(&igmp, &setup);
    cr_expect(igmp_add(&igmp, IGMP_ALL_SYSTEMS, 0));
    cr_expect_eq(igmp.group_count, 0u);
    /* interleaved, so that lists move in memory */
    for (uint32_t i = 0; i < 10; i++)
        for (uint32_t g = 0; g < 5; g++)
            cr_assert(igmp_add(&igmp, GROUP + g, SOURCE + i % 7));
    cr_expect_eq(igmp.source_count, 35u);
    cr_expect(igmp_add(&igmp, GROUP + 1, 0), "from all: the list is gone");
    cr_expect(igmp_add(&igmp, GROUP + 1, SOURCE), "and stays so");
    cr_expect_eq(igmp.source_count, 28u);
    igmp_join(&igmp, START);
    cr_assert(take(START) > 0);
    cr_assert_eq(message.record_count, 5u);
    for (uint32_t g = 0; g < 5; g++) {
        cr_expect_eq(message.record[g].source_count, g == 1 ? 0u : 7u);
        for (uint32_t i = 0; i < message.record[g].source_count; i++)
            cr_expect_eq(message.record[g].source[i], SOURCE + i, "group %u source %u", g, i);
    }
    igmp_begin(&igmp, &setup);
    for (uint32_t i = 0; i < IGMP_GROUPS_MAX; i++)
        cr_assert(igmp_add(&igmp, GROUP + i, SOURCE));
    cr_expect_not(igmp_add(&igmp, GROUP - 1, 0));
    cr_expect_not(igmp_add(&igmp, GROUP, SOURCE_2));
    igmp_join(&igmp, START);
    uint32_t told = 0, frames = 0;
    for (; take(START) > 0; frames++)
        told += message.record_count;
    cr_expect_eq(told, IGMP_GROUPS_MAX, "in as many reports as it takes");
    cr_expect_eq(frames, 2u);
}

/* --- a day beside a router that keeps to the RFCs
 * ------------------------------------------------------------------------------------- */

struct router {
    uint32_t version;
    uint64_t interval_ns, response_ns, last_ns; /* query interval, response interval, last member query interval */
    uint32_t robustness;
    uint64_t general_due_ns;
    uint32_t general_count;
    uint64_t until_ns[2];         /* membership of GROUP (from SOURCE) and GROUP_2; 0: none yet */
    uint64_t specific_due_ns;     /* somebody else left: groups are asked about in turn */
    uint32_t specific_left, specific_group;
};

static uint8_t code_of(uint64_t ns, uint64_t unit_ns)
{
    uint8_t code = 0;
    while (code < 255 && igmp_wire_code((uint8_t)(code + 1)) * unit_ns <= ns)
        code++;
    return code;
}

static void router_report(struct router *router, uint32_t group, uint64_t now_ns)
{
    /* group membership interval: RFC 2236 section 8.4, RFC 3376 section 8.4 */
    const uint64_t until_ns = now_ns + router->robustness * router->interval_ns + router->response_ns;
    uint64_t *held_ns = &router->until_ns[group == GROUP ? 0 : 1];
    *held_ns = until_ns > *held_ns ? until_ns : *held_ns;
}

static void router_take(struct router *router, uint64_t now_ns)
{
    if (message.type != 0x22) {
        if (router->version >= 2 || message.type == 0x12)
            router_report(router, message.group, now_ns);
        return;
    }
    cr_assert_eq(router->version, 3u, "an older router would not understand it");
    for (uint32_t i = 0; i < message.record_count; i++) {
        const struct rig_record *record = &message.record[i];
        cr_assert(record->type == IGMP_IS_IN || record->type == IGMP_IS_EX || record->type == IGMP_TO_EX ||
                  record->type == IGMP_ALLOW);
        if (record->group == GROUP)
            cr_assert(record->source_count == 1 && record->source[0] == SOURCE);
        router_report(router, record->group, now_ns);
    }
}

static uint32_t query_of(const struct router *router, uint32_t group, bool sources)
{
    const uint32_t source = SOURCE;
    const uint8_t code = code_of(group ? router->last_ns : router->response_ns, 100 * MS);
    if (router->version < 3)
        return rig_query(packet, router->version, group, code);
    return rig_query_v3(packet, group, code, (uint8_t)router->robustness, code_of(router->interval_ns, S), &source,
                        sources ? 1 : 0);
}

/* One day; `loss`: as many packets in a row are lost as the robustness allows for. */
static void day(uint32_t version, uint32_t interval_s, uint32_t response_s, uint32_t robustness, bool loss,
                uint64_t seed)
{
    struct igmp_setup setup = rig_setup(0);
    struct router router = {.version = version, .interval_ns = interval_s * S, .response_ns = response_s * S,
                            .last_ns = 1 * S, .robustness = robustness, .general_due_ns = START + 7 * S};
    uint32_t dice = (uint32_t)seed, lost = 0;

    setup.seed = seed;
    begin(&setup, SOURCE);
    igmp_join(&igmp, START);
    for (uint64_t now_ns = START; now_ns < START + DAY;) {
        const uint64_t tick_ns = 20 * MS; /* how often a control thread looks */
        uint64_t next_ns = igmp_due_ns(&igmp);
        next_ns = next_ns == IGMP_NEVER ? next_ns : (next_ns + tick_ns - 1) / tick_ns * tick_ns;
        next_ns = router.general_due_ns < next_ns ? router.general_due_ns : next_ns;
        if (router.specific_left > 0 && router.specific_due_ns < next_ns)
            next_ns = router.specific_due_ns;
        now_ns = next_ns > now_ns ? next_ns : now_ns;
        for (uint32_t i = 0; i < 2; i++)
            cr_assert(router.until_ns[i] == 0 ? now_ns < START + 400 * S : now_ns <= router.until_ns[i],
                      "version %u, interval %u, response %u, robustness %u, loss %d, seed %lu: group %u lapsed at "
                      "%lu s", version, interval_s, response_s, robustness, loss, (unsigned long)seed, i,
                      (unsigned long)((now_ns - START) / S));
        while (take(now_ns) > 0)
            if (message.type != 0x22 || version == 3) /* what an older router does not know it ignores */
                router_take(&router, now_ns);
        if (now_ns >= router.general_due_ns) {
            router.general_due_ns += ++router.general_count < robustness ? router.interval_ns / 4 : router.interval_ns;
            dice = dice * 1664525u + 1013904223u;
            /* a query that is lost costs one of the robustness; what follows must come through */
            if (loss && router.general_count > robustness && dice >> 28 < 4 && lost < robustness - 1) {
                lost++;
            } else {
                lost = 0;
                HEAR(query_of(&router, 0, false), now_ns);
            }
            if (version == 2 && dice >> 20 & 1) { /* another member is faster: both stay members */
                HEAR(rig_report(packet, 2, GROUP), now_ns);
                router_report(&router, GROUP, now_ns);
            }
            /* and now and then somebody leaves, so that it asks about the group (RFC 3376 section 6.6.3) */
            if (version >= 2 && (dice >> 16 & 7) == 0 && router.specific_left == 0) {
                router.specific_left = robustness;
                router.specific_due_ns = now_ns + 3 * MS;
                router.specific_group = dice >> 24 & 1;
            }
        }
        if (router.specific_left > 0 && now_ns >= router.specific_due_ns) {
            uint64_t *until_ns = &router.until_ns[router.specific_group];
            const uint64_t last_ns = now_ns + robustness * router.last_ns;
            if (router.specific_left == robustness && *until_ns > last_ns)
                *until_ns = last_ns;
            HEAR(query_of(&router, router.specific_group == 0 ? GROUP : GROUP_2, dice >> 25 & 1), now_ns);
            router.specific_left--;
            router.specific_due_ns = now_ns + router.last_ns;
        }
    }
    cr_expect_eq(igmp.counters.verdict_count[IGMP_LIMITED], 0u);
}

Test(igmp, membership_at_a_router_never_lapses_in_a_day_of_any_query_pattern, .timeout = 100)
{
    static const struct { uint32_t interval_s, response_s, robustness; } rows[] = {
        {125, 10, 2}, {125, 1, 2}, {10, 1, 2}, {30, 25, 3}, {300, 10, 2}, {60, 20, 7}};
    for (uint32_t version = 1; version <= 3; version++)
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
            for (uint64_t seed = 1; seed <= 4; seed++)
                /* a router of version 1 waits ten seconds for answers, whatever it is told */
                day(version, rows[i].interval_s, version == 1 ? 10 : rows[i].response_s, rows[i].robustness, seed > 2,
                    seed);
}
