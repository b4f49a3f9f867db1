/* line: a destination finds its line, and only its own. */
#include "gateway/line.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct channel *channel_number(uintptr_t i)
{
    return (struct channel *)(i + 1); /* never looked into */
}

Test(line, group_and_port_together_name_a_line)
{
    struct lines *lines = calloc(1, sizeof(*lines));
    cr_assert(line_add(lines, 0xe9360c6f, 26477, 0, channel_number(0), 0));
    cr_assert(line_add(lines, 0xe931c46f, 26477, 0x0a000001, channel_number(0), 1));
    cr_assert(line_add(lines, 0xe9360c6f, 26478, 0, channel_number(1), 0));

    cr_assert_eq(line_find(lines, 0xe9360c6f, 26477)->line, 0);
    cr_assert_eq(line_find(lines, 0xe931c46f, 26477)->source, 0x0a000001u);
    cr_assert_eq(line_find(lines, 0xe9360c6f, 26478)->channel, channel_number(1));
    cr_assert_null(line_find(lines, 0xe9360c6f, 26479));
    cr_assert_null(line_find(lines, 0xe9360c70, 26477));
    /* The same multicast MAC address, another group (RFC 1112 maps 32 of them to each). */
    cr_assert_null(line_find(lines, 0xe9b60c6f, 26477));
    free(lines);
}

Test(line, taken_and_impossible_destinations_are_refused)
{
    struct lines *lines = calloc(1, sizeof(*lines));
    cr_assert(line_add(lines, 0xe0000001, 1, 0, channel_number(0), 0));
    cr_assert_not(line_add(lines, 0xe0000001, 1, 5, channel_number(1), 0), "taken");
    cr_assert_not(line_add(lines, 0, 1, 0, channel_number(1), 0), "zero marks a free slot");
    cr_assert_null(line_find(lines, 0, 1));
    free(lines);
}

Test(line, a_full_table_still_finds_all_and_ends_every_search)
{
    struct lines *lines = calloc(1, sizeof(*lines));
    for (uint32_t i = 0; i < LINES_MAX; i++)
        cr_assert(line_add(lines, 0xef000000 + i * 65536 / 7, (uint16_t)(1000 + i % 3), 0, channel_number(i), 0));
    cr_assert_not(line_add(lines, 0xefffffff, 9, 0, channel_number(0), 0));
    for (uint32_t i = 0; i < LINES_MAX; i++)
        cr_assert_eq(line_find(lines, 0xef000000 + i * 65536 / 7, (uint16_t)(1000 + i % 3))->channel,
                     channel_number(i));
    for (uint32_t i = 0; i < 100000; i++)
        cr_assert_null(line_find(lines, 0xe1000000 + i * 977, (uint16_t)i));
    free(lines);
}
