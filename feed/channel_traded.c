/* Channel: whose order messages go to books, where that is not everybody's (`traded` in channel.h).
 *
 * Called on the thread that owns the channel. Most messages of a venue are about instruments that a desk does not
 * trade, and a book waits for memory with nearly each of them. Here they are passed over by their bytes alone: type,
 * length, stock locate and one bit of a table that stays in the cache. An instrument without a name is treated as one
 * that is traded; its bit is set when it gets a name that is not in the list, before any order of it was entered:
 * directory messages come first, and an add names its stock. */
#include "feed/channel_state.h"

/* Another name for a number that has one is nothing that a venue does. If it is a listed one, the book lacks what was
 * passed over; an instrument that is in the books stays there. */
bool channel_traded_name(struct channel *channel, uint32_t locate, uint64_t symbol)
{
    uint64_t *word = &channel->untraded[locate / 64];
    const uint64_t bit = 1ull << locate % 64;

    if (!instrument_listed(channel->traded, channel->traded_count, symbol)) {
        if (channel->instruments[locate].symbol == 0)
            *word |= bit;
    } else if (*word & bit) {
        *word &= ~bit;
        book_mark_untradable(channel->book, locate);
    }
    return (*word & bit) == 0;
}

void channel_forget(struct channel *channel, uint32_t first, uint32_t instrument_count)
{
    DCHECK(first % 8 == 0 || instrument_count == 0);
    instrument_clear(channel->instruments + first, instrument_count);
    if (channel->untraded)
        memset((uint8_t *)channel->untraded + first / 8, 0, (instrument_count + 7) / 8);
}

/* Few of a burst go to books: the second look at one comes eight messages later, of whatever kind. */
uint32_t channel_untraded_look(const struct channel *channel, struct channel_ahead *ahead, const uint8_t *bytes,
                               uint32_t bytes_len, uint32_t message_count)
{
    uint32_t idx = ahead->count, at = 0;

    if (idx - ahead->entered >= BOOK_AHEAD_STEP)
        book_look_end(&ahead->book);
    for (; message_count > 0; message_count--, idx++) {
        const uint32_t end = mold_walk(bytes, bytes_len, at, 1);
        if (UNLIKELY(end > bytes_len))
            return end;
        const uint8_t *message = bytes + at + MOLD_BLOCK_LENGTH_LEN;
        if (LIKELY(channel_untraded(channel, message, end - at - MOLD_BLOCK_LENGTH_LEN))) {
            ahead->message[idx % CHANNEL_AHEAD].msg.type = CHANNEL_UNLOOKED;
        } else {
            ahead->count = idx;
            (void)channel_look_messages(ahead, channel->book, bytes + at, 1);
            ahead->entered = idx + 1;
        }
        at = end;
    }
    ahead->count = idx;
    return at;
}

void channel_untraded_skip(struct channel *channel, struct channel_cursor *cursor)
{
    struct channel_counters *counters = &channel->counters;
    const uint8_t *block = cursor->block, *last = NULL;
    uint32_t left = cursor->block_left;

    while (left > 0) {
        const uint8_t *message;
        uint32_t message_len;
        const uint8_t *next = mold_next(block, &message, &message_len);
        if (!channel_untraded(channel, message, message_len))
            break;
        count(&counters->message_type_count[message[0]]);
        last = message;
        block = next;
        left--;
    }
    if (last) {
        const uint32_t skipped = cursor->block_left - left;
        const uint32_t looked = skipped < cursor->looked_left ? skipped : cursor->looked_left;
        count_add(&counters->message_count, skipped);
        count_add(&counters->itch[ITCH_OK], skipped);
        count_add(&counters->untraded_count, skipped);
        channel->exchange_ns = channel->midnight_ns + itch_timestamp_ns(last);
        cursor->block = block;
        cursor->block_left = left;
        cursor->block_seq += cursor->block_seq != 0 ? skipped : 0;
        cursor->looked_at += looked;
        cursor->looked_left -= looked;
    }
    /* It got its name after it was looked at: this message, and what is behind it, is decoded in its turn. */
    if (cursor->looked_left > 0 &&
        cursor->ahead->message[cursor->looked_at % CHANNEL_AHEAD].msg.type == CHANNEL_UNLOOKED)
        cursor->looked_left = 0;
}
