/* Per-instrument state of a strategy: which instruments it trades, and a block of its own for each. Symbols are
 * resolved when the feed defines them, so the hot path sees numbers only. Pure; the strategy's lcore. */
#ifndef GATEWAY_STRATEGY_INSTRUMENTS_H
#define GATEWAY_STRATEGY_INSTRUMENTS_H

#include "gateway/strategy/strategy.h"

#define INSTRUMENTS_CHANNELS_MAX 16u

/* What every block begins with. */
struct instruments_mark {
    uint32_t epoch; /* this module's: the resets of its channel that the block has heard of */
    bool traded;    /* this module's */
    bool seen;      /* the strategy's: what it has noted of the market here is valid; a reset makes it false */
};

struct instruments {
    uint32_t count[INSTRUMENTS_CHANNELS_MAX]; /* of each channel */
    uint8_t *block[INSTRUMENTS_CHANNELS_MAX]; /* count blocks of block_bytes, each begins with its mark */
    size_t block_bytes;
    uint32_t epoch[INSTRUMENTS_CHANNELS_MAX]; /* resets of each channel so far */
    uint32_t forgotten[INSTRUMENTS_CHANNELS_MAX]; /* the newest that emptied its directory */
    uint32_t channel_count;
    const uint64_t *symbols;                  /* wanted, inside the strategy's state; none: all */
    uint32_t symbol_count;
    uint16_t symbols_channel;
};

/* Bytes behind a strategy's own state for blocks of block_bytes, a multiple of eight. */
size_t instruments_bytes(const struct strategy_setup *setup, size_t block_bytes);

/* Lay the blocks (zeroed already) and a copy of the symbols out in `memory`, aligned to eight bytes. */
void instruments_init(struct instruments *instruments, void *memory, const struct strategy_setup *setup,
                      size_t block_bytes);

/* The block of the event's instrument if it is traded, else NULL. To be called with every event. On MD_DEFINE the
 * instrument is looked up by its symbol: cost proportional to the symbols wanted. MD_SESSION and MD_RESET leave none
 * traded and none `seen` in its channel until they are defined again, as market_apply does; what else a block holds
 * stays. Every block begins with a struct instruments_mark. */
void *instruments_of(struct instruments *instruments, const struct md_event *event);

/* The block of an instrument by its numbers, as news of orders have them, traded or not; NULL: there is no such one. */
static inline void *instruments_at(const struct instruments *instruments, uint16_t channel, uint16_t instrument)
{
    if (channel >= instruments->channel_count || instrument >= instruments->count[channel])
        return NULL;
    return instruments->block[channel] + instrument * instruments->block_bytes;
}

/* Events were lost: `seen` is false in every block from here on. This and a reset of the directory cost the same for
 * one instrument as for all, since they come when the lcore is behind already: a block hears of it when it is used. */
void instruments_reset(struct instruments *instruments);

#endif
