/* The report's part on a feed: messages, lines and their health, holes and what became of them, servers. */
#ifndef GATEWAY_REPORT_REPORT_FEED_H
#define GATEWAY_REPORT_REPORT_FEED_H

#include "gateway/json.h"
#include "gateway/report/report.h"

/* Counters of what happened to holes, in the order in which it happens. */
#define REPORT_FEED_ROWS 22u
struct report_feed_row { const char *name, *key; uint64_t count; };
/* Any thread; the channel may be at work. */
void report_feed_recovery(const struct channel *channel, struct report_feed_row ret_rows[REPORT_FEED_ROWS]);

/* Counters of what was refused or passed over, each worth a look when it is not 0. */
#define REPORT_FEED_NOTED_ROWS 23u
/* Any thread; the channel may be at work. */
void report_feed_noted(struct channel *channel, struct report_feed_row ret_rows[REPORT_FEED_NOTED_ROWS]);

void report_feed_text(const struct report *report, uint32_t feed_idx, FILE *out);
void report_feed_json(struct json *json, const struct report *report, uint32_t feed_idx);

#endif
