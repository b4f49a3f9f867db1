/* See config_schema.h. The schema is the one table of keys: libcyaml fills structs by it, and config_schema_check
 * walks the nodes of the text along it, since libcyaml stops at its first error, takes 12abc for 12, 010 for 8 and any
 * word that is not "false" for true. */
#include "config/config_schema.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY  CYAML_FLAG_OPTIONAL /* what is required is said by config_convert, with the line of the mapping */
#define LIST (CYAML_FLAG_OPTIONAL | CYAML_FLAG_POINTER)

static const cyaml_strval_t mode_words[] = {{"inline", CONFIG_INLINE}, {"two-core", CONFIG_TWO_CORE}};
static const cyaml_strval_t memory_words[] = {
    {"auto", CONFIG_MEMORY_AUTO}, {"hugepages", CONFIG_MEMORY_HUGEPAGES}, {"no-huge", CONFIG_MEMORY_NO_HUGE}};
static const cyaml_strval_t role_words[] = {{"rx", CONFIG_RX}, {"strategy", CONFIG_STRATEGY}};
static const cyaml_strval_t membership_words[] = {
    {"none", CONFIG_MEMBERSHIP_NONE}, {"own", CONFIG_MEMBERSHIP_OWN}, {"kernel", CONFIG_MEMBERSHIP_KERNEL}};
static const cyaml_strval_t igmp_version_words[] = {
    {"auto", CONFIG_IGMP_AUTO}, {"2", CONFIG_IGMP_2}, {"3", CONFIG_IGMP_3}};
static const cyaml_strval_t protocol_words[] = {{"itch50", CONFIG_ITCH50}};
static const cyaml_strval_t join_words[] = {
    {"start", CONFIG_JOIN_START}, {"anywhere", CONFIG_JOIN_ANYWHERE}, {"snapshot", CONFIG_JOIN_SNAPSHOT}};
static const cyaml_strval_t books_words[] = {{"all", CONFIG_BOOKS_ALL}, {"traded", CONFIG_BOOKS_TRADED}};
static const cyaml_strval_t stale_words[] = {{"at-once", CONFIG_STALE_AT_ONCE},
                                             {"after-window", CONFIG_STALE_AFTER_WINDOW}};
static const cyaml_strval_t checksum_words[] = {{"trust", CONFIG_CHECKSUM_TRUST}, {"verify", CONFIG_CHECKSUM_VERIFY}};
static const cyaml_strval_t transport_words[] = {{"kernel", CONFIG_TRANSPORT_KERNEL}, {"port", CONFIG_TRANSPORT_PORT}};
static const cyaml_strval_t on_overrun_words[] = {{"resync", CONFIG_OVERRUN_RESYNC},
                                                  {"stop-trading", CONFIG_OVERRUN_STOP}};
static const cyaml_strval_t carrier_words[] = {
    {"udp", CONFIG_CARRIER_UDP}, {"tcp", CONFIG_CARRIER_TCP}, {"kernel", CONFIG_CARRIER_KERNEL}};
static const cyaml_strval_t slow_path_words[] = {{"send", CONFIG_SLOW_PATH_SEND}, {"refuse", CONFIG_SLOW_PATH_REFUSE}};
static const cyaml_strval_t no_bbo_words[] = {
    {"refuse", CONFIG_RULE_USUAL}, {"last", CONFIG_RULE_LAST}, {"close", CONFIG_RULE_CLOSE}};
static const cyaml_strval_t one_sided_words[] = {{"opposite", CONFIG_RULE_USUAL}, {"either", CONFIG_RULE_OTHER},
                                                 {"last", CONFIG_RULE_LAST},      {"close", CONFIG_RULE_CLOSE},
                                                 {"refuse", CONFIG_RULE_REFUSE}};
