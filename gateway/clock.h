/* The TSC as a clock: ticks to nanoseconds since the UTC epoch.
 *
 * Rate from CLOCK_MONOTONIC_RAW (the TSC hertz that DPDK reports is rounded to 10 MHz: 1.5 ms of error a second on one
 * of our hosts), offset from CLOCK_REALTIME. The control thread calls clock_update every 100 ms ... 1 s; hot lcores
 * call clock_ns, which costs one multiplication and waits for nobody. Needs no DPDK. It never steps: what a reader sees
 * never runs backwards, an error is slewed away at CLOCK_SLEW_MAX_PPB at most, and until then it stands in the report.
 *
 * Two parameter sets, the low bit of `generation` names the one that is valid, the other is filled before it is named:
 * a sequence lock that a reader never finds locked, even if the control thread is preempted in the middle of an update
 * (ck_sequence would make the hot lcores wait for it). */
#ifndef GATEWAY_CLOCK_H
#define GATEWAY_CLOCK_H

#include "ring/check.h"

#include <ck_pr.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <x86intrin.h>

#define CLOCK_RATE_SOURCE "CLOCK_MONOTONIC_RAW"
#define CLOCK_OFFSET_SOURCE "CLOCK_REALTIME"
#define CLOCK_CALIBRATE_NS 60000000u     /* length of the calibration at start-up */
#define CLOCK_SHIFT 56u                  /* rates are ns per tick times 2^56: TSC of 16 MHz and more */
#define CLOCK_SLEW_MAX_PPB 500000        /* correction of the offset, on top of the rate of CLOCK_REALTIME */
#define CLOCK_REALTIME_MAX_PPB 500000    /* rate of CLOCK_REALTIME that is believed: what the kernel allows NTP; not
                                          * above the slew, which must be able to outdo a wrong belief */
#define CLOCK_STEP_NS 1000000            /* CLOCK_REALTIME further away than any rate explains: a step, counted */
#define CLOCK_HORIZON_NS 1000000000      /* time in which an offset is corrected, unless the bound is in the way */
#define CLOCK_LEAD_NS 10000000u          /* new parameters differ from the old ones from so long after their sample */
#define CLOCK_BRACKET_MAX_NS 20000u      /* a sample that took longer was interrupted: not used */

/* The same instant on three clocks. */
struct clock_sample {
    uint64_t tsc;
    uint64_t realtime_ns; /* CLOCK_REALTIME, ns since the UTC epoch */
    uint64_t raw_ns;      /* CLOCK_MONOTONIC_RAW */
    uint64_t bracket_tsc; /* ticks that the reading took: the three agree to half of it */
};

/* Two straight lines that meet at `tsc`: the old rate before it, the new one after it. */
struct clock_line {
    uint64_t tsc;
    uint64_t ns;       /* since the UTC epoch, at tsc ... */
    uint64_t fraction; /* ... and the rest, in 2^-CLOCK_SHIFT ns: the next set lies on this line to the last bit */
    uint64_t before;   /* ns per tick, times 2^CLOCK_SHIFT */
    uint64_t after;
};

enum clock_verdict {
    CLOCK_APPLIED = 0,
    CLOCK_STEPPED,     /* applied, but CLOCK_REALTIME had jumped: counted, it is slewed after */
    CLOCK_BACKWARDS,   /* TSC or raw clock did not advance: sample not used */
    CLOCK_UNCERTAIN,   /* the reading took too long: sample not used */
    CLOCK_RATE_BROKEN, /* ticks and raw clock do not fit any more (live migration): rate measured afresh from here */
    CLOCK_EARLY,       /* less than twice CLOCK_LEAD_NS after the last one: sample not used */
    CLOCK_LATE,        /* the thread lost the CPU on the way: nothing published, the next update does it */
    CLOCK_VERDICT_COUNT
};

/* What the control thread remembers; nobody else touches it, except that reports read single words. */
struct clock_track {
    struct clock_sample anchor; /* the rate is measured from here */
    struct clock_sample last;
    double ns_per_tick;         /* raw clock, over the whole time since the anchor */
    double realtime_ratio;      /* how much faster CLOCK_REALTIME runs than the raw clock, smoothed */
    double correction_ratio;    /* slew now applied to the offset */
    int64_t offset_ns;          /* CLOCK_REALTIME - this clock, at the last sample */
};

struct clock_report {
    uint64_t tsc_hz;             /* measured against CLOCK_RATE_SOURCE */
    uint64_t nominal_hz;         /* what clock_init was given, or measured at start-up */
    int64_t drift_ppb;           /* tsc_hz against nominal_hz */
    int64_t realtime_drift_ppb;  /* CLOCK_OFFSET_SOURCE against CLOCK_RATE_SOURCE: what NTP or PTP applies */
    int64_t slew_ppb;            /* correction now applied on top of it */
    int64_t offset_ns;           /* CLOCK_OFFSET_SOURCE - this clock, at the last update */
    int64_t last_step_ns;        /* size of the last step of CLOCK_OFFSET_SOURCE */
    uint64_t uncertainty_ns;     /* half the bracket of the last sample */
    uint64_t baseline_ns;        /* the rate was measured over so long a time */
    uint64_t late_publish_count; /* updates that took effect after readers may have passed them: should be 0 */
    uint64_t verdict_count[CLOCK_VERDICT_COUNT]; /* updates by verdict; [CLOCK_STEPPED] = steps */
    bool invariant;              /* CPUID says that the TSC runs at one rate in all power states */
};

