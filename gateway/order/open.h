/* Open orders of one strategy lcore, by UserRefNum: state, what is reserved, for whom, since when. Fixed table indexed
 * by the low bits of the reference, which only grows; a number whose slot is still taken by an order that rests is
 * passed over. Orders of earlier lives of the gateway, which a session's replay brings back, live in a table of their
 * own. One owner; pure.
 *
 * Reservation: an order reserves `qty` in its instrument (market_instrument.open_buy_qty or open_sell_qty). While a
 * replace waits for its answer the old order keeps its own, and the new one reserves what it asks for beyond it, so
 * that the larger of the two is reserved.
 *
 * Quantities on the wire count what was executed before, over a chain of replaces ("OUCH 5.0", 2.2 and 2.3: total
 * shares liable, intended order size); those of intents do not. filled_qty is of the chain for this reason. */
#ifndef GATEWAY_ORDER_OPEN_H
#define GATEWAY_ORDER_OPEN_H

#include "gateway/order/market.h"
#include "ring/order_intent.h"
#include "ring/prefetch.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OPEN_INSTRUMENT_NONE UINT16_MAX /* channel of an inherited order whose instrument is not defined yet */

enum open_state {
    OPEN_FREE = 0,
    OPEN_PENDING,         /* sent, not answered */
    OPEN_LIVE,
    OPEN_PARTLY_FILLED,   /* live, and some of it, or of what it replaced, was executed */
    OPEN_PENDING_CANCEL,
    OPEN_PENDING_REPLACE, /* the old order of a replace that is not answered */
    OPEN_UNKNOWN,         /* the session broke while it was open */
    OPEN_STATE_COUNT
};

struct open_order {
    uint32_t user_ref;    /* 0 = slot free */
    uint32_t qty;         /* shares reserved */
    int32_t price;
    uint32_t tag;
    uint16_t channel;
    uint16_t instrument;
    uint8_t side;
    uint8_t strategy;     /* index on its lcore */
    uint8_t state;        /* enum open_state */
    uint8_t inherited;    /* of an earlier life: no strategy hears of it */
    uint32_t orig_ref;    /* order that it shall replace, 0 = none */
    uint32_t replace_ref; /* order that shall replace it, 0 = none */
    uint32_t asked_qty;   /* shares that the strategy asked for */
    uint32_t filled_qty;  /* executed, of the orders that it replaced too; saturated */
    uint32_t cancel_qty;  /* PENDING_CANCEL: what the cancel shall leave, 0 = nothing */
    uint32_t accepted : 1; /* the venue has said that it has it; holds while the state is UNKNOWN */
    uint32_t own : 31;    /* its node among our own prices, 0 = none */
    uint64_t symbol;      /* as md_symbol() */
    uint64_t sent_ns;     /* decision time of the send */
};
_Static_assert(sizeof(struct open_order) == 64, "one line per order");

struct open_orders {
    struct open_order *slots;
    uint32_t mask;
    uint32_t next_ref;   /* UserRefNum of the next order, from 1 */
    uint32_t ref_limit;  /* numbers from here on may not be given out yet; UINT32_MAX where none are kept in a file */
    uint32_t oldest_ref; /* no open order is older: where the time-out scan begins */
    uint32_t count;      /* of this life */
    uint32_t inherited_count;
    uint64_t timeout_ns; /* 0 = never */
    struct open_order *inherited; /* hash table by user_ref: 2 * orders_max slots behind the others */
    struct own_node *own;  /* of each order of this life, by slot from 1 on, then orders_max of inherited ones */
    uint32_t own_free;     /* first of these that is free, 0 = none; the next hangs to its left */
};

size_t open_footprint(uint32_t orders_max); /* a power of two; 0 if it is not */
/* `memory`: open_footprint bytes, aligned to a cache line. */
void open_init(struct open_orders *open, void *memory, uint32_t orders_max, uint32_t first_ref, uint64_t timeout_ns);

/* Room for another order? Then next_ref is the number that it gets. False also when numbers are used up: ref_limit,
 * UINT32_MAX. */
bool open_room(struct open_orders *open);
/* Enter an order in state PENDING; open_room must have been true. `symbol`: of its instrument. Returns its
 * UserRefNum. */
uint32_t open_insert(struct open_orders *open, const struct order_intent *intent, uint64_t symbol, uint8_t strategy,
                     uint64_t now_ns);
/* The open order of this life, or NULL. */
struct open_order *open_find(struct open_orders *open, uint32_t user_ref);
void open_remove(struct open_orders *open, struct open_order *order);

/* Orders of earlier lives. Enter one that is not there, in state LIVE with nothing else said: NULL when there is no
 * room (orders_max of them) or for number 0. Removing one moves others: pointers to inherited orders do not outlive
 * it. */
struct open_order *open_inherit(struct open_orders *open, uint32_t user_ref);
struct open_order *open_find_inherited(struct open_orders *open, uint32_t user_ref);
void open_remove_inherited(struct open_orders *open, struct open_order *order);
/* Walk both tables: `*cursor` begins with 0; NULL: no more. Removing the order just given is allowed. Where others are
 * removed between two calls an inherited order may be given again, but none is passed over. */
struct open_order *open_next(struct open_orders *open, uint32_t *cursor);

/* A replace of `orig` was sent as `order`, which was just entered; a cancel of `order` was sent that shall leave
 * `left_qty`: states change, and `order` of a replace reserves only what it asks for beyond `orig`. A cancel that
 * leaves no less than is open changes nothing: it has no answer. */
void open_replace_sent(struct open_order *orig, struct open_order *order);
void open_cancel_sent(struct open_order *order, uint32_t left_qty);
/* The quantity for the wire of a replace that shall have, a cancel that shall leave `qty` shares open; 0 is 0. */
uint32_t open_wire_qty(const struct open_order *order, uint32_t qty);
/* May a cancel, a replace of it be sent now? Not while a cancel or replace of it waits for its answer. A cancel also of
 * an unknown order. A replace not of one that is itself a replace without an answer. */
bool open_cancellable(const struct open_order *order);
bool open_replaceable(const struct open_order *order);

/* The oldest open order of this life whose time is over at `now_ns` (sent_ns + timeout_ns <= now_ns), or NULL.
 * Amortised constant. */
struct open_order *open_expired(struct open_orders *open, uint64_t now_ns);
/* Earliest time at which open_expired will find one; UINT64_MAX if none will. */
uint64_t open_deadline_ns(struct open_orders *open);

/* From here on the order counts as ours at its price, which no order of ours may meet, and as an open one; again after
 * its price has changed, and after it was entered. Then, before it is removed, not any more. */
void open_own(struct open_orders *open, struct market *market, struct open_order *order);
void open_disown(struct open_orders *open, struct market *market, struct open_order *order);
/* Who is accounted for it: its strategy, or nobody for an order of an earlier life. */
static inline uint8_t open_strategy(const struct open_order *order)
{
    return order->inherited ? ACCOUNT_NOBODY : order->strategy;
}

const char *open_state_name(enum open_state state);

/* Idle: keep the slot of the next order in this lcore's cache. Changes nothing. */
static inline void open_warm(const struct open_orders *open)
{
    prefetch_write(&open->slots[open->next_ref & open->mask]);
}

#endif
