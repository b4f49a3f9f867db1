/* The report's part on the order session: session, connection, answers, positions. */
#ifndef GATEWAY_REPORT_REPORT_ORDERS_H
#define GATEWAY_REPORT_REPORT_ORDERS_H

#include "gateway/json.h"
#include "gateway/orders.h"

/* Counters of session and connection, in one list. Any thread; the session may be at work. */
#define REPORT_ORDERS_ROWS 27u
struct report_orders_row { const char *name, *key; uint64_t count; };
uint32_t report_orders_rows(const struct orders *orders, struct report_orders_row ret_rows[REPORT_ORDERS_ROWS]);

void report_orders_text(const struct orders *orders, FILE *out);
void report_orders_json(struct json *json, const struct orders *orders);

/* What a strategy lcore made of the answers: counters, in one list, any thread; its positions and what it has open. */
#define REPORT_ORDERS_LCORE_ROWS 13u
void report_orders_lcore_rows(const struct strategy_lcore *lcore,
                              struct report_orders_row ret_rows[REPORT_ORDERS_LCORE_ROWS]);
/* Executions of its orders, whoever filled them: a venue, or `fills: immediate`. Any thread. */
uint64_t report_orders_lcore_fills(const struct strategy_lcore *lcore);
void report_orders_lcore_text(const struct strategy_lcore *lcore, FILE *out);
void report_orders_lcore_json(struct json *json, const struct strategy_lcore *lcore);

#endif
