/* refresh: what it sends is all that the channel knows, in the order and the goes of its contract. */
#include "feed/refresh.h"

#include "tests/unit/feed_rig.h"

#include <criterion/criterion.h>

#define SYMBOLS 20u

static struct feed_rig rig;
static struct refresh refresh;
static struct market market;
static void *market_memory;

static void start(void)
{
    feed_rig_open(&rig, 1, SYMBOLS, 3);
    const uint32_t counts[2] = {1, rig.instrument_count};
    market_memory = aligned_alloc(CACHE_LINE_BYTES, market_footprint(counts, 2));
    market_init(&market, market_memory, counts, 2);
}

static void stop(void)
{
    feed_rig_close(&rig);
    free(market_memory);
}

TestSuite(refresh, .init = start, .fini = stop);

static void steps(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        feed_rig_step(&rig);
}

/* The next event of the refresh in hand; false: that was all. */
static bool next(struct md_event *ret_event)
{
    enum refresh_verdict verdict;

    while ((verdict = refresh_next(&refresh, ret_event)) == REFRESH_NOTHING)
        ;
    return verdict == REFRESH_EVENT;
}

/* All that is known, to a reader whose market is full of nonsense. */
static void apply_all(void)
{
    struct md_event event;

    for (uint16_t i = 0; i < rig.instrument_count; i++) {
        const struct md_event nonsense = {.type = MD_DEFINE, .channel = 1, .instrument = i, .ref = 99};
        market_apply(&market, &nonsense);
        *market_find(&market, 1, i) = (struct market_instrument){.bid_price = 1,
                                                                 .ask_price = -1,
                                                                 .symbol = 99,
                                                                 .position = 7,
                                                                 .open_buy_qty = 8,
                                                                 .open_sell_qty = 9,
                                                                 .state = 'x',
                                                                 .operational = 'x',
                                                                 .short_sale = 'x',
                                                                 .untradable = true,
                                                                 .ipo_release_s = 4};
    }
    market_lost(&market, 1u << 1);
    market.channel[1].session_ended = true;
    refresh_begin(&refresh, rig.channel, 1, NULL, 0);
    while (next(&event))
        market_apply(&market, &event);
    cr_assert_eq(market.out_of_range_count, 0u);
    cr_assert_not(market.channel[0].lost || market.channel[0].stale);
    for (uint16_t i = 0; i < rig.instrument_count; i++) {
        const struct market_instrument *instrument = market_find(&market, 1, i);
        cr_assert(instrument->position == 7 && instrument->open_buy_qty == 8 && instrument->open_sell_qty == 9);
        cr_assert_eq(instrument->ipo_release_s, 0u, "the channel does not keep it");
    }
    const char *difference = feed_rig_market_difference(&rig, &market, 1);
    cr_assert_null(difference, "%s", difference);
}

static void send(const struct itch_msg msg)
{
    feed_rig_send(&rig, &msg);
}

static struct itch_msg order(uint16_t locate, uint64_t ref, uint8_t side, uint32_t price, uint32_t qty,
                             const char *stock)
{
    return (struct itch_msg){
        .type = ITCH_ADD,
        .locate = locate,
        .add = {.ref = ref, .side = side, .price = price, .qty = qty, .stock = stock ? md_symbol(stock) : 0}};
}

Test(refresh, makes_a_market_what_the_channel_knows_at_any_point_of_a_session)
{
    for (uint32_t i = 0; i < 40; i++) {
        apply_all();
        steps(i < 10 ? 1 : 10 * i);
    }
}

