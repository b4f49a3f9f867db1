/* L3 books in one block of memory. Contract in book.h.
 *
 * Called by feed/channel on the rx lcore that owns the channel. What an operation touches, in this order:
 *
 *   bucket   one line: where is the order with this reference?
 *   order    half a line: quantity, place in the queue, and whose it is, so that the next three can be fetched at once
 *   level    half a line: quantity and queue of one price of one side of one instrument
 *   header   one line per instrument: BBO, best levels, where its two ladders are
 *   queue    the neighbours of an order that leaves; the last order where one arrives
 *   ladder   the prices of one side, sorted, best last: only off the touch, and when a level is born or dies
 *
 * Every loop is bounded, also against chosen references and prices: a bucket is looked for in PROBE_BUCKETS places, a
 * ladder is moved once. Never allocates, asserts on wire data or looks at a clock. */
#include "feed/book.h"

#include "ring/check.h"

#include <stdalign.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define NONE UINT32_MAX
#define BUCKET_ENTRIES 10u
#define PROBE_BUCKETS 16u        /* an order lies less than so many buckets behind its home */
#define REF_GROUP_BITS 3u        /* references that differ only below share their home: eight, so that they fit in */
#define ORDERS_LIMIT (1u << 28)
#define LEVELS_LIMIT (1u << 26)
#define RUNGS_MIN 8u             /* a ladder at home: one line */
#define LADDER_CLASSES 14u       /* RUNGS_MIN << 0 ... RUNGS_MIN << 13 = 65,536 levels a side; class 0 is at home */
#define NEAR_RUNGS 8u            /* next to the touch: all looked at, before the others are searched by halves */

/* Where the orders are: ten of them and how many went on to later buckets, in one line. */
struct bucket {
    alignas(CACHE_LINE_BYTES) uint16_t tag[BUCKET_ENTRIES]; /* of the reference; 0 = free */
    uint32_t passed_count;                                 /* orders whose way led through here while it was full */
    uint32_t slot[BUCKET_ENTRIES];                         /* index of the order */
};
_Static_assert(sizeof(struct bucket) == CACHE_LINE_BYTES, "a look-up touches one line");

struct order {
    uint64_t ref;
    uint32_t qty;
    uint32_t level;
    uint32_t prev, next; /* queue of the level, NONE at its ends; next also links free orders */
    int32_t price;       /* price, instrument and side are the level's too: here they save waiting for it */
    uint16_t instrument;
    uint8_t side;        /* 0 bid, 1 ask */
    uint8_t marked;      /* the caller's own */
};
_Static_assert(sizeof(struct order) == 32, "two orders a line, none across two");

struct level {
    uint64_t qty;
    uint32_t order_count;
    uint32_t head, tail; /* first and last order of the queue; head also links free levels */
    int32_t price;
    uint32_t reserved[2];
};
_Static_assert(sizeof(struct level) == 32, "two levels a line");

/* Ladders are sorted by key, ascending, so that the best price of either side is the last one and activity near the
 * touch moves few bytes. */
struct rung {
    int32_t key;    /* bid: price; ask: its complement, which falls as the price rises */
    uint32_t level;
};
_Static_assert(RUNGS_MIN * sizeof(struct rung) == CACHE_LINE_BYTES, "a short ladder is one line");
_Static_assert(NEAR_RUNGS <= RUNGS_MIN, "rung_find may look at so many rungs of any ladder");

struct ladder {
    uint32_t first; /* its rungs begin here */
    uint32_t count;
    uint32_t best;  /* level of the best price, NONE = the side is empty */
    uint32_t class; /* room for RUNGS_MIN << class rungs */
};

struct touch {
    int32_t price;
    uint32_t qty;
};

