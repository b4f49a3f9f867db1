/* What `tickgate inspect` prints: message lines as they come and a report at the end, as text for one screen or as one
 * JSON document. Contract in inspect.h.
 *
 * Main thread. Symbols and session names are foreign bytes: what is not printable shows as a dot, in text because a
 * terminal would act on it. Counts of zero are left out of lists of counts. */
#include "gateway/cmd/inspect.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_GAPS_MAX 8u /* in the text report */

/* 0 is no sequence number: MoldUDP64 counts from 1. */
static void json_seq(struct json *json, const char *key, uint64_t seq)
{
    if (seq != 0)
        json_u64(json, key, seq);
    else
        json_null(json, key);
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

/* ---- texts and numbers for people ---- */

/* Foreign bytes of a fixed width, padding taken off, anything that a terminal may act on replaced. */
static const char *plain_text(const void *bytes, size_t len, char *ret_text)
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

static const char *price_text(int64_t price_e4, char ret_text[24])
{
    const uint64_t size = price_e4 < 0 ? 0 - (uint64_t)price_e4 : (uint64_t)price_e4;
    snprintf(ret_text, 24, "%s%" PRIu64 ".%04" PRIu64, price_e4 < 0 ? "-" : "", size / 10000, size % 10000);
    return ret_text;
}

/* ---- one message ---- */

enum field_kind { FIELD_NUMBER, FIELD_PRICE, FIELD_PRICE8, FIELD_LETTER, FIELD_ALPHA };
struct field { const char *key; enum field_kind kind; uint64_t value; };
#define FIELDS_MAX 12u
struct fields { struct field list[FIELDS_MAX]; uint32_t count; };

static void add_field(struct fields *fields, const char *key, enum field_kind kind, uint64_t value)
{
    if (fields->count < FIELDS_MAX)
        fields->list[fields->count++] = (struct field){key, kind, value};
}

static void number(struct fields *fields, const char *key, uint64_t value)
{
    add_field(fields, key, FIELD_NUMBER, value);
}

static void price(struct fields *fields, const char *key, uint64_t value_e4)
{
    add_field(fields, key, FIELD_PRICE, value_e4);
}

static void letter(struct fields *fields, const char *key, uint8_t value)
{
    add_field(fields, key, FIELD_LETTER, value);
}

static void alpha(struct fields *fields, const char *key, uint64_t value)
{
    add_field(fields, key, FIELD_ALPHA, value);
}

/* What the message says, in the specification's order as far as it helps. Its symbol is told apart. */
static void describe(const struct itch_msg *msg, struct fields *fields)
{
    switch (msg->type) {
    case ITCH_SYSTEM_EVENT:
        letter(fields, "code", msg->system_event.code);
        break;
    case ITCH_STOCK_DIRECTORY:
        letter(fields, "category", msg->directory.category);
        letter(fields, "financial", msg->directory.financial);
        number(fields, "round_lot", msg->directory.round_lot);
        letter(fields, "tier", msg->directory.luld_tier);
        break;
    case ITCH_TRADING_ACTION:
        letter(fields, "state", msg->trading_action.state);
        alpha(fields, "reason", msg->trading_action.reason);
        break;
    case ITCH_REG_SHO:
        letter(fields, "action", msg->reg_sho.action);
        break;
    case ITCH_PARTICIPANT:
        alpha(fields, "mpid", msg->participant.mpid);
        letter(fields, "primary", msg->participant.primary);
        letter(fields, "mode", msg->participant.mode);
        letter(fields, "state", msg->participant.state);
        break;
    case ITCH_MWCB_LEVEL:
        add_field(fields, "level1", FIELD_PRICE8, msg->mwcb_level.level_e8[0]);
        add_field(fields, "level2", FIELD_PRICE8, msg->mwcb_level.level_e8[1]);
        add_field(fields, "level3", FIELD_PRICE8, msg->mwcb_level.level_e8[2]);
        break;
    case ITCH_MWCB_STATUS:
        letter(fields, "level", msg->mwcb_status.level);
        break;
    case ITCH_IPO_UPDATE:
        number(fields, "release_s", msg->ipo.release_s);
        letter(fields, "qualifier", msg->ipo.qualifier);
        price(fields, "price", msg->ipo.price);
        break;
    case ITCH_LULD_COLLAR:
        price(fields, "reference", msg->collar.reference);
        price(fields, "upper", msg->collar.upper);
        price(fields, "lower", msg->collar.lower);
        number(fields, "extension", msg->collar.extension);
        break;
    case ITCH_OPERATIONAL_HALT:
        letter(fields, "market", msg->operational.market);
        letter(fields, "action", msg->operational.action);
        break;
    case ITCH_ADD:
    case ITCH_ADD_MPID:
        letter(fields, "side", msg->add.side);
        number(fields, "qty", msg->add.qty);
        price(fields, "price", msg->add.price);
        number(fields, "ref", msg->add.ref);
        if (msg->type == ITCH_ADD_MPID)
            alpha(fields, "mpid", msg->add.mpid);
        break;
    case ITCH_EXECUTED:
    case ITCH_EXECUTED_PRICE:
        number(fields, "qty", msg->executed.qty);
        if (msg->type == ITCH_EXECUTED_PRICE) {
            price(fields, "price", msg->executed.price);
            letter(fields, "printable", msg->executed.printable);
        }
        number(fields, "ref", msg->executed.ref);
        number(fields, "match", msg->executed.match);
        break;
    case ITCH_CANCEL:
        number(fields, "qty", msg->cancel.qty);
        number(fields, "ref", msg->cancel.ref);
        break;
    case ITCH_DELETE:
        number(fields, "ref", msg->delete.ref);
        break;
    case ITCH_REPLACE:
        number(fields, "qty", msg->replace.qty);
        price(fields, "price", msg->replace.price);
        number(fields, "orig_ref", msg->replace.orig_ref);
        number(fields, "ref", msg->replace.ref);
        break;
    case ITCH_TRADE:
        letter(fields, "side", msg->trade.side);
        number(fields, "qty", msg->trade.qty);
        price(fields, "price", msg->trade.price);
        number(fields, "match", msg->trade.match);
        break;
    case ITCH_CROSS_TRADE:
        letter(fields, "cross", msg->cross.cross);
        number(fields, "qty", msg->cross.qty);
        price(fields, "price", msg->cross.price);
        number(fields, "match", msg->cross.match);
        break;
    case ITCH_BROKEN_TRADE:
        number(fields, "match", msg->broken.match);
        break;
    case ITCH_NOII:
        letter(fields, "cross", msg->noii.cross);
        number(fields, "paired", msg->noii.paired_qty);
        number(fields, "imbalance", msg->noii.imbalance_qty);
        letter(fields, "direction", msg->noii.direction);
        price(fields, "far", msg->noii.far_price);
        price(fields, "near", msg->noii.near_price);
        price(fields, "reference", msg->noii.reference);
        letter(fields, "variation", msg->noii.variation);
        break;
    case ITCH_RPII:
        letter(fields, "interest", msg->rpii.interest);
        break;
    case ITCH_DIRECT_LISTING:
        letter(fields, "eligibility", msg->listing.eligibility);
        price(fields, "min", msg->listing.min_price);
        price(fields, "max", msg->listing.max_price);
        price(fields, "near", msg->listing.near_price);
        number(fields, "near_time", msg->listing.near_execution_time);
        price(fields, "lower", msg->listing.lower);
        price(fields, "upper", msg->listing.upper);
        break;
    default:
        break;
    }
}

static void text_field(const struct field *field)
{
    char text[24];
    printf(" %s=", field->key);
    switch (field->kind) {
    case FIELD_NUMBER:
        printf("%" PRIu64, field->value);
        break;
    case FIELD_PRICE:
        fputs(price_text((int64_t)field->value, text), stdout);
        break;
    case FIELD_PRICE8:
        printf("%" PRIu64 ".%08" PRIu64, field->value / 100000000u, field->value % 100000000u);
        break;
    case FIELD_LETTER:
        putchar(field->value > ' ' && field->value <= '~' ? (int)field->value : '.');
        break;
    case FIELD_ALPHA:
        fputs(plain_text(&field->value, 8, text), stdout);
        break;
    }
}

static void json_field(struct json *json, const struct field *field)
{
    char text[9];
    const char one = (char)field->value;
    if (field->kind == FIELD_LETTER)
        json_text(json, field->key, plain_text(&one, 1, text));
    else if (field->kind == FIELD_ALPHA)
        json_text(json, field->key, plain_text(&field->value, 8, text));
    else
        json_u64(json, field->key, field->value);
}

static void text_message(uint32_t channel_idx, const struct channel_cursor *cursor, const char *symbol, uint8_t type,
                         uint64_t time_ns, const struct fields *fields, const char *fault,
                         const struct md_event *after)
{
    char seq[24] = "-";
    if (cursor->seq != 0)
        snprintf(seq, sizeof(seq), "%" PRIu64, cursor->seq);
    const uint64_t time_s = time_ns / 1000000000u;
    printf("%u %8s %02" PRIu64 ":%02" PRIu64 ":%02" PRIu64 ".%09" PRIu64 " %c %-8s", channel_idx, seq, time_s / 3600,
           time_s / 60 % 60, time_s % 60, time_ns % 1000000000u, type > ' ' && type <= '~' ? type : '.', symbol);
    for (uint32_t i = 0; i < fields->count; i++)
        text_field(&fields->list[i]);
    if (after != NULL) {
        char bid[24] = "-", ask[24] = "-";
        if (after->bid_price != MD_PRICE_NONE)
            price_text(after->bid_price, bid);
        if (after->ask_price != MD_PRICE_NONE)
            price_text(after->ask_price, ask);
        printf(" | %u x %s  %s x %u", after->bid_qty, bid, ask, after->ask_qty);
    }
    if (fault != NULL)
        printf(" %s", fault);
    putchar('\n');
}

/* [price, quantity], null for an empty side. */
static void json_side(struct json *json, const char *key, int32_t side_price, uint64_t qty)
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

static void json_message(struct json *json, uint32_t channel_idx, const struct channel_cursor *cursor,
                         const char *symbol, uint16_t locate, uint8_t type, uint64_t time_ns,
                         const struct fields *fields, const char *fault, const struct md_event *after)
{
    char type_text[2];
    putchar('\n');
    json_open(json, NULL, '{');
    json_u64(json, "channel", channel_idx);
    json_seq(json, "seq", cursor->seq);
    json_u64(json, "time_ns", time_ns);
    json_text(json, "type", plain_text(&type, 1, type_text));
    if (symbol[0] != '\0')
        json_text(json, "symbol", symbol);
    else
        json_null(json, "symbol");
    json_u64(json, "locate", locate);
    for (uint32_t i = 0; i < fields->count; i++)
        json_field(json, &fields->list[i]);
    if (after != NULL) {
        json_side(json, "bid", after->bid_price, after->bid_qty);
        json_side(json, "ask", after->ask_price, after->ask_qty);
    }
    if (fault != NULL)
        json_text(json, "fault", fault);
    json_close(json, '}');
}

void inspect_report_message(struct inspect *inspect, uint32_t channel_idx, const struct channel_cursor *cursor,
                            bool orphan)
{
    const struct inspect_channel *found = inspect->channel[channel_idx];
    struct fields fields = {.count = 0};
    struct itch_msg msg;
    const enum itch_verdict verdict = itch_decode(cursor->message, cursor->message_len, &msg);
    const char *fault = cursor->message_len == 0    ? "empty"
                        : verdict == ITCH_SHORT   ? "short"
                        : verdict == ITCH_UNKNOWN ? "unknown"
                        : orphan                  ? "orphan"
                                                  : NULL;
    const uint8_t type = cursor->message_len > 0 ? cursor->message[0] : 0;
    char symbol[9] = "";
    if (verdict == ITCH_OK) {
        describe(&msg, &fields);
        plain_text(&channel_instruments(found->channel)[msg.locate].symbol, 8, symbol);
    } else {
        number(&fields, "len", cursor->message_len);
    }
    /* Its last event has the book after the message; shown where the message is about orders. */
    const bool orders = type != 0 && strchr("AFECXDU", type) != NULL;
    const struct md_event *after = orders && cursor->event_count > 0 ? &cursor->event[cursor->event_count - 1] : NULL;
    const uint64_t time_ns = verdict == ITCH_OK ? msg.timestamp_ns : 0;
    const uint16_t locate = verdict == ITCH_OK ? msg.locate : 0;
    if (inspect->json) {
        json_message(&inspect->writer, channel_idx, cursor, symbol, locate, type, time_ns, &fields, fault, after);
    } else {
        /* A capture that begins in mid-session: only the number of the stock is known. */
        if (symbol[0] == '\0')
            snprintf(symbol, sizeof(symbol), locate != 0 ? "#%u" : "-", locate);
        text_message(channel_idx, cursor, symbol, type, time_ns, &fields, fault, after);
    }
    inspect->message_line_count++;
}

void inspect_report_gap(const struct inspect *inspect, uint32_t channel_idx, struct inspect_gap gap)
{
    if (!inspect->json)
        printf("%u %8" PRIu64 " -- gap: %" PRIu64 " missing\n", channel_idx, gap.first_seq, gap.count);
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

/* ---- books ---- */

struct book_row { char symbol[9]; uint32_t channel_idx, instrument; };

/* By symbol, then channel, then instrument. */
static int compare_rows(const void *left, const void *right)
{
    const struct book_row *a = left;
    const struct book_row *b = right;
    const int letters = strcmp(a->symbol, b->symbol);
    if (letters != 0)
        return letters;
    if (a->channel_idx != b->channel_idx)
        return a->channel_idx < b->channel_idx ? -1 : 1;
    return a->instrument < b->instrument ? -1 : a->instrument > b->instrument;
}

/* Instruments whose book was ever used, sorted; caller frees. */
static struct book_row *list_books(const struct inspect *inspect, uint32_t *ret_count)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < inspect->channel_count; i++)
        for (uint32_t j = 0; j < INSPECT_INSTRUMENTS_MAX / 64; j++)
            count += (uint32_t)__builtin_popcountll(inspect->channel[i]->had_orders[j]);
    struct book_row *rows = malloc((count + 1) * sizeof(*rows));
    *ret_count = 0;
    if (rows == NULL)
        return NULL;
    for (uint32_t i = 0; i < inspect->channel_count; i++) {
        const struct inspect_channel *found = inspect->channel[i];
        for (uint32_t j = 0; j < INSPECT_INSTRUMENTS_MAX; j++) {
            if ((found->had_orders[j / 64] >> j % 64 & 1) == 0)
                continue;
            struct book_row *row = &rows[(*ret_count)++];
            *row = (struct book_row){.channel_idx = i, .instrument = j};
            plain_text(&channel_instruments(found->channel)[j].symbol, 8, row->symbol);
        }
    }
    qsort(rows, *ret_count, sizeof(*rows), compare_rows);
    return rows;
}

