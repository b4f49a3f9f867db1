/* ITCH 5.0 messages, bytes to host order and back. Contract in itch.h.
 *
 * itch_decode runs once for each message on the channel's rx lcore; itch_encode in the feed generator and tests. The
 * layouts below are the specification ("Nasdaq TotalView-ITCH 5.0", 2026-02-19) field by field in wire order; decode
 * and encode are written against them, and their sizes are the lengths. Nothing here looks at what a value means. */
#include "feed/itch.h"

#include <stddef.h>

#include "feed/wire.h"
#include "ring/check.h"

/* Common to all messages. The numbers below are the sections of the specification. */
struct itch_wire_prefix {
    uint8_t type;
    struct be16 locate;
    struct be16 tracking;
    struct be48 timestamp_ns;
};

struct itch_wire_system_event { /* S, 1.1 */
    struct itch_wire_prefix prefix;
    uint8_t code;
};

struct itch_wire_directory { /* R, 1.2.1 */
    struct itch_wire_prefix prefix;
    struct alpha8 stock;
    uint8_t category;
    uint8_t financial;
    struct be32 round_lot;
    uint8_t round_lots_only;
    uint8_t classification;
    uint8_t sub_type[2];
    uint8_t authenticity;
    uint8_t short_sale_threshold;
    uint8_t ipo;
    uint8_t luld_tier;
    uint8_t etp;
    struct be32 etp_leverage;
    uint8_t inverse;
};

struct itch_wire_trading_action { /* H, 1.2.2 */
    struct itch_wire_prefix prefix;
    struct alpha8 stock;
    uint8_t state;
    uint8_t reserved;
    struct alpha4 reason;
};

struct itch_wire_reg_sho { /* Y, 1.2.3 */
    struct itch_wire_prefix prefix;
    struct alpha8 stock;
    uint8_t action;
};

struct itch_wire_participant { /* L, 1.2.4 */
    struct itch_wire_prefix prefix;
    struct alpha4 mpid;
    struct alpha8 stock;
    uint8_t primary;
    uint8_t mode;
    uint8_t state;
};

struct itch_wire_mwcb_level { /* V, 1.2.5.1: eight decimals here */
    struct itch_wire_prefix prefix;
    struct be64 level_e8[3];
};

struct itch_wire_mwcb_status { /* W, 1.2.5.2 */
    struct itch_wire_prefix prefix;
    uint8_t level;
};

struct itch_wire_ipo { /* K, 1.2.6 */
    struct itch_wire_prefix prefix;
    struct alpha8 stock;
    struct be32 release_s;
    uint8_t qualifier;
    struct be32 price;
};

struct itch_wire_collar { /* J, 1.2.7 */
    struct itch_wire_prefix prefix;
    struct alpha8 stock;
    struct be32 reference;
    struct be32 upper;
    struct be32 lower;
    struct be32 extension;
};

struct itch_wire_operational { /* h, 1.2.8 */
    struct itch_wire_prefix prefix;
    struct alpha8 stock;
    uint8_t market;
    uint8_t action;
};

struct itch_wire_add { /* A, 1.3.1 */
    struct itch_wire_prefix prefix;
    struct be64 ref;
    uint8_t side;
    struct be32 qty;
    struct alpha8 stock;
    struct be32 price;
};

struct itch_wire_add_mpid { /* F, 1.3.2 */
    struct itch_wire_add add;
    struct alpha4 mpid;
};

struct itch_wire_executed { /* E, 1.4.1 */
    struct itch_wire_prefix prefix;
    struct be64 ref;
    struct be32 qty;
    struct be64 match;
};

struct itch_wire_executed_price { /* C, 1.4.2 */
    struct itch_wire_executed executed;
    uint8_t printable;
    struct be32 price;
};

struct itch_wire_cancel { /* X, 1.4.3 */
    struct itch_wire_prefix prefix;
    struct be64 ref;
    struct be32 qty;
};

struct itch_wire_delete { /* D, 1.4.4 */
    struct itch_wire_prefix prefix;
    struct be64 ref;
};

struct itch_wire_replace { /* U, 1.4.5 */
    struct itch_wire_prefix prefix;
    struct be64 orig_ref;
    struct be64 ref;
    struct be32 qty;
    struct be32 price;
};

struct itch_wire_trade { /* P, 1.5.1: begins like A */
    struct itch_wire_add add;
    struct be64 match;
};