static const cyaml_strval_t locked_words[] = {{"accept", CONFIG_RULE_USUAL}, {"refuse", CONFIG_RULE_REFUSE}};
#define crossed_words        locked_words
#define missing_symbol_words locked_words
static const cyaml_strval_t self_cross_words[] = {{"allow", CONFIG_ALLOW}, {"refuse", CONFIG_REFUSE}};
#define early_words self_cross_words
#define late_words  self_cross_words
static const cyaml_strval_t short_sale_words[] = {{"off", CONFIG_SHORT_SALE_OFF}, {"check", CONFIG_SHORT_SALE_CHECK}};
static const cyaml_strval_t mark_words[] = {{"last", CONFIG_MARK_LAST}, {"mid", CONFIG_MARK_MID}};
static const cyaml_strval_t fills_words[] = {{"none", CONFIG_FILLS_NONE}, {"immediate", CONFIG_FILLS_IMMEDIATE}};

#define STRING(type, key)  CYAML_FIELD_STRING_PTR(#key, KEY, type, key, 0, CYAML_UNLIMITED)
#define NUMBER(type, key)  CYAML_FIELD_UINT_PTR(#key, KEY, type, key)
#define BOOLEAN(type, key) CYAML_FIELD_BOOL_PTR(#key, KEY, type, key)
#define WORD(type, key)                                                                                                \
    CYAML_FIELD_ENUM_PTR(#key, KEY | CYAML_FLAG_STRICT, type, key, key##_words,                                        \
                         sizeof(key##_words) / sizeof(key##_words[0]))

/* Limits of one scope; `at`: where the struct that holds them has them. */
#define LIMIT(type, at, key) CYAML_FIELD_UINT_PTR(#key, KEY, type, at key)
#define LIMITS(type, at)                                                                                               \
    LIMIT(type, at, order_qty_max), LIMIT(type, at, order_notional_max), LIMIT(type, at, collar_bps),                  \
        LIMIT(type, at, collar_last_bps), LIMIT(type, at, collar_close_bps), LIMIT(type, at, position_max),            \
        LIMIT(type, at, open_orders_max), LIMIT(type, at, gross_max), LIMIT(type, at, net_max),                        \
        LIMIT(type, at, loss_max), LIMIT(type, at, rate_per_s), LIMIT(type, at, rate_burst),                           \
        LIMIT(type, at, duplicate_ms),                                                                                 \
        CYAML_FIELD_STRING_PTR("hours_from", KEY, type, at hours_from, 0, CYAML_UNLIMITED),                            \
        CYAML_FIELD_STRING_PTR("hours_to", KEY, type, at hours_to, 0, CYAML_UNLIMITED)

static const cyaml_schema_field_t gateway_fields[] = {STRING(struct raw_gateway, name),
                                                      WORD(struct raw_gateway, mode),
                                                      WORD(struct raw_gateway, memory),
                                                      NUMBER(struct raw_gateway, memory_mb),
                                                      NUMBER(struct raw_gateway, burst),
                                                      NUMBER(struct raw_gateway, ring_slots),
                                                      BOOLEAN(struct raw_gateway, numa_strict),
                                                      NUMBER(struct raw_gateway, control_sleep_us),
                                                      CYAML_FIELD_END};

static const cyaml_schema_field_t lcore_fields[] = {STRING(struct raw_lcore, name), WORD(struct raw_lcore, role),
                                                    NUMBER(struct raw_lcore, cpu), CYAML_FIELD_END};
static const cyaml_schema_value_t lcore_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_lcore, lcore_fields)};

static const cyaml_schema_value_t kernel_port_value = {CYAML_VALUE_UINT(CYAML_FLAG_DEFAULT, uint64_t)};
static const cyaml_schema_field_t guard_fields[] = {
    BOOLEAN(struct raw_guard, enabled),
    BOOLEAN(struct raw_guard, replace),
    NUMBER(struct raw_guard, control_rate_per_s),
    NUMBER(struct raw_guard, control_burst),
    NUMBER(struct raw_guard, feed_rate_per_s),
    NUMBER(struct raw_guard, feed_burst),
    CYAML_FIELD_SEQUENCE("kernel_ports", LIST, struct raw_guard, kernel_ports, &kernel_port_value, 0,
                         CONFIG_KERNEL_PORTS_MAX),
    CYAML_FIELD_END};
