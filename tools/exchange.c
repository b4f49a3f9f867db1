/* exchange: the venue side of a feed as a network peer, for tests and demos. It publishes a session on two multicast
 * lines through kernel sockets, answers re-requests and serves GLIMPSE snapshots; what it loses and when it stops is
 * seeded and chosen, so that a test knows what should happen. tools/venue says what is on the wire; here are sockets
 * and time.
 *
 * One thread. Each packet has a time of its own on the monotonic clock: one that is late makes no other late. */
#include "tools/exchange.h"
#include "tools/exchange_orders.h"
#include "tools/exchange_port.h"
#include "tools/exchange_wire.h"

#include "feed/wire.h"
#include "gateway/capture/capture.h"
#include "tools/options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S         UINT64_C(1000000000)
#define HEARTBEAT_NS     NS_PER_S
#define END_GAP_NS       UINT64_C(100000000)  /* between packets that say that the session has ended */
#define IDLE_WAIT_NS     UINT64_C(100000000)  /* longest wait: clients of snapshots have timers too */
#define SPIN_NS          UINT64_C(1000000)    /* of a port, before sockets are looked at */
#define FINE_WAIT_NS     UINT64_C(200000)     /* poll sleeps until so long before a packet, then the clock itself */
#define LATE_NS          UINT64_C(1000000)    /* a packet sent so long after its time is late */
#define LINGER_NS        (5 * NS_PER_S)       /* after a snapshot's end: for the client to close first */
#define RATE_GAP_NS      UINT64_C(200000000)
#define BURST_PACKETS    64u                  /* of a line before sockets have their turn */
#define BURST_REQUESTS   64u
#define CLIENTS_MAX      16u
#define CLIENT_OUT_BYTES 16384u
#define CLIENT_TURNS     16u                  /* of the buffer, before others have theirs */

enum phase { PHASE_WAIT, PHASE_FLOW, PHASE_PAUSE, PHASE_END };

/* What comes next, and when since midnight. */
struct source {
    struct session *session;
    struct capture *capture;
    const uint8_t *block;      /* of the capture's frame */
    uint32_t block_left;
    bool ready;                /* the message below is there */
    uint64_t time_ns;
    uint32_t message_len;
    uint8_t message[VENUE_MESSAGE_MAX];
};

/* The packet that will be said next: its messages are said when its time has come, not before. */
struct pending {
    uint64_t time_ns;          /* of its last message */
    uint32_t count;
    uint32_t blocks_len;
    uint8_t blocks[VENUE_PAYLOAD_MAX - MOLD_HEADER_LEN];
};

struct packet {
    uint64_t seq, due_ns;
    uint16_t count;
    bool lost;                 /* on both lines */
};

struct line {
    const struct exchange_line *options;
    int socket;
    struct session_random random;
    uint64_t packet_idx;       /* next packet to send */
    uint64_t next_seq;         /* one behind the last message sent */
    uint64_t sent_ns;
    uint64_t packet_count, heartbeat_count, end_count, lost_packet_count, lost_message_count, error_count;
    uint64_t late_count, late_max_ns;
};

struct server {
    int socket;
    struct session_random random;
    uint64_t received_count, answered_count, lost_count;
};

struct client {
    int socket;                /* -1 = free */
    struct venue_spin *spin;
    uint64_t said_ns;          /* when our side was shut; 0 = not yet */
    uint32_t out_at, out_len;
    uint8_t out[CLIENT_OUT_BYTES];
};

enum { POLL_SIGNAL, POLL_STDIN, POLL_SERVER, POLL_LISTEN = POLL_SERVER + EXCHANGE_SERVERS_MAX, POLL_CLIENT,
       POLL_ORDERS = POLL_CLIENT + CLIENTS_MAX, POLL_COUNT = POLL_ORDERS + EXCHANGE_ORDERS_FDS };

static struct exchange {
    struct exchange_options options;
    struct venue *venue;
    struct source source;
    struct pending pending;
    struct packet saying;      /* messages said since, not a packet yet */
    uint32_t saying_len;       /* bytes of their blocks */
    uint64_t source_count;     /* messages of the source that were said, or went through the engine */
    uint64_t said_ns;          /* session time of the newest message */
    enum phase phase;
    uint64_t first_ns;         /* time of the session's first message */
    uint64_t base_ns;          /* the monotonic clock's time for it; pauses move it */
    uint64_t phase_ns;         /* when the phase began */
    uint32_t pause_idx;        /* next pause */
    uint32_t rate_idx;         /* of the sweep: the rate that is offered, and packets at it so far */
    uint64_t rate_packets;
    bool pause_said;
    struct session_random random;
    struct packet *packets;    /* all that were said */
    uint64_t packet_count, packets_max;
    struct line line[2];
    struct server server[EXCHANGE_SERVERS_MAX];
    int listener;
    struct client client[CLIENTS_MAX];
    uint64_t client_count, refused_client_count;
    bool broken_once, wrong_once;
    uint32_t line_feed_count;  /* empty lines read from stdin, not used yet */
    char command[32];          /* of stdin, so far */
    uint32_t command_len;
    bool stdin_ended;
    bool stopped;
    int exit_code;
} exchange;

