/* See recovery.h.
 *
 * A block is in hand before anything is taken from a socket, so nothing that was read is ever without a place to go:
 * what the rx lcore has no room for waits in the kernel. A spin needs two, so that a message that does not fit the one
 * begun, and the spin's end whatever it is, can be handed over at once. */
#include "gateway/recovery.h"

#include "feed/mold.h"
#include "feed/wire.h"
#include "ring/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What one feed may take of a step, so that no flood keeps the control thread from its other work. */
#define REPLIES_MAX 128u
#define READS_MAX 16u
#define READ_BYTES 16384u

#define MESSAGE_LENGTH_LEN 2u /* before each message of an answer */

static struct sockaddr_in address_of(uint32_t ip, uint16_t port)
{
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(ip)};
}

/* --- set-up */

static int request_open(struct recovery_feed *feed, char ret_error[RECOVERY_ERROR_MAX])
{
    const struct config_retransmission *retransmission = &feed->config->retransmission;
    const struct sockaddr_in local = address_of(retransmission->local_ip, retransmission->local_port);
    char ip[INET_ADDRSTRLEN];

    feed->request_fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (feed->request_fd >= 0 && bind(feed->request_fd, (const struct sockaddr *)&local, sizeof(local)) == 0)
        return 0;
    const int error = errno;
    snprintf(ret_error, RECOVERY_ERROR_MAX,
             "feed %s: no socket for its retransmission at %s:%u: %s; local_ip must be an address of this host, or be "
             "left out, and local_port a free one",
             feed->config->name, inet_ntop(AF_INET, &local.sin_addr, ip, sizeof(ip)), retransmission->local_port,
             strerror(error));
    return -error;
}

int recovery_open(struct recovery *recovery, const struct config *config, struct recovery_link *const *links,
                  char ret_error[RECOVERY_ERROR_MAX])
{
    *recovery = (struct recovery){.feed = calloc(config->feed_count, sizeof(*recovery->feed))};
    if (!recovery->feed) {
        snprintf(ret_error, RECOVERY_ERROR_MAX, "recovery: no memory for its %u feeds", config->feed_count);
        return -ENOMEM;
    }
    recovery->feed_count = config->feed_count;
    for (uint32_t i = 0; i < config->feed_count; i++) {
        struct recovery_feed *feed = &recovery->feed[i];
        feed->config = &config->feed[i];
        feed->link = links[i];
        feed->request_fd = feed->spin_fd = -1;
    }
    for (uint32_t i = 0; i < config->feed_count; i++) {
        struct recovery_feed *feed = &recovery->feed[i];
        const struct config_retransmission *retransmission = &feed->config->retransmission;
        if (!feed->link || !retransmission->present || retransmission->transport != CONFIG_TRANSPORT_KERNEL)
            continue;
        const int error = request_open(feed, ret_error);
        if (error) {
            recovery_close(recovery);
            return error;
        }
    }
    return 0;
}

static void fd_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void recovery_close(struct recovery *recovery)
{
    for (uint32_t i = 0; i < recovery->feed_count; i++) {
        fd_close(&recovery->feed[i].request_fd);
        fd_close(&recovery->feed[i].spin_fd);
    }
    free(recovery->feed);
    *recovery = (struct recovery){0};
}

/* --- blocks */

static bool spare_ready(struct recovery_feed *feed)
{
    if (!feed->spare)
        feed->spare = recovery_link_block(feed->link);
    if (!feed->spare)
        feed->starved = true;
    return feed->spare != NULL;
}

static bool spin_blocks_ready(struct recovery_feed *feed)
{
    if (!feed->answer && spare_ready(feed)) {
        feed->answer = feed->spare;
        feed->answer->len = 0;
        feed->spare = NULL;
    }
    return feed->answer && spare_ready(feed);
}

static void give(struct recovery_feed *feed, struct recovery_answer **block, enum recovery_answer_type type,
                 uint64_t seq)
{
    (*block)->type = (uint8_t)type;
    (*block)->spin = feed->spin;
    (*block)->seq = seq;
    recovery_link_answer(feed->link, *block);
    *block = NULL;
}

/* --- retransmission */

static bool request_send(const struct recovery *recovery, const struct recovery_feed *feed,
                         const struct recovery_ask *ask)
{
    const struct config_retransmission *retransmission = &feed->config->retransmission;
    uint8_t request[MOLD_REQUEST_LEN];

    CHECK(ask->server < retransmission->server_count);
    const struct config_server *server = &retransmission->server_list[ask->server];
    mold_encode_request(request, ask->session, ask->seq, ask->count);
    if (retransmission->transport == CONFIG_TRANSPORT_PORT)
        return recovery->port_send(recovery->port_send_arg, (uint32_t)(feed - recovery->feed), server->ip, server->port,
                                   request, sizeof(request));
    const struct sockaddr_in to = address_of(server->ip, server->port);
    return sendto(feed->request_fd, request, sizeof(request), MSG_DONTWAIT, (const struct sockaddr *)&to, sizeof(to)) ==
           (ssize_t)sizeof(request);
}

