/* The receive loop: frames in, events out, in travel order. Runs on a pinned rx lcore; owns its queues, channels and
 * books; waits for nobody, allocates and logs nothing. Every failure has one shape: verdict, counter, return.
 *
 *   rx_burst -> stamp -> parse -> line -> arbitrate -> decode -> book -> publish
 *   recvmmsg -> stamp -> line -> ...: datagrams that the kernel has parsed (gateway/socket_rx.h) */
#include "gateway/rx_loop.h"

#include "gateway/crash.h"

#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>
#include <rte_prefetch.h>

#define EARLY_MAX 1000000u /* frames: a feed that is faster than this can throw away is taken as it comes */
#define TIME_TELL_NS 1000000 /* frame time after which frames that bring nothing new tell the time all the same */

static inline void count(uint64_t *counter)
{
    __atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

/* To the strategies: across the ring, or on this very lcore. Where it stood in the feed stays here. */
static inline void publish(struct rx *rx, const struct md_event *event, uint64_t feed_seq)
{
    cause_store(&rx->causes, ++rx->event_count, feed_seq, event->channel, rx->line_idx);
    if (rx->ring)
        md_ring_push(rx->ring, event);
    else
        strategy_event(rx->inline_strategies, event);
}

static void publish_time(struct rx *rx)
{
    struct md_event time;

    md_event_write(&time, (struct md_event){.type = MD_TIME,
                                            .instrument = MD_INSTRUMENT_NONE,
                                            .price = MD_PRICE_NONE,
                                            .exchange_ns = rx->now_ns,
                                            .rx_tsc = rx->burst_tsc,
                                            .bid_price = MD_PRICE_NONE,
                                            .ask_price = MD_PRICE_NONE});
    publish(rx, &time, 0);
    rx->told_ns = rx->now_ns;
}

/* What a channel has to say about the frame or the time in hand. The frame's own time goes ahead of its events, as
 * early as possible: the line is on its way to the other core while the books are still being changed. */
void rx_publish(struct rx *rx, struct channel *channel, struct channel_cursor *cursor)
{
    bool first = rx->stage_stamps;

    publish_time(rx);
    while (channel_next(channel, cursor)) {
        rx->line_idx = (uint16_t)cursor->line;
        if (first)
            hist_record(&rx->booked, clock_tsc() - rx->burst_tsc);
        first = false;
        for (uint32_t i = 0; i < cursor->event_count; i++)
            publish(rx, &cursor->event[i], cursor->seq);
    }
}

/* What is due at or before now_ns, before anything of now_ns is applied. A channel that has work left over from its
 * recovery (deadline 0) goes on at the end of the turn: frames come first. */
static void expire(struct rx *rx)
{
    struct channel_cursor cursor;

    for (uint32_t i = 0; i < rx->channel_count; i++)
        if (channel_deadline_ns(rx->channel[i]) != 0 &&
            channel_expire(rx->channel[i], rx->now_ns, rx->burst_tsc, &cursor))
            rx_publish(rx, rx->channel[i], &cursor);
}

void rx_deadline(struct rx *rx)
{
    rx->deadline_ns = UINT64_MAX;
    for (uint32_t i = 0; i < rx->channel_count; i++) {
        const uint64_t deadline_ns = channel_deadline_ns(rx->channel[i]);
        if (deadline_ns != 0 && deadline_ns < rx->deadline_ns)
            rx->deadline_ns = deadline_ns;
    }
}

/* Time has come to now_ns. */
static inline void due(struct rx *rx)
{
    if (LIKELY(rx->now_ns < rx->deadline_ns))
        return;
    expire(rx);
    rx_deadline(rx);
}

/* What the NIC has found out, and where the config wants it, our own look. Bad and good at once is "none". */
static inline bool checksum_bad(const struct rte_mbuf *frame, const struct line *line, const struct frame_view *view)
{
    if (UNLIKELY((frame->ol_flags & (RTE_MBUF_F_RX_L4_CKSUM_BAD | RTE_MBUF_F_RX_IP_CKSUM_BAD)) != 0) &&
        ((frame->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_BAD ||
         (frame->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_BAD))
        return true;
    return line->verify && !frame_checksum_good(rte_pktmbuf_mtod(frame, const uint8_t *), frame->data_len, view);
}

/* A datagram of one of our lines: what it will touch begins to be fetched. */
static inline void find(struct rx *rx, struct line *line, const uint8_t *payload, uint32_t payload_len,
                        struct rx_found *ret_found)
{
    count(&line->frame_count);
    ret_found->line = line;
    ret_found->payload = payload;
    ret_found->payload_len = payload_len;
    if (LIKELY(line->line < ARB_LINES_MAX))
        channel_look(line->channel, &rx->ahead, payload, payload_len, &ret_found->look);
}

/* One frame: whose it is, and whether it is whole. */
static void frame_find(struct rx *rx, const struct rx_queue *queue, struct rte_mbuf *frame, struct rx_found *ret_found)
{
    struct frame_view view;

    ret_found->line = NULL;
    ret_found->now_ns = rx->replay ? *RTE_MBUF_DYNFIELD(frame, rx->dynfield, uint64_t *) : rx->now_ns;
    ret_found->look.end = rx->ahead.count;
    if (UNLIKELY(frame->nb_segs != 1)) {
        count(&rx->chained_count);
        return;
    }
    const enum frame_verdict verdict = frame_parse(rte_pktmbuf_mtod(frame, const uint8_t *), frame->data_len, &view);
    count(&rx->frame_verdict[verdict]);
    if (UNLIKELY(verdict != FRAME_UDP)) {
        if (queue->aside)
            aside_offer(queue->aside, frame);
        return;
    }
    struct line *line = line_find(&rx->lines, view.dst_ip, view.dst_port);
    if (UNLIKELY(!line)) {
        count(&rx->foreign_count);
        return;
    }
    if (UNLIKELY(line->source != 0 && line->source != view.src_ip)) {
        count(&line->source_count);
        return;
    }
    if (UNLIKELY(checksum_bad(frame, line, &view))) {
        count(&rx->checksum_count);
        return;
    }
    find(rx, line, view.payload, view.payload_len, ret_found);
}

static inline bool line_receive(struct rx *rx, const struct rx_found *found, struct channel_cursor *cursor)
{
    const struct line *line = found->line;

    if (LIKELY(line->line < ARB_LINES_MAX)) {
        if (rx->ring && found->look.count > 0)
            md_ring_expect(rx->ring);
        return channel_receive_looked(line->channel, line->line, &rx->ahead, &found->look, rx->now_ns, rx->burst_tsc,
                                      cursor);
    }
    return channel_reply(line->channel, found->payload, found->payload_len, rx->now_ns, rx->burst_tsc, cursor);
}

/* The channel has taken a frame: its deadline may have come nearer. One that has moved away, as that of silence does
 * with every frame, is found out when the old one is over. */
static inline void deadline_lower(struct rx *rx, const struct channel *channel)
{
    const uint64_t deadline_ns = channel_deadline_ns(channel);

    if (deadline_ns < rx->deadline_ns && deadline_ns != 0)
        rx->deadline_ns = deadline_ns;
}

/* Its turn has come: from bytes to events. Decision time is the frame's own: of the capture in a replay, of its burst's
 * arrival in a live run. */
static __attribute__((noinline)) void receive(struct rx *rx, const struct rx_found *found)
{
    struct channel_cursor cursor;

    rx->now_ns = found->now_ns;
    if (UNLIKELY(!found->line))
        return;
    due(rx);
    if (line_receive(rx, found, &cursor)) {
        if (rx->stage_stamps)
            hist_record(&rx->parsed, clock_tsc() - rx->burst_tsc);
        rx_publish(rx, found->line->channel, &cursor);
    } else if ((int64_t)(rx->now_ns - rx->told_ns) >= TIME_TELL_NS) {
        publish_time(rx); /* nothing new, but time goes on: heartbeats keep the strategies' timers going */
    }
    deadline_lower(rx, found->line->channel);
}

/* Headers fill the first line of a frame; its first message lies in the second, if it has any. */
static inline void frame_prefetch(const struct rte_mbuf *frame)
{
    const uint8_t *bytes = rte_pktmbuf_mtod(frame, const uint8_t *);
    const uint32_t second = frame->data_len < CACHE_LINE_BYTES ? 0 : CACHE_LINE_BYTES;

    rte_prefetch0(bytes);
    rte_prefetch0(bytes + second);
}

/* Frames of a burst go back to their pool together. One in several pieces, or that somebody else holds too (aside), is
 * let go by itself. */
static inline void frames_free(struct rte_mbuf **frames, uint32_t frame_count)
{
    struct rte_mempool *pool = frames[0]->pool;
    uint32_t whole_count = 0;

    for (uint32_t i = 0; i < frame_count; i++) {
        struct rte_mbuf *frame = frames[i];
        if (LIKELY(frame->nb_segs == 1 && frame->pool == pool && RTE_MBUF_DIRECT(frame) &&
                   rte_mbuf_refcnt_read(frame) == 1))
            frames[whole_count++] = frame;
        else
            rte_pktmbuf_free(frame);
    }
    rte_mempool_put_bulk(pool, (void **)frames, whole_count);
}

static uint32_t queue_poll(struct rx *rx, const struct rx_queue *queue)
{
    struct rte_mbuf *frames[RX_BURST_MAX];
    const uint16_t frame_count = rte_eth_rx_burst(queue->port_id, queue->queue_id, frames, (uint16_t)rx->burst);
    const struct rx_found *next = rx->found; /* to be received */

    if (frame_count == 0)
        return 0;
    rx->burst_tsc = clock_tsc();
    for (uint16_t i = 0; i < frame_count; i++)
        frame_prefetch(frames[i]);
    if (!rx->replay)
        rx->now_ns = clock_ns(rx->clock, rx->burst_tsc);
    /* A book waits for memory twice a message, if nobody has asked for it before. So each frame is looked at when
     * it is found, and received when enough messages behind it have been looked at too, or there are no more. */
    for (uint32_t i = 0; i < frame_count; i++) {
        frame_find(rx, queue, frames[i], &rx->found[i]);
        for (; next <= &rx->found[i] && channel_look_ready(&rx->ahead, &next->look); next++)
            receive(rx, next);
    }
    channel_look_end(&rx->ahead);
    for (; next < &rx->found[frame_count]; next++)
        receive(rx, next);
    frames_free(frames, frame_count);
    __atomic_store_n(&rx->frame_count, rx->frame_count + frame_count, __ATOMIC_RELAXED);
    return frame_count;
}

/* The kernel has looked at headers and checksums; a socket is bound to the group and port of its line. */
static uint32_t socket_poll(struct rx *rx, struct socket_rx_line *from)
{
    const uint32_t datagram_count = socket_rx_take(rx->sockets, from, rx->burst);

    if (datagram_count == 0)
        return 0;
    rx->burst_tsc = clock_tsc();
    rx->now_ns = clock_ns(rx->clock, rx->burst_tsc);
    for (uint32_t i = 0; i < datagram_count; i++) {
        const struct socket_rx_datagram datagram = socket_rx_datagram(rx->sockets, from, i, rx->now_ns);
        if (UNLIKELY(datagram.cut))
            count(&rx->chained_count);
        else if (UNLIKELY(from->line->source != 0 && from->line->source != datagram.src_ip))
            count(&from->line->source_count);
        else {
            rx->found[0].now_ns = rx->now_ns;
            find(rx, from->line, datagram.payload, datagram.payload_len, &rx->found[0]);
            receive(rx, &rx->found[0]);
        }
    }
    __atomic_store_n(&rx->frame_count, rx->frame_count + datagram_count, __ATOMIC_RELAXED);
    return datagram_count;
}

static uint32_t sockets_poll(struct rx *rx)
{
    uint32_t datagram_count = 0;

    for (uint32_t i = 0; i < rx->sockets->count; i++)
        datagram_count += socket_poll(rx, &rx->sockets->line[i]);
    return datagram_count;
}

/* wait=block: until a datagram, or the next thing to do. What is left over of a recovery goes on at once. */
static void sleep_short(struct rx *rx)
{
    for (uint32_t i = 0; i < rx->channel_count; i++)
        if (channel_deadline_ns(rx->channel[i]) == 0)
            return;
    if (rx->deadline_ns > rx->now_ns)
        socket_rx_wait(rx->sockets, rx->deadline_ns - rx->now_ns);
}

/* Nothing came. Live, time goes on all the same; in a replay only frames bring it. */
static void idle(struct rx *rx)
{
    count(&rx->idle_count);
    if (!rx->replay) {
        rx->burst_tsc = clock_tsc();
        rx->now_ns = clock_ns(rx->clock, rx->burst_tsc);
        due(rx);
        if (rx->sockets && rx->sockets->block)
            sleep_short(rx);
    } else if (rx->replay->ended && !rx->finished && replay_source_room(rx->replay, 0)) {
        struct channel_cursor cursor;
        for (uint32_t i = 0; i < rx->channel_count; i++)
            if (channel_flush(rx->channel[i], rx->now_ns, &cursor))
                rx_publish(rx, rx->channel[i], &cursor);
        __atomic_store_n(&rx->finished, 1u, __ATOMIC_RELEASE); /* paired with: topology_finished */
    }
}

/* What the frame source of a replay must know to hold back, and its step. */
static void replay_step(struct rx *rx)
{
    uint32_t held = 0;

    for (uint32_t i = 0; i < rx->channel_count; i++)
        held += channel_held_messages(rx->channel[i]) + 1;
    rx->replay->held_events = (uint64_t)held * CHANNEL_EVENTS_MAX;
    replay_source_step(rx->replay, rx->burst);
}

/* A driver may have kept frames since its port was opened, long before: prices of then, taken for those of now, and
 * where its ring was full a hole behind them. The feed begins here. */
static void early_drop(struct rx *rx)
{
    struct rte_mbuf *frames[RX_BURST_MAX];

    for (uint32_t i = 0; i < rx->queue_count; i++) {
        uint16_t frame_count;
        do {
            frame_count = rte_eth_rx_burst(rx->queue[i].port_id, rx->queue[i].queue_id, frames, RX_BURST_MAX);
            rte_pktmbuf_free_bulk(frames, frame_count);
            rx->early_count += frame_count;
        } while (frame_count > 0 && rx->early_count < EARLY_MAX);
    }
    for (uint32_t i = 0; rx->sockets && i < rx->sockets->count; i++) {
        uint32_t datagram_count;
        do {
            datagram_count = socket_rx_take(rx->sockets, &rx->sockets->line[i], RX_BURST_MAX);
            rx->early_count += datagram_count;
        } while (datagram_count > 0 && rx->early_count < EARLY_MAX);
    }
}

uint32_t rx_turn(struct rx *rx)
{
    uint32_t frame_count = 0;

    if (rx->replay)
        replay_step(rx);
    for (uint32_t i = 0; i < rx->queue_count; i++)
        frame_count += queue_poll(rx, &rx->queue[i]);
    if (rx->sockets)
        frame_count += sockets_poll(rx);
    if (rx->recovering)
        rx_recover(rx);
    for (uint32_t i = 0; i < rx->resync_count; i++)
        resync_step(rx->resync[i]);
    if (rx->inline_strategies)
        strategy_turn_end(rx->inline_strategies, frame_count > 0);
    if (frame_count == 0)
        idle(rx);
    else if (!rx->replay)
        due(rx); /* also where all that comes is not for us */
    count(&rx->turn_count);
    return frame_count;
}

int rx_loop(void *arg)
{
    struct rx *rx = arg;

    if (!rx->replay)
        early_drop(rx);
    crash_enter(rx->name, rx->inline_strategies);
    armed_enter(&rx->armed, rx->cpu, rx->proof);
    while (!__atomic_load_n(rx->stop, __ATOMIC_RELAXED))
        rx_turn(rx);
    armed_leave(&rx->armed);
    return 0;
}
