/* See exchange_wire.h. Memory is of a fixed size: an order that answers to a tick older than SAID messages has none. */
#include "tools/exchange_wire.h"

#include "feed/itch.h"
#include "feed/wire.h"
#include "ring/hist.h"
#include "tools/options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <inttypes.h>
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdalign.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#define SAID (1u << 16)  /* newest messages that are remembered; a power of two */
#define SENT (1u << 14)  /* newest packets of a line; a power of two */
#define TICK_MASK 0xffffffu
#define TICK_DIGITS 6u

struct said {
    uint64_t seq;
    uint32_t tick;       /* low bits of its time */
    uint32_t rate;       /* of the sweep */
    struct exchange_wire_stamp sent; /* on the line that was first */
};

struct row {
    struct hist kernel, card; /* kernel: of a DPDK port the TSC's */
    uint64_t message_count;
};

static struct {
    const struct exchange_options *options;
    struct said said[SAID];
    uint64_t said_seq;   /* newest */
    struct { int descriptor; uint32_t next_id; struct { uint64_t seq; uint32_t count; } sent[SENT]; } line[2];
    struct row row[EXCHANGE_RATES_MAX];
    uint64_t untimed_count; /* orders whose tick or whose own arrival has no timestamp */
    uint64_t tickless_count, unknown_count;
} wire;

void exchange_wire_open(const struct exchange_options *options)
{
    wire.options = options;
    for (uint32_t i = 0; i < EXCHANGE_RATES_MAX; i++) {
        hist_init(&wire.row[i].kernel);
        hist_init(&wire.row[i].card);
    }
}

/* A card stamps nothing before it is told to. One that cannot leaves us the kernel's timestamps. */
static void card_ask(int descriptor, uint32_t ip)
{
    struct hwtstamp_config config = {.tx_type = HWTSTAMP_TX_ON, .rx_filter = HWTSTAMP_FILTER_ALL};
    struct ifreq request = {.ifr_data = (char *)&config};
    struct ifaddrs *all, *one;

    if (getifaddrs(&all) != 0)
        return;
    for (one = all; one; one = one->ifa_next) {
        const struct sockaddr_in *address = (const struct sockaddr_in *)(const void *)one->ifa_addr;
        if (!address || address->sin_family != AF_INET || address->sin_addr.s_addr != htonl(ip))
            continue;
        snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", one->ifa_name);
        (void)ioctl(descriptor, SIOCSHWTSTAMP, &request);
        break;
    }
    freeifaddrs(all);
}

static void stamping(int descriptor, int flags)
{
    flags |= SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RAW_HARDWARE;
    if (setsockopt(descriptor, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof(flags)) != 0)
        options_refuse(1, "--wire-to-wire", strerror(errno));
}

void exchange_wire_line(uint32_t line, int descriptor, uint32_t ip)
{
    card_ask(descriptor, ip);
    stamping(descriptor, SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_TX_HARDWARE | SOF_TIMESTAMPING_OPT_ID |
                             SOF_TIMESTAMPING_OPT_TSONLY);
    wire.line[line].descriptor = descriptor;
}

void exchange_wire_client(int descriptor)
{
    struct sockaddr_in local = {0};
    socklen_t len = sizeof(local);

    getsockname(descriptor, (struct sockaddr *)&local, &len);
    card_ask(descriptor, ntohl(local.sin_addr.s_addr));
    stamping(descriptor, SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_RX_HARDWARE);
}

/* --- the feed */

void exchange_wire_said(uint64_t seq, const uint8_t *message, uint32_t message_len, uint32_t rate)
{
    struct said *said = &wire.said[seq % SAID];

    *said = (struct said){.seq = seq, .rate = rate};
    if (message_len >= ITCH_PREFIX_LEN)
        said->tick = (uint32_t)load_be48(message + 5) & TICK_MASK;
    wire.said_seq = seq;
    wire.row[rate].message_count++;
}

