/* Channel: MoldUDP64 with ITCH 5.0, in travel order. Contract in channel.h.
 *
 *   payload -> framing -> session -> arbitration -> (hold) -> message -> book -> events
 *
 * Called by the rx loop and `tickgate inspect`, on the thread that owns the channel. The hot path is channel_receive,
 * channel_next; whatever has to do with holes, sessions and ends is behind `waiting` or `pending` and out of its way.
 * Messages are channel_itch.c, holes channel_recover.c. Never allocates, logs, asks for the time or trusts a byte. */
#include "feed/channel_state.h"

/* ---- packets to messages ---- */

/* The next thing the channel itself has to say. */
static __attribute__((noinline)) void notice_next(struct channel *channel, struct channel_cursor *cursor)
{
    struct md_event event = {.type = MD_NONE};

    cursor->event_count = 0;
    cursor->message = NULL;
    cursor->message_len = 0;
    cursor->seq = 0;
    if (cursor->pending & PENDING_LOST) {
        cursor->pending &= ~(uint32_t)PENDING_LOST;
        event.type = MD_STALE_BEGIN;
        event.flags = MD_STALE;
        event.ref = channel->arb.hole_first_seq;
        event.qty = saturate(channel->arb.hole_len_count, &event.flags);
    } else if (cursor->pending & PENDING_SESSION_END) {
        cursor->pending &= ~(uint32_t)PENDING_SESSION_END;
        event.type = MD_SESSION_END;
    } else if (cursor->pending & PENDING_SESSION) {
        cursor->pending &= ~(uint32_t)PENDING_SESSION;
        event.type = MD_SESSION;
        memcpy(&event.ref, channel->session, sizeof(event.ref)); /* as md_symbol */
        channel->market = (struct channel_market){.system = 0};
    } else if (cursor->pending & PENDING_RESET) {
        cursor->pending &= ~(uint32_t)PENDING_RESET;
        event.type = MD_RESET;
        channel->market = (struct channel_market){.system = 0};
    } else if (cursor->pending & PENDING_STALE) {
        cursor->pending &= ~(uint32_t)PENDING_STALE;
        event.type = MD_STALE_BEGIN;
        event.ref = channel->stale_seq;
        event.qty = saturate(channel->stale_count, &event.flags);
    } else {
        cursor->pending &= ~(uint32_t)PENDING_STALE_END;
        event.type = MD_STALE_END;
        event.ref = cursor->block_left > 0 && cursor->block_seq != 0 ? cursor->block_seq : channel->arb.next_seq;
    }
    channel_notice(channel, cursor, event);
}

static inline bool far(const struct channel *channel, uint64_t seq)
{
    return seq > channel->arb.newest_seq && seq - channel->arb.newest_seq > channel->far_max &&
           channel->arb.next_seq != 0;
}

/* ---- sessions ---- */

/* One corrupt packet must not end a session that goes on, with all its books. Another name is believed in the packet
 * with which a session begins, where ours has ended or fallen silent, and from a second packet. The end of a session
 * that had messages begins none: a venue repeats it for long, also where we have left that session. */
static bool session_believed(struct channel *channel, const struct mold_packet *packet, bool end)
{
    if (!channel->session_known)
        return true;
    if (packet->seq <= 1 ||
        (!end && (channel->end != END_NONE || channel->stale & STALE_SILENT ||
                  (channel->other_session_known &&
                   memcmp(packet->session, channel->other_session, MOLD_SESSION_LEN) == 0))))
        return true;
    channel->other_session_known = true;
    memcpy(channel->other_session, packet->session, MOLD_SESSION_LEN);
    count(&channel->counters.other_session_count);
    return false;
}

/* A packet of the session before: late, or repeated. Where it has messages and ours says nothing for silence_ns, we
 * have left it for a session that there was not, and it goes on. Its heartbeats may come all night. */
static bool session_left(const struct channel *channel, const struct mold_packet *packet, uint64_t now_ns)
{
    return channel->old_session_known && memcmp(packet->session, channel->old_session, MOLD_SESSION_LEN) == 0 &&
           (packet->count == 0 || !health_all_silent(&channel->health, now_ns));
}

