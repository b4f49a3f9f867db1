/* OUCH 5.0 messages, host order to bytes and back. Contract in ouch.h. Pure. Requests are the specification's fixed
 * parts ("OUCH 5.0", April 2023, sections 2.1 to 2.5) field by field. Answers share their fields in many combinations:
 * a table says for each type which field stands where, and one loop reads or writes them all. */
#include "gateway/order/ouch.h"

#include "feed/wire.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#define REASON_UNKNOWN "a reason unknown to tickgate"

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

struct ouch_wire_modify {
    uint8_t type; /* 'M' */
    struct be32 user_ref;
    uint8_t side;
    struct be32 qty;
};
_Static_assert(sizeof(struct ouch_wire_modify) == OUCH_MODIFY_LEN, "OUCH 5.0 Modify Order");

uint32_t ouch_encode_enter(const struct ouch_enter *enter, uint8_t *ret_message)
{
    struct ouch_wire_enter *wire = (struct ouch_wire_enter *)ret_message;

    wire->type = OUCH_ENTER;
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

    wire->type = OUCH_REPLACE;
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

    wire->type = OUCH_CANCEL;
    store_be32(&wire->user_ref, cancel->user_ref);
    store_be32(&wire->qty, cancel->qty);
    return OUCH_CANCEL_LEN;
}

uint32_t ouch_encode_modify(const struct ouch_modify *modify, uint8_t *ret_message)
{
    struct ouch_wire_modify *wire = (struct ouch_wire_modify *)ret_message;

    wire->type = OUCH_MODIFY;
    store_be32(&wire->user_ref, modify->user_ref);
    wire->side = modify->side;
    store_be32(&wire->qty, modify->qty);
    return OUCH_MODIFY_LEN;
}

uint32_t ouch_encode_query(uint8_t *ret_message)
{
    ret_message[0] = OUCH_QUERY;
    return OUCH_QUERY_LEN;
}

/* An appendage that ends where the message does. */
static bool appendage_ends(const uint8_t *message, uint32_t message_len, uint32_t fixed_len)
{
    return message_len >= fixed_len && load_be16(message + fixed_len - 2) == message_len - fixed_len;
}

/* The same, and made of whole elements: {length, tag, value}, length >= 1. */
static bool appendage_fits(const uint8_t *message, uint32_t message_len, uint32_t fixed_len)
{
    if (!appendage_ends(message, message_len, fixed_len))
        return false;
    for (uint32_t at = fixed_len; at < message_len;) {
        const uint32_t element_len = message[at];
        if (element_len == 0 || element_len > message_len - at - 1)
            return false;
        at += 1 + element_len;
    }
    return true;
}

static bool fits(const uint8_t *message, uint32_t message_len, uint8_t type, uint32_t fixed_len)
{
    return message_len >= fixed_len && message[0] == type && appendage_fits(message, message_len, fixed_len);
}

int ouch_decode_enter(const uint8_t *message, uint32_t message_len, struct ouch_enter *ret_enter)
{
    const struct ouch_wire_enter *wire = (const struct ouch_wire_enter *)message;

    if (!fits(message, message_len, OUCH_ENTER, OUCH_ENTER_LEN))
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

    if (!fits(message, message_len, OUCH_REPLACE, OUCH_REPLACE_LEN))
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

    if (message_len != OUCH_CANCEL_LEN || message[0] != OUCH_CANCEL)
        return -EINVAL;
    *ret_cancel = (struct ouch_cancel){.user_ref = load_be32(&wire->user_ref), .qty = load_be32(&wire->qty)};
    return 0;
}

int ouch_decode_modify(const uint8_t *message, uint32_t message_len, struct ouch_modify *ret_modify)
{
    const struct ouch_wire_modify *wire = (const struct ouch_wire_modify *)message;

    if (message_len != OUCH_MODIFY_LEN || message[0] != OUCH_MODIFY)
        return -EINVAL;
    *ret_modify = (struct ouch_modify){
        .user_ref = load_be32(&wire->user_ref), .side = wire->side, .qty = load_be32(&wire->qty)};
    return 0;
}

int ouch_decode_query(const uint8_t *message, uint32_t message_len)
{
    return message_len == OUCH_QUERY_LEN && message[0] == OUCH_QUERY ? 0 : -EINVAL;
}

/* --- answers */

/* Where a field stands in a message and in struct ouch_answer, and how long it is in each. Numbers are big-endian;
 * symbol and ClOrdID are texts. */
struct field { uint8_t at, wire_len, member, member_len; };
#define FIELD(at, wire_len, member)                                                                                    \
    { (at), (wire_len), offsetof(struct ouch_answer, member), sizeof(((struct ouch_answer *)0)->member) }
