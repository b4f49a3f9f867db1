/* Counters and latencies on DPDK's telemetry socket: /tickgate/rx, ports, xdp, feeds, strategies, orders, kill and
 * latency, read by dpdk-telemetry.py. The telemetry thread reads words that hot lcores write; nothing is shared but
 * those. */
#ifndef GATEWAY_TELEMETRY_H
#define GATEWAY_TELEMETRY_H

#include "gateway/orders.h"
#include "gateway/topology.h"

/* Before armed; both must outlive the EAL. */
void telemetry_register(const struct topology *topology, const struct orders *orders, const struct kill *kill);

#endif
