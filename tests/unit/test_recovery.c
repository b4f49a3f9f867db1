/* recovery over real sockets on the loopback interface: servers and client take turns in this one process, and wait in
 * poll() for each other. */
#include "gateway/recovery.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOCALHOST   0x7f000001u
#define OUR_IP      0x7f000003u /* 127.0.0.3: every address of 127/8 is ours */
#define STRANGER_IP 0x7f000004u
#define START_NS    UINT64_C(1000000000000)
#define TIMEOUT_MS  2500u
#define SERVERS     2u
#define TURNS_MAX   100000u
#define STREAM_MAX  (4u << 20)
#define BLOCKS      (RECOVERY_LINK_BLOCKS - 1)
#define WAIT_MS     1000

struct rig {
    struct config *config;
    struct config_server request_server[SERVERS], spin_server[SERVERS];
    struct recovery_link *link;
    struct recovery recovery;
    uint64_t now_ns;
    uint32_t turns;
    int udp[SERVERS], listener[SERVERS], client; /* of the servers; client: the accepted connection */
};

static int socket_bound(int type, uint32_t ip, uint16_t *ret_port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(ip)};
    socklen_t at_len = sizeof(at);
    const int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    cr_assert_geq(fd, 0);
    cr_assert_eq(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0, "%s", strerror(errno));
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&at, &at_len), 0);
    *ret_port = ntohs(at.sin_port);
    return fd;
}

/* One feed with two re-request servers and two snapshot servers, all of them there. */
static struct rig *rig_new(void)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    cr_assert_not_null(rig);
    rig->config = calloc(1, sizeof(*rig->config));
    rig->link = aligned_alloc(64, (sizeof(*rig->link) + 63) / 64 * 64);
    cr_assert(rig->config && rig->link);
    recovery_link_init(rig->link);
    rig->now_ns = START_NS;
    rig->client = -1;
    for (uint32_t i = 0; i < SERVERS; i++) {
        rig->request_server[i].ip = rig->spin_server[i].ip = LOCALHOST;
        rig->udp[i] = socket_bound(SOCK_DGRAM, LOCALHOST, &rig->request_server[i].port);
        rig->listener[i] = socket_bound(SOCK_STREAM, LOCALHOST, &rig->spin_server[i].port);
        cr_assert_eq(listen(rig->listener[i], 8), 0);
    }
    struct config_feed *feed = &rig->config->feed[0];
    rig->config->feed_count = 1;
    memcpy(feed->name, "itch", 5);
    feed->retransmission = (struct config_retransmission){.present = true,
                                                          .transport = CONFIG_TRANSPORT_KERNEL,
                                                          .server_list = rig->request_server,
                                                          .server_count = SERVERS};
    feed->snapshot = (struct config_snapshot){.present = true,
                                              .server_list = rig->spin_server,
                                              .server_count = SERVERS,
                                              .username = "user",
                                              .password = "password",
                                              .timeout_ms = TIMEOUT_MS};
    return rig;
}

static void rig_open(struct rig *rig)
{
    char error[RECOVERY_ERROR_MAX];
    cr_assert_eq(recovery_open(&rig->recovery, rig->config, &rig->link, error), 0, "%s", error);
}

static void rig_free(struct rig *rig)
{
    recovery_close(&rig->recovery);
    for (uint32_t i = 0; i < SERVERS; i++) {
        close(rig->udp[i]);
        close(rig->listener[i]);
    }
    if (rig->client >= 0)
        close(rig->client);
    free(rig->link);
    free(rig->config);
    free(rig);
}

static const struct recovery_counters *counters(const struct rig *rig)
{
    return &rig->recovery.feed[0].counters;
}

