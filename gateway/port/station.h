/* What a station on a LAN owes its neighbours for its address: answers to ARP requests and to pings. For feed ports,
 * whose address no kernel has; the order port has lwIP. Pure: a frame in, the answer out, on the port that it came from
 * and no other; nothing is ever forwarded. Called by membership on the control thread. */
#ifndef GATEWAY_PORT_STATION_H
#define GATEWAY_PORT_STATION_H

#include <stdbool.h>
#include <stdint.h>

#define STATION_FRAME_MAX 1522u /* Ethernet with two VLAN tags */
#define STATION_IPS_MAX 17u
#define STATION_RATE_PER_S 1000u /* answers */
#define STATION_RATE_BURST 200u

enum station_verdict {
    STATION_ARP = 0,        /* an ARP request for us: there is an answer */
    STATION_ECHO,           /* an ICMP echo request to us: there is an answer */
    STATION_IGMP,           /* for igmp: ret_len says where its IPv4 header begins */
    STATION_CONFLICT,       /* another station says that our address is its own (RFC 5227 section 2.4) */
    STATION_FOREIGN,        /* not for us, or nothing that is answered */
    STATION_VLAN,           /* IGMP of another VLAN than ours */
    STATION_SHORT,          /* cut off, or lengths that contradict each other */
    STATION_LONG,           /* an echo request longer than an Ethernet frame */
    STATION_FRAGMENT,
    STATION_BAD_CHECKSUM,
    STATION_BAD_SOURCE,     /* an answer would not go to one other station */
    STATION_LIMITED,        /* more than STATION_RATE_PER_S */
    STATION_VERDICT_COUNT
};

/* "arp", "echo" ...; "unknown" beyond the last. */
const char *station_verdict_name(enum station_verdict verdict);

struct station {
    uint8_t mac[6];
    uint32_t ip[STATION_IPS_MAX];   /* host byte order */
    uint32_t ip_count;
    uint16_t vlan;                  /* of IGMP; 0 = untagged. ARP and pings are answered in the VLAN of their request */
    uint64_t tokens, tokens_ns;
    uint64_t verdict_count[STATION_VERDICT_COUNT]; /* writer: the control thread */
};

void station_init(struct station *station, const uint8_t mac[6], uint16_t vlan);
/* False: more than STATION_IPS_MAX. */
bool station_ip_add(struct station *station, uint32_t ip);

/* A frame of `len` bytes arrived. Counted. With STATION_ARP and STATION_ECHO ret_reply is the answer of *ret_len bytes,
 * at least 60; with STATION_IGMP *ret_len is an offset into the frame. Never reads past the end. */
enum station_verdict station_receive(struct station *station, const uint8_t *frame, uint32_t len, uint64_t now_ns,
                                     uint8_t ret_reply[STATION_FRAME_MAX], uint32_t *ret_len);

#endif
