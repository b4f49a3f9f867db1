/* Nasdaq TotalView-ITCH 5.0 messages: "Nasdaq TotalView-ITCH 5.0" (2026-02-19). All 23 types, bytes to host order.
 *
 * Lengths and offsets are those of the specification, checked against real packets (tests/unit/test_itch.c). J, h and O
 * are absent from older handlers. Types that are not known here are skipped by their block length and counted. Pure. */
#ifndef FEED_ITCH_H
#define FEED_ITCH_H

#include "feed/wire.h"
#include "ring/check.h"

#include <stdint.h>
#ifdef __SSSE3__
#include <tmmintrin.h>
#endif

enum itch_type {
    ITCH_SYSTEM_EVENT = 'S',
    ITCH_STOCK_DIRECTORY = 'R',
    ITCH_TRADING_ACTION = 'H',
    ITCH_REG_SHO = 'Y',
    ITCH_PARTICIPANT = 'L',
    ITCH_MWCB_LEVEL = 'V',
    ITCH_MWCB_STATUS = 'W',
    ITCH_IPO_UPDATE = 'K',
    ITCH_LULD_COLLAR = 'J',
    ITCH_OPERATIONAL_HALT = 'h',
    ITCH_ADD = 'A',
    ITCH_ADD_MPID = 'F',
    ITCH_EXECUTED = 'E',
    ITCH_EXECUTED_PRICE = 'C',
    ITCH_CANCEL = 'X',
    ITCH_DELETE = 'D',
    ITCH_REPLACE = 'U',
    ITCH_TRADE = 'P',
    ITCH_CROSS_TRADE = 'Q',
    ITCH_BROKEN_TRADE = 'B',
    ITCH_NOII = 'I',
    ITCH_RPII = 'N',
    ITCH_DIRECT_LISTING = 'O',
};

#define ITCH_TYPE_COUNT 23
#define ITCH_PREFIX_LEN 11u /* type, locate, tracking number, timestamp */

enum itch_verdict {
    ITCH_OK = 0,
    ITCH_SHORT,    /* shorter than its type says: malformed */
    ITCH_UNKNOWN,  /* type not in the table: skipped */
    ITCH_VERDICT_COUNT
};

/* One message in host order. The prefix is always valid; of the union only the member of `type` is. Alpha fields of
 * eight letters are packed as md_symbol() does. Prices are price(4): 1/10,000 dollar, 0 ... 2,000,000,000 by the
 * specification, any 32-bit value by the wire. */
struct itch_msg {
    uint8_t type;         /* enum itch_type */
    uint16_t locate;      /* stock locate, a per-day number; 0 in messages that are not about a stock */
    uint16_t tracking;
    uint64_t timestamp_ns; /* since midnight of the exchange, 48 bits */
    union {
        struct { uint8_t code; } system_event; /* O S Q M E C */
        struct {
            uint64_t stock;
            uint32_t round_lot;
            uint32_t etp_leverage;
            uint8_t category, financial, round_lots_only, classification, sub_type[2], authenticity;
            uint8_t short_sale_threshold, ipo, luld_tier, etp, inverse;
        } directory;
        struct { uint64_t stock; uint64_t reason; uint8_t state; } trading_action; /* state H P Q T */
        struct { uint64_t stock; uint8_t action; } reg_sho;                        /* 0 1 2 */
        struct { uint64_t stock; uint64_t mpid; uint8_t primary, mode, state; } participant;
        struct { uint64_t level_e8[3]; } mwcb_level; /* price(8) */
        struct { uint8_t level; } mwcb_status;       /* 1 2 3 */
        struct { uint64_t stock; uint32_t release_s; uint32_t price; uint8_t qualifier; } ipo;
        struct { uint64_t stock; uint32_t reference, upper, lower, extension; } collar;
        struct { uint64_t stock; uint8_t market, action; } operational;
        /* The eight order messages keep what they share at the same place (asserted in itch.c), so that decoding the
         * bulk of a feed takes no branch on the type. `order.ref` is the (first) reference of every one of them: a
         * reader that looks ahead needs no switch. What a type does not have is unspecified. */
        struct { uint64_t ref; uint32_t qty, price; uint64_t word; uint8_t letter; uint64_t tail; } order;
        /* A and F; A: mpid 0 */
        struct { uint64_t ref; uint32_t qty, price; uint64_t stock; uint8_t side; uint64_t mpid; } add;
        /* E and C; E: price 0, printable 'Y' */
        struct { uint64_t ref; uint32_t qty, price; uint64_t match; uint8_t printable; } executed;
        struct { uint64_t ref; uint32_t qty; } cancel; /* removed, not remaining */
        struct { uint64_t ref; } delete;
        struct { uint64_t orig_ref; uint32_t qty, price; uint64_t ref; } replace;
        struct { uint64_t ref; uint32_t qty, price; uint64_t stock; uint8_t side; uint64_t match; } trade;
        struct { uint64_t qty; uint64_t stock; uint64_t match; uint32_t price; uint8_t cross; } cross; /* cross O C H */
        struct { uint64_t match; } broken;
        struct {
            uint64_t paired_qty, imbalance_qty, stock;
            uint32_t far_price, near_price, reference;
            uint8_t direction, cross, variation;
        } noii;
        struct { uint64_t stock; uint8_t interest; } rpii;
        struct {
            uint64_t stock;
            uint64_t near_execution_time;
            uint32_t min_price, max_price, near_price, lower, upper;
            uint8_t eligibility;
        } listing;
    };
};

