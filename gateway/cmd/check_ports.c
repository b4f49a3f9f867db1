/* `tickgate check`: what a config says of its ports, as text and as JSON. See check_parts.h. */
#include "gateway/cmd/check_parts.h"

#include <string.h>

static const char *membership_text(enum config_membership membership)
{
    static const char *const texts[] = {
        [CONFIG_MEMBERSHIP_NONE] = "none", [CONFIG_MEMBERSHIP_OWN] = "own", [CONFIG_MEMBERSHIP_KERNEL] = "kernel"};
    return texts[membership];
}

/* How wide the port is to receive, and who joins its groups. */
static void text_membership(const struct config *config, uint32_t port_idx, FILE *out)
{
    const struct config_port *port = &config->port[port_idx];
    const char *version = port->igmp_version == CONFIG_IGMP_AUTO ? "3, older where an older querier speaks"
                          : port->igmp_version == CONFIG_IGMP_2  ? "2"
                                                                 : "3";
    uint32_t group_count = 0, source_count = 0;
    char address[16] = "none", refresh[48] = "never";

    for (uint32_t i = 0; i < config->feed_count; i++)
        for (uint32_t j = 0; j < config->feed[i].line_count; j++)
            if (config->feed[i].line_list[j].port_idx == port_idx) {
                group_count++;
                source_count += config->feed[i].line_list[j].source != 0;
            }
    if (group_count == 0 || port->socket.present)
        return;
    if (port->ip != 0)
        check_address_text(port->ip, address);
    if (port->igmp_refresh_s > 0)
        snprintf(refresh, sizeof(refresh), "each %u s where no querier speaks", port->igmp_refresh_s);
    fprintf(out, "  receives %s\n",
            port->promiscuous ? "everything (promiscuous)"
                              : "its groups, by multicast filter; wider only where the device has none");
    if (port->membership == CONFIG_MEMBERSHIP_OWN)
        fprintf(out, "  %u lines joined by IGMP of our own, %u from one source, version %s, refreshed %s\n",
                group_count, source_count, version, refresh);
    else
        fprintf(out, "  %u lines %s\n", group_count,
                port->membership == CONFIG_MEMBERSHIP_KERNEL ? "joined by sockets of the kernel"
                                                             : "joined by nobody here (membership: none)");
    fprintf(out, "  address for ARP and pings: %s\n", address);
}

static void text_port(const struct config_port *port, FILE *out)
{
    const struct config_xdp_guard *guard = &port->guard;
    const struct config_socket *socket = &port->socket;

    if (socket->present) {
        fprintf(out, "port %s: a socket for each line on %s, %s, busy poll %u us, buffers of %u KiB, mtu %u\n",
                port->name, socket->iface, socket->block ? "blocking" : "spinning", socket->busy_poll_us,
                socket->buffer_kb, port->mtu);
        return;
    }
    fprintf(out, "port %s: %s, %u rx queue%s, %u rx and %u tx descriptors, mtu %u%s%s\n", port->name, port->device,
            port->rx_queues, port->rx_queues > 1 ? "s" : "", port->rx_descriptors, port->tx_descriptors, port->mtu,
            port->promiscuous ? ", promiscuous" : "", port->checksum ? "" : ", checksums not looked at by the device");
    if (!config_device_is(port->device, "net_af_xdp") || strstr(port->device, ",xdp_prog="))
        return;
    if (!guard->enabled) {
        fputs("  xdp guard off: every frame of the interface goes to tickgate\n", out);
        return;
    }
    fprintf(out,
            "  xdp guard: one source sends up to %u frames/s besides feed and configured peers (burst %u), 0 = any; "
            "feed up to %u/s (burst %u), 0 = any%s\n",
            guard->control_rate_per_s, guard->control_burst, guard->feed_rate_per_s, guard->feed_burst,
            guard->replace ? "; takes the place of another's program" : "");
}

static void json_port(struct json *json, const struct config_port *port)
{
    const struct config_xdp_guard *guard = &port->guard;
    char address[16];

    json_open(json, NULL, '{');
    json_text(json, "name", port->name);
    json_text(json, "device", port->device);
    json_u64(json, "rx_queues", port->rx_queues);
    json_u64(json, "rx_descriptors", port->rx_descriptors);
    json_u64(json, "tx_descriptors", port->tx_descriptors);
    json_u64(json, "mtu", port->mtu);
    json_bool(json, "promiscuous", port->promiscuous);
    json_bool(json, "checksum", port->checksum);
    json_text(json, "membership", membership_text(port->membership));
    json_text(json, "igmp_version",
              port->igmp_version == CONFIG_IGMP_AUTO ? "auto" : port->igmp_version == CONFIG_IGMP_2 ? "2" : "3");
    json_u64(json, "igmp_refresh_s", port->igmp_refresh_s);
    json_u64(json, "vlan", port->vlan);
    check_address_text(port->ip, address);
    json_text_or_null(json, "address", port->ip ? address : NULL);
    if (config_device_is(port->device, "net_af_xdp")) {
        json_open(json, "xdp_guard", '{');
        json_bool(json, "enabled", guard->enabled);
        json_bool(json, "replace", guard->replace);
        json_u64(json, "control_rate_per_s", guard->control_rate_per_s);
        json_u64(json, "control_burst", guard->control_burst);
        json_u64(json, "feed_rate_per_s", guard->feed_rate_per_s);
        json_u64(json, "feed_burst", guard->feed_burst);
        json_open(json, "kernel_ports", '[');
        for (uint32_t i = 0; i < guard->kernel_port_count; i++)
            json_u64(json, NULL, guard->kernel_port[i]);
        json_close(json, ']');
        json_close(json, '}');
    }
    json_close(json, '}');
}

void check_ports_text(const struct config *config, FILE *out)
{
    for (uint32_t i = 0; i < config->port_count; i++) {
        text_port(&config->port[i], out);
        text_membership(config, i, out);
    }
}

void check_ports_json(struct json *json, const struct config *config)
{
    json_open(json, "ports", '[');
    for (uint32_t i = 0; i < config->port_count; i++)
        json_port(json, &config->port[i]);
    json_close(json, ']');
}
