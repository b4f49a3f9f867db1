/* The risk gate: the only door to the wire. Each refusal has a reason and a counter; cancels pass a closed gate. It
 * uses only state seen in events that its lcore has consumed, and integers only. One owner: the strategy lcore; the
 * kill word is written by the control thread. docs/RISK.md has each check, its rule, its cost and its test.
 *
 * Three scopes: an order has to be within the limits of its strategy, where that has some of its own, of its lcore, and
 * of the share that this lcore has of the gateway's (budget.h).
 *
 * risk_reserve is called before an order is encoded and books the order into position and rate; whatever does not
 * reach the wire, or stops trading, gives its reservation back with risk_release. */
#ifndef GATEWAY_ORDER_RISK_H
#define GATEWAY_ORDER_RISK_H

#include "gateway/order/market.h"
#include "gateway/order/recent.h"
#include "gateway/order/risk_bucket.h"
#include "gateway/order/risk_limits.h"
#include "ring/order_intent.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RISK_STRATEGIES_MAX 16u

/* The first check that fails names the reason; docs/RISK.md has the order of the checks. Append before
 * RISK_VERDICT_COUNT only: reports and audit logs know them by name, strategies by number. */
enum risk_verdict {
    RISK_PASS = 0,
    RISK_BAD_INTENT,         /* action, side, tif unknown; price <= 0; qty 0 */
    RISK_KILLED,             /* kill switch: new orders and replaces are blocked, cancels pass */
    RISK_NO_SESSION,         /* no order session is configured or up */
    RISK_UNKNOWN_INSTRUMENT, /* not one of ours, or its symbol has not been seen */
    RISK_UNKNOWN_ORDER,      /* cancel or replace of an order that is not open, or is another strategy's */
    RISK_STALE,              /* the instrument's channel has a hole */
    RISK_UNTRADABLE,         /* its book is not to be trusted */
    RISK_HALTED,             /* trading state known and not 'T', or operational halt, or session ended */
    RISK_NO_BBO,             /* the side that the collar needs, the opposite one, is empty */
    RISK_QTY,                /* qty > order_qty_max */
    RISK_NOTIONAL,           /* price * qty > order_notional_max */
    RISK_COLLAR,             /* buy above, or sell below, the collar around the opposite best price */
    RISK_POSITION,       /* position, what is open on this side and qty together go beyond position_max on this side */
    RISK_RATE,           /* token bucket empty */
    RISK_OPEN_FULL,      /* no room for one more open order */
    RISK_TX_FULL,        /* no prepared frame free, or the transmit queue took nothing */
    RISK_OVERRUN,        /* events were lost, and the strategy is one that stops then. Asked before the gate */
    RISK_ORDER_BUSY,     /* a replace or cancel of it waits for its answer */
    RISK_REFS_USED_UP,   /* no UserRefNum may be given out: the file of numbers is behind */
    RISK_WINDOW,         /* the connection takes no more now and the slow path is not allowed */
    RISK_LOG_FULL,       /* the control thread has not taken over what was sent before */
    RISK_LOSS,           /* realised and unrealised loss has reached loss_max: closed until it is armed again */
    RISK_SILENT,         /* nothing comes on any line of the instrument's feed */
    RISK_CLOCK,          /* frame time has jumped and was not steady for clock_steady_ms since */
    RISK_HOURS,          /* outside hours_from_s ... hours_to_s of the exchange's day */
    RISK_EARLY,          /* before the venue's start of market hours, and no_early is set */
    RISK_LATE,           /* after their end, and no_late is set */
    RISK_NO_REFERENCE,   /* the reference file lacks the symbol, and no_reference says refuse */
    RISK_RESTRICTED,     /* the reference file says that it is not to be traded */
    RISK_TICK,           /* price is no multiple of the tick */
    RISK_LOT,            /* qty is no multiple of the lot */
    RISK_ONE_SIDED,      /* one side of the BBO is empty, and one_sided says refuse */
    RISK_LOCKED,         /* bid = ask, and locked says refuse */
    RISK_CROSSED,        /* bid > ask, and crossed says refuse */
    RISK_COLLAR_LAST,    /* further from the last trade than collar_last_bps */
    RISK_COLLAR_CLOSE,   /* further from the previous close than collar_close_bps */
    RISK_SHORT_UNMARKED, /* side 'S', but it sells more than is held: a short sale is 'T' or 'E' */
    RISK_SHORT_LOCATE,   /* a short sale of what the reference file does not call borrowable */
    RISK_SHORT_PRICE,    /* a short sale 'T' at or below the best bid while the restriction is in force */
    RISK_SELF_CROSS,     /* would meet an open order of our own */
    RISK_OPEN_ORDERS,    /* open_orders_max are open */
    RISK_GROSS,          /* money held and open goes beyond gross_max */
    RISK_NET,            /* the same, long against short, beyond net_max */
    RISK_MESSAGES,       /* the venue's message allowance, less what is kept for cancels, is used up */
    RISK_DUPLICATE,      /* the same order was sent less than duplicate_ms ago */
    RISK_VERDICT_COUNT
};

