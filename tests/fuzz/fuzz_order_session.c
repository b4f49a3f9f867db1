/* Fuzz target of gateway/order/order_session: the input is the life of a session, as steps of its owner and bytes of
 * the server. Byte 0 has the flags and how bytes are cut; then steps {kind, argument, more}. Messages come in order,
 * each once; what is said are packets of a client; what is due is due at the deadline and not before; and all of it is
 * the same for any cutting. */
#include <stdbool.h>
#include <string.h>

#include "feed/wire.h"
#include "gateway/order/order_session.h"
#include "ring/check.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/order_session_due.h"

#define START_NS 1000000000000u
#define TICK_NS  UINT64_C(50000000) /* of an argument that is a time */
#define QUERY    0x80u              /* flag in byte 0; the rest + 1 is the length of a cut */

enum step_kind {
    STEP_TURN = 0, /* do what is wanted, say what is to be said; argument 1: connections are refused, 2: take time */
    STEP_WAIT,     /* argument: ticks */
    STEP_BACK,     /* time falls back by so many */
    STEP_BYTES,    /* of the server: u16 length, bytes */
    STEP_CLOSED,   /* by the server */
    STEP_SENT,     /* an order */
    STEP_STOP,
    STEP_ABORT,
    STEP_CONNECTED,
    STEP_KIND_COUNT
};

/* What a session made of its life. */
struct outcome {
    uint8_t state, loss;
    uint64_t message_count, sum, passed_over_count, debug_count, unknown_count, login_count;
    uint64_t loss_count[ORDER_SESSION_LOSS_COUNT];
};

static struct order_session session;

static void take(uint64_t now_ns, struct outcome *outcome)
{
    struct order_session_message message;

    while (order_session_next(&session, now_ns, &message)) {
        CHECK(message.bytes >= session.buffer && message.bytes + message.len <= session.buffer + session.tail);
        CHECK(message.seq == ++outcome->message_count && session.next_seq == message.seq + 1);
        CHECK(!session.probing);
        outcome->sum = outcome->sum * 31 + fuzz_read_all(message.bytes, message.len) + message.len;
    }
    CHECK(session.head <= session.tail && session.tail <= ORDER_SESSION_BUFFER_BYTES);
    CHECK(session.message_count == outcome->message_count);
}

static void give(uint64_t now_ns, const uint8_t *bytes, uint32_t len, uint32_t chunk, struct outcome *outcome)
{
    for (uint32_t at = 0; at < len; at += chunk) {
        const uint32_t piece_len = len - at < chunk ? len - at : chunk;
        if (order_session_room(&session) < piece_len)
            return; /* not connected, or to be closed */
        uint8_t *piece = fuzz_copy_exact(bytes + at, piece_len);
        order_session_receive(&session, piece, piece_len, now_ns);
        free(piece);
        take(now_ns, outcome);
    }
}

/* Returns whether there was anything to say. */
static bool say(uint64_t now_ns, struct outcome *outcome)
{
    const bool up = session.state == ORDER_SESSION_UP;
    uint8_t bytes[ORDER_SESSION_SEND_MAX];
    struct soup_packet packet;
    const uint32_t len = order_session_send(&session, now_ns, bytes);

    if (len == 0)
        return false;
    CHECK(len <= ORDER_SESSION_SEND_MAX && soup_parse(bytes, len, &packet) == SOUP_PACKET && packet.packet_len == len);
    CHECK(packet.type == SOUP_CLIENT_HEARTBEAT || packet.type == SOUP_LOGOUT ||
          (!up && (packet.type == SOUP_LOGIN || packet.type == SOUP_UNSEQUENCED)));
    outcome->sum = outcome->sum * 31 + fuzz_read_all(bytes, len) + len;
    return true;
}

