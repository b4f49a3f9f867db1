/* See admin_line.h. */
#include "gateway/admin/admin_line.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *words, *summary;
    uint32_t words_min, words_max;
} verbs[ADMIN_VERB_COUNT] = {
    [ADMIN_HELP] = {"help", "", "what can be said here", 0, 0},
    [ADMIN_STATUS] = {"status", "", "session, kill switch, feeds, strategies, audit log", 0, 0},
    [ADMIN_LIMITS] = {"limits", " [SCOPE]", "limits of the gateway, of a strategy, or of all", 0, 1},
    [ADMIN_SET] = {"set", " SCOPE LIMIT VALUE", "change a limit; it holds from the next order on", 3, 3},
    [ADMIN_KILL] = {"kill", " [REASON...]", "no new orders; what is open is cancelled, cancels pass", 0, 0},
    [ADMIN_FORGIVE] = {"forgive", " SCOPE", "count the loss anew of a scope that its loss limit has closed", 1, 1},
    [ADMIN_ARM] = {"arm", "", "let new orders pass again, once a kill has left nothing open", 0, 0},
    [ADMIN_POSITIONS] = {"positions", " [FROM]", "positions by symbol, some at a time", 0, 1},
    [ADMIN_ORDERS] = {"orders", " [FROM]", "open orders, some at a time", 0, 1},
    [ADMIN_STOP] = {"stop", "", "stop as SIGTERM does: cancel, log out, end", 0, 0},
};

const char *admin_verb_name(enum admin_verb verb)
{
    return (unsigned)verb < ADMIN_VERB_COUNT ? verbs[verb].name : "unknown";
}

bool admin_line_usage(uint32_t idx, char ret_usage[ADMIN_USAGE_MAX], const char **ret_summary)
{
    if (idx >= ADMIN_VERB_COUNT)
        return false;
    snprintf(ret_usage, ADMIN_USAGE_MAX, "%s%s", verbs[idx].name, verbs[idx].words);
    *ret_summary = verbs[idx].summary;
    return true;
}

enum admin_taken admin_input_take(struct admin_input *input, char ret_text[ADMIN_LINE_MAX], uint32_t *ret_len)
{
    const char *newline = memchr(input->bytes, '\n', input->len);

    if (!newline)
        return input->len == ADMIN_LINE_MAX ? ADMIN_TAKEN_OVERLONG : ADMIN_TAKEN_NONE;
    const uint32_t len = (uint32_t)(newline - input->bytes);
    memcpy(ret_text, input->bytes, len);
    *ret_len = len > 0 && ret_text[len - 1] == '\r' ? len - 1 : len;
    input->len -= len + 1;
    memmove(input->bytes, input->bytes + len + 1, input->len);
    return ADMIN_TAKEN_LINE;
}

static bool blank(char letter)
{
    return letter == ' ' || letter == '\t';
}

static bool printable(char letter)
{
    return (letter >= ' ' && letter <= '~') || letter == '\t';
}

/* The next word of text[*at .. len); its length, 0 = none. */
static uint32_t word_next(const char *text, uint32_t len, uint32_t *at, uint32_t *ret_begin)
{
    while (*at < len && blank(text[*at]))
        ++*at;
    *ret_begin = *at;
    while (*at < len && !blank(text[*at]))
        ++*at;
    return *at - *ret_begin;
}

/* The words of a reason, one blank between two. A switch is thrown whatever its reason is: one that is too long is cut,
 * and what does not print is '?'. */
static void reason_take(const char *text, uint32_t len, uint32_t at, char ret_reason[ADMIN_REASON_MAX + 1])
{
    uint32_t begin, word_len, used = 0;

    while ((word_len = word_next(text, len, &at, &begin)) > 0) {
        if (used > 0 && used < ADMIN_REASON_MAX)
            ret_reason[used++] = ' ';
        for (uint32_t i = 0; i < word_len && used < ADMIN_REASON_MAX; i++)
            ret_reason[used++] = printable(text[begin + i]) ? text[begin + i] : '?';
    }
    ret_reason[used] = '\0';
}

static bool fail(char ret_error[ADMIN_ERROR_MAX], const char *what, enum admin_verb verb)
{
    snprintf(ret_error, ADMIN_ERROR_MAX, "%s; write: %s%s", what, verbs[verb].name, verbs[verb].words);
    return false;
}

bool admin_line_parse(const char *text, uint32_t len, struct admin_line *ret_line, char ret_error[ADMIN_ERROR_MAX])
{
    struct admin_line line = {.verb = ADMIN_VERB_COUNT};
    uint32_t at = 0, begin;

    uint32_t word_len = word_next(text, len, &at, &begin);
    for (uint32_t i = 0; i < ADMIN_VERB_COUNT; i++)
        if (strlen(verbs[i].name) == word_len && memcmp(text + begin, verbs[i].name, word_len) == 0)
            line.verb = (enum admin_verb)i;
    if (line.verb == ADMIN_KILL) {
        reason_take(text, len, at, line.reason);
        *ret_line = line;
        return true;
    }
    for (uint32_t i = 0; i < len; i++)
        if (!printable(text[i])) {
            snprintf(ret_error, ADMIN_ERROR_MAX, "byte %u of the line is no printable ASCII; write plain text", i + 1);
            return false;
        }
    if (line.verb == ADMIN_VERB_COUNT) {
        snprintf(ret_error, ADMIN_ERROR_MAX, "there is no command '%.*s'; help lists them",
                 (int)(word_len < ADMIN_WORD_MAX ? word_len : ADMIN_WORD_MAX), text + begin);
        return false;
    }
    while ((word_len = word_next(text, len, &at, &begin)) > 0) {
        if (line.word_count == verbs[line.verb].words_max)
            return fail(ret_error, "there are too many words", line.verb);
        if (word_len > ADMIN_WORD_MAX)
            return fail(ret_error, "a word has more than 32 letters", line.verb);
        memcpy(line.word[line.word_count++], text + begin, word_len);
    }
    if (line.word_count < verbs[line.verb].words_min)
        return fail(ret_error, "a word is missing", line.verb);
    *ret_line = line;
    return true;
}
