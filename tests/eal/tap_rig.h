/* Our TCP against that of the Linux kernel, for tests and benchmarks: a network namespace of the process's own, a TAP
 * device, a net_ring port on our side of it, and a loop that carries frames between the two and loses, doubles or
 * delays those that `tap_rig_network` chooses. One thread is owner, control thread and network in turn. An EAL must
 * run; needs root. */
#ifndef TESTS_EAL_TAP_RIG_H
#define TESTS_EAL_TAP_RIG_H

#include "feed/wire.h"
#include "gateway/order/order_tx.h"
#include "gateway/tcp_line.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TAP_RIG_IP 0x0a630102u  /* 10.99.1.2 */
#define TAP_RIG_PEER_IP 0x0a630101u
#define TAP_RIG_PORT 26000u
#define TAP_RIG_FRAMES 128u          /* of order_tx: more than SEND_LOG_SLOTS */
#define TAP_RIG_DELAYED 256u
#define TAP_RIG_DELAY_NS 3000000u
#define TAP_RIG_PATIENCE_NS UINT64_C(20000000000)

enum tap_rig_fate { TAP_RIG_CARRY, TAP_RIG_LOSE, TAP_RIG_DOUBLE, TAP_RIG_DELAY };

static const uint8_t tap_rig_mac[6] = {2, 0, 0, 0, 1, 2};
static struct tap_rig {
    struct rte_mempool *pool;
    struct rte_ring *in, *out[2];     /* to us; from the owner's queue and from the control thread's */
    uint16_t port_id;
    int tap, listener, server;        /* server: -1 until a connection was accepted */
    struct stack stack;
    struct tcp_line line;
    struct send_log log;
    struct order_tx tx;
    uint32_t data_frames;             /* of ours with payload, carried or lost */
    /* What becomes of the data_frames-th one; `seq` counts from 0 at the connection's first byte. NULL: carried */
    enum tap_rig_fate (*network)(uint32_t data_frame, uint32_t seq, bool delegated);
    enum tap_rig_fate (*back)(uint32_t frame); /* the same for the frames-th frame to us; not DELAY */
    uint32_t frames_in;
    struct { uint8_t bytes[2048]; uint32_t len; uint64_t due_ns; } delayed[TAP_RIG_DELAYED];
    uint32_t delayed_head, delayed_tail;
} rig;

static inline uint64_t tap_rig_now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static inline void tap_rig_device(void)
{
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(TAP_RIG_PEER_IP)};
    const int control = socket(AF_INET, SOCK_DGRAM, 0);

    rig.tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
    CHECK(rig.tap >= 0);
    memcpy(request.ifr_name, "peer", sizeof("peer"));
    CHECK(ioctl(rig.tap, TUNSETIFF, &request) == 0);
    memcpy(&request.ifr_addr, &address, sizeof(address));
    CHECK(ioctl(control, SIOCSIFADDR, &request) == 0);
    address.sin_addr.s_addr = htonl(0xffffff00);
    memcpy(&request.ifr_netmask, &address, sizeof(address));
    CHECK(ioctl(control, SIOCSIFNETMASK, &request) == 0);
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    CHECK(ioctl(control, SIOCSIFFLAGS, &request) == 0);
    close(control);
}

static inline void tap_rig_listen(void)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(TAP_RIG_PEER_IP), .sin_port = htons(TAP_RIG_PORT)};

    rig.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    CHECK(bind(rig.listener, (const struct sockaddr *)&address, sizeof(address)) == 0);
    CHECK(listen(rig.listener, 1) == 0);
    rig.server = -1;
}

