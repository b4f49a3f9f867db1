/* `tickgate doctor [CONFIG]`: is this host prepared for threads that must not be disturbed? Each check is a row of the
 * table in doctor.c: what is looked at, why it matters, what to do. It reads /proc and /sys, asks interfaces by the
 * ioctls of ethtool, and changes nothing. With a config it looks at the CPUs, nodes and ports that the config names.
 * Main thread. */
#ifndef GATEWAY_CMD_DOCTOR_H
#define GATEWAY_CMD_DOCTOR_H

#include "config/config.h"
#include "gateway/sysfile.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define DOCTOR_TEXT_MAX 512u
#define DOCTOR_FINDINGS_MAX 256u
#define DOCTOR_WORD_MAX 64u

enum doctor_status { DOCTOR_OK = 0, DOCTOR_WARN, DOCTOR_BAD, DOCTOR_UNKNOWN };

struct doctor_finding {
    const char *id;                /* of its check */
    char subject[DOCTOR_WORD_MAX]; /* the port that it is about, or empty: the host */
    enum doctor_status status;
    char seen[DOCTOR_TEXT_MAX];    /* what is so on this host */
    const char *why;               /* what it costs */
    char fix[DOCTOR_TEXT_MAX];     /* a command or a kernel parameter; empty when there is nothing to do */
};

/* What an interface says when it is asked by ioctl. */
struct doctor_nic {
    bool driver_known, pause_known, coalesce_known;
    char driver[DOCTOR_WORD_MAX], driver_version[DOCTOR_WORD_MAX], firmware[DOCTOR_WORD_MAX];
    bool pause_rx, pause_tx, pause_autoneg;
    bool adaptive_rx;
    uint32_t rx_usecs;
};

struct doctor {
    const char *root;              /* see sysfile.h */
    const struct config *config;   /* NULL: none was given */
    /* Asks an interface. False: there is no such interface, or it does not answer. */
    bool (*nic_ask)(const char *iface, struct doctor_nic *ret_nic);
    struct sysfile_cpus online;
    struct sysfile_cpus hot;       /* of the config's lcores, else the isolated ones; may be empty */
    struct sysfile_cpus housekeeping; /* the others */
    struct doctor_finding finding[DOCTOR_FINDINGS_MAX];
    uint32_t count;
    uint32_t status_count[DOCTOR_UNKNOWN + 1];
};

/* Make all checks. `config` may be NULL; `root` "" for this host; `nic_ask` NULL: ioctls. */
void doctor_look(struct doctor *doctor, const char *root, const struct config *config,
                 bool (*nic_ask)(const char *iface, struct doctor_nic *ret_nic));
void doctor_text(const struct doctor *doctor, FILE *out);
void doctor_json(const struct doctor *doctor, FILE *out);
const char *doctor_status_name(enum doctor_status status);

/* --- for the checks: doctor_cpu.c, doctor_memory.c, doctor_nic.c */

typedef void doctor_check(struct doctor *doctor, struct doctor_finding *finding);

/* Say what was seen, with a status; and what to do. */
__attribute__((format(printf, 3, 4))) void doctor_say(struct doctor_finding *finding, enum doctor_status status,
                                                      const char *format, ...);
__attribute__((format(printf, 2, 3))) void doctor_fix(struct doctor_finding *finding, const char *format, ...);
/* The finding in hand is one of several: another of the same check, about `subject`. */
struct doctor_finding *doctor_next(struct doctor *doctor, struct doctor_finding *finding, const char *subject);
/* The value of a kernel parameter, "LIST" of isolcpus=LIST. False: it was not given. */
bool doctor_parameter(const struct doctor *doctor, const char *name, char *ret_value, size_t value_max);
/* CPUs that are meant by "hot": those of the config or the isolated ones, else all that are online. */
const struct sysfile_cpus *doctor_hot(const struct doctor *doctor);

doctor_check doctor_online, doctor_isolcpus, doctor_nohz_full, doctor_rcu_nocbs, doctor_irq_affinity, doctor_irqbalance,
    doctor_cstates, doctor_governor, doctor_smt, doctor_tsc, doctor_clocksource, doctor_steal, doctor_nmi_watchdog,
    doctor_soft_watchdog, doctor_kernel, doctor_vmstat;
doctor_check doctor_hugepages, doctor_numa_balancing, doctor_thp, doctor_swap, doctor_memlock;
doctor_check doctor_nic_node, doctor_pcie, doctor_pause, doctor_coalesce, doctor_firmware, doctor_busy_poll,
    doctor_buffers;

#endif
