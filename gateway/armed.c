/* See armed.h. The filter lets only `exit` and `rt_sigreturn` (the way back from the handler below) pass. */
#include "gateway/armed.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static uint64_t violation_count; /* writers: hot threads under proof, atomically; reader: control thread */
static int violation_nr = -1;
/* A preloaded allocator that traps (tests/eal/trap_alloc.c) exports these. */
static void (*trap_alloc_arm)(bool armed);
static uint64_t (*trap_alloc_count)(void);

static void on_sigsys(int signal_nr, siginfo_t *info, void *context)
{
    (void)signal_nr;
    (void)context;
    __atomic_store_n(&violation_nr, info->si_syscall, __ATOMIC_RELAXED);
    __atomic_fetch_add(&violation_count, 1, __ATOMIC_RELAXED);
}

void armed_init(void)
{
    struct sigaction action = {.sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO};

    sigemptyset(&action.sa_mask);
    sigaction(SIGSYS, &action, NULL);
    void *symbol = dlsym(RTLD_DEFAULT, "trap_alloc_arm");
    memcpy(&trap_alloc_arm, &symbol, sizeof(symbol));
    symbol = dlsym(RTLD_DEFAULT, "trap_alloc_count");
    memcpy(&trap_alloc_count, &symbol, sizeof(symbol));
}

static int filter_install(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_exit, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_rt_sigreturn, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -errno;
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        return -errno;
    return 0;
}

void armed_enter(struct armed *armed, uint32_t cpu, bool proof)
{
    cpu_set_t set;

    armed->cpu = cpu;
    armed->pinned = sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) == 1 && CPU_ISSET(cpu, &set);
    armed->proof = false;
    armed->error = 0;
    __atomic_store_n(&armed->tid, (uint32_t)gettid(), __ATOMIC_RELEASE); /* paired with: armed_tid */
    if (!proof)
        return;
    if (trap_alloc_arm)
        trap_alloc_arm(true);
    armed->error = filter_install();
    armed->proof = armed->error == 0;
}

uint32_t armed_tid(const struct armed *armed)
{
    return __atomic_load_n(&armed->tid, __ATOMIC_ACQUIRE); /* paired with: armed_enter */
}

void armed_leave(struct armed *armed)
{
    __atomic_store_n(&armed->left, 1u, __ATOMIC_RELEASE); /* paired with: thread_wait */
    if (armed->proof)
        syscall(SYS_exit, 0); /* the thread alone, past all clean-up: that would need system calls */
}

uint64_t armed_violation_count(void)
{
    return __atomic_load_n(&violation_count, __ATOMIC_RELAXED) + (trap_alloc_count ? trap_alloc_count() : 0);
}

int armed_violation_nr(void)
{
    return __atomic_load_n(&violation_nr, __ATOMIC_RELAXED);
}
