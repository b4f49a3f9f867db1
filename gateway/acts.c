/* See acts.h. */
#include "gateway/acts.h"

#include "gateway/clock.h"
#include "gateway/params.h"
#include "gateway/report/report_kill.h"

#include <errno.h>
#include <inttypes.h>
#include <sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LATER_MAX_NS      UINT64_C(1000000000) /* an lcore whose turn takes longer has stopped turning, or has no CPU */
#define RETRY_NS          UINT64_C(1000000000) /* of a kill that is not in the log */
#define ENTRIES_AN_ANSWER 256u                 /* positions or orders: with room to spare within ADMIN_REPLY_MAX */

/* --- scopes: the whole gateway, an lcore's gate, one strategy in it */

struct scope {
    enum risk_scope kind;
    struct strategy_lcore *lcore; /* NULL: the gateway */
    uint32_t idx;                 /* in its gate: RISK_LCORE, RISK_STRATEGY(i) */
    const char *name;
};

static const char *kind_name(enum risk_scope kind)
{
    return kind == RISK_SCOPE_GATEWAY ? "gateway" : kind == RISK_SCOPE_LCORE ? "lcore" : "strategy";
}

/* The i-th of all scopes; false past the last. */
static bool scope_at(const struct acts *acts, uint32_t idx, struct scope *ret_scope)
{
    if (acts->shares > 0 && idx-- == 0) {
        *ret_scope = (struct scope){.kind = RISK_SCOPE_GATEWAY, .name = "gateway"};
        return true;
    }
    for (uint32_t i = 0; i < acts->topology->strategies_count; i++) {
        struct strategy_lcore *lcore = acts->topology->strategies[i];
        if (idx == 0) {
            *ret_scope = (struct scope){RISK_SCOPE_LCORE, lcore, RISK_LCORE, lcore->name};
            return true;
        }
        if (--idx < lcore->strategy_count) {
            *ret_scope = (struct scope){RISK_SCOPE_STRATEGY, lcore, RISK_STRATEGY(idx), lcore->strategy[idx].name};
            return true;
        }
        idx -= lcore->strategy_count;
    }
    return false;
}

static bool scope_find(const struct acts *acts, const char *name, struct scope *ret_scope,
                       char ret_error[ADMIN_ERROR_MAX])
{
    for (uint32_t i = 0; scope_at(acts, i, ret_scope); i++)
        if (strcmp(ret_scope->name, name) == 0)
            return true;
    int len = snprintf(ret_error, ADMIN_ERROR_MAX, "%s '%s'; write one of:",
                       strcmp(name, "gateway") == 0 ? "the config has no limits of the whole"
                                                    : "there is no lcore and no strategy",
                       name);
    for (uint32_t i = 0; scope_at(acts, i, ret_scope) && len < (int)ADMIN_ERROR_MAX; i++)
        len += snprintf(ret_error + len, ADMIN_ERROR_MAX - (size_t)len, " %s", ret_scope->name);
    return false;
}

/* What is in force, or will be with the next order. */
static const struct risk_limits *scope_limits(const struct acts *acts, const struct scope *scope)
{
    return scope->lcore ? risk_shown(&scope->lcore->risk, scope->idx) : &acts->gateway;
}

/* Does the limit mean anything there? A strategy that the config gives no limits of its own has no account either. */
static bool scope_has(const struct scope *scope, uint32_t limit)
{
    static const char *const accounted[] = {"position_max", "open_orders_max", "gross_max", "net_max", "loss_max"};
    const struct risk_limits_row *row = risk_limits_row(limit);

    if (!(row->scopes & scope->kind))
        return false;
    if (scope->kind != RISK_SCOPE_STRATEGY || scope->lcore->market.account.shared >> (scope->idx - 1) & 1)
        return true;
    for (uint32_t i = 0; i < sizeof(accounted) / sizeof(accounted[0]); i++)
        if (strcmp(row->name, accounted[i]) == 0)
            return false;
    return true;
}

static void scope_limits_text(const struct acts *acts, const struct scope *scope, char *ret_text, size_t size)
{
    size_t len = 0;

    for (uint32_t i = 0; i < risk_limits_count() && len < size; i++)
        if (scope_has(scope, i))
            len += (size_t)snprintf(ret_text + len, size - len, "%s%s=%" PRIu64, len ? " " : "",
                                    risk_limits_row(i)->name, risk_limits_get(scope_limits(acts, scope), i));
}

