/* L3 books in one block of memory: the operations. Contract in book.h.
 *
 * Called by feed/channel on the rx lcore that owns the channel. What an operation touches, in this order:
 *
 *   order    half a line, where its reference says: quantity, price, place in the queue, and whose it is
 *   header   one line per instrument: BBO, which levels of the two windows are live, where its two ladders are
 *   level    a quarter of a line: quantity and queue of one price of one side of one instrument. At a whole tick near
 *            the touch (in the window) it lies where price, side and instrument say: nothing is searched, and nothing
 *            moves when a level is born or dies
 *   queue    the neighbours of an order that leaves; the last order where one arrives
 *   ladder   the prices of a side outside its window, sorted, best last: book_level.c
 *
 * Every loop is bounded, also against chosen references and prices: an order is looked for in PROBES places, a ladder
 * is moved once for each level that leaves or enters a window. Never allocates, asserts on wire data or looks at a
 * clock. */
#include "feed/book_look.h"

const char *book_verdict_name(enum book_verdict verdict)
{
    static const char *const names[BOOK_VERDICT_COUNT] = {
        [BOOK_OK] = "ok",
        [BOOK_ORPHAN] = "orphan",
        [BOOK_DUPLICATE_REF] = "duplicate_ref",
        [BOOK_BAD_QTY] = "bad_qty",
        [BOOK_BAD_PRICE] = "bad_price",
        [BOOK_BAD_INSTRUMENT] = "bad_instrument",
        [BOOK_ORDERS_FULL] = "orders_full",
        [BOOK_LEVELS_FULL] = "levels_full",
    };
    return (unsigned)verdict < BOOK_VERDICT_COUNT ? names[verdict] : "unknown";
}

/* ---- layout ---- */

struct layout {
    size_t cells, headers, rungs, chunks, bytes; /* offsets of the tables, and the end */
    uint32_t block_bits;
    uint32_t far_begin, orders_begin, orders_end;
    uint32_t home_rungs;
    uint32_t chunk_rungs;
};

static size_t lay(size_t *at, size_t bytes)
{
    const size_t here = *at;
    *at += (bytes + CACHE_LINE_BYTES - 1) / CACHE_LINE_BYTES * CACHE_LINE_BYTES;
    return here;
}

static bool layout_make(const struct book_params *params, struct layout *ret_layout)
{
    struct layout layout;
    size_t at = 0;

    if (params->instruments_max == 0 || params->instruments_max > BOOK_INSTRUMENTS_MAX || params->orders_max == 0 ||
        params->orders_max > ORDERS_LIMIT || params->levels_max == 0 || params->levels_max > LEVELS_LIMIT)
        return false;
    layout.far_begin = params->instruments_max * 2 * WINDOW;
    layout.orders_begin = (layout.far_begin + params->levels_max + 3) & ~3u; /* no order lies across two lines */
    /* At most half full with every order live. */
    for (layout.block_bits = 0; (uint64_t)GROUP << layout.block_bits < (uint64_t)params->orders_max * 2 ||
                                1u << layout.block_bits < BLOCKS_MIN;)
        layout.block_bits++;
    layout.orders_end = layout.orders_begin + (GROUP * 2 << layout.block_bits);
    layout.home_rungs = params->instruments_max * 2 * RUNGS_MIN;
    /* A ladder away from home is more than 3/8 full (ladder_shrink), so all of them take less than 8/3 of levels_max;
     * the rest is for what lies between them, and for the one that is being moved. */
    layout.chunk_rungs = (params->levels_max * 4 + RUNGS_MIN * 2 - 1) / (RUNGS_MIN * 2) * (RUNGS_MIN * 2);
    lay(&at, sizeof(struct book));
    layout.cells = lay(&at, layout.orders_end * sizeof(struct cell));
    layout.headers = lay(&at, params->instruments_max * sizeof(struct header));
    layout.rungs = lay(&at, ((size_t)layout.home_rungs + layout.chunk_rungs) * sizeof(struct rung));
    layout.chunks = lay(&at, layout.chunk_rungs / RUNGS_MIN);
    layout.bytes = at;
    *ret_layout = layout;
    return true;
}

