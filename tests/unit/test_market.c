/* market: what the gate decides on follows from the events, and from nothing else. */
#include "gateway/order/market.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

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
    market_lost(market, 3);
    cr_assert(market->channel[0].stale && market->channel[1].stale);
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
                                                 .operational = 'H', .short_sale = '2', .untradable = true,
                                                 .collar_upper = 8, .collar_lower = 7, .ipo_release_s = 9};
        *instrument = before;
        send(market, (enum md_type)type, 0, 3, 'x', 99);
        cr_assert_eq(instrument->collar_upper, type == MD_COLLAR ? 0 : 8, "type %u", type);
        cr_assert_eq(instrument->collar_lower, type == MD_COLLAR ? 99 : 7, "type %u", type);
        cr_assert_eq(instrument->ipo_release_s, type == MD_IPO ? 0u : 9u, "type %u", type);
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
        if (type == MD_SESSION || type == MD_RESET)
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

static void send_flags(struct market *market, enum md_type type, uint16_t channel, uint16_t flags)
{
    const struct md_event event = {.type = (uint8_t)type,
                                   .channel = channel,
                                   .flags = flags,
                                   .instrument = MD_INSTRUMENT_NONE,
                                   .bid_price = MD_PRICE_NONE,
                                   .ask_price = MD_PRICE_NONE};
    market_apply(market, &event);
}

Test(market, collars_and_releases_are_kept_while_they_are_known)
{
    struct market *market = market_make();
    struct market_instrument *instrument = market_find(market, 0, 2);
    cr_assert(instrument->collar_upper == MD_PRICE_NONE && instrument->collar_lower == MD_PRICE_NONE);
    struct md_event event = {.type = MD_COLLAR, .instrument = 2, .ref = UINT64_C(1200) << 32 | 1000};
    market_apply(market, &event);
    cr_assert(instrument->collar_upper == 1200 && instrument->collar_lower == 1000);
    event.ref = UINT64_C(0xffffffff) << 32 | INT32_MAX;
    market_apply(market, &event);
    cr_assert_eq(instrument->collar_upper, MD_PRICE_NONE, "more than a price can be");
    cr_assert_eq(instrument->collar_lower, INT32_MAX);
    event = (struct md_event){.type = MD_IPO, .instrument = 2, .side = 'A', .qty = 36000, .price = 170000};
    market_apply(market, &event);
    cr_assert_eq(instrument->ipo_release_s, 36000u);
    event.side = 'C';
    market_apply(market, &event);
    cr_assert_eq(instrument->ipo_release_s, 0u, "cancelled or postponed");
    event.side = 'A';
    market_apply(market, &event);
    send_flags(market, MD_RESET, 0, MD_STALE); /* a snapshot carries neither */
    cr_assert(instrument->collar_lower == MD_PRICE_NONE && instrument->ipo_release_s == 0);
    market_drop(market);
}

Test(market, the_last_price_is_of_trades_that_were_shown)
{
    static const enum md_type types[] = {MD_EXECUTE, MD_TRADE, MD_CROSS};
    struct market *market = market_make();
    struct market_instrument *instrument = market_find(market, 0, 1);
    cr_assert_eq(instrument->last_price, MD_PRICE_NONE);
    for (size_t i = 0; i < 3; i++) {
        struct md_event event = {.type = (uint8_t)types[i], .instrument = 1, .price = 1000 + (int32_t)i};
        market_apply(market, &event);
        cr_assert_eq(instrument->last_price, event.price);
        event.price += 5;
        event.flags = MD_HIDDEN;
        market_apply(market, &event);
        event.flags = 0;
        event.price = 0;
        market_apply(market, &event);
        event.price = MD_PRICE_NONE;
        market_apply(market, &event);
        cr_assert_eq(instrument->last_price, 1000 + (int32_t)i);
        event.price = 1;
        market_apply(market, &event);
        cr_assert_eq(instrument->last_price, 1, "the least price there is");
    }
    market_drop(market);
}

