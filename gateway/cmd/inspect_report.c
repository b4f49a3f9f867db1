/* What `tickgate inspect` prints at the end, as text for one screen or as one JSON document, at the beginning of which
 * messages may stand. Contract in inspect.h.
 *
 * Main thread. Symbols and session names are foreign bytes: what is not printable shows as a dot, in text because a
 * terminal would act on it. Counts of zero are left out of lists of counts. */
#include "gateway/cmd/inspect.h"
#include "gateway/cmd/inspect_parts.h"

#include <inttypes.h>
#include <string.h>

#define SHOWN_GAPS_MAX 8u /* in the text report */

/* ---- values, of all parts ---- */

const char *inspect_plain_text(const void *bytes, size_t len, char *ret_text)
{
    memcpy(ret_text, bytes, len);
    while (len > 0 && (ret_text[len - 1] == ' ' || ret_text[len - 1] == '\0'))
        len--;
    for (size_t i = 0; i < len; i++)
        if (ret_text[i] < ' ' || ret_text[i] > '~')
            ret_text[i] = '.';
    ret_text[len] = '\0';
    return ret_text;
}

const char *inspect_price_text(int64_t price_e4, char ret_text[24])
{
    const uint64_t size = price_e4 < 0 ? 0 - (uint64_t)price_e4 : (uint64_t)price_e4;
    snprintf(ret_text, 24, "%s%" PRIu64 ".%04" PRIu64, price_e4 < 0 ? "-" : "", size / 10000, size % 10000);
    return ret_text;
}

void inspect_json_seq(struct json *json, const char *key, uint64_t seq)
{
    if (seq != 0)
        json_u64(json, key, seq);
    else
        json_null(json, key);
}

void inspect_json_side(struct json *json, const char *key, int32_t side_price, uint64_t qty)
{
    if (side_price == MD_PRICE_NONE) {
        json_null(json, key);
        return;
    }
    json_open(json, key, '[');
    json_i64(json, NULL, side_price);
    json_u64(json, NULL, qty);
    json_close(json, ']');
}

/* ---- names of counts, the same in text and JSON ---- */

struct named_count { char name[24]; uint64_t count; };

/* Counts of message types: a letter, or 0x.. for a type byte that is none. Returns how many are not zero. */
static uint32_t type_counts(const uint64_t *counts, struct named_count *ret_list)
{
    uint32_t count = 0;
    for (uint32_t type = 0; type < 256; type++) {
        if (counts[type] == 0)
            continue;
        if (type > ' ' && type <= '~')
            snprintf(ret_list[count].name, sizeof(ret_list->name), "%c", (char)type);
        else
            snprintf(ret_list[count].name, sizeof(ret_list->name), "0x%02x", type);
        ret_list[count++].count = counts[type];
    }
    return count;
}

static uint32_t add_count(struct named_count *list, uint32_t used, const char *prefix, const char *name, uint64_t count)
{
    if (count == 0)
        return used;
    snprintf(list[used].name, sizeof(list->name), "%s%s", prefix, name);
    list[used].count = count;
    return used + 1;
}

static void json_counts(struct json *json, const char *key, const struct named_count *list, uint32_t count)
{
    json_open(json, key, '{');
    for (uint32_t i = 0; i < count; i++)
        json_u64(json, list[i].name, list[i].count);
    json_close(json, '}');
}

/* "  label       A 125  U 99": nothing if the list is empty. */
static void text_counts(const char *label, const struct named_count *list, uint32_t count)
{
    if (count == 0)
        return;
    printf("  %-13s", label);
    for (uint32_t i = 0; i < count; i++)
        printf("%s%s %" PRIu64, i > 0 ? "  " : "", list[i].name, list[i].count);
    putchar('\n');
}

/* ---- the report ---- */

/* One channel's figures, or the sum of all. */
struct figures {
    uint64_t type[256], orphan[256];
    uint64_t total, duplicates, straddling, heartbeats, session_ends, unsequenced, missed, trailing;
    uint64_t message_short, message_unknown, message_empty, locate_range, price_range, bad_side;
    uint64_t duplicate_ref, bad_qty, clamped, crossed;
    uint64_t live_orders, gaps, gaps_unlisted;
};

static void add_gaps(struct figures *sum, const struct inspect_channel *found)
{
    sum->missed += found->missed_count;
    sum->gaps += found->gap_count + found->gap_unlisted_count;
    sum->gaps_unlisted += found->gap_unlisted_count;
}

