/* Control traffic of a feed's port, put aside by the rx lcore for the control thread: ARP and ICMP for an address of
 * ours, and IGMP. One ck_ring for each receive queue, made before armed; frames cross by reference and are freed by the
 * control thread. The rx lcore looks only at frames that are no datagram of a feed anyway, and never waits: what finds
 * no room is freed and counted. */
#ifndef GATEWAY_PORT_ASIDE_H
#define GATEWAY_PORT_ASIDE_H

#include <ck_ring.h>
#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>

#define ASIDE_FRAMES 256u /* slots, a power of two; one less can wait at a time */
#define ASIDE_IPS_MAX 17u /* of a port: its own, and that of each feed that sends requests through it */

struct aside {
    /* read-mostly */
    uint32_t ip[ASIDE_IPS_MAX];        /* ours, host byte order */
    uint32_t ip_count;
    bool igmp;                         /* IGMP is wanted: memberships are our own */
    /* counters: writer the rx lcore, readers any */
    uint64_t taken_count;
    uint64_t full_count;               /* no room: the control thread is behind */
    /* producer: the rx lcore, consumer: the control thread */
    ck_ring_t ring CK_CC_CACHELINE;
    ck_ring_buffer_t slots[ASIDE_FRAMES];
};

/* Nothing is wanted yet. Before armed. */
void aside_init(struct aside *aside);
/* ARP and ICMP for this address are wanted. The same one again is no second. False: too many. Before armed. */
bool aside_ip_add(struct aside *aside, uint32_t ip);

/* Is a frame of `len` bytes wanted? Ethernet II, up to two VLAN tags. Never reads past the end; pure. */
bool aside_wants(const struct aside *aside, const uint8_t *frame, uint32_t len);

/* rx lcore: a frame that is no datagram. If it is wanted it is kept, with a reference of its own; the caller frees his
 * as ever. One piece only. */
void aside_offer(struct aside *aside, struct rte_mbuf *frame);

/* Control thread: the next frame, to be freed; NULL: none. */
struct rte_mbuf *aside_take(struct aside *aside);

#endif
