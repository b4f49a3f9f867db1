/* What a channel knows, as events. Contract in refresh.h. Reads the channel through its public face, on the rx lcore
 * that owns it; keeps a place between calls and nothing else. */
#include "feed/refresh.h"

#include "ring/check.h"

enum step { STEP_BEGIN, STEP_INSTRUMENT, STEP_DEPTH, STEP_STATES, STEP_STALE, STEP_END };

static void put(struct refresh *refresh, struct md_event event)
{
    DCHECK(refresh->part_count < REFRESH_PARTS_MAX);
    event.flags |= MD_REFRESH;
    if (channel_stale(refresh->channel))
        event.flags |= MD_STALE;
    event.channel = refresh->index;
    refresh->part[refresh->part_count++] = event;
}

/* About the whole channel. */
static void put_channel(struct refresh *refresh, enum md_type type, uint8_t side, uint64_t ref)
{
    put(refresh, (struct md_event){.type = (uint8_t)type,
                                   .side = side,
                                   .instrument = MD_INSTRUMENT_NONE,
                                   .price = MD_PRICE_NONE,
                                   .ref = ref,
                                   .bid_price = MD_PRICE_NONE,
                                   .ask_price = MD_PRICE_NONE});
}

/* About the instrument whose turn it is. */
static void put_instrument(struct refresh *refresh, struct md_event event)
{
    const struct book *book = channel_book(refresh->channel);
    const struct book_bbo *bbo = book_bbo(book, refresh->instrument);

    if (book_untradable(book, refresh->instrument))
        event.flags |= MD_UNTRADABLE;
    if (bbo->bid_qty == UINT32_MAX || bbo->ask_qty == UINT32_MAX) /* where the book saturates */
        event.flags |= MD_SATURATED;
    event.instrument = (uint16_t)refresh->instrument;
    event.bid_price = bbo->bid_price;
    event.bid_qty = bbo->bid_qty;
    event.ask_price = bbo->ask_price;
    event.ask_qty = bbo->ask_qty;
    put(refresh, event);
}

static void put_state(struct refresh *refresh, enum md_type type, uint8_t side)
{
    put_instrument(refresh, (struct md_event){.type = (uint8_t)type, .side = side, .price = MD_PRICE_NONE});
}

static const struct instrument *instrument_of(const struct refresh *refresh)
{
    return &channel_instruments(refresh->channel)[refresh->instrument];
}

static void put_market(struct refresh *refresh)
{
    const struct channel_market market = channel_market(refresh->channel);

    put_channel(refresh, MD_RESET, 0, 0);
    for (uint8_t i = 0; i < 3; i++)
        if (market.mwcb_level_e8[i] != 0)
            put_channel(refresh, MD_MWCB_LEVEL, (uint8_t)('1' + i), market.mwcb_level_e8[i]);
    if (market.mwcb_breached != 0)
        put_channel(refresh, MD_MWCB_BREACH, market.mwcb_breached, 0);
    if (market.system != 0)
        put_channel(refresh, MD_SYSTEM, market.system, 0);
    if (market.ended)
        put_channel(refresh, MD_SESSION_END, 0, 0);
}

static bool collar_known(const struct instrument *instrument)
{
    return instrument->collar_reference != MD_PRICE_NONE || instrument->collar_upper != MD_PRICE_NONE ||
           instrument->collar_lower != MD_PRICE_NONE;
}

/* The states of the instrument whose turn it is, with which it ends. */
static void put_states(struct refresh *refresh)
{
    const struct instrument *instrument = instrument_of(refresh);

    if (instrument->operational != 0)
        put_state(refresh, MD_OPERATIONAL, instrument->operational);
    if (instrument->short_sale != 0)
        put_state(refresh, MD_SHORT_SALE, instrument->short_sale);
    if (collar_known(instrument))
        put_instrument(refresh, (struct md_event){.type = MD_COLLAR,
                                                  .price = instrument->collar_reference,
                                                  .ref = (uint64_t)(uint32_t)instrument->collar_upper << 32 |
                                                         (uint32_t)instrument->collar_lower});
    put_state(refresh, MD_STATE, instrument->state);
    refresh->instrument++;
    refresh->step = STEP_INSTRUMENT;
}

/* Is anything known of it? A name, a state, or a book that holds something or cannot be trusted. */
static bool known(const struct refresh *refresh)
{
    const struct instrument *instrument = instrument_of(refresh);
    const struct book *book = channel_book(refresh->channel);
    const struct book_bbo *bbo = book_bbo(book, refresh->instrument);

    return instrument->symbol != 0 || instrument->state != 0 || instrument->operational != 0 ||
           instrument->short_sale != 0 || collar_known(instrument) || bbo->bid_price != MD_PRICE_NONE ||
           bbo->ask_price != MD_PRICE_NONE || book_untradable(book, refresh->instrument);
}

