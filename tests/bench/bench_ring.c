/* One hop between two pinned cores, beside what the caches themselves take for it. Two busy threads, no more.
 *
 *   hop_ns                   md_ring, latency one way: half a round trip of an event
 *   hop_limit_ns             a bare word there on one line and back on another: the limit
 *   hop_one_line_ns          ... and on one line that both write
 *   hop_throughput_ns        md_ring, an event of many that are on their way
 *   hop_throughput_limit_ns  a bare line of seven words and a number each, read as it comes: the limit
 *   push_ns, push_pop_ns     on one core alone
 *
 * How far a line has to go depends on where it is at home, by a third here: the bare lines change every PAIR_TRIPS
 * round trips, to other ones of as many as the ring has. */
#include "gateway/clock.h"
#include "ring/hist.h"
#include "ring/md_ring.h"
#include "tests/bench/bench.h"

#include <pthread.h>
#include <stdio.h>

#define SLOTS 1024u
#define ROUND_TRIPS 20000u
#define THROUGHPUT_EVENTS 400000u
#define PAIR_TRIPS 100u
#define BURST 32u

struct shared_line {
    alignas(2 * CACHE_LINE_BYTES) uint64_t word; /* two lines: the prefetcher of pairs must not couple them */
};

static int peer_cpu;
static struct shared_line there[SLOTS], back[SLOTS], ready;
static struct md_ring ring_there, ring_back;
static struct md_slot *slots_there, *slots_back; /* on huge pages, as the gateway has them */
static struct md_ring_reader reader_there, reader_back;
static struct hist hist;

/* As the channel writes one. */
static inline void event_make(struct md_event *ret_event, uint64_t value)
{
    md_event_write(ret_event, (struct md_event){.type = MD_ADD, .side = 'B', .price = 1000000, .qty = 100, .ref = value,
                                                .exchange_ns = value, .bid_price = 999900, .bid_qty = 5,
                                                .ask_price = 1000100, .ask_qty = 7});
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

/* The line that number n goes over: neighbours in time are not neighbours in memory. */
static uint64_t *line_of(struct shared_line *lines, uint64_t n)
{
    return &lines[n / 2 / PAIR_TRIPS * 65 % SLOTS].word;
}

/* Number n is called over `there`, n + 1 comes back over `back`; both may be the same line. Words have grown since the
 * line was used last. */
static void *line_peer(void *context)
{
    struct shared_line *answers = *(const bool *)context ? there : back;
    peer_ready();
    for (uint64_t n = 1; n < 2 * ROUND_TRIPS; n += 2) {
        const uint64_t *call = line_of(there, n);
        uint64_t *answer = line_of(answers, n);
        while (ck_pr_load_64(call) != n)
            ;
        ck_pr_store_64(answer, n + 1);
    }
    return NULL;
}

static void run_line(void *context, double *ret_ns)
{
    struct shared_line *answers = *(const bool *)context ? there : back;
    for (unsigned i = 0; i < SLOTS; i++) {
        ck_pr_store_64(&there[i].word, 0);
        ck_pr_store_64(&back[i].word, 0);
    }
    hist_init(&hist);
    const pthread_t thread = peer_start(line_peer, context);
    for (uint64_t n = 1; n < 2 * ROUND_TRIPS; n += 2) {
        uint64_t *call = line_of(there, n);
        const uint64_t *answer = line_of(answers, n);
        const uint64_t begin_tsc = clock_tsc();
        ck_pr_store_64(call, n);
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
        struct md_event event;
        event_make(&event, n);
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
        for (unsigned i = 0; i < BURST; i++)
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
            struct md_event event;
            event_make(&event, sent);
            (void)md_ring_push(&ring_there, &event);
        }
    }
    while (MD_RING_LOAD(&reader_there.position) != THROUGHPUT_EVENTS + 1)
        ;
    *ret_ns = bench_ns(clock_tsc_ordered() - begin_tsc) / THROUGHPUT_EVENTS;
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(reader_there.lost_count == 0);
}