struct header {
    alignas(CACHE_LINE_BYTES) union {
        struct book_bbo bbo;
        struct touch touch[2]; /* the same, by side */
    };
    struct ladder ladder[2];
    bool crossed;
    bool untradable;
};
_Static_assert(sizeof(struct header) == CACHE_LINE_BYTES, "one line per instrument");
_Static_assert(offsetof(struct book_bbo, bid_price) == 0 && offsetof(struct book_bbo, bid_qty) == 4 &&
                   offsetof(struct book_bbo, ask_price) == 8 && offsetof(struct book_bbo, ask_qty) == 12 &&
                   sizeof(struct touch) == 8,
               "touch[0] is the bid, touch[1] the ask");

struct book {
    struct bucket *buckets; /* read-mostly */
    struct order *orders;
    struct level *levels;
    struct header *headers;
    struct rung *rungs;     /* first the homes, a line for each side of each instrument; then the chunks */
    uint8_t *chunks;        /* a byte for RUNGS_MIN rungs behind the homes: class of the free chunk beginning there */
    uint32_t bucket_count;
    uint32_t home_rungs;    /* the chunks begin here */
    uint32_t chunk_rungs;   /* rungs in chunks */
    struct book_params params;
    alignas(CACHE_LINE_BYTES) uint32_t order_free; /* list of orders given back, NONE = empty */
    uint32_t order_fresh;                          /* orders from here on were never used */
    uint32_t level_free, level_fresh;
    uint32_t order_count;
    uint64_t clear_at;                             /* book_clear_slice goes on here */
    uint32_t chunk_free[LADDER_CLASSES]; /* lists of free chunks, by their first rung; NONE = empty; class 0 unused */
    struct book_counters counters;
};

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
    size_t buckets, orders, levels, headers, rungs, chunks, bytes; /* offsets of the tables, and the end */
    uint32_t bucket_count;
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
    /* At most half full with every order live. */
    layout.bucket_count = (uint32_t)(((uint64_t)params->orders_max * 2 + BUCKET_ENTRIES - 1) / BUCKET_ENTRIES);
    if (layout.bucket_count < PROBE_BUCKETS)
        layout.bucket_count = PROBE_BUCKETS; /* else a way round the table would meet itself */
    layout.home_rungs = params->instruments_max * 2 * RUNGS_MIN;
    /* A ladder away from home is more than 3/8 full (ladder_shrink), so all of them take less than 8/3 of levels_max;
     * the rest is for what lies between them, and for the one that is being moved. */
    layout.chunk_rungs = (params->levels_max * 4 + RUNGS_MIN * 2 - 1) / (RUNGS_MIN * 2) * (RUNGS_MIN * 2);
    lay(&at, sizeof(struct book));
    layout.buckets = lay(&at, layout.bucket_count * sizeof(struct bucket));
    layout.orders = lay(&at, params->orders_max * sizeof(struct order));
    layout.levels = lay(&at, params->levels_max * sizeof(struct level));
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
    book->buckets = (struct bucket *)(void *)(bytes + layout.buckets);
    book->orders = (struct order *)(void *)(bytes + layout.orders);
    book->levels = (struct level *)(void *)(bytes + layout.levels);
    book->headers = (struct header *)(void *)(bytes + layout.headers);
    book->rungs = (struct rung *)(void *)(bytes + layout.rungs);
    book->chunks = bytes + layout.chunks;
    book->bucket_count = layout.bucket_count;
    book->home_rungs = layout.home_rungs;
    book->chunk_rungs = layout.chunk_rungs;
    book->params = *params;
    book_clear(book);
    return book;
}

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

/* Everything behind the homes is free; their states are 0. */
static void chunks_reset(struct book *book)
{
    uint32_t at = 0;

    for (uint32_t class = 0; class < LADDER_CLASSES; class++)
        book->chunk_free[class] = NONE;
    for (uint32_t class = LADDER_CLASSES - 1; class > 0; class--)
        for (; book->chunk_rungs - at >= RUNGS_MIN << class; at += RUNGS_MIN << class)
            chunk_push(book, book->home_rungs + at, class);
}

