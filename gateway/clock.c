/* The cold half of clock.h: reading the system's clocks, following them, publishing. Control thread only; the pure part
 * is above the line "system" and takes its samples as arguments. */
#include "gateway/clock.h"

#include <cpuid.h>
#include <errno.h>
#include <math.h>
#include <string.h>
#include <time.h>

#define SAMPLE_TRIES 16u
#define LATE_TRIES 8u
#define PPB 1e9
#define REALTIME_GAIN 0.25         /* of a new measurement of the ratio: an update hears ~4 of its predecessors */
#define REALTIME_JITTER_NS 5000.0
#define RATE_TOLERANCE_RATIO 100e-6 /* ticks against raw time, one interval against all of them, beyond jitter */
#define RATE_JITTER_NS 40000.0
#define NS_PER_TICK_MAX 60.0  /* times 2^CLOCK_SHIFT below 2^62: room for slew */
#define NS_PER_TICK_MIN 0.01

static double clamp(double value, double limit)
{
    return fmin(fmax(value, -limit), limit);
}

static double elapsed(uint64_t from, uint64_t to)
{
    return (double)(int64_t)(to - from);
}

static uint64_t fixed_rate(double ns_per_tick)
{
    return (uint64_t)llround(ldexp(ns_per_tick, CLOCK_SHIFT));
}

/* Relaxed: a report may mix two updates, never halves of a word. */
static void export_u64(uint64_t *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
}

static void export_i64(int64_t *word, int64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
}

static void export_track(struct clock *clock)
{
    const struct clock_track *track = &clock->track;
    struct clock_report *report = &clock->report;
    const double hz = 1e9 / track->ns_per_tick;
    export_u64(&report->tsc_hz, (uint64_t)llround(hz));
    export_i64(&report->drift_ppb, llround((hz / (double)report->nominal_hz - 1) * PPB));
    export_i64(&report->realtime_drift_ppb, llround(track->realtime_ratio * PPB));
    export_i64(&report->slew_ppb, llround(track->correction_ratio * PPB));
    export_i64(&report->offset_ns, track->offset_ns);
    export_u64(&report->uncertainty_ns, (uint64_t)llround((double)track->last.bracket_tsc * track->ns_per_tick / 2));
    export_u64(&report->baseline_ns, track->last.raw_ns - track->anchor.raw_ns);
    CLOCK_STORE(&clock->rate, fixed_rate(track->ns_per_tick));
}

static enum clock_verdict count(struct clock *clock, enum clock_verdict verdict)
{
    uint64_t *word = &clock->report.verdict_count[verdict];
    export_u64(word, *word + 1);
    return verdict;
}

static double rate_between(const struct clock_sample *first, const struct clock_sample *second)
{
    return elapsed(first->raw_ns, second->raw_ns) / elapsed(first->tsc, second->tsc);
}

int clock_init(struct clock *clock, const struct clock_sample *first, const struct clock_sample *second,
               uint64_t nominal_hz)
{
    if ((int64_t)(second->tsc - first->tsc) <= 0 || (int64_t)(second->raw_ns - first->raw_ns) <= 0)
        return -EINVAL;
    const double ns_per_tick = rate_between(first, second);
    if (ns_per_tick >= NS_PER_TICK_MAX || ns_per_tick <= NS_PER_TICK_MIN)
        return -EINVAL;

    const double realtime_ratio = elapsed(first->realtime_ns, second->realtime_ns) /
                                      elapsed(first->raw_ns, second->raw_ns) - 1;
    memset(clock, 0, sizeof(*clock));
    clock->track = (struct clock_track){.anchor = *first, .last = *second, .ns_per_tick = ns_per_tick};
    if (fabs(realtime_ratio) <= CLOCK_REALTIME_MAX_PPB / PPB) /* else it was stepped just now: the updates will see */
        clock->track.realtime_ratio = realtime_ratio;
    clock->set[0].line = (struct clock_line){
        .tsc = second->tsc,
        .ns = second->realtime_ns,
        .before = fixed_rate(ns_per_tick * (1 + clock->track.realtime_ratio)),
        .after = fixed_rate(ns_per_tick * (1 + clock->track.realtime_ratio)),
    };
    clock->report.nominal_hz = nominal_hz != 0 ? nominal_hz : (uint64_t)llround(1e9 / ns_per_tick);
    clock->report.invariant = clock_tsc_invariant();
    export_track(clock);
    return 0;
}

