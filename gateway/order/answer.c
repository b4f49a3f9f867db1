/* A venue's answers. Contract in answer.h. Runs on the lcore of the session, once for each answer; pure. Every change
 * of a reservation goes through set_qty and every change of a position through executed, so that the sum of `qty` of
 * the open orders is what their instruments have reserved, whatever the venue says. */
#include "gateway/order/answer.h"

#include "gateway/order/trades.h"

/* One answer on its way. */
struct applying {
    struct open_orders *open;
    struct market *market;
    const struct ouch_answer *answer;
    uint64_t now_ns;
    struct answer_counters *counters;
    struct order_event *events;
    uint32_t event_count;
};

static bool is_buy(uint8_t side)
{
    return side == 'B';
}

/* Prices of OUCH and of instruments are both in 1/10,000. */
static int32_t price_of(uint64_t price)
{
    return price <= INT32_MAX ? (int32_t)price : INT32_MAX;
}

/* Position and reservation of an order's instrument, or of its symbol where it has no instrument yet. */
static void change(struct market *market, const struct open_order *order, int64_t position, int32_t price,
                   int64_t open_qty)
{
    const bool buy = is_buy(order->side);

    if (order->channel == OPEN_INSTRUMENT_NONE) {
        const bool carried = market_carry(market, order->symbol, position, price, buy ? open_qty : 0,
                                          buy ? 0 : open_qty);
        CHECK(carried); /* it was when the order was entered */
        return;
    }
    struct market_instrument *instrument = market_find(market, order->channel, order->instrument);
    CHECK(instrument);
    if (position != 0)
        account_trade(market, instrument, open_strategy(order), position > 0 ? 'B' : 'S',
                      (uint32_t)(position > 0 ? position : -position), price);
    if (open_qty != 0)
        account_reserve(market, instrument, open_strategy(order), order->side, open_qty, price);
}

static void set_qty(struct market *market, struct open_order *order, uint32_t qty)
{
    change(market, order, 0, order->price, (int64_t)qty - (int64_t)order->qty);
    order->qty = qty;
}

/* The order that shall replace `orig` and has no answer yet, or NULL. */
static struct open_order *replacement_of(struct open_orders *open, const struct open_order *orig)
{
    struct open_order *order = orig->inherited ? NULL : open_find(open, orig->replace_ref);

    return order && !order->accepted && order->orig_ref == orig->user_ref ? order : NULL;
}

/* A replace without an answer: its `qty` is only what it asks for beyond the old order's. */
static bool is_waiting_replace(const struct open_order *order)
{
    return order->orig_ref != 0 && !order->accepted;
}

/* The state of an order of which no cancel waits. */
static void settle(struct open_order *order)
{
    if (!order->accepted)
        order->state = OPEN_PENDING;
    else if (order->replace_ref != 0)
        order->state = OPEN_PENDING_REPLACE;
    else
        order->state = order->filled_qty > 0 ? OPEN_PARTLY_FILLED : OPEN_LIVE;
}

/* The venue has told something of an order that is open after it. A cancel goes on waiting, but not one that was to
 * leave as much as there is: it has come too late, and a venue does not answer that. */
static void go_on(struct open_order *order)
{
    if (order->state != OPEN_PENDING_CANCEL || (order->cancel_qty > 0 && order->qty <= order->cancel_qty))
        settle(order);
}

/* The larger of old and new stays reserved while a replace waits. Executions count against both, so they change nothing
 * here; what the old order loses otherwise, the new one may still get. */
static void keep_larger(struct open_orders *open, struct market *market, const struct open_order *orig)
{
    struct open_order *order = replacement_of(open, orig);

    if (!order)
        return;
    const uint32_t filled_qty = orig->filled_qty - order->filled_qty; /* since the replace was sent */
    const uint32_t qty = order->asked_qty > filled_qty ? order->asked_qty - filled_qty : 0;
    set_qty(market, order, qty > orig->qty ? qty - orig->qty : 0);
}

/* The reservation goes back and the order is gone. One that it should have replaced goes on without it. */
static void drop(struct open_orders *open, struct market *market, struct open_order *order)
{
    set_qty(market, order, 0);
    open_disown(open, market, order);
    if (order->inherited) {
        open_remove_inherited(open, order);
        return;
    }
    struct open_order *orig = is_waiting_replace(order) ? open_find(open, order->orig_ref) : NULL;
    if (orig && orig->replace_ref == order->user_ref) {
        orig->replace_ref = 0;
        if (orig->state == OPEN_PENDING_REPLACE)
            settle(orig);
    }
    open_remove(open, order);
}

