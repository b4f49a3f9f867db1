/* The insides of books, for the files that make them: book.c (operations), book_level.c (levels that are far from the
 * touch), book_look.c (looking ahead), book_read.c (reports). Nobody else includes this. */
#ifndef FEED_BOOK_STATE_H
#define FEED_BOOK_STATE_H

#include "feed/book.h"
#include "ring/check.h"

#include <stdalign.h>
#include <string.h>

#define NONE UINT32_MAX
#define PROBES 32u               /* an order lies in one of so many places */
#define STREAM_BITS 2u           /* low bits of a reference that tell streams apart */
#define GROUP_BITS 3u            /* so many references of a stream share a block: eight */
#define GROUP (1u << GROUP_BITS)
#define BLOCKS_MIN 64u           /* more than PROBES */
#define ORDERS_LIMIT (1u << 28)
#define LEVELS_LIMIT (1u << 26)
#define TICK 100u                /* price units; levels in between are far ones */
#define WINDOW 64u               /* levels of a side that are found by their price alone: a bit each in one word */
#define WINDOW_SPAN (WINDOW * TICK) /* price units that it covers */
#define WINDOW_NONE (1u << 31)   /* no window yet: no price that is not negative is less than WINDOW_SPAN above it */
#define TICKS_END ((uint32_t)INT32_MAX / TICK) /* prices of a window are below this many ticks */
#define RUNGS_MIN 8u             /* a ladder at home: one line */
#define LADDER_CLASSES 14u       /* RUNGS_MIN << 0 ... RUNGS_MIN << 13 = 65,536 levels a side; class 0 is at home */

/* A queue is a ring: from its level to the first order, through all of them and back to the level. So an order leaves,
 * and another one arrives, without a question whether it has neighbours. */
struct queue {
    uint32_t prev, next; /* cells; of a level: last and first order. Of what is free: next = the next free one */
};

/* First the levels of windows, then the far levels, then the orders, two cells each: whatever a queue leads through is
 * found by one number. A level's price is where it lies; one without orders leads to itself and has no shares. An order
 * is a cell and more, not a struct that looks like one: a compiler may take the queues of two unlike structs for two
 * words even where they are one. */
struct cell {
    alignas(16) union {
        uint64_t qty; /* of a level */
        uint64_t ref; /* of an order */
    };
    struct queue queue;
};

/* In a place that its reference says. */
struct order {
    struct cell cell;
    uint32_t qty;
    int32_t price;
    uint32_t where;        /* the cell of its level while a window holds it, << ORDER_STATE_BITS | enum order_state */
    uint32_t passed_count; /* orders whose way led on from here because somebody was. Of the place, not of the order */
};

/* Low bits of order.where; 0 = nobody is here. */
enum order_state {
    ORDER_LIVE = 1u << 0,
    ORDER_MARKED = 1u << 1, /* the caller's own */
    ORDER_TICK = 1u << 2,   /* the price is one that a window can hold */
};
#define ORDER_STATE_BITS 3u

_Static_assert(sizeof(struct cell) == 16 && sizeof(struct order) == 2 * sizeof(struct cell), "an order is two cells");

/* Far levels: sorted by key, ascending, so that the best price of either side is the last one and activity near the
 * touch moves few bytes. */
struct rung {
    int32_t key;    /* bid: price; ask: its complement, which falls as the price rises */
    uint32_t level; /* cell */
};
_Static_assert(RUNGS_MIN * sizeof(struct rung) == CACHE_LINE_BYTES, "a short ladder is one line");

struct ladder {
    uint32_t first;     /* its rungs begin here */
    uint32_t count : 28;
    uint32_t class : 4; /* room for RUNGS_MIN << class rungs */
};

/* Written and read as a whole: a wide load of what narrow stores have just written waits until they are in the cache,
 * and they stand in line there behind all that are not. */
struct touch {
    int32_t price;
    uint32_t qty;
};
_Static_assert(sizeof(struct touch) == sizeof(uint64_t), "one word");

/* Of the levels of a side, those at whole ticks inside its window lie at window_cell, place (tick % WINDOW); all others
 * are rungs of its ladder. */
