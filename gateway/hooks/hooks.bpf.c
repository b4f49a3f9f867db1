/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only (the kernel lets programs under the GPL alone read packets) */
/* A program at the kernel's five netfilter hooks, IPv4: counts packets by protocol and by the ports that user space
 * asked for, and drops those that it said. Runs in the kernel, once a packet and hook; compiled with clang -target bpf,
 * loaded by hooks.c. Packets are read through a dynptr, which the kernel bounds; types of the kernel are found by name
 * in its BTF, so no header of it is needed. */
#include "gateway/hooks/hooks_map.h"

#include <linux/bpf.h>
#include <linux/in.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define DROP   0 /* NF_DROP */
#define ACCEPT 1 /* NF_ACCEPT */

/* Of the kernel: only what is read here, its place is looked up when the program is loaded. */
struct nf_hook_state {
    __u8 hook;
} __attribute__((preserve_access_index));
struct sk_buff {
    __u32 len;
} __attribute__((preserve_access_index));
struct bpf_nf_ctx {
    const struct nf_hook_state *state;
    struct sk_buff *skb;
};

struct ipv4 {
    __u8 version_len, service;
    __be16 len, id, fragment;
    __u8 ttl, protocol;
    __be16 checksum;
    __be32 src, dst;
};
struct ports {
    __be16 src, dst;
};

extern int bpf_dynptr_from_skb(struct __sk_buff *skb, __u64 flags, struct bpf_dynptr *ptr) __ksym;
extern void *bpf_dynptr_slice(const struct bpf_dynptr *ptr, __u32 offset, void *buffer, __u32 buffer_len) __ksym;

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
    __uint(max_entries, HOOKS_FLOWS_MAX);
    __type(key, struct hooks_key);
    __type(value, struct hooks_flow);
} hooks_flows SEC(".maps");

/* True: drop it. What user space did not enter is not counted. */
static __always_inline bool count(__u8 hook, __u8 protocol, __u16 port, __u32 len)
{
    const struct hooks_key key = {.hook = hook, .protocol = protocol, .port = port};
    struct hooks_flow *flow = bpf_map_lookup_elem(&hooks_flows, &key);

    if (!flow)
        return false;
    flow->packets++;
    flow->bytes += len;
    if (flow->drop == 0)
        return false;
    flow->dropped++;
    return true;
}

SEC("netfilter")
int hooks_prog(struct bpf_nf_ctx *context)
{
    const __u8 hook = context->state->hook;
    const __u32 len = context->skb->len;
    struct bpf_dynptr packet;
    struct ipv4 ip_buffer;
    struct ports ports_buffer;

    if (bpf_dynptr_from_skb((struct __sk_buff *)context->skb, 0, &packet) != 0)
        return ACCEPT;
    const struct ipv4 *ip = bpf_dynptr_slice(&packet, 0, &ip_buffer, sizeof(ip_buffer));
    if (!ip)
        return ACCEPT;
    const bool known = ip->protocol == IPPROTO_UDP || ip->protocol == IPPROTO_TCP;
    if (!known) {
        count(hook, 0, 0, len);
        return ACCEPT;
    }
    const __u8 protocol = ip->protocol;
    bool drop = count(hook, protocol, 0, len);
    /* Ports are in the first fragment alone; on input the kernel has put fragments together. */
    if ((ip->fragment & bpf_htons(0x1fff)) == 0) {
        const struct ports *ports =
            bpf_dynptr_slice(&packet, (ip->version_len & 0xfu) * 4u, &ports_buffer, sizeof(ports_buffer));
        if (ports)
            drop |= count(hook, protocol, bpf_ntohs(ports->dst), len);
    }
    return drop ? DROP : ACCEPT;
}

char hooks_license[] SEC("license") = "GPL";