static struct order_event news(const struct open_order *order, enum order_event_type type, uint32_t qty,
                               uint64_t now_ns)
{
    return (struct order_event){.type = (uint8_t)type,
                                .side = order->side,
                                .strategy = order->strategy,
                                .channel = order->channel,
                                .instrument = order->instrument,
                                .price = order->price,
                                .qty = qty,
                                .user_ref = order->user_ref,
                                .tag = order->tag,
                                .now_ns = now_ns,
                                .left_qty = is_waiting_replace(order) ? order->asked_qty : order->qty};
}

/* Tell the order's strategy, unless it is of an earlier life. */
static void tell(struct applying *a, const struct open_order *order, const struct order_event *event)
{
    if (order->inherited)
        return;
    CHECK(a->event_count < ANSWER_EVENTS_MAX);
    a->events[a->event_count++] = *event;
}

static void tell_of(struct applying *a, const struct open_order *order, enum order_event_type type, uint32_t qty)
{
    struct order_event event = news(order, type, qty, a->now_ns);

    event.code = a->answer->reason;
    tell(a, order, &event);
}

/* `qty` of an order, of which `left_qty` are left now, will not trade. */
static void tell_released(struct applying *a, const struct open_order *order, enum order_release reason, uint32_t qty,
                          uint32_t left_qty)
{
    struct order_event event = news(order, ORDER_RELEASED, qty, a->now_ns);

    event.reason = (uint8_t)reason;
    event.code = a->answer->reason;
    event.left_qty = left_qty;
    a->counters->release_count++;
    tell(a, order, &event);
}

/* An order is done, and its strategy has been told: a replace of it that waits is done too. */
static void finish(struct applying *a, struct open_order *order)
{
    struct open_order *replacement = replacement_of(a->open, order);

    drop(a->open, a->market, order);
    if (!replacement)
        return;
    tell_released(a, replacement, ORDER_RELEASE_REPLACED_GONE, replacement->asked_qty, 0);
    drop(a->open, a->market, replacement);
}

/* Do side, symbol, quantity and state of an Accepted or Replaced make an order? */
static bool well_formed(const struct ouch_answer *answer)
{
    const uint8_t side = answer->side;

    return (side == 'B' || side == 'S' || side == 'T' || side == 'E') && answer->symbol != 0 &&
           (answer->state == 'D' || (answer->state == 'L' && answer->qty > 0));
}

/* The order has the price that the venue says. */
static void reprice(struct applying *a, struct open_order *order)
{
    order->price = price_of(a->answer->price);
    open_own(a->open, a->market, order);
}

/* Is it an answer to this order, which has had none? */
static bool answers(const struct ouch_answer *answer, const struct open_order *order)
{
    return !order->accepted && well_formed(answer) && is_buy(answer->side) == is_buy(order->side) &&
           answer->symbol == order->symbol && answer->orig_user_ref == order->orig_ref;
}

static enum answer_verdict accepted(struct applying *a, struct open_order *order)
{
    const struct ouch_answer *answer = a->answer;

    if (!answers(answer, order))
        return ANSWER_IMPOSSIBLE;
    order->accepted = 1;
    reprice(a, order);
    set_qty(a->market, order, answer->qty);
    if (answer->state == 'D') {
        tell_released(a, order, ORDER_RELEASE_DEAD, answer->qty, 0);
        finish(a, order);
        return ANSWER_APPLIED;
    }
    go_on(order);
    keep_larger(a->open, a->market, order);
    tell_of(a, order, ORDER_ACCEPTED, answer->qty);
    return ANSWER_APPLIED;
}

static enum answer_verdict replaced(struct applying *a, struct open_order *order)
{
    const struct ouch_answer *answer = a->answer;

    if (!is_waiting_replace(order) || !answers(answer, order))
        return ANSWER_IMPOSSIBLE;
    struct open_order *orig = open_find(a->open, order->orig_ref);
    order->accepted = 1;
    reprice(a, order);
    if (orig) {
        order->filled_qty = orig->filled_qty;
        drop(a->open, a->market, orig);
    }
    set_qty(a->market, order, answer->qty);
    go_on(order);
    struct order_event event = news(order, ORDER_REPLACED, answer->qty, a->now_ns);
    event.orig_ref = order->orig_ref;
    tell(a, order, &event);
    if (answer->state == 'D') {
        tell_released(a, order, ORDER_RELEASE_DEAD, answer->qty, 0);
        finish(a, order);
    }
    return ANSWER_APPLIED;
}

