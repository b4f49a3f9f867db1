/* gateway/xdp: the program itself, run by the kernel on frames of every rule (BPF_PROG_TEST_RUN), and what a config
 * means for it. Running needs root and a build with the guard; those tests are skipped without. Each case is one row:
 * frame, verdict, and the rule that counted it. */
#include "gateway/xdp/xdp_guard.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <linux/if_xdp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/bpf.h>

#define FEED_GROUP    0xe9360c6fu /* 233.54.12.111 */
#define SOURCED_GROUP 0xe931c46fu /* 233.49.196.111, from SOURCE only */
#define SOURCE        0xc6336407u
#define OURS          0xc0000209u /* 192.0.2.9: lwIP's and the requests' */
#define KERNELS       0xc0000202u /* 192.0.2.2: the kernel's */
#define VENUE         0xc633640au
#define SERVER        0xc6336414u
#define STRANGER      0xcb007105u
#define UDP           17
#define TCP           6
#define FRAME_MAX     256u

static struct xdp_guard guard;
static int socket_fd = -1;

/* The config of all tests: two lines, a retransmission server through the port, a snapshot server and an order session
 * on the same interface. */
static struct config *config_make(void)
{
    static struct config config;
    static struct config_line lines[2];
    static struct config_server server = {.ip = SERVER, .port = 17000}, snapshots[1] = {{.ip = SERVER, .port = 18000}};
    static char device[] = "net_af_xdp,iface=lab0", other[] = "net_af_packet,iface=lab1";

    memset(&config, 0, sizeof(config));
    lines[0] = (struct config_line){.name = "A", .group = FEED_GROUP, .udp_port = 26477};
    lines[1] = (struct config_line){.name = "B", .group = SOURCED_GROUP, .udp_port = 26477, .source = SOURCE};
    config.port[0] = (struct config_port){.name = "md", .device = device, .rx_queues = 1};
    config.port[0].guard =
        (struct config_xdp_guard){.given = true, .enabled = true, .kernel_port = {22, 123}, .kernel_port_count = 2};
    config.port[1] = (struct config_port){.name = "elsewhere", .device = other, .rx_queues = 1};
    config.port_count = 2;
    config.feed[0].line_list = lines;
    config.feed[0].line_count = 2;
    config.feed[0].retransmission = (struct config_retransmission){.present = true,
                                                                   .transport = CONFIG_TRANSPORT_PORT,
                                                                   .local_ip = OURS,
                                                                   .local_port = 40001,
                                                                   .server_list = &server,
                                                                   .server_count = 1};
    config.feed[0].snapshot = (struct config_snapshot){.present = true, .server_list = snapshots, .server_count = 1};
    config.feed_count = 1;
    config.orders = (struct config_orders){
        .present = true, .carrier = CONFIG_CARRIER_TCP, .local_ip = OURS, .peer_ip = VENUE, .peer_port = 26000};
    return &config;
}

/* Loaded into the kernel, attached to nothing; with a socket on queue 0, on which test runs arrive. */
static void guard_begin(const struct config *config, bool with_socket)
{
    static struct xdp_guard_params params;
    char error[XDP_GUARD_ERROR_MAX] = "";
    const uint32_t ring = 64, queue = 0;

    if (!xdp_guard_built() || geteuid() != 0)
        cr_skip("the guard is not built, or this is not root");
    cr_assert(xdp_guard_params(config, "lab0", &params));
    cr_assert_eq(xdp_guard_load(&guard, &params, error), 0, "%s", error);
    if (!with_socket)
        return;
    socket_fd = socket(AF_XDP, SOCK_RAW, 0);
    cr_assert_geq(socket_fd, 0);
    cr_assert_eq(setsockopt(socket_fd, SOL_XDP, XDP_RX_RING, &ring, sizeof(ring)), 0);
    cr_assert(xdp_guard_socket(&guard, queue, socket_fd));
}

static void guard_end(void)
{
    xdp_guard_close(&guard);
    if (socket_fd >= 0)
        close(socket_fd);
    socket_fd = -1;
}

/* What the program says to a frame, by the system call itself. */
static int verdict(const uint8_t *bytes, uint32_t len)
{
    union bpf_attr attr;

    memset(&attr, 0, sizeof(attr));
    attr.test.prog_fd = (uint32_t)guard.program_fd;
    attr.test.data_in = (uintptr_t)bytes;
    attr.test.data_size_in = len;
    attr.test.repeat = 1;
    cr_assert_eq(syscall(SYS_bpf, BPF_PROG_TEST_RUN, &attr, sizeof(attr)), 0, "a test run of %u bytes", len);
    return (int)attr.test.retval;
}

