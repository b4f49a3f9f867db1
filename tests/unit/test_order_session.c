/* The order session's client against a simulated server, in any cutting and with any breaks; time is an argument. */
#include "gateway/order/order_session.h"

#include "gateway/order/ouch.h"
#include "tests/unit/order_session_due.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define MS_NS            UINT64_C(1000000)
#define START_NS         UINT64_C(1000000000000)
#define HEARTBEAT_NS     (1000 * MS_NS)
#define TIMEOUT_NS       (7000 * MS_NS)
#define LOGIN_TIMEOUT_NS (5000 * MS_NS)
#define RETRY_NS         (100 * MS_NS)
#define RETRY_MAX_NS     (1000 * MS_NS)
#define LOGOUT_NS        (1000 * MS_NS)
#define MESSAGES_MAX     20000u
#define MESSAGE_MAX      65534u
#define PIPE_BYTES       400000u
#define MALFORMED        UINT32_MAX

/* --- the server */

struct pipe {
    uint32_t head, tail;
    uint8_t bytes[PIPE_BYTES];
};

struct server {
    char name[SOUP_SESSION_LEN];
    uint64_t count;                 /* messages of the session so far, answers included */
    uint32_t ref[MESSAGES_MAX + 1]; /* by sequence: NextUserRefNum of an answer, MALFORMED one, 0 = another message */
    uint32_t next_user_ref;         /* of the next answer */
    bool most_recent;               /* sequence 0 means the newest message, not the one behind it */
    bool mute;                      /* takes logins and queries, says nothing to them */
    bool late;                      /* takes queries, and answers at server_answer */
    uint64_t rewind, skip;          /* Login Accepted so much before, or behind, what was asked for */
    bool logged_in;
    uint64_t next_seq;       /* to be written on this connection */
    uint64_t login_end;      /* `count` at the newest Login Accepted */
    struct soup_login login; /* the newest */
    uint32_t login_count, query_count, heartbeat_count, logout_count, unanswered;
    struct pipe in, out;
};

static void pipe_put(struct pipe *pipe, const uint8_t *bytes, uint32_t len)
{
    if (len > PIPE_BYTES - pipe->tail) {
        memmove(pipe->bytes, pipe->bytes + pipe->head, pipe->tail - pipe->head);
        pipe->tail -= pipe->head;
        pipe->head = 0;
    }
    cr_assert_leq(len, PIPE_BYTES - pipe->tail);
    memcpy(pipe->bytes + pipe->tail, bytes, len);
    pipe->tail += len;
}

static uint32_t pipe_room(const struct pipe *pipe)
{
    return PIPE_BYTES - (pipe->tail - pipe->head);
}

static uint32_t packet(uint8_t *ret_bytes, uint8_t type, const void *payload, uint32_t payload_len)
{
    const uint32_t len = soup_encode_header(ret_bytes, type, payload_len);
    if (payload_len > 0)
        memcpy(ret_bytes + len, payload, payload_len);
    return len + payload_len;
}

static void server_say(struct server *server, uint8_t type, const void *payload, uint32_t payload_len)
{
    uint8_t bytes[SOUP_HEADER_LEN + 64];
    pipe_put(&server->out, bytes, packet(bytes, type, payload, payload_len));
}

/* What message `seq` is: an answer, or a text that is nowhere else in the stream. */
static uint32_t server_message(const struct server *server, uint64_t seq, uint8_t *ret_message)
{
    const uint32_t len = seq % 1000 == 999 ? MESSAGE_MAX : 1 + (uint32_t)(seq * 7 % 50);

    if (server->ref[seq] == MALFORMED) {
        ret_message[0] = OUCH_QUERY_ANSWER;
        return 1;
    }
    if (server->ref[seq] != 0) {
        const struct ouch_answer answer = {.type = OUCH_QUERY_ANSWER, .user_ref = server->ref[seq]};
        return ouch_encode_answer(&answer, ret_message);
    }
    memset(ret_message, (int)('a' + seq % 23), len);
    if (len > 8)
        memcpy(ret_message + 1, &seq, sizeof(seq));
    return len;
}

static void server_publish(struct server *server, uint32_t count)
{
    server->count += count;
    cr_assert_leq(server->count, MESSAGES_MAX);
}

static void server_answer(struct server *server)
{
    server_publish(server, 1);
    server->ref[server->count] = server->next_user_ref++;
    server->unanswered--;
}

static void server_login(struct server *server, const struct soup_packet *view)
{
    uint8_t bytes[SOUP_ACCEPTED_LEN];

    cr_assert(soup_decode_login(view, &server->login));
    cr_assert(!server->logged_in, "one login on each connection");
    server->login_count++;
    if (server->mute)
        return;
    server->logged_in = true;
    server->unanswered = 0; /* what an earlier connection asked is forgotten now, not before */
    server->login_end = server->count;
    server->next_seq = server->login.sequence + server->skip;
    if (server->login.sequence == 0)
        server->next_seq = server->count + (server->most_recent && server->count > 0 ? 0 : 1);
    else
        server->next_seq -= server->rewind < server->next_seq ? server->rewind : server->next_seq - 1;
    pipe_put(&server->out, bytes, soup_encode_accepted(bytes, server->name, server->next_seq));
}

/* Whole packets that have come, each of a type that a client may send. */
static void server_hear(struct server *server)
{
    struct soup_packet view;

    while (soup_parse(server->in.bytes + server->in.head, server->in.tail - server->in.head, &view) == SOUP_PACKET) {
        server->in.head += view.packet_len;
        switch (view.type) {
        case SOUP_LOGIN:
            server_login(server, &view);
            break;
        case SOUP_UNSEQUENCED:
            cr_assert(server->logged_in);
            cr_assert_eq(ouch_decode_query(view.payload, view.payload_len), 0);
            server->query_count++;
            server->unanswered++;
            if (!server->mute && !server->late)
                server_answer(server);
            break;
        case SOUP_CLIENT_HEARTBEAT:
            server->heartbeat_count++;
            break;
        case SOUP_LOGOUT:
            server->logout_count++;
            break;
        default:
            cr_assert_fail("type %u", view.type);
        }
    }
}

static void server_write(struct server *server)
{
    static uint8_t message[MESSAGE_MAX], bytes[SOUP_HEADER_LEN + MESSAGE_MAX];

    while (server->logged_in && server->next_seq <= server->count && pipe_room(&server->out) >= sizeof(bytes)) {
        const uint32_t len = server_message(server, server->next_seq++, message);
        pipe_put(&server->out, bytes, packet(bytes, SOUP_SEQUENCED, message, len));
    }
}

static void server_break(struct server *server)
{
    server->logged_in = false;
    server->in.head = server->in.tail = server->out.head = server->out.tail = 0;
}

/* --- both, and the time */

struct rig {
    struct order_session session;
    struct server server;
    uint64_t now_ns;
    uint64_t seen;  /* sequence of the newest message given out */
    uint32_t chunk; /* bytes of one receive at most */
    bool refuses;   /* connections */
};

static struct order_session_params params_of(bool query)
{
    struct order_session_params params = {.heartbeat_ns = HEARTBEAT_NS,
                                          .timeout_ns = TIMEOUT_NS,
                                          .login_timeout_ns = LOGIN_TIMEOUT_NS,
                                          .retry_ns = RETRY_NS,
                                          .retry_max_ns = RETRY_MAX_NS,
                                          .query = query};
    cr_assert(soup_field(params.username, SOUP_USERNAME_LEN, "user"));
    cr_assert(soup_field(params.password, SOUP_PASSWORD_LEN, "password"));
    cr_assert(soup_field(params.session, SOUP_SESSION_LEN, ""));
    return params;
}

static struct rig *rig_new(bool query, uint32_t message_count)
{
    const struct order_session_params params = params_of(query);
    struct rig *rig = calloc(1, sizeof(*rig));

