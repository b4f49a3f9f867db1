/* See trades.h. */
#include "gateway/order/trades.h"

static uint32_t *chain_of(struct trades *trades, uint64_t match)
{
    return &trades->chain[match * UINT64_C(0x9e3779b97f4a7c15) >> (64 - TRADES_CHAIN_BITS)];
}

static struct trades_entry *entry_of(struct trades *trades, uint32_t number)
{
    return &trades->entry[number & (TRADES_MAX - 1)];
}

void trades_note(struct trades *trades, const struct open_order *order, uint64_t match, uint32_t qty, int32_t price)
{
    uint32_t *chain = chain_of(trades, match);
    struct trades_entry *entry = entry_of(trades, ++trades->newest);

    *entry = (struct trades_entry){.order = *order, .match = match, .older = *chain};
    entry->order.qty = qty;
    entry->order.price = price;
    *chain = trades->newest;
}

struct trades_entry *trades_next(struct trades *trades, uint32_t user_ref, uint64_t match, uint32_t *cursor)
{
    uint32_t number = *cursor == 0 ? *chain_of(trades, match) : entry_of(trades, *cursor)->older;

    /* Where the ring has come round, so has the rest of the chain. */
    for (; number != 0 && trades->newest - number < TRADES_MAX; number = entry_of(trades, number)->older) {
        struct trades_entry *entry = entry_of(trades, number);
        if (entry->match == match && entry->order.user_ref == user_ref) {
            *cursor = number;
            return entry;
        }
    }
    return NULL;
}
