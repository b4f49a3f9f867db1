/* Arbitration alone: what a packet of one of two lines costs until it is known which of its messages are new. Sequence
 * numbers only, from a schedule that was made before: 1 to 13 messages a packet, 2.7 on average as in the open of 2023,
 * one packet in a thousand lost on each line, either line up to eight messages ahead of the other. One thread.
 *
 *   arb_ns             both lines cut alike: every second packet is a duplicate
 *   arb_cut_ns         B cut otherwise: many packets straddle
 *   limit_schedule_ns  the schedule read, and nothing asked */
#include "feed/arb.h"
#include "gateway/clock.h"
#include "tests/bench/bench.h"
#include "tests/bench/workload.h"

#define PACKETS 200000u     /* of one line */
#define LEAD_MAX 8u          /* messages */
#define COUNT_MAX 13u

struct packet {
    uint64_t seq;
    uint32_t count, line;
};

struct schedule {
    bool cut;
    struct packet *packets;
    uint32_t packet_count;
};

static struct arb arb;

/* Half of the packets hold one message, a few many. */
static uint32_t count_of(uint64_t *state)
{
    const uint64_t dice = workload_random(state);
    return dice % 2 == 0 ? 1 : 1 + (uint32_t)(dice >> 8) % 7 + ((dice >> 16) % 20 == 0 ? COUNT_MAX - 7 : 0);
}

/* Each line is a stream of its own; now this one is ahead, now that. */
static struct schedule *schedule_make(struct schedule *schedule, bool cut)
{
    struct packet next[2] = {{.seq = 1, .line = 0}, {.seq = 1, .line = 1}};
    uint64_t state[2] = {7, cut ? 11 : 7}, dice = 13;

    *schedule = (struct schedule){.cut = cut, .packets = bench_alloc(2 * PACKETS * sizeof(struct packet))};
    for (uint32_t i = 0; i < 2; i++)
        next[i].count = count_of(&state[i]);
    while (schedule->packet_count < 2 * PACKETS) {
        const uint64_t lead = workload_random(&dice) % (2 * LEAD_MAX);
        struct packet *packet = &next[next[1].seq + LEAD_MAX < next[0].seq + lead];
        if (workload_random(&dice) % 1000 != 0) /* lost otherwise */
            schedule->packets[schedule->packet_count++] = *packet;
        packet->seq += packet->count;
        packet->count = count_of(&state[packet->line]);
    }
    return schedule;
}

static void run_arb(void *context, double *ret_ns)
{
    const struct schedule *schedule = context;
    uint64_t verdicts[ARB_VERDICT_COUNT] = {0}, sum = 0;

    arb_init(&arb, 2, 1);
    const uint64_t begin_tsc = clock_tsc_ordered();
    for (uint32_t i = 0; i < schedule->packet_count; i++) {
        const struct packet *packet = &schedule->packets[i];
        uint32_t skip;
        const enum arb_verdict verdict = arb_accept(&arb, packet->line, packet->seq, packet->count, i, &skip);
        verdicts[verdict]++;
        sum += skip;
        if (verdict == ARB_GAP) /* lost on both, or the other line is behind: that is the channel's work, not ours */
            arb_pass_hole(&arb, packet->seq);
    }
    *ret_ns = bench_ns(clock_tsc_ordered() - begin_tsc) / schedule->packet_count;
    bench_keep(sum);
    CHECK(verdicts[ARB_FRESH] > 0 && verdicts[ARB_DUPLICATE] > 0);
    CHECK(!schedule->cut || verdicts[ARB_STRADDLING] > verdicts[ARB_DUPLICATE] / 4);
}

static void run_schedule(void *context, double *ret_ns)
{
    const struct schedule *schedule = context;
    uint64_t sum = 0;

    const uint64_t begin_tsc = clock_tsc_ordered();
    for (uint32_t i = 0; i < schedule->packet_count; i++) {
        sum += schedule->packets[i].seq + schedule->packets[i].count;
        bench_keep(sum);
    }
    *ret_ns = bench_ns(clock_tsc_ordered() - begin_tsc) / schedule->packet_count;
}

int main(int argc, char **argv)
{
    struct bench_options options;
    static struct schedule alike, cut;
    if (!bench_open(argc, argv, &options))
        return 2;
    const struct bench_case cases[] = {
        {.name = "arb_ns", .run = run_arb, .context = schedule_make(&alike, false)},
        {.name = "arb_cut_ns", .run = run_arb, .context = schedule_make(&cut, true)},
        {.name = "limit_schedule_ns", .run = run_schedule, .context = &alike},
    };
    return bench_run(&options, "arb", cases, sizeof(cases) / sizeof(cases[0]));
}
