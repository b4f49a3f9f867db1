/* See exchange_orders.h. Nothing here waits: what the client does not read stays with the desk. */
#include "tools/exchange_orders.h"

#include "feed/itch.h"
#include "feed/wire.h"
#include "ring/md_event.h"
#include "tools/desk.h"
#include "tools/exchange_wire.h"
#include "tools/options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOCATES 65536u
#define OUT_BYTES 65536u
#define HEARTBEAT_NS UINT64_C(1000000000)
#define TIMEOUT_NS UINT64_C(15000000000)

static struct {
    const struct exchange_options *options;
    exchange_orders_say *say;
    uint64_t (*session_ns)(void);
    void *memory;
    struct match *match;
    struct desk *desk;
    uint64_t symbol[LOCATES];   /* by locate, 0 = none */
    uint64_t now_ns;
    int listener, client;       /* -1: none */
    bool told_login;
    uint32_t out_at, out_len;
    uint8_t out[OUT_BYTES];
    uint32_t part_len;          /* wire to wire: of the packet that is being read ... */
    uint8_t part[2 + UINT16_MAX]; /* ... which begins here */
    struct exchange_wire_stamp stamp;
    FILE *log;
} orders = {.listener = -1, .client = -1};

/* --- the engine's news are the feed */

static void say(struct itch_msg *msg, uint32_t instrument)
{
    uint8_t message[ITCH_LENGTH_MAX];

    msg->locate = (uint16_t)instrument;
    msg->timestamp_ns = orders.session_ns();
    orders.say(message, itch_encode(msg, message));
}

static void hear(void *arg, const struct match_news *news)
{
    struct itch_msg msg = {0};

    (void)arg;
    switch (news->type) {
    case MATCH_ADDED:
        msg.type = ITCH_ADD;
        msg.add.ref = news->ref;
        msg.add.qty = news->qty;
        msg.add.price = (uint32_t)news->price;
        msg.add.stock = orders.symbol[news->instrument];
        msg.add.side = news->side;
        break;
    case MATCH_TRADED:
        msg.type = ITCH_EXECUTED;
        msg.executed.ref = news->ref;
        msg.executed.qty = news->qty;
        msg.executed.match = news->match_number;
        break;
    case MATCH_REDUCED:
        msg.type = ITCH_CANCEL;
        msg.cancel.ref = news->ref;
        msg.cancel.qty = news->qty;
        break;
    case MATCH_REMOVED:
        msg.type = ITCH_DELETE;
        msg.delete.ref = news->ref;
        break;
    default: /* MATCH_REPLACED */
        msg.type = ITCH_REPLACE;
        msg.replace.orig_ref = news->orig_ref;
        msg.replace.ref = news->ref;
        msg.replace.qty = news->qty;
        msg.replace.price = (uint32_t)news->price;
        break;
    }
    say(&msg, news->instrument);
    desk_news(orders.desk, news, orders.now_ns);
}

void exchange_orders_flow(const uint8_t *message, uint32_t message_len)
{
    struct itch_msg msg;

    if (itch_decode(message, message_len, &msg) != ITCH_OK) {
        orders.say(message, message_len);
        return;
    }
    /* What the engine refuses or drops has no place in this book: it is not said. */
    switch (msg.type) {
    case ITCH_ADD:
    case ITCH_ADD_MPID:
        orders.symbol[msg.locate] = msg.add.stock;
        if (msg.add.price <= INT32_MAX)
            match_add(orders.match, msg.locate, msg.add.ref, msg.add.side, (int32_t)msg.add.price, msg.add.qty);
        break;
    case ITCH_EXECUTED:
    case ITCH_EXECUTED_PRICE:
        match_execute(orders.match, msg.executed.ref, msg.executed.qty);
        break;
    case ITCH_CANCEL:
        match_reduce(orders.match, msg.cancel.ref, msg.cancel.qty);
        break;
    case ITCH_DELETE:
        match_delete(orders.match, msg.delete.ref);
        break;
    case ITCH_REPLACE:
        if (msg.replace.price <= INT32_MAX)
            match_replace(orders.match, msg.replace.orig_ref, msg.replace.ref, (int32_t)msg.replace.price,
                          msg.replace.qty);
        break;
    case ITCH_STOCK_DIRECTORY:
        orders.symbol[msg.locate] = msg.directory.stock;
        orders.say(message, message_len);
        break;
    default:
        orders.say(message, message_len);
        break;
    }
}

