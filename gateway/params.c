/* See params.h. */
#include "gateway/params.h"

#include <stdlib.h>

struct channel_params params_channel(const struct config *config, uint32_t feed_idx, bool live)
{
    const struct config_feed *feed = &config->feed[feed_idx];
    const struct config_retransmission *retransmission = &feed->retransmission;
    struct channel_recovery recovery = {.snapshot = false};

    if (retransmission->present)
        recovery.retransmit = (struct retransmit_params){
            .server_count = retransmission->server_count,
            .request_messages = retransmission->request_messages,
            .in_flight = retransmission->in_flight,
            .rate_per_s = retransmission->rate_per_s,
            .rate_burst = retransmission->rate_burst,
            .attempts = retransmission->attempts,
            .timeout_ns = (uint64_t)retransmission->timeout_us * 1000,
            .timeout_max_ns = (uint64_t)retransmission->timeout_max_us * 1000,
        };
    recovery.gap_max = retransmission->present ? retransmission->gap_max : 0;
    recovery.snapshot = feed->snapshot.present;
    recovery.join_snapshot = feed->join == CONFIG_JOIN_SNAPSHOT;
    recovery.spin_retry_ns = (uint64_t)feed->snapshot.retry_ms * 1000000;
    recovery.spin_retry_max_ns = (uint64_t)feed->snapshot.retry_max_ms * 1000000;
    return (struct channel_params){
        .book = {.instruments_max = feed->instruments_max,
                 .orders_max = feed->orders_max,
                 .levels_max = feed->levels_max},
        .line_count = feed->line_count,
        .reorder_packets = feed->reorder_packets,
        .reorder_ns = (uint64_t)feed->reorder_us * 1000,
        .hold_messages = feed->hold_messages,
        .stale_at_once = feed->stale == CONFIG_STALE_AT_ONCE,
        .silence_ns = (uint64_t)feed->silence_ms * 1000000,
        .live = live,
        .recovery = live ? recovery : (struct channel_recovery){.snapshot = false},
        .midnight_ns = feed->midnight_ns,
        .first_seq = feed->join == CONFIG_JOIN_ANYWHERE ? 0 : 1,
        .index = (uint16_t)feed_idx,
    };
}

