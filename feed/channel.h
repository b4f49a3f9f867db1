/* One feed channel: framing, arbitration, decoding and books put together, bytes in and md_events out.
 *
 * A venue is a framing and a message decoder; this one is MoldUDP64 with ITCH 5.0. The rx loop (live and replay) and
 * `tickgate inspect` call it. Pure: bytes, state and time come in as arguments; no DPDK, clock, I/O, allocation, log.
 *
 *   channel_receive(ch, line, payload, len, now_ns, rx_tsc, &cursor);
 *   while (channel_next(ch, &cursor))
 *       for (i < cursor.event_count) publish(&cursor.event[i]);
 *
 * A cursor must be drained before the next packet is received, and `payload` must stay readable until then. */
#ifndef FEED_CHANNEL_H
#define FEED_CHANNEL_H

#include "feed/arb.h"
#include "feed/book.h"
#include "feed/health.h"
#include "feed/hold.h"
#include "feed/instrument.h"
#include "feed/itch.h"
#include "feed/mold.h"
#include "feed/retransmit.h"
#include "ring/md_event.h"

#include <stdalign.h>

#define CHANNEL_EVENTS_MAX 4u      /* events that one message can give; 3 are used: define and two parts, or V */
#define CHANNEL_REORDER_PACKETS_MAX 256u
#define CHANNEL_LOOK_MAX 48u       /* messages of a packet that are looked ahead at; those behind are not */
#define CHANNEL_AHEAD 128u         /* messages under way */
#define CHANNEL_AHEAD_STEPS (2 * BOOK_AHEAD_STEP) /* messages behind a packet that make it ready */
_Static_assert(2 * CHANNEL_LOOK_MAX + CHANNEL_AHEAD_STEPS <= CHANNEL_AHEAD, "decoded until its packet's turn has come");
#define CHANNEL_SLICE_MESSAGES 16u /* held messages that one call delivers, where there is recovery */
/* Lines that are none: who brought a message that no line did. */
#define CHANNEL_LINE_RETRANSMISSION ARB_LINES_MAX
#define CHANNEL_LINE_SNAPSHOT (ARB_LINES_MAX + 1u)

/* Where missing messages may be had. All zero: nowhere, a hole is passed when its reorder window has ended, and the
 * channel is stale until the next session. */
struct channel_recovery {
    struct retransmit_params retransmit; /* server_count 0 = none */
    uint64_t gap_max;          /* messages; a longer hole is for a snapshot, where there is one */
    bool snapshot;             /* there are snapshot servers */
    bool join_snapshot;        /* what was before the first packet is always for a snapshot */
    uint64_t spin_retry_ns, spin_retry_max_ns; /* wait after a failed spin: doubles */
};

struct channel_params {
    struct book_params book;
    const uint64_t *traded;    /* symbols as md_symbol(), ascending, kept: only these instruments have books and events
                                * of order messages, those of others are counted. NULL = all have */
    uint32_t traded_count;     /* 0 is legal: none has */
    uint32_t line_count;       /* 1 ... ARB_LINES_MAX */
    uint32_t reorder_packets;  /* packets kept behind a hole while its reorder window lasts; one more ends it;
                                * 0 ... CHANNEL_REORDER_PACKETS_MAX, 0 = there is none */
    uint64_t reorder_ns;       /* longest wait for another line to fill a hole, frame time */
    uint32_t hold_messages;    /* messages that can be kept behind a hole, as hold_footprint */
    bool stale_at_once;        /* the channel is stale from the first sight of a hole, not from its window's end */
    bool live;                 /* no capture: a packet further ahead than hold_messages is not believed alone. So too
                                * where there is recovery */
    uint64_t silence_ns;       /* lines silent for so long: alarm; none has said anything new: stale. 0 = never */
    struct channel_recovery recovery;
    uint64_t midnight_ns;      /* exchange's midnight, ns since the UTC epoch; added to message timestamps */
    uint64_t first_seq;        /* as arb_init: 1 = whole session wanted, 0 = join where the capture begins */
    uint16_t index;            /* channel number in events */
};

