/* Frames to a nanosecond pcap file. Contract in capture.h.
 *
 * Called by the order sink's drain (control thread), the feed generator and tests. Own writer rather than libpcap's,
 * which returns nothing from a write: a full disk has to be said, not found by whoever reads the file. */
#include "gateway/capture/capture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OUT_SNAP_LEN     262144u
#define OUT_BUFFER_BYTES (256u * 1024u)

/* draft-ietf-opsawg-pcap, sections 4 and 5; in the writer's byte order, the magic number tells which */
struct out_header {
    uint32_t magic;
    uint16_t version_major, version_minor;
    uint32_t reserved[2];
    uint32_t snap_len;
    uint32_t link_type;
};

struct out_record {
    uint32_t ts_s;
    uint32_t ts_ns;
    uint32_t captured_len;
    uint32_t original_len;
};

_Static_assert(sizeof(struct out_header) == 24 && sizeof(struct out_record) == 16, "pcap file format");

struct capture_out {
    FILE *file;
    int failed; /* -errno of the first write that failed */
};

static int last_error(void)
{
    return errno != 0 ? -errno : -EIO;
}

struct capture_out *capture_out_open(const char *path, char ret_error[CAPTURE_ERROR_MAX])
{
    struct capture_out *out = calloc(1, sizeof(*out));
    if (out == NULL) {
        snprintf(ret_error, CAPTURE_ERROR_MAX, "%s: no memory to write it", path);
        return NULL;
    }
    out->file = fopen(path, "wbe");
    if (out->file == NULL) {
        snprintf(ret_error, CAPTURE_ERROR_MAX, "%s: cannot be written: %s", path, strerror(errno));
        free(out);
        return NULL;
    }
    setvbuf(out->file, NULL, _IOFBF, OUT_BUFFER_BYTES);
    const struct out_header header = {
        .magic = 0xa1b23c4du, .version_major = 2, .version_minor = 4, .snap_len = OUT_SNAP_LEN, .link_type = 1,
    };
    errno = 0;
    /* Flushed at once: a disk that takes nothing is found now, not after an hour of capture. */
    if (fwrite(&header, sizeof(header), 1, out->file) != 1 || fflush(out->file) != 0) {
        snprintf(ret_error, CAPTURE_ERROR_MAX, "%s: cannot be written: %s", path, strerror(-last_error()));
        fclose(out->file);
        free(out);
        return NULL;
    }
    return out;
}

int capture_out_write(struct capture_out *out, uint64_t ts_ns, const void *data, uint32_t len)
{
    if (out->failed != 0)
        return out->failed;
    if (len > OUT_SNAP_LEN)
        return -EMSGSIZE;
    if (ts_ns / 1000000000u > UINT32_MAX)
        return -EOVERFLOW;
    const struct out_record record = {
        .ts_s = (uint32_t)(ts_ns / 1000000000u),
        .ts_ns = (uint32_t)(ts_ns % 1000000000u),
        .captured_len = len,
        .original_len = len,
    };
    errno = 0;
    if (fwrite(&record, sizeof(record), 1, out->file) != 1 || (len > 0 && fwrite(data, len, 1, out->file) != 1))
        out->failed = last_error();
    return out->failed;
}

int capture_out_close(struct capture_out *out)
{
    if (out == NULL)
        return 0;
    int failed = out->failed;
    errno = 0;
    if (fclose(out->file) != 0 && failed == 0)
        failed = last_error();
    free(out);
    return failed;
}
