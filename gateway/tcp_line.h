/* The TCP connection of an order session: lwIP's, with delegated send. lwIP owns handshake, acknowledgement,
 * retransmission and congestion; once a connection is handed over (tcp_line_begin), the first transmission of each byte
 * comes from the session's owner, a strategy lcore, and lwIP is told of it through the send log. Control thread.
 *
 * What keeps the two of one mind:
 *  - slots of the log are told to lwIP in order. Bytes that were sent are written to lwIP with its windows lifted, and
 *  the segment is suppressed on its way out: lwIP counts it as sent, and retransmits it if it must. Only a segment that
 *  the owner has sent whole, put out for the first time, is suppressed; in doubt it is transmitted: a duplicate is
 *  harmless, a hole is not.
 *  - while lwIP has bytes of its own to send (a retransmission is pending, the window is shut), what the owner has sent
 *    is queued behind them and counted as sent by snd_nxt alone.
 *  - the owner may send up to the exported limit: last acknowledgement plus the smaller of window and congestion
 *  window, as far as lwIP's buffers reach. While bytes that the owner did not send are outstanding, the limit is shut.
 *  - a received acknowledgement of bytes that lwIP does not know yet would be dropped by it: that frame, and those
 *  behind it, are held until the log has caught up.
 *  - an owner that is held between reservation and mark for longer than five probe times loses the slot: its bytes are
 *    transmitted by lwIP.
 *  - lwIP's timers are coarse: the oldest unacknowledged segment is sent again after max(2 * smoothed round trip, probe
 *    time), once. */
#ifndef GATEWAY_TCP_LINE_H
#define GATEWAY_TCP_LINE_H

#include "gateway/port/stack.h"
#include "ring/send_log.h"

struct pbuf;
struct tcp_pcb;

#define TCP_LINE_HELD_MAX 64u      /* received frames that wait for the log */
#define TCP_LINE_RECORDS 1024u     /* newest retransmissions that are remembered */

enum tcp_line_event { TCP_LINE_NONE = 0, TCP_LINE_CONNECTED, TCP_LINE_CLOSED };

enum tcp_line_resend {             /* why bytes went out again */
    TCP_LINE_RESEND_PROBE = 0,     /* tail-loss probe */
    TCP_LINE_RESEND_FAST,          /* three duplicate acknowledgements */
    TCP_LINE_RESEND_TIMEOUT,       /* lwIP's retransmission timer */
    TCP_LINE_RESEND_TAKEN_OVER,    /* the owner was held: it may or may not have sent them */
    TCP_LINE_RESEND_COUNT
};

struct tcp_line_record {
    uint64_t now_ns;
    uint32_t seq, len;             /* seq: relative to the first byte of the connection, from 1 */
    uint8_t why;                   /* enum tcp_line_resend */
};

struct tcp_line_counters {
    uint64_t delegated_count;      /* messages that the owner had sent */
    uint64_t slow_count;           /* messages that lwIP had to send */
    uint64_t taken_over_count;     /* slots of an owner that was held */
    uint64_t stale_count;          /* slots of an earlier connection: dropped, the session says what became of them */
    uint64_t held_count;           /* received frames that waited for the log */
    uint64_t held_dropped_count;   /* no room for them: the peer sends again */
    uint64_t beyond_count;         /* acknowledged what nobody has sent: given to lwIP after all */
    uint64_t resend_count[TCP_LINE_RESEND_COUNT]; /* segments */
    uint64_t probe_spurious_count; /* the acknowledgement was under way already */
    uint64_t broken_count;         /* lwIP did not take what was sent already: the connection had to be aborted */
};

struct tcp_line {
    struct stack *stack;
    struct tcp_pcb *pcb;           /* NULL: no connection */
    struct send_log *log;
    uint64_t probe_ns;
    uint64_t now_ns;
    uint32_t peer_ip;              /* host byte order, as the others */
    uint16_t peer_port, local_port;
    uint8_t event;                 /* not taken yet */
    int error;                     /* lwIP's err_t of the newest close */
    bool begun;                    /* handed over */
    bool delegating;               /* what lwIP puts out now was sent by the owner: suppress */
    bool probing;
    uint16_t epoch;
    uint32_t first_seq;            /* of the connection's first byte */
    uint32_t sent_end;             /* one behind the last byte that anybody has transmitted */
    uint32_t slow_end;             /* one behind the last byte that lwIP had to send */
    uint32_t delegated_seq, delegated_end; /* to be suppressed */
    bool reserved;                 /* the next slot is reserved, not marked ... */
    uint64_t reserved_ns;          /* ... since */
    uint32_t acked;                /* lastack at the last look ... */
    uint64_t acked_ns;             /* ... and since when it has not moved with bytes outstanding */
    uint32_t probed_seq;           /* first byte of the segment that was probed last */
    uint64_t probed_ns;            /* 0 = not waiting for its acknowledgement */
    uint32_t rtt_seq;              /* acknowledged: a round trip since rtt_ns */
    uint64_t rtt_ns;               /* 0 = none is being measured */
    uint64_t srtt_ns;              /* 0 = not measured yet */
    struct pbuf *unread;           /* received, not taken yet */
    uint32_t unread_at;
    struct { struct rte_mbuf *frame; uint64_t since_ns; } held[TCP_LINE_HELD_MAX];
    uint32_t held_head, held_tail;
    struct tcp_line_record record[TCP_LINE_RECORDS]; /* newest at record_count - 1 modulo their number */
    uint64_t record_count;
    struct tcp_line_counters counters;
};

/* Takes the stack's hooks. `log` is where the owner of begun connections writes. */
void tcp_line_init(struct tcp_line *line, struct stack *stack, struct send_log *log, uint64_t probe_ns);

/* Begin to connect; local_port 0: any. 0 or -errno; then TCP_LINE_CONNECTED or TCP_LINE_CLOSED follows. */
int tcp_line_connect(struct tcp_line *line, uint32_t peer_ip, uint16_t peer_port, uint16_t local_port);
/* What has happened; each is said once. */
enum tcp_line_event tcp_line_event(struct tcp_line *line);
/* Bytes of the control thread, before the connection is handed over. False: not taken (buffers full, no connection). */
bool tcp_line_write(struct tcp_line *line, const uint8_t *bytes, uint32_t len);
/* Received bytes, up to `bytes_max`; 0 = none. What is not taken closes the window in the end. */
uint32_t tcp_line_read(struct tcp_line *line, uint8_t *ret_bytes, uint32_t bytes_max);

/* Everything of ours is acknowledged, so that the connection may be handed over? */
bool tcp_line_quiet(const struct tcp_line *line);
/* Hand it over as connection `epoch`: *ret_seq is the owner's first byte, *ret_window what its segments announce. The
 * limit opens when the owner has said (send_log_begin) that it knows. tcp_line_quiet must be true. */
void tcp_line_begin(struct tcp_line *line, uint16_t epoch, uint32_t *ret_seq, uint16_t *ret_window);
/* Take it back: the limit is shut at once; what the owner still writes is of the past. */
void tcp_line_end(struct tcp_line *line);

/* One step: time, frames, log, timers, limit. True: there was something to do. */
bool tcp_line_step(struct tcp_line *line, uint64_t now_ns);
/* Close: with FIN after what is queued, or at once with RST. TCP_LINE_CLOSED is not said for it. */
void tcp_line_close(struct tcp_line *line);
void tcp_line_abort(struct tcp_line *line);

const char *tcp_line_resend_name(enum tcp_line_resend why);

#endif
