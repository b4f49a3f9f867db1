/* See report.h. */
#include "gateway/report/report.h"

#include "gateway/json.h"
#include "gateway/plugin.h"
#include "gateway/report/report_feed.h"
#include "gateway/report/report_kill.h"
#include "gateway/report/report_membership.h"
#include "gateway/report/report_orders.h"
#include "gateway/report/report_socket.h"
#include "gateway/report/report_ports.h"

#include <inttypes.h>
#include <string.h>

static const double fractions[] = {0.5, 0.9, 0.99, 0.999, 0.9999};
static const char *const fraction_names[] = {"p50", "p90", "p99", "p99.9", "p99.99"};
static const char *const fraction_keys[] = {"p50", "p90", "p99", "p999", "p9999"};
#define FRACTIONS (sizeof(fractions) / sizeof(fractions[0]))

static const char *const stage_names[STAGE_COUNT] = {"popped", "decided", "encoded", "tick-to-trade"};
static const char *const stage_keys[STAGE_COUNT] = {"popped", "decided", "encoded", "tick_to_trade"};

/* Tick-to-trade once more, by the time since the lcore's last send. */
static const char *const since_names[SINCE_COUNT] = {"sent < 1 ms", "< 10 ms", "< 100 ms", "< 1 s", "< 10 s",
                                                     "longer ago"};
static const char *const since_keys[SINCE_COUNT] = {"lt_1_ms", "lt_10_ms", "lt_100_ms", "lt_1_s", "lt_10_s", "longer"};

/* --- what both forms are made of
 * ------------------------------------------------------------------------------------- */

/* The hash of one ring as one lcore read it; false: none. */
static bool hash_of(const struct strategy_lcore *lcore, uint32_t rx_idx, uint64_t *ret_hash)
{
    *ret_hash = lcore->event_hash[rx_idx];
    return lcore->hashing && lcore->event_count[rx_idx] > 0 && lcore->lost_count == 0;
}

