/* aside: what is wanted is kept with a reference of its own, in order; all else, and what finds no room, is not. */
#include "gateway/port/aside.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define OURS 0xc0000202u   /* 192.0.2.2 */
#define OTHERS 0xc0000203u

static struct aside *aside_new(void)
{
    struct aside *aside = aligned_alloc(64, (sizeof(*aside) + 63) / 64 * 64);
    cr_assert_not_null(aside);
    aside_init(aside);
    aside->igmp = true;
    cr_assert(aside_ip_add(aside, OURS));
    return aside;
}

static void put_be32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* Frames in a buffer of 64 bytes, `tags` VLAN tags. */
static uint32_t frame_begin(uint8_t frame[64], uint16_t type, uint32_t tags)
{
    uint32_t at = 12;

    memset(frame, 0, 64);
    for (uint32_t i = 0; i < tags; i++, at += 4) {
        frame[at] = i == 0 && tags == 2 ? 0x88 : 0x81;
        frame[at + 1] = i == 0 && tags == 2 ? 0xa8 : 0;
    }
    frame[at] = (uint8_t)(type >> 8);
    frame[at + 1] = (uint8_t)type;
    return at + 2;
}

static uint32_t arp(uint8_t frame[64], uint32_t tags, uint32_t target)
{
    const uint32_t at = frame_begin(frame, 0x0806, tags);
    put_be32(frame + at + 24, target);
    return at + 28;
}

static uint32_t ipv4(uint8_t frame[64], uint32_t tags, uint8_t protocol, uint32_t dst)
{
    const uint32_t at = frame_begin(frame, 0x0800, tags);
    frame[at] = 0x45;
    frame[at + 9] = protocol;
    put_be32(frame + at + 16, dst);
    return at + 20;
}

Test(aside, wants_arp_and_icmp_for_our_addresses_and_igmp_for_any)
{
    struct aside *aside = aside_new();
    uint8_t frame[64];

    for (uint32_t tags = 0; tags <= 3; tags++) {
        const bool seen = tags <= 2; /* a third tag is no Ethernet type of ours */
        cr_expect_eq(aside_wants(aside, frame, arp(frame, tags, OURS)), seen);
        cr_expect_not(aside_wants(aside, frame, arp(frame, tags, OTHERS)));
        cr_expect_eq(aside_wants(aside, frame, ipv4(frame, tags, 1, OURS)), seen);
        cr_expect_not(aside_wants(aside, frame, ipv4(frame, tags, 1, OTHERS)));
        cr_expect_eq(aside_wants(aside, frame, ipv4(frame, tags, 2, 0xe0000001u)), seen);
        cr_expect_not(aside_wants(aside, frame, ipv4(frame, tags, 6, OURS)), "TCP");
        cr_expect_not(aside_wants(aside, frame, ipv4(frame, tags, 17, OURS)), "UDP");
    }
    aside->igmp = false;
    cr_expect_not(aside_wants(aside, frame, ipv4(frame, 0, 2, 0xe0000001u)));
    frame_begin(frame, 0x86dd, 0);
    cr_expect_not(aside_wants(aside, frame, 64), "IPv6");
    free(aside);
}

Test(aside, a_frame_cut_off_anywhere_is_not_wanted_and_not_read_beyond)
{
    struct aside *aside = aside_new();
    uint8_t whole[64];

    for (uint32_t kind = 0; kind < 9; kind++) {
        const uint32_t tags = kind % 3;
        const uint32_t full = kind < 3   ? arp(whole, tags, OURS)
                              : kind < 6 ? ipv4(whole, tags, 1, OURS)
                                         : ipv4(whole, tags, 2, OURS);
        for (uint32_t len = 0; len <= full; len++) {
            uint8_t *exact = malloc(len > 0 ? len : 1); /* the address sanitizer sees a read beyond */
            cr_assert_not_null(exact);
            memcpy(exact, whole, len);
            cr_expect_eq(aside_wants(aside, exact, len), len == full, "kind %u, %u bytes", kind, len);
            free(exact);
        }
    }
    free(aside);
}

Test(aside, addresses_are_counted_once_and_bounded)
{
    struct aside *aside = aside_new();

    cr_expect(aside_ip_add(aside, OURS));
    cr_expect_eq(aside->ip_count, 1u);
    for (uint32_t i = 1; i < ASIDE_IPS_MAX; i++)
        cr_expect(aside_ip_add(aside, OURS + 1000 + i));
    cr_expect_not(aside_ip_add(aside, OTHERS));
    free(aside);
}

Test(aside, keeps_a_reference_in_order_and_counts_what_finds_no_room)
{
    static struct rte_mbuf mbuf[ASIDE_FRAMES + 1];
    static uint8_t bytes[ASIDE_FRAMES + 1][64];
    struct aside *aside = aside_new();

    for (uint32_t i = 0; i <= ASIDE_FRAMES; i++) {
        mbuf[i] = (struct rte_mbuf){.buf_addr = bytes[i], .nb_segs = 1};
        rte_mbuf_refcnt_set(&mbuf[i], 1);
        mbuf[i].data_len = (uint16_t)arp(bytes[i], 0, i == 3 ? OTHERS : OURS);
        aside_offer(aside, &mbuf[i]);
    }
    cr_expect_eq(aside->taken_count, ASIDE_FRAMES - 1u);
    cr_expect_eq(aside->full_count, 1u);
    cr_expect_eq(rte_mbuf_refcnt_read(&mbuf[3]), 1, "not wanted, not kept");
    cr_expect_eq(rte_mbuf_refcnt_read(&mbuf[ASIDE_FRAMES]), 1, "no room, not kept");
    for (uint32_t i = 0; i < ASIDE_FRAMES; i++)
        if (i != 3) {
            cr_expect_eq(aside_take(aside), &mbuf[i]);
            cr_expect_eq(rte_mbuf_refcnt_read(&mbuf[i]), 2);
        }
    cr_expect_null(aside_take(aside));
    aside_offer(aside, &mbuf[0]);
    cr_expect_eq(aside_take(aside), &mbuf[0], "and again");
    free(aside);
}
