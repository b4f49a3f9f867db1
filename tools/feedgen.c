/* feedgen: a generated session of ITCH 5.0 (tools/session.h) as captures: nanosecond pcaps of the A and B lines in
 * MoldUDP64, or a BinaryFILE. With losses, a skew between the lines and other packet boundaries, all seeded: the same
 * options give the same bytes on every machine. What a line loses or how late it is never changes a message. */
#include "feed/mold.h"
#include "feed/wire.h"
#include "gateway/capture/capture.h"
#include "tools/options.h"
#include "tools/session.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAYLOAD_MAX 1472u              /* Ethernet's 1,500 bytes without IPv4 and UDP headers */
#define TRANSIT_NS 1000u               /* from the venue's timestamp to the capture, at least, and jitter on top */
#define TRANSIT_JITTER_NS 800u
#define WIRE_NS_PER_10_BYTES 8u        /* 10 Gb/s: frames of a line cannot overlap */
#define HEARTBEAT_NS UINT64_C(1000000000)
#define END_PACKETS 3u
#define END_GAP_NS UINT64_C(100000000)
#define OTHER_CUT_NS 20000u            /* --cut-differently: B waits this long for more messages */
#define OTHER_CUT_MAX 12u
#define SESSION_TEXT_DEFAULT "TGDEMO0001"
#define NS_PER_S UINT64_C(1000000000)

struct line {
    const char *name;
    const char *path;              /* NULL: this line is not written */
    uint32_t group;
    uint32_t udp_port;
    uint32_t loss;                 /* chance of a packet to be lost */
    struct capture_out *out;
    struct session_random random;
    uint64_t sent_ns;              /* session time of the last packet, lost ones too */
    uint64_t captured_ns;          /* capture time of the last frame */
    uint64_t lost_seq_end;         /* one behind the last message that this line has lost */
    uint64_t packet_count, lost_packet_count, lost_message_count, heartbeat_count;
    uint64_t first_seq;            /* of the packet being filled */
    uint64_t last_ns;              /* time of its last message */
    uint32_t count;                /* its messages, 0 = none is being filled */
    uint32_t count_max;
    uint32_t payload_len;
    uint8_t frame[CAPTURE_HEADERS_LEN + PAYLOAD_MAX];
};

static struct options {
    struct session_params session;
    struct line line[2];
    const char *itch_path;
    uint32_t source;
    uint32_t loss_both;
    uint64_t skew_ns;
    uint64_t midnight_ns;          /* of the session date in New York, ns since the UTC epoch */
    char session_text[MOLD_SESSION_LEN];
    bool cut_differently;
} options = {
    .session = {.seed = 1, .messages = 1000000, .open_ns = SESSION_OPEN_NS, .symbols = 200, .rate_per_s = 40000},
    .line = {{.name = "A", .group = 0xefc00101u, .udp_port = 26477},
             {.name = "B", .group = 0xefc00201u, .udp_port = 26478}},
    .source = 0x0a0a0101u,
    .skew_ns = 1500,
    .midnight_ns = UINT64_C(1767589200) * NS_PER_S,
    .session_text = {'T', 'G', 'D', 'E', 'M', 'O', '0', '0', '0', '1'},
};

static const char *const help =
    "usage: feedgen [--out-a FILE] [--out-b FILE] [--itch FILE] [options]\n"
    "Generate a session of Nasdaq TotalView-ITCH 5.0 in MoldUDP64: the same options give the same bytes everywhere.\n\n"
    "  --out-a FILE, --out-b FILE  nanosecond pcap of the A or B line\n"
    "  --itch FILE                 the messages as a BinaryFILE\n"
    "  --messages N                messages in all (default 1000000)\n"
    "  --symbols N                 instruments, 1 ... 10000 (default 200)\n"
    "  --seed N                    another session (default 1)\n"
    "  --rate N                    messages a second of market hours, on average (default 40000)\n"
    "  --loss-a PCT, --loss-b PCT  packets that the line loses; no message is lost on both\n"
    "  --loss-both PCT             packets lost on both lines; at least one if not 0\n"
    "  --skew-ns N                 B comes so much later than A, give or take half of it (default 1500)\n"
    "  --cut-differently           B puts the messages into other packets than A\n"
    "  --group-a IP, --port-a N    destination of A (default 239.192.1.1, 26477); likewise B (239.192.2.1, 26478)\n"
    "  --source IP                 sender's address (default 10.10.1.1)\n"
    "  --session TEXT              MoldUDP64 session, up to 10 letters (default " SESSION_TEXT_DEFAULT ")\n"
    "  --date YYYY-MM-DD           session date, times are New York's (default 2026-01-05)\n"
    "  --start HH:MM               open of the market (default 09:30); the directory comes two seconds before it\n"
    "  --help                      this text\n\n"
    "exit code: 0 good, 1 a file cannot be written, 2 arguments are wrong\n";

