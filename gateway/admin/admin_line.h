/* The words of the admin socket: bytes of a peer to lines, a line to a command. Pure; what comes in is hostile. Used by
 * admin.c on the control thread, by the client, and by the fuzz target.
 *
 *   line = command { blank word } newline        only printable ASCII; at most ADMIN_LINE_MAX bytes, a CR before the
 *                                                newline is passed over, an empty line is none */
#ifndef GATEWAY_ADMIN_ADMIN_LINE_H
#define GATEWAY_ADMIN_ADMIN_LINE_H

#include <stdbool.h>
#include <stdint.h>

#define ADMIN_LINE_MAX   512u /* bytes, with the newline */
#define ADMIN_WORD_MAX   32u  /* letters of a word */
#define ADMIN_WORDS_MAX  3u   /* behind the command */
#define ADMIN_REASON_MAX 200u /* letters of a reason */
#define ADMIN_ERROR_MAX  256u

enum admin_verb {
    ADMIN_HELP,
    ADMIN_STATUS,
    ADMIN_LIMITS, /* [SCOPE] */
    ADMIN_SET,    /* SCOPE LIMIT VALUE */
    ADMIN_KILL,   /* [REASON...] */
    ADMIN_FORGIVE,   /* SCOPE */
    ADMIN_ARM,
    ADMIN_POSITIONS, /* [FROM] */
    ADMIN_ORDERS,    /* [FROM] */
    ADMIN_STOP,
    ADMIN_VERB_COUNT
};

struct admin_line {
    enum admin_verb verb;
    uint32_t word_count;
    char word[ADMIN_WORDS_MAX][ADMIN_WORD_MAX + 1];
    char reason[ADMIN_REASON_MAX + 1]; /* ADMIN_KILL: its words, one blank between two; empty: none was given */
};

/* What a peer has sent and has not been answered yet. All zeros is empty. */
struct admin_input {
    uint32_t len;
    char bytes[ADMIN_LINE_MAX];
};

enum admin_taken {
    ADMIN_TAKEN_NONE, /* no whole line yet */
    ADMIN_TAKEN_LINE,
    ADMIN_TAKEN_OVERLONG, /* ADMIN_LINE_MAX bytes without a newline: nothing more can be understood */
};

/* Take the first line out, without its end; `*ret_len` may be 0. */
enum admin_taken admin_input_take(struct admin_input *input, char ret_text[ADMIN_LINE_MAX], uint32_t *ret_len);

/* Understand a line of `len` bytes, without its end. False: one sentence that names the fix, in printable ASCII. */
bool admin_line_parse(const char *text, uint32_t len, struct admin_line *ret_line, char ret_error[ADMIN_ERROR_MAX]);

const char *admin_verb_name(enum admin_verb verb);
/* i-th command as it is written, and what it does; false past the last. */
#define ADMIN_USAGE_MAX 48u
bool admin_line_usage(uint32_t idx, char ret_usage[ADMIN_USAGE_MAX], const char **ret_summary);

#endif
