/* Intents to the wire, for the strategy loop. */
#ifndef GATEWAY_SUBMIT_H
#define GATEWAY_SUBMIT_H

#include "gateway/strategy_loop.h"

#define SUBMIT_INTENTS_MAX 32u /* that one event may lead to, those from order news included */

/* What strategies answered to one event, in order, what they answer to the news of it included: a queue, so that
 * nothing recurses. They write into it themselves, and intents are read where they were written, a field at a time: a
 * copy made right behind the call would wait for its stores. */
struct submit_queue {
    uint32_t head, tail;                  /* answers with an intent at least */
    uint32_t intent_count;                /* of all of them */
    uint8_t strategy[SUBMIT_INTENTS_MAX]; /* of each answer */
    uint8_t count[SUBMIT_INTENTS_MAX];    /* its intents: what the strategy says later of an answer does not count */
    struct strategy_out answer[SUBMIT_INTENTS_MAX + 1]; /* the last one: where there is no room for it */
};

/* Nothing is in it. */
static inline void submit_begin(struct submit_queue *queue)
{
    queue->head = queue->tail = queue->intent_count = 0;
}

/* Where the next strategy that is called shall answer. */
static inline struct strategy_out *submit_answer(struct submit_queue *queue)
{
    struct strategy_out *out = &queue->answer[queue->tail];

    out->count = 0;
    return out;
}

/* It has: its answer is in the queue. Intents beyond SUBMIT_INTENTS_MAX are counted and dropped. */
void submit_add(struct strategy_lcore *lcore, struct submit_queue *queue, uint8_t strategy);

/* News of an order, to the strategy whose it is; what it answers is added. Orders of earlier lives are nobody's. */
void submit_news(struct strategy_lcore *lcore, struct submit_queue *queue, const struct order_event *event);

/* An execution, for the journal. There is a sink. */
void submit_fill_note(struct strategy_lcore *lcore, const struct order_event *event);

/* Cancel an open order on the gateway's own account; the gate is not asked. False: it could not be sent now. */
bool submit_cancel(struct strategy_lcore *lcore, struct open_order *order, const struct md_event *cause);

/* Each intent through the gate and, if it passes, out; refused ones are counted by reason and told to their
 * strategy. `cause` is the event that led to them. */
void submit_all(struct strategy_lcore *lcore, struct submit_queue *queue, const struct md_event *cause);

/* Reservations whose time is over at market.now_ns go back, and their strategies hear of it. Amortised constant. */
void submit_expired(struct strategy_lcore *lcore, const struct md_event *time);

#endif
