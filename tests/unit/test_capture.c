/* Captures: what is told from a file's content, BinaryFILE wrapping, damage at every byte, merging, writing. */
#include <criterion/criterion.h>

#include "feed/frame.h"
#include "feed/itch.h"
#include "feed/mold.h"
#include "feed/wire.h"
#include "gateway/capture/capture.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zlib.h>

/* Every test is a process of its own: one file each. */
static char path[64];
static char error[CAPTURE_ERROR_MAX];

static void make_path(void)
{
    strcpy(path, "/tmp/tickgate-capture-XXXXXX");
    const int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    close(fd);
}

static void remove_path(void)
{
    unlink(path);
}

TestSuite(capture, .init = make_path, .fini = remove_path);

struct text { uint8_t data[1u << 20]; uint32_t len; };
static struct text file;

static void append(const void *data, uint32_t len)
{
    cr_assert_leq(file.len + len, sizeof(file.data));
    memcpy(file.data + file.len, data, len);
    file.len += len;
}

static void append_message(uint64_t timestamp_ns, uint64_t ref)
{
    const struct itch_msg msg = {
        .type = ITCH_DELETE, .locate = 1, .timestamp_ns = timestamp_ns, .delete = {.ref = ref}};
    uint8_t block[2 + ITCH_LENGTH_MAX];
    const uint32_t len = itch_encode(&msg, block + 2);
    cr_assert_eq(len, 19);
    store_be16(block, (uint16_t)len);
    append(block, len + 2);
}

static void write_file(const void *data, uint32_t len)
{
    FILE *out = fopen(path, "wb");
    cr_assert_not_null(out);
    cr_assert_eq(fwrite(data, 1, len, out), len);
    fclose(out);
}

static void write_gzip(const void *data, uint32_t len)
{
    gzFile out = gzopen(path, "wb1");
    cr_assert_not_null(out);
    cr_assert_eq(gzwrite(out, data, len), (int)len);
    gzclose(out);
}

static struct capture *open_path(void)
{
    struct capture *capture = capture_open(path, NULL, error);
    cr_assert_not_null(capture, "%s", error);
    return capture;
}

/* Frames of two hosts' byte orders and resolutions: a classic pcap header and one record. */
static void append32(uint32_t value, bool big)
{
    value = big ? __builtin_bswap32(value) : value;
    append(&value, 4);
}

static void append_pcap_header(uint32_t magic, uint32_t link_type, bool big)
{
    append32(magic, big);
    const uint32_t version = big ? 0x00020004u : 0x00040002u; /* 2.4: two 16-bit fields */
    append32(version, big);
    append32(0, big);
    append32(0, big);
    append32(65535, big);
    append32(link_type, big);
}

static void append_pcap_record(uint32_t ts_s, uint32_t ts_fraction, uint32_t len, uint32_t original_len, bool big)
{
    append32(ts_s, big);
    append32(ts_fraction, big);
    append32(len, big);
    append32(original_len, big);
    for (uint32_t i = 0; i < len; i++)
        append(&(uint8_t){(uint8_t)i}, 1);
}