/* Our session is over: what was still missing of it will never come now, books are empty. */
static void session_leave(struct channel *channel, struct channel_cursor *cursor)
{
    const uint64_t seq = channel->arb.next_seq;
    const uint64_t missing_count = channel->arb.newest_seq - seq;

    if (missing_count > 0) {
        arb_pass_hole(&channel->arb, channel->arb.newest_seq);
        channel_stale_raise(channel, cursor, STALE_LOST, seq, missing_count);
    }
    if (channel->end == END_ANNOUNCED)
        cursor->pending |= PENDING_SESSION_END;
    book_clear(channel->book);
    channel_forget(channel, 0, channel->instruments_max);
    arb_restart(&channel->arb, 1);
    health_restart(&channel->health);
    channel_recover_restart(channel);
}

static void session_enter(struct channel *channel, struct channel_cursor *cursor)
{
    channel->end = END_NONE;
    channel_watch(channel);
    cursor->pending |= PENDING_SESSION;
    count(&channel->counters.session_count);
}

/* A packet of another session than the current one. False: of the one before, or not to be believed: dropped. Otherwise
 * a session begins. */
static __attribute__((noinline)) bool session_begin(struct channel *channel, struct channel_cursor *cursor,
                                                   const struct mold_packet *packet, bool end)
{
    if (session_left(channel, packet, cursor->now_ns)) {
        count(&channel->counters.old_session_count);
        return false;
    }
    if (!session_believed(channel, packet, end)) {
        if (!end)
            health_packet(&channel->health, cursor->line, 0, 0, cursor->now_ns); /* the line is not silent, ours is */
        return false;
    }
    if (channel->session_known) {
        channel->old_session_known = true;
        memcpy(channel->old_session, channel->session, MOLD_SESSION_LEN);
        session_leave(channel, cursor);
    }
    channel->session_known = true;
    channel->other_session_known = false;
    memcpy(channel->session, packet->session, MOLD_SESSION_LEN);
    session_enter(channel, cursor);
    return true;
}

/* ---- a feed that says nothing new ---- */

/* In front of the newest hole that was passed: nobody had the messages, or there are none up to its end. */
static bool was_passed(const struct channel *channel, uint64_t seq)
{
    return seq >= channel->passed_seq && seq < channel->passed_end_seq;
}

/* Does a line say what it has said before, or go on in front of a hole that was passed? What comes late, in its turn or
 * where the line had skipped it, is said for the first time. */
static bool goes_back(const struct channel *channel, uint32_t line, const struct mold_packet *packet)
{
    const struct arb_line *from = &channel->arb.line[line];

    if (was_passed(channel, packet->seq))
        return true;
    for (uint32_t i = 0; i < ARB_LINE_HOLES; i++)
        if (packet->seq >= from->hole[i].seq && packet->seq < from->hole[i].end_seq)
            return false;
    return packet->seq + packet->count < from->next_seq;
}

/* A packet that goes back came on `line`. True: the venue has begun anew under the same name. Each line that is not
 * silent has gone back, and this one begins, or has gone on from further back for silence_ns, nearly all in order: what
 * circulates in a network does not. */
static bool begun_anew(struct channel *channel, uint32_t line, const struct mold_packet *packet, uint64_t now_ns)
{
    struct channel_again *again = &channel->again[line];

    if (again->count == 0)
        *again = (struct channel_again){.since_ns = now_ns};
    if (packet->seq >= again->seq) {
        again->count++;
        again->seq = packet->seq + packet->count;
    } else {
        again->count--;
    }
    for (uint32_t i = 0; i < channel->arb.line_count; i++)
        if (i != line && channel->again[i].count < AGAIN_PACKETS_MIN && !health_silent(&channel->health, i, now_ns))
            return false;
    return packet->seq == 1 ||
           (again->count >= AGAIN_PACKETS_MIN && now_ns - again->since_ns >= channel->health.silence_ns);
}

/* Whatever is new, or says that nothing is, ends the silence. */
static void silent_receive(struct channel *channel, struct channel_cursor *cursor, uint32_t line,
                           const struct mold_packet *packet, bool end)
{
    const uint64_t next_seq = channel->arb.next_seq, end_seq = packet->seq + packet->count;

    if (packet->seq == 0 || end_seq > next_seq || (packet->count == 0 && end_seq == next_seq)) {
        memset(channel->again, 0, sizeof(channel->again));
        channel_stale_lower(channel, cursor, STALE_SILENT);
        channel_watch(channel);
        return;
    }
    count(&channel->counters.again_count);
    if (!goes_back(channel, line, packet)) {
        memset(channel->again, 0, sizeof(channel->again)); /* a line that is only late says that the session goes on */
        return;
    }
    if (end || !begun_anew(channel, line, packet, cursor->now_ns))
        return;
    count(&channel->counters.anew_count);
    session_leave(channel, cursor);
    session_enter(channel, cursor);
}

