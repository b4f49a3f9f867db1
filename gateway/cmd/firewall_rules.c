/* See firewall_rules.h. Management is stateful: a host asks others, too. Orders and feeds are stateless, packet by
 * packet from the config, and exempt from connection tracking: its look-up would cost every packet of theirs. */
#include "gateway/cmd/firewall_rules.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TABLE "inet tickgate"

/* The base chains, each with the chain of a generation that it leads to. */
static const struct {
    const char *name, *hook, *priority, *interface;
} bases[] = {
    {"raw_in", "prerouting", "raw", "iifname"},
    {"raw_out", "output", "raw", "oifname"},
    {"input", "input", "filter", "iifname"},
    {"output", "output", "filter", "oifname"},
};
#define BASE_COUNT (sizeof(bases) / sizeof(bases[0]))

struct firewall_rules_state firewall_rules_state(const char *listing)
{
    struct firewall_rules_state state = {0};

    for (char letter = 'a'; letter <= 'b'; letter++) {
        char wanted[32];
        snprintf(wanted, sizeof(wanted), "chain input_%c {", letter);
        if (!strstr(listing, wanted))
            continue;
        snprintf(wanted, sizeof(wanted), "set change_%c {", letter);
        const char *change = strstr(listing, wanted);
        if (!change) {
            state.current = letter;
            continue;
        }
        state.pending = letter;
        const char *end = strchr(change, '}'); /* of its elements, or of the set where there are none */
        const char *element = strstr(change, "0x");
        if (element && (!end || element < end))
            state.token = (uint32_t)strtoul(element, NULL, 16);
        snprintf(wanted, sizeof(wanted), "set pending_%c {", letter);
        const char *pending = strstr(listing, wanted);
        end = pending ? strchr(pending, '}') : NULL;
        element = pending ? strstr(pending, "0x") : NULL;
        state.expired = !element || (end && element > end);
    }
    return state;
}

static void ip_text(uint32_t ip, char ret_text[16])
{
    snprintf(ret_text, 16, "%u.%u.%u.%u", ip >> 24, ip >> 16 & 0xff, ip >> 8 & 0xff, ip & 0xff);
}

/* Every interface that is guarded, with what belongs behind each name. */
static void interfaces(FILE *out, const struct config_firewall *firewall, const char *suffix)
{
    const char *comma = "";

    for (uint32_t i = 0; i < firewall->management_count; i++, comma = ", ")
        fprintf(out, "%s\"%s\"%s", comma, firewall->management[i].interface, suffix);
    for (uint32_t i = 0; i < firewall->order_interface_count; i++, comma = ", ")
        fprintf(out, "%s\"%s\"%s", comma, firewall->order_interface[i], suffix);
    for (uint32_t i = 0; i < firewall->feed_interface_count; i++, comma = ", ")
        fprintf(out, "%s\"%s\"%s", comma, firewall->feed_interface[i], suffix);
}

/* A match for one of the names; false: there are none, and nothing was written. */
static bool match(FILE *out, const char *key, const char (*names)[CONFIG_INTERFACE_MAX + 1], uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        fprintf(out, "%s\"%s\"", i ? ", " : key, names[i]);
    if (count > 0)
        fputs(" }", out);
    return count > 0;
}

static void untracked(FILE *out, const struct config_firewall *firewall, const char *chain, char letter,
                      const char *key)
{
    char opening[24];

    snprintf(opening, sizeof(opening), "    %s { ", key);
    fprintf(out, "  chain %s_%c {\n", chain, letter);
    if (match(out, opening, firewall->order_interface, firewall->order_interface_count))
        fputs(" notrack\n", out);
    if (match(out, opening, firewall->feed_interface, firewall->feed_interface_count))
        fputs(" notrack\n", out);
    fputs("  }\n", out);
}

static void management_input(FILE *out, const struct config_management *management)
{
    char ip[16];

    fprintf(out, "    iifname \"%s\" ip saddr { ", management->interface);
    for (uint32_t i = 0; i < management->source_count; i++) {
        ip_text(management->source[i].ip, ip);
        fprintf(out, "%s%s/%u", i ? ", " : "", ip, management->source[i].len);
    }
    fputs(" } tcp dport { ", out);
    for (uint32_t i = 0; i < management->tcp_port_count; i++)
        fprintf(out, "%s%u", i ? ", " : "", management->tcp_port[i]);
    fputs(" } ct state new accept\n", out);
}

