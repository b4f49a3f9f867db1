/* Ethernet II, up to two VLAN tags, IPv4, UDP: bytes of a frame to a view of its datagram.
 *
 * Called by the rx loop for each frame and by `tickgate inspect`, on any thread; pure. The UDP length rules: captures
 * carry Ethernet padding and frame check sequences behind it. frame_parse does not verify checksums: NICs do that, and
 * real captures have wrong ones (scrubbed addresses, offload). */
#ifndef FEED_FRAME_H
#define FEED_FRAME_H

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

/* Parse a frame of `frame_len` bytes. `ret_view` is written only with FRAME_UDP. Never reads past the end. */
enum frame_verdict frame_parse(const uint8_t *frame, uint32_t frame_len, struct frame_view *ret_view);

/* Are the checksums of the IPv4 header (RFC 791) and of the datagram (RFC 768; 0 = none was sent, good) right? Only for
 * a frame that frame_parse has accepted with this view; takes time with the datagram's length. */
bool frame_checksum_good(const uint8_t *frame, uint32_t frame_len, const struct frame_view *view);
/* Make them right after a change of the datagram; where none was sent, none is. Only for such a frame. */
void frame_checksum_set(uint8_t *frame, uint32_t frame_len, const struct frame_view *view);

#endif
