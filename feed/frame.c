/* Frame parsing: where a datagram begins and ends. Contract in frame.h, and what feeds send: Ethernet, IPv4 without
 * options, whole datagrams. Everything else, tags and refusals included, is here: one header after the other, until the
 * reason is found. No checksum is verified, no state kept, and no view written of a frame that is refused. */
#include "feed/frame.h"

/* IEEE 802.1Q */
struct vlan_wire {
    struct be16 tci;
    struct be16 type; /* of what follows: takes the place of frame_ether_wire.type */
};
_Static_assert(sizeof(struct vlan_wire) == FRAME_VLAN_LEN, "IEEE 802.1Q");

#define ETHER_TYPE_VLAN 0x8100u
#define ETHER_TYPE_QINQ 0x88a8u
#define VLAN_TAGS_MAX   2u

static inline bool is_vlan(uint32_t type)
{
    return (type == ETHER_TYPE_VLAN) | (type == ETHER_TYPE_QINQ);
}

/* The whole rule, header by header. */
static enum frame_verdict parse_headers(const uint8_t *frame, uint32_t frame_len, struct frame_view *ret_view)
{
    if (frame_len < FRAME_ETHER_LEN)
        return FRAME_SHORT;
    uint32_t type = load_be16(&((const struct frame_ether_wire *)frame)->type);
    const uint8_t *at = frame + FRAME_ETHER_LEN;
    uint32_t left = frame_len - FRAME_ETHER_LEN;

    for (uint32_t tags = 0; tags < VLAN_TAGS_MAX && is_vlan(type); tags++) {
        if (left < FRAME_VLAN_LEN)
            return FRAME_SHORT;
        type = load_be16(&((const struct vlan_wire *)at)->type);
        at += FRAME_VLAN_LEN;
        left -= FRAME_VLAN_LEN;
    }
    if (type != FRAME_ETHER_TYPE_IPV4)
        return FRAME_NOT_IPV4;

    if (left < FRAME_IPV4_LEN)
        return FRAME_SHORT;
    const struct frame_ipv4_wire *ip = (const struct frame_ipv4_wire *)at;
    const uint32_t ip_left = left;
    const uint32_t header_len = (ip->version_ihl & 0x0fu) * 4u;
    const uint32_t total_len = load_be16(&ip->total_len);
    if (ip->version_ihl >> 4 != 4 || header_len < FRAME_IPV4_LEN || total_len < header_len)
        return FRAME_BAD_IP;
    if (left < header_len)
        return FRAME_SHORT;
    if (ip->protocol != FRAME_IPV4_PROTOCOL_UDP)
        return FRAME_NOT_UDP;
    if ((load_be16(&ip->fragment) & FRAME_IPV4_FRAGMENT_MASK) != 0)
        return FRAME_FRAGMENT;
    at += header_len;
    left -= header_len;

    if (left < FRAME_UDP_LEN)
        return FRAME_SHORT;
    const struct frame_udp_wire *udp = (const struct frame_udp_wire *)at;
    const uint32_t udp_len = load_be16(&udp->len);
    if (udp_len < FRAME_UDP_LEN || udp_len > total_len - header_len || udp_len > left)
        return FRAME_BAD_UDP;
    if (total_len > ip_left)
        return FRAME_BAD_IP;
    frame_view_datagram(ip, udp, udp_len, ret_view);
    return FRAME_UDP;
}

enum frame_verdict frame_parse_any(const uint8_t *frame, uint32_t frame_len, struct frame_view *ret_view)
{
    if (frame_len >= FRAME_PLAIN_LEN && is_vlan(load_be16(&((const struct frame_ether_wire *)frame)->type)) &&
        frame_parse_plain(frame, frame_len, FRAME_VLAN_LEN, ret_view))
        return FRAME_UDP;
    return parse_headers(frame, frame_len, ret_view);
}

/* Where the IPv4 header of an accepted frame begins. */
static uint32_t ip_offset(const uint8_t *frame)
{
    uint32_t at = FRAME_ETHER_LEN;

    while (is_vlan(load_be16(frame + at - 2)))
        at += FRAME_VLAN_LEN;
    return at;
}

