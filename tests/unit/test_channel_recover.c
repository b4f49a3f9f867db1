/* Recovery of a channel, from the outside: what it asks for, what it says meanwhile, and that its book in the end is
 * that of a channel that saw everything. The messages are a generated session; servers are played by the test. */
#include "feed/channel.h"
#include "ring/check.h"
#include "tools/session.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGES 20000u
#define SYMBOLS 20u
#define MS UINT64_C(1000000)
#define REORDER_NS MS
#define RETRY_NS (10 * MS)
#define PACKET_MAX (MOLD_HEADER_LEN + 64u * (2u + ITCH_LENGTH_MAX))

static const char session_a[MOLD_SESSION_LEN] = {'S', 'E', 'S', 'S', 'I', 'O', 'N', ' ', ' ', 'A'};

static struct { uint32_t len; uint8_t bytes[ITCH_LENGTH_MAX]; } script[MESSAGES + 1]; /* by sequence, from 1 */

static const struct channel_params default_params = {
    .book = {.instruments_max = 64, .orders_max = 1u << 15, .levels_max = 1u << 14},
    .line_count = 2,
    .reorder_packets = 64,
    .reorder_ns = REORDER_NS,
    .hold_messages = 16384,
    .stale_at_once = true,
    .first_seq = 1,
    .recovery = {.retransmit = {.server_count = 2,
                                .request_messages = 64,
                                .in_flight = 4,
                                .rate_per_s = 100000,
                                .rate_burst = 1000,
                                .attempts = 3,
                                .timeout_ns = 5 * MS,
                                .timeout_max_ns = 20 * MS},
                 .gap_max = 12000,
                 .snapshot = true,
                 .spin_retry_ns = RETRY_NS,
                 .spin_retry_max_ns = 4 * RETRY_NS},
};

struct rig {
    struct channel *channel;
    void *memory;
    uint64_t now_ns;
    uint64_t last_seq;
    uint32_t events[MD_TYPE_COUNT];
    uint32_t fresh_count, stale_count; /* events about instruments, without and with MD_STALE */
    uint32_t most_messages;            /* that one call gave out */
    struct rig *truth;                 /* saw everything: events that are not stale are compared with it */
    bool stale_at_once;
    uint32_t spin;                     /* asked for by lines_go_on */
    uint32_t stale_qty;                /* of the newest MD_STALE_BEGIN */
    bool told_stale;                   /* as a reader knows it from MD_STALE_*, MD_SESSION and MD_RESET alone */
};

/* Message 1 of the script has sequence origin + 1. */
static uint64_t origin;

static void script_write(uint64_t seed, uint64_t messages)
{
    const struct session_params params = {
        .seed = seed, .messages = messages, .open_ns = SESSION_OPEN_NS, .symbols = SYMBOLS, .rate_per_s = 40000};
    struct session *session = session_open(&params);
    struct itch_msg msg;
    cr_assert(session);
    for (uint32_t seq = 1; session_next(session, &msg); seq++)
        script[seq].len = itch_encode(&msg, script[seq].bytes);
    session_close(session);
}

static void setup(void)
{
    script_write(3, MESSAGES);
}

TestSuite(channel_recover, .init = setup);

static struct rig rig_open(const struct channel_params *params)
{
    struct rig rig = {.now_ns = 1000 * MS, .stale_at_once = params->stale_at_once};
    rig.memory = aligned_alloc(CACHE_LINE_BYTES, channel_footprint(params));
    cr_assert(rig.memory);
    rig.channel = channel_init(rig.memory, params);
    return rig;
}

static void truth_compare(struct rig *rig, uint64_t seq, uint32_t instrument, const struct md_event *event);

static void drain(struct rig *rig, struct channel_cursor *cursor)
{
    uint32_t message_count = 0;
    while (channel_next(rig->channel, cursor)) {
        message_count += cursor->message != NULL;
        if (cursor->seq != 0) {
            cr_assert(rig->truth ? cursor->seq > rig->last_seq : cursor->seq == rig->last_seq + 1, "in order, once");
            rig->last_seq = cursor->seq;
        }
        for (uint32_t i = 0; i < cursor->event_count; i++) {
            const struct md_event *event = &cursor->event[i];
            rig->events[event->type]++;
            if (event->type == MD_SESSION && rig->events[MD_SESSION] > 1)
                rig->last_seq = 0;
            if (event->type == MD_STALE_BEGIN || event->type == MD_STALE_END || event->type == MD_SESSION)
                rig->told_stale = event->type == MD_STALE_BEGIN;
            if (event->type == MD_STALE_BEGIN)
                rig->stale_qty = event->qty;
            if (event->instrument != MD_INSTRUMENT_NONE) {
                cr_assert_eq((event->flags & MD_STALE) != 0, rig->told_stale);
                *(event->flags & MD_STALE ? &rig->stale_count : &rig->fresh_count) += 1;
            }
            if (!rig->truth || event->flags & (MD_STALE | MD_MORE))
                continue;
            if (event->type == MD_STALE_END)
                for (uint32_t j = 0; j < default_params.book.instruments_max; j++)
                    truth_compare(rig, channel_arb(rig->channel)->next_seq - 1, j, NULL);
            else if (event->instrument != MD_INSTRUMENT_NONE)
                truth_compare(rig, cursor->seq, event->instrument, event);
        }
    }
    if (message_count > rig->most_messages)
        rig->most_messages = message_count;
    cr_assert_eq(rig->told_stale, channel_stale(rig->channel));
    const struct arb *arb = channel_arb(rig->channel);
    cr_assert(rig->told_stale || arb->newest_seq == arb->next_seq || !rig->stale_at_once, "known to be missing");
}

static uint32_t blocks_write(uint8_t *ret_bytes, uint64_t seq, uint32_t count)
{
    uint32_t at = 0;
    for (uint64_t i = seq - origin; i < seq - origin + count; i++) {
        ret_bytes[at] = 0;
        ret_bytes[at + 1] = (uint8_t)script[i].len;
        memcpy(ret_bytes + at + 2, script[i].bytes, script[i].len);
        at += 2 + script[i].len;
    }
    return at;
}

static uint32_t packet_write(uint8_t *ret_bytes, uint64_t seq, uint32_t count)
{
    mold_encode_header(ret_bytes, session_a, seq, (uint16_t)count);
    return MOLD_HEADER_LEN + blocks_write(ret_bytes + MOLD_HEADER_LEN, seq, count);
}

/* Messages [seq, end_seq) in packets of ten on a line. */
static void send_to(struct rig *rig, uint32_t line, uint64_t seq, uint64_t end_seq)
{
    uint8_t payload[PACKET_MAX];
    struct channel_cursor cursor;
    for (; seq < end_seq; seq += 10) {
        const uint32_t count = end_seq - seq < 10 ? (uint32_t)(end_seq - seq) : 10;
        if (channel_receive(rig->channel, line, payload, packet_write(payload, seq, count), rig->now_ns, 0, &cursor))
            drain(rig, &cursor);
    }
}

/* A heartbeat, or with MOLD_COUNT_END the end. */
static void control_to(struct rig *rig, uint32_t line, const char *session, uint64_t seq, uint16_t count)
{
    uint8_t payload[MOLD_HEADER_LEN];
    struct channel_cursor cursor;
    mold_encode_header(payload, session, seq, count);
    if (channel_receive(rig->channel, line, payload, sizeof(payload), rig->now_ns, 0, &cursor))
        drain(rig, &cursor);
}

/* The BBO of an instrument after message `seq`: the event's, or of our own book, must be the true one. */
static void truth_compare(struct rig *rig, uint64_t seq, uint32_t instrument, const struct md_event *event)
{
    struct rig *truth = rig->truth;
    send_to(truth, 0, truth->last_seq + 1, seq + 1);
    cr_assert_eq(truth->last_seq, seq);
    const struct book_bbo *is = book_bbo(channel_book(truth->channel), instrument);
    if (event)
        cr_assert(event->bid_price == is->bid_price && event->bid_qty == is->bid_qty &&
                      event->ask_price == is->ask_price && event->ask_qty == is->ask_qty,
                  "BBO of %u after %lu", instrument, seq);
    else
        cr_assert_eq(memcmp(book_bbo(channel_book(rig->channel), instrument), is, sizeof(*is)), 0,
                     "BBO of %u after the splice before %lu", instrument, seq + 1);
}

static bool expire(struct rig *rig)
{
    struct channel_cursor cursor;
    if (channel_deadline_ns(rig->channel) > rig->now_ns ||
        !channel_expire(rig->channel, rig->now_ns, 0, &cursor))
        return false;
    drain(rig, &cursor);
    return true;
}

static void go_on(struct rig *rig)
{
    while (channel_deadline_ns(rig->channel) == 0)
        expire(rig);
}

static struct channel_ask ask(struct rig *rig)
{
    return channel_ask_next(rig->channel, rig->now_ns);
}

