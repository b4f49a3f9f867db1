/* See socket_rx.h. */
#include "gateway/socket_rx.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STAMP_SPAN_NS UINT64_C(1000000000) /* stamps further apart than this are of clocks that nobody compares */

/* Linux 5.11; headers of the C library may be older. */
#ifndef SO_PREFER_BUSY_POLL
#define SO_PREFER_BUSY_POLL 69
#define SO_BUSY_POLL_BUDGET 70
#endif

static inline void count(uint64_t *counter, uint64_t by)
{
    __atomic_store_n(counter, *counter + by, __ATOMIC_RELAXED);
}

int socket_rx_init(struct socket_rx *sockets, struct place *place, uint32_t mtu, int node)
{
    memset(sockets, 0, sizeof(*sockets));
    sockets->block = true;
    sockets->slot_bytes = (mtu + 63) / 64 * 64;
    sockets->bytes = place_alloc(place, (size_t)sockets->slot_bytes * SOCKET_RX_BURST_MAX, node);
    hist_init(&sockets->waited);
    hist_init(&sockets->card);
    if (!sockets->bytes)
        return -ENOMEM;
    for (uint32_t i = 0; i < SOCKET_RX_BURST_MAX; i++) {
        sockets->part[i] =
            (struct iovec){.iov_base = sockets->bytes + (size_t)i * sockets->slot_bytes, .iov_len = mtu};
        sockets->message[i].msg_hdr = (struct msghdr){.msg_name = &sockets->from[i],
                                                      .msg_iov = &sockets->part[i],
                                                      .msg_iovlen = 1,
                                                      .msg_control = sockets->control[i]};
    }
    sockets->used = SOCKET_RX_BURST_MAX; /* lengths are set by the first take */
    return 0;
}

/* --- set-up */

static int fail(char ret_error[SOCKET_RX_ERROR_MAX], const struct socket_rx_line *line, const char *what)
{
    const int error = errno;

    snprintf(ret_error, SOCKET_RX_ERROR_MAX, "feed %s, line %s: socket on %s: %s: %s", line->feed_name,
             line->line_name, line->config->iface, what, strerror(error));
    return -error;
}

static int option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value));
}

/* Through the interface's index, so that it needs no address. */
static int group_join(const struct socket_rx_line *line, uint32_t iface_idx)
{
    const struct sockaddr_in group = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(line->line->group)};
    const struct sockaddr_in source = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(line->line->source)};

    if (line->line->source == 0) {
        const struct ip_mreqn any = {.imr_multiaddr = group.sin_addr, .imr_ifindex = (int)iface_idx};
        return setsockopt(line->fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &any, sizeof(any));
    }
    struct group_source_req one = {.gsr_interface = iface_idx};
    memcpy(&one.gsr_group, &group, sizeof(group));
    memcpy(&one.gsr_source, &source, sizeof(source));
    return setsockopt(line->fd, IPPROTO_IP, MCAST_JOIN_SOURCE_GROUP, &one, sizeof(one));
}

static void buffer_set(struct socket_rx_line *line)
{
    const int wanted = (int)(line->config->buffer_kb * 1024 / 2); /* the kernel doubles it, for what it needs itself */
    int got = 0;
    socklen_t len = sizeof(got);

    if (option(line->fd, SOL_SOCKET, SO_RCVBUFFORCE, wanted) != 0)
        (void)option(line->fd, SOL_SOCKET, SO_RCVBUF, wanted); /* up to net.core.rmem_max; the report says how much */
    if (getsockopt(line->fd, SOL_SOCKET, SO_RCVBUF, &got, &len) == 0)
        line->buffer_bytes = (uint32_t)got;
}

static int busy_poll_set(struct socket_rx_line *line)
{
    if (line->config->busy_poll_us == 0)
        return 0;
    if (option(line->fd, SOL_SOCKET, SO_BUSY_POLL, (int)line->config->busy_poll_us) != 0)
        return -1;
    line->prefer_refused = option(line->fd, SOL_SOCKET, SO_PREFER_BUSY_POLL, 1) != 0 ||
                           option(line->fd, SOL_SOCKET, SO_BUSY_POLL_BUDGET, (int)SOCKET_RX_BURST_MAX) != 0;
    return 0;
}

static int line_open(struct socket_rx_line *line, char ret_error[SOCKET_RX_ERROR_MAX])
{
    const struct sockaddr_in local = {.sin_family = AF_INET,
                                      .sin_port = htons(line->line->udp_port),
                                      .sin_addr.s_addr = htonl(line->line->group)};
    const uint32_t iface_idx = if_nametoindex(line->config->iface);
    const int stamps = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_HARDWARE |
                       SOF_TIMESTAMPING_RAW_HARDWARE;

    if (iface_idx == 0)
        return fail(ret_error, line, "there is no such interface; write the name that 'ip link' shows");
    line->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (line->fd < 0)
        return fail(ret_error, line, "cannot be made");
    buffer_set(line);
    /* Others on this host may listen to the group too. IP_MULTICAST_ALL would bring us what they have joined. */
    if (option(line->fd, SOL_SOCKET, SO_REUSEADDR, 1) != 0 ||
        option(line->fd, IPPROTO_IP, IP_MULTICAST_ALL, 0) != 0 ||
        option(line->fd, SOL_SOCKET, SO_TIMESTAMPING, stamps) != 0 ||
        option(line->fd, SOL_SOCKET, SO_RXQ_OVFL, 1) != 0)
        return fail(ret_error, line, "the kernel lacks an option");
    if (busy_poll_set(line) != 0)
        return fail(ret_error, line, "busy_poll_us is refused; it needs CAP_NET_ADMIN, or at most net.core.busy_read");
    if (bind(line->fd, (const struct sockaddr *)&local, sizeof(local)) != 0)
        return fail(ret_error, line, "cannot be bound to its group and port");
    if (group_join(line, iface_idx) != 0)
        return fail(ret_error, line,
                    errno == ENOBUFS ? "too many groups; raise net.ipv4.igmp_max_memberships"
                                     : "cannot join its group");
    return 0;
}

