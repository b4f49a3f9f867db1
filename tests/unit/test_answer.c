/* answer: each path of the state machine with its events, what no venue should say, and agreement with a venue and a
 * naive ledger on random histories with crossings, breaks and restarts. */
#include "gateway/order/answer.h"

#include "gateway/order/trades.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define INSTRUMENTS 3u
#define TABLE 256u

struct rig {
    struct market market;
    struct open_orders open;
    struct answer_counters counters;
    struct order_event events[ANSWER_EVENTS_MAX];
    uint32_t event_count;
    void *market_memory, *open_memory;
    struct trades *trades;
};

static const char *const symbol_text[INSTRUMENTS] = {"ABC", "XYZ", "LONGNAME"};
static const uint16_t channel_of[INSTRUMENTS] = {0, 1, 1}, instrument_of[INSTRUMENTS] = {1, 0, 3};

static uint64_t symbol_of(uint32_t i)
{
    return md_symbol(symbol_text[i]);
}

static void define(struct rig *rig, uint32_t i)
{
    const struct md_event event = {.type = MD_DEFINE, .channel = channel_of[i], .instrument = instrument_of[i],
                                   .ref = symbol_of(i), .bid_price = 10, .ask_price = 12};
    market_apply(&rig->market, &event);
}

/* A life of the gateway begins: nothing is known but the number to go on with. */
static void begin(struct rig *rig, uint32_t first_ref)
{
    static const uint32_t counts[2] = {4, 4};

    if (!rig->open_memory) {
        rig->market_memory = aligned_alloc(CACHE_LINE_BYTES, market_footprint(counts, 2));
        rig->open_memory = aligned_alloc(CACHE_LINE_BYTES, open_footprint(TABLE));
        rig->trades = malloc(sizeof(*rig->trades));
    }
    memset(rig->trades, 0, sizeof(*rig->trades));
    market_init(&rig->market, rig->market_memory, counts, 2);
    rig->market.trades = rig->trades;
    open_init(&rig->open, rig->open_memory, TABLE, first_ref, 0);
}

static struct rig *rig_open(void)
{
    struct rig *rig = calloc(1, sizeof(*rig));

    begin(rig, 1);
    for (uint32_t i = 0; i < INSTRUMENTS; i++)
        define(rig, i);
    return rig;
}

static void rig_close(struct rig *rig)
{
    free(rig->market_memory);
    free(rig->open_memory);
    free(rig->trades);
    free(rig);
}

static struct market_instrument *its(struct rig *rig, uint32_t i)
{
    return market_find(&rig->market, channel_of[i], instrument_of[i]);
}

static void reserve(struct rig *rig, uint32_t i, uint8_t side, uint32_t qty)
{
    *(side == 'B' ? &its(rig, i)->open_buy_qty : &its(rig, i)->open_sell_qty) += qty;
}

/* What submit does once the gate has let an order through. */
static uint32_t enter(struct rig *rig, uint32_t i, uint8_t side, uint32_t qty)
{
    const struct order_intent intent = {.action = ORDER_NEW, .side = side, .channel = channel_of[i],
                                        .instrument = instrument_of[i], .price = 100, .qty = qty, .tag = 7};
    reserve(rig, i, side, qty);
    return open_insert(&rig->open, &intent, symbol_of(i), 3, 50);
}

static uint32_t replace(struct rig *rig, uint32_t i, uint32_t orig_ref, uint32_t qty)
{
    struct open_order *orig = open_find(&rig->open, orig_ref);
    const struct order_intent intent = {.action = ORDER_REPLACE, .side = orig->side, .channel = channel_of[i],
                                        .instrument = instrument_of[i], .price = 101, .qty = qty, .tag = 8};
    cr_assert(open_replaceable(orig));
    reserve(rig, i, orig->side, qty > orig->qty ? qty - orig->qty : 0);
    const uint32_t user_ref = open_insert(&rig->open, &intent, symbol_of(i), 3, 60);
    open_replace_sent(orig, open_find(&rig->open, user_ref));
    return user_ref;
}

static enum answer_verdict apply(struct rig *rig, struct ouch_answer answer)
{
    return answer_apply(&rig->open, &rig->market, &answer, 99, &rig->counters, rig->events, &rig->event_count);
}

static enum answer_verdict give(struct rig *rig, uint8_t type, uint32_t user_ref, uint32_t qty, uint16_t reason)
{
    return apply(rig, (struct ouch_answer){.type = type, .user_ref = user_ref, .qty = qty, .reason = reason,
                                           .price = 123, .side = 'B'});
}

static struct ouch_answer accept_of(uint32_t i, uint32_t user_ref, uint8_t side, uint32_t qty)
{
    return (struct ouch_answer){.type = OUCH_ACCEPTED, .user_ref = user_ref, .side = side, .qty = qty, .price = 100,
                                .symbol = symbol_of(i), .state = 'L'};
}

static struct ouch_answer replaced_of(uint32_t i, uint32_t orig_ref, uint32_t user_ref, uint8_t side, uint32_t qty)
{
    struct ouch_answer answer = accept_of(i, user_ref, side, qty);

    answer.type = OUCH_REPLACED;
    answer.orig_user_ref = orig_ref;
    return answer;
}

static uint32_t live(struct rig *rig, uint32_t i, uint8_t side, uint32_t qty)
{
    const uint32_t user_ref = enter(rig, i, side, qty);
    cr_assert_eq(apply(rig, accept_of(i, user_ref, side, qty)), ANSWER_APPLIED);
    return user_ref;
}

static enum open_state state_of(struct rig *rig, uint32_t user_ref)
{
    const struct open_order *order = open_find(&rig->open, user_ref);
    return order ? (enum open_state)order->state : OPEN_FREE;
}

/* The newest answer's event `at` is this, of an order with this number. */
#define EVENT(rig, at, its_type, its_ref, its_qty, its_left)                                                           \
    do {                                                                                                               \
        const struct order_event *event_ = &(rig)->events[at];                                                         \
        cr_assert_lt((uint32_t)(at), (rig)->event_count);                                                              \
        cr_assert_eq(event_->type, (its_type), "type %u", event_->type);                                               \
        cr_assert_eq(event_->user_ref, (its_ref), "order %u", event_->user_ref);                                       \
        cr_assert_eq(event_->qty, (its_qty), "qty %u", event_->qty);                                                   \
        cr_assert_eq(event_->left_qty, (its_left), "left %u", event_->left_qty);                                       \
        cr_assert(event_->strategy == 3 && event_->now_ns == 99);                                                      \
    } while (0)

#define RESERVED(rig, i, buy, sell)                                                                                    \
    cr_assert(its((rig), (i))->open_buy_qty == (buy) && its((rig), (i))->open_sell_qty == (sell), "%lu %lu",           \
              its((rig), (i))->open_buy_qty, its((rig), (i))->open_sell_qty)

Test(answer, an_order_lives_is_filled_and_is_done)
{
    struct rig *rig = rig_open();
    const uint32_t ref = enter(rig, 0, 'B', 100);
    cr_assert_eq(state_of(rig, ref), OPEN_PENDING);
    struct ouch_answer answer = accept_of(0, ref, 'B', 90);
    answer.price = 98;
    cr_assert_eq(apply(rig, answer), ANSWER_APPLIED);
    EVENT(rig, 0, ORDER_ACCEPTED, ref, 90u, 90u);
    cr_assert(rig->events[0].price == 98 && rig->events[0].tag == 7 && rig->events[0].side == 'B');
    cr_assert(rig->events[0].channel == 0 && rig->events[0].instrument == 1);
    cr_assert_eq(state_of(rig, ref), OPEN_LIVE);
    RESERVED(rig, 0, 90u, 0u);
    cr_assert_eq(give(rig, OUCH_EXECUTED, ref, 30, 0), ANSWER_APPLIED);
    EVENT(rig, 0, ORDER_FILLED, ref, 30u, 60u);
    cr_assert_eq(rig->events[0].price, 123);
    cr_assert_eq(state_of(rig, ref), OPEN_PARTLY_FILLED);
    cr_assert_eq(its(rig, 0)->position, 30);
    RESERVED(rig, 0, 60u, 0u);
    cr_assert_eq(give(rig, OUCH_EXECUTED, ref, 60, 0), ANSWER_APPLIED);
    EVENT(rig, 0, ORDER_FILLED, ref, 60u, 0u);
    cr_assert_eq(rig->event_count, 1u);
    cr_assert_eq(state_of(rig, ref), OPEN_FREE);
    cr_assert_eq(its(rig, 0)->position, 90);
    RESERVED(rig, 0, 0u, 0u);
    cr_assert(rig->counters.fill_count == 2 && rig->counters.fill_qty == 90 && rig->counters.release_count == 0);
    cr_assert_eq(give(rig, OUCH_EXECUTED, ref, 1, 0), ANSWER_UNKNOWN_ORDER);
    cr_assert(rig->event_count == 0 && its(rig, 0)->position == 90 && rig->counters.fill_count == 2);
    rig_close(rig);
}

Test(answer, sells_of_every_kind_go_short)
{
    struct rig *rig = rig_open();
    for (const char *side = "STE"; *side; side++) {
        const uint32_t ref = live(rig, 1, (uint8_t)*side, 10);
        RESERVED(rig, 1, 0u, 10u);
        give(rig, OUCH_EXECUTED, ref, 10, 0);
    }
    cr_assert_eq(its(rig, 1)->position, -30);
    RESERVED(rig, 1, 0u, 0u);
    rig_close(rig);
}