struct itch_wire_cross { /* Q, 1.5.2: eight bytes of shares */
    struct itch_wire_prefix prefix;
    struct be64 qty;
    struct alpha8 stock;
    struct be32 price;
    struct be64 match;
    uint8_t cross;
};

struct itch_wire_broken { /* B, 1.5.3 */
    struct itch_wire_prefix prefix;
    struct be64 match;
};

struct itch_wire_noii { /* I, 1.6 */
    struct itch_wire_prefix prefix;
    struct be64 paired_qty;
    struct be64 imbalance_qty;
    uint8_t direction;
    struct alpha8 stock;
    struct be32 far_price;
    struct be32 near_price;
    struct be32 reference;
    uint8_t cross;
    uint8_t variation;
};

struct itch_wire_rpii { /* N, 1.7: seen on BX only */
    struct itch_wire_prefix prefix;
    struct alpha8 stock;
    uint8_t interest;
};

struct itch_wire_listing { /* O, 1.8 */
    struct itch_wire_prefix prefix;
    struct alpha8 stock;
    uint8_t eligibility;
    struct be32 min_price;
    struct be32 max_price;
    struct be32 near_price;
    struct be64 near_execution_time;
    struct be32 lower;
    struct be32 upper;
};

_Static_assert(sizeof(struct itch_wire_prefix) == ITCH_PREFIX_LEN, "ITCH 5.0 prefix");
_Static_assert(sizeof(struct itch_wire_system_event) == 12, "ITCH 5.0 S");
_Static_assert(sizeof(struct itch_wire_directory) == 39, "ITCH 5.0 R");
_Static_assert(sizeof(struct itch_wire_trading_action) == 25, "ITCH 5.0 H");
_Static_assert(sizeof(struct itch_wire_reg_sho) == 20, "ITCH 5.0 Y");
_Static_assert(sizeof(struct itch_wire_participant) == 26, "ITCH 5.0 L");
_Static_assert(sizeof(struct itch_wire_mwcb_level) == 35, "ITCH 5.0 V");
_Static_assert(sizeof(struct itch_wire_mwcb_status) == 12, "ITCH 5.0 W");
_Static_assert(sizeof(struct itch_wire_ipo) == 28, "ITCH 5.0 K");
_Static_assert(sizeof(struct itch_wire_collar) == 35, "ITCH 5.0 J");
_Static_assert(sizeof(struct itch_wire_operational) == 21, "ITCH 5.0 h");
_Static_assert(sizeof(struct itch_wire_add) == 36, "ITCH 5.0 A");
_Static_assert(sizeof(struct itch_wire_add_mpid) == 40, "ITCH 5.0 F");
_Static_assert(sizeof(struct itch_wire_executed) == 31, "ITCH 5.0 E");
_Static_assert(sizeof(struct itch_wire_executed_price) == 36, "ITCH 5.0 C");
_Static_assert(sizeof(struct itch_wire_cancel) == 23, "ITCH 5.0 X");
_Static_assert(sizeof(struct itch_wire_delete) == 19, "ITCH 5.0 D");
_Static_assert(sizeof(struct itch_wire_replace) == 35, "ITCH 5.0 U");
_Static_assert(sizeof(struct itch_wire_trade) == 44, "ITCH 5.0 P");
_Static_assert(sizeof(struct itch_wire_cross) == 40, "ITCH 5.0 Q");
_Static_assert(sizeof(struct itch_wire_broken) == 19, "ITCH 5.0 B");
_Static_assert(sizeof(struct itch_wire_noii) == 50, "ITCH 5.0 I");
_Static_assert(sizeof(struct itch_wire_rpii) == 20, "ITCH 5.0 N");
_Static_assert(sizeof(struct itch_wire_listing) == 48, "ITCH 5.0 O");
_Static_assert(sizeof(struct itch_wire_noii) == ITCH_LENGTH_MAX, "the longest message");

#define PIECE_LEN         ITCH_PIECE_LEN
#define PIECE_AT(wire)    (sizeof(struct wire) - PIECE_LEN) /* the last 16 bytes */
#define FROM(wire, field) (offsetof(struct wire, field) - PIECE_AT(wire))
#define BE32(wire, field) FROM(wire, field) + 3, FROM(wire, field) + 2, FROM(wire, field) + 1, FROM(wire, field)
#define BE64(wire, field)                                                                                              \
    FROM(wire, field) + 7, FROM(wire, field) + 6, FROM(wire, field) + 5, FROM(wire, field) + 4, BE32(wire, field)
