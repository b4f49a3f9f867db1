/* flood: says that it has answered each event with more intents than there is room for. Those that there is room for
 * are cancels of nothing, so that nothing of it reaches a venue. */
#include <tickgate_strategy.h>

static size_t state_size(const struct strategy_setup *setup)
{
    (void)setup;
    return 1;
}

static int init(void *state, const struct strategy_setup *setup, char ret_error[STRATEGY_ERROR_MAX])
{
    static const char *const none[] = {NULL};

    (void)state;
    return strategy_params_known(setup, none, ret_error);
}

static void on_event(void *state, const struct md_event *event, uint64_t now_ns, struct strategy_out *out)
{
    (void)state, (void)now_ns;
    for (uint32_t i = 0; i < ORDER_INTENTS_MAX; i++)
        out->intent[i] = (struct order_intent){.action = ORDER_CANCEL, .channel = event->channel};
    out->count = 1000000;
}

static void on_order(void *state, const struct order_event *event, struct strategy_out *out)
{
    (void)state, (void)event, (void)out;
}

static void on_lost(void *state, uint32_t channels, uint64_t lost_count)
{
    (void)state, (void)channels, (void)lost_count;
}

const struct strategy_ops tickgate_strategy = {
    STRATEGY_ABI,
    .name = "flood",
    .summary = "answers each event with more intents than there is room for",
    .state_size = state_size,
    .init = init,
    .on_event = on_event,
    .on_order = on_order,
    .on_lost = on_lost,
};
