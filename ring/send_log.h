/* What the owner of an order session (a strategy lcore) and the control thread, whose TCP it is, agree on: the log of
 * what the owner put on the wire by itself ("delegated send"), how far it may go, and whose turn it is.
 *
 *   owner:    reserve a slot (it names the bytes) -> put the frame on the wire -> mark the slot sent, or not sent
 *   control:  take slots in order -> tell TCP: sent already (count it), not sent (transmit it)
 *
 * A slot's word says its number and its state, so that nobody polls an index: one writer, the owner; one reader. An
 * owner that is held between reservation and mark holds nobody: after a while the control thread takes the slot over as
 * it is, transmits its bytes (a duplicate is harmless, a hole is not) and never looks at the mark.
 *
 * Bytes are counted as TCP counts them: 32-bit sequence numbers that wrap. A carrier without TCP of ours (the kernel's)
 * uses the same log for what the socket would not take. */
#ifndef RING_SEND_LOG_H
#define RING_SEND_LOG_H

#include "ring/check.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define SEND_LOG_SLOTS 64u       /* a power of two; lwIP's queue has room for more segments than that */
#define SEND_LOG_BYTES 112u      /* of one message, its SoupBinTCP header included */

enum send_log_state {
    SEND_LOG_RESERVED = 1,       /* on its way to the wire, or there: not known yet */
    SEND_LOG_SENT = 2,           /* by the owner */
    SEND_LOG_NOT_SENT = 3,       /* TCP has to: the queue took nothing, or the slow path was chosen */
};

struct send_log_slot {
    alignas(CACHE_LINE_BYTES) uint64_t word; /* slot number << 2 | enum send_log_state; writer: owner, release */
    const uint8_t *bytes;        /* stay as they are until the slot is taken */
    uint32_t seq;                /* of the first byte */
    uint16_t len;
    uint16_t epoch;              /* connection that it was meant for */
};
_Static_assert(sizeof(struct send_log_slot) == CACHE_LINE_BYTES, "a line a message");

struct send_log {
    /* writer: control thread */
    alignas(CACHE_LINE_BYTES) uint64_t limit; /* acknowledgement number << 32 | end of what may be sent; relaxed */
    uint32_t drained;            /* slots taken so far; release: the limit that follows from them is stored before */
    /* writer: owner */
    alignas(CACHE_LINE_BYTES) uint32_t owner_epoch; /* connection that the owner knows of, 0 = none; release */
    /* owner only */
    alignas(CACHE_LINE_BYTES) uint32_t next_seq; /* of the next byte */
    uint32_t next_slot;          /* number of the next slot, from 0; wraps */
    uint32_t drained_seen;       /* newest look at `drained` */
    uint32_t slow_slot;          /* one behind the newest slot that TCP had to send */
    uint16_t epoch;
    struct send_log_slot slot[SEND_LOG_SLOTS];
    uint8_t store[SEND_LOG_SLOTS][SEND_LOG_BYTES]; /* of slots whose bytes had no place of their own */
};

/* Before armed. Nothing may be sent until the first send_log_begin. */
void send_log_init(struct send_log *log);

/* --- owner */

/* Connection `epoch` is the owner's from here on; its next byte has number `seq`. */
void send_log_begin(struct send_log *log, uint16_t epoch, uint32_t seq);

/* The connection is not the owner's any more. */
void send_log_end(struct send_log *log);

/* A free slot? */
static inline bool send_log_room(struct send_log *log)
{
    if (LIKELY(log->next_slot - log->drained_seen < SEND_LOG_SLOTS))
        return true;
    log->drained_seen = __atomic_load_n(&log->drained, __ATOMIC_ACQUIRE); /* paired with: send_log_taken */
    return log->next_slot - log->drained_seen < SEND_LOG_SLOTS;
}

/* May `len` bytes be sent by the owner itself now? Then *ret_ack is what the segment acknowledges. False: TCP has bytes
 * to transmit that come before them, or the window is closed. */
static inline bool send_log_may(struct send_log *log, uint32_t len, uint32_t *ret_ack)
{
    if (UNLIKELY((int32_t)(log->slow_slot - log->drained_seen) > 0)) {
        log->drained_seen = __atomic_load_n(&log->drained, __ATOMIC_ACQUIRE); /* paired with: send_log_taken */
        if ((int32_t)(log->slow_slot - log->drained_seen) > 0)
            return false;
    }
    const uint64_t limit = __atomic_load_n(&log->limit, __ATOMIC_RELAXED);
    *ret_ack = (uint32_t)(limit >> 32);
    return (int32_t)((uint32_t)limit - (log->next_seq + len)) >= 0;
}

/* Reserve: `bytes` are the control thread's from here on, whatever happens to the owner, and must stay as they are
 * until the slot is taken: a ring of more than SEND_LOG_SLOTS frames will do. send_log_room must have been true.
 * Returns the slot; its seq is the number of its first byte. */
static inline struct send_log_slot *send_log_reserve(struct send_log *log, const uint8_t *bytes, uint32_t len)
{
    const uint32_t number = log->next_slot, seq = log->next_seq;
    const uint16_t epoch = log->epoch;
    struct send_log_slot *slot = &log->slot[number % SEND_LOG_SLOTS];

    log->next_seq = seq + len;
    log->next_slot = number + 1;
    slot->bytes = bytes;
    slot->seq = seq;
    slot->len = (uint16_t)len;
    slot->epoch = epoch;
    __atomic_store_n(&slot->word, (uint64_t)number << 2 | SEND_LOG_RESERVED, __ATOMIC_RELEASE);
    return slot;
}

/* The same for bytes that will not stay: they are copied, SEND_LOG_BYTES at most. */
static inline struct send_log_slot *send_log_reserve_copy(struct send_log *log, const uint8_t *bytes, uint32_t len)
{
    uint8_t *store = log->store[log->next_slot % SEND_LOG_SLOTS];

    DCHECK(len <= SEND_LOG_BYTES);
    memcpy(store, bytes, len);
    return send_log_reserve(log, store, len);
}

/* Mark the slot just reserved. */
static inline void send_log_mark(struct send_log *log, struct send_log_slot *slot, bool sent)
{
    const uint64_t number = (uint32_t)(log->next_slot - 1);

    if (UNLIKELY(!sent))
        log->slow_slot = log->next_slot;
    __atomic_store_n(&slot->word, number << 2 | (sent ? SEND_LOG_SENT : SEND_LOG_NOT_SENT), __ATOMIC_RELEASE);
}

/* --- control thread */

/* The slot number `drained + ahead`, if it is reserved; else NULL. */
const struct send_log_slot *send_log_peek(const struct send_log *log, uint32_t ahead, enum send_log_state *ret_state);
/* `count` slots were told to TCP; `limit` is what follows from that. */
void send_log_taken(struct send_log *log, uint32_t count, uint32_t ack, uint32_t limit);
/* The same without slots: acknowledgements came, windows moved. */
void send_log_limit(struct send_log *log, uint32_t ack, uint32_t limit);
uint16_t send_log_owner_epoch(const struct send_log *log);

#endif
