/* Frames to datagrams: each verdict at its boundary, both paths of the parser against one plain reading of the rules,
 * and real captures. Every frame is parsed from a buffer of exactly its size, so that a sanitizer sees a read past
 * its end. */
#include "feed/frame.h"

#include <criterion/criterion.h>
#include <pcap/pcap.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FRAME_MAX 2048u

struct spec {
    uint16_t tag_type[3];
    uint32_t tag_count;
    uint16_t type;
    uint32_t option_len; /* IPv4 options, a multiple of 4 */
    uint32_t payload_len;
    uint32_t padding_len;
};

static const struct spec plain = {.type = 0x0800, .payload_len = 50};

static uint8_t *put16(uint8_t *to, uint32_t value)
{
    to[0] = (uint8_t)(value >> 8);
    to[1] = (uint8_t)value;
    return to + 2;
}

/* Build by the RFCs, byte by byte. Returns the frame's length. */
static uint32_t build(const struct spec *spec, uint8_t *frame)
{
    uint8_t *at = frame;
    memset(frame, 0xee, FRAME_MAX);
    at += 12;
    for (uint32_t i = 0; i < spec->tag_count; i++) {
        at = put16(at, spec->tag_type[i]);
        at = put16(at, 141);
    }
    at = put16(at, spec->type);
    *at++ = (uint8_t)(0x40 | (5 + spec->option_len / 4));
    *at++ = 0;
    at = put16(at, 20 + spec->option_len + 8 + spec->payload_len);
    at = put16(at, 0xabcd);
    at = put16(at, 0x4000); /* do not fragment */
    *at++ = 16;
    *at++ = 17;
    at = put16(at, 0);
    const uint8_t addresses[8] = {192, 168, 7, 9, 233, 54, 12, 111};
    memcpy(at, addresses, 8);
    at += 8;
    memset(at, 1, spec->option_len);
    at += spec->option_len;
    at = put16(at, 26400);
    at = put16(at, 26477);
    at = put16(at, 8 + spec->payload_len);
    at = put16(at, 0xdead);
    for (uint32_t i = 0; i < spec->payload_len; i++)
        *at++ = (uint8_t)(i * 7 + 1);
    memset(at, 0, spec->padding_len);
    return (uint32_t)(at - frame) + spec->padding_len;
}

static uint32_t ip_at(const struct spec *spec)
{
    return 14 + 4 * spec->tag_count;
}

static enum frame_verdict parse_copy(const uint8_t *frame, uint32_t len, struct frame_view *view)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    cr_assert_not_null(copy);
    memcpy(copy, frame, len);
    const enum frame_verdict verdict = frame_parse(copy, len, view);
    if (verdict == FRAME_UDP) {
        cr_assert(view->payload >= copy && view->payload + view->payload_len <= copy + len);
        view->payload = frame + (view->payload - copy);
    }
    free(copy);
    return verdict;
}

static void expect_view(const struct spec *spec)
{
    uint8_t frame[FRAME_MAX];
    const uint32_t len = build(spec, frame);
    struct frame_view view;
    cr_assert_eq(parse_copy(frame, len, &view), FRAME_UDP);
    cr_assert_eq(view.payload_len, spec->payload_len);
    cr_assert_eq(view.payload, frame + ip_at(spec) + 20 + spec->option_len + 8);
    cr_assert_eq(view.src_ip, 0xc0a80709u);
    cr_assert_eq(view.dst_ip, 0xe9360c6fu);
    cr_assert_eq(view.src_port, 26400);
    cr_assert_eq(view.dst_port, 26477);
}

Test(frame, plain_datagram_is_viewed)
{
    expect_view(&plain);
}