Test(answer, rejected_and_dead_orders_give_everything_back)
{
    struct rig *rig = rig_open();
    const uint32_t rejected = enter(rig, 0, 'B', 100), dead = enter(rig, 0, 'B', 50);
    cr_assert_eq(give(rig, OUCH_REJECTED, rejected, 0, 0x17), ANSWER_APPLIED);
    EVENT(rig, 0, ORDER_RELEASED, rejected, 100u, 0u);
    cr_assert(rig->events[0].reason == ORDER_RELEASE_REJECTED && rig->events[0].code == 0x17);
    RESERVED(rig, 0, 50u, 0u);
    struct ouch_answer answer = accept_of(0, dead, 'B', 50);
    answer.state = 'D';
    cr_assert_eq(apply(rig, answer), ANSWER_APPLIED);
    EVENT(rig, 0, ORDER_RELEASED, dead, 50u, 0u);
    cr_assert(rig->events[0].reason == ORDER_RELEASE_DEAD && rig->event_count == 1);
    RESERVED(rig, 0, 0u, 0u);
    cr_assert(rig->open.count == 0 && rig->counters.reject_count == 1 && rig->counters.release_count == 2);
    rig_close(rig);
}

/* Also of orders that are not open here: the book of record knows none before it is accepted. */
Test(answer, reasons_are_counted_as_the_venue_gives_them)
{
    struct rig *rig = rig_open();
    const uint32_t first = enter(rig, 0, 'B', 100), second = enter(rig, 0, 'B', 100), third = enter(rig, 0, 'B', 100);

    give(rig, OUCH_REJECTED, first, 0, 0x17);
    give(rig, OUCH_REJECTED, second, 0, 0x40);
    give(rig, OUCH_REJECTED, 4000000000, 0, 0x17);
    give(rig, OUCH_REJECTED, 4000000000, 0, 0x41);
    give(rig, OUCH_REJECTED, 4000000000, 0, UINT16_MAX);
    cr_assert(rig->counters.reject_reason[0x17] == 2 && rig->counters.reject_reason[0x40] == 1);
    cr_assert_eq(rig->counters.reject_reason[0], 2u);
    apply(rig, accept_of(0, third, 'B', 100));
    give(rig, OUCH_CANCELED, third, 40, 'H');
    give(rig, OUCH_AIQ_CANCELED, third, 40, 'Q');
    give(rig, OUCH_CANCELED, third, 20, 200);
    cr_assert(rig->counters.cancel_reason['H'] == 1 && rig->counters.cancel_reason['Q'] == 1);
    cr_assert_eq(rig->counters.cancel_reason[0], 1u);
    rig_close(rig);
}

Test(answer, a_cancel_ends_with_canceled_or_a_reject_and_fills_may_cross_it)
{
    struct rig *rig = rig_open();
    const uint32_t ref = live(rig, 0, 'B', 100);
    open_cancel_sent(open_find(&rig->open, ref), 0);
    cr_assert_not(open_cancellable(open_find(&rig->open, ref)));
    give(rig, OUCH_EXECUTED, ref, 30, 0);
    cr_assert_eq(state_of(rig, ref), OPEN_PENDING_CANCEL, "the cancel is still on its way");
    cr_assert_eq(give(rig, OUCH_CANCEL_REJECT, ref, 0, 0), ANSWER_APPLIED);
    EVENT(rig, 0, ORDER_CANCEL_REJECTED, ref, 70u, 70u);
    cr_assert_eq(state_of(rig, ref), OPEN_PARTLY_FILLED);
    open_cancel_sent(open_find(&rig->open, ref), 0);
    cr_assert_eq(give(rig, OUCH_CANCEL_PENDING, ref, 0, 0), ANSWER_APPLIED);
    EVENT(rig, 0, ORDER_CANCEL_PENDING, ref, 70u, 70u);
    cr_assert_eq(state_of(rig, ref), OPEN_PENDING_CANCEL);
    cr_assert_eq(give(rig, OUCH_CANCELED, ref, 70, 'U'), ANSWER_APPLIED);
    EVENT(rig, 0, ORDER_RELEASED, ref, 70u, 0u);
    cr_assert(rig->events[0].reason == ORDER_RELEASE_CANCELED && rig->events[0].code == 'U');
    cr_assert(rig->open.count == 0 && its(rig, 0)->position == 30);
    RESERVED(rig, 0, 0u, 0u);
    cr_assert_eq(give(rig, OUCH_CANCEL_REJECT, ref, 0, 0), ANSWER_APPLIED, "too late, but no surprise");
    cr_assert_eq(rig->event_count, 0u);
    rig_close(rig);
}

Test(answer, a_cancel_in_part_leaves_the_order_open_and_may_come_too_late)
{
    struct rig *rig = rig_open();
    const uint32_t ref = live(rig, 0, 'S', 100);
    struct open_order *order = open_find(&rig->open, ref);
    give(rig, OUCH_EXECUTED, ref, 10, 0);
    cr_assert_eq(open_wire_qty(order, 60), 70u, "on the wire what was executed counts");
    cr_assert_eq(open_wire_qty(order, 0), 0u);
    cr_assert_eq(open_wire_qty(order, UINT32_MAX - 9), UINT32_MAX);
    open_cancel_sent(order, 60);
    give(rig, OUCH_AIQ_CANCELED, ref, 5, 'Q');
    EVENT(rig, 0, ORDER_RELEASED, ref, 5u, 85u);
    cr_assert_eq(order->state, OPEN_PENDING_CANCEL, "that was not the answer");
    give(rig, OUCH_CANCELED, ref, 25, 'U');
    EVENT(rig, 0, ORDER_RELEASED, ref, 25u, 60u);
    cr_assert_eq(order->state, OPEN_PARTLY_FILLED);
    RESERVED(rig, 0, 0u, 60u);
    open_cancel_sent(order, 40);
    give(rig, OUCH_EXECUTED, ref, 19, 0);
    cr_assert_eq(order->state, OPEN_PENDING_CANCEL);
    give(rig, OUCH_EXECUTED, ref, 1, 0);
    cr_assert_eq(order->state, OPEN_PARTLY_FILLED, "nothing is left to cut, and the venue does not say so");
    open_cancel_sent(order, 40);
    cr_assert_eq(order->state, OPEN_PARTLY_FILLED, "the same");
    rig_close(rig);
}

Test(answer, a_cancel_may_go_out_before_the_order_is_accepted)
{
    struct rig *rig = rig_open();
    const uint32_t ref = enter(rig, 0, 'B', 100), other = enter(rig, 0, 'B', 20);
    open_cancel_sent(open_find(&rig->open, ref), 0);
    open_cancel_sent(open_find(&rig->open, other), 20);
    apply(rig, accept_of(0, ref, 'B', 100));
    cr_assert_eq(state_of(rig, ref), OPEN_PENDING_CANCEL);
    apply(rig, accept_of(0, other, 'B', 20));
    cr_assert_eq(state_of(rig, other), OPEN_LIVE, "that cancel has nothing to cut");
    give(rig, OUCH_CANCELED, ref, 100, 'U');
    RESERVED(rig, 0, 20u, 0u);
    rig_close(rig);
}

Test(answer, a_replace_reserves_the_larger_until_it_is_answered)
{
    static const uint32_t asked[] = {150, 60};
    for (int i = 0; i < 2; i++) {
        struct rig *rig = rig_open();
        const uint32_t old = live(rig, 0, 'B', 100);
        const uint32_t new = replace(rig, 0, old, asked[i]);
        const uint32_t larger = asked[i] > 100 ? asked[i] : 100;
        cr_assert_eq(state_of(rig, old), OPEN_PENDING_REPLACE);
        cr_assert_not(open_replaceable(open_find(&rig->open, old)));
        cr_assert_not(open_cancellable(open_find(&rig->open, old)));
        cr_assert_not(open_replaceable(open_find(&rig->open, new)), "no chains");
        RESERVED(rig, 0, larger, 0u);
        give(rig, OUCH_EXECUTED, old, 30, 0);
        EVENT(rig, 0, ORDER_FILLED, old, 30u, 70u);
        cr_assert_eq(state_of(rig, old), OPEN_PENDING_REPLACE);
        RESERVED(rig, 0, larger - 30, 0u);
        give(rig, OUCH_AIQ_CANCELED, old, 20, 'Q');
        RESERVED(rig, 0, asked[i] > 100 ? 120u : 50u, 0u);
        cr_assert_eq(apply(rig, replaced_of(0, old, new, 'B', asked[i] - 30)), ANSWER_APPLIED);
        EVENT(rig, 0, ORDER_REPLACED, new, asked[i] - 30, asked[i] - 30);
        cr_assert(rig->events[0].orig_ref == old && rig->event_count == 1);
        cr_assert_eq(state_of(rig, old), OPEN_FREE);
        cr_assert_eq(state_of(rig, new), OPEN_PARTLY_FILLED);
        cr_assert_eq(open_find(&rig->open, new)->filled_qty, 30u, "the venue counts the chain");
        RESERVED(rig, 0, asked[i] - 30, 0u);
        cr_assert(open_replaceable(open_find(&rig->open, new)) && open_cancellable(open_find(&rig->open, new)));
        rig_close(rig);
    }
}

