/* feed/channel_traded: a channel with books of some instruments gives for these exactly what one with books of all
 * gives, whatever happens to the feed, and counts the rest. Two channels are given the same, and compared. */
#include "feed/channel.h"
#include "ring/check.h"
#include "tools/session.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define SYMBOLS  30u
#define MESSAGES 30000u
#define PACKET_MAX 1400u
#define BURST 32u
#define EVENTS_MAX 4096u
#define MS UINT64_C(1000000)

static struct itch_msg script[MESSAGES]; /* message i has sequence i + 1 */
static uint64_t symbols[SYMBOLS + 1];    /* by stock locate */
static uint64_t traded[SYMBOLS];
static uint32_t traded_count;

static bool is_traded(uint32_t locate)
{
    return locate % 4 == 1;
}

static void setup(void)
{
    const struct session_params params = {
        .seed = 5, .messages = MESSAGES, .open_ns = SESSION_OPEN_NS, .symbols = SYMBOLS, .rate_per_s = 100000};
    struct session *session = session_open(&params);
    cr_assert(session);
    for (uint32_t i = 0; session_next(session, &script[i]); i++)
        if (script[i].type == ITCH_STOCK_DIRECTORY)
            symbols[script[i].locate] = script[i].directory.stock;
    session_close(session);
    traded_count = 0;
    for (uint32_t locate = 1; locate <= SYMBOLS; locate++) {
        uint32_t at = traded_count;
        cr_assert_neq(symbols[locate], 0);
        if (!is_traded(locate))
            continue;
        for (; at > 0 && traded[at - 1] > symbols[locate]; at--)
            traded[at] = traded[at - 1];
        traded[at] = symbols[locate];
        traded_count++;
    }
}

TestSuite(channel_traded, .init = setup);

/* [0] has books of all, [1] those of `traded`. */
struct pair {
    struct channel *channel[2];
    struct channel_ahead ahead[2];
    struct md_event event[2][EVENTS_MAX]; /* of the call in hand */
    uint32_t event_count[2];
    uint64_t compared_count;
    uint64_t order_count; /* messages that [0] gave to books of others */
};

static bool is_order(uint8_t type)
{
    return memchr("AFDUECX", type, 7) != NULL;
}

static struct pair *pair_open(const struct channel_recovery *recovery, uint64_t first_seq)
{
    struct channel_params params = {.book = {.instruments_max = SYMBOLS + 1, .orders_max = 8192, .levels_max = 8192},
                                    .line_count = 2, .reorder_packets = 8, .reorder_ns = MS, .hold_messages = 4096,
                                    .stale_at_once = true, .first_seq = first_seq};
    struct pair *pair = calloc(1, sizeof(*pair));
    cr_assert(pair);
    if (recovery)
        params.recovery = *recovery;
    for (uint32_t way = 0; way < 2; way++) {
        if (way == 1) {
            params.traded = traded;
            params.traded_count = traded_count;
        }
        void *memory = aligned_alloc(CACHE_LINE_BYTES, channel_footprint(&params));
        cr_assert(memory);
        memset(memory, 0x5a, channel_footprint(&params));
        pair->channel[way] = channel_init(memory, &params);
    }
    return pair;
}

static void pair_close(struct pair *pair)
{
    free(pair->channel[0]);
    free(pair->channel[1]);
    free(pair);
}

/* Events of order messages of others are left out; what else is said of them has no best prices to tell. */
static void drain(struct pair *pair, uint32_t way, bool has, struct channel_cursor *cursor)
{
    pair->event_count[way] = 0;
    while (has && channel_next(pair->channel[way], cursor)) {
        const bool other = cursor->message_len >= ITCH_PREFIX_LEN && !is_traded(itch_locate(cursor->message));
        const bool order = other && is_order(cursor->message[0]);
        cr_assert(way == 0 || !order || cursor->event_count <= 1, "at most the name, if an add is first to say it");
        for (uint32_t i = 0; i < cursor->event_count; i++) {
            struct md_event event = cursor->event[i];
            event.rx_tsc = cursor->seq << 8 | cursor->line; /* where it stood is compared too */
            if (order && event.type != MD_DEFINE) {
                cr_assert_eq(way, 0);
                continue;
            }
            if (other) {
                event.bid_price = event.ask_price = 0;
                event.bid_qty = event.ask_qty = 0;
                event.flags &= (uint16_t)~(MD_MORE | MD_UNTRADABLE);
            }
            cr_assert_lt(pair->event_count[way], EVENTS_MAX);
            pair->event[way][pair->event_count[way]++] = event;
        }
        pair->order_count += way == 0 && order;
    }
}

