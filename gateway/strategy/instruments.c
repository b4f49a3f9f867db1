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

/* Nothing noted of this channel's market is valid any more. Blocks hear of it when they are used next: 2^32 resets in
 * between would be needed to miss it. */
static void reset(struct instruments *instruments, uint32_t channel)
{
    instruments->epoch[channel]++;
}

/* The directory is empty: a number may mean another symbol from here on. */
static void forget(struct instruments *instruments, uint32_t channel)
{
    reset(instruments, channel);
    instruments->forgotten[channel] = instruments->epoch[channel];
}

/* Resets that the block has not heard of. */
static void catch_up(const struct instruments *instruments, uint32_t channel, struct instruments_mark *mark)
{
    if ((int32_t)(mark->epoch - instruments->forgotten[channel]) < 0)
        mark->traded = false;
    mark->seen = false;
    mark->epoch = instruments->epoch[channel];
}

void *instruments_of(struct instruments *instruments, const struct md_event *event)
{
    if (event->channel >= instruments->channel_count)
        return NULL;
    if (UNLIKELY(event->instrument == MD_INSTRUMENT_NONE)) {
        if (event->type == MD_SESSION || event->type == MD_RESET)
            forget(instruments, event->channel);
        return NULL;
    }
    if (event->instrument >= instruments->count[event->channel])
        return NULL;
    struct instruments_mark *mark =
        (void *)(instruments->block[event->channel] + event->instrument * instruments->block_bytes);
    if (UNLIKELY(mark->epoch != instruments->epoch[event->channel]))
        catch_up(instruments, event->channel, mark);
    if (event->type == MD_DEFINE)
        mark->traded = wanted(instruments, event);
    return mark->traded ? mark : NULL;
}

void instruments_reset(struct instruments *instruments)
{
    for (uint32_t i = 0; i < instruments->channel_count; i++)
        reset(instruments, i);
}