/* ---- an end that was none ---- */

static void end_announce(struct channel *channel, const struct mold_packet *packet, uint64_t now_ns)
{
    if (channel->end != END_NONE || (packet->seq != 0 && packet->seq < channel->arb.next_seq))
        return;
    channel->end = END_ANNOUNCED;
    channel->end_seq = packet->seq != 0 ? packet->seq : channel->arb.newest_seq;
    channel->end_ns = now_ns;
    channel->waiting = true;
    channel_watch(channel);
}

/* Behind its end a session says nothing; a heartbeat, or what was passed for the sake of the end, may be late, but not
 * by silence_ns. */
static bool end_contradicted(struct channel *channel, const struct mold_packet *packet, bool end, uint64_t now_ns)
{
    if (packet->seq + packet->count > channel->end_seq && packet->seq != 0)
        return true;
    if (end)
        channel->end_ns = now_ns;
    const bool beat = packet->count == 0 && packet->seq == channel->end_seq;
    return !end && (beat || was_passed(channel, packet->seq)) && channel->health.silence_ns != 0 &&
           now_ns > channel->end_ns && now_ns - channel->end_ns >= channel->health.silence_ns;
}

/* Who was told of the end is told that the feed is whole: it goes on with the next sequence. Where messages are
 * missing, that comes when they do not any more. */
static void end_withdraw(struct channel *channel, struct channel_cursor *cursor)
{
    count(&channel->counters.end_withdrawn_count);
    if (channel->end == END_SAID && channel->stale == 0)
        cursor->pending |= PENDING_STALE_END;
    channel->end = END_NONE;
    channel_watch(channel);
    health_alive(&channel->health, cursor->now_ns);
}

/* A packet of our session where the feed has said nothing new for silence_ns, or that it has ended. */
static __attribute__((noinline)) void watched_receive(struct channel *channel, struct channel_cursor *cursor,
                                                      uint32_t line, const struct mold_packet *packet, bool end)
{
    if (far(channel, packet->seq))
        return;
    if (channel->end != END_NONE && end_contradicted(channel, packet, end, cursor->now_ns))
        end_withdraw(channel, cursor);
    if (channel->stale & STALE_SILENT)
        silent_receive(channel, cursor, line, packet, end);
}

/* ---- the two calls of the hot path ---- */

/* A sequence so far ahead that what is in between could not be kept: one corrupt packet must not make us wait for it.
 * Believed when a second one says nearly the same. */
static __attribute__((noinline)) bool far_believed(struct channel *channel, uint32_t line, uint64_t seq,
                                                  uint64_t now_ns)
{
    const uint64_t distance = seq > channel->far_seq ? seq - channel->far_seq : channel->far_seq - seq;

    if (channel->far_seq != 0 && distance <= channel->far_max) {
        channel->far_seq = 0;
        return true;
    }
    count(&channel->counters.far_count);
    channel->far_seq = seq;
    health_packet(&channel->health, line, 0, 0, now_ns); /* the line is not silent, the feed is */
    return false;
}

/* What of a packet that is to be delivered has been decoded already. */
static inline void cursor_looked(struct channel_cursor *cursor, const struct channel_ahead *ahead,
                                 const struct channel_look *look, uint32_t skip)
{
    if (UNLIKELY(look->count <= skip))
        return;
    cursor->ahead = ahead;
    cursor->looked_at = look->first + skip;
    cursor->looked_left = look->count - skip;
}

static inline void data_accept(struct channel *channel, uint32_t line, const struct mold_packet *packet,
                               const struct channel_ahead *ahead, const struct channel_look *look,
                               struct channel_cursor *cursor)
{
    const uint64_t next_seq = channel->arb.next_seq;
    uint32_t skip;