static void compare(struct pair *pair)
{
    cr_assert_eq(pair->event_count[0], pair->event_count[1]);
    cr_assert_eq(memcmp(pair->event[0], pair->event[1], pair->event_count[0] * sizeof(struct md_event)), 0);
    cr_assert_eq(channel_stale(pair->channel[0]), channel_stale(pair->channel[1]));
    cr_assert_eq(channel_deadline_ns(pair->channel[0]), channel_deadline_ns(pair->channel[1]));
    pair->compared_count += pair->event_count[0];
}

static uint32_t orders_of(const struct book *book, uint32_t instrument, uint8_t side,
                          struct book_order_view *ret_orders)
{
    struct book_level_view levels[1024];
    uint32_t order_count = 0;
    const uint32_t level_count = book_levels(book, instrument, side, 1024, levels);
    for (uint32_t i = 0; i < level_count; i++)
        order_count +=
            book_orders(book, instrument, side, levels[i].price, 8192 - order_count, ret_orders + order_count);
    return order_count;
}

/* Books of the traded ones order by order, none of the others; counters of messages. */
static void compare_books(const struct pair *pair)
{
    static struct book_order_view order[2][8192];
    const struct channel_counters *counters[] = {channel_counters(pair->channel[0]),
                                                 channel_counters(pair->channel[1])};
    uint32_t total = 0;
    for (uint32_t i = 0; i <= SYMBOLS; i++)
        for (const uint8_t *side = (const uint8_t *)"BS"; *side != 0; side++) {
            uint32_t count[2];
            memset(order, 0, sizeof(order));
            for (uint32_t way = 0; way < 2; way++)
                count[way] = orders_of(channel_book(pair->channel[way]), i, *side, order[way]);
            cr_assert_eq(count[1], is_traded(i) ? count[0] : 0);
            cr_assert_eq(memcmp(order[0], order[1], count[1] * sizeof(order[0][0])), 0);
            total += count[1];
        }
    cr_assert_eq(channel_order_count(pair->channel[1]), total);
    cr_assert_eq(counters[0]->message_count, counters[1]->message_count);
    cr_assert_eq(memcmp(counters[0]->message_type_count, counters[1]->message_type_count,
                        sizeof(counters[0]->message_type_count)), 0);
    cr_assert_eq(memcmp(counters[0]->itch, counters[1]->itch, sizeof(counters[0]->itch)), 0);
    cr_assert_eq(counters[0]->empty_count, counters[1]->empty_count);
    cr_assert_eq(counters[0]->locate_range_count, counters[1]->locate_range_count);
    cr_assert_eq(counters[0]->untraded_count, 0);
    cr_assert_eq(counters[1]->untraded_count, pair->order_count);
    cr_assert_eq(counters[0]->contradicted_count + counters[1]->contradicted_count, 0);
}

static uint32_t blocks_write(uint8_t *ret_blocks, uint64_t seq, uint32_t count)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t len = itch_encode(&script[seq - 1 + i], ret_blocks + at + 2);
        ret_blocks[at] = 0;
        ret_blocks[at + 1] = (uint8_t)len;
        at += 2 + len;
    }
    return at;
}

static uint32_t packet_write(uint8_t *ret_packet, const char *session, uint64_t seq, uint32_t count)
{
    mold_encode_header(ret_packet, session, seq, (uint16_t)count);
    return MOLD_HEADER_LEN + blocks_write(ret_packet + MOLD_HEADER_LEN, seq, count);
}

static void receive(struct pair *pair, uint32_t line, const uint8_t *payload, uint32_t len, uint64_t now_ns)
{
    struct channel_cursor cursor;
    for (uint32_t way = 0; way < 2; way++)
        drain(pair, way, channel_receive(pair->channel[way], line, payload, len, now_ns, 0, &cursor), &cursor);
    compare(pair);
}

