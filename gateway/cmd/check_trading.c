/* `tickgate check`: what a config says of strategies, orders, risk and kill, as text and as JSON. See check_parts.h. */
#include "gateway/cmd/check_parts.h"

#include "gateway/params.h"
#include "gateway/plugin.h"
#include "ring/md_event.h"

#include <inttypes.h>
#include <string.h>

/* NULL: it is built in, or could not be loaded. */
static const struct plugin *plugin_of_strategy(const struct config_strategy *strategy)
{
    const struct strategy_ops *ops;
    char error[PLUGIN_ERROR_MAX];

    return strategy->plugin && plugin_strategy(strategy, &ops, error) == 0 ? plugin_of(ops) : NULL;
}

static void mac_text(const uint8_t mac[6], char ret_text[18])
{
    snprintf(ret_text, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

/* An amount in 1/10,000 of the currency. */
static void money_text(uint64_t e4, char ret_text[32])
{
    snprintf(ret_text, 32, "%" PRIu64 ".%02" PRIu64, e4 / 10000, e4 % 10000 / 100);
}

/* The numbers that are in force in a scope, by their keys and in their units; what is 0 is off. */
static void text_limits(const struct risk_limits *limits, enum risk_scope scope, const char *what, FILE *out)
{
    const char *separator = " ";

    fprintf(out, "  %s:", what);
    for (uint32_t i = 0; i < risk_limits_count(); i++) {
        const uint64_t value = risk_limits_get(limits, i);
        if (!(risk_limits_row(i)->scopes & scope) || value == 0)
            continue;
        fprintf(out, "%s%s %" PRIu64, separator, risk_limits_row(i)->name, value);
        separator = ", ";
    }
    fputc('\n', out);
}

static void json_limits(struct json *json, const struct risk_limits *limits, enum risk_scope scope)
{
    for (uint32_t i = 0; i < risk_limits_count(); i++)
        if (risk_limits_row(i)->scopes & scope)
            json_u64(json, risk_limits_row(i)->name, risk_limits_get(limits, i));
}

void check_strategies_text(const struct config *config, FILE *out)
{
    struct risk_limits limits;

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
        if (strategy->risk.present) {
            params_strategy_limits(config, i, &limits);
            text_limits(&limits, RISK_SCOPE_STRATEGY, "limits of its own", out);
        }
    }
}

static void text_udp(const struct config *config, FILE *out)
{
    const struct config_orders *orders = &config->orders;
    char local[16], peer[16], mac[18];

    check_address_text(orders->local_ip, local);
    check_address_text(orders->peer_ip, peer);
    mac_text(orders->peer_mac, mac);
    fprintf(out, "orders: OUCH in UDP (laboratory carrier) from %s:%u to %s:%u (%s) on port %s, %u frames\n", local,
            orders->local_port, peer, orders->peer_port, mac, config->port[orders->port_idx].name, orders->frames);
}

static void text_session(const struct config *config, FILE *out)
{
    const struct config_orders *orders = &config->orders;
    char local[16] = "any address", peer[16], port[CONFIG_NAME_MAX + 16] = "by the kernel";

    if (orders->local_ip)
        check_address_text(orders->local_ip, local);
    check_address_text(orders->peer_ip, peer);
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

void check_orders_text(const struct config *config, FILE *out)
{
    const struct config_orders *orders = &config->orders;
    const struct config_risk *risk = &config->risk;
    struct risk_limits limits;
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
    params_limits(config, &limits);
    text_limits(&limits, RISK_SCOPE_LCORE, "all of its limits", out);
    if (risk->gateway.present) {
        params_gateway_limits(config, &limits);
        text_limits(&limits, RISK_SCOPE_GATEWAY, "of all strategy lcores together", out);
    }
    if (orders->warm_us > 0)
        fprintf(out, "  while idle the way of an order is walked every %u us\n", orders->warm_us);
    if (config->kill.watchdog_ms > 0)
        fprintf(out, "kill: when an lcore makes no turn for %u ms", config->kill.watchdog_ms);
    else
        fputs("kill: nobody watches whether lcores turn", out);
    fprintf(out, "; what is open is cancelled every %u ms, and after %u ms on a connection of the control thread\n",
            config->kill.repeat_ms, config->kill.confirm_ms);
}

void check_strategies_json(struct json *json, const struct config *config)
{
    struct risk_limits limits;

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
        if (strategy->risk.present) {
            params_strategy_limits(config, i, &limits);
            json_open(json, "risk", '{');
            json_limits(json, &limits, RISK_SCOPE_STRATEGY);
            json_close(json, '}');
        } else {
            json_null(json, "risk");
        }
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
        check_json_address(json, "gateway_ip", orders->gateway_ip);
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

void check_orders_json(struct json *json, const struct config *config)
{
    static const char *const carriers[] = {
        [CONFIG_CARRIER_UDP] = "udp", [CONFIG_CARRIER_TCP] = "tcp", [CONFIG_CARRIER_KERNEL] = "kernel"};
    const struct config_orders *orders = &config->orders;
    const struct config_risk *risk = &config->risk;
    struct risk_limits limits;
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
        check_json_address(json, "local_ip", orders->local_ip);
        check_json_address(json, "peer_ip", orders->peer_ip);
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
    params_limits(config, &limits);
    json_limits(json, &limits, RISK_SCOPE_LCORE);
    json_bool(json, "allow_stale", risk->allow_stale);
    json_text_or_null(json, "reference_file", risk->reference_file);
    json_text_or_null(json, "positions_file", risk->positions_file);
    if (risk->gateway.present) {
        params_gateway_limits(config, &limits);
        json_open(json, "gateway", '{');
        json_limits(json, &limits, RISK_SCOPE_GATEWAY);
        json_close(json, '}');
    } else {
        json_null(json, "gateway");
    }
    json_close(json, '}');
    json_open(json, "kill", '{');
    json_u64(json, "watchdog_ms", config->kill.watchdog_ms);
    json_u64(json, "repeat_ms", config->kill.repeat_ms);
    json_u64(json, "confirm_ms", config->kill.confirm_ms);
    json_close(json, '}');
}
