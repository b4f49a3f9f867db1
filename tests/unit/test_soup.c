/* SoupBinTCP framing: boundaries of every field, from buffers of exactly the bytes that are there. */
#include "feed/soup.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* Parse from an allocation of exactly `len` bytes; the payload is moved back into `bytes`. */
static enum soup_verdict parse(const uint8_t *bytes, uint32_t len, struct soup_packet *packet)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    cr_assert_not_null(copy);
    memcpy(copy, bytes, len);
    const enum soup_verdict verdict = soup_parse(copy, len, packet);
    if (verdict == SOUP_PACKET)
        packet->payload = bytes + (packet->payload - copy);
    free(copy);
    return verdict;
}

/* A packet view of `payload`, without a header before it. */
static struct soup_packet payload_of(const void *payload, uint32_t len)
{
    return (struct soup_packet){.payload = payload, .payload_len = len, .packet_len = SOUP_HEADER_LEN + len};
}

static struct soup_login example(void)
{
    struct soup_login login = {.sequence = 1};
    cr_assert(soup_field(login.username, SOUP_USERNAME_LEN, "tick"));
    cr_assert(soup_field(login.password, SOUP_PASSWORD_LEN, "gate-12345"));
    cr_assert(soup_field(login.session, SOUP_SESSION_LEN, ""));
    return login;
}

Test(soup, a_packet_is_viewed_whole_and_the_next_one_begins_behind_it)
{
    static const uint8_t bytes[] = {0, 4, 'S', 'a', 'b', 'c', 0, 1, 'H', 0};
    struct soup_packet packet;
    cr_assert_eq(parse(bytes, sizeof(bytes), &packet), SOUP_PACKET);
    cr_assert_eq(packet.type, SOUP_SEQUENCED);
    cr_assert_eq(packet.payload, bytes + 3);
    cr_assert_eq(packet.payload_len, 3u);
    cr_assert_eq(packet.packet_len, 6u);
    cr_assert_eq(parse(bytes + 6, 4, &packet), SOUP_PACKET);
    cr_assert_eq(packet.type, SOUP_SERVER_HEARTBEAT);
    cr_assert_eq(packet.payload_len, 0u);
    cr_assert_eq(packet.packet_len, 3u);
    cr_assert_eq(parse(bytes + 9, 1, &packet), SOUP_MORE);
}

Test(soup, cut_at_every_byte_more_is_wanted_and_nothing_written)
{
    static const uint8_t bytes[] = {0, 5, 'S', 'a', 'b', 'c', 'd'};
    for (uint32_t len = 0; len < sizeof(bytes); len++) {
        struct soup_packet packet, before;
        memset(&packet, 0x5a, sizeof(packet));
        memcpy(&before, &packet, sizeof(packet));
        cr_assert_eq(parse(bytes, len, &packet), SOUP_MORE, "%u bytes", len);
        cr_assert_arr_eq((const uint8_t *)&packet, (const uint8_t *)&before, sizeof(packet));
    }
}

Test(soup, a_packet_without_a_type_is_bad)
{
    static const uint8_t bytes[] = {0, 0, 'S'};
    struct soup_packet packet;
    cr_assert_eq(parse(bytes, 1, &packet), SOUP_MORE);
    cr_assert_eq(parse(bytes, 2, &packet), SOUP_BAD);
    cr_assert_eq(parse(bytes, 3, &packet), SOUP_BAD);
}

Test(soup, the_longest_packet_has_65534_bytes_of_payload)
{
    static uint8_t bytes[2 + 65535];
    struct soup_packet packet;
    cr_assert_eq(soup_encode_header(bytes, SOUP_DEBUG, 65534), SOUP_HEADER_LEN);
    cr_assert_eq(parse(bytes, sizeof(bytes) - 1, &packet), SOUP_MORE);
    cr_assert_eq(parse(bytes, sizeof(bytes), &packet), SOUP_PACKET);
    cr_assert_eq(packet.type, SOUP_DEBUG);
    cr_assert_eq(packet.payload_len, 65534u);
    cr_assert_eq(packet.packet_len, sizeof(bytes));
}

