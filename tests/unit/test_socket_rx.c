/* socket_rx over multicast on the loopback interface: what comes, from whom, what is cut off, what the kernel drops,
 * and that a sleep ends. The sender is a plain socket; loopback delivers before send returns, so nothing is waited
 * for. */
#include "gateway/socket_rx.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOOPBACK 0x7f000001u
#define GROUP 0xefc06301u /* 239.192.99.1 */
#define MTU 1500u

static struct socket_rx sockets;
static struct place place;
static struct line line = {.group = GROUP};
static struct config_socket config = {.present = true, .iface = "lo", .buffer_kb = 1024};
static char error[SOCKET_RX_ERROR_MAX];
static int sender;

/* A port that is nobody's: the kernel's choice, given back. Tests run beside each other. */
static uint16_t port_free(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(LOOPBACK)};
    socklen_t len = sizeof(address);
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);

    cr_assert_eq(bind(fd, (const struct sockaddr *)&address, len), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static int sender_open(void)
{
    const struct ip_mreqn lo = {.imr_address.s_addr = htonl(LOOPBACK), .imr_ifindex = (int)if_nametoindex("lo")};
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);

    cr_assert_geq(fd, 0);
    cr_assert_eq(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &lo, sizeof(lo)), 0);
    return fd;
}

static void start(void)
{
    sender = sender_open();
    line.udp_port = port_free();
    cr_assert_eq(socket_rx_init(&sockets, &place, MTU, 0), 0);
}

static void stop(void)
{
    socket_rx_close(&sockets);
    place_free(&place);
    close(sender);
}

TestSuite(socket_rx, .init = start, .fini = stop, .timeout = 60);

static void open_line(void)
{
    const int opened = socket_rx_open(&sockets, &line, &config, "itch", "A", error);
    cr_assert_eq(opened, 0, "%s", error);
}

static void say(uint32_t group, const void *bytes, size_t len)
{
    const struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(line.udp_port), .sin_addr.s_addr = htonl(group)};
    cr_assert_eq(sendto(sender, bytes, len, 0, (const struct sockaddr *)&to, sizeof(to)), (ssize_t)len);
}

static uint64_t realtime_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

Test(socket_rx, datagrams_come_whole_in_order_with_their_source)
{
    open_line();
    for (uint8_t i = 0; i < 100; i++)
        say(GROUP, (uint8_t[]){i, 7, 9}, 3);
    uint32_t seen = 0;
    for (uint32_t taken; (taken = socket_rx_take(&sockets, &sockets.line[0], 32)) > 0;)
        for (uint32_t i = 0; i < taken; i++, seen++) {
            const struct socket_rx_datagram datagram =
                socket_rx_datagram(&sockets, &sockets.line[0], i, realtime_ns());
            cr_assert_eq(datagram.payload_len, 3);
            cr_assert_eq(datagram.payload[0], seen);
            cr_assert_eq(datagram.src_ip, LOOPBACK);
            cr_assert_not(datagram.cut);
        }
    cr_assert_eq(seen, 100);
    cr_assert_eq(sockets.line[0].datagram_count, 100);
    cr_assert_eq(sockets.line[0].call_count, 5, "four with datagrams, one without");
    cr_assert_eq(sockets.line[0].error_count, 0);
}

/* On a host where nobody else wants stamps the kernel begins to make them a moment after it was asked: until then. */
Test(socket_rx, datagrams_have_the_kernels_stamp)
{
    open_line();
    while (sockets.waited.count == 0) {
        say(GROUP, "x", 1);
        cr_assert_eq(socket_rx_take(&sockets, &sockets.line[0], 32), 1);
        socket_rx_datagram(&sockets, &sockets.line[0], 0, realtime_ns());
    }
    for (uint32_t i = 0; i < 10; i++)
        say(GROUP, "x", 1);
    cr_assert_eq(socket_rx_take(&sockets, &sockets.line[0], 32), 10);
    for (uint32_t i = 0; i < 10; i++)
        socket_rx_datagram(&sockets, &sockets.line[0], i, realtime_ns());
    cr_assert_eq(sockets.waited.count, 11);
    cr_assert_eq(sockets.card.count, 0, "loopback has no card");
    socket_rx_datagram(&sockets, &sockets.line[0], 0, 1); /* stamped after our time: of no use */
    cr_assert_eq(sockets.waited.count, 11);
}