Test(frame, one_and_two_tags_of_both_types_are_passed_over)
{
    const uint16_t types[2] = {0x8100, 0x88a8};
    for (uint32_t outer = 0; outer < 2; outer++) {
        struct spec spec = plain;
        spec.tag_count = 1;
        spec.tag_type[0] = types[outer];
        expect_view(&spec);
        for (uint32_t inner = 0; inner < 2; inner++) {
            spec.tag_count = 2;
            spec.tag_type[1] = types[inner];
            expect_view(&spec);
        }
    }
}

Test(frame, third_tag_is_not_ipv4)
{
    struct spec spec = plain;
    spec.tag_count = 3;
    spec.tag_type[0] = spec.tag_type[1] = spec.tag_type[2] = 0x8100;
    uint8_t frame[FRAME_MAX];
    struct frame_view view;
    cr_assert_eq(parse_copy(frame, build(&spec, frame), &view), FRAME_NOT_IPV4);
}

Test(frame, every_length_of_options_is_passed_over)
{
    for (uint32_t tags = 0; tags <= 2; tags++) {
        for (uint32_t option_len = 0; option_len <= 40; option_len += 4) {
            struct spec spec = plain;
            spec.tag_count = tags;
            spec.tag_type[0] = spec.tag_type[1] = 0x8100;
            spec.option_len = option_len;
            expect_view(&spec);
        }
    }
}

Test(frame, padding_and_check_sequence_are_no_payload)
{
    for (uint32_t payload_len = 0; payload_len <= 30; payload_len++) {
        for (uint32_t padding_len = 0; padding_len <= 22; padding_len++) {
            struct spec spec = plain;
            spec.payload_len = payload_len;
            spec.padding_len = padding_len;
            expect_view(&spec);
            spec.tag_count = 1;
            spec.tag_type[0] = 0x8100;
            expect_view(&spec);
        }
    }
}

Test(frame, udp_length_rules_where_the_ip_payload_is_longer)
{
    uint8_t frame[FRAME_MAX];
    const uint32_t len = build(&plain, frame);
    put16(frame + 14 + 20 + 4, 8 + 20);
    struct frame_view view;
    cr_assert_eq(parse_copy(frame, len, &view), FRAME_UDP);
    cr_assert_eq(view.payload_len, 20);
}

Test(frame, cut_at_every_byte_never_gives_a_view)
{
    for (uint32_t tags = 0; tags <= 2; tags++) {
        for (uint32_t option_len = 0; option_len <= 8; option_len += 8) {
            struct spec spec = plain;
            spec.tag_count = tags;
            spec.tag_type[0] = spec.tag_type[1] = 0x8100;
            spec.option_len = option_len;
            uint8_t frame[FRAME_MAX];
            const uint32_t len = build(&spec, frame);
            const uint32_t headers_len = ip_at(&spec) + 20 + option_len + 8;
            for (uint32_t cut = 0; cut < len; cut++) {
                struct frame_view view;
                const enum frame_verdict verdict = parse_copy(frame, cut, &view);
                cr_assert_eq(verdict, cut < headers_len ? FRAME_SHORT : FRAME_BAD_UDP,
                             "%u tags, options %u, cut %u: %s", tags, option_len, cut, frame_verdict_name(verdict));
            }
        }
    }
}

Test(frame, refused_frame_leaves_the_view_untouched)
{
    uint8_t frame[FRAME_MAX];
    const uint32_t len = build(&plain, frame);
    struct frame_view view, before;
    memset(&view, 0x5a, sizeof(view));
    memcpy(&before, &view, sizeof(view));
    for (uint32_t cut = 0; cut < len; cut++) {
        uint8_t *copy = malloc(cut > 0 ? cut : 1);
        memcpy(copy, frame, cut);
        cr_assert_neq(frame_parse(copy, cut, &view), FRAME_UDP);
        cr_assert_arr_eq((const uint8_t *)&view, (const uint8_t *)&before, sizeof(view));
        free(copy);
    }
}

