/* What the XDP guard's program in the kernel and xdp_guard.c agree on: rules, keys, values. Included by both, so it
 * holds nothing but layout. Addresses and UDP or TCP ports are in network byte order, as the program finds them. */
#ifndef GATEWAY_XDP_GUARD_MAP_H
#define GATEWAY_XDP_GUARD_MAP_H

#include <linux/types.h>

#define GUARD_FLOWS_MAX   1024u
#define GUARD_SOURCES_MAX 16384u /* token buckets; the least used one makes room */
#define GUARD_QUEUES_MAX  64u

/* Each frame is counted under exactly one. */
enum guard_rule {
    /* to the socket */
    GUARD_FEED,  /* a subscribed group */
    GUARD_REPLY, /* a retransmission server's answer to our own address */
    GUARD_ARP,   /* ARP, TCP, ICMP for our own addresses */
    GUARD_TCP,
    GUARD_ICMP,
    GUARD_IGMP,       /* where membership is ours */
    GUARD_EVERYTHING, /* the guard is open */
    /* to the kernel */
    GUARD_KERNEL_ARP,
    GUARD_KERNEL_IP,   /* ICMP, IGMP, DHCP, PTP, configured peers and ports */
    GUARD_KERNEL_LINK, /* LLDP, LACP, 802.1X, PTP, spanning tree */
    GUARD_NO_SOCKET,   /* was for the socket, but came on a queue that has none */
    /* nowhere */
    GUARD_SHORT,    /* ends before its headers do, or contradicts itself */
    GUARD_FRAGMENT, /* of an IPv4 datagram */
    GUARD_SOURCE,   /* a subscribed group, from another source than the configured one */
    GUARD_FLOOD,    /* its source sends more than its bucket holds */
    GUARD_OTHER,    /* of nobody's interest */
    GUARD_RULE_COUNT
};

/* What a key of guard_flows says; what it leaves out is 0. */
enum guard_flow_kind {
    GUARD_TO,   /* UDP to (ip, port): GUARD_FEED or GUARD_REPLY */
    GUARD_FROM, /* TCP or UDP from (ip, port): a configured peer, which no bucket limits */
    GUARD_HOST, /* ip is ours and not the kernel's: ARP, TCP and ICMP go to the socket */
    GUARD_PORT  /* port, on either side of TCP or UDP, is the kernel's */
};

struct guard_flow_key {
    __be32 ip;
    __be16 port;
    __u8 kind;
    __u8 unused;
};

struct guard_flow {
    __be32 source; /* GUARD_TO: only from this address; 0 = any */
    __u8 rule;     /* GUARD_TO: what it is counted under */
    __u8 unused[3];
};

struct guard_count {
    __u64 frames, bytes;
};

/* Whose bucket. */
struct guard_source {
    __be32 ip;
    __u32 rule; /* GUARD_FEED, or 0xffffffff: all that is not feed */
};
#define GUARD_SOURCE_CONTROL 0xffffffffu

/* Constants of the program, set before it is loaded. */
struct guard_settings {
    __u64 control_interval_ns, control_burst_ns; /* interval 0: no limit */
    __u64 feed_interval_ns, feed_burst_ns;
    __u8 open; /* everything to the socket */
    __u8 igmp_ours;
    __u8 unused[6];
};

#endif
