/* The venue side: messages by sequence, packets, answers and silence; snapshots over SoupBinTCP bytes in any pieces;
 * and the naive book of it beside feed/channel and feed/book, full state after every message. */
#include "tools/venue.h"

#include "feed/channel.h"
#include "feed/glimpse.h"
#include "feed/wire.h"
#include "ring/check.h"
#include "tools/session.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define SYMBOLS 20u
#define INSTRUMENTS (SYMBOLS + 1)
#define SECOND UINT64_C(1000000000)
#define SESSION "VENUETEST1"
#define SPIN_BYTES_MAX (4u << 20)

static const struct book_params book_params = {
    .instruments_max = INSTRUMENTS, .orders_max = 1u << 17, .levels_max = 1u << 16};

static struct session *session_of(uint64_t seed, uint64_t messages)
{
    const struct session_params params = {
        .seed = seed, .messages = messages, .open_ns = SESSION_OPEN_NS, .symbols = SYMBOLS, .rate_per_s = 40000};
    struct session *session = session_open(&params);
    cr_assert_not_null(session);
    return session;
}

static struct venue *venue_make(void)
{
    struct venue *venue = venue_open(SESSION);
    cr_assert_not_null(venue);
    return venue;
}

/* A venue that has said the first `count` messages of a session. */
static struct venue *venue_after(uint64_t seed, uint64_t messages, uint64_t count)
{
    struct venue *venue = venue_make();
    struct session *session = session_of(seed, messages);
    struct itch_msg msg;
    for (uint64_t seq = 1; seq <= count; seq++) {
        uint8_t message[ITCH_LENGTH_MAX];
        cr_assert(session_next(session, &msg));
        cr_assert_eq(venue_say(venue, message, itch_encode(&msg, message)), seq);
    }
    session_close(session);
    return venue;
}

static void *memory_make(size_t bytes)
{
    void *memory = aligned_alloc(CACHE_LINE_BYTES, (bytes + CACHE_LINE_BYTES - 1) & ~(size_t)(CACHE_LINE_BYTES - 1));
    cr_assert_gt(bytes, 0);
    cr_assert_not_null(memory);
    return memory;
}

/* ---- messages and packets ---- */

/* `count` messages of `len` bytes; each is full of its sequence. */
static struct venue *venue_of_blocks(uint32_t count, uint32_t len)
{
    struct venue *venue = venue_make();
    uint8_t message[VENUE_MESSAGE_MAX];
    for (uint32_t seq = 1; seq <= count; seq++) {
        memset(message, (int)seq, len);
        cr_assert_eq(venue_say(venue, message, len), seq);
    }
    return venue;
}

static struct mold_packet parsed(const uint8_t *payload, uint32_t len, enum mold_verdict wanted)
{
    struct mold_packet packet;
    cr_assert_eq(mold_parse(payload, len, &packet), wanted);
    cr_assert_eq(memcmp(packet.session, SESSION, MOLD_SESSION_LEN), 0);
    cr_assert_eq(packet.trailing_len, 0);
    return packet;
}

static void expect_blocks(const struct mold_packet *packet, uint64_t seq, uint32_t count, uint32_t len)
{
    const uint8_t *block = packet->blocks, *message;
    uint32_t message_len;
    cr_assert_eq(packet->seq, seq);
    cr_assert_eq(packet->count, count, "%u messages, expected %u", packet->count, count);
    for (uint32_t i = 0; i < count; i++) {
        block = mold_next(block, &message, &message_len);
        cr_assert_eq(message_len, len);
        cr_assert(len == 0 || (message[0] == (uint8_t)(seq + i) && message[len - 1] == (uint8_t)(seq + i)));
    }
}

Test(venue, a_message_is_found_by_its_sequence)
{
    struct venue *venue = venue_of_blocks(3000, 40); /* all arrays have grown */
    uint32_t len = 77;
    cr_assert_eq(venue_next_seq(venue), 3001);
    for (uint64_t seq = 1; seq <= 3000; seq++) {
        const uint8_t *message = venue_message(venue, seq, &len);
        cr_assert(message != NULL && len == 40 && message[0] == (uint8_t)seq && message[39] == (uint8_t)seq);
    }
    len = 77;
    cr_assert_null(venue_message(venue, 0, &len));
    cr_assert_null(venue_message(venue, 3001, &len));
    cr_assert_null(venue_message(venue, UINT64_MAX, &len));
    cr_assert_eq(len, 77);
    venue_close(venue);
}

Test(venue, the_longest_message_fills_a_packet_and_a_longer_one_is_not_said)
{
    struct venue *venue = venue_of_blocks(2, VENUE_MESSAGE_MAX);
    uint8_t payload[VENUE_PAYLOAD_MAX];
    const uint8_t message[VENUE_MESSAGE_MAX + 1] = {0};
    cr_assert_eq(venue_say(venue, message, VENUE_MESSAGE_MAX + 1), 0);
    cr_assert_eq(venue_next_seq(venue), 3);
    const uint32_t len = venue_packet(venue, 1, 10, payload);
    cr_assert_eq(len, VENUE_PAYLOAD_MAX);
    const struct mold_packet packet = parsed(payload, len, MOLD_DATA);
    expect_blocks(&packet, 1, 1, VENUE_MESSAGE_MAX);
    venue_close(venue);
}

