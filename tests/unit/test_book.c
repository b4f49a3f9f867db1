/* feed/book: each verdict and boundary by hand, then random operations beside the naive book. */
#include "feed/book.h"

#include "ring/check.h"
#include "tools/venue_book.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define CENT 100

static const struct book_params SMALL = {.instruments_max = 4, .orders_max = 256, .levels_max = 128};

/* Filled with ones first: nothing may depend on zeroed memory. A guard line behind the end must stay as it is. */
static struct book *book_make(const struct book_params *params)
{
    const size_t bytes = book_footprint(params);
    cr_assert_gt(bytes, 0);
    uint8_t *memory = aligned_alloc(CACHE_LINE_BYTES, bytes + CACHE_LINE_BYTES);
    cr_assert_not_null(memory);
    memset(memory, 0xff, bytes);
    memset(memory + bytes, 0xa5, CACHE_LINE_BYTES);
    return book_init(memory, params);
}

static void book_free(struct book *book, const struct book_params *params)
{
    const uint8_t *guard = (const uint8_t *)book + book_footprint(params);
    for (unsigned i = 0; i < CACHE_LINE_BYTES; i++)
        cr_assert_eq(guard[i], 0xa5, "written behind the end");
    free(book);
}

static void expect_bbo(const struct book *book, uint32_t instrument, int32_t bid_price, uint32_t bid_qty,
                       int32_t ask_price, uint32_t ask_qty)
{
    const struct book_bbo *bbo = book_bbo(book, instrument);
    cr_assert_eq(bbo->bid_price, bid_price, "bid %d, expected %d", bbo->bid_price, bid_price);
    cr_assert_eq(bbo->bid_qty, bid_qty, "bid qty %u, expected %u", bbo->bid_qty, bid_qty);
    cr_assert_eq(bbo->ask_price, ask_price, "ask %d, expected %d", bbo->ask_price, ask_price);
    cr_assert_eq(bbo->ask_qty, ask_qty, "ask qty %u, expected %u", bbo->ask_qty, ask_qty);
}

static void expect_empty(const struct book *book, uint32_t instrument)
{
    expect_bbo(book, instrument, BOOK_PRICE_NONE, 0, BOOK_PRICE_NONE, 0);
    cr_assert_eq(book_totals(book, instrument, 'B').level_count + book_totals(book, instrument, 'S').level_count, 0);
}

#define expect(verdict, call)                                                                                          \
    do {                                                                                                               \
        const enum book_verdict found_verdict = (call);                                                                \
        cr_assert_eq(found_verdict, verdict, "%s, expected %s", book_verdict_name(found_verdict),                      \
                     book_verdict_name(verdict));                                                                      \
    } while (0)

/* ---- set-up ---- */

