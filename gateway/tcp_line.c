/* See tcp_line.h. lwIP's control block is read, and in three places written, as no API of it allows: windows are lifted
 * and snd_nxt is moved for bytes that the owner has sent, and a probe counts as no retransmission. */
#include "gateway/tcp_line.h"

#include "feed/wire.h"

#include <errno.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/tcp.h>

#define ETHER_LEN 14u
#define TYPE_IPV4 0x0800u
#define PROTOCOL_TCP 6u
#define FLAG_FIN 0x01u
#define FLAG_SYN 0x02u
#define FLAG_ACK 0x10u
#define WINDOW_LIFTED 0x3fffffffu
#define BATCH_BYTES TCP_MSS
/* Probe times that an owner has between reservation and mark: a hot thread that the host's scheduler has put aside for
 * a moment is not held, and its segment would be doubled for nothing. */
#define OWNER_PATIENCE 5u
#define HELD_PATIENCE (OWNER_PATIENCE + 1u)

static inline bool before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

/* --- frames */

struct segment { uint32_t seq, ack, payload_len; uint16_t src_port, dst_port; uint32_t src_ip, dst_ip; uint8_t flags; };

/* A TCP segment in an Ethernet frame, IP options and all. */
static bool segment_parse(const uint8_t *frame, uint32_t len, struct segment *ret_segment)
{
    const uint8_t *ip = frame + ETHER_LEN;

    if (len < ETHER_LEN + 20 || load_be16(frame + 12) != TYPE_IPV4 || ip[9] != PROTOCOL_TCP)
        return false;
    const uint32_t ip_len = (ip[0] & 15u) * 4u, total_len = load_be16(ip + 2);
    if (ip_len < 20 || total_len > len - ETHER_LEN || total_len < ip_len + 20)
        return false;
    const uint8_t *tcp = ip + ip_len;
    const uint32_t tcp_len = (uint32_t)(tcp[12] >> 4) * 4u;
    if (tcp_len < 20 || tcp_len > total_len - ip_len)
        return false;
    *ret_segment = (struct segment){.seq = load_be32(tcp + 4),
                                    .ack = load_be32(tcp + 8),
                                    .payload_len = total_len - ip_len - tcp_len,
                                    .src_port = load_be16(tcp),
                                    .dst_port = load_be16(tcp + 2),
                                    .src_ip = load_be32(ip + 12),
                                    .dst_ip = load_be32(ip + 16),
                                    .flags = tcp[13]};
    return true;
}

static void record(struct tcp_line *line, const struct segment *segment)
{
    const enum tcp_line_resend why = line->probing                       ? TCP_LINE_RESEND_PROBE
                                     : (line->pcb->flags & TF_RTO) != 0  ? TCP_LINE_RESEND_TIMEOUT
                                     : (line->pcb->flags & TF_INFR) != 0 ? TCP_LINE_RESEND_FAST
                                     : line->reserved                    ? TCP_LINE_RESEND_TAKEN_OVER
                                                                         : TCP_LINE_RESEND_TIMEOUT;

    line->counters.resend_count[why]++;
    line->record[line->record_count++ % TCP_LINE_RECORDS] = (struct tcp_line_record){
        .now_ns = line->now_ns,
        .seq = segment->seq - line->first_seq + 1,
        .len = segment->payload_len,
        .why = (uint8_t)why};
    line->rtt_ns = 0; /* whose acknowledgement comes is not known any more */
}

/* lwIP puts a frame out. Suppressed is what the owner has sent whole and lwIP has never put out before. */
static bool suppress(void *arg, const uint8_t *frame, uint32_t len)
{
    struct tcp_line *line = arg;
    struct segment segment;

    if (!line->pcb || !segment_parse(frame, len, &segment) || segment.payload_len == 0 ||
        segment.src_port != line->local_port)
        return false;
    const uint32_t end = segment.seq + segment.payload_len;
    if (line->delegating && !before(segment.seq, line->delegated_seq) && !before(line->delegated_end, end)) {
        line->delegated_seq = end;
        return true;
    }
    if (before(segment.seq, line->sent_end) && line->first_seq != 0)
        record(line, &segment);
    if (before(line->sent_end, end))
        line->sent_end = end;
    return false;
}