Test(venue, a_packet_has_what_fits_what_was_asked_for_and_what_was_said)
{
    struct venue *venue = venue_of_blocks(100, 50); /* 27 blocks of 52 bytes fit beside the header, and 48 bytes stay */
    uint8_t payload[VENUE_PAYLOAD_MAX];
    const struct { uint64_t seq; uint32_t count_max, count; } cases[] = {
        {1, UINT32_MAX, 27}, {1, 27, 27}, {1, 26, 26}, {1, 1, 1}, {50, 28, 27}, {74, 30, 27}, {75, 30, 26},
        {100, 5, 1}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const uint32_t len = venue_packet(venue, cases[i].seq, cases[i].count_max, payload);
        cr_assert_eq(len, MOLD_HEADER_LEN + cases[i].count * 52);
        const struct mold_packet packet = parsed(payload, len, MOLD_DATA);
        expect_blocks(&packet, cases[i].seq, cases[i].count, 50);
    }
    venue_close(venue);
}

Test(venue, messages_of_no_bytes_are_messages)
{
    struct venue *venue = venue_of_blocks(800, 0);
    uint8_t payload[VENUE_PAYLOAD_MAX];
    const struct mold_packet packet = parsed(payload, venue_packet(venue, 1, 800, payload), MOLD_DATA);
    expect_blocks(&packet, 1, (VENUE_PAYLOAD_MAX - MOLD_HEADER_LEN) / 2, 0);
    venue_close(venue);
}

Test(venue, heartbeat_and_end_say_what_comes_next)
{
    struct venue *venue = venue_of_blocks(9, 20);
    uint8_t payload[VENUE_PAYLOAD_MAX];
    cr_assert_eq(parsed(payload, venue_packet(venue, 10, 5, payload), MOLD_HEARTBEAT).seq, 10);
    cr_assert_eq(parsed(payload, venue_packet(venue, 4, 0, payload), MOLD_HEARTBEAT).seq, 4); /* a line that is late */
    cr_assert_eq(parsed(payload, venue_packet(venue, 1000, 5, payload), MOLD_HEARTBEAT).seq, 10);
    cr_assert_eq(parsed(payload, venue_packet_end(venue, payload), MOLD_END).seq, 10);
    venue_close(venue);
}

/* ---- requests ---- */

/* From an allocation of exactly `len` bytes. */
static uint32_t ask(struct venue *venue, const char *session, uint64_t seq, uint32_t count, uint32_t len,
                    uint8_t *payload)
{
    uint8_t bytes[MOLD_HEADER_LEN + 1] = {0};
    mold_encode_header(bytes, session, seq, (uint16_t)count);
    uint8_t *request = malloc(len > 0 ? len : 1);
    cr_assert_not_null(request);
    memcpy(request, bytes, len);
    const uint32_t answer_len = venue_answer(venue, request, len, payload);
    free(request);
    return answer_len;
}

Test(venue, a_request_is_answered_with_what_fits_from_where_it_begins)
{
    struct venue *venue = venue_of_blocks(100, 50);
    uint8_t payload[VENUE_PAYLOAD_MAX];
    const struct { uint64_t seq; uint32_t wanted, count; } cases[] = {
        {1, 1, 1}, {40, 10, 10}, {40, 27, 27}, {40, 28, 27}, {40, 65535, 27}, {98, 3, 3}, {98, 4, 3}, {100, 65535, 1}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const uint32_t len = ask(venue, SESSION, cases[i].seq, cases[i].wanted, MOLD_HEADER_LEN, payload);
        const struct mold_packet packet = parsed(payload, len, MOLD_DATA);
        expect_blocks(&packet, cases[i].seq, cases[i].count, 50);
    }
    cr_assert_eq(venue_counters(venue)->request_count, 8);
    cr_assert_eq(venue_counters(venue)->answered_count, 8);
    venue_close(venue);
}

Test(venue, what_cannot_be_answered_is_met_with_silence_and_counted_by_reason)
{
    struct venue *venue = venue_of_blocks(100, 50);
    const struct venue_counters *counters = venue_counters(venue);
    uint8_t payload[VENUE_PAYLOAD_MAX];
    memset(payload, 0xee, sizeof(payload));
    cr_assert_eq(ask(venue, SESSION, 101, 1, MOLD_HEADER_LEN, payload), 0);
    cr_assert_eq(ask(venue, SESSION, UINT64_MAX, 65535, MOLD_HEADER_LEN, payload), 0);
    cr_assert_eq(counters->beyond_count, 2);
    cr_assert_eq(ask(venue, SESSION, 5, 0, MOLD_HEADER_LEN, payload), 0);
    cr_assert_eq(counters->empty_count, 1);
    cr_assert_eq(counters->request_count, 3);
    cr_assert_eq(ask(venue, "VENUETEST2", 5, 1, MOLD_HEADER_LEN, payload), 0);
    cr_assert_eq(counters->other_session_count, 1);
    cr_assert_eq(ask(venue, SESSION, 0, 1, MOLD_HEADER_LEN, payload), 0);
    for (uint32_t len = 0; len <= MOLD_HEADER_LEN + 1; len++)
        if (len != MOLD_HEADER_LEN)
            cr_assert_eq(ask(venue, SESSION, 5, 1, len, payload), 0);
    cr_assert_eq(counters->malformed_count, 1 + MOLD_HEADER_LEN + 1);
    cr_assert_eq(counters->request_count, 3);
    cr_assert_eq(counters->answered_count, 0);
    for (uint32_t i = 0; i < sizeof(payload); i++)
        cr_assert_eq(payload[i], 0xee, "written without an answer");
    venue_close(venue);
}

