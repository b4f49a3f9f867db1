/* Counters and latencies on DPDK's telemetry socket: /tickgate/rx, ports, xdp, feeds, membership, strategies, answers,
 * orders, journal, kill and latency, read by dpdk-telemetry.py. The telemetry thread reads words that hot lcores write;
 * nothing is shared but those. */
#ifndef GATEWAY_REPORT_TELEMETRY_H
#define GATEWAY_REPORT_TELEMETRY_H

#include "gateway/control.h"

/* Before armed; it must outlive the EAL. */
void telemetry_register(const struct control *control);

#endif
