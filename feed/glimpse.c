/* GLIMPSE 5.0 client. Contract in glimpse.h.
 *
 * "GLIMPSE 5.0" (Nasdaq) over SoupBinTCP 3.00: log in, take the snapshot's messages, log out at its end. Called by
 * the control thread for each feed that takes a snapshot, and by the campaign. Does not look into ITCH messages: all
 * but the end of snapshot are passed on. */
#include "feed/glimpse.h"

#include "ring/check.h"

#include <stddef.h>
#include <string.h>

void glimpse_begin(struct glimpse *glimpse, const struct glimpse_params *params, uint64_t now_ns)
{
    memset(glimpse, 0, offsetof(struct glimpse, buffer));
    glimpse->params = *params;
    glimpse->params.login.sequence = 1; /* the whole snapshot */
    glimpse->taken_ns = glimpse->sent_ns = now_ns;
}

/* What is to be said now, as SoupBinTCP type; 0 = nothing. */
static uint8_t due(const struct glimpse *glimpse, uint64_t now_ns)
{
    if (glimpse->verdict == GLIMPSE_END)
        return glimpse->logout_sent ? 0 : SOUP_LOGOUT;
    if (glimpse->verdict != GLIMPSE_MORE || glimpse->closed)
        return 0;
    if (!glimpse->login_sent)
        return SOUP_LOGIN;
    return now_ns - glimpse->sent_ns >= SOUP_HEARTBEAT_NS ? SOUP_CLIENT_HEARTBEAT : 0;
}

uint32_t glimpse_send(struct glimpse *glimpse, uint64_t now_ns, uint8_t *ret_bytes, uint32_t bytes_max)
{
    const uint8_t type = due(glimpse, now_ns);

    if (type == 0 || bytes_max < (type == SOUP_LOGIN ? SOUP_LOGIN_LEN : SOUP_HEADER_LEN))
        return 0;
    glimpse->sent_ns = now_ns;
    glimpse->login_sent = true;
    glimpse->logout_sent = type == SOUP_LOGOUT;
    if (type == SOUP_LOGIN)
        return soup_encode_login(ret_bytes, &glimpse->params.login);
    return soup_encode_header(ret_bytes, type, 0);
}

uint32_t glimpse_room(const struct glimpse *glimpse)
{
    return GLIMPSE_BUFFER_BYTES - (glimpse->tail - glimpse->head);
}

void glimpse_receive(struct glimpse *glimpse, const uint8_t *bytes, uint32_t len)
{
    DCHECK(len <= glimpse_room(glimpse));
    if (glimpse->verdict != GLIMPSE_MORE || len == 0)
        return;
    if (len > GLIMPSE_BUFFER_BYTES - glimpse->tail) {
        memmove(glimpse->buffer, glimpse->buffer + glimpse->head, glimpse->tail - glimpse->head);
        glimpse->tail -= glimpse->head;
        glimpse->head = 0;
    }
    memcpy(glimpse->buffer + glimpse->tail, bytes, len);
    glimpse->tail += len;
}

void glimpse_closed(struct glimpse *glimpse)
{
    glimpse->closed = true;
}

static enum glimpse_verdict take_accepted(struct glimpse *glimpse, const struct soup_packet *packet)
{
    uint64_t sequence;

    /* A snapshot that begins later than its first message makes a book that lacks what came before. */
    if (glimpse->accepted || !soup_decode_accepted(packet, glimpse->session, &sequence) || sequence != 1)
        return GLIMPSE_BAD;
    glimpse->accepted = true;
    return GLIMPSE_MORE;
}

static enum glimpse_verdict take_sequenced(struct glimpse *glimpse, const struct soup_packet *packet)
{
    uint64_t end_seq;

