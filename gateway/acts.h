/* What an operator may do to a running gateway, and the writing down of it: the commands of the admin socket, and the
 * lines of the audit log that begin and end a run. A change is checked, then on disk, then in force; where the log
 * cannot be written it is refused. A kill is never refused: it acts first, and the answer says if the log has failed.
 * Control thread. */
#ifndef GATEWAY_ACTS_H
#define GATEWAY_ACTS_H

#include "gateway/admin/admin.h"
#include "gateway/kill.h"
#include "gateway/orders.h"
#include "gateway/topology.h"

struct acts {
    struct topology *topology;
    const struct orders *orders;
    struct kill *kill;
    uint64_t kill_count, confirm_count; /* of which the log says */
    bool kill_missing;             /* it could not be told of a kill, so that a restart would trade: tried again ... */
    uint64_t missing_ns;           /* ... since then, this line: */
    char missing_who[KILL_WHO_MAX], missing_text[ADMIN_REASON_MAX + 16];
    struct audit audit;
    struct admin admin;
    uint64_t begin_ns;             /* monotonic: the wall clock may be set meanwhile */
    uint64_t posted_ns;            /* the newest change was posted to its lcore */
    struct risk_limits gateway;    /* of the whole gateway, divided ... */
    uint32_t shares;               /* ... among so many lcores; 0: the config has none */
    bool begun;                    /* the log says that it started */
    bool stop_asked, stop_written; /* by a command; the log says so */
    char stop_who[ADMIN_WHO_MAX];
};

/* Nothing open: what acts_close may be called on. */
void acts_init(struct acts *acts);
/* Open log and socket as the config says, nothing where it has no section admin, and write down that the gateway
 * starts, from which config, with which limits. Before armed. 0, or -errno and one sentence. */
int acts_open(struct acts *acts, struct topology *topology, const struct orders *orders, struct kill *kill,
              char ret_error[TOPOLOGY_ERROR_MAX]);
/* A kill that nobody has commanded, and the confirmation of each: written down once; a kill that could not be, as soon
 * as it can. Called behind kill_step. */
void acts_kill(struct acts *acts);
/* The end of the run is asked for, on behalf of `who`; is written down once. */
void acts_stop(struct acts *acts, const char *who);
/* How the run ended. Closes log and socket. */
void acts_close(struct acts *acts, const char *result);

/* One line of a peer: an admin_act; `arg` is a struct acts *. */
enum admin_outcome acts_do(void *arg, const struct admin_line *line, const struct admin_peer *peer, struct json *reply,
                           char ret_error[ADMIN_ERROR_MAX]);

#endif
