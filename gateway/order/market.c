/* What a strategy lcore knows, event by event. Contract in market.h. Runs on that lcore, once for each event; pure. */
#include "gateway/order/market.h"

size_t market_footprint(const uint32_t *instrument_counts, uint32_t channel_count)
{
    size_t count = 0;

    for (uint32_t i = 0; i < channel_count; i++)
        count += instrument_counts[i];
    return count * sizeof(struct market_instrument);
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
}

void market_init(struct market *market, void *memory, const uint32_t *instrument_counts, uint32_t channel_count)
{
    struct market_instrument *next = memory;

    CHECK(channel_count <= MARKET_CHANNELS_MAX);
    *market = (struct market){.channel_count = channel_count};
    for (uint32_t i = 0; i < channel_count; i++) {
        market->channel[i] = (struct market_channel){.instruments = next, .instrument_count = instrument_counts[i]};
        for (uint32_t j = 0; j < instrument_counts[i]; j++) {
            next[j] = (struct market_instrument){.position = 0};
            market_forget(&next[j]);
        }
        next += instrument_counts[i];
    }
}

/* An event about the whole channel. */
static void apply_channel(struct market_channel *channel, const struct md_event *event)
{
    switch (event->type) {
    case MD_STALE_BEGIN:
        channel->stale = true;
        break;
    case MD_STALE_END:
        channel->stale = channel->lost; /* the feed is whole again; what this lcore has seen of it may not be */
        break;
    case MD_SESSION:
        channel->stale = false;
        channel->lost = false;
        channel->session_ended = false;
        for (uint32_t i = 0; i < channel->instrument_count; i++)
            market_forget(&channel->instruments[i]);
        break;
    case MD_SESSION_END:
        channel->session_ended = true;
        break;
    default: /* system events, circuit breakers: nothing that the gate decides on yet */
        break;
    }
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
        apply_channel(channel, event);
        return;
    }
    if (UNLIKELY(event->instrument >= channel->instrument_count)) {
        market->out_of_range_count++;
        return;
    }
    struct market_instrument *instrument = &channel->instruments[event->instrument];
    instrument->bid_price = event->bid_price;
    instrument->bid_qty = event->bid_qty;
    instrument->ask_price = event->ask_price;
    instrument->ask_qty = event->ask_qty;
    instrument->untradable = (event->flags & MD_UNTRADABLE) != 0;
    switch (event->type) {
    case MD_DEFINE:
        instrument->symbol = event->ref;
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
    default:
        break;
    }
}

void market_lost(struct market *market)
{
    for (uint32_t i = 0; i < market->channel_count; i++)
        market->channel[i].stale = market->channel[i].lost = true;
}