static bool held_any(const struct tcp_line *line)
{
    return line->held_head != line->held_tail;
}

/* Does this frame acknowledge bytes that lwIP does not know of? Then it waits, and all of its connection behind it. */
static bool filter(void *arg, struct rte_mbuf *frame)
{
    struct tcp_line *line = arg;
    struct segment segment;

    if (!line->begun || !line->pcb ||
        !segment_parse(rte_pktmbuf_mtod(frame, const uint8_t *), frame->data_len, &segment) ||
        segment.src_ip != line->peer_ip || segment.src_port != line->peer_port ||
        segment.dst_port != line->local_port)
        return false;
    if (!held_any(line) && ((segment.flags & FLAG_ACK) == 0 || !before(line->pcb->snd_nxt, segment.ack)))
        return false;
    if (line->held_tail - line->held_head == TCP_LINE_HELD_MAX) {
        line->counters.held_dropped_count++;
        rte_pktmbuf_free(frame);
        return true;
    }
    line->held[line->held_tail % TCP_LINE_HELD_MAX].frame = frame;
    line->held[line->held_tail++ % TCP_LINE_HELD_MAX].since_ns = line->now_ns;
    line->counters.held_count++;
    return true;
}

/* Held frames whose acknowledgement lwIP can understand now. One that waits for longer than any owner is waited for
 * acknowledges what nobody has sent: lwIP knows what to do with it. */
static bool held_release(struct tcp_line *line)
{
    bool any = false;

    while (held_any(line)) {
        struct rte_mbuf *frame = line->held[line->held_head % TCP_LINE_HELD_MAX].frame;
        const uint64_t since_ns = line->held[line->held_head % TCP_LINE_HELD_MAX].since_ns;
        const bool late = line->now_ns - since_ns > HELD_PATIENCE * line->probe_ns;
        struct segment segment;
        if (line->pcb && segment_parse(rte_pktmbuf_mtod(frame, const uint8_t *), frame->data_len, &segment) &&
            (segment.flags & FLAG_ACK) && before(line->pcb->snd_nxt, segment.ack)) {
            if (!late)
                break;
            line->counters.beyond_count++;
        }
        line->held_head++;
        stack_input(line->stack, frame);
        any = true;
    }
    return any;
}

/* --- lwIP's calls */

/* One before what is acknowledged: no byte of the owner fits. */
static uint32_t limit_shut(const struct tcp_line *line)
{
    return (line->pcb ? line->pcb->lastack : line->acked) - 1;
}

void tcp_line_end(struct tcp_line *line)
{
    if (line->begun)
        send_log_limit(line->log, 0, limit_shut(line));
    line->begun = false;
}

static void forget(struct tcp_line *line)
{
    line->pcb = NULL;
    tcp_line_end(line);
    while (held_any(line))
        rte_pktmbuf_free(line->held[line->held_head++ % TCP_LINE_HELD_MAX].frame);
}

static void unread_drop(struct tcp_line *line)
{
    if (line->unread)
        pbuf_free(line->unread);
    line->unread = NULL;
    line->unread_at = 0;
}

static void on_error(void *arg, err_t error)
{
    struct tcp_line *line = arg;

    line->error = error;
    line->event = TCP_LINE_CLOSED;
    forget(line); /* lwIP has freed its control block */
}

