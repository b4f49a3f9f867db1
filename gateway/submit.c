/* Intents to the wire: gate, encode, doorbell, and the book-keeping of what is open. Runs on the strategy lcore
 * (inline: on the rx lcore), called by strategy_loop alone. Whatever stops an intent gives its reservation back and
 * has a reason; the strategy hears of it. Never allocates, waits or logs. */
#include "gateway/submit.h"

#include <string.h>

void submit_add(struct strategy_lcore *lcore, struct submit_queue *queue, uint8_t strategy)
{
    const uint32_t room = SUBMIT_INTENTS_MAX - queue->intent_count;
    uint32_t count = queue->answer[queue->tail].count;

    if (UNLIKELY(count > ORDER_INTENTS_MAX)) { /* what it claims to have put there is not there */
        lcore->intent_overflow_count += count - ORDER_INTENTS_MAX;
        count = ORDER_INTENTS_MAX;
    }
    lcore->strategy[strategy].intent_count += count;
    if (UNLIKELY(count > room)) {
        lcore->intent_overflow_count += count - room;
        count = room;
    }
    if (count == 0)
        return;
    queue->intent_count += count;
    queue->count[queue->tail] = (uint8_t)count;
    queue->strategy[queue->tail++] = strategy;
}

void submit_news(struct strategy_lcore *lcore, struct submit_queue *queue, const struct order_event *event)
{
    struct strategy_slot *slot = &lcore->strategy[event->strategy];

    kill_called(&lcore->calling, KILL_CALL_ORDER, event->strategy);
    slot->ops->on_order(slot->state, event, submit_answer(queue));
    kill_called(&lcore->calling, KILL_CALL_NONE, 0);
    submit_add(lcore, queue, event->strategy);
}

static struct order_event news(const struct open_order *order, enum order_event_type type, uint64_t now_ns)
{
    return (struct order_event){.type = (uint8_t)type,
                                .side = order->side,
                                .strategy = order->strategy,
                                .channel = order->channel,
                                .instrument = order->instrument,
                                .price = order->price,
                                .qty = type == ORDER_SENT ? order->asked_qty : order->qty,
                                .user_ref = order->user_ref,
                                .tag = order->tag,
                                .now_ns = now_ns,
                                .left_qty = type == ORDER_SENT ? order->asked_qty : 0,
                                .orig_ref = order->orig_ref};
}

/* What is left of an order will not trade: the reservation goes back. */
static void release(struct strategy_lcore *lcore, struct submit_queue *queue, struct open_order *order)
{
    struct order_event event = news(order, ORDER_RELEASED, lcore->market.now_ns);

    event.reason = ORDER_RELEASE_TIMEOUT;
    risk_release(&lcore->market, order->channel, order->instrument, order->side, order->strategy, order->qty);
    open_disown(&lcore->open, &lcore->market, order);
    open_remove(&lcore->open, order);
    lcore->release_count++;
    submit_news(lcore, queue, &event);
}

void submit_fill_note(struct strategy_lcore *lcore, const struct order_event *event)
{
    const struct market_instrument *instrument = market_find(&lcore->market, event->channel, event->instrument);
    const struct order_record record = {.now_ns = event->now_ns,
                                        .user_ref = event->user_ref,
                                        .strategy = event->strategy,
                                        .fill_side = event->side,
                                        .fill_broken = event->type == ORDER_BROKEN,
                                        .fill_qty = event->qty,
                                        .fill_left_qty = event->left_qty,
                                        .fill_price = event->price,
                                        .fill_symbol = instrument ? instrument->symbol : 0};

    order_sink_fill(lcore->sink, &record);
}

