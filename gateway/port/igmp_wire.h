/* IGMP on the wire, as a host sees it: packets of others to what they say, and our own messages to whole Ethernet
 * frames. Called by igmp alone, on the control thread; pure. IGMPv2 is RFC 2236, IGMPv3 is RFC 3376, IGMPv1 the query
 * and report of RFC 1112 as those two describe them. */
#ifndef GATEWAY_PORT_IGMP_WIRE_H
#define GATEWAY_PORT_IGMP_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#define IGMP_ALL_SYSTEMS 0xe0000001u /* 224.0.0.1: general queries; never reported */
#define IGMP_ALL_ROUTERS 0xe0000002u /* 224.0.0.2: leaves of version 2 */
#define IGMP_V3_ROUTERS 0xe0000016u  /* 224.0.0.22: reports of version 3 */
#define IGMP_FRAME_MAX 1514u
#define IGMP_NS_PER_S UINT64_C(1000000000)

enum igmp_verdict {
    IGMP_QUERY = 0,         /* a querier asks */
    IGMP_REPORT,            /* another host reports a group, version 1 or 2 */
    IGMP_IDLE,              /* nothing for a host to do: reports of version 3, leaves, other types, our own echo */
    IGMP_SHORT,             /* cut off */
    IGMP_BAD_IP,            /* not a whole IPv4 packet of protocol 2 */
    IGMP_BAD_IP_CHECKSUM,
    IGMP_BAD_CHECKSUM,      /* over the IP payload (RFC 3376 section 4.1.2) */
    IGMP_BAD_TTL,           /* not 1: it came over a router (RFC 3376 section 4) */
    IGMP_NO_ALERT,          /* a query of version 3 without Router Alert (RFC 3376 section 9.1) */
    IGMP_BAD_SOURCE,        /* not the address of one other host */
    IGMP_BAD_DESTINATION,   /* neither what it asks about, nor all systems, nor us (RFC 3376 sections 4.1.12, 9.1) */
    IGMP_BAD_LENGTH,        /* 9 to 11 bytes, or more sources than bytes (RFC 3376 section 7.1) */
    IGMP_BAD_GROUP,         /* neither 0 nor multicast, or sources without a group */
    IGMP_LIMITED,           /* more than IGMP_RATE_PER_S: not looked at */
    IGMP_VERDICT_COUNT
};

/* "query", "no_router_alert" ...; "unknown" beyond the last. */
const char *igmp_verdict_name(enum igmp_verdict verdict);

struct igmp_packet {
    uint8_t version;        /* 1 ... 3 */
    uint8_t robustness;     /* querier's robustness variable (QRV), 0 = not told */
    uint32_t group;         /* host byte order, like all addresses here; 0 = general query */
    uint32_t source_ip;
    uint64_t max_resp_ns;   /* maximum response time */
    uint32_t interval_s;    /* querier's query interval (QQIC), 0 = not told */
    uint32_t source_count;  /* of a group-and-source query */
    const uint8_t *sources; /* big-endian, inside the packet */
};

/* Parse an IPv4 packet, from its header on; `len` counts whatever the frame has from there, padding included.
 * `our_ip`: ours, 0 = none. ret_packet is written only with IGMP_QUERY and IGMP_REPORT. Never reads past the end. */
enum igmp_verdict igmp_wire_parse(const uint8_t *packet, uint32_t len, uint32_t our_ip, struct igmp_packet *ret_packet);

/* The time that a maximum response code or a querier's query interval code stands for (RFC 3376 sections 4.1.1, 4.1.7):
 * from 128 up it is a small floating-point number. */
uint32_t igmp_wire_code(uint8_t code);

/* Messages of version 1 and 2: {type, group} in a packet of its own. */
enum igmp_type { IGMP_TYPE_QUERY = 0x11, IGMP_TYPE_V1_REPORT = 0x12, IGMP_TYPE_V2_REPORT = 0x16, IGMP_TYPE_LEAVE = 0x17,
                 IGMP_TYPE_V3_REPORT = 0x22 };
/* Records of a report of version 3 (RFC 3376 section 4.2.12). */
enum igmp_record { IGMP_IS_IN = 1, IGMP_IS_EX, IGMP_TO_IN, IGMP_TO_EX, IGMP_ALLOW, IGMP_BLOCK };

/* The frame of one message of version 1 or 2, to the group, a leave to all routers; TTL 1, Router Alert, both checksums
 * right, padded with zeros. Returns its bytes. */
uint32_t igmp_wire_encode(const uint8_t mac[6], uint32_t our_ip, enum igmp_type type, uint32_t group,
                          uint8_t ret_frame[IGMP_FRAME_MAX]);

/* A report of version 3 in the making: begin, then add records while they fit into `mtu` bytes of IP, then end, which
 * returns the frame's bytes, 0 if it has no record. Add: false, and nothing is written, when it does not fit. */
struct igmp_report {
    uint8_t *frame;
    uint32_t len, len_max; /* bytes of the frame */
    uint16_t record_count;
};
void igmp_report_begin(struct igmp_report *report, uint8_t ret_frame[IGMP_FRAME_MAX], uint16_t mtu);
bool igmp_report_add(struct igmp_report *report, enum igmp_record type, uint32_t group, const uint32_t *sources,
                     uint32_t source_count);
uint32_t igmp_report_end(struct igmp_report *report, const uint8_t mac[6], uint32_t our_ip);

#endif
