/* open: numbers only grow, a slot is one order's at a time, time-outs come in order, and orders of earlier lives are
 * found and walked whatever is removed. */
#include "gateway/order/open.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct open_orders open_make(uint32_t orders_max, uint32_t first_ref, uint64_t timeout_ns)
{
    struct open_orders open;
    open_init(&open, malloc(open_footprint(orders_max)), orders_max, first_ref, timeout_ns);
    return open;
}

static uint32_t insert(struct open_orders *open, uint32_t qty, uint64_t now_ns)
{
    const struct order_intent intent = {.side = 'B', .qty = qty, .price = 5, .channel = 1, .instrument = 2, .tag = 9};
    return open_insert(open, &intent, 77, 3, now_ns);
}

Test(open, only_powers_of_two_have_a_footprint)
{
    cr_assert_eq(open_footprint(0), 0u);
    cr_assert_eq(open_footprint(3), 0u);
    cr_assert_eq(open_footprint((1u << 20) + 1), 0u);
    cr_assert_eq(open_footprint(1u << 21), 0u);
    cr_assert_eq(open_footprint(16), (3 * 16 * sizeof(struct open_order) + 33 * sizeof(struct own_node) + 63) / 64 * 64,
                 "ours and the inherited ones, and the nodes of their prices");
}

Test(open, an_order_keeps_what_it_was_entered_with)
{
    struct open_orders open = open_make(16, 7, 0);
    cr_assert_eq(insert(&open, 100, 55), 7u);
    const struct open_order *order = open_find(&open, 7);
    cr_assert_not_null(order);
    cr_assert(order->qty == 100 && order->price == 5 && order->side == 'B' && order->channel == 1 &&
              order->instrument == 2);
    cr_assert(order->tag == 9 && order->strategy == 3 && order->sent_ns == 55 && order->symbol == 77);
    cr_assert(order->state == OPEN_PENDING && order->asked_qty == 100 && !order->accepted && !order->inherited);
    cr_assert_null(open_find(&open, 0));
    cr_assert_null(open_find(&open, 6));
    cr_assert_null(open_find(&open, 7 + 16), "same slot, another number");
    cr_assert_eq(open_deadline_ns(&open), UINT64_MAX, "no time-out is configured");
    free(open.slots);
}

Test(open, a_number_whose_slot_is_still_taken_is_passed_over_and_a_full_table_is_full)
{
    struct open_orders open = open_make(16, 1, 0);
    for (int i = 0; i < 16; i++) {
        cr_assert(open_room(&open));
        insert(&open, 1, 0);
    }
    cr_assert_not(open_room(&open));
    open_remove(&open, open_find(&open, 5));
    cr_assert(open_room(&open));
    cr_assert_eq(insert(&open, 1, 0), 21u, "17 to 20 would be where 1 to 4 are");
    cr_assert_not(open_room(&open));
    open_remove(&open, open_find(&open, 1));
    cr_assert(open_room(&open));
    cr_assert_eq(insert(&open, 1, 0), 33u);
    cr_assert_not_null(open_find(&open, 2));
    free(open.slots);
}

Test(open, the_last_number_is_never_given_out)
{
    struct open_orders open = open_make(16, UINT32_MAX - 2, 0);
    cr_assert_eq(insert(&open, 1, 0), UINT32_MAX - 2);
    cr_assert_eq(insert(&open, 1, 0), UINT32_MAX - 1);
    cr_assert_not(open_room(&open));
    free(open.slots);
}

Test(open, time_is_over_exactly_at_the_deadline)
{
    struct open_orders open = open_make(16, 1, 1000);
    insert(&open, 1, 500);
    insert(&open, 1, UINT64_MAX - 10);
    cr_assert_eq(open_deadline_ns(&open), 1500u);
    cr_assert_null(open_expired(&open, 1499));
    cr_assert_eq(open_expired(&open, 1500)->user_ref, 1u);
    open_remove(&open, open_find(&open, 1));
    cr_assert_eq(open_deadline_ns(&open), UINT64_MAX, "a deadline beyond all time");
    cr_assert_null(open_expired(&open, UINT64_MAX));
    free(open.slots);
}

