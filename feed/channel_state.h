/* The insides of a channel, for the files that make it: channel.c (packets, sessions, time), channel_look.c (ahead of
 * their turn), channel_itch.c (messages to events), channel_traded.c (whose messages go to books), channel_recover.c
 * (holes, retransmission, snapshots). Nobody else includes this. */
#ifndef FEED_CHANNEL_STATE_H
#define FEED_CHANNEL_STATE_H

#include "feed/channel.h"
#include "feed/hold.h"
#include "feed/retransmit.h"
#include "ring/check.h"

#include <stdalign.h>
#include <string.h>

/* What is to be said before the next message, in this order. MD_SESSION ends the staleness of the session before: what
 * that one has lost is said in front of it, what the new one misses behind it. */
enum pending {
    PENDING_LOST = 1u << 0,        /* the hole that arb passed last */
    PENDING_SESSION_END = 1u << 1,
    PENDING_SESSION = 1u << 2,
    PENDING_RESET = 1u << 3,
    PENDING_STALE = 1u << 4,       /* stale_seq, stale_count */
    PENDING_STALE_END = 1u << 5,
};

/* Why a channel is stale; it is whole again when no reason is left. */
enum stale {
    STALE_HOLE = 1u << 0,   /* messages are missing that may still come */
    STALE_LOST = 1u << 1,   /* messages were given up: until a snapshot or a new session */
    STALE_SILENT = 1u << 2, /* no line has said anything new for too long */
};

enum end_state {
    END_NONE = 0,
    END_ANNOUNCED, /* the venue said so; messages before it may still be missing */
    END_SAID,      /* MD_SESSION_END has gone out */
};

enum episode {
    EPISODE_HOLE = 1u << 0,  /* something was missing */
    EPISODE_ASKED = 1u << 1, /* a request was sent */
    EPISODE_LOST = 1u << 2,  /* a hole was passed, or a snapshot spliced */
};

enum spin_state {
    SPIN_NONE = 0,
    SPIN_CLEARING, /* books are being emptied, a slice at a time */
    SPIN_READY,    /* they are empty; the first message of the snapshot has not come */
    SPIN_LOADING,
};

#define AGAIN_PACKETS_MIN 3u /* so many more in order than out of it, before a line has gone back for good */

/* What a line says that it has said before, while the feed is silent otherwise. */
struct channel_again {
    uint64_t seq;      /* one past the newest of it */
    uint64_t since_ns;
    uint32_t count;    /* packets in order, less those that are not; 0: nothing */
};

