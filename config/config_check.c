/* What only several keys together can tell: names and CPUs used twice, roles against the mode, who polls which port.
 * Works on values that config_convert found good; CONFIG_IDX_NONE and zeros stand for those it did not. See
 * config_load.h. */
#include "config/config_load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* `first_name`: the name of the first of `count` structs, `stride` bytes apart. */
static void check_names(const struct config_load *load, const char *list, const char *first_name, size_t stride,
                        uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t j = 0; j < i; j++) {
            const char *name = first_name + i * stride;
            if (name[0] && strcmp(name, first_name + j * stride) == 0) {
                config_say(load, false, config_at("%s[%u].name", list, i).path,
                           "'%s' is the name of %s[%u] already; choose another", name, list, j);
                break;
            }
        }
}

#define CHECK_NAMES(load, list, array, count) check_names(load, list, (array)[0].name, sizeof((array)[0]), count)

static void check_lcores(const struct config_load *load, const struct config *config)
{
    const bool listed = config_lines_key(&load->lines, 0, "lcores") != CONFIG_NODE_NONE;
    uint32_t role_count[2] = {0};

    CHECK_NAMES(load, "lcores", config->lcore, config->lcore_count);
    for (uint32_t i = 0; i < config->lcore_count; i++) {
        role_count[config->lcore[i].role]++;
        for (uint32_t j = 0; j < i; j++)
            if (config->lcore[i].cpu != UINT32_MAX && config->lcore[i].cpu == config->lcore[j].cpu) {
                config_say(load, false, config_at("lcores[%u].cpu", i).path,
                           "CPU %u is already that of lcore '%s'; give each lcore a CPU of its own",
                           config->lcore[i].cpu, config->lcore[j].name);
                break;
            }
    }
    if (config->lcore_count == 0)
        config_say(load, false, "lcores",
                   listed ? "the list is empty; add an lcore of role rx"
                          : "is missing; list at least one lcore of role rx");
    else if (config->gateway.mode == CONFIG_INLINE && (role_count[CONFIG_RX] != 1 || role_count[CONFIG_STRATEGY] != 0))
        config_say(load, false, "lcores",
                   "mode inline runs on exactly one lcore, of role rx, but here are %u of role rx and %u "
                   "of role strategy; list one, or set gateway.mode: two-core",
                   role_count[CONFIG_RX], role_count[CONFIG_STRATEGY]);
    else if (config->gateway.mode == CONFIG_TWO_CORE &&
             (role_count[CONFIG_RX] == 0 || role_count[CONFIG_STRATEGY] == 0))
        config_say(load, false, "lcores",
                   "mode two-core needs an lcore of role %s; add one, or set gateway.mode: inline",
                   role_count[CONFIG_RX] == 0 ? "rx" : "strategy");
}

static bool session_on_port(const struct config_orders *orders, uint32_t port_idx)
{
    return orders->present && orders->carrier != CONFIG_CARRIER_KERNEL &&
           (orders->port_idx == port_idx || orders->port_idx == CONFIG_IDX_NONE ||
            (orders->has_control_port &&
             (orders->control_port_idx == port_idx || orders->control_port_idx == CONFIG_IDX_NONE)));
}

/* The guard is the interface's: of the ports on one, one may say what it is. */
static void check_guard(const struct config_load *load, const struct config *config, uint32_t port_idx)
{
    const struct config_port *port = &config->port[port_idx];
    const struct config_at at = config_at("ports[%u].xdp_guard", port_idx);
    char interface[CONFIG_INTERFACE_MAX + 1], other[CONFIG_INTERFACE_MAX + 1];

    if (!port->guard.given)
        return;
    if (!config_device_is(port->device, "net_af_xdp")) {
        config_say(load, false, at.path, "means something to net_af_xdp only, but the device is '%.64s'; remove it",
                   port->device);
        return;
    }
    if (strstr(port->device, ",xdp_prog="))
        config_say(load, false, at.path,
                   "and the device's xdp_prog are two programs for one interface; remove one of them");
    for (uint32_t i = 0; i < port_idx; i++)
        if (config->port[i].guard.given && config_device_interface(port->device, interface) &&
            config_device_interface(config->port[i].device, other) && strcmp(interface, other) == 0)
            config_say(load, false, at.path,
                       "interface '%s' has its guard in ports[%u] already; write it once for all its ports", interface,
                       i);
}

