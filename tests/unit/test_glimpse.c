/* The GLIMPSE client against streams written by hand, in any cutting; time is an argument. */
#include "feed/glimpse.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define START_NS   UINT64_C(1000000000000)
#define TIMEOUT_NS UINT64_C(3000000000)
#define STREAM_MAX 400000u

/* What a server says, under construction. */
struct stream {
    uint8_t bytes[STREAM_MAX];
    uint32_t len;
};

static void say(struct stream *stream, uint8_t type, const void *payload, uint32_t payload_len)
{
    cr_assert_leq(stream->len + SOUP_HEADER_LEN + payload_len, STREAM_MAX);
    stream->len += soup_encode_header(stream->bytes + stream->len, type, payload_len);
    if (payload_len > 0)
        memcpy(stream->bytes + stream->len, payload, payload_len);
    stream->len += payload_len;
}

static void say_accepted(struct stream *stream, uint64_t sequence)
{
    cr_assert_leq(stream->len + SOUP_ACCEPTED_LEN, STREAM_MAX);
    stream->len += soup_encode_accepted(stream->bytes + stream->len, "SESSION001", sequence);
}

static void say_end(struct stream *stream, uint64_t seq)
{
    uint8_t end[GLIMPSE_END_LEN];
    cr_assert_eq(glimpse_encode_end(end, seq), GLIMPSE_END_LEN);
    say(stream, SOUP_SEQUENCED, end, sizeof(end));
}

static struct stream *stream_new(void)
{
    struct stream *stream = calloc(1, sizeof(*stream));
    cr_assert_not_null(stream);
    return stream;
}

static struct glimpse *client_new(void)
{
    struct glimpse_params params = {.timeout_ns = TIMEOUT_NS};
    struct glimpse *glimpse = malloc(sizeof(*glimpse));
    cr_assert_not_null(glimpse);
    memset(glimpse, 0x5a, sizeof(*glimpse)); /* begin must not rely on what was there */
    cr_assert(soup_field(params.login.username, SOUP_USERNAME_LEN, "user"));
    cr_assert(soup_field(params.login.password, SOUP_PASSWORD_LEN, "password"));
    cr_assert(soup_field(params.login.session, SOUP_SESSION_LEN, ""));
    glimpse_begin(glimpse, &params, START_NS);
    return glimpse;
}

static struct glimpse *client_logged_in(void)
{
    struct glimpse *glimpse = client_new();
    uint8_t bytes[SOUP_LOGIN_LEN];
    cr_assert_eq(glimpse_send(glimpse, START_NS, bytes, sizeof(bytes)), SOUP_LOGIN_LEN);
    return glimpse;
}

static enum glimpse_verdict next(struct glimpse *glimpse, uint64_t now_ns)
{
    const uint8_t *message;
    uint32_t message_len;
    return glimpse_next(glimpse, now_ns, &message, &message_len);
}

/* Everything at once; the verdict after `message_count` messages. */
static enum glimpse_verdict verdict_of(const struct stream *stream, uint64_t message_count)
{
    struct glimpse *glimpse = client_logged_in();
    glimpse_receive(glimpse, stream->bytes, stream->len);
    for (uint64_t i = 0; i < message_count; i++)
        cr_assert_eq(next(glimpse, START_NS), GLIMPSE_MESSAGE, "message %u", (unsigned)i);
    const enum glimpse_verdict verdict = next(glimpse, START_NS);
    cr_assert_eq(next(glimpse, START_NS), verdict, "a verdict stays");
    cr_assert_eq(glimpse->message_count, message_count);
    free(glimpse);
    return verdict;
}

