/* See audit.h. */
#include "gateway/admin/audit.h"

#include "gateway/json.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define HASH_KEY       ",\"hash\":\""
#define HASH_KEY_LEN   (sizeof(HASH_KEY) - 1)
#define TIME_KEY_LEN   (sizeof("\"time\":\"") - 1)
#define TAIL_LEN       (HASH_KEY_LEN + AUDIT_HASH_LEN + 3) /* ,"hash":"..."} and the newline */
#define PIN_DIGITS_MIN 8u
#define READ_LEN       65536u

static const char no_hash[AUDIT_HASH_LEN + 1] = "0000000000000000000000000000000000000000000000000000000000000000";

uint64_t audit_wall_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void hash_of(const char before[AUDIT_HASH_LEN + 1], const char *bytes, size_t len,
                    char ret_hash[AUDIT_HASH_LEN + 1])
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    SHA2_CTX context;

    SHA256Init(&context);
    SHA256Update(&context, (const uint8_t *)before, AUDIT_HASH_LEN);
    SHA256Update(&context, (const uint8_t *)bytes, len);
    SHA256Final(digest, &context);
    for (uint32_t i = 0; i < SHA256_DIGEST_LENGTH; i++)
        snprintf(ret_hash + (size_t)i * 2, 3, "%02x", digest[i]);
}

/* --- reading */

/* Is the line about that act, and was it done? Quotes of a text are escaped, so only our own are found. */
static bool is_done(const char *line, size_t len, const char *what)
{
    static const char done[] = ",\"result\":\"done\"" HASH_KEY;
    char key[32];
    const int key_len = snprintf(key, sizeof(key), "\",\"what\":\"%s\",", what);

    return memmem(line, len, key, (size_t)key_len) && memmem(line, len, done, sizeof(done) - 1);
}

/* One line, with its newline. NULL: it follows from what was scanned before and is added to it; otherwise what is
 * wrong. */
static const char *line_take(struct audit_scan *scan, const char *line, size_t len)
{
    char head[40], hash[AUDIT_HASH_LEN + 1];

    const int head_len = snprintf(head, sizeof(head), "{\"seq\":%" PRIu64 ",", scan->seq + 1);
    if (len < (size_t)head_len + TIME_KEY_LEN + AUDIT_TIME_LEN + TAIL_LEN ||
        memcmp(line + len - TAIL_LEN, HASH_KEY, HASH_KEY_LEN) != 0)
        return "is no line of an audit log";
    if (memcmp(line, head, (size_t)head_len) != 0)
        return "has another sequence number than the one that is due: lines were removed, put in or moved";
    hash_of(scan->hash, line, len - TAIL_LEN, hash);
    if (memcmp(line + len - TAIL_LEN + HASH_KEY_LEN, hash, AUDIT_HASH_LEN) != 0 ||
        memcmp(line + len - 3, "\"}\n", 3) != 0)
        return "does not have the hash that follows from it and from the line before: one of them was changed";
    const char *time = line + head_len + TIME_KEY_LEN;
    if (strspn(time, "0123456789-:.TZ") != AUDIT_TIME_LEN) /* made by somebody else, who knows how to hash */
        return "has no time where it should be";
    memcpy(scan->last_time, time, AUDIT_TIME_LEN);
    if (scan->seq == 0)
        memcpy(scan->first_time, time, AUDIT_TIME_LEN);
    memcpy(scan->hash, hash, sizeof(hash));
    scan->seq++;
    if (is_done(line, len, "kill")) {
        scan->kill_seq = scan->seq;
        memcpy(scan->kill_time, scan->last_time, AUDIT_TIME_LEN);
    } else if (is_done(line, len, "arm")) {
        scan->kill_seq = 0;
    }
    scan->len += (off_t)len;
    return NULL;
}

/* What follows the last whole line, up to the end of the file: the unfinished line of a crash, if it is no longer than
 * one and has no end; or has one but zeros before it: a file system may have made the file longer before it had all of
 * its bytes. Nobody types zeros. */
static bool torn(const char *bytes, size_t len)
{
    const char *newline = memchr(bytes, '\n', len);

    return len < AUDIT_LINE_MAX && (!newline || (newline == bytes + len - 1 && memchr(bytes, '\0', len)));
}

static void pin_look(const struct audit_scan *scan, const struct audit_pin *pin, bool *found)
{
    if (pin && pin->seq == scan->seq && strncmp(pin->hash, scan->hash, strlen(pin->hash)) == 0)
        *found = true;
}

