/* maker: quotes around the best prices, a position within its limit, every news of an order taken. */
#include "tests/unit/strategy_rig.h"

static const struct strategy_param params[] = {
    {"distance", "10"}, {"requote", "5"}, {"quantity", "40"}, {"pause_us", "1000"},
    {"tick", "1"},      {"skew", "20"},   {"position_max", "100"}};
#define PARAMS (sizeof(params) / sizeof(params[0]))
#define PAUSE_NS 1000000u

enum { BUY, SELL };

/* News of an order of instrument 3 of channel 1; returns how many intents they led to. */
static uint32_t tell(struct strategy_rig *rig, enum order_event_type type, uint32_t tag, uint32_t user_ref,
                     uint32_t orig_ref, int32_t price, uint32_t qty, uint32_t left_qty)
{
    const struct order_event event = {.type = (uint8_t)type,
                                      .side = tag == BUY ? 'B' : 'S',
                                      .channel = 1,
                                      .instrument = 3,
                                      .price = price,
                                      .qty = qty,
                                      .left_qty = left_qty,
                                      .user_ref = user_ref,
                                      .orig_ref = orig_ref,
                                      .tag = tag,
                                      .now_ns = rig->now_ns};
    rig->out.count = 0;
    rig->ops->on_order(rig->state, &event, &rig->out);
    return rig->out.count;
}

static const struct order_intent *only(const struct strategy_rig *rig)
{
    cr_assert_eq(rig->out.count, 1u);
    return &rig->out.intent[0];
}

static void is(const struct order_intent *intent, enum order_action action, uint8_t side, int32_t price, uint32_t qty,
               uint32_t orig_ref)
{
    cr_expect_eq(intent->action, action);
    if (action == ORDER_NEW)
        cr_expect_eq(intent->side, side, "%c", intent->side);
    cr_expect_eq(intent->tag, side == 'B' ? BUY : SELL);
    cr_expect_eq(intent->orig_ref, orig_ref);
    cr_expect_eq(intent->qty, qty, "%u", intent->qty);
    cr_expect(intent->channel == 1 && intent->instrument == 3);
    cr_expect(action == ORDER_CANCEL || (intent->price == price && intent->tif == ORDER_DAY), "%d", intent->price);
}

/* Order 1 buys at 90, order 2 sells at 210, both 40 and in the book. */
static struct strategy_rig quoting(void)
{
    struct strategy_rig rig = rig_open("maker", params, PARAMS, NULL, 0);

    rig_send(&rig, MD_DEFINE, 0, MD_PRICE_NONE, MD_PRICE_NONE);
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 100, 200), 2u);
    is(&rig.out.intent[0], ORDER_NEW, 'B', 90, 40, 0);
    is(&rig.out.intent[1], ORDER_NEW, 'T', 210, 40, 0); /* nothing is held: a short sale */
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 120, 220), 0u, "both wait for their answers");
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 100, 200), 0u);
    cr_assert_eq(tell(&rig, ORDER_SENT, BUY, 1, 0, 90, 40, 40), 0u);
    cr_assert_eq(tell(&rig, ORDER_SENT, SELL, 2, 0, 210, 40, 40), 0u);
    cr_assert_eq(tell(&rig, ORDER_ACCEPTED, BUY, 1, 0, 90, 40, 40), 0u);
    cr_assert_eq(tell(&rig, ORDER_ACCEPTED, SELL, 2, 0, 210, 40, 40), 0u);
    return rig;
}

Test(maker, a_quote_is_replaced_when_it_is_off_by_enough_and_again_when_the_answer_is_late)
{
    struct strategy_rig rig = quoting();

    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 104, 196), 0u);
    rig_send(&rig, MD_ADD, 0, 105, 196);
    is(only(&rig), ORDER_REPLACE, 'B', 95, 40, 1);
    tell(&rig, ORDER_SENT, BUY, 3, 1, 95, 40, 40);
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 115, 196), 0u, "one at a time");
    tell(&rig, ORDER_REPLACED, BUY, 3, 1, 95, 40, 40);
    is(only(&rig), ORDER_REPLACE, 'B', 105, 40, 3); /* the market has gone on meanwhile */
    free(rig.state);
}