static const cyaml_schema_field_t port_fields[] = {
    STRING(struct raw_port, name),
    STRING(struct raw_port, device),
    NUMBER(struct raw_port, rx_descriptors),
    NUMBER(struct raw_port, tx_descriptors),
    NUMBER(struct raw_port, mtu),
    NUMBER(struct raw_port, rx_queues),
    BOOLEAN(struct raw_port, promiscuous),
    BOOLEAN(struct raw_port, checksum),
    WORD(struct raw_port, membership),
    WORD(struct raw_port, igmp_version),
    NUMBER(struct raw_port, igmp_refresh_s),
    STRING(struct raw_port, address),
    NUMBER(struct raw_port, vlan),
    CYAML_FIELD_MAPPING_PTR("xdp_guard", KEY, struct raw_port, xdp_guard, guard_fields),
    CYAML_FIELD_END};
static const cyaml_schema_value_t port_value = {CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_port, port_fields)};

static const cyaml_schema_field_t line_fields[] = {STRING(struct raw_line, name),   STRING(struct raw_line, port),
                                                   STRING(struct raw_line, group),  NUMBER(struct raw_line, udp_port),
                                                   STRING(struct raw_line, source), CYAML_FIELD_END};
static const cyaml_schema_value_t line_value = {CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_line, line_fields)};

/* The two kinds of servers differ in the name of their port. */
static const cyaml_schema_field_t udp_server_fields[] = {STRING(struct raw_server, address),
                                                         CYAML_FIELD_UINT_PTR("udp_port", KEY, struct raw_server, port),
                                                         CYAML_FIELD_END};
static const cyaml_schema_value_t udp_server_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_server, udp_server_fields)};
static const cyaml_schema_field_t tcp_server_fields[] = {STRING(struct raw_server, address),
                                                         CYAML_FIELD_UINT_PTR("tcp_port", KEY, struct raw_server, port),
                                                         CYAML_FIELD_END};
static const cyaml_schema_value_t tcp_server_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_server, tcp_server_fields)};

static const cyaml_schema_field_t retransmission_fields[] = {
    WORD(struct raw_retransmission, transport),
    STRING(struct raw_retransmission, port),
    STRING(struct raw_retransmission, local_ip),
    NUMBER(struct raw_retransmission, local_port),
    STRING(struct raw_retransmission, peer_mac),
    CYAML_FIELD_SEQUENCE("servers", LIST, struct raw_retransmission, servers, &udp_server_value, 0, CONFIG_SERVERS_MAX),
    NUMBER(struct raw_retransmission, request_messages),
    NUMBER(struct raw_retransmission, in_flight),
    NUMBER(struct raw_retransmission, rate_per_s),
    NUMBER(struct raw_retransmission, rate_burst),
    NUMBER(struct raw_retransmission, timeout_us),
    NUMBER(struct raw_retransmission, timeout_max_us),
    NUMBER(struct raw_retransmission, attempts),
    NUMBER(struct raw_retransmission, gap_max),
    CYAML_FIELD_END};

static const cyaml_schema_field_t snapshot_fields[] = {
    CYAML_FIELD_SEQUENCE("servers", LIST, struct raw_snapshot, servers, &tcp_server_value, 0, CONFIG_SERVERS_MAX),
    STRING(struct raw_snapshot, username),
    STRING(struct raw_snapshot, password),
    NUMBER(struct raw_snapshot, timeout_ms),
    NUMBER(struct raw_snapshot, retry_ms),
    NUMBER(struct raw_snapshot, retry_max_ms),
    CYAML_FIELD_END};

static const cyaml_schema_field_t feed_fields[] = {
    STRING(struct raw_feed, name),
    WORD(struct raw_feed, protocol),
    STRING(struct raw_feed, lcore),
    STRING(struct raw_feed, session_date),
    STRING(struct raw_feed, time_zone),
    WORD(struct raw_feed, join),
    WORD(struct raw_feed, books),
    NUMBER(struct raw_feed, instruments_max),
    NUMBER(struct raw_feed, orders_max),
    NUMBER(struct raw_feed, levels_max),
    NUMBER(struct raw_feed, reorder_packets),
    NUMBER(struct raw_feed, reorder_us),
    NUMBER(struct raw_feed, hold_messages),
    WORD(struct raw_feed, stale),
    NUMBER(struct raw_feed, silence_ms),
    WORD(struct raw_feed, checksum),
    CYAML_FIELD_MAPPING_PTR("retransmission", KEY, struct raw_feed, retransmission, retransmission_fields),
    CYAML_FIELD_MAPPING_PTR("snapshot", KEY, struct raw_feed, snapshot, snapshot_fields),
    CYAML_FIELD_SEQUENCE("lines", LIST, struct raw_feed, lines, &line_value, 0, CONFIG_LINES_MAX),
    CYAML_FIELD_END};
