/* config/: every sentence that a wrong config gets, with its line; what a good one means; and that no text, however
 * damaged, is more than refused. Each test works on GOOD, on RECOVERING for what a feed does about loss, or on TRADING
 * for an order session; their line numbers are written beside them. */
#include "config/config.h"
#include "config/config_midnight.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char GOOD[] =
    /*  1 */ "gateway:\n"
             /*  2 */ "  name: lab\n"
             /*  3 */ "  mode: two-core\n"
             /*  4 */ "  memory_mb: 128\n"
             /*  5 */ "  ring_slots: 1024\n"
             /*  6 */ "lcores:\n"
             /*  7 */ "  - name: rx0\n"
             /*  8 */ "    role: rx\n"
             /*  9 */ "    cpu: 0\n"
             /* 10 */ "  - name: trade0\n"
             /* 11 */ "    role: strategy\n"
             /* 12 */ "    cpu: 1\n"
             /* 13 */ "ports:\n"
             /* 14 */ "  - name: md\n"
             /* 15 */ "    device: net_ring\n"
             /* 16 */ "    mtu: 9000\n"
             /* 17 */ "  - name: out\n"
             /* 18 */ "    device: 0000:03:00.0\n"
             /* 19 */ "feeds:\n"
             /* 20 */ "  - name: itch\n"
             /* 21 */ "    protocol: itch50\n"
             /* 22 */ "    lcore: rx0\n"
             /* 23 */ "    session_date: 2023-08-22\n"
             /* 24 */ "    time_zone: America/New_York\n"
             /* 25 */ "    join: anywhere\n"
             /* 26 */ "    instruments_max: 512\n"
             /* 27 */ "    lines:\n"
             /* 28 */ "      - name: A\n"
             /* 29 */ "        port: md\n"
             /* 30 */ "        group: 233.54.12.111\n"
             /* 31 */ "        udp_port: 26477\n"
             /* 32 */ "        source: 198.51.100.7\n"
             /* 33 */ "      - name: B\n"
             /* 34 */ "        port: md\n"
             /* 35 */ "        group: 233.49.196.111\n"
             /* 36 */ "        udp_port: 26477\n"
             /* 37 */ "strategies:\n"
             /* 38 */ "  - name: t0\n"
             /* 39 */ "    kind: taker\n"
             /* 40 */ "    lcore: trade0\n"
             /* 41 */ "    feed: itch\n"
             /* 42 */ "    symbols: [AAPL, 'ON', \"TRUE\"]\n"
             /* 43 */ "    params:\n"
             /* 44 */ "      edge: 0x10\n"
             /* 45 */ "      text: 010\n"
             /* 46 */ "orders:\n"
             /* 47 */ "  port: out\n"
             /* 48 */ "  peer_mac: 02:00:00:00:00:0B\n"
             /* 49 */ "  local_ip: 192.0.2.1\n"
             /* 50 */ "  peer_ip: 192.0.2.2\n"
             /* 51 */ "  local_port: 1\n"
             /* 52 */ "  peer_port: 65535\n"
             /* 53 */ "  fills: immediate\n"
             /* 54 */ "risk:\n"
             /* 55 */ "  kill: true\n"
             /* 56 */ "  order_qty_max: 7\n"
             /* 57 */ "  collar_bps: 0\n"
             /* 58 */ "latency:\n"
             /* 59 */ "  stages: true\n"
             /* 60 */ "telemetry:\n"
             /* 61 */ "  enabled: false\n"
             /* 62 */ "  report_s: 0\n";

static const char RECOVERING[] =
    /*  1 */ "gateway: {mode: inline}\n"
             /*  2 */ "lcores: [{name: rx0, role: rx, cpu: 0}]\n"
             /*  3 */ "ports:\n"
             /*  4 */ "  - {name: md, device: net_ring}\n"
             /*  5 */ "  - {name: other, device: net_ring}\n"
             /*  6 */ "feeds:\n"
             /*  7 */ "  - name: itch\n"
             /*  8 */ "    time_zone: UTC\n"
             /*  9 */ "    join: snapshot\n"
             /* 10 */ "    hold_messages: 4194304\n"
             /* 11 */ "    stale: after-window\n"
             /* 12 */ "    silence_ms: 250\n"
             /* 13 */ "    checksum: verify\n"
             /* 14 */ "    retransmission:\n"
             /* 15 */ "      transport: port\n"
             /* 16 */ "      port: md\n"
             /* 17 */ "      local_ip: 192.0.2.10\n"
             /* 18 */ "      local_port: 40002\n"
             /* 19 */ "      peer_mac: 02:00:00:00:00:0c\n"
             /* 20 */ "      servers:\n"
             /* 21 */ "        - {address: 192.0.2.1, udp_port: 17000}\n"
             /* 22 */ "        - address: 192.0.2.2\n"
             /* 23 */ "          udp_port: 17001\n"
             /* 24 */ "      request_messages: 65\n"
             /* 25 */ "      timeout_us: 100\n"
             /* 26 */ "      timeout_max_us: 40000\n"
             /* 27 */ "    snapshot:\n"
             /* 28 */ "      servers:\n"
             /* 29 */ "        - {address: 192.0.2.3, tcp_port: 18000}\n"
             /* 30 */ "      username: abc123\n"
             /* 31 */ "      password: \"0123456789\"\n"
             /* 32 */ "      retry_ms: 1\n"
             /* 33 */ "      retry_max_ms: 9\n"
             /* 34 */ "    lines:\n"
             /* 35 */ "      - {name: A, port: md, group: 233.54.12.111, udp_port: 26477}\n"
             /* 36 */ "      - {name: B, port: md, group: 233.49.196.111, udp_port: 26477}\n"
             /* 37 */ "strategies:\n"
             /* 38 */ "  - {name: s, kind: probe, on_overrun: stop-trading}\n"
             /* 39 */ "faults:\n"
             /* 40 */ "  seed: 42\n"
             /* 41 */ "  lines:\n"
             /* 42 */ "    - line: B\n"
             /* 43 */ "      loss: 0.5\n"
             /* 44 */ "      duplicate: 100\n"
             /* 45 */ "      reorder: 0.0000001\n"
             /* 46 */ "      corrupt: 12.3456789\n"
             /* 47 */ "      skew_us: 10\n"
             /* 48 */ "      jitter_us: 5\n"
             /* 49 */ "      stall_every_ms: 1000\n"
             /* 50 */ "      stall_ms: 20\n"
             /* 51 */ "      restart_at: 7000\n"
             /* 52 */ "    - {feed: itch, line: A}\n";

static const char TRADING[] =
    /*  1 */ "gateway: {control_sleep_us: 50}\n"
             /*  2 */ "lcores:\n"
             /*  3 */ "  - {name: rx0, role: rx, cpu: 0}\n"
             /*  4 */ "  - {name: trade0, role: strategy, cpu: 1}\n"
             /*  5 */ "  - {name: trade1, role: strategy, cpu: 2}\n"
             /*  6 */ "ports:\n"
             /*  7 */ "  - {name: md, device: net_ring}\n"
             /*  8 */ "  - {name: out, device: net_ring}\n"
             /*  9 */ "  - {name: out2, device: net_ring}\n"
             /* 10 */ "feeds:\n"
             /* 11 */ "  - name: itch\n"
             /* 12 */ "    time_zone: UTC\n"
             /* 13 */ "    lines:\n"
             /* 14 */ "      - {name: A, port: md, group: 233.54.12.111, udp_port: 26477}\n"
             /* 15 */ "      - {name: B, port: md, group: 233.49.196.111, udp_port: 26477}\n"
             /* 16 */ "strategies:\n"
             /* 17 */ "  - {name: s0, kind: probe, lcore: trade1}\n"
             /* 18 */ "  - {name: s1, kind: probe, lcore: trade1}\n"
             /* 19 */ "orders:\n"
             /* 20 */ "  carrier: tcp\n"
             /* 21 */ "  lcore: trade1\n"
             /* 22 */ "  port: out\n"
             /* 23 */ "  control_port: out2\n"
             /* 24 */ "  local_mac: 02:00:00:00:00:0a\n"
             /* 25 */ "  local_ip: 192.0.2.10\n"
             /* 26 */ "  peer_ip: 198.51.100.1\n"
             /* 27 */ "  local_port: 40001\n"
             /* 28 */ "  peer_port: 40000\n"
             /* 29 */ "  prefix_len: 25\n"
             /* 30 */ "  gateway_ip: 192.0.2.1\n"
             /* 31 */ "  username: abc123\n"
             /* 32 */ "  password: \"0123456789\"\n"
             /* 33 */ "  session: \"0000000042\"\n"
             /* 34 */ "  heartbeat_ms: 100\n"
             /* 35 */ "  timeout_ms: 9000\n"
             /* 36 */ "  login_timeout_ms: 800\n"
             /* 37 */ "  retry_ms: 1\n"
             /* 38 */ "  retry_max_ms: 70\n"
             /* 39 */ "  slow_path: refuse\n"
             /* 40 */ "  cancel_on_disconnect: true\n"
             /* 41 */ "  probe_ms: 6\n"
             /* 42 */ "  answer_timeout_ms: 5\n"
             /* 43 */ "  warm_us: 4\n"
             /* 44 */ "  refs_file: refs/one\n"
             /* 45 */ "  refs_headroom: 3000\n"
             /* 46 */ "  refs_leap_max: 5000\n"
             /* 47 */ "  sim: {order_us: 1, answer_us: 0}\n"
             /* 48 */ "risk: {kill: true}\n"
             /* 49 */ "kill: {watchdog_ms: 0, repeat_ms: 1, confirm_ms: 10}\n";

static struct config_findings findings;
static char shown_path[64];

/* Load `text` from a file of its own. */
static int load_bytes(const char *text, size_t text_len, struct config **ret_config)
{
    snprintf(shown_path, sizeof(shown_path), "/tmp/test_config.XXXXXX");
    const int fd = mkstemp(shown_path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, text_len), (ssize_t)text_len);
    close(fd);
    const int error = config_load(shown_path, ret_config, &findings);
    unlink(shown_path);
    cr_assert_eq(error == 0, findings.error_count == 0, "a refusal has a finding, a success none");
    for (uint32_t i = 0; i < findings.count; i++) {
        cr_assert(strncmp(findings.finding[i].text, shown_path, strlen(shown_path)) == 0, "names the file");
        cr_assert_null(strchr(findings.finding[i].text, '\n'));
    }
    return error;
}

static struct config *load_good(const char *text)
{
    struct config *config = NULL;
    const int error = load_bytes(text, strlen(text), &config);
    cr_assert_eq(error, 0, "%d: %s", error, findings.finding[0].text);
    return config;
}

/* `good` with the first `from` replaced by `to`; the caller frees it. */
static char *with_in(const char *good, const char *from, const char *to)
{
    const char *place = strstr(good, from);
    char *text = NULL;
    cr_assert_not_null(place, "'%s' is in the text", from);
    cr_assert_geq(asprintf(&text, "%.*s%s%s", (int)(place - good), good, to, place + strlen(from)), 0);
    return text;
}

static char *with(const char *from, const char *to)
{
    return with_in(GOOD, from, to);
}

static bool found(const char *sentence)
{
    for (uint32_t i = 0; i < findings.count; i++)
        if (strcmp(findings.finding[i].text + strlen(shown_path), sentence) == 0)
            return true;
    for (uint32_t i = 0; i < findings.count; i++)
        fprintf(stderr, "  found: %s\n", findings.finding[i].text + strlen(shown_path));
    return false;
}

/* `text` is refused with this sentence (after the file's name), and with nothing else. */
static void refused(const char *text, const char *sentence)
{
    struct config *config = NULL;
    cr_assert_eq(load_bytes(text, strlen(text), &config), -EINVAL, "must be refused: %s", sentence);
    cr_assert_null(config, "not written");
    cr_expect(found(sentence), "%s", sentence);
    cr_expect_eq(findings.error_count, 1, "%u errors for: %s", findings.error_count, sentence);
}

static void refused_in(const char *good, const char *from, const char *to, const char *sentence)
{
    char *text = with_in(good, from, to);
    refused(text, sentence);
    free(text);
}

static void refused_with(const char *from, const char *to, const char *sentence)
{
    refused_in(GOOD, from, to, sentence);
}

/* `text` is accepted with this warning. */
static void warned_with(const char *from, const char *to, const char *sentence)
{
    char *text = with(from, to);
    struct config *config = load_good(text);
    cr_expect(found(sentence), "%s", sentence);
    cr_expect_eq(findings.warning_count, 1);
    cr_expect(findings.count > 0 && findings.finding[0].warning);
    config_free(config);
    free(text);
}

static uint64_t symbol(const char *eight)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < 8; i++)
        value |= (uint64_t)(uint8_t)eight[i] << (8 * i);
    return value;
}

Test(config, good_config_comes_back_as_written)
{
    struct config *config = load_good(GOOD);

    cr_expect_eq(findings.warning_count, 0, "%s", findings.finding[0].text);
    cr_expect_str_eq(config->path, shown_path);
    cr_expect_str_eq(config->gateway.name, "lab");
    cr_expect_eq(config->gateway.mode, CONFIG_TWO_CORE);
    cr_expect_eq(config->gateway.memory_mb, 128);
    cr_expect_eq(config->gateway.ring_slots, 1024);
    cr_assert_eq(config->lcore_count, 2);
    cr_expect_str_eq(config->lcore[1].name, "trade0");
    cr_expect_eq(config->lcore[0].role, CONFIG_RX);
    cr_expect_eq(config->lcore[1].role, CONFIG_STRATEGY);
    cr_expect_eq(config->lcore[1].cpu, 1);
    cr_expect_eq(config->lcore[1].line, 10);
    cr_assert_eq(config->port_count, 2);
    cr_expect_str_eq(config->port[0].device, "net_ring");
    cr_expect_str_eq(config->port[1].device, "0000:03:00.0");
    cr_expect_eq(config->port[0].mtu, 9000);
    cr_expect_eq(config->port[1].line, 17);
    cr_assert_eq(config->feed_count, 1);
    const struct config_feed *feed = &config->feed[0];
    cr_expect_eq(feed->lcore_idx, 0);
    cr_expect_str_eq(feed->session_date, "2023-08-22");
    cr_expect_str_eq(feed->time_zone, "America/New_York");
    cr_expect_eq(feed->midnight_ns, UINT64_C(1692676800000000000)); /* 2023-08-22T04:00:00Z */
    cr_expect_eq(feed->join, CONFIG_JOIN_ANYWHERE);
    cr_expect_eq(feed->instruments_max, 512);
    cr_expect_eq(feed->line, 20);
    cr_assert_eq(feed->line_count, 2);
    cr_expect_eq(feed->line_list[0].group, 0xe9360c6f);
    cr_expect_eq(feed->line_list[0].udp_port, 26477);
    cr_expect_eq(feed->line_list[0].source, 0xc6336407);
    cr_expect_eq(feed->line_list[1].source, 0);
    cr_expect_eq(feed->line_list[1].line, 33);
    cr_assert_eq(config->strategy_count, 1);
    const struct config_strategy *strategy = &config->strategy[0];
    cr_expect_str_eq(strategy->kind, "taker");
    cr_expect_eq(strategy->lcore_idx, 1);
    cr_expect_eq(strategy->feed_idx, 0);
    cr_assert_eq(strategy->symbol_count, 3);
    cr_expect_eq(strategy->symbol_list[0], symbol("AAPL    "));
    cr_expect_eq(strategy->symbol_list[1], symbol("ON      "));
    cr_expect_eq(strategy->symbol_list[2], symbol("TRUE    "));
    cr_assert_eq(strategy->param_count, 2);
    cr_expect_str_eq(strategy->param_list[0].key, "edge");
    cr_expect_str_eq(strategy->param_list[0].value, "0x10", "params are the strategy's to judge, raw");
    cr_expect_str_eq(strategy->param_list[1].value, "010");
    cr_expect_eq(strategy->param_list[1].line, 45);
    cr_expect(config->orders.present);
    cr_expect_eq(config->orders.port_idx, 1);
    cr_expect_eq(config->orders.peer_mac[5], 0x0b);
    cr_expect_eq(config->orders.local_ip, 0xc0000201);
    cr_expect_eq(config->orders.local_port, 1);
    cr_expect_eq(config->orders.peer_port, 65535);
    cr_expect_eq(config->orders.fills, CONFIG_FILLS_IMMEDIATE);
    cr_expect(config->risk.kill);
    cr_expect_eq(config->risk.limits.order_qty_max, 7);
    cr_expect_eq(config->risk.limits.collar_bps, 0, "a zero that is written is not a default");
    cr_expect_eq(config->risk.line, 54);
    cr_expect(config->latency.stages);
    cr_expect_not(config->telemetry.enabled);
    cr_expect_eq(config->telemetry.report_s, 0);
    config_free(config);
}

