/* See kill.h. */
#include "gateway/kill.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MS_NS UINT64_C(1000000)

static const char *const call_names[KILL_CALL_COUNT] = {
    [KILL_CALL_EVENT] = "on_event",
    [KILL_CALL_ORDER] = "on_order",
    [KILL_CALL_LOST] = "on_lost",
};

const char *kill_cause_name(enum kill_cause cause)
{
    static const char *const names[KILL_CAUSE_COUNT] = {
        [KILL_CAUSE_NONE] = "none",       [KILL_CONFIG] = "config",         [KILL_COMMAND] = "command",
        [KILL_SIGNAL] = "signal",         [KILL_LOSS_LIMIT] = "loss_limit", [KILL_WATCHDOG] = "watchdog",
        [KILL_UNDECODABLE] = "undecodable", [KILL_EARLIER] = "earlier_kill",
    };

    return (unsigned)cause < KILL_CAUSE_COUNT ? names[cause] : "unknown";
}

const char *kill_state_name(enum kill_state state)
{
    static const char *const names[KILL_STATE_COUNT] = {"armed", "killing", "killed"};

    return (unsigned)state < KILL_STATE_COUNT ? names[state] : "unknown";
}

/* No printf: a crash report is written by a signal handler. */
static size_t append(char *text, size_t at, const char *more)
{
    while (*more && at + 1 < KILL_WHO_MAX)
        text[at++] = *more++;
    text[at] = '\0';
    return at;
}

const char *kill_calling_text(uint32_t calling, const char *const *names, uint32_t count, char ret_text[KILL_WHO_MAX])
{
    const uint32_t call = calling >> 8, strategy = calling & 0xff;
    size_t at;

    if (call == KILL_CALL_NONE || call >= KILL_CALL_COUNT || strategy >= count) {
        append(ret_text, 0, "no strategy was being called");
        return ret_text;
    }
    at = append(ret_text, 0, "strategy ");
    at = append(ret_text, at, names[strategy]);
    at = append(ret_text, at, " was in ");
    append(ret_text, at, call_names[call]);
    return ret_text;
}

/* --- gates and rounds */

static void gates(struct kill *kill, bool shut)
{
    for (uint32_t i = 0; i < kill->lcore_count; i++)
        if (kill->lcore[i].risk)
            risk_kill(kill->lcore[i].risk, shut);
}

static void round_begin(struct kill *kill, uint64_t now_ns)
{
    kill->round++;
    kill->round_ns = now_ns;
    kill->counters.round_count += kill->state == KILL_KILLING;
    for (uint32_t i = 0; i < kill->lcore_count; i++)
        if (kill->lcore[i].line)
            __atomic_store_n(&kill->lcore[i].line->round, kill->round, __ATOMIC_RELEASE); /* paired with:
                                                                                           * kill_lcore_turn */
}

static void killing(struct kill *kill, uint64_t now_ns)
{
    kill->state = KILL_KILLING;
    kill->up_ns = 0;
    gates(kill, true);
    round_begin(kill, now_ns);
    kill->first_round = kill->round;
}

static void who_set(struct kill *kill, const char *who)
{
    snprintf(kill->who, sizeof(kill->who), "%s", who);
}

void kill_init(struct kill *kill, const struct kill_params *params, bool killed, uint64_t now_ns)
{
    *kill = (struct kill){.params = *params, .now_ns = now_ns};
    if (!killed)
        return;
    kill->cause = KILL_CONFIG;
    who_set(kill, "risk.kill");
    kill->killed_ns = now_ns;
    kill->counters.cause[KILL_CONFIG]++;
    kill->counters.kill_count++;
    killing(kill, now_ns);
}

void kill_lcore_add(struct kill *kill, const struct kill_lcore *lcore)
{
    CHECK(kill->lcore_count < KILL_LCORES_MAX);
    kill->lcore[kill->lcore_count++] = *lcore;
    if (!lcore->risk)
        return;
    risk_kill(lcore->risk, kill->state != KILL_ARMED);
    __atomic_store_n(&lcore->line->round, kill->round, __ATOMIC_RELEASE); /* paired with: kill_lcore_turn */
}

void kill_request(struct kill *kill, enum kill_cause cause, const char *who, uint64_t now_ns)
{
    kill->counters.cause[cause]++;
    if (kill->state != KILL_ARMED)
        return;
    kill->cause = (uint8_t)cause;
    who_set(kill, who);
    kill->killed_ns = now_ns;
    kill->confirmed_ns = 0;
    kill->counters.kill_count++;
    killing(kill, now_ns);
    fprintf(stderr, "tickgate: killed by %s (%s): new orders are blocked, what is open is cancelled\n",
            kill_cause_name(cause), kill->who);
}

/* --- what is open */

static uint32_t table_count(const struct kill_lcore *lcore)
{
    return __atomic_load_n(lcore->open_count, __ATOMIC_RELAXED) +
           __atomic_load_n(lcore->inherited_count, __ATOMIC_RELAXED);
}

