/* Ticks of one round, kept one by one, and their quantiles without rounding. */
#ifndef TESTS_BENCH_SAMPLES_H
#define TESTS_BENCH_SAMPLES_H

#include "ring/check.h"

#include <stdint.h>

struct samples {
    uint64_t *ticks;
    uint32_t count, max;
};

void samples_init(struct samples *samples, uint32_t max);

/* At most `max` of them; none are there after count = 0. */
static inline void samples_add(struct samples *samples, uint64_t ticks)
{
    CHECK(samples->count < samples->max);
    samples->ticks[samples->count++] = ticks;
}

/* Sort them, and write the quantile of each of `count` fractions, in ns. There is at least one sample. */
void samples_quantiles(struct samples *samples, const double *fractions, uint32_t count, double *ret_ns);

#endif