static void scope_limits_json(const struct acts *acts, const struct scope *scope, struct json *reply)
{
    json_open(reply, scope->name, '{');
    json_text(reply, "kind", kind_name(scope->kind));
    for (uint32_t i = 0; i < risk_limits_count(); i++)
        if (scope_has(scope, i))
            json_u64(reply, risk_limits_row(i)->name, risk_limits_get(scope_limits(acts, scope), i));
    json_close(reply, '}');
}

/* Have all gates concerned taken the change before? */
static bool scope_taken(const struct acts *acts, const struct scope *scope)
{
    bool taken = true;

    if (scope->lcore)
        return risk_post_taken(&scope->lcore->risk);
    for (uint32_t i = 0; i < acts->topology->strategies_count; i++)
        taken = taken && risk_post_taken(&acts->topology->strategies[i]->risk);
    return taken;
}

/* scope_taken is true, and nobody else posts: it cannot fail. */
static void scope_post(struct acts *acts, const struct scope *scope, const struct risk_limits *limits)
{
    struct risk_limits share = *limits;

    acts->posted_ns = clock_monotonic_ns();
    if (scope->lcore) {
        CHECK(risk_post_limits(&scope->lcore->risk, scope->idx, limits));
        return;
    }
    acts->gateway = *limits;
    risk_share_of(&share, acts->shares);
    for (uint32_t i = 0; i < acts->topology->strategies_count; i++)
        CHECK(risk_post_limits(&acts->topology->strategies[i]->risk, RISK_GATEWAY, &share));
}

/* --- writing down */

static int write_down(struct acts *acts, const char *who, const char *what, const char *old_value,
                      const char *new_value, const char *result)
{
    const struct audit_act act = {
        .who = who, .what = what, .old_value = old_value, .new_value = new_value, .result = result};

    return audit_write(&acts->audit, &act, audit_wall_ns());
}

static void not_logged(const struct acts *acts, char ret_error[ADMIN_ERROR_MAX])
{
    snprintf(ret_error, ADMIN_ERROR_MAX, "the audit log cannot be written: %s; nothing was changed",
             strerror(-acts->audit.error));
}

/* --- commands */

static void audit_json(const struct acts *acts, struct json *reply)
{
    json_open(reply, "audit", '{');
    json_text(reply, "file", acts->topology->config->admin.audit_file);
    json_u64(reply, "seq", acts->audit.seq);
    json_text(reply, "hash", acts->audit.hash);
    json_u64(reply, "failed", acts->audit.failed_count);
    json_u64(reply, "unlogged", acts->audit.unlogged_count);
    json_bool(reply, "kill_missing", acts->kill_missing);
    if (acts->audit.error)
        json_text(reply, "error", strerror(-acts->audit.error));
    else
        json_null(reply, "error");
    json_close(reply, '}');
}

/* What the gate holds and has open, in money, as it showed it last. */
static void held_json(const struct risk_shown *now, struct json *reply)
{
    json_i64(reply, "gross", __atomic_load_n(&now->gross, __ATOMIC_RELAXED));
    json_i64(reply, "net_long", __atomic_load_n(&now->net_long, __ATOMIC_RELAXED));
    json_i64(reply, "net_short", __atomic_load_n(&now->net_short, __ATOMIC_RELAXED));
    json_i64(reply, "profit", __atomic_load_n(&now->profit, __ATOMIC_RELAXED));
    json_i64(reply, "realised", __atomic_load_n(&now->realised, __ATOMIC_RELAXED));
    json_u64(reply, "open", __atomic_load_n(&now->open_count, __ATOMIC_RELAXED));
}

