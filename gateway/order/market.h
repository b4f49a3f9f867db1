/* What one strategy lcore knows of the market, from the events that it has consumed and from nothing else, together
 * with its own position in each instrument: what the risk gate decides on. One cache line per instrument, one owner.
 * Pure. */
#ifndef GATEWAY_ORDER_MARKET_H
#define GATEWAY_ORDER_MARKET_H

#include "ring/check.h"
#include "ring/md_event.h"

#include <stdalign.h>
#include <stddef.h>

#define MARKET_CHANNELS_MAX 16u

struct market_instrument {
    alignas(CACHE_LINE_BYTES) int32_t bid_price; /* MD_PRICE_NONE = empty side */
    uint32_t bid_qty;
    int32_t ask_price;
    uint32_t ask_qty;
    uint64_t symbol;        /* 0 = not defined yet */
    int64_t position;       /* shares, long > 0; fills of this lcore's orders */
    uint64_t open_buy_qty;  /* reserved by orders that may still trade */
    uint64_t open_sell_qty;
    uint8_t state;          /* 'T' trading, 'H' 'P' 'Q' not; 0 unknown */
    uint8_t operational;    /* 'H' halted by operations, 'T', 0 unknown */
    uint8_t short_sale;     /* Reg SHO '0' '1' '2', 0 unknown */
    bool untradable;        /* its book is not to be trusted */
};
_Static_assert(sizeof(struct market_instrument) == CACHE_LINE_BYTES, "one line per instrument");

struct market_channel {
    struct market_instrument *instruments;
    uint32_t instrument_count;
    bool stale;             /* between MD_STALE_BEGIN and MD_STALE_END, or events were lost to an overrun */
    bool lost;              /* events were lost to an overrun since the session began */
    bool session_ended;
};

struct market {
    struct market_channel channel[MARKET_CHANNELS_MAX];
    uint32_t channel_count;
    uint64_t now_ns;        /* decision time: the newest MD_TIME */
    uint64_t out_of_range_count; /* events that name no instrument of ours: a mistake of the producer */
};

/* Bytes for the instruments of all channels. */
size_t market_footprint(const uint32_t *instrument_counts, uint32_t channel_count);
/* `memory`: market_footprint bytes, aligned to a cache line. */
void market_init(struct market *market, void *memory, const uint32_t *instrument_counts, uint32_t channel_count);

/* Take one event in. MD_SESSION empties the channel's symbols, states and BBOs; positions and reservations stay (found
 * again by symbol is the caller's business: within a day a locate does not change its meaning). */
void market_apply(struct market *market, const struct md_event *event);

/* Events were lost: every channel is stale until its next MD_SESSION. An instrument's best prices are right again with
 * its next event, but a trading halt among the lost events would not be seen again, and the end of some other hole
 * (MD_STALE_END) says nothing about what this lcore has missed. */
void market_lost(struct market *market);

/* The instrument, or NULL when there is no such one. */
static inline struct market_instrument *market_find(struct market *market, uint16_t channel, uint16_t instrument)
{
    if (channel >= market->channel_count || instrument >= market->channel[channel].instrument_count)
        return NULL;
    return &market->channel[channel].instruments[instrument];
}

#endif
