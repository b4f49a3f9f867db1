/* send_log: what the owner may do, what the control thread sees, and when. */
#include "ring/send_log.h"

#include <criterion/criterion.h>

static struct send_log send_log;
static uint32_t ack;

static void start(void)
{
    send_log_init(&send_log);
}

TestSuite(send_log, .init = start, .timeout = 60);

static bool may(uint32_t len)
{
    return send_log_may(&send_log, len, &ack);
}

static struct send_log_slot *reserve(const char *text)
{
    return send_log_reserve_copy(&send_log, (const uint8_t *)text, (uint32_t)strlen(text));
}

Test(send_log, nothing_may_be_sent_before_a_connection)
{
    enum send_log_state state;

    cr_assert_not(may(1));
    cr_assert_null(send_log_peek(&send_log, 0, &state));
    cr_assert_eq(send_log_owner_epoch(&send_log), 0);
}

Test(send_log, the_limit_is_the_end_of_what_may_be_sent)
{
    send_log_begin(&send_log, 1, 1000);
    cr_assert_eq(send_log_owner_epoch(&send_log), 1);
    send_log_limit(&send_log, 77, 1010);
    cr_assert(may(10));
    cr_assert_eq(ack, 77u);
    cr_assert_not(may(11));
    send_log_mark(&send_log, reserve("123456"), true);
    cr_assert(may(4));
    cr_assert_not(may(5));
    send_log_limit(&send_log, 78, 999); /* shut: one before what is acknowledged */
    cr_assert_not(may(1));
}

Test(send_log, sequence_numbers_wrap)
{
    send_log_begin(&send_log, 1, UINT32_MAX - 2);
    send_log_limit(&send_log, 0, 5);
    cr_assert(may(8));
    cr_assert_not(may(9));
    send_log_mark(&send_log, reserve("12345678"), true);
    cr_assert_eq(send_log.next_seq, 5u);
    cr_assert_not(may(1));
}

Test(send_log, a_slot_is_seen_reserved_then_marked)
{
    enum send_log_state state;

    send_log_begin(&send_log, 3, 500);
    struct send_log_slot *slot = reserve("hello");
    const struct send_log_slot *seen = send_log_peek(&send_log, 0, &state);
    cr_assert_eq(seen, slot);
    cr_assert_eq(state, SEND_LOG_RESERVED);
    cr_assert(seen->seq == 500 && seen->len == 5 && seen->epoch == 3);
    cr_assert_arr_eq(seen->bytes, "hello", 5);
    send_log_mark(&send_log, slot, true);
    cr_assert_eq(send_log_peek(&send_log, 0, &state), slot);
    cr_assert_eq(state, SEND_LOG_SENT);
    cr_assert_null(send_log_peek(&send_log, 1, &state));
    slot = reserve("world");
    send_log_mark(&send_log, slot, false);
    seen = send_log_peek(&send_log, 1, &state);
    cr_assert(seen == slot && state == SEND_LOG_NOT_SENT && seen->seq == 505);
}

Test(send_log, it_is_full_until_slots_are_taken)
{
    enum send_log_state state;

    send_log_begin(&send_log, 1, 0);
    send_log_limit(&send_log, 0, 1u << 30);
    for (uint32_t round = 0; round < 1000; round++) {
        uint32_t count = 0;
        for (; send_log_room(&send_log); count++)
            send_log_mark(&send_log, reserve("x"), true);
        cr_assert_eq(count, SEND_LOG_SLOTS, "round %u", round);
        cr_assert_null(send_log_peek(&send_log, SEND_LOG_SLOTS, &state));
        for (uint32_t i = 0; i < SEND_LOG_SLOTS; i++)
            cr_assert_eq(send_log_peek(&send_log, i, &state)->seq, round * SEND_LOG_SLOTS + i);
        send_log_taken(&send_log, SEND_LOG_SLOTS, 0, 1u << 30);
        cr_assert_null(send_log_peek(&send_log, 0, &state));
    }
}

Test(send_log, behind_a_slot_that_was_not_sent_nothing_may_be_until_it_is_taken)
{
    send_log_begin(&send_log, 1, 0);
    send_log_limit(&send_log, 0, 1000);
    send_log_mark(&send_log, reserve("slow"), false);
    cr_assert_not(may(1));
    struct send_log_slot *slot = reserve("slow too");
    send_log_mark(&send_log, slot, false);
    send_log_taken(&send_log, 1, 0, 1000);
    cr_assert_not(may(1), "the second one");
    send_log_taken(&send_log, 1, 0, 3); /* told to TCP, not acknowledged: shut by the limit */
    cr_assert_not(may(1));
    send_log_limit(&send_log, 0, 1000);
    cr_assert(may(1));
}

Test(send_log, a_late_mark_of_a_slot_that_was_taken_over_harms_nobody)
{
    enum send_log_state state;

    send_log_begin(&send_log, 1, 0);
    send_log_limit(&send_log, 0, 1u << 30);
    struct send_log_slot *slot = reserve("held");
    send_log_taken(&send_log, 1, 0, 1u << 30); /* the control thread did not wait */
    send_log_mark(&send_log, slot, true);
    cr_assert_null(send_log_peek(&send_log, 0, &state));
    for (uint32_t i = 0; i < 3 * SEND_LOG_SLOTS; i++) {
        cr_assert(send_log_room(&send_log));
        send_log_mark(&send_log, reserve("next"), true);
        cr_assert_eq(send_log_peek(&send_log, 0, &state)->seq, 4 + 4 * i);
        send_log_taken(&send_log, 1, 0, 1u << 30);
    }
}

Test(send_log, a_connection_that_is_taken_back_has_no_owner)
{
    enum send_log_state state;

    send_log_begin(&send_log, 5, 100);
    send_log_mark(&send_log, reserve("old"), true);
    send_log_end(&send_log);
    cr_assert_eq(send_log_owner_epoch(&send_log), 0);
    send_log_begin(&send_log, 6, 200);
    send_log_limit(&send_log, 0, 1000);
    cr_assert_not(may(1), "what is of the old one is taken first");
    cr_assert_eq(send_log_peek(&send_log, 0, &state)->epoch, 5);
    send_log_taken(&send_log, 1, 0, 1000);
    cr_assert(may(1));
    send_log_mark(&send_log, reserve("new"), true);
    const struct send_log_slot *slot = send_log_peek(&send_log, 0, &state);
    cr_assert(slot->epoch == 6 && slot->seq == 200);
}