/* A step of the client; where there is nothing to do, wait until a socket of either side has something. */
static void turn(struct rig *rig)
{
    struct pollfd fds[RECOVERY_FDS_MAX + 2 * SERVERS + 1];
    cr_assert_lt(rig->turns++, TURNS_MAX, "what the test waits for does not come");
    if (recovery_step(&rig->recovery, rig->now_ns))
        return;
    uint32_t count = recovery_fds(&rig->recovery, fds);
    for (uint32_t i = 0; i < SERVERS; i++) {
        fds[count++] = (struct pollfd){.fd = rig->udp[i], .events = POLLIN};
        fds[count++] = (struct pollfd){.fd = rig->listener[i], .events = POLLIN};
    }
    fds[count++] = (struct pollfd){.fd = rig->client, .events = POLLIN};
    poll(fds, count, WAIT_MS);
}

static void ask(struct rig *rig, const struct recovery_ask *wanted)
{
    cr_assert(recovery_link_ask(rig->link, wanted));
}

static void ask_spin(struct rig *rig, uint32_t number)
{
    ask(rig, &(struct recovery_ask){.type = RECOVERY_SPIN, .spin = number});
}

static void ask_request(struct rig *rig, uint8_t server)
{
    ask(rig, &(struct recovery_ask){.type = RECOVERY_REQUEST,
                                    .server = server,
                                    .seq = 0x0102030405060708,
                                    .count = 0x1122,
                                    .session = "SESSION01"});
}

static struct recovery_answer *wait_answer(struct rig *rig)
{
    struct recovery_answer *answer;
    while ((answer = recovery_link_take(rig->link)) == NULL)
        turn(rig);
    return answer;
}

static void expect_lost(struct rig *rig, uint32_t number, enum glimpse_verdict verdict)
{
    struct recovery_answer *answer = wait_answer(rig);
    cr_assert_eq(answer->type, RECOVERY_SPIN_LOST);
    cr_assert_eq(answer->spin, number);
    cr_assert_eq(answer->seq, (uint64_t)verdict, "%s", glimpse_verdict_name((enum glimpse_verdict)answer->seq));
    cr_assert_eq(counters(rig)->spin_verdict[verdict], 1u);
    recovery_link_done(rig->link, answer);
    cr_assert_eq(rig->recovery.feed[0].spin_fd, -1);
}

/* --- the re-request server */

/* A request, and whom it came from. */
static struct sockaddr_in receive_request(struct rig *rig, uint32_t server, uint8_t request[MOLD_REQUEST_LEN])
{
    struct sockaddr_in from;
    socklen_t from_len = sizeof(from);
    uint8_t bytes[2048];
    ssize_t len;
    while ((len = recvfrom(rig->udp[server], bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &from_len)) < 0)
        turn(rig);
    cr_assert_eq(len, MOLD_REQUEST_LEN);
    memcpy(request, bytes, MOLD_REQUEST_LEN);
    return from;
}

static void reply(int fd, const struct sockaddr_in *to, const void *bytes, size_t len)
{
    cr_assert_eq(sendto(fd, bytes, len, 0, (const struct sockaddr *)to, sizeof(*to)), (ssize_t)len);
}

static const uint8_t expected_request[MOLD_REQUEST_LEN] = {'S', 'E', 'S', 'S', 'I', 'O', 'N', '0', '1', 0,
                                                           1,   2,   3,   4,   5,   6,   7,   8,   0x11, 0x22};

Test(recovery, a_request_goes_to_the_server_that_is_asked_from_the_address_configured)
{
    struct rig *rig = rig_new();
    struct config_retransmission *retransmission = &rig->config->feed[0].retransmission;
    uint8_t request[MOLD_REQUEST_LEN];
    retransmission->local_ip = OUR_IP;
    close(socket_bound(SOCK_DGRAM, OUR_IP, &retransmission->local_port)); /* a free one */
    rig_open(rig);
    for (uint8_t server = 0; server < SERVERS; server++) {
        ask_request(rig, server);
        const struct sockaddr_in from = receive_request(rig, server, request);
        cr_assert_arr_eq(request, expected_request, MOLD_REQUEST_LEN);
        cr_assert_eq(from.sin_addr.s_addr, htonl(OUR_IP));
        cr_assert_eq(from.sin_port, htons(retransmission->local_port));
        cr_assert_eq(recv(rig->udp[1 - server], request, sizeof(request), 0), -1, "one server is asked");
    }
    cr_assert_eq(counters(rig)->request_count, 2u);
    cr_assert_eq(counters(rig)->request_error_count, 0u);
    rig_free(rig);
}