static void add_channel(struct figures *sum, const struct inspect_channel *found)
{
    add_gaps(sum, found);
    if (found->packets != NULL) {
        sum->total += found->packets->message_count;
        sum->duplicates += found->packets->verdict[ARB_DUPLICATE];
        sum->unsequenced += found->packets->unsequenced_count;
        return;
    }
    const struct channel_counters *counters = channel_counters(found->channel);
    const struct book *book = channel_book(found->channel);
    for (uint32_t i = 0; i < 256; i++) {
        sum->type[i] += counters->message_type_count[i];
        sum->orphan[i] += counters->orphan_count[i];
    }
    sum->total += counters->message_count;
    sum->duplicates += counters->arb[ARB_DUPLICATE];
    sum->straddling += counters->arb[ARB_STRADDLING];
    sum->heartbeats += counters->mold[MOLD_HEARTBEAT];
    sum->session_ends += counters->mold[MOLD_END];
    sum->unsequenced += counters->unsequenced_count;
    sum->trailing += counters->trailing_count;
    sum->message_short += counters->itch[ITCH_SHORT];
    sum->message_unknown += counters->itch[ITCH_UNKNOWN];
    sum->message_empty += counters->empty_count;
    sum->locate_range += counters->locate_range_count;
    sum->price_range += counters->price_range_count;
    sum->bad_side += counters->side_count;
    sum->duplicate_ref += book_counters(book)->verdict[BOOK_DUPLICATE_REF];
    sum->bad_qty += book_counters(book)->verdict[BOOK_BAD_QTY];
    sum->clamped += book_counters(book)->clamped_count;
    sum->crossed += book_counters(book)->crossed_count;
    sum->live_orders += book_order_count(book);
}

/* Datagrams and messages that were refused, by reason. */
static uint32_t malformed_counts(const struct inspect *inspect, const struct figures *sum, struct named_count *ret_list)
{
    uint32_t used = 0;
    const enum mold_verdict reasons[] = {MOLD_SHORT, MOLD_BAD_BLOCK, MOLD_BAD_SEQ};
    for (uint32_t i = 0; i < 3; i++)
        used = add_count(ret_list, used, "", mold_verdict_name(reasons[i]), inspect->mold_count[reasons[i]]);
    used = add_count(ret_list, used, "", "bad_session", inspect->bad_session_count);
    for (uint32_t i = MDP3_SHORT; i < MDP3_VERDICT_COUNT; i++)
        used = add_count(ret_list, used, "mdp3_", mdp3_verdict_name((enum mdp3_verdict)i), inspect->mdp3_count[i]);
    used = add_count(ret_list, used, "message_", "short", sum->message_short);
    used = add_count(ret_list, used, "message_", "price_range", sum->price_range);
    used = add_count(ret_list, used, "message_", "bad_side", sum->bad_side);
    return add_count(ret_list, used, "message_", "locate_range", sum->locate_range);
}

/* What is legal or at least consistent, and still worth a look. */
static uint32_t notice_counts(const struct inspect *inspect, const struct figures *sum, struct named_count *ret_list)
{
    uint32_t used = add_count(ret_list, 0, "", "unsequenced", sum->unsequenced);
    used = add_count(ret_list, used, "", "straddling", sum->straddling);
    used = add_count(ret_list, used, "", "session_ends", sum->session_ends);
    used = add_count(ret_list, used, "", "requests", inspect->request_count);
    used = add_count(ret_list, used, "", "trailing_bytes", sum->trailing);
    used = add_count(ret_list, used, "", "unknown_types", sum->message_unknown);
    used = add_count(ret_list, used, "", "empty_messages", sum->message_empty);
    used = add_count(ret_list, used, "", "duplicate_refs", sum->duplicate_ref);
    used = add_count(ret_list, used, "", "zero_qty", sum->bad_qty);
    used = add_count(ret_list, used, "", "clamped_qty", sum->clamped);
    used = add_count(ret_list, used, "", "crossed", sum->crossed);
    used = add_count(ret_list, used, "", "filtered", inspect->filtered_count);
    return used;
}

static uint32_t other_frame_counts(const struct inspect *inspect, struct named_count *ret_list)
{
    uint32_t used = 0;
    for (uint32_t i = FRAME_UDP + 1; i < FRAME_VERDICT_COUNT; i++)
        used = add_count(ret_list, used, "", frame_verdict_name((enum frame_verdict)i), inspect->frame_count[i]);
    return used;
}

