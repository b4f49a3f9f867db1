/* Line arbitration. Contract in arb.h.
 *
 * Called by feed/channel for each sequenced packet, on the rx lcore of the channel. Knows sequence numbers only: no
 * bytes, no sessions, no time but the one it notes per line. */
#include "feed/arb.h"

#include <string.h>

/* Remember a hole, instead of the oldest one where there is no room. */
static void hole_keep(struct arb_line *line, struct arb_hole hole)
{
    struct arb_hole *into = &line->hole[0];

    for (uint32_t i = 1; i < ARB_LINE_HOLES; i++)
        if (line->hole[i].end_seq < into->end_seq)
            into = &line->hole[i];
    *into = hole;
}

/* [seq, end_seq) is not what the line should have brought next: it skipped something, or comes late, or again. */
static void line_jump(struct arb_line *line, uint64_t seq, uint64_t end_seq)
{
    const uint64_t next_seq = line->next_seq;

    if (end_seq > next_seq)
        line->next_seq = end_seq;
    if (seq > next_seq && next_seq != 0) {
        line->lost_count += seq - next_seq;
        hole_keep(line, (struct arb_hole){next_seq, seq});
        return;
    }
    for (uint32_t i = 0; i < ARB_LINE_HOLES; i++) {
        const struct arb_hole hole = line->hole[i];
        const uint64_t from_seq = seq > hole.seq ? seq : hole.seq;
        const uint64_t to_seq = end_seq < hole.end_seq ? end_seq : hole.end_seq;
        if (from_seq >= to_seq)
            continue;
        line->late_count += to_seq - from_seq;
        line->lost_count -= to_seq - from_seq;
        line->hole[i].end_seq = from_seq > hole.seq ? from_seq : 0;
        if (to_seq < hole.end_seq)
            hole_keep(line, (struct arb_hole){to_seq, hole.end_seq});
    }
}

/* The verdict on [seq, end) and, unless it is a gap, the move past it. */
static inline enum arb_verdict accept_range(struct arb *arb, uint64_t seq, uint64_t end_seq, uint32_t *ret_skip)
{
    *ret_skip = 0;
    if (UNLIKELY(arb->next_seq == 0))
        arb->next_seq = arb->first_seq = seq; /* joining: what came before is not ours */
    const uint64_t next_seq = arb->next_seq;

    if (end_seq > arb->newest_seq)
        arb->newest_seq = end_seq;
    if (UNLIKELY(seq > next_seq))
        return ARB_GAP;
    if (end_seq <= next_seq)
        return ARB_DUPLICATE;
    arb->next_seq = end_seq;
    if (LIKELY(seq == next_seq))
        return ARB_FRESH;
    *ret_skip = (uint32_t)(next_seq - seq); /* below end_seq - seq, a packet's count */
    return ARB_STRADDLING;
}

enum arb_verdict arb_accept_any(struct arb *arb, uint32_t line, uint64_t seq, uint32_t count, uint64_t now_ns,
                                uint32_t *ret_skip)
{
    struct arb_line *from = &arb->line[line];
    const uint64_t end_seq = seq + count;
    const bool newest = end_seq > arb->newest_seq && count > 0;
    const enum arb_verdict verdict = accept_range(arb, seq, end_seq, ret_skip);

    from->packet_count++;
    from->last_ns = now_ns;
    if (LIKELY(seq == from->next_seq))
        from->next_seq = end_seq;
    else
        line_jump(from, seq, end_seq);
    from->fresh_count += verdict <= ARB_STRADDLING || (verdict == ARB_GAP && newest);
    from->duplicate_count += verdict == ARB_DUPLICATE && count > 0;
    from->gap_count += verdict == ARB_GAP;
    return verdict;
}

enum arb_verdict arb_accept_held(struct arb *arb, uint64_t seq, uint32_t count, uint32_t *ret_skip)
{
    DCHECK(seq >= 1 && seq <= UINT64_MAX - count);
    return accept_range(arb, seq, seq + count, ret_skip);
}

void arb_pass_hole(struct arb *arb, uint64_t seq)
{
    DCHECK(arb->next_seq != 0 && seq > arb->next_seq);
    arb->hole_count++;
    arb->hole_first_seq = arb->next_seq;
    arb->hole_len_count = seq - arb->next_seq;
    arb->missed_count += arb->hole_len_count;
    arb->next_seq = seq;
    if (seq > arb->newest_seq)
        arb->newest_seq = seq;
}

void arb_withdraw(struct arb *arb, uint64_t newest_seq)
{
    DCHECK(newest_seq >= arb->next_seq);
    arb->newest_seq = newest_seq;
    for (uint32_t i = 0; i < arb->line_count; i++) {
        struct arb_line *line = &arb->line[i];
        if (line->next_seq > newest_seq)
            line->next_seq = newest_seq;
        for (uint32_t j = 0; j < ARB_LINE_HOLES; j++) {
            struct arb_hole *hole = &line->hole[j];
            const uint64_t from_seq = hole->seq > newest_seq ? hole->seq : newest_seq;
            if (hole->end_seq <= from_seq)
                continue;
            line->lost_count -= hole->end_seq - from_seq;
            hole->end_seq = from_seq;
        }
    }
}

void arb_restart(struct arb *arb, uint64_t first_seq)
{
    arb->next_seq = first_seq;
    arb->newest_seq = first_seq;
    arb->first_seq = first_seq;
    for (uint32_t i = 0; i < arb->line_count; i++) {
        arb->line[i].next_seq = 0;
        memset(arb->line[i].hole, 0, sizeof(arb->line[i].hole));
    }
}

void arb_init(struct arb *arb, uint32_t line_count, uint64_t first_seq)
{
    DCHECK(line_count >= 1 && line_count <= ARB_LINES_MAX);
    *arb = (struct arb){.line_count = line_count};
    arb_restart(arb, first_seq);
}
