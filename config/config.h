/* The configuration of one gateway: YAML text to one struct, checked. Knows neither DPDK nor Concurrency Kit.
 *
 * config_load refuses what cannot be right with one sentence each that names file, line, key and the fix. Everything it
 * accepts can be used without a further check of its range. config/example.yaml is the manual: it names every key.
 * Called on the main thread before the EAL starts. */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_NAME_MAX 32u        /* letters of a name, without the end */
#define CONFIG_LCORES_MAX 16u
#define CONFIG_PORTS_MAX 16u
#define CONFIG_FEEDS_MAX 16u
#define CONFIG_LINES_MAX 8u
#define CONFIG_STRATEGIES_MAX 16u
#define CONFIG_PARAMS_MAX 16u
#define CONFIG_INSTRUMENTS_MAX 1024u
#define CONFIG_SERVERS_MAX 4u
#define CONFIG_FAULTS_MAX 64u
#define CONFIG_USERNAME_MAX 6u     /* SoupBinTCP login */
#define CONFIG_PASSWORD_MAX 10u
#define CONFIG_SESSION_MAX 10u
#define CONFIG_GUARDED_MAX 8u      /* interfaces of each kind behind the firewall */
#define CONFIG_INTERFACE_MAX 15u   /* letters of a kernel interface */
#define CONFIG_PREFIXES_MAX 16u
#define CONFIG_TCP_PORTS_MAX 16u
#define CONFIG_FILE_MAX 1024u      /* bytes of a file's path, with the end */
#define CONFIG_QUEUES_MAX 16u
#define CONFIG_KERNEL_PORTS_MAX 32u

enum config_mode { CONFIG_INLINE, CONFIG_TWO_CORE };
enum config_memory { CONFIG_MEMORY_AUTO, CONFIG_MEMORY_HUGEPAGES, CONFIG_MEMORY_NO_HUGE };
enum config_role { CONFIG_RX, CONFIG_STRATEGY };
enum config_membership { CONFIG_MEMBERSHIP_NONE, CONFIG_MEMBERSHIP_OWN, CONFIG_MEMBERSHIP_KERNEL };
enum config_igmp { CONFIG_IGMP_AUTO = 0, CONFIG_IGMP_2 = 2, CONFIG_IGMP_3 = 3 };
enum config_protocol { CONFIG_ITCH50 };
enum config_books { CONFIG_BOOKS_ALL, CONFIG_BOOKS_TRADED };
enum config_join { CONFIG_JOIN_START, CONFIG_JOIN_ANYWHERE, CONFIG_JOIN_SNAPSHOT };
enum config_stale { CONFIG_STALE_AT_ONCE, CONFIG_STALE_AFTER_WINDOW };
enum config_checksum { CONFIG_CHECKSUM_TRUST, CONFIG_CHECKSUM_VERIFY };
enum config_transport { CONFIG_TRANSPORT_KERNEL, CONFIG_TRANSPORT_PORT };
enum config_overrun { CONFIG_OVERRUN_RESYNC, CONFIG_OVERRUN_STOP };
enum config_carrier { CONFIG_CARRIER_UDP, CONFIG_CARRIER_TCP, CONFIG_CARRIER_KERNEL };
enum config_slow_path { CONFIG_SLOW_PATH_SEND, CONFIG_SLOW_PATH_REFUSE };
enum config_fills { CONFIG_FILLS_NONE, CONFIG_FILLS_IMMEDIATE };

struct config_gateway {
    char name[CONFIG_NAME_MAX + 1]; /* DPDK file prefix is tickgate-<name> */
    enum config_mode mode;          /* inline: exactly one lcore, of role rx; two-core: at least one of each role */
    enum config_memory memory;      /* auto: hugepages where there are enough, else no-huge with a line that says so */
    uint32_t memory_mb;             /* DPDK memory, 64 ... 65536 */
    uint32_t burst;                 /* frames per rx burst, 1 ... 64 */
    uint32_t ring_slots;            /* md_ring, a power of two, 64 ... 2^24 */
    bool numa_strict;               /* a NUMA mismatch is an error, not a warning */
    uint32_t control_sleep_us;      /* the control thread's sleep when idle beside an order session by tcp or kernel,
                                     * 1 ... 100,000 */
};

