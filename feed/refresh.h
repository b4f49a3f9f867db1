/* All that a channel knows now, as events flagged MD_REFRESH: what a reader needs that has lost events. By the rx lcore
 * that owns the channel, between packets, some with each turn. Pure.
 *
 *   MD_RESET                       forget
 *   MD_MWCB_LEVEL, _BREACH, MD_SYSTEM, MD_SESSION_END     where known
 *   of each instrument of which anything is known:
 *     MD_DEFINE                    where its symbol is known
 *     MD_ADD ...                   where its depth is wanted: each live order, best prices first, then by queue
 *     MD_OPERATIONAL, MD_SHORT_SALE, MD_COLLAR              where known
 *     MD_STATE                     always; side 0 = unknown
 *   MD_STALE_BEGIN or MD_STALE_END as the channel is now
 *
 * Events of one go have MD_MORE up to the last: nothing else of the channel comes in between, so that they are true
 * together. MD_RESET and what follows it are one go, an instrument is one; where its depth is sent, its definition,
 * each price level and its states are one each, and its book may change between them. A level replaces whatever the
 * reader has at that price. What changes behind the refresh is in it, what changes before it is an event of its own: a
 * reader that takes both in the order in which they were made is right, whatever lies between them.
 *
 * Every event of an instrument carries its best prices of now and its marks. exchange_ns is 0: nothing happened at the
 * venue. What the channel does not keep is not sent (reasons, extension numbers, IPO releases). */
#ifndef FEED_REFRESH_H
#define FEED_REFRESH_H

#include "feed/channel.h"

#define REFRESH_LEVEL_ORDERS_MAX 1024u            /* of a level that is sent */
#define REFRESH_GO_MAX REFRESH_LEVEL_ORDERS_MAX   /* events of one go, at most */
#define REFRESH_PARTS_MAX 8u
#define REFRESH_SCAN 4u                           /* instruments looked at in one call, until one is known */

enum refresh_verdict {
    REFRESH_END = 0, /* that was all */
    REFRESH_NOTHING, /* no event this time (books may be being emptied for a snapshot); go on */
    REFRESH_EVENT,
};

struct refresh {
    struct channel *channel;
    const uint64_t *symbols; /* instruments whose depth is wanted, ascending */
    uint32_t symbol_count;
    uint32_t instrument;     /* whose turn it is */
    uint16_t index;          /* of the channel in events */
    uint8_t step;
    uint8_t side;            /* depth: of the level sent last */
    int32_t price;
    uint32_t part_count, part_at; /* of the go in hand */
    uint32_t order_count, order_at;
    struct md_event part[REFRESH_PARTS_MAX];
    struct book_order_view order[REFRESH_LEVEL_ORDERS_MAX];
};

/* Begin with the channel that events know as `index`. `symbols` as md_symbol, ascending, valid to the end. */
void refresh_begin(struct refresh *refresh, struct channel *channel, uint16_t index, const uint64_t *symbols,
                   uint32_t symbol_count);

/* The next event; rx_tsc is 0. A go that was begun has to be ended before the channel takes the next packet. Bounded:
 * REFRESH_SCAN instruments or one level are looked at. An instrument with more than REFRESH_LEVEL_ORDERS_MAX orders at
 * one price gets MD_UNRELIABLE for its depth, without MD_UNTRADABLE if its book is good. */
enum refresh_verdict refresh_next(struct refresh *refresh, struct md_event *ret_event);

#endif
