/* The order session's client. Contract in order_session.h. "SoupBinTCP 3.00" and "OUCH 5.0" (Nasdaq). Control thread;
 * pure. Time may run backwards: then nothing is due. */
#include "gateway/order/order_session.h"

#include "gateway/order/ouch.h"
#include "ring/check.h"

#include <stddef.h>
#include <string.h>

#define LOGOUT_PATIENCE_NS UINT64_C(1000000000)

_Static_assert(SOUP_LOGIN_LEN <= ORDER_SESSION_SEND_MAX, "the longest packet of ours");

static bool over(uint64_t now_ns, uint64_t since_ns, uint64_t wait_ns)
{
    return now_ns > since_ns && now_ns - since_ns >= wait_ns;
}

/* Times of events go forward only: a clock that falls back for a moment makes no silence. */
static void touch(uint64_t *event_ns, uint64_t now_ns)
{
    if (now_ns > *event_ns)
        *event_ns = now_ns;
}

static bool connected(const struct order_session *session)
{
    return session->state >= ORDER_SESSION_LOGIN && session->state <= ORDER_SESSION_LOGOUT;
}

static void enter(struct order_session *session, enum order_session_state state, uint64_t now_ns)
{
    session->state = (uint8_t)state;
    session->state_ns = now_ns;
}

/* The connection is worth nothing any more. The first reason counts. */
static void lose(struct order_session *session, enum order_session_loss loss)
{
    if (session->closing)
        return;
    session->closing = true;
    session->loss = (uint8_t)loss;
    session->loss_count[loss]++;
}

void order_session_init(struct order_session *session, const struct order_session_params *params, uint64_t now_ns)
{
    memset(session, 0, offsetof(struct order_session, buffer));
    session->params = *params;
    session->next_seq = 1;
    session->retry_due_ns = now_ns;
    session->probe_wanted = params->query; /* answers to earlier lives may lie in the replay */
}

/* --- the connection */

void order_session_connected(struct order_session *session, uint64_t now_ns)
{
    if (session->state != ORDER_SESSION_CONNECTING)
        return;
    enter(session, ORDER_SESSION_LOGIN, now_ns);
    session->loss = ORDER_SESSION_LOSS_NONE;
    session->probing = session->probe_wanted;
    session->login_sent = false;
    session->received_ns = session->sent_ns = now_ns;
}

static void back_off(struct order_session *session, uint64_t now_ns)
{
    const uint64_t max_ns = session->params.retry_max_ns;
    const uint64_t wait_ns = session->retry_wait_ns == 0 ? session->params.retry_ns : 2 * session->retry_wait_ns;

    session->retry_wait_ns = wait_ns < max_ns ? wait_ns : max_ns;
    session->retry_due_ns = now_ns + session->retry_wait_ns;
}

void order_session_closed(struct order_session *session, uint64_t now_ns)
{
    const bool accepted = session->state == ORDER_SESSION_REPLAY && session->closing && !session->loss;
    const bool probed = accepted && (session->probing || session->probe_wanted);

    session->head = session->tail = 0;
    if (session->state == ORDER_SESSION_DOWN || session->state >= ORDER_SESSION_ENDED) {
        session->closing = false;
        return;
    }
    if (session->stop) {
        enter(session, ORDER_SESSION_STOPPED, now_ns);
    } else if (probed) { /* what it was for is known: log in for good, at once */
        enter(session, ORDER_SESSION_DOWN, now_ns);
        session->retry_due_ns = now_ns;
    } else {
        lose(session,
             session->state == ORDER_SESSION_CONNECTING ? ORDER_SESSION_LOSS_CONNECT : ORDER_SESSION_LOSS_CLOSED);
        enter(session, ORDER_SESSION_DOWN, now_ns);
        back_off(session, now_ns);
        session->probe_wanted = session->probe_wanted || session->queries_unanswered > 0;
        session->measured = false;
    }
    session->probing = false;
    session->closing = false;
    session->query_due = false;
    session->queries_unanswered = 0;
}

