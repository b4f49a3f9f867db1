/* The venue side of a feed, the pure half: what a feed has said so far, by sequence; answers to MoldUDP64 requests; the
 * book as a venue would keep it, and GLIMPSE snapshots of it. tools/exchange puts sockets and clocks around it, the
 * campaign drives it in simulated time. One owner, any thread; memory grows with the messages. */
#ifndef TOOLS_VENUE_H
#define TOOLS_VENUE_H

#include "feed/itch.h"
#include "feed/mold.h"
#include "feed/soup.h"
#include "tools/venue_book.h"

#include <stdbool.h>
#include <stdint.h>

#define VENUE_PAYLOAD_MAX 1472u /* of a MoldUDP64 packet: Ethernet's 1,500 bytes without IPv4 and UDP headers */
#define VENUE_MESSAGE_MAX (VENUE_PAYLOAD_MAX - MOLD_HEADER_LEN - 2u) /* a packet of this one message */

struct venue;

struct venue_counters {
    uint64_t request_count;       /* well-formed requests of this session */
    uint64_t answered_count;
    uint64_t other_session_count; /* refused by silence, as the protocol has it: so are the next three */
    uint64_t beyond_count;        /* asked for what has not been said yet */
    uint64_t empty_count;         /* asked for nothing */
    uint64_t malformed_count;     /* not 20 bytes, or sequence 0: MoldUDP64 counts from 1 */
    uint64_t spin_count;          /* snapshots begun */
    uint64_t spin_end_count;      /* snapshots given to the end */
};

/* NULL: no memory. `session` names the MoldUDP64 session. */
struct venue *venue_open(const char session[MOLD_SESSION_LEN]);
void venue_close(struct venue *venue);
/* A new session: nothing was said yet, the book is empty. Counters go on. False: no memory. */
bool venue_restart(struct venue *venue, const char session[MOLD_SESSION_LEN]);

/* Say one message: it gets the next sequence (from 1) and changes the book, if it is one of ITCH. Returns the sequence;
 * 0: longer than VENUE_MESSAGE_MAX, or no memory: not said. */
uint64_t venue_say(struct venue *venue, const uint8_t *message, uint32_t message_len);
uint64_t venue_next_seq(const struct venue *venue); /* of the message that would be said next */
/* The message said as `seq`, readable until the next one is said; NULL if there is none. */
const uint8_t *venue_message(const struct venue *venue, uint64_t seq, uint32_t *ret_len);
/* The book after all that was said. */
const struct venue_book *venue_book(const struct venue *venue);

/* A downstream packet with messages from `seq` >= 1 on: as many whole ones as fit, at most `count_max`, below next_seq.
 * Returns its bytes; a heartbeat (count 0) when there are none: for `seq`, but not beyond next_seq. */
uint32_t venue_packet(const struct venue *venue, uint64_t seq, uint32_t count_max,
                      uint8_t ret_payload[VENUE_PAYLOAD_MAX]);
uint32_t venue_packet_end(const struct venue *venue, uint8_t ret_payload[VENUE_PAYLOAD_MAX]); /* end of session */
/* The answer to a request datagram; 0 = silence. */
uint32_t venue_answer(struct venue *venue, const uint8_t *request, uint32_t request_len,
                      uint8_t ret_payload[VENUE_PAYLOAD_MAX]);

/* One GLIMPSE connection, the server's side: SoupBinTCP bytes in, bytes out. The snapshot is of the moment of the
 * login; it is made whole then, so that what is said meanwhile does not disturb it: the newest S, then R, H, Y, N and h
 * of each stock, live orders as A or F in priority order, G. The login's sequence is where in it to begin: 1 the whole,
 * 0 the last message. A client that is silent for VENUE_PATIENCE_NS, or says what no client says, is left. The venue
 * outlives its spins. */
#define VENUE_PATIENCE_NS UINT64_C(15000000000)
struct venue_spin;
struct venue_spin_params {
    char username[SOUP_USERNAME_LEN], password[SOUP_PASSWORD_LEN]; /* space padded; who may log in */
    uint64_t break_after;  /* messages after which the connection is closed, for tests; 0 = never */
    int64_t end_seq_add;   /* added to the sequence at the end, for tests */
};
/* NULL: no memory. */
struct venue_spin *venue_spin_open(struct venue *venue, const struct venue_spin_params *params, uint64_t now_ns);
void venue_spin_close(struct venue_spin *spin);
/* Bytes of the client. */
void venue_spin_receive(struct venue_spin *spin, const uint8_t *bytes, uint32_t len, uint64_t now_ns);
/* Up to `bytes_max` bytes for the client; 0 = nothing now. */
uint32_t venue_spin_send(struct venue_spin *spin, uint64_t now_ns, uint8_t *ret_bytes, uint32_t bytes_max);
/* Everything is said: the connection may be closed once the bytes are out. */
bool venue_spin_ended(const struct venue_spin *spin);

const struct venue_counters *venue_counters(const struct venue *venue);

#endif