    cr_assert_not_null(rig);
    memset(&rig->session, 0x5a, sizeof(rig->session)); /* init must not rely on what was there */
    memcpy(rig->server.name, "SESSION001", SOUP_SESSION_LEN);
    rig->server.next_user_ref = 1000;
    rig->now_ns = START_NS;
    rig->chunk = ORDER_SESSION_BUFFER_BYTES;
    order_session_init(&rig->session, &params, rig->now_ns);
    server_publish(&rig->server, message_count);
    return rig;
}

/* Take what there is: the next of the server's messages each time, and nothing else. */
static uint32_t take(struct rig *rig)
{
    static uint8_t expected[MESSAGE_MAX];
    struct order_session_message message;
    uint32_t count = 0;

    while (order_session_next(&rig->session, rig->now_ns, &message)) {
        rig->seen++;
        count++;
        cr_assert_eq(message.seq, rig->seen);
        cr_assert_leq(message.seq, rig->server.count);
        cr_assert_eq(message.len, server_message(&rig->server, message.seq, expected));
        cr_assert_eq(memcmp(message.bytes, expected, message.len), 0, "message %u", (unsigned)message.seq);
    }
    cr_assert_eq(rig->session.message_count, rig->seen);
    cr_assert_eq(rig->session.next_seq, rig->seen + 1);
    return count;
}

static void give_bytes(struct rig *rig, const uint8_t *bytes, uint32_t len)
{
    uint8_t *piece = malloc(len);
    cr_assert_not_null(piece);
    memcpy(piece, bytes, len);
    cr_assert_leq(len, order_session_room(&rig->session));
    order_session_receive(&rig->session, piece, len, rig->now_ns);
    free(piece);
}

static void give_packet(struct rig *rig, uint8_t type, const void *payload, uint32_t payload_len)
{
    uint8_t bytes[SOUP_HEADER_LEN + 64];
    give_bytes(rig, bytes, packet(bytes, type, payload, payload_len));
}

static void give_accepted(struct rig *rig, const char name[SOUP_SESSION_LEN], uint64_t sequence)
{
    uint8_t bytes[SOUP_ACCEPTED_LEN];
    give_bytes(rig, bytes, soup_encode_accepted(bytes, name, sequence));
}

/* At most `len` bytes of what the server has written. Returns how many. */
static uint32_t carry(struct rig *rig, uint32_t len)
{
    struct pipe *out = &rig->server.out;
    const uint32_t room = order_session_room(&rig->session), waiting = out->tail - out->head;

    len = len < waiting ? len : waiting;
    len = len < room ? len : room;
    if (len > 0)
        give_bytes(rig, out->bytes + out->head, len);
    out->head += len;
    return len;
}

static enum order_session_want want(struct rig *rig)
{
    return order_session_want(&rig->session, rig->now_ns);
}

/* What the client says now, to the server. Returns its type, 0 = nothing. */
static uint8_t say(struct rig *rig)
{
    uint8_t bytes[ORDER_SESSION_SEND_MAX];
    const uint32_t len = order_session_send(&rig->session, rig->now_ns, bytes);
    struct soup_packet view;

    if (len == 0)
        return 0;
    cr_assert_leq(len, ORDER_SESSION_SEND_MAX);
    cr_assert_eq(soup_parse(bytes, len, &view), SOUP_PACKET);
    cr_assert_eq(view.packet_len, len, "one packet at a time");
    pipe_put(&rig->server.in, bytes, len);
    return view.type;
}

static void cut(struct rig *rig)
{
    server_break(&rig->server);
    order_session_closed(&rig->session, rig->now_ns);
}

/* Whatever the client has to say, and what the server writes then. */
static bool say_all(struct rig *rig)
{
    bool busy = false;

    while (say(rig) != 0)
        busy = true;
    server_hear(&rig->server);
    server_write(&rig->server);
    return busy;
}

/* One turn of the owner. False: there was nothing to do. */
static bool turn(struct rig *rig)
{
    bool busy = false;

    switch (want(rig)) {
    case ORDER_SESSION_CONNECT:
        if (rig->refuses)
            order_session_closed(&rig->session, rig->now_ns);
        else
            order_session_connected(&rig->session, rig->now_ns);
        busy = true;
        break;
    case ORDER_SESSION_CLOSE:
        cut(rig);
        busy = true;
        break;
    default:
        break;
    }
    busy |= say_all(rig);
    busy |= take(rig) > 0;
    while (carry(rig, rig->chunk) > 0) {
        take(rig);
        say_all(rig);
        busy = true;
    }
    return busy;
}

/* All that comes about without time passing. */
static enum order_session_state settle(struct rig *rig)
{
    for (uint32_t i = 0; turn(rig); i++)
        cr_assert_lt(i, 1000u, "it comes to rest");
    return (enum order_session_state)rig->session.state;
}

static struct rig *rig_up(bool query, uint32_t message_count)
{
    struct rig *rig = rig_new(query, message_count);
    cr_assert_eq(settle(rig), ORDER_SESSION_UP);
    return rig;
}

/* Wait for the back-off's end, and connect. */
static void reconnect(struct rig *rig)
{
    cr_assert_eq(rig->session.state, ORDER_SESSION_DOWN);
    rig->now_ns = order_session_due_ns(&rig->session);
    cr_assert_eq(want(rig), ORDER_SESSION_CONNECT);
    order_session_connected(&rig->session, rig->now_ns);
}

/* A session in the given state, by the shortest way. */
static struct rig *rig_in(enum order_session_state state)
{
    struct rig *rig = rig_new(true, 3);

    if (state == ORDER_SESSION_DOWN)
        return rig;
    if (state == ORDER_SESSION_CONNECTING) {
        cr_assert_eq(want(rig), ORDER_SESSION_CONNECT);
        return rig;
    }
    rig->server.mute = state == ORDER_SESSION_LOGIN;
    rig->server.late = state == ORDER_SESSION_REPLAY;
    settle(rig);
    if (state == ORDER_SESSION_LOGOUT || state == ORDER_SESSION_STOPPED) {
        order_session_stop(&rig->session, rig->now_ns);
        settle(rig);
    }
    if (state == ORDER_SESSION_STOPPED)
        cut(rig);
    if (state == ORDER_SESSION_ENDED) {
        server_say(&rig->server, SOUP_END, NULL, 0);
        settle(rig);
    }
    cr_assert_eq(rig->session.state, state);
    return rig;
}

static uint64_t losses(const struct rig *rig)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < ORDER_SESSION_LOSS_COUNT; i++)
        sum += rig->session.loss_count[i];
    return sum;
}

/* The connection is lost for this reason and no other, is closed, and the next attempt gets UP with all messages. */
static void expect_loss(struct rig *rig, enum order_session_loss loss)
{
    const uint64_t before = losses(rig);

    take(rig);
    cr_assert_eq(want(rig), ORDER_SESSION_CLOSE, "%s", order_session_loss_text(loss));
    cr_assert_eq(want(rig), ORDER_SESSION_CLOSE, "until it is closed");
    cr_assert_eq(say(rig), 0);
    cr_assert_eq(order_session_room(&rig->session), 0u);
    cut(rig);
    cr_assert_eq(rig->session.state, ORDER_SESSION_DOWN);
    cr_assert_eq(rig->session.loss, loss, "%s", order_session_loss_text(rig->session.loss));
    cr_assert_eq(rig->session.loss_count[loss], 1u);
    cr_assert_leq(losses(rig) - before, 1u);
    cr_assert_eq(losses(rig), 1u);
    cr_assert_eq(settle(rig), ORDER_SESSION_DOWN, "not at once");
    rig->server.mute = rig->server.late = false;
    rig->now_ns = order_session_due_ns(&rig->session);
    cr_assert_eq(settle(rig), ORDER_SESSION_UP);
    cr_assert_eq(rig->seen, rig->server.count);
    cr_assert_eq(losses(rig), 1u);
    cr_assert_eq(rig->session.loss, ORDER_SESSION_LOSS_NONE);
    free(rig);
}

/* --- the way up */