struct channel_counters {
    uint64_t packet_count;             /* payloads received */
    uint64_t mold[MOLD_VERDICT_COUNT]; /* by framing verdict */
    uint64_t arb[ARB_VERDICT_COUNT];   /* data packets by arbitration verdict */
    uint64_t unsequenced_count;        /* data packets with sequence 0: not arbitrated; delivered, but during a spin */
    uint64_t trailing_count;           /* packets with bytes behind their last block */
    uint64_t session_count;            /* sessions begun */
    uint64_t anew_count;               /* ... under the same name: the venue has begun anew */
    uint64_t end_withdrawn_count;      /* ends of a session that went on */
    uint64_t again_count;              /* packets that said only what was long known, where nothing else came for
                                        * silence_ns */
    uint64_t old_session_count;        /* packets of a session that was left before */
    uint64_t other_session_count;      /* packets of another session than the one that goes on, not believed alone */
    uint64_t held_count;               /* packets kept behind a hole */
    uint64_t held_overflow_count;      /* reorder windows that ended because no more packets may be kept in them */
    uint64_t expired_count;            /* reorder windows that ended by time */
    uint64_t filled_line_count;        /* times that everything missing came by itself: no request, no snapshot */
    uint64_t filled_request_count;     /* ... with the help of retransmission, without a snapshot */
    uint64_t given_up_count;           /* holes that were for no snapshot and nobody retransmitted: passed */
    uint64_t reply_count;              /* retransmitted packets, by verdict: */
    uint64_t reply_fresh_count;        /* ... delivered at least one message */
    uint64_t reply_held_count;         /* ... kept behind a hole */
    uint64_t reply_useless_count;      /* ... nothing new, no data, another session */
    uint64_t far_count;                /* packets too far ahead to be believed alone */
    uint64_t withdrawn_count;          /* times that those were believed, and contradicted by all that came behind */
    uint64_t unkept_count;             /* packets beyond the window of what can be kept */
    uint64_t overflow_count;           /* times that messages were forgotten because they could not be kept any more */
    uint64_t spin_count;               /* snapshot spins asked for */
    uint64_t spin_lost_count;          /* ... broken off on their way */
    uint64_t spin_old_count;           /* ... complete, but older than what can be gone on from */
    uint64_t spin_far_count;           /* ... whose end is further ahead than can be true */
    uint64_t spliced_count;            /* ... spliced */
    uint64_t contradicted_count;       /* books that should have been whole and were not: loaded anew */
    uint64_t snapshot_message_count;   /* messages of snapshots; they are in message_count too */
    uint64_t stale_count;              /* times that the channel became stale */
    uint64_t silent_count;             /* ... because no line said anything new */
    uint64_t message_count;            /* messages delivered to the decoder (not those of no bytes) */
    uint64_t message_type_count[256];  /* the same by type byte */
    uint64_t empty_count;              /* blocks of length 0 */
    uint64_t itch[ITCH_VERDICT_COUNT]; /* messages by decode verdict */
    uint64_t orphan_count[256];        /* references to unknown orders, by message type */
    uint64_t locate_range_count;       /* stock locate not below instruments_max */
    uint64_t price_range_count;        /* wire price that does not fit md_event.price */
    uint64_t side_count;               /* adds neither 'B' nor 'S': not entered, the instrument is untradable */
    uint64_t untraded_count;           /* order messages passed over: good ones, of instruments that are not `traded` */
    uint64_t event_count;              /* events given out */
};

/* What the feed has said about the market as a whole since its session, or the snapshot that it was spliced from,
 * began. */
struct channel_market {
    uint64_t mwcb_level_e8[3]; /* market-wide circuit breakers, prices with 8 decimals; 0 = unknown */
    uint8_t mwcb_breached;     /* '1' '2' '3'; 0 = none known */
    uint8_t system;            /* code of the newest system event; 0 = none */
    bool ended;                /* the venue has ended the session, and MD_SESSION_END has said so */
};

struct channel; /* laid out in one block of caller's memory */

struct channel_cursor {
    /* read by the caller after channel_next() returned true */
    uint32_t event_count;
    struct md_event event[CHANNEL_EVENTS_MAX]; /* rx_tsc is 0 unless the caller sets it: see channel_receive */
    const uint8_t *message;   /* the message these came from; NULL for MD_STALE_*, MD_SESSION and the like */
    uint32_t message_len;
    uint64_t seq;             /* its feed sequence, 0 = unsequenced, of a snapshot or no message */
    uint32_t line;            /* that brought it, CHANNEL_LINE_* */
    /* the channel's own */
    const uint8_t *block;
    uint64_t block_seq;
    uint32_t block_left;
    const struct channel_ahead *ahead; /* where the next messages are decoded already */
    uint32_t looked_at, looked_left;
    const struct channel_looked *looked; /* the message in hand */
    uint32_t pending;         /* enum bits of what is to be said before the next message */
    uint64_t now_ns;
    uint64_t rx_tsc;
    bool flushing;            /* the input has ended: every hole is passed */
    uint32_t budget;          /* held messages that this call may still deliver */
    const uint8_t *deferred_blocks; /* a packet that cannot be kept, behind holes that are passed for it */
    uint64_t deferred_seq;
    uint32_t deferred_count;  /* 0 = none */
};

