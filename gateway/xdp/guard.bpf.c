/* The XDP guard: what may pass from a feed interface to the gateway's AF_XDP socket, what belongs to the kernel, and
 * what is dropped before it costs anybody anything. Runs in the kernel, in the driver's receive path, once a frame;
 * compiled with clang -target bpf, loaded by xdp_guard.c. Never looks beyond the frame's end, and looks at headers
 * alone.
 *
 * The program's name, the map xsks_map and the two lines at the end are libxdp's marks of a program that AF_XDP
 * sockets may join (libxdp 1.3, lib/libxdp/xsk.c): so the DPDK driver puts its sockets into this one instead of
 * attaching its own, on any number of queues. */
#include "gateway/xdp/guard_map.h"

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <stdbool.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define VLAN_TAGS_MAX 2
#define UDP_LEN       8u
#define TCP_LEN       20u

struct ether {
    __u8 dst[6], src[6];
    __be16 type;
};
struct vlan {
    __be16 tci, type;
};
struct arp {
    __be16 hardware, protocol;
    __u8 hardware_len, protocol_len;
    __be16 operation;
    __u8 sender_mac[6], sender_ip[4], target_mac[6], target_ip[4];
};
struct ipv4 {
    __u8 version_len, service;
    __be16 len, id, fragment;
    __u8 ttl, protocol;
    __be16 checksum;
    __be32 src, dst;
};
struct ipv6 {
    __u8 version[4];
    __be16 len;
    __u8 next, hops;
    __u8 src[16], dst[16];
};
struct ports {
    __be16 src, dst;
};

struct {
    __uint(type, BPF_MAP_TYPE_XSKMAP);
    __uint(max_entries, GUARD_QUEUES_MAX);
    __type(key, __u32);
    __type(value, __u32);
} xsks_map SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, GUARD_FLOWS_MAX);
    __type(key, struct guard_flow_key);
    __type(value, struct guard_flow);
} guard_flows SEC(".maps");

/* Its name is the mark by which a later life of the gateway knows its own. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, GUARD_RULE_COUNT);
    __type(key, __u32);
    __type(value, struct guard_count);
} tickgate_guard SEC(".maps");

/* When the bucket of a source will be full again: one word, so that two CPUs that race lose a token at most. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, GUARD_SOURCES_MAX);
    __type(key, struct guard_source);
    __type(value, __u64);
} guard_buckets SEC(".maps");

int refcnt = 1; /* libxdp counts its sockets here; the one is the gateway's own */
const volatile struct guard_settings guard_settings = {0};

struct frame {
    void *at, *end;
    __u32 queue, len;
};

static __always_inline int counted(const struct frame *frame, __u32 rule, int action)
{
    struct guard_count *count = bpf_map_lookup_elem(&tickgate_guard, &rule);

    if (count) {
        count->frames++;
        count->bytes += frame->len;
    }
    return action;
}

/* The next `len` bytes, or NULL: the frame ends before. */
static __always_inline void *take(struct frame *frame, __u32 len)
{
    void *at = frame->at;

    if (at + len > frame->end)
        return NULL;
    frame->at = at + len;
    return at;
}

static __always_inline int to_socket(const struct frame *frame, __u32 rule)
{
    if (!bpf_map_lookup_elem(&xsks_map, &frame->queue))
        return counted(frame, GUARD_NO_SOCKET, XDP_PASS);
    counted(frame, rule, 0);
    return bpf_redirect_map(&xsks_map, frame->queue, XDP_PASS);
}

static __always_inline int drop(const struct frame *frame, __u32 rule)
{
    return counted(frame, rule, XDP_DROP);
}

/* Has this source used up what it may send? Virtual scheduling: `full_ns` is when its bucket is full again. */
static __always_inline bool flooding(__be32 ip, __u32 rule, __u64 interval_ns, __u64 burst_ns)
{
    const struct guard_source source = {.ip = ip, .rule = rule};

    if (interval_ns == 0)
        return false;
    const __u64 now_ns = bpf_ktime_get_ns();
    __u64 *full_ns = bpf_map_lookup_elem(&guard_buckets, &source);
    if (!full_ns) {
        const __u64 first_ns = now_ns + interval_ns;
        bpf_map_update_elem(&guard_buckets, &source, &first_ns, BPF_ANY);
        return false;
    }
    const __u64 at_ns = *full_ns > now_ns ? *full_ns : now_ns;
    if (at_ns + interval_ns - now_ns > burst_ns)
        return true;
    *full_ns = at_ns + interval_ns;
    return false;
}

