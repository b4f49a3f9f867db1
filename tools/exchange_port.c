/* See exchange_port.h. */
#include "tools/exchange_port.h"

#include "feed/frame.h"
#include "feed/wire.h"
#include "gateway/clock.h"
#include "tools/exchange_wire.h"
#include "tools/options.h"

#include <errno.h>
#include <inttypes.h>
#include <rte_bus_vdev.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_udp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ARGUMENTS_MAX 16
#define FRAMES 8191u
#define DESCRIPTORS 1024u
#define BURST 32u
#define HEADERS_LEN (sizeof(struct rte_ether_hdr) + sizeof(struct rte_ipv4_hdr) + sizeof(struct rte_udp_hdr))
#define DEVICE_NAME "net_memif_exchange"
#define SOCKET_DEFAULT "tickgate-exchange"

static struct {
    struct clock clock;
    struct rte_mempool *pool;
    uint16_t id;
    uint64_t sent_count, refused_count, order_count, other_count;
} port;

static void eal_open(void)
{
    static char cpus[64], prefix[64];
    cpu_set_t allowed;
    size_t len = (size_t)snprintf(cpus, sizeof(cpus), "--lcores=0@(");

    CPU_ZERO(&allowed);
    sched_getaffinity(0, sizeof(allowed), &allowed);
    for (unsigned cpu = 0, some = 0; cpu < CPU_SETSIZE && len < sizeof(cpus) - 8; cpu++)
        if (CPU_ISSET(cpu, &allowed))
            len += (size_t)snprintf(cpus + len, sizeof(cpus) - len, some++ ? ",%u" : "%u", cpu);
    snprintf(cpus + len, sizeof(cpus) - len, ")");
    snprintf(prefix, sizeof(prefix), "--file-prefix=exchange-%d", (int)getpid());
    static char texts[][24] = {"exchange", "--no-huge",   "-m", "128", "--no-pci", "--no-telemetry",
                               "--no-shconf", "--log-level=*:error"};
    char *arguments[ARGUMENTS_MAX + 1] = {NULL};
    int count = 0;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        arguments[count++] = texts[i];
    arguments[count++] = cpus;
    arguments[count++] = prefix;
    if (rte_eal_init(count, arguments) < 0)
        options_refuse(1, "--port", "DPDK does not start; its own words stand above");
}

