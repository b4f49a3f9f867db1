/* gateway/venue/match: each promise of its header by hand, then a random walk beside an engine of arrays and loops. */
#include "gateway/venue/match.h"

#include "ring/check.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define NEWS_MAX 512u

static const struct match_params SMALL = {.book = {.instruments_max = 3, .orders_max = 512, .levels_max = 256},
                                          .client_orders_max = 64};

struct heard {
    struct match_news news[NEWS_MAX];
    uint32_t count;
};

static void hear(void *arg, const struct match_news *news)
{
    struct heard *heard = arg;
    cr_assert_lt(heard->count, NEWS_MAX);
    heard->news[heard->count++] = *news;
}

/* Filled with ones first: nothing may depend on zeroed memory. A guard line behind the end must stay as it is. */
static struct match *match_make(const struct match_params *params, struct heard *heard)
{
    const size_t bytes = match_footprint(params);
    cr_assert_gt(bytes, 0);
    uint8_t *memory = aligned_alloc(CACHE_LINE_BYTES, bytes + CACHE_LINE_BYTES);
    cr_assert_not_null(memory);
    memset(memory, 0xff, bytes);
    memset(memory + bytes, 0xa5, CACHE_LINE_BYTES);
    heard->count = 0;
    return match_init(memory, params, hear, heard);
}

static void match_free(struct match *match, const struct match_params *params)
{
    const uint8_t *guard = (const uint8_t *)match + match_footprint(params);
    for (unsigned i = 0; i < CACHE_LINE_BYTES; i++)
        cr_assert_eq(guard[i], 0xa5, "written behind the end");
    free(match);
}

static const char *verdict_name(enum match_verdict verdict)
{
    static const char *const names[MATCH_VERDICT_COUNT] = {"ok", "bad", "duplicate", "unknown", "full"};
    return verdict < MATCH_VERDICT_COUNT ? names[verdict] : "?";
}

#define expect(verdict, call)                                                                                          \
    do {                                                                                                               \
        const enum match_verdict found_verdict = (call);                                                               \
        cr_assert_eq(found_verdict, verdict, "%s, expected %s", verdict_name(found_verdict), verdict_name(verdict));   \
    } while (0)

static bool same_news(const struct match_news *a, const struct match_news *b)
{
    return a->type == b->type && a->side == b->side && a->instrument == b->instrument && a->price == b->price &&
           a->qty == b->qty && a->left_qty == b->left_qty && a->ref == b->ref && a->orig_ref == b->orig_ref &&
           a->owner == b->owner && a->taker == b->taker && a->match_number == b->match_number;
}

/* All that was heard since the last time, in this order. */
static void expect_news(struct heard *heard, uint32_t count, const struct match_news *wanted)
{
    cr_assert_eq(heard->count, count, "%u news, expected %u", heard->count, count);
    for (uint32_t i = 0; i < count; i++)
        cr_assert(same_news(&heard->news[i], &wanted[i]), "news %u: type %u side %c price %d qty %u left %u ref %lx", i,
                  heard->news[i].type, heard->news[i].side, heard->news[i].price, heard->news[i].qty,
                  heard->news[i].left_qty, (unsigned long)heard->news[i].ref);
    heard->count = 0;
}
#define NEWS(...)                                                                                                      \
    sizeof((struct match_news[]){__VA_ARGS__}) / sizeof(struct match_news), (struct match_news[]){__VA_ARGS__}

static void expect_bbo(const struct match *match, int32_t bid_price, uint32_t bid_qty, int32_t ask_price,
                       uint32_t ask_qty)
{
    const struct book_bbo *bbo = book_bbo(match_book(match), 0);
    cr_assert(bbo->bid_price == bid_price && bbo->bid_qty == bid_qty && bbo->ask_price == ask_price &&
                  bbo->ask_qty == ask_qty,
              "%d x %u, %d x %u", bbo->bid_price, bbo->bid_qty, bbo->ask_price, bbo->ask_qty);
}

static struct match_order day(uint64_t key, uint8_t side, int32_t price, uint32_t qty)
{
    return (struct match_order){.key = key, .side = side, .price = price, .qty = qty};
}

static struct match_order now(uint64_t key, uint8_t side, int32_t price, uint32_t qty)
{
    return (struct match_order){.key = key, .side = side, .immediate = true, .price = price, .qty = qty};
}

/* Enter one that must be taken; returns its reference, 0 if it does not rest. */
static uint64_t enter(struct match *match, struct match_order order, uint32_t wanted_left_qty)
{
    struct match_order found;
    uint64_t ref = 0;
    uint32_t left_qty = UINT32_MAX;
    expect(MATCH_OK, match_enter(match, &order, &left_qty));
    cr_assert_eq(left_qty, wanted_left_qty, "%u left, expected %u", left_qty, wanted_left_qty);
    const bool rests = match_client_find(match, order.key, &found, &ref);
    cr_assert_eq(rests, !order.immediate && left_qty > 0);
    cr_assert(!rests || (ref >= MATCH_CLIENT_REF && found.key == order.key && found.side == order.side &&
                         found.price == order.price && found.qty == left_qty && !found.immediate));
    return ref;
}

/* ---- set-up ---- */