static int64_t instrument_of(void *arg, uint64_t symbol)
{
    (void)arg;
    for (uint32_t i = 0; i < LOCATES; i++)
        if (orders.symbol[i] == symbol && symbol != 0)
            return i;
    return -1;
}

/* --- the log: requests and answers, a JSON object a line */

static void log_request(const uint8_t *message, uint32_t len)
{
    struct ouch_enter enter;
    struct ouch_replace replace;
    struct ouch_cancel cancel;
    struct ouch_modify modify;
    char symbol[9];

    if (ouch_decode_enter(message, len, &enter) == 0) {
        md_symbol_text(enter.symbol, symbol);
        fprintf(orders.log, "\"type\":\"O\",\"user_ref\":%" PRIu32 ",\"side\":\"%c\",\"qty\":%" PRIu32
                ",\"symbol\":\"%s\",\"price\":%" PRIu64 ",\"tif\":\"%c\"}\n", enter.user_ref, enter.side, enter.qty,
                symbol, enter.price, enter.tif);
    } else if (ouch_decode_replace(message, len, &replace) == 0) {
        fprintf(orders.log, "\"type\":\"U\",\"orig_user_ref\":%" PRIu32 ",\"user_ref\":%" PRIu32 ",\"qty\":%" PRIu32
                ",\"price\":%" PRIu64 "}\n", replace.orig_user_ref, replace.user_ref, replace.qty, replace.price);
    } else if (ouch_decode_cancel(message, len, &cancel) == 0) {
        fprintf(orders.log, "\"type\":\"X\",\"user_ref\":%" PRIu32 ",\"qty\":%" PRIu32 "}\n", cancel.user_ref,
                cancel.qty);
    } else if (ouch_decode_modify(message, len, &modify) == 0) {
        fprintf(orders.log, "\"type\":\"M\",\"user_ref\":%" PRIu32 ",\"qty\":%" PRIu32 "}\n", modify.user_ref,
                modify.qty);
    } else {
        fprintf(orders.log, "\"type\":\"%s\"}\n", len == 1 && message[0] == OUCH_QUERY ? "Q" : "?");
    }
}

static void log_answer(const uint8_t *message, uint32_t len)
{
    struct ouch_answer answer;

    ouch_decode_answer(message, len, &answer);
    fprintf(orders.log, "\"type\":\"%c\",\"user_ref\":%" PRIu32 ",\"orig_user_ref\":%" PRIu32 ",\"qty\":%" PRIu32
            ",\"price\":%" PRIu64 ",\"reason\":%u,\"match\":%" PRIu64 "}\n", answer.type, answer.user_ref,
            answer.orig_user_ref, answer.qty, answer.price, answer.reason, answer.match);
}

static void heard(void *arg, bool in, uint64_t seq, const uint8_t *message, uint32_t len)
{
    (void)arg;
    if (in && orders.options->wire_to_wire)
        exchange_wire_request(message, len, orders.stamp);
    if (!orders.log)
        return;
    fprintf(orders.log, "{\"dir\":\"%s\",\"ns\":%" PRIu64 ",\"seq\":%" PRIu64 ",", in ? "in" : "out", orders.now_ns,
            seq);
    if (in)
        log_request(message, len);
    else
        log_answer(message, len);
}

static void log_event(const char *event)
{
    if (!orders.log)
        return;
    fprintf(orders.log, "{\"dir\":\"event\",\"ns\":%" PRIu64 ",\"event\":\"%s\"}\n", orders.now_ns, event);
    fflush(orders.log);
}

/* --- set-up */

static void listen_at(struct exchange_address address)
{
    const struct sockaddr_in local = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(address.ip), .sin_port = htons(address.port)};
    const int one = 1;

    orders.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (orders.listener < 0 || setsockopt(orders.listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
        bind(orders.listener, (const struct sockaddr *)&local, sizeof(local)) != 0 || listen(orders.listener, 4) != 0)
        options_refuse_address("--orders", address.ip, address.port, errno);
}

