/* The arguments of a port's device: socket,iface=NAME[,wait=spin|block][,busy_poll_us=N][,buffer_kb=N]. Contract in
 * config_load.h. */
#include "config/config_load.h"

#include <stdlib.h>
#include <string.h>

#define ARGUMENT_MAX 32u
#define BUFFER_KB_DEFAULT 8192u

/* Digits alone, min ... max; false: a finding was made. */
static bool number(const struct config_load *load, const char *key, const char *name, const char *text, uint32_t min,
                   uint32_t max, uint32_t *ret_number)
{
    const size_t len = strspn(text, "0123456789");
    const unsigned long value = len > 0 && len < 10 ? strtoul(text, NULL, 10) : UINT32_MAX;

    if (len == 0 || text[len] || (len > 1 && text[0] == '0') || value < min || value > max) {
        config_say(load, false, key, "%s=%s: write a number from %u to %u", name, text, min, max);
        return false;
    }
    *ret_number = (uint32_t)value;
    return true;
}

/* Letters that a shell, a path under /sys and the kernel take for a name. */
static bool iface(const struct config_load *load, const char *key, const char *text, struct config_socket *socket)
{
    const size_t len = strlen(text);

    if (len == 0 || len > CONFIG_INTERFACE_MAX || strchr(text, '/') || strcmp(text, ".") == 0 ||
        strcmp(text, "..") == 0) {
        config_say(load, false, key, "iface=%s: an interface has a name of 1 to %u letters, as in iface=eth1", text,
                   CONFIG_INTERFACE_MAX);
        return false;
    }
    memcpy(socket->iface, text, len + 1);
    return true;
}

static bool argument(const struct config_load *load, const char *key, const char *name, const char *value,
                     struct config_socket *socket)
{
    if (strcmp(name, "iface") == 0)
        return iface(load, key, value, socket);
    if (strcmp(name, "busy_poll_us") == 0)
        return number(load, key, name, value, 0, 10000, &socket->busy_poll_us);
    if (strcmp(name, "buffer_kb") == 0)
        return number(load, key, name, value, 64, 1048576, &socket->buffer_kb);
    if (strcmp(name, "wait") == 0 && (strcmp(value, "spin") == 0 || strcmp(value, "block") == 0)) {
        socket->block = value[0] == 'b';
        return true;
    }
    config_say(load, false, key, strcmp(name, "wait") == 0 ? "%s=%s: write wait=spin or wait=block"
                                                           : "%s=%s means nothing to a socket; it takes iface, wait, "
                                                             "busy_poll_us and buffer_kb",
               name, value);
    return false;
}

void config_socket(const struct config_load *load, const char *key, const char *device,
                   struct config_socket *ret_socket)
{
    struct config_socket socket = {.present = true, .buffer_kb = BUFFER_KB_DEFAULT};
    const char *rest = strchr(device, ',');
    bool good = true;

    while (rest && good) {
        char text[ARGUMENT_MAX];
        const size_t len = strcspn(++rest, ",");
        if (len >= sizeof(text)) {
            config_say(load, false, key, "'%.*s...' is too long for an argument of a socket; shorten it",
                       (int)sizeof(text), rest);
            return;
        }
        memcpy(text, rest, len);
        text[len] = '\0';
        char *value = strchr(text, '=');
        if (value)
            *value++ = '\0';
        good = argument(load, key, text, value ? value : "", &socket);
        rest = strchr(rest, ',');
    }
    if (good && !socket.iface[0])
        config_say(load, false, key, "names no interface; write socket,iface=eth1");
    *ret_socket = socket;
}

/* A key of a device would be obeyed by nobody. */
static void check_keys(const struct config_load *load, uint32_t port_idx)
{
    static const char *const keys[] = {"rx_descriptors", "tx_descriptors", "promiscuous", "membership",
                                       "igmp_version", "igmp_refresh_s", "address", "vlan"};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const struct config_at at = config_at("ports[%u].%s", port_idx, keys[i]);
        if (config_lines_find(&load->lines, at.path, NULL) != CONFIG_NODE_NONE)
            config_say(load, false, at.path, "means nothing to a socket; remove it, or use a DPDK device");
    }
}

static bool is_socket(const struct config *config, uint32_t port_idx)
{
    return port_idx < config->port_count && config->port[port_idx].socket.present;
}

void config_socket_check(const struct config_load *load, const struct config *config)
{
    const struct config_orders *orders = &config->orders;

    for (uint32_t i = 0; i < config->port_count; i++)
        if (config->port[i].socket.present)
            check_keys(load, i);
    for (uint32_t i = 0; i < config->feed_count; i++) {
        const struct config_retransmission *retransmission = &config->feed[i].retransmission;
        if (retransmission->present && retransmission->transport == CONFIG_TRANSPORT_PORT &&
            is_socket(config, retransmission->port_idx))
            config_say(load, false, config_at("feeds[%u].retransmission.transport", i).path,
                       "port: '%s' is a socket and sends nothing; write transport: kernel",
                       config->port[retransmission->port_idx].name);
    }
    if (orders->present && orders->carrier != CONFIG_CARRIER_KERNEL && is_socket(config, orders->port_idx))
        config_say(load, false, "orders.port",
                   "'%s' is a socket, which receives only; write carrier: kernel, or name a DPDK port",
                   config->port[orders->port_idx].name);
    if (orders->present && orders->has_control_port && is_socket(config, orders->control_port_idx))
        config_say(load, false, "orders.control_port", "'%s' is a socket, which receives only; name a DPDK port",
                   config->port[orders->control_port_idx].name);
}