/* Where the device itself says how many queues there are, all are polled: what comes on another would be lost. */
static void check_queues(const struct config_load *load, const struct config_port *port, uint32_t port_idx)
{
    const char *key = config_device_is(port->device, "net_af_packet") ? "qpairs" : "queue_count";
    char text[8];

    if (!config_device_is(port->device, "net_af_packet") && !config_device_is(port->device, "net_af_xdp"))
        return;
    const bool said = config_device_argument(port->device, key, text, sizeof(text));
    const unsigned long device_count = said ? strtoul(text, NULL, 10) : 1;
    if (device_count != port->rx_queues)
        config_say(load, false, config_at("ports[%u].rx_queues", port_idx).path,
                   "is %u, but the device has %lu (%s): frames on a queue that nobody polls are lost; write the same "
                   "number twice, or leave rx_queues out",
                   port->rx_queues, device_count, key);
}

static void check_ports(const struct config_load *load, const struct config *config)
{
    if (config->port_count == 0)
        config_say(load, false, "ports", "at least one port is needed; list a port with its device");
    CHECK_NAMES(load, "ports", config->port, config->port_count);
    for (uint32_t i = 0; i < config->port_count; i++) {
        const char *device = config->port[i].device;
        check_guard(load, config, i);
        check_queues(load, &config->port[i], i);
        bool used = session_on_port(&config->orders, i);
        /* net_ring and its like may be made as often as wanted; an address or an interface is there once */
        for (uint32_t j = 0; j < i; j++)
            if (device[0] && strcmp(device, config->port[j].device) == 0 &&
                (strncmp(device, "net_", 4) != 0 || strchr(device, ','))) {
                config_say(load, false, config_at("ports[%u].device", i).path,
                           "is the device of port '%s' already; use one port for "
                           "both",
                           config->port[j].name);
                break;
            }
        /* which rx lcore polls it: one only, since a receive queue has one owner */
        uint32_t owner = CONFIG_IDX_NONE;
        for (uint32_t f = 0; f < config->feed_count; f++)
            for (uint32_t l = 0; l < config->feed[f].line_count; l++) {
                const uint32_t port = config->feed[f].line_list[l].port_idx;
                const uint32_t lcore = config->feed[f].lcore_idx;
                used = used || port == i || port == CONFIG_IDX_NONE;
                if (port != i || lcore == CONFIG_IDX_NONE)
                    continue;
                if (owner != CONFIG_IDX_NONE && owner != lcore)
                    config_say(load, false, config_at("feeds[%u].lines[%u].port", f, l).path,
                               "port '%s' is already polled by lcore "
                               "'%s'; use another port, or put the feed on that lcore",
                               config->port[i].name, config->lcore[owner].name);
                else
                    owner = lcore;
            }
        if (!used)
            config_say(load, true, config_at("ports[%u]", i).path,
                       "no line and no order session uses port '%s'; remove it, or name it "
                       "in a line",
                       config->port[i].name);
    }
}