Test(glimpse, a_spin_goes_from_login_to_logout)
{
    struct glimpse *glimpse = client_new();
    struct stream *stream = stream_new();
    uint8_t bytes[SOUP_LOGIN_LEN];
    const uint8_t *message;
    uint32_t message_len;
    struct soup_packet packet;
    struct soup_login login;

    cr_assert_eq(glimpse_send(glimpse, START_NS, bytes, sizeof(bytes)), SOUP_LOGIN_LEN);
    cr_assert_eq(soup_parse(bytes, SOUP_LOGIN_LEN, &packet), SOUP_PACKET);
    cr_assert_eq(packet.type, SOUP_LOGIN);
    cr_assert(soup_decode_login(&packet, &login));
    cr_assert_arr_eq(login.username, "user  ", SOUP_USERNAME_LEN);
    cr_assert_eq(login.sequence, 1u, "the whole snapshot is asked for");
    cr_assert_eq(glimpse_send(glimpse, START_NS, bytes, sizeof(bytes)), 0u, "once");
    cr_assert_eq(next(glimpse, START_NS), GLIMPSE_MORE);

    say_accepted(stream, 1);
    say(stream, SOUP_SEQUENCED, "Rabc", 4);
    say(stream, SOUP_SEQUENCED, "Adef", 4);
    say_end(stream, 4711);
    glimpse_receive(glimpse, stream->bytes, stream->len);
    cr_assert_eq(glimpse_next(glimpse, START_NS, &message, &message_len), GLIMPSE_MESSAGE);
    cr_assert_eq(message_len, 4u);
    cr_assert_arr_eq(message, "Rabc", 4);
    cr_assert_arr_eq(glimpse->session, "SESSION001", SOUP_SESSION_LEN);
    cr_assert_eq(glimpse_next(glimpse, START_NS, &message, &message_len), GLIMPSE_MESSAGE);
    cr_assert_arr_eq(message, "Adef", 4);
    cr_assert_eq(next(glimpse, START_NS), GLIMPSE_END);
    cr_assert_eq(glimpse_end_seq(glimpse), 4711u);
    cr_assert_eq(glimpse->message_count, 2u);

    cr_assert_eq(glimpse_send(glimpse, START_NS, bytes, sizeof(bytes)), SOUP_HEADER_LEN);
    cr_assert_eq(soup_parse(bytes, SOUP_HEADER_LEN, &packet), SOUP_PACKET);
    cr_assert_eq(packet.type, SOUP_LOGOUT);
    cr_assert_eq(glimpse_send(glimpse, START_NS + 10 * TIMEOUT_NS, bytes, sizeof(bytes)), 0u, "nothing after it");
    cr_assert_eq(next(glimpse, START_NS + 10 * TIMEOUT_NS), GLIMPSE_END, "no silence matters any more");
    free(glimpse);
    free(stream);
}

/* Whatever the cutting, the messages are the same: more of them, and longer, than the buffer holds at once. */
Test(glimpse, messages_do_not_depend_on_how_the_stream_is_cut)
{
    static const uint32_t chunks[] = {1, 2, 3, 7, 64, 1000, 65537, 130000};
    static uint8_t payload[65534];
    struct stream *stream = stream_new();
    const uint8_t *message;
    uint32_t message_len;

    say_accepted(stream, 1);
    for (uint32_t i = 0; i < 4000; i++) {
        memset(payload, (int)('a' + i % 26), sizeof(payload));
        say(stream, SOUP_SEQUENCED, payload, i % 1000 == 999 ? 65534 : 1 + i % 50);
        if (i % 100 == 0)
            say(stream, SOUP_SERVER_HEARTBEAT, NULL, 0);
    }
    say_end(stream, 1);
    for (uint32_t c = 0; c < sizeof(chunks) / sizeof(chunks[0]); c++) {
        struct glimpse *glimpse = client_logged_in();
        enum glimpse_verdict verdict = GLIMPSE_MORE;
        uint32_t at = 0, i = 0;
        while (verdict == GLIMPSE_MORE) {
            uint32_t len = stream->len - at < chunks[c] ? stream->len - at : chunks[c];
            len = len < glimpse_room(glimpse) ? len : glimpse_room(glimpse);
            cr_assert_gt(len, 0u, "the stream ends with a verdict, and there is always room");
            uint8_t *piece = malloc(len);
            cr_assert_not_null(piece);
            memcpy(piece, stream->bytes + at, len);
            glimpse_receive(glimpse, piece, len);
            free(piece);
            at += len;
            for (; (verdict = glimpse_next(glimpse, START_NS, &message, &message_len)) == GLIMPSE_MESSAGE; i++) {
                cr_assert_eq(message_len, i % 1000 == 999 ? 65534 : 1 + i % 50);
                cr_assert_eq(message[0], 'a' + i % 26);
                cr_assert_eq(message[message_len - 1], 'a' + i % 26);
            }
        }
        cr_assert_eq(verdict, GLIMPSE_END);
        cr_assert_eq(i, 4000u);
        cr_assert_eq(at, stream->len);
        free(glimpse);
    }
    free(stream);
}

