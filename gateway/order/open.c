/* Open orders. Contract in open.h. Runs on the strategy lcore; pure. */
#include "gateway/order/open.h"

#include "ring/check.h"

#include <string.h>

#define OPEN_ORDERS_LIMIT (1u << 20)

size_t open_footprint(uint32_t orders_max)
{
    if (orders_max == 0 || orders_max > OPEN_ORDERS_LIMIT || (orders_max & (orders_max - 1)) != 0)
        return 0;
    return (size_t)orders_max * sizeof(struct open_order);
}

void open_init(struct open_orders *open, void *memory, uint32_t orders_max, uint32_t first_ref, uint64_t timeout_ns)
{
    CHECK(open_footprint(orders_max) > 0 && first_ref > 0);
    *open = (struct open_orders){.slots = memory,
                                 .mask = orders_max - 1,
                                 .next_ref = first_ref,
                                 .oldest_ref = first_ref,
                                 .timeout_ns = timeout_ns};
    memset(memory, 0, open_footprint(orders_max));
}

bool open_room(const struct open_orders *open)
{
    return open->next_ref != UINT32_MAX && open->slots[open->next_ref & open->mask].user_ref == 0;
}

uint32_t open_insert(struct open_orders *open, const struct order_intent *intent, uint8_t strategy, uint64_t now_ns)
{
    CHECK(open_room(open));
    const uint32_t user_ref = open->next_ref++;
    open->slots[user_ref & open->mask] = (struct open_order){.user_ref = user_ref,
                                                             .qty = intent->qty,
                                                             .price = intent->price,
                                                             .tag = intent->tag,
                                                             .channel = intent->channel,
                                                             .instrument = intent->instrument,
                                                             .side = intent->side,
                                                             .strategy = strategy,
                                                             .sent_ns = now_ns};
    open->count++;
    return user_ref;
}

struct open_order *open_find(struct open_orders *open, uint32_t user_ref)
{
    struct open_order *order = &open->slots[user_ref & open->mask];

    return user_ref != 0 && order->user_ref == user_ref ? order : NULL;
}

void open_remove(struct open_orders *open, struct open_order *order)
{
    CHECK(order->user_ref != 0 && open->count > 0);
    order->user_ref = 0;
    open->count--;
}

/* The oldest order that is still open, or NULL. References grow, so what lies behind oldest_ref never comes back and
 * each number is passed once. */
static struct open_order *open_oldest(struct open_orders *open)
{
    if (open->count == 0) {
        open->oldest_ref = open->next_ref;
        return NULL;
    }
    for (; open->oldest_ref != open->next_ref; open->oldest_ref++) {
        struct open_order *order = open_find(open, open->oldest_ref);
        if (order)
            return order;
    }
    return NULL;
}

uint64_t open_deadline_ns(struct open_orders *open)
{
    const struct open_order *order = open->timeout_ns > 0 ? open_oldest(open) : NULL;

    if (!order)
        return UINT64_MAX;
    return order->sent_ns <= UINT64_MAX - open->timeout_ns ? order->sent_ns + open->timeout_ns : UINT64_MAX;
}

struct open_order *open_expired(struct open_orders *open, uint64_t now_ns)
{
    const uint64_t deadline_ns = open_deadline_ns(open);

    return deadline_ns != UINT64_MAX && deadline_ns <= now_ns ? open_oldest(open) : NULL;
}