/* The line that goes on from `old` without a break: the same up to `tsc`, another rate from there. Integers only, so
 * that both give the same ns for every stamp up to `tsc`. */
static struct clock_line line_bend(const struct clock_line *old, uint64_t tsc, double ns_per_tick)
{
    const __int128 product = (__int128)(int64_t)(tsc - old->tsc) * (int64_t)old->after + (__int128)old->fraction;
    return (struct clock_line){
        .tsc = tsc,
        .ns = old->ns + (uint64_t)(product >> CLOCK_SHIFT),
        .fraction = (uint64_t)product & (((uint64_t)1 << CLOCK_SHIFT) - 1),
        .before = old->after,
        .after = fixed_rate(ns_per_tick),
    };
}

/* What the sample teaches: the track after it. `ret_jump_ns`: how far CLOCK_REALTIME is from where it was expected. */
static enum clock_verdict track_next(const struct clock *clock, const struct clock_sample *sample,
                                     struct clock_track *ret_track, double *ret_jump_ns)
{
    const struct clock_track *now = &clock->track;
    enum clock_verdict verdict = CLOCK_APPLIED;
    *ret_jump_ns = 0;
    if ((int64_t)(sample->tsc - now->last.tsc) <= 0 || (int64_t)(sample->raw_ns - now->last.raw_ns) <= 0)
        return CLOCK_BACKWARDS;
    if ((double)sample->bracket_tsc * now->ns_per_tick > CLOCK_BRACKET_MAX_NS)
        return CLOCK_UNCERTAIN;

    struct clock_track next = *now;
    const double raw_ns = elapsed(now->last.raw_ns, sample->raw_ns);
    const double tick_ns = elapsed(now->last.tsc, sample->tsc) * now->ns_per_tick;
    const bool anchor_fresh = now->anchor.tsc == now->last.tsc; /* the rate just broke: nothing to compare with yet */
    if (!anchor_fresh && fabs(raw_ns - tick_ns) > RATE_TOLERANCE_RATIO * raw_ns + RATE_JITTER_NS) {
        verdict = CLOCK_RATE_BROKEN; /* somewhere in this interval, so it says nothing about the new rate */
        next.anchor = *sample;
    } else {
        const double ns_per_tick = rate_between(&next.anchor, sample);
        if (ns_per_tick < NS_PER_TICK_MAX && ns_per_tick > NS_PER_TICK_MIN)
            next.ns_per_tick = ns_per_tick;
    }

    const double realtime_ns = elapsed(now->last.realtime_ns, sample->realtime_ns);
    const double jump_ns = realtime_ns - raw_ns * (1 + now->realtime_ratio);
    const double measured_ratio = realtime_ns / raw_ns - 1;
    if (fabs(jump_ns) > CLOCK_STEP_NS + raw_ns * 2 * (CLOCK_REALTIME_MAX_PPB / PPB)) {
        *ret_jump_ns = jump_ns;
        verdict = verdict == CLOCK_APPLIED ? CLOCK_STEPPED : verdict;
    } else if (verdict == CLOCK_APPLIED &&
               fabs(measured_ratio) <= CLOCK_REALTIME_MAX_PPB / PPB + REALTIME_JITTER_NS / raw_ns) {
        /* Faster than that is a small step: learnt as a rate it would drive the clock away. */
        next.realtime_ratio += REALTIME_GAIN * (measured_ratio - next.realtime_ratio);
        next.realtime_ratio = clamp(next.realtime_ratio, CLOCK_REALTIME_MAX_PPB / PPB);
    }