    if (UNLIKELY(packet->seq == 0)) {
        count(&channel->counters.unsequenced_count);
        health_packet(&channel->health, line, 0, 0, cursor->now_ns);
        health_alive(&channel->health, cursor->now_ns);
        if (channel->spin_state == SPIN_NONE) /* else there are no books to apply it to */
            cursor_begin(cursor, packet->blocks, 0, packet->count, 0);
        return;
    }
    if (UNLIKELY(far(channel, packet->seq)) && !far_believed(channel, line, packet->seq, cursor->now_ns))
        return;
    const enum arb_verdict verdict = arb_accept(&channel->arb, line, packet->seq, packet->count, cursor->now_ns, &skip);
    count(&channel->counters.arb[verdict]);
    if (LIKELY(verdict != ARB_DUPLICATE))
        health_alive(&channel->health, cursor->now_ns);
    health_packet(&channel->health, line, packet->seq, packet->count, cursor->now_ns);
    if (UNLIKELY(channel->spin_state != SPIN_NONE)) { /* books are being loaded: whatever comes is kept */
        channel->arb.next_seq = next_seq;
        channel_hold(channel, cursor, line, packet);
    } else if (LIKELY(verdict <= ARB_STRADDLING)) {
        cursor_begin(cursor, packet->blocks, packet->seq, packet->count, skip);
        cursor_looked(cursor, ahead, look, skip);
        if (UNLIKELY(channel->waiting)) {
            hold_advance(&channel->hold, channel->arb.next_seq);
            channel->ask_now = true;
            channel_doubt(channel, cursor, channel->arb.next_seq);
        }
    } else if (verdict == ARB_GAP) {
        channel_hold(channel, cursor, line, packet);
    }
}

/* Heartbeat or end: no messages, but what is next. Sequence 0 says nothing about that. */
static void beat_accept(struct channel *channel, uint32_t line, const struct mold_packet *packet, bool end,
                        struct channel_cursor *cursor)
{
    uint32_t skip;

    if (far(channel, packet->seq) && !far_believed(channel, line, packet->seq, cursor->now_ns))
        return;
    health_packet(&channel->health, line, packet->seq, 0, cursor->now_ns);
    if (packet->seq == 0 || packet->seq >= channel->arb.next_seq)
        health_alive(&channel->health, cursor->now_ns);
    if (packet->seq != 0 && arb_accept(&channel->arb, line, packet->seq, 0, cursor->now_ns, &skip) == ARB_GAP)
        channel_beat(channel, cursor, packet->seq);
    if (channel->waiting && packet->seq == channel->arb.next_seq)
        channel_doubt(channel, cursor, packet->seq);
    if (end)
        end_announce(channel, packet, cursor->now_ns);
}

bool channel_receive_looked(struct channel *channel, uint32_t line, const struct channel_ahead *ahead,
                            const struct channel_look *look, uint64_t now_ns, uint64_t rx_tsc,
                            struct channel_cursor *ret_cursor)
{
    struct channel_counters *counters = &channel->counters;
    const struct mold_packet *packet = &look->packet;

    cursor_clear(ret_cursor, line, now_ns, rx_tsc);
    count(&counters->packet_count);
    count(&counters->mold[look->verdict]);
    if (UNLIKELY(look->verdict > MOLD_END))
        return false;
    if (UNLIKELY(packet->trailing_len > 0))
        count(&counters->trailing_count);
    if (UNLIKELY(memcmp(packet->session, channel->session, MOLD_SESSION_LEN) != 0 || !channel->session_known))
        if (!session_begin(channel, ret_cursor, packet, look->verdict == MOLD_END))
            return false;
    if (UNLIKELY(channel->watched))
        watched_receive(channel, ret_cursor, line, packet, look->verdict == MOLD_END);
    if (LIKELY(look->verdict == MOLD_DATA))
        data_accept(channel, line, packet, ahead, look, ret_cursor);
    else
        beat_accept(channel, line, packet, look->verdict == MOLD_END, ret_cursor);
    if (LIKELY(ret_cursor->block_left > 0) || ret_cursor->pending != 0)
        return true;
    return channel->waiting && channel_recover_next(channel, ret_cursor);
}

bool channel_receive(struct channel *channel, uint32_t line, const uint8_t *payload, uint32_t payload_len,
                     uint64_t now_ns, uint64_t rx_tsc, struct channel_cursor *ret_cursor)
{
    struct channel_look look = {.count = 0};

    look.verdict = mold_parse(payload, payload_len, &look.packet);
    return channel_receive_looked(channel, line, NULL, &look, now_ns, rx_tsc, ret_cursor);
}

