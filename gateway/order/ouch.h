/* OUCH 5.0 messages, both directions: "OUCH 5.0" (Nasdaq, April 2023). Big-endian, price u64 with 4 decimals,
 * UserRefNum u32. Host order to bytes and back; nothing behind the length given is ever read, and what does not fit is
 * -EINVAL. The gateway encodes requests and decodes answers, the venues of tools and replays do the reverse. Pure. */
#ifndef GATEWAY_ORDER_OUCH_H
#define GATEWAY_ORDER_OUCH_H

#include <stdbool.h>
#include <stdint.h>

#define OUCH_ENTER_LEN 47u   /* fixed parts, an empty appendage included */
#define OUCH_REPLACE_LEN 40u
#define OUCH_CANCEL_LEN 9u
#define OUCH_MODIFY_LEN 10u
#define OUCH_QUERY_LEN 1u
#define OUCH_MESSAGE_MAX 47u /* longest request that the gateway sends */
#define OUCH_ANSWER_FIXED_MAX 68u /* longest fixed part of an answer */
#define OUCH_APPENDAGE_MAX 256u   /* bytes of an appendage that an encoder here makes */
#define OUCH_CL_ORD_ID_LEN 14u
#define OUCH_PRICE_MARKET UINT64_C(0x7fffffff) /* market order for a cross */

/* --- requests: client to host */

enum ouch_request_type {
    OUCH_ENTER = 'O', OUCH_REPLACE = 'U', OUCH_CANCEL = 'X', OUCH_MODIFY = 'M', OUCH_QUERY = 'Q',
};

struct ouch_enter {
    uint32_t user_ref;
    uint8_t side;     /* B S T E */
    uint32_t qty;
    uint64_t symbol;  /* as md_symbol() */
    uint64_t price;   /* 1/10,000 */
    uint8_t tif;      /* '0' day, '3' IOC, '5' GTX, '6' GTT, 'E' after hours */
    uint8_t display;  /* Y N A */
    uint8_t capacity; /* A P R O */
    uint8_t iso;      /* Y N */
    uint8_t cross;    /* N ... */
    char cl_ord_id[OUCH_CL_ORD_ID_LEN];
};
/* `qty` is the total over the chain of replaced orders: what was executed and what self match prevention took off is
 * inside ("OUCH 5.0", 2.2: of 500 with 100 executed a replace for 500 leaves 400 open, one for 600 leaves 500). The
 * answer, Order Replaced, has in its qty only what is open. */
struct ouch_replace {
    uint32_t orig_user_ref, user_ref, qty;
    uint64_t price;
    uint8_t tif, display, iso;
    char cl_ord_id[OUCH_CL_ORD_ID_LEN];
};
struct ouch_cancel { uint32_t user_ref, qty; }; /* qty: intended size, executed shares included; 0 = cancel all */
struct ouch_modify { uint32_t user_ref; uint8_t side; uint32_t qty; };

/* Each writes the message with an empty appendage and returns its length. */
uint32_t ouch_encode_enter(const struct ouch_enter *enter, uint8_t *ret_message);
uint32_t ouch_encode_replace(const struct ouch_replace *replace, uint8_t *ret_message);
uint32_t ouch_encode_cancel(const struct ouch_cancel *cancel, uint8_t *ret_message);
uint32_t ouch_encode_modify(const struct ouch_modify *modify, uint8_t *ret_message);
uint32_t ouch_encode_query(uint8_t *ret_message);

/* 0, or -EINVAL when type, length or appendage do not fit. */
int ouch_decode_enter(const uint8_t *message, uint32_t message_len, struct ouch_enter *ret_enter);
int ouch_decode_replace(const uint8_t *message, uint32_t message_len, struct ouch_replace *ret_replace);
int ouch_decode_cancel(const uint8_t *message, uint32_t message_len, struct ouch_cancel *ret_cancel);
int ouch_decode_modify(const uint8_t *message, uint32_t message_len, struct ouch_modify *ret_modify);
int ouch_decode_query(const uint8_t *message, uint32_t message_len);

/* --- answers: host to client */

enum ouch_answer_type {
    OUCH_SYSTEM = 'S',         /* event */
    OUCH_ACCEPTED = 'A',       /* user_ref side qty symbol price tif display order_ref capacity iso cross state id */
    OUCH_REPLACED = 'U',       /* the same with orig_user_ref; qty is what is outstanding */
    OUCH_CANCELED = 'C',       /* user_ref, qty = decrement, reason (a letter) */
    OUCH_AIQ_CANCELED = 'D',   /* the same, prevented_qty, price, liquidity, aiq_strategy */
    OUCH_EXECUTED = 'E',       /* user_ref qty price liquidity match */
    OUCH_BROKEN = 'B',         /* user_ref match reason (a letter) id */
    OUCH_REJECTED = 'J',       /* user_ref reason (a number) id */
    OUCH_CANCEL_PENDING = 'P', /* user_ref */
    OUCH_CANCEL_REJECT = 'I',  /* user_ref */
    OUCH_PRIORITY = 'T',       /* user_ref price display order_ref */
    OUCH_MODIFIED = 'M',       /* user_ref side qty (outstanding) */
    OUCH_RESTATED = 'R',       /* user_ref reason (a letter), appendage */
    OUCH_QUERY_ANSWER = 'Q',   /* user_ref = NextUserRefNum */
};

