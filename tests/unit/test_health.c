/* Health of lines: who was first and by how much, and who is silent. */
#include "feed/health.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define SILENCE_NS 3000000000u

static struct health *open_health(uint32_t line_count)
{
    struct health *health = malloc(sizeof(*health));
    cr_assert(health);
    health_init(health, line_count, SILENCE_NS);
    return health;
}

Test(health, nothing_is_known_before_the_first_packet)
{
    struct health *health = open_health(2);
    cr_assert_eq(health_deadline_ns(health), UINT64_MAX);
    cr_assert(!health_heard(health));
    cr_assert(!health_silent(health, 0, UINT64_MAX) && !health_all_silent(health, UINT64_MAX - 1));
    cr_assert_eq(health_margin(health, 0).count, 0u);
    free(health);
}

Test(health, margins_are_signed_and_seen_from_both_sides)
{
    struct health *health = open_health(2);
    health_packet(health, 0, 1, 3, 1000);
    health_packet(health, 1, 1, 3, 1040); /* B is 40 behind */
    health_packet(health, 1, 4, 1, 2000);
    health_packet(health, 0, 4, 1, 2009); /* A is 9 behind */
    health_packet(health, 0, 5, 1, 3000);
    health_packet(health, 1, 5, 1, 3020); /* B is 20 behind */
    const struct health_margin a = health_margin(health, 0), b = health_margin(health, 1);
    cr_assert_eq(a.count, 3u);
    cr_assert_eq(a.min_ns, -9);
    cr_assert_eq(a.p50_ns, 20);
    cr_assert_eq(a.max_ns, 40);
    cr_assert_eq(b.count, 3u);
    cr_assert_eq(b.min_ns, -40);
    cr_assert_eq(b.p50_ns, -20);
    cr_assert_eq(b.max_ns, 9);
    cr_assert_eq(health->line[0].first_count, 2u);
    cr_assert_eq(health->line[0].duplicate_count, 1u);
    cr_assert_eq(health->line[1].duplicate_count, 2u);
    free(health);
}

Test(health, only_another_line_is_a_margin)
{
    struct health *health = open_health(3);
    health_packet(health, 0, 1, 1, 1000);
    health_packet(health, 0, 1, 1, 1500); /* twice on one line */
    health_packet(health, 1, 0, 1, 1600); /* unsequenced */
    health_packet(health, 1, 2, 0, 1700); /* heartbeat */
    cr_assert_eq(health_margin(health, 0).count + health_margin(health, 1).count, 0u);
    health_packet(health, 1, 1, 1, 1800);
    health_packet(health, 2, 1, 1, 1900);
    cr_assert_eq(health_margin(health, 0).count, 2u, "ahead of two others");
    cr_assert_eq(health_margin(health, 2).max_ns, -900);
    free(health);
}

Test(health, packets_out_of_time_order_are_margins_too)
{
    struct health *health = open_health(2);
    health_packet(health, 0, 1, 1, 2000);
    health_packet(health, 1, 1, 1, 1990); /* came later in the capture, and was earlier */
    cr_assert_eq(health_margin(health, 0).min_ns, -10);
    cr_assert_eq(health_margin(health, 1).max_ns, 10);
    free(health);
}

Test(health, what_is_long_forgotten_is_no_margin)
{
    struct health *health = open_health(2);
    for (uint64_t seq = 1; seq <= HEALTH_SEEN_SLOTS + 1; seq++)
        health_packet(health, 0, seq, 1, seq);
    health_packet(health, 1, 1, 1, 9000); /* its place was taken */
    cr_assert_eq(health_margin(health, 1).count, 0u);
    health_packet(health, 1, 2, 1, 9000);
    cr_assert_eq(health_margin(health, 1).count, 1u);
    health_restart(health);
    health_packet(health, 1, 3, 1, 9000);
    cr_assert_eq(health_margin(health, 1).count, 1u, "a new session begins with nothing");
    cr_assert_eq(health->line[1].first_count, 1u);
    free(health);
}