Test(book, parameters_out_of_range_have_no_footprint)
{
    const struct book_params bad[] = {
        {0, 1, 1}, {1, 0, 1}, {1, 1, 0}, {BOOK_INSTRUMENTS_MAX + 1, 1, 1}, {1, (1u << 28) + 1, 1},
        {1, 1, (1u << 26) + 1}, {UINT32_MAX, UINT32_MAX, UINT32_MAX},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert_eq(book_footprint(&bad[i]), 0, "case %zu", i);
    const struct book_params least = {1, 1, 1}, most = {BOOK_INSTRUMENTS_MAX, 1u << 28, 1u << 26};
    cr_assert_gt(book_footprint(&least), 0);
    cr_assert_gt(book_footprint(&most), ((size_t)32 << 28) + ((size_t)32 << 26));
}

Test(book, footprint_is_64_to_128_bytes_an_order_50_a_level_and_2240_an_instrument)
{
    for (uint64_t orders = 1 << 20; orders <= 1 << 21; orders += 1 << 18) {
        const struct book_params params = {8000, (uint32_t)orders, 1000000};
        const uint64_t order_bytes = orders == 1 << 20 ? 64 << 20 : 128 << 20;
        cr_assert_leq(book_footprint(&params), order_bytes + 1000000 * 50ull + 8000 * 2240ull + 4096);
    }
}

Test(book, verdict_names_are_distinct)
{
    for (unsigned i = 0; i < BOOK_VERDICT_COUNT; i++)
        for (unsigned k = 0; k < i; k++)
            cr_assert_str_neq(book_verdict_name((enum book_verdict)i), book_verdict_name((enum book_verdict)k));
    cr_assert_str_eq(book_verdict_name(BOOK_VERDICT_COUNT), "unknown");
}

Test(book, new_book_is_empty_whatever_the_memory_held)
{
    struct book *book = book_make(&SMALL);
    struct book_change change;
    uint64_t ahead;
    for (uint32_t i = 0; i < SMALL.instruments_max; i++) {
        expect_empty(book, i);
        cr_assert_not(book_untradable(book, i));
        cr_assert_eq(book_queue(book, i, 'B', 0, 1, &ahead), 0);
    }
    cr_assert_eq(book_order_count(book), 0);
    for (uint64_t ref = 0; ref < 1000; ref++)
        expect(BOOK_ORPHAN, book_delete(book, ref, &change));
    expect(BOOK_ORPHAN, book_delete(book, UINT64_MAX, &change));
    cr_assert_not(book_queue_ahead(book, 1, &ahead));
    cr_assert_eq(book_counters(book)->verdict[BOOK_ORPHAN], 1001);
    book_free(book, &SMALL);
}

/* ---- one operation at a time ---- */

Test(book, best_prices_and_quantities_follow_adds_on_both_sides)
{
    struct book *book = book_make(&SMALL);
    expect(BOOK_OK, book_add(book, 1, 10, 'B', 100 * CENT, 300));
    expect_bbo(book, 1, 100 * CENT, 300, BOOK_PRICE_NONE, 0);
    expect(BOOK_OK, book_add(book, 1, 11, 'S', 102 * CENT, 50));
    expect_bbo(book, 1, 100 * CENT, 300, 102 * CENT, 50);
    expect(BOOK_OK, book_add(book, 1, 12, 'B', 99 * CENT, 1));
    expect(BOOK_OK, book_add(book, 1, 13, 'S', 103 * CENT, 1));
    expect_bbo(book, 1, 100 * CENT, 300, 102 * CENT, 50);
    expect(BOOK_OK, book_add(book, 1, 14, 'B', 100 * CENT, 200));
    expect(BOOK_OK, book_add(book, 1, 15, 'S', 101 * CENT, 7));
    expect_bbo(book, 1, 100 * CENT, 500, 101 * CENT, 7);
    expect_empty(book, 0);
    expect_empty(book, 2);
    book_free(book, &SMALL);
}

Test(book, executions_to_zero_uncover_the_next_level)
{
    struct book *book = book_make(&SMALL);
    struct book_change change;
    (void)book_add(book, 0, 1, 'S', 500, 100);
    (void)book_add(book, 0, 2, 'S', 501, 80);
    expect(BOOK_OK, book_reduce(book, 1, 60, &change));
    cr_assert(change.ref == 1 && change.instrument == 0 && change.price == 500 && change.qty == 60 &&
              change.left_qty == 40 && change.side == 'S' && !change.clamped);
    expect_bbo(book, 0, BOOK_PRICE_NONE, 0, 500, 40);
    expect(BOOK_OK, book_reduce(book, 1, 40, &change));
    cr_assert(change.qty == 40 && change.left_qty == 0 && !change.clamped);
    expect_bbo(book, 0, BOOK_PRICE_NONE, 0, 501, 80);
    expect(BOOK_ORPHAN, book_reduce(book, 1, 1, &change));
    expect(BOOK_OK, book_reduce(book, 2, 80, &change));
    expect_empty(book, 0);
    cr_assert_eq(book_order_count(book), 0);
    book_free(book, &SMALL);
}

Test(book, reduce_by_more_than_is_left_is_clamped_and_counted)
{
    struct book *book = book_make(&SMALL);
    struct book_change change;
    (void)book_add(book, 0, 1, 'B', 500, 100);
    expect(BOOK_OK, book_reduce(book, 1, 101, &change));
    cr_assert(change.qty == 100 && change.left_qty == 0 && change.clamped);
    cr_assert_eq(book_counters(book)->clamped_count, 1);
    expect_empty(book, 0);
    (void)book_add(book, 0, 1, 'B', 500, UINT32_MAX - 1);
    expect(BOOK_OK, book_reduce(book, 1, UINT32_MAX, &change));
    cr_assert(change.qty == UINT32_MAX - 1 && change.clamped);
    cr_assert_eq(book_counters(book)->clamped_count, 2);
    book_free(book, &SMALL);
}

Test(book, reduce_by_nothing_changes_nothing)
{
    struct book *book = book_make(&SMALL);
    struct book_change change;
    (void)book_add(book, 0, 1, 'B', 500, 100);
    expect(BOOK_OK, book_reduce(book, 1, 0, &change));
    cr_assert(change.qty == 0 && change.left_qty == 100 && !change.clamped);
    expect_bbo(book, 0, 500, 100, BOOK_PRICE_NONE, 0);
    book_free(book, &SMALL);
}

Test(book, orphans_are_counted_and_their_change_is_not_written)
{
    struct book *book = book_make(&SMALL);
    struct book_change change, before;
    memset(&change, 0x5a, sizeof(change));
    before = change;
    expect(BOOK_ORPHAN, book_reduce(book, 7, 1, &change));
    expect(BOOK_ORPHAN, book_delete(book, 7, &change));
    expect(BOOK_ORPHAN, book_replace(book, 7, 8, 100, 100, &change));
    cr_assert_eq(memcmp(&change, &before, sizeof(change)), 0);
    cr_assert_eq(book_counters(book)->verdict[BOOK_ORPHAN], 3);
    cr_assert_eq(book_order_count(book), 0);
    book_free(book, &SMALL);
}

Test(book, duplicate_reference_leaves_the_living_order_alone)
{
    struct book *book = book_make(&SMALL);
    struct book_change change;
    (void)book_add(book, 0, 1, 'B', 500, 100);
    expect(BOOK_DUPLICATE_REF, book_add(book, 1, 1, 'S', 600, 7));
    expect(BOOK_DUPLICATE_REF, book_add(book, 0, 1, 'B', 500, 100));
    expect_bbo(book, 0, 500, 100, BOOK_PRICE_NONE, 0);
    expect_empty(book, 1);
    cr_assert_not(book_untradable(book, 1));
    expect(BOOK_OK, book_delete(book, 1, &change));
    expect(BOOK_OK, book_add(book, 1, 1, 'S', 600, 7));
    expect_bbo(book, 1, BOOK_PRICE_NONE, 0, 600, 7);
    book_free(book, &SMALL);
}

Test(book, refused_adds_leave_no_trace_but_verdict_and_mark)
{
    struct book *book = book_make(&SMALL);
    expect(BOOK_BAD_QTY, book_add(book, 0, 1, 'B', 500, 0));
    cr_assert_not(book_untradable(book, 0));
    expect(BOOK_BAD_INSTRUMENT, book_add(book, SMALL.instruments_max, 1, 'B', 500, 1));
    expect(BOOK_BAD_INSTRUMENT, book_add(book, UINT32_MAX, 1, 'B', 500, 1));
    expect(BOOK_BAD_PRICE, book_add(book, 0, 1, 'B', BOOK_PRICE_NONE, 1));
    cr_assert(book_untradable(book, 0));
    cr_assert_not(book_untradable(book, 1));
    expect_empty(book, 0);
    cr_assert_eq(book_order_count(book), 0);
    const struct book_counters *counters = book_counters(book);
    cr_assert(counters->verdict[BOOK_BAD_QTY] == 1 && counters->verdict[BOOK_BAD_INSTRUMENT] == 2 &&
              counters->verdict[BOOK_BAD_PRICE] == 1 && counters->verdict[BOOK_OK] == 0);
    book_free(book, &SMALL);
}

Test(book, negative_and_extreme_prices_are_sorted_as_numbers)
{
    struct book *book = book_make(&SMALL);
    struct book_level_view level[8];
    const int32_t prices[] = {0, -1, 1, INT32_MAX, INT32_MIN + 1, -500, 500};
    for (uint32_t i = 0; i < 7; i++) {
        expect(BOOK_OK, book_add(book, 0, 100 + i, 'B', prices[i], 1));
        expect(BOOK_OK, book_add(book, 1, 200 + i, 'S', prices[i], 1));
    }
    expect_bbo(book, 0, INT32_MAX, 1, BOOK_PRICE_NONE, 0);
    expect_bbo(book, 1, BOOK_PRICE_NONE, 0, INT32_MIN + 1, 1);
    const int32_t rising[] = {INT32_MIN + 1, -500, -1, 0, 1, 500, INT32_MAX};
    cr_assert_eq(book_levels(book, 1, 'S', 8, level), 7);
    for (uint32_t i = 0; i < 7; i++)
        cr_assert_eq(level[i].price, rising[i]);
    cr_assert_eq(book_levels(book, 0, 'B', 8, level), 7);
    for (uint32_t i = 0; i < 7; i++)
        cr_assert_eq(level[i].price, rising[6 - i]);
    cr_assert_eq(book_levels(book, 0, 'B', 3, level), 3);
    cr_assert_eq(book_levels(book, 0, 'B', 0, level), 0);
    book_free(book, &SMALL);
}

Test(book, references_of_any_value_are_references)
{
    struct book *book = book_make(&SMALL);
    struct book_change change;
    const uint64_t refs[] = {0, 1, UINT64_MAX, UINT64_MAX - 1, 1ull << 63, 1ull << 32, 0xffffffffu};
    for (uint32_t i = 0; i < 7; i++)
        expect(BOOK_OK, book_add(book, 0, refs[i], 'B', 10, i + 1));
    for (uint32_t i = 0; i < 7; i++) {
        expect(BOOK_OK, book_delete(book, refs[i], &change));
        cr_assert(change.ref == refs[i] && change.qty == i + 1);
    }
    book_free(book, &SMALL);
}

/* ---- queues ---- */

Test(book, queue_ahead_is_what_came_first_and_is_still_there)
{
    struct book *book = book_make(&SMALL);
    struct book_change change;
    uint64_t ahead = 99, refs[8];
    for (uint32_t i = 1; i <= 4; i++)
        (void)book_add(book, 0, i, 'B', 500, i * 100);
    (void)book_add(book, 0, 5, 'B', 501, 1);
    cr_assert(book_queue_ahead(book, 1, &ahead) && ahead == 0);
    cr_assert(book_queue_ahead(book, 4, &ahead) && ahead == 600);
    (void)book_reduce(book, 1, 40, &change); /* keeps its place */
    cr_assert(book_queue_ahead(book, 4, &ahead) && ahead == 560);
    (void)book_delete(book, 2, &change); /* from the middle */
    cr_assert(book_queue_ahead(book, 4, &ahead) && ahead == 360);
    (void)book_delete(book, 1, &change); /* from the head */
    cr_assert(book_queue_ahead(book, 4, &ahead) && ahead == 300);
    (void)book_delete(book, 4, &change); /* from the tail */
    (void)book_add(book, 0, 6, 'B', 500, 1);
    cr_assert_eq(book_queue(book, 0, 'B', 500, 8, refs), 2);
    cr_assert(refs[0] == 3 && refs[1] == 6);
    cr_assert_eq(book_queue(book, 0, 'B', 500, 1, refs), 1);
    cr_assert_eq(book_queue(book, 0, 'B', 502, 8, refs), 0);
    cr_assert_eq(book_queue(book, 0, 'S', 500, 8, refs), 0);
    cr_assert_not(book_queue_ahead(book, 2, &ahead));
    book_free(book, &SMALL);
}

Test(book, find_tells_an_order_as_it_stands_and_a_mark_lives_as_long_as_it)
{
    struct book *book = book_make(&SMALL);
    struct book_change change;
    struct book_order_info order = {.qty = 77};
    cr_assert_not(book_find(book, 5, &order));
    book_mark_order(book, 5); /* nothing to mark */
    (void)book_add(book, 2, 5, 'S', 500, 100);
    (void)book_add(book, 2, 6, 'B', 400, 10);
    cr_assert(book_find(book, 5, &order) && order.instrument == 2 && order.price == 500 && order.qty == 100 &&
              order.side == 'S' && !order.marked);
    book_mark_order(book, 5);
    expect(BOOK_OK, book_reduce(book, 5, 30, &change));
    cr_assert(book_find(book, 5, &order) && order.qty == 70 && order.marked);
    cr_assert(book_find(book, 6, &order) && order.side == 'B' && !order.marked);
    expect(BOOK_OK, book_delete(book, 5, &change));
    cr_assert_not(book_find(book, 5, &order));
    (void)book_add(book, 2, 5, 'S', 500, 100);
    cr_assert(book_find(book, 5, &order) && !order.marked);
    book_free(book, &SMALL);
}

Test(book, replace_loses_priority_even_at_the_same_price_and_reference)
{
    struct book *book = book_make(&SMALL);
    struct book_change removed;
    uint64_t ahead, refs[4];
    (void)book_add(book, 3, 1, 'S', 500, 100);
    (void)book_add(book, 3, 2, 'S', 500, 200);
    expect(BOOK_OK, book_replace(book, 1, 10, 500, 50, &removed));
    cr_assert(removed.ref == 1 && removed.qty == 100 && removed.left_qty == 0 && removed.side == 'S' &&
              removed.instrument == 3 && removed.price == 500);
    cr_assert(book_queue_ahead(book, 10, &ahead) && ahead == 200);
    expect(BOOK_OK, book_replace(book, 2, 2, 500, 200, &removed));
    cr_assert(book_queue_ahead(book, 2, &ahead) && ahead == 50);
    cr_assert_eq(book_queue(book, 3, 'S', 500, 4, refs), 2);
    cr_assert(refs[0] == 10 && refs[1] == 2);
    expect(BOOK_OK, book_replace(book, 10, 11, 499, 5, &removed));
    expect_bbo(book, 3, BOOK_PRICE_NONE, 0, 499, 5);
    book_free(book, &SMALL);
}

Test(book, replace_whose_new_order_is_refused_still_removes_the_old_one)
{
    struct book *book = book_make(&SMALL);
    struct book_change removed = {.ref = 0};
    (void)book_add(book, 0, 1, 'B', 500, 100);
    (void)book_add(book, 0, 2, 'B', 500, 200);
    (void)book_add(book, 0, 3, 'B', 500, 300);
    expect(BOOK_DUPLICATE_REF, book_replace(book, 1, 2, 510, 1, &removed));
    cr_assert(removed.ref == 1 && removed.qty == 100);
    expect_bbo(book, 0, 500, 500, BOOK_PRICE_NONE, 0);
    expect(BOOK_BAD_QTY, book_replace(book, 2, 9, 510, 0, &removed));
    cr_assert(removed.ref == 2 && removed.qty == 200);
    expect_bbo(book, 0, 500, 300, BOOK_PRICE_NONE, 0);
    expect(BOOK_BAD_PRICE, book_replace(book, 3, 9, BOOK_PRICE_NONE, 10, &removed));
    cr_assert(removed.ref == 3 && removed.qty == 300);
    expect_empty(book, 0);
    cr_assert(book_untradable(book, 0));
    book_free(book, &SMALL);
}

Test(book, replace_to_a_new_level_is_refused_when_levels_are_full)
{
    const struct book_params params = {.instruments_max = 1, .orders_max = 8, .levels_max = 2};
    struct book *book = book_make(&params);
    struct book_change removed;
    (void)book_add(book, 0, 1, 'B', 500, 100);
    (void)book_add(book, 0, 2, 'B', 500, 100);
    (void)book_add(book, 0, 3, 'S', 501, 100);
    expect(BOOK_LEVELS_FULL, book_replace(book, 1, 4, 499, 100, &removed));
    cr_assert_eq(removed.ref, 1);
    cr_assert_eq(book_order_count(book), 2);
    cr_assert(book_untradable(book, 0));
    expect(BOOK_OK, book_replace(book, 2, 4, 499, 100, &removed)); /* the last at 500: its level serves again */
    expect_bbo(book, 0, 499, 100, 501, 100);
    book_free(book, &params);
}

/* ---- best bid and offer ---- */

Test(book, quantities_of_the_bbo_saturate_and_come_back_exactly)
{
    struct book *book = book_make(&SMALL);
    struct book_change change;
    struct book_level_view level;
    for (uint32_t i = 0; i < 100; i++)
        expect(BOOK_OK, book_add(book, 0, i, 'B', 500, UINT32_MAX));
    expect_bbo(book, 0, 500, UINT32_MAX, BOOK_PRICE_NONE, 0);
    cr_assert_eq(book_levels(book, 0, 'B', 1, &level), 1);
    cr_assert_eq(level.qty, 100ull * UINT32_MAX);
    cr_assert_eq(book_totals(book, 0, 'B').qty, 100ull * UINT32_MAX);
    for (uint32_t i = 0; i < 99; i++)
        (void)book_delete(book, i, &change);
    expect_bbo(book, 0, 500, UINT32_MAX, BOOK_PRICE_NONE, 0);
    (void)book_reduce(book, 99, 1, &change);
    expect_bbo(book, 0, 500, UINT32_MAX - 1, BOOK_PRICE_NONE, 0);
    (void)book_add(book, 0, 1, 'B', 500, 1);
    expect_bbo(book, 0, 500, UINT32_MAX, BOOK_PRICE_NONE, 0);
    book_free(book, &SMALL);
}

Test(book, crossing_is_counted_once_each_time_it_begins)
{
    struct book *book = book_make(&SMALL);
    struct book_change change;
    const struct book_counters *counters = book_counters(book);
    (void)book_add(book, 0, 1, 'B', 500, 100);
    (void)book_add(book, 0, 2, 'S', 501, 100);
    (void)book_add(book, 1, 3, 'S', 400, 100); /* another instrument crosses nothing */
    cr_assert_eq(counters->crossed_count, 0);
    (void)book_add(book, 0, 4, 'B', 501, 100); /* locked counts */
    cr_assert_eq(counters->crossed_count, 1);
    (void)book_add(book, 0, 5, 'B', 502, 100);
    (void)book_add(book, 0, 6, 'S', 490, 100);
    (void)book_reduce(book, 5, 10, &change);
    cr_assert_eq(counters->crossed_count, 1);
    (void)book_delete(book, 5, &change);
    (void)book_delete(book, 6, &change);
    (void)book_delete(book, 4, &change); /* uncrossed */
    cr_assert_eq(counters->crossed_count, 1);
    (void)book_add(book, 0, 7, 'S', 500, 1);
    cr_assert_eq(counters->crossed_count, 2);
    book_free(book, &SMALL);
}

Test(book, a_side_that_was_emptied_begins_again_with_any_price)
{
    struct book *book = book_make(&SMALL);
    struct book_change change;
    for (uint32_t round = 0; round < 50; round++) {
        const int32_t price = round % 2 != 0 ? 1000 : 10;
        expect(BOOK_OK, book_add(book, 0, round, 'S', price, round + 1));
        expect_bbo(book, 0, BOOK_PRICE_NONE, 0, price, round + 1);
        expect(BOOK_OK, book_delete(book, round, &change));
        expect_empty(book, 0);
    }
    book_free(book, &SMALL);
}

Test(book, address_of_the_bbo_stays_valid)
{
    struct book *book = book_make(&SMALL);
    const struct book_bbo *bbo = book_bbo(book, 2);
    for (uint32_t i = 0; i < 100; i++)
        (void)book_add(book, 2, i, 'B', (int32_t)i, 1);
    cr_assert_eq(bbo, book_bbo(book, 2));
    cr_assert_eq(bbo->bid_price, 99);
    book_free(book, &SMALL);
}

Test(book, levels_are_walked_from_any_price_to_the_next_worse_one)
{
    static const uint8_t sides[2] = {'B', 'S'};
    struct book *book = book_make(&SMALL);
    struct book_level_view level;
    for (uint32_t s = 0; s < 2; s++) {
        cr_assert_not(book_level_behind(book, 1, sides[s], BOOK_PRICE_NONE, &level), "there is none");
        for (uint32_t i = 0; i < 30; i++)
            expect(BOOK_OK, book_add(book, 1, s * 100 + i, sides[s], (int32_t)(i * 7 % 10 * 10) + 5, 1 + i));
        const int32_t better = sides[s] == 'B' ? 10 : -10;
        int32_t price = BOOK_PRICE_NONE;
        for (int32_t expected = sides[s] == 'B' ? 95 : 5; expected >= 5 && expected <= 95; expected -= better) {
            struct book_order_view orders[4];
            uint64_t refs[4];
            cr_assert(book_level_behind(book, 1, sides[s], price, &level));
            cr_assert(level.price == expected && level.order_count == 3);
            price = expected + better / 2; /* no level of this price: the next worse one is the same */
            cr_assert(book_level_behind(book, 1, sides[s], price, &level) && level.price == expected);
            cr_assert_eq(book_orders(book, 1, sides[s], expected, 4, orders), 3u);
            cr_assert_eq(book_queue(book, 1, sides[s], expected, 4, refs), 3u);
            for (uint32_t k = 0; k < 3; k++)
                cr_assert(orders[k].ref == refs[k] && orders[k].qty == 1 + refs[k] - s * 100);
            cr_assert_eq(book_orders(book, 1, sides[s], expected, 2, orders), 2u);
            cr_assert_eq(book_orders(book, 1, sides[s], price, 4, orders), 0u);
            price = expected;
        }
        cr_assert_not(book_level_behind(book, 1, sides[s], price, &level), "that was the worst");
    }
    book_free(book, &SMALL);
}

/* ---- room ---- */

Test(book, full_order_pool_refuses_and_serves_again_when_drained)
{
    const struct book_params params = {.instruments_max = 2, .orders_max = 100, .levels_max = 100};
    struct book *book = book_make(&params);
    struct book_change change;
    uint64_t ref = 0;
    for (uint32_t cycle = 0; cycle < 200; cycle++) {
        for (uint32_t i = 0; i < 100; i++)
            expect(BOOK_OK, book_add(book, i % 2, ref++, i % 3 != 0 ? 'B' : 'S', (int32_t)(i % 10), 1));
        expect(BOOK_ORDERS_FULL, book_add(book, 0, ref, 'B', 5, 1));
        expect(BOOK_ORDERS_FULL, book_add(book, 0, ref, 'B', 5000, 1)); /* nor does it leave an empty level */
        cr_assert_eq(book_order_count(book), 100);
        for (uint64_t i = 0; i < 100; i++) /* another way round each cycle */
            expect(BOOK_OK, book_delete(book, ref - 100 + (i * 37 + cycle) % 100, &change));
        expect_empty(book, 0);
        expect_empty(book, 1);
    }
    cr_assert(book_untradable(book, 0));
    cr_assert_not(book_untradable(book, 1));
    cr_assert_eq(book_counters(book)->verdict[BOOK_ORDERS_FULL], 400);
    book_free(book, &params);
}

Test(book, replace_works_in_a_full_order_pool)
{
    const struct book_params params = {.instruments_max = 1, .orders_max = 1, .levels_max = 1};
    struct book *book = book_make(&params);
    struct book_change change;
    (void)book_add(book, 0, 1, 'B', 5, 1);
    for (uint64_t ref = 1; ref < 1000; ref++)
        expect(BOOK_OK, book_replace(book, ref, ref + 1, (int32_t)ref, 1, &change));
    expect_bbo(book, 0, 999, 1, BOOK_PRICE_NONE, 0);
    book_free(book, &params);
}

/* One side takes every level; then the other side of another instrument, many times: what a ladder leaves behind as it
 * grows and shrinks becomes whole again. */
Test(book, every_level_can_be_on_one_side_again_and_again)
{
    const struct book_params params = {.instruments_max = 3, .orders_max = 6000, .levels_max = 5000};
    struct book *book = book_make(&params);
    struct book_change change;
    struct book_level_view level[2];
    for (uint32_t cycle = 0; cycle < 24; cycle++) {
        const uint8_t side = cycle % 2 != 0 ? 'B' : 'S';
        const bool outwards = cycle % 4 < 2;
        for (uint32_t i = 0; i < 5000; i++)
            expect(BOOK_OK, book_add(book, cycle % 3, i, side, (int32_t)(outwards ? i : 4999 - i), 1));
        expect(BOOK_LEVELS_FULL, book_add(book, cycle % 3, 5000, side, 5000, 1));
        expect(BOOK_OK, book_add(book, cycle % 3, 5000, side, 2500, 1)); /* a level that is there needs no room */
        cr_assert_eq(book_totals(book, cycle % 3, side).level_count, 5000);
        cr_assert_eq(book_levels(book, cycle % 3, side, 2, level), 2);
        cr_assert_eq(level[0].price, side == 'B' ? 4999 : 0);
        for (uint32_t i = 0; i <= 5000; i++)
            expect(BOOK_OK, book_delete(book, (uint64_t)i * 1237 % 5001, &change));
        expect_empty(book, cycle % 3);
    }
    book_free(book, &params);
}

Test(book, all_levels_are_given_out_however_they_are_spread)
{
    const struct book_params params = {.instruments_max = 40, .orders_max = 4096, .levels_max = 4096};
    struct book *book = book_make(&params);
    struct book_change change;
    uint64_t state = 1;
    for (uint32_t cycle = 0; cycle < 40; cycle++) {
        /* Shares of the sides differ by powers of two, another way each cycle. */
        for (uint32_t i = 0; i < 4096; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            const uint32_t spread = (uint32_t)(state >> 58) < 32 ? 2 : 80;
            const uint32_t where = ((uint32_t)(state >> 40) + cycle) % spread;
            expect(BOOK_OK, book_add(book, where / 2, i, where % 2 != 0 ? 'B' : 'S', (int32_t)(i * 7 % 4096), 1));
        }
        expect(BOOK_ORDERS_FULL, book_add(book, 0, 5000, 'B', 1, 1));
        for (uint32_t i = 0; i < 4096; i++)
            expect(BOOK_OK, book_delete(book, i ^ (cycle * 97 & 4095), &change));
    }
    cr_assert_eq(book_counters(book)->verdict[BOOK_LEVELS_FULL], 0);
    book_free(book, &params);
}

/* As many ladders of one size as there are levels for, each grown into its size and then shortened as far as it keeps
 * it; all gone, the next size. What one size cut up must be whole again for the next. */
Test(book, ladders_of_every_size_in_turn_find_room)
{
    const struct book_params params = {.instruments_max = 300, .orders_max = 4096, .levels_max = 4096};
    struct book *book = book_make(&params);
    struct book_change change;
    for (uint32_t cycle = 0; cycle < 27; cycle++) {
        const uint32_t room = 16u << (cycle % 9 * 5 % 9); /* 16 to 4,096 rungs, up and down */
        const uint32_t grown = room / 2 + 1, kept = room * 3 / 8 + 1;
        const uint32_t sides = (4096 - grown) / kept < 600 ? (4096 - grown) / kept : 600;
        for (uint32_t side = 0; side < sides; side++) {
            for (uint32_t i = 0; i < grown; i++)
                expect(BOOK_OK, book_add(book, side / 2, (uint64_t)side * 4096 + i, side % 2 != 0 ? 'B' : 'S',
                                         (int32_t)i, 1));
            for (uint32_t i = kept; i < grown; i++)
                expect(BOOK_OK, book_delete(book, (uint64_t)side * 4096 + i, &change));
        }
        cr_assert_eq(book_totals(book, (sides - 1) / 2, (sides - 1) % 2 != 0 ? 'B' : 'S').level_count, kept);
        for (uint32_t side = 0; side < sides; side++)
            for (uint32_t i = 0; i < kept; i++)
                expect(BOOK_OK, book_delete(book, (uint64_t)side * 4096 + i, &change));
        cr_assert_eq(book_order_count(book), 0);
    }
    cr_assert_eq(book_counters(book)->verdict[BOOK_LEVELS_FULL], 0);
    book_free(book, &params);
}

Test(book, a_side_holds_65536_far_levels_and_no_more)
{
    const struct book_params params = {.instruments_max = 1, .orders_max = 70000, .levels_max = 70000};
    struct book *book = book_make(&params);
    for (uint32_t i = 0; i < 65536; i++)
        expect(BOOK_OK, book_add(book, 0, i, 'B', -1 - (int32_t)i, 1)); /* none in the window: below zero */
    expect(BOOK_LEVELS_FULL, book_add(book, 0, 65536, 'B', -70000, 1));
    expect(BOOK_OK, book_add(book, 0, 65536, 'S', -70000, 1));
    expect_bbo(book, 0, -1, 1, -70000, 1);
    book_free(book, &params);
}

/* As the book has it: eight neighbours of one of four streams share a block of places. */
static uint64_t hash_of(uint64_t ref)
{
    const unsigned __int128 product = (unsigned __int128)(ref >> 5 << 2 | (ref & 3)) * 0x9e3779b97f4a7c15u;
    return (uint64_t)(product >> 64) ^ (uint64_t)product;
}

/* Place of a reference where there are 2^bits blocks. */
static uint64_t home_of(uint64_t ref, uint32_t bits)
{
    return (hash_of(ref) & ((8u << bits) - 1)) ^ (ref >> 2 & 7);
}

/* ... and how far apart the places are that it may have. */
static uint64_t step_of(uint64_t ref)
{
    return (hash_of(ref) >> 48 & 0xff) * 2 + 1;
}

/* Two references that want the same place. */
Test(book, references_with_the_same_home_are_two_orders)
{
    const struct book_params params = {.instruments_max = 1, .orders_max = 8, .levels_max = 8};
    struct book *book = book_make(&params);
    struct book_change change;
    uint64_t twin = 2;
    while (home_of(twin, 6) != home_of(1, 6))
        twin++;
    expect(BOOK_OK, book_add(book, 0, 1, 'B', 5, 10));
    expect(BOOK_ORPHAN, book_delete(book, twin, &change));
    expect(BOOK_OK, book_add(book, 0, twin, 'B', 6, 20));
    expect(BOOK_DUPLICATE_REF, book_add(book, 0, twin, 'B', 6, 20));
    expect(BOOK_OK, book_delete(book, twin, &change));
    cr_assert(change.ref == twin && change.qty == 20);
    expect(BOOK_OK, book_delete(book, 1, &change));
    cr_assert(change.ref == 1 && change.qty == 10);
    book_free(book, &params);
}

/* Chosen references: the test knows the hash, as an attacker would. What cannot be placed is refused; nothing gets
 * slow and nothing gets lost. */
Test(book, flood_of_references_with_one_home_is_refused_and_leaves_the_others_alone)
{
    const struct book_params params = {.instruments_max = 2, .orders_max = 4096, .levels_max = 16};
    const uint32_t bits = 10;
    struct book *book = book_make(&params);
    struct book_change change;
    static uint64_t flood[40];
    uint32_t count = 0;
    for (uint64_t ref = 0; count < 40; ref++) /* the same places, in the same order */
        if (home_of(ref, bits) == 8191 && step_of(ref) == 255)
            flood[count++] = ref;
    for (uint32_t i = 0; i < 40; i++)
        expect(i < 32 ? BOOK_OK : BOOK_ORDERS_FULL, book_add(book, 0, flood[i], 'B', 7, 1));
    cr_assert(book_untradable(book, 0));
    cr_assert_eq(book_counters(book)->verdict[BOOK_ORDERS_FULL], 8);
    expect(BOOK_ORDERS_FULL, book_add(book, 0, flood[39], 'B', 8, 1)); /* no empty level is left behind */
    expect(BOOK_DUPLICATE_REF, book_add(book, 0, flood[31], 'B', 8, 1));
    expect(BOOK_ORPHAN, book_delete(book, flood[39], &change));
    expect_bbo(book, 0, 7, 32, BOOK_PRICE_NONE, 0);
    cr_assert_eq(book_totals(book, 0, 'B').level_count, 1);
    for (uint64_t i = 0; i < 2000; i++)
        expect(BOOK_OK, book_add(book, 1, (1ull << 40) + i * 4, 'S', 9, 1));
    for (uint32_t i = 0; i < 32; i += 2)
        expect(BOOK_OK, book_delete(book, flood[i], &change));
    for (uint32_t i = 32; i < 40; i++)
        expect(BOOK_OK, book_add(book, 0, flood[i], 'B', 7, 1));
    for (uint32_t i = 1; i < 32; i += 2)
        expect(BOOK_OK, book_delete(book, flood[i], &change));
    for (uint32_t i = 32; i < 40; i++)
        expect(BOOK_OK, book_delete(book, flood[i], &change));
    for (uint64_t i = 0; i < 2000; i++)
        expect(BOOK_OK, book_delete(book, (1ull << 40) + i * 4, &change));
    cr_assert_eq(book_order_count(book), 0);
    book_clear(book);
    for (uint32_t i = 0; i < 32; i++) /* nobody's way is left behind */
        expect(BOOK_OK, book_add(book, 0, flood[39 - i], 'B', 7, 1));
    book_free(book, &params);
}

/* Steps that real feeds and bad luck count in: a full pool must take them all. */
Test(book, streams_of_references_in_any_usual_step_fill_the_whole_pool)
{
    const struct book_params params = {.instruments_max = 1, .orders_max = 50000, .levels_max = 16};
    struct book *book = book_make(&params);
    const uint64_t steps[] = {1,  2,   3,   4,    5,    8,    12,    16,       17,        24,
                              32, 100, 128, 1000, 1024, 4096, 65536, 1u << 20, 1ull << 32};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        for (uint64_t k = 0; k < 50000; k++) /* four streams that take turns */
            expect(BOOK_OK, book_add(book, 0, (k / 4) * steps[i] + (k % 4) * 0x123456789ull * 16, 'B', 1, 1));
        book_clear(book);
    }
    book_free(book, &params);
}