static uint16_t checksum_of(const uint8_t *bytes, uint32_t len, uint32_t sum)
{
    for (uint32_t i = 0; i < len; i++)
        sum += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

/* A wrapped frame is what a network would accept; gives its MoldUDP64 packet. */
static struct mold_packet check_frame(const struct capture_frame *frame)
{
    struct frame_view view;
    cr_assert_eq(frame_parse(frame->data, frame->len, &view), FRAME_UDP);
    const uint8_t *ip = frame->data + 14;
    cr_expect_eq(checksum_of(ip, 20, 0), 0xffff, "IPv4 header checksum");
    cr_expect_eq(checksum_of(ip + 20, view.payload_len + 8, checksum_of(ip + 12, 8, 17 + view.payload_len + 8)), 0xffff,
                 "UDP checksum");
    cr_expect_neq(load_be16(ip + 26), 0, "0 would say that there is no checksum");
    struct mold_packet packet;
    cr_assert_eq(mold_parse(view.payload, view.payload_len, &packet), MOLD_DATA);
    cr_expect_eq(packet.trailing_len, 0);
    return packet;
}

Test(capture, missing_files_directories_and_other_content_are_refused_with_a_sentence)
{
    cr_expect_null(capture_open("/nonexistent/file.pcap", NULL, error));
    cr_expect_not_null(strstr(error, "/nonexistent/file.pcap: No such file"), "%s", error);
    cr_expect_null(capture_open("/tmp", NULL, error));
    cr_expect_not_null(strstr(error, "directory"), "%s", error);
    cr_expect_null(capture_open(path, NULL, error));
    cr_expect_not_null(strstr(error, "empty"), "%s", error);
    write_file("a", 1);
    cr_expect_null(capture_open(path, NULL, error));
    cr_expect_not_null(strstr(error, "only 1 bytes"), "%s", error);
    write_file("hello, this is no capture", 25);
    cr_expect_null(capture_open(path, NULL, error));
    cr_expect_not_null(strstr(error, "not a capture"), "%s", error);
    static const uint8_t zeros[64];
    write_file(zeros, sizeof(zeros));
    cr_expect_null(capture_open(path, NULL, error));
    cr_expect_not_null(strstr(error, "00 00 00 00"), "%s", error);
    write_gzip("hello, this is no capture", 25);
    cr_expect_null(capture_open(path, NULL, error));
    cr_expect_not_null(strstr(error, "not a capture"), "%s", error);
}

Test(capture, link_types_other_than_ethernet_are_refused_by_name)
{
    append_pcap_header(0xa1b2c3d4u, 113, false); /* Linux cooked */
    append_pcap_record(1, 0, 20, 20, false);
    write_file(file.data, file.len);
    cr_assert_null(capture_open(path, NULL, error));
    cr_expect_not_null(strstr(error, "LINUX_SLL (113): only captures of Ethernet"), "%s", error);
}

Test(capture, pcap_of_either_byte_order_and_resolution_gives_nanoseconds)
{
    for (unsigned kind = 0; kind < 4; kind++) {
        const bool big = kind & 1;
        const bool nano = kind & 2;
        file.len = 0;
        append_pcap_header(nano ? 0xa1b23c4du : 0xa1b2c3d4u, 1, big);
        append_pcap_record(1692711000, 123456, 60, 60, big);
        write_file(file.data, file.len);
        struct capture *capture = open_path();
        struct capture_frame frame;
        cr_assert_eq(capture_next(capture, &frame), CAPTURE_FRAME);
        cr_expect_eq(frame.ts_ns, 1692711000000000000u + (nano ? 123456u : 123456000u));
        cr_expect_eq(frame.len, 60);
        cr_expect_eq(frame.data[59], 59);
        cr_expect_eq(capture_next(capture, &frame), CAPTURE_END);
        cr_expect_eq(capture_next(capture, &frame), CAPTURE_END);
        cr_expect_not(capture_is_binaryfile(capture));
        cr_expect_str_eq(capture_error(capture), "");
        capture_close(capture);
    }
}

Test(capture, pcapng_is_told_by_its_content_and_keeps_nanoseconds)
{
    /* section header, interface (Ethernet, if_tsresol 9), enhanced packet of 4 bytes */
    const uint32_t blocks[] = {0x0a0d0d0a, 28, 0x1a2b3c4d, 0x00000001, 0xffffffff, 0xffffffff, 28,
                               1, 32, 1, 0, 0x00010009, 9, 0, 32,
                               6, 36, 0, (uint32_t)(1692711000123456789u >> 32), (uint32_t)1692711000123456789u, 4, 4,
                               0x03020100, 36};
    write_file(blocks, sizeof(blocks));
    struct capture *capture = open_path();
    struct capture_frame frame;
    cr_assert_eq(capture_next(capture, &frame), CAPTURE_FRAME);
    cr_expect_eq(frame.ts_ns, 1692711000123456789u);
    cr_expect_eq(frame.len, 4);
    cr_expect_eq(capture_next(capture, &frame), CAPTURE_END);
    capture_close(capture);
}

Test(capture, frames_cut_by_the_snap_length_or_by_us_are_counted)
{
    append_pcap_header(0xa1b2c3d4u, 1, false);
    append_pcap_record(1, 0, 60, 60, false);
    append_pcap_record(1, 1, 60, 1514, false);
    append_pcap_record(1, 2, CAPTURE_FRAME_MAX + 1, CAPTURE_FRAME_MAX + 1, false);
    append_pcap_record(0, 0, CAPTURE_FRAME_MAX, CAPTURE_FRAME_MAX, false);
    write_file(file.data, file.len);
    struct capture *capture = open_path();
    struct capture_frame frame;
    const uint32_t lens[] = {60, 60, CAPTURE_FRAME_MAX, CAPTURE_FRAME_MAX};
    for (unsigned i = 0; i < 4; i++) {
        cr_assert_eq(capture_next(capture, &frame), CAPTURE_FRAME);
        cr_expect_eq(frame.len, lens[i]);
    }
    cr_expect_eq(capture_next(capture, &frame), CAPTURE_END);
    cr_expect_eq(capture_counters(capture)->frame_count, 4);
    cr_expect_eq(capture_counters(capture)->cut_count, 2);
    cr_expect_eq(capture_counters(capture)->backwards_count, 1);
    capture_close(capture);
}

Test(capture, pcap_cut_at_any_byte_gives_the_whole_frames_and_then_says_so)
{
    append_pcap_header(0xa1b2c3d4u, 1, false);
    append_pcap_record(1, 0, 60, 60, false);
    append_pcap_record(2, 0, 60, 60, false);
    const uint32_t whole_len = file.len;
    for (uint32_t len = 24; len < whole_len; len++) {
        write_file(file.data, len);
        struct capture *capture = open_path();
        struct capture_frame frame;
        const uint32_t frames = (len - 24) / 76;
        for (uint32_t i = 0; i < frames; i++)
            cr_assert_eq(capture_next(capture, &frame), CAPTURE_FRAME);
        const bool whole = (len - 24) % 76 == 0;
        cr_expect_eq(capture_next(capture, &frame), whole ? CAPTURE_END : CAPTURE_BROKEN, "%u bytes", len);
        cr_expect_eq(capture_next(capture, &frame), whole ? CAPTURE_END : CAPTURE_BROKEN, "says it again");
        cr_expect_eq(strstr(capture_error(capture), path) != NULL, !whole, "%s", capture_error(capture));
        capture_close(capture);
    }
    for (uint32_t len = 1; len < 24; len++) {
        write_file(file.data, len);
        error[0] = '\0';
        cr_expect_null(capture_open(path, NULL, error));
        cr_expect_neq(error[0], '\0', "%u bytes", len);
    }
}

Test(capture, binaryfile_messages_of_equal_time_share_a_datagram)
{
    append_message(100, 1);
    append_message(100, 2);
    append_message(101, 3);
    append_message(90, 4); /* backwards */
    append_message(90, 5);
    write_file(file.data, file.len);
    const struct capture_wrap wrap = {.group = 0xefffff01u, .source = 0xc0000201u, .udp_port = 5000,
                                      .midnight_ns = 1000000, .session = "SESSION  1", .first_seq = 7};
    struct capture *capture = capture_open(path, &wrap, error);
    cr_assert_not_null(capture, "%s", error);
    cr_expect(capture_is_binaryfile(capture));
    const uint32_t counts[] = {2, 1, 2};
    const uint64_t times[] = {1000100, 1000101, 1000090};
    uint64_t seq = 7;
    uint64_t ref = 1;
    for (unsigned i = 0; i < 3; i++) {
        struct capture_frame frame;
        cr_assert_eq(capture_next(capture, &frame), CAPTURE_FRAME);
        const struct mold_packet packet = check_frame(&frame);
        cr_expect_eq(frame.ts_ns, times[i]);
        cr_expect_eq(packet.seq, seq);
        cr_expect_eq(packet.count, counts[i]);
        cr_expect_eq(memcmp(packet.session, "SESSION  1", 10), 0);
        /* RFC 1112: the low 23 bits of the group */
        cr_expect_eq(memcmp(frame.data, "\x01\x00\x5e\x7f\xff\x01", 6), 0);
        struct frame_view view;
        frame_parse(frame.data, frame.len, &view);
        cr_expect_eq(view.dst_ip, 0xefffff01u);
        cr_expect_eq(view.src_ip, 0xc0000201u);
        cr_expect_eq(view.dst_port, 5000);
        const uint8_t *block = packet.blocks;
        for (uint32_t j = 0; j < packet.count; j++) {
            const uint8_t *message;
            uint32_t message_len;
            struct itch_msg msg;
            block = mold_next(block, &message, &message_len);
            cr_assert_eq(itch_decode(message, message_len, &msg), ITCH_OK);
            cr_expect_eq(msg.delete.ref, ref);
            ref++;
        }
        seq += packet.count;
    }
    struct capture_frame frame;
    cr_expect_eq(capture_next(capture, &frame), CAPTURE_END);
    cr_expect_eq(capture_counters(capture)->message_count, 5);
    cr_expect_eq(capture_counters(capture)->backwards_count, 1);
    capture_close(capture);
}

Test(capture, datagrams_hold_at_most_1400_bytes_and_no_message_is_lost)
{
    for (unsigned i = 0; i < 1000; i++)
        append_message(5, i);
    write_file(file.data, file.len);
    struct capture *capture = open_path();
    struct capture_frame frame;
    uint64_t next_seq = 1;
    while (capture_next(capture, &frame) == CAPTURE_FRAME) {
        const struct mold_packet packet = check_frame(&frame);
        cr_expect_leq(frame.len, CAPTURE_HEADERS_LEN + 1400);
        /* 20 + 65 x 21 = 1385 is the last that fits */
        cr_expect_eq(packet.count, next_seq + 65 <= 1001 ? 65 : 1001 - next_seq);
        cr_expect_eq(packet.seq, next_seq);
        next_seq += packet.count;
    }
    cr_expect_eq(next_seq, 1001);
    capture_close(capture);
}

Test(capture, binaryfile_message_longer_than_a_datagram_travels_alone)
{
    append_message(5, 1);
    uint8_t block[2 + 9168] = {0};
    store_be16(block, 9168);
    block[2] = 'Z';
    block[12] = 5; /* the same time */
    append(block, sizeof(block));
    append_message(5, 2);
    write_file(file.data, file.len);
    struct capture *capture = open_path();
    struct capture_frame frame;
    for (uint64_t seq = 1; seq <= 3; seq++) {
        cr_assert_eq(capture_next(capture, &frame), CAPTURE_FRAME);
        const struct mold_packet packet = check_frame(&frame);
        cr_expect_eq(packet.seq, seq);
        cr_expect_eq(packet.count, 1);
        cr_expect_leq(frame.len, CAPTURE_FRAME_MAX);
    }
    cr_expect_eq(capture_next(capture, &frame), CAPTURE_END);
    capture_close(capture);
}

Test(capture, binaryfile_length_beyond_any_frame_is_damage)
{
    append_message(5, 1);
    append("\xff\xff", 2);
    for (unsigned i = 0; i < 4000; i++)
        append_message(6, i);
    write_file(file.data, file.len);
    struct capture *capture = open_path();
    struct capture_frame frame;
    cr_assert_eq(capture_next(capture, &frame), CAPTURE_FRAME);
    cr_expect_eq(capture_next(capture, &frame), CAPTURE_BROKEN);
    cr_expect_not_null(strstr(capture_error(capture), "byte 21 is 65535"), "%s", capture_error(capture));
    capture_close(capture);
}

Test(capture, zero_length_at_the_end_of_the_file_is_the_end_mark)
{
    append_message(5, 1);
    append("\0\0", 2);
    write_file(file.data, file.len);
    struct capture *capture = open_path();
    struct capture_frame frame;
    cr_assert_eq(capture_next(capture, &frame), CAPTURE_FRAME);
    cr_expect_eq(capture_next(capture, &frame), CAPTURE_END);
    cr_expect_eq(capture_counters(capture)->zero_length_count, 0);
    cr_expect_eq(capture_counters(capture)->left_over_len, 0);
    capture_close(capture);

    write_file("\0\0", 2); /* nothing but the mark */
    capture = open_path();
    cr_expect(capture_is_binaryfile(capture));
    cr_expect_eq(capture_next(capture, &frame), CAPTURE_END);
    capture_close(capture);
}

Test(capture, zero_length_with_anything_behind_it_is_damage)
{
    append_message(5, 1);
    append("\0\0S", 3);
    write_file(file.data, file.len);
    struct capture *capture = open_path();
    struct capture_frame frame;
    cr_assert_eq(capture_next(capture, &frame), CAPTURE_FRAME, "what came before is good");
    cr_expect_eq(capture_next(capture, &frame), CAPTURE_BROKEN);
    cr_expect_eq(capture_counters(capture)->zero_length_count, 1);
    cr_expect_not_null(strstr(capture_error(capture), "byte 21 is 0"), "%s", capture_error(capture));
    capture_close(capture);
}

Test(capture, binaryfile_cut_at_any_byte_says_how_many_bytes_are_left_over)
{
    for (unsigned i = 0; i < 4; i++)
        append_message(i / 2, i); /* two datagrams */
    for (uint32_t len = 3; len <= file.len; len++) {
        write_file(file.data, len);
        struct capture *capture = open_path();
        struct capture_frame frame;
        uint64_t messages = 0;
        enum capture_status status;
        while ((status = capture_next(capture, &frame)) == CAPTURE_FRAME)
            messages += check_frame(&frame).count;
        cr_expect_eq(messages, len / 21, "%u bytes", len);
        cr_expect_eq(status, len % 21 == 0 ? CAPTURE_END : CAPTURE_BROKEN, "%u bytes", len);
        cr_expect_eq(capture_counters(capture)->left_over_len, len % 21);
        char sentence[32];
        snprintf(sentence, sizeof(sentence), "%u byte", len % 21);
        cr_expect_eq(strstr(capture_error(capture), sentence) != NULL, len % 21 != 0, "%s", capture_error(capture));
        capture_close(capture);
    }
}

Test(capture, gzipped_files_are_told_by_content_and_concatenated_members_are_one)
{
    for (unsigned i = 0; i < 40000; i++)
        append_message(i, i);
    write_gzip(file.data, file.len / 2);
    gzFile more = gzopen(path, "ab9");
    cr_assert_eq(gzwrite(more, file.data + file.len / 2, file.len - file.len / 2), (int)(file.len - file.len / 2));
    gzclose(more);
    struct capture *capture = open_path();
    cr_expect(capture_is_compressed(capture));
    struct capture_frame frame;
    enum capture_status status;
    while ((status = capture_next(capture, &frame)) == CAPTURE_FRAME)
        ;
    cr_expect_eq(status, CAPTURE_END, "%s", capture_error(capture));
    cr_expect_eq(capture_counters(capture)->message_count, 40000);
    capture_close(capture);

    file.len = 0;
    append_pcap_header(0xa1b2c3d4u, 1, false);
    append_pcap_record(1, 0, 60, 60, false);
    write_gzip(file.data, file.len);
    capture = open_path();
    cr_expect_eq(capture_next(capture, &frame), CAPTURE_FRAME);
    cr_expect_eq(capture_next(capture, &frame), CAPTURE_END);
    capture_close(capture);
}

Test(capture, gzip_cut_at_any_byte_is_damage_never_a_short_success)
{
    append_pcap_header(0xa1b2c3d4u, 1, false);
    for (unsigned i = 0; i < 5; i++)
        append_pcap_record(i, 0, 60, 60, false);
    write_gzip(file.data, file.len);
    FILE *in = fopen(path, "rb");
    const uint32_t packed_len = (uint32_t)fread(file.data, 1, sizeof(file.data), in);
    fclose(in);
    for (uint32_t len = 2; len < packed_len; len++) {
        write_file(file.data, len);
        struct capture *capture = capture_open(path, NULL, error);
        if (capture == NULL) {
            cr_expect_not_null(strstr(error, "gzip stream ends early"), "%u bytes: %s", len, error);
            continue;
        }
        struct capture_frame frame;
        enum capture_status status;
        while ((status = capture_next(capture, &frame)) == CAPTURE_FRAME)
            ;
        cr_expect_eq(status, CAPTURE_BROKEN, "%u of %u bytes", len, packed_len);
        cr_expect_not_null(strstr(capture_error(capture), "gzip stream ends early"), "%s", capture_error(capture));
        capture_close(capture);
    }
    /* A flipped bit of the checksum at the end. */
    file.data[packed_len - 8] ^= 1;
    write_file(file.data, packed_len);
    struct capture *capture = open_path();
    struct capture_frame frame;
    for (unsigned i = 0; i < 5; i++)
        cr_expect_eq(capture_next(capture, &frame), CAPTURE_FRAME, "what was unpacked is delivered");
    cr_expect_eq(capture_next(capture, &frame), CAPTURE_BROKEN);
    cr_expect_not_null(strstr(capture_error(capture), "gzip stream is damaged"), "%s", capture_error(capture));
    capture_close(capture);
}

Test(capture, written_frames_read_back_with_the_same_time_and_bytes)
{
    struct capture_out *out = capture_out_open(path, error);
    cr_assert_not_null(out, "%s", error);
    uint8_t bytes[1514];
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 7);
    for (uint32_t i = 0; i < 300; i++)
        cr_assert_eq(capture_out_write(out, 1692711000000000000u + i * 999999999u, bytes, i * 5), 0);
    cr_expect_eq(capture_out_write(out, 0, bytes, 300000), -EMSGSIZE);
    cr_expect_eq(capture_out_write(out, UINT64_MAX, bytes, 60), -EOVERFLOW);
    cr_assert_eq(capture_out_close(out), 0);

    struct capture *capture = open_path();
    for (uint32_t i = 0; i < 300; i++) {
        struct capture_frame frame;
        cr_assert_eq(capture_next(capture, &frame), CAPTURE_FRAME);
        cr_expect_eq(frame.ts_ns, 1692711000000000000u + i * 999999999u);
        cr_assert_eq(frame.len, i * 5);
        cr_expect_eq(memcmp(frame.data, bytes, frame.len), 0);
    }
    struct capture_frame frame;
    cr_expect_eq(capture_next(capture, &frame), CAPTURE_END);
    capture_close(capture);
}

