/* Books: looking ahead, for those who make one look at a time. Contract in book.h, what a look does in book_look.h. */
#include "feed/book_look.h"

struct book_look book_look(struct book_ahead *ahead, const struct book *book, uint64_t ref, uint32_t instrument,
                           uint8_t side, int32_t price, bool enters)
{
    const uint32_t home = look_ahead(ahead, book, ref, instrument, side == 'S', price, enters);

    if (side == 0 && enters)
        (void)look_ahead(ahead, book, ref, instrument, true, price, enters);
    return (struct book_look){.ref = ref, .home = home, .instrument = instrument};
}

struct book_look book_look_none(const struct book *book, uint64_t ref, uint32_t instrument)
{
    return look_none(book, ref, instrument);
}

void book_look_end(struct book_ahead *ahead)
{
    while (ahead->ended != ahead->begun)
        fetch_end(&ahead->fetch[ahead->ended++ % BOOK_AHEAD]);
}
