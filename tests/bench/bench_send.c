/* The send path alone, intent to doorbell, on net_ring: a datagram, delegated send over TCP (limit, log, SoupBinTCP
 * header and checksum included), the same order given to lwIP (tcp_write), and to a socket of the kernel. The peer of
 * the TCPs is the Linux kernel: behind a TAP device, or over the loopback for its own. Orders are timed in batches;
 * what the control thread and the network do in between is not. One thread. Needs root.
 *
 *   send_udp_ns, send_delegated_ns, send_lwip_ns, send_kernel_ns */
#include "gateway/order_path.h"

#include "feed/soup.h"
#include "gateway/clock.h"
#include "gateway/kernel_line.h"
#include "gateway/order/ouch.h"
#include "tests/bench/bench_eal.h"
#include "tests/eal/tap_rig.h"

#include <stdio.h>

#define MEMORY_MB 64u
#define BATCH 32u
#define BATCHES 256u
#define SYMBOL UINT64_C(0x202020204c504141)

static struct order_path udp, tcp, kernel;
static struct order_tx udp_tx;
static struct order_link tcp_link, kernel_link;
static struct kernel_line kernel_line;
static int kernel_server;
static uint32_t last_ref;

static struct order_intent intent_of(uint32_t i)
{
    return (struct order_intent){
        .action = ORDER_NEW, .side = i & 1 ? 'B' : 'S', .tif = ORDER_IOC, .price = 1000100 + (int32_t)i,
        .qty = 100 + i};
}

/* Any tick will do, as long as it is another one. */
static struct order_frame_id id_of(uint32_t user_ref)
{
    return (struct order_frame_id){.user_ref = user_ref, .tick_ns = user_ref * 0x9e3779b1u};
}

static enum risk_verdict batch_send(struct order_path *path, const struct order_intent intents[BATCH])
{
    enum risk_verdict verdict = RISK_PASS;

    for (uint32_t i = 0; i < BATCH; i++) {
        verdict |= order_path_encode(path, &intents[i], SYMBOL, id_of(++last_ref));
        verdict |= order_path_send(path);
    }
    return verdict;
}

/* --- what happens in between */

static void rest_udp(void)
{
    void *frame;

    while (rte_ring_dequeue(rig.out[0], &frame) == 0)
        rte_pktmbuf_free(frame);
}

/* Until all of it is acknowledged, so that the window is open again. */
static void rest_tcp(void)
{
    uint8_t bytes[8192];

    do {
        tap_rig_carry();
        tcp_line_step(&rig.line, tap_rig_now_ns());
        while (recv(rig.server, bytes, sizeof(bytes), 0) > 0)
            continue;
    } while (!tcp_line_quiet(&rig.line));
}

static void rest_kernel(void)
{
    uint8_t bytes[8192];

    while (recv(kernel_server, bytes, sizeof(bytes), 0) > 0)
        continue;
    kernel_line_step(&kernel_line, tap_rig_now_ns());
}

/* Datagrams are taken off the wire before the network sees it: it carries segments only. */
static void rest_after(const struct order_path *path)
{
    if (path == &udp)
        rest_udp();
    rest_tcp();
    rest_kernel();
}

/* What happens in between is the same whatever is timed: an untimed batch of datagrams and one of segments, the control
 * thread and the network. So each case finds the same caches. */
static void paths_send(struct order_path *path, double *ret_ns)
{
    struct order_intent intents[BATCH];
    uint64_t ticks = 0;

    for (uint32_t i = 0; i < BATCH; i++)
        intents[i] = intent_of(i);
    for (uint32_t batch = 0; batch < BATCHES; batch++) {
        CHECK(batch_send(&tcp, intents) == RISK_PASS);
        rest_after(&tcp);
        CHECK(batch_send(&udp, intents) == RISK_PASS);
        rest_after(&udp);
        const uint64_t begin_tsc = clock_tsc_ordered();
        const enum risk_verdict verdict = batch_send(path, intents);
        ticks += clock_tsc_ordered() - begin_tsc;
        CHECK(verdict == RISK_PASS);
        rest_after(path);
    }
    *ret_ns = bench_ns(ticks) / (BATCHES * BATCH);
}

/* --- cases */

static void run_udp(void *unused, double *ret_ns)
{
    (void)unused;
    paths_send(&udp, ret_ns);
}

static void run_tcp(void *unused, double *ret_ns)
{
    const uint64_t slow_count = tcp.slow_count;

    (void)unused;
    paths_send(&tcp, ret_ns);
    CHECK(tcp.slow_count == slow_count); /* all by delegated send, or nothing is shown */
}

static void run_kernel(void *unused, double *ret_ns)
{
    (void)unused;
    paths_send(&kernel, ret_ns);
}