bool channel_next(struct channel *channel, struct channel_cursor *cursor)
{
    for (;;) {
        if (UNLIKELY(cursor->pending != 0)) {
            notice_next(channel, cursor);
            __atomic_store_n(&channel->counters.event_count, channel->counters.event_count + 1, __ATOMIC_RELAXED);
            return true;
        }
        if (channel->untraded)
            channel_untraded_skip(channel, cursor);
        if (LIKELY(cursor->block_left > 0))
            break;
        if (LIKELY(!channel->waiting) || !channel_recover_next(channel, cursor))
            return false;
    }
    cursor->block = mold_next(cursor->block, &cursor->message, &cursor->message_len);
    cursor->block_left--;
    cursor->seq = cursor->block_seq;
    cursor->block_seq += cursor->seq != 0;
    cursor->event_count = 0;
    if (LIKELY(cursor->looked_left > 0)) {
        cursor->looked_left--;
        channel_looked_message(channel, cursor, &cursor->ahead->message[cursor->looked_at++ % CHANNEL_AHEAD]);
    } else {
        channel_unlooked_message(channel, cursor);
    }
    __atomic_store_n(&channel->counters.event_count, channel->counters.event_count + cursor->event_count,
                     __ATOMIC_RELAXED);
    return true;
}

/* ---- time and the end of the input ---- */

/* When silence begins, if nothing comes: after the end of a session it is no wonder. */
static uint64_t silence_deadline_ns(const struct channel *channel)
{
    return channel->end != END_NONE || channel->stale & STALE_SILENT ? UINT64_MAX
                                                                     : health_deadline_ns(&channel->health);
}

uint64_t channel_deadline_ns(const struct channel *channel)
{
    const uint64_t silence_ns = silence_deadline_ns(channel);

    return silence_ns < channel->deadline_ns ? silence_ns : channel->deadline_ns;
}

bool channel_expire(struct channel *channel, uint64_t now_ns, uint64_t rx_tsc, struct channel_cursor *ret_cursor)
{
    cursor_clear(ret_cursor, 0, now_ns, rx_tsc);
    if (UNLIKELY(silence_deadline_ns(channel) <= now_ns)) {
        count(&channel->counters.silent_count);
        channel_stale_raise(channel, ret_cursor, STALE_SILENT, channel->arb.next_seq, 0);
        channel_watch(channel);
    }
    if (channel->deadline_ns > now_ns || !channel->waiting)
        return ret_cursor->pending != 0;
    ret_cursor->budget += channel->arrived_count; /* else a backlog might never end */
    channel->arrived_count = 0;
    return channel_recover_next(channel, ret_cursor) || ret_cursor->pending != 0;
}

bool channel_flush(struct channel *channel, uint64_t now_ns, struct channel_cursor *ret_cursor)
{
    cursor_clear(ret_cursor, 0, now_ns, 0);
    ret_cursor->flushing = true;
    return channel->waiting && channel_recover_next(channel, ret_cursor);
}

/* ---- set-up and reading ---- */

/* One block: channel, hold window, directory, who is not traded, books; each on its own cache lines. */
struct layout {
    size_t hold_at, instruments_at, untraded_at, book_at, bytes;
};

static size_t align_up(size_t bytes)
{
    return (bytes + CACHE_LINE_BYTES - 1) / CACHE_LINE_BYTES * CACHE_LINE_BYTES;
}

#define UNTRADED_BYTES ((UINT16_MAX + 1u) / 8) /* whatever locate the wire says */

/* Locate 65,535 cannot be an instrument: it is MD_INSTRUMENT_NONE. */
static uint32_t instruments_usable(const struct channel_params *params)
{
    return params->book.instruments_max < MD_INSTRUMENT_NONE ? params->book.instruments_max : MD_INSTRUMENT_NONE;
}

static struct layout layout_of(const struct channel_params *params)
{
    struct layout layout;

    layout.hold_at = align_up(sizeof(struct channel));
    layout.instruments_at = layout.hold_at + hold_footprint(params->hold_messages);
    layout.untraded_at = layout.instruments_at + align_up(instruments_usable(params) * sizeof(struct instrument));
    layout.book_at = layout.untraded_at + (params->traded ? UNTRADED_BYTES : 0);
    layout.bytes = layout.book_at + align_up(book_footprint(&params->book));
    return layout;
}

