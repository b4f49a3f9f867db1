/* The command line of tools/exchange. Called once, by its main. */
#include "tools/exchange.h"
#include "tools/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPLY_LOSS_COMMON UINT32_MAX /* a server without a number of its own */

static const char *const help =
    "usage: exchange [options]\n"
    "The venue side of a feed: publishes a session of Nasdaq TotalView-ITCH 5.0 in MoldUDP64 on two multicast lines,\n"
    "answers re-requests, serves GLIMPSE snapshots. Each event is a line of JSON on stdout.\n\n"
    "  --messages N, --symbols N, --seed N, --rate N, --start HH:MM\n"
    "                              the generated session, as feedgen's (default 1000000, 200, 1, 40000, 09:30)\n"
    "  --itch FILE                 the messages of a BinaryFILE instead\n"
    "  --session TEXT              MoldUDP64 session, up to 10 letters (default TGDEMO0001)\n"
    "  --speed X                   X times as fast as the messages' own times (default 1)\n"
    "  --end-s N                   the end of the session is repeated for so long (default 3)\n"
    "  --wait-start                publish nothing until a line is read from stdin; heartbeats go out\n"
    "  --pause-at SEQ              stop before this message until a further line is read; may be repeated\n\n"
    "  --interface-a IP, --interface-b IP   addresses of ours to send from (default 127.0.0.1, and that of A)\n"
    "  --group-a IP:PORT, --group-b IP:PORT destinations (default 239.192.1.1:26477, 239.192.2.1:26478)\n"
    "  --ttl N                     of multicast packets (default 1)\n"
    "  --loss-a PCT, --loss-b PCT  packets that the line loses; heartbeats too\n"
    "  --loss-both PCT             packets with messages that both lose\n"
    "  --drop-a FIRST-LAST, --drop-b FIRST-LAST, --drop-both FIRST-LAST\n"
    "                              lose exactly these messages; may be repeated\n"
    "  --skew-us N                 B comes so much later than A (default 0)\n\n"
    "  --request IP:PORT[:PCT]     a re-request server, and how many of its answers get lost; up to 4.\n"
    "                              Port 0: one that is free, said when ready\n"
    "  --request-port N            the same at the address of interface A\n"
    "  --reply-loss PCT            answers that get lost, of all servers that have no number of their own\n"
    "  --request-dead              they take requests and never answer\n\n"
    "  --glimpse IP:PORT           the snapshot server, on TCP; port 0 as above\n"
    "  --glimpse-port N            the same at the address of interface A\n"
    "  --username TEXT, --password TEXT     who may log in (default tick01, and an empty one)\n"
    "  --spin-break-after N        the first snapshot breaks off after so many messages\n"
    "  --spin-wrong-end N          the first whole one says an end that is wrong by N, which may be negative\n"
    "  --orders IP:PORT            take orders: OUCH 5.0 over SoupBinTCP, on TCP; port 0 as above. The session's\n"
    "                              messages then pass through a matching engine, the feed says what becomes of them\n"
    "  --order-username TEXT, --order-password TEXT, --order-session TEXT\n"
    "                              who may log in, to what (default desk, an empty one, ORDERS0001)\n"
    "  --cancel-on-disconnect      when the client is gone, its orders are cancelled\n"
    "  --order-log FILE            requests and answers, a JSON object a line\n"
    "  --reject PCT                new orders and replaces that are rejected\n"
    "  --answer-delay-us N         answers are held back so long\n"
    "  --close-after N, --garbage-after N   once, behind so many requests: close; say what is no SoupBinTCP\n"
    "  --silent-after N            once, behind so many requests: neither read nor speak on this connection\n"
    "  --deaf-after N              once, behind so many requests: do not read on this connection\n"
    "  --wire-to-wire              measure, by the kernel's timestamps (and the network card's, where it has them),\n"
    "                              from a tick's packet to the order that names it: \"wire\" of the last line\n"
    "  --rates R,R,...             packets a second, one rate after another instead of the session's own times, each\n"
    "                              on a schedule that no late packet moves; the session ends with the last\n"
    "  --rate-s N                  for so long each (default 5)\n"
    "  --port memif[:SOCKET]       both lines go out over a DPDK port (net_memif, role server) in place of sockets,\n"
    "                              and orders come in by it, as datagrams of OUCH without answers; stamps are the\n"
    "                              TSC's\n"
    "                              Lines \"disconnect\" and \"reset\" on stdin close the client's connection, a line\n"
    "                              \"break\" breaks its newest trade, a further one the trade before\n"
    "  --help                      this text\n\n"
    "exit code: 0 good, 1 a socket or file cannot be used, 2 arguments are wrong\n";

