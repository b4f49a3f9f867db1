/* trades: what is noted is found, by order and number, until the ring has come round. */
#include "gateway/order/trades.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct trades *trades;

static void start(void)
{
    trades = calloc(1, sizeof(*trades));
}

static void stop(void)
{
    free(trades);
}

TestSuite(trades, .init = start, .fini = stop, .timeout = 60);

static void note(uint32_t user_ref, uint64_t match, uint32_t qty)
{
    const struct open_order order = {.user_ref = user_ref, .qty = 1000, .price = 7, .side = 'B', .tag = user_ref + 1};

    trades_note(trades, &order, match, qty, 10);
}

static struct trades_entry *find(uint32_t user_ref, uint64_t match)
{
    uint32_t cursor = 0;

    return trades_next(trades, user_ref, match, &cursor);
}

Test(trades, one_is_found_as_it_was_noted)
{
    cr_assert_null(find(1, 5));
    note(1, 5, 30);
    const struct trades_entry *entry = find(1, 5);
    cr_assert_not_null(entry);
    cr_assert(entry->match == 5 && entry->order.qty == 30 && entry->order.price == 10 && entry->order.side == 'B');
    cr_assert(entry->order.user_ref == 1 && entry->order.tag == 2 && !entry->broken);
    cr_assert_null(find(2, 5));
    cr_assert_null(find(1, 6));
    cr_assert_null(find(1, 0), "numbers that are nobody's");
}

Test(trades, all_of_one_number_are_found_newest_first)
{
    const struct trades_entry *entry;
    uint32_t cursor = 0;

    note(1, 5, 30);
    note(2, 5, 40);
    note(1, 5, 50);
    cr_assert((entry = trades_next(trades, 1, 5, &cursor)) && entry->order.qty == 50);
    cr_assert((entry = trades_next(trades, 1, 5, &cursor)) && entry->order.qty == 30);
    cr_assert_null(trades_next(trades, 1, 5, &cursor));
    cr_assert_eq(find(2, 5)->order.qty, 40u);
}

Test(trades, the_oldest_makes_room)
{
    const uint64_t rounds = 3 * UINT64_C(65536) + 17;

    for (uint64_t match = 1; match <= rounds; match++)
        note((uint32_t)match * 3, match << 20, (uint32_t)match); /* as a venue may count: in steps */
    for (uint64_t match = 1; match <= rounds - TRADES_MAX; match++)
        cr_assert_null(find((uint32_t)match * 3, match << 20), "%lu is gone", match);
    for (uint64_t match = rounds - TRADES_MAX + 1; match <= rounds; match++)
        cr_assert_eq(find((uint32_t)match * 3, match << 20)->order.qty, (uint32_t)match);
}

/* Chains are short, however a venue counts: many broken at once cost no walk each. */
Test(trades, numbers_spread)
{
    static const uint64_t steps[] = {1, 2, 64, 1000, 1 << 20, UINT64_C(1) << 40};

    for (uint32_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        memset(trades, 0, sizeof(*trades));
        uint32_t longest = 0;
        for (uint64_t j = 1; j <= TRADES_MAX; j++) {
            note(1, j * steps[i], 1);
            uint32_t len = 0, number = trades->newest;
            for (; number != 0; number = trades->entry[number & (TRADES_MAX - 1)].older)
                len++;
            longest = len > longest ? len : longest;
        }
        cr_assert_leq(longest, 16u, "step %lu: %u", steps[i], longest);
    }
}
