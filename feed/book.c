/* L3 books in one block of memory. Contract in book.h.
 *
 * Called by feed/channel on the rx lcore that owns the channel. What an operation touches, in this order:
 *
 *   bucket   one line: where is the order with this reference?
 *   order    half a line: its quantity, its place in the queue, its level
 *   level    half a line: quantity and queue of one price of one side of one instrument
 *   header   one line per instrument: BBO and where its two ladders are
 *   ladder   the prices of one side, sorted, best last: only when a level is born or dies
 *
 * Every loop is bounded, also against chosen references and prices: a bucket is looked for in PROBE_BUCKETS places, a ladder
 * is moved once. Never allocates, asserts on wire data or looks at a clock. */
#include "feed/book.h"

#include "ring/check.h"

#include <stdalign.h>
#include <string.h>

#define NONE UINT32_MAX
#define BUCKET_ENTRIES 7u
#define PROBE_BUCKETS 16u        /* an order lies at most so many buckets behind its home */
#define ORDERS_LIMIT (1u << 28)
#define LEVELS_LIMIT (1u << 26)
#define RUNGS_MIN 4u             /* smallest ladder */
#define LADDER_CLASSES 15u       /* RUNGS_MIN << 0 ... RUNGS_MIN << 14 = 65,536 levels a side */
#define LINEAR_RUNGS 8u          /* looked at one by one from the touch before searching by halves */

/* Where the orders are: seven of them and how many went on to later buckets, in one line. */
struct bucket {
    alignas(CACHE_LINE_BYTES) uint32_t tag[BUCKET_ENTRIES]; /* high half of the hash */
    uint32_t slot[BUCKET_ENTRIES];                         /* index of the order plus one; 0 = free */
    uint32_t passed_count;                                 /* orders whose way led through this bucket while it was full */
};
_Static_assert(sizeof(struct bucket) == CACHE_LINE_BYTES, "a look-up touches one line");

struct order {
    uint64_t ref;
    uint32_t qty;
    uint32_t level;
    uint32_t prev, next; /* queue of the level, NONE at its ends; next also links free orders */
    uint32_t reserved[2];
};
_Static_assert(sizeof(struct order) == 32, "two orders a line, none across two");

struct level {
    uint64_t qty;
    uint32_t order_count;
    uint32_t head, tail; /* first and last order of the queue; head also links free levels */
    int32_t price;
    uint16_t instrument;
    uint8_t side;        /* 0 bid, 1 ask */
    uint8_t reserved[5];
};
_Static_assert(sizeof(struct level) == 32, "two levels a line");

/* Ladders are sorted by key, ascending, so that the best price of either side is the last one and activity near the touch
 * moves few bytes. */
struct rung {
    int32_t key;    /* bid: price; ask: its complement, which falls as the price rises */
    uint32_t level;
};

struct ladder {
    uint32_t first; /* its rungs begin here; NONE = it has none */
    uint32_t count;
    uint32_t class; /* room for RUNGS_MIN << class rungs */
};

struct header {
    alignas(CACHE_LINE_BYTES) struct book_bbo bbo;
    struct ladder ladder[2];
    bool crossed;
    bool untradable;
};
_Static_assert(sizeof(struct header) == CACHE_LINE_BYTES, "one line per instrument");

struct book {
    struct bucket *buckets; /* read-mostly */
    struct order *orders;
    struct level *levels;
    struct header *headers;
    struct rung *rungs;
    uint32_t bucket_mask;
    uint32_t bucket_shift;
    uint32_t rungs_max;
    struct book_params params;
    alignas(CACHE_LINE_BYTES) uint32_t order_free; /* list of orders given back, NONE = empty */
    uint32_t order_fresh;                          /* orders from here on were never used */
    uint32_t level_free, level_fresh;
    uint32_t rung_fresh;
    uint32_t ladder_free[LADDER_CLASSES];          /* lists of ladders given back, linked by their first rung */
    uint32_t order_count;
    struct book_counters counters;
};

