/* See rate.h. Feed and venue are steps of the rx thread's turn, as the frame source of a replay is: a feeder of its own
 * would have the third CPU of the two-core case, and would bring cold lines that a NIC puts into the cache. What they
 * take is part of the turn, so that the highest rate without loss is a lower bound. A latency begins when the frame was
 * due: lateness counts. */
#include "tests/bench/rate.h"

#include "tests/bench/bench.h"
#include "tests/bench/samples.h"

#include <stdio.h>

#define RATE_MIN 10000u
#define TRIES 3u               /* until a rate is given up */
#define FRAMES_MAX 600000u     /* of a round: a tenth of a second, at most */
#define RATE_LAG_NS 2000u      /* line B behind line A */
#define BEGIN_NS 2000u
#define PATIENCE_NS 20000000u  /* without a frame or an order: what has not come is lost */

static struct samples measured;

static uint64_t ticks_of(uint32_t ns)
{
    return (uint64_t)(ns / bench_ns(1));
}

/* A run at one rate: what each line puts next, and when it is due. Frames are made before their time. */
struct offer {
    struct gateway_rig *rig;
    double ticks_each;
    uint64_t lag_ticks;
    uint64_t begin_tsc;
    uint32_t frame_count, full_count;
    struct {
        struct rte_mbuf *next;
        uint64_t due_tsc;
        uint32_t put_count;
        bool waited; /* it has found the rx ring full */
    } line[2];
};

static uint64_t due_of(const struct offer *offer, uint32_t line, uint64_t number)
{
    return offer->begin_tsc + line * offer->lag_ticks + (uint64_t)((double)number * offer->ticks_each);
}

/* May the line make another frame? Line B brings what line A has put; A is not further ahead than the rig remembers. */
static bool offer_more(const struct offer *offer, uint32_t line)
{
    const uint32_t put_count = offer->line[line].put_count;

    if (line == 1)
        return put_count < offer->line[0].put_count;
    return put_count < offer->frame_count && put_count - offer->line[1].put_count < GATEWAY_RIG_RING - 1;
}

/* Put what is due at `now_tsc`, and make the next. False: nothing was due. */
static bool offer_step(struct offer *offer, uint64_t now_tsc)
{
    bool some = false;

    for (uint32_t i = 0; i < 2; i++)
        for (;;) {
            if (!offer->line[i].next) {
                if (!offer_more(offer, i))
                    break;
                offer->line[i].next = gateway_rig_frame(offer->rig, i);
                offer->line[i].due_tsc = due_of(offer, i, offer->line[i].put_count);
            }
            if ((int64_t)(now_tsc - offer->line[i].due_tsc) < 0)
                break;
            if (!gateway_rig_put(offer->rig, offer->line[i].next)) {
                offer->full_count += !offer->line[i].waited;
                offer->line[i].waited = true;
                break;
            }
            offer->line[i].next = NULL;
            offer->line[i].waited = false;
            offer->line[i].put_count++;
            some = true;
        }
    return some;
}

/* The next run begins with both lines even, and with nothing on its way. */
static void offer_end(struct offer *offer)
{
    struct gateway_rig *rig = offer->rig;
    struct gateway_rig_order order;

    offer->frame_count = offer->line[0].put_count + (offer->line[0].next != NULL);
    while (offer->line[1].put_count < offer->frame_count || !gateway_rig_idle(rig)) {
        offer_step(offer, due_of(offer, 1, offer->frame_count));
        rx_turn(&rig->rx);
        while (gateway_rig_order(rig, &order))
            continue;
    }
}

/* Returns how many frames would have been lost: they found the rx ring full, or led to no order. */
static uint32_t rate_offer(const struct rate *rate)
{
    struct gateway_rig *rig = rate->rig;
    const uint64_t first = rig->put[0], patience = ticks_of(PATIENCE_NS);

    if (rig->ring)
        gateway_rig_start(rig, rate->peer_cpu);
    struct offer offer = {.rig = rig,
                          .ticks_each = 1e9 / rate->per_s / bench_ns(1),
                          .lag_ticks = ticks_of(RATE_LAG_NS),
                          .begin_tsc = clock_tsc() + ticks_of(BEGIN_NS),
                          .frame_count = rate->frame_count};
    struct gateway_rig_order order;
    uint64_t now_tsc = offer.begin_tsc, moved_tsc = offer.begin_tsc;

    measured.count = 0;
    while (measured.count < rate->frame_count && (int64_t)(now_tsc - moved_tsc - patience) < 0) {
        now_tsc = clock_tsc();
        if (offer_step(&offer, now_tsc))
            moved_tsc = now_tsc;
        rx_turn(&rig->rx);
        while (gateway_rig_order(rig, &order)) {
            samples_add(&measured, order.tx_tsc - due_of(&offer, 0, order.message - first));
            moved_tsc = now_tsc;
        }
    }
    offer_end(&offer);
    if (rig->ring)
        gateway_rig_stop(rig);
    do
        rx_turn(&rig->rx);
    while (gateway_rig_order(rig, &order));
    return offer.full_count + rate->frame_count - measured.count;
}

void rate_run(void *rate, double *ret_values)
{
    static const double fractions[RATE_VALUES - 1] = {0.5, 0.9, 0.99, 0.999, 0.9999, 1};
    const uint32_t lost_count = rate_offer(rate);

    if (measured.count == 0)
        samples_add(&measured, 0); /* nothing came in time: all are lost */
    samples_quantiles(&measured, fractions, RATE_VALUES - 1, ret_values);
    ret_values[RATE_VALUES - 1] = lost_count;
}

uint32_t rates_find(struct gateway_rig *rig, int peer_cpu, const char *name, bool brief,
                    struct rate ret_rates[RATES_MAX])
{
    const uint32_t step = brief ? 3 : 1;
    uint32_t count = 0, kept = 0;

    if (!measured.ticks)
        samples_init(&measured, FRAMES_MAX);
    for (; count < RATES_MAX; count++) {
        const uint32_t per_s = RATE_MIN << count, frame_count = per_s / (brief ? 50 : 10);
        struct rate *rate = &ret_rates[count];
        *rate = (struct rate){.rig = rig, .peer_cpu = peer_cpu, .per_s = per_s,
                              .frame_count = frame_count < FRAMES_MAX ? frame_count : FRAMES_MAX};
        snprintf(rate->name, sizeof(rate->name), "t2t_%s_at_%u_ns", name, per_s);
        uint32_t tries = 0;
        while (tries < TRIES && rate_offer(rate) > 0)
            tries++;
        if (tries == TRIES)
            break;
    }
    for (uint32_t i = 0; i < count; i++)
        if (i % step == 0 || i == count - 1)
            ret_rates[kept++] = ret_rates[i];
    return kept;
}
