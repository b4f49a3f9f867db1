/* See report_membership.h. */
#include "gateway/report/report_membership.h"

#include <inttypes.h>

static uint64_t load(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static const char *mode_name(enum config_membership mode)
{
    return mode == CONFIG_MEMBERSHIP_OWN ? "own" : mode == CONFIG_MEMBERSHIP_KERNEL ? "kernel" : "none";
}

uint32_t report_membership_rows(const struct membership_port *port,
                                struct report_membership_row ret_rows[REPORT_MEMBERSHIP_ROWS])
{
    const struct igmp_counters *counters = &port->igmp.counters;
    uint64_t full = 0;
    uint32_t count = 0;

    for (uint32_t i = 0; i < port->aside_count; i++)
        full += load(&port->aside[i]->full_count);
    const struct report_membership_row rows[] = {
        {"queries of version 1", "queries_v1", load(&counters->query_count[1])},
        {"of version 2", "queries_v2", load(&counters->query_count[2])},
        {"of version 3", "queries_v3", load(&counters->query_count[3])},
        {"reports sent", "reports", load(&counters->report_count)},
        {"leaves sent", "leaves", load(&counters->leave_count)},
        {"refreshed", "refreshes", load(&counters->refresh_count)},
        {"left to another host", "suppressed", load(&counters->suppressed_count)},
        {"fallen back", "fallen_back", load(&counters->older_count)},
        {"control frames", "frames", load(&port->received_count)},
        {"sent", "sent", load(&port->sent_count)},
        {"not sent, queue full", "tx_full", load(&port->full_count)},
        {"not sent, no frame", "no_mbuf", load(&port->no_mbuf_count)},
        {"lost aside", "aside_full", full},
    };
    for (; count < sizeof(rows) / sizeof(rows[0]); count++)
        ret_rows[count] = rows[count];
    for (uint32_t i = IGMP_SHORT; i < IGMP_VERDICT_COUNT; i++)
        ret_rows[count++] = (struct report_membership_row){igmp_verdict_name((enum igmp_verdict)i),
                                                           igmp_verdict_name((enum igmp_verdict)i),
                                                           load(&counters->verdict_count[i])};
    return count;
}

/* ARP, pings, and what of them was refused: those that are not 0. */
static void text_station(const struct station *station, FILE *out)
{
    for (uint32_t i = 0; i < STATION_VERDICT_COUNT; i++)
        if (i != STATION_IGMP && load(&station->verdict_count[i]) > 0)
            fprintf(out, ", %s %" PRIu64, station_verdict_name((enum station_verdict)i),
                    load(&station->verdict_count[i]));
}

void report_membership_text(const struct membership *membership, FILE *out)
{
    struct report_membership_row rows[REPORT_MEMBERSHIP_ROWS];

    for (uint32_t i = 0; i < membership->port_count; i++) {
        const struct membership_port *port = membership->port[i];
        const enum config_membership mode = port->config->membership;
        fprintf(out, "  port %-12s membership %s, %u groups, %u sources", port->config->name, mode_name(mode),
                port->igmp.group_count, port->igmp.source_count);
        if (mode == CONFIG_MEMBERSHIP_OWN)
            fprintf(out, ", IGMPv%u", port->igmp.version);
        const uint32_t count = report_membership_rows(port, rows);
        for (uint32_t j = 0; j < count; j++)
            if (rows[j].count > 0)
                fprintf(out, ", %s %" PRIu64, rows[j].name, rows[j].count);
        text_station(&port->station, out);
        fputc('\n', out);
        if (load(&port->station.verdict_count[STATION_CONFLICT]) > 0)
            fprintf(out, "  port %-12s ANOTHER STATION HAS ITS ADDRESS\n", port->config->name);
    }
}

void report_membership_json(struct json *json, const struct membership *membership)
{
    struct report_membership_row rows[REPORT_MEMBERSHIP_ROWS];

    json_open(json, "membership", '[');
    for (uint32_t i = 0; i < membership->port_count; i++) {
        const struct membership_port *port = membership->port[i];
        json_open(json, NULL, '{');
        json_text(json, "port", port->config->name);
        json_text(json, "mode", mode_name(port->config->membership));
        json_u64(json, "groups", port->igmp.group_count);
        json_u64(json, "sources", port->igmp.source_count);
        json_u64(json, "version", port->config->membership == CONFIG_MEMBERSHIP_OWN ? port->igmp.version : 0);
        const uint32_t count = report_membership_rows(port, rows);
        for (uint32_t j = 0; j < count; j++)
            json_u64(json, rows[j].key, rows[j].count);
        json_open(json, "station", '{');
        for (uint32_t j = 0; j < STATION_VERDICT_COUNT; j++)
            json_u64(json, station_verdict_name((enum station_verdict)j), load(&port->station.verdict_count[j]));
        json_close(json, '}');
        json_close(json, '}');
    }
    json_close(json, ']');
}
