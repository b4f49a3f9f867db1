/* From what libcyaml read to struct config: every value on its own. Ranges, defaults, names, addresses and dates are
 * here, in the order of the file; what keys mean together is config_check's. See config_load.h. */
#include "config/config_load.h"

#include "config/config_midnight.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUIRED UINT64_MAX /* in place of a default */

/* Was its spelling already found wrong? */
static bool bad(const struct config_load *load, const struct config_at *at)
{
    const uint32_t node = config_lines_find(&load->lines, at->path, NULL);
    return node != CONFIG_NODE_NONE && load->lines.node[node].bad;
}

/* The number, `fallback` where the key is absent; REQUIRED (truncated by the caller: all ones) after a finding. */
static uint64_t number(const struct config_load *load, struct config_at at, const uint64_t *raw, uint64_t min,
                       uint64_t max, uint64_t fallback)
{
    if (bad(load, &at))
        return fallback;
    if (!raw) {
        if (fallback == REQUIRED)
            config_say(load, false, at.path, "is missing; write a number from %lu to %lu", (unsigned long)min,
                       (unsigned long)max);
        return fallback;
    }
    if (*raw < min || *raw > max) {
        config_say(load, false, at.path, "%lu is out of range; write a number from %lu to %lu", (unsigned long)*raw,
                   (unsigned long)min, (unsigned long)max);
        return fallback;
    }
    return *raw;
}

static uint32_t power_of_two(const struct config_load *load, struct config_at at, const uint64_t *raw, uint64_t min,
                             uint64_t max, uint64_t fallback)
{
    const uint64_t value = number(load, at, raw, min, max, fallback);

    if ((value & (value - 1)) != 0) {
        uint64_t near = min;
        while (near * 2 <= value)
            near *= 2;
        config_say(load, false, at.path, "%lu is not a power of two; write %lu or %lu", (unsigned long)value,
                   (unsigned long)near, (unsigned long)near * 2);
        return (uint32_t)fallback;
    }
    return (uint32_t)value;
}

