// beat: the smallest strategy there is, in C++: an order for every `every`th event of its instruments. Shows that the
// header is one of C++ too.
#include <tickgate_strategy.h>

namespace {

struct Instrument { instruments_mark mark; uint64_t count; };
struct Beat { instruments own; uint64_t every; };

size_t state_size(const strategy_setup *setup)
{
    return sizeof(Beat) + instruments_bytes(setup, sizeof(Instrument));
}

int init(void *state, const strategy_setup *setup, char *ret_error)
{
    static const char *const known[] = {"every", nullptr};
    auto *beat = static_cast<Beat *>(state);

    if (int error = strategy_params_known(setup, known, ret_error))
        return error;
    instruments_init(&beat->own, beat + 1, setup, sizeof(Instrument));
    return strategy_param_u64(setup, "every", 1000, 1, 1000000000, &beat->every, ret_error);
}

void on_event(void *state, const md_event *event, uint64_t, strategy_out *out)
{
    auto *beat = static_cast<Beat *>(state);
    auto *instrument = static_cast<Instrument *>(instruments_of(&beat->own, event));

    if (!instrument || (event->flags & (MD_MORE | MD_REFRESH | MD_STALE | MD_UNTRADABLE)) || event->bid_price <= 0 ||
        event->ask_price <= event->bid_price || ++instrument->count % beat->every)
        return;
    out->intent[out->count++] = {.action = ORDER_NEW, .side = 'B', .tif = ORDER_IOC, .channel = event->channel,
                                 .instrument = event->instrument, .price = event->ask_price, .qty = 1};
}

void on_order(void *, const order_event *, strategy_out *) {}
void on_lost(void *, uint32_t, uint64_t) {}

} // namespace

const strategy_ops tickgate_strategy = {
    STRATEGY_ABI,
    .name = "beat",
    .summary = "an order for every Nth event (every)",
    .state_size = state_size,
    .init = init,
    .on_event = on_event,
    .on_order = on_order,
    .on_lost = on_lost,
};