static void lcore_json(const struct strategy_lcore *lcore, struct json *reply)
{
    uint64_t refused = 0;

    for (uint32_t i = RISK_PASS + 1; i < RISK_VERDICT_COUNT; i++)
        refused += __atomic_load_n(&lcore->risk.verdict_count[i], __ATOMIC_RELAXED);
    json_open(reply, lcore->name, '{');
    json_u64(reply, "turns", __atomic_load_n(&lcore->turn_count, __ATOMIC_RELAXED));
    json_u64(reply, "orders", __atomic_load_n(&lcore->order_count, __ATOMIC_RELAXED));
    json_u64(reply, "refused", refused);
    json_open(reply, "refusals", '{');
    for (uint32_t i = RISK_PASS + 1; i < RISK_VERDICT_COUNT; i++) {
        const uint64_t count = __atomic_load_n(&lcore->risk.verdict_count[i], __ATOMIC_RELAXED);
        if (count > 0)
            json_u64(reply, risk_verdict_name((enum risk_verdict)i), count);
    }
    json_close(reply, '}');
    json_open(reply, "closed_by_loss", '[');
    for (uint32_t i = 0; i <= lcore->strategy_count; i++)
        if (risk_lost(&lcore->risk) & 1u << i)
            json_text(reply, NULL, i == RISK_LCORE ? lcore->name : lcore->strategy[i - 1].name);
    if (risk_lost(&lcore->risk) & 1u << RISK_GATEWAY)
        json_text(reply, NULL, "gateway");
    json_close(reply, ']');
    held_json(&lcore->risk.now, reply);
    json_bool(reply, "change_pending", !risk_post_taken(&lcore->risk));
    json_close(reply, '}');
}

static void status(const struct acts *acts, struct json *reply)
{
    const struct topology *topology = acts->topology;
    const struct config *config = topology->config;
    const struct admin *admin = &acts->admin;

    json_text(reply, "gateway", config->gateway.name);
    json_i64(reply, "pid", getpid());
    json_f64(reply, "up_s", (double)(clock_monotonic_ns() - acts->begin_ns) / 1e9);
    if (acts->orders->config) {
        json_text(reply, "session", order_session_state_name((enum order_session_state)acts->orders->session.state));
        json_u64(reply, "open", acts->orders->book.inherited_count);
    } else {
        json_null(reply, "session");
    }
    json_open(reply, "feeds", '{');
    for (uint32_t i = 0; i < config->feed_count; i++) {
        json_open(reply, config->feed[i].name, '{');
        json_bool(reply, "heard", health_heard(channel_health(topology->channel[i])));
        json_bool(reply, "stale", channel_stale(topology->channel[i]));
        json_u64(reply, "next_seq", __atomic_load_n(&channel_arb(topology->channel[i])->next_seq, __ATOMIC_RELAXED));
        json_close(reply, '}');
    }
    json_close(reply, '}');
    json_open(reply, "lcores", '{');
    for (uint32_t i = 0; i < topology->strategies_count; i++)
        lcore_json(topology->strategies[i], reply);
    json_close(reply, '}');
    report_kill_json(reply, acts->kill);
    audit_json(acts, reply);
    json_open(reply, "admin", '{');
    json_u64(reply, "commands", admin->command_count);
    json_u64(reply, "rejected", admin->rejected_count);
    json_u64(reply, "refused_peers", admin->refused_count);
    json_u64(reply, "displaced_peers", admin->displaced_count);
    json_close(reply, '}');
}

static bool limits(const struct acts *acts, const struct admin_line *line, struct json *reply,
                   char ret_error[ADMIN_ERROR_MAX])
{
    struct scope scope;

    if (line->word_count > 0 && !scope_find(acts, line->word[0], &scope, ret_error))
        return false;
    json_open(reply, "limits", '{');
    if (line->word_count > 0)
        scope_limits_json(acts, &scope, reply);
    else
        for (uint32_t i = 0; scope_at(acts, i, &scope); i++)
            scope_limits_json(acts, &scope, reply);
    json_close(reply, '}');
    return true;
}

/* A whole number as the config has it. */
static bool number(const char *text, uint64_t *ret_value)
{
    const size_t len = strlen(text);

    if (len == 0 || len > 19 || strspn(text, "0123456789") != len || (text[0] == '0' && len > 1))
        return false;
    *ret_value = strtoull(text, NULL, 10);
    return true;
}