static bool has_seen(const struct kill *kill, const struct kill_lcore *lcore)
{
    const uint32_t seen = __atomic_load_n(&lcore->line->seen, __ATOMIC_ACQUIRE); /* paired with: kill_lcore_turn */

    /* Any round of this kill will do: arming had a number of its own. */
    return (int32_t)(seen - kill->first_round) >= 0;
}

__attribute__((format(printf, 3, 4))) static void say(char text[KILL_ERROR_MAX], size_t *len, const char *format, ...)
{
    va_list list;

    if (*len > 0 && *len < KILL_ERROR_MAX - 2)
        *len += (size_t)snprintf(text + *len, KILL_ERROR_MAX - *len, "; ");
    if (*len >= KILL_ERROR_MAX)
        return;
    va_start(list, format);
    *len += (size_t)vsnprintf(text + *len, KILL_ERROR_MAX - *len, format, list);
    va_end(list);
}

/* An lcore's own table: what it has sent and nobody has answered is in it, pending replaces too. */
static void lcore_open(const struct kill *kill, const struct kill_lcore *lcore, char text[KILL_ERROR_MAX], size_t *len)
{
    const bool answered_by_book = kill->look.session && !lcore->owner; /* it has no way to the wire */

    if (!lcore->risk || answered_by_book || (kill->look.session && kill->look.taken_over))
        return;
    if (lcore->lost || (lcore->owner && kill->look.owner_lost)) {
        say(text, len, "lcore %s makes no turn", lcore->name);
        return;
    }
    if (!has_seen(kill, lcore)) {
        say(text, len, "lcore %s has not seen it yet", lcore->name);
        return;
    }
    const uint32_t count = table_count(lcore); /* after the look at `seen`: what was sent before is in it */
    if (count > 0)
        say(text, len, "%u open on lcore %s", count, lcore->name);
}

const char *kill_open_text(const struct kill *kill, char ret_text[KILL_ERROR_MAX])
{
    const struct kill_look *look = &kill->look;
    size_t len = 0;

    ret_text[0] = '\0';
    for (uint32_t i = 0; i < kill->lcore_count; i++)
        lcore_open(kill, &kill->lcore[i], ret_text, &len);
    if (look->session && look->open_count > 0)
        say(ret_text, &len, "%u open at the venue", look->open_count);
    if (look->session && !look->up)
        say(ret_text, &len, "the order session is not up, so what is open is not known");
    else if (look->in_flight)
        say(ret_text, &len, "orders are on their way");
    if (look->full_count > 0)
        say(ret_text, &len, "%" PRIu64 " orders found no room in the book of record", look->full_count);
    return ret_text;
}

/* --- one step */

static const struct kill_lcore *owner_of(const struct kill *kill)
{
    for (uint32_t i = 0; i < kill->lcore_count; i++)
        if (kill->lcore[i].owner)
            return &kill->lcore[i];
    return NULL;
}

static bool beyond_loss(const struct kill_lcore *lcore)
{
    return lcore->risk && risk_lost(lcore->risk) != 0;
}

/* What nobody has to ask for. */
static void causes(struct kill *kill, uint64_t now_ns)
{
    char who[KILL_WHO_MAX];

    if (kill->look.unreadable_count > kill->unreadable_count) {
        kill->unreadable_count = kill->look.unreadable_count;
        kill_request(kill, KILL_UNDECODABLE, "an answer of the venue", now_ns);
    }
    for (uint32_t i = 0; i < kill->lcore_count && kill->state == KILL_ARMED; i++)
        if (beyond_loss(&kill->lcore[i])) {
            snprintf(who, sizeof(who), "lcore %s", kill->lcore[i].name);
            kill_request(kill, KILL_LOSS_LIMIT, who, now_ns);
        }
}

/* Gates are shut and nothing was open: then nothing can be, unless the venue says so. */
static bool reopened(const struct kill *kill)
{
    uint32_t count = 0;

    if (kill->look.session)
        return kill->look.up && kill->look.open_count > 0;
    for (uint32_t i = 0; i < kill->lcore_count; i++)
        if (kill->lcore[i].risk)
            count += table_count(&kill->lcore[i]);
    return count > 0;
}

static void confirmed(struct kill *kill, uint64_t now_ns)
{
    kill->state = KILL_KILLED;
    kill->counters.confirm_count++;
    kill->confirmed_ns = now_ns - kill->killed_ns;
    fprintf(stderr, "tickgate: killed: nothing is open, %" PRIu64 ".%03" PRIu64 " ms after it was asked for\n",
            kill->confirmed_ns / MS_NS, kill->confirmed_ns % MS_NS / 1000);
}

/* It has taken too long. An owner that has not even seen it is lost; one that turns keeps its place, and loses the
 * connection. */
static enum kill_want overdue(struct kill *kill, const char *open, uint64_t now_ns)
{
    const struct kill_lcore *owner = owner_of(kill);

