/* See recovery_link.h. */
#include "gateway/recovery_link.h"

#include <stddef.h>
#include <string.h>

_Static_assert(sizeof(struct recovery_answer) == 2048 && offsetof(struct recovery_link, block) % CK_MD_CACHELINE == 0,
               "blocks of the two threads share no cache line");

void recovery_link_init(struct recovery_link *link)
{
    memset(link, 0, sizeof(*link));
    /* A ck_ring of n slots holds n - 1: as many as there are blocks. */
    ck_ring_init(&link->ask, RECOVERY_LINK_ASKS);
    ck_ring_init(&link->answer, RECOVERY_LINK_BLOCKS);
    ck_ring_init(&link->empty, RECOVERY_LINK_BLOCKS);
    for (uint32_t i = 0; i < RECOVERY_LINK_BLOCKS - 1; i++)
        ck_ring_enqueue_spsc(&link->empty, link->empty_slots, &link->block[i]);
}

bool recovery_link_ask(struct recovery_link *link, const struct recovery_ask *ask)
{
    struct recovery_ask copy = *ask;

    return ck_ring_enqueue_spsc_recovery_ask(&link->ask, link->ask_slots, &copy);
}

bool recovery_link_next(struct recovery_link *link, struct recovery_ask *ret_ask)
{
    return ck_ring_dequeue_spsc_recovery_ask(&link->ask, link->ask_slots, ret_ask);
}

struct recovery_answer *recovery_link_take(struct recovery_link *link)
{
    void *answer;

    return ck_ring_dequeue_spsc(&link->answer, link->answer_slots, &answer) ? answer : NULL;
}

void recovery_link_done(struct recovery_link *link, struct recovery_answer *answer)
{
    /* Cannot fail: the ring has a slot for every block there is. */
    ck_ring_enqueue_spsc(&link->empty, link->empty_slots, answer);
}

struct recovery_answer *recovery_link_block(struct recovery_link *link)
{
    void *answer;

    return ck_ring_dequeue_spsc(&link->empty, link->empty_slots, &answer) ? answer : NULL;
}

void recovery_link_answer(struct recovery_link *link, struct recovery_answer *answer)
{
    ck_ring_enqueue_spsc(&link->answer, link->answer_slots, answer); /* cannot fail either */
}