struct header {
    alignas(CACHE_LINE_BYTES) union {
        struct book_top top;
        struct touch touch[2]; /* of top.bbo, by side */
    };
    uint64_t live[2];        /* bit p: there are orders at place p of the window */
    uint32_t base[2];        /* lowest price of the window; WINDOW_NONE: its cells have not been laid out */
    struct ladder ladder[2];
};
_Static_assert(sizeof(struct header) == CACHE_LINE_BYTES, "one line per instrument");
_Static_assert(offsetof(struct book_top, bbo) == 0 && offsetof(struct book_bbo, bid_price) == 0 &&
                   offsetof(struct book_bbo, bid_qty) == 4 &&
                   offsetof(struct book_bbo, ask_price) == 8 && offsetof(struct book_bbo, ask_qty) == 12 &&
                   sizeof(struct touch) == 8,
               "touch[0] is the bid, touch[1] the ask");

struct book {
    struct cell *cells; /* read-mostly */
    struct header *headers;
    struct rung *rungs;     /* first the homes, a line for each side of each instrument; then the chunks */
    uint8_t *chunks;        /* a byte for RUNGS_MIN rungs behind the homes: class of the free chunk beginning there */
    uint32_t far_begin;     /* cells of far levels begin here */
    uint32_t orders_begin, orders_end;
    uint32_t place_mask;    /* of a hash, to the number of a place */
    uint32_t home_rungs;    /* the chunks begin here */
    uint32_t chunk_rungs;   /* rungs in chunks */
    struct book_params params;
    alignas(CACHE_LINE_BYTES) uint32_t order_count;
    uint32_t level_count;
    uint32_t level_free;    /* list of far levels given back, NONE = empty */
    uint32_t level_fresh;   /* cells from here on were never used */
    uint64_t clear_at;      /* book_clear_slice goes on here */
    bool laid_out;          /* places were emptied once: without an order they are empty again */
    uint32_t chunk_free[LADDER_CLASSES]; /* lists of free chunks, by their first rung; NONE = empty; class 0 unused */
    struct book_counters counters;
};

static inline void touch_write(struct header *header, uint32_t side, int32_t price, uint32_t qty)
{
    const uint64_t word = (uint64_t)qty << 32 | (uint32_t)price;
    memcpy(&header->touch[side], &word, sizeof(word));
}

static inline struct order *order_at(const struct book *book, uint32_t cell)
{
    return (struct order *)(void *)&book->cells[cell];
}

/* A queue ends where it leads back to its level. */
static inline bool is_order(const struct book *book, uint32_t cell)
{
    return cell >= book->orders_begin;
}

/* book_top */
static inline const struct book_top *top_of(const struct book *book, uint32_t instrument)
{
    return &book->headers[instrument].top;
}

/* One of the two, by all bits or none: the compiler is not to make a branch of it. */
static inline uint32_t choose(uint32_t mask, uint32_t set, uint32_t clear)
{
    return (set & mask) | (clear & ~mask);
}

static inline uint32_t qty_saturated(uint64_t qty)
{
    return qty < UINT32_MAX ? (uint32_t)qty : UINT32_MAX;
}

/* ---- references to orders ---- */

/* Exchanges count references up, often in several streams that take turns: Nasdaq's lowest two bits name one of four.
 * Neighbours of a stream share a block of places, so that an add often finds its place in the cache, and so does the
 * delete of an order that lived shortly. Both halves of a long product spread the blocks: one alone leaves gaps where
 * some count in steps. Which place of its block is whose is shuffled too, else references in steps of 32 would crowd in
 * one of eight. */
static inline uint64_t ref_hash(uint64_t ref)
{
    const uint64_t stream = ref & ((1u << STREAM_BITS) - 1);
    const uint64_t block = ref >> (STREAM_BITS + GROUP_BITS) << STREAM_BITS | stream;
    const unsigned __int128 product = (unsigned __int128)block * 0x9e3779b97f4a7c15u;
    return (uint64_t)(product >> 64) ^ (uint64_t)product;
}

/* Where an order is entered, if nobody is there. */
static inline uint32_t ref_home(const struct book *book, uint64_t ref)
{
    const uint32_t neighbour = (uint32_t)(ref >> STREAM_BITS) & (GROUP - 1);
    return book->orders_begin + (((uint32_t)ref_hash(ref) & book->place_mask) ^ neighbour) * 2;
}

/* ... else in the other place of that line, then in the two of a line of another block, and so on. The steps are those
 * of its block, and odd, so that they meet all others first. */
