/* See report_feed.h. */
#include "gateway/report/report_feed.h"

#include <inttypes.h>
#include <string.h>

/* Newest time that any channel has seen: what silence is measured against once the hot threads have ended. */
static uint64_t newest_ns(const struct report *report)
{
    uint64_t newest = 0;

    for (uint32_t i = 0; i < report->topology->rx_count; i++)
        if (report->topology->rx[i]->now_ns > newest)
            newest = report->topology->rx[i]->now_ns;
    return newest;
}

static uint64_t load(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

void report_feed_recovery(const struct channel *channel, struct report_feed_row ret_rows[REPORT_FEED_ROWS])
{
    const struct channel_counters *counters = channel_counters(channel);
    const struct retransmit *retransmit = channel_retransmit(channel);
    const struct report_feed_row rows[] = {
        {"times stale", "stale", load(&counters->stale_count)},
        {"silent", "silent", load(&counters->silent_count)},
        {"filled by a line", "filled_by_line", load(&counters->filled_line_count)},
        {"filled by retransmission", "filled_by_retransmission", load(&counters->filled_request_count)},
        {"requests", "requests", load(&retransmit->request_count)},
        {"asked again", "asked_again", load(&retransmit->again_count)},
        {"messages asked for", "asked_messages", load(&retransmit->message_count)},
        {"ranges given up", "ranges_given_up", load(&retransmit->exhausted_count)},
        {"replies", "replies", load(&counters->reply_count)},
        {"useless replies", "replies_useless", load(&counters->reply_useless_count)},
        {"holes given up", "given_up", load(&counters->given_up_count)},
        {"spins", "spins", load(&counters->spin_count)},
        {"spins lost", "spins_lost", load(&counters->spin_lost_count)},
        {"spins too old", "spins_old", load(&counters->spin_old_count)},
        {"spins too far", "spins_far", load(&counters->spin_far_count)},
        {"spliced", "spliced", load(&counters->spliced_count)},
        {"books contradicted", "contradicted", load(&counters->contradicted_count)},
        {"snapshot messages", "snapshot_messages", load(&counters->snapshot_message_count)},
        {"older messages pushed out (raise hold_messages)", "overflows", load(&counters->overflow_count)},
        {"packets not kept", "unkept", load(&counters->unkept_count)},
        {"packets too far ahead", "far", load(&counters->far_count)},
        {"believed and withdrawn", "withdrawn", load(&counters->withdrawn_count)},
    };
    _Static_assert(sizeof(rows) / sizeof(rows[0]) == REPORT_FEED_ROWS, "a row for each");

    memcpy(ret_rows, rows, sizeof(rows));
}

void report_feed_noted(struct channel *channel, struct report_feed_row ret_rows[REPORT_FEED_NOTED_ROWS])
{
    const struct channel_counters *counters = channel_counters(channel);
    const struct book_counters *books = book_counters(channel_book(channel));
    const uint64_t *book = books->verdict;
    const struct report_feed_row rows[] = {
        {"mold short", "mold_short", load(&counters->mold[MOLD_SHORT])},
        {"mold bad block", "mold_bad_block", load(&counters->mold[MOLD_BAD_BLOCK])},
        {"mold bad sequence", "mold_bad_seq", load(&counters->mold[MOLD_BAD_SEQ])},
        {"old session", "old_session", load(&counters->old_session_count)},
        {"other session", "other_session", load(&counters->other_session_count)},
        {"old sequences while silent (has the venue begun anew?)", "again", load(&counters->again_count)},
        {"ends of a session that went on", "ends_withdrawn", load(&counters->end_withdrawn_count)},
        {"begun anew under the same name", "anew", load(&counters->anew_count)},
        {"itch short", "message_short", load(&counters->itch[ITCH_SHORT])},
        {"itch unknown", "unknown_types", load(&counters->itch[ITCH_UNKNOWN])},
        {"stock locate too high (raise instruments_max)", "locate_range", load(&counters->locate_range_count)},
        {"price range", "price_range", load(&counters->price_range_count)},
        {"side neither B nor S", "bad_side", load(&counters->side_count)},
        {"hold overflow", "hold_overflow", load(&counters->held_overflow_count)},
        {"window expired", "window_expired", load(&counters->expired_count)},
        {"trailing bytes", "trailing_bytes", load(&counters->trailing_count)},
        {"empty block", "empty_messages", load(&counters->empty_count)},
        {"no room for an order (raise orders_max)", "orders_full", load(&book[BOOK_ORDERS_FULL])},
        {"no room for a level (raise levels_max)", "levels_full", load(&book[BOOK_LEVELS_FULL])},
        {"reference of a live order", "duplicate_refs", load(&book[BOOK_DUPLICATE_REF])},
        {"order of no shares", "zero_qty", load(&book[BOOK_BAD_QTY])},
        {"order of no price", "bad_price", load(&book[BOOK_BAD_PRICE])},
        {"more than an order has", "clamped_qty", load(&books->clamped_count)},
    };
    _Static_assert(sizeof(rows) / sizeof(rows[0]) == REPORT_FEED_NOTED_ROWS, "a row for each");

    memcpy(ret_rows, rows, sizeof(rows));
}

static uint64_t orphans(const struct channel_counters *counters)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < 256; i++)
        sum += counters->orphan_count[i];
    return sum;
}

