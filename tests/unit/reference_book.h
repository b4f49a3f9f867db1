/* The book as one would explain it, for tests: a list of all orders, sorted by instrument, side, price and arrival,
 * and everything else worked out from it each time. Slow and plain on purpose; it shares no line with feed/book.c. The
 * two are driven with the same operations and compared. */
#ifndef TESTS_UNIT_REFERENCE_BOOK_H
#define TESTS_UNIT_REFERENCE_BOOK_H

#include "feed/book.h"

#define REFERENCE_BOOK_ORDERS_MAX 4096u
#define REFERENCE_BOOK_INSTRUMENTS_MAX 64u

struct reference_order {
    uint64_t ref;
    uint32_t instrument;
    int32_t price;
    uint32_t qty;
    uint8_t side;
};

struct reference_book {
    struct book_params params;
    struct reference_order orders[REFERENCE_BOOK_ORDERS_MAX]; /* in book order: best price first, then first come */
    uint32_t order_count;
    bool untradable[REFERENCE_BOOK_INSTRUMENTS_MAX];
    struct book_counters counters;
};

/* `params` as for book_init, but no more than the maxima above. */
void reference_book_init(struct reference_book *book, const struct book_params *params);
void reference_book_clear(struct reference_book *book);

enum book_verdict reference_book_add(struct reference_book *book, uint32_t instrument, uint64_t ref, uint8_t side,
                                     int32_t price, uint32_t qty);
enum book_verdict reference_book_reduce(struct reference_book *book, uint64_t ref, uint32_t qty,
                                        struct book_change *ret_change);
enum book_verdict reference_book_delete(struct reference_book *book, uint64_t ref, struct book_change *ret_change);
enum book_verdict reference_book_replace(struct reference_book *book, uint64_t orig_ref, uint64_t ref, int32_t price,
                                         uint32_t qty, struct book_change *ret_removed);

struct book_bbo reference_book_bbo(const struct reference_book *book, uint32_t instrument);
uint32_t reference_book_levels(const struct reference_book *book, uint32_t instrument, uint8_t side, uint32_t max_count,
                               struct book_level_view *ret_levels);
bool reference_book_queue_ahead(const struct reference_book *book, uint64_t ref, uint64_t *ret_qty);

/* What of this instrument is not the same in both: BBO, levels, queues, totals, mark. NULL: nothing. */
const char *reference_book_difference(const struct reference_book *reference, const struct book *book,
                                      uint32_t instrument);
/* The same for everything: all instruments, each order's place in its queue, counts and counters. */
const char *reference_book_difference_anywhere(const struct reference_book *reference, const struct book *book);

#endif
