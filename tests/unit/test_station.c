/* station: answers to ARP and pings for our address, to one station, bounded; nothing is passed on, hostile or not. */
#include "gateway/port/station.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define OURS 0xc0000202u   /* 192.0.2.2 */
#define THEIRS 0xc0000203u
#define S UINT64_C(1000000000)
#define FRAME_MAX 1600u

static const uint8_t our_mac[6] = {2, 0, 0, 0, 0, 0xa}, their_mac[6] = {2, 0, 0, 0, 0, 0xb};
static const uint8_t everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static struct station station;
static uint8_t frame[FRAME_MAX], reply[STATION_FRAME_MAX];

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value);
}

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static uint32_t sum(const uint8_t *bytes, uint32_t len)
{
    uint32_t total = 0;
    for (uint32_t i = 0; i < len; i++)
        total += i & 1 ? bytes[i] : (uint32_t)bytes[i] << 8;
    while (total >> 16)
        total = (total & 0xffff) + (total >> 16);
    return ~total & 0xffff;
}

static void begin(void)
{
    station_init(&station, our_mac, 0);
    cr_assert(station_ip_add(&station, OURS));
}

static uint32_t head(const uint8_t *dst, uint32_t type, uint32_t tags)
{
    uint32_t at = 12;
    memset(frame, 0, sizeof(frame));
    memcpy(frame, dst, 6);
    memcpy(frame + 6, their_mac, 6);
    for (uint32_t i = 0; i < tags; i++, at += 4) {
        put16(frame + at, 0x8100);
        put16(frame + at + 2, 0x2000 + 100 + i);
    }
    put16(frame + at, type);
    return at + 2;
}

static uint32_t arp(const uint8_t *dst, uint32_t tags, uint32_t op, uint32_t sender, uint32_t target)
{
    const uint32_t at = head(dst, 0x0806, tags);
    memcpy(frame + at, (uint8_t[]){0, 1, 8, 0, 6, 4}, 6);
    put16(frame + at + 6, op);
    memcpy(frame + at + 8, their_mac, 6);
    put32(frame + at + 14, sender);
    put32(frame + at + 24, target);
    return at + 28;
}

static void seal(uint32_t at, uint32_t data_len)
{
    put16(frame + at + 10, 0);
    put16(frame + at + 10, sum(frame + at, 20));
    put16(frame + at + 22, 0);
    put16(frame + at + 22, sum(frame + at + 20, 8 + data_len));
}

static uint32_t echo(const uint8_t *dst, uint32_t tags, uint32_t src, uint32_t to, uint32_t data_len)
{
    const uint32_t at = head(dst, 0x0800, tags);
    frame[at] = 0x45;
    put16(frame + at + 2, 28 + data_len);
    put16(frame + at + 4, 0x1234);
    frame[at + 8] = 3;
    frame[at + 9] = 1;
    put32(frame + at + 12, src);
    put32(frame + at + 16, to);
    frame[at + 20] = 8;
    put32(frame + at + 24, 0x00070009);
    for (uint32_t i = 0; i < data_len; i++)
        frame[at + 28 + i] = (uint8_t)(i * 7);
    seal(at, data_len);
    return at + 28 + data_len;
}

/* From a copy of exactly its size: the address sanitizer sees a read beyond. */
static enum station_verdict receive(uint32_t len, uint64_t now_ns, uint32_t *ret_len)
{
    uint8_t *exact = malloc(len > 0 ? len : 1);
    cr_assert_not_null(exact);
    memcpy(exact, frame, len);
    memset(reply, 0xee, sizeof(reply));
    const enum station_verdict verdict = station_receive(&station, exact, len, now_ns, reply, ret_len);
    free(exact);
    return verdict;
}

Test(station, arp_for_our_address_is_answered_to_who_asked)
{
    uint32_t len = 0;
    begin();
    for (uint32_t tags = 0; tags <= 2; tags++)
        for (uint32_t unicast = 0; unicast < 2; unicast++) {
            const uint32_t asked = arp(unicast ? our_mac : everybody, tags, 1, THEIRS, OURS), at = 14 + 4 * tags;
            cr_assert_eq(receive(asked, S, &len), STATION_ARP);
            cr_expect_eq(len, 60u);
            cr_expect_eq(memcmp(reply, their_mac, 6), 0);
            cr_expect_eq(memcmp(reply + 6, our_mac, 6), 0);
            cr_expect_eq(memcmp(reply + 12, frame + 12, at - 12), 0, "in the same VLAN");
            cr_expect_eq(reply[at + 7], 2, "a reply");
            cr_expect(memcmp(reply + at + 8, our_mac, 6) == 0 && get32(reply + at + 14) == OURS);
            cr_expect(memcmp(reply + at + 18, their_mac, 6) == 0 && get32(reply + at + 24) == THEIRS);
            for (uint32_t i = at + 28; i < 60; i++)
                cr_expect_eq(reply[i], 0, "padding tells nothing");
        }
    cr_expect_eq(receive(arp(everybody, 0, 1, 0, OURS), S, &len), STATION_ARP, "a probe (RFC 5227)");
}

