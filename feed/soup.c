/* SoupBinTCP framing. Contract in soup.h.
 *
 * Called by the snapshot client on the control thread, by the venue side of tools and by tests. Looks at lengths, types
 * and the fields of a login, never at messages. */
#include "feed/soup.h"

#include "feed/wire.h"
#include "ring/check.h"

#define LENGTH_LEN 2u /* the length field, not counted in itself */

/* Specification 3.00, "Login Request Packet" and "Login Accepted Packet": what follows the type */
struct login_wire {
    char username[SOUP_USERNAME_LEN];
    char password[SOUP_PASSWORD_LEN];
    char session[SOUP_SESSION_LEN];
    uint8_t sequence[SOUP_SEQUENCE_LEN];
};
struct accepted_wire {
    char session[SOUP_SESSION_LEN];
    uint8_t sequence[SOUP_SEQUENCE_LEN];
};

_Static_assert(SOUP_HEADER_LEN + sizeof(struct login_wire) == SOUP_LOGIN_LEN, "SoupBinTCP 3.00, Login Request");
_Static_assert(SOUP_HEADER_LEN + sizeof(struct accepted_wire) == SOUP_ACCEPTED_LEN, "SoupBinTCP 3.00, Login Accepted");

enum soup_verdict soup_parse(const uint8_t *bytes, uint32_t len, struct soup_packet *ret_packet)
{
    if (len < LENGTH_LEN)
        return SOUP_MORE;
    const uint32_t packet_len = LENGTH_LEN + load_be16(bytes);
    if (packet_len < SOUP_HEADER_LEN)
        return SOUP_BAD;
    if (packet_len > len)
        return SOUP_MORE;
    *ret_packet = (struct soup_packet){
        .type = bytes[LENGTH_LEN],
        .payload = bytes + SOUP_HEADER_LEN,
        .payload_len = packet_len - SOUP_HEADER_LEN,
        .packet_len = packet_len,
    };
    return SOUP_PACKET;
}

uint32_t soup_encode_header(uint8_t *ret_bytes, uint8_t type, uint32_t payload_len)
{
    DCHECK(payload_len < UINT16_MAX);
    store_be16(ret_bytes, (uint16_t)(payload_len + 1));
    ret_bytes[LENGTH_LEN] = type;
    return SOUP_HEADER_LEN;
}

bool soup_field(char *ret_field, uint32_t len, const char *text)
{
    uint32_t text_len = 0;

    for (; text[text_len] != '\0'; text_len++)
        if (text_len == len || text[text_len] < ' ' || text[text_len] > '~')
            return false;
    memset(ret_field, ' ', len);
    memcpy(ret_field, text, text_len);
    return true;
}

bool soup_number(const uint8_t *field, uint32_t len, uint64_t *ret_number)
{
    uint32_t begin = 0, end = len;
    uint64_t number = 0;

    while (begin < end && field[begin] == ' ')
        begin++;
    while (begin < end && field[end - 1] == ' ')
        end--;
    if (begin == end)
        return false;
    for (uint32_t i = begin; i < end; i++) {
        const uint8_t digit = (uint8_t)(field[i] - '0');
        if (digit > 9 || number > (UINT64_MAX - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *ret_number = number;
    return true;
}

void soup_encode_number(uint8_t ret_field[SOUP_SEQUENCE_LEN], uint64_t number)
{
    uint32_t at = SOUP_SEQUENCE_LEN; /* as many digits as 64 bits have */

    memset(ret_field, ' ', SOUP_SEQUENCE_LEN);
    do {
        ret_field[--at] = (uint8_t)('0' + number % 10);
        number /= 10;
    } while (number > 0);
}

uint32_t soup_encode_login(uint8_t ret_bytes[SOUP_LOGIN_LEN], const struct soup_login *login)
{
    struct login_wire wire;

    memcpy(wire.username, login->username, SOUP_USERNAME_LEN);
    memcpy(wire.password, login->password, SOUP_PASSWORD_LEN);
    memcpy(wire.session, login->session, SOUP_SESSION_LEN);
    soup_encode_number(wire.sequence, login->sequence);
    memcpy(ret_bytes + soup_encode_header(ret_bytes, SOUP_LOGIN, sizeof(wire)), &wire, sizeof(wire));
    return SOUP_LOGIN_LEN;
}

bool soup_decode_login(const struct soup_packet *packet, struct soup_login *ret_login)
{
    struct login_wire wire;
    uint64_t sequence;

    if (packet->payload_len != sizeof(wire))
        return false;
    memcpy(&wire, packet->payload, sizeof(wire));
    if (!soup_number(wire.sequence, SOUP_SEQUENCE_LEN, &sequence))
        return false;
    memcpy(ret_login->username, wire.username, SOUP_USERNAME_LEN);
    memcpy(ret_login->password, wire.password, SOUP_PASSWORD_LEN);
    memcpy(ret_login->session, wire.session, SOUP_SESSION_LEN);
    ret_login->sequence = sequence;
    return true;
}

uint32_t soup_encode_accepted(uint8_t ret_bytes[SOUP_ACCEPTED_LEN], const char session[SOUP_SESSION_LEN],
                              uint64_t sequence)
{
    struct accepted_wire wire;
    uint32_t letters = SOUP_SESSION_LEN;

    while (letters > 0 && session[letters - 1] == ' ')
        letters--;
    memset(wire.session, ' ', SOUP_SESSION_LEN);
    memcpy(wire.session + SOUP_SESSION_LEN - letters, session, letters);
    soup_encode_number(wire.sequence, sequence);
    memcpy(ret_bytes + soup_encode_header(ret_bytes, SOUP_LOGIN_ACCEPTED, sizeof(wire)), &wire, sizeof(wire));
    return SOUP_ACCEPTED_LEN;
}

bool soup_decode_accepted(const struct soup_packet *packet, char ret_session[SOUP_SESSION_LEN], uint64_t *ret_sequence)
{
    struct accepted_wire wire;
    uint64_t sequence;

    if (packet->payload_len != sizeof(wire))
        return false;
    memcpy(&wire, packet->payload, sizeof(wire));
    if (!soup_number(wire.sequence, SOUP_SEQUENCE_LEN, &sequence))
        return false;
    memcpy(ret_session, wire.session, SOUP_SESSION_LEN);
    *ret_sequence = sequence;
    return true;
}
