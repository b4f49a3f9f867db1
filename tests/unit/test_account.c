/* account: position, money, profit and loss through every change, compared with sums over all that happened. */
#include "gateway/order/account.h"

#include "gateway/order/market.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define INSTRUMENTS 4u

static struct market *market;
static struct account_share *share;

static void start(void)
{
    static const uint32_t counts[2] = {INSTRUMENTS, INSTRUMENTS};

    market = malloc(sizeof(*market));
    market_init(market, aligned_alloc(CACHE_LINE_BYTES, market_footprint(counts, 2)), counts, 2);
    share = calloc(1, account_footprint(2 * INSTRUMENTS));
    account_strategy(market, 1, share);
}

static void stop(void)
{
    free(market->channel[0].instruments);
    free(market);
    free(share);
}

TestSuite(account, .init = start, .fini = stop);

static struct market_instrument *its(uint16_t i)
{
    return market_find(market, 0, i);
}

static void event(enum md_type type, uint16_t i, int32_t price, int32_t bid, int32_t ask)
{
    const struct md_event event = {
        .type = (uint8_t)type, .instrument = i, .price = price, .qty = 1, .bid_price = bid, .ask_price = ask, .ref = 7};
    market_apply(market, &event);
}

static int64_t profit(void)
{
    return (int64_t)account_profit(&market->account.lcore);
}

Test(account, profit_is_realised_by_average_cost_and_the_rest_is_marked)
{
    event(MD_TRADE, 1, 1000, 990, 1010);
    account_trade(market, its(1), 0, 'B', 100, 1000);
    account_trade(market, its(1), 0, 'B', 100, 1100);
    cr_assert(its(1)->position == 200 && its(1)->cost == 210000);
    cr_assert_eq(profit(), 200 * 1000 - 210000);
    account_trade(market, its(1), 0, 'S', 50, 1200);
    cr_assert(its(1)->position == 150 && its(1)->cost == 157500);
    cr_assert_eq((int64_t)market->account.lcore.realised, 50 * 1200 - 52500);
    event(MD_TRADE, 1, 1300, 990, 1010);
    cr_assert_eq(its(1)->mark, 1300);
    cr_assert_eq(profit(), 50 * 1200 - 210000 + 150 * 1300);
    account_trade(market, its(1), 0, 'T', 250, 1250); /* through flat: 150 close, 100 are short */
    cr_assert(its(1)->position == -100 && its(1)->cost == -125000);
    cr_assert_eq(profit(), 50 * 1200 - 210000 + 250 * 1250 - 100 * 1300);
    account_trade(market, its(1), 0, 'B', 100, 1200);
    cr_assert(its(1)->position == 0 && its(1)->cost == 0);
    cr_assert_eq(profit(), (int64_t)market->account.lcore.realised, "flat: all of it is realised");
}

Test(account, what_is_left_keeps_what_rounding_left)
{
    int64_t position = 3;
    __int128 cost = 100;
    const __int128 first = account_lot(&position, &cost, -1, 50), second = account_lot(&position, &cost, -1, 50);
    const __int128 third = account_lot(&position, &cost, -1, 50);
    cr_assert(position == 0 && cost == 0);
    cr_assert_eq((int)(first + second + third), 50);
    cr_assert_eq((int)first, 50 - 33);
    position = -3;
    cost = -100;
    cr_assert_eq((int)account_lot(&position, &cost, 2, 40), -2 * 40 + 66);
    cr_assert(position == -1 && cost == -34);
}

Test(account, the_mark_is_the_last_trade_then_the_close_then_the_middle)
{
    account_trade(market, its(1), 0, 'B', 10, 500);
    cr_assert_eq(its(1)->mark, 500, "nobody knows better");
    event(MD_ADD, 1, 1, MD_PRICE_NONE, 1010);
    cr_assert_eq(its(1)->mark, 500, "one side is no market");
    event(MD_ADD, 1, 1, 990, 1011);
    cr_assert_eq(its(1)->mark, 1000, "rounded down");
    event(MD_ADD, 1, 1, 1011, 1010);
    cr_assert_eq(its(1)->mark, 1000, "crossed is no market");
    its(1)->close_price = 700;
    event(MD_ADD, 1, 1, 990, 1010);
    cr_assert_eq(its(1)->mark, 700);
    event(MD_EXECUTE, 1, 800, 990, 1010);
    cr_assert_eq(its(1)->mark, 800);
    event(MD_CROSS, 1, 0, 990, 1010);
    event(MD_TRADE, 1, MD_PRICE_NONE, 990, 1010);
    cr_assert_eq(its(1)->mark, 800, "no price is no trade");
    event(MD_CROSS, 1, 801, 990, 1010);
    cr_assert_eq(its(1)->mark, 801);
    market->account.mark = ACCOUNT_MARK_MID;
    event(MD_ADD, 1, 1, 990, 1010);
    cr_assert_eq(its(1)->mark, 1000);
    event(MD_ADD, 1, 1, MD_PRICE_NONE, MD_PRICE_NONE);
    cr_assert_eq(its(1)->mark, 801);
}

