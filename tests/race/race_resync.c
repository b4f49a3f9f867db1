/* resync between real threads: one publishes a session at full speed on a tiny ring, the other is the strategy loop
 * with a strategy that dawdles, so that it is lapped all the time and resyncs of all ages are on their way. In the end
 * its market is what the channels know, and its view their books; on the way every event that a whole view takes agrees
 * with it.
 *
 * Bounded by the number of messages; a reader that is never up to date ends the program through an alarm. Exit 0 or 1.
 *
 *   race_resync [messages] */
#include "gateway/strategy_loop.h"
#include "tests/unit/feed_rig.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define SLOTS         64u
#define SYMBOLS       30u
#define VIEWED        8u
#define SESSION_EVERY 40000u /* messages */
#define HANG_S        100u

static struct feed_rig feed[2];
static struct md_ring ring;
static struct md_slot slots[SLOTS];
static struct md_ring_reader reader;
static struct resync resync;
static struct strategy_lcore lcore;
static struct view *view;
static uint64_t message_count = 1000000;
static uint32_t dawdle = 3000;        /* pauses: the ring is full before they are over */
static uint32_t published, caught_up; /* all of it; the reader has all of it */
static uint64_t whole_count;          /* events of instruments whose view was whole before */
static uint64_t dice_state = 7;

static uint32_t dice(uint64_t *state, uint32_t bound)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33) % bound;
}

static void on_event(void *state, const struct md_event *event, uint64_t now_ns, struct strategy_out *out)
{
    (void)state;
    (void)now_ns;
    (void)out;
    whole_count += view_whole(view, event->instrument);
    view_apply(view, event);
    /* Fall behind now and then, so that the producer passes again and again; in between a resync has its time. */
    for (uint32_t i = dice(&dice_state, 1000) == 0 ? dawdle : 0; i > 0; i--)
        ck_pr_stall();
}

static void on_order(void *state, const struct order_event *event, struct strategy_out *out)
{
    (void)state;
    (void)event;
    (void)out;
}

static void on_lost(void *state, uint32_t channels, uint64_t lost_count)
{
    (void)state;
    (void)lost_count;
    view_lost(view, channels);
}

static const struct strategy_ops ops = {
    .name = "slow", .on_event = on_event, .on_order = on_order, .on_lost = on_lost, .depth = true};

static void *produce(void *unused)
{
    uint64_t state = 5;

    (void)unused;
    for (uint64_t i = 0; i < message_count; i++) {
        struct feed_rig *rig = &feed[i % 2];
        if (i % SESSION_EVERY == SESSION_EVERY - 1)
            feed_rig_session(rig);
        feed_rig_step(rig);
        for (uint32_t k = 0; k < rig->event_count; k++)
            md_ring_push(&ring, &rig->event[k]);
        resync_step(&resync);
        if (dice(&state, 2000) == 0)
            for (uint32_t k = dice(&state, 64); k > 0; k--) { /* quiet: the rx loop turns all the same */
                resync_step(&resync);
                sched_yield();
            }
    }
    __atomic_store_n(&published, 1, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&caught_up, __ATOMIC_ACQUIRE)) {
        resync_step(&resync);
        sched_yield();
    }
    return NULL;
}

static void *consume(void *unused)
{
    (void)unused;
    for (;;) {
        const bool all = __atomic_load_n(&published, __ATOMIC_ACQUIRE) != 0;
        if (strategy_poll(&lcore) > 0)
            continue;
        if (all && !resync.waiting)
            break;
        sched_yield();
    }
    __atomic_store_n(&caught_up, 1, __ATOMIC_RELEASE);
    return NULL;
}

