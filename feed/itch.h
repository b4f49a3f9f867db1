/* Nasdaq TotalView-ITCH 5.0 messages: "Nasdaq TotalView-ITCH 5.0" (2026-02-19). All 23 types, bytes to host order.
 *
 * Lengths and offsets are those of the specification, checked against real packets (tests/unit/test_itch.c). J, h and O
 * are absent from older handlers. Types that are not known here are skipped by their block length and counted. Pure. */
#ifndef FEED_ITCH_H
#define FEED_ITCH_H

#include <stdint.h>

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

/* Decode one message of `message_len` bytes. A message longer than its type is legal (venues append fields); one of no
 * bytes is ITCH_SHORT. `ret_msg` is written only with ITCH_OK. */
enum itch_verdict itch_decode(const uint8_t *message, uint32_t message_len, struct itch_msg *ret_msg);

/* The inverse, for the feed generator and tests: writes itch_length(msg->type) bytes and returns that number, 0 for an
 * unknown type (nothing is written). The reserved byte of H becomes a space. `ret_message` has room for
 * ITCH_LENGTH_MAX. */
#define ITCH_LENGTH_MAX 50u
uint32_t itch_encode(const struct itch_msg *msg, uint8_t *ret_message);

#endif