Test(config, recovering_feed_comes_back_as_written)
{
    struct config *config = load_good(RECOVERING);
    const struct config_feed *feed = &config->feed[0];
    const struct config_retransmission *retransmission = &feed->retransmission;
    const struct config_snapshot *snapshot = &feed->snapshot;

    cr_expect_eq(feed->join, CONFIG_JOIN_SNAPSHOT);
    cr_expect_eq(feed->hold_messages, 4194304);
    cr_expect_eq(feed->stale, CONFIG_STALE_AFTER_WINDOW);
    cr_expect_eq(feed->silence_ms, 250);
    cr_expect_eq(feed->checksum, CONFIG_CHECKSUM_VERIFY);
    cr_expect(retransmission->present);
    cr_expect_eq(retransmission->transport, CONFIG_TRANSPORT_PORT);
    cr_expect_eq(retransmission->port_idx, 0);
    cr_expect_eq(retransmission->local_ip, 0xc000020a);
    cr_expect_eq(retransmission->local_port, 40002);
    cr_expect_eq(retransmission->peer_mac[5], 0x0c);
    cr_expect_eq(retransmission->request_messages, 65);
    cr_expect_eq(retransmission->timeout_us, 100);
    cr_expect_eq(retransmission->timeout_max_us, 40000);
    cr_expect_eq(retransmission->line, 14);
    cr_assert_eq(retransmission->server_count, 2);
    cr_expect_eq(retransmission->server_list[0].ip, 0xc0000201);
    cr_expect_eq(retransmission->server_list[1].ip, 0xc0000202);
    cr_expect_eq(retransmission->server_list[1].port, 17001);
    cr_expect_eq(retransmission->server_list[1].line, 22);
    cr_expect(snapshot->present);
    cr_assert_eq(snapshot->server_count, 1);
    cr_expect_eq(snapshot->server_list[0].ip, 0xc0000203);
    cr_expect_eq(snapshot->server_list[0].port, 18000);
    cr_expect_eq(snapshot->server_list[0].line, 29);
    cr_expect_str_eq(snapshot->username, "abc123");
    cr_expect_str_eq(snapshot->password, "0123456789");
    cr_expect_eq(snapshot->retry_ms, 1);
    cr_expect_eq(snapshot->retry_max_ms, 9);
    cr_expect_eq(snapshot->line, 27);
    cr_expect_eq(config->strategy[0].on_overrun, CONFIG_OVERRUN_STOP);
    cr_expect_eq(config->fault_seed, 42);
    cr_assert_eq(config->fault_count, 2);
    const struct config_fault *fault = &config->fault_list[0];
    cr_expect_eq(fault->feed_idx, 0, "the only feed");
    cr_expect_eq(fault->line_idx, 1);
    cr_expect_eq(fault->loss, 5000000);
    cr_expect_eq(fault->duplicate, CONFIG_FAULT_PARTS);
    cr_expect_eq(fault->reorder, 1, "the smallest share is kept");
    cr_expect_eq(fault->corrupt, 123456789, "to the last digit");
    cr_expect_eq(fault->truncate, 0);
    cr_expect_eq(fault->skew_us, 10);
    cr_expect_eq(fault->jitter_us, 5);
    cr_expect_eq(fault->stall_every_ms, 1000);
    cr_expect_eq(fault->stall_ms, 20);
    cr_expect_eq(fault->restart_at, 7000);
    cr_expect_eq(fault->line, 42);
    cr_expect_eq(config->fault_list[1].line_idx, 0);
    cr_expect_eq(config->fault_list[1].restart_at, 0);
    config_free(config);
}

Test(config, order_session_comes_back_as_written)
{
    struct config *config = load_good(TRADING);
    const struct config_orders *orders = &config->orders;

    cr_expect_eq(findings.count, 1, "only that trade0 has no strategy");
    cr_expect_eq(config->gateway.control_sleep_us, 50);
    cr_expect(orders->present);
    cr_expect_eq(orders->carrier, CONFIG_CARRIER_TCP);
    cr_expect_eq(orders->lcore_idx, 2);
    cr_expect_eq(orders->port_idx, 1);
    cr_expect(orders->has_control_port);
    cr_expect_eq(orders->control_port_idx, 2);
    cr_expect_eq(orders->local_mac[5], 0x0a);
    cr_expect_eq(orders->local_ip, 0xc000020a);
    cr_expect_eq(orders->peer_ip, 0xc6336401);
    cr_expect_eq(orders->local_port, 40001);
    cr_expect_eq(orders->peer_port, 40000);
    cr_expect_eq(orders->prefix_len, 25);
    cr_expect_eq(orders->gateway_ip, 0xc0000201);
    cr_expect_str_eq(orders->username, "abc123");
    cr_expect_str_eq(orders->password, "0123456789");
    cr_expect_str_eq(orders->session, "0000000042");
    cr_expect_eq(orders->heartbeat_ms, 100);
    cr_expect_eq(orders->timeout_ms, 9000);
    cr_expect_eq(orders->login_timeout_ms, 800);
    cr_expect_eq(orders->retry_ms, 1);
    cr_expect_eq(orders->retry_max_ms, 70);
    cr_expect_eq(orders->slow_path, CONFIG_SLOW_PATH_REFUSE);
    cr_expect(orders->cancel_on_disconnect);
    cr_expect_eq(orders->probe_ms, 6);
    cr_expect_eq(orders->answer_timeout_ms, 5);
    cr_expect_eq(orders->warm_us, 4);
    cr_expect_str_eq(orders->refs_file, "refs/one");
    cr_expect_eq(orders->refs_headroom, 3000);
    cr_expect_eq(orders->refs_leap_max, 5000);
    cr_expect_eq(config->kill.watchdog_ms, 0);
    cr_expect_eq(config->kill.repeat_ms, 1);
    cr_expect_eq(config->kill.confirm_ms, 10);
    cr_expect_eq(orders->sim.order_us, 1);
    cr_expect_eq(orders->sim.answer_us, 0);
    cr_expect_eq(orders->line, 19);
    config_free(config);
}

/* TRADING with the least that a session of this carrier needs, and `more`; the caller frees it. */
static char *trading_with_least(const char *carrier, const char *more)
{
    const char *section = strstr(TRADING, "orders:\n");
    char *text = NULL;

    cr_assert_geq(asprintf(&text,
                           "%.*sorders:\n  carrier: %s\n  peer_ip: 192.0.2.2\n  peer_port: 40000\n  username: u\n"
                           "  refs_file: r\n%s%s",
                           (int)(section - TRADING), TRADING, carrier, more, strstr(section, "risk:")),
                  0);
    return text;
}

Test(config, absent_keys_of_an_order_session_get_their_documented_defaults)
{
    static const struct {
        enum config_carrier carrier;
        const char *word, *more;
    } rows[] = {{CONFIG_CARRIER_TCP, "tcp", "  lcore: trade1\n  port: out\n  local_ip: 192.0.2.1\n"},
                {CONFIG_CARRIER_KERNEL, "kernel", "  lcore: trade1\n"}};

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *text = trading_with_least(rows[i].word, rows[i].more);
        struct config *config = load_good(text);
        const struct config_orders *orders = &config->orders;
        cr_expect(found(":19: warning: orders.cancel_on_disconnect: is missing, so open orders are taken to outlive a "
                        "broken connection; write what the venue does for this session, true or false"));
        cr_expect_eq(orders->carrier, rows[i].carrier);
        cr_expect_eq(orders->lcore_idx, 2);
        cr_expect_eq(orders->port_idx, i == 0 ? 1 : 0);
        cr_expect_not(orders->has_control_port);
        cr_expect_eq(orders->local_ip, i == 0 ? 0xc0000201 : 0);
        cr_expect_eq(orders->local_port, 0);
        cr_expect_eq(orders->prefix_len, 24);
        cr_expect_eq(orders->gateway_ip, 0);
        cr_expect_str_eq(orders->password, "");
        cr_expect_str_eq(orders->session, "");
        cr_expect_eq(orders->heartbeat_ms, 1000);
        cr_expect_eq(orders->timeout_ms, 15000);
        cr_expect_eq(orders->login_timeout_ms, 5000);
        cr_expect_eq(orders->retry_ms, 500);
        cr_expect_eq(orders->retry_max_ms, 30000);
        cr_expect_eq(orders->slow_path, CONFIG_SLOW_PATH_SEND);
        cr_expect_not(orders->cancel_on_disconnect);
        cr_expect_eq(orders->probe_ms, 10);
        cr_expect_eq(orders->answer_timeout_ms, 10000);
        cr_expect_eq(orders->warm_us, 0);
        cr_expect_eq(orders->refs_leap_max, 10000000);
        cr_expect_eq(orders->refs_headroom, 100000);
        cr_expect_eq(orders->fills, CONFIG_FILLS_NONE);
        cr_expect_eq(orders->open_timeout_ms, 5000);
        cr_expect_eq(orders->sim.order_us, 50);
        cr_expect_eq(orders->sim.answer_us, 50);
        config_free(config);
        free(text);
    }

    /* A default never contradicts what is written beside it. */
    char *text = trading_with_least("kernel", "  lcore: trade1\n  heartbeat_ms: 60000\n  retry_ms: 40000\n");
    struct config *config = load_good(text);
    cr_expect_eq(config->orders.timeout_ms, 120000);
    cr_expect_eq(config->orders.retry_max_ms, 40000);
    config_free(config);
    free(text);

    /* The only strategy lcore needs no naming, nor does the one of mode inline. */
    text = with("  port: out\n  peer_mac: 02:00:00:00:00:0B\n",
                "  carrier: tcp\n  port: out\n  username: u\n  refs_file: r\n  cancel_on_disconnect: false\n");
    config = load_good(text);
    cr_expect_eq(findings.warning_count, 0, "%s", findings.finding[0].text);
    cr_expect_eq(config->orders.lcore_idx, 1);
    config_free(config);
    free(text);
    text = with_in(RECOVERING, "faults:\n",
                   "orders: {carrier: kernel, peer_ip: 192.0.2.1, peer_port: 1, username: u, refs_file: r}\nfaults:\n");
    config = load_good(text);
    cr_expect_eq(config->orders.lcore_idx, 0);
    config_free(config);
    free(text);
}

Test(config, absent_keys_of_recovery_get_their_documented_defaults)
{
    char *text = with("    lines:\n", "    retransmission: {servers: [{address: 192.0.2.1, udp_port: 1}]}\n"
                                      "    snapshot: {username: u, servers: [{address: 192.0.2.1, tcp_port: 1}]}\n"
                                      "    lines:\n");
    struct config *config = load_good(text);
    const struct config_retransmission *retransmission = &config->feed[0].retransmission;
    const struct config_snapshot *snapshot = &config->feed[0].snapshot;

    cr_expect_eq(retransmission->transport, CONFIG_TRANSPORT_KERNEL);
    cr_expect_eq(retransmission->local_ip, 0);
    cr_expect_eq(retransmission->local_port, 0);
    cr_expect_eq(retransmission->request_messages, 64);
    cr_expect_eq(retransmission->in_flight, 4);
    cr_expect_eq(retransmission->rate_per_s, 200);
    cr_expect_eq(retransmission->rate_burst, 20);
    cr_expect_eq(retransmission->timeout_us, 5000);
    cr_expect_eq(retransmission->timeout_max_us, 500000);
    cr_expect_eq(retransmission->attempts, 6);
    cr_expect_eq(retransmission->gap_max, 20000);
    cr_expect_str_eq(snapshot->password, "");
    cr_expect_eq(snapshot->timeout_ms, 5000);
    cr_expect_eq(snapshot->retry_ms, 500);
    cr_expect_eq(snapshot->retry_max_ms, 30000);
    config_free(config);
    free(text);

    /* A default never contradicts what is written beside it. */
    text = with("    lines:\n",
                "    hold_messages: 1024\n"
                "    retransmission: {timeout_us: 600000, servers: [{address: 192.0.2.1, udp_port: 1}]}\n"
                "    snapshot: {username: u, retry_ms: 40000, servers: [{address: 192.0.2.1, tcp_port: 1}]}\n"
                "    lines:\n");
    config = load_good(text);
    cr_expect_eq(config->feed[0].retransmission.timeout_max_us, 600000);
    cr_expect_eq(config->feed[0].retransmission.gap_max, 1024);
    cr_expect_eq(config->feed[0].snapshot.retry_max_ms, 40000);
    config_free(config);
    free(text);

    text = with_in(RECOVERING, "      port: md\n", "");
    config = load_good(text);
    cr_expect_eq(config->feed[0].retransmission.port_idx, 0, "the port of the feed's first line");
    config_free(config);
    free(text);
}

Test(config, absent_keys_get_their_documented_defaults)
{
    struct config *config = load_good("lcores:\n- {name: a, role: rx, cpu: 0}\n- {name: b, role: strategy, cpu: 1}\n"
                                      "ports: [{name: p, device: net_ring}]\n"
                                      "feeds:\n- name: f\n  time_zone: UTC\n  session_date: 2026-01-05\n"
                                      "  lines: [{name: A, group: 224.0.0.1, udp_port: 1}, {name: B, group: 224.0.0.2, "
                                      "udp_port: 1}]\n"
                                      "strategies: [{name: s, kind: probe}]\n");

    cr_expect_str_eq(config->gateway.name, "gateway");
    cr_expect_eq(config->gateway.mode, CONFIG_TWO_CORE);
    cr_expect_eq(config->gateway.memory, CONFIG_MEMORY_AUTO);
    cr_expect_eq(config->gateway.memory_mb, 256);
    cr_expect_eq(config->gateway.burst, 32);
    cr_expect_eq(config->gateway.ring_slots, 65536);
    cr_expect_not(config->gateway.numa_strict);
    cr_expect_eq(config->gateway.control_sleep_us, 200);
    cr_expect_eq(config->port[0].rx_descriptors, 1024);
    cr_expect_eq(config->port[0].tx_descriptors, 1024);
    cr_expect_eq(config->port[0].mtu, 1500);
    cr_expect_not(config->port[0].promiscuous);
    cr_expect_eq(config->port[0].membership, CONFIG_MEMBERSHIP_NONE);
    cr_expect_eq(config->port[0].igmp_version, CONFIG_IGMP_AUTO);
    cr_expect_eq(config->port[0].igmp_refresh_s, 60);
    cr_expect_eq(config->port[0].ip, 0u);
    cr_expect_eq(config->port[0].vlan, 0);
    cr_expect_eq(config->feed[0].lcore_idx, 0, "the only rx lcore");
    cr_expect_eq(config->feed[0].join, CONFIG_JOIN_START);
    cr_expect_eq(config->feed[0].books, CONFIG_BOOKS_ALL);
    cr_expect_eq(config->feed[0].instruments_max, 16384);
    cr_expect_eq(config->feed[0].orders_max, 4194304);
    cr_expect_eq(config->feed[0].levels_max, 1048576);
    cr_expect_eq(config->feed[0].reorder_packets, 64);
    cr_expect_eq(config->feed[0].reorder_us, 2000);
    cr_expect_eq(config->feed[0].hold_messages, 65536);
    cr_expect_eq(config->feed[0].stale, CONFIG_STALE_AT_ONCE);
    cr_expect_eq(config->feed[0].silence_ms, 3000);
    cr_expect_eq(config->feed[0].checksum, CONFIG_CHECKSUM_TRUST);
    cr_expect_not(config->feed[0].retransmission.present);
    cr_expect_not(config->feed[0].snapshot.present);
    cr_expect_eq(config->feed[0].line_list[1].port_idx, 0, "the only port");
    cr_expect_eq(config->strategy[0].lcore_idx, 1, "the only strategy lcore");
    cr_expect_eq(config->strategy[0].feed_idx, 0, "the only feed");
    cr_expect_eq(config->strategy[0].symbol_count, 0);
    cr_expect_eq(config->strategy[0].on_overrun, CONFIG_OVERRUN_RESYNC);
    cr_expect_not(config->orders.present);
    cr_expect_eq(config->orders.carrier, CONFIG_CARRIER_UDP);
    cr_expect_null(config->orders.refs_file);
    cr_expect_eq(config->orders.sim.order_us, 50);
    cr_expect_eq(config->orders.sim.answer_us, 50);
    cr_expect_eq(config->orders.open_timeout_ms, 5000);
    cr_expect_eq(config->orders.frames, 256);
    cr_expect_eq(config->orders.open_orders_max, 4096);
    cr_expect_not(config->risk.kill);
    cr_expect_eq(config->risk.limits.order_qty_max, 100);
    cr_expect_eq(config->risk.limits.order_notional_max, 500000000);
    cr_expect_eq(config->risk.limits.collar_bps, 100);
    cr_expect_eq(config->risk.limits.rate_per_s, 10);
    cr_expect_eq(config->risk.limits.rate_burst, 10);
    cr_expect_eq(config->risk.limits.position_max, 1000);
    cr_expect_not(config->risk.allow_stale);
    cr_expect_eq(config->kill.watchdog_ms, 2000);
    cr_expect_eq(config->kill.repeat_ms, 20);
    cr_expect_eq(config->kill.confirm_ms, 2000);
    cr_expect_not(config->latency.stages);
    cr_expect(config->telemetry.enabled);
    cr_expect_eq(config->telemetry.report_s, 10);
    cr_expect_eq(config->fault_seed, 1);
    cr_expect_eq(config->fault_count, 0);
    config_free(config);
}

