/* The naive book. Contract in venue_book.h.
 *
 * Called by tools/venue and by tests. No cached quantity, count or best price that a walk can find. */
#include "tools/venue_book.h"

#include <stdlib.h>
#include <string.h>

#define BUCKET_BITS_MIN 10u

enum said { SAID_SYSTEM, SAID_DIRECTORY, SAID_ACTION, SAID_REG_SHO, SAID_RPII, SAID_OPERATIONAL, SAID_COUNT };

struct stock {
    uint64_t name;
    struct venue_level *best[2];      /* bids, asks */
    struct itch_msg said[SAID_COUNT]; /* type 0: not yet */
    bool untradable;
};

struct venue_book {
    struct book_params limits;
    struct book_counters counters;
    struct stock *stocks;
    uint32_t stock_count, stocks_max;
    uint32_t order_count, level_count;
    struct venue_order **buckets;     /* by reference, chained */
    uint32_t bucket_bits;
};

/* the map */

static struct venue_order **bucket_of(struct venue_order **buckets, uint32_t bits, uint64_t ref)
{
    return &buckets[ref * UINT64_C(0x9e3779b97f4a7c15) >> (64 - bits)];
}

/* Where the order is chained, or where it would be. */
static struct venue_order **link_of(const struct venue_book *book, uint64_t ref)
{
    struct venue_order **link = bucket_of(book->buckets, book->bucket_bits, ref);
    while (*link != NULL && (*link)->ref != ref)
        link = &(*link)->chained;
    return link;
}

/* Twice as many buckets. Without memory for them the chains get longer. */
static void map_grow(struct venue_book *book)
{
    const uint32_t bits = book->bucket_bits + 1;
    struct venue_order **buckets = calloc((size_t)1 << bits, sizeof(*buckets));
    if (buckets == NULL)
        return;
    for (size_t i = 0; i < (size_t)1 << book->bucket_bits; i++)
        for (struct venue_order *order = book->buckets[i], *next; order != NULL; order = next) {
            struct venue_order **bucket = bucket_of(buckets, bits, order->ref);
            next = order->chained;
            order->chained = *bucket;
            *bucket = order;
        }
    free(book->buckets);
    book->buckets = buckets;
    book->bucket_bits = bits;
}

const struct venue_order *venue_book_find(const struct venue_book *book, uint64_t ref)
{
    return *link_of(book, ref);
}

/* the whole */

struct venue_book *venue_book_open(const struct book_params *limits)
{
    static const struct book_params none = {
        .instruments_max = BOOK_INSTRUMENTS_MAX, .orders_max = UINT32_MAX, .levels_max = UINT32_MAX};
    struct venue_book *book = calloc(1, sizeof(*book));
    if (book == NULL)
        return NULL;
    book->limits = limits != NULL ? *limits : none;
    book->bucket_bits = BUCKET_BITS_MIN;
    book->buckets = calloc((size_t)1 << BUCKET_BITS_MIN, sizeof(struct venue_order *));
    if (book->buckets == NULL) {
        venue_book_close(book);
        return NULL;
    }
    return book;
}

void venue_book_clear(struct venue_book *book)
{
    for (uint32_t i = 0; i < 2 * book->stock_count; i++)
        for (struct venue_level *level = book->stocks[i / 2].best[i % 2], *worse; level != NULL; level = worse) {
            for (struct venue_order *order = level->first, *behind; order != NULL; order = behind) {
                behind = order->behind;
                free(order);
            }
            worse = level->worse;
            free(level);
        }
    if (book->order_count > 0)
        memset(book->buckets, 0, sizeof(struct venue_order *) << book->bucket_bits);
    book->stock_count = book->order_count = book->level_count = 0;
}

void venue_book_close(struct venue_book *book)
{
    if (book == NULL)
        return;
    venue_book_clear(book);
    free(book->buckets);
    free(book->stocks);
    free(book);
}

/* NULL: no such number, or no memory. */
static struct stock *stock_take(struct venue_book *book, uint32_t instrument)
{
    if (instrument >= book->limits.instruments_max)
        return NULL;
    if (instrument >= book->stocks_max) {
        const uint32_t more = instrument < 32 ? 64 : 2 * instrument;
        struct stock *stocks = realloc(book->stocks, more * sizeof(*stocks));
        if (stocks == NULL)
            return NULL;
        book->stocks = stocks;
        book->stocks_max = more;
    }
    while (book->stock_count <= instrument)
        book->stocks[book->stock_count++] = (struct stock){.name = 0};
    return &book->stocks[instrument];
}

static const struct stock *stock_at(const struct venue_book *book, uint32_t instrument)
{
    static const struct stock empty;
    return instrument < book->stock_count ? &book->stocks[instrument] : &empty;
}

