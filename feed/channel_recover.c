/* Channel: holes. What is kept behind them, how long another line has its chance, retransmission, snapshots, and what
 * strategies are told meanwhile. docs/FEED.md draws the states.
 *
 * Called on the thread that owns the channel, only while `waiting`. Bounded per call: at most a slice of messages, of
 * memory to be emptied, of holes to be looked at. */
#include "feed/channel_state.h"

#define CLOCK_SLACK_NS 1000000000u /* by which a venue's times may disagree with its sequence */
#define CLEAR_SLICE 128u /* table lines emptied by one look at a spin */

/* ---- staleness, in band ---- */

void channel_stale_raise(struct channel *channel, struct channel_cursor *cursor, enum stale reason, uint64_t seq,
                         uint64_t missing_count)
{
    const uint8_t before = channel->stale;

    channel->stale |= (uint8_t)reason;
    channel->stale_flag = MD_STALE;
    if (before == 0)
        count(&channel->counters.stale_count);
    else if (reason != STALE_LOST) /* what is given up is told again, each time */
        return;
    cursor->pending &= ~(uint32_t)(PENDING_STALE | PENDING_STALE_END);
    if (reason == STALE_LOST) {
        cursor->pending |= PENDING_LOST;
        return;
    }
    channel->stale_seq = seq;
    channel->stale_count = missing_count;
    cursor->pending |= PENDING_STALE;
}

void channel_stale_lower(struct channel *channel, struct channel_cursor *cursor, enum stale reason)
{
    if (!(channel->stale & reason))
        return;
    channel->stale &= (uint8_t)~(unsigned)reason;
    if (channel->stale != 0)
        return;
    channel->stale_flag = 0;
    if (!(cursor->pending & PENDING_STALE))
        cursor->pending |= PENDING_STALE_END;
    else
        cursor->pending &= ~(uint32_t)PENDING_STALE;
}

/* ---- what is missing ---- */

/* Where the hole in front of us ends: at the first message held, or with what was announced. Not above arb.next_seq:
 * there is no hole. */
static inline uint64_t hole_end_seq(const struct channel *channel)
{
    return hold_next(&channel->hold, channel->arb.next_seq, channel->arb.newest_seq);
}

/* When the hole in front of us was first seen. */
static uint64_t hole_seen_ns(const struct channel *channel, uint64_t end_seq)
{
    const struct hold_slot *behind = hold_find(&channel->hold, end_seq);

    if (!behind)
        return channel->beat_seq > channel->arb.next_seq ? channel->beat_ns : 0;
    const bool beat_before = channel->beat_seq > channel->arb.next_seq && channel->beat_ns < behind->seen_ns;
    return beat_before ? channel->beat_ns : behind->seen_ns;
}

static uint64_t hole_deadline_ns(const struct channel *channel, uint64_t end_seq)
{
    const uint64_t seen_ns = hole_seen_ns(channel, end_seq);

    return seen_ns <= UINT64_MAX - channel->reorder_ns ? seen_ns + channel->reorder_ns : UINT64_MAX;
}

/* Something is missing that was not missing before: told now, if that is wanted. */
static void hole_seen(struct channel *channel, struct channel_cursor *cursor)
{
    channel->waiting = true;
    channel->ask_now = true;
    if (channel->episode & EPISODE_HOLE && (channel->stale & STALE_HOLE || !channel->stale_at_once))
        return;
    const uint64_t seq = hold_next_missing(&channel->hold, channel->arb.next_seq, channel->arb.newest_seq);
    if (seq >= channel->arb.newest_seq)
        return;
    channel->episode |= EPISODE_HOLE;
    if (channel->stale_at_once)
        channel_stale_raise(channel, cursor, STALE_HOLE, seq,
                            hold_next(&channel->hold, seq, channel->arb.newest_seq) - seq);
}

/* Two packets that agree may both be wrong. Where all lines go on near what is next, and none has said for silence_ns
 * that more is in front of us than can be kept, it is not: what is kept still is. Books that were emptied for it are
 * loaded. */
