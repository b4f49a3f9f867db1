/* Histogram of latencies: log-linear, 64 buckets to each power of two, so that a reported value is at most 1/64 (1.6 %)
 * above the true one. One writer, any reader, no lock: a reader may see a record that is being made half done (count
 * and bucket differ by one), never a torn number. Values are TSC ticks on hot lcores; hist_quantile gives them back and
 * the report turns them into nanoseconds. */
#ifndef RING_HIST_H
#define RING_HIST_H

#include <stdint.h>

#define HIST_SUB_BITS 6u
#define HIST_BUCKETS ((64u - HIST_SUB_BITS + 1u) << HIST_SUB_BITS)

struct hist {
    uint64_t count; /* writer: the owner lcore; readers: control thread */
    uint64_t sum;
    uint64_t max;
    uint64_t min;   /* UINT64_MAX when empty */
    uint64_t bucket[HIST_BUCKETS];
};

void hist_init(struct hist *hist);

/* Bucket that holds `value`. */
static inline uint32_t hist_bucket(uint64_t value)
{
    if (value < (1u << HIST_SUB_BITS))
        return (uint32_t)value;
    const uint32_t shift = 63u - HIST_SUB_BITS - (uint32_t)__builtin_clzll(value);
    return ((shift + 1u) << HIST_SUB_BITS) + (uint32_t)((value >> shift) & ((1u << HIST_SUB_BITS) - 1u));
}

/* Count one value, whose bucket is known. Owner's thread. */
static inline void hist_record_in(struct hist *hist, uint32_t bucket_idx, uint64_t value)
{
    uint64_t *bucket = &hist->bucket[bucket_idx];
    __atomic_store_n(bucket, *bucket + 1, __ATOMIC_RELAXED);
    __atomic_store_n(&hist->sum, hist->sum + value, __ATOMIC_RELAXED);
    if (value > hist->max)
        __atomic_store_n(&hist->max, value, __ATOMIC_RELAXED);
    if (value < hist->min)
        __atomic_store_n(&hist->min, value, __ATOMIC_RELAXED);
    __atomic_store_n(&hist->count, hist->count + 1, __ATOMIC_RELAXED);
}

/* Count one value. Owner's thread. */
static inline void hist_record(struct hist *hist, uint64_t value)
{
    hist_record_in(hist, hist_bucket(value), value);
}

/* Smallest recorded value v (to 1/64 upwards, never above max) such that at least `fraction` of all values are <= v;
 * fraction in 0 ... 1. 0 when the histogram is empty. Any thread; walks the buckets. */
uint64_t hist_quantile(const struct hist *hist, double fraction);

#endif