/* Position follows in every state. Of a replace that waits nothing is in the book, so that all of it is excess. */
static enum answer_verdict executed(struct applying *a, struct open_order *order)
{
    const uint32_t qty = a->answer->qty;
    const uint32_t live_qty = is_waiting_replace(order) ? 0 : order->qty;
    const uint32_t open_qty = qty < live_qty ? qty : live_qty;

    if (qty == 0)
        return ANSWER_IMPOSSIBLE;
    a->counters->fill_count++;
    a->counters->fill_qty += qty;
    change(a->market, order, is_buy(order->side) ? (int64_t)qty : -(int64_t)qty, price_of(a->answer->price), 0);
    if (a->market->trades)
        trades_note(a->market->trades, order, a->answer->match, qty, price_of(a->answer->price));
    set_qty(a->market, order, order->qty - open_qty);
    struct order_event event = news(order, ORDER_FILLED, qty, a->now_ns);
    event.price = price_of(a->answer->price);
    tell(a, order, &event);
    if (is_waiting_replace(order))
        return ANSWER_EXCESS;
    order->accepted = 1;
    order->filled_qty = qty <= UINT32_MAX - order->filled_qty ? order->filled_qty + qty : UINT32_MAX;
    if (order->qty == 0)
        finish(a, order);
    else
        go_on(order);
    return qty > live_qty ? ANSWER_EXCESS : ANSWER_APPLIED;
}

/* All executions of the order under this number, at most some parts of one cross. Its order may be done long since. */
static enum answer_verdict broken(struct applying *a)
{
    const struct ouch_answer *answer = a->answer;
    const struct open_order *open = open_find(a->open, answer->user_ref), *order = NULL;
    struct trades_entry *entry;
    uint32_t cursor = 0, qty = 0;
    bool known = false;

    while (a->market->trades && (entry = trades_next(a->market->trades, answer->user_ref, answer->match, &cursor))) {
        known = true;
        if (entry->broken)
            continue;
        entry->broken = true;
        order = &entry->order;
        qty += order->qty;
        change(a->market, order, is_buy(order->side) ? -(int64_t)order->qty : (int64_t)order->qty, order->price, 0);
    }
    if (!order)
        return known ? ANSWER_IMPOSSIBLE : ANSWER_UNKNOWN_TRADE;
    struct order_event event = news(order, ORDER_BROKEN, qty, a->now_ns);
    event.code = answer->reason;
    event.left_qty = open ? open->qty : 0;
    tell(a, order, &event);
    return order->inherited ? ANSWER_INHERITED : ANSWER_APPLIED;
}

/* Canceled and AIQ Canceled: the quantity is what was taken off. Only the first answers a cancel that waits. */
static enum answer_verdict canceled(struct applying *a, struct open_order *order)
{
    const uint32_t qty = a->answer->qty, open_qty = qty < order->qty ? qty : order->qty;

    set_qty(a->market, order, order->qty - open_qty);
    tell_released(a, order, ORDER_RELEASE_CANCELED, open_qty, order->qty);
    if (order->qty == 0)
        finish(a, order);
    else {
        if (a->answer->type == OUCH_CANCELED)
            settle(order);
        else
            go_on(order);
        keep_larger(a->open, a->market, order);
    }
    return qty > open_qty ? ANSWER_EXCESS : ANSWER_APPLIED;
}

static enum answer_verdict rejected(struct applying *a, struct open_order *order)
{
    if (order->accepted)
        return ANSWER_IMPOSSIBLE;
    a->counters->reject_count++;
    const struct open_order *orig = open_find(a->open, order->orig_ref);
    if (orig) {
        struct order_event event = news(order, ORDER_REPLACE_REJECTED, order->asked_qty, a->now_ns);
        event.reason = ORDER_RELEASE_REJECTED;
        event.code = a->answer->reason;
        event.orig_ref = orig->user_ref;
        event.left_qty = 0;
        tell(a, order, &event);
    } else {
        tell_released(a, order, order->orig_ref ? ORDER_RELEASE_REPLACED_GONE : ORDER_RELEASE_REJECTED,
                      order->asked_qty, 0);
    }
    finish(a, order);
    return ANSWER_APPLIED;
}