void channel_doubt(struct channel *channel, struct channel_cursor *cursor, uint64_t end_seq)
{
    struct arb *arb = &channel->arb;
    struct hold *hold = &channel->hold;
    uint64_t newest_seq = end_seq > arb->next_seq ? end_seq : arb->next_seq;

    if (LIKELY(arb->newest_seq - arb->next_seq <= channel->far_max)) {
        channel->claimed_ns = 0;
        return;
    }
    if (newest_seq - arb->next_seq > channel->far_max) {
        channel->claim_ns = cursor->now_ns;
        if (channel->claimed_ns == 0)
            channel->claimed_ns = cursor->now_ns;
        return;
    }
    if (channel->health.silence_ns == 0 || cursor->now_ns <= channel->claim_ns ||
        cursor->now_ns - channel->claim_ns < channel->health.silence_ns)
        return;
    count(&channel->counters.withdrawn_count);
    if (hold->base_seq > arb->next_seq)
        hold_clear(hold, arb->next_seq);
    else if (hold->count > 0 && hold->end_seq > newest_seq)
        newest_seq = hold->end_seq;
    arb_withdraw(arb, newest_seq);
    retransmit_reset(&channel->retransmit);
    channel->forced_seq = channel->hopeless_seq = channel->claimed_ns = 0;
    channel->beat_seq = newest_seq;
    channel->ask_now = true;
    if (channel->end == END_ANNOUNCED && channel->end_seq > newest_seq) {
        channel->end = END_NONE;
        channel_watch(channel);
    }
}

void channel_beat(struct channel *channel, struct channel_cursor *cursor, uint64_t seq)
{
    channel_doubt(channel, cursor, seq);
    if (channel->hold.count == 0 && channel->spin_state == SPIN_NONE)
        hold_clear(&channel->hold, channel->arb.next_seq); /* for answers that come before messages of a line do */
    if (channel->beat_seq <= channel->arb.next_seq) {
        channel->beat_seq = seq;
        channel->beat_ns = cursor->now_ns;
    } else if (seq > channel->beat_seq) {
        channel->beat_seq = seq;
    }
    hole_seen(channel, cursor);
}

static void spin_begin(struct channel *channel, struct channel_cursor *cursor);

/* A packet that cannot be kept. */
static void hold_refuse(struct channel *channel, struct channel_cursor *cursor, const struct mold_packet *packet)
{
    channel->waiting = true;
    if (!channel->recovering) { /* what is in front is passed now, and the packet delivered from where it lies */
        cursor->deferred_blocks = packet->blocks;
        cursor->deferred_seq = packet->seq;
        cursor->deferred_count = packet->count;
        return;
    }
    count(&channel->counters.unkept_count);
    if (!channel->recovery.snapshot)
        channel->hopeless_seq = channel->arb.next_seq;
    channel_beat(channel, cursor, packet->seq + packet->count);
}

void channel_hold(struct channel *channel, struct channel_cursor *cursor, uint32_t line,
                  const struct mold_packet *packet)
{
    struct hold *hold = &channel->hold;
    const uint64_t end_seq = packet->seq + packet->count;

    channel_doubt(channel, cursor, end_seq);
    if (hold->count == 0 && channel->spin_state == SPIN_NONE)
        hold_clear(hold, channel->arb.next_seq);
    if (end_seq <= hold->base_seq)
        return;
    if (UNLIKELY(channel->reorder_packets == 0 && !channel->recovering)) {
        hold_refuse(channel, cursor, packet);
        return;
    }
    if (UNLIKELY(!hold_fits(hold, end_seq))) {
        if (!channel->recovery.snapshot || packet->count > hold->mask) {
            hold_refuse(channel, cursor, packet);
            return;
        }
        /* A snapshot will be newer than what is forgotten here; if it is not, it is begun again. */
        if (channel->spin_state == SPIN_NONE)
            spin_begin(channel, cursor);
        if (hold->count > 0)
            count(&channel->counters.overflow_count);
        hold_advance(hold, end_seq - (hold->mask + 1));
    }
    const uint32_t new_count =
        hold_put(hold, packet->seq, packet->count, packet->blocks, (uint8_t)line, cursor->now_ns);
    if (new_count > 0)
        count(&channel->counters.held_count);
    if (channel->deadline_ns == 0)
        channel->arrived_count += new_count;
    cursor->budget = 0; /* what is in front of it goes on with the next slice */
    hole_seen(channel, cursor);
}