/* Key of a book: its symbol; made unique where two channels, or two stock locates, have the same. */
static const char *book_key(const struct inspect *inspect, const struct book_row *rows, uint32_t count, uint32_t i,
                            char ret_key[64])
{
    const struct book_row *row = &rows[i];
    const struct book_row *before = i > 0 && strcmp(rows[i - 1].symbol, row->symbol) == 0 ? &rows[i - 1] : NULL;
    const struct book_row *behind = i + 1 < count && strcmp(rows[i + 1].symbol, row->symbol) == 0 ? &rows[i + 1] : NULL;
    char session[MOLD_SESSION_LEN + 2] = "";
    char locate[16] = "";
    if ((before != NULL || behind != NULL) && inspect->channel_count > 1) {
        session[0] = '@';
        plain_text(inspect->channel[row->channel_idx]->session, MOLD_SESSION_LEN, session + 1);
    }
    if (row->symbol[0] == '\0' || (before != NULL && before->channel_idx == row->channel_idx) ||
        (behind != NULL && behind->channel_idx == row->channel_idx))
        snprintf(locate, sizeof(locate), "#%u", row->instrument);
    snprintf(ret_key, 64, "%s%s%s", row->symbol, session, locate);
    return ret_key;
}

struct side_view { struct book_totals totals; struct book_level_view best; };

