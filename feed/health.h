/* Health of the lines of one channel: who wins and by how much, how far behind, how long silent. Beside the arbiter,
 * which knows sequences only; feed/channel tells both of each packet. Pure; owner the rx lcore, readers any thread
 * (counters and histograms: one writer, relaxed). */
#ifndef FEED_HEALTH_H
#define FEED_HEALTH_H

#include "feed/arb.h"
#include "ring/hist.h"

#define HEALTH_SEEN_SLOTS 4096u /* newest sequences whose first arrival is remembered, a power of two */

/* Margins are signed: > 0 by how much this line was ahead of another one with the same message, < 0 by how much it was
 * behind the first. hist knows no signs, so there are two. */
struct health_line {
    uint64_t first_count;        /* packets whose first message came on this line first */
    uint64_t duplicate_count;    /* packets whose first message another line had brought before */
    struct hist ahead;           /* ns, recorded when another line brings what this one had first */
    struct hist behind;          /* ns, recorded when this line brings what another had first */
    uint64_t silence_count;      /* times that it was silent for silence_ns */
    uint64_t silence_max_ns;     /* longest time between two packets */
    uint64_t last_ns;            /* its last packet, heartbeats too; 0 = none yet */
};

struct health_seen { uint64_t seq, now_ns; uint32_t line; };

struct health {
    uint64_t silence_ns;         /* 0 = no alarm */
    uint64_t first_ns;           /* first packet of any line; 0 = none yet */
    uint64_t last_ns;            /* last packet of any line */
    uint32_t line_count;
    struct health_line line[ARB_LINES_MAX];
    struct health_seen seen[HEALTH_SEEN_SLOTS]; /* by sequence modulo slots; seq 0 = empty */
};

struct health_margin { int64_t min_ns, p50_ns, max_ns; uint64_t count; };

void health_init(struct health *health, uint32_t line_count, uint64_t silence_ns);
/* A new session: sequences begin again. Counters go on. */
void health_restart(struct health *health);

/* A packet came on `line`: its first sequence (0 = unsequenced) and message count (0 = heartbeat or end), its verdict.
 * Hot path. A message that the same line brings twice is no margin. */
void health_packet(struct health *health, uint32_t line, uint64_t seq, uint32_t count, uint64_t now_ns);

/* Is the line silent at `now_ns`? One that never spoke is silent when the first packet of another one is silence_ns
 * old. */
bool health_silent(const struct health *health, uint32_t line, uint64_t now_ns);
/* Are all of them? False before the first packet. */
bool health_all_silent(const struct health *health, uint64_t now_ns);
/* When that would be so if nothing came: last packet + silence_ns; UINT64_MAX without alarm or packet. */
uint64_t health_deadline_ns(const struct health *health);
/* Both histograms of a line as one distribution of signed margins; min and max are exact. count 0: all are 0. */
struct health_margin health_margin(const struct health *health, uint32_t line);

#endif
