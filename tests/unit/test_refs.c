/* refs: no number is ever given out twice, whatever becomes of the process or of a write. */
#include "gateway/refs.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define HEADROOM 1600u
#define LINE_LEN 64u
#define FILE_LEN (2 * LINE_LEN)

static char folder[] = "/tmp/tickgate-refs-XXXXXX";
static char path[64];
static char error[REFS_ERROR_MAX];
static struct refs refs;

static void start(void)
{
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/refs", folder);
}

static void end(void)
{
    unlink(path);
    rmdir(folder);
}

TestSuite(refs, .init = start, .fini = end, .timeout = 60);

/* --- the file, by hand */

struct image {
    char bytes[FILE_LEN + 1];
    size_t len;
};

static struct image image_load(void)
{
    struct image image;
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file);
    image.len = fread(image.bytes, 1, sizeof(image.bytes), file);
    fclose(file);
    return image;
}

static void image_store(const struct image *image)
{
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(image->bytes, 1, image->len, file), image->len);
    cr_assert_eq(fclose(file), 0);
}

static void text_store(const char *text)
{
    struct image image = {.len = strlen(text)};
    cr_assert_leq(image.len, sizeof(image.bytes));
    memcpy(image.bytes, text, image.len);
    image_store(&image);
}

/* --- refs */

static void open_at(uint32_t first)
{
    cr_assert_eq(refs_open(&refs, path, HEADROOM, error), 0, "%s", error);
    cr_assert_eq(refs.first, first, "first is %u, not %u", refs.first, first);
    cr_assert_eq(refs.limit, first < UINT32_MAX - HEADROOM ? first + HEADROOM : UINT32_MAX);
}

/* As a crash does: nothing more is written. */
static void crash(void)
{
    refs_close(&refs, 0);
}

static void expect_refused(int code, const char *words)
{
    memset(error, 0, sizeof(error));
    cr_assert_eq(refs_open(&refs, path, HEADROOM, error), code, "%s", error);
    cr_assert_not_null(strstr(error, path), "%s", error);
    cr_assert_not_null(strstr(error, words), "%s", error);
    cr_assert_not_null(strstr(error, ";"), "it says what to do: %s", error);
    cr_assert_lt(refs.fd, 0);
    refs_close(&refs, 1); /* harmless */
}

/* What `image` makes of a file of which everything below `used` may have been given out. True: it was opened. */
static bool reopens_without_reuse(const struct image *image, uint32_t used, const char *what, size_t at)
{
    image_store(image);
    const int code = refs_open(&refs, path, HEADROOM, error);
    if (code == 0) {
        cr_assert_geq(refs.first, used, "%s %zu: first is %u, given out may be all below %u", what, at, refs.first,
                      used);
        crash();
        open_at(refs.limit); /* and the file is whole again */
        crash();
        return true;
    }
    cr_assert_eq(code, -EINVAL);
    struct image after = image_load();
    cr_assert(after.len == image->len && memcmp(after.bytes, image->bytes, after.len) == 0, "what is refused is kept");
    return false;
}

Test(refs, a_new_file_begins_with_one)
{
    open_at(1);
    const struct image image = image_load();
    cr_assert_eq(image.len, FILE_LEN);
    cr_assert_eq(image.bytes[LINE_LEN - 1], '\n');
    cr_assert_eq(image.bytes[FILE_LEN - 1], '\n');
    cr_assert_eq(memcmp(image.bytes, "tickgate-refs 1 0000000003 0000001601 ", 38), 0);
    for (size_t i = 0; i < FILE_LEN; i++)
        cr_assert(image.bytes[i] == '\n' || (image.bytes[i] >= ' ' && image.bytes[i] <= '~'), "for eyes too");
    crash();
}

Test(refs, after_a_crash_the_whole_reservation_counts_as_given_out)
{
    uint32_t first = 1;

    for (uint32_t i = 0; i < 20; i++, first += HEADROOM) {
        open_at(first);
        crash();
    }
}

Test(refs, a_clean_end_gives_back_what_was_not_used)
{
    open_at(1);
    refs_close(&refs, 42);
    open_at(42);
    refs_close(&refs, 42); /* none was used */
    open_at(42);
    refs_close(&refs, refs.limit); /* all were */
    open_at(42 + HEADROOM);
    refs_close(&refs, 41); /* of the past: that cannot be */
    open_at(42 + 2 * HEADROOM);
    refs_close(&refs, refs.limit + 1); /* nor can this */
    open_at(42 + 3 * HEADROOM);
    crash();
}

