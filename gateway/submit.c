/* Intents to the wire: gate, encode, doorbell, and the book-keeping of what is open. Runs on the strategy lcore
 * (inline: on the rx lcore), called by strategy_loop alone. Whatever stops an intent gives its reservation back and
 * has a reason; the strategy hears of it. Never allocates, waits or logs. */
#include "gateway/submit.h"

void submit_add(struct strategy_lcore *lcore, struct submit_queue *queue, uint8_t strategy,
                const struct strategy_out *out)
{
    lcore->strategy[strategy].intent_count += out->count;
    for (uint32_t i = 0; i < out->count; i++) {
        if (queue->tail == SUBMIT_INTENTS_MAX) {
            lcore->intent_overflow_count++;
            continue;
        }
        queue->item[queue->tail].intent = out->intent[i];
        queue->item[queue->tail].strategy = strategy;
        queue->tail++;
    }
}

/* News of an order, to the strategy whose it is. */
static void tell(struct strategy_lcore *lcore, struct submit_queue *queue, const struct order_event *event)
{
    struct strategy_slot *slot = &lcore->strategy[event->strategy];
    struct strategy_out out;

    out.count = 0;
    slot->ops->on_order(slot->state, event, &out);
    submit_add(lcore, queue, event->strategy, &out);
}

static struct order_event news(const struct open_order *order, enum order_event_type type, uint64_t now_ns)
{
    return (struct order_event){.type = (uint8_t)type,
                                .side = order->side,
                                .strategy = order->strategy,
                                .channel = order->channel,
                                .instrument = order->instrument,
                                .price = order->price,
                                .qty = order->qty,
                                .user_ref = order->user_ref,
                                .tag = order->tag,
                                .now_ns = now_ns};
}

/* What is left of an order will not trade: the reservation goes back. */
static void release(struct strategy_lcore *lcore, struct submit_queue *queue, struct open_order *order)
{
    const struct order_event event = news(order, ORDER_RELEASED, lcore->market.now_ns);

    risk_release(&lcore->market, order->channel, order->instrument, order->side, order->qty);
    open_remove(&lcore->open, order);
    lcore->release_count++;
    tell(lcore, queue, &event);
}

/* Laboratory carrier with `fills: immediate`: the order trades at its limit at once. */
static void fill(struct strategy_lcore *lcore, struct submit_queue *queue, struct open_order *order)
{
    const struct order_event event = news(order, ORDER_FILLED, lcore->market.now_ns);
    struct market_instrument *instrument = market_find(&lcore->market, order->channel, order->instrument);

    instrument->position += order->side == 'B' ? (int64_t)order->qty : -(int64_t)order->qty;
    risk_release(&lcore->market, order->channel, order->instrument, order->side, order->qty);
    open_remove(&lcore->open, order);
    lcore->fill_count++;
    tell(lcore, queue, &event);
}

static uint64_t order_hash(uint64_t hash, const uint8_t *message, uint32_t message_len)
{
    for (uint32_t i = 0; i < message_len; i++)
        hash = (hash ^ message[i]) * 0x100000001b3u;
    return hash ^ message_len;
}

/* The cause and the bytes of an order that is on the wire: for the hash, the journal and the capture. Not on the way of
 * the order any more. */
