/* admin_line: lines are found whatever pieces they come in, each command takes its own words, and a kill always
 * kills. */
#include "gateway/admin/admin_line.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct admin_line line;
static char error[ADMIN_ERROR_MAX];

static bool parse(const char *text)
{
    memset(&line, 0x5a, sizeof(line));
    error[0] = '\0';
    return admin_line_parse(text, (uint32_t)strlen(text), &line, error);
}

Test(admin_line, each_command_takes_its_words)
{
    static const struct {
        const char *text;
        enum admin_verb verb;
        uint32_t word_count;
        const char *word[ADMIN_WORDS_MAX];
    } good[] = {
        {"help", ADMIN_HELP, 0, {NULL}},
        {"status", ADMIN_STATUS, 0, {NULL}},
        {"  status \t ", ADMIN_STATUS, 0, {NULL}},
        {"limits", ADMIN_LIMITS, 0, {NULL}},
        {"limits gateway", ADMIN_LIMITS, 1, {"gateway"}},
        {"set gateway order_qty_max 100", ADMIN_SET, 3, {"gateway", "order_qty_max", "100"}},
        {"set\t taker-1   order_qty_max\t100", ADMIN_SET, 3, {"taker-1", "order_qty_max", "100"}},
        {"arm", ADMIN_ARM, 0, {NULL}},
        {"forgive taker", ADMIN_FORGIVE, 1, {"taker"}},
        {"positions", ADMIN_POSITIONS, 0, {NULL}},
        {"positions 100", ADMIN_POSITIONS, 1, {"100"}},
        {"orders 4000", ADMIN_ORDERS, 1, {"4000"}},
        {"stop", ADMIN_STOP, 0, {NULL}},
        {"limits abcdefghijklmnopqrstuvwxyz012345", ADMIN_LIMITS, 1, {"abcdefghijklmnopqrstuvwxyz012345"}},
    };

    for (uint32_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        cr_assert(parse(good[i].text), "%s: %s", good[i].text, error);
        cr_assert_eq(line.verb, good[i].verb, "%s", good[i].text);
        cr_assert_eq(line.word_count, good[i].word_count);
        for (uint32_t j = 0; j < line.word_count; j++)
            cr_assert_str_eq(line.word[j], good[i].word[j]);
        cr_assert_str_eq(line.reason, "");
    }
}

Test(admin_line, what_is_wrong_is_said_with_the_fix)
{
    static const struct {
        const char *text, *sentence;
    } bad[] = {
        {"", "there is no command ''; help lists them"},
        {"   ", "there is no command ''; help lists them"},
        {"STATUS", "there is no command 'STATUS'; help lists them"},
        {"statu", "there is no command 'statu'; help lists them"},
        {"statuss", "there is no command 'statuss'; help lists them"},
        {"killall", "there is no command 'killall'; help lists them"},
        {"0123456789012345678901234567890123456789", "'01234567890123456789012345678901'; help"},
        {"status now", "there are too many words; write: status"},
        {"limits a b", "there are too many words; write: limits [SCOPE]"},
        {"set gateway order_qty_max", "a word is missing; write: set SCOPE LIMIT VALUE"},
        {"set gateway order_qty_max 1 2", "there are too many words; write: set SCOPE LIMIT VALUE"},
        {"limits abcdefghijklmnopqrstuvwxyz0123456", "a word has more than 32 letters; write: limits [SCOPE]"},
        {"sta\177tus", "byte 4 of the line is no printable ASCII; write plain text"},
        {"status\033[2J", "byte 7 of the line is no printable ASCII; write plain text"},
        {"limits \303\244", "byte 8 of the line is no printable ASCII; write plain text"},
    };

    for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert_not(parse(bad[i].text), "%s", bad[i].text);
        cr_assert_not_null(strstr(error, bad[i].sentence), "%s: %s", bad[i].text, error);
        cr_assert_eq((unsigned char)line.reason[0], 0x5a, "nothing is written");
    }
    cr_assert_not(admin_line_parse("status\0", 7, &line, error));
}