Test(refs, the_limit_rises_when_less_than_half_of_the_headroom_is_left)
{
    open_at(1);
    cr_assert_eq(refs_step(&refs, 1), 0);
    cr_assert_eq(refs_step(&refs, 1 + HEADROOM / 2), 0);
    cr_assert_eq(refs.limit, 1 + HEADROOM);
    cr_assert_eq(refs_step(&refs, 2 + HEADROOM / 2), 1);
    cr_assert_eq(refs.limit, 2 + HEADROOM / 2 + HEADROOM);
    cr_assert_eq(refs_step(&refs, 2 + HEADROOM / 2), 0);
    cr_assert_eq(refs.first, 1u);
    const uint32_t limit = refs.limit;
    cr_assert_eq(refs_step(&refs, limit), 1, "all of it was given out");
    cr_assert_eq(refs.limit, limit + HEADROOM);
    crash();
    open_at(limit + HEADROOM);
    crash();
}

Test(refs, every_number_is_reserved_on_disk_before_it_may_be_used)
{
    open_at(1);
    for (uint32_t next_ref = 1; next_ref < 20 * HEADROOM; next_ref += 37) {
        cr_assert_lt(next_ref, refs.limit);
        if (refs_step(&refs, next_ref) == 0)
            continue;
        const struct image image = image_load();
        unsigned generation[2], next[2];
        for (int i = 0; i < 2; i++)
            cr_assert_eq(sscanf(image.bytes + (size_t)i * LINE_LEN, "tickgate-refs 1 %u %u", &generation[i], &next[i]),
                         2);
        const int newest = generation[1] > generation[0];
        cr_assert_eq(next[newest], refs.limit);
        cr_assert_eq(generation[newest], generation[!newest] + 1, "in turn");
    }
    crash();
}

Test(refs, what_the_venue_expects_raises_and_never_lowers)
{
    open_at(1);
    cr_assert_eq(refs_raise(&refs, 0), 0);
    cr_assert_eq(refs_raise(&refs, 1), 0);
    cr_assert(refs.first == 1 && refs.limit == 1 + HEADROOM);
    cr_assert_eq(refs_raise(&refs, 100), 0);
    cr_assert(refs.first == 100 && refs.limit == 100 + HEADROOM);
    cr_assert_eq(refs_raise(&refs, 50), 0);
    cr_assert(refs.first == 100 && refs.limit == 100 + HEADROOM);
    cr_assert_eq(refs_step(&refs, 1000), 1);
    cr_assert_eq(refs_raise(&refs, 500), 0, "inside what is reserved");
    cr_assert(refs.first == 500 && refs.limit == 1000 + HEADROOM);
    crash();
    open_at(1000 + HEADROOM);
    cr_assert_eq(refs_raise(&refs, 1000000), 0);
    crash();
    open_at(1000000 + HEADROOM);
    crash();
}

Test(refs, the_last_number_is_the_end)
{
    open_at(1);
    cr_assert_eq(refs_raise(&refs, UINT32_MAX - 1000), 0);
    cr_assert(refs.first == UINT32_MAX - 1000 && refs.limit == UINT32_MAX);
    cr_assert_eq(refs_step(&refs, UINT32_MAX - 1), 0);
    cr_assert_eq(refs_step(&refs, UINT32_MAX), 0);
    refs_close(&refs, UINT32_MAX - 500);
    open_at(UINT32_MAX - 500);
    crash();
    open_at(UINT32_MAX);
    cr_assert_eq(refs_step(&refs, UINT32_MAX), 0);
    cr_assert_eq(refs_raise(&refs, UINT32_MAX), 0);
    cr_assert(refs.first == UINT32_MAX && refs.limit == UINT32_MAX);
    refs_close(&refs, UINT32_MAX);
    open_at(UINT32_MAX);
    crash();
}

Test(refs, a_headroom_of_one_works_too)
{
    cr_assert_eq(refs_open(&refs, path, 1, error), 0);
    for (uint32_t next_ref = 1; next_ref < 10; next_ref++) {
        cr_assert_eq(refs.limit, next_ref + 1);
        cr_assert_eq(refs_step(&refs, next_ref), 0);
        cr_assert_eq(refs_step(&refs, next_ref + 1), 1);
    }
    crash();
}

