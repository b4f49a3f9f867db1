/* request_tx: every frame is what an independent, plain reading of the RFCs says it is. */
#include "gateway/port/request_tx.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static uint64_t random_state = 1;
static uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static void random_fill(uint8_t *bytes, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)random_next();
}

/* RFC 1071, as plain as it gets. */
static uint32_t sum16(const uint8_t *bytes, uint32_t len, uint32_t start)
{
    uint32_t sum = start;
    for (uint32_t i = 0; i < len; i++)
        sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

static uint32_t at16(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 8 | bytes[1];
}

static uint32_t at32(const uint8_t *bytes)
{
    return at16(bytes) << 16 | at16(bytes + 2);
}

static void check_frame(const struct request_tx *tx, uint32_t ip, uint16_t port, const uint8_t *payload, uint32_t len,
                        const uint8_t *frame, uint32_t frame_len)
{
    const uint8_t *header = frame + 14, *udp = frame + 34;

    cr_assert_eq(frame_len, 42 + len < 60 ? 60 : 42 + len);
    cr_assert_arr_eq(frame, tx->peer_mac, 6);
    cr_assert_arr_eq(frame + 6, tx->local_mac, 6);
    cr_assert_eq(at16(frame + 12), 0x0800u);
    cr_assert_eq(header[0], 0x45);
    cr_assert_eq(header[1], 0);
    cr_assert_eq(at16(header + 2), 28 + len);
    cr_assert_eq(at16(header + 4), 0u);
    cr_assert_eq(at16(header + 6), 0x4000u);
    cr_assert_eq(header[8], 64);
    cr_assert_eq(header[9], 17);
    cr_assert_eq(sum16(header, 20, 0), 0xffffu, "IPv4 checksum");
    cr_assert_eq(at32(header + 12), tx->local_ip);
    cr_assert_eq(at32(header + 16), ip);
    cr_assert_eq(at16(udp), tx->local_port);
    cr_assert_eq(at16(udp + 2), port);
    cr_assert_eq(at16(udp + 4), 8 + len);
    cr_assert_neq(at16(udp + 6), 0u, "zero would mean: no checksum");
    cr_assert_eq(sum16(udp, 8 + len, sum16(header + 12, 8, 17 + 8 + len)), 0xffffu, "UDP checksum");
    cr_assert_arr_eq(frame + 42, payload, len);
    for (uint32_t i = 42 + len; i < frame_len; i++)
        cr_assert_eq(frame[i], 0, "padding");
}

static struct request_tx random_tx(void)
{
    struct request_tx tx;
    uint8_t local_mac[6], peer_mac[6];
    random_fill(local_mac, 6);
    random_fill(peer_mac, 6);
    request_tx_init(&tx, 3, 7, NULL, local_mac, peer_mac, (uint32_t)random_next(), (uint16_t)random_next());
    cr_assert_eq(tx.port_id, 3);
    cr_assert_eq(tx.queue_id, 7);
    cr_assert_eq(tx.sent_count + tx.full_count + tx.no_mbuf_count, 0u);
    return tx;
}

Test(request_tx, a_request_is_the_frame_written_by_hand)
{
    static const uint8_t local_mac[6] = {2, 0, 0, 0, 0, 1}, peer_mac[6] = {2, 0, 0, 0, 0, 2};
    static const uint8_t payload[20] = {'S', 'E', 'S', 'S', 'I', 'O', 'N', '0', '0', '1', 0, 0, 0, 0, 0, 0, 1, 2, 0, 9};
    static const uint8_t expected[42] = {
        2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0,                                      /* Ethernet */
        0x45, 0, 0, 48, 0, 0, 0x40, 0, 64, 17, 0x26, 0xbb, 10, 0, 0, 1, 10, 0, 0, 2,   /* IPv4 */
        0x66, 0x6d, 0x66, 0x6e, 0, 28, 0xaf, 0x83,                                     /* UDP */
    };
    struct request_tx tx;
    uint8_t *frame = malloc(62);
    cr_assert_not_null(frame);
    request_tx_init(&tx, 0, 1, NULL, local_mac, peer_mac, 0x0a000001, 26221);
    cr_assert_eq(request_tx_encode(&tx, 0x0a000002, 26222, payload, sizeof(payload), frame), 62u);
    cr_assert_arr_eq(frame, expected, sizeof(expected));
    cr_assert_arr_eq(frame + 42, payload, sizeof(payload));
    free(frame);
}

Test(request_tx, frames_of_any_length_and_address_are_right)
{
    static uint8_t payload[REQUEST_TX_PAYLOAD_MAX];
    for (uint32_t len = 0; len <= REQUEST_TX_PAYLOAD_MAX; len++) {
        const struct request_tx tx = random_tx();
        const uint32_t ip = (uint32_t)random_next();
        const uint16_t port = (uint16_t)random_next();
        uint8_t *frame = malloc(42 + len < 60 ? 60 : 42 + len);
        cr_assert_not_null(frame);
        random_fill(payload, len);
        const uint32_t frame_len = request_tx_encode(&tx, ip, port, payload, len, frame);
        check_frame(&tx, ip, port, payload, len, frame, frame_len);
        free(frame);
    }
}

Test(request_tx, a_checksum_of_zero_is_sent_as_its_other_form)
{
    const struct request_tx tx = random_tx();
    uint8_t payload[20] = {0}, *frame = malloc(62);
    uint32_t found = 0;
    cr_assert_not_null(frame);
    for (uint32_t i = 0; i < 65536; i++) { /* every sum comes by */
        payload[18] = (uint8_t)(i >> 8);
        payload[19] = (uint8_t)i;
        const uint32_t frame_len = request_tx_encode(&tx, 0x7f000001, 26222, payload, sizeof(payload), frame);
        check_frame(&tx, 0x7f000001, 26222, payload, sizeof(payload), frame, frame_len);
        if (at16(frame + 40) != 0xffff)
            continue;
        frame[40] = frame[41] = 0; /* with no checksum in it the sum is all ones, so its complement is zero */
        cr_assert_eq(sum16(frame + 34, 28, sum16(frame + 26, 8, 17 + 28)), 0xffffu);
        found++;
    }
    cr_assert_gt(found, 0u);
    free(frame);
}
