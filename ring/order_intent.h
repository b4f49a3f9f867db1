/* What a strategy wants (order_intent) and what became of it (order_event). Both stay on the strategy's lcore. */
#ifndef RING_ORDER_INTENT_H
#define RING_ORDER_INTENT_H

#include <stdbool.h>
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
    ORDER_SENT = 2,     /* on the wire under user_ref */
    ORDER_FILLED = 3,   /* qty at price */
    ORDER_RELEASED = 4, /* the open remainder `qty` will not trade any more (cancelled, timed out) */
};

struct order_event {
    uint8_t type;       /* enum order_event_type */
    uint8_t reason;     /* enum risk_verdict of gateway/order/risk.h, 0 = none */
    uint8_t side;
    uint8_t strategy;   /* index of the strategy on its lcore */
    uint16_t channel;
    uint16_t instrument;
    int32_t price;
    uint32_t qty;
    uint32_t user_ref;  /* OUCH UserRefNum, 0 for a refused order */
    uint32_t tag;
    uint64_t now_ns;    /* decision time */
};

#endif
