/* Messages behind a hole. Contract in hold.h. */
#include "feed/hold.h"

#include "feed/mold.h"
#include "ring/check.h"

#include <string.h>

_Static_assert(sizeof(struct hold_slot) == CACHE_LINE_BYTES, "a message is one line");

static size_t slots_bytes(uint32_t messages)
{
    return (size_t)messages * sizeof(struct hold_slot);
}

size_t hold_footprint(uint32_t messages)
{
    if (messages < HOLD_MESSAGES_MIN || messages > HOLD_MESSAGES_MAX || (messages & (messages - 1)) != 0)
        return 0;
    const size_t bitmap_bytes = messages / 8;
    return slots_bytes(messages) + (bitmap_bytes + CACHE_LINE_BYTES - 1) / CACHE_LINE_BYTES * CACHE_LINE_BYTES;
}

void hold_init(struct hold *hold, void *memory, uint32_t messages)
{
    DCHECK(hold_footprint(messages) > 0);
    *hold = (struct hold){.slots = memory,
                          .present = (uint64_t *)(void *)((uint8_t *)memory + slots_bytes(messages)),
                          .mask = messages - 1};
    memset(hold->present, 0, messages / 8);
}

void hold_clear(struct hold *hold, uint64_t seq)
{
    if (hold->count > 0)
        memset(hold->present, 0, (hold->mask + 1) / 8);
    hold->base_seq = hold->end_seq = seq;
    hold->count = hold->packet_count = 0;
}

static void release(struct hold *hold, uint64_t seq)
{
    const uint64_t at = seq & hold->mask;

    hold->present[at / 64] &= ~(UINT64_C(1) << (at % 64));
    hold->count--;
    hold->packet_count -= hold->slots[at].packet;
}

void hold_advance(struct hold *hold, uint64_t seq)
{
    const uint64_t to_seq = seq < hold->end_seq ? seq : hold->end_seq;

    for (uint64_t held = hold_next(hold, hold->base_seq, to_seq); held < to_seq;
         held = hold_next(hold, held + 1, to_seq))
        release(hold, held);
    if (seq > hold->base_seq)
        hold->base_seq = seq;
    if (hold->end_seq < hold->base_seq)
        hold->end_seq = hold->base_seq;
}

/* First set bit (of the words turned by `turn`) from seq on. */
static uint64_t scan(const struct hold *hold, uint64_t seq, uint64_t end_seq, uint64_t turn)
{
    while (seq < end_seq) {
        const uint64_t at = seq & hold->mask;
        const uint64_t word = (hold->present[at / 64] ^ turn) >> (at % 64);
        if (word != 0) {
            seq += (uint64_t)__builtin_ctzll(word);
            return seq < end_seq ? seq : end_seq;
        }
        if (end_seq - seq <= 64 - at % 64) /* else the step might pass the last sequence there is */
            break;
        seq += 64 - at % 64;
    }
    return end_seq;
}

uint64_t hold_next(const struct hold *hold, uint64_t seq, uint64_t end_seq)
{
    const uint64_t from_seq = seq > hold->base_seq ? seq : hold->base_seq;
    const uint64_t to_seq = end_seq < hold->end_seq ? end_seq : hold->end_seq;
    const uint64_t found_seq = scan(hold, from_seq, to_seq, 0);

    return found_seq < to_seq ? found_seq : end_seq;
}

uint64_t hold_next_missing(const struct hold *hold, uint64_t seq, uint64_t end_seq)
{
    const uint64_t to_seq = end_seq < hold->end_seq ? end_seq : hold->end_seq;

    if (seq < hold->base_seq || seq >= to_seq)
        return seq < end_seq ? seq : end_seq;
    const uint64_t found_seq = scan(hold, seq, to_seq, UINT64_MAX);
    return found_seq < end_seq ? found_seq : end_seq;
}

uint32_t hold_put(struct hold *hold, uint64_t seq, uint32_t count, const uint8_t *blocks, uint8_t line, uint64_t now_ns)
{
    const uint64_t end_seq = seq + count;
    uint64_t seen_ns = now_ns;
    uint32_t new_count = 0;

    DCHECK(hold_fits(hold, end_seq));
    if (UNLIKELY(end_seq < hold->end_seq)) { /* overtaken: the hole in front was seen before */
        const uint64_t behind_seq = hold_next(hold, end_seq, hold->end_seq);
        if (behind_seq < hold->end_seq && hold->slots[behind_seq & hold->mask].seen_ns < seen_ns)
            seen_ns = hold->slots[behind_seq & hold->mask].seen_ns;
    }
    for (; seq < end_seq; seq++) {
        const uint8_t *message;
        uint32_t len;
        blocks = mold_next(blocks, &message, &len);
        if (seq < hold->base_seq || hold_find(hold, seq))
            continue;
        const uint64_t at = seq & hold->mask;
        struct hold_slot *slot = &hold->slots[at];
        if (UNLIKELY(len > HOLD_MESSAGE_LEN_MAX))
            len = HOLD_MESSAGE_LEN_MAX;
        slot->seen_ns = seen_ns;
        slot->line = line;
        slot->packet = new_count == 0;
        slot->block[0] = (uint8_t)(len >> 8);
        slot->block[1] = (uint8_t)len;
        memcpy(slot->block + 2, message, len);
        hold->present[at / 64] |= UINT64_C(1) << (at % 64);
        new_count++;
        if (seq >= hold->end_seq)
            hold->end_seq = seq + 1;
    }
    hold->count += new_count;
    hold->packet_count += new_count > 0;
    return new_count;
}