Test(capture, full_disk_is_reported_by_open_write_or_close)
{
    cr_expect_null(capture_out_open("/nonexistent/out.pcap", error));
    cr_expect_not_null(strstr(error, "cannot be written: No such file"), "%s", error);
    if (access("/dev/full", W_OK) != 0)
        cr_skip_test("no /dev/full here");
    cr_expect_null(capture_out_open("/dev/full", error));
    cr_expect_not_null(strstr(error, "No space left"), "%s", error);
    cr_expect_eq(capture_out_close(NULL), 0);
}

Test(capture, a_failed_write_is_reported_and_repeated_and_none_follows)
{
    signal(SIGXFSZ, SIG_IGN);
    const struct rlimit limit = {.rlim_cur = 1 << 20, .rlim_max = 1 << 20};
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    struct capture_out *out = capture_out_open(path, error);
    cr_assert_not_null(out, "%s", error);
    static const uint8_t bytes[60000];
    int failed = 0;
    for (unsigned i = 0; i < 40 && failed == 0; i++)
        failed = capture_out_write(out, i, bytes, sizeof(bytes));
    cr_expect_eq(failed, -EFBIG);
    cr_expect_eq(capture_out_write(out, 50, bytes, 60), -EFBIG);
    cr_expect_eq(capture_out_close(out), -EFBIG);
}

