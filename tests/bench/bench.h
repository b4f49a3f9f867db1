/* The frame of every benchmark: alternatives are run in turn, round after round, so that whatever the machine does
 * meanwhile hits all of them; what is printed is the median of the rounds with the best and the worst beside it.
 *
 *   bench_x [--json] [--short] [--rounds N] [--cpu N] [--peer-cpu N] [--itch FILE [--warm N]] [--write FILE] [--turns]
 *           [--probe]
 *
 * --short: as few rounds as say something, and less of everything that a benchmark can do less of.
 * --itch: messages of a Nasdaq BinaryFILE, as it is or gzipped, instead of generated ones, for the programs that take
 * messages in (tests/bench/workload.h); the first N of them only fill the books.
 * --write: those messages as a BinaryFILE, and no measurement: for other programs to be run on the same bytes.
 * --turns: rounds are made when tests/bench/peers.py asks for them, in turn with those of other programs.
 * --probe: no measurement, but how fast the host is at this moment, in ns.
 * A row is named after its figure, `decode_ns`, or `hop_ns, p50` where it has several; JSON has each round's value too,
 * and host_speed: the probe before each round, the one that warms up included, and after the last.
 * One thread per CPU, pinned, never more busy threads than CPUs. Times are TSC ticks, in ns by gateway/clock. */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#define BENCH_VALUES_MAX 9u
#define BENCH_ROUNDS_MIN 9u
#define BENCH_ROUNDS_MAX 1001u
#define BENCH_WARM_MAX 500000000u

struct bench_options {
    bool json;
    bool brief; /* --short */
    uint32_t rounds;
    int cpu;      /* this thread's */
    int peer_cpu; /* for a second thread, -1 = there is only one CPU */
    const char *itch_path; /* NULL = a generated day */
    uint32_t warm_count;   /* messages, with itch_path; 0 = as many as the program takes of a generated day */
    const char *write_path; /* NULL = measure */
    bool turns;             /* rounds when asked for */
    bool probe;             /* the host's speed instead of rounds */
};

/* One alternative. `run` makes one round and writes its values in ns; the ratio column is the median of the rounds'
 * ratios to the same value of case `base`. */
struct bench_case {
    const char *name;
    void (*run)(void *context, double *ret_ns);
    void *context;
    uint32_t value_count;                       /* 0 is read as 1 */
    const char *value_names[BENCH_VALUES_MAX];  /* "p50", "p99" ...; NULL = none */
    uint32_t base;
};

/* Parse, pin to options.cpu, calibrate. False: usage was printed. */
bool bench_open(int argc, char **argv, struct bench_options *ret_options);
/* One unmeasured round of each case, then the rounds, then the table. With options->turns instead: for each line of
 * stdin, the name of a case, one round of it, and its first value in ns on stdout, until stdin ends; at most one more
 * round of a case than options->rounds. Returns the exit code. */
int bench_run(const struct bench_options *options, const char *title, const struct bench_case *cases,
              uint32_t case_count);

void bench_pin(int cpu);
double bench_ns(uint64_t ticks);
/* Zeroed memory aligned to a cache line, on huge pages where the kernel gives them: the gateway has them too. */
void *bench_alloc(uint64_t bytes);

/* The compiler must assume that all of what is at `memory` is read and changed. */
static inline void bench_keep_all(void *memory)
{
    __asm__ volatile("" : : "r"(memory) : "memory");
}

/* The compiler must assume that `value` is used. */
static inline void bench_keep(uint64_t value)
{
    __asm__ volatile("" : : "r"(value) : "memory");
}

#endif
