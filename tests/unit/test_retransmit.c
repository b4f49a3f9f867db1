/* Retransmission requests: their ranges, time-outs, servers and rate, against a window that the test fills. */
#include "feed/retransmit.h"
#include "ring/check.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define MS UINT64_C(1000000)
#define REORDER_NS MS

static const struct retransmit_params default_params = {
    .server_count = 2,
    .request_messages = 10,
    .in_flight = 3,
    .rate_per_s = 1000,
    .rate_burst = 100,
    .attempts = 4,
    .timeout_ns = 5 * MS,
    .timeout_max_ns = 15 * MS,
};

struct rig {
    struct retransmit retransmit;
    struct hold hold;
    void *memory;
    struct retransmit_view view;
};

/* Messages up to `next_seq` were delivered; the newest known is `newest_seq` - 1, seen at time 0. */
static void rig_open(struct rig *rig, const struct retransmit_params *params, uint64_t next_seq, uint64_t newest_seq)
{
    rig->memory = aligned_alloc(CACHE_LINE_BYTES, hold_footprint(1024));
    cr_assert(rig->memory);
    hold_init(&rig->hold, rig->memory, 1024);
    hold_clear(&rig->hold, next_seq);
    retransmit_init(&rig->retransmit, params);
    rig->view = (struct retransmit_view){
        .hold = &rig->hold, .next_seq = next_seq, .newest_seq = newest_seq, .reorder_ns = REORDER_NS};
}

static void put(struct rig *rig, uint64_t seq, uint32_t count, uint64_t now_ns)
{
    static uint8_t blocks[2 * 1024];
    cr_assert_eq(hold_put(&rig->hold, seq, count, blocks, 0, now_ns), count);
}

static void expect_request(struct rig *rig, uint64_t now_ns, uint64_t seq, uint32_t count, uint32_t server)
{
    struct retransmit_request request;
    cr_assert_eq(retransmit_next(&rig->retransmit, &rig->view, now_ns, &request), RETRANSMIT_REQUEST);
    cr_assert_eq(request.seq, seq, "%lu, not %lu", request.seq, seq);
    cr_assert_eq(request.count, count, "%u, not %u", request.count, count);
    cr_assert_eq(request.server, server);
}

static void expect_nothing(struct rig *rig, uint64_t now_ns, uint64_t check_ns)
{
    struct retransmit_request request;
    cr_assert_eq(retransmit_next(&rig->retransmit, &rig->view, now_ns, &request), RETRANSMIT_NOTHING);
    cr_assert_eq(rig->retransmit.check_ns, check_ns, "%lu, not %lu", rig->retransmit.check_ns, check_ns);
}

Test(retransmit, a_hole_is_asked_for_when_its_reorder_window_has_ended)
{
    struct rig rig;
    rig_open(&rig, &default_params, 5, 9);
    put(&rig, 8, 1, 100 * MS);
    expect_nothing(&rig, 100 * MS, 100 * MS + REORDER_NS);
    expect_nothing(&rig, 100 * MS + REORDER_NS - 1, 100 * MS + REORDER_NS);
    expect_request(&rig, 100 * MS + REORDER_NS, 5, 3, 0);
    expect_nothing(&rig, 100 * MS + REORDER_NS, 105 * MS + REORDER_NS);
    free(rig.memory);
}

Test(retransmit, unless_it_is_forced)
{
    struct rig rig;
    rig_open(&rig, &default_params, 5, 20);
    put(&rig, 8, 1, 100 * MS);
    put(&rig, 12, 1, 100 * MS);
    rig.view.tail_seen_ns = 100 * MS;
    rig.view.forced_seq = 9; /* holes that begin below */
    expect_request(&rig, 100 * MS, 5, 3, 0);
    expect_nothing(&rig, 100 * MS, 100 * MS + REORDER_NS); /* the second hole waits for its own */
    free(rig.memory);
}

