/* Open orders. Contract in open.h. Runs on the strategy lcore; pure. */
#include "gateway/order/open.h"

#include "ring/check.h"

#include <string.h>

#define OPEN_ORDERS_LIMIT (1u << 20)

size_t open_footprint(uint32_t orders_max)
{
    if (orders_max == 0 || orders_max > OPEN_ORDERS_LIMIT || (orders_max & (orders_max - 1)) != 0)
        return 0;
    const size_t bytes =
        (size_t)orders_max * 3 * sizeof(struct open_order) + ((size_t)orders_max * 2 + 1) * sizeof(struct own_node);
    return (bytes + CACHE_LINE_BYTES - 1) / CACHE_LINE_BYTES * CACHE_LINE_BYTES;
}

void open_init(struct open_orders *open, void *memory, uint32_t orders_max, uint32_t first_ref, uint64_t timeout_ns)
{
    CHECK(open_footprint(orders_max) > 0 && first_ref > 0);
    *open = (struct open_orders){.slots = memory,
                                 .mask = orders_max - 1,
                                 .next_ref = first_ref,
                                 .ref_limit = UINT32_MAX,
                                 .oldest_ref = first_ref,
                                 .timeout_ns = timeout_ns};
    open->inherited = open->slots + orders_max;
    memset(memory, 0, open_footprint(orders_max));
    open->own = (struct own_node *)(open->inherited + 2 * (size_t)orders_max);
    for (uint32_t i = 2 * orders_max; i > orders_max; i--) {
        open->own[i].left = open->own_free;
        open->own_free = i;
    }
}

static inline bool next_is_free(const struct open_orders *open)
{
    return open->next_ref < open->ref_limit && open->slots[open->next_ref & open->mask].user_ref == 0;
}

bool open_room(struct open_orders *open)
{
    if (LIKELY(next_is_free(open)))
        return true;
    /* An order that rests keeps its slot: a number that comes round to it is passed over. */
    while (open->count <= open->mask && open->next_ref < open->ref_limit &&
           open->slots[open->next_ref & open->mask].user_ref != 0)
        open->next_ref++;
    return next_is_free(open);
}

