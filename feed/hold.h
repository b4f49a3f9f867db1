/* What is kept behind a hole: a window of messages by sequence, whatever packets and lines they came in.
 *
 * A message has its slot at its sequence modulo the window, so keeping, finding and giving back cost the same for any
 * number held, duplicates fall away by themselves, and a slot is one cache line. A bitmap says which are there. Pure;
 * one owner, the rx lcore of the channel. */
#ifndef FEED_HOLD_H
#define FEED_HOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOLD_MESSAGES_MIN 64u
#define HOLD_MESSAGES_MAX (1u << 22)
/* No type of ITCH is longer than 50 bytes: what a venue may append to one is cut off, and changes nothing. */
#define HOLD_MESSAGE_LEN_MAX 52u

struct hold_slot {
    uint64_t seen_ns;   /* when a hole in front of this message was first seen: its arrival, or that of one behind it */
    uint8_t line;       /* that brought it */
    bool packet;        /* the first message of its packet that was kept */
    uint8_t block[2 + HOLD_MESSAGE_LEN_MAX]; /* as in MoldUDP64: length, big-endian, then the message */
};

struct hold {
    struct hold_slot *slots;
    uint64_t *present;  /* a bit for each slot */
    uint64_t mask;      /* messages - 1 */
    uint64_t base_seq;  /* nothing below is held; the window is [base_seq, base_seq + messages) */
    uint64_t end_seq;   /* one past the newest held; <= base_seq: nothing is */
    uint32_t count;     /* messages held */
    uint32_t packet_count; /* packets of which the first message kept is still held */
};

/* Bytes for a window of `messages`, a power of two within the limits; 0 if it is not. */
size_t hold_footprint(uint32_t messages);
/* `memory`: hold_footprint bytes, aligned to a cache line. */
void hold_init(struct hold *hold, void *memory, uint32_t messages);

/* Everything below `seq` is done with; the window begins there. Cost: bits that are passed over. */
void hold_advance(struct hold *hold, uint64_t seq);
/* Nothing is held; the window begins at `seq`. */
void hold_clear(struct hold *hold, uint64_t seq);

/* Does [seq, end_seq) lie in the window as it is? */
static inline bool hold_fits(const struct hold *hold, uint64_t end_seq)
{
    return end_seq - hold->base_seq <= hold->mask + 1 && end_seq >= hold->base_seq;
}

/* Keep the messages of a packet (blocks as accepted by mold_parse) that are in the window and not yet held; hold_fits
 * has said yes to its end. How many were new. */
uint32_t hold_put(struct hold *hold, uint64_t seq, uint32_t count, const uint8_t *blocks, uint8_t line,
                  uint64_t now_ns);

/* The message, or NULL: not held. */
static inline const struct hold_slot *hold_find(const struct hold *hold, uint64_t seq)
{
    const uint64_t at = seq & hold->mask;

    if (seq < hold->base_seq || seq >= hold->end_seq || !(hold->present[at / 64] >> (at % 64) & 1))
        return NULL;
    return &hold->slots[at];
}

/* First sequence >= seq that is held, or `end_seq` when none is below it. Cost: a step for 64 messages. */
uint64_t hold_next(const struct hold *hold, uint64_t seq, uint64_t end_seq);
/* First sequence >= seq that is not held, or `end_seq`. */
uint64_t hold_next_missing(const struct hold *hold, uint64_t seq, uint64_t end_seq);

#endif