static void timers(struct order_session *session, uint64_t now_ns)
{
    const struct order_session_params *params = &session->params;

    switch (session->state) {
    case ORDER_SESSION_CONNECTING:
        if (over(now_ns, session->state_ns, params->login_timeout_ns))
            lose(session, ORDER_SESSION_LOSS_CONNECT);
        break;
    case ORDER_SESSION_LOGIN:
        if (over(now_ns, session->state_ns, params->login_timeout_ns))
            lose(session, ORDER_SESSION_LOSS_LOGIN_TIMEOUT);
        break;
    case ORDER_SESSION_REPLAY: /* heartbeats do not answer a query */
        if (session->queries_unanswered > 0 && over(now_ns, session->progress_ns, params->login_timeout_ns))
            lose(session, ORDER_SESSION_LOSS_LOGIN_TIMEOUT);
        break;
    case ORDER_SESSION_LOGOUT:
        session->closing = session->closing || over(now_ns, session->state_ns, LOGOUT_PATIENCE_NS);
        break;
    default:
        break;
    }
    if (connected(session) && over(now_ns, session->received_ns, params->timeout_ns))
        lose(session, ORDER_SESSION_LOSS_SILENCE);
}

enum order_session_want order_session_want(struct order_session *session, uint64_t now_ns)
{
    timers(session, now_ns);
    if (session->closing)
        return ORDER_SESSION_CLOSE;
    if (session->state != ORDER_SESSION_DOWN || now_ns < session->retry_due_ns)
        return ORDER_SESSION_NOTHING;
    enter(session, ORDER_SESSION_CONNECTING, now_ns);
    return ORDER_SESSION_CONNECT;
}

/* --- what we say */

static uint32_t say_login(struct order_session *session, uint8_t *ret_bytes)
{
    struct soup_login login = {.sequence = session->probing ? 0 : session->next_seq};

    memcpy(login.username, session->params.username, sizeof(login.username));
    memcpy(login.password, session->params.password, sizeof(login.password));
    memcpy(login.session, session->params.session, sizeof(login.session));
    session->login_sent = true;
    return soup_encode_login(ret_bytes, &login);
}

static uint32_t say_query(struct order_session *session, uint64_t now_ns, uint8_t *ret_bytes)
{
    const uint32_t len = soup_encode_header(ret_bytes, SOUP_UNSEQUENCED, OUCH_QUERY_LEN);

    session->query_due = false;
    session->queries_unanswered++;
    touch(&session->progress_ns, now_ns);
    return len + ouch_encode_query(ret_bytes + len);
}

uint32_t order_session_send(struct order_session *session, uint64_t now_ns, uint8_t ret_bytes[ORDER_SESSION_SEND_MAX])
{
    uint32_t len = 0;

    if (session->closing || !connected(session) || session->state == ORDER_SESSION_LOGOUT)
        return 0;
    if (session->stop && session->state != ORDER_SESSION_LOGIN) {
        len = soup_encode_header(ret_bytes, SOUP_LOGOUT, 0);
        enter(session, ORDER_SESSION_LOGOUT, now_ns);
    } else if (!session->login_sent) {
        len = say_login(session, ret_bytes);
    } else if (session->query_due) {
        len = say_query(session, now_ns, ret_bytes);
    } else if (over(now_ns, session->sent_ns, session->params.heartbeat_ns)) {
        len = soup_encode_header(ret_bytes, SOUP_CLIENT_HEARTBEAT, 0);
    }
    if (len > 0)
        touch(&session->sent_ns, now_ns);
    return len;
}

void order_session_sent(struct order_session *session, uint64_t now_ns)
{
    touch(&session->sent_ns, now_ns);
}

/* --- what we hear */

uint32_t order_session_room(const struct order_session *session)
{
    return connected(session) && !session->closing ? ORDER_SESSION_BUFFER_BYTES - (session->tail - session->head) : 0;
}

void order_session_receive(struct order_session *session, const uint8_t *bytes, uint32_t len, uint64_t now_ns)
{
    DCHECK(len <= order_session_room(session));
    if (len == 0 || len > order_session_room(session))
        return;
    if (len > ORDER_SESSION_BUFFER_BYTES - session->tail) {
        memmove(session->buffer, session->buffer + session->head, session->tail - session->head);
        session->tail -= session->head;
        session->head = 0;
    }
    memcpy(session->buffer + session->tail, bytes, len);
    session->tail += len;
    touch(&session->received_ns, now_ns);
}

