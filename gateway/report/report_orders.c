/* See report_orders.h. Control thread, after the hot threads have ended. */
#include "gateway/report/report_orders.h"

#include <ctype.h>
#include <inttypes.h>

#define SESSION_ROWS 11u
static void session_rows(const struct orders *orders, struct report_orders_row ret_rows[SESSION_ROWS])
{
    const struct report_orders_row rows[SESSION_ROWS] = {
        {"logins", "logins", orders->session.login_count},
        {"sequenced messages", "messages", orders->session.message_count},
        {"of them no OUCH", "malformed", orders->counters.malformed_count},
        {"leave what is open or held unknown", "unreadable", orders->counters.unreadable_count},
        {"broken trades", "broken_trades", orders->answers.broken_count},
        {"breaks", "breaks", orders->counters.break_count},
        {"aborts for want of answers", "late", orders->counters.late_count},
        {"owner lost", "owner_lost", orders->counters.owner_lost_count},
        {"taken over", "taken_over", orders->counters.taken_over_count},
        {"heartbeats asked for", "heartbeats", orders->counters.heartbeat_count},
        {"cancelled for the owner", "own_cancels", orders->counters.own_cancel_count},
    };
    for (uint32_t i = 0; i < SESSION_ROWS; i++)
        ret_rows[i] = rows[i];
}

#define LINE_ROWS 16u
static void line_rows(const struct tcp_line *line, struct report_orders_row ret_rows[LINE_ROWS])
{
    const struct tcp_line_counters *counters = &line->counters;
    const struct stack_counters *stack = &line->stack->counters;
    const struct report_orders_row rows[LINE_ROWS] = {
        {"delegated", "delegated", counters->delegated_count},
        {"by the slow path", "slow", counters->slow_count},
        {"slots taken over", "slots_taken_over", counters->taken_over_count},
        {"of an earlier connection", "stale", counters->stale_count},
        {"frames held", "held", counters->held_count},
        {"held frames dropped", "held_dropped", counters->held_dropped_count},
        {"acknowledged what nobody sent", "beyond", counters->beyond_count},
        {"sent again: probe", "resend_probe", counters->resend_count[TCP_LINE_RESEND_PROBE]},
        {"sent again: fast", "resend_fast", counters->resend_count[TCP_LINE_RESEND_FAST]},
        {"sent again: timeout", "resend_timeout", counters->resend_count[TCP_LINE_RESEND_TIMEOUT]},
        {"sent again: taken over", "resend_taken_over", counters->resend_count[TCP_LINE_RESEND_TAKEN_OVER]},
        {"spurious probes", "probe_spurious", counters->probe_spurious_count},
        {"broken", "broken", counters->broken_count},
        {"frames for others", "foreign", stack->foreign_count},
        {"our own frames seen", "own", stack->own_count},
        {"frames not sent", "not_sent", stack->no_mbuf_count + stack->full_count},
    };
    for (uint32_t i = 0; i < LINE_ROWS; i++)
        ret_rows[i] = rows[i];
}

_Static_assert(REPORT_ORDERS_ROWS == SESSION_ROWS + LINE_ROWS, "all of them");

uint32_t report_orders_rows(const struct orders *orders, struct report_orders_row ret_rows[REPORT_ORDERS_ROWS])
{
    session_rows(orders, ret_rows);
    if (!orders->tcp)
        return SESSION_ROWS;
    line_rows(&orders->tcp_line, ret_rows + SESSION_ROWS);
    return REPORT_ORDERS_ROWS;
}

static void text_rows(FILE *out, const char *title, const struct report_orders_row *rows, uint32_t count)
{
    const char *separator = "";

    fprintf(out, "  %s: ", title);
    for (uint32_t i = 0; i < count; i++) {
        if (rows[i].count == 0)
            continue;
        fprintf(out, "%s%s %" PRIu64, separator, rows[i].name, rows[i].count);
        separator = ", ";
    }
    fprintf(out, "%s\n", *separator ? "" : "nothing");
}

static void json_rows(struct json *json, const char *key, const struct report_orders_row *rows, uint32_t count)
{
    json_open(json, key, '{');
    for (uint32_t i = 0; i < count; i++)
        json_u64(json, rows[i].key, rows[i].count);
    json_close(json, '}');
}

