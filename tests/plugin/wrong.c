/* Plug-ins that must not be loaded, one for each WRONG_...: meson.build makes them. */
#include <tickgate_strategy.h>

#ifndef WRONG_NAME
#define WRONG_NAME "wrong"
#endif
#ifndef WRONG_MAJOR
#define WRONG_MAJOR STRATEGY_ABI_MAJOR
#endif
#ifndef WRONG_MINOR
#define WRONG_MINOR STRATEGY_ABI_MINOR
#endif
#ifndef WRONG_BYTES
#define WRONG_BYTES sizeof(struct strategy_ops)
#endif

static inline size_t state_size(const struct strategy_setup *setup)
{
    (void)setup;
#ifdef WRONG_STATE
    return (size_t)1 << 50;
#else
    return 64;
#endif
}

static inline int init(void *state, const struct strategy_setup *setup, char ret_error[STRATEGY_ERROR_MAX])
{
    (void)state, (void)setup, (void)ret_error;
    return 0;
}

#ifndef WRONG_CALLS
static inline void on_event(void *state, const struct md_event *event, uint64_t now_ns, struct strategy_out *out)
{
    (void)state, (void)event, (void)now_ns, (void)out;
}
#endif

static inline void on_order(void *state, const struct order_event *event, struct strategy_out *out)
{
    (void)state, (void)event, (void)out;
}

static inline void on_lost(void *state, uint32_t channels, uint64_t lost_count)
{
    (void)state, (void)channels, (void)lost_count;
}

#if defined(WRONG_SYMBOL)
const struct strategy_ops other_strategy =
#elif defined(WRONG_TYPE)
__attribute__((visibility("default"))) extern const uint16_t tickgate_strategy_short;
__attribute__((alias("tickgate_strategy_short"))) extern const struct strategy_ops tickgate_strategy;
const uint16_t tickgate_strategy_short = 1;
static __attribute__((unused)) const struct strategy_ops unused_strategy =
#else
const struct strategy_ops tickgate_strategy =
#endif
    {
        .abi_major = WRONG_MAJOR,
        .abi_minor = WRONG_MINOR,
        .ops_bytes = WRONG_BYTES,
        .name = WRONG_NAME,
        .summary = "a plug-in that must not be loaded",
        .state_size = state_size,
        .init = init,
#ifndef WRONG_CALLS
        .on_event = on_event,
#endif
        .on_order = on_order,
        .on_lost = on_lost,
};
