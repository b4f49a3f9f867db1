/* kernel_line over 127.0.0.1: every byte once and in order, whoever sends it; the end of a connection. The peer is a
 * plain socket that blocks; the line is stepped until what is waited for has come. */
#include "gateway/kernel_line.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOOPBACK 0x7f000001u
#define MESSAGE_LEN 50u
#define MESSAGE_COUNT 10000u

static struct send_log send_log;
static struct kernel_line line;
static int listener, peer;
static uint16_t peer_port;

/* In place of libc's: how many bytes a socket takes from one call. The kernel takes a part only when it likes to. */
static size_t send_max = SIZE_MAX;

ssize_t send(int fd, const void *bytes, size_t len, int flags)
{
    return sendto(fd, bytes, len < send_max ? len : send_max, flags, NULL, 0);
}

static int listen_on(uint16_t port, uint16_t *ret_port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(LOOPBACK)};
    socklen_t len = sizeof(address);
    const int few = 4096, fd = socket(AF_INET, SOCK_STREAM, 0);

    cr_assert_geq(fd, 0);
    cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &few, sizeof(few)), 0); /* a slow reader stops the sender soon */
    cr_assert_eq(bind(fd, (const struct sockaddr *)&address, len), 0);
    cr_assert_eq(listen(fd, 8), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static void start(void)
{
    listener = listen_on(0, &peer_port);
    peer = -1;
    send_log_init(&send_log);
    kernel_line_init(&line, &send_log);
}

TestSuite(kernel_line, .init = start, .timeout = 60);

/* --- the ways to wait: for the kernel, never for time */

static enum kernel_line_event wait_event(void)
{
    enum kernel_line_event event;

    for (;;) {
        kernel_line_step(&line, 0);
        if ((event = kernel_line_event(&line)) != KERNEL_LINE_NONE)
            return event;
        struct pollfd polled = {.fd = kernel_line_fd(&line), .events = POLLIN | POLLOUT};
        cr_assert_eq(poll(&polled, 1, -1), 1);
    }
}

/* The next bytes that came, at least one, or CLOSED: 0. */
static uint32_t wait_read(uint8_t *ret_bytes, uint32_t bytes_max)
{
    for (;;) {
        struct pollfd polled = {.fd = kernel_line_fd(&line), .events = POLLIN};
        cr_assert_eq(poll(&polled, 1, -1), 1);
        const uint32_t len = kernel_line_read(&line, ret_bytes, bytes_max);
        if (len > 0 || kernel_line_fd(&line) < 0)
            return len;
    }
}

static void connect_line(void)
{
    cr_assert_eq(kernel_line_connect(&line, 0, 0, LOOPBACK, peer_port), 0);
    cr_assert_eq(wait_event(), KERNEL_LINE_CONNECTED);
    peer = accept(listener, NULL, NULL);
    cr_assert_geq(peer, 0);
}

/* Connected, and the owner's: its descriptor. */
static int begin(uint16_t epoch)
{
    uint32_t seq;

    connect_line();
    cr_assert(kernel_line_quiet(&line));
    kernel_line_begin(&line, epoch, &seq);
    cr_assert_eq(seq, 1u);
    send_log_begin(&send_log, epoch, seq);
    kernel_line_step(&line, 0);
    return kernel_line_fd(&line);
}

static enum kernel_line_sent owner_send(int fd, const char *text)
{
    cr_assert(send_log_room(&send_log));
    return kernel_line_send(fd, &send_log, (const uint8_t *)text, (uint32_t)strlen(text));
}

static void expect_peer_reads(const char *text)
{
    char bytes[256];
    const size_t len = strlen(text);

    for (size_t at = 0; at < len;) {
        const ssize_t more = recv(peer, bytes, len - at, 0);
        cr_assert_gt(more, 0, "%s", strerror(errno));
        cr_assert_eq(memcmp(bytes, text + at, (size_t)more), 0);
        at += (size_t)more;
    }
}

/* Everything until the end of the stream: its length, and -1 for a reset. */
static ssize_t peer_reads_to_the_end(void)
{
    char bytes[4096];
    ssize_t sum = 0;

    for (;;) {
        const ssize_t len = recv(peer, bytes, sizeof(bytes), 0);
        if (len < 0) {
            cr_assert_eq(errno, ECONNRESET);
            return -1;
        }
        if (len == 0)
            return sum;
        sum += len;
    }
}

/* --- the stream: byte i is known, so any piece of it can be checked */

static uint8_t byte_at(uint64_t i)
{
    return (uint8_t)(i * 2654435761u >> 13);
}

static void make_bytes(uint64_t from, uint8_t *ret_bytes, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        ret_bytes[i] = byte_at(from + i);
}

/* What is there for the peer now, at most `len_max`. */
static uint64_t peer_take(uint64_t at, size_t len_max)
{
    static uint8_t bytes[65536];
    const ssize_t len = recv(peer, bytes, len_max < sizeof(bytes) ? len_max : sizeof(bytes), MSG_DONTWAIT);

    if (len < 0) {
        cr_assert_eq(errno, EAGAIN);
        return at;
    }
    cr_assert_gt(len, 0);
    for (ssize_t i = 0; i < len; i++)
        cr_assert_eq(bytes[i], byte_at(at + (uint64_t)i), "byte %u", (unsigned)(at + (uint64_t)i));
    return at + (uint64_t)len;
}

/* Fill the socket until the owner's bytes go to the log. Returns how many bytes the socket took. */
static uint64_t fill(int fd)
{
    uint8_t bytes[MESSAGE_LEN];
    uint64_t sent = 0;
    const int few = 4096;

    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &few, sizeof(few));
    for (;; sent += MESSAGE_LEN) {
        make_bytes(sent, bytes, sizeof(bytes));
        cr_assert(send_log_room(&send_log));
        if (kernel_line_send(fd, &send_log, bytes, sizeof(bytes)) == KERNEL_LINE_LOGGED)
            return sent + MESSAGE_LEN;
    }
}

