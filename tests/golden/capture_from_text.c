/* Makes a golden case's capture from text, so that a reviewer reads the text: capture_from_text CASE OUT
 *
 * A line of a case is a comment (#), a directive, or, indented, a message of the packet above it:
 *   session NAME           MoldUDP64 session of what follows, up to ten letters
 *   line NAME IP:PORT      where packets on this line go
 *   at SECONDS NANOSECONDS time of the next frame, and of its messages since midnight; later ones come 1,000 ns apart
 *   packet NAME SEQ        a datagram; SEQ of its first message
 *   heartbeat NAME SEQ     count 0            end NAME SEQ    end of session
 *   request NAME SEQ COUNT a listener's request
 *   mdp3 NAME SEQ ID...    a packet of CME MDP 3.0: for each template id a message without a body
 *   payload NAME HEX       a datagram of these bytes
 *   frame HEX              a frame of these bytes
 *   format binaryfile      write only the messages, as a Nasdaq BinaryFILE
 *   prefix NUMBER          BinaryFILE: a length prefix and nothing behind it
 *   cut BYTES              at the end: take so many bytes off the file
 * Messages, LOC being the stock locate: R LOC SYMBOL LOT; H LOC SYMBOL STATE; S CODE; A LOC REF SIDE QTY SYMBOL PRICE;
 * F the same and MPID; E LOC REF QTY MATCH; C LOC REF QTY MATCH PRINTABLE PRICE; X LOC REF QTY; D LOC REF;
 * U LOC ORIG_REF REF QTY PRICE; P LOC SIDE QTY SYMBOL PRICE MATCH; bytes HEX. PRICE is in 1/10,000. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "feed/itch.h"
#include "feed/mdp3.h"
#include "feed/mold.h"
#include "feed/wire.h"
#include "gateway/capture/capture.h"
#include "ring/md_event.h"

#define LINES_MAX 8u
#define SOURCE_IP 0x0a000001u

struct text_line { char name[16]; uint32_t ip; uint16_t udp_port; };

static struct text_line lines[LINES_MAX];
static uint32_t line_count;
static char session[MOLD_SESSION_LEN + 1] = "GOLDEN    ";
static uint64_t now_ns = UINT64_C(34200) * 1000000000;
static struct capture_out *out;
static FILE *binaryfile;
static unsigned long line_number;

static uint8_t frame[CAPTURE_FRAME_MAX];
static uint32_t payload_len; /* of the packet being put together, 0 = none */
static uint16_t message_count;
static const struct text_line *packet_line;
static uint64_t packet_seq;

_Noreturn static void refuse(const char *what)
{
    fprintf(stderr, "line %lu: %s\n", line_number, what);
    exit(2);
}

static const struct text_line *find_line(const char *name)
{
    for (uint32_t i = 0; i < line_count; i++)
        if (strcmp(lines[i].name, name) == 0)
            return &lines[i];
    refuse("no such line");
}

static void write_frame(uint32_t len)
{
    if (binaryfile == NULL && capture_out_write(out, now_ns, frame, len) != 0)
        refuse("writing failed");
    now_ns += 1000;
}

static void send_payload(const struct text_line *line, uint32_t len)
{
    write_frame(capture_encode_udp(frame, line->ip, line->udp_port, SOURCE_IP, line->udp_port, len));
}

static void send_packet(void)
{
    if (payload_len == 0)
        return;
    mold_encode_header(frame + CAPTURE_HEADERS_LEN, session, packet_seq, message_count);
    send_payload(packet_line, payload_len);
    payload_len = 0;
}

static void begin_packet(const char *name, uint64_t seq)
{
    packet_line = find_line(name);
    packet_seq = seq;
    payload_len = MOLD_HEADER_LEN;
    message_count = 0;
}

static void send_header(const char *name, uint64_t seq, uint16_t count)
{
    mold_encode_header(frame + CAPTURE_HEADERS_LEN, session, seq, count);
    send_payload(find_line(name), MOLD_HEADER_LEN);
}

static void put_le(uint8_t *into, uint64_t value, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        into[i] = (uint8_t)(value >> 8 * i);
}

static void send_mdp3(const char *name, uint64_t seq, const char *templates)
{
    uint8_t *const payload = frame + CAPTURE_HEADERS_LEN;
    uint32_t len = MDP3_HEADER_LEN;
    unsigned template_id;
    put_le(payload, seq, 4);
    put_le(payload + 4, now_ns, 8);
    for (int at = 0; sscanf(templates += at, "%u%n", &template_id, &at) == 1; len += MDP3_MESSAGE_HEADER_LEN) {
        if (len + MDP3_MESSAGE_HEADER_LEN > 1400)
            refuse("too many messages");
        put_le(payload + len, MDP3_MESSAGE_HEADER_LEN, 2);
        put_le(payload + len + 2, 0, 2); /* length of the root block */
        put_le(payload + len + 4, template_id, 2);
        put_le(payload + len + 6, MDP3_SCHEMA, 2);
        put_le(payload + len + 8, 9, 2); /* version of the schema */
    }
    send_payload(find_line(name), len);
}

