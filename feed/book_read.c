/* Books: reading, for reports, tests and whoever brings others up to date. Contract in book.h.
 *
 * Called on the thread that owns the books. The levels of a side are in two places (book_state.h): a walk takes the
 * better one of the two that come next. */
#include "feed/book_state.h"

const struct book_bbo *book_bbo(const struct book *book, uint32_t instrument)
{
    return &book->headers[instrument].top.bbo;
}

const struct book_top *book_top(const struct book *book, uint32_t instrument)
{
    return &book->headers[instrument].top;
}

bool book_untradable(const struct book *book, uint32_t instrument)
{
    return book->headers[instrument].top.untradable;
}

void book_mark_untradable(struct book *book, uint32_t instrument)
{
    book->headers[instrument].top.untradable = true;
}

void book_mark_instrument(struct book *book, uint32_t instrument)
{
    book->headers[instrument].top.marked = true;
}

const struct book_counters *book_counters(const struct book *book)
{
    return &book->counters;
}

uint32_t book_order_count(const struct book *book)
{
    return book->order_count;
}

/* ---- levels, best first ---- */

struct walk {
    uint64_t live;      /* places of the window not yet passed, bit i at tick base + i */
    uint32_t far_count; /* rungs not yet passed */
    uint32_t instrument, side;
};

static struct walk walk_begin(const struct book *book, uint32_t instrument, uint32_t side)
{
    const struct header *header = &book->headers[instrument];

    return (struct walk){.live = live_in_order(header, side),
                         .far_count = header->ladder[side].count,
                         .instrument = instrument,
                         .side = side};
}

/* The next level: its cell and its price. False: there is none left. */
static bool walk_next(const struct book *book, struct walk *walk, uint32_t *ret_cell, int32_t *ret_price)
{
    const struct header *header = &book->headers[walk->instrument];
    const uint32_t side = walk->side;
    const struct rung *far = walk->far_count > 0
                                 ? &book->rungs[header->ladder[side].first + walk->far_count - 1]
                                 : NULL;
    uint32_t bit = 0;

    if (walk->live != 0) {
        bit = side == 0 ? 63u - (uint32_t)__builtin_clzll(walk->live) : (uint32_t)__builtin_ctzll(walk->live);
        *ret_price = (int32_t)(header->base[side] + bit * TICK);
        if (!far || key_of(side, *ret_price) > far->key) {
            *ret_cell = window_cell(walk->instrument, side) + tick_of(*ret_price) % WINDOW;
            walk->live &= ~(1ull << bit);
            return true;
        }
    }
    if (!far)
        return false;
    *ret_price = key_of(side, far->key);
    *ret_cell = far->level;
    walk->far_count--;
    return true;
}

/* Only levels that are worse than `price` from here on. */
static void walk_behind(const struct book *book, struct walk *walk, int32_t price)
{
    const struct header *header = &book->headers[walk->instrument];
    const uint32_t side = walk->side;
    const int32_t key = key_of(side, price);

    walk->far_count = level_far_below(book, &header->ladder[side], key);
    for (uint64_t live = walk->live; live != 0; live &= live - 1)
        if (key_of(side, (int32_t)(header->base[side] + (uint32_t)__builtin_ctzll(live) * TICK)) >= key)
            walk->live &= ~(live & -live);
}

static struct book_level_view level_view(const struct book *book, uint32_t cell, int32_t price)
{
    struct book_level_view view = {.price = price, .qty = book->cells[cell].qty};

    for (uint32_t i = book->cells[cell].queue.next; is_order(book, i); i = book->cells[i].queue.next)
        view.order_count++;
    return view;
}

uint32_t book_levels(const struct book *book, uint32_t instrument, uint8_t side, uint32_t max_count,
                     struct book_level_view *ret_levels)
{
    struct walk walk = walk_begin(book, instrument, side != 'B');
    uint32_t count = 0, cell;
    int32_t price;

    while (count < max_count && walk_next(book, &walk, &cell, &price))
        ret_levels[count++] = level_view(book, cell, price);
    return count;
}

bool book_level_behind(const struct book *book, uint32_t instrument, uint8_t side, int32_t price,
                       struct book_level_view *ret_level)
{
    struct walk walk = walk_begin(book, instrument, side != 'B');
    uint32_t cell;
    int32_t level_price;