/* Bytes of memory that a channel needs, 0 if a parameter is out of range. */
size_t channel_footprint(const struct channel_params *params);
/* `memory`: channel_footprint bytes, aligned to a cache line. */
struct channel *channel_init(void *memory, const struct channel_params *params);

/* Take one UDP payload that came on `line` at frame time `now_ns`; `rx_tsc` is copied into its events. Returns true if
 * the cursor has something: new messages, a session that begins or ends, a hole that is passed; false if there is
 * nothing to deliver (duplicate, malformed, a heartbeat that says nothing new, a packet now kept behind a hole).
 * A packet behind a hole is copied and kept; the payload is not referred to after the cursor is drained.
 *
 * Events of the channel itself (MD_STALE_*, MD_SESSION*, MD_RESET) have no time of the venue: their exchange_ns is
 * that of the last message delivered (0 before the first), so that it does not depend on when frames arrived. A new
 * session is whole again: MD_SESSION ends the staleness of the one before. An add of a known reference, or one for
 * which there is no room, gives no event; a replace whose new order is refused gives a plain MD_DELETE.
 *
 * Where there is recovery, other channels need not wait for what was held: a packet that fills a hole brings at most
 * CHANNEL_SLICE_MESSAGES of it along, one that is kept brings none, and the rest goes on with channel_expire, the
 * deadline being 0: a slice a call, and as many as came meanwhile. */
bool channel_receive(struct channel *channel, uint32_t line, const uint8_t *payload, uint32_t payload_len,
                     uint64_t now_ns, uint64_t rx_tsc, struct channel_cursor *ret_cursor);

/* ---- looking ahead: the packets of a burst are known before their turn ---- */

#define CHANNEL_UNLOOKED 1u /* msg.type: not decoded, since nobody trades its instrument; no type of ITCH */

/* A message that has been decoded before its turn. */
struct channel_looked {
    alignas(CACHE_LINE_BYTES) struct itch_msg msg; /* type 0: not by ITCH, see itch_decode */
    uint32_t home; /* book_look.home of its (first) order, if it is about one */
};
_Static_assert(sizeof(struct channel_looked) == CACHE_LINE_BYTES, "one line");

/* The messages of one thread that are under way, of any of its channels. Zeroed at the start. */
struct channel_ahead {
    uint32_t count;   /* so many have been decoded, or passed over */
    uint32_t entered; /* count behind the last one that goes to a book; where there are untraded ones only */
    struct book_ahead book;
    struct channel_looked message[CHANNEL_AHEAD];
};

/* A packet that has come. */
struct channel_look {
    enum mold_verdict verdict;
    struct mold_packet packet; /* as mold_parse */
    uint32_t first;            /* its messages are ahead.message[first % CHANNEL_AHEAD ...] */
    uint32_t count;            /* so many of them; 0: it brings nothing new */
    uint32_t end;              /* channel_ahead.count behind it */
};

/* Parse a packet, decode its messages and begin to fetch what they will touch. Nothing of the channel changes but a
 * note of how far was looked, which decides nothing else. Any bytes will do, and whatever becomes of the packet.
 * `payload` must stay as it is until the packet has been received: as soon as channel_look_ready, before the next look;
 * in the order in which packets came. */
void channel_look(struct channel *channel, struct channel_ahead *ahead, const uint8_t *payload, uint32_t payload_len,
                  struct channel_look *ret_look);
/* Messages of any packet, for the books that they go to: decoded to ahead.message[ahead.count++ % CHANNEL_AHEAD].
 * Returns where the next block begins. */
const uint8_t *channel_look_messages(struct channel_ahead *ahead, const struct book *book, const uint8_t *block,
                                     uint32_t message_count);
/* Enough others have come behind it that what it touches should be there. */
static inline bool channel_look_ready(const struct channel_ahead *ahead, const struct channel_look *look)
{
    return ahead->count - look->end >= CHANNEL_AHEAD_STEPS;
}
/* No others will come in this burst: the packets that are left are as ready as they will be. */
void channel_look_end(struct channel_ahead *ahead);
/* channel_receive for a packet that was looked at. `ahead`: as with channel_look, until the cursor is drained. */
bool channel_receive_looked(struct channel *channel, uint32_t line, const struct channel_ahead *ahead,
                            const struct channel_look *look, uint64_t now_ns, uint64_t rx_tsc,
                            struct channel_cursor *ret_cursor);

