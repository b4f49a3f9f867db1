/* Channel: ITCH 5.0 messages to books, directory and events. The part of feed/channel that knows what messages mean.
 *
 * Called for each message, on the thread that owns the channel: the hot path is channel_looked_message and the order
 * messages. Never allocates, logs, asks for the time or trusts a byte. */
#include "feed/book_look.h"
#include "feed/channel_state.h"

#define NS_PER_S 1000000000u

/* Next event of the message in hand: `event` has what is peculiar to it, the rest is filled in here, in its place. */
static inline void put(const struct channel *channel, struct channel_cursor *cursor, uint32_t instrument,
                       const struct book_bbo *bbo, struct md_event event)
{
    DCHECK(cursor->event_count < CHANNEL_EVENTS_MAX);
    md_event_write(&cursor->event[cursor->event_count++],
                   (struct md_event){.type = event.type,
                                     .side = event.side,
                                     .flags = event.flags | channel->stale_flag,
                                     .channel = channel->index,
                                     .instrument = (uint16_t)instrument,
                                     .price = event.price,
                                     .qty = event.qty,
                                     .ref = event.ref,
                                     .exchange_ns = channel->exchange_ns,
                                     .rx_tsc = cursor->rx_tsc,
                                     .bid_price = bbo->bid_price,
                                     .bid_qty = bbo->bid_qty,
                                     .ask_price = bbo->ask_price,
                                     .ask_qty = bbo->ask_qty});
}

/* ... about an instrument: with its BBO as it is now. */
static inline void put_instrument(const struct channel *channel, struct channel_cursor *cursor, uint32_t instrument,
                                  struct md_event event)
{
    const struct book_top *top = top_of(channel->book, instrument);

    if (UNLIKELY(top->untradable))
        event.flags |= MD_UNTRADABLE;
    if (UNLIKELY(top->bbo.bid_qty == UINT32_MAX || top->bbo.ask_qty == UINT32_MAX)) /* where the book saturates */
        event.flags |= MD_SATURATED;
    put(channel, cursor, instrument, &top->bbo, event);
}

