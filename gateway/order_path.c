/* See order_path.h. */
#include "gateway/order_path.h"

#include "feed/soup.h"
#include "gateway/kernel_line.h"

static inline void count(uint64_t *counter)
{
    __atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

void order_path_begin(struct order_path *path, const struct order_news *begin)
{
    static const struct order_frame_route stream_only = {.tcp = true};

    if (path->carrier == CONFIG_CARRIER_TCP)
        order_tx_route(path->tx, &begin->route);
    else
        order_frame_template_init(&path->template, &stream_only);
    path->socket = begin->socket;
    send_log_begin(&path->link->log, begin->epoch, begin->value);
}

void order_path_end(struct order_path *path)
{
    path->socket = -1;
    send_log_end(&path->link->log);
}

static enum risk_verdict encode_tcp(struct order_path *path, const struct order_intent *intent, uint64_t symbol,
                                    struct order_frame_id id)
{
    struct send_log *log = &path->link->log;
    struct order_frame_at at = {.seq = log->next_seq};

    path->stream_len = SOUP_HEADER_LEN + path->tx->template.message_len[intent->action - 1];
    if (UNLIKELY(!send_log_room(log)))
        return RISK_LOG_FULL;
    path->delegated = send_log_may(log, path->stream_len, &at.ack);
    if (UNLIKELY(!path->delegated && !path->slow_allowed && intent->action != ORDER_CANCEL))
        return RISK_WINDOW;
    path->mbuf = order_tx_encode(path->tx, intent, symbol, id, at);
    return LIKELY(path->mbuf) ? RISK_PASS : RISK_TX_FULL;
}

enum risk_verdict order_path_encode(struct order_path *path, const struct order_intent *intent, uint64_t symbol,
                                    struct order_frame_id id)
{
    static const struct order_frame_at nowhere;

    if (LIKELY(path->carrier == CONFIG_CARRIER_TCP)) {
        const enum risk_verdict verdict = encode_tcp(path, intent, symbol, id);
        if (UNLIKELY(verdict != RISK_PASS))
            return verdict;
    } else if (path->carrier == CONFIG_CARRIER_UDP) {
        path->mbuf = order_tx_encode(path->tx, intent, symbol, id, nowhere);
        if (UNLIKELY(!path->mbuf))
            return RISK_TX_FULL;
    } else {
        if (UNLIKELY(!send_log_room(&path->link->log)))
            return RISK_LOG_FULL;
        path->frame = path->buffer;
        path->stream_len = SOUP_HEADER_LEN + path->template.message_len[intent->action - 1];
        order_frame_prepare(&path->template, path->frame);
        order_frame_encode(&path->template, path->frame, intent, symbol, id, nowhere);
        return RISK_PASS;
    }
    path->frame = rte_pktmbuf_mtod(path->mbuf, uint8_t *);
    return RISK_PASS;
}

/* The log names the bytes where they are, in the frame: it is not encoded anew before the log has come round
 * (config_check: more frames than slots). A queue that takes nothing is no reason to lose the order: the control
 * thread's TCP has it then. */
static void send_tcp(struct order_path *path)
{
    struct send_log *log = &path->link->log;
    struct send_log_slot *slot = send_log_reserve(log, path->frame + ORDER_FRAME_TCP_LEN, path->stream_len);
    const bool sent = path->delegated && order_tx_send(path->tx, path->mbuf);

    send_log_mark(log, slot, sent);
    if (LIKELY(sent))
        return;
    order_tx_pass(path->tx);
    count(&path->slow_count);
}

enum risk_verdict order_path_send(struct order_path *path)
{
    if (LIKELY(path->carrier == CONFIG_CARRIER_TCP)) {
        send_tcp(path);
        return RISK_PASS;
    }
    if (path->carrier == CONFIG_CARRIER_UDP)
        return order_tx_send(path->tx, path->mbuf) ? RISK_PASS : RISK_TX_FULL;
    const bool whole = kernel_line_send(path->socket, &path->link->log, path->frame + ORDER_FRAME_TCP_LEN,
                                        path->stream_len) == KERNEL_LINE_WHOLE;
    count(whole ? &path->direct_count : &path->slow_count);
    return RISK_PASS;
}

void order_path_heartbeat(struct order_path *path)
{
    static const struct order_intent heartbeat = {.action = ORDER_FRAME_HEARTBEAT};
    static const struct order_frame_id nobody;

    if (order_path_encode(path, &heartbeat, 0, nobody) == RISK_PASS) {
        order_path_send(path);
        count(&path->heartbeat_count);
    }
}