/* Laboratory carrier with `fills: immediate`: the order trades at its limit at once. */
static void fill(struct strategy_lcore *lcore, struct submit_queue *queue, struct open_order *order)
{
    const struct order_event event = news(order, ORDER_FILLED, lcore->market.now_ns);
    struct market_instrument *instrument = market_find(&lcore->market, order->channel, order->instrument);

    account_trade(&lcore->market, instrument, order->strategy, order->side, order->qty, order->price);
    risk_release(&lcore->market, order->channel, order->instrument, order->side, order->strategy, order->qty);
    open_disown(&lcore->open, &lcore->market, order);
    open_remove(&lcore->open, order);
    lcore->fill_count++;
    if (lcore->sink)
        submit_fill_note(lcore, &event);
    submit_news(lcore, queue, &event);
}

static uint64_t order_hash(uint64_t hash, const uint8_t *message, uint32_t message_len)
{
    for (uint32_t i = 0; i < message_len; i++)
        hash = (hash ^ message[i]) * 0x100000001b3u;
    return hash ^ message_len;
}

/* The cause and the bytes of an order that is on the wire: for the hash, the journal and the capture. Not on
 * the way of the order any more. */
static void sent(struct strategy_lcore *lcore, uint32_t user_ref, uint8_t strategy, const struct md_event *cause,
                 uint64_t tx_tsc)
{
    const uint8_t *frame = order_path_frame(lcore->path);
    uint32_t message_len;
    const uint8_t *message = order_frame_message(frame, &message_len);

    lcore->order_count++;
    if (strategy < lcore->strategy_count)
        lcore->strategy[strategy].order_count++;
    if (lcore->hashing)
        lcore->order_hash = order_hash(lcore->order_hash, message, message_len);
    if (lcore->sink) {
        struct order_record record;
        memset(&record, 0, offsetof(struct order_record, frame)); /* two thirds are for the frame, still to be copied */
        record.now_ns = lcore->market.now_ns;
        record.event_seq = lcore->event_seq;
        record.rx_tsc = cause->rx_tsc;
        record.tx_tsc = tx_tsc;
        record.user_ref = user_ref;
        record.rx_idx = lcore->rx_idx;
        record.strategy = strategy;
        order_sink_note(lcore->sink, &record, frame);
    }
}

/* The gate, for each kind of intent. `order` is the open order that a cancel or replace means. RISK_PASS:
 * `ret_reserved` shares more are reserved than before. */
static enum risk_verdict gate(struct strategy_lcore *lcore, const struct order_intent *intent, uint8_t strategy,
                              const struct open_order *order, uint32_t *ret_reserved)
{
    const uint64_t now_ns = lcore->market.now_ns;

    const bool stopped = lcore->strategy[strategy].stop_on_overrun && lcore->market.lapped_channels != 0;

    *ret_reserved = 0;
    if (intent->action == ORDER_NEW) {
        if (UNLIKELY(stopped))
            return RISK_OVERRUN;
        *ret_reserved = intent->qty;
        return risk_reserve(&lcore->risk, &lcore->market, intent, strategy, now_ns);
    }
    if (intent->action != ORDER_CANCEL && intent->action != ORDER_REPLACE)
        return RISK_BAD_INTENT;
    if (!order || order->strategy != strategy)
        return RISK_UNKNOWN_ORDER;
    if (intent->action == ORDER_CANCEL) { /* cancels pass a closed gate */
        if (!lcore->risk.session_up)
            return RISK_NO_SESSION;
        return !lcore->answered || open_cancellable(order) ? RISK_PASS : RISK_ORDER_BUSY;
    }
    if (UNLIKELY(stopped))
        return RISK_OVERRUN;
    if (UNLIKELY(lcore->answered && !open_replaceable(order)))
        return RISK_ORDER_BUSY;
    *ret_reserved = intent->qty > order->qty ? intent->qty - order->qty : 0;
    struct order_intent replace = *intent; /* about the instrument and side of its order, whatever the strategy wrote */
    replace.channel = order->channel;
    replace.instrument = order->instrument;
    replace.side = order->side;
    return risk_reserve_replace(&lcore->risk, &lcore->market, &replace, order->qty, strategy, now_ns);
}

/* An order that is on the wire is open from here on; returns its UserRefNum. Of a replace that somebody will answer
 * both orders are open until then; where nobody answers, the new order takes the old one's place. */