static const cyaml_schema_value_t feed_value = {CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_feed, feed_fields)};

static const cyaml_schema_value_t symbol_value = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, CYAML_UNLIMITED)};
static const cyaml_schema_field_t strategy_limit_fields[] = {LIMITS(struct raw_limits, ), CYAML_FIELD_END};
static const cyaml_schema_field_t strategy_fields[] = {
    STRING(struct raw_strategy, name),
    STRING(struct raw_strategy, kind),
    STRING(struct raw_strategy, plugin),
    STRING(struct raw_strategy, lcore),
    STRING(struct raw_strategy, feed),
    CYAML_FIELD_SEQUENCE("symbols", LIST, struct raw_strategy, symbols, &symbol_value, 0, CONFIG_INSTRUMENTS_MAX),
    WORD(struct raw_strategy, on_overrun),
    CYAML_FIELD_MAPPING_PTR("risk", KEY, struct raw_strategy, risk, strategy_limit_fields),
    CYAML_FIELD_IGNORE("params", CYAML_FLAG_OPTIONAL), /* a free map: the strategy knows its own keys */
    CYAML_FIELD_END};
static const cyaml_schema_value_t strategy_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_strategy, strategy_fields)};

static const cyaml_schema_field_t sim_fields[] = {NUMBER(struct raw_sim, order_us), NUMBER(struct raw_sim, answer_us),
                                                  CYAML_FIELD_END};
static const cyaml_schema_field_t orders_fields[] = {
    WORD(struct raw_orders, carrier),
    STRING(struct raw_orders, lcore),
    STRING(struct raw_orders, port),
    STRING(struct raw_orders, control_port),
    STRING(struct raw_orders, local_mac),
    STRING(struct raw_orders, peer_mac),
    STRING(struct raw_orders, local_ip),
    STRING(struct raw_orders, peer_ip),
    NUMBER(struct raw_orders, local_port),
    NUMBER(struct raw_orders, peer_port),
    NUMBER(struct raw_orders, prefix_len),
    STRING(struct raw_orders, gateway_ip),
    STRING(struct raw_orders, username),
    STRING(struct raw_orders, password),
    STRING(struct raw_orders, session),
    NUMBER(struct raw_orders, heartbeat_ms),
    NUMBER(struct raw_orders, timeout_ms),
    NUMBER(struct raw_orders, login_timeout_ms),
    NUMBER(struct raw_orders, retry_ms),
    NUMBER(struct raw_orders, retry_max_ms),
    WORD(struct raw_orders, slow_path),
    BOOLEAN(struct raw_orders, cancel_on_disconnect),
    NUMBER(struct raw_orders, probe_ms),
    NUMBER(struct raw_orders, answer_timeout_ms),
    NUMBER(struct raw_orders, warm_us),
    STRING(struct raw_orders, refs_file),
    NUMBER(struct raw_orders, refs_headroom),
    NUMBER(struct raw_orders, refs_leap_max),
    WORD(struct raw_orders, fills),
    NUMBER(struct raw_orders, open_timeout_ms),
    NUMBER(struct raw_orders, frames),
    NUMBER(struct raw_orders, open_orders_max),
    CYAML_FIELD_MAPPING_PTR("sim", KEY, struct raw_orders, sim, sim_fields),
    CYAML_FIELD_END};

static const cyaml_schema_field_t gateway_limit_fields[] = {LIMIT(struct raw_limits, , position_max),
                                                            LIMIT(struct raw_limits, , open_orders_max),
                                                            LIMIT(struct raw_limits, , gross_max),
                                                            LIMIT(struct raw_limits, , net_max),
                                                            LIMIT(struct raw_limits, , loss_max),
                                                            LIMIT(struct raw_limits, , rate_per_s),
                                                            LIMIT(struct raw_limits, , rate_burst),
                                                            CYAML_FIELD_END};
