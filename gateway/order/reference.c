/* See reference.h. The bytes are hostile: each field is measured before it is read, and nothing is believed that was
 * not checked. */
#include "gateway/order/reference.h"

#include "ring/md_event.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS_MAX 6u
#define SYMBOL_MAX 8u

struct field {
    const char *text;
    size_t len;
};

/* One file on its way. */
struct reading {
    const char *at, *end;
    uint32_t line; /* of the fields in hand */
    struct field field[FIELDS_MAX];
    uint32_t field_count; /* FIELDS_MAX + 1: more than that */
    struct reference_error *error;
};

static bool __attribute__((format(printf, 2, 3))) wrong(struct reading *reading, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(reading->error->text, sizeof(reading->error->text), format, args);
    va_end(args);
    reading->error->line = reading->line > 0 ? reading->line : 1;
    for (char *at = reading->error->text; *at; at++)
        if (*at < ' ' || *at > '~')
            *at = '?';
    return false;
}

/* The fields of the next line that has any; false: no more. */
static bool next(struct reading *reading)
{
    while (reading->at < reading->end) {
        const char *begin = reading->at;
        const char *stop = memchr(begin, '\n', (size_t)(reading->end - begin));
        const char *end = stop ? stop : reading->end;
        reading->at = stop ? stop + 1 : reading->end;
        reading->line++;
        if (end > begin && end[-1] == '\r')
            end--;
        if (begin == end || *begin == '#')
            continue;
        reading->field_count = 0;
        for (bool more = true; more && reading->field_count <= FIELDS_MAX; reading->field_count++) {
            const char *comma = memchr(begin, ',', (size_t)(end - begin));
            if (reading->field_count < FIELDS_MAX)
                reading->field[reading->field_count] = (struct field){begin, (size_t)((comma ? comma : end) - begin)};
            more = comma != NULL;
            begin = comma ? comma + 1 : end;
        }
        return true;
    }
    return false;
}

static bool is(struct field field, const char *word)
{
    return field.len == strlen(word) && memcmp(field.text, word, field.len) == 0;
}

/* How much of a field a message shows. */
static int shown(struct field field)
{
    return field.len < 40 ? (int)field.len : 40;
}

/* Digits alone, without a sign; false: none, others, or more than `max`. */
static bool digits(const char *text, size_t len, uint64_t max, uint64_t *ret_value)
{
    uint64_t value = 0;

    if (len == 0 || len > 18)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    if (value > max)
        return false;
    *ret_value = value;
    return true;
}

/* A price above 0 with up to four decimals, in 1/10,000. */
static bool price(struct field field, int32_t *ret_price)
{
    const char *point = memchr(field.text, '.', field.len);
    const size_t whole_len = point ? (size_t)(point - field.text) : field.len;
    const size_t decimals = point ? field.len - whole_len - 1 : 0;
    uint64_t whole, fraction = 0;

    if (!digits(field.text, whole_len, INT32_MAX / 10000, &whole) || (point && (decimals == 0 || decimals > 4)))
        return false;
    if (point && !digits(point + 1, decimals, 9999, &fraction))
        return false;
    for (size_t i = decimals; i < 4; i++)
        fraction *= 10;
    const uint64_t value = whole * 10000 + fraction;
    if (value == 0 || value > INT32_MAX)
        return false;
    *ret_price = (int32_t)value;
    return true;
}

static bool symbol(struct reading *reading, struct field field, uint64_t *ret_symbol)
{
    char text[SYMBOL_MAX + 1] = {0};

    for (size_t i = 0; i < field.len; i++)
        if (field.text[i] <= ' ' || field.text[i] > '~')
            return wrong(reading, "symbol '%.*s' holds a blank or a letter outside ASCII; write the venue's symbol",
                         shown(field), field.text);
        else if (field.text[i] >= 'a' && field.text[i] <= 'z')
            return wrong(reading, "symbol '%.*s' has small letters, which no symbol of the venue has; write it in "
                                  "capitals",
                         shown(field), field.text);
    if (field.len == 0 || field.len > SYMBOL_MAX)
        return wrong(reading, "symbol '%.*s' has %zu letters; write 1 to %u", shown(field), field.text, field.len,
                     SYMBOL_MAX);
    memcpy(text, field.text, field.len);
    *ret_symbol = md_symbol(text);
    return true;
}