static err_t on_received(void *arg, struct tcp_pcb *pcb, struct pbuf *pbuf, err_t error)
{
    struct tcp_line *line = arg;

    (void)error;
    if (!pbuf) { /* the peer has closed its side: nothing more will come, and a session of one side is none */
        line->error = ERR_CLSD;
        line->event = TCP_LINE_CLOSED;
        tcp_arg(pcb, NULL);
        tcp_err(pcb, NULL);
        tcp_recv(pcb, NULL);
        forget(line);
        if (tcp_close(pcb) != ERR_OK) {
            tcp_abort(pcb);
            return ERR_ABRT;
        }
        return ERR_OK;
    }
    if (line->unread)
        pbuf_cat(line->unread, pbuf);
    else
        line->unread = pbuf;
    return ERR_OK;
}

static err_t on_connected(void *arg, struct tcp_pcb *pcb, err_t error)
{
    struct tcp_line *line = arg;

    (void)error;
    line->first_seq = pcb->snd_nxt;
    line->sent_end = pcb->snd_nxt;
    line->slow_end = pcb->snd_nxt;
    line->acked = pcb->lastack;
    line->event = TCP_LINE_CONNECTED;
    return ERR_OK;
}

/* --- connection */

void tcp_line_init(struct tcp_line *line, struct stack *stack, struct send_log *log, uint64_t probe_ns)
{
    *line = (struct tcp_line){.stack = stack, .log = log, .probe_ns = probe_ns};
    stack->filter = filter;
    stack->suppress = suppress;
    stack->arg = line;
}

int tcp_line_connect(struct tcp_line *line, uint32_t peer_ip, uint16_t peer_port, uint16_t local_port)
{
    const ip_addr_t peer = IPADDR4_INIT(__builtin_bswap32(peer_ip));

    CHECK(!line->pcb);
    unread_drop(line);
    struct tcp_pcb *pcb = tcp_new();
    if (!pcb)
        return -ENOMEM;
    tcp_nagle_disable(pcb);
    ip_set_option(pcb, SOF_REUSEADDR); /* a port of our own choice may be in TIME-WAIT */
    tcp_arg(pcb, line);
    tcp_err(pcb, on_error);
    tcp_recv(pcb, on_received);
    if (tcp_bind(pcb, IP_ANY_TYPE, local_port) != ERR_OK) {
        tcp_abort(pcb);
        return -EADDRINUSE;
    }
    line->pcb = pcb;
    line->peer_ip = peer_ip;
    line->peer_port = peer_port;
    line->local_port = pcb->local_port;
    line->event = TCP_LINE_NONE;
    line->first_seq = 0;
    line->rtt_ns = line->probed_ns = line->acked_ns = 0;
    line->reserved = false;
    if (tcp_connect(pcb, &peer, peer_port, on_connected) != ERR_OK) {
        tcp_line_abort(line);
        return -EHOSTUNREACH;
    }
    return 0;
}

enum tcp_line_event tcp_line_event(struct tcp_line *line)
{
    const enum tcp_line_event event = line->event;

    line->event = TCP_LINE_NONE;
    return event;
}

bool tcp_line_write(struct tcp_line *line, const uint8_t *bytes, uint32_t len)
{
    if (!line->pcb || line->begun || len > UINT16_MAX ||
        tcp_write(line->pcb, bytes, (uint16_t)len, TCP_WRITE_FLAG_COPY) != ERR_OK)
        return false;
    tcp_output(line->pcb);
    line->slow_end = line->pcb->snd_lbb;
    return true;
}

uint32_t tcp_line_read(struct tcp_line *line, uint8_t *ret_bytes, uint32_t bytes_max)
{
    uint32_t taken = 0;

    while (line->unread && taken < bytes_max) {
        struct pbuf *pbuf = line->unread;
        const uint32_t left = pbuf->len - line->unread_at;
        const uint32_t len = left < bytes_max - taken ? left : bytes_max - taken;
        memcpy(ret_bytes + taken, (const uint8_t *)pbuf->payload + line->unread_at, len);
        taken += len;
        line->unread_at += len;
        if (line->unread_at < pbuf->len)
            break;
        line->unread = pbuf->next;
        line->unread_at = 0;
        if (pbuf->next)
            pbuf_ref(pbuf->next);
        pbuf_free(pbuf);
    }
    if (taken > 0 && line->pcb)
        tcp_recved(line->pcb, (uint16_t)taken);
    return taken;
}