    const struct clock_line *line = &clock->set[clock->generation & 1].line;
    next.offset_ns = (int64_t)(sample->realtime_ns - clock_line_ns(line, sample->tsc));
    const double horizon_ns = fmax(CLOCK_HORIZON_NS, raw_ns); /* a slower caller must not overshoot */
    next.correction_ratio = clamp((double)next.offset_ns / horizon_ns, CLOCK_SLEW_MAX_PPB / PPB);
    next.last = *sample;
    *ret_track = next;
    return verdict;
}

static enum clock_verdict apply(struct clock *clock, const struct clock_sample *sample, bool live)
{
    struct clock_track next;
    double jump_ns;
    const enum clock_verdict verdict = track_next(clock, sample, &next, &jump_ns);
    if (verdict == CLOCK_BACKWARDS || verdict == CLOCK_UNCERTAIN)
        return count(clock, verdict);

    const uint64_t generation = clock->generation + 1;
    const uint64_t lead_tsc = (uint64_t)(CLOCK_LEAD_NS / next.ns_per_tick);
    const struct clock_line *old = &clock->set[clock->generation & 1].line;
    /* The new set does not know the line before the old bend: no reader may still come with a stamp from there. */
    if ((int64_t)(sample->tsc - old->tsc - lead_tsc) < 0)
        return count(clock, CLOCK_EARLY);
    const uint64_t bend_tsc = sample->tsc + lead_tsc;
    const struct clock_line line =
        line_bend(old, bend_tsc, next.ns_per_tick * (1 + next.realtime_ratio + next.correction_ratio));

    struct clock_line *to = &clock->set[generation & 1].line;
    CLOCK_FENCE_STORE(); /* readers of this set, two generations old, see its name change before its words do */
    CLOCK_STORE(&to->tsc, line.tsc);
    CLOCK_STORE(&to->ns, line.ns);
    CLOCK_STORE(&to->fraction, line.fraction);
    CLOCK_STORE(&to->before, line.before);
    CLOCK_STORE(&to->after, line.after);
    CLOCK_FENCE_STORE(); /* a reader that sees the name sees the words */
    /* Old and new agree up to the bend. Whoever lost the CPU on the way here may find that readers are past it. */
    if (live && (int64_t)(clock_tsc() + lead_tsc / 2 - bend_tsc) > 0)
        return CLOCK_LATE;
    CLOCK_STORE(&clock->generation, generation);
    if (live && (int64_t)(clock_tsc_ordered() - bend_tsc) > 0)
        export_u64(&clock->report.late_publish_count, clock->report.late_publish_count + 1);

    clock->track = next;
    if (jump_ns != 0)
        export_i64(&clock->report.last_step_ns, llround(jump_ns));
    export_track(clock);
    return count(clock, verdict);
}

enum clock_verdict clock_apply(struct clock *clock, const struct clock_sample *sample)
{
    return apply(clock, sample, false);
}

enum clock_verdict clock_apply_live(struct clock *clock, const struct clock_sample *sample)
{
    const enum clock_verdict verdict = apply(clock, sample, true);
    return verdict == CLOCK_LATE ? count(clock, verdict) : verdict;
}

