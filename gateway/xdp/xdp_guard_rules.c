/* What the config means for the guard of an interface, and what its rules are called. Pure. See xdp_guard.h. */
#include "gateway/xdp/xdp_guard.h"

#include <arpa/inet.h>
#include <string.h>

static const struct {
    const char *name, *key;
} rules[GUARD_RULE_COUNT] = {
    [GUARD_FEED] = {"feed", "feed"},
    [GUARD_REPLY] = {"retransmissions", "reply"},
    [GUARD_ARP] = {"ARP", "arp"},
    [GUARD_TCP] = {"TCP", "tcp"},
    [GUARD_ICMP] = {"ICMP", "icmp"},
    [GUARD_IGMP] = {"IGMP", "igmp"},
    [GUARD_EVERYTHING] = {"everything", "everything"},
    [GUARD_KERNEL_ARP] = {"kernel's ARP", "kernel_arp"},
    [GUARD_KERNEL_IP] = {"kernel's IP", "kernel_ip"},
    [GUARD_KERNEL_LINK] = {"kernel's link control", "kernel_link"},
    [GUARD_NO_SOCKET] = {"on a queue without socket", "no_socket"},
    [GUARD_SHORT] = {"malformed", "short"},
    [GUARD_FRAGMENT] = {"fragments", "fragment"},
    [GUARD_SOURCE] = {"feed from a wrong source", "source"},
    [GUARD_FLOOD] = {"flood", "flood"},
    [GUARD_OTHER] = {"of no interest", "other"},
};

const char *xdp_guard_rule_name(enum guard_rule rule)
{
    return rules[rule].name;
}

const char *xdp_guard_rule_key(enum guard_rule rule)
{
    return rules[rule].key;
}

/* Ports and addresses come in host byte order, as the config has them. The same flow twice is one. */
static bool flow_add(struct xdp_guard_params *params, enum guard_flow_kind kind, uint32_t ip, uint16_t port,
                     uint32_t source, enum guard_rule rule)
{
    const struct guard_flow_key key = {.ip = htonl(ip), .port = htons(port), .kind = (uint8_t)kind};

    for (uint32_t i = 0; i < params->flow_count; i++)
        if (memcmp(&params->key[i], &key, sizeof(key)) == 0)
            return true;
    if (params->flow_count == GUARD_FLOWS_MAX)
        return false;
    params->key[params->flow_count] = key;
    params->flow[params->flow_count++] = (struct guard_flow){.source = htonl(source), .rule = (uint8_t)rule};
    return true;
}

static bool on_interface(const struct config *config, uint32_t port_idx, const char *interface)
{
    char name[CONFIG_INTERFACE_MAX + 1];

    return config_device_is(config->port[port_idx].device, "net_af_xdp") &&
           config_device_interface(config->port[port_idx].device, name) && strcmp(name, interface) == 0;
}

/* Servers that the kernel's sockets talk to: whatever interface they are behind, here they are known. */
static bool servers_add(struct xdp_guard_params *params, const struct config_server *servers, uint32_t server_count)
{
    bool good = true;

    for (uint32_t i = 0; i < server_count; i++)
        good = good && flow_add(params, GUARD_FROM, servers[i].ip, servers[i].port, 0, GUARD_KERNEL_IP);
    return good;
}

static bool feed_add(struct xdp_guard_params *params, const struct config *config, const struct config_feed *feed)
{
    const struct config_retransmission *retransmission = &feed->retransmission;
    bool good = !feed->snapshot.present || servers_add(params, feed->snapshot.server_list, feed->snapshot.server_count);

    for (uint32_t i = 0; i < feed->line_count; i++) {
        const struct config_line *line = &feed->line_list[i];
        if (on_interface(config, line->port_idx, params->interface))
            good = good && flow_add(params, GUARD_TO, line->group, line->udp_port, line->source, GUARD_FEED);
    }
    if (!retransmission->present)
        return good;
    if (retransmission->transport == CONFIG_TRANSPORT_KERNEL)
        return good && servers_add(params, retransmission->server_list, retransmission->server_count);
    if (!on_interface(config, retransmission->port_idx, params->interface))
        return good;
    /* As the receive loop looks at it: one server is a source, several are any. */
    const uint32_t source = retransmission->server_count == 1 ? retransmission->server_list[0].ip : 0;
    return good && flow_add(params, GUARD_HOST, retransmission->local_ip, 0, 0, GUARD_ARP) &&
           flow_add(params, GUARD_TO, retransmission->local_ip, retransmission->local_port, source, GUARD_REPLY);
}

