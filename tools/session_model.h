/* Inside of the session generator, shared by its three files: session.c (phases and time), session_book.c (random
 * numbers, orders, prices) and session_say.c (one function for each kind of message). Nobody else includes it. */
#ifndef TOOLS_SESSION_MODEL_H
#define TOOLS_SESSION_MODEL_H

#include "tools/session.h"

#define LEVELS 256          /* price window of a symbol, in ticks */
#define FAIR_MIN 64         /* the middle stays inside the window's middle half, so that no quote leaves the window */
#define FAIR_MAX 191
#define TICK_E4 100         /* one cent */
#define LIVES 8u
#define STREAMS 4u          /* matching engines, each with reference numbers of its own */
#define NONE UINT32_MAX
#define PERMILLE 1000u

enum phase { PHASE_BEGIN, PHASE_DIRECTORY, PHASE_SPECIAL, PHASE_BOOK, PHASE_NOII, PHASE_OPEN, PHASE_FLOW, PHASE_CLOSE };

struct session_order {
    uint64_t ref;
    uint32_t qty;
    uint32_t prev, next;    /* queue at its price; NONE ends. Of a free slot: next = the next free one */
    uint32_t life_idx;      /* where it stands in by_life[life] */
    uint16_t symbol;
    uint8_t level;
    uint8_t side;
    uint8_t life;
};

struct session_symbol {
    uint64_t stock;
    int32_t price_zero;     /* price of level 0 */
    int32_t fair;           /* level at which the middle is now: bids below it, asks from it upwards */
    int32_t best_bid;       /* level, -1 = none */
    int32_t best_ask;       /* level, LEVELS = none */
    bool halted;            /* orders may come and go, nothing trades */
    uint64_t occupied[LEVELS / 64]; /* a bit for each level that has orders; a level has one side only */
    uint32_t head[LEVELS], tail[LEVELS];
};

struct session {
    struct session_params params;
    struct session_random random;
    enum phase phase;
    uint64_t step;          /* within the phase */
    uint64_t count;         /* messages given */
    uint64_t standing_count, flow_begin, flow_count;
    uint64_t time_ns;
    uint64_t gap_ns;        /* mean between clusters in this phase */
    uint32_t cluster_left;
    uint32_t spell_left;    /* clusters until calm or storm ends */
    uint32_t spell_permille; /* of gap_ns */
    uint32_t cluster_rank;  /* symbol that this cluster is mostly about */
    uint32_t forced;        /* index of the next kind that has to appear */
    uint64_t executed_count;
    uint32_t sweep_rank, sweep_left; /* an order that crosses goes on executing: symbol, messages */
    uint8_t sweep_side;     /* of the resting orders */
    uint64_t next_ref[STREAMS];
    uint64_t next_match, last_trade_match;
    uint32_t last_trade_symbol;
    uint64_t *cumulative;   /* Zipf weights by rank */
    uint16_t *by_rank;      /* symbol of a rank: activity has nothing to do with the alphabet */
    struct session_symbol *symbols;
    struct session_order *orders;
    uint32_t orders_max, orders_target, order_count;
    uint32_t free_order;
    uint32_t *by_life[LIVES];
    uint32_t life_count[LIVES];
};

uint32_t session_below(struct session *s, uint32_t bound);
/* Times that a coin with `permille` heads shows heads in a row, at most `max`. */
uint32_t session_heads(struct session *s, uint32_t permille, uint32_t max);
/* Rank of a symbol by Zipf's law, 0 the most active. */
uint32_t session_pick_rank(struct session *s);

static inline struct session_symbol *session_symbol_at(struct session *s, uint32_t rank)
{
    return &s->symbols[s->by_rank[rank]];
}

static inline int32_t session_price_e4(const struct session_symbol *symbol, int32_t level)
{
    return symbol->price_zero + level * TICK_E4;
}

/* Enter an order at a level where it does not cross; the pool has room. */
struct session_order *session_order_enter(struct session *s, uint32_t symbol, uint8_t side, int32_t level,
                                          uint32_t qty);
void session_order_leave(struct session *s, struct session_order *order);
/* New reference, level and quantity, at the end of its queue. */
void session_order_replace(struct session *s, struct session_order *order, int32_t level_wanted, uint32_t qty);
/* An order to which something happens: each life is four times less likely, by order, than the one before it. There is
 * at least one order. */
struct session_order *session_pick_order(struct session *s);
uint32_t session_draw_qty(struct session *s);
/* A level for an order of this side: most within a few ticks of the middle, some far away. It may cross. */
int32_t session_draw_level(struct session *s, const struct session_symbol *symbol, uint8_t side);
/* The level nearest to `level` at which it rests. FAIR_MIN and FAIR_MAX keep it inside the window. */
int32_t session_level_behind(const struct session_symbol *symbol, uint8_t side, int32_t level);

/* Messages. `symbol` NULL: about none. False: not possible now, nothing was changed. */
void session_say(struct session *s, uint8_t type, const struct session_symbol *symbol, struct itch_msg *ret_msg);
bool session_say_execution(struct session *s, uint32_t rank, uint8_t side, bool with_price, struct itch_msg *ret_msg);
/* An order that crosses becomes an execution if it may. */
bool session_say_add(struct session *s, uint32_t rank, uint8_t type, bool may_cross, struct itch_msg *ret_msg);
bool session_say_delete(struct session *s, struct itch_msg *ret_msg);
bool session_say_replace(struct session *s, struct itch_msg *ret_msg);
bool session_say_cancel(struct session *s, struct itch_msg *ret_msg);
bool session_say_trade(struct session *s, uint32_t rank, struct itch_msg *ret_msg);
void session_say_system(struct session *s, uint8_t code, struct itch_msg *ret_msg);
void session_say_directory(struct session *s, const struct session_symbol *symbol, struct itch_msg *ret_msg);
void session_say_state(struct session *s, struct session_symbol *symbol, uint8_t state, const char *reason,
                       struct itch_msg *ret_msg);
void session_say_operational(struct session *s, struct session_symbol *symbol, uint8_t action,
                             struct itch_msg *ret_msg);
void session_say_collar(struct session *s, const struct session_symbol *symbol, struct itch_msg *ret_msg);
void session_say_retail(struct session *s, const struct session_symbol *symbol, struct itch_msg *ret_msg);
void session_say_imbalance(struct session *s, const struct session_symbol *symbol, uint8_t cross,
                           struct itch_msg *ret_msg);
void session_say_cross(struct session *s, const struct session_symbol *symbol, struct itch_msg *ret_msg);
void session_say_participant(struct session *s, const struct session_symbol *symbol, struct itch_msg *ret_msg);
void session_say_ipo(struct session *s, const struct session_symbol *symbol, struct itch_msg *ret_msg);
void session_say_listing(struct session *s, const struct session_symbol *symbol, struct itch_msg *ret_msg);
void session_say_mwcb_level(struct session *s, struct itch_msg *ret_msg);

#endif
