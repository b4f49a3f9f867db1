/* Depth from events. Contract in view.h. On the strategy lcore; pure.
 *
 *   event -> instrument -> order (chained hash) -> level (sorted array, best last) -> queue (linked list)
 *
 * In a refresh a level is sent whole and replaces what is here at its price. Up to then what is here is part of what
 * the feed has: orders that came since the refresh began. So events about orders unknown are passed over, and no order
 * is ever here that is not there. */
#include "gateway/strategy/view.h"

#include "ring/check.h"

#include <string.h>

#define NONE UINT32_MAX
#define SLOT_NONE UINT16_MAX
#define CHAIN_MAX 64u /* orders of one hash, at most: chosen references cannot make us walk */

enum view_state {
    VIEW_LOST,    /* nothing to go on from: events are passed over */
    VIEW_LOADING, /* a refresh is on its way */
    VIEW_SYNCED,
};

struct order {
    uint64_t ref;
    uint32_t qty;
    int32_t price;
    uint32_t prev, next; /* queue of its level */
    uint32_t chain;      /* next order of its hash; next free one */
    uint16_t slot;
    uint8_t side;        /* 0 bid, 1 ask */
};
_Static_assert(sizeof(struct order) == 32, "two orders a line");

struct level {
    int32_t price;
    uint32_t order_count;
    uint64_t qty;
    uint32_t head, tail;
};

/* Of one symbol. */
struct slot {
    uint64_t symbol;
    struct level *levels[2]; /* worst first */
    uint32_t level_count[2];
    uint16_t instrument;     /* MD_INSTRUMENT_NONE = not defined */
    bool broken;             /* something is missing here; it is empty then */
    bool untradable;
    bool filling;            /* amid a level of a refresh */
};

struct view {
    struct slot *slots;
    uint16_t *slot_of;       /* by instrument */
    struct order *orders;
    uint32_t *chains;        /* first order of each hash */
    uint32_t slot_count, instrument_count, orders_max, levels_max;
    uint32_t hash_shift;
    uint16_t channel;
    uint8_t state;           /* enum view_state */
    bool stale;
    uint32_t order_free;     /* list of orders given back */
    uint32_t order_fresh;    /* orders from here on were never used */
    uint32_t order_count;
    struct view_counters counters;
};

/* ---- set-up ---- */

struct layout { size_t slots, levels, orders, chains, slot_of, end; uint32_t chain_bits; };

static bool layout_of(const struct view_params *params, struct layout *ret_layout)
{
    if (params->symbol_count < 1 || params->symbol_count > VIEW_SYMBOLS_MAX || params->orders_max < 1 ||
        params->orders_max > VIEW_ORDERS_MAX || params->levels_max < 1 || params->levels_max > VIEW_LEVELS_MAX ||
        params->instrument_count > 65536)
        return false;
    uint32_t bits = 4;
    while (UINT32_C(1) << bits < params->orders_max * 2)
        bits++;
    ret_layout->chain_bits = bits;
    ret_layout->slots = sizeof(struct view);
    ret_layout->levels = ret_layout->slots + params->symbol_count * sizeof(struct slot);
    ret_layout->orders =
        ret_layout->levels + (size_t)params->symbol_count * 2 * params->levels_max * sizeof(struct level);
    ret_layout->chains = ret_layout->orders + (size_t)params->orders_max * sizeof(struct order);
    ret_layout->slot_of = ret_layout->chains + ((size_t)1 << bits) * sizeof(uint32_t);
    ret_layout->end = (ret_layout->slot_of + params->instrument_count * sizeof(uint16_t) + 7) / 8 * 8;
    return true;
}

size_t view_footprint(const struct view_params *params)
{
    struct layout layout;

    return layout_of(params, &layout) ? layout.end : 0;
}

/* Everything goes; symbols are to be defined anew. Cost: the hash and the instruments. */
static void clear(struct view *view)
{
    memset(view->slot_of, 0xff, view->instrument_count * sizeof(view->slot_of[0]));
    memset(view->chains, 0xff, (((size_t)UINT64_MAX >> view->hash_shift) + 1) * sizeof(view->chains[0]));
    for (uint32_t i = 0; i < view->slot_count; i++) {
        struct slot *slot = &view->slots[i];
        slot->instrument = MD_INSTRUMENT_NONE;
        slot->level_count[0] = slot->level_count[1] = 0;
        slot->broken = slot->untradable = slot->filling = false;
    }
    view->order_free = NONE;
    view->order_fresh = view->order_count = 0;
}

struct view *view_init(void *memory, const struct view_params *params)
{
    struct layout layout;
    struct view *view = memory;
    uint8_t *bytes = memory;