    if (price != BOOK_PRICE_NONE)
        walk_behind(book, &walk, price);
    if (!walk_next(book, &walk, &cell, &level_price))
        return false;
    *ret_level = level_view(book, cell, level_price);
    return true;
}

struct book_totals book_totals(const struct book *book, uint32_t instrument, uint8_t side)
{
    struct walk walk = walk_begin(book, instrument, side != 'B');
    struct book_totals totals = {.level_count = 0};
    uint32_t cell;
    int32_t price;

    while (walk_next(book, &walk, &cell, &price)) {
        const struct book_level_view view = level_view(book, cell, price);
        totals.level_count++;
        totals.order_count += view.order_count;
        totals.qty += view.qty;
    }
    return totals;
}

/* ---- orders ---- */

bool book_find(const struct book *book, uint64_t ref, struct book_order_info *ret_info)
{
    const uint32_t cell = ref_find(book, ref, ref_home(book, ref));

    if (cell == NONE)
        return false;
    const struct order *order = order_at(book, cell);
    *ret_info = (struct book_order_info){.instrument = order_instrument(order),
                                         .price = order->price,
                                         .qty = order->qty,
                                         .side = order_side(order) == 0 ? 'B' : 'S',
                                         .marked = (order->where & ORDER_MARKED) != 0};
    return true;
}

void book_mark_order(struct book *book, uint64_t ref)
{
    const uint32_t cell = ref_find(book, ref, ref_home(book, ref));

    if (cell != NONE)
        order_at(book, cell)->where |= ORDER_MARKED;
}

bool book_queue_ahead(const struct book *book, uint64_t ref, uint64_t *ret_qty)
{
    const uint32_t cell = ref_find(book, ref, ref_home(book, ref));
    uint64_t ahead = 0;

    if (cell == NONE)
        return false;
    for (uint32_t i = book->cells[cell].queue.prev; is_order(book, i); i = book->cells[i].queue.prev)
        ahead += order_at(book, i)->qty;
    *ret_qty = ahead;
    return true;
}

/* The first order of a level; a level if there is no such one. */
static uint32_t level_head(const struct book *book, uint32_t instrument, uint32_t side, int32_t price)
{
    const struct header *header = &book->headers[instrument];

    if (in_window(header, side, price))
        return book->cells[window_cell(instrument, side) + tick_of(price) % WINDOW].queue.next;
    const struct ladder *ladder = &header->ladder[side];
    const uint32_t position = level_far_below(book, ladder, key_of(side, price));
    const struct rung *rung = &book->rungs[ladder->first + position];
    return position < ladder->count && rung->key == key_of(side, price) ? book->cells[rung->level].queue.next : 0;
}

uint32_t book_queue(const struct book *book, uint32_t instrument, uint8_t side, int32_t price, uint32_t max_count,
                    uint64_t *ret_refs)
{
    uint32_t count = 0;

    for (uint32_t i = level_head(book, instrument, side != 'B', price); is_order(book, i) && count < max_count;
         i = book->cells[i].queue.next)
        ret_refs[count++] = order_at(book, i)->cell.ref;
    return count;
}

uint32_t book_orders(const struct book *book, uint32_t instrument, uint8_t side, int32_t price, uint32_t max_count,
                     struct book_order_view *ret_orders)
{
    uint32_t count = 0;

    for (uint32_t i = level_head(book, instrument, side != 'B', price); is_order(book, i) && count < max_count;
         i = book->cells[i].queue.next)
        ret_orders[count++] =
            (struct book_order_view){.ref = order_at(book, i)->cell.ref, .qty = order_at(book, i)->qty};
    return count;
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 32;
}

uint64_t book_hash(const struct book *book)
{
    uint64_t hash = 0;

    for (uint32_t instrument = 0; instrument < book->params.instruments_max; instrument++)
        for (uint32_t side = 0; side < 2; side++) {
            struct walk walk = walk_begin(book, instrument, side);
            uint32_t cell;
            int32_t price;
            while (walk_next(book, &walk, &cell, &price)) {
                hash = mix(hash, (uint64_t)instrument << 33 | (uint64_t)side << 32 | (uint32_t)price);
                for (uint32_t i = book->cells[cell].queue.next; is_order(book, i); i = book->cells[i].queue.next)
                    hash = mix(mix(hash, order_at(book, i)->cell.ref), order_at(book, i)->qty);
            }
        }
    return hash;
}