Test(answer, a_cut_of_the_old_order_is_what_the_new_one_may_still_get)
{
    struct rig *rig = rig_open();
    const uint32_t old = live(rig, 0, 'B', 100), new = replace(rig, 0, old, 90);
    RESERVED(rig, 0, 100u, 0u);
    give(rig, OUCH_CANCELED, old, 40, 'S');
    RESERVED(rig, 0, 90u, 0u);
    cr_assert_eq(state_of(rig, old), OPEN_PENDING_REPLACE);
    give(rig, OUCH_EXECUTED, old, 10, 0);
    RESERVED(rig, 0, 80u, 0u);
    give(rig, OUCH_MODIFIED, old, 45, 0);
    EVENT(rig, 0, ORDER_RESTATED, old, 45u, 45u);
    RESERVED(rig, 0, 80u, 0u);
    cr_assert_eq(give(rig, OUCH_REJECTED, new, 0, 9), ANSWER_APPLIED);
    EVENT(rig, 0, ORDER_REPLACE_REJECTED, new, 90u, 0u);
    cr_assert(rig->events[0].orig_ref == old && rig->events[0].code == 9 && rig->event_count == 1);
    cr_assert(rig->events[0].reason == ORDER_RELEASE_REJECTED);
    RESERVED(rig, 0, 45u, 0u);
    cr_assert_eq(state_of(rig, old), OPEN_PARTLY_FILLED, "it goes on as it was");
    cr_assert(open_replaceable(open_find(&rig->open, old)));
    rig_close(rig);
}

Test(answer, a_replace_of_an_order_that_is_done_is_gone_with_it)
{
    static const uint8_t ends[] = {OUCH_EXECUTED, OUCH_CANCELED, OUCH_AIQ_CANCELED};
    for (size_t i = 0; i < sizeof(ends); i++) {
        struct rig *rig = rig_open();
        const uint32_t old = live(rig, 0, 'S', 100), new = replace(rig, 0, old, 130);
        RESERVED(rig, 0, 0u, 130u);
        cr_assert_eq(give(rig, ends[i], old, 100, 'Z'), ANSWER_APPLIED);
        cr_assert_eq(rig->event_count, 2u);
        EVENT(rig, 0, i == 0 ? ORDER_FILLED : ORDER_RELEASED, old, 100u, 0u);
        EVENT(rig, 1, ORDER_RELEASED, new, 130u, 0u);
        cr_assert(rig->events[1].reason == ORDER_RELEASE_REPLACED_GONE && rig->events[1].tag == 8);
        cr_assert_eq(rig->open.count, 0u);
        RESERVED(rig, 0, 0u, 0u);
        cr_assert_eq(give(rig, OUCH_REJECTED, new, 0, 9), ANSWER_APPLIED, "a venue may say so, or not");
        cr_assert(rig->event_count == 0 && rig->counters.reject_count == 0);
        cr_assert_eq(give(rig, OUCH_REJECTED, new + 1, 0, 9), ANSWER_UNKNOWN_ORDER, "a number never given out");
        rig_close(rig);
    }
    struct rig *rig = rig_open(); /* nobody has told us how the old one went: released by the time-out */
    const uint32_t old = live(rig, 0, 'S', 100), new = replace(rig, 0, old, 130);
    open_remove(&rig->open, open_find(&rig->open, old));
    its(rig, 0)->open_sell_qty -= 100;
    cr_assert_eq(give(rig, OUCH_REJECTED, new, 0, 9), ANSWER_APPLIED);
    EVENT(rig, 0, ORDER_RELEASED, new, 130u, 0u);
    cr_assert_eq(rig->events[0].reason, ORDER_RELEASE_REPLACED_GONE);
    RESERVED(rig, 0, 0u, 0u);
    rig_close(rig);
}

Test(answer, an_order_may_be_replaced_before_it_is_accepted)
{
    struct rig *rig = rig_open();
    const uint32_t old = enter(rig, 0, 'B', 100), new = replace(rig, 0, old, 150);
    apply(rig, accept_of(0, old, 'B', 80));
    cr_assert_eq(state_of(rig, old), OPEN_PENDING_REPLACE);
    RESERVED(rig, 0, 150u, 0u);
    apply(rig, replaced_of(0, old, new, 'B', 150));
    cr_assert_eq(state_of(rig, new), OPEN_LIVE);
    RESERVED(rig, 0, 150u, 0u);
    const uint32_t third = enter(rig, 1, 'B', 10), fourth = replace(rig, 1, third, 20);
    cr_assert_eq(give(rig, OUCH_REJECTED, third, 0, 1), ANSWER_APPLIED);
    EVENT(rig, 0, ORDER_RELEASED, third, 10u, 0u);
    EVENT(rig, 1, ORDER_RELEASED, fourth, 20u, 0u);
    RESERVED(rig, 1, 0u, 0u);
    const uint32_t fifth = enter(rig, 1, 'B', 10), sixth = replace(rig, 1, fifth, 20);
    give(rig, OUCH_REJECTED, sixth, 0, 1);
    cr_assert_eq(state_of(rig, fifth), OPEN_PENDING);
    RESERVED(rig, 1, 10u, 0u);
    rig_close(rig);
}

Test(answer, replaced_in_state_dead_ends_both)
{
    struct rig *rig = rig_open();
    const uint32_t old = live(rig, 0, 'B', 100), new = replace(rig, 0, old, 150);
    struct ouch_answer answer = replaced_of(0, old, new, 'B', 150);
    answer.state = 'D';
    cr_assert_eq(apply(rig, answer), ANSWER_APPLIED);
    EVENT(rig, 0, ORDER_REPLACED, new, 150u, 150u);
    EVENT(rig, 1, ORDER_RELEASED, new, 150u, 0u);
    cr_assert(rig->events[1].reason == ORDER_RELEASE_DEAD && rig->open.count == 0);
    RESERVED(rig, 0, 0u, 0u);
    rig_close(rig);
}

Test(answer, what_the_venue_restates_is_news)
{
    struct rig *rig = rig_open();
    const uint32_t ref = live(rig, 0, 'S', 100);
    give(rig, OUCH_EXECUTED, ref, 40, 0);
    cr_assert_eq(give(rig, OUCH_PRIORITY, ref, 0, 0), ANSWER_APPLIED);
    EVENT(rig, 0, ORDER_RESTATED, ref, 60u, 60u);
    cr_assert(rig->events[0].price == 123 && open_find(&rig->open, ref)->price == 123);
    cr_assert_eq(give(rig, OUCH_RESTATED, ref, 0, 'R'), ANSWER_APPLIED);
    EVENT(rig, 0, ORDER_RESTATED, ref, 60u, 60u);
    cr_assert_eq(rig->events[0].code, 'R');
    cr_assert_eq(apply(rig, (struct ouch_answer){.type = OUCH_MODIFIED, .user_ref = ref, .side = 'T', .qty = 50}),
                 ANSWER_APPLIED);
    EVENT(rig, 0, ORDER_RESTATED, ref, 50u, 50u);
    cr_assert_eq(rig->events[0].side, 'T');
    RESERVED(rig, 0, 0u, 50u);
    cr_assert_eq(give(rig, OUCH_MODIFIED, ref, 20, 0), ANSWER_IMPOSSIBLE, "a sell does not become a buy");
    RESERVED(rig, 0, 0u, 50u);
    apply(rig, (struct ouch_answer){.type = OUCH_MODIFIED, .user_ref = ref, .side = 'S'});
    EVENT(rig, 0, ORDER_RELEASED, ref, 50u, 0u);
    RESERVED(rig, 0, 0u, 0u);
    rig_close(rig);
}

static enum answer_verdict fill(struct rig *rig, uint32_t user_ref, uint32_t qty, uint64_t price, uint64_t match)
{
    return apply(rig, (struct ouch_answer){.type = OUCH_EXECUTED, .user_ref = user_ref, .qty = qty, .price = price,
                                           .match = match});
}

static enum answer_verdict unfill(struct rig *rig, uint32_t user_ref, uint64_t match)
{
    return apply(rig, (struct ouch_answer){.type = OUCH_BROKEN, .user_ref = user_ref, .match = match, .reason = 'E'});
}

static int64_t cash(const struct rig *rig)
{
    return (int64_t)rig->market.account.lcore.cash;
}

Test(answer, a_broken_trade_goes_out_of_position_and_cash_again)
{
    struct rig *rig = rig_open();
    struct account_share *shares = calloc(1, account_footprint(8));
    account_strategy(&rig->market, 3, shares);
    account_reserve_share(&rig->market, its(rig, 0), 3, ACCOUNT_SELL, 100);
    const uint32_t ref = live(rig, 0, 'T', 100);
    fill(rig, ref, 40, 10, 501);
    fill(rig, ref, 20, 12, 502);
    cr_assert(its(rig, 0)->position == -60 && cash(rig) == 640);
    cr_assert_eq(unfill(rig, ref, 501), ANSWER_APPLIED);
    EVENT(rig, 0, ORDER_BROKEN, ref, 40u, 40u);
    cr_assert(rig->events[0].code == 'E' && rig->events[0].price == 10 && rig->events[0].side == 'T');
    cr_assert(its(rig, 0)->position == -20 && cash(rig) == 240 && rig->market.account.strategy[3].cash == 240);
    cr_assert_eq(account_share_of(&rig->market, 3, its(rig, 0))->position, -20);
    RESERVED(rig, 0, 0u, 40u);
    cr_assert_eq(open_find(&rig->open, ref)->filled_qty, 60u, "the order does not get its shares back");
    cr_assert_eq(unfill(rig, ref, 501), ANSWER_IMPOSSIBLE, "it is broken once");
    cr_assert_eq(its(rig, 0)->position, -20);
    fill(rig, ref, 40, 9, 503);
    cr_assert_eq(state_of(rig, ref), OPEN_FREE);
    cr_assert_eq(unfill(rig, ref, 503), ANSWER_APPLIED, "of an order that is done");
    EVENT(rig, 0, ORDER_BROKEN, ref, 40u, 0u);
    cr_assert_eq(unfill(rig, ref, 502), ANSWER_APPLIED);
    cr_assert(its(rig, 0)->position == 0 && cash(rig) == 0 && account_profit(&rig->market.account.lcore) == 0);
    cr_assert(rig->market.account.strategy[3].cash == 0 && account_profit(&rig->market.account.strategy[3]) == 0);
    cr_assert_eq(rig->counters.broken_count, 4u);
    free(shares);
    rig_close(rig);
}

