/* What a strategy lcore holds and has open, in shares and in money: position, reservations, exposure, profit and loss,
 * of the lcore as a whole and of each strategy that has limits of its own. Everything that changes a position or a
 * reservation goes through here, so that the sums are those of their parts at every moment. Integers only; pure; one
 * owner, the strategy lcore.
 *
 * Money is price units times shares. Sums have 128 bits: no sum of products of 64 bits can wrap.
 *
 * The mark of an instrument values what is held and open in it. MARK_LAST: the newest trade seen, before the first one
 * the previous close, without that the middle of a two-sided BBO. MARK_MID: the middle of a BBO that is not crossed,
 * else as MARK_LAST. Where none of these is known: the price at which we traded. A mark once known stays until there is
 * another one. */
#ifndef GATEWAY_ORDER_ACCOUNT_H
#define GATEWAY_ORDER_ACCOUNT_H

#include "ring/check.h"
#include "ring/md_event.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ACCOUNT_STRATEGIES_MAX 16u
#define ACCOUNT_NOBODY                                                                                                 \
    UINT8_MAX /* strategy of what no strategy owns: of earlier lives of the gateway, of start of day */

enum account_mark { ACCOUNT_MARK_LAST, ACCOUNT_MARK_MID };

/* A side as an index: what is done for one or the other takes no branch. */
enum account_side { ACCOUNT_BUY, ACCOUNT_SELL };
static inline uint32_t account_side(uint8_t side)
{
    return side != 'B';
}

struct account_total {
    __int128 gross;      /* of each instrument the larger of what it would be long or short, were all buys or all sells
                         * to trade; times its mark */
    __int128 net[2];     /* by side: what all positions would be worth long, were all open buys to trade; what they
                          * would be short, were all open sells */
    __int128 value;      /* of positions at their marks */
    __int128 cash;       /* received less paid, what was held at the start of the day taken as bought then */
    __int128 realised;   /* part of the profit that average cost calls realised */
    uint32_t open_count; /* open orders */
    uint32_t changes;    /* of all this so far, modulo 2^32 */
};

/* What one strategy holds of one instrument. */
struct account_share {
    int64_t position;
    union {
        struct {
            uint64_t open_buy_qty, open_sell_qty;
        };
        uint64_t open_qty[2]; /* by side */
    };
    __int128 cost; /* of the position, of its sign */
};

struct market;
struct market_instrument;
struct account {
    enum account_mark mark;
    uint32_t shared; /* a bit for each strategy that is accounted for apart */
    uint64_t valued; /* changes of what is held and of its worth, from 1 on: no profit has changed while this has not */
    struct account_total lcore;
    struct account_total strategy[ACCOUNT_STRATEGIES_MAX]; /* of those alone; open_count of all */
    struct account_share *share[ACCOUNT_STRATEGIES_MAX];   /* of each instrument, channel by channel */
};

/* Is this one accounted for apart? ACCOUNT_NOBODY is not. */
static inline bool account_shares(const struct account *account, uint32_t strategy)
{
    return (account->shared >> (strategy & 31) & 1) != 0; /* bits beyond ACCOUNT_STRATEGIES_MAX are never set */
}
/* What a strategy that is accounted for apart holds of an instrument. */
const struct account_share *account_share_of(const struct market *market, uint32_t strategy,
                                             const struct market_instrument *instrument);

/* Bytes for the shares of one strategy. */
static inline size_t account_footprint(uint32_t instrument_count)
{
    return instrument_count * sizeof(struct account_share);
}
/* Account for this strategy apart. `memory`: account_footprint bytes of zeros, for all instruments of all channels. */
void account_strategy(struct market *market, uint8_t strategy, void *memory);

/* Profit since the start of the day, or loss if it is below 0: realised and unrealised. */
static inline __int128 account_profit(const struct account_total *total)
{
    return total->cash + total->value;
}

/* What `change` shares more or less of open orders on one side do to an account of an instrument. */
struct account_step {
    int64_t then;  /* shares from flat on this side, were everything open on it to trade */
    int64_t grows; /* by so much the larger one of both sides becomes more */
};
/* As this side sees it: what buys make more, sales make less. */
static inline int64_t account_toward(uint32_t side, int64_t shares)
{
    return (shares ^ -(int64_t)side) + side;
}
static inline struct account_step account_step(int64_t position, const uint64_t open_qty[2], uint32_t side,
                                               int64_t change)
{
    const int64_t held = account_toward(side, position);
    const int64_t now = held + (int64_t)open_qty[side], other = (int64_t)open_qty[side ^ 1] - held;
    const int64_t then = now + change;

    return (struct account_step){.then = then, .grows = (then > other ? then : other) - (now > other ? now : other)};
}
/* And then it is so: in the shares, and in the sums at the instrument's mark. */
static inline void account_book(struct account_total *total, uint64_t open_qty[2], uint32_t side, int64_t change,
                                int64_t grows, int32_t mark)
{
    open_qty[side] += (uint64_t)change;
    total->changes++;
    CHECK((int64_t)open_qty[side] >= 0); /* more given back than was taken: our own mistake */
    total->gross += (__int128)grows * mark;
    total->net[side] += (__int128)change * mark;
}

/* account_reserve (market.h) where it is the first of an instrument: that is ours from here on. `side`: enum
 * account_side. */
void account_reserve_first(struct market *market, struct market_instrument *instrument, uint32_t strategy,
                           uint32_t side, int64_t change, int32_t price);
/* The part of it that is a strategy's, which is accounted for apart. */
void account_reserve_share(struct market *market, struct market_instrument *instrument, uint32_t strategy,
                           uint32_t side, int64_t change);
/* `qty` shares were bought or sold at `price`. */
void account_trade(struct market *market, struct market_instrument *instrument, uint8_t strategy, uint8_t side,
                   uint32_t qty, int32_t price);
/* An order is open from here on, or is not any more. */
static inline void account_count(struct account *account, uint8_t strategy, int32_t change)
{
    account->lcore.open_count += (uint32_t)change;
    account->lcore.changes++;
    if (strategy < ACCOUNT_STRATEGIES_MAX)
        account->strategy[strategy].open_count += (uint32_t)change;
}

/* Prices of an instrument that is ours have changed: its mark follows. */
void account_mark(struct market *market, struct market_instrument *instrument);

/* Change a position and its cost by a trade; returns the profit that it realises. Average cost: what closes takes its
 * part of the cost with it, rounded towards zero; what is left keeps the rest. */
__int128 account_lot(int64_t *position, __int128 *cost, int64_t change, int32_t price);

/* Positions and open orders of earlier lives move into an instrument. */
void account_move_in(struct market *market, struct market_instrument *instrument, int64_t position, __int128 cost,
                     uint64_t open_buy_qty, uint64_t open_sell_qty);

#endif