static const cyaml_schema_field_t risk_fields[] = {
    BOOLEAN(struct raw_risk, kill),
    LIMITS(struct raw_risk, limits.),
    NUMBER(struct raw_risk, messages_per_s),
    NUMBER(struct raw_risk, messages_burst),
    NUMBER(struct raw_risk, messages_reserve),
    NUMBER(struct raw_risk, clock_back_ms),
    NUMBER(struct raw_risk, clock_ahead_ms),
    NUMBER(struct raw_risk, clock_steady_ms),
    WORD(struct raw_risk, no_bbo),
    WORD(struct raw_risk, one_sided),
    WORD(struct raw_risk, locked),
    WORD(struct raw_risk, crossed),
    WORD(struct raw_risk, missing_symbol),
    WORD(struct raw_risk, self_cross),
    WORD(struct raw_risk, early),
    WORD(struct raw_risk, late),
    WORD(struct raw_risk, short_sale),
    WORD(struct raw_risk, mark),
    BOOLEAN(struct raw_risk, allow_stale),
    STRING(struct raw_risk, reference_file),
    STRING(struct raw_risk, positions_file),
    CYAML_FIELD_MAPPING_PTR("gateway", KEY, struct raw_risk, gateway, gateway_limit_fields),
    CYAML_FIELD_END};

static const cyaml_schema_field_t admin_fields[] = {STRING(struct raw_admin, socket), STRING(struct raw_admin, mode),
                                                    STRING(struct raw_admin, group),
                                                    STRING(struct raw_admin, audit_file), CYAML_FIELD_END};
static const cyaml_schema_field_t kill_fields[] = {NUMBER(struct raw_kill, watchdog_ms),
                                                   NUMBER(struct raw_kill, repeat_ms),
                                                   NUMBER(struct raw_kill, confirm_ms), CYAML_FIELD_END};

static const cyaml_schema_field_t latency_fields[] = {BOOLEAN(struct raw_latency, stages), CYAML_FIELD_END};
static const cyaml_schema_field_t telemetry_fields[] = {BOOLEAN(struct raw_telemetry, enabled),
                                                        NUMBER(struct raw_telemetry, report_s), CYAML_FIELD_END};

static const cyaml_schema_value_t word_value = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, CYAML_UNLIMITED)};
static const cyaml_schema_value_t tcp_port_value = {CYAML_VALUE_UINT(CYAML_FLAG_DEFAULT, uint64_t)};
static const cyaml_schema_field_t management_fields[] = {
    STRING(struct raw_management, interface),
    CYAML_FIELD_SEQUENCE("sources", LIST, struct raw_management, sources, &word_value, 0, CONFIG_PREFIXES_MAX),
    CYAML_FIELD_SEQUENCE("tcp_ports", LIST, struct raw_management, tcp_ports, &tcp_port_value, 0, CONFIG_TCP_PORTS_MAX),
    CYAML_FIELD_END};
static const cyaml_schema_value_t management_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_management, management_fields)};
static const cyaml_schema_field_t firewall_fields[] = {
    CYAML_FIELD_SEQUENCE("management", LIST, struct raw_firewall, management, &management_value, 0, CONFIG_GUARDED_MAX),
    CYAML_FIELD_SEQUENCE("order_interfaces", LIST, struct raw_firewall, order_interfaces, &word_value, 0,
                         CONFIG_GUARDED_MAX),
    CYAML_FIELD_SEQUENCE("feed_interfaces", LIST, struct raw_firewall, feed_interfaces, &word_value, 0,
                         CONFIG_GUARDED_MAX),
    CYAML_FIELD_END};

static const cyaml_schema_field_t fault_fields[] = {STRING(struct raw_fault, feed),
                                                    STRING(struct raw_fault, line),
                                                    STRING(struct raw_fault, loss),
                                                    STRING(struct raw_fault, duplicate),
                                                    STRING(struct raw_fault, reorder),
                                                    STRING(struct raw_fault, corrupt),
                                                    STRING(struct raw_fault, truncate),
                                                    NUMBER(struct raw_fault, skew_us),
                                                    NUMBER(struct raw_fault, jitter_us),
                                                    NUMBER(struct raw_fault, stall_every_ms),
                                                    NUMBER(struct raw_fault, stall_ms),
                                                    NUMBER(struct raw_fault, restart_at),
                                                    CYAML_FIELD_END};