/* ---- snapshots ---- */

/* A whole feed never refers to an order that it has not entered, enters one twice, or takes more off one than it has:
 * something was wrong with what we were told, say with the end of a snapshot. Only another snapshot helps. */
void channel_contradict(struct channel *channel, struct channel_cursor *cursor)
{
    if (!channel->recovery.snapshot || channel->spin_state != SPIN_NONE || channel->contradicted || cursor->seq == 0)
        return;
    count(&channel->counters.contradicted_count);
    channel->contradicted = channel->waiting = true;
    channel_stale_raise(channel, cursor, STALE_HOLE, cursor->seq, 1); /* 0 would say that every line is silent */
}

/* Books are of no use any more: they are emptied and loaded anew. Live messages are kept meanwhile. */
static void spin_begin(struct channel *channel, struct channel_cursor *cursor)
{
    const uint64_t seq = channel->arb.next_seq;

    channel_stale_raise(channel, cursor, STALE_HOLE, seq, channel->arb.newest_seq - seq);
    retransmit_reset(&channel->retransmit);
    if (channel->hold.count == 0)
        hold_clear(&channel->hold, seq);
    channel->waiting = true;
    channel->hopeless_seq = 0;
    channel->spin_state = SPIN_CLEARING;
    channel->clear_at = 0;
    channel->spin++;
    channel->spin_asked = channel->spin_dirty = false;
    channel->spin_failed_count = 0;
    /* A feed that contradicts itself, or a server behind what is missing, is not asked again and again. */
    const bool again = channel->contradicted || channel->episode & EPISODE_LOST;
    channel->spin_due_ns = again ? cursor->now_ns + channel->recovery.spin_retry_ns : 0;
    channel->contradicted = false;
    channel->snapshot_ns = 0;
}

/* The spin came to nothing: again, after a while. */
static void spin_again(struct channel *channel, uint64_t now_ns)
{
    const uint32_t shift = channel->spin_failed_count < 20 ? channel->spin_failed_count : 20;
    uint64_t wait_ns = channel->recovery.spin_retry_ns << shift;

    if (wait_ns > channel->recovery.spin_retry_max_ns)
        wait_ns = channel->recovery.spin_retry_max_ns;
    channel->spin_failed_count++;
    channel->spin_due_ns = now_ns + wait_ns;
    channel->spin++;
    channel->spin_asked = false;
    channel->snapshot_ns = 0;
    if (channel->spin_dirty) {
        channel->spin_state = SPIN_CLEARING;
        channel->clear_at = 0;
        channel->spin_dirty = false;
    }
}

static bool spin_is(const struct channel *channel, uint32_t spin)
{
    return channel->spin_state != SPIN_NONE && channel->spin_asked && spin == channel->spin;
}

/* Time of a message, a block, since midnight; 0: too short to have one. */
static uint64_t message_time_ns(const uint8_t *block)
{
    struct itch_msg msg;

    return itch_decode(block + 2, (uint32_t)block[0] << 8 | block[1], &msg) == ITCH_OK ? msg.timestamp_ns : 0;
}

/* Does the end of the snapshot agree with what is in it? Each order took a message, and what is applied on top of them
 * cannot be much older; a type that we do not know says nothing about that. */
static bool end_plausible(const struct channel *channel, uint64_t seq)
{
    const struct hold_slot *next = hold_find(&channel->hold, hold_next(&channel->hold, seq, channel->arb.newest_seq));
    const uint64_t next_ns = next ? message_time_ns(next->block) : 0;

    return book_order_count(channel->book) < seq &&
           (next_ns == 0 || next_ns + CLOCK_SLACK_NS >= channel->snapshot_ns);
}

bool channel_emptying(const struct channel *channel)
{
    return channel->spin_state == SPIN_CLEARING;
}

