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
    rig.ops->on_lost(rig.state, 1u << 1, 1);
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

Test(probe, a_replace_is_judged_by_the_prices_before_and_after_it)
{
    static const struct strategy_param one[] = {{"every", "1"}};
    struct strategy_rig rig = rig_open("probe", one, 1, NULL, 0);
    rig_send(&rig, MD_DEFINE, 0, 100, 110);
    cr_assert_eq(rig_send(&rig, MD_DELETE, MD_MORE | MD_REPLACE, 99, 110), 0u);
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 100, 110), 0u, "the best bid is what it was");
    cr_assert_eq(rig_send(&rig, MD_DELETE, MD_MORE | MD_REPLACE, 99, 110), 0u);
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 99, 110), 1u, "it has moved, amid the message");
    free(rig.state);
}

Test(probe, triggers_of_all_instruments_are_counted_together_and_prices_apart)
{
    static const struct strategy_param two[] = {{"every", "2"}};
    struct strategy_rig rig = rig_open("probe", two, 1, NULL, 0);
    uint32_t orders = 0;

    for (int32_t step = 0; step < 9; step++)
        for (uint16_t i = 0; i < 4; i++) {
            const struct md_event event = {.type = step ? MD_ADD : MD_DEFINE, .channel = i % 2, .instrument = i,
                                           .bid_price = 100 * (i + 1) + step, .ask_price = 1000};
            rig.out.count = 0;
            rig.ops->on_event(rig.state, &event, 1, &rig.out);
            cr_assert_eq(rig.out.count, step > 0 && i % 2 ? 1u : 0u);
            if (rig.out.count == 0)
                continue;
            cr_assert_eq(rig.out.intent[0].instrument, i);
            cr_assert_eq(rig.out.intent[0].side, step % 2 ? 'B' : 'S', "each instrument in turn: no position drifts");
            orders++;
        }
    cr_assert_eq(orders, 16u);
    free(rig.state);
}

Test(probe, a_loss_or_a_refresh_is_no_trigger_and_the_count_goes_on)
{
    struct strategy_rig rig = rig_open("probe", params, 2, NULL, 0); /* every third */
    rig_send(&rig, MD_DEFINE, 0, 100, 110);
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 101, 110), 0u);
    rig.ops->on_lost(rig.state, 1u << 1, 1);
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 105, 110), 0u, "the first after a loss sets the prices");
    cr_assert_eq(rig_send(&rig, MD_ADD, MD_REFRESH, 106, 110), 0u);
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 106, 110), 0u, "known from the refresh");
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 107, 110), 0u);
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 108, 110), 1u);
    free(rig.state);
}

Test(probe, whatever_comes_only_the_wanted_symbol_is_traded)
{
    static const struct strategy_param one[] = {{"every", "2"}};
    const uint64_t symbols[] = {md_symbol("ABC"), md_symbol("XYZ")};
    struct strategy_rig rig = rig_open("probe", one, 1, symbols, 2);
    cr_assert_gt(rig_random(&rig, 200000), 1000u);
    free(rig.state);
}