static const cyaml_schema_value_t fault_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_fault, fault_fields)};
static const cyaml_schema_field_t faults_fields[] = {
    NUMBER(struct raw_faults, seed),
    CYAML_FIELD_SEQUENCE("lines", LIST, struct raw_faults, lines, &fault_value, 0, CONFIG_FAULTS_MAX), CYAML_FIELD_END};

static const cyaml_schema_field_t root_fields[] = {
    CYAML_FIELD_MAPPING_PTR("gateway", KEY, struct raw, gateway, gateway_fields),
    CYAML_FIELD_SEQUENCE("lcores", LIST, struct raw, lcores, &lcore_value, 0, CONFIG_LCORES_MAX),
    CYAML_FIELD_SEQUENCE("ports", LIST, struct raw, ports, &port_value, 0, CONFIG_PORTS_MAX),
    CYAML_FIELD_SEQUENCE("feeds", LIST, struct raw, feeds, &feed_value, 0, CONFIG_FEEDS_MAX),
    CYAML_FIELD_SEQUENCE("strategies", LIST, struct raw, strategies, &strategy_value, 0, CONFIG_STRATEGIES_MAX),
    CYAML_FIELD_MAPPING_PTR("orders", KEY, struct raw, orders, orders_fields),
    CYAML_FIELD_MAPPING_PTR("risk", KEY, struct raw, risk, risk_fields),
    CYAML_FIELD_MAPPING_PTR("admin", KEY, struct raw, admin, admin_fields),
    CYAML_FIELD_MAPPING_PTR("kill", KEY, struct raw, kill, kill_fields),
    CYAML_FIELD_MAPPING_PTR("latency", KEY, struct raw, latency, latency_fields),
    CYAML_FIELD_MAPPING_PTR("telemetry", KEY, struct raw, telemetry, telemetry_fields),
    CYAML_FIELD_MAPPING_PTR("firewall", KEY, struct raw, firewall, firewall_fields),
    CYAML_FIELD_MAPPING_PTR("faults", KEY, struct raw, faults, faults_fields),
    CYAML_FIELD_END};

const struct cyaml_schema_value config_schema = {CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct raw, root_fields)};

/* libcyaml's messages come in pieces: collected here. Only the first line is kept (the rest is its backtrace). */
struct words {
    char *text;
    size_t len, size;
};

static void __attribute__((format(printf, 3, 0)))
collect(cyaml_log_t level, void *context, const char *format, va_list args)
{
    struct words *words = context;

    (void)level;
    if (words->len + 1 < words->size) {
        const int added = vsnprintf(words->text + words->len, words->size - words->len, format, args);
        words->len += added > 0 ? (size_t)added : 0;
    }
}

static void *cyaml_memory(void *context, void *memory, size_t size)
{
    (void)context;
    if (size == 0) {
        free(memory);
        return NULL;
    }
    return realloc(memory, size);
}

static cyaml_config_t cyaml_settings(struct words *words)
{
    return (cyaml_config_t){.log_fn = words ? collect : NULL,
                            .log_ctx = words,
                            .log_level = CYAML_LOG_WARNING,
                            .mem_fn = cyaml_memory,
                            .flags = CYAML_CFG_IGNORE_UNKNOWN_KEYS};
}

int config_schema_load(const char *text, size_t text_len, struct raw **ret_raw, char ret_error[256])
{
    struct words words = {.text = ret_error, .size = 256};
    const cyaml_config_t settings = cyaml_settings(&words);
    cyaml_data_t *data = NULL;

    ret_error[0] = '\0';
    const cyaml_err_t error = cyaml_load_data((const uint8_t *)text, text_len, &settings, &config_schema, &data, NULL);
    if (error == CYAML_OK && data) {
        *ret_raw = data;
        return 0;
    }
    if (error == CYAML_ERR_OOM)
        return -ENOMEM;
    ret_error[strcspn(ret_error, "\n")] = '\0';
    if (!ret_error[0])
        snprintf(ret_error, 256, "%s", error == CYAML_OK ? "the document is empty" : cyaml_strerror(error));
    return -EINVAL;
}