void tcp_line_close(struct tcp_line *line)
{
    struct tcp_pcb *pcb = line->pcb;

    if (!pcb)
        return;
    tcp_arg(pcb, NULL);
    tcp_err(pcb, NULL);
    tcp_recv(pcb, NULL);
    forget(line);
    if (tcp_close(pcb) != ERR_OK)
        tcp_abort(pcb);
}

void tcp_line_abort(struct tcp_line *line)
{
    struct tcp_pcb *pcb = line->pcb;

    if (!pcb)
        return;
    tcp_err(pcb, NULL);
    forget(line);
    tcp_abort(pcb);
}

/* --- delegated send */

bool tcp_line_quiet(const struct tcp_line *line)
{
    return line->pcb && line->pcb->state == ESTABLISHED && !line->pcb->unsent && !line->pcb->unacked;
}

/* How far the owner may send. Shut while lwIP has bytes to send, or sent bytes that are not acknowledged, or no room
 * for all that the log may bring. */
static uint32_t limit_of(const struct tcp_line *line)
{
    const struct tcp_pcb *pcb = line->pcb;

    if (!line->begun || send_log_owner_epoch(line->log) != line->epoch || pcb->state != ESTABLISHED || pcb->unsent ||
        (pcb->flags & TF_RTO) || before(pcb->lastack, line->slow_end) ||
        pcb->snd_queuelen + SEND_LOG_SLOTS + 1 > TCP_SND_QUEUELEN)
        return limit_shut(line);
    const uint32_t window = pcb->snd_wnd < pcb->cwnd ? pcb->snd_wnd : pcb->cwnd;
    const uint32_t by_window = pcb->lastack + window, by_buffer = pcb->snd_lbb + pcb->snd_buf;
    return before(by_window, by_buffer) ? by_window : by_buffer;
}

void tcp_line_begin(struct tcp_line *line, uint16_t epoch, uint32_t *ret_seq, uint16_t *ret_window)
{
    CHECK(tcp_line_quiet(line));
    line->begun = true;
    line->epoch = epoch;
    line->reserved = false;
    *ret_seq = line->pcb->snd_lbb;
    *ret_window = (uint16_t)RCV_WND_SCALE(line->pcb, line->pcb->rcv_ann_wnd);
    /* What is exported is of the connection before: its numbers say nothing about this one's. */
    send_log_limit(line->log, line->pcb->rcv_nxt, limit_shut(line));
}

/* Bytes that the owner has sent: lwIP shall think that it did. The segment passes through its output with windows
 * lifted, so that it is on the list of the unacknowledged and snd_nxt covers it. */
static bool tell_sent(struct tcp_line *line, uint32_t seq, const uint8_t *bytes, uint32_t len)
{
    struct tcp_pcb *pcb = line->pcb;
    const tcpwnd_size_t cwnd = pcb->cwnd, snd_wnd = pcb->snd_wnd;
    const bool clean = !pcb->unsent;
    const tcpflags_t acknowledging = pcb->flags & (TF_ACK_DELAY | TF_ACK_NOW);

    if (pcb->snd_lbb != seq || tcp_write(pcb, bytes, (uint16_t)len, TCP_WRITE_FLAG_COPY) != ERR_OK)
        return false;
    if (clean) {
        line->delegating = true;
        line->delegated_seq = seq;
        line->delegated_end = seq + len;
        pcb->cwnd = pcb->snd_wnd = WINDOW_LIFTED;
        tcp_output(pcb);
        pcb->cwnd = cwnd;
        pcb->snd_wnd = snd_wnd;
        line->delegating = false;
        tcp_set_flags(pcb, acknowledging); /* what the owner's segment acknowledged may be older */
    } else if (before(pcb->snd_nxt, seq + len)) {
        pcb->snd_nxt = seq + len; /* behind a retransmission: it will be sent again, unless it is acknowledged before */
    }
    if (before(line->sent_end, seq + len))
        line->sent_end = seq + len;
    if (pcb->rtime < 0)
        pcb->rtime = 0;
    if (line->rtt_ns == 0 && clean) {
        line->rtt_ns = line->now_ns;
        line->rtt_seq = seq + len;
    }
    return true;
}

