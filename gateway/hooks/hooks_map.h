/* What the program at the kernel's netfilter hooks and `tickgate hooks` share. Sizes are fixed: the kernel copies
 * them. */
#ifndef GATEWAY_HOOKS_HOOKS_MAP_H
#define GATEWAY_HOOKS_HOOKS_MAP_H

#include <linux/types.h>

#define HOOKS_COUNT     5    /* prerouting, input, forward, output, postrouting: numbers of the kernel (NF_INET_*) */
#define HOOKS_FLOWS_MAX 256u /* keys: a port that is looked at has one at each hook */

/* What is counted: packets to `port` of `protocol` at `hook`. Port 0: all packets of the protocol, protocol 0: all
 * others. */
struct hooks_key {
    __u8 hook;
    __u8 protocol; /* IPPROTO_UDP, IPPROTO_TCP, 0 */
    __u16 port;    /* destination, host byte order */
};

struct hooks_flow {
    __u64 packets, bytes; /* of the IPv4 packet */
    __u64 dropped;        /* of these packets */
    __u32 drop;           /* drop them. Writer: user space, before the program is attached */
    __u32 reserved;
};

#endif
