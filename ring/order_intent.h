/* What a strategy wants (order_intent) and what became of it (order_event). Both stay on the strategy's lcore. */
#ifndef RING_ORDER_INTENT_H
#define RING_ORDER_INTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum order_action { ORDER_NEW = 1, ORDER_CANCEL = 2, ORDER_REPLACE = 3 };
enum order_tif { ORDER_DAY = 0, ORDER_IOC = 3 };

#define ORDER_INTENTS_MAX 4 /* intents that one strategy may return for one event */

struct order_intent {
    uint8_t action;      /* enum order_action */
    uint8_t side;        /* 'B' buy, 'S' sell, 'T' sell short, 'E' sell short exempt; ORDER_NEW only */
    uint8_t tif;         /* enum order_tif */
    uint8_t reserved;
    uint16_t channel;    /* of the instrument, as in md_event */
    uint16_t instrument;
    int32_t price;       /* limit, in the instrument's price unit, > 0 */
    uint32_t qty;        /* ORDER_NEW, ORDER_REPLACE: shares, > 0. ORDER_CANCEL: what shall remain, 0 = nothing */
    uint32_t orig_ref;   /* ORDER_CANCEL, ORDER_REPLACE: user_ref of the order meant */
    uint32_t tag;        /* the strategy's own, comes back in every order_event of this order */
};

enum order_event_type {
    ORDER_REFUSED = 1,  /* by the gate or the carrier: reason says which check; nothing was sent */
    ORDER_SENT = 2,     /* on the wire under user_ref; of a replace too */
    ORDER_FILLED = 3,   /* qty at price */
    ORDER_RELEASED = 4, /* the open remainder `qty` will not trade: cancelled, timed out, rejected by the venue,
                         * never received by it: the order is done, unless some of it is left (left_qty) */
    /* what a venue answers, beside fills and releases: */
    ORDER_ACCEPTED = 5, /* live with `qty` at `price`, which may differ from what was asked for */
    ORDER_REPLACED = 6, /* user_ref is live with `qty` at `price` in the place of orig_ref, which is done */
    ORDER_REPLACE_REJECTED = 7, /* of user_ref; orig_ref goes on as it was */
    ORDER_CANCEL_REJECTED = 8,  /* the order goes on */
    ORDER_CANCEL_PENDING = 9,   /* the venue will cancel when it may */
    ORDER_RESTATED = 10,        /* priority, side, quantity or display was changed by the venue: `qty` is open now */
    ORDER_BROKEN = 11,          /* the venue breaks a trade: `qty` at `price` was told as filled and is taken back; the
                                 * gate's position has followed, the order does not trade it again. Most often it is
                                 * done since: this comes after its end */
    ORDER_UNKNOWN = 12,         /* the session broke: whether it trades is not known; its reservation stays */
};

/* Why an order was released or a request refused, where no check of the gate did it: order_event.reason of
 * ORDER_RELEASED and the two REJECTED. */
enum order_release {
    ORDER_RELEASE_TIMEOUT = 1,        /* carriers that nobody answers on */
    ORDER_RELEASE_CANCELED,           /* code: the venue's letter */
    ORDER_RELEASE_REJECTED,           /* code: the venue's number */
    ORDER_RELEASE_DEAD,               /* accepted or replaced in state dead */
    ORDER_RELEASE_NEVER_RECEIVED,     /* lost with the connection: the venue has never seen it */
    ORDER_RELEASE_REPLACED_GONE,      /* the order that it should have replaced was done before */
};

struct order_event {
    uint8_t type;       /* enum order_event_type */
    uint8_t reason;     /* ORDER_REFUSED: enum risk_verdict (gateway/order/risk.h); else enum order_release, 0 = none */
    uint8_t side;
    uint8_t strategy;   /* index of the strategy on its lcore */
    uint16_t channel;
    uint16_t instrument;
    int32_t price;
    uint32_t qty;
    uint32_t user_ref;  /* OUCH UserRefNum, 0 for a refused order */
    uint32_t tag;
    uint64_t now_ns;    /* decision time */
    uint32_t left_qty;  /* shares of the order that may still trade after this */
    uint32_t orig_ref;  /* ORDER_REPLACED, ORDER_REPLACE_REJECTED */
    uint16_t code;      /* the venue's own reason: a letter, or the number of a reject */
};

/* Plug-ins are built apart from the gateway: how these two look is part of the interface's version (strategy.h). */
_Static_assert(sizeof(struct order_intent) == 24, "order_intent is part of the interface: its major version");
_Static_assert(offsetof(struct order_intent, price) == 8, "order_intent layout");
_Static_assert(offsetof(struct order_intent, tag) == 20, "order_intent layout");
_Static_assert(sizeof(struct order_event) == 48, "order_event is part of the interface: append, raise the minor");
_Static_assert(offsetof(struct order_event, price) == 8, "order_event layout");
_Static_assert(offsetof(struct order_event, now_ns) == 24, "order_event layout");
_Static_assert(offsetof(struct order_event, code) == 40, "order_event layout");

#endif
