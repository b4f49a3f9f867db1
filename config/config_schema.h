/* The keys of a config file: libcyaml's schema and the structs that it fills, one member for each key and nothing
 * decided yet. An optional key that is absent is a NULL pointer (libcyaml knows no defaults). Used by config_load
 * only. */
#ifndef CONFIG_CONFIG_SCHEMA_H
#define CONFIG_CONFIG_SCHEMA_H

#include "config/config.h"
#include "config/config_lines.h"

#include <cyaml/cyaml.h>

struct raw_gateway {
    char *name;
    enum config_mode *mode;
    enum config_memory *memory;
    uint64_t *memory_mb, *burst, *ring_slots;
    bool *numa_strict;
    uint64_t *control_sleep_us;
};
struct raw_lcore {
    char *name;
    enum config_role *role;
    uint64_t *cpu;
};
struct raw_guard {
    bool *enabled, *replace;
    uint64_t *control_rate_per_s, *control_burst, *feed_rate_per_s, *feed_burst;
    uint64_t *kernel_ports;
    uint32_t kernel_ports_count;
};
struct raw_port {
    char *name, *device;
    uint64_t *rx_descriptors, *tx_descriptors, *mtu, *rx_queues;
    bool *promiscuous, *checksum;
    struct raw_guard *xdp_guard;
    enum config_membership *membership;
    enum config_igmp *igmp_version;
    uint64_t *igmp_refresh_s;
    char *address;
    uint64_t *vlan;
};
struct raw_line {
    char *name, *port, *group;
    uint64_t *udp_port;
    char *source;
};
struct raw_server {
    char *address;
    uint64_t *port; /* udp_port or tcp_port */
};
struct raw_retransmission {
    enum config_transport *transport;
    char *port, *local_ip;
    uint64_t *local_port;
    char *peer_mac;
    struct raw_server *servers;
    uint32_t servers_count;
    uint64_t *request_messages, *in_flight, *rate_per_s, *rate_burst, *timeout_us, *timeout_max_us, *attempts, *gap_max;
};
struct raw_snapshot {
    struct raw_server *servers;
    uint32_t servers_count;
    char *username, *password;
    uint64_t *timeout_ms, *retry_ms, *retry_max_ms;
};
struct raw_feed {
    char *name;
    enum config_protocol *protocol;
    char *lcore, *session_date, *time_zone;
    enum config_join *join;
    enum config_books *books;
    uint64_t *instruments_max, *orders_max, *levels_max, *reorder_packets, *reorder_us, *hold_messages;
    enum config_stale *stale;
    uint64_t *silence_ms;
    enum config_checksum *checksum;
    struct raw_retransmission *retransmission;
    struct raw_snapshot *snapshot;
    struct raw_line *lines;
    uint32_t lines_count;
};
struct raw_limits {
    uint64_t *order_qty_max, *order_notional_max, *collar_bps, *collar_last_bps, *collar_close_bps, *position_max;
    uint64_t *open_orders_max, *gross_max, *net_max, *loss_max, *rate_per_s, *rate_burst, *duplicate_ms;
    char *hours_from, *hours_to;
};
struct raw_strategy {
    char *name, *kind, *plugin, *lcore, *feed;
    char **symbols;
    uint32_t symbols_count;
    enum config_overrun *on_overrun;
    struct raw_limits *risk;
};
struct raw_sim {
    uint64_t *order_us, *answer_us;
};
struct raw_orders {
    enum config_carrier *carrier;
    char *lcore, *port, *control_port;
    char *local_mac, *peer_mac, *local_ip, *peer_ip;
    uint64_t *local_port, *peer_port, *prefix_len;
    char *gateway_ip, *username, *password, *session;
    uint64_t *heartbeat_ms, *timeout_ms, *login_timeout_ms, *retry_ms, *retry_max_ms;
    enum config_slow_path *slow_path;
    bool *cancel_on_disconnect;
    uint64_t *probe_ms, *answer_timeout_ms, *warm_us;
    char *refs_file;
    uint64_t *refs_headroom, *refs_leap_max;
    enum config_fills *fills;
    uint64_t *open_timeout_ms, *frames, *open_orders_max;
    struct raw_sim *sim;
};
struct raw_risk {
    bool *kill;
    struct raw_limits limits;
    uint64_t *messages_per_s, *messages_burst, *messages_reserve, *clock_back_ms, *clock_ahead_ms, *clock_steady_ms;
    enum config_rule *no_bbo, *one_sided, *locked, *crossed, *missing_symbol;
    enum config_permission *self_cross, *early, *late;
    enum config_short_sale *short_sale;
    enum config_mark *mark;
    bool *allow_stale;
    char *reference_file, *positions_file;
    struct raw_limits *gateway;
};
struct raw_admin {
    char *socket, *mode, *group, *audit_file;
};
struct raw_kill {
    uint64_t *watchdog_ms, *repeat_ms, *confirm_ms;
};
struct raw_latency {
    bool *stages;
};
struct raw_telemetry {
    bool *enabled;
    uint64_t *report_s;
};
struct raw_management {
    char *interface;
    char **sources;
    uint32_t sources_count;
    uint64_t *tcp_ports;
    uint32_t tcp_ports_count;
};
struct raw_firewall {
    struct raw_management *management;
    uint32_t management_count;
    char **order_interfaces;
    uint32_t order_interfaces_count;
    char **feed_interfaces;
    uint32_t feed_interfaces_count;
};
struct raw_fault {
    char *feed, *line, *loss, *duplicate, *reorder, *corrupt, *truncate; /* shares have a fraction: texts here */
    uint64_t *skew_us, *jitter_us, *stall_every_ms, *stall_ms, *restart_at;
};
struct raw_faults {
    uint64_t *seed;
    struct raw_fault *lines;
    uint32_t lines_count;
};
struct raw {
    struct raw_gateway *gateway;
    struct raw_lcore *lcores;
    uint32_t lcores_count;
    struct raw_port *ports;
    uint32_t ports_count;
    struct raw_feed *feeds;
    uint32_t feeds_count;
    struct raw_strategy *strategies;
    uint32_t strategies_count;
    struct raw_orders *orders;
    struct raw_risk *risk;
    struct raw_admin *admin;
    struct raw_kill *kill;
    struct raw_latency *latency;
    struct raw_telemetry *telemetry;
    struct raw_firewall *firewall;
    struct raw_faults *faults;
};

extern const struct cyaml_schema_value config_schema;

/* First pass over the words: unknown and repeated keys, values of the wrong kind, numerals, booleans and words of a
 * list that libcyaml would misread or stop at. Every one gets its finding; nodes that do are marked bad. */
void config_schema_check(struct config_lines *lines, const char *path, struct config_findings *findings);

/* Fill *ret_raw from the same text. 0, or -EINVAL with libcyaml's own words in ret_error, or -ENOMEM. */
int config_schema_load(const char *text, size_t text_len, struct raw **ret_raw, char ret_error[256]);
void config_schema_free(struct raw *raw);

/* Is `text` a whole number in decimal? False: ret_error says what is wrong and how to write it. */
bool config_schema_number(const char *text, char ret_error[160]);

#endif