Test(config, shipped_configs_load_without_a_finding)
{
    static const char *const names[] = {"example", "demo", "inline"};
    const char *root = getenv("SOURCE_ROOT");
    if (!root)
        cr_skip_test("SOURCE_ROOT is not set");
    for (unsigned i = 0; i < 3; i++) {
        char path[512];
        struct config *config = NULL;
        snprintf(path, sizeof(path), "%s/config/%s.yaml", root, names[i]);
        cr_assert_eq(config_load(path, &config, &findings), 0, "%s", findings.finding[0].text);
        cr_expect_eq(findings.count, 0, "%s", findings.finding[0].text);
        cr_expect_eq(config->gateway.mode, i == 2 ? CONFIG_INLINE : CONFIG_TWO_CORE);
        config_free(config);
    }
}

/* The text of config/example.yaml; the caller frees it. */
static char *manual(void)
{
    const char *root = getenv("SOURCE_ROOT");
    if (!root)
        cr_skip_test("SOURCE_ROOT is not set");
    char path[512];
    snprintf(path, sizeof(path), "%s/config/example.yaml", root);
    FILE *file = fopen(path, "re");
    cr_assert_not_null(file);
    char *text = calloc(1, 65536);
    cr_assert_gt(fread(text, 1, 65535, file), 0);
    fclose(file);
    return text;
}

Test(config, manual_explains_every_key_and_states_its_true_default)
{
    /* A key, behind its section where it is not the first of its name. UINT64_MAX: no default, or one that is a word.
     * The numbers are those of the tests absent_keys_... above. */
    static const struct {
        const char *key;
        uint64_t value;
    } rows[] = {{"name", UINT64_MAX},
                {"mode", UINT64_MAX},
                {"memory", UINT64_MAX},
                {"memory_mb", 256},
                {"burst", 32},
                {"ring_slots", 65536},
                {"numa_strict", UINT64_MAX},
                {"control_sleep_us", 200},
                {"role", UINT64_MAX},
                {"cpu", UINT64_MAX},
                {"device", UINT64_MAX},
                {"rx_descriptors", 1024},
                {"tx_descriptors", 1024},
                {"mtu", 1500},
                {"promiscuous", UINT64_MAX},
                {"rx_queues", UINT64_MAX},
                {"checksum", UINT64_MAX},
                {"xdp_guard", UINT64_MAX},
                {"replace", UINT64_MAX},
                {"control_rate_per_s", 10000},
                {"control_burst", 2000},
                {"feed_rate_per_s", 0},
                {"feed_burst", 100000},
                {"kernel_ports", UINT64_MAX},
                {"membership", UINT64_MAX},
                {"igmp_version", UINT64_MAX},
                {"igmp_refresh_s", 60},
                {"ports.address", UINT64_MAX},
                {"vlan", UINT64_MAX},
                {"protocol", UINT64_MAX},
                {"lcore", UINT64_MAX},
                {"session_date", UINT64_MAX},
                {"time_zone", UINT64_MAX},
                {"join", UINT64_MAX},
                {"books", UINT64_MAX},
                {"instruments_max", 16384},
                {"orders_max", 4194304},
                {"levels_max", 1048576},
                {"reorder_packets", 64},
                {"reorder_us", 2000},
                {"hold_messages", 65536},
                {"stale", UINT64_MAX},
                {"silence_ms", 3000},
                {"checksum", UINT64_MAX},
                {"retransmission", UINT64_MAX},
                {"transport", UINT64_MAX},
                {"servers", UINT64_MAX},
                {"address", UINT64_MAX},
                {"request_messages", 64},
                {"in_flight", 4},
                {"rate_per_s", 200},
                {"rate_burst", 20},
                {"timeout_us", 5000},
                {"timeout_max_us", 500000},
                {"attempts", 6},
                {"gap_max", 20000},
                {"snapshot", UINT64_MAX},
                {"tcp_port", UINT64_MAX},
                {"username", UINT64_MAX},
                {"password", UINT64_MAX},
                {"timeout_ms", 5000},
                {"retry_ms", 500},
                {"retry_max_ms", 30000},
                {"lines", UINT64_MAX},
                {"port", UINT64_MAX},
                {"group", UINT64_MAX},
                {"udp_port", UINT64_MAX},
                {"source", UINT64_MAX},
                {"kind", UINT64_MAX},
                {"plugin", UINT64_MAX},
                {"feed", UINT64_MAX},
                {"symbols", UINT64_MAX},
                {"on_overrun", UINT64_MAX},
                {"params", UINT64_MAX},
                {"carrier", UINT64_MAX},
                {"orders.lcore", UINT64_MAX},
                {"orders.port", UINT64_MAX},
                {"control_port", UINT64_MAX},
                {"local_mac", UINT64_MAX},
                {"peer_mac", UINT64_MAX},
                {"local_ip", UINT64_MAX},
                {"peer_ip", UINT64_MAX},
                {"orders.local_port", UINT64_MAX},
                {"peer_port", UINT64_MAX},
                {"prefix_len", 24},
                {"gateway_ip", UINT64_MAX},
                {"orders.username", UINT64_MAX},
                {"orders.password", UINT64_MAX},
                {"session", UINT64_MAX},
                {"heartbeat_ms", 1000},
                {"orders.timeout_ms", 15000},
                {"login_timeout_ms", 5000},
                {"orders.retry_ms", 500},
                {"orders.retry_max_ms", 30000},
                {"slow_path", UINT64_MAX},
                {"cancel_on_disconnect", UINT64_MAX},
                {"probe_ms", 10},
                {"answer_timeout_ms", 10000},
                {"warm_us", 0},
                {"refs_file", UINT64_MAX},
                {"refs_headroom", 100000},
                {"refs_leap_max", 10000000},
                {"fills", UINT64_MAX},
                {"open_timeout_ms", 5000},
                {"frames", 256},
                {"open_orders_max", 4096},
                {"sim", UINT64_MAX},
                {"order_us", 50},
                {"answer_us", 50},
                {"risk.kill", UINT64_MAX},
                {"order_qty_max", 100},
                {"order_notional_max", 500000000},
                {"collar_bps", 100},
                {"risk.rate_per_s", 10},
                {"risk.rate_burst", 10},
                {"risk.position_max", 1000},
                {"risk.open_orders_max", 0},
                {"risk.collar_last_bps", 0},
                {"risk.collar_close_bps", 0},
                {"risk.gross_max", 0},
                {"risk.net_max", 0},
                {"risk.loss_max", 0},
                {"risk.messages_per_s", 0},
                {"risk.messages_burst", 100},
                {"risk.messages_reserve", 20},
                {"risk.duplicate_ms", 0},
                {"risk.clock_back_ms", 1000},
                {"risk.clock_ahead_ms", 0},
                {"risk.clock_steady_ms", 1000},
                {"risk.no_bbo", UINT64_MAX},
                {"risk.one_sided", UINT64_MAX},
                {"risk.locked", UINT64_MAX},
                {"risk.crossed", UINT64_MAX},
                {"risk.missing_symbol", UINT64_MAX},
                {"risk.self_cross", UINT64_MAX},
                {"risk.short_sale", UINT64_MAX},
                {"risk.hours_from", UINT64_MAX},
                {"risk.hours_to", UINT64_MAX},
                {"risk.early", UINT64_MAX},
                {"risk.late", UINT64_MAX},
                {"risk.mark", UINT64_MAX},
                {"risk.reference_file", UINT64_MAX},
                {"risk.positions_file", UINT64_MAX},
                {"risk.gateway", UINT64_MAX},
                {"allow_stale", UINT64_MAX},
                {"socket", UINT64_MAX},
                {"admin.mode", UINT64_MAX},
                {"admin.group", UINT64_MAX},
                {"audit_file", UINT64_MAX},
                {"watchdog_ms", 2000},
                {"repeat_ms", 20},
                {"confirm_ms", 2000},
                {"stages", UINT64_MAX},
                {"enabled", UINT64_MAX},
                {"report_s", 10},
                {"faults.seed", 1},
                {"faults.lines", UINT64_MAX},
                {"faults.feed", UINT64_MAX},
                {"faults.line", UINT64_MAX},
                {"loss", 0},
                {"duplicate", 0},
                {"reorder", 0},
                {"corrupt", 0},
                {"truncate", 0},
                {"skew_us", 0},
                {"jitter_us", 0},
                {"stall_every_ms", 0},
                {"stall_ms", 0},
                {"restart_at", 0}};
    char *text = manual();
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char word[64];
        const char *place = text;
        const size_t section_len = strcspn(rows[i].key, ".");
        const bool sectioned = rows[i].key[section_len] == '.';
        if (sectioned) {
            snprintf(word, sizeof(word), "%.*s:\n", (int)section_len, rows[i].key);
            place = strstr(text, word);
            cr_assert_not_null(place, "example.yaml has the section of %s", rows[i].key);
        }
        snprintf(word, sizeof(word), " %s:", rows[i].key + (sectioned ? section_len + 1 : 0));
        place = strstr(place, word);
        cr_expect_not_null(place, "example.yaml explains %s", rows[i].key);
        const char *said = place ? strstr(place, "Default: ") : NULL;
        if (rows[i].value != UINT64_MAX && said)
            cr_expect_eq(strtoull(said + 9, NULL, 10), rows[i].value, "default of %s", rows[i].key);
    }
    free(text);
}

Test(config, manual_shows_faults_that_load_once_they_are_made_active)
{
    char *text = manual();
    char *to = strstr(text, "\n#faults:");
    cr_assert_not_null(to);
    for (const char *from = to; *from != '\0'; from++)
        if (*from != '#' || from[-1] != '\n')
            *to++ = *from;
    *to = '\0';
    struct config *config = load_good(text);
    cr_expect_eq(findings.warning_count, 1);
    cr_expect_eq(config->fault_count, 1);
    cr_expect_eq(config->fault_list[0].loss, 5000000);
    config_free(config);
    free(text);
}

/* The manual with its order session replaced by the n-th of those that it shows as comments; the caller frees it. */
static char *manual_with_session(unsigned n)
{
    char *text = manual();
    char *to = strstr(text, "\norders:");
    cr_assert_not_null(to);
    char *from = to;
    for (unsigned i = 0; i <= n; i++) {
        from = strstr(from + 1, "\n#orders:");
        cr_assert_not_null(from);
    }
    for (; strncmp(from, "\n\n", 2) != 0; from++)
        if (*from != '#' || from[-1] != '\n')
            *to++ = *from;
    memmove(to, from, strlen(from) + 1);
    return text;
}

Test(config, manual_shows_an_order_session_of_each_carrier)
{
    char *text = manual();
    struct config *config = load_good(text);
    cr_expect_eq(config->orders.carrier, CONFIG_CARRIER_TCP);
    cr_expect_str_eq(config->lcore[config->orders.lcore_idx].name, "trade0");
    cr_expect_str_eq(config->port[config->orders.port_idx].name, "orders");
    cr_expect_not(config->orders.has_control_port);
    cr_expect_eq(config->orders.gateway_ip, 0xc0000201);
    cr_expect_str_eq(config->orders.username, "tick01");
    cr_expect_str_eq(config->orders.refs_file, "/var/lib/tickgate/nasdaq-equities.refs");
    cr_expect(config->orders.cancel_on_disconnect);
    config_free(config);
    free(text);

    text = manual_with_session(0);
    config = load_good(text);
    cr_expect_eq(config->orders.carrier, CONFIG_CARRIER_KERNEL);
    cr_expect_eq(findings.warning_count, 1, "only that the order port is not used any more");
    cr_expect_not_null(strstr(findings.finding[0].text, "no line and no order session uses port 'orders'"));
    config_free(config);
    free(text);

    text = manual_with_session(1);
    config = load_good(text);
    cr_expect_eq(config->orders.carrier, CONFIG_CARRIER_UDP);
    cr_expect_eq(findings.warning_count, 0, "%s", findings.finding[0].text);
    config_free(config);
    free(text);
}

Test(config, misspelt_numerals_are_refused_with_the_right_spelling)
{
    refused_with("memory_mb: 128", "memory_mb: 12abc",
                 ":4: gateway.memory_mb: '12abc' is not a whole number; write decimal digits only");
    refused_with("memory_mb: 128", "memory_mb: 0128",
                 ":4: gateway.memory_mb: '0128' begins with 0, which some readers take for octal; write 128");
    refused_with("report_s: 0", "report_s: 000",
                 ":62: telemetry.report_s: '000' begins with 0, which some readers take for octal; write 0");
    refused_with("memory_mb: 128", "memory_mb: 0x80",
                 ":4: gateway.memory_mb: '0x80' is not a whole number; write decimal digits only");
    refused_with("memory_mb: 128", "memory_mb: 1e3",
                 ":4: gateway.memory_mb: '1e3' is not a whole number; write decimal digits only");
    refused_with("memory_mb: 128", "memory_mb: -128",
                 ":4: gateway.memory_mb: '-128' is negative; write a number from 0 up");
    refused_with("memory_mb: 128", "memory_mb:", ":4: gateway.memory_mb: has no value; write a whole number");
    refused_with("memory_mb: 128", "memory_mb: 18446744073709551616",
                 ":4: gateway.memory_mb: '18446744073709551616' is too large for any key; write a smaller number");
}

Test(config, misspelt_words_and_booleans_are_refused)
{
    refused_with("mode: two-core", "mode: twocore",
                 ":3: gateway.mode: 'twocore' is not one of the words known here; write one of inline, two-core");
    refused_with("mode: two-core", "mode: 1",
                 ":3: gateway.mode: '1' is not one of the words known here; write one of inline, two-core");
    refused_with("protocol: itch50", "protocol: itch41",
                 ":21: feeds[0].protocol: 'itch41' is not one of the words known here; write itch50");
    refused_with("kill: true", "kill: flase", ":55: risk.kill: 'flase' is neither true nor false; write one of these");
    refused_with("kill: true", "kill: off", ":55: risk.kill: 'off' is neither true nor false; write one of these");
}

Test(config, unknown_and_repeated_keys_name_their_line)
{
    refused_with(
        "  collar_bps: 0", "  collar: 0",
        ":57: risk.collar: there is no such key; use one of kill, order_qty_max, order_notional_max, collar_bps, "
        "collar_last_bps, collar_close_bps, position_max, open_orders_max, gross_max, net_max, loss_max, rate_per_s, "
        "rate_burst, duplicate_ms, hours_from, hours_to, messages_per_s, messages_burst, messages_reserve, "
        "clock_back_ms, clock_ahead_ms, clock_steady_ms, no_bbo, one_sided, locked, crossed, missing_symbol, "
        "self_cross, early, late, short_sale, mark, allow_stale, reference_file, positions_file, gateway");
    static const char *const slips[] = {"colar_bps", "collar_bpss", "callor_bps", "collarbps"};
    for (uint32_t i = 0; i < sizeof(slips) / sizeof(slips[0]); i++) {
        char line[32], said[96];
        snprintf(line, sizeof(line), "  %s: 0", slips[i]);
        snprintf(said, sizeof(said), ":57: risk.%s: there is no such key; did you mean collar_bps?", slips[i]);
        refused_with("  collar_bps: 0", line, said);
    }
    refused_with("  - name: md\n    device: net_ring\n    mtu: 9000", "  - {name: md, device: net_null,size=64}",
                 ":14: ports[0].size=64: is no key, but the rest of the value before it; within {}, put a value that "
                 "has a comma into quotes");
    refused_with("gateway:", "gatway:", ":1: gatway: there is no such key; did you mean gateway?");
    refused_with("  memory_mb: 128", "  name: again", ":4: gateway.name: is given twice, first on line 2; remove one");
    refused_with("      text: 010", "      edge: 2",
                 ":45: strategies[0].params.edge: is given twice, first on line 44; remove one");
    refused_with("      text: 010", "      text: [1]",
                 ":45: strategies[0].params.text: must be a single value; write one after the colon");
}

Test(config, values_of_the_wrong_kind_are_refused)
{
    refused_with("  memory_mb: 128", "  memory_mb: [1]",
                 ":4: gateway.memory_mb: must be a single value, but here is a list; write one value after the colon");
    refused("lcores: 1\n",
            ":1: lcores: must be a list, but here is a single value; write '- ' entries below it, or leave it out");
    refused("gateway:\n",
            ":1: gateway: must be a mapping, but here is nothing; write 'key: value' lines below it, or leave it "
            "out");
    refused("- a\n- b\n",
            ":1: must be a mapping, but here is a list; write 'key: value' lines below it, or leave it out");
    refused_with("    device: net_ring",
                 "    device:", ":15: ports[0].device: has no value; write one, or leave the key out");
    refused_with("    params:\n      edge: 0x10\n      text: 010\n", "    params: [a]\n",
                 ":43: strategies[0].params: must be a mapping; write 'key: value' lines below it");
}