/* All that can be said of an instrument is said; then its channel begins anew. */
Test(market, a_forgotten_instrument_is_as_one_that_was_never_heard_of)
{
    static const enum md_type anew[] = {MD_SESSION, MD_RESET};
    struct market *market = market_make();
    const struct market_instrument fresh = *market_find(market, 0, 1);
    struct market_instrument *instrument = market_find(market, 0, 1);
    for (size_t i = 0; i < 2; i++) {
        for (uint8_t type = MD_DEFINE; type < MD_TYPE_COUNT; type++) {
            const struct md_event event = {.type = type, .instrument = 1, .side = '1', .price = 5, .ref = 7,
                                           .qty = 9, .bid_price = 3, .bid_qty = 4, .ask_price = 5, .ask_qty = 6,
                                           .flags = MD_UNTRADABLE};
            market_apply(market, &event);
        }
        instrument->tick = REFERENCE_TICK_SIZE;
        instrument->reference = REFERENCE_RESTRICTED;
        instrument->tick_size = instrument->close_price = 500;
        instrument->lot = 100;
        cr_assert_neq(memcmp(instrument, &fresh, sizeof(fresh)), 0);
        cr_assert_neq(market->channel[0].known[0], 0u);
        send(market, anew[i], 0, MD_INSTRUMENT_NONE, 0, 0);
        cr_assert_eq(memcmp(instrument, &fresh, sizeof(fresh)), 0);
        cr_assert_eq(market->channel[0].known[0], 0u, "it is not walked again");
    }
    market_drop(market);
}

Test(market, memory_may_hold_anything_at_first)
{
    struct market clean, used;
    const size_t bytes = market_footprint(counts, 2);
    void *zeros = aligned_alloc(64, bytes), *dirt = aligned_alloc(64, bytes);
    memset(zeros, 0, bytes);
    memset(dirt, 0xa5, bytes);
    market_init(&clean, zeros, counts, 2);
    market_init(&used, dirt, counts, 2);
    for (uint16_t i = 0; i < 2; i++) {
        cr_assert_eq(clean.channel[i].known[0], used.channel[i].known[0]);
        for (uint16_t j = 0; j < counts[i]; j++)
            cr_assert_eq(memcmp(market_find(&clean, i, j), market_find(&used, i, j), sizeof(struct market_instrument)),
                         0);
    }
    free(zeros);
    free(dirt);
}

Test(market, nothing_is_forgotten_to_be_forgotten)
{
    static const uint32_t many[2] = {200, 129};
    struct market market;
    void *memory = aligned_alloc(64, market_footprint(many, 2));
    market_init(&market, memory, many, 2);
    for (uint32_t round = 0; round < 3; round++) {
        for (uint16_t i = 0; i < 2; i++)
            for (uint16_t j = 0; j < many[i]; j++) {
                send(&market, MD_STATE, i, j, 'H', 0); /* before it has a name */
                if (j % 2)
                    send(&market, MD_DEFINE, i, j, 0, 1u + j);
                send(&market, MD_SHORT_SALE, i, j, '1', 0);
            }
        send(&market, round % 2 ? MD_SESSION : MD_RESET, 0, MD_INSTRUMENT_NONE, 0, 0);
        for (uint16_t i = 0; i < 2; i++)
            for (uint16_t j = 0; j < many[i]; j++) {
                const struct market_instrument *instrument = market_find(&market, i, j);
                cr_assert_eq(instrument->symbol, i == 1 && j % 2 ? 1u + j : 0u);
                cr_assert_eq(instrument->state, i == 1 ? 'H' : 0);
                cr_assert_eq(instrument->short_sale, i == 1 ? '1' : 0);
                cr_assert_eq(instrument->bid_price, i == 1 ? 10 : MD_PRICE_NONE);
            }
    }
    free(memory);
}

Test(market, breakers_and_system_events_are_the_channels_until_it_begins_anew)
{
    static const enum md_type anew[] = {MD_SESSION, MD_RESET};
    struct market *market = market_make();
    struct market_channel *channel = &market->channel[1];
    for (size_t i = 0; i < 2; i++) {
        cr_assert(channel->system == 0 && channel->mwcb_breached == 0 && channel->mwcb_level_e8[1] == 0);
        send(market, MD_SYSTEM, 1, MD_INSTRUMENT_NONE, 'O', 0);
        send(market, MD_SYSTEM, 1, MD_INSTRUMENT_NONE, 'Q', 0);
        for (uint8_t level = 0; level < 5; level++)
            send(market, MD_MWCB_LEVEL, 1, MD_INSTRUMENT_NONE, (uint8_t)('0' + level), 100u * level);
        send(market, MD_MWCB_BREACH, 1, MD_INSTRUMENT_NONE, '2', 0);
        cr_assert(channel->system == 'Q' && channel->mwcb_breached == '2');
        for (uint32_t k = 0; k < 3; k++)
            cr_assert_eq(channel->mwcb_level_e8[k], 100u * (k + 1));
        cr_assert_eq(market->channel[0].system, 0u);
        send(market, anew[i], 1, MD_INSTRUMENT_NONE, 0, 0);
        cr_assert(channel->system == 0 && channel->mwcb_breached == 0 && channel->mwcb_level_e8[1] == 0);
    }
    market_drop(market);
}