/* A heartbeat has told of both; then a packet in between was kept, so that the first is as old as that. */
Test(retransmit, a_hole_that_is_older_than_the_one_in_front_of_it_does_not_wait_for_that)
{
    struct rig rig;
    rig_open(&rig, &default_params, 5, 20);
    put(&rig, 8, 4, 100 * MS);
    rig.view.tail_seen_ns = 99 * MS;
    expect_request(&rig, 100 * MS, 12, 8, 0);
    expect_nothing(&rig, 100 * MS, 101 * MS);
    expect_request(&rig, 101 * MS, 5, 3, 0);
    free(rig.memory);
}

Test(retransmit, ranges_are_cut_disjoint_and_never_beyond_the_newest)
{
    struct rig rig;
    rig_open(&rig, &default_params, 100, 127);
    put(&rig, 125, 1, 0);
    expect_request(&rig, 50 * MS, 100, 10, 0);
    expect_request(&rig, 50 * MS, 110, 10, 0);
    expect_request(&rig, 50 * MS, 120, 5, 0);
    expect_nothing(&rig, 50 * MS, 55 * MS); /* three are in flight; 126 waits */
    put(&rig, 120, 5, 51 * MS);
    expect_request(&rig, 51 * MS, 126, 1, 0);
    cr_assert_eq(rig.retransmit.filled_count, 1u);
    cr_assert_eq(rig.retransmit.message_count, 26u);
    free(rig.memory);
}

Test(retransmit, the_rest_of_a_short_answer_is_asked_for_at_once)
{
    struct rig rig;
    rig_open(&rig, &default_params, 100, 111);
    put(&rig, 110, 1, 0);
    expect_request(&rig, 50 * MS, 100, 10, 0);
    rig.view.next_seq = 104; /* four came and were delivered */
    hold_advance(&rig.hold, 104);
    expect_request(&rig, 51 * MS, 104, 6, 0);
    cr_assert_eq(rig.retransmit.again_count, 0u, "that is no time-out");
    expect_nothing(&rig, 51 * MS, 56 * MS);
    free(rig.memory);
}

Test(retransmit, time_outs_double_and_servers_take_turns_until_it_is_exhausted)
{
    struct rig rig;
    struct retransmit_request request;
    rig_open(&rig, &default_params, 5, 6);
    expect_request(&rig, 50 * MS, 5, 1, 0);
    expect_nothing(&rig, 50 * MS, 55 * MS);
    expect_nothing(&rig, 55 * MS - 1, 55 * MS);
    expect_request(&rig, 55 * MS, 5, 1, 1);
    expect_nothing(&rig, 55 * MS, 65 * MS);
    expect_request(&rig, 65 * MS, 5, 1, 0);
    expect_nothing(&rig, 65 * MS, 80 * MS); /* 20 ms, but 15 is the most */
    expect_request(&rig, 80 * MS, 5, 1, 1);
    expect_nothing(&rig, 80 * MS, 95 * MS);
    cr_assert_eq(retransmit_next(&rig.retransmit, &rig.view, 95 * MS, &request), RETRANSMIT_EXHAUSTED);
    cr_assert_eq(rig.retransmit.again_count, 3u);
    cr_assert_eq(rig.retransmit.request_count, 1u);
    free(rig.memory);
}

Test(retransmit, new_ranges_begin_with_a_server_that_answers)
{
    struct rig rig;
    rig_open(&rig, &default_params, 5, 6);
    expect_request(&rig, 50 * MS, 5, 1, 0);
    expect_request(&rig, 55 * MS, 5, 1, 1);
    rig.view.next_seq = 6;
    rig.view.newest_seq = 8;
    hold_advance(&rig.hold, 6);
    expect_request(&rig, 56 * MS, 6, 2, 1);
    free(rig.memory);
}