Test(socket_rx, a_burst_is_never_longer_than_asked_for)
{
    open_line();
    for (uint32_t i = 0; i < 70; i++)
        say(GROUP, "x", 1);
    cr_assert_eq(socket_rx_take(&sockets, &sockets.line[0], 1), 1);
    cr_assert_eq(socket_rx_take(&sockets, &sockets.line[0], 1000), SOCKET_RX_BURST_MAX);
    cr_assert_eq(socket_rx_take(&sockets, &sockets.line[0], 64), 5);
}

Test(socket_rx, nothing_is_an_answer_at_once)
{
    open_line();
    cr_assert_eq(socket_rx_take(&sockets, &sockets.line[0], 32), 0);
    cr_assert_eq(sockets.line[0].error_count, 0);
}

Test(socket_rx, datagrams_of_no_byte_and_of_the_whole_mtu_are_whole)
{
    static uint8_t bytes[MTU];
    open_line();
    say(GROUP, bytes, 0);
    say(GROUP, bytes, sizeof(bytes));
    cr_assert_eq(socket_rx_take(&sockets, &sockets.line[0], 32), 2);
    cr_assert_eq(socket_rx_datagram(&sockets, &sockets.line[0], 0, realtime_ns()).payload_len, 0);
    const struct socket_rx_datagram longest = socket_rx_datagram(&sockets, &sockets.line[0], 1, realtime_ns());
    cr_assert_eq(longest.payload_len, MTU);
    cr_assert_not(longest.cut);
}

Test(socket_rx, a_datagram_longer_than_the_mtu_is_marked_as_cut_and_the_next_one_is_not)
{
    static uint8_t bytes[MTU + 1];
    open_line();
    say(GROUP, bytes, sizeof(bytes));
    say(GROUP, "next", 4);
    cr_assert_eq(socket_rx_take(&sockets, &sockets.line[0], 32), 2);
    cr_assert(socket_rx_datagram(&sockets, &sockets.line[0], 0, realtime_ns()).cut);
    const struct socket_rx_datagram next = socket_rx_datagram(&sockets, &sockets.line[0], 1, realtime_ns());
    cr_assert_not(next.cut);
    cr_assert_arr_eq(next.payload, "next", 4);
}

Test(socket_rx, another_group_on_the_same_port_does_not_come)
{
    const int other = socket(AF_INET, SOCK_DGRAM, 0);
    const struct ip_mreqn join = {.imr_multiaddr.s_addr = htonl(GROUP + 1), .imr_ifindex = (int)if_nametoindex("lo")};

    open_line();
    cr_assert_eq(setsockopt(other, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, sizeof(join)), 0); /* the host receives it */
    say(GROUP + 1, "theirs", 6);
    say(GROUP, "ours", 4);
    cr_assert_eq(socket_rx_take(&sockets, &sockets.line[0], 32), 1);
    cr_assert_arr_eq(socket_rx_datagram(&sockets, &sockets.line[0], 0, realtime_ns()).payload, "ours", 4);
    close(other);
}

Test(socket_rx, the_kernel_joins_for_the_lines_source_alone)
{
    line.source = LOOPBACK + 1; /* 127.0.0.2 */
    open_line();
    say(GROUP, "theirs", 6);
    cr_assert_eq(socket_rx_take(&sockets, &sockets.line[0], 32), 0);
    close(sender);
    sender = sender_open();
    const struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(LOOPBACK + 1)};
    cr_assert_eq(bind(sender, (const struct sockaddr *)&from, sizeof(from)), 0);
    say(GROUP, "ours", 4);
    cr_assert_eq(socket_rx_take(&sockets, &sockets.line[0], 32), 1);
    cr_assert_eq(socket_rx_datagram(&sockets, &sockets.line[0], 0, realtime_ns()).src_ip, LOOPBACK + 1);
}

