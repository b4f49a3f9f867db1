/* probe: an order for every Nth trigger, never on a market that is none. */
#include "tests/unit/strategy_rig.h"

static const struct strategy_param params[] = {{"every", "3"}, {"quantity", "40"}};

Test(probe, every_third_move_of_the_best_prices_is_an_order_and_sides_alternate)
{
    struct strategy_rig rig = rig_open("probe", params, 2, NULL, 0);
    cr_assert_eq(rig_send(&rig, MD_DEFINE, 0, 100, 110), 0u);
    for (int round = 0; round < 4; round++) {
        cr_assert_eq(rig_send(&rig, MD_ADD, 0, 101 + round * 10, 110 + round * 10), 0u);
        cr_assert_eq(rig_send(&rig, MD_ADD, 0, 101 + round * 10, 110 + round * 10), 0u, "nothing moved");
        cr_assert_eq(rig_send(&rig, MD_ADD, 0, 102 + round * 10, 110 + round * 10), 0u);
        cr_assert_eq(rig_send(&rig, MD_ADD, 0, 102 + round * 10, 111 + round * 10), 1u);
        const struct order_intent *intent = &rig.out.intent[0];
        cr_assert_eq(intent->side, round % 2 ? 'S' : 'B');
        cr_assert_eq(intent->price, round % 2 ? 102 + round * 10 : 111 + round * 10);
        cr_assert(intent->qty == 40 && intent->channel == 1 && intent->instrument == 3 && intent->tif == ORDER_IOC);
    }
    free(rig.state);
}

Test(probe, a_market_that_is_none_is_no_trigger)
{
    static const struct strategy_param one[] = {{"every", "1"}};
    struct strategy_rig rig = rig_open("probe", one, 1, NULL, 0);
    rig_send(&rig, MD_DEFINE, 0, 100, 110);
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, MD_PRICE_NONE, 110), 0u);
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 100, MD_PRICE_NONE), 0u);
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 110, 110), 0u, "locked");
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 111, 110), 0u, "crossed");
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 0, 110), 0u, "nothing can be sold at zero");
    cr_assert_eq(rig_send(&rig, MD_ADD, MD_STALE, 90, 110), 0u);
    cr_assert_eq(rig_send(&rig, MD_ADD, MD_UNTRADABLE, 91, 110), 0u);
    cr_assert_eq(rig_send(&rig, MD_DELETE, MD_MORE, 92, 110), 0u);
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 93, 110), 1u);
    rig.ops->on_lost(rig.state, 1);
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 94, 110), 0u, "what moved meanwhile is not a trigger");
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 95, 110), 1u);
    free(rig.state);
}

Test(probe, wrong_parameters_are_refused)
{
    char error[STRATEGY_ERROR_MAX];
    cr_assert_neq(rig_refuse("probe", "every", "0", error), 0);
    cr_assert_neq(rig_refuse("probe", "quantity", "x", error), 0);
    cr_assert_neq(rig_refuse("probe", "threshold", "1", error), 0);
    cr_assert(strstr(error, "every, quantity"), "%s", error);
}

Test(probe, whatever_comes_every_intent_is_well_formed)
{
    static const struct strategy_param one[] = {{"every", "2"}};
    struct strategy_rig rig = rig_open("probe", one, 1, NULL, 0);
    cr_assert_gt(rig_random(&rig, 200000), 1000u);
    free(rig.state);
}
