/* audit: a line is on disk before anybody acts on it, and nothing can be done to a log without its being seen. */
#include "gateway/admin/audit.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TIME_NS UINT64_C(1767623400000000001) /* 2026-01-05T14:30:00.000000001Z */
#define LINES   6u

static char folder[] = "/tmp/tickgate-audit-XXXXXX";
static char path[64];
static char error[AUDIT_ERROR_MAX];
static struct audit audit = {.fd = -1};

static void start(void)
{
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/audit", folder);
}

static void end(void)
{
    audit_close(&audit);
    unlink(path);
    rmdir(folder);
}

TestSuite(audit, .init = start, .fini = end, .timeout = 60);

/* --- the file, by hand */

static char image[1u << 20];
static size_t image_len;

static void image_load(void)
{
    FILE *file = fopen(path, "rb");

    cr_assert_not_null(file);
    image_len = fread(image, 1, sizeof(image) - 1, file);
    image[image_len] = '\0';
    fclose(file);
}

static void file_store(const char *bytes, size_t len)
{
    FILE *file = fopen(path, "wb");

    cr_assert_not_null(file);
    cr_assert_eq(fwrite(bytes, 1, len, file), len);
    cr_assert_eq(fclose(file), 0);
}

static void open_log(void)
{
    cr_assert_eq(audit_open(&audit, path, TIME_NS, error), 0, "%s", error);
}

static int act(const char *what, const char *old_value, const char *new_value)
{
    const struct audit_act one = {
        .who = "uid:0,pid:7", .what = what, .old_value = old_value, .new_value = new_value, .result = "done"};

    return audit_write(&audit, &one, TIME_NS);
}

static void write_lines(uint32_t count)
{
    char text[16];

    open_log();
    for (uint32_t i = 0; i < count; i++) {
        snprintf(text, sizeof(text), "%" PRIu32, i);
        cr_assert_eq(act("set gateway order_qty_max", text, "1"), 0);
    }
    audit_close(&audit);
    image_load();
}

static struct audit_scan scan;

static enum audit_verdict scan_file(const struct audit_pin *pin)
{
    enum audit_verdict verdict;
    const int fd = open(path, O_RDONLY);

    cr_assert_geq(fd, 0);
    cr_assert_eq(audit_scan(fd, pin, &scan, &verdict), 0);
    close(fd);
    return verdict;
}

static size_t line_begin(uint32_t line)
{
    const char *at = image;

    while (line-- > 0)
        at = strchr(at, '\n') + 1;
    return (size_t)(at - image);
}

/* --- what is written */

Test(audit, a_line_is_json_with_the_hash_of_itself_and_of_the_line_before)
{
    /* Both hashes were computed by Python's hashlib. */
    static const char wanted[] =
        "{\"seq\":1,\"time\":\"2026-01-05T14:30:00.000000001Z\",\"who\":\"uid:0,pid:7\",\"what\":\"set gateway "
        "order_qty_max\",\"old\":\"200\",\"new\":\"100\",\"result\":\"done\",\"hash\":\""
        "1032e059440c8e418f0dde091e58f0943309d5d8fe60507a81a622de2d1256c8\"}\n"
        "{\"seq\":2,\"time\":\"2026-01-05T14:30:01.999999999Z\",\"who\":\"uid:0,pid:7\",\"what\":\"kill\",\"old\":null,"
        "\"new\":\"a \\\"word\\\"\\u000a\",\"result\":\"refused: x\",\"hash\":\""
        "c25fc4e14aab103dc6906b080a83d03a5081815f1f00adfd56b0959eb8a45e37\"}\n";
    const struct audit_act refused = {
        .who = "uid:0,pid:7", .what = "kill", .new_value = "a \"word\"\n", .result = "refused: x"};

    open_log();
    cr_assert_eq(act("set gateway order_qty_max", "200", "100"), 0);
    cr_assert_eq(audit_write(&audit, &refused, TIME_NS + 1999999998), 0);
    cr_assert_eq(audit.seq, 2u);
    image_load();
    cr_assert_str_eq(image, wanted);
    cr_assert_eq(scan_file(NULL), AUDIT_WHOLE);
    cr_assert_eq(scan.seq, 2u);
    cr_assert_eq(scan.len, (off_t)image_len);
    cr_assert_str_eq(scan.hash, audit.hash);
    cr_assert_str_eq(scan.first_time, "2026-01-05T14:30:00.000000001Z");
    cr_assert_str_eq(scan.last_time, "2026-01-05T14:30:01.999999999Z");
}