static void turn(uint64_t now_ns, uint8_t argument, struct outcome *outcome)
{
    const bool due = order_session_due_ns(&session) <= now_ns;
    const enum order_session_want want = order_session_want(&session, now_ns);
    bool busy = want != ORDER_SESSION_NOTHING;

    if (want == ORDER_SESSION_CLOSE || (want == ORDER_SESSION_CONNECT && argument == 1))
        order_session_closed(&session, now_ns);
    else if (want == ORDER_SESSION_CONNECT && argument != 2)
        order_session_connected(&session, now_ns);
    CHECK(!session.closing);
    if (busy) {
        say(now_ns, outcome);
    } else {
        busy = say(now_ns, outcome);
        CHECK(busy == due);
    }
    CHECK(!busy || due);
}

static struct outcome run(const uint8_t *data, uint32_t len, uint32_t chunk)
{
    struct order_session_params params = {.heartbeat_ns = 20 * TICK_NS,
                                          .timeout_ns = 90 * TICK_NS,
                                          .login_timeout_ns = 50 * TICK_NS,
                                          .retry_ns = TICK_NS,
                                          .retry_max_ns = 4 * TICK_NS,
                                          .query = (data[0] & QUERY) != 0};
    struct outcome outcome = {0};
    uint64_t now_ns = START_NS;

    memset(params.username, ' ', sizeof(params.username));
    memset(params.password, ' ', sizeof(params.password));
    memset(params.session, ' ', sizeof(params.session));
    order_session_init(&session, &params, now_ns);
    for (uint32_t at = 1; len - at >= 2;) {
        const uint8_t kind = data[at] % STEP_KIND_COUNT, argument = data[at + 1];
        at += 2;
        switch (kind) {
        case STEP_TURN:
            turn(now_ns, argument, &outcome);
            break;
        case STEP_WAIT:
            now_ns += argument * TICK_NS;
            break;
        case STEP_BACK:
            now_ns -= now_ns > START_NS / 2 ? argument * TICK_NS : 0;
            break;
        case STEP_BYTES: {
            if (len - at < 2)
                return outcome;
            const uint32_t wanted = load_be16(data + at), there = len - at - 2;
            const uint32_t bytes_len = wanted < there ? wanted : there;
            give(now_ns, data + at + 2, bytes_len, chunk > 0 ? chunk : bytes_len, &outcome);
            at += 2 + bytes_len;
            break;
        }
        case STEP_CLOSED:
            order_session_closed(&session, now_ns);
            break;
        case STEP_SENT:
            order_session_sent(&session, now_ns);
            break;
        case STEP_STOP:
            order_session_stop(&session, now_ns);
            break;
        case STEP_ABORT:
            order_session_abort(&session, now_ns);
            break;
        default:
            order_session_connected(&session, now_ns);
            break;
        }
        CHECK(session.state < ORDER_SESSION_STATE_COUNT && session.loss < ORDER_SESSION_LOSS_COUNT);
        CHECK(!session.closing || order_session_room(&session) == 0);
    }
    outcome.state = session.state;
    outcome.loss = session.loss;
    outcome.passed_over_count = session.passed_over_count;
    outcome.debug_count = session.debug_count;
    outcome.unknown_count = session.unknown_count;
    outcome.login_count = session.login_count;
    memcpy(outcome.loss_count, session.loss_count, sizeof(outcome.loss_count));
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len < 1 || len > ORDER_SESSION_BUFFER_BYTES)
        return 0;
    const struct outcome whole = run(data, (uint32_t)len, 0);
    const struct outcome cut = run(data, (uint32_t)len, 1 + (data[0] & ~QUERY));
    CHECK(whole.state == cut.state && whole.loss == cut.loss && whole.login_count == cut.login_count);
    CHECK(whole.message_count == cut.message_count && whole.sum == cut.sum);
    CHECK(whole.passed_over_count == cut.passed_over_count);
    CHECK(whole.debug_count == cut.debug_count && whole.unknown_count == cut.unknown_count);
    CHECK(memcmp(whole.loss_count, cut.loss_count, sizeof(whole.loss_count)) == 0);
    return 0;
}