Test(venue, a_restart_forgets_what_was_said_and_keeps_the_counters)
{
    struct venue *venue = venue_after(1, 3000, 2000);
    uint8_t payload[VENUE_PAYLOAD_MAX];
    uint32_t len;
    cr_assert_gt(venue_book_order_count(venue_book(venue)), 0);
    cr_assert_gt(ask(venue, SESSION, 2000, 1, MOLD_HEADER_LEN, payload), 0);
    cr_assert(venue_restart(venue, "VENUETEST2"));
    cr_assert_eq(venue_next_seq(venue), 1);
    cr_assert_null(venue_message(venue, 1, &len));
    cr_assert_eq(venue_book_order_count(venue_book(venue)), 0);
    cr_assert_null(venue_book_said(venue_book(venue), 1, ITCH_STOCK_DIRECTORY));
    cr_assert_eq(ask(venue, SESSION, 1, 1, MOLD_HEADER_LEN, payload), 0);
    cr_assert_eq(ask(venue, "VENUETEST2", 1, 1, MOLD_HEADER_LEN, payload), 0);
    cr_assert_eq(venue_say(venue, (const uint8_t *)"first", 5), 1);
    cr_assert_eq(ask(venue, "VENUETEST2", 1, 1, MOLD_HEADER_LEN, payload), MOLD_HEADER_LEN + 2 + 5);
    cr_assert_eq(venue_counters(venue)->answered_count, 2);
    cr_assert_eq(venue_counters(venue)->other_session_count, 1);
    cr_assert_eq(venue_counters(venue)->beyond_count, 1);
    venue_close(venue);
}

/* ---- the naive book ---- */

static void say(struct venue_book *book, struct itch_msg msg, enum book_verdict wanted)
{
    const enum book_verdict found = venue_book_apply(book, &msg);
    cr_assert_eq(found, wanted, "%c: %s, expected %s", msg.type, book_verdict_name(found), book_verdict_name(wanted));
}

static struct itch_msg add_of(uint64_t ref, uint8_t side, uint32_t price, uint32_t qty)
{
    return (struct itch_msg){.type = ITCH_ADD_MPID, .locate = 5, .tracking = 9, .timestamp_ns = 1000 + ref,
                             .add = {.ref = ref, .qty = qty, .price = price, .stock = 77, .side = side, .mpid = 88}};
}

Test(venue, the_book_has_levels_best_first_and_queues_first_come_first)
{
    struct venue_book *book = venue_book_open(NULL);
    cr_assert_not_null(book);
    say(book, add_of(1, 'B', 100, 10), BOOK_OK);
    say(book, add_of(2, 'B', 102, 20), BOOK_OK);
    say(book, add_of(3, 'B', 101, 30), BOOK_OK);
    say(book, add_of(4, 'B', 102, 40), BOOK_OK);
    say(book, add_of(5, 'S', 104, 50), BOOK_OK);
    say(book, add_of(6, 'S', 103, UINT32_MAX), BOOK_OK);
    say(book, add_of(7, 'S', 103, 1), BOOK_OK);
    say(book, add_of(7, 'S', 103, 1), BOOK_DUPLICATE_REF);
    say(book, add_of(8, 'S', 103, 0), BOOK_BAD_QTY);
    const struct book_bbo bbo = venue_book_bbo(book, 5);
    cr_assert(bbo.bid_price == 102 && bbo.bid_qty == 60 && bbo.ask_price == 103 && bbo.ask_qty == UINT32_MAX);

    const struct venue_level *level = venue_book_best(book, 5, 'B');
    cr_assert(level->price == 102 && level->first->ref == 2 && level->first->behind->ref == 4 && level->last->ref == 4);
    cr_assert(level->better == NULL && level->worse->price == 101 && level->worse->worse->price == 100);
    cr_assert_null(level->worse->worse->worse);
    cr_assert(venue_book_best(book, 5, 'S')->price == 103 && venue_book_best(book, 5, 'S')->worse->price == 104);
    cr_assert_null(venue_book_best(book, 4, 'B'));
    cr_assert_null(venue_book_best(book, 6, 'B'));

    uint64_t ahead = 99;
    cr_assert(venue_book_queue_ahead(book, 4, &ahead) && ahead == 20);
    say(book, (struct itch_msg){.type = ITCH_EXECUTED, .locate = 5, .executed = {.ref = 2, .qty = 5}}, BOOK_OK);
    cr_assert(venue_book_queue_ahead(book, 4, &ahead) && ahead == 15);
    say(book, (struct itch_msg){.type = ITCH_CANCEL, .locate = 5, .cancel = {.ref = 2, .qty = 15}}, BOOK_OK);
    cr_assert(venue_book_queue_ahead(book, 4, &ahead) && ahead == 0);
    cr_assert_not(venue_book_queue_ahead(book, 2, &ahead));
    say(book, (struct itch_msg){.type = ITCH_DELETE, .locate = 5, .delete = {.ref = 4}}, BOOK_OK);
    cr_assert_eq(venue_book_best(book, 5, 'B')->price, 101);
    say(book, (struct itch_msg){.type = ITCH_DELETE, .locate = 5, .delete = {.ref = 4}}, BOOK_ORPHAN);
    cr_assert_eq(venue_book_order_count(book), 5);
    venue_book_close(book);
}