/* Which rule counted the frame; exactly one, once, with its length. */
static int rule_of(const uint8_t *bytes, uint32_t len, int *ret_verdict)
{
    struct guard_count before[GUARD_RULE_COUNT], after[GUARD_RULE_COUNT];
    int found = -1;

    xdp_guard_counts(&guard, before);
    *ret_verdict = verdict(bytes, len);
    xdp_guard_counts(&guard, after);
    for (int i = 0; i < GUARD_RULE_COUNT; i++) {
        if (after[i].frames == before[i].frames)
            continue;
        cr_assert_eq(found, -1, "counted by two rules");
        cr_assert_eq(after[i].frames - before[i].frames, 1u);
        cr_assert_eq(after[i].bytes - before[i].bytes, len);
        found = i;
    }
    cr_assert_neq(found, -1, "counted by no rule");
    return found;
}

struct frame {
    uint8_t bytes[FRAME_MAX];
    uint32_t len;
};

static void put16(struct frame *frame, uint16_t value)
{
    frame->bytes[frame->len++] = (uint8_t)(value >> 8);
    frame->bytes[frame->len++] = (uint8_t)value;
}

static void put32(struct frame *frame, uint32_t value)
{
    put16(frame, (uint16_t)(value >> 16));
    put16(frame, (uint16_t)value);
}

static struct frame ether(uint16_t type, unsigned tags)
{
    struct frame frame = {.len = 12};

    frame.bytes[0] = 0x02;
    for (unsigned i = 0; i < tags; i++) {
        put16(&frame, i + 1 < tags ? 0x88a8 : 0x8100);
        put16(&frame, 100);
    }
    put16(&frame, type);
    return frame;
}

/* Datagram or segment, with 16 bytes of payload or header rest. */
static struct frame ipv4(unsigned tags, uint8_t protocol, uint32_t src, uint16_t src_port, uint32_t dst,
                         uint16_t dst_port)
{
    struct frame frame = ether(0x0800, tags);

    put16(&frame, 0x4500);
    put16(&frame, 44);
    put32(&frame, 0);
    put16(&frame, (uint16_t)(64 << 8 | protocol));
    put16(&frame, 0);
    put32(&frame, src);
    put32(&frame, dst);
    put16(&frame, src_port);
    put16(&frame, dst_port);
    frame.len += 20;
    return frame;
}

static struct frame arp(uint32_t sender, uint32_t target)
{
    struct frame frame = ether(0x0806, 0);

    put16(&frame, 1);
    put16(&frame, 0x0800);
    put16(&frame, 0x0604);
    put16(&frame, 1);
    frame.len += 6;
    put32(&frame, sender);
    frame.len += 6;
    put32(&frame, target);
    return frame;
}

static struct frame ipv6(uint8_t next, uint16_t src_port, uint16_t dst_port)
{
    struct frame frame = ether(0x86dd, 0);

    put32(&frame, 0x60000000);
    put16(&frame, 20);
    put16(&frame, (uint16_t)(next << 8 | 64));
    frame.len += 32;
    put16(&frame, src_port);
    put16(&frame, dst_port);
    frame.len += 16;
    return frame;
}

static struct frame changed(struct frame frame, uint32_t at, uint8_t byte)
{
    frame.bytes[at] = byte;
    return frame;
}

#define EXPECT(text, frame_of, verdict_expected, rule_expected)                                                        \
    do {                                                                                                               \
        const struct frame frame = frame_of;                                                                           \
        int got;                                                                                                       \
        const int rule = rule_of(frame.bytes, frame.len, &got);                                                        \
        cr_expect_eq(got, verdict_expected, "%s: verdict %d, not %d", text, got, verdict_expected);                    \
        cr_expect_eq(rule, rule_expected, "%s: counted as '%s', not '%s'", text,                                       \
                     xdp_guard_rule_name((enum guard_rule)rule), xdp_guard_rule_name(rule_expected));                  \
    } while (0)

