/* reference: what a day begins with, every field at the ends of its range, and what is wrong with a file in one
 * sentence with its line. */
#include "gateway/order/reference.h"

#include "ring/md_event.h"

#include <criterion/criterion.h>
#include <string.h>

#define ROWS           8u
#define HEAD           "date,2026-11-27\nsymbol,tick,lot,close,restricted,borrowable\n"
#define POSITIONS_HEAD "date,2026-11-27\nsymbol,shares,price\n"

static struct reference_row rows[ROWS];
static struct reference_position positions[ROWS];
static struct reference_error error;
static uint32_t count;
static char date[REFERENCE_DATE_LEN + 1];

static bool parse(const char *text)
{
    return reference_parse(text, strlen(text), rows, ROWS, &count, date, &error);
}

static bool parse_positions(const char *text)
{
    return reference_parse_positions(text, strlen(text), positions, ROWS, &count, date, &error);
}

Test(reference, rows_come_in_the_order_of_their_symbols)
{
    cr_assert(parse("# made by hand\ndate,2026-11-27\r\n\nsymbol,tick,lot,close,restricted,borrowable\n"
                    "MSFT,0.01,100,416.9,no,yes\r\nAAPL,nms,1,227.5200,yes,no\n#\nBRK.A,any,0,,no,no"));
    cr_assert_eq(count, 3u);
    cr_assert_str_eq(date, "2026-11-27");
    const struct reference reference = {rows, count};
    const struct reference_row *row = reference_find(&reference, md_symbol("AAPL"));
    cr_assert(row && row->tick == REFERENCE_TICK_NMS && row->lot == 1 && row->close_price == 2275200);
    cr_assert(row->flags == (REFERENCE_KNOWN | REFERENCE_RESTRICTED) && row->line == 6);
    row = reference_find(&reference, md_symbol("MSFT"));
    cr_assert(row && row->tick == REFERENCE_TICK_SIZE && row->tick_size == 100 && row->lot == 100);
    cr_assert(row->close_price == 4169000 && row->flags == (REFERENCE_KNOWN | REFERENCE_BORROWABLE));
    row = reference_find(&reference, md_symbol("BRK.A"));
    cr_assert(row && row->tick == REFERENCE_TICK_ANY && row->lot == 0 && row->close_price == MD_PRICE_NONE);
    cr_assert_null(reference_find(&reference, md_symbol("IBM")));
    cr_assert_null(reference_find(&reference, 0));
    cr_assert_null(reference_find(&reference, UINT64_MAX));
    const struct reference none = {NULL, 0};
    cr_assert_null(reference_find(&none, md_symbol("AAPL")));
}

Test(reference, positions_are_long_and_short)
{
    cr_assert(parse_positions(POSITIONS_HEAD "MSFT,1200,416.9\nAAPL,-300,226.1051\n"));
    cr_assert_eq(count, 2u);
    cr_assert(positions[0].symbol == md_symbol("AAPL") && positions[0].shares == -300 &&
              positions[0].price == 2261051 && positions[0].line == 4);
    cr_assert(positions[1].symbol == md_symbol("MSFT") && positions[1].shares == 1200);
    cr_assert(parse_positions(POSITIONS_HEAD "A,2147483647,214748.3647\nB,-2147483647,0.0001"));
    cr_assert(positions[0].price == INT32_MAX && positions[1].price == 1 && positions[1].shares == -2147483647);
    cr_assert(parse_positions(POSITIONS_HEAD), "a day may begin flat");
    cr_assert_eq(count, 0u);
}

