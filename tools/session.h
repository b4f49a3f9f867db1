/* A synthetic day of Nasdaq TotalView-ITCH 5.0 in small, pulled one message at a time: what feedgen writes to captures,
 * and the workload of benchmarks and tests that want no files.
 *
 * It keeps a small L3 book of each symbol, so that what it says is what a venue could say: no book is ever crossed or
 * locked, no message is about an order that is not there, executions take the front of the best queue, a reference is
 * given once. Integers only and its own random numbers: the same parameters give the same messages on every machine.
 * One owner, any thread. It reads no clock and no file; memory is taken once, in session_open. */
#ifndef TOOLS_SESSION_H
#define TOOLS_SESSION_H

#include "feed/itch.h"

#include <stdbool.h>
#include <stdint.h>

#define SESSION_SYMBOLS_MAX 10000u
#define SESSION_MESSAGES_MAX (UINT64_C(1) << 32)
#define SESSION_RATE_MAX 2000000u
#define SESSION_ORDERS_MAX 4000000u
#define SESSION_CLUSTER_GAP_NS 1000u    /* messages closer than this belong together: one packet, if it has room */
#define SESSION_CLUSTER_MAX 38u         /* messages that come together, at most */
#define SESSION_OPEN_NS UINT64_C(34200000000000) /* 09:30 */
#define SESSION_LEAD_NS UINT64_C(2000000000)     /* the directory comes so long before the open */

/* xoshiro256** 1.0 (Blackman and Vigna, 2018), seeded by splitmix64. */
struct session_random { uint64_t state[4]; };

void session_random_init(struct session_random *random, uint64_t seed);
uint64_t session_random_next(struct session_random *random);
/* 0 ... bound - 1; bound >= 1. */
uint32_t session_random_below(struct session_random *random, uint32_t bound);
/* Exponentially distributed with this mean, to a few percent. */
uint64_t session_random_exponential(struct session_random *random, uint64_t mean);

struct session_params {
    uint64_t seed;
    uint64_t messages;      /* of the whole session; session_messages_min(symbols) ... SESSION_MESSAGES_MAX */
    uint64_t open_ns;       /* start of market hours since midnight, SESSION_LEAD_NS ... 86,400 s */
    uint32_t symbols;       /* stock locates 1 ... symbols; at most SESSION_SYMBOLS_MAX */
    uint32_t rate_per_s;    /* messages a second during market hours, on average; 1 ... SESSION_RATE_MAX */
    uint32_t orders;        /* alive at a time, aimed at, at most SESSION_ORDERS_MAX; twice as many can be. 0: by the
                             * number of symbols, as session_orders_max */
};

struct session;

/* Fewest messages that a session of so many symbols takes: directory, opening and closing, each type once. */
uint64_t session_messages_min(uint32_t symbols);

/* NULL when a parameter is out of range or there is no memory. */
struct session *session_open(const struct session_params *params);
void session_close(struct session *session);

/* The next message; its timestamps never run backwards. False when all `messages` have been given. Constant time but
 * for a binary search over the symbols. */
bool session_next(struct session *session, struct itch_msg *ret_msg);

uint64_t session_count(const struct session *session);       /* messages given so far */
bool session_flowing(const struct session *session);         /* between open and close: what to measure */
uint32_t session_order_count(const struct session *session); /* orders alive now */
uint32_t session_orders_max(uint32_t symbols);               /* most orders that can be alive at one time, where
                                                              * session_params.orders is 0 */

#endif
