/* taker: crosses when the best price has moved by its threshold, rests for its cooldown, trades only what it was
 * given. */
#include "tests/unit/strategy_rig.h"

static const struct strategy_param params[] = {{"threshold", "20"}, {"quantity", "40"}, {"cooldown_us", "1"}};

Test(taker, buys_when_the_bid_has_risen_by_the_threshold_and_not_before)
{
    struct strategy_rig rig = rig_open("taker", params, 3, NULL, 0);
    cr_assert_eq(rig_send(&rig, MD_DEFINE, 0, 1000, 1010), 0u);
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 1019, 1030), 0u);
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 1020, 1030), 1u, "from the reference, not from the last price");
    cr_assert(rig.out.intent[0].side == 'B' && rig.out.intent[0].price == 1030 && rig.out.intent[0].qty == 40);
    rig.now_ns += 1000;
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 1039, 1050), 0u, "the reference is taken anew");
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 1040, 1050), 1u);
    free(rig.state);
}

Test(taker, sells_when_the_ask_has_fallen)
{
    struct strategy_rig rig = rig_open("taker", params, 3, NULL, 0);
    rig_send(&rig, MD_DEFINE, 0, 1000, 1010);
    cr_assert_eq(rig_send(&rig, MD_DELETE, 0, 970, 991), 0u);
    cr_assert_eq(rig_send(&rig, MD_DELETE, 0, 970, 990), 1u);
    cr_assert(rig.out.intent[0].side == 'S' && rig.out.intent[0].price == 970);
    free(rig.state);
}

Test(taker, rests_for_its_cooldown_by_the_frames_time)
{
    struct strategy_rig rig = rig_open("taker", params, 3, NULL, 0);
    rig_send(&rig, MD_DEFINE, 0, 1000, 1010);
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 1020, 1030), 1u);
    rig.now_ns += 999;
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 1040, 1050), 0u);
    rig.now_ns += 1;
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 1060, 1070), 1u);
    free(rig.state);
}

Test(taker, a_market_that_breaks_off_takes_the_reference_with_it)
{
    static const int32_t broken[][2] = {{MD_PRICE_NONE, 1010}, {1000, MD_PRICE_NONE}, {1010, 1010}, {-5, 10}};
    for (size_t i = 0; i < 4; i++) {
        struct strategy_rig rig = rig_open("taker", params, 3, NULL, 0);
        rig_send(&rig, MD_DEFINE, 0, 1000, 1010);
        cr_assert_eq(rig_send(&rig, MD_ADD, 0, broken[i][0], broken[i][1]), 0u);
        cr_assert_eq(rig_send(&rig, MD_ADD, 0, 1500, 1510), 0u, "a new reference, no move");
        cr_assert_eq(rig_send(&rig, MD_ADD, 0, 1520, 1530), 1u);
        free(rig.state);
    }
    struct strategy_rig rig = rig_open("taker", params, 3, NULL, 0);
    rig_send(&rig, MD_DEFINE, 0, 1000, 1010);
    cr_assert_eq(rig_send(&rig, MD_ADD, MD_STALE, 1020, 1030), 0u);
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 1020, 1030), 0u);
    rig.ops->on_lost(rig.state, 1u << 1, 9);
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 1100, 1110), 0u);
    free(rig.state);
}

Test(taker, trades_the_symbols_that_it_was_given_on_their_channel)
{
    const uint64_t symbols[] = {md_symbol("ZZZ"), md_symbol("ABC")};
    struct strategy_rig rig = rig_open("taker", params, 3, symbols, 2);
    struct md_event event = {.type = MD_DEFINE, .channel = 0, .instrument = 3, .ref = md_symbol("ABC")};

    rig.ops->on_event(rig.state, &event, 1, &rig.out);
    event = (struct md_event){.type = MD_DEFINE, .channel = 1, .instrument = 4, .ref = md_symbol("ABCD")};
    rig.ops->on_event(rig.state, &event, 1, &rig.out);
    for (uint16_t channel = 0; channel < 2; channel++)
        for (int32_t bid = 1000; bid < 1200; bid += 50) {
            event = (struct md_event){.type = MD_ADD, .channel = channel, .bid_price = bid, .ask_price = bid + 10};
            event.instrument = channel ? 4 : 3;
            rig.out.count = 0;
            rig.ops->on_event(rig.state, &event, 1000000 * (uint64_t)bid, &rig.out);
            cr_assert_eq(rig.out.count, 0u, "another channel's, or another symbol");
        }
    rig_send(&rig, MD_DEFINE, 0, 1000, 1010);
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 1020, 1030), 1u);
    free(rig.state);
}

