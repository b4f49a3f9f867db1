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

static inline __attribute__((always_inline)) const uint8_t *
look_messages(struct channel_ahead *ahead, const struct book *book, const uint8_t *block, uint32_t message_count)
{
    for (; message_count > 0; message_count--) {
        const uint8_t *message;
        uint32_t message_len;
        block = mold_next(block, &message, &message_len);
        look_message(ahead, book, message, message_len);
    }
    return block;
}

const uint8_t *channel_look_messages(struct channel_ahead *ahead, const struct book *book, const uint8_t *block,
                                     uint32_t message_count)
{
    return look_messages(ahead, book, block, message_count);
}

void channel_look(struct channel *channel, struct channel_ahead *ahead, const uint8_t *payload, uint32_t payload_len,
                  struct channel_look *ret_look)
{
    const struct mold_packet *packet = &ret_look->packet;

    ret_look->verdict = mold_parse(payload, payload_len, &ret_look->packet);
    ret_look->count = 0;
    ret_look->end = ahead->count;
    if (UNLIKELY(ret_look->verdict != MOLD_DATA))
        return;
    const uint64_t end_seq = packet->seq + packet->count;
    const uint64_t next_seq = channel->arb.next_seq;
    /* A note beyond this burst is that of a packet that was not believed, or of a session before. */
    const uint64_t seen_seq = channel->looked_seq - next_seq <= LOOKED_MAX ? channel->looked_seq : next_seq;
    if (end_seq <= seen_seq && packet->seq != 0)
        return;
    channel->looked_seq = end_seq;
    health_expect(&channel->health, packet->seq);
    ret_look->first = ahead->count;
    ret_look->count = packet->count < CHANNEL_LOOK_MAX ? packet->count : CHANNEL_LOOK_MAX;
    if (LIKELY(!channel->untraded))
        (void)look_messages(ahead, channel->book, packet->blocks, ret_look->count);
    else
        channel_untraded_look(channel, ahead, packet->blocks, ret_look->count);
    ret_look->end = ahead->count;
}

void channel_look_end(struct channel_ahead *ahead)
{
    book_look_end(&ahead->book);
}
