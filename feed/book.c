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
#define STREAM_BITS 2u           /* low bits of a reference that tell streams apart */
#define GROUP_BITS 3u            /* so many references of a stream share their home: eight, so that they fit in */
#define ORDERS_LIMIT (1u << 28)
#define LEVELS_LIMIT (1u << 26)
#define RUNGS_MIN 8u             /* a ladder at home: one line */
#define LADDER_CLASSES 14u       /* RUNGS_MIN << 0 ... RUNGS_MIN << 13 = 65,536 levels a side; class 0 is at home */

/* Where the orders are: ten of them and how many went on to later buckets, in one line. */
struct bucket {
    alignas(CACHE_LINE_BYTES) uint16_t tag[BUCKET_ENTRIES]; /* of the reference; 0 = free */
    uint32_t passed_count;                                 /* orders whose way led through here while it was full */
    uint32_t slot[BUCKET_ENTRIES];                         /* index of the order */
};
_Static_assert(sizeof(struct bucket) == CACHE_LINE_BYTES, "a look-up touches one line");

/* A queue is a ring: from its level to the first order, through all of them and back to the level. So an order leaves,
 * and another one arrives, without a question whether it has neighbours. */
struct queue {
    uint32_t prev, next; /* cells; of a level: last and first order. Of what is free: next = the next free one */
};

struct order {
    uint64_t ref;
    uint32_t qty;
    uint32_t level;      /* cell */
    struct queue queue;
    int32_t price;       /* price, instrument and side are the level's too: here they save waiting for it */
    uint16_t instrument;
    uint8_t side;        /* 0 bid, 1 ask */
    uint8_t marked;      /* the caller's own */
};

struct level {
    uint64_t qty;
    uint32_t order_count;
    int32_t price;
    struct queue queue;
};

/* First all levels, then all orders: whatever a queue leads through is found by one number. */
union cell {
    struct order order;
    struct level level;
    struct { uint64_t words[2]; struct queue queue; uint64_t word; };
};
_Static_assert(sizeof(union cell) == 32 && offsetof(union cell, queue) == offsetof(struct order, queue) &&
                   offsetof(union cell, queue) == offsetof(struct level, queue),
               "two cells a line, none across two");

/* Ladders are sorted by key, ascending, so that the best price of either side is the last one and activity near the
 * touch moves few bytes. */
struct rung {
    int32_t key;    /* bid: price; ask: its complement, which falls as the price rises */
    uint32_t level;
};
_Static_assert(RUNGS_MIN * sizeof(struct rung) == CACHE_LINE_BYTES, "a short ladder is one line");

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
    union cell *cells;
    struct header *headers;
    struct rung *rungs;     /* first the homes, a line for each side of each instrument; then the chunks */
    uint8_t *chunks;        /* a byte for RUNGS_MIN rungs behind the homes: class of the free chunk beginning there */
    uint32_t bucket_count;
    uint32_t home_rungs;    /* the chunks begin here */
    uint32_t chunk_rungs;   /* rungs in chunks */
    struct book_params params;
    alignas(CACHE_LINE_BYTES) uint32_t order_free; /* list of orders given back, NONE = empty */
    uint32_t order_fresh;                          /* cells from here on were never used */
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
    size_t buckets, cells, headers, rungs, chunks, bytes; /* offsets of the tables, and the end */
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
    layout.cells = lay(&at, ((size_t)params->levels_max + params->orders_max) * sizeof(union cell));
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
    book->cells = (union cell *)(void *)(bytes + layout.cells);
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
    book->order_fresh = book->params.levels_max;
    book->level_fresh = 0;
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

/* Exchanges count references up, often in several streams that take turns: Nasdaq's lowest two bits name one of four.
 * Neighbours of a stream share a home, so that an add often finds its bucket in the cache, and so does the delete of an
 * order that lived shortly. Multiplication spreads the groups over all buckets. */
struct ref_hash {
    uint32_t home;
    uint16_t tag; /* not 0: that is free */
};

