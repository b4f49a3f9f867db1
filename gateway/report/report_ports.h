/* The report's part on ports: reception, link, frames and losses at the device, and the guards of AF_XDP interfaces. */
#ifndef GATEWAY_REPORT_REPORT_PORTS_H
#define GATEWAY_REPORT_REPORT_PORTS_H

#include "gateway/json.h"
#include "gateway/topology.h"

/* For the status line: what has been lost before tickgate had it. Nothing, where nothing was. */
void report_ports_status(const struct topology *topology, FILE *out);
void report_ports_text(const struct topology *topology, FILE *out);
void report_ports_json(struct json *json, const struct topology *topology);

#endif
