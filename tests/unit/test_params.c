/* params: what the config says is what the rooms below are told. */
#include "gateway/params.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char text[] =
    "lcores:\n"
    "  - {name: rx0, role: rx, cpu: 0}\n"
    "  - {name: trade0, role: strategy, cpu: 1}\n"
    "ports:\n"
    "  - {name: md, device: net_ring}\n"
    "feeds:\n"
    "  - name: first\n"
    "    session_date: \"2026-01-05\"\n"
    "    instruments_max: 100\n"
    "    lines: [{name: A, port: md, group: 239.1.1.1, udp_port: 1}]\n"
    "  - name: second\n"
    "    session_date: \"2023-08-22\"\n"
    "    join: anywhere\n"
    "    instruments_max: 200\n"
    "    orders_max: 2048\n"
    "    levels_max: 1024\n"
    "    reorder_packets: 7\n"
    "    reorder_us: 90\n"
    "    lines: [{name: A, port: md, group: 239.1.1.1, udp_port: 2}, "
    "{name: B, port: md, group: 239.1.1.2, udp_port: 2}]\n"
    "strategies:\n"
    "  - {name: p, kind: probe, feed: second, symbols: [ABC, XYZ], params: {every: 5, quantity: 3}}\n"
    "  - {name: q, kind: probe, feed: second, symbols: [XYZ, B, AB]}\n";

Test(params, a_config_arrives_in_the_rooms_below)
{
    static struct config_findings findings;
    struct config *config = NULL;
    char path[] = "/tmp/tickgate-params-XXXXXX";
    const int descriptor = mkstemp(path);

    cr_assert_eq(write(descriptor, text, strlen(text)), (ssize_t)strlen(text));
    close(descriptor);
    const int error = config_load(path, &config, &findings);
    unlink(path);
    cr_assert_eq(error, 0, "%s", findings.finding[0].text);

    const struct channel_params first = params_channel(config, 0, true), second = params_channel(config, 1, true);
    cr_assert(first.first_seq == 1 && first.line_count == 1 && first.index == 0);
    cr_assert(second.first_seq == 0 && second.line_count == 2 && second.index == 1);
    cr_assert(second.book.instruments_max == 200 && second.book.orders_max == 2048 && second.book.levels_max == 1024);
    cr_assert(second.reorder_packets == 7 && second.reorder_ns == 90000);
    cr_assert_eq(first.midnight_ns, UINT64_C(1767589200000000000), "05:00 UTC in winter");
    cr_assert_eq(second.midnight_ns, UINT64_C(1692676800000000000), "04:00 UTC in summer");
    cr_assert_gt(channel_footprint(&first), 0u);
    cr_assert_gt(channel_footprint(&second), 0u);

    static uint64_t symbols[PARAMS_TRADED_MAX];
    struct reference_position held[] = {{.symbol = md_symbol("HELD")}, {.symbol = md_symbol("ABC")}};
    const struct reference_file daily = {.positions = held, .position_count = 2};
    cr_assert_eq(params_traded(config, 0, NULL, symbols), 0u);
    cr_assert_eq(params_traded(config, 1, NULL, symbols), 4u, "of two lists, each once");
    for (uint32_t i = 1; i < 4; i++)
        cr_assert_lt(symbols[i - 1], symbols[i]);
    cr_assert_eq(params_traded(config, 1, &daily, symbols), 5u);
    cr_assert_eq(params_traded(config, 0, &daily, symbols), 2u, "what is held may be of any feed");

    struct params_strategy params;
    params_strategy(config, 0, &params);
    cr_assert(params.setup.channel_count == 2 && params.setup.instrument_counts[1] == 200);
    cr_assert(params.setup.symbol_count == 2 && params.setup.symbols[1] == md_symbol("XYZ"));
    cr_assert_eq(params.setup.symbols_channel, 1);
    cr_assert_eq(params.setup.param_count, 2u);
    cr_assert_str_eq(params.setup.params[0].key, "every");
    cr_assert_str_eq(params.setup.params[1].value, "3");
    config_free(config);
}