/* Frames are told apart by group and UDP port alone, in a replay too, where all lines arrive on one port. */
static void check_group(const struct config_load *load, const struct config *config, uint32_t f, uint32_t l)
{
    const struct config_line *line = &config->feed[f].line_list[l];

    if (line->group == 0 || line->udp_port == 0)
        return;
    for (uint32_t i = 0; i <= f; i++)
        for (uint32_t j = 0; j < (i == f ? l : config->feed[i].line_count); j++) {
            const struct config_line *other = &config->feed[i].line_list[j];
            if (other->group != line->group || other->udp_port != line->udp_port)
                continue;
            config_say(load, false, config_at("feeds[%u].lines[%u].group", f, l).path,
                       "%u.%u.%u.%u:%u is received for line '%s' of feed "
                       "'%s' already; write the group and udp_port of this line",
                       line->group >> 24, line->group >> 16 & 0xff, line->group >> 8 & 0xff, line->group & 0xff,
                       line->udp_port, other->name, config->feed[i].name);
            return;
        }
}

/* A wait that doubles ends at `longest`, which therefore is not shorter than the first one. */
static void check_longest(const struct config_load *load, struct config_at at, uint32_t longest, const char *first_key,
                          uint32_t first)
{
    if (longest < first)
        config_say(load, false, at.path, "%u is less than %s %u; write at least as much", longest, first_key, first);
}

static void check_servers(const struct config_load *load, struct config_at at, const struct config_server *server,
                          uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t j = 0; j < i; j++)
            if (server[i].ip != 0 && server[i].ip == server[j].ip && server[i].port == server[j].port) {
                config_say(load, false, config_at("%s[%u]", at.path, i).path,
                           "is the same as servers[%u]; write another, or remove one", j);
                break;
            }
}

static void check_retransmission(const struct config_load *load, const struct config *config, uint32_t f)
{
    const struct config_feed *feed = &config->feed[f];
    const struct config_retransmission *retransmission = &feed->retransmission;
    const struct config_at at = config_at("feeds[%u].retransmission", f);

    if (!retransmission->present)
        return;
    check_servers(load, config_at("%s.servers", at.path), retransmission->server_list, retransmission->server_count);
    check_longest(load, config_at("%s.timeout_max_us", at.path), retransmission->timeout_max_us, "timeout_us",
                  retransmission->timeout_us);
    if (retransmission->gap_max > feed->hold_messages)
        config_say(load, false, config_at("%s.gap_max", at.path).path,
                   "%u is more than hold_messages %u, so what follows could not be kept meanwhile; lower one or raise "
                   "the other",
                   retransmission->gap_max, feed->hold_messages);
    /* Answers are told apart by the address that they come to. */
    for (uint32_t i = 0; i < f; i++) {
        const struct config_retransmission *other = &config->feed[i].retransmission;
        if (retransmission->local_port != 0 && retransmission->local_port == other->local_port &&
            retransmission->transport == other->transport &&
            (retransmission->local_ip == other->local_ip || retransmission->local_ip == 0 || other->local_ip == 0)) {
            config_say(load, false, config_at("%s.local_port", at.path).path,
                       "%u is that of feed '%s' already; write another", retransmission->local_port,
                       config->feed[i].name);
            break;
        }
    }
    if (retransmission->transport != CONFIG_TRANSPORT_PORT || retransmission->port_idx == CONFIG_IDX_NONE)
        return;
    bool received = false;
    for (uint32_t l = 0; l < feed->line_count; l++)
        received = received || feed->line_list[l].port_idx == retransmission->port_idx;
    if (!received)
        config_say(load, false, config_at("%s.port", at.path).path,
                   "no line of feed '%s' is on port '%s', so no answer would be seen; name the port of one of its "
                   "lines",
                   feed->name, config->port[retransmission->port_idx].name);
}

static void check_snapshot(const struct config_load *load, const struct config_feed *feed, uint32_t f)
{
    const struct config_snapshot *snapshot = &feed->snapshot;
    const struct config_at at = config_at("feeds[%u].snapshot", f);

    if (!snapshot->present) {
        if (feed->join == CONFIG_JOIN_SNAPSHOT)
            config_say(load, false, config_at("feeds[%u].join", f).path,
                       "there is no server to take a snapshot from; add the section snapshot, or join otherwise");
        return;
    }
    check_servers(load, config_at("%s.servers", at.path), snapshot->server_list, snapshot->server_count);
    check_longest(load, config_at("%s.retry_max_ms", at.path), snapshot->retry_max_ms, "retry_ms", snapshot->retry_ms);
}

