/* Fuzz target of gateway/admin_line: the input is what a peer sends to the admin socket. Lines are the same whatever
 * pieces the bytes come in; a command that was understood holds only what prints, and its own words give it again. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "gateway/admin/admin_line.h"
#include "ring/check.h"
#include "tests/fuzz/fuzz.h"

#define LINES_MAX 4096u

static void check_text(const char *text, uint32_t len_max)
{
    const size_t len = strnlen(text, len_max + 1);

    CHECK(len <= len_max);
    for (size_t i = 0; i < len; i++)
        CHECK((text[i] >= ' ' && text[i] <= '~') || text[i] == '\t');
}

static void check_line(const char *text, uint32_t len)
{
    struct admin_line line, again;
    char error[ADMIN_ERROR_MAX] = "", said[ADMIN_LINE_MAX];

    memset(&line, 0x5a, sizeof(line));
    const struct admin_line before = line;
    if (!admin_line_parse(text, len, &line, error)) {
        CHECK(memcmp(&line, &before, sizeof(line)) == 0);
        CHECK(error[0] != '\0');
        check_text(error, ADMIN_ERROR_MAX - 1);
        return;
    }
    CHECK(line.verb < ADMIN_VERB_COUNT && line.word_count <= ADMIN_WORDS_MAX);
    check_text(line.reason, ADMIN_REASON_MAX);
    CHECK(line.verb == ADMIN_KILL || line.reason[0] == '\0');
    int said_len = snprintf(said, sizeof(said), "%s", admin_verb_name(line.verb));
    for (uint32_t i = 0; i < line.word_count; i++) {
        check_text(line.word[i], ADMIN_WORD_MAX);
        CHECK(line.word[i][0] != '\0' && !strpbrk(line.word[i], " \t"));
        said_len += snprintf(said + said_len, sizeof(said) - (size_t)said_len, " %s", line.word[i]);
    }
    if (line.reason[0] != '\0')
        said_len += snprintf(said + said_len, sizeof(said) - (size_t)said_len, " %s", line.reason);
    CHECK(admin_line_parse(said, (uint32_t)said_len, &again, error));
    CHECK(again.verb == line.verb && again.word_count == line.word_count);
    CHECK(memcmp(again.word, line.word, sizeof(line.word)) == 0);
    const size_t reason_len =
        strlen(again.reason); /* a cut may leave a blank at the end, which is none the second time */
    CHECK(strncmp(again.reason, line.reason, reason_len) == 0 && strlen(line.reason) - reason_len <= 1);
}

/* Take all lines of the bytes as they come in pieces of `piece`; a sum over them. Ends where a line has no end. */
static uint64_t take_all(const uint8_t *data, size_t len, size_t piece, bool check)
{
    struct admin_input input = {0};
    uint64_t sum = 0xcbf29ce484222325u;
    size_t at = 0;

    while (at < len) {
        size_t room = ADMIN_LINE_MAX - input.len;
        room = room < piece ? room : piece;
        room = room < len - at ? room : len - at;
        memcpy(input.bytes + input.len, data + at, room);
        input.len += (uint32_t)room;
        at += room;
        char text[ADMIN_LINE_MAX];
        uint32_t text_len = 0;
        enum admin_taken taken;
        while ((taken = admin_input_take(&input, text, &text_len)) == ADMIN_TAKEN_LINE) {
            CHECK(text_len < ADMIN_LINE_MAX && !memchr(text, '\n', text_len));
            char *exact = (char *)fuzz_copy_exact((const uint8_t *)text, text_len);
            if (check)
                check_line(exact, text_len);
            for (uint32_t i = 0; i < text_len; i++)
                sum = (sum ^ (uint8_t)exact[i]) * 0x100000001b3u;
            sum = (sum ^ 0x100) * 0x100000001b3u;
            free(exact);
        }
        CHECK(input.len <= ADMIN_LINE_MAX);
        if (taken == ADMIN_TAKEN_OVERLONG) {
            CHECK(input.len == ADMIN_LINE_MAX && !memchr(input.bytes, '\n', input.len));
            if (check)
                check_line(input.bytes, input.len);
            return sum;
        }
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const uint64_t sum = take_all(data, len, ADMIN_LINE_MAX, true);

    CHECK(take_all(data, len, 1, false) == sum);
    CHECK(take_all(data, len, 7, false) == sum);
    return 0;
}
