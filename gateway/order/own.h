/* Our own open orders by price: the best one of each instrument and side at hand, for the gate's check that an order
 * would meet another one of ours. One leftist heap for each side, its nodes in memory that the open orders have: each
 * operation takes a number of steps that grows with the logarithm of the orders of that side, whatever their order.
 * Pure; one owner, the strategy lcore. */
#ifndef GATEWAY_ORDER_OWN_H
#define GATEWAY_ORDER_OWN_H

#include "ring/md_event.h"

struct own_node {
    uint32_t parent, left, right; /* 0 = none: node 0 is nobody's */
    int32_t key;                  /* price, negated for buys: the least is the best */
    uint32_t rank;                /* of the shorter way down, 1 = a leaf */
};

struct own_side {
    uint32_t root;      /* 0 = no open order */
    int32_t best_price; /* of the root; meaningless without one */
};

/* `node` is free, > 0 and below what the memory holds; it is in one side at a time. */
void own_insert(struct own_node *nodes, struct own_side *side, uint32_t node, bool buy, int32_t price);
void own_remove(struct own_node *nodes, struct own_side *side, uint32_t node, bool buy);
/* All orders of `from` go over to `to`, which is the same side of the same symbol. */
void own_merge(struct own_node *nodes, struct own_side *to, struct own_side *from, bool buy);

#endif