Test(answer, a_broken_trade_is_known_by_its_order_and_its_number)
{
    struct rig *rig = rig_open();
    const uint32_t buy = live(rig, 0, 'B', 100), sale = live(rig, 0, 'S', 100);
    fill(rig, buy, 30, 10, 7); /* with ourselves: both have the number */
    fill(rig, sale, 30, 10, 7);
    cr_assert_eq(unfill(rig, buy, 8), ANSWER_UNKNOWN_TRADE);
    cr_assert_eq(unfill(rig, 77, 7), ANSWER_UNKNOWN_TRADE);
    cr_assert_eq(rig->event_count, 0u);
    cr_assert_eq(its(rig, 0)->position, 0);
    cr_assert_eq(unfill(rig, sale, 7), ANSWER_APPLIED);
    cr_assert_eq(its(rig, 0)->position, 30);
    fill(rig, buy, 10, 11, 9); /* parts of one cross */
    fill(rig, buy, 5, 11, 9);
    cr_assert_eq(unfill(rig, buy, 9), ANSWER_APPLIED);
    EVENT(rig, 0, ORDER_BROKEN, buy, 15u, 55u);
    cr_assert(its(rig, 0)->position == 30 && cash(rig) == -300);
    rig->market.trades = NULL;
    cr_assert_eq(unfill(rig, buy, 7), ANSWER_UNKNOWN_TRADE, "where none are kept");
    rig_close(rig);
}

/* As the book of record has all orders, and the owner those of earlier lives. */
Test(answer, a_broken_trade_of_an_earlier_life_follows_the_symbol)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    begin(rig, 1000);
    apply(rig, accept_of(0, 5, 'B', 100));
    cr_assert_eq(fill(rig, 5, 100, 10, 1), ANSWER_INHERITED);
    apply(rig, accept_of(0, 6, 'S', 30));
    fill(rig, 6, 30, 13, 2);
    cr_assert_eq(unfill(rig, 6, 2), ANSWER_INHERITED, "no instrument has the symbol yet");
    cr_assert_eq(rig->event_count, 0u);
    define(rig, 0);
    cr_assert(its(rig, 0)->position == 100 && cash(rig) == -1000);
    cr_assert_eq(unfill(rig, 5, 1), ANSWER_INHERITED, "now one has");
    cr_assert(its(rig, 0)->position == 0 && cash(rig) == 0);
    rig_close(rig);
}

Test(answer, more_than_is_open_is_clamped_and_the_position_follows_all_of_it)
{
    struct rig *rig = rig_open();
    const uint32_t ref = live(rig, 0, 'B', 100), other = live(rig, 0, 'B', 10);
    cr_assert_eq(give(rig, OUCH_EXECUTED, ref, UINT32_MAX, 0), ANSWER_EXCESS);
    EVENT(rig, 0, ORDER_FILLED, ref, UINT32_MAX, 0u);
    cr_assert_eq(its(rig, 0)->position, (int64_t)UINT32_MAX);
    RESERVED(rig, 0, 10u, 0u);
    cr_assert_eq(give(rig, OUCH_CANCELED, other, 11, 'U'), ANSWER_EXCESS);
    EVENT(rig, 0, ORDER_RELEASED, other, 10u, 0u);
    RESERVED(rig, 0, 0u, 0u);
    const uint32_t old = live(rig, 0, 'B', 100), new = replace(rig, 0, old, 150);
    cr_assert_eq(give(rig, OUCH_EXECUTED, new, 20, 0), ANSWER_EXCESS, "nothing of it is in the book yet");
    EVENT(rig, 0, ORDER_FILLED, new, 20u, 150u);
    cr_assert_eq(its(rig, 0)->position, (int64_t)UINT32_MAX + 20);
    RESERVED(rig, 0, 150u, 0u);
    cr_assert_eq(apply(rig, replaced_of(0, old, new, 'B', 130)), ANSWER_APPLIED, "the answer still counts");
    RESERVED(rig, 0, 130u, 0u);
    rig_close(rig);
}

Test(answer, what_no_venue_should_say_is_counted_and_changes_nothing)
{
    struct rig *rig = rig_open();
    const uint32_t pending = enter(rig, 0, 'B', 100), ref = live(rig, 1, 'S', 50);
    const uint32_t old = live(rig, 2, 'B', 10), new = replace(rig, 2, old, 20);
    struct ouch_answer bad[32];
    uint32_t count = 0;
    bad[count++] = accept_of(1, ref, 'S', 50);         /* twice */
    bad[count++] = accept_of(0, pending, 'S', 100);    /* another side */
    bad[count++] = accept_of(1, pending, 'B', 100);    /* another symbol */
    bad[count++] = accept_of(0, pending, 'B', 0);
    bad[count++] = accept_of(0, pending, 'x', 100);
    bad[count] = accept_of(0, pending, 'B', 100);
    bad[count++].state = 'X';
    bad[count++] = replaced_of(0, ref, pending, 'B', 100); /* was no replace */
    bad[count++] = replaced_of(0, 0, pending, 'B', 100);
    bad[count++] = accept_of(2, new, 'B', 20);         /* is one */
    bad[count++] = replaced_of(2, ref, new, 'B', 20);  /* of another order */
    bad[count++] = replaced_of(2, old, new, 'S', 20);
    bad[count++] = replaced_of(2, old, new, 'B', 0);
    bad[count++] = replaced_of(2, old, old, 'B', 20);
    bad[count++] = replaced_of(2, old, 9999, 'B', 20); /* by a number that was never sent */
    bad[count++] = (struct ouch_answer){.type = OUCH_EXECUTED, .user_ref = ref};
    bad[count++] = (struct ouch_answer){.type = OUCH_REJECTED, .user_ref = ref};
    static const uint8_t accepted_only[] = {OUCH_CANCELED, OUCH_AIQ_CANCELED, OUCH_CANCEL_PENDING, OUCH_CANCEL_REJECT,
                                            OUCH_PRIORITY, OUCH_MODIFIED, OUCH_RESTATED};
    for (size_t i = 0; i < sizeof(accepted_only); i++)
        bad[count++] = (struct ouch_answer){.type = accepted_only[i], .user_ref = pending, .side = 'B', .qty = 1};
    bad[count++] = (struct ouch_answer){.type = 'z', .user_ref = ref};
    bad[count++] = accept_of(0, 0, 'B', 5);
    bad[count] = accept_of(0, 5000, 'B', 5);
    bad[count++].symbol = 0;
    for (uint32_t i = 0; i < count; i++) {
        cr_assert_eq(apply(rig, bad[i]), ANSWER_IMPOSSIBLE, "%u", i);
        cr_assert_eq(rig->event_count, 0u, "%u", i);
        RESERVED(rig, 0, 100u, 0u);
        RESERVED(rig, 1, 0u, 50u);
        RESERVED(rig, 2, 20u, 0u);
        cr_assert(state_of(rig, pending) == OPEN_PENDING && state_of(rig, ref) == OPEN_LIVE, "%u", i);
        cr_assert(state_of(rig, old) == OPEN_PENDING_REPLACE && state_of(rig, new) == OPEN_PENDING, "%u", i);
    }
    cr_assert_eq(rig->counters.verdict[ANSWER_IMPOSSIBLE], count);
    cr_assert(rig->open.count == 4 && rig->open.inherited_count == 0);
    rig_close(rig);
}

Test(answer, an_execution_of_an_order_that_was_not_accepted_counts_and_accepts_it)
{
    struct rig *rig = rig_open();
    const uint32_t ref = enter(rig, 0, 'B', 100);
    cr_assert_eq(give(rig, OUCH_EXECUTED, ref, 40, 0), ANSWER_APPLIED);
    cr_assert(state_of(rig, ref) == OPEN_PARTLY_FILLED && its(rig, 0)->position == 40);
    RESERVED(rig, 0, 60u, 0u);
    cr_assert_eq(apply(rig, accept_of(0, ref, 'B', 100)), ANSWER_IMPOSSIBLE);
    RESERVED(rig, 0, 60u, 0u);
    rig_close(rig);
}

