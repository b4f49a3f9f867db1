/* A channel that is fed a generated session, one message a packet, and what a reader that has followed it must know:
 * its market compared with the channel, its view with the channel's book. For tests of refresh, resync and view, also
 * those without Criterion. */
#ifndef TESTS_UNIT_FEED_RIG_H
#define TESTS_UNIT_FEED_RIG_H

#include "feed/channel.h"
#include "gateway/order/market.h"
#include "gateway/strategy/view.h"
#include "ring/check.h"
#include "tools/session.h"

#include <stdlib.h>
#include <string.h>

#define FEED_RIG_EVENTS_MAX 16u /* of one packet */
#define FEED_RIG_LEVELS_MAX 512u

struct feed_rig {
    void *memory;
    struct channel *channel;
    struct session *session;
    uint32_t symbols;
    uint32_t instrument_count;
    uint32_t session_number; /* also turns the locates, so that a number is another symbol's in each session */
    uint64_t seed;
    uint64_t seq;                               /* of the next message */
    struct md_event event[FEED_RIG_EVENTS_MAX]; /* of the last packet */
    uint32_t event_count;
};

static inline void feed_rig_session(struct feed_rig *rig)
{
    const struct session_params params = {.seed = rig->seed + rig->session_number,
                                          .messages = session_messages_min(rig->symbols) + 1000000,
                                          .open_ns = SESSION_OPEN_NS,
                                          .symbols = rig->symbols,
                                          .rate_per_s = 100000};
    if (rig->session)
        session_close(rig->session);
    rig->session = session_open(&params);
    CHECK(rig->session);
    rig->session_number++;
    rig->seq = 1;
}

static inline void feed_rig_open(struct feed_rig *rig, uint16_t index, uint32_t symbols, uint64_t seed)
{
    const struct channel_params params = {.book = {.instruments_max = symbols + 8,
                                                   .orders_max = session_orders_max(symbols) + 8192,
                                                   .levels_max = 1u << 16},
                                          .line_count = 1,
                                          .hold_messages = 1024,
                                          .first_seq = 1,
                                          .index = index};
    memset(rig, 0, sizeof(*rig));
    rig->symbols = symbols;
    rig->instrument_count = symbols + 8;
    rig->seed = seed;
    rig->memory = aligned_alloc(CACHE_LINE_BYTES, (channel_footprint(&params) + CACHE_LINE_BYTES - 1) /
                                                      CACHE_LINE_BYTES * CACHE_LINE_BYTES);
    CHECK(rig->memory);
    rig->channel = channel_init(rig->memory, &params);
    feed_rig_session(rig);
}

static inline void feed_rig_close(struct feed_rig *rig)
{
    session_close(rig->session);
    free(rig->memory);
}

static inline void feed_rig_name(const struct feed_rig *rig, char ret_name[MOLD_SESSION_LEN])
{
    memset(ret_name, ' ', MOLD_SESSION_LEN);
    ret_name[0] = (char)('0' + rig->session_number / 10 % 10);
    ret_name[1] = (char)('0' + rig->session_number % 10);
}

/* One message as the next packet: its events are in rig->event. */
static inline void feed_rig_send(struct feed_rig *rig, const struct itch_msg *msg)
{
    uint8_t packet[MOLD_HEADER_LEN + 2 + ITCH_LENGTH_MAX];
    char name[MOLD_SESSION_LEN];
    struct channel_cursor cursor;
    const uint32_t len = itch_encode(msg, packet + MOLD_HEADER_LEN + 2);

    feed_rig_name(rig, name);
    mold_encode_header(packet, name, rig->seq++, 1);
    packet[MOLD_HEADER_LEN] = 0;
    packet[MOLD_HEADER_LEN + 1] = (uint8_t)len;
    rig->event_count = 0;
    if (!channel_receive(rig->channel, 0, packet, MOLD_HEADER_LEN + 2 + len, 1000, 77, &cursor))
        return;
    while (channel_next(rig->channel, &cursor))
        for (uint32_t i = 0; i < cursor.event_count; i++) {
            CHECK(rig->event_count < FEED_RIG_EVENTS_MAX);
            rig->event[rig->event_count++] = cursor.event[i];
        }
}

/* The session's next message. */
static inline void feed_rig_step(struct feed_rig *rig)
{
    struct itch_msg msg;

    CHECK(session_next(rig->session, &msg));
    if (msg.locate > 0)
        msg.locate = (uint16_t)(1 + (msg.locate - 1 + rig->session_number * 7) % rig->symbols);
    feed_rig_send(rig, &msg);
}

