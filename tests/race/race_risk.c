/* The gates of two strategy lcores on two real threads, and the control thread that changes their limits and reads what
 * they hold. Each owner sends and cancels as much as its gate lets it; what a posted change says is one value in every
 * limit of it, so a torn one would be seen; and however they race, both together never hold more than the gateway may,
 * as each has its share (risk_share_of).
 *
 * Bounded by the number of changes; a thread that hangs ends the program through an alarm. Exit 0 or 1.
 *
 *   race_risk [changes] */
#include "gateway/order/risk.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HANG_S    100u
#define OWNERS    2u
#define PRICE     100
#define WHOLE_QTY 1001u /* shares that the gateway may hold: each owner has 500 of them */

static struct owner {
    pthread_t thread;
    struct market market;
    struct risk risk;
    uint64_t order_count;
} owners[OWNERS];

static uint64_t change_count = 2000;
static uint32_t ended; /* writer: control thread */

static void hang(int signal)
{
    (void)signal;
    static const char text[] = "race_risk: a thread hangs\n";
    (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
    _exit(1);
}

static void fail(const char *what, uint64_t value)
{
    printf("race_risk: %s: %lu\n", what, (unsigned long)value);
    exit(1);
}

/* Not these: one value of all would stop every order, or be the closer limit. */
static bool is_left(const struct risk_limits_row *row)
{
    return strncmp(row->name, "hours_", 6) == 0 || strcmp(row->name, "gross_max") == 0 ||
           strcmp(row->name, "net_max") == 0 || strcmp(row->name, "messages_reserve") == 0 ||
           strcmp(row->name, "duplicate_ms") == 0;
}

/* One value in every limit that has a place for it. */
static void limits_fill(struct risk_limits *limits, uint32_t value)
{
    for (uint32_t i = 0; i < risk_limits_count(); i++) {
        const struct risk_limits_row *row = risk_limits_row(i);
        if (!is_left(row) && row->min <= value && value <= row->max && !risk_limits_set(limits, i, value))
            fail("no limit takes", value);
    }
}

static void limits_examine(const struct risk_limits *limits)
{
    const uint32_t value = limits->order_qty_max;

    for (uint32_t i = 0; i < risk_limits_count(); i++)
        if (!is_left(risk_limits_row(i)) && risk_limits_get(limits, i) != value)
            fail("a torn change", value);
}

static void *own(void *arg)
{
    struct owner *owner = arg;
    struct order_intent intent = {
        .action = ORDER_NEW, .side = 'B', .tif = ORDER_DAY, .instrument = 0, .price = PRICE, .qty = 1};
    uint64_t now_ns = 1, held = 0;

    while (!__atomic_load_n(&ended, __ATOMIC_ACQUIRE)) {
        const uint64_t before_ns = owner->market.now_ns;
        owner->market.now_ns = now_ns += 1000000;
        risk_frame(&owner->risk, &owner->market, before_ns);
        intent.qty = 1 + (uint32_t)(now_ns / 1000000 % 7);
        if (risk_reserve(&owner->risk, &owner->market, &intent, 0, now_ns) == RISK_PASS) {
            held += intent.qty;
            owner->order_count++;
        } else if (held > 0) {
            risk_release(&owner->market, 0, 0, 'B', 0, (uint32_t)held);
            held = 0;
        }
        limits_examine(&owner->risk.limits);
        if (now_ns / 1000000 % 16 == 0)
            sched_yield();
    }
    return NULL;
}

int main(int argc, char **argv)
{
    static const uint32_t counts[1] = {1};
    struct risk_limits limits, whole;
    uint64_t posted = 0, looks = 0, most = 0;

    if (argc > 1)
        change_count = strtoull(argv[1], NULL, 10);
    signal(SIGALRM, hang);
    alarm(HANG_S);
    memset(&limits, 0, sizeof(limits));
    limits_fill(&limits, 5000);
    for (uint32_t i = 0; i < OWNERS; i++) {
        struct owner *owner = &owners[i];
        market_init(&owner->market, aligned_alloc(CACHE_LINE_BYTES, market_footprint(counts, 1)), counts, 1);
        struct market_instrument *instrument = market_find(&owner->market, 0, 0);
        instrument->symbol = 1;
        instrument->bid_price = PRICE - 1;
        instrument->ask_price = PRICE;
        risk_init(&owner->risk, &limits, false);
        owner->risk.session_up = true;
        whole = (struct risk_limits){
            .position_max = WHOLE_QTY, .gross_max = WHOLE_QTY * PRICE, .rate_per_s = 10000000, .rate_burst = 1000000};
        risk_share_of(&whole, OWNERS);
        risk_limit_share(&owner->risk, &whole);
        if (pthread_create(&owner->thread, NULL, own, owner) != 0)
            fail("no thread", i);
    }
    while (posted < change_count) {
        uint64_t gross = 0;
        bool busy = true;
        for (uint32_t i = 0; i < OWNERS; i++) {
            limits_fill(&limits, 2000 + (uint32_t)(posted % 7000));
            const bool taken = risk_post_limits(&owners[i].risk, RISK_LCORE, &limits);
            posted += taken;
            busy = busy && !taken;
            gross += (uint64_t)__atomic_load_n(&owners[i].risk.now.gross, __ATOMIC_RELAXED);
        }
        most = gross > most ? gross : most;
        looks++;
        if (gross > WHOLE_QTY * PRICE)
            fail("both together hold more than the gateway may", gross);
        if (busy)
            sched_yield();
    }
    __atomic_store_n(&ended, 1u, __ATOMIC_RELEASE);
    for (uint32_t i = 0; i < OWNERS; i++) {
        pthread_join(owners[i].thread, NULL);
        if (owners[i].order_count == 0)
            fail("an owner sent nothing", i);
        free(owners[i].market.channel[0].instruments);
    }
    printf("race_risk: %lu changes, %lu and %lu orders, %lu looks, at most %lu of %u held\n", (unsigned long)posted,
           (unsigned long)owners[0].order_count, (unsigned long)owners[1].order_count, (unsigned long)looks,
           (unsigned long)most, WHOLE_QTY * PRICE);
    return 0;
}