Test(answer, answers_about_the_session_touch_no_order)
{
    struct rig *rig = rig_open();
    const uint32_t ref = enter(rig, 0, 'B', 100);
    cr_assert_eq(apply(rig, (struct ouch_answer){.type = OUCH_SYSTEM, .event = 'S'}), ANSWER_SESSION);
    cr_assert_eq(give(rig, OUCH_QUERY_ANSWER, ref, 0, 0), ANSWER_SESSION);
    cr_assert(rig->event_count == 0 && state_of(rig, ref) == OPEN_PENDING);
    cr_assert_eq(rig->counters.verdict[ANSWER_SESSION], 2u);
    rig_close(rig);
}

Test(answer, prices_beyond_a_price_are_the_largest)
{
    struct rig *rig = rig_open();
    const uint32_t ref = enter(rig, 0, 'B', 100);
    struct ouch_answer answer = accept_of(0, ref, 'B', 100);
    answer.price = UINT64_C(1) << 32 | 5;
    apply(rig, answer);
    cr_assert_eq(rig->events[0].price, INT32_MAX);
    apply(rig, (struct ouch_answer){.type = OUCH_EXECUTED, .user_ref = ref, .qty = 1, .price = INT32_MAX});
    cr_assert_eq(rig->events[0].price, INT32_MAX);
    apply(rig, (struct ouch_answer){.type = OUCH_EXECUTED, .user_ref = ref, .qty = 1, .price = INT32_MAX - 1});
    cr_assert_eq(rig->events[0].price, INT32_MAX - 1);
    rig_close(rig);
}

Test(answer, after_a_break_the_replay_and_the_query_say_what_became_of_each_order)
{
    struct rig *rig = rig_open();
    const uint32_t idle = live(rig, 0, 'B', 10), busy = live(rig, 0, 'B', 20), pending = enter(rig, 0, 'B', 30);
    const uint32_t cancelled = live(rig, 0, 'B', 40);
    open_cancel_sent(open_find(&rig->open, cancelled), 0);
    const uint32_t new = replace(rig, 0, idle, 15), lost = enter(rig, 0, 'B', 60);
    uint32_t cursor = 0, told = 0;
    struct order_event event;
    while (answer_break_next(&rig->open, &cursor, 5, &event)) {
        const struct open_order *order = open_find(&rig->open, event.user_ref);
        cr_assert(event.type == ORDER_UNKNOWN && event.now_ns == 5 && order->state == OPEN_UNKNOWN);
        cr_assert(event.qty == order->asked_qty && event.left_qty == event.qty);
        told++;
    }
    cr_assert_eq(told, 6u);
    cursor = 0;
    cr_assert_not(answer_break_next(&rig->open, &cursor, 6, &event), "a second break is no news");
    RESERVED(rig, 0, 165u, 0u);
    cr_assert(open_cancellable(open_find(&rig->open, busy)) && !open_replaceable(open_find(&rig->open, busy)));

    cr_assert_eq(give(rig, OUCH_EXECUTED, busy, 5, 0), ANSWER_APPLIED);
    cr_assert_eq(apply(rig, accept_of(0, pending, 'B', 30)), ANSWER_APPLIED, "sent before, accepted in the replay");
    cr_assert(state_of(rig, busy) == OPEN_PARTLY_FILLED && state_of(rig, pending) == OPEN_LIVE);
    uint32_t released = 0, unknown = 0;
    cursor = 0;
    while (answer_resolve_next(&rig->open, &rig->market, new, &cursor, 7, &event)) {
        cr_assert(event.now_ns == 7 && event.strategy == 3);
        if (event.type == ORDER_RELEASED) {
            cr_assert(event.reason == ORDER_RELEASE_NEVER_RECEIVED && event.left_qty == 0);
            cr_assert(event.user_ref == new ? event.qty == 15 : event.user_ref == lost && event.qty == 60);
            released++;
        } else {
            cr_assert_eq(event.type, ORDER_UNKNOWN);
            cr_assert(event.user_ref == idle || event.user_ref == cancelled);
            cr_assert(open_cancellable(open_find(&rig->open, event.user_ref)));
            unknown++;
        }
    }
    cr_assert(released == 2 && unknown == 2);
    RESERVED(rig, 0, 10u + 15u + 30u + 40u, 0u);
    cr_assert_eq(give(rig, OUCH_EXECUTED, idle, 4, 0), ANSWER_APPLIED);
    cr_assert_eq(state_of(rig, idle), OPEN_PARTLY_FILLED, "no replace of it waits any more");
    cr_assert_eq(rig->open.next_ref, lost + 1, "numbers do not go back");
    cursor = 0;
    while (answer_resolve_next(&rig->open, &rig->market, 5000, &cursor, 7, &event))
        cr_assert_eq(event.user_ref, cancelled);
    cr_assert_eq(rig->open.next_ref, 5000u);
    rig_close(rig);
}

Test(answer, a_venue_that_takes_its_word_back_is_not_believed)
{
    struct rig *rig = rig_open();
    const uint32_t ref = live(rig, 0, 'B', 10), never = enter(rig, 0, 'B', 20), more = replace(rig, 0, never, 25);
    uint32_t cursor = 0, count = 0;
    struct order_event event;
    while (answer_break_next(&rig->open, &cursor, 5, &event))
        ;
    cursor = 0;
    while (answer_resolve_next(&rig->open, &rig->market, 0, &cursor, 7, &event)) {
        cr_assert_eq(event.type, event.user_ref == ref ? ORDER_UNKNOWN : ORDER_RELEASED);
        count++;
    }
    cr_assert_eq(count, 3u);
    cr_assert(state_of(rig, ref) == OPEN_UNKNOWN && state_of(rig, more) == OPEN_FREE);
    RESERVED(rig, 0, 10u, 0u);
    cr_assert_eq(rig->open.next_ref, 4u);
    rig_close(rig);
}

Test(answer, orders_of_an_earlier_life_come_back_without_a_strategy)
{
    struct rig *rig = rig_open();
    begin(rig, 1000);
    define(rig, 1);
    cr_assert_eq(apply(rig, accept_of(1, 5, 'S', 100)), ANSWER_INHERITED);
    cr_assert_eq(apply(rig, accept_of(0, 6, 'B', 50)), ANSWER_INHERITED, "its instrument is not defined yet");
    RESERVED(rig, 1, 0u, 100u);
    RESERVED(rig, 0, 0u, 0u);
    cr_assert_eq(give(rig, OUCH_EXECUTED, 6, 20, 0), ANSWER_INHERITED);
    cr_assert_eq(give(rig, OUCH_EXECUTED, 5, 30, 0), ANSWER_INHERITED);
    cr_assert_eq(its(rig, 1)->position, -30);
    define(rig, 0);
    cr_assert_eq(its(rig, 0)->position, 20);
    RESERVED(rig, 0, 30u, 0u);
    const struct md_event reset = {.type = MD_RESET, .channel = 0, .instrument = MD_INSTRUMENT_NONE};
    market_apply(&rig->market, &reset);
    cr_assert_eq(give(rig, OUCH_EXECUTED, 6, 5, 0), ANSWER_INHERITED, "while nobody knows its name again");
    cr_assert_eq(its(rig, 0)->position, 25);
    RESERVED(rig, 0, 25u, 0u);
    cr_assert_eq(apply(rig, replaced_of(0, 6, 9, 'B', 40)), ANSWER_INHERITED);
    cr_assert_eq(open_find_inherited(&rig->open, 9)->filled_qty, 25u);
    cr_assert_null(open_find_inherited(&rig->open, 6));
    define(rig, 0);
    RESERVED(rig, 0, 40u, 0u);
    cr_assert_eq(give(rig, OUCH_CANCELED, 9, 40, 'U'), ANSWER_INHERITED);
    RESERVED(rig, 0, 0u, 0u);
    cr_assert_eq(apply(rig, accept_of(1, 5, 'S', 100)), ANSWER_IMPOSSIBLE, "twice");
    uint32_t cursor = 0;
    struct order_event event;
    cr_assert_not(answer_break_next(&rig->open, &cursor, 1, &event));
    cr_assert_eq(open_find_inherited(&rig->open, 5)->state, OPEN_UNKNOWN);
    cursor = 0;
    cr_assert_not(answer_resolve_next(&rig->open, &rig->market, 3, &cursor, 1, &event));
    cr_assert_eq(give(rig, OUCH_CANCEL_REJECT, 5, 0, 0), ANSWER_INHERITED);
    cr_assert_eq(give(rig, OUCH_CANCELED, 5, 71, 'U'), ANSWER_EXCESS);
    RESERVED(rig, 1, 0u, 0u);
    cr_assert_eq(rig->open.inherited_count, 0u);
    struct ouch_answer dead = accept_of(1, 7, 'B', 5);
    dead.state = 'D';
    cr_assert_eq(apply(rig, dead), ANSWER_INHERITED);
    cr_assert_eq(give(rig, OUCH_REJECTED, 8, 0, 1), ANSWER_APPLIED);
    cr_assert_eq(give(rig, OUCH_EXECUTED, 8, 5, 1), ANSWER_UNKNOWN_ORDER);
    cr_assert(rig->event_count == 0 && rig->open.inherited_count == 0);
    rig_close(rig);
}