Test(refresh, knows_breakers_and_system_events_and_the_end_of_the_session)
{
    send((struct itch_msg){.type = ITCH_SYSTEM_EVENT, .system_event = {.code = 'O'}});
    apply_all();
    cr_assert(market.channel[1].system == 'O' && market.channel[1].mwcb_breached == 0);
    send((struct itch_msg){.type = ITCH_MWCB_LEVEL, .mwcb_level = {.level_e8 = {300, 200, 100}}});
    send((struct itch_msg){.type = ITCH_MWCB_STATUS, .mwcb_status = {.level = '2'}});
    send((struct itch_msg){.type = ITCH_SYSTEM_EVENT, .system_event = {.code = 'C'}});
    apply_all();
    cr_assert(market.channel[1].mwcb_level_e8[0] == 300 && market.channel[1].mwcb_level_e8[2] == 100);
    cr_assert(market.channel[1].mwcb_breached == '2' && market.channel[1].system == 'C');
    cr_assert_not(market.channel[1].session_ended);
    feed_rig_end(&rig);
    apply_all();
    cr_assert(market.channel[1].session_ended);
    feed_rig_session(&rig);
    steps(1);
    apply_all();
    cr_assert_not(market.channel[1].session_ended);
    cr_assert_eq(market.channel[1].mwcb_breached, 0u, "each session begins from nothing");
}

Test(refresh, says_that_the_channel_is_stale_while_it_is)
{
    struct md_event event;

    steps(500);
    rig.seq++;
    steps(500);
    cr_assert(channel_stale(rig.channel));
    apply_all();
    cr_assert(market.channel[1].stale && !market.channel[1].lost);
    refresh_begin(&refresh, rig.channel, 1, NULL, 0);
    while (next(&event))
        cr_assert(event.flags & MD_STALE);
    cr_assert_eq(event.type, MD_STALE_BEGIN, "the last one");
}

Test(refresh, brings_instruments_that_have_no_name_and_such_as_are_not_to_be_trusted)
{
    send(order(3, 1, 'B', 500, 10, NULL));
    send(order(4, 2, 'S', UINT32_MAX, 10, "BIG"));
    send((struct itch_msg){.type = ITCH_LULD_COLLAR,
                           .locate = 5,
                           .collar = {.stock = md_symbol("LUL"), .reference = 100, .upper = 110, .lower = UINT32_MAX}});
    cr_assert_eq(channel_instruments(rig.channel)[3].symbol, 0u);
    apply_all();
    cr_assert(market_find(&market, 1, 3)->bid_qty == 10 && market_find(&market, 1, 3)->symbol == 0);
    cr_assert(market_find(&market, 1, 4)->untradable && market_find(&market, 1, 4)->symbol == md_symbol("BIG"));
    cr_assert(market_find(&market, 1, 5)->collar_upper == 110);
    cr_assert_eq(market_find(&market, 1, 5)->collar_lower, MD_PRICE_NONE, "does not fit");
    cr_assert_eq(market_find(&market, 1, 5)->state, 0u, "nobody has said it");
}

Test(refresh, brings_an_operational_halt_and_says_where_a_quantity_is_more_than_it_can_say)
{
    struct md_event event;
    uint32_t saturated_count = 0;

    send((struct itch_msg){.type = ITCH_OPERATIONAL_HALT,
                           .locate = 5,
                           .operational = {.stock = md_symbol("OPS"), .market = 'Q', .action = 'H'}});
    send(order(6, 1, 'B', 500, UINT32_MAX, "MUCH"));
    apply_all();
    cr_assert_eq(market_find(&market, 1, 5)->operational, 'H');
    refresh_begin(&refresh, rig.channel, 1, NULL, 0);
    while (next(&event)) {
        cr_assert_eq((event.flags & MD_SATURATED) != 0, event.instrument == 6);
        saturated_count += event.instrument == 6;
    }
    cr_assert_gt(saturated_count, 0u);
}

/* A reader that was lapped again asks again, wherever the refresh stood. */
Test(refresh, begins_from_the_beginning_in_the_middle_of_a_go)
{
    const uint64_t symbol = md_symbol("DEEP");
    struct md_event event;

    for (uint32_t i = 0; i < 4; i++)
        send(order(3, 1 + i, 'B', 500, 10, "DEEP"));
    refresh_begin(&refresh, rig.channel, 1, &symbol, 1);
    uint32_t all_count = 0;
    while (next(&event))
        all_count++;
    cr_assert_geq(all_count, 4u + 3u);
    for (uint32_t stop = 1; stop < all_count; stop++) {
        refresh_begin(&refresh, rig.channel, 1, &symbol, 1);
        for (uint32_t i = 0; i < stop; i++)
            cr_assert(next(&event));
        refresh_begin(&refresh, rig.channel, 1, &symbol, 1);
        cr_assert(next(&event));
        cr_assert_eq(event.type, MD_RESET, "stopped behind event %u", stop);
        uint32_t count = 1;
        while (next(&event))
            count++;
        cr_assert_eq(count, all_count);
    }
}