enum {
    OPTION_MESSAGES = 1,
    OPTION_SYMBOLS,
    OPTION_SEED,
    OPTION_RATE,
    OPTION_START,
    OPTION_ITCH,
    OPTION_SESSION,
    OPTION_SPEED,
    OPTION_END,
    OPTION_WAIT_START,
    OPTION_PAUSE,
    OPTION_INTERFACE_A,
    OPTION_INTERFACE_B,
    OPTION_GROUP_A,
    OPTION_GROUP_B,
    OPTION_TTL,
    OPTION_LOSS_A,
    OPTION_LOSS_B,
    OPTION_LOSS_BOTH,
    OPTION_DROP_A,
    OPTION_DROP_B,
    OPTION_DROP_BOTH,
    OPTION_SKEW,
    OPTION_REQUEST,
    OPTION_REQUEST_PORT,
    OPTION_REPLY_LOSS,
    OPTION_REQUEST_DEAD,
    OPTION_GLIMPSE,
    OPTION_GLIMPSE_PORT,
    OPTION_USERNAME,
    OPTION_PASSWORD,
    OPTION_SPIN_BREAK,
    OPTION_SPIN_WRONG,
    OPTION_ORDERS,
    OPTION_ORDER_USERNAME,
    OPTION_ORDER_PASSWORD,
    OPTION_ORDER_SESSION,
    OPTION_ORDER_LOG,
    OPTION_CANCEL_ON_DISCONNECT,
    OPTION_REJECT,
    OPTION_ANSWER_DELAY,
    OPTION_CLOSE_AFTER,
    OPTION_SILENT_AFTER,
    OPTION_DEAF_AFTER,
    OPTION_GARBAGE_AFTER,
    OPTION_WIRE_TO_WIRE,
    OPTION_RATES,
    OPTION_RATE_S,
    OPTION_PORT,
    OPTION_HELP
};