/* Without a list a strategy wants every instrument, of every feed. */
static void check_books(const struct config_load *load, const struct config *config, uint32_t f)
{
    const struct config_feed *feed = &config->feed[f];
    const struct config_at at = config_at("feeds[%u].books", f);
    bool listed = false; /* what is listed wrongly has its own sentence */

    if (feed->books == CONFIG_BOOKS_ALL)
        return;
    for (uint32_t i = 0; i < config->strategy_count; i++) {
        const struct config_strategy *strategy = &config->strategy[i];
        listed = listed || strategy->feed_idx == f || strategy->feed_idx == CONFIG_IDX_NONE;
        if (config_lines_find(&load->lines, config_at("strategies[%u].symbols[0]", i).path, NULL) != CONFIG_NODE_NONE)
            continue;
        config_say(load, false, at.path,
                   "traded leaves feed '%s' without books that strategy '%s' (line %u) needs: it lists no symbols and "
                   "so wants every instrument; list them, or write books: all",
                   feed->name, strategy->name, strategy->line);
        return;
    }
    if (!listed)
        config_say(load, false, at.path,
                   "traded leaves feed '%s' without any book, since no strategy lists symbols of it; list some, or "
                   "write books: all",
                   feed->name);
}

static void check_feeds(const struct config_load *load, const struct config *config)
{
    if (config->feed_count == 0)
        config_say(load, false, "feeds", "at least one feed is needed; list a feed with its lines");
    CHECK_NAMES(load, "feeds", config->feed, config->feed_count);
    for (uint32_t f = 0; f < config->feed_count; f++) {
        const struct config_feed *feed = &config->feed[f];
        if (feed->lcore_idx != CONFIG_IDX_NONE && config->lcore[feed->lcore_idx].role != CONFIG_RX)
            config_say(load, false, config_at("feeds[%u].lcore", f).path,
                       "lcore '%s' has role strategy; a feed needs an lcore of role rx",
                       config->lcore[feed->lcore_idx].name);
        if (feed->line_count > 0)
            CHECK_NAMES(load, config_at("feeds[%u].lines", f).path, feed->line_list, feed->line_count);
        for (uint32_t l = 0; l < feed->line_count; l++)
            check_group(load, config, f, l);
        check_retransmission(load, config, f);
        check_snapshot(load, feed, f);
        check_books(load, config, f);
        if (feed->line_count == 1 && !feed->retransmission.present && !feed->snapshot.present)
            config_say(load, true, config_at("feeds[%u].lines", f).path,
                       "feed '%s' has one line, so a lost packet stays lost; add its "
                       "second line",
                       feed->name);
    }
    for (uint32_t i = 0; i < config->lcore_count; i++) {
        bool used = config->lcore[i].role != CONFIG_RX || config->feed_count == 0;
        for (uint32_t f = 0; f < config->feed_count; f++)
            used = used || config->feed[f].lcore_idx == i || config->feed[f].lcore_idx == CONFIG_IDX_NONE;
        if (!used)
            config_say(load, true, config_at("lcores[%u]", i).path,
                       "no feed is on rx lcore '%s'; remove it, or move a feed there", config->lcore[i].name);
    }
}

