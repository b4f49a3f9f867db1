/* market: what the gate decides on follows from the events, and from nothing else. */
#include "gateway/order/market.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static const uint32_t counts[2] = {4, 2};

static struct market *market_make(void)
{
    struct market *market = malloc(sizeof(*market));
    market_init(market, aligned_alloc(64, market_footprint(counts, 2)), counts, 2);
    return market;
}

static void market_drop(struct market *market)
{
    free(market->channel[0].instruments);
    free(market);
}

static void send(struct market *market, enum md_type type, uint16_t channel, uint16_t instrument, uint8_t side,
                 uint64_t ref)
{
    const struct md_event event = {.type = (uint8_t)type,
                                   .channel = channel,
                                   .instrument = instrument,
                                   .side = side,
                                   .ref = ref,
                                   .bid_price = 10,
                                   .bid_qty = 1,
                                   .ask_price = 12,
                                   .ask_qty = 2};
    market_apply(market, &event);
}

Test(market, begins_empty)
{
    struct market *market = market_make();
    for (uint16_t i = 0; i < 2; i++)
        for (uint16_t j = 0; j < counts[i]; j++) {
            const struct market_instrument *instrument = market_find(market, i, j);
            cr_assert(instrument->bid_price == MD_PRICE_NONE && instrument->ask_price == MD_PRICE_NONE);
            cr_assert(instrument->symbol == 0 && instrument->position == 0 && instrument->state == 0);
        }
    cr_assert_null(market_find(market, 0, 4));
    cr_assert_null(market_find(market, 1, 2));
    cr_assert_null(market_find(market, 2, 0));
    market_drop(market);
}

Test(market, every_event_of_an_instrument_brings_its_best_prices)
{
    struct market *market = market_make();
    static const enum md_type types[] = {MD_DEFINE, MD_ADD, MD_DELETE, MD_TRADE, MD_STATE, MD_IMBALANCE};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        struct market_instrument *instrument = market_find(market, 1, 1);
        instrument->bid_price = 0;
        send(market, types[i], 1, 1, 'T', 5);
        cr_assert(instrument->bid_price == 10 && instrument->bid_qty == 1);
        cr_assert(instrument->ask_price == 12 && instrument->ask_qty == 2);
    }
    cr_assert_eq(market_find(market, 1, 0)->bid_price, MD_PRICE_NONE, "and of no other");
    cr_assert_eq(market_find(market, 0, 1)->bid_price, MD_PRICE_NONE);
    market_drop(market);
}

Test(market, states_are_kept)
{
    struct market *market = market_make();
    struct market_instrument *instrument = market_find(market, 0, 2);
    send(market, MD_DEFINE, 0, 2, 0, md_symbol("XYZ"));
    send(market, MD_STATE, 0, 2, 'H', 0);
    send(market, MD_OPERATIONAL, 0, 2, 'H', 0);
    send(market, MD_SHORT_SALE, 0, 2, '1', 0);
    send(market, MD_ADD, 0, 2, 'B', 77);
    cr_assert_eq(instrument->symbol, md_symbol("XYZ"));
    cr_assert(instrument->state == 'H' && instrument->operational == 'H' && instrument->short_sale == '1');
    struct md_event event = {.type = MD_ADD, .instrument = 2, .flags = MD_UNTRADABLE};
    market_apply(market, &event);
    cr_assert(instrument->untradable);
    market_drop(market);
}

Test(market, a_hole_makes_its_own_channel_stale_until_it_is_whole)
{
    struct market *market = market_make();
    send(market, MD_STALE_BEGIN, 1, MD_INSTRUMENT_NONE, 0, 5);
    cr_assert(market->channel[1].stale && !market->channel[0].stale);
    send(market, MD_ADD, 1, 1, 'B', 6);
    cr_assert(market->channel[1].stale, "one message proves nothing");
    send(market, MD_STALE_END, 1, MD_INSTRUMENT_NONE, 0, 0);
    cr_assert_not(market->channel[1].stale);
    market_lost(market);
    cr_assert(market->channel[0].stale && market->channel[1].stale);
    market_drop(market);
}

Test(market, a_session_forgets_the_market_and_keeps_the_position)
{
    struct market *market = market_make();
    struct market_instrument *instrument = market_find(market, 0, 1);
    send(market, MD_DEFINE, 0, 1, 0, 5);
    send(market, MD_STATE, 0, 1, 'H', 0);
    send(market, MD_OPERATIONAL, 0, 1, 'H', 0);
    send(market, MD_SHORT_SALE, 0, 1, '1', 0);
    send(market, MD_STALE_BEGIN, 0, MD_INSTRUMENT_NONE, 0, 0);
    send(market, MD_SESSION_END, 0, MD_INSTRUMENT_NONE, 0, 0);
    cr_assert(market->channel[0].session_ended && !market->channel[1].session_ended);
    instrument->position = -7;
    instrument->open_buy_qty = 3;
    send(market, MD_SESSION, 0, MD_INSTRUMENT_NONE, 0, 0);
    cr_assert(instrument->state == 0 && instrument->operational == 0 && instrument->short_sale == 0);
    cr_assert(instrument->symbol == 0 && instrument->state == 0 && instrument->bid_price == MD_PRICE_NONE);
    cr_assert(instrument->position == -7 && instrument->open_buy_qty == 3);
    cr_assert(!market->channel[0].stale && !market->channel[0].session_ended);
    market_drop(market);
}