#define FIELDS_MAX 15u

struct layout {
    uint8_t type;
    uint8_t fixed_len;
    bool appendage;
    struct field field[FIELDS_MAX]; /* ends with wire_len 0; every message has type and timestamp besides */
};

static const struct layout layouts[] = {
    {OUCH_SYSTEM, 10, false, {FIELD(9, 1, event)}},
    {OUCH_ACCEPTED, 64, true,
     {FIELD(9, 4, user_ref), FIELD(13, 1, side), FIELD(14, 4, qty), FIELD(18, 8, symbol), FIELD(26, 8, price),
      FIELD(34, 1, tif), FIELD(35, 1, display), FIELD(36, 8, order_ref), FIELD(44, 1, capacity), FIELD(45, 1, iso),
      FIELD(46, 1, cross), FIELD(47, 1, state), FIELD(48, 14, cl_ord_id)}},
    {OUCH_REPLACED, 68, true,
     {FIELD(9, 4, orig_user_ref), FIELD(13, 4, user_ref), FIELD(17, 1, side), FIELD(18, 4, qty), FIELD(22, 8, symbol),
      FIELD(30, 8, price), FIELD(38, 1, tif), FIELD(39, 1, display), FIELD(40, 8, order_ref), FIELD(48, 1, capacity),
      FIELD(49, 1, iso), FIELD(50, 1, cross), FIELD(51, 1, state), FIELD(52, 14, cl_ord_id)}},
    {OUCH_CANCELED, 18, false, {FIELD(9, 4, user_ref), FIELD(13, 4, qty), FIELD(17, 1, reason)}},
    {OUCH_AIQ_CANCELED, 32, false,
     {FIELD(9, 4, user_ref), FIELD(13, 4, qty), FIELD(17, 1, reason), FIELD(18, 4, prevented_qty), FIELD(22, 8, price),
      FIELD(30, 1, liquidity), FIELD(31, 1, aiq_strategy)}},
    {OUCH_EXECUTED, 36, true,
     {FIELD(9, 4, user_ref), FIELD(13, 4, qty), FIELD(17, 8, price), FIELD(25, 1, liquidity), FIELD(26, 8, match)}},
    {OUCH_BROKEN, 36, false,
     {FIELD(9, 4, user_ref), FIELD(13, 8, match), FIELD(21, 1, reason), FIELD(22, 14, cl_ord_id)}},
    {OUCH_REJECTED, 29, false, {FIELD(9, 4, user_ref), FIELD(13, 2, reason), FIELD(15, 14, cl_ord_id)}},
    {OUCH_CANCEL_PENDING, 13, false, {FIELD(9, 4, user_ref)}},
    {OUCH_CANCEL_REJECT, 13, false, {FIELD(9, 4, user_ref)}},
    {OUCH_PRIORITY, 30, false,
     {FIELD(9, 4, user_ref), FIELD(13, 8, price), FIELD(21, 1, display), FIELD(22, 8, order_ref)}},
    {OUCH_MODIFIED, 18, false, {FIELD(9, 4, user_ref), FIELD(13, 1, side), FIELD(14, 4, qty)}},
    {OUCH_RESTATED, 16, true, {FIELD(9, 4, user_ref), FIELD(13, 1, reason)}},
    {OUCH_QUERY_ANSWER, 13, false, {FIELD(9, 4, user_ref)}},
};
_Static_assert(sizeof(struct ouch_answer) <= UINT8_MAX, "members are named by one byte");

static const struct layout *layout_of(uint8_t type)
{
    for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++)
        if (layouts[i].type == type)
            return &layouts[i];
    return NULL;
}

/* A text is copied as it is: the symbol, first letter in the lowest byte, and the order's own id. */
static bool is_text(const struct field *field)
{
    return field->member == offsetof(struct ouch_answer, symbol) ||
           field->member == offsetof(struct ouch_answer, cl_ord_id);
}

static uint64_t wire_load(const uint8_t *from, uint32_t len)
{
    uint64_t value = 0;

    for (uint32_t i = 0; i < len; i++)
        value = value << 8 | from[i];
    return value;
}

static void wire_store(uint8_t *to, uint32_t len, uint64_t value)
{
    for (uint32_t i = len; i-- > 0; value >>= 8)
        to[i] = (uint8_t)value;
}