size_t book_footprint(const struct book_params *params)
{
    struct layout layout;

    return layout_make(params, &layout) ? layout.bytes : 0;
}

struct book *book_init(void *memory, const struct book_params *params)
{
    struct book *book = memory;
    uint8_t *bytes = memory;
    struct layout layout;

    CHECK(layout_make(params, &layout));
    CHECK((uintptr_t)memory % CACHE_LINE_BYTES == 0);
    memset(book, 0, sizeof(*book));
    book->cells = (struct cell *)(void *)(bytes + layout.cells);
    book->headers = (struct header *)(void *)(bytes + layout.headers);
    book->rungs = (struct rung *)(void *)(bytes + layout.rungs);
    book->chunks = bytes + layout.chunks;
    book->place_mask = (GROUP << layout.block_bits) - 1;
    book->far_begin = layout.far_begin;
    book->orders_begin = layout.orders_begin;
    book->orders_end = layout.orders_end;
    book->home_rungs = layout.home_rungs;
    book->chunk_rungs = layout.chunk_rungs;
    book->params = *params;
    book_clear(book);
    return book;
}

/* What lies in the windows is laid out when a window is first used. */
bool book_clear_slice(struct book *book, uint32_t lines)
{
    const uint64_t headers_at = (uint64_t)(book->orders_end - book->orders_begin) / 4; /* cells a line */
    const uint64_t chunks_at = headers_at + book->params.instruments_max;
    const uint64_t line_count = chunks_at + (book->chunk_rungs / RUNGS_MIN + CACHE_LINE_BYTES - 1) / CACHE_LINE_BYTES;

    /* A venue, or whoever says to be one, may begin a session with each packet: without orders it costs little. */
    if (book->clear_at == 0 && book->laid_out && book->order_count == 0)
        book->clear_at = headers_at;
    const uint64_t end = book->clear_at + lines < line_count ? book->clear_at + lines : line_count;

    for (uint64_t i = book->clear_at; i < end; i++) {
        if (i < headers_at) {
            memset(&book->cells[book->orders_begin + i * 4], 0, CACHE_LINE_BYTES);
            continue;
        }
        if (i >= chunks_at) {
            memset(book->chunks + (i - chunks_at) * CACHE_LINE_BYTES, 0, CACHE_LINE_BYTES);
            continue;
        }
        const uint32_t instrument = (uint32_t)(i - headers_at);
        book->headers[instrument] = (struct header){
            .top.bbo = {.bid_price = BOOK_PRICE_NONE, .ask_price = BOOK_PRICE_NONE},
            .base = {WINDOW_NONE, WINDOW_NONE},
            .ladder = {{.first = ladder_home(instrument, 0)}, {.first = ladder_home(instrument, 1)}},
        };
    }
    book->clear_at = end;
    if (end < line_count)
        return false;
    book->clear_at = 0;
    book->laid_out = true;
    book->level_free = NONE;
    book->level_fresh = book->far_begin;
    book->order_count = book->level_count = 0;
    level_chunks_reset(book);
    return true;
}

void book_clear(struct book *book)
{
    book->clear_at = 0; /* one that was begun in slices is begun again */
    while (!book_clear_slice(book, UINT32_MAX))
        ;
}

/* ---- references to orders ---- */

uint32_t __attribute__((noinline)) ref_find_away(const struct book *book, uint64_t ref, uint32_t home)
{
    uint32_t cell = home;

    for (uint32_t probe = 0; probe < PROBES; probe++) {
        const struct order *order = order_at(book, cell);
        if (order->cell.ref == ref && is_live(order))
            return cell;
        if (order->passed_count == 0)
            return NONE;
        cell = ref_after(book, ref, home, cell);
    }
    return NONE;
}

#define FOUND (NONE - 1)

