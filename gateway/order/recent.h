/* The orders that a strategy has sent lately: has it sent the same one just now? Fixed memory; a search looks at those
 * with the same hash alone. Pure; one owner, the strategy lcore. */
#ifndef GATEWAY_ORDER_RECENT_H
#define GATEWAY_ORDER_RECENT_H

#include "ring/order_intent.h"

#define RECENT_ORDERS 256u /* one more than are remembered; a power of two */

struct recent_order {
    uint64_t sent_ns; /* decision time */
    uint64_t before;  /* number of the one before with the same hash, 0 = none */
    int32_t price;
    uint32_t qty;
    uint16_t channel, instrument;
    bool buy;
};

struct recent {
    uint64_t count;                           /* orders so far; they are numbered from 1 */
    uint64_t newest[RECENT_ORDERS];           /* number of the newest one of each hash, 0 = none */
    struct recent_order order[RECENT_ORDERS]; /* by number */
};

/* Was an order for the same instrument, side, price and quantity sent less than `window_ns` ago? Time that ran back
 * counts as none. */
bool recent_find(const struct recent *recent, const struct order_intent *intent, uint64_t now_ns, uint64_t window_ns);
/* Is the one that the next would be written over older than that? If not, more were sent than can be remembered. */
bool recent_room(const struct recent *recent, uint64_t now_ns, uint64_t window_ns);
void recent_push(struct recent *recent, const struct order_intent *intent, uint64_t now_ns);
/* The one that was just pushed was not sent after all. */
void recent_pop(struct recent *recent);

#endif
