/* The record that crosses cores: 56 bytes, with its sequence number in md_ring one cache line.
 *
 * An rx lcore writes it, strategy lcores read it, nobody changes it in between. A strategy that trades on top of book
 * needs nothing else: every event carries the best bid and ask as they are after it, so that a reader that lost
 * events is right again with the next event of that instrument. */
#ifndef RING_MD_EVENT_H
#define RING_MD_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* What happened. Values are part of the event hash: append, never renumber. */
enum md_type {
    MD_NONE = 0,
    MD_TIME = 1,        /* a frame begins: exchange_ns holds the frame's own time (ns since the UTC epoch), the
                         * decision time of every event up to the next MD_TIME; outside the event hash */
    MD_DEFINE = 2,      /* instrument known: ref = symbol (md_symbol), qty = round lot (0 unknown) */
    MD_ADD = 3,         /* order enters the book: side, price, qty, ref */
    MD_EXECUTE = 4,     /* qty of a resting order executed: side and price are the order's */
    MD_CANCEL = 5,      /* qty of a resting order cancelled, the rest keeps its place */
    MD_DELETE = 6,      /* order leaves the book: qty = what was left */
    MD_TRADE = 7,       /* a print that does not touch the book, or the true price of the MD_EXECUTE before it
                         * (flag MD_CORRECTS): price, qty, ref = match number */
    MD_CROSS = 8,       /* auction print: price, qty (saturated), ref = match number, side = cross type */
    MD_BROKEN = 9,      /* trade broken: ref = match number */
    MD_STATE = 10,      /* trading state: side = 'H' halted, 'P' paused, 'Q' quotation only, 'T' trading; in a refresh
                         * also 0 = unknown; ref = reason, four letters in its low bytes as in md_symbol */
    MD_SHORT_SALE = 11, /* Reg SHO: side = '0' none, '1' restriction in effect intraday, '2' restriction remains */
    MD_COLLAR = 12,     /* LULD auction collar: price = reference, ref = upper in the high, lower in the low 32 bits,
                         * qty = extension number */
    MD_OPERATIONAL = 13, /* operational halt: side = 'H' or 'T', ref = market code */
    MD_IPO = 14,        /* IPO quotation release: price, qty = release time (s since midnight), side = qualifier */
    MD_IMBALANCE = 15,  /* NOII part 1: side = direction, qty = imbalance shares (saturated), price = near price,
                         * ref = paired shares */
    MD_IMBALANCE_REF = 16, /* NOII part 2: price = reference, ref = far price, qty = price variation indicator,
                         * side = cross type */
    MD_RETAIL = 17,     /* retail interest: side = 'B' 'S' 'A' 'N' */
    MD_PARTICIPANT = 18, /* market participant position: ref = MPID, side = participant state, qty = mode letter and
                         * primary-market-maker letter (<< 8) */
    MD_MWCB_LEVEL = 19, /* market-wide circuit breaker level: side = '1' '2' '3', ref = price with 8 decimals */
    MD_MWCB_BREACH = 20, /* side = breached level */
    MD_LISTING = 21,    /* direct listing with capital raise, part 1: price = near execution price, ref = minimum price
                         * in the high, maximum in the low 32 bits, side = open eligibility */
    MD_LISTING_COLLAR = 22, /* part 2: ref = upper collar high, lower collar low 32 bits, qty = execution time, s */
    MD_SYSTEM = 23,     /* system event of the channel: side = event code */
    MD_STALE_BEGIN = 24, /* messages are missing: every instrument of the channel is stale. ref = first missing
                         * sequence, qty = how many as far as is known (saturated); qty 0: no line says anything new */
    MD_STALE_END = 25,  /* the channel is whole again: all that was missing has been applied. ref = sequence that is
                         * delivered next. Behind MD_SESSION_END: that was none, the session goes on */
    MD_SESSION = 26,    /* a feed session begins: books and directory are empty, ref = first 8 letters of its name */
    MD_SESSION_END = 27, /* the venue has ended the session */
    MD_UNRELIABLE = 28, /* an order of this instrument could not be entered: its book is not to be trusted (flag
                         * MD_UNTRADABLE) until the next session or MD_RESET. In a refresh, without that flag: its depth
                         * is too much to be sent, its best prices are good */
    MD_RESET = 29,      /* books and directory of the channel are empty, as with MD_SESSION, but the session goes on:
                         * all that is known of it follows (a snapshot; with MD_REFRESH: to this reader) */
    MD_TYPE_COUNT
};

enum md_flag {
    MD_STALE = 1u << 0,     /* the channel had an unfilled hole when this was published */
    MD_MORE = 1u << 1,      /* the same feed message goes on in the next event */
    MD_REFRESH = 1u << 2,   /* sent to one reader only, to bring it up to date; outside every hash */
    MD_SATURATED = 1u << 3, /* qty, or the quantity of a BBO side, was larger than its field */
    MD_REPLACE = 1u << 4,   /* this MD_DELETE and the following MD_ADD are one replace */
    MD_CORRECTS = 1u << 5,  /* MD_TRADE: the real price of the execution before it */
    MD_HIDDEN = 1u << 6,    /* MD_TRADE or MD_EXECUTE: not to be counted in volume (non-printable) */
    MD_UNTRADABLE = 1u << 7, /* the book of this instrument is not to be trusted (price out of range, memory full) */
    MD_AUCTION = 1u << 8,   /* MD_TRADE or MD_CROSS printed by an auction */
};

