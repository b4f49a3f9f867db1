/* The risk gate: the only door to the wire. Each refusal has a reason and a counter; cancels pass a closed gate. It
 * uses only state seen in events that its lcore has consumed, and integers only. One owner: the strategy lcore; the
 * kill word is written by the control thread.
 *
 * risk_reserve is called before an order is encoded and books the order into position and rate; whatever does not
 * reach the wire, or stops trading, gives its reservation back with risk_release. */
#ifndef GATEWAY_ORDER_RISK_H
#define GATEWAY_ORDER_RISK_H

#include "gateway/order/market.h"
#include "ring/order_intent.h"

#include <stdbool.h>
#include <stdint.h>

/* The order is the order of the checks; the first that fails names the reason. Append before RISK_VERDICT_COUNT
 * only. */
enum risk_verdict {
    RISK_PASS = 0,
    RISK_BAD_INTENT,     /* action, side, tif unknown; price <= 0; qty 0 */
    RISK_KILLED,         /* kill switch: new orders and replaces are blocked, cancels pass */
    RISK_NO_SESSION,     /* no order session is configured or up */
    RISK_UNKNOWN_INSTRUMENT, /* not one of ours, or its symbol has not been seen */
    RISK_UNKNOWN_ORDER,  /* cancel or replace of an order that is not open, or is another strategy's */
    RISK_STALE,          /* the instrument's channel has a hole */
    RISK_UNTRADABLE,     /* its book is not to be trusted */
    RISK_HALTED,         /* trading state known and not 'T', or operational halt, or session ended */
    RISK_NO_BBO,         /* the side that the collar needs, the opposite one, is empty */
    RISK_QTY,            /* qty > order_qty_max */
    RISK_NOTIONAL,       /* price * qty > order_notional_max */
    RISK_COLLAR,         /* buy above, or sell below, the collar around the opposite best price */
    RISK_POSITION,       /* position, what is open on this side and qty together go beyond position_max on this side */
    RISK_RATE,           /* token bucket empty */
    RISK_OPEN_FULL,      /* no room for one more open order */
    RISK_TX_FULL,        /* no prepared frame free, or the transmit queue took nothing */
    RISK_OVERRUN,        /* events were lost, and the strategy is one that stops then. Asked before the gate */
    RISK_ORDER_BUSY,     /* a replace or cancel of it waits for its answer */
    RISK_REFS_USED_UP,   /* no UserRefNum may be given out: the file of numbers is behind */
    RISK_WINDOW,         /* the connection takes no more now and the slow path is not allowed */
    RISK_LOG_FULL,       /* the control thread has not taken over what was sent before */
    RISK_VERDICT_COUNT
};

const char *risk_verdict_name(enum risk_verdict verdict);

struct risk_limits {
    uint32_t order_qty_max;
    uint64_t order_notional_max; /* price unit times shares */
    uint32_t collar_bps;
    uint32_t rate_per_s;
    uint32_t rate_burst;
    uint32_t position_max;
    bool allow_stale;
    bool session_up;             /* orders can be sent. Writer: the owner, while it runs too */
};

struct risk {
    struct risk_limits limits;   /* read-mostly; of them only session_up changes */
    uint64_t token_ns;           /* ns that one order costs: 10^9 / rate_per_s, at least 1 */
    uint64_t bucket_ns;          /* rate_burst * token_ns: what a full bucket holds */
    alignas(CACHE_LINE_BYTES) uint64_t level_ns; /* owner: what the bucket holds now */
    uint64_t refilled_ns;        /* frame time of the last refill; 0 = never */
    uint64_t verdict_count[RISK_VERDICT_COUNT]; /* intents by verdict */
    alignas(CACHE_LINE_BYTES) uint32_t killed;  /* writer: control thread; reader: owner, relaxed, once an intent */
};

void risk_init(struct risk *risk, const struct risk_limits *limits, bool killed);

/* Open or close the gate. Any thread. */
void risk_kill(struct risk *risk, bool killed);

/* Decide on a new order. RISK_PASS: qty is reserved in the instrument and one token is taken. Counts nothing: the
 * caller counts the final verdict once with risk_count, since frames and queues may refuse after it. `now_ns` may
 * run backwards: then no token is added.
 *
 * The collar: a buy may cost at most ask * (1 + collar_bps / 10^4), a sell must bring at least bid * (1 - collar_bps
 * / 10^4), rounded towards the BBO, so that the gate is never wider than the rule. The side that it needs is the
 * opposite one; where that is empty the answer is RISK_NO_BBO. */
enum risk_verdict risk_reserve(struct risk *risk, struct market *market, const struct order_intent *intent,
                               uint64_t now_ns);

/* The same for a replace of an open order of `open_qty` shares on `side` of (channel, instrument), which `intent`
 * gives a new price and quantity: every check of a new order, but position and reservation are about the increase
 * alone, so that the larger of the two quantities is reserved while nobody has answered. */
enum risk_verdict risk_reserve_replace(struct risk *risk, struct market *market, const struct order_intent *intent,
                                       uint32_t open_qty, uint64_t now_ns);

/* Give `qty` of a reservation back: refused later, filled (after the position was changed), cancelled or timed out. */
void risk_release(struct market *market, uint16_t channel, uint16_t instrument, uint8_t side, uint32_t qty);

static inline void risk_count(struct risk *risk, enum risk_verdict verdict)
{
    __atomic_store_n(&risk->verdict_count[verdict], risk->verdict_count[verdict] + 1, __ATOMIC_RELAXED);
}

#endif
