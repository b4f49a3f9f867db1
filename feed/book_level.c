/* Books: levels that are far from the touch, or between ticks, and the windows that move with the touch. Contract in
 * book_state.h.
 *
 * Called by book.c where a price is not in the window of its side, or another one becomes the best. A window goes where
 * the touch goes: levels that fall out of it become rungs of the ladder, rungs that it reaches become levels of it.
 * Orders do not know: they name no level but their price, and of its queue only the two ends lead to the level. */
#include "feed/book_state.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* ---- chunks ---- */

/* Where ladders live that outgrew their home: a buddy system, so that what was cut up becomes whole again. A chunk's
 * index is relative to home_rungs; each is aligned to its size. */

static inline uint8_t *chunk_state(const struct book *book, uint32_t first)
{
    return &book->chunks[(first - book->home_rungs) / RUNGS_MIN];
}

/* Free chunks of a class are a list in both directions, in their first two rungs. */
static void chunk_push(struct book *book, uint32_t first, uint32_t class)
{
    const uint32_t next = book->chunk_free[class];

    book->rungs[first].level = next;
    book->rungs[first + 1].level = NONE;
    if (next != NONE)
        book->rungs[next + 1].level = first;
    book->chunk_free[class] = first;
    *chunk_state(book, first) = (uint8_t)class;
}

static void chunk_unlink(struct book *book, uint32_t first, uint32_t class)
{
    const uint32_t next = book->rungs[first].level;
    const uint32_t prev = book->rungs[first + 1].level;

    if (prev != NONE)
        book->rungs[prev].level = next;
    else
        book->chunk_free[class] = next;
    if (next != NONE)
        book->rungs[next + 1].level = prev;
    *chunk_state(book, first) = 0;
}

/* A chunk of RUNGS_MIN << class rungs, or NONE. */
static uint32_t chunk_take(struct book *book, uint32_t class)
{
    uint32_t from = class;

    while (from < LADDER_CLASSES && book->chunk_free[from] == NONE)
        from++;
    if (from == LADDER_CLASSES)
        return NONE;
    const uint32_t first = book->chunk_free[from];
    chunk_unlink(book, first, from);
    while (from-- > class)
        chunk_push(book, first + (RUNGS_MIN << from), from);
    return first;
}

static void chunk_give(struct book *book, uint32_t first, uint32_t class)
{
    for (; class + 1 < LADDER_CLASSES; class++) {
        const uint32_t size = RUNGS_MIN << class;
        const uint32_t buddy = ((first - book->home_rungs) ^ size) + book->home_rungs;
        if (buddy - book->home_rungs >= book->chunk_rungs || *chunk_state(book, buddy) != class)
            break;
        chunk_unlink(book, buddy, class);
        if (buddy < first)
            first = buddy;
    }
    chunk_push(book, first, class);
}

void level_chunks_reset(struct book *book)
{
    uint32_t at = 0;

    for (uint32_t class = 0; class < LADDER_CLASSES; class++)
        book->chunk_free[class] = NONE;
    for (uint32_t class = LADDER_CLASSES - 1; class > 0; class--)
        for (; book->chunk_rungs - at >= RUNGS_MIN << class; at += RUNGS_MIN << class)
            chunk_push(book, book->home_rungs + at, class);
}

/* ---- ladders ---- */

static bool ladder_move(struct book *book, struct ladder *ladder, uint32_t home, uint32_t class)
{
    const uint32_t first = class == 0 ? home : chunk_take(book, class);

    if (UNLIKELY(first == NONE))
        return false;
    memcpy(&book->rungs[first], &book->rungs[ladder->first], ladder->count * sizeof(struct rung));
    if (ladder->class != 0)
        chunk_give(book, ladder->first, ladder->class);
    ladder->first = first;
    ladder->class = class & 15u;
    return true;
}

/* Room for one more rung. */
static inline bool ladder_grow(struct book *book, struct ladder *ladder, uint32_t home)
{
    if (LIKELY(ladder->count < RUNGS_MIN << ladder->class))
        return true;
    return ladder->class + 1u < LADDER_CLASSES && ladder_move(book, ladder, home, ladder->class + 1u);
}