Test(channel_traded, events_and_books_of_the_traded_are_those_of_all)
{
    struct pair *pair = pair_open(NULL, 1);
    uint8_t packet[PACKET_MAX];
    for (uint64_t seq = 1; seq <= MESSAGES; seq += 10)
        receive(pair, 0, packet, packet_write(packet, "TRADED    ", seq, 10), seq);
    compare_books(pair);
    cr_assert_gt(pair->order_count, MESSAGES / 2);
    cr_assert_gt(pair->compared_count, MESSAGES / 8);
    cr_assert_gt(channel_order_count(pair->channel[1]), 10u);
    pair_close(pair);
}

/* In bursts, as the receive loop does it; the directory, which makes the marks, is in the first of them. */
Test(channel_traded, looking_ahead_changes_nothing)
{
    static uint8_t packets[BURST][PACKET_MAX];
    static struct channel_look looks[2][BURST];
    uint64_t packet_seq[BURST], seq = 1;
    struct pair *pair = pair_open(NULL, 1);
    struct session_random random;
    session_random_init(&random, 1);
    while (seq <= MESSAGES) {
        uint32_t count = 0, received[2] = {0, 0};
        uint32_t lens[BURST];
        for (; count < BURST && seq <= MESSAGES; count++) {
            const uint32_t wanted = 1 + session_random_below(&random, 20);
            const uint32_t left = (uint32_t)(MESSAGES + 1 - seq);
            packet_seq[count] = seq;
            lens[count] = packet_write(packets[count], "TRADED    ", seq, wanted < left ? wanted : left);
            seq += wanted < left ? wanted : left;
        }
        /* Each packet is taken by both before the next one is compared. */
        struct md_event *events[2] = {calloc(EVENTS_MAX, sizeof(**events)), calloc(EVENTS_MAX, sizeof(**events))};
        uint32_t event_count[2] = {0, 0};
        for (uint32_t way = 0; way < 2; way++) {
            struct channel *channel = pair->channel[way];
            struct channel_ahead *ahead = &pair->ahead[way];
            struct channel_cursor cursor;
            for (uint32_t i = 0; i <= count; i++) {
                if (i < count)
                    channel_look(channel, ahead, packets[i], lens[i], &looks[way][i]);
                else
                    channel_look_end(ahead);
                for (; received[way] < count && received[way] <= i &&
                       (i == count || channel_look_ready(ahead, &looks[way][received[way]]));
                     received[way]++) {
                    const uint32_t at = received[way];
                    drain(pair, way,
                          channel_receive_looked(channel, 0, ahead, &looks[way][at], packet_seq[at], 0, &cursor),
                          &cursor);
                    cr_assert_leq(event_count[way] + pair->event_count[way], EVENTS_MAX);
                    memcpy(&events[way][event_count[way]], pair->event[way],
                           pair->event_count[way] * sizeof(struct md_event));
                    event_count[way] += pair->event_count[way];
                }
            }
        }
        cr_assert_eq(event_count[0], event_count[1]);
        cr_assert_eq(memcmp(events[0], events[1], event_count[0] * sizeof(struct md_event)), 0);
        free(events[0]);
        free(events[1]);
    }
    compare_books(pair);
    cr_assert_gt(channel_order_count(pair->channel[1]), 10u);
    pair_close(pair);
}

/* Whatever the servers are asked for they give, a snapshot as the messages that led there. */
static void serve(struct pair *pair, uint64_t newest_seq, uint64_t now_ns, uint32_t *spin_count,
                  uint32_t *request_count)
{
    uint8_t bytes[4096];
    struct channel_cursor cursor;
    for (;;) {
        const struct channel_ask ask = channel_ask_next(pair->channel[0], now_ns);
        const struct channel_ask same = channel_ask_next(pair->channel[1], now_ns);
        cr_assert_eq(ask.type, same.type);
        if (ask.type == CHANNEL_ASK_NOTHING)
            return;
        if (ask.type == CHANNEL_ASK_REQUEST) {
            cr_assert(ask.seq == same.seq && ask.count == same.count);
            const uint32_t len = packet_write(bytes, "TRADED    ", ask.seq, ask.count);
            for (uint32_t way = 0; way < 2; way++)
                drain(pair, way, channel_reply(pair->channel[way], bytes, len, now_ns, 0, &cursor), &cursor);
            compare(pair);
            ++*request_count;
            continue;
        }
        cr_assert_eq(ask.type, CHANNEL_ASK_SPIN);
        for (uint32_t way = 0; way < 2; way++)
            while (!channel_snapshot_ready(pair->channel[way], same.spin))
                ;
        for (uint64_t seq = 1; seq < newest_seq; seq += 32) {
            const uint64_t left = newest_seq - seq;
            const uint32_t len = blocks_write(bytes, seq, left < 32 ? (uint32_t)left : 32);
            for (uint32_t way = 0; way < 2; way++) {
                const bool has = channel_snapshot(pair->channel[way], ask.spin, bytes, len, now_ns, 0, &cursor);
                drain(pair, way, has, &cursor);
            }
            compare(pair);
        }
        for (uint32_t way = 0; way < 2; way++) {
            const bool has = channel_snapshot_end(pair->channel[way], ask.spin, newest_seq, now_ns, 0, &cursor);
            drain(pair, way, has, &cursor);
        }
        compare(pair);
        ++*spin_count;
    }
}