Test(market, a_loss_concerns_its_channels_alone)
{
    struct market *market = market_make();
    market_lost(market, 1u << 1);
    cr_assert(market->channel[1].stale && market->channel[1].lost && market->lapped_channels == 2);
    cr_assert(!market->channel[0].stale && !market->channel[0].lost);
    market_lost(market, UINT32_MAX);
    cr_assert(market->channel[0].lost && market->lapped_channels == 3);
    market_drop(market);
}

Test(market, a_refresh_makes_good_what_was_lost_and_nothing_but_a_session_makes_it_unhappen)
{
    static const enum md_type ends[] = {MD_STALE_END, MD_STALE_BEGIN};
    struct market *market = market_make();
    struct market_channel *channel = &market->channel[0];
    for (size_t i = 0; i < 2; i++) {
        struct market_instrument *instrument = market_find(market, 0, 1);
        const bool stale = ends[i] == MD_STALE_BEGIN;
        const uint16_t flags = (uint16_t)(MD_REFRESH | (stale ? MD_STALE : 0));
        send(market, MD_DEFINE, 0, 1, 0, 5);
        send(market, MD_STATE, 0, 1, 'H', 0);
        instrument->position = 3;
        instrument->open_sell_qty = 4;
        market_lost(market, 1);
        cr_assert(channel->stale && channel->lost);
        send_flags(market, MD_SESSION_END, 0, 0);
        send_flags(market, MD_RESET, 0, flags);
        cr_assert(instrument->symbol == 0 && instrument->state == 0 && instrument->bid_price == MD_PRICE_NONE);
        cr_assert(instrument->position == 3 && instrument->open_sell_qty == 4);
        cr_assert_not(channel->session_ended, "the refresh says it again if it is so");
        send(market, MD_DEFINE, 0, 1, 0, 6);
        send_flags(market, MD_STALE_END, 0, 0); /* some other hole's */
        cr_assert(channel->stale && channel->lost, "its end is not yet");
        send_flags(market, ends[i], 0, flags);
        cr_assert(channel->stale == stale && !channel->lost);
        cr_assert_eq(instrument->symbol, 6u);
        cr_assert_eq(market->lapped_channels, 1u, "it did happen");
        send_flags(market, MD_RESET, 0, 0);
        cr_assert_eq(market->lapped_channels, 1u);
        send(market, MD_SESSION, 0, MD_INSTRUMENT_NONE, 0, 0);
        cr_assert_eq(market->lapped_channels, 0u);
    }
    market_drop(market);
}

Test(market, a_reset_by_the_feed_makes_good_what_was_lost_before_it)
{
    struct market *market = market_make();
    struct market_channel *channel = &market->channel[0];
    market_lost(market, 1);
    send_flags(market, MD_RESET, 0, MD_STALE);
    cr_assert(!channel->lost && channel->stale, "a snapshot follows: the feed itself is not whole yet");
    send_flags(market, MD_STALE_END, 0, 0);
    cr_assert_not(channel->stale);
    send_flags(market, MD_SESSION_END, 0, 0);
    send_flags(market, MD_RESET, 0, MD_STALE);
    cr_assert(channel->session_ended, "the session goes on as it was");
    market_drop(market);
}

Test(market, a_symbol_is_found_in_the_first_channel_that_knows_it)
{
    struct market *market = market_make();
    uint16_t channel = 9, instrument = 9;
    cr_assert_not(market_symbol_find(market, md_symbol("ABC"), &channel, &instrument));
    cr_assert_not(market_symbol_find(market, 0, &channel, &instrument), "nobody is called nothing");
    cr_assert(channel == 9 && instrument == 9);
    send(market, MD_DEFINE, 1, 1, 0, md_symbol("ABC"));
    cr_assert(market_symbol_find(market, md_symbol("ABC"), &channel, &instrument));
    cr_assert(channel == 1 && instrument == 1);
    send(market, MD_DEFINE, 0, 3, 0, md_symbol("ABC"));
    cr_assert(market_symbol_find(market, md_symbol("ABC"), &channel, &instrument));
    cr_assert(channel == 0 && instrument == 3);
    market_drop(market);
}

