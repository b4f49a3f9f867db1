/* The kill in reports and telemetry. Control thread. */
#ifndef GATEWAY_REPORT_REPORT_KILL_H
#define GATEWAY_REPORT_REPORT_KILL_H

#include "gateway/json.h"
#include "gateway/kill.h"

#include <stdio.h>

#define REPORT_KILL_ROWS (5u + KILL_CAUSE_COUNT - 1u)
struct report_kill_row { const char *name, *key; uint64_t count; };

/* Counters: kills, rounds and so on, then requests by cause. */
void report_kill_rows(const struct kill *kill, struct report_kill_row ret_rows[REPORT_KILL_ROWS]);

/* Text: nothing where nobody has ever killed. */
void report_kill_text(const struct kill *kill, FILE *out);
void report_kill_json(struct json *json, const struct kill *kill);

#endif
