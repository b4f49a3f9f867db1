/* What a run did: pinning, counters, latency table, hashes; as text for people and as JSON for programs. Control
 * thread, after the hot threads have ended. */
#ifndef GATEWAY_REPORT_REPORT_H
#define GATEWAY_REPORT_REPORT_H

#include "gateway/control.h"
#include "gateway/topology.h"

#include <stdbool.h>
#include <stdio.h>

struct report {
    const struct topology *topology;
    const struct control *control;
    const struct loader *loader;  /* replay, or NULL */
    double elapsed_s;
    uint32_t damaged_count;       /* captures that ended damaged */
};

/* Why the run is not good: events or records lost, violations, captures damaged, not read to their end, or of other
 * lines. Writes one sentence each to `out`; returns how many. */
uint32_t report_failures(const struct report *report, FILE *out);
void report_text(const struct report *report, FILE *out);
void report_json(const struct report *report, FILE *out);

#endif
