/* `tickgate inspect`: what is in a capture, through the parse, arbitrate, decode and book code of the receive loop.
 *
 * Main thread, no EAL, no config: which groups belong together is read from the MoldUDP64 session names. Streams:
 * memory depends on the live orders, not on the size of the captures. */
#include "gateway/cmd/inspect.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "gateway/cmd/cmd.h"
#include "ring/check.h"

#define ORDERS_MAX_DEFAULT (1u << 22)
#define ORDERS_MAX_LEAST   1024u
#define ADD_BLOCK_LEN      38u /* an order in a capture takes this many bytes at least: length and Add Order */

static const char help_text[] =
    "usage: tickgate inspect [options] FILE...\n"
    "\n"
    "Says what is in captures of MoldUDP64 / ITCH 5.0, through the code of the receive loop. FILE is a pcap, a\n"
    "pcapng or a Nasdaq BinaryFILE, plain or gzipped; several are merged by time. Every UDP destination is looked\n"
    "at; datagrams of one MoldUDP64 session are one channel, and their groups are its lines (A, B,\n"
    "retransmissions). Packets of CME MDP 3.0 are arbitrated too, all as one channel (choose with --group); their\n"
    "messages are counted by template, not decoded, and --reorder-* does not apply to them.\n"
    "\n"
    "  --books               best bid and ask, levels, live orders and total quantity of each symbol\n"
    "  --messages            one line for each message delivered, in order\n"
    "  --json                one JSON document; prices are integers of 1/10,000\n"
    "  --framing NAME        mold or mdp3: only packets of this framing; auto (default): whatever each datagram is\n"
    "  --group IP:PORT       only this destination; may be given up to 32 times\n"
    "  --reorder-packets N   keep up to N packets behind a hole while another line may fill it (0-256; default 0: a\n"
    "                        hole is reported and passed at once, what comes later for it is a duplicate)\n"
    "  --reorder-us N        ... for at most N microseconds of capture time (default 1000)\n"
    "  --orders-max N        room for N live orders in each channel (default: what the files can hold, at most\n"
    "                        4194304)\n"
    "  --help\n"
    "\n"
    "frames       all frames of the captures          datagrams    UDP datagrams among them\n"
    "duplicates   packets that brought nothing new    heartbeats   packets of message count 0\n"
    "gaps         messages that no line had in time   unsequenced  packets of sequence 0: delivered, not arbitrated\n"
    "orphans      references to orders never seen     malformed    datagrams and messages refused, by reason\n"
    "\n"
    "Exit code: 0; 1 if a capture is damaged or could not be inspected completely (the report says what was good);\n"
    "2 for wrong arguments.\n";

static void add_error(struct inspect *inspect, const char *sentence)
{
    const size_t used = strlen(inspect->error);
    fprintf(stderr, "tickgate inspect: %s\n", sentence);
    snprintf(inspect->error + used, sizeof(inspect->error) - used, "%s%s", used > 0 ? "; " : "", sentence);
}

/* ---- one frame's way ---- */

static void note_gap(struct inspect *inspect, uint32_t channel_idx, struct inspect_gap gap)
{
    struct inspect_channel *found = inspect->channel[channel_idx];
    found->missed_count += gap.count;
    if (found->gap_count == INSPECT_GAPS_MAX) {
        found->gap_unlisted_count++;
        return;
    }
    if ((found->gap_count & (found->gap_count - 1)) == 0) { /* grown to the next power of two */
        const size_t room = found->gap_count == 0 ? 1 : (size_t)found->gap_count * 2;
        struct inspect_gap *list = realloc(found->gap_list, room * sizeof(*list));
        if (list == NULL) {
            found->gap_unlisted_count++;
            return;
        }
        found->gap_list = list;
    }
    found->gap_list[found->gap_count++] = gap;
}

static uint64_t sum_counts(const uint64_t *counts, uint32_t count)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += counts[i];
    return sum;
}