int audit_scan(int fd, const struct audit_pin *pin, struct audit_scan *ret_scan, enum audit_verdict *ret_verdict)
{
    char buffer[READ_LEN + AUDIT_LINE_MAX];
    struct audit_scan scan = {0};
    size_t held = 0; /* bytes in the buffer that belong to no whole line yet */
    bool ended = false, pinned = !pin || pin->seq == 0;

    memcpy(scan.hash, no_hash, sizeof(scan.hash));
    while (!ended) {
        const ssize_t got = read(fd, buffer + held, READ_LEN);
        if (got < 0) {
            if (errno == EINTR)
                continue;
            return -errno;
        }
        ended = got == 0;
        held += (size_t)got;
        size_t at = 0;
        const char *newline;
        while (!scan.why && (newline = memchr(buffer + at, '\n', held - at))) {
            const size_t len = (size_t)(newline - (buffer + at)) + 1;
            scan.why = len > AUDIT_LINE_MAX ? "is longer than a line may be" : line_take(&scan, buffer + at, len);
            if (!scan.why) {
                at += len;
                pin_look(&scan, pin, &pinned);
            }
        }
        memmove(buffer, buffer + at, held - at);
        held -= at;
        if (held >= AUDIT_LINE_MAX) {
            scan.why = scan.why ? scan.why : "is longer than a line may be";
            break; /* no unfinished line is so long: the rest cannot change the verdict */
        }
    }
    enum audit_verdict verdict = pinned ? AUDIT_WHOLE : AUDIT_CUT;
    if (held > 0 && torn(buffer, held)) {
        scan.why = NULL;
        scan.torn_len = (off_t)held;
        verdict = pinned ? AUDIT_TORN : AUDIT_CUT;
    } else if (held > 0) {
        scan.damaged_line = scan.seq + 1;
        verdict = AUDIT_DAMAGED;
    }
    *ret_scan = scan;
    *ret_verdict = verdict;
    return 0;
}

bool audit_pin_parse(const char *text, struct audit_pin *ret_pin)
{
    struct audit_pin pin = {0};
    char *end;

    errno = 0;
    pin.seq = strtoull(text, &end, 10);
    if (errno || *text < '1' || *text > '9' || *end != ':')
        return false;
    const size_t len = strlen(end + 1);
    if (len < PIN_DIGITS_MIN || len > AUDIT_HASH_LEN || strspn(end + 1, "0123456789abcdef") != len)
        return false;
    memcpy(pin.hash, end + 1, len + 1);
    *ret_pin = pin;
    return true;
}

/* --- writing */

