/* The proof must be able to fail: a system call by a thread under proof is caught, counted and named, and the thread
 * goes on. Each test in its own process; the thread under proof ends for good in armed_leave. */
#include "gateway/armed.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static struct armed armed;
static long call_result;

static void *thread_calls(void *call)
{
    armed_enter(&armed, 0, true);
    if (call)
        call_result = syscall(SYS_getppid);
    armed_leave(&armed);
    return NULL;
}

static void thread_run(bool call)
{
    pthread_attr_t attr;
    pthread_t thread;
    cpu_set_t cpus;
    static bool yes = true;

    armed_init();
    CPU_ZERO(&cpus);
    CPU_SET(0, &cpus);
    pthread_attr_init(&attr);
    pthread_attr_setaffinity_np(&attr, sizeof(cpus), &cpus);
    cr_assert_eq(pthread_create(&thread, &attr, thread_calls, call ? &yes : NULL), 0);
    while (!__atomic_load_n(&armed.left, __ATOMIC_ACQUIRE))
        sched_yield();
    cr_assert_eq(armed.error, 0, "the filter could not be installed: %d", armed.error);
    cr_assert(armed.proof);
    cr_assert(armed.pinned, "the thread was made for CPU 0 alone");
}

Test(armed, a_system_call_is_caught_and_named, .timeout = 20)
{
    thread_run(true);
    cr_assert_eq(armed_violation_count(), 1u);
    cr_assert_eq(armed_violation_nr(), SYS_getppid);
    cr_assert_neq(call_result, (long)getppid(), "the call itself must not have happened");
}

Test(armed, a_silent_thread_leaves_no_mark, .timeout = 20)
{
    thread_run(false);
    cr_assert_eq(armed_violation_count(), 0u);
    cr_assert_eq(armed_violation_nr(), -1);
}

Test(armed, a_floating_thread_is_not_called_pinned)
{
    cpu_set_t cpus;

    cr_assert_eq(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
    if (CPU_COUNT(&cpus) < 2)
        cr_skip_test("one CPU: every thread is pinned here");
    armed_enter(&armed, 0, false);
    cr_assert_not(armed.pinned);
    cr_assert_not(armed.proof);
}