/* Take everything that the channel has to say. */
static void drain(struct inspect *inspect, uint32_t channel_idx, struct channel_cursor *cursor)
{
    struct inspect_channel *found = inspect->channel[channel_idx];
    const struct channel_counters *counters = channel_counters(found->channel);
    const struct arb *arb = channel_arb(found->channel);
    uint64_t orphans = inspect->messages ? sum_counts(counters->orphan_count, 256) : 0;

    while (channel_next(found->channel, cursor)) {
        for (uint32_t i = 0; i < cursor->event_count; i++) {
            const struct md_event *event = &cursor->event[i];
            if (event->type == MD_STALE_BEGIN) {
                /* An event's quantity saturates, the arbiter's does not. */
                const bool same = arb->hole_first_seq == event->ref;
                const struct inspect_gap gap = {event->ref, same ? arb->hole_len_count : event->qty};
                note_gap(inspect, channel_idx, gap);
                if (inspect->messages)
                    inspect_report_gap(inspect, channel_idx, gap);
            } else if (event->type == MD_ADD) {
                found->had_orders[event->instrument / 64] |= UINT64_C(1) << event->instrument % 64;
            }
        }
        if (cursor->message == NULL)
            continue;
        if (cursor->seq != 0) {
            found->first_seq = found->first_seq == 0 ? cursor->seq : found->first_seq;
            found->last_seq = cursor->seq;
        }
        if (inspect->messages) {
            const uint64_t orphans_now = sum_counts(counters->orphan_count, 256);
            inspect_report_message(inspect, channel_idx, cursor, orphans_now != orphans);
            orphans = orphans_now;
        }
    }
}

static struct inspect_channel *no_memory(struct inspect *inspect, struct inspect_channel *found, void *memory)
{
    free(found);
    free(memory);
    inspect->no_memory = true;
    return NULL;
}

static struct inspect_channel *add_found(struct inspect *inspect, struct inspect_channel *found, enum framing framing)
{
    found->framing = framing;
    health_init(&found->health, ARB_LINES_MAX, 0);
    inspect->channel[inspect->channel_count++] = found;
    return found;
}

/* MDP 3.0 has no sessions: all of its packets are one channel; choose with --group where they are not. */
static struct inspect_channel *open_packets(struct inspect *inspect)
{
    struct inspect_channel *found = calloc(1, sizeof(*found));
    struct inspect_packets *packets = calloc(1, sizeof(*packets));
    if (found == NULL || packets == NULL)
        return no_memory(inspect, found, packets);
    found->packets = packets;
    arb_init(&packets->arb, ARB_LINES_MAX, 0);
    return add_found(inspect, found, FRAMING_MDP3);
}

static struct inspect_channel *open_channel(struct inspect *inspect, const uint8_t *session)
{
    const struct channel_params params = {
        .book = {.instruments_max = INSPECT_INSTRUMENTS_MAX,
                 .orders_max = inspect->orders_max,
                 .levels_max = inspect->orders_max < 1u << 26 ? inspect->orders_max : 1u << 26},
        .line_count = ARB_LINES_MAX,
        .reorder_packets = inspect->reorder_packets,
        .hold_messages = 1u << 16,
        .reorder_ns = inspect->reorder_ns,
        .midnight_ns = 0, /* so that events carry the time since midnight, as the venue has it */
        .first_seq = 0,
        .index = (uint16_t)inspect->channel_count,
    };
    const size_t bytes = channel_footprint(&params);
    CHECK(bytes != 0);
    struct inspect_channel *found = calloc(1, sizeof(*found));
    const size_t lines = (bytes + CACHE_LINE_BYTES - 1) / CACHE_LINE_BYTES;
    void *memory = aligned_alloc(CACHE_LINE_BYTES, lines * CACHE_LINE_BYTES);
    if (found == NULL || memory == NULL)
        return no_memory(inspect, found, memory);
    found->memory = memory;
    found->channel = channel_init(memory, &params);
    memcpy(found->session, session, MOLD_SESSION_LEN);
    return add_found(inspect, found, FRAMING_MOLD);
}

