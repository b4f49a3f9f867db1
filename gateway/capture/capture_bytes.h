/* The bytes of a capture file as a stream with a bounded look-ahead, gunzipped where they are gzip by content.
 *
 * Inside gateway/capture only: the readers of both kinds of capture sit on it. Nothing is ever sought, so pipes work.
 * Main and loader threads. */
#ifndef GATEWAY_CAPTURE_CAPTURE_BYTES_H
#define GATEWAY_CAPTURE_CAPTURE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

#define CAPTURE_BYTES_MAX  (256u * 1024u) /* look-ahead; more than the longest BinaryFILE message and its prefix */
#define CAPTURE_PACKED_MAX (64u * 1024u)  /* gzip: bytes of the file not yet unpacked */

struct capture_bytes {
    int fd;
    bool packed;       /* gzip */
    bool file_ended;   /* read(2) has nothing more */
    bool member_open;  /* inside a gzip member: the file must not end here */
    z_stream inflater; /* packed only; its input is `input` */
    uint64_t offset;   /* of `pos` in the (unpacked) stream */
    uint32_t pos, end; /* not yet consumed: data[pos, end) */
    bool ended;        /* nothing behind data[end): end of file, or `damage` says why */
    char damage[160];  /* read or gzip error, without the file's name; "" = none */
    uint8_t data[CAPTURE_BYTES_MAX];
    uint8_t input[CAPTURE_PACKED_MAX];
};

/* 0, or -errno. Close it in either case. */
int capture_bytes_open(struct capture_bytes *bytes, const char *path);
void capture_bytes_close(struct capture_bytes *bytes);

/* At least `want` bytes (at most CAPTURE_BYTES_MAX) from the current position on, or all that are left. Returns how
 * many stand at *ret_data; they stay until the next call. */
uint32_t capture_bytes_peek(struct capture_bytes *bytes, uint32_t want, const uint8_t **ret_data);
/* Go on by `len` bytes that the last peek has shown. */
void capture_bytes_skip(struct capture_bytes *bytes, uint32_t len);

#endif
