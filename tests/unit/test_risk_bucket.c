/* risk_bucket: exact to the nanosecond; over any span never more than rate and burst allow. */
#include "gateway/order/risk_bucket.h"

#include <criterion/criterion.h>

static struct risk_bucket full(uint32_t per_s, uint32_t burst)
{
    struct risk_bucket bucket = {.level_ns = INT64_MAX};
    risk_bucket_set(&bucket, per_s, burst);
    return bucket;
}

static bool take(struct risk_bucket *bucket, uint64_t now_ns)
{
    if (!risk_bucket_holds(bucket, 0, now_ns))
        return false;
    risk_bucket_take(bucket);
    return true;
}

Test(risk_bucket, a_token_comes_with_the_nanosecond_that_completes_it)
{
    struct risk_bucket bucket = full(3, 2); /* 333,333,334 ns */
    cr_assert(take(&bucket, 10) && take(&bucket, 10));
    cr_assert_not(take(&bucket, 10));
    cr_assert_not(take(&bucket, 10 + 333333333));
    cr_assert(take(&bucket, 10 + 333333334));
    cr_assert_not(take(&bucket, 10 + 333333334));
}

Test(risk_bucket, what_is_kept_back_is_not_given)
{
    struct risk_bucket bucket = full(1000, 5);
    cr_assert(risk_bucket_holds(&bucket, 4, 1));
    cr_assert_not(risk_bucket_holds(&bucket, 5, 1));
    risk_bucket_take(&bucket);
    cr_assert(risk_bucket_holds(&bucket, 3, 1));
    cr_assert_not(risk_bucket_holds(&bucket, 4, 1));
}

Test(risk_bucket, what_was_taken_too_much_is_owed)
{
    struct risk_bucket bucket = full(1000, 1); /* one a millisecond */
    cr_assert(take(&bucket, 1000000));
    for (int i = 0; i < 3; i++)
        risk_bucket_take(&bucket);
    cr_assert_not(risk_bucket_holds(&bucket, 0, 4999999));
    cr_assert(risk_bucket_holds(&bucket, 0, 5000000));
    cr_assert(risk_bucket_holds(&bucket, 0, UINT64_MAX));
    cr_assert_not(risk_bucket_holds(&bucket, 1, UINT64_MAX), "and never more than full");
}

Test(risk_bucket, a_change_keeps_what_fits)
{
    struct risk_bucket bucket = full(1000, 4);
    risk_bucket_set(&bucket, 1000, 2);
    cr_assert(risk_bucket_holds(&bucket, 1, 1));
    cr_assert_not(risk_bucket_holds(&bucket, 2, 1));
    risk_bucket_set(&bucket, 1000, 4);
    cr_assert_not(risk_bucket_holds(&bucket, 2, 1), "a larger bucket is not a fuller one");
    risk_bucket_set(&bucket, 0, 1);
    cr_assert_eq(bucket.token_ns, 1000000000u, "no rate is one a second, not a division by nothing");
}

Test(risk_bucket, time_that_runs_back_adds_nothing_and_does_not_count_twice)
{
    struct risk_bucket bucket = full(1000, 1);
    cr_assert(take(&bucket, 5000000));
    cr_assert_not(take(&bucket, 1000000));
    cr_assert_not(take(&bucket, 5999999));
    cr_assert(take(&bucket, 6000000));
}
