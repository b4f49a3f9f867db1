/* See reference_book.h. No index, no levels, no cached best price: loops over the list. */
#include "tests/unit/reference_book.h"

#include "ring/check.h"

#include <string.h>

void reference_book_init(struct reference_book *book, const struct book_params *params)
{
    CHECK(params->orders_max <= REFERENCE_BOOK_ORDERS_MAX && params->instruments_max <= REFERENCE_BOOK_INSTRUMENTS_MAX);
    memset(book, 0, sizeof(*book));
    book->params = *params;
}

void reference_book_clear(struct reference_book *book)
{
    book->order_count = 0;
    memset(book->untradable, 0, sizeof(book->untradable));
}

static const struct reference_order *find(const struct reference_book *book, uint64_t ref)
{
    for (uint32_t i = 0; i < book->order_count; i++)
        if (book->orders[i].ref == ref)
            return &book->orders[i];
    return NULL;
}

static bool same_level(const struct reference_order *a, const struct reference_order *b)
{
    return a->instrument == b->instrument && a->side == b->side && a->price == b->price;
}

/* Does `a` stand before `b`? Orders of one level do not: who came first is known from the list alone. */
static bool before(const struct reference_order *a, const struct reference_order *b)
{
    if (a->instrument != b->instrument)
        return a->instrument < b->instrument;
    if (a->side != b->side)
        return a->side < b->side;
    return a->side == 'B' ? a->price > b->price : a->price < b->price;
}

static uint32_t level_count(const struct reference_book *book)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < book->order_count; i++)
        count += i == 0 || !same_level(&book->orders[i - 1], &book->orders[i]);
    return count;
}

static bool level_exists(const struct reference_book *book, const struct reference_order *order)
{
    for (uint32_t i = 0; i < book->order_count; i++)
        if (same_level(&book->orders[i], order))
            return true;
    return false;
}

static enum book_verdict judged(struct reference_book *book, enum book_verdict verdict)
{
    book->counters.verdict[verdict]++;
    return verdict;
}

static enum book_verdict lost(struct reference_book *book, uint32_t instrument, enum book_verdict verdict)
{
    book->untradable[instrument] = true;
    return judged(book, verdict);
}

static bool crossed(const struct reference_book *book, uint32_t instrument)
{
    const struct book_bbo bbo = reference_book_bbo(book, instrument);
    return bbo.bid_price != BOOK_PRICE_NONE && bbo.ask_price != BOOK_PRICE_NONE && bbo.bid_price >= bbo.ask_price;
}

enum book_verdict reference_book_add(struct reference_book *book, uint32_t instrument, uint64_t ref, uint8_t side,
                                     int32_t price, uint32_t qty)
{
    const struct reference_order order = {
        .ref = ref, .instrument = instrument, .price = price, .qty = qty, .side = side};

    if (instrument >= book->params.instruments_max)
        return judged(book, BOOK_BAD_INSTRUMENT);
    if (qty == 0)
        return judged(book, BOOK_BAD_QTY);
    if (price == BOOK_PRICE_NONE)
        return lost(book, instrument, BOOK_BAD_PRICE);
    if (find(book, ref) != NULL)
        return judged(book, BOOK_DUPLICATE_REF);
    if (book->order_count == book->params.orders_max)
        return lost(book, instrument, BOOK_ORDERS_FULL);
    if (!level_exists(book, &order) && level_count(book) == book->params.levels_max)
        return lost(book, instrument, BOOK_LEVELS_FULL);

    const bool crossed_before = crossed(book, instrument);
    uint32_t at = 0;
    while (at < book->order_count && !before(&order, &book->orders[at]))
        at++;
    memmove(&book->orders[at + 1], &book->orders[at], (book->order_count - at) * sizeof(order));
    book->orders[at] = order;
    book->order_count++;
    book->counters.crossed_count += crossed(book, instrument) && !crossed_before;
    return judged(book, BOOK_OK);
}

static enum book_verdict take(struct reference_book *book, uint64_t ref, uint32_t qty, bool all,
                              struct book_change *ret_change)
{
    const struct reference_order *found = find(book, ref);

    if (found == NULL)
        return judged(book, BOOK_ORPHAN);
    const uint32_t at = (uint32_t)(found - book->orders);
    struct reference_order *order = &book->orders[at];
    memset(ret_change, 0, sizeof(*ret_change));
    ret_change->ref = ref;
    ret_change->instrument = order->instrument;
    ret_change->price = order->price;
    ret_change->side = order->side;
    ret_change->clamped = !all && qty > order->qty;
    ret_change->qty = all || qty > order->qty ? order->qty : qty;
    ret_change->left_qty = order->qty - ret_change->qty;
    book->counters.clamped_count += ret_change->clamped;
    order->qty = ret_change->left_qty;
    if (order->qty == 0) {
        book->order_count--;
        memmove(order, order + 1, (book->order_count - at) * sizeof(*order));
    }
    return judged(book, BOOK_OK);
}

enum book_verdict reference_book_reduce(struct reference_book *book, uint64_t ref, uint32_t qty,
                                        struct book_change *ret_change)
{
    return take(book, ref, qty, false, ret_change);
}

enum book_verdict reference_book_delete(struct reference_book *book, uint64_t ref, struct book_change *ret_change)
{
    return take(book, ref, 0, true, ret_change);
}

