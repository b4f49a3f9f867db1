/* The strategy loop: events in, orders out, in travel order. Runs on a pinned strategy lcore (inline: on the rx
 * lcore); owns its reading positions, market, gate, frames and transmit queue; waits for nobody, allocates and logs
 * nothing.
 *
 *   pop -> market -> decide -> gate -> encode -> doorbell */
#include "gateway/strategy_loop.h"

#include "gateway/crash.h"
#include "gateway/order_owner.h"
#include "gateway/submit.h"

void strategy_hists_init(struct strategy_lcore *lcore)
{
    for (uint32_t i = 0; i < STAGE_COUNT; i++)
        hist_init(&lcore->stage[i]);
    for (uint32_t i = 0; i < SINCE_COUNT; i++)
        hist_init(&lcore->since[i]);
}

void strategy_event(struct strategy_lcore *lcore, const struct md_event *event)
{
    struct submit_queue queue;

    if (lcore->stage_stamps)
        lcore->popped_tsc = clock_tsc();
    if (lcore->reader_count == 0)
        lcore->event_seq++; /* inline: the ring would have counted */
    const uint64_t before_ns = lcore->market.now_ns;
    market_apply(&lcore->market, event);
    if (lcore->sim)
        order_owner_simulate(lcore, event);
    if (event->type ==
        MD_TIME) { /* a frame begins: its time is decision time now, and what is due fires before its events */
        risk_frame(&lcore->risk, &lcore->market, before_ns);
        if (lcore->open.timeout_ns != 0)
            submit_expired(lcore, event);
        return;
    }
    submit_begin(&queue);
    for (uint32_t i = 0; i < lcore->strategy_count; i++) {
        struct strategy_out *out = submit_answer(&queue);
        kill_called(&lcore->calling, KILL_CALL_EVENT, i);
        lcore->strategy[i].ops->on_event(lcore->strategy[i].state, event, lcore->market.now_ns, out);
        if (out->count > 0)
            submit_add(lcore, &queue, (uint8_t)i);
    }
    kill_called(&lcore->calling, KILL_CALL_NONE, 0);
    if (UNLIKELY(queue.tail > 0)) {
        if (lcore->stage_stamps) {
            hist_record(&lcore->stage[STAGE_POPPED], lcore->popped_tsc - event->rx_tsc);
            hist_record(&lcore->stage[STAGE_DECIDED], clock_tsc() - event->rx_tsc);
        }
        submit_all(lcore, &queue, event);
    }
    if (event->flags & MD_REFRESH)
        return; /* sent to this reader alone: outside every count and hash */
    lcore->event_count[lcore->rx_idx]++;
    if (lcore->hashing)
        lcore->event_hash[lcore->rx_idx] = md_event_hash(lcore->event_hash[lcore->rx_idx], event);
}

void strategy_turn_end(struct strategy_lcore *lcore, bool busy)
{
    if (lcore->link)
        busy |= order_owner_poll(lcore) > 0;
    if (UNLIKELY(kill_lcore_turn(&lcore->kill)))
        order_owner_round(lcore);
    if (UNLIKELY(lcore->cancelling != ORDER_OWNER_CANCEL_NONE))
        order_owner_sweep(lcore);
    if (UNLIKELY(risk_posted(&lcore->risk)))
        risk_turn(&lcore->risk, &lcore->market);
    if (lcore->sink && lcore->sink->wire)
        order_sink_drain(lcore->sink);
    if (!busy) {
        __atomic_store_n(&lcore->idle_count, lcore->idle_count + 1, __ATOMIC_RELAXED);
        if (lcore->path) {
            order_path_warm(lcore->path);
            open_warm(&lcore->open);
        }
        if (lcore->warm.ticks > 0)
            warm_turn(lcore);
    }
    __atomic_store_n(&lcore->turn_count, lcore->turn_count + 1, __ATOMIC_RELAXED);
}

/* Events that are gone: everything derived from them is in doubt, and everybody hears of it. */
static void overrun(struct strategy_lcore *lcore, uint16_t rx_idx, uint64_t lost_count)
{
    struct resync *resync = lcore->resync[rx_idx];
    const uint32_t channels = resync ? resync->channels : UINT32_MAX;

    lcore->lost_count += lost_count;
    lcore->overrun_count++;
    market_lost(&lcore->market, channels);
    for (uint32_t i = 0; i < lcore->strategy_count; i++) {
        kill_called(&lcore->calling, KILL_CALL_LOST, i);
        lcore->strategy[i].ops->on_lost(lcore->strategy[i].state, channels, lost_count);
    }
    kill_called(&lcore->calling, KILL_CALL_NONE, 0);
    if (resync)
        resync_ask(resync);
}

/* Events of another ring than before: they are decided at its own time, which went on at the newest MD_TIME there. A
 * frame may be read in two parts, with the other ring's frames in between. */
static void ring_change(struct strategy_lcore *lcore, uint16_t rx_idx)
{
    lcore->told_ns[lcore->rx_idx] = lcore->market.now_ns;
    if (lcore->told_ns[rx_idx] != 0) /* 0: its first event tells the time */
        lcore->market.now_ns = lcore->told_ns[rx_idx];
    lcore->rx_idx = rx_idx;
}

/* What the rx lcore says to this reader alone, as far as it belongs behind event `seq` of its ring. */
static uint32_t refresh(struct strategy_lcore *lcore, uint16_t rx_idx, uint64_t seq)
{
    struct resync *resync = lcore->resync[rx_idx];
    struct md_event event;
    uint32_t event_count = 0;

    if (lcore->rx_idx != rx_idx)
        ring_change(lcore, rx_idx);
    for (; resync_next(resync, seq, &event); event_count++) {
        event.rx_tsc = clock_tsc(); /* no tick led to it: an order that it leads to is measured from here */
        strategy_event(lcore, &event);
    }
    if (!resync->waiting)
        lcore->resync_count++;
    return event_count;
}

static inline bool refreshing(const struct strategy_lcore *lcore, uint16_t rx_idx)
{
    return lcore->resync[rx_idx] && lcore->resync[rx_idx]->waiting;
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
            overrun(lcore, rx_idx, reader->lost_count - lost_before);
            continue;
        }
        if (UNLIKELY(refreshing(lcore, rx_idx)))
            refresh(lcore, rx_idx, reader->next - 2);
        if (UNLIKELY(lcore->rx_idx != rx_idx))
            ring_change(lcore, rx_idx);
        lcore->event_seq = reader->next - 1;
        strategy_event(lcore, &event);
    }
    if (event_count > 0)
        md_ring_reader_export(reader);
    if (UNLIKELY(refreshing(lcore, rx_idx)))
        event_count += refresh(lcore, rx_idx, reader->next - 1);
    return event_count;
}

uint32_t strategy_poll(struct strategy_lcore *lcore)
{
    uint32_t event_count = 0;

    for (uint32_t i = 0; i < lcore->reader_count; i++)
        event_count += reader_poll(lcore, (uint16_t)i);
    return event_count;
}

int strategy_loop(void *arg)
{
    struct strategy_lcore *lcore = arg;

    crash_enter(lcore->name, lcore);
    armed_enter(&lcore->armed, lcore->cpu, lcore->proof);
    while (!__atomic_load_n(lcore->stop, __ATOMIC_RELAXED))
        strategy_turn_end(lcore, strategy_poll(lcore) > 0);
    armed_leave(&lcore->armed);
    return 0;
}