static uint64_t clock_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

static void *must(void *memory)
{
    if (memory == NULL)
        options_refuse(1, "memory", strerror(ENOMEM));
    return memory;
}

/* messages */

static void source_take(struct source *source, const uint8_t *message, uint32_t message_len)
{
    if (message_len > VENUE_MESSAGE_MAX)
        options_refuse(1, exchange.options.itch_path, "has a message that is longer than a packet");
    memcpy(source->message, message, message_len);
    source->message_len = message_len;
    const uint64_t time_ns = message_len >= ITCH_PREFIX_LEN ? load_be48(message + 5) : 0;
    if (time_ns > source->time_ns) /* never backwards */
        source->time_ns = time_ns;
    source->ready = true;
}

static void source_next_captured(struct source *source)
{
    struct capture_frame frame;
    struct mold_packet packet;
    const uint8_t *message;
    uint32_t message_len;
    while (source->block_left == 0) {
        const enum capture_status status = capture_next(source->capture, &frame);
        if (status == CAPTURE_BROKEN) { /* what came before was good, and is published */
            fprintf(stderr, "exchange: %s\n", capture_error(source->capture));
            exchange.exit_code = 1;
        }
        if (status != CAPTURE_FRAME)
            return;
        if (mold_parse(frame.data + CAPTURE_HEADERS_LEN, frame.len - CAPTURE_HEADERS_LEN, &packet) != MOLD_DATA)
            options_refuse(1, exchange.options.itch_path, "cannot be cut into packets");
        source->block = packet.blocks;
        source->block_left = packet.count;
    }
    source->block = mold_next(source->block, &message, &message_len);
    source->block_left--;
    source_take(source, message, message_len);
}

static void source_next(struct source *source)
{
    struct itch_msg msg;
    uint8_t message[ITCH_LENGTH_MAX];
    source->ready = false;
    if (source->capture != NULL)
        source_next_captured(source);
    else if (session_next(source->session, &msg))
        source_take(source, message, itch_encode(&msg, message));
}

static void source_open(struct source *source)
{
    const struct exchange_options *options = &exchange.options;
    struct capture_wrap wrap = {.group = options->line[0].group.ip, .udp_port = options->line[0].group.port,
                                .first_seq = 1};
    char error[CAPTURE_ERROR_MAX];
    memcpy(wrap.session, options->session_text, sizeof(wrap.session));
    if (options->itch_path == NULL) {
        source->session = must(session_open(&options->session));
    } else if ((source->capture = capture_open(options->itch_path, &wrap, error)) == NULL) {
        options_refuse(1, "--itch", error);
    } else if (!capture_is_binaryfile(source->capture)) {
        options_refuse(1, options->itch_path, "is no BinaryFILE");
    }
    source_next(source);
    exchange.first_ns = source->time_ns;
}

/* sockets */

static struct sockaddr_in socket_address(struct exchange_address address)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(address.ip), .sin_port = htons(address.port)};
}

static int socket_open(const char *option, int type, struct exchange_address address)
{
    const struct sockaddr_in local = socket_address(address);
    const int one = 1, descriptor = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0 ||
        (type == SOCK_STREAM && setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0) ||
        bind(descriptor, (const struct sockaddr *)&local, sizeof(local)) != 0 ||
        (type == SOCK_STREAM && listen(descriptor, CLIENTS_MAX) != 0))
        options_refuse_address(option, address.ip, address.port, errno);
    return descriptor;
}

static uint16_t socket_port(int descriptor)
{
    struct sockaddr_in local = {0};
    socklen_t len = sizeof(local);
    getsockname(descriptor, (struct sockaddr *)&local, &len);
    return ntohs(local.sin_port);
}

