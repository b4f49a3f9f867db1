/* Between the control thread, which has the order session, and its owner, the strategy lcore that sends orders on it:
 * news by value through a ck_ring, and the send log the other way. Made before armed.
 *
 * The order of news is the order of events: answers that a replay brought, then RESOLVE (the replay is over), then
 * BEGIN (the connection is the owner's). A full ring loses nothing: the control thread leaves the rest in the session's
 * buffer and in the socket, until the venue's window closes. */
#ifndef GATEWAY_ORDER_LINK_H
#define GATEWAY_ORDER_LINK_H

#include "gateway/order/order_frame.h"
#include "gateway/order/ouch.h"
#include "ring/send_log.h"

#include <ck_ring.h>
#include <stdbool.h>
#include <stdint.h>

#define ORDER_LINK_NEWS 1024u        /* slots, a power of two */

enum order_news_type {
    ORDER_NEWS_ANSWER = 1,  /* answer */
    ORDER_NEWS_BREAK,       /* the connection is gone: nothing may be sent, what is open is unknown */
    ORDER_NEWS_RESOLVE,     /* the replay is over, the venue expects UserRefNum `value` next (0: it was not asked) */
    ORDER_NEWS_BEGIN,       /* connection `epoch` is the owner's; its next byte is `value`; route or socket */
    ORDER_NEWS_HEARTBEAT,   /* say that we are there */
    ORDER_NEWS_ROUTE,       /* another next hop: route */
    ORDER_NEWS_CANCEL_ALL,  /* no new orders any more; cancel what is open */
    ORDER_NEWS_END,         /* send nothing more: the control thread takes the connection back to log out */
};

struct order_news {
    uint8_t type;           /* enum order_news_type */
    uint16_t epoch;
    uint32_t value;
    int socket;             /* kernel carrier */
    union {
        struct ouch_answer answer;
        struct order_frame_route route; /* tcp carrier */
    };
};

CK_RING_PROTOTYPE(order_news, order_news)

struct order_link {
    struct send_log log;
    uint32_t ref_limit CK_CC_CACHELINE; /* UserRefNums from here on may not be given out yet; writer: control thread,
                                         * reader: owner; relaxed, it only grows */
    uint32_t sent_ref CK_CC_CACHELINE;  /* newest new order; writer: owner, reader: control thread; relaxed, but see
                                         * order_link_heard */
    uint32_t heard;                     /* answers that the owner has taken, modulo 2^32; owner only */
    uint64_t asked;                     /* requests of strategies behind which the venue says something (new orders,
                                         * replaces, cancels of all that is left) << 32 | `heard` at the newest of
                                         * them; writer: owner, reader: control thread; relaxed */
    ck_ring_t ring CK_CC_CACHELINE;
    struct order_news news[ORDER_LINK_NEWS];
};

void order_link_init(struct order_link *link, uint32_t ref_limit);

/* Control thread. False: no room. */
bool order_link_tell(struct order_link *link, const struct order_news *news);
/* Control thread: how many more there is room for. */
uint32_t order_link_room(const struct order_link *link);
/* Control thread: has the owner taken all that it was told? Then what it sent before is seen in `sent_ref`. */
bool order_link_heard(const struct order_link *link);
/* Owner: a request has gone out that the venue does not pass over in silence. */
static inline void order_link_asked(struct order_link *link)
{
    __atomic_store_n(&link->asked, ((link->asked >> 32) + 1) << 32 | link->heard, __ATOMIC_RELAXED);
}
/* Owner. */
bool order_link_hear(struct order_link *link, struct order_news *ret_news);

#endif
