/* From what libcyaml read to struct config: every value on its own. Ranges, defaults, names, addresses and dates are in
 * config_values.c, the larger sections in a file each, the smaller ones here; what keys mean together is
 * config_check's. See config_load.h. */
#include "config/config_values.h"

#include <errno.h>
#include <stdlib.h>

static void convert_gateway(const struct config_load *load, const struct raw_gateway *raw,
                            struct config_gateway *gateway)
{
    static const struct raw_gateway nothing;

    if (!raw)
        raw = &nothing;
    config_name(load, config_at("gateway.name"), raw->name, "gateway", gateway->name);
    gateway->mode = CONFIG_OR(raw->mode, CONFIG_TWO_CORE);
    gateway->memory = CONFIG_OR(raw->memory, CONFIG_MEMORY_AUTO);
    gateway->memory_mb = (uint32_t)config_number(load, config_at("gateway.memory_mb"), raw->memory_mb, 64, 65536, 256);
    gateway->burst = (uint32_t)config_number(load, config_at("gateway.burst"), raw->burst, 1, 64, 32);
    gateway->ring_slots =
        config_power_of_two(load, config_at("gateway.ring_slots"), raw->ring_slots, 64, 1u << 24, 65536);
    gateway->numa_strict = CONFIG_OR(raw->numa_strict, false);
    gateway->control_sleep_us =
        (uint32_t)config_number(load, config_at("gateway.control_sleep_us"), raw->control_sleep_us, 1, 100000, 200);
}

static void convert_lcores(const struct config_load *load, const struct raw *raw, struct config *config)
{
    config->lcore_count = raw->lcores_count;
    for (uint32_t i = 0; i < raw->lcores_count; i++) {
        struct config_lcore *lcore = &config->lcore[i];
        lcore->line = config_line_of(load, config_at("lcores[%u]", i));
        config_name(load, config_at("lcores[%u].name", i), raw->lcores[i].name, NULL, lcore->name);
        if (raw->lcores[i].role)
            lcore->role = *raw->lcores[i].role;
        else
            config_say(load, false, config_at("lcores[%u].role", i).path, "is missing; write rx or strategy");
        lcore->cpu =
            (uint32_t)config_number(load, config_at("lcores[%u].cpu", i), raw->lcores[i].cpu, 0, 1023, CONFIG_REQUIRED);
    }
}

static void convert_kill(const struct config_load *load, const struct raw_kill *raw, struct config_kill *kill)
{
    static const struct raw_kill nothing;

    if (!raw)
        raw = &nothing;
    kill->watchdog_ms = (uint32_t)config_number(load, config_at("kill.watchdog_ms"), raw->watchdog_ms, 0, 60000, 2000);
    kill->repeat_ms = (uint32_t)config_number(load, config_at("kill.repeat_ms"), raw->repeat_ms, 1, 60000, 20);
    kill->confirm_ms = (uint32_t)config_number(load, config_at("kill.confirm_ms"), raw->confirm_ms, 10, 600000, 2000);
}

static int convert_faults(const struct config_load *load, const struct raw_faults *raw, struct config *config)
{
    config->fault_seed = config_number(load, config_at("faults.seed"), raw ? raw->seed : NULL, 0, UINT64_MAX, 1);
    if (!raw || raw->lines_count == 0)
        return 0;
    config->fault_list = calloc(raw->lines_count, sizeof(*config->fault_list));
    if (!config->fault_list)
        return -ENOMEM;
    config->fault_count = raw->lines_count;
    for (uint32_t i = 0; i < raw->lines_count; i++) {
        const struct raw_fault *from = &raw->lines[i];
        struct config_fault *to = &config->fault_list[i];
        const struct config_at at = config_at("faults.lines[%u]", i);
        to->line = config_line_of(load, at);
        to->feed_idx = CONFIG_INDEX_OF(load, config_at("%s.feed", at.path), from->feed, "feed", config->feed,
                                       config->feed_count, config->feed_count == 1 ? 0 : CONFIG_IDX_NONE);
        to->line_idx = CONFIG_IDX_NONE;
        if (to->feed_idx != CONFIG_IDX_NONE && config->feed[to->feed_idx].line_count > 0) {
            const struct config_feed *feed = &config->feed[to->feed_idx];
            to->line_idx = CONFIG_INDEX_OF(load, config_at("%s.line", at.path), from->line, "line", feed->line_list,
                                           feed->line_count, feed->line_count == 1 ? 0 : CONFIG_IDX_NONE);
        }
        to->loss = config_share(load, config_at("%s.loss", at.path), from->loss);
        to->duplicate = config_share(load, config_at("%s.duplicate", at.path), from->duplicate);
        to->reorder = config_share(load, config_at("%s.reorder", at.path), from->reorder);
        to->corrupt = config_share(load, config_at("%s.corrupt", at.path), from->corrupt);
        to->truncate = config_share(load, config_at("%s.truncate", at.path), from->truncate);
        to->skew_us = (uint32_t)config_number(load, config_at("%s.skew_us", at.path), from->skew_us, 0, 10000000, 0);
        to->jitter_us =
            (uint32_t)config_number(load, config_at("%s.jitter_us", at.path), from->jitter_us, 0, 10000000, 0);
        to->stall_every_ms =
            (uint32_t)config_number(load, config_at("%s.stall_every_ms", at.path), from->stall_every_ms, 0, 3600000, 0);
        to->stall_ms = (uint32_t)config_number(load, config_at("%s.stall_ms", at.path), from->stall_ms, 0, 3600000, 0);
        to->restart_at = config_number(load, config_at("%s.restart_at", at.path), from->restart_at, 0, UINT64_MAX, 0);
    }
    return 0;
}

int config_convert(struct config_load *load, const struct raw *raw, struct config *config)
{
    convert_gateway(load, raw->gateway, &config->gateway);
    convert_lcores(load, raw, config);
    if (config_ports_convert(load, raw, config) != 0 || config_feeds_convert(load, raw, config) != 0 ||
        config_strategies_convert(load, raw, config) != 0 ||
        config_orders_convert(load, raw->orders, config, &config->orders) != 0)
        return -ENOMEM;
    if (config_risk_convert(load, raw, config) != 0)
        return -ENOMEM;
    if (config_admin(load, raw->admin, &config->admin) != 0)
        return -ENOMEM;
    convert_kill(load, raw->kill, &config->kill);
    config->latency.stages = raw->latency && CONFIG_OR(raw->latency->stages, false);
    config->telemetry.enabled = !raw->telemetry || CONFIG_OR(raw->telemetry->enabled, true);
    config->telemetry.report_s = (uint32_t)config_number(
        load, config_at("telemetry.report_s"), raw->telemetry ? raw->telemetry->report_s : NULL, 0, 86400, 10);
    config_convert_firewall(load, raw->firewall, config);
    return convert_faults(load, raw->faults, config);
}