    CHECK(layout_of(params, &layout));
    *view = (struct view){.slots = (struct slot *)(void *)(bytes + layout.slots),
                          .slot_of = (uint16_t *)(void *)(bytes + layout.slot_of),
                          .orders = (struct order *)(void *)(bytes + layout.orders),
                          .chains = (uint32_t *)(void *)(bytes + layout.chains),
                          .slot_count = params->symbol_count,
                          .instrument_count = params->instrument_count,
                          .orders_max = params->orders_max,
                          .levels_max = params->levels_max,
                          .hash_shift = 64 - layout.chain_bits,
                          .channel = params->channel,
                          .state = VIEW_LOST};
    struct level *levels = (struct level *)(void *)(bytes + layout.levels);
    for (uint32_t i = 0; i < params->symbol_count; i++) {
        view->slots[i] = (struct slot){.symbol = params->symbols[i], .levels = {levels, levels + params->levels_max}};
        levels += 2 * params->levels_max;
    }
    clear(view);
    return view;
}

/* ---- levels ---- */

/* Does level price `a` of this side come before `b` in the array: is it worse? */
static inline bool worse(uint32_t side, int32_t a, int32_t b)
{
    return side == 0 ? a < b : a > b;
}

/* How many levels of the side are worse than `price`: where its level is, or belongs. */
static uint32_t level_position(const struct slot *slot, uint32_t side, int32_t price)
{
    uint32_t low = 0, high = slot->level_count[side];

    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        if (worse(side, slot->levels[side][middle].price, price))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* NULL: there is no level of this price. */
static struct level *level_find(const struct slot *slot, uint32_t side, int32_t price)
{
    const uint32_t position = level_position(slot, side, price);

    if (position == slot->level_count[side] || slot->levels[side][position].price != price)
        return NULL;
    return &slot->levels[side][position];
}

/* The level of this price, made if there is none; NULL: no room. */
static struct level *level_take(const struct view *view, struct slot *slot, uint32_t side, int32_t price)
{
    const uint32_t position = level_position(slot, side, price);
    struct level *level = &slot->levels[side][position];

    if (position < slot->level_count[side] && level->price == price)
        return level;
    if (slot->level_count[side] == view->levels_max)
        return NULL;
    memmove(level + 1, level, (slot->level_count[side] - position) * sizeof(*level));
    slot->level_count[side]++;
    *level = (struct level){.price = price, .head = NONE, .tail = NONE};
    return level;
}

static void level_give(struct slot *slot, uint32_t side, struct level *level)
{
    const struct level *end = slot->levels[side] + slot->level_count[side];

    memmove(level, level + 1, (size_t)((const uint8_t *)end - (const uint8_t *)(level + 1)));
    slot->level_count[side]--;
}

/* ---- orders ---- */

static inline uint32_t *chain_of(const struct view *view, uint64_t ref)
{
    return &view->chains[ref * UINT64_C(0x9e3779b97f4a7c15) >> view->hash_shift];
}

/* The word that holds the order's index, or where it would be added; NULL: there are too many of this hash. */
static uint32_t *link_find(const struct view *view, uint64_t ref)
{
    uint32_t *link = chain_of(view, ref);

    for (uint32_t i = 0; i < CHAIN_MAX; i++) {
        if (*link == NONE || view->orders[*link].ref == ref)
            return link;
        link = &view->orders[*link].chain;
    }
    return NULL;
}

static struct order *order_find(const struct view *view, uint64_t ref)
{
    const uint32_t *link = link_find(view, ref);

    return link && *link != NONE ? &view->orders[*link] : NULL;
}

/* To the end of its queue. False: no room for it. */
static bool order_add(struct view *view, uint32_t slot_idx, uint32_t side, const struct md_event *event)
{
    uint32_t *link = link_find(view, event->ref);
    const uint32_t idx = view->order_free != NONE ? view->order_free : view->order_fresh;

    if (!link || idx == view->orders_max)
        return false;
    struct level *level = level_take(view, &view->slots[slot_idx], side, event->price);
    if (!level)
        return false;
    struct order *order = &view->orders[idx];
    if (view->order_free != NONE)
        view->order_free = order->chain;
    else
        view->order_fresh++;
    *order = (struct order){.ref = event->ref,
                            .qty = event->qty,
                            .price = event->price,
                            .prev = level->tail,
                            .next = NONE,
                            .chain = NONE,
                            .slot = (uint16_t)slot_idx,
                            .side = (uint8_t)side};
    *link = idx;
    if (level->tail != NONE)
        view->orders[level->tail].next = idx;
    else
        level->head = idx;
    level->tail = idx;
    level->order_count++;
    level->qty += event->qty;
    view->order_count++;
    return true;
}

/* Out of the index, and free. */
static void order_give(struct view *view, uint32_t idx)
{
    struct order *order = &view->orders[idx];
    uint32_t *link = link_find(view, order->ref);

    DCHECK(link && *link == idx);
    *link = order->chain;
    order->chain = view->order_free;
    view->order_free = idx;
    view->order_count--;
}

/* Take up to `qty` off an order; it leaves at 0. */
static void order_take(struct view *view, struct order *order, uint32_t qty)
{
    struct slot *slot = &view->slots[order->slot];
    struct level *level = level_find(slot, order->side, order->price);
    const uint32_t taken = qty < order->qty ? qty : order->qty;

    DCHECK(level && level->qty >= taken);
    order->qty -= taken;
    level->qty -= taken;
    if (order->qty > 0)
        return;
    if (order->prev != NONE)
        view->orders[order->prev].next = order->next;
    else
        level->head = order->next;
    if (order->next != NONE)
        view->orders[order->next].prev = order->prev;
    else
        level->tail = order->prev;
    if (--level->order_count == 0)
        level_give(slot, order->side, level);
    order_give(view, (uint32_t)(order - view->orders));
}

static void level_clear(struct view *view, struct slot *slot, uint32_t side, struct level *level)
{
    for (uint32_t i = level->head, next; i != NONE; i = next) {
        next = view->orders[i].next;
        order_give(view, i);
    }
    level_give(slot, side, level);
}

static void slot_clear(struct view *view, struct slot *slot)
{
    for (uint32_t side = 0; side < 2; side++)
        while (slot->level_count[side] > 0)
            level_clear(view, slot, side, &slot->levels[side][slot->level_count[side] - 1]);
}

/* ---- events ---- */

/* Something of this instrument is missing: the rest of it makes room for others. */
static void slot_break(struct view *view, struct slot *slot, uint64_t *counter)
{
    (*counter)++;
    slot->broken = true;
    slot_clear(view, slot);
}

/* An event that does not fit what is here. While a refresh is on its way that is as it should be. */
static void mismatch(struct view *view, struct slot *slot)
{
    if (view->state == VIEW_SYNCED)
        slot_break(view, slot, &view->counters.mismatch_count);
}

static uint32_t symbol_find(const struct view *view, uint64_t symbol)
{
    for (uint32_t i = 0; i < view->slot_count; i++)
        if (view->slots[i].symbol == symbol)
            return i;
    return SLOT_NONE;
}

/* An instrument has a symbol: one of ours, or none any more. */
static void define(struct view *view, const struct md_event *event)
{
    const uint32_t wanted = symbol_find(view, event->ref);
    const uint32_t had = view->slot_of[event->instrument];

    if (wanted == had)
        return;
    if (had != SLOT_NONE) {
        slot_clear(view, &view->slots[had]);
        view->slots[had].instrument = MD_INSTRUMENT_NONE;
        view->slot_of[event->instrument] = SLOT_NONE;
    }
    if (wanted == SLOT_NONE)
        return;
    struct slot *slot = &view->slots[wanted];
    if (slot->instrument != MD_INSTRUMENT_NONE) {
        slot_clear(view, slot);
        view->slot_of[slot->instrument] = SLOT_NONE;
    }
    slot->instrument = event->instrument;
    slot->broken = slot->untradable = slot->filling = false;
    view->slot_of[event->instrument] = (uint16_t)wanted;
}

static void add(struct view *view, uint32_t slot_idx, const struct md_event *event)
{
    struct slot *slot = &view->slots[slot_idx];
    const uint32_t side = event->side == 'B' ? 0 : 1;

    if (event->flags & MD_REFRESH) {
        struct level *level = slot->filling ? NULL : level_find(slot, side, event->price);
        if (level)
            level_clear(view, slot, side, level);
        slot->filling = (event->flags & MD_MORE) != 0;
    }
    if (event->qty == 0 || event->price == MD_PRICE_NONE || order_find(view, event->ref))
        slot_break(view, slot, &view->counters.mismatch_count);
    else if (!order_add(view, slot_idx, side, event))
        slot_break(view, slot, &view->counters.full_count);
}

static void reduce(struct view *view, uint32_t slot_idx, const struct md_event *event)
{
    struct order *order = order_find(view, event->ref);

    if (order && order->slot == slot_idx)
        order_take(view, order, event->type == MD_DELETE ? order->qty : event->qty);
    else
        mismatch(view, &view->slots[slot_idx]);
}

static bool best_is(const struct slot *slot, uint32_t side, int32_t price, uint32_t qty)
{
    if (slot->level_count[side] == 0)
        return price == MD_PRICE_NONE;
    const struct level *best = &slot->levels[side][slot->level_count[side] - 1];
    return best->price == price && (best->qty < UINT32_MAX ? (uint32_t)best->qty : UINT32_MAX) == qty;
}

static void apply_channel(struct view *view, const struct md_event *event)
{
    if (event->type == MD_SESSION || event->type == MD_RESET) {
        clear(view);
        view->state = event->flags & MD_REFRESH ? VIEW_LOADING : VIEW_SYNCED;
    } else if (event->flags & MD_REFRESH && (event->type == MD_STALE_BEGIN || event->type == MD_STALE_END)) {
        if (view->state == VIEW_LOADING)
            view->state = VIEW_SYNCED;
    }
}

void view_apply(struct view *view, const struct md_event *event)
{
    if (event->channel != view->channel || event->type == MD_TIME)
        return;
    view->stale = (event->flags & MD_STALE) != 0;
    if (UNLIKELY(event->instrument == MD_INSTRUMENT_NONE)) {
        apply_channel(view, event);
        return;
    }
    if (view->state == VIEW_LOST || event->instrument >= view->instrument_count)
        return;
    if (event->type == MD_DEFINE)
        define(view, event);
    const uint32_t slot_idx = view->slot_of[event->instrument];
    if (slot_idx == SLOT_NONE)
        return;
    struct slot *slot = &view->slots[slot_idx];
    slot->untradable = (event->flags & MD_UNTRADABLE) != 0;
    if (UNLIKELY(slot->broken))
        return;
    switch (event->type) {
    case MD_ADD:
        add(view, slot_idx, event);
        break;
    case MD_EXECUTE:
    case MD_CANCEL:
    case MD_DELETE:
        reduce(view, slot_idx, event);
        break;
    case MD_UNRELIABLE: /* its book has lost an order; in a refresh: there is too much of it */
        slot_break(view, slot, &view->counters.full_count);
        break;
    default:
        break;
    }
    /* Each event brings the best prices after it: what does not agree with them is not believed. */
    if (view->state == VIEW_SYNCED && !(event->flags & MD_REFRESH) && !slot->broken &&
        (!best_is(slot, 0, event->bid_price, event->bid_qty) || !best_is(slot, 1, event->ask_price, event->ask_qty)))
        mismatch(view, slot);
}

void view_lost(struct view *view, uint32_t channels)
{
    if (channels >> view->channel & 1)
        view->state = VIEW_LOST;
}

/* ---- reading ---- */

static const struct slot *slot_find(const struct view *view, uint16_t instrument)
{
    if (instrument >= view->instrument_count || view->slot_of[instrument] == SLOT_NONE)
        return NULL;
    return &view->slots[view->slot_of[instrument]];
}

bool view_whole(const struct view *view, uint16_t instrument)
{
    const struct slot *slot = slot_find(view, instrument);

    return slot && view->state == VIEW_SYNCED && !view->stale && !slot->broken && !slot->untradable;
}

uint16_t view_instrument(const struct view *view, uint32_t symbol_idx)
{
    return symbol_idx < view->slot_count ? view->slots[symbol_idx].instrument : MD_INSTRUMENT_NONE;
}

uint32_t view_levels(const struct view *view, uint16_t instrument, uint8_t side, uint32_t max_count,
                     struct view_level *ret_levels)
{
    const struct slot *slot = slot_find(view, instrument);
    const uint32_t side_idx = side == 'B' ? 0 : 1;
    uint32_t count = 0;

    for (; slot && count < max_count && count < slot->level_count[side_idx]; count++) {
        const struct level *level = &slot->levels[side_idx][slot->level_count[side_idx] - 1 - count];
        ret_levels[count] =
            (struct view_level){.price = level->price, .order_count = level->order_count, .qty = level->qty};
    }
    return count;
}

bool view_find(const struct view *view, uint64_t ref, struct view_order *ret_order)
{
    const struct order *order = order_find(view, ref);

    if (!order)
        return false;
    *ret_order = (struct view_order){.ref = ref,
                                     .qty = order->qty,
                                     .price = order->price,
                                     .instrument = view->slots[order->slot].instrument,
                                     .side = order->side == 0 ? 'B' : 'S'};
    return true;
}

bool view_queue_ahead(const struct view *view, uint64_t ref, struct view_ahead *ret_ahead)
{
    const struct order *order = order_find(view, ref);
    struct view_ahead ahead = {.qty = 0};

    if (!order)
        return false;
    for (uint32_t i = order->prev; i != NONE; i = view->orders[i].prev) {
        ahead.order_count++;
        ahead.qty += view->orders[i].qty;
    }
    *ret_ahead = ahead;
    return true;
}

uint32_t view_order_count(const struct view *view)
{
    return view->order_count;
}

const struct view_counters *view_counters(const struct view *view)
{
    return &view->counters;
}
