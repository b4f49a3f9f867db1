/* See account.h. A change takes the instrument's part out of the sums, changes it, and puts it back: so there is one
 * rule of what a part is, and nothing to keep in step. */
#include "gateway/order/account.h"

#include "gateway/order/market.h"

static bool is_buy(uint8_t side)
{
    return side == 'B';
}

void account_strategy(struct market *market, uint8_t strategy, void *memory)
{
    CHECK(strategy < ACCOUNT_STRATEGIES_MAX);
    market->account.share[strategy] = memory;
    market->account.shared |= 1u << strategy;
}

static inline int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* `times`: 1 puts in, -1 takes out. */
static inline void part(struct account_total *total, int64_t position, uint64_t open_buy_qty, uint64_t open_sell_qty,
                        int64_t mark, int64_t times)
{
    const int64_t bought = position + (int64_t)open_buy_qty, sold = (int64_t)open_sell_qty - position;

    mark *= times;
    total->changes++;
    total->gross += (__int128)larger(bought, sold) * mark;
    total->net[ACCOUNT_BUY] += (__int128)bought * mark;
    total->net[ACCOUNT_SELL] += (__int128)sold * mark;
    total->value += (__int128)position * mark;
}

static struct account_share *its_share(const struct market *market, uint32_t strategy,
                                       const struct market_instrument *instrument)
{
    return &market->account.share[strategy][instrument - market->channel[0].instruments];
}

const struct account_share *account_share_of(const struct market *market, uint32_t strategy,
                                             const struct market_instrument *instrument)
{
    return its_share(market, strategy, instrument);
}

/* The parts of all who have some of this instrument. */
static void parts(struct market *market, const struct market_instrument *instrument, int64_t times)
{
    struct account *account = &market->account;

    if (instrument->mark == MD_PRICE_NONE)
        return;
    part(&account->lcore, instrument->position, instrument->open_buy_qty, instrument->open_sell_qty, instrument->mark,
         times);
    for (uint32_t bits = account->shared; bits != 0; bits &= bits - 1) {
        const uint32_t strategy = (uint32_t)__builtin_ctz(bits);
        const struct account_share *share = its_share(market, strategy, instrument);
        part(&account->strategy[strategy], share->position, share->open_buy_qty, share->open_sell_qty, instrument->mark,
             times);
    }
}

/* The middle of a BBO that is not crossed; false: there is none. */
static inline bool middle_of(const struct market_instrument *instrument, int32_t *ret_middle)
{
    const int32_t bid = instrument->bid_price, ask = instrument->ask_price;

    if (bid == MD_PRICE_NONE || ask == MD_PRICE_NONE || bid > ask)
        return false;
    *ret_middle = (int32_t)(((int64_t)bid + ask) >> 1);
    return true;
}

/* What the instrument is worth as far as is known, or what was taken before. */
static inline int32_t mark_of(const struct account *account, const struct market_instrument *instrument)
{
    int32_t middle;

    if (account->mark == ACCOUNT_MARK_MID && middle_of(instrument, &middle))
        return middle;
    if (LIKELY(instrument->last_price != MD_PRICE_NONE))
        return instrument->last_price;
    if (instrument->close_price != MD_PRICE_NONE)
        return instrument->close_price;
    return middle_of(instrument, &middle) ? middle : instrument->mark;
}

void account_mark(struct market *market, struct market_instrument *instrument)
{
    const int32_t mark = mark_of(&market->account, instrument);

    if (mark == instrument->mark)
        return;
    market->account.valued++;
    parts(market, instrument, -1);
    instrument->mark = mark;
    parts(market, instrument, 1);
}

