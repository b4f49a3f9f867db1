/* Ethernet II, up to two VLAN tags, IPv4, UDP: bytes of a frame to a view of its datagram.
 *
 * Called by the rx loop for each frame and by `tickgate inspect`, on any thread; pure. The UDP length rules: captures
 * carry Ethernet padding and frame check sequences behind it. frame_parse does not verify checksums: NICs do that, and
 * real captures have wrong ones (scrubbed addresses, offload). */
#ifndef FEED_FRAME_H
#define FEED_FRAME_H

#include "feed/wire.h"
#include "ring/check.h"

#include <stdbool.h>
#include <stdint.h>

enum frame_verdict {
    FRAME_UDP = 0,       /* view is filled */
    FRAME_SHORT,         /* cut off inside a header */
    FRAME_NOT_IPV4,      /* other Ethernet type: ARP, IPv6, LLDP, a third VLAN tag ... */
    FRAME_BAD_IP,        /* version, header length or total length impossible (shorter than its header; longer than a
                          * frame that holds the whole datagram by its UDP length) */
    FRAME_NOT_UDP,       /* TCP, ICMP, IGMP ... */
    FRAME_FRAGMENT,      /* a piece of a fragmented datagram: feeds set DF */
    FRAME_BAD_UDP,       /* UDP length < 8 or beyond the IP payload or the frame (a capture cut by its snap length) */
    FRAME_VERDICT_COUNT
};

struct frame_view {
    const uint8_t *payload; /* UDP payload, inside the frame */
    uint32_t payload_len;   /* bytes, 0 ... 65507 */
    uint32_t src_ip;        /* host byte order */
    uint32_t dst_ip;
    uint16_t src_port;
    uint16_t dst_port;
};

/* Name of a verdict as it stands in reports: "udp", "short", "not_ipv4" ...; "unknown" beyond the last. */
const char *frame_verdict_name(enum frame_verdict verdict);

/* ---- what feeds send ---- */

struct frame_ether_wire { /* IEEE 802.3 */
    uint8_t dst[6];
    uint8_t src[6];
    struct be16 type;
};

struct frame_ipv4_wire { /* RFC 791, without options */
    uint8_t version_ihl;
    uint8_t tos;
    struct be16 total_len; /* header and payload */
    struct be16 id;
    struct be16 fragment;
    uint8_t ttl;
    uint8_t protocol;
    struct be16 checksum;
    struct be32 src;
    struct be32 dst;
};

struct frame_udp_wire { /* RFC 768 */
    struct be16 src_port;
    struct be16 dst_port;
    struct be16 len; /* header and payload */
    struct be16 checksum;
};

#define FRAME_ETHER_LEN 14u
#define FRAME_VLAN_LEN  4u
#define FRAME_IPV4_LEN  20u
#define FRAME_UDP_LEN   8u
/* Every frame on a wire has 60 bytes or more, so one compare covers the headers with and without a tag. */
#define FRAME_PLAIN_LEN (FRAME_ETHER_LEN + FRAME_VLAN_LEN + FRAME_IPV4_LEN + FRAME_UDP_LEN)

_Static_assert(sizeof(struct frame_ether_wire) == FRAME_ETHER_LEN, "IEEE 802.3");
_Static_assert(sizeof(struct frame_ipv4_wire) == FRAME_IPV4_LEN, "RFC 791");
_Static_assert(sizeof(struct frame_udp_wire) == FRAME_UDP_LEN, "RFC 768");

#define FRAME_ETHER_TYPE_IPV4   0x0800u
#define FRAME_IPV4_NO_OPTIONS   0x45u
#define FRAME_IPV4_PROTOCOL_UDP 17u
/* More-fragments bit and offset: not zero in every piece of a fragmented datagram, zero in a whole one. */
#define FRAME_IPV4_FRAGMENT_MASK 0x3fffu
#define FRAME_TYPE_VERSION (FRAME_ETHER_TYPE_IPV4 << 16 | FRAME_IPV4_NO_OPTIONS << 8) /* any type of service */
#define FRAME_FRAGMENT_PROTOCOL (FRAME_IPV4_FRAGMENT_MASK << 16 | 0xffu) /* without the time to live in between */

static inline void frame_view_datagram(const struct frame_ipv4_wire *ip, const struct frame_udp_wire *udp,
                                       uint32_t udp_len, struct frame_view *ret_view)
{
    ret_view->payload = (const uint8_t *)udp + FRAME_UDP_LEN;
    ret_view->payload_len = udp_len - FRAME_UDP_LEN;
    ret_view->src_ip = load_be32(&ip->src);
    ret_view->dst_ip = load_be32(&ip->dst);
    ret_view->src_port = load_be16(&udp->src_port);
    ret_view->dst_port = load_be16(&udp->dst_port);
}

/* What feeds send, behind a header of `tag_len` bytes more than Ethernet's; false: something else, or cut off. Headers
 * are compared a word at a time, lengths by the signs of their differences: one branch for all of it. */
static inline bool frame_parse_plain(const uint8_t *frame, uint32_t frame_len, uint32_t tag_len,
                                     struct frame_view *ret_view)
{
    const uint8_t *at = frame + FRAME_ETHER_LEN + tag_len;
    const struct frame_ipv4_wire *ip = (const struct frame_ipv4_wire *)at;
    const struct frame_udp_wire *udp = (const struct frame_udp_wire *)(at + FRAME_IPV4_LEN);
    const uint32_t type_version = load_be32(at - 2);             /* type, version and length, type of service */
    const uint32_t fragment_protocol = load_be32(&ip->fragment); /* fragment, time to live, protocol */
    const uint32_t total_len = load_be16(&ip->total_len);
    const uint32_t udp_len = load_be16(&udp->len);
    const uint32_t differs = ((type_version & 0xffffff00u) ^ FRAME_TYPE_VERSION) |
                             ((fragment_protocol & FRAME_FRAGMENT_PROTOCOL) ^ FRAME_IPV4_PROTOCOL_UDP);
    const uint32_t too_long = (udp_len - FRAME_UDP_LEN) | (total_len - FRAME_IPV4_LEN - udp_len) |
                              (frame_len - FRAME_ETHER_LEN - tag_len - total_len);

    if (UNLIKELY((differs | too_long >> 31) != 0))
        return false;
    frame_view_datagram(ip, udp, udp_len, ret_view);
    return true;
}

/* frame_parse for any frame: the whole rule. */
enum frame_verdict frame_parse_any(const uint8_t *frame, uint32_t frame_len, struct frame_view *ret_view);

/* Parse a frame of `frame_len` bytes. `ret_view` is written only with FRAME_UDP. Never reads past the end. */
static inline enum frame_verdict frame_parse(const uint8_t *frame, uint32_t frame_len, struct frame_view *ret_view)
{
    if (LIKELY(frame_len >= FRAME_PLAIN_LEN) && LIKELY(frame_parse_plain(frame, frame_len, 0, ret_view)))
        return FRAME_UDP;
    return frame_parse_any(frame, frame_len, ret_view);
}

/* Are the checksums of the IPv4 header (RFC 791) and of the datagram (RFC 768; 0 = none was sent, good) right? Only for
 * a frame that frame_parse has accepted with this view; takes time with the datagram's length. */
bool frame_checksum_good(const uint8_t *frame, uint32_t frame_len, const struct frame_view *view);
/* Make them right after a change of the datagram; where none was sent, none is. Only for such a frame. */
void frame_checksum_set(uint8_t *frame, uint32_t frame_len, const struct frame_view *view);

#endif
