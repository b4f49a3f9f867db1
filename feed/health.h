/* Health of the lines of one channel: who wins and by how much, how far behind, how long silent. Beside the arbiter,
 * which knows sequences only; feed/channel tells both of each packet. Pure; owner the rx lcore, readers any thread
 * (counters and histograms: one writer, relaxed). */
#ifndef FEED_HEALTH_H
#define FEED_HEALTH_H

#include "feed/arb.h"
#include "ring/check.h"
#include "ring/hist.h"
#include "ring/prefetch.h"

#define HEALTH_SEEN_SLOTS 4096u /* newest sequences whose first arrival is remembered, a power of two */

/* Margins are signed: > 0 by how much this line was ahead of another one with the same message, < 0 by how much it was
 * behind the first. hist knows no signs, so there are two. */
struct health_line {
    /* hot: written for each packet */
    uint64_t last_ns;            /* its last packet, heartbeats too; 0 = none yet */
    uint64_t unheard_ns;         /* a time between two packets that is no longer than this tells nothing new */
    uint64_t first_count;        /* packets whose first message came on this line first */
    uint64_t duplicate_count;    /* packets whose first message another line had brought before */
    /* cold */
    uint64_t silence_count;      /* times that it was silent for silence_ns */
    uint64_t silence_max_ns;     /* longest time between two packets */
    struct hist ahead;           /* ns, recorded when another line brings what this one had first */
    struct hist behind;          /* ns, recorded when this line brings what another had first */
};

struct health_seen { uint64_t seq, now_ns; uint32_t line; };

struct health {
    uint64_t silence_ns;         /* 0 = no alarm */
    uint64_t first_ns;           /* first packet of any line; 0 = none yet */
    uint64_t last_ns;            /* last sign of life of the feed, as health_alive; at first first_ns */
    uint32_t line_count;
    struct health_line line[ARB_LINES_MAX];
    struct health_seen seen[HEALTH_SEEN_SLOTS]; /* by sequence modulo slots; seq 0 = empty */
};

struct health_margin { int64_t min_ns, p50_ns, max_ns; uint64_t count; };

void health_init(struct health *health, uint32_t line_count, uint64_t silence_ns);
/* A new session: sequences begin again. Counters go on. */
void health_restart(struct health *health);

/* health_packet, where there is more to do: the line was quiet for longer than ever, or for silence_ns, or speaks for
 * the first time ... */
void health_quiet(struct health *health, uint32_t line, uint64_t now_ns);
/* ... or brings what another one had first. */
void health_behind(struct health *health, uint32_t line, const struct health_seen *seen, uint64_t now_ns);

/* The packet of `seq` will come: where it will be remembered. Far apart for a cache where packets are long. */
static inline void health_expect(const struct health *health, uint64_t seq)
{
    prefetch_write(&health->seen[seq & (HEALTH_SEEN_SLOTS - 1)]);
}

/* A packet came on `line`: its first sequence (0 = unsequenced) and message count (0 = heartbeat or end). Hot path. A
 * message that the same line brings twice is no margin. */
static inline void health_packet(struct health *health, uint32_t line, uint64_t seq, uint32_t count, uint64_t now_ns)
{
    struct health_line *mine = &health->line[line];

    if (UNLIKELY(now_ns - mine->last_ns > mine->unheard_ns)) /* or time runs backwards */
        health_quiet(health, line, now_ns);
    __atomic_store_n(&mine->last_ns, now_ns, __ATOMIC_RELAXED);
    if (seq == 0 || count == 0)
        return;
    struct health_seen *seen = &health->seen[seq & (HEALTH_SEEN_SLOTS - 1)];
    if (seq > seen->seq) { /* below: older than what is remembered there */
        *seen = (struct health_seen){.seq = seq, .now_ns = now_ns, .line = line};
        __atomic_store_n(&mine->first_count, mine->first_count + 1, __ATOMIC_RELAXED);
    } else if (seq == seen->seq && line != seen->line)
        health_behind(health, line, seen, now_ns);
}

/* A packet said something new, or that there is nothing new. A line that only says again what is long known is not
 * silent, but a feed of such lines is: else one that delivers nothing would look healthy. */
static inline void health_alive(struct health *health, uint64_t now_ns)
{
    __atomic_store_n(&health->last_ns, now_ns, __ATOMIC_RELAXED);
}

/* Has any line spoken yet? Before that nobody is silent. Any thread. */
static inline bool health_heard(const struct health *health)
{
    return __atomic_load_n(&health->first_ns, __ATOMIC_RELAXED) != 0;
}

/* Is the line silent at `now_ns`? One that never spoke is silent when the first packet of another one is silence_ns
 * old. */
bool health_silent(const struct health *health, uint32_t line, uint64_t now_ns);
/* Has the feed given no sign of life for silence_ns? False before the first packet. */
bool health_all_silent(const struct health *health, uint64_t now_ns);
/* When that would be so if nothing came; UINT64_MAX without alarm or packet. */
static inline uint64_t health_deadline_ns(const struct health *health)
{
    return health->silence_ns == 0 || health->last_ns == 0 ? UINT64_MAX : health->last_ns + health->silence_ns;
}

/* Both histograms of a line as one distribution of signed margins; min and max are exact. count 0: all are 0. */
struct health_margin health_margin(const struct health *health, uint32_t line);

#endif