#define ALPHA8(wire, field)                                                                                            \
    FROM(wire, field), FROM(wire, field) + 1, FROM(wire, field) + 2, FROM(wire, field) + 3, FROM(wire, field) + 4,     \
        FROM(wire, field) + 5, FROM(wire, field) + 6, FROM(wire, field) + 7
#define ZERO      0x80 /* gives a zero byte, see itch_shuffle */
#define ZERO4     ZERO, ZERO, ZERO, ZERO
#define ZERO8     ZERO4, ZERO4
#define NO_LETTER .letter_at = 0, .letter_mask = 0

/* What A, F and P have in common is the whole of A. */
#define ADD_SHAPE                                                                                                      \
    .shuffle = {BE32(itch_wire_add, qty), BE32(itch_wire_add, price), ALPHA8(itch_wire_add, stock)},                   \
    .piece_at = PIECE_AT(itch_wire_add), .letter_at = offsetof(struct itch_wire_add, side), .letter_mask = 0xff

#define ORDER      .plain_span = UINT32_MAX / 2 /* all of it is in the two pieces */
#define ORDER_MORE .more = 1
#define BOOKS      .books = 1
#define ENTERS     BOOKS, .enters = 1

const struct itch_shape itch_shapes[256] = {
    [ITCH_ADD] = {ADD_SHAPE, ENTERS, .len = sizeof(struct itch_wire_add), ORDER},
    [ITCH_ADD_MPID] = {ADD_SHAPE, ENTERS, .len = sizeof(struct itch_wire_add_mpid), ORDER_MORE},
    [ITCH_TRADE] = {ADD_SHAPE, .len = sizeof(struct itch_wire_trade), ORDER_MORE},
    [ITCH_EXECUTED] = {.shuffle = {BE32(itch_wire_executed, qty), ZERO4, BE64(itch_wire_executed, match)},
                       .piece_at = PIECE_AT(itch_wire_executed),
                       NO_LETTER,
                       .letter_else = 'Y',
                       .len = sizeof(struct itch_wire_executed),
                       BOOKS, ORDER},
    /* Quantity to price is 17 bytes here. */
    [ITCH_EXECUTED_PRICE] = {.shuffle = {ZERO4, BE32(itch_wire_executed_price, price),
                                         BE64(itch_wire_executed_price, executed.match)},
                             .piece_at = PIECE_AT(itch_wire_executed_price),
                             .letter_at = offsetof(struct itch_wire_executed_price, printable),
                             .letter_mask = 0xff,
                             .len = sizeof(struct itch_wire_executed_price),
                             BOOKS, ORDER_MORE},
    [ITCH_CANCEL] = {.shuffle = {BE32(itch_wire_cancel, qty), ZERO4, ZERO8},
                     .piece_at = PIECE_AT(itch_wire_cancel),
                     NO_LETTER,
                     .len = sizeof(struct itch_wire_cancel),
                     BOOKS, ORDER},
    [ITCH_DELETE] = {.shuffle = {ZERO4, ZERO4, ZERO8},
                     .piece_at = PIECE_AT(itch_wire_delete),
                     NO_LETTER,
                     .len = sizeof(struct itch_wire_delete),
                     BOOKS, ORDER},
    [ITCH_REPLACE] = {.shuffle = {BE32(itch_wire_replace, qty), BE32(itch_wire_replace, price),
                                  BE64(itch_wire_replace, ref)},
                      .piece_at = PIECE_AT(itch_wire_replace),
                      NO_LETTER,
                      .len = sizeof(struct itch_wire_replace),
                      BOOKS, ORDER},
    [ITCH_SYSTEM_EVENT] = {.len = sizeof(struct itch_wire_system_event)},
    [ITCH_STOCK_DIRECTORY] = {.len = sizeof(struct itch_wire_directory)},
    [ITCH_TRADING_ACTION] = {.len = sizeof(struct itch_wire_trading_action)},
    [ITCH_REG_SHO] = {.len = sizeof(struct itch_wire_reg_sho)},
    [ITCH_PARTICIPANT] = {.len = sizeof(struct itch_wire_participant)},
    [ITCH_MWCB_LEVEL] = {.len = sizeof(struct itch_wire_mwcb_level)},
    [ITCH_MWCB_STATUS] = {.len = sizeof(struct itch_wire_mwcb_status)},
    [ITCH_IPO_UPDATE] = {.len = sizeof(struct itch_wire_ipo)},
    [ITCH_LULD_COLLAR] = {.len = sizeof(struct itch_wire_collar)},
    [ITCH_OPERATIONAL_HALT] = {.len = sizeof(struct itch_wire_operational)},
    [ITCH_CROSS_TRADE] = {.len = sizeof(struct itch_wire_cross)},
    [ITCH_BROKEN_TRADE] = {.len = sizeof(struct itch_wire_broken)},
    [ITCH_NOII] = {.len = sizeof(struct itch_wire_noii)},
    [ITCH_RPII] = {.len = sizeof(struct itch_wire_rpii)},
    [ITCH_DIRECT_LISTING] = {.len = sizeof(struct itch_wire_listing)},
};