static void check_strategies(const struct config_load *load, const struct config *config)
{
    const enum config_role role = config->gateway.mode == CONFIG_INLINE ? CONFIG_RX : CONFIG_STRATEGY;

    CHECK_NAMES(load, "strategies", config->strategy, config->strategy_count);
    for (uint32_t i = 0; i < config->strategy_count; i++) {
        const uint32_t lcore = config->strategy[i].lcore_idx;
        if (strcmp(config->strategy[i].name, "gateway") == 0)
            config_say(load, false, config_at("strategies[%u].name", i).path,
                       "'gateway' is what the limits of all strategies together are called; choose another");
        if (lcore != CONFIG_IDX_NONE && config->lcore[lcore].role != role)
            config_say(load, false, config_at("strategies[%u].lcore", i).path,
                       "lcore '%s' has role %s; in mode %s a strategy needs an "
                       "lcore of role %s",
                       config->lcore[lcore].name, role == CONFIG_RX ? "strategy" : "rx",
                       role == CONFIG_RX ? "inline" : "two-core", role == CONFIG_RX ? "rx" : "strategy");
    }
    for (uint32_t i = 0; i < config->lcore_count; i++) {
        bool used = config->lcore[i].role != CONFIG_STRATEGY;
        for (uint32_t s = 0; s < config->strategy_count; s++)
            used = used || config->strategy[s].lcore_idx == i || config->strategy[s].lcore_idx == CONFIG_IDX_NONE;
        if (!used)
            config_say(load, true, config_at("lcores[%u]", i).path,
                       "no strategy is on lcore '%s'; remove it, or put a strategy there", config->lcore[i].name);
    }
    if (config->strategy_count > 0 && config_lines_key(&load->lines, 0, "orders") == CONFIG_NODE_NONE)
        config_say(load, true, "orders",
                   "is missing, so the strategies run but no order can be sent; add the order session, or "
                   "ignore this where only watching is wanted");
}

/* A key that the carrier has no use for would be obeyed by nobody. */
static void check_carrier_keys(const struct config_load *load, enum config_carrier carrier)
{
    enum { UDP = 1u << CONFIG_CARRIER_UDP, TCP = 1u << CONFIG_CARRIER_TCP, KERNEL = 1u << CONFIG_CARRIER_KERNEL };
    static const char *const names[] = {
        [UDP] = "udp", [TCP] = "tcp", [KERNEL] = "kernel", [UDP | TCP] = "udp or tcp", [TCP | KERNEL] = "tcp or kernel",
    };
    static const struct {
        const char *key;
        unsigned carriers;
    } rows[] = {
        {"lcore", TCP | KERNEL},
        {"port", UDP | TCP},
        {"control_port", TCP},
        {"local_mac", UDP | TCP},
        {"peer_mac", UDP},
        {"prefix_len", TCP},
        {"gateway_ip", TCP},
        {"username", TCP | KERNEL},
        {"password", TCP | KERNEL},
        {"session", TCP | KERNEL},
        {"heartbeat_ms", TCP | KERNEL},
        {"timeout_ms", TCP | KERNEL},
        {"login_timeout_ms", TCP | KERNEL},
        {"retry_ms", TCP | KERNEL},
        {"retry_max_ms", TCP | KERNEL},
        {"slow_path", TCP},
        {"cancel_on_disconnect", TCP | KERNEL},
        {"probe_ms", TCP},
        {"answer_timeout_ms", TCP | KERNEL},
        {"refs_file", TCP | KERNEL},
        {"refs_headroom", TCP | KERNEL},
        {"refs_leap_max", TCP | KERNEL},
    };
    const uint32_t section = config_lines_key(&load->lines, 0, "orders");

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if ((rows[i].carriers & 1u << carrier) == 0 &&
            config_lines_key(&load->lines, section, rows[i].key) != CONFIG_NODE_NONE)
            config_say(load, false, config_at("orders.%s", rows[i].key).path,
                       "means nothing to carrier %s; remove it, or set carrier: %s", names[1u << carrier],
                       names[rows[i].carriers]);
}

