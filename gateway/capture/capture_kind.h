/* struct capture and the seam between its readers: capture.c opens and dispatches, capture_pcap.c and capture_itch.c
 * read. Inside gateway/capture only. */
#ifndef GATEWAY_CAPTURE_CAPTURE_KIND_H
#define GATEWAY_CAPTURE_CAPTURE_KIND_H

#include "gateway/capture/capture.h"
#include "gateway/capture/capture_bytes.h"

#include <pcap/pcap.h>

enum capture_kind { CAPTURE_KIND_NONE = 0, CAPTURE_KIND_PCAP, CAPTURE_KIND_BINARYFILE };

struct capture {
    enum capture_kind kind;
    enum capture_status ended; /* CAPTURE_FRAME while there may be more; then what capture_next keeps returning */
    char *path;
    pcap_t *pcap;              /* CAPTURE_KIND_PCAP */
    struct capture_wrap wrap;  /* CAPTURE_KIND_BINARYFILE */
    uint64_t message_ns;       /* BinaryFILE: time of the last message, since midnight */
    uint64_t last_ts_ns;       /* of the last frame */
    struct capture_counters counters;
    char error[CAPTURE_ERROR_MAX];
    struct capture_bytes bytes;
    uint8_t frame[CAPTURE_FRAME_MAX]; /* BinaryFILE: the frame being put together */
};

/* What the first bytes of a file say; `len` of them, the whole file if it is shorter than a few messages. */
bool capture_pcap_detect(const uint8_t *data, uint32_t len);
bool capture_itch_detect(const uint8_t *data, uint32_t len);

/* Go on with libpcap over capture->bytes; false, with a sentence in ret_error, if it refuses. */
bool capture_pcap_begin(struct capture *capture, char ret_error[CAPTURE_ERROR_MAX]);

enum capture_status capture_pcap_next(struct capture *capture, struct capture_frame *ret_frame);
enum capture_status capture_itch_next(struct capture *capture, struct capture_frame *ret_frame);

/* The capture is damaged at this point: keep the sentence, "PATH: ..." in front. Returns CAPTURE_BROKEN. */
enum capture_status capture_break(struct capture *capture, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