/* Bytes of a message of `type` by the specification; 0 for a type not in the table. */
uint32_t itch_length(uint8_t type);

const char *itch_verdict_name(enum itch_verdict verdict);

/* The eight order messages (A F E C X D U P) are nearly all of a feed, and come in no order that a branch predictor
 * can learn: a jump by type is mispredicted so often that it costs more than all the decoding. So they take one
 * straight path without a branch on the type: what differs between them is the order of the bytes in the 16 that hold
 * quantity, price and one more word, and that is a shuffle by a mask from this table. On an Intel Xeon guest of two
 * CPUs (gcc 12, -O3, x86-64-v2, 16,000 random messages in the mix of the Nasdaq open, four a packet), walk and decode
 * of a message took 4.7 ns; a switch by type took 12.3 ns. */
#define ITCH_PIECE_LEN 16u
struct itch_shape {
    /* Bytes of the piece in the order of itch_msg.order: qty, price, word. Aligned so that no row lies across two cache
     * lines. */
    _Alignas(32) uint8_t shuffle[ITCH_PIECE_LEN];
    uint32_t plain_span; /* messages of len ... len + plain_span - 1 are decoded by two shuffles; 0 = none */
    uint8_t len;         /* of the message; 0 = unknown type */
    uint8_t more;        /* an order message with a field that the shuffles cannot reach: F, P, C. Some 3 % of a feed */
    uint8_t piece_at;    /* where the 16 bytes begin */
    uint8_t letter_at;
    uint8_t letter_mask; /* 0xff, or 0 where the type has no letter */
    uint8_t letter_else; /* what stands for it then */
    uint8_t books;       /* 1: goes to a book, that is all order messages but P */
    uint8_t enters;      /* 1: as an order that is new to it: A, F */
};
extern const struct itch_shape itch_shapes[256];
extern const uint8_t itch_prefix_shuffle[ITCH_PIECE_LEN]; /* the prefix in the order of itch_msg */

/* Reads exactly 16 bytes, writes exactly 16: byte i is from[mask[i]], or 0 where mask[i] is 0x80. */
static inline void itch_shuffle(void *ret_to, const uint8_t *from, const uint8_t mask[ITCH_PIECE_LEN])
{
#ifdef __SSSE3__
    const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)from);
    _mm_storeu_si128(ret_to, _mm_shuffle_epi8(bytes, _mm_loadu_si128((const __m128i *)(const void *)mask)));
#else
    uint8_t bytes[ITCH_PIECE_LEN];
    for (uint32_t i = 0; i < ITCH_PIECE_LEN; i++)
        bytes[i] = mask[i] == 0x80 ? 0 : from[mask[i]];
    memcpy(ret_to, bytes, sizeof(bytes));
#endif
}

/* What the eight have in common. The shortest has 19 bytes: both pieces lie inside the message. */
static inline void itch_decode_pieces(const uint8_t *message, const struct itch_shape *shape, struct itch_msg *ret_msg)
{
    itch_shuffle(ret_msg, message, itch_prefix_shuffle);
    itch_shuffle(&ret_msg->order.qty, message + shape->piece_at, shape->shuffle);
    ret_msg->order.ref = load_be64(message + ITCH_PREFIX_LEN);
    ret_msg->order.letter = (uint8_t)((message[shape->letter_at] & shape->letter_mask) | shape->letter_else);
    ret_msg->order.tail = 0;
}

/* All that is not decoded by two shuffles; message_len > 0. */
enum itch_verdict itch_decode_rest(const uint8_t *message, uint32_t message_len, struct itch_msg *ret_msg);

/* itch_decode for a message of at least one byte, with what itch_shapes has of its type. */
static inline enum itch_verdict itch_decode_shape(const uint8_t *message, uint32_t message_len,
                                                  const struct itch_shape *shape, struct itch_msg *ret_msg)
{
    if (UNLIKELY(message_len - shape->len >= shape->plain_span))
        return itch_decode_rest(message, message_len, ret_msg);
    itch_decode_pieces(message, shape, ret_msg);
    return ITCH_OK;
}

/* Decode one message of `message_len` bytes. A message longer than its type is legal (venues append fields); one of no
 * bytes is ITCH_SHORT. `ret_msg` is written only with ITCH_OK. */
static inline enum itch_verdict itch_decode(const uint8_t *message, uint32_t message_len, struct itch_msg *ret_msg)
{
    if (UNLIKELY(message_len == 0))
        return ITCH_SHORT;
    return itch_decode_shape(message, message_len, &itch_shapes[message[0]], ret_msg);
}

/* Of the prefix without a decode; of any message of ITCH_PREFIX_LEN bytes. */
static inline uint16_t itch_locate(const uint8_t *message)
{
    return load_be16(message + 1);
}

static inline uint64_t itch_timestamp_ns(const uint8_t *message)
{
    return load_be48(message + 5);
}

/* The inverse, for the feed generator and tests: writes itch_length(msg->type) bytes and returns that number, 0 for an
 * unknown type (nothing is written). The reserved byte of H becomes a space. `ret_message` has room for
 * ITCH_LENGTH_MAX. */
#define ITCH_LENGTH_MAX 50u
uint32_t itch_encode(const struct itch_msg *msg, uint8_t *ret_message);

#endif