/* A session has one owner: nobody else may send on its connection. */
static void check_session_lcore(const struct config_load *load, const struct config *config)
{
    const bool two_core = config->gateway.mode == CONFIG_TWO_CORE;
    const uint32_t owner = config->orders.lcore_idx;

    if (owner == CONFIG_IDX_NONE)
        return;
    if (config->lcore[owner].role != (two_core ? CONFIG_STRATEGY : CONFIG_RX)) {
        config_say(load, false, "orders.lcore",
                   "lcore '%s' has role %s; in mode %s the order session needs an lcore of role %s",
                   config->lcore[owner].name, two_core ? "rx" : "strategy", two_core ? "two-core" : "inline",
                   two_core ? "strategy" : "rx");
        return;
    }
    for (uint32_t i = 0; i < config->strategy_count; i++)
        if (config->strategy[i].lcore_idx != owner && config->strategy[i].lcore_idx != CONFIG_IDX_NONE)
            config_say(load, false, config_at("strategies[%u].lcore", i).path,
                       "strategy '%s' could not send from lcore '%s': one session belongs to one lcore, here '%s'; "
                       "move it there",
                       config->strategy[i].name, config->lcore[config->strategy[i].lcore_idx].name,
                       config->lcore[owner].name);
}

/* Twice the slots of the send log (ring/send_log.h), which names bytes of frames. */
#define SESSION_FRAMES_MIN 128u

/* All that its port receives goes to the session's TCP, so no feed may wait for frames there. A feed sends its requests
 * from a port that it has a line on: that needs no look of its own. */
static void check_session_port(const struct config_load *load, const struct config *config, const char *key,
                               uint32_t port_idx)
{
    for (uint32_t f = 0; f < config->feed_count; f++)
        for (uint32_t l = 0; l < config->feed[f].line_count; l++)
            if (config->feed[f].line_list[l].port_idx == port_idx && port_idx != CONFIG_IDX_NONE) {
                config_say(load, false, key,
                           "port '%s' carries line '%s' of feed '%s', but what it receives belongs to the order "
                           "session's TCP; name a port without lines",
                           config->port[port_idx].name, config->feed[f].line_list[l].name, config->feed[f].name);
                return;
            }
}

static void check_session_tcp(const struct config_load *load, const struct config *config)
{
    const struct config_orders *orders = &config->orders;
    const uint32_t mask = UINT32_MAX << (32 - orders->prefix_len);

    check_session_port(load, config, "orders.port", orders->port_idx);
    if (orders->frames < SESSION_FRAMES_MIN)
        config_say(load, false, "orders.frames",
                   "is %u, but carrier tcp needs at least %u: what was sent stays in its frame until the control "
                   "thread has seen it", orders->frames, SESSION_FRAMES_MIN);
    if (orders->has_control_port && orders->control_port_idx != CONFIG_IDX_NONE) {
        if (orders->control_port_idx == orders->port_idx)
            config_say(load, false, "orders.control_port",
                       "is the same as port; name a second port of its interface, or remove it");
        else
            check_session_port(load, config, "orders.control_port", orders->control_port_idx);
    }
    if (orders->local_ip == 0)
        return;
    if (orders->gateway_ip != 0 && orders->gateway_ip == orders->local_ip)
        config_say(load, false, "orders.gateway_ip", "is the same as local_ip; write the router's address");
    else if (orders->gateway_ip != 0 && ((orders->gateway_ip ^ orders->local_ip) & mask) != 0)
        config_say(load, false, "orders.gateway_ip",
                   "is outside the network of local_ip/%u; write the router's address inside, or the network's "
                   "prefix_len",
                   orders->prefix_len);
    if (orders->peer_ip != 0 && ((orders->peer_ip ^ orders->local_ip) & mask) != 0 &&
        config_lines_find(&load->lines, "orders.gateway_ip", NULL) == CONFIG_NODE_NONE)
        config_say(load, false, "orders.peer_ip",
                   "is outside the network of local_ip/%u; write gateway_ip, the router that leads there, or the "
                   "network's prefix_len",
                   orders->prefix_len);
}

