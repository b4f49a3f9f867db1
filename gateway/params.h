/* From config to the parameters of the lower rooms, which do not know the config. Main thread, set-up. */
#ifndef GATEWAY_PARAMS_H
#define GATEWAY_PARAMS_H

#include "config/config.h"
#include "feed/channel.h"
#include "gateway/order/risk_limits.h"
#include "gateway/reference_file.h"
#include "gateway/strategy/strategy.h"

/* What feed `feed_idx` is to its channel. `live`: with its re-request and snapshot servers; a replay has none to ask,
 * and believes its captures. With books of all instruments: `traded` is the caller's. */
struct channel_params params_channel(const struct config *config, uint32_t feed_idx, bool live);

/* The symbols of feed `feed_idx` that have books with books: traded, ascending, each once; returns how many. Those that
 * strategies list for it, and what `daily` says is held: its worth is asked of its last trade. `daily`: NULL = none. */
#define PARAMS_TRADED_MAX (CONFIG_STRATEGIES_MAX * CONFIG_INSTRUMENTS_MAX + REFERENCE_POSITIONS_MAX)
uint32_t params_traded(const struct config *config, uint32_t feed_idx, const struct reference_file *daily,
                       uint64_t ret_symbols[PARAMS_TRADED_MAX]);

/* What a strategy is told at its start, with the lists that it points to. */
struct params_strategy {
    struct strategy_setup setup;
    struct strategy_param param[CONFIG_PARAMS_MAX];
    uint32_t instrument_counts[CONFIG_FEEDS_MAX];
};

/* `ret_params` must outlive the call of init; it points into itself and into the config. */
void params_strategy(const struct config *config, uint32_t strategy_idx, struct params_strategy *ret_params);

/* Limits of the risk gate: of each strategy lcore, of a strategy that has some of its own, of the gateway. */
void params_limits(const struct config *config, struct risk_limits *ret_limits);
void params_strategy_limits(const struct config *config, uint32_t strategy_idx, struct risk_limits *ret_limits);
void params_gateway_limits(const struct config *config, struct risk_limits *ret_limits);
/* Lcores that the gateway's limits are divided among: those that can send. */
uint32_t params_gateway_shares(const struct config *config);

#endif
