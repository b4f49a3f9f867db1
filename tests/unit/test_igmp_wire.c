/* igmp_wire: what a host may believe of a packet, and what our own look like; cut and changed at every byte. */
#include "tests/unit/igmp_rig.h"

#include <stdlib.h>

static enum igmp_verdict parse(const uint8_t *packet, uint32_t len, struct igmp_packet *ret_packet)
{
    uint8_t *exact = malloc(len > 0 ? len : 1); /* the address sanitizer sees a read beyond */
    static uint8_t kept[RIG_PACKET_MAX];
    cr_assert_not_null(exact);
    memcpy(exact, packet, len);
    const enum igmp_verdict verdict = igmp_wire_parse(exact, len, OUR_IP, ret_packet);
    if (verdict == IGMP_QUERY && ret_packet->source_count > 0) {
        cr_assert(ret_packet->sources >= exact && ret_packet->sources + ret_packet->source_count * 4 <= exact + len);
        memcpy(kept, exact, len);
        ret_packet->sources = kept + (ret_packet->sources - exact);
    }
    free(exact);
    return verdict;
}

Test(igmp_wire, codes_are_the_table_of_the_rfc)
{
    static const struct { uint8_t code; uint32_t value; } rows[] = {
        {0, 0},      {1, 1},      {100, 100},   {127, 127},   {128, 128},    {129, 136},     {143, 248},
        {144, 256},  {159, 496},  {160, 512},   {0xb8, 1536}, {0xe0, 8192}, {0xf0, 16384}, {255, 31744}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        cr_expect_eq(igmp_wire_code(rows[i].code), rows[i].value, "code %u", rows[i].code);
    for (uint32_t code = 1; code < 256; code++)
        cr_expect_gt(igmp_wire_code((uint8_t)code), igmp_wire_code((uint8_t)(code - 1)));
}

Test(igmp_wire, the_version_of_a_query_is_told_by_length_and_code)
{
    uint8_t packet[RIG_PACKET_MAX];
    struct igmp_packet seen;

    cr_assert_eq(parse(packet, rig_query(packet, 1, 0, 0), &seen), IGMP_QUERY);
    cr_expect(seen.version == 1 && seen.group == 0 && seen.max_resp_ns == 10 * S);
    cr_assert_eq(parse(packet, rig_query(packet, 2, 0, 255), &seen), IGMP_QUERY);
    cr_expect(seen.version == 2 && seen.max_resp_ns == 25500 * MS, "no floating point in version 2");
    cr_assert_eq(parse(packet, rig_query(packet, 2, GROUP, 10), &seen), IGMP_QUERY);
    cr_expect(seen.version == 2 && seen.group == GROUP && seen.max_resp_ns == 1 * S);
    const uint32_t sources[2] = {SOURCE, SOURCE_2};
    cr_assert_eq(parse(packet, rig_query_v3(packet, GROUP, 128 + 16, 0x0b, 200, sources, 2), &seen), IGMP_QUERY);
    cr_expect(seen.version == 3 && seen.group == GROUP && seen.max_resp_ns == 25600 * MS);
    cr_expect_eq(seen.robustness, 3, "the S flag beside it is a router's matter");
    cr_expect_eq(seen.interval_s, igmp_wire_code(200));
    cr_assert_eq(seen.source_count, 2u);
    cr_expect(rig_get32(seen.sources) == SOURCE && rig_get32(seen.sources + 4) == SOURCE_2);
    cr_assert_eq(parse(packet, rig_query_v3(packet, 0, 0, 0, 0, NULL, 0), &seen), IGMP_QUERY);
    cr_expect(seen.version == 3 && seen.max_resp_ns == 0);
    cr_assert_eq(parse(packet, rig_report(packet, 1, GROUP), &seen), IGMP_REPORT);
    cr_expect(seen.version == 1 && seen.group == GROUP);
    cr_assert_eq(parse(packet, rig_report(packet, 2, GROUP), &seen), IGMP_REPORT);
}

Test(igmp_wire, padding_and_bytes_behind_the_fields_are_no_harm)
{
    uint8_t packet[RIG_PACKET_MAX] = {0};
    struct igmp_packet seen;
    uint8_t body[16] = {0x11, 10};

    const uint32_t len = rig_query(packet, 2, 0, 10);
    memset(packet + len, 0xff, 30);
    cr_expect_eq(parse(packet, len + 30, &seen), IGMP_QUERY, "padding of the frame");
    body[15] = 1;
    cr_expect_eq(parse(packet, rig_packet(packet, QUERIER, IGMP_ALL_SYSTEMS, body, 16), &seen), IGMP_QUERY,
                 "additional data (RFC 3376 section 4.1.10)");
}

Test(igmp_wire, each_rule_has_its_refusal)
{
    uint8_t packet[RIG_PACKET_MAX];
    struct igmp_packet seen = {.version = 99};
    uint8_t body[12] = {0x11, 10};
    uint32_t len;

#define REFUSED(make, change, expected)                                                                                \
    do {                                                                                                               \
        len = (make);                                                                                                  \
        change;                                                                                                        \
        rig_seal(packet, len);                                                                                         \
        cr_expect_eq(parse(packet, len, &seen), expected, "%s; %s: %s", #make, #change,                                \
                     igmp_verdict_name(parse(packet, len, &seen)));                                                    \
    } while (0)
    REFUSED(rig_query(packet, 2, 0, 10), packet[8] = 2, IGMP_BAD_TTL);
    REFUSED(rig_query_v3(packet, 0, 10, 2, 125, NULL, 0), packet[8] = 64, IGMP_BAD_TTL);
    REFUSED(rig_query_v3(packet, 0, 10, 2, 125, NULL, 0), packet[20] = 1, IGMP_NO_ALERT);
    REFUSED(rig_query_v3(packet, 0, 10, 2, 125, NULL, 0), packet[23] = 1, IGMP_NO_ALERT);
    REFUSED(rig_query(packet, 2, 0, 10), packet[20] = 0, IGMP_QUERY); /* old switches ask so */
    REFUSED(rig_query(packet, 2, 0, 10), rig_put32(packet + 12, 0), IGMP_QUERY); /* switches without an address too */
    REFUSED(rig_query(packet, 2, 0, 10), rig_put32(packet + 12, OUR_IP), IGMP_BAD_SOURCE);
    REFUSED(rig_query(packet, 2, 0, 10), rig_put32(packet + 12, 0x7f000001), IGMP_BAD_SOURCE);
    REFUSED(rig_query(packet, 2, 0, 10), rig_put32(packet + 12, GROUP), IGMP_BAD_SOURCE);
    REFUSED(rig_query(packet, 2, 0, 10), rig_put32(packet + 12, UINT32_MAX), IGMP_BAD_SOURCE);
    REFUSED(rig_query(packet, 2, 0, 10), rig_put32(packet + 12, 0x00000001), IGMP_BAD_SOURCE);
    REFUSED(rig_query(packet, 2, 0, 10), rig_put32(packet + 16, GROUP), IGMP_BAD_DESTINATION);
    REFUSED(rig_query(packet, 2, 0, 10), rig_put32(packet + 16, HOST), IGMP_BAD_DESTINATION);
    REFUSED(rig_query(packet, 2, 0, 10), rig_put32(packet + 16, UINT32_MAX), IGMP_BAD_DESTINATION);
    REFUSED(rig_query(packet, 2, 0, 10), rig_put32(packet + 16, OUR_IP), IGMP_QUERY); /* RFC 3376 section 4.1.12 */
    REFUSED(rig_query(packet, 2, GROUP, 10), rig_put32(packet + 16, GROUP_2), IGMP_BAD_DESTINATION);
    REFUSED(rig_query(packet, 2, GROUP, 10), rig_put32(packet + 16, IGMP_ALL_SYSTEMS), IGMP_QUERY);
    REFUSED(rig_query(packet, 2, HOST, 10), rig_put32(packet + 16, IGMP_ALL_SYSTEMS), IGMP_BAD_GROUP);
    REFUSED(rig_query_v3(packet, 0, 10, 2, 125, (uint32_t[]){SOURCE}, 1), , IGMP_BAD_GROUP);
    REFUSED(rig_query_v3(packet, GROUP, 10, 2, 125, (uint32_t[]){SOURCE}, 1), packet[35] = 2, IGMP_BAD_LENGTH);
    REFUSED(rig_query_v3(packet, GROUP, 10, 2, 125, (uint32_t[]){SOURCE}, 1), packet[34] = 0xff, IGMP_BAD_LENGTH);
    for (uint32_t body_len = 9; body_len < 12; body_len++)
        REFUSED(rig_packet(packet, QUERIER, IGMP_ALL_SYSTEMS, body, body_len), , IGMP_BAD_LENGTH);
    for (uint32_t body_len = 4; body_len < 8; body_len++)
        REFUSED(rig_packet(packet, QUERIER, IGMP_ALL_SYSTEMS, body, body_len), , IGMP_SHORT);
    REFUSED(rig_query(packet, 2, 0, 10), packet[9] = 17, IGMP_BAD_IP);
    REFUSED(rig_query(packet, 2, 0, 10), packet[6] = 0x20, IGMP_BAD_IP);
    REFUSED(rig_query(packet, 2, 0, 10), packet[7] = 1, IGMP_BAD_IP);
    REFUSED(rig_query(packet, 2, 0, 10), packet[6] = 0x40, IGMP_QUERY); /* DF */
    REFUSED(rig_query(packet, 2, 0, 10), packet[0] = 0x66, IGMP_BAD_IP);
    REFUSED(rig_query(packet, 2, 0, 10), packet[24] = 0x22, IGMP_IDLE);
    REFUSED(rig_query(packet, 2, 0, 10), packet[24] = 0x17, IGMP_IDLE);
    REFUSED(rig_query(packet, 2, 0, 10), packet[24] = 0, IGMP_IDLE);
    REFUSED(rig_report(packet, 2, GROUP), rig_put32(packet + 12, OUR_IP), IGMP_IDLE); /* our own, come back */
    REFUSED(rig_report(packet, 2, GROUP), rig_put32(packet + 12, 0), IGMP_IDLE);
    REFUSED(rig_report(packet, 2, GROUP), rig_put32(packet + 12, GROUP), IGMP_BAD_SOURCE);
    REFUSED(rig_report(packet, 2, GROUP), rig_put32(packet + 16, GROUP_2), IGMP_BAD_DESTINATION);
    REFUSED(rig_report(packet, 2, GROUP), rig_put32(packet + 28, HOST), IGMP_BAD_GROUP);
    len = rig_query(packet, 2, 0, 10);
    packet[26] ^= 1;
    cr_expect_eq(parse(packet, len, &seen), IGMP_BAD_CHECKSUM);
    packet[10] ^= 1;
    cr_expect_eq(parse(packet, len, &seen), IGMP_BAD_IP_CHECKSUM);
}

Test(igmp_wire, options_before_router_alert_are_walked_and_bad_ones_end_it)
{
    static const struct { uint8_t options[12]; enum igmp_verdict verdict; } rows[] = {
        {{1, 1, 1, 1, 0x94, 4, 0, 0, 1, 1, 1, 1}, IGMP_QUERY}, {{7, 7, 4, 0, 0, 0, 0, 1, 0x94, 4, 0, 0}, IGMP_QUERY},
        {{0, 0, 0, 0, 0x94, 4, 0, 0}, IGMP_NO_ALERT},          {{7, 0, 0x94, 4, 0, 0}, IGMP_NO_ALERT},
        {{7, 1, 0x94, 4, 0, 0}, IGMP_NO_ALERT},                {{7, 200, 0x94, 4, 0, 0}, IGMP_NO_ALERT},
        {{0x94, 3, 0, 0x94, 4, 0, 0}, IGMP_NO_ALERT},          {{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0x94},
                                                                IGMP_NO_ALERT}};
    const uint8_t body[12] = {0x11, 10};
    struct igmp_packet seen;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t packet[RIG_PACKET_MAX], wide[RIG_PACKET_MAX];
        rig_packet(packet, QUERIER, IGMP_ALL_SYSTEMS, body, 12);
        memcpy(wide, packet, 20);
        memcpy(wide + 20, rows[i].options, 12);
        memcpy(wide + 32, packet + 24, 12);
        wide[0] = 0x48;
        rig_put16(wide + 2, 44);
        rig_seal(wide, 44);
        cr_expect_eq(parse(wide, 44, &seen), rows[i].verdict, "row %zu", i);
    }
}