Test(reference, what_is_wrong_is_said_with_its_line)
{
    static const struct {
        const char *text;
        uint32_t line;
        const char *sentence;
    } cases[] = {
        {"", 1, "the file does not begin with its date"},
        {"\n\n", 2, "the file does not begin with its date"},
        {"symbol,tick", 1, "the file does not begin with its date"},
        {"date", 1, "the file does not begin with its date"},
        {"date,", 1, "the date is missing"},
        {"date,2026-11-27,x", 1, "the file does not begin with its date"},
        {"date,2026/11/27", 1, "'2026/11/27' is no date"},
        {"date,2026-11-277", 1, "'2026-11-277' is no date"},
        {"date,2026-11-2x", 1, "'2026-11-2x' is no date"},
        {"date,2026-11-27", 1, "the file ends after its date"},
        {"date,2026-11-27\nsymbol,tick\n", 2, "the columns are not"},
        {"date,2026-11-27\nsymbol,tick,lot,close,restricted,borrowable,more\n", 2, "the columns are not"},
        {HEAD "A,nms,1,,no", 3, "the line has 5 columns; write 6"},
        {HEAD "A,nms,1,,no,no,", 3, "the line has 7 columns or more; write 6"},
        {HEAD ",nms,1,,no,no", 3, "symbol '' has 0 letters"},
        {HEAD "ABCDEFGHI,nms,1,,no,no", 3, "symbol 'ABCDEFGHI' has 9 letters"},
        {HEAD "A B,nms,1,,no,no", 3, "symbol 'A B' holds a blank"},
        {HEAD "A\xc3\xa4,nms,1,,no,no", 3, "symbol 'A\?\?' holds a blank"},
        {HEAD "Aa,nms,1,,no,no", 3, "symbol 'Aa' has small letters"},
        {HEAD "A,NMS,1,,no,no", 3, "tick 'NMS' is no price step"},
        {HEAD "A,0,1,,no,no", 3, "tick '0' is no price step"},
        {HEAD "A,,1,,no,no", 3, "tick '' is no price step"},
        {HEAD "A,nms,-1,,no,no", 3, "lot '-1' is no number"},
        {HEAD "A,nms,1000001,,no,no", 3, "lot '1000001' is no number"},
        {HEAD "A,nms,,,no,no", 3, "lot '' is no number"},
        {HEAD "A,nms,1,0.00001,no,no", 3, "close '0.00001' is no price"},
        {HEAD "A,nms,1,1.,no,no", 3, "close '1.' is no price"},
        {HEAD "A,nms,1,.5,no,no", 3, "close '.5' is no price"},
        {HEAD "A,nms,1,0.0,no,no", 3, "close '0.0' is no price"},
        {HEAD "A,nms,1,-1,no,no", 3, "close '-1' is no price"},
        {HEAD "A,nms,1,214748.3648,no,no", 3, "close '214748.3648' is no price"},
        {HEAD "A,nms,1,999999999999999999999999,no,no", 3, "is no price"},
        {HEAD "A,nms,1,,No,no", 3, "restricted 'No' is neither yes nor no"},
        {HEAD "A,nms,1,,no,", 3, "borrowable '' is neither yes nor no"},
        {HEAD "A,nms,1,,no,no\nB,nms,1,,no,no\nA,any,1,,no,no", 5, "A is listed twice, first on line 3"},
        {HEAD "A,nms,1,,no,no\nB,nms,1,,no,no\nC,nms,1,,no,no\nD,nms,1,,no,no\nE,nms,1,,no,no\nF,nms,1,,no,no\n"
              "G,nms,1,,no,no\nH,nms,1,,no,no\nI,nms,1,,no,no\n",
         11, "more than 8 symbols"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_assert_not(parse(cases[i].text), "case %zu", i);
        cr_assert_eq(error.line, cases[i].line, "case %zu: line %u", i, error.line);
        cr_assert_not_null(strstr(error.text, cases[i].sentence), "case %zu: %s", i, error.text);
    }
    static const struct {
        const char *text;
        const char *sentence;
    } wrong[] = {
        {POSITIONS_HEAD "A,0,1", "shares '0' is no number"},
        {POSITIONS_HEAD "A,-0,1", "shares '-0' is no number"},
        {POSITIONS_HEAD "A,-,1", "shares '-' is no number"},
        {POSITIONS_HEAD "A,+1,1", "shares '+1' is no number"},
        {POSITIONS_HEAD "A,2147483648,1", "shares '2147483648' is no number"},
        {POSITIONS_HEAD "A,1,", "price '' is no price"},
        {POSITIONS_HEAD "A,1,0", "price '0' is no price"},
        {POSITIONS_HEAD "A,1", "the line has 2 columns; write 3"},
        {POSITIONS_HEAD "A,1,1\nA,1,1", "A is listed twice, first on line 3"},
        {HEAD, "the columns are not 'symbol,shares,price'"},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        cr_assert_not(parse_positions(wrong[i].text), "case %zu", i);
        cr_assert_not_null(strstr(error.text, wrong[i].sentence), "case %zu: %s", i, error.text);
    }
}

Test(reference, a_file_cut_anywhere_is_refused_or_shorter)
{
    static const char text[] = HEAD "AAPL,nms,1,227.52,no,yes\nMSFT,0.01,100,416.9,no,yes\n";
    for (size_t len = 0; len < sizeof(text) - 1; len++) {
        char cut[sizeof(text)];
        memcpy(cut, text, len); /* no end behind it */
        if (reference_parse(cut, len, rows, ROWS, &count, date, &error))
            cr_assert_leq(count, 2u);
        else
            cr_assert(error.line >= 1 && error.text[0] != '\0');
    }
}

Test(reference, ticks)
{
    cr_assert(reference_on_tick(REFERENCE_TICK_ANY, 0, 7));
    cr_assert(reference_on_tick(REFERENCE_TICK_SIZE, 5, 10));
    cr_assert_not(reference_on_tick(REFERENCE_TICK_SIZE, 5, 11));
    cr_assert(reference_on_tick(REFERENCE_TICK_NMS, 0, 9999), "below one dollar");
    cr_assert(reference_on_tick(REFERENCE_TICK_NMS, 0, 10000));
    cr_assert_not(reference_on_tick(REFERENCE_TICK_NMS, 0, 10001));
    cr_assert(reference_on_tick(REFERENCE_TICK_NMS, 0, 10100));
}