const char *book_verdict_name(enum book_verdict verdict)
{
    static const char *const names[BOOK_VERDICT_COUNT] = {
        [BOOK_OK] = "ok",
        [BOOK_ORPHAN] = "orphan",
        [BOOK_DUPLICATE_REF] = "duplicate_ref",
        [BOOK_BAD_QTY] = "bad_qty",
        [BOOK_BAD_INSTRUMENT] = "bad_instrument",
        [BOOK_ORDERS_FULL] = "orders_full",
        [BOOK_LEVELS_FULL] = "levels_full",
    };
    return (unsigned)verdict < BOOK_VERDICT_COUNT ? names[verdict] : "unknown";
}

/* ---- layout ---- */

struct layout {
    size_t buckets, orders, levels, headers, rungs, bytes; /* offsets of the tables, and the end */
    uint32_t bucket_count;
    uint32_t bucket_bits;
    uint32_t rungs_max;
};

static size_t place(size_t *at, size_t bytes)
{
    const size_t here = *at;
    *at += (bytes + CACHE_LINE_BYTES - 1) / CACHE_LINE_BYTES * CACHE_LINE_BYTES;
    return here;
}

static bool layout_make(const struct book_params *params, struct layout *ret_layout)
{
    struct layout layout = {.bucket_bits = 1};
    size_t at = 0;

    if (params->instruments_max == 0 || params->instruments_max > BOOK_INSTRUMENTS_MAX || params->orders_max == 0 ||
        params->orders_max > ORDERS_LIMIT || params->levels_max == 0 || params->levels_max > LEVELS_LIMIT)
        return false;
    /* At most half full with every order live. */
    while ((uint64_t)BUCKET_ENTRIES << layout.bucket_bits < (uint64_t)params->orders_max * 2)
        layout.bucket_bits++;
    layout.bucket_count = 1u << layout.bucket_bits;
    /* A ladder is at most twice as large as it has levels, and leaves no more than that behind as it grows. */
    layout.rungs_max = params->levels_max * 4 + params->instruments_max * 2 * RUNGS_MIN;
    place(&at, sizeof(struct book));
    layout.buckets = place(&at, layout.bucket_count * sizeof(struct bucket));
    layout.orders = place(&at, params->orders_max * sizeof(struct order));
    layout.levels = place(&at, params->levels_max * sizeof(struct level));
    layout.headers = place(&at, params->instruments_max * sizeof(struct header));
    layout.rungs = place(&at, layout.rungs_max * sizeof(struct rung));
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
    memset(book, 0, sizeof(*book));
    book->buckets = (struct bucket *)(void *)(bytes + layout.buckets);
    book->orders = (struct order *)(void *)(bytes + layout.orders);
    book->levels = (struct level *)(void *)(bytes + layout.levels);
    book->headers = (struct header *)(void *)(bytes + layout.headers);
    book->rungs = (struct rung *)(void *)(bytes + layout.rungs);
    book->bucket_mask = layout.bucket_count - 1;
    book->bucket_shift = 32 - layout.bucket_bits;
    book->rungs_max = layout.rungs_max;
    book->params = *params;
    book_clear(book);
    return book;
}

void book_clear(struct book *book)
{
    memset(book->buckets, 0, ((size_t)book->bucket_mask + 1) * sizeof(struct bucket));
    for (uint32_t i = 0; i < book->params.instruments_max; i++)
        book->headers[i] = (struct header){
            .bbo = {.bid_price = BOOK_PRICE_NONE, .ask_price = BOOK_PRICE_NONE},
            .ladder = {{.first = NONE}, {.first = NONE}},
        };
    book->order_free = book->level_free = NONE;
    book->order_fresh = book->level_fresh = book->rung_fresh = 0;
    for (uint32_t i = 0; i < LADDER_CLASSES; i++)
        book->ladder_free[i] = NONE;
    book->order_count = 0;
}

/* ---- references to orders ---- */

/* Multiplication spreads references that count up, in one stream or in several, over the high bits. */
static inline uint32_t tag_of(uint64_t ref)
{
    return (uint32_t)((ref * 0x9e3779b97f4a7c15u) >> 32);
}

static inline uint32_t home_of(const struct book *book, uint32_t tag)
{
    return tag >> book->bucket_shift;
}