struct channel {
    /* read-mostly */
    struct book *book;
    struct instrument *instruments;
    uint64_t *untraded;       /* a bit for each stock locate: its order messages are passed over. NULL: nobody's are */
    uint64_t midnight_ns;
    uint64_t reorder_ns;
    uint32_t reorder_packets;
    uint32_t instruments_max;
    uint16_t index;
    bool session_known;
    bool old_session_known;
    uint8_t session[MOLD_SESSION_LEN];
    /* hot: written for each packet or message */
    alignas(CACHE_LINE_BYTES) uint64_t exchange_ns; /* of the last message */
    uint64_t deadline_ns;     /* channel_expire has something to do then; UINT64_MAX = nothing, 0 = at once */
    uint64_t beat_seq;        /* messages up to here were announced and not kept; only while > arb.next_seq */
    uint64_t beat_ns;         /* frame time at which that was first so */
    uint16_t stale_flag;      /* MD_STALE or 0, or-ed into every event */
    bool waiting;             /* a hole, held messages, a spin or an announced end: see channel_recover_next */
    bool watched;             /* silent, or an end was announced: each packet is looked at for what it says of that */
    uint8_t end;              /* enum end_state */
    struct arb arb;
    uint64_t looked_seq;      /* channel_look has seen what is below: the other line brings the same */
    alignas(CACHE_LINE_BYTES) struct channel_counters counters;
    /* cold: used only while there is a hole, or between sessions */
    const uint64_t *traded;   /* as in channel_params */
    uint32_t traded_count;
    struct channel_recovery recovery;
    bool recovering;          /* retransmission or snapshots are configured */
    bool stale_at_once;
    uint8_t stale;            /* enum stale, or-ed */
    uint64_t stale_seq, stale_count; /* what MD_STALE_BEGIN will say */
    uint8_t old_session[MOLD_SESSION_LEN];
    bool other_session_known;
    uint8_t other_session[MOLD_SESSION_LEN]; /* of a packet that was not believed alone */
    struct channel_market market; /* `ended` is not kept here */
    uint64_t end_seq, end_ns; /* of the end that was announced: behind its last message; last said at */
    struct channel_again again[ARB_LINES_MAX];
    uint64_t passed_seq, passed_end_seq; /* the newest hole of this session that was passed; none: equal */
    struct hold hold;
    uint32_t arrived_count;   /* messages kept while others go out, since their last slice */
    uint64_t forced_seq;      /* holes that begin below have no reorder window any more: too much is held behind */
    uint64_t hopeless_seq;    /* a hole that begins here is not asked for any more: nobody has it, or there is no room
                               * behind it and no snapshot to help; 0 = none */
    uint8_t episode;          /* enum episode, or-ed: what happened since something was first missing */
    bool joining;             /* nothing has been delivered yet: the first hole is what was before us */
    bool contradicted;        /* a message did not fit books that should be whole: they are loaded anew */
    bool ask_now;             /* something changed that retransmit should look at */
    uint64_t far_max;         /* a packet this far ahead of all known is not believed alone */
    uint64_t far_seq;         /* of a packet too far ahead to be believed alone, 0 = none */
    uint64_t claimed_ns, claim_ns; /* a line said first, and last, that more than far_max is in front of us; 0: none */
    uint8_t spin_state;       /* enum spin_state */
    bool spin_asked, spin_stop, spin_dirty; /* the server was asked; is to be told to stop; books are half loaded */
    uint32_t spin;            /* number of the spin that is wanted, from 1 */
    uint32_t spin_failed_count; /* in a row */
    uint64_t spin_due_ns;     /* not before */
    uint64_t snapshot_ns;     /* newest message of the snapshot that is being loaded, venue's time since midnight */
    uint32_t clear_at;        /* instruments emptied so far */
    struct retransmit retransmit;
    alignas(CACHE_LINE_BYTES) struct health health;
};
_Static_assert(offsetof(struct channel, exchange_ns) == CACHE_LINE_BYTES, "the read-mostly part is one line");
_Static_assert(offsetof(struct channel, arb) + offsetof(struct arb, hole_count) <= 2 * CACHE_LINE_BYTES,
               "next_seq and newest_seq are on the line of the hot fields");