/* Bytes that lwIP has to send. */
static bool tell_unsent(struct tcp_line *line, const struct send_log_slot *slot)
{
    struct tcp_pcb *pcb = line->pcb;

    if (pcb->snd_lbb != slot->seq || tcp_write(pcb, slot->bytes, slot->len, TCP_WRITE_FLAG_COPY) != ERR_OK)
        return false;
    line->slow_end = slot->seq + slot->len;
    tcp_output(pcb);
    return true;
}

/* Neighbouring slots that were sent make one segment of lwIP's: fewer to keep. */
static uint32_t batch(const struct tcp_line *line, uint8_t *ret_bytes, uint32_t *ret_len)
{
    const uint32_t len_max = line->pcb->mss < BATCH_BYTES ? line->pcb->mss : BATCH_BYTES;
    const struct send_log_slot *slot;
    enum send_log_state state;
    uint32_t count = 0;

    *ret_len = 0;
    while ((slot = send_log_peek(line->log, count, &state)) && state == SEND_LOG_SENT && slot->epoch == line->epoch &&
           (count == 0 || *ret_len + slot->len <= len_max)) {
        memcpy(ret_bytes + *ret_len, slot->bytes, slot->len);
        *ret_len += slot->len;
        count++;
    }
    return count;
}

/* Slots of a connection that is gone. */
static uint32_t drain_stale(struct tcp_line *line)
{
    const struct send_log_slot *slot;
    enum send_log_state state;
    uint32_t count = 0;

    while ((slot = send_log_peek(line->log, count, &state)) &&
           (!line->begun || slot->epoch != line->epoch))
        count++;
    if (count > 0) {
        line->counters.stale_count += count;
        send_log_taken(line->log, count, 0, limit_shut(line));
    }
    return count;
}

/* How many slots were told to lwIP; -1: it did not take them. */
static int drain_step(struct tcp_line *line)
{
    uint8_t bytes[BATCH_BYTES];
    enum send_log_state state;
    uint32_t len;

    const struct send_log_slot *slot = send_log_peek(line->log, 0, &state);
    if (!slot || slot->epoch != line->epoch) /* of an owner that has not heard of this connection: drain_stale's */
        return 0;
    if (state == SEND_LOG_SENT) {
        const uint32_t seq = slot->seq, count = batch(line, bytes, &len);
        line->reserved = false;
        if (!tell_sent(line, seq, bytes, len))
            return -1;
        line->counters.delegated_count += count;
        return (int)count;
    }
    if (state == SEND_LOG_RESERVED) {
        if (!line->reserved) {
            line->reserved = true;
            line->reserved_ns = line->now_ns;
        }
        if (line->now_ns - line->reserved_ns < OWNER_PATIENCE * line->probe_ns)
            return 0;
        /* It may have been sent: then lwIP's is the duplicate, and acknowledgements that are held are understood. */
        line->sent_end = slot->seq + slot->len;
        line->counters.taken_over_count++;
    } else {
        line->reserved = false;
        if (line->pcb->snd_buf < slot->len || line->pcb->snd_queuelen + 2 > TCP_SND_QUEUELEN)
            return 0; /* nobody has sent it: it can wait in the log, and all behind it */
        line->counters.slow_count++;
    }
    if (!tell_unsent(line, slot))
        return -1;
    if (line->reserved && before(line->pcb->snd_nxt, slot->seq + slot->len))
        line->pcb->snd_nxt = slot->seq + slot->len;
    line->reserved = false;
    return 1;
}