struct config_lcore {
    char name[CONFIG_NAME_MAX + 1];
    enum config_role role;
    uint32_t cpu;        /* CPU to pin to; exists, and is used once */
    uint32_t line;       /* of the config file, for later messages (also in the structs below) */
};

/* What stands behind a port of device socket,iface=...: sockets of the kernel, one for each line. */
struct config_socket {
    bool present;            /* false: the port is a DPDK device */
    char iface[CONFIG_INTERFACE_MAX + 1]; /* interface on which the groups are joined */
    bool block;              /* wait=block: the lcore sleeps while nothing comes. wait=spin: it asks again and again */
    uint32_t busy_poll_us;   /* the driver's queue is polled by the lcore for so long; 0 = off, ... 10,000 */
    uint32_t buffer_kb;      /* receive buffer of each socket, 64 ... 1,048,576 */
};

/* What an AF_XDP port's program in the kernel lets pass (gateway/xdp). It belongs to the interface: ports of one
 * interface have one. */
struct config_xdp_guard {
    bool given;                  /* the section is there; without it the defaults hold */
    bool enabled;                /* false: every frame goes to the socket */
    bool replace;                /* take the place of a program that is not tickgate's */
    uint32_t control_rate_per_s; /* frames from one source besides feed and configured peers, 0 = any, ... 10,000,000 */
    uint32_t control_burst;      /* 1 ... 1,000,000 */
    uint32_t feed_rate_per_s;    /* feed frames from one source, 0 = any, ... 100,000,000 */
    uint32_t feed_burst;         /* 1 ... 10,000,000 */
    uint16_t kernel_port[CONFIG_KERNEL_PORTS_MAX]; /* TCP or UDP, on either side: the kernel's */
    uint32_t kernel_port_count;
    uint32_t line;
};

struct config_port {
    char name[CONFIG_NAME_MAX + 1];
    char *device; /* "net_af_xdp,iface=eth1", "0000:03:00.0", "net_ring" ... : DPDK vdev arguments or a PCI address; or
                   * "socket,iface=eth1" */
    struct config_socket socket;
    uint16_t rx_descriptors; /* 64 ... 8192 */
    uint16_t tx_descriptors;
    uint32_t mtu;        /* 576 ... 9216 */
    bool promiscuous;
    uint16_t rx_queues;  /* 1 ... CONFIG_QUEUES_MAX, all polled by one lcore */
    bool checksum;       /* ask the device to look at IPv4 and UDP checksums */
    struct config_xdp_guard guard;
    enum config_membership membership; /* own, kernel: the groups of its lines are joined; none: they are not */
    enum config_igmp igmp_version;     /* own */
    uint32_t igmp_refresh_s;     /* own: all is reported so often where no querier speaks; 0 = never, ... 3,600 */
    uint32_t ip;                 /* our address on it, host byte order: ARP and pings for it are answered; 0 = none */
    uint16_t vlan;               /* own: IGMP is spoken in this VLAN, 1 ... 4,094; 0 = untagged */
    uint32_t line;
};

struct config_line {
    char name[CONFIG_NAME_MAX + 1];
    uint32_t port_idx;   /* into config.port */
    uint32_t group;      /* multicast address, host byte order */
    uint16_t udp_port;   /* 1 ... 65535 */
    uint32_t source;     /* only frames from this address; 0 = any */
    uint32_t line;
};

struct config_server {
    uint32_t ip;         /* host byte order, unicast */
    uint16_t port;       /* UDP or TCP port, 1 ... 65535 */
    uint32_t line;
};

/* MoldUDP64 re-request servers of a feed, asked in turn. */
struct config_retransmission {
    bool present;
    enum config_transport transport; /* kernel: a UDP socket of the control thread; port: a queue of the feed's
                                      * own port, for interfaces that the kernel does not have */
    uint32_t port_idx;           /* transport port */
    uint32_t local_ip;           /* our address, host byte order, unicast; transport kernel: bind to it, 0 = any */
    uint16_t local_port;         /* 1 ... 65535; transport kernel: 0 = any */
    uint8_t peer_mac[6];         /* transport port: next hop */
    struct config_server *server_list;
    uint32_t server_count;       /* 1 ... CONFIG_SERVERS_MAX */
    uint32_t request_messages;   /* messages asked for in one request, 1 ... 65,534 */
    uint32_t in_flight;          /* ranges asked for at one time, 1 ... 16 */
    uint32_t rate_per_s;         /* requests a second, 1 ... 100,000 */
    uint32_t rate_burst;         /* 1 ... 1,000 */
    uint32_t timeout_us;         /* first wait for an answer; doubles with each attempt, 100 ... 10,000,000 */
    uint32_t timeout_max_us;     /* longest wait, timeout_us ... 60,000,000 */
    uint32_t attempts;           /* for one range, all servers counted; then a snapshot, 1 ... 1,000 */
    uint32_t gap_max;            /* messages; a larger gap is recovered by a snapshot where there is one, 1 ...
                                  * hold_messages */
    uint32_t line;
};