/* Of the capture files themselves. */
static uint32_t file_counts(const struct inspect *inspect, struct named_count *ret_list)
{
    struct capture_counters sum = {0};
    for (uint32_t i = 0; i < inspect->capture_count; i++) {
        const struct capture_counters *counters = capture_counters(inspect->capture[i]);
        sum.cut_count += counters->cut_count;
        sum.backwards_count += counters->backwards_count;
        sum.left_over_len += counters->left_over_len;
        sum.zero_length_count += counters->zero_length_count;
    }
    uint32_t used = add_count(ret_list, 0, "", "cut_frames", sum.cut_count);
    used = add_count(ret_list, used, "", "backwards", sum.backwards_count);
    used = add_count(ret_list, used, "", "left_over_bytes", sum.left_over_len);
    return add_count(ret_list, used, "", "zero_prefixes", sum.zero_length_count);
}

static uint64_t all_frames(const struct inspect *inspect)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < FRAME_VERDICT_COUNT; i++)
        sum += inspect->frame_count[i];
    return sum;
}

static void json_gaps(struct json *json, const struct inspect *inspect, uint32_t from, uint32_t to)
{
    json_open(json, "gaps", '[');
    for (uint32_t i = from; i < to; i++) {
        for (uint32_t j = 0; j < inspect->channel[i]->gap_count; j++) {
            json_open(json, NULL, '{');
            json_u64(json, "first", inspect->channel[i]->gap_list[j].first_seq);
            json_u64(json, "count", inspect->channel[i]->gap_list[j].count);
            json_close(json, '}');
        }
    }
    json_close(json, ']');
}

/* The keys that the whole and each channel have in common. */
static void json_figures(struct json *json, const struct figures *sum)
{
    struct named_count list[256];
    json_counts(json, "messages", list, type_counts(sum->type, list));
    json_u64(json, "total", sum->total);
    json_u64(json, "gap_count", sum->gaps);
    json_u64(json, "missed", sum->missed);
    json_u64(json, "duplicates", sum->duplicates);
    json_u64(json, "heartbeats", sum->heartbeats);
    json_u64(json, "unsequenced", sum->unsequenced);
    json_counts(json, "orphans", list, type_counts(sum->orphan, list));
    json_u64(json, "live_orders", sum->live_orders);
}

static const char *destination_text(const struct inspect_group *group, char ret_text[24])
{
    snprintf(ret_text, 24, "%u.%u.%u.%u:%u", group->ip >> 24, group->ip >> 16 & 0xff, group->ip >> 8 & 0xff,
             group->ip & 0xff, group->udp_port);
    return ret_text;
}

static const struct arb *arb_of(const struct inspect_channel *found)
{
    return found->packets != NULL ? &found->packets->arb : channel_arb(found->channel);
}

static void json_margin(struct json *json, const struct health_margin *margin)
{
    json_open(json, "win_margin_us", '{');
    if (margin->count > 0) {
        json_f64(json, "min", (double)margin->min_ns / 1e3);
        json_f64(json, "p50", (double)margin->p50_ns / 1e3);
        json_f64(json, "max", (double)margin->max_ns / 1e3);
    } else {
        json_null(json, "min");
        json_null(json, "p50");
        json_null(json, "max");
    }
    json_close(json, '}');
}

/* Every line of every channel. win_margin_us: how much earlier (> 0) or later a line had what another one had too. */
static void json_lines(struct json *json, const struct inspect *inspect)
{
    json_open(json, "lines", '[');
    for (uint32_t i = 0; i < inspect->channel_count; i++) {
        const struct inspect_channel *found = inspect->channel[i];
        for (uint32_t j = 0; j < found->line_count; j++) {
            const uint32_t ip = found->line[j].ip;
            const struct health_margin margin = health_margin(&found->health, j);
            char text[16];
            snprintf(text, sizeof(text), "%u.%u.%u.%u", ip >> 24, ip >> 16 & 0xff, ip >> 8 & 0xff, ip & 0xff);
            json_open(json, NULL, '{');
            json_u64(json, "channel", i);
            json_text(json, "group", text);
            json_u64(json, "port", found->line[j].udp_port);
            json_u64(json, "packets", found->line[j].datagram_count);
            json_u64(json, "first_seen", arb_of(found)->line[j].fresh_count);
            json_u64(json, "duplicates", arb_of(found)->line[j].duplicate_count);
            json_margin(json, &margin);
            json_close(json, '}');
        }
    }
    json_close(json, ']');
}

