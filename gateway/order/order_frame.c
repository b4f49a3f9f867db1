/* Order frames. Contract in order_frame.h. Runs on the strategy lcore, once for each order; pure.
 *
 * One's complement sums do not care about order, and a field at an odd offset counts byte-swapped (RFC 1071). So the
 * checksum of an order is the sum of its constant bytes, taken once, plus the sums of the fields that were patched. In
 * a datagram the OUCH message begins at an even offset; behind TCP's header and the three bytes of SoupBinTCP at an odd
 * one, so there even and odd fields change places. */
#include "gateway/order/order_frame.h"

#include "feed/soup.h"
#include "feed/wire.h"
#include "gateway/order/ouch.h"
#include "ring/check.h"

#include <stddef.h>
#include <smmintrin.h>

#define ETHER_LEN 14u
#define IPV4_LEN 20u
#define UDP_LEN 8u
#define TCP_LEN 20u
#define FRAME_LEN_MIN 60u /* without the check sequence, which the NIC adds */
#define IPV4_TTL 64u
#define UDP_CHECKSUM_AT 40u
#define TCP_SEQ_AT 38u
#define TCP_CHECKSUM_AT 50u
#define PROTOCOL_AT 23u
#define PROTOCOL_TCP 6u
#define PROTOCOL_UDP 17u

/* Fields of an Enter Order that differ from order to order: offsets in the message. */
enum enter_at {
    ENTER_USER_REF = 1,
    ENTER_SIDE = 5,
    ENTER_QTY = 6,
    ENTER_SYMBOL = 10,
    ENTER_PRICE = 18,
    ENTER_TIF = 26,
    ENTER_CL_ORD_ID = 31,
};

/* Sum of big-endian 16-bit words, not folded. An odd last byte counts as the high one. */
static uint64_t sum_bytes(const uint8_t *bytes, uint32_t len)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i + 1 < len; i += 2)
        sum += load_be16(bytes + i);
    if (len % 2)
        sum += (uint32_t)bytes[len - 1] << 8;
    return sum;
}

static inline uint16_t fold(uint64_t sum)
{
    sum = (sum & 0xffffffffu) + (sum >> 32);
    sum = (sum & 0xffffu) + (sum >> 16);
    sum = (sum & 0xffffu) + (sum >> 16);
    sum = (sum & 0xffffu) + (sum >> 16);
    return (uint16_t)sum;
}

/* What a value adds to the sum when it stands at an even, or at an odd, offset. A sum of 16-bit words modulo 2^16 -
 * 1 is the number itself modulo 2^16 - 1, so a 64-bit value counts as its two halves. */
static inline uint64_t sum_even(uint64_t value)
{
    return (value & 0xffffffffu) + (value >> 32);
}

/* Swapping the two bytes of a word is a multiplication by 256 modulo 2^16 - 1. */
static inline uint64_t sum_odd(uint64_t sum)
{
    return sum << 8;
}

/* Zero means "no checksum" in a UDP header, so there zero is sent as its other form. */
static inline void checksum_store(const struct order_frame_template *template, uint8_t *frame, uint64_t sum)
{
    const uint16_t checksum = (uint16_t)~fold(sum);

    if (template->tcp)
        store_be16(frame + TCP_CHECKSUM_AT, checksum);
    else
        store_be16(frame + UDP_CHECKSUM_AT, checksum == 0 ? 0xffff : checksum);
}

/* Everything in front of the OUCH message. */
static void headers_write(uint8_t *frame, const struct order_frame_route *route, uint8_t type, uint32_t message_len)
{
    uint8_t *ip = frame + ETHER_LEN;
    uint8_t *next = ip + IPV4_LEN;
    const uint32_t ip_len =
        IPV4_LEN + (route->tcp ? TCP_LEN + SOUP_HEADER_LEN : UDP_LEN) + message_len;

    memcpy(frame, route->peer_mac, 6);
    memcpy(frame + 6, route->local_mac, 6);
    store_be16(frame + 12, 0x0800);
    ip[0] = 0x45;
    store_be16(ip + 2, (uint16_t)ip_len);
    store_be16(ip + 6, 0x4000); /* do not fragment, so that an identification of 0 is legal (RFC 6864) */
    ip[8] = IPV4_TTL;
    ip[9] = route->tcp ? PROTOCOL_TCP : PROTOCOL_UDP;
    store_be32(ip + 12, route->local_ip);
    store_be32(ip + 16, route->peer_ip);
    store_be16(ip + 10, (uint16_t)~fold(sum_bytes(ip, IPV4_LEN)));
    store_be16(next, route->local_port);
    store_be16(next + 2, route->peer_port);
    if (!route->tcp) {
        store_be16(next + 4, (uint16_t)(UDP_LEN + message_len));
        return;
    }
    next[12] = TCP_LEN / 4 << 4;
    next[13] = 0x18; /* PSH, ACK */
    store_be16(next + 14, route->window);
    soup_encode_header(next + TCP_LEN, type, message_len);
}

