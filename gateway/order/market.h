/* What one strategy lcore knows of the market, from the events that it has consumed and from nothing else, together
 * with its own position in each instrument: what the risk gate decides on. Two cache lines per instrument, of which
 * most events touch the first alone; one owner. Pure. */
#ifndef GATEWAY_ORDER_MARKET_H
#define GATEWAY_ORDER_MARKET_H

#include "gateway/order/account.h"
#include "gateway/order/own.h"
#include "gateway/order/reference.h"
#include "ring/check.h"
#include "ring/md_event.h"

#include <stdalign.h>
#include <stddef.h>

#define MARKET_CHANNELS_MAX 16u

struct market_instrument {
    alignas(CACHE_LINE_BYTES) int32_t bid_price; /* MD_PRICE_NONE = empty side */
    uint32_t bid_qty;
    int32_t ask_price;
    uint32_t ask_qty;
    uint64_t symbol;        /* 0 = not defined yet */
    int64_t position;       /* shares, long > 0; fills of this lcore's orders */
    union {
        struct {
            uint64_t open_buy_qty; /* reserved by orders that may still trade */
            uint64_t open_sell_qty;
        };
        uint64_t open_qty[2];      /* the same by side: ACCOUNT_BUY, ACCOUNT_SELL */
    };
    union {
        struct {
            uint8_t state;          /* 'T' trading, 'H' 'P' 'Q' not; 0 unknown */
            uint8_t operational;    /* 'H' halted by operations, 'T', 0 unknown */
            uint8_t short_sale;     /* Reg SHO '0' '1' '2', 0 unknown */
            bool untradable;        /* its book is not to be trusted */
            bool ours;              /* we hold or held some, or have or had orders: its mark follows the market */
            uint8_t tick;           /* enum reference_tick */
            uint8_t reference;      /* enum reference_flag, or-ed; 0 = the reference file does not know it */
            uint8_t reserved;
        };
        uint64_t said; /* the same eight bytes at a glance */
    };
    int32_t last_price;     /* of the newest trade, MD_PRICE_NONE = unknown */
    /* second line: what the gate asks beside the above, and what few events change */
    alignas(CACHE_LINE_BYTES) __int128 cost; /* of the position, of its sign */
    struct own_side own_buy, own_sell; /* our open orders */
    int32_t mark;           /* price that position and open orders are valued at, MD_PRICE_NONE = none yet */
    int32_t close_price;    /* previous close, MD_PRICE_NONE = unknown */
    int32_t tick_size;      /* reference file, where tick says so */
    uint32_t lot;           /* shares; 0 = any number */
    int32_t collar_upper, collar_lower; /* LULD auction collar, MD_PRICE_NONE = unknown */
    uint32_t ipo_release_s; /* IPO quotation release, s since midnight; 0 = unknown, or cancelled */
};
_Static_assert(sizeof(struct market_instrument) == 2 * CACHE_LINE_BYTES, "two lines per instrument");
_Static_assert(offsetof(struct market_instrument, cost) == CACHE_LINE_BYTES, "the gate's line");

struct market_channel {
    struct market_instrument *instruments;
    uint64_t *known;        /* a bit for each instrument that an event was about since the channel began anew */
    uint32_t instrument_count;
    bool stale;             /* between MD_STALE_BEGIN and MD_STALE_END, or events were lost to an overrun */
    bool silent;            /* stale because no line of the feed says anything new: its rx lcore knows by its clock */
    bool lost;              /* events were lost to an overrun and have not been made good by a refresh */
    bool session_ended;
    uint8_t system;         /* code of the newest system event, 0 = unknown */
    uint8_t mwcb_breached;  /* market-wide circuit breakers: level '1' '2' '3', 0 = none known */
    uint64_t mwcb_level_e8[3]; /* their prices, 8 decimals; 0 = unknown */
    uint64_t midnight_ns;   /* exchange's midnight, ns since the UTC epoch; the caller's */
};

/* Shares of a symbol whose instrument no event has defined yet: what orders of earlier lives of the gateway bought,
 * sold and still have open. Moved into the instrument when the first event names it; from then on it is the home of the
 * symbol's orders that were entered here, whatever becomes of its name. */
#define MARKET_CARRIED_MAX 16384u /* more symbols than an exchange lists; a power of two */
struct market_carried {
    uint64_t symbol;        /* 0 = free */
    int64_t position;
    uint64_t open_buy_qty, open_sell_qty;
    __int128 cost;
    struct own_side own_buy, own_sell;
    struct market_instrument *home; /* NULL = not defined yet */
};

