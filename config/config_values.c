/* See config_values.h. */
#include "config/config_values.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool config_bad(const struct config_load *load, const struct config_at *at)
{
    const uint32_t node = config_lines_find(&load->lines, at->path, NULL);
    return node != CONFIG_NODE_NONE && load->lines.node[node].bad;
}

uint64_t config_number(const struct config_load *load, struct config_at at, const uint64_t *raw, uint64_t min,
                       uint64_t max, uint64_t fallback)
{
    if (config_bad(load, &at))
        return fallback;
    if (!raw) {
        if (fallback == CONFIG_REQUIRED)
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

uint32_t config_power_of_two(const struct config_load *load, struct config_at at, const uint64_t *raw, uint64_t min,
                             uint64_t max, uint64_t fallback)
{
    const uint64_t value = config_number(load, at, raw, min, max, fallback);

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
void config_name(const struct config_load *load, struct config_at at, const char *raw, const char *fallback,
                 char ret_name[CONFIG_NAME_MAX + 1])
{
    if (config_bad(load, &at))
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

uint32_t config_index_of(const struct config_load *load, struct config_at at, const char *raw, const char *what,
                         const char *first_name, size_t stride, uint32_t count, uint32_t fallback)
{
    char names[160] = "";
    size_t len = 0;

    if (config_bad(load, &at))
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

uint32_t config_multicast(const struct config_load *load, struct config_at at, const char *raw)
{
    if (config_bad(load, &at))
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

uint32_t config_unicast(const struct config_load *load, struct config_at at, const char *raw, bool required)
{
    if (config_bad(load, &at))
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

void config_mac(const struct config_load *load, struct config_at at, const char *raw, const char *sent,
                uint8_t ret_mac[6])
{
    uint8_t value[6] = {0};

    if (config_bad(load, &at))
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

uint16_t config_ip_port(const struct config_load *load, struct config_at at, const uint64_t *raw)
{
    const uint64_t value = config_number(load, at, raw, 1, 65535, CONFIG_REQUIRED);
    return value == CONFIG_REQUIRED ? 0 : (uint16_t)value;
}

bool config_printable(const char *text)
{
    while (*text > ' ' && *text < 0x7f)
        text++;
    return *text == '\0';
}

/* Goes into a field of a login that blanks fill up. A finding does not quote it: it may be a secret. */
void config_credential(const struct config_load *load, struct config_at at, const char *raw, bool required,
                       uint32_t len_max, char *ret_text)
{
    if (config_bad(load, &at))
        return;
    if (!raw) {
        if (required)
            config_say(load, false, at.path, "is missing; write the one that the venue gave you");
    } else if (strlen(raw) > len_max)
        config_say(load, false, at.path, "has %zu letters, but a login holds %u; write the one that the venue gave you",
                   strlen(raw), len_max);
    else if (!config_printable(raw))
        config_say(load, false, at.path,
                   "holds a blank or a letter outside ASCII; write the one that the venue gave you");
    else
        memcpy(ret_text, raw, strlen(raw) + 1);
}

#define SHARE_DECIMALS 7u /* one percent is 10^7 parts: whatever is written is kept exactly */
_Static_assert(CONFIG_FAULT_PARTS == 100u * 10000000u, "a share has SHARE_DECIMALS decimals");

uint32_t config_share(const struct config_load *load, struct config_at at, const char *raw)
{
    static const char digits[] = "0123456789";

    if (!raw || config_bad(load, &at))
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

uint32_t config_line_of(const struct config_load *load, struct config_at at)
{
    uint32_t nearest;

    (void)config_lines_find(&load->lines, at.path, &nearest);
    return load->lines.node[nearest].line;
}

uint32_t config_lcore_only(const struct config *config, enum config_role role)
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