/* "template 32: 19138", as counts of messages by type are. */
static void json_templates(struct json *json, const struct inspect_packets *packets)
{
    char key[8];
    json_open(json, "templates", '{');
    for (uint32_t i = 0; i <= UINT16_MAX; i++) {
        snprintf(key, sizeof(key), "%u", i);
        if (packets->template_count[i] > 0)
            json_u64(json, key, packets->template_count[i]);
    }
    json_close(json, '}');
}

static void json_channel(struct json *json, const struct inspect *inspect, uint32_t channel_idx)
{
    const struct inspect_channel *found = inspect->channel[channel_idx];
    const struct arb *arb = arb_of(found);
    char text[24];
    struct figures figures = {0};
    add_channel(&figures, found);
    json_open(json, NULL, '{');
    json_text(json, "framing", framing_name(found->framing));
    json_text(json, "session", inspect_plain_text(found->session, MOLD_SESSION_LEN, text));
    if (found->packets != NULL)
        json_templates(json, found->packets);
    json_open(json, "lines", '[');
    for (uint32_t i = 0; i < found->line_count; i++) {
        json_open(json, NULL, '{');
        json_text(json, "group", destination_text(&found->line[i], text));
        json_u64(json, "datagrams", found->line[i].datagram_count);
        json_u64(json, "duplicates", arb->line[i].duplicate_count);
        json_u64(json, "lost", arb->line[i].lost_count);
        json_close(json, '}');
    }
    json_close(json, ']');
    inspect_json_seq(json, "first_seq", found->first_seq);
    inspect_json_seq(json, "last_seq", found->last_seq);
    json_figures(json, &figures);
    json_gaps(json, inspect, channel_idx, channel_idx + 1);
    json_close(json, '}');
}

static void json_report(struct json *json, const struct inspect *inspect, const struct figures *sum)
{
    struct named_count list[64];
    if (inspect->messages) {
        putchar('\n');
        json_close(json, ']');
    }
    json_open(json, "files", '[');
    for (uint32_t i = 0; i < inspect->capture_count; i++)
        json_text(json, NULL, inspect->path_list[i]);
    json_close(json, ']');
    json_u64(json, "frames", all_frames(inspect));
    json_u64(json, "datagrams", inspect->datagram_count);
    json_figures(json, sum);
    json_gaps(json, inspect, 0, inspect->channel_count);
    json_lines(json, inspect);
    const struct inspect_channel *only = inspect->channel_count == 1 ? inspect->channel[0] : NULL;
    inspect_json_seq(json, "first_seq", only != NULL ? only->first_seq : 0);
    inspect_json_seq(json, "last_seq", only != NULL ? only->last_seq : 0);
    json_counts(json, "malformed", list, malformed_counts(inspect, sum, list));
    json_counts(json, "other_frames", list, other_frame_counts(inspect, list));
    json_counts(json, "notices", list, notice_counts(inspect, sum, list));
    json_counts(json, "file", list, file_counts(inspect, list));
    json_u64(json, "first_ts_ns", inspect->first_ts_ns);
    json_u64(json, "last_ts_ns", inspect->last_ts_ns);
    json_open(json, "channels", '[');
    for (uint32_t i = 0; i < inspect->channel_count; i++)
        json_channel(json, inspect, i);
    json_close(json, ']');
    if (inspect->books)
        inspect_books_json(json, inspect);
    if (inspect->error[0] == '\0')
        json_null(json, "error");
    else
        json_text(json, "error", inspect->error);
    json_close(json, '}');
}

static void text_line(const struct inspect_channel *found, uint32_t line)
{
    const struct arb_line *arb = &arb_of(found)->line[line];
    const struct health_margin margin = health_margin(&found->health, line);
    char destination[24];
    printf("  %-13s%-22s %" PRIu64 " datagrams, %" PRIu64 " first, %" PRIu64 " duplicate, %" PRIu64 " %s lost",
           line == 0 ? "lines" : "", destination_text(&found->line[line], destination),
           found->line[line].datagram_count,
           arb->fresh_count, arb->duplicate_count, arb->lost_count, found->packets != NULL ? "packets" : "messages");
    if (margin.count > 0)
        printf("; ahead by %+.1f us at least, %+.1f p50, %+.1f at most", (double)margin.min_ns / 1e3,
               (double)margin.p50_ns / 1e3, (double)margin.max_ns / 1e3);
    putchar('\n');
}

