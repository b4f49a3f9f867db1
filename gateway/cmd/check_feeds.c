/* `tickgate check`: what a config says of its feeds, as text and as JSON. See check_parts.h. */
#include "gateway/cmd/check_parts.h"

#include "feed/channel.h"
#include "gateway/params.h"

#include <inttypes.h>
#include <time.h>

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

static void instant_text(uint64_t ns, char ret_text[32])
{
    const time_t at = (time_t)(ns / 1000000000u);
    struct tm utc;

    if (!gmtime_r(&at, &utc) || strftime(ret_text, 32, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
        snprintf(ret_text, 32, "?");
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
        check_address_text(servers[i].ip, address);
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

void check_feeds_text(const struct config *config, FILE *out)
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
            check_address_text(line->group, group);
            check_address_text(line->source, source);
            fprintf(out, "  line %s: %s:%u on port %s from %s\n", line->name, group, line->udp_port,
                    config->port[line->port_idx].name, line->source ? source : "any source");
        }
    }
}

static void json_servers(struct json *json, const struct config_server *servers, uint32_t server_count)
{
    json_open(json, "servers", '[');
    for (uint32_t i = 0; i < server_count; i++) {
        char address[16];
        check_address_text(servers[i].ip, address);
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

void check_feeds_json(struct json *json, const struct config *config)
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
            check_address_text(line->group, text);
            json_text(json, "group", text);
            json_u64(json, "udp_port", line->udp_port);
            check_json_address(json, "source", line->source);
            json_close(json, '}');
        }
        json_close(json, ']');
        json_close(json, '}');
    }
    json_close(json, ']');
}