static uint32_t enter(struct strategy_lcore *lcore, const struct order_intent *wire, uint64_t symbol, uint8_t strategy,
                      struct open_order *orig)
{
    if (orig && !lcore->answered) {
        open_disown(&lcore->open, &lcore->market, orig);
        open_remove(&lcore->open, orig);
        orig = NULL;
    }
    const uint32_t user_ref = open_insert(&lcore->open, wire, symbol, strategy, lcore->market.now_ns);
    struct open_order *order = open_find(&lcore->open, user_ref);
    if (orig)
        open_replace_sent(orig, order);
    open_own(&lcore->open, &lcore->market, order);
    if (lcore->link) {
        if (wire->action == ORDER_NEW)
            __atomic_store_n(&lcore->link->sent_ref, user_ref, __ATOMIC_RELAXED);
        order_link_asked(lcore->link);
    }
    return user_ref;
}

/* The order in hand is on its way to the simulated venue; false: too many are. */
static bool simulate(struct strategy_lcore *lcore)
{
    uint32_t message_len;
    const uint8_t *message = order_frame_message(order_path_frame(lcore->path), &message_len);

    return sim_order(lcore->sim, message, message_len, lcore->market.now_ns);
}

/* How an order names the tick that led to it: low bits of the venue's time, as the feed has it. */
static inline uint32_t tick_of(const struct strategy_lcore *lcore, const struct md_event *cause)
{
    return cause->type == MD_TIME ? 0 : (uint32_t)cause->exchange_ns - lcore->midnight[cause->channel];
}

/* It has gone out: into the row of the time that nothing had. */
static void since(struct strategy_lcore *lcore, uint64_t tx_tsc, uint64_t latency_tsc)
{
    uint32_t row = SINCE_LONGER;

    if (lcore->sent_tsc != 0)
        for (row = 0; row < SINCE_LONGER && tx_tsc - lcore->sent_tsc >= lcore->since_tsc[row];)
            row++;
    lcore->sent_tsc = tx_tsc;
    hist_record(&lcore->since[row], latency_tsc);
}

/* One intent, all the way. Whatever stops it gives the reservation back; the verdict says where that was. */
static enum risk_verdict submit(struct strategy_lcore *lcore, struct submit_queue *queue, uint8_t strategy,
                                const struct order_intent *intent, const struct md_event *cause)
{
    const bool cancel = intent->action == ORDER_CANCEL;
    struct open_order *order = intent->action == ORDER_NEW ? NULL : open_find(&lcore->open, intent->orig_ref);
    uint32_t reserved;

    enum risk_verdict verdict = gate(lcore, intent, strategy, order, &reserved);
    if (verdict != RISK_PASS)
        return verdict;
    struct order_intent changed; /* a cancel or replace is about the instrument and side of its order */
    const struct order_intent *wire = intent;
    if (order) {
        changed = *intent;
        changed.channel = order->channel;
        changed.instrument = order->instrument;
        changed.side = order->side;
        if (lcore->answered) /* quantities on the wire count what was executed before */
            changed.qty = open_wire_qty(order, intent->qty);
        wire = &changed;
    }
    const struct market_instrument *instrument = market_find(&lcore->market, wire->channel, wire->instrument);
    if (!cancel && !open_room(&lcore->open))
        verdict = lcore->open.next_ref >= lcore->open.ref_limit ? RISK_REFS_USED_UP : RISK_OPEN_FULL;
    else
        verdict = order_path_encode(
            lcore->path, wire, instrument->symbol,
            (struct order_frame_id){.user_ref = lcore->open.next_ref, .tick_ns = tick_of(lcore, cause)});
    if (verdict == RISK_PASS) {
        if (lcore->stage_stamps)
            hist_record(&lcore->stage[STAGE_ENCODED], clock_tsc() - cause->rx_tsc);
        verdict = lcore->sim && !simulate(lcore) ? RISK_LOG_FULL : order_path_send(lcore->path);
    }
    if (verdict != RISK_PASS) {
        if (!cancel)
            risk_undo(&lcore->risk, &lcore->market, wire, reserved, strategy);
        return verdict;
    }
    const uint64_t tx_tsc = clock_tsc();
    hist_record(&lcore->stage[STAGE_SENT], tx_tsc - cause->rx_tsc);
    since(lcore, tx_tsc, tx_tsc - cause->rx_tsc);

    if (cancel) {
        risk_cancel(&lcore->risk, lcore->market.now_ns);
        /* where nobody answers the reservation stays until its time is over */
        if (lcore->answered)
            open_cancel_sent(order, intent->qty);
        if (lcore->link && intent->qty == 0)
            order_link_asked(lcore->link);
        sent(lcore, intent->orig_ref, strategy, cause, tx_tsc);
        return RISK_PASS;
    }
    if (intent->action == ORDER_NEW)
        warm_note(&lcore->warm, intent, strategy);
    if (order) /* where nobody answers it takes the reservation over: the larger of the two stays reserved */
        changed.qty = lcore->answered ? intent->qty : order->qty + reserved;
    const uint32_t user_ref = enter(lcore, wire, instrument->symbol, strategy, order);
    sent(lcore, user_ref, strategy, cause, tx_tsc);
    order = open_find(&lcore->open, user_ref);
    const struct order_event event = news(order, ORDER_SENT, lcore->market.now_ns);
    submit_news(lcore, queue, &event);
    if (lcore->fills_immediate)
        fill(lcore, queue, order);
    return RISK_PASS;
}

