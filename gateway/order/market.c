/* What a strategy lcore knows, event by event. Contract in market.h. Runs on that lcore, once for each event; pure. */
#include "gateway/order/market.h"

#define KNOWN_BITS 64u

static size_t known_words(uint32_t instrument_count)
{
    return (instrument_count + KNOWN_BITS - 1) / KNOWN_BITS;
}

size_t market_footprint(const uint32_t *instrument_counts, uint32_t channel_count)
{
    size_t bytes = 0;

    for (uint32_t i = 0; i < channel_count; i++)
        bytes += instrument_counts[i] * sizeof(struct market_instrument) +
                 known_words(instrument_counts[i]) * sizeof(uint64_t);
    return (bytes + CACHE_LINE_BYTES - 1) / CACHE_LINE_BYTES * CACHE_LINE_BYTES;
}

static void market_forget(struct market_instrument *instrument)
{
    instrument->bid_price = MD_PRICE_NONE;
    instrument->bid_qty = 0;
    instrument->ask_price = MD_PRICE_NONE;
    instrument->ask_qty = 0;
    instrument->symbol = 0;
    instrument->state = 0;
    instrument->operational = 0;
    instrument->short_sale = 0;
    instrument->untradable = false;
    instrument->tick = REFERENCE_TICK_ANY;
    instrument->reference = 0;
    instrument->last_price = MD_PRICE_NONE;
    instrument->close_price = MD_PRICE_NONE;
    instrument->tick_size = 0;
    instrument->lot = 0;
    instrument->collar_upper = MD_PRICE_NONE;
    instrument->collar_lower = MD_PRICE_NONE;
    instrument->ipo_release_s = 0;
}

void market_init(struct market *market, void *memory, const uint32_t *instrument_counts, uint32_t channel_count)
{
    struct market_instrument *next = memory;

    CHECK(channel_count <= MARKET_CHANNELS_MAX);
    *market = (struct market){.channel_count = channel_count, .account.valued = 1};
    for (uint32_t i = 0; i < channel_count; i++) {
        market->channel[i] = (struct market_channel){.instruments = next, .instrument_count = instrument_counts[i]};
        for (uint32_t j = 0; j < instrument_counts[i]; j++) {
            next[j] = (struct market_instrument){.mark = MD_PRICE_NONE};
            market_forget(&next[j]);
        }
        next += instrument_counts[i];
    }
    uint64_t *known = (uint64_t *)next;
    for (uint32_t i = 0; i < channel_count; i++) {
        market->channel[i].known = known;
        for (size_t j = 0; j < known_words(instrument_counts[i]); j++)
            *known++ = 0;
    }
}

/* An event is about an instrument that has no symbol: from here on there is something to forget. One that has a symbol
 * was noted before it had one. */
static inline void note_known(struct market_channel *channel, uint16_t instrument)
{
    channel->known[instrument / KNOWN_BITS] |= UINT64_C(1) << instrument % KNOWN_BITS;
}

/* Books and directory are empty: nothing is known of the market, but of our own part in it. Only the instruments known
 * are walked: a reader that is being brought up to date should not be lapped for it. */
static void channel_forget(struct market_channel *channel)
{
    channel->system = 0;
    channel->mwcb_breached = 0;
    for (uint32_t i = 0; i < 3; i++)
        channel->mwcb_level_e8[i] = 0;
    for (size_t i = 0; i < known_words(channel->instrument_count); i++) {
        for (uint64_t bits = channel->known[i]; bits != 0; bits &= bits - 1)
            market_forget(&channel->instruments[i * KNOWN_BITS + (size_t)__builtin_ctzll(bits)]);
        channel->known[i] = 0;
    }
}

