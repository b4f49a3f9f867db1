/* Opening a capture, telling its kind by its content, counting its frames, and the headers that a wrapped message gets.
 * Contract in capture.h.
 *
 * Called by replay's loader, `tickgate inspect`, the feed generator and tests, on cold threads. Names of files decide
 * nothing: captures called .pcap are pcapng often enough. */
#include "gateway/capture/capture_kind.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "feed/wire.h"
#include "ring/check.h"

#define DETECT_BYTES 4096u

static const struct capture_wrap default_wrap = {
    .group = 0xe9360c6fu, /* 233.54.12.111 */
    .source = 0x0a000001u,
    .udp_port = 26477,
    .midnight_ns = 0,
    .session = {'R', 'E', 'P', 'L', 'A', 'Y', ' ', ' ', ' ', ' '},
    .first_seq = 1,
};

static bool open_kind(struct capture *capture, char ret_error[CAPTURE_ERROR_MAX])
{
    const uint8_t *data;
    const uint32_t len = capture_bytes_peek(&capture->bytes, DETECT_BYTES, &data);
    if (capture_pcap_detect(data, len)) {
        capture->kind = CAPTURE_KIND_PCAP;
        return capture_pcap_begin(capture, ret_error);
    }
    if (capture_itch_detect(data, len)) {
        capture->kind = CAPTURE_KIND_BINARYFILE;
        return true;
    }
    if (capture->bytes.damage[0] != '\0')
        snprintf(ret_error, CAPTURE_ERROR_MAX, "%s: %s", capture->path, capture->bytes.damage);
    else if (len == 0)
        snprintf(ret_error, CAPTURE_ERROR_MAX, "%s: the file is empty", capture->path);
    else if (len < 4)
        snprintf(ret_error, CAPTURE_ERROR_MAX, "%s: not a capture: the file has only %u bytes", capture->path, len);
    else
        snprintf(ret_error, CAPTURE_ERROR_MAX,
                 "%s: not a capture: neither pcap nor pcapng nor a Nasdaq ITCH 5.0 BinaryFILE, plain or gzipped "
                 "(it begins with %02x %02x %02x %02x)",
                 capture->path, data[0], data[1], data[2], data[3]);
    return false;
}

struct capture *capture_open(const char *path, const struct capture_wrap *wrap, char ret_error[CAPTURE_ERROR_MAX])
{
    struct capture *capture = malloc(sizeof(*capture));
    if (capture == NULL) {
        snprintf(ret_error, CAPTURE_ERROR_MAX, "%s: no memory to read it", path);
        return NULL;
    }
    memset(capture, 0, offsetof(struct capture, bytes));
    capture->bytes.fd = -1;
    capture->bytes.packed = false;
    capture->ended = CAPTURE_FRAME;
    capture->wrap = wrap != NULL ? *wrap : default_wrap;
    capture->path = strdup(path);
    const int failed = capture->path == NULL ? -ENOMEM : capture_bytes_open(&capture->bytes, path);
    if (failed != 0)
        snprintf(ret_error, CAPTURE_ERROR_MAX, "%s: %s", path, strerror(-failed));
    if (failed != 0 || !open_kind(capture, ret_error)) {
        capture_close(capture);
        return NULL;
    }
    return capture;
}

void capture_close(struct capture *capture)
{
    if (capture == NULL)
        return;
    if (capture->pcap != NULL)
        pcap_close(capture->pcap);
    capture_bytes_close(&capture->bytes);
    free(capture->path);
    free(capture);
}

enum capture_status capture_next(struct capture *capture, struct capture_frame *ret_frame)
{
    if (capture->ended != CAPTURE_FRAME)
        return capture->ended;
    struct capture_frame frame;
    const enum capture_status status = capture->kind == CAPTURE_KIND_PCAP ? capture_pcap_next(capture, &frame)
                                                                          : capture_itch_next(capture, &frame);
    if (status != CAPTURE_FRAME) {
        capture->ended = status;
        return status;
    }
    if (capture->counters.frame_count > 0 && frame.ts_ns < capture->last_ts_ns)
        capture->counters.backwards_count++;
    capture->last_ts_ns = frame.ts_ns;
    capture->counters.frame_count++;
    *ret_frame = frame;
    return CAPTURE_FRAME;
}