Test(xdp_guard, each_rule_takes_its_frames)
{
    guard_begin(config_make(), true);
    EXPECT("a subscribed group", ipv4(0, UDP, STRANGER, 9, FEED_GROUP, 26477), XDP_REDIRECT, GUARD_FEED);
    EXPECT("in a VLAN", ipv4(1, UDP, STRANGER, 9, FEED_GROUP, 26477), XDP_REDIRECT, GUARD_FEED);
    EXPECT("in two", ipv4(2, UDP, STRANGER, 9, FEED_GROUP, 26477), XDP_REDIRECT, GUARD_FEED);
    EXPECT("in three, which nobody reads", ipv4(3, UDP, STRANGER, 9, FEED_GROUP, 26477), XDP_DROP, GUARD_OTHER);
    EXPECT("another port of it", ipv4(0, UDP, STRANGER, 9, FEED_GROUP, 26478), XDP_DROP, GUARD_OTHER);
    EXPECT("a group of the same MAC address", ipv4(0, UDP, STRANGER, 9, FEED_GROUP ^ 0x00800000, 26477), XDP_DROP,
           GUARD_OTHER);
    EXPECT("its source", ipv4(0, UDP, SOURCE, 9, SOURCED_GROUP, 26477), XDP_REDIRECT, GUARD_FEED);
    EXPECT("another source", ipv4(0, UDP, STRANGER, 9, SOURCED_GROUP, 26477), XDP_DROP, GUARD_SOURCE);
    EXPECT("a retransmission", ipv4(0, UDP, SERVER, 17000, OURS, 40001), XDP_REDIRECT, GUARD_REPLY);
    EXPECT("from nobody we asked", ipv4(0, UDP, STRANGER, 17000, OURS, 40001), XDP_DROP, GUARD_SOURCE);
    EXPECT("UDP to port 0 of our address", ipv4(0, UDP, STRANGER, 9, OURS, 0), XDP_DROP, GUARD_OTHER);
    EXPECT("the venue's TCP", ipv4(0, TCP, VENUE, 26000, OURS, 50000), XDP_REDIRECT, GUARD_TCP);
    EXPECT("TCP of strangers too: lwIP resets it", ipv4(0, TCP, STRANGER, 5, OURS, 50000), XDP_REDIRECT, GUARD_TCP);
    EXPECT("ping", ipv4(0, 1, STRANGER, 0x0800, OURS, 0), XDP_REDIRECT, GUARD_ICMP);
    EXPECT("ping of the kernel", ipv4(0, 1, STRANGER, 0x0800, KERNELS, 0), XDP_PASS, GUARD_KERNEL_IP);
    EXPECT("who has our address", arp(STRANGER, OURS), XDP_REDIRECT, GUARD_ARP);
    EXPECT("who has the kernel's", arp(STRANGER, KERNELS), XDP_PASS, GUARD_KERNEL_ARP);
    EXPECT("an IGMP query", ipv4(0, 2, STRANGER, 0x1164, 0xe0000001, 0), XDP_PASS, GUARD_KERNEL_IP);
    EXPECT("with Router Alert", changed(ipv4(0, 2, STRANGER, 0x1164, 0xe0000001, 0), 14, 0x46), XDP_PASS,
           GUARD_KERNEL_IP);
    EXPECT("a snapshot by the kernel's TCP", ipv4(0, TCP, SERVER, 18000, KERNELS, 50001), XDP_PASS, GUARD_KERNEL_IP);
    EXPECT("other TCP", ipv4(0, TCP, SERVER, 18001, KERNELS, 50001), XDP_DROP, GUARD_OTHER);
    EXPECT("ssh", ipv4(0, TCP, STRANGER, 5, KERNELS, 22), XDP_PASS, GUARD_KERNEL_IP);
    EXPECT("a time server's answer", ipv4(0, UDP, STRANGER, 123, KERNELS, 50002), XDP_PASS, GUARD_KERNEL_IP);
    EXPECT("GRE", ipv4(0, 47, STRANGER, 0, KERNELS, 0), XDP_DROP, GUARD_OTHER);
    EXPECT("a neighbour of IPv6", ipv6(58, 0x8700, 0), XDP_PASS, GUARD_KERNEL_IP);
    EXPECT("ssh by IPv6", ipv6(TCP, 5, 22), XDP_PASS, GUARD_KERNEL_IP);
    EXPECT("a flow of IPv6", ipv6(UDP, 5, 26477), XDP_DROP, GUARD_OTHER);
    EXPECT("LLDP", ether(0x88cc, 0), XDP_PASS, GUARD_KERNEL_LINK);
    EXPECT("LACP", ether(0x8809, 0), XDP_PASS, GUARD_KERNEL_LINK);
    EXPECT("some protocol", ether(0x9999, 0), XDP_DROP, GUARD_OTHER);
    guard_end();
}