/* Index of the order, or NONE. `ret_bucket` and `ret_entry` say where it is entered. */
static inline uint32_t ref_find(const struct book *book, uint64_t ref, uint32_t *ret_bucket, uint32_t *ret_entry)
{
    const uint32_t tag = tag_of(ref);
    uint32_t at = home_of(book, tag);

    for (uint32_t probe = 0; probe < PROBE_BUCKETS; probe++) {
        const struct bucket *bucket = &book->buckets[at];
        for (uint32_t entry = 0; entry < BUCKET_ENTRIES; entry++) {
            if (bucket->tag[entry] != tag || bucket->slot[entry] == 0)
                continue;
            const uint32_t idx = bucket->slot[entry] - 1;
            if (LIKELY(book->orders[idx].ref == ref)) {
                *ret_bucket = at;
                *ret_entry = entry;
                return idx;
            }
        }
        if (LIKELY(bucket->passed_count == 0))
            return NONE;
        at = (at + 1) & book->bucket_mask;
    }
    return NONE;
}

/* Enter an order. False: no free entry within PROBE_BUCKETS. */
static inline bool ref_insert(struct book *book, uint64_t ref, uint32_t idx)
{
    const uint32_t tag = tag_of(ref);
    const uint32_t home = home_of(book, tag);

    for (uint32_t probe = 0; probe < PROBE_BUCKETS; probe++) {
        struct bucket *bucket = &book->buckets[(home + probe) & book->bucket_mask];
        for (uint32_t entry = 0; entry < BUCKET_ENTRIES; entry++) {
            if (bucket->slot[entry] != 0)
                continue;
            bucket->tag[entry] = tag;
            bucket->slot[entry] = idx + 1;
            for (; UNLIKELY(probe > 0); probe--)
                book->buckets[(home + probe - 1) & book->bucket_mask].passed_count++;
            return true;
        }
    }
    return false;
}

static inline void ref_remove(struct book *book, uint32_t at, uint32_t entry)
{
    struct bucket *bucket = &book->buckets[at];

    bucket->slot[entry] = 0;
    for (uint32_t home = home_of(book, bucket->tag[entry]); UNLIKELY(home != at); home = (home + 1) & book->bucket_mask)
        book->buckets[home].passed_count--;
}

void book_prefetch(const struct book *book, uint64_t ref)
{
    const struct bucket *bucket = &book->buckets[home_of(book, tag_of(ref))];

    /* As a volatile asm: GCC deletes calls of a function that does nothing but __builtin_prefetch. */
    __asm__ volatile("" : : "r"(bucket));
    __builtin_prefetch(bucket, 1);
}

/* ---- ladders ---- */

static inline int32_t key_of(uint32_t side, int32_t price)
{
    return side == 0 ? price : ~price;
}

static bool ladder_take(struct book *book, uint32_t class, uint32_t *ret_first)
{
    const uint32_t rungs = RUNGS_MIN << class;

    if (book->ladder_free[class] != NONE) {
        *ret_first = book->ladder_free[class];
        book->ladder_free[class] = book->rungs[*ret_first].level;
        return true;
    }
    if (book->rungs_max - book->rung_fresh < rungs)
        return false;
    *ret_first = book->rung_fresh;
    book->rung_fresh += rungs;
    return true;
}

static void ladder_give(struct book *book, const struct ladder *ladder)
{
    book->rungs[ladder->first].level = book->ladder_free[ladder->class];
    book->ladder_free[ladder->class] = ladder->first;
}

/* Room for one more rung. */
static bool ladder_grow(struct book *book, struct ladder *ladder)
{
    uint32_t first;

    if (ladder->first == NONE) {
        if (!ladder_take(book, 0, &first))
            return false;
        *ladder = (struct ladder){.first = first};
        return true;
    }
    if (LIKELY(ladder->count < RUNGS_MIN << ladder->class))
        return true;
    if (ladder->class + 1 == LADDER_CLASSES || !ladder_take(book, ladder->class + 1, &first))
        return false;
    memcpy(&book->rungs[first], &book->rungs[ladder->first], ladder->count * sizeof(struct rung));
    ladder_give(book, ladder);
    ladder->first = first;
    ladder->class++;
    return true;
}