/* One field changed, in each header layout: the expected verdict. `at` counts from the IP header. */
static void expect_changed(uint32_t at, uint8_t value, enum frame_verdict expected)
{
    for (uint32_t tags = 0; tags <= 2; tags++) {
        struct spec spec = plain;
        spec.tag_count = tags;
        spec.tag_type[0] = spec.tag_type[1] = 0x8100;
        uint8_t frame[FRAME_MAX];
        const uint32_t len = build(&spec, frame);
        frame[ip_at(&spec) + at] = value;
        struct frame_view view;
        const enum frame_verdict verdict = parse_copy(frame, len, &view);
        cr_assert_eq(verdict, expected, "IP byte %u = %02x, %u tags: %s", at, value, tags, frame_verdict_name(verdict));
    }
}

Test(frame, impossible_ip_headers_are_named)
{
    expect_changed(0, 0x65, FRAME_BAD_IP); /* version 6 in an IPv4 frame */
    expect_changed(0, 0x05, FRAME_BAD_IP);
    expect_changed(0, 0x44, FRAME_BAD_IP); /* header of 16 bytes */
    expect_changed(0, 0x40, FRAME_BAD_IP);
    expect_changed(3, 19, FRAME_BAD_IP);   /* total shorter than the header */
    expect_changed(3, 0, FRAME_BAD_IP);    /* total 0, as segmentation offload leaves it in some captures */
    expect_changed(2, 0xff, FRAME_BAD_IP); /* total beyond a frame that holds the whole datagram */
    expect_changed(3, 79, FRAME_BAD_IP);   /* by one byte */
    expect_changed(3, 78, FRAME_UDP);
}

Test(frame, other_protocols_are_not_udp)
{
    expect_changed(9, 6, FRAME_NOT_UDP);
    expect_changed(9, 2, FRAME_NOT_UDP);
    expect_changed(9, 1, FRAME_NOT_UDP);
    expect_changed(9, 0, FRAME_NOT_UDP);
    expect_changed(9, 136, FRAME_NOT_UDP); /* UDP-Lite has another length field */
}

Test(frame, pieces_of_a_datagram_are_fragments)
{
    expect_changed(6, 0x20, FRAME_FRAGMENT); /* more fragments */
    expect_changed(6, 0x60, FRAME_FRAGMENT);
    expect_changed(6, 0x1f, FRAME_FRAGMENT); /* offset */
    expect_changed(7, 0x01, FRAME_FRAGMENT);
    expect_changed(6, 0x00, FRAME_UDP); /* may be fragmented, is not */
    expect_changed(6, 0x80, FRAME_UDP); /* reserved bit: not our business */
}

Test(frame, impossible_udp_lengths_are_named)
{
    for (uint8_t len = 0; len < 8; len++)
        expect_changed(20 + 5, len, FRAME_BAD_UDP);
    expect_changed(20 + 5, 8, FRAME_UDP);
    expect_changed(20 + 5, 58, FRAME_UDP);
    expect_changed(20 + 5, 59, FRAME_BAD_UDP);
    expect_changed(20 + 4, 0xff, FRAME_BAD_UDP);
    expect_changed(3, 27, FRAME_BAD_UDP); /* IP payload of 7 bytes */
    expect_changed(3, 77, FRAME_BAD_UDP); /* UDP one byte beyond the IP payload */
}

Test(frame, padding_does_not_lend_bytes_to_the_datagram)
{
    struct spec spec = plain;
    spec.payload_len = 2;
    spec.padding_len = 16;
    uint8_t frame[FRAME_MAX];
    const uint32_t len = build(&spec, frame);
    put16(frame + 14 + 20 + 4, 8 + 3);
    struct frame_view view;
    cr_assert_eq(parse_copy(frame, len, &view), FRAME_BAD_UDP);
}

