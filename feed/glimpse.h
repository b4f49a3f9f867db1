/* GLIMPSE 5.0 client, the pure half: a byte stream from the server to ITCH messages of a snapshot ("spin"), over
 * SoupBinTCP. Who owns the socket gives bytes and time; what is to be sent comes out. Control thread; tests and the
 * campaign run it on simulated streams.
 *
 *   glimpse_begin(g, &login, now_ns);        then, until it has ended:
 *   len = glimpse_send(g, now_ns, out, sizeof(out))   bytes to be written to the server now, 0 = none
 *   glimpse_receive(g, bytes, len)           bytes that came, kept inside (GLIMPSE_BUFFER_BYTES at most)
 *   while (glimpse_next(g, now_ns, &message, &message_len) == GLIMPSE_MESSAGE) use(message)
 */
#ifndef FEED_GLIMPSE_H
#define FEED_GLIMPSE_H

#include "feed/soup.h"

#define GLIMPSE_BUFFER_BYTES (65536u * 2u) /* the longest packet is 65,537 bytes */
#define GLIMPSE_END_TYPE 'G'
#define GLIMPSE_END_LEN 21u       /* type, sequence as 20 ASCII digits */

enum glimpse_verdict {
    GLIMPSE_MORE = 0,   /* nothing yet */
    GLIMPSE_MESSAGE,    /* one ITCH message of the snapshot */
    GLIMPSE_END,        /* the snapshot is complete: glimpse_end_seq() */
    /* the spin is lost: close the connection and begin again */
    GLIMPSE_REJECTED,   /* login refused */
    GLIMPSE_BROKEN,     /* the server ended the session, or closed (glimpse_closed), before the end of the snapshot */
    GLIMPSE_TIMEOUT,    /* nothing of the snapshot came for timeout_ns, whatever else (heartbeats) did */
    GLIMPSE_BAD,        /* bytes that are not SoupBinTCP, an end message that is not one, data before the login, a login
                         * accepted twice or not from the first message on */
    GLIMPSE_VERDICT_COUNT
};

struct glimpse_params {
    struct soup_login login;   /* sequence is set to 1 */
    uint64_t timeout_ns;
};

struct glimpse {
    struct glimpse_params params;
    uint8_t verdict;             /* enum glimpse_verdict: the final one, GLIMPSE_MORE until then */
    bool login_sent, accepted, logout_sent, closed;
    char session[SOUP_SESSION_LEN]; /* of the server, after the login */
    uint64_t end_seq;
    uint64_t message_count;      /* of this spin */
    uint64_t taken_ns;           /* when the login or a message was taken out of the buffer last: a reader that is
                                  * behind is no silence of the server's, and a heartbeat no word of its snapshot */
    uint64_t sent_ns;            /* newest bytes that were sent */
    uint32_t head, tail;         /* unread bytes of the buffer */
    uint8_t buffer[GLIMPSE_BUFFER_BYTES];
};

void glimpse_begin(struct glimpse *glimpse, const struct glimpse_params *params, uint64_t now_ns);
/* Bytes to write now: login, heartbeat after a second of own silence, logout after the end. At most SOUP_LOGIN_LEN. */
uint32_t glimpse_send(struct glimpse *glimpse, uint64_t now_ns, uint8_t *ret_bytes, uint32_t bytes_max);
/* Room in the buffer: how much may be read from the socket. */
uint32_t glimpse_room(const struct glimpse *glimpse);
/* `len` <= glimpse_room(). After a final verdict bytes are dropped. */
void glimpse_receive(struct glimpse *glimpse, const uint8_t *bytes, uint32_t len);
/* The server closed the connection: what was received before still counts. */
void glimpse_closed(struct glimpse *glimpse);
/* The next message; it stays readable until the next glimpse_next, glimpse_receive or glimpse_begin. A verdict from
 * GLIMPSE_END on is final and repeated. */
enum glimpse_verdict glimpse_next(struct glimpse *glimpse, uint64_t now_ns, const uint8_t **ret_message,
                                  uint32_t *ret_message_len);
/* ITCH sequence number from which live messages go on. */
uint64_t glimpse_end_seq(const struct glimpse *glimpse);
const char *glimpse_verdict_name(enum glimpse_verdict verdict);

/* An end-of-snapshot message (server side, tests). Returns GLIMPSE_END_LEN. */
uint32_t glimpse_encode_end(uint8_t ret_message[GLIMPSE_END_LEN], uint64_t seq);

#endif