/* The venue has ended the session. */
static inline void feed_rig_end(struct feed_rig *rig)
{
    uint8_t packet[MOLD_HEADER_LEN];
    char name[MOLD_SESSION_LEN];
    struct channel_cursor cursor;

    feed_rig_name(rig, name);
    mold_encode_header(packet, name, rig->seq, 0xffff);
    rig->event_count = 0;
    if (channel_receive(rig->channel, 0, packet, sizeof(packet), 1000, 77, &cursor))
        while (channel_next(rig->channel, &cursor))
            rig->event[rig->event_count++] = cursor.event[0];
}

/* What of `channel` is not in the market as the channel has it; NULL: nothing. */
static inline const char *feed_rig_market_difference(const struct feed_rig *rig, struct market *market, uint16_t index)
{
    const struct market_channel *channel = &market->channel[index];
    const struct channel_market known = channel_market(rig->channel);

    if (channel->lost)
        return "lost";
    if (channel->stale != channel_stale(rig->channel))
        return "stale";
    if (channel->session_ended != known.ended)
        return "session_ended";
    if (channel->system != known.system || channel->mwcb_breached != known.mwcb_breached)
        return "system event or breached level";
    if (memcmp(channel->mwcb_level_e8, known.mwcb_level_e8, sizeof(known.mwcb_level_e8)) != 0)
        return "circuit breaker levels";
    for (uint16_t i = 0; i < rig->instrument_count; i++) {
        const struct market_instrument *instrument = market_find(market, index, i);
        const struct instrument *wanted = &channel_instruments(rig->channel)[i];
        const struct book_bbo *bbo = book_bbo(channel_book(rig->channel), i);
        if (instrument->symbol != wanted->symbol)
            return "symbol";
        if (instrument->bid_price != bbo->bid_price || instrument->bid_qty != bbo->bid_qty ||
            instrument->ask_price != bbo->ask_price || instrument->ask_qty != bbo->ask_qty)
            return "best prices";
        if (instrument->state != wanted->state || instrument->operational != wanted->operational ||
            instrument->short_sale != wanted->short_sale)
            return "trading state";
        if (instrument->collar_upper != wanted->collar_upper || instrument->collar_lower != wanted->collar_lower)
            return "collar";
        if (instrument->untradable != book_untradable(channel_book(rig->channel), i))
            return "untradable";
    }
    return NULL;
}

/* What the view has of an instrument otherwise than the book; NULL: nothing. */
static inline const char *feed_rig_view_difference(const struct feed_rig *rig, const struct view *view,
                                                   uint16_t instrument)
{
    static const uint8_t sides[2] = {'B', 'S'};
    const struct book *book = channel_book(rig->channel);

    for (uint32_t s = 0; s < 2; s++) {
        struct book_level_view wanted[FEED_RIG_LEVELS_MAX];
        struct view_level level[FEED_RIG_LEVELS_MAX];
        const uint32_t count = book_levels(book, instrument, sides[s], FEED_RIG_LEVELS_MAX, wanted);
        if (view_levels(view, instrument, sides[s], FEED_RIG_LEVELS_MAX, level) != count)
            return "number of levels";
        for (uint32_t i = 0; i < count; i++) {
            struct book_order_view order[FEED_RIG_LEVELS_MAX];
            uint64_t ahead_qty = 0;
            if (level[i].price != wanted[i].price || level[i].qty != wanted[i].qty ||
                level[i].order_count != wanted[i].order_count)
                return "a level";
            const uint32_t orders =
                book_orders(book, instrument, sides[s], wanted[i].price, FEED_RIG_LEVELS_MAX, order);
            for (uint32_t k = 0; k < orders; k++) {
                struct view_order found;
                struct view_ahead ahead;
                if (!view_find(view, order[k].ref, &found) || !view_queue_ahead(view, order[k].ref, &ahead))
                    return "an order is missing";
                if (found.qty != order[k].qty || found.price != wanted[i].price || found.side != sides[s] ||
                    found.instrument != instrument || found.ref != order[k].ref)
                    return "an order";
                if (ahead.order_count != k || ahead.qty != ahead_qty)
                    return "a queue position";
                ahead_qty += order[k].qty;
            }
        }
    }
    return NULL;
}

#endif