Test(station, arp_that_is_not_for_us_is_not_answered)
{
    uint32_t len = 0;
    begin();
    cr_expect_eq(receive(arp(everybody, 0, 1, THEIRS, THEIRS + 1), S, &len), STATION_FOREIGN);
    cr_expect_eq(receive(arp(their_mac, 0, 1, THEIRS, OURS), S, &len), STATION_FOREIGN, "seen promiscuously");
    cr_expect_eq(receive(arp(our_mac, 0, 2, THEIRS, OURS), S, &len), STATION_FOREIGN, "a reply");
    cr_expect_eq(receive(arp(everybody, 0, 1, OURS, OURS), S, &len), STATION_CONFLICT);
    cr_expect_eq(receive(arp(everybody, 0, 2, OURS, OURS), S, &len), STATION_CONFLICT);
    cr_expect_eq(receive(arp(everybody, 3, 1, THEIRS, OURS), S, &len), STATION_FOREIGN, "a third tag");
    uint32_t asked = arp(everybody, 0, 1, THEIRS, OURS);
    memcpy(frame + 22, everybody, 6);
    cr_expect_eq(receive(asked, S, &len), STATION_BAD_SOURCE, "an answer to all");
    asked = arp(everybody, 0, 1, THEIRS, OURS);
    memset(frame + 22, 0, 6);
    cr_expect_eq(receive(asked, S, &len), STATION_BAD_SOURCE);
    asked = arp(everybody, 0, 1, THEIRS, OURS);
    frame[18] = 16;
    cr_expect_eq(receive(asked, S, &len), STATION_FOREIGN, "longer addresses");
}