Test(book, untradable_mark_stays_until_the_book_is_cleared)
{
    struct book *book = book_make(&SMALL);
    struct book_change change;
    book_mark_untradable(book, 2);
    book_mark_instrument(book, 1);
    cr_assert(book_top(book, 1)->marked && !book_top(book, 2)->marked && book_top(book, 2)->untradable);
    (void)book_add(book, 2, 1, 'B', 5, 1);
    (void)book_delete(book, 1, &change);
    cr_assert(book_untradable(book, 2));
    cr_assert_not(book_untradable(book, 1));
    book_clear(book);
    cr_assert(!book_top(book, 1)->marked);
    cr_assert_not(book_untradable(book, 2));
    book_free(book, &SMALL);
}

Test(book, clear_takes_everything_out_and_keeps_the_counters)
{
    struct book *book = book_make(&SMALL);
    struct book_change change;
    for (uint32_t round = 0; round < 5; round++) {
        for (uint32_t i = 0; i < 100; i++)
            expect(BOOK_OK, book_add(book, i % 4, i, i % 2 != 0 ? 'B' : 'S', (int32_t)i - 50, i + 1));
        expect(BOOK_BAD_QTY, book_add(book, 0, 1000, 'B', 1, 0));
        book_clear(book);
        cr_assert_eq(book_order_count(book), 0);
        for (uint32_t i = 0; i < 4; i++)
            expect_empty(book, i);
        for (uint32_t i = 0; i < 100; i++)
            expect(BOOK_ORPHAN, book_delete(book, i, &change));
        cr_assert_eq(book_counters(book)->verdict[BOOK_OK], 100 * (round + 1));
        cr_assert_eq(book_counters(book)->verdict[BOOK_BAD_QTY], round + 1);
    }
    book_free(book, &SMALL);
}