Test(taker, wrong_parameters_are_refused)
{
    char error[STRATEGY_ERROR_MAX];
    cr_assert_neq(rig_refuse("taker", "threshold", "0", error), 0);
    cr_assert_neq(rig_refuse("taker", "quantity", "-1", error), 0);
    cr_assert_neq(rig_refuse("taker", "cooldown_us", "86400000001", error), 0);
    cr_assert_neq(rig_refuse("taker", "every", "1", error), 0);
}

Test(taker, whatever_comes_every_intent_is_well_formed)
{
    struct strategy_rig rig = rig_open("taker", params, 3, NULL, 0);
    cr_assert_gt(rig_random(&rig, 200000), 1000u);
    free(rig.state);
}

Test(taker, a_loss_forgets_the_reference_and_not_the_cooldown)
{
    struct strategy_rig rig = rig_open("taker", params, 3, NULL, 0);
    rig_send(&rig, MD_DEFINE, 0, 1000, 1010);
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 1020, 1030), 1u);
    rig.ops->on_lost(rig.state, 1u << 1, 1);
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 1100, 1110), 0u, "a new reference");
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 1120, 1130), 0u, "the pause after our own order goes on");
    rig.now_ns += 1000;
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 1139, 1150), 0u);
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 1140, 1150), 1u);
    free(rig.state);
}

Test(taker, a_spread_that_closes_from_both_sides_has_no_direction)
{
    struct strategy_rig rig = rig_open("taker", params, 3, NULL, 0);
    rig_send(&rig, MD_DEFINE, 0, 1000, 1100);
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 1020, 1080), 0u);
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 1039, 1061), 0u, "the reference was taken anew");
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 1040, 1061), 1u);
    free(rig.state);
}

Test(taker, a_move_amid_a_message_or_in_a_refresh_is_not_seen)
{
    static const uint16_t flags[] = {MD_MORE, MD_REFRESH, MD_MORE | MD_STALE};
    for (size_t i = 0; i < 3; i++) {
        struct strategy_rig rig = rig_open("taker", params, 3, NULL, 0);
        rig_send(&rig, MD_DEFINE, 0, 1000, 1010);
        cr_assert_eq(rig_send(&rig, MD_DELETE, flags[i], 900, 910), 0u);
        cr_assert_eq(rig_send(&rig, MD_ADD, 0, 1000, 1010), 0u, "nor is it the new reference");
        cr_assert_eq(rig_send(&rig, MD_ADD, 0, 1020, 1030), 1u);
        free(rig.state);
    }
}

Test(taker, each_instrument_rests_on_its_own)
{
    struct strategy_rig rig = rig_open("taker", params, 3, NULL, 0);
    for (int32_t step = 0; step < 3; step++)
        for (uint16_t i = 0; i < 8; i++) {
            const struct md_event event = {.type = step ? MD_ADD : MD_DEFINE, .channel = i % 2, .instrument = i,
                                           .bid_price = 1000 + 20 * step, .ask_price = 1010 + 20 * step};
            rig.out.count = 0;
            rig.ops->on_event(rig.state, &event, 500 + i, &rig.out);
            cr_assert_eq(rig.out.count, step == 1 ? 1u : 0u, "step %d, instrument %u", step, i);
        }
    free(rig.state);
}

Test(taker, an_untradable_book_has_no_market)
{
    struct strategy_rig rig = rig_open("taker", params, 3, NULL, 0);
    rig_send(&rig, MD_DEFINE, 0, 1000, 1010);
    cr_assert_eq(rig_send(&rig, MD_ADD, MD_UNTRADABLE, 1020, 1030), 0u);
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 1040, 1050), 0u);
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 1060, 1070), 1u);
    free(rig.state);
}

Test(taker, whatever_comes_only_the_wanted_symbols_are_traded)
{
    const uint64_t symbols[] = {md_symbol("ABC"), md_symbol("XYZ"), md_symbol("A")};
    struct strategy_rig rig = rig_open("taker", params, 3, symbols, 3);
    cr_assert_gt(rig_random(&rig, 200000), 1000u);
    free(rig.state);
}