/* GLIMPSE 5.0 servers of a feed, tried in turn. */
struct config_snapshot {
    bool present;
    struct config_server *server_list;
    uint32_t server_count;       /* 1 ... CONFIG_SERVERS_MAX */
    char username[CONFIG_USERNAME_MAX + 1];
    char password[CONFIG_PASSWORD_MAX + 1];
    uint32_t timeout_ms;         /* a spin that stands still for so long is broken off, 10 ... 60,000 */
    uint32_t retry_ms;           /* wait before the next spin after a failed one; doubles, 1 ... 60,000 */
    uint32_t retry_max_ms;       /* longest such wait, retry_ms ... 600,000 */
    uint32_t line;
};

struct config_feed {
    char name[CONFIG_NAME_MAX + 1];
    enum config_protocol protocol;
    uint32_t lcore_idx;          /* an lcore of role rx */
    uint64_t midnight_ns;        /* exchange's midnight of session_date in time_zone, ns since the UTC epoch */
    char session_date[11];       /* YYYY-MM-DD */
    char time_zone[CONFIG_NAME_MAX * 2 + 1];
    enum config_join join;
    enum config_books books;     /* traded: of symbols that strategies list for this feed; each strategy lists some */
    uint32_t instruments_max;    /* 1 ... 65536 */
    uint32_t orders_max;         /* 1024 ... 2^28 */
    uint32_t levels_max;         /* 1024 ... 2^26 */
    uint32_t reorder_packets;    /* 0 ... 256 */
    uint32_t reorder_us;         /* 0 ... 10,000,000 */
    uint32_t hold_messages;      /* messages kept behind a hole, a power of two, 1024 ... 2^22 */
    enum config_stale stale;     /* a hole is announced at once, or when its reorder window has ended */
    uint32_t silence_ms;         /* a line without a packet for so long is silent; none says anything new: the
                                  * channel is stale. 0 = never, ... 3,600,000 */
    enum config_checksum checksum; /* verify: UDP checksums are verified in software */
    struct config_retransmission retransmission;
    struct config_snapshot snapshot;
    struct config_line *line_list;
    uint32_t line_count;         /* 1 ... CONFIG_LINES_MAX */
    uint32_t line;
};

/* Limits of one scope: a strategy, each strategy lcore, the gateway. Money in 1/10,000 of the currency. 0 = off but for
 * order_qty_max, order_notional_max, collar_bps, position_max, rate_per_s and rate_burst. */
struct config_limits {
    bool present;
    uint32_t order_qty_max;          /* shares an order, 1 ... 999,999 */
    uint64_t order_notional_max;     /* 1 ... 10^15 */
    uint32_t collar_bps;             /* furthest limit beyond the opposite side of the BBO, 1/100 %, 0 ... 10,000 */
    uint32_t collar_last_bps;        /* from the last trade, 0 ... 10,000 */
    uint32_t collar_close_bps;       /* from the previous close, 0 ... 10,000 */
    uint32_t position_max;           /* shares long or short an instrument, open orders counted, 1 ... 2^31 - 1 */
    uint32_t open_orders_max;        /* 0 ... 1,048,576 */
    uint64_t gross_max, net_max, loss_max; /* 0 ... 10^18 */
    uint32_t rate_per_s;             /* new orders and replaces a second; 1 ... 10,000,000 */
    uint32_t rate_burst;             /* 1 ... 1,000,000 */
    uint32_t duplicate_ms;           /* 0 ... 3,600,000 */
    uint32_t hours_from_s, hours_to_s; /* of the exchange's day, 0 ... 86,400; both 0: at any time */
    uint32_t line;
};