/* --- writes that are torn, bytes that go bad */

Test(refs, a_draft_left_behind_is_no_obstacle)
{
    char draft[80];

    open_at(1);
    crash();
    snprintf(draft, sizeof(draft), "%s.new", path);
    cr_assert_eq(rename(path, draft), 0);
    open_at(1);
    cr_assert_neq(access(draft, F_OK), 0);
    crash();
}

Test(refs, a_torn_write_leaves_the_line_before_it)
{
    uint32_t lines = 0;

    open_at(1);
    for (uint32_t round = 0; round < 8; round++) {
        if (round % 2 == 1)
            cr_assert_eq(refs_step(&refs, refs.limit), 1);
        const struct image before = image_load();
        const uint32_t used = refs.limit;
        cr_assert_eq(refs_step(&refs, used - HEADROOM / 4), 1);
        const uint32_t reserved = refs.limit;
        const struct image after = image_load();
        const size_t line = memcmp(before.bytes, after.bytes, LINE_LEN) != 0 ? 0 : LINE_LEN;
        lines |= 1u << line / LINE_LEN;
        cr_assert_eq(memcmp(before.bytes + (LINE_LEN - line), after.bytes + (LINE_LEN - line), LINE_LEN), 0);
        crash();
        for (size_t len = 0; len <= LINE_LEN; len++) {
            struct image torn = before;
            memcpy(torn.bytes + line, after.bytes + line, len);
            cr_assert(reopens_without_reuse(&torn, used, "torn at", len));
            memcpy(torn.bytes + line, after.bytes + line, LINE_LEN); /* the other way round */
            memcpy(torn.bytes + line, before.bytes + line, len);
            cr_assert(reopens_without_reuse(&torn, used, "begun at", len));
        }
        image_store(&before);
        open_at(used);
        crash();
        image_store(&after);
        open_at(reserved);
    }
    cr_assert_eq(lines, 3u, "either line was torn");
    crash();
}

Test(refs, a_file_cut_short_is_refused)
{
    open_at(1);
    crash();
    struct image image = image_load();
    while (image.len-- > 0) {
        image_store(&image);
        expect_refused(-EINVAL, image.len >= 16 ? "damaged" : "no file of UserRefNums");
        cr_assert_eq(image_load().len, image.len, "and kept");
    }
}

Test(refs, one_bad_byte_gives_no_number_twice)
{
    open_at(1);
    cr_assert_eq(refs_step(&refs, refs.limit), 1);
    const uint32_t used = refs.limit;
    crash();
    const struct image image = image_load();
    uint32_t opened_count = 0;
    for (size_t at = 0; at < FILE_LEN; at++)
        for (int bit = 0; bit < 8; bit++) {
            struct image bad = image;
            bad.bytes[at] = (char)(bad.bytes[at] ^ 1 << bit);
            opened_count += reopens_without_reuse(&bad, used, "bad byte at", at);
        }
    cr_assert_eq(opened_count, 8 * (FILE_LEN - 4), "all but those of the version");
}

Test(refs, two_bad_lines_are_damage)
{
    open_at(1);
    cr_assert_eq(refs_step(&refs, refs.limit), 1);
    crash();
    const struct image image = image_load();
    for (size_t at = 0; at < LINE_LEN; at++) {
        struct image bad = image;
        bad.bytes[at] = bad.bytes[at + LINE_LEN] = 'x';
        image_store(&bad);
        expect_refused(-EINVAL, at < 14    ? "no file of UserRefNums"
                                : at < 16  ? "another version"
                                           : "damaged");
    }
}

Test(refs, a_line_in_the_place_of_the_other_is_damage)
{
    open_at(1);
    crash();
    const struct image image = image_load();
    struct image bad = image;
    memcpy(bad.bytes, image.bytes + LINE_LEN, LINE_LEN);
    memcpy(bad.bytes + LINE_LEN, image.bytes, LINE_LEN);
    image_store(&bad);
    expect_refused(-EINVAL, "damaged");
}

Test(refs, what_is_no_such_file_is_left_alone)
{
    static const char *const texts[] = {
        "x", "tickgate-refx", "# a note of forty-two letters or thereabouts\n",
        "# a longer note, as long as a whole line of numbers and then some, so that its length says nothing at all\n"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        text_store(texts[i]);
        expect_refused(-EINVAL, "no file of UserRefNums");
        const struct image image = image_load();
        cr_assert(image.len == strlen(texts[i]) && memcmp(image.bytes, texts[i], image.len) == 0);
    }
}

