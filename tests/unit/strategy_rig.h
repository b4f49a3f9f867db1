/* A strategy under test: its state, a market of two channels, and what it answered. */
#ifndef TESTS_UNIT_STRATEGY_RIG_H
#define TESTS_UNIT_STRATEGY_RIG_H

#include "gateway/strategy/strategy_table.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

struct strategy_rig {
    const struct strategy_ops *ops;
    void *state;
    struct strategy_out out; /* answer to the last event */
    uint64_t now_ns;
    bool chosen; /* it was given symbols: "ABC" of channel 1 is one, nothing that rig_random makes up is */
};

static const uint32_t rig_counts[2] = {8, 8};

static inline struct strategy_rig rig_open(const char *name, const struct strategy_param *params, uint32_t param_count,
                                           const uint64_t *symbols, uint32_t symbol_count)
{
    const struct strategy_setup setup = {.params = params,
                                         .param_count = param_count,
                                         .channel_count = 2,
                                         .instrument_counts = rig_counts,
                                         .symbols = symbols,
                                         .symbol_count = symbol_count,
                                         .symbols_channel = 1};
    struct strategy_rig rig = {.ops = strategy_table_find(name), .now_ns = 1000000, .chosen = symbol_count > 0};
    char error[STRATEGY_ERROR_MAX] = "";

    cr_assert_not_null(rig.ops);
    const size_t bytes = (rig.ops->state_size(&setup) + 63) / 64 * 64;
    rig.state = aligned_alloc(64, bytes);
    memset(rig.state, 0, bytes);
    cr_assert_eq(rig.ops->init(rig.state, &setup, error), 0, "%s", error);
    return rig;
}

/* An event of instrument 3 of channel 1 with these best prices; returns how many intents it led to. */
static inline uint32_t rig_send(struct strategy_rig *rig, enum md_type type, uint16_t flags, int32_t bid, int32_t ask)
{
    const struct md_event event = {.type = (uint8_t)type,
                                   .flags = flags,
                                   .channel = 1,
                                   .instrument = 3,
                                   .ref = md_symbol("ABC"),
                                   .bid_price = bid,
                                   .bid_qty = 1,
                                   .ask_price = ask,
                                   .ask_qty = 1};
    rig->out.count = 0;
    rig->ops->on_event(rig->state, &event, rig->now_ns, &rig->out);
    return rig->out.count;
}

static inline int rig_refuse(const char *name, const char *key, const char *value, char ret_error[STRATEGY_ERROR_MAX])
{
    const struct strategy_param param = {key, value};
    const struct strategy_setup setup = {
        .params = &param, .param_count = 1, .channel_count = 2, .instrument_counts = rig_counts};
    const struct strategy_ops *ops = strategy_table_find(name);
    void *state = calloc(1, ops->state_size(&setup));
    const int result = ops->init(state, &setup, ret_error);
    free(state);
    return result;
}

/* Random events, legal and not: whatever comes, an intent is well formed and about an instrument that is traded. */
static inline uint32_t rig_random(struct strategy_rig *rig, uint32_t steps)
{
    uint64_t seed = 3;
    uint32_t intents = 0;
    bool defined[2][8] = {{false}};

    for (uint32_t step = 0; step < steps; step++) {
        uint64_t dice[8];
        for (int i = 0; i < 8; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            dice[i] = seed >> 33;
        }
        struct md_event event = {.type = (uint8_t)(1 + dice[0] % (MD_TYPE_COUNT - 1)),
                                 .flags = dice[1] % 4 ? 0 : (uint16_t)(dice[1] >> 4 & 0x1ff),
                                 .channel = (uint16_t)(dice[2] % 20 ? dice[2] / 20 % 2 : dice[2]),
                                 .instrument = (uint16_t)(dice[3] % 20 ? dice[3] / 20 % 8 : dice[3]),
                                 .ref = dice[4] % 3 ? md_symbol("ABC") : dice[4],
                                 .bid_price = dice[5] % 10 ? (int32_t)(dice[5] % 2000) - 100 : MD_PRICE_NONE,
                                 .ask_price = dice[6] % 10 ? (int32_t)(dice[6] % 2000) - 100 : INT32_MAX};
        if ((event.type == MD_SESSION || event.type == MD_RESET) && dice[1] % 8 == 0) {
            event.instrument = MD_INSTRUMENT_NONE;
            if (event.channel < 2)
                memset(defined[event.channel], 0, sizeof(defined[event.channel]));
        }
        rig->out.count = 0;
        rig->now_ns += dice[7] % 1000000;
        rig->ops->on_event(rig->state, &event, rig->now_ns, &rig->out);
        if (event.type == MD_DEFINE && event.channel < 2 && event.instrument < 8)
            defined[event.channel][event.instrument] =
                !rig->chosen || (event.channel == 1 && event.ref == md_symbol("ABC"));
        cr_assert_leq(rig->out.count, ORDER_INTENTS_MAX);
        for (uint32_t i = 0; i < rig->out.count; i++) {
            const struct order_intent *intent = &rig->out.intent[i];
            cr_assert(intent->action == ORDER_NEW && intent->tif == ORDER_IOC);
            cr_assert(intent->side == 'B' || intent->side == 'S');
            cr_assert_gt(intent->price, 0);
            cr_assert_gt(intent->qty, 0u);
            cr_assert(intent->channel == event.channel && intent->instrument == event.instrument);
            cr_assert(defined[intent->channel][intent->instrument], "an instrument nobody has named, or wants");
            cr_assert_not(event.flags & (MD_STALE | MD_UNTRADABLE | MD_MORE | MD_REFRESH));
            intents++;
        }
        if (dice[7] % 1000 == 0)
            rig->ops->on_lost(rig->state, (uint32_t)dice[6], 5);
    }
    return intents;
}

#endif