/* Days from 1970-01-01 to the first of a month; `month` from 1. */
static int64_t days_before(int year, int month)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    const int leaps = (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400 - 477;
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return (int64_t)(year - 1970) * 365 + leaps + before[month - 1] + (leap && month > 2);
}

/* Midnight of a date in New York, ns since the UTC epoch. Daylight saving time as since 2007: from the second Sunday of
 * March to the first of November, both at two in the morning, so that it is not yet so at midnight of these days. */
static uint64_t parse_date(const char *text)
{
    static const int days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year, month, day, used = 0;
    if (sscanf(text, "%4d-%2d-%2d%n", &year, &month, &day, &used) != 3 || text[used] != '\0' || used != 10 ||
        year < 2007 || year > 2099 || month < 1 || month > 12 || day < 1 || day > days[month - 1] ||
        days_before(year, month) + day > days_before(month == 12 ? year + 1 : year, month == 12 ? 1 : month + 1))
        options_refuse(OPTIONS_EXIT, "--date is YYYY-MM-DD, 2007 ... 2099, not", text);
    /* 1970-01-01 was a Thursday: weekday 0 is Sunday */
    const int march_first = (int)((days_before(year, 3) + 4) % 7),
              november_first = (int)((days_before(year, 11) + 4) % 7);
    const int march_sunday = 8 + (7 - march_first) % 7, november_sunday = 1 + (7 - november_first) % 7;
    const bool saving = (month > 3 && month < 11) || (month == 3 && day > march_sunday) ||
                        (month == 11 && day <= november_sunday);
    const int64_t midnight_s = (days_before(year, month) + day - 1) * 86400 + (saving ? 4 : 5) * 3600;
    return (uint64_t)midnight_s * NS_PER_S;
}

enum {
    OPTION_OUT_A = 1,
    OPTION_OUT_B,
    OPTION_ITCH,
    OPTION_MESSAGES,
    OPTION_SYMBOLS,
    OPTION_SEED,
    OPTION_RATE,
    OPTION_LOSS_A,
    OPTION_LOSS_B,
    OPTION_LOSS_BOTH,
    OPTION_SKEW,
    OPTION_CUT,
    OPTION_GROUP_A,
    OPTION_GROUP_B,
    OPTION_PORT_A,
    OPTION_PORT_B,
    OPTION_SOURCE,
    OPTION_SESSION,
    OPTION_DATE,
    OPTION_START,
    OPTION_HELP
};

static const struct option long_options[] = {
    {"out-a", required_argument, NULL, OPTION_OUT_A},       {"out-b", required_argument, NULL, OPTION_OUT_B},
    {"itch", required_argument, NULL, OPTION_ITCH},         {"messages", required_argument, NULL, OPTION_MESSAGES},
    {"symbols", required_argument, NULL, OPTION_SYMBOLS},   {"seed", required_argument, NULL, OPTION_SEED},
    {"rate", required_argument, NULL, OPTION_RATE},         {"loss-a", required_argument, NULL, OPTION_LOSS_A},
    {"loss-b", required_argument, NULL, OPTION_LOSS_B},     {"loss-both", required_argument, NULL, OPTION_LOSS_BOTH},
    {"skew-ns", required_argument, NULL, OPTION_SKEW},      {"cut-differently", no_argument, NULL, OPTION_CUT},
    {"group-a", required_argument, NULL, OPTION_GROUP_A},   {"group-b", required_argument, NULL, OPTION_GROUP_B},
    {"port-a", required_argument, NULL, OPTION_PORT_A},     {"port-b", required_argument, NULL, OPTION_PORT_B},
    {"source", required_argument, NULL, OPTION_SOURCE},     {"session", required_argument, NULL, OPTION_SESSION},
    {"date", required_argument, NULL, OPTION_DATE},         {"start", required_argument, NULL, OPTION_START},
    {"help", no_argument, NULL, OPTION_HELP},               {NULL, 0, NULL, 0},
};