int socket_rx_open(struct socket_rx *sockets, struct line *line, const struct config_socket *config,
                   const char *feed_name, const char *line_name, char ret_error[SOCKET_RX_ERROR_MAX])
{
    struct socket_rx_line *opened = &sockets->line[sockets->count];

    if (sockets->count == SOCKET_RX_LINES_MAX) {
        snprintf(ret_error, SOCKET_RX_ERROR_MAX, "feed %s, line %s: one lcore has at most %u sockets; use another",
                 feed_name, line_name, SOCKET_RX_LINES_MAX);
        return -ENOSPC;
    }
    *opened = (struct socket_rx_line){
        .fd = -1, .line = line, .config = config, .feed_name = feed_name, .line_name = line_name};
    const int error = line_open(opened, ret_error);
    if (error) {
        if (opened->fd >= 0)
            close(opened->fd);
        return error;
    }
    sockets->block = sockets->block && config->block;
    sockets->count++;
    return 0;
}

void socket_rx_close(struct socket_rx *sockets)
{
    for (uint32_t i = 0; i < sockets->count; i++)
        close(sockets->line[i].fd);
    sockets->count = 0;
}

uint32_t socket_rx_napi(const struct socket_rx_line *line)
{
    uint32_t napi = 0;
    socklen_t len = sizeof(napi);

    return getsockopt(line->fd, SOL_SOCKET, SO_INCOMING_NAPI_ID, &napi, &len) == 0 ? napi : 0;
}

/* --- the rx lcore */

uint32_t socket_rx_take(struct socket_rx *sockets, struct socket_rx_line *line, uint32_t burst_max)
{
    for (uint32_t i = 0; i < sockets->used; i++) {
        sockets->message[i].msg_hdr.msg_namelen = sizeof(sockets->from[i]);
        sockets->message[i].msg_hdr.msg_controllen = SOCKET_RX_CONTROL_BYTES;
    }
    sockets->used = 0;
    const int taken = recvmmsg(line->fd, sockets->message,
                               burst_max < SOCKET_RX_BURST_MAX ? burst_max : SOCKET_RX_BURST_MAX, MSG_DONTWAIT, NULL);
    count(&line->call_count, 1);
    if (taken <= 0) {
        if (taken < 0 && errno != EAGAIN && errno != EINTR)
            count(&line->error_count, 1);
        return 0;
    }
    sockets->used = (uint32_t)taken;
    count(&line->datagram_count, sockets->used);
    return sockets->used;
}

static uint64_t ns_of(const struct timespec *time)
{
    return (uint64_t)time->tv_sec * UINT64_C(1000000000) + (uint64_t)time->tv_nsec;
}

static void span_record(struct hist *hist, uint64_t from_ns, uint64_t to_ns)
{
    if (from_ns != 0 && to_ns >= from_ns && to_ns - from_ns < STAMP_SPAN_NS)
        hist_record(hist, to_ns - from_ns);
}

static void control_read(struct socket_rx *sockets, struct socket_rx_line *line, struct msghdr *header, uint64_t now_ns)
{
    struct scm_timestamping stamps;
    uint32_t drops;

    for (struct cmsghdr *control = CMSG_FIRSTHDR(header); control; control = CMSG_NXTHDR(header, control)) {
        if (control->cmsg_level != SOL_SOCKET)
            continue;
        if (control->cmsg_type == SCM_TIMESTAMPING && control->cmsg_len >= CMSG_LEN(sizeof(stamps))) {
            memcpy(&stamps, CMSG_DATA(control), sizeof(stamps));
            span_record(&sockets->waited, ns_of(&stamps.ts[0]), now_ns);
            span_record(&sockets->card, ns_of(&stamps.ts[2]), ns_of(&stamps.ts[0]));
        } else if (control->cmsg_type == SO_RXQ_OVFL && control->cmsg_len >= CMSG_LEN(sizeof(drops))) {
            memcpy(&drops, CMSG_DATA(control), sizeof(drops));
            count(&line->dropped_count, (uint32_t)(drops - line->kernel_drops));
            line->kernel_drops = drops;
        }
    }
}

struct socket_rx_datagram socket_rx_datagram(struct socket_rx *sockets, struct socket_rx_line *line, uint32_t idx,
                                             uint64_t now_ns)
{
    struct mmsghdr *message = &sockets->message[idx];

    control_read(sockets, line, &message->msg_hdr, now_ns);
    return (struct socket_rx_datagram){.payload = sockets->part[idx].iov_base,
                                       .payload_len = message->msg_len,
                                       .src_ip = ntohl(sockets->from[idx].sin_addr.s_addr),
                                       .cut = (message->msg_hdr.msg_flags & MSG_TRUNC) != 0};
}

void socket_rx_wait(struct socket_rx *sockets, uint64_t longest_ns)
{
    struct pollfd fds[SOCKET_RX_LINES_MAX];
    const struct timespec timeout = {.tv_nsec =
                                         (long)(longest_ns < SOCKET_RX_WAIT_NS ? longest_ns : SOCKET_RX_WAIT_NS)};

    for (uint32_t i = 0; i < sockets->count; i++)
        fds[i] = (struct pollfd){.fd = sockets->line[i].fd, .events = POLLIN};
    count(&sockets->wait_count, 1);
    ppoll(fds, sockets->count, &timeout, NULL);
}