/* What the control thread answers for on the interface: an address, and IGMP where membership is ours. */
static bool port_add(struct xdp_guard_params *params, const struct config_port *port)
{
    if (port->membership == CONFIG_MEMBERSHIP_OWN)
        params->settings.igmp_ours = 1;
    return port->ip == 0 || flow_add(params, GUARD_HOST, port->ip, 0, 0, GUARD_ARP);
}

static bool orders_add(struct xdp_guard_params *params, const struct config *config)
{
    const struct config_orders *orders = &config->orders;

    if (!orders->present || orders->carrier == CONFIG_CARRIER_UDP)
        return true;
    if (orders->carrier == CONFIG_CARRIER_KERNEL)
        return flow_add(params, GUARD_FROM, orders->peer_ip, orders->peer_port, 0, GUARD_KERNEL_IP);
    if (!on_interface(config, orders->port_idx, params->interface) &&
        !(orders->has_control_port && on_interface(config, orders->control_port_idx, params->interface)))
        return true;
    return flow_add(params, GUARD_HOST, orders->local_ip, 0, 0, GUARD_TCP) &&
           flow_add(params, GUARD_FROM, orders->peer_ip, orders->peer_port, 0, GUARD_TCP);
}

static void bucket(uint32_t rate_per_s, uint32_t burst, __u64 *ret_interval_ns, __u64 *ret_burst_ns)
{
    *ret_interval_ns = rate_per_s > 0 ? UINT64_C(1000000000) / rate_per_s : 0;
    *ret_burst_ns = *ret_interval_ns * burst;
}

bool xdp_guard_params(const struct config *config, const char *interface, struct xdp_guard_params *ret_params)
{
    const struct config_xdp_guard *guard = NULL;
    struct guard_settings *settings = &ret_params->settings;
    bool good = true;

    memset(ret_params, 0, sizeof(*ret_params));
    memcpy(ret_params->interface, interface, strnlen(interface, CONFIG_INTERFACE_MAX));
    for (uint32_t i = 0; i < config->port_count; i++)
        if (on_interface(config, i, interface) && (!guard || config->port[i].guard.given))
            guard = &config->port[i].guard;
    if (!guard)
        return true;
    ret_params->replace = guard->replace;
    settings->open = !guard->enabled;
    bucket(guard->control_rate_per_s, guard->control_burst, &settings->control_interval_ns,
           &settings->control_burst_ns);
    bucket(guard->feed_rate_per_s, guard->feed_burst, &settings->feed_interval_ns, &settings->feed_burst_ns);
    for (uint32_t i = 0; i < guard->kernel_port_count; i++)
        good = good && flow_add(ret_params, GUARD_PORT, 0, guard->kernel_port[i], 0, GUARD_KERNEL_IP);
    for (uint32_t i = 0; i < config->port_count; i++) { /* each of its ports has IGMP and an address of its own */
        const struct config_port *port = &config->port[i];
        if (!on_interface(config, i, interface))
            continue;
        settings->igmp_ours |= port->membership == CONFIG_MEMBERSHIP_OWN;
        good = good && (port->ip == 0 || flow_add(ret_params, GUARD_HOST, port->ip, 0, 0, GUARD_ARP));
    }
    for (uint32_t i = 0; i < config->port_count; i++)
        if (on_interface(config, i, interface))
            good = good && port_add(ret_params, &config->port[i]);
    for (uint32_t i = 0; i < config->feed_count; i++)
        good = good && feed_add(ret_params, config, &config->feed[i]);
    return good && orders_add(ret_params, config);
}