Test(frame, other_ether_types_are_not_ipv4)
{
    const uint16_t types[] = {0x0806, 0x86dd, 0x88cc, 0x0000, 0x05dc, 0x0801, 0x9100, 0xffff};
    for (uint32_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        for (uint32_t tags = 0; tags <= 2; tags++) {
            struct spec spec = plain;
            spec.tag_count = tags;
            spec.tag_type[0] = spec.tag_type[1] = 0x88a8;
            spec.type = types[i];
            uint8_t frame[FRAME_MAX];
            struct frame_view view;
            cr_assert_eq(parse_copy(frame, build(&spec, frame), &view), FRAME_NOT_IPV4);
        }
    }
}

Test(frame, largest_datagram_is_viewed)
{
    const uint32_t payload_len = 65507;
    uint8_t *frame = calloc(1, 14 + 20 + 8 + payload_len);
    cr_assert_not_null(frame);
    put16(frame + 12, 0x0800);
    frame[14] = 0x45;
    put16(frame + 16, 65535);
    frame[23] = 17;
    put16(frame + 38, 8 + payload_len);
    struct frame_view view;
    cr_assert_eq(frame_parse(frame, 14 + 20 + 8 + payload_len, &view), FRAME_UDP);
    cr_assert_eq(view.payload_len, payload_len);
    free(frame);
}

/* The rules once more, as a reader of the header would write them down: no fast path, one byte at a time. */
static enum frame_verdict parse_plainly(const uint8_t *frame, uint32_t len, uint32_t *ret_payload_at,
                                        uint32_t *ret_payload_len)
{
    uint32_t at = 12;
    if (len < 14)
        return FRAME_SHORT;
    uint32_t type = (uint32_t)frame[12] * 256 + frame[13];
    for (uint32_t i = 0; i < 2; i++) {
        if (type != 0x8100 && type != 0x88a8)
            break;
        at += 4;
        if (len < at + 2)
            return FRAME_SHORT;
        type = (uint32_t)frame[at] * 256 + frame[at + 1];
    }
    at += 2;
    if (type != 0x0800)
        return FRAME_NOT_IPV4;
    if (len < at + 20)
        return FRAME_SHORT;
    const uint32_t header_len = frame[at] % 16 * 4u;
    const uint32_t total_len = (uint32_t)frame[at + 2] * 256 + frame[at + 3];
    if (frame[at] / 16 != 4 || header_len < 20 || total_len < header_len)
        return FRAME_BAD_IP;
    if (len < at + header_len)
        return FRAME_SHORT;
    if (frame[at + 9] != 17)
        return FRAME_NOT_UDP;
    if (frame[at + 6] % 64 != 0 || frame[at + 7] != 0)
        return FRAME_FRAGMENT;
    const uint32_t udp_at = at + header_len;
    if (len < udp_at + 8)
        return FRAME_SHORT;
    const uint32_t udp_len = (uint32_t)frame[udp_at + 4] * 256 + frame[udp_at + 5];
    if (udp_len < 8 || header_len + udp_len > total_len || udp_at + udp_len > len)
        return FRAME_BAD_UDP;
    if (at + total_len > len)
        return FRAME_BAD_IP;
    *ret_payload_at = udp_at + 8;
    *ret_payload_len = udp_len - 8;
    return FRAME_UDP;
}