/* A server that answers everything, at most `answer_max` messages each time. How many requests it took. */
static uint32_t answer_all(struct rig *rig, uint32_t answer_max)
{
    uint8_t payload[PACKET_MAX];
    struct channel_cursor cursor;
    struct channel_ask asked;
    uint32_t request_count = 0;
    for (uint32_t quiet = 0; quiet < 3; quiet++) {
        expire(rig);
        while ((asked = ask(rig)).type != CHANNEL_ASK_NOTHING) {
            quiet = 0;
            request_count++;
            cr_assert_eq(asked.type, CHANNEL_ASK_REQUEST);
            cr_assert(asked.count >= 1 && asked.count <= 64);
            cr_assert(asked.seq >= channel_arb(rig->channel)->next_seq);
            cr_assert(asked.seq + asked.count <= channel_arb(rig->channel)->newest_seq, "never beyond what is known");
            const uint32_t count = asked.count < answer_max ? asked.count : answer_max;
            if (channel_reply(rig->channel, payload, packet_write(payload, asked.seq, count), rig->now_ns, 0, &cursor))
                drain(rig, &cursor);
        }
        rig->now_ns += REORDER_NS;
    }
    go_on(rig);
    return request_count;
}

static void expect_whole(struct rig *rig, uint64_t end_seq)
{
    struct channel_params params = default_params;
    params.first_seq = origin + 1;
    struct rig truth = rig_open(&params);
    truth.last_seq = origin;
    send_to(&truth, 0, origin + 1, end_seq);
    cr_assert_eq(channel_arb(rig->channel)->next_seq, end_seq);
    cr_assert(!channel_stale(rig->channel));
    cr_assert_eq(book_hash(channel_book(rig->channel)), book_hash(channel_book(truth.channel)));
    cr_assert_eq(channel_order_count(rig->channel), channel_order_count(truth.channel));
    free(truth.memory);
}

/* A snapshot of the moment before `end_seq`, given as the messages that led there: the book is the same. */
static void snapshot_give(struct rig *rig, uint32_t spin, uint64_t end_seq)
{
    uint8_t blocks[PACKET_MAX];
    struct channel_cursor cursor;
    for (uint32_t i = 0; !channel_snapshot_ready(rig->channel, spin); i++)
        cr_assert_lt(i, 1000000u);
    const uint64_t last_seq = rig->last_seq;
    for (uint64_t seq = origin + 1; seq < end_seq; seq += 32) {
        const uint32_t count = end_seq - seq < 32 ? (uint32_t)(end_seq - seq) : 32;
        if (channel_snapshot(rig->channel, spin, blocks, blocks_write(blocks, seq, count), rig->now_ns, 0, &cursor))
            drain(rig, &cursor);
    }
    cr_assert_eq(rig->last_seq, last_seq, "a snapshot has no sequences");
}

static void snapshot_end(struct rig *rig, uint32_t spin, uint64_t end_seq, bool spliced)
{
    struct channel_cursor cursor;
    if (spliced)
        rig->last_seq = end_seq - 1;
    if (channel_snapshot_end(rig->channel, spin, end_seq, rig->now_ns, 0, &cursor))
        drain(rig, &cursor);
    go_on(rig);
}

Test(channel_recover, the_other_line_fills_and_nobody_is_asked)
{
    struct rig rig = rig_open(&default_params);
    send_to(&rig, 0, 1, 101);
    send_to(&rig, 0, 111, 131);
    cr_assert_eq(rig.events[MD_STALE_BEGIN], 1u, "at once");
    cr_assert_eq(ask(&rig).type, CHANNEL_ASK_NOTHING);
    send_to(&rig, 1, 101, 131);
    cr_assert_eq(rig.events[MD_STALE_END], 1u);
    rig.now_ns += 100 * MS;
    cr_assert(!expire(&rig));
    cr_assert_eq(ask(&rig).type, CHANNEL_ASK_NOTHING);
    cr_assert_eq(channel_counters(rig.channel)->filled_line_count, 1u);
    expect_whole(&rig, 131);
    free(rig.memory);
}

Test(channel_recover, nothing_is_said_where_the_other_line_is_given_its_chance_first)
{
    struct channel_params params = default_params;
    params.stale_at_once = false;
    struct rig rig = rig_open(&params);
    send_to(&rig, 0, 1, 101);
    send_to(&rig, 0, 111, 131);
    send_to(&rig, 1, 101, 131);
    cr_assert_eq(rig.events[MD_STALE_BEGIN] + rig.events[MD_STALE_END] + rig.stale_count, 0u);
    send_to(&rig, 0, 141, 151);
    rig.now_ns += REORDER_NS;
    expire(&rig);
    cr_assert_eq(rig.events[MD_STALE_BEGIN], 1u, "now its window has ended");
    free(rig.memory);
}

static void hole_is_retransmitted(uint64_t hole_count, uint32_t answer_max, uint32_t least_requests)
{
    struct rig rig = rig_open(&default_params);
    const uint64_t hole = 1001, after = hole + hole_count;
    send_to(&rig, 0, 1, hole);
    send_to(&rig, 1, after, after + 500);
    cr_assert_eq(rig.last_seq, hole - 1);
    cr_assert_eq(rig.events[MD_STALE_BEGIN], 1u);
    const uint32_t fresh_count = rig.fresh_count;
    cr_assert_geq(answer_all(&rig, answer_max), least_requests);
    cr_assert_eq(rig.events[MD_STALE_END], 1u);
    cr_assert_gt(rig.stale_count, 0u, "what fills the hole is marked");
    cr_assert_leq(rig.most_messages, 64u + CHANNEL_SLICE_MESSAGES, "an answer, and a slice of what was held");
    cr_assert_eq(channel_counters(rig.channel)->filled_request_count, 1u);
    cr_assert_eq(channel_counters(rig.channel)->spin_count, 0u);
    expect_whole(&rig, after + 500);
    cr_assert_geq(rig.fresh_count, fresh_count);
    free(rig.memory);
}

Test(channel_recover, holes_of_a_message_of_a_packet_of_ten_thousand_messages)
{
    hole_is_retransmitted(1, 64, 1);
    hole_is_retransmitted(10, 64, 1);
    hole_is_retransmitted(10000, 64, 157);
    hole_is_retransmitted(300, 30, 10);
}

Test(channel_recover, a_heartbeat_reveals_what_is_then_asked_for)
{
    struct rig rig = rig_open(&default_params);
    send_to(&rig, 0, 1, 101);
    control_to(&rig, 0, session_a, 106, 0);
    cr_assert(channel_stale(rig.channel));
    cr_assert_eq(answer_all(&rig, 64), 1u);
    expect_whole(&rig, 106);
    free(rig.memory);
}

/* Nobody retransmits: each attempt is asked for, then a spin. */
static uint32_t spin_wanted(struct rig *rig)
{
    for (uint32_t i = 0; i < 1000; i++) {
        expire(rig);
        const struct channel_ask asked = ask(rig);
        if (asked.type == CHANNEL_ASK_SPIN)
            return asked.spin;
        rig->now_ns += MS;
    }
    cr_assert_fail("no spin was asked for");
    return 0;
}

Test(channel_recover, a_snapshot_comes_where_nobody_retransmits)
{
    struct rig rig = rig_open(&default_params);
    send_to(&rig, 0, 1, 101);
    send_to(&rig, 0, 111, 201);
    const uint32_t spin = spin_wanted(&rig);
    cr_assert_eq(channel_retransmit(rig.channel)->again_count, 2u);
    send_to(&rig, 1, 201, 501); /* kept meanwhile */
    snapshot_give(&rig, spin, 301);
    cr_assert_eq(rig.events[MD_RESET], 1u);
    cr_assert(channel_stale(rig.channel));
    cr_assert_eq(rig.events[MD_STALE_END], 0u);
    snapshot_end(&rig, spin, 301, true);
    cr_assert_eq(rig.events[MD_STALE_END], 1u);
    cr_assert_eq(channel_counters(rig.channel)->spliced_count, 1u);
    expect_whole(&rig, 501);
    free(rig.memory);
}

Test(channel_recover, a_type_that_nobody_knows_does_not_stand_in_the_way_of_a_splice)
{
    struct rig rig = rig_open(&default_params);
    send_to(&rig, 0, 1, 101);
    memset(script[301].bytes, 'z', script[301].len);
    send_to(&rig, 0, 111, 401);
    const uint32_t spin = spin_wanted(&rig);
    snapshot_give(&rig, spin, 301);
    snapshot_end(&rig, spin, 301, true);
    expect_whole(&rig, 401);
    free(rig.memory);
}

Test(channel_recover, what_has_no_sequence_waits_for_no_books)
{
    struct rig rig = rig_open(&default_params);
    uint8_t payload[PACKET_MAX];
    struct channel_cursor cursor;
    send_to(&rig, 0, 1, 101);
    send_to(&rig, 0, 111, 201);
    const uint32_t spin = spin_wanted(&rig);
    const uint32_t len = packet_write(payload, 1, 60);
    mold_encode_header(payload, session_a, 0, 60);
    cr_assert(!channel_receive(rig.channel, 0, payload, len, rig.now_ns, 0, &cursor));
    snapshot_give(&rig, spin, 151);
    snapshot_end(&rig, spin, 151, true);
    expect_whole(&rig, 201);
    free(rig.memory);
}

