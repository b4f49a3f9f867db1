/* The receive loop's part in recovery: answers in, asks out. Runs on the rx lcore at the end of a turn, where servers
 * are configured. Contract in rx_loop.h.
 *
 *   control thread -> answers -> channel -> events;   channel -> asks -> control thread */
#include "gateway/rx_loop.h"

#include <string.h>

static inline void count(uint64_t *counter)
{
    __atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

/* Where the next slice of snapshot messages ends. */
static uint32_t slice_end(const struct recovery_answer *answer, uint32_t at)
{
    for (uint32_t i = 0; i < CHANNEL_SLICE_MESSAGES && at + 2u <= answer->len; i++)
        at += 2u + ((uint32_t)answer->bytes[at] << 8 | answer->bytes[at + 1]);
    return at < answer->len ? at : answer->len;
}

/* The answer of channel `i` that the control thread gave, or a slice of it. False: not all of it yet, or books are
 * still being emptied for it. */
static bool reply_apply(struct rx *rx, uint32_t i, const struct recovery_answer *answer)
{
    struct channel *channel = rx->channel[i];
    struct channel_cursor cursor;
    const uint32_t at = rx->answer_at[i];
    bool some = false;

    switch ((enum recovery_answer_type)answer->type) {
    case RECOVERY_PACKET:
        some = channel_reply(channel, answer->bytes, answer->len, rx->now_ns, rx->burst_tsc, &cursor);
        break;
    case RECOVERY_MESSAGES:
        if (!channel_snapshot_ready(channel, answer->spin))
            return false;
        rx->answer_at[i] = slice_end(answer, at);
        some = channel_snapshot(channel, answer->spin, answer->bytes + at, rx->answer_at[i] - at, rx->now_ns,
                                rx->burst_tsc, &cursor);
        break;
    case RECOVERY_SPIN_END:
        if (!channel_snapshot_ready(channel, answer->spin))
            return false;
        some = channel_snapshot_end(channel, answer->spin, answer->seq, rx->now_ns, rx->burst_tsc, &cursor);
        break;
    case RECOVERY_SPIN_LOST:
        channel_snapshot_lost(channel, answer->spin, rx->now_ns);
        break;
    }
    if (some)
        rx_publish(rx, channel, &cursor);
    return answer->type != RECOVERY_MESSAGES || rx->answer_at[i] == answer->len;
}

static void ask(struct rx *rx, struct channel *channel, struct recovery_link *link, const struct channel_ask *asked)
{
    static const uint8_t types[] = {[CHANNEL_ASK_REQUEST] = RECOVERY_REQUEST,
                                    [CHANNEL_ASK_SPIN] = RECOVERY_SPIN,
                                    [CHANNEL_ASK_SPIN_STOP] = RECOVERY_SPIN_STOP};
    struct recovery_ask message = {.type = types[asked->type],
                                   .server = (uint8_t)asked->server,
                                   .count = (uint16_t)asked->count,
                                   .spin = asked->spin,
                                   .seq = asked->seq};

    memcpy(message.session, channel_session(channel), sizeof(message.session));
    if (recovery_link_ask(link, &message))
        return;
    count(&rx->ask_lost_count);
    channel_snapshot_lost(channel, asked->spin, rx->now_ns);
}

/* The channels that have servers to ask, once a turn and behind its frames: a slice of what was held, a slice of an
 * answer, and what there is to ask. So a channel that is being recovered takes no more of a turn than a packet. */
void rx_recover(struct rx *rx)
{
    struct channel_cursor cursor;
    struct channel_ask asked;

    for (uint32_t i = 0; i < rx->channel_count; i++) {
        struct channel *channel = rx->channel[i];
        struct recovery_link *link = rx->link[i];
        if (!link)
            continue;
        if (!rx->answer[i]) {
            rx->answer[i] = recovery_link_take(link);
            rx->answer_at[i] = 0;
        }
        if (rx->answer[i]) {
            if (reply_apply(rx, i, rx->answer[i])) {
                recovery_link_done(link, rx->answer[i]);
                rx->answer[i] = NULL;
            }
            rx_deadline(rx);
        }
        if (!channel_recovering(channel))
            continue;
        if (channel_deadline_ns(channel) == 0 && channel_expire(channel, rx->now_ns, rx->burst_tsc, &cursor))
            rx_publish(rx, channel, &cursor);
        while ((asked = channel_ask_next(channel, rx->now_ns)).type != CHANNEL_ASK_NOTHING)
            ask(rx, channel, link, &asked);
        rx_deadline(rx);
    }
}
