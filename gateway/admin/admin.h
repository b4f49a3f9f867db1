/* The admin socket: lines of text in, one JSON object a line out, from peers on this machine that the kernel vouches
 * for. A Unix stream socket of the control thread, non-blocking, in its poll set.
 *
 * A peer may speak if its uid is 0 or the gateway's own, or if it is in the configured group; the permissions of the
 * socket's file come before that. Others are told so, closed, counted, and written to the audit log (one line a second
 * at most). There are ADMIN_CLIENTS_MAX peers at a time; one more takes the place of the one that has been quiet for
 * longest, so that nobody can keep a kill out by holding connections. A peer that does not read its answers is not
 * asked for more. What the lines mean is not known here: `act` does it. */
#ifndef GATEWAY_ADMIN_ADMIN_H
#define GATEWAY_ADMIN_ADMIN_H

#include "config/config.h"
#include "gateway/admin/admin_line.h"
#include "gateway/admin/audit.h"
#include "gateway/json.h"

#include <poll.h>
#include <sys/types.h>

#define ADMIN_CLIENTS_MAX 8u
#define ADMIN_FDS_MAX     (1u + ADMIN_CLIENTS_MAX)
#define ADMIN_REPLY_MAX   65536u /* bytes of an answer, with its newline */
#define ADMIN_WHO_MAX     48u

struct admin_peer {
    uid_t uid;
    pid_t pid;
    char who[ADMIN_WHO_MAX]; /* "uid:0,pid:4242", as the audit log has it */
};

/* What became of a line. */
enum admin_outcome {
    ADMIN_DONE,
    ADMIN_REFUSED, /* nothing was done, and the sentence says why */
    ADMIN_LATER,   /* nothing was done, but may be in a moment: it is tried again at the next step */
};

/* Do what a line says and write the answer: members of an object that is already open and that begins with "ok". The
 * control thread; may not wait. */
typedef enum admin_outcome admin_act(void *arg, const struct admin_line *line, const struct admin_peer *peer,
                                     struct json *reply, char ret_error[ADMIN_ERROR_MAX]);

struct admin_client {
    int fd; /* -1 = free */
    struct admin_peer peer;
    uint64_t active_ns; /* when it last sent a line, or came */
    bool ended;         /* nothing more is read: it is closed when its answer is out */
    uint32_t out_len, out_at;
    char *out; /* ADMIN_REPLY_MAX bytes */
    struct admin_input input;
    char line[ADMIN_LINE_MAX]; /* that is tried again */
    uint32_t line_len;         /* 0 = none */
};

struct admin {
    const struct config_admin *config;
    struct audit *audit;
    admin_act *act;
    void *act_arg;
    int fd;         /* listens; -1 = nobody is listened to */
    dev_t file_dev; /* of the socket's file: it is removed only if it is still ours */
    ino_t file_ino;
    gid_t gid;
    struct admin_client client[ADMIN_CLIENTS_MAX];
    uint32_t first;                         /* whose turn it is to be first in a step: who has waited for longest */
    char *out;                              /* of all clients */
    uint64_t refused_count;                 /* peers that may not speak */
    uint64_t refused_unsaid;                /* of them, not in the audit log yet ... */
    char refused_who[ADMIN_WHO_MAX];        /* ... and who the last one was */
    uint64_t refused_ns;                    /* when the last line about them was written; 0 = never */
    uint64_t displaced_count;               /* peers that had to make room */
    uint64_t command_count, rejected_count; /* lines that were done, and that were not */
};

/* All closed, nothing open: what admin_close may be called on. */
void admin_init(struct admin *admin);
/* Listen at config->socket; nothing where there is none. A file that a killed gateway left there is replaced, one where
 * somebody listens is an error, as is anything else of that name. 0, or -errno and one sentence that names the fix. */
int admin_open(struct admin *admin, const struct config_admin *config, struct audit *audit, admin_act *act,
               void *act_arg, char ret_error[AUDIT_ERROR_MAX]);
/* For poll(2): descriptors and what to wait for; how many. */
uint32_t admin_fds(const struct admin *admin, struct pollfd ret_fds[ADMIN_FDS_MAX]);
/* One step: take new peers in, do one line of each, send what they read. True: there was something to do. `now_ns`:
 * CLOCK_MONOTONIC. */
bool admin_step(struct admin *admin, uint64_t now_ns);
/* Send what is left as far as it goes, close every peer, remove the file. */
void admin_close(struct admin *admin);

#endif