static int symbol_order(const void *left, const void *right)
{
    const uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

uint32_t params_traded(const struct config *config, uint32_t feed_idx, const struct reference_file *daily,
                       uint64_t ret_symbols[PARAMS_TRADED_MAX])
{
    uint32_t count = 0, different = 0;

    for (uint32_t i = 0; i < config->strategy_count; i++)
        for (uint32_t j = 0; config->strategy[i].feed_idx == feed_idx && j < config->strategy[i].symbol_count; j++)
            ret_symbols[count++] = config->strategy[i].symbol_list[j];
    for (uint32_t i = 0; daily && i < daily->position_count; i++)
        ret_symbols[count++] = daily->positions[i].symbol;
    qsort(ret_symbols, count, sizeof(*ret_symbols), symbol_order);
    for (uint32_t i = 0; i < count; i++)
        if (i == 0 || ret_symbols[i] != ret_symbols[i - 1])
            ret_symbols[different++] = ret_symbols[i];
    return different;
}

void params_strategy(const struct config *config, uint32_t strategy_idx, struct params_strategy *ret_params)
{
    const struct config_strategy *strategy = &config->strategy[strategy_idx];

    for (uint32_t i = 0; i < config->feed_count; i++)
        ret_params->instrument_counts[i] = config->feed[i].instruments_max;
    for (uint32_t i = 0; i < strategy->param_count; i++)
        ret_params->param[i] = (struct strategy_param){strategy->param_list[i].key, strategy->param_list[i].value};
    ret_params->setup = (struct strategy_setup){
        .params = ret_params->param,
        .param_count = strategy->param_count,
        .channel_count = config->feed_count,
        .instrument_counts = ret_params->instrument_counts,
        .symbols = strategy->symbol_list,
        .symbol_count = strategy->symbol_count,
        .symbols_channel = (uint16_t)strategy->feed_idx,
    };
}

/* Numbers of a scope; what belongs to the lcore alone is left as it is. */
static void limits_of(const struct config_limits *limits, struct risk_limits *ret_limits)
{
    ret_limits->order_qty_max = limits->order_qty_max;
    ret_limits->order_notional_max = limits->order_notional_max;
    ret_limits->collar_bps = limits->collar_bps;
    ret_limits->collar_last_bps = limits->collar_last_bps;
    ret_limits->collar_close_bps = limits->collar_close_bps;
    ret_limits->position_max = limits->position_max;
    ret_limits->open_orders_max = limits->open_orders_max;
    ret_limits->gross_max = limits->gross_max;
    ret_limits->net_max = limits->net_max;
    ret_limits->loss_max = limits->loss_max;
    ret_limits->rate_per_s = limits->rate_per_s;
    ret_limits->rate_burst = limits->rate_burst;
    ret_limits->duplicate_ms = limits->duplicate_ms;
    ret_limits->hours_from_s = limits->hours_from_s;
    ret_limits->hours_to_s = limits->hours_to_s;
}

static uint8_t rule_of(enum config_rule rule)
{
    static const uint8_t rules[] = {
        [CONFIG_RULE_USUAL] = RISK_RULE_USUAL, [CONFIG_RULE_REFUSE] = RISK_RULE_REFUSE,
        [CONFIG_RULE_OTHER] = RISK_RULE_OTHER, [CONFIG_RULE_LAST] = RISK_RULE_LAST,
        [CONFIG_RULE_CLOSE] = RISK_RULE_CLOSE,
    };
    return rules[rule];
}

void params_limits(const struct config *config, struct risk_limits *ret_limits)
{
    const struct config_risk *risk = &config->risk;

    *ret_limits = (struct risk_limits){
        .messages_per_s = risk->messages_per_s,
        .messages_burst = risk->messages_burst,
        .messages_reserve = risk->messages_reserve,
        .clock_back_ms = risk->clock_back_ms,
        .clock_ahead_ms = risk->clock_ahead_ms,
        .clock_steady_ms = risk->clock_steady_ms,
        .no_bbo = rule_of(risk->no_bbo),
        .one_sided = rule_of(risk->one_sided),
        .locked = rule_of(risk->locked),
        .crossed = rule_of(risk->crossed),
        .no_reference = rule_of(risk->missing_symbol),
        .self_cross = risk->self_cross == CONFIG_REFUSE,
        .short_sale = risk->short_sale == CONFIG_SHORT_SALE_CHECK,
        .no_early = risk->early == CONFIG_REFUSE,
        .no_late = risk->late == CONFIG_REFUSE,
        .allow_stale = risk->allow_stale,
    };
    limits_of(&risk->limits, ret_limits);
}

void params_strategy_limits(const struct config *config, uint32_t strategy_idx, struct risk_limits *ret_limits)
{
    *ret_limits = (struct risk_limits){.no_bbo = 0};
    limits_of(&config->strategy[strategy_idx].risk, ret_limits);
}

void params_gateway_limits(const struct config *config, struct risk_limits *ret_limits)
{
    *ret_limits = (struct risk_limits){.no_bbo = 0};
    limits_of(&config->risk.gateway, ret_limits);
}

uint32_t params_gateway_shares(const struct config *config)
{
    uint32_t lcores = 0;

    if (config->orders.carrier != CONFIG_CARRIER_UDP)
        return 1; /* the owner of the session: nobody else can send */
    for (uint32_t i = 0; i < config->lcore_count; i++)
        lcores += config->gateway.mode == CONFIG_INLINE || config->lcore[i].role == CONFIG_STRATEGY;
    return lcores;
}