/* Index of the packet's channel, INSPECT_CHANNELS_MAX if there is no room for it. */
static uint32_t find_channel(struct inspect *inspect, const struct framing_packet *packet)
{
    for (uint32_t i = 0; i < inspect->channel_count; i++)
        if (inspect->channel[i]->framing == packet->framing &&
            (packet->session == NULL || memcmp(inspect->channel[i]->session, packet->session, MOLD_SESSION_LEN) == 0))
            return i;
    if (inspect->channel_count == INSPECT_CHANNELS_MAX ||
        (packet->session != NULL ? open_channel(inspect, packet->session) : open_packets(inspect)) == NULL)
        return INSPECT_CHANNELS_MAX;
    return inspect->channel_count - 1;
}

/* Which line of the channel the destination is; line_count if none. */
static uint32_t known_line(const struct inspect_channel *found, const struct frame_view *view)
{
    uint32_t line = 0;
    while (line < found->line_count &&
           (found->line[line].ip != view->dst_ip || found->line[line].udp_port != view->dst_port))
        line++;
    return line;
}

/* The same, and a new line where there was none; those beyond ARB_LINES_MAX share the last one. */
static uint32_t find_line(struct inspect_channel *found, const struct frame_view *view)
{
    uint32_t line = known_line(found, view);
    if (line == ARB_LINES_MAX)
        line--;
    else if (line == found->line_count)
        found->line[found->line_count++] = (struct inspect_group){.ip = view->dst_ip, .udp_port = view->dst_port};
    found->line[line].datagram_count++;
    return line;
}

static bool wanted(const struct inspect *inspect, const struct frame_view *view)
{
    for (uint32_t i = 0; i < inspect->group_count; i++)
        if (inspect->group[i].ip == view->dst_ip && inspect->group[i].udp_port == view->dst_port)
            return true;
    return inspect->group_count == 0;
}

/* Downstream packets with messages have at least one block; a header alone with a count, to one host, is a listener
 * that asks for messages (MoldUDP64 1.00, "Request Packet"). */
static bool is_request(const struct frame_view *view)
{
    return view->payload_len == MOLD_HEADER_LEN && view->dst_ip >> 28 != 0xe;
}

/* Is a datagram that is no packet a damaged one of MDP 3.0: asked for, or its destination is known for it? */
static bool mdp3_expected(const struct inspect *inspect, const struct frame_view *view)
{
    for (uint32_t i = 0; i < inspect->channel_count && inspect->framing == FRAMING_NONE; i++)
        if (inspect->channel[i]->framing == FRAMING_MDP3 &&
            known_line(inspect->channel[i], view) < inspect->channel[i]->line_count)
            return true;
    return inspect->framing == FRAMING_MDP3;
}

/* A datagram that is a packet of no framing asked for: why not? */
static void count_malformed(struct inspect *inspect, const struct frame_view *view)
{
    struct mold_packet packet;
    struct mdp3_packet mdp3;
    if (mdp3_expected(inspect, view)) {
        inspect->mdp3_count[mdp3_parse(view->payload, view->payload_len, &mdp3)]++;
        return;
    }
    const enum mold_verdict verdict = mold_parse(view->payload, view->payload_len, &packet);
    if (verdict == MOLD_BAD_BLOCK && is_request(view))
        inspect->request_count++;
    else if (verdict != MOLD_DATA && verdict != MOLD_HEARTBEAT && verdict != MOLD_END)
        inspect->mold_count[verdict]++;
    else
        inspect->bad_session_count++;
}

static void count_messages(struct inspect_packets *packets, const struct framing_packet *packet)
{
    const uint8_t *block = packet->blocks;
    for (uint32_t i = 0; i < packet->block_count; i++) {
        struct mdp3_message message;
        block = mdp3_next(block, &message);
        packets->template_count[message.template_id]++;
    }
    packets->message_count += packet->block_count;
}

