/* ITCH 5.0: every field of every type at the offset of the specification, from messages whose bytes are all different;
 * round trips; boundaries; real packets. Offsets and lengths are literals here on purpose: nothing is taken from
 * itch.c. */
#include "feed/itch.h"

#include <criterion/criterion.h>
#include <glob.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "feed/frame.h"
#include "feed/mold.h"

/* Type and length, "Nasdaq TotalView-ITCH 5.0" (2026-02-19). */
static const struct {
    char type;
    uint32_t len;
} table[ITCH_TYPE_COUNT] = {
    {'S', 12}, {'R', 39}, {'H', 25}, {'Y', 20}, {'L', 26}, {'V', 35}, {'W', 12}, {'K', 28},
    {'J', 35}, {'h', 21}, {'A', 36}, {'F', 40}, {'E', 31}, {'C', 36}, {'X', 23}, {'D', 19},
    {'U', 35}, {'P', 44}, {'Q', 40}, {'B', 19}, {'I', 50}, {'N', 20}, {'O', 48},
};

/* Byte i of a message under test, but for the type: never the same twice, the top bit used. */
static uint8_t pattern(uint32_t i)
{
    return (uint8_t)(0xf1 - 3 * i);
}

static uint64_t be(uint32_t at, uint32_t len)
{
    uint64_t value = 0;
    for (uint32_t i = 0; i < len; i++)
        value = value << 8 | pattern(at + i);
    return value;
}

/* As md_symbol(): first letter in the lowest byte, space padded to eight. */
static uint64_t alpha(uint32_t at, uint32_t len)
{
    uint64_t value = 0;
    for (uint32_t i = 0; i < 8; i++)
        value |= (uint64_t)(i < len ? pattern(at + i) : ' ') << (8 * i);
    return value;
}

/* Decode from an allocation of exactly `len` bytes, so that a sanitizer sees a read past the end. */
static enum itch_verdict decode(const uint8_t *message, uint32_t len, struct itch_msg *msg)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    cr_assert_not_null(copy);
    memcpy(copy, message, len);
    const enum itch_verdict verdict = itch_decode(copy, len, msg);
    free(copy);
    return verdict;
}

static struct itch_msg decode_pattern(char type, uint32_t len)
{
    uint8_t message[64];
    struct itch_msg msg;
    for (uint32_t i = 0; i < len; i++)
        message[i] = pattern(i);
    message[0] = (uint8_t)type;
    memset(&msg, 0x5a, sizeof(msg)); /* what is not written must not look right */
    cr_assert_eq(decode(message, len, &msg), ITCH_OK);
    cr_assert_eq(msg.type, (uint8_t)type);
    cr_assert_eq(msg.locate, be(1, 2));
    cr_assert_eq(msg.tracking, be(3, 2));
    cr_assert_eq(msg.timestamp_ns, be(5, 6));
    return msg;
}

Test(itch, system_event_offsets)
{
    const struct itch_msg msg = decode_pattern('S', 12);
    cr_assert_eq(msg.system_event.code, pattern(11));
}

Test(itch, stock_directory_offsets)
{
    const struct itch_msg msg = decode_pattern('R', 39);
    cr_assert_eq(msg.directory.stock, alpha(11, 8));
    cr_assert_eq(msg.directory.category, pattern(19));
    cr_assert_eq(msg.directory.financial, pattern(20));
    cr_assert_eq(msg.directory.round_lot, be(21, 4));
    cr_assert_eq(msg.directory.round_lots_only, pattern(25));
    cr_assert_eq(msg.directory.classification, pattern(26));
    cr_assert_eq(msg.directory.sub_type[0], pattern(27));
    cr_assert_eq(msg.directory.sub_type[1], pattern(28));
    cr_assert_eq(msg.directory.authenticity, pattern(29));
    cr_assert_eq(msg.directory.short_sale_threshold, pattern(30));
    cr_assert_eq(msg.directory.ipo, pattern(31));
    cr_assert_eq(msg.directory.luld_tier, pattern(32));
    cr_assert_eq(msg.directory.etp, pattern(33));
    cr_assert_eq(msg.directory.etp_leverage, be(34, 4));
    cr_assert_eq(msg.directory.inverse, pattern(38));
}