/* A ladder that has become short goes to a chunk of half the size, which it fills to 3/4: neither this nor growing
 * again can happen soon. If there is none it stays. */
static inline void ladder_shrink(struct book *book, struct ladder *ladder, uint32_t home)
{
    while (UNLIKELY(ladder->class != 0 && ladder->count * 8 <= (RUNGS_MIN << ladder->class) * 3))
        if (!ladder_move(book, ladder, home, ladder->class - 1u))
            return;
}

/* Bit i: rung i of this line has a key below `key`. */
static inline uint32_t line_below(const struct rung *line, int32_t key)
{
#ifdef __SSE2__
    const __m128 *rungs = (const __m128 *)(const void *)line; /* two each; the keys are words 0 and 2 */
    const __m128i wanted = _mm_set1_epi32(key);
    const __m128 low = _mm_shuffle_ps(rungs[0], rungs[1], 0x88);
    const __m128 high = _mm_shuffle_ps(rungs[2], rungs[3], 0x88);
    const __m128i below = _mm_packs_epi32(_mm_cmplt_epi32(_mm_castps_si128(low), wanted),
                                          _mm_cmplt_epi32(_mm_castps_si128(high), wanted));
    return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(below, _mm_setzero_si128()));
#else
    uint32_t mask = 0;
    for (uint32_t i = 0; i < RUNGS_MIN; i++)
        mask |= (uint32_t)(line[i].key < key) << i;
    return mask;
#endif
}

/* The line that the best rungs of a ladder are on begins here. */
static inline uint32_t near_line(uint32_t count)
{
    return (count - 1) / RUNGS_MIN * RUNGS_MIN;
}

/* How many rungs have a key below `key`: where it is, or belongs; `count` > 0. Most activity is near the touch, which
 * is the end. There two lines are compared as a whole, without a branch on any: how deep an order goes is not
 * predictable. What has not been written, and the second line of a ladder of one, is masked off. */
static inline uint32_t rung_find(const struct rung *rungs, uint32_t count, int32_t key)
{
    const uint32_t last = near_line(count);
    const uint32_t two = -(uint32_t)(last > 0); /* all bits or none */
    const uint32_t high = last - (RUNGS_MIN & two);
    const uint32_t mask = line_below(&rungs[last], key) & ((2u << (count - 1 - last)) - 1);
    const uint32_t mask_before = line_below(&rungs[high], key) & two;
    const uint32_t below_count = (uint32_t)__builtin_popcount(mask_before << RUNGS_MIN | mask);

    if (LIKELY(below_count > 0) || high == 0)
        return high + below_count;
    const struct rung *base = rungs;
    for (uint32_t left = high; left > 1;) {
        const uint32_t half = left / 2;
        base += half & -(uint32_t)(base[half - 1].key < key); /* no branch here either */
        left -= half;
    }
    return (uint32_t)(base - rungs) + (base->key < key);
}


uint32_t level_far_below(const struct book *book, const struct ladder *ladder, int32_t key)
{
    return ladder->count > 0 ? rung_find(&book->rungs[ladder->first], ladder->count, key) : 0;
}

/* Rung for a key that has none. False: no room. */
static bool rung_insert(struct book *book, struct ladder *ladder, uint32_t home, int32_t key, uint32_t cell)
{
    if (UNLIKELY(!ladder_grow(book, ladder, home)))
        return false;
    struct rung *rungs = &book->rungs[ladder->first];
    const uint32_t position = level_far_below(book, ladder, key);
    memmove(&rungs[position + 1], &rungs[position], (ladder->count - position) * sizeof(struct rung));
    rungs[position] = (struct rung){.key = key, .level = cell};
    ladder->count++;
    return true;
}

/* A cell for a far level. There is one for each level that may live: the caller has counted. */
static uint32_t far_cell_take(struct book *book)
{
    const uint32_t cell = book->level_free;

    if (cell == NONE)
        return book->level_fresh++;
    book->level_free = book->cells[cell].queue.next;
    return cell;
}

static void far_cell_give(struct book *book, uint32_t cell)
{
    book->cells[cell].queue.next = book->level_free;
    book->level_free = cell;
}