const char *risk_verdict_name(enum risk_verdict verdict);

/* A change on its way from the control thread to the owner: one at a time. */
enum risk_post_what { RISK_POST_LIMITS, RISK_POST_REARM };
struct risk_post {
    alignas(CACHE_LINE_BYTES) uint32_t posted; /* number of the change in `what`, `scope`, `limits`. Writer: control
                                     * thread, released after these; reader: owner, acquired before it looks at them */
    uint32_t what;                             /* enum risk_post_what */
    uint32_t scope;                            /* RISK_LCORE, or RISK_STRATEGY(i) */
    struct risk_limits limits;
    alignas(CACHE_LINE_BYTES) uint32_t taken; /* newest change that is in force. Writer: owner, released after it has
                                     * read the above; reader: control thread, acquired before it writes them again */
};

#define RISK_LCORE       0u                         /* scopes of one gate: the lcore ... */
#define RISK_STRATEGY(i) (1u + (i))                 /* ... its strategies ... */
#define RISK_GATEWAY     (1u + RISK_STRATEGIES_MAX) /* ... and its share of the gateway's limits */
#define RISK_SCOPES_MAX  (RISK_GATEWAY + 1u)

/* What is asked of an order beside what is asked of every one, as the limits of all its scopes have it: a check that is
 * off costs nothing of its own. */
enum risk_ask {
    RISK_ASK_MARKET_HOURS = 1u << 0, /* early, late */
    RISK_ASK_REFERENCE = 1u << 1,    /* no_reference */
    RISK_ASK_HOURS = 1u << 2,
    RISK_ASK_COLLARS = 1u << 3, /* of last trade and close */
    RISK_ASK_OPEN_ORDERS = 1u << 4,
    RISK_ASK_MONEY = 1u << 5,    /* gross, net */
    RISK_ASK_STRATEGY = 1u << 6, /* what the strategy holds and has open, by limits of its own */
    RISK_ASK_SHORT = 1u << 7,
    RISK_ASK_SELF_CROSS = 1u << 8,
    RISK_ASK_DUPLICATE = 1u << 9,
    RISK_ASK_MESSAGES = 1u << 10,
    RISK_ASK_SHARE_RATE = 1u << 11,
    RISK_ASK_STRATEGY_RATE = 1u << 12,
};

/* Of each limit the strictest that the orders of a strategy have to keep; of what is held and open those of the lcore
 * and of its share alone. What these let pass every scope lets pass; what they do not is asked of scope after scope,
 * for the reason. Made anew whenever limits change. */
struct risk_strict {
    alignas(CACHE_LINE_BYTES) struct risk_limits limits;
    uint32_t ask;       /* enum risk_ask, or-ed */
    uint64_t window_ns; /* for how long the same order may not be sent again; 0 = it may */
};
_Static_assert(sizeof(struct risk_strict) == 2 * CACHE_LINE_BYTES, "two lines: what every order is asked is in one");
_Static_assert(offsetof(struct risk_limits, rate_burst) + 4 == CACHE_LINE_BYTES, "... the first");