Test(config, ranges_hold_at_both_ends)
{
    static const struct {
        const char *good, *key, *from;
        unsigned line;
        uint64_t min, max;
        bool powers;
    } rows[] = {
        {GOOD, "gateway.memory_mb", "memory_mb: 128", 4, 64, 65536, false},
        {GOOD, "gateway.burst", "memory_mb: 128", 4, 1, 64, false},
        {GOOD, "gateway.ring_slots", "ring_slots: 1024", 5, 64, 16777216, true},
        {GOOD, "lcores[0].cpu", "cpu: 0", 9, 0, 1023, false},
        {GOOD, "ports[0].mtu", "mtu: 9000", 16, 576, 9216, false},
        {GOOD, "ports[0].rx_descriptors", "mtu: 9000", 16, 64, 8192, false},
        {GOOD, "ports[0].tx_descriptors", "mtu: 9000", 16, 64, 8192, false},
        {GOOD, "feeds[0].instruments_max", "instruments_max: 512", 26, 1, 65536, false},
        {GOOD, "feeds[0].orders_max", "instruments_max: 512", 26, 1024, 268435456, false},
        {GOOD, "feeds[0].levels_max", "instruments_max: 512", 26, 1024, 67108864, false},
        {GOOD, "feeds[0].reorder_packets", "instruments_max: 512", 26, 0, 256, false},
        {GOOD, "feeds[0].reorder_us", "instruments_max: 512", 26, 0, 10000000, false},
        {GOOD, "feeds[0].lines[0].udp_port", "udp_port: 26477", 31, 1, 65535, false},
        {GOOD, "orders.local_port", "local_port: 1", 51, 1, 65535, false},
        {GOOD, "orders.peer_port", "peer_port: 65535", 52, 1, 65535, false},
        {GOOD, "orders.open_timeout_ms", "fills: immediate", 53, 1, 86400000, false},
        {GOOD, "orders.frames", "fills: immediate", 53, 16, 4096, true},
        {GOOD, "orders.open_orders_max", "fills: immediate", 53, 16, 1048576, true},
        {GOOD, "risk.order_qty_max", "order_qty_max: 7", 56, 1, 999999, false},
        {GOOD, "risk.order_notional_max", "order_qty_max: 7", 56, 1, 1000000000000000, false},
        {GOOD, "risk.collar_bps", "collar_bps: 0", 57, 0, 10000, false},
        {GOOD, "risk.rate_per_s", "order_qty_max: 7", 56, 1, 10000000, false},
        {GOOD, "risk.collar_last_bps", "order_qty_max: 7", 56, 0, 10000, false},
        {GOOD, "risk.open_orders_max", "order_qty_max: 7", 56, 0, 1048576, false},
        {GOOD, "risk.gross_max", "order_qty_max: 7", 56, 0, 1000000000000000000, false},
        {GOOD, "risk.net_max", "order_qty_max: 7", 56, 0, 1000000000000000000, false},
        {GOOD, "risk.loss_max", "order_qty_max: 7", 56, 0, 1000000000000000000, false},
        {GOOD, "risk.duplicate_ms", "order_qty_max: 7", 56, 0, 3600000, false},
        {GOOD, "risk.messages_per_s", "order_qty_max: 7", 56, 0, 10000000, false},
        {GOOD, "risk.messages_burst", "order_qty_max: 7", 56, 1, 1000000, false},
        {GOOD, "risk.messages_reserve", "order_qty_max: 7", 56, 0, 1000000, false},
        {GOOD, "risk.clock_back_ms", "order_qty_max: 7", 56, 0, 3600000, false},
        {GOOD, "risk.clock_ahead_ms", "order_qty_max: 7", 56, 0, 3600000, false},
        {GOOD, "risk.clock_steady_ms", "order_qty_max: 7", 56, 0, 3600000, false},
        {GOOD, "risk.rate_burst", "order_qty_max: 7", 56, 1, 1000000, false},
        {GOOD, "risk.position_max", "order_qty_max: 7", 56, 7, 2147483647, false},
        {GOOD, "telemetry.report_s", "report_s: 0", 62, 0, 86400, false},
        {RECOVERING, "feeds[0].hold_messages", "hold_messages: 4194304", 10, 1024, 4194304, true},
        {RECOVERING, "feeds[0].silence_ms", "silence_ms: 250", 12, 0, 3600000, false},
        {RECOVERING, "feeds[0].retransmission.local_port", "local_port: 40002", 18, 1, 65535, false},
        {RECOVERING, "feeds[0].retransmission.servers[1].udp_port", "udp_port: 17001", 23, 1, 65535, false},
        {RECOVERING, "feeds[0].retransmission.request_messages", "request_messages: 65", 24, 1, 65534, false},
        {RECOVERING, "feeds[0].retransmission.in_flight", "request_messages: 65", 24, 1, 16, false},
        {RECOVERING, "feeds[0].retransmission.rate_per_s", "request_messages: 65", 24, 1, 100000, false},
        {RECOVERING, "feeds[0].retransmission.rate_burst", "request_messages: 65", 24, 1, 1000, false},
        {RECOVERING, "feeds[0].retransmission.attempts", "request_messages: 65", 24, 1, 1000, false},
        {RECOVERING, "feeds[0].retransmission.gap_max", "request_messages: 65", 24, 1, 4194304, false},
        {RECOVERING, "feeds[0].retransmission.timeout_us", "timeout_us: 100\n      timeout_max_us: 40000", 25, 100,
         10000000, false},
        {RECOVERING, "feeds[0].retransmission.timeout_max_us", "timeout_max_us: 40000", 26, 100, 60000000, false},
        {RECOVERING, "feeds[0].snapshot.servers[0].tcp_port", "tcp_port: 18000", 29, 1, 65535, false},
        {RECOVERING, "feeds[0].snapshot.timeout_ms", "password: \"0123456789\"", 31, 10, 60000, false},
        {RECOVERING, "feeds[0].snapshot.retry_ms", "retry_ms: 1\n      retry_max_ms: 9", 32, 1, 60000, false},
        {RECOVERING, "feeds[0].snapshot.retry_max_ms", "retry_max_ms: 9", 33, 1, 600000, false},
        {RECOVERING, "faults.lines[0].skew_us", "skew_us: 10", 47, 0, 10000000, false},
        {RECOVERING, "faults.lines[0].jitter_us", "jitter_us: 5", 48, 0, 10000000, false},
        {RECOVERING, "faults.lines[0].stall_every_ms", "stall_every_ms: 1000", 49, 0, 3600000, false},
        {RECOVERING, "faults.lines[0].stall_ms", "stall_ms: 20", 50, 0, 3600000, false},
        {TRADING, "gateway.control_sleep_us", "control_sleep_us: 50", 1, 1, 100000, false},
        {TRADING, "orders.local_port", "local_port: 40001", 27, 0, 65535, false},
        {TRADING, "orders.peer_port", "peer_port: 40000", 28, 1, 65535, false},
        {TRADING, "orders.login_timeout_ms", "login_timeout_ms: 800", 36, 100, 60000, false},
        {TRADING, "orders.probe_ms", "probe_ms: 6", 41, 1, 1000, false},
        {TRADING, "orders.answer_timeout_ms", "answer_timeout_ms: 5", 42, 0, 600000, false},
        {TRADING, "orders.warm_us", "warm_us: 4", 43, 0, 10000000, false},
        {TRADING, "orders.refs_headroom", "refs_headroom: 3000", 45, 1000, 10000000, false},
        {TRADING, "orders.heartbeat_ms", "heartbeat_ms: 100\n  timeout_ms: 9000", 34, 100, 60000, false},
        {TRADING, "orders.timeout_ms", "timeout_ms: 9000", 35, 101, 600000, false},
        {TRADING, "orders.retry_ms", "retry_ms: 1\n  retry_max_ms: 70", 37, 1, 60000, false},
        {TRADING, "orders.retry_max_ms", "retry_max_ms: 70", 38, 1, 600000, false},
        {TRADING, "orders.sim.order_us", "order_us: 1", 47, 0, 10000000, false},
        {TRADING, "orders.sim.answer_us", "answer_us: 0", 47, 0, 10000000, false},
        {TRADING, "orders.refs_leap_max", "refs_leap_max: 5000", 46, 1000, UINT32_MAX, false},
        {TRADING, "kill.watchdog_ms", "watchdog_ms: 0", 49, 0, 60000, false},
        {TRADING, "kill.repeat_ms", "repeat_ms: 1", 49, 1, 60000, false},
        {TRADING, "kill.confirm_ms", "confirm_ms: 10", 49, 10, 600000, false},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *key = strrchr(rows[i].key, '.') + 1;
        const uint64_t values[] = {rows[i].min, rows[i].max, rows[i].min - 1, rows[i].max + 1};
        const uint64_t min =
            strcmp(key, "position_max") == 0 ? 1 : rows[i].min; /* below 7: a warning about order_qty_max */
        for (unsigned j = 0; j < 4; j++) {
            char to[64], sentence[256];
            const bool below = j == 2;
            if (below && min == 0)
                continue;
            const uint64_t value = below ? min - 1 : values[j];
            snprintf(to, sizeof(to), "%s: %" PRIu64, key, value);
            if (j < 2) {
                char *text = with_in(rows[i].good, rows[i].from, to);
                config_free(load_good(text));
                free(text);
                continue;
            }
            snprintf(sentence, sizeof(sentence),
                     ":%u: %s: %" PRIu64 " is out of range; write a number from %" PRIu64 " to %" PRIu64, rows[i].line,
                     rows[i].key, value, min, rows[i].max);
            refused_in(rows[i].good, rows[i].from, to, sentence);
        }
        if (rows[i].powers) {
            char to[64], sentence[256];
            snprintf(to, sizeof(to), "%s: 3000", key);
            snprintf(sentence, sizeof(sentence), ":%u: %s: 3000 is not a power of two; write 2048 or 4096",
                     rows[i].line, rows[i].key);
            refused_in(rows[i].good, rows[i].from, to, sentence);
        }
    }
}

Test(config, missing_keys_are_reported_at_the_line_of_their_mapping)
{
    refused_with("    cpu: 1\n", "", ":10: lcores[1].cpu: is missing; write a number from 0 to 1023");
    refused_with("    role: rx\n", "", ":7: lcores[0].role: is missing; write rx or strategy");
    refused_with(
        "  - name: md\n    device: net_ring\n    mtu: 9000\n", "  - name: md\n    mtu: 9000\n",
        ":14: ports[0].device: is missing; write a PCI address, a DPDK device such as "
                 "net_af_xdp,iface=eth1, or socket,iface=eth1");
    refused_with("        group: 233.54.12.111\n", "",
                 ":28: feeds[0].lines[0].group: is missing; write the line's multicast group, as in 233.54.12.111");
    refused_with("        port: md\n", "", ":28: feeds[0].lines[0].port: is missing; name a port, one of: md, out");
    refused_with("    kind: taker\n", "",
                 ":38: strategies[0].kind: is missing; name a strategy, or write plugin and the path of one");
    refused_with("    kind: taker\n", "    kind: taker\n    plugin: /opt/a.so\n",
                 ":40: strategies[0].plugin: comes with kind; a strategy is built in or a plug-in: remove one");
    char endless[1100];
    snprintf(endless, sizeof(endless), "    plugin: /%01024d\n", 0);
    refused_with("    kind: taker\n", endless,
                 ":39: strategies[0].plugin: is longer than a path may be; write one of at most 1023 letters");
    refused_with("  peer_mac: 02:00:00:00:00:0B\n", "",
                 ":46: orders.peer_mac: is missing; write the MAC address that orders are sent to");
    refused_with("  peer_ip: 192.0.2.2\n", "",
                 ":46: orders.peer_ip: is missing; write an IPv4 address, as in 192.0.2.10");
    refused_with("  peer_port: 65535\n", "", ":46: orders.peer_port: is missing; write a number from 1 to 65535");
}

Test(config, names_that_lead_nowhere_are_refused)
{
    refused_with("lcore: rx0", "lcore: rx1", ":22: feeds[0].lcore: there is no lcore 'rx1'; write one of: rx0, trade0");
    refused_with("port: md", "port: mb", ":29: feeds[0].lines[0].port: there is no port 'mb'; write one of: md, out");
    refused_with("feed: itch", "feed: pitch", ":41: strategies[0].feed: there is no feed 'pitch'; write one of: itch");
    refused_with("lcore: trade0", "lcore: x",
                 ":40: strategies[0].lcore: there is no lcore 'x'; write one of: rx0, trade0");
    refused_with("port: out", "port: in", ":47: orders.port: there is no port 'in'; write one of: md, out");
}

Test(config, names_are_checked_and_used_once)
{
    refused_with("  - name: out\n", "  - name: md\n    device: net_null0\n  - name: out\n",
                 ":17: ports[1].name: 'md' is the name of ports[0] already; choose another");
    refused_with("ports:\n", "  - {name: rx0, role: rx, cpu: 2}\nports:\n",
                 ":13: lcores[2].name: 'rx0' is the name of lcores[0] already; choose another");
    refused_with("name: B", "name: A",
                 ":33: feeds[0].lines[1].name: 'A' is the name of feeds[0].lines[0] already; choose another");
    refused_with("name: lab", "name: 'my lab'",
                 ":2: gateway.name: 'my lab' is not a name; use letters, digits, '_' and '-', not '-' first");
    refused_with("name: lab", "name: ../x",
                 ":2: gateway.name: '../x' is not a name; use letters, digits, '_' and '-', not '-' first");
    refused_with("name: lab", "name: abcdefghijklmnopqrstuvwxyz0123456",
                 ":2: gateway.name: 'abcdefghijklmnopqrstuvwxyz0123456' has 33 letters; a name has at most 32");
}

Test(config, a_cpu_carries_one_lcore)
{
    refused_with("cpu: 1", "cpu: 0",
                 ":12: lcores[1].cpu: CPU 0 is already that of lcore 'rx0'; give each lcore a CPU of its own");
}

Test(config, roles_fit_the_mode)
{
    struct config *config = NULL;
    char *text = with("mode: two-core", "mode: inline");
    cr_assert_eq(load_bytes(text, strlen(text), &config), -EINVAL);
    cr_expect(
        found(":6: lcores: mode inline runs on exactly one lcore, of role rx, but here are 1 of role rx and 1 of role "
              "strategy; list one, or set gateway.mode: two-core"));
    cr_expect(found(
        ":40: strategies[0].lcore: lcore 'trade0' has role strategy; in mode inline a strategy needs an lcore of role "
        "rx"));
    free(text);
    text = with("role: strategy", "role: rx");
    cr_assert_eq(load_bytes(text, strlen(text), &config), -EINVAL);
    cr_expect(found(":6: lcores: mode two-core needs an lcore of role strategy; add one, or set gateway.mode: inline"));
    cr_expect(found(
        ":40: strategies[0].lcore: lcore 'trade0' has role rx; in mode two-core a strategy needs an lcore of role "
        "strategy"));
    free(text);
    refused_with("lcore: rx0", "lcore: trade0",
                 ":22: feeds[0].lcore: lcore 'trade0' has role strategy; a feed needs an lcore of role rx");
}

Test(config, addresses_are_what_they_should_be)
{
    refused_with("group: 233.54.12.111", "group: 10.0.0.1",
                 ":30: feeds[0].lines[0].group: 10.0.0.1 is not a multicast group; write an address from 224.0.0.0 to "
                 "239.255.255.255");
    refused_with(
        "group: 233.54.12.111", "group: 233.54.12",
        ":30: feeds[0].lines[0].group: '233.54.12' is no IPv4 address; write four numbers, as in 233.54.12.111");
    refused_with(
        "group: 233.54.12.111", "group: 233.054.12.111",
        ":30: feeds[0].lines[0].group: '233.054.12.111' is no IPv4 address; write four numbers, as in 233.54.12.111");
    refused_with("source: 198.51.100.7", "source: 233.1.1.1",
                 ":32: feeds[0].lines[0].source: 233.1.1.1 is not a unicast address; write that of one host");
    refused_with("source: 198.51.100.7", "source: 0.0.0.0",
                 ":32: feeds[0].lines[0].source: 0.0.0.0 is not a unicast address; write that of one host");
    refused_with("local_ip: 192.0.2.1", "local_ip: 255.255.255.255",
                 ":49: orders.local_ip: 255.255.255.255 is not a unicast address; write that of one host");
    refused_with("peer_ip: 192.0.2.2", "peer_ip: 192.0.2.1",
                 ":50: orders.peer_ip: is the same as local_ip; write the address of the exchange's host");
    refused_with("peer_mac: 02:00:00:00:00:0B", "peer_mac: 02:00:00:00:00:0B\n  local_mac: 02:00:00:00:00:0b",
                 ":48: orders.peer_mac: is the same as local_mac; write the address of the next hop, exchange or "
                 "router");
    refused_with("peer_mac: 02:00:00:00:00:0B", "peer_mac: 02:00:00:00:00",
                 ":48: orders.peer_mac: '02:00:00:00:00' is no MAC address; write six hexadecimal pairs, as in "
                 "02:00:00:00:00:01");
    refused_with(
        "peer_mac: 02:00:00:00:00:0B", "peer_mac: 01:00:5e:00:00:0b",
        ":48: orders.peer_mac: 01:00:5e:00:00:0b is not the address of one station; write a unicast MAC address");
    refused_with(
        "peer_mac: 02:00:00:00:00:0B", "peer_mac: 00:00:00:00:00:00",
        ":48: orders.peer_mac: 00:00:00:00:00:00 is not the address of one station; write a unicast MAC address");
}

