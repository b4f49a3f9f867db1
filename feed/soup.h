/* SoupBinTCP 3.00 framing: "SoupBinTCP 3.00" (Nasdaq). A byte stream of {length u16, type, payload}; length counts type
 * and payload. Pure; any thread. Used by snapshots and the order session, on both sides. */
#ifndef FEED_SOUP_H
#define FEED_SOUP_H

#include <stdbool.h>
#include <stdint.h>

#define SOUP_HEADER_LEN 3u           /* length and type */
#define SOUP_LOGIN_LEN 49u           /* a whole login request on the wire */
#define SOUP_ACCEPTED_LEN 33u        /* a whole login accepted */
#define SOUP_USERNAME_LEN 6u
#define SOUP_PASSWORD_LEN 10u
#define SOUP_SESSION_LEN 10u
#define SOUP_SEQUENCE_LEN 20u
#define SOUP_HEARTBEAT_NS 1000000000u /* either side speaks after so much silence of its own */

enum soup_type {
    SOUP_DEBUG = '+',
    SOUP_LOGIN_ACCEPTED = 'A',  /* server */
    SOUP_LOGIN_REJECTED = 'J',
    SOUP_SEQUENCED = 'S',
    SOUP_SERVER_HEARTBEAT = 'H',
    SOUP_END = 'Z',
    SOUP_LOGIN = 'L',           /* client */
    SOUP_UNSEQUENCED = 'U',
    SOUP_CLIENT_HEARTBEAT = 'R',
    SOUP_LOGOUT = 'O',
};

enum soup_verdict {
    SOUP_PACKET = 0,  /* one whole packet */
    SOUP_MORE,        /* not all of it is there yet */
    SOUP_BAD,         /* length 0: no type; nothing behind it can be trusted */
    SOUP_VERDICT_COUNT
};

struct soup_packet {
    uint8_t type;           /* enum soup_type, or whatever the wire says */
    const uint8_t *payload; /* inside the bytes given */
    uint32_t payload_len;
    uint32_t packet_len;    /* bytes of the stream that it takes */
};

/* The packet at the head of `bytes`. `ret_packet` is written only with SOUP_PACKET. */
enum soup_verdict soup_parse(const uint8_t *bytes, uint32_t len, struct soup_packet *ret_packet);

/* Write a packet header; payload_len below 65,535. Returns SOUP_HEADER_LEN. */
uint32_t soup_encode_header(uint8_t *ret_bytes, uint8_t type, uint32_t payload_len);

struct soup_login {
    char username[SOUP_USERNAME_LEN], password[SOUP_PASSWORD_LEN]; /* left-justified, space padded */
    char session[SOUP_SESSION_LEN];                                /* all spaces: the current one */
    uint64_t sequence;                                             /* wanted next; 0 = the most recent */
};
/* A text of at most `len` letters into a padded field. False: too long, or not printable ASCII. */
bool soup_field(char *ret_field, uint32_t len, const char *text);
/* Returns SOUP_LOGIN_LEN. */
uint32_t soup_encode_login(uint8_t ret_bytes[SOUP_LOGIN_LEN], const struct soup_login *login);
/* Payload of a login request. False: wrong length, or a sequence that is no number. */
bool soup_decode_login(const struct soup_packet *packet, struct soup_login *ret_login);
/* Returns SOUP_ACCEPTED_LEN. `session` is left-padded on the wire. */
uint32_t soup_encode_accepted(uint8_t ret_bytes[SOUP_ACCEPTED_LEN], const char session[SOUP_SESSION_LEN],
                              uint64_t sequence);
/* Payload of a login accepted: session as on the wire, sequence of the next sequenced packet. False as above. */
bool soup_decode_accepted(const struct soup_packet *packet, char ret_session[SOUP_SESSION_LEN], uint64_t *ret_sequence);

/* A number as these fields have it: ASCII digits, spaces around them. False: anything else, or beyond 64 bits. */
bool soup_number(const uint8_t *field, uint32_t len, uint64_t *ret_number);
/* The same, written: padded with spaces on the left. */
void soup_encode_number(uint8_t ret_field[SOUP_SEQUENCE_LEN], uint64_t number);

#endif
