/* L3 books of all instruments of one channel: every order, price levels, best bid and offer, queue position.
 *
 * Fixed memory: one block, laid out at init for so many instruments, orders and levels; no allocation per order or
 * level. One owner, the rx lcore of the channel; pure otherwise. Wire data never trips an assertion: what cannot be
 * right is a verdict and a counter, and the book stays consistent with itself. */
#ifndef FEED_BOOK_H
#define FEED_BOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BOOK_PRICE_NONE INT32_MIN
#define BOOK_INSTRUMENTS_MAX 65536u

enum book_verdict {
    BOOK_OK = 0,
    BOOK_ORPHAN,        /* no such order: capture began later, or messages were lost */
    BOOK_DUPLICATE_REF, /* an order with this reference lives already: the new one is ignored */
    BOOK_BAD_QTY,       /* add or replace of 0 shares; ignored (a replace still removes the old order) */
    BOOK_BAD_PRICE,     /* price BOOK_PRICE_NONE: ignored, the instrument is marked untradable */
    BOOK_BAD_INSTRUMENT, /* instrument number not below instruments_max */
    BOOK_ORDERS_FULL,   /* no room for one more order, or for its reference: ignored, instrument marked untradable */
    BOOK_LEVELS_FULL,   /* no room for one more level, or 65,536 on that side that are far from the best price or
                         * between its ticks: ignored, instrument marked untradable */
    BOOK_VERDICT_COUNT
};

struct book_params {
    uint32_t instruments_max; /* 1 ... BOOK_INSTRUMENTS_MAX; instrument numbers are below it */
    uint32_t orders_max;      /* live orders of all instruments, 1 ... 2^28 */
    uint32_t levels_max;      /* live price levels of all instruments, 1 ... 2^26 */
};

/* Best bid and offer. Quantities saturate at UINT32_MAX. Empty side: BOOK_PRICE_NONE and 0. */
struct book_bbo {
    int32_t bid_price;
    uint32_t bid_qty;
    int32_t ask_price;
    uint32_t ask_qty;
};

/* What is asked of an instrument at every event. */
struct book_top {
    struct book_bbo bbo;
    bool crossed;
    bool untradable; /* see book_untradable */
    bool marked;     /* book_mark_instrument */
};

/* What an operation did to an order: whose it was and what changed. Price and quantity are not neighbours:
 * GCC 12 would read them as one word behind two narrow stores (struct touch in book_state.h). */
struct book_change {
    uint64_t ref;
    int32_t price;      /* of the order, before the operation */
    uint32_t instrument;
    uint32_t qty;       /* taken off: executed, cancelled, or all that was left on delete */
    uint32_t left_qty;  /* still in the book afterwards; 0 = the order is gone */
    uint8_t side;       /* 'B' or 'S' */
    bool clamped;       /* more was asked for than the order had */
};

struct book_level_view { int32_t price; uint32_t order_count; uint64_t qty; };

struct book_order_view { uint64_t ref; uint32_t qty; };

/* A live order as it stands. */
struct book_order_info {
    uint32_t instrument;
    int32_t price;
    uint32_t qty;
    uint8_t side; /* 'B' or 'S' */
    bool marked;  /* book_mark_order */
};

struct book_totals {
    uint32_t level_count;
    uint32_t order_count;
    uint64_t qty;
};

struct book_counters {
    uint64_t verdict[BOOK_VERDICT_COUNT]; /* operations by verdict; one writer, relaxed: any thread may read */
    uint64_t clamped_count; /* operations that asked for more than the order had; likewise */
    uint64_t crossed_count; /* times an operation left bid >= ask where it was not so before */
};

struct book;

const char *book_verdict_name(enum book_verdict verdict);

/* Bytes that book_init needs for these parameters, 0 if they are out of range. */
size_t book_footprint(const struct book_params *params);

/* Lay empty books out in `memory` (book_footprint bytes, aligned to a cache line; need not be zeroed). */
struct book *book_init(void *memory, const struct book_params *params);

/* Take every order and level out, keep the counters. Cost: proportional to the memory; where there is no order, to what
 * instruments and levels have of it. */
void book_clear(struct book *book);
/* The same a slice at a time, so that nobody has to wait for it: at most `lines` cache lines with each call. True: the
 * book is empty. No other operation in between but reading book_order_count. */
bool book_clear_slice(struct book *book, uint32_t lines);

enum book_verdict book_add(struct book *book, uint32_t instrument, uint64_t ref, uint8_t side, int32_t price,
                           uint32_t qty);
/* Take `qty` off an order (execution or partial cancel); it dies at 0. `ret_change` is written only with BOOK_OK. */
enum book_verdict book_reduce(struct book *book, uint64_t ref, uint32_t qty, struct book_change *ret_change);
enum book_verdict book_delete(struct book *book, uint64_t ref, struct book_change *ret_change);
/* Remove `orig_ref` and add `ref` at the end of its queue, same side and instrument. `ret_removed` is written when
 * orig_ref was found, that is for each verdict but BOOK_ORPHAN: the old order is gone even when the new one is
 * refused. */
