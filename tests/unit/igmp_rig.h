/* What tests of IGMP share: packets of a querier or another host, made with code of their own, and our frames taken
 * apart and judged byte by byte. */
#ifndef TESTS_UNIT_IGMP_RIG_H
#define TESTS_UNIT_IGMP_RIG_H

#include "gateway/port/igmp.h"

#include <criterion/criterion.h>
#include <string.h>

#define S UINT64_C(1000000000)
#define MS UINT64_C(1000000)
#define OUR_IP 0xc0000202u     /* 192.0.2.2 */
#define QUERIER 0xc0000201u    /* 192.0.2.1 */
#define HOST 0xc0000203u       /* another one */
#define GROUP 0xe9360c6fu      /* 233.54.12.111 */
#define GROUP_2 0xe931c46fu    /* 233.49.196.111 */
#define SOURCE 0xc633640bu     /* 198.51.100.11 */
#define SOURCE_2 0xc633640cu
#define RIG_PACKET_MAX 1500u

static const uint8_t rig_mac[6] = {2, 0, 0, 0, 0, 0xa};

static inline void rig_put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static inline void rig_put32(uint8_t *at, uint32_t value)
{
    rig_put16(at, value >> 16);
    rig_put16(at + 2, value);
}

static inline uint32_t rig_get16(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

static inline uint32_t rig_get32(const uint8_t *at)
{
    return rig_get16(at) << 16 | rig_get16(at + 2);
}

static inline uint32_t rig_sum(const uint8_t *bytes, uint32_t len)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < len; i++)
        sum += i & 1 ? bytes[i] : (uint32_t)bytes[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return ~sum & 0xffff;
}

/* Both checksums right again. */
static inline void rig_seal(uint8_t *packet, uint32_t len)
{
    const uint32_t header = (packet[0] & 15u) * 4;
    rig_put16(packet + 10, 0);
    rig_put16(packet + 10, rig_sum(packet, header));
    rig_put16(packet + header + 2, 0);
    rig_put16(packet + header + 2, rig_sum(packet + header, len - header));
}

/* An IPv4 packet with Router Alert around an IGMP message of `body_len` bytes. */
static inline uint32_t rig_packet(uint8_t packet[RIG_PACKET_MAX], uint32_t src, uint32_t dst, const uint8_t *body,
                                  uint32_t body_len)
{
    memset(packet, 0, 24);
    packet[0] = 0x46;
    packet[1] = 0xc0;
    rig_put16(packet + 2, 24 + body_len);
    packet[8] = 1;
    packet[9] = 2;
    rig_put32(packet + 12, src);
    rig_put32(packet + 16, dst);
    packet[20] = 0x94;
    packet[21] = 4;
    memcpy(packet + 24, body, body_len);
    rig_seal(packet, 24 + body_len);
    return 24 + body_len;
}

/* To where a querier sends it: all systems, or the group. `code` 0 in version 2 makes it version 1. */
static inline uint32_t rig_query(uint8_t packet[RIG_PACKET_MAX], uint32_t version, uint32_t group, uint8_t code)
{
    const uint8_t body[8] = {0x11, version == 1 ? 0 : code,   0, 0, (uint8_t)(group >> 24), (uint8_t)(group >> 16),
                             (uint8_t)(group >> 8), (uint8_t)group};
    return rig_packet(packet, QUERIER, group ? group : IGMP_ALL_SYSTEMS, body, 8);
}

static inline uint32_t rig_query_v3(uint8_t packet[RIG_PACKET_MAX], uint32_t group, uint8_t code, uint8_t qrv,
                                    uint8_t qqic, const uint32_t *sources, uint32_t source_count)
{
    uint8_t body[12 + 4 * 64] = {0x11, code};
    cr_assert_leq(source_count, 64u);
    rig_put32(body + 4, group);
    body[8] = qrv;
    body[9] = qqic;
    rig_put16(body + 10, source_count);
    for (uint32_t i = 0; i < source_count; i++)
        rig_put32(body + 12 + 4 * i, sources[i]);
    return rig_packet(packet, QUERIER, group ? group : IGMP_ALL_SYSTEMS, body, 12 + 4 * source_count);
}