static inline uint32_t ladder_home(uint32_t instrument, uint32_t side)
{
    return (instrument * 2 + side) * RUNGS_MIN;
}

bool book_clear_slice(struct book *book, uint32_t lines)
{
    const uint32_t header_count = book->params.instruments_max;
    const uint64_t chunks_at = (uint64_t)book->bucket_count + header_count;
    const uint64_t line_count = chunks_at + (book->chunk_rungs / RUNGS_MIN + CACHE_LINE_BYTES - 1) / CACHE_LINE_BYTES;
    const uint64_t end = book->clear_at + lines < line_count ? book->clear_at + lines : line_count;

    for (uint64_t i = book->clear_at; i < end; i++) {
        if (i < book->bucket_count) {
            book->buckets[i] = (struct bucket){.passed_count = 0};
            continue;
        }
        if (i >= chunks_at) {
            memset(book->chunks + (i - chunks_at) * CACHE_LINE_BYTES, 0, CACHE_LINE_BYTES);
            continue;
        }
        const uint32_t instrument = (uint32_t)(i - book->bucket_count);
        book->headers[instrument] = (struct header){
            .bbo = {.bid_price = BOOK_PRICE_NONE, .ask_price = BOOK_PRICE_NONE},
            .ladder = {{.first = ladder_home(instrument, 0), .best = NONE},
                       {.first = ladder_home(instrument, 1), .best = NONE}},
        };
    }
    book->clear_at = end;
    if (end < line_count)
        return false;
    book->clear_at = 0;
    book->order_free = book->level_free = NONE;
    book->order_fresh = book->level_fresh = 0;
    book->order_count = 0;
    chunks_reset(book);
    return true;
}

void book_clear(struct book *book)
{
    book->clear_at = 0; /* one that was begun in slices is begun again */
    while (!book_clear_slice(book, UINT32_MAX))
        ;
}

/* ---- references to orders ---- */

/* Exchanges count references up, in several streams that take turns, often in steps of 4: neighbours share a home, so
 * that an add often finds its bucket in the cache. Multiplication spreads the groups over all buckets. */
static inline uint32_t home_of(const struct book *book, uint64_t ref)
{
    const uint64_t hash = ((ref >> REF_GROUP_BITS) * 0x9e3779b97f4a7c15u) >> 32;
    return (uint32_t)((hash * book->bucket_count) >> 32);
}

/* By another factor than the home: else the tags of a bucket would be much the same. */
static inline uint16_t tag_of(uint64_t ref)
{
    const uint16_t tag = (uint16_t)((ref * 0xd6e8feb86659fd93u) >> 48);
    return tag != 0 ? tag : 1;
}

static inline uint32_t bucket_after(const struct book *book, uint32_t at)
{
    return at + 1 < book->bucket_count ? at + 1 : 0;
}

/* Bit i: entry i has this tag. */
static inline uint32_t bucket_match(const struct bucket *bucket, uint16_t tag)
{
#ifdef __SSE2__
    const __m128i *lines = (const __m128i *)(const void *)bucket;
    const __m128i wanted = _mm_set1_epi16((short)tag);
    const __m128i low = _mm_cmpeq_epi16(_mm_load_si128(lines), wanted);
    const __m128i high = _mm_cmpeq_epi16(_mm_load_si128(lines + 1), wanted); /* what follows the tags is masked off */
    return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(low, high)) & ((1u << BUCKET_ENTRIES) - 1);
#else
    uint32_t mask = 0;
    for (uint32_t entry = 0; entry < BUCKET_ENTRIES; entry++)
        mask |= (uint32_t)(bucket->tag[entry] == tag) << entry;
    return mask;
#endif
}

/* Where a reference is entered, or could be. */
struct place {
    uint32_t home, bucket, entry;
};