Test(recovery, replies_reach_the_link_as_they_are)
{
    static const size_t lens[] = {0, 1, 20, 1472, RECOVERY_LINK_BYTES};
    struct rig *rig = rig_new();
    uint8_t request[MOLD_REQUEST_LEN], bytes[RECOVERY_LINK_BYTES];
    rig_open(rig);
    ask_request(rig, 0);
    const struct sockaddr_in from = receive_request(rig, 0, request);
    for (uint32_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        memset(bytes, (int)i + 1, sizeof(bytes));
        reply(rig->udp[i % SERVERS], &from, bytes, lens[i]); /* any of the servers may answer */
        struct recovery_answer *answer = wait_answer(rig);
        cr_assert_eq(answer->type, RECOVERY_PACKET);
        cr_assert_eq(answer->len, lens[i]);
        cr_assert_eq(memcmp(answer->bytes, bytes, lens[i]), 0);
        recovery_link_done(rig->link, answer);
    }
    cr_assert_eq(counters(rig)->reply_count, sizeof(lens) / sizeof(lens[0]));
    rig_free(rig);
}

Test(recovery, datagrams_from_elsewhere_and_those_too_long_are_counted_and_dropped)
{
    struct rig *rig = rig_new();
    uint8_t request[MOLD_REQUEST_LEN], bytes[RECOVERY_LINK_BYTES + 1] = {0};
    uint16_t port;
    rig_open(rig);
    ask_request(rig, 0);
    const struct sockaddr_in from = receive_request(rig, 0, request);
    const int same_ip = socket_bound(SOCK_DGRAM, LOCALHOST, &port);
    const int other_ip = socket_bound(SOCK_DGRAM, STRANGER_IP, &port);
    reply(same_ip, &from, "no", 2);
    reply(other_ip, &from, "no", 2);
    reply(rig->udp[0], &from, bytes, sizeof(bytes));
    reply(other_ip, &from, bytes, sizeof(bytes));
    reply(rig->udp[0], &from, "yes", 3);
    struct recovery_answer *answer = wait_answer(rig);
    cr_assert_eq(answer->len, 3);
    cr_assert_arr_eq(answer->bytes, "yes", 3);
    cr_assert_eq(counters(rig)->reply_count, 1u);
    cr_assert_eq(counters(rig)->reply_foreign_count, 3u);
    cr_assert_eq(counters(rig)->reply_long_count, 1u);
    close(same_ip);
    close(other_ip);
    rig_free(rig);
}

Test(recovery, replies_that_find_no_block_wait_in_the_socket)
{
    const uint32_t reply_count = BLOCKS + 45;
    struct rig *rig = rig_new();
    uint8_t request[MOLD_REQUEST_LEN];
    struct pollfd fds[RECOVERY_FDS_MAX];
    rig_open(rig);
    ask_request(rig, 0);
    const struct sockaddr_in from = receive_request(rig, 0, request);
    for (uint32_t i = 0; i < reply_count; i++) {
        cr_assert_eq(recovery_fds(&rig->recovery, fds), i < BLOCKS ? 1u : 0u, "reply %u", i);
        reply(rig->udp[0], &from, &i, sizeof(i));
        while (counters(rig)->reply_count < (i < BLOCKS ? i + 1 : BLOCKS))
            turn(rig);
        cr_assert_not(recovery_step(&rig->recovery, rig->now_ns), "nothing that could be done");
    }
    for (uint32_t i = 0; i < reply_count; i++) {
        struct recovery_answer *answer = wait_answer(rig);
        uint32_t number;
        cr_assert_eq(answer->len, sizeof(number));
        memcpy(&number, answer->bytes, sizeof(number));
        cr_assert_eq(number, i);
        recovery_link_done(rig->link, answer);
    }
    cr_assert_eq(recovery_fds(&rig->recovery, fds), 1u);
    rig_free(rig);
}

