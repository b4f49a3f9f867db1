/* OUCH 5.0 messages: "OUCH 5.0" (Nasdaq, April 2023). Big-endian, price u64 with 4 decimals, UserRefNum u32.
 * Encoders write the fixed part with an empty appendage; decoders are for tests, tools and later the session. Pure. */
#ifndef GATEWAY_ORDER_OUCH_H
#define GATEWAY_ORDER_OUCH_H

#include <stdint.h>

#define OUCH_ENTER_LEN 47u
#define OUCH_REPLACE_LEN 40u
#define OUCH_CANCEL_LEN 9u
#define OUCH_MESSAGE_MAX 47u /* longest message that the gateway sends now */

struct ouch_enter {
    uint32_t user_ref;
    uint8_t side;     /* B S T E */
    uint32_t qty;
    uint64_t symbol;  /* as md_symbol() */
    uint64_t price;   /* 1/10,000 */
    uint8_t tif;      /* '0' day, '3' IOC, ... */
    uint8_t display;  /* Y N A */
    uint8_t capacity; /* A P R O */
    uint8_t iso;      /* Y N */
    uint8_t cross;    /* N ... */
    char cl_ord_id[14];
};
struct ouch_replace {
    uint32_t orig_user_ref, user_ref, qty;
    uint64_t price;
    uint8_t tif, display, iso;
    char cl_ord_id[14];
};
struct ouch_cancel { uint32_t user_ref, qty; };

/* Each writes the message and returns its length. */
uint32_t ouch_encode_enter(const struct ouch_enter *enter, uint8_t *ret_message);
uint32_t ouch_encode_replace(const struct ouch_replace *replace, uint8_t *ret_message);
uint32_t ouch_encode_cancel(const struct ouch_cancel *cancel, uint8_t *ret_message);

/* 0, or -EINVAL when type, length or appendage length do not fit. */
int ouch_decode_enter(const uint8_t *message, uint32_t message_len, struct ouch_enter *ret_enter);
int ouch_decode_replace(const uint8_t *message, uint32_t message_len, struct ouch_replace *ret_replace);
int ouch_decode_cancel(const uint8_t *message, uint32_t message_len, struct ouch_cancel *ret_cancel);

#endif