enum book_verdict reference_book_replace(struct reference_book *book, uint64_t orig_ref, uint64_t ref, int32_t price,
                                         uint32_t qty, struct book_change *ret_removed)
{
    const enum book_verdict verdict = take(book, orig_ref, 0, true, ret_removed);

    if (verdict != BOOK_OK)
        return verdict;
    return reference_book_add(book, ret_removed->instrument, ref, ret_removed->side, price, qty);
}

uint32_t reference_book_levels(const struct reference_book *book, uint32_t instrument, uint8_t side, uint32_t max_count,
                               struct book_level_view *ret_levels)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < book->order_count; i++) {
        const struct reference_order *order = &book->orders[i];
        if (order->instrument != instrument || order->side != side)
            continue;
        if (count == 0 || ret_levels[count - 1].price != order->price) {
            if (count == max_count)
                break;
            ret_levels[count++] = (struct book_level_view){.price = order->price};
        }
        ret_levels[count - 1].order_count++;
        ret_levels[count - 1].qty += order->qty;
    }
    return count;
}

struct book_bbo reference_book_bbo(const struct reference_book *book, uint32_t instrument)
{
    struct book_bbo bbo = {.bid_price = BOOK_PRICE_NONE, .ask_price = BOOK_PRICE_NONE};
    struct book_level_view best;

    if (reference_book_levels(book, instrument, 'B', 1, &best) == 1) {
        bbo.bid_price = best.price;
        bbo.bid_qty = best.qty > UINT32_MAX ? UINT32_MAX : (uint32_t)best.qty;
    }
    if (reference_book_levels(book, instrument, 'S', 1, &best) == 1) {
        bbo.ask_price = best.price;
        bbo.ask_qty = best.qty > UINT32_MAX ? UINT32_MAX : (uint32_t)best.qty;
    }
    return bbo;
}

bool reference_book_queue_ahead(const struct reference_book *book, uint64_t ref, uint64_t *ret_qty)
{
    const struct reference_order *order = find(book, ref);
    uint64_t ahead = 0;

    if (order == NULL)
        return false;
    for (const struct reference_order *other = book->orders; other != order; other++)
        if (same_level(other, order))
            ahead += other->qty;
    *ret_qty = ahead;
    return true;
}

/* ---- comparing ---- */

static const char *side_difference(const struct reference_book *reference, const struct book *book, uint32_t instrument,
                                   uint8_t side)
{
    static struct book_level_view wanted[REFERENCE_BOOK_ORDERS_MAX + 1], found[REFERENCE_BOOK_ORDERS_MAX + 1];
    static uint64_t refs[REFERENCE_BOOK_ORDERS_MAX + 1];
    const uint32_t count = reference_book_levels(reference, instrument, side, REFERENCE_BOOK_ORDERS_MAX, wanted);
    struct book_totals wanted_totals = {.level_count = count};
    uint32_t at = 0;

    if (book_levels(book, instrument, side, REFERENCE_BOOK_ORDERS_MAX + 1, found) != count)
        return "number of levels";
    while (at < reference->order_count &&
           (reference->orders[at].instrument != instrument || reference->orders[at].side != side))
        at++;
    for (uint32_t i = 0; i < count; i++) {
        if (found[i].price != wanted[i].price)
            return "price of a level";
        if (found[i].order_count != wanted[i].order_count)
            return "number of orders of a level";
        if (found[i].qty != wanted[i].qty)
            return "quantity of a level";
        /* One more than there should be, so that one too many is seen. */
        if (book_queue(book, instrument, side, found[i].price, found[i].order_count + 1, refs) != found[i].order_count)
            return "length of a queue";
        for (uint32_t k = 0; k < found[i].order_count; k++, at++)
            if (refs[k] != reference->orders[at].ref)
                return "order of a queue";
        wanted_totals.order_count += wanted[i].order_count;
        wanted_totals.qty += wanted[i].qty;
    }
    const struct book_totals totals = book_totals(book, instrument, side);
    if (totals.level_count != wanted_totals.level_count || totals.order_count != wanted_totals.order_count ||
        totals.qty != wanted_totals.qty)
        return "totals";
    return NULL;
}

const char *reference_book_difference(const struct reference_book *reference, const struct book *book,
                                      uint32_t instrument)
{
    const struct book_bbo wanted = reference_book_bbo(reference, instrument);
    const struct book_bbo *bbo = book_bbo(book, instrument);

    if (bbo->bid_price != wanted.bid_price || bbo->bid_qty != wanted.bid_qty)
        return "best bid";
    if (bbo->ask_price != wanted.ask_price || bbo->ask_qty != wanted.ask_qty)
        return "best ask";
    if (book_untradable(book, instrument) != reference->untradable[instrument])
        return "untradable mark";
    const char *difference = side_difference(reference, book, instrument, 'B');
    return difference != NULL ? difference : side_difference(reference, book, instrument, 'S');
}

const char *reference_book_difference_anywhere(const struct reference_book *reference, const struct book *book)
{
    if (book_order_count(book) != reference->order_count)
        return "number of orders";
    if (memcmp(book_counters(book), &reference->counters, sizeof(reference->counters)) != 0)
        return "counters";
    for (uint32_t i = 0; i < reference->params.instruments_max; i++) {
        const char *difference = reference_book_difference(reference, book, i);
        if (difference != NULL)
            return difference;
    }
    for (uint32_t i = 0; i < reference->order_count; i++) {
        uint64_t wanted, found;
        if (!reference_book_queue_ahead(reference, reference->orders[i].ref, &wanted) ||
            !book_queue_ahead(book, reference->orders[i].ref, &found) || found != wanted)
            return "quantity ahead of an order";
    }
    return NULL;
}