struct sent {
    uint32_t feed_idx, ip, len, count;
    uint16_t port;
    uint8_t payload[64];
    bool fails;
};

static bool port_send(void *arg, uint32_t feed_idx, uint32_t ip, uint16_t port, const uint8_t *payload, uint32_t len)
{
    struct sent *sent = arg;
    cr_assert_leq(len, sizeof(sent->payload));
    sent->feed_idx = feed_idx;
    sent->ip = ip;
    sent->port = port;
    sent->len = len;
    sent->count++;
    memcpy(sent->payload, payload, len);
    return !sent->fails;
}

Test(recovery, requests_of_transport_port_leave_through_it)
{
    struct rig *rig = rig_new();
    struct sent sent = {0};
    struct pollfd fds[RECOVERY_FDS_MAX];
    struct recovery_link *links[2] = {NULL, rig->link};
    char error[RECOVERY_ERROR_MAX];
    rig->config->feed[1] = rig->config->feed[0]; /* feed 0 has nobody to ask */
    rig->config->feed_count = 2;
    rig->config->feed[1].retransmission.transport = CONFIG_TRANSPORT_PORT;
    cr_assert_eq(recovery_open(&rig->recovery, rig->config, links, error), 0, "%s", error);
    rig->recovery.port_send = port_send;
    rig->recovery.port_send_arg = &sent;
    cr_assert_eq(recovery_fds(&rig->recovery, fds), 0u);
    ask_request(rig, 1);
    cr_assert(recovery_step(&rig->recovery, rig->now_ns));
    cr_assert_eq(sent.count, 1u);
    cr_assert_eq(sent.feed_idx, 1u);
    cr_assert_eq(sent.ip, LOCALHOST);
    cr_assert_eq(sent.port, rig->request_server[1].port);
    cr_assert_eq(sent.len, MOLD_REQUEST_LEN);
    cr_assert_arr_eq(sent.payload, expected_request, MOLD_REQUEST_LEN);
    sent.fails = true;
    ask_request(rig, 0);
    cr_assert(recovery_step(&rig->recovery, rig->now_ns));
    cr_assert_eq(rig->recovery.feed[1].counters.request_count, 1u);
    cr_assert_eq(rig->recovery.feed[1].counters.request_error_count, 1u);
    cr_assert_not(recovery_step(&rig->recovery, rig->now_ns));
    rig_free(rig);
}

Test(recovery, an_address_that_is_not_ours_is_said_in_one_sentence)
{
    struct rig *rig = rig_new();
    char error[RECOVERY_ERROR_MAX] = "";
    rig->config->feed[0].retransmission.local_ip = 0xc0000201;
    rig->config->feed[0].retransmission.local_port = 26221;
    cr_assert_eq(recovery_open(&rig->recovery, rig->config, &rig->link, error), -EADDRNOTAVAIL);
    cr_assert_not_null(strstr(error, "feed itch"), "%s", error);
    cr_assert_not_null(strstr(error, "192.0.2.1:26221"), "%s", error);
    cr_assert_null(strchr(error, '\n'));
    cr_assert_not(recovery_step(&rig->recovery, rig->now_ns), "closed again");
    rig_free(rig);
}

/* --- the snapshot server */

struct stream {
    uint32_t len, at;
    uint32_t message_count;
    uint8_t bytes[STREAM_MAX];
};

static void say(struct stream *stream, uint8_t type, const void *payload, uint32_t payload_len)
{
    cr_assert_leq(stream->len + SOUP_HEADER_LEN + payload_len, STREAM_MAX);
    stream->len += soup_encode_header(stream->bytes + stream->len, type, payload_len);
    if (payload_len > 0)
        memcpy(stream->bytes + stream->len, payload, payload_len);
    stream->len += payload_len;
}

/* Message number `i` of a snapshot: its length and all its bytes tell. */
static uint32_t message_make(uint32_t i, uint8_t message[64])
{
    const uint32_t len = 5 + i % 46;
    memset(message, (int)('a' + i % 26), len);
    memcpy(message + 1, &i, sizeof(i));
    return len;
}