static uint64_t counter(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* A replay whose report is of less than its captures, or of none of them: its hashes would be taken for those of a
 * whole one. */
static uint32_t replay_failures(const struct report *report, FILE *out)
{
    const struct topology *topology = report->topology;
    uint64_t frame_count = 0, foreign_count = 0;
    bool heard = false;

    for (uint32_t i = 0; i < topology->rx_count; i++) {
        frame_count += counter(&topology->rx[i]->frame_count);
        foreign_count += counter(&topology->rx[i]->foreign_count);
    }
    for (uint32_t i = 0; i < topology->config->feed_count; i++)
        heard = heard || health_heard(channel_health(topology->channel[i]));
    if (report->control->signal_nr != 0 && !topology_finished(topology)) {
        fprintf(out,
                "tickgate: stopped by a signal before the captures had ended: report and hashes are of their first "
                "%" PRIu64 " frames\n",
                frame_count);
        return 1;
    }
    if (heard || foreign_count == 0)
        return 0;
    fprintf(out,
            "tickgate: nothing in the captures is of a line of %s; 'tickgate inspect CAPTURE' shows their groups and "
            "ports: write these into feeds: lines\n",
            topology->config->path);
    return 1;
}

uint32_t report_failures(const struct report *report, FILE *out)
{
    const struct topology *topology = report->topology;
    uint32_t count = report->damaged_count; /* each has had its sentence already */

    for (uint32_t i = 0; i < topology->strategies_count; i++) {
        const struct strategy_lcore *lcore = topology->strategies[i];
        if (lcore->lost_count > 0 && topology->options.replay) {
            fprintf(out,
                    "tickgate: hash void: %" PRIu64
                    " events lost by %s to ring overruns; replay without --no-throttle, or "
                    "raise gateway.ring_slots\n",
                    lcore->lost_count, lcore->name);
            count++;
        }
        if (lcore->sink && lcore->sink->lost_count > 0) {
            fprintf(out,
                    "tickgate: %" PRIu64
                    " orders are missing in the orders file and the journal: they were written too "
                    "slowly\n",
                    lcore->sink->lost_count);
            count++;
        }
    }
    for (uint32_t i = 0; i < topology->rx_count; i++)
        if (topology->rx[i]->armed.error || (topology->options.proof && !topology->rx[i]->armed.proof)) {
            fprintf(out, "tickgate: --prove: no filter on %s: %s\n", topology->rx[i]->name,
                    strerror(-topology->rx[i]->armed.error));
            count++;
        }
    if (armed_violation_count() > 0) {
        fprintf(out, "tickgate: armed threads tried %" PRIu64 " system calls or allocations (last system call: %d)\n",
                armed_violation_count(), armed_violation_nr());
        count++;
    }
    if (report->control->orders_error) {
        fprintf(out, "tickgate: the orders file could not be written: %s\n", strerror(-report->control->orders_error));
        count++;
    }
    if (report->control->acts.kill_missing) {
        fprintf(out, "tickgate: the kill is not in the audit log %s: a restart would trade\n",
                topology->config->admin.audit_file);
        count++;
    }
    if (report->control->journal_error) {
        fprintf(out, "tickgate: lines are missing in the journal: %s\n", strerror(-report->control->journal_error));
        count++;
    }
    if (report->loader)
        count += replay_failures(report, out);
    return count;
}

/* --- text
 * ------------------------------------------------------------------------------------------------------------ */

static void text_pinned(FILE *out, const char *name, const char *role, const struct armed *armed)
{
    fprintf(out, "  %-12s %-16s CPU %u: %s%s\n", name, role, armed->cpu,
            armed->pinned ? "pinned, affinity checked" : "NOT PINNED (affinity differs)",
            armed->proof ? ", under proof" : "");
}

static void text_hist(FILE *out, const struct clock *clock, const char *where, const char *name,
                      const struct hist *hist)
{
    if (hist->count == 0)
        return;
    fprintf(out, "  %-9s %-14s %10" PRIu64 " %8" PRIu64, where, name, hist->count, clock_ticks_to_ns(clock, hist->min));
    for (size_t i = 0; i < FRACTIONS; i++)
        fprintf(out, " %8" PRIu64, clock_ticks_to_ns(clock, hist_quantile(hist, fractions[i])));
    fprintf(out, " %9" PRIu64 "\n", clock_ticks_to_ns(clock, hist->max));
}

static void text_latency(const struct report *report, FILE *out)
{
    const struct topology *topology = report->topology;

    fprintf(out, "\nlatency, ns since the burst with the frame returned (rx TSC)%s\n",
            topology->config->latency.stages ? "" : "; stage stamps off");
    fprintf(out, "  %-9s %-14s %10s %8s", "lcore", "stage", "count", "min");
    for (size_t i = 0; i < FRACTIONS; i++)
        fprintf(out, " %8s", fraction_names[i]);
    fprintf(out, " %9s\n", "max");
    for (uint32_t i = 0; i < topology->rx_count; i++) {
        text_hist(out, &topology->clock, topology->rx[i]->name, "parsed", &topology->rx[i]->parsed);
        text_hist(out, &topology->clock, topology->rx[i]->name, "booked", &topology->rx[i]->booked);
    }
    for (uint32_t i = 0; i < topology->strategies_count; i++)
        for (uint32_t j = 0; j < STAGE_COUNT; j++)
            text_hist(out, &topology->clock, topology->strategies[i]->name, stage_names[j],
                      &topology->strategies[i]->stage[j]);
    for (uint32_t i = 0; i < topology->strategies_count; i++)
        for (uint32_t j = 0; j < SINCE_COUNT; j++)
            text_hist(out, &topology->clock, topology->strategies[i]->name, since_names[j],
                      &topology->strategies[i]->since[j]);
    for (uint32_t i = 0; i < topology->rx_count; i++)
        if (topology->rx[i]->replay)
            text_hist(out, &topology->clock, topology->rx[i]->name, "(lateness)", &topology->rx[i]->replay->lateness);
}

/* What the replay did to the lines of its captures. */
struct fault_row { const char *name, *key; uint64_t count; };
#define FAULT_ROWS 9u

static void fault_rows(const struct fault_counters *counters, struct fault_row ret_rows[FAULT_ROWS])
{
    const struct fault_row rows[FAULT_ROWS] = {
        {"packets", "packets", counters->frame_count},
        {"lost", "lost", counters->lost_count},
        {"duplicated", "duplicated", counters->duplicate_count},
        {"reordered", "reordered", counters->reordered_count},
        {"corrupted", "corrupted", counters->corrupt_count},
        {"truncated", "truncated", counters->truncated_count},
        {"stalled", "stalled", counters->stall_count},
        {"of a new session", "restarted", counters->restart_count},
        {"early (queue full)", "early", counters->overflow_count},
    };
    memcpy(ret_rows, rows, sizeof(rows));
}

static void text_faults(const struct loader *loader, const struct config *config, FILE *out)
{
    struct fault_row rows[FAULT_ROWS];
    uint32_t fault_idx = 0;

    fprintf(out, "\nfaults, seed %" PRIu64 "\n", loader->fault_seed);
    for (uint32_t i = 0; i < config->feed_count; i++)
        for (uint32_t j = 0; j < config->feed[i].line_count; j++, fault_idx++) {
            fault_rows(fault_counters(loader->fault, fault_idx), rows);
            fprintf(out, "  %s/%s: %" PRIu64 " packets", config->feed[i].name, config->feed[i].line_list[j].name,
                    rows[0].count);
            for (uint32_t k = 1; k < FAULT_ROWS; k++)
                if (rows[k].count > 0)
                    fprintf(out, ", %" PRIu64 " %s", rows[k].count, rows[k].name);
            fputc('\n', out);
        }
}

static void text_rx(const struct clock *clock, const struct rx *rx, FILE *out)
{
    fprintf(out, "\nrx %s: %" PRIu64 " frames, %" PRIu64 " of no line", rx->name, counter(&rx->frame_count),
            counter(&rx->foreign_count));
    for (uint32_t i = 1; i < FRAME_VERDICT_COUNT; i++)
        if (rx->frame_verdict[i] > 0)
            fprintf(out, ", %s %" PRIu64, frame_verdict_name((enum frame_verdict)i), rx->frame_verdict[i]);
    if (rx->early_count > 0)
        fprintf(out, ", before it was armed %" PRIu64, rx->early_count);
    if (rx->chained_count > 0)
        fprintf(out, ", longer than the mtu %" PRIu64, rx->chained_count);
    if (rx->checksum_count > 0)
        fprintf(out, ", bad checksum %" PRIu64, rx->checksum_count);
    if (rx->ask_lost_count > 0)
        fprintf(out, ", asks for recovery without room %" PRIu64, rx->ask_lost_count);
    for (uint32_t i = 0; i < LINE_SLOTS; i++)
        if (rx->lines.slot[i].source_count > 0)
            fprintf(out, ", of another source %" PRIu64, rx->lines.slot[i].source_count);
    fprintf(out, "; %" PRIu64 " events published\n", counter(&rx->event_count));
    if (rx->sockets)
        report_socket_text(rx->sockets, out);
    if (rx->replay)
        fprintf(out, "  frame source: %" PRIu64 " frames, %.1f ns each (not part of any latency), held back %" PRIu64
                " turns, starved %" PRIu64 "\n", rx->replay->frame_count,
                rx->replay->frame_count
                    ? (double)clock_ticks_to_ns(clock, rx->replay->step_tsc) / (double)rx->replay->frame_count
                    : 0.0,
                rx->replay->held_back_count, rx->replay->starved_count);
}

static void text_strategies(const struct strategy_lcore *lcore, FILE *out)
{
    const struct market *market = &lcore->market;

    fprintf(out,
            "\nstrategies on %s: %" PRIu64 " orders, %" PRIu64 " fills, %" PRIu64 " reservations released, %" PRIu64
            " events lost in %" PRIu64 " overruns, %" PRIu64 " resyncs\n",
            lcore->name, lcore->order_count, report_orders_lcore_fills(lcore), lcore->release_count, lcore->lost_count,
            lcore->overrun_count, lcore->resync_count);
    for (uint32_t i = 0; i < lcore->strategy_count; i++) {
        const struct strategy_slot *slot = &lcore->strategy[i];
        const struct plugin *plugin = plugin_of(slot->ops);
        fprintf(out, "  %-12s (%s%s%s) %" PRIu64 " intents, %" PRIu64 " sent, %" PRIu64 " refused\n", slot->name,
                slot->ops->name, plugin ? ", " : "", plugin ? plugin->path : "", slot->intent_count,
                slot->order_count, slot->refused_count);
    }
    const char *separator = "  refused: ";
    for (uint32_t i = 1; i < RISK_VERDICT_COUNT; i++) {
        if (lcore->risk.verdict_count[i] == 0)
            continue;
        fprintf(out, "%s%s %" PRIu64, separator, risk_verdict_name((enum risk_verdict)i), lcore->risk.verdict_count[i]);
        separator = ", ";
    }
    if (separator[0] == ',')
        fputc('\n', out);
    const struct { const char *name; uint64_t count; } noted[] = {
        {"intents beyond the bound", lcore->intent_overflow_count},
        {"events out of range", market->out_of_range_count},
        {"jumps of time", lcore->risk.clock_jump_count},
        {"symbols without room, their positions unknown", market->carried_full_count},
    };
    separator = "  noted: ";
    for (uint32_t i = 0; i < sizeof(noted) / sizeof(noted[0]); i++) {
        if (noted[i].count == 0)
            continue;
        fprintf(out, "%s%s %" PRIu64, separator, noted[i].name, noted[i].count);
        separator = ", ";
    }
    if (separator[0] == ',')
        fputc('\n', out);
    report_orders_lcore_text(lcore, out);
}

static void text_hashes(const struct strategy_lcore *lcore, const struct topology *topology, FILE *out)
{
    uint64_t hash;

    for (uint32_t i = 0; i < topology->rx_count; i++) {
        if (hash_of(lcore, i, &hash))
            fprintf(out, "event hash %s<-%s %016" PRIx64 " (%" PRIu64 " events)\n", lcore->name, topology->rx[i]->name,
                    hash, lcore->event_count[i]);
        else
            fprintf(out, "event hash %s<-%s: %s\n", lcore->name, topology->rx[i]->name,
                    lcore->lost_count ? "void, events were lost" : "no hash (no events)");
    }
    if (lcore->lost_count > 0)
        fprintf(out, "order hash %s: void, events were lost\n", lcore->name);
    else if (lcore->order_count > 0)
        fprintf(out, "order hash %s %016" PRIx64 " (%" PRIu64 " orders)\n", lcore->name, lcore->order_hash,
                lcore->order_count);
    else
        fprintf(out, "order hash %s: no hash (no orders)\n", lcore->name);
}

void report_text(const struct report *report, FILE *out)
{
    const struct topology *topology = report->topology;
    const struct config *config = topology->config;
    struct clock_report clock;

    clock_report_load(&topology->clock, &clock);
    fprintf(out, "tickgate %s: %s, %s, burst %u, %.2f s\n", config->gateway.name,
            config->gateway.mode == CONFIG_INLINE ? "inline" : "two-core",
            topology->eal.hugepages ? "hugepages" : "no hugepages", config->gateway.burst, report->elapsed_s);
    for (uint32_t i = 0; i < topology->rx_count; i++)
        text_pinned(out, topology->rx[i]->name, config->gateway.mode == CONFIG_INLINE ? "rx and strategy" : "rx",
                    &topology->rx[i]->armed);
    for (uint32_t i = 0; i < topology->strategies_count && config->gateway.mode == CONFIG_TWO_CORE; i++)
        text_pinned(out, topology->strategies[i]->name, "strategy", &topology->strategies[i]->armed);
    report_ports_text(topology, out);
    report_membership_text(&topology->membership, out);
    if (topology->eal.note[0])
        fprintf(out, "  note: %s\n", topology->eal.note);
    fprintf(out, "  clock: TSC %.6f MHz against CLOCK_MONOTONIC_RAW (nominal %+" PRId64 " ppb), %s\n",
            (double)clock.tsc_hz / 1e6, clock.drift_ppb,
            clock.invariant ? "invariant" : "NOT INVARIANT: latencies are in doubt");
    if (topology->options.proof)
        fprintf(out, "  proof: %" PRIu64 " system calls or allocations by armed threads\n", armed_violation_count());
    if (report->loader)
        fprintf(out, "  captures: %u, %" PRIu64 " frames over %.3f s\n", report->loader->capture_count,
                report->loader->frame_count,
                (double)(report->loader->last_ts_ns - report->loader->first_ts_ns) / 1e9);
    if (report->control->cause_lost_count > 0)
        fprintf(out, "  journal: %" PRIu64 " orders without their cause, overwritten before they were written\n",
                report->control->cause_lost_count);
    if (report->loader && report->loader->fault)
        text_faults(report->loader, config, out);

    for (uint32_t i = 0; i < topology->rx_count; i++)
        text_rx(&topology->clock, topology->rx[i], out);
    for (uint32_t i = 0; i < config->feed_count; i++)
        report_feed_text(report, i, out);
    for (uint32_t i = 0; i < topology->strategies_count; i++)
        text_strategies(topology->strategies[i], out);
    if (report->control->orders.config)
        report_orders_text(&report->control->orders, out);
    report_kill_text(&report->control->kill, out);
    text_latency(report, out);
    disturb_text(&report->control->disturb, out);
    if (!topology->options.hashing)
        return;
    fputc('\n', out);
    for (uint32_t i = 0; i < topology->strategies_count; i++)
        text_hashes(topology->strategies[i], topology, out);
}

/* --- JSON
 * ------------------------------------------------------------------------------------------------------------ */

static void json_hist(struct json *json, const struct clock *clock, const char *key, const struct hist *hist)
{
    if (hist->count == 0)
        return;
    json_open(json, key, '{');
    json_u64(json, "count", hist->count);
    json_u64(json, "min_ns", clock_ticks_to_ns(clock, hist->min));
    for (size_t i = 0; i < FRACTIONS; i++) {
        char name[16];
        snprintf(name, sizeof(name), "%s_ns", fraction_keys[i]);
        json_u64(json, name, clock_ticks_to_ns(clock, hist_quantile(hist, fractions[i])));
    }
    json_u64(json, "max_ns", clock_ticks_to_ns(clock, hist->max));
    json_close(json, '}');
}

static void json_armed(struct json *json, const struct armed *armed)
{
    json_u64(json, "cpu", armed->cpu);
    json_bool(json, "pinned", armed->pinned);
    json_bool(json, "proof", armed->proof);
}

static void json_rx(struct json *json, const struct topology *topology, const struct rx *rx)
{
    json_open(json, NULL, '{');
    json_text(json, "name", rx->name);
    json_armed(json, &rx->armed);
    json_u64(json, "frames", rx->frame_count);
    json_u64(json, "early", rx->early_count);
    json_u64(json, "foreign", rx->foreign_count);
    json_u64(json, "asks_lost", rx->ask_lost_count);
    json_u64(json, "events", rx->event_count);
    json_open(json, "refused", '{');
    for (uint32_t i = 1; i < FRAME_VERDICT_COUNT; i++)
        json_u64(json, frame_verdict_name((enum frame_verdict)i), rx->frame_verdict[i]);
    json_u64(json, "chained", rx->chained_count);
    json_u64(json, "checksum", rx->checksum_count);
    json_close(json, '}');
    json_open(json, "latency", '{');
    json_hist(json, &topology->clock, "parsed", &rx->parsed);
    json_hist(json, &topology->clock, "booked", &rx->booked);
    if (rx->replay)
        json_hist(json, &topology->clock, "lateness", &rx->replay->lateness);
    json_close(json, '}');
    if (rx->sockets)
        report_socket_json(json, rx->sockets);
    if (rx->replay) {
        json_open(json, "source", '{');
        json_u64(json, "frames", rx->replay->frame_count);
        json_u64(json, "held_back", rx->replay->held_back_count);
        json_u64(json, "starved", rx->replay->starved_count);
        json_u64(json, "step_ns", clock_ticks_to_ns(&topology->clock, rx->replay->step_tsc));
        json_close(json, '}');
    }
    json_close(json, '}');
}

static void json_strategy(struct json *json, const struct strategy_slot *slot)
{
    const struct plugin *plugin = plugin_of(slot->ops);

    json_open(json, NULL, '{');
    json_text(json, "name", slot->name);
    json_text(json, "kind", slot->ops->name);
    if (plugin)
        json_text(json, "plugin", plugin->path);
    json_u64(json, "intents", slot->intent_count);
    json_u64(json, "orders", slot->order_count);
    json_u64(json, "refused", slot->refused_count);
    json_close(json, '}');
}

static void json_strategies(struct json *json, const struct topology *topology, const struct strategy_lcore *lcore)
{
    char text[20];
    uint64_t hash;

    json_open(json, NULL, '{');
    json_text(json, "name", lcore->name);
    if (topology->config->gateway.mode == CONFIG_TWO_CORE)
        json_armed(json, &lcore->armed);
    json_u64(json, "orders", lcore->order_count);
    json_u64(json, "fills", report_orders_lcore_fills(lcore));
    json_u64(json, "released", lcore->release_count);
    json_u64(json, "events_lost", lcore->lost_count);
    json_u64(json, "overruns", lcore->overrun_count);
    json_u64(json, "resyncs", lcore->resync_count);
    json_open(json, "refused", '{');
    for (uint32_t i = 1; i < RISK_VERDICT_COUNT; i++)
        if (lcore->risk.verdict_count[i] > 0)
            json_u64(json, risk_verdict_name((enum risk_verdict)i), lcore->risk.verdict_count[i]);
    json_close(json, '}');
    json_u64(json, "intents_dropped", lcore->intent_overflow_count);
    json_u64(json, "events_out_of_range", lcore->market.out_of_range_count);
    json_u64(json, "clock_jumps", lcore->risk.clock_jump_count);
    json_u64(json, "positions_unknown", lcore->market.carried_full_count);
    json_open(json, "strategies", '[');
    for (uint32_t i = 0; i < lcore->strategy_count; i++)
        json_strategy(json, &lcore->strategy[i]);
    json_close(json, ']');
    report_orders_lcore_json(json, lcore);
    json_open(json, "events", '[');
    for (uint32_t i = 0; i < topology->rx_count; i++) {
        json_open(json, NULL, '{');
        json_text(json, "rx", topology->rx[i]->name);
        json_u64(json, "count", lcore->event_count[i]);
        snprintf(text, sizeof(text), "%016" PRIx64, lcore->event_hash[i]);
        if (hash_of(lcore, i, &hash))
            json_text(json, "hash", text);
        else
            json_null(json, "hash");
        json_close(json, '}');
    }
    json_close(json, ']');
    snprintf(text, sizeof(text), "%016" PRIx64, lcore->order_hash);
    if (lcore->hashing && lcore->order_count > 0 && lcore->lost_count == 0)
        json_text(json, "order_hash", text);
    else
        json_null(json, "order_hash");
    json_open(json, "latency", '{');
    for (uint32_t i = 0; i < STAGE_COUNT; i++)
        json_hist(json, &topology->clock, stage_keys[i], &lcore->stage[i]);
    json_open(json, "since_last_send", '{');
    for (uint32_t i = 0; i < SINCE_COUNT; i++)
        json_hist(json, &topology->clock, since_keys[i], &lcore->since[i]);
    json_close(json, '}');
    json_close(json, '}');
    json_u64(json, "warm_walks", lcore->warm.walk_count);
    json_close(json, '}');
}

static void json_faults(struct json *json, const struct loader *loader, const struct config *config)
{
    struct fault_row rows[FAULT_ROWS];
    uint32_t fault_idx = 0;

    json_open(json, "faults", '{');
    json_u64(json, "seed", loader->fault_seed);
    json_open(json, "lines", '[');
    for (uint32_t i = 0; i < config->feed_count; i++)
        for (uint32_t j = 0; j < config->feed[i].line_count; j++, fault_idx++) {
            fault_rows(fault_counters(loader->fault, fault_idx), rows);
            json_open(json, NULL, '{');
            json_text(json, "feed", config->feed[i].name);
            json_text(json, "line", config->feed[i].line_list[j].name);
            for (uint32_t k = 0; k < FAULT_ROWS; k++)
                json_u64(json, rows[k].key, rows[k].count);
            json_close(json, '}');
        }
    json_close(json, ']');
    json_close(json, '}');
}

void report_json(const struct report *report, FILE *out)
{
    const struct topology *topology = report->topology;
    struct json json;
    struct clock_report clock;

    clock_report_load(&topology->clock, &clock);
    json_init(&json, out);
    json_open(&json, NULL, '{');
    json_text(&json, "name", topology->config->gateway.name);
    json_text(&json, "mode", topology->config->gateway.mode == CONFIG_INLINE ? "inline" : "two-core");
    json_bool(&json, "hugepages", topology->eal.hugepages);
    json_u64(&json, "burst", topology->config->gateway.burst);
    json_f64(&json, "elapsed_s", report->elapsed_s);
    json_u64(&json, "tsc_hz", clock.tsc_hz);
    json_u64(&json, "violations", armed_violation_count());
    json_u64(&json, "damaged_captures", report->damaged_count);
    json_u64(&json, "causes_lost", report->control->cause_lost_count);
    if (report->loader && report->loader->fault)
        json_faults(&json, report->loader, topology->config);
    report_ports_json(&json, topology);
    json_open(&json, "rx", '[');
    for (uint32_t i = 0; i < topology->rx_count; i++)
        json_rx(&json, topology, topology->rx[i]);
    json_close(&json, ']');
    json_open(&json, "feeds", '[');
    for (uint32_t i = 0; i < topology->config->feed_count; i++)
        report_feed_json(&json, report, i);
    json_close(&json, ']');
    report_membership_json(&json, &topology->membership);
    json_open(&json, "strategies", '[');
    for (uint32_t i = 0; i < topology->strategies_count; i++)
        json_strategies(&json, topology, topology->strategies[i]);
    json_close(&json, ']');
    disturb_json(&json, &report->control->disturb);
    if (report->control->orders.config)
        report_orders_json(&json, &report->control->orders);
    report_kill_json(&json, &report->control->kill);
    json_close(&json, '}');
}