    if (!glimpse->accepted)
        return GLIMPSE_BAD;
    if (packet->payload_len == 0 || packet->payload[0] != GLIMPSE_END_TYPE) {
        glimpse->message_count++;
        return GLIMPSE_MESSAGE;
    }
    /* MoldUDP64 counts from 1: there is nothing that could go on from 0. */
    if (packet->payload_len != GLIMPSE_END_LEN || !soup_number(packet->payload + 1, SOUP_SEQUENCE_LEN, &end_seq) ||
        end_seq == 0)
        return GLIMPSE_BAD;
    glimpse->end_seq = end_seq;
    return GLIMPSE_END;
}

static enum glimpse_verdict take(struct glimpse *glimpse, const struct soup_packet *packet)
{
    switch (packet->type) {
    case SOUP_LOGIN_ACCEPTED:
        return take_accepted(glimpse, packet);
    case SOUP_LOGIN_REJECTED:
        return GLIMPSE_REJECTED;
    case SOUP_SEQUENCED:
        return take_sequenced(glimpse, packet);
    case SOUP_END:
        return GLIMPSE_BROKEN;
    default: /* heartbeats, debug text, and what a later version may add */
        return GLIMPSE_MORE;
    }
}

/* What the bytes in the buffer say: GLIMPSE_MORE when they are used up. */
static enum glimpse_verdict parse_next(struct glimpse *glimpse, uint64_t now_ns, struct soup_packet *ret_packet)
{
    enum soup_verdict framing;

    while ((framing = soup_parse(glimpse->buffer + glimpse->head, glimpse->tail - glimpse->head, ret_packet)) ==
           SOUP_PACKET) {
        glimpse->head += ret_packet->packet_len;
        if (ret_packet->type == SOUP_LOGIN_ACCEPTED || ret_packet->type == SOUP_SEQUENCED)
            glimpse->taken_ns = now_ns;
        const enum glimpse_verdict verdict = take(glimpse, ret_packet);
        if (verdict != GLIMPSE_MORE)
            return verdict;
    }
    return framing == SOUP_BAD ? GLIMPSE_BAD : GLIMPSE_MORE;
}

enum glimpse_verdict glimpse_next(struct glimpse *glimpse, uint64_t now_ns, const uint8_t **ret_message,
                                  uint32_t *ret_message_len)
{
    struct soup_packet packet;

    if (glimpse->verdict != GLIMPSE_MORE)
        return glimpse->verdict;
    enum glimpse_verdict verdict = parse_next(glimpse, now_ns, &packet);
    if (verdict == GLIMPSE_MESSAGE) {
        *ret_message = packet.payload;
        *ret_message_len = packet.payload_len;
        return GLIMPSE_MESSAGE;
    }
    if (verdict == GLIMPSE_MORE && glimpse->closed)
        verdict = GLIMPSE_BROKEN;
    else if (verdict == GLIMPSE_MORE && now_ns - glimpse->taken_ns >= glimpse->params.timeout_ns)
        verdict = GLIMPSE_TIMEOUT;
    glimpse->verdict = (uint8_t)verdict;
    return verdict;
}

uint64_t glimpse_end_seq(const struct glimpse *glimpse)
{
    return glimpse->end_seq;
}

const char *glimpse_verdict_name(enum glimpse_verdict verdict)
{
    static const char *const names[GLIMPSE_VERDICT_COUNT] = {
        [GLIMPSE_MORE] = "more",         [GLIMPSE_MESSAGE] = "message", [GLIMPSE_END] = "end",
        [GLIMPSE_REJECTED] = "rejected", [GLIMPSE_BROKEN] = "broken",   [GLIMPSE_TIMEOUT] = "timeout",
        [GLIMPSE_BAD] = "bad",
    };
    return (unsigned)verdict < GLIMPSE_VERDICT_COUNT ? names[verdict] : "unknown";
}

uint32_t glimpse_encode_end(uint8_t ret_message[GLIMPSE_END_LEN], uint64_t seq)
{
    ret_message[0] = GLIMPSE_END_TYPE;
    soup_encode_number(ret_message + 1, seq);
    return GLIMPSE_END_LEN;
}