/* The prefix in the order of itch_msg. */
const uint8_t itch_prefix_shuffle[ITCH_PIECE_LEN] = {0, ZERO, 2, 1, 4, 3, ZERO, ZERO, 10, 9, 8, 7, 6, 5, ZERO, ZERO};
_Static_assert(offsetof(struct itch_msg, type) == 0 && offsetof(struct itch_msg, locate) == 2 &&
                   offsetof(struct itch_msg, tracking) == 4 && offsetof(struct itch_msg, timestamp_ns) == 8,
               "itch_prefix_shuffle");

#define REF_AT ITCH_PREFIX_LEN /* as itch_decode_pieces has it */
_Static_assert(offsetof(struct itch_wire_add, ref) == REF_AT, "REF_AT");
_Static_assert(offsetof(struct itch_wire_executed, ref) == REF_AT, "REF_AT");
_Static_assert(offsetof(struct itch_wire_cancel, ref) == REF_AT, "REF_AT");
_Static_assert(offsetof(struct itch_wire_delete, ref) == REF_AT, "REF_AT");
_Static_assert(offsetof(struct itch_wire_replace, orig_ref) == REF_AT, "REF_AT");

/* Where the parts go. */
#define SAME_PLACE(member, field, part)                                                                                \
    _Static_assert(offsetof(struct itch_msg, member.field) == offsetof(struct itch_msg, order.part) &&                 \
                       sizeof(((struct itch_msg *)0)->member.field) == sizeof(((struct itch_msg *)0)->order.part),     \
                   "itch_msg: " #member "." #field " and order." #part)
SAME_PLACE(add, ref, ref);
SAME_PLACE(add, qty, qty);
SAME_PLACE(add, price, price);
SAME_PLACE(add, stock, word);
SAME_PLACE(add, side, letter);
SAME_PLACE(add, mpid, tail);
SAME_PLACE(executed, ref, ref);
SAME_PLACE(executed, qty, qty);
SAME_PLACE(executed, price, price);
SAME_PLACE(executed, match, word);
SAME_PLACE(executed, printable, letter);
SAME_PLACE(cancel, ref, ref);
SAME_PLACE(cancel, qty, qty);
SAME_PLACE(delete, ref, ref);
SAME_PLACE(replace, orig_ref, ref);
SAME_PLACE(replace, qty, qty);
SAME_PLACE(replace, price, price);
SAME_PLACE(replace, ref, word);
SAME_PLACE(trade, ref, ref);
SAME_PLACE(trade, qty, qty);
SAME_PLACE(trade, price, price);
SAME_PLACE(trade, stock, word);
SAME_PLACE(trade, side, letter);
SAME_PLACE(trade, match, tail);
_Static_assert(offsetof(struct itch_msg, order.price) == offsetof(struct itch_msg, order.qty) + 4 &&
                   offsetof(struct itch_msg, order.word) == offsetof(struct itch_msg, order.qty) + 8,
               "itch_shape.shuffle");

uint32_t itch_length(uint8_t type)
{
    return itch_shapes[type].len;
}

static inline void decode_prefix(const uint8_t *message, struct itch_msg *ret_msg)
{
    const struct itch_wire_prefix *wire = (const struct itch_wire_prefix *)message;
    ret_msg->type = wire->type;
    ret_msg->locate = load_be16(&wire->locate);
    ret_msg->tracking = load_be16(&wire->tracking);
    ret_msg->timestamp_ns = load_be48(&wire->timestamp_ns);
}

/* The messages that come now and then. Out of line, so that the others need little code and no stack. */
static __attribute__((noinline)) enum itch_verdict decode_other(const uint8_t *message, struct itch_msg *ret_msg)
{
    switch (message[0]) {
    case ITCH_NOII: {
        const struct itch_wire_noii *wire = (const struct itch_wire_noii *)message;
        ret_msg->noii.paired_qty = load_be64(&wire->paired_qty);
        ret_msg->noii.imbalance_qty = load_be64(&wire->imbalance_qty);
        ret_msg->noii.direction = wire->direction;
        ret_msg->noii.stock = load_alpha8(&wire->stock);
        ret_msg->noii.far_price = load_be32(&wire->far_price);
        ret_msg->noii.near_price = load_be32(&wire->near_price);
        ret_msg->noii.reference = load_be32(&wire->reference);
        ret_msg->noii.cross = wire->cross;
        ret_msg->noii.variation = wire->variation;
        break;
    }
    case ITCH_CROSS_TRADE: {
        const struct itch_wire_cross *wire = (const struct itch_wire_cross *)message;
        ret_msg->cross.qty = load_be64(&wire->qty);
        ret_msg->cross.stock = load_alpha8(&wire->stock);
        ret_msg->cross.price = load_be32(&wire->price);
        ret_msg->cross.match = load_be64(&wire->match);
        ret_msg->cross.cross = wire->cross;
        break;
    }
    case ITCH_BROKEN_TRADE: {
        const struct itch_wire_broken *wire = (const struct itch_wire_broken *)message;
        ret_msg->broken.match = load_be64(&wire->match);
        break;
    }
    case ITCH_SYSTEM_EVENT: {
        const struct itch_wire_system_event *wire = (const struct itch_wire_system_event *)message;
        ret_msg->system_event.code = wire->code;
        break;
    }
    case ITCH_STOCK_DIRECTORY: {
        const struct itch_wire_directory *wire = (const struct itch_wire_directory *)message;
        ret_msg->directory.stock = load_alpha8(&wire->stock);
        ret_msg->directory.category = wire->category;
        ret_msg->directory.financial = wire->financial;
        ret_msg->directory.round_lot = load_be32(&wire->round_lot);
        ret_msg->directory.round_lots_only = wire->round_lots_only;
        ret_msg->directory.classification = wire->classification;
        ret_msg->directory.sub_type[0] = wire->sub_type[0];
        ret_msg->directory.sub_type[1] = wire->sub_type[1];
        ret_msg->directory.authenticity = wire->authenticity;
        ret_msg->directory.short_sale_threshold = wire->short_sale_threshold;
        ret_msg->directory.ipo = wire->ipo;
        ret_msg->directory.luld_tier = wire->luld_tier;
        ret_msg->directory.etp = wire->etp;
        ret_msg->directory.etp_leverage = load_be32(&wire->etp_leverage);
        ret_msg->directory.inverse = wire->inverse;
        break;
    }
    case ITCH_TRADING_ACTION: {
        const struct itch_wire_trading_action *wire = (const struct itch_wire_trading_action *)message;
        ret_msg->trading_action.stock = load_alpha8(&wire->stock);
        ret_msg->trading_action.state = wire->state;
        ret_msg->trading_action.reason = load_alpha4(&wire->reason);
        break;
    }
    case ITCH_REG_SHO: {
        const struct itch_wire_reg_sho *wire = (const struct itch_wire_reg_sho *)message;
        ret_msg->reg_sho.stock = load_alpha8(&wire->stock);
        ret_msg->reg_sho.action = wire->action;
        break;
    }
    case ITCH_PARTICIPANT: {
        const struct itch_wire_participant *wire = (const struct itch_wire_participant *)message;
        ret_msg->participant.mpid = load_alpha4(&wire->mpid);
        ret_msg->participant.stock = load_alpha8(&wire->stock);
        ret_msg->participant.primary = wire->primary;
        ret_msg->participant.mode = wire->mode;
        ret_msg->participant.state = wire->state;
        break;
    }
    case ITCH_MWCB_LEVEL: {
        const struct itch_wire_mwcb_level *wire = (const struct itch_wire_mwcb_level *)message;
        for (uint32_t i = 0; i < 3; i++)
            ret_msg->mwcb_level.level_e8[i] = load_be64(&wire->level_e8[i]);
        break;
    }
    case ITCH_MWCB_STATUS: {
        const struct itch_wire_mwcb_status *wire = (const struct itch_wire_mwcb_status *)message;
        ret_msg->mwcb_status.level = wire->level;
        break;
    }
    case ITCH_IPO_UPDATE: {
        const struct itch_wire_ipo *wire = (const struct itch_wire_ipo *)message;
        ret_msg->ipo.stock = load_alpha8(&wire->stock);
        ret_msg->ipo.release_s = load_be32(&wire->release_s);
        ret_msg->ipo.qualifier = wire->qualifier;
        ret_msg->ipo.price = load_be32(&wire->price);
        break;
    }
    case ITCH_LULD_COLLAR: {
        const struct itch_wire_collar *wire = (const struct itch_wire_collar *)message;
        ret_msg->collar.stock = load_alpha8(&wire->stock);
        ret_msg->collar.reference = load_be32(&wire->reference);
        ret_msg->collar.upper = load_be32(&wire->upper);
        ret_msg->collar.lower = load_be32(&wire->lower);
        ret_msg->collar.extension = load_be32(&wire->extension);
        break;
    }
    case ITCH_OPERATIONAL_HALT: {
        const struct itch_wire_operational *wire = (const struct itch_wire_operational *)message;
        ret_msg->operational.stock = load_alpha8(&wire->stock);
        ret_msg->operational.market = wire->market;
        ret_msg->operational.action = wire->action;
        break;
    }
    case ITCH_RPII: {
        const struct itch_wire_rpii *wire = (const struct itch_wire_rpii *)message;
        ret_msg->rpii.stock = load_alpha8(&wire->stock);
        ret_msg->rpii.interest = wire->interest;
        break;
    }
    case ITCH_DIRECT_LISTING: {
        const struct itch_wire_listing *wire = (const struct itch_wire_listing *)message;
        ret_msg->listing.stock = load_alpha8(&wire->stock);
        ret_msg->listing.eligibility = wire->eligibility;
        ret_msg->listing.min_price = load_be32(&wire->min_price);
        ret_msg->listing.max_price = load_be32(&wire->max_price);
        ret_msg->listing.near_price = load_be32(&wire->near_price);
        ret_msg->listing.near_execution_time = load_be64(&wire->near_execution_time);
        ret_msg->listing.lower = load_be32(&wire->lower);
        ret_msg->listing.upper = load_be32(&wire->upper);
        break;
    }
    default:
        return ITCH_UNKNOWN;
    }
    decode_prefix(message, ret_msg);
    return ITCH_OK;
}

enum itch_verdict itch_decode_rest(const uint8_t *message, uint32_t message_len, struct itch_msg *ret_msg)
{
    const struct itch_shape *shape = &itch_shapes[message[0]];

    if (UNLIKELY(message_len < shape->len))
        return ITCH_SHORT;
    if (shape->more == 0)
        return decode_other(message, ret_msg);
    itch_decode_pieces(message, shape, ret_msg);
    switch (message[0]) {
    case ITCH_ADD_MPID:
        ret_msg->add.mpid = load_alpha4(&((const struct itch_wire_add_mpid *)message)->mpid);
        break;
    case ITCH_TRADE:
        ret_msg->trade.match = load_be64(&((const struct itch_wire_trade *)message)->match);
        break;
    default:
        ret_msg->executed.qty = load_be32(&((const struct itch_wire_executed_price *)message)->executed.qty);
        break;
    }
    return ITCH_OK;
}

static void encode_prefix(const struct itch_msg *msg, uint8_t *ret_message)
{
    struct itch_wire_prefix *wire = (struct itch_wire_prefix *)ret_message;
    wire->type = msg->type;
    store_be16(&wire->locate, msg->locate);
    store_be16(&wire->tracking, msg->tracking);
    store_be48(&wire->timestamp_ns, msg->timestamp_ns);
}

static void encode_add(const struct itch_msg *msg, struct itch_wire_add *ret_wire)
{
    store_be64(&ret_wire->ref, msg->add.ref);
    ret_wire->side = msg->add.side;
    store_be32(&ret_wire->qty, msg->add.qty);
    store_alpha8(&ret_wire->stock, msg->add.stock);
    store_be32(&ret_wire->price, msg->add.price);
}

static void encode_executed(const struct itch_msg *msg, struct itch_wire_executed *ret_wire)
{
    store_be64(&ret_wire->ref, msg->executed.ref);
    store_be32(&ret_wire->qty, msg->executed.qty);
    store_be64(&ret_wire->match, msg->executed.match);
}

uint32_t itch_encode(const struct itch_msg *msg, uint8_t *ret_message)
{
    const uint32_t len = itch_shapes[msg->type].len;
    if (len == 0)
        return 0;
    encode_prefix(msg, ret_message);

    switch ((enum itch_type)msg->type) {
    case ITCH_ADD:
        encode_add(msg, (struct itch_wire_add *)ret_message);
        break;
    case ITCH_DELETE: {
        struct itch_wire_delete *wire = (struct itch_wire_delete *)ret_message;
        store_be64(&wire->ref, msg->delete.ref);
        break;
    }
    case ITCH_REPLACE: {
        struct itch_wire_replace *wire = (struct itch_wire_replace *)ret_message;
        store_be64(&wire->orig_ref, msg->replace.orig_ref);
        store_be64(&wire->ref, msg->replace.ref);
        store_be32(&wire->qty, msg->replace.qty);
        store_be32(&wire->price, msg->replace.price);
        break;
    }
    case ITCH_EXECUTED:
        encode_executed(msg, (struct itch_wire_executed *)ret_message);
        break;
    case ITCH_CANCEL: {
        struct itch_wire_cancel *wire = (struct itch_wire_cancel *)ret_message;
        store_be64(&wire->ref, msg->cancel.ref);
        store_be32(&wire->qty, msg->cancel.qty);
        break;
    }
    case ITCH_TRADE: {
        struct itch_wire_trade *wire = (struct itch_wire_trade *)ret_message;
        encode_add(msg, &wire->add); /* same place in itch_msg too */
        store_be64(&wire->match, msg->trade.match);
        break;
    }
    case ITCH_ADD_MPID: {
        struct itch_wire_add_mpid *wire = (struct itch_wire_add_mpid *)ret_message;
        encode_add(msg, &wire->add);
        store_alpha4(&wire->mpid, msg->add.mpid);
        break;
    }
    case ITCH_EXECUTED_PRICE: {
        struct itch_wire_executed_price *wire = (struct itch_wire_executed_price *)ret_message;
        encode_executed(msg, &wire->executed);
        wire->printable = msg->executed.printable;
        store_be32(&wire->price, msg->executed.price);
        break;
    }
    case ITCH_NOII: {
        struct itch_wire_noii *wire = (struct itch_wire_noii *)ret_message;
        store_be64(&wire->paired_qty, msg->noii.paired_qty);
        store_be64(&wire->imbalance_qty, msg->noii.imbalance_qty);
        wire->direction = msg->noii.direction;
        store_alpha8(&wire->stock, msg->noii.stock);
        store_be32(&wire->far_price, msg->noii.far_price);
        store_be32(&wire->near_price, msg->noii.near_price);
        store_be32(&wire->reference, msg->noii.reference);
        wire->cross = msg->noii.cross;
        wire->variation = msg->noii.variation;
        break;
    }
    case ITCH_CROSS_TRADE: {
        struct itch_wire_cross *wire = (struct itch_wire_cross *)ret_message;
        store_be64(&wire->qty, msg->cross.qty);
        store_alpha8(&wire->stock, msg->cross.stock);
        store_be32(&wire->price, msg->cross.price);
        store_be64(&wire->match, msg->cross.match);
        wire->cross = msg->cross.cross;
        break;
    }
    case ITCH_BROKEN_TRADE: {
        struct itch_wire_broken *wire = (struct itch_wire_broken *)ret_message;
        store_be64(&wire->match, msg->broken.match);
        break;
    }
    case ITCH_SYSTEM_EVENT: {
        struct itch_wire_system_event *wire = (struct itch_wire_system_event *)ret_message;
        wire->code = msg->system_event.code;
        break;
    }
    case ITCH_STOCK_DIRECTORY: {
        struct itch_wire_directory *wire = (struct itch_wire_directory *)ret_message;
        store_alpha8(&wire->stock, msg->directory.stock);
        wire->category = msg->directory.category;
        wire->financial = msg->directory.financial;
        store_be32(&wire->round_lot, msg->directory.round_lot);
        wire->round_lots_only = msg->directory.round_lots_only;
        wire->classification = msg->directory.classification;
        wire->sub_type[0] = msg->directory.sub_type[0];
        wire->sub_type[1] = msg->directory.sub_type[1];
        wire->authenticity = msg->directory.authenticity;
        wire->short_sale_threshold = msg->directory.short_sale_threshold;
        wire->ipo = msg->directory.ipo;
        wire->luld_tier = msg->directory.luld_tier;
        wire->etp = msg->directory.etp;
        store_be32(&wire->etp_leverage, msg->directory.etp_leverage);
        wire->inverse = msg->directory.inverse;
        break;
    }
    case ITCH_TRADING_ACTION: {
        struct itch_wire_trading_action *wire = (struct itch_wire_trading_action *)ret_message;
        store_alpha8(&wire->stock, msg->trading_action.stock);
        wire->state = msg->trading_action.state;
        wire->reserved = ' ';
        store_alpha4(&wire->reason, msg->trading_action.reason);
        break;
    }
    case ITCH_REG_SHO: {
        struct itch_wire_reg_sho *wire = (struct itch_wire_reg_sho *)ret_message;
        store_alpha8(&wire->stock, msg->reg_sho.stock);
        wire->action = msg->reg_sho.action;
        break;
    }
    case ITCH_PARTICIPANT: {
        struct itch_wire_participant *wire = (struct itch_wire_participant *)ret_message;
        store_alpha4(&wire->mpid, msg->participant.mpid);
        store_alpha8(&wire->stock, msg->participant.stock);
        wire->primary = msg->participant.primary;
        wire->mode = msg->participant.mode;
        wire->state = msg->participant.state;
        break;
    }
    case ITCH_MWCB_LEVEL: {
        struct itch_wire_mwcb_level *wire = (struct itch_wire_mwcb_level *)ret_message;
        for (uint32_t i = 0; i < 3; i++)
            store_be64(&wire->level_e8[i], msg->mwcb_level.level_e8[i]);
        break;
    }
    case ITCH_MWCB_STATUS: {
        struct itch_wire_mwcb_status *wire = (struct itch_wire_mwcb_status *)ret_message;
        wire->level = msg->mwcb_status.level;
        break;
    }
    case ITCH_IPO_UPDATE: {
        struct itch_wire_ipo *wire = (struct itch_wire_ipo *)ret_message;
        store_alpha8(&wire->stock, msg->ipo.stock);
        store_be32(&wire->release_s, msg->ipo.release_s);
        wire->qualifier = msg->ipo.qualifier;
        store_be32(&wire->price, msg->ipo.price);
        break;
    }
    case ITCH_LULD_COLLAR: {
        struct itch_wire_collar *wire = (struct itch_wire_collar *)ret_message;
        store_alpha8(&wire->stock, msg->collar.stock);
        store_be32(&wire->reference, msg->collar.reference);
        store_be32(&wire->upper, msg->collar.upper);
        store_be32(&wire->lower, msg->collar.lower);
        store_be32(&wire->extension, msg->collar.extension);
        break;
    }
    case ITCH_OPERATIONAL_HALT: {
        struct itch_wire_operational *wire = (struct itch_wire_operational *)ret_message;
        store_alpha8(&wire->stock, msg->operational.stock);
        wire->market = msg->operational.market;
        wire->action = msg->operational.action;
        break;
    }
    case ITCH_RPII: {
        struct itch_wire_rpii *wire = (struct itch_wire_rpii *)ret_message;
        store_alpha8(&wire->stock, msg->rpii.stock);
        wire->interest = msg->rpii.interest;
        break;
    }
    case ITCH_DIRECT_LISTING: {
        struct itch_wire_listing *wire = (struct itch_wire_listing *)ret_message;
        store_alpha8(&wire->stock, msg->listing.stock);
        wire->eligibility = msg->listing.eligibility;
        store_be32(&wire->min_price, msg->listing.min_price);
        store_be32(&wire->max_price, msg->listing.max_price);
        store_be32(&wire->near_price, msg->listing.near_price);
        store_be64(&wire->near_execution_time, msg->listing.near_execution_time);
        store_be32(&wire->lower, msg->listing.lower);
        store_be32(&wire->upper, msg->listing.upper);
        break;
    }
    }
    return len;
}

const char *itch_verdict_name(enum itch_verdict verdict)
{
    static const char *const names[ITCH_VERDICT_COUNT] = {
        [ITCH_OK] = "ok",
        [ITCH_SHORT] = "short",
        [ITCH_UNKNOWN] = "unknown",
    };
    return (unsigned)verdict < ITCH_VERDICT_COUNT ? names[verdict] : "unknown";
}