struct risk_strategy {
    struct risk_limits limits;
    struct risk_bucket rate;
    struct recent recent; /* also of strategies without limits of their own */
};

struct risk {
    /* read-mostly: the owner changes these in risk_take alone */
    struct risk_limits limits; /* of the lcore */
    uint32_t limited;          /* a bit for each strategy that has limits of its own */
    bool shared;               /* `share` has a meaning */
    bool session_up;           /* orders can be sent. Writer: the owner */
    struct risk_strict strict[RISK_STRATEGIES_MAX];
    /* changed by orders; owner */
    alignas(CACHE_LINE_BYTES) struct risk_bucket rate;
    struct risk_bucket messages;           /* as the venue counts them */
    bool rehearsing;                       /* risk_rehearse is under way */
    __int128 profit_base[RISK_SCOPES_MAX]; /* profit of each scope when its loss limit began to count */
    uint64_t jumped_ns;                    /* frame time of the last jump of frame time */
    bool jumped;                           /* and it was not steady for clock_steady_ms since */
    uint64_t watched;                      /* account.valued when losses were looked at last; 0: they have to be */
    uint64_t watch_mask;                   /* of account.valued; 0 while no loss has a limit */
    uint32_t rearming;                     /* a bit for each scope whose loss counts from the next look on */
    uint32_t lost; /* a bit for each scope whose loss limit was reached: it is closed. Writer: owner;
                                  * reader: control thread, relaxed, which cancels what is open and may arm it again */
    uint32_t shown_changes; /* account_total.changes of what `now` shows */
    uint64_t verdict_count[RISK_VERDICT_COUNT]; /* intents by verdict */
    uint64_t clock_jump_count;
    /* owner writes, once a frame in which something changed; control thread reads, relaxed, word by word: money cut to
     * 64 bits */
    alignas(CACHE_LINE_BYTES) struct risk_shown {
        int64_t gross, net_long, net_short, profit, realised;
        uint32_t open_count;
    } now;
    alignas(CACHE_LINE_BYTES) uint32_t killed; /* writer: control thread; reader: owner, relaxed, once an intent */
    struct risk_limits shown[RISK_SCOPES_MAX]; /* the newest limits posted; control thread's own */
    struct risk_post post;
    struct risk_limits share; /* of the gateway's limits: gross, net, open orders, rate, position. Owner */
    struct risk_bucket share_rate;
    struct risk_strategy strategy[RISK_STRATEGIES_MAX];
};

/* Orders are blocked by `session_up` until the caller sets it. */
void risk_init(struct risk *risk, const struct risk_limits *limits, bool killed);
/* The lcore gets other limits, a strategy some of its own, the lcore a share of the gateway's. Before the gate is
 * armed; later by a post. */
void risk_limit_lcore(struct risk *risk, const struct risk_limits *limits);
void risk_limit_strategy(struct risk *risk, uint32_t strategy, const struct risk_limits *limits);
void risk_limit_share(struct risk *risk, const struct risk_limits *share);
/* From the limits of the gateway to the equal share of each of `lcores` lcores: rounded down, so that all shares
 * together are never more. A limit that is on is not less than `lcores` (config_risk_check). */
void risk_share_of(struct risk_limits *limits, uint32_t lcores);

/* Open or close the gate. Any thread. */
void risk_kill(struct risk *risk, bool killed);

/* Changes while the gateway runs. Control thread alone. The owner takes a change before its next order, and at the end
 * of each turn. False: it has not taken the one before; again in a moment, or it has stopped turning. Of a strategy
 * whose position and money are not counted apart (account_strategy) the limits on these are not asked. */
