/* clock: fed with made-up samples of a simulated host, whose TSC, raw clock and CLOCK_REALTIME run as the test says.
 * One test reads the clocks of this machine; nothing is timed. */
#include "gateway/clock.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>
#include <time.h>

#define MS 1000000u
#define SECOND 1000000000u
#define EPOCH_NS 1700000000000000000u

/* A host: true TSC rate, how far CLOCK_REALTIME runs from the raw clock, where it stands, how noisy reading is. */
struct host {
    double hz;
    double realtime_ppb;
    double realtime_ns; /* beyond EPOCH_NS */
    double raw_ns;
    double tsc;
    double jitter_ns;
    uint64_t random;
};

static struct clock tested;

static void host_run(struct host *host, double ns)
{
    host->raw_ns += ns;
    host->realtime_ns += ns * (1 + host->realtime_ppb / 1e9);
    host->tsc += ns * host->hz / 1e9;
}

static double jitter(struct host *host)
{
    host->random = host->random * 6364136223846793005u + 1442695040888963407u;
    return ((double)(host->random >> 40) / (double)(1u << 24) - 0.5) * 2 * host->jitter_ns;
}

static struct clock_sample host_sample(struct host *host)
{
    return (struct clock_sample){
        .tsc = (uint64_t)host->tsc,
        .realtime_ns = EPOCH_NS + (uint64_t)(int64_t)(host->realtime_ns + jitter(host)),
        .raw_ns = (uint64_t)(host->raw_ns + jitter(host)),
        .bracket_tsc = 200,
    };
}

static struct host host_of(double hz, double realtime_ppb)
{
    return (struct host){.hz = hz, .realtime_ppb = realtime_ppb, .realtime_ns = 1e9, .raw_ns = 5e12, .tsc = 7e13,
                         .random = 1};
}

static void start(struct host *host, uint64_t nominal_hz)
{
    const struct clock_sample first = host_sample(host);
    host_run(host, 60.0 * MS);
    const struct clock_sample second = host_sample(host);
    cr_assert_eq(clock_init(&tested, &first, &second, nominal_hz), 0);
}

static enum clock_verdict update(struct host *host, double ns)
{
    host_run(host, ns);
    const struct clock_sample sample = host_sample(host);
    return clock_apply(&tested, &sample);
}

/* Clock minus CLOCK_REALTIME of the host, now. */
static double error_ns(const struct host *host)
{
    return (double)(int64_t)(clock_ns(&tested, (uint64_t)host->tsc) - EPOCH_NS) - host->realtime_ns;
}

static const double RATES_HZ[] = {24e6, 999999999, 2.1e9, 2596122035.0, 5.7e9};
#define RATE_COUNT (sizeof(RATES_HZ) / sizeof(RATES_HZ[0]))

Test(clock, starts_at_the_time_and_rate_of_its_samples)
{
    for (size_t i = 0; i < RATE_COUNT; i++) {
        struct host host = host_of(RATES_HZ[i], 0);
        start(&host, 0);
        cr_assert_lt(fabs(error_ns(&host)), 2 + 2e9 / RATES_HZ[i]);
        struct clock_report report;
        clock_report_load(&tested, &report);
        cr_assert_lt(fabs((double)report.tsc_hz / RATES_HZ[i] - 1), 1e-6);
        host_run(&host, 10.0 * MS);
        cr_assert_lt(fabs(error_ns(&host)), 30 + 2e9 / RATES_HZ[i]);
    }
}

Test(clock, init_refuses_samples_that_say_nothing)
{
    const struct clock_sample first = {.tsc = 1000, .realtime_ns = EPOCH_NS, .raw_ns = 1000};
    struct clock_sample second = {.tsc = 1000, .realtime_ns = EPOCH_NS, .raw_ns = 2000};
    cr_assert_lt(clock_init(&tested, &first, &second, 0), 0); /* TSC stands */
    second.tsc = 900;
    cr_assert_lt(clock_init(&tested, &first, &second, 0), 0); /* TSC runs backwards */
    second = (struct clock_sample){.tsc = 2000, .realtime_ns = EPOCH_NS, .raw_ns = 1000};
    cr_assert_lt(clock_init(&tested, &first, &second, 0), 0); /* raw clock stands */
    second = (struct clock_sample){.tsc = 1001, .realtime_ns = EPOCH_NS, .raw_ns = 1100};
    cr_assert_lt(clock_init(&tested, &first, &second, 0), 0); /* 10 MHz: too slow for the fixed point */
}