Test(book, clearing_in_slices_is_clearing)
{
    struct book *book = book_make(&SMALL);
    struct book *fresh = book_make(&SMALL);
    for (uint32_t lines = 1; lines < 200; lines = lines * 2 + 1) {
        for (uint32_t i = 0; i < 100; i++)
            expect(BOOK_OK, book_add(book, i % 4, i, i % 2 != 0 ? 'B' : 'S', (int32_t)i - 50, i + 1));
        book_mark_untradable(book, 3);
        while (!book_clear_slice(book, lines))
            cr_assert_leq(book_order_count(book), 100u);
        cr_assert_eq(book_order_count(book), 0);
        for (uint32_t i = 0; i < 4; i++) {
            expect_empty(book, i);
            cr_assert_not(book_untradable(book, i));
        }
        /* Orders, levels and ladders are all there to be had again. */
        for (uint32_t i = 0; i < SMALL.levels_max; i++) {
            expect(BOOK_OK, book_add(book, 1, i * 7, 'B', (int32_t)i, i + 1));
            expect(BOOK_OK, book_add(fresh, 1, i * 7, 'B', (int32_t)i, i + 1));
        }
        cr_assert_eq(book_hash(book), book_hash(fresh));
        book_clear(book);
        book_clear(fresh);
    }
    book_free(book, &SMALL);
    book_free(fresh, &SMALL);
}

