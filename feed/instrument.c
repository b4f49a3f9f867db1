/* The directory of one channel. Contract in instrument.h.
 *
 * Emptied by feed/channel at start-up and when a session begins, on the rx lcore of the channel. */
#include "feed/instrument.h"

#include "ring/md_event.h"

void instrument_clear(struct instrument *instruments, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        instruments[i] = (struct instrument){
            .collar_reference = MD_PRICE_NONE, .collar_upper = MD_PRICE_NONE, .collar_lower = MD_PRICE_NONE};
}

bool instrument_listed(const uint64_t *symbols, uint32_t count, uint64_t symbol)
{
    uint32_t low = 0, high = count;

    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        if (symbols[middle] < symbol)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && symbols[low] == symbol;
}