static struct side_view view_side(const struct inspect *inspect, const struct book_row *row, uint8_t side)
{
    const struct book *book = channel_book(inspect->channel[row->channel_idx]->channel);
    struct side_view view = {.totals = book_totals(book, row->instrument, side)};
    if (book_levels(book, row->instrument, side, 1, &view.best) == 0)
        view.best = (struct book_level_view){.price = MD_PRICE_NONE};
    return view;
}

static void json_books(struct json *json, const struct inspect *inspect)
{
    uint32_t count;
    struct book_row *rows = list_books(inspect, &count);
    json_open(json, "books", '{');
    for (uint32_t i = 0; i < count; i++) {
        char key[64];
        const struct side_view bid = view_side(inspect, &rows[i], 'B');
        const struct side_view ask = view_side(inspect, &rows[i], 'S');
        json_open(json, book_key(inspect, rows, count, i, key), '{');
        json_side(json, "bid", bid.best.price, bid.best.qty);
        json_side(json, "ask", ask.best.price, ask.best.qty);
        json_u64(json, "bid_levels", bid.totals.level_count);
        json_u64(json, "ask_levels", ask.totals.level_count);
        json_u64(json, "orders", (uint64_t)bid.totals.order_count + ask.totals.order_count);
        json_u64(json, "bid_qty", bid.totals.qty);
        json_u64(json, "ask_qty", ask.totals.qty);
        json_close(json, '}');
    }
    json_close(json, '}');
    free(rows);
}