/* ... about the whole channel. */
void channel_notice(const struct channel *channel, struct channel_cursor *cursor, struct md_event event)
{
    static const struct book_bbo none = {.bid_price = MD_PRICE_NONE, .ask_price = MD_PRICE_NONE};

    event.price = MD_PRICE_NONE;
    put(channel, cursor, MD_INSTRUMENT_NONE, &none, event);
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

/* Mid-session the directory is unknown: the first message that names a stock introduces it. What is known is marked on
 * the book, whose line is needed anyway: the directory is emptied whenever the books are. False: it has just been
 * introduced, and nobody trades it. */
static inline bool name_learn(struct channel *channel, struct channel_cursor *cursor, uint32_t locate, uint64_t stock)
{
    if (LIKELY(top_of(channel->book, locate)->marked) || stock == 0)
        return true;
    struct instrument *instrument = &channel->instruments[locate];
    book_mark_instrument(channel->book, locate);
    if (instrument->symbol != 0)
        return true;
    const bool traded = !channel->untraded || channel_traded_name(channel, locate, stock);
    instrument->symbol = stock;
    put_instrument(channel, cursor, locate, (struct md_event){.type = MD_DEFINE, .price = MD_PRICE_NONE, .ref = stock});
    return traded;
}

/* An order could not be entered. If the book is not to be trusted for it, strategies hear of it now, not with the
 * instrument's next event. */
static void refused(const struct channel *channel, struct channel_cursor *cursor, uint32_t instrument)
{
    if (book_untradable(channel->book, instrument))
        put_instrument(channel, cursor, instrument, (struct md_event){.type = MD_UNRELIABLE, .price = MD_PRICE_NONE});
}

/* Of the message in hand, which is about an order. */
static inline struct book_look look_of(const struct channel_cursor *cursor)
{
    const struct channel_looked *looked = cursor->looked;

    return (struct book_look){.ref = looked->msg.order.ref, .home = looked->home, .instrument = looked->msg.locate};
}

/* Which of the two it is cannot be predicted: one question, not two. */
static inline bool side_known(uint8_t side)
{
    uint32_t known = (uint32_t)(side == 'B') | (uint32_t)(side == 'S');

    KEEP(known);
    return known != 0;
}

static inline void add(struct channel *channel, struct channel_cursor *cursor, const struct itch_msg *msg)
{
    if (UNLIKELY(!name_learn(channel, cursor, msg->locate, msg->add.stock))) {
        count(&channel->counters.untraded_count);
        return;
    }
    if (UNLIKELY(!side_known(msg->add.side))) {
        count(&channel->counters.side_count);
        book_mark_untradable(channel->book, msg->locate);
        refused(channel, cursor, msg->locate);
        return;
    }
    const int32_t price = price_load(channel, msg->locate, msg->add.price);
    if (UNLIKELY(price == MD_PRICE_NONE)) {
        refused(channel, cursor, msg->locate);
        return;
    }
    const enum book_verdict verdict =
        book_add_looked(channel->book, look_of(cursor), msg->add.side, price, msg->add.qty);
    if (UNLIKELY(verdict != BOOK_OK)) {
        if (verdict == BOOK_DUPLICATE_REF)
            channel_contradict(channel, cursor);
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
static inline bool found(struct channel *channel, struct channel_cursor *cursor, const struct itch_msg *msg,
                         enum book_verdict verdict)
{
    if (LIKELY(verdict == BOOK_OK))
        return true;
    if (verdict == BOOK_ORPHAN) {
        count(&channel->counters.orphan_count[msg->type]);
        if (!book_untradable(channel->book, msg->locate)) /* that lacks orders: it is about one of these */
            channel_contradict(channel, cursor);
    }
    return false;
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

/* Behind the events of a message that takes something off an order: it had no more than that. */
static inline void had(struct channel *channel, struct channel_cursor *cursor, const struct book_change *change)
{
    if (UNLIKELY(change->clamped))
        channel_contradict(channel, cursor);
}

static inline void executed(struct channel *channel, struct channel_cursor *cursor, const struct itch_msg *msg)
{
    struct book_change change;

    if (!found(channel, cursor, msg, book_reduce_looked(channel->book, look_of(cursor), msg->executed.qty, &change)))
        return;
    put_change(channel, cursor, MD_EXECUTE, 0, &change);
    had(channel, cursor, &change);
}

/* The order leaves at its own price, the trade prints at another. */
static inline void executed_price(struct channel *channel, struct channel_cursor *cursor, const struct itch_msg *msg)
{
    const uint16_t hidden = msg->executed.printable == 'N' ? MD_HIDDEN : 0;
    struct book_change change;

    if (!found(channel, cursor, msg, book_reduce_looked(channel->book, look_of(cursor), msg->executed.qty, &change)))
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
    had(channel, cursor, &change);
}

static inline void cancel(struct channel *channel, struct channel_cursor *cursor, const struct itch_msg *msg)
{
    struct book_change change;

    if (!found(channel, cursor, msg, book_reduce_looked(channel->book, look_of(cursor), msg->cancel.qty, &change)))
        return;
    put_change(channel, cursor, MD_CANCEL, 0, &change);
    had(channel, cursor, &change);
}

static inline void withdraw(struct channel *channel, struct channel_cursor *cursor, const struct itch_msg *msg)
{
    struct book_change change;

    if (found(channel, cursor, msg, book_delete_looked(channel->book, look_of(cursor), &change)))
        put_change(channel, cursor, MD_DELETE, 0, &change);
}

/* Two steps on the book, so that each event has the BBO that was true after it. */
static inline void replace(struct channel *channel, struct channel_cursor *cursor, const struct itch_msg *msg)
{
    struct book_change removed;

    if (!found(channel, cursor, msg, book_delete_looked(channel->book, look_of(cursor), &removed)))
        return;
    put_change(channel, cursor, MD_DELETE, MD_REPLACE, &removed);
    const int32_t price = price_load(channel, removed.instrument, msg->replace.price);
    const enum book_verdict verdict = price == MD_PRICE_NONE ? BOOK_BAD_PRICE
                                                             : book_add(channel->book, removed.instrument,
                                                                        msg->replace.ref, removed.side, price,
                                                                        msg->replace.qty);
    if (UNLIKELY(verdict != BOOK_OK)) {
        cursor->event_count--; /* the new order was refused: it is a plain delete, with the book's marks of now */
        put_change(channel, cursor, MD_DELETE, 0, &removed);
        if (verdict == BOOK_DUPLICATE_REF)
            channel_contradict(channel, cursor); /* behind it: what was put is not stale yet */
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

    if (channel->untraded)
        channel_traded_name(channel, msg->locate, msg->directory.stock);
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
static void market(struct channel *channel, struct channel_cursor *cursor, const struct itch_msg *msg)
{
    switch (msg->type) {
    case ITCH_SYSTEM_EVENT:
        channel->market.system = msg->system_event.code;
        channel_notice(channel, cursor, (struct md_event){.type = MD_SYSTEM, .side = msg->system_event.code});
        break;
    case ITCH_MWCB_LEVEL:
        memcpy(channel->market.mwcb_level_e8, msg->mwcb_level.level_e8, sizeof(channel->market.mwcb_level_e8));
        for (uint8_t i = 0; i < 3; i++)
            channel_notice(channel, cursor,
                        (struct md_event){
                            .type = MD_MWCB_LEVEL, .side = (uint8_t)('1' + i), .ref = msg->mwcb_level.level_e8[i]});
        break;
    default: /* ITCH_MWCB_STATUS */
        channel->market.mwcb_breached = msg->mwcb_status.level;
        channel_notice(channel, cursor, (struct md_event){.type = MD_MWCB_BREACH, .side = msg->mwcb_status.level});
        break;
    }
}

/* One decoded message to the book and to events ... */
static __attribute__((noinline)) void dispatch_rest(struct channel *channel, struct channel_cursor *cursor,
                                                    const struct itch_msg *msg)
{
    switch ((enum itch_type)msg->type) {
    case ITCH_ADD:
    case ITCH_ADD_MPID:
    case ITCH_DELETE: /* see dispatch */
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

/* ... of which six in seven are adds and deletes. */
static inline void dispatch(struct channel *channel, struct channel_cursor *cursor, const struct itch_msg *msg)
{
    if (msg->type == ITCH_DELETE)
        withdraw(channel, cursor, msg);
    else if (LIKELY(msg->type == ITCH_ADD || msg->type == ITCH_ADD_MPID))
        add(channel, cursor, msg);
    else
        dispatch_rest(channel, cursor, msg);
}

/* Not a message by ITCH 5.0: why? */
static void malformed(struct channel *channel, const struct channel_cursor *cursor)
{
    struct itch_msg msg;

    count(&channel->counters.itch[itch_decode(cursor->message, cursor->message_len, &msg)]);
}

void channel_looked_message(struct channel *channel, struct channel_cursor *cursor, const struct channel_looked *looked)
{
    struct channel_counters *counters = &channel->counters;
    const struct itch_msg *msg = &looked->msg;

    cursor->looked = looked;
    if (UNLIKELY(cursor->message_len == 0)) {
        count(&counters->empty_count);
        return;
    }
    count(&counters->message_count);
    count(&counters->message_type_count[cursor->message[0]]);
    if (UNLIKELY(msg->type == 0)) {
        malformed(channel, cursor);
        return;
    }
    count(&counters->itch[ITCH_OK]);
    if (UNLIKELY(msg->locate >= channel->instruments_max)) {
        count(&counters->locate_range_count);
        return;
    }
    channel->exchange_ns = channel->midnight_ns + msg->timestamp_ns;
    dispatch(channel, cursor, msg);
    for (uint32_t i = 1; i < cursor->event_count; i++)
        cursor->event[i - 1].flags |= MD_MORE;
}

/* Of a burst's packets, those that were held. */
void channel_unlooked_message(struct channel *channel, struct channel_cursor *cursor)
{
    struct channel_looked looked;

    if (UNLIKELY(itch_decode(cursor->message, cursor->message_len, &looked.msg) != ITCH_OK))
        looked.msg.type = 0;
    else
        looked.home = ref_home(channel->book, looked.msg.order.ref);
    channel_looked_message(channel, cursor, &looked);
}
