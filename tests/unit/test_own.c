/* own: the best price of each side is that of a walk over all its orders, whatever comes and goes. */
#include "gateway/order/own.h"

#include <criterion/criterion.h>

#define NODES 600u

static uint64_t random_state = 1;

static uint32_t random_below(uint32_t limit)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((random_state >> 33) % limit);
}

/* Every node's parent, order and lean; returns how many there are. */
static uint32_t examine(const struct own_node *nodes, uint32_t node, uint32_t parent)
{
    if (node == 0)
        return 0;
    const uint32_t left = nodes[node].left, right = nodes[node].right;
    const uint32_t left_rank = left ? nodes[left].rank : 0, right_rank = right ? nodes[right].rank : 0;
    cr_assert_eq(nodes[node].parent, parent);
    cr_assert(parent == 0 || nodes[parent].key <= nodes[node].key);
    cr_assert(left_rank >= right_rank && nodes[node].rank == right_rank + 1);
    return 1 + examine(nodes, left, node) + examine(nodes, right, node);
}

Test(own, the_best_buy_is_the_highest_and_the_best_sell_the_lowest)
{
    struct own_node nodes[8] = {{.rank = 0}};
    struct own_side buys = {.root = 0}, sells = {.root = 0};
    own_insert(nodes, &buys, 1, true, 100);
    own_insert(nodes, &buys, 2, true, 102);
    own_insert(nodes, &buys, 3, true, 101);
    own_insert(nodes, &sells, 4, false, 105);
    own_insert(nodes, &sells, 5, false, INT32_MAX);
    own_insert(nodes, &sells, 6, false, 103);
    cr_assert(buys.best_price == 102 && sells.best_price == 103);
    own_remove(nodes, &buys, 2, true);
    own_remove(nodes, &sells, 6, false);
    cr_assert(buys.best_price == 101 && sells.best_price == 105);
    own_remove(nodes, &sells, 4, false);
    cr_assert_eq(sells.best_price, INT32_MAX);
    own_remove(nodes, &sells, 5, false);
    cr_assert_eq(sells.root, 0u);
    own_remove(nodes, &buys, 1, true);
    own_remove(nodes, &buys, 3, true);
    cr_assert_eq(buys.root, 0u);
}

Test(own, orders_of_one_price_are_told_apart)
{
    struct own_node nodes[4] = {{.rank = 0}};
    struct own_side side = {.root = 0};
    for (uint32_t i = 1; i < 4; i++)
        own_insert(nodes, &side, i, true, 100);
    for (uint32_t i = 1; i < 4; i++) {
        cr_assert_eq(side.best_price, 100);
        own_remove(nodes, &side, i, true);
    }
    cr_assert_eq(side.root, 0u);
}

Test(own, random_orders_agree_with_a_walk_over_all)
{
    static struct own_node nodes[NODES];
    static int32_t price[NODES];
    static int at[NODES]; /* -1 = nowhere */

    for (uint64_t seed = 1; seed <= 30; seed++) {
        const bool buy = seed % 2 == 0;
        const uint32_t spread = seed % 3 == 0 ? 5 : 100000, used = seed < 5 ? 8 : NODES;
        struct own_side side[2] = {{.root = 0}, {.root = 0}};
        uint32_t count[2] = {0};
        random_state = seed;
        for (uint32_t i = 0; i < NODES; i++)
            at[i] = -1;
        for (int step = 0; step < 5000; step++) {
            const uint32_t node = 1 + random_below(used - 1), dice = random_below(1000);
            const uint32_t which = random_below(2);
            if (dice == 0) {
                own_merge(nodes, &side[0], &side[1], buy);
                for (uint32_t i = 0; i < NODES; i++)
                    at[i] = at[i] >= 0 ? 0 : -1;
                count[0] += count[1];
                count[1] = 0;
            } else if (at[node] < 0) {
                at[node] = (int)which;
                price[node] = 1 + (int32_t)random_below(spread);
                own_insert(nodes, &side[which], node, buy, price[node]);
                count[which]++;
            } else {
                own_remove(nodes, &side[at[node]], node, buy);
                count[at[node]]--;
                at[node] = -1;
            }
            for (int i = 0; i < 2; i++) {
                int32_t best = MD_PRICE_NONE;
                for (uint32_t j = 1; j < used; j++)
                    if (at[j] == i && (best == MD_PRICE_NONE || (buy ? price[j] > best : price[j] < best)))
                        best = price[j];
                cr_assert_eq(side[i].root != 0, count[i] > 0);
                if (count[i] > 0)
                    cr_assert_eq(side[i].best_price, best, "seed %lu, step %d", seed, step);
            }
            if (step % 100 == 0)
                for (int i = 0; i < 2; i++)
                    cr_assert_eq(examine(nodes, side[i].root, 0), count[i]);
        }
    }
}