Test(order_session, first_login_asks_for_the_end_and_the_second_for_everything)
{
    struct rig *rig = rig_new(true, 5);
    const struct server *server = &rig->server;

    rig->server.ref[2] = 7; /* answers to earlier lives */
    rig->server.ref[4] = 8;
    cr_assert_eq(want(rig), ORDER_SESSION_CONNECT);
    cr_assert_eq(want(rig), ORDER_SESSION_NOTHING, "said once");
    cr_assert_eq(say(rig), 0);
    order_session_connected(&rig->session, rig->now_ns);
    cr_assert_eq(say(rig), SOUP_LOGIN);
    cr_assert_eq(say(rig), 0, "once");
    server_hear(&rig->server);
    cr_assert_eq(server->login.sequence, 0u);
    cr_assert_arr_eq(server->login.username, "user  ", SOUP_USERNAME_LEN);
    cr_assert_arr_eq(server->login.password, "password  ", SOUP_PASSWORD_LEN);
    cr_assert_arr_eq(server->login.session, "          ", SOUP_SESSION_LEN);

    carry(rig, PIPE_BYTES);
    cr_assert_eq(take(rig), 0u);
    cr_assert_eq(say(rig), 0, "no query");
    cr_assert_eq(want(rig), ORDER_SESSION_CLOSE);
    cut(rig);
    cr_assert_eq(losses(rig), 0u);
    cr_assert_eq(rig->session.login_count, 0u);
    cr_assert_arr_eq(rig->session.name, "SESSION001", SOUP_SESSION_LEN);

    cr_assert_eq(want(rig), ORDER_SESSION_CONNECT, "at once");
    order_session_connected(&rig->session, rig->now_ns);
    cr_assert_eq(say(rig), SOUP_LOGIN);
    server_hear(&rig->server);
    cr_assert_eq(server->login.sequence, 1u);
    server_write(&rig->server);
    carry(rig, PIPE_BYTES);
    cr_assert_eq(take(rig), 5u, "answers of the past are given out too");
    cr_assert_eq(rig->session.state, ORDER_SESSION_REPLAY, "and are not ours");
    cr_assert_eq(say(rig), SOUP_UNSEQUENCED);
    cr_assert_eq(say(rig), 0, "one query");

    /* The answer stands where the probe saw the end: another server would have put an old one there. */
    cr_assert_eq(settle(rig), ORDER_SESSION_UP);
    cr_assert_eq(server->query_count, 2u);
    cr_assert_eq(rig->session.next_user_ref, 1001u);
    cr_assert_eq(rig->seen, 7u);
    cr_assert_eq(rig->session.login_count, 1u);
    cr_assert_eq(server->login_count, 2u);
    cr_assert_eq(rig->session.passed_over_count, 0u);
    free(rig);
}

Test(order_session, without_a_query_the_login_is_enough)
{
    struct rig *rig = rig_new(false, 3);

    cr_assert_eq(settle(rig), ORDER_SESSION_UP);
    cr_assert_eq(rig->server.login_count, 1u);
    cr_assert_eq(rig->server.login.sequence, 1u);
    cr_assert_eq(rig->server.query_count, 0u);
    cr_assert_eq(rig->seen, 3u);
    server_publish(&rig->server, 2);
    settle(rig);
    cr_assert_eq(rig->seen, 5u);
    cut(rig);
    reconnect(rig);
    cr_assert_eq(settle(rig), ORDER_SESSION_UP);
    cr_assert_eq(rig->server.login.sequence, 6u);
    free(rig);
}

/* --- exact counting */

Test(order_session, messages_do_not_depend_on_how_the_stream_is_cut)
{
    static const uint32_t chunks[] = {1, 2, 3, 7, 64, 1000, 65537, ORDER_SESSION_BUFFER_BYTES};

    for (uint32_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
        struct rig *rig = rig_new(true, 4000); /* more, and longer, than the buffer holds at once */
        rig->chunk = chunks[i];
        cr_assert_eq(settle(rig), ORDER_SESSION_UP);
        cr_assert_eq(rig->seen, rig->server.count);
        cr_assert_eq(rig->seen, 4002u);
        free(rig);
    }
}

Test(order_session, a_full_buffer_has_room_again_once_it_is_read)
{
    struct rig *rig = rig_up(false, 0);

    server_publish(&rig->server, 9000);
    server_write(&rig->server);
    cr_assert_eq(carry(rig, PIPE_BYTES), ORDER_SESSION_BUFFER_BYTES);
    cr_assert_eq(order_session_room(&rig->session), 0u);
    cr_assert_gt(take(rig), 0u);
    cr_assert_gt(order_session_room(&rig->session), ORDER_SESSION_BUFFER_BYTES - SOUP_HEADER_LEN - MESSAGE_MAX - 1);
    settle(rig);
    cr_assert_eq(rig->seen, 9000u);
    free(rig);
}

Test(order_session, a_break_in_the_middle_of_a_replay_is_resumed_where_it_was)
{
    struct rig *rig = rig_new(true, 100);

    turn(rig); /* the probe: accepted */
    turn(rig); /* closed */
    cr_assert_eq(want(rig), ORDER_SESSION_CONNECT);
    order_session_connected(&rig->session, rig->now_ns);
    cr_assert_eq(say(rig), SOUP_LOGIN);
    server_hear(&rig->server);
    server_write(&rig->server);
    carry(rig, 1000); /* ends within a message */
    const uint32_t count = take(rig);
    cr_assert(count > 10 && count < 90);
    cr_assert_lt(rig->session.head, rig->session.tail, "the rest is of no use on another connection");
    cut(rig);
    cr_assert_eq(rig->session.loss, ORDER_SESSION_LOSS_CLOSED);

    reconnect(rig);
    cr_assert_eq(say(rig), SOUP_LOGIN);
    server_hear(&rig->server);
    cr_assert_eq(rig->server.login.sequence, count + 1u, "no query was under way, the end is known: no second probe");
    cr_assert_eq(settle(rig), ORDER_SESSION_UP);
    cr_assert_eq(rig->seen, rig->server.count);
    cr_assert_eq(rig->session.login_count, 2u);
    cr_assert_eq(rig->session.passed_over_count, 0u);
    free(rig);
}

Test(order_session, bytes_that_came_before_the_end_still_count)
{
    struct rig *rig = rig_up(true, 3);
    const uint64_t seen = rig->seen;

    server_publish(&rig->server, 2);
    server_write(&rig->server);
    carry(rig, PIPE_BYTES);
    cr_assert_eq(take(rig), 2u);
    cut(rig);
    cr_assert_eq(rig->session.next_seq, seen + 3);
    free(rig);
}

Test(order_session, messages_that_come_again_are_passed_over)
{
    struct rig *rig = rig_up(true, 50);
    const uint64_t seen = rig->seen;

    cut(rig);
    rig->server.rewind = 20;
    server_publish(&rig->server, 4);
    rig->now_ns = order_session_due_ns(&rig->session);
    cr_assert_eq(settle(rig), ORDER_SESSION_UP);
    cr_assert_eq(rig->session.passed_over_count, 20u);
    cr_assert_eq(rig->seen, rig->server.count);
    cr_assert_gt(rig->seen, seen + 4, "and an answer");
    free(rig);
}

Test(order_session, before_messages_that_come_again_the_end_of_the_stream_is_probed)
{
    struct rig *rig = rig_new(true, 100);

    turn(rig); /* the probe: accepted */
    turn(rig); /* closed */
    cr_assert_eq(want(rig), ORDER_SESSION_CONNECT);
    order_session_connected(&rig->session, rig->now_ns);
    cr_assert_eq(say(rig), SOUP_LOGIN);
    server_hear(&rig->server);
    server_write(&rig->server);
    carry(rig, 1000);
    cr_assert_gt(take(rig), 20u);
    cut(rig); /* no query was under way, so the next login is for good */
    rig->server.rewind = 20;
    rig->server.login_count = 0;
    rig->now_ns = order_session_due_ns(&rig->session);
    cr_assert_eq(settle(rig), ORDER_SESSION_UP);
    cr_assert_eq(rig->server.login_count, 3u, "refused, probe, for good");
    cr_assert_eq(losses(rig), 1u);
    cr_assert_eq(rig->session.passed_over_count, 20u);
    cr_assert_eq(rig->seen, rig->server.count);
    free(rig);
}