void exchange_orders_open(const struct exchange_options *options, exchange_orders_say *say_message,
                          uint64_t (*session_ns)(void))
{
    const struct match_params match = {
        .book = {.instruments_max = LOCATES, .orders_max = 1u << 20, .levels_max = 1u << 19},
        .client_orders_max = 1u << 16};
    struct desk_params desk = options->desk;

    orders.options = options;
    orders.say = say_message;
    orders.session_ns = session_ns;
    orders.memory = aligned_alloc(64, (match_footprint(&match) + 63) / 64 * 64);
    if (!orders.memory)
        options_refuse(1, "memory", strerror(ENOMEM));
    orders.match = match_init(orders.memory, &match, hear, NULL);
    desk.heartbeat_ns = HEARTBEAT_NS;
    desk.timeout_ns = TIMEOUT_NS;
    desk.heard = heard;
    orders.desk = desk_open(orders.match, &desk, instrument_of, NULL);
    if (!orders.desk)
        options_refuse(1, "memory", strerror(ENOMEM));
    if (options->order_log && !(orders.log = fopen(options->order_log, "w")))
        options_refuse(1, options->order_log, strerror(errno));
    listen_at(options->orders_address);
}

uint16_t exchange_orders_port(void)
{
    struct sockaddr_in local = {0};
    socklen_t len = sizeof(local);

    getsockname(orders.listener, (struct sockaddr *)&local, &len);
    return ntohs(local.sin_port);
}

void exchange_orders_close(void)
{
    if (orders.client >= 0)
        close(orders.client);
    if (orders.listener >= 0)
        close(orders.listener);
    if (orders.log)
        fclose(orders.log);
    desk_close(orders.desk);
    free(orders.memory);
}

/* --- the client */

