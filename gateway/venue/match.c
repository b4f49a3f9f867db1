/* Price-time matching over one feed/book. Contract in match.h. Called by gateway/venue/sim on a strategy lcore and by
 * tools/exchange. Never allocates, asks for the time or trusts what the flow says.
 *
 * The book has the orders of both kinds in their queues. Beside it, of clients' orders only: a hash table by key, and
 * for each side of each instrument a list, best first and first come first, so that the background flow, which meets
 * clients' orders only, need not look for them among its own. */
#include "gateway/venue/match.h"

#include "ring/check.h"

#define NONE UINT32_MAX
#define CLIENTS_LIMIT (1u << 24)

struct client {
    uint64_t key;
    uint64_t ref;            /* in the book; its low bits are the index of this */
    uint32_t chain;          /* next of its bucket; links free ones too */
    uint32_t ahead, behind;  /* clients' orders of its side; NONE at the ends */
    uint32_t instrument;
    int32_t price;
    uint8_t side;
};

struct match {
    struct book *book;
    struct client *clients;
    uint32_t *buckets;       /* as many as clients: first order whose key falls there */
    uint32_t *best;          /* by instrument and side: clients' best order */
    match_hear *hear;
    void *hear_arg;
    struct match_params params;
    uint32_t free;
    uint32_t client_count;
    uint64_t entered_count;  /* makes clients' references unique */
    uint64_t match_number;
};

/* An order on its way into the book. */
struct arrival {
    uint64_t key;            /* 0: of the background */
    uint64_t ref;
    uint64_t orig_ref;       /* of the order that it replaces, if that is to be told */
    uint32_t instrument;
    uint8_t side;
    bool rests;              /* in the book already, that there be room for it: see arrive */
    int32_t price;
    uint32_t qty, left_qty;
};

/* ---- layout ---- */

struct layout {
    size_t clients, buckets, best, book, bytes;
};

static size_t lay(size_t *at, size_t bytes)
{
    const size_t here = *at;
    *at += (bytes + CACHE_LINE_BYTES - 1) / CACHE_LINE_BYTES * CACHE_LINE_BYTES;
    return here;
}

static bool layout_make(const struct match_params *params, struct layout *ret_layout)
{
    const uint32_t clients_max = params->client_orders_max;
    const size_t book_bytes = book_footprint(&params->book);
    size_t at = 0;

    if (book_bytes == 0 || clients_max == 0 || clients_max > CLIENTS_LIMIT || (clients_max & (clients_max - 1)) != 0)
        return false;
    lay(&at, sizeof(struct match));
    ret_layout->clients = lay(&at, clients_max * sizeof(struct client));
    ret_layout->buckets = lay(&at, clients_max * sizeof(uint32_t));
    ret_layout->best = lay(&at, (size_t)params->book.instruments_max * 2 * sizeof(uint32_t));
    ret_layout->book = lay(&at, book_bytes);
    ret_layout->bytes = at;
    return true;
}

size_t match_footprint(const struct match_params *params)
{
    struct layout layout;

    return layout_make(params, &layout) ? layout.bytes : 0;
}

static void clients_forget(struct match *match)
{
    const uint32_t clients_max = match->params.client_orders_max;

    for (uint32_t i = 0; i < clients_max; i++) {
        match->clients[i] = (struct client){.chain = i + 1 < clients_max ? i + 1 : NONE};
        match->buckets[i] = NONE;
    }
    for (uint32_t i = 0; i < match->params.book.instruments_max * 2; i++)
        match->best[i] = NONE;
    match->free = 0;
    match->client_count = 0;
}

struct match *match_init(void *memory, const struct match_params *params, match_hear *hear, void *hear_arg)
{
    struct match *match = memory;
    uint8_t *bytes = memory;
    struct layout layout;

    CHECK(layout_make(params, &layout));
    *match = (struct match){
        .book = book_init(bytes + layout.book, &params->book),
        .clients = (struct client *)(void *)(bytes + layout.clients),
        .buckets = (uint32_t *)(void *)(bytes + layout.buckets),
        .best = (uint32_t *)(void *)(bytes + layout.best),
        .hear = hear,
        .hear_arg = hear_arg,
        .params = *params,
    };
    clients_forget(match);
    return match;
}

