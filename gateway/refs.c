/* See refs.h. */
#include "gateway/refs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define LINE_LEN 64 /* with its newline */
#define FILE_LEN (2 * LINE_LEN)
#define MAGIC "tickgate-refs "
#define VERSION "1 "
#define STUCK_CALLS 4096u

/* Lines are written in turn. */
static size_t offset_of(uint64_t generation)
{
    return (generation - 1) % 2 * LINE_LEN;
}

/* FNV-1a of generation and number. */
static uint64_t checksum_of(uint64_t generation, uint32_t next)
{
    const uint64_t words[2] = {generation, next};
    uint64_t hash = 0xcbf29ce484222325u;

    for (uint32_t i = 0; i < sizeof(words); i++)
        hash = (hash ^ ((words[i / 8] >> i % 8 * 8) & 0xff)) * 0x100000001b3u;
    return hash;
}

static void line_make(uint64_t generation, uint32_t next, char ret_line[LINE_LEN])
{
    char text[LINE_LEN + 16];

    const int len = snprintf(text, sizeof(text), MAGIC VERSION "%010" PRIu64 " %010" PRIu32 " %016" PRIx64, generation,
                             next, checksum_of(generation, next));
    memset(ret_line, ' ', LINE_LEN - 1);
    memcpy(ret_line, text, (size_t)len);
    ret_line[LINE_LEN - 1] = '\n';
}

/* A line counts when it is byte for byte what would be written for its numbers. */
static bool line_parse(const char *line, uint64_t *ret_generation, uint32_t *ret_next)
{
    char text[LINE_LEN], wanted[LINE_LEN];
    uint64_t generation;
    uint32_t next;

    memcpy(text, line, LINE_LEN);
    text[LINE_LEN - 1] = '\0';
    if (sscanf(text, MAGIC VERSION "%" SCNu64 " %" SCNu32, &generation, &next) != 2 || generation == 0 || next == 0)
        return false;
    line_make(generation, next, wanted);
    if (memcmp(line, wanted, LINE_LEN) != 0)
        return false;
    *ret_generation = generation;
    *ret_next = next;
    return true;
}

