/* Channel: MoldUDP64 with ITCH 5.0, in travel order. Contract in channel.h.
 *
 *   payload -> framing -> session -> arbitration -> (hold) -> message -> book -> events
 *
 * Called by the rx loop and `tickgate inspect`, on the thread that owns the channel. The hot path is channel_receive,
 * channel_next, message_apply and the order messages; whatever has to do with holes, sessions and ends is behind
 * `waiting` or `pending` and out of its way. Never allocates, logs, asks for the time or trusts a byte. */
#include "feed/channel.h"

#include "ring/check.h"

#include <stdalign.h>
#include <string.h>

#define NS_PER_S 1000000000u

/* What is to be said before the next message, in this order. */
enum pending {
    PENDING_STALE = 1u << 0,       /* the hole that arb has just passed */
    PENDING_SESSION_END = 1u << 1,
    PENDING_SESSION = 1u << 2,
};

enum end_state {
    END_NONE = 0,
    END_ANNOUNCED, /* the venue said so; messages before it may still be missing */
    END_SAID,      /* MD_SESSION_END has gone out */
};

/* A packet kept behind a hole. */
struct channel_held {
    uint64_t seq;
    uint64_t now_ns;       /* frame time of its arrival */
    const uint8_t *blocks; /* in its part of held_bytes; of a packet that could not be kept: in the caller's payload */
    uint32_t count;
};

struct channel {
    /* read-mostly */
    struct book *book;
    struct instrument *instruments;
    uint64_t midnight_ns;
    uint64_t reorder_ns;
    uint32_t reorder_packets;
    uint32_t instruments_max;
    uint16_t index;
    bool session_known;
    bool old_session_known;
    uint8_t session[MOLD_SESSION_LEN];
    /* hot: written for each packet or message */
    alignas(CACHE_LINE_BYTES) uint64_t exchange_ns; /* of the last message */
    uint64_t deadline_ns;     /* end of the waiting hole's reorder window; UINT64_MAX = no hole */
    uint64_t beat_seq;        /* a heartbeat or end announced messages up to here; only while > arb.next_seq */
    uint64_t beat_ns;         /* frame time at which a heartbeat first revealed that */
    uint32_t held_count;      /* packets held */
    uint16_t stale_flag;      /* MD_STALE or 0, or-ed into every event */
    bool waiting;             /* a hole, held packets or an announced end: packet_next has something to look at */
    uint8_t end;              /* enum end_state */
    struct arb arb;
    alignas(CACHE_LINE_BYTES) struct channel_counters counters;
    /* cold: used only while there is a hole, or between sessions */
    uint8_t old_session[MOLD_SESSION_LEN];
    struct channel_held *held; /* reorder_packets + 1: one more for the packet that overflows */
    uint8_t *held_bytes;       /* CHANNEL_HELD_BYTES_MAX for each of them */
    /* A permutation of the indexes of `held`: the first held_count are in use, by sequence; the others are free. */
    uint16_t held_order[CHANNEL_HELD_MAX + 1];
};
_Static_assert(offsetof(struct channel, exchange_ns) == CACHE_LINE_BYTES, "the read-mostly part is one line");
_Static_assert(offsetof(struct channel, arb) + offsetof(struct arb, hole_count) <= 2 * CACHE_LINE_BYTES,
               "next_seq and newest_seq are on the line of the hot fields");