/* Index of the order, or NONE. Of `ret_place` the home is always written. */
static inline uint32_t ref_find(const struct book *book, uint64_t ref, struct place *ret_place)
{
    const uint16_t tag = tag_of(ref);
    uint32_t at = ret_place->home = home_of(book, ref);

    for (uint32_t probe = 0; probe < PROBE_BUCKETS; probe++) {
        const struct bucket *bucket = &book->buckets[at];
        for (uint32_t match = bucket_match(bucket, tag); match != 0; match &= match - 1) {
            const uint32_t entry = (uint32_t)__builtin_ctz(match);
            const uint32_t idx = bucket->slot[entry];
            if (LIKELY(book->orders[idx].ref == ref)) {
                ret_place->bucket = at;
                ret_place->entry = entry;
                return idx;
            }
        }
        if (LIKELY(bucket->passed_count == 0))
            return NONE;
        at = bucket_after(book, at);
    }
    return NONE;
}

/* A free entry for the reference whose home is in `place`, not taken yet. False: none within PROBE_BUCKETS. */
static inline bool ref_room(const struct book *book, struct place *place)
{
    uint32_t at = place->home;

    for (uint32_t probe = 0; probe < PROBE_BUCKETS; probe++, at = bucket_after(book, at)) {
        const uint32_t match = bucket_match(&book->buckets[at], 0);
        if (UNLIKELY(match == 0))
            continue;
        place->bucket = at;
        place->entry = (uint32_t)__builtin_ctz(match);
        return true;
    }
    return false;
}

static inline void ref_insert(struct book *book, uint64_t ref, uint32_t idx, struct place place)
{
    book->buckets[place.bucket].tag[place.entry] = tag_of(ref);
    book->buckets[place.bucket].slot[place.entry] = idx;
    for (uint32_t at = place.home; UNLIKELY(at != place.bucket); at = bucket_after(book, at))
        book->buckets[at].passed_count++;
}

static inline void ref_remove(struct book *book, struct place place)
{
    book->buckets[place.bucket].tag[place.entry] = 0;
    for (uint32_t at = place.home; UNLIKELY(at != place.bucket); at = bucket_after(book, at)) {
        DCHECK(book->buckets[at].passed_count > 0);
        book->buckets[at].passed_count--;
    }
}

/* ---- looking ahead ---- */

/* With an empty asm: GCC deletes calls of a function that does nothing but __builtin_prefetch. */
static inline void prefetch(const void *line)
{
    __asm__ volatile("" : : "r"(line));
    __builtin_prefetch(line, 1);
}

void book_prefetch(const struct book *book, uint64_t ref)
{
    prefetch(&book->buckets[home_of(book, ref)]);
}

/* The order that most likely has this reference, judged by its home bucket alone; NONE: a later bucket, or unknown. */
static inline uint32_t ref_guess(const struct book *book, uint64_t ref)
{
    const struct bucket *bucket = &book->buckets[home_of(book, ref)];
    const uint32_t match = bucket_match(bucket, tag_of(ref));

    return LIKELY(match != 0) ? bucket->slot[__builtin_ctz(match)] : NONE;
}

void book_prefetch_order(const struct book *book, uint64_t ref)
{
    const uint32_t idx = ref_guess(book, ref);

    if (LIKELY(idx != NONE))
        prefetch(&book->orders[idx]);
}

void book_prefetch_level(const struct book *book, uint64_t ref)
{
    const uint32_t idx = ref_guess(book, ref);

    if (UNLIKELY(idx == NONE))
        return;
    const struct order *order = &book->orders[idx];
    prefetch(&book->levels[order->level]);
    prefetch(&book->headers[order->instrument]);
    if (order->prev != NONE)
        prefetch(&book->orders[order->prev]);
    if (order->next != NONE)
        prefetch(&book->orders[order->next]);
}

void book_prefetch_instrument(const struct book *book, uint32_t instrument)
{
    if (LIKELY(instrument < book->params.instruments_max))
        prefetch(&book->headers[instrument]);
}

