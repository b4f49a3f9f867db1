/* The cold half of hist.h: set-up, quantiles, merging. Called by the control thread. */
#include "ring/hist.h"

#include <string.h>

void hist_init(struct hist *hist)
{
    memset(hist, 0, sizeof(*hist));
    hist->min = UINT64_MAX;
}

static uint64_t bucket_upper(uint32_t index)
{
    if (index < (1u << HIST_SUB_BITS))
        return index;
    const uint32_t shift = (index >> HIST_SUB_BITS) - 1u;
    const uint64_t base = (1u << HIST_SUB_BITS) + (index & ((1u << HIST_SUB_BITS) - 1u));
    return ((base + 1) << shift) - 1; /* wraps to UINT64_MAX in the last bucket, as it should */
}

uint64_t hist_quantile(const struct hist *hist, double fraction)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < HIST_BUCKETS; i++)
        total += __atomic_load_n(&hist->bucket[i], __ATOMIC_RELAXED);
    if (total == 0)
        return 0;

    const double wanted = fraction * (double)total;
    uint64_t seen = 0;
    uint64_t max = __atomic_load_n(&hist->max, __ATOMIC_RELAXED);
    for (uint32_t i = 0; i < HIST_BUCKETS; i++) {
        const uint64_t here = __atomic_load_n(&hist->bucket[i], __ATOMIC_RELAXED);
        seen += here;
        if (here > 0 && (double)seen >= wanted) {
            const uint64_t upper = bucket_upper(i);
            return upper < max ? upper : max;
        }
    }
    return max;
}