Test(channel_recover, a_hole_beyond_gap_max_is_for_a_snapshot_at_once)
{
    struct rig rig = rig_open(&default_params);
    send_to(&rig, 0, 1, 101);
    send_to(&rig, 0, 101 + 12001, 101 + 12101);
    rig.now_ns += REORDER_NS;
    expire(&rig);
    cr_assert_eq(ask(&rig).type, CHANNEL_ASK_SPIN);
    cr_assert_eq(ask(&rig).type, CHANNEL_ASK_NOTHING, "once");
    free(rig.memory);
}

Test(channel_recover, spins_that_fail_are_begun_again_and_patience_doubles)
{
    struct rig rig = rig_open(&default_params);
    send_to(&rig, 0, 1, 101);
    send_to(&rig, 0, 111, 201);
    uint32_t spin = spin_wanted(&rig);
    uint64_t wait_ns = RETRY_NS;
    for (uint32_t i = 0; i < 5; i++) {
        snapshot_give(&rig, spin, 151);
        switch (i % 3) {
        case 0:
            channel_snapshot_lost(rig.channel, spin, rig.now_ns);
            break;
        case 1:
            snapshot_end(&rig, spin, 100, false); /* older than what was delivered */
            break;
        default:
            snapshot_end(&rig, spin, 151 + (1u << 20), false); /* further ahead than can be true */
            break;
        }
        cr_assert(channel_stale(rig.channel));
        cr_assert_eq(ask(&rig).type, CHANNEL_ASK_NOTHING);
        rig.now_ns += wait_ns - 1;
        cr_assert_eq(ask(&rig).type, CHANNEL_ASK_NOTHING);
        rig.now_ns += 1;
        const struct channel_ask asked = ask(&rig);
        cr_assert_eq(asked.type, CHANNEL_ASK_SPIN);
        cr_assert_gt(asked.spin, spin, "a new number: late answers to the old one are known");
        wait_ns = wait_ns * 2 > 4 * RETRY_NS ? 4 * RETRY_NS : wait_ns * 2;
        struct channel_cursor cursor;
        uint8_t blocks[PACKET_MAX];
        cr_assert(!channel_snapshot(rig.channel, spin, blocks, blocks_write(blocks, 1, 10), rig.now_ns, 0, &cursor));
        spin = asked.spin;
    }
    cr_assert_eq(channel_counters(rig.channel)->spin_lost_count, 2u);
    cr_assert_eq(channel_counters(rig.channel)->spin_old_count, 2u);
    cr_assert_eq(channel_counters(rig.channel)->spin_far_count, 1u);
    snapshot_give(&rig, spin, 151);
    snapshot_end(&rig, spin, 151, true);
    expect_whole(&rig, 201);
    free(rig.memory);
}

Test(channel_recover, what_cannot_be_kept_is_forgotten_and_a_newer_snapshot_splices)
{
    struct channel_params params = default_params;
    params.hold_messages = 256;
    params.recovery.gap_max = 100;
    struct rig rig = rig_open(&params);
    send_to(&rig, 0, 1, 101);
    send_to(&rig, 0, 301, 801); /* more than the window */
    cr_assert_gt(channel_counters(rig.channel)->overflow_count, 0u);
    uint32_t spin = spin_wanted(&rig);
    snapshot_give(&rig, spin, 401);
    snapshot_end(&rig, spin, 401, false);
    cr_assert_eq(channel_counters(rig.channel)->spin_old_count, 1u, "401 to 545 could not be kept");
    spin = spin_wanted(&rig);
    snapshot_give(&rig, spin, 701);
    snapshot_end(&rig, spin, 701, true);
    expect_whole(&rig, 801);
    free(rig.memory);
}

Test(channel_recover, a_late_join_is_a_snapshot)
{
    struct channel_params params = default_params;
    params.recovery.join_snapshot = true;
    struct rig rig = rig_open(&params);
    send_to(&rig, 0, 5001, 5011);
    cr_assert(channel_stale(rig.channel));
    rig.now_ns += REORDER_NS;
    expire(&rig);
    const struct channel_ask asked = ask(&rig);
    cr_assert_eq(asked.type, CHANNEL_ASK_SPIN, "although retransmission might do");
    send_to(&rig, 1, 5011, 5101);
    snapshot_give(&rig, asked.spin, 5051);
    snapshot_end(&rig, asked.spin, 5051, true);
    expect_whole(&rig, 5101);
    free(rig.memory);
}

Test(channel_recover, a_new_session_ends_every_wait)
{
    struct rig rig = rig_open(&default_params);
    uint8_t payload[MOLD_HEADER_LEN];
    struct channel_cursor cursor;
    send_to(&rig, 0, 1, 101);
    send_to(&rig, 0, 111, 201);
    const uint32_t spin = spin_wanted(&rig);
    mold_encode_header(payload, "SESSION  B", 1, 0);
    cr_assert(channel_receive(rig.channel, 0, payload, sizeof(payload), rig.now_ns, 0, &cursor));
    drain(&rig, &cursor);
    cr_assert(!channel_stale(rig.channel));
    cr_assert_eq(ask(&rig).type, CHANNEL_ASK_SPIN_STOP);
    cr_assert_eq(ask(&rig).type, CHANNEL_ASK_NOTHING);
    cr_assert(channel_snapshot_ready(rig.channel, spin), "to be dropped");
    cr_assert(!channel_snapshot_end(rig.channel, spin, 1, rig.now_ns, 0, &cursor));
    cr_assert_eq(channel_order_count(rig.channel), 0u);
    free(rig.memory);
}

Test(channel_recover, a_new_session_ends_retransmission)
{
    struct rig rig = rig_open(&default_params);
    uint8_t payload[PACKET_MAX];
    struct channel_cursor cursor;
    send_to(&rig, 0, 1, 101);
    send_to(&rig, 0, 111, 201);
    rig.now_ns += REORDER_NS;
    expire(&rig);
    cr_assert_eq(ask(&rig).type, CHANNEL_ASK_REQUEST);
    control_to(&rig, 0, "SESSION  B", 1, 0);
    cr_assert_eq(rig.events[MD_STALE_BEGIN], 1u + 1u, "what is lost for ever is told");
    cr_assert(!channel_stale(rig.channel) && !channel_recovering(rig.channel));
    cr_assert_eq(channel_held_messages(rig.channel), 0u);
    rig.now_ns += 1000 * MS;
    cr_assert_eq(ask(&rig).type, CHANNEL_ASK_NOTHING);
    cr_assert(!channel_reply(rig.channel, payload, packet_write(payload, 101, 10), rig.now_ns, 0, &cursor));
    send_to(&rig, 1, 111, 201); /* a late line of the session before */
    cr_assert_eq(channel_counters(rig.channel)->old_session_count, 9u);
    cr_assert_eq(channel_order_count(rig.channel), 0u);
    free(rig.memory);
}

Test(channel_recover, the_end_of_a_session_waits_for_what_is_missing)
{
    struct rig rig = rig_open(&default_params);
    send_to(&rig, 0, 1, 101);
    control_to(&rig, 0, session_a, 111, MOLD_COUNT_END);
    control_to(&rig, 1, session_a, 111, MOLD_COUNT_END);
    cr_assert(channel_stale(rig.channel));
    cr_assert_eq(rig.events[MD_SESSION_END], 0u);
    cr_assert_gt(answer_all(&rig, 64), 0u);
    cr_assert_eq(rig.events[MD_SESSION_END], 1u);
    control_to(&rig, 1, session_a, 111, MOLD_COUNT_END);
    cr_assert_eq(rig.events[MD_SESSION_END], 1u);
    expect_whole(&rig, 111);
    free(rig.memory);
}

Test(channel_recover, the_end_of_a_session_with_messages_that_nobody_has)
{
    struct channel_params params = default_params;
    params.recovery = (struct channel_recovery){.snapshot = false};
    struct rig rig = rig_open(&params);
    send_to(&rig, 0, 1, 101);
    control_to(&rig, 0, session_a, 111, MOLD_COUNT_END);
    rig.now_ns += REORDER_NS;
    cr_assert(expire(&rig));
    cr_assert_eq(rig.events[MD_SESSION_END], 1u);
    cr_assert_eq(channel_arb(rig.channel)->missed_count, 10u);
    cr_assert(channel_stale(rig.channel) && !channel_recovering(rig.channel));
    free(rig.memory);
}

Test(channel_recover, sequences_up_to_the_last_one)
{
    struct channel_params params = default_params;
    params.hold_messages = 256;
    params.recovery.gap_max = 100;
    origin = UINT64_MAX - 401;
    params.first_seq = origin + 1;
    struct rig rig = rig_open(&params);
    rig.last_seq = origin;
    send_to(&rig, 0, origin + 1, origin + 101);
    send_to(&rig, 0, origin + 111, origin + 201);
    cr_assert_gt(answer_all(&rig, 64), 0u);
    send_to(&rig, 0, origin + 311, UINT64_MAX); /* for a snapshot */
    const uint32_t spin = spin_wanted(&rig);
    snapshot_give(&rig, spin, origin + 321);
    snapshot_end(&rig, spin, origin + 321, true);
    expect_whole(&rig, UINT64_MAX);
    control_to(&rig, 0, session_a, UINT64_MAX, MOLD_COUNT_END);
    cr_assert_eq(rig.events[MD_SESSION_END], 1u);
    free(rig.memory);
}