Test(order_session, what_is_no_sequenced_message_is_passed_over_and_counted)
{
    struct rig *rig = rig_up(true, 3);

    give_packet(rig, SOUP_DEBUG, "hello", 5);
    give_packet(rig, SOUP_DEBUG, NULL, 0);
    give_packet(rig, SOUP_SERVER_HEARTBEAT, NULL, 0);
    give_packet(rig, 'q', "of a later version", 18);
    give_packet(rig, 0, NULL, 0);
    give_packet(rig, SOUP_UNSEQUENCED, "A", 1);
    cr_assert_eq(take(rig), 0u);
    cr_assert_eq(rig->session.debug_count, 2u);
    cr_assert_eq(rig->session.unknown_count, 3u);
    server_publish(&rig->server, 1);
    cr_assert_eq(settle(rig), ORDER_SESSION_UP);
    cr_assert_eq(rig->seen, rig->server.count);
    free(rig);
}

/* --- the end of the replay */

Test(order_session, an_old_answer_as_the_most_recent_message_is_not_ours)
{
    struct rig *rig = rig_new(true, 5);

    rig->server.ref[5] = 8;
    rig->server.most_recent = true;
    rig->server.late = true;
    rig->chunk = SOUP_ACCEPTED_LEN; /* the query goes out before the replay is read */
    settle(rig);
    cr_assert_eq(rig->session.state, ORDER_SESSION_REPLAY);
    cr_assert_eq(rig->seen, 5u, "not given out twice, by the probe too");
    cr_assert_eq(rig->server.query_count, 2u, "it may have been ours");
    cr_assert_eq(rig->server.unanswered, 2u);
    server_answer(&rig->server);
    cr_assert_eq(settle(rig), ORDER_SESSION_UP);
    cr_assert_eq(rig->session.next_user_ref, 1000u);
    server_answer(&rig->server); /* the second query's */
    cr_assert_eq(settle(rig), ORDER_SESSION_UP);
    cr_assert_eq(rig->session.next_user_ref, 1001u);
    cut(rig);
    reconnect(rig);
    say(rig);
    server_hear(&rig->server);
    cr_assert_eq(rig->server.login.sequence, 8u, "all queries are answered: no probe");
    free(rig);
}

Test(order_session, an_old_answer_and_ours_in_one_piece_ask_for_no_more)
{
    struct rig *rig = rig_new(true, 5);

    rig->server.ref[5] = 8;
    rig->server.most_recent = true;
    rig->server.late = true;
    turn(rig);
    turn(rig);
    cr_assert_eq(want(rig), ORDER_SESSION_CONNECT);
    order_session_connected(&rig->session, rig->now_ns);
    say(rig);
    server_hear(&rig->server);
    carry(rig, PIPE_BYTES);
    take(rig);
    cr_assert_eq(say(rig), SOUP_UNSEQUENCED);
    server_hear(&rig->server);
    server_answer(&rig->server);
    server_write(&rig->server);
    carry(rig, PIPE_BYTES);
    cr_assert_eq(take(rig), 6u);
    cr_assert_eq(rig->session.state, ORDER_SESSION_UP);
    cr_assert_eq(say(rig), 0, "the way out may be somebody else's now");
    free(rig);
}

/* Two queries are under way when the session gets UP; the second one's answer comes after a break, in the replay. */
Test(order_session, a_second_answer_that_was_missed_makes_the_next_login_a_probe)
{
    struct rig *rig = rig_new(true, 5);

    rig->server.ref[5] = 8;
    rig->server.most_recent = true;
    rig->server.late = true;
    rig->chunk = SOUP_ACCEPTED_LEN; /* the query goes out before the replay is read */
    settle(rig);
    server_answer(&rig->server);
    cr_assert_eq(settle(rig), ORDER_SESSION_UP);
    cut(rig);
    server_answer(&rig->server); /* sequence 7 */
    server_publish(&rig->server, 3);
    rig->now_ns = order_session_due_ns(&rig->session);
    settle(rig);
    cr_assert_eq(rig->seen, 10u);
    cr_assert_eq(rig->session.state, ORDER_SESSION_REPLAY, "sequence 7 is no answer to this login's query");
    server_answer(&rig->server);
    cr_assert_eq(settle(rig), ORDER_SESSION_UP);
    cr_assert_eq(rig->session.next_user_ref, 1002u);
    cr_assert_eq(rig->session.login_count, 2u);
    cr_assert_eq(rig->server.login_count, 4u);
    free(rig);
}

Test(order_session, a_query_unanswered_at_a_break_makes_the_next_login_a_probe)
{
    struct rig *rig = rig_in(ORDER_SESSION_REPLAY);

    cr_assert_eq(rig->server.unanswered, 1u);
    cut(rig);
    server_answer(&rig->server); /* sequence 4: it came, and was answered */
    server_publish(&rig->server, 2);
    reconnect(rig);
    say(rig);
    server_hear(&rig->server);
    cr_assert_eq(rig->server.login.sequence, 0u);
    settle(rig);
    cr_assert_eq(rig->server.login.sequence, 4u);
    cr_assert_eq(rig->session.state, ORDER_SESSION_REPLAY);
    cr_assert_eq(rig->seen, 6u);
    server_publish(&rig->server, 1); /* so that the answer stands beyond the end that was seen */
    server_answer(&rig->server);
    cr_assert_eq(settle(rig), ORDER_SESSION_UP);
    cr_assert_eq(rig->session.next_user_ref, 1001u);

    cut(rig);
    reconnect(rig);
    say(rig);
    server_hear(&rig->server);
    cr_assert_eq(rig->server.login.sequence, rig->server.count + 1, "all is answered: no probe");
    free(rig);
}

Test(order_session, the_most_recent_message_that_comes_with_a_probe_does_not_count)
{
    struct rig *rig = rig_new(true, 5);

    rig->server.most_recent = true;
    cr_assert_eq(want(rig), ORDER_SESSION_CONNECT);
    order_session_connected(&rig->session, rig->now_ns);
    say(rig);
    server_hear(&rig->server);
    server_write(&rig->server);
    cr_assert_gt(carry(rig, PIPE_BYTES), SOUP_ACCEPTED_LEN, "message 5 with it");
    cr_assert_eq(take(rig), 0u);
    cr_assert_eq(rig->session.passed_over_count, 0u);
    cr_assert_eq(rig->session.next_seq, 1u);
    cr_assert_eq(settle(rig), ORDER_SESSION_UP);
    cr_assert_eq(rig->seen, rig->server.count);
    free(rig);
}

Test(order_session, a_probe_that_fails_is_made_again)
{
    struct rig *rig = rig_new(true, 5);

    for (uint32_t i = 0; i < 2; i++) {
        if (i > 0)
            rig->now_ns = order_session_due_ns(&rig->session);
        cr_assert_eq(want(rig), ORDER_SESSION_CONNECT);
        order_session_connected(&rig->session, rig->now_ns);
        say(rig);
        server_hear(&rig->server);
        cr_assert_eq(rig->server.login.sequence, 0u);
        cut(rig);
        cr_assert_eq(want(rig), ORDER_SESSION_NOTHING, "with back-off");
    }
    cr_assert_eq(rig->session.loss_count[ORDER_SESSION_LOSS_CLOSED], 2u);
    rig->now_ns = order_session_due_ns(&rig->session);
    cr_assert_eq(settle(rig), ORDER_SESSION_UP);
    free(rig);
}

Test(order_session, an_answer_that_is_malformed_is_none)
{
    struct rig *rig = rig_in(ORDER_SESSION_REPLAY);

    server_publish(&rig->server, 2);
    rig->server.ref[5] = MALFORMED;
    cr_assert_eq(settle(rig), ORDER_SESSION_REPLAY);
    cr_assert_eq(rig->seen, 5u, "but a message as any other");
    server_answer(&rig->server);
    cr_assert_eq(settle(rig), ORDER_SESSION_UP);
    free(rig);
}