/* Sum of the 16-bit words, not folded, as this host reads them: the ones' complement sum is the same in either byte
 * order but for a swap of its two bytes (RFC 1071 section 2B). Halves of 32 bits cannot overflow in 64 KiB, and a
 * compiler adds several at once. */
static uint64_t sum_words(const uint8_t *bytes, uint32_t len)
{
    uint64_t sum = 0, word;

    for (; len >= sizeof(word); bytes += sizeof(word), len -= (uint32_t)sizeof(word)) {
        memcpy(&word, bytes, sizeof(word));
        sum += (word & UINT32_MAX) + (word >> 32);
    }
    word = 0;
    memcpy(&word, bytes, len);
    return sum + (word & UINT32_MAX) + (word >> 32);
}

static uint16_t fold(uint64_t sum)
{
    sum = (sum & UINT32_MAX) + (sum >> 32);
    sum = (sum & 0xffffu) + (sum >> 16);
    sum = (sum & 0xffffu) + (sum >> 16);
    sum = (sum & 0xffffu) + (sum >> 16);
    return (uint16_t)sum;
}

static uint64_t sum_ip(const struct frame_ipv4_wire *ip)
{
    return sum_words((const uint8_t *)ip, (ip->version_ihl & 0x0fu) * 4u);
}

/* The datagram and its pseudo header: addresses, protocol, UDP length. */
static uint64_t sum_udp(const struct frame_ipv4_wire *ip, const struct frame_udp_wire *udp)
{
    const uint8_t pseudo[4] = {0, FRAME_IPV4_PROTOCOL_UDP, udp->len.b[0], udp->len.b[1]};

    return sum_words(ip->src.b, sizeof(ip->src) + sizeof(ip->dst)) + sum_words(pseudo, sizeof(pseudo)) +
           sum_words((const uint8_t *)udp, load_be16(&udp->len));
}

bool frame_checksum_good(const uint8_t *frame, uint32_t frame_len, const struct frame_view *view)
{
    const struct frame_ipv4_wire *ip = (const struct frame_ipv4_wire *)(frame + ip_offset(frame));
    const struct frame_udp_wire *udp = (const struct frame_udp_wire *)(view->payload - FRAME_UDP_LEN);

    DCHECK(view->payload + view->payload_len <= frame + frame_len);
    if (UNLIKELY(fold(sum_ip(ip)) != 0xffff))
        return false;
    return load_be16(&udp->checksum) == 0 || fold(sum_udp(ip, udp)) == 0xffff;
}

void frame_checksum_set(uint8_t *frame, uint32_t frame_len, const struct frame_view *view)
{
    struct frame_ipv4_wire *ip = (struct frame_ipv4_wire *)(frame + ip_offset(frame));
    struct frame_udp_wire *udp = (struct frame_udp_wire *)(frame + (view->payload - frame) - FRAME_UDP_LEN);
    uint16_t checksum;

    DCHECK(view->payload + view->payload_len <= frame + frame_len);
    memset(&ip->checksum, 0, sizeof(ip->checksum));
    checksum = (uint16_t)~fold(sum_ip(ip));
    memcpy(&ip->checksum, &checksum, sizeof(checksum));
    if (load_be16(&udp->checksum) == 0)
        return;
    memset(&udp->checksum, 0, sizeof(udp->checksum));
    checksum = (uint16_t)~fold(sum_udp(ip, udp));
    checksum = checksum != 0 ? checksum : 0xffff; /* 0 would mean "none" */
    memcpy(&udp->checksum, &checksum, sizeof(checksum));
}

const char *frame_verdict_name(enum frame_verdict verdict)
{
    static const char *const names[FRAME_VERDICT_COUNT] = {
        [FRAME_UDP] = "udp",         [FRAME_SHORT] = "short",     [FRAME_NOT_IPV4] = "not_ipv4",
        [FRAME_BAD_IP] = "bad_ip",   [FRAME_NOT_UDP] = "not_udp", [FRAME_FRAGMENT] = "fragment",
        [FRAME_BAD_UDP] = "bad_udp",
    };
    return (unsigned)verdict < FRAME_VERDICT_COUNT ? names[verdict] : "unknown";
}