static void line_open(struct line *line, const struct exchange_line *options)
{
    const struct in_addr interface = {.s_addr = htonl(options->interface)};
    const struct sockaddr_in group = socket_address(options->group);
    const int loop = 1, ttl = (int)exchange.options.ttl;
    line->options = options;
    line->next_seq = 1;
    if (exchange.options.port)
        return;
    line->socket = socket_open(line == exchange.line ? "--interface-a" : "--interface-b", SOCK_DGRAM,
                               (struct exchange_address){.ip = options->interface});
    if (setsockopt(line->socket, IPPROTO_IP, IP_MULTICAST_IF, &interface, sizeof(interface)) != 0 ||
        setsockopt(line->socket, IPPROTO_IP, IP_MULTICAST_TTL, &ttl, sizeof(ttl)) != 0 ||
        setsockopt(line->socket, IPPROTO_IP, IP_MULTICAST_LOOP, &loop, sizeof(loop)) != 0 ||
        connect(line->socket, (const struct sockaddr *)&group, sizeof(group)) != 0)
        options_refuse(1, "line", strerror(errno));
}

/* lines */

static void line_send(struct line *line, uint64_t seq, uint32_t count, const uint8_t *payload, uint32_t payload_len)
{
    if (exchange.options.port) {
        const uint64_t out_ns =
            exchange_port_send(line->options, (uint8_t)exchange.options.ttl, payload, payload_len);
        line->error_count += out_ns == 0;
        if (out_ns != 0 && exchange.options.wire_to_wire)
            exchange_wire_sent_at((uint32_t)(line - exchange.line), seq, count, out_ns);
        return;
    }
    const bool sent = send(line->socket, payload, payload_len, MSG_DONTWAIT) == (ssize_t)payload_len;
    line->error_count += !sent;
    if (sent && exchange.options.wire_to_wire)
        exchange_wire_sent((uint32_t)(line - exchange.line), seq, count);
}

static bool line_drops(const struct line *line, uint64_t seq)
{
    for (uint32_t i = 0; i < line->options->drop_count; i++)
        if (seq >= line->options->drop[i].first && seq <= line->options->drop[i].last)
            return true;
    return false;
}

/* A packet, without the messages that are to be dropped. The dice are rolled in any case. */
static void line_publish(struct line *line, const struct packet *packet)
{
    const uint64_t end_seq = packet->seq + packet->count;
    const bool lost = options_happens(&line->random, line->options->loss) || packet->lost;
    uint8_t payload[VENUE_PAYLOAD_MAX];
    line->lost_packet_count += lost;
    for (uint64_t seq = packet->seq, next; seq < end_seq; seq = next) {
        const bool dropped = lost || line_drops(line, seq);
        for (next = seq + 1; next < end_seq && (lost || line_drops(line, next)) == dropped; next++)
            continue;
        if (dropped) {
            line->lost_message_count += next - seq;
            continue;
        }
        line_send(line, seq, (uint32_t)(next - seq), payload,
                  venue_packet(exchange.venue, seq, (uint32_t)(next - seq), payload));
        line->packet_count++;
    }
    line->next_seq = end_seq;
}

static uint64_t line_due_ns(const struct line *line)
{
    const uint64_t idle_ns = exchange.phase == PHASE_END ? END_GAP_NS : HEARTBEAT_NS;
    if (line->packet_idx < exchange.packet_count)
        return exchange.packets[line->packet_idx].due_ns + line->options->skew_ns;
    return line->sent_ns == 0 ? 0 : line->sent_ns + idle_ns;
}

static void line_idle(struct line *line)
{
    uint8_t payload[VENUE_PAYLOAD_MAX];
    const bool end = exchange.phase == PHASE_END;
    const uint32_t len = end ? venue_packet_end(exchange.venue, payload)
                             : venue_packet(exchange.venue, line->next_seq, 0, payload);
    *(end ? &line->end_count : &line->heartbeat_count) += 1;
    if (!options_happens(&line->random, line->options->loss))
        line_send(line, line->next_seq, 0, payload, len);
}

static void line_step(struct line *line, uint64_t now_ns)
{
    for (uint32_t i = 0; i < BURST_PACKETS && line_due_ns(line) <= now_ns; i++) {
        if (line->packet_idx < exchange.packet_count) {
            const uint64_t late_ns = now_ns - line_due_ns(line);
            line->late_count += late_ns > LATE_NS;
            line->late_max_ns = late_ns > line->late_max_ns ? late_ns : line->late_max_ns;
            line_publish(line, &exchange.packets[line->packet_idx]);
            line->packet_idx++;
        } else {
            line_idle(line);
        }
        line->sent_ns = now_ns;
    }
}

/* publishing */

/* The next pause, as the sequence before which it is; 0 = none. */
static uint64_t pause_seq(void)
{
    const struct exchange_options *options = &exchange.options;
    return exchange.pause_idx < options->pause_count ? options->pause[exchange.pause_idx] : 0;
}