/* An event about the whole channel. */
static void apply_channel(struct market *market, struct market_channel *channel, const struct md_event *event)
{
    const bool refresh = (event->flags & MD_REFRESH) != 0;

    switch (event->type) {
    case MD_STALE_BEGIN:
        channel->stale = true;
        channel->silent = event->qty == 0 && !refresh;
        channel->lost = channel->lost && !refresh;
        break;
    case MD_STALE_END:
        channel->silent = false;
        channel->lost = channel->lost && !refresh;
        channel->stale = channel->lost; /* the feed is whole again; what this lcore has seen of it may not be */
        channel->session_ended = channel->session_ended && refresh; /* an end has nothing behind it */
        break;
    case MD_SESSION:
        channel->stale = false;
        channel->silent = false;
        channel->lost = false;
        channel->session_ended = false;
        market->lapped_channels &= ~(1u << event->channel);
        channel_forget(channel);
        break;
    case MD_RESET: /* all that is known follows: what was lost before is of no account, if we see it to its end */
        channel->lost = refresh;
        channel->silent = false;
        channel->stale = refresh || (event->flags & MD_STALE) != 0;
        channel->session_ended = channel->session_ended && !refresh;
        channel_forget(channel);
        break;
    case MD_SESSION_END:
        channel->session_ended = true;
        break;
    case MD_SYSTEM:
        channel->system = event->side;
        break;
    case MD_MWCB_LEVEL:
        if (event->side >= '1' && event->side <= '3')
            channel->mwcb_level_e8[event->side - '1'] = event->ref;
        break;
    case MD_MWCB_BREACH:
        channel->mwcb_breached = event->side;
        break;
    default:
        break;
    }
}

/* A price that came as 32 bits of a reference. */
static int32_t price_of(uint64_t bits)
{
    return (uint32_t)bits <= INT32_MAX ? (int32_t)(uint32_t)bits : MD_PRICE_NONE;
}

/* The slot of a symbol, or a free one where it may go; NULL: all are taken by others. */
static struct market_carried *carried_slot(struct market *market, uint64_t symbol)
{
    uint32_t i = (uint32_t)(symbol * 0x9e3779b97f4a7c15u >> 32);

    for (uint32_t tried = 0; tried < MARKET_CARRIED_MAX; tried++, i++) {
        struct market_carried *carried = &market->carried[i % MARKET_CARRIED_MAX];
        if (carried->symbol == symbol || carried->symbol == 0)
            return carried;
    }
    return NULL;
}

/* An instrument got its symbol: what was carried for it moves in. */
static void carried_move(struct market *market, struct market_instrument *instrument)
{
    struct market_carried *carried = carried_slot(market, instrument->symbol);

    if (!carried || carried->symbol == 0 || carried->home)
        return;
    carried->home = instrument;
    market->carried_count--;
    account_move_in(market, instrument, carried->position, carried->cost, carried->open_buy_qty,
                    carried->open_sell_qty);
    carried->position = 0; /* it is there now, and nowhere twice */
    carried->cost = 0;
    carried->open_buy_qty = carried->open_sell_qty = 0;
    if (market->own) {
        own_merge(market->own, &instrument->own_buy, &carried->own_buy, true);
        own_merge(market->own, &instrument->own_sell, &carried->own_sell, false);
    }
}

struct own_side *market_carried_side(struct market *market, uint64_t symbol, bool buy)
{
    struct market_carried *carried = carried_slot(market, symbol);

    if (!carried || carried->symbol == 0)
        return NULL;
    if (carried->home)
        return buy ? &carried->home->own_buy : &carried->home->own_sell;
    return buy ? &carried->own_buy : &carried->own_sell;
}

/* Nobody knows a price of it yet: it is worth its cost, and only what was closed is profit or loss. */
static void carried_trade(struct market *market, struct market_carried *carried, int64_t position, int32_t price)
{
    struct account_total *total = &market->account.lcore;
    const __int128 realised = account_lot(&carried->position, &carried->cost, position, price);

    total->cash += realised;
    total->realised += realised;
    total->changes++;
    market->account.valued++;
}

