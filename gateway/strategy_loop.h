/* The strategy loop: one strategy lcore, its readers, strategies, risk gate, order frames and transmit queue. In
 * inline mode the rx lcore calls the same functions directly. */
#ifndef GATEWAY_STRATEGY_LOOP_H
#define GATEWAY_STRATEGY_LOOP_H

#include "gateway/armed.h"
#include "gateway/clock.h"
#include "gateway/kill.h"
#include "gateway/order/answer.h"
#include "gateway/order/market.h"
#include "gateway/order/open.h"
#include "gateway/order/risk.h"
#include "gateway/order_path.h"
#include "gateway/order_sink.h"
#include "gateway/resync.h"
#include "gateway/strategy/strategy.h"
#include "gateway/venue/sim.h"
#include "gateway/warm.h"
#include "ring/hist.h"
#include "ring/md_ring.h"

#define STRATEGY_LOOP_READERS_MAX 16u
#define STRATEGY_LOOP_STRATEGIES_MAX 16u
#define STRATEGY_LOOP_BURST 32u       /* events taken from one ring before the next is looked at */

enum strategy_stage {
    STAGE_POPPED,   /* ticks since rx_tsc: event taken from the ring */
    STAGE_DECIDED,  /* the strategy has answered */
    STAGE_ENCODED,  /* gate passed, frame written */
    STAGE_SENT,     /* transmit burst has returned: tick-to-trade */
    STAGE_COUNT
};

/* Tick-to-trade by the time since the lcore has last sent something: what a quiet minute costs. */
enum strategy_since {
    SINCE_1_MS = 0, SINCE_10_MS, SINCE_100_MS, SINCE_1_S, SINCE_10_S,
    SINCE_LONGER,   /* or nothing was sent before */
    SINCE_COUNT
};

struct strategy_slot {
    const struct strategy_ops *ops;
    void *state;
    const char *name;
    bool stop_on_overrun; /* after events were lost: no new orders until each channel concerned has a new session */
    uint64_t intent_count;
    uint64_t order_count;
    uint64_t refused_count;
};

struct strategy_lcore {
    /* read-mostly */
    const char *name;
    uint32_t lcore_id, cpu;
    struct md_ring_reader *reader[STRATEGY_LOOP_READERS_MAX];
    struct resync *resync[STRATEGY_LOOP_READERS_MAX]; /* of each reader; NULL: whoever is lapped stays stale */
    uint32_t reader_count;
    struct strategy_slot strategy[STRATEGY_LOOP_STRATEGIES_MAX];
    uint32_t strategy_count;
    bool fills_immediate;
    bool answered;                  /* a venue answers: of a session, or simulated */
    bool hashing;
    bool stage_stamps;
    bool proof;
    const uint32_t *stop;           /* writer: control thread, once */
    uint32_t midnight[CONFIG_FEEDS_MAX]; /* of each channel's venue, low bits of the ns since the UTC epoch */
    /* hot */
    struct market market;
    struct open_orders open;
    struct order_path *path;        /* NULL: no order session */
    struct order_link *link;        /* NULL: nobody answers, or the venue is simulated */
    uint8_t cancelling;             /* enum order_owner_cancel: a sweep over open orders is under way ... */
    uint32_t cancel_cursor;         /* ... and has come so far */
    struct sim *sim;                /* replay: the venue, NULL otherwise */
    struct order_sink *sink;
    uint64_t event_seq;             /* ring sequence of the event in hand; inline: its number */
    uint16_t rx_idx;                /* whose event */
    uint64_t told_ns[STRATEGY_LOOP_READERS_MAX]; /* newest time of each ring but that one's; 0 = none yet */
    uint32_t calling;               /* strategy being called: kill_called. readers: watchdog, crash report */
    uint64_t popped_tsc;
    /* counters: writer this lcore, readers any */
    uint64_t turn_count, idle_count;
    uint64_t event_count[STRATEGY_LOOP_READERS_MAX]; /* by rx lcore; MD_TIME not counted */
    uint64_t event_hash[STRATEGY_LOOP_READERS_MAX];
    uint64_t order_count;
    uint64_t order_hash;            /* of the OUCH bytes */
    uint64_t lost_count;            /* events lost to overruns */
    uint64_t overrun_count;         /* times lapped */
    uint64_t resync_count;          /* times brought up to date after it */
    uint64_t fill_count, release_count;
    struct answer_counters answers;
    uint64_t never_received_count;  /* orders that a broken connection had swallowed */
    uint64_t own_cancel_count;      /* cancels on the gateway's own account */
    uint64_t intent_overflow_count; /* intents beyond ORDER_INTENTS_MAX or SUBMIT_INTENTS_MAX: dropped */
    struct hist stage[STAGE_COUNT];
    struct hist since[SINCE_COUNT];
    uint64_t since_tsc[SINCE_COUNT - 1]; /* bounds, in ticks */
    uint64_t sent_tsc;              /* newest send; 0 = none yet */
    struct warm warm;
    struct risk risk;
    struct kill_line kill;
    /* cold */
    struct armed armed;
};

/* What the lcore measures, empty. Before it runs. */
void strategy_hists_init(struct strategy_lcore *lcore);

/* Take one event in and act on it. Owner lcore. */
void strategy_event(struct strategy_lcore *lcore, const struct md_event *event);

/* Take what the rings have, STRATEGY_LOOP_BURST from each at most; how many events. Owner lcore, each turn. */
uint32_t strategy_poll(struct strategy_lcore *lcore);

/* A turn is over (`busy`: it had events): what is done while idle. Owner lcore. */
void strategy_turn_end(struct strategy_lcore *lcore, bool busy);

/* The loop, until *stop. `lcore` is a struct strategy_lcore *. Launched on its lcore. Returns 0. */
int strategy_loop(void *lcore);

#endif