Test(soup, an_unknown_type_is_given_as_it_is)
{
    static const uint8_t bytes[] = {0, 2, 0xfe, 7};
    struct soup_packet packet;
    cr_assert_eq(parse(bytes, sizeof(bytes), &packet), SOUP_PACKET);
    cr_assert_eq(packet.type, 0xfe);
    cr_assert_eq(packet.payload_len, 1u);
}

Test(soup, a_login_is_the_one_of_the_specification)
{
    static const char expected[] = "\0\x2fL"
                                   "tick  "
                                   "gate-12345"
                                   "          "
                                   "                   1";
    const struct soup_login login = example();
    uint8_t bytes[SOUP_LOGIN_LEN];
    cr_assert_eq(soup_encode_login(bytes, &login), SOUP_LOGIN_LEN);
    cr_assert_eq(sizeof(expected) - 1, SOUP_LOGIN_LEN);
    cr_assert_arr_eq(bytes, expected, SOUP_LOGIN_LEN);
}

Test(soup, a_login_comes_back_as_it_was)
{
    static const uint64_t sequences[] = {0, 1, 9, 10, 1234567890, UINT64_MAX};
    for (uint32_t i = 0; i < sizeof(sequences) / sizeof(sequences[0]); i++) {
        struct soup_login login = example(), again;
        uint8_t bytes[SOUP_LOGIN_LEN];
        struct soup_packet packet;
        login.sequence = sequences[i];
        soup_encode_login(bytes, &login);
        cr_assert_eq(parse(bytes, SOUP_LOGIN_LEN, &packet), SOUP_PACKET);
        cr_assert_eq(packet.type, SOUP_LOGIN);
        cr_assert_eq(packet.packet_len, SOUP_LOGIN_LEN);
        cr_assert(soup_decode_login(&packet, &again));
        cr_assert_arr_eq(again.username, login.username, SOUP_USERNAME_LEN);
        cr_assert_arr_eq(again.password, login.password, SOUP_PASSWORD_LEN);
        cr_assert_arr_eq(again.session, login.session, SOUP_SESSION_LEN);
        cr_assert_eq(again.sequence, sequences[i]);
    }
}

Test(soup, a_login_of_another_length_or_without_a_number_is_refused)
{
    const struct soup_login login = example();
    struct soup_login again;
    uint8_t bytes[SOUP_LOGIN_LEN + 8] = {0};
    soup_encode_login(bytes, &login);
    for (uint32_t len = 0; len <= sizeof(bytes) - SOUP_HEADER_LEN; len++) {
        const struct soup_packet packet = payload_of(bytes + SOUP_HEADER_LEN, len);
        cr_assert_eq(soup_decode_login(&packet, &again), len == SOUP_LOGIN_LEN - SOUP_HEADER_LEN, "%u bytes", len);
    }
    const struct soup_packet packet = payload_of(bytes + SOUP_HEADER_LEN, SOUP_LOGIN_LEN - SOUP_HEADER_LEN);
    bytes[SOUP_LOGIN_LEN - 1] = 'x';
    cr_assert_not(soup_decode_login(&packet, &again));
    bytes[SOUP_LOGIN_LEN - 1] = ' ';
    cr_assert_not(soup_decode_login(&packet, &again));
}

Test(soup, an_accepted_login_has_its_session_on_the_right)
{
    static const char expected[] = "\0\x1f"
                                   "A"
                                   "     ABC12"
                                   "18446744073709551615";
    uint8_t bytes[SOUP_ACCEPTED_LEN];
    cr_assert_eq(sizeof(expected) - 1, SOUP_ACCEPTED_LEN);
    cr_assert_eq(soup_encode_accepted(bytes, "ABC12     ", UINT64_MAX), SOUP_ACCEPTED_LEN);
    cr_assert_arr_eq(bytes, expected, SOUP_ACCEPTED_LEN);
    soup_encode_accepted(bytes, "          ", 7);
    cr_assert_arr_eq(bytes + SOUP_HEADER_LEN, "          ", SOUP_SESSION_LEN);
    soup_encode_accepted(bytes, " BCDEFGHIJ", 7);
    cr_assert_arr_eq(bytes + SOUP_HEADER_LEN, " BCDEFGHIJ", SOUP_SESSION_LEN);
}