Test(health, silence_of_one_line_and_of_all)
{
    struct health *health = open_health(2);
    health_packet(health, 0, 1, 1, 1000);
    cr_assert(health_heard(health));
    cr_assert(!health_silent(health, 1, 1000 + SILENCE_NS - 1), "has never spoken, but there was no time for it");
    cr_assert(health_silent(health, 1, 1000 + SILENCE_NS));
    health_packet(health, 1, 1, 0, 2000);
    cr_assert_eq(health_deadline_ns(health), 1000u + SILENCE_NS, "not every packet is a sign of life, the first is");
    health_alive(health, 2000);
    cr_assert_eq(health_deadline_ns(health), 2000u + SILENCE_NS);
    cr_assert(!health_silent(health, 0, 1000 + SILENCE_NS - 1));
    cr_assert(health_silent(health, 0, 1000 + SILENCE_NS));
    cr_assert(!health_silent(health, 1, 1000 + SILENCE_NS));
    cr_assert(!health_all_silent(health, 2000 + SILENCE_NS - 1));
    cr_assert(health_all_silent(health, 2000 + SILENCE_NS));
    health_packet(health, 0, 2, 1, 1000 + 2ull * SILENCE_NS);
    cr_assert_eq(health->line[0].silence_count, 1u);
    cr_assert_eq(health->line[0].silence_max_ns, 2ull * SILENCE_NS);
    cr_assert_eq(health->line[1].silence_count, 0u);
    free(health);
}

Test(health, a_silence_counts_each_time_and_however_long_the_longest_was)
{
    struct health *health = open_health(1);
    uint64_t now_ns = 1000;
    health_packet(health, 0, 1, 1, now_ns);
    health_packet(health, 0, 2, 1, now_ns += 3ull * SILENCE_NS);
    health_packet(health, 0, 3, 1, now_ns += SILENCE_NS);
    health_packet(health, 0, 4, 0, now_ns += SILENCE_NS - 1);
    health_packet(health, 0, 4, 1, now_ns -= 500); /* out of time order: no silence */
    health_packet(health, 0, 5, 1, now_ns += 2ull * SILENCE_NS);
    cr_assert_eq(health->line[0].silence_count, 3u);
    cr_assert_eq(health->line[0].silence_max_ns, 3ull * SILENCE_NS);
    cr_assert_eq(health->first_ns, 1000u);
    free(health);
}

Test(health, a_dead_line_is_silent_however_often_another_speaks)
{
    struct health *health = open_health(2);
    for (uint64_t seq = 1; seq <= 10; seq++)
        health_packet(health, 0, seq, 1, seq * 1000000000);
    cr_assert(!health_silent(health, 0, 10000000000));
    cr_assert(health_silent(health, 1, 10000000000));
    cr_assert(health_all_silent(health, 10000000000), "whether it says anything new is for others to know");
    health_alive(health, 10000000000);
    cr_assert(!health_all_silent(health, 10000000000));
    free(health);
}

Test(health, eight_lines_at_the_end_of_the_sequence)
{
    struct health *health = open_health(ARB_LINES_MAX);
    for (uint64_t seq = UINT64_MAX - 20; seq < UINT64_MAX; seq++)
        for (uint32_t line = 0; line < ARB_LINES_MAX; line++)
            health_packet(health, line, seq, 1, 100000 + line);
    cr_assert_eq(health->line[0].first_count, 20u);
    cr_assert_eq(health_margin(health, 0).count, 20u * (ARB_LINES_MAX - 1));
    for (uint32_t line = 1; line < ARB_LINES_MAX; line++) {
        const struct health_margin margin = health_margin(health, line);
        cr_assert_eq(health->line[line].duplicate_count, 20u);
        cr_assert_eq(margin.min_ns, -(int64_t)line);
        cr_assert_eq(margin.p50_ns, -(int64_t)line);
        cr_assert_eq(margin.max_ns, -(int64_t)line);
    }
    free(health);
}

Test(health, no_alarm_where_none_is_wanted)
{
    struct health *health = open_health(1);
    health_init(health, 1, 0);
    health_packet(health, 0, 1, 1, 1000);
    health_packet(health, 0, 2, 1, UINT64_MAX / 2);
    cr_assert_eq(health->line[0].silence_count, 0u);
    cr_assert_eq(health_deadline_ns(health), UINT64_MAX);
    cr_assert(!health_silent(health, 0, UINT64_MAX));
    free(health);
}