Test(capture, encoded_headers_of_odd_payloads_and_unicast_addresses_are_right)
{
    for (uint32_t len = 0; len < 70; len++) {
        uint8_t bytes[200] = {0};
        for (uint32_t i = 0; i < len; i++)
            bytes[CAPTURE_HEADERS_LEN + i] = (uint8_t)(0xff - i);
        const uint32_t frame_len = capture_encode_udp(bytes, 0x0a000002u, 40000, 0x0a000001u, 50000, len);
        cr_assert_eq(frame_len, CAPTURE_HEADERS_LEN + len);
        struct frame_view view;
        cr_assert_eq(frame_parse(bytes, frame_len, &view), FRAME_UDP);
        cr_expect_eq(view.payload_len, len);
        cr_expect_eq(view.dst_port, 40000);
        cr_expect_eq(view.src_port, 50000);
        cr_expect_eq(checksum_of(bytes + 14, 20, 0), 0xffff);
        cr_expect_eq(checksum_of(bytes + 34, len + 8, checksum_of(bytes + 26, 8, 17 + len + 8)), 0xffff);
        cr_expect_eq(bytes[0] & 1, 0, "unicast MAC");
    }
}

/* ---- merging ---- */

static char merge_path[3][64];

static void make_merge_paths(void)
{
    for (unsigned i = 0; i < 3; i++) {
        strcpy(merge_path[i], "/tmp/tickgate-capture-XXXXXX");
        close(mkstemp(merge_path[i]));
    }
}

