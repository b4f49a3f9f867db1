/* See igmp_wire.h. */
#include "gateway/port/igmp_wire.h"

#include "feed/wire.h"

#include <string.h>

#define ETHER_LEN 14u
#define FRAME_LEN_MIN 60u /* without the check sequence, which the NIC adds */
#define IPV4_LEN 20u
#define ALERT_LEN 4u      /* the Router Alert option (RFC 2113): type, length, value 0 */
#define IPV4_ALERT_LEN (IPV4_LEN + ALERT_LEN)
#define IGMP_AT (ETHER_LEN + IPV4_ALERT_LEN)
#define IGMP_LEN 8u
#define V3_QUERY_LEN 12u
#define RECORD_LEN 8u
#define TYPE_IPV4 0x0800u
#define PROTOCOL_IGMP 2u
#define OPTION_END 0u
#define OPTION_NOP 1u
#define OPTION_ALERT 0x94u
#define TOS_INTERNET_CONTROL 0xc0u /* RFC 3376 section 4 */
#define IPV4_DONT_FRAGMENT 0x4000u /* so that an identification of 0 is legal (RFC 6864) */
#define IPV4_FRAGMENT_MASK 0x3fffu
#define NS_PER_TENTH (IGMP_NS_PER_S / 10)
#define V1_MAX_RESP_TENTHS 100u    /* RFC 2236 section 4: what a query of version 1 means */
#define SOURCES_MAX 366u           /* in an Ethernet frame (RFC 3376 section 4.1.8) */