void clock_report_load(const struct clock *clock, struct clock_report *ret_report)
{
    const struct clock_report *from = &clock->report;
    *ret_report = (struct clock_report){
        .tsc_hz = __atomic_load_n(&from->tsc_hz, __ATOMIC_RELAXED),
        .nominal_hz = from->nominal_hz,
        .drift_ppb = __atomic_load_n(&from->drift_ppb, __ATOMIC_RELAXED),
        .realtime_drift_ppb = __atomic_load_n(&from->realtime_drift_ppb, __ATOMIC_RELAXED),
        .slew_ppb = __atomic_load_n(&from->slew_ppb, __ATOMIC_RELAXED),
        .offset_ns = __atomic_load_n(&from->offset_ns, __ATOMIC_RELAXED),
        .last_step_ns = __atomic_load_n(&from->last_step_ns, __ATOMIC_RELAXED),
        .uncertainty_ns = __atomic_load_n(&from->uncertainty_ns, __ATOMIC_RELAXED),
        .baseline_ns = __atomic_load_n(&from->baseline_ns, __ATOMIC_RELAXED),
        .late_publish_count = __atomic_load_n(&from->late_publish_count, __ATOMIC_RELAXED),
        .invariant = from->invariant,
    };
    for (unsigned i = 0; i < CLOCK_VERDICT_COUNT; i++)
        ret_report->verdict_count[i] = __atomic_load_n(&from->verdict_count[i], __ATOMIC_RELAXED);
}

const char *clock_verdict_name(enum clock_verdict verdict)
{
    static const char *const names[CLOCK_VERDICT_COUNT] = {
        [CLOCK_APPLIED] = "applied",     [CLOCK_STEPPED] = "stepped",         [CLOCK_BACKWARDS] = "backwards",
        [CLOCK_UNCERTAIN] = "uncertain", [CLOCK_RATE_BROKEN] = "rate_broken", [CLOCK_EARLY] = "early",
        [CLOCK_LATE] = "late",
    };
    return verdict < CLOCK_VERDICT_COUNT ? names[verdict] : "unknown";
}

/* ---- system ---- */

bool clock_tsc_invariant(void)
{
    unsigned eax, ebx, ecx, edx;
    return __get_cpuid(0x80000007, &eax, &ebx, &ecx, &edx) != 0 && (edx & 1u << 8) != 0;
}

static uint64_t timespec_ns(const struct timespec *time)
{
    return (uint64_t)time->tv_sec * 1000000000u + (uint64_t)time->tv_nsec;
}

int clock_sample_read(struct clock_sample *ret_sample)
{
    struct clock_sample best = {.bracket_tsc = UINT64_MAX};
    for (unsigned i = 0; i < SAMPLE_TRIES; i++) {
        struct timespec realtime, raw;
        const uint64_t begin_tsc = clock_tsc_ordered();
        if (clock_gettime(CLOCK_REALTIME, &realtime) != 0)
            return -errno;
        const uint64_t middle_tsc = clock_tsc_ordered();
        if (clock_gettime(CLOCK_MONOTONIC_RAW, &raw) != 0)
            return -errno;
        const uint64_t end_tsc = clock_tsc_ordered();
        if (end_tsc - begin_tsc < best.bracket_tsc)
            best = (struct clock_sample){
                .tsc = begin_tsc + (middle_tsc - begin_tsc) / 2,
                .realtime_ns = timespec_ns(&realtime),
                .raw_ns = timespec_ns(&raw), /* read a little later, always: only its differences are used */
                .bracket_tsc = end_tsc - begin_tsc,
            };
    }
    *ret_sample = best;
    return 0;
}

int clock_calibrate(struct clock *clock, uint64_t nominal_hz)
{
    struct clock_sample first, second;
    int error = clock_sample_read(&first);
    if (error != 0)
        return error;
    struct timespec left = {.tv_nsec = CLOCK_CALIBRATE_NS};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
    error = clock_sample_read(&second);
    if (error != 0)
        return error;
    return clock_init(clock, &first, &second, nominal_hz) == 0 ? 0 : -ENODATA;
}

enum clock_verdict clock_update(struct clock *clock)
{
    for (unsigned i = 0; i < LATE_TRIES; i++) {
        struct clock_sample sample;
        if (clock_sample_read(&sample) != 0)
            return count(clock, CLOCK_UNCERTAIN);
        const enum clock_verdict verdict = apply(clock, &sample, true);
        if (verdict != CLOCK_LATE)
            return verdict;
    }
    return count(clock, CLOCK_LATE);
}