static void remove_merge_paths(void)
{
    for (unsigned i = 0; i < 3; i++)
        unlink(merge_path[i]);
}

TestSuite(capture_merge, .init = make_merge_paths, .fini = remove_merge_paths);

/* Captures of 60-byte frames at these times, ended by 0; their bytes are the number of the file. */
static struct capture *timed(unsigned i, const uint64_t *times_ns)
{
    struct capture_out *out = capture_out_open(merge_path[i], error);
    cr_assert_not_null(out, "%s", error);
    uint8_t bytes[60];
    memset(bytes, (int)i, sizeof(bytes));
    for (; *times_ns != 0; times_ns++)
        cr_assert_eq(capture_out_write(out, *times_ns, bytes, sizeof(bytes)), 0);
    cr_assert_eq(capture_out_close(out), 0);
    struct capture *capture = capture_open(merge_path[i], NULL, error);
    cr_assert_not_null(capture, "%s", error);
    return capture;
}

Test(capture_merge, frames_come_by_time_and_equal_times_in_the_order_of_the_captures)
{
    struct capture *captures[3] = {timed(0, (const uint64_t[]){10, 30, 30, 50, 0}),
                                   timed(1, (const uint64_t[]){5, 30, 60, 0}), timed(2, (const uint64_t[]){0})};
    struct capture_merge merge;
    capture_merge_init(&merge, captures, 3);
    cr_expect_eq(merge.last, 3);
    const uint64_t times[] = {5, 10, 30, 30, 30, 50, 60};
    const uint32_t from[] = {1, 0, 0, 0, 1, 0, 1};
    for (unsigned i = 0; i < 7; i++) {
        struct capture_frame frame;
        cr_assert_eq(capture_merge_next(&merge, &frame), CAPTURE_FRAME);
        cr_expect_eq(frame.ts_ns, times[i]);
        cr_expect_eq(merge.last, from[i]);
        cr_expect_eq(frame.data[59], from[i], "the bytes are still those of the frame");
    }
    struct capture_frame frame;
    cr_expect_eq(capture_merge_next(&merge, &frame), CAPTURE_END);
    cr_expect_eq(capture_merge_next(&merge, &frame), CAPTURE_END);
    cr_expect_eq(merge.broken_count, 0);
    for (unsigned i = 0; i < 3; i++)
        capture_close(captures[i]);
}