Test(book, a_slice_that_was_begun_is_begun_anew_by_clear)
{
    struct book *book = book_make(&SMALL);
    for (uint32_t i = 0; i < 100; i++)
        expect(BOOK_OK, book_add(book, i % 4, i, 'B', (int32_t)i, 1));
    cr_assert_not(book_clear_slice(book, 3));
    book_clear(book);
    for (uint32_t i = 0; i < 100; i++)
        expect(BOOK_OK, book_add(book, i % 4, i, 'B', (int32_t)i, 1));
    uint32_t slice_count = 1;
    while (!book_clear_slice(book, 3))
        slice_count++;
    cr_assert_gt(slice_count, 10u, "from the beginning");
    cr_assert_eq(book_order_count(book), 0);
    book_free(book, &SMALL);
}

/* A slice has no part that grows with the pools: whatever grows takes more slices. */
Test(book, every_table_that_is_emptied_is_emptied_in_slices)
{
    const struct book_params params[] = {{16, 256, 128}, {4096, 256, 128}, {16, 65536, 128}, {16, 256, 262144}};
    uint32_t slice_count[4] = {0};
    for (uint32_t i = 0; i < 4; i++) {
        struct book *book = book_make(&params[i]);
        expect(BOOK_OK, book_add(book, 0, 1, 'B', 100, 1));
        do
            slice_count[i]++;
        while (!book_clear_slice(book, 16));
        /* And without an order, in as many fewer slices as orders have of the memory. */
        uint32_t without_count = 0;
        do
            without_count++;
        while (!book_clear_slice(book, 16));
        cr_assert_eq(slice_count[i] - without_count, params[i].orders_max == 65536 ? 4096 : 16);
        book_free(book, &params[i]);
    }
    for (uint32_t i = 1; i < 4; i++)
        cr_assert_gt(slice_count[i], slice_count[0] + 100, "case %u: %u slices", i, slice_count[i]);
}