static inline uint32_t rig_report(uint8_t packet[RIG_PACKET_MAX], uint32_t version, uint32_t group)
{
    const uint8_t body[8] = {version == 1 ? 0x12 : 0x16,   0, 0, 0, (uint8_t)(group >> 24), (uint8_t)(group >> 16),
                             (uint8_t)(group >> 8), (uint8_t)group};
    return rig_packet(packet, HOST, group, body, 8);
}

/* A frame of ours, as a router reads it. */
struct rig_record { uint32_t type, group, source_count, source[IGMP_SOURCES_MAX]; };
struct rig_message {
    uint32_t type, dst, group;
    uint32_t record_count;
    struct rig_record record[IGMP_GROUPS_MAX];
};

/* Everything that RFC 2236 section 2 and RFC 3376 sections 4, 4.2 want of it. */
static inline void rig_decode(const uint8_t *frame, uint32_t len, uint32_t our_ip, struct rig_message *ret_message)
{
    const uint8_t *ip = frame + 14, *igmp = frame + 38;

    cr_assert(len >= 60 && len <= 1514);
    cr_assert_eq(rig_get16(frame + 12), 0x0800u);
    cr_assert_eq(memcmp(frame + 6, rig_mac, 6), 0);
    cr_assert_eq(ip[0], 0x46, "five words and Router Alert");
    cr_assert_eq(ip[1], 0xc0);
    cr_assert_eq(ip[8], 1, "TTL");
    cr_assert_eq(ip[9], 2);
    cr_assert_eq(rig_get32(ip + 20), 0x94040000u, "Router Alert");
    cr_assert_eq(rig_sum(ip, 24), 0u, "header checksum");
    const uint32_t total = rig_get16(ip + 2);
    cr_assert_leq(14 + total, len);
    cr_assert(len == 60 || 14 + total == len, "padded only up to the least frame");
    cr_assert_eq(rig_sum(igmp, total - 24), 0u, "IGMP checksum");
    cr_assert_eq(rig_get32(ip + 12), our_ip);
    *ret_message = (struct rig_message){.type = igmp[0], .dst = rig_get32(ip + 16)};
    cr_assert_eq(rig_get16(frame), 0x0100u);
    cr_assert_eq(rig_get32(frame + 2), 0x5e000000u | (ret_message->dst & 0x7fffffu), "MAC of the group");
    if (igmp[0] != 0x22) {
        ret_message->group = rig_get32(igmp + 4);
        cr_assert_eq(total, 32u);
        cr_assert(igmp[0] == 0x12 || igmp[0] == 0x16 || igmp[0] == 0x17);
        cr_assert_eq(ret_message->dst, igmp[0] == 0x17 ? IGMP_ALL_ROUTERS : ret_message->group);
        return;
    }
    cr_assert_eq(ret_message->dst, IGMP_V3_ROUTERS);
    ret_message->record_count = rig_get16(igmp + 6);
    cr_assert(ret_message->record_count > 0 && ret_message->record_count <= IGMP_GROUPS_MAX);
    uint32_t at = 8;
    for (uint32_t i = 0; i < ret_message->record_count; i++) {
        struct rig_record *record = &ret_message->record[i];
        cr_assert_leq(at + 8, total - 24);
        *record = (struct rig_record){.type = igmp[at], .group = rig_get32(igmp + at + 4),
                                      .source_count = rig_get16(igmp + at + 2)};
        cr_assert_eq(igmp[at + 1], 0, "no auxiliary data");
        cr_assert_leq(record->source_count, IGMP_SOURCES_MAX);
        at += 8;
        for (uint32_t j = 0; j < record->source_count; j++, at += 4)
            record->source[j] = rig_get32(igmp + at);
    }
    cr_assert_eq(at, total - 24, "nothing behind the records");
}

static inline struct igmp_setup rig_setup(uint8_t version)
{
    struct igmp_setup setup = {.ip = OUR_IP, .mtu = 1500, .version = version, .refresh_ns = 0, .seed = 7};
    memcpy(setup.mac, rig_mac, 6);
    return setup;
}

#endif
