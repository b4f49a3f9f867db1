/* An order session as its client, the pure half: SoupBinTCP login with resume, heartbeats, exact counting of sequenced
 * messages, end, logout, reconnection with back-off; and the OUCH Account Query behind each login. Who owns the
 * connection (the control thread) gives bytes and time; what is to be written and done comes out. Control thread.
 *
 *   switch (order_session_want(s, now_ns))           connect (then order_session_connected or _closed), or close
 *   len = order_session_send(s, now_ns, out)         bytes of our own to be written now, 0 = none
 *   order_session_receive(s, bytes, len, now_ns)     bytes that came
 *   while (order_session_next(s, now_ns, &message))  sequenced messages, each exactly once, in order
 *
 * States and what leads from one to the next:
 *
 *   DOWN --back-off over--> CONNECTING --connected--> LOGIN --accepted--> REPLAY --answer to our query--> UP
 *   any of these --connection lost, silence, bad bytes, rejected--> DOWN;  session ended, another session --> ENDED;
 *   stop: UP --logout sent--> LOGOUT --closed, or a second later--> STOPPED
 *
 * The end of a replay. Login Accepted does not say where the messages of the past end. The answer to an Account Query
 * is itself a sequenced message, so it stands behind them: when it comes, the replay is over. But answers to queries of
 * earlier logins are in the replay too. So wherever such a one may lie there (the first login of a process; a login
 * after a break with a query unanswered) the session first logs in with sequence 0 ("the most recent"), learns from
 * Login Accepted where the stream ends, closes, and logs in again for the replay (`probing`). An answer counts when its
 * sequence lies beyond that end; one exactly at it (servers differ in what "most recent" means) makes it ask again.
 * What a server owes to an earlier connection it may still say until a new login, and not after it.
 *
 * A server that says the past again (Login Accepted before the sequence that we asked for) is followed, and what we
 * have had is passed over. But one that has lost its stream and begun anew looks the same, and what it says is news: so
 * its end is probed first. */
#ifndef GATEWAY_ORDER_ORDER_SESSION_H
#define GATEWAY_ORDER_ORDER_SESSION_H

#include "feed/soup.h"

#include <stdbool.h>
#include <stdint.h>

#define ORDER_SESSION_BUFFER_BYTES (65536u * 2u) /* the longest packet is 65,537 bytes */
#define ORDER_SESSION_SEND_MAX 64u               /* bytes of one order_session_send, at most */

enum order_session_state {
    ORDER_SESSION_DOWN = 0, ORDER_SESSION_CONNECTING, ORDER_SESSION_LOGIN, ORDER_SESSION_REPLAY, ORDER_SESSION_UP,
    ORDER_SESSION_LOGOUT,
    ORDER_SESSION_ENDED,     /* the server has said end of session, or is at another one: no more */
    ORDER_SESSION_STOPPED,   /* by us */
    ORDER_SESSION_STATE_COUNT
};

enum order_session_want { ORDER_SESSION_NOTHING = 0, ORDER_SESSION_CONNECT, ORDER_SESSION_CLOSE };

/* Why the newest connection was lost, and how often each: counters by reason. */
enum order_session_loss {
    ORDER_SESSION_LOSS_NONE = 0,
    ORDER_SESSION_LOSS_CONNECT,      /* refused, or not made within login_timeout */
    ORDER_SESSION_LOSS_CLOSED,       /* by the server or the network */
    ORDER_SESSION_LOSS_REJECTED,     /* login: not authorised ('A') or session not available ('S'): reject_reason */
    ORDER_SESSION_LOSS_LOGIN_TIMEOUT,
    ORDER_SESSION_LOSS_SILENCE,      /* nothing came for timeout */
    ORDER_SESSION_LOSS_BAD,          /* bytes that are not SoupBinTCP, data before the login, a second Login Accepted */
    ORDER_SESSION_LOSS_SEQUENCE,     /* Login Accepted behind the sequence that we asked for: messages are missing */
    ORDER_SESSION_LOSS_SHORTER,      /* the stream ends before what we have had of it: it is another one, so ENDED */
    ORDER_SESSION_LOSS_OTHER_SESSION, /* another session name than before: what is known is of the past, so ENDED */
    ORDER_SESSION_LOSS_ABORT,        /* by us: order_session_abort */
    ORDER_SESSION_LOSS_USER_REF,     /* the answer to our query names a number beyond user_ref_max */
    ORDER_SESSION_LOSS_COUNT
};