bool risk_post_limits(struct risk *risk, uint32_t scope, const struct risk_limits *limits);
/* Open a scope that its loss limit has closed. Its loss is forgiven: the limit counts from here on. */
bool risk_post_rearm(struct risk *risk, uint32_t scope);
/* Is the newest change in force? */
bool risk_post_taken(const struct risk *risk);
/* The limits that were posted last: what is in force, or will be with the next order. */
static inline const struct risk_limits *risk_shown(const struct risk *risk, uint32_t scope)
{
    return &risk->shown[scope];
}
/* Scopes that are closed by their loss, a bit each: 1 << RISK_LCORE, 1 << RISK_STRATEGY(i). Any thread. */
static inline uint32_t risk_lost(const struct risk *risk)
{
    return __atomic_load_n(&risk->lost, __ATOMIC_RELAXED);
}

/* Owner: take what was posted. Returns at once, also in the middle of a post. */
void risk_take_post(struct risk *risk);
static inline bool risk_posted(const struct risk *risk)
{
    return __atomic_load_n(&risk->post.posted, __ATOMIC_RELAXED) != risk->post.taken;
}
static inline void risk_take(struct risk *risk)
{
    if (UNLIKELY(risk_posted(risk)))
        risk_take_post(risk);
}

/* Owner: take what was posted, at the end of a turn. What was forgiven is open behind it, also while no frame comes. */
void risk_turn(struct risk *risk, const struct market *market);

/* A frame has begun: market->now_ns is its time, `before_ns` that of the one before, 0 = none. Looks for jumps of time
 * and at losses, and tells the control thread what is held and open. */
void risk_frame(struct risk *risk, const struct market *market, uint64_t before_ns);

/* Decide on a new order of `strategy`. RISK_PASS: qty is reserved in the instrument, tokens are taken, and the order is
 * remembered. Counts nothing: the caller counts the final verdict once with risk_count, since frames and queues may
 * refuse after it. `now_ns` may run backwards: then no token is added.
 *
 * The collar: a buy may cost at most touch * (1 + collar_bps / 10^4), a sell must bring at least touch * (1 -
 * collar_bps / 10^4), rounded towards the touch, so that the gate is never wider than the rule. The touch is the
 * opposite best price; where that is not to be had, or the BBO is locked or crossed, the rules of the limits say what
 * happens. */
enum risk_verdict risk_reserve(struct risk *risk, struct market *market, const struct order_intent *intent,
                               uint8_t strategy, uint64_t now_ns);

/* The same for a replace of an open order of `open_qty` shares on `side` of (channel, instrument), which `intent`
 * gives a new price and quantity: every check of a new order, but position, money and reservation are about the
 * increase alone, so that the larger of the two quantities is reserved while nobody has answered. It is no duplicate,
 * and open orders do not become more. */
enum risk_verdict risk_reserve_replace(struct risk *risk, struct market *market, const struct order_intent *intent,
                                       uint32_t open_qty, uint8_t strategy, uint64_t now_ns);

/* Every check of a new order up to the rates, and nothing else: what passes is neither booked nor remembered, no token
 * is taken. What it finds out of time and losses it would find with the next order too. For the warm path. */
enum risk_verdict risk_rehearse(struct risk *risk, struct market *market, const struct order_intent *intent,
                                uint8_t strategy, uint64_t now_ns);

/* What risk_reserve or risk_reserve_replace has just passed does not go out: `reserved` shares go back, and it is
 * forgotten. Tokens stay taken. */
void risk_undo(struct risk *risk, struct market *market, const struct order_intent *intent, uint32_t reserved,
               uint8_t strategy);

/* A cancel goes out: it is never refused, but the venue counts it. */
void risk_cancel(struct risk *risk, uint64_t now_ns);

/* Give `qty` of a reservation back: filled (after the position was changed), cancelled or timed out. */
void risk_release(struct market *market, uint16_t channel, uint16_t instrument, uint8_t side, uint8_t strategy,
                  uint32_t qty);

static inline void risk_count(struct risk *risk, enum risk_verdict verdict)
{
    __atomic_store_n(&risk->verdict_count[verdict], risk->verdict_count[verdict] + 1, __ATOMIC_RELAXED);
}

#endif
