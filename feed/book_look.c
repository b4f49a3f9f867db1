/* Books: looking ahead, for those who make one look at a time. Contract in book.h, what a look does in book_look.h. */
#include "feed/book_look.h"

const struct book_look *book_look(struct book_ahead *ahead, const struct book *book, uint64_t ref, uint32_t instrument,
                                  uint8_t side, int32_t price, bool enters)
{
    return side == 0 && enters ? look_ahead(ahead, book, ref, instrument, false, true, price, enters)
                               : look_ahead(ahead, book, ref, instrument, side == 'S', false, price, enters);
}

struct book_look book_look_none(const struct book *book, uint64_t ref)
{
    return look_none(book, ref);
}

void book_look_end(struct book_ahead *ahead)
{
    while (ahead->ended != ahead->begun)
        look_end(look_of(ahead, ahead->ended++));
}