/* Why the venue has rejected and cancelled, in its own words. */
static void text_reasons(FILE *out, const struct answer_counters *answers)
{
    for (uint32_t i = 0; i < OUCH_REJECT_REASONS; i++)
        if (answers->reject_reason[i] > 0)
            fprintf(out, "  rejected: %s (0x%04x) %" PRIu64 "\n", ouch_reject_reason_text((uint16_t)i), i,
                    answers->reject_reason[i]);
    for (uint32_t i = 0; i < OUCH_CANCEL_REASONS; i++)
        if (answers->cancel_reason[i] > 0)
            fprintf(out, "  cancelled: %s (%c) %" PRIu64 "\n", ouch_cancel_reason_text((uint8_t)i),
                    isalpha((int)i) ? (int)i : '?', answers->cancel_reason[i]);
}

static void json_reasons(struct json *json, const struct answer_counters *answers)
{
    char key[8];

    json_open(json, "rejected", '{');
    for (uint32_t i = 0; i < OUCH_REJECT_REASONS; i++) {
        snprintf(key, sizeof(key), "0x%04x", i);
        if (answers->reject_reason[i] > 0)
            json_u64(json, key, answers->reject_reason[i]);
    }
    json_close(json, '}');
    json_open(json, "cancelled", '{');
    for (uint32_t i = 0; i < OUCH_CANCEL_REASONS; i++) {
        snprintf(key, sizeof(key), isalpha((int)i) ? "%c" : "0x%02x", i);
        if (answers->cancel_reason[i] > 0)
            json_u64(json, key, answers->cancel_reason[i]);
    }
    json_close(json, '}');
}

void report_orders_text(const struct orders *orders, FILE *out)
{
    struct report_orders_row session[SESSION_ROWS], line[LINE_ROWS];
    struct market_carried carried;
    char name[SOUP_SESSION_LEN + 1] = {0}, symbol[9];

    for (uint32_t i = 0; i < SOUP_SESSION_LEN; i++)
        name[i] = orders->session.name[i];
    fprintf(out, "\norder session %s: %s, next sequence %" PRIu64 ", next UserRefNum %" PRIu32 ", %" PRIu32 " open\n",
            name, order_session_state_name((enum order_session_state)orders->session.state), orders->session.next_seq,
            orders->owner->open.next_ref, orders->book.inherited_count);
    session_rows(orders, session);
    text_rows(out, "session", session, SESSION_ROWS);
    for (uint32_t i = 1; i < ORDER_SESSION_LOSS_COUNT; i++)
        if (orders->session.loss_count[i] > 0)
            fprintf(out, "  lost: %s %" PRIu64 "\n", order_session_loss_text((enum order_session_loss)i),
                    orders->session.loss_count[i]);
    if (orders->tcp) {
        line_rows(&orders->tcp_line, line);
        text_rows(out, "connection", line, LINE_ROWS);
        fprintf(out, "  smoothed round trip %" PRIu64 " us\n", orders->tcp_line.srtt_ns / 1000);
    }
    fprintf(out, "  answers: %" PRIu64 " executions of %" PRIu64 " shares, %" PRIu64 " rejects\n",
            orders->answers.fill_count, orders->answers.fill_qty, orders->counters.reject_count);
    text_reasons(out, &orders->answers);
    for (uint32_t i = 0; orders_position(orders, i, &carried); i++) {
        md_symbol_text(carried.symbol, symbol);
        fprintf(out, "  position %-8s %" PRId64 "\n", symbol, carried.position);
    }
}

static void json_resends(struct json *json, const struct tcp_line *line)
{
    const uint64_t first = line->record_count > TCP_LINE_RECORDS ? line->record_count - TCP_LINE_RECORDS : 0;

    json_open(json, "resends", '[');
    for (uint64_t i = first; i < line->record_count; i++) {
        const struct tcp_line_record *record = &line->record[i % TCP_LINE_RECORDS];
        json_open(json, NULL, '{');
        json_u64(json, "ns", record->now_ns);
        json_u64(json, "seq", record->seq);
        json_u64(json, "len", record->len);
        json_text(json, "why", tcp_line_resend_name((enum tcp_line_resend)record->why));
        json_close(json, '}');
    }
    json_close(json, ']');
}