struct config_param { const char *key, *value; uint32_t line; };

struct config_strategy {
    char name[CONFIG_NAME_MAX + 1];
    char kind[CONFIG_NAME_MAX + 1];  /* name in the strategy table: probe, taker ...; empty: a plug-in */
    char *plugin;                    /* path of its shared object, NULL: built in */
    uint32_t lcore_idx;              /* role strategy; in inline mode the rx lcore */
    uint64_t *symbol_list;           /* instruments to trade, as md_symbol(); none: every instrument */
    uint32_t symbol_count;
    uint32_t feed_idx;               /* where these symbols are found */
    struct config_param *param_list; /* read by the strategy, which refuses what it does not know */
    uint32_t param_count;
    enum config_overrun on_overrun;  /* after events were lost: be brought up to date, or send no new orders any more */
    struct config_limits risk;       /* present: limits of its own, not wider than those of its lcore */
    uint32_t line;
};

/* Faults that a replay puts into one line of a feed, before anything else sees its frames. Shares of packets are in
 * parts of CONFIG_FAULT_PARTS. */
#define CONFIG_FAULT_PARTS 1000000000u
struct config_fault {
    uint32_t feed_idx, line_idx;
    uint32_t loss, duplicate, reorder, corrupt, truncate;
    uint32_t skew_us;            /* every packet comes so much later, 0 ... 10,000,000 ... */
    uint32_t jitter_us;          /* ... and up to so much more, 0 ... 10,000,000 */
    uint32_t stall_every_ms;     /* 0 = never: after each such span the line stands still, 0 ... 3,600,000 ... */
    uint32_t stall_ms;           /* ... for so long, then everything comes at once, 0 ... 3,600,000 */
    uint64_t restart_at;         /* 0 = never: from this sequence on the session begins anew under another name */
    uint32_t line;
};

/* Latencies of the venue that `replay --venue sim` simulates, 0 ... 10,000,000 */
struct config_sim {
    uint32_t order_us;               /* an order's way to the venue ... */
    uint32_t answer_us;              /* ... and its answer's way back */
};

struct config_orders {               /* the order session; present = false: no strategy may send */
    bool present;
    enum config_carrier carrier;     /* udp: a laboratory carrier, OUCH messages in bare datagrams. tcp: SoupBinTCP over
                                      * our own TCP. kernel: over a socket of the kernel */
    uint32_t lcore_idx;              /* tcp, kernel: owner of the session; role strategy, in inline mode the rx lcore.
                                      * udp: 0, of no meaning */
    uint32_t port_idx;               /* udp, tcp; kernel: 0, of no meaning to the session */
    bool has_control_port;           /* tcp: control_port_idx is the port that the control thread sends on */
    uint32_t control_port_idx;
    uint8_t local_mac[6];            /* udp, tcp; all zero: the port's own */
    uint8_t peer_mac[6];             /* udp */
    uint32_t local_ip, peer_ip;      /* host byte order, unicast; kernel: local_ip 0 = any */
    uint16_t local_port, peer_port;  /* 1 ... 65535; tcp, kernel: local_port 0 = chosen at each connection */
    uint32_t prefix_len;             /* tcp: bits of the local network, 8 ... 30 */
    uint32_t gateway_ip;             /* tcp: the router, host byte order, unicast; 0 = none */
    char username[CONFIG_USERNAME_MAX + 1];
    char password[CONFIG_PASSWORD_MAX + 1];
    char session[CONFIG_SESSION_MAX + 1]; /* empty: the current one */
    uint32_t heartbeat_ms;           /* we speak after so much silence of our own, 100 ... 60,000 */
    uint32_t timeout_ms;             /* the venue is gone after so much of its, heartbeat_ms + 1 ... 600,000 */
    uint32_t login_timeout_ms;       /* for connecting, and again for the login, 100 ... 60,000 */
    uint32_t retry_ms;               /* wait before the next attempt after a failed one; doubles, 1 ... 60,000 */
    uint32_t retry_max_ms;           /* longest such wait, retry_ms ... 600,000 */
    enum config_slow_path slow_path; /* tcp: an order that no delegated send can take goes to the control thread's TCP,
                                      * or is refused */
    bool cancel_on_disconnect;       /* what the venue does for this session, as declared */
    uint32_t probe_ms;               /* tcp: least wait before the oldest unacknowledged segment is sent again,
                                      * 1 ... 1,000 */
    uint32_t answer_timeout_ms;      /* an order without any answer for so long: the connection is aborted. 0 = never,
                                      * ... 600,000 */
    uint32_t warm_us;                /* while idle, so often the way of an order is walked. 0 = never, ... 10,000,000 */
    char *refs_file;                 /* tcp, kernel: keeps UserRefNum; udp: may be NULL */
    uint32_t refs_line;
    uint32_t refs_headroom;          /* numbers reserved ahead, 1,000 ... 10,000,000 */
    uint32_t refs_leap_max;          /* how far beyond them a venue's next number is believed, 1,000 ... 2^32 - 1 */
    enum config_fills fills;         /* udp, and replays of any carrier */
    uint32_t open_timeout_ms;        /* the same; fills: none: a reservation is released after this, 1 ... 86,400,000 */
    uint32_t frames;                 /* prepared order frames, a power of two, 16 ... 4096 */
    uint32_t open_orders_max;        /* 16 ... 1,048,576, a power of two */
    struct config_sim sim;
    uint32_t line;
};

