/* The warm path: while a strategy lcore has nothing to do, the way of an order is walked up to the transmit queue, so
 * that the first order after a quiet minute finds more of its code and data in the caches. Gate, frame, checksum, send
 * log: all but the doorbell, and without a trace: nothing is reserved, counted, numbered or logged, no byte leaves.
 * Owner lcore. */
#ifndef GATEWAY_WARM_H
#define GATEWAY_WARM_H

#include "ring/order_intent.h"

#include <stdbool.h>
#include <stdint.h>

#define WARM_IDLE_TURNS 64u /* between two looks at the TSC, which costs as much as a turn */

struct strategy_lcore;

struct warm {
    uint64_t ticks;             /* TSC ticks between two walks; 0 = never */
    uint64_t due_tsc;
    uint32_t idle_count;        /* turns */
    uint8_t strategy;           /* whose order is walked, and ... */
    bool known;                 /* ... is there one? */
    struct order_intent intent; /* ... which: the newest new order */
    uint64_t walk_count;
};

/* A new order has gone out: the next walks go its way. */
static inline void warm_note(struct warm *warm, const struct order_intent *intent, uint8_t strategy)
{
    warm->intent = *intent;
    warm->strategy = strategy;
    warm->known = true;
}

/* Once an idle turn. */
void warm_turn(struct strategy_lcore *lcore);
/* Walk now. True: to the doorbell; false: the gate, the session or a busy frame ended it before. */
bool warm_walk(struct strategy_lcore *lcore);

#endif
