/* The runtime proof beside the latency table: what took a hot lcore's CPU away from its thread while it was armed, as
 * the kernel counted it: context switches, migrations and page faults of the thread, interrupts of its CPU by kind,
 * time that a hypervisor stole. Read by the control thread at armed and again before the hot threads stop, so it costs
 * them nothing. What a kernel does not tell is unknown, never zero. Control thread. */
#ifndef GATEWAY_DISTURB_H
#define GATEWAY_DISTURB_H

#include "gateway/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define DISTURB_THREADS_MAX 32u
#define DISTURB_KINDS_MAX 16u
#define DISTURB_UNKNOWN UINT64_MAX

/* What is counted of one thread; DISTURB_UNKNOWN where the kernel does not tell. */
struct disturb_counts {
    uint64_t voluntary, involuntary; /* context switches: it slept; another thread took the CPU */
    uint64_t migrations;
    uint64_t minor_faults, major_faults;
    uint64_t stolen_ms;              /* of its CPU, by the hypervisor */
};

struct disturb_thread {
    const char *name;
    uint32_t cpu;
    uint32_t tid;                    /* 0: not known, then nothing is */
    struct disturb_counts begin, between; /* at armed; since then */
    struct { char name[32]; uint64_t count; } kind[DISTURB_KINDS_MAX]; /* of interrupts, the most frequent first */
    uint32_t kind_count;
    uint64_t interrupts;             /* all kinds; DISTURB_UNKNOWN */
};

struct disturb {
    const char *root;                /* "" or a directory that looks like one (gateway/sysfile.h) */
    struct disturb_thread thread[DISTURB_THREADS_MAX];
    uint32_t count;
    char *before, *after;            /* /proc/interrupts */
    size_t text_max;
    bool ended;
};

enum disturb_verdict {
    DISTURB_NONE = 0,                /* everything is known, and nothing happened */
    DISTURB_NONE_KNOWN,              /* nothing happened that is known, but not everything is */
    DISTURB_SOME
};

/* Takes the memory that it will need. 0 or -ENOMEM. `root` must outlive it. */
int disturb_open(struct disturb *disturb, const char *root);
/* One more thread. More than DISTURB_THREADS_MAX are left out. `name` must outlive it. */
void disturb_add(struct disturb *disturb, const char *name, uint32_t cpu, uint32_t tid);
/* Counting begins; ends. The threads must be alive at both. */
void disturb_begin(struct disturb *disturb);
void disturb_end(struct disturb *disturb);
void disturb_close(struct disturb *disturb);

enum disturb_verdict disturb_verdict(const struct disturb_thread *thread);
/* A line for each thread; nothing before disturb_end. */
void disturb_text(const struct disturb *disturb, FILE *out);
/* "disturbances": [...]; unknown is null. */
void disturb_json(struct json *json, const struct disturb *disturb);

#endif
