/* cause: what is found is what was stored under that number, or nothing. */
#include "gateway/cause.h"

#include <criterion/criterion.h>

Test(cause, an_event_is_found_until_its_slot_is_used_again)
{
    struct cause slots[8] = {0};
    struct causes causes = {.slot = slots, .mask = 7};
    struct cause found = {0};

    cr_assert_not(cause_find(&causes, 1, &found), "nothing was stored yet");
    for (uint64_t seq = 1; seq <= 100; seq++) {
        cause_store(&causes, seq, seq * 10, (uint16_t)(seq % 5), (uint16_t)(seq % 2));
        for (uint64_t back = 0; back < 12 && back < seq; back++) {
            const bool kept = cause_find(&causes, seq - back, &found);
            cr_assert_eq(kept, back < 8, "event %lu, %lu events later", seq - back, back);
            if (!kept)
                continue;
            cr_assert_eq(found.feed_seq, (seq - back) * 10);
            cr_assert_eq(found.channel_line >> 32, (seq - back) % 5);
            cr_assert_eq(found.channel_line & UINT32_MAX, (seq - back) % 2);
        }
        cr_assert_not(cause_find(&causes, seq + 1, &found), "not yet");
    }
}

Test(cause, an_entry_that_is_being_written_is_not_found)
{
    struct cause slots[2] = {{0}, {.event_seq = 0, .feed_seq = 5}};
    struct causes causes = {.slot = slots, .mask = 1};
    struct cause found = {.feed_seq = 77};

    cr_assert_not(cause_find(&causes, 1, &found));
    cr_assert_eq(found.feed_seq, 77u, "written only when found");
}
