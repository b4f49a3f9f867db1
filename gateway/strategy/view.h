/* A reader's own depth of the instruments that it chooses, fed by events alone: every order of them, price levels,
 * queue positions. For strategies that need more than the best prices; the rx lcore's book is not theirs to read.
 *
 * Fixed memory, no allocation; bounded work for each event: a look-up, and a move of at most levels_max levels; once
 * an instrument is given up, its orders. One channel, one owner: the strategy's lcore. Pure. It is given every event
 * that the strategy gets, and on_lost; a strategy that has one sets `depth` in its strategy_ops, so that a refresh
 * brings its orders. */
#ifndef GATEWAY_STRATEGY_VIEW_H
#define GATEWAY_STRATEGY_VIEW_H

#include "ring/md_event.h"

#define VIEW_SYMBOLS_MAX 1024u
#define VIEW_ORDERS_MAX (1u << 24)
#define VIEW_LEVELS_MAX 65536u

struct view_params {
    uint16_t channel;
    uint32_t instrument_count;  /* of the channel, at most 65,536 */
    const uint64_t *symbols;    /* chosen, as md_symbol; copied */
    uint32_t symbol_count;      /* 1 ... VIEW_SYMBOLS_MAX */
    uint32_t orders_max;        /* live orders of all of them, 1 ... VIEW_ORDERS_MAX */
    uint32_t levels_max;        /* of each side of each, 1 ... VIEW_LEVELS_MAX */
};

struct view_level { int32_t price; uint32_t order_count; uint64_t qty; };

struct view_order {
    uint64_t ref;
    uint32_t qty;
    int32_t price;
    uint16_t instrument;
    uint8_t side;
};

/* What is in front of an order at its price. */
struct view_ahead { uint32_t order_count; uint64_t qty; };

struct view_counters {
    uint64_t full_count;     /* times that an order had no room, here or in the feed's own book */
    uint64_t mismatch_count; /* events that did not fit what was here. Both: their instrument is not whole any more */
};

struct view; /* laid out in the memory given */

/* Bytes for these parameters, a multiple of eight; 0 if one is out of range. */
size_t view_footprint(const struct view_params *params);
/* `memory`: view_footprint bytes, aligned to eight; need not be zeroed. */
struct view *view_init(void *memory, const struct view_params *params);

/* Take one event in. */
void view_apply(struct view *view, const struct md_event *event);
/* Events of these channels (bits) were lost: nothing here is whole until a refresh, or a new session. */
void view_lost(struct view *view, uint32_t channels);

/* Is what is here of an instrument all that the feed's own book has of it, and is that to be trusted? Not before the
 * channel's MD_SESSION or MD_RESET; not while the channel is stale, nor between a loss and the end of its refresh; not
 * when there was no room, until the next session or refresh; not when the feed calls its book untradable. */
bool view_whole(const struct view *view, uint16_t instrument);

/* The instrument of the i-th symbol, MD_INSTRUMENT_NONE while the feed has not defined it. */
uint16_t view_instrument(const struct view *view, uint32_t symbol_idx);

/* Best `max_count` levels of a side ('B' or 'S'), best first; returns how many. An instrument that is not chosen, or
 * not defined, has none. */
uint32_t view_levels(const struct view *view, uint16_t instrument, uint8_t side, uint32_t max_count,
                     struct view_level *ret_levels);
/* False: there is no such order. */
bool view_find(const struct view *view, uint64_t ref, struct view_order *ret_order);
/* The place of an order in its queue; false: there is no such order. Cost: the orders ahead. */
bool view_queue_ahead(const struct view *view, uint64_t ref, struct view_ahead *ret_ahead);

uint32_t view_order_count(const struct view *view);
const struct view_counters *view_counters(const struct view *view);

#endif