Test(answer, an_inherited_order_that_there_is_no_room_for_reserves_nothing)
{
    struct rig *rig = rig_open();
    begin(rig, 100000);
    for (uint32_t i = 0; i < TABLE; i++)
        cr_assert_eq(apply(rig, accept_of(0, 1 + i, 'B', 10)), ANSWER_INHERITED);
    cr_assert_eq(apply(rig, accept_of(0, 5000, 'B', 10)), ANSWER_FULL);
    cr_assert_eq(rig->market.carried[0].open_buy_qty + rig->market.carried_full_count, 0u);
    define(rig, 0);
    RESERVED(rig, 0, 10u * TABLE, 0u);
    begin(rig, 100000);
    for (uint32_t i = 0; i < MARKET_CARRIED_MAX; i++)
        cr_assert(market_carry(&rig->market, 1 + i, 0, 0, 0, 0));
    cr_assert_eq(apply(rig, accept_of(0, 1, 'B', 10)), ANSWER_FULL, "nor for its symbol");
    cr_assert(rig->open.inherited_count == 0 && rig->market.carried_full_count == 1);
    rig_close(rig);
}

Test(answer, every_verdict_has_a_name_of_its_own)
{
    for (uint32_t i = 0; i < ANSWER_VERDICT_COUNT; i++)
        for (uint32_t j = 0; j < i; j++)
            cr_assert_str_neq(answer_verdict_name((enum answer_verdict)i), answer_verdict_name((enum answer_verdict)j));
    cr_assert_str_eq(answer_verdict_name(ANSWER_VERDICT_COUNT), "unknown");
}

/* --- a venue, and a naive ledger of what its answers say */

#define DAY_REFS 20000u
#define DAY_ANSWERS 60000u
#define REQUESTS_MAX 256u

static uint64_t random_state;

static uint32_t random_below(uint32_t limit)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % limit;
}

static bool percent(uint32_t share)
{
    return random_below(100) < share;
}

struct request {
    uint8_t type; /* O U X */
    uint8_t instrument, side;
    bool ioc;
    uint32_t user_ref, orig_ref, qty;
};

/* An order in the venue's book. */
struct booked {
    uint8_t instrument, side;
    bool live, cancel_pending;
    uint32_t qty, executed_qty, prevented_qty; /* the two of the chain */
};

/* An order as the answers delivered so far tell of it. */
struct known {
    uint8_t instrument, side;
    bool open, waiting; /* waiting: a replace without an answer */
    uint32_t qty, asked_qty, executed_qty, orig_ref;
    bool sent;          /* in this life: a strategy hears of it */
    bool ended;         /* and has heard that it is done */
};

struct walk {
    struct rig *rig;
    struct request request[REQUESTS_MAX]; /* on their way to the venue */
    uint32_t request_count;
    struct ouch_answer answer[DAY_ANSWERS];
    uint32_t answer_count, delivered;
    struct booked booked[DAY_REFS];
    uint32_t venue_next_ref, venue_oldest;
    int64_t venue_position[INSTRUMENTS], venue_broken[INSTRUMENTS]; /* traded, broken, with all answers */
    struct known known[DAY_REFS];
    uint32_t known_oldest, known_end, live_open;
    int64_t position[INSTRUMENTS], told_position[INSTRUMENTS], inherited_position[INSTRUMENTS];
    uint64_t verdicts[ANSWER_VERDICT_COUNT], types[256], events[16], reasons[16];
    struct traded { uint32_t ref, qty, price; bool broken; } traded[DAY_ANSWERS]; /* by match number */
    uint32_t traded_count;
    int64_t cash, broken[INSTRUMENTS]; /* as the answers that were delivered have it */
};

static void say(struct walk *w, struct ouch_answer answer)
{
    cr_assert_lt(w->answer_count, DAY_ANSWERS);
    w->answer[w->answer_count++] = answer;
}

static void say_of(struct walk *w, uint8_t type, uint32_t ref, uint32_t qty, uint16_t reason)
{
    say(w, (struct ouch_answer){.type = type, .user_ref = ref, .qty = qty, .reason = reason, .price = 1000,
                                .side = w->booked[ref].side});
}

static void venue_fill(struct walk *w, uint32_t ref, uint32_t qty)
{
    struct booked *order = &w->booked[ref];

    order->qty -= qty;
    order->executed_qty += qty;
    order->live = order->qty > 0;
    w->venue_position[order->instrument] += order->side == 'B' ? qty : -(int64_t)qty;
    const uint32_t price = 900 + random_below(200);
    w->traded[w->traded_count] = (struct traded){.ref = ref, .qty = qty, .price = price};
    say(w, (struct ouch_answer){.type = OUCH_EXECUTED, .user_ref = ref, .qty = qty, .price = price,
                                .match = w->traded_count++});
}

static void venue_break(struct walk *w, uint32_t match)
{
    struct traded *trade = &w->traded[match];
    const struct booked *order = &w->booked[trade->ref];

    if (match >= w->traded_count || trade->broken)
        return;
    trade->broken = true;
    w->venue_broken[order->instrument] += order->side == 'B' ? trade->qty : -(int64_t)trade->qty;
    say(w, (struct ouch_answer){.type = OUCH_BROKEN, .user_ref = trade->ref, .reason = 'E', .match = match});
}

static void venue_cut(struct walk *w, uint8_t type, uint32_t ref, uint32_t qty, uint16_t reason)
{
    struct booked *order = &w->booked[ref];

    order->qty -= qty;
    order->live = order->qty > 0;
    if (type == OUCH_AIQ_CANCELED)
        order->prevented_qty += qty;
    say_of(w, type, ref, qty, reason);
}

static void venue_enter(struct walk *w, const struct request *request)
{
    const uint32_t ref = request->user_ref;
    struct booked *order = &w->booked[ref];

    *order = (struct booked){.instrument = request->instrument, .side = request->side, .qty = request->qty};
    if (percent(5)) {
        say_of(w, OUCH_REJECTED, ref, 0, 3);
        return;
    }
    if (percent(4))
        order->qty = 1 + random_below(order->qty); /* less than was asked for */
    struct ouch_answer answer = accept_of(order->instrument, ref, order->side, order->qty);
    answer.state = percent(3) ? 'D' : 'L';
    order->live = answer.state == 'L';
    say(w, answer);
    if (!order->live || !request->ioc)
        return;
    if (percent(60))
        venue_fill(w, ref, 1 + random_below(order->qty));
    if (order->live)
        venue_cut(w, OUCH_CANCELED, ref, order->qty, 'I');
}

static void venue_replace(struct walk *w, const struct request *request)
{
    const uint32_t ref = request->user_ref;
    struct booked *orig = &w->booked[request->orig_ref], *order = &w->booked[ref];

    if (!orig->live && percent(60))
        return; /* silently ignored, the number is not consumed */
    const uint32_t liable = orig->executed_qty + orig->prevented_qty;
    if (orig->live && request->qty <= liable) {
        venue_cut(w, OUCH_CANCELED, request->orig_ref, orig->qty, 'Z');
        return;
    }
    w->venue_next_ref = ref + 1;
    *order = (struct booked){.instrument = orig->instrument, .side = orig->side};
    if (!orig->live || percent(8)) {
        say_of(w, OUCH_REJECTED, ref, 0, 4);
        return;
    }
    order->qty = request->qty - liable;
    order->executed_qty = orig->executed_qty;
    order->prevented_qty = orig->prevented_qty;
    orig->live = false;
    struct ouch_answer answer = replaced_of(orig->instrument, request->orig_ref, ref, orig->side, order->qty);
    answer.state = percent(4) ? 'D' : 'L';
    order->live = answer.state == 'L';
    say(w, answer);
}

static void venue_cancel(struct walk *w, const struct request *request)
{
    struct booked *order = &w->booked[request->user_ref];

    if (!order->live) {
        if (percent(20) && request->user_ref < w->venue_next_ref)
            say_of(w, OUCH_CANCEL_REJECT, request->user_ref, 0, 0);
        return;
    }
    const uint32_t left_qty = request->qty > order->executed_qty ? request->qty - order->executed_qty : 0;
    if (percent(5))
        say_of(w, OUCH_CANCEL_REJECT, request->user_ref, 0, 0);
    else if (percent(5) && request->qty == 0) {
        order->cancel_pending = true;
        say_of(w, OUCH_CANCEL_PENDING, request->user_ref, 0, 0);
    } else if (left_qty < order->qty)
        venue_cut(w, OUCH_CANCELED, request->user_ref, order->qty - left_qty, 'U');
}

/* The venue takes the next request. */
static void venue_take(struct walk *w)
{
    const struct request request = w->request[0];

    if (w->request_count == 0)
        return;
    memmove(w->request, w->request + 1, --w->request_count * sizeof(request));
    if (request.type == 'X')
        venue_cancel(w, &request);
    else if (request.user_ref >= w->venue_next_ref) {
        if (request.type == 'U')
            venue_replace(w, &request);
        else {
            w->venue_next_ref = request.user_ref + 1;
            venue_enter(w, &request);
        }
    }
}

/* A live order, by chance, or 0. */
static uint32_t venue_pick(struct walk *w)
{
    while (w->venue_oldest < w->venue_next_ref && !w->booked[w->venue_oldest].live)
        w->venue_oldest++;
    if (w->venue_oldest == w->venue_next_ref)
        return 0;
    for (uint32_t tried = 0; tried < 20; tried++) {
        const uint32_t ref = w->venue_oldest + random_below(w->venue_next_ref - w->venue_oldest);
        if (w->booked[ref].live)
            return ref;
    }
    return w->venue_oldest;
}