/* Ours from here on: its mark follows the market. `price`: what we know of its worth if nobody knows better. */
static void own(struct market *market, struct market_instrument *instrument, int32_t price)
{
    if (LIKELY(account_owns(instrument)))
        return;
    market->account.valued += instrument->ours; /* else there was nothing to be worth anything */
    parts(market, instrument, -1);              /* orders of earlier lives may have moved in before it was ours */
    instrument->ours = true;
    instrument->mark = mark_of(&market->account, instrument);
    if (instrument->mark == MD_PRICE_NONE)
        instrument->mark = price;
    parts(market, instrument, 1);
}

/* `change` shares more of one side, of one account. */
static inline void reserve_part(struct account_total *total, int64_t position, uint64_t open_qty[2], uint32_t side,
                                int64_t change, int32_t mark)
{
    account_book(total, open_qty, side, change, account_step(position, open_qty, side, change).grows, mark);
}

void account_reserve_share(struct market *market, struct market_instrument *instrument, uint32_t strategy,
                           uint32_t side, int64_t change)
{
    struct account_share *share = its_share(market, strategy, instrument);
    const int32_t mark = instrument->mark != MD_PRICE_NONE ? instrument->mark : 0; /* no worth yet */

    reserve_part(&market->account.strategy[strategy], share->position, share->open_qty, side, change, mark);
}

void account_reserve_first(struct market *market, struct market_instrument *instrument, uint32_t strategy,
                           uint32_t side, int64_t change, int32_t price)
{
    own(market, instrument, price);
    const int32_t mark = instrument->mark != MD_PRICE_NONE ? instrument->mark : 0;
    reserve_part(&market->account.lcore, instrument->position, instrument->open_qty, side, change, mark);
    if (account_shares(&market->account, strategy))
        account_reserve_share(market, instrument, strategy, side, change);
}

__int128 account_lot(int64_t *position, __int128 *cost, int64_t change, int32_t price)
{
    const int64_t held = *position;
    const bool closes = held != 0 && (held > 0) != (change > 0);
    __int128 realised = 0;

    if (closes) {
        const int64_t size = held > 0 ? held : -held, wanted = change > 0 ? change : -change;
        const int64_t closed = wanted < size ? wanted : size;
        const __int128 part_cost = *cost / size * closed + *cost % size * closed / size; /* cost * closed may wrap */
        const __int128 proceeds = (__int128)price * (held > 0 ? closed : -closed);
        realised = proceeds - part_cost;
        *cost -= part_cost;
        *position += change > 0 ? closed : -closed;
        change += change > 0 ? -closed : closed;
    }
    *position += change;
    *cost += (__int128)change * price;
    return realised;
}

void account_trade(struct market *market, struct market_instrument *instrument, uint8_t strategy, uint8_t side,
                   uint32_t qty, int32_t price)
{
    struct account *account = &market->account;
    const int64_t change = is_buy(side) ? (int64_t)qty : -(int64_t)qty;

    own(market, instrument, price);
    account->valued++;
    parts(market, instrument, -1);
    account->lcore.cash -= (__int128)change * price;
    account->lcore.realised += account_lot(&instrument->position, &instrument->cost, change, price);
    if (account_shares(account, strategy)) {
        struct account_total *total = &account->strategy[strategy];
        struct account_share *share = its_share(market, strategy, instrument);
        total->cash -= (__int128)change * price;
        total->realised += account_lot(&share->position, &share->cost, change, price);
    }
    parts(market, instrument, 1);
}

void account_move_in(struct market *market, struct market_instrument *instrument, int64_t position, __int128 cost,
                     uint64_t open_buy_qty, uint64_t open_sell_qty)
{
    const __int128 price = position != 0 ? cost / position : 0;

    own(market, instrument, price > 0 && price <= INT32_MAX ? (int32_t)price : MD_PRICE_NONE);
    market->account.valued++;
    parts(market, instrument, -1);
    market->account.lcore.changes++;
    market->account.lcore.cash -= cost;
    instrument->position += position;
    instrument->cost += cost;
    instrument->open_buy_qty += open_buy_qty;
    instrument->open_sell_qty += open_sell_qty;
    parts(market, instrument, 1);
}
