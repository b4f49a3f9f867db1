/* The section `ports`, as a part of config_convert. See config_load.h. */
#include "config/config_values.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Two hexadecimal digits as often as the format says: [dddd:]bb:dd.f */
static bool pci_address(const char *device)
{
    const size_t len = strlen(device);
    const char *format = len == 12 ? "xxxx:xx:xx.x" : "xx:xx.x";

    if (len != strlen(format))
        return false;
    for (size_t i = 0; i < len; i++)
        if (format[i] == 'x' ? !strchr("0123456789abcdefABCDEF", device[i]) : device[i] != format[i])
            return false;
    return true;
}

/* AF_PACKET spreads what comes over all of its queue pairs, and AF_XDP has a socket on each of its queues: all of them
 * are polled. */
static uint16_t queues_of(const char *device)
{
    char text[8];
    const char *key = config_device_is(device, "net_af_packet") ? "qpairs" : "queue_count";

    if (!config_device_argument(device, key, text, sizeof(text)))
        return 1;
    const unsigned long count = strtoul(text, NULL, 10);
    return count >= 1 && count <= CONFIG_QUEUES_MAX ? (uint16_t)count : 1;
}

static void convert_guard(const struct config_load *load, uint32_t port_idx, const struct raw_guard *raw,
                          struct config_xdp_guard *guard)
{
    static const struct raw_guard nothing;
    const struct config_at at = config_at("ports[%u].xdp_guard", port_idx);

    guard->given = raw != NULL;
    guard->line = config_line_of(load, at);
    if (!raw)
        raw = &nothing;
    guard->enabled = CONFIG_OR(raw->enabled, true);
    guard->replace = CONFIG_OR(raw->replace, false);
    guard->control_rate_per_s = (uint32_t)config_number(load, config_at("%s.control_rate_per_s", at.path),
                                                        raw->control_rate_per_s, 0, 10000000, 10000);
    guard->control_burst =
        (uint32_t)config_number(load, config_at("%s.control_burst", at.path), raw->control_burst, 1, 1000000, 2000);
    guard->feed_rate_per_s =
        (uint32_t)config_number(load, config_at("%s.feed_rate_per_s", at.path), raw->feed_rate_per_s, 0, 100000000, 0);
    guard->feed_burst =
        (uint32_t)config_number(load, config_at("%s.feed_burst", at.path), raw->feed_burst, 1, 10000000, 100000);
    for (uint32_t i = 0; i < raw->kernel_ports_count && i < CONFIG_KERNEL_PORTS_MAX; i++)
        guard->kernel_port[guard->kernel_port_count++] =
            config_ip_port(load, config_at("%s.kernel_ports[%u]", at.path, i), &raw->kernel_ports[i]);
}

int config_ports_convert(const struct config_load *load, const struct raw *raw, struct config *config)
{
    config->port_count = raw->ports_count;
    for (uint32_t i = 0; i < raw->ports_count; i++) {
        struct config_port *port = &config->port[i];
        const struct raw_port *from = &raw->ports[i];
        const struct config_at device = config_at("ports[%u].device", i);
        port->line = config_line_of(load, config_at("ports[%u]", i));
        config_name(load, config_at("ports[%u].name", i), from->name, NULL, port->name);
        if (!from->device) {
            config_say(load, false, device.path,
                       "is missing; write a PCI address, a DPDK device such as "
                       "net_af_xdp,iface=eth1, or socket,iface=eth1");
        } else if (!config_bad(load, &device)) {
            if (strpbrk(from->device, " \t\n"))
                config_say(load, false, device.path,
                           "'%.64s' holds white space; write name,key=value,... without blanks", from->device);
            else if (strcmp(from->device, "socket") == 0 || strncmp(from->device, "socket,", 7) == 0)
                config_socket(load, device.path, from->device, &port->socket);
            else if (strncmp(from->device, "net_", 4) == 0)
                config_dpdk_device(load, device.path, from->device);
            else if (!pci_address(from->device))
                config_say(load, false, device.path,
                           "'%.64s' is neither a PCI address such as 0000:03:00.0 nor a DPDK "
                           "device net_... nor socket,iface=...; write one of these",
                           from->device);
        }
        port->device = strdup(from->device ? from->device : "");
        if (!port->device)
            return -ENOMEM;
        port->rx_descriptors =
            (uint16_t)config_number(load, config_at("ports[%u].rx_descriptors", i), from->rx_descriptors, 64, 8192,
                                    config_device_is(port->device, "net_af_xdp") ? 2048 : 1024);
        port->tx_descriptors = (uint16_t)config_number(load, config_at("ports[%u].tx_descriptors", i),
                                                       from->tx_descriptors, 64, 8192, 1024);
        port->mtu = (uint32_t)config_number(load, config_at("ports[%u].mtu", i), from->mtu, 576, 9216, 1500);
        port->promiscuous = CONFIG_OR(from->promiscuous, false);
        port->rx_queues = (uint16_t)config_number(load, config_at("ports[%u].rx_queues", i), from->rx_queues, 1,
                                                  CONFIG_QUEUES_MAX, queues_of(port->device));
        port->checksum = CONFIG_OR(from->checksum, true);
        convert_guard(load, i, from->xdp_guard, &port->guard);
        port->membership = CONFIG_OR(from->membership, CONFIG_MEMBERSHIP_NONE);
        port->igmp_version = CONFIG_OR(from->igmp_version, CONFIG_IGMP_AUTO);
        port->igmp_refresh_s =
            (uint32_t)config_number(load, config_at("ports[%u].igmp_refresh_s", i), from->igmp_refresh_s, 0, 3600, 60);
        port->ip = config_unicast(load, config_at("ports[%u].address", i), from->address, false);
        port->vlan = (uint16_t)config_number(load, config_at("ports[%u].vlan", i), from->vlan, 1, 4094, 0);
    }
    return 0;
}