static uint32_t parse_hex(const char *text, uint8_t *ret_bytes)
{
    uint32_t len = 0;
    for (unsigned byte; sscanf(text + 2 * len, "%2x", &byte) == 1; len++) {
        if (len == 2048)
            refuse("too many bytes");
        ret_bytes[len] = (uint8_t)byte;
    }
    return len;
}

static void add_message(const uint8_t *message, uint32_t len)
{
    uint8_t prefix[2];
    store_be16(prefix, (uint16_t)len);
    if (binaryfile != NULL) {
        fwrite(prefix, 2, 1, binaryfile);
        fwrite(message, len, 1, binaryfile);
        return;
    }
    if (payload_len == 0 || payload_len + 2 + len > 4000)
        refuse("message without a packet, or too many");
    memcpy(frame + CAPTURE_HEADERS_LEN + payload_len, prefix, 2);
    memcpy(frame + CAPTURE_HEADERS_LEN + payload_len + 2, message, len);
    payload_len += 2 + len;
    message_count++;
}

static void parse_message(const char *text)
{
    struct itch_msg msg = {.type = (uint8_t)text[0], .timestamp_ns = now_ns % (UINT64_C(86400) * 1000000000)};
    char symbol[16] = "", mpid[8] = "", side = 0, extra = 0;
    uint64_t ref = 0, other = 0;
    uint32_t qty = 0, price = 0;
    int want = 0, got = -1;
    uint8_t bytes[2048];

    if (strncmp(text, "bytes", 5) == 0) {
        add_message(bytes, parse_hex(text + 5 + strspn(text + 5, " "), bytes));
        return;
    }
    switch (msg.type) {
    case 'S':
        want = 1;
        got = sscanf(text, "S %c", &side);
        msg.system_event.code = (uint8_t)side;
        break;
    case 'R':
        want = 3;
        got = sscanf(text, "R %" SCNu16 " %8s %" SCNu32, &msg.locate, symbol, &qty);
        msg.directory.stock = md_symbol(symbol);
        msg.directory.round_lot = qty;
        msg.directory.category = 'Q';
        msg.directory.financial = 'N';
        msg.directory.luld_tier = '1';
        break;
    case 'H':
        want = 3;
        got = sscanf(text, "H %" SCNu16 " %8s %c", &msg.locate, symbol, &side);
        msg.trading_action.stock = md_symbol(symbol);
        msg.trading_action.state = (uint8_t)side;
        msg.trading_action.reason = md_symbol("");
        break;
    case 'A':
    case 'F':
        want = msg.type == 'A' ? 6 : 7;
        got = sscanf(text + 1, "%" SCNu16 " %" SCNu64 " %c %" SCNu32 " %8s %" SCNu32 " %4s", &msg.locate, &ref, &side,
                     &qty, symbol, &price, mpid);
        msg.add.ref = ref;
        msg.add.side = (uint8_t)side;
        msg.add.qty = qty;
        msg.add.stock = md_symbol(symbol);
        msg.add.price = price;
        msg.add.mpid = md_symbol(mpid);
        break;
    case 'E':
        want = 4;
        got = sscanf(text, "E %" SCNu16 " %" SCNu64 " %" SCNu32 " %" SCNu64, &msg.locate, &ref, &qty, &other);
        msg.executed.ref = ref;
        msg.executed.qty = qty;
        msg.executed.match = other;
        break;
    case 'C':
        want = 6;
        got = sscanf(text, "C %" SCNu16 " %" SCNu64 " %" SCNu32 " %" SCNu64 " %c %" SCNu32, &msg.locate, &ref, &qty,
                     &other, &extra, &price);
        msg.executed.ref = ref;
        msg.executed.qty = qty;
        msg.executed.match = other;
        msg.executed.printable = (uint8_t)extra;
        msg.executed.price = price;
        break;
    case 'X':
        want = 3;
        got = sscanf(text, "X %" SCNu16 " %" SCNu64 " %" SCNu32, &msg.locate, &ref, &qty);
        msg.cancel.ref = ref;
        msg.cancel.qty = qty;
        break;
    case 'D':
        want = 2;
        got = sscanf(text, "D %" SCNu16 " %" SCNu64, &msg.locate, &ref);
        msg.delete.ref = ref;
        break;
    case 'U':
        want = 5;
        got = sscanf(text, "U %" SCNu16 " %" SCNu64 " %" SCNu64 " %" SCNu32 " %" SCNu32, &msg.locate, &ref, &other,
                     &qty, &price);
        msg.replace.orig_ref = ref;
        msg.replace.ref = other;
        msg.replace.qty = qty;
        msg.replace.price = price;
        break;
    case 'P':
        want = 6;
        got = sscanf(text, "P %" SCNu16 " %c %" SCNu32 " %8s %" SCNu32 " %" SCNu64, &msg.locate, &side, &qty, symbol,
                     &price, &other);
        msg.trade.side = (uint8_t)side;
        msg.trade.qty = qty;
        msg.trade.stock = md_symbol(symbol);
        msg.trade.price = price;
        msg.trade.match = other;
        break;
    default:
        break;
    }
    if (got != want)
        refuse("message not understood");
    add_message(bytes, itch_encode(&msg, bytes));
}

