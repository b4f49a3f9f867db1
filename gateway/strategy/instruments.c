/* Blocks of a strategy, one for each instrument. Contract in instruments.h. Looked up on the strategy lcore, once for
 * each event; laid out before armed; pure. */
#include "gateway/strategy/instruments.h"

#include "ring/check.h"

#include <string.h>

size_t instruments_bytes(const struct strategy_setup *setup, size_t block_bytes)
{
    size_t count = 0;

    for (uint32_t i = 0; i < setup->channel_count; i++)
        count += setup->instrument_counts[i];
    return count * block_bytes + setup->symbol_count * sizeof(uint64_t);
}

void instruments_init(struct instruments *instruments, void *memory, const struct strategy_setup *setup,
                      size_t block_bytes)
{
    CHECK(setup->channel_count <= INSTRUMENTS_CHANNELS_MAX && block_bytes % sizeof(uint64_t) == 0);
    uint64_t *symbols = memory;
    uint8_t *next = (uint8_t *)(symbols + setup->symbol_count);

    *instruments = (struct instruments){.block_bytes = block_bytes,
                                        .channel_count = setup->channel_count,
                                        .symbols = symbols,
                                        .symbol_count = setup->symbol_count,
                                        .symbols_channel = setup->symbols_channel};
    if (setup->symbol_count > 0)
        memcpy(symbols, setup->symbols, setup->symbol_count * sizeof(uint64_t));
    for (uint32_t i = 0; i < setup->channel_count; i++) {
        instruments->count[i] = setup->instrument_counts[i];
        instruments->block[i] = next;
        next += setup->instrument_counts[i] * block_bytes;
    }
}

static bool wanted(const struct instruments *instruments, const struct md_event *event)
{
    if (instruments->symbol_count == 0)
        return true;
    if (event->channel != instruments->symbols_channel)
        return false;
    for (uint32_t i = 0; i < instruments->symbol_count; i++)
        if (instruments->symbols[i] == event->ref)
            return true;
    return false;
}

/* A session begins with an empty directory: a number may mean another symbol from here on. Walks the channel, as
 * market_apply does. */
static void forget(struct instruments *instruments, uint16_t channel)
{
    for (uint32_t i = 0; i < instruments->count[channel]; i++) {
        struct instruments_mark *mark = (void *)(instruments->block[channel] + i * instruments->block_bytes);
        mark->traded = false;
        mark->seen = false;
    }
}

void *instruments_of(struct instruments *instruments, const struct md_event *event)
{
    if (event->channel >= instruments->channel_count)
        return NULL;
    if (UNLIKELY(event->instrument == MD_INSTRUMENT_NONE)) {
        if (event->type == MD_SESSION)
            forget(instruments, event->channel);
        return NULL;
    }
    if (event->instrument >= instruments->count[event->channel])
        return NULL;
    struct instruments_mark *mark =
        (void *)(instruments->block[event->channel] + event->instrument * instruments->block_bytes);
    if (event->type == MD_DEFINE)
        mark->traded = wanted(instruments, event);
    if (!mark->traded)
        return NULL;
    if (UNLIKELY(mark->epoch != instruments->epoch)) {
        mark->epoch = instruments->epoch;
        mark->seen = false;
    }
    return mark;
}

void instruments_reset(struct instruments *instruments)
{
    instruments->epoch++; /* 2^32 losses in a day would be needed to meet an old number again */
}