/* ClOrdID: six hexadecimal digits of the tick, eight of the reference, which is unique per session, so the identifier
 * is; then two zero bytes. All at once: a nibble to each byte, and each looks its digit up. */
static inline __m128i cl_ord_id_of(struct order_frame_id id)
{
    const __m128i digits =
        _mm_setr_epi8('0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F');
    const __m128i low_nibble = _mm_set1_epi8(0x0f);
    const __m128i bytes = _mm_cvtsi64_si128((long long)__builtin_bswap64((uint64_t)id.tick_ns << 32 | id.user_ref));
    const __m128i high = _mm_and_si128(_mm_srli_epi16(bytes, 4), low_nibble), low = _mm_and_si128(bytes, low_nibble);

    return _mm_srli_si128(_mm_shuffle_epi8(digits, _mm_unpacklo_epi8(high, low)), 2);
}

void order_frame_template_init(struct order_frame_template *template, const struct order_frame_route *route)
{
    static const struct ouch_enter enter = {.display = 'Y', .capacity = 'P', .iso = 'N', .cross = 'N'};
    static const struct ouch_replace replace = {.display = 'Y', .iso = 'N'};
    static const struct ouch_cancel cancel;

    memset(template, 0, sizeof(*template));
    template->tcp = route->tcp;
    template->header_len = route->tcp ? ORDER_FRAME_HEADER_MAX : ORDER_FRAME_UDP_LEN;
    for (uint32_t i = 0; i < 4; i++) {
        uint8_t *frame = template->bytes[i];
        uint8_t *message = frame + template->header_len;
        uint8_t type = SOUP_UNSEQUENCED;
        switch (i + 1) {
        case ORDER_NEW:
            template->message_len[i] = ouch_encode_enter(&enter, message);
            break;
        case ORDER_CANCEL:
            template->message_len[i] = ouch_encode_cancel(&cancel, message);
            break;
        case ORDER_REPLACE:
            template->message_len[i] = ouch_encode_replace(&replace, message);
            break;
        default:
            type = SOUP_CLIENT_HEARTBEAT;
            break;
        }
        headers_write(frame, route, type, template->message_len[i]);
        const uint32_t len = template->header_len + template->message_len[i];
        const uint32_t segment_len = len - ETHER_LEN - IPV4_LEN;
        template->len[i] = len < FRAME_LEN_MIN ? FRAME_LEN_MIN : len;
        /* Pseudo header: addresses, protocol, length; then header and message, whose differing fields are zero. */
        template->sum[i] = fold(sum_bytes(frame + ETHER_LEN + 12, 8) + frame[PROTOCOL_AT] + segment_len +
                                sum_bytes(frame + ETHER_LEN + IPV4_LEN, segment_len));
    }
}

void order_frame_prepare(const struct order_frame_template *template, uint8_t *frame)
{
    memcpy(frame, template->bytes[ORDER_NEW - 1], template->len[ORDER_NEW - 1]);
}

_Static_assert((ORDER_FRAME_UDP_LEN - ETHER_LEN - IPV4_LEN) % 2 == 0, "even offsets in a datagram stay even");
_Static_assert((ORDER_FRAME_HEADER_MAX - ETHER_LEN - IPV4_LEN) % 2 == 1, "in a segment they become odd");

/* Sequence and acknowledgement of a segment stand side by side, at even offsets; returns what they add to its sum. */
static inline uint64_t at_store(uint8_t *frame, struct order_frame_at at)
{
    const uint64_t both = (uint64_t)at.seq << 32 | at.ack;

    store_be64(frame + TCP_SEQ_AT, both);
    return sum_even(both);
}

static inline uint32_t encode_enter(const struct order_frame_template *template, uint8_t *frame,
                                    const struct order_intent *intent, uint64_t symbol, struct order_frame_id id,
                                    struct order_frame_at at)
{
    uint8_t *message = frame + template->header_len;
    const uint64_t price = (uint64_t)(int64_t)intent->price; /* > 0: the gate has seen to it */
    const __m128i cl_ord_id = cl_ord_id_of(id);
    const uint8_t tif = (uint8_t)('0' + intent->tif);