static void level_lay(struct book *book, uint32_t cell)
{
    book->cells[cell] = (struct cell){.queue = {.prev = cell, .next = cell}};
}

/* A level with all its orders goes to another cell. */
static void level_move(struct book *book, uint32_t from, uint32_t to)
{
    const struct cell level = book->cells[from];

    book->cells[to] = level;
    book->cells[level.queue.next].queue.prev = to;
    book->cells[level.queue.prev].queue.next = to;
}

/* ---- windows ---- */

#define WINDOW_WORSE 40u /* ticks of a window that has just been moved which are worse than the touch */

/* Levels of the window at prices below `base` or behind what a window there holds become rungs. False: no room; some
 * may be rungs already. */
static bool window_leave(struct book *book, uint32_t instrument, uint32_t side, uint32_t base)
{
    struct header *header = &book->headers[instrument];

    for (uint64_t live = live_in_order(header, side); live != 0; live &= live - 1) {
        const uint32_t price = header->base[side] + (uint32_t)__builtin_ctzll(live) * TICK;

        if (price - base < WINDOW_SPAN)
            continue;
        const uint32_t place = price / TICK % WINDOW;
        const uint32_t from = window_cell(instrument, side) + place;
        const uint32_t to = far_cell_take(book);
        if (UNLIKELY(!rung_insert(book, &header->ladder[side], ladder_home(instrument, side),
                                  key_of(side, (int32_t)price), to))) {
            far_cell_give(book, to);
            return false;
        }
        level_move(book, from, to);
        level_lay(book, from);
        header->live[side] &= ~(1ull << place);
    }
    return true;
}

/* Rungs at ticks that the window holds become levels of it. */
static void window_enter(struct book *book, uint32_t instrument, uint32_t side)
{
    struct header *header = &book->headers[instrument];
    struct ladder *ladder = &header->ladder[side];
    struct rung *rungs = &book->rungs[ladder->first];
    const uint32_t worst = header->base[side] + (side == 0 ? 0 : WINDOW_SPAN - TICK);
    uint32_t kept = level_far_below(book, ladder, key_of(side, (int32_t)worst));

    for (uint32_t i = kept; i < ladder->count; i++) {
        const int32_t price = key_of(side, rungs[i].key);
        if (!in_window(header, side, price)) {
            rungs[kept++] = rungs[i];
            continue;
        }
        const uint32_t place = tick_of(price) % WINDOW;
        level_move(book, rungs[i].level, window_cell(instrument, side) + place);
        far_cell_give(book, rungs[i].level);
        header->live[side] |= 1ull << place;
    }
    ladder->count = kept & ((1u << 28) - 1);
    ladder_shrink(book, ladder, ladder_home(instrument, side));
}

/* The window of a side moves to where `price`, the best one or about to be, has room on either side. Nothing happens if
 * it is at no whole tick, or if there is no room for what would fall out: a ladder holds any price, and is only slower.
 * */
static void window_move(struct book *book, uint32_t instrument, uint32_t side, int32_t price)
{
    struct header *header = &book->headers[instrument];
    const uint32_t tick = tick_of(price), worse = side == 0 ? WINDOW_WORSE : WINDOW - 1 - WINDOW_WORSE;

    if (!at_tick(price) || tick >= TICKS_END)
        return;
    uint32_t base = tick > worse ? tick - worse : 0;
    if (base > TICKS_END - WINDOW)
        base = TICKS_END - WINDOW;
    base *= TICK;
    if (base == header->base[side])
        return;
    if (header->base[side] == WINDOW_NONE)
        for (uint32_t place = 0; place < WINDOW; place++)
            level_lay(book, window_cell(instrument, side) + place);
    if (LIKELY(window_leave(book, instrument, side, base)))
        header->base[side] = base;
    window_enter(book, instrument, side);
}

/* ---- levels ---- */

uint32_t level_far_find(const struct book *book, const struct header *header, uint32_t side, int32_t price)
{
    const struct ladder *ladder = &header->ladder[side];
    const struct rung *rungs = &book->rungs[ladder->first];
    const uint32_t position = level_far_below(book, ladder, key_of(side, price));

    DCHECK(position < ladder->count && rungs[position].key == key_of(side, price));
    return rungs[position].level;
}

