/* What the harmful plug-ins have in common: they first leave orders in the book, so that there is something to be
 * emptied, and count down from the last of them. Test code, on the strategy lcore.
 *
 *   orders     day orders that it enters, buys, `distance` behind the best bid (default 0)
 *   distance   in the instrument's price unit (default 10000)
 *   after      market events between the last acceptance and the harm (default 1000) */
#ifndef TESTS_PLUGIN_REST_H
#define TESTS_PLUGIN_REST_H

#include <tickgate_strategy.h>

struct rest_instrument { struct instruments_mark mark; uint64_t unused; };

struct rest {
    struct instruments instruments;
    uint32_t wanted, entered, live;
    int32_t distance;
    uint64_t after;
};

static inline size_t rest_state_size(const struct strategy_setup *setup)
{
    return sizeof(struct rest) + instruments_bytes(setup, sizeof(struct rest_instrument));
}

static inline int rest_init(struct rest *rest, const struct strategy_setup *setup, char ret_error[STRATEGY_ERROR_MAX])
{
    uint64_t orders, distance;
    int error;

    if ((error = strategy_param_u64(setup, "orders", 0, 0, 4096, &orders, ret_error)) != 0 ||
        (error = strategy_param_u64(setup, "distance", 10000, 0, 100000000, &distance, ret_error)) != 0 ||
        (error = strategy_param_u64(setup, "after", 1000, 0, UINT64_MAX, &rest->after, ret_error)) != 0)
        return error;
    rest->wanted = (uint32_t)orders;
    rest->distance = (int32_t)distance;
    instruments_init(&rest->instruments, rest + 1, setup, sizeof(struct rest_instrument));
    return 0;
}

/* True: all of its orders are in the book, and the time has come. */
static inline bool rest_event(struct rest *rest, const struct md_event *event, struct strategy_out *out)
{
    if (rest->live >= rest->wanted) {
        if (rest->after == 0)
            return true;
        rest->after--;
        return false;
    }
    if (!instruments_of(&rest->instruments, event) ||
        (event->flags & (MD_MORE | MD_REFRESH | MD_STALE | MD_UNTRADABLE)) || event->bid_price <= rest->distance ||
        event->ask_price <= event->bid_price)
        return false;
    for (; rest->entered < rest->wanted && out->count < ORDER_INTENTS_MAX; rest->entered++)
        out->intent[out->count++] = (struct order_intent){
            .action = ORDER_NEW,
            .side = 'B',
            .tif = ORDER_DAY,
            .channel = event->channel,
            .instrument = event->instrument,
            .price = event->bid_price - rest->distance,
            .qty = 1,
        };
    return false;
}

static inline void rest_order(struct rest *rest, const struct order_event *event)
{
    if (event->type == ORDER_ACCEPTED)
        rest->live++;
    else if (event->type == ORDER_REFUSED || (event->type == ORDER_RELEASED && event->left_qty == 0))
        rest->entered--; /* to be tried again */
}

#endif