uint32_t ouch_encode_answer(const struct ouch_answer *answer, uint8_t *ret_message)
{
    const struct layout *layout = layout_of(answer->type);

    if (!layout)
        return 0;
    ret_message[0] = answer->type;
    store_be64(ret_message + 1, answer->timestamp_ns);
    for (const struct field *field = layout->field; field->wire_len > 0; field++) {
        const uint8_t *member = (const uint8_t *)answer + field->member;
        uint64_t value = 0;
        if (is_text(field)) {
            memcpy(ret_message + field->at, member, field->wire_len);
            continue;
        }
        memcpy(&value, member, field->member_len); /* little-endian hosts only, as everywhere here */
        wire_store(ret_message + field->at, field->wire_len, value);
    }
    if (layout->appendage)
        store_be16(ret_message + layout->fixed_len - 2, 0);
    return layout->fixed_len;
}

int ouch_decode_answer(const uint8_t *message, uint32_t message_len, struct ouch_answer *ret_answer)
{
    const struct layout *layout = message_len > 0 ? layout_of(message[0]) : NULL;

    if (!layout)
        return message_len > 0 ? -ENOTSUP : -EINVAL;
    const bool short_aiq = layout->type == OUCH_AIQ_CANCELED && message_len == layout->fixed_len - 1u;
    if (layout->appendage ? !appendage_fits(message, message_len, layout->fixed_len)
                          : message_len != layout->fixed_len && !short_aiq)
        return -EINVAL;
    *ret_answer = (struct ouch_answer){.type = message[0], .timestamp_ns = load_be64(message + 1)};
    for (const struct field *field = layout->field; field->wire_len > 0; field++) {
        uint8_t *member = (uint8_t *)ret_answer + field->member;
        if (field->at + field->wire_len > message_len)
            break; /* the byte that some revisions do not have */
        if (is_text(field)) {
            memcpy(member, message + field->at, field->wire_len);
            continue;
        }
        const uint64_t value = wire_load(message + field->at, field->wire_len);
        memcpy(member, &value, field->member_len);
    }
    ret_answer->appendage_len = (uint16_t)(layout->appendage ? message_len - layout->fixed_len : 0);
    return 0;
}

/* --- appendage */

uint32_t ouch_tag_len(uint8_t tag)
{
    static const uint8_t lens[] = {
        [OUCH_TAG_SECONDARY_REF] = 8,   [OUCH_TAG_FIRM] = 4,
        [OUCH_TAG_MIN_QTY] = 4,         [OUCH_TAG_CUSTOMER_TYPE] = 1,
        [OUCH_TAG_MAX_FLOOR] = 4,       [OUCH_TAG_PRICE_TYPE] = 1,
        [OUCH_TAG_PEG_OFFSET] = 4,      [OUCH_TAG_DISCRETION_PRICE] = 8,
        [OUCH_TAG_DISCRETION_PRICE_TYPE] = 1, [OUCH_TAG_DISCRETION_PEG_OFFSET] = 4,
        [OUCH_TAG_POST_ONLY] = 1,       [OUCH_TAG_RANDOM_RESERVES] = 4,
        [OUCH_TAG_ROUTE] = 4,           [OUCH_TAG_EXPIRE_TIME] = 4,
        [OUCH_TAG_TRADE_NOW] = 1,       [OUCH_TAG_HANDLE_INST] = 1,
        [OUCH_TAG_BBO_WEIGHT] = 1,      [OUCH_TAG_DISPLAY_QTY] = 4,
        [OUCH_TAG_DISPLAY_PRICE] = 8,   [OUCH_TAG_GROUP_ID] = 2,
        [OUCH_TAG_SHARES_LOCATED] = 1,
    };

    return tag < sizeof(lens) ? lens[tag] : 0;
}

/* Fixed length of a message that has an appendage, of either direction; 0: it has none. Replace Order and Order
 * Replaced share their letter: it is the one whose appendage length is right. (Where a Replace Order has it an Order
 * Replaced has tif and display, letters: far too long.) */
static uint32_t fixed_len_of(const uint8_t *message, uint32_t message_len)
{
    if (message_len == 0)
        return 0;
    const struct layout *layout = layout_of(message[0]);
    if (message[0] == OUCH_ENTER && appendage_ends(message, message_len, OUCH_ENTER_LEN))
        return OUCH_ENTER_LEN;
    if (message[0] == OUCH_REPLACE && appendage_ends(message, message_len, OUCH_REPLACE_LEN))
        return OUCH_REPLACE_LEN;
    if (layout && layout->appendage && appendage_ends(message, message_len, layout->fixed_len))
        return layout->fixed_len;
    return 0;
}

bool ouch_append(uint8_t *message, uint32_t *message_len, uint8_t tag, uint64_t value)
{
    const uint32_t value_len = ouch_tag_len(tag), fixed_len = fixed_len_of(message, *message_len);

    if (value_len == 0 || fixed_len == 0 || *message_len - fixed_len + 2 + value_len > OUCH_APPENDAGE_MAX)
        return false;
    uint8_t *element = message + *message_len;
    element[0] = (uint8_t)(1 + value_len);
    element[1] = tag;
    wire_store(element + 2, value_len, value);
    *message_len += 2 + value_len;
    store_be16(message + fixed_len - 2, (uint16_t)(*message_len - fixed_len));
    return true;
}