Test(frame, both_paths_agree_with_a_plain_reading_on_mutated_frames)
{
    uint64_t state = 20260219;
    uint32_t verdict_count[FRAME_VERDICT_COUNT] = {0};
    for (uint32_t round = 0; round < 200000; round++) {
        uint32_t random[6];
        for (uint32_t i = 0; i < 6; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            random[i] = (uint32_t)(state >> 33);
        }
        struct spec spec = plain;
        spec.tag_count = random[0] % 4;
        spec.tag_type[0] = random[0] & 4 ? 0x8100 : 0x88a8;
        spec.tag_type[1] = spec.tag_type[2] = 0x8100;
        spec.option_len = random[0] & 8 ? random[0] / 16 % 11 * 4 : 0;
        spec.payload_len = random[1] % 40;
        spec.padding_len = random[1] / 64 % 8;
        uint8_t frame[FRAME_MAX];
        uint32_t len = build(&spec, frame);
        if (random[2] & 1) /* one byte of the headers behind the addresses */
            frame[12 + random[3] % (ip_at(&spec) + 28 - 12)] = (uint8_t)random[4];
        if (random[2] & 2) /* a length a little off */
            frame[ip_at(&spec) + (random[2] & 4 ? 3 : 25)] =
                (uint8_t)(frame[ip_at(&spec) + (random[2] & 4 ? 3 : 25)] + random[4] % 17 - 8);
        if ((random[2] & 24) == 8)
            len = random[5] % (len + 1);

        struct frame_view view;
        uint32_t payload_at = 0, payload_len = 0;
        const enum frame_verdict expected = parse_plainly(frame, len, &payload_at, &payload_len);
        const enum frame_verdict verdict = parse_copy(frame, len, &view);
        cr_assert_eq(verdict, expected, "round %u: %s, expected %s", round, frame_verdict_name(verdict),
                     frame_verdict_name(expected));
        verdict_count[verdict]++;
        if (verdict == FRAME_UDP) {
            cr_assert_eq(view.payload, frame + payload_at);
            cr_assert_eq(view.payload_len, payload_len);
        }
    }
    for (uint32_t i = 0; i < FRAME_VERDICT_COUNT; i++)
        cr_assert_gt(verdict_count[i], 100, "the mutations hardly ever give %s",
                     frame_verdict_name((enum frame_verdict)i));
}

/* Whether the checksums of a copy of exactly this size are good; a frame that is not accepted has none. */
static bool good_copy(const uint8_t *frame, uint32_t len)
{
    uint8_t *copy = malloc(len);
    struct frame_view view;
    cr_assert_not_null(copy);
    memcpy(copy, frame, len);
    const bool good = frame_parse(copy, len, &view) == FRAME_UDP && frame_checksum_good(copy, len, &view);
    free(copy);
    return good;
}

