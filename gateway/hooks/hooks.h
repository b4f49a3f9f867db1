/* `tickgate hooks`: what the kernel's path does with packets, seen at its five netfilter hooks while it happens, and
 * packets dropped there on purpose. Main thread; starts no EAL. Root. The program is in hooks.bpf.c; it is attached by
 * links that end with this process, however it ends. */
#ifndef GATEWAY_HOOKS_HOOKS_H
#define GATEWAY_HOOKS_HOOKS_H

#include "gateway/hooks/hooks_map.h"

#include <stdbool.h>
#include <stdint.h>

#define HOOKS_PORTS_MAX ((HOOKS_FLOWS_MAX - 3u * HOOKS_COUNT) / HOOKS_COUNT)

/* One port that is looked at, and the hooks at which its packets are dropped. */
struct hooks_port {
    uint8_t protocol;
    uint16_t port;      /* 1 ... 65535, host byte order */
    uint32_t drop_mask; /* a bit for each hook */
};
struct hooks_ports {
    struct hooks_port port[HOOKS_PORTS_MAX];
    uint32_t count;
};

/* The kernel's number of a hook, by its name in nftables; -1: there is none called so. */
int hooks_number(const char *name);
const char *hooks_name(uint32_t hook);
/* `text`: "udp:26477", or with `dropping` "input:udp:26477". 0: entered, once for each port. -EINVAL: it is none;
 * -ENOSPC: HOOKS_PORTS_MAX are entered. */
int hooks_ports_add(struct hooks_ports *ports, const char *text, bool dropping);

/* The sub-command; see gateway/cmd/cmd.h. */
int cmd_hooks(int argc, char **argv);

#endif