/* The outstanding quantity, and among the ways to sell the side, are what the venue says. */
static enum answer_verdict modified(struct applying *a, struct open_order *order)
{
    const uint8_t side = a->answer->side;
    const uint32_t qty = a->answer->qty;

    if ((side != 'B' && side != 'S' && side != 'T' && side != 'E') || is_buy(side) != is_buy(order->side))
        return ANSWER_IMPOSSIBLE;
    order->side = side;
    const uint32_t before_qty = order->qty;
    set_qty(a->market, order, qty);
    if (qty == 0) {
        tell_released(a, order, ORDER_RELEASE_CANCELED, before_qty, 0);
        finish(a, order);
        return ANSWER_APPLIED;
    }
    go_on(order);
    keep_larger(a->open, a->market, order);
    tell_of(a, order, ORDER_RESTATED, qty);
    return ANSWER_APPLIED;
}

/* An answer about an order that the venue has, beside the above. */
static enum answer_verdict told(struct applying *a, struct open_order *order)
{
    switch (a->answer->type) {
    case OUCH_CANCELED:
    case OUCH_AIQ_CANCELED:
        return canceled(a, order);
    case OUCH_MODIFIED:
        return modified(a, order);
    case OUCH_PRIORITY:
        reprice(a, order);
        go_on(order);
        tell_of(a, order, ORDER_RESTATED, order->qty);
        return ANSWER_APPLIED;
    case OUCH_RESTATED:
        go_on(order);
        tell_of(a, order, ORDER_RESTATED, order->qty);
        return ANSWER_APPLIED;
    case OUCH_CANCEL_PENDING:
        go_on(order);
        if (order->state != OPEN_PENDING_REPLACE && order->state != OPEN_PENDING_CANCEL)
            open_cancel_sent(order, 0);
        tell_of(a, order, ORDER_CANCEL_PENDING, order->qty);
        return ANSWER_APPLIED;
    case OUCH_CANCEL_REJECT:
        settle(order);
        tell_of(a, order, ORDER_CANCEL_REJECTED, order->qty);
        return ANSWER_APPLIED;
    default:
        return ANSWER_IMPOSSIBLE;
    }
}

/* An order that is not open here goes live: one of an earlier life, whose strategy is gone. */
static enum answer_verdict inherit(struct applying *a)
{
    const struct ouch_answer *answer = a->answer;

    if (answer->user_ref == 0 || !well_formed(answer) || open_find(a->open, answer->orig_user_ref))
        return ANSWER_IMPOSSIBLE;
    struct open_order *orig = open_find_inherited(a->open, answer->orig_user_ref);
    const uint32_t filled_qty = orig ? orig->filled_qty : 0;
    if (orig)
        drop(a->open, a->market, orig);
    if (answer->state == 'D')
        return ANSWER_INHERITED;
    struct open_order *order = open_inherit(a->open, answer->user_ref);
    if (!order)
        return ANSWER_FULL;
    order->side = answer->side;
    order->symbol = answer->symbol;
    order->price = price_of(answer->price);
    order->asked_qty = answer->qty;
    order->filled_qty = filled_qty;
    if (!market_symbol_find(a->market, order->symbol, &order->channel, &order->instrument) &&
        !market_carry(a->market, order->symbol, 0, 0, 0, 0)) {
        open_remove_inherited(a->open, order);
        return ANSWER_FULL;
    }
    open_own(a->open, a->market, order);
    set_qty(a->market, order, answer->qty);
    settle(order);
    return ANSWER_INHERITED;
}

/* About an order that is not open. */
static enum answer_verdict not_open(struct applying *a)
{
    const uint32_t user_ref = a->answer->user_ref;

    switch (a->answer->type) {
    case OUCH_ACCEPTED:
    case OUCH_REPLACED:
        return inherit(a);
    case OUCH_REJECTED:
    case OUCH_CANCEL_REJECT: /* too late to change anything, for an order that was */
        return user_ref != 0 && user_ref < a->open->next_ref ? ANSWER_APPLIED : ANSWER_UNKNOWN_ORDER;
    default:
        return ANSWER_UNKNOWN_ORDER;
    }
}

