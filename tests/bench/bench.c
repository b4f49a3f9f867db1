/* See bench.h. Set-up, rounds and the table; nothing in here runs inside a measured span. */
#include "tests/bench/bench.h"

#include "gateway/clock.h"
#include "gateway/disturb.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CASES_MAX 64u
#define HUGE_BYTES (2u << 20)
#define PROBE_STEPS 20000u
#define PROBE_TRIES 3u

static struct clock bench_clock;
static double samples[CASES_MAX][BENCH_VALUES_MAX][BENCH_ROUNDS_MAX];
static double host_speed[BENCH_ROUNDS_MAX + 2];

void bench_pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set) != 0)
        fprintf(stderr, "warning: cannot pin to CPU %d: %s\n", cpu, strerror(errno));
}

double bench_ns(uint64_t ticks)
{
    return (double)ticks * (1e9 / (double)bench_clock.report.tsc_hz);
}

void *bench_alloc(uint64_t bytes)
{
    void *memory = NULL;
    const uint64_t rounded = (bytes + HUGE_BYTES - 1) / HUGE_BYTES * HUGE_BYTES;
    if (posix_memalign(&memory, HUGE_BYTES, rounded) != 0) {
        fprintf(stderr, "no memory: %llu bytes\n", (unsigned long long)bytes);
        exit(2);
    }
    (void)madvise(memory, rounded, MADV_HUGEPAGE);
    memset(memory, 0, rounded);
    return memory;
}

#define PROBE_STEP(x) ((x) ^= (x) << 13, (x) ^= (x) >> 7)

/* How fast the host is now: ns of a step of four chains that do not wait for each other, the best of a few tries. They
 * fill the issue slots of a core and touch no memory, so that they become slower when a neighbour has a share of it;
 * one chain alone would not notice. */
static double probe(void)
{
    uint64_t best_ticks = UINT64_MAX, a = 1, b = 2, c = 3, d = 4;

    for (uint32_t try = 0; try < PROBE_TRIES; try++) {
        const uint64_t begin_tsc = clock_tsc_ordered();
        for (uint32_t i = 0; i < PROBE_STEPS; i++) {
            PROBE_STEP(a);
            PROBE_STEP(b);
            PROBE_STEP(c);
            PROBE_STEP(d);
            __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d));
        }
        const uint64_t ticks = clock_tsc_ordered() - begin_tsc;
        best_ticks = ticks < best_ticks ? ticks : best_ticks;
    }
    return bench_ns(best_ticks) / PROBE_STEPS;
}

static int usage(void)
{
    fprintf(stderr,
            "usage: [--json] [--short] [--rounds %u...%u] [--cpu N] [--peer-cpu N] [--itch FILE [--warm N]]\n"
            "       [--write FILE] [--turns] [--probe]\n",
            BENCH_ROUNDS_MIN, BENCH_ROUNDS_MAX);
    return 2;
}