/* A number that would use up those of the day: the session does not come up with it, at the bound it does. */
Test(order_session, a_next_number_beyond_the_bound_is_not_believed)
{
    struct rig *rig = rig_in(ORDER_SESSION_REPLAY);

    rig->session.params.user_ref_max = 5000;
    rig->server.next_user_ref = 5000;
    server_publish(&rig->server, 1); /* an answer at the end of the probe would not count */
    server_answer(&rig->server);
    cr_assert_eq(settle(rig), ORDER_SESSION_UP);
    cr_assert_eq(rig->session.next_user_ref, 5000u);
    free(rig);

    rig = rig_in(ORDER_SESSION_REPLAY);
    rig->session.params.user_ref_max = 5000;
    rig->server.next_user_ref = 5001;
    server_publish(&rig->server, 1); /* an answer at the end of the probe would not count */
    server_answer(&rig->server);
    cr_assert_eq(settle(rig), ORDER_SESSION_DOWN);
    cr_assert_eq(rig->session.loss, ORDER_SESSION_LOSS_USER_REF);
    cr_assert_eq(rig->session.loss_count[ORDER_SESSION_LOSS_USER_REF], 1u);
    cr_assert_eq(rig->session.leapt_user_ref, 5001u);
    cr_assert_eq(rig->session.next_user_ref, 0u);
    rig->session.params.user_ref_max = 6000; /* raised: now it is believed */
    rig->server.late = false;
    rig->now_ns = order_session_due_ns(&rig->session);
    cr_assert_eq(settle(rig), ORDER_SESSION_UP);
    free(rig);
}

/* --- losses */

Test(order_session, a_refused_connection_is_a_loss)
{
    struct rig *rig = rig_new(true, 3);

    rig->refuses = true;
    cr_assert_eq(settle(rig), ORDER_SESSION_DOWN);
    cr_assert_eq(rig->session.loss, ORDER_SESSION_LOSS_CONNECT);
    cr_assert_eq(rig->session.loss_count[ORDER_SESSION_LOSS_CONNECT], 1u);
    cr_assert_eq(losses(rig), 1u);
    free(rig);
}

Test(order_session, a_connection_that_takes_too_long_is_a_loss)
{
    struct rig *rig = rig_in(ORDER_SESSION_CONNECTING);

    rig->now_ns += LOGIN_TIMEOUT_NS;
    expect_loss(rig, ORDER_SESSION_LOSS_CONNECT);
}

Test(order_session, a_login_without_an_answer_is_a_loss)
{
    struct rig *rig = rig_in(ORDER_SESSION_LOGIN);

    rig->now_ns += LOGIN_TIMEOUT_NS / 2;
    give_packet(rig, SOUP_SERVER_HEARTBEAT, NULL, 0); /* answers nothing */
    take(rig);
    rig->now_ns += LOGIN_TIMEOUT_NS / 2;
    expect_loss(rig, ORDER_SESSION_LOSS_LOGIN_TIMEOUT);
}

Test(order_session, a_query_without_an_answer_is_a_loss)
{
    struct rig *rig = rig_in(ORDER_SESSION_REPLAY);

    rig->now_ns += LOGIN_TIMEOUT_NS - 1;
    give_packet(rig, SOUP_SERVER_HEARTBEAT, NULL, 0);
    take(rig);
    server_publish(&rig->server, 1); /* the replay goes on: more time */
    settle(rig);
    rig->now_ns += LOGIN_TIMEOUT_NS - 1;
    give_packet(rig, SOUP_SERVER_HEARTBEAT, NULL, 0);
    take(rig);
    cr_assert_eq(want(rig), ORDER_SESSION_NOTHING);
    rig->now_ns += 1;
    expect_loss(rig, ORDER_SESSION_LOSS_LOGIN_TIMEOUT);
}

Test(order_session, a_rejected_login_is_a_loss_and_nothing_else)
{
    for (uint32_t i = 0; i < 2; i++) {
        struct rig *rig = rig_in(ORDER_SESSION_LOGIN);
        give_packet(rig, SOUP_LOGIN_REJECTED, i == 0 ? "A" : "S", 1);
        take(rig);
        cr_assert_eq(rig->session.reject_reason, i == 0 ? 'A' : 'S');
        cr_assert_eq(rig->session.login_count + rig->session.unknown_count + rig->session.message_count, 0u);
        expect_loss(rig, ORDER_SESSION_LOSS_REJECTED);
    }
}

Test(order_session, a_server_that_closes_is_a_loss)
{
    static const uint8_t states[] = {ORDER_SESSION_LOGIN, ORDER_SESSION_REPLAY, ORDER_SESSION_UP};

    for (uint32_t i = 0; i < sizeof(states); i++) {
        struct rig *rig = rig_in(states[i]);
        cut(rig);
        cr_assert_eq(rig->session.state, ORDER_SESSION_DOWN);
        cr_assert_eq(rig->session.loss_count[ORDER_SESSION_LOSS_CLOSED], 1u);
        cr_assert_eq(losses(rig), 1u);
        order_session_closed(&rig->session, rig->now_ns);
        cr_assert_eq(losses(rig), 1u, "it was lost already");
        free(rig);
    }
}

Test(order_session, silence_is_a_loss)
{
    struct rig *rig = rig_up(true, 3);

    rig->now_ns += TIMEOUT_NS - 1;
    give_packet(rig, SOUP_SERVER_HEARTBEAT, NULL, 0);
    take(rig);
    rig->now_ns += TIMEOUT_NS - 1;
    cr_assert_eq(want(rig), ORDER_SESSION_NOTHING);
    rig->now_ns += 1;
    expect_loss(rig, ORDER_SESSION_LOSS_SILENCE);
}

Test(order_session, a_reader_that_is_behind_is_no_silence)
{
    struct rig *rig = rig_up(true, 3);

    server_publish(&rig->server, 1);
    server_write(&rig->server);
    carry(rig, PIPE_BYTES);
    rig->now_ns += TIMEOUT_NS;
    cr_assert_eq(take(rig), 1u);
    cr_assert_eq(want(rig), ORDER_SESSION_NOTHING);
    free(rig);
}

Test(order_session, bytes_that_are_no_packets_are_a_loss)
{
    static const uint8_t states[] = {ORDER_SESSION_LOGIN, ORDER_SESSION_REPLAY, ORDER_SESSION_UP};

    for (uint32_t i = 0; i < sizeof(states); i++) {
        struct rig *rig = rig_in(states[i]);
        give_bytes(rig, (const uint8_t[]){0, 0, 'H'}, 3);
        expect_loss(rig, ORDER_SESSION_LOSS_BAD);
    }
}

Test(order_session, data_before_the_login_is_a_loss)
{
    struct rig *rig = rig_in(ORDER_SESSION_LOGIN);
    give_packet(rig, SOUP_SEQUENCED, "A", 1);
    expect_loss(rig, ORDER_SESSION_LOSS_BAD);
}

Test(order_session, a_second_login_accepted_or_a_rejection_behind_it_is_a_loss)
{
    struct rig *rig = rig_up(true, 3);
    give_accepted(rig, "SESSION001", rig->seen + 1);
    expect_loss(rig, ORDER_SESSION_LOSS_BAD);

    rig = rig_up(true, 3);
    give_packet(rig, SOUP_LOGIN_REJECTED, "A", 1);
    expect_loss(rig, ORDER_SESSION_LOSS_BAD);
}

Test(order_session, a_login_accepted_that_says_nothing_is_a_loss)
{
    struct rig *rig = rig_in(ORDER_SESSION_LOGIN);
    give_packet(rig, SOUP_LOGIN_ACCEPTED, "SESSION001                   x", 30);
    expect_loss(rig, ORDER_SESSION_LOSS_BAD);

    rig = rig_in(ORDER_SESSION_LOGIN);
    give_packet(rig, SOUP_LOGIN_ACCEPTED, "SESSION001", 10);
    expect_loss(rig, ORDER_SESSION_LOSS_BAD);

    rig = rig_in(ORDER_SESSION_LOGIN);
    give_accepted(rig, "SESSION001", 0); /* counted from 1 */
    expect_loss(rig, ORDER_SESSION_LOSS_BAD);

    rig = rig_in(ORDER_SESSION_LOGIN);
    give_packet(rig, SOUP_LOGIN_REJECTED, NULL, 0);
    expect_loss(rig, ORDER_SESSION_LOSS_BAD);

    rig = rig_in(ORDER_SESSION_CONNECTING); /* what nobody asked for */
    order_session_connected(&rig->session, rig->now_ns);
    give_accepted(rig, "SESSION001", 1);
    expect_loss(rig, ORDER_SESSION_LOSS_BAD);
}

