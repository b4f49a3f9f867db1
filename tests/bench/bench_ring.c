/* One hop between two pinned cores. Latency by ping-pong (half a round trip), beside what the cache itself takes: one
 * line that both write, and one line each way. Then what an event costs when many are on their way. Two busy threads,
 * no more. */
#include "gateway/clock.h"
#include "ring/hist.h"
#include "ring/md_ring.h"
#include "tests/bench/bench.h"

#include <pthread.h>
#include <stdio.h>

#define SLOTS 1024u
#define ROUND_TRIPS 20000u
#define THROUGHPUT_EVENTS 400000u

struct shared_line {
    alignas(2 * CACHE_LINE_BYTES) uint64_t word; /* two lines: the prefetcher of pairs must not couple them */
};

static int peer_cpu;
static struct shared_line there, back, ready;
static struct md_ring ring_there, ring_back;
static struct md_slot slots_there[SLOTS], slots_back[SLOTS];
static struct md_ring_reader reader_there, reader_back;
static struct hist hist;

static struct md_event event_of(uint64_t value)
{
    return (struct md_event){.type = MD_ADD, .side = 'B', .price = 1000000, .qty = 100, .ref = value,
                             .exchange_ns = value, .bid_price = 999900, .bid_qty = 5,
                             .ask_price = 1000100, .ask_qty = 7};
}

static pthread_t peer_start(void *(*body)(void *), void *context)
{
    pthread_t thread;
    ck_pr_store_64(&ready.word, 0);
    CHECK(pthread_create(&thread, NULL, body, context) == 0);
    while (ck_pr_load_64(&ready.word) == 0)
        ck_pr_stall();
    return thread;
}

static void peer_ready(void)
{
    bench_pin(peer_cpu);
    ck_pr_store_64(&ready.word, 1);
}

static void report_hop(double *ret_ns)
{
    ret_ns[0] = bench_ns(hist_quantile(&hist, 0.5)) / 2;
    ret_ns[1] = bench_ns(hist_quantile(&hist, 0.99)) / 2;
}

/* Number n is called over `there`, the same number comes back over `back`; both may be the same line, then the answer
 * is n + 1 on it. */
static void *line_peer(void *context)
{
    const bool one_line = *(const bool *)context;
    uint64_t *answer = one_line ? &there.word : &back.word;
    peer_ready();
    for (uint64_t n = 1; n < 2 * ROUND_TRIPS; n += 2) {
        while (ck_pr_load_64(&there.word) != n)
            ;
        ck_pr_store_64(answer, n + 1);
    }
    return NULL;
}

static void run_line(void *context, double *ret_ns)
{
    const bool one_line = *(const bool *)context;
    const uint64_t *answer = one_line ? &there.word : &back.word;
    ck_pr_store_64(&there.word, 0);
    ck_pr_store_64(&back.word, 0);
    hist_init(&hist);
    const pthread_t thread = peer_start(line_peer, context);
    for (uint64_t n = 1; n < 2 * ROUND_TRIPS; n += 2) {
        const uint64_t begin_tsc = clock_tsc();
        ck_pr_store_64(&there.word, n);
        while (ck_pr_load_64(answer) != n + 1)
            ;
        hist_record(&hist, clock_tsc() - begin_tsc);
    }
    CHECK(pthread_join(thread, NULL) == 0);
    report_hop(ret_ns);
}

static void rings_init(void)
{
    md_ring_init(&ring_there, slots_there, SLOTS, 1);
    md_ring_init(&ring_back, slots_back, SLOTS, 1);
    md_ring_reader_init(&reader_there, &ring_there);
    md_ring_reader_init(&reader_back, &ring_back);
}

static void *ring_peer(void *unused)
{
    (void)unused;
    struct md_event event;
    peer_ready();
    for (uint64_t n = 0; n < ROUND_TRIPS; n++) {
        while (md_ring_pop(&reader_there, &event) != MD_RING_EVENT)
            ;
        (void)md_ring_push(&ring_back, &event);
    }
    return NULL;
}

