/* quoter: an order on each side, replaced as the market moves, cancelled where there is none; its news are all that it
 * knows of its orders. */
#include "tests/unit/strategy_rig.h"

static const struct strategy_param params[] = {
    {"distance", "10"}, {"requote", "5"}, {"quantity", "40"}, {"pause_us", "1000"}};

static uint32_t tell(struct strategy_rig *rig, enum order_event_type type, uint32_t tag, uint32_t user_ref,
                     uint32_t orig_ref, int32_t price, uint32_t left_qty)
{
    const struct order_event event = {.type = (uint8_t)type,
                                      .side = tag == 0 ? 'B' : 'S',
                                      .channel = 1,
                                      .instrument = 3,
                                      .price = price,
                                      .left_qty = left_qty,
                                      .user_ref = user_ref,
                                      .orig_ref = orig_ref,
                                      .tag = tag,
                                      .now_ns = rig->now_ns};
    rig->out.count = 0;
    rig->ops->on_order(rig->state, &event, &rig->out);
    return rig->out.count;
}

static struct strategy_rig quoting(void)
{
    struct strategy_rig rig = rig_open("quoter", params, 4, NULL, 0);

    rig_send(&rig, MD_DEFINE, 0, MD_PRICE_NONE, MD_PRICE_NONE);
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 100, 200), 2u);
    const struct order_intent *buy = &rig.out.intent[0], *sell = &rig.out.intent[1];
    cr_assert(buy->action == ORDER_NEW && buy->side == 'B' && buy->price == 90 && buy->tif == ORDER_DAY);
    cr_assert(sell->action == ORDER_NEW && sell->side == 'S' && sell->price == 210 && sell->qty == 40);
    cr_assert(buy->tag == 0 && sell->tag == 1);
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 120, 220), 0u, "both wait for their answers");
    tell(&rig, ORDER_SENT, 0, 1, 0, 90, 40);
    tell(&rig, ORDER_SENT, 1, 2, 0, 210, 40);
    tell(&rig, ORDER_ACCEPTED, 0, 1, 0, 90, 40);
    tell(&rig, ORDER_ACCEPTED, 1, 2, 0, 210, 40);
    return rig;
}

Test(quoter, a_quote_is_replaced_when_it_is_off_by_enough)
{
    struct strategy_rig rig = quoting();

    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 104, 196), 0u);
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 105, 196), 1u);
    const struct order_intent *intent = &rig.out.intent[0];
    cr_assert(intent->action == ORDER_REPLACE && intent->orig_ref == 1 && intent->price == 95 && intent->qty == 40);
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 110, 196), 0u, "one at a time");
    tell(&rig, ORDER_SENT, 0, 3, 1, 95, 40);
    tell(&rig, ORDER_REPLACED, 0, 3, 1, 95, 40);
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 110, 196), 1u);
    cr_assert_eq(rig.out.intent[0].orig_ref, 3u);
    tell(&rig, ORDER_SENT, 0, 4, 3, 100, 40);
    tell(&rig, ORDER_REPLACED, 0, 4, 3, 100, 40);
    tell(&rig, ORDER_FILLED, 0, 4, 0, 100, 0);
    rig.now_ns += 1000000;
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 110, 196), 1u, "what took its place is gone too");
    cr_assert_eq(rig.out.intent[0].action, ORDER_NEW);
    free(rig.state);
}

Test(quoter, a_filled_quote_is_entered_again_after_a_pause)
{
    struct strategy_rig rig = quoting();

    tell(&rig, ORDER_FILLED, 1, 2, 0, 210, 15);
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 100, 200), 0u, "some of it is there");
    tell(&rig, ORDER_FILLED, 1, 2, 0, 210, 0);
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 100, 200), 0u);
    rig.now_ns += 1000000;
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 100, 200), 1u);
    cr_assert(rig.out.intent[0].action == ORDER_NEW && rig.out.intent[0].side == 'S');
    free(rig.state);
}

Test(quoter, no_market_no_quotes)
{
    struct strategy_rig rig = quoting();

    cr_assert_eq(rig_send(&rig, MD_STATE, MD_STALE, 100, 200), 2u);
    cr_assert(rig.out.intent[0].action == ORDER_CANCEL && rig.out.intent[0].orig_ref == 1);
    cr_assert(rig.out.intent[1].action == ORDER_CANCEL && rig.out.intent[1].orig_ref == 2);
    cr_assert_eq(rig_send(&rig, MD_ADD, MD_STALE, 100, 200), 0u);
    tell(&rig, ORDER_RELEASED, 0, 1, 0, 90, 0);
    tell(&rig, ORDER_CANCEL_REJECTED, 1, 2, 0, 210, 40);
    rig.now_ns += 1000000;
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 100, 200), 1u, "the one is entered again, the other is still there");
    cr_assert_eq(rig.out.intent[0].side, 'B');
    free(rig.state);
}

Test(quoter, a_quote_filled_while_its_replace_waits_leaves_nothing)
{
    struct strategy_rig rig = quoting();

    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 150, 200), 1u);
    tell(&rig, ORDER_SENT, 0, 3, 1, 140, 40);
    tell(&rig, ORDER_FILLED, 0, 1, 0, 90, 0);
    tell(&rig, ORDER_RELEASED, 0, 3, 1, 140, 0);
    rig.now_ns += 1000000;
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 150, 200), 1u);
    cr_assert_eq(rig.out.intent[0].action, ORDER_NEW);
    free(rig.state);
}

Test(quoter, what_is_refused_is_tried_again_after_a_pause)
{
    struct strategy_rig rig = rig_open("quoter", params, 4, NULL, 0);

    rig_send(&rig, MD_DEFINE, 0, MD_PRICE_NONE, MD_PRICE_NONE);
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 100, 200), 2u);
    tell(&rig, ORDER_REFUSED, 0, 0, 0, 90, 0);
    tell(&rig, ORDER_REFUSED, 1, 0, 0, 210, 0);
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 100, 200), 0u);
    rig.now_ns += 1000000;
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 100, 200), 2u);
    free(rig.state);
}

Test(quoter, wrong_parameters_are_refused)
{
    char error[STRATEGY_ERROR_MAX];

    cr_assert_neq(rig_refuse("quoter", "requote", "0", error), 0);
    cr_assert_neq(rig_refuse("quoter", "every", "1", error), 0);
    cr_assert(strstr(error, "distance, requote, quantity, pause_us"), "%s", error);
}
