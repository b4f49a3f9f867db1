/* See crash.h. What runs in the handler calls nothing but write(2), tgkill(2) and the vDSO's clock. */
#include "gateway/crash.h"

#include "gateway/clock.h"
#include "gateway/kill.h"
#include "gateway/plugin.h"

#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define STACK_BYTES 65536u
#define PATIENCE_NS 100000000u

static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
static const char *const signal_names[] = {"SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT"};
#define SIGNALS (sizeof(signals) / sizeof(signals[0]))

/* Who this thread is. */
static _Thread_local const char *thread_lcore;
static _Thread_local const struct strategy_lcore *thread_strategies;

/* writer: the first thread that dies; reader: control thread, and it when the words are said */
static char words[CRASH_TEXT_MAX];
static size_t words_len;
static bool words_taken;  /* by whoever says them: nobody does twice, and nobody waits for who does */
static uint32_t said;     /* release by the dying thread; acquire in crash_said */
static uint32_t answered; /* release by the control thread; acquire in the handler */

static size_t append(char *text, size_t at, const char *more)
{
    while (*more && at + 1 < CRASH_TEXT_MAX)
        text[at++] = *more++;
    return at;
}

static size_t append_hex(char *text, size_t at, uintptr_t value)
{
    char digits[2 + 2 * sizeof(value) + 1];
    size_t first = sizeof(digits) - 1;

    digits[first] = '\0';
    do {
        digits[--first] = "0123456789abcdef"[value & 15];
        value >>= 4;
    } while (value > 0);
    digits[--first] = 'x';
    digits[--first] = '0';
    return append(text, at, digits + first);
}

/* "PATH+0x1234", or "outside of every plug-in". */
static size_t append_place(char *text, size_t at, uintptr_t address)
{
    const struct plugin *plugin = plugin_at(address);

    if (!plugin)
        return append(text, at, "outside of every plug-in");
    at = append(text, at, "in ");
    at = append(text, at, plugin->path);
    at = append(text, at, "+");
    return append_hex(text, at, address - plugin->begin);
}

/* ": strategy NAME was in on_event, plug-in FILE" */
static size_t append_strategy(char *text, size_t at, const struct strategy_lcore *strategies)
{
    const uint32_t calling = __atomic_load_n(&strategies->calling, __ATOMIC_RELAXED); /* paired with: kill_called */
    const char *names[STRATEGY_LOOP_STRATEGIES_MAX];
    char who[KILL_WHO_MAX];

    for (uint32_t i = 0; i < strategies->strategy_count; i++)
        names[i] = strategies->strategy[i].name;
    at = append(text, at, ": ");
    at = append(text, at, kill_calling_text(calling, names, strategies->strategy_count, who));
    if (calling == kill_calling(KILL_CALL_NONE, 0) || (calling & 0xff) >= strategies->strategy_count)
        return at;
    const struct plugin *plugin = plugin_of(strategies->strategy[calling & 0xff].ops);
    at = append(text, at, plugin ? ", plug-in " : ", built in");
    return plugin ? append(text, at, plugin->path) : at;
}

size_t crash_text(const char *lcore_name, const struct strategy_lcore *strategies, int signal_nr, bool faulted,
                  uintptr_t address, uintptr_t instruction, char ret_text[CRASH_TEXT_MAX])
{
    size_t at = append(ret_text, 0, "tickgate: died of ");

    for (uint32_t i = 0; i < SIGNALS; i++)
        if (signals[i] == signal_nr)
            at = append(ret_text, at, signal_names[i]);
    at = append(ret_text, at, lcore_name ? " on lcore " : " on a thread that is no lcore's");
    at = append(ret_text, at, lcore_name ? lcore_name : "");
    if (strategies)
        at = append_strategy(ret_text, at, strategies);
    at = append(ret_text, at, "; the instruction is ");
    at = append_place(ret_text, at, instruction);
    if (faulted) {
        at = append(ret_text, at, ", the address ");
        at = append_hex(ret_text, at, address);
        at = append(ret_text, at, plugin_at(address) ? " " : " lies ");
        at = append_place(ret_text, at, address);
    }
    at = append(ret_text, at, "\n");
    ret_text[at] = '\0';
    return at;
}

static void words_say(void)
{
    if (!__atomic_exchange_n(&words_taken, true, __ATOMIC_RELAXED))
        (void)!write(STDERR_FILENO, words, words_len);
}

static void on_fault(int signal_nr, siginfo_t *info, void *context)
{
    const ucontext_t *user = context;
    const bool fault = info->si_code > 0; /* of the instruction at hand; not sent by anybody */
    const bool addressed = fault && (signal_nr == SIGSEGV || signal_nr == SIGBUS);

    words_len = crash_text(thread_lcore, thread_strategies, signal_nr, addressed, (uintptr_t)info->si_addr,
                           (uintptr_t)user->uc_mcontext.gregs[REG_RIP], words);
    /* The connection first: whoever reads stderr may keep a writer waiting. */
    __atomic_store_n(&said, 1u, __ATOMIC_RELEASE); /* paired with: crash_said */
    const uint64_t begin_ns = clock_monotonic_ns();
    while (thread_lcore && !__atomic_load_n(&answered, __ATOMIC_ACQUIRE) && /* paired with: crash_answer */
           clock_monotonic_ns() - begin_ns < PATIENCE_NS)
        __builtin_ia32_pause();
    words_say();
    /* The handler is gone by now (SA_RESETHAND): a fault comes again when we return, with registers and stack as they
     * were, for the core dump. What somebody has sent must be sent again. */
    if (!fault)
        syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), signal_nr);
}

static void stack_take(void)
{
    void *memory = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    const stack_t stack = {.ss_sp = memory, .ss_size = STACK_BYTES};

    if (memory != MAP_FAILED)
        sigaltstack(&stack, NULL); /* as long as the thread */
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED true
#endif
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

void crash_init(void)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = (int)(SA_SIGINFO | SA_ONSTACK | SA_RESETHAND)};

    if (SANITIZED)
        return;
    stack_take();
    sigfillset(&action.sa_mask);
    sigdelset(&action.sa_mask, SIGSYS); /* under proof our write(2) raises it */
    for (uint32_t i = 0; i < SIGNALS; i++) {
        sigdelset(&action.sa_mask, signals[i]); /* a fault in here ends it at once */
        sigaction(signals[i], &action, NULL);
    }
}

void crash_enter(const char *lcore_name, const struct strategy_lcore *strategies)
{
    if (SANITIZED)
        return;
    thread_lcore = lcore_name;
    thread_strategies = strategies;
    stack_take();
}

bool crash_said(void)
{
    return __atomic_load_n(&said, __ATOMIC_ACQUIRE) != 0; /* paired with: on_fault */
}

void crash_answer(void)
{
    words_say();
    __atomic_store_n(&answered, 1u, __ATOMIC_RELEASE); /* paired with: on_fault */
}