void config_schema_free(struct raw *raw)
{
    const cyaml_config_t settings = cyaml_settings(NULL);

    if (raw)
        cyaml_free(&settings, &config_schema, raw, 0);
}

bool config_schema_number(const char *text, char ret_error[160])
{
    const char *digits = text + (*text == '-');
    const size_t len = strlen(digits);

    if (len == 0) {
        snprintf(ret_error, 160, "has no value; write a whole number");
        return false;
    }
    if (strspn(digits, "0123456789") != len) {
        snprintf(ret_error, 160, "'%.40s' is not a whole number; write decimal digits only", text);
        return false;
    }
    if (digits != text) {
        snprintf(ret_error, 160, "'%.40s' is negative; write a number from 0 up", text);
        return false;
    }
    if (digits[0] == '0' && len > 1) {
        const size_t zeros = strspn(digits, "0");
        snprintf(ret_error, 160, "'%.40s' begins with 0, which some readers take for octal; write %.40s", text,
                 zeros == len ? "0" : digits + zeros);
        return false;
    }
    errno = 0;
    (void)strtoull(text, NULL, 10);
    if (errno == ERANGE || (len == 20 && strcmp(text, "18446744073709551615") == 0)) {
        snprintf(ret_error, 160, "'%.40s' is too large for any key; write a smaller number", text);
        return false;
    }
    return true;
}

/* One walk: what stays the same on the way down. */
struct walk {
    struct config_lines *lines;
    const char *path;
    struct config_findings *findings;
};

static void __attribute__((format(printf, 3, 4))) complain(struct walk *walk, uint32_t node, const char *format, ...)
{
    char key[CONFIG_PATH_MAX];
    char text[900];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    config_lines_path(walk->lines, node, key);
    walk->lines->node[node].bad = true;
    config_find(walk->findings, false, walk->path, walk->lines->node[node].line, key, "%s", text);
}

static void check_value(struct walk *walk, uint32_t node, const cyaml_schema_value_t *schema);

#define TYPO_LETTERS_MAX 2u /* as many letters wrong, missing or too many are a slip; three make another word */
#define KEY_LETTERS_MAX  32u

/* How many letters have to be changed, put in or taken out to make `key` of `text`; UINT32_MAX: it is too long. */
static uint32_t letters_apart(const char *text, const char *key)
{
    uint32_t row[KEY_LETTERS_MAX + 1]; /* [j]: from the letters of `text` so far to the first j of `key` */
    const size_t key_len = strlen(key);

    if (key_len > KEY_LETTERS_MAX || strlen(text) > KEY_LETTERS_MAX)
        return UINT32_MAX;
    for (uint32_t j = 0; j <= key_len; j++)
        row[j] = j;
    for (uint32_t i = 0; text[i]; i++) {
        uint32_t across = row[0]++;
        for (size_t j = 0; j < key_len; j++) {
            const uint32_t changed = across + (text[i] != key[j]);
            const uint32_t one_more = (row[j] < row[j + 1] ? row[j] : row[j + 1]) + 1;
            across = row[j + 1];
            row[j + 1] = changed < one_more ? changed : one_more;
        }
    }
    return row[key_len];
}

static void unknown_key(struct walk *walk, uint32_t node, const cyaml_schema_field_t *fields)
{
    const char *text = walk->lines->node[node].key, *nearest = NULL;
    uint32_t apart = TYPO_LETTERS_MAX + 1;
    char known[800] = "";
    size_t len = 0;

    if (strchr(text, '=')) {
        complain(walk, node, "is no key, but the rest of the value before it; within {}, put a value that has a comma "
                             "into quotes");
        return;
    }
    for (const cyaml_schema_field_t *field = fields; field->key; field++) {
        const uint32_t letters = letters_apart(text, field->key);
        if (letters < apart && letters < strlen(text)) {
            apart = letters;
            nearest = field->key;
        }
        if (len < sizeof(known))
            len += (size_t)snprintf(known + len, sizeof(known) - len, "%s%s", len ? ", " : "", field->key);
    }
    if (nearest)
        complain(walk, node, "there is no such key; did you mean %s?", nearest);
    else
        complain(walk, node, "there is no such key; use one of %s", known);
}