Test(channel_recover, a_hole_behind_an_older_one_has_a_reorder_window_of_its_own)
{
    struct rig rig = rig_open(&default_params);
    send_to(&rig, 0, 1, 101);
    send_to(&rig, 0, 111, 121);
    rig.now_ns += REORDER_NS;
    expire(&rig);
    send_to(&rig, 0, 131, 141);
    struct channel_ask asked = ask(&rig);
    cr_assert(asked.type == CHANNEL_ASK_REQUEST && asked.seq == 101 && asked.count == 10);
    cr_assert_eq(ask(&rig).type, CHANNEL_ASK_NOTHING);
    rig.now_ns += REORDER_NS - 1;
    expire(&rig);
    cr_assert_eq(ask(&rig).type, CHANNEL_ASK_NOTHING);
    rig.now_ns += 1;
    asked = ask(&rig);
    cr_assert(asked.type == CHANNEL_ASK_REQUEST && asked.seq == 121 && asked.count == 10);
    free(rig.memory);
}

Test(channel_recover, a_late_join_that_is_not_too_late_is_retransmitted)
{
    struct rig rig = rig_open(&default_params);
    send_to(&rig, 0, 5001, 5011);
    cr_assert_gt(answer_all(&rig, 64), 0u);
    cr_assert_eq(channel_counters(rig.channel)->spin_count, 0u);
    expect_whole(&rig, 5011);
    free(rig.memory);
}

Test(channel_recover, one_packet_far_ahead_is_not_believed_and_two_are)
{
    struct rig rig = rig_open(&default_params);
    uint8_t payload[MOLD_HEADER_LEN];
    struct channel_cursor cursor;
    send_to(&rig, 0, 1, 101);
    for (uint32_t i = 0; i < 2; i++) {
        mold_encode_header(payload, session_a, UINT64_C(1) << (40 + i), 0);
        cr_assert(!channel_receive(rig.channel, 0, payload, sizeof(payload), rig.now_ns, 0, &cursor));
        cr_assert(!channel_stale(rig.channel));
    }
    cr_assert_eq(channel_counters(rig.channel)->far_count, 2u, "they do not agree");
    cr_assert(channel_receive(rig.channel, 1, payload, sizeof(payload), rig.now_ns, 0, &cursor));
    drain(&rig, &cursor);
    cr_assert(channel_stale(rig.channel));
    free(rig.memory);
}

/* ---- what was believed, and is not so ---- */

#define FAR_SEQ (UINT64_C(1) << 40)
#define SILENCE_NS (200 * MS)

/* Two of nobody's that agree: heartbeats, or messages of the script under sequences of their own. */
static void forge_two(struct rig *rig, bool messages)
{
    uint8_t payload[PACKET_MAX];
    struct channel_cursor cursor;
    for (uint32_t i = 0; i < 2; i++) {
        const uint32_t len = messages ? packet_write(payload, 7, 3) : MOLD_HEADER_LEN;
        mold_encode_header(payload, session_a, FAR_SEQ + 3 * i, messages ? 3 : 0);
        if (channel_receive(rig->channel, 1, payload, len, rig->now_ns, 0, &cursor))
            drain(rig, &cursor);
    }
    cr_assert(channel_stale(rig->channel));
}

/* Lines go on, a packet each step; B is a little behind. Servers say nothing. Sequence that is next. */
static uint64_t lines_go_on(struct rig *rig, uint64_t seq, uint64_t for_ns, uint64_t step_ns)
{
    for (const uint64_t end_ns = rig->now_ns + for_ns; rig->now_ns < end_ns; seq += 2) {
        rig->now_ns += step_ns;
        expire(rig);
        send_to(rig, 0, seq, seq + 2);
        if (seq > 102)
            send_to(rig, 1, seq - 2, seq);
        expire(rig);
        for (struct channel_ask asked; (asked = ask(rig)).type != CHANNEL_ASK_NOTHING;)
            if (asked.type == CHANNEL_ASK_SPIN)
                rig->spin = asked.spin;
    }
    return seq;
}

static struct rig rig_doubting(bool snapshot)
{
    struct channel_params params = default_params;
    params.silence_ns = SILENCE_NS;
    params.recovery.snapshot = snapshot;
    struct rig rig = rig_open(&params);
    send_to(&rig, 0, 1, 101);
    send_to(&rig, 1, 1, 101);
    return rig;
}

Test(channel_recover, two_forged_packets_far_ahead_are_withdrawn_when_lines_go_on)
{
    for (uint32_t messages = 0; messages < 2; messages++) {
        struct rig rig = rig_doubting(false);
        forge_two(&rig, messages);
        uint64_t seq = lines_go_on(&rig, 101, SILENCE_NS - MS, MS);
        cr_assert(channel_stale(rig.channel));
        cr_assert_eq(channel_counters(rig.channel)->withdrawn_count, 0u);
        seq = lines_go_on(&rig, seq, 2 * MS, MS);
        cr_assert_eq(channel_counters(rig.channel)->withdrawn_count, 1u);
        expect_whole(&rig, seq);
        cr_assert_eq(rig.events[MD_SESSION], 1u);
        cr_assert_eq(channel_arb(rig.channel)->line[1].lost_count, 0u, "nobody has sent that");
        cr_assert_lt(channel_arb(rig.channel)->line[1].next_seq, seq);
        cr_assert_eq(ask(&rig).type, CHANNEL_ASK_NOTHING);
        free(rig.memory);
    }
}

/* Heartbeats alone say what is next, and there is an end that was forged, too. */
Test(channel_recover, a_quiet_feed_withdraws_what_was_forged_by_its_heartbeats)
{
    struct channel_params params = default_params;
    params.silence_ns = SILENCE_NS;
    params.recovery.snapshot = false;
    params.recovery.retransmit.timeout_ns = params.recovery.retransmit.timeout_max_ns = SILENCE_NS;
    struct rig rig = rig_open(&params);
    send_to(&rig, 0, 1, 101);
    forge_two(&rig, false);
    control_to(&rig, 1, session_a, FAR_SEQ, MOLD_COUNT_END);
    for (uint32_t i = 0; i < 5; i++) {
        rig.now_ns += SILENCE_NS / 4;
        expire(&rig);
        while (ask(&rig).type == CHANNEL_ASK_REQUEST)
            ;
        control_to(&rig, 0, session_a, 101, 0);
    }
    expect_whole(&rig, 101);
    cr_assert_eq(rig.events[MD_SESSION_END], 0u);
    cr_assert_lt(channel_deadline_ns(rig.channel), UINT64_MAX, "silence is an alarm");
    free(rig.memory);
}

/* The hole was given up before: what lines say lies in front of it. */
Test(channel_recover, a_feed_that_passed_a_forged_hole_begins_anew_and_is_whole_with_its_servers)
{
    struct rig rig = rig_doubting(false);
    forge_two(&rig, true);
    rig.now_ns += SILENCE_NS / 2;
    control_to(&rig, 1, session_a, FAR_SEQ, 0); /* and again */
    uint64_t seq = lines_go_on(&rig, 101, SILENCE_NS, SILENCE_NS / 8);
    cr_assert_eq(channel_counters(rig.channel)->given_up_count, 1u);
    cr_assert_eq(channel_counters(rig.channel)->anew_count, 0u);
    cr_assert(channel_stale(rig.channel));
    for (; channel_counters(rig.channel)->anew_count == 0; seq += 2) {
        rig.now_ns += MS;
        expire(&rig);
        send_to(&rig, 0, seq, seq + 2);
        send_to(&rig, 1, seq, seq + 2);
        cr_assert_lt(seq, 10000u);
    }
    answer_all(&rig, 64);
    expect_whole(&rig, seq);
    free(rig.memory);
}

/* Books were emptied at once, and no snapshot could be new enough. */
Test(channel_recover, a_spin_for_what_was_forged_comes_to_its_end_when_lines_go_on)
{
    for (uint32_t messages = 0; messages < 2; messages++) {
        struct rig rig = rig_doubting(true);
        forge_two(&rig, messages);
        const uint32_t spin = spin_wanted(&rig);
        uint64_t seq = lines_go_on(&rig, 101, SILENCE_NS / 2, MS);
        snapshot_give(&rig, spin, seq - 10);
        snapshot_end(&rig, spin, seq - 10, messages == 0);
        seq = lines_go_on(&rig, seq, SILENCE_NS, MS);
        cr_assert_eq(channel_counters(rig.channel)->withdrawn_count, 1u);
        cr_assert(channel_stale(rig.channel));
        snapshot_give(&rig, rig.spin, seq - 10);
        snapshot_end(&rig, rig.spin, seq - 10, true);
        expect_whole(&rig, seq);
        free(rig.memory);
    }
}