static void text_books(const struct inspect *inspect)
{
    uint32_t count;
    struct book_row *rows = list_books(inspect, &count);
    if (count > 0)
        printf("\n%-12s %10s %12s %12s %-10s %13s %9s %21s\n", "symbol", "bid qty", "bid", "ask", "ask qty",
               "levels", "orders", "total qty bid / ask");
    for (uint32_t i = 0; i < count; i++) {
        char key[64], bid_text[24] = "-", ask_text[24] = "-", levels[24], totals[48];
        const struct side_view bid = view_side(inspect, &rows[i], 'B');
        const struct side_view ask = view_side(inspect, &rows[i], 'S');
        if (bid.best.price != MD_PRICE_NONE)
            price_text(bid.best.price, bid_text);
        if (ask.best.price != MD_PRICE_NONE)
            price_text(ask.best.price, ask_text);
        snprintf(levels, sizeof(levels), "%u / %u", bid.totals.level_count, ask.totals.level_count);
        snprintf(totals, sizeof(totals), "%" PRIu64 " / %" PRIu64, bid.totals.qty, ask.totals.qty);
        printf("%-12s %10" PRIu64 " %12s %12s %-10" PRIu64 " %13s %9u %21s\n", book_key(inspect, rows, count, i, key),
               bid.best.qty, bid_text, ask_text, ask.best.qty, levels,
               bid.totals.order_count + ask.totals.order_count, totals);
    }
    free(rows);
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
    json_text(json, "session", plain_text(found->session, MOLD_SESSION_LEN, text));
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
    json_seq(json, "first_seq", found->first_seq);
    json_seq(json, "last_seq", found->last_seq);
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
    json_seq(json, "first_seq", only != NULL ? only->first_seq : 0);
    json_seq(json, "last_seq", only != NULL ? only->last_seq : 0);
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
        json_books(json, inspect);
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

    plain_text(found->session, MOLD_SESSION_LEN, session);
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
        text_books(inspect);
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