/* Go on to the next instrument of which anything is known; not far. */
static bool instrument_find(struct refresh *refresh)
{
    const uint32_t count = channel_instrument_count(refresh->channel);

    for (uint32_t i = 0; i < REFRESH_SCAN && refresh->instrument < count; i++, refresh->instrument++)
        if (known(refresh))
            return true;
    if (refresh->instrument == count)
        refresh->step = STEP_STALE;
    return false;
}

/* The first go of an instrument: all of it, unless its depth comes in between. */
static void put_definition(struct refresh *refresh)
{
    const struct instrument *instrument = instrument_of(refresh);

    if (instrument->symbol != 0)
        put_instrument(refresh, (struct md_event){.type = MD_DEFINE,
                                                  .price = MD_PRICE_NONE,
                                                  .qty = instrument->round_lot,
                                                  .ref = instrument->symbol});
    if (instrument->symbol == 0 || !instrument_listed(refresh->symbols, refresh->symbol_count, instrument->symbol)) {
        put_states(refresh);
        return;
    }
    refresh->step = STEP_DEPTH;
    refresh->side = 'B';
    refresh->price = MD_PRICE_NONE;
}

/* The next level behind the one sent last, into `order`; asks follow bids. Levels born better than that have said so
 * themselves. */
static void level_take(struct refresh *refresh)
{
    const struct book *book = channel_book(refresh->channel);
    struct book_level_view level;

    while (!book_level_behind(book, refresh->instrument, refresh->side, refresh->price, &level)) {
        if (refresh->side == 'S') {
            refresh->step = STEP_STATES;
            return;
        }
        refresh->side = 'S';
        refresh->price = MD_PRICE_NONE;
    }
    if (level.order_count > REFRESH_LEVEL_ORDERS_MAX) {
        put_state(refresh, MD_UNRELIABLE, 0);
        refresh->step = STEP_STATES;
        return;
    }
    refresh->price = level.price;
    refresh->order_at = 0;
    refresh->order_count =
        book_orders(book, refresh->instrument, refresh->side, level.price, REFRESH_LEVEL_ORDERS_MAX, refresh->order);
}

static struct md_event order_next(struct refresh *refresh)
{
    const struct book_order_view *order = &refresh->order[refresh->order_at++];

    refresh->part_count = 0;
    put_instrument(
        refresh,
        (struct md_event){
            .type = MD_ADD, .side = refresh->side, .price = refresh->price, .qty = order->qty, .ref = order->ref});
    refresh->part_at = refresh->part_count;
    return refresh->part[0];
}

/* Of the go in hand, if there is one: its next event. */
static bool go_on(struct refresh *refresh, struct md_event *ret_event)
{
    bool more;

    if (refresh->order_at < refresh->order_count) {
        *ret_event = order_next(refresh);
        more = refresh->order_at < refresh->order_count;
    } else if (refresh->part_at < refresh->part_count) {
        *ret_event = refresh->part[refresh->part_at++];
        more = refresh->part_at < refresh->part_count;
    } else {
        return false;
    }
    if (more)
        ret_event->flags |= MD_MORE;
    return true;
}

void refresh_begin(struct refresh *refresh, struct channel *channel, uint16_t index, const uint64_t *symbols,
                   uint32_t symbol_count)
{
    refresh->channel = channel;
    refresh->symbols = symbols;
    refresh->symbol_count = symbol_count;
    refresh->instrument = 0;
    refresh->index = index;
    refresh->step = STEP_BEGIN;
    refresh->part_count = refresh->part_at = 0;
    refresh->order_count = refresh->order_at = 0;
}

enum refresh_verdict refresh_next(struct refresh *refresh, struct md_event *ret_event)
{
    if (go_on(refresh, ret_event))
        return REFRESH_EVENT;
    refresh->part_count = refresh->part_at = 0;
    if (channel_emptying(refresh->channel))
        return REFRESH_NOTHING;
    switch ((enum step)refresh->step) {
    case STEP_BEGIN:
        put_market(refresh);
        refresh->step = STEP_INSTRUMENT;
        break;
    case STEP_INSTRUMENT:
        if (instrument_find(refresh))
            put_definition(refresh);
        break;
    case STEP_DEPTH:
        level_take(refresh);
        break;
    case STEP_STATES:
        put_states(refresh);
        break;
    case STEP_STALE:
        put_channel(refresh, channel_stale(refresh->channel) ? MD_STALE_BEGIN : MD_STALE_END, 0, 0);
        refresh->step = STEP_END;
        break;
    case STEP_END:
        return REFRESH_END;
    }
    return go_on(refresh, ret_event) ? REFRESH_EVENT : REFRESH_NOTHING;
}