/* What is asked for: which limit of which scope, and its new value. False, and why not. */
static bool change_parse(const struct acts *acts, const struct admin_line *line, struct scope *ret_scope,
                         uint32_t *ret_limit, uint64_t *ret_value, char ret_error[ADMIN_ERROR_MAX])
{
    if (!scope_find(acts, line->word[0], ret_scope, ret_error))
        return false;
    *ret_limit = risk_limits_find(line->word[1]);
    if (*ret_limit == UINT32_MAX) {
        snprintf(ret_error, ADMIN_ERROR_MAX, "there is no limit '%s'; limits lists them", line->word[1]);
        return false;
    }
    const struct risk_limits_row *row = risk_limits_row(*ret_limit);
    if (!scope_has(ret_scope, *ret_limit)) {
        snprintf(ret_error, ADMIN_ERROR_MAX, "%s is no limit of %s '%s'%s; limits %s lists those that are", row->name,
                 kind_name(ret_scope->kind), ret_scope->name,
                 row->scopes & ret_scope->kind ? ", to which the config gives no section risk of its own" : "",
                 ret_scope->name);
        return false;
    }
    if (!number(line->word[2], ret_value) || *ret_value < row->min || *ret_value > row->max) {
        snprintf(ret_error, ADMIN_ERROR_MAX, "%s is '%s'; write a whole number from %" PRIu64 " to %" PRIu64 " (%s)",
                 row->name, line->word[2], row->min, row->max, row->unit);
        return false;
    }
    if (!ret_scope->lcore && *ret_value > 0 && *ret_value < acts->shares) {
        snprintf(ret_error, ADMIN_ERROR_MAX,
                 "%s is divided among %u lcores, so %" PRIu64 " would leave nothing; write at least %u", row->name,
                 acts->shares, *ret_value, acts->shares);
        return false;
    }
    return true;
}

/* A gate has not taken the change before. How long the line has waited says nothing: others may have had their turn. */
static enum admin_outcome later(const struct acts *acts, char ret_error[ADMIN_ERROR_MAX])
{
    snprintf(ret_error, ADMIN_ERROR_MAX,
             "the lcore has not taken the change before yet; try again, and if this stays so it has stopped turning");
    return clock_monotonic_ns() - acts->posted_ns < LATER_MAX_NS ? ADMIN_LATER : ADMIN_REFUSED;
}

static enum admin_outcome set(struct acts *acts, const struct admin_line *line, const struct admin_peer *peer,
                              struct json *reply, char ret_error[ADMIN_ERROR_MAX])
{
    char what[2 * ADMIN_WORD_MAX + 8], old_text[24], new_text[24];
    struct scope scope;
    uint32_t limit;
    uint64_t value;

    if (!change_parse(acts, line, &scope, &limit, &value, ret_error))
        return ADMIN_REFUSED;
    if (!scope_taken(acts, &scope)) /* asked before the log is written: what is on disk will be in force */
        return later(acts, ret_error);
    struct risk_limits changed = *scope_limits(acts, &scope);
    const uint64_t old_value = risk_limits_get(&changed, limit);
    risk_limits_set(&changed, limit, value);
    snprintf(what, sizeof(what), "set %s %s", scope.name, risk_limits_row(limit)->name);
    snprintf(old_text, sizeof(old_text), "%" PRIu64, old_value);
    snprintf(new_text, sizeof(new_text), "%" PRIu64, value);
    if (write_down(acts, peer->who, what, old_text, new_text, "done") != 0) {
        not_logged(acts, ret_error);
        return ADMIN_REFUSED;
    }
    scope_post(acts, &scope, &changed);
    json_text(reply, "scope", scope.name);
    json_text(reply, "limit", risk_limits_row(limit)->name);
    json_u64(reply, "old", old_value);
    json_u64(reply, "new", value);
    json_text(reply, "by", peer->who);
    json_u64(reply, "audit_seq", acts->audit.seq);
    return ADMIN_DONE;
}

/* The newest line about a kill is in the log, so it outlives us. */
static void kill_written(struct acts *acts)
{
    if (acts->kill_missing)
        fprintf(stderr, "tickgate: audit log %s: the kill is in it now\n", acts->topology->config->admin.audit_file);
    acts->kill_missing = false;
}

