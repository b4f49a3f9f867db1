/* The kill: new orders and replaces are blocked on every lcore at once, everything open is cancelled, again and again
 * until the venue has confirmed that nothing is; arming again is a separate act. Control thread, but for
 * kill_lcore_turn and kill_called. Time is passed in, and what the order session shows, so that tests run it in virtual
 * time. It prints a line for each change of state.
 *
 *              request                        nothing is open, whatever was on its way included
 *   ARMED ------------------> KILLING -----------------------------------------------------------> KILLED
 *     ^                        ^   |  every repeat_ns: each lcore cancels what it has open           |  |
 *     |                        |   |  after confirm_ns: the rest is reported by number, and the      |  |
 *     |                        |   '- control thread takes the session over (KILL_TAKE_OVER)         |  |
 *     |                        '------------------------ something is open after all ----------------'  |
 *     '---------------------------- kill_arm, refused while anything is open or not known --------------'
 *
 *   kill_watch(k, now_ns)            lcores that stopped turning
 *   switch (kill_step(k, &look, now_ns)) ...
 *
 * What makes "nothing is open" true. The gates are shut before the round's number is raised (release); an lcore repeats
 * that number (release) when a turn of its has ended. From then on it sends nothing new, and all that it had sent is in
 * its table of open orders and at the venue, or on the way there. So the book is empty when its table is, and the book
 * of record too. A session that the control thread has taken over has had a login and a replay since: there the book of
 * record says all. An lcore that makes no turn is not waited for: its session is taken over. */
#ifndef GATEWAY_KILL_H
#define GATEWAY_KILL_H

#include "gateway/order/risk.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

#define KILL_LCORES_MAX 16u
#define KILL_STRATEGIES_MAX 16u
#define KILL_WHO_MAX 96u
#define KILL_ERROR_MAX 256u

/* Append before KILL_CAUSE_COUNT only. */
enum kill_cause {
    KILL_CAUSE_NONE = 0,
    KILL_CONFIG,       /* it starts killed: risk.kill */
    KILL_COMMAND,      /* of an operator */
    KILL_SIGNAL,       /* SIGUSR1 */
    KILL_LOSS_LIMIT,   /* the gate of an lcore says so */
    KILL_WATCHDOG,     /* an lcore has made no turn for watchdog_ns */
    KILL_UNDECODABLE,  /* the venue said something of an order or a trade that could not be read, is not known, or that
                        * the owner had no room for: positions are not known */
    KILL_EARLIER,      /* it was killed in an earlier life, and nobody has armed it since: the audit log says so */
    KILL_CAUSE_COUNT
};

enum kill_state { KILL_ARMED = 0, KILL_KILLING, KILL_KILLED, KILL_STATE_COUNT };

enum kill_want {
    KILL_NOTHING = 0,
    KILL_TAKE_OVER,    /* cancel from the book of record, on a connection of the control thread's own; said again each
                        * time that confirm_ns is over */
    KILL_OWNER_LOST,   /* the same, and the session's owner is not to be told of anything any more: it makes no turn.
                        * Said once */
};

/* Between the control thread and one lcore that sends orders. */
struct kill_line {
    /* Each round of cancelling has a number, from 1; arming raises it too. writer: control thread, release, behind the
     * gate's own word; reader: the lcore, at the end of each turn */
    alignas(CACHE_LINE_BYTES) uint32_t round;
    /* The newest that the lcore has begun. writer: the lcore, release; reader: control thread */
    alignas(CACHE_LINE_BYTES) uint32_t seen;
};

/* Who is being called: one word that the lcore writes before each call of a strategy and behind the last. Relaxed;
 * readers: watchdog, crash report. */
enum kill_call { KILL_CALL_NONE = 0, KILL_CALL_EVENT, KILL_CALL_ORDER, KILL_CALL_LOST, KILL_CALL_COUNT };
static inline uint32_t kill_calling(enum kill_call call, uint32_t strategy)
{
    return (uint32_t)call << 8 | strategy;
}
static inline void kill_called(uint32_t *calling, enum kill_call call, uint32_t strategy)
{
    __atomic_store_n(calling, kill_calling(call, strategy), __ATOMIC_RELAXED); /* paired with: kill_calling_text */
}
/* "strategy NAME was in on_event", or "no strategy was being called". `names`: of the lcore's `count` strategies.
 * Async-signal-safe. Any thread. */
const char *kill_calling_text(uint32_t calling, const char *const *names, uint32_t count,
                              char ret_text[KILL_WHO_MAX]);

/* A hot lcore, as the control thread sees it. */
struct kill_lcore {
    const char *name;
    const uint64_t *turn_count;     /* of its loop */
    /* of strategy lcores; NULL of one that only receives */
    struct risk *risk;
    struct kill_line *line;
    const uint32_t *calling;
    const uint32_t *open_count, *inherited_count; /* of its table of open orders */
    const char *strategy_name[KILL_STRATEGIES_MAX];
    uint32_t strategy_count;
    bool owner;                     /* of the order session */
    /* since it is watched */
    bool lost;                      /* it has made no turn for watchdog_ns */
    uint64_t turns, turns_ns;
};

