/* OUCH 5.0 messages, host order to bytes and back. Contract in ouch.h. Pure. The layouts are the specification's
 * fixed parts ("OUCH 5.0", April 2023, sections 2.1 to 2.3) field by field; behind Enter and Replace comes a
 * two-byte appendage length and that many bytes of tag-value elements. */
#include "gateway/order/ouch.h"

#include "feed/wire.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

struct ouch_wire_enter {
    uint8_t type; /* 'O' */
    struct be32 user_ref;
    uint8_t side;
    struct be32 qty;
    uint8_t symbol[8];
    struct be64 price;
    uint8_t tif;
    uint8_t display;
    uint8_t capacity;
    uint8_t iso;
    uint8_t cross;
    char cl_ord_id[14];
    struct be16 appendage_len;
};
_Static_assert(sizeof(struct ouch_wire_enter) == OUCH_ENTER_LEN, "OUCH 5.0 Enter Order");
_Static_assert(offsetof(struct ouch_wire_enter, cl_ord_id) == 31, "OUCH 5.0 Enter Order");

struct ouch_wire_replace {
    uint8_t type; /* 'U' */
    struct be32 orig_user_ref;
    struct be32 user_ref;
    struct be32 qty;
    struct be64 price;
    uint8_t tif;
    uint8_t display;
    uint8_t iso;
    char cl_ord_id[14];
    struct be16 appendage_len;
};
_Static_assert(sizeof(struct ouch_wire_replace) == OUCH_REPLACE_LEN, "OUCH 5.0 Replace Order");

struct ouch_wire_cancel {
    uint8_t type; /* 'X' */
    struct be32 user_ref;
    struct be32 qty;
};
_Static_assert(sizeof(struct ouch_wire_cancel) == OUCH_CANCEL_LEN, "OUCH 5.0 Cancel Order");

uint32_t ouch_encode_enter(const struct ouch_enter *enter, uint8_t *ret_message)
{
    struct ouch_wire_enter *wire = (struct ouch_wire_enter *)ret_message;

    wire->type = 'O';
    store_be32(&wire->user_ref, enter->user_ref);
    wire->side = enter->side;
    store_be32(&wire->qty, enter->qty);
    memcpy(wire->symbol, &enter->symbol, sizeof(wire->symbol));
    store_be64(&wire->price, enter->price);
    wire->tif = enter->tif;
    wire->display = enter->display;
    wire->capacity = enter->capacity;
    wire->iso = enter->iso;
    wire->cross = enter->cross;
    memcpy(wire->cl_ord_id, enter->cl_ord_id, sizeof(wire->cl_ord_id));
    store_be16(&wire->appendage_len, 0);
    return OUCH_ENTER_LEN;
}

uint32_t ouch_encode_replace(const struct ouch_replace *replace, uint8_t *ret_message)
{
    struct ouch_wire_replace *wire = (struct ouch_wire_replace *)ret_message;

    wire->type = 'U';
    store_be32(&wire->orig_user_ref, replace->orig_user_ref);
    store_be32(&wire->user_ref, replace->user_ref);
    store_be32(&wire->qty, replace->qty);
    store_be64(&wire->price, replace->price);
    wire->tif = replace->tif;
    wire->display = replace->display;
    wire->iso = replace->iso;
    memcpy(wire->cl_ord_id, replace->cl_ord_id, sizeof(wire->cl_ord_id));
    store_be16(&wire->appendage_len, 0);
    return OUCH_REPLACE_LEN;
}

uint32_t ouch_encode_cancel(const struct ouch_cancel *cancel, uint8_t *ret_message)
{
    struct ouch_wire_cancel *wire = (struct ouch_wire_cancel *)ret_message;

    wire->type = 'X';
    store_be32(&wire->user_ref, cancel->user_ref);
    store_be32(&wire->qty, cancel->qty);
    return OUCH_CANCEL_LEN;
}

/* Type, fixed part and an appendage that ends with the message: elements of {length, tag, value}, length >= 1. */
static bool fits(const uint8_t *message, uint32_t message_len, uint8_t type, uint32_t fixed_len)
{
    if (message_len < fixed_len || message[0] != type || load_be16(message + fixed_len - 2) != message_len - fixed_len)
        return false;
    for (uint32_t at = fixed_len; at < message_len;) {
        const uint32_t element_len = message[at];
        if (element_len == 0 || element_len > message_len - at - 1)
            return false;
        at += 1 + element_len;
    }
    return true;
}

int ouch_decode_enter(const uint8_t *message, uint32_t message_len, struct ouch_enter *ret_enter)
{
    const struct ouch_wire_enter *wire = (const struct ouch_wire_enter *)message;

    if (!fits(message, message_len, 'O', OUCH_ENTER_LEN))
        return -EINVAL;
    *ret_enter = (struct ouch_enter){
        .user_ref = load_be32(&wire->user_ref),
        .side = wire->side,
        .qty = load_be32(&wire->qty),
        .symbol = load_alpha8(wire->symbol),
        .price = load_be64(&wire->price),
        .tif = wire->tif,
        .display = wire->display,
        .capacity = wire->capacity,
        .iso = wire->iso,
        .cross = wire->cross,
    };
    memcpy(ret_enter->cl_ord_id, wire->cl_ord_id, sizeof(ret_enter->cl_ord_id));
    return 0;
}

int ouch_decode_replace(const uint8_t *message, uint32_t message_len, struct ouch_replace *ret_replace)
{
    const struct ouch_wire_replace *wire = (const struct ouch_wire_replace *)message;

    if (!fits(message, message_len, 'U', OUCH_REPLACE_LEN))
        return -EINVAL;
    *ret_replace = (struct ouch_replace){
        .orig_user_ref = load_be32(&wire->orig_user_ref),
        .user_ref = load_be32(&wire->user_ref),
        .qty = load_be32(&wire->qty),
        .price = load_be64(&wire->price),
        .tif = wire->tif,
        .display = wire->display,
        .iso = wire->iso,
    };
    memcpy(ret_replace->cl_ord_id, wire->cl_ord_id, sizeof(ret_replace->cl_ord_id));
    return 0;
}

int ouch_decode_cancel(const uint8_t *message, uint32_t message_len, struct ouch_cancel *ret_cancel)
{
    const struct ouch_wire_cancel *wire = (const struct ouch_wire_cancel *)message;

    if (message_len != OUCH_CANCEL_LEN || message[0] != 'X')
        return -EINVAL;
    *ret_cancel = (struct ouch_cancel){.user_ref = load_be32(&wire->user_ref), .qty = load_be32(&wire->qty)};
    return 0;
}