Test(venue, a_replaced_order_goes_to_the_end_and_keeps_side_stock_and_participant)
{
    struct venue_book *book = venue_book_open(NULL);
    cr_assert_not_null(book);
    say(book, add_of(1, 'S', 100, 10), BOOK_OK);
    say(book, add_of(2, 'S', 100, 20), BOOK_OK);
    say(book, (struct itch_msg){.type = ITCH_REPLACE, .locate = 5, .tracking = 4, .timestamp_ns = 55,
                                .replace = {.orig_ref = 1, .ref = 3, .qty = 7, .price = 100}}, BOOK_OK);
    const struct venue_order *order = venue_book_find(book, 3);
    cr_assert(order->ahead->ref == 2 && order->behind == NULL && order->qty == 7 && order->mpid == 88);
    cr_assert(order->timestamp_ns == 55 && order->tracking == 4 && order->level->side == 'S');
    cr_assert_null(venue_book_find(book, 1));
    cr_assert_eq(venue_book_stock(book, 5), 77);
    say(book, add_of(9, 'x', 100, 10), BOOK_BAD_PRICE);
    say(book, add_of(9, 'S', UINT32_MAX, 10), BOOK_BAD_PRICE);
    say(book, (struct itch_msg){.type = ITCH_REPLACE, .locate = 5,
                                .replace = {.orig_ref = 3, .ref = 4, .qty = 7, .price = 1u << 31}}, BOOK_BAD_PRICE);
    cr_assert_eq(venue_book_order_count(book), 1);
    venue_book_close(book);
}

/* Every message of a session, in channel and naive book alike: whatever the one has, the other has. */
Test(venue, the_naive_book_and_the_channel_agree_after_every_message_of_a_session)
{
    const struct channel_params params = {.book = book_params, .line_count = 1, .hold_messages = 64, .first_seq = 1};
    void *memory = memory_make(channel_footprint(&params));
    struct channel *channel = channel_init(memory, &params);
    struct session *session = session_of(7, 60000);
    struct venue *venue = venue_make();
    struct channel_cursor cursor;
    struct itch_msg msg;
    uint64_t compared_count = 0;
    while (session_next(session, &msg)) {
        uint8_t message[ITCH_LENGTH_MAX], payload[VENUE_PAYLOAD_MAX];
        const uint64_t seq = venue_say(venue, message, itch_encode(&msg, message));
        cr_assert_gt(seq, 0);
        cr_assert(channel_receive(channel, 0, payload, venue_packet(venue, seq, 1, payload), seq, 0, &cursor));
        while (channel_next(channel, &cursor))
            continue;
        const char *difference = venue_book_difference(venue_book(venue), channel_book(channel), msg.locate);
        cr_assert_null(difference, "message %lu, %c: %s", (unsigned long)seq, msg.type, difference);
        const struct instrument *instrument = &channel_instruments(channel)[msg.locate];
        const struct itch_msg *action = venue_book_said(venue_book(venue), msg.locate, ITCH_TRADING_ACTION),
                              *reg_sho = venue_book_said(venue_book(venue), msg.locate, ITCH_REG_SHO),
                              *halt = venue_book_said(venue_book(venue), msg.locate, ITCH_OPERATIONAL_HALT);
        cr_assert_eq(instrument->state, action != NULL ? action->trading_action.state : 0);
        cr_assert_eq(instrument->short_sale, reg_sho != NULL ? reg_sho->reg_sho.action : 0);
        cr_assert_eq(instrument->operational, halt != NULL ? halt->operational.action : 0);
        cr_assert_eq(instrument->symbol, venue_book_stock(venue_book(venue), msg.locate));
        compared_count++;
    }
    cr_assert_eq(compared_count, 60000);
    const char *difference = venue_book_difference_anywhere(venue_book(venue), channel_book(channel), INSTRUMENTS);
    cr_assert_null(difference, "at the end: %s", difference);
    cr_assert_eq(memcmp(book_counters(channel_book(channel)), venue_book_counters(venue_book(venue)),
                        sizeof(struct book_counters)), 0);
    cr_assert_gt(venue_book_order_count(venue_book(venue)), 100);
    venue_close(venue);
    session_close(session);
    free(memory);
}

/* The comparison is worth something: whatever is changed in one of the two is seen. */
Test(venue, each_kind_of_difference_between_the_books_is_seen)
{
    void *memory = memory_make(book_footprint(&book_params));
    struct book *book = book_init(memory, &book_params);
    struct venue_book *naive = venue_book_open(&book_params);
    struct book_change change;
    cr_assert_not_null(naive);
    for (uint32_t i = 0; i < 12; i++) {
        cr_assert_eq(book_add(book, 1, i, i < 6 ? 'B' : 'S', (int32_t)(i / 2 * 2), 10 + i), BOOK_OK);
        cr_assert_eq(venue_book_add(naive, 1, i, i < 6 ? 'B' : 'S', (int32_t)(i / 2 * 2), 10 + i), BOOK_OK);
    }
    cr_assert_null(venue_book_difference_anywhere(naive, book, INSTRUMENTS));
#define seen(text, change_made, taken_back)                                                                            \
    do {                                                                                                               \
        change_made;                                                                                                   \
        const char *difference = venue_book_difference(naive, book, 1);                                                \
        cr_assert(difference != NULL && strcmp(difference, text) == 0, "%s, expected %s", difference, text);           \
        taken_back;                                                                                                    \
        cr_assert_null(venue_book_difference_anywhere(naive, book, INSTRUMENTS));                                      \
    } while (0)
    seen("best bid", book_add(book, 1, 100, 'B', 5, 1), book_delete(book, 100, &change));
    seen("best bid", book_add(book, 1, 100, 'B', 4, 1), book_delete(book, 100, &change));
    seen("best ask", venue_book_add(naive, 1, 100, 'S', 5, 1), venue_book_delete(naive, 100, &change));
    seen("totals", book_add(book, 1, 100, 'B', 0, 1), book_delete(book, 100, &change));
    seen("totals", book_add(book, 1, 100, 'S', 99, 1), book_delete(book, 100, &change));
    /* The same reference, price and quantity, but behind the other order of its level. */
    seen("order of a queue", book_replace(book, 0, 0, 0, 10, &change), book_replace(book, 1, 1, 0, 11, &change));
    seen("price of a level", (book_delete(book, 0, &change), book_delete(book, 1, &change),
                              book_add(book, 1, 0, 'B', 1, 10), book_add(book, 1, 1, 'B', 1, 11)),
         (book_replace(book, 0, 0, 0, 10, &change), book_replace(book, 1, 1, 0, 11, &change)));
    seen("quantity ahead of an order",
         (book_reduce(book, 0, 1, &change), venue_book_reduce(naive, 1, 1, &change)),
         (book_reduce(book, 1, 1, &change), venue_book_reduce(naive, 0, 1, &change)));
    seen("untradable mark", (book_mark_untradable(book, 1)),
         venue_book_add(naive, 1, 100, 'B', BOOK_PRICE_NONE, 1));
    venue_book_close(naive);
    free(memory);
}