/* A kill is in force before the log knows of it. */
static int kill_write(struct acts *acts, const char *who, const char *old_value, const char *new_value)
{
    const int error = write_down(acts, who, "kill", old_value, new_value, "done");

    if (error == 0) {
        kill_written(acts);
        return 0;
    }
    audit_unlogged(&acts->audit);
    if (!acts->kill_missing)
        fprintf(stderr, "tickgate: audit log %s: the kill is not in it: %s; a restart would trade: make room\n",
                acts->topology->config->admin.audit_file, strerror(-error));
    acts->kill_missing = true;
    acts->missing_ns = clock_monotonic_ns();
    snprintf(acts->missing_who, sizeof(acts->missing_who), "%s", who);
    snprintf(acts->missing_text, sizeof(acts->missing_text), "%s", new_value);
    return error;
}

static void kill_write_again(struct acts *acts)
{
    if (write_down(acts, acts->missing_who, "kill", NULL, acts->missing_text, "done") == 0)
        kill_written(acts);
}

static void kill_all(struct acts *acts, const struct admin_line *line, const struct admin_peer *peer,
                     struct json *reply)
{
    const char *old_value = kill_state_name((enum kill_state)acts->kill->state);
    char now[ADMIN_REASON_MAX + 16];

    kill_request(acts->kill, KILL_COMMAND, peer->who, acts->kill->now_ns);
    acts->kill_count = acts->kill->counters.kill_count;
    snprintf(now, sizeof(now), "killed%s%s", line->reason[0] ? ": " : "", line->reason);
    const int error = kill_write(acts, peer->who, old_value, now);
    json_text(reply, "old", old_value);
    json_text(reply, "new", kill_state_name((enum kill_state)acts->kill->state));
    json_text(reply, "by", peer->who);
    if (error)
        json_text(reply, "audit_error", strerror(-error));
    else
        json_u64(reply, "audit_seq", acts->audit.seq);
}

void acts_kill(struct acts *acts)
{
    const struct kill *kill = acts->kill;
    char text[64];

    if (!acts->begun)
        return;
    if (kill->counters.kill_count != acts->kill_count) {
        acts->kill_count = kill->counters.kill_count;
        snprintf(text, sizeof(text), "killed by %s", kill_cause_name((enum kill_cause)kill->cause));
        kill_write(acts, kill->who, "armed", text);
    }
    if (kill->counters.confirm_count != acts->confirm_count) {
        acts->confirm_count = kill->counters.confirm_count;
        snprintf(text, sizeof(text), "nothing is open, %" PRIu64 " us later", kill->confirmed_ns / 1000);
        if (write_down(acts, "gateway", "kill", "killing", text, "done") == 0)
            kill_written(acts);
        else
            audit_unlogged(&acts->audit);
    }
    if (acts->kill_missing && clock_monotonic_ns() - acts->missing_ns >= RETRY_NS) {
        acts->missing_ns = clock_monotonic_ns();
        kill_write_again(acts);
    }
}

static bool arm(struct acts *acts, const struct admin_peer *peer, struct json *reply, char ret_error[ADMIN_ERROR_MAX])
{
    _Static_assert(ADMIN_ERROR_MAX >= KILL_ERROR_MAX, "what stands against it fits");
    if (kill_armable(acts->kill, ret_error) != 0)
        return kill_arm(acts->kill, peer->who, ret_error) == 0; /* it counts that */
    if (write_down(acts, peer->who, "arm", "killed", "armed", "done") != 0) {
        not_logged(acts, ret_error);
        return false;
    }
    acts->kill_missing = false;
    kill_arm(acts->kill, peer->who, ret_error);
    json_text(reply, "old", "killed");
    json_text(reply, "new", "armed");
    json_text(reply, "by", peer->who);
    json_u64(reply, "audit_seq", acts->audit.seq);
    return true;
}

/* Where a list begins, and whether there is one: the book of record is made of what a venue answers. */
static bool list_from(const struct acts *acts, const struct admin_line *line, uint32_t *ret_from,
                      char ret_error[ADMIN_ERROR_MAX])
{
    uint64_t from = 0;

    if (!acts->orders->config) {
        snprintf(ret_error, ADMIN_ERROR_MAX, "there is no order session, so nobody says what is open or was traded");
        return false;
    }
    if (line->word_count > 0 && (!number(line->word[0], &from) || from > UINT32_MAX)) {
        snprintf(ret_error, ADMIN_ERROR_MAX, "'%s' is no place in the list; write the 'next' of the answer before",
                 line->word[0]);
        return false;
    }
    *ret_from = (uint32_t)from;
    return true;
}

