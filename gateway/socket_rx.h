/* Lines through sockets of the kernel, one socket for each: for hosts where nobody may take an interface from the
 * kernel, and as the baseline that other ways are compared with. The kernel joins the group (with the line's source, if
 * it has one), looks at headers and checksums, and says when a datagram came in; the receive loop takes datagrams from
 * here as it takes frames from a port.
 *
 * This is the exception to "no system call on a hot thread": each look is one, and is counted. Opened by the control
 * thread before armed; then the rx lcore's own, but for the counters, until the hot threads have ended. */
#ifndef GATEWAY_SOCKET_RX_H
#define GATEWAY_SOCKET_RX_H

#include "config/config.h"
#include "gateway/line.h"
#include "gateway/place.h"
#include "ring/hist.h"

#include <netinet/in.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define SOCKET_RX_LINES_MAX 32u     /* sockets of one lcore */
#define SOCKET_RX_BURST_MAX 64u
#define SOCKET_RX_CONTROL_BYTES 128u /* timestamps and the drop counter */
#define SOCKET_RX_ERROR_MAX 512u
#define SOCKET_RX_WAIT_NS UINT64_C(1000000) /* longest sleep: timers and answers of the venue are looked at then */

struct socket_rx_line {
    int fd;
    struct line *line;
    const char *feed_name, *line_name;
    const struct config_socket *config;
    bool prefer_refused;       /* SO_PREFER_BUSY_POLL needs CAP_NET_ADMIN */
    uint32_t buffer_bytes;     /* what the kernel gave, its own overhead counted */
    /* writer: the rx lcore; readers: any */
    uint64_t call_count;       /* system calls that asked for datagrams */
    uint64_t datagram_count;
    uint64_t dropped_count;    /* by the kernel, for lack of room in the buffer */
    uint64_t error_count;      /* calls that failed otherwise: the interface is down */
    /* the rx lcore's own */
    uint32_t kernel_drops;     /* the kernel's counter, modulo 2^32 */
};

struct socket_rx_datagram {
    const uint8_t *payload;
    uint32_t payload_len;
    uint32_t src_ip;           /* host byte order */
    bool cut;                  /* it was longer than the port's MTU */
};

struct socket_rx {
    struct socket_rx_line line[SOCKET_RX_LINES_MAX];
    uint32_t count;
    bool block;                /* every port of it says so: the lcore may sleep */
    uint32_t slot_bytes;
    uint8_t *bytes;            /* SOCKET_RX_BURST_MAX slots */
    struct mmsghdr message[SOCKET_RX_BURST_MAX];
    struct iovec part[SOCKET_RX_BURST_MAX];
    struct sockaddr_in from[SOCKET_RX_BURST_MAX];
    alignas(struct cmsghdr) uint8_t control[SOCKET_RX_BURST_MAX][SOCKET_RX_CONTROL_BYTES];
    uint32_t used;             /* of message, by the last take */
    /* writer: the rx lcore; readers: any */
    uint64_t wait_count;       /* sleeps */
    struct hist waited;        /* ns from the kernel's stamp (CLOCK_REALTIME) to ours: softirq, wake-up, queue */
    struct hist card;          /* ns from the card's stamp (its own clock) to the kernel's, where there are any */
};

/* Memory for datagrams of ports up to `mtu`. 0 or -ENOMEM. */
int socket_rx_init(struct socket_rx *sockets, struct place *place, uint32_t mtu, int node);

/* One more socket: bound to the line's group and port, joined on the interface of `config`, which must outlive it, as
 * must the names. 0, or -errno and one sentence. */
int socket_rx_open(struct socket_rx *sockets, struct line *line, const struct config_socket *config,
                   const char *feed_name, const char *line_name, char ret_error[SOCKET_RX_ERROR_MAX]);
void socket_rx_close(struct socket_rx *sockets);

/* Up to `burst_max` datagrams of a line, without waiting; how many. They stand until the next take. Rx lcore. */
uint32_t socket_rx_take(struct socket_rx *sockets, struct socket_rx_line *line, uint32_t burst_max);
/* Datagram `idx` of the last take, of `line`; its time in the kernel, up to `now_ns`, is recorded. Rx lcore. */
struct socket_rx_datagram socket_rx_datagram(struct socket_rx *sockets, struct socket_rx_line *line, uint32_t idx,
                                             uint64_t now_ns);
/* Sleep until something comes, at most `longest_ns` and at most SOCKET_RX_WAIT_NS. Rx lcore. */
void socket_rx_wait(struct socket_rx *sockets, uint64_t longest_ns);

/* The driver's queue that brought the line's last datagram, as the kernel numbers them; 0: the driver has none, or
 * nothing came: busy polling has no effect. Any thread while the socket is open. */
uint32_t socket_rx_napi(const struct socket_rx_line *line);

#endif