void match_clear(struct match *match)
{
    book_clear(match->book);
    clients_forget(match);
}

/* ---- clients' orders ---- */

static uint32_t *bucket_of(const struct match *match, uint64_t key)
{
    const uint64_t hash = (key * 0x9e3779b97f4a7c15u) >> 32;
    return &match->buckets[hash & (match->params.client_orders_max - 1)];
}

static struct client *client_find(const struct match *match, uint64_t key)
{
    for (uint32_t i = *bucket_of(match, key); i != NONE; i = match->clients[i].chain)
        if (match->clients[i].key == key)
            return &match->clients[i];
    return NULL;
}

/* NULL: a background order. */
static struct client *client_of(const struct match *match, uint64_t ref)
{
    return ref < MATCH_CLIENT_REF ? NULL : &match->clients[ref & (match->params.client_orders_max - 1)];
}

static uint32_t client_idx(const struct match *match, const struct client *client)
{
    return (uint32_t)(client - match->clients);
}

/* NONE: all are taken. */
static uint32_t slot_take(struct match *match)
{
    const uint32_t slot = match->free;

    if (slot != NONE)
        match->free = match->clients[slot].chain;
    return slot;
}

static void slot_give(struct match *match, uint32_t slot)
{
    match->clients[slot] = (struct client){.chain = match->free};
    match->free = slot;
}

static bool better(uint8_t side, int32_t price, int32_t than)
{
    return side == 'B' ? price > than : price < than;
}

static uint32_t *best_of(const struct match *match, uint32_t instrument, uint8_t side)
{
    return &match->best[instrument * 2 + (side == 'B' ? 0 : 1)];
}

/* What is left of an arrival rests from now on: behind all that is as good. */
static void client_insert(struct match *match, const struct arrival *arrival)
{
    struct client *client = client_of(match, arrival->ref);
    const uint32_t idx = client_idx(match, client);
    uint32_t *bucket = bucket_of(match, arrival->key);
    uint32_t ahead = NONE, behind = *best_of(match, arrival->instrument, arrival->side);

    while (behind != NONE && !better(arrival->side, arrival->price, match->clients[behind].price)) {
        ahead = behind;
        behind = match->clients[behind].behind;
    }
    *client = (struct client){.key = arrival->key,
                              .ref = arrival->ref,
                              .chain = *bucket,
                              .ahead = ahead,
                              .behind = behind,
                              .instrument = arrival->instrument,
                              .price = arrival->price,
                              .side = arrival->side};
    *bucket = idx;
    if (ahead != NONE)
        match->clients[ahead].behind = idx;
    else
        *best_of(match, arrival->instrument, arrival->side) = idx;
    if (behind != NONE)
        match->clients[behind].ahead = idx;
    match->client_count++;
}

/* Out of table and list; the slot is still its own. */
static void client_unlink(struct match *match, struct client *client)
{
    const uint32_t idx = client_idx(match, client);
    uint32_t *link = bucket_of(match, client->key);

    while (*link != idx)
        link = &match->clients[*link].chain;
    *link = client->chain;
    if (client->ahead != NONE)
        match->clients[client->ahead].behind = client->behind;
    else
        *best_of(match, client->instrument, client->side) = client->behind;
    if (client->behind != NONE)
        match->clients[client->behind].ahead = client->ahead;
    match->client_count--;
}

/* ---- what happens to an order in the book ---- */

/* Up to `qty` of it leaves. */
static uint32_t take(struct match *match, enum match_news_type type, uint64_t ref, uint32_t qty, uint64_t taker)
{
    struct client *client = client_of(match, ref);
    struct book_change change;
    const enum book_verdict verdict = book_reduce(match->book, ref, qty, &change);

    CHECK(verdict == BOOK_OK);
    const struct match_news news = {
        .type = (uint8_t)(type == MATCH_REDUCED && change.left_qty == 0 ? MATCH_REMOVED : type),
        .side = change.side,
        .instrument = change.instrument,
        .price = change.price,
        .qty = change.qty,
        .left_qty = change.left_qty,
        .ref = ref,
        .owner = client != NULL ? client->key : 0,
        .taker = taker,
        .match_number = type == MATCH_TRADED ? ++match->match_number : 0,
    };
    if (client != NULL && change.left_qty == 0) {
        client_unlink(match, client);
        slot_give(match, client_idx(match, client));
    }
    match->hear(match->hear_arg, &news);
    return change.qty;
}