Test(config, a_group_and_port_belong_to_one_line)
{
    refused_with(
        "group: 233.49.196.111", "group: 233.54.12.111",
        ":35: feeds[0].lines[1].group: 233.54.12.111:26477 is received for line 'A' of feed 'itch' already; write the "
        "group and udp_port of this line");
    refused_with(
        "strategies:\n",
        "  - name: other\n    lcore: rx0\n    lines:\n      - {name: A, port: md, group: 233.49.196.111, udp_port: "
        "26477}\n"
        "      - {name: B, port: md, group: 233.49.196.112, udp_port: 26477}\nstrategies:\n",
        ":40: feeds[1].lines[0].group: 233.49.196.111:26477 is received for line 'B' of feed 'itch' already; write the "
        "group and udp_port of this line");
}

Test(config, devices_look_like_devices_and_are_used_once)
{
    refused_with("device: net_ring", "device: eth1",
                 ":15: ports[0].device: 'eth1' is neither a PCI address such as 0000:03:00.0 nor a DPDK device "
                 "net_... nor socket,iface=...; write one "
                 "of these");
    refused_with(
        "device: net_ring", "device: net_af_xdp, iface=eth1",
        ":15: ports[0].device: 'net_af_xdp, iface=eth1' holds white space; write name,key=value,... without blanks");
    refused_with("device: net_ring", "device: 0000:03:00.0",
                 ":18: ports[1].device: is the device of port 'md' already; use one port for both");
    char *text = with("device: 0000:03:00.0", "device: net_ring");
    config_free(load_good(text));
    free(text);
}

Test(config, a_port_of_sockets_has_its_arguments_in_its_device)
{
    char *text = with("device: net_ring", "device: socket,iface=eth1");
    struct config *config = load_good(text);
    cr_expect(config->port[0].socket.present);
    cr_expect_str_eq(config->port[0].socket.iface, "eth1");
    cr_expect_not(config->port[0].socket.block);
    cr_expect_eq(config->port[0].socket.busy_poll_us, 0);
    cr_expect_eq(config->port[0].socket.buffer_kb, 8192);
    cr_expect_not(config->port[1].socket.present);
    config_free(config);
    free(text);
    text = with("device: net_ring",
                "device: 'socket,busy_poll_us=10000,buffer_kb=1048576,wait=block,iface=abcdefghijklmno'");
    config = load_good(text);
    cr_expect_str_eq(config->port[0].socket.iface, "abcdefghijklmno");
    cr_expect(config->port[0].socket.block);
    cr_expect_eq(config->port[0].socket.busy_poll_us, 10000);
    cr_expect_eq(config->port[0].socket.buffer_kb, 1048576);
    config_free(config);
    free(text);
}

Test(config, arguments_of_a_socket_that_are_wrong_are_named)
{
    static const struct {
        const char *device, *sentence;
    } rows[] = {
        {"socket", "names no interface; write socket,iface=eth1"},
        {"socket,wait=spin", "names no interface; write socket,iface=eth1"},
        {"socket,iface=", "iface=: an interface has a name of 1 to 15 letters, as in iface=eth1"},
        {"socket,iface", "iface=: an interface has a name of 1 to 15 letters, as in iface=eth1"},
        {"socket,iface=abcdefghijklmnop",
         "iface=abcdefghijklmnop: an interface has a name of 1 to 15 letters, as in iface=eth1"},
        {"socket,iface=../../x", "iface=../../x: an interface has a name of 1 to 15 letters, as in iface=eth1"},
        {"socket,iface=..", "iface=..: an interface has a name of 1 to 15 letters, as in iface=eth1"},
        {"socket,iface=eth1,wait=sleep", "wait=sleep: write wait=spin or wait=block"},
        {"socket,iface=eth1,busy_poll_us=10001", "busy_poll_us=10001: write a number from 0 to 10000"},
        {"socket,iface=eth1,busy_poll_us=", "busy_poll_us=: write a number from 0 to 10000"},
        {"socket,iface=eth1,busy_poll_us=-1", "busy_poll_us=-1: write a number from 0 to 10000"},
        {"socket,iface=eth1,busy_poll_us=050", "busy_poll_us=050: write a number from 0 to 10000"},
        {"socket,iface=eth1,buffer_kb=63", "buffer_kb=63: write a number from 64 to 1048576"},
        {"socket,iface=eth1,buffer_kb=99999999999", "buffer_kb=99999999999: write a number from 64 to 1048576"},
        {"socket,iface=eth1,queue=0",
         "queue=0 means nothing to a socket; it takes iface, wait, busy_poll_us and buffer_kb"},
        {"socket,iface=eth1,", "= means nothing to a socket; it takes iface, wait, busy_poll_us and buffer_kb"},
        {"socket,iface=eth1,aaaaaaaaaabbbbbbbbbbccccccccccdddd=1",
         "'aaaaaaaaaabbbbbbbbbbccccccccccdd...' is too long for an argument of a socket; shorten it"},
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char to[128], sentence[256];
        snprintf(to, sizeof(to), "device: '%s'", rows[i].device);
        snprintf(sentence, sizeof(sentence), ":15: ports[0].device: %s", rows[i].sentence);
        refused_with("device: net_ring", to, sentence);
    }
    refused_with("device: net_ring", "device: sockets,iface=eth1", ":15: ports[0].device: 'sockets,iface=eth1' is "
                 "neither a PCI address such as 0000:03:00.0 nor a DPDK device net_... nor socket,iface=...; write one "
                 "of these");
}

Test(config, a_port_of_sockets_only_receives)
{
    refused_with("device: net_ring\n", "device: socket,iface=eth1\n    rx_descriptors: 64\n",
                 ":16: ports[0].rx_descriptors: means nothing to a socket; remove it, or use a DPDK device");
    refused_with("device: net_ring\n", "device: socket,iface=eth1\n    promiscuous: false\n",
                 ":16: ports[0].promiscuous: means nothing to a socket; remove it, or use a DPDK device");
    refused_with("device: 0000:03:00.0", "device: socket,iface=eth2",
                 ":47: orders.port: 'out' is a socket, which receives only; write carrier: kernel, or name a DPDK "
                 "port");
    char *text = with_in(RECOVERING, "device: net_ring", "device: 'socket,iface=eth1'");
    refused(text, ":15: feeds[0].retransmission.transport: port: 'md' is a socket and sends nothing; write transport: "
                  "kernel");
    free(text);
}

Test(config, a_membership_is_read_and_its_keys_have_a_meaning_or_are_refused)
{
#define OWN "device: net_ring\n    membership: own\n"
    char *text = with("device: net_ring\n", OWN "    igmp_version: 2\n    igmp_refresh_s: 3600\n"
                                                "    address: 192.0.2.11\n    vlan: 4094\n");
    struct config *config = load_good(text);
    cr_expect_eq(config->port[0].membership, CONFIG_MEMBERSHIP_OWN);
    cr_expect_eq(config->port[0].igmp_version, CONFIG_IGMP_2);
    cr_expect_eq(config->port[0].igmp_refresh_s, 3600);
    cr_expect_eq(config->port[0].ip, 0xc000020bu);
    cr_expect_eq(config->port[0].vlan, 4094);
    config_free(config);
    free(text);
    text = with("device: net_ring\n", "device: net_ring\n    membership: kernel\n    address: 192.0.2.11\n");
    config = load_good(text);
    cr_expect_eq(config->port[0].membership, CONFIG_MEMBERSHIP_KERNEL);
    config_free(config);
    free(text);
    refused_with("device: net_ring\n", OWN "    igmp_refresh_s: 3601\n",
                 ":17: ports[0].igmp_refresh_s: 3601 is out of range; write a number from 0 to 3600");
    refused_with("device: net_ring\n", OWN "    vlan: 0\n",
                 ":17: ports[0].vlan: 0 is out of range; write a number from 1 to 4094");
    refused_with("device: net_ring\n", OWN "    vlan: 4095\n",
                 ":17: ports[0].vlan: 4095 is out of range; write a number from 1 to 4094");
    refused_with("device: net_ring\n", OWN "    igmp_version: 1\n",
                 ":17: ports[0].igmp_version: '1' is not one of the words known here; write one of auto, 2, 3");
    refused_with("device: net_ring\n", OWN "    address: 224.0.0.5\n",
                 ":17: ports[0].address: 224.0.0.5 is not a unicast address; write that of one host");
    refused_with("device: net_ring\n", "device: net_ring\n    membership: ours\n",
                 ":16: ports[0].membership: 'ours' is not one of the words known here; write one of none, own, kernel");
    refused_with("device: net_ring\n", "device: net_ring\n    igmp_version: 3\n",
                 ":16: ports[0].igmp_version: means nothing without membership: own; remove it, or write that");
    refused_with("device: net_ring\n", "device: net_ring\n    membership: kernel\n    igmp_refresh_s: 10\n",
                 ":17: ports[0].igmp_refresh_s: means nothing without membership: own; remove it, or write that");
    refused_with("device: net_ring\n", "device: net_ring\n    membership: none\n    vlan: 10\n",
                 ":17: ports[0].vlan: means nothing without membership: own; remove it, or write that");
    refused_with("device: 0000:03:00.0\n", "device: 0000:03:00.0\n    membership: own\n",
                 ":19: ports[1].membership: no line is on port 'out', so there is no group to join; remove it, or name "
                 "the port in a line");
    refused_with("device: 0000:03:00.0\n", "device: 0000:03:00.0\n    address: 192.0.2.9\n",
                 ":19: ports[1].address: no line is on port 'out', so nobody would look at what arrives there; "
                 "remove it");
    refused_with("device: net_ring\n", "device: socket,iface=eth1\n    membership: kernel\n",
                 ":16: ports[0].membership: means nothing to a socket; remove it, or use a DPDK device");
#undef OWN
}

Test(config, a_port_is_polled_by_one_rx_lcore)
{
    char *text = with("strategies:\n", "  - name: other\n    lcore: rx1\n    lines:\n"
                                       "      - {name: A, port: md, group: 233.1.1.1, udp_port: 1}\n"
                                       "      - {name: B, port: out, group: 233.1.1.2, udp_port: 1}\nstrategies:\n");
    char *both = NULL;
    cr_assert_geq(asprintf(&both, "%s%s", strstr(text, "ports:"),
                           "lcores: [{name: rx0, role: rx, cpu: 0}, {name: rx1, role: rx, "
                           "cpu: 2}, {name: trade0, role: strategy, cpu: 1}]\n"),
                  0);
    refused(
        both,
        ":28: feeds[1].lines[0].port: port 'md' is already polled by lcore 'rx0'; use another port, or put the feed on "
        "that lcore");
    free(both);
    free(text);
}

Test(config, symbols_are_short_and_listed_once)
{
    refused_with("[AAPL,", "[TOOLONGSY,",
                 ":42: strategies[0].symbols[0]: 'TOOLONGSY' is longer than a symbol; write at most 8 "
                 "letters");
    refused_with("[AAPL,", "[ON,", ":42: strategies[0].symbols[1]: ON is listed twice; remove one");
    refused_with("[AAPL,", "['A B',",
                 ":42: strategies[0].symbols[0]: 'A B' holds a blank or a letter outside ASCII; write the "
                 "venue's symbol");
    refused_with("[AAPL,", "[aapl,",
                 ":42: strategies[0].symbols[0]: 'aapl' has small letters, which no symbol of the venue has; write it "
                 "in capitals");
    refused_with("[AAPL, 'ON', \"TRUE\"]", "[]",
                 ":42: strategies[0].symbols: is empty; list symbols, or remove the key for every instrument");
    char *text = with("[AAPL,", "[EIGHTLET,");
    struct config *config = load_good(text);
    cr_expect_eq(config->strategy[0].symbol_list[0], symbol("EIGHTLET"));
    config_free(config);
    free(text);
}

/* `count` times the entry, each with its own number. */
static void refused_list(const char *list, const char *entry, unsigned count, const char *sentence)
{
    char *text = NULL;
    size_t text_len = 0;
    FILE *out = open_memstream(&text, &text_len);
    cr_assert_not_null(out);
    fprintf(out, "%s:\n", list);
    for (unsigned i = 0; i < count; i++)
        fprintf(out, "  - {name: n%u, %s}\n", i, entry);
    fclose(out);
    struct config *config = NULL;
    cr_assert_eq(load_bytes(text, text_len, &config), -EINVAL);
    cr_expect(found(sentence), "%s", sentence);
    free(text);
}

Test(config, lists_are_not_longer_than_their_maximum)
{
    refused_list("lcores", "role: rx, cpu: 1", 17,
                 ":1: lcores: has 17 entries, more than the maximum of 16; remove some");
    refused_list("ports", "device: net_ring", 17,
                 ":1: ports: has 17 entries, more than the maximum of 16; remove some");
    refused_list("feeds", "join: start", 17, ":1: feeds: has 17 entries, more than the maximum of 16; remove some");
    refused_list("strategies", "kind: probe", 17,
                 ":1: strategies: has 17 entries, more than the maximum of 16; remove some");
    refused_with("    params:\n      edge: 0x10\n      text: 010\n",
                 "    params: {a: 1, b: 1, c: 1, d: 1, e: 1, f: 1, g: 1, h: 1, i: 1, j: 1, k: 1, l: 1, m: 1, n: 1, "
                 "o: 1, p: 1, q: 1}\n",
                 ":43: strategies[0].params: has 17 entries, more than the maximum of "
                 "16; remove some");
}

Test(config, required_lists_are_missed)
{
    struct config *config = NULL;
    cr_assert_eq(load_bytes("latency: {stages: true}\n", 24, &config), -EINVAL);
    cr_expect(found(":1: lcores: is missing; list at least one lcore of role rx"));
    cr_expect(found(":1: ports: at least one port is needed; list a port with its device"));
    cr_expect(found(":1: feeds: at least one feed is needed; list a feed with its lines"));
    refused_with(
        "    lines:\n      - name: A\n        port: md\n        group: 233.54.12.111\n        udp_port: 26477\n"
        "        source: 198.51.100.7\n      - name: B\n        port: md\n        group: 233.49.196.111\n"
        "        udp_port: 26477\n",
        "    lines: []\n", ":27: feeds[0].lines: a feed without a line receives nothing; add at least one line");
}

Test(config, dates_and_zones_are_checked)
{
    refused_with("2023-08-22", "2023-02-29",
                 ":23: feeds[0].session_date: '2023-02-29' is no day of the calendar; write YYYY-MM-DD or today");
    refused_with("2023-08-22", "22.08.2023",
                 ":23: feeds[0].session_date: '22.08.2023' is no day of the calendar; write YYYY-MM-DD or today");
    refused_with("2023-08-22", "2023-8-22",
                 ":23: feeds[0].session_date: '2023-8-22' is no day of the calendar; write YYYY-MM-DD or today");
    setenv("TZDIR", "/nonexistent", 1);
    refused_with("mtu: 9000", "mtu: 1500",
                 ":24: feeds[0].time_zone: 'America/New_York' cannot be looked up, /nonexistent is not there; install "
                 "the package "
                 "tzdata, or use UTC");
    char *text = with("America/New_York", "UTC");
    struct config *config = load_good(text);
    cr_expect_eq(config->feed[0].midnight_ns, UINT64_C(1692662400000000000));
    config_free(config);
    free(text);
}

Test(config, unknown_time_zone_is_refused)
{
    if (access("/usr/share/zoneinfo/America/New_York", R_OK) != 0)
        cr_skip_test("no time zone database");
    unsetenv("TZDIR");
    refused_with(
        "America/New_York", "America/New_Yrok",
        ":24: feeds[0].time_zone: 'America/New_Yrok' is no time zone of /usr/share/zoneinfo; use an IANA name such as "
        "America/New_York (is the package tzdata installed?), or UTC");
    refused_with("America/New_York", "../../../etc/localtime",
                 ":24: feeds[0].time_zone: '../../../etc/localtime' is no time zone of /usr/share/zoneinfo; use an "
                 "IANA name such as "
                 "America/New_York (is the package tzdata installed?), or UTC");
}

static uint64_t midnight_s(const char *date, const char *zone, time_t now, char ret_date[11])
{
    char error[CONFIG_MIDNIGHT_ERROR_MAX] = "";
    uint64_t ns = 0;
    cr_assert_eq(config_midnight(date, zone, now, ret_date, &ns, error), 0, "%s", error);
    cr_assert_eq(ns % 1000000000u, 0);
    return ns / 1000000000u;
}

