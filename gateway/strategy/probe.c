/* probe: an order for every Nth change of a best price, for measuring. Buys and sells in turn, so that it stays near
 * flat.
 *
 *   every      triggers for one order (default 100)
 *   quantity   shares an order (default 100) */
#include "gateway/strategy/instruments.h"

#include <stdalign.h>

struct probe_instrument {
    alignas(uint64_t) struct instruments_mark mark; /* seen: the prices below are the last best prices */
    int32_t bid_price, ask_price;
    bool sell_next; /* each instrument by itself, so that no position drifts */
};

struct probe {
    struct instruments instruments;
    uint32_t every, qty;
    uint32_t trigger_count; /* since the last order */
};

extern const struct strategy_ops probe_ops;

static size_t state_size(const struct strategy_setup *setup)
{
    return sizeof(struct probe) + instruments_bytes(setup, sizeof(struct probe_instrument));
}

static int init(void *state, const struct strategy_setup *setup, char ret_error[STRATEGY_ERROR_MAX])
{
    static const char *const known[] = {"every", "quantity", NULL};
    struct probe *probe = state;
    uint64_t every, qty;
    int error;

    if ((error = strategy_params_known(setup, known, ret_error)) != 0 ||
        (error = strategy_param_u64(setup, "every", 100, 1, 1000000000, &every, ret_error)) != 0 ||
        (error = strategy_param_u64(setup, "quantity", 100, 1, 1000000, &qty, ret_error)) != 0)
        return error;
    probe->every = (uint32_t)every;
    probe->qty = (uint32_t)qty;
    instruments_init(&probe->instruments, probe + 1, setup, sizeof(struct probe_instrument));
    return 0;
}

static void on_event(void *state, const struct md_event *event, uint64_t now_ns, struct strategy_out *out)
{
    struct probe *probe = state;
    struct probe_instrument *instrument = instruments_of(&probe->instruments, event);

    (void)now_ns;
    if (!instrument || (event->flags & MD_MORE)) /* amid a message: the prices before and after it are what counts */
        return;
    const bool moved = instrument->mark.seen &&
                       (event->bid_price != instrument->bid_price || event->ask_price != instrument->ask_price);
    instrument->mark.seen = true;
    instrument->bid_price = event->bid_price;
    instrument->ask_price = event->ask_price;
    if (!moved || (event->flags & (MD_STALE | MD_REFRESH | MD_UNTRADABLE)))
        return;
    if (event->bid_price <= 0 || event->ask_price <= event->bid_price)
        return; /* one-sided (no price is the smallest of all), locked or crossed */
    if (++probe->trigger_count < probe->every)
        return;
    probe->trigger_count = 0;
    out->intent[out->count++] = (struct order_intent){
        .action = ORDER_NEW,
        .side = instrument->sell_next ? 'S' : 'B',
        .tif = ORDER_IOC,
        .channel = event->channel,
        .instrument = event->instrument,
        .price = instrument->sell_next ? event->bid_price : event->ask_price,
        .qty = probe->qty,
    };
    instrument->sell_next = !instrument->sell_next;
}

static void on_order(void *state, const struct order_event *event, struct strategy_out *out)
{
    (void)state;
    (void)event;
    (void)out;
}

static void on_lost(void *state, uint32_t channels, uint64_t lost_count)
{
    struct probe *probe = state;

    (void)channels;
    (void)lost_count;
    instruments_reset(&probe->instruments); /* what moved meanwhile is not a trigger */
}

const struct strategy_ops probe_ops = {
    STRATEGY_ABI,
    .name = "probe",
    .summary = "an order for every Nth change of a best price, for measuring (every, quantity)",
    .state_size = state_size,
    .init = init,
    .on_event = on_event,
    .on_order = on_order,
    .on_lost = on_lost,
};
