/* Strategies: one table of functions each, chosen by name. The only indirect calls of the gateway go through it.
 *
 * A strategy lives on one strategy lcore (in inline mode the rx lcore) and is called by its loop alone, so it needs
 * no lock. It sees events and answers with intents; it never touches books, queues or the wire. It must not block,
 * allocate, print or read a clock once it runs: time is `now_ns`, the frame's own, so that a replay decides as the
 * live run did. */
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

struct strategy_ops {
    const char *name;
    const char *summary;         /* one line for --help */
    /* Bytes of state for this set-up; the state is given to init zeroed, aligned to a cache line. */
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
};

/* The strategy called `name`, or NULL. */
const struct strategy_ops *strategy_find(const char *name);
/* The i-th strategy of the table, NULL past its end. */
const struct strategy_ops *strategy_at(uint32_t index);

/* Helpers for init: the value of a numeric parameter, or `fallback` where it is absent. -EINVAL and a sentence when it
 * is not a whole number within min ... max. */
int strategy_param_u64(const struct strategy_setup *setup, const char *key, uint64_t fallback, uint64_t min,
                       uint64_t max, uint64_t *ret_value, char ret_error[STRATEGY_ERROR_MAX]);
/* -EINVAL and a sentence when a parameter is given that is not among `known` (ends with NULL). */
int strategy_params_known(const struct strategy_setup *setup, const char *const *known,
                          char ret_error[STRATEGY_ERROR_MAX]);

#endif