Test(itch, trading_action_offsets)
{
    const struct itch_msg msg = decode_pattern('H', 25);
    cr_assert_eq(msg.trading_action.stock, alpha(11, 8));
    cr_assert_eq(msg.trading_action.state, pattern(19));
    cr_assert_eq(msg.trading_action.reason, alpha(21, 4));
}

Test(itch, reg_sho_offsets)
{
    const struct itch_msg msg = decode_pattern('Y', 20);
    cr_assert_eq(msg.reg_sho.stock, alpha(11, 8));
    cr_assert_eq(msg.reg_sho.action, pattern(19));
}

Test(itch, participant_position_offsets)
{
    const struct itch_msg msg = decode_pattern('L', 26);
    cr_assert_eq(msg.participant.mpid, alpha(11, 4));
    cr_assert_eq(msg.participant.stock, alpha(15, 8));
    cr_assert_eq(msg.participant.primary, pattern(23));
    cr_assert_eq(msg.participant.mode, pattern(24));
    cr_assert_eq(msg.participant.state, pattern(25));
}

Test(itch, mwcb_decline_level_offsets)
{
    const struct itch_msg msg = decode_pattern('V', 35);
    cr_assert_eq(msg.mwcb_level.level_e8[0], be(11, 8));
    cr_assert_eq(msg.mwcb_level.level_e8[1], be(19, 8));
    cr_assert_eq(msg.mwcb_level.level_e8[2], be(27, 8));
}

Test(itch, mwcb_status_offsets)
{
    const struct itch_msg msg = decode_pattern('W', 12);
    cr_assert_eq(msg.mwcb_status.level, pattern(11));
}

Test(itch, ipo_quoting_period_offsets)
{
    const struct itch_msg msg = decode_pattern('K', 28);
    cr_assert_eq(msg.ipo.stock, alpha(11, 8));
    cr_assert_eq(msg.ipo.release_s, be(19, 4));
    cr_assert_eq(msg.ipo.qualifier, pattern(23));
    cr_assert_eq(msg.ipo.price, be(24, 4));
}

Test(itch, luld_collar_offsets)
{
    const struct itch_msg msg = decode_pattern('J', 35);
    cr_assert_eq(msg.collar.stock, alpha(11, 8));
    cr_assert_eq(msg.collar.reference, be(19, 4));
    cr_assert_eq(msg.collar.upper, be(23, 4));
    cr_assert_eq(msg.collar.lower, be(27, 4));
    cr_assert_eq(msg.collar.extension, be(31, 4));
}

Test(itch, operational_halt_offsets)
{
    const struct itch_msg msg = decode_pattern('h', 21);
    cr_assert_eq(msg.operational.stock, alpha(11, 8));
    cr_assert_eq(msg.operational.market, pattern(19));
    cr_assert_eq(msg.operational.action, pattern(20));
}

Test(itch, add_offsets)
{
    const struct itch_msg msg = decode_pattern('A', 36);
    cr_assert_eq(msg.add.ref, be(11, 8));
    cr_assert_eq(msg.add.side, pattern(19));
    cr_assert_eq(msg.add.qty, be(20, 4));
    cr_assert_eq(msg.add.stock, alpha(24, 8));
    cr_assert_eq(msg.add.price, be(32, 4));
    cr_assert_eq(msg.add.mpid, 0);
}

Test(itch, add_with_mpid_offsets)
{
    const struct itch_msg msg = decode_pattern('F', 40);
    cr_assert_eq(msg.add.ref, be(11, 8));
    cr_assert_eq(msg.add.side, pattern(19));
    cr_assert_eq(msg.add.qty, be(20, 4));
    cr_assert_eq(msg.add.stock, alpha(24, 8));
    cr_assert_eq(msg.add.price, be(32, 4));
    cr_assert_eq(msg.add.mpid, alpha(36, 4));
}

Test(itch, executed_offsets)
{
    const struct itch_msg msg = decode_pattern('E', 31);
    cr_assert_eq(msg.executed.ref, be(11, 8));
    cr_assert_eq(msg.executed.qty, be(19, 4));
    cr_assert_eq(msg.executed.match, be(23, 8));
    cr_assert_eq(msg.executed.price, 0);
    cr_assert_eq(msg.executed.printable, 'Y');
}

