/* See aside.h. */
#include "gateway/port/aside.h"

#include "feed/wire.h"

#include <string.h>

#define ETHER_LEN 14u
#define VLAN_LEN 4u
#define IPV4_LEN 20u
#define ARP_LEN 28u
#define TYPE_IPV4 0x0800u
#define TYPE_ARP 0x0806u
#define TYPE_VLAN 0x8100u
#define TYPE_QINQ 0x88a8u
#define PROTOCOL_ICMP 1u
#define PROTOCOL_IGMP 2u
#define VLAN_TAGS_MAX 2u

void aside_init(struct aside *aside)
{
    memset(aside, 0, sizeof(*aside));
    ck_ring_init(&aside->ring, ASIDE_FRAMES);
}

static bool ours(const struct aside *aside, uint32_t ip)
{
    for (uint32_t i = 0; i < aside->ip_count; i++)
        if (aside->ip[i] == ip)
            return true;
    return false;
}

bool aside_ip_add(struct aside *aside, uint32_t ip)
{
    if (ours(aside, ip))
        return true;
    if (aside->ip_count == ASIDE_IPS_MAX)
        return false;
    aside->ip[aside->ip_count++] = ip;
    return true;
}

bool aside_wants(const struct aside *aside, const uint8_t *frame, uint32_t len)
{
    uint32_t at = ETHER_LEN;

    for (uint32_t tags = 0; len >= at; tags++, at += VLAN_LEN) {
        const uint32_t type = load_be16(frame + at - 2);
        if (type == TYPE_ARP) /* RFC 826: the target's protocol address is its last field */
            return len >= at + ARP_LEN && ours(aside, load_be32(frame + at + ARP_LEN - 4));
        if (type == TYPE_IPV4 && len >= at + IPV4_LEN)
            return frame[at + 9] == PROTOCOL_IGMP ? aside->igmp
                                                  : frame[at + 9] == PROTOCOL_ICMP &&
                                                        ours(aside, load_be32(frame + at + 16));
        if (tags == VLAN_TAGS_MAX || (type != TYPE_VLAN && type != TYPE_QINQ))
            return false;
    }
    return false;
}

void aside_offer(struct aside *aside, struct rte_mbuf *frame)
{
    if (!aside_wants(aside, rte_pktmbuf_mtod(frame, const uint8_t *), frame->data_len))
        return;
    rte_mbuf_refcnt_update(frame, 1); /* before anybody else may free it */
    if (ck_ring_enqueue_spsc(&aside->ring, aside->slots, frame)) {
        __atomic_store_n(&aside->taken_count, aside->taken_count + 1, __ATOMIC_RELAXED);
        return;
    }
    rte_mbuf_refcnt_update(frame, -1);
    __atomic_store_n(&aside->full_count, aside->full_count + 1, __ATOMIC_RELAXED);
}

struct rte_mbuf *aside_take(struct aside *aside)
{
    void *frame;

    return ck_ring_dequeue_spsc(&aside->ring, aside->slots, &frame) ? frame : NULL;
}