static void list_end(struct json *reply, bool more, uint32_t next)
{
    json_close(reply, ']');
    if (more)
        json_u64(reply, "next", next);
    else
        json_null(reply, "next");
}

static bool positions(const struct acts *acts, const struct admin_line *line, struct json *reply,
                      char ret_error[ADMIN_ERROR_MAX])
{
    struct market_carried carried;
    uint32_t idx, count = 0;
    char symbol[9];
    bool more;

    if (!list_from(acts, line, &idx, ret_error))
        return false;
    json_open(reply, "positions", '[');
    while ((more = orders_position(acts->orders, idx, &carried)) && count++ < ENTRIES_AN_ANSWER) {
        idx++;
        md_symbol_text(carried.symbol, symbol);
        json_open(reply, NULL, '{');
        json_text(reply, "symbol", symbol);
        json_i64(reply, "position", carried.position);
        json_u64(reply, "open_buy", carried.open_buy_qty);
        json_u64(reply, "open_sell", carried.open_sell_qty);
        json_close(reply, '}');
    }
    list_end(reply, more, idx);
    return true;
}

static void order_json(const struct open_order *order, struct json *reply)
{
    const char side[] = {(char)order->side, '\0'};
    char symbol[9];

    md_symbol_text(order->symbol, symbol);
    json_open(reply, NULL, '{');
    json_u64(reply, "ref", order->user_ref);
    json_text(reply, "symbol", symbol);
    json_text(reply, "side", side);
    json_i64(reply, "price", order->price);
    json_u64(reply, "qty", order->qty);
    json_u64(reply, "filled", order->filled_qty);
    json_text(reply, "state", open_state_name((enum open_state)order->state));
    json_close(reply, '}');
}

static bool orders(const struct acts *acts, const struct admin_line *line, struct json *reply,
                   char ret_error[ADMIN_ERROR_MAX])
{
    struct open_orders book;
    const struct open_order *order;
    uint32_t cursor, next, count = 0;

    if (!list_from(acts, line, &cursor, ret_error))
        return false;
    book = acts->orders->book; /* a walk changes nothing, but says that it may */
    json_u64(reply, "open", book.count + book.inherited_count);
    json_open(reply, "orders", '[');
    for (next = cursor; (order = open_next(&book, &cursor)) && count++ < ENTRIES_AN_ANSWER; next = cursor)
        order_json(order, reply);
    list_end(reply, order != NULL, next);
    return true;
}

static void help(struct json *reply)
{
    char usage[ADMIN_USAGE_MAX];
    const char *summary;

    json_open(reply, "commands", '{');
    for (uint32_t i = 0; admin_line_usage(i, usage, &summary); i++)
        json_text(reply, usage, summary);
    json_close(reply, '}');
}

/* Who tried what he may not, or what cannot be, is of interest too. */
static void refusal_write(struct acts *acts, const struct admin_line *line, const struct admin_peer *peer,
                          const char *why)
{
    char what[ADMIN_LINE_MAX], result[ADMIN_ERROR_MAX + 16];
    int len = snprintf(what, sizeof(what), "%s", admin_verb_name(line->verb));

    for (uint32_t i = 0; i < line->word_count; i++)
        len += snprintf(what + len, sizeof(what) - (size_t)len, " %s", line->word[i]);
    snprintf(result, sizeof(result), "refused: %s", why);
    (void)write_down(acts, peer->who, what, NULL, NULL, result);
}

static enum admin_outcome outcome_of(bool done)
{
    return done ? ADMIN_DONE : ADMIN_REFUSED;
}

/* The gates of a scope that its loss limit has closed: the i-th, NULL past the last. */
static struct risk *closed_at(const struct acts *acts, const struct scope *scope, uint32_t idx)
{
    const uint32_t bit = 1u << (scope->lcore ? scope->idx : RISK_GATEWAY);

    for (uint32_t i = 0; i < acts->topology->strategies_count; i++) {
        struct strategy_lcore *lcore = acts->topology->strategies[i];
        if ((!scope->lcore || scope->lcore == lcore) && (risk_lost(&lcore->risk) & bit) && idx-- == 0)
            return &lcore->risk;
    }
    return NULL;
}