static enum answer_verdict about_order(struct applying *a, struct open_order *order)
{
    switch (a->answer->type) {
    case OUCH_ACCEPTED:
        return accepted(a, order);
    case OUCH_REPLACED:
        return replaced(a, order);
    case OUCH_EXECUTED:
        return executed(a, order);
    case OUCH_REJECTED:
        return rejected(a, order);
    default:
        return LIKELY(order->accepted) ? told(a, order) : ANSWER_IMPOSSIBLE;
    }
}

/* What the venue gives a reason for. */
static void count_reason(const struct ouch_answer *answer, struct answer_counters *counters)
{
    switch (answer->type) {
    case OUCH_BROKEN:
        counters->broken_count++;
        break;
    case OUCH_REJECTED:
        counters->reject_reason[ouch_reject_reason_idx(answer->reason)]++;
        break;
    case OUCH_CANCELED:
    case OUCH_AIQ_CANCELED:
        counters->cancel_reason[ouch_cancel_reason_idx(answer->reason)]++;
        break;
    default:
        break;
    }
}

static enum answer_verdict apply(struct applying *a)
{
    const struct ouch_answer *answer = a->answer;

    if (answer->type == OUCH_SYSTEM || answer->type == OUCH_QUERY_ANSWER)
        return ANSWER_SESSION;
    count_reason(answer, a->counters);
    if (answer->type == OUCH_BROKEN)
        return broken(a);
    struct open_order *order = open_find(a->open, answer->user_ref);
    if (order)
        return about_order(a, order);
    order = open_find_inherited(a->open, answer->user_ref);
    if (!order)
        return not_open(a);
    const enum answer_verdict verdict = about_order(a, order);
    return verdict == ANSWER_APPLIED ? ANSWER_INHERITED : verdict;
}

enum answer_verdict answer_apply(struct open_orders *open, struct market *market, const struct ouch_answer *answer,
                                 uint64_t now_ns, struct answer_counters *counters,
                                 struct order_event ret_events[ANSWER_EVENTS_MAX], uint32_t *ret_event_count)
{
    struct applying a = {.open = open,
                         .market = market,
                         .answer = answer,
                         .now_ns = now_ns,
                         .counters = counters,
                         .events = ret_events};
    const enum answer_verdict verdict = apply(&a);

    __atomic_store_n(&counters->verdict[verdict], counters->verdict[verdict] + 1,
                     __ATOMIC_RELAXED); /* the control thread reads it */
    *ret_event_count = a.event_count;
    return verdict;
}

bool answer_break_next(struct open_orders *open, uint32_t *cursor, uint64_t now_ns, struct order_event *ret_event)
{
    struct open_order *order;

    while ((order = open_next(open, cursor))) {
        const bool known = order->state != OPEN_UNKNOWN;
        order->state = OPEN_UNKNOWN;
        if (!known || order->inherited)
            continue;
        *ret_event = news(order, ORDER_UNKNOWN, 0, now_ns);
        ret_event->qty = ret_event->left_qty;
        return true;
    }
    return false;
}

bool answer_resolve_next(struct open_orders *open, struct market *market, uint32_t next_user_ref, uint32_t *cursor,
                         uint64_t now_ns, struct order_event *ret_event)
{
    struct open_order *order;

    if (open->next_ref < next_user_ref)
        open->next_ref = next_user_ref;
    while ((order = open_next(open, cursor))) {
        if (order->state != OPEN_UNKNOWN || order->inherited)
            continue;
        *ret_event = news(order, ORDER_UNKNOWN, 0, now_ns);
        ret_event->qty = ret_event->left_qty;
        if (order->user_ref >= next_user_ref && !order->accepted) {
            ret_event->type = ORDER_RELEASED;
            ret_event->reason = ORDER_RELEASE_NEVER_RECEIVED;
            ret_event->left_qty = 0;
            drop(open, market, order);
        }
        return true;
    }
    return false;
}

const char *answer_verdict_name(enum answer_verdict verdict)
{
    static const char *const names[ANSWER_VERDICT_COUNT] = {
        [ANSWER_APPLIED] = "applied",
        [ANSWER_INHERITED] = "inherited",
        [ANSWER_SESSION] = "session",
        [ANSWER_UNKNOWN_ORDER] = "unknown_order",
        [ANSWER_UNKNOWN_TRADE] = "unknown_trade",
        [ANSWER_EXCESS] = "excess",
        [ANSWER_IMPOSSIBLE] = "impossible",
        [ANSWER_FULL] = "full",
    };
    return (unsigned)verdict < ANSWER_VERDICT_COUNT ? names[verdict] : "unknown";
}