Test(account, a_hidden_print_moves_no_mark)
{
    const struct md_event hidden = {.type = MD_TRADE,
                                    .flags = MD_HIDDEN,
                                    .instrument = 1,
                                    .price = 9,
                                    .qty = 1,
                                    .bid_price = MD_PRICE_NONE,
                                    .ask_price = MD_PRICE_NONE};
    market_apply(market, &hidden);
    cr_assert_eq(its(1)->last_price, MD_PRICE_NONE);
}

Test(account, exposure_is_what_the_worse_side_would_be)
{
    event(MD_TRADE, 1, 10, 9, 11);
    account_reserve(market, its(1), 0, 'B', 100, 10);
    account_reserve(market, its(1), 0, 'S', 30, 10);
    cr_assert(market->account.lcore.gross == 1000 && market->account.lcore.net[ACCOUNT_BUY] == 1000);
    cr_assert(market->account.lcore.net[ACCOUNT_SELL] == 300 && market->account.lcore.value == 0);
    account_trade(market, its(1), 0, 'S', 30, 10);
    account_reserve(market, its(1), 0, 'S', -30, MD_PRICE_NONE);
    cr_assert(market->account.lcore.gross == 700 && market->account.lcore.net[ACCOUNT_BUY] == 700);
    cr_assert(market->account.lcore.net[ACCOUNT_SELL] == 300 && market->account.lcore.value == -300);
    account_reserve(market, its(1), 0, 'B', -100, MD_PRICE_NONE);
    cr_assert(market->account.lcore.gross == 300 && market->account.lcore.net[ACCOUNT_BUY] == -300);
}

Test(account, a_strategy_accounted_apart_has_its_own)
{
    event(MD_TRADE, 1, 10, 9, 11);
    account_trade(market, its(1), 0, 'B', 100, 10);
    account_trade(market, its(1), 1, 'S', 100, 10);
    account_reserve(market, its(1), 1, 'B', 7, 10);
    cr_assert_eq(its(1)->position, 0);
    const struct account_share *mine = account_share_of(market, 1, its(1));
    cr_assert(mine->position == -100 && mine->open_buy_qty == 7 && mine->cost == -1000);
    cr_assert(market->account.strategy[1].value == -1000 && market->account.lcore.value == 0);
    event(MD_TRADE, 1, 15, 9, 11);
    cr_assert(account_profit(&market->account.strategy[1]) == -500 && account_profit(&market->account.lcore) == 0);
    cr_assert(market->account.strategy[1].gross == 1500 && market->account.lcore.gross == 105);
    cr_assert_eq((int)market->account.strategy[0].gross, 0, "nothing is kept apart for the others");
}

Test(account, more_cannot_be_given_back_than_was_taken, .signal = SIGABRT)
{
    account_reserve(market, its(1), 0, 'B', 5, 10);
    account_reserve(market, its(1), 0, 'B', -6, 10);
}

Test(account, what_was_carried_is_worth_its_cost_until_its_instrument_is_known)
{
    const uint64_t symbol = md_symbol("ABC");
    cr_assert(market_carry(market, symbol, 100, 50, 0, 0));
    cr_assert_eq(profit(), 0);
    cr_assert(market_carry(market, symbol, -40, 60, 5, 0));
    cr_assert_eq(profit(), 400, "what was closed is profit");
    const struct md_event define = {.type = MD_DEFINE,
                                    .instrument = 2,
                                    .ref = symbol,
                                    .price = MD_PRICE_NONE,
                                    .bid_price = MD_PRICE_NONE,
                                    .ask_price = MD_PRICE_NONE};
    market_apply(market, &define);
    cr_assert(its(2)->position == 60 && its(2)->cost == 3000 && its(2)->open_buy_qty == 5 && its(2)->mark == 50);
    cr_assert_eq(profit(), 400);
    event(MD_TRADE, 2, 70, 1, 2);
    cr_assert_eq(profit(), 400 + 60 * 20);
    cr_assert_eq((int)market->account.lcore.gross, 65 * 70);
    cr_assert(market_carry(market, symbol, 10, 70, -5, 0), "its home is asked from now on");
    cr_assert(its(2)->position == 70 && its(2)->open_buy_qty == 0);
    cr_assert_eq(profit(), 400 + 60 * 20);
}