static void sent(struct strategy_lcore *lcore, const struct rte_mbuf *frame, uint32_t user_ref, uint8_t strategy,
                 const struct md_event *cause, uint64_t tx_tsc)
{
    uint32_t message_len;
    const uint8_t *message = order_frame_message(rte_pktmbuf_mtod(frame, const uint8_t *), &message_len);

    lcore->order_count++;
    lcore->strategy[strategy].order_count++;
    if (lcore->hashing)
        lcore->order_hash = order_hash(lcore->order_hash, message, message_len);
    if (lcore->sink) {
        const struct order_record record = {.now_ns = lcore->market.now_ns,
                                            .event_seq = lcore->event_seq,
                                            .rx_tsc = cause->rx_tsc,
                                            .tx_tsc = tx_tsc,
                                            .user_ref = user_ref,
                                            .rx_idx = lcore->rx_idx,
                                            .strategy = strategy};
        order_sink_note(lcore->sink, &record);
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
        return risk_reserve(&lcore->risk, &lcore->market, intent, now_ns);
    }
    if (intent->action != ORDER_CANCEL && intent->action != ORDER_REPLACE)
        return RISK_BAD_INTENT;
    if (!order || order->strategy != strategy)
        return RISK_UNKNOWN_ORDER;
    if (intent->action == ORDER_CANCEL)
        return lcore->risk.limits.session_up ? RISK_PASS : RISK_NO_SESSION; /* cancels pass a closed gate */
    if (UNLIKELY(stopped))
        return RISK_OVERRUN;
    *ret_reserved = intent->qty > order->qty ? intent->qty - order->qty : 0;
    struct order_intent replace = *intent; /* about the instrument and side of its order, whatever the strategy wrote */
    replace.channel = order->channel;
    replace.instrument = order->instrument;
    replace.side = order->side;
    return risk_reserve_replace(&lcore->risk, &lcore->market, &replace, order->qty, now_ns);
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
    struct order_intent wire = *intent; /* a cancel or replace is about the instrument and side of its order */
    if (order) {
        wire.channel = order->channel;
        wire.instrument = order->instrument;
        wire.side = order->side;
    }
    const struct market_instrument *instrument = market_find(&lcore->market, wire.channel, wire.instrument);
    struct rte_mbuf *frame = NULL;
    if (!cancel && !open_room(&lcore->open))
        verdict = RISK_OPEN_FULL;
    else if (!(frame = order_tx_encode(lcore->tx, &wire, instrument->symbol, lcore->open.next_ref)))
        verdict = RISK_TX_FULL;
    else {
        if (lcore->stage_stamps)
            hist_record(&lcore->stage[STAGE_ENCODED], clock_tsc() - cause->rx_tsc);
        if (!order_tx_send(lcore->tx, frame))
            verdict = RISK_TX_FULL;
    }
    if (verdict != RISK_PASS) {
        if (reserved > 0)
            risk_release(&lcore->market, wire.channel, wire.instrument, wire.side, reserved);
        return verdict;
    }
    const uint64_t tx_tsc = clock_tsc();
    hist_record(&lcore->stage[STAGE_SENT], tx_tsc - cause->rx_tsc);

    if (cancel) { /* nobody answers on this carrier: the reservation stays until its time is over */
        sent(lcore, frame, intent->orig_ref, strategy, cause, tx_tsc);
        return RISK_PASS;
    }
    if (order) { /* the new order takes the old one's reservation over: the larger of the two stays reserved */
        wire.qty = order->qty + reserved;
        open_remove(&lcore->open, order);
    }
    const uint32_t user_ref = open_insert(&lcore->open, &wire, strategy, lcore->market.now_ns);
    order = open_find(&lcore->open, user_ref);
    sent(lcore, frame, user_ref, strategy, cause, tx_tsc);
    const struct order_event event = news(order, ORDER_SENT, lcore->market.now_ns);
    tell(lcore, queue, &event);
    if (lcore->fills_immediate)
        fill(lcore, queue, order);
    return RISK_PASS;
}

void submit_all(struct strategy_lcore *lcore, struct submit_queue *queue, const struct md_event *cause)
{
    while (queue->head != queue->tail) {
        const struct order_intent *intent = &queue->item[queue->head].intent;
        const uint8_t strategy = queue->item[queue->head].strategy;
        queue->head++;
        const enum risk_verdict verdict = submit(lcore, queue, strategy, intent, cause);
        risk_count(&lcore->risk, verdict);
        if (verdict == RISK_PASS)
            continue;
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
        tell(lcore, queue, &event);
    }
}

void submit_expired(struct strategy_lcore *lcore, const struct md_event *time)
{
    struct submit_queue queue;
    struct open_order *order;

    while ((order = open_expired(&lcore->open, lcore->market.now_ns))) {
        queue.head = queue.tail = 0;
        release(lcore, &queue, order);
        submit_all(lcore, &queue, time);
    }
}