/* Looks at one element only, so that a walk over a long appendage stays linear. */
bool ouch_element_next(const uint8_t *message, uint32_t message_len, uint32_t *at, struct ouch_element *ret_element)
{
    const uint32_t fixed_len = fixed_len_of(message, message_len);

    if (fixed_len == 0 || *at >= message_len - fixed_len)
        return false;
    const uint8_t *element = message + fixed_len + *at;
    const uint32_t element_len = element[0];
    if (element_len == 0 || element_len > message_len - fixed_len - *at - 1)
        return false;
    *ret_element =
        (struct ouch_element){.tag = element[1], .value_len = (uint8_t)(element_len - 1), .value = element + 2};
    *at += 1 + element_len;
    return true;
}

uint64_t ouch_element_value(const struct ouch_element *element)
{
    return wire_load(element->value, element->value_len < 8 ? element->value_len : 8);
}

/* --- words: appendices B and C */

const char *ouch_cancel_reason_text(uint8_t reason)
{
    switch (reason) {
    case 'D':
        return "regulatory restriction";
    case 'E':
        return "closed: the symbol's closing cross is over";
    case 'F':
        return "post only: it would have been repriced for the national best";
    case 'G':
        return "post only: it would have been repriced for an order on the other side";
    case 'H':
        return "halted";
    case 'I':
        return "immediate or cancel";
    case 'K':
        return "market collars";
    case 'Q':
        return "self match prevention";
    case 'S':
        return "supervisory";
    case 'T':
        return "time in force is over";
    case 'U':
        return "asked for by the user";
    case 'X':
        return "open protection";
    case 'Z':
        return "system";
    case 'e':
        return "exceeds the shares offered in a direct listing";
    default:
        return REASON_UNKNOWN;
    }
}

const char *ouch_reject_reason_text(uint16_t code)
{
    static const char *const texts[OUCH_REJECT_REASONS] = {
        [0x0001] = "quote unavailable",
        [0x0002] = "destination closed",
        [0x0003] = "invalid display",
        [0x0004] = "invalid max floor",
        [0x0005] = "invalid peg type",
        [0x0006] = "fat finger",
        [0x0007] = "halted",
        [0x0008] = "ISO not allowed",
        [0x0009] = "invalid side",
        [0x000a] = "processing error",
        [0x000b] = "cancel pending",
        [0x000c] = "firm not authorised",
        [0x000d] = "invalid minimum quantity",
        [0x000e] = "no closing reference price",
        [0x000f] = "other",
        [0x0010] = "cancel not allowed",
        [0x0011] = "pegging not allowed",
        [0x0012] = "crossed market",
        [0x0013] = "invalid quantity",
        [0x0014] = "invalid cross order",
        [0x0015] = "replace not allowed",
        [0x0016] = "routing not allowed",
        [0x0017] = "invalid symbol",
        [0x0018] = "test",
        [0x0019] = "late limit-on-close order too aggressive",
        [0x001a] = "retail not allowed",
        [0x001b] = "invalid price of a midpoint post-only order",
        [0x001c] = "invalid destination",
        [0x001d] = "invalid price",
        [0x001e] = "shares exceed a threshold",
        [0x001f] = "notional value exceeds the maximum",
        [0x0020] = "risk: aggregate exposure",
        [0x0021] = "risk: market impact",
        [0x0022] = "risk: restricted stock",
        [0x0023] = "risk: short sale restricted",
        [0x0024] = "risk: ISO not allowed",
        [0x0025] = "risk: average daily volume",
        [0x0026] = "risk: fat finger",
        [0x0027] = "risk: locate required",
        [0x0028] = "risk: message rate of the symbol",
        [0x0029] = "risk: message rate of the port",
        [0x002a] = "risk: rate of duplicates",
        [0x002b] = "risk: short sale not allowed", /* from here on: revisions after April 2023 */
        [0x002c] = "risk: market order not allowed",
        [0x002d] = "risk: not allowed before the open",
        [0x002e] = "risk: not allowed after the close",
        [0x002f] = "risk: exempt short sale not allowed",
        [0x0030] = "risk: notional value of one order",
        [0x0031] = "risk: quantity of one order",
        [0x0032] = "state of the short sale restriction is not known",
        [0x0033] = "risk: market order to buy an IPO not allowed",
        [0x0040] = "invalid AIQ",
    };
    const char *text = texts[ouch_reject_reason_idx(code)];

    return text ? text : REASON_UNKNOWN;
}
