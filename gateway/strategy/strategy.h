/* Strategies: one table of functions each, chosen by name or loaded from a plug-in. The only indirect calls of the
 * gateway go through it.
 *
 * A strategy lives on one strategy lcore (in inline mode the rx lcore) and is called by its loop alone, so it needs
 * no lock. It sees events and answers with intents; it never touches books, queues or the wire. state_size and init are
 * called on the main thread before the gateway is armed, also by `tickgate check`, in memory that is thrown away: they
 * have no effect outside the state. From then on the strategy must not block, allocate, print, call the system or read
 * a clock: time is `now_ns`, the frame's own, so that a replay decides as the live run did. It keeps everything in its
 * state, nothing in variables: several may be made of one table. Of the pointers that it is given, those into its state
 * stay valid, the others until the call returns. A call that does not return stops its lcore; a fault ends the
 * process. */
#ifndef GATEWAY_STRATEGY_STRATEGY_H
#define GATEWAY_STRATEGY_STRATEGY_H

#include "ring/md_event.h"
#include "ring/order_intent.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STRATEGY_ERROR_MAX 256u

struct strategy_param { const char *key, *value; };

/* Where the intents of one call are put. */
struct strategy_out {
    struct order_intent intent[ORDER_INTENTS_MAX];
    uint32_t count;
};

struct strategy_setup {
    const struct strategy_param *params;
    uint32_t param_count;
    uint32_t channel_count;      /* channels of events: 0 ... channel_count - 1 */
    const uint32_t *instrument_counts; /* instruments of each channel */
    const uint64_t *symbols;     /* instruments to trade; none: every instrument that is defined */
    uint32_t symbol_count;
    uint16_t symbols_channel;    /* the channel these symbols are on */
};

/* The version of all this: records, tables, what their fields and values mean.
 *   minor: something was added that who does not know it may ignore: a value of an enum, a field at the end of
 *          strategy_setup, order_event or strategy_ops. A gateway takes tables of its own minor and of all before.
 *   major: anything else. A gateway takes tables of its own major only. */
#define STRATEGY_ABI_MAJOR 1u
#define STRATEGY_ABI_MINOR 0u

/* What every table begins with. */
#define STRATEGY_ABI                                                                                                   \
    .abi_major = STRATEGY_ABI_MAJOR, .abi_minor = STRATEGY_ABI_MINOR, .ops_bytes = sizeof(struct strategy_ops)

struct strategy_ops {
    uint16_t abi_major, abi_minor;
    uint32_t ops_bytes;          /* of this struct as its maker knew it; what lies beyond counts as zero */
    const char *name;            /* letters, digits, '_' and '-' */
    const char *summary;         /* one line for --help */
    /* Bytes of state for this set-up, > 0; the state is given to init zeroed, aligned to a cache line. */
    size_t (*state_size)(const struct strategy_setup *setup);
    /* 0, or -EINVAL and one sentence in ret_error: unknown parameter, value out of range ... */
    int (*init)(void *state, const struct strategy_setup *setup, char ret_error[STRATEGY_ERROR_MAX]);
    /* A market-data event. `out` comes empty. */
    void (*on_event)(void *state, const struct md_event *event, uint64_t now_ns, struct strategy_out *out);
    /* News of an order of this strategy. */
    void (*on_order)(void *state, const struct order_event *event, struct strategy_out *out);
    /* Events of these channels (bits) were lost to an overrun: whatever was derived from single events is in doubt. A
     * refresh of them may follow: events flagged MD_REFRESH, from MD_RESET to MD_STALE_END or MD_STALE_BEGIN. */
    void (*on_lost)(void *state, uint32_t channels, uint64_t lost_count);
    bool depth;                  /* it keeps a view of its symbols: a refresh brings their orders too */
    uint8_t reserved[7];         /* zero */
};

_Static_assert(sizeof(struct strategy_out) == 100, "strategy_out is part of the interface");
_Static_assert(sizeof(struct strategy_setup) == 40, "strategy_setup is part of the interface: append, raise the minor");
_Static_assert(offsetof(struct strategy_ops, name) == 8, "strategy_ops is part of the interface");
_Static_assert(offsetof(struct strategy_ops, on_event) == 40, "strategy_ops is part of the interface");
_Static_assert(sizeof(struct strategy_ops) == 72, "strategy_ops is part of the interface: append, raise the minor");

/* A plug-in is a shared object that defines this table:
 *   const struct strategy_ops tickgate_strategy = {STRATEGY_ABI, .name = ...}; */
__attribute__((visibility("default"))) extern const struct strategy_ops tickgate_strategy;

/* Helpers for init: the value of a numeric parameter, or `fallback` where it is absent. -EINVAL and a sentence when it
 * is not a whole number within min ... max. */
int strategy_param_u64(const struct strategy_setup *setup, const char *key, uint64_t fallback, uint64_t min,
                       uint64_t max, uint64_t *ret_value, char ret_error[STRATEGY_ERROR_MAX]);
/* -EINVAL and a sentence when a parameter is given that is not among `known` (ends with NULL). */
int strategy_params_known(const struct strategy_setup *setup, const char *const *known,
                          char ret_error[STRATEGY_ERROR_MAX]);

#endif
