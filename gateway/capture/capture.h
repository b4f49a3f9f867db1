/* Captures as a stream of frames: pcap and pcapng (micro- and nanoseconds) through libpcap, Nasdaq BinaryFILE (.itch)
 * wrapped in MoldUDP64 frames on the fly, each also gzipped. Reads in bounded memory. Main and loader threads; never a
 * hot lcore. */
#ifndef GATEWAY_CAPTURE_CAPTURE_H
#define GATEWAY_CAPTURE_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CAPTURE_FRAME_MAX 9234u  /* longest frame delivered: 9216 and tags; longer ones are cut and counted */
#define CAPTURE_ERROR_MAX 512u

struct capture_frame {
    uint64_t ts_ns;       /* capture time, ns since the UTC epoch */
    const uint8_t *data;  /* valid until the next call on this capture */
    uint32_t len;         /* bytes captured, at most CAPTURE_FRAME_MAX */
};

/* How the messages of a BinaryFILE are wrapped. `midnight_ns` is added to their times; messages go into one datagram as
 * long as their timestamps are equal and they fit, as a venue would send them. */
struct capture_wrap {
    uint32_t group;       /* host byte order */
    uint32_t source;
    uint16_t udp_port;
    uint64_t midnight_ns;
    char session[10];
    uint64_t first_seq;   /* of the first message of the file, usually 1 */
};

enum capture_status { CAPTURE_FRAME = 1, CAPTURE_END = 0, CAPTURE_BROKEN = -1 };

struct capture_counters {
    uint64_t frame_count;
    uint64_t cut_count;        /* frames longer than CAPTURE_FRAME_MAX or cut by the snap length */
    uint64_t message_count;    /* BinaryFILE: messages wrapped */
    uint64_t left_over_len;    /* BinaryFILE: bytes behind the last whole message */
    uint64_t zero_length_count; /* BinaryFILE: zero length prefixes that were not the end marker */
    uint64_t backwards_count;  /* frames older than their predecessor */
};

struct capture;

/* What `wrap` is for a feed is up to the caller; only BinaryFILE captures use it. NULL: a default (group 233.54.12.111,
 * port 26477, source 10.0.0.1, session "REPLAY    ", midnight 0, sequence 1). On failure NULL, and one sentence in
 * ret_error: no such file, not a capture, link type not Ethernet ... */
struct capture *capture_open(const char *path, const struct capture_wrap *wrap, char ret_error[CAPTURE_ERROR_MAX]);
void capture_close(struct capture *capture);

/* Next frame. CAPTURE_BROKEN: the file is damaged here; capture_error says how; what came before was good. */
enum capture_status capture_next(struct capture *capture, struct capture_frame *ret_frame);
/* One sentence that names the file; "" unless capture_next has returned CAPTURE_BROKEN. */
const char *capture_error(const struct capture *capture);
const struct capture_counters *capture_counters(const struct capture *capture);
bool capture_is_binaryfile(const struct capture *capture);
bool capture_is_compressed(const struct capture *capture);

/* Ethernet, IPv4 and UDP headers, CAPTURE_HEADERS_LEN bytes with right checksums, in front of a payload of
 * `payload_len` bytes (at most CAPTURE_FRAME_MAX - CAPTURE_HEADERS_LEN) that stands already at ret_frame +
 * CAPTURE_HEADERS_LEN; returns the length of the frame. Addresses in host byte order; a multicast destination gets its
 * multicast MAC (RFC 1112), any other a locally administered one. For wrapping, the feed generator and tests. */
#define CAPTURE_HEADERS_LEN 42u
uint32_t capture_encode_udp(uint8_t *ret_frame, uint32_t dst_ip, uint16_t dst_port, uint32_t src_ip, uint16_t src_port,
                            uint32_t payload_len);

/* Several captures merged by timestamp (a frame that is older than its predecessor in its own file keeps its place in
 * that file; equal times: the order of the captures). Takes no ownership. */
#define CAPTURE_MERGE_MAX 16u
struct capture_merge {
    struct capture *capture[CAPTURE_MERGE_MAX];
    struct capture_frame frame[CAPTURE_MERGE_MAX];
    bool ready[CAPTURE_MERGE_MAX];
    bool ended[CAPTURE_MERGE_MAX];
    uint32_t count;
    uint32_t last;       /* capture that gave the last frame, count = none */
    uint32_t broken_count; /* captures that ended damaged */
};
void capture_merge_init(struct capture_merge *merge, struct capture *const *captures, uint32_t count);
/* CAPTURE_FRAME or CAPTURE_END; a damaged capture counts as ended there, in broken_count. */
enum capture_status capture_merge_next(struct capture_merge *merge, struct capture_frame *ret_frame);

/* Writing: nanosecond pcap, Ethernet. */
struct capture_out;
struct capture_out *capture_out_open(const char *path, char ret_error[CAPTURE_ERROR_MAX]);
/* 0, or -errno of a failed write (disk full ...); after a failure every later write fails alike, so that no half record
 * is followed by others. -EMSGSIZE: longer than 262,144 bytes; -EOVERFLOW: a time after 2106, which the format has no
 * room for. */
int capture_out_write(struct capture_out *out, uint64_t ts_ns, const void *data, uint32_t len);
/* 0, or -errno of the first write that failed, the last flush included. `out` is gone in any case; NULL is legal. */
int capture_out_close(struct capture_out *out);

#endif