Test(order_session, messages_that_are_missing_are_a_loss)
{
    struct rig *rig = rig_up(false, 3);
    const uint64_t seen = rig->seen;

    cut(rig);
    server_publish(&rig->server, 9);
    rig->server.skip = 1;
    reconnect(rig);
    say_all(rig);
    carry(rig, PIPE_BYTES);
    cr_assert_eq(take(rig), 0u);
    cr_assert_eq(rig->session.loss_count[ORDER_SESSION_LOSS_SEQUENCE], 1u);
    cr_assert_eq(rig->session.next_seq, seen + 1);
    cr_assert_eq(rig->session.login_count, 1u);
    cr_assert_eq(want(rig), ORDER_SESSION_CLOSE);
    cut(rig);
    cr_assert_eq(rig->session.state, ORDER_SESSION_DOWN);
    cr_assert_eq(want(rig), ORDER_SESSION_NOTHING, "with back-off");
    rig->server.skip = 0;
    rig->now_ns = order_session_due_ns(&rig->session);
    cr_assert_eq(settle(rig), ORDER_SESSION_UP);
    cr_assert_eq(rig->seen, rig->server.count);
    free(rig);
}

Test(order_session, another_session_is_the_end)
{
    for (uint32_t i = 0; i < 2; i++) { /* found by a login after a break; by the one behind a probe */
        struct rig *rig = i == 0 ? rig_up(false, 3) : rig_new(true, 3);
        if (i == 1) {
            turn(rig);
            turn(rig);
        } else {
            cut(rig);
            rig->now_ns = order_session_due_ns(&rig->session);
        }
        memcpy(rig->server.name, "SESSION002", SOUP_SESSION_LEN);
        cr_assert_eq(want(rig), ORDER_SESSION_CONNECT);
        order_session_connected(&rig->session, rig->now_ns);
        say(rig);
        server_hear(&rig->server);
        carry(rig, PIPE_BYTES);
        cr_assert_eq(take(rig), 0u);
        cr_assert_eq(rig->session.state, ORDER_SESSION_ENDED);
        cr_assert_eq(rig->session.loss_count[ORDER_SESSION_LOSS_OTHER_SESSION], 1u);
        cr_assert_arr_eq(rig->session.name, "SESSION001", SOUP_SESSION_LEN);
        cr_assert_eq(want(rig), ORDER_SESSION_CLOSE);
        cut(rig);
        rig->now_ns += 100 * TIMEOUT_NS;
        cr_assert_eq(want(rig), ORDER_SESSION_NOTHING);
        cr_assert_eq(order_session_due_ns(&rig->session), UINT64_MAX);
        free(rig);
    }
}

/* A server that has lost its stream begins again with 1: what it says is news, though the numbers are old. None of it
 * may be passed over without a word. */
Test(order_session, a_stream_that_is_shorter_than_what_was_had_of_it_is_the_end)
{
    for (uint32_t i = 0; i < 8; i++) { /* begun anew, cut; "the most recent" in both senses; with and without a probe */
        struct rig *rig = rig_up(true, 50);
        if (i / 4 == 0)
            rig->session.queries_unanswered = 0;
        cut(rig);
        rig->server.most_recent = i % 2 == 1;
        if (i / 2 % 2 == 0)
            rig->server.rewind = MESSAGES_MAX;
        rig->server.count = 10;
        rig->now_ns = order_session_due_ns(&rig->session);
        for (uint32_t j = 0; j < 100 && rig->session.state != ORDER_SESSION_ENDED; j++) {
            settle(rig);
            rig->now_ns = order_session_due_ns(&rig->session);
        }
        cr_assert_eq(rig->session.state, ORDER_SESSION_ENDED);
        cr_assert_eq(rig->session.loss_count[ORDER_SESSION_LOSS_SHORTER], 1u);
        cr_assert_eq(rig->session.passed_over_count, 0u);
        cr_assert_eq(rig->session.next_seq, rig->seen + 1);
        free(rig);
    }
}

/* --- back-off */

Test(order_session, back_off_doubles_until_its_maximum_and_begins_again_once_up)
{
    static const uint64_t waits_ns[] = {100 * MS_NS, 200 * MS_NS, 400 * MS_NS, 800 * MS_NS, 1000 * MS_NS, 1000 * MS_NS};
    struct rig *rig = rig_new(true, 3);

    rig->refuses = true;
    for (uint32_t i = 0; i < sizeof(waits_ns) / sizeof(waits_ns[0]); i++) {
        cr_assert_eq(want(rig), ORDER_SESSION_CONNECT);
        if (i % 2 == 0) {
            order_session_closed(&rig->session, rig->now_ns); /* refused */
        } else {                                              /* rejected */
            order_session_connected(&rig->session, rig->now_ns);
            say(rig);
            give_packet(rig, SOUP_LOGIN_REJECTED, "S", 1);
            take(rig);
            cut(rig);
            rig->server.login_count = 0;
        }
        cr_assert_eq(order_session_due_ns(&rig->session), rig->now_ns + waits_ns[i]);
        rig->now_ns += waits_ns[i] - 1;
        cr_assert_eq(want(rig), ORDER_SESSION_NOTHING);
        rig->now_ns++;
    }
    rig->refuses = false;
    cr_assert_eq(settle(rig), ORDER_SESSION_UP);
    for (uint32_t i = 0; i < 2; i++) {
        cut(rig);
        cr_assert_eq(order_session_due_ns(&rig->session), rig->now_ns + RETRY_NS);
        rig->now_ns += RETRY_NS;
        cr_assert_eq(settle(rig), ORDER_SESSION_UP);
    }
    free(rig);
}

/* Getting as far as the replay, or to the end of a probe, is not enough for a new beginning. */
Test(order_session, back_off_goes_on_while_the_session_does_not_get_up)
{
    struct rig *rig = rig_in(ORDER_SESSION_REPLAY);

    cut(rig);
    cr_assert_eq(order_session_due_ns(&rig->session), rig->now_ns + RETRY_NS);
    rig->now_ns += RETRY_NS;
    cr_assert_eq(settle(rig), ORDER_SESSION_REPLAY);
    cut(rig);
    cr_assert_eq(order_session_due_ns(&rig->session), rig->now_ns + 2 * RETRY_NS);
    free(rig);
}

/* --- heartbeats and time */

Test(order_session, we_speak_after_silence_of_our_own_only)
{
    struct rig *rig = rig_up(true, 3);

    rig->now_ns += HEARTBEAT_NS - 1;
    cr_assert_eq(say(rig), 0);
    rig->now_ns += 1;
    cr_assert_eq(say(rig), SOUP_CLIENT_HEARTBEAT);
    cr_assert_eq(say(rig), 0);
    rig->now_ns += HEARTBEAT_NS / 2;
    order_session_sent(&rig->session, rig->now_ns); /* an order */
    rig->now_ns += HEARTBEAT_NS - 1;
    cr_assert_eq(say(rig), 0);
    rig->now_ns += 1;
    cr_assert_eq(say(rig), SOUP_CLIENT_HEARTBEAT);
    server_hear(&rig->server);
    cr_assert_eq(rig->server.heartbeat_count, 2u);
    free(rig);
}

Test(order_session, heartbeats_go_out_while_login_and_query_are_unanswered)
{
    static const uint8_t states[] = {ORDER_SESSION_LOGIN, ORDER_SESSION_REPLAY};

    for (uint32_t i = 0; i < sizeof(states); i++) {
        struct rig *rig = rig_in(states[i]);
        rig->now_ns += HEARTBEAT_NS;
        cr_assert_eq(say(rig), SOUP_CLIENT_HEARTBEAT);
        free(rig);
    }
}