static const struct option long_options[] = {
    {"messages", required_argument, NULL, OPTION_MESSAGES},
    {"symbols", required_argument, NULL, OPTION_SYMBOLS},
    {"seed", required_argument, NULL, OPTION_SEED},
    {"rate", required_argument, NULL, OPTION_RATE},
    {"start", required_argument, NULL, OPTION_START},
    {"itch", required_argument, NULL, OPTION_ITCH},
    {"session", required_argument, NULL, OPTION_SESSION},
    {"speed", required_argument, NULL, OPTION_SPEED},
    {"end-s", required_argument, NULL, OPTION_END},
    {"wait-start", no_argument, NULL, OPTION_WAIT_START},
    {"pause-at", required_argument, NULL, OPTION_PAUSE},
    {"interface-a", required_argument, NULL, OPTION_INTERFACE_A},
    {"interface-b", required_argument, NULL, OPTION_INTERFACE_B},
    {"group-a", required_argument, NULL, OPTION_GROUP_A},
    {"group-b", required_argument, NULL, OPTION_GROUP_B},
    {"ttl", required_argument, NULL, OPTION_TTL},
    {"loss-a", required_argument, NULL, OPTION_LOSS_A},
    {"loss-b", required_argument, NULL, OPTION_LOSS_B},
    {"loss-both", required_argument, NULL, OPTION_LOSS_BOTH},
    {"drop-a", required_argument, NULL, OPTION_DROP_A},
    {"drop-b", required_argument, NULL, OPTION_DROP_B},
    {"drop-both", required_argument, NULL, OPTION_DROP_BOTH},
    {"skew-us", required_argument, NULL, OPTION_SKEW},
    {"request", required_argument, NULL, OPTION_REQUEST},
    {"request-port", required_argument, NULL, OPTION_REQUEST_PORT},
    {"reply-loss", required_argument, NULL, OPTION_REPLY_LOSS},
    {"request-dead", no_argument, NULL, OPTION_REQUEST_DEAD},
    {"glimpse", required_argument, NULL, OPTION_GLIMPSE},
    {"glimpse-port", required_argument, NULL, OPTION_GLIMPSE_PORT},
    {"username", required_argument, NULL, OPTION_USERNAME},
    {"password", required_argument, NULL, OPTION_PASSWORD},
    {"spin-break-after", required_argument, NULL, OPTION_SPIN_BREAK},
    {"spin-wrong-end", required_argument, NULL, OPTION_SPIN_WRONG},
    {"orders", required_argument, NULL, OPTION_ORDERS},
    {"order-username", required_argument, NULL, OPTION_ORDER_USERNAME},
    {"order-password", required_argument, NULL, OPTION_ORDER_PASSWORD},
    {"order-session", required_argument, NULL, OPTION_ORDER_SESSION},
    {"order-log", required_argument, NULL, OPTION_ORDER_LOG},
    {"cancel-on-disconnect", no_argument, NULL, OPTION_CANCEL_ON_DISCONNECT},
    {"reject", required_argument, NULL, OPTION_REJECT},
    {"answer-delay-us", required_argument, NULL, OPTION_ANSWER_DELAY},
    {"close-after", required_argument, NULL, OPTION_CLOSE_AFTER},
    {"silent-after", required_argument, NULL, OPTION_SILENT_AFTER},
    {"deaf-after", required_argument, NULL, OPTION_DEAF_AFTER},
    {"garbage-after", required_argument, NULL, OPTION_GARBAGE_AFTER},
    {"wire-to-wire", no_argument, NULL, OPTION_WIRE_TO_WIRE},
    {"rates", required_argument, NULL, OPTION_RATES},
    {"rate-s", required_argument, NULL, OPTION_RATE_S},
    {"port", required_argument, NULL, OPTION_PORT},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

static struct exchange_address parse_address(const char *name, const char *text)
{
    char ip[32], wanted[64];
    const char *colon = strchr(text, ':');
    if (colon == NULL || (size_t)(colon - text) >= sizeof(ip)) {
        snprintf(wanted, sizeof(wanted), "--%s is IP:PORT, not", name);
        options_refuse(OPTIONS_EXIT, wanted, text);
    }
    memcpy(ip, text, (size_t)(colon - text));
    ip[colon - text] = '\0';
    return (struct exchange_address){.ip = options_ip(name, ip),
                                     .port = (uint16_t)options_u64(name, colon + 1, 0, UINT16_MAX)};
}

/* Where a line goes to. */
static struct exchange_address parse_group(const char *name, const char *text)
{
    const struct exchange_address address = parse_address(name, text);
    char wanted[96];

    if (address.ip >> 28 == 0xe)
        return address;
    snprintf(wanted, sizeof(wanted), "--%s is a multicast group, 224.0.0.0 ... 239.255.255.255, not", name);
    options_refuse(OPTIONS_EXIT, wanted, text);
}

static void add_drop(struct exchange_line *line, const char *text)
{
    unsigned long long first, last;
    int used = 0;
    if (sscanf(text, "%llu-%llu%n", &first, &last, &used) != 2 || text[used] != '\0' || text[0] == '-' || first == 0 ||
        last < first)
        options_refuse(OPTIONS_EXIT, "--drop-a, --drop-b and --drop-both are FIRST-LAST, sequences from 1, not", text);
    if (line->drop_count == EXCHANGE_RANGES_MAX)
        options_refuse(OPTIONS_EXIT, "more ranges are to be dropped than can be", text);
    line->drop[line->drop_count++] = (struct exchange_range){.first = first, .last = last};
}

static void add_pause(struct exchange_options *options, const char *name, const char *text)
{
    const uint64_t least = options->pause_count > 0 ? options->pause[options->pause_count - 1] + 1 : 1;
    if (options->pause_count == EXCHANGE_PAUSES_MAX)
        options_refuse(OPTIONS_EXIT, "more pauses than can be", text);
    options->pause[options->pause_count++] = options_u64(name, text, least, SESSION_MESSAGES_MAX + 1);
}

static void add_server(struct exchange_options *options, struct exchange_address address, uint32_t reply_loss)
{
    if (options->server_count == EXCHANGE_SERVERS_MAX)
        options_refuse(OPTIONS_EXIT, "--request and --request-port", "at most 4 servers");
    options->server[options->server_count++] =
        (struct exchange_server){.address = address, .reply_loss = reply_loss};
}

/* IP:PORT[:PCT] */
static void add_server_text(struct exchange_options *options, const char *name, char *text)
{
    char *port = strchr(text, ':'), *percent = port == NULL ? NULL : strchr(port + 1, ':');
    if (percent != NULL)
        *percent = '\0';
    add_server(options, parse_address(name, text),
               percent == NULL ? REPLY_LOSS_COMMON : options_chance(name, percent + 1));
}

static void add_rates(struct exchange_options *options, const char *name, char *text)
{
    char *rest = text;
    for (char *rate; (rate = strsep(&rest, ",")) != NULL;) {
        if (options->rate_count == EXCHANGE_RATES_MAX)
            options_refuse(OPTIONS_EXIT, "more rates than can be", text);
        options->rate[options->rate_count++] = options_u64(name, rate, 1, SESSION_RATE_MAX);
    }
}

static double parse_speed(const char *text)
{
    char *end;
    errno = 0;
    const double speed = strtod(text, &end);
    if (errno != 0 || end == text || *end != '\0' || !(speed >= 0.001) || !(speed <= 1e6))
        options_refuse(OPTIONS_EXIT, "--speed is a number, 0.001 ... 1000000, not", text);
    return speed;
}

static int64_t parse_wrong_end(const char *name, const char *text)
{
    const int64_t size = (int64_t)options_u64(name, text + (text[0] == '-'), 1, INT64_MAX);
    return text[0] == '-' ? -size : size;
}

static void parse_field(char *ret_field, uint32_t len, const char *name, const char *text)
{
    char wanted[64];
    if (soup_field(ret_field, len, text))
        return;
    snprintf(wanted, sizeof(wanted), "--%s has at most %u letters, so not", name, len);
    options_refuse(OPTIONS_EXIT, wanted, text);
}

static void parse_option(struct exchange_options *options, uint32_t *reply_loss, int option, const char *name)
{
    struct exchange_line *a = &options->line[0], *b = &options->line[1];
    switch (option) {
    case OPTION_MESSAGES:
        options->session.messages = options_u64(name, optarg, 1, SESSION_MESSAGES_MAX);
        break;
    case OPTION_SYMBOLS:
        options->session.symbols = (uint32_t)options_u64(name, optarg, 1, SESSION_SYMBOLS_MAX);
        break;
    case OPTION_SEED:
        options->session.seed = options_u64(name, optarg, 0, UINT64_MAX);
        break;
    case OPTION_RATE:
        options->session.rate_per_s = (uint32_t)options_u64(name, optarg, 1, SESSION_RATE_MAX);
        break;
    case OPTION_START:
        options->session.open_ns = options_start(optarg);
        break;
    case OPTION_ITCH:
        options->itch_path = optarg;
        break;
    case OPTION_SESSION:
        options_session(optarg, options->session_text);
        break;
    case OPTION_SPEED:
        options->speed = parse_speed(optarg);
        break;
    case OPTION_END:
        options->end_s = options_u64(name, optarg, 0, 86400);
        break;
    case OPTION_WAIT_START:
        options->wait_start = true;
        break;
    case OPTION_PAUSE:
        add_pause(options, name, optarg);
        break;
    case OPTION_INTERFACE_A:
        a->interface = options_ip(name, optarg);
        break;
    case OPTION_INTERFACE_B:
        b->interface = options_ip(name, optarg);
        break;
    case OPTION_GROUP_A:
        a->group = parse_group(name, optarg);
        break;
    case OPTION_GROUP_B:
        b->group = parse_group(name, optarg);
        break;
    case OPTION_TTL:
        options->ttl = (uint32_t)options_u64(name, optarg, 0, 255);
        break;
    case OPTION_LOSS_A:
        a->loss = options_chance(name, optarg);
        break;
    case OPTION_LOSS_B:
        b->loss = options_chance(name, optarg);
        break;
    case OPTION_LOSS_BOTH:
        options->loss_both = options_chance(name, optarg);
        break;
    case OPTION_DROP_A:
        add_drop(a, optarg);
        break;
    case OPTION_DROP_B:
        add_drop(b, optarg);
        break;
    case OPTION_DROP_BOTH:
        add_drop(a, optarg);
        add_drop(b, optarg);
        break;
    case OPTION_SKEW:
        b->skew_ns = options_u64(name, optarg, 0, 10000000) * 1000;
        break;
    case OPTION_REQUEST:
        add_server_text(options, name, optarg);
        break;
    case OPTION_REQUEST_PORT:
        add_server(options, (struct exchange_address){.port = (uint16_t)options_u64(name, optarg, 0, UINT16_MAX)},
                   REPLY_LOSS_COMMON);
        break;
    case OPTION_REPLY_LOSS:
        *reply_loss = options_chance(name, optarg);
        break;
    case OPTION_REQUEST_DEAD:
        options->request_dead = true;
        break;
    case OPTION_GLIMPSE:
        options->glimpse = true;
        options->glimpse_address = parse_address(name, optarg);
        break;
    case OPTION_GLIMPSE_PORT:
        options->glimpse = true;
        options->glimpse_address =
            (struct exchange_address){.port = (uint16_t)options_u64(name, optarg, 0, UINT16_MAX)};
        break;
    case OPTION_USERNAME:
        parse_field(options->username, SOUP_USERNAME_LEN, name, optarg);
        break;
    case OPTION_PASSWORD:
        parse_field(options->password, SOUP_PASSWORD_LEN, name, optarg);
        break;
    case OPTION_SPIN_BREAK:
        options->spin_break_after = options_u64(name, optarg, 1, UINT64_MAX);
        break;
    case OPTION_SPIN_WRONG:
        options->spin_wrong_end = parse_wrong_end(name, optarg);
        break;
    case OPTION_ORDERS:
        options->orders = true;
        options->orders_address = parse_address(name, optarg);
        break;
    case OPTION_ORDER_USERNAME:
        parse_field(options->desk.username, SOUP_USERNAME_LEN, name, optarg);
        break;
    case OPTION_ORDER_PASSWORD:
        parse_field(options->desk.password, SOUP_PASSWORD_LEN, name, optarg);
        break;
    case OPTION_ORDER_SESSION:
        parse_field(options->desk.session, SOUP_SESSION_LEN, name, optarg);
        break;
    case OPTION_ORDER_LOG:
        options->order_log = optarg;
        break;
    case OPTION_CANCEL_ON_DISCONNECT:
        options->desk.cancel_on_disconnect = true;
        break;
    case OPTION_REJECT:
        options->desk.reject_share = (double)options_chance(name, optarg) / OPTIONS_CHANCE_PARTS;
        break;
    case OPTION_ANSWER_DELAY:
        options->desk.answer_delay_ns = options_u64(name, optarg, 0, 60000000) * 1000;
        break;
    case OPTION_CLOSE_AFTER:
        options->desk.close_after = options_u64(name, optarg, 1, UINT64_MAX);
        break;
    case OPTION_SILENT_AFTER:
        options->desk.silent_after = options_u64(name, optarg, 1, UINT64_MAX);
        break;
    case OPTION_DEAF_AFTER:
        options->desk.deaf_after = options_u64(name, optarg, 1, UINT64_MAX);
        break;
    case OPTION_GARBAGE_AFTER:
        options->desk.garbage_after = options_u64(name, optarg, 1, UINT64_MAX);
        break;
    case OPTION_WIRE_TO_WIRE:
        options->wire_to_wire = true;
        break;
    case OPTION_RATES:
        add_rates(options, name, optarg);
        break;
    case OPTION_RATE_S:
        options->rate_s = options_u64(name, optarg, 1, 3600);
        break;
    case OPTION_PORT:
        options->port = optarg;
        break;
    case OPTION_HELP:
        fputs(help, stdout);
        exit(0);
    default:
        exit(OPTIONS_EXIT); /* getopt has said what */
    }
}

void exchange_options_parse(int argc, char **argv, struct exchange_options *ret_options)
{
    struct exchange_options options = {
        .session = {.seed = 1, .messages = 1000000, .open_ns = SESSION_OPEN_NS, .symbols = 200, .rate_per_s = 40000},
        .line = {{.interface = 0x7f000001u, .group = {.ip = 0xefc00101u, .port = 26477}},
                 {.group = {.ip = 0xefc00201u, .port = 26478}}},
        .speed = 1,
        .end_s = 3,
        .rate_s = 5,
        .ttl = 1,
    };
    uint32_t reply_loss = 0;
    int option, idx = 0;
    options_session("TGDEMO0001", options.session_text);
    parse_field(options.username, SOUP_USERNAME_LEN, "username", "tick01");
    parse_field(options.password, SOUP_PASSWORD_LEN, "password", "");
    parse_field(options.desk.username, SOUP_USERNAME_LEN, "order-username", "desk");
    parse_field(options.desk.password, SOUP_PASSWORD_LEN, "order-password", "");
    parse_field(options.desk.session, SOUP_SESSION_LEN, "order-session", "ORDERS0001");
    while ((option = getopt_long(argc, argv, "", long_options, &idx)) != -1)
        parse_option(&options, &reply_loss, option, long_options[idx].name);
    if (optind < argc)
        options_refuse(OPTIONS_EXIT, "takes no arguments but options; see --help", argv[optind]);
    if (options.order_log && !options.orders)
        options_refuse(OPTIONS_EXIT, "--order-log", "nobody takes orders, so it needs --orders");
    if (options.wire_to_wire && !options.orders && !options.port)
        options_refuse(OPTIONS_EXIT, "--wire-to-wire", "measures orders, so it needs --orders or --port");
    if (options.port && (options.orders || options.glimpse || options.server_count > 0))
        options_refuse(OPTIONS_EXIT, "--port", "has no desk and no servers: not with --orders, --glimpse, --request");
    if (options.itch_path == NULL)
        options_check_session(&options.session);
    const uint32_t home = options.line[0].interface;
    if (options.line[1].interface == 0)
        options.line[1].interface = home;
    for (uint32_t i = 0; i < options.server_count; i++) {
        struct exchange_server *server = &options.server[i];
        server->address.ip = server->address.ip == 0 ? home : server->address.ip;
        server->reply_loss = server->reply_loss == REPLY_LOSS_COMMON ? reply_loss : server->reply_loss;
    }
    if (options.glimpse_address.ip == 0)
        options.glimpse_address.ip = home;
    options.desk.seed = options.session.seed;
    *ret_options = options;
}