/* Something happens in the market. */
static void venue_live(struct walk *w)
{
    const uint32_t ref = venue_pick(w);
    struct booked *order = &w->booked[ref];

    if (percent(2))
        say(w, (struct ouch_answer){.type = OUCH_SYSTEM, .event = 'S'});
    if (ref == 0)
        return;
    const uint32_t dice = random_below(100), part = 1 + random_below(order->qty);
    if (order->cancel_pending && dice < 50)
        venue_cut(w, OUCH_CANCELED, ref, order->qty, 'U');
    else if (dice < 60)
        venue_fill(w, ref, percent(25) ? order->qty : part);
    else if (dice < 68)
        venue_cut(w, OUCH_AIQ_CANCELED, ref, part, 'Q');
    else if (dice < 74)
        venue_cut(w, OUCH_CANCELED, ref, percent(50) ? part : order->qty, 'S');
    else if (dice < 80) {
        order->qty = part;
        order->side = order->side == 'B' ? 'B' : (uint8_t)"STE"[random_below(3)];
        say_of(w, OUCH_MODIFIED, ref, part, 0);
    } else if (dice < 85)
        say_of(w, OUCH_PRIORITY, ref, 0, 0);
    else if (dice < 90)
        say_of(w, OUCH_RESTATED, ref, 0, 'R');
    else if (dice < 93)
        venue_break(w, random_below(w->traded_count + 1));
}

/* The naive ledger. */
static void close_known(struct walk *w, uint32_t ref)
{
    w->known[ref].open = false;
    for (uint32_t i = ref + 1; i < w->known_end; i++)
        if (w->known[i].open && w->known[i].waiting && w->known[i].orig_ref == ref)
            w->known[i].open = false;
}

static void note_traded(struct walk *w, const struct known *order, int64_t qty, int64_t price, int64_t times)
{
    const int64_t bought = (order->side == 'B' ? qty : -qty) * times;

    w->position[order->instrument] += bought;
    w->inherited_position[order->instrument] += order->sent ? 0 : bought;
    w->cash -= bought * price;
}

static void note_answer(struct walk *w, const struct ouch_answer *answer)
{
    struct known *order = &w->known[answer->user_ref];

    if (answer->user_ref >= w->known_end)
        w->known_end = answer->user_ref + 1;
    switch (answer->type) {
    case OUCH_REPLACED:
        order->executed_qty = w->known[answer->orig_user_ref].executed_qty;
        order->waiting = false;
        close_known(w, answer->orig_user_ref);
        __attribute__((fallthrough));
    case OUCH_ACCEPTED:
        for (uint32_t i = 0; i < INSTRUMENTS; i++)
            if (answer->symbol == symbol_of(i))
                order->instrument = (uint8_t)i;
        order->side = answer->side;
        order->open = true;
        order->qty = answer->qty;
        if (answer->state == 'D')
            close_known(w, answer->user_ref);
        break;
    case OUCH_EXECUTED:
        note_traded(w, order, answer->qty, (int64_t)answer->price, 1);
        order->executed_qty += answer->qty;
        __attribute__((fallthrough));
    case OUCH_CANCELED:
    case OUCH_AIQ_CANCELED:
        order->qty -= answer->qty;
        if (order->qty == 0)
            close_known(w, answer->user_ref);
        break;
    case OUCH_BROKEN:
        note_traded(w, order, w->traded[answer->match].qty, w->traded[answer->match].price, -1);
        w->broken[order->instrument] += (order->side == 'B' ? 1 : -1) * (int64_t)w->traded[answer->match].qty;
        break;
    case OUCH_MODIFIED:
        order->qty = answer->qty;
        order->side = answer->side;
        break;
    case OUCH_REJECTED:
        close_known(w, answer->user_ref);
        break;
    default:
        break;
    }
}

/* What has to be reserved: the larger of old and new where a replace waits. */
static uint64_t ledger_qty(const struct walk *w, uint32_t instrument, bool buy)
{
    uint64_t qty = 0;

    for (uint32_t ref = w->known_oldest; ref < w->known_end; ref++) {
        const struct known *order = &w->known[ref], *orig = &w->known[order->orig_ref];
        if (!order->open || order->instrument != instrument || (order->side == 'B') != buy)
            continue;
        if (!order->waiting) {
            qty += order->qty;
            continue;
        }
        const uint32_t since = orig->executed_qty - order->executed_qty;
        const uint32_t may = order->asked_qty > since ? order->asked_qty - since : 0;
        qty += may > orig->qty ? may - orig->qty : 0; /* orig is counted by itself */
    }
    return qty;
}

static void check(struct walk *w)
{
    struct rig *rig = w->rig;
    uint64_t table_qty[INSTRUMENTS][2] = {{0}};
    uint32_t cursor = 0, count = 0;
    const struct open_order *order;

    while ((order = open_next(&rig->open, &cursor))) {
        for (uint32_t i = 0; i < INSTRUMENTS; i++)
            if (order->symbol == symbol_of(i))
                table_qty[i][order->side == 'B'] += order->qty;
        cr_assert(w->known[order->user_ref].open, "%u is done", order->user_ref);
        count++;
    }
    cr_assert_eq(count, rig->open.count + rig->open.inherited_count);
    while (w->known_oldest < w->known_end && !w->known[w->known_oldest].open)
        w->known_oldest++;
    uint64_t venue_qty[INSTRUMENTS][2] = {{0}};
    for (uint32_t ref = w->venue_oldest; ref < w->venue_next_ref; ref++)
        if (w->booked[ref].live)
            venue_qty[w->booked[ref].instrument][w->booked[ref].side == 'B'] += w->booked[ref].qty;
    const struct market_carried *carried[INSTRUMENTS] = {NULL}; /* the slots that are taken lie anywhere */
    for (uint32_t i = 0, found = 0; i < MARKET_CARRIED_MAX && found < rig->market.carried_count; i++) {
        const struct market_carried *slot = &rig->market.carried[i];
        for (uint32_t j = 0; slot->symbol != 0 && !slot->home && j < INSTRUMENTS; j++)
            if (slot->symbol == symbol_of(j)) {
                carried[j] = slot;
                found++;
            }
    }
    for (uint32_t i = 0; i < INSTRUMENTS; i++) {
        const struct market_instrument *instrument = its(rig, i);
        int64_t position = instrument->position;
        uint64_t buys = instrument->open_buy_qty, sells = instrument->open_sell_qty;
        if (carried[i]) {
            position += carried[i]->position;
            buys += carried[i]->open_buy_qty;
            sells += carried[i]->open_sell_qty;
        }
        cr_assert(buys == table_qty[i][1] && sells == table_qty[i][0], "%u: reserved %lu %lu, open %lu %lu", i, buys,
                  sells, table_qty[i][1], table_qty[i][0]);
        cr_assert_eq(position, w->position[i]);
        cr_assert_eq(position, w->told_position[i] + w->inherited_position[i], "what the strategies heard");
        cr_assert_eq(buys, ledger_qty(w, i, true), "instrument %u: %lu, ledger %lu", i, buys, ledger_qty(w, i, true));
        cr_assert_eq(sells, ledger_qty(w, i, false));
        if (w->known_end > 1 && w->live_open) { /* never can the venue go beyond what is reserved here */
            const int64_t traded = position + w->broken[i]; /* what is broken meanwhile nobody can reserve */
            cr_assert_geq(traded + (int64_t)buys, w->venue_position[i] + (int64_t)venue_qty[i][1]);
            cr_assert_leq(traded - (int64_t)sells, w->venue_position[i] - (int64_t)venue_qty[i][0]);
        }
    }
}

/* A strategy's view: an order that is done is done, and what it hears of executions is all there is. */
static void hear(struct walk *w, const struct order_event *event)
{
    struct known *order = &w->known[event->user_ref];

    cr_assert(order->sent && (!order->ended || event->type == ORDER_BROKEN), "%u: event %u after its end",
              event->user_ref, event->type);
    cr_assert(event->strategy == 3 && event->channel == channel_of[order->instrument]);
    w->events[event->type]++;
    if (event->type == ORDER_RELEASED)
        w->reasons[event->reason]++;
    if (event->type == ORDER_FILLED)
        w->told_position[order->instrument] += event->side == 'B' ? event->qty : -(int64_t)event->qty;
    if (event->type == ORDER_BROKEN) {
        w->told_position[order->instrument] -= event->side == 'B' ? event->qty : -(int64_t)event->qty;
        cr_assert(!order->ended || event->left_qty == 0);
        return;
    }
    if (event->type == ORDER_REPLACED) {
        cr_assert_not(w->known[event->orig_ref].ended);
        w->known[event->orig_ref].ended = true;
    }
    order->ended = event->type == ORDER_REPLACE_REJECTED ||
                   ((event->type == ORDER_RELEASED || event->type == ORDER_FILLED) && event->left_qty == 0);
    const struct open_order *open = open_find(&w->rig->open, event->user_ref);
    cr_assert(order->ended ? !open : open != NULL || event->type == ORDER_REPLACED, "%u", event->user_ref);
    if (open && open->accepted)
        cr_assert_eq(event->left_qty, open->qty);
}