/* --- life of a connection */

Test(kernel_line, a_line_that_was_only_made_is_harmless)
{
    uint8_t byte = 0;

    kernel_line_abort(&line);
    kernel_line_close(&line);
    cr_assert_eq(kernel_line_fd(&line), -1);
    cr_assert_eq(kernel_line_event(&line), KERNEL_LINE_NONE);
    cr_assert_not(kernel_line_step(&line, 0));
    cr_assert_not(kernel_line_quiet(&line));
    cr_assert_not(kernel_line_write(&line, &byte, 1));
    cr_assert_eq(kernel_line_read(&line, &byte, 1), 0u);
}

Test(kernel_line, it_connects_and_says_so_once)
{
    int on = 0;
    socklen_t len = sizeof(on);

    cr_assert_eq(kernel_line_connect(&line, 0, 0, LOOPBACK, peer_port), 0);
    cr_assert_not(kernel_line_quiet(&line));
    cr_assert_eq(wait_event(), KERNEL_LINE_CONNECTED);
    cr_assert_eq(kernel_line_event(&line), KERNEL_LINE_NONE);
    cr_assert(kernel_line_quiet(&line));
    cr_assert_not(kernel_line_step(&line, 0));
    cr_assert_eq(getsockopt(kernel_line_fd(&line), IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
    cr_assert_neq(on, 0);
    cr_assert_neq(fcntl(kernel_line_fd(&line), F_GETFL) & O_NONBLOCK, 0);
}

Test(kernel_line, it_comes_from_the_address_and_port_asked_for)
{
    struct sockaddr_in from;
    socklen_t len = sizeof(from);
    uint16_t port;

    close(listen_on(0, &port)); /* free just now */
    cr_assert_eq(kernel_line_connect(&line, LOOPBACK + 1, port, LOOPBACK, peer_port), 0);
    cr_assert_eq(wait_event(), KERNEL_LINE_CONNECTED);
    peer = accept(listener, (struct sockaddr *)&from, &len);
    cr_assert_geq(peer, 0);
    cr_assert_eq(ntohl(from.sin_addr.s_addr), LOOPBACK + 1);
    cr_assert_eq(ntohs(from.sin_port), port);
}

Test(kernel_line, an_address_that_is_not_ours_is_an_error_at_once)
{
    cr_assert_eq(kernel_line_connect(&line, 0xc0000201, 0, LOOPBACK, peer_port), -EADDRNOTAVAIL); /* TEST-NET-1 */
    cr_assert_eq(kernel_line_fd(&line), -1);
    cr_assert_eq(kernel_line_event(&line), KERNEL_LINE_NONE);
    connect_line();
}

Test(kernel_line, a_refused_connection_is_closed)
{
    close(listener);
    cr_assert_eq(kernel_line_connect(&line, 0, 0, LOOPBACK, peer_port), 0);
    cr_assert_eq(wait_event(), KERNEL_LINE_CLOSED);
    cr_assert_eq(kernel_line_event(&line), KERNEL_LINE_NONE);
    cr_assert_eq(kernel_line_fd(&line), -1);
}

Test(kernel_line, the_control_thread_writes_and_reads)
{
    uint8_t bytes[16];

    connect_line();
    cr_assert(kernel_line_write(&line, (const uint8_t *)"login", 5));
    cr_assert(kernel_line_write(&line, (const uint8_t *)"query", 5));
    expect_peer_reads("loginquery");
    cr_assert_eq(kernel_line_read(&line, bytes, sizeof(bytes)), 0u);
    cr_assert_eq(send(peer, "accepted", 8, 0), 8);
    cr_assert_eq(wait_read(bytes, 3), 3u);
    cr_assert_eq(wait_read(bytes + 3, sizeof(bytes) - 3), 5u);
    cr_assert_eq(memcmp(bytes, "accepted", 8), 0);
    cr_assert_eq(kernel_line_event(&line), KERNEL_LINE_NONE);
}

Test(kernel_line, bytes_that_the_socket_does_not_take_wait_all_or_none)
{
    const int few = 4096;
    uint8_t bytes[100];
    uint64_t written = 0, read = 0;

    connect_line();
    setsockopt(kernel_line_fd(&line), SOL_SOCKET, SO_SNDBUF, &few, sizeof(few));
    for (;; written += sizeof(bytes)) {
        make_bytes(written, bytes, sizeof(bytes));
        if (!kernel_line_write(&line, bytes, sizeof(bytes)))
            break;
    }
    cr_assert_gt(line.pending_len, KERNEL_LINE_PENDING_MAX - sizeof(bytes));
    cr_assert_not(kernel_line_quiet(&line));
    while (read < written) {
        kernel_line_step(&line, 0);
        read = peer_take(read, SIZE_MAX);
    }
    cr_assert_eq(read, written);
    cr_assert(kernel_line_quiet(&line));
    cr_assert_not(kernel_line_write(&line, bytes, KERNEL_LINE_PENDING_MAX + 1), "never");
}

Test(kernel_line, what_the_peer_said_before_it_closed_is_read_before_closed_is_said)
{
    uint8_t bytes[16];

    begin(1);
    cr_assert_eq(send(peer, "end", 3, 0), 3);
    close(peer);
    cr_assert_eq(wait_read(bytes, 2), 2u);
    cr_assert_eq(kernel_line_event(&line), KERNEL_LINE_NONE);
    cr_assert_eq(wait_read(bytes + 2, 14), 1u);
    cr_assert_eq(memcmp(bytes, "end", 3), 0);
    cr_assert_eq(wait_read(bytes, 16), 0u);
    cr_assert_eq(kernel_line_event(&line), KERNEL_LINE_CLOSED);
    cr_assert_eq(kernel_line_event(&line), KERNEL_LINE_NONE);
    cr_assert_eq(kernel_line_fd(&line), -1);
}

Test(kernel_line, a_reset_by_the_peer_is_closed_too)
{
    const struct linger reset = {.l_onoff = 1};
    uint8_t byte;

    connect_line();
    cr_assert_eq(setsockopt(peer, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
    close(peer);
    cr_assert_eq(wait_read(&byte, 1), 0u);
    cr_assert_eq(kernel_line_event(&line), KERNEL_LINE_CLOSED);
}

Test(kernel_line, close_is_orderly_and_says_nothing)
{
    connect_line();
    cr_assert(kernel_line_write(&line, (const uint8_t *)"logout", 6));
    kernel_line_close(&line);
    cr_assert_eq(peer_reads_to_the_end(), 6);
    kernel_line_step(&line, 0);
    cr_assert_eq(kernel_line_event(&line), KERNEL_LINE_NONE);
    cr_assert_eq(kernel_line_fd(&line), -1);
}

Test(kernel_line, abort_is_a_reset_and_says_nothing)
{
    connect_line();
    kernel_line_abort(&line);
    cr_assert_eq(peer_reads_to_the_end(), -1);
    kernel_line_step(&line, 0);
    cr_assert_eq(kernel_line_event(&line), KERNEL_LINE_NONE);
}

Test(kernel_line, an_attempt_that_is_given_up_says_nothing)
{
    for (uint32_t i = 0; i < 2; i++) {
        cr_assert_eq(kernel_line_connect(&line, 0, 0, LOOPBACK, peer_port), 0);
        struct pollfd polled = {.fd = kernel_line_fd(&line), .events = POLLOUT};
        cr_assert_eq(poll(&polled, 1, -1), 1);
        if (i == 1)
            cr_assert(kernel_line_step(&line, 0), "it is there, and nobody was told");
        kernel_line_abort(&line);
        kernel_line_step(&line, 0);
        cr_assert_eq(kernel_line_event(&line), KERNEL_LINE_NONE);
        cr_assert_eq(kernel_line_fd(&line), -1);
    }
}

/* --- the owner's */

Test(kernel_line, the_owner_sends_only_when_both_know)
{
    uint32_t seq, ack;

    connect_line();
    cr_assert_not(send_log_may(&send_log, 1, &ack));
    kernel_line_begin(&line, 7, &seq);
    cr_assert_not(kernel_line_write(&line, (const uint8_t *)"x", 1), "it is not the control thread's any more");
    kernel_line_step(&line, 0);
    cr_assert_not(send_log_may(&send_log, 1, &ack), "the owner does not know yet");
    send_log_begin(&send_log, 7, seq);
    cr_assert_not(send_log_may(&send_log, 1, &ack), "nobody knows that it does");
    kernel_line_step(&line, 0);
    cr_assert(send_log_may(&send_log, 1, &ack));
    cr_assert_eq(owner_send(kernel_line_fd(&line), "order"), KERNEL_LINE_WHOLE);
    expect_peer_reads("order");
    kernel_line_end(&line);
    cr_assert_not(send_log_may(&send_log, 1, &ack), "at once");
    kernel_line_step(&line, 0);
    cr_assert_not(send_log_may(&send_log, 1, &ack));
}

Test(kernel_line, orders_before_the_door_opens_go_through_the_log)
{
    uint32_t seq;

    connect_line();
    kernel_line_begin(&line, 1, &seq);
    send_log_begin(&send_log, 1, seq);
    const int fd = kernel_line_fd(&line);
    cr_assert_eq(owner_send(fd, "one"), KERNEL_LINE_LOGGED);
    cr_assert_eq(owner_send(fd, "two"), KERNEL_LINE_LOGGED);
    cr_assert(kernel_line_step(&line, 0));
    expect_peer_reads("onetwo");
    cr_assert_eq(owner_send(fd, "three"), KERNEL_LINE_WHOLE);
    expect_peer_reads("three");
    cr_assert_eq(line.slow_count, 2u);
}

/* The socket fills again and again: every way through kernel_line_send, and in part. */
Test(kernel_line, ten_thousand_orders_to_a_slow_reader_come_once_and_in_order)
{
    const int few = 4096, fd = begin(1);
    uint64_t random = 1, read = 0;
    uint32_t sent_count = 0, whole_count = 0, turn = 0;
    uint8_t bytes[SEND_LOG_BYTES];
    uint64_t sent = 0;

    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &few, sizeof(few));
    while (sent_count < MESSAGE_COUNT || read < sent) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        if (sent_count < MESSAGE_COUNT && send_log_room(&send_log)) {
            const uint32_t len = 1 + (uint32_t)(random >> 33) % SEND_LOG_BYTES;
            make_bytes(sent, bytes, len);
            send_max = random >> 40 & 1 ? SIZE_MAX : 1 + (random >> 41) % SEND_LOG_BYTES;
            whole_count += kernel_line_send(fd, &send_log, bytes, len) == KERNEL_LINE_WHOLE;
            sent += len;
            sent_count++;
        }
        /* By turns a reader that is as fast as the owner, and one that takes little, now and then. */
        const bool fast = sent_count / 500 % 2 == 0 || sent_count == MESSAGE_COUNT;
        if (fast || random >> 60 < 3)
            kernel_line_step(&line, 0);
        if (fast || ++turn % 64 == 0)
            read = peer_take(read, fast ? SIZE_MAX : 1000);
    }
    cr_assert_eq(read, sent);
    cr_assert_gt(whole_count, MESSAGE_COUNT / 10, "%u by itself", whole_count);
    cr_assert_gt(line.slow_count, MESSAGE_COUNT / 10, "%u through the log", (unsigned)line.slow_count);
    cr_assert_eq(line.slow_count + whole_count, MESSAGE_COUNT);
    cr_assert_eq(line.stale_count, 0u);
}

Test(kernel_line, what_the_socket_took_of_an_order_is_not_sent_again)
{
    const char text[] = "an order of some length";
    const int fd = begin(1);

    for (send_max = 1; send_max < sizeof(text) - 1; send_max++) {
        cr_assert_eq(owner_send(fd, text), KERNEL_LINE_LOGGED);
        kernel_line_step(&line, 0);
        cr_assert_eq(owner_send(fd, "!"), line.pending_len > 0 ? KERNEL_LINE_LOGGED : KERNEL_LINE_WHOLE);
        while (kernel_line_step(&line, 0))
            ;
        expect_peer_reads(text);
        expect_peer_reads("!");
    }
}

Test(kernel_line, the_door_stays_shut_until_the_socket_has_taken_the_last_byte_of_the_log)
{
    const int fd = begin(1);
    uint64_t sent = fill(fd), read = 0;
    uint8_t bytes[MESSAGE_LEN];

    kernel_line_step(&line, 0); /* the slot is taken; the socket takes nothing of it, or a part */
    enum send_log_state state;
    cr_assert_null(send_log_peek(&send_log, 0, &state));
    cr_assert_gt(line.pending_len, 0u);
    read = peer_take(read, SIZE_MAX); /* there is room in the socket now, and the owner is the first to see it */
    make_bytes(sent, bytes, sizeof(bytes));
    cr_assert_eq(kernel_line_send(fd, &send_log, bytes, sizeof(bytes)), KERNEL_LINE_LOGGED);
    sent += sizeof(bytes);
    while (read < sent) {
        kernel_line_step(&line, 0);
        read = peer_take(read, SIZE_MAX);
    }
    cr_assert_eq(read, sent);
}

Test(kernel_line, bytes_are_never_used_up)
{
    const int fd = begin(1);
    uint32_t ack;

    for (uint32_t i = 0; i < 3 * SEND_LOG_SLOTS; i++) { /* the door does not depend on what was logged */
        send_log_limit(&send_log, 0, 0);
        cr_assert_eq(owner_send(fd, "slow"), KERNEL_LINE_LOGGED);
        cr_assert_eq(send_log.next_seq, 1u);
        kernel_line_step(&line, 0);
        expect_peer_reads("slow");
        cr_assert(send_log_may(&send_log, SEND_LOG_BYTES, &ack));
    }
}

Test(kernel_line, slots_of_a_connection_that_is_gone_are_dropped)
{
    const int fd = begin(1);
    uint8_t byte;

    fill(fd);
    for (uint32_t i = 0; i < 9; i++)
        cr_assert_eq(owner_send(fd, "of the past"), KERNEL_LINE_LOGGED);
    const struct linger reset = {.l_onoff = 1};
    cr_assert_eq(setsockopt(peer, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
    close(peer);
    cr_assert_eq(wait_read(&byte, 1), 0u);
    cr_assert_eq(kernel_line_event(&line), KERNEL_LINE_CLOSED);
    cr_assert(kernel_line_step(&line, 0));
    cr_assert_eq(line.stale_count, 10u);
    send_log_end(&send_log);
    const int next = begin(2);
    cr_assert_eq(owner_send(next, "new"), KERNEL_LINE_WHOLE);
    expect_peer_reads("new");
    kernel_line_close(&line);
    cr_assert_eq(peer_reads_to_the_end(), 0);
    cr_assert_eq(line.slow_count, 0u);
}

Test(kernel_line, an_owner_that_is_late_sends_nothing_into_the_next_connection)
{
    const int fd = begin(1);
    uint32_t seq;

    kernel_line_end(&line);
    cr_assert_eq(owner_send(fd, "logged late"), KERNEL_LINE_LOGGED);
    kernel_line_abort(&line);
    connect_line();
    cr_assert_neq(kernel_line_fd(&line), fd);
    kernel_line_begin(&line, 2, &seq);
    cr_assert_eq(owner_send(fd, "later"), KERNEL_LINE_LOGGED);
    kernel_line_step(&line, 0);
    cr_assert_eq(owner_send(fd, "latest"), KERNEL_LINE_LOGGED, "the door is not its");
    send_log_end(&send_log);
    send_log_begin(&send_log, 2, seq);
    cr_assert_eq(owner_send(kernel_line_fd(&line), "first"), KERNEL_LINE_LOGGED);
    kernel_line_step(&line, 0);
    expect_peer_reads("first");
    cr_assert_eq(line.stale_count, 3u);
    cr_assert_eq(line.slow_count, 1u);
}

/* The owner has looked at the door and is about to call send when the connection ends. */
Test(kernel_line, the_number_of_a_lost_socket_is_nobody_elses_while_the_owner_may_use_it)
{
    for (uint32_t i = 0; i < 2; i++) {
        const uint16_t epoch = (uint16_t)(i + 1);
        const int fd = begin(epoch);
        const uint64_t door = send_log.limit;
        i == 0 ? kernel_line_abort(&line) : kernel_line_close(&line);
        cr_assert_eq(peer_reads_to_the_end(), i == 0 ? -1 : 0, "at once");
        close(peer);
        kernel_line_step(&line, 0);
        cr_assert_neq(fcntl(fd, F_GETFD), -1);
        connect_line();
        cr_assert_neq(kernel_line_fd(&line), fd);
        const uint64_t shut = send_log.limit;
        send_log.limit = door; /* as it was seen */
        cr_assert_eq(owner_send(fd, "late"), KERNEL_LINE_WHOLE, "its fate is the recovery's to tell");
        send_log.limit = shut;
        send_log_end(&send_log);
        kernel_line_step(&line, 0);
        cr_assert_eq(fcntl(fd, F_GETFD), -1, "the owner has moved on");
        kernel_line_close(&line);
        cr_assert_eq(peer_reads_to_the_end(), 0, "nothing in the new connection");
        close(peer);
    }
}

Test(kernel_line, an_owner_that_hangs_holds_up_no_connection)
{
    const int hung = begin(1);
    int fds[4];

    for (uint32_t i = 0; i < 4; i++) {
        kernel_line_abort(&line);
        close(peer);
        connect_line();
        cr_assert(kernel_line_write(&line, (const uint8_t *)"cancel", 6));
        expect_peer_reads("cancel");
        uint32_t seq;
        if (i > 0)
            kernel_line_begin(&line, (uint16_t)(1 + i), &seq); /* it does not come to this one either */
        kernel_line_step(&line, 0);
        fds[i] = kernel_line_fd(&line);
        cr_assert_neq(fds[i], hung);
        cr_assert_neq(fcntl(hung, F_GETFD), -1);
    }
    kernel_line_abort(&line);
    cr_assert_eq(fcntl(fds[0], F_GETFD), -1, "it was never the owner's");
    cr_assert_eq(fcntl(fds[3], F_GETFD), -1, "the owner was never let in");
    /* All at once: it comes to each, and to the end of each. */
    for (uint16_t epoch = 2; epoch < 5; epoch++) {
        send_log_end(&send_log);
        send_log_begin(&send_log, epoch, 1);
        cr_assert_eq(owner_send(fds[epoch - 1], "x"), KERNEL_LINE_LOGGED);
    }
    send_log_end(&send_log);
    kernel_line_step(&line, 0);
    cr_assert_eq(fcntl(hung, F_GETFD), -1);
    cr_assert_eq(line.stale_count, 3u);
}

Test(kernel_line, an_owner_that_has_moved_on_keeps_one_number_at_most)
{
    const int first = begin(1);
    uint32_t seq;

    kernel_line_abort(&line);
    close(peer);
    connect_line();
    const int second = kernel_line_fd(&line);
    kernel_line_begin(&line, 2, &seq);
    send_log_end(&send_log);
    send_log_begin(&send_log, 2, seq);
    kernel_line_abort(&line); /* before any step */
    cr_assert_eq(fcntl(first, F_GETFD), -1);
    cr_assert_neq(fcntl(second, F_GETFD), -1);
    send_log_end(&send_log);
    kernel_line_step(&line, 0);
    cr_assert_eq(fcntl(second, F_GETFD), -1);
}

Test(kernel_line, an_error_of_the_socket_counts_as_sent)
{
    const struct linger reset = {.l_onoff = 1};
    const int fd = begin(1);
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    enum send_log_state state;

    signal(SIGPIPE, SIG_DFL);
    cr_assert_eq(setsockopt(peer, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
    close(peer);
    cr_assert_eq(poll(&polled, 1, -1), 1);
    cr_assert_eq(owner_send(fd, "order"), KERNEL_LINE_WHOLE); /* ECONNRESET */
    cr_assert_eq(owner_send(fd, "order"), KERNEL_LINE_WHOLE); /* EPIPE */
    cr_assert_null(send_log_peek(&send_log, 0, &state));
}