bool bench_open(int argc, char **argv, struct bench_options *ret_options)
{
    struct bench_options options = {.rounds = 15, .cpu = -1, .peer_cpu = -1};
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    (void)sched_getaffinity(0, sizeof(allowed), &allowed);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            options.json = true;
            continue;
        }
        if (strcmp(argv[i], "--short") == 0) {
            options.brief = true;
            options.rounds = BENCH_ROUNDS_MIN;
            continue;
        }
        if (strcmp(argv[i], "--turns") == 0) {
            options.turns = true;
            continue;
        }
        if (strcmp(argv[i], "--probe") == 0) {
            options.probe = true;
            continue;
        }
        if (strcmp(argv[i], "--itch") == 0 && i + 1 < argc) {
            options.itch_path = argv[++i];
            continue;
        }
        if (strcmp(argv[i], "--write") == 0 && i + 1 < argc) {
            options.write_path = argv[++i];
            continue;
        }
        char *end = NULL;
        const long value = i + 1 < argc ? strtol(argv[i + 1], &end, 10) : -1;
        if (value < 0 || *end != '\0' || end == argv[i + 1])
            return usage(), false;
        if (strcmp(argv[i], "--rounds") == 0 && value >= (long)BENCH_ROUNDS_MIN && value <= (long)BENCH_ROUNDS_MAX)
            options.rounds = (uint32_t)value;
        else if (strcmp(argv[i], "--cpu") == 0 && value < CPU_SETSIZE)
            options.cpu = (int)value;
        else if (strcmp(argv[i], "--peer-cpu") == 0 && value < CPU_SETSIZE)
            options.peer_cpu = (int)value;
        else if (strcmp(argv[i], "--warm") == 0 && value > 0 && value <= (long)BENCH_WARM_MAX)
            options.warm_count = (uint32_t)value;
        else
            return usage(), false;
        i++;
    }
    for (int cpu = CPU_SETSIZE - 1; cpu >= 0; cpu--) { /* the two highest: interrupts and others prefer the first */
        if (!CPU_ISSET((size_t)cpu, &allowed))
            continue;
        if (options.cpu < 0 && cpu != options.peer_cpu)
            options.cpu = cpu;
        else if (options.peer_cpu < 0 && cpu != options.cpu)
            options.peer_cpu = cpu;
    }
    if (options.cpu < 0 || options.cpu == options.peer_cpu) {
        fprintf(stderr, "--cpu, --peer-cpu: two threads that poll need a CPU each; change one, or leave it out\n");
        return false;
    }
    if (!CPU_ISSET((size_t)options.cpu, &allowed) ||
        (options.peer_cpu >= 0 && !CPU_ISSET((size_t)options.peer_cpu, &allowed))) {
        fprintf(stderr, "--cpu, --peer-cpu: not among the CPUs that this process may use (taskset -p $$)\n");
        return false;
    }
    const int error = clock_calibrate(&bench_clock, 0);
    if (error != 0) {
        fprintf(stderr, "cannot calibrate the TSC: %s\n", strerror(-error));
        return false;
    }
    if (!bench_clock.report.invariant)
        fprintf(stderr, "warning: the TSC of this host is not invariant, times may be wrong\n");
    bench_pin(options.cpu);
    *ret_options = options;
    return true;
}