enum book_verdict book_replace(struct book *book, uint64_t orig_ref, uint64_t ref, int32_t price, uint32_t qty,
                               struct book_change *ret_removed);

/* Best bid and offer of an instrument below instruments_max; the pointer stays valid, its content changes. */
const struct book_bbo *book_bbo(const struct book *book, uint32_t instrument);

const struct book_top *book_top(const struct book *book, uint32_t instrument);

/* The book of this instrument has lost an order for want of room or for a price out of range; until book_clear. */
bool book_untradable(const struct book *book, uint32_t instrument);
void book_mark_untradable(struct book *book, uint32_t instrument);
/* Put the caller's own mark on an instrument, where its next operation finds it in the cache; until book_clear. Means
 * nothing to the book. */
void book_mark_instrument(struct book *book, uint32_t instrument);

/* ---- looking ahead: what is known of an operation before its turn has come ---- */

#define BOOK_AHEAD_STEP 8u /* operations between the two stages of a look */
#define BOOK_AHEAD (2 * BOOK_AHEAD_STEP)

/* What an operation says by itself. */
struct book_look {
    uint64_t ref;
    uint32_t home;       /* where its order is, or belongs, unless others were there before: the book's own number */
    uint32_t instrument; /* of an order that is to be entered; of others nobody asks */
};

/* What has begun to be fetched and says where more is. The book's own. */
struct book_fetch {
    const void *cells, *at;
    uint32_t others; /* all bits, or none where an order is to be entered */
};

/* The operations of one thread that are under way, of any of its books, which must stay where they are. Zeroed at the
 * start. */
struct book_ahead {
    uint32_t begun, ended; /* how many have been through the first stage, and through both */
    struct book_fetch fetch[BOOK_AHEAD];
};

/* An operation that will come, behind those of the calls before: what it will touch begins to be fetched, each line
 * when the one that says where it is has arrived, that is BOOK_AHEAD_STEP operations later. One that enters `ref` tells
 * its price and side ('B', 'S', 0 = not known); others tell the instrument, if they can, and the rest does not matter.
 * Any values will do, and the book may change in between: then wrong lines are fetched, and nothing else is wrong. */
struct book_look book_look(struct book_ahead *ahead, const struct book *book, uint64_t ref, uint32_t instrument,
                           uint8_t side, int32_t price, bool enters);
/* No more will come before the turn of the first: whatever has begun goes through the stages that are left. */
void book_look_end(struct book_ahead *ahead);

/* A look for one whose turn has come: nothing is fetched. */
struct book_look book_look_none(const struct book *book, uint64_t ref, uint32_t instrument);

/* The operations on the reference of a look of this book. */
enum book_verdict book_add_looked(struct book *book, struct book_look look, uint8_t side, int32_t price, uint32_t qty);
enum book_verdict book_reduce_looked(struct book *book, struct book_look look, uint32_t qty,
                                     struct book_change *ret_change);
enum book_verdict book_delete_looked(struct book *book, struct book_look look, struct book_change *ret_change);
enum book_verdict book_replace_looked(struct book *book, struct book_look orig_look, uint64_t ref, int32_t price,
                                      uint32_t qty, struct book_change *ret_removed);

const struct book_counters *book_counters(const struct book *book);
uint32_t book_order_count(const struct book *book);

/* Reading, for reports and tests; cost proportional to what is walked. */
/* Best `max_count` levels of a side ('B' or 'S'), best first; returns how many. */
uint32_t book_levels(const struct book *book, uint32_t instrument, uint8_t side, uint32_t max_count,
                     struct book_level_view *ret_levels);
/* The best level of a side that is worse than `price`; BOOK_PRICE_NONE: the best of all. False: there is none. Costs a
 * look-up. */
bool book_level_behind(const struct book *book, uint32_t instrument, uint8_t side, int32_t price,
                       struct book_level_view *ret_level);
struct book_totals book_totals(const struct book *book, uint32_t instrument, uint8_t side);
/* False: there is no such order. Constant cost. */
bool book_find(const struct book *book, uint64_t ref, struct book_order_info *ret_info);
/* Put the caller's own mark on a live order: it is entered without, and dies with it. Means nothing to the book. */
void book_mark_order(struct book *book, uint64_t ref);
/* Shares ahead of an order at its price; false if there is no such order. */
bool book_queue_ahead(const struct book *book, uint64_t ref, uint64_t *ret_qty);
/* The live orders of a price level in queue order, up to `max_count`; returns how many. For tests and snapshots. */
uint32_t book_queue(const struct book *book, uint32_t instrument, uint8_t side, int32_t price, uint32_t max_count,
                    uint64_t *ret_refs);
/* The same with what is left of each. */
uint32_t book_orders(const struct book *book, uint32_t instrument, uint8_t side, int32_t price, uint32_t max_count,
                     struct book_order_view *ret_orders);

/* A hash of everything: instruments, levels, orders in their queues. Equal books have equal hashes, whatever way led to
 * them. Walks everything. */
uint64_t book_hash(const struct book *book);

#endif
