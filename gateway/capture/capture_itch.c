/* Nasdaq BinaryFILE: {length, message} repeated, wrapped in MoldUDP64 frames as a venue would have sent them. Contract
 * in capture.h.
 *
 * Called by capture.c. "BinaryFILE" (Nasdaq, sample files *.NASDAQ_ITCH50): big-endian u16 length, message; a length of
 * 0 ends the file. Files in the wild end without the mark, or inside a message, and some writers put 0 before every
 * message: a 0 with anything behind it is damage, since nobody can say where the next message begins. */
#include "gateway/capture/capture_kind.h"

#include <stdio.h>
#include <string.h>

#include "feed/itch.h"
#include "feed/mold.h"
#include "feed/wire.h"

#define PREFIX_LEN        2u
#define PAYLOAD_MAX       1400u /* of a datagram that holds more than one message */
#define BLOCKS_AT         (CAPTURE_HEADERS_LEN + MOLD_HEADER_LEN)
#define MESSAGE_MAX       (CAPTURE_FRAME_MAX - BLOCKS_AT - PREFIX_LEN)
#define DETECT_MESSAGES   8u
#define DETECT_EXCESS_MAX 64u /* venues append fields to messages; a first message longer than this is something else */

bool capture_itch_detect(const uint8_t *data, uint32_t len)
{
    if (len == PREFIX_LEN && load_be16(data) == 0)
        return true; /* only the end mark: no messages */
    /* The first message of the chain that is one of ITCH 5.0 decides. */
    for (uint32_t i = 0, at = 0; i < DETECT_MESSAGES && len - at > PREFIX_LEN; i++) {
        const uint32_t message_len = load_be16(data + at);
        const uint32_t itch_len = itch_length(data[at + PREFIX_LEN]);
        if (itch_len != 0 && (message_len == 0 || message_len - itch_len <= DETECT_EXCESS_MAX))
            return true;
        if (message_len == 0 || message_len > ITCH_LENGTH_MAX + DETECT_EXCESS_MAX ||
            message_len > len - at - PREFIX_LEN)
            return false;
        at += PREFIX_LEN + message_len;
    }
    return false;
}

static enum capture_status end_of_file(struct capture *capture, uint32_t left_len, uint32_t message_len)
{
    struct capture_counters *counters = &capture->counters;
    counters->left_over_len = left_len;
    const char *damage = capture->bytes.damage;
    if (damage[0] != '\0')
        return capture_break(capture, "%s, after message %llu", damage, (unsigned long long)counters->message_count);
    if (left_len == 0)
        return CAPTURE_END;
    if (left_len < PREFIX_LEN)
        return capture_break(capture, "the file is cut: %u byte is left over after message %llu", left_len,
                             (unsigned long long)counters->message_count);
    return capture_break(capture, "the file is cut: %u bytes are left over after message %llu, of one of %u",
                         left_len, (unsigned long long)counters->message_count, message_len + PREFIX_LEN);
}

/* The next whole message, not yet consumed. CAPTURE_FRAME: it is there. */
static enum capture_status peek_message(struct capture *capture, const uint8_t **ret_message, uint32_t *ret_message_len)
{
    struct capture_counters *counters = &capture->counters;
    const uint8_t *data;
    uint32_t len = capture_bytes_peek(&capture->bytes, PREFIX_LEN, &data);
    if (len < PREFIX_LEN)
        return end_of_file(capture, len, 0);
    const uint32_t message_len = load_be16(data);
    const unsigned long long offset = capture->bytes.offset;
    if (message_len == 0) {
        len = capture_bytes_peek(&capture->bytes, PREFIX_LEN + 1, &data);
        if (len == PREFIX_LEN)
            return end_of_file(capture, 0, 0); /* the end mark */
        counters->zero_length_count++;
        return capture_break(capture,
                             "not a valid BinaryFILE: the length prefix at byte %llu is 0 and the file goes on behind "
                             "it, so where the next message begins is unknown (%llu messages before it)",
                             offset, (unsigned long long)counters->message_count);
    }
    if (message_len > MESSAGE_MAX)
        return capture_break(capture,
                             "not a valid BinaryFILE: the length prefix at byte %llu is %u, longer than any message "
                             "(%llu messages before it)",
                             offset, message_len, (unsigned long long)counters->message_count);
    len = capture_bytes_peek(&capture->bytes, PREFIX_LEN + message_len, &data);
    if (len < PREFIX_LEN + message_len)
        return end_of_file(capture, len, message_len);
    *ret_message = data + PREFIX_LEN;
    *ret_message_len = message_len;
    return CAPTURE_FRAME;
}

/* Time of a message since midnight; one too short to have any comes at the time of the message before it. */
static uint64_t message_time(const struct capture *capture, const uint8_t *message, uint32_t message_len)
{
    return message_len >= ITCH_PREFIX_LEN ? load_be48(message + 5) : capture->message_ns;
}

enum capture_status capture_itch_next(struct capture *capture, struct capture_frame *ret_frame)
{
    const uint64_t first_seq = capture->wrap.first_seq + capture->counters.message_count;
    uint32_t payload_len = MOLD_HEADER_LEN;
    uint16_t count = 0;

    for (;;) {
        const uint8_t *message = NULL;
        uint32_t message_len = 0;
        const enum capture_status status = peek_message(capture, &message, &message_len);
        if (status != CAPTURE_FRAME) {
            if (count == 0)
                return status;
            capture->ended = status; /* these messages first; the next call says what came then */
            break;
        }
        const uint64_t message_ns = message_time(capture, message, message_len);
        if (count > 0 &&
            (message_ns != capture->message_ns || payload_len + PREFIX_LEN + message_len > PAYLOAD_MAX))
            break;
        /* Prefix and message are a MoldUDP64 block as they stand. */
        memcpy(capture->frame + CAPTURE_HEADERS_LEN + payload_len, message - PREFIX_LEN, PREFIX_LEN + message_len);
        payload_len += PREFIX_LEN + message_len;
        capture->message_ns = message_ns;
        capture->counters.message_count++;
        capture_bytes_skip(&capture->bytes, PREFIX_LEN + message_len);
        count++;
    }

    const struct capture_wrap *wrap = &capture->wrap;
    mold_encode_header(capture->frame + CAPTURE_HEADERS_LEN, wrap->session, first_seq, count);
    ret_frame->len = capture_encode_udp(capture->frame, wrap->group, wrap->udp_port, wrap->source, wrap->udp_port,
                                        payload_len);
    ret_frame->data = capture->frame;
    ret_frame->ts_ns = wrap->midnight_ns + capture->message_ns;
    return CAPTURE_FRAME;
}
