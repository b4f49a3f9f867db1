/* See report_ports.h. Control thread, while the ports are open. */
#include "gateway/report/report_ports.h"

#include <inttypes.h>

static void text_counts(const struct port *port, FILE *out)
{
    struct port_counts counts;

    port_counts(port, &counts);
    fprintf(out, "    %" PRIu64 " frames in, %" PRIu64 " out", counts.rx_frames, counts.tx_frames);
    if (counts.missed > 0)
        fprintf(out, ", %" PRIu64 " MISSED (taken too slowly: raise rx_descriptors, or give the lcore a quieter CPU)",
                counts.missed);
    if (counts.rx_errors > 0)
        fprintf(out, ", %" PRIu64 " damaged", counts.rx_errors);
    if (counts.no_mbuf > 0)
        fprintf(out, ", %" PRIu64 " without buffer (raise gateway.memory_mb)", counts.no_mbuf);
    if (counts.tx_errors > 0)
        fprintf(out, ", %" PRIu64 " not sent", counts.tx_errors);
    fputc('\n', out);
}

static void text_guard(const struct xdp_guard *guard, FILE *out)
{
    struct guard_count counts[GUARD_RULE_COUNT];
    const char *separator = ": ";

    if (!guard->attached) {
        fprintf(out, "  xdp %s: %s\n", guard->interface, guard->note);
        return;
    }
    xdp_guard_counts(guard, counts);
    fprintf(out, "  xdp guard of %s", guard->interface);
    for (uint32_t i = 0; i < GUARD_RULE_COUNT; i++) {
        if (counts[i].frames == 0)
            continue;
        fprintf(out, "%s%s%s %" PRIu64, separator, i >= GUARD_SHORT ? "dropped " : "",
                xdp_guard_rule_name((enum guard_rule)i), (uint64_t)counts[i].frames);
        separator = ", ";
    }
    fprintf(out, "%s\n", *separator == ':' ? ": nothing came" : "");
    if (guard->note[0])
        fprintf(out, "    %s\n", guard->note);
    if (counts[GUARD_NO_SOCKET].frames > 0)
        fprintf(out,
                "    frames came on queues without socket: let the device use as many queues as are polled "
                "('ethtool -L %s combined N')\n",
                guard->interface);
}

void report_ports_text(const struct topology *topology, FILE *out)
{
    for (uint32_t i = 0; i < topology->port_count; i++) {
        const struct port *port = &topology->port[i];
        if (!port->started)
            continue;
        fprintf(out, "  port %-12s %s", port->config->name, port->how);
        if (port->steering[0])
            fprintf(out, ", %s", port->steering);
        if (!port->replay) {
            fprintf(out, ", link %s", port->link.up ? "up" : port->link.known ? "DOWN" : "not up yet");
            if (port->link.lost_count > 0)
                fprintf(out, ", lost %" PRIu64 " times, back %" PRIu64 ", %.1f s without", port->link.lost_count,
                        port->link.back_count, (double)port->link.down_ns / 1e9);
        }
        fputc('\n', out);
        if (!port->replay)
            text_counts(port, out);
        if (port->note[0])
            fprintf(out, "    %s\n", port->note);
    }
    for (uint32_t i = 0; i < topology->guard_count; i++)
        text_guard(&topology->guard[i], out);
}

void report_ports_status(const struct topology *topology, FILE *out)
{
    for (uint32_t i = 0; i < topology->port_count; i++) {
        const struct port *port = &topology->port[i];
        struct port_counts counts;

        if (!port->started)
            continue;
        port_counts(port, &counts);
        if (counts.missed + counts.no_mbuf > 0)
            fprintf(out, "; port %s has MISSED %" PRIu64 " frames", port->config->name, counts.missed + counts.no_mbuf);
    }
    for (uint32_t i = 0; i < topology->guard_count; i++) {
        struct guard_count counts[GUARD_RULE_COUNT];

        if (!topology->guard[i].attached)
            continue;
        xdp_guard_counts(&topology->guard[i], counts);
        if (counts[GUARD_NO_SOCKET].frames > 0)
            fprintf(out, "; %" PRIu64 " frames of %s came on queues without socket",
                    (uint64_t)counts[GUARD_NO_SOCKET].frames, topology->guard[i].interface);
    }
}

static void json_port(struct json *json, const struct port *port)
{
    struct port_counts counts;

    port_counts(port, &counts);
    json_open(json, NULL, '{');
    json_text(json, "name", port->config->name);
    json_text(json, "device", port->config->device);
    json_text(json, "reception", port->how);
    json_text(json, "steering", port->steering);
    json_u64(json, "rx_queues", port->rx_queue_count);
    json_u64(json, "tx_queues", port->tx_queue_count);
    json_u64(json, "rx_descriptors", port->rx_descriptors);
    json_u64(json, "tx_descriptors", port->tx_descriptors);
    json_i64(json, "node", port->node);
    if (port->note[0])
        json_text(json, "note", port->note);
    json_open(json, "link", '{');
    json_bool(json, "up", port->link.up);
    json_u64(json, "lost", port->link.lost_count);
    json_u64(json, "back", port->link.back_count);
    json_u64(json, "down_ns", port->link.down_ns);
    json_close(json, '}');
    json_u64(json, "rx_frames", counts.rx_frames);
    json_u64(json, "tx_frames", counts.tx_frames);
    json_u64(json, "missed", counts.missed);
    json_u64(json, "rx_errors", counts.rx_errors);
    json_u64(json, "no_mbuf", counts.no_mbuf);
    json_u64(json, "tx_errors", counts.tx_errors);
    json_close(json, '}');
}

static void json_guard(struct json *json, const struct xdp_guard *guard)
{
    struct guard_count counts[GUARD_RULE_COUNT];

    xdp_guard_counts(guard, counts);
    json_open(json, NULL, '{');
    json_text(json, "interface", guard->interface);
    json_bool(json, "attached", guard->attached);
    if (guard->note[0])
        json_text(json, "note", guard->note);
    json_open(json, "frames", '{');
    for (uint32_t i = 0; i < GUARD_RULE_COUNT; i++)
        json_u64(json, xdp_guard_rule_key((enum guard_rule)i), counts[i].frames);
    json_close(json, '}');
    json_close(json, '}');
}

void report_ports_json(struct json *json, const struct topology *topology)
{
    json_open(json, "ports", '[');
    for (uint32_t i = 0; i < topology->port_count; i++)
        if (topology->port[i].started)
            json_port(json, &topology->port[i]);
    json_close(json, ']');
    json_open(json, "xdp", '[');
    for (uint32_t i = 0; i < topology->guard_count; i++)
        json_guard(json, &topology->guard[i]);
    json_close(json, ']');
}