/* The loss of a scope counts from here on: what a loss limit has closed opens, and the gateway may be armed again. */
static enum admin_outcome forgive(struct acts *acts, const struct admin_line *line, const struct admin_peer *peer,
                                  struct json *reply, char ret_error[ADMIN_ERROR_MAX])
{
    char what[ADMIN_WORD_MAX + 16];
    struct scope scope;
    struct risk *risk;

    if (!scope_find(acts, line->word[0], &scope, ret_error))
        return ADMIN_REFUSED;
    if (!closed_at(acts, &scope, 0)) {
        snprintf(ret_error, ADMIN_ERROR_MAX, "'%s' is not closed by a loss limit; status lists those that are",
                 scope.name);
        return ADMIN_REFUSED;
    }
    if (!scope_taken(acts, &scope))
        return later(acts, ret_error);
    snprintf(what, sizeof(what), "forgive %s", scope.name);
    if (write_down(acts, peer->who, what, "closed by its loss", "open", "done") != 0) {
        not_logged(acts, ret_error);
        return ADMIN_REFUSED;
    }
    acts->posted_ns = clock_monotonic_ns();
    for (uint32_t i = 0; (risk = closed_at(acts, &scope, i)); i++)
        CHECK(risk_post_rearm(risk, scope.lcore ? scope.idx : RISK_GATEWAY)); /* nobody else posts */
    json_text(reply, "scope", scope.name);
    json_text(reply, "by", peer->who);
    json_u64(reply, "audit_seq", acts->audit.seq);
    return ADMIN_DONE;
}

static enum admin_outcome change(struct acts *acts, const struct admin_line *line, const struct admin_peer *peer,
                                 struct json *reply, char ret_error[ADMIN_ERROR_MAX])
{
    const enum admin_outcome outcome = line->verb == ADMIN_SET       ? set(acts, line, peer, reply, ret_error)
                                       : line->verb == ADMIN_FORGIVE ? forgive(acts, line, peer, reply, ret_error)
                                                                     : outcome_of(arm(acts, peer, reply, ret_error));

    if (outcome == ADMIN_REFUSED)
        refusal_write(acts, line, peer, ret_error);
    return outcome;
}

enum admin_outcome acts_do(void *arg, const struct admin_line *line, const struct admin_peer *peer, struct json *reply,
                           char ret_error[ADMIN_ERROR_MAX])
{
    struct acts *acts = arg;

    switch (line->verb) {
    case ADMIN_HELP:
        help(reply);
        return ADMIN_DONE;
    case ADMIN_STATUS:
        status(acts, reply);
        return ADMIN_DONE;
    case ADMIN_LIMITS:
        return outcome_of(limits(acts, line, reply, ret_error));
    case ADMIN_SET:
    case ADMIN_FORGIVE:
    case ADMIN_ARM:
        return change(acts, line, peer, reply, ret_error);
    case ADMIN_KILL:
        kill_all(acts, line, peer, reply);
        return ADMIN_DONE;
    case ADMIN_POSITIONS:
        return outcome_of(positions(acts, line, reply, ret_error));
    case ADMIN_ORDERS:
        return outcome_of(orders(acts, line, reply, ret_error));
    default: /* ADMIN_STOP */
        acts->stop_asked = true;
        memcpy(acts->stop_who, peer->who, sizeof(peer->who)); /* written down by whoever ends the run */
        json_text(reply, "by", peer->who);
        return ADMIN_DONE;
    }
}

/* --- a run's beginning and end */

void acts_init(struct acts *acts)
{
    *acts = (struct acts){.audit.fd = -1};
    admin_init(&acts->admin);
}

/* The last line, where another log keeps it: who cuts lines from the end of this one cannot cut that. */
static void anchor_say(const struct acts *acts)
{
    fprintf(stderr, "tickgate: audit log %s: line %" PRIu64 ", hash %s\n", acts->topology->config->admin.audit_file,
            acts->audit.seq, acts->audit.hash);
}

