/* The link of a port: lost and back again, seen, counted, told. A port on an interface of the kernel follows that
 * interface (AF_XDP's and AF_PACKET's drivers say "up" whatever happens), others their driver, by interrupt where it
 * has one. Hot threads know nothing of it: without a link nothing comes, and what is sent is lost as on any network;
 * sessions and feeds recover when it is back. Control thread; counters may be read by any. */
#ifndef GATEWAY_PORT_PORT_LINK_H
#define GATEWAY_PORT_PORT_LINK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct port_link {
    bool looked;
    bool known; /* it has been up: before that a peer that has not come yet is no loss */
    bool up;
    uint64_t lost_count, back_count; /* writer: control thread; readers: any */
    uint64_t seen_ns;                /* the newest look */
    uint64_t down_ns;                /* time without link since it was up first */
    bool said_up;                    /* the newest that was told, and when */
    uint64_t said_ns;
    uint32_t event_count; /* link interrupts. writer: the EAL's interrupt thread; reader: control thread */
    uint32_t seen_count;  /* of these, looked at */
};

/* What one look found: the link is `up` at `now_ns`; `event_count` interrupts came so far. A loss and a return
 * between two looks, known from two interrupts, count too. True: it has come up since the look before. Pure. */
bool port_link_seen(struct port_link *link, bool up, uint32_t event_count, uint64_t now_ns);
/* What there is to tell, at most one line a second for a port, and nothing before the link was up once. False:
 * nothing. */
bool port_link_tell(struct port_link *link, const char *name, uint64_t now_ns, FILE *out);

#endif