/* How many rungs have a key below `key`: where it is, or belongs. Most activity is near the touch, which is the end. */
static inline uint32_t rung_find(const struct rung *rungs, uint32_t count, int32_t key)
{
    uint32_t high = count;
    for (uint32_t i = 0; i < LINEAR_RUNGS; i++) {
        if (high == 0 || rungs[high - 1].key < key)
            return high;
        high--;
    }
    uint32_t low = 0;
    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        if (rungs[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The level of this price, made if there is none; NONE: no room. */
static inline uint32_t level_take(struct book *book, uint32_t instrument, uint32_t side, int32_t price)
{
    struct ladder *ladder = &book->headers[instrument].ladder[side];
    const int32_t key = key_of(side, price);
    uint32_t position = 0;

    if (LIKELY(ladder->count > 0)) {
        const struct rung *rungs = &book->rungs[ladder->first];
        position = rung_find(rungs, ladder->count, key);
        if (position < ladder->count && rungs[position].key == key)
            return rungs[position].level;
    }
    const uint32_t idx = book->level_free != NONE ? book->level_free : book->level_fresh;
    if (UNLIKELY(idx == book->params.levels_max) || UNLIKELY(!ladder_grow(book, ladder)))
        return NONE;
    if (book->level_free != NONE)
        book->level_free = book->levels[idx].head;
    else
        book->level_fresh++;
    struct rung *rungs = &book->rungs[ladder->first];
    memmove(&rungs[position + 1], &rungs[position], (ladder->count - position) * sizeof(struct rung));
    rungs[position] = (struct rung){.key = key, .level = idx};
    ladder->count++;
    book->levels[idx] = (struct level){
        .head = NONE, .tail = NONE, .price = price, .instrument = (uint16_t)instrument, .side = (uint8_t)side};
    return idx;
}

static void level_give(struct book *book, uint32_t idx)
{
    struct level *level = &book->levels[idx];
    struct ladder *ladder = &book->headers[level->instrument].ladder[level->side];
    struct rung *rungs = &book->rungs[ladder->first];
    const uint32_t position = rung_find(rungs, ladder->count, key_of(level->side, level->price));

    DCHECK(position < ladder->count && rungs[position].level == idx);
    ladder->count--;
    memmove(&rungs[position], &rungs[position + 1], (ladder->count - position) * sizeof(struct rung));
    if (ladder->count == 0) {
        ladder_give(book, ladder);
        *ladder = (struct ladder){.first = NONE};
    }
    level->head = book->level_free;
    book->level_free = idx;
}

static inline uint32_t saturate(uint64_t qty)
{
    return qty < UINT32_MAX ? (uint32_t)qty : UINT32_MAX;
}

/* A level of this side has changed: the side's best again, and whether the two sides cross. */
static inline void bbo_update(struct book *book, uint32_t instrument, uint32_t side)
{
    struct header *header = &book->headers[instrument];
    const struct ladder *ladder = &header->ladder[side];
    int32_t price = BOOK_PRICE_NONE;
    uint32_t qty = 0;

    if (LIKELY(ladder->count > 0)) {
        const struct level *best = &book->levels[book->rungs[ladder->first + ladder->count - 1].level];
        price = best->price;
        qty = saturate(best->qty);
    }
    struct book_bbo *bbo = &header->bbo;
    if (side == 0) {
        bbo->bid_price = price;
        bbo->bid_qty = qty;
    } else {
        bbo->ask_price = price;
        bbo->ask_qty = qty;
    }
    const bool crossed = header->ladder[0].count > 0 && header->ladder[1].count > 0 && bbo->bid_price >= bbo->ask_price;
    book->counters.crossed_count += crossed && !header->crossed;
    header->crossed = crossed;
}

/* ---- orders ---- */

static inline enum book_verdict judged(struct book *book, enum book_verdict verdict)
{
    book->counters.verdict[verdict]++;
    return verdict;
}

static enum book_verdict refused_for_room(struct book *book, uint32_t instrument, enum book_verdict verdict)
{
    book->headers[instrument].untradable = true;
    return judged(book, verdict);
}

enum book_verdict book_add(struct book *book, uint32_t instrument, uint64_t ref, uint8_t side_letter, int32_t price,
                           uint32_t qty)
{
    const uint32_t side = side_letter == 'B' ? 0 : 1;
    uint32_t bucket, entry;

    if (UNLIKELY(instrument >= book->params.instruments_max))
        return judged(book, BOOK_BAD_INSTRUMENT);
    if (UNLIKELY(qty == 0))
        return judged(book, BOOK_BAD_QTY);
    if (UNLIKELY(ref_find(book, ref, &bucket, &entry) != NONE))
        return judged(book, BOOK_DUPLICATE_REF);
    const uint32_t idx = book->order_free != NONE ? book->order_free : book->order_fresh;
    if (UNLIKELY(idx == book->params.orders_max))
        return refused_for_room(book, instrument, BOOK_ORDERS_FULL);
    const uint32_t level_idx = level_take(book, instrument, side, price);
    if (UNLIKELY(level_idx == NONE))
        return refused_for_room(book, instrument, BOOK_LEVELS_FULL);
    struct level *level = &book->levels[level_idx];
    struct order *order = &book->orders[idx];
    const uint32_t order_free_next = order->next;
    order->ref = ref;
    if (UNLIKELY(!ref_insert(book, ref, idx))) {
        order->next = order_free_next;
        if (level->order_count == 0)
            level_give(book, level_idx);
        return refused_for_room(book, instrument, BOOK_ORDERS_FULL);
    }
    if (book->order_free != NONE)
        book->order_free = order_free_next;
    else
        book->order_fresh++;

    order->qty = qty;
    order->level = level_idx;
    order->prev = level->tail;
    order->next = NONE;
    if (level->tail != NONE)
        book->orders[level->tail].next = idx;
    else
        level->head = idx;
    level->tail = idx;
    level->order_count++;
    level->qty += qty;
    book->order_count++;
    bbo_update(book, instrument, side);
    return judged(book, BOOK_OK);
}

/* Out of its queue, its level if that is empty now, and the table of references. */
static inline void order_remove(struct book *book, uint32_t idx, uint32_t bucket, uint32_t entry)
{
    struct order *order = &book->orders[idx];
    struct level *level = &book->levels[order->level];

    ref_remove(book, bucket, entry);
    if (order->prev != NONE)
        book->orders[order->prev].next = order->next;
    else
        level->head = order->next;
    if (order->next != NONE)
        book->orders[order->next].prev = order->prev;
    else
        level->tail = order->prev;
    if (--level->order_count == 0)
        level_give(book, order->level);
    order->next = book->order_free;
    book->order_free = idx;
    book->order_count--;
}

/* Take up to `qty` off an order. */
static inline void order_take(struct book *book, uint32_t idx, uint32_t bucket, uint32_t entry, uint32_t qty,
                              struct book_change *ret_change)
{
    struct order *order = &book->orders[idx];
    struct level *level = &book->levels[order->level];
    const uint32_t instrument = level->instrument;
    const uint32_t side = level->side;
    const uint32_t taken = qty < order->qty ? qty : order->qty;

    *ret_change = (struct book_change){
        .ref = order->ref,
        .instrument = instrument,
        .price = level->price,
        .qty = taken,
        .left_qty = order->qty - taken,
        .side = side == 0 ? 'B' : 'S',
        .clamped = qty > order->qty,
    };
    order->qty -= taken;
    level->qty -= taken;
    if (order->qty == 0)
        order_remove(book, idx, bucket, entry);
    bbo_update(book, instrument, side);
}

enum book_verdict book_reduce(struct book *book, uint64_t ref, uint32_t qty, struct book_change *ret_change)
{
    uint32_t bucket, entry;
    const uint32_t idx = ref_find(book, ref, &bucket, &entry);

    if (UNLIKELY(idx == NONE))
        return judged(book, BOOK_ORPHAN);
    order_take(book, idx, bucket, entry, qty, ret_change);
    book->counters.clamped_count += ret_change->clamped;
    return judged(book, BOOK_OK);
}

enum book_verdict book_delete(struct book *book, uint64_t ref, struct book_change *ret_change)
{
    uint32_t bucket, entry;
    const uint32_t idx = ref_find(book, ref, &bucket, &entry);

    if (UNLIKELY(idx == NONE))
        return judged(book, BOOK_ORPHAN);
    order_take(book, idx, bucket, entry, book->orders[idx].qty, ret_change);
    return judged(book, BOOK_OK);
}

enum book_verdict book_replace(struct book *book, uint64_t orig_ref, uint64_t ref, int32_t price, uint32_t qty,
                               struct book_change *ret_removed)
{
    const enum book_verdict verdict = book_delete(book, orig_ref, ret_removed);

    if (UNLIKELY(verdict != BOOK_OK))
        return verdict;
    return book_add(book, ret_removed->instrument, ref, ret_removed->side, price, qty);
}

/* ---- reading ---- */

const struct book_bbo *book_bbo(const struct book *book, uint32_t instrument)
{
    return &book->headers[instrument].bbo;
}

bool book_untradable(const struct book *book, uint32_t instrument)
{
    return book->headers[instrument].untradable;
}

void book_mark_untradable(struct book *book, uint32_t instrument)
{
    book->headers[instrument].untradable = true;
}

const struct book_counters *book_counters(const struct book *book)
{
    return &book->counters;
}

uint32_t book_order_count(const struct book *book)
{
    return book->order_count;
}

/* The i-th level of a side, best first. */
static const struct level *level_at(const struct book *book, const struct ladder *ladder, uint32_t i)
{
    return &book->levels[book->rungs[ladder->first + ladder->count - 1 - i].level];
}

uint32_t book_levels(const struct book *book, uint32_t instrument, uint8_t side, uint32_t max_count,
                     struct book_level_view *ret_levels)
{
    const struct ladder *ladder = &book->headers[instrument].ladder[side == 'B' ? 0 : 1];
    const uint32_t count = ladder->count < max_count ? ladder->count : max_count;

    for (uint32_t i = 0; i < count; i++) {
        const struct level *level = level_at(book, ladder, i);
        ret_levels[i] =
            (struct book_level_view){.price = level->price, .order_count = level->order_count, .qty = level->qty};
    }
    return count;
}

struct book_totals book_totals(const struct book *book, uint32_t instrument, uint8_t side)
{
    const struct ladder *ladder = &book->headers[instrument].ladder[side == 'B' ? 0 : 1];
    struct book_totals totals = {.level_count = ladder->count};

    for (uint32_t i = 0; i < ladder->count; i++) {
        const struct level *level = level_at(book, ladder, i);
        totals.order_count += level->order_count;
        totals.qty += level->qty;
    }
    return totals;
}

bool book_queue_ahead(const struct book *book, uint64_t ref, uint64_t *ret_qty)
{
    uint32_t bucket, entry;
    const uint32_t idx = ref_find(book, ref, &bucket, &entry);
    uint64_t ahead = 0;

    if (idx == NONE)
        return false;
    for (uint32_t i = book->orders[idx].prev; i != NONE; i = book->orders[i].prev)
        ahead += book->orders[i].qty;
    *ret_qty = ahead;
    return true;
}

uint32_t book_queue(const struct book *book, uint32_t instrument, uint8_t side, int32_t price, uint32_t max_count,
                    uint64_t *ret_refs)
{
    const uint32_t side_idx = side == 'B' ? 0 : 1;
    const struct ladder *ladder = &book->headers[instrument].ladder[side_idx];
    const int32_t key = key_of(side_idx, price);
    uint32_t count = 0;

    if (ladder->count == 0)
        return 0;
    const struct rung *rungs = &book->rungs[ladder->first];
    const uint32_t position = rung_find(rungs, ladder->count, key);
    if (position == ladder->count || rungs[position].key != key)
        return 0;
    for (uint32_t i = book->levels[rungs[position].level].head; i != NONE && count < max_count; i = book->orders[i].next)
        ret_refs[count++] = book->orders[i].ref;
    return count;
}
