/* crash: the last words name thread, lcore, strategy, plug-in and place, and the process dies of what it died of. */
#include "gateway/crash.h"
#include "gateway/kill.h"
#include "gateway/plugin.h"
#include "gateway/strategy/strategy_table.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char text[CRASH_TEXT_MAX];
static struct strategy_lcore *lcore;
static const struct plugin *opened;

static void start(void)
{
    char path[PATH_MAX], sentence[PLUGIN_ERROR_MAX] = "";
    const char *directory = getenv("PLUGIN_DIR");

    if (!directory)
        cr_skip_test("PLUGIN_DIR is not set");
    snprintf(path, sizeof(path), "%s/crash.so", directory);
    cr_assert_eq(plugin_open(path, &opened, sentence), 0, "%s", sentence);
    lcore = aligned_alloc(64, (sizeof(*lcore) + 63) / 64 * 64);
    memset(lcore, 0, sizeof(*lcore));
    lcore->strategy[0] = (struct strategy_slot){.name = "mine", .ops = strategy_table_find("taker")};
    lcore->strategy[1] = (struct strategy_slot){.name = "theirs", .ops = &opened->ops};
    lcore->strategy_count = 2;
}

static void says(int signal_nr, bool faulted, uintptr_t address, uintptr_t instruction, const char *sentence)
{
    const size_t len = crash_text("trade0", lcore, signal_nr, faulted, address, instruction, text);

    cr_expect_str_eq(text, sentence);
    cr_expect_eq(len, strlen(sentence));
}

TestSuite(crash, .init = start);

Test(crash, a_plug_in_is_named_and_the_place_in_it)
{
    char sentence[3 * PATH_MAX];
    const uintptr_t code = (uintptr_t)opened->ops.on_event;

    kill_called(&lcore->calling, KILL_CALL_EVENT, 1);
    snprintf(sentence, sizeof(sentence),
             "tickgate: died of SIGSEGV on lcore trade0: strategy theirs was in on_event, plug-in %s; the instruction "
             "is in %s+0x%zx, the address 0x8 lies outside of every plug-in\n",
             opened->path, opened->path, (size_t)(code - opened->begin));
    says(SIGSEGV, true, 8, code, sentence);
    kill_called(&lcore->calling, KILL_CALL_ORDER, 1);
    snprintf(sentence, sizeof(sentence),
             "tickgate: died of SIGABRT on lcore trade0: strategy theirs was in on_order, plug-in %s; the instruction "
             "is outside of every plug-in\n",
             opened->path);
    says(SIGABRT, false, 0, (uintptr_t)abort, sentence);
}

Test(crash, what_is_built_in_is_named_as_such_and_so_is_nobody)
{
    kill_called(&lcore->calling, KILL_CALL_LOST, 0);
    says(SIGFPE, false, 0, 0,
         "tickgate: died of SIGFPE on lcore trade0: strategy mine was in on_lost, built in; the instruction is outside "
         "of every plug-in\n");
    kill_called(&lcore->calling, KILL_CALL_NONE, 0);
    says(SIGILL, false, 0, 0,
         "tickgate: died of SIGILL on lcore trade0: no strategy was being called; the instruction is outside of "
         "every plug-in\n");
    crash_text(NULL, NULL, SIGBUS, true, UINTPTR_MAX, 0, text);
    cr_expect_str_eq(text, "tickgate: died of SIGBUS on a thread that is no lcore's; the instruction is outside of "
                           "every plug-in, the address 0xffffffffffffffff lies outside of every plug-in\n");
}

/* A child that dies so; its last words in `text`. */
static int die(void (*how)(void))
{
    int end[2], status;
    size_t len = 0;

    cr_assert_eq(pipe(end), 0);
    const pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        dup2(end[1], STDERR_FILENO);
        for (int nr = 1; nr < 32; nr++)
            signal(nr, SIG_DFL); /* the test runner's */
        crash_init();
        how();
        _exit(0);
    }
    close(end[1]);
    for (ssize_t more; (more = read(end[0], text + len, sizeof(text) - 1 - len)) > 0;)
        len += (size_t)more;
    text[len] = '\0';
    close(end[0]);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static volatile uintptr_t nowhere = 16;
static void write_nowhere(void) { *(volatile int *)nowhere = 1; }
static void undefined(void) { __asm__ volatile("ud2"); }
static void raised(void) { raise(SIGSEGV); }

static uint64_t deep(volatile uint64_t *above)
{
    volatile uint64_t here[512];

    here[0] = *above + 1;
    return here[0] == UINT64_MAX ? 0 : deep(here) + here[0];
}

static void overflow(void)
{
    volatile uint64_t zero = 0;

    zero = deep(&zero);
}

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

Test(crash, the_process_dies_of_its_signal_whether_its_own_doing_or_sent)
{
    static const struct { void (*how)(void); int signal_nr; const char *words; } rows[] = {
        {write_nowhere, SIGSEGV, "died of SIGSEGV on a thread that is no lcore's; the instruction is outside of every "
                                 "plug-in, the address 0x10 lies"},
        {undefined, SIGILL, "died of SIGILL"},
        {abort, SIGABRT, "died of SIGABRT"},
        {raised, SIGSEGV, "died of SIGSEGV"},
        {overflow, SIGSEGV, "died of SIGSEGV"}, /* on a stack that has ended: the words need another */
    };

    if (SANITIZED)
        cr_skip_test("the sanitizer takes these signals");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_expect_eq(die(rows[i].how), rows[i].signal_nr, "row %zu", i);
        cr_expect(strstr(text, rows[i].words), "row %zu: %s", i, text);
    }
}