/* A true one: whoever is up says again and again that it is far ahead, a line that is late fills what it can. */
Test(channel_recover, what_lines_go_on_to_say_is_not_withdrawn)
{
    struct channel_params params = default_params;
    params.silence_ns = SILENCE_NS;
    params.recovery.snapshot = false;
    params.recovery.retransmit.attempts = 10000;
    struct rig rig = rig_open(&params);
    send_to(&rig, 0, 1, 101);
    uint64_t seq = 101;
    for (uint32_t i = 0; i < 1000; i++) {
        rig.now_ns += MS;
        expire(&rig);
        while (ask(&rig).type == CHANNEL_ASK_REQUEST)
            ;
        if (i % 100 == 0)
            control_to(&rig, 0, session_a, 18000 + i, 0);
        send_to(&rig, 1, seq, seq + 1);
        seq++;
    }
    cr_assert_eq(channel_counters(rig.channel)->withdrawn_count, 0u);
    cr_assert(channel_stale(rig.channel));
    while (channel_stale(rig.channel))
        answer_all(&rig, 64);
    expect_whole(&rig, 18900);
    free(rig.memory);
}

Test(channel_recover, answers_that_are_none_change_nothing)
{
    struct rig rig = rig_open(&default_params);
    uint8_t payload[PACKET_MAX];
    struct channel_cursor cursor;
    send_to(&rig, 0, 1, 101);
    send_to(&rig, 0, 111, 201);
    const uint32_t len = packet_write(payload, 101, 10);
    cr_assert(!channel_reply(rig.channel, payload, len - 1, rig.now_ns, 0, &cursor), "cut");
    payload[9] = 'X';
    cr_assert(!channel_reply(rig.channel, payload, len, rig.now_ns, 0, &cursor), "another session");
    cr_assert(!channel_reply(rig.channel, payload, packet_write(payload, 1, 10), rig.now_ns, 0, &cursor), "old");
    cr_assert(!channel_reply(rig.channel, payload, packet_write(payload, 195, 10), rig.now_ns, 0, &cursor), "beyond");
    cr_assert_eq(channel_counters(rig.channel)->reply_useless_count, 4u);
    cr_assert_eq(rig.last_seq, 100u);
    free(rig.memory);
}

Test(channel_recover, books_that_are_contradicted_are_loaded_anew)
{
    struct rig rig = rig_open(&default_params);
    uint64_t seq = 2000;
    while (script[seq].bytes[0] != ITCH_DELETE)
        seq++;
    send_to(&rig, 0, 1, seq + 1);
    script[seq + 1] = script[seq]; /* deleted twice: that cannot be */
    send_to(&rig, 0, seq + 1, seq + 2);
    cr_assert_eq(channel_counters(rig.channel)->contradicted_count, 1u);
    cr_assert(channel_stale(rig.channel));
    cr_assert_gt(rig.stale_qty, 0u, "0 would be silence");
    rig.now_ns += RETRY_NS - 1;
    cr_assert_eq(ask(&rig).type, CHANNEL_ASK_NOTHING, "not again and again from a feed that contradicts itself");
    rig.now_ns += 1;
    cr_assert_gt(spin_wanted(&rig), 0u);
    free(rig.memory);
}

static void script_set(uint64_t seq, const struct itch_msg *msg)
{
    script[seq].len = itch_encode(msg, script[seq].bytes);
}

Test(channel_recover, a_replace_onto_a_live_order_contradicts_one_onto_itself_does_not)
{
    struct rig rig = rig_open(&default_params);
    const struct itch_msg add = {.type = ITCH_ADD, .locate = 1, .add = {.ref = 1, .side = 'B', .qty = 9, .price = 100}};
    struct itch_msg other = add, replace = {.type = ITCH_REPLACE, .locate = 1};
    other.add.ref = 2;
    replace.replace.orig_ref = replace.replace.ref = 1;
    replace.replace.qty = 8;
    replace.replace.price = 100;
    script_set(1, &add);
    script_set(2, &other);
    script_set(3, &replace);
    send_to(&rig, 0, 1, 4);
    cr_assert_eq(channel_order_count(rig.channel), 2u);
    cr_assert(!channel_stale(rig.channel));
    replace.replace.ref = 2;
    script_set(4, &replace);
    send_to(&rig, 0, 4, 5);
    cr_assert_eq(channel_counters(rig.channel)->contradicted_count, 1u);
    cr_assert(channel_stale(rig.channel));
    free(rig.memory);
}

Test(channel_recover, more_than_an_order_has_contradicts_and_all_that_it_has_does_not)
{
    static const uint8_t types[] = {ITCH_EXECUTED, ITCH_EXECUTED_PRICE, ITCH_CANCEL};
    for (uint32_t i = 0; i < sizeof(types); i++) {
        struct rig rig = rig_open(&default_params);
        const struct itch_msg add = {
            .type = ITCH_ADD, .locate = 1, .add = {.ref = 1, .side = 'B', .qty = 9, .price = 100}};
        struct itch_msg take = {.type = types[i], .locate = 1};
        script_set(1, &add);
        script_set(3, &add);
        for (uint32_t more = 0; more < 2; more++) {
            if (types[i] == ITCH_CANCEL) {
                take.cancel.ref = 1;
                take.cancel.qty = 9 + more;
            } else {
                take.executed.ref = 1;
                take.executed.qty = 9 + more;
            }
            script_set(2 + 2 * more, &take);
        }
        send_to(&rig, 0, 1, 4);
        cr_assert(!channel_stale(rig.channel));
        send_to(&rig, 0, 4, 5);
        cr_assert_eq(channel_order_count(rig.channel), 0u);
        cr_assert_eq(channel_counters(rig.channel)->contradicted_count, 1u);
        cr_assert(channel_stale(rig.channel));
        free(rig.memory);
    }
}

Test(channel_recover, what_a_full_book_has_refused_contradicts_nothing)
{
    struct channel_params params = default_params;
    params.book.orders_max = 128;
    struct rig rig = rig_open(&params);
    send_to(&rig, 0, 1, 15001);
    const struct channel_counters *counters = channel_counters(rig.channel);
    const uint64_t *book = book_counters(channel_book(rig.channel))->verdict;
    cr_assert_gt(book[BOOK_ORDERS_FULL], 0u);
    cr_assert_gt(counters->orphan_count[ITCH_DELETE], 0u, "some of what was refused is deleted later");
    cr_assert_eq(counters->contradicted_count, 0u, "its instruments are marked: the others need no snapshot");
    cr_assert(!channel_stale(rig.channel));
    free(rig.memory);
}

Test(channel_recover, a_snapshot_that_lags_is_not_asked_for_again_at_once)
{
    struct channel_params params = default_params;
    params.recovery.retransmit.server_count = 0;
    struct rig rig = rig_open(&params);
    send_to(&rig, 0, 1, 101);
    send_to(&rig, 0, 201, 301);
    uint32_t spin = spin_wanted(&rig);
    snapshot_give(&rig, spin, 151);
    snapshot_end(&rig, spin, 151, true); /* 151 to 200 are missing still */
    cr_assert_eq(channel_counters(rig.channel)->spliced_count, 1u);
    cr_assert(channel_stale(rig.channel));
    rig.now_ns += RETRY_NS - 1;
    cr_assert_eq(ask(&rig).type, CHANNEL_ASK_NOTHING, "the server has nothing newer so soon");
    rig.now_ns += 1;
    spin = spin_wanted(&rig);
    snapshot_give(&rig, spin, 251);
    snapshot_end(&rig, spin, 251, true);
    expect_whole(&rig, 301);
    free(rig.memory);
}

/* There are never more orders than messages. */
Test(channel_recover, a_snapshot_of_more_orders_than_there_were_messages_is_not_believed)
{
    struct rig rig = rig_open(&default_params);
    send_to(&rig, 0, 1, 101);
    send_to(&rig, 0, 111, 201);
    const uint32_t spin = spin_wanted(&rig);
    snapshot_give(&rig, spin, 5001);
    const uint32_t order_count = channel_order_count(rig.channel);
    cr_assert_geq(order_count, 201u);
    snapshot_end(&rig, spin, order_count, false); /* the messages below it are one less */
    cr_assert_eq(channel_counters(rig.channel)->spin_old_count, 1u);
    cr_assert_eq(channel_counters(rig.channel)->spliced_count, 0u);
    free(rig.memory);
}

Test(channel_recover, what_was_not_believed_in_one_session_says_nothing_of_the_next)
{
    struct rig rig = rig_open(&default_params);
    send_to(&rig, 0, 1, 101);
    control_to(&rig, 0, session_a, UINT64_C(1) << 40, 0);
    control_to(&rig, 0, "SESSION  B", 1, 0);
    control_to(&rig, 1, "SESSION  B", UINT64_C(1) << 40, 0);
    cr_assert_eq(channel_counters(rig.channel)->far_count, 2u);
    cr_assert(!channel_stale(rig.channel));
    free(rig.memory);
}

Test(channel_recover, silence_of_all_lines_is_stale_until_one_speaks)
{
    struct channel_params params = default_params;
    params.silence_ns = 3000 * MS;
    struct rig rig = rig_open(&params);
    send_to(&rig, 0, 1, 101);
    cr_assert_eq(channel_deadline_ns(rig.channel), rig.now_ns + 3000 * MS);
    rig.now_ns += 3000 * MS;
    cr_assert(expire(&rig));
    cr_assert_eq(rig.events[MD_STALE_BEGIN], 1u);
    cr_assert_eq(channel_counters(rig.channel)->silent_count, 1u);
    cr_assert_eq(channel_deadline_ns(rig.channel), UINT64_MAX);
    send_to(&rig, 1, 101, 111);
    cr_assert_eq(rig.events[MD_STALE_END], 1u);
    expect_whole(&rig, 111);
    free(rig.memory);
}