Test(itch, executed_with_price_offsets)
{
    const struct itch_msg msg = decode_pattern('C', 36);
    cr_assert_eq(msg.executed.ref, be(11, 8));
    cr_assert_eq(msg.executed.qty, be(19, 4));
    cr_assert_eq(msg.executed.match, be(23, 8));
    cr_assert_eq(msg.executed.printable, pattern(31));
    cr_assert_eq(msg.executed.price, be(32, 4));
}

Test(itch, cancel_offsets)
{
    const struct itch_msg msg = decode_pattern('X', 23);
    cr_assert_eq(msg.cancel.ref, be(11, 8));
    cr_assert_eq(msg.cancel.qty, be(19, 4));
}

Test(itch, delete_offsets)
{
    const struct itch_msg msg = decode_pattern('D', 19);
    cr_assert_eq(msg.delete.ref, be(11, 8));
}

Test(itch, replace_offsets)
{
    const struct itch_msg msg = decode_pattern('U', 35);
    cr_assert_eq(msg.replace.orig_ref, be(11, 8));
    cr_assert_eq(msg.replace.ref, be(19, 8));
    cr_assert_eq(msg.replace.qty, be(27, 4));
    cr_assert_eq(msg.replace.price, be(31, 4));
}

Test(itch, trade_offsets)
{
    const struct itch_msg msg = decode_pattern('P', 44);
    cr_assert_eq(msg.trade.ref, be(11, 8));
    cr_assert_eq(msg.trade.side, pattern(19));
    cr_assert_eq(msg.trade.qty, be(20, 4));
    cr_assert_eq(msg.trade.stock, alpha(24, 8));
    cr_assert_eq(msg.trade.price, be(32, 4));
    cr_assert_eq(msg.trade.match, be(36, 8));
}

Test(itch, cross_trade_offsets)
{
    const struct itch_msg msg = decode_pattern('Q', 40);
    cr_assert_eq(msg.cross.qty, be(11, 8));
    cr_assert_eq(msg.cross.stock, alpha(19, 8));
    cr_assert_eq(msg.cross.price, be(27, 4));
    cr_assert_eq(msg.cross.match, be(31, 8));
    cr_assert_eq(msg.cross.cross, pattern(39));
}

Test(itch, broken_trade_offsets)
{
    const struct itch_msg msg = decode_pattern('B', 19);
    cr_assert_eq(msg.broken.match, be(11, 8));
}

Test(itch, noii_offsets)
{
    const struct itch_msg msg = decode_pattern('I', 50);
    cr_assert_eq(msg.noii.paired_qty, be(11, 8));
    cr_assert_eq(msg.noii.imbalance_qty, be(19, 8));
    cr_assert_eq(msg.noii.direction, pattern(27));
    cr_assert_eq(msg.noii.stock, alpha(28, 8));
    cr_assert_eq(msg.noii.far_price, be(36, 4));
    cr_assert_eq(msg.noii.near_price, be(40, 4));
    cr_assert_eq(msg.noii.reference, be(44, 4));
    cr_assert_eq(msg.noii.cross, pattern(48));
    cr_assert_eq(msg.noii.variation, pattern(49));
}

Test(itch, rpii_offsets)
{
    const struct itch_msg msg = decode_pattern('N', 20);
    cr_assert_eq(msg.rpii.stock, alpha(11, 8));
    cr_assert_eq(msg.rpii.interest, pattern(19));
}

Test(itch, direct_listing_offsets)
{
    const struct itch_msg msg = decode_pattern('O', 48);
    cr_assert_eq(msg.listing.stock, alpha(11, 8));
    cr_assert_eq(msg.listing.eligibility, pattern(19));
    cr_assert_eq(msg.listing.min_price, be(20, 4));
    cr_assert_eq(msg.listing.max_price, be(24, 4));
    cr_assert_eq(msg.listing.near_price, be(28, 4));
    cr_assert_eq(msg.listing.near_execution_time, be(32, 8));
    cr_assert_eq(msg.listing.lower, be(40, 4));
    cr_assert_eq(msg.listing.upper, be(44, 4));
}

