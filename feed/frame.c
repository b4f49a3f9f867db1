/* Frame parsing: where a datagram begins and ends. Contract in frame.h.
 *
 * Called once for each frame of the rx loop, on an rx lcore. What feeds send, Ethernet or one VLAN tag, IPv4 without
 * options, whole datagrams, takes one straight path with branches that go the same way all day. Everything else,
 * refusals included, takes parse_any, which looks at one header after the other and finds the reason. Neither verifies
 * a checksum, keeps state or writes the view of a frame that it refuses. */
#include "feed/frame.h"

#include <string.h>

#include "feed/wire.h"
#include "ring/check.h"

/* IEEE 802.3 and 802.1Q */
struct ether_wire {
    uint8_t dst[6];
    uint8_t src[6];
    struct be16 type;
};

struct vlan_wire {
    struct be16 tci;
    struct be16 type; /* of what follows: takes the place of ether_wire.type */
};

/* RFC 791, without options */
struct ipv4_wire {
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

/* RFC 768 */
struct udp_wire {
    struct be16 src_port;
    struct be16 dst_port;
    struct be16 len; /* header and payload */
    struct be16 checksum;
};

#define ETHER_LEN 14u
#define VLAN_LEN  4u
#define IPV4_LEN  20u
#define UDP_LEN   8u
#define FRAME_LEN_MAX 0x7fffffffu /* of the straight path: lengths are compared by the signs of their differences */

_Static_assert(sizeof(struct ether_wire) == ETHER_LEN, "IEEE 802.3");
_Static_assert(sizeof(struct vlan_wire) == VLAN_LEN, "IEEE 802.1Q");
_Static_assert(sizeof(struct ipv4_wire) == IPV4_LEN, "RFC 791");
_Static_assert(sizeof(struct udp_wire) == UDP_LEN, "RFC 768");

#define ETHER_TYPE_IPV4   0x0800u
#define ETHER_TYPE_VLAN   0x8100u
#define ETHER_TYPE_QINQ   0x88a8u
#define VLAN_TAGS_MAX     2u
#define IPV4_NO_OPTIONS   0x45u
#define IPV4_PROTOCOL_UDP 17u
/* More-fragments bit and offset: not zero in every piece of a fragmented datagram, zero in a whole one. */
#define IPV4_FRAGMENT_MASK 0x3fffu

static inline bool is_vlan(uint32_t type)
{
    return (type == ETHER_TYPE_VLAN) | (type == ETHER_TYPE_QINQ);
}

static inline void view_datagram(const struct ipv4_wire *ip, const struct udp_wire *udp, uint32_t udp_len,
                                 struct frame_view *ret_view)
{
    ret_view->payload = (const uint8_t *)udp + UDP_LEN;
    ret_view->payload_len = udp_len - UDP_LEN;
    ret_view->src_ip = load_be32(&ip->src);
    ret_view->dst_ip = load_be32(&ip->dst);
    ret_view->src_port = load_be16(&udp->src_port);
    ret_view->dst_port = load_be16(&udp->dst_port);
}

/* The whole rule, header by header. Kept out of line so that the fast path stays in two cache lines of code. */
static __attribute__((noinline)) enum frame_verdict parse_any(const uint8_t *frame, uint32_t frame_len,
                                                              struct frame_view *ret_view)
{
    if (frame_len < ETHER_LEN)
        return FRAME_SHORT;
    uint32_t type = load_be16(&((const struct ether_wire *)frame)->type);
    const uint8_t *at = frame + ETHER_LEN;
    uint32_t left = frame_len - ETHER_LEN;

    for (uint32_t tags = 0; tags < VLAN_TAGS_MAX && is_vlan(type); tags++) {
        if (left < VLAN_LEN)
            return FRAME_SHORT;
        type = load_be16(&((const struct vlan_wire *)at)->type);
        at += VLAN_LEN;
        left -= VLAN_LEN;
    }
    if (type != ETHER_TYPE_IPV4)
        return FRAME_NOT_IPV4;

    if (left < IPV4_LEN)
        return FRAME_SHORT;
    const struct ipv4_wire *ip = (const struct ipv4_wire *)at;
    const uint32_t ip_left = left;
    const uint32_t header_len = (ip->version_ihl & 0x0fu) * 4u;
    const uint32_t total_len = load_be16(&ip->total_len);
    if (ip->version_ihl >> 4 != 4 || header_len < IPV4_LEN || total_len < header_len)
        return FRAME_BAD_IP;
    if (left < header_len)
        return FRAME_SHORT;
    if (ip->protocol != IPV4_PROTOCOL_UDP)
        return FRAME_NOT_UDP;
    if ((load_be16(&ip->fragment) & IPV4_FRAGMENT_MASK) != 0)
        return FRAME_FRAGMENT;
    at += header_len;
    left -= header_len;

