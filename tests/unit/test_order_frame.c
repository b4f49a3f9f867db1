/* order_frame: every frame is what an independent, plain reading of the RFCs and of the OUCH table says it is. */
#include "gateway/order/order_frame.h"

#include "gateway/order/ouch.h"
#include "ring/md_event.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct order_frame_at nowhere;

static uint64_t random_state = 1;
static uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* RFC 1071, as plain as it gets. */
static uint16_t sum16(const uint8_t *bytes, size_t len, uint32_t start)
{
    uint32_t sum = start;
    for (size_t i = 0; i < len; i++)
        sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

static uint32_t at16(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 8 | bytes[1];
}

static uint64_t at64(const uint8_t *bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value = value << 8 | bytes[i];
    return value;
}

static void check_headers(const uint8_t *frame, uint32_t frame_len, const struct order_frame_route *route,
                          struct order_frame_at at, uint8_t soup_type, uint32_t message_len)
{
    const uint8_t *ip = frame + 14, *next = frame + 34;
    const uint32_t segment_len = (route->tcp ? 23 : 8) + message_len, len = 34 + segment_len;

    cr_assert_eq(frame_len, len < 60 ? 60 : len);
    cr_assert_arr_eq(frame, route->peer_mac, 6);
    cr_assert_arr_eq(frame + 6, route->local_mac, 6);
    cr_assert_eq(at16(frame + 12), 0x0800u);
    cr_assert_eq(ip[0], 0x45);
    cr_assert_eq(at16(ip + 2), 20 + segment_len);
    cr_assert_eq(at16(ip + 4), 0u);
    cr_assert_eq(at16(ip + 6), 0x4000u);
    cr_assert_eq(ip[8], 64);
    cr_assert_eq(ip[9], route->tcp ? 6 : 17);
    cr_assert_eq(sum16(ip, 20, 0), 0xffff, "IPv4 checksum");
    cr_assert_eq(at16(ip + 12) << 16 | at16(ip + 14), route->local_ip);
    cr_assert_eq(at16(ip + 16) << 16 | at16(ip + 18), route->peer_ip);
    cr_assert_eq(at16(next), route->local_port);
    cr_assert_eq(at16(next + 2), route->peer_port);
    if (route->tcp) {
        cr_assert_eq(at16(next + 4) << 16 | at16(next + 6), at.seq);
        cr_assert_eq(at16(next + 8) << 16 | at16(next + 10), at.ack);
        cr_assert_eq(at16(next + 12), 0x5018u, "five words of header, PSH and ACK");
        cr_assert_eq(at16(next + 14), route->window);
        cr_assert_eq(at16(next + 20), 1 + message_len, "SoupBinTCP counts the type");
        cr_assert_eq(next[22], soup_type);
    } else {
        cr_assert_eq(at16(next + 4), 8 + message_len);
        cr_assert_neq(at16(next + 6), 0u, "zero would mean: no checksum");
    }
    const uint32_t pseudo = sum16(ip + 12, 8, ip[9] + segment_len);
    cr_assert_eq(sum16(next, segment_len, pseudo), 0xffff, "UDP or TCP checksum");
    for (uint32_t i = len; i < frame_len; i++)
        cr_assert_eq(frame[i], 0, "padding");
}

static struct order_frame_route random_route(void)
{
    struct order_frame_route route = {.tcp = random_next() % 2,
                                      .window = (uint16_t)random_next(),
                                      .local_ip = (uint32_t)random_next(),
                                      .peer_ip = (uint32_t)random_next(),
                                      .local_port = (uint16_t)random_next(),
                                      .peer_port = (uint16_t)random_next()};
    for (int i = 0; i < 6; i++) {
        route.local_mac[i] = (uint8_t)random_next();
        route.peer_mac[i] = (uint8_t)random_next();
    }
    return route;
}

/* Any tick will do, as long as it is another one. */
static struct order_frame_id id_of(uint32_t user_ref)
{
    return (struct order_frame_id){.user_ref = user_ref, .tick_ns = user_ref * 0x9e3779b1u};
}

Test(order_frame, any_sequence_of_orders_in_one_frame_is_right_each_time, .timeout = 60)
{
    uint8_t frame[ORDER_FRAME_LEN_MAX];
    static const char sides[] = "BSTE";

    for (int r = 0; r < 200; r++) {
        struct order_frame_template template;
        const struct order_frame_route route = random_route();
        bool prepared = true;
        order_frame_template_init(&template, &route);
        order_frame_prepare(&template, frame);
        for (int i = 0; i < 1000; i++) {
            const uint32_t rare = ORDER_CANCEL + (uint32_t)random_next() % (route.tcp ? 3 : 2);
            const struct order_intent intent = {.action = (uint8_t)(random_next() % 8 ? ORDER_NEW : rare),
                                                .side = (uint8_t)sides[random_next() % 4],
                                                .tif = random_next() % 2 ? ORDER_IOC : ORDER_DAY,
                                                .price = (int32_t)(random_next() % INT32_MAX) + 1,
                                                .qty = (uint32_t)random_next(),
                                                .orig_ref = (uint32_t)random_next()};
            const uint64_t symbol = random_next();
            const uint32_t user_ref = (uint32_t)random_next() | 1;
            uint32_t message_len;
            if (intent.action == ORDER_NEW && !prepared)
                order_frame_prepare(&template, frame);
            prepared = intent.action == ORDER_NEW;
            const struct order_frame_at at = {.seq = (uint32_t)random_next(), .ack = (uint32_t)random_next()};
            const uint32_t len = order_frame_encode(&template, frame, &intent, symbol, id_of(user_ref), at);
            const uint8_t *message = order_frame_message(frame, &message_len);
            check_headers(frame, len, &route, at, intent.action == ORDER_FRAME_HEARTBEAT ? 'R' : 'U', message_len);
            if (route.tcp) {
                uint32_t stream_len;
                cr_assert_eq(order_frame_stream(&template, frame, intent.action, &stream_len), message - 3);
                cr_assert_eq(stream_len, message_len + 3);
            }
            if (intent.action == ORDER_FRAME_HEARTBEAT) {
                cr_assert_eq(message_len, 0u);
            } else if (intent.action == ORDER_NEW) {
                struct ouch_enter enter;
                cr_assert_eq(ouch_decode_enter(message, message_len, &enter), 0);
                cr_assert_eq(enter.user_ref, user_ref);
                cr_assert_eq(enter.side, intent.side);
                cr_assert_eq(enter.qty, intent.qty);
                cr_assert_eq(enter.symbol, symbol);
                cr_assert_eq(enter.price, (uint64_t)intent.price);
                cr_assert_eq(enter.tif, intent.tif == ORDER_IOC ? '3' : '0');
                cr_assert(enter.display == 'Y' && enter.capacity == 'P' && enter.iso == 'N' && enter.cross == 'N');
            } else if (intent.action == ORDER_CANCEL) {
                struct ouch_cancel cancel;
                cr_assert_eq(ouch_decode_cancel(message, message_len, &cancel), 0);
                cr_assert(cancel.user_ref == intent.orig_ref && cancel.qty == intent.qty);
            } else {
                struct ouch_replace replace;
                cr_assert_eq(ouch_decode_replace(message, message_len, &replace), 0);
                cr_assert(replace.orig_user_ref == intent.orig_ref && replace.user_ref == user_ref);
                cr_assert(replace.qty == intent.qty && replace.price == (uint64_t)intent.price);
            }
        }
    }
}

Test(order_frame, bytes_of_an_order_stand_where_the_table_says)
{
    static const struct order_frame_route route = {
        .local_ip = 0x0a000001, .peer_ip = 0x0a000002, .local_port = 1, .peer_port = 2};
    struct order_frame_template template;
    uint8_t frame[ORDER_FRAME_LEN_MAX];
    const struct order_intent intent = {
        .action = ORDER_NEW, .side = 'S', .tif = ORDER_IOC, .price = 0x01020304, .qty = 0x0a0b0c0d};

    order_frame_template_init(&template, &route);
    order_frame_prepare(&template, frame);
    order_frame_encode(&template, frame, &intent, md_symbol("AAPL"),
                       (struct order_frame_id){.user_ref = 0x1122aabb, .tick_ns = 0x55fe9876}, nowhere);
    const uint8_t *message = frame + ORDER_FRAME_UDP_LEN;
    cr_assert_eq(message[0], 'O');
    cr_assert_arr_eq(message + 1, "\x11\x22\xaa\xbb", 4);
    cr_assert_eq(message[5], 'S');
    cr_assert_arr_eq(message + 6, "\x0a\x0b\x0c\x0d", 4);
    cr_assert_arr_eq(message + 10, "AAPL    ", 8);
    cr_assert_eq(at64(message + 18), 0x01020304u);
    cr_assert_arr_eq(message + 26, "3YPNN", 5);
    cr_assert_arr_eq(message + 31, "FE98761122AABB", 14);
    cr_assert_arr_eq(message + 45, "\0\0", 2);
}

Test(order_frame, bytes_of_a_cancel_and_a_replace_stand_where_the_table_says)
{
    static const struct order_frame_route route = {
        .local_ip = 0x0a000001, .peer_ip = 0x0a000002, .local_port = 1, .peer_port = 2};
    struct order_frame_template template;
    uint8_t frame[ORDER_FRAME_LEN_MAX];
    struct order_intent intent = {.action = ORDER_REPLACE, .side = 'S', .tif = ORDER_DAY, .price = INT32_MAX,
                                  .qty = 0x0a0b0c0d, .orig_ref = 0x01020304};

    order_frame_template_init(&template, &route);
    cr_assert_eq(order_frame_encode(&template, frame, &intent, md_symbol("AAPL"),
                                    (struct order_frame_id){.user_ref = 0x9876fedc}, nowhere),
                 42u + 40u);
    const uint8_t *message = frame + ORDER_FRAME_UDP_LEN;
    cr_assert_arr_eq(message, "U\x01\x02\x03\x04\x98\x76\xfe\xdc\x0a\x0b\x0c\x0d\0\0\0\0\x7f\xff\xff\xff", 21);
    cr_assert_arr_eq(message + 21, "0YN0000009876FEDC\0\0", 19);
    intent.action = ORDER_CANCEL;
    intent.qty = 0;
    cr_assert_eq(order_frame_encode(&template, frame, &intent, md_symbol("AAPL"), id_of(5), nowhere), 60u);
    cr_assert_arr_eq(message, "X\x01\x02\x03\x04\0\0\0\0", 9);
    for (int i = 51; i < 60; i++)
        cr_assert_eq(frame[i], 0, "the padding gives away nothing of the replace before");
}

/* A frame that has served before holds the same bytes as one that has not, and nothing is written behind it. */
Test(order_frame, an_old_frame_holds_the_bytes_of_a_new_one)
{
    struct order_frame_template template;
    uint8_t old[ORDER_FRAME_LEN_MAX + 8], new[ORDER_FRAME_LEN_MAX + 8];
    const struct order_frame_route route = random_route();
    uint8_t last = 0;

    order_frame_template_init(&template, &route);
    memset(old, 0xa5, sizeof(old));
    for (int i = 0; i < 100000; i++) {
        const bool extreme = random_next() % 4 == 0;
        const struct order_intent intent = {.action = (uint8_t)(1 + random_next() % 3),
                                            .side = (uint8_t)"BSTE"[random_next() % 4],
                                            .tif = random_next() % 2 ? ORDER_IOC : ORDER_DAY,
                                            .price = extreme ? INT32_MAX : (int32_t)(random_next() % 100000) + 1,
                                            .qty = extreme ? UINT32_MAX : (uint32_t)random_next() % 1000,
                                            .orig_ref = extreme ? UINT32_MAX - 1 : (uint32_t)random_next()};
        const uint64_t symbol = extreme ? UINT64_MAX : random_next();
        const uint32_t user_ref = extreme ? UINT32_MAX - 1 : (uint32_t)i + 1;
        memset(new, 0x5a, sizeof(new));
        order_frame_prepare(&template, new);
        if (intent.action == ORDER_NEW && last != ORDER_NEW)
            order_frame_prepare(&template, old);
        last = intent.action;
        const uint32_t len = order_frame_encode(&template, old, &intent, symbol, id_of(user_ref), nowhere);
        cr_assert_eq(order_frame_encode(&template, new, &intent, symbol, id_of(user_ref), nowhere), len);
        cr_assert_arr_eq(old, new, len);
        check_headers(old, len, &route, nowhere, 'U',
                      intent.action == ORDER_NEW ? 47 : intent.action == ORDER_CANCEL ? 9 : 40);
        for (uint32_t at = ORDER_FRAME_LEN_MAX; at < sizeof(old); at++)
            cr_assert(old[at] == 0xa5 && new[at] == 0x5a, "beyond the frame");
    }
}

Test(order_frame, every_reference_has_an_order_id_of_its_own_in_printable_characters)
{
    static const uint32_t edges[] = {1, 9, 10, 15, 16, 0x99, 0x9a, 0xa9, 0xffff, 0x10000, 0x09afAF90, 0x80000000,
                                     UINT32_MAX - 1, UINT32_MAX};
    const struct order_frame_route route = random_route();
    struct order_frame_template template;
    uint8_t frame[ORDER_FRAME_LEN_MAX];

    order_frame_template_init(&template, &route);
    order_frame_prepare(&template, frame);
    for (uint32_t i = 0; i < 200000; i++) {
        const uint32_t user_ref = i < sizeof(edges) / sizeof(edges[0]) ? edges[i]
                                  : i < 100000                        ? i
                                                                      : (uint32_t)random_next();
        const struct order_intent intent = {.action = ORDER_NEW, .side = 'B', .price = 1, .qty = 1};
        char expected[24]; /* the reference itself, so that different references have different identifiers */
        const struct order_frame_id id = id_of(user_ref);
        snprintf(expected, sizeof(expected), "%06X%08X", id.tick_ns & 0xffffffu, user_ref);
        order_frame_encode(&template, frame, &intent, 0, id, nowhere);
        cr_assert_arr_eq(frame + template.header_len + 31, expected, 14, "%s", expected);
    }
}

Test(order_frame, a_checksum_of_zero_is_sent_as_its_other_form)
{
    static const struct order_frame_route route = {
        .local_ip = 0x0a000001, .peer_ip = 0x0a000002, .local_port = 1, .peer_port = 2};
    struct order_frame_template template;
    uint8_t frame[ORDER_FRAME_LEN_MAX];

    order_frame_template_init(&template, &route);
    order_frame_prepare(&template, frame);
    for (uint8_t action = ORDER_NEW; action <= ORDER_REPLACE; action++) {
        const uint32_t message_len = action == ORDER_NEW ? 47 : action == ORDER_CANCEL ? 9 : 40;
        uint32_t found = 0;
        for (uint32_t qty = 1; qty < 200000; qty++) { /* every sum comes by */
            const struct order_intent intent = {
                .action = action, .side = 'B', .tif = ORDER_DAY, .price = 100, .qty = qty, .orig_ref = 1};
            const uint32_t len = order_frame_encode(&template, frame, &intent, md_symbol("ABC"), id_of(1), nowhere);
            cr_assert_neq(at16(frame + 40), 0u);
            if (at16(frame + 40) != 0xffff)
                continue;
            check_headers(frame, len, &route, nowhere, 'U', message_len);
            frame[40] = frame[41] = 0; /* with no checksum in it the sum is all ones, so its complement is zero */
            cr_assert_eq(sum16(frame + 34, 8 + message_len, sum16(frame + 26, 8, 17 + 8 + message_len)), 0xffff);
            found++;
        }
        cr_assert_gt(found, 0u, "action %u", action);
    }
}