/* The order that an arrival trades with next, if there is one: a client meets all, the background clients only. */
static bool maker_next(const struct match *match, const struct arrival *arrival, uint64_t *ret_ref)
{
    const uint8_t side = arrival->side == 'B' ? 'S' : 'B';

    if (arrival->key == 0) {
        const uint32_t idx = *best_of(match, arrival->instrument, side);
        if (idx == NONE || better(side, arrival->price, match->clients[idx].price))
            return false;
        *ret_ref = match->clients[idx].ref;
        return true;
    }
    const struct book_bbo *bbo = book_bbo(match->book, arrival->instrument);
    const int32_t price = side == 'B' ? bbo->bid_price : bbo->ask_price;
    struct book_order_view first;
    if (price == BOOK_PRICE_NONE || better(side, arrival->price, price))
        return false;
    CHECK(book_orders(match->book, arrival->instrument, side, price, 1, &first) == 1);
    *ret_ref = first.ref;
    return true;
}

/* ---- arrivals ---- */

static enum match_verdict verdict_of(enum book_verdict verdict)
{
    switch (verdict) {
    case BOOK_OK:
        return MATCH_OK;
    case BOOK_DUPLICATE_REF:
        return MATCH_DUPLICATE;
    case BOOK_ORDERS_FULL:
    case BOOK_LEVELS_FULL:
        return MATCH_FULL;
    default:
        return MATCH_BAD;
    }
}

/* An order that may rest is in the book before it trades, so that "no room" is said before anything has happened; here
 * it loses what it trades. */
static void arrive(struct match *match, struct arrival *arrival)
{
    uint64_t maker;

    while (arrival->left_qty > 0 && maker_next(match, arrival, &maker)) {
        arrival->left_qty -= take(match, MATCH_TRADED, maker, arrival->left_qty, arrival->key);
        if (arrival->key != 0 && maker < MATCH_CLIENT_REF)
            book_mark_order(match->book, maker); /* if any of it is left: shares of it are gone */
    }
    if (!arrival->rests)
        return;
    if (arrival->left_qty < arrival->qty) {
        struct book_change change;
        CHECK(book_reduce(match->book, arrival->ref, arrival->qty - arrival->left_qty, &change) == BOOK_OK);
        if (arrival->key == 0)
            book_mark_order(match->book, arrival->ref);
    }
    if (arrival->left_qty == 0) {
        if (arrival->key != 0)
            slot_give(match, client_idx(match, client_of(match, arrival->ref)));
        return;
    }
    if (arrival->key != 0)
        client_insert(match, arrival);
    const struct match_news news = {
        .type = arrival->orig_ref != 0 ? MATCH_REPLACED : MATCH_ADDED,
        .side = arrival->side,
        .instrument = arrival->instrument,
        .price = arrival->price,
        .qty = arrival->left_qty,
        .left_qty = arrival->left_qty,
        .ref = arrival->ref,
        .orig_ref = arrival->orig_ref,
        .owner = arrival->key,
    };
    match->hear(match->hear_arg, &news);
}

/* An order has left the book for its replacement: told now, or, where that rests whole, together with it. */
static void tell_replaced(struct match *match, struct arrival *arrival, const struct book_change *gone, uint64_t owner)
{
    uint64_t maker;

    if (arrival->rests && !maker_next(match, arrival, &maker)) {
        arrival->orig_ref = gone->ref;
        return;
    }
    const struct match_news news = {
        .type = MATCH_REMOVED,
        .side = gone->side,
        .instrument = gone->instrument,
        .price = gone->price,
        .qty = gone->qty,
        .ref = gone->ref,
        .owner = owner,
    };
    match->hear(match->hear_arg, &news);
}

/* ---- the background flow ---- */