    if (left < UDP_LEN)
        return FRAME_SHORT;
    const struct udp_wire *udp = (const struct udp_wire *)at;
    const uint32_t udp_len = load_be16(&udp->len);
    if (udp_len < UDP_LEN || udp_len > total_len - header_len || udp_len > left)
        return FRAME_BAD_UDP;
    if (total_len > ip_left)
        return FRAME_BAD_IP;
    view_datagram(ip, udp, udp_len, ret_view);
    return FRAME_UDP;
}

/* What feeds send, behind a header of `tag_len` bytes more than Ethernet's; false: something else, or cut off. Headers
 * are compared a word at a time, lengths by the signs of their differences: one branch for all of it. */
static inline bool parse_plain(const uint8_t *frame, uint32_t frame_len, uint32_t tag_len, struct frame_view *ret_view)
{
    const struct ipv4_wire *ip = (const struct ipv4_wire *)(frame + ETHER_LEN + tag_len);
    const struct udp_wire *udp = (const struct udp_wire *)((const uint8_t *)ip + IPV4_LEN);
    const uint32_t type_version = load_be32((const uint8_t *)ip - 2); /* type, version and length, type of service */
    const uint32_t fragment_protocol = load_be32(&ip->fragment);     /* fragment, time to live, protocol */
    const uint32_t total_len = load_be16(&ip->total_len);
    const uint32_t udp_len = load_be16(&udp->len);
    const uint32_t differs = (type_version >> 8 ^ (ETHER_TYPE_IPV4 << 8 | IPV4_NO_OPTIONS)) |
                             ((fragment_protocol & (IPV4_FRAGMENT_MASK << 16 | 0xffu)) ^ IPV4_PROTOCOL_UDP);
    const uint32_t too_long =
        (udp_len - UDP_LEN) | (total_len - IPV4_LEN - udp_len) | (frame_len - ETHER_LEN - tag_len - total_len);

    if (UNLIKELY((differs | too_long >> 31) != 0))
        return false;
    view_datagram(ip, udp, udp_len, ret_view);
    return true;
}

enum frame_verdict frame_parse(const uint8_t *frame, uint32_t frame_len, struct frame_view *ret_view)
{
    /* Every frame on a wire has 60 bytes or more, so one compare covers the headers with and without a tag. */
    if (LIKELY(frame_len - ETHER_LEN - VLAN_LEN - IPV4_LEN - UDP_LEN <= FRAME_LEN_MAX)) {
        if (LIKELY(parse_plain(frame, frame_len, 0, ret_view)))
            return FRAME_UDP;
        if (is_vlan(load_be16(&((const struct ether_wire *)frame)->type)) &&
            parse_plain(frame, frame_len, VLAN_LEN, ret_view))
            return FRAME_UDP;
    }
    return parse_any(frame, frame_len, ret_view);
}

/* Where the IPv4 header of an accepted frame begins. */
static uint32_t ip_offset(const uint8_t *frame)
{
    uint32_t at = ETHER_LEN;

    while (is_vlan(load_be16(frame + at - 2)))
        at += VLAN_LEN;
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

static uint64_t sum_ip(const struct ipv4_wire *ip)
{
    return sum_words((const uint8_t *)ip, (ip->version_ihl & 0x0fu) * 4u);
}

/* The datagram and its pseudo header: addresses, protocol, UDP length. */
static uint64_t sum_udp(const struct ipv4_wire *ip, const struct udp_wire *udp)
{
    const uint8_t pseudo[4] = {0, IPV4_PROTOCOL_UDP, udp->len.b[0], udp->len.b[1]};

    return sum_words(ip->src.b, sizeof(ip->src) + sizeof(ip->dst)) + sum_words(pseudo, sizeof(pseudo)) +
           sum_words((const uint8_t *)udp, load_be16(&udp->len));
}

bool frame_checksum_good(const uint8_t *frame, uint32_t frame_len, const struct frame_view *view)
{
    const struct ipv4_wire *ip = (const struct ipv4_wire *)(frame + ip_offset(frame));
    const struct udp_wire *udp = (const struct udp_wire *)(view->payload - UDP_LEN);

    DCHECK(view->payload + view->payload_len <= frame + frame_len);
    if (UNLIKELY(fold(sum_ip(ip)) != 0xffff))
        return false;
    return load_be16(&udp->checksum) == 0 || fold(sum_udp(ip, udp)) == 0xffff;
}

void frame_checksum_set(uint8_t *frame, uint32_t frame_len, const struct frame_view *view)
{
    struct ipv4_wire *ip = (struct ipv4_wire *)(frame + ip_offset(frame));
    struct udp_wire *udp = (struct udp_wire *)(frame + (view->payload - frame) - UDP_LEN);
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