/* orders and levels */

static enum book_verdict judged(struct venue_book *book, enum book_verdict verdict)
{
    book->counters.verdict[verdict]++;
    return verdict;
}

static enum book_verdict lost(struct venue_book *book, struct stock *stock, enum book_verdict verdict)
{
    stock->untradable = true;
    return judged(book, verdict);
}

static bool crossed(const struct stock *stock)
{
    return stock->best[0] != NULL && stock->best[1] != NULL && stock->best[0]->price >= stock->best[1]->price;
}

/* The level of this price; a new one if there is none. NULL: no room for it. */
static struct venue_level *level_take(struct venue_book *book, struct stock *stock, uint32_t instrument, uint8_t side,
                                      int32_t price)
{
    struct venue_level *better = NULL, **link = &stock->best[side != 'B'];
    while (*link != NULL && (side == 'B' ? (*link)->price > price : (*link)->price < price)) {
        better = *link;
        link = &better->worse;
    }
    if (*link != NULL && (*link)->price == price)
        return *link;
    struct venue_level *level = book->level_count < book->limits.levels_max ? malloc(sizeof(*level)) : NULL;
    if (level == NULL)
        return NULL;
    *level = (struct venue_level){
        .price = price, .instrument = instrument, .side = side, .better = better, .worse = *link};
    if (level->worse != NULL)
        level->worse->better = level;
    *link = level;
    book->level_count++;
    return level;
}

static void level_drop(struct venue_book *book, struct venue_level *level)
{
    if (level->better != NULL)
        level->better->worse = level->worse;
    else
        book->stocks[level->instrument].best[level->side != 'B'] = level->worse;
    if (level->worse != NULL)
        level->worse->better = level->better;
    book->level_count--;
    free(level);
}

enum book_verdict venue_book_add(struct venue_book *book, uint32_t instrument, uint64_t ref, uint8_t side,
                                 int32_t price, uint32_t qty)
{
    struct stock *stock = stock_take(book, instrument);
    if (stock == NULL)
        return judged(book, BOOK_BAD_INSTRUMENT);
    if (qty == 0)
        return judged(book, BOOK_BAD_QTY);
    if (price == BOOK_PRICE_NONE)
        return lost(book, stock, BOOK_BAD_PRICE);
    if (venue_book_find(book, ref) != NULL)
        return judged(book, BOOK_DUPLICATE_REF);
    struct venue_order *order = book->order_count < book->limits.orders_max ? malloc(sizeof(*order)) : NULL;
    if (order == NULL)
        return lost(book, stock, BOOK_ORDERS_FULL);
    const bool crossed_before = crossed(stock);
    struct venue_level *level = level_take(book, stock, instrument, side, price);
    if (level == NULL) {
        free(order);
        return lost(book, stock, BOOK_LEVELS_FULL);
    }
    *order = (struct venue_order){.ref = ref, .qty = qty, .level = level, .ahead = level->last};
    *(level->last != NULL ? &level->last->behind : &level->first) = order;
    level->last = order;
    if (book->order_count >> book->bucket_bits > 0)
        map_grow(book);
    *link_of(book, ref) = order;
    book->order_count++;
    book->counters.crossed_count += crossed(stock) && !crossed_before;
    return judged(book, BOOK_OK);
}

static enum book_verdict take(struct venue_book *book, uint64_t ref, uint32_t qty, bool all,
                              struct book_change *ret_change)
{
    struct venue_order **link = link_of(book, ref), *order = *link;
    if (order == NULL)
        return judged(book, BOOK_ORPHAN);
    struct venue_level *level = order->level;
    const uint32_t taken = all || qty > order->qty ? order->qty : qty;
    order->qty -= taken;
    *ret_change = (struct book_change){.ref = ref, .instrument = level->instrument, .price = level->price, .qty = taken,
                                       .left_qty = order->qty, .side = level->side, .clamped = !all && qty > taken};
    book->counters.clamped_count += ret_change->clamped;
    if (order->qty == 0) {
        *link = order->chained;
        *(order->ahead != NULL ? &order->ahead->behind : &level->first) = order->behind;
        *(order->behind != NULL ? &order->behind->ahead : &level->last) = order->ahead;
        if (level->first == NULL)
            level_drop(book, level);
        free(order);
        book->order_count--;
    }
    return judged(book, BOOK_OK);
}

enum book_verdict venue_book_reduce(struct venue_book *book, uint64_t ref, uint32_t qty,
                                    struct book_change *ret_change)
{
    return take(book, ref, qty, false, ret_change);
}

enum book_verdict venue_book_delete(struct venue_book *book, uint64_t ref, struct book_change *ret_change)
{
    return take(book, ref, 0, true, ret_change);
}

