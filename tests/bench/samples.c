/* See samples.h. */
#include "tests/bench/samples.h"

#include "tests/bench/bench.h"

#include <stdlib.h>

void samples_init(struct samples *samples, uint32_t max)
{
    *samples = (struct samples){.ticks = bench_alloc(max * sizeof(uint64_t)), .max = max};
}

static int compare_ticks(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

void samples_quantiles(struct samples *samples, const double *fractions, uint32_t count, double *ret_ns)
{
    CHECK(samples->count > 0);
    qsort(samples->ticks, samples->count, sizeof(uint64_t), compare_ticks);
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t at = (uint32_t)(fractions[i] * samples->count);
        ret_ns[i] = bench_ns(samples->ticks[at < samples->count ? at : samples->count - 1]);
    }
}