Test(book, looking_ahead_changes_nothing_and_bears_any_argument)
{
    struct book *book = book_make(&SMALL);
    const size_t bytes = book_footprint(&SMALL);
    static struct book_ahead ahead;
    for (uint32_t i = 0; i < 200; i++)
        (void)book_add(book, i % 4, i * 4, i % 2 != 0 ? 'B' : 'S', (int32_t)(i % 32) * (i % 3 == 0 ? 7 : 100), 1);
    uint8_t *before = malloc(bytes);
    memcpy(before, book, bytes);
    uint64_t ref = 0;
    for (uint32_t i = 0; i < 15000; i++) {
        ref = i < 1000 ? i : ref * 6364136223846793005u + 1442695040888963407u;
        const struct book_look look =
            book_look(&ahead, book, ref, i % 3 != 0 ? i % 5 : (uint32_t)ref,
                      (uint8_t)(i % 2 != 0 ? ref >> 8 : i % 4 != 0 ? 'B' : 'S'),
                      i % 5 != 0 ? (int32_t)(i % 40) * 100 : (int32_t)(ref >> 32), ref >> 40 & 1);
        const struct book_look none = book_look_none(book, ref, look.instrument);
        cr_assert(look.ref == ref && look.home == none.home);
        if (i % 17 == 0)
            book_look_end(&ahead);
    }
    cr_assert_eq(memcmp(before, book, bytes), 0);
    free(before);
    book_free(book, &SMALL);
}

