/* session: the generated feed is one that a venue could have sent, and the same on every machine. */
#include "feed/book.h"
#include "feed/itch.h"
#include "tools/session.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SYMBOLS 60u

static struct session_params params(uint64_t seed, uint64_t messages, uint32_t symbols)
{
    return (struct session_params){.seed = seed, .messages = messages, .open_ns = SESSION_OPEN_NS, .symbols = symbols,
                                   .rate_per_s = 40000};
}

/* FNV-1a of the encoded messages. */
static uint64_t session_hash(const struct session_params *p)
{
    struct session *session = session_open(p);
    struct itch_msg msg;
    uint64_t hash = 0xcbf29ce484222325u;
    cr_assert_not_null(session);
    while (session_next(session, &msg)) {
        uint8_t bytes[ITCH_LENGTH_MAX];
        const uint32_t len = itch_encode(&msg, bytes);
        for (uint32_t i = 0; i < len; i++)
            hash = (hash ^ bytes[i]) * 0x100000001b3u;
    }
    session_close(session);
    return hash;
}

struct tally {
    uint64_t total, by_type[256];
    struct book_counters book;
    uint64_t backwards_count, strange_locate_count, bad_verdict_count, not_front_count, halted_trade_count;
    uint32_t live_max, live_end;
};

static bool executes_front(const struct book *book, const struct itch_msg *msg)
{
    uint64_t ahead = 1;
    return book_queue_ahead(book, msg->executed.ref, &ahead) && ahead == 0;
}

/* Run a session through feed/book.h. */
static struct tally run(const struct session_params *p)
{
    const struct book_params book_params = {
        .instruments_max = p->symbols + 1, .orders_max = session_orders_max(p->symbols), .levels_max = 1u << 17};
    void *memory = NULL;
    cr_assert_eq(posix_memalign(&memory, 64, (book_footprint(&book_params) + 63) & ~(size_t)63), 0);
    struct book *book = book_init(memory, &book_params);
    struct session *session = session_open(p);
    struct tally tally = {0};
    struct itch_msg msg;
    uint64_t last_ns = 0;
    bool *halted = calloc(p->symbols + 1, sizeof(*halted));
    cr_assert_not_null(session);
    while (session_next(session, &msg)) {
        struct book_change change = {0};
        enum book_verdict verdict = BOOK_OK;
        tally.total++;
        tally.by_type[msg.type]++;
        tally.backwards_count += msg.timestamp_ns < last_ns;
        tally.strange_locate_count += msg.locate > p->symbols;
        last_ns = msg.timestamp_ns;
        switch (msg.type) {
        case ITCH_ADD:
        case ITCH_ADD_MPID:
            verdict = book_add(book, msg.locate, msg.add.ref, msg.add.side, (int32_t)msg.add.price, msg.add.qty);
            break;
        case ITCH_EXECUTED:
        case ITCH_EXECUTED_PRICE:
            tally.not_front_count += !executes_front(book, &msg);
            tally.halted_trade_count += halted[msg.locate];
            verdict = book_reduce(book, msg.executed.ref, msg.executed.qty, &change);
            break;
        case ITCH_CANCEL:
            verdict = book_reduce(book, msg.cancel.ref, msg.cancel.qty, &change);
            tally.bad_verdict_count += change.left_qty == 0; /* a partial cancel leaves something */
            break;
        case ITCH_DELETE:
            verdict = book_delete(book, msg.delete.ref, &change);
            break;
        case ITCH_REPLACE:
            verdict = book_replace(book, msg.replace.orig_ref, msg.replace.ref, (int32_t)msg.replace.price,
                                   msg.replace.qty, &change);
            break;
        case ITCH_TRADING_ACTION:
            halted[msg.locate] = msg.trading_action.state != 'T';
            break;
        case ITCH_OPERATIONAL_HALT:
            halted[msg.locate] = msg.operational.action == 'H';
            break;
        case ITCH_TRADE:
            tally.halted_trade_count += halted[msg.locate];
            break;
        default:
            break;
        }
        tally.bad_verdict_count += verdict != BOOK_OK;
        tally.strange_locate_count += change.ref != 0 && change.instrument != msg.locate;
        if (book_order_count(book) != session_order_count(session))
            tally.bad_verdict_count++;
        if (book_order_count(book) > tally.live_max)
            tally.live_max = book_order_count(book);
    }
    tally.live_end = book_order_count(book);
    tally.book = *book_counters(book);
    session_close(session);
    free(halted);
    free(memory);
    return tally;
}