/* Any answer: the fields that its type has, the others 0. */
struct ouch_answer {
    uint8_t type;              /* enum ouch_answer_type */
    uint8_t event;             /* system event: S start, E end */
    uint8_t side, tif, display, capacity, iso, cross;
    uint8_t state;             /* L live, D dead */
    uint8_t liquidity;
    uint8_t aiq_strategy;
    uint16_t reason;           /* a letter, or of OUCH_REJECTED the code */
    uint32_t user_ref;
    uint32_t orig_user_ref;
    uint32_t qty;
    uint32_t prevented_qty;
    uint64_t timestamp_ns;     /* since midnight */
    uint64_t symbol;
    uint64_t price;
    uint64_t order_ref;
    uint64_t match;
    char cl_ord_id[OUCH_CL_ORD_ID_LEN];
    uint16_t appendage_len;    /* of a decoded message; its bytes stay where they were, at the message's end */
};

/* Writes the message with an empty appendage; its length, 0 for a type that there is not. At most
 * OUCH_ANSWER_FIXED_MAX. */
uint32_t ouch_encode_answer(const struct ouch_answer *answer, uint8_t *ret_message);
/* 0; -EINVAL when length or appendage do not fit the type; -ENOTSUP for a type that OUCH 5.0 does not have. AIQ
 * Canceled may be a byte short (aiq_strategy is then 0): revisions differ. */
int ouch_decode_answer(const uint8_t *message, uint32_t message_len, struct ouch_answer *ret_answer);

/* --- appendage: elements {length u8, tag u8, value} at the end of O, U, A, E, R */

enum ouch_tag {
    OUCH_TAG_SECONDARY_REF = 1, OUCH_TAG_FIRM = 2, OUCH_TAG_MIN_QTY = 3, OUCH_TAG_CUSTOMER_TYPE = 4,
    OUCH_TAG_MAX_FLOOR = 5, OUCH_TAG_PRICE_TYPE = 6, OUCH_TAG_PEG_OFFSET = 7, OUCH_TAG_DISCRETION_PRICE = 9,
    OUCH_TAG_DISCRETION_PRICE_TYPE = 10, OUCH_TAG_DISCRETION_PEG_OFFSET = 11, OUCH_TAG_POST_ONLY = 12,
    OUCH_TAG_RANDOM_RESERVES = 13, OUCH_TAG_ROUTE = 14, OUCH_TAG_EXPIRE_TIME = 15, OUCH_TAG_TRADE_NOW = 16,
    OUCH_TAG_HANDLE_INST = 17, OUCH_TAG_BBO_WEIGHT = 18, OUCH_TAG_DISPLAY_QTY = 22, OUCH_TAG_DISPLAY_PRICE = 23,
    OUCH_TAG_GROUP_ID = 24, OUCH_TAG_SHARES_LOCATED = 25,
};

struct ouch_element { uint8_t tag; uint8_t value_len; const uint8_t *value; };

/* Bytes of a tag's value, 0 = a tag that OUCH 5.0 does not have. */
uint32_t ouch_tag_len(uint8_t tag);
/* Add an element to a message that an encoder above wrote (`*message_len` bytes, room for 2 + value length more), and
 * to its appendage length. A number is written big-endian; text (firm, route, letters) is given the same way, first
 * letter highest: 'L' << 24 | ... False: no such tag, no room in the appendage, or a message that has none. An Order
 * Replaced must have its tif: that tells it from a Replace Order, which has the same letter. */
bool ouch_append(uint8_t *message, uint32_t *message_len, uint8_t tag, uint64_t value);
/* The next element of a message's appendage; `*at` begins with 0. False: no more, or, in a message that was not
 * decoded, an element that does not fit. */
bool ouch_element_next(const uint8_t *message, uint32_t message_len, uint32_t *at, struct ouch_element *ret_element);
/* Its value as a number, as ouch_append takes it. */
uint64_t ouch_element_value(const struct ouch_element *element);

/* Words for reports: of a cancel reason letter, of a reject code; never NULL. Both are counted by the number that these
 * give; 0: one that there is not. */
#define OUCH_CANCEL_REASONS 128u
#define OUCH_REJECT_REASONS 0x41u
static inline uint32_t ouch_cancel_reason_idx(uint16_t reason)
{
    return reason < OUCH_CANCEL_REASONS ? reason : 0;
}
static inline uint32_t ouch_reject_reason_idx(uint16_t code)
{
    return code < OUCH_REJECT_REASONS ? code : 0;
}
const char *ouch_cancel_reason_text(uint8_t reason);
const char *ouch_reject_reason_text(uint16_t code);

#endif