void report_orders_json(struct json *json, const struct orders *orders)
{
    struct report_orders_row session[SESSION_ROWS], line[LINE_ROWS];
    struct market_carried carried;
    char symbol[9];

    json_open(json, "session", '{');
    json_text(json, "state", order_session_state_name((enum order_session_state)orders->session.state));
    json_u64(json, "next_seq", orders->session.next_seq);
    json_u64(json, "next_user_ref", orders->owner->open.next_ref);
    json_u64(json, "open", orders->book.inherited_count);
    json_u64(json, "fills", orders->answers.fill_count);
    json_u64(json, "filled_shares", orders->answers.fill_qty);
    json_u64(json, "rejects", orders->counters.reject_count);
    json_reasons(json, &orders->answers);
    session_rows(orders, session);
    json_rows(json, "counters", session, SESSION_ROWS);
    json_open(json, "lost", '{');
    for (uint32_t i = 1; i < ORDER_SESSION_LOSS_COUNT; i++)
        if (orders->session.loss_count[i] > 0)
            json_u64(json, order_session_loss_text((enum order_session_loss)i), orders->session.loss_count[i]);
    json_close(json, '}');
    if (orders->tcp) {
        line_rows(&orders->tcp_line, line);
        json_rows(json, "connection", line, LINE_ROWS);
        json_u64(json, "srtt_ns", orders->tcp_line.srtt_ns);
        json_resends(json, &orders->tcp_line);
    }
    json_open(json, "positions", '{');
    for (uint32_t i = 0; orders_position(orders, i, &carried); i++) {
        md_symbol_text(carried.symbol, symbol);
        json_i64(json, symbol, carried.position);
    }
    json_close(json, '}');
    json_close(json, '}');
}

/* --- of a strategy lcore */

void report_orders_lcore_rows(const struct strategy_lcore *lcore,
                              struct report_orders_row ret_rows[REPORT_ORDERS_LCORE_ROWS])
{
    const struct answer_counters *answers = &lcore->answers;
    const struct report_orders_row rows[REPORT_ORDERS_LCORE_ROWS] = {
        {"answers applied", "applied", answers->verdict[ANSWER_APPLIED]},
        {"of earlier lives", "inherited", answers->verdict[ANSWER_INHERITED]},
        {"of unknown orders", "unknown_order", answers->verdict[ANSWER_UNKNOWN_ORDER]},
        {"of unknown trades", "unknown_trade", answers->verdict[ANSWER_UNKNOWN_TRADE]},
        {"of more than is open", "excess", answers->verdict[ANSWER_EXCESS]},
        {"impossible", "impossible", answers->verdict[ANSWER_IMPOSSIBLE]},
        {"without room", "full", answers->verdict[ANSWER_FULL]},
        {"executions", "fills", answers->fill_count},
        {"shares", "filled_shares", answers->fill_qty},
        {"rejects", "rejects", answers->reject_count},
        {"never received", "never_received", lcore->never_received_count},
        {"own cancels", "own_cancels", lcore->own_cancel_count},
        {"open", "open", lcore->open.count + lcore->open.inherited_count},
    };
    for (uint32_t i = 0; i < REPORT_ORDERS_LCORE_ROWS; i++)
        ret_rows[i] = rows[i];
}

uint64_t report_orders_lcore_fills(const struct strategy_lcore *lcore)
{
    return __atomic_load_n(&lcore->fill_count, __ATOMIC_RELAXED) +
           __atomic_load_n(&lcore->answers.fill_count, __ATOMIC_RELAXED);
}

typedef void position_take(void *arg, uint64_t symbol, int64_t position);

/* Each position that is not flat, by symbol. */
static void positions(const struct strategy_lcore *lcore, position_take *take, void *arg)
{
    const struct market *market = &lcore->market;

    for (uint32_t i = 0; i < market->channel_count; i++)
        for (uint32_t j = 0; j < market->channel[i].instrument_count; j++)
            if (market->channel[i].instruments[j].position != 0)
                take(arg, market->channel[i].instruments[j].symbol, market->channel[i].instruments[j].position);
    for (uint32_t i = 0; i < MARKET_CARRIED_MAX; i++)
        if (market->carried[i].symbol != 0 && market->carried[i].position != 0)
            take(arg, market->carried[i].symbol, market->carried[i].position);
}