    kill->counters.overdue_count++;
    kill->up_ns = now_ns;
    fprintf(stderr, "tickgate: killed, but not confirmed after %" PRIu64 " ms: %s\n",
            (now_ns - kill->killed_ns) / MS_NS, open);
    if (!kill->look.session)
        return KILL_NOTHING;
    return owner && !kill->look.owner_lost && !has_seen(kill, owner) ? KILL_OWNER_LOST : KILL_TAKE_OVER;
}

enum kill_want kill_step(struct kill *kill, const struct kill_look *look, uint64_t now_ns)
{
    char open[KILL_ERROR_MAX];

    kill->now_ns = now_ns;
    kill->look = *look;
    causes(kill, now_ns);
    const struct kill_lcore *owner = owner_of(kill);
    if (look->session && !look->owner_lost && owner && owner->lost)
        return KILL_OWNER_LOST;
    if (kill->state == KILL_KILLED && reopened(kill)) {
        kill->counters.reopened_count++;
        kill->killed_ns = now_ns;
        killing(kill, now_ns);
    }
    if (kill->state != KILL_KILLING)
        return KILL_NOTHING;
    if (!*kill_open_text(kill, open)) {
        confirmed(kill, now_ns);
        return KILL_NOTHING;
    }
    if (now_ns - kill->round_ns >= kill->params.repeat_ns)
        round_begin(kill, now_ns);
    if (look->session && !look->up)
        kill->up_ns = 0;
    else if (kill->up_ns == 0)
        kill->up_ns = now_ns;
    else if (now_ns - kill->up_ns >= kill->params.confirm_ns)
        return overdue(kill, open, now_ns);
    return KILL_NOTHING;
}

/* --- who makes no turn */

static void stopped(struct kill *kill, struct kill_lcore *lcore, uint64_t now_ns)
{
    char call[KILL_WHO_MAX], who[KILL_WHO_MAX + 48];

    lcore->lost = true;
    if (lcore->calling) {
        const uint32_t calling = __atomic_load_n(lcore->calling, __ATOMIC_RELAXED); /* paired with: kill_called */
        kill_calling_text(calling, lcore->strategy_name, lcore->strategy_count, call);
        snprintf(who, sizeof(who), "lcore %.32s, %s", lcore->name, call);
    } else {
        snprintf(who, sizeof(who), "lcore %.32s", lcore->name);
    }
    fprintf(stderr, "tickgate: %s: it has made no turn for %" PRIu64 " ms\n", who, (now_ns - lcore->turns_ns) / MS_NS);
    kill_request(kill, KILL_WATCHDOG, who, now_ns);
}

void kill_watch(struct kill *kill, uint64_t now_ns)
{
    for (uint32_t i = 0; i < kill->lcore_count && kill->params.watchdog_ns > 0; i++) {
        struct kill_lcore *lcore = &kill->lcore[i];
        const uint64_t turns = __atomic_load_n(lcore->turn_count, __ATOMIC_RELAXED);
        if (turns != lcore->turns || lcore->turns_ns == 0) {
            lcore->turns = turns;
            lcore->turns_ns = now_ns;
            lcore->lost = false;
        } else if (!lcore->lost && now_ns - lcore->turns_ns >= kill->params.watchdog_ns) {
            stopped(kill, lcore, now_ns);
        }
    }
}

/* --- arming again */

/* What stands against it, beside what is open. */
static void arm_objections(const struct kill *kill, char text[KILL_ERROR_MAX], size_t *len)
{
    if (kill->look.owner_lost)
        say(text, len, "the session was taken over from its lcore, which gets it back with a restart only");
    if (kill->look.unreadable_count > 0)
        say(text, len, "%" PRIu64 " answers of the venue could not be read or booked, so positions are not known",
            kill->look.unreadable_count);
    for (uint32_t i = 0; i < kill->lcore_count; i++) {
        if (kill->lcore[i].lost)
            say(text, len, "lcore %s makes no turn", kill->lcore[i].name);
        if (beyond_loss(&kill->lcore[i]))
            say(text, len, "lcore %s is beyond a loss limit, which has to be forgiven first", kill->lcore[i].name);
    }
}

int kill_armable(const struct kill *kill, char ret_error[KILL_ERROR_MAX])
{
    size_t len;

    if (kill->state == KILL_ARMED) {
        snprintf(ret_error, KILL_ERROR_MAX, "it is armed already");
        return -EALREADY;
    }
    len = strlen(kill_open_text(kill, ret_error));
    arm_objections(kill, ret_error, &len);
    if (len == 0 && kill->state != KILL_KILLED)
        say(ret_error, &len, "the kill is not confirmed yet");
    return len > 0 ? -EBUSY : 0;
}

int kill_arm(struct kill *kill, const char *who, char ret_error[KILL_ERROR_MAX])
{
    const int error = kill_armable(kill, ret_error);

    if (error) {
        kill->counters.arm_refused_count += error == -EBUSY;
        return error;
    }
    kill->state = KILL_ARMED;
    kill->counters.arm_count++;
    gates(kill, false);
    round_begin(kill, kill->now_ns); /* whoever cancels on account of the kill stops */
    fprintf(stderr, "tickgate: armed again (%s)\n", who);
    return 0;
}
