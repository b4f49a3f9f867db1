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