Test(maker, a_replace_that_is_rejected_leaves_the_order_and_a_pause)
{
    struct strategy_rig rig = quoting();

    rig_send(&rig, MD_ADD, 0, 105, 200);
    tell(&rig, ORDER_SENT, BUY, 3, 1, 95, 40, 40);
    cr_assert_eq(tell(&rig, ORDER_REPLACE_REJECTED, BUY, 3, 1, 95, 40, 40), 0u);
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 105, 200), 0u);
    rig.now_ns += PAUSE_NS;
    rig_send(&rig, MD_ADD, 0, 105, 200);
    is(only(&rig), ORDER_REPLACE, 'B', 95, 40, 1);
    free(rig.state);
}

Test(maker, fills_move_the_position_and_both_quotes_away_from_it)
{
    struct strategy_rig rig = quoting();

    tell(&rig, ORDER_FILLED, BUY, 1, 0, 90, 15, 25);
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 100, 200), 2u); /* 15 held: both move down by 20 * 15 / 40 */
    is(&rig.out.intent[0], ORDER_REPLACE, 'B', 83, 40, 1);
    is(&rig.out.intent[1], ORDER_CANCEL, 'T', 0, 0, 2); /* not a short sale any more, and misplaced */
    tell(&rig, ORDER_SENT, BUY, 3, 1, 83, 40, 40);
    tell(&rig, ORDER_REPLACED, BUY, 3, 1, 83, 40, 40);
    tell(&rig, ORDER_RELEASED, SELL, 2, 0, 210, 40, 0);
    rig.now_ns += PAUSE_NS;
    rig_send(&rig, MD_ADD, 0, 100, 200);
    is(only(&rig), ORDER_NEW, 'S', 203, 15, 0); /* what is held, no more */
    free(rig.state);
}

Test(maker, a_side_asks_for_less_near_the_limit_and_for_nothing_at_it)
{
    struct strategy_rig rig = quoting();
    uint32_t bought = 0, next_ref = 3, buy_ref = 1;

    for (uint32_t fill = 40; bought < 100; fill = 100 - bought < 40 ? 100 - bought : 40) {
        bought += fill;
        tell(&rig, ORDER_FILLED, BUY, buy_ref, 0, 90, fill, 0);
        rig.now_ns += PAUSE_NS;
        rig_send(&rig, MD_ADD, 0, 100, 200);
        const struct order_intent *buy = NULL;
        for (uint32_t i = 0; i < rig.out.count; i++)
            if (rig.out.intent[i].tag == BUY)
                buy = &rig.out.intent[i];
        if (bought == 100) {
            cr_assert_null(buy, "the limit is reached");
            break;
        }
        cr_assert_not_null(buy);
        cr_expect_eq(buy->qty, bought == 40 ? 40u : 20u);
        buy_ref = next_ref++;
        tell(&rig, ORDER_SENT, BUY, buy_ref, 0, buy->price, buy->qty, buy->qty);
        tell(&rig, ORDER_ACCEPTED, BUY, buy_ref, 0, buy->price, buy->qty, buy->qty);
    }
    cr_assert_eq(bought, 100u);
    free(rig.state);
}

