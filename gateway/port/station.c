/* See station.h. */
#include "gateway/port/station.h"

#include "feed/wire.h"

#include <string.h>

#define ETHER_LEN 14u
#define FRAME_LEN_MIN 60u /* without the check sequence, which the NIC adds */
#define VLAN_LEN 4u
#define VLAN_TAGS_MAX 2u
#define IPV4_LEN 20u
#define IPV4_TTL 64u
#define IPV4_DONT_FRAGMENT 0x4000u
#define IPV4_FRAGMENT_MASK 0x3fffu
#define ICMP_LEN 8u
#define ARP_LEN 28u
#define ETHERNET_IP_MAX 1500u
#define TYPE_IPV4 0x0800u
#define TYPE_ARP 0x0806u
#define TYPE_VLAN 0x8100u
#define TYPE_QINQ 0x88a8u
#define PROTOCOL_ICMP 1u
#define PROTOCOL_IGMP 2u
#define ECHO_REQUEST 8u
#define ARP_REQUEST 1u
#define ARP_REPLY 2u
#define SECOND UINT64_C(1000000000)
#define TOKEN UINT64_C(1000)

static const uint8_t arp_ipv4[6] = {0, 1, 0x08, 0x00, 6, 4}; /* RFC 826: Ethernet, IPv4, and their lengths */

const char *station_verdict_name(enum station_verdict verdict)
{
    static const char *const names[STATION_VERDICT_COUNT] = {
        [STATION_ARP] = "arp",
        [STATION_ECHO] = "echo",
        [STATION_IGMP] = "igmp",
        [STATION_CONFLICT] = "conflict",
        [STATION_FOREIGN] = "foreign",
        [STATION_VLAN] = "other_vlan",
        [STATION_SHORT] = "short",
        [STATION_LONG] = "long",
        [STATION_FRAGMENT] = "fragment",
        [STATION_BAD_CHECKSUM] = "bad_checksum",
        [STATION_BAD_SOURCE] = "bad_source",
        [STATION_LIMITED] = "limited",
    };
    return (unsigned)verdict < STATION_VERDICT_COUNT ? names[verdict] : "unknown";
}

void station_init(struct station *station, const uint8_t mac[6], uint16_t vlan)
{
    memset(station, 0, sizeof(*station));
    memcpy(station->mac, mac, 6);
    station->vlan = vlan;
    station->tokens = STATION_RATE_BURST * TOKEN;
}

static bool ours(const struct station *station, uint32_t ip)
{
    for (uint32_t i = 0; i < station->ip_count; i++)
        if (station->ip[i] == ip)
            return true;
    return false;
}

bool station_ip_add(struct station *station, uint32_t ip)
{
    if (ours(station, ip))
        return true;
    if (station->ip_count == STATION_IPS_MAX)
        return false;
    station->ip[station->ip_count++] = ip;
    return true;
}

static bool token_take(struct station *station, uint64_t now_ns)
{
    const uint64_t passed_ns = now_ns > station->tokens_ns ? now_ns - station->tokens_ns : 0;
    const uint64_t earned = passed_ns >= SECOND ? STATION_RATE_BURST * TOKEN
                                                : passed_ns * STATION_RATE_PER_S / (SECOND / TOKEN);

    if (earned > 0) {
        const uint64_t tokens = station->tokens + earned;
        station->tokens = tokens < STATION_RATE_BURST * TOKEN ? tokens : STATION_RATE_BURST * TOKEN;
        station->tokens_ns = now_ns;
    }
    if (station->tokens < TOKEN)
        return false;
    station->tokens -= TOKEN;
    return true;
}

/* RFC 1071, over big-endian words. 0 over what holds a right checksum. */
static uint16_t checksum(const uint8_t *bytes, uint32_t len)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i + 1 < len; i += 2)
        sum += load_be16(bytes + i);
    if (len & 1)
        sum += (uint32_t)bytes[len - 1] << 8;
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~((sum & 0xffff) + (sum >> 16));
}

static bool one_other(const struct station *station, const uint8_t *mac)
{
    static const uint8_t none[6];

    return (mac[0] & 1) == 0 && memcmp(mac, none, 6) != 0 && memcmp(mac, station->mac, 6) != 0;
}

static uint32_t pad(uint8_t *frame, uint32_t len)
{
    if (len >= FRAME_LEN_MIN)
        return len;
    memset(frame + len, 0, FRAME_LEN_MIN - len);
    return FRAME_LEN_MIN;
}

/* Addresses and tags of the frame `at` bytes long, turned round. */
static void header_reply(const struct station *station, const uint8_t *frame, const uint8_t *to, uint32_t at,
                         uint8_t *ret_reply)
{
    memcpy(ret_reply, to, 6);
    memcpy(ret_reply + 6, station->mac, 6);
    memcpy(ret_reply + 12, frame + 12, at - 12);
}

