/* The report's part on a feed: messages, lines and their health, holes and what became of them, servers. */
#ifndef GATEWAY_REPORT_FEED_H
#define GATEWAY_REPORT_FEED_H

#include "gateway/json.h"
#include "gateway/report.h"

void report_feed_text(const struct report *report, uint32_t feed_idx, FILE *out);
void report_feed_json(struct json *json, const struct report *report, uint32_t feed_idx);

#endif