/* ---- snapshots ---- */

struct spin_run {
    uint8_t *bytes; /* all that the server said */
    size_t len, at;
};

static struct venue_spin_params spin_params(void)
{
    struct venue_spin_params params = {0};
    cr_assert(soup_field(params.username, SOUP_USERNAME_LEN, "glimps"));
    cr_assert(soup_field(params.password, SOUP_PASSWORD_LEN, "secret"));
    return params;
}

static struct soup_login login_of(uint64_t sequence)
{
    const struct venue_spin_params params = spin_params();
    struct soup_login login = {.sequence = sequence};
    memcpy(login.username, params.username, SOUP_USERNAME_LEN);
    memcpy(login.password, params.password, SOUP_PASSWORD_LEN);
    memset(login.session, ' ', SOUP_SESSION_LEN);
    return login;
}

static struct venue_spin *spin_open(struct venue *venue, const struct venue_spin_params *params)
{
    struct venue_spin *spin = venue_spin_open(venue, params, 0);
    cr_assert_not_null(spin);
    return spin;
}

/* From an allocation of exactly `len` bytes, in pieces of `chunk`. */
static void receive(struct venue_spin *spin, const uint8_t *bytes, uint32_t len, uint32_t chunk)
{
    for (uint32_t at = 0; at < len; at += chunk) {
        const uint32_t piece_len = len - at < chunk ? len - at : chunk;
        uint8_t *piece = malloc(piece_len);
        cr_assert_not_null(piece);
        memcpy(piece, bytes + at, piece_len);
        venue_spin_receive(spin, piece, piece_len, 0);
        free(piece);
    }
}

/* Everything that the server says now, taken `chunk` bytes at a time. */
static struct spin_run drain(struct venue_spin *spin, uint32_t chunk, uint64_t now_ns)
{
    struct spin_run run = {.bytes = malloc(SPIN_BYTES_MAX)};
    uint32_t len;
    cr_assert_not_null(run.bytes);
    while ((len = venue_spin_send(spin, now_ns, run.bytes + run.len, chunk)) > 0) {
        cr_assert_leq(len, chunk);
        run.len += len;
        cr_assert_lt(run.len + chunk, SPIN_BYTES_MAX);
    }
    return run;
}

static struct spin_run spin_run(struct venue *venue, const struct venue_spin_params *params,
                                const struct soup_login *login, uint32_t chunk)
{
    struct venue_spin *spin = spin_open(venue, params);
    uint8_t bytes[SOUP_LOGIN_LEN];
    cr_assert_not(venue_spin_ended(spin));
    receive(spin, bytes, soup_encode_login(bytes, login), chunk);
    cr_assert(venue_spin_ended(spin));
    const struct spin_run run = drain(spin, chunk, 0);
    venue_spin_close(spin);
    return run;
}

/* False: all bytes were packets, and these were all. */
static bool packet_next(struct spin_run *run, struct soup_packet *packet)
{
    if (run->at == run->len)
        return false;
    cr_assert_eq(soup_parse(run->bytes + run->at, (uint32_t)(run->len - run->at), packet), SOUP_PACKET);
    run->at += packet->packet_len;
    return true;
}

static void expect_accepted(struct spin_run *run, uint64_t wanted)
{
    struct soup_packet packet;
    char session[SOUP_SESSION_LEN];
    uint64_t sequence;
    cr_assert(packet_next(run, &packet));
    cr_assert_eq(packet.type, SOUP_LOGIN_ACCEPTED);
    cr_assert(soup_decode_accepted(&packet, session, &sequence));
    cr_assert_eq(memcmp(session, SESSION, SOUP_SESSION_LEN), 0);
    cr_assert_eq(sequence, wanted);
}

static void expect_end(struct spin_run *run, const struct soup_packet *last, uint64_t wanted_seq)
{
    struct soup_packet packet;
    uint64_t seq;
    cr_assert_eq(last->type, SOUP_SEQUENCED);
    cr_assert_eq(last->payload_len, GLIMPSE_END_LEN);
    cr_assert_eq(last->payload[0], GLIMPSE_END_TYPE);
    cr_assert(soup_number(last->payload + 1, SOUP_SEQUENCE_LEN, &seq));
    cr_assert_eq(seq, wanted_seq);
    cr_assert(packet_next(run, &packet));
    cr_assert(packet.type == SOUP_END && packet.payload_len == 0);
    cr_assert_not(packet_next(run, &packet));
}

/* Sequenced messages that are left, G among them. */
static uint64_t sequenced_left(struct spin_run run)
{
    struct soup_packet packet;
    uint64_t count = 0;
    while (packet_next(&run, &packet))
        count += packet.type == SOUP_SEQUENCED;
    return count;
}