static void time_text(uint64_t wall_ns, char ret_text[AUDIT_TIME_LEN + 1])
{
    const time_t seconds = (time_t)(wall_ns / 1000000000u);
    struct tm utc;

    gmtime_r(&seconds, &utc);
    const size_t len = strftime(ret_text, AUDIT_TIME_LEN + 1, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(ret_text + len, AUDIT_TIME_LEN + 1 - len, ".%09" PRIu64 "Z", wall_ns % 1000000000u);
}

static void value(struct json *json, const char *key, const char *text)
{
    if (text)
        json_text(json, key, text);
    else
        json_null(json, key);
}

/* The line that follows the last one. Its length, 0 = longer than a line may be. */
static size_t line_make(const struct audit *audit, const struct audit_act *act, uint64_t wall_ns,
                        char ret_line[AUDIT_LINE_MAX + 1], char ret_hash[AUDIT_HASH_LEN + 1])
{
    FILE *out = fmemopen(ret_line, AUDIT_LINE_MAX + 1, "w"); /* it ends what it holds with a zero */
    char time[AUDIT_TIME_LEN + 1];
    struct json json;

    if (!out)
        return 0;
    time_text(wall_ns, time);
    json_init(&json, out);
    json_open(&json, NULL, '{');
    json_u64(&json, "seq", audit->seq + 1);
    json_text(&json, "time", time);
    json_text(&json, "who", act->who);
    json_text(&json, "what", act->what);
    value(&json, "old", act->old_value);
    value(&json, "new", act->new_value);
    json_text(&json, "result", act->result);
    fflush(out);
    const long body_len = ftell(out);
    if (body_len > 0 && (size_t)body_len + TAIL_LEN <= AUDIT_LINE_MAX && !ferror(out)) {
        hash_of(audit->hash, ret_line, (size_t)body_len, ret_hash);
        json_text(&json, "hash", ret_hash);
        json_close(&json, '}');
    }
    const bool good = fclose(out) == 0;
    return good && body_len > 0 && (size_t)body_len + TAIL_LEN <= AUDIT_LINE_MAX ? (size_t)body_len + TAIL_LEN : 0;
}

/* Take back what a failed write has left. A line that cannot be taken back either makes the file end in an unfinished
 * line, which the next write tries to remove again first. */
static int take_back(struct audit *audit)
{
    struct stat status;

    if (fstat(audit->fd, &status) != 0)
        return -errno;
    return status.st_size == audit->len || ftruncate(audit->fd, audit->len) == 0 ? 0 : -errno;
}

static int append(struct audit *audit, const struct audit_act *act, uint64_t wall_ns)
{
    char line[AUDIT_LINE_MAX + 1], hash[AUDIT_HASH_LEN + 1];
    int error = 0;

    const size_t len = line_make(audit, act, wall_ns, line, hash);
    if (len == 0)
        return -EMSGSIZE;
    error = take_back(audit);
    if (error)
        return error;
    const ssize_t written = write(audit->fd, line, len);
    if (written != (ssize_t)len)
        error = written < 0 ? -errno : -ENOSPC;
    else if (fdatasync(audit->fd) != 0)
        error = -errno;
    if (error) {
        (void)take_back(audit); /* else the next write does */
        return error;
    }
    audit->seq++;
    audit->len += (off_t)len;
    memcpy(audit->hash, hash, sizeof(hash));
    return 0;
}

int audit_write(struct audit *audit, const struct audit_act *act, uint64_t wall_ns)
{
    if (audit->fd < 0)
        return -EBADF;
    audit->error = 0;
    if (audit->unlogged_count > 0) {
        char count[24];
        snprintf(count, sizeof(count), "%" PRIu64, audit->unlogged_count);
        const struct audit_act unlogged = {
            .who = "gateway", .what = "unlogged acts", .new_value = count, .result = "done"};
        audit->error = append(audit, &unlogged, wall_ns);
        if (audit->error == 0)
            audit->unlogged_count = 0;
    }
    if (audit->error == 0)
        audit->error = append(audit, act, wall_ns);
    audit->failed_count += audit->error != 0;
    return audit->error;
}

void audit_unlogged(struct audit *audit)
{
    audit->unlogged_count++;
}

/* --- opening */

static int fail(struct audit *audit, int error, const char *path, const char *what, char ret_error[AUDIT_ERROR_MAX])
{
    snprintf(ret_error, AUDIT_ERROR_MAX, "admin.audit_file %s: %s", path, what);
    audit_close(audit);
    return error;
}

static int fail_errno(struct audit *audit, int error, const char *path, const char *what,
                      char ret_error[AUDIT_ERROR_MAX])
{
    char text[160];

    snprintf(text, sizeof(text), "%s: %s; name a file that can be written", what, strerror(-error));
    return fail(audit, error, path, text, ret_error);
}

/* A new file is there only when its folder says so. */
static int folder_sync(const char *path)
{
    char copy[PATH_MAX];

    if (snprintf(copy, sizeof(copy), "%s", path) >= (int)sizeof(copy))
        return -ENAMETOOLONG;
    const int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    const int error = fsync(fd) == 0 ? 0 : -errno;
    close(fd);
    return error;
}

/* Cut the unfinished line off, and say so in a line of its own. */
static int repair(struct audit *audit, off_t torn_len, uint64_t wall_ns)
{
    char text[96];

    if (ftruncate(audit->fd, audit->len) != 0 || fsync(audit->fd) != 0)
        return -errno;
    snprintf(text, sizeof(text), "%" PRIu64 " bytes of an unfinished line", (uint64_t)torn_len);
    const struct audit_act act = {.who = "gateway", .what = "repair", .old_value = text, .result = "done"};
    return audit_write(audit, &act, wall_ns);
}

int audit_open(struct audit *audit, const char *path, uint64_t wall_ns, char ret_error[AUDIT_ERROR_MAX])
{
    enum audit_verdict verdict = AUDIT_WHOLE;
    struct audit_scan scan;
    struct stat status;
    char text[256];

    /* Without waiting for the other end, should it be a pipe. */
    const int flags = O_RDWR | O_APPEND | O_NONBLOCK | O_CLOEXEC;
    *audit = (struct audit){.fd = open(path, flags | O_CREAT, 0640)};
    if (audit->fd < 0)
        return fail_errno(audit, -errno, path, "cannot be opened", ret_error);
    if (fstat(audit->fd, &status) != 0)
        return fail_errno(audit, -errno, path, "cannot be looked at", ret_error);
    if (!S_ISREG(status.st_mode))
        return fail(audit, -EINVAL, path, "is no regular file; name one", ret_error);
    if (flock(audit->fd, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK
                   ? fail(audit, -EBUSY, path, "another gateway has it; each gateway needs a log of its own", ret_error)
                   : fail_errno(audit, -errno, path, "cannot be locked", ret_error);
    int error = audit_scan(audit->fd, NULL, &scan, &verdict);
    if (error)
        return fail_errno(audit, error, path, "cannot be read", ret_error);
    if (verdict == AUDIT_DAMAGED) {
        snprintf(text, sizeof(text), "line %" PRIu64 " %s; keep the file for whoever has to know, and name another",
                 scan.damaged_line, scan.why);
        return fail(audit, -EBADMSG, path, text, ret_error);
    }
    audit->seq = scan.seq;
    audit->len = scan.len;
    audit->torn_len = scan.torn_len;
    memcpy(audit->hash, scan.hash, sizeof(audit->hash));
    audit->kill_seq = scan.kill_seq;
    memcpy(audit->kill_time, scan.kill_time, sizeof(audit->kill_time));
    if (status.st_size == 0)
        error = folder_sync(path);
    if (error == 0 && verdict == AUDIT_TORN)
        error = repair(audit, scan.torn_len, wall_ns);
    return error ? fail_errno(audit, error, path, "cannot be written", ret_error) : 0;
}

void audit_close(struct audit *audit)
{
    if (audit->fd >= 0)
        close(audit->fd);
    audit->fd = -1;
}
