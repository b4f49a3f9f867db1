/* Token buckets of the risk gate, in nanoseconds: time fills one, an order takes token_ns out. Exact: never more orders
 * than the rate and the burst allow, over any span. Pure; one owner. */
#ifndef GATEWAY_ORDER_RISK_BUCKET_H
#define GATEWAY_ORDER_RISK_BUCKET_H

#include "ring/check.h"

#include <stdbool.h>
#include <stdint.h>

struct risk_bucket {
    uint64_t token_ns;    /* 10^9 / rate, rounded up, at least 1 */
    uint64_t full_ns;     /* burst * token_ns: what it holds at most */
    int64_t level_ns;     /* what it holds now; below 0 where more was taken than there was */
    uint64_t refilled_ns; /* frame time of the last refill; 0 = never */
};

/* What is in it stays, as far as there is room: INT64_MAX is full. */
static inline void risk_bucket_set(struct risk_bucket *bucket, uint32_t per_s, uint32_t burst)
{
    bucket->token_ns = per_s > 0 ? (UINT64_C(1000000000) + per_s - 1) / per_s : UINT64_C(1000000000);
    bucket->full_ns = bucket->token_ns * burst;
    if (bucket->level_ns > (int64_t)bucket->full_ns)
        bucket->level_ns = (int64_t)bucket->full_ns;
}

/* Does it hold a token and `reserve` more at `now_ns`? Time that runs backwards adds nothing. */
static inline bool risk_bucket_holds(struct risk_bucket *bucket, uint32_t reserve, uint64_t now_ns)
{
    if (LIKELY(now_ns > bucket->refilled_ns)) {
        const uint64_t passed_ns = now_ns - bucket->refilled_ns;
        const uint64_t room_ns = bucket->full_ns - (uint64_t)bucket->level_ns; /* level is never above it */
        bucket->level_ns += (int64_t)(passed_ns < room_ns ? passed_ns : room_ns);
        bucket->refilled_ns = now_ns;
    }
    return bucket->level_ns >= (int64_t)((reserve + UINT64_C(1)) * bucket->token_ns);
}

/* Take a token, whether it is there or not. */
static inline void risk_bucket_take(struct risk_bucket *bucket)
{
    bucket->level_ns -= (int64_t)bucket->token_ns;
}

#endif