/* Make `next` durable as the number from which on none has been given out. */
static int reserve(struct refs *refs, uint32_t next)
{
    char line[LINE_LEN];

    line_make(refs->generation + 1, next, line);
    const ssize_t len = pwrite(refs->fd, line, LINE_LEN, (off_t)offset_of(refs->generation + 1));
    if (len != LINE_LEN)
        return len < 0 ? -errno : -ENOSPC;
    if (fdatasync(refs->fd) != 0)
        return -errno;
    refs->generation++;
    return 0;
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

static uint32_t ahead(uint32_t from, uint32_t headroom)
{
    return headroom < UINT32_MAX - from ? from + headroom : UINT32_MAX;
}

/* Generation and first from what is in the file. 0, or -EINVAL and *ret_what. */
static int recover(struct refs *refs, const char *bytes, size_t len, const char **ret_what)
{
    uint32_t next, good_count = 0;
    uint64_t generation;

    *ret_what = "is no file of UserRefNums; name another, or remove it";
    for (size_t at = 0; at < FILE_LEN && at + strlen(MAGIC VERSION) <= len; at += LINE_LEN) {
        if (memcmp(bytes + at, MAGIC, strlen(MAGIC)) != 0)
            continue;
        if (memcmp(bytes + at + strlen(MAGIC), VERSION, strlen(VERSION)) != 0) {
            *ret_what = "is of another version than 1; name another, or start the release that wrote it";
            return -EINVAL;
        }
        *ret_what = "is damaged: which UserRefNums were used is not known; remove it, and the venue's answer to the "
                    "Account Query will tell";
    }
    for (size_t at = 0; at < FILE_LEN && len == FILE_LEN; at += LINE_LEN) {
        if (!line_parse(bytes + at, &generation, &next) || offset_of(generation) != at)
            continue;
        good_count++;
        if (generation <= refs->generation)
            continue;
        refs->generation = generation;
        refs->first = next;
    }
    if (good_count == 1)
        refs->first = ahead(refs->first, refs->headroom);
    return good_count > 0 ? 0 : -EINVAL;
}

/* A new file comes into being whole: under another name first. 0; -EEXIST: somebody else was faster. */
static int create(const char *path)
{
    char text[FILE_LEN], draft[PATH_MAX];
    int error = 0;

    if (snprintf(draft, sizeof(draft), "%s.new", path) >= (int)sizeof(draft))
        return -ENAMETOOLONG;
    const int fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return -errno;
    for (uint64_t generation = 1; generation <= 2; generation++)
        line_make(generation, 1, text + offset_of(generation));
    const ssize_t len = write(fd, text, sizeof(text));
    if (len != (ssize_t)sizeof(text))
        error = len < 0 ? -errno : -ENOSPC;
    else if (fdatasync(fd) != 0 || link(draft, path) != 0)
        error = -errno;
    close(fd);
    unlink(draft);
    return error ? error : folder_sync(path);
}

static int fail(struct refs *refs, int error, const char *path, const char *what, char ret_error[REFS_ERROR_MAX])
{
    snprintf(ret_error, REFS_ERROR_MAX, "orders.refs_file %s: %s", path, what);
    if (refs->fd >= 0)
        close(refs->fd);
    refs->fd = -1;
    return error;
}

static int fail_errno(struct refs *refs, int error, const char *path, const char *what, char ret_error[REFS_ERROR_MAX])
{
    char text[128];

    snprintf(text, sizeof(text), "%s: %s; name a file that can be written", what, strerror(-error));
    return fail(refs, error, path, text, ret_error);
}

int refs_open(struct refs *refs, const char *path, uint32_t headroom, char ret_error[REFS_ERROR_MAX])
{
    char bytes[FILE_LEN + 1];
    const char *what;

    int error = 0;

    *refs = (struct refs){.headroom = headroom, .fd = open(path, O_RDWR | O_CLOEXEC)};
    if (refs->fd < 0 && errno == ENOENT) {
        error = create(path);
        if (error && error != -EEXIST)
            return fail_errno(refs, error, path, "cannot be created", ret_error);
        refs->fd = open(path, O_RDWR | O_CLOEXEC);
    }
    if (refs->fd < 0)
        return fail_errno(refs, -errno, path, "cannot be opened", ret_error);
    if (flock(refs->fd, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK
                   ? fail(refs, -EBUSY, path, "another gateway has it; each session needs a file of its own", ret_error)
                   : fail_errno(refs, -errno, path, "cannot be locked", ret_error);
    const ssize_t len = pread(refs->fd, bytes, sizeof(bytes), 0);
    if (len < 0)
        return fail_errno(refs, -errno, path, "cannot be read", ret_error);
    error = recover(refs, bytes, (size_t)len, &what);
    if (error)
        return fail(refs, error, path, what, ret_error);
    refs->limit = ahead(refs->first, headroom);
    error = reserve(refs, refs->limit);
    return error ? fail_errno(refs, error, path, "cannot be written", ret_error) : 0;
}

int refs_raise(struct refs *refs, uint32_t next)
{
    const uint32_t limit = ahead(next, refs->headroom);

    if (next <= refs->first)
        return 0;
    if (limit > refs->limit) {
        const int error = reserve(refs, limit);
        if (error)
            return error;
        refs->limit = limit;
    }
    refs->first = next;
    return 0;
}

/* After a failed write: is it time for another? */
static bool again(struct refs *refs, uint32_t next_ref)
{
    return next_ref >= refs->retry_ref || (next_ref >= refs->limit && ++refs->stuck_count % STUCK_CALLS == 0);
}

int refs_step(struct refs *refs, uint32_t next_ref)
{
    const uint32_t limit = ahead(next_ref, refs->headroom);

    if (limit <= refs->limit || (next_ref < refs->limit && refs->limit - next_ref >= refs->headroom / 2) ||
        !again(refs, next_ref))
        return 0;
    const int error = reserve(refs, limit);
    if (error) {
        refs->retry_ref = ahead(next_ref, refs->headroom / 16 + 1);
        return error;
    }
    refs->limit = limit;
    return 1;
}

void refs_close(struct refs *refs, uint32_t next_ref)
{
    if (refs->fd < 0)
        return;
    if (next_ref >= refs->first && next_ref < refs->limit)
        reserve(refs, next_ref);
    close(refs->fd);
    refs->fd = -1;
}