bool channel_snapshot_ready(struct channel *channel, uint32_t spin)
{
    if (channel->spin_state == SPIN_CLEARING) {
        const uint32_t left = channel->instruments_max - channel->clear_at;
        const uint32_t slice = left < CLEAR_SLICE ? left : CLEAR_SLICE;
        channel_forget(channel, channel->clear_at, slice);
        channel->clear_at += slice;
        if (slice == 0 && book_clear_slice(channel->book, CLEAR_SLICE))
            channel->spin_state = SPIN_READY;
    }
    return channel->spin_state != SPIN_CLEARING || !spin_is(channel, spin);
}

bool channel_snapshot(struct channel *channel, uint32_t spin, const uint8_t *blocks, uint32_t len, uint64_t now_ns,
                      uint64_t rx_tsc, struct channel_cursor *ret_cursor)
{
    uint32_t message_count = 0;

    cursor_clear(ret_cursor, 0, now_ns, rx_tsc);
    if (!spin_is(channel, spin) || channel->spin_state == SPIN_CLEARING)
        return false;
    for (uint32_t at = 0; at + 2 <= len; message_count++) {
        const uint32_t message_len = (uint32_t)blocks[at] << 8 | blocks[at + 1];
        if (at + 2 + message_len > len)
            break; /* not whole: not counted */
        const uint64_t message_ns = message_time_ns(blocks + at);
        if (message_ns > channel->snapshot_ns)
            channel->snapshot_ns = message_ns;
        at += 2 + message_len;
    }
    if (channel->spin_state == SPIN_READY) {
        channel->spin_state = SPIN_LOADING;
        channel->spin_dirty = true;
        ret_cursor->pending |= PENDING_RESET;
    }
    if (message_count > 0) {
        cursor_begin(ret_cursor, blocks, 0, message_count, 0);
        ret_cursor->line = CHANNEL_LINE_SNAPSHOT;
        __atomic_store_n(&channel->counters.snapshot_message_count,
                         channel->counters.snapshot_message_count + message_count, __ATOMIC_RELAXED);
    }
    return message_count > 0 || ret_cursor->pending != 0;
}

void channel_snapshot_lost(struct channel *channel, uint32_t spin, uint64_t now_ns)
{
    if (!spin_is(channel, spin))
        return;
    count(&channel->counters.spin_lost_count);
    spin_again(channel, now_ns);
}

bool channel_snapshot_end(struct channel *channel, uint32_t spin, uint64_t seq, uint64_t now_ns, uint64_t rx_tsc,
                          struct channel_cursor *ret_cursor)
{
    struct arb *arb = &channel->arb;

    cursor_clear(ret_cursor, 0, now_ns, rx_tsc);
    if (!spin_is(channel, spin))
        return false;
    if (seq < channel->hold.base_seq || !end_plausible(channel, seq)) {
        count(&channel->counters.spin_old_count); /* what is between was delivered, or could not be kept: it is gone */
        spin_again(channel, now_ns);
        return false;
    }
    if (seq > arb->newest_seq && seq - arb->newest_seq > channel->hold.mask) {
        count(&channel->counters.spin_far_count);
        spin_again(channel, now_ns);
        return false;
    }
    count(&channel->counters.spliced_count);
    if (channel->spin_state != SPIN_LOADING)
        ret_cursor->pending |= PENDING_RESET; /* a snapshot of nothing */
    channel->spin_state = SPIN_NONE;
    channel->spin_dirty = false;
    channel->joining = false;
    channel->episode |= EPISODE_LOST;
    arb->next_seq = seq;
    if (seq > arb->newest_seq)
        arb->newest_seq = seq;
    hold_advance(&channel->hold, seq);
    channel_stale_lower(channel, ret_cursor, STALE_LOST); /* a hole that may be left keeps its own reason */
    channel->ask_now = true;
    return channel_recover_next(channel, ret_cursor) || ret_cursor->pending != 0;
}

/* ---- retransmission ---- */

