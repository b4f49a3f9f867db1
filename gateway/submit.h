/* Intents to the wire, for the strategy loop. */
#ifndef GATEWAY_SUBMIT_H
#define GATEWAY_SUBMIT_H

#include "gateway/strategy_loop.h"

#define SUBMIT_INTENTS_MAX 32u /* that one event may lead to, those from order news included */

/* Intents of one event, in order, those that their news leads to included: a queue, so that nothing recurses. Empty
 * it by head = tail = 0. */
struct submit_queue {
    struct { struct order_intent intent; uint8_t strategy; } item[SUBMIT_INTENTS_MAX];
    uint32_t head, tail;
};

/* Add what a strategy answered; beyond SUBMIT_INTENTS_MAX it is counted and dropped. */
void submit_add(struct strategy_lcore *lcore, struct submit_queue *queue, uint8_t strategy,
                const struct strategy_out *out);

/* News of an order, to the strategy whose it is; what it answers is added. Orders of earlier lives are nobody's. */
void submit_news(struct strategy_lcore *lcore, struct submit_queue *queue, const struct order_event *event);

/* Cancel an open order on the gateway's own account; the gate is not asked. False: it could not be sent now. */
bool submit_cancel(struct strategy_lcore *lcore, struct open_order *order, const struct md_event *cause);

/* Each intent through the gate and, if it passes, out; refused ones are counted by reason and told to their
 * strategy. `cause` is the event that led to them. */
void submit_all(struct strategy_lcore *lcore, struct submit_queue *queue, const struct md_event *cause);

/* Reservations whose time is over at market.now_ns go back, and their strategies hear of it. Amortised constant. */
void submit_expired(struct strategy_lcore *lcore, const struct md_event *time);

#endif