bool market_carry(struct market *market, uint64_t symbol, int64_t position, int32_t price, int64_t open_buy_qty,
                  int64_t open_sell_qty)
{
    struct market_carried *carried = symbol != 0 ? carried_slot(market, symbol) : NULL;

    if (!carried) {
        __atomic_store_n(&market->carried_full_count, market->carried_full_count + 1,
                         __ATOMIC_RELAXED); /* telemetry reads it */
        return false;
    }
    if (carried->symbol == 0) {
        carried->symbol = symbol;
        market->carried_count++;
    }
    struct market_instrument *home = carried->home;
    if (home) {
        const uint8_t side = position > 0 ? 'B' : 'S';
        if (position != 0)
            account_trade(market, home, ACCOUNT_NOBODY, side, (uint32_t)(position > 0 ? position : -position), price);
        if (open_buy_qty != 0)
            account_reserve(market, home, ACCOUNT_NOBODY, 'B', open_buy_qty, price);
        if (open_sell_qty != 0)
            account_reserve(market, home, ACCOUNT_NOBODY, 'S', open_sell_qty, price);
        return true;
    }
    CHECK(open_buy_qty >= 0 || carried->open_buy_qty >= (uint64_t)-open_buy_qty); /* never more than was taken */
    CHECK(open_sell_qty >= 0 || carried->open_sell_qty >= (uint64_t)-open_sell_qty);
    if (position != 0)
        carried_trade(market, carried, position, price);
    carried->open_buy_qty += (uint64_t)open_buy_qty;
    carried->open_sell_qty += (uint64_t)open_sell_qty;
    return true;
}

/* What the reference file says of an instrument that has just got its symbol. */
static void refer(const struct market *market, struct market_instrument *instrument)
{
    const struct reference_row *row =
        market->reference ? reference_find(market->reference, instrument->symbol) : NULL;

    if (!row)
        return;
    instrument->reference = row->flags;
    instrument->tick = row->tick;
    instrument->tick_size = row->tick_size;
    instrument->lot = row->lot;
    instrument->close_price = row->close_price;
}

bool market_symbol_find(const struct market *market, uint64_t symbol, uint16_t *ret_channel, uint16_t *ret_instrument)
{
    for (uint32_t i = 0; symbol != 0 && i < market->channel_count; i++)
        for (uint32_t j = 0; j < market->channel[i].instrument_count; j++)
            if (market->channel[i].instruments[j].symbol == symbol) {
                *ret_channel = (uint16_t)i;
                *ret_instrument = (uint16_t)j;
                return true;
            }
    return false;
}

void market_apply(struct market *market, const struct md_event *event)
{
    if (event->type == MD_TIME) {
        market->now_ns = event->exchange_ns;
        return;
    }
    if (UNLIKELY(event->channel >= market->channel_count)) {
        market->out_of_range_count++;
        return;
    }
    struct market_channel *channel = &market->channel[event->channel];
    if (UNLIKELY(event->instrument == MD_INSTRUMENT_NONE)) {
        apply_channel(market, channel, event);
        return;
    }
    if (UNLIKELY(event->instrument >= channel->instrument_count)) {
        market->out_of_range_count++;
        return;
    }
    struct market_instrument *instrument = &channel->instruments[event->instrument];
    if (UNLIKELY(instrument->symbol == 0))
        note_known(channel, event->instrument);
    instrument->bid_price = event->bid_price;
    instrument->bid_qty = event->bid_qty;
    instrument->ask_price = event->ask_price;
    instrument->ask_qty = event->ask_qty;
    instrument->untradable = (event->flags & MD_UNTRADABLE) != 0;
    switch (event->type) {
    case MD_DEFINE:
        instrument->symbol = event->ref;
        refer(market, instrument);
        if (UNLIKELY(market->carried_count > 0))
            carried_move(market, instrument);
        break;
    case MD_EXECUTE:
    case MD_TRADE:
    case MD_CROSS:
        if (event->price > 0 && (event->flags & MD_HIDDEN) == 0) /* MD_PRICE_NONE is less */
            instrument->last_price = event->price;
        break;
    case MD_STATE:
        instrument->state = event->side;
        break;
    case MD_OPERATIONAL:
        instrument->operational = event->side;
        break;
    case MD_SHORT_SALE:
        instrument->short_sale = event->side;
        break;
    case MD_COLLAR:
        instrument->collar_upper = price_of(event->ref >> 32);
        instrument->collar_lower = price_of(event->ref);
        break;
    case MD_IPO:
        instrument->ipo_release_s = event->side == 'C' ? 0 : event->qty; /* cancelled or postponed */
        break;
    default:
        break;
    }
    if (UNLIKELY(instrument->ours))
        account_mark(market, instrument);
}

void market_lost(struct market *market, uint32_t channels)
{
    for (uint32_t i = 0; i < market->channel_count; i++) {
        if (!(channels >> i & 1))
            continue;
        market->channel[i].stale = market->channel[i].lost = true;
        market->lapped_channels |= 1u << i;
    }
}