/* One writer; the control thread may read while we run. */
static inline void count(uint64_t *counter)
{
    __atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

/* ---- messages to events ---- */

/* Next event of the message in hand: `event` has what is peculiar to it, the rest is filled in here. */
static inline void put(const struct channel *channel, struct channel_cursor *cursor, uint32_t instrument,
                       const struct book_bbo *bbo, struct md_event event)
{
    DCHECK(cursor->event_count < CHANNEL_EVENTS_MAX);
    event.flags |= channel->stale_flag;
    event.channel = channel->index;
    event.instrument = (uint16_t)instrument;
    event.exchange_ns = channel->exchange_ns;
    event.rx_tsc = cursor->rx_tsc;
    event.bid_price = bbo->bid_price;
    event.bid_qty = bbo->bid_qty;
    event.ask_price = bbo->ask_price;
    event.ask_qty = bbo->ask_qty;
    cursor->event[cursor->event_count++] = event;
}

/* ... about an instrument: with its BBO as it is now. */
static inline void put_instrument(const struct channel *channel, struct channel_cursor *cursor, uint32_t instrument,
                                  struct md_event event)
{
    const struct book_bbo *bbo = book_bbo(channel->book, instrument);

    if (UNLIKELY(book_untradable(channel->book, instrument)))
        event.flags |= MD_UNTRADABLE;
    if (UNLIKELY(bbo->bid_qty == UINT32_MAX || bbo->ask_qty == UINT32_MAX)) /* where the book saturates */
        event.flags |= MD_SATURATED;
    put(channel, cursor, instrument, bbo, event);
}

/* ... about the whole channel. */
static inline void put_channel(const struct channel *channel, struct channel_cursor *cursor, struct md_event event)
{
    static const struct book_bbo none = {.bid_price = MD_PRICE_NONE, .ask_price = MD_PRICE_NONE};

    event.price = MD_PRICE_NONE;
    put(channel, cursor, MD_INSTRUMENT_NONE, &none, event);
}

static inline uint32_t saturate(uint64_t qty, uint16_t *flags)
{
    if (LIKELY(qty <= UINT32_MAX))
        return (uint32_t)qty;
    *flags |= MD_SATURATED;
    return UINT32_MAX;
}

/* A price as events carry it. MD_PRICE_NONE: it does not fit, and nobody should trade on what is left of this book. */
static inline int32_t price_load(struct channel *channel, uint32_t instrument, uint32_t wire_price)
{
    if (LIKELY(wire_price <= INT32_MAX))
        return (int32_t)wire_price;
    count(&channel->counters.price_range_count);
    book_mark_untradable(channel->book, instrument);
    return MD_PRICE_NONE;
}

/* Mid-session the directory is unknown: the first message that names a stock introduces it. */
static inline void name_learn(struct channel *channel, struct channel_cursor *cursor, uint32_t locate, uint64_t stock)
{
    struct instrument *instrument = &channel->instruments[locate];

    if (LIKELY(instrument->symbol != 0) || stock == 0)
        return;
    instrument->symbol = stock;
    put_instrument(channel, cursor, locate, (struct md_event){.type = MD_DEFINE, .price = MD_PRICE_NONE, .ref = stock});
}

/* An order could not be entered. If the book is not to be trusted for it, strategies hear of it now, not with the
 * instrument's next event. */
static void refused(const struct channel *channel, struct channel_cursor *cursor, uint32_t instrument)
{
    if (book_untradable(channel->book, instrument))
        put_instrument(channel, cursor, instrument, (struct md_event){.type = MD_UNRELIABLE, .price = MD_PRICE_NONE});
}

static inline void add(struct channel *channel, struct channel_cursor *cursor, const struct itch_msg *msg)
{
    name_learn(channel, cursor, msg->locate, msg->add.stock);
    if (UNLIKELY(msg->add.side != 'B' && msg->add.side != 'S')) {
        count(&channel->counters.side_count);
        book_mark_untradable(channel->book, msg->locate);
        refused(channel, cursor, msg->locate);
        return;
    }
    const int32_t price = price_load(channel, msg->locate, msg->add.price);
    if (UNLIKELY(price == MD_PRICE_NONE) ||
        UNLIKELY(book_add(channel->book, msg->locate, msg->add.ref, msg->add.side, price, msg->add.qty) != BOOK_OK)) {
        refused(channel, cursor, msg->locate);
        return;
    }
    put_instrument(channel, cursor, msg->locate,
                   (struct md_event){.type = MD_ADD,
                                     .side = msg->add.side,
                                     .price = price,
                                     .qty = msg->add.qty,
                                     .ref = msg->add.ref});
}

/* An operation that took something off an order; what it was is the book's word, not the message's. */
static inline bool found(struct channel *channel, const struct itch_msg *msg, enum book_verdict verdict)
{
    if (UNLIKELY(verdict == BOOK_ORPHAN))
        count(&channel->counters.orphan_count[msg->type]);
    return LIKELY(verdict == BOOK_OK);
}

static inline void put_change(const struct channel *channel, struct channel_cursor *cursor, enum md_type type,
                              uint16_t flags, const struct book_change *change)
{
    put_instrument(channel, cursor, change->instrument,
                   (struct md_event){.type = (uint8_t)type,
                                     .side = change->side,
                                     .flags = flags,
                                     .price = change->price,
                                     .qty = change->qty,
                                     .ref = change->ref});
}

static inline void executed(struct channel *channel, struct channel_cursor *cursor, const struct itch_msg *msg)
{
    struct book_change change;

    if (found(channel, msg, book_reduce(channel->book, msg->executed.ref, msg->executed.qty, &change)))
        put_change(channel, cursor, MD_EXECUTE, 0, &change);
}

/* The order leaves at its own price, the trade prints at another. */
static inline void executed_price(struct channel *channel, struct channel_cursor *cursor, const struct itch_msg *msg)
{
    struct book_change change;
    const uint16_t hidden = msg->executed.printable == 'N' ? MD_HIDDEN : 0;

    if (!found(channel, msg, book_reduce(channel->book, msg->executed.ref, msg->executed.qty, &change)))
        return;
    const int32_t price = price_load(channel, change.instrument, msg->executed.price);
    put_change(channel, cursor, MD_EXECUTE, hidden, &change);
    put_instrument(channel, cursor, change.instrument,
                   (struct md_event){.type = MD_TRADE,
                                     .side = change.side,
                                     .flags = (uint16_t)(MD_CORRECTS | hidden),
                                     .price = price,
                                     .qty = change.qty,
                                     .ref = msg->executed.match});
}

static inline void cancel(struct channel *channel, struct channel_cursor *cursor, const struct itch_msg *msg)
{
    struct book_change change;

    if (found(channel, msg, book_reduce(channel->book, msg->cancel.ref, msg->cancel.qty, &change)))
        put_change(channel, cursor, MD_CANCEL, 0, &change);
}

static inline void withdraw(struct channel *channel, struct channel_cursor *cursor, const struct itch_msg *msg)
{
    struct book_change change;

    if (found(channel, msg, book_delete(channel->book, msg->delete.ref, &change)))
        put_change(channel, cursor, MD_DELETE, 0, &change);
}

/* Two steps on the book, so that each event has the BBO that was true after it. */
static inline void replace(struct channel *channel, struct channel_cursor *cursor, const struct itch_msg *msg)
{
    struct book_change removed;

    if (!found(channel, msg, book_delete(channel->book, msg->replace.orig_ref, &removed)))
        return;
    put_change(channel, cursor, MD_DELETE, MD_REPLACE, &removed);
    const int32_t price = price_load(channel, removed.instrument, msg->replace.price);
    if (UNLIKELY(price == MD_PRICE_NONE) ||
        UNLIKELY(book_add(channel->book, removed.instrument, msg->replace.ref, removed.side, price,
                          msg->replace.qty) != BOOK_OK)) {
        cursor->event_count--; /* the new order was refused: it is a plain delete, with the book's marks of now */
        put_change(channel, cursor, MD_DELETE, 0, &removed);
        return;
    }
    put_instrument(channel, cursor, removed.instrument,
                   (struct md_event){.type = MD_ADD,
                                     .side = removed.side,
                                     .flags = MD_REPLACE,
                                     .price = price,
                                     .qty = msg->replace.qty,
                                     .ref = msg->replace.ref});
}

/* P Q B: prints. None touches the book. */
static void trade(struct channel *channel, struct channel_cursor *cursor, const struct itch_msg *msg)
{
    struct md_event event = {.type = MD_NONE};

    switch (msg->type) {
    case ITCH_TRADE:
        name_learn(channel, cursor, msg->locate, msg->trade.stock);
        event = (struct md_event){
            .type = MD_TRADE, .side = msg->trade.side, .qty = msg->trade.qty, .ref = msg->trade.match};
        event.price = price_load(channel, msg->locate, msg->trade.price);
        break;
    case ITCH_CROSS_TRADE:
        name_learn(channel, cursor, msg->locate, msg->cross.stock);
        event = (struct md_event){
            .type = MD_CROSS, .side = msg->cross.cross, .flags = MD_AUCTION, .ref = msg->cross.match};
        event.price = price_load(channel, msg->locate, msg->cross.price);
        event.qty = saturate(msg->cross.qty, &event.flags);
        break;
    default: /* ITCH_BROKEN_TRADE */
        event = (struct md_event){.type = MD_BROKEN, .price = MD_PRICE_NONE, .ref = msg->broken.match};
        break;
    }
    put_instrument(channel, cursor, msg->locate, event);
}

static void directory(struct channel *channel, struct channel_cursor *cursor, const struct itch_msg *msg)
{
    struct instrument *instrument = &channel->instruments[msg->locate];

    instrument->symbol = msg->directory.stock;
    instrument->round_lot = msg->directory.round_lot;
    instrument->luld_tier = msg->directory.luld_tier;
    instrument->listed = 1;
    put_instrument(channel, cursor, msg->locate,
                   (struct md_event){.type = MD_DEFINE,
                                     .price = MD_PRICE_NONE,
                                     .qty = instrument->round_lot,
                                     .ref = instrument->symbol});
}

/* H Y h L N: one letter about a stock, kept where it is a state. */
static void state(struct channel *channel, struct channel_cursor *cursor, const struct itch_msg *msg)
{
    struct instrument *instrument = &channel->instruments[msg->locate];
    struct md_event event = {.price = MD_PRICE_NONE};

    switch (msg->type) {
    case ITCH_TRADING_ACTION:
        name_learn(channel, cursor, msg->locate, msg->trading_action.stock);
        event.type = MD_STATE;
        event.side = instrument->state = msg->trading_action.state;
        event.ref = msg->trading_action.reason;
        break;
    case ITCH_REG_SHO:
        name_learn(channel, cursor, msg->locate, msg->reg_sho.stock);
        event.type = MD_SHORT_SALE;
        event.side = instrument->short_sale = msg->reg_sho.action;
        break;
    case ITCH_OPERATIONAL_HALT:
        name_learn(channel, cursor, msg->locate, msg->operational.stock);
        event.type = MD_OPERATIONAL;
        event.side = instrument->operational = msg->operational.action;
        event.ref = msg->operational.market;
        break;
    case ITCH_PARTICIPANT:
        name_learn(channel, cursor, msg->locate, msg->participant.stock);
        event.type = MD_PARTICIPANT;
        event.side = msg->participant.state;
        event.qty = (uint32_t)msg->participant.mode | (uint32_t)msg->participant.primary << 8;
        event.ref = msg->participant.mpid;
        break;
    default: /* ITCH_RPII */
        name_learn(channel, cursor, msg->locate, msg->rpii.stock);
        event.type = MD_RETAIL;
        event.side = msg->rpii.interest;
        break;
    }
    put_instrument(channel, cursor, msg->locate, event);
}

static void collar(struct channel *channel, struct channel_cursor *cursor, const struct itch_msg *msg)
{
    struct instrument *instrument = &channel->instruments[msg->locate];

    name_learn(channel, cursor, msg->locate, msg->collar.stock);
    instrument->collar_reference = price_load(channel, msg->locate, msg->collar.reference);
    instrument->collar_upper = price_load(channel, msg->locate, msg->collar.upper);
    instrument->collar_lower = price_load(channel, msg->locate, msg->collar.lower);
    put_instrument(channel, cursor, msg->locate,
                   (struct md_event){.type = MD_COLLAR,
                                     .price = instrument->collar_reference,
                                     .qty = msg->collar.extension,
                                     .ref = (uint64_t)msg->collar.upper << 32 | msg->collar.lower});
}

static void ipo(struct channel *channel, struct channel_cursor *cursor, const struct itch_msg *msg)
{
    name_learn(channel, cursor, msg->locate, msg->ipo.stock);
    const int32_t price = price_load(channel, msg->locate, msg->ipo.price);
    put_instrument(channel, cursor, msg->locate,
                   (struct md_event){
                       .type = MD_IPO, .side = msg->ipo.qualifier, .price = price, .qty = msg->ipo.release_s});
}

static void imbalance(struct channel *channel, struct channel_cursor *cursor, const struct itch_msg *msg)
{
    name_learn(channel, cursor, msg->locate, msg->noii.stock);
    struct md_event event = {.type = MD_IMBALANCE, .side = msg->noii.direction, .ref = msg->noii.paired_qty};
    event.price = price_load(channel, msg->locate, msg->noii.near_price);
    event.qty = saturate(msg->noii.imbalance_qty, &event.flags);
    const int32_t reference = price_load(channel, msg->locate, msg->noii.reference);
    put_instrument(channel, cursor, msg->locate, event);
    put_instrument(channel, cursor, msg->locate,
                   (struct md_event){.type = MD_IMBALANCE_REF,
                                     .side = msg->noii.cross,
                                     .price = reference,
                                     .qty = msg->noii.variation,
                                     .ref = msg->noii.far_price});
}

static void listing(struct channel *channel, struct channel_cursor *cursor, const struct itch_msg *msg)
{
    name_learn(channel, cursor, msg->locate, msg->listing.stock);
    const int32_t price = price_load(channel, msg->locate, msg->listing.near_price);
    put_instrument(channel, cursor, msg->locate,
                   (struct md_event){.type = MD_LISTING,
                                     .side = msg->listing.eligibility,
                                     .price = price,
                                     .ref = (uint64_t)msg->listing.min_price << 32 | msg->listing.max_price});
    struct md_event event = {.type = MD_LISTING_COLLAR,
                             .price = MD_PRICE_NONE,
                             .ref = (uint64_t)msg->listing.upper << 32 | msg->listing.lower};
    /* Taken as ns since midnight, like every other ITCH 5.0 time: not confirmed by a document or a real message. */
    event.qty = saturate(msg->listing.near_execution_time / NS_PER_S, &event.flags);
    put_instrument(channel, cursor, msg->locate, event);
}

/* S V W: about the market as a whole. */
static void market(const struct channel *channel, struct channel_cursor *cursor, const struct itch_msg *msg)
{
    switch (msg->type) {
    case ITCH_SYSTEM_EVENT:
        put_channel(channel, cursor, (struct md_event){.type = MD_SYSTEM, .side = msg->system_event.code});
        break;
    case ITCH_MWCB_LEVEL:
        for (uint8_t i = 0; i < 3; i++)
            put_channel(channel, cursor,
                        (struct md_event){
                            .type = MD_MWCB_LEVEL, .side = (uint8_t)('1' + i), .ref = msg->mwcb_level.level_e8[i]});
        break;
    default: /* ITCH_MWCB_STATUS */
        put_channel(channel, cursor, (struct md_event){.type = MD_MWCB_BREACH, .side = msg->mwcb_status.level});
        break;
    }
}

/* One decoded message to the book and to events. */
static inline void dispatch(struct channel *channel, struct channel_cursor *cursor, const struct itch_msg *msg)
{
    switch ((enum itch_type)msg->type) {
    case ITCH_ADD:
    case ITCH_ADD_MPID:
        add(channel, cursor, msg);
        break;
    case ITCH_DELETE:
        withdraw(channel, cursor, msg);
        break;
    case ITCH_REPLACE:
        replace(channel, cursor, msg);
        break;
    case ITCH_EXECUTED:
        executed(channel, cursor, msg);
        break;
    case ITCH_CANCEL:
        cancel(channel, cursor, msg);
        break;
    case ITCH_EXECUTED_PRICE:
        executed_price(channel, cursor, msg);
        break;
    case ITCH_TRADE:
    case ITCH_CROSS_TRADE:
    case ITCH_BROKEN_TRADE:
        trade(channel, cursor, msg);
        break;
    case ITCH_NOII:
        imbalance(channel, cursor, msg);
        break;
    case ITCH_STOCK_DIRECTORY:
        directory(channel, cursor, msg);
        break;
    case ITCH_TRADING_ACTION:
    case ITCH_REG_SHO:
    case ITCH_OPERATIONAL_HALT:
    case ITCH_PARTICIPANT:
    case ITCH_RPII:
        state(channel, cursor, msg);
        break;
    case ITCH_LULD_COLLAR:
        collar(channel, cursor, msg);
        break;
    case ITCH_IPO_UPDATE:
        ipo(channel, cursor, msg);
        break;
    case ITCH_DIRECT_LISTING:
        listing(channel, cursor, msg);
        break;
    case ITCH_SYSTEM_EVENT:
    case ITCH_MWCB_LEVEL:
    case ITCH_MWCB_STATUS:
        market(channel, cursor, msg);
        break;
    }
}

/* The message in the cursor, from bytes to events. */
static inline void message_apply(struct channel *channel, struct channel_cursor *cursor)
{
    struct channel_counters *counters = &channel->counters;
    struct itch_msg msg;

    if (UNLIKELY(cursor->message_len == 0)) {
        count(&counters->empty_count);
        return;
    }
    count(&counters->message_count);
    count(&counters->message_type_count[cursor->message[0]]);
    const enum itch_verdict verdict = itch_decode(cursor->message, cursor->message_len, &msg);
    count(&counters->itch[verdict]);
    if (UNLIKELY(verdict != ITCH_OK))
        return;
    if (UNLIKELY(msg.locate >= channel->instruments_max)) {
        count(&counters->locate_range_count);
        return;
    }
    channel->exchange_ns = channel->midnight_ns + msg.timestamp_ns;
    dispatch(channel, cursor, &msg);
    for (uint32_t i = 1; i < cursor->event_count; i++)
        cursor->event[i - 1].flags |= MD_MORE;
}

/* ---- packets to messages ---- */

static inline void cursor_clear(struct channel_cursor *cursor, uint64_t now_ns, uint64_t rx_tsc)
{
    cursor->event_count = 0;
    cursor->message = NULL;
    cursor->message_len = 0;
    cursor->seq = 0;
    cursor->block_left = 0;
    cursor->pending = 0;
    cursor->now_ns = now_ns;
    cursor->rx_tsc = rx_tsc;
    cursor->pass_seq = 0;
}

/* A packet's messages behind the first `skip` are to be delivered. seq 0: unsequenced. */
static inline void cursor_begin(struct channel_cursor *cursor, const uint8_t *blocks, uint64_t seq,
                                uint32_t message_count, uint32_t skip)
{
    DCHECK(skip < message_count);
    cursor->block = blocks;
    cursor->block_seq = seq + skip;
    cursor->block_left = message_count - skip;
    for (; skip > 0; skip--) {
        const uint8_t *message;
        uint32_t message_len;
        cursor->block = mold_next(cursor->block, &message, &message_len);
    }
}

/* The next thing the channel itself has to say. */
static void notice_next(struct channel *channel, struct channel_cursor *cursor)
{
    struct md_event event = {.type = MD_NONE};

    cursor->event_count = 0;
    cursor->message = NULL;
    cursor->message_len = 0;
    cursor->seq = 0;
    if (cursor->pending & PENDING_STALE) {
        cursor->pending &= ~(uint32_t)PENDING_STALE;
        event.type = MD_STALE_BEGIN;
        event.flags = MD_STALE;
        event.ref = channel->arb.hole_first_seq;
        event.qty = saturate(channel->arb.hole_len_count, &event.flags);
    } else if (cursor->pending & PENDING_SESSION_END) {
        cursor->pending &= ~(uint32_t)PENDING_SESSION_END;
        event.type = MD_SESSION_END;
    } else {
        cursor->pending &= ~(uint32_t)PENDING_SESSION;
        event.type = MD_SESSION;
        memcpy(&event.ref, channel->session, sizeof(event.ref)); /* as md_symbol */
    }
    put_channel(channel, cursor, event);
}

/* ---- holes and what is held behind them ---- */

static inline struct channel_held *held_at(const struct channel *channel, uint32_t position)
{
    return &channel->held[channel->held_order[position]];
}

/* Are all of [seq, end_seq) in packets that are held already? */
static bool held_covers(const struct channel *channel, uint64_t seq, uint64_t end_seq)
{
    for (uint32_t i = 0; i < channel->held_count && seq < end_seq; i++) {
        const struct channel_held *held = held_at(channel, i);
        if (held->seq > seq)
            return false;
        if (held->seq + held->count > seq)
            seq = held->seq + held->count;
    }
    return seq >= end_seq;
}

/* Take a free entry and put it where `seq` belongs. There always is one: see channel_receive. */
static struct channel_held *held_insert(struct channel *channel, uint64_t seq)
{
    uint16_t *order = channel->held_order;
    uint32_t position = channel->held_count;

    DCHECK(channel->held_count <= channel->reorder_packets);
    const uint16_t idx = order[channel->held_count++];
    for (; position > 0 && channel->held[order[position - 1]].seq > seq; position--)
        order[position] = order[position - 1];
    order[position] = idx;
    return &channel->held[idx];
}

/* Take the first one out. Its bytes stay as they are until the next packet is received. */
static struct channel_held held_pop(struct channel *channel)
{
    uint16_t *order = channel->held_order;
    const uint16_t idx = order[0];

    channel->held_count--;
    memmove(order, order + 1, channel->held_count * sizeof(order[0]));
    order[channel->held_count] = idx;
    return channel->held[idx];
}

/* A packet came ahead of a hole: keep it, unless it is kept already. If it cannot be kept, it says how far holes are to
 * be passed: up to itself when it cannot wait at all, else the first one only. */
static void hold(struct channel *channel, struct channel_cursor *cursor, const struct mold_packet *packet)
{
    channel->waiting = true;
    if (held_covers(channel, packet->seq, packet->seq + packet->count))
        return;
    struct channel_held *held = held_insert(channel, packet->seq);
    held->seq = packet->seq;
    held->count = packet->count;
    held->now_ns = cursor->now_ns;
    held->blocks = packet->blocks;
    if (channel->reorder_packets == 0 || packet->blocks_len > CHANNEL_HELD_BYTES_MAX) {
        cursor->pass_seq = packet->seq;
        return;
    }
    uint8_t *bytes = channel->held_bytes + (size_t)(held - channel->held) * CHANNEL_HELD_BYTES_MAX;
    memcpy(bytes, packet->blocks, packet->blocks_len);
    held->blocks = bytes;
    count(&channel->counters.held_count);
    if (channel->held_count > channel->reorder_packets)
        cursor->pass_seq = held_at(channel, 0)->seq;
}

/* A heartbeat or an end announced messages that have not come. */
static void beat(struct channel *channel, uint64_t seq, uint64_t now_ns)
{
    channel->waiting = true;
    if (channel->beat_seq <= channel->arb.next_seq) {
        channel->beat_seq = seq;
        channel->beat_ns = now_ns;
    } else if (seq > channel->beat_seq) {
        channel->beat_seq = seq; /* the older one's window goes for both */
    }
}

/* Where the hole in front of us ends: at the first packet held, or with what was announced. Not above arb.next_seq:
 * there is no hole. */
static inline uint64_t hole_end_seq(const struct channel *channel)
{
    return channel->held_count > 0 ? held_at(channel, 0)->seq : channel->arb.newest_seq;
}

/* The end of the reorder window of the hole in front of us: it was first seen when the earliest of the packets behind
 * it came, or the heartbeat. Cost: the number of packets held. */
static uint64_t hole_deadline_ns(const struct channel *channel)
{
    uint64_t seen_ns = channel->beat_seq > channel->arb.next_seq ? channel->beat_ns : UINT64_MAX;

    for (uint32_t i = 0; i < channel->held_count; i++)
        if (held_at(channel, i)->now_ns < seen_ns)
            seen_ns = held_at(channel, i)->now_ns;
    return seen_ns <= UINT64_MAX - channel->reorder_ns ? seen_ns + channel->reorder_ns : UINT64_MAX;
}

/* Give the hole in front of us up, if it is time. Retransmission and snapshots will have their turn here. */
static bool hole_pass(struct channel *channel, struct channel_cursor *cursor)
{
    const uint64_t end_seq = hole_end_seq(channel);

    if (cursor->pass_seq >= end_seq) {
        if (cursor->pass_seq != UINT64_MAX)
            count(&channel->counters.held_overflow_count);
    } else if (channel->deadline_ns <= cursor->now_ns) {
        count(&channel->counters.expired_count);
    } else {
        return false;
    }
    arb_pass_hole(&channel->arb, end_seq);
    channel->stale_flag = MD_STALE;
    cursor->pending |= PENDING_STALE;
    return true;
}

/* The packet in hand is used up: is there a held one whose turn has come, a hole to pass, an end to announce? True: the
 * cursor has it. Bounded: each round takes a packet out of the hold area or returns. */
static bool packet_next(struct channel *channel, struct channel_cursor *cursor)
{
    for (;;) {
        if (hole_end_seq(channel) > channel->arb.next_seq) {
            channel->deadline_ns = hole_deadline_ns(channel);
            return hole_pass(channel, cursor);
        }
        channel->deadline_ns = UINT64_MAX;
        if (channel->held_count == 0)
            break;
        const struct channel_held held = held_pop(channel);
        uint32_t skip;
        if (arb_accept_held(&channel->arb, held.seq, held.count, &skip) != ARB_DUPLICATE) {
            cursor_begin(cursor, held.blocks, held.seq, held.count, skip);
            return true;
        }
    }
    channel->waiting = false;
    if (channel->end != END_ANNOUNCED)
        return false;
    channel->end = END_SAID;
    cursor->pending |= PENDING_SESSION_END;
    return true;
}

/* ---- sessions ---- */

/* A packet of another session than the current one. False: of the one before, to be dropped. Otherwise a session
 * begins: what was still missing of the old one will never come now. */
static bool session_begin(struct channel *channel, struct channel_cursor *cursor, const uint8_t *session)
{
    if (channel->old_session_known && memcmp(session, channel->old_session, MOLD_SESSION_LEN) == 0) {
        count(&channel->counters.old_session_count);
        return false;
    }
    if (channel->session_known) {
        if (channel->arb.newest_seq > channel->arb.next_seq) {
            arb_pass_hole(&channel->arb, channel->arb.newest_seq);
            cursor->pending |= PENDING_STALE;
        }
        if (channel->end == END_ANNOUNCED)
            cursor->pending |= PENDING_SESSION_END;
        channel->held_count = 0;
        channel->old_session_known = true;
        memcpy(channel->old_session, channel->session, MOLD_SESSION_LEN);
        book_clear(channel->book);
        instrument_clear(channel->instruments, channel->instruments_max);
        arb_restart(&channel->arb, 1);
    }
    channel->session_known = true;
    memcpy(channel->session, session, MOLD_SESSION_LEN);
    channel->beat_seq = 0;
    channel->deadline_ns = UINT64_MAX;
    channel->waiting = false;
    channel->end = END_NONE;
    channel->stale_flag = 0;
    cursor->pending |= PENDING_SESSION;
    count(&channel->counters.session_count);
    return true;
}

/* ---- the two calls of the hot path ---- */

static inline void data_accept(struct channel *channel, uint32_t line, const struct mold_packet *packet,
                               struct channel_cursor *cursor)
{
    uint32_t skip;

    if (UNLIKELY(packet->seq == 0)) {
        count(&channel->counters.unsequenced_count);
        cursor_begin(cursor, packet->blocks, 0, packet->count, 0);
        return;
    }
    const enum arb_verdict verdict = arb_accept(&channel->arb, line, packet->seq, packet->count, cursor->now_ns, &skip);
    count(&channel->counters.arb[verdict]);
    if (LIKELY(verdict <= ARB_STRADDLING))
        cursor_begin(cursor, packet->blocks, packet->seq, packet->count, skip);
    else if (verdict == ARB_GAP)
        hold(channel, cursor, packet);
}

/* Heartbeat or end: no messages, but what is next. Sequence 0 says nothing about that. */
static void beat_accept(struct channel *channel, uint32_t line, const struct mold_packet *packet, bool end,
                        struct channel_cursor *cursor)
{
    uint32_t skip;

    if (packet->seq != 0 && arb_accept(&channel->arb, line, packet->seq, 0, cursor->now_ns, &skip) == ARB_GAP)
        beat(channel, packet->seq, cursor->now_ns);
    if (end && channel->end == END_NONE) {
        channel->end = END_ANNOUNCED;
        channel->waiting = true;
    }
}

bool channel_receive(struct channel *channel, uint32_t line, const uint8_t *payload, uint32_t payload_len,
                     uint64_t now_ns, uint64_t rx_tsc, struct channel_cursor *ret_cursor)
{
    struct channel_counters *counters = &channel->counters;
    struct mold_packet packet;

    cursor_clear(ret_cursor, now_ns, rx_tsc);
    count(&counters->packet_count);
    const enum mold_verdict verdict = mold_parse(payload, payload_len, &packet);
    count(&counters->mold[verdict]);
    if (UNLIKELY(verdict > MOLD_END))
        return false;
    if (UNLIKELY(packet.trailing_len > 0))
        count(&counters->trailing_count);
    if (UNLIKELY(memcmp(packet.session, channel->session, MOLD_SESSION_LEN) != 0 || !channel->session_known))
        if (!session_begin(channel, ret_cursor, packet.session))
            return false;
    if (LIKELY(verdict == MOLD_DATA))
        data_accept(channel, line, &packet, ret_cursor);
    else
        beat_accept(channel, line, &packet, verdict == MOLD_END, ret_cursor);
    if (LIKELY(ret_cursor->block_left > 0) || ret_cursor->pending != 0)
        return true;
    return channel->waiting && packet_next(channel, ret_cursor);
}

bool channel_next(struct channel *channel, struct channel_cursor *cursor)
{
    while (UNLIKELY(cursor->pending != 0 || cursor->block_left == 0)) {
        if (cursor->pending != 0) {
            notice_next(channel, cursor);
            __atomic_store_n(&channel->counters.event_count, channel->counters.event_count + 1, __ATOMIC_RELAXED);
            return true;
        }
        if (LIKELY(!channel->waiting) || !packet_next(channel, cursor))
            return false;
    }
    cursor->block = mold_next(cursor->block, &cursor->message, &cursor->message_len);
    cursor->block_left--;
    cursor->seq = cursor->block_seq;
    cursor->block_seq += cursor->seq != 0;
    cursor->event_count = 0;
    message_apply(channel, cursor);
    __atomic_store_n(&channel->counters.event_count, channel->counters.event_count + cursor->event_count,
                     __ATOMIC_RELAXED);
    return true;
}

/* ---- time and the end of the input ---- */

uint64_t channel_deadline_ns(const struct channel *channel)
{
    return channel->deadline_ns;
}

bool channel_expire(struct channel *channel, uint64_t now_ns, uint64_t rx_tsc, struct channel_cursor *ret_cursor)
{
    cursor_clear(ret_cursor, now_ns, rx_tsc);
    return channel->deadline_ns <= now_ns && channel->waiting && packet_next(channel, ret_cursor);
}

bool channel_flush(struct channel *channel, uint64_t now_ns, struct channel_cursor *ret_cursor)
{
    cursor_clear(ret_cursor, now_ns, 0);
    ret_cursor->pass_seq = UINT64_MAX;
    return channel->waiting && packet_next(channel, ret_cursor);
}

/* ---- set-up and reading ---- */

/* One block: channel, hold area, directory, books; each on its own cache lines. */
struct layout {
    size_t held_at, held_bytes_at, instruments_at, book_at, bytes;
};

static size_t align_up(size_t bytes)
{
    return (bytes + CACHE_LINE_BYTES - 1) / CACHE_LINE_BYTES * CACHE_LINE_BYTES;
}

/* Locate 65,535 cannot be an instrument: it is MD_INSTRUMENT_NONE. */
static uint32_t instruments_usable(const struct channel_params *params)
{
    return params->book.instruments_max < MD_INSTRUMENT_NONE ? params->book.instruments_max : MD_INSTRUMENT_NONE;
}

static struct layout layout_of(const struct channel_params *params)
{
    const size_t held_max = (size_t)params->reorder_packets + 1;
    struct layout layout;

    layout.held_at = align_up(sizeof(struct channel));
    layout.held_bytes_at = layout.held_at + align_up(held_max * sizeof(struct channel_held));
    layout.instruments_at =
        layout.held_bytes_at + (params->reorder_packets > 0 ? held_max * CHANNEL_HELD_BYTES_MAX : 0);
    layout.book_at = layout.instruments_at + align_up(instruments_usable(params) * sizeof(struct instrument));
    layout.bytes = layout.book_at + align_up(book_footprint(&params->book));
    return layout;
}

size_t channel_footprint(const struct channel_params *params)
{
    if (params->line_count < 1 || params->line_count > ARB_LINES_MAX || params->reorder_packets > CHANNEL_HELD_MAX ||
        book_footprint(&params->book) == 0)
        return 0;
    return layout_of(params).bytes;
}

struct channel *channel_init(void *memory, const struct channel_params *params)
{
    const struct layout layout = layout_of(params);
    struct channel *channel = memory;

    DCHECK(channel_footprint(params) > 0);
    DCHECK((uintptr_t)memory % CACHE_LINE_BYTES == 0);
    *channel = (struct channel){
        .book = book_init((uint8_t *)memory + layout.book_at, &params->book),
        .instruments = (struct instrument *)(void *)((uint8_t *)memory + layout.instruments_at),
        .midnight_ns = params->midnight_ns,
        .reorder_ns = params->reorder_ns,
        .reorder_packets = params->reorder_packets,
        .instruments_max = instruments_usable(params),
        .index = params->index,
        .deadline_ns = UINT64_MAX,
        .held = (struct channel_held *)(void *)((uint8_t *)memory + layout.held_at),
        .held_bytes = (uint8_t *)memory + layout.held_bytes_at,
    };
    for (uint32_t i = 0; i <= params->reorder_packets; i++)
        channel->held_order[i] = (uint16_t)i;
    instrument_clear(channel->instruments, channel->instruments_max);
    arb_init(&channel->arb, params->line_count, params->first_seq);
    return channel;
}

uint32_t channel_held_count(const struct channel *channel)
{
    return channel->held_count;
}

bool channel_stale(const struct channel *channel)
{
    return channel->stale_flag != 0;
}

const struct channel_counters *channel_counters(const struct channel *channel)
{
    return &channel->counters;
}

const struct arb *channel_arb(const struct channel *channel)
{
    return &channel->arb;
}

struct book *channel_book(struct channel *channel)
{
    return channel->book;
}

uint32_t channel_order_count(const struct channel *channel)
{
    return book_order_count(channel->book);
}

const struct instrument *channel_instruments(const struct channel *channel)
{
    return channel->instruments;
}

const uint8_t *channel_session(const struct channel *channel)
{
    return channel->session;
}