static int compare_double(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void print_model(bool json)
{
    char line[256], model[200] = "unknown";
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        if (sscanf(line, "model name : %199[^\n\"]", model) == 1)
            break;
    if (file != NULL)
        fclose(file);
    printf(json ? "\"cpu\": \"%s\", \"tsc_hz\": %llu" : "%s, TSC %llu Hz", model,
           (unsigned long long)bench_clock.report.tsc_hz);
}

static double median_of(const double values[], uint32_t rounds)
{
    static double sorted[BENCH_ROUNDS_MAX];

    memcpy(sorted, values, rounds * sizeof(sorted[0]));
    qsort(sorted, rounds, sizeof(sorted[0]), compare_double);
    return sorted[rounds / 2];
}

/* Of the rounds' own ratios: what the machine did meanwhile is in both parts of each. */
static double ratio_of(const double values[], const double base[], uint32_t rounds)
{
    static double ratios[BENCH_ROUNDS_MAX];

    for (uint32_t i = 0; i < rounds; i++)
        ratios[i] = base[i] > 0 ? values[i] / base[i] : 0.0;
    return median_of(ratios, rounds);
}

static void extremes_of(const double values[], uint32_t rounds, double *ret_min, double *ret_max)
{
    *ret_min = *ret_max = values[0];
    for (uint32_t i = 1; i < rounds; i++) {
        *ret_min = values[i] < *ret_min ? values[i] : *ret_min;
        *ret_max = values[i] > *ret_max ? values[i] : *ret_max;
    }
}

static void print_values(const char *name, const double values[], uint32_t count)
{
    printf(", \"%s\": [", name);
    for (uint32_t i = 0; i < count; i++)
        printf("%s%.3f", i == 0 ? "" : ", ", values[i]);
    printf("]");
}

/* What the kernel did to this thread between the first measured round and the last. */
static void print_disturbances(const struct disturb *disturb, bool json)
{
    struct json to;

    if (!json) {
        disturb_text(disturb, stdout);
        return;
    }
    printf(", \"watch\": ");
    json_init(&to, stdout);
    json_open(&to, NULL, '{');
    disturb_json(&to, disturb);
    json_close(&to, '}');
    printf("}\n");
}

static int run_turns(const struct bench_options *options, const struct bench_case *cases, uint32_t case_count)
{
    static uint32_t turn_counts[CASES_MAX];
    char name[128];

    while (fflush(stdout) == 0 && fgets(name, sizeof(name), stdin) != NULL) {
        double values[BENCH_VALUES_MAX] = {0};
        uint32_t c = 0;
        name[strcspn(name, "\n")] = '\0';
        while (c < case_count && strcmp(cases[c].name, name) != 0)
            c++;
        if (c == case_count || turn_counts[c]++ > options->rounds) {
            fprintf(stderr, c == case_count ? "--turns: no row is named '%s'\n" : "--turns: too many rounds of %s\n",
                    name);
            return 2;
        }
        cases[c].run(cases[c].context, values);
        printf("%.3f\n", values[0]);
    }
    return 0;
}

int bench_run(const struct bench_options *options, const char *title, const struct bench_case *cases,
              uint32_t case_count)
{
    static struct disturb disturb;

    CHECK(case_count <= CASES_MAX);
    if (options->probe)
        return printf("%.3f\n", probe()) > 0 && fflush(stdout) == 0 ? 0 : 1;
    if (options->turns)
        return run_turns(options, cases, case_count);
    if (disturb_open(&disturb, "") == 0)
        disturb_add(&disturb, title, (uint32_t)options->cpu, (uint32_t)gettid());
    for (uint32_t round = 0; round <= options->rounds; round++) { /* round 0 warms caches, pages and branches up */
        host_speed[round] = probe();
        for (uint32_t c = 0; c < case_count; c++) {
            double values[BENCH_VALUES_MAX] = {0};
            if (round == 1 && c == 0)
                disturb_begin(&disturb);
            cases[c].run(cases[c].context, values);
            for (uint32_t v = 0; v < BENCH_VALUES_MAX && round > 0; v++)
                samples[c][v][round - 1] = values[v];
        }
    }
    disturb_end(&disturb);
    host_speed[options->rounds + 1] = probe();
    if (options->json)
        printf("{\"benchmark\": \"%s\", \"rounds\": %u, ", title, options->rounds);
    else
        printf("%s: %u rounds, CPU %d", title, options->rounds, options->cpu);
    printf(options->json ? "" : " of ");
    print_model(options->json);
    printf(options->json ? ", \"rows\": [" : "\n%-52s %10s %10s %10s %7s %11s\n", "name", "median ns", "min", "max",
           "ratio", "a second");
    for (uint32_t c = 0; c < case_count; c++) {
        const uint32_t value_count = cases[c].value_count == 0 ? 1 : cases[c].value_count;
        for (uint32_t v = 0; v < value_count; v++) {
            char name[128];
            const double median = median_of(samples[c][v], options->rounds);
            const double ratio = ratio_of(samples[c][v], samples[cases[c].base][v], options->rounds);
            const bool named = cases[c].value_names[v] != NULL;
            double min, max;
            extremes_of(samples[c][v], options->rounds, &min, &max);
            const double per_s = median > 0 ? 1e9 / median : 0.0;
            snprintf(name, sizeof(name), "%s%s%s", cases[c].name, named ? ", " : "",
                     named ? cases[c].value_names[v] : "");
            printf(options->json ? "%s{\"name\": \"%s\", \"median_ns\": %.3f, \"min_ns\": %.3f, \"max_ns\": %.3f, "
                                   "\"ratio\": %.3f, \"per_s\": %.0f"
                                 : "%s%-52s %10.2f %10.2f %10.2f %7.2f %11.0f\n",
                   options->json && (c > 0 || v > 0) ? ", " : "", name, median, min, max, ratio, per_s);
            if (options->json) {
                print_values("rounds_ns", samples[c][v], options->rounds);
                printf("}");
            }
        }
    }
    if (options->json) {
        printf("]");
        print_values("host_speed", host_speed, options->rounds + 2);
    }
    print_disturbances(&disturb, options->json);
    disturb_close(&disturb);
    return fflush(stdout) == 0 ? 0 : 1;
}