static void assert_sound(const struct tally *tally, const struct session_params *p)
{
    cr_assert_eq(tally->total, p->messages);
    cr_assert_eq(tally->backwards_count, 0, "time runs forwards");
    cr_assert_eq(tally->strange_locate_count, 0);
    cr_assert_eq(tally->bad_verdict_count, 0, "%" PRIu64 " operations that the book refuses", tally->bad_verdict_count);
    cr_assert_eq(tally->book.crossed_count, 0, "a book is crossed");
    cr_assert_eq(tally->book.clamped_count, 0, "more is taken off an order than it has");
    cr_assert_eq(tally->not_front_count, 0, "executions take the front of a queue");
    cr_assert_eq(tally->halted_trade_count, 0, "what is halted does not trade");
    cr_assert_leq(tally->live_max, session_orders_max(p->symbols));
    cr_assert_gt(tally->live_end, 0);
}

static uint32_t types_seen(const struct tally *tally)
{
    uint32_t seen = 0;
    for (uint32_t type = 0; type < 256; type++)
        seen += tally->by_type[type] != 0 && itch_length((uint8_t)type) != 0;
    return seen;
}

Test(session, same_seed_gives_the_same_bytes)
{
    const struct session_params p = params(7, 30000, SYMBOLS);
    cr_assert_eq(session_hash(&p), session_hash(&p));
}

/* Integers only: a value that differs here differs between machines or compilers, or the model has changed; then golden
 * results that were made from sessions change too. */
Test(session, bytes_of_a_seed_are_the_same_on_every_machine)
{
    const struct session_params p = params(1, 30000, SYMBOLS);
    cr_assert_eq(session_hash(&p), UINT64_C(0xfc92826ecceeac4c), "%#" PRIx64, session_hash(&p));
}

Test(session, another_seed_gives_another_session)
{
    const struct session_params one = params(7, 30000, SYMBOLS), two = params(8, 30000, SYMBOLS);
    cr_assert_neq(session_hash(&one), session_hash(&two));
}

Test(session, books_are_never_crossed_and_no_message_is_about_an_unknown_order)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        const struct session_params p = params(seed, 150000, SYMBOLS);
        const struct tally tally = run(&p);
        assert_sound(&tally, &p);
    }
}

Test(session, shortest_sessions_are_sound_and_hold_every_type)
{
    for (uint32_t symbols = 1; symbols <= 40; symbols++) {
        const struct session_params p = params(symbols, session_messages_min(symbols), symbols);
        const struct tally tally = run(&p);
        assert_sound(&tally, &p);
        cr_assert_eq(types_seen(&tally), ITCH_TYPE_COUNT, "%u symbols: %u types", symbols, types_seen(&tally));
    }
}

Test(session, ten_thousand_symbols_are_possible)
{
    const struct session_params p = params(3, session_messages_min(SESSION_SYMBOLS_MAX) + 100000, SESSION_SYMBOLS_MAX);
    const struct tally tally = run(&p);
    assert_sound(&tally, &p);
    cr_assert_eq(tally.by_type['R'], SESSION_SYMBOLS_MAX);
}

Test(session, message_mix_is_that_of_a_trading_day)
{
    const struct session_params p = params(1, 400000, SYMBOLS);
    const struct tally t = run(&p);
    const uint64_t adds = t.by_type['A'] + t.by_type['F'], executions = t.by_type['E'] + t.by_type['C'];
    const struct { const char *name; uint64_t count; double percent, tolerance; } shares[] = {
        {"A and F", adds, 44, 1.5},  {"D", t.by_type['D'], 42, 1.5}, {"U", t.by_type['U'], 9, 1},
        {"E and C", executions, 3, 0.6}, {"X", t.by_type['X'], 1, 0.4}, {"P", t.by_type['P'], 1, 0.4},
    };
    for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
        const double percent = 100.0 * (double)shares[i].count / (double)t.total;
        cr_expect_float_eq(percent, shares[i].percent, shares[i].tolerance, "%s: %.2f %%", shares[i].name, percent);
    }
    cr_expect_gt(t.by_type['F'] * 10, adds / 5, "some orders carry an MPID");
    cr_assert_eq(types_seen(&t), ITCH_TYPE_COUNT);
}