    store_be32(message + ENTER_USER_REF, id.user_ref);
    message[ENTER_SIDE] = intent->side;
    store_be32(message + ENTER_QTY, intent->qty);
    memcpy(message + ENTER_SYMBOL, &symbol, sizeof(symbol));
    store_be64(message + ENTER_PRICE, price);
    message[ENTER_TIF] = tif;
    _mm_storeu_si128((__m128i *)(message + ENTER_CL_ORD_ID), cl_ord_id); /* no appendage: its length is zero */
    /* Fields at odd offsets are added up first, to less than 2^34, and swapped together. The identifier's bytes are
     * summed as they stand, lowest first: swapped already. */
    const uint64_t odd = sum_even(id.user_ref) + ((uint64_t)intent->side << 8);
    const uint64_t even = sum_even(intent->qty) + sum_even(__builtin_bswap64(symbol)) + sum_even(price) +
                          ((uint64_t)tif << 8) + sum_even((uint64_t)_mm_cvtsi128_si64(cl_ord_id)) +
                          sum_even((uint64_t)_mm_extract_epi64(cl_ord_id, 1));
    const uint64_t sum = template->sum[ORDER_NEW - 1];
    if (template->tcp)
        checksum_store(template, frame, sum + at_store(frame, at) + sum_odd(even) + odd);
    else
        checksum_store(template, frame, sum + even + sum_odd(odd));
    return template->len[ORDER_NEW - 1];
}
_Static_assert(ENTER_USER_REF % 2 == 1 && ENTER_SIDE % 2 == 1 && ENTER_CL_ORD_ID % 2 == 1,
               "fields counted as odd");
_Static_assert(ENTER_QTY % 2 == 0 && ENTER_SYMBOL % 2 == 0 && ENTER_PRICE % 2 == 0 && ENTER_TIF % 2 == 0,
               "fields counted as even");

/* Cancels, replaces and heartbeats are rarer than orders: written and summed whole. */
static __attribute__((noinline)) uint32_t encode_whole(const struct order_frame_template *template, uint8_t *frame,
                                                       const struct order_intent *intent, struct order_frame_id id,
                                                       struct order_frame_at at)
{
    const uint32_t idx = intent->action - 1u;
    uint8_t *message = frame + template->header_len;

    memcpy(frame, template->bytes[idx], template->len[idx]);
    if (intent->action == ORDER_CANCEL) {
        const struct ouch_cancel cancel = {.user_ref = intent->orig_ref, .qty = intent->qty};
        ouch_encode_cancel(&cancel, message);
    } else if (intent->action == ORDER_REPLACE) {
        struct ouch_replace replace = {
            .orig_user_ref = intent->orig_ref,
            .user_ref = id.user_ref,
            .qty = intent->qty,
            .price = (uint64_t)(int64_t)intent->price,
            .tif = (uint8_t)('0' + intent->tif),
            .display = 'Y',
            .iso = 'N',
        };
        const __m128i cl_ord_id = cl_ord_id_of(id);
        memcpy(replace.cl_ord_id, &cl_ord_id, sizeof(replace.cl_ord_id));
        ouch_encode_replace(&replace, message);
    }
    /* The template's message is zero where this one differs, so the difference of the sums is never negative. */
    const uint64_t more = sum_bytes(message, template->message_len[idx]) -
                          sum_bytes(template->bytes[idx] + template->header_len, template->message_len[idx]);
    const uint64_t sum = template->sum[idx];
    checksum_store(template, frame, template->tcp ? sum + at_store(frame, at) + sum_odd(more) : sum + more);
    return template->len[idx];
}

uint32_t order_frame_encode(const struct order_frame_template *template, uint8_t *frame,
                            const struct order_intent *intent, uint64_t symbol,
                            struct order_frame_id id, struct order_frame_at at)
{
    if (LIKELY(intent->action == ORDER_NEW))
        return encode_enter(template, frame, intent, symbol, id, at);
    return encode_whole(template, frame, intent, id, at);
}

const uint8_t *order_frame_message(const uint8_t *frame, uint32_t *ret_message_len)
{
    const uint8_t *next = frame + ETHER_LEN + IPV4_LEN;

    if (frame[PROTOCOL_AT] == PROTOCOL_TCP) {
        *ret_message_len = load_be16(next + TCP_LEN) - 1u; /* SoupBinTCP counts the type too */
        return next + TCP_LEN + SOUP_HEADER_LEN;
    }
    *ret_message_len = load_be16(next + 4) - UDP_LEN;
    return next + UDP_LEN;
}
