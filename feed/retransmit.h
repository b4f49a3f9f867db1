/* What to ask re-request servers for, and when: ranges in flight, time-outs with exponential back-off, a rate limit.
 *
 * Asked by feed/channel while messages are missing. Only holes whose reorder window has ended are asked for, one
 * request in flight for each range, cut to what one answer may bring; the servers take turns after a time-out; nothing
 * beyond the newest known sequence. Pure, on frame time; one owner, the rx lcore of the channel. */
#ifndef FEED_RETRANSMIT_H
#define FEED_RETRANSMIT_H

#include "feed/hold.h"

#define RETRANSMIT_RANGES_MAX 16u

struct retransmit_params {
    uint32_t server_count;       /* 0 = no retransmission */
    uint32_t request_messages;   /* of one request, 1 ... 65,534 */
    uint32_t in_flight;          /* ranges, 1 ... RETRANSMIT_RANGES_MAX */
    uint32_t rate_per_s, rate_burst;
    uint32_t attempts;           /* of one range, then it is exhausted */
    uint64_t timeout_ns, timeout_max_ns;
};

struct retransmit_range {
    uint64_t first_seq, end_seq; /* still missing within what was asked for */
    uint64_t due_ns;             /* asked for again then */
    uint32_t attempt;            /* requests sent without any answer */
    uint32_t server;             /* asked last */
};

struct retransmit {
    struct retransmit_params params;
    struct retransmit_range range[RETRANSMIT_RANGES_MAX]; /* disjoint, in no order */
    uint32_t range_count;
    uint32_t server;             /* that new ranges begin with: none that has left one without an answer since */
    uint64_t token_ns;           /* rate limit: time credited up to here */
    bool limited;                /* a request waits for the rate, and has been counted */
    uint64_t check_ns;           /* nothing to do before */
    /* counters */
    uint64_t request_count;      /* first requests for a range, or for the rest of one */
    uint64_t again_count;        /* after a time-out: back-off */
    uint64_t message_count;      /* messages asked for, in all requests */
    uint64_t filled_count;       /* ranges filled, by whatever line */
    uint64_t exhausted_count;    /* ranges given up */
    uint64_t limited_count;      /* requests that waited for the rate */
};

/* What is missing, as the channel knows it. */
struct retransmit_view {
    const struct hold *hold;
    uint64_t next_seq;     /* delivered up to here */
    uint64_t newest_seq;   /* one past the newest sequence known; > next_seq */
    uint64_t forced_seq;   /* holes that begin below are not to wait for their reorder window */
    uint64_t tail_seen_ns; /* when a hole behind everything held was first seen (heartbeat) */
    uint64_t reorder_ns;
};

struct retransmit_request { uint64_t seq; uint32_t count; uint32_t server; };

enum retransmit_verdict {
    RETRANSMIT_NOTHING = 0, /* until retransmit.check_ns, or until something comes */
    RETRANSMIT_REQUEST,     /* send it, and ask again */
    RETRANSMIT_EXHAUSTED,   /* no server gives what begins at view.next_seq; other ranges wait until they are there */
};

void retransmit_init(struct retransmit *retransmit, const struct retransmit_params *params);
/* Forget what is in flight: all is well, a new session, or a snapshot takes over. Counters and the rate go on. */
void retransmit_reset(struct retransmit *retransmit);
enum retransmit_verdict retransmit_next(struct retransmit *retransmit, const struct retransmit_view *view,
                                        uint64_t now_ns, struct retransmit_request *ret_request);

#endif