/* All that is not feed: to the socket or to the kernel, as far as the source's bucket goes. */
static __always_inline int control(const struct frame *frame, __be32 src, __u32 rule)
{
    if (flooding(src, GUARD_SOURCE_CONTROL, guard_settings.control_interval_ns, guard_settings.control_burst_ns))
        return drop(frame, GUARD_FLOOD);
    if (rule < GUARD_KERNEL_ARP)
        return to_socket(frame, rule);
    return counted(frame, rule, XDP_PASS);
}

static __always_inline const struct guard_flow *flow_of(enum guard_flow_kind kind, __be32 ip, __be16 port)
{
    const struct guard_flow_key key = {.ip = ip, .port = port, .kind = kind};

    return bpf_map_lookup_elem(&guard_flows, &key);
}

static __always_inline bool ours(__be32 ip)
{
    return flow_of(GUARD_HOST, ip, 0) != NULL;
}

static __always_inline __be32 load_ip(const __u8 bytes[4])
{
    return bpf_htonl((__u32)bytes[0] << 24 | (__u32)bytes[1] << 16 | (__u32)bytes[2] << 8 | bytes[3]);
}

static __always_inline int guard_arp(struct frame *frame)
{
    const struct arp *arp = take(frame, sizeof(*arp));

    if (!arp || arp->hardware_len != 6 || arp->protocol_len != 4)
        return drop(frame, GUARD_SHORT);
    return control(frame, load_ip(arp->sender_ip), ours(load_ip(arp->target_ip)) ? GUARD_ARP : GUARD_KERNEL_ARP);
}

/* TCP or UDP that is not ours: does the kernel wait for it? */
static __always_inline int guard_kernel(const struct frame *frame, __be32 src, const struct ports *ports)
{
    if (src != 0 && flow_of(GUARD_FROM, src, ports->src))
        return counted(frame, GUARD_KERNEL_IP, XDP_PASS);
    if (flow_of(GUARD_PORT, 0, ports->dst) || flow_of(GUARD_PORT, 0, ports->src))
        return control(frame, src, GUARD_KERNEL_IP);
    return drop(frame, GUARD_OTHER);
}

static __always_inline int guard_udp(struct frame *frame, const struct ipv4 *ip)
{
    const struct ports *ports = take(frame, UDP_LEN);

    if (!ports)
        return drop(frame, GUARD_SHORT);
    const struct guard_flow *flow = flow_of(GUARD_TO, ip->dst, ports->dst);
    if (!flow)
        return guard_kernel(frame, ip->src, ports);
    if (flow->source != 0 && flow->source != ip->src)
        return drop(frame, GUARD_SOURCE);
    if (flooding(ip->src, GUARD_FEED, guard_settings.feed_interval_ns, guard_settings.feed_burst_ns))
        return drop(frame, GUARD_FLOOD);
    return to_socket(frame, flow->rule == GUARD_REPLY ? GUARD_REPLY : GUARD_FEED);
}

static __always_inline int guard_tcp(struct frame *frame, const struct ipv4 *ip)
{
    const struct ports *ports = take(frame, TCP_LEN);

    if (!ports)
        return drop(frame, GUARD_SHORT);
    if (ours(ip->dst))
        return flow_of(GUARD_FROM, ip->src, ports->src) ? to_socket(frame, GUARD_TCP)
                                                        : control(frame, ip->src, GUARD_TCP);
    return guard_kernel(frame, ip->src, ports);
}