struct trades;
struct market {
    struct market_channel channel[MARKET_CHANNELS_MAX];
    uint32_t channel_count;
    uint32_t lapped_channels; /* a bit for each that has lost events since its session began, made good or not */
    uint64_t now_ns;        /* decision time: the newest MD_TIME */
    const struct reference *reference; /* NULL: no reference file */
    struct own_node *own;   /* nodes of our open orders, those of struct open_orders; NULL: none are entered here */
    struct account account;
    struct market_carried carried[MARKET_CARRIED_MAX];
    uint32_t carried_count; /* without a home; 0: nothing to look for when an instrument is defined */
    uint64_t carried_full_count; /* symbols that there was no room for: their positions are not known */
    uint64_t out_of_range_count; /* events that name no instrument of ours: a mistake of the producer */
    struct trades *trades;  /* executions that a venue may yet break; NULL: none are kept */
};

/* Bytes for the instruments of all channels. */
size_t market_footprint(const uint32_t *instrument_counts, uint32_t channel_count);
/* `memory`: market_footprint bytes, aligned to a cache line. */
void market_init(struct market *market, void *memory, const uint32_t *instrument_counts, uint32_t channel_count);

/* Take one event in. MD_SESSION and MD_RESET empty the channel's symbols, states and BBOs, and what is known of the
 * market as a whole; positions and reservations stay (found again by symbol is the caller's business: within a day a
 * locate does not change its meaning). A refresh (MD_REFRESH) leaves the channel stale from its MD_RESET to its end. */
void market_apply(struct market *market, const struct md_event *event);

/* Events of these channels (bits) were lost: they are stale until a refresh has ended, or everything begins anew with
 * MD_SESSION or MD_RESET. An instrument's best prices are right again with its next event, but a trading halt among the
 * lost events would not be seen again, and the end of some other hole (MD_STALE_END) says nothing about what this lcore
 * has missed. */
void market_lost(struct market *market, uint32_t channels);

/* The instrument that `symbol` names, of the first channel that knows it; false: none does yet. Walks: not for the hot
 * path. */
bool market_symbol_find(const struct market *market, uint64_t symbol, uint16_t *ret_channel, uint16_t *ret_instrument);
/* Change what is carried for a symbol without an instrument, bought or sold at `price`; where it has got one since,
 * change that. False: no room, counted. Only the first call for a symbol can find no room. */
bool market_carry(struct market *market, uint64_t symbol, int64_t position, int32_t price, int64_t open_buy_qty,
                  int64_t open_sell_qty);
/* Our open orders of one side of a symbol: of its home, or carried. NULL: nothing is carried for it. */
struct own_side *market_carried_side(struct market *market, uint64_t symbol, bool buy);

/* Is there such an instrument? */
static inline bool market_has(const struct market *market, uint16_t channel, uint16_t instrument)
{
    return channel < market->channel_count && instrument < market->channel[channel].instrument_count;
}
/* The instrument, or NULL when there is no such one. */
static inline struct market_instrument *market_find(struct market *market, uint16_t channel, uint16_t instrument)
{
    return market_has(market, channel, instrument) ? &market->channel[channel].instruments[instrument] : NULL;
}

/* Is it ours, with a mark? What is reserved then changes sums alone. */
static inline bool account_owns(const struct market_instrument *instrument)
{
    return instrument->mark != MD_PRICE_NONE; /* what is not ours has none */
}

/* Shares of open orders of an instrument: `change` more, or less, on the side of `letter`. CHECK: never less than 0.
 * `price`: of the order, MD_PRICE_NONE where it does not matter any more. */
static inline void account_reserve(struct market *market, struct market_instrument *instrument, uint8_t strategy,
                                   uint8_t letter, int64_t change, int32_t price)
{
    const uint32_t side = account_side(letter);

    if (UNLIKELY(!account_owns(instrument))) {
        account_reserve_first(market, instrument, strategy, side, change, price);
        return;
    }
    account_book(&market->account.lcore, instrument->open_qty, side, change,
                 account_step(instrument->position, instrument->open_qty, side, change).grows, instrument->mark);
    if (account_shares(&market->account, strategy))
        account_reserve_share(market, instrument, strategy, side, change);
}

#endif