Test(audit, a_kill_holds_until_an_arm_that_was_done)
{
    const struct audit_act refused = {.who = "uid:0,pid:7", .what = "arm", .result = "refused: orders are open"};
    const char *const lies = "\",\"what\":\"arm\",\"result\":\"done\",\"hash\":\"";

    open_log();
    cr_assert_eq(audit.kill_seq, 0u);
    cr_assert_eq(act("start killed", NULL, "risk.kill of the config"), 0);
    cr_assert_eq(act("set taker kill", "1", "2"), 0);
    audit_close(&audit);
    open_log();
    cr_assert_eq(audit.kill_seq, 0u, "no act of that name");
    cr_assert_eq(act("kill", "armed", lies), 0);
    cr_assert_eq(audit_write(&audit, &refused, TIME_NS), 0);
    cr_assert_eq(act("stop", NULL, lies), 0);
    audit_close(&audit);
    open_log();
    cr_assert_eq(audit.kill_seq, 3u);
    cr_assert_str_eq(audit.kill_time, "2026-01-05T14:30:00.000000001Z");
    cr_assert_eq(act("arm", "killed", "armed"), 0);
    audit_close(&audit);
    open_log();
    cr_assert_eq(audit.kill_seq, 0u);
}

Test(audit, an_empty_log_is_whole_and_a_second_life_goes_on_where_the_first_ended)
{
    open_log();
    audit_close(&audit);
    cr_assert_eq(scan_file(NULL), AUDIT_WHOLE);
    cr_assert_eq(scan.seq, 0u);
    write_lines(3);
    write_lines(3);
    cr_assert_eq(scan_file(NULL), AUDIT_WHOLE);
    cr_assert_eq(scan.seq, 6u);
}

Test(audit, a_log_longer_than_the_buffer_of_a_scan_is_read_whole)
{
    char big[4000];

    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    open_log();
    for (uint32_t i = 0; i < 60; i++)
        cr_assert_eq(act("start", i % 3 ? big : NULL, big + i * 60), 0);
    cr_assert_eq(scan_file(NULL), AUDIT_WHOLE);
    cr_assert_eq(scan.seq, 60u);
    cr_assert_gt(scan.len, 200000);
}

Test(audit, an_act_longer_than_a_line_may_be_is_refused_and_leaves_nothing)
{
    static char big[AUDIT_LINE_MAX];
    uint32_t fits = 0;

    open_log();
    for (uint32_t len = AUDIT_LINE_MAX - 400; len < AUDIT_LINE_MAX; len++) {
        memset(big, 'x', len);
        big[len] = '\0';
        const uint64_t seq = audit.seq;
        const int result = act("start", big, NULL);
        cr_assert(result == 0 || result == -EMSGSIZE);
        cr_assert_eq(audit.seq, seq + (result == 0));
        fits += result == 0;
    }
    cr_assert(fits > 0 && fits < 400, "the limit is among the lengths that were tried");
    cr_assert_eq(scan_file(NULL), AUDIT_WHOLE);
    cr_assert_eq(scan.seq, fits);
    cr_assert_eq(audit.failed_count, 400 - fits);
}

Test(audit, without_a_log_nothing_is_written)
{
    cr_assert_eq(act("kill", NULL, NULL), -EBADF);
}

/* --- what is done to it afterwards */

Test(audit, a_change_of_any_byte_is_seen)
{
    write_lines(LINES);
    const size_t longest = line_begin(1) + 10;
    for (size_t at = 0; at < image_len; at++) {
        static const char flips[] = {1, 0x10, (char)0x80};
        for (uint32_t i = 0; i < sizeof(flips); i++) {
            image[at] ^= flips[i];
            file_store(image, image_len);
            const enum audit_verdict verdict = scan_file(NULL);
            /* The last newline is all that tells an unfinished line from a whole one. */
            cr_assert_eq(verdict, at == image_len - 1 ? AUDIT_TORN : AUDIT_DAMAGED, "byte %zu", at);
            if (verdict == AUDIT_DAMAGED)
                cr_assert_eq((size_t)scan.len, line_begin((uint32_t)scan.damaged_line - 1));
            cr_assert(verdict == AUDIT_TORN || (at >= (size_t)scan.len && at < (size_t)scan.len + longest));
            image[at] ^= flips[i];
        }
    }
}