/* One writer; the control thread may read while we run. */
static inline void count(uint64_t *counter)
{
    __atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

static inline void count_add(uint64_t *counter, uint64_t by)
{
    __atomic_store_n(counter, *counter + by, __ATOMIC_RELAXED);
}

static inline uint32_t saturate(uint64_t qty, uint16_t *flags)
{
    if (LIKELY(qty <= UINT32_MAX))
        return (uint32_t)qty;
    *flags |= MD_SATURATED;
    return UINT32_MAX;
}

/* A packet's messages behind the first `skip` are to be delivered. seq 0: unsequenced. */
static inline void cursor_begin(struct channel_cursor *cursor, const uint8_t *blocks, uint64_t seq,
                                uint32_t message_count, uint32_t skip)
{
    DCHECK(skip < message_count);
    cursor->block = blocks;
    cursor->block_seq = seq + skip;
    cursor->block_left = message_count - skip;
    cursor->looked_left = 0;
    for (; skip > 0; skip--) {
        const uint8_t *message;
        uint32_t message_len;
        cursor->block = mold_next(cursor->block, &message, &message_len);
    }
}

/* Nothing to deliver yet. What the caller reads is written with each message. */
static inline void cursor_clear(struct channel_cursor *cursor, uint32_t line, uint64_t now_ns, uint64_t rx_tsc)
{
    cursor->line = line;
    cursor->block_left = 0;
    cursor->looked_left = 0;
    cursor->pending = 0;
    cursor->now_ns = now_ns;
    cursor->rx_tsc = rx_tsc;
    cursor->flushing = false;
    cursor->budget = CHANNEL_SLICE_MESSAGES;
    cursor->deferred_count = 0;
}

static inline void channel_watch(struct channel *channel)
{
    channel->watched = channel->stale & STALE_SILENT || channel->end != END_NONE;
}

/* channel_traded.c */

/* A good order message of an instrument that nobody trades; to be asked only where there is `untraded`. */
static inline bool channel_untraded(const struct channel *channel, const uint8_t *message, uint32_t message_len)
{
    if (UNLIKELY(message_len <= ITCH_PREFIX_LEN))
        return false;
    const struct itch_shape *shape = &itch_shapes[message[0]];
    if (UNLIKELY(shape->books == 0) || UNLIKELY(message_len < shape->len))
        return false;
    const uint16_t locate = itch_locate(message);
    return (channel->untraded[locate / 64] >> locate % 64 & 1) != 0;
}

/* channel_look for the blocks at the beginning of `bytes`: what is untraded is not decoded. Returns as mold_walk. */
uint32_t channel_untraded_look(const struct channel *channel, struct channel_ahead *ahead, const uint8_t *bytes,
                               uint32_t bytes_len, uint32_t message_count);
/* Pass over what is untraded in front of the cursor, up to the end of its packet. */
void channel_untraded_skip(struct channel *channel, struct channel_cursor *cursor);
/* An instrument gets a name; before it is written to the directory. False: nobody trades it. Only where there is
 * `untraded`. */
bool channel_traded_name(struct channel *channel, uint32_t locate, uint64_t symbol);
/* Instruments lose their names. `first`: a multiple of eight, unless there are none. */
void channel_forget(struct channel *channel, uint32_t first, uint32_t instrument_count);

/* channel_itch.c: the message in the cursor, from bytes to events. It has been decoded, or nobody has looked at it
 * before its turn. */
void channel_looked_message(struct channel *channel, struct channel_cursor *cursor,
                            const struct channel_looked *looked);
void channel_unlooked_message(struct channel *channel, struct channel_cursor *cursor);
/* ... and an event about the whole channel. */
void channel_notice(const struct channel *channel, struct channel_cursor *cursor, struct md_event event);

/* channel_recover.c */
/* A packet came ahead of a hole: keep it. */
void channel_hold(struct channel *channel, struct channel_cursor *cursor, uint32_t line,
                  const struct mold_packet *packet);
/* A line says that `end_seq` is next, which is not far ahead. Is what was said to be far ahead contradicted? */
void channel_doubt(struct channel *channel, struct channel_cursor *cursor, uint64_t end_seq);
/* Messages below `seq` were announced, and are not all here. */
void channel_beat(struct channel *channel, struct channel_cursor *cursor, uint64_t seq);
/* The packet in hand is used up: is there a held message whose turn has come, a hole to pass, an end to announce? True:
 * the cursor has it. Bounded by the cursor's budget. */
bool channel_recover_next(struct channel *channel, struct channel_cursor *cursor);
/* A session begins: nothing of the old one is missed any more. */
void channel_recover_restart(struct channel *channel);
/* A message did not fit: an unknown order, one that is there already, or more shares than it has. */
void channel_contradict(struct channel *channel, struct channel_cursor *cursor);
void channel_stale_raise(struct channel *channel, struct channel_cursor *cursor, enum stale reason, uint64_t seq,
                         uint64_t missing_count);
void channel_stale_lower(struct channel *channel, struct channel_cursor *cursor, enum stale reason);

#endif