enum match_verdict match_add(struct match *match, uint32_t instrument, uint64_t ref, uint8_t side, int32_t price,
                             uint32_t qty)
{
    struct arrival arrival = {.ref = ref,
                              .instrument = instrument,
                              .side = side,
                              .rests = true,
                              .price = price,
                              .qty = qty,
                              .left_qty = qty};

    if (ref >= MATCH_CLIENT_REF || (side != 'B' && side != 'S'))
        return MATCH_BAD;
    const enum match_verdict verdict = verdict_of(book_add(match->book, instrument, ref, side, price, qty));
    if (verdict == MATCH_OK)
        arrive(match, &arrival);
    return verdict;
}

/* Would a trade on this side have met the client's order before that background order? */
static bool client_first(const struct match *match, const struct client *client, uint64_t ref, int32_t price)
{
    uint64_t ahead_of_client, ahead_of_ref;

    if (client->price != price)
        return better(client->side, client->price, price);
    return book_queue_ahead(match->book, client->ref, &ahead_of_client) &&
           book_queue_ahead(match->book, ref, &ahead_of_ref) && ahead_of_client < ahead_of_ref;
}

enum match_verdict match_execute(struct match *match, uint64_t ref, uint32_t qty)
{
    struct book_order_info order;

    if (ref >= MATCH_CLIENT_REF || qty == 0)
        return MATCH_BAD;
    if (!book_find(match->book, ref, &order))
        return MATCH_UNKNOWN;
    if (qty > order.qty)
        qty = order.qty;
    const uint32_t *best = best_of(match, order.instrument, order.side);
    uint32_t left_qty = qty;
    while (left_qty > 0 && *best != NONE && client_first(match, &match->clients[*best], ref, order.price))
        left_qty -= take(match, MATCH_TRADED, match->clients[*best].ref, left_qty, 0);
    if (left_qty > 0)
        take(match, MATCH_TRADED, ref, left_qty, 0);
    if (left_qty < qty)
        take(match, MATCH_REDUCED, ref, qty - left_qty, 0); /* what clients got instead: the flow has it gone */
    return MATCH_OK;
}

enum match_verdict match_reduce(struct match *match, uint64_t ref, uint32_t qty)
{
    struct book_order_info order;

    if (ref >= MATCH_CLIENT_REF || qty == 0)
        return MATCH_BAD;
    if (!book_find(match->book, ref, &order))
        return MATCH_UNKNOWN;
    take(match, MATCH_REDUCED, ref, qty, 0);
    return MATCH_OK;
}

enum match_verdict match_delete(struct match *match, uint64_t ref)
{
    return match_reduce(match, ref, UINT32_MAX);
}

enum match_verdict match_replace(struct match *match, uint64_t orig_ref, uint64_t ref, int32_t price, uint32_t qty)
{
    struct book_order_info order, other;
    struct book_change gone;

    if (orig_ref >= MATCH_CLIENT_REF || ref >= MATCH_CLIENT_REF || price == BOOK_PRICE_NONE || qty == 0)
        return MATCH_BAD;
    if (!book_find(match->book, orig_ref, &order))
        return MATCH_UNKNOWN;
    if (ref != orig_ref && book_find(match->book, ref, &other))
        return MATCH_DUPLICATE;
    if (order.marked && qty > order.qty)
        qty = order.qty;
    struct arrival arrival = {.ref = ref,
                              .instrument = order.instrument,
                              .side = order.side,
                              .price = price,
                              .qty = qty,
                              .left_qty = qty};
    const enum match_verdict verdict = verdict_of(book_replace(match->book, orig_ref, ref, price, qty, &gone));
    arrival.rests = verdict == MATCH_OK;
    tell_replaced(match, &arrival, &gone, 0);
    if (verdict != MATCH_OK)
        return verdict;
    if (order.marked)
        book_mark_order(match->book, ref);
    arrive(match, &arrival);
    return MATCH_OK;
}

/* ---- clients ---- */

static bool order_sane(const struct match *match, const struct match_order *order)
{
    return order->key != 0 && order->instrument < match->params.book.instruments_max && order->qty > 0 &&
           order->price != BOOK_PRICE_NONE && (order->side == 'B' || order->side == 'S');
}

