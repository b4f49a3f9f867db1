/* See params.h. */
#include "gateway/params.h"

struct channel_params params_channel(const struct config *config, uint32_t feed_idx, bool ask_servers)
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
        .recovery = ask_servers ? recovery : (struct channel_recovery){.snapshot = false},
        .midnight_ns = feed->midnight_ns,
        .first_seq = feed->join == CONFIG_JOIN_ANYWHERE ? 0 : 1,
        .index = (uint16_t)feed_idx,
    };
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