enum book_verdict venue_book_replace(struct venue_book *book, uint64_t orig_ref, uint64_t ref, int32_t price,
                                     uint32_t qty, struct book_change *ret_removed)
{
    const enum book_verdict verdict = take(book, orig_ref, 0, true, ret_removed);
    if (verdict != BOOK_OK)
        return verdict;
    return venue_book_add(book, ret_removed->instrument, ref, ret_removed->side, price, qty);
}

/* messages */

/* An order enters, by A, F or U. */
static enum book_verdict enter(struct venue_book *book, const struct itch_msg *msg, uint32_t instrument, uint64_t ref,
                               uint8_t side, uint64_t mpid)
{
    struct stock *stock = stock_take(book, instrument);
    const uint32_t price = msg->order.price;
    if (stock != NULL && (price > INT32_MAX || (side != 'B' && side != 'S')))
        return lost(book, stock, BOOK_BAD_PRICE);
    const enum book_verdict verdict = venue_book_add(book, instrument, ref, side, (int32_t)price, msg->order.qty);
    if (verdict == BOOK_OK) {
        struct venue_order *order = *link_of(book, ref);
        order->timestamp_ns = msg->timestamp_ns;
        order->tracking = msg->tracking;
        order->mpid = mpid;
    }
    return verdict;
}

static enum said said_of(uint8_t type)
{
    switch (type) {
    case ITCH_SYSTEM_EVENT:
        return SAID_SYSTEM;
    case ITCH_STOCK_DIRECTORY:
        return SAID_DIRECTORY;
    case ITCH_TRADING_ACTION:
        return SAID_ACTION;
    case ITCH_REG_SHO:
        return SAID_REG_SHO;
    case ITCH_RPII:
        return SAID_RPII;
    case ITCH_OPERATIONAL_HALT:
        return SAID_OPERATIONAL;
    default:
        return SAID_COUNT;
    }
}

enum book_verdict venue_book_apply(struct venue_book *book, const struct itch_msg *msg)
{
    struct book_change change;
    struct stock *stock;
    switch (msg->type) {
    case ITCH_ADD:
    case ITCH_ADD_MPID:
        stock = stock_take(book, msg->locate);
        if (stock != NULL && stock->name == 0)
            stock->name = msg->add.stock;
        return enter(book, msg, msg->locate, msg->add.ref, msg->add.side, msg->add.mpid);
    case ITCH_EXECUTED:
    case ITCH_EXECUTED_PRICE:
        return venue_book_reduce(book, msg->executed.ref, msg->executed.qty, &change);
    case ITCH_CANCEL:
        return venue_book_reduce(book, msg->cancel.ref, msg->cancel.qty, &change);
    case ITCH_DELETE:
        return venue_book_delete(book, msg->delete.ref, &change);
    case ITCH_REPLACE: {
        const struct venue_order *order = venue_book_find(book, msg->replace.orig_ref);
        const uint64_t mpid = order != NULL ? order->mpid : 0;
        const enum book_verdict verdict = venue_book_delete(book, msg->replace.orig_ref, &change);
        return verdict != BOOK_OK ? verdict : enter(book, msg, change.instrument, msg->replace.ref, change.side, mpid);
    }
    default:
        break;
    }
    const enum said said = said_of(msg->type);
    if (said == SAID_COUNT)
        return BOOK_OK;
    stock = stock_take(book, msg->locate);
    if (stock == NULL)
        return BOOK_BAD_INSTRUMENT;
    stock->said[said] = *msg;
    if (said == SAID_DIRECTORY)
        stock->name = msg->directory.stock;
    return BOOK_OK;
}

/* reading */

uint32_t venue_book_instrument_count(const struct venue_book *book)
{
    return book->stock_count;
}

uint32_t venue_book_order_count(const struct venue_book *book)
{
    return book->order_count;
}

const struct book_counters *venue_book_counters(const struct venue_book *book)
{
    return &book->counters;
}

const struct venue_level *venue_book_best(const struct venue_book *book, uint32_t instrument, uint8_t side)
{
    return stock_at(book, instrument)->best[side != 'B'];
}

const struct itch_msg *venue_book_said(const struct venue_book *book, uint32_t instrument, uint8_t type)
{
    const enum said said = said_of(type);
    const struct itch_msg *msg = said == SAID_COUNT ? NULL : &stock_at(book, instrument)->said[said];
    return msg != NULL && msg->type != 0 ? msg : NULL;
}

uint64_t venue_book_stock(const struct venue_book *book, uint32_t instrument)
{
    return stock_at(book, instrument)->name;
}

/* Of the orders before `end`, or of all if it is NULL. */
static uint64_t level_qty(const struct venue_level *level, const struct venue_order *end)
{
    uint64_t qty = 0;
    for (const struct venue_order *order = level->first; order != end; order = order->behind)
        qty += order->qty;
    return qty;
}

