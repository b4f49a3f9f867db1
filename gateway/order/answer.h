/* What a venue answers, applied to the open orders of a strategy lcore: state, position, reservation, and news for the
 * strategies. Exact through every path: an executed share counts once, a reservation is given back once. One owner, the
 * lcore of the session; pure.
 *
 *                        .-- Rejected, Accepted dead ---------------------------------> done
 *   PENDING --Accepted--> LIVE --Executed--> PARTLY_FILLED --Executed, Canceled to 0--> done
 *                           |  cancel sent       |
 *                           '--> PENDING_CANCEL -'--- Canceled --> done; Cancel Reject --> LIVE or PARTLY_FILLED
 *                           '--> PENDING_REPLACE ---- Replaced --> done (the new one goes on);
 *                                                     Rejected (of the new one) --> LIVE or PARTLY_FILLED
 *                                                     done otherwise --> the new one is done too
 *   any --break--> UNKNOWN --replayed answers--> as above; never received --> done
 *
 * A venue ignores a replace of an order that is done, without an answer ("OUCH 5.0", 2.2): so when the old order is
 * done by anything but Replaced, the new one is released with it. Should the venue reject it all the same, nothing is
 * left to change: a reject of a number that was given out and is done is applied without news.
 *
 * An answer may come in any state in which the venue can give it, so a fill is booked in PENDING_CANCEL too; one that
 * cannot be right (an execution of more than is open, an unknown order) is counted by reason and changes what it safely
 * can: position always follows an execution whose order is known.
 *
 * A trade that the venue breaks is booked back at its price, for whom it was booked, whatever has become of its order
 * (trades.h): position, cash and profit are then as if it had not been. The order does not get its shares back. */
#ifndef GATEWAY_ORDER_ANSWER_H
#define GATEWAY_ORDER_ANSWER_H

#include "gateway/order/market.h"
#include "gateway/order/open.h"
#include "gateway/order/ouch.h"
#include "ring/order_intent.h"

#define ANSWER_EVENTS_MAX 2u /* that one answer may lead to */

enum answer_verdict {
    ANSWER_APPLIED = 0,
    ANSWER_INHERITED,     /* applied to an order of an earlier life of the gateway: position and reservation follow it,
                           * no strategy hears of it */
    ANSWER_SESSION,       /* about the session: system event, answer to a query */
    ANSWER_UNKNOWN_ORDER, /* no such order: nothing changed */
    ANSWER_UNKNOWN_TRADE, /* breaks an execution that is not known (any more): nothing changed, the position is wrong */
    ANSWER_EXCESS,        /* executes or cancels more than is open: clamped, position follows the whole execution */
    ANSWER_IMPOSSIBLE,    /* in a state or with a value that the protocol does not allow (accepted twice, broken
                           * twice): not applied */
    ANSWER_FULL,          /* an order of an earlier life that there is no room for: its later fills will be unknown */
    ANSWER_VERDICT_COUNT
};

struct answer_counters {
    uint64_t verdict[ANSWER_VERDICT_COUNT];
    uint64_t fill_count;     /* executions */
    uint64_t fill_qty;       /* shares */
    uint64_t release_count;
    uint64_t reject_count;
    uint64_t broken_count;
    uint64_t reject_reason[OUCH_REJECT_REASONS]; /* as the venue says, orders that are done included ... */
    uint64_t cancel_reason[OUCH_CANCEL_REASONS]; /* ... by ouch_reject_reason_idx, ouch_cancel_reason_idx */
};

/* Apply one answer. `count_max` events at ret_events (ANSWER_EVENTS_MAX); returns the verdict and the number of events.
 * now_ns of the events: `now_ns`. */
enum answer_verdict answer_apply(struct open_orders *open, struct market *market, const struct ouch_answer *answer,
                                 uint64_t now_ns, struct answer_counters *counters,
                                 struct order_event ret_events[ANSWER_EVENTS_MAX], uint32_t *ret_event_count);

/* The connection broke: every open order is UNKNOWN. Then take the news: while (answer_break_next(...)). */
bool answer_break_next(struct open_orders *open, uint32_t *cursor, uint64_t now_ns, struct order_event *ret_event);

/* The replay is over and the venue says that `next_user_ref` is the next number it expects: orders from it on were
 * never received. Each call gives one: `*cursor` begins with 0. False: no more. ret_event->type is ORDER_RELEASED for
 * one that was never received (already removed and released), ORDER_UNKNOWN for one whose fate is still not known: the
 * caller cancels it. Orders whose state the replay has told are passed over, and those of earlier lives: open_next
 * gives them. Raises open->next_ref to next_user_ref. */
bool answer_resolve_next(struct open_orders *open, struct market *market, uint32_t next_user_ref, uint32_t *cursor,
                         uint64_t now_ns, struct order_event *ret_event);

const char *answer_verdict_name(enum answer_verdict verdict);

#endif