static bool drain(struct tcp_line *line)
{
    bool any = drain_stale(line) > 0;
    int count;

    while (line->begun && (count = drain_step(line)) != 0) {
        if (count < 0) { /* what is on the wire is not in lwIP: it could never repair it */
            line->counters.broken_count++;
            tcp_line_abort(line);
            line->error = ERR_MEM;
            line->event = TCP_LINE_CLOSED;
            return true;
        }
        send_log_taken(line->log, (uint32_t)count, line->pcb->rcv_nxt, limit_of(line));
        any = true;
    }
    return any;
}

/* --- time */

/* Round trips, and since when nothing is acknowledged. */
static void watch_acknowledgements(struct tcp_line *line)
{
    const uint32_t lastack = line->pcb->lastack;

    if (lastack == line->acked) {
        if (!line->pcb->unacked)
            line->acked_ns = 0;
        else if (line->acked_ns == 0)
            line->acked_ns = line->now_ns;
        return;
    }
    if (line->rtt_ns != 0 && !before(lastack, line->rtt_seq)) {
        const uint64_t sample_ns = line->now_ns - line->rtt_ns;
        line->srtt_ns = line->srtt_ns == 0 ? sample_ns : line->srtt_ns - line->srtt_ns / 8 + sample_ns / 8;
        line->rtt_ns = 0;
    }
    if (line->probed_ns != 0) { /* sooner than any answer to the probe could come */
        line->counters.probe_spurious_count += line->now_ns - line->probed_ns < line->srtt_ns / 2;
        line->probed_ns = 0;
    }
    line->acked = lastack;
    line->acked_ns = line->pcb->unacked ? line->now_ns : 0;
}

/* Tail loss: nobody sends duplicate acknowledgements for the last segment, and lwIP's own timer takes half a second. */
static bool probe(struct tcp_line *line)
{
    struct tcp_pcb *pcb = line->pcb;

    if (line->acked_ns == 0 || !pcb->unacked || pcb->unsent || pcb->snd_wnd == 0)
        return false;
    const uint64_t wait_ns = 2 * line->srtt_ns > line->probe_ns ? 2 * line->srtt_ns : line->probe_ns;
    const uint32_t seq = lwip_ntohl(pcb->unacked->tcphdr->seqno);
    if (line->now_ns - line->acked_ns < wait_ns || (line->probed_seq == seq && line->probed_ns != 0))
        return false;
    const uint8_t nrtx = pcb->nrtx;
    line->probing = true;
    if (tcp_rexmit(pcb) == ERR_OK)
        tcp_output(pcb);
    line->probing = false;
    pcb->nrtx = nrtx; /* no time-out: it does not bring the connection nearer to its end */
    line->probed_seq = seq;
    line->probed_ns = line->now_ns;
    return true;
}

/* lwIP would wait a quarter of a second with an acknowledgement; peers send again after a fifth. */
static void acknowledge(struct tcp_line *line)
{
    if (line->pcb->flags & TF_ACK_DELAY) {
        tcp_ack_now(line->pcb);
        tcp_output(line->pcb);
    }
}

bool tcp_line_step(struct tcp_line *line, uint64_t now_ns)
{
    line->now_ns = now_ns;
    stack_time(line->stack, now_ns);
    bool busy = drain(line);
    busy |= held_release(line);
    busy |= stack_poll(line->stack) > 0;
    if (!line->pcb)
        return busy;
    watch_acknowledgements(line);
    busy |= probe(line);
    acknowledge(line);
    if (line->begun)
        send_log_limit(line->log, line->pcb->rcv_nxt, limit_of(line));
    return busy;
}

const char *tcp_line_resend_name(enum tcp_line_resend why)
{
    static const char *const names[TCP_LINE_RESEND_COUNT] = {"probe", "fast", "timeout", "taken over"};

    return why < TCP_LINE_RESEND_COUNT ? names[why] : "unknown";
}