/* What an opinion about a price may be where the usual one is not to be had. */
enum config_rule { CONFIG_RULE_USUAL, CONFIG_RULE_REFUSE, CONFIG_RULE_OTHER, CONFIG_RULE_LAST, CONFIG_RULE_CLOSE };
enum config_permission { CONFIG_ALLOW, CONFIG_REFUSE };
enum config_mark { CONFIG_MARK_LAST, CONFIG_MARK_MID };
enum config_short_sale { CONFIG_SHORT_SALE_OFF, CONFIG_SHORT_SALE_CHECK };

struct config_risk {
    bool kill;                    /* start with new orders blocked */
    struct config_limits limits;  /* of each strategy lcore */
    struct config_limits gateway; /* of all strategy lcores together: position, open orders, gross, net, loss, rate */
    uint32_t messages_per_s, messages_burst, messages_reserve; /* as the venue counts them, cancels too */
    uint32_t clock_back_ms, clock_ahead_ms, clock_steady_ms;   /* jumps of frame time, 0 ... 3,600,000 */
    enum config_rule no_bbo, one_sided, locked, crossed, missing_symbol;
    enum config_permission self_cross, early, late;
    enum config_short_sale short_sale;
    enum config_mark mark;
    bool allow_stale;                /* let new orders pass on stale instruments: for laboratories only */
    char *reference_file, *positions_file; /* NULL = none */
    uint32_t reference_line, positions_line;
    uint32_t line;
};

/* Whom a running gateway listens to, and where what they do is written down. */
struct config_admin {
    bool present;
    char *socket;                    /* path of a Unix socket; NULL = nobody is listened to */
    uint32_t mode;                   /* of its file: 0600 ... 0777 */
    char group[CONFIG_NAME_MAX + 1]; /* who may beside root and the gateway's own user; empty = nobody */
    char *audit_file;
    uint32_t socket_line, audit_line;
    uint32_t line;
};

struct config_kill {
    uint32_t watchdog_ms;            /* no turn of an lcore for so long: killed. 0 = never, ... 60,000 */
    uint32_t repeat_ms;              /* between two rounds of cancelling, 1 ... 60,000 */
    uint32_t confirm_ms;             /* until the session is taken over, 10 ... 600,000 */
};

struct config_latency { bool stages; }; /* stage stamps beside tick-to-trade */

struct config_telemetry {
    bool enabled;                    /* DPDK telemetry socket with /tickgate/... */
    uint32_t report_s;               /* seconds between status lines of `run`, 0 = none */
};