static void text_templates(const struct inspect_packets *packets)
{
    const char *separator = "  by template  ";
    for (uint32_t i = 0; i <= UINT16_MAX; i++) {
        if (packets->template_count[i] == 0)
            continue;
        printf("%s%u %" PRIu64, separator, i, packets->template_count[i]);
        separator = ", ";
    }
    if (separator[0] == ',')
        putchar('\n');
}

static void text_channel(const struct inspect *inspect, uint32_t channel_idx)
{
    const struct inspect_channel *found = inspect->channel[channel_idx];
    char session[MOLD_SESSION_LEN + 1];
    struct named_count list[256];
    struct figures figures = {0};
    add_channel(&figures, found);

    inspect_plain_text(found->session, MOLD_SESSION_LEN, session);
    if (found->packets != NULL)
        printf("channel %u, MDP 3.0\n", channel_idx);
    else
        printf("channel %u, session %s\n", channel_idx, session[0] != '\0' ? session : "(none)");
    for (uint32_t i = 0; i < found->line_count; i++)
        text_line(found, i);
    printf("  %-13s%" PRIu64, "messages", figures.total);
    if (found->first_seq != 0)
        printf(", sequence %" PRIu64 " to %" PRIu64, found->first_seq, found->last_seq);
    putchar('\n');
    text_counts("by type", list, type_counts(figures.type, list));
    if (found->packets != NULL)
        text_templates(found->packets);
    printf("  %-13s", "gaps");
    if (figures.gaps == 0)
        printf("none\n");
    else
        printf("%" PRIu64 " with %" PRIu64 " %s:", figures.gaps, figures.missed,
               found->packets != NULL ? "packets" : "messages");
    for (uint32_t i = 0; i < found->gap_count && i < SHOWN_GAPS_MAX; i++)
        printf("%s %" PRIu64 " + %" PRIu64, i > 0 ? "," : "", found->gap_list[i].first_seq, found->gap_list[i].count);
    if (figures.gaps > 0)
        printf("%s\n", figures.gaps > SHOWN_GAPS_MAX ? ", ..." : "");
    printf("  %-13s%" PRIu64 " duplicate, %" PRIu64 " heartbeats\n", "packets", figures.duplicates, figures.heartbeats);
    if (found->packets != NULL)
        return;
    text_counts("orphans", list, type_counts(figures.orphan, list));
    printf("  %-13s%" PRIu64 "\n", "live orders", figures.live_orders);
}

static void text_report(const struct inspect *inspect, const struct figures *sum)
{
    struct named_count list[64];
    if (inspect->message_line_count > 0)
        putchar('\n');
    printf("capture\n");
    printf("  %-13s%" PRIu64 "\n", "frames", all_frames(inspect));
    text_counts("not UDP/IPv4", list, other_frame_counts(inspect, list));
    printf("  %-13s%" PRIu64 "\n", "datagrams", inspect->datagram_count);
    text_counts("malformed", list, malformed_counts(inspect, sum, list));
    text_counts("notices", list, notice_counts(inspect, sum, list));
    text_counts("file", list, file_counts(inspect, list));
    for (uint32_t i = 0; i < inspect->channel_count; i++)
        text_channel(inspect, i);
    if (inspect->channel_count == 0)
        printf("no MoldUDP64 session, no MDP 3.0 packet\n");
    if (inspect->books)
        inspect_books_text(inspect);
}

void inspect_report_begin(struct inspect *inspect)
{
    if (!inspect->json)
        return;
    json_init(&inspect->writer, stdout);
    json_open(&inspect->writer, NULL, '{');
    if (inspect->messages)
        json_open(&inspect->writer, "message_list", '[');
}

void inspect_report_end(struct inspect *inspect)
{
    struct figures sum = {0};
    for (uint32_t i = 0; i < inspect->channel_count; i++)
        add_channel(&sum, inspect->channel[i]);
    if (inspect->json)
        json_report(&inspect->writer, inspect, &sum);
    else
        text_report(inspect, &sum);
}

void inspect_report_failure(const char *error)
{
    struct json json;
    json_init(&json, stdout);
    json_open(&json, NULL, '{');
    json_text(&json, "error", error);
    json_close(&json, '}');
}