static void parse_directive(const char *text, const char *path, long *ret_cut)
{
    char word[16] = "", ip[20] = "";
    uint64_t seq = 0;
    unsigned udp_port = 0, count = 0;
    uint64_t seconds = 0;
    int at = 0;

    if (sscanf(text, "session %10[^\n]", word) == 1) {
        snprintf(session, sizeof(session), "%-10s", word);
    } else if (sscanf(text, "line %15s %19[0-9.]:%u", word, ip, &udp_port) == 3 && line_count < LINES_MAX) {
        struct text_line *line = &lines[line_count++];
        memcpy(line->name, word, sizeof(word));
        line->ip = ntohl(inet_addr(ip));
        line->udp_port = (uint16_t)udp_port;
    } else if (sscanf(text, "at %" SCNu64 " %" SCNu64, &seconds, &seq) == 2) {
        now_ns = seconds * 1000000000u + seq;
    } else if (sscanf(text, "packet %15s %" SCNu64, word, &seq) == 2) {
        begin_packet(word, seq);
    } else if (sscanf(text, "heartbeat %15s %" SCNu64, word, &seq) == 2) {
        send_header(word, seq, 0);
    } else if (sscanf(text, "end %15s %" SCNu64, word, &seq) == 2) {
        send_header(word, seq, MOLD_COUNT_END);
    } else if (sscanf(text, "request %15s %" SCNu64 " %u", word, &seq, &count) == 3) {
        send_header(word, seq, (uint16_t)count);
    } else if (sscanf(text, "mdp3 %15s %" SCNu64 "%n", word, &seq, &at) == 2) {
        send_mdp3(word, seq, text + at);
    } else if (sscanf(text, "payload %15s %n", word, &at) == 1 && at > 0) {
        send_payload(find_line(word), parse_hex(text + at, frame + CAPTURE_HEADERS_LEN));
    } else if (strncmp(text, "frame ", 6) == 0) {
        write_frame(parse_hex(text + 6, frame));
    } else if (strncmp(text, "format binaryfile", 17) == 0) {
        binaryfile = fopen(path, "wb");
        if (binaryfile == NULL)
            refuse("cannot write");
    } else if (sscanf(text, "prefix %u", &count) == 1 && binaryfile != NULL) {
        uint8_t prefix[2];
        store_be16(prefix, (uint16_t)count);
        fwrite(prefix, 2, 1, binaryfile);
    } else if (sscanf(text, "cut %ld", ret_cut) != 1) {
        refuse("directive not understood");
    }
}

int main(int argc, char **argv)
{
    char error[CAPTURE_ERROR_MAX];
    char text[8192];
    long cut = 0;
    if (argc != 3) {
        fprintf(stderr, "usage: capture_from_text CASE OUT\n");
        return 2;
    }
    FILE *in = fopen(argv[1], "r");
    out = capture_out_open(argv[2], error);
    if (in == NULL || out == NULL) {
        fprintf(stderr, "%s: cannot be opened\n", in == NULL ? argv[1] : error);
        return 2;
    }
    while (fgets(text, sizeof(text), in) != NULL) {
        line_number++;
        const char *start = text + strspn(text, " \t");
        if (*start == '#' || *start == '\n')
            continue;
        if (start != text) {
            parse_message(start);
            continue;
        }
        send_packet();
        parse_directive(text, argv[2], &cut);
    }
    send_packet();
    fclose(in);
    if (capture_out_close(out) != 0 || (binaryfile != NULL && fclose(binaryfile) != 0))
        refuse("writing failed");
    if (cut > 0) {
        FILE *made = fopen(argv[2], "r+b");
        if (made == NULL || fseek(made, 0, SEEK_END) != 0 || ftruncate(fileno(made), ftell(made) - cut) != 0)
            refuse("cutting failed");
        fclose(made);
    }
    return 0;
}
