/* A small price-time matching engine over one book (feed/book): orders of a background flow, which come as a feed tells
 * them, and orders of clients, which trade with them and with each other. tools/exchange puts OUCH and a multicast feed
 * around it, gateway/venue/sim puts it behind the orders of a replay. Fixed memory, no allocation after match_init, no
 * clock: time is whatever the caller does first. One owner; pure.
 *
 * The background flow is history or invention: it knows nothing of the clients. So that the book stays one that a venue
 * could have:
 *  - a background order that would cross clients' resting orders trades with them first, the rest is entered;
 *  - a background execution trades with clients' orders ahead of its order first (better price, or the same price and
 *    earlier), only what is left executes the order that the flow names. That order loses the whole quantity all the
 *    same, as a cancel: for the flow those shares are gone, nobody would ever take them out;
 *  - shares that a client took from a background order are gone: later executions, cancels, replaces of it are cut to
 *    what is left, or dropped when nothing is.
 * So the background has never more in the book than the flow says, and what the flow does not cross is not crossed.
 * A client's order trades at the price of the order in the book, best price first, first come first. */
#ifndef GATEWAY_VENUE_MATCH_H
#define GATEWAY_VENUE_MATCH_H

#include "feed/book.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MATCH_CLIENT_REF (UINT64_C(1) << 62) /* book references of clients' orders: from here on; background: below */

enum match_news_type {
    MATCH_ADDED = 1,   /* `ref` is in the book now, at the end of its queue: side, price, qty */
    MATCH_TRADED,      /* `qty` at `price`: `ref` was in the book (left_qty of it remain), `taker` came: the key of a
                        * client's order, or 0 for the background flow */
    MATCH_REDUCED,     /* cancelled in part: qty taken off, left_qty > 0 */
    MATCH_REMOVED,     /* cancelled whole: qty taken off */
    MATCH_REPLACED,    /* `ref` is in the book in the place of orig_ref, at the end of its queue: side, price, qty */
};

struct match_news {
    uint8_t type;          /* enum match_news_type */
    uint8_t side;          /* of `ref`: 'B' or 'S' */
    uint32_t instrument;
    int32_t price;
    uint32_t qty;
    uint32_t left_qty;
    uint64_t ref;          /* order in the book */
    uint64_t orig_ref;
    uint64_t owner;        /* key of `ref`, 0 = background */
    uint64_t taker;        /* MATCH_TRADED */
    uint64_t match_number; /* MATCH_TRADED: from 1, grows */
};

/* Hears each change as it happens, in order. Must not call the engine. */
typedef void match_hear(void *arg, const struct match_news *news);

/* Other than MATCH_OK: nothing has changed, nothing was told (but see match_replace). */
enum match_verdict {
    MATCH_OK = 0,
    MATCH_BAD,          /* price, quantity, side or instrument out of range */
    MATCH_DUPLICATE,    /* key or background reference lives already */
    MATCH_UNKNOWN,      /* no such order, or nothing is left of it */
    MATCH_FULL,         /* no room */
    MATCH_VERDICT_COUNT
};

struct match_params {
    struct book_params book;
    uint32_t client_orders_max;  /* resting at one time; a power of two */
};

struct match;

size_t match_footprint(const struct match_params *params); /* 0: out of range */
struct match *match_init(void *memory, const struct match_params *params, match_hear *hear, void *hear_arg);
/* Forget background and clients' orders; match numbers go on. Nothing is told. */
void match_clear(struct match *match);

/* The background flow. Of an order of no background reference (>= MATCH_CLIENT_REF): MATCH_BAD. */
enum match_verdict match_add(struct match *match, uint32_t instrument, uint64_t ref, uint8_t side, int32_t price,
                             uint32_t qty);
enum match_verdict match_execute(struct match *match, uint64_t ref, uint32_t qty);
enum match_verdict match_reduce(struct match *match, uint64_t ref, uint32_t qty);
enum match_verdict match_delete(struct match *match, uint64_t ref);
/* Told as match_client_replace. MATCH_FULL: the old order is gone, as in book_replace. */
enum match_verdict match_replace(struct match *match, uint64_t orig_ref, uint64_t ref, int32_t price, uint32_t qty);

/* Clients. `key` > 0 names the order for its life. What is left of an immediate-or-cancel order is not entered:
 * *ret_left_qty (may be NULL) says how much is left, resting or not. */
struct match_order {
    uint64_t key;
    uint32_t instrument;
    uint8_t side;          /* 'B' or 'S' */
    bool immediate;        /* immediate or cancel */
    int32_t price;
    uint32_t qty;
};
enum match_verdict match_enter(struct match *match, const struct match_order *order, uint32_t *ret_left_qty);
/* Cut what is left to `qty`; 0 = cancel. More than is left changes nothing. *ret_taken_qty (may be NULL): how much was
 * taken off. */
enum match_verdict match_client_cut(struct match *match, uint64_t key, uint32_t qty, uint32_t *ret_taken_qty);
/* Replace a resting order: the old one leaves the book (told as MATCH_REPLACED when the new one rests whole, else as
 * MATCH_REMOVED, trades, MATCH_ADDED); the new one trades if it can. Instrument and side must be the old one's; its key
 * may be too. */
enum match_verdict match_client_replace(struct match *match, uint64_t orig_key, const struct match_order *order,
                                        uint32_t *ret_left_qty);
/* What is left of a resting order of a client; false: there is none. `ret_ref` may be NULL. */
bool match_client_find(const struct match *match, uint64_t key, struct match_order *ret_order, uint64_t *ret_ref);

const struct book *match_book(const struct match *match);
uint32_t match_client_count(const struct match *match); /* resting */

#endif
