/* `tickgate inspect --messages`: a line, or a JSON object, for each message delivered, as it comes. Contract in
 * inspect.h. Main thread. */
#include "gateway/cmd/inspect.h"
#include "gateway/cmd/inspect_parts.h"

#include <inttypes.h>
#include <string.h>

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
        fputs(inspect_price_text((int64_t)field->value, text), stdout);
        break;
    case FIELD_PRICE8:
        printf("%" PRIu64 ".%08" PRIu64, field->value / 100000000u, field->value % 100000000u);
        break;
    case FIELD_LETTER:
        putchar(field->value > ' ' && field->value <= '~' ? (int)field->value : '.');
        break;
    case FIELD_ALPHA:
        fputs(inspect_plain_text(&field->value, 8, text), stdout);
        break;
    }
}

static void json_field(struct json *json, const struct field *field)
{
    char text[9];
    const char one = (char)field->value;
    if (field->kind == FIELD_LETTER)
        json_text(json, field->key, inspect_plain_text(&one, 1, text));
    else if (field->kind == FIELD_ALPHA)
        json_text(json, field->key, inspect_plain_text(&field->value, 8, text));
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
            inspect_price_text(after->bid_price, bid);
        if (after->ask_price != MD_PRICE_NONE)
            inspect_price_text(after->ask_price, ask);
        printf(" | %u x %s  %s x %u", after->bid_qty, bid, ask, after->ask_qty);
    }
    if (fault != NULL)
        printf(" %s", fault);
    putchar('\n');
}

static void json_message(struct json *json, uint32_t channel_idx, const struct channel_cursor *cursor,
                         const char *symbol, uint16_t locate, uint8_t type, uint64_t time_ns,
                         const struct fields *fields, const char *fault, const struct md_event *after)
{
    char type_text[2];
    putchar('\n');
    json_open(json, NULL, '{');
    json_u64(json, "channel", channel_idx);
    inspect_json_seq(json, "seq", cursor->seq);
    json_u64(json, "time_ns", time_ns);
    json_text(json, "type", inspect_plain_text(&type, 1, type_text));
    if (symbol[0] != '\0')
        json_text(json, "symbol", symbol);
    else
        json_null(json, "symbol");
    json_u64(json, "locate", locate);
    for (uint32_t i = 0; i < fields->count; i++)
        json_field(json, &fields->list[i]);
    if (after != NULL) {
        inspect_json_side(json, "bid", after->bid_price, after->bid_qty);
        inspect_json_side(json, "ask", after->ask_price, after->ask_qty);
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
        inspect_plain_text(&channel_instruments(found->channel)[msg.locate].symbol, 8, symbol);
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
