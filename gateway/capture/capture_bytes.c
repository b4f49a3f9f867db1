/* File to bytes, through zlib's inflate where the file begins as gzip does. Contract in capture_bytes.h.
 *
 * Called by the two readers beside it. A file that ends inside its gzip stream, or fails its checksum, gives all bytes
 * up to there and then `damage`. zlib's gzread would do neither: it hides a cut file and drops what it had unpacked
 * before it met damaged data. */
#include "gateway/capture/capture_bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ring/check.h"

#define GZIP_ONLY_WINDOW (15 + 16) /* inflateInit2: 32 KiB window, gzip header and checksum */

static void note_damage(struct capture_bytes *bytes, const char *what)
{
    snprintf(bytes->damage, sizeof(bytes->damage), "%s", what);
    bytes->ended = true;
}

/* read(2) into ret_data; 0 at the end of the file and after an error, which is noted. */
static uint32_t read_file(struct capture_bytes *bytes, uint8_t *ret_data, uint32_t room)
{
    ssize_t len;
    do
        len = read(bytes->fd, ret_data, room);
    while (len < 0 && errno == EINTR);
    if (len > 0)
        return (uint32_t)len;
    bytes->file_ended = true;
    if (len < 0) {
        char text[128];
        snprintf(text, sizeof(text), "reading failed: %s", strerror(errno));
        note_damage(bytes, text);
    }
    return 0;
}

int capture_bytes_open(struct capture_bytes *bytes, const char *path)
{
    memset(bytes, 0, offsetof(struct capture_bytes, data));
    bytes->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (bytes->fd < 0)
        return -errno;
    struct stat status;
    if (fstat(bytes->fd, &status) == 0 && S_ISDIR(status.st_mode))
        return -EISDIR;

    /* Two bytes tell gzip (RFC 1952 section 2.3.1); a pipe may give them one by one. */
    while (bytes->end < 2 && !bytes->file_ended)
        bytes->end += read_file(bytes, bytes->data + bytes->end, CAPTURE_PACKED_MAX - bytes->end);
    if (bytes->end < 2 || bytes->data[0] != 0x1f || bytes->data[1] != 0x8b)
        return 0;
    if (inflateInit2(&bytes->inflater, GZIP_ONLY_WINDOW) != Z_OK)
        return -ENOMEM;
    memcpy(bytes->input, bytes->data, bytes->end);
    bytes->inflater.next_in = bytes->input;
    bytes->inflater.avail_in = bytes->end;
    bytes->end = 0;
    bytes->packed = true;
    bytes->member_open = true;
    return 0;
}

void capture_bytes_close(struct capture_bytes *bytes)
{
    if (bytes->packed)
        inflateEnd(&bytes->inflater);
    bytes->packed = false;
    if (bytes->fd >= 0)
        close(bytes->fd);
    bytes->fd = -1;
}

/* A member has ended: does another one follow? gzip files are concatenated, and padded with what means nothing. */
static void next_member(struct capture_bytes *bytes)
{
    z_stream *inflater = &bytes->inflater;
    while (inflater->avail_in < 2 && !bytes->file_ended) {
        memmove(bytes->input, inflater->next_in, inflater->avail_in);
        inflater->next_in = bytes->input;
        const uint32_t used = inflater->avail_in;
        inflater->avail_in += read_file(bytes, bytes->input + used, CAPTURE_PACKED_MAX - used);
    }
    bytes->member_open = inflater->avail_in >= 2 && inflater->next_in[0] == 0x1f && inflater->next_in[1] == 0x8b;
    if (bytes->member_open)
        inflateReset(inflater);
    else
        bytes->ended = true;
}

/* Unpack once; may give nothing. */
static void unpack(struct capture_bytes *bytes)
{
    z_stream *inflater = &bytes->inflater;
    if (inflater->avail_in == 0) {
        inflater->next_in = bytes->input;
        inflater->avail_in = read_file(bytes, bytes->input, CAPTURE_PACKED_MAX);
        if (inflater->avail_in == 0) {
            if (!bytes->ended)
                note_damage(bytes, "the gzip stream ends early: the file is cut");
            return;
        }
    }
    inflater->next_out = bytes->data + bytes->end;
    inflater->avail_out = CAPTURE_BYTES_MAX - bytes->end;
    const int status = inflate(inflater, Z_NO_FLUSH);
    bytes->end = CAPTURE_BYTES_MAX - inflater->avail_out;
    if (status == Z_STREAM_END)
        next_member(bytes);
    else if (status != Z_OK && status != Z_BUF_ERROR)
        note_damage(bytes, status == Z_MEM_ERROR ? "no memory to unpack it" : "the gzip stream is damaged");
}

uint32_t capture_bytes_peek(struct capture_bytes *bytes, uint32_t want, const uint8_t **ret_data)
{
    DCHECK(want <= CAPTURE_BYTES_MAX);
    if (bytes->end - bytes->pos < want && !bytes->ended) {
        memmove(bytes->data, bytes->data + bytes->pos, bytes->end - bytes->pos);
        bytes->end -= bytes->pos;
        bytes->pos = 0;
        while (bytes->end < want && !bytes->ended) {
            if (bytes->packed) {
                unpack(bytes);
            } else {
                const uint32_t len = read_file(bytes, bytes->data + bytes->end, CAPTURE_BYTES_MAX - bytes->end);
                bytes->end += len;
                bytes->ended = bytes->ended || len == 0;
            }
        }
    }
    *ret_data = bytes->data + bytes->pos;
    return bytes->end - bytes->pos;
}

void capture_bytes_skip(struct capture_bytes *bytes, uint32_t len)
{
    DCHECK(len <= bytes->end - bytes->pos);
    bytes->pos += len;
    bytes->offset += len;
}
