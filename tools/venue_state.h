/* Inside of the venue, shared by venue.c (messages, packets, answers) and venue_spin.c (snapshots). Nobody else
 * includes it. */
#ifndef TOOLS_VENUE_STATE_H
#define TOOLS_VENUE_STATE_H

#include "tools/venue.h"

struct venue {
    struct venue_book *book;
    struct venue_counters counters;
    char session[MOLD_SESSION_LEN];
    uint64_t count;       /* messages said */
    uint64_t *end;        /* end[seq]: bytes that messages 1 ... seq take; end[0] = 0 */
    uint64_t ends_max;
    uint8_t *blocks;      /* all messages as MoldUDP64 blocks, so that a packet is a piece of it */
    uint64_t blocks_bytes_max;
};

#endif