Test(glimpse, a_full_buffer_has_room_again_once_it_is_read)
{
    static const uint8_t payload[100];
    struct glimpse *glimpse = client_logged_in();
    struct stream *stream = stream_new();
    uint32_t count = 0;

    say_accepted(stream, 1);
    while (stream->len + 103 <= GLIMPSE_BUFFER_BYTES) {
        say(stream, SOUP_SEQUENCED, payload, sizeof(payload));
        count++;
    }
    say(stream, SOUP_SEQUENCED, payload, sizeof(payload)); /* cut by the end of the buffer */
    glimpse_receive(glimpse, stream->bytes, GLIMPSE_BUFFER_BYTES);
    cr_assert_eq(glimpse_room(glimpse), 0u);
    while (next(glimpse, START_NS) == GLIMPSE_MESSAGE)
        count--;
    cr_assert_eq(count, 0u);
    const uint32_t rest = stream->len - GLIMPSE_BUFFER_BYTES;
    cr_assert_geq(glimpse_room(glimpse), GLIMPSE_BUFFER_BYTES - 103);
    glimpse_receive(glimpse, stream->bytes + GLIMPSE_BUFFER_BYTES, rest);
    cr_assert_eq(next(glimpse, START_NS), GLIMPSE_MESSAGE);
    cr_assert_eq(next(glimpse, START_NS), GLIMPSE_MORE);
    free(glimpse);
    free(stream);
}

Test(glimpse, what_is_not_a_snapshot_message_is_passed_over)
{
    struct stream *stream = stream_new();
    say(stream, SOUP_DEBUG, "hello", 5); /* also before the login */
    say(stream, SOUP_SERVER_HEARTBEAT, NULL, 0);
    say_accepted(stream, 1);
    say(stream, SOUP_DEBUG, NULL, 0);
    say(stream, 'q', "of a later version", 18);
    say(stream, 0, NULL, 0);
    say(stream, 0xff, "G", 1);
    say(stream, SOUP_UNSEQUENCED, "A", 1);
    say(stream, SOUP_SEQUENCED, "A", 1);
    say_end(stream, 2);
    cr_assert_eq(verdict_of(stream, 1), GLIMPSE_END);
    free(stream);
}

Test(glimpse, an_empty_message_is_one)
{
    struct stream *stream = stream_new();
    say_accepted(stream, 1);
    say(stream, SOUP_SEQUENCED, NULL, 0);
    say_end(stream, 2);
    cr_assert_eq(verdict_of(stream, 1), GLIMPSE_END);
    free(stream);
}

Test(glimpse, a_refused_login_ends_the_spin)
{
    struct stream *stream = stream_new();
    say(stream, SOUP_LOGIN_REJECTED, "A", 1);
    cr_assert_eq(verdict_of(stream, 0), GLIMPSE_REJECTED);
    free(stream);
}

Test(glimpse, an_end_of_session_before_the_end_of_the_snapshot_breaks_it)
{
    struct stream *stream = stream_new();
    say_accepted(stream, 1);
    say(stream, SOUP_SEQUENCED, "A", 1);
    say(stream, SOUP_END, NULL, 0);
    say_end(stream, 2);
    cr_assert_eq(verdict_of(stream, 1), GLIMPSE_BROKEN);
    free(stream);
}

Test(glimpse, a_closed_connection_breaks_it_after_what_was_received)
{
    struct stream *stream = stream_new();
    uint8_t bytes[SOUP_LOGIN_LEN];
    say_accepted(stream, 1);
    say(stream, SOUP_SEQUENCED, "A", 1);
    say(stream, SOUP_SEQUENCED, "B", 1);
    for (uint32_t len = 0; len < stream->len; len++) { /* closed in the middle of any packet */
        struct glimpse *glimpse = client_logged_in();
        glimpse_receive(glimpse, stream->bytes, len);
        glimpse_closed(glimpse);
        const uint32_t count = len >= SOUP_ACCEPTED_LEN ? (len - SOUP_ACCEPTED_LEN) / 4 : 0;
        for (uint32_t i = 0; i < count; i++)
            cr_assert_eq(next(glimpse, START_NS), GLIMPSE_MESSAGE);
        cr_assert_eq(next(glimpse, START_NS), GLIMPSE_BROKEN, "%u bytes", len);
        cr_assert_eq(glimpse_send(glimpse, START_NS + TIMEOUT_NS, bytes, sizeof(bytes)), 0u, "there is nobody");
        free(glimpse);
    }
    free(stream);
}

Test(glimpse, closed_behind_the_end_is_complete)
{
    struct glimpse *glimpse = client_logged_in();
    struct stream *stream = stream_new();
    say_accepted(stream, 1);
    say_end(stream, 9);
    say(stream, SOUP_END, NULL, 0);
    glimpse_receive(glimpse, stream->bytes, stream->len);
    glimpse_closed(glimpse);
    cr_assert_eq(next(glimpse, START_NS), GLIMPSE_END);
    cr_assert_eq(glimpse_end_seq(glimpse), 9u);
    free(glimpse);
    free(stream);
}