/* Where a type stands in a snapshot. */
static long rank_of(uint8_t type)
{
    static const char order[] = "SRHYNhA";
    const char *place = memchr(order, type == ITCH_ADD_MPID ? ITCH_ADD : type, sizeof(order) - 1);
    cr_assert(place != NULL, "a snapshot has no %c", type);
    return place - order;
}

/* A snapshot makes the book that it was taken of, in whatever pieces it comes. */
Test(venue, a_snapshot_makes_the_same_book_with_every_queue_in_its_order)
{
    const uint64_t said_counts[] = {200, 9000, 18000};
    const uint32_t chunks[] = {1, 7, 4093, SPIN_BYTES_MAX / 2};
    void *memory = memory_make(book_footprint(&book_params));
    for (uint32_t i = 0; i < 3 * 4; i++) {
        const uint64_t said_count = said_counts[i / 4];
        struct venue *venue = venue_after(3, 20000, said_count);
        const struct venue_book *original = venue_book(venue);
        const struct venue_spin_params params = spin_params();
        const struct soup_login login = login_of(1);
        struct spin_run run = spin_run(venue, &params, &login, chunks[i % 4]);
        struct venue_book *naive = venue_book_open(&book_params);
        struct book *book = book_init(memory, &book_params);
        struct soup_packet packet;
        long rank = 0;
        cr_assert_not_null(naive);
        expect_accepted(&run, 1);
        while (packet_next(&run, &packet) && packet.payload[0] != GLIMPSE_END_TYPE) {
            struct itch_msg msg;
            cr_assert_eq(packet.type, SOUP_SEQUENCED);
            cr_assert_eq(itch_decode(packet.payload, packet.payload_len, &msg), ITCH_OK);
            cr_assert_eq(venue_book_apply(naive, &msg), BOOK_OK);
            cr_assert_geq(rank_of(msg.type), rank, "%c after what it must precede", msg.type);
            rank = rank_of(msg.type);
            if (msg.type != ITCH_ADD && msg.type != ITCH_ADD_MPID)
                continue;
            cr_assert_eq(book_add(book, msg.locate, msg.add.ref, msg.add.side, (int32_t)msg.add.price, msg.add.qty),
                         BOOK_OK);
            const struct venue_order *order = venue_book_find(original, msg.add.ref);
            cr_assert(order != NULL && order->timestamp_ns == msg.timestamp_ns && order->tracking == msg.tracking &&
                      order->mpid == msg.add.mpid && venue_book_stock(original, msg.locate) == msg.add.stock);
        }
        expect_end(&run, &packet, said_count + 1);
        const char *difference = venue_book_difference_anywhere(original, book, INSTRUMENTS);
        cr_assert_null(difference, "feed/book: %s", difference);
        difference = venue_book_difference_anywhere(naive, book, INSTRUMENTS);
        cr_assert_null(difference, "naive book: %s", difference);
        for (uint32_t instrument = 0; instrument < INSTRUMENTS; instrument++)
            for (const char *type = "SRHYNh"; *type != '\0'; type++) {
                uint8_t wanted[ITCH_LENGTH_MAX] = {0}, found[ITCH_LENGTH_MAX] = {0};
                const struct itch_msg *was = venue_book_said(original, instrument, (uint8_t)*type),
                                      *is = venue_book_said(naive, instrument, (uint8_t)*type);
                cr_assert_eq(was != NULL ? itch_encode(was, wanted) : 0, is != NULL ? itch_encode(is, found) : 0);
                cr_assert_eq(memcmp(wanted, found, sizeof(wanted)), 0, "%c of %u", *type, instrument);
            }
        cr_assert_eq(venue_counters(venue)->spin_count, 1);
        cr_assert_eq(venue_counters(venue)->spin_end_count, 1);
        cr_assert(said_count < 1000 || venue_book_order_count(original) > 100);
        venue_book_close(naive);
        venue_close(venue);
        free(run.bytes);
    }
    free(memory);
}

Test(venue, a_snapshot_is_of_the_moment_of_the_login)
{
    struct venue *venue = venue_after(5, 20000, 9000);
    const struct venue_spin_params params = spin_params();
    const struct soup_login login = login_of(1);
    struct venue_spin *spin = spin_open(venue, &params);
    uint8_t bytes[SOUP_LOGIN_LEN];
    struct spin_run whole = spin_run(venue, &params, &login, 1000);
    receive(spin, bytes, soup_encode_login(bytes, &login), SOUP_LOGIN_LEN);
    for (uint32_t i = 0; i < 500; i++)
        cr_assert_gt(venue_say(venue, (const uint8_t *)"nothing of ITCH", 15), 0);
    cr_assert(venue_restart(venue, "VENUETEST2"));
    struct spin_run run = drain(spin, 999, 0);
    cr_assert(run.len == whole.len && memcmp(run.bytes, whole.bytes, run.len) == 0);
    venue_spin_close(spin);
    venue_close(venue);
    free(run.bytes);
    free(whole.bytes);
}

Test(venue, an_empty_venue_has_an_empty_snapshot)
{
    struct venue *venue = venue_make();
    const struct venue_spin_params params = spin_params();
    const struct soup_login login = login_of(1);
    struct spin_run run = spin_run(venue, &params, &login, 5);
    struct soup_packet packet;
    expect_accepted(&run, 1);
    cr_assert(packet_next(&run, &packet));
    expect_end(&run, &packet, 1);
    venue_close(venue);
    free(run.bytes);
}