/* A free place for a reference that is not in the book yet. FOUND: it is there already. NONE: there is no place. */
static uint32_t ref_room(const struct book *book, uint64_t ref, uint32_t home)
{
    uint32_t cell = home, room = NONE;

    for (uint32_t probe = 0; probe < PROBES; probe++) {
        const struct order *order = order_at(book, cell);
        if (!is_live(order))
            room = room == NONE ? cell : room;
        else if (order->cell.ref == ref)
            return FOUND;
        if (order->passed_count == 0 && room != NONE)
            return room;
        cell = ref_after(book, ref, home, cell);
    }
    return room;
}

/* The way of an order from home to its place becomes longer by one order, or shorter. */
static inline void ref_pass(struct book *book, uint64_t ref, uint32_t home, uint32_t cell, uint32_t by)
{
    for (uint32_t at = home; UNLIKELY(at != cell); at = ref_after(book, ref, home, at))
        order_at(book, at)->passed_count += by;
}

/* ---- operations ---- */

static inline enum book_verdict judged(struct book *book, enum book_verdict verdict)
{
    uint64_t *count = &book->counters.verdict[verdict];

    __atomic_store_n(count, *count + 1, __ATOMIC_RELAXED); /* telemetry reads it while we run */
    return verdict;
}

static enum book_verdict lost(struct book *book, uint32_t instrument, enum book_verdict verdict)
{
    book->headers[instrument].top.untradable = true;
    return judged(book, verdict);
}

/* Cell of the level of a price in the window, made if it is not there; NONE: no room. It is born and dies by its bit,
 * whether it was set before or not: how often cannot be predicted. */
static inline uint32_t level_near_take(struct book *book, uint32_t instrument, uint32_t side, int32_t price)
{
    struct header *header = &book->headers[instrument];
    const uint32_t place = tick_of(price) % WINDOW;
    const uint32_t born = (uint32_t)(~header->live[side] >> place & 1);

    if (UNLIKELY(book->level_count + born > book->params.levels_max))
        return NONE;
    header->live[side] |= 1ull << place;
    book->level_count += born;
    return window_cell(instrument, side) + place;
}

/* Its level is in the window. */
static inline bool is_near(const struct order *order, const struct header *header)
{
    return (order->where & ORDER_TICK) != 0 && spans(header, order_side(order), order->price);
}

/* The quantity of a level has changed: if it is the best one, the touch says so. Which it is cannot be predicted, so
 * something is written in either case. */
static inline void touch_tell(struct header *header, uint32_t side, int32_t price, uint64_t level_qty)
{
    const struct touch touch = header->touch[side];

    touch_write(header, side, touch.price, price == touch.price ? qty_saturated(level_qty) : touch.qty);
}

/* The order is entered: at `cell`, at the end of the queue of `level_cell`. Nothing can fail. */
static inline enum book_verdict enter(struct book *book, struct book_look look, uint32_t cell, uint32_t level_cell,
                                      uint32_t where, uint32_t side, int32_t price, uint32_t qty)
{
    struct header *header = &book->headers[look.instrument];
    struct cell *level = &book->cells[level_cell];
    struct order *order = order_at(book, cell);
    const uint32_t last = level->queue.prev;

    order->cell.ref = look.ref;
    order->cell.queue.prev = last;
    order->cell.queue.next = level_cell;
    order->qty = qty;
    order->price = price;
    order->where = where;
    level->queue.prev = cell;
    book->cells[last].queue.next = cell;
    level->qty += qty;
    book->order_count++;
    const int32_t touch_price = header->touch[side].price;
    if (UNLIKELY(key_of(side, price) > key_of(side, touch_price)) || UNLIKELY(touch_price == BOOK_PRICE_NONE)) {
        touch_write(header, side, price, qty);
        crossed_tell(book, header);
    } else {
        touch_tell(header, side, price, level->qty);
    }
    return judged(book, BOOK_OK);
}