static void go_up(struct order_session *session, uint64_t now_ns)
{
    enter(session, ORDER_SESSION_UP, now_ns);
    session->query_due = false;
    session->retry_wait_ns = 0;
}

static void hear_rejected(struct order_session *session, const struct soup_packet *packet)
{
    if (session->state != ORDER_SESSION_LOGIN || !session->login_sent || packet->payload_len == 0) {
        lose(session, ORDER_SESSION_LOSS_BAD);
        return;
    }
    session->reject_reason = packet->payload[0];
    lose(session, ORDER_SESSION_LOSS_REJECTED);
}

static void hear_accepted(struct order_session *session, const struct soup_packet *packet, uint64_t now_ns)
{
    char name[SOUP_SESSION_LEN];
    uint64_t sequence;

    if (session->state != ORDER_SESSION_LOGIN || !session->login_sent ||
        !soup_decode_accepted(packet, name, &sequence) || sequence == 0) {
        lose(session, ORDER_SESSION_LOSS_BAD);
        return;
    }
    if (session->named && memcmp(session->name, name, sizeof(name)) != 0) {
        lose(session, ORDER_SESSION_LOSS_OTHER_SESSION);
        enter(session, ORDER_SESSION_ENDED, now_ns);
        return;
    }
    session->named = true;
    memcpy(session->name, name, sizeof(name));
    if (session->probing && sequence + 1 < session->next_seq) { /* by one: "the most recent" may be the last message */
        lose(session, ORDER_SESSION_LOSS_SHORTER);
        enter(session, ORDER_SESSION_ENDED, now_ns);
        return;
    }
    enter(session, ORDER_SESSION_REPLAY, now_ns);
    if (session->probing) { /* that was all */
        session->end_seq = sequence;
        session->probe_wanted = false;
        session->measured = true;
        session->closing = true;
        return;
    }
    if (sequence < session->next_seq && session->params.query && !session->measured) {
        session->probe_wanted = true;
        session->closing = true;
        return;
    }
    session->measured = false;
    if (sequence > session->next_seq) {
        lose(session, ORDER_SESSION_LOSS_SEQUENCE);
        return;
    }
    session->stream_seq = sequence;
    session->login_count++;
    session->query_due = session->params.query;
    if (!session->params.query)
        go_up(session, now_ns);
}

/* An answer to a query: ours, or one of the past. What may be either leaves our query unanswered. So a second one may
 * be under way when the session is UP, and after a break before its answer the next login has to probe. */
static void hear_query_answer(struct order_session *session, const struct soup_packet *packet, uint64_t seq,
                              uint64_t now_ns)
{
    struct ouch_answer answer;

    if (session->queries_unanswered == 0 || seq < session->end_seq ||
        ouch_decode_answer(packet->payload, packet->payload_len, &answer) != 0)
        return;
    if (seq == session->end_seq) { /* it may be the most recent one of the past: the next one is ours for certain */
        session->query_due = true;
        return;
    }
    session->queries_unanswered--;
    if (session->params.user_ref_max > 0 && answer.user_ref > session->params.user_ref_max) {
        session->leapt_user_ref = answer.user_ref;
        lose(session, ORDER_SESSION_LOSS_USER_REF);
        return;
    }
    session->next_user_ref = answer.user_ref;
    if (session->state == ORDER_SESSION_REPLAY)
        go_up(session, now_ns);
}

/* True: it is new. */
static bool hear_sequenced(struct order_session *session, const struct soup_packet *packet, uint64_t now_ns,
                           struct order_session_message *ret_message)
{
    if (session->state < ORDER_SESSION_REPLAY || session->state > ORDER_SESSION_LOGOUT) {
        lose(session, ORDER_SESSION_LOSS_BAD); /* before the login */
        return false;
    }
    const uint64_t seq = session->stream_seq++;
    touch(&session->progress_ns, now_ns);
    if (seq < session->next_seq) {
        session->passed_over_count++;
        return false;
    }
    session->next_seq = seq + 1;
    session->message_count++;
    if (packet->payload_len > 0 && packet->payload[0] == OUCH_QUERY_ANSWER)
        hear_query_answer(session, packet, seq, now_ns);
    *ret_message = (struct order_session_message){.bytes = packet->payload, .len = packet->payload_len, .seq = seq};
    return true;
}