static void client_close(bool reset)
{
    const struct linger linger = {.l_onoff = 1};

    if (orders.client < 0)
        return;
    if (reset)
        setsockopt(orders.client, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(orders.client);
    orders.client = -1;
    orders.out_at = orders.out_len = 0;
    desk_closed(orders.desk, orders.now_ns);
    log_event("closed");
    printf("{\"event\":\"order_closed\"}\n");
}

/* A newer connection takes the place of the old one: a half-open one must not lock its account out. */
static void client_accept(void)
{
    const int one = 1, client = accept4(orders.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (client < 0)
        return;
    client_close(true);
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    orders.client = client;
    orders.told_login = false;
    orders.part_len = 0;
    if (orders.options->wire_to_wire)
        exchange_wire_client(client);
    desk_connected(orders.desk, orders.now_ns);
    log_event("connected");
}

/* The kernel says when the last byte came that was read: so packet by packet, length first. */
static ssize_t receive_packet(uint8_t **ret_bytes)
{
    const uint32_t whole_len = orders.part_len < 2 ? 2 : 2u + load_be16(orders.part);
    const ssize_t len = exchange_wire_receive(orders.client, orders.part + orders.part_len,
                                              whole_len - orders.part_len, &orders.stamp);

    *ret_bytes = orders.part + orders.part_len;
    if (len > 0)
        orders.part_len += (uint32_t)len;
    if (orders.part_len >= 2 && orders.part_len == 2u + load_be16(orders.part))
        orders.part_len = 0;
    return len;
}

static ssize_t receive_some(uint8_t **ret_bytes)
{
    static uint8_t bytes[16384];

    *ret_bytes = bytes;
    return recv(orders.client, bytes, sizeof(bytes), 0);
}

static void client_read(void)
{
    uint8_t *bytes;

    while (orders.client >= 0 && desk_reads(orders.desk) && !desk_wants_close(orders.desk)) {
        const ssize_t len = orders.options->wire_to_wire ? receive_packet(&bytes) : receive_some(&bytes);
        if (len < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (len <= 0) {
            client_close(false);
            return;
        }
        desk_receive(orders.desk, bytes, (uint32_t)len, orders.now_ns);
    }
}

/* Before an answer leaves, it is in the log: whoever acts on it may look there. */
static void client_write(void)
{
    while (orders.client >= 0) {
        if (orders.out_at == orders.out_len) {
            orders.out_at = 0;
            orders.out_len = desk_send(orders.desk, orders.now_ns, orders.out, OUT_BYTES);
        }
        if (orders.out_len == 0)
            return;
        if (orders.log)
            fflush(orders.log);
        const ssize_t sent = send(orders.client, orders.out + orders.out_at, orders.out_len - orders.out_at,
                                  MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent <= 0) {
            if (sent < 0 && errno != EAGAIN && errno != EINTR)
                client_close(false);
            return;
        }
        orders.out_at += (uint32_t)sent;
    }
}

void exchange_orders_fds(struct pollfd ret_fds[EXCHANGE_ORDERS_FDS])
{
    ret_fds[0] = (struct pollfd){.fd = orders.listener, .events = POLLIN};
    ret_fds[1] = (struct pollfd){.fd = orders.client,
                                 .events = (short)((desk_reads(orders.desk) ? POLLIN : 0) |
                                                   (orders.out_at < orders.out_len ? POLLOUT : 0))};
}

void exchange_orders_step(const struct pollfd fds[EXCHANGE_ORDERS_FDS], uint64_t now_ns)
{
    orders.now_ns = now_ns;
    if (fds[0].revents)
        client_accept();
    if (fds[1].revents)
        client_read();
    client_write();
    if (orders.client >= 0 && !orders.told_login && desk_counters(orders.desk)->login_count > 0 &&
        desk_logged_in(orders.desk)) {
        orders.told_login = true;
        log_event("login");
        printf("{\"event\":\"order_login\",\"next_seq\":%" PRIu64 "}\n", desk_next_seq(orders.desk));
    }
    if (orders.client >= 0 && orders.out_at == orders.out_len && desk_wants_close(orders.desk))
        client_close(false);
    if (orders.log && !fds[1].revents)
        fflush(orders.log);
}

uint64_t exchange_orders_deadline_ns(void)
{
    return orders.client >= 0 ? desk_deadline_ns(orders.desk) : UINT64_MAX;
}

bool exchange_orders_command(const char *line, uint64_t now_ns)
{
    const bool reset = strcmp(line, "reset") == 0;

    orders.now_ns = now_ns;
    if (strcmp(line, "break") == 0) {
        printf("{\"event\":\"order_broken\",\"done\":%s}\n", desk_break(orders.desk, now_ns) ? "true" : "false");
        client_write();
        return true;
    }
    if (!reset && strcmp(line, "disconnect") != 0)
        return false;
    client_close(reset);
    return true;
}

/* {"SYMBOL":value}, of what is not 0. */
static void report_symbols(const char *key, int64_t (*value_of)(const struct desk *desk, uint64_t symbol))
{
    const char *separator = "";

    printf("\"%s\":{", key);
    for (uint32_t i = 0; i < LOCATES; i++) {
        const int64_t value = orders.symbol[i] ? value_of(orders.desk, orders.symbol[i]) : 0;
        char symbol[9];
        if (value == 0)
            continue;
        md_symbol_text(orders.symbol[i], symbol);
        printf("%s\"%s\":%" PRId64, separator, symbol, value);
        separator = ",";
    }
    printf("},");
}

void exchange_orders_report(void)
{
    const struct desk_counters *counters = desk_counters(orders.desk);
    uint32_t open = 0;

    for (uint32_t i = 0; i < desk_order_count(orders.desk); i++)
        open += desk_order_at(orders.desk, i)->open_qty > 0;
    printf(",\"orders\":{\"enters\":%" PRIu64 ",\"replaces\":%" PRIu64 ",\"cancels\":%" PRIu64 ",\"accepted\":%" PRIu64
           ",\"rejected\":%" PRIu64 ",\"fills\":%" PRIu64 ",\"broken\":%" PRIu64 ",\"canceled\":%" PRIu64
           ",\"disconnect_cancels\":%" PRIu64 ",\"repeated\":%" PRIu64 ",\"malformed\":%" PRIu64 ",\"logins\":%" PRIu64
           ",\"next_seq\":%" PRIu64 ",\"open\":%" PRIu32 ",",
           counters->enter_count, counters->replace_count, counters->cancel_count, counters->accepted_count,
           counters->rejected_count, counters->fill_count, counters->broken_count, counters->canceled_count,
           counters->disconnect_cancel_count, counters->repeated_count, counters->malformed_count,
           counters->login_count, desk_next_seq(orders.desk), open);
    report_symbols("positions", desk_position);
    report_symbols("cash", desk_cash);
    printf("\"orders\":[");
    for (uint32_t i = 0; i < desk_order_count(orders.desk); i++) {
        const struct desk_order *order = desk_order_at(orders.desk, i);
        char symbol[9];
        md_symbol_text(order->symbol, symbol);
        printf("%s[%" PRIu32 ",\"%s\",\"%c\",%" PRIu32 ",%" PRIu32 ",%" PRIu32 ",%" PRId64 ",%" PRIu32 ",%s]",
               i > 0 ? "," : "", order->user_ref, symbol, order->side, order->qty, order->open_qty, order->filled_qty,
               order->price, order->replaced_by, order->rejected ? "true" : "false");
    }
    printf("]}");
}