Test(venue, a_login_is_served_from_the_sequence_that_it_wants)
{
    struct venue *venue = venue_after(5, 20000, 9000);
    const struct venue_spin_params params = spin_params();
    const struct soup_login first = login_of(1);
    struct spin_run whole = spin_run(venue, &params, &first, 4096);
    expect_accepted(&whole, 1);
    const uint64_t count = sequenced_left(whole);
    cr_assert_gt(count, 777);
    const struct { uint64_t wanted, begin; } cases[] = {
        {1, 1}, {2, 2}, {777, 777}, {count, count}, {0, count}, {count + 1, count + 1}, {UINT64_MAX, count + 1}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct soup_login login = login_of(cases[i].wanted);
        struct spin_run run = spin_run(venue, &params, &login, 4096);
        expect_accepted(&run, cases[i].begin);
        cr_assert_eq(sequenced_left(run), count + 1 - cases[i].begin);
        const size_t tail_len = run.len - run.at;
        cr_assert_lt(tail_len, whole.len);
        cr_assert_eq(memcmp(run.bytes + run.at, whole.bytes + whole.len - tail_len, tail_len), 0);
        free(run.bytes);
    }
    venue_close(venue);
    free(whole.bytes);
}

static void expect_rejected(struct venue *venue, const struct soup_login *login, char reason)
{
    const struct venue_spin_params params = spin_params();
    struct spin_run run = spin_run(venue, &params, login, 3);
    struct soup_packet packet;
    cr_assert(packet_next(&run, &packet));
    cr_assert(packet.type == SOUP_LOGIN_REJECTED && packet.payload_len == 1 && packet.payload[0] == reason);
    cr_assert_not(packet_next(&run, &packet));
    free(run.bytes);
}

Test(venue, a_login_of_somebody_else_or_for_another_session_is_rejected)
{
    struct venue *venue = venue_after(5, 3000, 1000);
    struct soup_login login = login_of(1);
    login.username[5]++;
    expect_rejected(venue, &login, 'A');
    login = login_of(1);
    login.password[9] = 'x';
    expect_rejected(venue, &login, 'A');
    login = login_of(1);
    memcpy(login.session, "VENUETEST2", SOUP_SESSION_LEN);
    expect_rejected(venue, &login, 'S');
    cr_assert_eq(venue_counters(venue)->spin_count, 0);

    cr_assert(venue_restart(venue, "SHORT     "));
    const struct venue_spin_params params = spin_params();
    for (const char *const *session = (const char *const[]){"SHORT     ", "     SHORT", "  SHORT   ", NULL};
         *session != NULL; session++) { /* one or the other side is padded */
        memcpy(login.session, *session, SOUP_SESSION_LEN);
        struct spin_run run = spin_run(venue, &params, &login, 64);
        cr_assert_eq(run.bytes[2], SOUP_LOGIN_ACCEPTED);
        free(run.bytes);
    }
    venue_close(venue);
}

Test(venue, a_client_that_waits_hears_a_heartbeat_each_second_until_patience_ends)
{
    struct venue *venue = venue_after(5, 3000, 1000);
    const struct venue_spin_params params = spin_params();
    const struct soup_login login = login_of(1);
    struct venue_spin *spin = spin_open(venue, &params);
    uint8_t bytes[SOUP_LOGIN_LEN];
    struct soup_packet packet;
    struct spin_run run = drain(spin, 10, SECOND - 1);
    cr_assert_eq(run.len, 0);
    free(run.bytes);
    for (uint64_t now_ns = SECOND; now_ns < VENUE_PATIENCE_NS; now_ns += SECOND) {
        run = drain(spin, 10, now_ns);
        cr_assert(packet_next(&run, &packet) && packet.type == SOUP_SERVER_HEARTBEAT && packet.payload_len == 0);
        cr_assert_not(packet_next(&run, &packet));
        free(run.bytes);
    }
    /* The login comes while a heartbeat is half on its way. */
    cr_assert_eq(venue_spin_send(spin, VENUE_PATIENCE_NS - 1, bytes, 1), 0);
    struct venue_spin *other = spin_open(venue, &params);
    run = (struct spin_run){.bytes = malloc(SPIN_BYTES_MAX), .len = 2};
    cr_assert_not_null(run.bytes);
    cr_assert_eq(venue_spin_send(other, SECOND, run.bytes, 2), 2);
    receive(other, bytes, soup_encode_login(bytes, &login), 10);
    run.len += venue_spin_send(other, SECOND, run.bytes + 2, SPIN_BYTES_MAX - 2);
    cr_assert(packet_next(&run, &packet) && packet.type == SOUP_SERVER_HEARTBEAT);
    expect_accepted(&run, 1);
    cr_assert_gt(sequenced_left(run), 100);
    free(run.bytes);
    venue_spin_close(other);

    run = drain(spin, 10, VENUE_PATIENCE_NS);
    cr_assert_eq(run.len, 0);
    cr_assert(venue_spin_ended(spin));
    free(run.bytes);
    venue_spin_close(spin);
    venue_close(venue);
}

Test(venue, a_spin_breaks_off_after_as_many_messages_as_a_test_wants)
{
    struct venue *venue = venue_after(5, 20000, 9000);
    struct venue_spin_params params = spin_params();
    struct soup_login login = login_of(1);
    struct soup_packet packet;
    for (uint64_t count = 1; count < 500; count = count * 2 + 1) {
        params.break_after = count;
        login.sequence = count; /* counted from where the client begins */
        struct spin_run run = spin_run(venue, &params, &login, 64);
        expect_accepted(&run, count);
        cr_assert_eq(sequenced_left(run), count);
        while (packet_next(&run, &packet))
            cr_assert(packet.type == SOUP_SEQUENCED && packet.payload[0] != GLIMPSE_END_TYPE);
        free(run.bytes);
    }
    cr_assert_gt(venue_counters(venue)->spin_count, 5);
    cr_assert_eq(venue_counters(venue)->spin_end_count, 0);
    venue_close(venue);
}

