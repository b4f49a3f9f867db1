/* The promise of a hot thread, and its proof. Once armed, our own code on a hot lcore makes no system call and
 * allocates nothing. armed_enter is called by each hot thread before its loop: it checks that the thread is pinned,
 * and in a proof run (`tickgate replay --prove`) puts a seccomp filter on it that turns each system call into a
 * counted violation, and arms the trapping allocator if one is preloaded. */
#ifndef GATEWAY_ARMED_H
#define GATEWAY_ARMED_H

#include <stdbool.h>
#include <stdint.h>

struct armed {
    bool pinned;              /* the thread may run on `cpu` alone */
    uint32_t cpu;
    bool proof;               /* the filter is on this thread */
    int error;                /* -errno when the filter could not be installed */
    uint32_t tid;             /* the kernel's number of the thread, 0 before it is armed. writer: the thread, once;
                               * reader: control */
    uint32_t left;            /* the loop has ended, its results stand. writer: the thread, once; reader: control */
};

/* Look up the trapping allocator and catch the filter's signal. Main thread, before any hot thread. */
void armed_init(void);

/* Hot thread, once, before its loop. */
void armed_enter(struct armed *armed, uint32_t cpu, bool proof);

/* The thread's number once it is armed, 0 before. Any thread. */
uint32_t armed_tid(const struct armed *armed);

/* Hot thread, after its loop. A thread under proof can never make a system call again: it ends here, for good, and its
 * owner must have stored all results before. Others return. */
void armed_leave(struct armed *armed);

/* System calls and allocations tried by threads under proof. Any thread. */
uint64_t armed_violation_count(void);
/* Number of the last such system call, or -1. */
int armed_violation_nr(void);

#endif