static void expire(struct pair *pair, uint64_t now_ns)
{
    struct channel_cursor cursor;
    while (channel_deadline_ns(pair->channel[0]) <= now_ns) {
        for (uint32_t way = 0; way < 2; way++)
            drain(pair, way, channel_expire(pair->channel[way], now_ns, 0, &cursor), &cursor);
        compare(pair);
    }
}

Test(channel_traded, loss_retransmission_and_snapshots_change_nothing)
{
    const struct channel_recovery recovery = {
        .retransmit = {.server_count = 1, .request_messages = 64, .in_flight = 4, .rate_per_s = 100000,
                       .rate_burst = 1000, .attempts = 3, .timeout_ns = 5 * MS, .timeout_max_ns = 20 * MS},
        .gap_max = 100, .snapshot = true, .join_snapshot = true, .spin_retry_ns = MS, .spin_retry_max_ns = 4 * MS};
    struct pair *pair = pair_open(&recovery, 1);
    struct session_random random;
    uint32_t spin_count = 0, request_count = 0, lost = 0;
    uint64_t now_ns = MS;
    uint8_t packet[PACKET_MAX];
    session_random_init(&random, 2);
    /* It joins late, then loses one packet in ten on both lines, and now and then many. */
    for (uint64_t seq = 2001; seq <= MESSAGES; seq += 10, now_ns += MS / 10) {
        const uint32_t len = packet_write(packet, "TRADED    ", seq, 10);
        if (lost == 0 && session_random_below(&random, 400) == 0)
            lost = 20;
        expire(pair, now_ns);
        for (uint32_t line = 0; line < 2; line++)
            if (lost == 0 && session_random_below(&random, 100) >= 32)
                receive(pair, line, packet, len, now_ns);
        lost -= lost > 0;
        serve(pair, seq + 10, now_ns, &spin_count, &request_count);
    }
    for (; channel_recovering(pair->channel[0]); now_ns += MS) {
        mold_encode_header(packet, "TRADED    ", MESSAGES + 1, 0);
        receive(pair, 0, packet, MOLD_HEADER_LEN, now_ns);
        expire(pair, now_ns);
        serve(pair, MESSAGES + 1, now_ns, &spin_count, &request_count);
    }
    cr_assert_eq(channel_arb(pair->channel[1])->next_seq, MESSAGES + 1);
    cr_assert(!channel_stale(pair->channel[1]));
    compare_books(pair);
    cr_assert_gt(spin_count, 2u);
    cr_assert_gt(request_count, 100u);
    pair_close(pair);
}

Test(channel_traded, where_nobody_has_named_an_instrument_its_first_add_does)
{
    struct pair *pair = pair_open(NULL, 0);
    uint8_t packet[PACKET_MAX];
    uint64_t seq = 5001;
    for (; seq <= MESSAGES; seq += 10)
        receive(pair, 0, packet, packet_write(packet, "TRADED    ", seq, 10), seq);
    /* Orders of before are unknown to both; of the others only where nothing had named their instrument yet. */
    const struct channel_counters *all = channel_counters(pair->channel[0]), *some = channel_counters(pair->channel[1]);
    cr_assert_gt(some->untraded_count, MESSAGES / 2);
    cr_assert_gt(some->orphan_count['D'], 0u);
    cr_assert_gt(all->orphan_count['D'], some->orphan_count['D']);
    for (uint32_t i = 1; i <= SYMBOLS; i++) {
        cr_assert_eq(channel_instruments(pair->channel[1])[i].symbol, channel_instruments(pair->channel[0])[i].symbol);
        const struct book_bbo *bbo = book_bbo(channel_book(pair->channel[1]), i);
        if (is_traded(i))
            cr_assert_eq(memcmp(bbo, book_bbo(channel_book(pair->channel[0]), i), sizeof(*bbo)), 0);
        else
            cr_assert_eq(bbo->bid_price, BOOK_PRICE_NONE);
    }
    pair_close(pair);
}