Test(open, random_histories_agree_with_a_list)
{
    struct open_orders open = open_make(64, 1, 1000);
    struct { uint32_t ref; uint64_t sent_ns; } list[64];
    uint32_t count = 0;
    uint64_t now_ns = 1, seed = 7, full = 0, expired = 0, passed = 0;

    for (int step = 0; step < 200000; step++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        const uint32_t dice = (uint32_t)(seed >> 40);
        now_ns += dice % 7 == 0 ? dice % 300 : 0;
        if (dice % 3) {
            const uint32_t before = open.next_ref;
            uint32_t expected = before; /* the first number that finds its slot free */
            for (uint32_t i = 0; count < 64 && i < count; i++)
                if (list[i].ref % 64 == expected % 64) {
                    expected++;
                    i = UINT32_MAX;
                }
            cr_assert_eq(open_room(&open), count < 64, "step %d", step);
            full += count == 64;
            passed += expected != before;
            if (count < 64) {
                cr_assert_eq(open.next_ref, expected);
                list[count].ref = insert(&open, 1, now_ns);
                list[count++].sent_ns = now_ns;
            }
        } else if (count > 0) {
            const uint32_t i = dice / 3 % count;
            struct open_order *order = open_find(&open, list[i].ref);
            cr_assert_not_null(order);
            open_remove(&open, order);
            for (uint32_t j = i; j + 1 < count; j++)
                list[j] = list[j + 1];
            count--;
        }
        cr_assert_eq(open.count, count);
        cr_assert_eq(open_deadline_ns(&open), count > 0 ? list[0].sent_ns + 1000 : UINT64_MAX);
        struct open_order *order;
        while ((order = open_expired(&open, now_ns))) {
            cr_assert_eq(order->user_ref, list[0].ref, "the oldest first");
            open_remove(&open, order);
            count--;
            for (uint32_t j = 0; j < count; j++)
                list[j] = list[j + 1];
            expired++;
        }
        cr_assert(count == 0 || list[0].sent_ns + 1000 > now_ns);
    }
    cr_assert(full > 100 && expired > 1000 && passed > 1000, "all were exercised");
    free(open.slots);
}

Test(open, a_table_without_room_at_its_first_number_has_none)
{
    struct open_orders open = open_make(16, UINT32_MAX, 1000);
    cr_assert_not(open_room(&open));
    cr_assert_eq(open_deadline_ns(&open), UINT64_MAX);
    cr_assert_null(open_expired(&open, UINT64_MAX));
    cr_assert_null(open_find(&open, UINT32_MAX));
    free(open.slots);
}

Test(open, the_largest_deadline_is_never_and_the_one_before_it_is_met)
{
    struct open_orders open = open_make(16, 1, 10);
    insert(&open, 1, UINT64_MAX - 11);
    cr_assert_eq(open_deadline_ns(&open), UINT64_MAX - 1);
    cr_assert_null(open_expired(&open, UINT64_MAX - 2));
    cr_assert_not_null(open_expired(&open, UINT64_MAX - 1));
    open_remove(&open, open_find(&open, 1));
    insert(&open, 1, UINT64_MAX - 10);
    cr_assert_null(open_expired(&open, UINT64_MAX));
    insert(&open, 1, UINT64_MAX);
    cr_assert_null(open_expired(&open, UINT64_MAX), "nor does the sum wrap to a time long ago");
    free(open.slots);
}

Test(open, time_that_runs_backwards_delays_a_time_out_and_loses_none)
{
    struct open_orders open = open_make(16, 1, 1000);
    insert(&open, 1, 5000);
    insert(&open, 1, 2000); /* its time is over at 3,000, but it waits behind the older one */
    cr_assert_null(open_expired(&open, 5999));
    cr_assert_eq(open_deadline_ns(&open), 6000u);
    cr_assert_eq(open_expired(&open, 6000)->user_ref, 1u);
    open_remove(&open, open_find(&open, 1));
    cr_assert_eq(open_deadline_ns(&open), 3000u);
    cr_assert_eq(open_expired(&open, 6000)->user_ref, 2u);
    free(open.slots);
}

Test(open, the_scan_passes_each_number_once)
{
    struct open_orders open = open_make(1024, 1, 1);
    for (int i = 0; i < 1024; i++)
        insert(&open, 1, 100);
    for (uint32_t ref = 2; ref < 1024; ref++) /* all but the first and the last */
        open_remove(&open, open_find(&open, ref));
    cr_assert_eq(open_deadline_ns(&open), 101u);
    cr_assert_eq(open.oldest_ref, 1u);
    open_remove(&open, open_find(&open, 1));
    cr_assert_eq(open_expired(&open, 101)->user_ref, 1024u);
    cr_assert_eq(open.oldest_ref, 1024u, "and stays where it found one");
    open_remove(&open, open_find(&open, 1024));
    cr_assert_null(open_expired(&open, 101));
    cr_assert_eq(open.oldest_ref, open.next_ref, "nothing is open: nothing is left to pass");
    free(open.slots);
}