Test(venue, the_end_is_wrong_by_as_much_as_a_test_wants)
{
    struct venue *venue = venue_after(5, 20000, 9000);
    struct venue_spin_params params = spin_params();
    const struct soup_login login = login_of(0);
    const int64_t adds[] = {-9000, -1, 0, 1, INT64_MAX};
    for (size_t i = 0; i < sizeof(adds) / sizeof(adds[0]); i++) {
        struct soup_packet packet;
        params.end_seq_add = adds[i];
        struct spin_run run = spin_run(venue, &params, &login, 64);
        cr_assert(packet_next(&run, &packet) && packet.type == SOUP_LOGIN_ACCEPTED);
        cr_assert(packet_next(&run, &packet));
        expect_end(&run, &packet, 9001 + (uint64_t)adds[i]);
        free(run.bytes);
    }
    venue_close(venue);
}

enum reaction { LEFT, SERVED, WAITING };

/* What becomes of a client that says `bytes`, after its login or before it. */
static enum reaction reaction_to(struct venue *venue, bool logged_in, const uint8_t *bytes, uint32_t len,
                                 uint32_t chunk)
{
    const struct venue_spin_params params = spin_params();
    const struct soup_login login = login_of(1);
    struct venue_spin *spin = spin_open(venue, &params);
    uint8_t login_bytes[SOUP_LOGIN_LEN];
    (void)soup_encode_login(login_bytes, &login);
    if (logged_in)
        receive(spin, login_bytes, SOUP_LOGIN_LEN, SOUP_LOGIN_LEN);
    receive(spin, bytes, len, chunk);
    if (!venue_spin_ended(spin))
        receive(spin, login_bytes, SOUP_LOGIN_LEN, SOUP_LOGIN_LEN);
    struct spin_run run = drain(spin, 4096, 0);
    const enum reaction reaction = !venue_spin_ended(spin) ? WAITING : run.len > 0 ? SERVED : LEFT;
    cr_assert(reaction != WAITING || run.len == 0);
    venue_spin_close(spin);
    free(run.bytes);
    return reaction;
}

Test(venue, a_client_that_says_what_no_client_says_is_left)
{
    struct venue *venue = venue_after(5, 3000, 1000);
    const struct soup_login login = login_of(1);
    uint8_t twice[SOUP_LOGIN_LEN], cut[SOUP_LOGIN_LEN], long_debug[300] = {1, 41, '+'}, zeros[4] = {0};
    const uint8_t heartbeats[] = {0, 1, 'R', 0, 4, '+', 'a', 'b', 'c', 0, 1, 'R'}, logout[] = {0, 1, 'O', 0, 1, 'R'},
                  unsequenced[] = {0, 2, 'U', 'x'}, unknown[] = {0, 1, '?'}, of_server[] = {0, 2, 'S', 'x'};
    (void)soup_encode_login(twice, &login);
    (void)soup_encode_login(cut, &login);
    cut[1] = 40; /* a login of another length */
    for (uint32_t i = 0; i < 2 * 3; i++) {
        const bool logged_in = i % 2 != 0;
        const uint32_t chunk = (const uint32_t[]){1, 5, 4096}[i / 2];
        cr_assert_eq(reaction_to(venue, logged_in, heartbeats, sizeof(heartbeats), chunk), SERVED);
        cr_assert_eq(reaction_to(venue, logged_in, logout, sizeof(logout), chunk), LEFT);
        cr_assert_eq(reaction_to(venue, logged_in, unsequenced, sizeof(unsequenced), chunk), LEFT);
        cr_assert_eq(reaction_to(venue, logged_in, unknown, sizeof(unknown), chunk), LEFT);
        cr_assert_eq(reaction_to(venue, logged_in, of_server, sizeof(of_server), chunk), LEFT);
        cr_assert_eq(reaction_to(venue, logged_in, zeros, sizeof(zeros), chunk), LEFT);
        cr_assert_eq(reaction_to(venue, logged_in, long_debug, sizeof(long_debug), chunk), LEFT);
        cr_assert_eq(reaction_to(venue, logged_in, cut, sizeof(cut), chunk), LEFT);
        cr_assert_eq(reaction_to(venue, logged_in, twice, sizeof(twice), chunk), logged_in ? LEFT : SERVED);
    }
    venue_close(venue);
}

Test(venue, random_bytes_of_a_client_end_in_nothing_worse_than_the_end)
{
    struct venue *venue = venue_after(5, 3000, 1000);
    struct session_random random;
    uint32_t left_count = 0;
    session_random_init(&random, 1);
    for (uint32_t i = 0; i < 5000; i++) {
        uint8_t bytes[400];
        const uint32_t len = 1 + session_random_below(&random, sizeof(bytes));
        for (uint32_t k = 0; k < len; k++)
            bytes[k] = (uint8_t)(session_random_below(&random, 4) == 0 ? session_random_next(&random) : 0);
        const enum reaction reaction =
            reaction_to(venue, i % 2 == 0, bytes, len, 1 + session_random_below(&random, 100));
        left_count += reaction == LEFT;
    }
    cr_assert_gt(left_count, 4000);
    venue_close(venue);
}
