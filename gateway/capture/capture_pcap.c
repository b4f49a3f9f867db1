/* pcap and pcapng through libpcap, times in nanoseconds whatever the file has. Contract in capture_kind.h.
 *
 * Called by capture.c. libpcap reads from our byte stream, so that gzipped captures and pipes need nothing else. Frames
 * are Ethernet: with any other link type the file is refused when it is opened. */
#include "gateway/capture/capture_kind.h"

#include <stdio.h>
#include <string.h>

#include "feed/wire.h"

bool capture_pcap_detect(const uint8_t *data, uint32_t len)
{
    if (len < 4)
        return false;
    switch (load_be32(data)) {
    case 0x0a0d0d0au: /* pcapng section header block */
    case 0xa1b2c3d4u: /* microseconds, big endian and little endian */
    case 0xd4c3b2a1u:
    case 0xa1b23c4du: /* nanoseconds */
    case 0x4d3cb2a1u:
    case 0xa1b2cd34u: /* Kuznetzov's patched format, which libpcap reads too */
    case 0x34cdb2a1u:
        return true;
    default:
        return false;
    }
}

static ssize_t read_bytes(void *cookie, char *ret_data, size_t want)
{
    struct capture_bytes *bytes = cookie;
    const uint8_t *data;
    const uint32_t available = capture_bytes_peek(bytes, want < 4096 ? (uint32_t)want : 4096, &data);
    const uint32_t len = available < want ? available : (uint32_t)want;
    memcpy(ret_data, data, len);
    capture_bytes_skip(bytes, len);
    return (ssize_t)len;
}

bool capture_pcap_begin(struct capture *capture, char ret_error[CAPTURE_ERROR_MAX])
{
    FILE *file = fopencookie(&capture->bytes, "rb", (cookie_io_functions_t){.read = read_bytes});
    if (file == NULL) {
        snprintf(ret_error, CAPTURE_ERROR_MAX, "%s: no memory to read it", capture->path);
        return false;
    }
    char reason[PCAP_ERRBUF_SIZE] = "";
    capture->pcap = pcap_fopen_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO, reason);
    if (capture->pcap == NULL) {
        fclose(file); /* libpcap closes it only once it has accepted it */
        snprintf(ret_error, CAPTURE_ERROR_MAX, "%s: not a usable capture: %s", capture->path,
                 capture->bytes.damage[0] != '\0' ? capture->bytes.damage : reason);
        return false;
    }
    const int link_type = pcap_datalink(capture->pcap);
    if (link_type != DLT_EN10MB) {
        const char *name = pcap_datalink_val_to_name(link_type);
        snprintf(ret_error, CAPTURE_ERROR_MAX, "%s: link type %s (%d): only captures of Ethernet frames can be read",
                 capture->path, name != NULL ? name : "unknown", link_type);
        return false;
    }
    return true;
}

enum capture_status capture_pcap_next(struct capture *capture, struct capture_frame *ret_frame)
{
    struct pcap_pkthdr *header;
    const u_char *data;
    const int status = pcap_next_ex(capture->pcap, &header, &data);
    if (status != 1) {
        /* A gzip stream that breaks between two records looks like the end of the file to libpcap. */
        if (capture->bytes.damage[0] != '\0')
            return capture_break(capture, "%s, after frame %llu", capture->bytes.damage,
                                 (unsigned long long)capture->counters.frame_count);
        if (status == PCAP_ERROR_BREAK)
            return CAPTURE_END;
        return capture_break(capture, "damaged after frame %llu: %s",
                             (unsigned long long)capture->counters.frame_count, pcap_geterr(capture->pcap));
    }
    /* With nanosecond precision tv_usec holds nanoseconds. */
    ret_frame->ts_ns = (uint64_t)header->ts.tv_sec * 1000000000u + (uint64_t)header->ts.tv_usec;
    ret_frame->data = data;
    ret_frame->len = header->caplen <= CAPTURE_FRAME_MAX ? header->caplen : CAPTURE_FRAME_MAX;
    if (ret_frame->len < header->len)
        capture->counters.cut_count++;
    return CAPTURE_FRAME;
}