static bool from_server(const struct config_retransmission *retransmission, const struct sockaddr_in *from)
{
    for (uint32_t i = 0; i < retransmission->server_count; i++)
        if (from->sin_addr.s_addr == htonl(retransmission->server_list[i].ip) &&
            from->sin_port == htons(retransmission->server_list[i].port))
            return true;
    return false;
}

static bool replies_take(struct recovery_feed *feed)
{
    struct recovery_counters *counters = &feed->counters;
    uint32_t count = 0;

    for (; feed->request_fd >= 0 && count < REPLIES_MAX && spare_ready(feed); count++) {
        struct sockaddr_in from = {0};
        socklen_t from_len = sizeof(from);
        const ssize_t len = recvfrom(feed->request_fd, feed->spare->bytes, RECOVERY_LINK_BYTES,
                                     MSG_DONTWAIT | MSG_TRUNC, (struct sockaddr *)&from, &from_len);
        if (len < 0)
            break;
        if (!from_server(&feed->config->retransmission, &from)) {
            counters->reply_foreign_count++;
        } else if (len > (ssize_t)RECOVERY_LINK_BYTES) {
            counters->reply_long_count++;
        } else {
            counters->reply_count++;
            feed->spare->len = (uint16_t)len;
            give(feed, &feed->spare, RECOVERY_PACKET, 0);
        }
    }
    return count > 0;
}

/* --- spins */

static void spin_close(struct recovery_feed *feed)
{
    fd_close(&feed->spin_fd);
    feed->spinning = false;
    feed->out_at = feed->out_len = 0;
    if (feed->answer)
        feed->answer->len = 0;
}

static void spin_stop(struct recovery_feed *feed)
{
    feed->counters.spin_stop_count += feed->spinning;
    spin_close(feed);
}