/* Deliver the next message (of the packet received, then of held packets whose turn has come). True: `cursor` describes
 * it, with 0 ... CHANNEL_EVENTS_MAX events. False: nothing left. Order messages of instruments that are not `traded`
 * are passed over: there may be nothing left at the first call. */
bool channel_next(struct channel *channel, struct channel_cursor *cursor);

/* When channel_expire has something to do, frame time: a reorder window or the patience with silence ends. 0: at once.
 * UINT64_MAX: nothing. */
uint64_t channel_deadline_ns(const struct channel *channel);
/* Time has come to `now_ns`: a hole whose window has ended is passed, or goes on to recovery; held messages go on. To
 * be called once with a frame's time before that frame is received. True if the cursor has something. */
bool channel_expire(struct channel *channel, uint64_t now_ns, uint64_t rx_tsc, struct channel_cursor *ret_cursor);
/* The input has ended: pass every hole and deliver all that is held. True if the cursor has something. */
bool channel_flush(struct channel *channel, uint64_t now_ns, struct channel_cursor *ret_cursor);

/* ---- recovery: what to ask servers for, and their answers. By the rx loop, each turn; costs a look otherwise ---- */

enum channel_ask_type {
    CHANNEL_ASK_NOTHING = 0,
    CHANNEL_ASK_REQUEST,   /* messages [seq, seq + count) from re-request server `server` */
    CHANNEL_ASK_SPIN,      /* snapshot spin number `spin`; one that runs is not wanted any more */
    CHANNEL_ASK_SPIN_STOP, /* no spin is wanted any more */
};

struct channel_ask { enum channel_ask_type type; uint32_t server, count, spin; uint64_t seq; };

/* Is anything missing, being loaded or left to be delivered? */
bool channel_recovering(const struct channel *channel);
/* The next thing to ask for, until CHANNEL_ASK_NOTHING. A spin that could not be asked for: channel_snapshot_lost. */
struct channel_ask channel_ask_next(struct channel *channel, uint64_t now_ns);
/* A retransmitted packet. Like channel_receive, but no line's. */
bool channel_reply(struct channel *channel, const uint8_t *payload, uint32_t payload_len, uint64_t now_ns,
                   uint64_t rx_tsc, struct channel_cursor *ret_cursor);
/* May messages of spin `spin` be given now? False: books are still being emptied, a slice with each call; ask again
 * next turn. True for spins that are not wanted any more: their messages are dropped. */
bool channel_snapshot_ready(struct channel *channel, uint32_t spin);
/* Are they being emptied? Nobody may read them meanwhile. */
bool channel_emptying(const struct channel *channel);
/* Messages of a snapshot, as blocks of {length, message} that fill `len` bytes. True if the cursor has something. */
bool channel_snapshot(struct channel *channel, uint32_t spin, const uint8_t *blocks, uint32_t len, uint64_t now_ns,
                      uint64_t rx_tsc, struct channel_cursor *ret_cursor);
/* The snapshot is complete; live messages go on from `seq`. Spliced, or begun again if that cannot be. */
bool channel_snapshot_end(struct channel *channel, uint32_t spin, uint64_t seq, uint64_t now_ns, uint64_t rx_tsc,
                          struct channel_cursor *ret_cursor);
/* The spin was broken off. */
void channel_snapshot_lost(struct channel *channel, uint32_t spin, uint64_t now_ns);

/* Packets, and messages, now held behind a hole: each may add its events to those of the packet that fills it. */
uint32_t channel_held_count(const struct channel *channel);
uint32_t channel_held_messages(const struct channel *channel);
bool channel_stale(const struct channel *channel); /* any thread */
const struct channel_counters *channel_counters(const struct channel *channel);
const struct arb *channel_arb(const struct channel *channel);
const struct health *channel_health(const struct channel *channel);
const struct retransmit *channel_retransmit(const struct channel *channel);
struct book *channel_book(struct channel *channel);
uint32_t channel_order_count(const struct channel *channel); /* live orders of all its books */
const struct instrument *channel_instruments(const struct channel *channel);
uint32_t channel_instrument_count(const struct channel *channel);
struct channel_market channel_market(const struct channel *channel);
/* Session name, MOLD_SESSION_LEN letters; all zero before the first packet. */
const uint8_t *channel_session(const struct channel *channel);

#endif