/* The two lines that each file begins with: its date, and the names of its columns. */
static bool head(struct reading *reading, const char *columns, char ret_date[REFERENCE_DATE_LEN + 1])
{
    char found[64] = "";
    size_t len = 0;

    if (!next(reading) || reading->field_count != 2 || !is(reading->field[0], "date"))
        return wrong(reading, "the file does not begin with its date; write a line 'date,YYYY-MM-DD' first");
    const struct field date = reading->field[1];
    for (size_t i = 0; i < date.len; i++)
        if (date.len != REFERENCE_DATE_LEN ||
            (i == 4 || i == 7 ? date.text[i] != '-' : date.text[i] < '0' || date.text[i] > '9'))
            return wrong(reading, "'%.*s' is no date; write YYYY-MM-DD", shown(date), date.text);
    if (date.len == 0)
        return wrong(reading, "the date is missing; write YYYY-MM-DD");
    memcpy(ret_date, date.text, REFERENCE_DATE_LEN);
    ret_date[REFERENCE_DATE_LEN] = '\0';
    if (!next(reading))
        return wrong(reading, "the file ends after its date; write the columns '%s' next", columns);
    for (uint32_t i = 0; i < reading->field_count && i < FIELDS_MAX && len < sizeof(found); i++)
        len += (size_t)snprintf(found + len, sizeof(found) - len, "%s%.*s", i ? "," : "", shown(reading->field[i]),
                                reading->field[i].text);
    if (reading->field_count > FIELDS_MAX || strcmp(found, columns) != 0)
        return wrong(reading, "the columns are not '%s'; write exactly these", columns);
    return true;
}

static bool yes_no(struct reading *reading, struct field field, const char *column, uint8_t flag, uint8_t *flags)
{
    if (is(field, "yes"))
        *flags |= flag;
    else if (!is(field, "no"))
        return wrong(reading, "%s '%.*s' is neither yes nor no; write one of these", column, shown(field), field.text);
    return true;
}

static bool row(struct reading *reading, struct reference_row *ret_row)
{
    const struct field *field = reading->field;
    uint64_t lot;

    *ret_row = (struct reference_row){.close_price = MD_PRICE_NONE, .flags = REFERENCE_KNOWN, .line = reading->line};
    if (!symbol(reading, field[0], &ret_row->symbol))
        return false;
    if (is(field[1], "nms"))
        ret_row->tick = REFERENCE_TICK_NMS;
    else if (price(field[1], &ret_row->tick_size))
        ret_row->tick = REFERENCE_TICK_SIZE;
    else if (!is(field[1], "any"))
        return wrong(reading, "tick '%.*s' is no price step; write nms, any, or a price as in 0.01", shown(field[1]),
                     field[1].text);
    if (!digits(field[2].text, field[2].len, 1000000, &lot))
        return wrong(reading, "lot '%.*s' is no number of shares; write 0 to 1000000", shown(field[2]), field[2].text);
    ret_row->lot = (uint32_t)lot;
    if (field[3].len > 0 && !price(field[3], &ret_row->close_price))
        return wrong(reading, "close '%.*s' is no price; write one above 0 with up to four decimals, or nothing",
                     shown(field[3]), field[3].text);
    return yes_no(reading, field[4], "restricted", REFERENCE_RESTRICTED, &ret_row->flags) &&
           yes_no(reading, field[5], "borrowable", REFERENCE_BORROWABLE, &ret_row->flags);
}