#define MD_PRICE_NONE INT32_MIN /* no price: an empty side, a market order */
#define MD_INSTRUMENT_NONE 0xffffu

/* Prices are integers in the instrument's own price unit (ITCH: 1/10,000 dollar). Negative prices are legal. */
struct md_event {
    uint8_t type;         /* enum md_type */
    uint8_t side;         /* 'B' or 'S'; for state-like types the letter given above; 0 none */
    uint16_t flags;       /* enum md_flag, or-ed */
    uint16_t channel;     /* index of the feed channel in the config, from 0 */
    uint16_t instrument;  /* index within the channel (ITCH: stock locate); MD_INSTRUMENT_NONE = the whole channel */
    int32_t price;        /* MD_PRICE_NONE where there is none */
    uint32_t qty;         /* shares or contracts */
    uint64_t ref;         /* order reference; see enum md_type for the others */
    uint64_t exchange_ns; /* venue's time, ns since the UTC epoch */
    uint64_t rx_tsc;      /* TSC when the burst that held the frame returned; for measuring only */
    int32_t bid_price;    /* best bid after the event; MD_PRICE_NONE = empty side */
    uint32_t bid_qty;
    int32_t ask_price;
    uint32_t ask_qty;
};

_Static_assert(sizeof(struct md_event) == 56, "md_event and its sequence number are one cache line");
_Static_assert(offsetof(struct md_event, price) == 8, "md_event layout");
_Static_assert(offsetof(struct md_event, ref) == 16, "md_event layout");
_Static_assert(offsetof(struct md_event, rx_tsc) == 32, "md_event layout");
_Static_assert(offsetof(struct md_event, bid_price) == 40, "md_event layout");

/* Events are written, copied and read a word at a time, never wider: a load of sixteen bytes that two stores of eight
 * have just written waits until they are in the cache, behind all before them that missed it. memcpy of a whole event
 * is such loads, and memcpy is what GCC makes of a loop over words: hence no loop. */
#define MD_EVENT_WORDS 7u
#define MD_EVENT_EACH_WORD(step) step(0) step(1) step(2) step(3) step(4) step(5) step(6)

static inline void md_event_word(struct md_event *event, uint32_t i, uint64_t word)
{
    memcpy((uint8_t *)event + i * sizeof(word), &word, sizeof(word));
}

static inline uint64_t md_event_word_of(const struct md_event *event, uint32_t i)
{
    uint64_t word;
    memcpy(&word, (const uint8_t *)event + i * sizeof(word), sizeof(word));
    return word;
}

static inline void md_event_write(struct md_event *ret_event, struct md_event event)
{
    md_event_word(ret_event, 0,
                  (uint64_t)event.type | (uint64_t)event.side << 8 | (uint64_t)event.flags << 16 |
                      (uint64_t)event.channel << 32 | (uint64_t)event.instrument << 48);
    md_event_word(ret_event, 1, (uint64_t)(uint32_t)event.price | (uint64_t)event.qty << 32);
    md_event_word(ret_event, 2, event.ref);
    md_event_word(ret_event, 3, event.exchange_ns);
    md_event_word(ret_event, 4, event.rx_tsc);
    md_event_word(ret_event, 5, (uint64_t)(uint32_t)event.bid_price | (uint64_t)event.bid_qty << 32);
    md_event_word(ret_event, 6, (uint64_t)(uint32_t)event.ask_price | (uint64_t)event.ask_qty << 32);
}

/* Symbol of up to 8 letters as it travels in `ref`: the first letter in the lowest byte, space padded. */
static inline uint64_t md_symbol(const char *text)
{
    uint64_t symbol = 0;
    bool ended = false;
    for (unsigned i = 0; i < 8; i++) {
        ended = ended || text[i] == '\0';
        symbol |= (uint64_t)(uint8_t)(ended ? ' ' : text[i]) << (8 * i);
    }
    return symbol;
}

/* The text of a symbol without its padding; `ret_text` has room for 9 bytes. */
static inline void md_symbol_text(uint64_t symbol, char ret_text[9])
{
    unsigned len = 0;
    for (unsigned i = 0; i < 8; i++) {
        ret_text[i] = (char)(symbol >> (8 * i));
        if (ret_text[i] != ' ' && ret_text[i] != '\0')
            len = i + 1;
    }
    ret_text[len] = '\0';
}

/* Order-dependent 64-bit hash of everything that a strategy may decide on: not the TSC, not MD_TIME, not refreshes
 * (these two leave it as it is). `hash` is the value so far, 0 at the start. Each step is a bijection of the hash, so
 * that events that differ in one word never give the same value. */
static inline uint64_t md_event_hash(uint64_t hash, const struct md_event *event)
{
    if (event->type == MD_TIME || (event->flags & MD_REFRESH) != 0)
        return hash;
    const uint64_t words[6] = {
        (uint64_t)event->type | (uint64_t)event->side << 8 | (uint64_t)event->flags << 16 |
            (uint64_t)event->channel << 32 | (uint64_t)event->instrument << 48,
        (uint64_t)(uint32_t)event->price | (uint64_t)event->qty << 32,
        event->ref,
        event->exchange_ns,
        (uint64_t)(uint32_t)event->bid_price | (uint64_t)event->bid_qty << 32,
        (uint64_t)(uint32_t)event->ask_price | (uint64_t)event->ask_qty << 32,
    };
    for (unsigned i = 0; i < 6; i++) {
        hash = (hash ^ words[i]) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 32;
    }
    return hash;
}

#endif
