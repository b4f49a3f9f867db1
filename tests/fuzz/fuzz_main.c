/* Driver of a fuzz target in builds without libFuzzer: replays files, then seeded mutations of each.
 *
 *   fuzz_frame [--mutations N] [--seed S] FILE_OR_FOLDER...
 *
 * The same arguments give the same inputs on any machine. An input that breaks the target is written to crash-input in
 * the working folder. Ends with the counts and 0; non-zero when there was nothing to replay. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ring/check.h"
#include "tests/fuzz/fuzz.h"

#define INPUT_LEN_MAX     16384u
#define FILES_MAX         1024u
#define PATH_LEN_MAX      4096u
#define MUTATIONS_DEFAULT 2000u
#define STEPS_MAX         6u /* changes in one mutation */

struct input {
    uint8_t bytes[INPUT_LEN_MAX];
    size_t len;
};

struct corpus {
    struct input *file;
    uint32_t count;
};

/* The input that the target is at; read by the crash handler. */
static const struct input *current;

static void write_current(void)
{
    static const char text[] = "input written to crash-input\n";
    if (current == NULL)
        return;
    const int fd = open("crash-input", O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd >= 0 && write(fd, current->bytes, current->len) == (ssize_t)current->len && close(fd) == 0)
        (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
    current = NULL;
}

static void on_crash(int signal_number)
{
    write_current();
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

/* Called by the address sanitizer's runtime, where there is one, before it reports. */
void __asan_on_error(void);
void __asan_on_error(void)
{
    write_current();
}

static void run(const struct input *input)
{
    current = input;
    LLVMFuzzerTestOneInput(input->bytes, input->len);
    current = NULL;
}

/* splitmix64 */
static uint64_t next_random(uint64_t *state)
{
    uint64_t value = *state += 0x9e3779b97f4a7c15u;
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
    value = (value ^ value >> 27) * 0x94d049bb133111ebu;
    return value ^ value >> 31;
}

static size_t below(uint64_t *state, size_t limit)
{
    return limit == 0 ? 0 : (size_t)(next_random(state) % limit);
}

/* Move the bytes behind `at` so that `more` bytes fit there; false if they do not. */
static bool make_room(struct input *input, size_t at, size_t more)
{
    if (more > INPUT_LEN_MAX - input->len)
        return false;
    memmove(input->bytes + at + more, input->bytes + at, input->len - at);
    input->len += more;
    return true;
}

static void mutate_once(const struct corpus *corpus, struct input *input, uint64_t *state)
{
    static const uint8_t edges[] = {0x00, 0x01, 0x02, 0x13, 0x14, 0x45, 0x7f, 0x80, 0xfe, 0xff};
    const size_t at = below(state, input->len);
    switch (next_random(state) % 9) {
    case 0: /* flip a bit */
        if (input->len > 0)
            input->bytes[at] ^= (uint8_t)(1u << below(state, 8));
        break;
    case 1: /* any byte */
        if (input->len > 0)
            input->bytes[at] = (uint8_t)next_random(state);
        break;
    case 2: /* a byte at an edge */
        if (input->len > 0)
            input->bytes[at] = edges[below(state, sizeof(edges))];
        break;
    case 3: /* a little more or less, as off-by-one lengths are */
        if (input->len > 0)
            input->bytes[at] = (uint8_t)(input->bytes[at] + below(state, 5) - 2);
        break;
    case 4: /* two bytes at an edge */
        if (input->len > 1 && at + 1 < input->len)
            input->bytes[at] = input->bytes[at + 1] = next_random(state) & 1 ? 0xff : 0;
        break;
    case 5: /* cut the end off */
        input->len -= below(state, input->len + 1);
        break;
    case 6: { /* take bytes out */
        const size_t out_len = below(state, input->len - at + 1) % 64;
        memmove(input->bytes + at, input->bytes + at + out_len, input->len - at - out_len);
        input->len -= out_len;
        break;
    }
    case 7: { /* repeat bytes */
        const size_t again_len = below(state, input->len - at + 1) % 256;
        if (make_room(input, at, again_len))
            memmove(input->bytes + at, input->bytes + at + again_len, again_len);
        break;
    }
    default: { /* go on as another file does */
        const struct input *other = &corpus->file[below(state, corpus->count)];
        const size_t from = below(state, other->len + 1);
        const size_t more = other->len - from < INPUT_LEN_MAX - at ? other->len - from : INPUT_LEN_MAX - at;
        memcpy(input->bytes + at, other->bytes + from, more);
        input->len = at + more;
        break;
    }
    }
}

static bool load_file(struct corpus *corpus, const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || corpus->count == FILES_MAX) {
        fprintf(stderr, "%s: %s\n", path, file == NULL ? "cannot be opened" : "too many files");
        return false;
    }
    struct input *input = &corpus->file[corpus->count++];
    input->len = fread(input->bytes, 1, INPUT_LEN_MAX, file);
    const bool whole = fgetc(file) == EOF && !ferror(file);
    fclose(file);
    if (!whole)
        fprintf(stderr, "%s: cannot be read or is longer than %u bytes\n", path, INPUT_LEN_MAX);
    return whole;
}

static bool load_path(struct corpus *corpus, const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0) {
        fprintf(stderr, "%s: no such file or folder\n", path);
        return false;
    }
    if (!S_ISDIR(status.st_mode))
        return load_file(corpus, path);
    struct dirent **entry;
    const int entry_count = scandir(path, &entry, NULL, alphasort); /* in order, so that mutations repeat */
    bool loaded = entry_count >= 0;
    for (int i = 0; i < entry_count; i++) {
        char name[PATH_LEN_MAX];
        if (entry[i]->d_name[0] != '.' && loaded) {
            const int name_len = snprintf(name, sizeof(name), "%s/%s", path, entry[i]->d_name);
            loaded = name_len > 0 && (size_t)name_len < sizeof(name) && load_file(corpus, name);
        }
        free(entry[i]);
    }
    if (entry_count >= 0)
        free(entry);
    return loaded;
}