Test(clock, nominal_rate_that_was_rounded_shows_as_drift)
{
    struct host host = host_of(2596122035.0, 0);
    start(&host, 2600000000u);
    for (unsigned i = 0; i < 50; i++)
        cr_assert_eq(update(&host, 100.0 * MS), CLOCK_APPLIED);
    struct clock_report report;
    clock_report_load(&tested, &report);
    cr_assert_lt(fabs((double)report.drift_ppb + 1491525), 200, "%lld ppb", (long long)report.drift_ppb);
    cr_assert_lt(fabs(error_ns(&host)), 20);
}

Test(clock, rate_gets_better_with_the_length_of_its_baseline)
{
    struct host host = host_of(2596122035.0, 0);
    host.jitter_ns = 40;
    start(&host, 0);
    for (unsigned i = 0; i < 600; i++)
        cr_assert_eq(update(&host, 500.0 * MS), CLOCK_APPLIED);
    struct clock_report report;
    clock_report_load(&tested, &report);
    cr_assert_lt(fabs((double)report.tsc_hz - 2596122035.0), 2); /* 80 ns in 300 s are 0.3 ppb */
    cr_assert_lt(fabs((double)report.baseline_ns - 300.06e9), 1000);
}

Test(clock, follows_a_realtime_clock_that_is_being_disciplined)
{
    const double ppbs[] = {-500000, -20000, 0, 13, 20000, 500000};
    const double intervals_ns[] = {100.0 * MS, 333.0 * MS, 1000.0 * MS};
    for (size_t p = 0; p < sizeof(ppbs) / sizeof(ppbs[0]); p++) {
        for (size_t k = 0; k < sizeof(intervals_ns) / sizeof(intervals_ns[0]); k++) {
            struct host host = host_of(2.1e9, 0);
            host.jitter_ns = 30;
            start(&host, 0);
            host.realtime_ppb = ppbs[p]; /* it begins after the start-up */
            for (double ns = 0; ns < 40e9; ns += intervals_ns[k])
                cr_assert_eq(update(&host, intervals_ns[k]), CLOCK_APPLIED);
            double worst = 0;
            for (unsigned i = 0; i < 50; i++) {
                (void)update(&host, intervals_ns[k]);
                worst = fmax(worst, fabs(error_ns(&host)));
            }
            cr_assert_lt(worst, 300, "%.0f ns off at %.0f ppb, updates every %.0f ns", worst, ppbs[p], intervals_ns[k]);
            struct clock_report report;
            clock_report_load(&tested, &report);
            cr_assert_lt(fabs((double)report.realtime_drift_ppb - ppbs[p]), 700);
            cr_assert_eq(report.verdict_count[CLOCK_STEPPED], 0);
        }
    }
}

Test(clock, step_is_counted_reported_and_slewed_never_jumped)
{
    const double steps_ns[] = {-50e6, -5e6, 5e6, 50e6};
    for (size_t s = 0; s < sizeof(steps_ns) / sizeof(steps_ns[0]); s++) {
        struct host host = host_of(2.1e9, 0);
        start(&host, 0);
        for (unsigned i = 0; i < 10; i++)
            cr_assert_eq(update(&host, 100.0 * MS), CLOCK_APPLIED);
        host.realtime_ns += steps_ns[s];
        const double before = error_ns(&host);
        cr_assert_lt(fabs(before + steps_ns[s]), 1000);
        cr_assert_eq(update(&host, 100.0 * MS), CLOCK_STEPPED);
        struct clock_report report;
        clock_report_load(&tested, &report);
        cr_assert_eq(report.verdict_count[CLOCK_STEPPED], 1);
        cr_assert_lt(fabs((double)report.last_step_ns - steps_ns[s]), 1000);
        cr_assert_lt(fabs((double)report.offset_ns - steps_ns[s]), 1000);
        cr_assert_eq(llabs(report.slew_ppb), CLOCK_SLEW_MAX_PPB);

        for (unsigned i = 0; i < 10; i++) { /* one second on: at most the bound was corrected, and nearly that much */
            const double here = error_ns(&host);
            cr_assert_eq(update(&host, 100.0 * MS), CLOCK_APPLIED);
            cr_assert_lt(fabs(error_ns(&host) - here), 100e6 * CLOCK_SLEW_MAX_PPB / 1e9 + 200);
        }
        const double corrected = fabs(before) - fabs(error_ns(&host));
        cr_assert(corrected > 450e3 && corrected < 600e3, "%.0f ns in 1.1 s", corrected);
        for (unsigned i = 0; i < 1500; i++)
            cr_assert_eq(update(&host, 100.0 * MS), CLOCK_APPLIED);
        cr_assert_lt(fabs(error_ns(&host)), 100); /* in the end it is right again */
    }
}