Test(audit, a_line_removed_moved_or_put_in_is_seen_and_named)
{
    static char other[sizeof(image)];

    write_lines(LINES);
    for (uint32_t line = 0; line + 1 < LINES; line++) {
        const size_t begin = line_begin(line), next = line_begin(line + 1), after = line_begin(line + 2);
        memcpy(other, image, begin); /* removed */
        memcpy(other + begin, image + next, image_len - next);
        file_store(other, image_len - (next - begin));
        cr_assert_eq(scan_file(NULL), AUDIT_DAMAGED, "line %u removed", line);
        cr_assert_eq(scan.damaged_line, line + 1);
        memcpy(other + begin, image + next, after - next); /* moved behind the next */
        memcpy(other + begin + (after - next), image + begin, next - begin);
        memcpy(other + after, image + after, image_len - after);
        file_store(other, image_len);
        cr_assert_eq(scan_file(NULL), AUDIT_DAMAGED, "line %u moved", line);
        memcpy(other, image, next); /* there twice */
        memcpy(other + next, image + begin, image_len - begin);
        file_store(other, image_len + (next - begin));
        cr_assert_eq(scan_file(NULL), AUDIT_DAMAGED, "line %u twice", line);
        cr_assert_eq(scan.damaged_line, line + 2);
    }
}

Test(audit, lines_cut_from_the_end_are_seen_by_whoever_knows_one_of_them)
{
    struct audit_pin pin;
    char text[128];

    write_lines(LINES);
    cr_assert_eq(scan_file(NULL), AUDIT_WHOLE);
    snprintf(text, sizeof(text), "%u:%.16s", LINES, scan.hash);
    cr_assert(audit_pin_parse(text, &pin));
    cr_assert_eq(scan_file(&pin), AUDIT_WHOLE);
    write_lines(1);
    cr_assert_eq(scan_file(&pin), AUDIT_WHOLE, "the log has grown since");
    file_store(image, line_begin(LINES - 1));
    cr_assert_eq(scan_file(NULL), AUDIT_WHOLE, "by itself it cannot know");
    cr_assert_eq(scan_file(&pin), AUDIT_CUT);
    file_store(image, line_begin(LINES - 1) + 10);
    cr_assert_eq(scan_file(&pin), AUDIT_CUT, "made to look like a crash");
    unlink(path);
    write_lines(LINES + 2); /* another log with as many lines: the same hash for the same lines ... */
    cr_assert_eq(scan_file(&pin), AUDIT_WHOLE);
    unlink(path);
    open_log();
    for (uint32_t i = 0; i < LINES + 2; i++) /* ... and another for others */
        cr_assert_eq(act("kill", NULL, NULL), 0);
    cr_assert_eq(scan_file(&pin), AUDIT_CUT);
}

Test(audit, a_pin_is_a_number_and_some_digits)
{
    static const char *const bad[] = {
        "",           "1",          ":",           "1:",          "0:01234567",  "1:0123456",
        "1:0123456g", "1:0123456F", "-1:01234567", " 1:01234567", "1 :01234567", "99999999999999999999:01234567"};
    char text[128];
    struct audit_pin pin;

    for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert_not(audit_pin_parse(bad[i], &pin), "%s", bad[i]);
    snprintf(text, sizeof(text), "7:%064d", 0);
    cr_assert(audit_pin_parse(text, &pin) && pin.seq == 7);
    snprintf(text, sizeof(text), "7:%065d", 0);
    cr_assert_not(audit_pin_parse(text, &pin));
}

/* --- crashes */

Test(audit, a_log_cut_at_any_byte_is_repaired_and_says_so)
{
    write_lines(LINES);
    const size_t whole_len = image_len;
    static char whole[sizeof(image)];
    memcpy(whole, image, whole_len);
    for (size_t len = whole_len - 400; len < whole_len; len++) {
        file_store(whole, len);
        const enum audit_verdict verdict = scan_file(NULL);
        const bool at_end = whole[len - 1] == '\n';
        const uint64_t seq = scan.seq;
        const off_t torn_len = scan.torn_len;
        cr_assert_eq(verdict, at_end ? AUDIT_WHOLE : AUDIT_TORN, "%zu", len);
        cr_assert_eq((size_t)(scan.len + scan.torn_len), len);
        open_log();
        cr_assert_eq(act("start", NULL, NULL), 0);
        audit_close(&audit);
        cr_assert_eq(scan_file(NULL), AUDIT_WHOLE);
        cr_assert_eq(scan.seq, seq + (at_end ? 1 : 2), "the repair has a line");
        image_load();
        char wanted[64];
        snprintf(wanted, sizeof(wanted), "\"repair\",\"old\":\"%" PRIu64 " bytes", (uint64_t)torn_len);
        cr_assert_eq(strstr(image, wanted) != NULL, !at_end);
    }
}

