/* See params.h. */
#include "gateway/params.h"

struct channel_params params_channel(const struct config *config, uint32_t feed_idx)
{
    const struct config_feed *feed = &config->feed[feed_idx];

    return (struct channel_params){
        .book = {.instruments_max = feed->instruments_max,
                 .orders_max = feed->orders_max,
                 .levels_max = feed->levels_max},
        .line_count = feed->line_count,
        .reorder_packets = feed->reorder_packets,
        .reorder_ns = (uint64_t)feed->reorder_us * 1000,
        .midnight_ns = feed->midnight_ns,
        .first_seq = feed->join == CONFIG_JOIN_START ? 1 : 0,
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