/* Any order: somebody is at home, the level is a far one or the window has to move, or it cannot be entered. */
static __attribute__((noinline)) enum book_verdict add_any(struct book *book, struct book_look look,
                                                           uint8_t side_letter, int32_t price, uint32_t qty)
{
    const uint32_t instrument = look.instrument, side = side_letter != 'B';

    if (instrument >= book->params.instruments_max)
        return judged(book, BOOK_BAD_INSTRUMENT);
    if (qty == 0)
        return judged(book, BOOK_BAD_QTY);
    if (price == BOOK_PRICE_NONE)
        return lost(book, instrument, BOOK_BAD_PRICE);
    const uint32_t cell = ref_room(book, look.ref, look.home);
    if (cell == FOUND)
        return judged(book, BOOK_DUPLICATE_REF);
    if (cell == NONE || book->order_count == book->params.orders_max)
        return lost(book, instrument, BOOK_ORDERS_FULL);
    const uint32_t level_cell = in_window(&book->headers[instrument], side, price)
                                    ? level_near_take(book, instrument, side, price)
                                    : level_far_take(book, instrument, side, price);
    if (level_cell == NONE)
        return lost(book, instrument, BOOK_LEVELS_FULL);
    ref_pass(book, look.ref, look.home, cell, 1);
    const uint32_t window = window_cell(instrument, side) + tick_of(price) % WINDOW;
    const uint32_t state = at_tick(price) ? ORDER_TICK | ORDER_LIVE : ORDER_LIVE;
    return enter(book, look, cell, level_cell, window << ORDER_STATE_BITS | state, side, price, qty);
}

/* Nearly all orders find their home free and their level in the window. Nothing is called on this way, and so nothing
 * is put aside. */
enum book_verdict book_add_looked(struct book *book, struct book_look look, uint8_t side_letter, int32_t price,
                                  uint32_t qty)
{
    const struct order *home = order_at(book, look.home);
    const uint32_t side = side_letter != 'B';

    if (UNLIKELY(look.instrument >= book->params.instruments_max) || UNLIKELY(qty == 0) ||
        UNLIKELY((home->where | home->passed_count) != 0) || UNLIKELY(book->order_count == book->params.orders_max))
        return add_any(book, look, side_letter, price, qty);
    if (UNLIKELY(!in_window(&book->headers[look.instrument], side, price)))
        return add_any(book, look, side_letter, price, qty);
    const uint32_t level_cell = level_near_take(book, look.instrument, side, price);
    if (UNLIKELY(level_cell == NONE))
        return add_any(book, look, side_letter, price, qty);
    return enter(book, look, look.home, level_cell, level_cell << ORDER_STATE_BITS | ORDER_TICK | ORDER_LIVE, side,
                 price, qty);
}

/* The last order of the best level has left. */
static __attribute__((noinline)) enum book_verdict best_left(struct book *book, uint32_t instrument, uint32_t side)
{
    level_touch(book, instrument, side);
    return judged(book, BOOK_OK);
}

/* Take up to `qty`, or all, off the order at `cell`; one that nothing is left of leaves its queue, the index and, if it
 * was the last one, its level. `near`: that lies in the window. */
static inline __attribute__((always_inline)) enum book_verdict
take(struct book *book, uint32_t cell, uint32_t home, uint32_t level_cell, bool near, uint32_t qty, bool all,
     struct book_change *ret_change)
{
    struct order *order = order_at(book, cell);
    const uint32_t instrument = order_instrument(order), side = order_side(order);
    const int32_t price = order->price;
    struct header *header = &book->headers[instrument];
    struct cell *level = &book->cells[level_cell];
    const uint32_t taken = all || qty > order->qty ? order->qty : qty;

