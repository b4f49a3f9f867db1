/* The audit log: who did what to a running gateway, and how it ended. An append-only file of JSON lines; each is on
 * disk (fdatasync) before the act that it tells of takes effect, and carries the SHA-256 of itself and of the line
 * before, so that the file proves its own order: a line that was edited, removed, put in or moved is found by
 * audit_scan. Lines cut from its end are not, so what a reader knows from elsewhere (audit_scan's `pin`: the gateway
 * says its last line when it starts and stops) is compared too.
 *
 * A crash may leave an unfinished last line. The next audit_open cuts it off and says so in the first line that it
 * writes: what such a line told of never took effect. A file that is damaged in another way is not touched and not
 * written to.
 *
 *   {"seq":7,"time":"2026-01-05T14:30:00.000000001Z","who":"uid:0,pid:4242","what":"set taker order_qty_max",
 *    "old":"200","new":"100","result":"done","hash":"64 hexadecimal digits"}
 *
 * The hash is that of the hash of the line before (64 zeros before the first) and of this line's bytes up to `,"hash"`.
 * Control thread, which stands still while a line is written. */
#ifndef GATEWAY_ADMIN_AUDIT_H
#define GATEWAY_ADMIN_AUDIT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define AUDIT_LINE_MAX  8192u /* bytes of a line, its newline too */
#define AUDIT_HASH_LEN  64u   /* hexadecimal digits */
#define AUDIT_ERROR_MAX 512u
#define AUDIT_TIME_LEN  30u /* 2026-01-05T14:30:00.000000000Z */

struct audit_act {
    const char *who; /* uid:N,pid:N of a peer; signal:NAME,uid:N,pid:N; gateway, watchdog, loss ... */
    const char *what;
    const char *old_value, *new_value; /* NULL: there is none */
    const char *result;                /* "done", or "refused: why" */
};

struct audit {
    int fd;                        /* -1: no log */
    uint64_t seq;                  /* of the last line, 0 = none yet */
    off_t len;                     /* of the lines that are whole and on disk */
    char hash[AUDIT_HASH_LEN + 1]; /* of the last line */
    uint64_t kill_seq;             /* as audit_open found it: as in audit_scan */
    char kill_time[AUDIT_TIME_LEN + 1];
    uint64_t failed_count;         /* attempts to write that failed */
    uint64_t unlogged_count;       /* acts since the last line that took effect without a line of their own: kills */
    off_t torn_len;                /* of the unfinished line that audit_open has cut off, 0 = none */
    int error;                     /* -errno of the newest attempt to write, 0 = it worked */
};

enum audit_verdict {
    AUDIT_WHOLE,
    AUDIT_TORN,    /* whole lines, and behind them the beginning of one */
    AUDIT_DAMAGED, /* line `damaged_line` does not follow from the one before it */
    AUDIT_CUT,     /* it is whole, but the pin is not in it */
};

struct audit_pin {                 /* a line that is known from elsewhere */
    uint64_t seq;                  /* 0 = none */
    char hash[AUDIT_HASH_LEN + 1]; /* at least 8 digits of it */
};

struct audit_scan {
    uint64_t seq;   /* of the last whole line */
    off_t len;      /* bytes of whole lines */
    off_t torn_len; /* bytes of the unfinished one behind them */
    char hash[AUDIT_HASH_LEN + 1];
    char first_time[AUDIT_TIME_LEN + 1], last_time[AUDIT_TIME_LEN + 1];
    uint64_t kill_seq; /* of the newest act "kill" that no "arm" follows, 0 = none: it outlives the process */
    char kill_time[AUDIT_TIME_LEN + 1];
    uint64_t damaged_line; /* from 1 */
    const char *why;       /* a clause about that line */
};

/* Read a log from `fd`, which is at its beginning, to its end and check every line. 0 with a verdict, or -errno of a
 * failed read. `pin` may be NULL. */
int audit_scan(int fd, const struct audit_pin *pin, struct audit_scan *ret_scan, enum audit_verdict *ret_verdict);

/* Open the log for writing, made if it is not there; locked, so that it has one writer. Checks all of it; an unfinished
 * last line is cut off and a line "repair" says so (`wall_ns`: its time). 0, or -errno and one sentence that names the
 * fix: no such folder, no regular file, another gateway has it, damaged, disk full. */
int audit_open(struct audit *audit, const char *path, uint64_t wall_ns, char ret_error[AUDIT_ERROR_MAX]);

/* Write one line and wait until it is on disk. 0; or -errno, and then the file is as it was before: nothing of the line
 * stays. Whoever acts all the same says so with audit_unlogged. -EBADF: no log is open. */
int audit_write(struct audit *audit, const struct audit_act *act, uint64_t wall_ns);

/* An act took effect although its line could not be written: the next line that can be is preceded by one that gives
 * their number. */
void audit_unlogged(struct audit *audit);

void audit_close(struct audit *audit);

/* ns since the UTC epoch, on the wall clock. */
uint64_t audit_wall_ns(void);

/* `SEQ:HASH` of a command line; false: it is none. */
bool audit_pin_parse(const char *text, struct audit_pin *ret_pin);

#endif