/* What the order session shows, at each step. */
struct kill_look {
    bool session;              /* there is one: a venue answers. false: udp, replay; the lcores' own tables count */
    bool up;                   /* logged in, its replay is over: the book of record is the venue's */
    bool taken_over;           /* no connection is the owner's, and the login is newer than the newest KILL_TAKE_OVER */
    bool owner_lost;           /* it will not be given one any more */
    bool in_flight;            /* orders of the owner have no answer yet */
    uint32_t open_count;       /* of the book of record */
    uint64_t unreadable_count; /* answers that leave positions unknown: see KILL_UNDECODABLE */
    uint64_t full_count;       /* orders that found no room in the book of record */
};

struct kill_params {
    uint64_t watchdog_ns;      /* 0 = nobody is watched */
    uint64_t repeat_ns;        /* between two rounds of cancelling */
    uint64_t confirm_ns;       /* of a session that is up, until the rest is reported and the session taken over */
};

struct kill_counters {
    uint64_t cause[KILL_CAUSE_COUNT]; /* requests, those that found it killed included */
    uint64_t kill_count;       /* ARMED to KILLING */
    uint64_t arm_count;
    uint64_t arm_refused_count;
    uint64_t round_count;      /* rounds of cancelling */
    uint64_t confirm_count;    /* KILLING to KILLED */
    uint64_t overdue_count;    /* times that confirm_ns was over */
    uint64_t reopened_count;   /* KILLED to KILLING: something was open after all */
};

struct kill {
    struct kill_params params;
    struct kill_lcore lcore[KILL_LCORES_MAX];
    uint32_t lcore_count;
    uint8_t state;             /* enum kill_state */
    uint8_t cause;             /* enum kill_cause of the newest kill: what was asked for first */
    char who[KILL_WHO_MAX];    /* on whose behalf */
    uint32_t round, first_round; /* newest, and first of this kill */
    uint64_t unreadable_count; /* of the look that was acted on */
    uint64_t now_ns;           /* of the newest step */
    uint64_t killed_ns;        /* when it was asked for */
    uint64_t round_ns, up_ns;  /* newest round; since when the session is up without confirmation, 0 = it is not */
    uint64_t confirmed_ns;     /* KILLED: from request to confirmation */
    struct kill_look look;     /* the newest */
    struct kill_counters counters;
};

/* Before armed. `killed`: it starts killed (KILL_CONFIG), gates shut. Then kill_lcore_add for each hot lcore. */
void kill_init(struct kill *kill, const struct kill_params *params, bool killed, uint64_t now_ns);
/* Its gate gets the state of the kill. At most KILL_LCORES_MAX. */
void kill_lcore_add(struct kill *kill, const struct kill_lcore *lcore);

/* Kill: all gates are shut when it returns. Killed already: counted by cause, nothing else. `who`: name, signal, lcore;
 * is copied. */
void kill_request(struct kill *kill, enum kill_cause cause, const char *who, uint64_t now_ns);
/* May it be armed now? 0; -EALREADY: it is armed; -EBUSY: something is open, not confirmed or not known, and ret_error
 * says what. */
int kill_armable(const struct kill *kill, char ret_error[KILL_ERROR_MAX]);
/* Arm again, on behalf of `who`; the same results. A refusal is counted. */
int kill_arm(struct kill *kill, const char *who, char ret_error[KILL_ERROR_MAX]);

/* Lcores that have made no turn for watchdog_ns: kills, once for each, naming the lcore and what it was doing. */
void kill_watch(struct kill *kill, uint64_t now_ns);
/* One step: what is to be done with the session. It kills by itself for an answer that could not be read, and for a
 * loss limit. */
enum kill_want kill_step(struct kill *kill, const struct kill_look *look, uint64_t now_ns);

/* The lcore, at the end of a turn: a new round? Then it is to be begun now, if the gate is shut. */
static inline bool kill_lcore_turn(struct kill_line *line)
{
    const uint32_t round = __atomic_load_n(&line->round, __ATOMIC_ACQUIRE); /* paired with: kill_request, kill_step */

    if (LIKELY(round == line->seen))
        return false;
    __atomic_store_n(&line->seen, round, __ATOMIC_RELEASE); /* paired with: kill_step */
    return true;
}

const char *kill_cause_name(enum kill_cause cause);
const char *kill_state_name(enum kill_state state);
/* What it waits for or why it cannot be armed: "3 orders are open", ...; "" where there is nothing. */
const char *kill_open_text(const struct kill *kill, char ret_text[KILL_ERROR_MAX]);

#endif