/* Messages that come together make a packet, if they fit. None: the session is over, or stops here. */
static void pending_fill(void)
{
    struct pending *pending = &exchange.pending;
    struct source *source = &exchange.source;
    const uint64_t seq = exchange.source_count + 1;
    pending->count = pending->blocks_len = 0;
    while (source->ready && pending->count < SESSION_CLUSTER_MAX && seq + pending->count != pause_seq() &&
           pending->blocks_len + 2 + source->message_len <= sizeof(pending->blocks) &&
           (pending->count == 0 || source->time_ns - pending->time_ns < SESSION_CLUSTER_GAP_NS)) {
        store_be16(pending->blocks + pending->blocks_len, (uint16_t)source->message_len);
        memcpy(pending->blocks + pending->blocks_len + 2, source->message, source->message_len);
        pending->blocks_len += 2 + source->message_len;
        pending->time_ns = source->time_ns;
        pending->count++;
        source_next(source);
    }
}

/* The sweep: each rate has its time, and behind it a gap in which what it has heaped up drains. */
static uint64_t rate_due_ns(void)
{
    const struct exchange_options *options = &exchange.options;
    const uint64_t begin_ns = exchange.rate_idx * (options->rate_s * NS_PER_S + RATE_GAP_NS);
    return exchange.base_ns + begin_ns + exchange.rate_packets * NS_PER_S / options->rate[exchange.rate_idx];
}

/* A packet was said; after the last rate's last there is no other. */
static void rate_step(void)
{
    const struct exchange_options *options = &exchange.options;
    if (++exchange.rate_packets < options->rate_s * options->rate[exchange.rate_idx])
        return;
    if (exchange.rate_idx + 1 == options->rate_count) {
        exchange.source.ready = false;
        return;
    }
    exchange.rate_idx++;
    exchange.rate_packets = 0;
}

static uint64_t pending_due_ns(void)
{
    if (exchange.phase != PHASE_FLOW || exchange.pending.count == 0)
        return UINT64_MAX;
    if (exchange.options.rate_count > 0)
        return rate_due_ns();
    const double session_ns = (double)(exchange.pending.time_ns - exchange.first_ns);
    return exchange.base_ns + (uint64_t)(session_ns / exchange.options.speed);
}

static void packet_flush(void)
{
    if (exchange.saying.count == 0)
        return;
    if (exchange.packet_count == exchange.packets_max) {
        exchange.packets_max = 2 * exchange.packets_max + 1024;
        exchange.packets = must(realloc(exchange.packets, exchange.packets_max * sizeof(exchange.saying)));
    }
    exchange.packets[exchange.packet_count++] = exchange.saying;
    exchange.saying.count = 0;
}

static void packet_begin(uint64_t due_ns)
{
    exchange.saying = (struct packet){.seq = venue_next_seq(exchange.venue), .due_ns = due_ns,
                                      .lost = options_happens(&exchange.random, exchange.options.loss_both)};
    exchange.saying_len = 0;
}

/* One message, in the packet begun, or in a next one when that is full. */
static void message_say(const uint8_t *message, uint32_t message_len)
{
    if (exchange.saying.count > 0 && exchange.saying_len + 2 + message_len > VENUE_PAYLOAD_MAX - MOLD_HEADER_LEN) {
        const uint64_t due_ns = exchange.saying.due_ns;
        packet_flush();
        packet_begin(due_ns);
    }
    const uint64_t seq = venue_say(exchange.venue, message, message_len);
    if (seq == 0)
        options_refuse(1, "memory", strerror(ENOMEM));
    if (exchange.options.wire_to_wire)
        exchange_wire_said(seq, message, message_len, exchange.rate_idx);
    exchange.saying.count++;
    exchange.saying_len += 2 + message_len;
}

/* The session's time now: behind what was said, so that it tells one message from another. */
static uint64_t session_now_ns(void)
{
    const uint64_t now_ns = clock_ns();
    const bool flows = exchange.phase == PHASE_FLOW && now_ns > exchange.base_ns;
    const uint64_t passed_ns = flows ? now_ns - exchange.base_ns : 0;
    const uint64_t session_ns = exchange.first_ns + (uint64_t)((double)passed_ns * exchange.options.speed);
    exchange.said_ns = session_ns > exchange.said_ns ? session_ns : exchange.said_ns + 1;
    return exchange.said_ns;
}