Test(clock, small_jump_is_slewed_without_being_called_a_step)
{
    struct host host = host_of(2.1e9, 0);
    start(&host, 0);
    host.realtime_ns += 200e3;
    for (unsigned i = 0; i < 200; i++)
        cr_assert_eq(update(&host, 100.0 * MS), CLOCK_APPLIED);
    cr_assert_lt(fabs(error_ns(&host)), 100);
}

/* CLOCK_REALTIME that creeps one way and leaps back, over and over: no rate at all, only steps too small to be called
 * so. */
Test(clock, sawtooth_of_small_steps_does_not_drive_it_away)
{
    struct host host = host_of(2.1e9, 0);
    start(&host, 0);
    for (unsigned i = 0; i < 5000; i++) {
        host.realtime_ns += i % 12 == 11 ? 3564e3 : -324e3;
        (void)update(&host, 25.0 * MS);
        cr_assert_lt(fabs(error_ns(&host)), 8e6);
    }
}

/* Stamps close together all the way, converted with whatever set is valid then: the result never falls, and no two
 * stamps are further apart than the fastest slew allows. */
Test(clock, time_never_runs_backwards_whatever_realtime_does)
{
    for (size_t r = 0; r < RATE_COUNT; r++) {
        struct host host = host_of(RATES_HZ[r], 0);
        host.jitter_ns = 60;
        start(&host, 0);
        uint64_t last_ns = clock_ns(&tested, (uint64_t)host.tsc);
        uint64_t last_tsc = (uint64_t)host.tsc;
        for (unsigned i = 0; i < 2000; i++) {
            host.realtime_ns += jitter(&host) * (i % 7 == 0 ? 50000 : 100); /* up to 3 ms to and fro */
            host.realtime_ppb = jitter(&host) * 8000;
            double left_ns = 25.0 * MS + (double)(host.random >> 40);
            while (left_ns > 0) {
                const double run_ns = fmin(left_ns, 0.7 * MS);
                host_run(&host, run_ns);
                left_ns -= run_ns;
                const uint64_t tsc = (uint64_t)host.tsc;
                const uint64_t ns = clock_ns(&tested, tsc);
                cr_assert_geq(ns, last_ns);
                const double true_ns = (double)(tsc - last_tsc) * 1e9 / host.hz;
                cr_assert_leq(fabs((double)(ns - last_ns) - true_ns), 2 + true_ns * 1010e-6);
                last_ns = ns;
                last_tsc = tsc;
            }
            const uint64_t before_ns = clock_ns(&tested, (uint64_t)host.tsc);
            const uint64_t soon_ns = clock_ns(&tested, (uint64_t)host.tsc + (uint64_t)(host.hz * 0.0099));
            const uint64_t past_ns = clock_ns(&tested, (uint64_t)host.tsc - (uint64_t)(host.hz * 0.0099));
            const struct clock_sample sample = host_sample(&host);
            (void)clock_apply(&tested, &sample);
            /* The same stamp gives the same ns before and after the update: up to the lead on both sides. */
            cr_assert_eq(clock_ns(&tested, (uint64_t)host.tsc), before_ns);
            cr_assert_eq(clock_ns(&tested, (uint64_t)host.tsc + (uint64_t)(host.hz * 0.0099)), soon_ns);
            cr_assert_eq(clock_ns(&tested, (uint64_t)host.tsc - (uint64_t)(host.hz * 0.0099)), past_ns);
        }
    }
}