uint32_t level_far_take(struct book *book, uint32_t instrument, uint32_t side, int32_t price)
{
    struct header *header = &book->headers[instrument];
    struct ladder *ladder = &header->ladder[side];
    const int32_t key = key_of(side, price), touch_price = header->touch[side].price;
    const uint32_t position = level_far_below(book, ladder, key);

    if (position < ladder->count && book->rungs[ladder->first + position].key == key)
        return book->rungs[ladder->first + position].level;
    if (UNLIKELY(book->level_count == book->params.levels_max))
        return NONE;
    if (touch_price == BOOK_PRICE_NONE || key > key_of(side, touch_price))
        window_move(book, instrument, side, price);
    if (in_window(header, side, price)) {
        const uint32_t place = tick_of(price) % WINDOW;
        header->live[side] |= 1ull << place;
        book->level_count++;
        return window_cell(instrument, side) + place;
    }
    const uint32_t cell = far_cell_take(book);
    if (UNLIKELY(!rung_insert(book, ladder, ladder_home(instrument, side), key, cell))) {
        far_cell_give(book, cell);
        return NONE;
    }
    level_lay(book, cell);
    book->level_count++;
    return cell;
}

void level_far_give(struct book *book, uint32_t instrument, uint32_t side, int32_t price)
{
    struct ladder *ladder = &book->headers[instrument].ladder[side];
    struct rung *rungs = &book->rungs[ladder->first];
    const uint32_t position = level_far_below(book, ladder, key_of(side, price));

    DCHECK(position < ladder->count && book->cells[rungs[position].level].qty == 0);
    far_cell_give(book, rungs[position].level);
    ladder->count--;
    memmove(&rungs[position], &rungs[position + 1], (ladder->count - position) * sizeof(struct rung));
    ladder_shrink(book, ladder, ladder_home(instrument, side));
}

/* The best level of a side: its price and its cell. False: there is none. */
static bool best_find(const struct book *book, uint32_t instrument, uint32_t side, int32_t *ret_price,
                      uint32_t *ret_cell)
{
    const struct header *header = &book->headers[instrument];
    const struct ladder *ladder = &header->ladder[side];
    const uint64_t live = live_in_order(header, side);

    if (live == 0 && ladder->count == 0)
        return false;
    if (live != 0) {
        const uint32_t low = (uint32_t)__builtin_ctzll(live), high = 63u - (uint32_t)__builtin_clzll(live);
        const uint32_t price = header->base[side] + choose(side - 1, high, low) * TICK;
        *ret_price = (int32_t)price;
        *ret_cell = window_cell(instrument, side) + price / TICK % WINDOW;
    }
    if (UNLIKELY(ladder->count > 0)) {
        const struct rung *last = &book->rungs[ladder->first + ladder->count - 1];
        if (live == 0 || last->key > key_of(side, *ret_price)) {
            *ret_price = key_of(side, last->key);
            *ret_cell = last->level;
        }
    }
    return true;
}

/* So few ticks on the worse side of the touch that the next level is likely a far one. */
static inline bool window_short(const struct header *header, uint32_t side, int32_t price)
{
    const uint32_t above = ((uint32_t)price - header->base[side]) / TICK;
    return (side == 0 ? above : WINDOW - 1 - above) < WINDOW_WORSE / 4 || above >= WINDOW;
}

void level_touch(struct book *book, uint32_t instrument, uint32_t side)
{
    struct header *header = &book->headers[instrument];
    uint32_t cell = 0;
    int32_t price = BOOK_PRICE_NONE;

    if (LIKELY(best_find(book, instrument, side, &price, &cell))) {
        if (UNLIKELY(window_short(header, side, price)) && header->ladder[side].count > 0) {
            window_move(book, instrument, side, price);
            (void)best_find(book, instrument, side, &price, &cell);
        }
        touch_write(header, side, price, qty_saturated(book->cells[cell].qty));
    } else {
        touch_write(header, side, BOOK_PRICE_NONE, 0);
    }
    crossed_tell(book, header);
}
