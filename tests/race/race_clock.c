/* clock between real threads. First with made-up time: updates follow each other as fast as they can be published, and
 * a reader that caught half of one would be off by years. Then with the real TSC: an updater that pulls CLOCK_REALTIME
 * to and fro, and readers whose time must never run backwards. Bounded by work; exit 0 or 1. */
#include "gateway/clock.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define READERS 2u
#define HANG_S 100u
#define MS 1000000u
#define EPOCH_NS 1700000000000000000u
#define UPDATE_NS (25u * MS)
#define TORN_NS 20000000 /* beyond what slew and the swing explain, below the 25 ms of a set mixed with its neighbour */
#define REAL_UPDATES 40u

#ifdef TICKGATE_TSAN
#define MADE_UP_UPDATES 100000u
#else
#define MADE_UP_UPDATES 2000000u
#endif

struct race_reader {
    pthread_t thread;
    uint64_t read_count;
    uint64_t bad_count;
    uint64_t worst_ns; /* largest step backwards, or distance from the truth */
};

static struct clock shared;
static struct race_reader readers[READERS];
static uint64_t made_up_tsc; /* of the newest update; writer: updater, readers: readers */
static uint32_t finished;
static uint32_t started_count;

static void bad(struct race_reader *self, uint64_t ns)
{
    self->bad_count++;
    self->worst_ns = ns > self->worst_ns ? ns : self->worst_ns;
}

/* Made-up host: one tick = 1 ns, and real time = TSC + EPOCH_NS with a swing of some ms. */
static void *read_made_up(void *arg)
{
    struct race_reader *self = arg;
    __atomic_fetch_add(&started_count, 1, __ATOMIC_RELEASE);
    while (__atomic_load_n(&finished, __ATOMIC_ACQUIRE) == 0) {
        const uint64_t tsc = __atomic_load_n(&made_up_tsc, __ATOMIC_ACQUIRE);
        const uint64_t ns = clock_ns(&shared, tsc);
        const uint64_t later_tsc = __atomic_load_n(&made_up_tsc, __ATOMIC_ACQUIRE);
        if (later_tsc - tsc > 40 * UPDATE_NS) /* this thread slept: its stamp is too old to be judged */
            continue;
        const int64_t off_ns = (int64_t)(ns - (EPOCH_NS + tsc));
        if (off_ns > TORN_NS || off_ns < -TORN_NS)
            bad(self, (uint64_t)(off_ns < 0 ? -off_ns : off_ns));
        self->read_count++;
        if (self->read_count % 1024 == 0)
            sched_yield(); /* more threads than cores */
    }
    return NULL;
}

static void *read_real(void *arg)
{
    struct race_reader *self = arg;
    uint64_t last_ns = 0;
    __atomic_fetch_add(&started_count, 1, __ATOMIC_RELEASE);
    while (__atomic_load_n(&finished, __ATOMIC_ACQUIRE) == 0) {
        for (unsigned i = 0; i < 256; i++) {
            const uint64_t ns = clock_ns(&shared, clock_tsc_ordered());
            if (ns < last_ns)
                bad(self, last_ns - ns);
            last_ns = ns;
        }
        self->read_count += 256;
        sched_yield();
    }
    return NULL;
}

static void begin(void *(*read)(void *))
{
    finished = 0;
    started_count = 0;
    for (unsigned i = 0; i < READERS; i++) {
        readers[i] = (struct race_reader){0};
        CHECK(pthread_create(&readers[i].thread, NULL, read, &readers[i]) == 0);
    }
    while (__atomic_load_n(&started_count, __ATOMIC_ACQUIRE) < READERS)
        sched_yield();
}