/* The same without a ring: lines in the order of memory, each written once and read once. */
static void *stream_peer(void *unused)
{
    (void)unused;
    uint64_t sum = 0, next = 1;
    peer_ready();
    while (next != THROUGHPUT_EVENTS + 1) {
        for (unsigned i = 0; i < BURST; i++) {
            const struct md_slot *line = &slots_there[next % SLOTS];
            if (ck_pr_load_64(&line->seq) != next)
                continue;
            for (unsigned k = 0; k < MD_EVENT_WORDS; k++)
                sum += ck_pr_load_64(&line->word[k]);
            next++;
        }
        ck_pr_store_64(&back[0].word, next);
    }
    bench_keep(sum);
    return NULL;
}

static void run_stream(void *unused, double *ret_ns)
{
    (void)unused;
    rings_init();
    ck_pr_store_64(&back[0].word, 1);
    const pthread_t thread = peer_start(stream_peer, NULL);
    const uint64_t begin_tsc = clock_tsc_ordered();
    uint64_t next = 1;
    while (next <= THROUGHPUT_EVENTS) {
        uint64_t room = SLOTS - (next - ck_pr_load_64(&back[0].word));
        for (; room > 0 && next <= THROUGHPUT_EVENTS; room--, next++) {
            struct md_slot *line = &slots_there[next % SLOTS];
            for (unsigned k = 0; k < MD_EVENT_WORDS; k++)
                ck_pr_store_64(&line->word[k], next);
            ck_pr_store_64(&line->seq, next);
        }
    }
    while (ck_pr_load_64(&back[0].word) != THROUGHPUT_EVENTS + 1)
        ;
    *ret_ns = bench_ns(clock_tsc_ordered() - begin_tsc) / THROUGHPUT_EVENTS;
    CHECK(pthread_join(thread, NULL) == 0);
}

static void run_push(void *unused, double *ret_ns)
{
    (void)unused;
    rings_init();
    const uint64_t begin_tsc = clock_tsc_ordered();
    for (uint64_t n = 0; n < THROUGHPUT_EVENTS; n++) {
        struct md_event event;
        event_make(&event, n);
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
        event_make(&event, n);
        (void)md_ring_push(&ring_there, &event);
        CHECK(md_ring_pop(&reader_there, &event) == MD_RING_EVENT);
    }
    *ret_ns = bench_ns(clock_tsc_ordered() - begin_tsc) / THROUGHPUT_EVENTS;
}

int main(int argc, char **argv)
{
    struct bench_options options;
    static bool yes = true, no = false;
    if (!bench_open(argc, argv, &options))
        return 2;
    if (options.peer_cpu < 0 || options.peer_cpu == options.cpu) {
        printf("ring: needs two CPUs, skipped\n");
        return 77; /* Meson: skipped */
    }
    peer_cpu = options.peer_cpu;
    slots_there = bench_alloc(SLOTS * sizeof(*slots_there));
    slots_back = bench_alloc(SLOTS * sizeof(*slots_back));
#define HOP(row, round, with)                                                                                          \
    {.name = row, .run = round, .context = with, .value_count = 2, .value_names = {"p50", "p99"}}
    const struct bench_case cases[] = {
        HOP("hop_limit_ns", run_line, &no),
        HOP("hop_ns", run_ring, NULL),
        HOP("hop_one_line_ns", run_line, &yes),
        {.name = "hop_throughput_limit_ns", .run = run_stream, .base = 3},
        {.name = "hop_throughput_ns", .run = run_throughput, .base = 3},
        {.name = "push_ns", .run = run_push, .base = 3},
        {.name = "push_pop_ns", .run = run_push_pop, .base = 3},
    };
#undef HOP
    return bench_run(&options, "ring", cases, sizeof(cases) / sizeof(cases[0]));
}