static void touch(const struct venue_level *best, int32_t *ret_price, uint32_t *ret_qty)
{
    const uint64_t qty = best != NULL ? level_qty(best, NULL) : 0;
    *ret_price = best != NULL ? best->price : BOOK_PRICE_NONE;
    *ret_qty = qty > UINT32_MAX ? UINT32_MAX : (uint32_t)qty;
}

struct book_bbo venue_book_bbo(const struct venue_book *book, uint32_t instrument)
{
    struct book_bbo bbo;
    touch(venue_book_best(book, instrument, 'B'), &bbo.bid_price, &bbo.bid_qty);
    touch(venue_book_best(book, instrument, 'S'), &bbo.ask_price, &bbo.ask_qty);
    return bbo;
}

bool venue_book_queue_ahead(const struct venue_book *book, uint64_t ref, uint64_t *ret_qty)
{
    const struct venue_order *order = venue_book_find(book, ref);
    if (order == NULL)
        return false;
    *ret_qty = level_qty(order->level, order);
    return true;
}

/* comparing */

/* `refs`: room for one more than the orders that the level has. */
static const char *level_difference(const struct venue_level *wanted, const struct book *found,
                                    const struct book_level_view *view, uint64_t *refs)
{
    uint64_t qty = 0, ahead;
    uint32_t count = 0;
    if (view->price != wanted->price)
        return "price of a level";
    /* One more than it says, so that one too many is seen. */
    const uint32_t queued =
        book_queue(found, wanted->instrument, wanted->side, view->price, view->order_count + 1, refs);
    if (queued != view->order_count)
        return "length of a queue";
    for (const struct venue_order *order = wanted->first; order != NULL; order = order->behind, count++) {
        if (count == queued || refs[count] != order->ref)
            return "order of a queue";
        if (!book_queue_ahead(found, order->ref, &ahead) || ahead != qty)
            return "quantity ahead of an order";
        qty += order->qty;
    }
    if (count != queued)
        return "number of orders of a level";
    return view->qty != qty ? "quantity of a level" : NULL;
}

static const char *side_difference(const struct venue_book *wanted, const struct book *found, uint32_t instrument,
                                   uint8_t side)
{
    const struct book_totals totals = book_totals(found, instrument, side);
    const struct venue_level *best = venue_book_best(wanted, instrument, side);
    struct book_totals walked = {0};
    const char *difference = NULL;
    for (const struct venue_level *level = best; level != NULL; level = level->worse) {
        walked.level_count++;
        walked.qty += level_qty(level, NULL);
        for (const struct venue_order *order = level->first; order != NULL; order = order->behind)
            walked.order_count++;
    }
    if (totals.level_count != walked.level_count || totals.order_count != walked.order_count ||
        totals.qty != walked.qty)
        return "totals";
    struct book_level_view *views = malloc((totals.level_count + (size_t)1) * sizeof(*views));
    uint64_t *refs = malloc((totals.order_count + (size_t)1) * sizeof(*refs));
    if (views == NULL || refs == NULL)
        difference = "no memory to compare";
    else if (book_levels(found, instrument, side, totals.level_count + 1, views) != totals.level_count)
        difference = "number of levels";
    const struct venue_level *level = best;
    for (uint32_t i = 0; difference == NULL && level != NULL; level = level->worse, i++)
        difference = views[i].order_count > totals.order_count ? "number of orders of a level"
                                                               : level_difference(level, found, &views[i], refs);
    free(views);
    free(refs);
    return difference;
}

const char *venue_book_difference(const struct venue_book *wanted, const struct book *found, uint32_t instrument)
{
    const struct book_bbo bbo = venue_book_bbo(wanted, instrument), *found_bbo = book_bbo(found, instrument);
    if (found_bbo->bid_price != bbo.bid_price || found_bbo->bid_qty != bbo.bid_qty)
        return "best bid";
    if (found_bbo->ask_price != bbo.ask_price || found_bbo->ask_qty != bbo.ask_qty)
        return "best ask";
    if (book_untradable(found, instrument) != stock_at(wanted, instrument)->untradable)
        return "untradable mark";
    const char *difference = side_difference(wanted, found, instrument, 'B');
    return difference != NULL ? difference : side_difference(wanted, found, instrument, 'S');
}

const char *venue_book_difference_anywhere(const struct venue_book *wanted, const struct book *found,
                                           uint32_t instrument_count)
{
    if (book_order_count(found) != wanted->order_count)
        return "number of orders";
    for (uint32_t i = 0; i < instrument_count; i++) {
        const char *difference = venue_book_difference(wanted, found, i);
        if (difference != NULL)
            return difference;
    }
    return NULL;
}