Test(maker, no_market_no_quotes)
{
    static const struct { uint16_t flags; int32_t bid, ask; } rows[] = {
        {MD_STALE, 100, 200}, {MD_UNTRADABLE, 100, 200}, {0, MD_PRICE_NONE, 200}, {0, 100, MD_PRICE_NONE},
        {0, 200, 200}, {0, 201, 200}, {0, 0, 200}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct strategy_rig rig = quoting();
        cr_assert_eq(rig_send(&rig, MD_ADD, rows[i].flags, rows[i].bid, rows[i].ask), 2u, "row %zu", i);
        is(&rig.out.intent[0], ORDER_CANCEL, 'B', 0, 0, 1);
        is(&rig.out.intent[1], ORDER_CANCEL, 'T', 0, 0, 2);
        cr_assert_eq(rig_send(&rig, MD_ADD, rows[i].flags, rows[i].bid, rows[i].ask), 0u, "once");
        tell(&rig, ORDER_RELEASED, BUY, 1, 0, 90, 40, 0);
        cr_assert_eq(tell(&rig, ORDER_CANCEL_REJECTED, SELL, 2, 0, 210, 40, 40), 0u, "not again at once");
        rig.now_ns += PAUSE_NS;
        rig_send(&rig, MD_ADD, rows[i].flags, rows[i].bid, rows[i].ask);
        is(only(&rig), ORDER_CANCEL, 'T', 0, 0, 2);
        tell(&rig, ORDER_CANCEL_PENDING, SELL, 2, 0, 210, 40, 40);
        rig.now_ns += PAUSE_NS;
        rig_send(&rig, MD_ADD, 0, 100, 200);
        is(only(&rig), ORDER_NEW, 'B', 90, 40, 0); /* the other is still there */
        free(rig.state);
    }
}

Test(maker, a_halted_instrument_is_not_quoted)
{
    struct strategy_rig rig = quoting();
    struct md_event state = {
        .type = MD_STATE, .side = 'H', .channel = 1, .instrument = 3, .bid_price = 100, .ask_price = 200};

    rig.out.count = 0;
    rig.ops->on_event(rig.state, &state, rig.now_ns, &rig.out);
    cr_assert_eq(rig.out.count, 2u);
    cr_assert_eq(rig.out.intent[0].action, ORDER_CANCEL);
    tell(&rig, ORDER_RELEASED, BUY, 1, 0, 90, 40, 0);
    tell(&rig, ORDER_RELEASED, SELL, 2, 0, 210, 40, 0);
    rig.now_ns += PAUSE_NS;
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 100, 200), 0u);
    state.side = 'T';
    rig.ops->on_event(rig.state, &state, rig.now_ns, &rig.out);
    cr_assert_eq(rig.out.count, 2u);
    free(rig.state);
}

/* An event of the whole channel, and nothing more of it: the answers to cancels are what brings the maker on. */
Test(maker, a_stale_channel_is_left_whole_though_no_event_follows)
{
    struct strategy_rig rig = rig_open("maker", params, PARAMS, NULL, 0);
    bool cancelled[8][2] = {{false}};
    uint32_t next_ref = 1, count = 0;
    struct order_intent queue[64];

    for (uint16_t number = 0; number < 8; number++) {
        const struct md_event event = {
            .type = MD_DEFINE, .channel = 1, .instrument = number, .bid_price = 100, .ask_price = 200};
        rig.out.count = 0;
        rig.ops->on_event(rig.state, &event, rig.now_ns, &rig.out);
        cr_assert_eq(rig.out.count, 2u);
        const struct strategy_out asked = rig.out;
        for (uint32_t i = 0; i < 2; i++) {
            struct order_event news = {
                .type = ORDER_SENT, .channel = 1, .instrument = number, .user_ref = next_ref++, .tag = i};
            rig.ops->on_order(rig.state, &news, &rig.out);
            news.type = ORDER_ACCEPTED;
            news.price = asked.intent[i].price;
            rig.ops->on_order(rig.state, &news, &rig.out);
        }
    }
    const struct md_event stale = {
        .type = MD_STALE_BEGIN, .flags = MD_STALE, .channel = 1, .instrument = MD_INSTRUMENT_NONE};
    rig.out.count = 0;
    rig.ops->on_event(rig.state, &stale, rig.now_ns, &rig.out);
    for (uint32_t done = 0;; done++) {
        for (uint32_t i = 0; i < rig.out.count; i++)
            queue[count++] = rig.out.intent[i];
        if (done == count)
            break;
        cr_assert_eq(queue[done].action, ORDER_CANCEL);
        cr_assert_not(cancelled[queue[done].instrument][queue[done].tag]);
        cancelled[queue[done].instrument][queue[done].tag] = true;
        const struct order_event gone = {.type = ORDER_RELEASED,
                                         .channel = 1,
                                         .instrument = queue[done].instrument,
                                         .user_ref = queue[done].orig_ref,
                                         .tag = queue[done].tag,
                                         .now_ns = rig.now_ns};
        rig.out.count = 0;
        rig.ops->on_order(rig.state, &gone, &rig.out);
    }
    cr_assert_eq(count, 16u);
    free(rig.state);
}