Test(session, rate_and_clusters_are_as_promised)
{
    const struct session_params p = params(5, 400000, SYMBOLS);
    struct session *session = session_open(&p);
    struct itch_msg msg;
    uint64_t first_ns = 0, last_ns = 0, flow_count = 0, cluster_count = 0, single_count = 0;
    uint32_t cluster_len = 0, cluster_len_max = 0;
    while (session_next(session, &msg)) {
        if (!session_flowing(session))
            continue;
        first_ns = first_ns == 0 ? msg.timestamp_ns : first_ns;
        flow_count++;
        if (cluster_len > 0 && msg.timestamp_ns - last_ns < SESSION_CLUSTER_GAP_NS) {
            cluster_len++;
        } else {
            single_count += cluster_len == 1;
            cluster_count++;
            cluster_len = 1;
        }
        cluster_len_max = cluster_len > cluster_len_max ? cluster_len : cluster_len_max;
        last_ns = msg.timestamp_ns;
    }
    session_close(session);
    const double rate = (double)flow_count / ((double)(last_ns - first_ns) / 1e9);
    const double mean = (double)flow_count / (double)cluster_count,
                 single = (double)single_count / (double)cluster_count;
    cr_expect(rate > 36000 && rate < 44000, "%.0f messages a second", rate);
    cr_expect(mean > 2.5 && mean < 2.9, "%.2f messages in a cluster", mean);
    cr_expect(single > 0.47 && single < 0.53, "%.2f of the clusters hold one message", single);
    cr_expect(cluster_len_max > 30 && cluster_len_max <= SESSION_CLUSTER_MAX, "%u in the largest", cluster_len_max);
}

Test(session, references_rise_in_each_stream_and_are_given_once)
{
    const struct session_params p = params(9, 100000, SYMBOLS);
    struct session *session = session_open(&p);
    struct itch_msg msg;
    uint64_t last[4] = {0};
    while (session_next(session, &msg)) {
        const bool enters = msg.type == ITCH_ADD || msg.type == ITCH_ADD_MPID;
        if (!enters && msg.type != ITCH_REPLACE)
            continue;
        const uint64_t ref = enters ? msg.add.ref : msg.replace.ref;
        cr_assert_gt(ref, last[ref % 4]);
        last[ref % 4] = ref;
    }
    session_close(session);
    for (uint32_t i = 0; i < 4; i++)
        cr_expect_gt(last[i], 0, "stream %u is used", i);
}

Test(session, activity_of_symbols_is_uneven)
{
    const struct session_params p = params(2, 200000, SYMBOLS);
    struct session *session = session_open(&p);
    struct itch_msg msg;
    uint64_t adds[SYMBOLS + 1] = {0}, most = 0, total = 0;
    while (session_next(session, &msg)) {
        if (msg.type != ITCH_ADD)
            continue;
        total++;
        if (++adds[msg.locate] > most)
            most = adds[msg.locate];
    }
    session_close(session);
    for (uint32_t i = 1; i <= SYMBOLS; i++)
        cr_expect_gt(adds[i], 0, "symbol %u has orders", i);
    cr_expect(most * 100 > total * 15 && most * 100 < total * 30, "%" PRIu64 " of %" PRIu64 " in the first", most,
              total);
}

Test(session, parameters_out_of_range_are_refused)
{
    struct session_params p = params(1, 100000, 0);
    cr_expect_null(session_open(&p), "no symbol");
    p.symbols = SESSION_SYMBOLS_MAX + 1;
    cr_expect_null(session_open(&p), "too many symbols");
    p = params(1, session_messages_min(SYMBOLS) - 1, SYMBOLS);
    cr_expect_null(session_open(&p), "too few messages");
    p = params(1, 100000, SYMBOLS);
    p.rate_per_s = 0;
    cr_expect_null(session_open(&p), "no rate");
    p = params(1, 100000, SYMBOLS);
    p.open_ns = SESSION_LEAD_NS - 1;
    cr_expect_null(session_open(&p), "before midnight");
    session_close(NULL);
}
