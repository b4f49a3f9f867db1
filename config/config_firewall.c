/* The section `firewall`: interfaces, prefixes and ports to struct config. See config_load.h. */
#include "config/config_load.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

/* What the kernel takes for a name, less what would be a word of its own in a rule set. */
static bool take_interface(const struct config_load *load, const char *key, const char *raw,
                           char ret_name[CONFIG_INTERFACE_MAX + 1])
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
    const size_t len = strlen(raw);

    if (len <= CONFIG_INTERFACE_MAX && strspn(raw, letters) == len && raw[0] != '-' && raw[0] != '.') {
        memcpy(ret_name, raw, len + 1);
        return true;
    }
    config_say(load, false, key, "'%.48s' is no interface of the kernel; write one that `ip link` shows, as in eth0",
               raw);
    return false;
}

/* The good ones of a list. */
static void take_interfaces(const struct config_load *load, const char *key, char *const *raw, uint32_t raw_count,
                            char (*ret_names)[CONFIG_INTERFACE_MAX + 1], uint32_t *ret_count)
{
    *ret_count = 0;
    for (uint32_t i = 0; i < raw_count; i++)
        if (take_interface(load, config_at("%s[%u]", key, i).path, raw[i], ret_names[*ret_count]))
            ++*ret_count;
}

/* a.b.c.d/len, or one address. */
static bool take_prefix(const struct config_load *load, const char *key, const char *raw,
                        struct config_prefix *ret_prefix)
{
    const char *slash = strchr(raw, '/');
    const size_t ip_len = slash ? (size_t)(slash - raw) : strlen(raw);
    char ip[INET_ADDRSTRLEN] = "";
    struct in_addr parsed;
    unsigned long len = 32;

    if (ip_len < sizeof(ip))
        memcpy(ip, raw, ip_len);
    bool good = ip_len < sizeof(ip) && inet_pton(AF_INET, ip, &parsed) == 1;
    if (good && slash) {
        const size_t digits = strspn(slash + 1, "0123456789");
        good = digits >= 1 && digits <= 2 && slash[1 + digits] == '\0' && (digits == 1 || slash[1] != '0');
        len = strtoul(slash + 1, NULL, 10);
    }
    if (!good || len > 32) {
        config_say(load, false, key, "'%.48s' is no IPv4 prefix; write one as in 192.0.2.0/24", raw);
        return false;
    }
    const uint32_t host = ntohl(parsed.s_addr);
    const uint32_t mask = len == 0 ? 0 : UINT32_MAX << (32 - len);
    if ((host & ~mask) != 0) {
        const struct in_addr network = {.s_addr = htonl(host & mask)};
        inet_ntop(AF_INET, &network, ip, sizeof(ip));
        config_say(load, false, key, "%.48s has bits set behind its /%lu; write %s/%lu", raw, len, ip, len);
        return false;
    }
    *ret_prefix = (struct config_prefix){.ip = host, .len = (uint32_t)len};
    return true;
}

static void take_management(const struct config_load *load, const struct raw_management *raw, uint32_t idx,
                            struct config_management *management)
{
    const struct config_at at = config_at("firewall.management[%u]", idx);

    if (!raw->interface)
        config_say(load, false, config_at("%s.interface", at.path).path,
                   "is missing; write the interface, one that `ip link` shows");
    else
        (void)take_interface(load, config_at("%s.interface", at.path).path, raw->interface, management->interface);
    for (uint32_t i = 0; i < raw->sources_count; i++)
        if (take_prefix(load, config_at("%s.sources[%u]", at.path, i).path, raw->sources[i],
                        &management->source[management->source_count]))
            management->source_count++;
    if (raw->sources_count == 0)
        config_say(load, false, config_at("%s.sources", at.path).path,
                   "is missing; list the networks that may connect, as in [192.0.2.0/24]");
    for (uint32_t i = 0; i < raw->tcp_ports_count; i++) {
        const uint64_t port = raw->tcp_ports[i];
        if (port >= 1 && port <= 65535)
            management->tcp_port[management->tcp_port_count++] = (uint16_t)port;
        else
            config_say(load, false, config_at("%s.tcp_ports[%u]", at.path, i).path,
                       "%lu is out of range; write a number from 1 to 65535", (unsigned long)port);
    }
    if (raw->tcp_ports_count == 0)
        config_say(load, false, config_at("%s.tcp_ports", at.path).path,
                   "is missing; list the TCP ports that they may connect to, as in [22]");
}

struct interfaces {
    const char *name[3 * CONFIG_GUARDED_MAX];
    uint32_t count;
};

/* Each interface is guarded once, in one way. */
static void unique(const struct config_load *load, struct interfaces *known, const char *key, const char *name)
{
    for (uint32_t i = 0; i < known->count; i++)
        if (name[0] && strcmp(known->name[i], name) == 0) {
            config_say(load, false, key, "%s is guarded already; name each interface once", name);
            return;
        }
    known->name[known->count++] = name;
}

void config_convert_firewall(const struct config_load *load, const struct raw_firewall *raw, struct config *config)
{
    struct config_firewall *firewall = &config->firewall;
    struct interfaces known = {.count = 0};
    uint32_t nearest;

    if (!raw)
        return;
    (void)config_lines_find(&load->lines, "firewall", &nearest);
    firewall->line = load->lines.node[nearest].line;
    firewall->present = true;
    if (raw->management_count == 0)
        config_say(load, false, "firewall.management",
                   "is missing; say by what interface, from where and to what port this host is managed");
    for (uint32_t i = 0; i < raw->management_count; i++) {
        take_management(load, &raw->management[i], i, &firewall->management[i]);
        unique(load, &known, config_at("firewall.management[%u].interface", i).path, firewall->management[i].interface);
    }
    firewall->management_count = raw->management_count;
    take_interfaces(load, "firewall.order_interfaces", raw->order_interfaces, raw->order_interfaces_count,
                    firewall->order_interface, &firewall->order_interface_count);
    for (uint32_t i = 0; i < firewall->order_interface_count; i++)
        unique(load, &known, "firewall.order_interfaces", firewall->order_interface[i]);
    take_interfaces(load, "firewall.feed_interfaces", raw->feed_interfaces, raw->feed_interfaces_count,
                    firewall->feed_interface, &firewall->feed_interface_count);
    for (uint32_t i = 0; i < firewall->feed_interface_count; i++)
        unique(load, &known, "firewall.feed_interfaces", firewall->feed_interface[i]);
    if (firewall->order_interface_count > 0 && config->orders.present &&
        config->orders.carrier != CONFIG_CARRIER_KERNEL)
        config_say(load, true, "firewall.order_interfaces",
                   "the order session is not the kernel's (orders.carrier): nothing of it passes there, and frames of "
                   "DPDK pass by any firewall");
}