const char *igmp_verdict_name(enum igmp_verdict verdict)
{
    static const char *const names[IGMP_VERDICT_COUNT] = {
        [IGMP_QUERY] = "query",
        [IGMP_REPORT] = "report",
        [IGMP_IDLE] = "idle",
        [IGMP_SHORT] = "short",
        [IGMP_BAD_IP] = "bad_ip",
        [IGMP_BAD_IP_CHECKSUM] = "bad_ip_checksum",
        [IGMP_BAD_CHECKSUM] = "bad_checksum",
        [IGMP_BAD_TTL] = "bad_ttl",
        [IGMP_NO_ALERT] = "no_router_alert",
        [IGMP_BAD_SOURCE] = "bad_source",
        [IGMP_BAD_DESTINATION] = "bad_destination",
        [IGMP_BAD_LENGTH] = "bad_length",
        [IGMP_BAD_GROUP] = "bad_group",
        [IGMP_LIMITED] = "limited",
    };
    return (unsigned)verdict < IGMP_VERDICT_COUNT ? names[verdict] : "unknown";
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

static bool multicast(uint32_t ip)
{
    return ip >> 28 == 0xe;
}

/* Of one host that is not us; 0.0.0.0 is what switches without an address of their own ask from. */
static bool source_good(uint32_t ip, uint32_t our_ip)
{
    return ip == 0 || (ip != our_ip && ip >> 28 < 0xe && ip >> 24 != 127 && ip >> 24 != 0);
}

static bool has_alert(const uint8_t *options, uint32_t len)
{
    for (uint32_t at = 0; at < len;) {
        if (options[at] == OPTION_END)
            return false;
        if (options[at] == OPTION_NOP) {
            at++;
            continue;
        }
        if (len - at < 2 || options[at + 1] < 2 || options[at + 1] > len - at)
            return false;
        if (options[at] == OPTION_ALERT)
            return options[at + 1] == ALERT_LEN && load_be16(options + at + 2) == 0;
        at += options[at + 1];
    }
    return false;
}

uint32_t igmp_wire_code(uint8_t code)
{
    return code < 128 ? code : (uint32_t)((code & 0x0f) | 0x10) << (((code >> 4) & 0x07) + 3);
}

/* The version is told by length and code (RFC 3376 section 7.1). */
static enum igmp_verdict parse_query(const uint8_t *igmp, uint32_t len, bool alert, uint32_t dst, uint32_t our_ip,
                                     struct igmp_packet *ret_packet)
{
    struct igmp_packet packet = {.version = 2, .group = load_be32(igmp + 4), .source_ip = ret_packet->source_ip};
    uint32_t tenths = igmp[1];

    if (len > IGMP_LEN && len < V3_QUERY_LEN)
        return IGMP_BAD_LENGTH;
    if (len >= V3_QUERY_LEN) {
        if (!alert)
            return IGMP_NO_ALERT;
        tenths = igmp_wire_code(igmp[1]);
        packet.version = 3;
        packet.robustness = igmp[8] & 0x07;
        packet.interval_s = igmp_wire_code(igmp[9]);
        packet.source_count = load_be16(igmp + 10);
        packet.sources = igmp + V3_QUERY_LEN;
        if (packet.source_count > SOURCES_MAX || packet.source_count * 4 > len - V3_QUERY_LEN)
            return IGMP_BAD_LENGTH;
    } else if (tenths == 0) {
        packet.version = 1;
        tenths = V1_MAX_RESP_TENTHS;
    }
    packet.max_resp_ns = tenths * NS_PER_TENTH;
    if ((packet.group != 0 && !multicast(packet.group)) || (packet.group == 0 && packet.source_count > 0))
        return IGMP_BAD_GROUP;
    if (dst != IGMP_ALL_SYSTEMS && !(packet.group != 0 && dst == packet.group) && !(our_ip != 0 && dst == our_ip))
        return IGMP_BAD_DESTINATION;
    *ret_packet = packet;
    return IGMP_QUERY;
}

/* RFC 2236 section 2.4: to the group itself. One from 0.0.0.0 silences nobody, since a switch would not have passed it
 * on as a host's. */
static enum igmp_verdict parse_report(const uint8_t *igmp, uint32_t dst, uint32_t our_ip,
                                      struct igmp_packet *ret_packet)
{
    const struct igmp_packet packet = {.version = igmp[0] == IGMP_TYPE_V1_REPORT ? 1 : 2,
                                       .group = load_be32(igmp + 4),
                                       .source_ip = ret_packet->source_ip};

    if (packet.source_ip == 0 || packet.source_ip == our_ip)
        return IGMP_IDLE;
    if (!multicast(packet.group))
        return IGMP_BAD_GROUP;
    if (dst != packet.group)
        return IGMP_BAD_DESTINATION;
    *ret_packet = packet;
    return IGMP_REPORT;
}

enum igmp_verdict igmp_wire_parse(const uint8_t *packet, uint32_t len, uint32_t our_ip, struct igmp_packet *ret_packet)
{
    if (len < IPV4_LEN)
        return IGMP_SHORT;
    const uint32_t header_len = (packet[0] & 0x0fu) * 4u;
    const uint32_t total_len = load_be16(packet + 2);
    if (packet[0] >> 4 != 4 || header_len < IPV4_LEN || total_len < header_len || packet[9] != PROTOCOL_IGMP ||
        (load_be16(packet + 6) & IPV4_FRAGMENT_MASK) != 0)
        return IGMP_BAD_IP;
    if (len < total_len || total_len - header_len < IGMP_LEN)
        return IGMP_SHORT;
    if (checksum(packet, header_len) != 0)
        return IGMP_BAD_IP_CHECKSUM;
    const uint8_t *igmp = packet + header_len;
    const uint32_t igmp_len = total_len - header_len;
    if (checksum(igmp, igmp_len) != 0)
        return IGMP_BAD_CHECKSUM;
    if (packet[8] != 1)
        return IGMP_BAD_TTL;
    struct igmp_packet parsed = {.source_ip = load_be32(packet + 12)};
    const uint32_t dst = load_be32(packet + 16);
    enum igmp_verdict verdict = IGMP_IDLE;
    if (igmp[0] == IGMP_TYPE_QUERY)
        verdict = !source_good(parsed.source_ip, our_ip)
                      ? IGMP_BAD_SOURCE
                      : parse_query(igmp, igmp_len, has_alert(packet + IPV4_LEN, header_len - IPV4_LEN), dst, our_ip,
                                    &parsed);
    else if (igmp[0] == IGMP_TYPE_V1_REPORT || igmp[0] == IGMP_TYPE_V2_REPORT)
        verdict = !source_good(parsed.source_ip, 0) ? IGMP_BAD_SOURCE : parse_report(igmp, dst, our_ip, &parsed);
    if (verdict == IGMP_QUERY || verdict == IGMP_REPORT)
        *ret_packet = parsed;
    return verdict;
}

/* Headers around an IGMP message that ends at frame_len; its checksum, and padding. */
static uint32_t wrap(uint8_t *frame, uint32_t frame_len, const uint8_t mac[6], uint32_t our_ip, uint32_t dst)
{
    uint8_t *ip = frame + ETHER_LEN, *igmp = frame + IGMP_AT;

    /* RFC 1112 section 6.4: the low 23 bits of the group */
    store_be16(frame, 0x0100);
    store_be32(frame + 2, 0x5e000000u | (dst & 0x007fffffu));
    memcpy(frame + 6, mac, 6);
    store_be16(frame + 12, TYPE_IPV4);
    memset(ip, 0, IPV4_ALERT_LEN);
    ip[0] = 0x40 | IPV4_ALERT_LEN / 4;
    ip[1] = TOS_INTERNET_CONTROL;
    store_be16(ip + 2, (uint16_t)(frame_len - ETHER_LEN));
    store_be16(ip + 6, IPV4_DONT_FRAGMENT);
    ip[8] = 1;
    ip[9] = PROTOCOL_IGMP;
    store_be32(ip + 12, our_ip);
    store_be32(ip + 16, dst);
    ip[20] = OPTION_ALERT;
    ip[21] = ALERT_LEN;
    store_be16(ip + 10, checksum(ip, IPV4_ALERT_LEN));
    store_be16(igmp + 2, 0);
    store_be16(igmp + 2, checksum(igmp, frame_len - IGMP_AT));
    if (frame_len >= FRAME_LEN_MIN)
        return frame_len;
    memset(frame + frame_len, 0, FRAME_LEN_MIN - frame_len);
    return FRAME_LEN_MIN;
}

uint32_t igmp_wire_encode(const uint8_t mac[6], uint32_t our_ip, enum igmp_type type, uint32_t group,
                          uint8_t ret_frame[IGMP_FRAME_MAX])
{
    uint8_t *igmp = ret_frame + IGMP_AT;

    igmp[0] = (uint8_t)type;
    igmp[1] = 0;
    store_be32(igmp + 4, group);
    return wrap(ret_frame, IGMP_AT + IGMP_LEN, mac, our_ip, type == IGMP_TYPE_LEAVE ? IGMP_ALL_ROUTERS : group);
}

void igmp_report_begin(struct igmp_report *report, uint8_t ret_frame[IGMP_FRAME_MAX], uint16_t mtu)
{
    const uint32_t len_max = ETHER_LEN + mtu;

    *report = (struct igmp_report){
        .frame = ret_frame, .len = IGMP_AT + IGMP_LEN, .len_max = len_max < IGMP_FRAME_MAX ? len_max : IGMP_FRAME_MAX};
}

bool igmp_report_add(struct igmp_report *report, enum igmp_record type, uint32_t group, const uint32_t *sources,
                     uint32_t source_count)
{
    uint8_t *record = report->frame + report->len;
    const uint32_t record_len = RECORD_LEN + source_count * 4;

    if (record_len > report->len_max - report->len)
        return false;
    record[0] = (uint8_t)type;
    record[1] = 0;
    store_be16(record + 2, (uint16_t)source_count);
    store_be32(record + 4, group);
    for (uint32_t i = 0; i < source_count; i++)
        store_be32(record + RECORD_LEN + i * 4, sources[i]);
    report->len += record_len;
    report->record_count++;
    return true;
}

uint32_t igmp_report_end(struct igmp_report *report, const uint8_t mac[6], uint32_t our_ip)
{
    uint8_t *igmp = report->frame + IGMP_AT;

    if (report->record_count == 0)
        return 0;
    memset(igmp, 0, IGMP_LEN);
    igmp[0] = IGMP_TYPE_V3_REPORT;
    store_be16(igmp + 6, report->record_count);
    return wrap(report->frame, report->len, mac, our_ip, IGMP_V3_ROUTERS);
}
