/* What the feed says about each instrument besides its book: name, lot, trading state. One array per channel, indexed
 * by stock locate; owned by the channel's rx lcore. Symbols are learnt from the directory or, when a capture begins in
 * mid-session, from the first message that names one. */
#ifndef FEED_INSTRUMENT_H
#define FEED_INSTRUMENT_H

#include <stdbool.h>
#include <stdint.h>

struct instrument {
    uint64_t symbol;     /* as md_symbol(); 0 = not known yet */
    uint32_t round_lot;  /* 0 = not known */
    int32_t collar_reference, collar_upper, collar_lower; /* LULD auction collar, MD_PRICE_NONE = unknown */
    uint8_t state;       /* 'T' 'H' 'P' 'Q', 0 = unknown */
    uint8_t short_sale;  /* '0' '1' '2', 0 = unknown */
    uint8_t operational; /* 'H' 'T', 0 = unknown */
    uint8_t luld_tier;
    uint8_t listed;      /* 1 once a directory message was seen */
};

/* Empty directory of `count` instruments. */
void instrument_clear(struct instrument *instruments, uint32_t count);

/* Is `symbol` one of `count` that ascend? */
bool instrument_listed(const uint64_t *symbols, uint32_t count, uint64_t symbol);

#endif