static void pending_say(void)
{
    const struct pending *pending = &exchange.pending;
    const uint8_t *block = pending->blocks, *message;
    uint32_t message_len;
    packet_begin(pending_due_ns());
    exchange.said_ns = pending->time_ns > exchange.said_ns ? pending->time_ns : exchange.said_ns;
    for (uint32_t i = 0; i < pending->count; i++) {
        block = mold_next(block, &message, &message_len);
        if (exchange.options.orders)
            exchange_orders_flow(message, message_len);
        else
            message_say(message, message_len);
        exchange.source_count++;
    }
    packet_flush();
    if (exchange.options.rate_count > 0)
        rate_step();
}

static void phase_begin(enum phase phase, uint64_t now_ns)
{
    exchange.phase = phase;
    exchange.phase_ns = now_ns;
    if (phase == PHASE_FLOW)
        pending_fill();
}

static bool lines_done(void)
{
    return exchange.line[0].packet_idx == exchange.packet_count && exchange.line[1].packet_idx == exchange.packet_count;
}

static bool go_on_read(void)
{
    if (exchange.line_feed_count == 0)
        return false;
    exchange.line_feed_count--;
    return true;
}

static void phase_step(uint64_t now_ns)
{
    switch (exchange.phase) {
    case PHASE_WAIT:
        if (exchange.options.wait_start && !go_on_read())
            break;
        exchange.base_ns = now_ns;
        phase_begin(PHASE_FLOW, now_ns);
        break;
    case PHASE_FLOW:
        for (uint32_t i = 0; i < BURST_PACKETS && pending_due_ns() <= now_ns; i++) {
            pending_say();
            pending_fill();
        }
        if (exchange.pending.count > 0)
            break;
        if (exchange.source_count + 1 == pause_seq()) {
            exchange.pause_said = false;
            phase_begin(PHASE_PAUSE, now_ns);
        } else if (lines_done()) {
            phase_begin(PHASE_END, now_ns);
        }
        break;
    case PHASE_PAUSE:
        if (!exchange.pause_said && lines_done()) {
            exchange.pause_said = true;
            printf("{\"event\":\"paused\",\"seq\":%" PRIu64 "}\n", venue_next_seq(exchange.venue));
        }
        if (!exchange.pause_said || !go_on_read())
            break;
        exchange.pause_idx++;
        exchange.base_ns += now_ns - exchange.phase_ns;
        phase_begin(PHASE_FLOW, now_ns);
        break;
    case PHASE_END:
        exchange.stopped = exchange.stopped || now_ns - exchange.phase_ns >= exchange.options.end_s * NS_PER_S;
        break;
    }
}

/* re-requests */

static void server_step(uint32_t idx)
{
    struct server *server = &exchange.server[idx];
    const struct exchange_server *options = &exchange.options.server[idx];
    uint8_t request[64], payload[VENUE_PAYLOAD_MAX];
    struct sockaddr_in client;
    for (uint32_t i = 0; i < BURST_REQUESTS; i++) {
        socklen_t client_len = sizeof(client);
        const ssize_t len = recvfrom(server->socket, request, sizeof(request), MSG_DONTWAIT | MSG_TRUNC,
                                     (struct sockaddr *)&client, &client_len);
        if (len < 0)
            return;
        server->received_count++;
        const uint32_t known_len = len < (ssize_t)sizeof(request) ? (uint32_t)len : (uint32_t)sizeof(request);
        uint32_t answer_len =
            exchange.options.request_dead ? 0 : venue_answer(exchange.venue, request, known_len, payload);
        if (answer_len > 0 && options_happens(&server->random, options->reply_loss)) {
            server->lost_count++;
            answer_len = 0;
        }
        if (answer_len > 0 && sendto(server->socket, payload, answer_len, MSG_DONTWAIT,
                                     (const struct sockaddr *)&client, client_len) != (ssize_t)answer_len)
            answer_len = 0;
        server->answered_count += answer_len > 0;
        if (len == MOLD_HEADER_LEN)
            printf("{\"event\":\"request\",\"server\":%u,\"seq\":%" PRIu64 ",\"count\":%u,\"answered\":%s}\n", idx,
                   load_be64(request + MOLD_SESSION_LEN), (unsigned)load_be16(request + MOLD_SESSION_LEN + 8),
                   answer_len > 0 ? "true" : "false");
    }
}

/* snapshots */

static void client_close(struct client *client)
{
    venue_spin_close(client->spin);
    close(client->socket);
    client->spin = NULL;
    client->socket = -1;
}