Test(audit, zeros_behind_the_last_line_are_a_crash_too)
{
    write_lines(2);
    memset(image + image_len, 0, 4096);
    for (uint32_t zeros = 1; zeros <= 4096; zeros *= 8) {
        file_store(image, image_len + zeros);
        cr_assert_eq(scan_file(NULL), AUDIT_TORN, "%u", zeros);
    }
    /* the end of a line was written, its beginning was not */
    const size_t last = line_begin(1);
    memset(image + last, 0, 40);
    file_store(image, image_len);
    cr_assert_eq(scan_file(NULL), AUDIT_TORN);
    cr_assert_eq(scan.seq, 1u);
    /* but not in the middle, and not more than a line */
    image_load();
    memcpy(image + image_len, image, last);
    file_store(image, image_len + last);
    cr_assert_eq(scan_file(NULL), AUDIT_DAMAGED);
    unlink(path);
    write_lines(1);
    memset(image + image_len, 0, AUDIT_LINE_MAX);
    file_store(image, image_len + AUDIT_LINE_MAX);
    cr_assert_eq(scan_file(NULL), AUDIT_DAMAGED);
}

Test(audit, a_killed_writer_loses_no_line_that_it_was_told_of)
{
    uint64_t told = 0;

    for (uint32_t round = 0; round < 20; round++) {
        int news[2];
        cr_assert_eq(pipe(news), 0);
        const pid_t child = fork();
        cr_assert_geq(child, 0);
        if (child == 0) {
            if (audit_open(&audit, path, TIME_NS, error) != 0)
                _exit(1);
            for (;;) {
                if (act("set gateway order_qty_max", "200", "100") != 0 ||
                    write(news[1], &audit.seq, sizeof(audit.seq)) != (ssize_t)sizeof(audit.seq))
                    _exit(1);
            }
        }
        close(news[1]);
        for (uint32_t i = 0; i <= round * 7 % 11; i++)
            cr_assert_eq(read(news[0], &told, sizeof(told)), (ssize_t)sizeof(told));
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        while (read(news[0], &told, sizeof(told)) == (ssize_t)sizeof(told))
            ;
        close(news[0]);
        const enum audit_verdict verdict = scan_file(NULL);
        cr_assert(verdict == AUDIT_WHOLE || verdict == AUDIT_TORN);
        cr_assert(scan.seq == told || scan.seq == told + 1, "%" PRIu64 " lines, told of %" PRIu64, scan.seq, told);
    }
    open_log();
    cr_assert_geq(audit.seq, 20u);
}

/* --- files that cannot be written */