bool channel_reply(struct channel *channel, const uint8_t *payload, uint32_t payload_len, uint64_t now_ns,
                   uint64_t rx_tsc, struct channel_cursor *ret_cursor)
{
    struct mold_packet packet;
    uint32_t skip;

    cursor_clear(ret_cursor, 0, now_ns, rx_tsc);
    count(&channel->counters.reply_count);
    const enum mold_verdict verdict = mold_parse(payload, payload_len, &packet);
    if (verdict != MOLD_DATA || !channel->recovering || !channel->session_known || packet.seq == 0 ||
        channel->arb.next_seq == 0 || memcmp(packet.session, channel->session, MOLD_SESSION_LEN) != 0 ||
        packet.seq + packet.count > channel->arb.newest_seq || channel->spin_state != SPIN_NONE) {
        count(&channel->counters.reply_useless_count);
        return false;
    }
    switch (arb_accept_held(&channel->arb, packet.seq, packet.count, &skip)) {
    case ARB_FRESH:
    case ARB_STRADDLING:
        count(&channel->counters.reply_fresh_count);
        cursor_begin(ret_cursor, packet.blocks, packet.seq, packet.count, skip);
        ret_cursor->line = CHANNEL_LINE_RETRANSMISSION;
        hold_advance(&channel->hold, channel->arb.next_seq);
        channel->ask_now = true;
        return true;
    case ARB_GAP:
        if (hold_fits(&channel->hold, packet.seq + packet.count) &&
            hold_put(&channel->hold, packet.seq, packet.count, packet.blocks, CHANNEL_LINE_RETRANSMISSION,
                     now_ns) > 0) {
            count(&channel->counters.reply_held_count);
            channel->ask_now = true;
            return false;
        }
        break;
    default:
        break;
    }
    count(&channel->counters.reply_useless_count);
    return false;
}

struct channel_ask channel_ask_next(struct channel *channel, uint64_t now_ns)
{
    struct channel_ask ask = {.type = CHANNEL_ASK_NOTHING};

    if (channel->spin_stop) {
        channel->spin_stop = false;
        ask.type = CHANNEL_ASK_SPIN_STOP;
        return ask;
    }
    if (channel->spin_state != SPIN_NONE) {
        channel_snapshot_ready(channel, channel->spin); /* emptying goes on while the server is asked */
        if (channel->spin_asked || now_ns < channel->spin_due_ns)
            return ask;
        channel->spin_asked = true;
        count(&channel->counters.spin_count);
        ask.type = CHANNEL_ASK_SPIN;
        ask.spin = channel->spin;
        return ask;
    }
    if (!channel->waiting || channel->retransmit.params.server_count == 0 ||
        channel->arb.newest_seq <= channel->arb.next_seq || channel->arb.next_seq == channel->hopeless_seq ||
        (now_ns < channel->retransmit.check_ns && !channel->ask_now))
        return ask;
    const struct retransmit_view view = {
        .hold = &channel->hold,
        .next_seq = channel->arb.next_seq,
        .newest_seq = channel->arb.newest_seq,
        .forced_seq = channel->forced_seq,
        .tail_seen_ns = channel->beat_seq > channel->arb.next_seq ? channel->beat_ns : 0,
        .reorder_ns = channel->reorder_ns,
    };
    struct retransmit_request request;
    channel->ask_now = false;
    switch (retransmit_next(&channel->retransmit, &view, now_ns, &request)) {
    case RETRANSMIT_REQUEST:
        channel->episode |= EPISODE_ASKED;
        channel->ask_now = true; /* there may be more to ask for */
        ask = (struct channel_ask){
            .type = CHANNEL_ASK_REQUEST, .server = request.server, .seq = request.seq, .count = request.count};
        break;
    case RETRANSMIT_EXHAUSTED:
        channel->hopeless_seq = channel->arb.next_seq;
        channel->deadline_ns = 0; /* channel_expire decides what now */
        break;
    case RETRANSMIT_NOTHING:
        break;
    }
    return ask;
}

/* ---- going on ---- */

