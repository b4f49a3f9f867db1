/* The section `orders`, as a part of config_convert. See config_load.h. */
#include "config/config_values.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Who sends, and between which addresses: each carrier has keys of its own. */
static void convert_carrier(const struct config_load *load, const struct raw_orders *raw, const struct config *config,
                            struct config_orders *orders)
{
    const bool udp = orders->carrier == CONFIG_CARRIER_UDP;
    const bool tcp = orders->carrier == CONFIG_CARRIER_TCP;
    const bool kernel = orders->carrier == CONFIG_CARRIER_KERNEL;
    const enum config_role role = config->gateway.mode == CONFIG_INLINE ? CONFIG_RX : CONFIG_STRATEGY;

    if (!udp)
        orders->lcore_idx = CONFIG_INDEX_OF(load, config_at("orders.lcore"), raw->lcore, "lcore", config->lcore,
                                            config->lcore_count, config_lcore_only(config, role));
    if (!kernel)
        orders->port_idx = CONFIG_INDEX_OF(load, config_at("orders.port"), raw->port, "port", config->port,
                                           config->port_count, config->port_count == 1 ? 0 : CONFIG_IDX_NONE);
    orders->has_control_port = tcp && raw->control_port;
    if (orders->has_control_port)
        orders->control_port_idx = CONFIG_INDEX_OF(load, config_at("orders.control_port"), raw->control_port, "port",
                                                   config->port, config->port_count, CONFIG_IDX_NONE);
    config_mac(load, config_at("orders.local_mac"), raw->local_mac, NULL, orders->local_mac);
    config_mac(load, config_at("orders.peer_mac"), raw->peer_mac, udp ? "orders" : NULL, orders->peer_mac);
    orders->local_ip = config_unicast(load, config_at("orders.local_ip"), raw->local_ip, !kernel);
    orders->peer_ip = config_unicast(load, config_at("orders.peer_ip"), raw->peer_ip, true);
    orders->local_port =
        udp ? config_ip_port(load, config_at("orders.local_port"), raw->local_port)
            : (uint16_t)config_number(load, config_at("orders.local_port"), raw->local_port, 0, 65535, 0);
    orders->peer_port = config_ip_port(load, config_at("orders.peer_port"), raw->peer_port);
    orders->gateway_ip = config_unicast(load, config_at("orders.gateway_ip"), raw->gateway_ip, false);
    config_credential(load, config_at("orders.username"), raw->username, !udp, CONFIG_USERNAME_MAX, orders->username);
    config_credential(load, config_at("orders.password"), raw->password, false, CONFIG_PASSWORD_MAX, orders->password);
    config_credential(load, config_at("orders.session"), raw->session, false, CONFIG_SESSION_MAX, orders->session);
    if (!udp && !raw->refs_file)
        config_say(load, false, "orders.refs_file", "is missing; write the path of a file that survives restarts");
}

int config_orders_convert(const struct config_load *load, const struct raw_orders *raw, const struct config *config,
                          struct config_orders *orders)
{
    static const struct raw_orders nothing;
    static const struct raw_sim no_sim;

    orders->present = raw != NULL;
    if (!raw)
        raw = &nothing;
    orders->carrier = CONFIG_OR(raw->carrier, CONFIG_CARRIER_UDP);
    if (orders->present) {
        orders->line = config_line_of(load, config_at("orders"));
        orders->refs_line = config_line_of(load, config_at("orders.refs_file"));
        convert_carrier(load, raw, config, orders);
    }
    orders->prefix_len = (uint32_t)config_number(load, config_at("orders.prefix_len"), raw->prefix_len, 8, 30, 24);
    orders->heartbeat_ms =
        (uint32_t)config_number(load, config_at("orders.heartbeat_ms"), raw->heartbeat_ms, 100, 60000, 1000);
    orders->timeout_ms = (uint32_t)config_number(load, config_at("orders.timeout_ms"), raw->timeout_ms, 101, 600000,
                                                 orders->heartbeat_ms > 7500 ? orders->heartbeat_ms * 2 : 15000);
    orders->login_timeout_ms =
        (uint32_t)config_number(load, config_at("orders.login_timeout_ms"), raw->login_timeout_ms, 100, 60000, 5000);
    orders->retry_ms = (uint32_t)config_number(load, config_at("orders.retry_ms"), raw->retry_ms, 1, 60000, 500);
    orders->retry_max_ms = (uint32_t)config_number(load, config_at("orders.retry_max_ms"), raw->retry_max_ms, 1, 600000,
                                                   orders->retry_ms > 30000 ? orders->retry_ms : 30000);
    orders->slow_path = CONFIG_OR(raw->slow_path, CONFIG_SLOW_PATH_SEND);
    orders->cancel_on_disconnect = CONFIG_OR(raw->cancel_on_disconnect, false);
    orders->probe_ms = (uint32_t)config_number(load, config_at("orders.probe_ms"), raw->probe_ms, 1, 1000, 10);
    orders->answer_timeout_ms =
        (uint32_t)config_number(load, config_at("orders.answer_timeout_ms"), raw->answer_timeout_ms, 0, 600000, 10000);
    orders->warm_us = (uint32_t)config_number(load, config_at("orders.warm_us"), raw->warm_us, 0, 10000000, 0);
    orders->refs_headroom =
        (uint32_t)config_number(load, config_at("orders.refs_headroom"), raw->refs_headroom, 1000, 10000000, 100000);
    orders->refs_leap_max = (uint32_t)config_number(load, config_at("orders.refs_leap_max"), raw->refs_leap_max, 1000,
                                                    UINT32_MAX, 10000000);
    orders->fills = CONFIG_OR(raw->fills, CONFIG_FILLS_NONE);
    orders->open_timeout_ms =
        (uint32_t)config_number(load, config_at("orders.open_timeout_ms"), raw->open_timeout_ms, 1, 86400000, 5000);
    orders->frames = config_power_of_two(load, config_at("orders.frames"), raw->frames, 16, 4096, 256);
    orders->open_orders_max =
        config_power_of_two(load, config_at("orders.open_orders_max"), raw->open_orders_max, 16, 1048576, 4096);

    const struct raw_sim *sim = raw->sim ? raw->sim : &no_sim;
    orders->sim.order_us =
        (uint32_t)config_number(load, config_at("orders.sim.order_us"), sim->order_us, 0, 10000000, 50);
    orders->sim.answer_us =
        (uint32_t)config_number(load, config_at("orders.sim.answer_us"), sim->answer_us, 0, 10000000, 50);
    if (!raw->refs_file)
        return 0;
    orders->refs_file = strdup(raw->refs_file);
    return orders->refs_file ? 0 : -ENOMEM;
}