/* Those that are not 0, in one line. */
static void text_rows(const char *title, const struct report_feed_row *rows, size_t row_count, FILE *out)
{
    const char *separator = title;

    for (size_t i = 0; i < row_count; i++) {
        if (rows[i].count == 0)
            continue;
        fprintf(out, "%s%s %" PRIu64, separator, rows[i].name, rows[i].count);
        separator = ", ";
    }
    if (separator != title)
        fputc('\n', out);
}

/* Why servers were of no help: what the channel cannot know. */
static void text_servers(const struct recovery_counters *counters, FILE *out)
{
    const struct report_feed_row rows[] = {
        {"requests not sent", NULL, counters->request_error_count},
        {"replies from elsewhere", NULL, counters->reply_foreign_count},
        {"replies longer than 2032 bytes", NULL, counters->reply_long_count},
        {"logins refused (look at username and password)", NULL, counters->spin_verdict[GLIMPSE_REJECTED]},
        {"connections refused or broken off", NULL, counters->spin_verdict[GLIMPSE_BROKEN]},
        {"snapshots that stopped for timeout_ms", NULL, counters->spin_verdict[GLIMPSE_TIMEOUT]},
        {"snapshots that were none", NULL, counters->spin_verdict[GLIMPSE_BAD]},
    };
    _Static_assert(RECOVERY_LINK_BYTES == 2032, "as the text says");

    text_rows("  servers: ", rows, sizeof(rows) / sizeof(rows[0]), out);
}

/* Messages by which the line is behind what any source has shown; one that never said anything has not shown the first
 * that is wanted. */
static uint64_t lag(const struct channel *channel, uint32_t line)
{
    const struct arb *arb = channel_arb(channel);
    const uint64_t next_seq = arb->line[line].next_seq != 0 ? arb->line[line].next_seq : arb->first_seq;

    return arb->newest_seq > next_seq ? arb->newest_seq - next_seq : 0;
}

static void text_line(const struct report *report, const struct channel *channel, const struct config_line *config,
                      uint32_t line, FILE *out)
{
    const struct arb_line *arb = &channel_arb(channel)->line[line];
    const struct health *health = channel_health(channel);
    const struct health_margin margin = health_margin(health, line);

    fprintf(out,
            "  line %-6s %10" PRIu64 " packets, %" PRIu64 " first, %" PRIu64 " duplicate, %" PRIu64
            " ahead of a hole, %" PRIu64 " messages lost on this line, %" PRIu64 " behind%s\n",
            config->name, arb->packet_count, arb->fresh_count, arb->duplicate_count, arb->gap_count, arb->lost_count,
            lag(channel, line), health_silent(health, line, newest_ns(report)) ? ", SILENT" : "");
    if (margin.count > 0)
        fprintf(out, "              ahead of another by %+.1f us at least, %+.1f p50, %+.1f at most; silent %" PRIu64
                     " times, %.3f s at most\n",
                (double)margin.min_ns / 1e3, (double)margin.p50_ns / 1e3, (double)margin.max_ns / 1e3,
                health->line[line].silence_count, (double)health->line[line].silence_max_ns / 1e9);
}

void report_feed_text(const struct report *report, uint32_t feed_idx, FILE *out)
{
    const struct topology *topology = report->topology;
    const struct config_feed *feed = &topology->config->feed[feed_idx];
    struct channel *channel = topology->channel[feed_idx];
    const struct channel_counters *counters = channel_counters(channel);
    const struct arb *arb = channel_arb(channel);
    struct report_feed_row rows[REPORT_FEED_ROWS], noted[REPORT_FEED_NOTED_ROWS];

    fprintf(out, "\nfeed %s: %" PRIu64 " messages, %" PRIu64 " events, %u live orders, book hash %016" PRIx64 "%s\n",
            feed->name, counters->message_count, counters->event_count, channel_order_count(channel),
            book_hash(channel_book(channel)),
            !health_heard(channel_health(channel)) ? ", NOTHING HAS COME" : channel_stale(channel) ? ", STALE" : "");
    if (feed->books == CONFIG_BOOKS_TRADED)
        fprintf(out, "  books of traded instruments alone: %" PRIu64 " order messages of others passed over\n",
                counters->untraded_count);
    for (uint32_t i = 0; i < feed->line_count; i++)
        text_line(report, channel, &feed->line_list[i], i, out);
    fprintf(out,
            "  holes %" PRIu64 " (%" PRIu64 " messages), held %" PRIu64 ", heartbeats %" PRIu64 ", unsequenced %" PRIu64
            ", orphans %" PRIu64 "\n",
            arb->hole_count, arb->missed_count, counters->held_count, counters->mold[MOLD_HEARTBEAT],
            counters->unsequenced_count, orphans(counters));
    report_feed_recovery(channel, rows);
    text_rows("  recovery: ", rows, REPORT_FEED_ROWS, out);
    if (topology->link[feed_idx])
        text_servers(&report->control->recovery.feed[feed_idx].counters, out);
    report_feed_noted(channel, noted);
    text_rows("  noted: ", noted, REPORT_FEED_NOTED_ROWS, out);
}

