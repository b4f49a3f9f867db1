/* Fuzz target of feed/soup: the input is a SoupBinTCP stream from either side. A packet never runs past its end, a
 * shorter stream never gives another packet, and what a login says is what an encoder writes. */
#include <stdbool.h>
#include <string.h>

#include "feed/soup.h"
#include "ring/check.h"
#include "tests/fuzz/fuzz.h"

static void check_login(const struct soup_packet *packet)
{
    struct soup_login login, again;
    struct soup_packet view;
    uint8_t bytes[SOUP_LOGIN_LEN];
    if (!soup_decode_login(packet, &login))
        return;
    CHECK(packet->packet_len == SOUP_LOGIN_LEN);
    CHECK(soup_encode_login(bytes, &login) == SOUP_LOGIN_LEN);
    CHECK(soup_parse(bytes, SOUP_LOGIN_LEN, &view) == SOUP_PACKET && view.type == SOUP_LOGIN);
    CHECK(soup_decode_login(&view, &again));
    CHECK(again.sequence == login.sequence);
    CHECK(memcmp(again.username, login.username, SOUP_USERNAME_LEN) == 0);
    CHECK(memcmp(again.password, login.password, SOUP_PASSWORD_LEN) == 0);
    CHECK(memcmp(again.session, login.session, SOUP_SESSION_LEN) == 0);
}

static void check_accepted(const struct soup_packet *packet)
{
    struct soup_packet view;
    char session[SOUP_SESSION_LEN], again[SOUP_SESSION_LEN];
    uint64_t sequence, sequence_again;
    uint8_t bytes[SOUP_ACCEPTED_LEN];
    if (!soup_decode_accepted(packet, session, &sequence))
        return;
    CHECK(packet->packet_len == SOUP_ACCEPTED_LEN);
    CHECK(soup_encode_accepted(bytes, session, sequence) == SOUP_ACCEPTED_LEN);
    CHECK(soup_parse(bytes, SOUP_ACCEPTED_LEN, &view) == SOUP_PACKET && view.type == SOUP_LOGIN_ACCEPTED);
    CHECK(soup_decode_accepted(&view, again, &sequence_again));
    CHECK(sequence_again == sequence);
    CHECK(session[SOUP_SESSION_LEN - 1] == ' ' || memcmp(again, session, SOUP_SESSION_LEN) == 0);
}

/* Returns how many bytes of whole packets there are. */
static uint32_t check_stream(const uint8_t *bytes, uint32_t len)
{
    uint32_t at = 0;
    for (;;) {
        struct soup_packet packet;
        memset(&packet, 0x5a, sizeof(packet));
        const struct soup_packet before = packet;
        const enum soup_verdict verdict = soup_parse(bytes + at, len - at, &packet);
        CHECK(verdict == SOUP_PACKET || verdict == SOUP_MORE || verdict == SOUP_BAD);
        if (verdict != SOUP_PACKET) {
            CHECK(packet.payload == before.payload && packet.packet_len == before.packet_len);
            CHECK(verdict == SOUP_MORE || (bytes[at] == 0 && bytes[at + 1] == 0));
            return at;
        }
        CHECK(packet.packet_len <= len - at && packet.packet_len == SOUP_HEADER_LEN + packet.payload_len);
        CHECK(packet.payload == bytes + at + SOUP_HEADER_LEN && packet.type == bytes[at + 2]);
        fuzz_read_all(packet.payload, packet.payload_len);
        struct soup_packet cut;
        CHECK(soup_parse(bytes + at, packet.packet_len - 1, &cut) == SOUP_MORE);
        check_login(&packet);
        check_accepted(&packet);
        at += packet.packet_len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len > FUZZ_GUARDED_MAX)
        return 0;
    uint8_t *exact = fuzz_copy_exact(data, len);
    const uint32_t whole_len = check_stream(exact, (uint32_t)len);
    free(exact);
    CHECK(check_stream(fuzz_copy_guarded(data, len), (uint32_t)len) == whole_len);
    return 0;
}