Test(maker, a_quote_filled_while_its_replace_waits_leaves_nothing)
{
    struct strategy_rig rig = quoting();

    rig_send(&rig, MD_ADD, 0, 150, 200);
    tell(&rig, ORDER_SENT, BUY, 3, 1, 140, 40, 40);
    tell(&rig, ORDER_FILLED, BUY, 1, 0, 90, 40, 0);
    rig.now_ns += PAUSE_NS;
    rig_send(&rig, MD_ADD, 0, 150, 200);
    for (uint32_t i = 0; i < rig.out.count; i++)
        cr_assert_neq(rig.out.intent[i].tag, BUY, "what became of the replace is not known yet");
    tell(&rig, ORDER_RELEASED, BUY, 3, 1, 140, 40, 0);
    rig.now_ns += PAUSE_NS;
    rig_send(&rig, MD_ADD, 0, 150, 200);
    is(only(&rig), ORDER_NEW, 'B', 120, 40, 0);
    free(rig.state);
}

Test(maker, a_replace_that_never_arrived_leaves_the_order_before_it)
{
    struct strategy_rig rig = quoting();

    rig_send(&rig, MD_ADD, 0, 105, 200);
    tell(&rig, ORDER_SENT, BUY, 3, 1, 95, 40, 40);
    tell(&rig, ORDER_UNKNOWN, BUY, 1, 0, 90, 40, 40);
    tell(&rig, ORDER_UNKNOWN, BUY, 3, 1, 95, 40, 40);
    tell(&rig, ORDER_RELEASED, BUY, 3, 1, 95, 40, 0);
    rig.now_ns += PAUSE_NS;
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 105, 200), 0u, "order 1 may trade still");
    tell(&rig, ORDER_FILLED, BUY, 1, 0, 90, 10, 30);
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 105, 205), 0u);
    tell(&rig, ORDER_RELEASED, BUY, 1, 0, 90, 30, 0);
    rig.now_ns += PAUSE_NS;
    rig_send(&rig, MD_ADD, 0, 105, 205);
    is(&rig.out.intent[0], ORDER_NEW, 'B', 90, 40, 0); /* 10 held: lower by 5 */
    free(rig.state);
}

Test(maker, what_is_refused_is_tried_again_after_a_pause)
{
    struct strategy_rig rig = rig_open("maker", params, PARAMS, NULL, 0);

    rig_send(&rig, MD_DEFINE, 0, MD_PRICE_NONE, MD_PRICE_NONE);
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 100, 200), 2u);
    cr_assert_eq(tell(&rig, ORDER_REFUSED, BUY, 0, 0, 90, 40, 0), 0u);
    cr_assert_eq(tell(&rig, ORDER_REFUSED, SELL, 0, 0, 210, 40, 0), 0u);
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 100, 200), 0u);
    rig.now_ns += PAUSE_NS;
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 100, 200), 2u);
    free(rig.state);
}

Test(maker, a_quote_does_not_go_where_our_other_one_is)
{
    struct strategy_rig rig = quoting();

    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 230, 300), 1u); /* the bid would be at 220, our sale is still at 210 */
    is(only(&rig), ORDER_REPLACE, 'T', 310, 40, 2);
    tell(&rig, ORDER_SENT, SELL, 3, 2, 310, 40, 40);
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 230, 300), 0u);
    tell(&rig, ORDER_REPLACED, SELL, 3, 2, 310, 40, 40);
    is(only(&rig), ORDER_REPLACE, 'B', 220, 40, 1);
    free(rig.state);
}