struct clock {
    alignas(CACHE_LINE_BYTES) uint64_t generation; /* writer: control thread; readers: hot lcores. Paired: store fences
                                                    * in clock.c with load fences in clock_ns */
    uint64_t rate;                                 /* raw ns per tick times 2^CLOCK_SHIFT; writer: control thread */
    struct {
        alignas(CACHE_LINE_BYTES) struct clock_line line;
    } set[2];
    alignas(CACHE_LINE_BYTES) struct clock_track track; /* control thread's own */
    struct clock_report report;                         /* writer: control thread; readers: any, word by word */
};

/* As in md_ring.h: ThreadSanitizer does not see Concurrency Kit's inline assembly, and GCC refuses fences under it. */
#ifdef TICKGATE_TSAN
#define CLOCK_LOAD(word) __atomic_load_n((word), __ATOMIC_ACQUIRE)
#define CLOCK_STORE(word, value) __atomic_store_n((word), (value), __ATOMIC_RELEASE)
#define CLOCK_FENCE_LOAD() ((void)0)
#define CLOCK_FENCE_STORE() ((void)0)
#else
#define CLOCK_LOAD(word) ck_pr_load_64(word)
#define CLOCK_STORE(word, value) ck_pr_store_64((word), (value))
#define CLOCK_FENCE_LOAD() ck_pr_fence_load()
#define CLOCK_FENCE_STORE() ck_pr_fence_store()
#endif

/* For waiting and deadlines off the hot path: nobody sets it. Of the vDSO, so no system call; also in signal handlers.
 * Any thread. */
static inline uint64_t clock_monotonic_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Plain rdtsc: the cheapest; neighbouring instructions may move across it, some ten ns of fuzz. For stamping. */
static inline uint64_t clock_tsc(void)
{
    return __rdtsc();
}

/* lfence; rdtsc: every earlier instruction has completed and every earlier load has its value. For the end of a span
 * that is being measured. (rdtscp promises no more and costs the same.) Earlier stores may still be in the store
 * buffer. */
static inline uint64_t clock_tsc_ordered(void)
{
    _mm_lfence();
    return __rdtsc();
}

/* Point on a line; ticks before line->tsc are legal. */
static inline uint64_t clock_line_ns(const struct clock_line *line, uint64_t tsc)
{
    const int64_t ticks = (int64_t)(tsc - line->tsc);
    const uint64_t rate = ticks < 0 ? line->before : line->after;
    const __int128 product = (__int128)ticks * (int64_t)rate + (__int128)line->fraction;
    return line->ns + (uint64_t)(product >> CLOCK_SHIFT);
}

/* ns since the UTC epoch at `tsc`. Any thread; repeats only when an update is published while it reads, never waits for
 * one. For one reader with stamps that do not go backwards the result does not either, across updates too, as long as a
 * stamp is not older than CLOCK_LEAD_NS when it is converted. */
static inline uint64_t clock_ns(const struct clock *clock, uint64_t tsc)
{
    for (;;) {
        const uint64_t generation = CLOCK_LOAD(&clock->generation);
        const struct clock_line *from = &clock->set[generation & 1].line;
        CLOCK_FENCE_LOAD(); /* the set is read after its name ... */
        const struct clock_line line = {
            .tsc = CLOCK_LOAD(&from->tsc),
            .ns = CLOCK_LOAD(&from->ns),
            .fraction = CLOCK_LOAD(&from->fraction),
            .before = CLOCK_LOAD(&from->before),
            .after = CLOCK_LOAD(&from->after),
        };
        CLOCK_FENCE_LOAD(); /* ... and before the name is looked at again */
        if (LIKELY(CLOCK_LOAD(&clock->generation) == generation))
            return clock_line_ns(&line, tsc);
    }
}

/* A span of ticks in ns by the raw rate, without slew: for latencies. Any thread. */
static inline uint64_t clock_ticks_to_ns(const struct clock *clock, uint64_t ticks)
{
    return (uint64_t)(((unsigned __int128)ticks * CLOCK_LOAD(&clock->rate)) >> CLOCK_SHIFT);
}

/* Does CPUID promise a TSC of constant rate (leaf 0x80000007, EDX bit 8)? Without it this clock cannot be trusted. */
bool clock_tsc_invariant(void);

/* Read the three clocks at one instant: the best of some tries. -errno if the system has no such clock. */
int clock_sample_read(struct clock_sample *ret_sample);

/* Start-up, before any reader: samples, sleeps for CLOCK_CALIBRATE_NS, samples again. `nominal_hz`: what drift is to be
 * reported against (rte_get_tsc_hz), 0 = the rate found here. 0, or -errno: -ENODATA when the clocks made no sense. */
int clock_calibrate(struct clock *clock, uint64_t nominal_hz);

/* Control thread, every 100 ms ... 1 s: read the clocks and follow them. */
enum clock_verdict clock_update(struct clock *clock);

/* The two above without the reading: pure functions of their samples, which tests make up. clock_init: 0, or -EINVAL
 * unless TSC and raw clock advanced between the samples, at a rate that CLOCK_SHIFT can hold. */
int clock_init(struct clock *clock, const struct clock_sample *first, const struct clock_sample *second,
               uint64_t nominal_hz);
enum clock_verdict clock_apply(struct clock *clock, const struct clock_sample *sample);
/* The same for a sample of just now: CLOCK_LATE instead of parameters that a reader may already have passed. */
enum clock_verdict clock_apply_live(struct clock *clock, const struct clock_sample *sample);

/* How good the clock is. Any thread; words may come from neighbouring updates. */
void clock_report_load(const struct clock *clock, struct clock_report *ret_report);

const char *clock_verdict_name(enum clock_verdict verdict);

#endif