Test(account, there_are_so_many_strategies_and_no_more, .signal = SIGABRT)
{
    account_strategy(market, ACCOUNT_STRATEGIES_MAX, share);
}

Test(account, what_moves_in_is_worth_its_cost_where_that_is_a_price)
{
    account_move_in(market, its(1), 10, (__int128)INT32_MAX * 10, 0, 0);
    cr_assert_eq(its(1)->mark, INT32_MAX);
    account_move_in(market, its(2), 10, ((__int128)INT32_MAX + 1) * 10, 0, 0);
    cr_assert_eq(its(2)->mark, MD_PRICE_NONE, "no price is that high");
    account_move_in(market, its(3), 10, 0, 0, 0);
    cr_assert_eq(its(3)->mark, MD_PRICE_NONE, "nor is nothing one");
    account_trade(market, its(3), 0, 'B', 10, 500);
    cr_assert_eq(its(3)->mark, 500, "the first price that we know");
    cr_assert(market->account.lcore.value == (__int128)INT32_MAX * 10 + 20 * 500);
}

Test(account, random_trades_agree_with_sums_over_all_of_them, .timeout = 60)
{
    struct {
        int64_t position, buys, sells, cash;
        int32_t last;
    } model[2][INSTRUMENTS]; /* lcore, strategy 1 */
    uint64_t state = 3;

    memset(model, 0, sizeof(model));
    for (int step = 0; step < 200000; step++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        const uint32_t dice = (uint32_t)(state >> 33);
        const uint16_t i = dice % INSTRUMENTS;
        const uint8_t strategy = dice >> 2 & 1, side = (uint8_t) "BSTE"[dice >> 3 & 3];
        const bool buy = side == 'B';
        const int32_t price = 1 + (int32_t)(dice >> 5) % 500;
        const uint32_t qty = 1 + (dice >> 14) % 90;
        const uint32_t what = dice >> 21 & 7;
        if (what < 3) {
            event(MD_TRADE, i, price, 1, 2);
            model[0][i].last = price;
        } else if (what < 5) {
            if (model[0][i].last == 0)
                continue;
            account_trade(market, its(i), strategy, side, qty, price);
            for (int k = 0; k <= strategy; k++) {
                model[k][i].position += buy ? qty : -(int64_t)qty;
                model[k][i].cash -= (buy ? qty : -(int64_t)qty) * price;
            }
        } else {
            int64_t *lcore_qty = buy ? &model[0][i].buys : &model[0][i].sells;
            int64_t *strategy_qty = buy ? &model[1][i].buys : &model[1][i].sells;
            int64_t change = qty;
            if (what == 7) { /* give back, no more than was taken */
                const int64_t had = strategy ? *strategy_qty : *lcore_qty - *strategy_qty;
                change = -(had < qty ? had : (int64_t)qty);
            }
            account_reserve(market, its(i), strategy, side, change, price);
            if (model[0][i].last == 0)
                model[0][i].last = its(i)->mark;
            *lcore_qty += change;
            *strategy_qty += strategy ? change : 0;
        }
        for (int k = 0; k < 2; k++) {
            const struct account_total *total = k ? &market->account.strategy[1] : &market->account.lcore;
            int64_t gross = 0, bought = 0, sold = 0, value = 0, cash = 0, cost = 0;
            for (uint16_t j = 0; j < INSTRUMENTS; j++) {
                const int64_t p = model[k][j].position, mark = model[0][j].last;
                const int64_t most =
                    p + model[k][j].buys > model[k][j].sells - p ? p + model[k][j].buys : model[k][j].sells - p;
                gross += most * mark;
                bought += (p + model[k][j].buys) * mark;
                sold += (p - model[k][j].sells) * mark;
                value += p * mark;
                cash += model[k][j].cash;
                cost += (int64_t)(k ? account_share_of(market, 1, its(j))->cost : its(j)->cost);
            }
            cr_assert(total->gross == gross && total->net[ACCOUNT_BUY] == bought && total->net[ACCOUNT_SELL] == -sold,
                      "step %d, %d", step, k);
            cr_assert(total->value == value && total->cash == cash, "step %d, %d", step, k);
            cr_assert(account_profit(total) == total->realised + value - cost, "step %d, %d", step, k);
        }
    }
}
