/* See order_link.h. */
#include "gateway/order_link.h"

void order_link_init(struct order_link *link, uint32_t ref_limit)
{
    memset(link, 0, sizeof(*link));
    send_log_init(&link->log);
    link->ref_limit = ref_limit;
    ck_ring_init(&link->ring, ORDER_LINK_NEWS);
}

bool order_link_tell(struct order_link *link, const struct order_news *news)
{
    struct order_news copy = *news;

    return ck_ring_enqueue_spsc_order_news(&link->ring, link->news, &copy);
}

uint32_t order_link_room(const struct order_link *link)
{
    return ORDER_LINK_NEWS - 1 - ck_ring_size(&link->ring);
}

bool order_link_heard(const struct order_link *link)
{
    const bool heard = ck_ring_size(&link->ring) == 0;

    ck_pr_fence_load(); /* paired with: the fence of the dequeue in order_link_hear */
    return heard;
}

bool order_link_hear(struct order_link *link, struct order_news *ret_news)
{
    return ck_ring_dequeue_spsc_order_news(&link->ring, link->news, ret_news);
}
