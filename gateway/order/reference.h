/* Reference data of a day and the positions that it begins with: two files of comma separated values, from bytes to
 * rows. Both begin with their date, so that yesterday's file is not taken for today's. Pure: the caller reads the file
 * and holds the memory. Control thread, before anything is armed; the rows are read by strategy lcores when an
 * instrument gets its symbol.
 *
 *   date,2026-11-27                                    date,2026-11-27
 *   symbol,tick,lot,close,restricted,borrowable        symbol,shares,price
 *   AAPL,nms,1,227.52,no,yes                           AAPL,-300,226.1050
 *   BRK.A,0.01,1,,no,no                                MSFT,1200,416.9
 *
 * tick: a price step; nms: one cent from one dollar up, 0.0001 below (Regulation NMS, 242.612); any. lot: shares, 0 =
 * any number. close: of the day before, may be empty. price: average price paid, or received for what is short. Prices
 * have up to four decimals. Lines may end with CR LF; empty lines and those that begin with '#' are passed over.
 * Symbols are written once, without blanks, in any order. */
#ifndef GATEWAY_ORDER_REFERENCE_H
#define GATEWAY_ORDER_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REFERENCE_ROWS_MAX      65536u
#define REFERENCE_POSITIONS_MAX 1024u /* far less than a lcore carries before instruments are defined */
#define REFERENCE_DATE_LEN      10u   /* YYYY-MM-DD */
#define REFERENCE_SHARES_MAX    2147483647

enum reference_tick { REFERENCE_TICK_ANY = 0, REFERENCE_TICK_SIZE, REFERENCE_TICK_NMS };
enum reference_flag {
    REFERENCE_KNOWN = 1u << 0,
    REFERENCE_RESTRICTED = 1u << 1, /* not to be traded */
    REFERENCE_BORROWABLE = 1u << 2, /* located, or easy to borrow */
};

struct reference_row {
    uint64_t symbol;     /* as md_symbol() */
    int32_t close_price; /* MD_PRICE_NONE = not given */
    int32_t tick_size;   /* where tick says so */
    uint32_t lot;        /* 0 = any number */
    uint8_t tick;        /* enum reference_tick */
    uint8_t flags;       /* enum reference_flag, or-ed */
    uint16_t reserved;
    uint32_t line; /* of the file */
};

struct reference_position {
    uint64_t symbol;
    int64_t shares; /* short < 0 */
    int32_t price;
    uint32_t line;
};

struct reference {
    const struct reference_row *rows; /* ascending by symbol */
    uint32_t row_count;
};

/* What is wrong, where, and how to write it. */
struct reference_error {
    uint32_t line; /* from 1 */
    char text[200];
};

/* Bytes to rows, ascending by symbol. False: the first thing that is wrong is in *ret_error, and what is in ret_rows is
 * of no use. `rows_max` of them fit. */
bool reference_parse(const char *bytes, size_t len, struct reference_row *ret_rows, uint32_t rows_max,
                     uint32_t *ret_row_count, char ret_date[REFERENCE_DATE_LEN + 1], struct reference_error *ret_error);
bool reference_parse_positions(const char *bytes, size_t len, struct reference_position *ret_rows, uint32_t rows_max,
                               uint32_t *ret_row_count, char ret_date[REFERENCE_DATE_LEN + 1],
                               struct reference_error *ret_error);

/* The row of a symbol, or NULL. Logarithmic. */
const struct reference_row *reference_find(const struct reference *reference, uint64_t symbol);

/* Does the price lie on the tick? `price` > 0. */
static inline bool reference_on_tick(uint8_t tick, int32_t tick_size, int32_t price)
{
    if (tick == REFERENCE_TICK_ANY)
        return true;
    if (tick == REFERENCE_TICK_NMS)
        return price < 10000 || price % 100 == 0;
    return price % tick_size == 0;
}

#endif
