/* What a port's membership, address and VLAN mean beside the other keys. Contract in config_load.h. */
#include "config/config_load.h"

/* Keys that only a membership of our own obeys. */
static void check_keys(const struct config_load *load, const struct config_port *port, uint32_t port_idx)
{
    static const char *const keys[] = {"igmp_version", "igmp_refresh_s", "vlan"};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]) && port->membership != CONFIG_MEMBERSHIP_OWN; i++) {
        const struct config_at at = config_at("ports[%u].%s", port_idx, keys[i]);
        if (config_lines_find(&load->lines, at.path, NULL) != CONFIG_NODE_NONE)
            config_say(load, false, at.path, "means nothing without membership: own; remove it, or write that");
    }
}

static bool has_line(const struct config *config, uint32_t port_idx)
{
    for (uint32_t f = 0; f < config->feed_count; f++)
        for (uint32_t l = 0; l < config->feed[f].line_count; l++)
            if (config->feed[f].line_list[l].port_idx == port_idx)
                return true;
    return false;
}

/* A port of the order session's TCP: lwIP answers there. */
static bool session_port(const struct config_orders *orders, uint32_t port_idx)
{
    return orders->present && orders->carrier == CONFIG_CARRIER_TCP &&
           (orders->port_idx == port_idx || (orders->has_control_port && orders->control_port_idx == port_idx));
}

void config_membership_check(const struct config_load *load, const struct config *config)
{
    for (uint32_t i = 0; i < config->port_count; i++) {
        const struct config_port *port = &config->port[i];
        check_keys(load, port, i);
        if (port->membership != CONFIG_MEMBERSHIP_NONE && !port->socket.present && !has_line(config, i))
            config_say(load, false, config_at("ports[%u].membership", i).path,
                       "no line is on port '%s', so there is no group to join; remove it, or name the port in a line",
                       port->name);
        if (port->ip != 0 && session_port(&config->orders, i))
            config_say(load, false, config_at("ports[%u].address", i).path,
                       "the order session has port '%s', and its address is orders.local_ip; remove it", port->name);
        else if (port->ip != 0 && !port->socket.present && !has_line(config, i))
            config_say(load, false, config_at("ports[%u].address", i).path,
                       "no line is on port '%s', so nobody would look at what arrives there; remove it", port->name);
    }
}