static inline struct ref_hash ref_hash(const struct book *book, uint64_t ref)
{
    const uint64_t stream = ref & ((1u << STREAM_BITS) - 1);
    const uint32_t member = (uint32_t)(ref >> STREAM_BITS) & ((1u << GROUP_BITS) - 1);
    const uint64_t hash = (ref >> (STREAM_BITS + GROUP_BITS) << STREAM_BITS | stream) * 0x9e3779b97f4a7c15u;
    return (struct ref_hash){.home = (uint32_t)((hash >> 32) * book->bucket_count >> 32),
                             .tag = (uint16_t)(0x8000u | (uint32_t)(hash >> 16) << GROUP_BITS | member)};
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
    uint16_t tag;
};

/* Cell of the order, or NONE. Of `ret_place` home and tag are always written. */
static inline uint32_t ref_find(const struct book *book, uint64_t ref, struct place *ret_place)
{
    const struct ref_hash hash = ref_hash(book, ref);
    uint32_t at = ret_place->home = hash.home;

    ret_place->tag = hash.tag;
    for (uint32_t probe = 0; probe < PROBE_BUCKETS; probe++) {
        const struct bucket *bucket = &book->buckets[at];
        for (uint32_t match = bucket_match(bucket, hash.tag); match != 0; match &= match - 1) {
            const uint32_t entry = (uint32_t)__builtin_ctz(match);
            const uint32_t idx = bucket->slot[entry];
            if (LIKELY(book->cells[idx].order.ref == ref)) {
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

static inline void ref_insert(struct book *book, uint32_t idx, struct place place)
{
    book->buckets[place.bucket].tag[place.entry] = place.tag;
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
        const struct level *best = &book->cells[ladder->best].level;
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

/* A level for a price that has none, at `position` of its ladder; NONE: no room. */
static __attribute__((noinline)) uint32_t level_make(struct book *book, uint32_t instrument, uint32_t side,
                                                     int32_t price, uint32_t position)
{
    struct ladder *ladder = &book->headers[instrument].ladder[side];
    const uint32_t idx = book->level_free != NONE ? book->level_free : book->level_fresh;

    if (UNLIKELY(idx == book->params.levels_max) ||
        UNLIKELY(!ladder_grow(book, ladder, ladder_home(instrument, side))))
        return NONE;
    if (book->level_free != NONE)
        book->level_free = book->cells[idx].queue.next;
    else
        book->level_fresh++;
    struct rung *rungs = &book->rungs[ladder->first];
    memmove(&rungs[position + 1], &rungs[position], (ladder->count - position) * sizeof(struct rung));
    rungs[position] = (struct rung){.key = key_of(side, price), .level = idx};
    ladder->count++;
    book->cells[idx].level = (struct level){.price = price, .queue = {.prev = idx, .next = idx}};
    return idx;
}

/* The level of this price, made if there is none; NONE: no room. */
static inline uint32_t level_take(struct book *book, uint32_t instrument, uint32_t side, int32_t price)
{
    const struct ladder *ladder = &book->headers[instrument].ladder[side];
    const int32_t key = key_of(side, price);
    uint32_t position = 0;

    if (LIKELY(ladder->count > 0)) {
        const struct rung *rungs = &book->rungs[ladder->first];
        position = rung_find(rungs, ladder->count, key);
        if (LIKELY(position < ladder->count && rungs[position].key == key))
            return rungs[position].level;
    }
    return level_make(book, instrument, side, price, position);
}

/* The last order of a level has left. */
static __attribute__((noinline)) void level_give(struct book *book, uint32_t instrument, uint32_t side, uint32_t idx)
{
    struct level *level = &book->cells[idx].level;
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
    level->queue.next = book->level_free;
    book->level_free = idx;
    if (idx == ladder->best)
        touch_move(book, header, side);
}

/* The quantity of a level has changed: if it is the best one, the touch says so. Which it is cannot be predicted, so
 * something is written in either case. */
static inline void touch_tell(struct header *header, uint32_t side, uint32_t level_idx, const struct level *level)
{
    struct touch *touch = &header->touch[side];
    const uint32_t qty = saturate(level->qty);

    touch->qty ^= (touch->qty ^ qty) & -(uint32_t)(level_idx == header->ladder[side].best);
}

/* ---- looking ahead ---- */

/* Always inlined, and with an empty asm: GCC 12 takes a function that does nothing but __builtin_prefetch for one that
 * does nothing, and deletes its calls. */
static inline __attribute__((always_inline)) void prefetch(const void *line)
{
    __asm__ volatile("" : : "r"(line));
    __builtin_prefetch(line, 1);
}

void book_look_refs(const struct book *book, struct book_look *looks, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct book_look *look = &looks[i];
        const struct ref_hash hash = ref_hash(book, look->ref);
        look->at = hash.home;
        look->tag = hash.tag;
        prefetch(&book->buckets[hash.home]);
        if (look->instrument < book->params.instruments_max)
            prefetch(&book->headers[look->instrument]);
        else
            look->kind = BOOK_LOOK_NOTHING;
    }
}

/* Where an add goes: the ladder of its side, or of the side that its price belongs to where a replace does not say. */
static inline const struct ladder *look_ladder(const struct book *book, const struct book_look *look,
                                               uint32_t *ret_side)
{
    const struct header *header = &book->headers[look->instrument];

    *ret_side = look->side != 0 ? look->side != 'B' : look->price > header->bbo.bid_price;
    return &header->ladder[*ret_side];
}

void book_look_orders(const struct book *book, struct book_look *looks, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct book_look *look = &looks[i];
        if (look->kind == BOOK_LOOK_CHANGE) {
            /* By the home bucket alone: what went on to a later one, or is not there, is nothing to look for. */
            const struct bucket *bucket = &book->buckets[look->at];
            const uint32_t match = bucket_match(bucket, look->tag);
            look->at = bucket->slot[match != 0 ? __builtin_ctz(match) : 0];
            look->kind = match != 0 ? BOOK_LOOK_CHANGE : BOOK_LOOK_NOTHING;
            prefetch(&book->cells[look->at]);
        } else if (look->kind == BOOK_LOOK_ADD) {
            uint32_t side;
            const struct ladder *ladder = look_ladder(book, look, &side);
            if (LIKELY(ladder->count > 0)) {
                const struct rung *last = &book->rungs[ladder->first + near_line(ladder->count)];
                prefetch(last);
                prefetch(ladder->count > RUNGS_MIN ? last - RUNGS_MIN : last);
            }
        }
    }
}

void book_look_levels(const struct book *book, const struct book_look *looks, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct book_look *look = &looks[i];
        if (look->kind == BOOK_LOOK_CHANGE) {
            const struct order *order = &book->cells[look->at].order;
            prefetch(&book->cells[order->level]);
            prefetch(&book->cells[order->queue.prev]);
            prefetch(&book->cells[order->queue.next]);
        } else if (look->kind == BOOK_LOOK_ADD) {
            uint32_t side;
            const struct ladder *ladder = look_ladder(book, look, &side);
            if (UNLIKELY(ladder->count == 0))
                continue;
            const struct rung *rungs = &book->rungs[ladder->first];
            const uint32_t position = rung_find(rungs, ladder->count, key_of(side, look->price));
            if (LIKELY(position < ladder->count))
                prefetch(&book->cells[rungs[position].level]);
        }
    }
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
    if (UNLIKELY(idx == book->params.levels_max + book->params.orders_max) || UNLIKELY(!ref_room(book, &place)))
        return lost(book, instrument, BOOK_ORDERS_FULL);
    const uint32_t level_idx = level_take(book, instrument, side, price);
    if (UNLIKELY(level_idx == NONE))
        return lost(book, instrument, BOOK_LEVELS_FULL);
    /* From here on nothing can fail. */
    struct header *header = &book->headers[instrument];
    struct level *level = &book->cells[level_idx].level;
    struct order *order = &book->cells[idx].order;
    if (LIKELY(book->order_free != NONE))
        book->order_free = order->queue.next;
    else
        book->order_fresh++;
    ref_insert(book, idx, place);

    const uint32_t last = level->queue.prev;
    *order = (struct order){.ref = ref,
                            .qty = qty,
                            .level = level_idx,
                            .queue = {.prev = last, .next = level_idx},
                            .price = price,
                            .instrument = (uint16_t)instrument,
                            .side = (uint8_t)side};
    level->queue.prev = idx;
    book->cells[last].queue.next = idx;
    level->order_count++;
    level->qty += qty;
    book->order_count++;
    if (UNLIKELY(level->order_count == 1)) { /* a level is born; the best one perhaps */
        const struct ladder *ladder = &header->ladder[side];
        if (level_idx == book->rungs[ladder->first + ladder->count - 1].level)
            touch_move(book, header, side);
    } else {
        touch_tell(header, side, level_idx, level);
    }
    return judged(book, BOOK_OK);
}

/* Its place in the index, its queue and, if it was the last one, its level. */
static inline void order_remove(struct book *book, uint32_t idx, struct place place)
{
    struct order *order = &book->cells[idx].order;
    struct level *level = &book->cells[order->level].level;

    ref_remove(book, place);
    book->cells[order->queue.prev].queue.next = order->queue.next;
    book->cells[order->queue.next].queue.prev = order->queue.prev;
    if (--level->order_count == 0)
        level_give(book, order->instrument, order->side, order->level);
    order->queue.next = book->order_free;
    book->order_free = idx;
    book->order_count--;
}

/* Take up to `qty` off an order. */
static inline void order_take(struct book *book, uint32_t idx, struct place place, uint32_t qty,
                              struct book_change *ret_change)
{
    struct order *order = &book->cells[idx].order;
    struct level *level = &book->cells[order->level].level;
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
    touch_tell(header, side, order->level, level);
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
    order_take(book, idx, place, book->cells[idx].order.qty, ret_change);
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
    return &book->cells[book->rungs[ladder->first + ladder->count - 1 - i].level].level;
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
    const struct order *order = &book->cells[idx].order;
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
        book->cells[idx].order.marked = 1;
}

/* A queue ends where it leads back to its level. */
static inline bool is_order(const struct book *book, uint32_t cell)
{
    return cell >= book->params.levels_max;
}

bool book_queue_ahead(const struct book *book, uint64_t ref, uint64_t *ret_qty)
{
    struct place place;
    const uint32_t idx = ref_find(book, ref, &place);
    uint64_t ahead = 0;

    if (idx == NONE)
        return false;
    for (uint32_t i = book->cells[idx].queue.prev; is_order(book, i); i = book->cells[i].queue.prev)
        ahead += book->cells[i].order.qty;
    *ret_qty = ahead;
    return true;
}

/* The first order of a level; a level if there is no such one. */
static uint32_t level_head(const struct book *book, uint32_t instrument, uint32_t side, int32_t price)
{
    const struct ladder *ladder = &book->headers[instrument].ladder[side];
    const int32_t key = key_of(side, price);

    if (ladder->count == 0)
        return 0;
    const struct rung *rungs = &book->rungs[ladder->first];
    const uint32_t position = rung_find(rungs, ladder->count, key);
    if (position == ladder->count || rungs[position].key != key)
        return 0;
    return book->cells[rungs[position].level].queue.next;
}

uint32_t book_queue(const struct book *book, uint32_t instrument, uint8_t side, int32_t price, uint32_t max_count,
                    uint64_t *ret_refs)
{
    uint32_t count = 0;

    for (uint32_t i = level_head(book, instrument, side == 'B' ? 0 : 1, price); is_order(book, i) && count < max_count;
         i = book->cells[i].queue.next)
        ret_refs[count++] = book->cells[i].order.ref;
    return count;
}

uint32_t book_orders(const struct book *book, uint32_t instrument, uint8_t side, int32_t price, uint32_t max_count,
                     struct book_order_view *ret_orders)
{
    uint32_t count = 0;

    for (uint32_t i = level_head(book, instrument, side == 'B' ? 0 : 1, price); is_order(book, i) && count < max_count;
         i = book->cells[i].queue.next)
        ret_orders[count++] =
            (struct book_order_view){.ref = book->cells[i].order.ref, .qty = book->cells[i].order.qty};
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
                for (uint32_t k = level->queue.next; is_order(book, k); k = book->cells[k].queue.next)
                    hash = mix(mix(hash, book->cells[k].order.ref), book->cells[k].order.qty);
            }
        }
    return hash;
}
