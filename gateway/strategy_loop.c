/* The strategy loop: events in, orders out, in travel order. Runs on a pinned strategy lcore (inline: on the rx lcore); owns
 * its reading positions, market, gate, frames and transmit queue; waits for nobody, allocates and logs nothing.
 *
 *   pop -> market -> decide -> gate -> encode -> doorbell */
#include "gateway/strategy_loop.h"

/* Intents of one event, those that order news leads to included: a queue, so that nothing recurses. */
struct pending {
    struct { struct order_intent intent; uint8_t strategy; } item[STRATEGY_LOOP_INTENTS_MAX];
    uint32_t head, tail;
};

static void pending_add(struct strategy_lcore *lcore, struct pending *pending, uint8_t strategy,
                        const struct strategy_out *out)
{
    lcore->strategy[strategy].intent_count += out->count;
    for (uint32_t i = 0; i < out->count; i++) {
        if (pending->tail == STRATEGY_LOOP_INTENTS_MAX) {
            lcore->intent_overflow_count++;
            continue;
        }
        pending->item[pending->tail].intent = out->intent[i];
        pending->item[pending->tail].strategy = strategy;
        pending->tail++;
    }
}

/* News of an order, to the strategy whose it is. */
static void tell(struct strategy_lcore *lcore, struct pending *pending, const struct order_event *event)
{
    struct strategy_slot *slot = &lcore->strategy[event->strategy];
    struct strategy_out out;

    out.count = 0;
    slot->ops->on_order(slot->state, event, &out);
    pending_add(lcore, pending, event->strategy, &out);
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
static void release(struct strategy_lcore *lcore, struct pending *pending, struct open_order *order)
{
    const struct order_event event = news(order, ORDER_RELEASED, lcore->market.now_ns);

    risk_release(&lcore->market, order->channel, order->instrument, order->side, order->qty);
    open_remove(&lcore->open, order);
    lcore->release_count++;
    tell(lcore, pending, &event);
}

/* Laboratory carrier with `fills: immediate`: the order trades at its limit at once. */
static void fill(struct strategy_lcore *lcore, struct pending *pending, struct open_order *order)
{
    const struct order_event event = news(order, ORDER_FILLED, lcore->market.now_ns);
    struct market_instrument *instrument = market_find(&lcore->market, order->channel, order->instrument);

    instrument->position += order->side == 'B' ? (int64_t)order->qty : -(int64_t)order->qty;
    risk_release(&lcore->market, order->channel, order->instrument, order->side, order->qty);
    open_remove(&lcore->open, order);
    lcore->fill_count++;
    tell(lcore, pending, &event);
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

/* The gate, for each kind of intent. `order` is the open order that a cancel or replace means. RISK_PASS: `ret_reserved`
 * shares more are reserved than before. */
static enum risk_verdict gate(struct strategy_lcore *lcore, const struct order_intent *intent, uint8_t strategy,
                              const struct open_order *order, uint32_t *ret_reserved)
{
    const uint64_t now_ns = lcore->market.now_ns;

    *ret_reserved = 0;
    if (intent->action == ORDER_NEW) {
        *ret_reserved = intent->qty;
        return risk_reserve(&lcore->risk, &lcore->market, intent, now_ns);
    }
    if (intent->action != ORDER_CANCEL && intent->action != ORDER_REPLACE)
        return RISK_BAD_INTENT;
    if (!order || order->strategy != strategy)
        return RISK_UNKNOWN_ORDER;
    if (intent->action == ORDER_CANCEL)
        return lcore->risk.limits.session_up ? RISK_PASS : RISK_NO_SESSION; /* cancels pass a closed gate */
    *ret_reserved = intent->qty > order->qty ? intent->qty - order->qty : 0;
    struct order_intent replace = *intent; /* about the instrument and side of its order, whatever the strategy wrote */
    replace.channel = order->channel;
    replace.instrument = order->instrument;
    replace.side = order->side;
    return risk_reserve_replace(&lcore->risk, &lcore->market, &replace, order->qty, now_ns);
}

/* One intent, all the way. Whatever stops it gives the reservation back; the verdict says where that was. */
static enum risk_verdict submit(struct strategy_lcore *lcore, struct pending *pending, uint8_t strategy,
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
    tell(lcore, pending, &event);
    if (lcore->fills_immediate)
        fill(lcore, pending, order);
    return RISK_PASS;
}

/* Every intent that is waiting, and those that their news leads to. */
static void submit_all(struct strategy_lcore *lcore, struct pending *pending, const struct md_event *cause)
{
    while (pending->head != pending->tail) {
        const struct order_intent *intent = &pending->item[pending->head].intent;
        const uint8_t strategy = pending->item[pending->head].strategy;
        pending->head++;
        const enum risk_verdict verdict = submit(lcore, pending, strategy, intent, cause);
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
        tell(lcore, pending, &event);
    }
}

/* A frame begins: its time is decision time from here on, and what is due fires before its events are applied. */
static void time_event(struct strategy_lcore *lcore, const struct md_event *event)
{
    struct pending pending = {.head = 0, .tail = 0};
    struct open_order *order;

    market_apply(&lcore->market, event);
    while ((order = open_expired(&lcore->open, lcore->market.now_ns))) {
        release(lcore, &pending, order);
        submit_all(lcore, &pending, event);
        pending.head = pending.tail = 0;
    }
}

void strategy_event(struct strategy_lcore *lcore, const struct md_event *event)
{
    struct pending pending;
    struct strategy_out out;

    if (lcore->stage_stamps)
        lcore->popped_tsc = clock_tsc();
    if (lcore->reader_count == 0)
        lcore->event_seq++; /* inline: the ring would have counted */
    if (event->type == MD_TIME) {
        time_event(lcore, event);
        return;
    }
    market_apply(&lcore->market, event);
    pending.head = pending.tail = 0;
    for (uint32_t i = 0; i < lcore->strategy_count; i++) {
        out.count = 0;
        lcore->strategy[i].ops->on_event(lcore->strategy[i].state, event, lcore->market.now_ns, &out);
        if (out.count > 0)
            pending_add(lcore, &pending, (uint8_t)i, &out);
    }
    if (UNLIKELY(pending.tail > 0)) {
        if (lcore->stage_stamps) {
            hist_record(&lcore->stage[STAGE_POPPED], lcore->popped_tsc - event->rx_tsc);
            hist_record(&lcore->stage[STAGE_DECIDED], clock_tsc() - event->rx_tsc);
        }
        submit_all(lcore, &pending, event);
    }
    if (event->flags & MD_REFRESH)
        return; /* sent to this reader alone: outside every count and hash */
    lcore->event_count[lcore->rx_idx]++;
    if (lcore->hashing)
        lcore->event_hash[lcore->rx_idx] = md_event_hash(lcore->event_hash[lcore->rx_idx], event);
}

void strategy_turn_end(struct strategy_lcore *lcore, bool busy)
{
    if (lcore->sink && lcore->sink->wire)
        order_sink_drain(lcore->sink);
    if (!busy)
        __atomic_store_n(&lcore->idle_count, lcore->idle_count + 1, __ATOMIC_RELAXED);
    __atomic_store_n(&lcore->turn_count, lcore->turn_count + 1, __ATOMIC_RELAXED);
}

/* Events that are gone: everything derived from them is in doubt, and everybody hears of it. */
static void overrun(struct strategy_lcore *lcore, uint64_t lost_count)
{
    lcore->lost_count += lost_count;
    market_lost(&lcore->market);
    for (uint32_t i = 0; i < lcore->strategy_count; i++)
        lcore->strategy[i].ops->on_lost(lcore->strategy[i].state, lost_count);
}

static uint32_t reader_poll(struct strategy_lcore *lcore, uint16_t rx_idx)
{
    struct md_ring_reader *reader = lcore->reader[rx_idx];
    struct md_event event;
    uint32_t event_count = 0;

    for (; event_count < STRATEGY_LOOP_BURST; event_count++) {
        const uint64_t lost_before = reader->lost_count;
        const enum md_ring_verdict verdict = md_ring_pop(reader, &event);
        if (verdict == MD_RING_EMPTY)
            break;
        if (UNLIKELY(verdict == MD_RING_OVERRUN)) {
            overrun(lcore, reader->lost_count - lost_before);
            continue;
        }
        lcore->rx_idx = rx_idx;
        lcore->event_seq = reader->next - 1;
        strategy_event(lcore, &event);
    }
    if (event_count > 0)
        md_ring_reader_export(reader);
    return event_count;
}

int strategy_loop(void *arg)
{
    struct strategy_lcore *lcore = arg;

    armed_enter(&lcore->armed, lcore->cpu, lcore->proof);
    while (!__atomic_load_n(lcore->stop, __ATOMIC_RELAXED)) {
        uint32_t event_count = 0;
        for (uint32_t i = 0; i < lcore->reader_count; i++)
            event_count += reader_poll(lcore, (uint16_t)i);
        strategy_turn_end(lcore, event_count > 0);
    }
    armed_leave(&lcore->armed);
    return 0;
}
