/* Open orders of one strategy lcore, by UserRefNum: what is reserved, for whom, since when. Fixed table indexed by
 * the low bits of the reference, which only grows; a slot that is still taken when its number comes round again
 * means "full". One owner; pure. */
#ifndef GATEWAY_ORDER_OPEN_H
#define GATEWAY_ORDER_OPEN_H

#include "ring/order_intent.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct open_order {
    uint32_t user_ref;   /* 0 = slot free */
    uint32_t qty;        /* shares still reserved */
    int32_t price;
    uint32_t tag;
    uint16_t channel;
    uint16_t instrument;
    uint8_t side;
    uint8_t strategy;    /* index on its lcore */
    uint64_t sent_ns;    /* decision time of the send */
};

struct open_orders {
    struct open_order *slots;
    uint32_t mask;
    uint32_t next_ref;   /* UserRefNum of the next order, from 1 */
    uint32_t oldest_ref; /* no open order is older: where the time-out scan begins */
    uint32_t count;
    uint64_t timeout_ns; /* 0 = never */
};

size_t open_footprint(uint32_t orders_max); /* a power of two; 0 if it is not */
void open_init(struct open_orders *open, void *memory, uint32_t orders_max, uint32_t first_ref, uint64_t timeout_ns);

/* Room for the order that would get next_ref? UINT32_MAX is never given out: then the day's numbers are used up. */
bool open_room(const struct open_orders *open);
/* Enter an order; open_room must have been true. Returns its UserRefNum. */
uint32_t open_insert(struct open_orders *open, const struct order_intent *intent, uint8_t strategy, uint64_t now_ns);
/* The open order, or NULL. */
struct open_order *open_find(struct open_orders *open, uint32_t user_ref);
void open_remove(struct open_orders *open, struct open_order *order);
/* The oldest open order whose time is over at `now_ns` (sent_ns + timeout_ns <= now_ns), or NULL. Amortised
 * constant. */
struct open_order *open_expired(struct open_orders *open, uint64_t now_ns);
/* Earliest time at which open_expired will find one; UINT64_MAX if none will. */
uint64_t open_deadline_ns(struct open_orders *open);

/* Idle: keep the slot of the next order in this lcore's cache. Changes nothing. */
static inline void open_warm(const struct open_orders *open)
{
    __builtin_prefetch(&open->slots[open->next_ref & open->mask], 1);
}

#endif