bool submit_cancel(struct strategy_lcore *lcore, struct open_order *order, const struct md_event *cause)
{
    static const struct order_frame_id nobody;
    const struct order_intent intent = {.action = ORDER_CANCEL, .orig_ref = order->user_ref};

    if (order_path_encode(lcore->path, &intent, 0, nobody) != RISK_PASS || (lcore->sim && !simulate(lcore)) ||
        order_path_send(lcore->path) != RISK_PASS)
        return false;
    open_cancel_sent(order, 0);
    risk_cancel(&lcore->risk, lcore->market.now_ns);
    lcore->own_cancel_count++;
    sent(lcore, order->user_ref, UINT8_MAX, cause, clock_tsc());
    return true;
}

static void refused(struct strategy_lcore *lcore, struct submit_queue *queue, uint8_t strategy,
                    const struct order_intent *intent, enum risk_verdict verdict)
{
    const struct order_event event = {.type = ORDER_REFUSED,
                                      .reason = (uint8_t)verdict,
                                      .side = intent->side,
                                      .strategy = strategy,
                                      .channel = intent->channel,
                                      .instrument = intent->instrument,
                                      .price = intent->price,
                                      .qty = intent->qty,
                                      .tag = intent->tag,
                                      .now_ns = lcore->market.now_ns};

    lcore->strategy[strategy].refused_count++;
    submit_news(lcore, queue, &event);
}

void submit_all(struct strategy_lcore *lcore, struct submit_queue *queue, const struct md_event *cause)
{
    for (; queue->head != queue->tail; queue->head++) {
        const struct strategy_out *answer = &queue->answer[queue->head];
        const uint8_t strategy = queue->strategy[queue->head];
        for (uint32_t i = 0; i < queue->count[queue->head]; i++) {
            const enum risk_verdict verdict = submit(lcore, queue, strategy, &answer->intent[i], cause);
            risk_count(&lcore->risk, verdict);
            if (UNLIKELY(verdict != RISK_PASS))
                refused(lcore, queue, strategy, &answer->intent[i], verdict);
        }
    }
}

void submit_expired(struct strategy_lcore *lcore, const struct md_event *time)
{
    struct submit_queue queue;
    struct open_order *order;

    while ((order = open_expired(&lcore->open, lcore->market.now_ns))) {
        submit_begin(&queue);
        release(lcore, &queue, order);
        submit_all(lcore, &queue, time);
    }
}