/* A packet whose messages are not decoded. A hole is noted and passed at once. */
static void take_packet(struct inspect *inspect, uint32_t channel_idx, uint32_t line,
                        const struct framing_packet *packet, uint64_t now_ns)
{
    struct inspect_channel *found = inspect->channel[channel_idx];
    struct inspect_packets *packets = found->packets;
    uint32_t skip;
    if (packet->seq == 0) {
        packets->unsequenced_count++;
        count_messages(packets, packet);
        return;
    }
    const uint64_t next_seq = packets->arb.next_seq;
    const enum arb_verdict verdict = arb_accept(&packets->arb, line, packet->seq, packet->count, now_ns, &skip);
    packets->verdict[verdict]++;
    if (verdict == ARB_DUPLICATE)
        return;
    if (verdict == ARB_GAP) {
        const struct inspect_gap gap = {next_seq, packet->seq - next_seq};
        note_gap(inspect, channel_idx, gap);
        if (inspect->messages)
            inspect_report_gap(inspect, channel_idx, gap);
        arb_pass_hole(&packets->arb, packet->seq);
        arb_accept_held(&packets->arb, packet->seq, packet->count, &skip);
    }
    found->first_seq = found->first_seq == 0 ? packet->seq : found->first_seq;
    found->last_seq = packet->seq;
    count_messages(packets, packet);
}

static void take_frame(struct inspect *inspect, const struct capture_frame *frame)
{
    struct channel_cursor cursor;
    for (uint32_t i = 0; i < inspect->channel_count; i++) {
        struct channel *channel = inspect->channel[i]->channel;
        if (channel != NULL && frame->ts_ns >= channel_deadline_ns(channel) &&
            channel_expire(channel, frame->ts_ns, 0, &cursor))
            drain(inspect, i, &cursor);
    }

    struct frame_view view;
    const enum frame_verdict frame_verdict = frame_parse(frame->data, frame->len, &view);
    inspect->frame_count[frame_verdict]++;
    if (frame_verdict != FRAME_UDP)
        return;
    if (!wanted(inspect, &view)) {
        inspect->filtered_count++;
        return;
    }
    inspect->datagram_count++;

    struct framing_packet packet;
    if (!framing_parse(inspect->framing, view.payload, view.payload_len, &packet)) {
        count_malformed(inspect, &view);
        return;
    }
    const uint32_t channel_idx = find_channel(inspect, &packet);
    if (channel_idx == INSPECT_CHANNELS_MAX) {
        inspect->too_many_sessions_count++;
        return;
    }
    struct inspect_channel *found = inspect->channel[channel_idx];
    const uint32_t line = find_line(found, &view);
    health_packet(&found->health, line, packet.seq, packet.count, frame->ts_ns);
    if (found->packets != NULL)
        take_packet(inspect, channel_idx, line, &packet, frame->ts_ns);
    else if (channel_receive(found->channel, line, view.payload, view.payload_len, frame->ts_ns, 0, &cursor))
        drain(inspect, channel_idx, &cursor);
}

static void take_captures(struct inspect *inspect)
{
    struct capture_merge merge;
    struct capture_frame frame = {0};
    capture_merge_init(&merge, inspect->capture, inspect->capture_count);
    uint64_t count = 0;
    while (!inspect->no_memory && capture_merge_next(&merge, &frame) == CAPTURE_FRAME) {
        inspect->first_ts_ns = count == 0 || frame.ts_ns < inspect->first_ts_ns ? frame.ts_ns : inspect->first_ts_ns;
        inspect->last_ts_ns = frame.ts_ns > inspect->last_ts_ns ? frame.ts_ns : inspect->last_ts_ns;
        take_frame(inspect, &frame);
        count++;
    }
    for (uint32_t i = 0; i < inspect->channel_count; i++) {
        struct channel_cursor cursor;
        if (inspect->channel[i]->channel != NULL &&
            channel_flush(inspect->channel[i]->channel, inspect->last_ts_ns, &cursor))
            drain(inspect, i, &cursor);
    }
}

/* ---- what was not good ---- */