static void client_accept(uint64_t now_ns)
{
    struct venue_spin_params params = {.break_after = 0};
    struct client *client = exchange.client;
    const int descriptor = accept4(exchange.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor < 0)
        return;
    while (client < exchange.client + CLIENTS_MAX && client->socket >= 0)
        client++;
    if (client == exchange.client + CLIENTS_MAX) {
        exchange.refused_client_count++;
        close(descriptor);
        return;
    }
    memcpy(params.username, exchange.options.username, SOUP_USERNAME_LEN);
    memcpy(params.password, exchange.options.password, SOUP_PASSWORD_LEN);
    if (exchange.options.spin_break_after > 0 && !exchange.broken_once) {
        params.break_after = exchange.options.spin_break_after;
        exchange.broken_once = true;
    } else if (!exchange.wrong_once) {
        params.end_seq_add = exchange.options.spin_wrong_end;
        exchange.wrong_once = true;
    }
    *client = (struct client){.socket = descriptor, .spin = must(venue_spin_open(exchange.venue, &params, now_ns))};
    exchange.client_count++;
}

/* Returns false once the client is gone. */
static bool client_read(struct client *client, uint64_t now_ns)
{
    uint8_t bytes[4096];
    const ssize_t len = recv(client->socket, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (len <= 0)
        return len < 0 && errno == EAGAIN;
    const uint64_t spin_count = venue_counters(exchange.venue)->spin_count;
    venue_spin_receive(client->spin, bytes, (uint32_t)len, now_ns);
    if (venue_counters(exchange.venue)->spin_count > spin_count)
        printf("{\"event\":\"spin\",\"seq\":%" PRIu64 "}\n", venue_next_seq(exchange.venue));
    return true;
}

static bool client_write(struct client *client, uint64_t now_ns)
{
    for (uint32_t i = 0; i < CLIENT_TURNS; i++) {
        if (client->out_at == client->out_len) {
            client->out_at = 0;
            client->out_len = venue_spin_send(client->spin, now_ns, client->out, sizeof(client->out));
            if (client->out_len == 0)
                break;
        }
        const ssize_t len = send(client->socket, client->out + client->out_at, client->out_len - client->out_at,
                                 MSG_DONTWAIT | MSG_NOSIGNAL);
        if (len < 0)
            return errno == EAGAIN;
        client->out_at += (uint32_t)len;
    }
    /* Closing now could take from the client what it has not read yet (a reset, if bytes of its own are unread). */
    if (client->out_len == 0 && client->said_ns == 0 && venue_spin_ended(client->spin)) {
        client->said_ns = now_ns;
        (void)shutdown(client->socket, SHUT_WR);
    }
    return client->said_ns == 0 || now_ns - client->said_ns < LINGER_NS;
}

static void client_step(struct client *client, short revents, uint64_t now_ns)
{
    if ((revents & (POLLIN | POLLHUP | POLLERR)) != 0 && !client_read(client, now_ns))
        client_close(client);
    else if (!client_write(client, now_ns))
        client_close(client);
}

/* the turn */

/* A line of stdin that is a command; what it leads to is said at once. */
static bool command_take(void)
{
    if (!exchange.options.orders || exchange.command_len == 0)
        return false;
    packet_begin(clock_ns());
    const bool taken = exchange_orders_command(exchange.command, clock_ns());
    packet_flush();
    return taken;
}

static void stdin_read(void)
{
    char bytes[256];
    const ssize_t len = read(STDIN_FILENO, bytes, sizeof(bytes));
    for (ssize_t i = 0; i < len; i++) {
        if (bytes[i] != '\n') {
            exchange.command[exchange.command_len] = bytes[i];
            exchange.command_len += exchange.command_len < sizeof(exchange.command) - 1;
            continue;
        }
        exchange.command[exchange.command_len] = '\0';
        if (!command_take())
            exchange.line_feed_count++;
        exchange.command_len = 0;
    }
    exchange.stdin_ended = len <= 0;
    if (len == 0 && exchange.line_feed_count == 0 && (exchange.phase == PHASE_WAIT || exchange.phase == PHASE_PAUSE))
        exchange.stopped = true; /* nobody is there who could say that it goes on */
}

static uint64_t next_due_ns(void)
{
    uint64_t due_ns = pending_due_ns();
    for (uint32_t i = 0; i < 2; i++)
        if (line_due_ns(&exchange.line[i]) < due_ns)
            due_ns = line_due_ns(&exchange.line[i]);
    if (exchange.options.orders && exchange_orders_deadline_ns() < due_ns)
        due_ns = exchange_orders_deadline_ns();
    return due_ns;
}

/* A port is looked at again and again: nothing would wake us for it. Sockets have their turn where there is time. */
static void spin_for(struct pollfd *polled, uint64_t due_ns)
{
    const struct timespec none = {0};
    const uint64_t begin_ns = clock_ns();

    for (uint32_t i = 0; i < POLL_COUNT; i++)
        polled[i].revents = 0;
    for (uint64_t now_ns = begin_ns; now_ns < due_ns && now_ns - begin_ns < SPIN_NS; now_ns = clock_ns())
        exchange_port_poll();
    if (due_ns > clock_ns() + FINE_WAIT_NS)
        ppoll(polled, POLL_COUNT, &none, NULL);
}

static void wait_for(struct pollfd *polled, uint64_t due_ns)
{
    const uint64_t now_ns = clock_ns(), left_ns = due_ns > now_ns ? due_ns - now_ns : 0;
    const uint64_t coarse_ns = left_ns > FINE_WAIT_NS ? left_ns - FINE_WAIT_NS : 0;
    const uint64_t wait_ns = coarse_ns < IDLE_WAIT_NS ? coarse_ns : IDLE_WAIT_NS;
    const struct timespec timeout = {.tv_nsec = (long)wait_ns},
                          due = {.tv_sec = (time_t)(due_ns / NS_PER_S), .tv_nsec = (long)(due_ns % NS_PER_S)};
    if (ppoll(polled, POLL_COUNT, &timeout, NULL) == 0 && left_ns <= FINE_WAIT_NS)
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
}

static void turn(struct pollfd *polled)
{
    const bool reads = exchange.options.wait_start || exchange.options.pause_count > 0;
    const bool waits = exchange.phase == PHASE_WAIT || exchange.phase == PHASE_PAUSE;
    const bool commands = exchange.options.orders && !exchange.stdin_ended;
    polled[POLL_STDIN].fd = commands || (reads && waits && exchange.line_feed_count == 0) ? STDIN_FILENO : -1;
    if (exchange.options.orders)
        exchange_orders_fds(&polled[POLL_ORDERS]);
    for (uint32_t i = 0; i < CLIENTS_MAX; i++) {
        const struct client *client = &exchange.client[i];
        polled[POLL_CLIENT + i].fd = client->socket;
        const bool more = client->socket >= 0 && client->said_ns == 0 && venue_spin_ended(client->spin);
        polled[POLL_CLIENT + i].events = (short)(POLLIN | (more || client->out_at < client->out_len ? POLLOUT : 0));
    }
    if (exchange.options.port)
        spin_for(polled, next_due_ns());
    else
        wait_for(polled, next_due_ns());
    const uint64_t now_ns = clock_ns();
    phase_step(now_ns);
    if (exchange.options.orders) { /* what the requests lead to is said at once */
        packet_begin(now_ns);
        exchange_orders_step(&polled[POLL_ORDERS], now_ns);
        packet_flush();
    }
    for (uint32_t i = 0; i < 2; i++)
        line_step(&exchange.line[i], now_ns);
    if (exchange.options.wire_to_wire)
        exchange_wire_collect();
    for (uint32_t i = 0; i < exchange.options.server_count; i++)
        if (polled[POLL_SERVER + i].revents != 0)
            server_step(i);
    for (uint32_t i = 0; i < CLIENTS_MAX; i++)
        if (exchange.client[i].socket >= 0)
            client_step(&exchange.client[i], polled[POLL_CLIENT + i].revents, now_ns);
    if (polled[POLL_LISTEN].revents != 0)
        client_accept(now_ns);
    if (polled[POLL_STDIN].revents != 0)
        stdin_read();
    if (polled[POLL_SIGNAL].revents != 0)
        exchange.stopped = true;
}

/* the whole */

static void open_all(struct pollfd *polled)
{
    const struct exchange_options *options = &exchange.options;
    const uint64_t seed = options->session.seed;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_TIMERSLACK, 1); /* ns; the default of 50 us is what a packet would be late by */
    for (uint32_t i = 0; i < POLL_COUNT; i++)
        polled[i] = (struct pollfd){.fd = -1, .events = POLLIN};
    polled[POLL_SIGNAL].fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (options->wire_to_wire)
        exchange_wire_open(options);
    exchange.venue = must(venue_open(options->session_text));
    source_open(&exchange.source);
    /* Numbers of their own, so that what one loses changes nothing else. */
    session_random_init(&exchange.random, seed ^ 0x6c6f7373u);
    if (options->port)
        exchange_port_open(options->port);
    for (uint32_t i = 0; i < 2; i++) {
        line_open(&exchange.line[i], &options->line[i]);
        session_random_init(&exchange.line[i].random, seed ^ (0x6c696e65u + i));
        if (options->wire_to_wire && !options->port)
            exchange_wire_line(i, exchange.line[i].socket, options->line[i].interface);
    }
    for (uint32_t i = 0; i < options->server_count; i++) {
        exchange.server[i].socket = socket_open("--request", SOCK_DGRAM, options->server[i].address);
        session_random_init(&exchange.server[i].random, seed ^ (0x72657173u + i));
        polled[POLL_SERVER + i].fd = exchange.server[i].socket;
    }
    for (uint32_t i = 0; i < CLIENTS_MAX; i++)
        exchange.client[i].socket = -1;
    exchange.listener = options->glimpse ? socket_open("--glimpse", SOCK_STREAM, options->glimpse_address) : -1;
    polled[POLL_LISTEN].fd = exchange.listener;
    if (options->orders)
        exchange_orders_open(options, message_say, session_now_ns);
}