static void parse_option(int option, const char *name)
{
    struct line *a = &options.line[0], *b = &options.line[1];
    switch (option) {
    case OPTION_OUT_A:
        a->path = optarg;
        break;
    case OPTION_OUT_B:
        b->path = optarg;
        break;
    case OPTION_ITCH:
        options.itch_path = optarg;
        break;
    case OPTION_MESSAGES:
        options.session.messages = options_u64(name, optarg, 1, SESSION_MESSAGES_MAX);
        break;
    case OPTION_SYMBOLS:
        options.session.symbols = (uint32_t)options_u64(name, optarg, 1, SESSION_SYMBOLS_MAX);
        break;
    case OPTION_SEED:
        options.session.seed = options_u64(name, optarg, 0, UINT64_MAX);
        break;
    case OPTION_RATE:
        options.session.rate_per_s = (uint32_t)options_u64(name, optarg, 1, SESSION_RATE_MAX);
        break;
    case OPTION_LOSS_A:
        a->loss = options_chance(name, optarg);
        break;
    case OPTION_LOSS_B:
        b->loss = options_chance(name, optarg);
        break;
    case OPTION_LOSS_BOTH:
        options.loss_both = options_chance(name, optarg);
        break;
    case OPTION_SKEW:
        options.skew_ns = options_u64(name, optarg, 0, 4 * NS_PER_S);
        break;
    case OPTION_CUT:
        options.cut_differently = true;
        break;
    case OPTION_GROUP_A:
        a->group = options_ip(name, optarg);
        break;
    case OPTION_GROUP_B:
        b->group = options_ip(name, optarg);
        break;
    case OPTION_PORT_A:
        a->udp_port = (uint32_t)options_u64(name, optarg, 1, UINT16_MAX);
        break;
    case OPTION_PORT_B:
        b->udp_port = (uint32_t)options_u64(name, optarg, 1, UINT16_MAX);
        break;
    case OPTION_SOURCE:
        options.source = options_ip(name, optarg);
        break;
    case OPTION_SESSION:
        options_session(optarg, options.session_text);
        break;
    case OPTION_DATE:
        options.midnight_ns = parse_date(optarg);
        break;
    case OPTION_START:
        options.session.open_ns = options_start(optarg);
        break;
    case OPTION_HELP:
        fputs(help, stdout);
        exit(0);
    default:
        exit(2); /* getopt has said what */
    }
}

static void parse_arguments(int argc, char **argv)
{
    int option, idx = 0;
    while ((option = getopt_long(argc, argv, "", long_options, &idx)) != -1)
        parse_option(option, long_options[idx].name);
    if (optind < argc)
        options_refuse(OPTIONS_EXIT, "takes no arguments but options; see --help", argv[optind]);
    if (options.line[0].path == NULL && options.line[1].path == NULL && options.itch_path == NULL)
        options_refuse(OPTIONS_EXIT, "nothing to write", "give --out-a, --out-b or --itch; see --help");
    const char *const path[] = {options.line[0].path, options.line[1].path, options.itch_path};
    for (uint32_t i = 0; i < 3; i++)
        if (path[i] && path[(i + 1) % 3] && strcmp(path[i], path[(i + 1) % 3]) == 0)
            options_refuse(OPTIONS_EXIT, "two outputs into one file", path[i]);
    options_check_session(&options.session);
}

/* lines */

