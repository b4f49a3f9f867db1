/* The control thread: everything that may take a microsecond or more while the hot threads run. Loading, signals, order
 * records, clock, status lines. It floats over the CPUs and sleeps when there is nothing to do. */
#ifndef GATEWAY_CONTROL_H
#define GATEWAY_CONTROL_H

#include "gateway/acts.h"
#include "gateway/disturb.h"
#include "gateway/kill.h"
#include "gateway/loader.h"
#include "gateway/orders.h"
#include "gateway/recovery.h"
#include "gateway/topology.h"

struct control {
    struct topology *topology;
    struct loader *loader;           /* NULL in a live run */
    struct capture_out *orders_out;  /* capture of order frames, or NULL */
    FILE *journal;                   /* orders as text, one a line, or NULL */
    uint64_t duration_ns;            /* stop by itself after so long; 0 = never */
    uint32_t report_s;               /* seconds between status lines, 0 = none */
    struct recovery recovery;        /* live runs: servers of the feeds */
    struct orders orders;            /* live runs: the order session */
    struct acts acts;                /* live runs: what operators do, and the log of it */
    struct disturb disturb;          /* what disturbed the hot threads */
    struct kill kill;
    int signal_fd;
    int signal_nr;                   /* that ended the run, 0 = none ... */
    char signal_who[ADMIN_WHO_MAX];  /* ... and who sent it, as the audit log has it */
    bool timed_out;                  /* duration_ns is over */
    uint64_t cause_lost_count;       /* orders whose cause was overwritten before the journal was written */
    uint64_t record_count;
    int orders_error;                /* -errno of the first write of order frames that failed ... */
    int journal_error;               /* ... and of the journal */
};

/* Block SIGINT, SIGTERM and SIGHUP, which end the run, SIGUSR1, which kills, and SIGUSR2, for all threads to come: they
 * are read, not delivered. Before the EAL starts. 0 or -errno. */
int control_init(struct control *control);
/* Arm, serve until the replay is finished, a signal comes or the time is over, then stop the hot threads. 0 or
 * -errno. */
int control_run(struct control *control, char ret_error[TOPOLOGY_ERROR_MAX]);
void control_finish(struct control *control);

#endif