static bool end(const char *name, const char *fault)
{
    bool good = true;
    __atomic_store_n(&finished, 1, __ATOMIC_RELEASE);
    for (unsigned i = 0; i < READERS; i++) {
        CHECK(pthread_join(readers[i].thread, NULL) == 0);
        const bool here = readers[i].bad_count == 0 && readers[i].read_count > 0;
        printf("%s %-10s reader %u: %10llu reads", here ? "ok  " : "FAIL", name, i,
               (unsigned long long)readers[i].read_count);
        if (readers[i].bad_count > 0)
            printf(", %llu %s, worst by %llu ns", (unsigned long long)readers[i].bad_count, fault,
                   (unsigned long long)readers[i].worst_ns);
        printf("\n");
        good = good && here;
    }
    fflush(stdout);
    return good;
}

static bool race_made_up(void)
{
    struct clock_sample sample = {.tsc = 1000u * MS, .realtime_ns = EPOCH_NS + 1000u * MS, .raw_ns = 1000u * MS};
    const struct clock_sample first = sample;
    sample.tsc += 60u * MS;
    sample.realtime_ns += 60u * MS;
    sample.raw_ns += 60u * MS;
    CHECK(clock_init(&shared, &first, &sample, 0) == 0);
    __atomic_store_n(&made_up_tsc, sample.tsc, __ATOMIC_RELEASE);

    begin(read_made_up);
    bool good = true;
    for (uint64_t i = 0; i < MADE_UP_UPDATES; i++) {
        sample.tsc += UPDATE_NS;
        sample.raw_ns = sample.tsc;
        sample.realtime_ns = EPOCH_NS + sample.tsc + (i * 7919 % 1000) * 4000; /* 4 ms to and fro: full slew */
        const enum clock_verdict verdict = clock_apply(&shared, &sample);
        good = good && (verdict == CLOCK_APPLIED || verdict == CLOCK_STEPPED);
        __atomic_store_n(&made_up_tsc, sample.tsc, __ATOMIC_RELEASE);
    }
    if (!good)
        printf("FAIL made-up    an update was refused\n");
    return end("made-up", "values torn") && good;
}

/* `ret_late_count`: updates that lost the CPU between their last look at the TSC and the store that publishes: then,
 * and only then, a reader may see time step back. */
static bool race_real(uint64_t *ret_late_count)
{
    CHECK(clock_calibrate(&shared, 0) == 0);
    begin(read_real);
    uint64_t applied_count = 0;
    for (unsigned i = 0; i < REAL_UPDATES; i++) {
        const struct timespec pause = {.tv_nsec = UPDATE_NS}, dawdle = {.tv_nsec = MS};
        nanosleep(&pause, NULL);
        struct clock_sample sample;
        CHECK(clock_sample_read(&sample) == 0);
        nanosleep(&dawdle, NULL);                /* readers go on by the old parameters; still well within the lead */
        sample.realtime_ns += (i % 3) * 3u * MS; /* steps of 3 and 6 ms to and fro: full slew both ways */
        const enum clock_verdict verdict = clock_apply_live(&shared, &sample);
        applied_count += verdict == CLOCK_APPLIED || verdict == CLOCK_STEPPED;
    }
    struct clock_report report;
    clock_report_load(&shared, &report);
    *ret_late_count = report.late_publish_count;
    printf("     real       %llu of %u updates applied, %llu published late\n", (unsigned long long)applied_count,
           REAL_UPDATES, (unsigned long long)report.late_publish_count);
    return end("real", "times backwards");
}

static void on_alarm(int signal_number)
{
    (void)signal_number;
    static const char text[] = "FAIL race_clock: a thread hangs\n";
    (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
    _exit(1);
}

int main(void)
{
    signal(SIGALRM, on_alarm);
    alarm(HANG_S);
    bool good = race_made_up();
    uint64_t late_count = 1;
    bool real_good = false;
    for (unsigned attempt = 0; attempt < 3 && !real_good && late_count > 0; attempt++)
        real_good = race_real(&late_count);
    good = good && real_good;
    printf("%s\n", good ? "race_clock: all good" : "race_clock: FAILED");
    return good ? 0 : 1;
}
