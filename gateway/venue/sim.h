/* The venue of a replay: one matching engine for each channel behind the orders of one strategy lcore, in virtual time.
 * The background flow is what the lcore consumes from its ring, requests and answers are OUCH 5.0 ("OUCH 5.0", April
 * 2023) as they would be on a session. One owner, the strategy lcore; pure.
 *
 *   sim_event(s, event)                  each event, before the strategies see it
 *   sim_order(s, request, len, now_ns)   a request leaves
 *   sim_next(s, now_ns, &answer)         answers that have come, until false
 *
 * Time is the decision time that MD_TIME events carry, and nothing else: a request reaches the engine order_ns after it
 * left, its answers reach the lcore answer_ns after the engine made them, and all that is due at a frame's time happens
 * before the frame's first event. As long as orders leave and answers are taken at the same events, the same input
 * gives the same fills, however events come in bursts and whichever thread runs.
 *
 * Orders: limit orders, day (any letter but '3' rests) or immediate or cancel. As the protocol has it: a UserRefNum
 * that is not above all before is ignored, so is a cancel or a replace of an order that is done; a replace that cannot
 * be right cancels the order that it was to replace; quantities of cancels and replaces count what was executed before,
 * over the chain of replaces. A Modify is not answered. Rejected with a reason: see enum sim_reject. */
#ifndef GATEWAY_VENUE_SIM_H
#define GATEWAY_VENUE_SIM_H

#include "feed/book.h"
#include "gateway/order/ouch.h"
#include "ring/md_event.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_CHANNELS_MAX 16u

/* Codes of OUCH_REJECTED, as in the specification's table. */
enum sim_reject {
    SIM_REJECT_HALTED = 0x0007,      /* the instrument's trading state is known, and it is not trading */
    SIM_REJECT_SIDE = 0x0009,
    SIM_REJECT_PROCESSING = 0x000a,  /* no room: resting orders, or answers in flight */
    SIM_REJECT_OTHER = 0x000f,       /* time in force */
    SIM_REJECT_QUANTITY = 0x0013,    /* 0, or 1,000,000 and more */
    SIM_REJECT_CROSS = 0x0014,       /* orders for a cross: there are none */
    SIM_REJECT_SYMBOL = 0x0017,      /* no channel has defined it */
    SIM_REJECT_PRICE = 0x001d,       /* 0, or $200,000 and more */
};

enum sim_cancel {
    SIM_CANCEL_IMMEDIATE = 'I',      /* what was left of an immediate or cancel order */
    SIM_CANCEL_USER = 'U',           /* asked for; also by a replace that cannot be right */
    SIM_CANCEL_SYSTEM = 'Z',         /* the channel began anew (MD_SESSION, MD_RESET), or answers might not fit */
};

struct sim_params {
    struct book_params book[SIM_CHANNELS_MAX]; /* by channel, as of the feed's book: clients' orders have room beside */
    uint32_t channel_count;
    uint32_t orders_max;   /* resting; a power of two. Slots go by the UserRefNum's low bits, as in open_orders */
    uint32_t requests_max; /* in flight; a power of two */
    uint32_t answers_max;  /* in flight; a power of two */
    uint64_t order_ns;     /* from our wire to the engine */
    uint64_t answer_ns;    /* from the engine to our lcore */
    uint64_t midnight_ns;  /* exchange's midnight, ns since the UTC epoch: answers tell the time since then */
};

struct sim_counters {
    /* requests that reached an engine */
    uint64_t enter_count, replace_count, cancel_count, query_count;
    uint64_t modify_count;     /* not answered */
    uint64_t malformed_count;  /* no OUCH request: dropped */
    uint64_t repeated_count;   /* UserRefNum not above all before: ignored */
    uint64_t ignored_count;    /* cancel or replace of an order that is done, cancel that takes nothing off */
    /* answers */
    uint64_t accepted_count, replaced_count, rejected_count;
    uint64_t fill_count, fill_qty;
    uint64_t canceled_count, canceled_qty;
    /* bounds */
    uint64_t refused_count;    /* sim_order was false */
    uint64_t overflow_cancel_count; /* orders cancelled because answers would not fit */
    /* the background flow */
    uint64_t background_dropped_count; /* events about orders of which the client has left nothing */
    uint64_t background_refused_count; /* that the engine refused: out of range, repeated, no room */
    uint64_t out_of_range_count;       /* events that name no instrument of ours: a mistake of the producer */
};

struct sim;

size_t sim_footprint(const struct sim_params *params); /* 0: out of range */
/* `memory`: sim_footprint bytes, aligned to a cache line; need not be zeroed. */
struct sim *sim_init(void *memory, const struct sim_params *params);

/* The next event of the lcore. MD_TIME: sim_time. Refreshes are passed over. */
void sim_event(struct sim *sim, const struct md_event *event);

/* A request of `message_len` bytes leaves now. False: too many are in flight, or answers to it might not fit; it has
 * not left. Every request in flight and every resting order has a place among the answers: none is ever lost. */
bool sim_order(struct sim *sim, const uint8_t *message, uint32_t message_len, uint64_t now_ns);

/* Everything that is due up to now_ns happens. Only needed when there are no events: at the end of a replay. */
void sim_time(struct sim *sim, uint64_t now_ns);

/* The next answer that has reached the lcore by now_ns; false: none. */
bool sim_next(struct sim *sim, uint64_t now_ns, struct ouch_answer *ret_answer);

const struct sim_counters *sim_counters(const struct sim *sim);
uint32_t sim_open_count(const struct sim *sim); /* resting orders */
/* Shares that the account is long (short: negative) in a symbol. */
int64_t sim_position(const struct sim *sim, uint64_t symbol);
/* What the account has traded, from the engine's trades alone: `*cursor` begins with 0; false: no more. */
struct sim_account {
    uint64_t symbol;
    int64_t position;
    int64_t cash;          /* received less paid, price unit times shares */
};
bool sim_account_next(const struct sim *sim, uint32_t *cursor, struct sim_account *ret_account);
const struct book *sim_book(const struct sim *sim, uint32_t channel);

#endif
