/* See kernel_line.h. Control thread, but for kernel_line_send. */
#include "gateway/kernel_line.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIRST_SEQ 1u
#define DOOR_OPEN (UINT32_C(1) << 30)
#define DOOR_SHUT (FIRST_SEQ - 1)

void kernel_line_init(struct kernel_line *line, struct send_log *log)
{
    *line = (struct kernel_line){.log = log, .fd = -1, .left_fd = -1};
}

static struct sockaddr_in address_of(uint32_t ip, uint16_t port)
{
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(ip)};
}

/* The owner has moved on: nobody sends on that number any more. */
static bool left_close(struct kernel_line *line)
{
    if (line->left_fd < 0 || send_log_owner_epoch(line->log) == line->left_epoch)
        return false;
    close(line->left_fd);
    line->left_fd = -1;
    return true;
}

int kernel_line_connect(struct kernel_line *line, uint32_t local_ip, uint16_t local_port, uint32_t peer_ip,
                        uint16_t peer_port)
{
    const struct sockaddr_in local = address_of(local_ip, local_port), peer = address_of(peer_ip, peer_port);
    const int one = 1;

    CHECK(line->fd < 0);
    line->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    line->event = KERNEL_LINE_NONE;
    line->epoch = 0;
    line->pending_len = 0;
    line->connecting = line->fd >= 0;
    if (line->fd < 0 || setsockopt(line->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0 ||
        setsockopt(line->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
        ((local_ip || local_port) && bind(line->fd, (const struct sockaddr *)&local, sizeof(local)) != 0) ||
        (connect(line->fd, (const struct sockaddr *)&peer, sizeof(peer)) != 0 && errno != EINPROGRESS)) {
        const int error = errno;
        kernel_line_abort(line);
        return -error;
    }
    return 0;
}

enum kernel_line_event kernel_line_event(struct kernel_line *line)
{
    const enum kernel_line_event event = line->event;

    line->event = KERNEL_LINE_NONE;
    return event;
}

static void gone(struct kernel_line *line)
{
    kernel_line_abort(line);
    line->event = KERNEL_LINE_CLOSED;
}

/* How many the socket took. An error of its own is told by the next read. */
static uint32_t put(struct kernel_line *line, const uint8_t *bytes, uint32_t len)
{
    const ssize_t sent = send(line->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);

    return sent > 0 ? (uint32_t)sent : 0;
}

static bool flush(struct kernel_line *line)
{
    const uint32_t sent = line->pending_len > 0 ? put(line, line->pending, line->pending_len) : 0;

    memmove(line->pending, line->pending + sent, line->pending_len - sent);
    line->pending_len -= sent;
    return sent > 0;
}

static bool pend(struct kernel_line *line, const uint8_t *bytes, uint32_t len)
{
    if (len > KERNEL_LINE_PENDING_MAX - line->pending_len)
        return false;
    memcpy(line->pending + line->pending_len, bytes, len);
    line->pending_len += len;
    flush(line);
    return true;
}

bool kernel_line_write(struct kernel_line *line, const uint8_t *bytes, uint32_t len)
{
    return line->fd >= 0 && !line->connecting && !line->begun && pend(line, bytes, len);
}

uint32_t kernel_line_read(struct kernel_line *line, uint8_t *ret_bytes, uint32_t bytes_max)
{
    if (line->fd < 0 || line->connecting || bytes_max == 0)
        return 0;
    const ssize_t len = recv(line->fd, ret_bytes, bytes_max, MSG_DONTWAIT);
    if (len > 0)
        return (uint32_t)len;
    if (len == 0 || (errno != EAGAIN && errno != EINTR))
        gone(line);
    return 0;
}

bool kernel_line_quiet(const struct kernel_line *line)
{
    return line->fd >= 0 && !line->connecting && line->pending_len == 0;
}

void kernel_line_begin(struct kernel_line *line, uint16_t epoch, uint32_t *ret_seq)
{
    CHECK(kernel_line_quiet(line));
    line->begun = true;
    line->epoch = epoch;
    *ret_seq = FIRST_SEQ;
}

static uint32_t door(const struct kernel_line *line)
{
    return line->begun && line->pending_len == 0 && send_log_owner_epoch(line->log) == line->epoch ? DOOR_OPEN
                                                                                                   : DOOR_SHUT;
}

void kernel_line_end(struct kernel_line *line)
{
    line->begun = false;
    send_log_limit(line->log, 0, DOOR_SHUT);
}

/* Slots in order, each whole before the next one. */
static bool drain(struct kernel_line *line)
{
    const struct send_log_slot *slot;
    enum send_log_state state;
    bool any = false;

    while (line->pending_len == 0 && (slot = send_log_peek(line->log, 0, &state)) && state != SEND_LOG_RESERVED) {
        if (!line->begun || slot->epoch != line->epoch) {
            line->stale_count++;
        } else {
            pend(line, slot->bytes, slot->len);
            line->slow_count++;
        }
        send_log_taken(line->log, 1, 0, door(line));
        any = true;
    }
    return any;
}

/* True: the attempt has an end, good or bad. */
static bool connect_step(struct kernel_line *line)
{
    struct pollfd polled = {.fd = line->fd, .events = POLLOUT};
    int error = 0;
    socklen_t len = sizeof(error);

    if (poll(&polled, 1, 0) != 1)
        return false;
    getsockopt(line->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    line->connecting = false;
    if (error)
        gone(line);
    else
        line->event = KERNEL_LINE_CONNECTED;
    return true;
}

bool kernel_line_step(struct kernel_line *line, uint64_t now_ns)
{
    bool busy = left_close(line);

    (void)now_ns; /* the kernel has timers of its own */
    if (line->connecting)
        busy |= connect_step(line);
    else if (line->fd >= 0)
        busy |= flush(line);
    busy |= drain(line);
    send_log_limit(line->log, 0, door(line));
    return busy;
}

/* `reset`: with RST. Either way nothing more can be sent on the number. */
static void leave(struct kernel_line *line, bool reset)
{
    const struct sockaddr nobody = {.sa_family = AF_UNSPEC};

    kernel_line_end(line);
    if (reset)
        connect(line->fd, &nobody, sizeof(nobody)); /* disconnects */
    else
        shutdown(line->fd, SHUT_RDWR);
    left_close(line);
    if (line->epoch != 0 && send_log_owner_epoch(line->log) == line->epoch) {
        line->left_fd = line->fd; /* the one before is closed: the owner is in this one */
        line->left_epoch = line->epoch;
    } else {
        close(line->fd);
    }
    line->fd = -1;
    line->event = KERNEL_LINE_NONE;
    line->connecting = false;
    line->pending_len = 0;
}

void kernel_line_close(struct kernel_line *line)
{
    if (line->fd >= 0)
        leave(line, false);
}

void kernel_line_abort(struct kernel_line *line)
{
    if (line->fd >= 0)
        leave(line, true);
}

int kernel_line_fd(const struct kernel_line *line)
{
    return line->fd;
}

enum kernel_line_sent kernel_line_send(int fd, struct send_log *log, const uint8_t *bytes, uint32_t len)
{
    uint32_t ack, sent_len = 0;

    if (send_log_may(log, len, &ack)) {
        const ssize_t sent = send(fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent == (ssize_t)len || (sent < 0 && errno != EAGAIN && errno != EINTR))
            return KERNEL_LINE_WHOLE;
        sent_len = sent > 0 ? (uint32_t)sent : 0;
    }
    send_log_mark(log, send_log_reserve_copy(log, bytes + sent_len, len - sent_len), false);
    log->next_seq = FIRST_SEQ;
    return KERNEL_LINE_LOGGED;
}
