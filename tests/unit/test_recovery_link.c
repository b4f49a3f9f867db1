/* recovery_link: what one side puts in, the other takes out, in order; what is full says so and loses nothing. */
#include "gateway/recovery_link.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct recovery_link *link_new(void)
{
    struct recovery_link *link = aligned_alloc(64, (sizeof(*link) + 63) / 64 * 64);
    cr_assert_not_null(link);
    recovery_link_init(link);
    return link;
}

Test(recovery_link, asks_arrive_whole_and_in_order)
{
    struct recovery_link *link = link_new();
    struct recovery_ask ask;
    cr_assert_not(recovery_link_next(link, &ask));
    for (uint32_t round = 0; round < 10; round++) { /* the slots are used again and again */
        uint32_t count = 0;
        for (;; count++) {
            const struct recovery_ask out = {.type = RECOVERY_REQUEST,
                                             .server = (uint8_t)(count % 4),
                                             .count = (uint16_t)(count + 1),
                                             .spin = round,
                                             .seq = UINT64_MAX - count,
                                             .session = "SESSION01"};
            if (!recovery_link_ask(link, &out))
                break;
        }
        cr_assert_eq(count, RECOVERY_LINK_ASKS - 1);
        for (uint32_t i = 0; i < count; i++) {
            cr_assert(recovery_link_next(link, &ask));
            cr_assert_eq(ask.type, RECOVERY_REQUEST);
            cr_assert_eq(ask.server, i % 4);
            cr_assert_eq(ask.count, i + 1);
            cr_assert_eq(ask.spin, round);
            cr_assert_eq(ask.seq, UINT64_MAX - i);
            cr_assert_arr_eq(ask.session, "SESSION01", MOLD_SESSION_LEN);
        }
        cr_assert_not(recovery_link_next(link, &ask));
    }
    free(link);
}

Test(recovery_link, every_block_is_there_once_and_comes_back)
{
    struct recovery_link *link = link_new();
    cr_assert_null(recovery_link_take(link));
    for (uint32_t round = 0; round < 3; round++) {
        struct recovery_answer *block;
        uint32_t count = 0;
        for (; (block = recovery_link_block(link)) != NULL; count++) {
            memset(block, 0xee, sizeof(*block)); /* whole blocks may be written: they overlap nothing */
            block->type = RECOVERY_PACKET;
            block->len = RECOVERY_LINK_BYTES;
            block->seq = count;
            recovery_link_answer(link, block);
        }
        cr_assert_eq(count, RECOVERY_LINK_BLOCKS - 1);
        for (uint32_t i = 0; i < count; i++) {
            struct recovery_answer *answer = recovery_link_take(link);
            cr_assert_not_null(answer);
            cr_assert_eq(answer->seq, i);
            cr_assert_eq(answer->bytes[RECOVERY_LINK_BYTES - 1], 0xee);
            answer->seq = UINT64_MAX; /* a block given twice would show */
            recovery_link_done(link, answer);
        }
        cr_assert_null(recovery_link_take(link));
    }
    free(link);
}

Test(recovery_link, without_an_empty_block_there_is_none_until_one_is_given_back)
{
    struct recovery_link *link = link_new();
    struct recovery_answer *block, *first = NULL;
    while ((block = recovery_link_block(link)) != NULL)
        recovery_link_answer(link, block);
    first = recovery_link_take(link);
    cr_assert_not_null(first);
    cr_assert_null(recovery_link_block(link), "taken is not yet given back");
    recovery_link_done(link, first);
    cr_assert_eq(recovery_link_block(link), first);
    cr_assert_null(recovery_link_block(link));
    free(link);
}
