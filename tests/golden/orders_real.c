/* Real SoupBinTCP packets and the OUCH 5.0 messages in them, decoded and encoded byte for byte: orders_real SHARED
 *
 * SHARED/data has captures of one TCP segment each. Every byte of a segment's payload has to be made again from what
 * was decoded, and what was decoded has to be what is known of the capture. Skipped (exit code 77) where the captures
 * are not at hand; one that is missing among the others, or holds no packet, is a failure. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "feed/soup.h"
#include "feed/wire.h"
#include "gateway/capture/capture.h"
#include "gateway/order/ouch.h"

#define SKIP 77
#define NASDAQ "Nasdaq/Nasdaq.Nsm.Ouch.v5.0/"
#define JNX "Jnx/JnxEquities.Pts.Ouch.v1.11/" /* its OUCH is another dialect: only the login */
#define TEXT_MAX 512u
#define PACKET_MAX 1024u

static const struct { const char *name, *says; } captures[] = {
    {NASDAQ "EnterOrderMessage.pcap",
     "enter ref 113 T 225 \"CVLT    \" at 630200 tif 0 display Y capacity A iso N cross N id \"H8FUB8IV      \""
     " tag 2 = 0x4c494d45"},
    {NASDAQ "OrderAcceptedMessage.pcap",
     "answer A time 44647483486087 ref 7682701 B 40 \"ADBE    \" at 4777800 tif 5 display Y order 257340661"
     " capacity A iso N cross N state L id \"7682701       \" tag 2 = 0x4d4c524f tag 18 = 0x30"},
    {NASDAQ "CancelOrderMessage.pcap", "cancel ref 7679601 to 0"},
    {NASDAQ "CanceledMessage.pcap", "answer C time 44647483708183 ref 7682701 less 40 reason U"},
    {NASDAQ "ClientHeartbeatPacket.pcap", "heartbeat R"},
    {NASDAQ "ServerHeartbeatPacket.pcap", "heartbeat H"},
    {JNX "LoginRequestPacket.pcap", "login \"user  \" \"password  \" session \"          \" sequence 0"},
    {JNX "LoginAcceptedPacket.pcap", "accepted session \"1689192121\" sequence 135"},
};

struct text { char letters[TEXT_MAX]; uint32_t len; };

__attribute__((format(printf, 2, 3))) static void say(struct text *text, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    const int len = vsnprintf(text->letters + text->len, TEXT_MAX - text->len, format, list);
    va_end(list);
    text->len = len < 0 || (uint32_t)len >= TEXT_MAX - text->len ? TEXT_MAX - 1 : text->len + (uint32_t)len;
}

/* The elements behind the fixed part, said and appended to what was encoded of it. */
static bool append_again(const uint8_t *message, uint32_t message_len, struct text *text, uint8_t *encoded,
                         uint32_t *encoded_len)
{
    struct ouch_element element;

    for (uint32_t at = 0; ouch_element_next(message, message_len, &at, &element);) {
        const uint64_t value = ouch_element_value(&element);
        say(text, " tag %u = 0x%" PRIx64, element.tag, value);
        if (!ouch_append(encoded, encoded_len, element.tag, value))
            return false;
    }
    return true;
}

/* The client's messages. Returns the length of what was encoded, 0 = it does not decode. */
static uint32_t request_again(const uint8_t *message, uint32_t message_len, struct text *text, uint8_t *encoded)
{
    struct ouch_enter enter;
    struct ouch_cancel cancel;
    uint32_t len;

    if (ouch_decode_cancel(message, message_len, &cancel) == 0) {
        say(text, "cancel ref %u to %u", cancel.user_ref, cancel.qty);
        return ouch_encode_cancel(&cancel, encoded);
    }
    if (ouch_decode_enter(message, message_len, &enter) != 0)
        return 0;
    say(text, "enter ref %u %c %u \"%.8s\" at %" PRIu64 " tif %c display %c capacity %c iso %c cross %c id \"%.14s\"",
        enter.user_ref, enter.side, enter.qty, (const char *)&enter.symbol, enter.price, enter.tif, enter.display,
        enter.capacity, enter.iso, enter.cross, enter.cl_ord_id);
    len = ouch_encode_enter(&enter, encoded);
    return append_again(message, message_len, text, encoded, &len) ? len : 0;
}

/* The venue's. */
static uint32_t answer_again(const uint8_t *message, uint32_t message_len, struct text *text, uint8_t *encoded)
{
    struct ouch_answer answer;

    if (ouch_decode_answer(message, message_len, &answer) != 0)
        return 0;
    say(text, "answer %c time %" PRIu64 " ref %u", answer.type, answer.timestamp_ns, answer.user_ref);
    if (answer.type == OUCH_ACCEPTED)
        say(text,
            " %c %u \"%.8s\" at %" PRIu64 " tif %c display %c order %" PRIu64
            " capacity %c iso %c cross %c state %c id \"%.14s\"",
            answer.side, answer.qty, (const char *)&answer.symbol, answer.price, answer.tif, answer.display,
            answer.order_ref, answer.capacity, answer.iso, answer.cross, answer.state, answer.cl_ord_id);
    if (answer.type == OUCH_CANCELED)
        say(text, " less %u reason %c", answer.qty, answer.reason);
    uint32_t len = ouch_encode_answer(&answer, encoded);
    return append_again(message, message_len, text, encoded, &len) ? len : 0;
}

static uint32_t login_again(const struct soup_packet *packet, struct text *text, uint8_t *encoded)
{
    struct soup_login login;

    if (!soup_decode_login(packet, &login))
        return 0;
    say(text, "login \"%.6s\" \"%.10s\" session \"%.10s\" sequence %" PRIu64, login.username, login.password,
        login.session, login.sequence);
    return soup_encode_login(encoded, &login);
}