static void find_faults(struct inspect *inspect)
{
    char sentence[CAPTURE_ERROR_MAX];
    for (uint32_t i = 0; i < inspect->capture_count; i++)
        if (capture_error(inspect->capture[i])[0] != '\0')
            add_error(inspect, capture_error(inspect->capture[i]));
    if (inspect->no_memory) {
        snprintf(sentence, sizeof(sentence),
                 "no memory for the books of one more channel (%u orders): inspected only up to there; give a smaller "
                 "--orders-max",
                 inspect->orders_max);
        add_error(inspect, sentence);
    } else if (inspect->too_many_sessions_count > 0) {
        snprintf(sentence, sizeof(sentence),
                 "more than %u MoldUDP64 sessions: %llu datagrams were not inspected; choose with --group",
                 INSPECT_CHANNELS_MAX, (unsigned long long)inspect->too_many_sessions_count);
        add_error(inspect, sentence);
    }
    for (uint32_t i = 0; i < inspect->channel_count; i++) {
        if (inspect->channel[i]->channel == NULL)
            continue;
        const struct book_counters *book = book_counters(channel_book(inspect->channel[i]->channel));
        const uint64_t full = book->verdict[BOOK_ORDERS_FULL] + book->verdict[BOOK_LEVELS_FULL];
        if (full == 0)
            continue;
        snprintf(sentence, sizeof(sentence),
                 "channel %u: no room for %llu orders beyond %u: books and orphans are wrong from there on; give a "
                 "larger --orders-max",
                 i, (unsigned long long)full, inspect->orders_max);
        add_error(inspect, sentence);
    }
}

/* ---- arguments ---- */

static bool parse_number(const char *text, uint64_t least, uint64_t most, uint64_t *ret_value)
{
    char *end;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || value < least || value > most)
        return false;
    *ret_value = value;
    return true;
}

static bool parse_group(const char *text, struct inspect_group *ret_group)
{
    char address[INET_ADDRSTRLEN];
    const char *colon = strchr(text, ':');
    struct in_addr ip;
    uint64_t udp_port;
    if (colon == NULL || (size_t)(colon - text) >= sizeof(address))
        return false;
    memcpy(address, text, (size_t)(colon - text));
    address[colon - text] = '\0';
    if (inet_pton(AF_INET, address, &ip) != 1 || !parse_number(colon + 1, 1, 65535, &udp_port))
        return false;
    *ret_group = (struct inspect_group){.ip = ntohl(ip.s_addr), .udp_port = (uint16_t)udp_port};
    return true;
}

static int refuse(const char *sentence, const char *value)
{
    fprintf(stderr, "tickgate inspect: %s%s; see tickgate inspect --help\n", sentence, value);
    return CMD_USAGE;
}