static void say_ready(void)
{
    printf("{\"event\":\"ready\",\"request_ports\":[");
    for (uint32_t i = 0; i < exchange.options.server_count; i++)
        printf("%s%u", i > 0 ? "," : "", (unsigned)socket_port(exchange.server[i].socket));
    printf("],\"glimpse_port\":%u,\"order_port\":%u}\n",
           exchange.options.glimpse ? (unsigned)socket_port(exchange.listener) : 0,
           exchange.options.orders ? (unsigned)exchange_orders_port() : 0);
}

static void say_end(void)
{
    const struct venue_counters *counters = venue_counters(exchange.venue);
    printf("{\"event\":\"end\",\"messages\":%" PRIu64 ",\"whole\":%s,\"lines\":[", venue_next_seq(exchange.venue) - 1,
           exchange.phase == PHASE_END ? "true" : "false");
    for (uint32_t i = 0; i < 2; i++) {
        const struct line *line = &exchange.line[i];
        printf("%s{\"packets\":%" PRIu64 ",\"heartbeats\":%" PRIu64 ",\"ends\":%" PRIu64 ",\"lost_packets\":%" PRIu64
               ",\"lost_messages\":%" PRIu64 ",\"errors\":%" PRIu64 ",\"late\":%" PRIu64 ",\"late_max_us\":%" PRIu64
               "}",
               i > 0 ? "," : "", line->packet_count, line->heartbeat_count, line->end_count, line->lost_packet_count,
               line->lost_message_count, line->error_count, line->late_count, line->late_max_ns / 1000);
    }
    printf("],\"servers\":[");
    for (uint32_t i = 0; i < exchange.options.server_count; i++)
        printf("%s{\"requests\":%" PRIu64 ",\"answered\":%" PRIu64 ",\"lost\":%" PRIu64 "}", i > 0 ? "," : "",
               exchange.server[i].received_count, exchange.server[i].answered_count, exchange.server[i].lost_count);
    printf("],\"refused\":{\"other_session\":%" PRIu64 ",\"beyond\":%" PRIu64 ",\"empty\":%" PRIu64
           ",\"malformed\":%" PRIu64 "},\"clients\":%" PRIu64 ",\"clients_refused\":%" PRIu64 ",\"spins\":%" PRIu64
           ",\"spins_whole\":%" PRIu64,
           counters->other_session_count, counters->beyond_count, counters->empty_count, counters->malformed_count,
           exchange.client_count, exchange.refused_client_count, counters->spin_count, counters->spin_end_count);
    if (exchange.options.orders)
        exchange_orders_report();
    if (exchange.options.wire_to_wire)
        exchange_wire_report();
    if (exchange.options.port)
        exchange_port_report();
    printf("}\n");
}

int main(int argc, char **argv)
{
    static struct pollfd polled[POLL_COUNT];
    setvbuf(stdout, NULL, _IOLBF, 0);
    exchange_options_parse(argc, argv, &exchange.options);
    open_all(polled);
    say_ready();
    while (!exchange.stopped)
        turn(polled);
    say_end();
    for (uint32_t i = 0; i < CLIENTS_MAX; i++)
        if (exchange.client[i].socket >= 0)
            client_close(&exchange.client[i]);
    if (exchange.options.orders)
        exchange_orders_close();
    if (exchange.options.port)
        exchange_port_close();
    capture_close(exchange.source.capture);
    session_close(exchange.source.session);
    venue_close(exchange.venue);
    free(exchange.packets);
    if (fflush(stdout) != 0 || ferror(stdout))
        options_refuse(1, "stdout", "the events could not be written completely");
    return exchange.exit_code;
}
