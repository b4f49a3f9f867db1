/* hist: what it says is never below the truth and never more than 1/64 above it, at every magnitude. */
#include "ring/hist.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct hist hist;

static uint64_t random_state = 0x2545f4914f6cdd1du;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* All magnitudes are equally likely. */
static uint64_t next_value(void)
{
    return next_random() >> (next_random() % 64);
}

static int compare_u64(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* v <= reported <= v + v/64, and exact below 64. */
static void expect_close(uint64_t reported, uint64_t value)
{
    cr_assert(reported >= value && reported - value <= value / 64, "%llu reported for %llu",
              (unsigned long long)reported, (unsigned long long)value);
}

Test(hist, empty_histogram_answers_zero)
{
    hist_init(&hist);
    cr_assert_eq(hist_quantile(&hist, 0.0), 0);
    cr_assert_eq(hist_quantile(&hist, 0.5), 0);
    cr_assert_eq(hist_quantile(&hist, 1.0), 0);
    cr_assert_eq(hist.count, 0);
    cr_assert_eq(hist.max, 0);
    cr_assert_eq(hist.min, UINT64_MAX);
}

Test(hist, buckets_follow_each_other_without_hole_or_overlap)
{
    cr_assert_eq(hist_bucket(0), 0);
    uint32_t bucket = 0;
    for (uint64_t value = 1; value < 1u << 20; value++) {
        const uint32_t here = hist_bucket(value);
        cr_assert(here == bucket || here == bucket + 1, "value %llu", (unsigned long long)value);
        bucket = here;
    }
    for (unsigned shift = 0; shift < 64; shift++) { /* both sides of each power of two */
        const uint64_t power = (uint64_t)1 << shift;
        if (power > 1)
            cr_assert_eq(hist_bucket(power), hist_bucket(power - 1) + 1, "at 2^%u", shift);
    }
    cr_assert_eq(hist_bucket(UINT64_MAX), HIST_BUCKETS - 1);
}

Test(hist, values_below_64_are_kept_exactly)
{
    for (uint64_t value = 0; value < 64; value++) {
        hist_init(&hist);
        hist_record(&hist, value);
        hist_record(&hist, 1000); /* so that max does not hide the answer */
        cr_assert_eq(hist_quantile(&hist, 0.5), value);
    }
}

/* A second, huger value keeps `max` from correcting the answer: the bucket alone must be good enough. */
Test(hist, error_is_at_most_one_in_64_upwards_at_every_magnitude)
{
    for (unsigned shift = 0; shift < 64; shift++) {
        for (unsigned k = 0; k < 200; k++) {
            const uint64_t power = (uint64_t)1 << shift;
            uint64_t value = power + (next_random() & (power - 1));
            if (k == 0)
                value = power;
            if (k == 1)
                value = power + (power - 1);
            hist_init(&hist);
            hist_record(&hist, value);
            hist_record(&hist, UINT64_MAX);
            expect_close(hist_quantile(&hist, 0.5), value);
        }
    }
}

Test(hist, quantiles_agree_with_a_sorted_array)
{
    const double fractions[] = {0.0, 0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 0.9999, 1.0};
    static uint64_t values[10000];
    const size_t sizes[] = {1, 2, 3, 7, 100, 1000, 10000};
    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        const size_t size = sizes[s];
        hist_init(&hist);
        for (size_t i = 0; i < size; i++) {
            values[i] = next_value();
            hist_record(&hist, values[i]);
        }
        qsort(values, size, sizeof(values[0]), compare_u64);
        for (size_t f = 0; f < sizeof(fractions) / sizeof(fractions[0]); f++) {
            const double wanted = fractions[f] * (double)size;
            size_t rank = (size_t)ceil(wanted); /* smallest count of values that is at least this fraction */
            rank = rank < 1 ? 1 : rank;
            expect_close(hist_quantile(&hist, fractions[f]), values[rank - 1]);
        }
    }
}

Test(hist, quantiles_never_fall_with_rising_fraction_and_never_pass_max)
{
    hist_init(&hist);
    for (unsigned i = 0; i < 5000; i++)
        hist_record(&hist, next_value());
    uint64_t before = 0;
    for (unsigned i = 0; i <= 1000; i++) {
        const uint64_t value = hist_quantile(&hist, i / 1000.0);
        cr_assert_geq(value, before);
        cr_assert_leq(value, hist.max);
        before = value;
    }
    cr_assert_eq(hist_quantile(&hist, 1.0), hist.max);
}

Test(hist, one_slow_value_in_ten_thousand_shows_in_the_last_quantile_only)
{
    hist_init(&hist);
    for (unsigned i = 0; i < 9999; i++)
        hist_record(&hist, 50);
    hist_record(&hist, 1000000);
    cr_assert_eq(hist_quantile(&hist, 0.5), 50);
    cr_assert_eq(hist_quantile(&hist, 0.9999), 50);
    cr_assert_eq(hist_quantile(&hist, 1.0), 1000000);
}

Test(hist, count_sum_min_and_max_are_exact)
{
    uint64_t sum = 0, min = UINT64_MAX, max = 0;
    hist_init(&hist);
    for (unsigned i = 0; i < 1000; i++) {
        const uint64_t value = next_value() >> 11; /* the sum stays below 2^64 */
        hist_record(&hist, value);
        sum += value;
        min = value < min ? value : min;
        max = value > max ? value : max;
        cr_assert_eq(hist.count, i + 1);
        cr_assert_eq(hist.sum, sum);
        cr_assert_eq(hist.min, min);
        cr_assert_eq(hist.max, max);
    }
}

Test(hist, largest_value_has_a_bucket_and_comes_back)
{
    hist_init(&hist);
    hist_record(&hist, UINT64_MAX);
    hist_record(&hist, 0);
    cr_assert_eq(hist_quantile(&hist, 1.0), UINT64_MAX);
    cr_assert_eq(hist_quantile(&hist, 0.5), 0);
    cr_assert_eq(hist.bucket[HIST_BUCKETS - 1], 1);
    cr_assert_eq(hist.min, 0);
}