void exchange_wire_sent(uint32_t line, uint64_t seq, uint32_t count)
{
    const uint32_t id = wire.line[line].next_id++;

    wire.line[line].sent[id % SENT].seq = seq;
    wire.line[line].sent[id % SENT].count = count;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

/* The kernel numbers what a socket sends; packets that are forgotten already are nobody's. */
static void stamped(uint32_t line, uint32_t id, struct exchange_wire_stamp stamp)
{
    if (wire.line[line].next_id - id > SENT)
        return;
    const uint64_t seq = wire.line[line].sent[id % SENT].seq;
    for (uint64_t i = seq; i < seq + wire.line[line].sent[id % SENT].count; i++) {
        struct said *said = &wire.said[i % SAID];
        if (said->seq != i)
            continue;
        said->sent.kernel_ns = earlier(said->sent.kernel_ns, stamp.kernel_ns);
        said->sent.card_ns = earlier(said->sent.card_ns, stamp.card_ns);
    }
}

void exchange_wire_sent_at(uint32_t line, uint64_t seq, uint32_t count, uint64_t ns)
{
    exchange_wire_sent(line, seq, count);
    stamped(line, wire.line[line].next_id - 1, (struct exchange_wire_stamp){.kernel_ns = ns});
}

static uint64_t ns_of(struct timespec time)
{
    return (uint64_t)time.tv_sec * UINT64_C(1000000000) + (uint64_t)time.tv_nsec;
}

static struct exchange_wire_stamp stamp_of(const struct cmsghdr *control)
{
    struct scm_timestamping times;

    memcpy(&times, CMSG_DATA(control), sizeof(times));
    return (struct exchange_wire_stamp){.kernel_ns = ns_of(times.ts[0]), .card_ns = ns_of(times.ts[2])};
}

static bool is_stamp(const struct cmsghdr *control)
{
    return control->cmsg_level == SOL_SOCKET && control->cmsg_type == SCM_TIMESTAMPING;
}

/* What the sockets of the lines have to say of packets that are out. */
static void collect(uint32_t line)
{
    for (;;) {
        alignas(struct cmsghdr) char space[512];
        struct msghdr message = {.msg_control = space, .msg_controllen = sizeof(space)};
        struct exchange_wire_stamp stamp = {0};
        struct sock_extended_err error = {0};

        if (recvmsg(wire.line[line].descriptor, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
            return;
        for (struct cmsghdr *control = CMSG_FIRSTHDR(&message); control; control = CMSG_NXTHDR(&message, control)) {
            if (is_stamp(control))
                stamp = stamp_of(control);
            else if (control->cmsg_level == SOL_IP && control->cmsg_type == IP_RECVERR)
                memcpy(&error, CMSG_DATA(control), sizeof(error));
        }
        if (error.ee_origin == SO_EE_ORIGIN_TIMESTAMPING)
            stamped(line, error.ee_data, stamp);
    }
}

void exchange_wire_collect(void)
{
    if (wire.options->port)
        return;
    collect(0);
    collect(1);
}

/* --- orders */

ssize_t exchange_wire_receive(int descriptor, void *ret_bytes, size_t bytes_max, struct exchange_wire_stamp *ret_stamp)
{
    alignas(struct cmsghdr) char space[256];
    struct iovec bytes = {.iov_base = ret_bytes, .iov_len = bytes_max};
    struct msghdr message = {
        .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof(space)};
    const ssize_t len = recvmsg(descriptor, &message, MSG_DONTWAIT);

    *ret_stamp = (struct exchange_wire_stamp){0};
    for (struct cmsghdr *control = len > 0 ? CMSG_FIRSTHDR(&message) : NULL; control;
         control = CMSG_NXTHDR(&message, control))
        if (is_stamp(control))
            *ret_stamp = stamp_of(control);
    return len;
}

/* Six hexadecimal digits; 0: there are none. */
static uint32_t tick_of(const char *cl_ord_id)
{
    char text[TICK_DIGITS + 1] = {0};
    uint32_t tick = 0;
    int used = 0;

    memcpy(text, cl_ord_id, TICK_DIGITS);
    return sscanf(text, "%6" SCNx32 "%n", &tick, &used) == 1 && used == TICK_DIGITS ? tick : 0;
}

/* The newest message of that time: times do not come back before many others have passed. */
static const struct said *said_at(uint32_t tick)
{
    for (uint64_t seq = wire.said_seq; seq > 0 && wire.said_seq - seq < SAID; seq--)
        if (wire.said[seq % SAID].tick == tick)
            return &wire.said[seq % SAID];
    return NULL;
}

void exchange_wire_request(const uint8_t *message, uint32_t len, struct exchange_wire_stamp stamp)
{
    struct ouch_enter enter;
    struct ouch_replace replace;
    uint32_t tick;

    if (ouch_decode_enter(message, len, &enter) == 0)
        tick = tick_of(enter.cl_ord_id);
    else if (ouch_decode_replace(message, len, &replace) == 0)
        tick = tick_of(replace.cl_ord_id);
    else
        return;
    if (tick == 0) {
        wire.tickless_count++;
        return;
    }
    exchange_wire_collect();
    const struct said *said = said_at(tick);
    if (!said) {
        wire.unknown_count++;
        return;
    }
    if (said->sent.kernel_ns == 0 || stamp.kernel_ns < said->sent.kernel_ns) {
        wire.untimed_count++;
        return;
    }
    hist_record(&wire.row[said->rate].kernel, stamp.kernel_ns - said->sent.kernel_ns);
    if (said->sent.card_ns != 0 && stamp.card_ns >= said->sent.card_ns)
        hist_record(&wire.row[said->rate].card, stamp.card_ns - said->sent.card_ns);
}

/* --- report */

static void print_hist(const char *name, const struct hist *hist)
{
    printf(",\"%s\":{\"count\":%" PRIu64, name, hist->count);
    if (hist->count > 0)
        printf(",\"min_ns\":%" PRIu64 ",\"p50_ns\":%" PRIu64 ",\"p90_ns\":%" PRIu64 ",\"p99_ns\":%" PRIu64
               ",\"p999_ns\":%" PRIu64 ",\"max_ns\":%" PRIu64,
               hist->min, hist_quantile(hist, 0.5), hist_quantile(hist, 0.9), hist_quantile(hist, 0.99),
               hist_quantile(hist, 0.999), hist->max);
    printf("}");
}

void exchange_wire_report(void)
{
    const uint32_t rate_count = wire.options->rate_count > 0 ? wire.options->rate_count : 1;

    printf(",\"wire\":{\"tickless\":%" PRIu64 ",\"unknown_tick\":%" PRIu64 ",\"untimed\":%" PRIu64 ",\"rates\":[",
           wire.tickless_count, wire.unknown_count, wire.untimed_count);
    for (uint32_t i = 0; i < rate_count; i++) {
        printf("%s{\"packets_per_s\":%" PRIu64 ",\"messages\":%" PRIu64, i > 0 ? "," : "",
               wire.options->rate_count > 0 ? wire.options->rate[i] : 0, wire.row[i].message_count);
        print_hist(wire.options->port ? "tsc" : "kernel", &wire.row[i].kernel);
        print_hist("card", &wire.row[i].card);
        printf("}");
    }
    printf("]}");
}