/* What `tickgate firewall` lets through on interfaces of the kernel. Interfaces that are not named stay as they are. */
struct config_prefix { uint32_t ip, len; };      /* host byte order, no bits set behind len; 0 ... 32 */
struct config_management {
    char interface[CONFIG_INTERFACE_MAX + 1];
    struct config_prefix source[CONFIG_PREFIXES_MAX]; /* who may connect */
    uint32_t source_count;                       /* 1 ... CONFIG_PREFIXES_MAX */
    uint16_t tcp_port[CONFIG_TCP_PORTS_MAX];     /* to what */
    uint32_t tcp_port_count;                     /* 1 ... CONFIG_TCP_PORTS_MAX */
};
struct config_firewall {
    bool present;
    struct config_management management[CONFIG_GUARDED_MAX];
    uint32_t management_count;                   /* 1 ... CONFIG_GUARDED_MAX */
    char order_interface[CONFIG_GUARDED_MAX][CONFIG_INTERFACE_MAX + 1]; /* the order session alone, carrier kernel */
    uint32_t order_interface_count;
    char feed_interface[CONFIG_GUARDED_MAX][CONFIG_INTERFACE_MAX + 1];  /* feeds, their servers, IGMP */
    uint32_t feed_interface_count;
    uint32_t line;
};

struct config {
    char *path;
    struct config_gateway gateway;
    struct config_lcore lcore[CONFIG_LCORES_MAX];
    uint32_t lcore_count;
    struct config_port port[CONFIG_PORTS_MAX];
    uint32_t port_count;
    struct config_feed feed[CONFIG_FEEDS_MAX];
    uint32_t feed_count;
    struct config_strategy strategy[CONFIG_STRATEGIES_MAX];
    uint32_t strategy_count;
    struct config_orders orders;
    struct config_risk risk;
    struct config_admin admin;
    struct config_kill kill;
    struct config_latency latency;
    struct config_telemetry telemetry;
    struct config_firewall firewall;
    uint64_t fault_seed;
    struct config_fault *fault_list; /* replays only */
    uint32_t fault_count;            /* 0 ... CONFIG_FAULTS_MAX */
};

/* One thing that is wrong or doubtful: a whole sentence, "FILE:LINE: key: what; the fix". */
struct config_finding { char text[1024]; bool warning; };
#define CONFIG_FINDINGS_MAX 32u
struct config_findings {
    struct config_finding finding[CONFIG_FINDINGS_MAX];
    uint32_t count;       /* stored; more than CONFIG_FINDINGS_MAX are only counted in error_count and warning_count */
    uint32_t error_count;
    uint32_t warning_count;
};

/* Add one sentence. `line` 0 = the file as a whole. Bytes that are no text are shown as '?', so that a finding is
 * always one line. Public for the checks that other rooms make of a config (strategy kinds, host devices). */
void config_find(struct config_findings *findings, bool warning, const char *path, uint32_t line, const char *key,
                 const char *format, ...) __attribute__((format(printf, 6, 7)));

/* Read and check `path`. 0: *ret_config is complete (free it with config_free), findings may hold warnings. -ENOENT and
 * other read errors, -EINVAL for anything wrong: findings say what, *ret_config is not written. */
int config_load(const char *path, struct config **ret_config, struct config_findings *ret_findings);
void config_free(struct config *config);

/* Is `device` made by this DPDK driver, "net_af_xdp" say? */
bool config_device_is(const char *device, const char *driver);
/* The value of a device argument, as iface in "net_af_xdp,iface=eth1"; false, and an empty text: it is not there, or
 * longer than value_size - 1. */
bool config_device_argument(const char *device, const char *key, char *ret_value, size_t value_size);
/* The kernel's network interface behind a port (iface=...); false: it has none. */
bool config_device_interface(const char *device, char ret_name[CONFIG_INTERFACE_MAX + 1]);

/* What only this machine can tell, without touching hardware: CPUs exist and may be used, NUMA nodes of lcores and PCI
 * ports agree. Adds to findings. 0 or -EINVAL. */
int config_check_host(const struct config *config, struct config_findings *findings);
/* What this machine can give without paging, in KiB; UINT64_MAX where it does not say. Whoever touches more is ended by
 * the kernel, or a neighbour is. */
uint64_t config_host_available_kb(void);
/* The NUMA part of config_check_host, pure: lcore_node[i] and port_node[i] are the nodes of config->lcore[i] and
 * config->port[i], -1 = unknown. An rx lcore belongs on the node of the ports that it polls, a strategy lcore on that
 * of the order port and of the rx lcore that feeds it. gateway.numa_strict decides between error and warning. 0 or
 * -EINVAL. */
int config_check_nodes(const struct config *config, const int *lcore_node, const int *port_node,
                       struct config_findings *findings);

#endif