Test(open, a_reference_from_anywhere_finds_its_order_or_nobody)
{
    struct open_orders open = open_make(16, 0xfffffff0u - 8, 0);
    for (int i = 0; i < 16; i++)
        insert(&open, 1, 0);
    for (uint32_t ref = 0xffffff00u; ref != 0; ref++) {
        const struct open_order *order = open_find(&open, ref);
        cr_assert_eq(order != NULL, ref >= 0xfffffff0u - 8 && ref < 0xfffffff0u + 8, "%x", ref);
        cr_assert(!order || order->user_ref == ref);
    }
    open_remove(&open, open_find(&open, 0xfffffff0u));
    cr_assert_null(open_find(&open, 0xfffffff0u), "an order that is gone is not found");
    cr_assert_null(open_find(&open, 0), "nor does a free slot pass for order 0");
    free(open.slots);
}

Test(open, numbers_that_are_not_kept_yet_are_not_given_out)
{
    struct open_orders open = open_make(16, 5, 0);
    open.ref_limit = 7;
    cr_assert_eq(insert(&open, 1, 0), 5u);
    cr_assert_eq(insert(&open, 1, 0), 6u);
    cr_assert_not(open_room(&open));
    open.ref_limit = 8;
    cr_assert_eq(insert(&open, 1, 0), 7u);
    free(open.slots);
}

Test(open, a_jump_of_the_numbers_is_not_walked)
{
    struct open_orders open = open_make(16, 1, 1000);
    for (int i = 0; i < 4; i++)
        insert(&open, 1, 100);
    open.next_ref = UINT32_MAX - 5; /* as far as numbers go: nobody walks that far */
    open_remove(&open, open_find(&open, 1));
    cr_assert_eq(open_expired(&open, 1100)->user_ref, 2u);
    const uint32_t late = insert(&open, 1, 200);
    for (uint32_t ref = 2; ref <= 4; ref++)
        open_remove(&open, open_find(&open, ref));
    cr_assert_eq(open_expired(&open, 1200)->user_ref, late);
    cr_assert_eq(open.oldest_ref, late);
    const uint32_t last = insert(&open, 1, 300);
    open_remove(&open, open_find(&open, late));
    cr_assert_eq(open_expired(&open, 1300)->user_ref, last);
    free(open.slots);
}

Test(open, what_may_be_sent_follows_from_the_state)
{
    for (uint8_t state = 0; state < OPEN_STATE_COUNT; state++) {
        const struct open_order order = {.user_ref = 1, .state = state, .qty = 5};
        const struct open_order replacing = {.user_ref = 1, .state = state, .qty = 5, .orig_ref = 9};
        const bool settled = state == OPEN_LIVE || state == OPEN_PARTLY_FILLED;
        cr_assert_eq(open_cancellable(&order), settled || state == OPEN_PENDING || state == OPEN_UNKNOWN, "%u", state);
        cr_assert_eq(open_replaceable(&order), settled || state == OPEN_PENDING, "%u", state);
        cr_assert_eq(open_replaceable(&replacing), settled, "%u", state);
        for (uint8_t other = 0; other < state; other++)
            cr_assert_str_neq(open_state_name((enum open_state)state), open_state_name((enum open_state)other));
    }
    cr_assert_str_eq(open_state_name(OPEN_STATE_COUNT), "?");
}

Test(open, a_replace_reserves_only_what_it_asks_for_beyond_the_old_order)
{
    struct open_orders open = open_make(16, 1, 0);
    struct open_order *orig = open_find(&open, insert(&open, 100, 0));
    struct open_order *more = open_find(&open, insert(&open, 130, 0));
    orig->filled_qty = 20;
    open_replace_sent(orig, more);
    cr_assert(orig->state == OPEN_PENDING_REPLACE && orig->replace_ref == 2 && orig->qty == 100);
    cr_assert(more->orig_ref == 1 && more->qty == 30 && more->asked_qty == 130 && more->filled_qty == 20);
    struct open_order *less = open_find(&open, insert(&open, 100, 0));
    open_replace_sent(orig, less);
    cr_assert(less->qty == 0 && less->asked_qty == 100);
    free(open.slots);
}