Test(config, midnight_minds_daylight_saving_and_leaves_the_zone_of_the_process_alone)
{
    if (access("/usr/share/zoneinfo/America/New_York", R_OK) != 0)
        cr_skip_test("no time zone database");
    char date[11], error[CONFIG_MIDNIGHT_ERROR_MAX];
    uint64_t ns = 1;

    setenv("TZ", "Asia/Tokyo", 1);
    tzset();
    cr_expect_eq(midnight_s("2023-08-22", "America/New_York", 0, date), 1692676800); /* 04:00 UTC */
    cr_expect_str_eq(date, "2023-08-22");
    cr_expect_eq(midnight_s("2026-01-05", "America/New_York", 0, date), 1767589200); /* 05:00 UTC */
    cr_expect_eq(midnight_s("2026-03-08", "America/New_York", 0, date), 1772946000, "clocks change later that day");
    cr_expect_eq(midnight_s("2026-03-09", "America/New_York", 0, date), 1773028800);
    cr_expect_eq(midnight_s("2026-11-01", "America/New_York", 0, date), 1793505600);
    cr_expect_eq(midnight_s("2024-02-29", "UTC", 0, date), 1709164800);
    /* today is the zone's day, not UTC's: at 2026-01-06 03:00 UTC it is still the 5th in New York */
    cr_expect_eq(midnight_s("today", "America/New_York", 1767668400, date), 1767589200);
    cr_expect_str_eq(date, "2026-01-05");
    cr_expect_eq(midnight_s("today", "UTC", 1767668400, date), 1767657600);
    cr_expect_str_eq(date, "2026-01-06");
    /* clocks went from 00:00 to 01:00: there is no such instant */
    cr_expect_eq(config_midnight("2018-11-04", "America/Sao_Paulo", 0, date, &ns, error), -ERANGE);
    cr_expect_eq(config_midnight("1970-01-01", "Asia/Tokyo", 0, date, &ns, error), -ERANGE);
    cr_expect_eq(ns, 1, "not written");
    cr_expect_str_eq(getenv("TZ"), "Asia/Tokyo");
    cr_expect_str_eq(tzname[0], "JST");
    unsetenv("TZ");
    (void)midnight_s("2023-08-22", "America/New_York", 0, date);
    cr_expect_null(getenv("TZ"));
}

Test(config, recovery_servers_are_hosts_listed_once)
{
    static const char two[] = "        - {address: 192.0.2.1, udp_port: 17000}\n        - address: 192.0.2.2\n"
                              "          udp_port: 17001\n";

    refused_in(RECOVERING, "address: 192.0.2.2", "address: 224.0.0.1",
               ":22: feeds[0].retransmission.servers[1].address: 224.0.0.1 is not a unicast address; write that of one "
               "host");
    refused_in(RECOVERING, "address: 192.0.2.3, ", "",
               ":29: feeds[0].snapshot.servers[0].address: is missing; write an IPv4 address, as in 192.0.2.10");
    refused_in(RECOVERING, "          udp_port: 17001\n", "",
               ":22: feeds[0].retransmission.servers[1].udp_port: is missing; write a number from 1 to 65535");
    refused_in(RECOVERING, ", tcp_port: 18000", ", tcp_port: 18000, udp_port: 1",
               ":29: feeds[0].snapshot.servers[0].udp_port: there is no such key; did you mean tcp_port?");
    refused_in(RECOVERING, "address: 192.0.2.2\n          udp_port: 17001", "{address: 192.0.2.1, udp_port: 17000}",
               ":22: feeds[0].retransmission.servers[1]: is the same as servers[0]; write another, or remove one");
    refused_in(RECOVERING, "18000}\n", "18000}\n        - {address: 192.0.2.3, tcp_port: 18000}\n",
               ":30: feeds[0].snapshot.servers[1]: is the same as servers[0]; write another, or remove one");
    refused_in(RECOVERING, two, "        []\n",
               ":20: feeds[0].retransmission.servers: there is no server to ask; list at least one, address and "
               "udp_port");
    refused_in(RECOVERING, "      servers:\n        - {address: 192.0.2.3, tcp_port: 18000}\n", "",
               ":27: feeds[0].snapshot.servers: there is no server to ask; list at least one, address and tcp_port");
    refused_in(RECOVERING, two,
               "        [{address: 192.0.2.1, udp_port: 1}, {address: 192.0.2.1, udp_port: 2}, {address: 192.0.2.1, "
               "udp_port: 3}, {address: 192.0.2.1, udp_port: 4}, {address: 192.0.2.1, udp_port: 5}]\n",
               ":20: feeds[0].retransmission.servers: has 5 entries, more than the maximum of 4; remove some");
    char *text = with_in(RECOVERING, "address: 192.0.2.2", "address: 192.0.2.1");
    config_free(load_good(text)); /* two servers of one host */
    free(text);
}

Test(config, a_transport_needs_its_own_keys_and_no_others)
{
    refused_in(RECOVERING, "      local_ip: 192.0.2.10\n", "",
               ":14: feeds[0].retransmission.local_ip: is missing; write an IPv4 address, as in 192.0.2.10");
    refused_in(RECOVERING, "      local_port: 40002\n", "",
               ":14: feeds[0].retransmission.local_port: is missing; write a number from 1 to 65535");
    refused_in(RECOVERING, "      peer_mac: 02:00:00:00:00:0c\n", "",
               ":14: feeds[0].retransmission.peer_mac: is missing; write the MAC address that requests are sent to");
    refused_in(RECOVERING, "      port: md\n", "      port: mb\n",
               ":16: feeds[0].retransmission.port: there is no port 'mb'; write one of: md, other");
    refused_in(RECOVERING, "      port: md\n", "      port: other\n",
               ":16: feeds[0].retransmission.port: no line of feed 'itch' is on port 'other', so no answer would be "
               "seen; name the port of one of its lines");
    refused_in(RECOVERING, "transport: port\n      port: md\n", "transport: kernel\n",
               ":18: feeds[0].retransmission.peer_mac: means nothing to transport kernel, which finds its way by "
               "itself; remove it, or set transport: port");
    refused_in(RECOVERING,
               "transport: port\n      port: md\n      local_ip: 192.0.2.10\n      local_port: 40002\n"
               "      peer_mac: 02:00:00:00:00:0c\n",
               "port: md\n      local_port: 0\n",
               ":15: feeds[0].retransmission.port: means nothing to transport kernel, which finds its way by itself; "
               "remove it, or set transport: port");
    refused_in(RECOVERING, "transport: port", "transport: tcp",
               ":15: feeds[0].retransmission.transport: 'tcp' is not one of the words known here; write one of kernel, "
               "port");
    char *text = with_in(RECOVERING,
                         "transport: port\n      port: md\n      local_ip: 192.0.2.10\n      local_port: 40002\n"
                         "      peer_mac: 02:00:00:00:00:0c\n",
                         "local_ip: 192.0.2.10\n      local_port: 0\n");
    struct config *config = load_good(text);
    cr_expect_eq(config->feed[0].retransmission.local_ip, 0xc000020a, "the kernel's socket may be bound");
    config_free(config);
    free(text);
}

/* A second feed before the strategies, with this retransmission. */
static char *with_second_feed(const char *retransmission)
{
    char feed[512];

    snprintf(feed, sizeof(feed),
             "  - name: second\n    lines: [{name: A, port: md, group: 233.1.1.1, udp_port: 1}]\n    retransmission:\n"
             "      {%s, servers: [{address: 192.0.2.1, udp_port: 1}]}\nstrategies: []\n#",
             retransmission);
    return with_in(RECOVERING, "strategies:\n", feed);
}

Test(config, answers_of_two_feeds_come_to_two_addresses)
{
    static const struct {
        const char *retransmission;
        bool taken;
    } rows[] = {{"transport: port, local_ip: 192.0.2.10, local_port: 40002, peer_mac: 02:00:00:00:00:0c", true},
                {"transport: port, local_ip: 192.0.2.10, local_port: 40003, peer_mac: 02:00:00:00:00:0c", false},
                {"transport: port, local_ip: 192.0.2.11, local_port: 40002, peer_mac: 02:00:00:00:00:0c", false},
                {"local_port: 40002", false}}; /* the kernel's addresses are others */

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *text = with_second_feed(rows[i].retransmission);
        char *named = with_in(text, "- line: B", "- line: B\n      feed: itch"); /* of two, a fault names its own */
        if (rows[i].taken)
            refused(named, ":40: feeds[1].retransmission.local_port: 40002 is that of feed 'itch' already; write "
                           "another");
        else
            config_free(load_good(named));
        free(named);
        free(text);
    }
}

Test(config, waits_and_gaps_fit_each_other)
{
    refused_in(RECOVERING, "timeout_us: 100", "timeout_us: 40001",
               ":26: feeds[0].retransmission.timeout_max_us: 40000 is less than timeout_us 40001; write at least as "
               "much");
    refused_in(RECOVERING, "retry_ms: 1\n", "retry_ms: 10\n",
               ":33: feeds[0].snapshot.retry_max_ms: 9 is less than retry_ms 10; write at least as much");
    refused_with(
        "    lines:\n",
        "    hold_messages: 2048\n    retransmission:\n      gap_max: 2049\n"
        "      servers: [{address: 192.0.2.1, udp_port: 1}]\n    lines:\n",
        ":29: feeds[0].retransmission.gap_max: 2049 is more than hold_messages 2048, so what follows could not "
        "be kept meanwhile; lower one or raise the other");
    char *text = with("    lines:\n", "    hold_messages: 2048\n    retransmission:\n      gap_max: 2048\n"
                                      "      servers: [{address: 192.0.2.1, udp_port: 1}]\n    lines:\n");
    config_free(load_good(text));
    free(text);
}

Test(config, join_by_snapshot_needs_a_server)
{
    refused_with("join: anywhere", "join: snapshot",
                 ":25: feeds[0].join: there is no server to take a snapshot from; add the section snapshot, or join "
                 "otherwise");
}

Test(config, books_of_the_traded_need_to_know_who_is)
{
    refused_with("join: anywhere", "books: some",
                 ":25: feeds[0].books: 'some' is not one of the words known here; write one of all, traded");
    refused_in(RECOVERING, "join: snapshot", "books: traded",
               ":9: feeds[0].books: traded leaves feed 'itch' without books that strategy 's' (line 38) needs: it "
               "lists no symbols and so wants every instrument; list them, or write books: all");
    char *traded = with("join: anywhere", "books: traded");
    refused_in(traded, "    symbols: [AAPL, 'ON', \"TRUE\"]\n", "",
               ":25: feeds[0].books: traded leaves feed 'itch' without books that strategy 't0' (line 38) needs: it "
               "lists no symbols and so wants every instrument; list them, or write books: all");
    refused_in(traded, "[AAPL, 'ON', \"TRUE\"]", "[TOOLONGSY]",
               ":42: strategies[0].symbols[0]: 'TOOLONGSY' is longer than a symbol; write at most 8 letters");
    struct config *config = load_good(traded);
    cr_expect_eq(config->feed[0].books, CONFIG_BOOKS_TRADED);
    config_free(config);
    /* What is listed for another feed is none of this one's. */
    char *two = with_in(traded, "strategies:\n",
                        "  - {name: bx, books: traded, session_date: 2023-08-22, time_zone: UTC, lines: "
                        "[{name: A, port: md, group: 233.54.12.112, udp_port: 1}, "
                        "{name: B, port: md, group: 233.54.12.113, udp_port: 1}]}\n"
                        "strategies:\n");
    refused(two, ":37: feeds[1].books: traded leaves feed 'bx' without any book, since no strategy lists symbols of "
                 "it; list some, or write books: all");
    free(two);
    free(traded);
}

Test(config, credentials_fit_a_login_and_are_never_shown)
{
    refused_in(RECOVERING, "      username: abc123\n", "",
               ":27: feeds[0].snapshot.username: is missing; write the one that the venue gave you");
    refused_in(RECOVERING, "username: abc123", "username: abc1234",
               ":30: feeds[0].snapshot.username: has 7 letters, but a login holds 6; write the one that the venue gave "
               "you");
    refused_in(RECOVERING, "username: abc123", "username: a c",
               ":30: feeds[0].snapshot.username: holds a blank or a letter outside ASCII; write the one that the venue "
               "gave you");
    refused_in(RECOVERING, "\"0123456789\"", "secret-word",
               ":31: feeds[0].snapshot.password: has 11 letters, but a login holds 10; write the one that the venue "
               "gave you");
    refused_in(RECOVERING, "\"0123456789\"", "geheim\u00fc",
               ":31: feeds[0].snapshot.password: holds a blank or a letter outside ASCII; write the one that the venue "
               "gave you");
    refused_in(RECOVERING, "\"0123456789\"", "\"a\\tb\"",
               ":31: feeds[0].snapshot.password: holds a blank or a letter outside ASCII; write the one that the venue "
               "gave you");
    refused_in(RECOVERING, "\"0123456789\"", "",
               ":31: feeds[0].snapshot.password: has no value; write one, or leave the key out");
}

Test(config, a_carrier_needs_its_own_keys)
{
    refused_in(TRADING, "  lcore: trade1\n", "",
               ":19: orders.lcore: is missing; name a lcore, one of: rx0, trade0, trade1");
    refused_in(TRADING, "  port: out\n", "", ":19: orders.port: is missing; name a port, one of: md, out, out2");
    refused_in(TRADING, "  local_ip: 192.0.2.10\n", "",
               ":19: orders.local_ip: is missing; write an IPv4 address, as in 192.0.2.10");
    refused_in(TRADING, "  peer_ip: 198.51.100.1\n", "",
               ":19: orders.peer_ip: is missing; write an IPv4 address, as in 192.0.2.10");
    refused_in(TRADING, "  peer_port: 40000\n", "",
               ":19: orders.peer_port: is missing; write a number from 1 to 65535");
    refused_in(TRADING, "  username: abc123\n", "",
               ":19: orders.username: is missing; write the one that the venue gave you");
    refused_in(TRADING, "  refs_file: refs/one\n", "",
               ":19: orders.refs_file: is missing; write the path of a file that survives restarts");
    refused_with("  local_port: 1\n", "", ":46: orders.local_port: is missing; write a number from 1 to 65535");
    refused_with("  port: out\n", "", ":46: orders.port: is missing; name a port, one of: md, out");

    char *text = trading_with_least("kernel", "");
    refused(text, ":19: orders.lcore: is missing; name a lcore, one of: rx0, trade0, trade1");
    free(text);
    text = trading_with_least("kernel", "  lcore: trade1\n");
    refused_in(text, "  username: u\n", "", ":19: orders.username: is missing; write the one that the venue gave you");
    refused_in(text, "  refs_file: r\n", "",
               ":19: orders.refs_file: is missing; write the path of a file that survives restarts");
    refused_in(text, "  peer_ip: 192.0.2.2\n", "",
               ":19: orders.peer_ip: is missing; write an IPv4 address, as in 192.0.2.10");
    free(text);
}

Test(config, a_carrier_takes_no_keys_of_others)
{
    /* an entry, a carrier that has no use for it, and those that have */
    static const char *const rows[][3] = {
        {"lcore: trade0", "udp", "tcp or kernel"},
        {"control_port: md", "udp", "tcp"},
        {"prefix_len: 24", "udp", "tcp"},
        {"gateway_ip: 192.0.2.3", "udp", "tcp"},
        {"username: u", "udp", "tcp or kernel"},
        {"password: p", "udp", "tcp or kernel"},
        {"session: s", "udp", "tcp or kernel"},
        {"heartbeat_ms: 1000", "udp", "tcp or kernel"},
        {"timeout_ms: 15000", "udp", "tcp or kernel"},
        {"login_timeout_ms: 5000", "udp", "tcp or kernel"},
        {"retry_ms: 500", "udp", "tcp or kernel"},
        {"retry_max_ms: 30000", "udp", "tcp or kernel"},
        {"slow_path: send", "udp", "tcp"},
        {"cancel_on_disconnect: true", "udp", "tcp or kernel"},
        {"probe_ms: 10", "udp", "tcp"},
        {"answer_timeout_ms: 10000", "udp", "tcp or kernel"},
        {"refs_file: r", "udp", "tcp or kernel"},
        {"refs_headroom: 1000", "udp", "tcp or kernel"},
        {"refs_leap_max: 1000", "udp", "tcp or kernel"},
        {"peer_mac: 02:00:00:00:00:0b", "tcp", "udp"},
        {"port: out", "kernel", "udp or tcp"},
        {"control_port: out", "kernel", "tcp"},
        {"local_mac: 02:00:00:00:00:0a", "kernel", "udp or tcp"},
        {"peer_mac: 02:00:00:00:00:0b", "kernel", "udp"},
        {"prefix_len: 24", "kernel", "tcp"},
        {"gateway_ip: 192.0.2.3", "kernel", "tcp"},
        {"slow_path: send", "kernel", "tcp"},
        {"probe_ms: 10", "kernel", "tcp"},
    };
    char *kernel = trading_with_least("kernel", "  lcore: trade1\n");

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *entry = rows[i][0], *carrier = rows[i][1];
        const bool udp = strcmp(carrier, "udp") == 0;
        const char *good = udp ? GOOD : strcmp(carrier, "tcp") == 0 ? TRADING : kernel;
        char to[128], sentence[256];
        snprintf(to, sizeof(to), "orders:\n  %s\n", entry);
        snprintf(sentence, sizeof(sentence),
                 ":%u: orders.%.*s: means nothing to carrier %s; remove it, or set carrier: %s", udp ? 47u : 19u + 1,
                 (int)strcspn(entry, ":"), entry, carrier, rows[i][2]);
        refused_in(good, "orders:\n", to, sentence);
    }
    free(kernel);
    refused_in(TRADING, "carrier: tcp", "carrier: soup",
               ":20: orders.carrier: 'soup' is not one of the words known here; write one of udp, tcp, kernel");
    refused_in(TRADING, "slow_path: refuse", "slow_path: drop",
               ":39: orders.slow_path: 'drop' is not one of the words known here; write one of send, refuse");
    /* what is for replays is for every carrier */
    char *text = with_in(TRADING, "orders:\n", "orders:\n  fills: immediate\n  open_timeout_ms: 1\n");
    config_free(load_good(text));
    free(text);
    text = with("fills: immediate", "sim: {order_us: 7}");
    struct config *config = load_good(text);
    cr_expect_eq(config->orders.sim.order_us, 7);
    cr_expect_eq(config->orders.sim.answer_us, 50);
    config_free(config);
    free(text);
}

