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
    send(market, MD_STALE_BEGIN, 0, MD_INSTRUMENT_NONE, 0, 0);
    send(market, MD_SESSION_END, 0, MD_INSTRUMENT_NONE, 0, 0);
    cr_assert(market->channel[0].session_ended && !market->channel[1].session_ended);
    instrument->position = -7;
    instrument->open_buy_qty = 3;
    send(market, MD_SESSION, 0, MD_INSTRUMENT_NONE, 0, 0);
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
    cr_assert_eq(market->out_of_range_count, 3u);
    market_drop(market);
}