static bool position(struct reading *reading, struct reference_position *ret_row)
{
    const struct field *field = reading->field;
    const bool minus = field[1].len > 0 && field[1].text[0] == '-';
    uint64_t shares;

    *ret_row = (struct reference_position){.line = reading->line};
    if (!symbol(reading, field[0], &ret_row->symbol))
        return false;
    if (!digits(field[1].text + minus, field[1].len - minus, REFERENCE_SHARES_MAX, &shares) || shares == 0)
        return wrong(reading, "shares '%.*s' is no number of shares; write 1 to %d, with '-' for what is short",
                     shown(field[1]), field[1].text, REFERENCE_SHARES_MAX);
    ret_row->shares = minus ? -(int64_t)shares : (int64_t)shares;
    if (!price(field[2], &ret_row->price))
        return wrong(reading, "price '%.*s' is no price; write one above 0 with up to four decimals", shown(field[2]),
                     field[2].text);
    return true;
}

static int by_symbol(const void *a, const void *b)
{
    uint64_t left, right; /* the first member of both kinds of rows */

    memcpy(&left, a, sizeof(left));
    memcpy(&right, b, sizeof(right));
    return left < right ? -1 : left > right;
}

static bool count_matches(struct reading *reading, uint32_t columns, uint32_t row_count, uint32_t rows_max)
{
    if (reading->field_count != columns)
        return wrong(reading, "the line has %u columns%s; write %u", reading->field_count,
                     reading->field_count > FIELDS_MAX ? " or more" : "", columns);
    if (row_count == rows_max)
        return wrong(reading, "more than %u symbols; remove some", rows_max);
    return true;
}

static bool twice(struct reading *reading, uint64_t symbol_value, uint32_t line, uint32_t other)
{
    char text[SYMBOL_MAX + 1];

    md_symbol_text(symbol_value, text);
    reading->line = line > other ? line : other;
    return wrong(reading, "%s is listed twice, first on line %u; remove one", text, line > other ? other : line);
}

bool reference_parse(const char *bytes, size_t len, struct reference_row *ret_rows, uint32_t rows_max,
                     uint32_t *ret_row_count, char ret_date[REFERENCE_DATE_LEN + 1], struct reference_error *ret_error)
{
    struct reading reading = {.at = bytes, .end = bytes + len, .error = ret_error};
    uint32_t row_count = 0;

    if (!head(&reading, "symbol,tick,lot,close,restricted,borrowable", ret_date))
        return false;
    while (next(&reading)) {
        if (!count_matches(&reading, 6, row_count, rows_max) || !row(&reading, &ret_rows[row_count]))
            return false;
        row_count++;
    }
    qsort(ret_rows, row_count, sizeof(*ret_rows), by_symbol);
    for (uint32_t i = 1; i < row_count; i++)
        if (ret_rows[i].symbol == ret_rows[i - 1].symbol)
            return twice(&reading, ret_rows[i].symbol, ret_rows[i].line, ret_rows[i - 1].line);
    *ret_row_count = row_count;
    return true;
}

bool reference_parse_positions(const char *bytes, size_t len, struct reference_position *ret_rows, uint32_t rows_max,
                               uint32_t *ret_row_count, char ret_date[REFERENCE_DATE_LEN + 1],
                               struct reference_error *ret_error)
{
    struct reading reading = {.at = bytes, .end = bytes + len, .error = ret_error};
    uint32_t row_count = 0;

    if (!head(&reading, "symbol,shares,price", ret_date))
        return false;
    while (next(&reading)) {
        if (!count_matches(&reading, 3, row_count, rows_max) || !position(&reading, &ret_rows[row_count]))
            return false;
        row_count++;
    }
    qsort(ret_rows, row_count, sizeof(*ret_rows), by_symbol);
    for (uint32_t i = 1; i < row_count; i++)
        if (ret_rows[i].symbol == ret_rows[i - 1].symbol)
            return twice(&reading, ret_rows[i].symbol, ret_rows[i].line, ret_rows[i - 1].line);
    *ret_row_count = row_count;
    return true;
}

const struct reference_row *reference_find(const struct reference *reference, uint64_t symbol_value)
{
    uint32_t low = 0, high = reference->row_count;

    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (reference->rows[middle].symbol < symbol_value)
            low = middle + 1;
        else
            high = middle;
    }
    return low < reference->row_count && reference->rows[low].symbol == symbol_value ? &reference->rows[low] : NULL;
}