Test(audit, a_line_that_does_not_fit_is_taken_back_and_the_next_one_tells_of_the_acts_without)
{
    struct rlimit limit;

    signal(SIGXFSZ, SIG_IGN);
    open_log();
    cr_assert_eq(act("start", NULL, NULL), 0);
    const off_t len = audit.len;
    getrlimit(RLIMIT_FSIZE, &limit);
    const struct rlimit small = {.rlim_cur = (rlim_t)len + 50, .rlim_max = limit.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    cr_assert_eq(act("set gateway order_qty_max", "200", "100"), -ENOSPC, "half a line was written");
    cr_assert_eq(audit.failed_count, 1u);
    cr_assert_eq(audit.error, -ENOSPC);
    cr_assert_eq(scan_file(NULL), AUDIT_WHOLE);
    cr_assert_eq(scan.len, len, "nothing of it is left");
    cr_assert_eq(act("kill", NULL, "now"), -ENOSPC);
    audit_unlogged(&audit);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_assert_eq(act("arm", NULL, NULL), 0);
    cr_assert_eq(audit.error, 0);
    cr_assert_eq(scan_file(NULL), AUDIT_WHOLE);
    cr_assert_eq(scan.seq, 3u);
    image_load();
    cr_assert_not_null(strstr(image + line_begin(1), "\"what\":\"unlogged acts\",\"old\":null,\"new\":\"1\""));
    cr_assert_not_null(strstr(image + line_begin(2), "\"what\":\"arm\""));
    cr_assert_eq(act("arm", NULL, NULL), 0);
    cr_assert_eq(audit.seq, 4u, "told once");
}

/* A file system of our own, which ends with this test's process. False: this machine does not let us. */
static bool own_file_system(const char *options)
{
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", folder, "tmpfs", 0, options) == 0;
}

Test(audit, a_full_disk_refuses_lines_and_an_emptier_one_takes_them_again)
{
    char filler[80], block[4096] = {0};

    if (!own_file_system("size=64k"))
        cr_skip("file systems of one's own need root");
    open_log();
    cr_assert_eq(act("start", NULL, NULL), 0);
    snprintf(filler, sizeof(filler), "%s/filler", folder);
    const int fd = open(filler, O_WRONLY | O_CREAT, 0600);
    while (write(fd, block, sizeof(block)) > 0)
        ;
    cr_assert_eq(errno, ENOSPC);
    uint32_t written = 0;
    int result;
    while ((result = act("set gateway order_qty_max", "200", "100")) == 0 && written < 1000)
        written++; /* what the last page holds */
    cr_assert_eq(result, -ENOSPC);
    cr_assert_eq(scan_file(NULL), AUDIT_WHOLE);
    cr_assert_eq(scan.seq, 1 + written);
    struct audit second = {.fd = -1};
    audit_close(&audit);
    close(fd);
    cr_assert_eq(audit_open(&second, path, TIME_NS, error), 0, "it can be opened: %s", error);
    cr_assert_eq(unlink(filler), 0);
    audit = second;
    cr_assert_eq(act("set gateway order_qty_max", "200", "100"), 0);
    cr_assert_eq(scan_file(NULL), AUDIT_WHOLE);
    cr_assert_eq(scan.seq, 2 + written);
    audit_close(&audit);
    umount2(folder, MNT_DETACH);
}

Test(audit, a_torn_log_on_a_full_disk_is_not_opened)
{
    char filler[80], block[4096] = {0};

    if (!own_file_system("size=16k"))
        cr_skip("file systems of one's own need root");
    write_lines(1);
    static char rest[4096];
    memset(rest, 'x', sizeof(rest));
    const int log_fd = open(path, O_WRONLY | O_APPEND);
    cr_assert_eq(write(log_fd, rest, 4096 - image_len), (ssize_t)(4096 - image_len)); /* the page is full */
    close(log_fd);
    cr_assert_eq(scan_file(NULL), AUDIT_TORN);
    snprintf(filler, sizeof(filler), "%s/filler", folder);
    const int fd = open(filler, O_WRONLY | O_CREAT, 0600);
    while (write(fd, block, sizeof(block)) > 0)
        ;
    close(fd);
    cr_assert_eq(audit_open(&audit, path, TIME_NS, error), 0, "the page that the torn line had is free again: %s",
                 error);
    cr_assert_eq(audit.seq, 2u);
    audit_close(&audit);
    umount2(folder, MNT_DETACH);
}

Test(audit, a_file_that_cannot_be_a_log_is_named_with_the_fix)
{
    open_log();
    struct audit second;
    cr_assert_eq(audit_open(&second, path, TIME_NS, error), -EBUSY);
    cr_assert_not_null(strstr(error, "another gateway has it"));
    cr_assert_eq(second.fd, -1);
    audit_close(&audit);
    cr_assert_eq(audit_open(&second, "/dev/full", TIME_NS, error), -EINVAL);
    cr_assert_not_null(strstr(error, "/dev/full: is no regular file; name one"));
    cr_assert_eq(audit_open(&second, "/nonexistent/audit", TIME_NS, error), -ENOENT);
    cr_assert_not_null(strstr(error, "/nonexistent/audit: cannot be opened"));
    unlink(path);
    cr_assert_eq(mkfifo(path, 0600), 0);
    cr_assert_eq(audit_open(&second, path, TIME_NS, error), -EINVAL, "it does not wait for a writer");
    unlink(path);
    file_store("root:x:0:0:root:/:/bin/sh\n", 26);
    cr_assert_eq(audit_open(&second, path, TIME_NS, error), -EBADMSG);
    cr_assert_not_null(strstr(error, "line 1 is no line of an audit log; keep the file"));
    image_load();
    cr_assert_eq(image_len, 26u, "it was not touched");
}

Test(audit, a_damaged_log_is_not_written_to)
{
    write_lines(LINES);
    image[line_begin(2) + 60] ^= 1;
    file_store(image, image_len);
    cr_assert_eq(audit_open(&audit, path, TIME_NS, error), -EBADMSG);
    cr_assert_not_null(strstr(error, "line 3 does not have the hash"), "%s", error);
    const size_t len = image_len;
    image_load();
    cr_assert_eq(image_len, len);
}

Test(audit, a_read_only_file_system_is_named)
{
    if (!own_file_system("size=64k"))
        cr_skip("file systems of one's own need root");
    write_lines(1);
    cr_assert_eq(mount(NULL, folder, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
    cr_assert_eq(audit_open(&audit, path, TIME_NS, error), -EROFS);
    cr_assert_not_null(strstr(error, "name a file that can be written"));
    umount2(folder, MNT_DETACH);
}