/* What one server may send to us, or we to it. */
static void server(FILE *out, const char *interfaces_match, bool input, const char *protocol, uint32_t ip,
                   uint16_t port)
{
    char text[16];

    ip_text(ip, text);
    fprintf(out, "    %s ip %s %s %s %s %u accept\n", interfaces_match, input ? "saddr" : "daddr", text, protocol,
            input ? "sport" : "dport", port);
}

/* The order session, where the kernel carries it. */
static void orders(FILE *out, const struct config *config, const char *interfaces_match, bool input)
{
    if (config->orders.present && config->orders.carrier == CONFIG_CARRIER_KERNEL)
        server(out, interfaces_match, input, "tcp", config->orders.peer_ip, config->orders.peer_port);
}

static void feeds(FILE *out, const struct config *config, const char *interfaces_match, bool input)
{
    char group[16], source[16];

    for (uint32_t i = 0; i < config->feed_count; i++) {
        const struct config_feed *feed = &config->feed[i];
        for (uint32_t l = 0; input && l < feed->line_count; l++) {
            const struct config_line *line = &feed->line_list[l];
            ip_text(line->group, group);
            ip_text(line->source, source);
            fprintf(out, "    %s ip daddr %s%s%s udp dport %u accept\n", interfaces_match, group,
                    line->source ? " ip saddr " : "", line->source ? source : "", line->udp_port);
        }
        for (uint32_t s = 0; feed->retransmission.present && s < feed->retransmission.server_count; s++)
            server(out, interfaces_match, input, "udp", feed->retransmission.server_list[s].ip,
                   feed->retransmission.server_list[s].port);
        for (uint32_t s = 0; feed->snapshot.present && s < feed->snapshot.server_count; s++)
            server(out, interfaces_match, input, "tcp", feed->snapshot.server_list[s].ip,
                   feed->snapshot.server_list[s].port);
    }
    fprintf(out, "    %s ip protocol igmp accept\n", interfaces_match);
}

/* "iifname { "eth1", "eth2" }", in memory that the caller frees; NULL: no such interface. */
static char *match_text(const char *key, const char (*names)[CONFIG_INTERFACE_MAX + 1], uint32_t count)
{
    char opening[24], *text = NULL;
    size_t len;

    snprintf(opening, sizeof(opening), "%s { ", key);
    FILE *out = count > 0 ? open_memstream(&text, &len) : NULL;
    if (!out)
        return NULL;
    match(out, opening, names, count);
    fclose(out);
    return text;
}

/* The part of a chain that the config's sessions and feeds make. */
static void lines(FILE *out, const struct config *config, const char *key, bool input)
{
    const struct config_firewall *firewall = &config->firewall;
    char *order_match = match_text(key, firewall->order_interface, firewall->order_interface_count);
    char *feed_match = match_text(key, firewall->feed_interface, firewall->feed_interface_count);

    if (order_match)
        orders(out, config, order_match, input);
    if (feed_match)
        feeds(out, config, feed_match, input);
    free(order_match);
    free(feed_match);
}

#define ICMP_GOOD "{ echo-request, echo-reply, destination-unreachable, time-exceeded, parameter-problem }"
#define ICMPV6_GOOD                                                                                                    \
    "{ echo-request, echo-reply, destination-unreachable, packet-too-big, time-exceeded, parameter-problem, "          \
    "nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert }"

static void generation(FILE *out, const struct config *config, char letter)
{
    const struct config_firewall *firewall = &config->firewall;

    untracked(out, firewall, "raw_in", letter, "iifname");
    untracked(out, firewall, "raw_out", letter, "oifname");
    fprintf(out, "  chain input_%c {\n    ct state established,related accept\n", letter);
    fputs("    icmp type " ICMP_GOOD " accept\n    icmpv6 type " ICMPV6_GOOD " accept\n", out);
    for (uint32_t i = 0; i < firewall->management_count; i++)
        management_input(out, &firewall->management[i]);
    lines(out, config, "iifname", true);
    fprintf(out, "    counter drop\n  }\n  chain output_%c {\n", letter);
    for (uint32_t i = 0; i < firewall->management_count; i++)
        fprintf(out, "    oifname \"%s\" accept\n", firewall->management[i].interface);
    fputs("    icmp type " ICMP_GOOD " accept\n", out);
    lines(out, config, "oifname", false);
    fputs("    counter drop\n  }\n", out);
}