/* Nothing at the nanosecond before the deadline, something at it. */
static void expect_deadline(struct rig *rig, uint64_t wait_ns)
{
    uint8_t bytes[ORDER_SESSION_SEND_MAX];
    const uint64_t deadline_ns = order_session_due_ns(&rig->session);
    const char *name = order_session_state_name((enum order_session_state)rig->session.state);

    cr_assert_eq(deadline_ns, rig->now_ns + wait_ns, "%s", name);
    cr_assert_eq(order_session_want(&rig->session, deadline_ns - 1), ORDER_SESSION_NOTHING, "%s", name);
    cr_assert_eq(order_session_send(&rig->session, deadline_ns - 1, bytes), 0u, "%s", name);
    cr_assert(order_session_want(&rig->session, deadline_ns) != ORDER_SESSION_NOTHING ||
                  order_session_send(&rig->session, deadline_ns, bytes) > 0,
              "%s", name);
    free(rig);
}

/* Bytes from both sides are new, so that only the state's own timer is near. */
static void freshen(struct rig *rig, uint64_t wait_ns)
{
    rig->now_ns += wait_ns;
    say(rig);
    give_packet(rig, SOUP_SERVER_HEARTBEAT, NULL, 0);
    take(rig);
}

Test(order_session, a_deadline_is_when_something_happens)
{
    struct rig *rig = rig_in(ORDER_SESSION_DOWN);
    rig->refuses = true;
    settle(rig);
    expect_deadline(rig, RETRY_NS);

    expect_deadline(rig_in(ORDER_SESSION_CONNECTING), LOGIN_TIMEOUT_NS);

    expect_deadline(rig_in(ORDER_SESSION_LOGIN), HEARTBEAT_NS);
    rig = rig_in(ORDER_SESSION_LOGIN);
    freshen(rig, LOGIN_TIMEOUT_NS - 5);
    expect_deadline(rig, 5);

    expect_deadline(rig_in(ORDER_SESSION_REPLAY), HEARTBEAT_NS);
    rig = rig_in(ORDER_SESSION_REPLAY);
    freshen(rig, LOGIN_TIMEOUT_NS - 5);
    expect_deadline(rig, 5);

    expect_deadline(rig_in(ORDER_SESSION_UP), HEARTBEAT_NS);
    rig = rig_in(ORDER_SESSION_UP);
    rig->now_ns += TIMEOUT_NS - 5;
    order_session_sent(&rig->session, rig->now_ns);
    expect_deadline(rig, 5);

    expect_deadline(rig_in(ORDER_SESSION_LOGOUT), LOGOUT_NS);
    rig = rig_in(ORDER_SESSION_UP);
    rig->now_ns += TIMEOUT_NS - 5;
    order_session_stop(&rig->session, rig->now_ns);
    cr_assert_eq(say(rig), SOUP_LOGOUT);
    expect_deadline(rig, 5);
}

Test(order_session, what_is_due_at_once_has_no_deadline_ahead)
{
    struct rig *rig = rig_in(ORDER_SESSION_CONNECTING);

    order_session_connected(&rig->session, rig->now_ns);
    cr_assert_leq(order_session_due_ns(&rig->session), rig->now_ns, "login");
    say(rig);
    server_hear(&rig->server);
    carry(rig, PIPE_BYTES);
    take(rig);
    cr_assert_leq(order_session_due_ns(&rig->session), rig->now_ns, "close after the probe");
    cut(rig);
    cr_assert_leq(order_session_due_ns(&rig->session), rig->now_ns, "connect again");
    cr_assert_eq(want(rig), ORDER_SESSION_CONNECT);
    order_session_connected(&rig->session, rig->now_ns);
    say(rig);
    server_hear(&rig->server);
    carry(rig, PIPE_BYTES);
    take(rig);
    cr_assert_leq(order_session_due_ns(&rig->session), rig->now_ns, "query");
    settle(rig);
    cr_assert_gt(order_session_due_ns(&rig->session), rig->now_ns);
    order_session_stop(&rig->session, rig->now_ns);
    cr_assert_leq(order_session_due_ns(&rig->session), rig->now_ns, "logout");
    settle(rig);
    cut(rig);
    cr_assert_eq(order_session_due_ns(&rig->session), UINT64_MAX, "stopped");
    free(rig);

    rig = rig_in(ORDER_SESSION_ENDED);
    cr_assert_eq(order_session_due_ns(&rig->session), UINT64_MAX);
    free(rig);
}

Test(order_session, time_that_falls_back_makes_nothing_due)
{
    for (enum order_session_state state = ORDER_SESSION_DOWN; state < ORDER_SESSION_STATE_COUNT; state++) {
        struct rig *rig = rig_in(state);
        const uint64_t now_ns = rig->now_ns;

        rig->now_ns = now_ns - 100 * TIMEOUT_NS;
        cr_assert_eq(want(rig), ORDER_SESSION_NOTHING);
        cr_assert_eq(say(rig), 0);
        order_session_sent(&rig->session, rig->now_ns);
        if (order_session_room(&rig->session) > 0)
            give_packet(rig, SOUP_SERVER_HEARTBEAT, NULL, 0);
        take(rig);
        rig->now_ns = now_ns + 1; /* nor when it is back */
        cr_assert_eq(want(rig), state == ORDER_SESSION_DOWN ? ORDER_SESSION_CONNECT : ORDER_SESSION_NOTHING);
        cr_assert_eq(say(rig), 0);
        cr_assert_eq(losses(rig), 0u);
        free(rig);
    }
}

/* --- ends */

Test(order_session, an_end_of_session_ends_it_behind_its_last_message)
{
    struct rig *rig = rig_up(true, 3);

    server_publish(&rig->server, 2);
    server_write(&rig->server);
    server_say(&rig->server, SOUP_END, NULL, 0);
    server_say(&rig->server, SOUP_SEQUENCED, "A", 1);
    carry(rig, PIPE_BYTES);
    cr_assert_eq(take(rig), 2u, "and nothing behind it");
    cr_assert_eq(rig->session.state, ORDER_SESSION_ENDED);
    cr_assert_eq(want(rig), ORDER_SESSION_CLOSE);
    cr_assert_eq(say(rig), 0);
    cut(rig);
    rig->now_ns += 100 * TIMEOUT_NS;
    cr_assert_eq(want(rig), ORDER_SESSION_NOTHING);
    cr_assert_eq(rig->session.state, ORDER_SESSION_ENDED);
    cr_assert_eq(losses(rig), 0u);
    order_session_stop(&rig->session, rig->now_ns);
    cr_assert_eq(rig->session.state, ORDER_SESSION_STOPPED);
    free(rig);
}

Test(order_session, a_stop_logs_out_and_waits_for_what_still_comes)
{
    static const uint8_t states[] = {ORDER_SESSION_REPLAY, ORDER_SESSION_UP};

    for (uint32_t i = 0; i < 4; i++) {
        struct rig *rig = rig_in(states[i / 2]);
        order_session_stop(&rig->session, rig->now_ns);
        cr_assert_eq(say(rig), SOUP_LOGOUT);
        cr_assert_eq(rig->session.state, ORDER_SESSION_LOGOUT);
        cr_assert_eq(say(rig), 0);
        order_session_stop(&rig->session, rig->now_ns);
        rig->now_ns += LOGOUT_NS - 1;
        cr_assert_eq(say(rig), 0, "no heartbeat, no second logout");
        server_publish(&rig->server, 2);
        server_write(&rig->server);
        if (i % 2 == 1)
            server_say(&rig->server, SOUP_END, NULL, 0); /* how some servers answer a logout */
        carry(rig, PIPE_BYTES);
        cr_assert_eq(take(rig), 2u);
        if (i % 2 == 0) {
            cr_assert_eq(want(rig), ORDER_SESSION_NOTHING);
            rig->now_ns += 1;
        }
        cr_assert_eq(want(rig), ORDER_SESSION_CLOSE);
        cut(rig);
        cr_assert_eq(rig->session.state, ORDER_SESSION_STOPPED);
        cr_assert_eq(losses(rig), 0u);
        free(rig);
    }
}

