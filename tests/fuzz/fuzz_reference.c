/* The files of a day: whatever their bytes, rows are in order and in range, and what is wrong has a line and a
 * sentence. The first byte chooses the kind of file. */
#include "gateway/order/reference.h"

#include "ring/check.h"
#include "ring/md_event.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#define ROWS 64u

static void check_error(const struct reference_error *error)
{
    CHECK(error->line >= 1);
    CHECK(memchr(error->text, '\0', sizeof(error->text)) && error->text[0] != '\0');
    for (const char *at = error->text; *at; at++)
        CHECK(*at >= ' ' && *at <= '~');
}

static void check_reference(const char *bytes, size_t len)
{
    struct reference_row rows[ROWS];
    struct reference_error error;
    char date[REFERENCE_DATE_LEN + 1];
    uint32_t count;

    if (!reference_parse(bytes, len, rows, ROWS, &count, date, &error)) {
        check_error(&error);
        return;
    }
    CHECK(count <= ROWS && strlen(date) == REFERENCE_DATE_LEN);
    const struct reference reference = {rows, count};
    for (uint32_t i = 0; i < count; i++) {
        CHECK(i == 0 || rows[i - 1].symbol < rows[i].symbol);
        CHECK(rows[i].close_price == MD_PRICE_NONE || rows[i].close_price > 0);
        CHECK(rows[i].tick != REFERENCE_TICK_SIZE || rows[i].tick_size > 0);
        CHECK(rows[i].lot <= 1000000 && (rows[i].flags & REFERENCE_KNOWN) != 0);
        CHECK(reference_find(&reference, rows[i].symbol) == &rows[i]);
    }
}

static void check_positions(const char *bytes, size_t len)
{
    struct reference_position rows[ROWS];
    struct reference_error error;
    char date[REFERENCE_DATE_LEN + 1];
    uint32_t count;

    if (!reference_parse_positions(bytes, len, rows, ROWS, &count, date, &error)) {
        check_error(&error);
        return;
    }
    CHECK(count <= ROWS && strlen(date) == REFERENCE_DATE_LEN);
    for (uint32_t i = 0; i < count; i++) {
        CHECK(i == 0 || rows[i - 1].symbol < rows[i].symbol);
        CHECK(rows[i].shares != 0 && llabs(rows[i].shares) <= REFERENCE_SHARES_MAX && rows[i].price > 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len == 0 || len > FUZZ_GUARDED_MAX)
        return 0;
    const char *bytes = (const char *)fuzz_copy_guarded(data + 1, len - 1);
    if ((data[0] & 1) != 0)
        check_positions(bytes, len - 1);
    else
        check_reference(bytes, len - 1);
    return 0;
}