static void check_session(const struct config_load *load, const struct config *config)
{
    static const uint8_t none[6];
    const struct config_orders *orders = &config->orders;

    check_carrier_keys(load, orders->carrier);
    /* the kernel reaches a venue on this host too */
    if (orders->carrier != CONFIG_CARRIER_KERNEL && orders->local_ip != 0 && orders->local_ip == orders->peer_ip)
        config_say(load, false, "orders.peer_ip", "is the same as local_ip; write the address of the exchange's host");
    if (orders->carrier == CONFIG_CARRIER_UDP) {
        if (memcmp(orders->peer_mac, none, sizeof(none)) != 0 &&
            memcmp(orders->peer_mac, orders->local_mac, sizeof(none)) == 0)
            config_say(load, false, "orders.peer_mac",
                       "is the same as local_mac; write the address of the next hop, exchange or router");
        return;
    }
    check_session_lcore(load, config);
    if (orders->carrier == CONFIG_CARRIER_TCP)
        check_session_tcp(load, config);
    if (orders->timeout_ms <= orders->heartbeat_ms)
        config_say(load, false, "orders.timeout_ms", "%u is not more than heartbeat_ms %u; write more",
                   orders->timeout_ms, orders->heartbeat_ms);
    check_longest(load, config_at("orders.retry_max_ms"), orders->retry_max_ms, "retry_ms", orders->retry_ms);
    if (config_lines_find(&load->lines, "orders.cancel_on_disconnect", NULL) == CONFIG_NODE_NONE)
        config_say(load, true, "orders.cancel_on_disconnect",
                   "is missing, so open orders are taken to outlive a broken connection; write what the venue does "
                   "for this session, true or false");
}

static void check_orders(const struct config_load *load, const struct config *config)
{
    const struct config_orders *orders = &config->orders;

    if (!orders->present)
        return;
    check_session(load, config);
    if (config->strategy_count == 0)
        config_say(load, true, "orders",
                   "there is no strategy that could send; add one under strategies, or remove orders");
    else if (config_lines_key(&load->lines, 0, "risk") == CONFIG_NODE_NONE)
        config_say(load, true, "risk", "is missing, so the small default limits apply; write the limits that you want");
    config_risk_check(load, config);
}

static void check_faults(const struct config_load *load, const struct config *config)
{
    for (uint32_t i = 0; i < config->fault_count; i++) {
        const struct config_fault *fault = &config->fault_list[i];
        const struct config_at every_at = config_at("faults.lines[%u].stall_every_ms", i);
        const struct config_at stall_at = config_at("faults.lines[%u].stall_ms", i);
        const bool every = config_lines_find(&load->lines, every_at.path, NULL) != CONFIG_NODE_NONE;
        const bool stall = config_lines_find(&load->lines, stall_at.path, NULL) != CONFIG_NODE_NONE;
        if (every != stall)
            config_say(load, false, every ? every_at.path : stall_at.path,
                       "does nothing without %s; give both or neither", every ? "stall_ms" : "stall_every_ms");
        for (uint32_t j = 0; j < i && fault->line_idx != CONFIG_IDX_NONE; j++)
            if (fault->feed_idx == config->fault_list[j].feed_idx &&
                fault->line_idx == config->fault_list[j].line_idx) {
                config_say(load, false, config_at("faults.lines[%u].line", i).path,
                           "line '%s' of feed '%s' has its faults in faults.lines[%u] already; make one entry of them",
                           config->feed[fault->feed_idx].line_list[fault->line_idx].name,
                           config->feed[fault->feed_idx].name, j);
                break;
            }
    }
    if (config->fault_count > 0)
        config_say(load, true, "faults",
                   "are put into replays only, a live gateway ignores them; remove them from its config");
}

void config_check(const struct config_load *load, const struct config *config)
{
    check_lcores(load, config);
    check_ports(load, config);
    config_socket_check(load, config);
    config_membership_check(load, config);
    check_feeds(load, config);
    check_strategies(load, config);
    check_orders(load, config);
    check_faults(load, config);
}