static void send_one(struct pair *pair, const char *session, uint64_t seq, const struct itch_msg *msg)
{
    uint8_t packet[PACKET_MAX];
    script[0] = *msg;
    mold_encode_header(packet, session, seq, 1);
    receive(pair, 0, packet, MOLD_HEADER_LEN + blocks_write(packet + MOLD_HEADER_LEN, 1, 1), seq);
}

static struct itch_msg directory_of(uint16_t locate, uint64_t symbol)
{
    return (struct itch_msg){.type = ITCH_STOCK_DIRECTORY, .locate = locate, .directory = {.stock = symbol}};
}

static struct itch_msg add_of(uint16_t locate, uint64_t ref)
{
    return (struct itch_msg){.type = ITCH_ADD, .locate = locate, .timestamp_ns = ref,
                             .add = {.ref = ref, .side = 'B', .qty = 100, .price = 10000}};
}

/* In the next session the number of a traded one is another's, and the other way round. Its packets are looked at while
 * the marks of the session before still hold; each is longer, so that it is not taken for one that came already. */
Test(channel_traded, a_session_forgets_who_was_traded)
{
    struct pair *pair = pair_open(NULL, 1);
    struct channel *channel = pair->channel[1];
    for (uint32_t session = 0; session < 4; session++) {
        const char name[MOLD_SESSION_LEN] = {'S', (char)('0' + session)};
        const uint16_t mine = session % 2 == 0 ? 1 : 2, other = (uint16_t)(3 - mine);
        const uint64_t untraded_count = channel_counters(channel)->untraded_count;
        const uint32_t count = 4 + session;
        uint8_t packet[PACKET_MAX];
        struct channel_look look;
        struct channel_cursor cursor;
        uint32_t add_count = 0;
        for (uint32_t i = 0; i < session; i++)
            script[i] = (struct itch_msg){.type = ITCH_SYSTEM_EVENT, .system_event = {.code = 'O'}};
        script[session] = directory_of(mine, symbols[1]);
        script[session + 1] = directory_of(other, symbols[2]);
        script[session + 2] = add_of(mine, 1);
        script[session + 3] = add_of(other, 2);
        const uint32_t len = packet_write(packet, name, 1, count);
        channel_look(channel, &pair->ahead[1], packet, len, &look);
        cr_assert_eq(look.count, count);
        cr_assert_eq(pair->ahead[1].message[(look.first + session + 2) % CHANNEL_AHEAD].msg.type == CHANNEL_UNLOOKED,
                     session > 0);
        channel_look_end(&pair->ahead[1]);
        cr_assert(channel_receive_looked(channel, 0, &pair->ahead[1], &look, 1, 0, &cursor));
        while (channel_next(channel, &cursor))
            for (uint32_t i = 0; i < cursor.event_count; i++)
                add_count += cursor.event[i].type == MD_ADD && cursor.event[i].instrument == mine;
        cr_assert_eq(add_count, 1u);
        cr_assert_eq(channel_order_count(channel), 1u);
        cr_assert_eq(book_bbo(channel_book(channel), mine)->bid_price, 10000);
        cr_assert(!book_untradable(channel_book(channel), mine));
        cr_assert_eq(channel_counters(channel)->untraded_count, untraded_count + 1);
    }
    pair_close(pair);
}