Test(socket_rx, two_lines_have_two_sockets)
{
    struct line second = {.group = GROUP + 2, .udp_port = line.udp_port};

    open_line();
    cr_assert_eq(socket_rx_open(&sockets, &second, &config, "itch", "B", error), 0, "%s", error);
    say(GROUP + 2, "b", 1);
    say(GROUP, "a", 1);
    cr_assert_eq(socket_rx_take(&sockets, &sockets.line[0], 32), 1);
    cr_assert_eq(socket_rx_datagram(&sockets, &sockets.line[0], 0, realtime_ns()).payload[0], 'a');
    cr_assert_eq(socket_rx_take(&sockets, &sockets.line[1], 32), 1);
    cr_assert_eq(socket_rx_datagram(&sockets, &sockets.line[1], 0, realtime_ns()).payload[0], 'b');
}

/* The kernel tells with the next datagram that finds room; what it dropped is counted once. */
Test(socket_rx, what_the_kernel_drops_is_counted_once)
{
    static uint8_t bytes[1000];
    uint32_t seen = 0, told = 0;

    config.buffer_kb = 64;
    open_line();
    for (uint32_t i = 0; i < 1000; i++)
        say(GROUP, bytes, sizeof(bytes));
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t taken; (taken = socket_rx_take(&sockets, &sockets.line[0], 32)) > 0; seen += taken)
            for (uint32_t i = 0; i < taken; i++)
                socket_rx_datagram(&sockets, &sockets.line[0], i, realtime_ns());
        told += round == 0;
        if (round == 0)
            say(GROUP, bytes, sizeof(bytes));
    }
    cr_assert_eq(told, 1);
    cr_assert_lt(seen, 1001);
    cr_assert_gt(seen, 1);
    cr_assert_eq(seen + sockets.line[0].dropped_count, 1001, "%u came, %lu were dropped", seen,
                 (unsigned long)sockets.line[0].dropped_count);
}

/* A sleep of the longest kind is a millisecond: with a datagram there it does not begin. */
Test(socket_rx, a_sleep_ends_with_a_datagram_or_its_time)
{
    config.block = true;
    open_line();
    cr_assert(sockets.block);
    socket_rx_wait(&sockets, 1000);
    socket_rx_wait(&sockets, UINT64_MAX);
    say(GROUP, "x", 1);
    socket_rx_wait(&sockets, UINT64_MAX);
    cr_assert_eq(sockets.wait_count, 3);
    cr_assert_eq(socket_rx_take(&sockets, &sockets.line[0], 32), 1);
}

Test(socket_rx, one_line_that_spins_keeps_the_lcore_awake)
{
    static const struct config_socket spinning = {.present = true, .iface = "lo", .buffer_kb = 1024};
    struct line second = {.group = GROUP + 2, .udp_port = line.udp_port};

    config.block = true;
    open_line();
    cr_assert_eq(socket_rx_open(&sockets, &second, &spinning, "itch", "B", error), 0, "%s", error);
    cr_assert_not(sockets.block);
}

/* Loopback has no queue of a driver: busy polling is accepted and has nothing to poll. */
Test(socket_rx, busy_polling_without_a_napi_id_is_known)
{
    config.busy_poll_us = 50;
    if (socket_rx_open(&sockets, &line, &config, "itch", "A", error) != 0) {
        cr_assert(strstr(error, "busy_poll_us is refused"), "%s", error);
        return;
    }
    say(GROUP, "x", 1);
    cr_assert_eq(socket_rx_take(&sockets, &sockets.line[0], 32), 1);
    cr_assert_eq(socket_rx_napi(&sockets.line[0]), 0);
}

Test(socket_rx, an_interface_that_is_not_there_is_named)
{
    struct config_socket nowhere = config;

    snprintf(nowhere.iface, sizeof(nowhere.iface), "tgnone");
    cr_assert_eq(socket_rx_open(&sockets, &line, &nowhere, "itch", "A", error), -ENODEV);
    cr_assert_str_eq(error, "feed itch, line A: socket on tgnone: there is no such interface; write the name that 'ip "
                            "link' shows: No such device");
    cr_assert_eq(sockets.count, 0);
}

Test(socket_rx, more_sockets_than_there_is_room_for_are_refused)
{
    open_line();
    sockets.count = SOCKET_RX_LINES_MAX;
    cr_assert_eq(socket_rx_open(&sockets, &line, &config, "itch", "A", error), -ENOSPC);
    cr_assert(strstr(error, "at most 32 sockets"));
    sockets.count = 1;
}