Test(admin_line, a_kill_kills_whatever_its_reason_is)
{
    char text[ADMIN_LINE_MAX];

    cr_assert(parse("kill") && line.verb == ADMIN_KILL);
    cr_assert_str_eq(line.reason, "");
    cr_assert(parse(" kill  fat\t finger ") && line.verb == ADMIN_KILL);
    cr_assert_str_eq(line.reason, "fat finger");
    cr_assert(parse("kill \303\234berlauf\033") && line.verb == ADMIN_KILL);
    cr_assert_str_eq(line.reason, "??berlauf?");
    memcpy(text, "kill ", 5);
    memset(text + 5, 'x', sizeof(text) - 5);
    cr_assert(admin_line_parse(text, sizeof(text), &line, error) && line.verb == ADMIN_KILL);
    cr_assert_eq(strlen(line.reason), ADMIN_REASON_MAX);
    for (uint32_t i = 5; i < sizeof(text); i += 2)
        text[i] = ' ';
    cr_assert(admin_line_parse(text, sizeof(text), &line, error) && line.verb == ADMIN_KILL);
    cr_assert_eq(strlen(line.reason), ADMIN_REASON_MAX);
    cr_assert_eq(line.reason[ADMIN_REASON_MAX - 1], ' ', "cut, not rounded");
}

static struct admin_input input;
static char text[ADMIN_LINE_MAX];
static uint32_t text_len;

static void push(const char *bytes, uint32_t len)
{
    cr_assert_leq(len, ADMIN_LINE_MAX - input.len);
    memcpy(input.bytes + input.len, bytes, len);
    input.len += len;
}

static void take_is(const char *wanted)
{
    cr_assert_eq(admin_input_take(&input, text, &text_len), ADMIN_TAKEN_LINE);
    cr_assert_eq(text_len, strlen(wanted));
    cr_assert_eq(memcmp(text, wanted, text_len), 0);
}

Test(admin_line, lines_are_taken_whatever_pieces_they_come_in)
{
    static const char said[] = "status\nlimits gateway\r\n\n\r\nset a b\rc 1\nkill";

    for (uint32_t piece = 1; piece < sizeof(said); piece++) {
        input.len = 0;
        uint32_t count = 0;
        static const char *const wanted[] = {"status", "limits gateway", "", "", "set a b\rc 1"};
        for (uint32_t at = 0; at < sizeof(said) - 1; at += piece) {
            const uint32_t rest = (uint32_t)sizeof(said) - 1 - at;
            push(said + at, rest < piece ? rest : piece);
            while (memchr(input.bytes, '\n', input.len))
                take_is(wanted[count++]);
        }
        cr_assert_eq(count, 5u);
        cr_assert_eq(admin_input_take(&input, text, &text_len), ADMIN_TAKEN_NONE);
        cr_assert_eq(input.len, 4u, "an unfinished line waits");
    }
}

Test(admin_line, a_line_has_an_end)
{
    char most[ADMIN_LINE_MAX];

    memset(most, 'x', sizeof(most));
    push(most, ADMIN_LINE_MAX - 1);
    cr_assert_eq(admin_input_take(&input, text, &text_len), ADMIN_TAKEN_NONE);
    push("\n", 1);
    cr_assert_eq(admin_input_take(&input, text, &text_len), ADMIN_TAKEN_LINE);
    cr_assert_eq(text_len, ADMIN_LINE_MAX - 1);
    push(most, ADMIN_LINE_MAX);
    cr_assert_eq(admin_input_take(&input, text, &text_len), ADMIN_TAKEN_OVERLONG);
}

Test(admin_line, help_lists_every_command_as_it_is_written)
{
    char usage[ADMIN_USAGE_MAX], name[ADMIN_USAGE_MAX];
    const char *summary;

    for (uint32_t i = 0; i < ADMIN_VERB_COUNT; i++) {
        cr_assert(admin_line_usage(i, usage, &summary));
        cr_assert(summary[0] != '\0');
        const char *verb = admin_verb_name((enum admin_verb)i);
        snprintf(name, sizeof(name), "%.*s", (int)strcspn(usage, " "), usage);
        cr_assert_str_eq(name, verb);
        for (uint32_t j = 0; j < i; j++)
            cr_assert_str_neq(verb, admin_verb_name((enum admin_verb)j));
    }
    cr_assert_not(admin_line_usage(ADMIN_VERB_COUNT, usage, &summary));
    cr_assert_str_eq(admin_verb_name(ADMIN_VERB_COUNT), "unknown");
}