/* ---- near the touch and far from it ---- */

/* Where levels lie is nobody's business: the touch wanders over many windows and back, and all that is left behind is
 * found again. */
Test(book, levels_that_the_touch_has_left_are_there_when_it_comes_back)
{
    const struct book_params params = {.instruments_max = 2, .orders_max = 4096, .levels_max = 4096};
    for (uint32_t side = 0; side < 2; side++) {
        struct book *book = book_make(&params);
        const uint8_t letter = side == 0 ? 'B' : 'S';
        const int32_t sign = side == 0 ? 1 : -1, zero = 1000000;
        struct book_change change;
        struct book_level_view views[4];
        for (uint32_t i = 0; i < 1000; i++) { /* outwards, each the best: windows are left behind */
            const int32_t price = zero + sign * (int32_t)i * 100;
            expect(BOOK_OK, book_add(book, 1, 2 * i, letter, price, i + 1));
            expect(BOOK_OK, book_add(book, 1, 2 * i + 1, letter, price, 5));
            cr_assert_eq(side == 0 ? book_bbo(book, 1)->bid_price : book_bbo(book, 1)->ask_price, price);
        }
        for (uint32_t i = 0; i < 1000; i += 3) /* deep ones leave where they are */
            expect(BOOK_OK, book_delete(book, 2 * i, &change));
        for (uint32_t i = 1000; i-- > 0;) { /* and back, the best one dying each time */
            const int32_t price = zero + sign * (int32_t)i * 100;
            cr_assert_eq(book_levels(book, 1, letter, 2, views), i > 0 ? 2 : 1);
            cr_assert_eq(views[0].price, price);
            cr_assert_eq(views[0].order_count, i % 3 == 0 ? 1 : 2);
            cr_assert_eq(views[0].qty, i % 3 == 0 ? 5 : i + 6);
            cr_assert_eq(side == 0 ? book_bbo(book, 1)->bid_qty : book_bbo(book, 1)->ask_qty, views[0].qty);
            if (i % 3 != 0)
                expect(BOOK_OK, book_delete(book, 2 * i, &change));
            expect(BOOK_OK, book_delete(book, 2 * i + 1, &change));
            cr_assert(change.price == price && change.qty == 5);
        }
        cr_assert_eq(book_order_count(book), 0);
        book_free(book, &params);
    }
}

/* Prices at the ends of what there is: zero, below it, the largest. */
Test(book, prices_at_either_end_of_the_range_are_levels_like_any_other)
{
    const int32_t prices[] = {0,  100,  6300, 6400,         -100,         -1,     1,
                              99, -100, 50,   INT32_MAX,    INT32_MAX - 47, INT32_MAX - 147,
                              INT32_MIN + 1, INT32_MIN + 48, INT32_MAX - 6347};
    const uint32_t count = sizeof(prices) / sizeof(prices[0]);
    for (uint32_t first = 0; first < count; first++) {
        struct book *book = book_make(&SMALL);
        struct book_level_view views[32];
        struct book_change change;
        for (uint32_t i = 0; i < count; i++)
            for (uint32_t side = 0; side < 2; side++)
                expect(BOOK_OK, book_add(book, side, 2 * i + side, side == 0 ? 'B' : 'S',
                                         prices[(first + i) % count], 1));
        for (uint32_t side = 0; side < 2; side++) {
            const uint32_t level_count = book_levels(book, side, side == 0 ? 'B' : 'S', 32, views);
            cr_assert_eq(level_count, count - 1); /* one is there twice */
            for (uint32_t i = 1; i < level_count; i++)
                cr_assert(side == 0 ? views[i].price < views[i - 1].price : views[i].price > views[i - 1].price);
        }
        for (uint32_t i = 0; i < 2 * count; i++)
            expect(BOOK_OK, book_delete(book, i * 7 % (2 * count), &change));
        expect_empty(book, 0);
        expect_empty(book, 1);
        book_free(book, &SMALL);
    }
}

/* ---- beside the naive book ---- */

/* How the random operations of a run look. */
struct shape {
    struct book_params params;
    uint32_t op_count;
    uint64_t refs;           /* references are drawn from so many ... */
    uint64_t ref_step;       /* ... which lie so far apart */
    uint32_t price_count;    /* prices from so many around 0 */
    int32_t price_step;      /* 0 = 1 */
    bool wander;             /* prices from around a centre that wanders, and jumps; some are between two steps */
    uint32_t qty_max;
    uint32_t add_percent;    /* adds; the rest is shared among the others */
    uint32_t compare_every;  /* operations from one comparison of all the touched instrument to the next */
};

