/* See instruments.h. */
#include "gateway/strategy/instruments.h"

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

void *instruments_of(struct instruments *instruments, const struct md_event *event)
{
    if (event->channel >= instruments->channel_count || event->instrument >= instruments->count[event->channel])
        return NULL;
    uint8_t *block = instruments->block[event->channel] + event->instrument * instruments->block_bytes;
    bool *traded = (bool *)block;
    if (event->type == MD_DEFINE)
        *traded = wanted(instruments, event);
    return *traded ? block : NULL;
}

void instruments_reset(struct instruments *instruments)
{
    for (uint32_t i = 0; i < instruments->channel_count; i++)
        for (uint32_t j = 0; j < instruments->count[i]; j++) {
            uint8_t *block = instruments->block[i] + j * instruments->block_bytes;
            const bool traded = *(const bool *)block;
            memset(block, 0, instruments->block_bytes);
            *(bool *)block = traded;
        }
}