static void deliver(struct walk *w)
{
    if (w->delivered == w->answer_count)
        return;
    const struct ouch_answer *answer = &w->answer[w->delivered++];
    const bool ours = w->known[answer->user_ref].sent;
    note_answer(w, answer);
    const enum answer_verdict verdict = apply(w->rig, *answer);
    w->verdicts[verdict]++;
    w->types[answer->type]++;
    if (answer->type == OUCH_SYSTEM)
        cr_assert_eq(verdict, ANSWER_SESSION);
    else
        cr_assert(verdict == ANSWER_APPLIED || (verdict == ANSWER_INHERITED && !ours), "%c of %u: %s", answer->type,
                  answer->user_ref, answer_verdict_name(verdict));
    for (uint32_t i = 0; i < w->rig->event_count; i++)
        hear(w, &w->rig->events[i]);
    check(w);
}

static void request(struct walk *w, struct request request)
{
    if (w->request_count < REQUESTS_MAX)
        w->request[w->request_count++] = request;
}

static void client_enter(struct walk *w)
{
    const uint8_t instrument = (uint8_t)random_below(INSTRUMENTS), side = (uint8_t)"BBST"[random_below(4)];
    const uint32_t qty = 1 + random_below(300);

    if (w->rig->open.next_ref >= DAY_REFS - 300 || w->rig->open.count + w->rig->open.inherited_count > 40 ||
        !open_room(&w->rig->open) || its(w->rig, instrument)->symbol == 0)
        return;
    const uint32_t ref = enter(w->rig, instrument, side, qty);
    w->known[ref] = (struct known){.instrument = instrument, .side = side, .open = true, .sent = true, .qty = qty};
    w->known_end = ref + 1;
    request(w, (struct request){.type = 'O', .user_ref = ref, .instrument = instrument, .side = side, .qty = qty,
                                .ioc = percent(25)});
}

/* An open order, of any life, by chance. */
static struct open_order *client_pick(struct walk *w)
{
    const uint32_t count = w->rig->open.count + w->rig->open.inherited_count;
    uint32_t cursor = 0;
    struct open_order *order = NULL;

    for (uint32_t i = 0, end = count > 0 ? 1 + random_below(count) : 0; i < end; i++)
        order = open_next(&w->rig->open, &cursor);
    return order;
}

static void client_cancel(struct walk *w, struct open_order *order)
{
    if (!order || !open_cancellable(order))
        return;
    const uint32_t left_qty = percent(40) ? random_below(order->qty + 2) : 0;
    request(w, (struct request){.type = 'X', .user_ref = order->user_ref, .qty = open_wire_qty(order, left_qty)});
    open_cancel_sent(order, left_qty);
}

static void client_replace(struct walk *w, struct open_order *orig)
{
    if (!orig || orig->inherited || !open_replaceable(orig) || !open_room(&w->rig->open) ||
        w->rig->open.next_ref >= DAY_REFS - 300)
        return;
    const struct known *old = &w->known[orig->user_ref];
    const uint32_t qty = 1 + random_below(2 * orig->qty + 20), wire_qty = open_wire_qty(orig, qty);
    const uint32_t ref = replace(w->rig, old->instrument, orig->user_ref, qty);
    w->known[ref] = (struct known){.instrument = old->instrument, .side = old->side, .open = true, .waiting = true,
                                   .sent = true, .asked_qty = qty, .executed_qty = old->executed_qty,
                                   .orig_ref = orig->user_ref};
    w->known_end = ref + 1;
    request(w, (struct request){.type = 'U', .user_ref = ref, .orig_ref = orig->user_ref, .qty = wire_qty});
}

/* The connection is gone: some requests were lost, the venue may cancel what is open, and no answer is. */
static void disconnect(struct walk *w)
{
    for (uint32_t taken = random_below(w->request_count + 1); taken > 0; taken--)
        venue_take(w);
    w->request_count = 0;
    if (percent(50))
        for (uint32_t ref = 1; ref < w->venue_next_ref; ref++)
            if (w->booked[ref].live)
                venue_cut(w, OUCH_CANCELED, ref, w->booked[ref].qty, 'D');
}

static void reconnect(struct walk *w)
{
    struct order_event event;
    uint32_t cursor = 0;

    while (w->delivered < w->answer_count)
        deliver(w);
    w->live_open = 1;
    while (answer_resolve_next(&w->rig->open, &w->rig->market, w->venue_next_ref, &cursor, 99, &event)) {
        if (event.type == ORDER_RELEASED) {
            cr_assert_geq(event.user_ref, w->venue_next_ref);
            w->known[event.user_ref].open = false; /* a replace of it has its own turn */
        } else {
            cr_assert(w->booked[event.user_ref].live, "%u is not in the book", event.user_ref);
        }
        hear(w, &event);
        check(w);
        if (event.type == ORDER_UNKNOWN)
            client_cancel(w, open_find(&w->rig->open, event.user_ref));
    }
    cursor = 0;
    struct open_order *order;
    while ((order = open_next(&w->rig->open, &cursor)))
        if (order->inherited)
            client_cancel(w, order);
}

static void line_breaks(struct walk *w)
{
    struct order_event event;
    uint32_t cursor = 0;

    disconnect(w);
    while (answer_break_next(&w->rig->open, &cursor, 99, &event))
        hear(w, &event);
    check(w);
    reconnect(w);
}

static void restart(struct walk *w)
{
    disconnect(w);
    begin(w->rig, w->rig->open.next_ref + 5);
    memset(w->known, 0, sizeof(w->known));
    memset(w->position, 0, sizeof(w->position));
    memset(w->told_position, 0, sizeof(w->told_position));
    memset(w->inherited_position, 0, sizeof(w->inherited_position));
    memset(w->broken, 0, sizeof(w->broken));
    w->cash = 0;
    w->known_oldest = w->known_end = 1;
    w->delivered = w->live_open = 0;
    for (uint32_t i = 0; i < INSTRUMENTS; i++) { /* the market is heard of while the day is replayed */
        for (uint32_t n = random_below(w->answer_count - w->delivered + 1); n > 0; n--)
            deliver(w);
        if (percent(90))
            define(w->rig, i);
    }
    reconnect(w);
    for (uint32_t i = 0; i < INSTRUMENTS; i++)
        define(w->rig, i);
    check(w);
}

static void day(struct walk *w, uint64_t seed)
{
    random_state = seed;
    begin(w->rig, 1);
    for (uint32_t i = 0; i < INSTRUMENTS; i++)
        define(w->rig, i);
    w->venue_next_ref = w->venue_oldest = w->known_oldest = w->known_end = 1;
    w->live_open = 1;
    for (uint32_t step = 0; step < 30000; step++) {
        const uint32_t dice = random_below(1000);
        if (dice < 200)
            client_enter(w);
        else if (dice < 280)
            client_cancel(w, client_pick(w));
        else if (dice < 380)
            client_replace(w, client_pick(w));
        else if (dice < 600)
            venue_take(w);
        else if (dice < 720)
            venue_live(w);
        else if (dice < 998)
            deliver(w);
        else if (percent(95))
            line_breaks(w);
        else
            restart(w);
    }
    /* everything goes home */
    for (uint32_t round = 0; w->rig->open.count + w->rig->open.inherited_count > 0; round++) {
        cr_assert_lt(round, 200u, "an order is left over");
        struct open_order *order;
        uint32_t cursor = 0;
        while ((order = open_next(&w->rig->open, &cursor)))
            if (open_cancellable(order)) {
                request(w, (struct request){.type = 'X', .user_ref = order->user_ref});
                open_cancel_sent(order, 0);
            }
        while (w->request_count > 0)
            venue_take(w);
        for (uint32_t i = 0; i < 50; i++)
            venue_live(w);
        while (w->delivered < w->answer_count)
            deliver(w);
    }
    for (uint32_t i = 0; i < INSTRUMENTS; i++) {
        cr_assert(its(w->rig, i)->open_buy_qty == 0 && its(w->rig, i)->open_sell_qty == 0);
        cr_assert_eq(its(w->rig, i)->position, w->venue_position[i] - w->venue_broken[i]);
    }
    cr_assert_eq(cash(w->rig), w->cash);
    for (uint32_t ref = 1; ref < w->known_end; ref++)
        cr_assert(!w->known[ref].sent || w->known[ref].ended, "%u has no end", ref);
}

Test(answer, random_histories_agree_with_the_venue_and_a_ledger, .timeout = 110)
{
    struct rig *rig = rig_open();
    struct walk *w = malloc(sizeof(*w));
    uint64_t answers = 0, types[256] = {0}, events[16] = {0}, reasons[16] = {0}, inherited = 0;

    for (uint64_t seed = 1; answers < 200000; seed++) {
        memset(w, 0, sizeof(*w));
        w->rig = rig;
        day(w, seed);
        for (uint32_t i = 0; i < 256; i++) {
            types[i] += w->types[i];
            answers += w->types[i];
        }
        for (uint32_t i = 0; i < 16; i++) {
            events[i] += w->events[i];
            reasons[i] += w->reasons[i];
        }
        inherited += w->verdicts[ANSWER_INHERITED];
    }
    for (const char *type = "SAUCDEBJPITMR"; *type; type++)
        cr_assert_gt(types[(uint8_t)*type], 100u, "%c hardly came", *type);
    for (uint32_t type = ORDER_FILLED; type <= ORDER_UNKNOWN; type++)
        cr_assert_gt(events[type], 100u, "event %u was hardly told", type);
    for (uint32_t reason = ORDER_RELEASE_CANCELED; reason <= ORDER_RELEASE_REPLACED_GONE; reason++)
        cr_assert_gt(reasons[reason], 100u, "reason %u hardly occurred", reason);
    cr_assert_gt(inherited, 10000u);
    free(w);
    rig_close(rig);
}
