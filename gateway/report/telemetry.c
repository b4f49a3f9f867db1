/* See telemetry.h. */
#include "gateway/report/telemetry.h"

#include "gateway/report/report_feed.h"
#include "gateway/report/report_kill.h"
#include "gateway/report/report_membership.h"
#include "gateway/report/report_orders.h"

#include <errno.h>
#include <rte_telemetry.h>
#include <stdlib.h>
#include <string.h>

static const struct topology *shown;
static const struct control *shown_control;
static const struct orders *shown_orders;
static const struct kill *shown_kill;

static uint64_t load(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* The number behind the command, "/tickgate/rx,1"; none means 0. What is no number is nobody's: to answer a name with
 * the first of them would be a wrong answer. */
static uint32_t index_of(const char *params)
{
    const size_t len = params ? strlen(params) : 0;

    if (len == 0)
        return 0;
    return len <= 3 && strspn(params, "0123456789") == len ? (uint32_t)strtoul(params, NULL, 10) : UINT32_MAX;
}

static int rx_show(const char *command, const char *params, struct rte_tel_data *data)
{
    const uint32_t idx = index_of(params);

    (void)command;
    if (idx >= shown->rx_count)
        return -EINVAL;
    const struct rx *rx = shown->rx[idx];
    rte_tel_data_start_dict(data);
    rte_tel_data_add_dict_string(data, "name", rx->name);
    rte_tel_data_add_dict_u64(data, "turns", load(&rx->turn_count));
    rte_tel_data_add_dict_u64(data, "idle_turns", load(&rx->idle_count));
    rte_tel_data_add_dict_u64(data, "frames", load(&rx->frame_count));
    rte_tel_data_add_dict_u64(data, "early", load(&rx->early_count));
    rte_tel_data_add_dict_u64(data, "foreign", load(&rx->foreign_count));
    rte_tel_data_add_dict_u64(data, "events", load(&rx->event_count));
    rte_tel_data_add_dict_u64(data, "asks_lost", load(&rx->ask_lost_count));
    for (uint32_t i = 0; i < FRAME_VERDICT_COUNT; i++)
        rte_tel_data_add_dict_u64(data, frame_verdict_name((enum frame_verdict)i), load(&rx->frame_verdict[i]));
    return 0;
}

static int feed_show(const char *command, const char *params, struct rte_tel_data *data)
{
    const uint32_t idx = index_of(params);
    struct report_feed_row rows[REPORT_FEED_ROWS], noted[REPORT_FEED_NOTED_ROWS];

    (void)command;
    if (idx >= shown->config->feed_count)
        return -EINVAL;
    struct channel *channel = shown->channel[idx];
    const struct channel_counters *counters = channel_counters(channel);
    rte_tel_data_start_dict(data);
    rte_tel_data_add_dict_string(data, "name", shown->config->feed[idx].name);
    rte_tel_data_add_dict_u64(data, "messages", load(&counters->message_count));
    rte_tel_data_add_dict_u64(data, "untraded", load(&counters->untraded_count));
    rte_tel_data_add_dict_u64(data, "is_heard", health_heard(channel_health(channel)));
    rte_tel_data_add_dict_u64(data, "is_stale", channel_stale(channel));
    rte_tel_data_add_dict_u64(data, "next_seq", load(&channel_arb(channel)->next_seq));
    rte_tel_data_add_dict_u64(data, "newest_seq", load(&channel_arb(channel)->newest_seq));
    rte_tel_data_add_dict_u64(data, "holes", load(&channel_arb(channel)->hole_count));
    report_feed_recovery(channel, rows);
    for (uint32_t i = 0; i < REPORT_FEED_ROWS; i++)
        rte_tel_data_add_dict_u64(data, rows[i].key, rows[i].count);
    report_feed_noted(channel, noted);
    for (uint32_t i = 0; i < REPORT_FEED_NOTED_ROWS; i++)
        rte_tel_data_add_dict_u64(data, noted[i].key, noted[i].count);
    return 0;
}

static int strategies_show(const char *command, const char *params, struct rte_tel_data *data)
{
    const uint32_t idx = index_of(params);

    (void)command;
    if (idx >= shown->strategies_count)
        return -EINVAL;
    const struct strategy_lcore *lcore = shown->strategies[idx];
    rte_tel_data_start_dict(data);
    rte_tel_data_add_dict_string(data, "name", lcore->name);
    rte_tel_data_add_dict_u64(data, "turns", load(&lcore->turn_count));
    rte_tel_data_add_dict_u64(data, "idle_turns", load(&lcore->idle_count));
    rte_tel_data_add_dict_u64(data, "orders", load(&lcore->order_count));
    rte_tel_data_add_dict_u64(data, "fills", report_orders_lcore_fills(lcore));
    rte_tel_data_add_dict_u64(data, "events_lost", load(&lcore->lost_count));
    rte_tel_data_add_dict_u64(data, "overruns", load(&lcore->overrun_count));
    rte_tel_data_add_dict_u64(data, "resyncs", load(&lcore->resync_count));
    for (uint32_t i = 0; i < RISK_VERDICT_COUNT; i++)
        rte_tel_data_add_dict_u64(data, risk_verdict_name((enum risk_verdict)i), load(&lcore->risk.verdict_count[i]));
    return 0;
}

static int answers_show(const char *command, const char *params, struct rte_tel_data *data)
{
    const uint32_t idx = index_of(params);
    struct report_orders_row rows[REPORT_ORDERS_LCORE_ROWS];

    (void)command;
    if (idx >= shown->strategies_count)
        return -EINVAL;
    const struct strategy_lcore *lcore = shown->strategies[idx];
    rte_tel_data_start_dict(data);
    rte_tel_data_add_dict_string(data, "name", lcore->name);
    report_orders_lcore_rows(lcore, rows);
    for (uint32_t i = 0; i < REPORT_ORDERS_LCORE_ROWS; i++)
        rte_tel_data_add_dict_u64(data, rows[i].key, rows[i].count);
    rte_tel_data_add_dict_u64(data, "positions_unknown", load(&lcore->market.carried_full_count));
    if (lcore->sim)
        rte_tel_data_add_dict_u64(data, "overflow_cancels", load(&sim_counters(lcore->sim)->overflow_cancel_count));
    return 0;
}

static int journal_show(const char *command, const char *params, struct rte_tel_data *data)
{
    uint64_t lost = 0;

    (void)command;
    (void)params;
    for (uint32_t i = 0; i < shown->strategies_count; i++)
        lost += shown->strategies[i]->sink ? load(&shown->strategies[i]->sink->lost_count) : 0;
    rte_tel_data_start_dict(data);
    rte_tel_data_add_dict_u64(data, "records", load(&shown_control->record_count));
    rte_tel_data_add_dict_u64(data, "records_lost", lost);
    rte_tel_data_add_dict_u64(data, "causes_lost", load(&shown_control->cause_lost_count));
    return 0;
}

static int latency_show(const char *command, const char *params, struct rte_tel_data *data)
{
    const uint32_t idx = index_of(params);

    (void)command;
    if (idx >= shown->strategies_count)
        return -EINVAL;
    const struct hist *hist = &shown->strategies[idx]->stage[STAGE_SENT];
    rte_tel_data_start_dict(data);
    rte_tel_data_add_dict_u64(data, "count", load(&hist->count));
    rte_tel_data_add_dict_u64(data, "p50_ns", clock_ticks_to_ns(&shown->clock, hist_quantile(hist, 0.5)));
    rte_tel_data_add_dict_u64(data, "p99_ns", clock_ticks_to_ns(&shown->clock, hist_quantile(hist, 0.99)));
    rte_tel_data_add_dict_u64(data, "p999_ns", clock_ticks_to_ns(&shown->clock, hist_quantile(hist, 0.999)));
    rte_tel_data_add_dict_u64(data, "max_ns", clock_ticks_to_ns(&shown->clock, load(&hist->max)));
    return 0;
}

static int orders_show(const char *command, const char *params, struct rte_tel_data *data)
{
    struct report_orders_row rows[REPORT_ORDERS_ROWS];

    (void)command;
    (void)params;
    if (!shown_orders->config)
        return -ENOENT;
    rte_tel_data_start_dict(data);
    rte_tel_data_add_dict_string(data, "state",
                                 order_session_state_name((enum order_session_state)shown_orders->session.state));
    rte_tel_data_add_dict_u64(data, "next_seq", load(&shown_orders->session.next_seq));
    const uint32_t count = report_orders_rows(shown_orders, rows);
    for (uint32_t i = 0; i < count; i++)
        rte_tel_data_add_dict_u64(data, rows[i].key, rows[i].count);
    return 0;
}

static int ports_show(const char *command, const char *params, struct rte_tel_data *data)
{
    const uint32_t idx = index_of(params);
    struct port_counts counts;

    (void)command;
    if (idx >= shown->port_count)
        return -EINVAL;
    const struct port *port = &shown->port[idx];
    port_counts(port, &counts);
    rte_tel_data_start_dict(data);
    rte_tel_data_add_dict_string(data, "name", port->config->name);
    rte_tel_data_add_dict_string(data, "device", port->config->device);
    rte_tel_data_add_dict_u64(data, "link_is_up", __atomic_load_n(&port->link.up, __ATOMIC_RELAXED));
    rte_tel_data_add_dict_u64(data, "link_lost", load(&port->link.lost_count));
    rte_tel_data_add_dict_u64(data, "link_back", load(&port->link.back_count));
    rte_tel_data_add_dict_u64(data, "rx_frames", counts.rx_frames);
    rte_tel_data_add_dict_u64(data, "tx_frames", counts.tx_frames);
    rte_tel_data_add_dict_u64(data, "missed", counts.missed);
    rte_tel_data_add_dict_u64(data, "rx_errors", counts.rx_errors);
    rte_tel_data_add_dict_u64(data, "no_mbuf", counts.no_mbuf);
    rte_tel_data_add_dict_u64(data, "tx_errors", counts.tx_errors);
    return 0;
}

static int xdp_show(const char *command, const char *params, struct rte_tel_data *data)
{
    const uint32_t idx = index_of(params);
    struct guard_count counts[GUARD_RULE_COUNT];

    (void)command;
    if (idx >= shown->guard_count)
        return -EINVAL;
    xdp_guard_counts(&shown->guard[idx], counts);
    rte_tel_data_start_dict(data);
    rte_tel_data_add_dict_string(data, "interface", shown->guard[idx].interface);
    for (uint32_t i = 0; i < GUARD_RULE_COUNT; i++)
        rte_tel_data_add_dict_u64(data, xdp_guard_rule_key((enum guard_rule)i), counts[i].frames);
    return 0;
}

static int kill_show(const char *command, const char *params, struct rte_tel_data *data)
{
    struct report_kill_row rows[REPORT_KILL_ROWS];

    (void)command;
    (void)params;
    rte_tel_data_start_dict(data);
    rte_tel_data_add_dict_string(data, "state", kill_state_name((enum kill_state)shown_kill->state));
    rte_tel_data_add_dict_string(data, "cause", kill_cause_name((enum kill_cause)shown_kill->cause));
    rte_tel_data_add_dict_string(data, "who", shown_kill->who);
    rte_tel_data_add_dict_u64(data, "confirmed_ns", load(&shown_kill->confirmed_ns));
    report_kill_rows(shown_kill, rows);
    for (uint32_t i = 0; i < REPORT_KILL_ROWS; i++)
        rte_tel_data_add_dict_u64(data, rows[i].key, rows[i].count);
    return 0;
}

static int membership_show(const char *command, const char *params, struct rte_tel_data *data)
{
    const uint32_t idx = index_of(params);
    struct report_membership_row rows[REPORT_MEMBERSHIP_ROWS];

    (void)command;
    if (idx >= shown->membership.port_count)
        return -EINVAL;
    const struct membership_port *port = shown->membership.port[idx];
    rte_tel_data_start_dict(data);
    rte_tel_data_add_dict_string(data, "port", port->config->name);
    const uint32_t count = report_membership_rows(port, rows);
    for (uint32_t i = 0; i < count; i++)
        rte_tel_data_add_dict_u64(data, rows[i].key, rows[i].count);
    return 0;
}

void telemetry_register(const struct control *control)
{
    shown = control->topology;
    shown_control = control;
    shown_orders = &control->orders;
    shown_kill = &control->kill;
    rte_telemetry_register_cmd("/tickgate/rx", rx_show, "Counters of rx lcore N (from 0)");
    rte_telemetry_register_cmd("/tickgate/ports", ports_show, "Link and device counters of port N (from 0)");
    rte_telemetry_register_cmd("/tickgate/xdp", xdp_show, "Frames by rule of XDP guard N (from 0)");
    rte_telemetry_register_cmd("/tickgate/feeds", feed_show, "Holes, recovery and what was refused of feed N (from 0)");
    rte_telemetry_register_cmd("/tickgate/membership", membership_show, "IGMP of the N-th port with one (from 0)");
    rte_telemetry_register_cmd("/tickgate/strategies", strategies_show, "Counters of strategy lcore N (from 0)");
    rte_telemetry_register_cmd("/tickgate/answers", answers_show, "What a venue answered strategy lcore N (from 0)");
    rte_telemetry_register_cmd("/tickgate/journal", journal_show, "Orders and executions on their way to files");
    rte_telemetry_register_cmd("/tickgate/orders", orders_show, "State and counters of the order session");
    rte_telemetry_register_cmd("/tickgate/kill", kill_show, "State and counters of the kill");
    rte_telemetry_register_cmd("/tickgate/latency", latency_show, "Tick-to-trade of strategy lcore N (from 0)");
}