static inline void tap_rig_port(void)
{
    const struct rte_eth_conf conf = {0};

    rig.pool = rte_pktmbuf_pool_create("frames", 2047, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
    rig.in = rte_ring_create("in", 512, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);
    rig.out[0] = rte_ring_create("out0", 512, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);
    rig.out[1] = rte_ring_create("out1", 512, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);
    const int id = rte_eth_from_rings("tap_rig", &rig.in, 1, rig.out, 2, 0);
    CHECK(rig.pool && id >= 0);
    rig.port_id = (uint16_t)id;
    CHECK(rte_eth_dev_configure(rig.port_id, 1, 2, &conf) == 0);
    CHECK(rte_eth_rx_queue_setup(rig.port_id, 0, 64, 0, NULL, rig.pool) == 0);
    for (uint16_t i = 0; i < 2; i++)
        CHECK(rte_eth_tx_queue_setup(rig.port_id, i, 64, 0, NULL) == 0);
    CHECK(rte_eth_dev_start(rig.port_id) == 0);
}

/* In a fresh network namespace of this process. */
static inline void tap_rig_open(uint64_t probe_ns)
{
    const struct order_frame_route route = {.tcp = true};

    CHECK(unshare(CLONE_NEWNET) == 0);
    tap_rig_device();
    tap_rig_listen();
    tap_rig_port();
    struct stack_params params = {.ip = TAP_RIG_IP,
                                  .prefix_len = 24,
                                  .mtu = 1500,
                                  .rx = {{.port_id = rig.port_id, .queue_id = 0}},
                                  .rx_count = 1,
                                  .tx = {.port_id = rig.port_id, .queue_id = 1},
                                  .pool = rig.pool};
    memcpy(params.mac, tap_rig_mac, 6);
    stack_time(&rig.stack, tap_rig_now_ns());
    CHECK(stack_open(&rig.stack, &params) == 0);
    send_log_init(&rig.log);
    tcp_line_init(&rig.line, &rig.stack, &rig.log, probe_ns);
    CHECK(order_tx_init(&rig.tx, &route, rig.port_id, 0, rig.pool, TAP_RIG_FRAMES) == 0);
}

static inline void tap_rig_close(void)
{
    tcp_line_abort(&rig.line);
    stack_close(&rig.stack);
    order_tx_finish(&rig.tx);
    rte_eth_dev_stop(rig.port_id);
    rte_eth_dev_close(rig.port_id);
}

static inline void tap_rig_deliver(const uint8_t *bytes, uint32_t len)
{
    CHECK(write(rig.tap, bytes, len) == (ssize_t)len);
}

static inline void tap_rig_carry_out(uint32_t queue)
{
    void *object;

    while (rte_ring_dequeue(rig.out[queue], &object) == 0) {
        struct rte_mbuf *frame = object;
        const uint8_t *bytes = rte_pktmbuf_mtod(frame, const uint8_t *);
        const bool tcp = load_be16(bytes + 12) == 0x0800 && bytes[23] == 6;
        const uint32_t payload_len = tcp ? load_be16(bytes + 16) - 20u - (uint32_t)(bytes[46] >> 4) * 4 : 0;
        enum tap_rig_fate fate = TAP_RIG_CARRY;
        if (payload_len > 0 && rig.network)
            fate = rig.network(rig.data_frames, load_be32(bytes + 38) - rig.line.first_seq, queue == 0);
        rig.data_frames += payload_len > 0;
        if (fate == TAP_RIG_DELAY) {
            CHECK(rig.delayed_tail - rig.delayed_head < TAP_RIG_DELAYED);
            memcpy(rig.delayed[rig.delayed_tail % TAP_RIG_DELAYED].bytes, bytes, frame->data_len);
            rig.delayed[rig.delayed_tail % TAP_RIG_DELAYED].len = frame->data_len;
            rig.delayed[rig.delayed_tail++ % TAP_RIG_DELAYED].due_ns = tap_rig_now_ns() + TAP_RIG_DELAY_NS;
        } else if (fate != TAP_RIG_LOSE) {
            tap_rig_deliver(bytes, frame->data_len);
            if (fate == TAP_RIG_DOUBLE)
                tap_rig_deliver(bytes, frame->data_len);
        }
        rte_pktmbuf_free(frame);
    }
}

static inline void tap_rig_carry(void)
{
    uint8_t bytes[2048];
    ssize_t len;

    tap_rig_carry_out(0);
    tap_rig_carry_out(1);
    while (rig.delayed_head != rig.delayed_tail &&
           rig.delayed[rig.delayed_head % TAP_RIG_DELAYED].due_ns <= tap_rig_now_ns()) {
        tap_rig_deliver(rig.delayed[rig.delayed_head % TAP_RIG_DELAYED].bytes,
                        rig.delayed[rig.delayed_head % TAP_RIG_DELAYED].len);
        rig.delayed_head++;
    }
    while ((len = read(rig.tap, bytes, sizeof(bytes))) > 0) {
        const enum tap_rig_fate fate = rig.back ? rig.back(rig.frames_in) : TAP_RIG_CARRY;
        rig.frames_in++;
        for (uint32_t copies = fate == TAP_RIG_LOSE ? 0 : fate == TAP_RIG_DOUBLE ? 2 : 1; copies > 0; copies--) {
            struct rte_mbuf *frame = rte_pktmbuf_alloc(rig.pool);
            CHECK(frame);
            memcpy(rte_pktmbuf_append(frame, (uint16_t)len), bytes, (size_t)len);
            if (rte_ring_enqueue(rig.in, frame) != 0)
                rte_pktmbuf_free(frame);
        }
    }
}

static inline void tap_rig_accept(void)
{
    if (rig.server < 0)
        rig.server = accept4(rig.listener, NULL, NULL, SOCK_NONBLOCK);
}

/* Connect and hand over: the caller is the owner from here on. */
static inline void tap_rig_connect(void)
{
    const uint64_t begin_ns = tap_rig_now_ns();
    struct order_frame_route route = {
        .tcp = true, .local_ip = TAP_RIG_IP, .peer_ip = TAP_RIG_PEER_IP, .peer_port = TAP_RIG_PORT};
    uint32_t seq;

    rig.server = -1;
    CHECK(tcp_line_connect(&rig.line, TAP_RIG_PEER_IP, TAP_RIG_PORT, 0) == 0);
    for (bool connected = false; !connected || rig.server < 0 || !tcp_line_quiet(&rig.line); tap_rig_accept()) {
        CHECK(tap_rig_now_ns() - begin_ns < TAP_RIG_PATIENCE_NS);
        tap_rig_carry();
        tcp_line_step(&rig.line, tap_rig_now_ns());
        connected |= tcp_line_event(&rig.line) == TCP_LINE_CONNECTED;
    }
    tcp_line_begin(&rig.line, (uint16_t)(rig.line.epoch + 1), &seq, &route.window);
    route.local_port = rig.line.local_port;
    memcpy(route.local_mac, tap_rig_mac, 6);
    CHECK(stack_peer_mac(&rig.stack, TAP_RIG_PEER_IP, route.peer_mac));
    order_tx_route(&rig.tx, &route);
    send_log_begin(&rig.log, rig.line.epoch, seq);
}

#endif