Test(igmp_wire, cut_at_every_byte_and_changed_at_every_byte_nothing_is_believed)
{
    const uint32_t sources[3] = {SOURCE, SOURCE_2, HOST};
    uint8_t packet[RIG_PACKET_MAX];

    for (uint32_t kind = 0; kind < 5; kind++) {
        const uint32_t len = kind == 0   ? rig_query(packet, 1, 0, 0)
                             : kind == 1 ? rig_query(packet, 2, GROUP, 10)
                             : kind == 2 ? rig_query_v3(packet, 0, 10, 2, 125, NULL, 0)
                             : kind == 3 ? rig_query_v3(packet, GROUP, 10, 2, 125, sources, 3)
                                         : rig_report(packet, 2, GROUP);
        const struct igmp_packet untouched = {.version = 99};
        struct igmp_packet seen = untouched;
        for (uint32_t cut = 0; cut < len; cut++) {
            const enum igmp_verdict verdict = parse(packet, cut, &seen);
            cr_expect_eq(verdict, IGMP_SHORT, "kind %u cut at %u: %s", kind, cut, igmp_verdict_name(verdict));
        }
        for (uint32_t at = 0; at < len; at++)
            for (uint32_t bit = 0; bit < 8; bit++) {
                packet[at] ^= (uint8_t)(1u << bit);
                const enum igmp_verdict verdict = parse(packet, len, &seen);
                cr_expect_neq(verdict, IGMP_QUERY, "kind %u byte %u bit %u", kind, at, bit);
                cr_expect_neq(verdict, IGMP_REPORT, "kind %u byte %u bit %u", kind, at, bit);
                packet[at] ^= (uint8_t)(1u << bit);
            }
        cr_expect_eq(seen.version, 99, "written only when accepted");
    }
}