Test(clock, bend_is_where_the_lead_says_and_the_lines_meet_there)
{
    struct host host = host_of(1e9, 0); /* one tick = 1 ns */
    start(&host, 0);
    host.realtime_ns += 2e6;
    const uint64_t sample_tsc = (uint64_t)host.tsc + 100 * MS;
    (void)update(&host, 100.0 * MS);
    const uint64_t bend_ns = clock_ns(&tested, sample_tsc + CLOCK_LEAD_NS);
    cr_assert_eq(clock_ns(&tested, sample_tsc), bend_ns - CLOCK_LEAD_NS);
    /* 500 ppm from there */
    const uint64_t after_ns = clock_ns(&tested, sample_tsc + CLOCK_LEAD_NS + 10 * MS) - bend_ns;
    cr_assert(after_ns >= 10 * MS + 4999 && after_ns <= 10 * MS + 5001, "%llu", (unsigned long long)after_ns);
}

static void expect_unchanged(enum clock_verdict verdict, const struct clock_sample *sample)
{
    struct clock_report before, after;
    const uint64_t tsc = tested.track.last.tsc;
    clock_report_load(&tested, &before);
    const uint64_t soon_ns = clock_ns(&tested, tsc + SECOND);
    cr_assert_eq(clock_apply(&tested, sample), verdict, "not %s", clock_verdict_name(verdict));
    clock_report_load(&tested, &after);
    cr_assert_eq(after.verdict_count[verdict], before.verdict_count[verdict] + 1);
    cr_assert_eq(clock_ns(&tested, tsc + SECOND), soon_ns);
    cr_assert_eq(tested.track.last.tsc, tsc);
}

Test(clock, samples_that_cannot_be_used_change_nothing_and_are_counted)
{
    struct host host = host_of(2.1e9, 0);
    start(&host, 0);
    for (unsigned i = 0; i < 3; i++)
        (void)update(&host, 100.0 * MS);
    const struct clock_sample last = tested.track.last;
    struct clock_sample sample = last;
    expect_unchanged(CLOCK_BACKWARDS, &sample); /* the same again */
    sample.tsc = last.tsc - 5;
    sample.raw_ns = last.raw_ns + 100 * MS;
    expect_unchanged(CLOCK_BACKWARDS, &sample);
    sample.tsc = last.tsc + 210000000;
    sample.raw_ns = last.raw_ns - 1;
    expect_unchanged(CLOCK_BACKWARDS, &sample);
    sample.raw_ns = last.raw_ns + 100 * MS;
    sample.bracket_tsc = 42001; /* 20 us and a little */
    expect_unchanged(CLOCK_UNCERTAIN, &sample);
    sample = (struct clock_sample){.tsc = last.tsc + 2100 * 19999, .raw_ns = last.raw_ns + 19999000,
                                   .realtime_ns = last.realtime_ns + 19999000, .bracket_tsc = 200};
    expect_unchanged(CLOCK_EARLY, &sample);
    cr_assert_eq(update(&host, 100.0 * MS), CLOCK_APPLIED); /* and it goes on */
    cr_assert_lt(fabs(error_ns(&host)), 30);
}

Test(clock, changed_tsc_rate_is_noticed_and_measured_afresh)
{
    struct host host = host_of(2.1e9, 0);
    start(&host, 0);
    for (unsigned i = 0; i < 20; i++)
        (void)update(&host, 100.0 * MS);
    host.hz = 2.2e9; /* moved to another machine */
    cr_assert_eq(update(&host, 100.0 * MS), CLOCK_RATE_BROKEN);
    uint64_t last_ns = clock_ns(&tested, (uint64_t)host.tsc);
    unsigned broken_count = 1;
    for (unsigned i = 0; i < 600; i++) {
        broken_count += update(&host, 100.0 * MS) == CLOCK_RATE_BROKEN;
        const uint64_t ns = clock_ns(&tested, (uint64_t)host.tsc);
        cr_assert_geq(ns, last_ns);
        last_ns = ns;
    }
    cr_assert_eq(broken_count, 1);
    struct clock_report report;
    clock_report_load(&tested, &report);
    cr_assert_lt(fabs((double)report.tsc_hz - 2.2e9), 100);
    cr_assert_lt(fabs(error_ns(&host)), 200);
}