/* Put the frame into the capture, at a time that depends on when the venue sent it. */
static void line_write(struct line *line, uint16_t message_count, uint64_t seq, uint64_t sent_ns)
{
    const uint64_t skew_ns = line == &options.line[0] ? 0 : options.skew_ns;
    uint64_t captured_ns = options.midnight_ns + sent_ns + TRANSIT_NS;
    captured_ns += session_random_below(&line->random, TRANSIT_JITTER_NS) + skew_ns / 2;
    if (skew_ns > 0)
        captured_ns += session_random_below(&line->random, (uint32_t)skew_ns + 1);
    mold_encode_header(line->frame + CAPTURE_HEADERS_LEN, options.session_text, seq, message_count);
    const uint32_t len = capture_encode_udp(line->frame, line->group, (uint16_t)line->udp_port, options.source,
                                            (uint16_t)line->udp_port, MOLD_HEADER_LEN + line->payload_len);
    const uint64_t wire_ns = (uint64_t)len * WIRE_NS_PER_10_BYTES / 10;
    if (captured_ns < line->captured_ns + wire_ns)
        captured_ns = line->captured_ns + wire_ns;
    line->captured_ns = captured_ns;
    const int error = capture_out_write(line->out, captured_ns, line->frame, len);
    if (error != 0)
        options_refuse(1, line->path, strerror(-error));
}

/* The packet being filled is complete. `other`: the line that must not have lost, or lose, the same messages; NULL when
 * this loss is wanted on both. */
static void line_finish_packet(struct line *line, const struct line *other, bool lost_on_both)
{
    if (line->count == 0)
        return;
    /* The dice are rolled whether or not they decide anything: one loss then does not move all later ones. */
    bool lost = options_happens(&line->random, line->loss);
    lost = lost && !(other->path != NULL && other->lost_seq_end > line->first_seq);
    if (lost || lost_on_both) {
        line->lost_packet_count++;
        line->lost_message_count += line->count;
        line->lost_seq_end = line->first_seq + line->count;
    } else {
        line_write(line, (uint16_t)line->count, line->first_seq, line->last_ns);
        line->packet_count++;
    }
    line->sent_ns = line->last_ns;
    line->count = 0;
}

/* Heartbeats of a quiet line up to `now_ns`; `next_seq` is the sequence of the next message. */
static void line_keep_alive(struct line *line, uint64_t next_seq, uint64_t now_ns)
{
    line->payload_len = 0;
    while (line->sent_ns != 0 && now_ns - line->sent_ns > HEARTBEAT_NS) {
        line->sent_ns += HEARTBEAT_NS;
        line_write(line, 0, next_seq, line->sent_ns);
        line->heartbeat_count++;
    }
}

static void line_add(struct line *line, const uint8_t *message, uint32_t message_len, uint64_t seq, uint64_t now_ns)
{
    if (line->count == 0) {
        line_keep_alive(line, seq, now_ns);
        line->first_seq = seq;
        line->payload_len = 0;
        line->count_max = line == &options.line[1] && options.cut_differently
                              ? 1 + session_random_below(&line->random, OTHER_CUT_MAX) : SESSION_CLUSTER_MAX;
    }
    uint8_t *block = line->frame + CAPTURE_HEADERS_LEN + MOLD_HEADER_LEN + line->payload_len;
    store_be16(block, (uint16_t)message_len);
    memcpy(block + 2, message, message_len);
    line->payload_len += 2 + message_len;
    line->last_ns = now_ns;
    line->count++;
}

static bool line_full(const struct line *line, uint32_t message_len, uint64_t now_ns)
{
    const bool other_cut = line == &options.line[1] && options.cut_differently;
    return line->count > 0 && (line->count == line->count_max ||
                               MOLD_HEADER_LEN + line->payload_len + 2 + message_len > PAYLOAD_MAX ||
                               now_ns - line->last_ns >= (other_cut ? OTHER_CUT_NS : SESSION_CLUSTER_GAP_NS));
}

static void line_end(struct line *line, uint64_t next_seq)
{
    line->payload_len = 0;
    for (uint32_t i = 0; i < END_PACKETS; i++) {
        line->sent_ns += END_GAP_NS;
        line_write(line, MOLD_COUNT_END, next_seq, line->sent_ns);
    }
}

/* the session */

static void binaryfile_write(FILE *file, const uint8_t *message, uint32_t message_len)
{
    uint8_t prefix[2];
    store_be16(prefix, (uint16_t)message_len);
    if (fwrite(prefix, 2, 1, file) != 1 || (message_len > 0 && fwrite(message, message_len, 1, file) != 1))
        options_refuse(1, options.itch_path, strerror(errno));
}