static bool recovery_valid(const struct channel_recovery *recovery)
{
    const struct retransmit_params *retransmit = &recovery->retransmit;

    return retransmit->server_count == 0 ||
           (retransmit->request_messages >= 1 && retransmit->request_messages < MOLD_COUNT_END &&
            retransmit->in_flight >= 1 && retransmit->in_flight <= RETRANSMIT_RANGES_MAX &&
            retransmit->rate_per_s >= 1 && retransmit->rate_burst >= 1 && retransmit->attempts >= 1 &&
            retransmit->timeout_ns >= 1 && retransmit->timeout_max_ns >= retransmit->timeout_ns);
}

size_t channel_footprint(const struct channel_params *params)
{
    if (params->line_count < 1 || params->line_count > ARB_LINES_MAX ||
        params->reorder_packets > CHANNEL_REORDER_PACKETS_MAX || hold_footprint(params->hold_messages) == 0 ||
        book_footprint(&params->book) == 0 || !recovery_valid(&params->recovery))
        return 0;
    return layout_of(params).bytes;
}

struct channel *channel_init(void *memory, const struct channel_params *params)
{
    const struct layout layout = layout_of(params);
    struct channel *channel = memory;
    uint8_t *bytes = memory;

    DCHECK(channel_footprint(params) > 0);
    DCHECK((uintptr_t)memory % CACHE_LINE_BYTES == 0);
    memset(channel, 0, sizeof(*channel));
    channel->book = book_init(bytes + layout.book_at, &params->book);
    channel->instruments = (struct instrument *)(void *)(bytes + layout.instruments_at);
    channel->untraded = params->traded ? (uint64_t *)(void *)(bytes + layout.untraded_at) : NULL;
    channel->traded = params->traded;
    channel->traded_count = params->traded_count;
    channel->midnight_ns = params->midnight_ns;
    channel->reorder_ns = params->reorder_ns;
    channel->reorder_packets = params->reorder_packets;
    channel->instruments_max = instruments_usable(params);
    channel->index = params->index;
    channel->deadline_ns = UINT64_MAX;
    channel->stale_at_once = params->stale_at_once;
    channel->recovery = params->recovery;
    channel->recovering = params->recovery.retransmit.server_count > 0 || params->recovery.snapshot;
    channel->far_max = channel->recovering || params->live ? params->hold_messages : UINT64_MAX;
    channel->joining = true;
    hold_init(&channel->hold, bytes + layout.hold_at, params->hold_messages);
    retransmit_init(&channel->retransmit, &params->recovery.retransmit);
    health_init(&channel->health, params->line_count, params->silence_ns);
    if (channel->untraded)
        memset(channel->untraded, 0, UNTRADED_BYTES);
    channel_forget(channel, 0, channel->instruments_max);
    arb_init(&channel->arb, params->line_count, params->first_seq);
    return channel;
}

uint32_t channel_held_count(const struct channel *channel)
{
    return channel->hold.packet_count;
}

uint32_t channel_held_messages(const struct channel *channel)
{
    return channel->hold.count;
}

bool channel_stale(const struct channel *channel)
{
    return __atomic_load_n(&channel->stale, __ATOMIC_RELAXED) != 0;
}

const struct channel_counters *channel_counters(const struct channel *channel)
{
    return &channel->counters;
}

const struct arb *channel_arb(const struct channel *channel)
{
    return &channel->arb;
}

const struct health *channel_health(const struct channel *channel)
{
    return &channel->health;
}

const struct retransmit *channel_retransmit(const struct channel *channel)
{
    return &channel->retransmit;
}

struct book *channel_book(struct channel *channel)
{
    return channel->book;
}

uint32_t channel_order_count(const struct channel *channel)
{
    return book_order_count(channel->book);
}

uint32_t channel_instrument_count(const struct channel *channel)
{
    return channel->instruments_max;
}

struct channel_market channel_market(const struct channel *channel)
{
    struct channel_market market = channel->market;

    market.ended = channel->end == END_SAID;
    return market;
}

const struct instrument *channel_instruments(const struct channel *channel)
{
    return channel->instruments;
}

const uint8_t *channel_session(const struct channel *channel)
{
    return channel->session;
}