Test(glimpse, bytes_that_are_no_packets_are_bad)
{
    struct stream *stream = stream_new();
    say_accepted(stream, 1);
    say(stream, SOUP_SEQUENCED, "A", 1);
    stream->bytes[stream->len++] = 0; /* length 0 */
    stream->bytes[stream->len++] = 0;
    say_end(stream, 2);
    cr_assert_eq(verdict_of(stream, 1), GLIMPSE_BAD);
    free(stream);
}

Test(glimpse, data_before_the_login_is_bad)
{
    struct stream *stream = stream_new();
    say(stream, SOUP_SEQUENCED, "A", 1);
    cr_assert_eq(verdict_of(stream, 0), GLIMPSE_BAD);
    stream->len = 0;
    say_end(stream, 2);
    cr_assert_eq(verdict_of(stream, 0), GLIMPSE_BAD);
    free(stream);
}

Test(glimpse, a_login_accepted_twice_or_from_elsewhere_or_without_sense_is_bad)
{
    struct stream *stream = stream_new();
    say_accepted(stream, 1);
    say_accepted(stream, 1);
    cr_assert_eq(verdict_of(stream, 0), GLIMPSE_BAD);
    for (uint64_t sequence = 0; sequence <= 2; sequence++) {
        stream->len = 0;
        say_accepted(stream, sequence);
        cr_assert_eq(verdict_of(stream, 0), sequence == 1 ? GLIMPSE_MORE : GLIMPSE_BAD, "a snapshot begins with 1");
    }
    stream->len = 0;
    say(stream, SOUP_LOGIN_ACCEPTED, "SESSION001", 10);
    cr_assert_eq(verdict_of(stream, 0), GLIMPSE_BAD);
    free(stream);
}

Test(glimpse, an_end_that_is_not_one_is_bad)
{
    static const struct { const char *message; enum glimpse_verdict verdict; } cases[] = {
        {"G                 77", GLIMPSE_BAD},   /* one short */
        {"G                  77", GLIMPSE_END},
        {"G77                  ", GLIMPSE_END},
        {"G00000000000000000077", GLIMPSE_END},
        {"G                   77", GLIMPSE_BAD}, /* one long */
        {"G", GLIMPSE_BAD},
        {"G                    ", GLIMPSE_BAD},
        {"G                   0", GLIMPSE_BAD},
        {"G                  -1", GLIMPSE_BAD},
        {"G99999999999999999999", GLIMPSE_BAD},
    };
    for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct stream *stream = stream_new();
        say_accepted(stream, 1);
        say(stream, SOUP_SEQUENCED, cases[i].message, (uint32_t)strlen(cases[i].message));
        cr_assert_eq(verdict_of(stream, 0), cases[i].verdict, "\"%s\"", cases[i].message);
        free(stream);
    }
}

/* Heartbeats show that a server is alive, not that its snapshot goes on. */
Test(glimpse, a_spin_ends_when_nothing_of_the_snapshot_came_for_the_time_out_whatever_else_did)
{
    struct glimpse *glimpse = client_logged_in();
    struct stream *stream = stream_new();
    uint64_t now_ns = START_NS;

    say_accepted(stream, 1);
    say(stream, SOUP_SEQUENCED, "A", 1);
    for (uint32_t i = 0, at = 0; i < 2; i++) {
        now_ns += TIMEOUT_NS - 1;
        cr_assert_eq(next(glimpse, now_ns), GLIMPSE_MORE);
        const uint32_t len = i == 0 ? SOUP_ACCEPTED_LEN : stream->len - SOUP_ACCEPTED_LEN;
        glimpse_receive(glimpse, stream->bytes + at, len);
        cr_assert_eq(next(glimpse, now_ns), i == 0 ? GLIMPSE_MORE : GLIMPSE_MESSAGE);
        at += len;
    }
    stream->len = 0;
    say(stream, SOUP_SERVER_HEARTBEAT, NULL, 0);
    say(stream, SOUP_DEBUG, "soon", 4);
    for (uint32_t i = 1; i < 4; i++) {
        glimpse_receive(glimpse, stream->bytes, stream->len);
        cr_assert_eq(next(glimpse, now_ns + i * TIMEOUT_NS / 4), GLIMPSE_MORE);
    }
    glimpse_receive(glimpse, stream->bytes, stream->len);
    cr_assert_eq(next(glimpse, now_ns + TIMEOUT_NS), GLIMPSE_TIMEOUT);
    stream->len = 0;
    say(stream, SOUP_SEQUENCED, "A", 1);
    glimpse_receive(glimpse, stream->bytes, stream->len);
    cr_assert_eq(next(glimpse, now_ns + TIMEOUT_NS), GLIMPSE_TIMEOUT, "too late");
    free(glimpse);
    free(stream);
}

