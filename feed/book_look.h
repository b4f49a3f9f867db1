/* Books: the two stages of a look, inline for feed/channel_look, which makes them for each order message of a burst:
 * called, they would cost a third more instructions. For book_look.c and channel_look.c; book.h has the contract.
 *
 * An operation waits for memory twice, first for the order and then for its level and neighbours; here many operations
 * wait together. Without a branch on what an operation is: kinds come in no order. Reads of the book are bounded
 * whatever the operation says; what is only fetched need not be there. */
#ifndef FEED_BOOK_LOOK_H
#define FEED_BOOK_LOOK_H

#include "feed/book_state.h"
#include "ring/prefetch.h"

/* One of the two, by all bits or none: the compiler is not to make a branch of it. */
static inline uint32_t choose(uint32_t mask, uint32_t set, uint32_t clear)
{
    return (set & mask) | (clear & ~mask);
}

static inline struct book_look *look_of(struct book_ahead *ahead, uint32_t number)
{
    return &ahead->look[number % BOOK_AHEAD];
}

/* All that the message says by itself: the place of its order, the header and, of an order to be entered, the level. */
static inline __attribute__((always_inline)) void look_begin(struct book_look *look, const struct book *book,
                                                             uint32_t instrument, bool ask, int32_t price,
                                                             bool any_side)
{
    if (UNLIKELY(instrument >= book->params.instruments_max))
        instrument = 0;
    look->home = ref_home(book, look->ref);
    look->window = window_cell(instrument, 0);
    look->read = choose(-(uint32_t)look->enters, look->window + ask * WINDOW + tick_of(price) % WINDOW, look->home);
    prefetch_read(&book->cells[look->home]);
    prefetch_read(&book->headers[instrument]);
    prefetch_read(&book->cells[look->read]);
    if (any_side)
        prefetch_read(&book->cells[look->read + WINDOW]);
}

/* The level of an order and its neighbours; where one is to be entered, the last one. At home only: what went on from
 * there, or is not there, is nothing to look for. Whatever cell it is, two of them can be read. */
static inline __attribute__((always_inline)) void look_end(const struct book_look *look)
{
    const struct cell *cells = look->book->cells;
    const struct order *order = order_at(look->book, look->read);
    const uint32_t enters = -(uint32_t)look->enters;
    const uint32_t level = look->window + (order->side & 1u) * WINDOW + tick_of(order->price) % WINDOW;

    prefetch_read(&cells[order->queue.prev]);
    prefetch_read(&cells[choose(enters, order->queue.prev, order->queue.next)]);
    prefetch_read(&cells[choose(enters, look->read, level)]);
    if (UNLIKELY(look->any_side)) /* that of the other side too */
        prefetch_read(&cells[order_at(look->book, look->read + WINDOW)->queue.prev]);
}

/* book_look; `any_side`: known when compiled. */
static inline __attribute__((always_inline)) const struct book_look *
look_ahead(struct book_ahead *ahead, const struct book *book, uint64_t ref, uint32_t instrument, bool ask,
           bool any_side, int32_t price, uint8_t enters)
{
    struct book_look *look = look_of(ahead, ahead->begun++);

    look->book = book;
    look->ref = ref;
    look->enters = enters;
    look->any_side = any_side;
    look_begin(look, book, instrument, ask, price, any_side);
    if (LIKELY(ahead->begun - ahead->ended > BOOK_AHEAD_STEP))
        look_end(look_of(ahead, ahead->ended++));
    return look;
}

/* book_look_none */
static inline struct book_look look_none(const struct book *book, uint64_t ref)
{
    return (struct book_look){.book = book, .ref = ref, .home = ref_home(book, ref)};
}

#endif