static enum station_verdict arp(const struct station *station, const uint8_t *frame, uint32_t len, uint32_t at,
                                uint8_t *ret_reply, uint32_t *ret_len)
{
    const uint8_t *request = frame + at, *sender = frame + at + 8;

    if (len < at + ARP_LEN)
        return STATION_SHORT;
    if (memcmp(request, arp_ipv4, sizeof(arp_ipv4)) != 0)
        return STATION_FOREIGN;
    if (ours(station, load_be32(sender + 6)) && memcmp(sender, station->mac, 6) != 0)
        return STATION_CONFLICT;
    if (load_be16(request + 6) != ARP_REQUEST || !ours(station, load_be32(request + 24)))
        return STATION_FOREIGN;
    if (!one_other(station, sender))
        return STATION_BAD_SOURCE;
    header_reply(station, frame, sender, at, ret_reply);
    uint8_t *reply = ret_reply + at;
    memcpy(reply, arp_ipv4, sizeof(arp_ipv4));
    store_be16(reply + 6, ARP_REPLY);
    memcpy(reply + 8, station->mac, 6);
    memcpy(reply + 14, request + 24, 4);
    memcpy(reply + 18, sender, 10);
    *ret_len = pad(ret_reply, at + ARP_LEN);
    return STATION_ARP;
}

/* RFC 792. Options of the request's header are left out. */
static enum station_verdict echo(const struct station *station, const uint8_t *frame, uint32_t len, uint32_t at,
                                 uint8_t *ret_reply, uint32_t *ret_len)
{
    const uint8_t *ip = frame + at;
    const uint32_t header_len = (ip[0] & 0x0fu) * 4u, total_len = load_be16(ip + 2);
    const uint32_t src = load_be32(ip + 12);

    if (header_len < IPV4_LEN || total_len > len - at || total_len < header_len + ICMP_LEN)
        return STATION_SHORT;
    if (total_len > ETHERNET_IP_MAX)
        return STATION_LONG;
    if ((load_be16(ip + 6) & IPV4_FRAGMENT_MASK) != 0)
        return STATION_FRAGMENT;
    const uint8_t *icmp = ip + header_len;
    const uint32_t icmp_len = total_len - header_len;
    if (checksum(ip, header_len) != 0 || checksum(icmp, icmp_len) != 0)
        return STATION_BAD_CHECKSUM;
    if (icmp[0] != ECHO_REQUEST || icmp[1] != 0)
        return STATION_FOREIGN;
    if (!one_other(station, frame + 6) || src >> 24 == 0 || src >> 24 == 127 || src >> 28 >= 0xe || ours(station, src))
        return STATION_BAD_SOURCE;
    header_reply(station, frame, frame + 6, at, ret_reply);
    uint8_t *reply = ret_reply + at;
    memset(reply, 0, IPV4_LEN);
    reply[0] = 0x45;
    store_be16(reply + 2, (uint16_t)(IPV4_LEN + icmp_len));
    store_be16(reply + 6, IPV4_DONT_FRAGMENT); /* so that an identification of 0 is legal (RFC 6864) */
    reply[8] = IPV4_TTL;
    reply[9] = PROTOCOL_ICMP;
    memcpy(reply + 12, ip + 16, 4);
    memcpy(reply + 16, ip + 12, 4);
    store_be16(reply + 10, checksum(reply, IPV4_LEN));
    memcpy(reply + IPV4_LEN, icmp, icmp_len);
    reply[IPV4_LEN] = 0;
    store_be16(reply + IPV4_LEN + 2, 0);
    store_be16(reply + IPV4_LEN + 2, checksum(reply + IPV4_LEN, icmp_len));
    *ret_len = pad(ret_reply, at + IPV4_LEN + icmp_len);
    return STATION_ECHO;
}

/* Which of them it is, and its answer. */
static enum station_verdict receive(const struct station *station, const uint8_t *frame, uint32_t len,
                                    uint8_t *ret_reply, uint32_t *ret_len)
{
    uint32_t at = ETHER_LEN, tags = 0;

    if (len < at)
        return STATION_SHORT;
    while (tags < VLAN_TAGS_MAX && (load_be16(frame + at - 2) == TYPE_VLAN || load_be16(frame + at - 2) == TYPE_QINQ)) {
        tags++;
        at += VLAN_LEN;
        if (len < at)
            return STATION_SHORT;
    }
    const uint32_t type = load_be16(frame + at - 2);
    const bool to_us = memcmp(frame, station->mac, 6) == 0;
    if (type == TYPE_ARP && (to_us || (frame[0] & 1)))
        return arp(station, frame, len, at, ret_reply, ret_len);
    if (type != TYPE_IPV4)
        return STATION_FOREIGN;
    if (len < at + IPV4_LEN)
        return STATION_SHORT;
    if (frame[at + 9] == PROTOCOL_IGMP) {
        const uint32_t vlan = tags == 0 ? 0 : load_be16(frame + ETHER_LEN) & 0x0fffu; /* 0 in a tag: priority only */
        if (tags == VLAN_TAGS_MAX || vlan != station->vlan)
            return STATION_VLAN;
        *ret_len = at;
        return STATION_IGMP;
    }
    if (to_us && frame[at + 9] == PROTOCOL_ICMP && frame[at] >> 4 == 4 && ours(station, load_be32(frame + at + 16)))
        return echo(station, frame, len, at, ret_reply, ret_len);
    return STATION_FOREIGN;
}

enum station_verdict station_receive(struct station *station, const uint8_t *frame, uint32_t len, uint64_t now_ns,
                                     uint8_t ret_reply[STATION_FRAME_MAX], uint32_t *ret_len)
{
    enum station_verdict verdict = receive(station, frame, len, ret_reply, ret_len);

    if ((verdict == STATION_ARP || verdict == STATION_ECHO) && !token_take(station, now_ns))
        verdict = STATION_LIMITED;
    station->verdict_count[verdict]++;
    return verdict;
}
