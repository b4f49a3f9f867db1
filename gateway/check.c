/* `tickgate check CONFIG`: is it right, and what does it mean? Reads the file and this host's CPUs, NUMA nodes and
 * folders, loads plug-ins; starts nothing and touches no hardware. Also check_strategies, which `run` and `replay` call
 * before they build anything. Main thread. */
#include "gateway/check.h"

#include "feed/channel.h"
#include "gateway/cmd.h"
#include "gateway/json.h"
#include "gateway/params.h"
#include "gateway/plugin.h"
#include "gateway/reference_file.h"
#include "gateway/strategy/strategy_table.h"
#include "ring/check.h"
#include "ring/md_ring.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* The line of the parameter that the strategy's sentence is about, else the strategy's. The longest name wins, since
 * one may be part of another. */
static uint32_t param_line(const struct config_strategy *strategy, const char *sentence)
{
    uint32_t line = strategy->line;
    size_t longest = 0;

    for (uint32_t i = 0; i < strategy->param_count; i++) {
        const size_t len = strlen(strategy->param_list[i].key);
        if (len > longest && strstr(sentence, strategy->param_list[i].key)) {
            longest = len;
            line = strategy->param_list[i].line;
        }
    }
    return line;
}

/* A trial start in memory that is thrown away: the strategy alone knows what it takes. Pages are taken where it writes
 * only; what the host has not got is refused, since the gateway takes all of them. */
static void trial(const struct config *config, uint32_t idx, const struct strategy_ops *ops,
                  struct config_findings *findings)
{
    const struct config_strategy *strategy = &config->strategy[idx];
    const size_t host_bytes = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
    struct params_strategy params;
    char error[STRATEGY_ERROR_MAX] = "";
    char key[48];

