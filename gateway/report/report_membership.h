/* The report's part on a port's neighbours: memberships, IGMP, ARP, pings. */
#ifndef GATEWAY_REPORT_REPORT_MEMBERSHIP_H
#define GATEWAY_REPORT_REPORT_MEMBERSHIP_H

#include "gateway/json.h"
#include "gateway/report/report.h"

struct report_membership_row { const char *name, *key; uint64_t count; };
#define REPORT_MEMBERSHIP_ROWS (13u + IGMP_VERDICT_COUNT)
/* How many; at most REPORT_MEMBERSHIP_ROWS. Any thread; the port may be at work. */
uint32_t report_membership_rows(const struct membership_port *port,
                                struct report_membership_row ret_rows[REPORT_MEMBERSHIP_ROWS]);

void report_membership_text(const struct membership *membership, FILE *out);
/* A list under the key "membership", one entry for each port that has one. */
void report_membership_json(struct json *json, const struct membership *membership);

#endif