enum capture_status capture_break(struct capture *capture, const char *format, ...)
{
    int len = snprintf(capture->error, sizeof(capture->error), "%s: ", capture->path);
    /* A path as long as the sentence leaves no room: keep its beginning and the sentence. */
    if (len < 0 || (size_t)len > sizeof(capture->error) / 2)
        len = snprintf(capture->error, sizeof(capture->error), "%.200s...: ", capture->path);
    va_list args;
    va_start(args, format);
    vsnprintf(capture->error + len, sizeof(capture->error) - (size_t)len, format, args);
    va_end(args);
    return CAPTURE_BROKEN;
}

const char *capture_error(const struct capture *capture)
{
    return capture->error;
}

const struct capture_counters *capture_counters(const struct capture *capture)
{
    return &capture->counters;
}

bool capture_is_binaryfile(const struct capture *capture)
{
    return capture->kind == CAPTURE_KIND_BINARYFILE;
}

bool capture_is_compressed(const struct capture *capture)
{
    return capture->bytes.packed;
}

/* RFC 1071: sum of big-endian words, an odd last byte is the high half of a word. */
static uint32_t add_words(uint32_t sum, const uint8_t *bytes, uint32_t len)
{
    for (; len >= 2; bytes += 2, len -= 2)
        sum += load_be16(bytes);
    return len == 1 ? sum + (uint32_t)(bytes[0] << 8) : sum;
}

static uint16_t fold(uint32_t sum)
{
    sum = (sum & 0xffffu) + (sum >> 16);
    sum = (sum & 0xffffu) + (sum >> 16);
    return (uint16_t)~sum;
}

static void encode_mac(uint8_t *ret_mac, uint32_t ip)
{
    if (ip >> 28 == 0xe) { /* RFC 1112 section 6.4: the low 23 bits of the group */
        const uint8_t multicast[3] = {0x01, 0x00, 0x5e};
        memcpy(ret_mac, multicast, 3);
        ret_mac[3] = (uint8_t)(ip >> 16 & 0x7f);
        store_be16(ret_mac + 4, (uint16_t)ip);
    } else {
        store_be16(ret_mac, 0x0200);
        store_be32(ret_mac + 2, ip);
    }
}

uint32_t capture_encode_udp(uint8_t *ret_frame, uint32_t dst_ip, uint16_t dst_port, uint32_t src_ip, uint16_t src_port,
                            uint32_t payload_len)
{
    DCHECK(payload_len <= CAPTURE_FRAME_MAX - CAPTURE_HEADERS_LEN);
    encode_mac(ret_frame, dst_ip);
    encode_mac(ret_frame + 6, src_ip);
    store_be16(ret_frame + 12, 0x0800);

    uint8_t *ip = ret_frame + 14;
    const uint16_t udp_len = (uint16_t)(8 + payload_len);
    ip[0] = 0x45;
    ip[1] = 0;
    store_be16(ip + 2, (uint16_t)(20 + udp_len));
    store_be16(ip + 4, 0);
    store_be16(ip + 6, 0x4000); /* feeds set DF */
    ip[8] = 32;
    ip[9] = 17;
    store_be16(ip + 10, 0);
    store_be32(ip + 12, src_ip);
    store_be32(ip + 16, dst_ip);
    store_be16(ip + 10, fold(add_words(0, ip, 20)));

    uint8_t *udp = ip + 20;
    store_be16(udp, src_port);
    store_be16(udp + 2, dst_port);
    store_be16(udp + 4, udp_len);
    store_be16(udp + 6, 0);
    /* RFC 768: over the pseudo header too; 0 on the wire would mean "none". */
    const uint16_t checksum = fold(add_words(add_words(17u + udp_len, ip + 12, 8), udp, udp_len));
    store_be16(udp + 6, checksum != 0 ? checksum : 0xffff);
    return CAPTURE_HEADERS_LEN + payload_len;
}
