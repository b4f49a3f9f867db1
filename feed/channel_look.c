/* Channel: what a packet will touch, before its turn has come. Contract in channel.h.
 *
 * Called by the rx loop for each packet of a burst, some packets ahead of channel_receive_looked, on the thread that
 * owns the channel. Its messages are decoded once, here; their orders begin to be fetched (book_look). It may be wrong
 * about everything: bytes are hostile, and what comes before the packet may change whatever was looked at. So nothing
 * is decided here. */
#include "feed/book_look.h"
#include "feed/channel_state.h"

#define LOOKED_MAX 8192u /* messages of a burst, at most */

/* Adds and others come in no order: no branch between them. Others say nothing of side and price. */
static inline __attribute__((always_inline)) void look_message(struct channel_ahead *ahead, const struct book *book,
                                                              const uint8_t *message, uint32_t message_len)
{
    struct channel_looked *looked = &ahead->message[ahead->count++ % CHANNEL_AHEAD];

    KEEP(looked);
    const struct itch_msg *msg = &looked->msg;
    if (UNLIKELY(message_len == 0)) {
        looked->msg.type = 0;
        return;
    }
    const struct itch_shape *shape = &itch_shapes[message[0]];
    KEEP(shape);
    if (UNLIKELY(itch_decode_shape(message, message_len, shape, &looked->msg) != ITCH_OK)) {
        looked->msg.type = 0;
        return;
    }
    if (UNLIKELY(shape->books == 0))
        return;
    looked->home = look_ahead(&ahead->book, book, msg->order.ref, msg->locate, msg->order.letter == 'S',
                              (int32_t)msg->order.price, shape->enters);
    if (UNLIKELY(msg->type == ITCH_REPLACE))
        (void)book_look(&ahead->book, book, msg->replace.ref, msg->locate, 0, (int32_t)msg->replace.price, true);
}

/* Blocks at the beginning of `bytes`, walked and looked at in one go: how many a packet has cannot be predicted, so
 * each loop over them costs a mispredicted branch. Returns as mold_walk. */
static inline __attribute__((always_inline)) uint32_t look_blocks(struct channel_ahead *ahead, const struct book *book,
                                                                  const uint8_t *bytes, uint32_t bytes_len,
                                                                  uint32_t count)
{
    uint32_t at = 0;

    for (; count > 0; count--) {
        const uint32_t end = mold_walk(bytes, bytes_len, at, 1);
        if (UNLIKELY(end > bytes_len))
            return end;
        at += MOLD_BLOCK_LENGTH_LEN;
        look_message(ahead, book, bytes + at, end - at);
        at = end;
    }
    return at;
}

const uint8_t *channel_look_messages(struct channel_ahead *ahead, const struct book *book, const uint8_t *block,
                                     uint32_t message_count)
{
    return block + look_blocks(ahead, book, block, UINT32_MAX, message_count);
}

void channel_look(struct channel *channel, struct channel_ahead *ahead, const uint8_t *payload, uint32_t payload_len,
                  struct channel_look *ret_look)
{
    struct mold_packet *packet = &ret_look->packet;

    ret_look->verdict = mold_header(payload, payload_len, packet);
    ret_look->count = 0;
    ret_look->end = ahead->count;
    if (UNLIKELY(ret_look->verdict != MOLD_DATA))
        return;
    const uint64_t end_seq = packet->seq + packet->count;
    const uint64_t next_seq = channel->arb.next_seq;
    /* A note beyond this burst is that of a packet that was not believed, or of a session before. */
    const uint64_t seen_seq = channel->looked_seq - next_seq <= LOOKED_MAX ? channel->looked_seq : next_seq;
    const uint32_t first = ahead->count, rest_len = packet->trailing_len;
    if (end_seq <= seen_seq && packet->seq != 0) {
        ret_look->verdict = mold_blocks(packet, mold_walk(packet->blocks, rest_len, 0, packet->count));
        return;
    }
    const uint32_t count = packet->count < CHANNEL_LOOK_MAX ? packet->count : CHANNEL_LOOK_MAX;
    uint32_t blocks_len = LIKELY(!channel->untraded)
                              ? look_blocks(ahead, channel->book, packet->blocks, rest_len, count)
                              : channel_untraded_look(channel, ahead, packet->blocks, rest_len, count);
    if (UNLIKELY(count < packet->count))
        blocks_len = mold_walk(packet->blocks, rest_len, blocks_len, packet->count - count);
    ret_look->verdict = mold_blocks(packet, blocks_len);
    if (UNLIKELY(ret_look->verdict != MOLD_DATA)) {
        ahead->count = first;
        return;
    }
    channel->looked_seq = end_seq;
    health_expect(&channel->health, packet->seq);
    ret_look->first = first;
    ret_look->count = count;
    ret_look->end = ahead->count;
}

void channel_look_end(struct channel_ahead *ahead)
{
    book_look_end(&ahead->book);
}
