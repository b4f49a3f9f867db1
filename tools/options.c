/* Values of command-line options. Contract in options.h; called by feedgen and exchange. */
#include "tools/options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S UINT64_C(1000000000)

_Noreturn void options_refuse(int exit_code, const char *what, const char *value)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, value);
    exit(exit_code);
}

_Noreturn void options_refuse_address(const char *option, uint32_t ip, uint16_t port, int error)
{
    const struct in_addr address = {.s_addr = htonl(ip)};
    char what[80], colon_port[8] = ""; /* 0: it has none, or any would do */

    if (port != 0)
        snprintf(colon_port, sizeof(colon_port), ":%u", port);
    snprintf(what, sizeof(what), "%s %s%s", option, inet_ntoa(address), colon_port);
    options_refuse(1, what,
                   error == EADDRNOTAVAIL ? "is no address of this host; 'ip address' lists them"
                   : error == EADDRINUSE  ? "another program has it; 'ss -lnp' says which"
                   : error == EACCES      ? "ports below 1024 take root"
                                          : strerror(error));
}

uint64_t options_u64(const char *name, const char *text, uint64_t min, uint64_t max)
{
    char *end;
    char wanted[128];
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    if (errno == 0 && end != text && *end == '\0' && text[0] != '-' && value >= min && value <= max)
        return value;
    snprintf(wanted, sizeof(wanted), "--%s is a whole number, %" PRIu64 " ... %" PRIu64 ", not", name, min, max);
    options_refuse(OPTIONS_EXIT, wanted, text);
}

uint32_t options_chance(const char *name, const char *text)
{
    char *end;
    char wanted[64];
    errno = 0;
    const double percent = strtod(text, &end);
    if (errno == 0 && end != text && *end == '\0' && percent >= 0 && percent <= 100)
        return (uint32_t)(percent * (OPTIONS_CHANCE_PARTS / 100) + 0.5);
    snprintf(wanted, sizeof(wanted), "--%s is a percentage, 0 ... 100, not", name);
    options_refuse(OPTIONS_EXIT, wanted, text);
}

uint32_t options_ip(const char *name, const char *text)
{
    struct in_addr address;
    char wanted[64];
    if (inet_pton(AF_INET, text, &address) == 1)
        return ntohl(address.s_addr);
    snprintf(wanted, sizeof(wanted), "--%s: not an IPv4 address", name);
    options_refuse(OPTIONS_EXIT, wanted, text);
}

uint64_t options_start(const char *text)
{
    int hour, minute, used = 0;
    if (sscanf(text, "%2d:%2d%n", &hour, &minute, &used) != 2 || text[used] != '\0' || used != 5 || hour < 0 ||
        hour > 23 || minute < 0 || minute > 59 || hour + minute == 0)
        options_refuse(OPTIONS_EXIT, "--start is HH:MM, 00:01 ... 23:59, not", text);
    return (uint64_t)(hour * 3600 + minute * 60) * NS_PER_S;
}

void options_session(const char *text, char ret_session[MOLD_SESSION_LEN])
{
    const size_t len = strlen(text);
    if (len == 0 || len > MOLD_SESSION_LEN)
        options_refuse(OPTIONS_EXIT, "--session is 1 ... 10 letters, not", text);
    memset(ret_session, ' ', MOLD_SESSION_LEN);
    memcpy(ret_session, text, len);
}

void options_check_session(const struct session_params *params)
{
    char least[128];
    if (params->messages >= session_messages_min(params->symbols))
        return;
    snprintf(least, sizeof(least), "%" PRIu32 " symbols take at least %" PRIu64 " messages, not %" PRIu64,
             params->symbols, session_messages_min(params->symbols), params->messages);
    options_refuse(OPTIONS_EXIT, "--messages", least);
}