static struct arrival arrival_of(const struct match_order *order)
{
    return (struct arrival){.key = order->key,
                            .instrument = order->instrument,
                            .side = order->side,
                            .rests = !order->immediate,
                            .price = order->price,
                            .qty = order->qty,
                            .left_qty = order->qty};
}

/* An arrival that may rest takes its place in the book, under a reference of its own that holds its slot. */
static enum match_verdict place_take(struct match *match, struct arrival *arrival, uint32_t slot)
{
    arrival->ref = MATCH_CLIENT_REF + match->entered_count++ * match->params.client_orders_max + slot;
    return verdict_of(book_add(match->book, arrival->instrument, arrival->ref, arrival->side, arrival->price,
                               arrival->qty));
}

enum match_verdict match_enter(struct match *match, const struct match_order *order, uint32_t *ret_left_qty)
{
    struct arrival arrival = arrival_of(order);

    if (!order_sane(match, order))
        return MATCH_BAD;
    if (client_find(match, order->key) != NULL)
        return MATCH_DUPLICATE;
    if (arrival.rests) {
        const uint32_t slot = slot_take(match);
        if (slot == NONE)
            return MATCH_FULL;
        const enum match_verdict verdict = place_take(match, &arrival, slot);
        if (verdict != MATCH_OK) {
            slot_give(match, slot);
            return verdict;
        }
    }
    arrive(match, &arrival);
    if (ret_left_qty != NULL)
        *ret_left_qty = arrival.left_qty;
    return MATCH_OK;
}

enum match_verdict match_client_cut(struct match *match, uint64_t key, uint32_t qty, uint32_t *ret_taken_qty)
{
    const struct client *client = client_find(match, key);
    struct book_order_info order;
    uint32_t taken_qty = 0;

    if (client == NULL)
        return MATCH_UNKNOWN;
    CHECK(book_find(match->book, client->ref, &order));
    if (order.qty > qty)
        taken_qty = take(match, MATCH_REDUCED, client->ref, order.qty - qty, 0);
    if (ret_taken_qty != NULL)
        *ret_taken_qty = taken_qty;
    return MATCH_OK;
}

enum match_verdict match_client_replace(struct match *match, uint64_t orig_key, const struct match_order *order,
                                        uint32_t *ret_left_qty)
{
    struct client *orig = client_find(match, orig_key);
    struct arrival arrival = arrival_of(order);
    struct book_change gone;

    if (orig == NULL)
        return MATCH_UNKNOWN;
    if (!order_sane(match, order) || order->instrument != orig->instrument || order->side != orig->side)
        return MATCH_BAD;
    if (order->key != orig_key && client_find(match, order->key) != NULL)
        return MATCH_DUPLICATE;
    const uint32_t slot = client_idx(match, orig); /* handed over */
    const uint64_t orig_ref = orig->ref;
    const enum match_verdict verdict = arrival.rests ? place_take(match, &arrival, slot) : MATCH_OK;
    if (verdict != MATCH_OK)
        return verdict;
    CHECK(book_delete(match->book, orig_ref, &gone) == BOOK_OK);
    client_unlink(match, orig);
    if (!arrival.rests)
        slot_give(match, slot);
    tell_replaced(match, &arrival, &gone, orig_key);
    arrive(match, &arrival);
    if (ret_left_qty != NULL)
        *ret_left_qty = arrival.left_qty;
    return MATCH_OK;
}

bool match_client_find(const struct match *match, uint64_t key, struct match_order *ret_order, uint64_t *ret_ref)
{
    const struct client *client = client_find(match, key);
    struct book_order_info order;

    if (client == NULL)
        return false;
    CHECK(book_find(match->book, client->ref, &order));
    *ret_order = (struct match_order){.key = key,
                                      .instrument = client->instrument,
                                      .side = client->side,
                                      .price = client->price,
                                      .qty = order.qty};
    if (ret_ref != NULL)
        *ret_ref = client->ref;
    return true;
}

const struct book *match_book(const struct match *match)
{
    return match->book;
}

uint32_t match_client_count(const struct match *match)
{
    return match->client_count;
}
