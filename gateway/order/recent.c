/* See recent.h. */
#include "gateway/order/recent.h"

static uint32_t hash_of(uint16_t channel, uint16_t instrument, bool buy, int32_t price, uint32_t qty)
{
    uint64_t hash = ((uint64_t)channel << 48 | (uint64_t)instrument << 32 | (uint32_t)price) * 0x9e3779b97f4a7c15u;

    hash = (hash ^ (hash >> 32) ^ ((uint64_t)qty << 1 | buy)) * 0x9e3779b97f4a7c15u;
    return (uint32_t)(hash >> 40) % RECENT_ORDERS;
}

static bool is_recent(const struct recent_order *order, uint64_t now_ns, uint64_t window_ns)
{
    return now_ns < order->sent_ns || now_ns - order->sent_ns < window_ns;
}

bool recent_find(const struct recent *recent, const struct order_intent *intent, uint64_t now_ns, uint64_t window_ns)
{
    const bool buy = intent->side == 'B';
    uint64_t number = recent->newest[hash_of(intent->channel, intent->instrument, buy, intent->price, intent->qty)];

    while (number != 0 && number + RECENT_ORDERS > recent->count + 1) { /* older ones are, or were, written over */
        const struct recent_order *order = &recent->order[number % RECENT_ORDERS];
        if (order->channel == intent->channel && order->instrument == intent->instrument && order->buy == buy &&
            order->price == intent->price && order->qty == intent->qty && is_recent(order, now_ns, window_ns))
            return true;
        number = order->before;
    }
    return false;
}

bool recent_room(const struct recent *recent, uint64_t now_ns, uint64_t window_ns)
{
    return recent->count < RECENT_ORDERS ||
           !is_recent(&recent->order[(recent->count + 1) % RECENT_ORDERS], now_ns, window_ns);
}

void recent_push(struct recent *recent, const struct order_intent *intent, uint64_t now_ns)
{
    const bool buy = intent->side == 'B';
    uint64_t *newest = &recent->newest[hash_of(intent->channel, intent->instrument, buy, intent->price, intent->qty)];

    recent->count++;
    recent->order[recent->count % RECENT_ORDERS] = (struct recent_order){.sent_ns = now_ns,
                                                                         .before = *newest,
                                                                         .price = intent->price,
                                                                         .qty = intent->qty,
                                                                         .channel = intent->channel,
                                                                         .instrument = intent->instrument,
                                                                         .buy = buy};
    *newest = recent->count;
}

void recent_pop(struct recent *recent)
{
    const struct recent_order *order = &recent->order[recent->count % RECENT_ORDERS];

    recent->newest[hash_of(order->channel, order->instrument, order->buy, order->price, order->qty)] = order->before;
    recent->count--;
}
