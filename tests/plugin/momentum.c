/* momentum: a strategy built outside the tree, against what `meson install` has put down and nothing else; the Makefile
 * beside it is all there is to it. It decides as the built-in taker does, so that the same capture must give the same
 * orders: crosses the spread when the best price has moved by a threshold since the last time.
 *
 *   threshold     move that triggers, in the instrument's price unit (default 200: two cents)
 *   quantity      shares an order (default 100)
 *   cooldown_us   pause of an instrument after an order (default 1000) */
#include <tickgate_strategy.h>

/* One for each instrument. It begins with the mark by which instruments_of knows it. */
struct momentum_instrument {
    struct instruments_mark mark;
    int32_t bid_then, ask_then; /* valid while mark.seen */
    uint64_t resume_ns;
};

/* The state; behind it in the same memory are the blocks of the instruments. */
struct momentum {
    struct instruments instruments;
    int32_t threshold;
    uint32_t qty;
    uint64_t cooldown_ns;
};

static size_t state_size(const struct strategy_setup *setup)
{
    return sizeof(struct momentum) + instruments_bytes(setup, sizeof(struct momentum_instrument));
}

static int init(void *state, const struct strategy_setup *setup, char ret_error[STRATEGY_ERROR_MAX])
{
    static const char *const known[] = {"threshold", "quantity", "cooldown_us", NULL};
    struct momentum *momentum = state;
    uint64_t threshold, qty, cooldown_us;
    int error;

    if ((error = strategy_params_known(setup, known, ret_error)) != 0 ||
        (error = strategy_param_u64(setup, "threshold", 200, 1, 1000000000, &threshold, ret_error)) != 0 ||
        (error = strategy_param_u64(setup, "quantity", 100, 1, 1000000, &qty, ret_error)) != 0 ||
        (error = strategy_param_u64(setup, "cooldown_us", 1000, 0, 86400000000, &cooldown_us, ret_error)) != 0)
        return error;
    momentum->threshold = (int32_t)threshold;
    momentum->qty = (uint32_t)qty;
    momentum->cooldown_ns = cooldown_us * 1000;
    instruments_init(&momentum->instruments, momentum + 1, setup, sizeof(struct momentum_instrument));
    return 0;
}

static void on_event(void *state, const struct md_event *event, uint64_t now_ns, struct strategy_out *out)
{
    struct momentum *momentum = state;
    struct momentum_instrument *instrument = instruments_of(&momentum->instruments, event);

    if (!instrument || (event->flags & (MD_MORE | MD_REFRESH)))
        return; /* not ours; amid a message; not news */
    if ((event->flags & (MD_STALE | MD_UNTRADABLE)) || event->bid_price <= 0 || event->ask_price <= event->bid_price) {
        instrument->mark.seen = false;
        return; /* no market to measure a move from */
    }
    if (!instrument->mark.seen) {
        instrument->mark.seen = true;
        instrument->bid_then = event->bid_price;
        instrument->ask_then = event->ask_price;
        return;
    }
    const bool up = (int64_t)event->bid_price - instrument->bid_then >= momentum->threshold;
    const bool down = (int64_t)instrument->ask_then - event->ask_price >= momentum->threshold;
    if (!up && !down)
        return;
    instrument->bid_then = event->bid_price;
    instrument->ask_then = event->ask_price;
    if ((up && down) || now_ns < instrument->resume_ns)
        return;
    instrument->resume_ns = now_ns + momentum->cooldown_ns;
    out->intent[out->count++] = (struct order_intent){
        .action = ORDER_NEW,
        .side = up ? 'B' : 'S',
        .tif = ORDER_IOC,
        .channel = event->channel,
        .instrument = event->instrument,
        .price = up ? event->ask_price : event->bid_price,
        .qty = momentum->qty,
    };
}

static void on_order(void *state, const struct order_event *event, struct strategy_out *out)
{
    (void)state; /* what becomes of an order at once is nothing to this strategy: the gate keeps positions */
    (void)event;
    (void)out;
}

static void on_lost(void *state, uint32_t channels, uint64_t lost_count)
{
    struct momentum *momentum = state;

    (void)channels;
    (void)lost_count;
    instruments_reset(&momentum->instruments);
}

const struct strategy_ops tickgate_strategy = {
    STRATEGY_ABI,
    .name = "momentum",
    .summary = "crosses the spread when the best price has moved by a threshold (threshold, quantity, cooldown_us)",
    .state_size = state_size,
    .init = init,
    .on_event = on_event,
    .on_order = on_order,
    .on_lost = on_lost,
};