Test(refresh, an_empty_channel_has_a_beginning_and_an_end)
{
    struct md_event event;

    refresh_begin(&refresh, rig.channel, 1, NULL, 0);
    cr_assert(next(&event) && event.type == MD_RESET);
    cr_assert(next(&event) && event.type == MD_STALE_END);
    cr_assert_not(next(&event));
    cr_assert_not(next(&event), "and it stays at its end");
}

Test(refresh, is_bounded_each_call_looks_at_few_instruments)
{
    struct md_event event;
    uint32_t nothing = 0, instruments = 0;
    enum refresh_verdict verdict;

    steps(2000);
    refresh_begin(&refresh, rig.channel, 1, NULL, 0);
    while ((verdict = refresh_next(&refresh, &event)) != REFRESH_END) {
        nothing += verdict == REFRESH_NOTHING;
        instruments += verdict == REFRESH_EVENT && event.type == MD_STATE;
    }
    cr_assert_eq(instruments, SYMBOLS);
    cr_assert_geq(nothing, (rig.instrument_count - SYMBOLS) / REFRESH_SCAN);
    cr_assert_leq(nothing, (rig.instrument_count - SYMBOLS) / REFRESH_SCAN + 2);
}

/* Every event is flagged, of this channel and nobody's tick; an instrument is one go from definition to state. */
Test(refresh, comes_in_goes)
{
    struct md_event event, last = {.type = MD_NONE};
    uint32_t definitions = 0;

    steps(3000);
    refresh_begin(&refresh, rig.channel, 1, NULL, 0);
    for (bool first = true; next(&event); first = false, last = event) {
        cr_assert(event.flags & MD_REFRESH);
        cr_assert(event.channel == 1 && event.rx_tsc == 0 && event.exchange_ns == 0);
        cr_assert_eq(first, event.type == MD_RESET);
        if (last.flags & MD_MORE)
            cr_assert_eq(event.instrument, last.instrument, "a go is about one thing");
        else
            cr_assert(first || event.type == MD_DEFINE || event.type == MD_STALE_END, "begins with type %u",
                      event.type);
        if (event.instrument != MD_INSTRUMENT_NONE)
            cr_assert_eq((event.flags & MD_MORE) == 0, event.type == MD_STATE, "the state is its last");
        definitions += event.type == MD_DEFINE;
    }
    cr_assert_eq(definitions, SYMBOLS);
    cr_assert(last.type == MD_STALE_END && !(last.flags & MD_MORE));
}

/* Each order of those that are wanted, and of no others, best first, level by level, with what is left of it. */
Test(refresh, sends_depth_in_priority_order)
{
    struct md_event event, last = {.type = MD_NONE};
    uint64_t wanted[2];
    uint32_t adds = 0, levels = 0, at = 0;
    struct book_order_view orders[512];
    uint32_t order_count = 0;

    steps(8000);
    wanted[0] = channel_instruments(rig.channel)[2].symbol;
    wanted[1] = channel_instruments(rig.channel)[9].symbol;
    if (wanted[0] > wanted[1]) {
        const uint64_t other = wanted[0];
        wanted[0] = wanted[1];
        wanted[1] = other;
    }
    const struct book *book = channel_book(rig.channel);
    refresh_begin(&refresh, rig.channel, 1, wanted, 2);
    for (; next(&event); last = event) {
        if (event.type == MD_DEFINE)
            cr_assert_eq((event.flags & MD_MORE) == 0, event.instrument == 2 || event.instrument == 9);
        if (event.type != MD_ADD)
            continue;
        adds++;
        cr_assert(event.instrument == 2 || event.instrument == 9);
        cr_assert(event.bid_price == book_bbo(book, event.instrument)->bid_price);
        if (last.type == MD_DEFINE)
            cr_assert(event.side == 'B' && event.price == event.bid_price, "the best bid is first");
        if (last.type != MD_ADD || !(last.flags & MD_MORE)) {
            if (last.type == MD_ADD && last.side == event.side)
                cr_assert(event.side == 'B' ? event.price < last.price : event.price > last.price);
            else if (last.type == MD_ADD)
                cr_assert(event.side == 'S' && event.price == event.ask_price, "asks follow bids");
            order_count = book_orders(book, event.instrument, event.side, event.price, 512, orders);
            at = 0;
            levels++;
        }
        cr_assert_lt(at, order_count);
        cr_assert(event.ref == orders[at].ref && event.qty == orders[at].qty);
        cr_assert_eq((event.flags & MD_MORE) == 0, ++at == order_count, "a level is one go");
    }
    uint32_t expected = 0, expected_levels = 0;
    for (uint32_t i = 0; i < 4; i++) {
        const struct book_totals totals = book_totals(book, i / 2 ? 9 : 2, i % 2 ? 'B' : 'S');
        expected += totals.order_count;
        expected_levels += totals.level_count;
    }
    cr_assert(adds == expected && levels == expected_levels && levels > 20 && adds > levels);
}

