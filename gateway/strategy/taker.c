/* taker: crosses the spread when the best price has moved by a threshold: buys when the bid has risen, sells when
 * the ask has fallen, since the instrument's last reference. Each such move takes the reference anew, also one that the
 * cooldown swallows or that goes both ways at once, which is no direction.
 *
 *   threshold     move that triggers, in the instrument's price unit (default 200: two cents)
 *   quantity      shares an order (default 100)
 *   cooldown_us   pause of an instrument after an order (default 1000) */
#include "gateway/strategy/instruments.h"

struct taker_instrument {
    struct instruments_mark mark;         /* seen: the references are set */
    int32_t bid_reference, ask_reference;
    uint64_t resume_ns;                   /* no order before that time; our own doing, so lost events do not end it */
};

struct taker {
    struct instruments instruments;
    int32_t threshold;
    uint32_t qty;
    uint64_t cooldown_ns;
};

extern const struct strategy_ops taker_ops;

static size_t state_size(const struct strategy_setup *setup)
{
    return sizeof(struct taker) + instruments_bytes(setup, sizeof(struct taker_instrument));
}

static int init(void *state, const struct strategy_setup *setup, char ret_error[STRATEGY_ERROR_MAX])
{
    static const char *const known[] = {"threshold", "quantity", "cooldown_us", NULL};
    struct taker *taker = state;
    uint64_t threshold, qty, cooldown_us;
    int error;

    if ((error = strategy_params_known(setup, known, ret_error)) != 0 ||
        (error = strategy_param_u64(setup, "threshold", 200, 1, 1000000000, &threshold, ret_error)) != 0 ||
        (error = strategy_param_u64(setup, "quantity", 100, 1, 1000000, &qty, ret_error)) != 0 ||
        (error = strategy_param_u64(setup, "cooldown_us", 1000, 0, 86400000000, &cooldown_us, ret_error)) != 0)
        return error;
    taker->threshold = (int32_t)threshold;
    taker->qty = (uint32_t)qty;
    taker->cooldown_ns = cooldown_us * 1000;
    instruments_init(&taker->instruments, taker + 1, setup, sizeof(struct taker_instrument));
    return 0;
}

static void on_event(void *state, const struct md_event *event, uint64_t now_ns, struct strategy_out *out)
{
    struct taker *taker = state;
    struct taker_instrument *instrument = instruments_of(&taker->instruments, event);

    if (!instrument || (event->flags & (MD_MORE | MD_REFRESH)))
        return;
    if ((event->flags & (MD_STALE | MD_UNTRADABLE)) || event->bid_price <= 0 || event->ask_price <= event->bid_price) {
        instrument->mark.seen = false; /* no market to measure a move from */
        return;
    }
    const bool seen = instrument->mark.seen;
    const bool rose = seen && (int64_t)event->bid_price - instrument->bid_reference >= taker->threshold;
    const bool fell = seen && (int64_t)instrument->ask_reference - event->ask_price >= taker->threshold;
    if (seen && !rose && !fell)
        return;
    instrument->mark.seen = true;
    instrument->bid_reference = event->bid_price;
    instrument->ask_reference = event->ask_price;
    if (rose == fell || now_ns < instrument->resume_ns)
        return;
    instrument->resume_ns = now_ns + taker->cooldown_ns;
    out->intent[out->count++] = (struct order_intent){
        .action = ORDER_NEW,
        .side = rose ? 'B' : 'S',
        .tif = ORDER_IOC,
        .channel = event->channel,
        .instrument = event->instrument,
        .price = rose ? event->ask_price : event->bid_price,
        .qty = taker->qty,
    };
}

static void on_order(void *state, const struct order_event *event, struct strategy_out *out)
{
    (void)state;
    (void)event;
    (void)out;
}

static void on_lost(void *state, uint32_t channels, uint64_t lost_count)
{
    struct taker *taker = state;

    (void)channels;
    (void)lost_count;
    instruments_reset(&taker->instruments);
}

const struct strategy_ops taker_ops = {
    STRATEGY_ABI,
    .name = "taker",
    .summary = "crosses the spread when the best price has moved by a threshold (threshold, quantity, cooldown_us)",
    .state_size = state_size,
    .init = init,
    .on_event = on_event,
    .on_order = on_order,
    .on_lost = on_lost,
};