Test(maker, a_broken_trade_ends_the_quoting_of_its_instrument)
{
    struct strategy_rig rig = quoting();

    cr_assert_eq(tell(&rig, ORDER_BROKEN, BUY, 1, 0, 90, 10, 40), 2u);
    cr_assert(rig.out.intent[0].action == ORDER_CANCEL && rig.out.intent[1].action == ORDER_CANCEL);
    tell(&rig, ORDER_RELEASED, BUY, 1, 0, 90, 40, 0);
    tell(&rig, ORDER_RELEASED, SELL, 2, 0, 210, 40, 0);
    rig.now_ns += PAUSE_NS;
    cr_assert_eq(rig_send(&rig, MD_ADD, 0, 100, 200), 0u);
    free(rig.state);
}

/* News, and what they led to, behind what is in `queue` already. */
static void hear(struct strategy_rig *rig, struct strategy_out *queue, enum order_event_type type, uint32_t tag,
                 uint32_t user_ref, uint32_t orig_ref, uint32_t qty, uint32_t left_qty)
{
    tell(rig, type, tag, user_ref, orig_ref, 1000, qty, left_qty);
    for (uint32_t i = 0; i < rig->out.count; i++) {
        cr_assert_lt(queue->count, ORDER_INTENTS_MAX);
        queue->intent[queue->count++] = rig->out.intent[i];
    }
}

