/* Resync of a lapped reader. Contract in resync.h. resync_ask and resync_next on the strategy lcore, resync_step and
 * resync_answer on the rx lcore; the rest before armed. Needs no DPDK. */
#include "gateway/resync.h"

/* Records that are no event: they say where an answer begins and ends. */
enum mark { MARK_BEGIN = 'B', MARK_END = 'E' };

void resync_init(struct resync *resync, const struct md_ring *ring)
{
    memset(resync, 0, sizeof(*resync));
    resync->ring = ring;
    md_ring_init(&resync->records, resync->slots, RESYNC_SLOTS, 1);
    md_ring_reader_init(&resync->reader, &resync->records);
}

bool resync_channel_add(struct resync *resync, struct channel *channel, uint16_t index)
{
    if (resync->channel_count == RESYNC_CHANNELS_MAX || index >= 32)
        return false;
    resync->channel[resync->channel_count] = channel;
    resync->index[resync->channel_count++] = index;
    resync->channels |= 1u << index;
    return true;
}

bool resync_symbols_add(struct resync *resync, const uint64_t *symbols, uint32_t symbol_count)
{
    for (uint32_t i = 0; i < symbol_count; i++) {
        uint32_t at = resync->symbol_count;
        while (at > 0 && resync->symbol[at - 1] >= symbols[i])
            at--;
        if (at < resync->symbol_count && resync->symbol[at] == symbols[i])
            continue;
        if (resync->symbol_count == RESYNC_SYMBOLS_MAX)
            return false;
        memmove(&resync->symbol[at + 1], &resync->symbol[at], (resync->symbol_count - at) * sizeof(symbols[0]));
        resync->symbol[at] = symbols[i];
        resync->symbol_count++;
    }
    return true;
}

/* ---- reader ---- */

void resync_ask(struct resync *resync)
{
    resync->current = false;
    resync->waiting = true;
    MD_RING_STORE(&resync->asked, resync->asked + 1); /* nothing travels with it. Paired with: resync_step */
}

/* Take the next record, unless one is in hand. */
static bool record_take(struct resync *resync)
{
    if (resync->holding)
        return true;
    const enum md_ring_verdict verdict = md_ring_pop(&resync->reader, &resync->record);
    DCHECK(verdict != MD_RING_OVERRUN); /* the rx lcore looks at the room */
    resync->holding = verdict == MD_RING_EVENT;
    if (resync->holding)
        md_ring_reader_export(&resync->reader);
    return resync->holding;
}

bool resync_next(struct resync *resync, uint64_t seq, struct md_event *ret_event)
{
    struct md_event *record = &resync->record;

    while (resync->waiting && record_take(resync) && (int64_t)(record->rx_tsc - seq) <= 0) {
        resync->holding = false;
        if (record->type == MD_NONE && record->side == MARK_BEGIN) {
            resync->current = record->ref == resync->asked;
        } else if (!resync->current) { /* for an older request */
        } else if (record->type == MD_NONE) {
            resync->current = resync->waiting = false;
            MD_RING_STORE(&resync->answered_count, resync->answered_count + 1);
        } else {
            *ret_event = *record;
            ret_event->rx_tsc = 0;
            return true;
        }
    }
    return false;
}

/* ---- rx lcore ---- */

static void record_push(struct resync *resync, struct md_event *event)
{
    event->rx_tsc = resync->ring->head - 1;
    md_ring_push(&resync->records, event);
}

static void mark_push(struct resync *resync, enum mark mark)
{
    struct md_event event = {.type = MD_NONE, .side = (uint8_t)mark, .flags = MD_REFRESH, .ref = resync->begun};

    record_push(resync, &event);
}

static void channel_begin(struct resync *resync)
{
    if (resync->channel_at == resync->channel_count)
        return;
    refresh_begin(&resync->refresh, resync->channel[resync->channel_at], resync->index[resync->channel_at],
                  resync->symbol, resync->symbol_count);
}

/* The next event or instrument of the channel in hand; behind its last one the next channel's turn comes. False: that
 * was all. `ret_more`: the go in hand goes on. */
static bool answer_next(struct resync *resync, bool *ret_more)
{
    struct md_event event;

    *ret_more = false;
    if (resync->channel_at == resync->channel_count)
        return false;
    switch (refresh_next(&resync->refresh, &event)) {
    case REFRESH_NOTHING:
        break;
    case REFRESH_EVENT:
        *ret_more = (event.flags & MD_MORE) != 0;
        record_push(resync, &event);
        MD_RING_STORE(&resync->event_count, resync->event_count + 1);
        break;
    case REFRESH_END:
        resync->channel_at++;
        channel_begin(resync);
        break;
    }
    return true;
}

void resync_answer(struct resync *resync)
{
    const uint64_t asked = MD_RING_LOAD(&resync->asked);
    uint32_t room = (uint32_t)md_ring_room(&resync->records, &resync->reader.position);
    bool more = false;

    if (room == 0)
        return;
    if (resync->begun != asked) {
        if (resync->begun != resync->done)
            MD_RING_STORE(&resync->broken_off_count, resync->broken_off_count + 1);
        resync->begun = asked;
        resync->channel_at = 0;
        mark_push(resync, MARK_BEGIN);
        channel_begin(resync);
        room--;
    }
    for (uint32_t i = 0; more || (i < RESYNC_SLICE && room > REFRESH_GO_MAX); i++, room--) {
        if (!answer_next(resync, &more)) {
            mark_push(resync, MARK_END);
            resync->done = resync->begun;
            return;
        }
    }
}