uint32_t open_insert(struct open_orders *open, const struct order_intent *intent, uint64_t symbol, uint8_t strategy,
                     uint64_t now_ns)
{
    CHECK(next_is_free(open));
    const uint32_t user_ref = open->next_ref++;
    open->slots[user_ref & open->mask] = (struct open_order){.user_ref = user_ref,
                                                             .qty = intent->qty,
                                                             .price = intent->price,
                                                             .tag = intent->tag,
                                                             .channel = intent->channel,
                                                             .instrument = intent->instrument,
                                                             .side = intent->side,
                                                             .strategy = strategy,
                                                             .state = OPEN_PENDING,
                                                             .asked_qty = intent->qty,
                                                             .symbol = symbol,
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
    order->state = OPEN_FREE;
    open->count--;
}

/* Inherited orders hash into the first half of their table, by the high bits of a product, so that runs of numbers are
 * spread. A search goes upwards to the first free slot and never wraps: with at most orders_max orders the last slot
 * stays free. */
static uint32_t inherited_begin(const struct open_orders *open, uint32_t user_ref)
{
    return (uint32_t)((uint64_t)(user_ref * 0x9e3779b1u) * ((uint64_t)open->mask + 1) >> 32);
}

struct open_order *open_find_inherited(struct open_orders *open, uint32_t user_ref)
{
    if (open->inherited_count == 0 || user_ref == 0)
        return NULL;
    struct open_order *order = &open->inherited[inherited_begin(open, user_ref)];
    while (order->user_ref != 0 && order->user_ref != user_ref)
        order++;
    return order->user_ref != 0 ? order : NULL;
}

struct open_order *open_inherit(struct open_orders *open, uint32_t user_ref)
{
    if (user_ref == 0 || open->inherited_count > open->mask)
        return NULL;
    DCHECK(!open_find_inherited(open, user_ref));
    struct open_order *order = &open->inherited[inherited_begin(open, user_ref)];
    while (order->user_ref != 0)
        order++;
    *order = (struct open_order){.user_ref = user_ref,
                                 .channel = OPEN_INSTRUMENT_NONE,
                                 .instrument = OPEN_INSTRUMENT_NONE,
                                 .state = OPEN_LIVE,
                                 .inherited = 1,
                                 .accepted = 1};
    open->inherited_count++;
    return order;
}

/* Orders behind that would not be found past a free slot move down into it. */
void open_remove_inherited(struct open_orders *open, struct open_order *order)
{
    CHECK(order->user_ref != 0 && open->inherited_count > 0);
    for (struct open_order *next = order + 1; next->user_ref != 0; next++) {
        if (&open->inherited[inherited_begin(open, next->user_ref)] > order)
            continue;
        *order = *next;
        order = next;
    }
    order->user_ref = 0;
    order->state = OPEN_FREE;
    open->inherited_count--;
}

/* The inherited ones from the last to the first: what a removal moves has been given before. */
struct open_order *open_next(struct open_orders *open, uint32_t *cursor)
{
    const uint32_t size = open->mask + 1;

    if (open->count == 0 && *cursor < size) /* a table of 65,536 slots that hold none is not walked for it */
        *cursor = size;
    while (*cursor < size) {
        struct open_order *order = &open->slots[(*cursor)++];
        if (order->user_ref != 0)
            return order;
    }
    while (open->inherited_count > 0 && *cursor < 3 * size) {
        struct open_order *order = &open->inherited[3 * size - 1 - (*cursor)++];
        if (order->user_ref != 0)
            return order;
    }
    return NULL;
}

void open_replace_sent(struct open_order *orig, struct open_order *order)
{
    orig->replace_ref = order->user_ref;
    orig->state = OPEN_PENDING_REPLACE;
    order->orig_ref = orig->user_ref;
    order->qty = order->asked_qty > orig->qty ? order->asked_qty - orig->qty : 0;
    order->filled_qty = orig->filled_qty;
}

void open_cancel_sent(struct open_order *order, uint32_t left_qty)
{
    if (order->accepted && left_qty > 0 && left_qty >= order->qty)
        return; /* there is nothing to cut, and a venue does not answer that */
    order->state = OPEN_PENDING_CANCEL;
    order->cancel_qty = left_qty;
}

uint32_t open_wire_qty(const struct open_order *order, uint32_t qty)
{
    if (qty == 0)
        return 0;
    return qty <= UINT32_MAX - order->filled_qty ? qty + order->filled_qty : UINT32_MAX;
}

bool open_cancellable(const struct open_order *order)
{
    return order->state == OPEN_PENDING || order->state == OPEN_LIVE || order->state == OPEN_PARTLY_FILLED ||
           order->state == OPEN_UNKNOWN;
}

bool open_replaceable(const struct open_order *order)
{
    return order->state == OPEN_LIVE || order->state == OPEN_PARTLY_FILLED ||
           (order->state == OPEN_PENDING && order->orig_ref == 0);
}

/* Where an order stands, by its instrument, or by its symbol while no event has defined that. NULL: nowhere. */
static struct own_side *side_of(struct open_orders *open, struct market *market, const struct open_order *order)
{
    const bool buy = order->side == 'B';

    if (order->channel == OPEN_INSTRUMENT_NONE) {
        market->own = open->own; /* what is carried may have to move */
        return market_carried_side(market, order->symbol, buy);
    }
    struct market_instrument *instrument = market_find(market, order->channel, order->instrument);
    if (!instrument)
        return NULL;
    return buy ? &instrument->own_buy : &instrument->own_sell;
}

void open_own(struct open_orders *open, struct market *market, struct open_order *order)
{
    struct own_side *side = side_of(open, market, order);

    if (!side)
        return;
    if (order->own != 0) {
        own_remove(open->own, side, order->own, order->side == 'B');
    } else {
        if (order->inherited) {
            CHECK(open->own_free != 0); /* there are as many as inherited orders */
            order->own = open->own_free & 0x7fffffff;
            open->own_free = open->own[order->own].left;
        } else {
            order->own = (uint32_t)(order - open->slots + 1) & 0x7fffffff;
        }
        account_count(&market->account, open_strategy(order), 1);
    }
    own_insert(open->own, side, order->own, order->side == 'B', order->price);
}

void open_disown(struct open_orders *open, struct market *market, struct open_order *order)
{
    if (order->own == 0)
        return;
    own_remove(open->own, side_of(open, market, order), order->own, order->side == 'B');
    account_count(&market->account, open_strategy(order), -1);
    if (order->inherited) {
        open->own[order->own].left = open->own_free;
        open->own_free = order->own;
    }
    order->own = 0;
}

/* The oldest order that is still open, or NULL. References grow, so what lies behind oldest_ref never comes back and
 * each number is passed once; but of numbers that were skipped there may be more than anybody can pass. */
static struct open_order *open_oldest(struct open_orders *open)
{
    struct open_order *oldest = NULL;

    if (open->count == 0) {
        open->oldest_ref = open->next_ref;
        return NULL;
    }
    for (uint32_t passed = 0; passed <= open->mask && open->oldest_ref != open->next_ref; passed++) {
        struct open_order *order = open_find(open, open->oldest_ref);
        if (order)
            return order;
        open->oldest_ref++;
    }
    for (uint32_t i = 0; i <= open->mask; i++) {
        struct open_order *order = &open->slots[i];
        if (order->user_ref != 0 && (!oldest || order->user_ref < oldest->user_ref))
            oldest = order;
    }
    open->oldest_ref = oldest->user_ref;
    return oldest;
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

const char *open_state_name(enum open_state state)
{
    static const char *const names[OPEN_STATE_COUNT] = {
        [OPEN_FREE] = "free",
        [OPEN_PENDING] = "pending",
        [OPEN_LIVE] = "live",
        [OPEN_PARTLY_FILLED] = "partly_filled",
        [OPEN_PENDING_CANCEL] = "pending_cancel",
        [OPEN_PENDING_REPLACE] = "pending_replace",
        [OPEN_UNKNOWN] = "unknown",
    };
    return (unsigned)state < OPEN_STATE_COUNT ? names[state] : "?";
}