Test(soup, an_accepted_login_comes_back_as_it_is_on_the_wire)
{
    uint8_t bytes[SOUP_ACCEPTED_LEN + 4] = {0};
    char session[SOUP_SESSION_LEN];
    uint64_t sequence = 0;
    soup_encode_accepted(bytes, "SESSION1  ", 4711);
    for (uint32_t len = 0; len <= sizeof(bytes) - SOUP_HEADER_LEN; len++) {
        const struct soup_packet packet = payload_of(bytes + SOUP_HEADER_LEN, len);
        cr_assert_eq(soup_decode_accepted(&packet, session, &sequence), len == SOUP_ACCEPTED_LEN - SOUP_HEADER_LEN);
    }
    cr_assert_arr_eq(session, "  SESSION1", SOUP_SESSION_LEN);
    cr_assert_eq(sequence, 4711u);
    bytes[SOUP_HEADER_LEN + SOUP_SESSION_LEN] = '-';
    const struct soup_packet packet = payload_of(bytes + SOUP_HEADER_LEN, SOUP_ACCEPTED_LEN - SOUP_HEADER_LEN);
    cr_assert_not(soup_decode_accepted(&packet, session, &sequence));
}

Test(soup, a_field_takes_printable_text_that_fits)
{
    char field[SOUP_USERNAME_LEN];
    cr_assert(soup_field(field, SOUP_USERNAME_LEN, ""));
    cr_assert_arr_eq(field, "      ", SOUP_USERNAME_LEN);
    cr_assert(soup_field(field, SOUP_USERNAME_LEN, "a b~"));
    cr_assert_arr_eq(field, "a b~  ", SOUP_USERNAME_LEN);
    cr_assert(soup_field(field, SOUP_USERNAME_LEN, "abcdef"));
    cr_assert_arr_eq(field, "abcdef", SOUP_USERNAME_LEN);
    cr_assert_not(soup_field(field, SOUP_USERNAME_LEN, "abcdefg"));
    cr_assert_not(soup_field(field, SOUP_USERNAME_LEN, "a\tb"));
    cr_assert_not(soup_field(field, SOUP_USERNAME_LEN, "a\x7f"));
    cr_assert_not(soup_field(field, SOUP_USERNAME_LEN, "\xc3\xa4"));
    cr_assert_arr_eq(field, "abcdef", SOUP_USERNAME_LEN, "a refused text writes nothing");
}

Test(soup, a_number_is_digits_with_spaces_around_them)
{
    static const struct { const char *text; bool good; uint64_t number; } cases[] = {
        {"0", true, 0},
        {"   42", true, 42},
        {"42   ", true, 42},
        {"  42 ", true, 42},
        {"00000000000000000042", true, 42},
        {"18446744073709551615", true, UINT64_MAX},
        {"18446744073709551616", false, 0},
        {"18446744073709551620", false, 0},
        {"99999999999999999999", false, 0},
        {"", false, 0},
        {"    ", false, 0},
        {"4 2", false, 0},
        {"-1", false, 0},
        {"+1", false, 0},
        {"0x1", false, 0},
        {"1\t", false, 0},
        {"1/", false, 0},
        {"1:", false, 0},
    };
    for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t number = 0;
        const uint32_t len = (uint32_t)strlen(cases[i].text);
        uint8_t *exact = malloc(len + 1);
        cr_assert_not_null(exact);
        memcpy(exact, cases[i].text, len + 1);
        cr_assert_eq(soup_number(exact, len, &number), cases[i].good, "\"%s\"", cases[i].text);
        cr_assert_eq(number, cases[i].number, "\"%s\"", cases[i].text);
        free(exact);
    }
}

Test(soup, a_number_is_written_on_the_right)
{
    uint8_t field[SOUP_SEQUENCE_LEN];
    soup_encode_number(field, 0);
    cr_assert_arr_eq(field, "                   0", SOUP_SEQUENCE_LEN);
    soup_encode_number(field, 1002003);
    cr_assert_arr_eq(field, "             1002003", SOUP_SEQUENCE_LEN);
    soup_encode_number(field, UINT64_MAX);
    cr_assert_arr_eq(field, "18446744073709551615", SOUP_SEQUENCE_LEN);
}