/* RFC 1071 as it stands there: words of 16 bits, one by one. */
static uint32_t sum_plainly(uint32_t sum, const uint8_t *bytes, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

/* Put both checksums of a frame of `spec` right. */
static void checksum_plainly(const struct spec *spec, uint8_t *frame)
{
    uint8_t *ip = frame + ip_at(spec), *udp = ip + 20 + spec->option_len;
    put16(ip + 10, 0);
    put16(ip + 10, 0xffff ^ sum_plainly(0, ip, 20 + spec->option_len));
    put16(udp + 6, 0);
    const uint32_t sum =
        sum_plainly(sum_plainly(17 + 8 + spec->payload_len, ip + 12, 8), udp, 8 + spec->payload_len);
    put16(udp + 6, sum == 0xffff ? 0xffff : 0xffff ^ sum);
}

/* Every bit from the IP header to the end of the datagram. */
static void expect_every_flip_is_seen(uint8_t *frame, uint32_t begin, uint32_t end, uint32_t len)
{
    cr_assert(good_copy(frame, len));
    for (uint32_t bit = begin * 8; bit < end * 8; bit++) {
        frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
        cr_assert_not(good_copy(frame, len), "byte %u, bit %u", bit / 8, bit % 8);
        frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

/* Nasdaq TotalView, 2023-08-22: VLAN 141, one message of 12 bytes. */
static const uint8_t nasdaq_frame[80] = {
    0x01, 0x00, 0x5e, 0x36, 0x0c, 0x6f, 0xd4, 0xaf, 0xf7, 0xcb, 0x20, 0xd5, 0x81, 0x00, 0x00, 0x8d,
    0x08, 0x00, 0x45, 0x00, 0x00, 0x3e, 0xbb, 0xcd, 0x40, 0x00, 0x15, 0x11, 0x65, 0xe9, 0xce, 0xc8,
    0x7f, 0x8a, 0xe9, 0x36, 0x0c, 0x6f, 0xc1, 0xf5, 0x67, 0x6d, 0x00, 0x2a, 0x2d, 0x7a, 0x30, 0x30,
    0x30, 0x30, 0x31, 0x30, 0x30, 0x35, 0x39, 0x42, 0x00, 0x00, 0x00, 0x00, 0x00, 0xe1, 0x2f, 0x8c,
    0x00, 0x01, 0x00, 0x0c, 0x53, 0x00, 0x00, 0x00, 0x00, 0x1f, 0x1a, 0xce, 0xdb, 0x02, 0xf0, 0x51,
};

Test(frame, checksums_of_a_real_frame_are_good_and_every_flipped_bit_is_seen)
{
    uint8_t frame[sizeof(nasdaq_frame)];
    memcpy(frame, nasdaq_frame, sizeof(frame));
    expect_every_flip_is_seen(frame, 18, sizeof(frame), sizeof(frame));
    frame[0] ^= 1; /* the Ethernet header is covered by neither */
    cr_assert(good_copy(frame, sizeof(frame)));
}

Test(frame, checksums_agree_with_a_plain_sum_for_every_layout_and_length)
{
    for (uint32_t tags = 0; tags <= 2; tags++)
        for (uint32_t option_len = 0; option_len <= 40; option_len += 4)
            for (uint32_t payload_len = 0; payload_len <= 40; payload_len++) {
                struct spec spec = {.tag_count = tags, .tag_type = {0x88a8, 0x8100}, .type = 0x0800,
                                    .option_len = option_len, .payload_len = payload_len, .padding_len = 3};
                uint8_t frame[FRAME_MAX];
                const uint32_t len = build(&spec, frame);
                cr_assert_not(good_copy(frame, len));
                checksum_plainly(&spec, frame);
                cr_assert(good_copy(frame, len));
                frame[len - 1] ^= 1; /* padding is in no sum */
                cr_assert(good_copy(frame, len));
                if (payload_len % 5 == 0 && option_len % 20 == 0)
                    expect_every_flip_is_seen(frame, ip_at(&spec), len - 3, len);
            }
}

Test(frame, checksum_of_zero_says_that_none_was_sent)
{
    uint8_t frame[FRAME_MAX];
    const uint32_t len = build(&plain, frame), udp = 14 + 20;
    checksum_plainly(&plain, frame);
    put16(frame + udp + 6, 0);
    cr_assert(good_copy(frame, len));
    frame[len - 1] ^= 0x10;
    cr_assert(good_copy(frame, len));
    frame[14 + 8] ^= 0x10; /* but the IP header always has one */
    cr_assert_not(good_copy(frame, len));
}

Test(frame, checksums_are_set_right_and_none_is_added)
{
    for (uint32_t payload_len = 0; payload_len <= 40; payload_len++) {
        struct spec spec = plain;
        spec.tag_count = payload_len % 3;
        spec.tag_type[0] = spec.tag_type[1] = 0x8100;
        spec.payload_len = payload_len;
        uint8_t frame[FRAME_MAX], expected[FRAME_MAX];
        struct frame_view view;
        const uint32_t len = build(&spec, frame);
        memcpy(expected, frame, len);
        checksum_plainly(&spec, expected);
        cr_assert_eq(frame_parse(frame, len, &view), FRAME_UDP);
        frame_checksum_set(frame, len, &view);
        cr_assert_arr_eq(frame, expected, len);
        uint8_t *udp = frame + ip_at(&spec) + 20;
        put16(udp + 6, 0);
        frame_checksum_set(frame, len, &view);
        cr_assert(udp[6] == 0 && udp[7] == 0);
    }
}

Test(frame, checksum_that_comes_out_as_zero_is_sent_as_its_other_form)
{
    uint8_t frame[FRAME_MAX];
    struct frame_view view;
    const uint32_t len = build(&plain, frame), udp = 14 + 20;
    checksum_plainly(&plain, frame);
    /* Its own value in place of two bytes that were zero makes the rest sum up to all ones. */
    put16(frame + udp + 8, 0);
    checksum_plainly(&plain, frame);
    memcpy(frame + udp + 8, frame + udp + 6, 2);
    cr_assert_eq(frame_parse(frame, len, &view), FRAME_UDP);
    frame_checksum_set(frame, len, &view);
    cr_assert(frame[udp + 6] == 0xff && frame[udp + 7] == 0xff);
    cr_assert(good_copy(frame, len));
}

Test(frame, checksum_of_the_largest_datagram_does_not_overflow)
{
    const uint32_t len = 14 + 65535;
    uint8_t *frame = malloc(len);
    struct frame_view view;
    cr_assert_not_null(frame);
    memset(frame, 0xff, len);
    struct spec spec = {.type = 0x0800, .payload_len = 65507};
    uint8_t headers[FRAME_MAX];
    const struct spec empty = {.type = 0x0800};
    build(&empty, headers);
    memcpy(frame, headers, 14 + 20 + 8);
    put16(frame + 16, 65535);
    put16(frame + 38, 65515);
    checksum_plainly(&spec, frame);
    cr_assert(good_copy(frame, len));
    frame[len - 1] = 0xfe;
    cr_assert_not(good_copy(frame, len));
    cr_assert_eq(frame_parse(frame, len, &view), FRAME_UDP);
    frame_checksum_set(frame, len, &view);
    cr_assert(good_copy(frame, len));
    free(frame);
}

Test(frame, verdict_names_are_distinct)
{
    for (uint32_t i = 0; i <= FRAME_VERDICT_COUNT; i++) {
        for (uint32_t j = 0; j < i; j++)
            cr_assert_str_neq(frame_verdict_name((enum frame_verdict)i), frame_verdict_name((enum frame_verdict)j));
    }
}

/* Every packet of a capture is UDP with right checksums and `trailer_len` bytes at least behind the datagram; returns
 * how many. */
static uint32_t walk_capture(const char *name, uint32_t trailer_len)
{
    char path[1024], error[PCAP_ERRBUF_SIZE];
    const char *shared = getenv("SHARED");
    snprintf(path, sizeof(path), "%s/data/pcap/%s", shared != NULL ? shared : "../shared", name);
    if (access(path, R_OK) != 0)
        cr_skip_test("no capture %s", name);
    pcap_t *pcap = pcap_open_offline(path, error);
    cr_assert_not_null(pcap, "%s", error);
    struct pcap_pkthdr *header;
    const uint8_t *frame;
    uint32_t count = 0;
    while (pcap_next_ex(pcap, &header, &frame) == 1) {
        struct frame_view view;
        cr_assert_eq(parse_copy(frame, header->caplen, &view), FRAME_UDP, "packet %u of %s", count + 1, name);
        cr_assert_geq((uint32_t)(frame + header->caplen - (view.payload + view.payload_len)), trailer_len);
        cr_assert_eq(view.dst_ip >> 28, 0xe, "packet %u of %s is not multicast", count + 1, name);
        cr_assert(good_copy(frame, header->caplen), "packet %u of %s has wrong checksums", count + 1, name);
        count++;
    }
    pcap_close(pcap);
    return count;
}

Test(frame, real_nasdaq_open_behind_a_vlan_tag_is_all_datagrams)
{
    cr_assert_eq(walk_capture("nasdaq_totalview_itch50_moldudp64_vlan141_20230822-open-100pkts_dhsilv.pcap", 0), 100);
}

Test(frame, real_miax_frames_have_their_check_sequence_left_out)
{
    cr_assert_eq(walk_capture("miax_tom_mach_v1.9_omi-history.pcap", 4), 20560);
}

Test(frame, real_ice_frames_have_their_padding_left_out)
{
    cr_assert_eq(walk_capture("ice_impact_v1.1.33_omi-history.pcap", 0), 8680);
}