/* A heartbeat and a message without sequence; not a sequence that is not to be believed. */
Test(channel_recover, what_has_no_sequence_ends_silence_and_what_is_not_believed_does_not)
{
    struct channel_params params = default_params;
    params.silence_ns = 3000 * MS;
    struct rig rig = rig_open(&params);
    send_to(&rig, 0, 1, 101);
    uint8_t payload[PACKET_MAX];
    struct channel_cursor cursor;
    for (uint32_t i = 0; i < 3; i++) {
        rig.now_ns += 3000 * MS;
        cr_assert(expire(&rig));
        cr_assert(channel_stale(rig.channel));
        const uint32_t len = packet_write(payload, 1, i % 2);
        mold_encode_header(payload, session_a, i < 2 ? 0 : UINT64_C(1) << 40, (uint16_t)(i % 2));
        cr_assert_eq(channel_receive(rig.channel, 1, payload, len, rig.now_ns, 0, &cursor), i < 2);
        drain(&rig, &cursor);
        cr_assert_eq(channel_stale(rig.channel), i == 2);
        if (i < 2)
            cr_assert_eq(channel_deadline_ns(rig.channel), rig.now_ns + 3000 * MS, "from now on");
    }
    cr_assert_eq(rig.events[MD_STALE_END], 2u);
    free(rig.memory);
}

Test(channel_recover, without_a_snapshot_what_nobody_has_is_passed)
{
    struct channel_params params = default_params;
    params.recovery.snapshot = false;
    struct rig rig = rig_open(&params);
    send_to(&rig, 0, 1, 101);
    send_to(&rig, 0, 111, 201);
    for (uint32_t i = 0; i < 100 && channel_arb(rig.channel)->hole_count == 0; i++) {
        rig.last_seq = channel_arb(rig.channel)->next_seq - 1;
        rig.now_ns += MS;
        while (ask(&rig).type == CHANNEL_ASK_REQUEST)
            ;
        if (channel_deadline_ns(rig.channel) == 0)
            rig.last_seq = 110;
        expire(&rig);
    }
    go_on(&rig);
    cr_assert_eq(channel_arb(rig.channel)->missed_count, 10u);
    cr_assert_eq(channel_counters(rig.channel)->given_up_count, 1u);
    cr_assert(channel_stale(rig.channel), "until the next session");
    cr_assert_eq(channel_arb(rig.channel)->next_seq, 201u);
    free(rig.memory);
}

/* A reader takes MD_SESSION for the end of all doubt: a hole at its very beginning is told behind it. */
Test(channel_recover, a_session_that_begins_with_a_hole_is_stale_after_it_began)
{
    struct rig rig = rig_open(&default_params);
    send_to(&rig, 0, 11, 21);
    cr_assert(channel_stale(rig.channel) && rig.told_stale);
    control_to(&rig, 0, "SESSION  B", 7, 0);
    control_to(&rig, 1, "SESSION  B", 7, 0);
    cr_assert_eq(rig.events[MD_SESSION], 2u);
    cr_assert_eq(rig.events[MD_STALE_BEGIN], 3u, "what was never filled in the old session, and what is in the new");
    cr_assert(channel_stale(rig.channel) && rig.told_stale);
    free(rig.memory);
}

Test(channel_recover, what_was_kept_during_a_spin_goes_out_in_slices)
{
    struct rig rig = rig_open(&default_params);
    send_to(&rig, 0, 1, 101);
    send_to(&rig, 0, 111, 201);
    const uint32_t spin = spin_wanted(&rig);
    send_to(&rig, 1, 201, 5001);
    snapshot_give(&rig, spin, 301);
    rig.most_messages = 0;
    snapshot_end(&rig, spin, 301, true);
    cr_assert_leq(rig.most_messages, CHANNEL_SLICE_MESSAGES);
    expect_whole(&rig, 5001);
    free(rig.memory);
}

Test(channel_recover, what_comes_while_a_backlog_goes_out_makes_the_slices_longer)
{
    struct rig rig = rig_open(&default_params);
    struct channel_cursor cursor;
    send_to(&rig, 0, 1, 101);
    send_to(&rig, 0, 111, 2001);
    send_to(&rig, 1, 101, 111); /* the backlog begins to go out */
    cr_assert_eq(channel_deadline_ns(rig.channel), 0u);
    rig.most_messages = 0;
    send_to(&rig, 0, 2001, 2041); /* as much again in each turn as a slice is long, and more */
    const uint64_t last_seq = rig.last_seq;
    cr_assert_eq(last_seq, 110u + CHANNEL_SLICE_MESSAGES, "a packet that is kept brings none along");
    cr_assert(channel_expire(rig.channel, rig.now_ns, 0, &cursor));
    drain(&rig, &cursor);
    cr_assert_eq(rig.last_seq - last_seq, CHANNEL_SLICE_MESSAGES + 40u);
    go_on(&rig);
    expect_whole(&rig, 2041);
    free(rig.memory);
}

/* Every attempt is used up for the hole in front; then its messages come all the same. */
Test(channel_recover, a_hole_that_fills_after_it_was_given_up_says_nothing_of_the_next)
{
    struct channel_params params = default_params;
    params.recovery.snapshot = false;
    struct rig rig = rig_open(&params);
    send_to(&rig, 0, 1, 101);
    send_to(&rig, 0, 111, 121);
    for (uint64_t asked_ns = 0; channel_retransmit(rig.channel)->exhausted_count == 0; rig.now_ns += MS / 2) {
        expire(&rig);
        while (ask(&rig).type == CHANNEL_ASK_REQUEST)
            asked_ns = rig.now_ns;
        if (rig.now_ns == asked_ns + 39 * MS / 2)
            send_to(&rig, 0, 131, 141); /* another hole, just before the last patience ends */
    }
    send_to(&rig, 1, 101, 111);
    cr_assert_eq(channel_arb(rig.channel)->next_seq, 121u, "not passed");
    answer_all(&rig, 64);
    expect_whole(&rig, 141);
    free(rig.memory);
}

Test(channel_recover, what_could_not_be_kept_behind_a_backlog_is_asked_for)
{
    struct channel_params params = default_params;
    params.recovery.snapshot = false;
    params.hold_messages = 256;
    struct rig rig = rig_open(&params);
    send_to(&rig, 0, 1, 101);
    send_to(&rig, 0, 111, 351);
    send_to(&rig, 1, 101, 111);
    send_to(&rig, 0, 351, 391); /* the window does not reach as far yet */
    cr_assert_gt(channel_counters(rig.channel)->unkept_count, 0u);
    go_on(&rig);
    answer_all(&rig, 64);
    cr_assert_eq(channel_counters(rig.channel)->given_up_count, 0u);
    expect_whole(&rig, 391);
    free(rig.memory);
}

Test(channel_recover, an_answer_is_kept_where_only_a_heartbeat_told_of_the_hole)
{
    struct rig rig = rig_open(&default_params);
    uint8_t payload[PACKET_MAX];
    struct channel_cursor cursor;
    send_to(&rig, 0, 1, 17001); /* further than the window of what can be kept */
    control_to(&rig, 0, session_a, 17201, 0);
    rig.now_ns += REORDER_NS;
    expire(&rig);
    cr_assert_eq(ask(&rig).seq, 17001u);
    const struct channel_ask second = ask(&rig);
    cr_assert_eq(second.seq, 17065u);
    cr_assert(!channel_reply(rig.channel, payload, packet_write(payload, second.seq, second.count), rig.now_ns, 0,
                             &cursor));
    cr_assert_eq(channel_counters(rig.channel)->reply_held_count, 1u, "the first answer was lost, this one was not");
    rig.now_ns += 5 * MS;
    answer_all(&rig, 64);
    expect_whole(&rig, 17201);
    free(rig.memory);
}

Test(channel_recover, the_end_of_the_input_ends_a_spin_too)
{
    struct rig rig = rig_open(&default_params);
    struct channel_cursor cursor;
    send_to(&rig, 0, 1, 2001);
    send_to(&rig, 0, 2011, 4001);
    (void)spin_wanted(&rig);
    cr_assert(!channel_snapshot_ready(rig.channel, 1), "still being emptied");
    rig.last_seq = 2010;
    cr_assert(channel_flush(rig.channel, rig.now_ns, &cursor));
    drain(&rig, &cursor);
    cr_assert_eq(rig.events[MD_RESET], 1u, "books are empty: that is said");
    cr_assert_eq(rig.last_seq, 4000u);
    cr_assert_eq(channel_held_messages(rig.channel), 0u);
    cr_assert_eq(channel_deadline_ns(rig.channel), UINT64_MAX);
    cr_assert(!channel_recovering(rig.channel));
    cr_assert(channel_stale(rig.channel));
    free(rig.memory);
}

/* ---- what one recovery leaves behind for the next ---- */

