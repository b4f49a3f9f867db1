/* See report_kill.h. */
#include "gateway/report/report_kill.h"

#include <inttypes.h>

#define COUNTER_ROWS (REPORT_KILL_ROWS - (KILL_CAUSE_COUNT - 1u))

void report_kill_rows(const struct kill *kill, struct report_kill_row ret_rows[REPORT_KILL_ROWS])
{
    const struct kill_counters *counters = &kill->counters;
    const struct report_kill_row rows[COUNTER_ROWS] = {
        {"kills", "kills", counters->kill_count},
        {"armed again", "armed", counters->arm_count},
        {"arming refused", "arm_refused", counters->arm_refused_count},
        {"overdue", "overdue", counters->overdue_count},
        {"open after all", "reopened", counters->reopened_count},
    };

    for (uint32_t i = 0; i < COUNTER_ROWS; i++)
        ret_rows[i] = rows[i];
    for (uint32_t i = 1; i < KILL_CAUSE_COUNT; i++) {
        const char *name = kill_cause_name((enum kill_cause)i);
        ret_rows[COUNTER_ROWS + i - 1] = (struct report_kill_row){name, name, counters->cause[i]};
    }
}

void report_kill_text(const struct kill *kill, FILE *out)
{
    struct report_kill_row rows[REPORT_KILL_ROWS];
    char open[KILL_ERROR_MAX];

    if (kill->counters.kill_count == 0)
        return;
    fprintf(out, "\nkill: %s; by %s (%s)", kill_state_name((enum kill_state)kill->state),
            kill_cause_name((enum kill_cause)kill->cause), kill->who);
    if (kill->state == KILL_KILLING)
        fprintf(out, ", NOT CONFIRMED: %s\n", kill_open_text(kill, open));
    else
        fprintf(out, ", nothing was open %.3f ms later\n", (double)kill->confirmed_ns / 1e6);
    report_kill_rows(kill, rows);
    const char *separator = "  ";
    for (uint32_t i = 0; i < REPORT_KILL_ROWS; i++) {
        if (rows[i].count == 0)
            continue;
        fprintf(out, "%s%s %" PRIu64, separator, rows[i].name, rows[i].count);
        separator = ", ";
    }
    fputc('\n', out);
}

void report_kill_json(struct json *json, const struct kill *kill)
{
    struct report_kill_row rows[REPORT_KILL_ROWS];
    char open[KILL_ERROR_MAX];

    json_open(json, "kill", '{');
    json_text(json, "state", kill_state_name((enum kill_state)kill->state));
    json_text(json, "cause", kill_cause_name((enum kill_cause)kill->cause));
    json_text(json, "who", kill->who);
    json_text(json, "open", kill->state == KILL_KILLING ? kill_open_text(kill, open) : "");
    json_u64(json, "confirmed_ns", kill->confirmed_ns);
    json_open(json, "counters", '{');
    report_kill_rows(kill, rows);
    for (uint32_t i = 0; i < REPORT_KILL_ROWS; i++)
        json_u64(json, rows[i].key, rows[i].count);
    json_close(json, '}');
    json_close(json, '}');
}