Test(channel_traded, messages_that_are_not_whole_are_counted_as_such_whoever_they_are_about)
{
    struct pair *pair = pair_open(NULL, 1);
    uint64_t seq = 1;
    send_one(pair, "TRADED    ", seq++, &(struct itch_msg){.type = ITCH_STOCK_DIRECTORY, .locate = 2,
                                                           .directory = {.stock = symbols[2]}});
    for (const char *type = "AFDUECXPQBRHYIz"; *type != 0; type++)
        for (uint32_t len = 0; len <= ITCH_LENGTH_MAX + 4; len++) {
            uint8_t packet[MOLD_HEADER_LEN + 2 + ITCH_LENGTH_MAX + 4] = {0};
            const uint64_t untraded_count = channel_counters(pair->channel[1])->untraded_count;
            uint8_t *exact = malloc(MOLD_HEADER_LEN + 2 + len); /* nothing behind it may be read */
            mold_encode_header(packet, "TRADED    ", seq++, 1);
            packet[MOLD_HEADER_LEN + 1] = (uint8_t)len;
            packet[MOLD_HEADER_LEN + 2] = (uint8_t)*type;
            packet[MOLD_HEADER_LEN + 4] = 2; /* stock locate */
            memcpy(exact, packet, MOLD_HEADER_LEN + 2 + len);
            receive(pair, 0, exact, MOLD_HEADER_LEN + 2 + len, seq);
            free(exact);
            const bool whole = is_order((uint8_t)*type) && len >= itch_length((uint8_t)*type);
            cr_assert_eq(channel_counters(pair->channel[1])->untraded_count, untraded_count + whole, "%c of %u bytes",
                         *type, len);
        }
    const struct channel_counters *all = channel_counters(pair->channel[0]), *some = channel_counters(pair->channel[1]);
    cr_assert_eq(memcmp(all->itch, some->itch, sizeof(all->itch)), 0);
    cr_assert_eq(memcmp(all->message_type_count, some->message_type_count, sizeof(all->message_type_count)), 0);
    cr_assert_eq(all->empty_count, some->empty_count);
    cr_assert_eq(all->message_count, some->message_count);
    cr_assert_gt(all->orphan_count['D'], 0u);
    cr_assert_eq(some->orphan_count['D'], 0u, "an order of another is no unknown order");
    pair_close(pair);
}

Test(channel_traded, a_number_beyond_the_table_and_one_without_a_name_are_treated_as_without_a_list)
{
    struct pair *pair = pair_open(NULL, 1);
    const struct itch_msg far = {.type = ITCH_DELETE, .locate = 65535, .delete = {.ref = 1}};
    const struct itch_msg nameless = {.type = ITCH_DELETE, .locate = 3, .delete = {.ref = 1}};
    send_one(pair, "TRADED    ", 1, &far);
    send_one(pair, "TRADED    ", 2, &nameless);
    for (uint32_t way = 0; way < 2; way++) {
        cr_assert_eq(channel_counters(pair->channel[way])->locate_range_count, 1u);
        cr_assert_eq(channel_counters(pair->channel[way])->orphan_count['D'], 1u);
    }
    cr_assert_eq(channel_counters(pair->channel[1])->untraded_count, 0u);
    pair_close(pair);
}

Test(channel_traded, a_number_that_gets_a_listed_name_late_is_not_trusted)
{
    struct pair *pair = pair_open(NULL, 1);
    struct channel *channel = pair->channel[1];
    const struct itch_msg messages[] = {directory_of(7, symbols[2]), add_of(7, 1), directory_of(7, symbols[1]),
                                        add_of(7, 2), directory_of(7, symbols[2]), add_of(7, 3)};
    const uint32_t order_counts[] = {0, 0, 0, 1, 1, 2};
    struct channel_cursor cursor;
    for (uint32_t i = 0; i < 6; i++) {
        uint8_t packet[PACKET_MAX];
        script[0] = messages[i];
        mold_encode_header(packet, "TRADED    ", i + 1, 1);
        const uint32_t len = MOLD_HEADER_LEN + blocks_write(packet + MOLD_HEADER_LEN, 1, 1);
        if (channel_receive(channel, 0, packet, len, 1, 0, &cursor))
            while (channel_next(channel, &cursor))
                cr_assert_eq((cursor.event[0].flags & MD_UNTRADABLE) != 0, i >= 2 && cursor.event[0].instrument == 7);
        cr_assert_eq(channel_order_count(channel), order_counts[i]);
        cr_assert_eq(book_untradable(channel_book(channel), 7), i >= 2);
    }
    pair_close(pair);
}