/* Nobody has said for long that a hole so large is there: once it is passed, what lines go on with would be old. */
static bool claim_doubted(const struct channel *channel, uint64_t seq, uint64_t end_seq)
{
    return end_seq - seq > channel->far_max && channel->claimed_ns != 0 &&
           channel->claim_ns - channel->claimed_ns < channel->health.silence_ns / 2;
}

/* The window of the hole [seq, end_seq) has ended. True: it may be asked for, or a snapshot is on its way. */
static bool hole_recover(struct channel *channel, struct channel_cursor *cursor, uint64_t seq, uint64_t end_seq)
{
    const bool snapshot = channel->recovery.snapshot;
    const bool fits = !snapshot || (end_seq - seq <= channel->recovery.gap_max &&
                                    !(channel->joining && channel->recovery.join_snapshot));

    if (channel->retransmit.params.server_count > 0 && seq != channel->hopeless_seq && fits) {
        if (channel->forced_seq < end_seq) {
            channel->forced_seq = end_seq;
            channel->ask_now = true;
        }
        channel_stale_raise(channel, cursor, STALE_HOLE, seq, end_seq - seq);
        return true;
    }
    if (snapshot) {
        spin_begin(channel, cursor);
        return true;
    }
    if (claim_doubted(channel, seq, end_seq)) {
        channel->episode |= EPISODE_HOLE;
        channel_stale_raise(channel, cursor, STALE_HOLE, seq, end_seq - seq);
        return true;
    }
    if (channel->recovering)
        count(&channel->counters.given_up_count);
    return false;
}

/* The hole [arb.next_seq, end_seq) is in front of us. True: it has been passed. False: it waits, for another line, for
 * retransmission, or for a snapshot. */
static bool hole_settle(struct channel *channel, struct channel_cursor *cursor, uint64_t end_seq)
{
    const uint64_t seq = channel->arb.next_seq;

    if (!cursor->flushing) {
        const bool forced = seq < channel->forced_seq || seq == channel->hopeless_seq;
        const bool crowded = channel->hold.packet_count > channel->reorder_packets || cursor->deferred_count > 0;
        channel->deadline_ns = hole_deadline_ns(channel, end_seq);
        if (!forced && !crowded && channel->deadline_ns > cursor->now_ns)
            return false;
        if (!forced)
            count(crowded ? &channel->counters.held_overflow_count : &channel->counters.expired_count);
        channel->deadline_ns = UINT64_MAX; /* what happens next is no matter of time, or channel_ask_next sees to it */
        if (hole_recover(channel, cursor, seq, end_seq))
            return false;
    }
    channel->episode |= EPISODE_LOST;
    retransmit_reset(&channel->retransmit);
    arb_pass_hole(&channel->arb, end_seq);
    hold_advance(&channel->hold, end_seq);
    channel->passed_seq = seq;
    channel->passed_end_seq = end_seq;
    channel_stale_raise(channel, cursor, STALE_LOST, seq, end_seq - seq);
    return true;
}

/* A held message whose turn has come. False: the slice is over, it goes on with the next call. */
static bool held_deliver(struct channel *channel, struct channel_cursor *cursor, const struct hold_slot *slot)
{
    const bool sliced = channel->recovering && !cursor->flushing;
    const uint64_t seq = channel->arb.next_seq;
    uint32_t skip;

    /* Nothing is missing any more, and the rest goes out with this very call. */
    if (channel->stale & STALE_HOLE && channel->arb.newest_seq - seq == channel->hold.count &&
        (!sliced || channel->hold.count <= cursor->budget)) {
        channel_stale_lower(channel, cursor, STALE_HOLE);
        if (cursor->pending != 0)
            return true;
    }
    if (sliced && cursor->budget == 0) {
        channel->deadline_ns = 0;
        return false;
    }
    cursor->budget -= sliced;
    arb_accept_held(&channel->arb, seq, 1, &skip);
    cursor_begin(cursor, slot->block, seq, 1, 0);
    cursor->line = slot->line;
    hold_advance(&channel->hold, seq + 1);
    return true;
}