    ret_change->ref = order->cell.ref;
    ret_change->instrument = instrument;
    ret_change->price = price;
    ret_change->qty = taken;
    ret_change->left_qty = order->qty - taken;
    ret_change->side = side == 0 ? 'B' : 'S';
    ret_change->clamped = !all && qty > order->qty;
    if (!all) /* telemetry reads it while we run */
        __atomic_store_n(&book->counters.clamped_count, book->counters.clamped_count + ret_change->clamped,
                         __ATOMIC_RELAXED);
    DCHECK(level->qty >= taken);
    level->qty -= taken;
    touch_tell(header, side, price, level->qty);
    if (!all) {
        order->qty -= taken;
        if (LIKELY(order->qty != 0))
            return judged(book, BOOK_OK);
    }
    ref_pass(book, order->cell.ref, home, cell, -1u);
    const struct queue queue = order->cell.queue;
    const uint32_t died = queue.prev == queue.next; /* there was the level, and this order */
    order->where = 0;
    book->cells[queue.prev].queue.next = queue.next;
    book->cells[queue.next].queue.prev = queue.prev;
    book->order_count--;
    book->level_count -= died;
    if (near)
        header->live[side] &= ~((uint64_t)died << level_cell % WINDOW);
    else if (died != 0)
        level_far_give(book, instrument, side, price);
    /* One question: an order at the best price leaves as often as not. */
    if (UNLIKELY(((uint32_t)(price ^ header->touch[side].price) | (died ^ 1)) == 0))
        return best_left(book, instrument, side);
    return judged(book, BOOK_OK);
}

/* Off any order: it is not at home, or its level is a far one, or there is none. */
static __attribute__((noinline)) enum book_verdict take_any(struct book *book, struct book_look look, uint32_t qty,
                                                            bool all, struct book_change *ret_change)
{
    const uint32_t cell = ref_find(book, look.ref, look.home);

    if (cell == NONE)
        return judged(book, BOOK_ORPHAN);
    const struct order *order = order_at(book, cell);
    const struct header *header = &book->headers[order_instrument(order)];
    const bool near = is_near(order, header);
    const uint32_t level_cell = near ? order->where >> ORDER_STATE_BITS
                                     : level_far_find(book, header, order_side(order), order->price);
    return take(book, cell, look.home, level_cell, near, qty, all, ret_change);
}

/* Nearly all orders are at home, and their level is in the window: as with book_add_looked. */
static inline __attribute__((always_inline)) enum book_verdict
take_looked(struct book *book, struct book_look look, uint32_t qty, bool all, struct book_change *ret_change)
{
    const struct order *order = order_at(book, look.home);

    if (UNLIKELY(order->cell.ref != look.ref) || UNLIKELY(!is_live(order)) ||
        UNLIKELY(!is_near(order, &book->headers[order_instrument(order)])))
        return take_any(book, look, qty, all, ret_change);
    return take(book, look.home, look.home, order->where >> ORDER_STATE_BITS, true, qty, all, ret_change);
}

enum book_verdict book_reduce_looked(struct book *book, struct book_look look, uint32_t qty,
                                     struct book_change *ret_change)
{
    return take_looked(book, look, qty, false, ret_change);
}

enum book_verdict book_delete_looked(struct book *book, struct book_look look, struct book_change *ret_change)
{
    return take_looked(book, look, 0, true, ret_change);
}

enum book_verdict book_replace_looked(struct book *book, struct book_look orig_look, uint64_t ref, int32_t price,
                                      uint32_t qty, struct book_change *ret_removed)
{
    const enum book_verdict verdict = book_delete_looked(book, orig_look, ret_removed);

    if (UNLIKELY(verdict != BOOK_OK))
        return verdict;
    return book_add(book, ret_removed->instrument, ref, ret_removed->side, price, qty);
}

enum book_verdict book_add(struct book *book, uint32_t instrument, uint64_t ref, uint8_t side, int32_t price,
                           uint32_t qty)
{
    return book_add_looked(book, look_none(book, ref, instrument), side, price, qty);
}

enum book_verdict book_reduce(struct book *book, uint64_t ref, uint32_t qty, struct book_change *ret_change)
{
    return book_reduce_looked(book, look_none(book, ref, 0), qty, ret_change);
}

enum book_verdict book_delete(struct book *book, uint64_t ref, struct book_change *ret_change)
{
    return book_delete_looked(book, look_none(book, ref, 0), ret_change);
}

enum book_verdict book_replace(struct book *book, uint64_t orig_ref, uint64_t ref, int32_t price, uint32_t qty,
                               struct book_change *ret_removed)
{
    return book_replace_looked(book, look_none(book, orig_ref, 0), ref, price, qty, ret_removed);
}