Test(refs, a_longer_file_is_damage)
{
    open_at(1);
    crash();
    struct image image = image_load();
    image.bytes[image.len++] = '\n';
    image_store(&image);
    expect_refused(-EINVAL, "damaged");
}

Test(refs, another_version_is_refused)
{
    open_at(1);
    crash();
    struct image image = image_load();
    image.bytes[LINE_LEN + strlen("tickgate-refs ")] = '2'; /* one line that is ours is not enough */
    image_store(&image);
    expect_refused(-EINVAL, "another version than 1");
}

Test(refs, a_file_that_cannot_be_opened_is_refused)
{
    snprintf(path, sizeof(path), "%s", folder);
    expect_refused(-EISDIR, "Is a directory");
    snprintf(path, sizeof(path), "%s/none/refs", folder);
    expect_refused(-ENOENT, "No such file");
    snprintf(path, sizeof(path), "%s/refs", folder);
}

Test(refs, a_file_of_another_process_is_refused_until_it_is_closed)
{
    int ready[2], go[2];
    char byte = 0;

    cr_assert(pipe(ready) == 0 && pipe(go) == 0);
    const pid_t child = fork();
    if (child == 0) {
        close(go[1]); /* the parent's end is an end for the child too */
        const bool opened = refs_open(&refs, path, HEADROOM, error) == 0;
        if (!opened || write(ready[1], &byte, 1) != 1 || read(go[0], &byte, 1) != 1)
            _exit(1);
        _exit(0); /* without a word: the lock goes with the process */
    }
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    expect_refused(-EBUSY, "another gateway has it");
    cr_assert_eq(write(go[1], &byte, 1), 1);
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    open_at(1 + HEADROOM);
    struct refs other;
    cr_assert_eq(refs_open(&other, path, HEADROOM, error), -EBUSY);
    crash();
}

/* --- a disk that takes nothing */

static void disk_full(bool full)
{
    static struct rlimit before;
    struct rlimit none;

    if (!full) {
        cr_assert_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
        return;
    }
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
}

Test(refs, a_file_that_cannot_be_written_is_refused)
{
    disk_full(true);
    expect_refused(-EFBIG, "cannot be created");
    cr_assert_neq(access(path, F_OK), 0);
    disk_full(false);
    open_at(1);
    refs_close(&refs, 7);
    disk_full(true);
    expect_refused(-EFBIG, "cannot be written");
    disk_full(false);
    open_at(7);
    crash();
}

Test(refs, a_failed_write_raises_nothing_and_is_tried_again_later)
{
    const uint32_t half = 2 + HEADROOM / 2;

    open_at(1);
    disk_full(true);
    cr_assert_eq(refs_step(&refs, half), -EFBIG);
    cr_assert_eq(refs.limit, 1 + HEADROOM);
    disk_full(false);
    for (uint32_t i = 0; i < 100000; i++)
        cr_assert_eq(refs_step(&refs, half), 0, "not with each call");
    cr_assert_eq(refs_step(&refs, half + HEADROOM / 16), 0);
    cr_assert_eq(refs_step(&refs, half + HEADROOM / 16 + 1), 1);
    cr_assert_eq(refs.limit, half + HEADROOM / 16 + 1 + HEADROOM);
    disk_full(true);
    cr_assert_eq(refs_raise(&refs, 100000), -EFBIG);
    cr_assert(refs.first == 1 && refs.limit == half + HEADROOM / 16 + 1 + HEADROOM);
    disk_full(false);
    crash();
}

Test(refs, a_gateway_without_numbers_goes_on_when_the_disk_does)
{
    int code = 0;

    open_at(1);
    const uint32_t limit = refs.limit;
    disk_full(true);
    uint32_t failed_count = 0;
    for (uint32_t i = 0; i < 100000; i++) {
        const int step = refs_step(&refs, limit);
        cr_assert(step == 0 || step == -EFBIG);
        failed_count += step != 0;
    }
    cr_assert(failed_count > 1 && failed_count < 100, "%u times", failed_count);
    disk_full(false);
    for (uint32_t i = 0; i < 10000 && code == 0; i++)
        code = refs_step(&refs, limit);
    cr_assert_eq(code, 1);
    cr_assert_eq(refs.limit, limit + HEADROOM);
    crash();
}
