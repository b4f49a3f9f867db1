/* recent: the same order is found within the window and not after it, whatever else was sent. */
#include "gateway/order/recent.h"

#include <criterion/criterion.h>

static struct recent recent;

static struct order_intent intent_of(uint8_t side, int32_t price, uint32_t qty)
{
    return (struct order_intent){
        .action = ORDER_NEW, .side = side, .channel = 1, .instrument = 7, .price = price, .qty = qty};
}

Test(recent, the_same_order_is_found_until_the_window_has_ended)
{
    struct order_intent intent = intent_of('B', 100, 5);
    cr_assert_not(recent_find(&recent, &intent, 1000, 50));
    recent_push(&recent, &intent, 1000);
    cr_assert(recent_find(&recent, &intent, 1000, 50));
    cr_assert(recent_find(&recent, &intent, 1049, 50));
    cr_assert_not(recent_find(&recent, &intent, 1050, 50));
    cr_assert_not(recent_find(&recent, &intent, 1000, 0));
    cr_assert(recent_find(&recent, &intent, 10, 50), "time that ran back is no time");
}

Test(recent, an_order_that_differs_in_anything_is_another_one)
{
    const struct order_intent intent = intent_of('S', 100, 5);
    recent_push(&recent, &intent, 1000);
    struct order_intent other = intent;
    other.side = 'B';
    cr_assert_not(recent_find(&recent, &other, 1001, 50));
    other = intent;
    other.price++;
    cr_assert_not(recent_find(&recent, &other, 1001, 50));
    other = intent;
    other.qty++;
    cr_assert_not(recent_find(&recent, &other, 1001, 50));
    other = intent;
    other.instrument++;
    cr_assert_not(recent_find(&recent, &other, 1001, 50));
    other = intent;
    other.channel++;
    cr_assert_not(recent_find(&recent, &other, 1001, 50));
    other = intent;
    other.side = 'T'; /* a sale is a sale */
    other.tag = 9;
    cr_assert(recent_find(&recent, &other, 1001, 50));
}

Test(recent, one_that_was_not_sent_is_forgotten)
{
    const struct order_intent intent = intent_of('B', 100, 5);
    recent_push(&recent, &intent, 1000);
    recent_push(&recent, &intent, 1010);
    recent_pop(&recent);
    cr_assert(recent_find(&recent, &intent, 1049, 50), "the one before it is still there");
    cr_assert_not(recent_find(&recent, &intent, 1055, 50));
    recent_pop(&recent);
    cr_assert_not(recent_find(&recent, &intent, 1001, 50));
}

Test(recent, room_is_where_the_oldest_is_out_of_the_window)
{
    for (uint32_t i = 0; i < RECENT_ORDERS; i++) {
        const struct order_intent intent = intent_of('B', (int32_t)(100 + i), 5);
        cr_assert(recent_room(&recent, 1000, 50), "%u", i);
        recent_push(&recent, &intent, 1000 + i);
    }
    const struct order_intent first = intent_of('B', 100, 5), second = intent_of('B', 101, 5);
    cr_assert_not(recent_find(&recent, &first, 1049, 50), "its place is the next one's");
    cr_assert(recent_find(&recent, &second, 1049, 50));
    cr_assert_not(recent_room(&recent, 1049, 50));
    cr_assert(recent_room(&recent, 1050, 50), "the first is old");
    const struct order_intent next = intent_of('B', 1, 1);
    recent_push(&recent, &next, 1050);
    cr_assert_not(recent_room(&recent, 1050, 50), "the second is not");
}

Test(recent, random_orders_agree_with_a_list, .timeout = 30)
{
    static struct order_intent sent[4000];
    static uint64_t sent_ns[4000];
    uint64_t state = 1, now_ns = 1;
    uint32_t count = 0, found = 0;

    for (int step = 0; step < 4000; step++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        const uint32_t dice = (uint32_t)(state >> 33);
        const struct order_intent intent =
            intent_of(dice & 1 ? 'B' : 'S', (int32_t)(1 + (dice >> 1) % 12), 1 + (dice >> 8) % 4);
        now_ns += (dice >> 12) % 20;
        bool expected = false;
        for (uint32_t i = count >= RECENT_ORDERS ? count + 1 - RECENT_ORDERS : 0; i < count; i++)
            expected |= sent[i].side == intent.side && sent[i].price == intent.price && sent[i].qty == intent.qty &&
                        now_ns - sent_ns[i] < 300;
        cr_assert_eq(recent_find(&recent, &intent, now_ns, 300), expected, "step %d", step);
        found += expected;
        recent_push(&recent, &intent, now_ns);
        sent[count] = intent;
        sent_ns[count++] = now_ns;
        if (dice % 7 == 0 && recent_room(&recent, now_ns, 1)) {
            recent_pop(&recent);
            count--;
        }
    }
    cr_assert(found > 500 && found < 3500, "%u", found);
}