/* The caller may be the one who is behind: what waits in the buffer shows that the server was not silent. */
Test(glimpse, a_slow_reader_is_no_silence)
{
    struct glimpse *glimpse = client_logged_in();
    struct stream *stream = stream_new();
    const uint64_t late_ns = START_NS + 5 * TIMEOUT_NS;

    say_accepted(stream, 1);
    say(stream, SOUP_SEQUENCED, "A", 1);
    glimpse_receive(glimpse, stream->bytes, stream->len);
    cr_assert_eq(next(glimpse, late_ns), GLIMPSE_MESSAGE);
    cr_assert_eq(next(glimpse, late_ns), GLIMPSE_MORE);
    cr_assert_eq(next(glimpse, late_ns + TIMEOUT_NS), GLIMPSE_TIMEOUT);
    free(glimpse);
    free(stream);
}

Test(glimpse, the_client_speaks_after_a_second_of_its_own_silence)
{
    struct glimpse *glimpse = client_logged_in();
    uint8_t bytes[SOUP_LOGIN_LEN];

    cr_assert_eq(glimpse_send(glimpse, START_NS + SOUP_HEARTBEAT_NS - 1, bytes, sizeof(bytes)), 0u);
    cr_assert_eq(glimpse_send(glimpse, START_NS + SOUP_HEARTBEAT_NS, bytes, 2), 0u, "does not fit");
    cr_assert_eq(glimpse_send(glimpse, START_NS + SOUP_HEARTBEAT_NS, bytes, sizeof(bytes)), SOUP_HEADER_LEN);
    cr_assert_arr_eq(bytes, "\0\1R", SOUP_HEADER_LEN);
    cr_assert_eq(glimpse_send(glimpse, START_NS + 2 * SOUP_HEARTBEAT_NS - 1, bytes, sizeof(bytes)), 0u);
    cr_assert_eq(glimpse_send(glimpse, START_NS + 2 * SOUP_HEARTBEAT_NS, bytes, sizeof(bytes)), SOUP_HEADER_LEN);
    cr_assert_eq(next(glimpse, START_NS + TIMEOUT_NS), GLIMPSE_TIMEOUT, "its own words are no life of the server");
    cr_assert_eq(glimpse_send(glimpse, START_NS + 9 * SOUP_HEARTBEAT_NS, bytes, sizeof(bytes)), 0u);
    free(glimpse);
}

Test(glimpse, the_login_waits_until_it_fits)
{
    struct glimpse *glimpse = client_new();
    uint8_t bytes[SOUP_LOGIN_LEN];
    cr_assert_eq(glimpse_send(glimpse, START_NS, bytes, SOUP_LOGIN_LEN - 1), 0u);
    cr_assert_eq(glimpse_send(glimpse, START_NS + 5 * SOUP_HEARTBEAT_NS, bytes, SOUP_LOGIN_LEN), SOUP_LOGIN_LEN);
    free(glimpse);
}

Test(glimpse, a_second_spin_knows_nothing_of_the_first)
{
    struct glimpse *glimpse = client_logged_in();
    struct stream *stream = stream_new();
    uint8_t bytes[SOUP_LOGIN_LEN];

    say_accepted(stream, 1);
    say(stream, SOUP_SEQUENCED, "A", 1);
    say_end(stream, 5);
    for (int i = 0; i < 2; i++) {
        glimpse_receive(glimpse, stream->bytes, stream->len - 3);
        cr_assert_eq(next(glimpse, START_NS), GLIMPSE_MESSAGE);
        cr_assert_eq(next(glimpse, START_NS), GLIMPSE_MORE);
        const struct glimpse_params params = glimpse->params;
        glimpse_begin(glimpse, &params, START_NS);
        cr_assert_eq(glimpse->message_count, 0u);
        cr_assert_eq(glimpse_send(glimpse, START_NS, bytes, sizeof(bytes)), SOUP_LOGIN_LEN);
    }
    glimpse_receive(glimpse, stream->bytes, stream->len);
    cr_assert_eq(next(glimpse, START_NS), GLIMPSE_MESSAGE);
    cr_assert_eq(next(glimpse, START_NS), GLIMPSE_END);
    free(glimpse);
    free(stream);
}

Test(glimpse, verdict_names_are_distinct)
{
    for (uint32_t i = 0; i <= GLIMPSE_VERDICT_COUNT; i++)
        for (uint32_t j = 0; j < i; j++)
            cr_assert_str_neq(glimpse_verdict_name((enum glimpse_verdict)i),
                              glimpse_verdict_name((enum glimpse_verdict)j));
}
