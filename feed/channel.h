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
#include "feed/instrument.h"
#include "feed/itch.h"
#include "feed/mold.h"
#include "ring/md_event.h"

#define CHANNEL_EVENTS_MAX 4u      /* events that one message can give; 3 are used: define and two parts, or V */
#define CHANNEL_HELD_MAX 256u      /* packets that may be kept behind a hole */
#define CHANNEL_HELD_BYTES_MAX 2048u /* a longer payload is not held: the hole is passed at once, counted */
/* Events of one held packet, at most. */
#define CHANNEL_HELD_EVENTS_MAX ((CHANNEL_HELD_BYTES_MAX / 14u + 2u) * CHANNEL_EVENTS_MAX)

struct channel_params {
    struct book_params book;
    uint32_t line_count;       /* 1 ... ARB_LINES_MAX */
    uint32_t reorder_packets;  /* packets kept behind a hole before it is passed, 0 ... CHANNEL_HELD_MAX; 0 = at once */
    uint64_t reorder_ns;       /* longest wait for a hole to be filled, frame time */
    uint64_t midnight_ns;      /* exchange's midnight, ns since the UTC epoch; added to message timestamps */
    uint64_t first_seq;        /* as arb_init: 1 = whole session wanted, 0 = join where the capture begins */
    uint16_t index;            /* channel number in events */
};

struct channel_counters {
    uint64_t packet_count;             /* payloads received */
    uint64_t mold[MOLD_VERDICT_COUNT]; /* by framing verdict */
    uint64_t arb[ARB_VERDICT_COUNT];   /* data packets by arbitration verdict */
    uint64_t unsequenced_count;        /* data packets with sequence 0: delivered, not arbitrated */
    uint64_t trailing_count;           /* packets with bytes behind their last block */
    uint64_t session_count;            /* sessions begun */
    uint64_t old_session_count;        /* packets of a session that was left before */
    uint64_t held_count;               /* packets kept behind a hole */
    uint64_t held_overflow_count;      /* holes passed because no more packets, or none so long, could be kept */
    uint64_t expired_count;            /* holes passed because the reorder window ended */
    uint64_t message_count;            /* messages delivered to the decoder (not those of no bytes) */
    uint64_t message_type_count[256];  /* the same by type byte */
    uint64_t empty_count;              /* blocks of length 0 */
    uint64_t itch[ITCH_VERDICT_COUNT]; /* messages by decode verdict */
    uint64_t orphan_count[256];        /* references to unknown orders, by message type */
    uint64_t locate_range_count;       /* stock locate not below instruments_max */
    uint64_t price_range_count;        /* wire price that does not fit md_event.price */
    uint64_t side_count;               /* adds neither 'B' nor 'S': not entered, the instrument is untradable */
    uint64_t event_count;              /* events given out */
};

struct channel; /* laid out in one block of caller's memory */

struct channel_cursor {
    /* read by the caller after channel_next() returned true */
    uint32_t event_count;
    struct md_event event[CHANNEL_EVENTS_MAX]; /* rx_tsc is 0 unless the caller sets it: see channel_receive */
    const uint8_t *message;   /* the message these came from; NULL for MD_STALE_*, MD_SESSION and the like */
    uint32_t message_len;
    uint64_t seq;             /* its feed sequence, 0 = unsequenced or no message */
    /* the channel's own */
    const uint8_t *block;
    uint64_t block_seq;
    uint32_t block_left;
    uint32_t pending;         /* enum bits of what is to be said before the next message */
    uint64_t now_ns;
    uint64_t rx_tsc;
    uint64_t pass_seq;        /* holes that end here or before are passed; UINT64_MAX: all, the input has ended */
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
 * Events of the channel itself (MD_STALE_BEGIN, MD_SESSION, MD_SESSION_END) have no time of the venue: their
 * exchange_ns is that of the last message delivered (0 before the first), so that it does not depend on when frames
 * arrived. A new session is whole again: MD_SESSION ends the staleness of the one before. An add of a known reference,
 * or one for which there is no room, gives no event; a replace whose new order is refused gives a plain MD_DELETE. */
bool channel_receive(struct channel *channel, uint32_t line, const uint8_t *payload, uint32_t payload_len,
                     uint64_t now_ns, uint64_t rx_tsc, struct channel_cursor *ret_cursor);

/* Deliver the next message (of the packet received, then of held packets whose turn has come). True: `cursor` describes
 * it, with 0 ... CHANNEL_EVENTS_MAX events. False: nothing left. */
bool channel_next(struct channel *channel, struct channel_cursor *cursor);

/* When the reorder window of the hole that is waiting ends, frame time; UINT64_MAX if none waits. */
uint64_t channel_deadline_ns(const struct channel *channel);
/* Time has come to `now_ns`: pass a hole whose window has ended and deliver what was held behind it. To be called with
 * a frame's time before that frame is received. True if the cursor has something. */
bool channel_expire(struct channel *channel, uint64_t now_ns, uint64_t rx_tsc, struct channel_cursor *ret_cursor);
/* The input has ended: pass every hole and deliver all that is held. True if the cursor has something. */
bool channel_flush(struct channel *channel, uint64_t now_ns, struct channel_cursor *ret_cursor);

/* Packets now held behind a hole: each may add its events to those of the packet that fills it. */
uint32_t channel_held_count(const struct channel *channel);
bool channel_stale(const struct channel *channel);
const struct channel_counters *channel_counters(const struct channel *channel);
const struct arb *channel_arb(const struct channel *channel);
struct book *channel_book(struct channel *channel);
uint32_t channel_order_count(const struct channel *channel); /* live orders of all its books */
const struct instrument *channel_instruments(const struct channel *channel);
/* Session name, MOLD_SESSION_LEN letters; all zero before the first packet. */
const uint8_t *channel_session(const struct channel *channel);

#endif