Test(igmp_wire, our_messages_are_what_the_rfcs_want)
{
    uint8_t frame[IGMP_FRAME_MAX];
    static struct rig_message message;

    for (uint32_t i = 0; i < 3; i++) {
        const enum igmp_type type = (enum igmp_type[]){IGMP_TYPE_V1_REPORT, IGMP_TYPE_V2_REPORT, IGMP_TYPE_LEAVE}[i];
        memset(frame, 0xee, sizeof(frame));
        cr_assert_eq(igmp_wire_encode(rig_mac, OUR_IP, type, GROUP, frame), 60u);
        rig_decode(frame, 60, OUR_IP, &message);
        cr_expect(message.type == type && message.group == GROUP);
        cr_expect_eq(frame[59], 0, "padding tells nothing");
    }
}

Test(igmp_wire, a_report_takes_records_as_long_as_they_fit)
{
    uint8_t frame[IGMP_FRAME_MAX];
    static struct rig_message message;
    uint32_t sources[IGMP_SOURCES_MAX], added = 0;
    struct igmp_report report;

    for (uint32_t i = 0; i < IGMP_SOURCES_MAX; i++)
        sources[i] = SOURCE + i;
    for (uint32_t mtu = 576; mtu <= 9216; mtu = mtu == 576 ? 1500 : mtu == 1500 ? 9216 : 10000) {
        memset(frame, 0xee, sizeof(frame));
        igmp_report_begin(&report, frame, (uint16_t)mtu);
        cr_expect_eq(igmp_report_end(&report, rig_mac, 0), 0u, "nothing to say");
        for (added = 0; igmp_report_add(&report, IGMP_ALLOW, GROUP + added, sources, added % 5); added++)
            ;
        const uint32_t len = igmp_report_end(&report, rig_mac, 0);
        cr_expect_leq(len, (mtu < 1500 ? mtu : 1500) + 14);
        cr_expect_gt(len, (mtu < 1500 ? mtu : 1500) + 14 - 8 - 4 * 4);
        rig_decode(frame, len, 0, &message);
        cr_expect_eq(message.record_count, added);
        for (uint32_t i = 0; i < added; i++)
            cr_expect(message.record[i].group == GROUP + i && message.record[i].source_count == i % 5);
    }
    igmp_report_begin(&report, frame, 576);
    cr_expect(igmp_report_add(&report, IGMP_IS_IN, GROUP, sources, IGMP_SOURCES_MAX), "all sources in the least MTU");
}