static void run_ring(void *unused, double *ret_ns)
{
    (void)unused;
    struct md_event answer;
    rings_init();
    hist_init(&hist);
    const pthread_t thread = peer_start(ring_peer, NULL);
    for (uint64_t n = 0; n < ROUND_TRIPS; n++) {
        const struct md_event event = event_of(n);
        const uint64_t begin_tsc = clock_tsc();
        (void)md_ring_push(&ring_there, &event);
        while (md_ring_pop(&reader_back, &answer) != MD_RING_EVENT)
            ;
        hist_record(&hist, clock_tsc() - begin_tsc);
        CHECK(answer.ref == n);
    }
    CHECK(pthread_join(thread, NULL) == 0);
    report_hop(ret_ns);
}

static void *throughput_peer(void *unused)
{
    (void)unused;
    struct md_event event;
    uint64_t sum = 0;
    peer_ready();
    while (reader_there.next != THROUGHPUT_EVENTS + 1) {
        for (unsigned i = 0; i < 32; i++)
            if (md_ring_pop(&reader_there, &event) == MD_RING_EVENT)
                sum += event.ref + event.ask_qty;
        md_ring_reader_export(&reader_there);
    }
    bench_keep(sum);
    return NULL;
}

/* Throttled, so that each event crosses; from the first push to the end of the reader. */
static void run_throughput(void *unused, double *ret_ns)
{
    (void)unused;
    rings_init();
    const pthread_t thread = peer_start(throughput_peer, NULL);
    const uint64_t begin_tsc = clock_tsc_ordered();
    uint64_t sent = 0;
    while (sent < THROUGHPUT_EVENTS) {
        uint64_t room = md_ring_room(&ring_there, &reader_there.position);
        for (; room > 0 && sent < THROUGHPUT_EVENTS; room--, sent++) {
            const struct md_event event = event_of(sent);
            (void)md_ring_push(&ring_there, &event);
        }
    }
    while (MD_RING_LOAD(&reader_there.position) != THROUGHPUT_EVENTS + 1)
        ;
    *ret_ns = bench_ns(clock_tsc_ordered() - begin_tsc) / THROUGHPUT_EVENTS;
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(reader_there.lost_count == 0);
}

static void run_push(void *unused, double *ret_ns)
{
    (void)unused;
    rings_init();
    const uint64_t begin_tsc = clock_tsc_ordered();
    for (uint64_t n = 0; n < THROUGHPUT_EVENTS; n++) {
        const struct md_event event = event_of(n);
        (void)md_ring_push(&ring_there, &event);
    }
    *ret_ns = bench_ns(clock_tsc_ordered() - begin_tsc) / THROUGHPUT_EVENTS;
}

static void run_push_pop(void *unused, double *ret_ns)
{
    (void)unused;
    struct md_event event;
    rings_init();
    const uint64_t begin_tsc = clock_tsc_ordered();
    for (uint64_t n = 0; n < THROUGHPUT_EVENTS; n++) {
        event = event_of(n);
        (void)md_ring_push(&ring_there, &event);
        CHECK(md_ring_pop(&reader_there, &event) == MD_RING_EVENT);
    }
    *ret_ns = bench_ns(clock_tsc_ordered() - begin_tsc) / THROUGHPUT_EVENTS;
}

int main(int argc, char **argv)
{
    struct bench_options options;
    static bool one = true, two = false;
    if (!bench_open(argc, argv, &options))
        return 2;
    if (options.peer_cpu < 0 || options.peer_cpu == options.cpu) {
        printf("ring: needs two CPUs, skipped\n");
        return 77; /* Meson: skipped */
    }
    peer_cpu = options.peer_cpu;
    const struct bench_case cases[] = {
        {.name = "one way, bare: one line to and fro", .run = run_line, .context = &one, .value_count = 2,
         .value_names = {"p50", "p99"}},
        {.name = "one way, bare: a line each way", .run = run_line, .context = &two, .value_count = 2,
         .value_names = {"p50", "p99"}},
        {.name = "one way, md_ring, 56-byte event", .run = run_ring, .value_count = 2, .value_names = {"p50", "p99"}},
        {.name = "per event, md_ring between two cores", .run = run_throughput, .base = 3},
        {.name = "per event, push on one core", .run = run_push, .base = 3},
        {.name = "per event, push and pop on one core", .run = run_push_pop, .base = 3},
    };
    return bench_run(&options, "ring", cases, sizeof(cases) / sizeof(cases[0]));
}
