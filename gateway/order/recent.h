/* The orders that a strategy has sent lately: has it sent the same one just now? Fixed memory; a search looks at those
 * with the same hash alone. In the header, so that the gate works a hash out once for a search and what follows it.
 * Pure; one owner, the strategy lcore. */
#ifndef GATEWAY_ORDER_RECENT_H
#define GATEWAY_ORDER_RECENT_H

#include "ring/order_intent.h"

#define RECENT_ORDERS 256u  /* one more than are remembered; a power of two */
#define RECENT_HASHES 1024u /* so many that most have none of those: then a search ends at once; a power of two */

struct recent_order {
    uint64_t sent_ns;  /* decision time */
    uint64_t where;    /* channel, instrument, price ... */
    uint64_t what;     /* ... quantity and side */
    uint32_t distance; /* to the one before with the same hash; RECENT_ORDERS: it is none of those remembered */
};

/* Orders are numbered from RECENT_ORDERS + 1, so that 0 is none that is remembered; modulo 2^32. */
struct recent {
    uint64_t count;                           /* orders so far */
    uint32_t newest[RECENT_HASHES];           /* number of the newest one of each hash */
    struct recent_order order[RECENT_ORDERS]; /* by number */
};

static inline uint64_t recent_where(const struct order_intent *intent)
{
    return (uint64_t)intent->channel << 48 | (uint64_t)intent->instrument << 32 | (uint32_t)intent->price;
}
static inline uint64_t recent_what(const struct order_intent *intent)
{
    return (uint64_t)intent->qty << 1 | (intent->side == 'B');
}
static inline uint32_t recent_hash(uint64_t where, uint64_t what)
{
    return (uint32_t)((where * 0x9e3779b97f4a7c15u + what * 0xc2b2ae3d27d4eb4fu) >> 48) % RECENT_HASHES;
}

static inline bool recent_is_fresh(const struct recent_order *order, uint64_t now_ns, uint64_t window_ns)
{
    return now_ns < order->sent_ns || now_ns - order->sent_ns < window_ns;
}

/* Was an order for the same instrument, side, price and quantity sent less than `window_ns` ago? Time that ran back
 * counts as none. */
static inline bool recent_find(const struct recent *recent, const struct order_intent *intent, uint64_t now_ns,
                               uint64_t window_ns)
{
    const uint64_t where = recent_where(intent), what = recent_what(intent);
    const uint32_t number = (uint32_t)recent->count + RECENT_ORDERS;
    uint32_t age = number - recent->newest[recent_hash(where, what)];

    while (age < RECENT_ORDERS - 1) { /* older ones are, or were, written over */
        const struct recent_order *order = &recent->order[(number - age) % RECENT_ORDERS];
        if (((order->where ^ where) | (order->what ^ what)) == 0 && recent_is_fresh(order, now_ns, window_ns))
            return true;
        age += order->distance;
    }
    return false;
}

/* Is the one that the next would be written over older than that? If not, more were sent than can be remembered. */
static inline bool recent_room(const struct recent *recent, uint64_t now_ns, uint64_t window_ns)
{
    return recent->count < RECENT_ORDERS ||
           !recent_is_fresh(&recent->order[(recent->count + 1) % RECENT_ORDERS], now_ns, window_ns);
}

static inline void recent_push(struct recent *recent, const struct order_intent *intent, uint64_t now_ns)
{
    const uint64_t where = recent_where(intent), what = recent_what(intent);
    uint32_t *newest = &recent->newest[recent_hash(where, what)];
    const uint32_t number = (uint32_t)++recent->count + RECENT_ORDERS, distance = number - *newest;

    recent->order[number % RECENT_ORDERS] =
        (struct recent_order){.sent_ns = now_ns,
                              .where = where,
                              .what = what,
                              .distance = distance - 1 < RECENT_ORDERS - 1 ? distance : RECENT_ORDERS};
    *newest = number;
}

/* The one that was just pushed was not sent after all. */
static inline void recent_pop(struct recent *recent)
{
    const struct recent_order *order = &recent->order[recent->count % RECENT_ORDERS];

    recent->newest[recent_hash(order->where, order->what)] = (uint32_t)recent->count + RECENT_ORDERS - order->distance;
    recent->count--;
}

#endif
