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

/* The level of an order and its neighbours; where one is to be entered, the last one. At home only: what went on from
 * there, or is not there, is nothing to look for. Whatever cell it is, two of them can be read. */
static inline __attribute__((always_inline)) void fetch_end(const struct book_fetch *fetch)
{
    const struct cell *cells = fetch->cells;
    const struct order *order = fetch->at;

    prefetch_read(&cells[order->cell.queue.prev]);
    prefetch_read(&cells[order->cell.queue.next & fetch->others]); /* else one that is in the cache */
    prefetch_read(&cells[order->where >> ORDER_STATE_BITS & fetch->others]);
}

/* book_look where the side is known. All that the message says by itself: the place of its order, the header and, of an
 * order to be entered, the level. */
static inline __attribute__((always_inline)) uint32_t look_ahead(struct book_ahead *ahead, const struct book *book,
                                                                 uint64_t ref, uint32_t instrument, bool ask,
                                                                 int32_t price, uint8_t enters)
{
    struct book_fetch *fetch = &ahead->fetch[ahead->begun++ % BOOK_AHEAD];
    const struct cell *cells = book->cells;
    const uint32_t home = ref_home(book, ref);

    if (UNLIKELY(instrument >= book->params.instruments_max))
        instrument = 0;
    prefetch_read(&book->headers[instrument]);
    prefetch_read(&cells[home]);
    fetch->cells = cells;
    fetch->others = (uint32_t)enters - 1;
    fetch->at = &cells[choose(fetch->others, home, window_cell(instrument, ask) + tick_of(price) % WINDOW)];
    prefetch_read(fetch->at);
    if (LIKELY(ahead->begun - ahead->ended > BOOK_AHEAD_STEP))
        fetch_end(&ahead->fetch[ahead->ended++ % BOOK_AHEAD]);
    return home;
}

/* book_look_none */
static inline struct book_look look_none(const struct book *book, uint64_t ref, uint32_t instrument)
{
    return (struct book_look){.ref = ref, .home = ref_home(book, ref), .instrument = instrument};
}

#endif