Test(station, a_ping_is_answered_with_its_data)
{
    static const uint32_t lengths[] = {0, 1, 17, 18, 56, 1471, 1472};
    uint32_t len = 0;
    begin();
    for (uint32_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
        for (uint32_t tags = 0; tags <= 2; tags++) {
            const uint32_t asked = echo(our_mac, tags, THEIRS, OURS, lengths[i]), at = 14 + 4 * tags;
            cr_assert_eq(receive(asked, S, &len), STATION_ECHO);
            cr_expect_eq(len, asked < 60 ? 60 : asked);
            cr_expect(memcmp(reply, their_mac, 6) == 0 && memcmp(reply + 6, our_mac, 6) == 0);
            cr_expect_eq(sum(reply + at, 20), 0u);
            cr_expect_eq(sum(reply + at + 20, 8 + lengths[i]), 0u);
            cr_expect(get32(reply + at + 12) == OURS && get32(reply + at + 16) == THEIRS);
            cr_expect(reply[at + 8] == 64 && reply[at + 20] == 0 && reply[at + 21] == 0);
            cr_expect_eq(memcmp(reply + at + 24, frame + at + 24, 4 + lengths[i]), 0, "identifier, sequence, data");
        }
}

Test(station, a_ping_that_is_not_quite_right_is_not_answered)
{
    uint32_t len = 0;
    begin();
#define REFUSED(make, change, again, expected)                                                                         \
    do {                                                                                                               \
        const uint32_t asked = (make);                                                                                 \
        change;                                                                                                        \
        if (again)                                                                                                     \
            seal(14, 20);                                                                                              \
        cr_expect_eq(receive(asked, S, &len), expected, "%s; %s", #make, #change);                                     \
    } while (0)
    REFUSED(echo(our_mac, 0, THEIRS, THEIRS, 20), , true, STATION_FOREIGN);
    REFUSED(echo(everybody, 0, THEIRS, OURS, 20), , true, STATION_FOREIGN);
    REFUSED(echo(their_mac, 0, THEIRS, OURS, 20), , true, STATION_FOREIGN);
    REFUSED(echo(our_mac, 0, THEIRS, OURS, 20), frame[34] = 0, true, STATION_FOREIGN);
    REFUSED(echo(our_mac, 0, THEIRS, OURS, 20), frame[34] = 5, true, STATION_FOREIGN); /* a redirect */
    REFUSED(echo(our_mac, 0, THEIRS, OURS, 20), frame[23] = 6, true, STATION_FOREIGN); /* TCP */
    REFUSED(echo(our_mac, 0, THEIRS, OURS, 20), frame[20] = 0x20, true, STATION_FRAGMENT);
    REFUSED(echo(our_mac, 0, THEIRS, OURS, 20), frame[21] = 8, true, STATION_FRAGMENT);
    REFUSED(echo(our_mac, 0, THEIRS, OURS, 20), frame[40] ^= 1, false, STATION_BAD_CHECKSUM);
    REFUSED(echo(our_mac, 0, THEIRS, OURS, 20), frame[22] ^= 1, false, STATION_BAD_CHECKSUM);
    REFUSED(echo(our_mac, 0, THEIRS, OURS, 20), frame[14] = 0x65, false, STATION_FOREIGN);
    REFUSED(echo(our_mac, 0, THEIRS, OURS, 20), frame[14] = 0x44, false, STATION_SHORT);
    REFUSED(echo(our_mac, 0, THEIRS, OURS, 20), put16(frame + 16, 27), false, STATION_SHORT);
    REFUSED(echo(our_mac, 0, THEIRS, OURS, 20), put16(frame + 16, 65535), false, STATION_SHORT);
    REFUSED(echo(our_mac, 0, OURS, OURS, 20), , true, STATION_BAD_SOURCE);
    REFUSED(echo(our_mac, 0, UINT32_MAX, OURS, 20), , true, STATION_BAD_SOURCE);
    REFUSED(echo(our_mac, 0, 0xe0000001, OURS, 20), , true, STATION_BAD_SOURCE);
    REFUSED(echo(our_mac, 0, 0, OURS, 20), , true, STATION_BAD_SOURCE);
    REFUSED(echo(our_mac, 0, THEIRS, OURS, 20), frame[6] = 3, true, STATION_BAD_SOURCE);
    REFUSED(echo(our_mac, 0, THEIRS, OURS, 1473), , false, STATION_LONG);
}

Test(station, cut_off_at_any_byte_nothing_is_answered)
{
    uint32_t len = 0;
    begin();
    for (uint32_t tags = 0; tags <= 2; tags++) {
        const uint32_t asked = arp(everybody, tags, 1, THEIRS, OURS);
        for (uint32_t cut = 0; cut < asked; cut++)
            cr_expect_eq(receive(cut, S, &len), STATION_SHORT, "%u tags, %u bytes", tags, cut);
        const uint32_t pinged = echo(our_mac, tags, THEIRS, OURS, 30);
        for (uint32_t cut = 0; cut < pinged; cut++)
            cr_expect_eq(receive(cut, S, &len), STATION_SHORT, "%u tags, %u bytes", tags, cut);
    }
}

Test(station, igmp_is_for_its_vlan)
{
    uint32_t len = 0;
    begin();
    for (uint32_t vlan = 0; vlan <= 101; vlan += vlan == 0 ? 100 : 1)
        for (uint32_t tags = 0; tags <= 2; tags++) {
            station.vlan = (uint16_t)vlan;
            const uint32_t at = head((uint8_t[]){1, 0, 0x5e, 0, 0, 1}, 0x0800, tags);
            frame[at] = 0x46;
            frame[at + 9] = 2;
            const bool mine = vlan == 0 ? tags == 0 : vlan == 100 && tags == 1;
            cr_expect_eq(receive(at + 32, S, &len), mine ? STATION_IGMP : STATION_VLAN, "vlan %u, %u tags", vlan, tags);
            cr_expect(!mine || len == at);
        }
}

Test(station, a_flood_is_answered_at_a_bounded_rate)
{
    uint32_t len = 0, answered = 0;
    begin();
    for (uint64_t at_ns = 5 * S; at_ns < 7 * S; at_ns += 20000) { /* 50,000 a second */
        const uint32_t asked = at_ns / 20000 % 2 ? arp(everybody, 0, 1, THEIRS, OURS)
                                                 : echo(our_mac, 0, THEIRS, OURS, 10);
        const enum station_verdict verdict = receive(asked, at_ns, &len);
        cr_assert(verdict == STATION_ARP || verdict == STATION_ECHO || verdict == STATION_LIMITED);
        answered += verdict != STATION_LIMITED;
    }
    cr_expect_leq(answered, 2 * STATION_RATE_PER_S + STATION_RATE_BURST);
    cr_expect_geq(answered, 2 * STATION_RATE_PER_S);
    cr_expect_eq(station.verdict_count[STATION_LIMITED] + answered, 100000u);
}