Test(order_session, a_stop_before_the_login_is_accepted_closes)
{
    static const uint8_t states[] = {ORDER_SESSION_CONNECTING, ORDER_SESSION_LOGIN};

    for (uint32_t i = 0; i < sizeof(states); i++) {
        struct rig *rig = rig_in(states[i]);
        order_session_stop(&rig->session, rig->now_ns);
        cr_assert_eq(say(rig), 0);
        cr_assert_eq(want(rig), ORDER_SESSION_CLOSE);
        cut(rig);
        cr_assert_eq(rig->session.state, ORDER_SESSION_STOPPED);
        cr_assert_eq(losses(rig), 0u);
        free(rig);
    }
}

Test(order_session, a_stopped_session_does_nothing_any_more)
{
    static const uint8_t states[] = {ORDER_SESSION_DOWN, ORDER_SESSION_ENDED, ORDER_SESSION_STOPPED};

    for (uint32_t i = 0; i < sizeof(states); i++) {
        struct rig *rig = rig_in(states[i]);
        order_session_stop(&rig->session, rig->now_ns);
        cr_assert_eq(rig->session.state, ORDER_SESSION_STOPPED);
        order_session_abort(&rig->session, rig->now_ns);
        rig->now_ns += 100 * TIMEOUT_NS;
        cr_assert_not(turn(rig));
        order_session_connected(&rig->session, rig->now_ns);
        cr_assert_eq(rig->session.state, ORDER_SESSION_STOPPED);
        cr_assert_eq(order_session_room(&rig->session), 0u);
        free(rig);
    }
}

Test(order_session, an_abort_closes_and_begins_again)
{
    static const uint8_t states[] = {ORDER_SESSION_CONNECTING, ORDER_SESSION_LOGIN, ORDER_SESSION_REPLAY,
                                     ORDER_SESSION_UP};

    for (uint32_t i = 0; i < sizeof(states); i++) {
        struct rig *rig = rig_in(states[i]);
        order_session_abort(&rig->session, rig->now_ns);
        order_session_abort(&rig->session, rig->now_ns);
        expect_loss(rig, ORDER_SESSION_LOSS_ABORT);
    }
}

Test(order_session, an_abort_of_what_is_not_connected_is_none)
{
    static const uint8_t states[] = {ORDER_SESSION_DOWN, ORDER_SESSION_ENDED, ORDER_SESSION_STOPPED};

    for (uint32_t i = 0; i < sizeof(states); i++) {
        struct rig *rig = rig_in(states[i]);
        order_session_abort(&rig->session, rig->now_ns);
        cr_assert_eq(losses(rig), 0u);
        cr_assert_eq(want(rig), states[i] == ORDER_SESSION_DOWN ? ORDER_SESSION_CONNECT : ORDER_SESSION_NOTHING);
        free(rig);
    }
}

Test(order_session, an_abort_during_a_logout_stops)
{
    struct rig *rig = rig_in(ORDER_SESSION_LOGOUT);

    order_session_abort(&rig->session, rig->now_ns);
    cr_assert_eq(want(rig), ORDER_SESSION_CLOSE);
    cut(rig);
    cr_assert_eq(rig->session.state, ORDER_SESSION_STOPPED);
    free(rig);
}

Test(order_session, states_and_losses_have_names)
{
    for (uint32_t i = 0; i < ORDER_SESSION_STATE_COUNT; i++)
        for (uint32_t k = 0; k <= i; k++)
            cr_assert_eq(strcmp(order_session_state_name((enum order_session_state)i),
                                order_session_state_name((enum order_session_state)k)) == 0,
                         i == k);
    for (uint32_t i = 0; i < ORDER_SESSION_LOSS_COUNT; i++)
        for (uint32_t k = 0; k <= i; k++)
            cr_assert_eq(strcmp(order_session_loss_text((enum order_session_loss)i),
                                order_session_loss_text((enum order_session_loss)k)) == 0,
                         i == k);
    cr_assert_str_eq(order_session_state_name(ORDER_SESSION_STATE_COUNT), "unknown");
    cr_assert_str_eq(order_session_loss_text(ORDER_SESSION_LOSS_COUNT), "unknown");
}

/* --- all of it, at random */

/* splitmix64 */
static uint64_t next_random(uint64_t *state)
{
    uint64_t value = *state += 0x9e3779b97f4a7c15u;
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
    value = (value ^ value >> 27) * 0x94d049bb133111ebu;
    return value ^ value >> 31;
}

static uint32_t below(uint64_t *state, uint32_t limit)
{
    return (uint32_t)(next_random(state) % limit);
}

/* UP says that everything from before this login has been given out. */
static void take_and_check(struct rig *rig)
{
    const uint8_t before = rig->session.state;

    take(rig);
    if (before != ORDER_SESSION_UP && rig->session.state == ORDER_SESSION_UP)
        cr_assert_gt(rig->session.next_seq, rig->server.login_end + 1);
}

static void walk_server(struct rig *rig, uint64_t *random)
{
    struct server *server = &rig->server;

    switch (below(random, 8)) {
    case 0:
        if (server->count < MESSAGES_MAX - 2000)
            server_publish(server, below(random, 4));
        break;
    case 1:
        server->most_recent = below(random, 2) == 0; /* servers differ; this one cannot make up its mind */
        server->rewind = below(random, 4);
        break;
    case 2:
        if (server->logged_in)
            server_say(server, SOUP_SERVER_HEARTBEAT, NULL, 0);
        break;
    case 3: /* answers may be late, also for a connection that is gone */
        if (server->unanswered > 0 && server->count < MESSAGES_MAX - 1000)
            server_answer(server);
        break;
    default:
        server_hear(server);
        server_write(server);
        break;
    }
}

static void walk_client(struct rig *rig, uint64_t *random)
{
    switch (below(random, 6)) {
    case 0:
        switch (want(rig)) {
        case ORDER_SESSION_CONNECT:
            if (below(random, 10) == 0)
                order_session_closed(&rig->session, rig->now_ns);
            else
                order_session_connected(&rig->session, rig->now_ns);
            break;
        case ORDER_SESSION_CLOSE:
            cut(rig);
            break;
        default:
            break;
        }
        break;
    case 1:
        say(rig);
        break;
    case 2:
        rig->now_ns += below(random, 300) * MS_NS;
        break;
    case 3:
        take_and_check(rig);
        break;
    default:
        carry(rig, 1 + below(random, below(random, 4) == 0 ? 100000 : 100));
        break;
    }
}

Test(order_session, a_random_walk_of_cuts_and_breaks_ends_with_each_message_seen_once)
{
    uint64_t random = 4, ups = 0, break_count = 0;
    struct rig *rig = rig_new(true, 20);

    rig->server.late = true;
    for (uint32_t step = 0; step < 10000; step++) {
        const uint8_t before = rig->session.state;
        walk_server(rig, &random);
        walk_client(rig, &random);
        ups += before != ORDER_SESSION_UP && rig->session.state == ORDER_SESSION_UP;
        if (below(&random, rig->session.state == ORDER_SESSION_UP ? 20 : 150) == 0) {
            if (below(&random, 2) == 0)
                server_hear(&rig->server); /* what was on its way arrives, or does not */
            if (below(&random, 2) == 0)
                take_and_check(rig);
            cut(rig);
            break_count++;
        }
    }
    cr_assert_gt(ups, 20u);
    cr_assert_gt(break_count, 50u);
    cr_assert_gt(rig->session.passed_over_count, 10u);

    rig->server.late = false;
    if (rig->server.unanswered > 0)
        server_answer(&rig->server);
    for (uint32_t i = 0; i < 100 && settle(rig) != ORDER_SESSION_UP; i++)
        rig->now_ns += RETRY_MAX_NS;
    cr_assert_eq(rig->session.state, ORDER_SESSION_UP);
    cr_assert_eq(rig->seen, rig->server.count);
    free(rig);
}