static uint32_t accepted_again(const struct soup_packet *packet, struct text *text, uint8_t *encoded)
{
    char session[SOUP_SESSION_LEN];
    uint64_t sequence;

    if (!soup_decode_accepted(packet, session, &sequence))
        return 0;
    say(text, "accepted session \"%.10s\" sequence %" PRIu64, session, sequence);
    return soup_encode_accepted(encoded, session, sequence);
}

/* Decode and encode a whole packet. Its length as encoded, 0 = it does not decode. */
static uint32_t packet_again(const struct soup_packet *packet, struct text *text, uint8_t *encoded)
{
    uint8_t *message = encoded + SOUP_HEADER_LEN;
    uint32_t message_len;

    switch (packet->type) {
    case SOUP_LOGIN:
        return login_again(packet, text, encoded);
    case SOUP_LOGIN_ACCEPTED:
        return accepted_again(packet, text, encoded);
    case SOUP_CLIENT_HEARTBEAT:
    case SOUP_SERVER_HEARTBEAT:
        say(text, "heartbeat %c", packet->type);
        return soup_encode_header(encoded, packet->type, 0);
    case SOUP_UNSEQUENCED:
        message_len = request_again(packet->payload, packet->payload_len, text, message);
        break;
    case SOUP_SEQUENCED:
        message_len = answer_again(packet->payload, packet->payload_len, text, message);
        break;
    default:
        return 0;
    }
    return message_len > 0 ? soup_encode_header(encoded, packet->type, message_len) + message_len : 0;
}

/* Payload of a TCP segment in an Ethernet frame, by the IP length: captures carry other bytes behind it. NULL: none. */
static const uint8_t *tcp_payload(const struct capture_frame *frame, uint32_t *ret_len)
{
    uint32_t at = 12;

    while (at + 2 <= frame->len && load_be16(frame->data + at) == 0x8100)
        at += 4;
    if (at + 22 > frame->len || load_be16(frame->data + at) != 0x0800)
        return NULL;
    const uint8_t *ip = frame->data + at + 2;
    const uint32_t ip_len = load_be16(ip + 2), ip_header_len = (ip[0] & 15u) * 4;
    if (ip[9] != 6 || ip_len > frame->len - at - 2 || ip_header_len + 20 > ip_len)
        return NULL;
    const uint32_t header_len = ip_header_len + (uint32_t)(ip[ip_header_len + 12] >> 4) * 4;
    if (header_len >= ip_len)
        return NULL;
    *ret_len = ip_len - header_len;
    return ip + header_len;
}

/* What is wrong with the packet at the head of a payload, NULL = nothing; it is said in any case. */
static const char *check_packet(const uint8_t *bytes, uint32_t len, const char *says, uint32_t *ret_len)
{
    static uint8_t encoded[PACKET_MAX + OUCH_APPENDAGE_MAX];
    struct soup_packet packet, cut;
    struct text text = {.len = 0};

    if (soup_parse(bytes, len, &packet) != SOUP_PACKET)
        return "no whole SoupBinTCP packet";
    *ret_len = packet.packet_len;
    if (soup_parse(bytes, packet.packet_len - 1, &cut) != SOUP_MORE)
        return "whole without its last byte";
    const uint32_t encoded_len = packet_again(&packet, &text, encoded);
    printf("  %c, %u bytes: %s\n", packet.type, packet.packet_len, text.letters);
    if (encoded_len == 0)
        return "does not decode";
    if (encoded_len != packet.packet_len || memcmp(encoded, bytes, encoded_len) != 0)
        return "other bytes when encoded again";
    return strcmp(text.letters, says) == 0 ? NULL : says;
}

static bool check_capture(const char *path, const char *says)
{
    char error[CAPTURE_ERROR_MAX];
    struct capture_frame frame;
    uint32_t packet_count = 0, len = 0, packet_len = 0;
    const char *wrong = NULL;
    struct capture *capture = capture_open(path, NULL, error);

    printf("%s\n", path);
    if (capture == NULL) {
        printf("  WRONG: %s\n", error);
        return false;
    }
    while (wrong == NULL && capture_next(capture, &frame) == CAPTURE_FRAME) {
        const uint8_t *bytes = tcp_payload(&frame, &len);
        for (uint32_t at = 0; bytes != NULL && wrong == NULL && at < len; at += packet_len, packet_count++)
            wrong = check_packet(bytes + at, len - at, says, &packet_len);
    }
    capture_close(capture);
    if (wrong == NULL && packet_count != 1)
        wrong = packet_count == 0 ? "no packet" : "more than one packet";
    if (wrong != NULL)
        printf("  WRONG: %s\n", wrong);
    return wrong == NULL;
}

int main(int argc, char **argv)
{
    const uint32_t count = sizeof(captures) / sizeof(captures[0]);
    uint32_t good_count = 0;
    char path[4096];

    if (argc != 2) {
        fprintf(stderr, "usage: orders_real SHARED\n");
        return 2;
    }
    snprintf(path, sizeof(path), "%s/data/omi_single_packets", argv[1]);
    if (access(path, F_OK) != 0) {
        printf("skipped: the real order packets are not here: %s\n", path);
        return SKIP;
    }
    for (uint32_t i = 0; i < count; i++) {
        snprintf(path, sizeof(path), "%s/data/omi_single_packets/%s", argv[1], captures[i].name);
        good_count += check_capture(path, captures[i].says);
    }
    printf("%u of %u captures\n", good_count, count);
    return good_count == count ? 0 : 1;
}