/* -1: go on; else the exit code. */
static int parse_arguments(struct inspect *inspect, int argc, char **argv)
{
    enum { OPT_FRAMING = 255, OPT_GROUP, OPT_ORDERS_MAX, OPT_REORDER_PACKETS, OPT_REORDER_US };
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'},
        {"books", no_argument, NULL, 'b'},
        {"messages", no_argument, NULL, 'm'},
        {"framing", required_argument, NULL, OPT_FRAMING},
        {"group", required_argument, NULL, OPT_GROUP},
        {"orders-max", required_argument, NULL, OPT_ORDERS_MAX},
        {"reorder-packets", required_argument, NULL, OPT_REORDER_PACKETS},
        {"reorder-us", required_argument, NULL, OPT_REORDER_US},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    uint64_t value;
    inspect->reorder_ns = 1000000;
    optind = 0; /* a process may call this twice (tests) */
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        switch (option) {
        case 'j':
            inspect->json = true;
            break;
        case 'b':
            inspect->books = true;
            break;
        case 'm':
            inspect->messages = true;
            break;
        case OPT_FRAMING:
            inspect->framing = strcmp(optarg, "mold") == 0 ? FRAMING_MOLD : FRAMING_NONE;
            if (strcmp(optarg, "mdp3") == 0)
                inspect->framing = FRAMING_MDP3;
            else if (inspect->framing == FRAMING_NONE && strcmp(optarg, "auto") != 0)
                return refuse("--framing is mold, mdp3 or auto, not ", optarg);
            break;
        case OPT_GROUP:
            if (inspect->group_count == INSPECT_GROUPS_MAX)
                return refuse("too many --group, at most 32: ", optarg);
            if (!parse_group(optarg, &inspect->group[inspect->group_count]))
                return refuse("--group wants an IPv4 address and a port like 233.54.12.111:26477, not ", optarg);
            inspect->group_count++;
            break;
        case OPT_ORDERS_MAX:
            if (!parse_number(optarg, 1, 1u << 28, &value))
                return refuse("--orders-max wants a number from 1 to 268435456, not ", optarg);
            inspect->orders_max = (uint32_t)value;
            break;
        case OPT_REORDER_PACKETS:
            if (!parse_number(optarg, 0, CHANNEL_REORDER_PACKETS_MAX, &value))
                return refuse("--reorder-packets wants a number from 0 to 256, not ", optarg);
            inspect->reorder_packets = (uint32_t)value;
            break;
        case OPT_REORDER_US:
            if (!parse_number(optarg, 0, 3600000000u, &value))
                return refuse("--reorder-us wants a number from 0 to 3600000000, not ", optarg);
            inspect->reorder_ns = value * 1000u;
            break;
        case 'h':
            fputs(help_text, stdout);
            return CMD_OK;
        default:
            return refuse("unknown option, or one without its value: ", argv[optind - 1]);
        }
    }
    if (optind == argc)
        return refuse("no capture is named", "");
    if ((uint32_t)(argc - optind) > CAPTURE_MERGE_MAX)
        return refuse("too many captures, at most 16: ", argv[optind + (int)CAPTURE_MERGE_MAX]);
    return -1;
}

/* No more orders can live than the files have bytes for: small captures take little memory. */
static void choose_orders_max(struct inspect *inspect)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < inspect->capture_count; i++) {
        struct stat status;
        const bool known = !capture_is_compressed(inspect->capture[i]) && stat(inspect->path_list[i], &status) == 0 &&
                           S_ISREG(status.st_mode);
        bytes += known ? (uint64_t)status.st_size : (uint64_t)ORDERS_MAX_DEFAULT * ADD_BLOCK_LEN;
    }
    const uint64_t orders = bytes / ADD_BLOCK_LEN + 1;
    inspect->orders_max = orders > ORDERS_MAX_DEFAULT ? ORDERS_MAX_DEFAULT
                          : orders < ORDERS_MAX_LEAST ? ORDERS_MAX_LEAST
                                                      : (uint32_t)orders;
}

static bool open_captures(struct inspect *inspect, int count, char **paths)
{
    char error[CAPTURE_ERROR_MAX];
    inspect->path_list = paths;
    for (int i = 0; i < count; i++) {
        inspect->capture[i] = capture_open(paths[i], NULL, error);
        if (inspect->capture[i] == NULL) {
            add_error(inspect, error);
            return false;
        }
        inspect->capture_count++;
    }
    return true;
}

static void close_all(struct inspect *inspect)
{
    for (uint32_t i = 0; i < inspect->channel_count; i++) {
        free(inspect->channel[i]->memory);
        free(inspect->channel[i]->packets);
        free(inspect->channel[i]->gap_list);
        free(inspect->channel[i]);
    }
    for (uint32_t i = 0; i < inspect->capture_count; i++)
        capture_close(inspect->capture[i]);
}

int cmd_inspect(int argc, char **argv)
{
    struct inspect inspect = {0};
    const int usage = parse_arguments(&inspect, argc, argv);
    if (usage != -1)
        return usage;
    if (open_captures(&inspect, argc - optind, argv + optind)) {
        if (inspect.orders_max == 0)
            choose_orders_max(&inspect);
        inspect_report_begin(&inspect);
        take_captures(&inspect);
        find_faults(&inspect);
        inspect_report_end(&inspect);
    } else if (inspect.json) {
        inspect_report_failure(inspect.error);
    }
    close_all(&inspect);
    return inspect.error[0] == '\0' ? CMD_OK : CMD_FAILED;
}