Test(refresh, a_level_too_long_ends_the_depth_and_says_so)
{
    const uint64_t wanted = md_symbol("DEEP");

    for (uint32_t extra = 0; extra < 2; extra++) {
        struct md_event event;
        uint32_t adds = 0, unreliable = 0, states = 0;
        for (uint64_t i = extra * REFRESH_LEVEL_ORDERS_MAX; i < REFRESH_LEVEL_ORDERS_MAX + extra; i++)
            send(order(3, 10 + i, 'B', 500, 1, "DEEP"));
        refresh_begin(&refresh, rig.channel, 1, &wanted, 1);
        while (next(&event)) {
            adds += event.type == MD_ADD;
            unreliable += event.type == MD_UNRELIABLE;
            states += event.type == MD_STATE;
            cr_assert_not(event.flags & MD_UNTRADABLE, "its best prices are good");
        }
        cr_assert_eq(adds, extra ? 0u : REFRESH_LEVEL_ORDERS_MAX);
        cr_assert(unreliable == extra && states == 1);
    }
}

/* A level leads to orders that are not there any more. */
Test(refresh, waits_while_books_are_being_emptied_for_a_snapshot)
{
    const struct channel_params params = {
        .book = {.instruments_max = 2, .orders_max = 4096, .levels_max = 64},
        .line_count = 1,
        .hold_messages = 1024,
        .first_seq = 1,
        .index = 1,
        .recovery = {.snapshot = true, .spin_retry_ns = 1, .spin_retry_max_ns = 1},
    };
    const uint64_t symbol = md_symbol("ABC");
    struct itch_msg add = {.type = ITCH_ADD, .locate = 1};
    uint32_t turns = 0;
    struct md_event event;

    free(rig.memory);
    rig.memory = aligned_alloc(CACHE_LINE_BYTES, (channel_footprint(&params) + CACHE_LINE_BYTES - 1) /
                                                     CACHE_LINE_BYTES * CACHE_LINE_BYTES);
    rig.channel = channel_init(rig.memory, &params);
    for (uint32_t ref = 1; ref <= 640; ref++) {
        add.add.ref = ref;
        add.add.side = 'B';
        add.add.qty = 100;
        add.add.price = 100 * (1 + ref % 64);
        add.add.stock = symbol;
        if (ref == 640) {
            refresh_begin(&refresh, rig.channel, 1, &symbol, 1);
            cr_assert(next(&event));
            rig.seq++; /* a hole */
        }
        feed_rig_send(&rig, &add);
    }
    while ((void)channel_ask_next(rig.channel, 1000), channel_emptying(rig.channel)) {
        cr_assert_lt(++turns, 1000u);
        for (uint32_t i = 0; i < 64; i++)
            cr_assert_eq(refresh_next(&refresh, &event), REFRESH_NOTHING, "type %u", event.type);
    }
    cr_assert_gt(turns, 8u);
    while (next(&event))
        cr_assert_neq(event.type, MD_ADD);
}