static int begin_write(struct acts *acts)
{
    const struct config *config = acts->topology->config;
    char config_hash[SHA256_DIGEST_STRING_LENGTH] = "unreadable", text[AUDIT_LINE_MAX / 2], what[ADMIN_WORD_MAX + 16];
    struct scope scope;

    SHA256File(config->path, config_hash);
    snprintf(text, sizeof(text), "gateway %s, pid %d, config %.512s, SHA-256 %s", config->gateway.name, (int)getpid(),
             config->path, config_hash);
    int error = write_down(acts, "gateway", "start", NULL, text, "done");
    for (uint32_t i = 0; error == 0 && scope_at(acts, i, &scope); i++) {
        snprintf(what, sizeof(what), "limits %s", scope.name);
        scope_limits_text(acts, &scope, text, sizeof(text));
        error = write_down(acts, "gateway", what, NULL, text, "done");
    }
    if (error == 0 && acts->kill->state != KILL_ARMED) /* no act of its own: that is whoever killed */
        error = write_down(acts, "gateway", "start killed", NULL,
                           acts->kill->cause == KILL_CONFIG ? "risk.kill of the config" : acts->kill->who, "done");
    acts->kill_count = acts->kill->counters.kill_count;
    return error;
}

/* A kill holds until somebody arms, however many lives of the process that takes. */
static void stay_killed(struct acts *acts)
{
    char who[KILL_WHO_MAX];

    if (acts->audit.kill_seq == 0 || acts->kill->state != KILL_ARMED)
        return;
    snprintf(who, sizeof(who), "line %" PRIu64 " of the audit log, %s", acts->audit.kill_seq, acts->audit.kill_time);
    kill_request(acts->kill, KILL_EARLIER, who, clock_monotonic_ns());
    if (acts->topology->config->admin.socket)
        fprintf(stderr, "tickgate: nobody has armed it since; `tickgate admin %s arm` does\n",
                acts->topology->config->admin.socket);
    else
        fprintf(stderr, "tickgate: nobody has armed it since, and nobody can: add admin.socket to the config\n");
}

int acts_open(struct acts *acts, struct topology *topology, const struct orders *orders, struct kill *kill,
              char ret_error[TOPOLOGY_ERROR_MAX])
{
    const struct config_admin *config = &topology->config->admin;

    acts->topology = topology;
    acts->orders = orders;
    acts->kill = kill;
    acts->begin_ns = clock_monotonic_ns();
    if (topology->config->risk.gateway.present) {
        acts->shares = params_gateway_shares(topology->config);
        params_gateway_limits(topology->config, &acts->gateway);
    }
    if (!config->present)
        return 0;
    int error = audit_open(&acts->audit, config->audit_file, audit_wall_ns(), ret_error);
    if (error)
        return error;
    if (acts->audit.torn_len > 0)
        fprintf(stderr,
                "tickgate: audit log %s: %lld bytes of an unfinished last line were cut off: what it told of never "
                "took effect\n",
                config->audit_file, (long long)acts->audit.torn_len);
    error = admin_open(&acts->admin, config, &acts->audit, acts_do, acts, ret_error);
    if (error)
        return error;
    stay_killed(acts);
    error = begin_write(acts);
    acts->begun = error == 0;
    if (error)
        snprintf(ret_error, TOPOLOGY_ERROR_MAX, "admin.audit_file %s: cannot be written: %s; make room",
                 config->audit_file, strerror(-error));
    else
        anchor_say(acts);
    return error;
}

void acts_stop(struct acts *acts, const char *who)
{
    if (acts->stop_written || acts->audit.fd < 0)
        return;
    acts->stop_written = true;
    if (write_down(acts, acts->stop_asked ? acts->stop_who : who, "stop", NULL, NULL, "done") != 0)
        audit_unlogged(&acts->audit);
}

void acts_close(struct acts *acts, const char *result)
{
    admin_close(&acts->admin);
    if (acts->audit.fd < 0)
        return;
    if (acts->kill_missing)
        kill_write_again(acts);
    if (acts->begun) {
        if (write_down(acts, "gateway", "end", NULL, NULL, result) != 0)
            fprintf(stderr, "tickgate: audit log %s: the end could not be written: %s\n",
                    acts->topology->config->admin.audit_file, strerror(-acts->audit.error));
        anchor_say(acts);
    }
    audit_close(&acts->audit);
}
