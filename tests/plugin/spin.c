/* spin: leaves orders in the book, then does not return any more. What a watchdog is for. Parameters: rest.h. */
#include "tests/plugin/rest.h"

static int init(void *state, const struct strategy_setup *setup, char ret_error[STRATEGY_ERROR_MAX])
{
    return rest_init(state, setup, ret_error);
}

static void on_event(void *state, const struct md_event *event, uint64_t now_ns, struct strategy_out *out)
{
    (void)now_ns;
    if (rest_event(state, event, out))
        for (;;)
            __asm__ volatile("pause");
}

static void on_order(void *state, const struct order_event *event, struct strategy_out *out)
{
    (void)out;
    rest_order(state, event);
}

static void on_lost(void *state, uint32_t channels, uint64_t lost_count)
{
    (void)state, (void)channels, (void)lost_count;
}

const struct strategy_ops tickgate_strategy = {
    STRATEGY_ABI,
    .name = "spin",
    .summary = "leaves orders in the book, then does not return (orders, distance, after)",
    .state_size = rest_state_size,
    .init = init,
    .on_event = on_event,
    .on_order = on_order,
    .on_lost = on_lost,
};