/* Counts by type letter, those that are not 0. */
static void json_types(struct json *json, const char *key, const uint64_t counts[256])
{
    char type[2] = "";

    json_open(json, key, '{');
    for (uint32_t i = 1; i < 256; i++) {
        type[0] = (char)i;
        if (counts[i] > 0)
            json_u64(json, type, counts[i]);
    }
    json_close(json, '}');
}

static void json_line(struct json *json, const struct report *report, const struct channel *channel,
                      const struct config_line *config, uint32_t line)
{
    const struct arb_line *arb = &channel_arb(channel)->line[line];
    const struct health *health = channel_health(channel);
    const struct health_margin margin = health_margin(health, line);

    json_open(json, NULL, '{');
    json_text(json, "name", config->name);
    json_u64(json, "packets", arb->packet_count);
    json_u64(json, "first", arb->fresh_count);
    json_u64(json, "duplicates", arb->duplicate_count);
    json_u64(json, "lost", arb->lost_count);
    json_u64(json, "ahead_of_hole", arb->gap_count);
    json_u64(json, "late", arb->late_count);
    json_u64(json, "lag", lag(channel, line));
    json_bool(json, "silent", health_silent(health, line, newest_ns(report)));
    json_u64(json, "silences", health->line[line].silence_count);
    json_u64(json, "silence_max_ns", health->line[line].silence_max_ns);
    json_open(json, "win_margin_ns", '{');
    json_u64(json, "count", margin.count);
    json_i64(json, "min", margin.min_ns);
    json_i64(json, "p50", margin.p50_ns);
    json_i64(json, "max", margin.max_ns);
    json_close(json, '}');
    json_close(json, '}');
}

static void json_servers(struct json *json, const struct recovery_counters *counters)
{
    json_open(json, "servers", '{');
    json_u64(json, "requests_sent", counters->request_count);
    json_u64(json, "request_errors", counters->request_error_count);
    json_u64(json, "replies", counters->reply_count);
    json_u64(json, "replies_foreign", counters->reply_foreign_count);
    json_u64(json, "replies_too_long", counters->reply_long_count);
    json_u64(json, "spins", counters->spin_count);
    json_u64(json, "spins_stopped", counters->spin_stop_count);
    json_open(json, "spins_by_end", '{');
    for (uint32_t i = GLIMPSE_END; i < GLIMPSE_VERDICT_COUNT; i++)
        json_u64(json, glimpse_verdict_name((enum glimpse_verdict)i), counters->spin_verdict[i]);
    json_close(json, '}');
    json_u64(json, "spin_messages", counters->spin_message_count);
    json_close(json, '}');
}

void report_feed_json(struct json *json, const struct report *report, uint32_t feed_idx)
{
    const struct topology *topology = report->topology;
    const struct config_feed *feed = &topology->config->feed[feed_idx];
    struct channel *channel = topology->channel[feed_idx];
    const struct channel_counters *counters = channel_counters(channel);
    const struct arb *arb = channel_arb(channel);
    struct report_feed_row rows[REPORT_FEED_ROWS], noted[REPORT_FEED_NOTED_ROWS];
    char hash[17];

    snprintf(hash, sizeof(hash), "%016" PRIx64, book_hash(channel_book(channel)));
    json_open(json, NULL, '{');
    json_text(json, "name", feed->name);
    json_u64(json, "packets", counters->packet_count);
    json_u64(json, "total", counters->message_count);
    json_types(json, "messages", counters->message_type_count);
    json_u64(json, "untraded", counters->untraded_count);
    json_u64(json, "live_orders", channel_order_count(channel));
    json_text(json, "book_hash", hash);
    json_bool(json, "heard", health_heard(channel_health(channel)));
    json_bool(json, "stale", channel_stale(channel));
    json_u64(json, "next_seq", arb->next_seq);
    json_u64(json, "holes", arb->hole_count);
    json_u64(json, "missed", arb->missed_count);
    json_u64(json, "held", counters->held_count);
    json_u64(json, "sessions", counters->session_count);
    json_types(json, "orphans", counters->orphan_count);
    json_open(json, "recovery", '{');
    report_feed_recovery(channel, rows);
    for (uint32_t i = 0; i < REPORT_FEED_ROWS; i++)
        json_u64(json, rows[i].key, rows[i].count);
    if (topology->link[feed_idx])
        json_servers(json, &report->control->recovery.feed[feed_idx].counters);
    json_close(json, '}');
    json_open(json, "noted", '{');
    report_feed_noted(channel, noted);
    for (uint32_t i = 0; i < REPORT_FEED_NOTED_ROWS; i++)
        json_u64(json, noted[i].key, noted[i].count);
    json_close(json, '}');
    json_open(json, "lines", '[');
    for (uint32_t i = 0; i < feed->line_count; i++)
        json_line(json, report, channel, &feed->line_list[i], i);
    json_close(json, ']');
    json_close(json, '}');
}