static bool read_number(const char *text, uint64_t *ret_value)
{
    char *end;
    *ret_value = strtoull(text, &end, 0);
    return end != text && *end == '\0';
}

int main(int argc, char **argv)
{
    uint64_t mutation_max = MUTATIONS_DEFAULT, seed = 1;
    struct corpus corpus = {.file = calloc(FILES_MAX, sizeof(struct input))};
    CHECK(corpus.file != NULL);
    for (int i = 1; i < argc; i++) {
        uint64_t *number = strcmp(argv[i], "--mutations") == 0 ? &mutation_max
                           : strcmp(argv[i], "--seed") == 0    ? &seed
                                                               : NULL;
        if (number != NULL ? i + 1 == argc || !read_number(argv[++i], number) : !load_path(&corpus, argv[i])) {
            fprintf(stderr, "usage: %s [--mutations N] [--seed S] FILE_OR_FOLDER...\n", argv[0]);
            free(corpus.file);
            return 2;
        }
    }
    signal(SIGSEGV, on_crash);
    signal(SIGBUS, on_crash);
    signal(SIGABRT, on_crash);

    uint64_t mutation_count = 0;
    for (uint32_t i = 0; i < corpus.count; i++) {
        run(&corpus.file[i]);
        uint64_t state = seed + i;
        for (uint64_t k = 0; k < mutation_max; k++, mutation_count++) {
            static struct input mutated;
            mutated.len = corpus.file[i].len;
            memcpy(mutated.bytes, corpus.file[i].bytes, mutated.len);
            const size_t step_count = 1 + below(&state, STEPS_MAX);
            for (size_t step = 0; step < step_count; step++)
                mutate_once(&corpus, &mutated, &state);
            run(&mutated);
        }
    }
    printf("%u files, %llu mutations, seed %llu\n", corpus.count, (unsigned long long)mutation_count,
           (unsigned long long)seed);
    free(corpus.file);
    return corpus.count > 0 ? 0 : 1;
}