Test(itch, order_reference_of_every_order_message_stands_at_one_place)
{
    for (const char *type = "AFECXDUP"; *type != '\0'; type++) {
        const struct itch_msg msg = decode_pattern(*type, itch_length((uint8_t)*type));
        cr_assert_eq(msg.order.ref, be(11, 8), "%c", *type);
    }
}

Test(itch, lengths_are_those_of_the_specification_and_no_other_type_has_one)
{
    uint32_t expected[256] = {0};
    for (uint32_t i = 0; i < ITCH_TYPE_COUNT; i++)
        expected[(uint8_t)table[i].type] = table[i].len;
    for (uint32_t type = 0; type < 256; type++)
        cr_assert_eq(itch_length((uint8_t)type), expected[type], "type %02x", type);
}

Test(itch, each_type_cut_at_every_byte_is_short_and_writes_nothing)
{
    for (uint32_t i = 0; i < ITCH_TYPE_COUNT; i++) {
        uint8_t message[64] = {(uint8_t)table[i].type};
        for (uint32_t len = 0; len < table[i].len; len++) {
            struct itch_msg msg, before;
            memset(&msg, 0x5a, sizeof(msg));
            memcpy(&before, &msg, sizeof(msg));
            cr_assert_eq(decode(message, len, &msg), ITCH_SHORT, "%c cut at %u", table[i].type, len);
            cr_assert_arr_eq((const uint8_t *)&msg, (const uint8_t *)&before, sizeof(msg));
        }
    }
}

Test(itch, longer_message_decodes_as_its_type)
{
    for (uint32_t i = 0; i < ITCH_TYPE_COUNT; i++) {
        uint8_t message[128] = {0}, exact[ITCH_LENGTH_MAX], longer[ITCH_LENGTH_MAX];
        for (uint32_t k = 0; k < sizeof(message); k++)
            message[k] = pattern(k);
        message[0] = (uint8_t)table[i].type;
        struct itch_msg msg;
        cr_assert_eq(decode(message, table[i].len, &msg), ITCH_OK);
        cr_assert_eq(itch_encode(&msg, exact), table[i].len);
        for (uint32_t more = 1; more <= sizeof(message) - table[i].len; more++) {
            cr_assert_eq(decode(message, table[i].len + more, &msg), ITCH_OK);
            cr_assert_eq(itch_encode(&msg, longer), table[i].len);
            cr_assert_arr_eq(longer, exact, table[i].len);
        }
    }
}

Test(itch, unknown_types_are_unknown_at_any_length_and_write_nothing)
{
    for (uint32_t type = 0; type < 256; type++) {
        if (itch_length((uint8_t)type) != 0)
            continue;
        for (uint32_t len = 1; len <= 60; len++) {
            uint8_t message[64] = {(uint8_t)type};
            struct itch_msg msg, before;
            memset(&msg, 0x5a, sizeof(msg));
            memcpy(&before, &msg, sizeof(msg));
            cr_assert_eq(decode(message, len, &msg), ITCH_UNKNOWN);
            cr_assert_arr_eq((const uint8_t *)&msg, (const uint8_t *)&before, sizeof(msg));
        }
    }
}

Test(itch, unknown_type_is_not_encoded)
{
    struct itch_msg msg = {.type = 'Z'};
    uint8_t message[ITCH_LENGTH_MAX];
    memset(message, 0x5a, sizeof(message));
    cr_assert_eq(itch_encode(&msg, message), 0);
    for (uint32_t i = 0; i < sizeof(message); i++)
        cr_assert_eq(message[i], 0x5a);
}

Test(itch, encoding_gives_back_the_bytes_that_were_decoded)
{
    uint64_t state = 1;
    for (uint32_t i = 0; i < ITCH_TYPE_COUNT; i++) {
        for (uint32_t round = 0; round < 2000; round++) {
            uint8_t message[ITCH_LENGTH_MAX], encoded[ITCH_LENGTH_MAX + 8];
            for (uint32_t k = 0; k < sizeof(message); k++) {
                state = state * 6364136223846793005u + 1442695040888963407u;
                message[k] = (uint8_t)(state >> 56);
            }
            message[0] = (uint8_t)table[i].type;
            if (table[i].type == 'H')
                message[20] = ' '; /* reserved: not kept */
            struct itch_msg msg;
            memset(encoded, 0x5a, sizeof(encoded));
            cr_assert_eq(decode(message, table[i].len, &msg), ITCH_OK);
            cr_assert_eq(itch_encode(&msg, encoded), table[i].len);
            cr_assert_arr_eq(encoded, message, table[i].len, "type %c, round %u", table[i].type, round);
            for (uint32_t k = table[i].len; k < sizeof(encoded); k++)
                cr_assert_eq(encoded[k], 0x5a, "type %c writes past its length", table[i].type);
        }
    }
}

