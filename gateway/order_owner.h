/* The owner's side of an order session: what the control thread tells a strategy lcore about it, applied between two
 * events of the market; and the cancels that an lcore sends on the gateway's own account. Owner lcore. */
#ifndef GATEWAY_ORDER_OWNER_H
#define GATEWAY_ORDER_OWNER_H

#include "gateway/strategy_loop.h"

#define ORDER_OWNER_BURST 64u   /* news taken in one turn */
#define ORDER_OWNER_CANCELS 16u /* cancels sent in one turn */

enum order_owner_cancel {
    ORDER_OWNER_CANCEL_NONE = 0,
    ORDER_OWNER_CANCEL_ORPHANS, /* of earlier lives, or of an unknown fate; then the session is open */
    ORDER_OWNER_CANCEL_ALL,     /* a clean stop: everything, until END */
    ORDER_OWNER_CANCEL_KILL,    /* a round of the kill: everything, once */
};

/* Take what the link has; how many news. Called once a turn, where lcore->link is set. */
uint32_t order_owner_poll(struct strategy_lcore *lcore);

/* A round of the kill has been called, or the gate was opened again. */
void order_owner_round(struct strategy_lcore *lcore);

/* Go on with the sweep that is under way: ORDER_OWNER_CANCELS at most. Once a turn, where lcore->cancelling is set. */
void order_owner_sweep(struct strategy_lcore *lcore);

/* Replays: an event on its way to the strategies passes the simulated venue, where lcore->sim is set. With MD_TIME come
 * the answers that are due. */
void order_owner_simulate(struct strategy_lcore *lcore, const struct md_event *event);

#endif