Test(market, what_is_carried_moves_in_with_the_name_and_stays_there)
{
    struct market *market = market_make();
    const uint64_t abc = md_symbol("ABC"), xyz = md_symbol("XYZ");
    cr_assert(market_carry(market, abc, -30, 10, 0, 70));
    cr_assert(market_carry(market, abc, 5, 10, 20, -10));
    cr_assert(market_carry(market, xyz, 1, 10, 2, 3));
    cr_assert_eq(market->carried_count, 2u);
    struct market_instrument *instrument = market_find(market, 1, 0), *other = market_find(market, 0, 2);
    instrument->position = 1000;
    send(market, MD_ADD, 1, 0, 'B', abc);
    cr_assert_eq(instrument->position, 1000, "only a definition names it");
    send(market, MD_DEFINE, 1, 0, 0, abc);
    cr_assert(instrument->position == 975 && instrument->open_buy_qty == 20 && instrument->open_sell_qty == 60);
    cr_assert_eq(market->carried_count, 1u);
    int64_t position = instrument->position;
    for (uint32_t i = 0; i < MARKET_CARRIED_MAX; i++)
        position += market->carried[i].symbol == abc ? market->carried[i].position : 0;
    cr_assert_eq(position, 975, "nowhere twice");
    for (uint32_t i = 0; i < MARKET_CARRIED_MAX; i++)
        if (market->carried[i].symbol == abc)
            cr_assert(market->carried[i].cost == 0 && market->carried[i].open_buy_qty == 0 &&
                      market->carried[i].open_sell_qty == 0);
    send(market, MD_DEFINE, 0, 2, 0, abc); /* on another channel: the shares are where they were first wanted */
    send(market, MD_DEFINE, 1, 0, 0, abc);
    cr_assert(other->position == 0 && other->open_buy_qty == 0 && instrument->position == 975);
    send_flags(market, MD_SESSION, 1, 0);
    cr_assert(market_carry(market, abc, 15, 10, -20, -60), "its home has no name now");
    cr_assert(instrument->position == 990 && instrument->open_buy_qty == 0 && instrument->open_sell_qty == 0);
    send(market, MD_DEFINE, 1, 1, 0, 0);
    cr_assert_eq(market->carried_count, 1u, "no name is not a name");
    send(market, MD_DEFINE, 0, 1, 0, xyz);
    cr_assert(market_find(market, 0, 1)->open_sell_qty == 3 && market->carried_count == 0);
    market_drop(market);
}

Test(market, symbols_beyond_the_table_are_refused_and_counted)
{
    struct market *market = market_make();
    cr_assert_not(market_carry(market, 0, 1, 10, 1, 1));
    for (uint64_t i = 0; i < MARKET_CARRIED_MAX; i++)
        cr_assert(market_carry(market, (i + 1) * 0x123456789u, 1, 10, 2, 3));
    cr_assert_not(market_carry(market, 5, 1, 10, 2, 3));
    cr_assert_eq(market->carried_full_count, 2u);
    send(market, MD_DEFINE, 0, 0, 0, 5);
    cr_assert_eq(market_find(market, 0, 0)->position, 0);
    for (uint64_t i = 0; i < MARKET_CARRIED_MAX; i++)
        cr_assert(market_carry(market, (i + 1) * 0x123456789u, (int64_t)i, 10, -2, 0), "those that are there stay");
    for (uint64_t i = 0; i < MARKET_CARRIED_MAX; i++) {
        struct market_instrument *instrument = market_find(market, 0, 1);
        instrument->position = 0;
        instrument->open_buy_qty = instrument->open_sell_qty = 0;
        send(market, MD_DEFINE, 0, 1, 0, (i + 1) * 0x123456789u);
        cr_assert(instrument->position == (int64_t)i + 1 && instrument->open_buy_qty == 0 &&
                  instrument->open_sell_qty == 3);
    }
    cr_assert_eq(market->carried_count, 0u);
    market_drop(market);
}

Test(market, the_end_of_doubt_behind_the_end_of_a_session_takes_it_back)
{
    struct market *market = market_make();
    send(market, MD_SESSION_END, 0, MD_INSTRUMENT_NONE, 0, 0);
    send_flags(market, MD_STALE_END, 0, MD_REFRESH);
    cr_assert(market->channel[0].session_ended, "the end of a refresh says nothing of it");
    send(market, MD_STALE_END, 0, MD_INSTRUMENT_NONE, 0, 0);
    cr_assert(!market->channel[0].session_ended && !market->channel[0].stale);
    market_drop(market);
}