static void check_mapping(struct walk *walk, uint32_t node, const cyaml_schema_value_t *schema)
{
    struct config_lines *lines = walk->lines;

    for (uint32_t i = lines->node[node].first_child; i != CONFIG_NODE_NONE; i = lines->node[i].next) {
        const uint32_t first = config_lines_key(lines, node, lines->node[i].key);
        const cyaml_schema_field_t *field = schema->mapping.fields;
        while (field->key && strcmp(field->key, lines->node[i].key) != 0)
            field++;
        if (!field->key)
            unknown_key(walk, i, schema->mapping.fields);
        else if (first != i)
            complain(walk, i, "is given twice, first on line %u; remove one", lines->node[first].line);
        else
            check_value(walk, i, &field->value);
    }
}

static void check_sequence(struct walk *walk, uint32_t node, const cyaml_schema_value_t *schema)
{
    const struct config_lines *lines = walk->lines;

    if (lines->node[node].child_count > schema->sequence.max)
        complain(walk, node, "has %u entries, more than the maximum of %u; remove some", lines->node[node].child_count,
                 schema->sequence.max);
    for (uint32_t i = lines->node[node].first_child; i != CONFIG_NODE_NONE; i = lines->node[i].next)
        check_value(walk, i, schema->sequence.entry);
}

static void check_word(struct walk *walk, uint32_t node, const cyaml_schema_value_t *schema)
{
    const char *text = walk->lines->node[node].text;
    char words[128] = "";
    size_t len = 0;

    for (uint32_t i = 0; i < schema->enumeration.count && len < sizeof(words); i++) {
        if (strcmp(schema->enumeration.strings[i].str, text) == 0)
            return;
        len += (size_t)snprintf(words + len, sizeof(words) - len, "%s%s", i ? ", " : "",
                                schema->enumeration.strings[i].str);
    }
    complain(walk, node, "'%.40s' is not one of the words known here; write %s%s", text,
             schema->enumeration.count > 1 ? "one of " : "", words);
}

static void check_value(struct walk *walk, uint32_t node, const cyaml_schema_value_t *schema)
{
    static const char *const kinds[] = {
        [CONFIG_SCALAR] = "a single value", [CONFIG_MAPPING] = "a mapping", [CONFIG_SEQUENCE] = "a list"};
    const struct config_node *at = &walk->lines->node[node];
    const bool nothing = at->kind == CONFIG_SCALAR && at->text[0] == '\0';
    enum config_node_kind want = CONFIG_SCALAR;
    char error[160];

    if (schema->type == CYAML_IGNORE)
        return;
    if (schema->type == CYAML_MAPPING)
        want = CONFIG_MAPPING;
    else if (schema->type == CYAML_SEQUENCE)
        want = CONFIG_SEQUENCE;
    if (at->kind != want) {
        complain(walk, node, "must be %s, but here is %s; %s", kinds[want], nothing ? "nothing" : kinds[at->kind],
                 want == CONFIG_MAPPING    ? "write 'key: value' lines below it, or leave it out"
                 : want == CONFIG_SEQUENCE ? "write '- ' entries below it, or leave it out"
                                           : "write one value after the colon");
        return;
    }
    switch (schema->type) {
    case CYAML_MAPPING:
        check_mapping(walk, node, schema);
        break;
    case CYAML_SEQUENCE:
        check_sequence(walk, node, schema);
        break;
    case CYAML_UINT:
        if (!config_schema_number(at->text, error))
            complain(walk, node, "%s", error);
        break;
    case CYAML_BOOL:
        if (strcmp(at->text, "true") != 0 && strcmp(at->text, "false") != 0)
            complain(walk, node, "'%.40s' is neither true nor false; write one of these", at->text);
        break;
    case CYAML_ENUM:
        check_word(walk, node, schema);
        break;
    default: /* a text: empty is never meant */
        if (nothing)
            complain(walk, node, "has no value; write one, or leave the key out");
        break;
    }
}

void config_schema_check(struct config_lines *lines, const char *path, struct config_findings *findings)
{
    struct walk walk = {.lines = lines, .path = path, .findings = findings};

    check_value(&walk, 0, &config_schema);
}