/* The packet that could not be kept, now that what was in front of it is passed. */
static bool deferred_deliver(struct channel *channel, struct channel_cursor *cursor)
{
    const uint32_t message_count = cursor->deferred_count;
    uint32_t skip;

    cursor->deferred_count = 0;
    if (arb_accept_held(&channel->arb, cursor->deferred_seq, message_count, &skip) == ARB_DUPLICATE)
        return false;
    hold_advance(&channel->hold, channel->arb.next_seq);
    cursor_begin(cursor, cursor->deferred_blocks, cursor->deferred_seq, message_count, skip);
    return true;
}

/* The input has ended, no snapshot will come: books that were being emptied are empty now. */
static void spin_end(struct channel *channel, struct channel_cursor *cursor)
{
    if (channel->spin_state == SPIN_CLEARING || channel->spin_state == SPIN_READY) {
        book_clear(channel->book);
        channel_forget(channel, 0, channel->instruments_max);
        cursor->pending |= PENDING_RESET;
    }
    channel->spin_state = SPIN_NONE;
    channel->contradicted = false;
}

/* Nothing is missing, nothing is held. */
static void whole(struct channel *channel, struct channel_cursor *cursor)
{
    if (channel->episode & EPISODE_HOLE && !(channel->episode & EPISODE_LOST))
        count(channel->episode & EPISODE_ASKED ? &channel->counters.filled_request_count
                                               : &channel->counters.filled_line_count);
    channel->episode = 0;
    channel->waiting = channel->joining = false;
    channel->forced_seq = channel->hopeless_seq = channel->claimed_ns = 0;
    channel->deadline_ns = UINT64_MAX;
    if (channel->retransmit.range_count > 0)
        retransmit_reset(&channel->retransmit);
    channel_stale_lower(channel, cursor, STALE_HOLE);
    if (channel->end != END_ANNOUNCED)
        return;
    if (cursor->pending & PENDING_STALE_END) { /* behind the end it would say that the session goes on */
        channel->waiting = true;
        return;
    }
    channel->end = END_SAID;
    cursor->pending |= PENDING_SESSION_END;
}

bool channel_recover_next(struct channel *channel, struct channel_cursor *cursor)
{
    if (UNLIKELY(cursor->flushing)) {
        spin_end(channel, cursor);
    } else if (channel->spin_state != SPIN_NONE || UNLIKELY(channel->contradicted)) {
        if (channel->spin_state == SPIN_NONE)
            spin_begin(channel, cursor);
        channel->deadline_ns = UINT64_MAX;
        return cursor->pending != 0;
    }
    for (;;) {
        const uint64_t seq = channel->arb.next_seq;
        const struct hold_slot *slot = hold_find(&channel->hold, seq);
        if (slot)
            return held_deliver(channel, cursor, slot);
        if (cursor->deferred_count > 0 && cursor->deferred_seq <= seq) {
            if (deferred_deliver(channel, cursor))
                return true;
            continue;
        }
        uint64_t end_seq = hole_end_seq(channel);
        if (cursor->deferred_count > 0 && cursor->deferred_seq < end_seq)
            end_seq = cursor->deferred_seq;
        if (end_seq <= seq)
            break;
        return hole_settle(channel, cursor, end_seq) || cursor->pending != 0;
    }
    whole(channel, cursor);
    return cursor->pending != 0;
}

void channel_recover_restart(struct channel *channel)
{
    channel->spin_stop |= channel->spin_state != SPIN_NONE && channel->spin_asked;
    channel->spin_state = SPIN_NONE;
    hold_clear(&channel->hold, channel->arb.next_seq);
    retransmit_reset(&channel->retransmit);
    channel->waiting = channel->joining = channel->contradicted = false;
    channel->forced_seq = channel->hopeless_seq = channel->far_seq = channel->claimed_ns = 0;
    channel->beat_seq = 0;
    channel->passed_seq = channel->passed_end_seq = 0;
    memset(channel->again, 0, sizeof(channel->again));
    channel->episode = 0;
    channel->stale = 0;
    channel->stale_flag = 0;
    channel->deadline_ns = UINT64_MAX;
}

bool channel_recovering(const struct channel *channel)
{
    return channel->waiting || channel->spin_stop;
}
