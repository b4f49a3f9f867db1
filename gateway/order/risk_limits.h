/* The limits of one scope of the risk gate, and the table of those that may be changed while the gateway runs: whoever
 * changes them needs no knowledge of each. A scope is a strategy, a strategy lcore, or the whole gateway; each has a
 * struct risk_limits of its own, and an order has to be within all three. Pure.
 *
 * Money is in price units times shares (1/10,000 of the currency). 0 switches a limit off where "0 = off" says so. */
#ifndef GATEWAY_ORDER_RISK_LIMITS_H
#define GATEWAY_ORDER_RISK_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

enum risk_scope {
    RISK_SCOPE_STRATEGY = 1u << 0,
    RISK_SCOPE_LCORE = 1u << 1,
    RISK_SCOPE_GATEWAY = 1u << 2,
};

/* What the gate does where the price that a limit is measured against cannot be had as usual. */
enum risk_rule {
    RISK_RULE_USUAL = 0, /* one-sided: the opposite side must be there, the own one need not. No BBO: refuse. Locked,
                         * crossed: as any other. No reference: any tick and lot, not borrowable */
    RISK_RULE_REFUSE,
    RISK_RULE_OTHER, /* one-sided: where the opposite side is missing, measure against the own one */
    RISK_RULE_LAST,  /* measure against the last trade; without one, refuse */
    RISK_RULE_CLOSE, /* measure against the previous close of the reference file; without one, refuse */
    RISK_RULE_COUNT
};

struct risk_limits {
    /* each order */
    uint32_t order_qty_max;      /* shares */
    uint32_t collar_bps;         /* beyond the opposite best price, 1/100 % */
    uint64_t order_notional_max; /* price times shares */
    uint32_t collar_last_bps;    /* from the last trade, either way; 0 = off */
    uint32_t collar_close_bps;   /* from the previous close, either way; 0 = off */
    /* what is held and open, were all of it to trade */
    uint32_t position_max;    /* shares long or short of an instrument */
    uint32_t open_orders_max; /* 0 = off */
    uint64_t gross_max;       /* money, over all instruments; 0 = off */
    uint64_t net_max;         /* the same, long against short; 0 = off */
    uint64_t loss_max;        /* realised and unrealised; 0 = off */
    /* how often */
    uint32_t rate_per_s; /* new orders and replaces */
    uint32_t rate_burst;
    uint32_t messages_per_s; /* cancels too, as the venue counts; 0 = off */
    uint32_t messages_burst;
    uint32_t messages_reserve; /* of the burst, kept for cancels: new orders and replaces leave so much */
    uint32_t duplicate_ms;     /* the same order again within so long; 0 = off */
    /* when */
    uint32_t hours_from_s;    /* s since the exchange's midnight; orders from ... */
    uint32_t hours_to_s;      /* ... until before; both 0 = off */
    uint32_t clock_back_ms;   /* frame time that runs back by more is a jump; 0 = off */
    uint32_t clock_ahead_ms;  /* forward, from one frame to the next; 0 = off */
    uint32_t clock_steady_ms; /* after a jump orders wait until time was steady for so long */
    /* rules, enum risk_rule; of the config, not changed while running */
    uint8_t no_bbo;       /* both sides are empty: USUAL (refuse), LAST, CLOSE */
    uint8_t one_sided;    /* one is: USUAL, REFUSE, OTHER, LAST, CLOSE */
    uint8_t locked;       /* bid = ask: USUAL, REFUSE */
    uint8_t crossed;      /* bid > ask: USUAL, REFUSE */
    uint8_t no_reference; /* a symbol that the reference file lacks: USUAL, REFUSE */
    bool self_cross;      /* an order that would meet one of our own is refused */
    bool short_sale;      /* rules of short sales are checked */
    bool no_early;        /* not before the venue's start of market hours (its system events) */
    bool no_late;         /* not after their end */
    bool allow_stale;     /* orders pass while the feed has a hole: laboratories */
};

/* A limit that may be changed: its name is its config key. */
struct risk_limits_row {
    const char *name;
    const char *unit; /* "shares", "bps", "money", "1/s", "orders", "ms", "s", "messages" */
    uint64_t min, max;
    uint32_t scopes; /* enum risk_scope, or-ed: where it has a meaning */
    uint16_t offset, size;
};

uint32_t risk_limits_count(void);
/* `idx` < risk_limits_count(). */
const struct risk_limits_row *risk_limits_row(uint32_t idx);
/* The index of the limit of this name, UINT32_MAX: there is none. */
uint32_t risk_limits_find(const char *name);
uint64_t risk_limits_get(const struct risk_limits *limits, uint32_t idx);
/* False: outside min ... max, nothing was changed. */
bool risk_limits_set(struct risk_limits *limits, uint32_t idx, uint64_t value);

#endif
