/* Tick to trade by offered rate: the market of a gateway_rig at so many messages a second on an absolute schedule, on
 * line A when they are due, on line B RATE_LAG_NS later. */
#ifndef TESTS_BENCH_RATE_H
#define TESTS_BENCH_RATE_H

#include "tests/bench/gateway_rig.h"

#define RATES_MAX 14u
#define RATE_VALUES 7
#define RATE_NAMES {"p50", "p90", "p99", "p99.9", "p99.99", "max", "lost"}

struct rate {
    struct gateway_rig *rig;
    int peer_cpu;         /* of the strategy lcore, two-core */
    uint32_t per_s, frame_count;
    char name[48];        /* t2t_NAME_at_N_ns */
};

/* Rates from 10,000 on, doubled, until one loses frames three times in a row; of those below every one, or, for a brief
 * run, every third and the last. Returns how many. */
uint32_t rates_find(struct gateway_rig *rig, int peer_cpu, const char *name, bool brief,
                    struct rate ret_rates[RATES_MAX]);

/* A bench_case's run: RATE_VALUES of a struct rate, quantiles in ns and a number of frames. */
void rate_run(void *rate, double *ret_values);

#endif
