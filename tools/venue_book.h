/* The book as one would explain it: a map from reference to order, for each instrument and side a list of price levels,
 * best first, and at each level a list of orders, first come first; the newest message about each stock beside it.
 *
 * What tools/venue keeps, and what feed/book is compared with: it shares no line with that one, works everything out by
 * walking, and takes memory as it grows. Verdicts, changes and limits mean what they mean in feed/book.h, so that the
 * two can be driven with the same operations. One owner, any thread; tests and tools only. */
#ifndef TOOLS_VENUE_BOOK_H
#define TOOLS_VENUE_BOOK_H

#include "feed/book.h"
#include "feed/itch.h"

/* For the reader; nobody else writes to them. */
struct venue_level {
    int32_t price;
    uint32_t instrument;
    uint8_t side;                       /* 'B' or 'S' */
    struct venue_order *first, *last;
    struct venue_level *better, *worse; /* of this side; NULL ends */
};

struct venue_order {
    uint64_t ref;
    uint32_t qty;
    uint16_t tracking;                  /* these three as in the message that entered it */
    uint64_t timestamp_ns;
    uint64_t mpid;                      /* 0 = none; a replaced order keeps it */
    struct venue_level *level;
    struct venue_order *ahead, *behind; /* at its price; NULL ends */
    struct venue_order *chained;        /* the map's */
};

struct venue_book;

/* Empty. `limits` as for book_init: what is beyond them is refused as feed/book does it; NULL: there are none but the
 * largest instrument number and memory. NULL: no memory. */
struct venue_book *venue_book_open(const struct book_params *limits);
void venue_book_close(struct venue_book *book);
/* Forget everything but the counters. */
void venue_book_clear(struct venue_book *book);

/* One message; instruments are stock locates. Without memory it is refused as if a limit were reached. An order of a
 * price beyond int32 or of no known side is BOOK_BAD_PRICE: not entered, and it marks its instrument. */
enum book_verdict venue_book_apply(struct venue_book *book, const struct itch_msg *msg);

/* The operations of feed/book.h. */
enum book_verdict venue_book_add(struct venue_book *book, uint32_t instrument, uint64_t ref, uint8_t side,
                                 int32_t price, uint32_t qty);
enum book_verdict venue_book_reduce(struct venue_book *book, uint64_t ref, uint32_t qty,
                                    struct book_change *ret_change);
enum book_verdict venue_book_delete(struct venue_book *book, uint64_t ref, struct book_change *ret_change);
enum book_verdict venue_book_replace(struct venue_book *book, uint64_t orig_ref, uint64_t ref, int32_t price,
                                     uint32_t qty, struct book_change *ret_removed);

/* Reading. Instruments that nothing was said about are empty. */
uint32_t venue_book_instrument_count(const struct venue_book *book); /* one more than the largest seen */
uint32_t venue_book_order_count(const struct venue_book *book);
const struct book_counters *venue_book_counters(const struct venue_book *book);
/* The best level of a side ('B' or 'S'); NULL if there is none. Go on with ->worse, and from ->first with ->behind. */
const struct venue_level *venue_book_best(const struct venue_book *book, uint32_t instrument, uint8_t side);
const struct venue_order *venue_book_find(const struct venue_book *book, uint64_t ref);
struct book_bbo venue_book_bbo(const struct venue_book *book, uint32_t instrument);
bool venue_book_queue_ahead(const struct venue_book *book, uint64_t ref, uint64_t *ret_qty);
/* The newest message of type S (instrument 0), R, H, Y, N or h about it; NULL: there was none, or another type. */
const struct itch_msg *venue_book_said(const struct venue_book *book, uint32_t instrument, uint8_t type);
/* Name of the stock as md_symbol(), 0 = not known: of the directory or of any order. */
uint64_t venue_book_stock(const struct venue_book *book, uint32_t instrument);

/* What of this instrument is not the same in both: BBO, mark, totals, levels, each queue in order, the quantity ahead
 * of each order. NULL: nothing. */
const char *venue_book_difference(const struct venue_book *wanted, const struct book *found, uint32_t instrument);
/* The same for instruments 0 ... instrument_count - 1, and the number of orders in all. */
const char *venue_book_difference_anywhere(const struct venue_book *wanted, const struct book *found,
                                           uint32_t instrument_count);

#endif