/* A venue of dice: whatever it does with the orders, the position and all that could trade stay within the limit. */
Test(maker, whatever_a_venue_answers_the_limit_holds)
{
    struct strategy_rig rig = rig_open("maker", params, PARAMS, NULL, 0);
    struct { uint32_t ref, next, left, next_qty; bool cancel, accepted; } side[2] = {{0}};
    uint64_t seed = 5, fills = 0, replaces = 0, cancels = 0;
    int64_t position = 0;
    uint32_t next_ref = 1;
    struct strategy_out queue;

    rig_send(&rig, MD_DEFINE, 0, MD_PRICE_NONE, MD_PRICE_NONE);
    for (uint32_t step = 0; step < 200000; step++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        const uint32_t dice = (uint32_t)(seed >> 33), tag = dice >> 4 & 1;
        queue.count = 0;
        rig.now_ns += 200000;
        if ((dice & 3) == 0 || side[tag].ref == 0) {
            const int32_t bid = 1000 + (int32_t)(dice >> 8 & 63), ask = bid + 1 + (int32_t)(dice >> 16 & 31);
            rig_send(&rig, MD_ADD, (dice >> 24 & 31) == 0 ? MD_STALE : 0, bid, ask);
            queue = rig.out;
        } else if (!side[tag].accepted) {
            side[tag].accepted = true;
            hear(&rig, &queue, ORDER_ACCEPTED, tag, side[tag].ref, 0, side[tag].left, side[tag].left);
        } else if ((dice >> 8 & 3) == 0) { /* trades */
            const uint32_t qty = dice >> 12 & 1 ? side[tag].left : 1 + (dice >> 13) % side[tag].left;
            const uint32_t ref = side[tag].ref, next = side[tag].next, left = side[tag].left - qty;
            position += tag == BUY ? (int64_t)qty : -(int64_t)qty;
            fills++;
            side[tag].left = left;
            if (side[tag].next)
                side[tag].next_qty = side[tag].next_qty > qty ? side[tag].next_qty - qty : 0;
            if (left == 0) {
                memset(&side[tag], 0, sizeof(side[tag]));
                hear(&rig, &queue, ORDER_FILLED, tag, ref, 0, qty, 0);
                if (next)
                    hear(&rig, &queue, ORDER_RELEASED, tag, next, ref, 1, 0);
            } else {
                hear(&rig, &queue, ORDER_FILLED, tag, ref, 0, qty, left);
            }
        } else if (side[tag].next) {
            const uint32_t next = side[tag].next, ref = side[tag].ref;
            side[tag].next = 0;
            if ((dice >> 8 & 3) == 1) {
                hear(&rig, &queue, ORDER_REPLACE_REJECTED, tag, next, ref, side[tag].left, side[tag].left);
            } else if (side[tag].next_qty == 0) { /* executed beyond what the replace asks for: the venue cancels */
                memset(&side[tag], 0, sizeof(side[tag]));
                hear(&rig, &queue, ORDER_RELEASED, tag, ref, 0, 1, 0);
                hear(&rig, &queue, ORDER_RELEASED, tag, next, ref, 1, 0);
            } else {
                side[tag].ref = next;
                side[tag].left = side[tag].next_qty;
                replaces++;
                hear(&rig, &queue, ORDER_REPLACED, tag, next, ref, side[tag].left, side[tag].left);
            }
        } else if (side[tag].cancel) {
            side[tag].cancel = false;
            if ((dice >> 8 & 3) == 1) {
                hear(&rig, &queue, ORDER_CANCEL_REJECTED, tag, side[tag].ref, 0, side[tag].left, side[tag].left);
            } else {
                const uint32_t ref = side[tag].ref;
                memset(&side[tag], 0, sizeof(side[tag]));
                cancels++;
                hear(&rig, &queue, ORDER_RELEASED, tag, ref, 0, 1, 0);
            }
        }
        for (uint32_t i = 0; i < queue.count; i++) {
            const struct order_intent *intent = &queue.intent[i];
            const uint32_t of = intent->tag;
            cr_assert_lt(of, 2u);
            if (intent->action != ORDER_NEW)
                cr_assert(intent->orig_ref == side[of].ref && side[of].accepted && !side[of].next && !side[of].cancel,
                          "about the order that is there, one at a time");
            if (intent->action == ORDER_CANCEL) {
                side[of].cancel = true;
                continue;
            }
            cr_assert_gt(intent->qty, 0u);
            if (intent->action == ORDER_NEW) {
                cr_assert_eq(side[of].ref, 0u);
                cr_assert(intent->side != 'S' || intent->qty <= position, "not held, and not marked as short");
                side[of].ref = next_ref++;
                side[of].left = intent->qty;
                side[of].accepted = false;
            } else {
                side[of].next = next_ref++;
                side[of].next_qty = intent->qty;
            }
            hear(&rig, &queue, ORDER_SENT, of, next_ref - 1, 0, 0, 1);
        }
        const int64_t most = position + (side[BUY].left > side[BUY].next_qty || !side[BUY].next ? side[BUY].left
                                                                                                 : side[BUY].next_qty);
        const int64_t least = position - (side[SELL].left > side[SELL].next_qty || !side[SELL].next
                                              ? side[SELL].left
                                              : side[SELL].next_qty);
        cr_assert(most <= 100 && least >= -100, "step %u: %ld to %ld", step, (long)least, (long)most);
    }
    cr_assert(fills > 1000 && replaces > 1000 && cancels > 100, "%lu fills, %lu replaces, %lu cancels",
              (unsigned long)fills, (unsigned long)replaces, (unsigned long)cancels);
    free(rig.state);
}

Test(maker, wrong_parameters_are_refused)
{
    static const char *const zero[] = {"quantity", "position_max", "requote", "tick", "pause_us"};
    char error[STRATEGY_ERROR_MAX];

    for (size_t i = 0; i < sizeof(zero) / sizeof(zero[0]); i++)
        cr_expect_neq(rig_refuse("maker", zero[i], "0", error), 0, "%s", zero[i]);
    cr_expect_neq(rig_refuse("maker", "every", "1", error), 0);
    cr_expect(strstr(error, "quantity, position_max, distance, skew, requote, tick, pause_us"), "%s", error);
}