static void device_open(const char *device)
{
    char arguments[256];
    const struct rte_eth_conf conf = {0};

    if (strncmp(device, "memif", 5) == 0 && (device[5] == '\0' || device[5] == ':'))
        snprintf(arguments, sizeof(arguments), "role=server,id=0,socket=%s",
                 device[5] ? device + 6 : SOCKET_DEFAULT);
    else if (strncmp(device, "net_memif,", 10) == 0)
        snprintf(arguments, sizeof(arguments), "%s", device + 10);
    else
        options_refuse(OPTIONS_EXIT, "--port is memif, memif:SOCKET or net_memif,..., not", device);
    if (rte_vdev_init(DEVICE_NAME, arguments) != 0 || rte_eth_dev_get_port_by_name(DEVICE_NAME, &port.id) != 0)
        options_refuse(1, "--port", "the device cannot be made");
    port.pool = rte_pktmbuf_pool_create("frames", FRAMES, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
    if (!port.pool || rte_eth_dev_configure(port.id, 1, 1, &conf) != 0 ||
        rte_eth_rx_queue_setup(port.id, 0, DESCRIPTORS, 0, NULL, port.pool) != 0 ||
        rte_eth_tx_queue_setup(port.id, 0, DESCRIPTORS, 0, NULL) != 0 || rte_eth_dev_start(port.id) != 0)
        options_refuse(1, "--port", "the device does not start");
}

void exchange_port_open(const char *device)
{
    eal_open();
    /* The peer's memory too, whenever it comes: a fault of ours would be part of its latency. */
    if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
        fprintf(stderr, "exchange: memory cannot be locked (%s): page faults are in the latencies\n", strerror(errno));
    device_open(device);
    if (clock_calibrate(&port.clock, 0) != 0)
        options_refuse(1, "--port", "the TSC cannot be calibrated");
}

void exchange_port_close(void)
{
    rte_eth_dev_stop(port.id);
    rte_eth_dev_close(port.id);
    rte_eal_cleanup();
}

static void headers_write(uint8_t *frame, const struct exchange_line *line, uint8_t ttl, uint32_t len)
{
    const uint32_t group = line->group.ip;
    struct rte_ether_hdr *ether = (struct rte_ether_hdr *)frame;
    struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(ether + 1);
    struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(ip + 1);

    *ether = (struct rte_ether_hdr){
        .dst_addr.addr_bytes = {0x01, 0x00, 0x5e, (uint8_t)(group >> 16 & 0x7f), (uint8_t)(group >> 8), (uint8_t)group},
        .src_addr.addr_bytes = {0x02, 0, 0, 0, 0, 0x0e},
        .ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4)};
    *ip = (struct rte_ipv4_hdr){.version_ihl = RTE_IPV4_VHL_DEF,
                                .total_length = rte_cpu_to_be_16((uint16_t)(sizeof(*ip) + sizeof(*udp) + len)),
                                .fragment_offset = rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG),
                                .time_to_live = ttl,
                                .next_proto_id = IPPROTO_UDP,
                                .src_addr = rte_cpu_to_be_32(line->interface),
                                .dst_addr = rte_cpu_to_be_32(group)};
    ip->hdr_checksum = rte_ipv4_cksum(ip);
    *udp = (struct rte_udp_hdr){.src_port = rte_cpu_to_be_16(line->group.port),
                                .dst_port = rte_cpu_to_be_16(line->group.port),
                                .dgram_len = rte_cpu_to_be_16((uint16_t)(sizeof(*udp) + len))};
}

uint64_t exchange_port_send(const struct exchange_line *line, uint8_t ttl, const uint8_t *payload, uint32_t len)
{
    struct rte_mbuf *frame = rte_pktmbuf_alloc(port.pool);
    uint8_t *bytes = frame ? (uint8_t *)rte_pktmbuf_append(frame, (uint16_t)(HEADERS_LEN + len)) : NULL;

    if (!bytes) {
        rte_pktmbuf_free(frame);
        port.refused_count++;
        return 0;
    }
    headers_write(bytes, line, ttl, len);
    memcpy(bytes + HEADERS_LEN, payload, len);
    /* Before the burst: the peer may have it, and answer, while it returns. */
    const uint64_t tsc = clock_tsc();
    if (rte_eth_tx_burst(port.id, 0, &frame, 1) != 1) {
        rte_pktmbuf_free(frame);
        port.refused_count++;
        return 0;
    }
    port.sent_count++;
    return clock_ns(&port.clock, tsc);
}

void exchange_port_poll(void)
{
    struct rte_mbuf *frames[BURST];
    const uint16_t count = rte_eth_rx_burst(port.id, 0, frames, BURST);
    const uint64_t now_ns = count > 0 ? clock_ns(&port.clock, clock_tsc()) : 0;

    for (uint16_t i = 0; i < count; i++) {
        struct frame_view view;
        if (frames[i]->nb_segs == 1 &&
            frame_parse(rte_pktmbuf_mtod(frames[i], const uint8_t *), frames[i]->data_len, &view) == FRAME_UDP) {
            port.order_count++;
            exchange_wire_request(view.payload, view.payload_len, (struct exchange_wire_stamp){.kernel_ns = now_ns});
        } else {
            port.other_count++;
        }
        rte_pktmbuf_free(frames[i]);
    }
}

void exchange_port_report(void)
{
    printf(",\"port\":{\"sent\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"orders\":%" PRIu64 ",\"others\":%" PRIu64 "}",
           port.sent_count, port.refused_count, port.order_count, port.other_count);
}