/* Lead the base chains anew: into `first` by its timed set or its confirmed one, then into `second` (0 = none). */
static void lead(FILE *out, char first, bool timed, char second)
{
    for (size_t i = 0; i < BASE_COUNT; i++) {
        fprintf(out, "flush chain " TABLE " %s\n", bases[i].name);
        if (first)
            fprintf(out, "add rule " TABLE " %s %s @%s_%c goto %s_%c\n", bases[i].name, bases[i].interface,
                    timed ? "guarded" : "interfaces", first, bases[i].name, first);
        if (second)
            fprintf(out, "add rule " TABLE " %s %s @interfaces_%c goto %s_%c\n", bases[i].name, bases[i].interface,
                    second, bases[i].name, second);
    }
}

/* No base chain may lead there any more. */
static void remove_generation(FILE *out, char letter, bool timed)
{
    for (size_t i = 0; i < BASE_COUNT; i++)
        fprintf(out, "delete chain " TABLE " %s_%c\n", bases[i].name, letter);
    fprintf(out, "delete set " TABLE " interfaces_%c\n", letter);
    if (timed)
        fprintf(out,
                "delete set " TABLE " guarded_%c\ndelete set " TABLE " pending_%c\ndelete set " TABLE " change_%c\n",
                letter, letter, letter);
}

void firewall_rules_apply(FILE *out, const struct config *config, const struct firewall_rules_state *state,
                          uint32_t token, uint32_t seconds)
{
    const char letter = firewall_rules_next(state);
    char timeout[32];

    fputs("table " TABLE " {\n", out);
    fprintf(out, "  set interfaces_%c {\n    type ifname\n    elements = { ", letter);
    interfaces(out, &config->firewall, "");
    fputs(" }\n  }\n", out);
    if (seconds > 0) {
        snprintf(timeout, sizeof(timeout), " timeout %" PRIu32 "s", seconds);
        fprintf(out, "  set guarded_%c {\n    type ifname\n    flags timeout\n    elements = { ", letter);
        interfaces(out, &config->firewall, timeout);
        fprintf(out,
                " }\n  }\n  set pending_%c {\n    type mark\n    flags timeout\n    elements = { 0x%08" PRIx32
                "%s }\n  }\n",
                letter, token, timeout);
        fprintf(out, "  set change_%c {\n    type mark\n    elements = { 0x%08" PRIx32 " }\n  }\n", letter, token);
    }
    generation(out, config, letter);
    for (size_t i = 0; i < BASE_COUNT; i++)
        fprintf(out, "  chain %s {\n    type filter hook %s priority %s; policy accept;\n  }\n", bases[i].name,
                bases[i].hook, bases[i].priority);
    fputs("}\n", out);
    lead(out, letter, seconds > 0, seconds > 0 ? state->current : 0);
    if (seconds == 0 && state->current)
        remove_generation(out, state->current, false);
}

void firewall_rules_confirm(FILE *out, const struct firewall_rules_state *state)
{
    fprintf(out, "delete element " TABLE " pending_%c { 0x%08" PRIx32 " }\n", state->pending, state->token);
    lead(out, state->pending, false, 0);
    fprintf(out, "delete set " TABLE " guarded_%c\ndelete set " TABLE " pending_%c\ndelete set " TABLE " change_%c\n",
            state->pending, state->pending, state->pending);
    if (state->current)
        remove_generation(out, state->current, false);
}

void firewall_rules_rollback(FILE *out, const struct firewall_rules_state *state)
{
    fprintf(out, "delete element " TABLE " change_%c { 0x%08" PRIx32 " }\n", state->pending, state->token);
    if (!state->current) {
        fputs("delete table " TABLE "\n", out);
        return;
    }
    lead(out, state->current, false, 0);
    remove_generation(out, state->pending, true);
}
