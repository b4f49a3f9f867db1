/* Channel: what a packet will touch, before its turn has come. Contract in channel.h.
 *
 * Called by the rx loop for each packet of a burst, some packets ahead of channel_receive_looked, on the thread that
 * owns the channel. A book operation waits for three memory accesses, each of which says where the next one is; here
 * all packets of a burst wait together. It may be wrong about everything: bytes are hostile, and what comes before the
 * packet may change whatever was looked at. So nothing is decided here, and what is read of the book is checked as on
 * the way of a message. */
#include "feed/channel_state.h"

#define LOOKED_MAX 8192u /* messages of a burst, at most */

static const uint8_t look_kind[256] = {
    [ITCH_ADD] = BOOK_LOOK_ADD,       [ITCH_ADD_MPID] = BOOK_LOOK_ADD,          [ITCH_DELETE] = BOOK_LOOK_CHANGE,
    [ITCH_REPLACE] = BOOK_LOOK_CHANGE, [ITCH_EXECUTED] = BOOK_LOOK_CHANGE,       [ITCH_CANCEL] = BOOK_LOOK_CHANGE,
    [ITCH_EXECUTED_PRICE] = BOOK_LOOK_CHANGE,
};

void channel_look(struct channel *channel, const uint8_t *payload, uint32_t payload_len, struct channel_look *ret_look)
{
    const struct mold_packet *packet = &ret_look->packet;
    uint32_t operation_count = 0;

    ret_look->count = 0;
    ret_look->verdict = mold_parse(payload, payload_len, &ret_look->packet);
    if (UNLIKELY(ret_look->verdict != MOLD_DATA))
        return;
    const uint64_t end_seq = packet->seq + packet->count;
    const uint64_t next_seq = channel->arb.next_seq;
    /* A note beyond this burst is that of a packet that was not believed, or of a session before. */
    const uint64_t seen_seq = channel->looked_seq - next_seq <= LOOKED_MAX ? channel->looked_seq : next_seq;
    if (end_seq <= seen_seq && packet->seq != 0)
        return;
    channel->looked_seq = end_seq;
    const uint8_t *block = packet->blocks;
    for (uint32_t left = packet->count; left > 0 && operation_count < CHANNEL_LOOK_MAX - 1; left--) {
        const uint8_t *message;
        uint32_t message_len;
        struct itch_msg msg;
        block = mold_next(block, &message, &message_len);
        if (UNLIKELY(itch_decode(message, message_len, &msg) != ITCH_OK))
            continue;
        struct book_look *operation = &ret_look->operation[operation_count];
        operation[0] = (struct book_look){.ref = msg.order.ref,
                                          .price = (int32_t)msg.order.price,
                                          .instrument = msg.locate,
                                          .side = msg.order.letter,
                                          .kind = look_kind[msg.type]};
        operation[1] = (struct book_look){.ref = msg.replace.ref,
                                          .price = (int32_t)msg.replace.price,
                                          .instrument = msg.locate,
                                          .kind = BOOK_LOOK_ADD};
        /* No branch: types come in no order. A replace is two operations. */
        operation_count += (uint32_t)(look_kind[msg.type] != BOOK_LOOK_NOTHING) + (uint32_t)(msg.type == ITCH_REPLACE);
    }
    ret_look->count = operation_count;
    book_look_refs(channel->book, ret_look->operation, operation_count);
}

void channel_look_orders(const struct channel *channel, struct channel_look *look)
{
    book_look_orders(channel->book, look->operation, look->count);
}

void channel_look_levels(const struct channel *channel, const struct channel_look *look)
{
    book_look_levels(channel->book, look->operation, look->count);
}