Test(retransmit, a_range_behind_the_first_hole_is_not_given_up_before_it)
{
    struct retransmit_params params = default_params;
    struct rig rig;
    struct retransmit_request request;
    params.attempts = 1;
    rig_open(&rig, &params, 5, 21);
    put(&rig, 10, 1, 0);
    put(&rig, 20, 1, 0);
    expect_request(&rig, 50 * MS, 5, 5, 0);
    expect_request(&rig, 50 * MS, 11, 9, 0);
    rig.view.next_seq = 7; /* the first one is being answered */
    hold_advance(&rig.hold, 7);
    expect_request(&rig, 54 * MS, 7, 3, 0);
    expect_nothing(&rig, 55 * MS, 59 * MS);
    rig.view.next_seq = 11;
    hold_advance(&rig.hold, 11);
    cr_assert_eq(retransmit_next(&rig.retransmit, &rig.view, 56 * MS, &request), RETRANSMIT_EXHAUSTED);
    free(rig.memory);
}

Test(retransmit, the_rate_is_kept)
{
    struct retransmit_params params = default_params;
    struct rig rig;
    struct retransmit_request request;
    params.rate_per_s = 100;
    params.rate_burst = 5;
    params.in_flight = RETRANSMIT_RANGES_MAX;
    params.request_messages = 1;
    params.timeout_ns = params.timeout_max_ns = MS;
    params.attempts = 1000000;
    rig_open(&rig, &params, 1, 1000);
    uint32_t count = 0, worst = 0, in_second = 0;
    for (uint64_t now_ns = 10000 * MS; now_ns < 14000 * MS; now_ns += MS / 2) {
        while (retransmit_next(&rig.retransmit, &rig.view, now_ns, &request) == RETRANSMIT_REQUEST)
            in_second++, count++;
        if (now_ns % (1000 * MS) == 999 * MS) {
            worst = in_second > worst ? in_second : worst;
            in_second = 0;
        }
    }
    cr_assert_leq(worst, 105u);
    cr_assert(count >= 400 && count <= 406, "%u requests in four seconds", count);
    cr_assert_gt(rig.retransmit.limited_count, 0u);
    free(rig.memory);
}

Test(retransmit, a_request_that_waits_for_the_rate_is_counted_once)
{
    struct retransmit_params params = default_params;
    struct rig rig;
    params.rate_per_s = 100;
    params.rate_burst = 1;
    params.timeout_ns = params.timeout_max_ns = 100 * MS;
    rig_open(&rig, &params, 100, 130);
    expect_request(&rig, 50 * MS, 100, 10, 0);
    for (uint64_t now_ns = 51 * MS; now_ns < 60 * MS; now_ns += MS) /* each packet of a line looks again */
        expect_nothing(&rig, now_ns, 60 * MS);
    cr_assert_eq(rig.retransmit.limited_count, 1u);
    expect_request(&rig, 60 * MS, 110, 10, 0);
    expect_nothing(&rig, 61 * MS, 70 * MS);
    cr_assert_eq(rig.retransmit.limited_count, 2u, "each that waits");
    retransmit_reset(&rig.retransmit);
    cr_assert_eq(rig.retransmit.check_ns, 0u, "what is missing next is looked at when it is seen");
    expect_nothing(&rig, 62 * MS, 70 * MS);
    cr_assert_eq(rig.retransmit.limited_count, 3u, "another one waits now");
    free(rig.memory);
}

Test(retransmit, nothing_is_in_flight_after_a_reset)
{
    struct rig rig;
    rig_open(&rig, &default_params, 5, 6);
    expect_request(&rig, 50 * MS, 5, 1, 0);
    retransmit_reset(&rig.retransmit);
    expect_request(&rig, 50 * MS, 5, 1, 0);
    free(rig.memory);
}

Test(retransmit, sequences_near_the_last_one)
{
    struct rig rig;
    rig_open(&rig, &default_params, UINT64_MAX - 4, UINT64_MAX);
    expect_request(&rig, 50 * MS, UINT64_MAX - 4, 4, 0);
    expect_nothing(&rig, 50 * MS, 55 * MS);
    free(rig.memory);
}