void book_prefetch_price(const struct book *book, uint32_t instrument, uint8_t side_letter, int32_t price)
{
    if (UNLIKELY(instrument >= book->params.instruments_max))
        return;
    const uint32_t side = side_letter != 'B';
    const struct header *header = &book->headers[instrument];
    const struct ladder *ladder = &header->ladder[side];
    if (UNLIKELY(ladder->count == 0))
        return;
    if (header->touch[side].price == price)
        prefetch(&book->levels[ladder->best]);
    else
        prefetch(&book->rungs[ladder->first + ladder->count - 1]);
}

/* ---- ladders ---- */

/* An ask's is the complement. Without a branch: sides take turns at random. */
static inline int32_t key_of(uint32_t side, int32_t price)
{
    return price ^ -(int32_t)side;
}

static bool ladder_move(struct book *book, struct ladder *ladder, uint32_t home, uint32_t class)
{
    const uint32_t first = class == 0 ? home : chunk_take(book, class);

    if (UNLIKELY(first == NONE))
        return false;
    memcpy(&book->rungs[first], &book->rungs[ladder->first], ladder->count * sizeof(struct rung));
    if (ladder->class != 0)
        chunk_give(book, ladder->first, ladder->class);
    ladder->first = first;
    ladder->class = class;
    return true;
}

/* Room for one more rung. */
static inline bool ladder_grow(struct book *book, struct ladder *ladder, uint32_t home)
{
    if (LIKELY(ladder->count < RUNGS_MIN << ladder->class))
        return true;
    return ladder->class + 1 < LADDER_CLASSES && ladder_move(book, ladder, home, ladder->class + 1);
}

/* A ladder that has become short goes to a chunk of half the size, which it fills to 3/4: neither this nor growing
 * again can happen soon. If there is none it stays. */
static inline void ladder_shrink(struct book *book, struct ladder *ladder, uint32_t home)
{
    if (UNLIKELY(ladder->class != 0 && ladder->count * 8 <= (RUNGS_MIN << ladder->class) * 3))
        (void)ladder_move(book, ladder, home, ladder->class - 1);
}

/* How many rungs have a key below `key`: where it is, or belongs. Most activity is near the touch, which is the end.
 * There all rungs are compared, without a branch on any: how deep an order goes is not predictable. A ladder shorter
 * than NEAR_RUNGS has room for them, and what has not been written is masked off. */
