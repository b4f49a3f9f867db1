/* Fuzz target of feed/glimpse: byte 0 says how the stream behind it is cut, and whether the server closes at its end.
 * Messages and verdict are the same for any cutting; what the client sends are packets of a client. */
#include <stdbool.h>
#include <string.h>

#include "feed/glimpse.h"
#include "ring/check.h"
#include "tests/fuzz/fuzz.h"

#define START_NS   1000000000000u
#define TIMEOUT_NS 2500000000u /* two heartbeats of the client */
#define CLOSES     0x80u

/* What a client made of a stream. */
struct outcome {
    enum glimpse_verdict verdict;
    uint64_t message_count, end_seq, sum;
};

static struct glimpse client;

static uint32_t check_send(uint64_t now_ns, uint8_t type)
{
    uint8_t bytes[SOUP_LOGIN_LEN];
    struct soup_packet packet;
    const uint32_t len = glimpse_send(&client, now_ns, bytes, sizeof(bytes));
    if (len > 0) {
        CHECK(soup_parse(bytes, len, &packet) == SOUP_PACKET && packet.packet_len == len);
        CHECK(packet.type == type);
    }
    return len;
}

static enum glimpse_verdict take(struct outcome *outcome)
{
    const uint8_t *message = NULL;
    uint32_t len = 0;
    enum glimpse_verdict verdict;
    while ((verdict = glimpse_next(&client, START_NS, &message, &len)) == GLIMPSE_MESSAGE) {
        CHECK(message >= client.buffer && message + len <= client.buffer + client.tail);
        CHECK(len == 0 || message[0] != GLIMPSE_END_TYPE);
        outcome->sum = outcome->sum * 31 + fuzz_read_all(message, len) + len;
        outcome->message_count++;
    }
    return verdict;
}

static struct outcome run(const uint8_t *stream, uint32_t len, uint32_t chunk, bool closes)
{
    struct glimpse_params params = {.timeout_ns = TIMEOUT_NS};
    struct outcome outcome = {0};
    memset(&params.login, ' ', sizeof(params.login));
    glimpse_begin(&client, &params, START_NS);
    CHECK(check_send(START_NS, SOUP_LOGIN) == SOUP_LOGIN_LEN);
    outcome.verdict = GLIMPSE_MORE;
    for (uint32_t at = 0; at < len; at += chunk) {
        const uint32_t piece_len = len - at < chunk ? len - at : chunk;
        CHECK(glimpse_room(&client) >= piece_len);
        uint8_t *piece = fuzz_copy_exact(stream + at, piece_len);
        glimpse_receive(&client, piece, piece_len);
        free(piece);
        outcome.verdict = take(&outcome);
    }
    if (closes) {
        glimpse_closed(&client);
        outcome.verdict = take(&outcome);
    }
    CHECK(take(&outcome) == outcome.verdict);
    CHECK(client.message_count == outcome.message_count);
    outcome.end_seq = glimpse_end_seq(&client);
    CHECK((outcome.verdict == GLIMPSE_END) == (outcome.end_seq != 0));
    CHECK(outcome.verdict != GLIMPSE_TIMEOUT && !(closes && outcome.verdict == GLIMPSE_MORE));
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len < 1 || len > GLIMPSE_BUFFER_BYTES)
        return 0;
    const bool closes = (data[0] & CLOSES) != 0;
    const uint32_t stream_len = (uint32_t)len - 1, chunk = 1 + (data[0] & ~CLOSES);
    const struct outcome whole = run(data + 1, stream_len, stream_len + 1, closes);
    const struct outcome cut = run(data + 1, stream_len, chunk, closes);
    CHECK(whole.verdict == cut.verdict && whole.end_seq == cut.end_seq);
    CHECK(whole.message_count == cut.message_count && whole.sum == cut.sum);

    /* What is said from here on depends on the verdict alone. */
    const bool open = cut.verdict == GLIMPSE_MORE;
    CHECK((check_send(START_NS + SOUP_HEARTBEAT_NS, cut.verdict == GLIMPSE_END ? SOUP_LOGOUT : SOUP_CLIENT_HEARTBEAT) >
           0) == (open || cut.verdict == GLIMPSE_END));
    const uint8_t *message;
    uint32_t message_len;
    CHECK(glimpse_next(&client, START_NS + TIMEOUT_NS, &message, &message_len) ==
          (open ? GLIMPSE_TIMEOUT : cut.verdict));
    return 0;
}