static inline uint32_t ref_after(const struct book *book, uint64_t ref, uint32_t home, uint32_t cell)
{
    const uint32_t beside = cell ^ 2;

    if (((beside ^ home) & 2) != 0)
        return beside;
    const uint32_t step = (uint32_t)(ref_hash(ref) >> 48 & 0xff) * 2 + 1;
    const uint32_t place = (beside - book->orders_begin) / 2 + step * GROUP;
    return book->orders_begin + (place & book->place_mask) * 2;
}

/* book.c: cell of the order if it is not at home, or NONE. */
uint32_t ref_find_away(const struct book *book, uint64_t ref, uint32_t home);

static inline bool is_live(const struct order *order)
{
    return order->where != 0;
}

/* Cell of the order, or NONE. */
static inline uint32_t ref_find(const struct book *book, uint64_t ref, uint32_t home)
{
    const struct order *order = order_at(book, home);

    return LIKELY(order->cell.ref == ref) && LIKELY(is_live(order)) ? home : ref_find_away(book, ref, home);
}

static inline uint32_t order_instrument(const struct order *order)
{
    return order->where / (WINDOW * 2) >> ORDER_STATE_BITS;
}

static inline uint32_t order_side(const struct order *order) /* 0 bid, 1 ask */
{
    return (order->where / WINDOW >> ORDER_STATE_BITS) & 1;
}

/* ---- levels ---- */

/* An ask's is the complement. Without a branch: sides take turns at random. */
static inline int32_t key_of(uint32_t side, int32_t price)
{
    return price ^ -(int32_t)side;
}

/* The windows of an instrument are next to each other. */
static inline uint32_t window_cell(uint32_t instrument, uint32_t side)
{
    return (instrument * 2 + side) * WINDOW;
}

/* Negative prices give ticks that no window has. */
static inline uint32_t tick_of(int32_t price)
{
    return (uint32_t)price / TICK;
}

/* A window could hold this price. */
static inline bool at_tick(int32_t price)
{
    return (price >= 0) & (tick_of(price) * TICK == (uint32_t)price);
}

/* The window of this side reaches over this price, which is not negative. */
static inline bool spans(const struct header *header, uint32_t side, int32_t price)
{
    return (uint32_t)price - header->base[side] < WINDOW_SPAN;
}

/* The level of this price is, or would be, in the window of this side. */
static inline bool in_window(const struct header *header, uint32_t side, int32_t price)
{
    return at_tick(price) && spans(header, side, price);
}

/* The live places of a window in the order of their ticks: bit i is the level of the base price + i ticks. */
static inline uint64_t live_in_order(const struct header *header, uint32_t side)
{
    const uint32_t turn = header->base[side] / TICK % WINDOW;
    return header->live[side] >> turn | header->live[side] << (WINDOW - turn) % WINDOW;
}

/* Best prices have changed. A side without orders crosses nothing: BOOK_PRICE_NONE is less than all prices. */
static inline void crossed_tell(struct book *book, struct header *header)
{
    const struct book_bbo *bbo = &header->top.bbo;
    const bool crossed = (bbo->bid_price >= bbo->ask_price) & (bbo->ask_price != BOOK_PRICE_NONE);

    book->counters.crossed_count += crossed & !header->top.crossed;
    header->top.crossed = crossed;
}

/* book_level.c: the far ones. Cell of a level that is there. */
uint32_t level_far_find(const struct book *book, const struct header *header, uint32_t side, int32_t price);
/* Cell of the level of a price that is not in the window, after the window has moved to it if it should; it is made if
 * it is not there. NONE: no room. */
uint32_t level_far_take(struct book *book, uint32_t instrument, uint32_t side, int32_t price);
/* The last order of a far level has left. */
void level_far_give(struct book *book, uint32_t instrument, uint32_t side, int32_t price);
/* The best level of this side has gone: what is best now, and is the book crossed? */
void level_touch(struct book *book, uint32_t instrument, uint32_t side);
/* How many levels of a ladder have a key below `key`. */
uint32_t level_far_below(const struct book *book, const struct ladder *ladder, int32_t key);
/* Everything behind the homes is free. Their states are 0. */
void level_chunks_reset(struct book *book);

static inline uint32_t ladder_home(uint32_t instrument, uint32_t side)
{
    return (instrument * 2 + side) * RUNGS_MIN;
}

#endif