Test(match, parameters_out_of_range_have_no_footprint)
{
    const struct match_params bad[] = {
        {{0, 1, 1}, 1}, {{1, 0, 1}, 1}, {{1, 1, 0}, 1}, {{1, 1, 1}, 0}, {{1, 1, 1}, 3}, {{1, 1, 1}, 1u << 25},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert_eq(match_footprint(&bad[i]), 0, "case %zu", i);
    const struct match_params least = {{1, 1, 1}, 1};
    cr_assert_gt(match_footprint(&least), 0);
}

Test(match, what_cannot_be_an_order_is_refused_and_changes_nothing)
{
    struct heard heard;
    struct match *match = match_make(&SMALL, &heard);
    const struct match_order bad[] = {
        {0, 0, 'B', false, 100, 1}, {1, 3, 'B', false, 100, 1}, {1, 0, 'T', false, 100, 1},
        {1, 0, 'B', false, BOOK_PRICE_NONE, 1}, {1, 0, 'B', true, 100, 0},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        expect(MATCH_BAD, match_enter(match, &bad[i], NULL));
    expect(MATCH_BAD, match_add(match, 0, MATCH_CLIENT_REF, 'B', 100, 1));
    expect(MATCH_BAD, match_add(match, 3, 1, 'B', 100, 1));
    expect(MATCH_BAD, match_add(match, 0, 1, 'E', 100, 1));
    expect(MATCH_BAD, match_add(match, 0, 1, 'B', BOOK_PRICE_NONE, 1));
    expect(MATCH_BAD, match_add(match, 0, 1, 'B', 100, 0));
    const uint64_t client = enter(match, day(1, 'B', 100, 10), 10);
    expect(MATCH_OK, match_add(match, 0, 1, 'B', 100, 10));
    heard.count = 0;
    expect(MATCH_BAD, match_execute(match, client, 1));
    expect(MATCH_BAD, match_execute(match, 1, 0));
    expect(MATCH_BAD, match_reduce(match, client, 1));
    expect(MATCH_BAD, match_reduce(match, 1, 0));
    expect(MATCH_BAD, match_delete(match, client));
    expect(MATCH_BAD, match_replace(match, client, 2, 100, 1));
    expect(MATCH_BAD, match_replace(match, 1, client, 100, 1));
    expect(MATCH_BAD, match_replace(match, 1, 2, BOOK_PRICE_NONE, 1));
    expect(MATCH_BAD, match_replace(match, 1, 2, 100, 0));
    struct match_order other = day(2, 'S', 100, 1);
    expect(MATCH_BAD, match_client_replace(match, 1, &other, NULL)); /* the other side */
    other = day(2, 'B', 100, 1);
    other.instrument = 1;
    expect(MATCH_BAD, match_client_replace(match, 1, &other, NULL));
    expect(MATCH_UNKNOWN, match_execute(match, 2, 1));
    expect(MATCH_UNKNOWN, match_reduce(match, 2, 1));
    expect(MATCH_UNKNOWN, match_delete(match, 2));
    expect(MATCH_UNKNOWN, match_replace(match, 2, 3, 100, 1));
    expect(MATCH_UNKNOWN, match_client_cut(match, 2, 0, NULL));
    expect(MATCH_UNKNOWN, match_client_replace(match, 2, &other, NULL));
    expect(MATCH_DUPLICATE, match_add(match, 1, 1, 'S', 100, 1));
    expect(MATCH_DUPLICATE, match_enter(match, &(struct match_order){1, 1, 'S', true, 100, 1}, NULL));
    expect(MATCH_OK, match_add(match, 0, 7, 'B', 99, 10));
    (void)enter(match, day(7, 'B', 99, 10), 10);
    heard.count = 0;
    expect(MATCH_DUPLICATE, match_replace(match, 1, 7, 100, 1));
    other = day(7, 'B', 100, 1);
    expect(MATCH_DUPLICATE, match_client_replace(match, 1, &other, NULL));
    cr_assert_not(match_client_find(match, 2, &other, NULL));
    cr_assert_eq(heard.count, 0);
    expect_bbo(match, 100, 20, BOOK_PRICE_NONE, 0);
    match_free(match, &SMALL);
}

/* ---- clients among the background ---- */

Test(match, client_trades_at_the_price_in_the_book_best_price_first_first_come_first)
{
    struct heard heard;
    struct match *match = match_make(&SMALL, &heard);
    (void)match_add(match, 0, 1, 'S', 102, 10);
    (void)match_add(match, 0, 2, 'S', 101, 10);
    const uint64_t mine = enter(match, day(5, 'S', 101, 10), 10);
    (void)match_add(match, 0, 3, 'S', 101, 10);
    heard.count = 0;
    const uint64_t rest = enter(match, day(6, 'B', 102, 50), 10);
    expect_news(&heard, NEWS({MATCH_TRADED, 'S', 0, 101, 10, 0, 2, 0, 0, 6, 1},
                             {MATCH_TRADED, 'S', 0, 101, 10, 0, mine, 0, 5, 6, 2},
                             {MATCH_TRADED, 'S', 0, 101, 10, 0, 3, 0, 0, 6, 3},
                             {MATCH_TRADED, 'S', 0, 102, 10, 0, 1, 0, 0, 6, 4},
                             {MATCH_ADDED, 'B', 0, 102, 10, 10, rest, 0, 6, 0, 0}));
    expect_bbo(match, 102, 10, BOOK_PRICE_NONE, 0);
    cr_assert_eq(match_client_count(match), 1);
    match_free(match, &SMALL);
}

Test(match, what_is_left_of_an_immediate_order_is_not_entered)
{
    struct heard heard;
    struct match *match = match_make(&SMALL, &heard);
    (void)match_add(match, 0, 1, 'B', 100, 10);
    (void)match_add(match, 0, 2, 'B', 99, 10);
    heard.count = 0;
    cr_assert_eq(enter(match, now(1, 'S', 100, 30), 20), 0);
    expect_news(&heard, NEWS({MATCH_TRADED, 'B', 0, 100, 10, 0, 1, 0, 0, 1, 1}));
    (void)enter(match, now(2, 'S', 100, 30), 30);
    cr_assert_eq(heard.count, 0);
    (void)enter(match, now(2, 'S', 99, 4), 0); /* the key is free again */
    expect_bbo(match, 99, 6, BOOK_PRICE_NONE, 0);
    match_free(match, &SMALL);
}

Test(match, background_order_that_crosses_clients_trades_with_them_first_and_its_rest_is_entered)
{
    struct heard heard;
    struct match *match = match_make(&SMALL, &heard);
    const uint64_t low = enter(match, day(1, 'B', 100, 10), 10), high = enter(match, day(2, 'B', 101, 10), 10);
    (void)enter(match, day(3, 'B', 99, 10), 10);
    heard.count = 0;
    expect(MATCH_OK, match_add(match, 0, 8, 'S', 100, 25));
    expect_news(&heard, NEWS({MATCH_TRADED, 'B', 0, 101, 10, 0, high, 0, 2, 0, 1},
                             {MATCH_TRADED, 'B', 0, 100, 10, 0, low, 0, 1, 0, 2},
                             {MATCH_ADDED, 'S', 0, 100, 5, 5, 8, 0, 0, 0, 0}));
    expect_bbo(match, 99, 10, 100, 5);
    expect(MATCH_OK, match_add(match, 0, 9, 'S', 99, 4)); /* all of it trades: it is never in the book */
    expect(MATCH_UNKNOWN, match_delete(match, 9));
    expect_bbo(match, 99, 6, 100, 5);
    match_free(match, &SMALL);
}

Test(match, background_orders_that_cross_each_other_are_entered_as_the_flow_tells_them)
{
    struct heard heard;
    struct match *match = match_make(&SMALL, &heard);
    (void)match_add(match, 0, 1, 'B', 101, 10);
    (void)match_add(match, 0, 2, 'S', 100, 10);
    expect_bbo(match, 101, 10, 100, 10);
    match_free(match, &SMALL);
}

Test(match, background_execution_meets_clients_ahead_of_its_order_first)
{
    struct heard heard;
    struct match *match = match_make(&SMALL, &heard);
    const uint64_t better = enter(match, day(1, 'S', 99, 5), 5), earlier = enter(match, day(2, 'S', 100, 5), 5);
    (void)match_add(match, 0, 8, 'S', 100, 100);
    (void)enter(match, day(3, 'S', 100, 5), 5); /* later: not met */
    (void)enter(match, day(4, 'S', 101, 5), 5); /* worse: not met */
    heard.count = 0;
    expect(MATCH_OK, match_execute(match, 8, 30));
    expect_news(&heard, NEWS({MATCH_TRADED, 'S', 0, 99, 5, 0, better, 0, 1, 0, 1},
                             {MATCH_TRADED, 'S', 0, 100, 5, 0, earlier, 0, 2, 0, 2},
                             {MATCH_TRADED, 'S', 0, 100, 20, 80, 8, 0, 0, 0, 3},
                             {MATCH_REDUCED, 'S', 0, 100, 10, 70, 8, 0, 0, 0, 0}));
    expect(MATCH_OK, match_execute(match, 8, 70)); /* nobody is ahead now */
    expect_news(&heard, NEWS({MATCH_TRADED, 'S', 0, 100, 70, 0, 8, 0, 0, 0, 4}));
    expect_bbo(match, BOOK_PRICE_NONE, 0, 100, 5);
    match_free(match, &SMALL);
}

Test(match, order_whose_execution_clients_got_leaves_all_the_same)
{
    struct heard heard;
    struct match *match = match_make(&SMALL, &heard);
    const uint64_t mine = enter(match, day(1, 'B', 100, 50), 50);
    (void)match_add(match, 0, 8, 'B', 100, 20);
    heard.count = 0;
    expect(MATCH_OK, match_execute(match, 8, 20));
    expect_news(&heard, NEWS({MATCH_TRADED, 'B', 0, 100, 20, 30, mine, 0, 1, 0, 1},
                             {MATCH_REMOVED, 'B', 0, 100, 20, 0, 8, 0, 0, 0, 0}));
    expect(MATCH_UNKNOWN, match_execute(match, 8, 1));
    match_free(match, &SMALL);
}

Test(match, shares_that_clients_took_are_gone_for_executions_cancels_and_replaces)
{
    struct heard heard;
    struct match *match = match_make(&SMALL, &heard);
    for (uint64_t ref = 1; ref <= 4; ref++) {
        (void)match_add(match, 0, ref, 'S', 100, 100);
        (void)enter(match, now(ref, 'B', 100, 60), 0); /* 40 of each are left, but of the last, of which none is */
        (void)match_add(match, 0, 10 + ref, 'S', 90, 1);
        (void)enter(match, now(ref, 'B', 90, 1), 0);
        if (ref < 4)
            (void)match_replace(match, ref, ref, 100 + (int32_t)ref, 40); /* out of the way */
    }
    (void)enter(match, now(9, 'B', 100, 100), 60);
    heard.count = 0;
    expect(MATCH_OK, match_execute(match, 1, 100));
    expect(MATCH_OK, match_reduce(match, 2, 50));
    expect(MATCH_OK, match_replace(match, 3, 30, 105, 100));
    expect(MATCH_UNKNOWN, match_execute(match, 4, 100));
    expect(MATCH_UNKNOWN, match_reduce(match, 4, 100));
    expect(MATCH_UNKNOWN, match_replace(match, 4, 40, 105, 100));
    expect(MATCH_OK, match_replace(match, 30, 31, 106, 1000)); /* what is gone stays gone */
    cr_assert_eq(heard.count, 4);
    cr_assert(heard.news[0].type == MATCH_TRADED && heard.news[0].qty == 40 && heard.news[0].left_qty == 0);
    cr_assert(heard.news[1].type == MATCH_REMOVED && heard.news[1].qty == 40);
    cr_assert(heard.news[2].type == MATCH_REPLACED && heard.news[2].qty == 40 && heard.news[2].orig_ref == 3);
    cr_assert(heard.news[3].type == MATCH_REPLACED && heard.news[3].qty == 40 && heard.news[3].ref == 31);
    expect_bbo(match, BOOK_PRICE_NONE, 0, 106, 40);
    match_free(match, &SMALL);
}

Test(match, background_order_that_traded_on_its_way_in_does_not_grow_again)
{
    struct heard heard;
    struct match *match = match_make(&SMALL, &heard);
    (void)enter(match, day(1, 'B', 100, 30), 30);
    (void)match_add(match, 0, 1, 'S', 100, 100);
    (void)match_add(match, 0, 2, 'S', 101, 100);
    expect(MATCH_OK, match_replace(match, 1, 11, 102, 100));
    expect(MATCH_OK, match_replace(match, 2, 12, 101, 500)); /* nobody took any of this one */
    struct book_order_info order;
    cr_assert(book_find(match_book(match), 11, &order) && order.qty == 70);
    cr_assert(book_find(match_book(match), 12, &order) && order.qty == 500);
    match_free(match, &SMALL);
}

Test(match, background_replace_is_told_as_one_unless_it_trades)
{
    struct heard heard;
    struct match *match = match_make(&SMALL, &heard);
    (void)match_add(match, 0, 1, 'S', 105, 100);
    const uint64_t mine = enter(match, day(1, 'B', 100, 30), 30);
    heard.count = 0;
    expect(MATCH_OK, match_replace(match, 1, 1, 104, 50));
    expect_news(&heard, NEWS({MATCH_REPLACED, 'S', 0, 104, 50, 50, 1, 1, 0, 0, 0}));
    expect(MATCH_OK, match_replace(match, 1, 2, 100, 50));
    expect_news(&heard, NEWS({MATCH_REMOVED, 'S', 0, 104, 50, 0, 1, 0, 0, 0, 0},
                             {MATCH_TRADED, 'B', 0, 100, 30, 0, mine, 0, 1, 0, 1},
                             {MATCH_ADDED, 'S', 0, 100, 20, 20, 2, 0, 0, 0, 0}));
    match_free(match, &SMALL);
}

/* ---- changes of clients' orders ---- */

Test(match, cut_keeps_the_place_and_more_than_is_left_changes_nothing)
{
    struct heard heard;
    struct match *match = match_make(&SMALL, &heard);
    uint32_t taken = 99;
    const uint64_t mine = enter(match, day(1, 'B', 100, 50), 50);
    (void)match_add(match, 0, 8, 'B', 100, 20);
    heard.count = 0;
    expect(MATCH_OK, match_client_cut(match, 1, 50, &taken));
    cr_assert_eq(taken, 0);
    expect(MATCH_OK, match_client_cut(match, 1, 60, &taken));
    cr_assert(taken == 0 && heard.count == 0);
    expect(MATCH_OK, match_client_cut(match, 1, 20, &taken));
    cr_assert_eq(taken, 30);
    uint64_t ahead;
    cr_assert(book_queue_ahead(match_book(match), mine, &ahead) && ahead == 0);
    expect(MATCH_OK, match_client_cut(match, 1, 0, &taken));
    cr_assert_eq(taken, 20);
    expect_news(&heard, NEWS({MATCH_REDUCED, 'B', 0, 100, 30, 20, mine, 0, 1, 0, 0},
                             {MATCH_REMOVED, 'B', 0, 100, 20, 0, mine, 0, 1, 0, 0}));
    expect(MATCH_UNKNOWN, match_client_cut(match, 1, 0, &taken));
    cr_assert_eq(match_client_count(match), 0);
    match_free(match, &SMALL);
}

Test(match, replacement_loses_its_place_and_is_told_as_one_when_it_rests_whole)
{
    struct heard heard;
    struct match *match = match_make(&SMALL, &heard);
    struct match_order order = day(2, 'B', 100, 70), found;
    uint64_t ref, ahead;
    uint32_t left_qty;
    const uint64_t mine = enter(match, day(1, 'B', 100, 50), 50);
    (void)match_add(match, 0, 8, 'B', 100, 20);
    heard.count = 0;
    expect(MATCH_OK, match_client_replace(match, 1, &order, &left_qty));
    cr_assert(left_qty == 70 && match_client_find(match, 2, &found, &ref) && found.qty == 70 && ref != mine);
    cr_assert_not(match_client_find(match, 1, &found, NULL));
    cr_assert(book_queue_ahead(match_book(match), ref, &ahead) && ahead == 20);
    expect_news(&heard, NEWS({MATCH_REPLACED, 'B', 0, 100, 70, 70, ref, mine, 2, 0, 0}));
    order.price = 101; /* under the same key */
    expect(MATCH_OK, match_client_replace(match, 2, &order, NULL));
    cr_assert(match_client_find(match, 2, &found, NULL) && found.price == 101);
    cr_assert_eq(match_client_count(match), 1);
    match_free(match, &SMALL);
}

Test(match, replacement_that_trades_is_told_as_removal_trades_and_rest)
{
    struct heard heard;
    struct match *match = match_make(&SMALL, &heard);
    struct match_order order = day(2, 'B', 105, 70), found;
    uint64_t ref;
    uint32_t left_qty;
    (void)match_add(match, 0, 8, 'S', 105, 20);
    uint64_t mine = enter(match, day(1, 'B', 100, 50), 50);
    heard.count = 0;
    expect(MATCH_OK, match_client_replace(match, 1, &order, &left_qty));
    cr_assert(left_qty == 50 && match_client_find(match, 2, &found, &ref));
    expect_news(&heard, NEWS({MATCH_REMOVED, 'B', 0, 100, 50, 0, mine, 0, 1, 0, 0},
                             {MATCH_TRADED, 'S', 0, 105, 20, 0, 8, 0, 0, 2, 1},
                             {MATCH_ADDED, 'B', 0, 105, 50, 50, ref, 0, 2, 0, 0}));
    mine = ref;
    order = now(3, 'B', 105, 10);
    expect(MATCH_OK, match_client_replace(match, 2, &order, &left_qty));
    cr_assert(left_qty == 10 && match_client_count(match) == 0);
    expect_news(&heard, NEWS({MATCH_REMOVED, 'B', 0, 105, 50, 0, mine, 0, 2, 0, 0}));
    expect_bbo(match, BOOK_PRICE_NONE, 0, BOOK_PRICE_NONE, 0);
    match_free(match, &SMALL);
}

/* ---- bounds ---- */

Test(match, order_without_room_is_refused_before_it_trades)
{
    const struct match_params tight = {.book = {.instruments_max = 1, .orders_max = 4, .levels_max = 8},
                                       .client_orders_max = 2};
    struct heard heard;
    struct match *match = match_make(&tight, &heard);
    struct match_order order = day(3, 'B', 105, 50);
    (void)enter(match, day(1, 'B', 99, 10), 10);
    (void)enter(match, day(2, 'B', 98, 10), 10);
    (void)match_add(match, 0, 1, 'S', 105, 20);
    heard.count = 0;
    expect(MATCH_FULL, match_enter(match, &order, NULL)); /* no room for a client's order */
    (void)enter(match, now(3, 'B', 105, 5), 0);           /* needs none */
    expect(MATCH_OK, match_client_replace(match, 1, &order, NULL));
    cr_assert_eq(match_client_count(match), 2);
    expect(MATCH_OK, match_client_cut(match, 2, 0, NULL));
    for (uint64_t ref = 10; ref < 13; ref++)
        expect(MATCH_OK, match_add(match, 0, ref, 'B', 90, 10));
    heard.count = 0;
    expect(MATCH_FULL, match_add(match, 0, 20, 'S', 105, 10)); /* would have traded with key 3 */
    order = day(4, 'S', 105, 10);
    expect(MATCH_FULL, match_enter(match, &order, NULL));
    order = day(4, 'B', 106, 10);
    expect(MATCH_FULL, match_client_replace(match, 3, &order, NULL));
    cr_assert_eq(heard.count, 0);
    cr_assert(match_client_find(match, 3, &order, NULL) && order.qty == 35);
    expect(MATCH_OK, match_delete(match, 10));
    order = day(4, 'S', 105, 10);
    expect(MATCH_OK, match_enter(match, &order, NULL));
    match_free(match, &tight);
}

Test(match, replacement_without_room_for_its_level_takes_the_old_order_out)
{
    const struct match_params tight = {.book = {.instruments_max = 1, .orders_max = 4, .levels_max = 1},
                                       .client_orders_max = 2};
    struct heard heard;
    struct match *match = match_make(&tight, &heard);
    (void)match_add(match, 0, 1, 'S', 105, 20);
    (void)match_add(match, 0, 2, 'S', 105, 20);
    heard.count = 0;
    expect(MATCH_FULL, match_replace(match, 1, 3, 106, 20));
    expect_news(&heard, NEWS({MATCH_REMOVED, 'S', 0, 105, 20, 0, 1, 0, 0, 0, 0}));
    expect_bbo(match, BOOK_PRICE_NONE, 0, 105, 20);
    match_free(match, &tight);
}

Test(match, clear_forgets_orders_and_never_gives_a_number_twice)
{
    struct heard heard;
    struct match *match = match_make(&SMALL, &heard);
    struct match_order order;
    const uint64_t before = enter(match, day(1, 'B', 100, 10), 10);
    (void)match_add(match, 0, 1, 'S', 100, 4);
    heard.count = 0;
    match_clear(match);
    cr_assert_eq(heard.count, 0);
    cr_assert(match_client_count(match) == 0 && book_order_count(match_book(match)) == 0);
    cr_assert_not(match_client_find(match, 1, &order, NULL));
    const uint64_t after = enter(match, day(1, 'B', 100, 10), 10);
    cr_assert_neq(after, before);
    (void)match_add(match, 0, 1, 'S', 100, 4);
    cr_assert_eq(heard.news[heard.count - 1].match_number, 2);
    match_free(match, &SMALL);
}

Test(match, every_slot_is_given_out_again_whatever_way_its_order_left)
{
    struct heard heard;
    struct match *match = match_make(&SMALL, &heard);
    for (uint32_t round = 0; round < 200; round++) {
        for (uint64_t key = 1; key <= SMALL.client_orders_max; key++)
            (void)enter(match, day(key, 'B', 100 + (int32_t)(key % 7), 10), 10);
        const struct match_order more = day(1000, 'B', 100, 10);
        expect(MATCH_FULL, match_enter(match, &more, NULL));
        heard.count = 0;
        (void)match_client_cut(match, 5, 0, NULL);
        (void)match_client_cut(match, 33, 0, NULL);
        (void)enter(match, day(1001, 'S', 104, 40), 0); /* met on its way in, one of them holding the last free slot */
        (void)match_add(match, 0, 1, 'S', 100, 10 * SMALL.client_orders_max);
        cr_assert_eq(match_client_count(match), 0);
        (void)match_delete(match, 1);
        heard.count = 0;
    }
    match_free(match, &SMALL);
}

/* ---- beside arrays and loops ---- */

#define NAIVE_MAX 1024u
#define KEYS_MAX 100000u

struct naive_order {
    uint64_t ref, key;
    uint32_t instrument, qty;
    int32_t price;
    uint8_t side;
    bool touched;
};

/* All orders in the order in which they came. */
struct naive {
    struct naive_order order[NAIVE_MAX];
    uint32_t count;
    struct heard heard;
    uint64_t match_number;
};

static void naive_erase(struct naive *naive, uint32_t at)
{
    naive->count--;
    memmove(&naive->order[at], &naive->order[at + 1], (naive->count - at) * sizeof(naive->order[0]));
}

static int naive_find(const struct naive *naive, uint64_t ref, uint64_t key)
{
    for (uint32_t i = 0; i < naive->count; i++)
        if (key != 0 ? naive->order[i].key == key : naive->order[i].ref == ref)
            return (int)i;
    return -1;
}

/* The first in line of a side, of all or of clients; -1: none. */
static int naive_best(const struct naive *naive, uint32_t instrument, uint8_t side, bool clients)
{
    int best = -1;
    for (uint32_t i = 0; i < naive->count; i++) {
        const struct naive_order *order = &naive->order[i];
        if (order->instrument != instrument || order->side != side || (clients && order->key == 0))
            continue;
        const int32_t best_price = best >= 0 ? naive->order[best].price : 0;
        if (best < 0 || (side == 'B' ? order->price > best_price : order->price < best_price))
            best = (int)i;
    }
    return best;
}

static void naive_tell(struct naive *naive, enum match_news_type type, const struct naive_order *order, uint32_t qty,
                       uint64_t orig_ref, uint64_t taker)
{
    hear(&naive->heard, &(struct match_news){.type = (uint8_t)type,
                                             .side = order->side,
                                             .instrument = order->instrument,
                                             .price = order->price,
                                             .qty = qty,
                                             .left_qty = order->qty,
                                             .ref = order->ref,
                                             .orig_ref = orig_ref,
                                             .owner = order->key,
                                             .taker = taker,
                                             .match_number = type == MATCH_TRADED ? ++naive->match_number : 0});
}

static uint32_t naive_take(struct naive *naive, enum match_news_type type, uint32_t at, uint32_t qty, uint64_t taker)
{
    struct naive_order *order = &naive->order[at];
    if (qty > order->qty)
        qty = order->qty;
    order->qty -= qty;
    order->touched = order->touched || taker != 0;
    if (type != MATCH_TRADED)
        type = order->qty > 0 ? MATCH_REDUCED : MATCH_REMOVED;
    naive_tell(naive, type, order, qty, 0, taker);
    if (order->qty == 0)
        naive_erase(naive, at);
    return qty;
}

/* `gone`: what it replaces, out of the book already; may be NULL. */
static uint32_t naive_arrive(struct naive *naive, struct naive_order arrival, bool immediate,
                             const struct naive_order *gone)
{
    const uint8_t side = arrival.side == 'B' ? 'S' : 'B';
    bool first = true;
    for (;;) {
        const int best = naive_best(naive, arrival.instrument, side, arrival.key == 0);
        const bool meets = arrival.qty > 0 && best >= 0 &&
                           (arrival.side == 'B' ? naive->order[best].price <= arrival.price
                                                : naive->order[best].price >= arrival.price);
        if (first && gone != NULL && (meets || immediate)) {
            struct naive_order removed = *gone;
            removed.qty = 0;
            naive_tell(naive, MATCH_REMOVED, &removed, gone->qty, 0, 0);
            gone = NULL;
        }
        first = false;
        if (!meets)
            break;
        arrival.qty -= naive_take(naive, MATCH_TRADED, (uint32_t)best, arrival.qty, arrival.key);
        arrival.touched = true;
    }
    if (arrival.qty > 0 && !immediate) {
        cr_assert_lt(naive->count, NAIVE_MAX);
        naive->order[naive->count++] = arrival;
        naive_tell(naive, gone != NULL ? MATCH_REPLACED : MATCH_ADDED, &arrival, arrival.qty,
                   gone != NULL ? gone->ref : 0, 0);
    }
    return arrival.qty;
}

static void naive_execute(struct naive *naive, uint32_t at, uint32_t qty)
{
    const struct naive_order named = naive->order[at];
    if (qty > named.qty)
        qty = named.qty;
    uint32_t left = qty;
    for (;;) {
        const int best = naive_best(naive, named.instrument, named.side, true);
        const int place = naive_find(naive, named.ref, 0);
        if (best < 0 || left == 0)
            break;
        const int32_t price = naive->order[best].price;
        if (price == named.price ? best > place : named.side == 'B' ? price < named.price : price > named.price)
            break;
        left -= naive_take(naive, MATCH_TRADED, (uint32_t)best, left, 0);
    }
    if (left > 0)
        (void)naive_take(naive, MATCH_TRADED, (uint32_t)naive_find(naive, named.ref, 0), left, 0);
    if (left < qty)
        (void)naive_take(naive, MATCH_REDUCED, (uint32_t)naive_find(naive, named.ref, 0), qty - left, 0);
}

/* Levels and queues of one side are those of the engine's book. */
static void expect_same_side(const struct naive *naive, const struct match *match, uint32_t instrument, uint8_t side)
{
    struct book_level_view levels[256];
    struct book_order_view queue[NAIVE_MAX];
    const uint32_t level_count = book_levels(match_book(match), instrument, side, 256, levels);
    uint32_t naive_count = 0, book_count = 0;
    for (uint32_t i = 0; i < naive->count; i++)
        naive_count += naive->order[i].instrument == instrument && naive->order[i].side == side;
    for (uint32_t i = 0; i < level_count; i++) {
        const uint32_t count = book_orders(match_book(match), instrument, side, levels[i].price, NAIVE_MAX, queue);
        uint32_t k = 0;
        for (uint32_t n = 0; n < naive->count; n++) {
            const struct naive_order *order = &naive->order[n];
            if (order->instrument != instrument || order->side != side || order->price != levels[i].price)
                continue;
            cr_assert(k < count && queue[k].ref == order->ref && queue[k].qty == order->qty, "queue at %d, place %u",
                      order->price, k);
            k++;
        }
        cr_assert_eq(k, count);
        book_count += count;
    }
    cr_assert_eq(book_count, naive_count);
}

static uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Shares of each key: what came in is what traded, what was taken off and what is left. */
struct account {
    uint32_t in, traded, off, left;
};

struct walk {
    struct match *match;
    struct heard heard;
    struct naive naive;   /* the engine's double */
    struct naive history; /* what the flow believes: orders of nobody's interference */
    struct account *account;
    uint64_t next_key, next_ref, random;
    uint64_t type_count[MATCH_REPLACED + 1], client_trade_count, cut_count, unknown_count;
};

static uint32_t dice(struct walk *walk, uint32_t sides)
{
    return (uint32_t)(random_next(&walk->random) >> 33) % sides;
}

/* A price of that side that does not cross what the flow believes. */
static int32_t flow_price(struct walk *walk, uint32_t instrument, uint8_t side)
{
    const int other = naive_best(&walk->history, instrument, side == 'B' ? 'S' : 'B', false);
    const int32_t offset = (int32_t)dice(walk, 8);
    const int32_t around = 1000 + (int32_t)dice(walk, 12);
    if (other < 0)
        return around;
    const int32_t edge = walk->history.order[other].price;
    return side == 'B' ? edge - 1 - offset : edge + 1 + offset;
}

static void flow_add(struct walk *walk, struct naive_order order)
{
    walk->history.order[walk->history.count++] = order;
    expect(MATCH_OK, match_add(walk->match, order.instrument, order.ref, order.side, order.price, order.qty));
    (void)naive_arrive(&walk->naive, order, false, NULL);
}

static void flow_step(struct walk *walk)
{
    struct naive *history = &walk->history;
    const uint32_t action = dice(walk, 10);
    const uint32_t instrument = dice(walk, 3);
    const uint8_t side = dice(walk, 2) ? 'B' : 'S';

    if (history->count < 20 || (action < 4 && history->count < 200)) {
        flow_add(walk, (struct naive_order){.ref = walk->next_ref++,
                                            .instrument = instrument,
                                            .qty = 1 + dice(walk, 100),
                                            .price = flow_price(walk, instrument, side),
                                            .side = side});
        return;
    }
    int at = naive_best(history, instrument, side, false);
    if (at < 0 || dice(walk, 4) == 0)
        at = (int)dice(walk, history->count);
    struct naive_order *named = &history->order[at];
    const int place = naive_find(&walk->naive, named->ref, 0);
    const uint64_t ref = named->ref;
    const uint32_t qty = dice(walk, 3) == 0 ? named->qty : 1 + dice(walk, named->qty);
    const enum match_verdict wanted = place >= 0 ? MATCH_OK : MATCH_UNKNOWN;
    walk->unknown_count += place < 0;
    walk->cut_count += place >= 0 && walk->naive.order[place].qty < qty;
    if (action == 9) { /* replace */
        struct naive_order renewed = *named;
        naive_erase(history, (uint32_t)at);
        renewed.ref = dice(walk, 8) == 0 ? ref : walk->next_ref++;
        renewed.qty = 1 + dice(walk, 150);
        renewed.price = flow_price(walk, renewed.instrument, renewed.side);
        history->order[history->count++] = renewed;
        expect(wanted, match_replace(walk->match, ref, renewed.ref, renewed.price, renewed.qty));
        if (place < 0)
            return;
        const struct naive_order gone = walk->naive.order[place];
        naive_erase(&walk->naive, (uint32_t)place);
        renewed.touched = gone.touched;
        if (gone.touched && renewed.qty > gone.qty)
            renewed.qty = gone.qty;
        (void)naive_arrive(&walk->naive, renewed, false, &gone);
        return;
    }
    if (named->qty == qty)
        naive_erase(history, (uint32_t)at);
    else
        named->qty -= qty;
    if (action < 7) {
        expect(wanted, match_execute(walk->match, ref, qty));
        if (place >= 0)
            naive_execute(&walk->naive, (uint32_t)place, qty);
    } else {
        const bool whole = naive_find(history, ref, 0) < 0;
        expect(wanted, whole ? match_delete(walk->match, ref) : match_reduce(walk->match, ref, qty));
        if (place >= 0)
            (void)naive_take(&walk->naive, MATCH_REDUCED, (uint32_t)place, whole ? UINT32_MAX : qty, 0);
    }
}

static struct match_order client_order(struct walk *walk, uint32_t instrument, uint8_t side)
{
    const struct book_bbo *bbo = book_bbo(match_book(walk->match), instrument);
    int32_t middle = bbo->bid_price != BOOK_PRICE_NONE ? bbo->bid_price : bbo->ask_price;
    if (middle == BOOK_PRICE_NONE)
        middle = 1000;
    return (struct match_order){.key = walk->next_key++,
                                .instrument = instrument,
                                .side = side,
                                .immediate = dice(walk, 3) == 0,
                                .price = middle - 5 + (int32_t)dice(walk, 12),
                                .qty = 1 + dice(walk, 120)};
}

/* The engine's reference of a client's order that has just come to rest is the double's too. */
static uint64_t ref_of(struct walk *walk, uint64_t key)
{
    struct match_order order;
    uint64_t ref = 0;
    (void)match_client_find(walk->match, key, &order, &ref);
    return ref;
}

static struct naive_order naive_of(struct walk *walk, const struct match_order *order)
{
    return (struct naive_order){.ref = ref_of(walk, order->key),
                                .key = order->key,
                                .instrument = order->instrument,
                                .qty = order->qty,
                                .price = order->price,
                                .side = order->side};
}

static void client_step(struct walk *walk)
{
    struct naive *naive = &walk->naive;
    const uint32_t action = dice(walk, 10);
    uint32_t left = 0, wanted_left, at = 0;

    const uint32_t clients = match_client_count(walk->match);
    if (clients > 0) { /* any of them */
        uint32_t n = dice(walk, clients);
        while (naive->order[at].key == 0 || n-- > 0)
            at++;
    }
    if (clients == 0 || (action < 6 && clients < SMALL.client_orders_max)) {
        const struct match_order order = client_order(walk, dice(walk, 3), dice(walk, 2) ? 'B' : 'S');
        walk->account[order.key].in = order.qty;
        expect(MATCH_OK, match_enter(walk->match, &order, &left));
        wanted_left = naive_arrive(naive, naive_of(walk, &order), order.immediate, NULL);
        cr_assert_eq(left, wanted_left);
        walk->account[order.key].left = left;
        return;
    }
    const struct naive_order named = naive->order[at];
    if (action < 8) {
        const uint32_t qty = dice(walk, 2) ? 0 : dice(walk, 100);
        uint32_t taken;
        expect(MATCH_OK, match_client_cut(walk->match, named.key, qty, &taken));
        cr_assert_eq(taken, named.qty > qty ? named.qty - qty : 0);
        if (taken > 0)
            (void)naive_take(naive, MATCH_REDUCED, at, taken, 0);
        return;
    }
    const struct match_order order = client_order(walk, named.instrument, named.side);
    walk->account[order.key].in = order.qty;
    expect(MATCH_OK, match_client_replace(walk->match, named.key, &order, &left));
    naive_erase(naive, at);
    wanted_left = naive_arrive(naive, naive_of(walk, &order), order.immediate, &named);
    cr_assert_eq(left, wanted_left);
    walk->account[order.key].left = left;
    if (walk->heard.count > 0 && walk->heard.news[0].type == MATCH_REPLACED) { /* else MATCH_REMOVED says it */
        walk->account[named.key].off += named.qty;
        walk->account[named.key].left = 0;
    }
}

/* What was heard is what the double says, and the accounts follow it. */
static void settle(struct walk *walk, uint32_t step)
{
    cr_assert_eq(walk->heard.count, walk->naive.heard.count, "step %u: %u news, expected %u", step, walk->heard.count,
                 walk->naive.heard.count);
    for (uint32_t i = 0; i < walk->heard.count; i++) {
        const struct match_news *news = &walk->heard.news[i];
        cr_assert(same_news(news, &walk->naive.heard.news[i]), "step %u, news %u of %u: type %u, expected %u", step, i,
                  walk->heard.count, news->type, walk->naive.heard.news[i].type);
        walk->type_count[news->type]++;
        if (news->type == MATCH_TRADED) {
            walk->client_trade_count += news->owner != 0;
            walk->account[news->owner].traded += news->qty;
            walk->account[news->taker].traded += news->qty;
        } else if (news->type == MATCH_REDUCED || news->type == MATCH_REMOVED) {
            walk->account[news->owner].off += news->qty;
        }
        if (news->owner != 0)
            walk->account[news->owner].left = news->left_qty;
    }
    walk->heard.count = walk->naive.heard.count = 0;
}

Test(match, random_walk_matches_the_naive_engine_conserves_shares_and_is_never_crossed)
{
    struct walk *walk = calloc(1, sizeof(*walk));
    cr_assert_not_null(walk);
    walk->account = calloc(KEYS_MAX, sizeof(*walk->account));
    cr_assert_not_null(walk->account);
    walk->match = match_make(&SMALL, &walk->heard);
    walk->next_key = walk->next_ref = 1;
    walk->random = 4;
    for (uint32_t step = 0; step < 100000; step++) {
        if (dice(walk, 3) == 0)
            client_step(walk);
        else
            flow_step(walk);
        settle(walk, step);
        cr_assert_eq(book_order_count(match_book(walk->match)), walk->naive.count);
        for (uint32_t instrument = 0; instrument < 3; instrument++) {
            const struct book_bbo *bbo = book_bbo(match_book(walk->match), instrument);
            cr_assert(bbo->bid_price == BOOK_PRICE_NONE || bbo->ask_price == BOOK_PRICE_NONE ||
                          bbo->bid_price < bbo->ask_price,
                      "step %u: %d %d", step, bbo->bid_price, bbo->ask_price);
            expect_same_side(&walk->naive, walk->match, instrument, 'B');
            expect_same_side(&walk->naive, walk->match, instrument, 'S');
        }
        for (uint32_t i = 0; step % 64 == 0 && i < walk->naive.count; i++) {
            const struct naive_order *order = &walk->naive.order[i];
            const int believed = naive_find(&walk->history, order->ref, 0);
            cr_assert(order->key != 0 || (believed >= 0 && walk->history.order[believed].qty >= order->qty),
                      "step %u: more of %lu than the flow says", step, (unsigned long)order->ref);
        }
    }
    for (uint64_t key = 1; key < walk->next_key; key++) {
        const struct account *account = &walk->account[key];
        cr_assert_eq(account->in, account->traded + account->off + account->left, "key %lu: %u in, %u %u %u",
                     (unsigned long)key, account->in, account->traded, account->off, account->left);
    }
    /* The walk was not idle: each kind of news, each cut of the flow. */
    for (unsigned type = MATCH_ADDED; type <= MATCH_REPLACED; type++)
        cr_assert_gt(walk->type_count[type], 1000, "type %u: %lu", type, (unsigned long)walk->type_count[type]);
    cr_assert(walk->client_trade_count > 1000 && walk->cut_count > 100 && walk->unknown_count > 1000);
    match_free(walk->match, &SMALL);
    free(walk->account);
    free(walk);
}

Test(match, without_clients_the_book_is_the_one_that_the_flow_tells)
{
    struct heard heard;
    struct match *match = match_make(&SMALL, &heard);
    struct book *book = book_init(aligned_alloc(CACHE_LINE_BYTES, book_footprint(&SMALL.book)), &SMALL.book);
    struct book_change change;
    uint64_t state = 11;
    for (uint32_t step = 0; step < 100000; step++) {
        const uint64_t value = random_next(&state), more = random_next(&state);
        const uint64_t ref = 1 + value % 200, other = 1 + more % 200;
        const uint32_t instrument = (uint32_t)(value >> 20) % 3, qty = 1 + (uint32_t)(value >> 30) % 50;
        const uint8_t side = (more >> 63) != 0 ? 'B' : 'S';
        const int32_t price = (side == 'B' ? 1000 : 1020) + (int32_t)((more >> 20) % 21); /* crossed now and then */
        switch (value >> 61) {
        case 0:
            expect(book_reduce(book, ref, qty, &change) == BOOK_OK ? MATCH_OK : MATCH_UNKNOWN,
                   match_execute(match, ref, qty));
            break;
        case 1:
            expect(book_reduce(book, ref, qty, &change) == BOOK_OK ? MATCH_OK : MATCH_UNKNOWN,
                   match_reduce(match, ref, qty));
            break;
        case 2:
            expect(book_delete(book, ref, &change) == BOOK_OK ? MATCH_OK : MATCH_UNKNOWN, match_delete(match, ref));
            break;
        case 3:
            if (ref == other || !book_find(book, other, &(struct book_order_info){.qty = 0}))
                expect(book_replace(book, ref, other, price, qty, &change) == BOOK_OK ? MATCH_OK : MATCH_UNKNOWN,
                       match_replace(match, ref, other, price, qty));
            break;
        default:
            expect(book_add(book, instrument, ref, side, price, qty) == BOOK_OK ? MATCH_OK : MATCH_DUPLICATE,
                   match_add(match, instrument, ref, side, price, qty));
            break;
        }
        heard.count = 0;
        if (step % 16 == 0)
            cr_assert_eq(book_hash(match_book(match)), book_hash(book), "step %u", step);
    }
    cr_assert_gt(book_order_count(book), 20);
    cr_assert_gt(book_counters(book)->crossed_count, 20);
    free(book);
    match_free(match, &SMALL);
}