Test(config, a_session_belongs_to_one_lcore)
{
    refused_in(TRADING, "name: s0, kind: probe, lcore: trade1", "name: s0, kind: probe, lcore: trade0",
               ":17: strategies[0].lcore: strategy 's0' could not send from lcore 'trade0': one session belongs to one "
               "lcore, here 'trade1'; move it there");
    refused_in(TRADING, "  lcore: trade1\n", "  lcore: rx0\n",
               ":21: orders.lcore: lcore 'rx0' has role rx; in mode two-core the order session needs an lcore of "
               "role strategy");
    refused_in(TRADING, "  lcore: trade1\n", "  lcore: trade7\n",
               ":21: orders.lcore: there is no lcore 'trade7'; write one of: rx0, trade0, trade1");
    struct config *config = NULL;
    char *text = with_in(TRADING, "gateway: {", "gateway: {mode: inline, ");
    cr_assert_eq(load_bytes(text, strlen(text), &config), -EINVAL);
    cr_expect(found(":21: orders.lcore: lcore 'trade1' has role strategy; in mode inline the order session needs an "
                    "lcore of role rx"));
    free(text);
    /* by udp each lcore sends for itself */
    text = with("strategies:\n", "strategies:\n  - {name: t1, kind: probe, lcore: trade1}\n");
    char *two = with_in(text, "ports:\n", "  - {name: trade1, role: strategy, cpu: 2}\nports:\n");
    config_free(load_good(two));
    free(two);
    free(text);
}

Test(config, a_tcp_session_has_its_ports_to_itself)
{
    refused_in(TRADING, "  port: out\n", "  port: md\n",
               ":22: orders.port: port 'md' carries line 'A' of feed 'itch', but what it receives belongs to the "
               "order session's TCP; name a port without lines");
    refused_in(TRADING, "control_port: out2", "control_port: md",
               ":23: orders.control_port: port 'md' carries line 'A' of feed 'itch', but what it receives "
               "belongs to the order session's TCP; name a port without lines");
    refused_in(TRADING, "control_port: out2", "control_port: out",
               ":23: orders.control_port: is the same as port; name a second port of its interface, or "
               "remove it");
    refused_in(TRADING, "control_port: out2", "control_port: out3",
               ":23: orders.control_port: there is no port 'out3'; write one of: md, out, out2");
    /* a feed sends its requests from a port that it has a line on */
    refused_in(
        TRADING, "    lines:\n",
        "    retransmission: {transport: port, port: out, local_ip: 192.0.2.9, local_port: 1, peer_mac: "
        "\"02:00:00:00:00:0c\", servers: [{address: 192.0.2.8, udp_port: 1}]}\n    lines:\n",
        ":13: feeds[0].retransmission.port: no line of feed 'itch' is on port 'out', so no answer would be seen; "
        "name the port of one of its lines");
    char *text = with("port: out\n  peer_mac", "port: md\n  peer_mac"); /* by udp nothing is received */
    struct config *config = load_good(text);
    cr_expect_eq(config->orders.port_idx, 0);
    config_free(config);
    free(text);
    text = with_in(TRADING, "  control_port: out2\n", "");
    config = load_good(text);
    cr_expect(found(":9: warning: ports[2]: no line and no order session uses port 'out2'; remove it, or name it in a "
                    "line"));
    config_free(config);
    free(text);
}

Test(config, a_tcp_session_finds_its_way)
{
    static const char outside[] =
        ":26: orders.peer_ip: is outside the network of local_ip/25; write gateway_ip, the router that leads "
        "there, or the network's prefix_len";

    refused_in(TRADING, "gateway_ip: 192.0.2.1\n", "gateway_ip: 192.0.2.128\n",
               ":30: orders.gateway_ip: is outside the network of local_ip/25; write the router's address "
               "inside, or the network's prefix_len");
    refused_in(TRADING, "gateway_ip: 192.0.2.1\n", "gateway_ip: 192.0.2.10\n",
               ":30: orders.gateway_ip: is the same as local_ip; write the router's address");
    refused_in(TRADING, "gateway_ip: 192.0.2.1\n", "gateway_ip: 224.0.0.1\n",
               ":30: orders.gateway_ip: 224.0.0.1 is not a unicast address; write that of one host");
    refused_in(TRADING, "peer_ip: 198.51.100.1", "peer_ip: 192.0.2.10",
               ":26: orders.peer_ip: is the same as local_ip; write the address of the exchange's host");
    char *local = with_in(TRADING, "  gateway_ip: 192.0.2.1\n", "");
    refused(local, outside);
    refused_in(local, "peer_ip: 198.51.100.1", "peer_ip: 192.0.2.128", outside);
    char *text = with_in(local, "peer_ip: 198.51.100.1", "peer_ip: 192.0.2.126");
    config_free(load_good(text));
    free(text);
    free(local);
    /* the ends of prefix_len, between which the same peer is outside and inside */
    refused_in(TRADING, "prefix_len: 25", "prefix_len: 7",
               ":29: orders.prefix_len: 7 is out of range; write a number from 8 to 30");
    refused_in(TRADING, "prefix_len: 25", "prefix_len: 31",
               ":29: orders.prefix_len: 31 is out of range; write a number from 8 to 30");
    text = with_in(TRADING, "prefix_len: 25\n  gateway_ip: 192.0.2.1\n", "prefix_len: 30\n  gateway_ip: 192.0.2.9\n");
    config_free(load_good(text));
    refused_in(text, "192.0.2.9", "192.0.2.12",
               ":30: orders.gateway_ip: is outside the network of local_ip/30; write the router's address "
               "inside, or the network's prefix_len");
    free(text);
    local = with_in(TRADING, "prefix_len: 25\n  gateway_ip: 192.0.2.1\n", "prefix_len: 8\n");
    text = with_in(local, "peer_ip: 198.51.100.1", "peer_ip: 192.255.255.254");
    config_free(load_good(text));
    free(text);
    free(local);
    /* the kernel reaches its own host too */
    local = trading_with_least("kernel", "  lcore: trade1\n  local_ip: 127.0.0.1\n");
    text = with_in(local, "peer_ip: 192.0.2.2", "peer_ip: 127.0.0.1");
    config_free(load_good(text));
    free(text);
    free(local);
}

Test(config, waits_of_a_session_fit_each_other)
{
    refused_in(TRADING, "heartbeat_ms: 100", "heartbeat_ms: 9000",
               ":35: orders.timeout_ms: 9000 is not more than heartbeat_ms 9000; write more");
    refused_in(TRADING, "retry_ms: 1", "retry_ms: 71",
               ":38: orders.retry_max_ms: 70 is less than retry_ms 71; write at least as much");
    char *text = with_in(TRADING, "heartbeat_ms: 100", "heartbeat_ms: 8999");
    config_free(load_good(text));
    free(text);
    text = with_in(TRADING, "retry_ms: 1", "retry_ms: 70");
    config_free(load_good(text));
    free(text);
}

Test(config, credentials_of_a_session_fit_a_login_and_are_never_shown)
{
    refused_in(TRADING, "username: abc123", "username: abc1234",
               ":31: orders.username: has 7 letters, but a login holds 6; write the one that the venue gave you");
    refused_in(TRADING, "\"0123456789\"", "secret-word",
               ":32: orders.password: has 11 letters, but a login holds 10; write the one that the venue gave "
               "you");
    refused_in(TRADING, "\"0000000042\"", "\"00000000042\"",
               ":33: orders.session: has 11 letters, but a login holds 10; write the one that the venue gave you");
    refused_in(TRADING, "\"0000000042\"", "\"1 2\"",
               ":33: orders.session: holds a blank or a letter outside ASCII; write the one that the venue gave "
               "you");
}

Test(config, the_section_admin_comes_back_as_written)
{
    static const struct {
        const char *text;
        const char *socket, *group, *audit_file;
        uint32_t mode;
    } rows[] = {
        {"admin: {socket: run/a.sock, audit_file: a.audit}\n", "run/a.sock", "", "a.audit", 0600},
        {"admin: {socket: s, group: traders, audit_file: a}\n", "s", "traders", "a", 0660},
        {"admin: {socket: s, mode: 0640, audit_file: a}\n", "s", "", "a", 0640},
        {"admin: {socket: s, mode: 620, group: g, audit_file: a}\n", "s", "g", "a", 0620},
        {"admin: {audit_file: a}\n", NULL, "", "a", 0600},
        {"", NULL, "", NULL, 0},
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[160];
        snprintf(text, sizeof(text), "%slatency:\n", rows[i].text);
        char *whole = with("latency:\n", text);
        struct config *config = load_good(whole);
        cr_expect_eq(findings.count, 0, "%s", findings.finding[0].text);
        const struct config_admin *admin = &config->admin;
        cr_expect_eq(admin->present, rows[i].text[0] != '\0');
        cr_expect_eq(admin->mode, rows[i].mode);
        cr_expect_str_eq(admin->group, rows[i].group);
        cr_expect(rows[i].socket ? admin->socket && strcmp(admin->socket, rows[i].socket) == 0 : !admin->socket);
        cr_expect(rows[i].audit_file ? admin->audit_file && strcmp(admin->audit_file, rows[i].audit_file) == 0
                                     : !admin->audit_file);
        config_free(config);
        free(whole);
    }
}

Test(config, the_section_admin_is_refused_where_nobody_could_use_it)
{
    static const struct {
        const char *text, *sentence;
    } rows[] = {
        {"admin: {socket: s}", ":58: admin.audit_file: is missing; write the path of a file that survives restarts"},
        {"admin: {socket: s, audit_file: a, mode: 0o600}",
         ":58: admin.mode: '0o600' is no file mode; write three octal digits behind a 0, as in 0660"},
        {"admin: {socket: s, audit_file: a, mode: 01600}",
         ":58: admin.mode: '01600' is no file mode; write three octal digits behind a 0, as in 0660"},
        {"admin: {socket: s, audit_file: a, mode: 060}",
         ":58: admin.mode: 060 keeps the gateway's own user out; write 06 in front, as in 0600"},
        {"admin: {socket: s, audit_file: a, mode: 0400}",
         ":58: admin.mode: 0400 keeps the gateway's own user out; write 06 in front, as in 0600"},
        {"admin: {socket: s, audit_file: a, mode: 0600, group: g}",
         ":58: admin.mode: 0600 does not let group 'g' write to the socket, so it could not connect; write 0660"},
        {"admin: {socket: s, audit_file: a, group: \"a b\"}",
         ":58: admin.group: 'a b' is no name of a group; write one of /etc/group"},
        {"admin: {audit_file: a, group: g}",
         ":58: admin.group: means nothing without a socket; add socket, or remove it"},
        {"admin: {audit_file: a, mode: 0600}",
         ":58: admin.mode: means nothing without a socket; add socket, or remove it"},
        {"admin: {socket: 012345678901234567890123456789012345678901234567890123456789"
         "01234567890123456789012345678901234567890123456789, audit_file: a}",
         ":58: admin.socket: has 110 letters, but the path of a socket has at most 107; choose a shorter one"},
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[256];
        snprintf(text, sizeof(text), "%s\nlatency:\n", rows[i].text);
        refused_with("latency:\n", text, rows[i].sentence);
    }
    warned_with("latency:\n", "admin: {socket: s, audit_file: a, mode: 0666}\nlatency:\n",
                ":58: warning: admin.mode: 0666 lets everybody connect; those who may not are refused all the same, "
                "but write 0660 to keep them out");
    refused_with("name: t0", "name: gateway",
                 ":38: strategies[0].name: 'gateway' is what the limits of all strategies together are called; choose "
                 "another");
}

Test(config, all_keys_of_the_longest_section_are_named)
{
    refused_in(
        TRADING, "carrier: tcp", "carrier: tcp\n  window: 16",
        ":21: orders.window: there is no such key; use one of carrier, lcore, port, control_port, local_mac, "
        "peer_mac, local_ip, peer_ip, local_port, peer_port, prefix_len, gateway_ip, username, password, session, "
        "heartbeat_ms, timeout_ms, login_timeout_ms, retry_ms, retry_max_ms, slow_path, cancel_on_disconnect, "
        "probe_ms, answer_timeout_ms, warm_us, refs_file, refs_headroom, refs_leap_max, fills, open_timeout_ms, "
        "frames, open_orders_max, sim");
}

Test(config, shares_are_percentages_with_up_to_seven_decimals)
{
    static const struct {
        const char *text;
        uint32_t parts;
    } good[] = {{"0", 0},          {"0.0", 0},
                {"1", 10000000},   {"99.9999999", 999999999},
                {"0.1", 1000000},  {"100.0000000", CONFIG_FAULT_PARTS},
                {"7.25", 72500000}};
    static const char *const bad[] = {"-1",
                                      "+1",
                                      "100.0000001",
                                      "101",
                                      "1000",
                                      "0.00000001",
                                      "1.",
                                      ".5",
                                      "1.2.3",
                                      "1e1",
                                      "5%",
                                      "nan",
                                      "05",
                                      "00",
                                      "1.0x10",
                                      "0x1",
                                      "1,5",
                                      "1 5",
                                      "18446744073709551616"};

    for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        char to[64];
        snprintf(to, sizeof(to), "loss: %s\n", good[i].text);
        char *text = with_in(RECOVERING, "loss: 0.5\n", to);
        struct config *config = load_good(text);
        cr_expect_eq(config->fault_list[0].loss, good[i].parts, "%s", good[i].text);
        config_free(config);
        free(text);
    }
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char to[64], sentence[256];
        snprintf(to, sizeof(to), "loss: \"%s\"\n", bad[i]);
        snprintf(
            sentence, sizeof(sentence),
            ":43: faults.lines[0].loss: '%s' is no share; write a percentage from 0 to 100 with at most 7 decimals, "
            "as in 0.5",
            bad[i]);
        refused_in(RECOVERING, "loss: 0.5\n", to, sentence);
    }
    refused_in(RECOVERING, "loss: 0.5\n", "loss: [1]\n",
               ":43: faults.lines[0].loss: must be a single value, but here is a list; write one value "
               "after the colon");
}

Test(config, faults_are_for_lines_that_exist_each_once)
{
    refused_in(RECOVERING, "- line: B", "- line: C",
               ":42: faults.lines[0].line: there is no line 'C'; write one of: A, B");
    refused_in(RECOVERING, "{feed: itch, line: A}", "{feed: pitch, line: A}",
               ":52: faults.lines[1].feed: there is no feed 'pitch'; write one of: itch");
    refused_in(RECOVERING, "{feed: itch, line: A}", "{feed: itch}",
               ":52: faults.lines[1].line: is missing; name a line, one of: A, B");
    refused_in(RECOVERING, "{feed: itch, line: A}", "{feed: itch, line: B}",
               ":52: faults.lines[1].line: line 'B' of feed 'itch' has its faults in faults.lines[0] already; make one "
               "entry of them");
    refused_in(RECOVERING, "      stall_ms: 20\n", "",
               ":49: faults.lines[0].stall_every_ms: does nothing without stall_ms; give both or neither");
    refused_in(RECOVERING, "      stall_every_ms: 1000\n", "",
               ":49: faults.lines[0].stall_ms: does nothing without stall_every_ms; give both or neither");
    char *text = with_second_feed("local_port: 0");
    refused(text, ":46: faults.lines[0].feed: is missing; name a feed, one of: itch, second");
    free(text);
}

