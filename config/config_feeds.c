/* The section `feeds`, as a part of config_convert: sessions, lines, recovery servers. See config_load.h. */
#include "config/config_midnight.h"
#include "config/config_values.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void convert_session(const struct config_load *load, uint32_t i, const struct raw_feed *from,
                            struct config_feed *feed)
{
    const char *date = from->session_date ? from->session_date : "today";
    const char *zone = from->time_zone ? from->time_zone : "America/New_York";
    const struct config_at date_at = config_at("feeds[%u].session_date", i);
    const struct config_at zone_at = config_at("feeds[%u].time_zone", i);
    char error[CONFIG_MIDNIGHT_ERROR_MAX] = "cannot be told from the clock of this machine; set its time";

    if (config_bad(load, &date_at) || config_bad(load, &zone_at))
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
        if (!config_bad(load, &lines))
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
        to->line = config_line_of(load, config_at("feeds[%u].lines[%u]", i, j));
        config_name(load, config_at("feeds[%u].lines[%u].name", i, j), line->name, NULL, to->name);
        to->port_idx = CONFIG_INDEX_OF(load, config_at("feeds[%u].lines[%u].port", i, j), line->port, "port",
                                       config->port, config->port_count, config->port_count == 1 ? 0 : CONFIG_IDX_NONE);
        to->group = config_multicast(load, config_at("feeds[%u].lines[%u].group", i, j), line->group);
        to->udp_port = config_ip_port(load, config_at("feeds[%u].lines[%u].udp_port", i, j), line->udp_port);
        to->source = config_unicast(load, config_at("feeds[%u].lines[%u].source", i, j), line->source, false);
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
        if (!config_bad(load, &list_at))
            config_say(load, false, list_at.path, "there is no server to ask; list at least one, address and %s",
                       port_key);
        return 0;
    }
    struct config_server *list = calloc(raw_count, sizeof(*list));
    if (!list)
        return -ENOMEM;
    for (uint32_t i = 0; i < raw_count; i++) {
        list[i].line = config_line_of(load, config_at("%s[%u]", list_at.path, i));
        list[i].ip = config_unicast(load, config_at("%s[%u].address", list_at.path, i), raw[i].address, true);
        list[i].port = config_ip_port(load, config_at("%s[%u].%s", list_at.path, i, port_key), raw[i].port);
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

    to->transport = CONFIG_OR(from->transport, CONFIG_TRANSPORT_KERNEL);
    to->local_ip = config_unicast(load, config_at("%s.local_ip", at->path), from->local_ip,
                                  to->transport == CONFIG_TRANSPORT_PORT);
    if (to->transport == CONFIG_TRANSPORT_KERNEL) {
        to->local_port = (uint16_t)config_number(load, local_port_at, from->local_port, 0, 65535, 0);
        port_only(load, port_at, from->port);
        port_only(load, peer_mac_at, from->peer_mac);
        return;
    }
    to->local_port = config_ip_port(load, local_port_at, from->local_port);
    config_mac(load, peer_mac_at, from->peer_mac, "requests", to->peer_mac);
    if (from->port)
        to->port_idx =
            CONFIG_INDEX_OF(load, port_at, from->port, "port", config->port, config->port_count, CONFIG_IDX_NONE);
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
    to->line = config_line_of(load, at);
    convert_transport(load, &at, from, config, feed, to);
    to->request_messages =
        (uint32_t)config_number(load, config_at("%s.request_messages", at.path), from->request_messages, 1, 65534, 64);
    to->in_flight = (uint32_t)config_number(load, config_at("%s.in_flight", at.path), from->in_flight, 1, 16, 4);
    to->rate_per_s =
        (uint32_t)config_number(load, config_at("%s.rate_per_s", at.path), from->rate_per_s, 1, 100000, 200);
    to->rate_burst = (uint32_t)config_number(load, config_at("%s.rate_burst", at.path), from->rate_burst, 1, 1000, 20);
    to->timeout_us =
        (uint32_t)config_number(load, config_at("%s.timeout_us", at.path), from->timeout_us, 100, 10000000, 5000);
    to->timeout_max_us = (uint32_t)config_number(load, config_at("%s.timeout_max_us", at.path), from->timeout_max_us,
                                                 100, 60000000, to->timeout_us > 500000 ? to->timeout_us : 500000);
    to->attempts = (uint32_t)config_number(load, config_at("%s.attempts", at.path), from->attempts, 1, 1000, 6);
    to->gap_max = (uint32_t)config_number(load, config_at("%s.gap_max", at.path), from->gap_max, 1, 1u << 22,
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
    to->line = config_line_of(load, at);
    config_credential(load, config_at("%s.username", at.path), from->username, true, CONFIG_USERNAME_MAX, to->username);
    config_credential(load, config_at("%s.password", at.path), from->password, false, CONFIG_PASSWORD_MAX,
                      to->password);
    to->timeout_ms =
        (uint32_t)config_number(load, config_at("%s.timeout_ms", at.path), from->timeout_ms, 10, 60000, 5000);
    to->retry_ms = (uint32_t)config_number(load, config_at("%s.retry_ms", at.path), from->retry_ms, 1, 60000, 500);
    to->retry_max_ms = (uint32_t)config_number(load, config_at("%s.retry_max_ms", at.path), from->retry_max_ms, 1,
                                               600000, to->retry_ms > 30000 ? to->retry_ms : 30000);
    return convert_servers(load, &at, "tcp_port", from->servers, from->servers_count, &to->server_list,
                           &to->server_count);
}

int config_feeds_convert(const struct config_load *load, const struct raw *raw, struct config *config)
{
    config->feed_count = raw->feeds_count;
    for (uint32_t i = 0; i < raw->feeds_count; i++) {
        const struct raw_feed *from = &raw->feeds[i];
        struct config_feed *feed = &config->feed[i];
        feed->line = config_line_of(load, config_at("feeds[%u]", i));
        config_name(load, config_at("feeds[%u].name", i), from->name, NULL, feed->name);
        feed->protocol = CONFIG_OR(from->protocol, CONFIG_ITCH50);
        feed->lcore_idx = CONFIG_INDEX_OF(load, config_at("feeds[%u].lcore", i), from->lcore, "lcore", config->lcore,
                                          config->lcore_count, config_lcore_only(config, CONFIG_RX));
        convert_session(load, i, from, feed);
        feed->join = CONFIG_OR(from->join, CONFIG_JOIN_START);
        feed->books = CONFIG_OR(from->books, CONFIG_BOOKS_ALL);
        feed->instruments_max = (uint32_t)config_number(load, config_at("feeds[%u].instruments_max", i),
                                                        from->instruments_max, 1, 65536, 16384);
        feed->orders_max = (uint32_t)config_number(load, config_at("feeds[%u].orders_max", i), from->orders_max, 1024,
                                                   1u << 28, 1u << 22);
        feed->levels_max = (uint32_t)config_number(load, config_at("feeds[%u].levels_max", i), from->levels_max, 1024,
                                                   1u << 26, 1u << 20);
        feed->reorder_packets =
            (uint32_t)config_number(load, config_at("feeds[%u].reorder_packets", i), from->reorder_packets, 0, 256, 64);
        feed->reorder_us =
            (uint32_t)config_number(load, config_at("feeds[%u].reorder_us", i), from->reorder_us, 0, 10000000, 2000);
        feed->hold_messages = config_power_of_two(load, config_at("feeds[%u].hold_messages", i), from->hold_messages,
                                                  1024, 1u << 22, 65536);
        feed->stale = CONFIG_OR(from->stale, CONFIG_STALE_AT_ONCE);
        feed->silence_ms =
            (uint32_t)config_number(load, config_at("feeds[%u].silence_ms", i), from->silence_ms, 0, 3600000, 3000);
        feed->checksum = CONFIG_OR(from->checksum, CONFIG_CHECKSUM_TRUST);
        if (convert_lines(load, i, from, config, feed) != 0 ||
            convert_retransmission(load, i, from->retransmission, config, feed) != 0 ||
            convert_snapshot(load, i, from->snapshot, &feed->snapshot) != 0)
            return -ENOMEM;
    }
    return 0;
}