static bool hear(struct order_session *session, const struct soup_packet *packet, uint64_t now_ns,
                 struct order_session_message *ret_message)
{
    switch (packet->type) {
    case SOUP_SEQUENCED:
        return hear_sequenced(session, packet, now_ns, ret_message);
    case SOUP_LOGIN_ACCEPTED:
        hear_accepted(session, packet, now_ns);
        return false;
    case SOUP_LOGIN_REJECTED:
        hear_rejected(session, packet);
        return false;
    case SOUP_END:
        session->closing = true;
        if (!session->stop) /* else it is the end that we wanted: STOPPED, once closed */
            enter(session, ORDER_SESSION_ENDED, now_ns);
        return false;
    case SOUP_SERVER_HEARTBEAT:
        return false;
    default:
        *(packet->type == SOUP_DEBUG ? &session->debug_count : &session->unknown_count) += 1;
        return false;
    }
}

bool order_session_next(struct order_session *session, uint64_t now_ns, struct order_session_message *ret_message)
{
    struct soup_packet packet;

    while (connected(session) && !session->closing) {
        const enum soup_verdict verdict =
            soup_parse(session->buffer + session->head, session->tail - session->head, &packet);
        if (verdict == SOUP_BAD)
            lose(session, ORDER_SESSION_LOSS_BAD);
        if (verdict != SOUP_PACKET)
            return false;
        session->head += packet.packet_len;
        touch(&session->received_ns, now_ns); /* a reader that is behind is no silence of the server's */
        if (hear(session, &packet, now_ns, ret_message))
            return true;
    }
    return false;
}

/* --- ends */

void order_session_stop(struct order_session *session, uint64_t now_ns)
{
    session->stop = true;
    if (session->state == ORDER_SESSION_DOWN || session->state == ORDER_SESSION_ENDED)
        enter(session, ORDER_SESSION_STOPPED, now_ns);
    else if (session->state == ORDER_SESSION_CONNECTING || session->state == ORDER_SESSION_LOGIN)
        session->closing = true;
}

void order_session_abort(struct order_session *session, uint64_t now_ns)
{
    (void)now_ns;
    if (connected(session) || session->state == ORDER_SESSION_CONNECTING)
        lose(session, ORDER_SESSION_LOSS_ABORT);
}

const char *order_session_state_name(enum order_session_state state)
{
    static const char *const names[ORDER_SESSION_STATE_COUNT] = {"down", "connecting", "login", "replay",
                                                                 "up",   "logout",     "ended", "stopped"};

    return (unsigned)state < ORDER_SESSION_STATE_COUNT ? names[state] : "unknown";
}

const char *order_session_loss_text(enum order_session_loss loss)
{
    static const char *const texts[ORDER_SESSION_LOSS_COUNT] = {
        [ORDER_SESSION_LOSS_NONE] = "none",
        [ORDER_SESSION_LOSS_CONNECT] = "no connection",
        [ORDER_SESSION_LOSS_CLOSED] = "closed",
        [ORDER_SESSION_LOSS_REJECTED] = "login rejected",
        [ORDER_SESSION_LOSS_LOGIN_TIMEOUT] = "no answer to login or query",
        [ORDER_SESSION_LOSS_SILENCE] = "silence",
        [ORDER_SESSION_LOSS_BAD] = "bad bytes",
        [ORDER_SESSION_LOSS_SEQUENCE] = "messages missing",
        [ORDER_SESSION_LOSS_SHORTER] = "fewer messages than before",
        [ORDER_SESSION_LOSS_OTHER_SESSION] = "another session",
        [ORDER_SESSION_LOSS_ABORT] = "aborted",
        [ORDER_SESSION_LOSS_USER_REF] = "implausible UserRefNum",
    };

    return (unsigned)loss < ORDER_SESSION_LOSS_COUNT ? texts[loss] : "unknown";
}
