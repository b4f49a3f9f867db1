/* The newest executions of a session, so that one which the venue breaks can be taken out of the position again: it is
 * named by order and match number alone, most often long after its order is done. Kept in a ring, in which the oldest
 * makes room, and found by chains through it, so that many broken at once cost no walk each. One owner; pure. */
#ifndef GATEWAY_ORDER_TRADES_H
#define GATEWAY_ORDER_TRADES_H

#include "gateway/order/open.h"

#define TRADES_MAX 65536u /* a power of two */
#define TRADES_CHAIN_BITS 15u
#define TRADES_CHAINS (1u << TRADES_CHAIN_BITS)

struct trades_entry {
    struct open_order order; /* as it was: `qty` of it were executed, at `price` */
    uint64_t match;
    uint32_t older; /* trade before it in its chain, 0 = none */
    bool broken;
};

/* Trades have numbers, from 1. Begins as zeros. */
struct trades {
    uint32_t newest;
    uint32_t chain[TRADES_CHAINS]; /* newest of each, 0 = none */
    struct trades_entry entry[TRADES_MAX];
};

/* `qty` shares of an order were executed at `price`. */
void trades_note(struct trades *trades, const struct open_order *order, uint64_t match, uint32_t qty, int32_t price);
/* The executions of an order under one match number, newest first: `*cursor` begins with 0. NULL: no more. */
struct trades_entry *trades_next(struct trades *trades, uint32_t user_ref, uint64_t match, uint32_t *cursor);

#endif