Test(open, inherited_orders_have_a_table_of_their_own_and_a_bound)
{
    struct open_orders open = open_make(16, 100, 0);
    cr_assert_null(open_find_inherited(&open, 1));
    cr_assert_null(open_inherit(&open, 0));
    for (uint32_t i = 0; i < 16; i++) {
        const struct open_order *order = open_inherit(&open, 16 * i + 1);
        cr_assert(order->state == OPEN_LIVE && order->inherited && order->accepted && order->qty == 0);
        cr_assert_eq(order->channel, OPEN_INSTRUMENT_NONE);
    }
    cr_assert_null(open_inherit(&open, 500));
    cr_assert(open.inherited_count == 16 && open.count == 0 && open_room(&open));
    cr_assert_null(open_find(&open, 1));
    open_remove_inherited(&open, open_find_inherited(&open, 17));
    cr_assert_null(open_find_inherited(&open, 17));
    cr_assert_not_null(open_inherit(&open, UINT32_MAX));
    cr_assert_not_null(open_find_inherited(&open, UINT32_MAX));
    cr_assert_null(open_find_inherited(&open, 500));
    free(open.slots);
    open = open_make(1, 1, 0);
    cr_assert_not_null(open_inherit(&open, 7));
    cr_assert_null(open_inherit(&open, 8));
    open_remove_inherited(&open, open_find_inherited(&open, 7));
    cr_assert_null(open_find_inherited(&open, 7));
    cr_assert_not_null(open_inherit(&open, 8));
    free(open.slots);
}

Test(open, a_walk_meets_each_order_once_whatever_it_removes)
{
    for (uint32_t removed = 0; removed < 3; removed++) { /* none, every other, all */
        struct open_orders open = open_make(64, 1000, 0);
        bool met[2000] = {false};
        for (uint32_t i = 0; i < 40; i++) {
            insert(&open, 1, 0);
            open_inherit(&open, 1 + 7 * i);
        }
        uint32_t cursor = 0, count = 0;
        struct open_order *order;
        while ((order = open_next(&open, &cursor))) {
            cr_assert_not(met[order->user_ref]);
            met[order->user_ref] = true;
            count++;
            if (removed * count % 2 == 0 && removed > 0) {
                if (order->inherited)
                    open_remove_inherited(&open, order);
                else
                    open_remove(&open, order);
            }
        }
        cr_assert_eq(count, 80u);
        cr_assert_eq(open.count + open.inherited_count, removed == 0 ? 80u : removed == 1 ? 40u : 0u);
        cr_assert_null(open_next(&open, &cursor), "and then there are no more");
        free(open.slots);
    }
}

Test(open, random_inherited_orders_agree_with_a_set)
{
    struct open_orders open = open_make(64, 1, 0);
    bool in[256] = {false};
    uint32_t count = 0, full = 0;
    uint64_t seed = 3;

    for (int step = 0; step < 200000; step++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        const uint32_t ref = 1 + (uint32_t)(seed >> 40) % 255;
        struct open_order *order = open_find_inherited(&open, ref);
        cr_assert_eq(order != NULL, in[ref], "step %d", step);
        cr_assert(!order || order->user_ref == ref);
        const bool grow = step / 5000 % 2 == 0; /* now it fills up, now it empties */
        if (!order && (grow || seed >> 60 < 3)) {
            order = open_inherit(&open, ref);
            cr_assert_eq(order != NULL, count < 64);
            full += !order;
            in[ref] = order != NULL;
            count += order != NULL;
        } else if (order && (!grow || seed >> 60 < 3)) {
            open_remove_inherited(&open, order);
            in[ref] = false;
            count--;
        }
        cr_assert_eq(open.inherited_count, count);
    }
    cr_assert_gt(full, 1000u);
    for (uint32_t ref = 1; ref < 256; ref++)
        if (in[ref])
            open_remove_inherited(&open, open_find_inherited(&open, ref));
    for (uint32_t i = 0; i < 128; i++)
        cr_assert_eq(open.inherited[i].user_ref, 0u, "nothing is left behind");
    free(open.slots);
}

Test(open, numbers_that_all_want_the_last_slot_fit_the_table)
{
    struct open_orders open = open_make(16, 1, 0);
    uint32_t refs[16], count = 0;
    for (uint32_t ref = 1; count < 16; ref++)
        if ((uint64_t)(ref * 0x9e3779b1u) * 16 >> 32 == 15)
            refs[count++] = ref;
    for (uint32_t i = 0; i < 16; i++)
        cr_assert_eq(open_inherit(&open, refs[i]) - open.inherited, 15 + (int)i);
    cr_assert_null(open_inherit(&open, 12345678));
    for (uint32_t i = 0; i < 16; i++) {
        cr_assert_not_null(open_find_inherited(&open, refs[i]));
        open_remove_inherited(&open, open_find_inherited(&open, refs[i]));
        cr_assert_null(open_find_inherited(&open, refs[i]));
    }
    free(open.slots);
}