Test(xdp_guard, spanning_tree_is_the_kernels_and_other_802_3_is_nobodys)
{
    static const uint8_t bridge_group[6] = {0x01, 0x80, 0xc2, 0, 0, 0};
    struct frame bpdu = ether(38, 0);

    guard_begin(config_make(), true);
    EXPECT("to some station", bpdu, XDP_DROP, GUARD_OTHER);
    memcpy(bpdu.bytes, bridge_group, 6);
    EXPECT("to the bridges", bpdu, XDP_PASS, GUARD_KERNEL_LINK);
    guard_end();
}

/* The least that shows each frame whole is redirected; one byte less, and all that is shorter, is not. */
Test(xdp_guard, frames_that_end_early_are_short_at_every_length)
{
    const struct frame feed = ipv4(2, UDP, STRANGER, 9, FEED_GROUP, 26477);
    const struct frame segment = ipv4(0, TCP, VENUE, 26000, OURS, 50000);
    const struct frame question = arp(STRANGER, OURS);
    int got;

    guard_begin(config_make(), true);
    for (uint32_t len = 14; len <= feed.len; len++) {
        const int rule = rule_of(feed.bytes, len, &got);
        cr_expect_eq(rule, len < 22 + 20 + 8 ? GUARD_SHORT : GUARD_FEED, "%u bytes", len);
    }
    for (uint32_t len = 14; len <= segment.len; len++) {
        const int rule = rule_of(segment.bytes, len, &got);
        cr_expect_eq(rule, len < 14 + 20 + 20 ? GUARD_SHORT : GUARD_TCP, "%u bytes", len);
    }
    for (uint32_t len = 14; len <= question.len; len++) {
        const int rule = rule_of(question.bytes, len, &got);
        cr_expect_eq(rule, len < 14 + 28 ? GUARD_SHORT : GUARD_ARP, "%u bytes", len);
    }
    guard_end();
}

Test(xdp_guard, headers_that_contradict_themselves_are_short)
{
    const struct frame feed = ipv4(0, UDP, STRANGER, 9, FEED_GROUP, 26477);

    guard_begin(config_make(), true);
    EXPECT("IPv5", changed(feed, 14, 0x55), XDP_DROP, GUARD_SHORT);
    for (uint8_t words = 0; words < 5; words++)
        EXPECT("a header of less than 20 bytes", changed(feed, 14, (uint8_t)(0x40 | words)), XDP_DROP, GUARD_SHORT);
    EXPECT("options past the total length", changed(feed, 14, 0x4f), XDP_DROP, GUARD_SHORT);
    EXPECT("options past the frame", changed(changed(feed, 14, 0x4f), 17, 200), XDP_DROP, GUARD_SHORT);
    EXPECT("a total length less than the header", changed(feed, 17, 19), XDP_DROP, GUARD_SHORT);
    EXPECT("a hardware address of ARP of 8 bytes", changed(arp(STRANGER, OURS), 18, 8), XDP_DROP, GUARD_SHORT);
    guard_end();
}

Test(xdp_guard, fragments_have_no_port_to_go_by)
{
    const struct frame feed = ipv4(0, UDP, STRANGER, 9, FEED_GROUP, 26477);

    guard_begin(config_make(), true);
    EXPECT("the first", changed(feed, 20, 0x20), XDP_DROP, GUARD_FRAGMENT);
    EXPECT("a later one", changed(feed, 21, 0x01), XDP_DROP, GUARD_FRAGMENT);
    EXPECT("do not fragment", changed(feed, 20, 0x40), XDP_REDIRECT, GUARD_FEED);
    guard_end();
}

/* Random bytes, and good frames with one byte turned: whatever comes, one rule counts it (rule_of) and the verdict is
 * one that the rule gives. */
Test(xdp_guard, whatever_comes_one_rule_counts_it)
{
    const struct frame good[] = {ipv4(1, UDP, SOURCE, 9, SOURCED_GROUP, 26477), ipv4(0, TCP, VENUE, 26000, OURS, 5),
                                 arp(STRANGER, OURS), ipv6(TCP, 5, 22)};
    uint32_t random = 1;

    guard_begin(config_make(), true);
    for (uint32_t i = 0; i < 4000; i++) {
        struct frame frame = good[i % 4];
        random = random * 1664525u + 1013904223u;
        frame.bytes[(random >> 8) % frame.len] = (uint8_t)(random >> 24);
        if (i % 7 == 0)
            for (uint32_t at = 12; at < frame.len; at++)
                frame.bytes[at] = (uint8_t)((random = random * 1664525u + 1013904223u) >> 24);
        int got;
        const int rule = rule_of(frame.bytes, frame.len, &got);
        cr_expect_eq(got, rule < GUARD_KERNEL_ARP ? XDP_REDIRECT : rule < GUARD_SHORT ? XDP_PASS : XDP_DROP);
    }
    guard_end();
}