/* The connection is the control thread's again: the order is encoded as before and given to lwIP. */
static void run_lwip(void *unused, double *ret_ns)
{
    static const struct order_frame_at nowhere;
    static const struct order_frame_route route = {.tcp = true};
    struct order_frame_template template;
    uint8_t frame[128];
    uint64_t ticks = 0;
    uint32_t len;

    (void)unused;
    order_frame_template_init(&template, &route);
    order_frame_prepare(&template, frame);
    tcp_line_end(&rig.line);
    for (uint32_t batch = 0; batch < BATCHES; batch++) {
        bool taken = true;
        const uint64_t begin_tsc = clock_tsc_ordered();
        for (uint32_t i = 0; i < BATCH; i++) {
            const struct order_intent intent = intent_of(i);
            order_frame_encode(&template, frame, &intent, SYMBOL, id_of(++last_ref), nowhere);
            const uint8_t *stream = order_frame_stream(&template, frame, ORDER_NEW, &len);
            taken &= tcp_line_write(&rig.line, stream, len);
        }
        ticks += clock_tsc_ordered() - begin_tsc;
        CHECK(taken);
        rest_tcp();
    }
    *ret_ns = bench_ns(ticks) / (BATCHES * BATCH);
    struct order_news begin = {.type = ORDER_NEWS_BEGIN, .epoch = (uint16_t)(rig.line.epoch + 1)};
    tcp_line_begin(&rig.line, begin.epoch, &begin.value, &begin.route.window);
    send_log_begin(&tcp_link.log, begin.epoch, begin.value);
    tcp_line_step(&rig.line, tap_rig_now_ns());
}

/* --- set-up */

static void kernel_open(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(TAP_RIG_PEER_IP)};
    socklen_t len = sizeof(address);
    struct order_news begin = {.type = ORDER_NEWS_BEGIN, .epoch = 1};
    const int listener = socket(AF_INET, SOCK_STREAM, 0);

    CHECK(bind(listener, (const struct sockaddr *)&address, len) == 0 && listen(listener, 1) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&address, &len) == 0);
    order_link_init(&kernel_link, UINT32_MAX);
    kernel_line_init(&kernel_line, &kernel_link.log);
    CHECK(kernel_line_connect(&kernel_line, 0, 0, TAP_RIG_PEER_IP, ntohs(address.sin_port)) == 0);
    kernel_server = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    CHECK(kernel_server >= 0);
    while (kernel_line_event(&kernel_line) != KERNEL_LINE_CONNECTED)
        kernel_line_step(&kernel_line, tap_rig_now_ns());
    kernel = (struct order_path){.carrier = CONFIG_CARRIER_KERNEL, .link = &kernel_link};
    begin.socket = kernel_line_fd(&kernel_line);
    kernel_line_begin(&kernel_line, begin.epoch, &begin.value);
    order_path_begin(&kernel, &begin);
    kernel_line_step(&kernel_line, tap_rig_now_ns());
}

static void loopback_up(void)
{
    struct ifreq request = {.ifr_flags = IFF_UP | IFF_RUNNING};
    const int control = socket(AF_INET, SOCK_DGRAM, 0);

    memcpy(request.ifr_name, "lo", sizeof("lo"));
    CHECK(ioctl(control, SIOCSIFFLAGS, &request) == 0);
    close(control);
}

static void paths_open(void)
{
    const struct order_frame_route route = {.local_ip = TAP_RIG_IP, .peer_ip = TAP_RIG_PEER_IP, .peer_port = 1};

    CHECK(order_tx_init(&udp_tx, &route, rig.port_id, 0, rig.pool, TAP_RIG_FRAMES) == 0);
    udp = (struct order_path){.carrier = CONFIG_CARRIER_UDP, .tx = &udp_tx};
    tap_rig_connect();
    /* The owner of the rig's log is the path from here on. */
    order_link_init(&tcp_link, UINT32_MAX);
    tcp_link.log = rig.log;
    rig.line.log = &tcp_link.log;
    tcp = (struct order_path){.carrier = CONFIG_CARRIER_TCP, .slow_allowed = true, .tx = &rig.tx, .link = &tcp_link};
    tcp_line_step(&rig.line, tap_rig_now_ns());
    kernel_open();
}

int main(int argc, char **argv)
{
    struct bench_options options;

    if (geteuid() != 0) {
        fprintf(stderr, "bench_send: a TAP device needs root\n");
        return 77;
    }
    if (!bench_open(argc, argv, &options))
        return 2;
    bench_eal_start(argv[0], &options, MEMORY_MB, false);
    tap_rig_open(100000000);
    loopback_up();
    paths_open();
    const struct bench_case cases[] = {
        {.name = "send_udp_ns", .run = run_udp},
        {.name = "send_delegated_ns", .run = run_tcp},
        {.name = "send_lwip_ns", .run = run_lwip},
        {.name = "send_kernel_ns", .run = run_kernel},
    };
    const int exit_code = bench_run(&options, "send", cases, sizeof(cases) / sizeof(cases[0]));
    order_tx_finish(&udp_tx);
    tap_rig_close();
    return exit_code;
}