Test(capture_merge, a_frame_older_than_its_predecessor_keeps_its_place_in_its_file)
{
    struct capture *captures[2] = {timed(0, (const uint64_t[]){10, 4, 20, 0}), timed(1, (const uint64_t[]){7, 12, 0})};
    struct capture_merge merge;
    capture_merge_init(&merge, captures, 2);
    const uint64_t times[] = {7, 10, 4, 12, 20};
    for (unsigned i = 0; i < 5; i++) {
        struct capture_frame frame;
        cr_assert_eq(capture_merge_next(&merge, &frame), CAPTURE_FRAME);
        cr_expect_eq(frame.ts_ns, times[i]);
    }
    for (unsigned i = 0; i < 2; i++)
        capture_close(captures[i]);
}

Test(capture_merge, a_damaged_capture_ends_there_and_the_others_go_on)
{
    struct capture *captures[2] = {timed(0, (const uint64_t[]){10, 20, 0}), NULL};
    captures[1] = timed(1, (const uint64_t[]){5, 15, 25, 0});
    capture_close(captures[1]);
    cr_assert_eq(truncate(merge_path[1], 24 + 2 * 76 + 30), 0);
    captures[1] = capture_open(merge_path[1], NULL, error);
    cr_assert_not_null(captures[1], "%s", error);
    struct capture_merge merge;
    capture_merge_init(&merge, captures, 2);
    struct capture_frame frame;
    const uint64_t times[] = {5, 10, 15, 20};
    for (unsigned i = 0; i < 4; i++) {
        cr_assert_eq(capture_merge_next(&merge, &frame), CAPTURE_FRAME);
        cr_expect_eq(frame.ts_ns, times[i]);
    }
    cr_expect_eq(capture_merge_next(&merge, &frame), CAPTURE_END);
    cr_expect_eq(merge.broken_count, 1);
    for (unsigned i = 0; i < 2; i++)
        capture_close(captures[i]);
}

