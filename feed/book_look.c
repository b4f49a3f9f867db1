/* Books: looking ahead. Contract in book.h.
 *
 * Called by feed/channel_look for each order message of a burst, some messages before its turn. An operation waits for
 * memory twice, first for the order and then for its level and neighbours; here many operations wait together. Without
 * a branch on what an operation is: kinds come in no order. Reads of the book are bounded whatever the operation says;
 * what is only fetched need not be there. */
#include "feed/book_state.h"

/* Always inlined, and with an empty asm: GCC 12 takes a function that does nothing but __builtin_prefetch for one that
 * does nothing, and deletes its calls. */
static inline __attribute__((always_inline)) void prefetch(const void *line)
{
    __asm__ volatile("" : : "r"(line));
    __builtin_prefetch(line, 1);
}

/* One of the two, by all bits or none: the compiler is not to make a branch of it. */
static inline uint32_t choose(uint32_t mask, uint32_t set, uint32_t clear)
{
    return (set & mask) | (clear & ~mask);
}

/* All that the message says by itself: the place of its order, the header and, of an order to be entered, the level. */
static inline void look_begin(struct book_look *look, const struct book *book)
{
    look->home = ref_home(book, look->ref);
    if (UNLIKELY(look->instrument >= book->params.instruments_max))
        look->instrument = 0;
    look->level = window_cell(look->instrument, look->side == 'S') + tick_of(look->price) % WINDOW;
    prefetch(&book->cells[look->home]);
    prefetch(&book->headers[look->instrument]);
    prefetch(&book->cells[choose(look->enters, look->level, look->home)]);
    if (UNLIKELY(look->side == 0))
        prefetch(&book->cells[look->level + WINDOW]);
}

/* The level of an order and its neighbours; where one is to be entered, the last one. At home only: what went on from
 * there, or is not there, is nothing to look for. Whatever cell it is, two of them can be read. */
static inline void look_end(const struct book_look *look)
{
    const struct book *book = look->book;
    /* A replace does not say its side: that which the price belongs to. */
    const uint32_t other = (uint32_t)(look->side == 0) &
                           (uint32_t)(look->price > book->headers[look->instrument].top.bbo.bid_price);
    const uint32_t cell = choose(look->enters, look->level + other * WINDOW, look->home);
    const struct order *order = order_at(book, cell);
    const uint32_t level = window_cell(look->instrument, order->side & 1u) + tick_of(order->price) % WINDOW;

    prefetch(&book->cells[order->queue.prev]);
    prefetch(&book->cells[choose(look->enters, order->queue.prev, order->queue.next)]);
    prefetch(&book->cells[choose(look->enters, cell, level)]);
}

static inline struct book_look *look_of(struct book_ahead *ahead, uint32_t number)
{
    return &ahead->look[number % BOOK_AHEAD];
}

const struct book_look *book_look(struct book_ahead *ahead, const struct book *book, uint64_t ref, uint32_t instrument,
                                  uint8_t side, int32_t price, bool enters)
{
    struct book_look *look = look_of(ahead, ahead->begun++);

    look->book = book;
    look->ref = ref;
    look->price = price;
    look->instrument = (uint16_t)instrument;
    look->side = side;
    look->enters = -(uint32_t)enters;
    look_begin(look, book);
    if (LIKELY(ahead->begun - ahead->ended > BOOK_AHEAD_STEP))
        look_end(look_of(ahead, ahead->ended++));
    return look;
}

struct book_look book_look_none(const struct book *book, uint64_t ref)
{
    return (struct book_look){.book = book, .ref = ref, .home = ref_home(book, ref)};
}

void book_look_end(struct book_ahead *ahead)
{
    while (ahead->ended != ahead->begun)
        look_end(look_of(ahead, ahead->ended++));
}
