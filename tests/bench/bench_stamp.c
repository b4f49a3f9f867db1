/* What measuring costs: reading the TSC, turning it into time, counting it in a histogram. One thread.
 *
 *   tsc_ns, tsc_ordered_ns, tscp_ns   rdtsc; lfence and rdtsc; rdtscp
 *   clock_stamp_ns, clock_now_ns      a stamp into time; read and into time
 *   clock_ticks_ns                    a difference into ns
 *   gettime_ns                        clock_gettime(CLOCK_REALTIME)
 *   hist_record_ns, hist_span_ns      a value into a histogram; two stamps and their difference into it
 *   clock_update_ns                   the control thread's calibration step */
#include "gateway/clock.h"
#include "ring/hist.h"
#include "tests/bench/bench.h"

#include <time.h>

#define OPS 200000u
#define VALUES 4096u

static struct clock measured;
static struct hist hist;
static uint64_t values[VALUES]; /* latencies of some hundred ticks with a tail, as hist meets them */

#define ROUND(name, statement)                                                                                         \
    static void name(void *unused, double *ret_ns)                                                                     \
    {                                                                                                                  \
        (void)unused;                                                                                                  \
        const uint64_t begin_tsc = clock_tsc_ordered();                                                                \
        for (uint32_t i = 0; i < OPS; i++) {                                                                           \
            statement;                                                                                                 \
        }                                                                                                              \
        *ret_ns = bench_ns(clock_tsc_ordered() - begin_tsc) / OPS;                                                     \
    }

ROUND(run_tsc, bench_keep(clock_tsc()))
ROUND(run_tsc_ordered, bench_keep(clock_tsc_ordered()))
ROUND(run_tscp, uint32_t aux; bench_keep(__builtin_ia32_rdtscp(&aux)))
ROUND(run_clock_ns, bench_keep(clock_ns(&measured, begin_tsc + i)))
ROUND(run_stamp_ns, bench_keep(clock_ns(&measured, clock_tsc())))
ROUND(run_ticks, bench_keep(clock_ticks_to_ns(&measured, i)))
ROUND(run_realtime, struct timespec time; clock_gettime(CLOCK_REALTIME, &time); bench_keep((uint64_t)time.tv_nsec))
ROUND(run_hist, hist_record(&hist, values[i % VALUES]))
ROUND(run_span, const uint64_t from = clock_tsc(); hist_record(&hist, clock_tsc() - from))

static void run_update(void *unused, double *ret_ns)
{
    (void)unused;
    const uint64_t begin_tsc = clock_tsc_ordered();
    (void)clock_update(&measured);
    *ret_ns = bench_ns(clock_tsc_ordered() - begin_tsc);
}

int main(int argc, char **argv)
{
    struct bench_options options;
    if (!bench_open(argc, argv, &options) || clock_calibrate(&measured, 0) != 0)
        return 2;
    hist_init(&hist);
    for (uint32_t i = 0; i < VALUES; i++)
        values[i] = 400 + i * 2654435761u % 256 + (i % 97 == 0 ? i * 31u : 0);
    const struct bench_case cases[] = {
        {.name = "tsc_ns", .run = run_tsc},
        {.name = "tsc_ordered_ns", .run = run_tsc_ordered},
        {.name = "tscp_ns", .run = run_tscp},
        {.name = "clock_stamp_ns", .run = run_clock_ns},
        {.name = "clock_now_ns", .run = run_stamp_ns},
        {.name = "gettime_ns", .run = run_realtime},
        {.name = "clock_ticks_ns", .run = run_ticks},
        {.name = "hist_record_ns", .run = run_hist},
        {.name = "hist_span_ns", .run = run_span},
        {.name = "clock_update_ns", .run = run_update},
    };
    return bench_run(&options, "stamp", cases, sizeof(cases) / sizeof(cases[0]));
}