/* Names go into thread names, DPDK device names and file prefixes: letters that are safe in all of them. */
static void name(const struct config_load *load, struct config_at at, const char *raw, const char *fallback,
                 char ret_name[CONFIG_NAME_MAX + 1])
{
    if (bad(load, &at))
        return;
    if (!raw) {
        if (!fallback)
            config_say(load, false, at.path, "is missing; give it a name");
        else
            snprintf(ret_name, CONFIG_NAME_MAX + 1, "%s", fallback);
        return;
    }
    const size_t len = strlen(raw);
    if (len > CONFIG_NAME_MAX)
        config_say(load, false, at.path, "'%.48s' has %zu letters; a name has at most %u", raw, len, CONFIG_NAME_MAX);
    else if (strspn(raw, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") != len || raw[0] == '-')
        config_say(load, false, at.path, "'%s' is not a name; use letters, digits, '_' and '-', not '-' first", raw);
    else
        memcpy(ret_name, raw, len + 1);
}

/* The index of the thing called `raw`; when absent, `fallback`. */
static uint32_t index_of(const struct config_load *load, struct config_at at, const char *raw, const char *what,
                         const char *first_name, size_t stride, uint32_t count, uint32_t fallback)
{
    char names[160] = "";
    size_t len = 0;

    if (bad(load, &at))
        return CONFIG_IDX_NONE;
    for (uint32_t i = 0; i < count; i++) {
        const char *one = first_name + i * stride;
        if (raw && one[0] && strcmp(one, raw) == 0)
            return i;
        if (len < sizeof(names))
            len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s", len ? ", " : "", one);
    }
    if (raw)
        config_say(load, false, at.path, "there is no %s '%.48s'; write one of: %s", what, raw,
                   count ? names : "(none)");
    else if (fallback == CONFIG_IDX_NONE && count > 0)
        config_say(load, false, at.path, "is missing; name a %s, one of: %s", what, names);
    return raw ? CONFIG_IDX_NONE : fallback;
}

#define INDEX_OF(load, at, raw, what, list, count, fallback)                                                           \
    index_of(load, at, raw, what, (list)[0].name, sizeof((list)[0]), count, fallback)

/* A dotted IPv4 address in host byte order. 0: it is none, and a finding says so. */
static uint32_t address(const struct config_load *load, const struct config_at *at, const char *raw,
                        const char *example)
{
    struct in_addr parsed;

    if (inet_pton(AF_INET, raw, &parsed) != 1) {
        config_say(load, false, at->path, "'%.48s' is no IPv4 address; write four numbers, as in %s", raw, example);
        return 0;
    }
    return ntohl(parsed.s_addr);
}

static uint32_t multicast(const struct config_load *load, struct config_at at, const char *raw)
{
    if (bad(load, &at))
        return 0;
    if (!raw) {
        config_say(load, false, at.path, "is missing; write the line's multicast group, as in 233.54.12.111");
        return 0;
    }
    const uint32_t value = address(load, &at, raw, "233.54.12.111");
    if (value == 0 || value >> 28 == 0xe)
        return value;
    config_say(load, false, at.path, "%s is not a multicast group; write an address from 224.0.0.0 to 239.255.255.255",
               raw);
    return 0;
}

static uint32_t unicast(const struct config_load *load, struct config_at at, const char *raw, bool required)
{
    if (bad(load, &at))
        return 0;
    if (!raw) {
        if (required)
            config_say(load, false, at.path, "is missing; write an IPv4 address, as in 192.0.2.10");
        return 0;
    }
    const uint32_t value = address(load, &at, raw, "192.0.2.10");
    if (strcmp(raw, "0.0.0.0") != 0 && (value == 0 || (value >> 24 != 0 && value >> 28 < 0xe)))
        return value;
    config_say(load, false, at.path, "%s is not a unicast address; write that of one host", raw);
    return 0;
}

/* `sent`: what is sent to it, of one that must be given; NULL: it need not. */
static void mac(const struct config_load *load, struct config_at at, const char *raw, const char *sent,
                uint8_t ret_mac[6])
{
    uint8_t value[6] = {0};

    if (bad(load, &at))
        return;
    if (!raw) {
        if (sent)
            config_say(load, false, at.path, "is missing; write the MAC address that %s are sent to", sent);
        return;
    }
    bool good = strlen(raw) == 17;
    for (uint32_t i = 0; i < 17 && good; i++)
        good = i % 3 == 2 ? raw[i] == ':' : strchr("0123456789abcdefABCDEF", raw[i]) != NULL;
    for (uint32_t i = 0; i < 6 && good; i++)
        value[i] = (uint8_t)strtoul(raw + (size_t)i * 3, NULL, 16);
    if (!good)
        config_say(load, false, at.path,
                   "'%.48s' is no MAC address; write six hexadecimal pairs, as in 02:00:00:00:00:01", raw);
    else if ((value[0] & 1) != 0 || memcmp(value, (uint8_t[6]){0}, 6) == 0)
        config_say(load, false, at.path, "%s is not the address of one station; write a unicast MAC address", raw);
    else
        memcpy(ret_mac, value, 6);
}

/* A UDP or TCP port that must be given. */
static uint16_t ip_port(const struct config_load *load, struct config_at at, const uint64_t *raw)
{
    const uint64_t value = number(load, at, raw, 1, 65535, REQUIRED);
    return value == REQUIRED ? 0 : (uint16_t)value;
}

/* Only letters that show: no blank, nothing outside ASCII. */
static bool printable(const char *text)
{
    while (*text > ' ' && *text < 0x7f)
        text++;
    return *text == '\0';
}

/* Goes into a field of a login that blanks fill up. A finding does not quote it: it may be a secret. */
static void credential(const struct config_load *load, struct config_at at, const char *raw, bool required,
                       uint32_t len_max, char *ret_text)
{
    if (bad(load, &at))
        return;
    if (!raw) {
        if (required)
            config_say(load, false, at.path, "is missing; write the one that the venue gave you");
    } else if (strlen(raw) > len_max)
        config_say(load, false, at.path, "has %zu letters, but a login holds %u; write the one that the venue gave you",
                   strlen(raw), len_max);
    else if (!printable(raw))
        config_say(load, false, at.path,
                   "holds a blank or a letter outside ASCII; write the one that the venue gave you");
    else
        memcpy(ret_text, raw, strlen(raw) + 1);
}

#define SHARE_DECIMALS 7u /* one percent is 10^7 parts: whatever is written is kept exactly */
_Static_assert(CONFIG_FAULT_PARTS == 100u * 10000000u, "a share has SHARE_DECIMALS decimals");

/* A percentage, in parts of CONFIG_FAULT_PARTS; 0 where the key is absent. */
static uint32_t share(const struct config_load *load, struct config_at at, const char *raw)
{
    static const char digits[] = "0123456789";

    if (!raw || bad(load, &at))
        return 0;
    const size_t whole = strspn(raw, digits);
    const bool fraction = raw[whole] == '.';
    const char *decimal = raw + whole + fraction;
    const size_t decimals = fraction ? strspn(decimal, digits) : 0;
    if (whole >= 1 && whole <= 3 && (whole == 1 || raw[0] != '0') && fraction == (decimals > 0) &&
        decimals <= SHARE_DECIMALS && decimal[decimals] == '\0') {
        uint64_t parts = strtoul(raw, NULL, 10);
        for (uint32_t i = 0; i < SHARE_DECIMALS; i++)
            parts = parts * 10 + (i < decimals ? (uint64_t)(decimal[i] - '0') : 0);
        if (parts <= CONFIG_FAULT_PARTS)
            return (uint32_t)parts;
    }
    config_say(load, false, at.path,
               "'%.48s' is no share; write a percentage from 0 to 100 with at most %u decimals, as in 0.5", raw,
               SHARE_DECIMALS);
    return 0;
}

#define OR(raw, fallback) ((raw) ? *(raw) : (fallback))

static void convert_gateway(const struct config_load *load, const struct raw_gateway *raw,
                            struct config_gateway *gateway)
{
    static const struct raw_gateway nothing;

    if (!raw)
        raw = &nothing;
    name(load, config_at("gateway.name"), raw->name, "gateway", gateway->name);
    gateway->mode = OR(raw->mode, CONFIG_TWO_CORE);
    gateway->memory = OR(raw->memory, CONFIG_MEMORY_AUTO);
    gateway->memory_mb = (uint32_t)number(load, config_at("gateway.memory_mb"), raw->memory_mb, 64, 65536, 256);
    gateway->burst = (uint32_t)number(load, config_at("gateway.burst"), raw->burst, 1, 64, 32);
    gateway->ring_slots = power_of_two(load, config_at("gateway.ring_slots"), raw->ring_slots, 64, 1u << 24, 65536);
    gateway->numa_strict = OR(raw->numa_strict, false);
    gateway->control_sleep_us =
        (uint32_t)number(load, config_at("gateway.control_sleep_us"), raw->control_sleep_us, 1, 100000, 200);
}

/* The line of an entry: findings made later name it. */
static uint32_t line_of(const struct config_load *load, struct config_at at)
{
    uint32_t nearest;

    (void)config_lines_find(&load->lines, at.path, &nearest);
    return load->lines.node[nearest].line;
}

static void convert_lcores(const struct config_load *load, const struct raw *raw, struct config *config)
{
    config->lcore_count = raw->lcores_count;
    for (uint32_t i = 0; i < raw->lcores_count; i++) {
        struct config_lcore *lcore = &config->lcore[i];
        lcore->line = line_of(load, config_at("lcores[%u]", i));
        name(load, config_at("lcores[%u].name", i), raw->lcores[i].name, NULL, lcore->name);
        if (raw->lcores[i].role)
            lcore->role = *raw->lcores[i].role;
        else
            config_say(load, false, config_at("lcores[%u].role", i).path, "is missing; write rx or strategy");
        lcore->cpu = (uint32_t)number(load, config_at("lcores[%u].cpu", i), raw->lcores[i].cpu, 0, 1023, REQUIRED);
    }
}

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
    guard->line = line_of(load, at);
    if (!raw)
        raw = &nothing;
    guard->enabled = OR(raw->enabled, true);
    guard->replace = OR(raw->replace, false);
    guard->control_rate_per_s = (uint32_t)number(load, config_at("%s.control_rate_per_s", at.path),
                                                 raw->control_rate_per_s, 0, 10000000, 10000);
    guard->control_burst =
        (uint32_t)number(load, config_at("%s.control_burst", at.path), raw->control_burst, 1, 1000000, 2000);
    guard->feed_rate_per_s =
        (uint32_t)number(load, config_at("%s.feed_rate_per_s", at.path), raw->feed_rate_per_s, 0, 100000000, 0);
    guard->feed_burst =
        (uint32_t)number(load, config_at("%s.feed_burst", at.path), raw->feed_burst, 1, 10000000, 100000);
    for (uint32_t i = 0; i < raw->kernel_ports_count && i < CONFIG_KERNEL_PORTS_MAX; i++)
        guard->kernel_port[guard->kernel_port_count++] =
            ip_port(load, config_at("%s.kernel_ports[%u]", at.path, i), &raw->kernel_ports[i]);
}

static int convert_ports(const struct config_load *load, const struct raw *raw, struct config *config)
{
    config->port_count = raw->ports_count;
    for (uint32_t i = 0; i < raw->ports_count; i++) {
        struct config_port *port = &config->port[i];
        const struct raw_port *from = &raw->ports[i];
        const struct config_at device = config_at("ports[%u].device", i);
        port->line = line_of(load, config_at("ports[%u]", i));
        name(load, config_at("ports[%u].name", i), from->name, NULL, port->name);
        if (!from->device) {
            config_say(load, false, device.path,
                       "is missing; write a PCI address, a DPDK device such as "
                       "net_af_xdp,iface=eth1, or socket,iface=eth1");
        } else if (!bad(load, &device)) {
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
            (uint16_t)number(load, config_at("ports[%u].rx_descriptors", i), from->rx_descriptors, 64, 8192,
                             config_device_is(port->device, "net_af_xdp") ? 2048 : 1024);
        port->tx_descriptors =
            (uint16_t)number(load, config_at("ports[%u].tx_descriptors", i), from->tx_descriptors, 64, 8192, 1024);
        port->mtu = (uint32_t)number(load, config_at("ports[%u].mtu", i), from->mtu, 576, 9216, 1500);
        port->promiscuous = OR(from->promiscuous, false);
        port->rx_queues = (uint16_t)number(load, config_at("ports[%u].rx_queues", i), from->rx_queues, 1,
                                           CONFIG_QUEUES_MAX, queues_of(port->device));
        port->checksum = OR(from->checksum, true);
        convert_guard(load, i, from->xdp_guard, &port->guard);
        port->membership = OR(from->membership, CONFIG_MEMBERSHIP_NONE);
        port->igmp_version = OR(from->igmp_version, CONFIG_IGMP_AUTO);
        port->igmp_refresh_s =
            (uint32_t)number(load, config_at("ports[%u].igmp_refresh_s", i), from->igmp_refresh_s, 0, 3600, 60);
        port->ip = unicast(load, config_at("ports[%u].address", i), from->address, false);
        port->vlan = (uint16_t)number(load, config_at("ports[%u].vlan", i), from->vlan, 1, 4094, 0);
    }
    return 0;
}

/* The only lcore of a role needs no naming. */
static uint32_t lcore_only(const struct config *config, enum config_role role)
{
    uint32_t found = CONFIG_IDX_NONE;

    for (uint32_t i = 0; i < config->lcore_count; i++)
        if (config->lcore[i].role == role) {
            if (found != CONFIG_IDX_NONE)
                return CONFIG_IDX_NONE;
            found = i;
        }
    return found;
}

static void convert_session(const struct config_load *load, uint32_t i, const struct raw_feed *from,
                            struct config_feed *feed)
{
    const char *date = from->session_date ? from->session_date : "today";
    const char *zone = from->time_zone ? from->time_zone : "America/New_York";
    const struct config_at date_at = config_at("feeds[%u].session_date", i);
    const struct config_at zone_at = config_at("feeds[%u].time_zone", i);
    char error[CONFIG_MIDNIGHT_ERROR_MAX] = "cannot be told from the clock of this machine; set its time";

    if (bad(load, &date_at) || bad(load, &zone_at))
        return;
    if (strlen(zone) >= sizeof(feed->time_zone)) {
        config_say(load, false, zone_at.path, "'%.48s...' is longer than any zone; use an IANA name", zone);
        return;
    }
    snprintf(feed->time_zone, sizeof(feed->time_zone), "%s", zone);
    const int failed = config_midnight(date, zone, time(NULL), feed->session_date, &feed->midnight_ns, error);
    if (failed)
        config_say(load, false, failed == -ENOENT ? zone_at.path : date_at.path, "%s", error);
}

static int convert_lines(const struct config_load *load, uint32_t i, const struct raw_feed *from,
                         const struct config *config, struct config_feed *feed)
{
    if (from->lines_count == 0) {
        const struct config_at lines = config_at("feeds[%u].lines", i);
        if (!bad(load, &lines))
            config_say(load, false, lines.path, "a feed without a line receives nothing; add at least one line");
        return 0;
    }
    feed->line_list = calloc(from->lines_count, sizeof(*feed->line_list));
    if (!feed->line_list)
        return -ENOMEM;
    feed->line_count = from->lines_count;
    for (uint32_t j = 0; j < from->lines_count; j++) {
        const struct raw_line *line = &from->lines[j];
        struct config_line *to = &feed->line_list[j];
        to->line = line_of(load, config_at("feeds[%u].lines[%u]", i, j));
        name(load, config_at("feeds[%u].lines[%u].name", i, j), line->name, NULL, to->name);
        to->port_idx = INDEX_OF(load, config_at("feeds[%u].lines[%u].port", i, j), line->port, "port", config->port,
                                config->port_count, config->port_count == 1 ? 0 : CONFIG_IDX_NONE);
        to->group = multicast(load, config_at("feeds[%u].lines[%u].group", i, j), line->group);
        to->udp_port = ip_port(load, config_at("feeds[%u].lines[%u].udp_port", i, j), line->udp_port);
        to->source = unicast(load, config_at("feeds[%u].lines[%u].source", i, j), line->source, false);
    }
    return 0;
}

/* The servers of section `at`; `port_key`: udp_port or tcp_port. */
static int convert_servers(const struct config_load *load, const struct config_at *at, const char *port_key,
                           const struct raw_server *raw, uint32_t raw_count, struct config_server **ret_list,
                           uint32_t *ret_count)
{
    const struct config_at list_at = config_at("%s.servers", at->path);

    if (raw_count == 0) {
        if (!bad(load, &list_at))
            config_say(load, false, list_at.path, "there is no server to ask; list at least one, address and %s",
                       port_key);
        return 0;
    }
    struct config_server *list = calloc(raw_count, sizeof(*list));
    if (!list)
        return -ENOMEM;
    for (uint32_t i = 0; i < raw_count; i++) {
        list[i].line = line_of(load, config_at("%s[%u]", list_at.path, i));
        list[i].ip = unicast(load, config_at("%s[%u].address", list_at.path, i), raw[i].address, true);
        list[i].port = ip_port(load, config_at("%s[%u].%s", list_at.path, i, port_key), raw[i].port);
    }
    *ret_list = list;
    *ret_count = raw_count;
    return 0;
}

static void port_only(const struct config_load *load, struct config_at at, const char *raw)
{
    if (raw)
        config_say(load, false, at.path,
                   "means nothing to transport kernel, which finds its way by itself; remove it, or set "
                   "transport: port");
}

/* Transport port needs our whole address, since nobody else has it; the kernel may choose all of it. */
static void convert_transport(const struct config_load *load, const struct config_at *at,
                              const struct raw_retransmission *from, const struct config *config,
                              const struct config_feed *feed, struct config_retransmission *to)
{
    const struct config_at port_at = config_at("%s.port", at->path);
    const struct config_at peer_mac_at = config_at("%s.peer_mac", at->path);
    const struct config_at local_port_at = config_at("%s.local_port", at->path);

    to->transport = OR(from->transport, CONFIG_TRANSPORT_KERNEL);
    to->local_ip =
        unicast(load, config_at("%s.local_ip", at->path), from->local_ip, to->transport == CONFIG_TRANSPORT_PORT);
    if (to->transport == CONFIG_TRANSPORT_KERNEL) {
        to->local_port = (uint16_t)number(load, local_port_at, from->local_port, 0, 65535, 0);
        port_only(load, port_at, from->port);
        port_only(load, peer_mac_at, from->peer_mac);
        return;
    }
    to->local_port = ip_port(load, local_port_at, from->local_port);
    mac(load, peer_mac_at, from->peer_mac, "requests", to->peer_mac);
    if (from->port)
        to->port_idx = INDEX_OF(load, port_at, from->port, "port", config->port, config->port_count, CONFIG_IDX_NONE);
    else
        to->port_idx = feed->line_count > 0 ? feed->line_list[0].port_idx : CONFIG_IDX_NONE;
}

static int convert_retransmission(const struct config_load *load, uint32_t i, const struct raw_retransmission *from,
                                  const struct config *config, struct config_feed *feed)
{
    const struct config_at at = config_at("feeds[%u].retransmission", i);
    struct config_retransmission *to = &feed->retransmission;

    if (!from)
        return 0;
    to->present = true;
    to->line = line_of(load, at);
    convert_transport(load, &at, from, config, feed, to);
    to->request_messages =
        (uint32_t)number(load, config_at("%s.request_messages", at.path), from->request_messages, 1, 65534, 64);
    to->in_flight = (uint32_t)number(load, config_at("%s.in_flight", at.path), from->in_flight, 1, 16, 4);
    to->rate_per_s = (uint32_t)number(load, config_at("%s.rate_per_s", at.path), from->rate_per_s, 1, 100000, 200);
    to->rate_burst = (uint32_t)number(load, config_at("%s.rate_burst", at.path), from->rate_burst, 1, 1000, 20);
    to->timeout_us = (uint32_t)number(load, config_at("%s.timeout_us", at.path), from->timeout_us, 100, 10000000, 5000);
    to->timeout_max_us = (uint32_t)number(load, config_at("%s.timeout_max_us", at.path), from->timeout_max_us, 100,
                                          60000000, to->timeout_us > 500000 ? to->timeout_us : 500000);
    to->attempts = (uint32_t)number(load, config_at("%s.attempts", at.path), from->attempts, 1, 1000, 6);
    to->gap_max = (uint32_t)number(load, config_at("%s.gap_max", at.path), from->gap_max, 1, 1u << 22,
                                   feed->hold_messages < 20000 ? feed->hold_messages : 20000);
    return convert_servers(load, &at, "udp_port", from->servers, from->servers_count, &to->server_list,
                           &to->server_count);
}

static int convert_snapshot(const struct config_load *load, uint32_t i, const struct raw_snapshot *from,
                            struct config_snapshot *to)
{
    const struct config_at at = config_at("feeds[%u].snapshot", i);

    if (!from)
        return 0;
    to->present = true;
    to->line = line_of(load, at);
    credential(load, config_at("%s.username", at.path), from->username, true, CONFIG_USERNAME_MAX, to->username);
    credential(load, config_at("%s.password", at.path), from->password, false, CONFIG_PASSWORD_MAX, to->password);
    to->timeout_ms = (uint32_t)number(load, config_at("%s.timeout_ms", at.path), from->timeout_ms, 10, 60000, 5000);
    to->retry_ms = (uint32_t)number(load, config_at("%s.retry_ms", at.path), from->retry_ms, 1, 60000, 500);
    to->retry_max_ms = (uint32_t)number(load, config_at("%s.retry_max_ms", at.path), from->retry_max_ms, 1, 600000,
                                        to->retry_ms > 30000 ? to->retry_ms : 30000);
    return convert_servers(load, &at, "tcp_port", from->servers, from->servers_count, &to->server_list,
                           &to->server_count);
}

static int convert_feeds(const struct config_load *load, const struct raw *raw, struct config *config)
{
    config->feed_count = raw->feeds_count;
    for (uint32_t i = 0; i < raw->feeds_count; i++) {
        const struct raw_feed *from = &raw->feeds[i];
        struct config_feed *feed = &config->feed[i];
        feed->line = line_of(load, config_at("feeds[%u]", i));
        name(load, config_at("feeds[%u].name", i), from->name, NULL, feed->name);
        feed->protocol = OR(from->protocol, CONFIG_ITCH50);
        feed->lcore_idx = INDEX_OF(load, config_at("feeds[%u].lcore", i), from->lcore, "lcore", config->lcore,
                                   config->lcore_count, lcore_only(config, CONFIG_RX));
        convert_session(load, i, from, feed);
        feed->join = OR(from->join, CONFIG_JOIN_START);
        feed->books = OR(from->books, CONFIG_BOOKS_ALL);
        feed->instruments_max =
            (uint32_t)number(load, config_at("feeds[%u].instruments_max", i), from->instruments_max, 1, 65536, 16384);
        feed->orders_max =
            (uint32_t)number(load, config_at("feeds[%u].orders_max", i), from->orders_max, 1024, 1u << 28, 1u << 22);
        feed->levels_max =
            (uint32_t)number(load, config_at("feeds[%u].levels_max", i), from->levels_max, 1024, 1u << 26, 1u << 20);
        feed->reorder_packets =
            (uint32_t)number(load, config_at("feeds[%u].reorder_packets", i), from->reorder_packets, 0, 256, 64);
        feed->reorder_us =
            (uint32_t)number(load, config_at("feeds[%u].reorder_us", i), from->reorder_us, 0, 10000000, 2000);
        feed->hold_messages =
            power_of_two(load, config_at("feeds[%u].hold_messages", i), from->hold_messages, 1024, 1u << 22, 65536);
        feed->stale = OR(from->stale, CONFIG_STALE_AT_ONCE);
        feed->silence_ms =
            (uint32_t)number(load, config_at("feeds[%u].silence_ms", i), from->silence_ms, 0, 3600000, 3000);
        feed->checksum = OR(from->checksum, CONFIG_CHECKSUM_TRUST);
        if (convert_lines(load, i, from, config, feed) != 0 ||
            convert_retransmission(load, i, from->retransmission, config, feed) != 0 ||
            convert_snapshot(load, i, from->snapshot, &feed->snapshot) != 0)
            return -ENOMEM;
    }
    return 0;
}

/* As md_symbol() of ring/md_event.h lays it out, which this room does not see. */
static uint64_t symbol_value(const char *text)
{
    uint64_t value = 0;
    bool ended = false;

    for (unsigned i = 0; i < 8; i++) {
        ended = ended || text[i] == '\0';
        value |= (uint64_t)(uint8_t)(ended ? ' ' : text[i]) << (8 * i);
    }
    return value;
}

static int convert_symbols(const struct config_load *load, uint32_t i, const struct raw_strategy *from,
                           struct config_strategy *strategy)
{
    const struct config_at list_at = config_at("strategies[%u].symbols", i);

    if (from->symbols_count == 0) {
        /* The key left out means every instrument: a list that was made and came out empty does not. */
        if (config_lines_find(&load->lines, list_at.path, NULL) != CONFIG_NODE_NONE)
            config_say(load, false, list_at.path, "is empty; list symbols, or remove the key for every instrument");
        return 0;
    }
    strategy->symbol_list = calloc(from->symbols_count, sizeof(*strategy->symbol_list));
    if (!strategy->symbol_list)
        return -ENOMEM;
    for (uint32_t j = 0; j < from->symbols_count; j++) {
        const char *text = from->symbols[j];
        const struct config_at where = config_at("strategies[%u].symbols[%u]", i, j);
        if (bad(load, &where))
            continue;
        if (strlen(text) > 8) {
            config_say(load, false, where.path, "'%.48s' is longer than a symbol; write at most 8 letters", text);
            continue;
        }
        if (!printable(text)) {
            config_say(load, false, where.path,
                       "'%s' holds a blank or a letter outside ASCII; write the venue's symbol", text);
            continue;
        }
        if (strpbrk(text, "abcdefghijklmnopqrstuvwxyz")) {
            config_say(load, false, where.path,
                       "'%s' has small letters, which no symbol of the venue has; write it in capitals", text);
            continue;
        }
        const uint64_t value = symbol_value(text);
        bool twice = false;
        for (uint32_t k = 0; k < strategy->symbol_count; k++)
            twice = twice || strategy->symbol_list[k] == value;
        if (twice)
            config_say(load, false, where.path, "%s is listed twice; remove one", text);
        else
            strategy->symbol_list[strategy->symbol_count++] = value;
    }
    return 0;
}

/* The free map: libcyaml skips it, so it comes from the nodes. */
static int convert_params(const struct config_load *load, uint32_t i, struct config_strategy *strategy)
{
    const struct config_at where = config_at("strategies[%u].params", i);
    const uint32_t map = config_lines_find(&load->lines, where.path, NULL);

    if (map == CONFIG_NODE_NONE)
        return 0;
    const struct config_node *node = load->lines.node;
    if (node[map].kind == CONFIG_SCALAR && node[map].text[0] == '\0')
        return 0;
    if (node[map].kind != CONFIG_MAPPING) {
        config_say(load, false, where.path, "must be a mapping; write 'key: value' lines below it");
        return 0;
    }
    if (node[map].child_count > CONFIG_PARAMS_MAX) {
        config_say(load, false, where.path, "has %u entries, more than the maximum of %u; remove some",
                   node[map].child_count, CONFIG_PARAMS_MAX);
        return 0;
    }
    strategy->param_list = calloc(CONFIG_PARAMS_MAX, sizeof(*strategy->param_list));
    if (!strategy->param_list)
        return -ENOMEM;
    for (uint32_t n = node[map].first_child; n != CONFIG_NODE_NONE; n = node[n].next) {
        struct config_at one;
        config_lines_path(&load->lines, n, one.path);
        const uint32_t first = config_lines_key(&load->lines, map, node[n].key);
        if (first != n) {
            config_find(load->findings, false, load->path, node[n].line, one.path,
                        "is given twice, first on line %u; remove one", node[first].line);
        } else if (node[n].kind != CONFIG_SCALAR || node[n].text[0] == '\0') {
            config_say(load, false, one.path, "must be a single value; write one after the colon");
        } else {
            struct config_param *param = &strategy->param_list[strategy->param_count++];
            param->key = strdup(node[n].key);
            param->value = strdup(node[n].text);
            param->line = node[n].line;
            if (!param->key || !param->value)
                return -ENOMEM;
        }
    }
    return 0;
}

/* Which strategy: a name, or the file of a plug-in. */
static int convert_kind(const struct config_load *load, uint32_t i, const struct raw_strategy *from,
                        struct config_strategy *strategy)
{
    const struct config_at kind = config_at("strategies[%u].kind", i), plugin = config_at("strategies[%u].plugin", i);

    if (bad(load, &plugin))
        return 0;
    if (!from->plugin) {
        if (!from->kind && !bad(load, &kind))
            config_say(load, false, kind.path, "is missing; name a strategy, or write plugin and the path of one");
        else
            name(load, kind, from->kind, NULL, strategy->kind);
        return 0;
    }
    if (from->kind)
        config_say(load, false, plugin.path, "comes with kind; a strategy is built in or a plug-in: remove one");
    if (strlen(from->plugin) >= CONFIG_FILE_MAX)
        config_say(load, false, plugin.path, "is longer than a path may be; write one of at most %u letters",
                   CONFIG_FILE_MAX - 1);
    strategy->plugin = strdup(from->plugin);
    return strategy->plugin ? 0 : -ENOMEM;
}

static int convert_strategies(const struct config_load *load, const struct raw *raw, struct config *config)
{
    const enum config_role role = config->gateway.mode == CONFIG_INLINE ? CONFIG_RX : CONFIG_STRATEGY;

    config->strategy_count = raw->strategies_count;
    for (uint32_t i = 0; i < raw->strategies_count; i++) {
        const struct raw_strategy *from = &raw->strategies[i];
        struct config_strategy *strategy = &config->strategy[i];
        strategy->line = line_of(load, config_at("strategies[%u]", i));
        name(load, config_at("strategies[%u].name", i), from->name, NULL, strategy->name);
        if (convert_kind(load, i, from, strategy) != 0)
            return -ENOMEM;
        strategy->lcore_idx = INDEX_OF(load, config_at("strategies[%u].lcore", i), from->lcore, "lcore", config->lcore,
                                       config->lcore_count, lcore_only(config, role));
        strategy->feed_idx = INDEX_OF(load, config_at("strategies[%u].feed", i), from->feed, "feed", config->feed,
                                      config->feed_count, config->feed_count == 1 ? 0 : CONFIG_IDX_NONE);
        strategy->on_overrun = OR(from->on_overrun, CONFIG_OVERRUN_RESYNC);
        if (convert_symbols(load, i, from, strategy) != 0 || convert_params(load, i, strategy) != 0)
            return -ENOMEM;
    }
    return 0;
}

/* Who sends, and between which addresses: each carrier has keys of its own. */
static void convert_carrier(const struct config_load *load, const struct raw_orders *raw, const struct config *config,
                            struct config_orders *orders)
{
    const bool udp = orders->carrier == CONFIG_CARRIER_UDP;
    const bool tcp = orders->carrier == CONFIG_CARRIER_TCP;
    const bool kernel = orders->carrier == CONFIG_CARRIER_KERNEL;
    const enum config_role role = config->gateway.mode == CONFIG_INLINE ? CONFIG_RX : CONFIG_STRATEGY;

    if (!udp)
        orders->lcore_idx = INDEX_OF(load, config_at("orders.lcore"), raw->lcore, "lcore", config->lcore,
                                     config->lcore_count, lcore_only(config, role));
    if (!kernel)
        orders->port_idx = INDEX_OF(load, config_at("orders.port"), raw->port, "port", config->port, config->port_count,
                                    config->port_count == 1 ? 0 : CONFIG_IDX_NONE);
    orders->has_control_port = tcp && raw->control_port;
    if (orders->has_control_port)
        orders->control_port_idx = INDEX_OF(load, config_at("orders.control_port"), raw->control_port, "port",
                                            config->port, config->port_count, CONFIG_IDX_NONE);
    mac(load, config_at("orders.local_mac"), raw->local_mac, NULL, orders->local_mac);
    mac(load, config_at("orders.peer_mac"), raw->peer_mac, udp ? "orders" : NULL, orders->peer_mac);
    orders->local_ip = unicast(load, config_at("orders.local_ip"), raw->local_ip, !kernel);
    orders->peer_ip = unicast(load, config_at("orders.peer_ip"), raw->peer_ip, true);
    orders->local_port = udp ? ip_port(load, config_at("orders.local_port"), raw->local_port)
                             : (uint16_t)number(load, config_at("orders.local_port"), raw->local_port, 0, 65535, 0);
    orders->peer_port = ip_port(load, config_at("orders.peer_port"), raw->peer_port);
    orders->gateway_ip = unicast(load, config_at("orders.gateway_ip"), raw->gateway_ip, false);
    credential(load, config_at("orders.username"), raw->username, !udp, CONFIG_USERNAME_MAX, orders->username);
    credential(load, config_at("orders.password"), raw->password, false, CONFIG_PASSWORD_MAX, orders->password);
    credential(load, config_at("orders.session"), raw->session, false, CONFIG_SESSION_MAX, orders->session);
    if (!udp && !raw->refs_file)
        config_say(load, false, "orders.refs_file", "is missing; write the path of a file that survives restarts");
}

static int convert_orders(const struct config_load *load, const struct raw_orders *raw, const struct config *config,
                          struct config_orders *orders)
{
    static const struct raw_orders nothing;
    static const struct raw_sim no_sim;

    orders->present = raw != NULL;
    if (!raw)
        raw = &nothing;
    orders->carrier = OR(raw->carrier, CONFIG_CARRIER_UDP);
    if (orders->present) {
        orders->line = line_of(load, config_at("orders"));
        orders->refs_line = line_of(load, config_at("orders.refs_file"));
        convert_carrier(load, raw, config, orders);
    }
    orders->prefix_len = (uint32_t)number(load, config_at("orders.prefix_len"), raw->prefix_len, 8, 30, 24);
    orders->heartbeat_ms =
        (uint32_t)number(load, config_at("orders.heartbeat_ms"), raw->heartbeat_ms, 100, 60000, 1000);
    orders->timeout_ms = (uint32_t)number(load, config_at("orders.timeout_ms"), raw->timeout_ms, 101, 600000,
                                          orders->heartbeat_ms > 7500 ? orders->heartbeat_ms * 2 : 15000);
    orders->login_timeout_ms =
        (uint32_t)number(load, config_at("orders.login_timeout_ms"), raw->login_timeout_ms, 100, 60000, 5000);
    orders->retry_ms = (uint32_t)number(load, config_at("orders.retry_ms"), raw->retry_ms, 1, 60000, 500);
    orders->retry_max_ms = (uint32_t)number(load, config_at("orders.retry_max_ms"), raw->retry_max_ms, 1, 600000,
                                            orders->retry_ms > 30000 ? orders->retry_ms : 30000);
    orders->slow_path = OR(raw->slow_path, CONFIG_SLOW_PATH_SEND);
    orders->cancel_on_disconnect = OR(raw->cancel_on_disconnect, false);
    orders->probe_ms = (uint32_t)number(load, config_at("orders.probe_ms"), raw->probe_ms, 1, 1000, 10);
    orders->answer_timeout_ms =
        (uint32_t)number(load, config_at("orders.answer_timeout_ms"), raw->answer_timeout_ms, 0, 600000, 10000);
    orders->warm_us = (uint32_t)number(load, config_at("orders.warm_us"), raw->warm_us, 0, 10000000, 0);
    orders->refs_headroom =
        (uint32_t)number(load, config_at("orders.refs_headroom"), raw->refs_headroom, 1000, 10000000, 100000);
    orders->refs_leap_max =
        (uint32_t)number(load, config_at("orders.refs_leap_max"), raw->refs_leap_max, 1000, UINT32_MAX, 10000000);
    orders->fills = OR(raw->fills, CONFIG_FILLS_NONE);
    orders->open_timeout_ms =
        (uint32_t)number(load, config_at("orders.open_timeout_ms"), raw->open_timeout_ms, 1, 86400000, 5000);
    orders->frames = power_of_two(load, config_at("orders.frames"), raw->frames, 16, 4096, 256);
    orders->open_orders_max =
        power_of_two(load, config_at("orders.open_orders_max"), raw->open_orders_max, 16, 1048576, 4096);

    const struct raw_sim *sim = raw->sim ? raw->sim : &no_sim;
    orders->sim.order_us = (uint32_t)number(load, config_at("orders.sim.order_us"), sim->order_us, 0, 10000000, 50);
    orders->sim.answer_us = (uint32_t)number(load, config_at("orders.sim.answer_us"), sim->answer_us, 0, 10000000, 50);
    if (!raw->refs_file)
        return 0;
    orders->refs_file = strdup(raw->refs_file);
    return orders->refs_file ? 0 : -ENOMEM;
}

static void convert_kill(const struct config_load *load, const struct raw_kill *raw, struct config_kill *kill)
{
    static const struct raw_kill nothing;

    if (!raw)
        raw = &nothing;
    kill->watchdog_ms = (uint32_t)number(load, config_at("kill.watchdog_ms"), raw->watchdog_ms, 0, 60000, 2000);
    kill->repeat_ms = (uint32_t)number(load, config_at("kill.repeat_ms"), raw->repeat_ms, 1, 60000, 20);
    kill->confirm_ms = (uint32_t)number(load, config_at("kill.confirm_ms"), raw->confirm_ms, 10, 600000, 2000);
}

static int convert_faults(const struct config_load *load, const struct raw_faults *raw, struct config *config)
{
    config->fault_seed = number(load, config_at("faults.seed"), raw ? raw->seed : NULL, 0, UINT64_MAX, 1);
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
        to->line = line_of(load, at);
        to->feed_idx = INDEX_OF(load, config_at("%s.feed", at.path), from->feed, "feed", config->feed,
                                config->feed_count, config->feed_count == 1 ? 0 : CONFIG_IDX_NONE);
        to->line_idx = CONFIG_IDX_NONE;
        if (to->feed_idx != CONFIG_IDX_NONE && config->feed[to->feed_idx].line_count > 0) {
            const struct config_feed *feed = &config->feed[to->feed_idx];
            to->line_idx = INDEX_OF(load, config_at("%s.line", at.path), from->line, "line", feed->line_list,
                                    feed->line_count, feed->line_count == 1 ? 0 : CONFIG_IDX_NONE);
        }
        to->loss = share(load, config_at("%s.loss", at.path), from->loss);
        to->duplicate = share(load, config_at("%s.duplicate", at.path), from->duplicate);
        to->reorder = share(load, config_at("%s.reorder", at.path), from->reorder);
        to->corrupt = share(load, config_at("%s.corrupt", at.path), from->corrupt);
        to->truncate = share(load, config_at("%s.truncate", at.path), from->truncate);
        to->skew_us = (uint32_t)number(load, config_at("%s.skew_us", at.path), from->skew_us, 0, 10000000, 0);
        to->jitter_us = (uint32_t)number(load, config_at("%s.jitter_us", at.path), from->jitter_us, 0, 10000000, 0);
        to->stall_every_ms =
            (uint32_t)number(load, config_at("%s.stall_every_ms", at.path), from->stall_every_ms, 0, 3600000, 0);
        to->stall_ms = (uint32_t)number(load, config_at("%s.stall_ms", at.path), from->stall_ms, 0, 3600000, 0);
        to->restart_at = number(load, config_at("%s.restart_at", at.path), from->restart_at, 0, UINT64_MAX, 0);
    }
    return 0;
}

bool config_bad(const struct config_load *load, const struct config_at *at)
{
    return bad(load, at);
}

uint64_t config_number(const struct config_load *load, struct config_at at, const uint64_t *raw, uint64_t min,
                       uint64_t max, uint64_t fallback)
{
    return number(load, at, raw, min, max, fallback);
}

uint32_t config_line_of(const struct config_load *load, struct config_at at)
{
    return line_of(load, at);
}

int config_convert(struct config_load *load, const struct raw *raw, struct config *config)
{
    convert_gateway(load, raw->gateway, &config->gateway);
    convert_lcores(load, raw, config);
    if (convert_ports(load, raw, config) != 0 || convert_feeds(load, raw, config) != 0 ||
        convert_strategies(load, raw, config) != 0 || convert_orders(load, raw->orders, config, &config->orders) != 0)
        return -ENOMEM;
    if (config_risk_convert(load, raw, config) != 0)
        return -ENOMEM;
    if (config_admin(load, raw->admin, &config->admin) != 0)
        return -ENOMEM;
    convert_kill(load, raw->kill, &config->kill);
    config->latency.stages = raw->latency && OR(raw->latency->stages, false);
    config->telemetry.enabled = !raw->telemetry || OR(raw->telemetry->enabled, true);
    config->telemetry.report_s = (uint32_t)number(load, config_at("telemetry.report_s"),
                                                  raw->telemetry ? raw->telemetry->report_s : NULL, 0, 86400, 10);
    config_convert_firewall(load, raw->firewall, config);
    return convert_faults(load, raw->faults, config);
}