Test(config, doubtful_things_are_warned_of_and_accepted)
{
    warned_with("    role: strategy\n    cpu: 1\n",
                "    role: strategy\n    cpu: 1\n  - {name: idle, role: strategy, cpu: 2}\n",
                ":13: warning: lcores[2]: no strategy is on lcore 'idle'; remove it, or put a strategy there");
    warned_with("    role: strategy\n    cpu: 1\n",
                "    role: strategy\n    cpu: 1\n  - {name: idle, role: rx, cpu: 2}\n",
                ":13: warning: lcores[2]: no feed is on rx lcore 'idle'; remove it, or move a feed there");
    warned_with(
        "feeds:\n", "  - {name: spare, device: net_null0}\nfeeds:\n",
        ":19: warning: ports[2]: no line and no order session uses port 'spare'; remove it, or name it in a line");
    warned_with(
        "      - name: B\n        port: md\n        group: 233.49.196.111\n        udp_port: 26477\n", "",
        ":27: warning: feeds[0].lines: feed 'itch' has one line, so a lost packet stays lost; add its second line");
    warned_with("telemetry:\n", "faults: {lines: [{line: A, loss: 1}]}\ntelemetry:\n",
                ":60: warning: faults: are put into replays only, a live gateway ignores them; remove them from its "
                "config");
    warned_with("order_qty_max: 7", "order_qty_max: 1001",
                ":56: warning: risk.order_qty_max: 1001 is more than position_max 1000, so orders that large are "
                "always refused; "
                "lower one or raise the other");
    warned_with(
        "order_qty_max: 7", "allow_stale: true",
        ":56: warning: risk.allow_stale: lets orders pass while the feed has a hole; set false outside a laboratory");
    warned_with("risk:\n  kill: true\n  order_qty_max: 7\n  collar_bps: 0\n", "",
                ":1: warning: risk: is missing, so the small default limits apply; write the limits that you want");
    warned_with(
        "port: out\n  peer_mac: 02:00:00:00:00:0B\n  local_ip: 192.0.2.1\n  peer_ip: 192.0.2.2\n  local_port: 1\n"
        "  peer_port: 65535\n  fills: immediate\n",
        "port: out\n  peer_mac: 02:00:00:00:00:0B\n  local_ip: 192.0.2.1\n"
        "  peer_ip: 192.0.2.2\n  local_port: 1\n  peer_port: 65535\n  fills: none\nrisk:\n  allow_stale: true\n#",
        ":55: warning: risk.allow_stale: lets orders pass while the feed has a hole; set false outside a laboratory");
}

Test(config, a_single_line_is_enough_where_lost_packets_can_be_asked_for)
{
    static const char line_b[] =
        "      - name: B\n        port: md\n        group: 233.49.196.111\n        udp_port: 26477\n";
    static const char *const sections[] = {
        "    retransmission: {servers: [{address: 192.0.2.1, udp_port: 1}]}\n",
        "    snapshot: {username: u, servers: [{address: 192.0.2.1, tcp_port: 1}]}\n"};

    for (unsigned i = 0; i < 2; i++) {
        char *text = with(line_b, sections[i]);
        struct config *config = load_good(text);
        cr_expect_eq(findings.warning_count, 0, "%s", findings.finding[0].text);
        config_free(config);
        free(text);
    }
}

Test(config, strategies_without_an_order_session_are_warned_of)
{
    char *text = with("orders:\n", "#orders:\n");
    char *end = strstr(text, "  port: out");
    char *rest = strstr(text, "latency:");
    memmove(end, rest, strlen(rest) + 1);
    struct config *config = load_good(text);
    cr_expect(found(
        ":1: warning: orders: is missing, so the strategies run but no order can be sent; add the order session, or "
        "ignore this where only watching is wanted"));
    config_free(config);
    free(text);
}

Test(config, one_run_names_many_mistakes)
{
    struct config *config = NULL;
    char *text = with("memory_mb: 128", "memory_mb: 12abc\n  what: 1\n  burst: 65");
    char *place = strstr(text, "cpu: 1");
    place[5] = '0';
    place = strstr(text, "233.54.12.111");
    place[0] = '1';
    cr_assert_eq(load_bytes(text, strlen(text), &config), -EINVAL);
    cr_expect(found(":4: gateway.memory_mb: '12abc' is not a whole number; write decimal digits only"));
    cr_expect(
        found(":5: gateway.what: there is no such key; use one of name, mode, memory, memory_mb, burst, ring_slots, "
              "numa_strict, control_sleep_us"));
    cr_expect(found(":6: gateway.burst: 65 is out of range; write a number from 1 to 64"));
    cr_expect(found(":14: lcores[1].cpu: CPU 0 is already that of lcore 'rx0'; give each lcore a CPU of its own"));
    cr_expect(found(
        ":32: feeds[0].lines[0].group: 133.54.12.111 is not a multicast group; write an address from 224.0.0.0 to "
        "239.255.255.255"));
    cr_expect_eq(findings.error_count, 5);
    free(text);
}

Test(config, findings_beyond_the_maximum_are_counted)
{
    char text[2048] = "gateway:\n";
    struct config *config = NULL;
    for (unsigned i = 0; i < 40; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "  k%u: 1\n", i);
    cr_assert_eq(load_bytes(text, strlen(text), &config), -EINVAL);
    cr_expect_eq(findings.count, CONFIG_FINDINGS_MAX);
    cr_expect_geq(findings.error_count, 40);
}

Test(config, what_is_no_yaml_is_refused_with_its_line)
{
    refused("", ": is empty; start from config/example.yaml");
    refused("# only a comment\n---\n...\n", ": is empty; start from config/example.yaml");
    refused("gateway:\n  name: 'lab\n",
            ":2: is no YAML: found unexpected end of stream while scanning a quoted scalar; check "
            "indentation (spaces, never tabs), quotes and the colon after the key");
    refused("a: 1\n\tb: 2\n",
            ":2: is no YAML: found a tab character that violates indentation while scanning a plain scalar; check "
            "indentation (spaces, never tabs), quotes and the colon after the key");
    refused("a: 1\nb: \xff\n",
            ":2: is no YAML: invalid leading UTF-8 octet; check indentation (spaces, never tabs), quotes and the "
            "colon after the key");
    refused("gateway: {}\n---\ngateway: {}\n",
            ":2: a second YAML document begins here; keep one document in a config file");
    refused("gateway: &g {}\n", ":1: anchors (&name) are not supported; write the value out");
    refused("gateway: *g\n", ":1: aliases (*name) are not supported; write the value out");
    refused("? [a]\n: 1\n", ":1: a key is a list or a mapping here; a key must be a plain word");
    refused("gateway: {name: \"a\\0b\"}\n", ":1: a text holds a NUL byte; remove it");
    refused("[[[[[[[[[[[[[[[[", ":1: nested deeper than any key of a config; check indentation and brackets");
}

Test(config, a_file_that_cannot_be_read_is_named)
{
    struct config *config = NULL;
    cr_expect_eq(config_load("/nonexistent/x.yaml", &config, &findings), -ENOENT);
    cr_expect_str_eq(
        findings.finding[0].text,
        "/nonexistent/x.yaml: cannot be read: No such file or directory; check the path and its permissions");
    cr_expect_eq(config_load("/", &config, &findings), -EISDIR);
    cr_expect_eq(findings.error_count, 1);
    char *text = malloc(600000);
    memset(text, '#', 600000);
    cr_expect_eq(load_bytes(text, 600000, &config), -EINVAL);
    cr_expect(found(": is longer than 524288 bytes; is it a config?"));
    free(text);
    cr_expect_null(config);
}

Test(config, a_finding_is_one_line_whatever_it_quotes)
{
    struct config_findings own = {0};
    char long_path[600];
    memset(long_path, 'p', sizeof(long_path) - 1);
    long_path[sizeof(long_path) - 1] = '\0';
    config_find(&own, true, "f", 0, "k", "a%cb\x7f%s", '\n', "c\033[31m");
    cr_expect_str_eq(own.finding[0].text, "f: warning: k: a?b?c?[31m");
    config_find(&own, false, long_path, 7, long_path, "%s", long_path);
    cr_expect_lt(strlen(own.finding[1].text), sizeof(own.finding[1].text));
    cr_expect_eq(own.warning_count, 1);
    cr_expect_eq(own.error_count, 1);
}

Test(config, a_truncated_config_is_never_more_than_refused)
{
    static const char *const texts[] = {GOOD, RECOVERING, TRADING};

    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        for (size_t len = 0; len < strlen(texts[i]); len++) {
            struct config *config = NULL;
            char *exact = malloc(len + 1); /* a read past the end is seen by the sanitizer */
            memcpy(exact, texts[i], len);
            if (load_bytes(exact, len, &config) == 0)
                config_free(config);
            else
                cr_assert_null(config);
            free(exact);
        }
}

Test(config, a_damaged_config_is_never_more_than_refused, .timeout = 110)
{
    static const char bytes[] = "\0\t\n -:[]{}&*!|>'\"%@`,?#~09aZ.\x7f\x80\xff";
    static const char *const wholes[] = {GOOD, RECOVERING, TRADING};
    char text[sizeof(GOOD) + sizeof(RECOVERING) + sizeof(TRADING)];
    uint32_t state = 12345;
    uint32_t good = 0;

    for (unsigned round = 0; round < 4000; round++) {
        const char *whole = wholes[round % 3];
        const size_t text_len = strlen(whole);
        memcpy(text, whole, text_len);
        for (unsigned flips = 1 + round / 3 % 3; flips > 0; flips--) {
            state = state * 1664525u + 1013904223u;
            char *place = &text[(state >> 8) % text_len];
            state = state * 1664525u + 1013904223u;
            if (state & 0x80000000u)
                *place = bytes[(state >> 8) % (sizeof(bytes) - 1)];
            else
                *place = (char)((unsigned char)*place ^ 1u << ((state >> 8) % 8));
        }
        struct config *config = NULL;
        if (load_bytes(text, text_len, &config) == 0) {
            good++;
            config_free(config);
        }
    }
    cr_expect_gt(good, 0);
    cr_expect_lt(good, 3000);
}

Test(config, cpus_that_this_machine_lacks_are_named)
{
    struct config *config = load_good(GOOD);
    struct config_findings host = {0};
    cpu_set_t set;

    cr_assert_eq(sched_getaffinity(0, sizeof(set), &set), 0);
    config->lcore[0].cpu = 1023;
    cr_expect_eq(config_check_host(config, &host), -EINVAL);
    cr_expect_not_null(
        strstr(host.finding[0].text, ":7: lcores[0].cpu: CPU 1023 is not online on this machine; write one of "));
    host = (struct config_findings){0};
    unsigned first = 0;
    while (!CPU_ISSET(first, &set))
        first++;
    config->lcore_count = 1;
    config->lcore[0].cpu = first;
    cr_expect_eq(config_check_host(config, &host), 0, "%s", host.finding[0].text);
    /* Give the first CPU away, where there is another to stay on. */
    CPU_CLR(first, &set);
    if (CPU_COUNT(&set) > 0) {
        cr_assert_eq(sched_setaffinity(0, sizeof(set), &set), 0);
        cr_expect_eq(config_check_host(config, &host), -EINVAL);
        cr_expect_not_null(strstr(host.finding[0].text, "may not be used by this process; write one of "));
    }
    config_free(config);
}

Test(config, a_group_that_this_machine_lacks_is_named)
{
    char *text = with("latency:\n", "admin: {socket: s, audit_file: a, group: no-such-group}\nlatency:\n");
    struct config *config = load_good(text);
    for (uint32_t i = 0; i < config->lcore_count; i++)
        config->lcore[i].cpu = (uint32_t)sched_getcpu(); /* CPUs are for another test */
    cr_expect_eq(config_check_host(config, &findings), -EINVAL);
    cr_expect(found(":58: admin.group: there is no group 'no-such-group' on this machine; write one of /etc/group, or "
                    "make it with groupadd"));
    strcpy(config->admin.group, "root");
    cr_expect_eq(config_check_host(config, &findings), 0);
    config_free(config);
    free(text);
}

Test(config, numa_minds_the_owner_of_a_session_and_no_port_of_the_kernel)
{
    struct config *config = load_good(TRADING);
    struct config_findings nodes = {0};

    /* all on node 0 but the order ports: only trade1 sends there */
    cr_expect_eq(config_check_nodes(config, (const int[]){0, 0, 0}, (const int[]){0, 1, 1}, &nodes), 0);
    cr_expect_eq(nodes.warning_count, 1);
    cr_expect_str_eq(nodes.finding[0].text + strlen(shown_path),
                     ":5: warning: lcores: lcore 'trade1' is on NUMA node 0, but the order port 'out' is on node 1; "
                     "choose a CPU of node 1");
    config_free(config);
    char *text = trading_with_least("kernel", "  lcore: trade1\n");
    config = load_good(text);
    config->feed[0].line_count = 0; /* whose port, the first, is on another node now */
    nodes = (struct config_findings){0};
    cr_expect_eq(config_check_nodes(config, (const int[]){0, 0, 0}, (const int[]){1, 1, 1}, &nodes), 0);
    cr_expect_eq(nodes.warning_count, 0);
    config_free(config);
    free(text);
}

Test(config, numa_mismatches_are_warnings_unless_strict)
{
    struct config *config = load_good(GOOD);
    struct config_findings nodes = {0};

    /* rx0 on node 0, trade0 on node 1; md on node 1, out on node 0: all three pairs are apart */
    cr_expect_eq(config_check_nodes(config, (const int[]){0, 1}, (const int[]){1, 0}, &nodes), 0);
    cr_expect_eq(nodes.warning_count, 3);
    cr_expect_str_eq(nodes.finding[0].text + strlen(shown_path),
                     ":28: warning: lcores: lcore 'rx0' is on NUMA node 0, but port 'md' "
                     "that it polls is on node 1; choose a CPU of node 1");
    cr_expect_str_eq(nodes.finding[1].text + strlen(shown_path),
                     ":10: warning: lcores: lcore 'trade0' is on NUMA node 1, but the order "
                     "port 'out' is on node 0; choose a CPU of node 0");
    cr_expect_str_eq(nodes.finding[2].text + strlen(shown_path),
                     ":10: warning: lcores: lcore 'trade0' on NUMA node 1 reads the ring of "
                     "lcore 'rx0' on node 0, so each event crosses sockets; choose CPUs of one node");
    config->gateway.numa_strict = true;
    nodes = (struct config_findings){0};
    cr_expect_eq(config_check_nodes(config, (const int[]){0, 1}, (const int[]){1, 0}, &nodes), -EINVAL);
    cr_expect_eq(nodes.error_count, 3);
    nodes = (struct config_findings){0};
    cr_expect_eq(config_check_nodes(config, (const int[]){-1, 1}, (const int[]){1, -1}, &nodes), 0,
                 "unknown is no mismatch");
    cr_expect_eq(nodes.warning_count, 0);
    config_free(config);
}

/* The risk section of GOOD with more lines in it. */
static void risk_refused(const char *more, const char *sentence)
{
    char lines[512];
    snprintf(lines, sizeof(lines), "  order_qty_max: 7\n%s", more);
    refused_with("  order_qty_max: 7\n", lines, sentence);
}

Test(config, what_cannot_be_right_in_the_risk_section_is_refused)
{
    risk_refused("  hours_from: \"9:30\"\n  hours_to: \"16:00\"\n",
                 ":57: risk.hours_from: '9:30' is no time of day; write "
                 "HH:MM or HH:MM:SS, up to 24:00");
    risk_refused("  hours_from: \"09:60\"\n  hours_to: \"16:00\"\n",
                 ":57: risk.hours_from: '09:60' is no time of day; write HH:MM or HH:MM:SS, up to 24:00");
    risk_refused("  hours_from: \"24:01\"\n  hours_to: \"16:00\"\n",
                 ":57: risk.hours_from: '24:01' is no time of day; write HH:MM or HH:MM:SS, up to 24:00");
    risk_refused("  hours_from: \"09:30\"\n",
                 ":57: risk.hours_from: does nothing without hours_to; give both or neither");
    risk_refused("  hours_from: \"16:00\"\n  hours_to: \"16:00:00\"\n",
                 ":58: risk.hours_to: is not after hours_from; write a later time of the same day");
    risk_refused("  no_bbo: either\n",
                 ":57: risk.no_bbo: 'either' is not one of the words known here; write one of refuse, last, close");
    risk_refused(
        "  messages_per_s: 10\n  messages_burst: 20\n  messages_reserve: 20\n",
        ":59: risk.messages_reserve: 20 is not less than messages_burst 20, so no new order could ever be sent; "
        "write less");
    risk_refused("  collar_close_bps: 5\n",
                 ":54: risk.reference_file: is missing, but a previous close is asked for; name the file that has it");
    risk_refused("  gateway:\n    order_qty_max: 5\n",
                 ":58: risk.gateway.order_qty_max: there is no such key; use one of "
                 "position_max, open_orders_max, gross_max, net_max, loss_max, "
                 "rate_per_s, rate_burst");
    refused_with("    params:\n", "    risk: {order_qty_max: 8}\n    params:\n",
                 ":43: strategies[0].risk.order_qty_max: 8 is more than risk.order_qty_max 7, which holds for every "
                 "strategy; lower it, or raise the other");
}