static struct stream *stream_new(uint32_t message_count)
{
    struct stream *stream = calloc(1, sizeof(*stream));
    uint8_t message[64];
    cr_assert_not_null(stream);
    stream->len = soup_encode_accepted(stream->bytes, "SESSION01 ", 1);
    stream->message_count = message_count;
    for (uint32_t i = 0; i < message_count; i++)
        say(stream, SOUP_SEQUENCED, message, message_make(i, message));
    return stream;
}

static void say_end(struct stream *stream, uint64_t seq)
{
    uint8_t end[GLIMPSE_END_LEN];
    glimpse_encode_end(end, seq);
    say(stream, SOUP_SEQUENCED, end, sizeof(end));
}

/* Accept the client at `server` and hear its login. */
static void serve(struct rig *rig, uint32_t server)
{
    uint8_t bytes[SOUP_LOGIN_LEN];
    struct soup_packet packet;
    struct soup_login login;
    uint32_t len = 0;
    while ((rig->client = accept4(rig->listener[server], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) < 0)
        turn(rig);
    while (len < SOUP_LOGIN_LEN) {
        const ssize_t more = recv(rig->client, bytes + len, SOUP_LOGIN_LEN - len, 0);
        cr_assert_neq(more, 0, "closed before the login");
        if (more > 0)
            len += (uint32_t)more;
        else
            turn(rig);
    }
    cr_assert_eq(soup_parse(bytes, SOUP_LOGIN_LEN, &packet), SOUP_PACKET);
    cr_assert_eq(packet.type, SOUP_LOGIN);
    cr_assert(soup_decode_login(&packet, &login));
    cr_assert_arr_eq(login.username, "user  ", SOUP_USERNAME_LEN);
    cr_assert_arr_eq(login.password, "password  ", SOUP_PASSWORD_LEN);
    cr_assert_arr_eq(login.session, "          ", SOUP_SESSION_LEN);
    cr_assert_eq(login.sequence, 1u);
}

/* As much of the next `len_max` bytes as the connection takes now. */
static void pour(struct rig *rig, struct stream *stream, uint32_t len_max)
{
    const uint32_t left = stream->len - stream->at, len = left < len_max ? left : len_max;
    if (len == 0)
        return;
    const ssize_t sent = send(rig->client, stream->bytes + stream->at, len, MSG_NOSIGNAL);
    if (sent > 0)
        stream->at += (uint32_t)sent;
    else
        cr_assert_eq(errno, EAGAIN);
}

static void hang_up(struct rig *rig)
{
    close(rig->client);
    rig->client = -1;
}

/* Bytes that the client says next, all of them `len`. */
static void expect_from_client(struct rig *rig, const void *expected, uint32_t len)
{
    uint8_t bytes[64];
    ssize_t got;
    while ((got = recv(rig->client, bytes, sizeof(bytes), 0)) < 0)
        turn(rig);
    cr_assert_eq(got, (ssize_t)len);
    cr_assert_eq(memcmp(bytes, expected, len), 0);
}

/* What came of a spin, block by block. */
struct taken {
    uint32_t message_count;
    bool ended;
    uint64_t end_seq;
};

static void take(struct taken *taken, const struct recovery_answer *answer, uint32_t number)
{
    uint8_t expected[64];
    cr_assert_not(taken->ended, "nothing comes after the end");
    cr_assert_eq(answer->spin, number);
    if (answer->type == RECOVERY_SPIN_END) {
        taken->ended = true;
        taken->end_seq = answer->seq;
        return;
    }
    cr_assert_eq(answer->type, RECOVERY_MESSAGES);
    cr_assert(answer->len > 0 && answer->len <= RECOVERY_LINK_BYTES);
    for (uint32_t at = 0; at < answer->len; taken->message_count++) {
        cr_assert_leq(at + 2, answer->len);
        const uint32_t len = (uint32_t)answer->bytes[at] << 8 | answer->bytes[at + 1];
        cr_assert_leq(at + 2 + len, answer->len, "no message is cut");
        cr_assert_eq(len, message_make(taken->message_count, expected));
        cr_assert_eq(memcmp(answer->bytes + at + 2, expected, len), 0, "message %u", taken->message_count);
        at += 2 + len;
    }
}

/* Everything that is there now. */
static void take_all(struct rig *rig, struct taken *taken, uint32_t number)
{
    struct recovery_answer *answer;
    while ((answer = recovery_link_take(rig->link)) != NULL) {
        take(taken, answer, number);
        recovery_link_done(rig->link, answer);
    }
}

Test(recovery, a_spin_arrives_whole_in_any_cutting)
{
    static const uint32_t chunks[] = {1, 2, 7, 333, 4097, STREAM_MAX};
    struct rig *rig = rig_new();
    rig_open(rig);
    for (uint32_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
        struct stream *stream = stream_new(chunks[i] < 10 ? 200 : 5000);
        struct taken taken = {0};
        const uint32_t number = i + 1;
        rig->turns = 0;
        say(stream, SOUP_SERVER_HEARTBEAT, NULL, 0);
        say_end(stream, 4711 + i);
        say(stream, SOUP_END, NULL, 0);
        ask_spin(rig, number);
        serve(rig, i % SERVERS);
        while (!taken.ended) {
            pour(rig, stream, chunks[i]);
            turn(rig);
            take_all(rig, &taken, number);
        }
        cr_assert_eq(taken.message_count, stream->message_count);
        cr_assert_eq(taken.end_seq, 4711u + i);
        cr_assert_eq(counters(rig)->spin_verdict[GLIMPSE_END], number);
        expect_from_client(rig, "\0\1O", SOUP_HEADER_LEN);
        hang_up(rig);
        free(stream);
    }
    cr_assert_eq(counters(rig)->spin_count, sizeof(chunks) / sizeof(chunks[0]));
    cr_assert_eq(counters(rig)->spin_message_count, 3 * 200u + 3 * 5000u);
    rig_free(rig);
}

/* More than all blocks hold, and a reader that gives back one at a time: nothing is lost, nothing is polled for. */
Test(recovery, a_spin_waits_for_a_reader_that_is_behind)
{
    struct rig *rig = rig_new();
    struct stream *stream = stream_new(60000);
    struct taken taken = {0};
    struct pollfd fds[RECOVERY_FDS_MAX];
    rig_open(rig);
    say_end(stream, 99);
    cr_assert_gt(stream->len, 2 * BLOCKS * RECOVERY_LINK_BYTES);
    ask_spin(rig, 1);
    serve(rig, 0);
    while (recovery_fds(&rig->recovery, fds) > 0) { /* the reader sleeps */
        pour(rig, stream, STREAM_MAX);
        turn(rig);
    }
    cr_assert_not(recovery_step(&rig->recovery, rig->now_ns), "nothing that could be done");
    rig->now_ns += (TIMEOUT_MS + 1) * UINT64_C(1000000); /* who is behind is we, not the server */
    while (!taken.ended) {
        struct recovery_answer *answer = recovery_link_take(rig->link);
        pour(rig, stream, STREAM_MAX);
        if (answer) {
            take(&taken, answer, 1);
            recovery_link_done(rig->link, answer);
        }
        turn(rig);
    }
    cr_assert_eq(taken.message_count, stream->message_count);
    cr_assert_eq(taken.end_seq, 99u);
    free(stream);
    rig_free(rig);
}

Test(recovery, a_server_that_closes_in_the_middle_loses_the_spin_and_the_next_one_is_asked)
{
    struct rig *rig = rig_new();
    struct stream *stream = stream_new(10);
    struct taken taken = {0};
    rig_open(rig);
    ask_spin(rig, 7);
    serve(rig, 0);
    pour(rig, stream, stream->len - 3);
    hang_up(rig);
    struct recovery_answer *answer = wait_answer(rig);
    if (answer->type == RECOVERY_MESSAGES) { /* what had come before may have been handed over */
        take(&taken, answer, 7);
        recovery_link_done(rig->link, answer);
        answer = wait_answer(rig);
    }
    cr_assert_eq(answer->type, RECOVERY_SPIN_LOST);
    cr_assert_eq(answer->spin, 7u);
    cr_assert_eq(answer->seq, (uint64_t)GLIMPSE_BROKEN);
    recovery_link_done(rig->link, answer);

    taken = (struct taken){0};
    stream->at = 0;
    say_end(stream, 5);
    ask_spin(rig, 8);
    serve(rig, 1);
    pour(rig, stream, STREAM_MAX);
    while (!taken.ended) {
        turn(rig);
        take_all(rig, &taken, 8);
    }
    cr_assert_eq(taken.message_count, 10u);
    cr_assert_eq(counters(rig)->spin_verdict[GLIMPSE_BROKEN], 1u);
    cr_assert_eq(counters(rig)->spin_verdict[GLIMPSE_END], 1u);
    free(stream);
    rig_free(rig);
}

Test(recovery, a_refused_connection_loses_the_spin_and_the_next_server_is_asked)
{
    struct rig *rig = rig_new();
    rig_open(rig);
    close(rig->listener[0]);
    rig->listener[0] = socket_bound(SOCK_STREAM, LOCALHOST, &rig->spin_server[0].port); /* bound, not listening */
    ask_spin(rig, 1);
    expect_lost(rig, 1, GLIMPSE_BROKEN);
    ask_spin(rig, 2);
    serve(rig, 1);
    rig_free(rig);
}

/* There is no route to a broadcast address for TCP: connect() itself fails. */
Test(recovery, a_connection_that_cannot_even_begin_loses_the_spin)
{
    struct rig *rig = rig_new();
    rig_open(rig);
    rig->spin_server[0].ip = 0xffffffffu;
    ask_spin(rig, 1);
    expect_lost(rig, 1, GLIMPSE_BROKEN);
    rig_free(rig);
}

Test(recovery, a_refused_login_loses_the_spin)
{
    struct rig *rig = rig_new();
    rig_open(rig);
    ask_spin(rig, 3);
    serve(rig, 0);
    cr_assert_eq(send(rig->client, "\0\2JA", 4, 0), 4);
    expect_lost(rig, 3, GLIMPSE_REJECTED);
    rig_free(rig);
}

Test(recovery, a_server_that_says_nothing_hears_heartbeats_and_is_left)
{
    struct rig *rig = rig_new();
    rig_open(rig);
    ask_spin(rig, 1);
    serve(rig, 0);
    rig->now_ns += SOUP_HEARTBEAT_NS;
    expect_from_client(rig, "\0\1R", SOUP_HEADER_LEN);
    rig->now_ns = START_NS + TIMEOUT_MS * UINT64_C(1000000) - 1;
    expect_from_client(rig, "\0\1R", SOUP_HEADER_LEN);
    cr_assert_null(recovery_link_take(rig->link));
    rig->now_ns++;
    expect_lost(rig, 1, GLIMPSE_TIMEOUT);
    expect_from_client(rig, "", 0);
    rig_free(rig);
}

Test(recovery, a_message_of_a_whole_block_passes_and_a_longer_one_is_bad)
{
    static const uint8_t payload[RECOVERY_LINK_BYTES];
    struct rig *rig = rig_new();
    struct stream *stream = stream_new(0);
    rig_open(rig);
    say(stream, SOUP_SEQUENCED, payload, 10);
    say(stream, SOUP_SEQUENCED, payload, RECOVERY_LINK_BYTES - 2);
    ask_spin(rig, 1);
    serve(rig, 0);
    pour(rig, stream, STREAM_MAX);
    struct recovery_answer *answer = wait_answer(rig);
    cr_assert_eq(answer->len, 12, "the long one did not fit behind the short one");
    recovery_link_done(rig->link, answer);
    answer = wait_answer(rig);
    cr_assert_eq(answer->type, RECOVERY_MESSAGES);
    cr_assert_eq(answer->len, RECOVERY_LINK_BYTES);
    recovery_link_done(rig->link, answer);
    say(stream, SOUP_SEQUENCED, payload, RECOVERY_LINK_BYTES - 1);
    pour(rig, stream, STREAM_MAX);
    expect_lost(rig, 1, GLIMPSE_BAD);
    free(stream);
    rig_free(rig);
}

Test(recovery, a_stopped_spin_is_heard_of_no_more)
{
    struct rig *rig = rig_new();
    struct stream *stream = stream_new(100);
    rig_open(rig);
    ask_spin(rig, 1);
    serve(rig, 0);
    pour(rig, stream, STREAM_MAX);
    ask(rig, &(struct recovery_ask){.type = RECOVERY_SPIN_STOP, .spin = 1});
    cr_assert(recovery_step(&rig->recovery, rig->now_ns));
    cr_assert_eq(rig->recovery.feed[0].spin_fd, -1);
    cr_assert_not(recovery_step(&rig->recovery, rig->now_ns + 1000 * SOUP_HEARTBEAT_NS));
    cr_assert_null(recovery_link_take(rig->link));
    cr_assert_eq(counters(rig)->spin_stop_count, 1u);
    ask(rig, &(struct recovery_ask){.type = RECOVERY_SPIN_STOP, .spin = 1}); /* none runs */
    cr_assert(recovery_step(&rig->recovery, rig->now_ns));
    cr_assert_eq(counters(rig)->spin_stop_count, 1u);
    free(stream);
    rig_free(rig);
}

Test(recovery, a_new_spin_breaks_off_the_one_that_runs)
{
    struct rig *rig = rig_new();
    struct stream *stream = stream_new(100);
    struct taken taken = {0};
    rig_open(rig);
    ask_spin(rig, 1);
    serve(rig, 0);
    pour(rig, stream, 2000); /* in the middle of a message */
    while (counters(rig)->spin_message_count == 0)
        turn(rig);
    const int first = rig->client;
    ask_spin(rig, 2);
    serve(rig, 1);
    stream->at = 0;
    say_end(stream, 6);
    pour(rig, stream, STREAM_MAX);
    struct recovery_answer *answer;
    while ((answer = wait_answer(rig))->spin == 1) { /* handed over before it was broken off */
        cr_assert_eq(answer->type, RECOVERY_MESSAGES);
        recovery_link_done(rig->link, answer);
    }
    take(&taken, answer, 2);
    recovery_link_done(rig->link, answer);
    while (!taken.ended) {
        turn(rig);
        take_all(rig, &taken, 2);
    }
    cr_assert_eq(taken.message_count, 100u);
    cr_assert_eq(counters(rig)->spin_count, 2u);
    cr_assert_eq(counters(rig)->spin_stop_count, 1u);
    close(first);
    free(stream);
    rig_free(rig);
}

Test(recovery, the_end_of_a_spin_waits_for_a_block)
{
    struct rig *rig = rig_new();
    struct recovery_answer *held[BLOCKS];
    rig_open(rig);
    while (recovery_step(&rig->recovery, rig->now_ns))
        ;
    uint32_t count = 0;
    for (struct recovery_answer *block; (block = recovery_link_block(rig->link)) != NULL; count++)
        held[count] = block; /* as if the rx lcore had them all */
    cr_assert_geq(count, BLOCKS - 2);
    close(rig->listener[0]);
    rig->listener[0] = socket_bound(SOCK_STREAM, LOCALHOST, &rig->spin_server[0].port); /* refuses */
    ask_spin(rig, 1);
    cr_assert(recovery_step(&rig->recovery, rig->now_ns), "the ask is taken");
    for (uint32_t i = 0; i < 100; i++)
        cr_assert_not(recovery_step(&rig->recovery, rig->now_ns));
    cr_assert_null(recovery_link_take(rig->link));
    cr_assert_eq(counters(rig)->spin_verdict[GLIMPSE_BROKEN], 0u);
    while (count > 0)
        recovery_link_done(rig->link, held[--count]);
    expect_lost(rig, 1, GLIMPSE_BROKEN);
    rig_free(rig);
}