static __always_inline int guard_ipv4(struct frame *frame)
{
    const struct ipv4 *ip = take(frame, sizeof(*ip));

    if (!ip || ip->version_len >> 4 != 4)
        return drop(frame, GUARD_SHORT);
    const __u32 header_len = (ip->version_len & 0xfu) * 4u;
    if (header_len < sizeof(*ip) || bpf_ntohs(ip->len) < header_len)
        return drop(frame, GUARD_SHORT);
    if (!take(frame, header_len - (__u32)sizeof(*ip)))
        return drop(frame, GUARD_SHORT);
    if (ip->fragment & bpf_htons(0x3fff)) /* more fragments, or not the first one */
        return drop(frame, GUARD_FRAGMENT);
    switch (ip->protocol) {
    case IPPROTO_UDP:
        return guard_udp(frame, ip);
    case IPPROTO_TCP:
        return guard_tcp(frame, ip);
    case IPPROTO_ICMP:
        return control(frame, ip->src, ours(ip->dst) ? GUARD_ICMP : GUARD_KERNEL_IP);
    case IPPROTO_IGMP:
        return control(frame, ip->src, guard_settings.igmp_ours ? GUARD_IGMP : GUARD_KERNEL_IP);
    default:
        return drop(frame, GUARD_OTHER);
    }
}

/* The kernel's alone, and of it what a host cannot do without: neighbours, and the ports that the config names. IPv6
 * sources share one bucket. */
static __always_inline int guard_ipv6(struct frame *frame)
{
    const struct ipv6 *ip = take(frame, sizeof(*ip));

    if (!ip)
        return drop(frame, GUARD_SHORT);
    if (ip->next == IPPROTO_ICMPV6 || ip->next == IPPROTO_HOPOPTS)
        return control(frame, 0, GUARD_KERNEL_IP);
    if (ip->next != IPPROTO_TCP && ip->next != IPPROTO_UDP)
        return drop(frame, GUARD_OTHER);
    const struct ports *ports = take(frame, UDP_LEN);
    if (!ports)
        return drop(frame, GUARD_SHORT);
    return guard_kernel(frame, 0, ports);
}

SEC("xdp")
int xsk_def_prog(struct xdp_md *context)
{
    struct frame frame = {
        .at = (void *)(long)context->data, .end = (void *)(long)context->data_end, .queue = context->rx_queue_index};

    frame.len = (__u32)(frame.end - frame.at);
    if (refcnt == 0) /* libxdp: this program is being taken away */
        return XDP_PASS;
    if (guard_settings.open)
        return to_socket(&frame, GUARD_EVERYTHING);
    const struct ether *ether = take(&frame, sizeof(*ether));
    if (!ether)
        return drop(&frame, GUARD_SHORT);
    __be16 type = ether->type;
#pragma unroll
    for (int i = 0; i < VLAN_TAGS_MAX; i++) {
        if (type != bpf_htons(ETH_P_8021Q) && type != bpf_htons(ETH_P_8021AD))
            break;
        const struct vlan *vlan = take(&frame, sizeof(*vlan));
        if (!vlan)
            return drop(&frame, GUARD_SHORT);
        type = vlan->type;
    }
    switch (bpf_ntohs(type)) {
    case ETH_P_IP:
        return guard_ipv4(&frame);
    case ETH_P_ARP:
        return guard_arp(&frame);
    case ETH_P_IPV6:
        return guard_ipv6(&frame);
    case ETH_P_LLDP:
    case ETH_P_SLOW:
    case ETH_P_PAE:
    case ETH_P_1588:
        return control(&frame, 0, GUARD_KERNEL_LINK);
    default: /* IEEE 802.1D, 7.12.6: the group addresses that no bridge forwards */
        if (bpf_ntohs(type) < ETH_P_802_3_MIN && ether->dst[0] == 0x01 && ether->dst[1] == 0x80 &&
            ether->dst[2] == 0xc2 && ether->dst[3] == 0 && ether->dst[4] == 0 && ether->dst[5] < 0x30)
            return control(&frame, 0, GUARD_KERNEL_LINK);
        return drop(&frame, GUARD_OTHER);
    }
}

char guard_license[] SEC("license") = "GPL";
__uint(xsk_prog_version, 1) SEC("xdp_metadata"); /* libxdp's XSK_PROG_VERSION */