Test(channel_recover, patience_with_a_server_begins_anew_with_each_snapshot)
{
    struct rig rig = rig_open(&default_params);
    send_to(&rig, 0, 1, 101);
    send_to(&rig, 0, 111, 201);
    uint32_t spin = spin_wanted(&rig);
    for (uint32_t i = 0; i < 3; i++) {
        channel_snapshot_lost(rig.channel, spin, rig.now_ns);
        spin = spin_wanted(&rig);
    }
    snapshot_give(&rig, spin, 151);
    snapshot_end(&rig, spin, 151, true);
    expect_whole(&rig, 201);
    send_to(&rig, 0, 211, 301);
    spin = spin_wanted(&rig);
    channel_snapshot_lost(rig.channel, spin, rig.now_ns);
    rig.now_ns += RETRY_NS - 1;
    cr_assert_eq(ask(&rig).type, CHANNEL_ASK_NOTHING);
    rig.now_ns += 1;
    cr_assert_eq(ask(&rig).type, CHANNEL_ASK_SPIN, "not four times as late, as the last one of the hole before");
    free(rig.memory);
}

Test(channel_recover, after_a_late_join_small_holes_are_retransmitted)
{
    struct channel_params params = default_params;
    params.recovery.join_snapshot = true;
    struct rig rig = rig_open(&params);
    send_to(&rig, 0, 5001, 5011);
    const uint32_t spin = spin_wanted(&rig);
    snapshot_give(&rig, spin, 5006);
    snapshot_end(&rig, spin, 5006, true);
    send_to(&rig, 0, 5021, 5031);
    cr_assert_gt(answer_all(&rig, 64), 0u);
    expect_whole(&rig, 5031);
    cr_assert_eq(channel_counters(rig.channel)->spin_count, 1u);
    free(rig.memory);
}

/* The snapshot ends in front of a hole that comes at once, while it is still a late join. */
Test(channel_recover, a_snapshot_that_ends_in_front_of_a_small_hole_has_that_one_retransmitted)
{
    struct channel_params params = default_params;
    params.recovery.join_snapshot = true;
    struct rig rig = rig_open(&params);
    send_to(&rig, 0, 5001, 5011);
    const uint32_t spin = spin_wanted(&rig);
    send_to(&rig, 0, 5021, 5031);
    snapshot_give(&rig, spin, 5006);
    snapshot_end(&rig, spin, 5006, true);
    cr_assert_gt(answer_all(&rig, 64), 0u);
    expect_whole(&rig, 5031);
    cr_assert_eq(channel_counters(rig.channel)->spin_count, 1u);
    free(rig.memory);
}

Test(channel_recover, what_a_session_has_lost_is_not_the_loss_of_the_next)
{
    struct channel_params params = default_params;
    params.recovery = (struct channel_recovery){.snapshot = false};
    struct rig rig = rig_open(&params);
    send_to(&rig, 0, 1, 101);
    send_to(&rig, 0, 111, 121);
    rig.now_ns += REORDER_NS;
    rig.last_seq = 110;
    send_to(&rig, 0, 131, 141);
    cr_assert_eq(rig.last_seq, 120u, "the first hole is passed, the second is waited for");
    control_to(&rig, 0, "SESSION  B", 1, 0);
    control_to(&rig, 0, "SESSION  B", 6, 0);
    uint8_t payload[PACKET_MAX];
    struct channel_cursor cursor;
    const uint32_t len = packet_write(payload, 1, 5);
    mold_encode_header(payload, "SESSION  B", 1, 5);
    rig.last_seq = 0;
    cr_assert(channel_receive(rig.channel, 1, payload, len, rig.now_ns, 0, &cursor));
    drain(&rig, &cursor);
    cr_assert_eq(channel_counters(rig.channel)->filled_line_count, 1u);
    free(rig.memory);
}

Test(channel_recover, a_message_that_was_kept_names_the_line_that_brought_it)
{
    struct rig rig = rig_open(&default_params);
    uint8_t payload[PACKET_MAX];
    struct channel_cursor cursor;
    send_to(&rig, 0, 1, 101);
    send_to(&rig, 1, 111, 121);
    cr_assert(channel_receive(rig.channel, 0, payload, packet_write(payload, 101, 10), rig.now_ns, 0, &cursor));
    for (uint64_t seq = 101; seq < 121;) {
        cr_assert(channel_next(rig.channel, &cursor));
        if (cursor.message)
            cr_assert_eq(cursor.line, seq++ < 111 ? 0u : 1u);
    }
    cr_assert(!channel_next(rig.channel, &cursor));
    free(rig.memory);
}

Test(channel_recover, what_cannot_be_kept_and_has_no_snapshot_is_given_up_not_asked_for)
{
    struct channel_params params = default_params;
    params.recovery.snapshot = false;
    params.hold_messages = 256;
    struct rig rig = rig_open(&params);
    send_to(&rig, 0, 1, 101);
    send_to(&rig, 0, 351, 357);
    uint8_t payload[PACKET_MAX];
    struct channel_cursor cursor;
    const uint32_t len = packet_write(payload, 357, 2); /* one more than there is room for */
    rig.last_seq = 350;
    cr_assert(channel_receive(rig.channel, 0, payload, len, rig.now_ns, 0, &cursor));
    drain(&rig, &cursor);
    go_on(&rig);
    cr_assert_eq(channel_counters(rig.channel)->unkept_count, 1u);
    cr_assert_eq(channel_counters(rig.channel)->given_up_count, 1u);
    cr_assert_eq(channel_retransmit(rig.channel)->request_count, 0u, "more of what comes would have to be forgotten");
    cr_assert_eq(rig.last_seq, 356u);
    answer_all(&rig, 64);
    cr_assert_eq(channel_arb(rig.channel)->next_seq, 359u, "what was not kept is asked for");
    free(rig.memory);
}

/* ---- convergence: small worlds, each with its own messages, faults and servers ---- */

#define WORLD_COUNT 200u
#define WORLD_MESSAGES 3000u
#define WORLD_STEP_NS (MS / 10)
#define WORLD_STEPS_MAX 100000u
#define FLIGHTS_MAX 1024u

/* A packet on its way: of a line, or an answer. */
struct flight { uint64_t due_ns, seq; uint32_t line, count; };

struct world {
    struct session_random random;
    struct rig rig, truth, venue;
    uint32_t loss, answer_loss, spin_loss; /* percent */
    uint64_t said_seq;                     /* one past the newest message of the venue */
    uint64_t line_seq[2];                  /* next to be sent on the line */
    struct flight flight[FLIGHTS_MAX];
    uint32_t flight_count;
    uint32_t spin;                         /* that is being given, 0 = none */
    uint64_t spin_seq;
    uint8_t snapshot[1u << 17];
    uint32_t snapshot_len, snapshot_at;
};

static bool chance(struct world *world, uint32_t percent)
{
    return session_random_below(&world->random, 100) < percent;
}

static uint32_t between(struct world *world, uint32_t min, uint32_t max)
{
    return min + session_random_below(&world->random, max - min + 1);
}

static void flight_begin(struct world *world, uint32_t line, uint64_t seq, uint32_t count, uint64_t delay_ns)
{
    if (world->flight_count < FLIGHTS_MAX)
        world->flight[world->flight_count++] =
            (struct flight){.due_ns = world->rig.now_ns + delay_ns, .line = line, .seq = seq, .count = count};
}

static void flights_land(struct world *world)
{
    uint8_t payload[PACKET_MAX];
    struct channel_cursor cursor;
    struct rig *rig = &world->rig;

    for (;;) {
        struct flight *next = NULL;
        for (uint32_t i = 0; i < world->flight_count; i++)
            if (world->flight[i].due_ns <= rig->now_ns && (!next || world->flight[i].due_ns < next->due_ns))
                next = &world->flight[i];
        if (!next)
            return;
        const uint32_t len = packet_write(payload, next->seq, next->count);
        if (next->line == CHANNEL_LINE_RETRANSMISSION
                ? channel_reply(rig->channel, payload, len, rig->now_ns, 0, &cursor)
                : channel_receive(rig->channel, next->line, payload, len, rig->now_ns, 0, &cursor))
            drain(rig, &cursor);
        *next = world->flight[--world->flight_count];
    }
}

static void lines_send(struct world *world)
{
    for (uint32_t line = 0; line < 2; line++)
        while (world->line_seq[line] < world->said_seq) {
            const uint64_t left = world->said_seq - world->line_seq[line];
            const uint32_t most = between(world, 1, 12), count = left < most ? (uint32_t)left : most;
            for (uint32_t copies = chance(world, 5) ? 2 : 1; copies > 0; copies--)
                if (!chance(world, world->loss))
                    flight_begin(world, line, world->line_seq[line], count, between(world, 0, 4 * WORLD_STEP_NS));
            world->line_seq[line] += count;
        }
}