struct order_session_params {
    char username[SOUP_USERNAME_LEN], password[SOUP_PASSWORD_LEN]; /* padded */
    char session[SOUP_SESSION_LEN];  /* wanted; all spaces: the current one */
    uint64_t heartbeat_ns;       /* we speak after so much silence of our own */
    uint64_t timeout_ns;         /* the server is gone after so much silence of its */
    uint64_t login_timeout_ns;   /* for connecting, and again for the login */
    uint64_t retry_ns, retry_max_ns; /* back-off: doubles with each attempt that did not get UP */
    uint32_t user_ref_max;       /* the venue's next UserRefNum is not believed beyond; 0 = any. May be changed later */
    bool query;                  /* Account Query behind the login; false: UP at once with Login Accepted */
};

struct order_session_message { const uint8_t *bytes; uint32_t len; uint64_t seq; }; /* seq from 1 */

struct order_session {
    struct order_session_params params;
    uint8_t state;                   /* enum order_session_state */
    uint8_t loss;                    /* enum order_session_loss of the newest connection; NONE while it stands */
    uint8_t reject_reason;
    bool probing;                    /* this login asks for the stream's end only */
    bool probe_wanted;               /* the next login shall */
    bool measured;                   /* the login before was a probe: the stream is as long as what we have had of it */
    bool query_due;                  /* an Account Query is to be sent */
    bool stop;                       /* order_session_stop was called */
    bool closing;                    /* the connection is to be closed */
    bool login_sent;
    bool named;                      /* `name` is known */
    char name[SOUP_SESSION_LEN];     /* of the server, after a login */
    uint32_t queries_unanswered;     /* of this connection, for all that is certain */
    uint64_t end_seq;                /* of the probe: answers below are of the past */
    uint64_t stream_seq;             /* of the next sequenced message on this connection */
    uint64_t next_seq;               /* of the next one that is new to us, from 1 */
    uint32_t next_user_ref;          /* of the newest answer to our query; 0 = none yet */
    uint32_t leapt_user_ref;         /* of the newest that was not believed */
    uint64_t state_ns;               /* when the state began */
    uint64_t received_ns, sent_ns;   /* newest bytes each way */
    uint64_t progress_ns;            /* newest sequenced message, or query of ours */
    uint64_t retry_wait_ns, retry_due_ns;
    uint64_t login_count;            /* accepted, probes not counted */
    uint64_t message_count;          /* sequenced, given out, all logins */
    uint64_t passed_over_count;      /* sequenced messages that came again */
    uint64_t debug_count, unknown_count; /* packets passed over */
    uint64_t loss_count[ORDER_SESSION_LOSS_COUNT];
    uint32_t head, tail;             /* unread bytes of the buffer */
    uint8_t buffer[ORDER_SESSION_BUFFER_BYTES];
};

/* `next_seq`: 1, everything of the day is to be replayed. */
void order_session_init(struct order_session *session, const struct order_session_params *params, uint64_t now_ns);

/* What the owner of the connection shall do; timers fire here. ORDER_SESSION_CONNECT is said once for each attempt,
 * ORDER_SESSION_CLOSE until order_session_closed. */
enum order_session_want order_session_want(struct order_session *session, uint64_t now_ns);
void order_session_connected(struct order_session *session, uint64_t now_ns);
/* The connection is gone, by whomever; bytes received before still count (take them with order_session_next first). */
void order_session_closed(struct order_session *session, uint64_t now_ns);

/* Our own packets: login, Account Query, heartbeat, logout. At most ORDER_SESSION_SEND_MAX bytes. */
uint32_t order_session_send(struct order_session *session, uint64_t now_ns,
                            uint8_t ret_bytes[ORDER_SESSION_SEND_MAX]);
/* Somebody else has sent on this connection (orders): no heartbeat is due for a while. */
void order_session_sent(struct order_session *session, uint64_t now_ns);

uint32_t order_session_room(const struct order_session *session); /* how much may be received */
/* `len` <= order_session_room(). */
void order_session_receive(struct order_session *session, const uint8_t *bytes, uint32_t len, uint64_t now_ns);
/* The next sequenced message, readable until the next call of order_session_next or order_session_receive. Answers to
 * Account Queries are given out too, after the session has looked at them. */
bool order_session_next(struct order_session *session, uint64_t now_ns, struct order_session_message *ret_message);

void order_session_stop(struct order_session *session, uint64_t now_ns);   /* log out, then no more */
void order_session_abort(struct order_session *session, uint64_t now_ns);  /* close at once, then begin again */

const char *order_session_state_name(enum order_session_state state);
const char *order_session_loss_text(enum order_session_loss loss);

#endif
