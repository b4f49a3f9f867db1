/* The section `strategies`, as a part of config_convert. See config_load.h. */
#include "config/config_values.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As md_symbol() of ring/md_event.h lays it out, which this room does not see. */
static uint64_t symbol_value(const char *text)
{
    uint64_t value = 0;
    bool ended = false;

    for (unsigned i = 0; i < 8; i++) {
        ended = ended || text[i] == '\0';
        value |= (uint64_t)(uint8_t)(ended ? ' ' : text[i]) << (8 * i);
    }
    return value;
}

static int convert_symbols(const struct config_load *load, uint32_t i, const struct raw_strategy *from,
                           struct config_strategy *strategy)
{
    const struct config_at list_at = config_at("strategies[%u].symbols", i);

    if (from->symbols_count == 0) {
        /* The key left out means every instrument: a list that was made and came out empty does not. */
        if (config_lines_find(&load->lines, list_at.path, NULL) != CONFIG_NODE_NONE)
            config_say(load, false, list_at.path, "is empty; list symbols, or remove the key for every instrument");
        return 0;
    }
    strategy->symbol_list = calloc(from->symbols_count, sizeof(*strategy->symbol_list));
    if (!strategy->symbol_list)
        return -ENOMEM;
    for (uint32_t j = 0; j < from->symbols_count; j++) {
        const char *text = from->symbols[j];
        const struct config_at where = config_at("strategies[%u].symbols[%u]", i, j);
        if (config_bad(load, &where))
            continue;
        if (strlen(text) > 8) {
            config_say(load, false, where.path, "'%.48s' is longer than a symbol; write at most 8 letters", text);
            continue;
        }
        if (!config_printable(text)) {
            config_say(load, false, where.path,
                       "'%s' holds a blank or a letter outside ASCII; write the venue's symbol", text);
            continue;
        }
        if (strpbrk(text, "abcdefghijklmnopqrstuvwxyz")) {
            config_say(load, false, where.path,
                       "'%s' has small letters, which no symbol of the venue has; write it in capitals", text);
            continue;
        }
        const uint64_t value = symbol_value(text);
        bool twice = false;
        for (uint32_t k = 0; k < strategy->symbol_count; k++)
            twice = twice || strategy->symbol_list[k] == value;
        if (twice)
            config_say(load, false, where.path, "%s is listed twice; remove one", text);
        else
            strategy->symbol_list[strategy->symbol_count++] = value;
    }
    return 0;
}

/* The free map: libcyaml skips it, so it comes from the nodes. */
static int convert_params(const struct config_load *load, uint32_t i, struct config_strategy *strategy)
{
    const struct config_at where = config_at("strategies[%u].params", i);
    const uint32_t map = config_lines_find(&load->lines, where.path, NULL);

    if (map == CONFIG_NODE_NONE)
        return 0;
    const struct config_node *node = load->lines.node;
    if (node[map].kind == CONFIG_SCALAR && node[map].text[0] == '\0')
        return 0;
    if (node[map].kind != CONFIG_MAPPING) {
        config_say(load, false, where.path, "must be a mapping; write 'key: value' lines below it");
        return 0;
    }
    if (node[map].child_count > CONFIG_PARAMS_MAX) {
        config_say(load, false, where.path, "has %u entries, more than the maximum of %u; remove some",
                   node[map].child_count, CONFIG_PARAMS_MAX);
        return 0;
    }
    strategy->param_list = calloc(CONFIG_PARAMS_MAX, sizeof(*strategy->param_list));
    if (!strategy->param_list)
        return -ENOMEM;
    for (uint32_t n = node[map].first_child; n != CONFIG_NODE_NONE; n = node[n].next) {
        struct config_at one;
        config_lines_path(&load->lines, n, one.path);
        const uint32_t first = config_lines_key(&load->lines, map, node[n].key);
        if (first != n) {
            config_find(load->findings, false, load->path, node[n].line, one.path,
                        "is given twice, first on line %u; remove one", node[first].line);
        } else if (node[n].kind != CONFIG_SCALAR || node[n].text[0] == '\0') {
            config_say(load, false, one.path, "must be a single value; write one after the colon");
        } else {
            struct config_param *param = &strategy->param_list[strategy->param_count++];
            param->key = strdup(node[n].key);
            param->value = strdup(node[n].text);
            param->line = node[n].line;
            if (!param->key || !param->value)
                return -ENOMEM;
        }
    }
    return 0;
}

/* Which strategy: a name, or the file of a plug-in. */
static int convert_kind(const struct config_load *load, uint32_t i, const struct raw_strategy *from,
                        struct config_strategy *strategy)
{
    const struct config_at kind = config_at("strategies[%u].kind", i), plugin = config_at("strategies[%u].plugin", i);

    if (config_bad(load, &plugin))
        return 0;
    if (!from->plugin) {
        if (!from->kind && !config_bad(load, &kind))
            config_say(load, false, kind.path, "is missing; name a strategy, or write plugin and the path of one");
        else
            config_name(load, kind, from->kind, NULL, strategy->kind);
        return 0;
    }
    if (from->kind)
        config_say(load, false, plugin.path, "comes with kind; a strategy is built in or a plug-in: remove one");
    if (strlen(from->plugin) >= CONFIG_FILE_MAX)
        config_say(load, false, plugin.path, "is longer than a path may be; write one of at most %u letters",
                   CONFIG_FILE_MAX - 1);
    strategy->plugin = strdup(from->plugin);
    return strategy->plugin ? 0 : -ENOMEM;
}

int config_strategies_convert(const struct config_load *load, const struct raw *raw, struct config *config)
{
    const enum config_role role = config->gateway.mode == CONFIG_INLINE ? CONFIG_RX : CONFIG_STRATEGY;

    config->strategy_count = raw->strategies_count;
    for (uint32_t i = 0; i < raw->strategies_count; i++) {
        const struct raw_strategy *from = &raw->strategies[i];
        struct config_strategy *strategy = &config->strategy[i];
        strategy->line = config_line_of(load, config_at("strategies[%u]", i));
        config_name(load, config_at("strategies[%u].name", i), from->name, NULL, strategy->name);
        if (convert_kind(load, i, from, strategy) != 0)
            return -ENOMEM;
        strategy->lcore_idx = CONFIG_INDEX_OF(load, config_at("strategies[%u].lcore", i), from->lcore, "lcore",
                                              config->lcore, config->lcore_count, config_lcore_only(config, role));
        strategy->feed_idx =
            CONFIG_INDEX_OF(load, config_at("strategies[%u].feed", i), from->feed, "feed", config->feed,
                            config->feed_count, config->feed_count == 1 ? 0 : CONFIG_IDX_NONE);
        strategy->on_overrun = CONFIG_OR(from->on_overrun, CONFIG_OVERRUN_RESYNC);
        if (convert_symbols(load, i, from, strategy) != 0 || convert_params(load, i, strategy) != 0)
            return -ENOMEM;
    }
    return 0;
}