static uint64_t random_next(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u;
    uint64_t value = *state;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

static bool same_change(const struct book_change *a, const struct book_change *b)
{
    return a->ref == b->ref && a->instrument == b->instrument && a->price == b->price && a->qty == b->qty &&
           a->left_qty == b->left_qty && a->side == b->side && a->clamped == b->clamped;
}

static const char *difference_anywhere(const struct venue_book *naive, const struct book *book, uint32_t instruments)
{
    if (memcmp(book_counters(book), venue_book_counters(naive), sizeof(struct book_counters)) != 0)
        return "counters";
    return venue_book_difference_anywhere(naive, book, instruments);
}

enum operation_kind { ADD, DELETE, REPLACE, REDUCE };

struct operation {
    enum operation_kind kind;
    uint64_t ref, other_ref;
    int32_t price;
    uint32_t qty, instrument;
    uint8_t side;
    struct book_look look;
};

static int32_t price_draw(const struct shape *shape, uint64_t dice, uint64_t *state)
{
    static int32_t centre;
    const int32_t step = shape->price_step != 0 ? shape->price_step : 1;
    const int32_t price = ((int32_t)(dice % shape->price_count) - (int32_t)(shape->price_count / 2)) * step;
    if (!shape->wander)
        return price;
    const uint64_t move = random_next(state);
    if (move % 20000 == 0)
        centre = (int32_t)(move >> 40) % 200000 * step; /* anywhere */
    else if (move % 16 == 0)
        centre += (move >> 8 & 1) != 0 ? step : -step;
    centre = centre < 0 ? 0 : centre;
    return centre + price + (move >> 16 & 15 ? 0 : step / 3);
}

static struct operation operation_draw(const struct shape *shape, uint64_t *state)
{
    const uint64_t dice = random_next(state), more = random_next(state);
    const uint32_t percent = (uint32_t)(dice >> 32) % 100;
    struct operation operation = {
        .kind = percent < shape->add_percent ? ADD : percent % 4 == 0 ? DELETE : percent % 4 == 1 ? REPLACE : REDUCE,
        .ref = dice % shape->refs * shape->ref_step,
        .other_ref = more % shape->refs * shape->ref_step,
        .price = price_draw(shape, more >> 24, state),
        .qty = 1 + (uint32_t)(more >> 40) % shape->qty_max,
        .instrument = (uint32_t)(dice >> 48) % shape->params.instruments_max,
        .side = (more >> 63) != 0 ? 'B' : 'S',
    };
    if (random_next(state) % 500 == 0)
        operation.qty = 0;
    if (random_next(state) % 2000 == 0)
        operation.price = BOOK_PRICE_NONE;
    if (operation.kind == ADD && random_next(state) % 1000 == 0)
        operation.instrument += shape->params.instruments_max;
    return operation;
}

/* Seven of eight have been looked at ahead of their turn: what was found may long be otherwise. */
static void operation_look(struct operation *operation, struct book *book, struct book_ahead *ahead, bool looked)
{
    const bool enters = operation->kind == ADD;
    operation->look = book_look_none(book, operation->ref, operation->instrument);
    if (!looked)
        return;
    operation->look = book_look(ahead, book, operation->ref, operation->instrument, enters ? operation->side : 'B',
                                operation->price, enters);
    if (operation->kind == REPLACE)
        (void)book_look(ahead, book, operation->other_ref, operation->instrument, 0, operation->price, true);
}

static void run_beside_naive(const struct shape *shape, uint64_t seed)
{
    const uint32_t instruments = shape->params.instruments_max;
    struct venue_book *naive = venue_book_open(&shape->params);
    struct book *book = book_make(&shape->params);
    static struct operation operations[32];
    static struct book_ahead ahead;
    uint64_t state = seed;

    memset(&ahead, 0, sizeof(ahead));
    cr_assert_not_null(naive);
    for (uint32_t next = 0; next < shape->op_count + 24; next++) {
        const uint32_t op = next - 24;
        if (next < shape->op_count) {
            operations[next % 32] = operation_draw(shape, &state);
            operation_look(&operations[next % 32], book, &ahead, random_next(&state) % 8 != 0);
        }
        if (random_next(&state) % 64 == 0)
            book_look_end(&ahead);
        if (next < 24)
            continue;
        const struct operation *operation = &operations[op % 32];
        const struct book_look look = operation->look;
        uint32_t instrument = operation->instrument;
        enum book_verdict wanted, found;
        struct book_change wanted_change, found_change;
        memset(&wanted_change, 0x77, sizeof(wanted_change));
        found_change = wanted_change;
        switch (operation->kind) {
        case ADD:
            wanted = venue_book_add(naive, instrument, operation->ref, operation->side, operation->price,
                                    operation->qty);
            found = book_add_looked(book, look, operation->side, operation->price, operation->qty);
            break;
        case DELETE:
            wanted = venue_book_delete(naive, operation->ref, &wanted_change);
            found = book_delete_looked(book, look, &found_change);
            break;
        case REPLACE:
            wanted = venue_book_replace(naive, operation->ref, operation->other_ref, operation->price, operation->qty,
                                        &wanted_change);
            found = book_replace_looked(book, look, operation->other_ref, operation->price, operation->qty,
                                        &found_change);
            break;
        default:
            wanted = venue_book_reduce(naive, operation->ref, operation->qty, &wanted_change);
            found = book_reduce_looked(book, look, operation->qty, &found_change);
            break;
        }
        if (operation->kind != ADD && wanted_change.instrument < instruments)
            instrument = wanted_change.instrument;
        cr_assert_eq(found, wanted, "seed %lu, operation %u: %s, expected %s", (unsigned long)seed, op,
                     book_verdict_name(found), book_verdict_name(wanted));
        cr_assert(same_change(&found_change, &wanted_change), "seed %lu, operation %u: change", (unsigned long)seed,
                  op);
        const char *difference = NULL;
        if (op % shape->compare_every == 0 && instrument < instruments)
            difference = venue_book_difference(naive, book, instrument);
        if (difference == NULL && op % (shape->compare_every * 1024) == 0)
            difference = difference_anywhere(naive, book, instruments);
        cr_assert_null(difference, "seed %lu, operation %u: %s", (unsigned long)seed, op, difference);
        if (random_next(&state) % (shape->op_count / 3) == 0) {
            book_clear(book);
            venue_book_clear(naive);
        }
    }
    const char *difference = difference_anywhere(naive, book, instruments);
    cr_assert_null(difference, "seed %lu, at the end: %s", (unsigned long)seed, difference);
    /* Each verdict that the shape can give has been given, so the run was not idle. */
    const struct book_counters *counters = venue_book_counters(naive);
    cr_assert_gt(counters->verdict[BOOK_OK], shape->op_count / 10);
    cr_assert(counters->verdict[BOOK_ORPHAN] > 0 && counters->verdict[BOOK_DUPLICATE_REF] > 0 &&
              counters->verdict[BOOK_BAD_QTY] > 0 && counters->clamped_count > 0 && counters->crossed_count > 0);
    for (uint64_t i = 0; i < shape->refs; i++) {
        (void)book_delete(book, i * shape->ref_step, &(struct book_change){.ref = 0});
        (void)venue_book_delete(naive, i * shape->ref_step, &(struct book_change){.ref = 0});
    }
    cr_assert_null(difference_anywhere(naive, book, instruments), "seed %lu, drained", (unsigned long)seed);
    cr_assert_eq(book_order_count(book), 0);
    venue_book_close(naive);
    book_free(book, &shape->params);
}

Test(book, random_operations_on_few_references_match_the_naive_book)
{
    const struct shape shape = {.params = {2, 64, 64}, .op_count = 500000, .refs = 48, .ref_step = 1, .price_count = 6,
                                .qty_max = 5, .add_percent = 40, .compare_every = 1};
    for (uint64_t seed = 1; seed <= 4; seed++)
        run_beside_naive(&shape, seed);
}

Test(book, random_operations_with_full_pools_match_the_naive_book)
{
    const struct shape shape = {.params = {5, 40, 12}, .op_count = 500000, .refs = 200, .ref_step = 4, .price_count = 9,
                                .qty_max = 50, .add_percent = 70, .compare_every = 1};
    for (uint64_t seed = 11; seed <= 14; seed++)
        run_beside_naive(&shape, seed);
}

Test(book, random_operations_on_deep_ladders_match_the_naive_book)
{
    const struct shape shape = {.params = {3, 900, 800}, .op_count = 150000, .refs = 1200, .ref_step = 8,
                                .price_count = 500, .qty_max = 40, .add_percent = 55, .compare_every = 7};
    for (uint64_t seed = 21; seed <= 22; seed++)
        run_beside_naive(&shape, seed);
}

Test(book, random_operations_around_a_touch_that_wanders_match_the_naive_book)
{
    const struct shape shape = {.params = {3, 900, 800}, .op_count = 60000, .refs = 1200, .ref_step = 4,
                                .price_count = 40, .price_step = 100, .wander = true, .qty_max = 40,
                                .add_percent = 40, .compare_every = 7};
    for (uint64_t seed = 41; seed <= 42; seed++)
        run_beside_naive(&shape, seed);
    struct shape wide = shape;
    wide.op_count = 30000;
    wide.price_count = 300; /* most of it beyond the windows */
    run_beside_naive(&wide, 45);
    wide.params.levels_max = 300;
    run_beside_naive(&wide, 46);
}

Test(book, random_operations_with_extreme_numbers_match_the_naive_book)
{
    const struct shape shape = {.params = {2, 128, 128}, .op_count = 300000, .refs = 120,
                                .ref_step = 0x0fffffffffffffull, .price_count = 3, .qty_max = UINT32_MAX,
                                .add_percent = 50, .compare_every = 1};
    for (uint64_t seed = 31; seed <= 32; seed++)
        run_beside_naive(&shape, seed);
}
