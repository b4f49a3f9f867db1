/* See order_owner.h. News of orders are told to strategies at the decision time of the newest frame; what they answer
 * goes through the gate as any intent does. */
#include "gateway/order_owner.h"

#include "gateway/submit.h"

/* An order that leads from here has no tick: it is measured from the moment at which the news was taken. */
static void act(struct strategy_lcore *lcore, const struct order_event *events, uint32_t event_count)
{
    const struct md_event cause = {.type = MD_TIME, .rx_tsc = clock_tsc()};
    const uint64_t event_seq = lcore->event_seq;
    struct submit_queue queue;

    submit_begin(&queue);
    for (uint32_t i = 0; i < event_count; i++) {
        if ((events[i].type == ORDER_FILLED || events[i].type == ORDER_BROKEN) && lcore->sink)
            submit_fill_note(lcore, &events[i]);
        submit_news(lcore, &queue, &events[i]);
    }
    lcore->event_seq = 0;
    submit_all(lcore, &queue, &cause);
    lcore->event_seq = event_seq;
}

static void answer(struct strategy_lcore *lcore, const struct ouch_answer *answer)
{
    struct order_event events[ANSWER_EVENTS_MAX];
    uint32_t event_count;

    answer_apply(&lcore->open, &lcore->market, answer, lcore->market.now_ns, &lcore->answers, events, &event_count);
    if (event_count > 0)
        act(lcore, events, event_count);
}

/* Nothing may be sent, and nobody knows what becomes of what is open. */
static void lost(struct strategy_lcore *lcore)
{
    struct order_event event;
    uint32_t cursor = 0;

    lcore->risk.session_up = false;
    lcore->cancelling = ORDER_OWNER_CANCEL_NONE;
    order_path_end(lcore->path);
    while (answer_break_next(&lcore->open, &cursor, lcore->market.now_ns, &event))
        act(lcore, &event, 1);
}

/* The replay has told everything that it could. */
static void resolve(struct strategy_lcore *lcore, uint32_t next_user_ref)
{
    struct order_event event;
    uint32_t cursor = 0;

    while (next_user_ref > 0 && answer_resolve_next(&lcore->open, &lcore->market, next_user_ref, &cursor,
                                                    lcore->market.now_ns, &event))
        if (event.type == ORDER_RELEASED) {
            lcore->never_received_count++;
            act(lcore, &event, 1);
        }
}

static void sweep_begin(struct strategy_lcore *lcore, enum order_owner_cancel what)
{
    lcore->cancelling = (uint8_t)what;
    lcore->cancel_cursor = 0;
}

static bool killed(const struct strategy_lcore *lcore)
{
    return __atomic_load_n(&lcore->risk.killed, __ATOMIC_RELAXED) != 0; /* paired with: risk_kill */
}

/* What is under way goes on: orphans first, since the session is not open before, and a stop sweeps for good. */
void order_owner_round(struct strategy_lcore *lcore)
{
    if (lcore->cancelling == ORDER_OWNER_CANCEL_ORPHANS || lcore->cancelling == ORDER_OWNER_CANCEL_ALL)
        return;
    sweep_begin(lcore, killed(lcore) && lcore->risk.session_up ? ORDER_OWNER_CANCEL_KILL : ORDER_OWNER_CANCEL_NONE);
}

static bool orphaned(const struct open_order *order)
{
    return order->inherited || order->state == OPEN_UNKNOWN;
}

/* Nothing is left in the table to be cancelled now. */
static void swept(struct strategy_lcore *lcore)
{
    switch (lcore->cancelling) {
    case ORDER_OWNER_CANCEL_ORPHANS:
        lcore->risk.session_up = true;
        sweep_begin(lcore, killed(lcore) ? ORDER_OWNER_CANCEL_KILL : ORDER_OWNER_CANCEL_NONE);
        break;
    case ORDER_OWNER_CANCEL_ALL: /* what waited for an answer when it was passed may go on after it: look again */
        lcore->cancel_cursor = 0;
        break;
    default: /* the next round looks again */
        lcore->cancelling = ORDER_OWNER_CANCEL_NONE;
        break;
    }
}

/* Cancel what is open, some of it each turn: everything, or only what nobody looks after. An order that could not be
 * cancelled now is tried again in the next turn. */
void order_owner_sweep(struct strategy_lcore *lcore)
{
    const struct md_event cause = {.type = MD_TIME, .rx_tsc = clock_tsc()};
    const uint64_t event_seq = lcore->event_seq;

    lcore->event_seq = 0;
    for (uint32_t i = 0; i < ORDER_OWNER_CANCELS;) {
        uint32_t cursor = lcore->cancel_cursor;
        struct open_order *order = open_next(&lcore->open, &cursor);
        if (!order) {
            swept(lcore);
            break;
        }
        if ((lcore->cancelling != ORDER_OWNER_CANCEL_ORPHANS || orphaned(order)) && open_cancellable(order)) {
            if (!submit_cancel(lcore, order, &cause))
                break;
            i++;
        }
        lcore->cancel_cursor = cursor;
    }
    lcore->event_seq = event_seq;
}

static void hear(struct strategy_lcore *lcore, const struct order_news *news)
{
    switch (news->type) {
    case ORDER_NEWS_ANSWER:
        lcore->link->heard++;
        answer(lcore, &news->answer);
        break;
    case ORDER_NEWS_BREAK:
        lost(lcore);
        break;
    case ORDER_NEWS_RESOLVE:
        resolve(lcore, news->value);
        break;
    case ORDER_NEWS_BEGIN:
        order_path_begin(lcore->path, news);
        sweep_begin(lcore, ORDER_OWNER_CANCEL_ORPHANS);
        break;
    case ORDER_NEWS_ROUTE:
        order_tx_route(lcore->path->tx, &news->route);
        break;
    case ORDER_NEWS_HEARTBEAT:
        if (lcore->link->log.epoch != 0) /* it may have been taken back meanwhile */
            order_path_heartbeat(lcore->path);
        break;
    case ORDER_NEWS_CANCEL_ALL:
        lcore->risk.session_up = false;
        sweep_begin(lcore, ORDER_OWNER_CANCEL_ALL);
        break;
    default: /* END */
        lcore->risk.session_up = false;
        lcore->cancelling = ORDER_OWNER_CANCEL_NONE;
        order_path_end(lcore->path);
        break;
    }
}

uint32_t order_owner_poll(struct strategy_lcore *lcore)
{
    struct order_news news;
    uint32_t news_count = 0;

    lcore->open.ref_limit = __atomic_load_n(&lcore->link->ref_limit, __ATOMIC_RELAXED);
    while (news_count < ORDER_OWNER_BURST && order_link_hear(lcore->link, &news)) {
        hear(lcore, &news);
        news_count++;
    }
    return news_count;
}

void order_owner_simulate(struct strategy_lcore *lcore, const struct md_event *event)
{
    struct ouch_answer next;

    sim_event(lcore->sim, event);
    if (event->type == MD_TIME)
        while (sim_next(lcore->sim, lcore->market.now_ns, &next))
            answer(lcore, &next);
}