static void set_up(void)
{
    const struct session_params params = {.seed = 1,
                                          .messages = session_messages_min(SYMBOLS),
                                          .symbols = SYMBOLS,
                                          .rate_per_s = 1000,
                                          .open_ns = SESSION_OPEN_NS};
    struct session *session = session_open(&params); /* symbols are the same in every session */
    uint64_t symbols[VIEWED];
    uint32_t symbol_count = 0;
    struct itch_msg msg;

    while (session_next(session, &msg))
        if (msg.type == ITCH_STOCK_DIRECTORY && symbol_count < VIEWED)
            symbols[symbol_count++] = msg.directory.stock;
    session_close(session);
    md_ring_init(&ring, slots, SLOTS, 1);
    md_ring_reader_init(&reader, &ring);
    resync_init(&resync, &ring);
    for (uint16_t i = 0; i < 2; i++) {
        feed_rig_open(&feed[i], i, SYMBOLS, 31 + i);
        CHECK(resync_channel_add(&resync, feed[i].channel, i));
    }
    CHECK(resync_symbols_add(&resync, symbols, symbol_count));
    const struct view_params view_params = {.channel = 1,
                                            .instrument_count = feed[1].instrument_count,
                                            .symbols = symbols,
                                            .symbol_count = symbol_count,
                                            .orders_max = 16384,
                                            .levels_max = 512};
    view = view_init(malloc(view_footprint(&view_params)), &view_params);
    const uint32_t counts[2] = {feed[0].instrument_count, feed[1].instrument_count};
    market_init(&lcore.market, aligned_alloc(CACHE_LINE_BYTES, market_footprint(counts, 2)), counts, 2);
    open_init(&lcore.open, malloc(open_footprint(16)), 16, 1, 1000);
    lcore.reader[0] = &reader;
    lcore.resync[0] = &resync;
    lcore.reader_count = 1;
    lcore.strategy[0] = (struct strategy_slot){.ops = &ops, .name = "slow"};
    lcore.strategy_count = 1;
}

static bool same(void)
{
    bool good = true;

    for (uint16_t i = 0; i < 2; i++) {
        const char *difference = feed_rig_market_difference(&feed[i], &lcore.market, i);
        if (difference)
            printf("FAIL the market differs from channel %u: %s\n", i, difference);
        good = good && !difference;
    }
    for (uint32_t i = 0; i < VIEWED; i++) {
        const uint16_t instrument = view_instrument(view, i);
        const char *difference = instrument == MD_INSTRUMENT_NONE ? NULL
                                 : view_whole(view, instrument)   ? feed_rig_view_difference(&feed[1], view, instrument)
                                                                  : "not whole";
        if (difference)
            printf("FAIL the view differs from the book of instrument %u: %s\n", instrument, difference);
        good = good && !difference;
    }
    return good;
}

static void on_alarm(int signal_number)
{
    (void)signal_number;
    static const char text[] = "FAIL race_resync: the reader was never up to date\n";
    (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
    _exit(1);
}

int main(int argc, char **argv)
{
    pthread_t producer, consumer;

#ifdef TICKGATE_TSAN
    message_count /= 16; /* each access costs some ten times as much */
    dawdle *= 20;
#endif
    if (argc > 1)
        message_count = strtoull(argv[1], NULL, 10);
    if (argc > 2 || message_count < 1) {
        fprintf(stderr, "usage: race_resync [messages]\n");
        return 2;
    }
    signal(SIGALRM, on_alarm);
    alarm(HANG_S);
    set_up();
    CHECK(pthread_create(&consumer, NULL, consume, NULL) == 0);
    CHECK(pthread_create(&producer, NULL, produce, NULL) == 0);
    CHECK(pthread_join(producer, NULL) == 0 && pthread_join(consumer, NULL) == 0);

    bool good = same();
    printf("%llu events published, %llu lost in %llu overruns; %llu resyncs, %llu broken off, %llu refresh events; "
           "%llu events met a whole view, %llu did not fit\n",
           (unsigned long long)ring.head - 1, (unsigned long long)lcore.lost_count,
           (unsigned long long)lcore.overrun_count, (unsigned long long)resync.answered_count,
           (unsigned long long)resync.broken_off_count, (unsigned long long)resync.event_count,
           (unsigned long long)whole_count, (unsigned long long)view_counters(view)->mismatch_count);
    if (lcore.overrun_count < 2 || resync.answered_count < 1 || whole_count < 1) {
        printf("FAIL the reader was hardly lapped, or never up to date: the race did not happen\n");
        good = false;
    }
    if (view_counters(view)->mismatch_count > 0 || view_counters(view)->full_count > 0 ||
        resync.reader.lost_count > 0 || lcore.resync_count != resync.answered_count) {
        printf("FAIL the view met an event that did not fit, or a record was lost\n");
        good = false;
    }
    printf("%s\n", good ? "race_resync: all good" : "race_resync: FAILED");
    return good ? 0 : 1;
}