/* ---- real captures, where they are at hand ---- */

static struct capture *open_shared(const char *name)
{
    const char *shared = getenv("SHARED");
    char full[512];
    snprintf(full, sizeof(full), "%s/data/%s", shared != NULL ? shared : "../shared", name);
    if (access(full, R_OK) != 0)
        cr_skip_test("no real captures here");
    struct capture *capture = capture_open(full, NULL, error);
    cr_assert_not_null(capture, "%s", error);
    return capture;
}

Test(capture_real, truncated_start_of_day_has_101_messages_and_15_bytes_left_over)
{
    struct capture *capture =
        open_shared("itch_binaryfile/nasdaq_itch50_binaryfile_startofday-101msgs-truncated_lukefasanello.itch");
    struct capture_frame frame;
    enum capture_status status;
    while ((status = capture_next(capture, &frame)) == CAPTURE_FRAME)
        check_frame(&frame);
    cr_expect_eq(status, CAPTURE_BROKEN);
    cr_expect_eq(capture_counters(capture)->message_count, 101);
    cr_expect_eq(capture_counters(capture)->left_over_len, 15);
    capture_close(capture);
}

Test(capture_real, file_of_zero_prefixes_is_reported_and_gives_no_frame)
{
    struct capture *capture =
        open_shared("itch_binaryfile/THIRDPARTY-SYNTHETIC_itch50_zero-length-prefix_ritch.itch");
    struct capture_frame frame;
    cr_expect_eq(capture_next(capture, &frame), CAPTURE_BROKEN);
    cr_expect_eq(capture_counters(capture)->zero_length_count, 1);
    cr_expect_not_null(strstr(capture_error(capture), "length prefix at byte 0 is 0"), "%s", capture_error(capture));
    capture_close(capture);
}

Test(capture_real, nanosecond_pcapng_called_pcap_gives_its_frames_and_their_disorder)
{
    struct capture *capture = open_shared("pcap/cme_mdp3_sbe_v1.6_omi-history.pcap");
    struct capture_frame frame;
    enum capture_status status;
    uint64_t odd_ns_count = 0;
    while ((status = capture_next(capture, &frame)) == CAPTURE_FRAME)
        odd_ns_count += frame.ts_ns % 1000 != 0;
    cr_expect_eq(status, CAPTURE_END);
    cr_expect_eq(capture_counters(capture)->frame_count, 10000);
    cr_expect_eq(capture_counters(capture)->backwards_count, 581);
    cr_expect_gt(odd_ns_count, 5000);
    capture_close(capture);
}