/* False: no connection, and none on its way. */
static bool spin_connect(struct recovery_feed *feed, const struct config_server *server)
{
    const struct sockaddr_in to = address_of(server->ip, server->port);
    const int on = 1;

    feed->spin_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return feed->spin_fd >= 0 && setsockopt(feed->spin_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0 &&
           (connect(feed->spin_fd, (const struct sockaddr *)&to, sizeof(to)) == 0 || errno == EINPROGRESS);
}

static void spin_begin(struct recovery_feed *feed, uint32_t number, uint64_t now_ns)
{
    const struct config_snapshot *snapshot = &feed->config->snapshot;
    struct glimpse_params params = {.timeout_ns = (uint64_t)snapshot->timeout_ms * 1000000u};

    CHECK(snapshot->server_count > 0);
    CHECK(soup_field(params.login.username, SOUP_USERNAME_LEN, snapshot->username) &&
          soup_field(params.login.password, SOUP_PASSWORD_LEN, snapshot->password) &&
          soup_field(params.login.session, SOUP_SESSION_LEN, ""));
    spin_stop(feed);
    feed->spin = number;
    feed->spinning = true;
    feed->counters.spin_count++;
    glimpse_begin(&feed->glimpse, &params, now_ns);
    if (!spin_connect(feed, &snapshot->server_list[feed->spin_server]))
        glimpse_closed(&feed->glimpse);
    feed->spin_server = (feed->spin_server + 1) % snapshot->server_count;
}

/* A connection that is still on its way takes no bytes yet. One that has failed takes none either; reading says so. */
static void spin_write(struct recovery_feed *feed, uint64_t now_ns)
{
    if (feed->out_at == feed->out_len) {
        feed->out_at = 0;
        feed->out_len = glimpse_send(&feed->glimpse, now_ns, feed->out, sizeof(feed->out));
    }
    if (feed->out_at == feed->out_len)
        return;
    const ssize_t len =
        send(feed->spin_fd, feed->out + feed->out_at, feed->out_len - feed->out_at, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (len > 0)
        feed->out_at += (uint32_t)len;
}

/* False: there is no more to be read now. */
static bool spin_read(struct recovery_feed *feed)
{
    uint8_t bytes[READ_BYTES];
    const uint32_t room = glimpse_room(&feed->glimpse);

    CHECK(room > 0); /* with blocks in hand, each read is followed by taking one message at least, if there is one */
    if (feed->glimpse.closed)
        return false;
    const ssize_t len = recv(feed->spin_fd, bytes, room < READ_BYTES ? room : READ_BYTES, MSG_DONTWAIT);
    if (len > 0)
        glimpse_receive(&feed->glimpse, bytes, (uint32_t)len);
    else if (len == 0 || (errno != EAGAIN && errno != EINTR))
        glimpse_closed(&feed->glimpse);
    else
        return false;
    return true;
}

/* False: longer than a block. */
static bool message_put(struct recovery_feed *feed, const uint8_t *message, uint32_t message_len)
{
    const uint32_t len = MESSAGE_LENGTH_LEN + message_len;

    if (len > RECOVERY_LINK_BYTES)
        return false;
    if (len > RECOVERY_LINK_BYTES - feed->answer->len) {
        give(feed, &feed->answer, RECOVERY_MESSAGES, 0);
        feed->answer = feed->spare;
        feed->answer->len = 0;
        feed->spare = NULL;
    }
    uint8_t *to = feed->answer->bytes + feed->answer->len;
    store_be16(to, (uint16_t)message_len);
    memcpy(to + MESSAGE_LENGTH_LEN, message, message_len);
    feed->answer->len = (uint16_t)(feed->answer->len + len);
    feed->counters.spin_message_count++;
    return true;
}

static void messages_give(struct recovery_feed *feed)
{
    if (feed->answer && feed->answer->len > 0)
        give(feed, &feed->answer, RECOVERY_MESSAGES, 0);
}

static void spin_finish(struct recovery_feed *feed, enum glimpse_verdict verdict, uint64_t now_ns)
{
    feed->counters.spin_verdict[verdict]++;
    feed->spare->len = 0;
    if (verdict == GLIMPSE_END) {
        messages_give(feed);
        give(feed, &feed->spare, RECOVERY_SPIN_END, glimpse_end_seq(&feed->glimpse));
        spin_write(feed, now_ns); /* logout */
    } else {
        give(feed, &feed->spare, RECOVERY_SPIN_LOST, verdict);
    }
    spin_close(feed);
}

/* Messages that are there, into blocks. True: the spin has ended. */
static bool messages_take(struct recovery_feed *feed, uint64_t now_ns)
{
    while (spin_blocks_ready(feed)) {
        const uint8_t *message;
        uint32_t message_len;
        const enum glimpse_verdict verdict = glimpse_next(&feed->glimpse, now_ns, &message, &message_len);
        if (verdict == GLIMPSE_MORE)
            return false;
        if (verdict == GLIMPSE_MESSAGE && message_put(feed, message, message_len))
            continue;
        spin_finish(feed, verdict == GLIMPSE_MESSAGE ? GLIMPSE_BAD : verdict, now_ns);
        return true;
    }
    return false;
}

static bool spin_step(struct recovery_feed *feed, uint64_t now_ns)
{
    bool readable = true, some = false;

    if (!feed->spinning)
        return false;
    spin_write(feed, now_ns);
    for (uint32_t i = 0; i < READS_MAX && readable && spin_blocks_ready(feed); i++) {
        readable = spin_read(feed);
        some |= readable;
        if (messages_take(feed, now_ns))
            return true;
    }
    if (!readable)
        messages_give(feed);
    return some;
}

/* --- the whole */

static bool asks_take(const struct recovery *recovery, struct recovery_feed *feed, uint64_t now_ns)
{
    struct recovery_ask ask;
    uint32_t count = 0;

    for (; count < RECOVERY_LINK_ASKS && recovery_link_next(feed->link, &ask); count++)
        switch ((enum recovery_ask_type)ask.type) {
        case RECOVERY_REQUEST:
            if (request_send(recovery, feed, &ask))
                feed->counters.request_count++;
            else
                feed->counters.request_error_count++;
            break;
        case RECOVERY_SPIN:
            spin_begin(feed, ask.spin, now_ns);
            break;
        case RECOVERY_SPIN_STOP:
            spin_stop(feed);
            break;
        }
    return count > 0;
}

bool recovery_step(struct recovery *recovery, uint64_t now_ns)
{
    bool some = false;

    for (uint32_t i = 0; i < recovery->feed_count; i++) {
        struct recovery_feed *feed = &recovery->feed[i];
        if (!feed->link)
            continue;
        feed->starved = false;
        some |= asks_take(recovery, feed, now_ns);
        some |= spin_step(feed, now_ns);
        some |= replies_take(feed);
    }
    return some;
}

uint32_t recovery_fds(const struct recovery *recovery, struct pollfd ret_fds[RECOVERY_FDS_MAX])
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < recovery->feed_count; i++) {
        const struct recovery_feed *feed = &recovery->feed[i];
        if (feed->starved) /* not even without POLLIN: POLLERR and POLLHUP cannot be turned off */
            continue;
        if (feed->request_fd >= 0)
            ret_fds[count++] = (struct pollfd){.fd = feed->request_fd, .events = POLLIN};
        if (feed->spin_fd >= 0)
            ret_fds[count++] = (struct pollfd){
                .fd = feed->spin_fd, .events = (short)(POLLIN | (feed->out_at < feed->out_len ? POLLOUT : 0))};
    }
    return count;
}