Test(market, time_is_the_frames_and_touches_nothing_else)
{
    struct market *market = market_make();
    const struct md_event event = {.type = MD_TIME, .channel = 9, .instrument = MD_INSTRUMENT_NONE, .exchange_ns = 123};
    market_apply(market, &event);
    cr_assert_eq(market->now_ns, 123u);
    cr_assert_eq(market->out_of_range_count, 0u);
    market_drop(market);
}

Test(market, events_that_name_nobody_are_counted)
{
    struct market *market = market_make();
    send(market, MD_ADD, 2, 0, 'B', 0);
    send(market, MD_ADD, 0, 4, 'B', 0);
    send(market, MD_STALE_BEGIN, 7, MD_INSTRUMENT_NONE, 0, 0);
    send(market, MD_STALE_BEGIN, 2, MD_INSTRUMENT_NONE, 0, 0); /* the first that there is not */
    cr_assert_eq(market->out_of_range_count, 4u);
    market_drop(market);
}

Test(market, what_was_lost_is_not_made_good_by_the_end_of_another_hole)
{
    struct market *market = market_make();
    market_lost(market);
    send(market, MD_ADD, 0, 1, 'B', 6);
    send(market, MD_STALE_BEGIN, 0, MD_INSTRUMENT_NONE, 0, 5);
    send(market, MD_STALE_END, 0, MD_INSTRUMENT_NONE, 0, 0);
    cr_assert(market->channel[0].stale, "a halt may be among what was lost");
    send(market, MD_SESSION, 0, MD_INSTRUMENT_NONE, 0, 0);
    cr_assert(!market->channel[0].stale && market->channel[1].stale, "a session begins from nothing, each its own");
    send(market, MD_STALE_BEGIN, 0, MD_INSTRUMENT_NONE, 0, 5);
    send(market, MD_STALE_END, 0, MD_INSTRUMENT_NONE, 0, 0);
    cr_assert_not(market->channel[0].stale, "and holes end again");
    market_drop(market);
}

Test(market, each_type_of_event_changes_what_is_its_own)
{
    struct market *market = market_make();
    for (uint8_t type = MD_DEFINE; type < MD_TYPE_COUNT; type++) {
        struct market_instrument *instrument = market_find(market, 0, 3);
        const struct market_instrument before = {.bid_price = 1, .ask_price = 2, .symbol = 3, .position = 4,
                                                 .open_buy_qty = 5, .open_sell_qty = 6, .state = 'P',
                                                 .operational = 'H', .short_sale = '2', .untradable = true};
        *instrument = before;
        send(market, (enum md_type)type, 0, 3, 'x', 99);
        cr_assert_eq(instrument->symbol, type == MD_DEFINE ? 99u : 3u, "type %u", type);
        cr_assert_eq(instrument->state, type == MD_STATE ? 'x' : 'P', "type %u", type);
        cr_assert_eq(instrument->operational, type == MD_OPERATIONAL ? 'x' : 'H', "type %u", type);
        cr_assert_eq(instrument->short_sale, type == MD_SHORT_SALE ? 'x' : '2', "type %u", type);
        cr_assert_not(instrument->untradable, "each event says it anew");
        cr_assert(instrument->position == 4 && instrument->open_buy_qty == 5 && instrument->open_sell_qty == 6);
        cr_assert(!market->channel[0].stale && !market->channel[0].session_ended, "type %u", type);
    }
    cr_assert_eq(market->out_of_range_count, 0u);
    market_drop(market);
}

Test(market, an_event_of_the_whole_channel_touches_no_instrument_but_for_a_new_session)
{
    struct market *market = market_make();
    for (uint16_t i = 0; i < counts[0]; i++)
        send(market, MD_DEFINE, 0, i, 0, 40u + i);
    for (uint8_t type = MD_DEFINE; type < MD_TYPE_COUNT; type++) {
        if (type == MD_SESSION)
            continue;
        const struct md_event event = {.type = type, .instrument = MD_INSTRUMENT_NONE, .side = 'H', .ref = 7,
                                       .bid_price = 77, .ask_price = 78, .flags = MD_UNTRADABLE};
        market_apply(market, &event);
        for (uint16_t i = 0; i < counts[0]; i++) {
            const struct market_instrument *instrument = market_find(market, 0, i);
            cr_assert(instrument->symbol == 40u + i && instrument->bid_price == 10 && !instrument->untradable);
            cr_assert(instrument->state == 0 && instrument->operational == 0);
        }
    }
    cr_assert_eq(market->out_of_range_count, 0u);
    market_drop(market);
}

Test(market, time_goes_where_the_frames_say_backwards_too)
{
    struct market *market = market_make();
    static const uint64_t times[] = {5, UINT64_MAX, 0, 7};
    for (size_t i = 0; i < 4; i++) {
        const struct md_event event = {.type = MD_TIME, .exchange_ns = times[i]};
        market_apply(market, &event);
        cr_assert_eq(market->now_ns, times[i]);
    }
    market_drop(market);
}