    params_strategy(config, idx, &params);
    snprintf(key, sizeof(key), "strategies[%u].params", idx);
    const size_t state_bytes = ops->state_size(&params.setup);
    void *state = state_bytes > 0 && state_bytes <= host_bytes
                      ? mmap(NULL, state_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                      : MAP_FAILED;
    if (state == MAP_FAILED) {
        config_find(findings, false, config->path, strategy->line, key,
                    "no memory for %zu bytes of state; trade fewer instruments", state_bytes);
        return;
    }
    if (ops->init(state, &params.setup, error) != 0)
        config_find(findings, false, config->path, param_line(strategy, error), key, "%s",
                    error[0] ? error : "the strategy does not start with these; see config/example.yaml");
    munmap(state, state_bytes);
}

int check_strategies(const struct config *config, struct config_findings *findings)
{
    const uint32_t errors_before = findings->error_count;

    for (uint32_t i = 0; i < config->strategy_count; i++) {
        const struct config_strategy *strategy = &config->strategy[i];
        const struct strategy_ops *ops;
        char error[PLUGIN_ERROR_MAX];
        char key[48];

        if (plugin_strategy(strategy, &ops, error) == 0) {
            trial(config, i, ops, findings);
            continue;
        }
        snprintf(key, sizeof(key), "strategies[%u].%s", i, strategy->plugin ? "plugin" : "kind");
        config_find(findings, false, config->path, strategy->line, key, "%s", error);
    }
    return findings->error_count > errors_before ? -EINVAL : 0;
}

/* Bytes of books and arbitration of one feed; 0: it would not start. */
static size_t feed_bytes(const struct config *config, uint32_t idx)
{
    static const uint64_t some = 0;
    struct channel_params params = params_channel(config, idx, true);

    if (config->feed[idx].books == CONFIG_BOOKS_TRADED)
        params.traded = &some;
    return channel_footprint(&params);
}

static uint32_t traded_count(const struct config *config, uint32_t idx)
{
    static uint64_t symbols[PARAMS_TRADED_MAX];

    return params_traded(config, idx, NULL, symbols);
}

static void address_text(uint32_t address, char ret_text[16])
{
    snprintf(ret_text, 16, "%u.%u.%u.%u", address >> 24, address >> 16 & 0xff, address >> 8 & 0xff, address & 0xff);
}

static void mac_text(const uint8_t mac[6], char ret_text[18])
{
    snprintf(ret_text, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static void instant_text(uint64_t ns, char ret_text[32])
{
    const time_t at = (time_t)(ns / 1000000000u);
    struct tm utc;

    if (!gmtime_r(&at, &utc) || strftime(ret_text, 32, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
        snprintf(ret_text, 32, "?");
}

static const char *mode_text(const struct config *config)
{
    return config->gateway.mode == CONFIG_INLINE ? "inline" : "two-core";
}

static const char *memory_text(const struct config *config)
{
    static const char *const texts[] = {
        [CONFIG_MEMORY_AUTO] = "auto", [CONFIG_MEMORY_HUGEPAGES] = "hugepages", [CONFIG_MEMORY_NO_HUGE] = "no-huge"};
    return texts[config->gateway.memory];
}

/* An amount in 1/10,000 of the currency. */
static void money_text(uint64_t e4, char ret_text[32])
{
    snprintf(ret_text, 32, "%" PRIu64 ".%02" PRIu64, e4 / 10000, e4 % 10000 / 100);
}

static const char *join_text(const struct config_feed *feed)
{
    static const char *const texts[] = {
        [CONFIG_JOIN_START] = "start", [CONFIG_JOIN_ANYWHERE] = "anywhere", [CONFIG_JOIN_SNAPSHOT] = "snapshot"};
    return texts[feed->join];
}

/* "192.0.2.1:17000 192.0.2.2:17000" */
static void text_servers(const struct config_server *servers, uint32_t server_count, FILE *out)
{
    for (uint32_t i = 0; i < server_count; i++) {
        char address[16];
        address_text(servers[i].ip, address);
        fprintf(out, " %s:%u", address, servers[i].port);
    }
}

static void text_recovery(const struct config_feed *feed, FILE *out)
{
    const struct config_retransmission *retransmission = &feed->retransmission;

    fprintf(out, "  a hole is announced %s; %u messages are kept behind one; silence after %u ms; checksums %s\n",
            feed->stale == CONFIG_STALE_AT_ONCE ? "at once" : "after its reorder window", feed->hold_messages,
            feed->silence_ms, feed->checksum == CONFIG_CHECKSUM_VERIFY ? "verified" : "as the device says");
    if (retransmission->present) {
        fputs("  retransmission from", out);
        text_servers(retransmission->server_list, retransmission->server_count, out);
        fprintf(out, " through the %s: %u messages a request, %u in flight, %u/s (burst %u), time-out %u to %u us, "
                     "%u attempts\n",
                retransmission->transport == CONFIG_TRANSPORT_PORT ? "port" : "kernel",
                retransmission->request_messages, retransmission->in_flight, retransmission->rate_per_s,
                retransmission->rate_burst, retransmission->timeout_us, retransmission->timeout_max_us,
                retransmission->attempts);
    }
    if (feed->snapshot.present) {
        fputs("  snapshots from", out);
        text_servers(feed->snapshot.server_list, feed->snapshot.server_count, out);
        if (retransmission->present)
            fprintf(out, " for holes of more than %u messages", retransmission->gap_max);
        fputc('\n', out);
    }
    if (!retransmission->present && !feed->snapshot.present)
        fputs("  no servers: what every line loses leaves the feed stale until the next session\n", out);
}

static void text_feeds(const struct config *config, FILE *out)
{
    for (uint32_t i = 0; i < config->feed_count; i++) {
        const struct config_feed *feed = &config->feed[i];
        char midnight[32], group[16], source[16];
        instant_text(feed->midnight_ns, midnight);
        fprintf(out,
                "feed %s: itch50 on lcore %s, session %s in %s (midnight %s), join: %s, reorder window %u packets or "
                "%u us\n",
                feed->name, config->lcore[feed->lcore_idx].name, feed->session_date, feed->time_zone, midnight,
                join_text(feed), feed->reorder_packets, feed->reorder_us);
        fprintf(out, "  up to %u instruments, %u orders, %u levels: %zu MiB\n", feed->instruments_max, feed->orders_max,
                feed->levels_max, feed_bytes(config, i) >> 20);
        if (feed->books == CONFIG_BOOKS_TRADED)
            fprintf(out, "  books of the %u instruments that strategies list%s alone\n", traded_count(config, i),
                    config->risk.positions_file ? ", and of what the positions file holds," : "");
        text_recovery(feed, out);
        for (uint32_t j = 0; j < feed->line_count; j++) {
            const struct config_line *line = &feed->line_list[j];
            address_text(line->group, group);
            address_text(line->source, source);
            fprintf(out, "  line %s: %s:%u on port %s from %s\n", line->name, group, line->udp_port,
                    config->port[line->port_idx].name, line->source ? source : "any source");
        }
    }
}

/* NULL: it is built in, or could not be loaded. */
static const struct plugin *plugin_of_strategy(const struct config_strategy *strategy)
{
    const struct strategy_ops *ops;
    char error[PLUGIN_ERROR_MAX];

    return strategy->plugin && plugin_strategy(strategy, &ops, error) == 0 ? plugin_of(ops) : NULL;
}

static void text_strategies(const struct config *config, FILE *out)
{
    for (uint32_t i = 0; i < config->strategy_count; i++) {
        const struct config_strategy *strategy = &config->strategy[i];
        const struct plugin *plugin = plugin_of_strategy(strategy);
        fprintf(out, "strategy %s: %s on lcore %s, feed %s, ", strategy->name,
                plugin ? plugin->ops.name : strategy->kind, config->lcore[strategy->lcore_idx].name,
                config->feed[strategy->feed_idx].name);
        if (strategy->symbol_count == 0)
            fputs("every instrument", out);
        for (uint32_t j = 0; j < strategy->symbol_count && j < 8; j++) {
            char symbol[9];
            md_symbol_text(strategy->symbol_list[j], symbol);
            fprintf(out, "%s%s", j ? " " : "", symbol);
        }
        if (strategy->symbol_count > 8)
            fprintf(out, " and %u more", strategy->symbol_count - 8);
        for (uint32_t j = 0; j < strategy->param_count; j++)
            fprintf(out, "%s%s=%s", j ? " " : "; ", strategy->param_list[j].key, strategy->param_list[j].value);
        fprintf(out, "; after an overrun: %s",
                strategy->on_overrun == CONFIG_OVERRUN_STOP ? "stop-trading" : "resync");
        fputc('\n', out);
        if (plugin)
            fprintf(out, "  plug-in %s, strategy interface %u.%u: %s\n", plugin->path, plugin->ops.abi_major,
                    plugin->ops.abi_minor, plugin->ops.summary);
    }
}

static void text_udp(const struct config *config, FILE *out)
{
    const struct config_orders *orders = &config->orders;
    char local[16], peer[16], mac[18];

    address_text(orders->local_ip, local);
    address_text(orders->peer_ip, peer);
    mac_text(orders->peer_mac, mac);
    fprintf(out, "orders: OUCH in UDP (laboratory carrier) from %s:%u to %s:%u (%s) on port %s, %u frames\n", local,
            orders->local_port, peer, orders->peer_port, mac, config->port[orders->port_idx].name, orders->frames);
}

static void text_session(const struct config *config, FILE *out)
{
    const struct config_orders *orders = &config->orders;
    char local[16] = "any address", peer[16], port[CONFIG_NAME_MAX + 16] = "by the kernel";

    if (orders->local_ip)
        address_text(orders->local_ip, local);
    address_text(orders->peer_ip, peer);
    if (orders->carrier == CONFIG_CARRIER_TCP)
        snprintf(port, sizeof(port), "on port %s", config->port[orders->port_idx].name);
    fprintf(out, "orders: OUCH in SoupBinTCP over TCP from %s to %s:%u %s, sent by lcore %s; user %s, session %s\n",
            local, peer, orders->peer_port, port, config->lcore[orders->lcore_idx].name, orders->username,
            orders->session[0] ? orders->session : "the current one");
    if (orders->carrier == CONFIG_CARRIER_TCP)
        fprintf(out, "  an order that the connection cannot take at once is %s\n",
                orders->slow_path == CONFIG_SLOW_PATH_SEND ? "sent by the control thread" : "refused");
    fprintf(out, "  heartbeats after %u ms, the venue is given up after %u ms; UserRefNum is kept in %s\n",
            orders->heartbeat_ms, orders->timeout_ms, orders->refs_file);
    fprintf(out, "  when the connection breaks the venue %s open orders\n",
            orders->cancel_on_disconnect ? "cancels" : "keeps");
}

static void text_orders(const struct config *config, FILE *out)
{
    const struct config_orders *orders = &config->orders;
    const struct config_risk *risk = &config->risk;
    char notional[32];

    if (!orders->present) {
        fputs("orders: no session, no order can be sent\n", out);
        return;
    }
    if (orders->carrier == CONFIG_CARRIER_UDP)
        text_udp(config, out);
    else
        text_session(config, out);
    money_text(risk->limits.order_notional_max, notional);
    const char *where = orders->carrier == CONFIG_CARRIER_UDP ? "" : "in a replay without --venue sim ";
    if (orders->fills == CONFIG_FILLS_IMMEDIATE)
        fprintf(out, "  %severy order is taken as filled at once: for laboratories\n", where);
    else
        fprintf(out, "  %san order counts as open for %u ms, up to %u at a time\n", where, orders->open_timeout_ms,
                orders->open_orders_max);
    fprintf(out,
            "risk, for each strategy lcore: %sorder up to %u shares and %s, collar %u bps, %u orders/s (burst %u), "
            "position up to %u%s\n",
            risk->kill ? "starts with new orders blocked, " : "", risk->limits.order_qty_max, notional,
            risk->limits.collar_bps, risk->limits.rate_per_s, risk->limits.rate_burst, risk->limits.position_max,
            risk->allow_stale ? ", orders on stale instruments pass" : "");
    if (orders->warm_us > 0)
        fprintf(out, "  while idle the way of an order is walked every %u us\n", orders->warm_us);
    if (config->kill.watchdog_ms > 0)
        fprintf(out, "kill: when an lcore makes no turn for %u ms", config->kill.watchdog_ms);
    else
        fputs("kill: nobody watches whether lcores turn", out);
    fprintf(out, "; what is open is cancelled every %u ms, and after %u ms on a connection of the control thread\n",
            config->kill.repeat_ms, config->kill.confirm_ms);
}

static void text_admin(const struct config_admin *admin, FILE *out)
{
    if (!admin->present)
        return;
    if (admin->socket)
        fprintf(out, "admin: socket %s, mode %04o, for root, the gateway's own user%s%s\n", admin->socket, admin->mode,
                admin->group[0] ? " and group " : "", admin->group);
    fprintf(out, "admin: audit log %s\n", admin->audit_file);
}

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
        address_text(port->ip, address);
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

static void json_text_or_null(struct json *json, const char *key, const char *text)
{
    if (text)
        json_text(json, key, text);
    else
        json_null(json, key);
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
    address_text(port->ip, address);
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

static void text_summary(const struct config *config, FILE *out)
{
    fprintf(out, "gateway %s: %s, memory %s %u MiB, burst %u, ring of %u events (%u KiB)\n", config->gateway.name,
            mode_text(config), memory_text(config), config->gateway.memory_mb, config->gateway.burst,
            config->gateway.ring_slots, config->gateway.ring_slots / (1024 / (uint32_t)CACHE_LINE_BYTES));
    for (uint32_t i = 0; i < config->lcore_count; i++) {
        const char *role = config->lcore[i].role == CONFIG_STRATEGY ? "strategy" : "rx";
        fprintf(out, "lcore %s: CPU %u, %s\n", config->lcore[i].name, config->lcore[i].cpu,
                config->gateway.mode == CONFIG_INLINE ? "rx and strategy" : role);
    }
    for (uint32_t i = 0; i < config->port_count; i++) {
        text_port(&config->port[i], out);
        text_membership(config, i, out);
    }
    text_feeds(config, out);
    text_strategies(config, out);
    text_orders(config, out);
    text_admin(&config->admin, out);
    fprintf(out, "stage stamps %s, telemetry %s, status line ", config->latency.stages ? "on" : "off",
            config->telemetry.enabled ? "on" : "off");
    if (config->telemetry.report_s)
        fprintf(out, "every %u s\n", config->telemetry.report_s);
    else
        fputs("off\n", out);
}

static void json_admin(struct json *json, const struct config_admin *admin)
{
    char mode[8];

    json_open(json, "admin", '{');
    snprintf(mode, sizeof(mode), "%04o", admin->mode);
    json_text_or_null(json, "socket", admin->socket);
    json_text_or_null(json, "mode", admin->socket ? mode : NULL);
    json_text_or_null(json, "group", admin->group[0] ? admin->group : NULL);
    json_text_or_null(json, "audit_file", admin->audit_file);
    json_close(json, '}');
}

static void json_address(struct json *json, const char *key, uint32_t ip)
{
    char text[16];

    address_text(ip, text);
    json_text_or_null(json, key, ip ? text : NULL);
}

static void json_servers(struct json *json, const struct config_server *servers, uint32_t server_count)
{
    json_open(json, "servers", '[');
    for (uint32_t i = 0; i < server_count; i++) {
        char address[16];
        address_text(servers[i].ip, address);
        json_open(json, NULL, '{');
        json_text(json, "address", address);
        json_u64(json, "port", servers[i].port);
        json_close(json, '}');
    }
    json_close(json, ']');
}

/* Passwords are nobody's business. */
static void json_recovery(struct json *json, const struct config_feed *feed)
{
    const struct config_retransmission *retransmission = &feed->retransmission;
    const struct config_snapshot *snapshot = &feed->snapshot;

    if (retransmission->present) {
        json_open(json, "retransmission", '{');
        json_text(json, "transport", retransmission->transport == CONFIG_TRANSPORT_PORT ? "port" : "kernel");
        json_servers(json, retransmission->server_list, retransmission->server_count);
        json_u64(json, "request_messages", retransmission->request_messages);
        json_u64(json, "in_flight", retransmission->in_flight);
        json_u64(json, "rate_per_s", retransmission->rate_per_s);
        json_u64(json, "rate_burst", retransmission->rate_burst);
        json_u64(json, "timeout_us", retransmission->timeout_us);
        json_u64(json, "timeout_max_us", retransmission->timeout_max_us);
        json_u64(json, "attempts", retransmission->attempts);
        json_u64(json, "gap_max", retransmission->gap_max);
        json_close(json, '}');
    } else {
        json_null(json, "retransmission");
    }
    if (snapshot->present) {
        json_open(json, "snapshot", '{');
        json_servers(json, snapshot->server_list, snapshot->server_count);
        json_text(json, "username", snapshot->username);
        json_u64(json, "timeout_ms", snapshot->timeout_ms);
        json_u64(json, "retry_ms", snapshot->retry_ms);
        json_u64(json, "retry_max_ms", snapshot->retry_max_ms);
        json_close(json, '}');
    } else {
        json_null(json, "snapshot");
    }
}

static void json_feeds(struct json *json, const struct config *config)
{
    json_open(json, "feeds", '[');
    for (uint32_t i = 0; i < config->feed_count; i++) {
        const struct config_feed *feed = &config->feed[i];
        json_open(json, NULL, '{');
        json_text(json, "name", feed->name);
        json_text(json, "protocol", "itch50");
        json_text(json, "lcore", config->lcore[feed->lcore_idx].name);
        json_text(json, "session_date", feed->session_date);
        json_text(json, "time_zone", feed->time_zone);
        json_u64(json, "midnight_ns", feed->midnight_ns);
        json_text(json, "join", join_text(feed));
        json_text(json, "books", feed->books == CONFIG_BOOKS_TRADED ? "traded" : "all");
        if (feed->books == CONFIG_BOOKS_TRADED)
            json_u64(json, "traded_instruments", traded_count(config, i));
        json_u64(json, "instruments_max", feed->instruments_max);
        json_u64(json, "orders_max", feed->orders_max);
        json_u64(json, "levels_max", feed->levels_max);
        json_u64(json, "reorder_packets", feed->reorder_packets);
        json_u64(json, "reorder_us", feed->reorder_us);
        json_u64(json, "hold_messages", feed->hold_messages);
        json_text(json, "stale", feed->stale == CONFIG_STALE_AT_ONCE ? "at-once" : "after-window");
        json_u64(json, "silence_ms", feed->silence_ms);
        json_text(json, "checksum", feed->checksum == CONFIG_CHECKSUM_VERIFY ? "verify" : "trust");
        json_recovery(json, feed);
        json_u64(json, "memory_bytes", feed_bytes(config, i));
        json_open(json, "lines", '[');
        for (uint32_t j = 0; j < feed->line_count; j++) {
            const struct config_line *line = &feed->line_list[j];
            char text[16];
            json_open(json, NULL, '{');
            json_text(json, "name", line->name);
            json_text(json, "port", config->port[line->port_idx].name);
            address_text(line->group, text);
            json_text(json, "group", text);
            json_u64(json, "udp_port", line->udp_port);
            json_address(json, "source", line->source);
            json_close(json, '}');
        }
        json_close(json, ']');
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void json_strategies(struct json *json, const struct config *config)
{
    json_open(json, "strategies", '[');
    for (uint32_t i = 0; i < config->strategy_count; i++) {
        const struct config_strategy *strategy = &config->strategy[i];
        json_open(json, NULL, '{');
        json_text(json, "name", strategy->name);
        const struct plugin *plugin = plugin_of_strategy(strategy);
        json_text(json, "kind", plugin ? plugin->ops.name : strategy->kind);
        json_text_or_null(json, "plugin", plugin ? plugin->path : strategy->plugin);
        json_text(json, "lcore", config->lcore[strategy->lcore_idx].name);
        json_text(json, "feed", config->feed[strategy->feed_idx].name);
        json_text(json, "on_overrun", strategy->on_overrun == CONFIG_OVERRUN_STOP ? "stop-trading" : "resync");
        json_open(json, "symbols", '[');
        for (uint32_t j = 0; j < strategy->symbol_count; j++) {
            char symbol[9];
            md_symbol_text(strategy->symbol_list[j], symbol);
            json_text(json, NULL, symbol);
        }
        json_close(json, ']');
        json_open(json, "params", '{');
        for (uint32_t j = 0; j < strategy->param_count; j++)
            json_text(json, strategy->param_list[j].key, strategy->param_list[j].value);
        json_close(json, '}');
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void json_mac(struct json *json, const char *key, const uint8_t mac[6])
{
    char text[18];

    mac_text(mac, text);
    json_text_or_null(json, key, memcmp(mac, (const uint8_t[6]){0}, 6) != 0 ? text : NULL);
}

/* Carriers tcp and kernel. The password is left out here too. */
static void json_session(struct json *json, const struct config_orders *orders)
{
    if (orders->carrier == CONFIG_CARRIER_TCP) {
        json_u64(json, "prefix_len", orders->prefix_len);
        json_address(json, "gateway_ip", orders->gateway_ip);
        json_text(json, "slow_path", orders->slow_path == CONFIG_SLOW_PATH_SEND ? "send" : "refuse");
        json_u64(json, "probe_ms", orders->probe_ms);
    }
    json_text(json, "username", orders->username);
    json_text_or_null(json, "session", orders->session[0] ? orders->session : NULL);
    json_u64(json, "heartbeat_ms", orders->heartbeat_ms);
    json_u64(json, "timeout_ms", orders->timeout_ms);
    json_u64(json, "login_timeout_ms", orders->login_timeout_ms);
    json_u64(json, "retry_ms", orders->retry_ms);
    json_u64(json, "retry_max_ms", orders->retry_max_ms);
    json_bool(json, "cancel_on_disconnect", orders->cancel_on_disconnect);
    json_u64(json, "answer_timeout_ms", orders->answer_timeout_ms);
    json_text(json, "refs_file", orders->refs_file);
    json_u64(json, "refs_headroom", orders->refs_headroom);
    json_u64(json, "refs_leap_max", orders->refs_leap_max);
}

static void json_orders(struct json *json, const struct config *config)
{
    static const char *const carriers[] = {
        [CONFIG_CARRIER_UDP] = "udp", [CONFIG_CARRIER_TCP] = "tcp", [CONFIG_CARRIER_KERNEL] = "kernel"};
    const struct config_orders *orders = &config->orders;
    const struct config_risk *risk = &config->risk;
    const bool udp = orders->carrier == CONFIG_CARRIER_UDP;
    const bool kernel = orders->carrier == CONFIG_CARRIER_KERNEL;

    if (orders->present) {
        json_open(json, "orders", '{');
        json_text(json, "carrier", carriers[orders->carrier]);
        json_text_or_null(json, "lcore", udp ? NULL : config->lcore[orders->lcore_idx].name);
        json_text_or_null(json, "port", kernel ? NULL : config->port[orders->port_idx].name);
        json_text_or_null(json, "control_port",
                          orders->has_control_port ? config->port[orders->control_port_idx].name : NULL);
        json_mac(json, "local_mac", orders->local_mac);
        json_mac(json, "peer_mac", orders->peer_mac);
        json_address(json, "local_ip", orders->local_ip);
        json_address(json, "peer_ip", orders->peer_ip);
        json_u64(json, "local_port", orders->local_port);
        json_u64(json, "peer_port", orders->peer_port);
        if (!udp)
            json_session(json, orders);
        json_text(json, "fills", orders->fills == CONFIG_FILLS_IMMEDIATE ? "immediate" : "none");
        json_u64(json, "open_timeout_ms", orders->open_timeout_ms);
        json_u64(json, "frames", orders->frames);
        json_u64(json, "warm_us", orders->warm_us);
        json_u64(json, "open_orders_max", orders->open_orders_max);
        json_open(json, "sim", '{');
        json_u64(json, "order_us", orders->sim.order_us);
        json_u64(json, "answer_us", orders->sim.answer_us);
        json_close(json, '}');
        json_close(json, '}');
    } else {
        json_null(json, "orders");
    }
    json_open(json, "risk", '{');
    json_bool(json, "kill", risk->kill);
    json_u64(json, "order_qty_max", risk->limits.order_qty_max);
    json_u64(json, "order_notional_max", risk->limits.order_notional_max);
    json_u64(json, "collar_bps", risk->limits.collar_bps);
    json_u64(json, "rate_per_s", risk->limits.rate_per_s);
    json_u64(json, "rate_burst", risk->limits.rate_burst);
    json_u64(json, "position_max", risk->limits.position_max);
    json_bool(json, "allow_stale", risk->allow_stale);
    json_close(json, '}');
    json_open(json, "kill", '{');
    json_u64(json, "watchdog_ms", config->kill.watchdog_ms);
    json_u64(json, "repeat_ms", config->kill.repeat_ms);
    json_u64(json, "confirm_ms", config->kill.confirm_ms);
    json_close(json, '}');
}

static void json_summary(struct json *json, const struct config *config)
{
    json_open(json, "gateway", '{');
    json_text(json, "name", config->gateway.name);
    json_text(json, "mode", mode_text(config));
    json_text(json, "memory", memory_text(config));
    json_u64(json, "memory_mb", config->gateway.memory_mb);
    json_u64(json, "burst", config->gateway.burst);
    json_u64(json, "ring_slots", config->gateway.ring_slots);
    json_bool(json, "numa_strict", config->gateway.numa_strict);
    json_u64(json, "control_sleep_us", config->gateway.control_sleep_us);
    json_close(json, '}');
    json_open(json, "lcores", '[');
    for (uint32_t i = 0; i < config->lcore_count; i++) {
        json_open(json, NULL, '{');
        json_text(json, "name", config->lcore[i].name);
        json_text(json, "role", config->lcore[i].role == CONFIG_RX ? "rx" : "strategy");
        json_u64(json, "cpu", config->lcore[i].cpu);
        json_close(json, '}');
    }
    json_close(json, ']');
    json_open(json, "ports", '[');
    for (uint32_t i = 0; i < config->port_count; i++)
        json_port(json, &config->port[i]);
    json_close(json, ']');
    json_feeds(json, config);
    json_strategies(json, config);
    json_orders(json, config);
    json_admin(json, &config->admin);
    json_open(json, "latency", '{');
    json_bool(json, "stages", config->latency.stages);
    json_close(json, '}');
    json_open(json, "telemetry", '{');
    json_bool(json, "enabled", config->telemetry.enabled);
    json_u64(json, "report_s", config->telemetry.report_s);
    json_close(json, '}');
}

static void print_json(const char *path, const struct config *config, const struct config_findings *findings, FILE *out)
{
    struct json json;

    json_init(&json, out);
    json_open(&json, NULL, '{');
    json_text(&json, "config", path);
    json_bool(&json, "good", findings->error_count == 0);
    json_u64(&json, "error_count", findings->error_count);
    json_u64(&json, "warning_count", findings->warning_count);
    json_open(&json, "findings", '[');
    for (uint32_t i = 0; i < findings->count; i++) {
        json_open(&json, NULL, '{');
        json_text(&json, "severity", findings->finding[i].warning ? "warning" : "error");
        json_text(&json, "text", findings->finding[i].text);
        json_close(&json, '}');
    }
    json_close(&json, ']');
    if (config)
        json_summary(&json, config);
    json_close(&json, '}');
}

static void print_text(const char *path, const struct config *config, const struct config_findings *findings)
{
    for (uint32_t i = 0; i < findings->count; i++)
        fprintf(stderr, "%s\n", findings->finding[i].text);
    const uint32_t unseen = findings->error_count + findings->warning_count - findings->count;
    if (unseen > 0)
        fprintf(stderr, "%s: and %u more\n", path, unseen);
    if (config && findings->error_count == 0)
        text_summary(config, stdout);
    /* the verdict last, where the eye is; on stderr when it is bad */
    fprintf(findings->error_count ? stderr : stdout, "%s: %s, %u errors, %u warnings\n", path,
            findings->error_count ? "not usable" : "good", findings->error_count, findings->warning_count);
}

static void help(FILE *out)
{
    const struct strategy_ops *ops;

    fputs("usage: tickgate check [--json] [--no-host] CONFIG\n\n"
          "Reads CONFIG, says everything that is wrong with it by file, line and key, and what it means when it is "
          "right.\n"
          "Starts nothing and touches no hardware; plug-ins are loaded and asked about their parameters.\n\n"
          "  --json      the answer as one JSON object on stdout\n"
          "  --no-host   leave out what concerns this machine (CPUs, NUMA nodes, the group, folders): to check a\n"
          "              config made for another\n"
          "  --help      this text\n\n"
          "Exit code: 0 usable (there may be warnings), 2 not usable, or wrong arguments.\n\n"
          "Strategy kinds (others come from plug-ins):\n",
          out);
    for (uint32_t i = 0; (ops = strategy_table_at(i)) != NULL; i++)
        fprintf(out, "  %-11s %s\n", ops->name, ops->summary);
}

/* The files of the day, as a run would read them, but each by itself: what is wrong with one does not hide what is
 * wrong with the other. */
static void check_daily(const struct config *config, struct config_findings *findings)
{
    static struct config one;
    char error[REFERENCE_FILE_ERROR_MAX];
    struct reference_file daily;

    one = *config;
    one.risk.positions_file = NULL;
    if (reference_file_load(&daily, &one, error) == 0)
        reference_file_free(&daily);
    else
        config_find(findings, false, config->path, config->risk.reference_line, "risk.reference_file", "%s", error);
    one.risk.positions_file = config->risk.positions_file;
    one.risk.reference_file = NULL;
    if (reference_file_load(&daily, &one, error) == 0)
        reference_file_free(&daily);
    else
        config_find(findings, false, config->path, config->risk.positions_line, "risk.positions_file", "%s", error);
}

/* A file that a run makes goes into a folder that is there by then: it may be the service manager that makes it. */
static void check_folder(const struct config *config, uint32_t line, const char *key, const char *path,
                         struct config_findings *findings)
{
    char copy[PATH_MAX];
    struct stat status;

    if (!path || snprintf(copy, sizeof(copy), "%s", path) >= (int)sizeof(copy))
        return; /* too long: whoever opens it says so */
    const char *folder = dirname(copy);
    const int error = stat(folder, &status) != 0 ? errno : S_ISDIR(status.st_mode) ? 0 : ENOTDIR;
    if (error)
        config_find(findings, error == ENOENT, config->path, line, key,
                    "%s: folder %s cannot be used: %s; make it, or write a path in one that is there", path, folder,
                    strerror(error));
}

/* Of the host on which the config runs; a replay makes none of these files. */
static void check_folders(const struct config *config, struct config_findings *findings)
{
    const struct config_admin *admin = &config->admin;

    if (config->orders.present && config->orders.carrier != CONFIG_CARRIER_UDP)
        check_folder(config, config->orders.refs_line, "orders.refs_file", config->orders.refs_file, findings);
    if (!admin->present)
        return;
    check_folder(config, admin->socket_line, "admin.socket", admin->socket, findings);
    check_folder(config, admin->audit_line, "admin.audit_file", admin->audit_file, findings);
}

int cmd_check(int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'}, {"no-host", no_argument, NULL, 'n'}, {"help", no_argument, NULL, 'h'}, {0}};
    struct config_findings findings;
    struct config *config = NULL;
    bool json = false, host = true;
    int option;

    optind = 0; /* tests call this more than once in one process */
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (option) {
        case 'j':
            json = true;
            break;
        case 'n':
            host = false;
            break;
        case 'h':
            help(stdout);
            return CMD_OK;
        default: /* getopt_long has said what it does not know */
            fputs("tickgate check --help says more\n", stderr);
            return CMD_USAGE;
        }
    }
    if (argc - optind != 1) {
        fprintf(stderr, "tickgate check: %s; tickgate check --help says more\n",
                argc - optind == 0 ? "which config? give its path" : "one config at a time");
        return CMD_USAGE;
    }
    const char *path = argv[optind];
    if (config_load(path, &config, &findings) == 0) {
        (void)check_strategies(config, &findings);
        check_daily(config, &findings);
        if (host) {
            (void)config_check_host(config, &findings);
            check_folders(config, &findings);
        }
    }
    if (json)
        print_json(path, config, &findings, stdout);
    else
        print_text(path, config, &findings);
    config_free(config);
    return findings.error_count == 0 ? CMD_OK : CMD_USAGE;
}