Test(clock, long_pause_between_updates_does_no_harm)
{
    struct host host = host_of(2.1e9, 20000);
    host.jitter_ns = 30;
    start(&host, 0);
    for (unsigned i = 0; i < 100; i++)
        (void)update(&host, 100.0 * MS);
    cr_assert_eq(update(&host, 3600e9), CLOCK_APPLIED);
    cr_assert_lt(fabs(error_ns(&host)), 3600e9 * 2e-6); /* what two ppm of noise make of an hour */
    for (unsigned i = 0; i < 1000; i++)
        (void)update(&host, 100.0 * MS);
    cr_assert_lt(fabs(error_ns(&host)), 3000);
}

Test(clock, tsc_that_wraps_does_not_matter)
{
    struct host host = host_of(1e9, 0);
    host.tsc = 0;
    start(&host, 0);
    const struct clock_sample first = {.tsc = UINT64_MAX - 30 * MS, .realtime_ns = EPOCH_NS, .raw_ns = SECOND};
    const struct clock_sample second = {.tsc = 30 * MS - 1, .realtime_ns = EPOCH_NS + 60 * MS,
                                        .raw_ns = SECOND + 60 * MS};
    cr_assert_eq(clock_init(&tested, &first, &second, 0), 0);
    cr_assert_eq(clock_ns(&tested, 30 * MS - 1), EPOCH_NS + 60 * MS);
    cr_assert_eq(clock_ns(&tested, UINT64_MAX), EPOCH_NS + 30 * MS);
}

Test(clock, spans_use_the_raw_rate_without_slew)
{
    struct host host = host_of(2e9, 400000);
    start(&host, 0);
    host.realtime_ns += 50e6;
    for (unsigned i = 0; i < 20; i++)
        (void)update(&host, 100.0 * MS);
    const uint64_t ns = clock_ticks_to_ns(&tested, 2000000000u);
    cr_assert(ns >= SECOND - 20 && ns <= SECOND + 20, "%llu", (unsigned long long)ns);
    cr_assert_eq(clock_ticks_to_ns(&tested, 0), 0);
    const uint64_t largest_ns = clock_ticks_to_ns(&tested, UINT64_MAX); /* 292 years: the product does not overflow */
    cr_assert_lt(fabs((double)largest_ns / 9.223372036854775e18 - 1), 1e-6);
}

Test(clock, every_verdict_has_a_name_of_its_own)
{
    for (unsigned i = 0; i < CLOCK_VERDICT_COUNT; i++) {
        const char *name = clock_verdict_name((enum clock_verdict)i);
        cr_assert_str_neq(name, "unknown");
        for (unsigned k = 0; k < i; k++)
            cr_assert_str_neq(name, clock_verdict_name((enum clock_verdict)k));
    }
    cr_assert_str_eq(clock_verdict_name(CLOCK_VERDICT_COUNT), "unknown");
}

/* The one test with real clocks: CLOCK_REALTIME read around a conversion must enclose it, to a generous millisecond. */
Test(clock, agrees_with_the_clocks_of_this_machine)
{
    struct timespec before, after;
    cr_assert_eq(clock_calibrate(&tested, 0), 0);
    cr_assert_eq(clock_gettime(CLOCK_REALTIME, &before), 0);
    const uint64_t ns = clock_ns(&tested, clock_tsc_ordered());
    cr_assert_eq(clock_gettime(CLOCK_REALTIME, &after), 0);
    cr_assert_geq(ns + MS, (uint64_t)before.tv_sec * SECOND + (uint64_t)before.tv_nsec);
    cr_assert_leq(ns, (uint64_t)after.tv_sec * SECOND + (uint64_t)after.tv_nsec + MS);
    struct clock_report report;
    clock_report_load(&tested, &report);
    cr_assert_gt(report.tsc_hz, 16000000u);
    cr_assert_geq(report.baseline_ns, 50 * MS);
    cr_assert_eq(report.invariant, clock_tsc_invariant());
}