Test(itch, verdict_names_of_valid_verdicts_are_distinct)
{
    cr_assert_str_eq(itch_verdict_name(ITCH_OK), "ok");
    cr_assert_str_eq(itch_verdict_name(ITCH_SHORT), "short");
    cr_assert_str_eq(itch_verdict_name(ITCH_UNKNOWN), "unknown");
}

/* What a capture holds. */
struct tally {
    uint32_t packet_count;
    uint32_t message_count;
    uint32_t type_count[256];
    uint64_t first_seq;
    uint64_t next_seq;
};

/* Every packet of the capture is whole MoldUDP64, every message has its type's length and survives a round trip. */
static void walk_capture(const char *path, struct tally *tally, void (*each)(uint64_t seq, const struct itch_msg *msg))
{
    char error[PCAP_ERRBUF_SIZE];
    pcap_t *pcap = pcap_open_offline(path, error);
    cr_assert_not_null(pcap, "%s: %s", path, error);
    struct pcap_pkthdr *header;
    const uint8_t *frame;
    while (pcap_next_ex(pcap, &header, &frame) == 1) {
        struct frame_view view = {0};
        struct mold_packet packet = {0};
        cr_assert_eq(frame_parse(frame, header->caplen, &view), FRAME_UDP, "%s", path);
        cr_assert_eq(mold_parse(view.payload, view.payload_len, &packet), MOLD_DATA, "%s", path);
        cr_assert_eq(packet.trailing_len, 0, "%s", path);
        if (tally->packet_count++ == 0)
            tally->first_seq = packet.seq;
        const uint8_t *block = packet.blocks;
        for (uint32_t i = 0; i < packet.count; i++) {
            const uint8_t *message;
            uint32_t message_len;
            struct itch_msg msg;
            uint8_t encoded[ITCH_LENGTH_MAX];
            block = mold_next(block, &message, &message_len);
            cr_assert_eq(message_len, itch_length(message[0]), "%s: type %c has %u bytes", path, message[0],
                         message_len);
            cr_assert_eq(decode(message, message_len, &msg), ITCH_OK);
            cr_assert_eq(itch_encode(&msg, encoded), message_len);
            cr_assert_arr_eq(encoded, message, message_len, "%s: type %c", path, message[0]);
            tally->message_count++;
            tally->type_count[message[0]]++;
            if (each != NULL)
                each(packet.seq + i, &msg);
        }
        tally->next_seq = packet.seq + packet.count;
    }
    pcap_close(pcap);
}

static void data_path(const char *name, char *ret_path, size_t path_max)
{
    const char *shared = getenv("SHARED");
    snprintf(ret_path, path_max, "%s/data/%s", shared != NULL ? shared : "../shared", name);
}

#define NASDAQ_OPEN "pcap/nasdaq_totalview_itch50_moldudp64_vlan141_20230822-open-100pkts_dhsilv.pcap"

static uint32_t known_count;

static uint64_t symbol(const char *text)
{
    uint64_t value = 0;
    for (uint32_t i = 0; i < 8; i++)
        value |= (uint64_t)(uint8_t)text[i] << (8 * i);
    return value;
}