static inline uint32_t rung_find(const struct rung *rungs, uint32_t count, int32_t key)
{
    uint32_t low = 0, high = count > NEAR_RUNGS ? count - NEAR_RUNGS : 0;
    const uint32_t near_count = count - high;
    uint32_t below_count = 0;

    for (uint32_t i = 0; i < NEAR_RUNGS; i++)
        below_count += (uint32_t)(rungs[high + i].key < key) & (uint32_t)(i < near_count);
    if (LIKELY(below_count > 0) || high == 0)
        return high + below_count;
    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        if (rungs[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static inline uint32_t saturate(uint64_t qty)
{
    return qty < UINT32_MAX ? (uint32_t)qty : UINT32_MAX;
}

/* Another level of this side has become the best one, or none is left. */
static void touch_move(struct book *book, struct header *header, uint32_t side)
{
    struct ladder *ladder = &header->ladder[side];

    if (LIKELY(ladder->count > 0)) {
        ladder->best = book->rungs[ladder->first + ladder->count - 1].level;
        const struct level *best = &book->levels[ladder->best];
        header->touch[side] = (struct touch){.price = best->price, .qty = saturate(best->qty)};
    } else {
        ladder->best = NONE;
        header->touch[side] = (struct touch){.price = BOOK_PRICE_NONE};
    }
    const bool crossed = header->ladder[0].count > 0 && header->ladder[1].count > 0 &&
                         header->bbo.bid_price >= header->bbo.ask_price;
    book->counters.crossed_count += crossed && !header->crossed;
    header->crossed = crossed;
}

/* The level of this price, made if there is none; NONE: no room. */
static inline uint32_t level_take(struct book *book, uint32_t instrument, uint32_t side, int32_t price)
{
    struct header *header = &book->headers[instrument];
    struct ladder *ladder = &header->ladder[side];
    const int32_t key = key_of(side, price);
    uint32_t position = 0;

    if (header->touch[side].price == price)
        return ladder->best; /* an empty side has BOOK_PRICE_NONE, which no order has */
    if (LIKELY(ladder->count > 0)) {
        const struct rung *rungs = &book->rungs[ladder->first];
        position = rung_find(rungs, ladder->count, key);
        if (position < ladder->count && rungs[position].key == key)
            return rungs[position].level;
    }
    const uint32_t idx = book->level_free != NONE ? book->level_free : book->level_fresh;
    if (UNLIKELY(idx == book->params.levels_max) ||
        UNLIKELY(!ladder_grow(book, ladder, ladder_home(instrument, side))))
        return NONE;
    if (book->level_free != NONE)
        book->level_free = book->levels[idx].head;
    else
        book->level_fresh++;
    struct rung *rungs = &book->rungs[ladder->first];
    memmove(&rungs[position + 1], &rungs[position], (ladder->count - position) * sizeof(struct rung));
    rungs[position] = (struct rung){.key = key, .level = idx};
    ladder->count++;
    book->levels[idx] = (struct level){.head = NONE, .tail = NONE, .price = price};
    return idx;
}

/* The last order of a level has left. */
static void level_give(struct book *book, uint32_t instrument, uint32_t side, uint32_t idx)
{
    struct level *level = &book->levels[idx];
    struct header *header = &book->headers[instrument];
    struct ladder *ladder = &header->ladder[side];
    struct rung *rungs = &book->rungs[ladder->first];
    const uint32_t position =
        idx == ladder->best ? ladder->count - 1 : rung_find(rungs, ladder->count, key_of(side, level->price));

    DCHECK(level->order_count == 0 && level->qty == 0);
    DCHECK(position < ladder->count && rungs[position].level == idx);
    ladder->count--;
    memmove(&rungs[position], &rungs[position + 1], (ladder->count - position) * sizeof(struct rung));
    ladder_shrink(book, ladder, ladder_home(instrument, side));
    level->head = book->level_free;
    book->level_free = idx;
    if (idx == ladder->best)
        touch_move(book, header, side);
}

/* ---- orders ---- */

static inline enum book_verdict judged(struct book *book, enum book_verdict verdict)
{
    book->counters.verdict[verdict]++;
    return verdict;
}

static enum book_verdict lost(struct book *book, uint32_t instrument, enum book_verdict verdict)
{
    book->headers[instrument].untradable = true;
    return judged(book, verdict);
}

enum book_verdict book_add(struct book *book, uint32_t instrument, uint64_t ref, uint8_t side_letter, int32_t price,
                           uint32_t qty)
{
    const uint32_t side = side_letter != 'B';
    struct place place;

    if (UNLIKELY(instrument >= book->params.instruments_max))
        return judged(book, BOOK_BAD_INSTRUMENT);
    if (UNLIKELY(qty == 0))
        return judged(book, BOOK_BAD_QTY);
    if (UNLIKELY(price == BOOK_PRICE_NONE))
        return lost(book, instrument, BOOK_BAD_PRICE);
    if (UNLIKELY(ref_find(book, ref, &place) != NONE))
        return judged(book, BOOK_DUPLICATE_REF);
    const uint32_t idx = book->order_free != NONE ? book->order_free : book->order_fresh;
    if (UNLIKELY(idx == book->params.orders_max) || UNLIKELY(!ref_room(book, &place)))
        return lost(book, instrument, BOOK_ORDERS_FULL);
    const uint32_t level_idx = level_take(book, instrument, side, price);
    if (UNLIKELY(level_idx == NONE))
        return lost(book, instrument, BOOK_LEVELS_FULL);
    /* From here on nothing can fail. */
    struct header *header = &book->headers[instrument];
    struct level *level = &book->levels[level_idx];
    struct order *order = &book->orders[idx];
    if (book->order_free != NONE)
        book->order_free = order->next;
    else
        book->order_fresh++;
    ref_insert(book, ref, idx, place);

    *order = (struct order){.ref = ref,
                            .qty = qty,
                            .level = level_idx,
                            .prev = level->tail,
                            .next = NONE,
                            .price = price,
                            .instrument = (uint16_t)instrument,
                            .side = (uint8_t)side};
    if (level->tail != NONE)
        book->orders[level->tail].next = idx;
    else
        level->head = idx;
    level->tail = idx;
    level->order_count++;
    level->qty += qty;
    book->order_count++;
    const struct ladder *ladder = &header->ladder[side];
    if (level_idx == ladder->best)
        header->touch[side].qty = saturate(level->qty);
    else if (level_idx == book->rungs[ladder->first + ladder->count - 1].level)
        touch_move(book, header, side);
    return judged(book, BOOK_OK);
}

/* Its place in the index, its queue and, if it was the last one, its level. */
static inline void order_remove(struct book *book, uint32_t idx, struct place place)
{
    struct order *order = &book->orders[idx];
    struct level *level = &book->levels[order->level];

    ref_remove(book, place);
    if (order->prev != NONE)
        book->orders[order->prev].next = order->next;
    else
        level->head = order->next;
    if (order->next != NONE)
        book->orders[order->next].prev = order->prev;
    else
        level->tail = order->prev;
    if (--level->order_count == 0)
        level_give(book, order->instrument, order->side, order->level);
    order->next = book->order_free;
    book->order_free = idx;
    book->order_count--;
}

/* Take up to `qty` off an order. */
static inline void order_take(struct book *book, uint32_t idx, struct place place, uint32_t qty,
                              struct book_change *ret_change)
{
    struct order *order = &book->orders[idx];
    struct level *level = &book->levels[order->level];
    struct header *header = &book->headers[order->instrument];
    const uint32_t side = order->side;
    const uint32_t taken = qty < order->qty ? qty : order->qty;

    *ret_change = (struct book_change){
        .ref = order->ref,
        .instrument = order->instrument,
        .price = order->price,
        .qty = taken,
        .left_qty = order->qty - taken,
        .side = side == 0 ? 'B' : 'S',
        .clamped = qty > order->qty,
    };
    DCHECK(level->qty >= taken && level->price == order->price);
    order->qty -= taken;
    level->qty -= taken;
    if (order->level == header->ladder[side].best)
        header->touch[side].qty = saturate(level->qty);
    if (order->qty == 0)
        order_remove(book, idx, place);
}

enum book_verdict book_reduce(struct book *book, uint64_t ref, uint32_t qty, struct book_change *ret_change)
{
    struct place place;
    const uint32_t idx = ref_find(book, ref, &place);

    if (UNLIKELY(idx == NONE))
        return judged(book, BOOK_ORPHAN);
    order_take(book, idx, place, qty, ret_change);
    book->counters.clamped_count += ret_change->clamped;
    return judged(book, BOOK_OK);
}

enum book_verdict book_delete(struct book *book, uint64_t ref, struct book_change *ret_change)
{
    struct place place;
    const uint32_t idx = ref_find(book, ref, &place);

    if (UNLIKELY(idx == NONE))
        return judged(book, BOOK_ORPHAN);
    order_take(book, idx, place, book->orders[idx].qty, ret_change);
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

bool book_level_behind(const struct book *book, uint32_t instrument, uint8_t side, int32_t price,
                       struct book_level_view *ret_level)
{
    const uint32_t side_idx = side == 'B' ? 0 : 1;
    const struct ladder *ladder = &book->headers[instrument].ladder[side_idx];
    uint32_t position = ladder->count; /* rungs that are worse; the best one is the last */

    if (position > 0 && price != BOOK_PRICE_NONE)
        position = rung_find(&book->rungs[ladder->first], ladder->count, key_of(side_idx, price));
    if (position == 0)
        return false;
    const struct level *level = level_at(book, ladder, ladder->count - position);
    *ret_level =
        (struct book_level_view){.price = level->price, .order_count = level->order_count, .qty = level->qty};
    return true;
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

bool book_find(const struct book *book, uint64_t ref, struct book_order_info *ret_info)
{
    struct place place;
    const uint32_t idx = ref_find(book, ref, &place);

    if (idx == NONE)
        return false;
    const struct order *order = &book->orders[idx];
    *ret_info = (struct book_order_info){.instrument = order->instrument,
                                         .price = order->price,
                                         .qty = order->qty,
                                         .side = order->side == 0 ? 'B' : 'S',
                                         .marked = order->marked != 0};
    return true;
}

void book_mark_order(struct book *book, uint64_t ref)
{
    struct place place;
    const uint32_t idx = ref_find(book, ref, &place);

    if (idx != NONE)
        book->orders[idx].marked = 1;
}

bool book_queue_ahead(const struct book *book, uint64_t ref, uint64_t *ret_qty)
{
    struct place place;
    const uint32_t idx = ref_find(book, ref, &place);
    uint64_t ahead = 0;

    if (idx == NONE)
        return false;
    for (uint32_t i = book->orders[idx].prev; i != NONE; i = book->orders[i].prev)
        ahead += book->orders[i].qty;
    *ret_qty = ahead;
    return true;
}

/* The first order of a level, NONE if there is no such level. */
static uint32_t level_head(const struct book *book, uint32_t instrument, uint32_t side, int32_t price)
{
    const struct ladder *ladder = &book->headers[instrument].ladder[side];
    const int32_t key = key_of(side, price);

    if (ladder->count == 0)
        return NONE;
    const struct rung *rungs = &book->rungs[ladder->first];
    const uint32_t position = rung_find(rungs, ladder->count, key);
    if (position == ladder->count || rungs[position].key != key)
        return NONE;
    return book->levels[rungs[position].level].head;
}

uint32_t book_queue(const struct book *book, uint32_t instrument, uint8_t side, int32_t price, uint32_t max_count,
                    uint64_t *ret_refs)
{
    uint32_t count = 0;

    for (uint32_t i = level_head(book, instrument, side == 'B' ? 0 : 1, price); i != NONE && count < max_count;
         i = book->orders[i].next)
        ret_refs[count++] = book->orders[i].ref;
    return count;
}

uint32_t book_orders(const struct book *book, uint32_t instrument, uint8_t side, int32_t price, uint32_t max_count,
                     struct book_order_view *ret_orders)
{
    uint32_t count = 0;

    for (uint32_t i = level_head(book, instrument, side == 'B' ? 0 : 1, price); i != NONE && count < max_count;
         i = book->orders[i].next)
        ret_orders[count++] = (struct book_order_view){.ref = book->orders[i].ref, .qty = book->orders[i].qty};
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
            const struct ladder *ladder = &book->headers[instrument].ladder[side];
            for (uint32_t i = 0; i < ladder->count; i++) {
                const struct level *level = level_at(book, ladder, i);
                hash = mix(hash, (uint64_t)instrument << 33 | (uint64_t)side << 32 | (uint32_t)level->price);
                for (uint32_t order = level->head; order != NONE; order = book->orders[order].next)
                    hash = mix(mix(hash, book->orders[order].ref), book->orders[order].qty);
            }
        }
    return hash;
}
