/* What `tickgate hooks` is told to look at. See hooks.h; pure. */
#include "gateway/hooks/hooks.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[HOOKS_COUNT] = {"prerouting", "input", "forward", "output", "postrouting"};

int hooks_number(const char *name)
{
    for (int i = 0; i < HOOKS_COUNT; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

const char *hooks_name(uint32_t hook)
{
    return hook < HOOKS_COUNT ? names[hook] : "unknown";
}

/* The part before the first colon; false: there is none, or it is too long. */
static bool word(const char **text, char ret_word[16])
{
    const char *colon = strchr(*text, ':');
    const size_t len = colon ? (size_t)(colon - *text) : 16;

    if (len >= 16)
        return false;
    memcpy(ret_word, *text, len);
    ret_word[len] = '\0';
    *text = colon + 1;
    return true;
}

int hooks_ports_add(struct hooks_ports *ports, const char *text, bool dropping)
{
    char hook_name[16], protocol_name[16];
    int hook = -1;

    if (dropping && (!word(&text, hook_name) || (hook = hooks_number(hook_name)) < 0))
        return -EINVAL;
    if (!word(&text, protocol_name))
        return -EINVAL;
    const bool udp = strcmp(protocol_name, "udp") == 0;
    const size_t digits = strspn(text, "0123456789");
    const unsigned long number = digits >= 1 && digits <= 5 && text[0] != '0' ? strtoul(text, NULL, 10) : 0;
    if ((!udp && strcmp(protocol_name, "tcp") != 0) || text[digits] != '\0' || number < 1 || number > 65535)
        return -EINVAL;
    const uint8_t protocol = udp ? IPPROTO_UDP : IPPROTO_TCP;
    uint32_t i = 0;
    while (i < ports->count && (ports->port[i].protocol != protocol || ports->port[i].port != number))
        i++;
    if (i == HOOKS_PORTS_MAX)
        return -ENOSPC;
    if (i == ports->count)
        ports->port[ports->count++] = (struct hooks_port){.protocol = protocol, .port = (uint16_t)number};
    if (dropping)
        ports->port[i].drop_mask |= 1u << hook;
    return 0;
}