Test(xdp_guard, a_queue_without_socket_is_counted_and_left_to_the_kernel)
{
    guard_begin(config_make(), false);
    EXPECT("feed", ipv4(0, UDP, STRANGER, 9, FEED_GROUP, 26477), XDP_PASS, GUARD_NO_SOCKET);
    EXPECT("a stranger's datagram all the same", ipv4(0, UDP, STRANGER, 9, KERNELS, 9), XDP_DROP, GUARD_OTHER);
    xdp_guard_begin(&guard);
    struct guard_count counts[GUARD_RULE_COUNT];
    xdp_guard_counts(&guard, counts);
    cr_expect_eq(counts[GUARD_NO_SOCKET].frames, 0u, "before the ports were open it is no mistake");
    EXPECT("feed, later", ipv4(0, UDP, STRANGER, 9, FEED_GROUP, 26477), XDP_PASS, GUARD_NO_SOCKET);
    guard_end();
}

Test(xdp_guard, a_source_beyond_its_bucket_is_dropped_and_others_are_not)
{
    struct config *config = config_make();

    config->port[0].guard.control_rate_per_s = 1; /* one a second, three at once: none comes back while this runs */
    config->port[0].guard.control_burst = 3;
    guard_begin(config, true);
    for (int i = 0; i < 3; i++)
        EXPECT("within the burst", arp(STRANGER, OURS), XDP_REDIRECT, GUARD_ARP);
    EXPECT("beyond it", arp(STRANGER, OURS), XDP_DROP, GUARD_FLOOD);
    EXPECT("of any kind", ipv4(0, 1, STRANGER, 0x0800, OURS, 0), XDP_DROP, GUARD_FLOOD);
    EXPECT("for the kernel too", ipv4(0, TCP, STRANGER, 5, KERNELS, 22), XDP_DROP, GUARD_FLOOD);
    EXPECT("another source", arp(STRANGER + 1, OURS), XDP_REDIRECT, GUARD_ARP);
    for (int i = 0; i < 20; i++) {
        EXPECT("the venue's session has no limit", ipv4(0, TCP, VENUE, 26000, OURS, 50000), XDP_REDIRECT, GUARD_TCP);
        EXPECT("nor has a snapshot", ipv4(0, TCP, SERVER, 18000, KERNELS, 5), XDP_PASS, GUARD_KERNEL_IP);
        EXPECT("nor the feed, by default", ipv4(0, UDP, STRANGER, 9, FEED_GROUP, 26477), XDP_REDIRECT, GUARD_FEED);
    }
    guard_end();
}

Test(xdp_guard, a_feed_may_have_a_limit_of_its_own)
{
    struct config *config = config_make();

    config->port[0].guard.feed_rate_per_s = 1;
    config->port[0].guard.feed_burst = 2;
    guard_begin(config, true);
    for (int i = 0; i < 2; i++)
        EXPECT("within", ipv4(0, UDP, STRANGER, 9, FEED_GROUP, 26477), XDP_REDIRECT, GUARD_FEED);
    EXPECT("beyond", ipv4(0, UDP, STRANGER, 9, FEED_GROUP, 26477), XDP_DROP, GUARD_FLOOD);
    EXPECT("the other side of the exchange", ipv4(0, UDP, SOURCE, 9, SOURCED_GROUP, 26477), XDP_REDIRECT, GUARD_FEED);
    guard_end();
}

/* Sources beyond the table's size push each other out; nothing fails, and each new one has its full bucket. */
Test(xdp_guard, more_sources_than_buckets_are_no_failure)
{
    struct config *config = config_make();

    config->port[0].guard.control_rate_per_s = 1;
    config->port[0].guard.control_burst = 1;
    guard_begin(config, true);
    for (uint32_t i = 0; i < 2 * GUARD_SOURCES_MAX; i++) {
        const struct frame frame = arp(0x0a000000 + i, OURS);
        cr_assert_eq(verdict(frame.bytes, frame.len), XDP_REDIRECT, "source %u", i);
    }
    guard_end();
}

