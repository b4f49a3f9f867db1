/* Arbitration of the lines of one channel on message ranges, not on packets: A and B may be cut differently.
 *
 * Pure state, one owner (the rx lcore of the channel). It decides which messages of a packet are new; it neither holds
 * packets nor reads them: feed/channel does. */
#ifndef FEED_ARB_H
#define FEED_ARB_H

#include "ring/check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARB_LINES_MAX  8u
#define ARB_LINE_HOLES 4u /* newest holes of a line that are remembered */

enum arb_verdict {
    ARB_FRESH = 0,    /* all messages are new and next in order */
    ARB_STRADDLING,   /* the first `skip` messages were delivered before, the others are new and next in order */
    ARB_DUPLICATE,    /* nothing new */
    ARB_GAP,          /* messages before these are missing */
    ARB_VERDICT_COUNT
};

/* Messages [seq, end_seq) that a line has skipped; empty: end_seq <= seq. */
struct arb_hole { uint64_t seq, end_seq; };

/* Counters go on over sessions; next_seq and the holes begin again.
 * What a line loses cannot be told from what it will bring late: packets overtake one another. So lost_count grows with
 * each hole and falls when the line itself fills it, if it is one of its ARB_LINE_HOLES newest; the rest of an older
 * one stays lost. A sequence that comes twice on a line is late once. */
struct arb_line {
    uint64_t packet_count;    /* sequenced packets seen, heartbeats too */
    uint64_t fresh_count;     /* packets of which this line had at least one message first; ahead of a hole: that went
                               * beyond all that was known */
    uint64_t duplicate_count; /* packets with messages, none of them new */
    uint64_t gap_count;       /* packets (heartbeats too) that came ahead of a hole */
    uint64_t next_seq;        /* one past the newest sequence that this line has shown; 0 = nothing yet */
    uint64_t last_ns;         /* frame time of its last packet */
    uint64_t lost_count;      /* messages that this line itself skipped and has not brought since: may fall */
    uint64_t late_count;      /* messages that it brought behind later ones */
    struct arb_hole hole[ARB_LINE_HOLES];
};
_Static_assert(offsetof(struct arb_line, hole) == 64, "what every packet writes is as long as a cache line");

struct arb {
    uint64_t next_seq;     /* next sequence to deliver; 0 = nothing seen, the first packet decides */
    uint64_t newest_seq;   /* one past the newest sequence that any line has shown (heartbeats too); never < next_seq */
    uint64_t hole_count;   /* holes that were passed without being filled */
    uint64_t missed_count; /* messages in them */
    uint64_t hole_first_seq; /* the last such hole */
    uint64_t hole_len_count;
    uint32_t line_count;
    struct arb_line line[ARB_LINES_MAX];
    uint64_t first_seq;    /* with which this session begins for us; 0 = nothing seen, the first packet decides */
};

/* `first_seq`: the sequence to begin with (1 = the whole session is wanted, anything before the first packet is a
 * hole); 0 = begin with whatever comes first (joining in mid-session). `line_count` 1 ... ARB_LINES_MAX. */
void arb_init(struct arb *arb, uint32_t line_count, uint64_t first_seq);

/* A new session: sequences begin again as with arb_init, counters go on. */
void arb_restart(struct arb *arb, uint64_t first_seq);

/* What was shown from `newest_seq` on, at or above next_seq, was never sent: no line has lost it. */
void arb_withdraw(struct arb *arb, uint64_t newest_seq);

/* arb_accept for any packet: the whole rule. */
enum arb_verdict arb_accept_any(struct arb *arb, uint32_t line, uint64_t seq, uint32_t count, uint64_t now_ns,
                                uint32_t *ret_skip);

/* A packet with messages [seq, seq + count) came on `line` (below line_count); seq >= 1, seq + count does not wrap.
 * Says what is new and moves next_seq past it, except for ARB_GAP, where nothing moves but newest_seq and the line's
 * counters. A count of 0 (heartbeat) gives ARB_DUPLICATE, or ARB_GAP when it reveals a hole. `ret_skip` is the number
 * of leading messages to pass over (0 except for ARB_STRADDLING).
 * Nearly all packets are the next of their line, and next of all or nothing new: nothing else is looked at. */
static inline enum arb_verdict arb_accept(struct arb *arb, uint32_t line, uint64_t seq, uint32_t count, uint64_t now_ns,
                                          uint32_t *ret_skip)
{
    DCHECK(line < arb->line_count);
    DCHECK(seq >= 1 && seq <= UINT64_MAX - count);
    struct arb_line *from = &arb->line[line];
    const uint64_t end_seq = seq + count;
    const bool fresh = seq == arb->next_seq && count > 0;

    if (UNLIKELY(seq != from->next_seq) || UNLIKELY(!fresh && end_seq > arb->next_seq))
        return arb_accept_any(arb, line, seq, count, now_ns, ret_skip);
    from->packet_count++;
    from->last_ns = now_ns;
    from->next_seq = end_seq;
    *ret_skip = 0;
    if (!fresh) {
        from->duplicate_count += count > 0;
        return ARB_DUPLICATE;
    }
    from->fresh_count++;
    arb->next_seq = end_seq;
    if (LIKELY(end_seq > arb->newest_seq))
        arb->newest_seq = end_seq;
    return ARB_FRESH;
}

/* The same for a packet that was held behind a hole: no line counters. */
enum arb_verdict arb_accept_held(struct arb *arb, uint64_t seq, uint32_t count, uint32_t *ret_skip);

/* Give the hole before `seq` up: counted, next_seq becomes `seq`. Only for seq > next_seq. */
void arb_pass_hole(struct arb *arb, uint64_t seq);

#endif