static void take_text(void *out, uint64_t symbol, int64_t position)
{
    char text[9];

    md_symbol_text(symbol, text);
    fprintf(out, "  position %-8s %" PRId64 "\n", text, position);
}

static void take_json(void *json, uint64_t symbol, int64_t position)
{
    char text[9];

    md_symbol_text(symbol, text);
    json_i64(json, text, position);
}

/* Price units times shares; what 64 bits do not hold is shown as their end. */
struct money { const char *key; int64_t value; };
#define MONEY_ROWS 4u

static int64_t cut(__int128 money)
{
    return money > INT64_MAX ? INT64_MAX : money < INT64_MIN ? INT64_MIN : (int64_t)money;
}

static void account_rows(const struct account_total *total, struct money ret_rows[MONEY_ROWS])
{
    ret_rows[0] = (struct money){"cash", cut(total->cash)};
    ret_rows[1] = (struct money){"value", cut(total->value)};
    ret_rows[2] = (struct money){"realised", cut(total->realised)};
    ret_rows[3] = (struct money){"profit", cut(account_profit(total))};
}

void report_orders_lcore_text(const struct strategy_lcore *lcore, FILE *out)
{
    struct report_orders_row rows[REPORT_ORDERS_LCORE_ROWS];
    struct money money[MONEY_ROWS];

    if (!lcore->answered)
        return;
    report_orders_lcore_rows(lcore, rows);
    text_rows(out, "orders", rows, REPORT_ORDERS_LCORE_ROWS);
    if (lcore->sim) /* of a session the session says it */
        text_reasons(out, &lcore->answers);
    if (lcore->sim && sim_counters(lcore->sim)->overflow_cancel_count > 0)
        fprintf(out, "  venue: cancelled for want of room for answers %" PRIu64 "\n",
                sim_counters(lcore->sim)->overflow_cancel_count);
    account_rows(&lcore->market.account.lcore, money);
    for (uint32_t i = 0; i < MONEY_ROWS; i++)
        fprintf(out, "  %-10s %" PRId64 "\n", money[i].key, money[i].value);
    positions(lcore, take_text, out);
}

/* What the simulated venue knows of the account, by itself. */
static void json_sim(struct json *json, const struct strategy_lcore *lcore)
{
    const struct sim *sim = lcore->sim;
    const struct sim_counters *counters = sim_counters(sim);
    struct sim_account account;

    json_open(json, "venue", '{');
    json_reasons(json, &lcore->answers);
    json_u64(json, "fills", counters->fill_count);
    json_u64(json, "filled_shares", counters->fill_qty);
    json_u64(json, "open", sim_open_count(sim));
    json_u64(json, "overflow_cancels", counters->overflow_cancel_count);
    json_open(json, "positions", '{');
    for (uint32_t cursor = 0; sim_account_next(sim, &cursor, &account);)
        if (account.position != 0)
            take_json(json, account.symbol, account.position);
    json_close(json, '}');
    json_open(json, "cash", '{');
    for (uint32_t cursor = 0; sim_account_next(sim, &cursor, &account);)
        if (account.cash != 0)
            take_json(json, account.symbol, account.cash);
    json_close(json, '}');
    json_close(json, '}');
}

void report_orders_lcore_json(struct json *json, const struct strategy_lcore *lcore)
{
    struct report_orders_row rows[REPORT_ORDERS_LCORE_ROWS];
    struct money money[MONEY_ROWS];

    report_orders_lcore_rows(lcore, rows);
    json_rows(json, "answers", rows, REPORT_ORDERS_LCORE_ROWS);
    json_open(json, "positions", '{');
    positions(lcore, take_json, json);
    json_close(json, '}');
    account_rows(&lcore->market.account.lcore, money);
    json_open(json, "account", '{');
    for (uint32_t i = 0; i < MONEY_ROWS; i++)
        json_i64(json, money[i].key, money[i].value);
    json_close(json, '}');
    if (lcore->sim)
        json_sim(json, lcore);
}