/* What a snapshot server says: the books of a channel that saw everything, orders in the order of their priority. */
static void snapshot_write(struct world *world)
{
    static const uint8_t sides[2] = {'B', 'S'};
    static struct book_level_view levels[512];
    static struct book_order_view orders[512];
    struct rig *venue = &world->venue;
    struct itch_msg last;

    send_to(venue, 0, venue->last_seq + 1, world->said_seq);
    cr_assert_eq(itch_decode(script[world->said_seq - 1].bytes, script[world->said_seq - 1].len, &last), ITCH_OK);
    world->snapshot_len = world->snapshot_at = 0;
    for (uint32_t i = 0; i < channel_instrument_count(venue->channel); i++)
        for (uint32_t side = 0; side < 2; side++) {
            const uint32_t level_count = book_levels(channel_book(venue->channel), i, sides[side], 512, levels);
            for (uint32_t j = 0; j < level_count; j++) {
                const uint32_t order_count =
                    book_orders(channel_book(venue->channel), i, sides[side], levels[j].price, 512, orders);
                for (uint32_t k = 0; k < order_count; k++) {
                    uint8_t *block = world->snapshot + world->snapshot_len;
                    const struct itch_msg add = {.type = ITCH_ADD,
                                                 .locate = (uint16_t)i,
                                                 .timestamp_ns = last.timestamp_ns,
                                                 .add = {.ref = orders[k].ref,
                                                         .qty = orders[k].qty,
                                                         .price = (uint32_t)levels[j].price,
                                                         .stock = channel_instruments(venue->channel)[i].symbol,
                                                         .side = sides[side]}};
                    block[0] = 0;
                    block[1] = (uint8_t)itch_encode(&add, block + 2);
                    world->snapshot_len += 2u + block[1];
                    cr_assert_lt(world->snapshot_len, sizeof(world->snapshot) - 64);
                }
            }
        }
    world->spin_seq = world->said_seq;
}

/* A spin goes on by a block, is broken off, or ends, now and then with an end that cannot be. */
static void spin_step(struct world *world)
{
    struct rig *rig = &world->rig;
    struct channel_cursor cursor;

    if (world->spin == 0)
        return;
    if (chance(world, world->spin_loss)) {
        channel_snapshot_lost(rig->channel, world->spin, rig->now_ns);
        world->spin = 0;
        return;
    }
    if (!channel_snapshot_ready(rig->channel, world->spin))
        return;
    if (world->snapshot_at < world->snapshot_len) {
        uint32_t len = 0;
        for (uint32_t i = 0; i < 50 && world->snapshot_at + len < world->snapshot_len; i++)
            len += 2u + world->snapshot[world->snapshot_at + len + 1];
        if (channel_snapshot(rig->channel, world->spin, world->snapshot + world->snapshot_at, len, rig->now_ns, 0,
                             &cursor))
            drain(rig, &cursor);
        world->snapshot_at += len;
        return;
    }
    uint64_t end_seq = world->spin_seq;
    if (chance(world, 10))
        end_seq = chance(world, 50) ? end_seq + (1u << 30) : channel_arb(rig->channel)->next_seq - 1;
    if (channel_snapshot_end(rig->channel, world->spin, end_seq, rig->now_ns, 0, &cursor))
        drain(rig, &cursor);
    world->spin = 0;
}

/* Ranges in flight are disjoint, and no more than may be. */
static void expect_ranges(const struct retransmit *retransmit)
{
    cr_assert_leq(retransmit->range_count, retransmit->params.in_flight);
    for (uint32_t i = 0; i < retransmit->range_count; i++)
        for (uint32_t j = 0; j < i; j++)
            cr_assert(retransmit->range[i].end_seq <= retransmit->range[j].first_seq ||
                      retransmit->range[j].end_seq <= retransmit->range[i].first_seq);
}

static void servers_ask(struct world *world)
{
    struct rig *rig = &world->rig;
    struct channel_ask asked;

    while ((asked = ask(rig)).type != CHANNEL_ASK_NOTHING) {
        world->spin = 0;
        if (asked.type == CHANNEL_ASK_SPIN) {
            world->spin = asked.spin;
            snapshot_write(world);
        } else if (asked.type == CHANNEL_ASK_REQUEST) {
            const struct retransmit *retransmit = channel_retransmit(rig->channel);
            cr_assert(asked.count >= 1 && asked.count <= retransmit->params.request_messages);
            cr_assert_lt(asked.server, retransmit->params.server_count);
            cr_assert(asked.seq >= channel_arb(rig->channel)->next_seq);
            cr_assert(asked.seq + asked.count <= channel_arb(rig->channel)->newest_seq);
            expect_ranges(retransmit);
            if (!chance(world, world->answer_loss))
                flight_begin(world, CHANNEL_LINE_RETRANSMISSION, asked.seq, asked.count < 40 ? asked.count : 40,
                             between(world, WORLD_STEP_NS, 20 * WORLD_STEP_NS));
        }
    }
}

static void world_open(struct world *world, uint32_t seed)
{
    struct channel_params params = default_params;

    *world = (struct world){.said_seq = 1, .line_seq = {1, 1}};
    session_random_init(&world->random, seed);
    script_write(seed, WORLD_MESSAGES);
    params.book.orders_max = 1u << 12;
    params.book.levels_max = 1u << 12;
    world->truth = rig_open(&params);
    world->venue = rig_open(&params);
    params.reorder_packets = between(world, 2, 64);
    params.reorder_ns = between(world, 1, 10) * WORLD_STEP_NS;
    params.hold_messages = 1u << between(world, 6, 12);
    params.stale_at_once = chance(world, 50);
    params.silence_ns = 20 * MS;
    params.recovery.join_snapshot = chance(world, 50);
    params.recovery.gap_max = between(world, 20, 1000);
    params.recovery.spin_retry_ns = MS;
    params.recovery.retransmit.in_flight = between(world, 1, 8);
    params.recovery.retransmit.rate_per_s = between(world, 200, 5000);
    params.recovery.retransmit.rate_burst = between(world, 1, 20);
    params.recovery.retransmit.attempts = between(world, 1, 5);
    params.recovery.retransmit.timeout_ns = between(world, 1, 4) * MS;
    world->rig = rig_open(&params);
    world->rig.truth = &world->truth;
    world->loss = between(world, 0, 20);
    world->answer_loss = between(world, 0, 50);
    world->spin_loss = between(world, 0, 5);
    if (chance(world, 25)) /* a late join */
        world->line_seq[0] = world->line_seq[1] = world->said_seq = between(world, 2, WORLD_MESSAGES / 2);
}

static bool world_whole(const struct world *world)
{
    return channel_arb(world->rig.channel)->next_seq == WORLD_MESSAGES + 1 && !channel_stale(world->rig.channel) &&
           !channel_recovering(world->rig.channel);
}

static void world_run(struct world *world)
{
    for (uint32_t step = 0; !world_whole(world); step++) {
        cr_assert_lt(step, WORLD_STEPS_MAX, "at %lu", channel_arb(world->rig.channel)->next_seq);
        world->rig.now_ns += WORLD_STEP_NS;
        if (!chance(world, 5))
            world->said_seq += between(world, 0, 10);
        else if (chance(world, 2))
            world->said_seq += 200; /* a burst */
        if (world->said_seq > WORLD_MESSAGES + 1)
            world->said_seq = WORLD_MESSAGES + 1;
        lines_send(world);
        expire(&world->rig);
        flights_land(world);
        if (step % 100 == 99 && !chance(world, world->loss))
            control_to(&world->rig, step / 100 % 2, session_a, world->said_seq,
                       world->said_seq == WORLD_MESSAGES + 1 ? MOLD_COUNT_END : 0);
        spin_step(world);
        expire(&world->rig);
        servers_ask(world);
    }
}

Test(channel_recover, whatever_is_lost_the_books_are_right_in_the_end_and_no_event_before_is_wrong, .timeout = 120)
{
    static struct world world;
    uint64_t line_count = 0, request_count = 0, again_count = 0, spliced_count = 0, overflow_count = 0;
    uint64_t lost_count = 0, old_count = 0, far_count = 0, fresh_count = 0;

    for (uint32_t seed = 1; seed <= WORLD_COUNT; seed++) {
        world_open(&world, seed);
        world_run(&world);
        send_to(&world.truth, 0, world.truth.last_seq + 1, WORLD_MESSAGES + 1);
        cr_assert_eq(book_hash(channel_book(world.rig.channel)), book_hash(channel_book(world.truth.channel)),
                     "seed %u", seed);
        cr_assert_eq(channel_held_messages(world.rig.channel), 0u);
        cr_assert_eq(world.rig.events[MD_STALE_BEGIN], world.rig.events[MD_STALE_END], "seed %u", seed);
        const struct channel_counters *counters = channel_counters(world.rig.channel);
        cr_assert_eq(counters->contradicted_count, 0u, "seed %u", seed);
        line_count += counters->filled_line_count;
        request_count += counters->filled_request_count;
        again_count += channel_retransmit(world.rig.channel)->again_count;
        spliced_count += counters->spliced_count;
        overflow_count += counters->overflow_count;
        lost_count += counters->spin_lost_count;
        old_count += counters->spin_old_count;
        far_count += counters->spin_far_count;
        fresh_count += world.rig.fresh_count;
        free(world.rig.memory);
        free(world.truth.memory);
        free(world.venue.memory);
    }
    cr_assert(line_count > 0 && request_count > 0 && again_count > 0, "every path ran");
    cr_assert(spliced_count > 0 && overflow_count > 0 && lost_count > 0 && old_count > 0 && far_count > 0);
    cr_assert_gt(fresh_count, WORLD_COUNT * WORLD_MESSAGES / 10);
}