Test(xdp_guard, membership_of_ours_takes_igmp_and_an_address_of_ours_its_arp_and_pings)
{
    struct config *config = config_make();

    config->port[0].membership = CONFIG_MEMBERSHIP_OWN;
    config->port[0].ip = OURS + 1;
    guard_begin(config, true);
    EXPECT("an IGMP query", ipv4(0, 2, STRANGER, 0x1164, 0xe0000001, 0), XDP_REDIRECT, GUARD_IGMP);
    EXPECT("who has our address", arp(STRANGER, OURS + 1), XDP_REDIRECT, GUARD_ARP);
    EXPECT("ping", ipv4(0, 1, STRANGER, 0x0800, OURS + 1, 0), XDP_REDIRECT, GUARD_ICMP);
    EXPECT("who has the kernel's", arp(STRANGER, KERNELS), XDP_PASS, GUARD_KERNEL_ARP);
    guard_end();
}

Test(xdp_guard, switched_off_it_gives_everything_to_the_socket)
{
    struct config *config = config_make();

    config->port[0].guard.enabled = false;
    guard_begin(config, true);
    EXPECT("rubbish", ether(0x9999, 0), XDP_REDIRECT, GUARD_EVERYTHING);
    EXPECT("the kernel's ARP", arp(STRANGER, KERNELS), XDP_REDIRECT, GUARD_EVERYTHING);
    guard_end();
}

/* --- what a config means */

static const struct guard_flow *flow(const struct xdp_guard_params *params, enum guard_flow_kind kind, uint32_t ip,
                                     uint16_t port)
{
    for (uint32_t i = 0; i < params->flow_count; i++)
        if (params->key[i].kind == kind && params->key[i].ip == htonl(ip) && params->key[i].port == htons(port))
            return &params->flow[i];
    return NULL;
}

Test(xdp_guard, an_interface_gets_the_flows_of_its_own_ports)
{
    static struct xdp_guard_params params;
    struct config *config = config_make();

    config->feed[0].line_list[1].port_idx = 1; /* B is elsewhere */
    cr_assert(xdp_guard_params(config, "lab0", &params));
    cr_expect_not_null(flow(&params, GUARD_TO, FEED_GROUP, 26477));
    cr_expect_null(flow(&params, GUARD_TO, SOURCED_GROUP, 26477));
    cr_assert_not_null(flow(&params, GUARD_TO, OURS, 40001));
    cr_expect_eq(flow(&params, GUARD_TO, OURS, 40001)->source, htonl(SERVER));
    cr_expect_not_null(flow(&params, GUARD_HOST, OURS, 0));
    cr_expect_not_null(flow(&params, GUARD_FROM, VENUE, 26000));
    cr_expect_not_null(flow(&params, GUARD_FROM, SERVER, 18000));
    cr_expect_not_null(flow(&params, GUARD_PORT, 0, 22));
    cr_expect_eq(params.flow_count, 7u, "one address of ours, though two use it");
}

Test(xdp_guard, an_order_port_elsewhere_is_not_this_interfaces)
{
    static struct xdp_guard_params params;
    struct config *config = config_make();

    config->orders.port_idx = 1;
    config->feed[0].retransmission.transport = CONFIG_TRANSPORT_KERNEL;
    cr_assert(xdp_guard_params(config, "lab0", &params));
    cr_expect_null(flow(&params, GUARD_HOST, OURS, 0));
    cr_expect_null(flow(&params, GUARD_FROM, VENUE, 26000));
    cr_expect_not_null(flow(&params, GUARD_FROM, SERVER, 17000), "the kernel's socket asks");
    config->orders.has_control_port = true;
    config->orders.control_port_idx = 0;
    cr_assert(xdp_guard_params(config, "lab0", &params));
    cr_expect_not_null(flow(&params, GUARD_HOST, OURS, 0), "the control thread's port is on it");
}

Test(xdp_guard, rates_become_intervals)
{
    static struct xdp_guard_params params;
    struct config *config = config_make();

    config->port[0].guard.control_rate_per_s = 10000;
    config->port[0].guard.control_burst = 2000;
    cr_assert(xdp_guard_params(config, "lab0", &params));
    cr_expect_eq(params.settings.control_interval_ns, 100000u);
    cr_expect_eq(params.settings.control_burst_ns, 200000000u);
    cr_expect_eq(params.settings.feed_interval_ns, 0u, "no limit");
}