/* Values read off the capture's bytes by another program. */
static void expect_known_values(uint64_t seq, const struct itch_msg *msg)
{
    switch (seq) {
    case 14757701:
        cr_assert_eq(msg->type, 'U');
        cr_assert_eq(msg->locate, 7603);
        cr_assert_eq(msg->timestamp_ns, 34199999836649);
        cr_assert_eq(msg->replace.orig_ref, 15108479);
        cr_assert_eq(msg->replace.ref, 21361351);
        cr_assert_eq(msg->replace.qty, 100);
        cr_assert_eq(msg->replace.price, 1062600);
        break;
    case 14757719:
        cr_assert_eq(msg->type, 'D');
        cr_assert_eq(msg->delete.ref, 23442714);
        break;
    case 14757721:
        cr_assert_eq(msg->type, 'A');
        cr_assert_eq(msg->add.ref, 23508286);
        cr_assert_eq(msg->add.side, 'B');
        cr_assert_eq(msg->add.qty, 1600);
        cr_assert_eq(msg->add.stock, symbol("IVOO    "));
        cr_assert_eq(msg->add.price, 873900);
        break;
    case 14757745:
        cr_assert_eq(msg->type, 'E');
        cr_assert_eq(msg->tracking, 2);
        cr_assert_eq(msg->executed.ref, 23499418);
        cr_assert_eq(msg->executed.qty, 25);
        cr_assert_eq(msg->executed.match, 255547);
        break;
    case 14757764:
        cr_assert_eq(msg->type, 'F');
        cr_assert_eq(msg->add.side, 'S');
        cr_assert_eq(msg->add.stock, symbol("CASY    "));
        cr_assert_eq(msg->add.price, 2555200);
        cr_assert_eq(msg->add.mpid, symbol("FLTU    "));
        break;
    case 14757772:
        cr_assert_eq(msg->type, 'S');
        cr_assert_eq(msg->locate, 0);
        cr_assert_eq(msg->system_event.code, 'Q');
        break;
    case 14757776:
        cr_assert_eq(msg->type, 'I');
        cr_assert_eq(msg->noii.direction, 'O');
        cr_assert_eq(msg->noii.stock, symbol("PFTAW   "));
        cr_assert_eq(msg->noii.cross, 'O');
        cr_assert_eq(msg->noii.variation, ' ');
        break;
    default:
        return;
    }
    known_count++;
}

Test(itch, real_nasdaq_open_has_the_known_messages)
{
    char path[1024];
    data_path(NASDAQ_OPEN, path, sizeof(path));
    if (access(path, R_OK) != 0)
        cr_skip_test("no capture of the Nasdaq open");
    struct tally tally = {0};
    walk_capture(path, &tally, expect_known_values);
    cr_assert_eq(tally.packet_count, 100);
    cr_assert_eq(tally.message_count, 269);
    cr_assert_eq(tally.first_seq, 14757701);
    cr_assert_eq(tally.next_seq, 14757970);
    cr_assert_eq(tally.type_count['A'], 125);
    cr_assert_eq(tally.type_count['U'], 99);
    cr_assert_eq(tally.type_count['D'], 30);
    cr_assert_eq(tally.type_count['F'], 6);
    cr_assert_eq(tally.type_count['I'], 5);
    cr_assert_eq(tally.type_count['E'], 3);
    cr_assert_eq(tally.type_count['S'], 1);
    cr_assert_eq(known_count, 7);
}

Test(itch, real_single_packets_of_every_type_have_its_length)
{
    static const char *const folders[] = {
        "Nasdaq.Equities.TotalView.Itch.v5.0.20230822",
        "Nasdaq.Equities.TotalView.Itch.v5.0",
        "Bx.Equities.TotalView.Itch.v5.0",
    };
    struct tally tally = {0};
    uint32_t file_count = 0;
    for (uint32_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        char folder[512], pattern_text[1024];
        data_path("omi_single_packets/Nasdaq", folder, sizeof(folder));
        if (access(folder, R_OK) != 0)
            cr_skip_test("no single packets");
        snprintf(pattern_text, sizeof(pattern_text), "%s/%s/*.pcap", folder, folders[i]);
        glob_t found;
        cr_assert_eq(glob(pattern_text, 0, NULL, &found), 0, "%s", pattern_text);
        for (size_t k = 0; k < found.gl_pathc; k++, file_count++)
            walk_capture(found.gl_pathv[k], &tally, NULL);
        globfree(&found);
    }
    cr_assert_eq(file_count, 23);
    for (const char *type = "SHYLJAFECXDUPQI"; *type != '\0'; type++)
        cr_assert_gt(tally.type_count[(uint8_t)*type], 0, "no %c among the single packets", *type);
}