static void generate(FILE *binaryfile)
{
    struct line *lines = options.line;
    struct session *session = session_open(&options.session);
    struct session_random random;
    struct itch_msg msg;
    uint64_t first_ns = 0, last_ns = 0, seq = 0, both_count = 0;
    /* Whose packets --loss-both is about: A's, if A is written. */
    const struct line *leader = &lines[lines[0].path == NULL];
    bool lost_on_both = false; /* the packet that the leader is filling now */
    if (session == NULL)
        options_refuse(1, "session", "no memory");
    session_random_init(&random, options.session.seed ^ 0x6c6f7373u);
    while (session_next(session, &msg)) {
        uint8_t message[ITCH_LENGTH_MAX];
        const uint32_t message_len = itch_encode(&msg, message);
        seq++;
        first_ns = first_ns == 0 ? msg.timestamp_ns : first_ns;
        last_ns = msg.timestamp_ns;
        if (binaryfile != NULL)
            binaryfile_write(binaryfile, message, message_len);
        /* A packet lost on both begins and ends at the same message on both lines. */
        const bool full = line_full(leader, message_len, last_ns);
        const bool begins = full || leader->count == 0;
        const bool dooms = begins && (options_happens(&random, options.loss_both) ||
                                      (options.loss_both > 0 && both_count == 0 && seq > options.session.messages / 2));
        const bool cuts_both = (full && lost_on_both) || dooms;
        for (uint32_t i = 0; i < 2; i++)
            if (cuts_both || line_full(&lines[i], message_len, last_ns))
                line_finish_packet(&lines[i], &lines[1 - i], lost_on_both);
        if (begins) {
            lost_on_both = dooms;
            both_count += dooms;
        }
        for (uint32_t i = 0; i < 2; i++) {
            if (lines[i].path == NULL)
                continue;
            line_add(&lines[i], message, message_len, seq, last_ns);
            if (lost_on_both)
                lines[i].count_max = SESSION_CLUSTER_MAX; /* the leader's, so that both end at one message */
        }
    }
    for (uint32_t i = 0; i < 2; i++) {
        if (lines[i].path == NULL)
            continue;
        line_finish_packet(&lines[i], &lines[1 - i], lost_on_both);
        line_end(&lines[i], seq + 1);
    }
    session_close(session);
    printf("%" PRIu64 " messages of %" PRIu32 " symbols in %.3f s of session, seed %" PRIu64 "\n", seq,
           options.session.symbols, (double)(last_ns - first_ns) / 1e9, options.session.seed);
}

int main(int argc, char **argv)
{
    char error[CAPTURE_ERROR_MAX];
    FILE *binaryfile = NULL;
    parse_arguments(argc, argv);
    for (uint32_t i = 0; i < 2; i++) {
        struct line *line = &options.line[i];
        /* not the session's own numbers: what a line loses must not change a message */
        session_random_init(&line->random, options.session.seed ^ (0x6c696e65u + i));
        if (line->path != NULL && (line->out = capture_out_open(line->path, error)) == NULL)
            options_refuse(1, "capture", error);
    }
    if (options.itch_path != NULL && (binaryfile = fopen(options.itch_path, "wbe")) == NULL)
        options_refuse(1, options.itch_path, strerror(errno));

    generate(binaryfile);

    if (binaryfile != NULL) {
        binaryfile_write(binaryfile, NULL, 0); /* end marker */
        if (fclose(binaryfile) != 0)
            options_refuse(1, options.itch_path, strerror(errno));
        printf("BinaryFILE %s\n", options.itch_path);
    }
    for (uint32_t i = 0; i < 2; i++) {
        const struct line *line = &options.line[i];
        if (line->path == NULL)
            continue;
        const int result = capture_out_close(line->out);
        if (result != 0)
            options_refuse(1, line->path, strerror(-result));
        printf("line %s %s: %" PRIu64 " packets, %" PRIu64 " heartbeats, %" PRIu64 " packets with %" PRIu64
               " messages lost\n",
               line->name, line->path, line->packet_count, line->heartbeat_count, line->lost_packet_count,
               line->lost_message_count);
    }
    return 0;
}
