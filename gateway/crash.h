/* The last words of a process that dies of a fault: which lcore, strategy and plug-in file, where. Then the order
 * connection is reset by the control thread, so that the venue knows at once and cancels what is open as it was agreed
 * (cancel_on_disconnect), and the signal takes its course, core dump included. Of SIGSEGV, SIGBUS, SIGFPE, SIGILL and
 * SIGABRT. Nothing is repaired and nobody is cancelled by us: what is in memory is not to be trusted any more. */
#ifndef GATEWAY_CRASH_H
#define GATEWAY_CRASH_H

#include "gateway/strategy_loop.h"

#define CRASH_TEXT_MAX 2048u

/* Main thread, first of all. Builds with sanitizers leave these signals to them. */
void crash_init(void);

/* A hot thread, before its loop and before armed_enter: its name in the last words, and a stack of its own for the
 * handler. `strategies`: whose lcore it is, NULL of one that only receives. */
void crash_enter(const char *lcore_name, const struct strategy_lcore *strategies);

/* Control thread, each turn: is a hot thread dying? It waits, 100 ms at most, until crash_answer. */
bool crash_said(void);
/* The connection is down: the signal may take its course. Says the last words, which the thread itself may not under
 * proof, and does only when nobody has answered. */
void crash_answer(void);

/* The sentence, for tests: `signal_nr`, the address that was used (`faulted`: there is one), and that of the
 * instruction. Async-signal-safe. Returns its length. */
size_t crash_text(const char *lcore_name, const struct strategy_lcore *strategies, int signal_nr, bool faulted,
                  uintptr_t address, uintptr_t instruction, char ret_text[CRASH_TEXT_MAX]);

#endif
