/* submit and the strategy loop's event path: what a strategy wants reaches the wire or comes back with a reason, and
 * every reservation is given back in the end. A strategy made for the test answers with what the test wants next. */
#include "gateway/order_owner.h"
#include "gateway/submit.h"

#include "gateway/order/ouch.h"
#include "gateway/order/trades.h"
#include "tests/eal/eal_fixture.h"

#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <stdlib.h>
#include <string.h>

#define FRAMES 16u
#define WIRE_SLOTS 32u
#define INSTRUMENTS 4u

static struct strategy_lcore *lcore;
static struct rte_ring *wire;
static struct rte_mempool *pool;
static uint16_t port_id;
static void *market_memory, *open_memory;

/* What the strategy under test answers to the next event, and to order news; what it heard. */
static struct strategy_out next_out, news_out;
static struct strategy_out *kept_out; /* the answer to an event, of a strategy that goes on writing to it */
static bool spoils;
static struct order_event heard[64];
static uint32_t heard_count;
static uint64_t heard_lost;

static void on_event(void *state, const struct md_event *event, uint64_t now_ns, struct strategy_out *out)
{
    (void)state;
    (void)event;
    (void)now_ns;
    *out = next_out;
    kept_out = out;
    next_out.count = 0;
}

static void on_order(void *state, const struct order_event *event, struct strategy_out *out)
{
    (void)state;
    cr_assert_lt(heard_count, 64u);
    heard[heard_count++] = *event;
    *out = news_out;
    if (spoils)
        kept_out->count = UINT32_MAX;
}

static void on_lost(void *state, uint32_t channels, uint64_t lost_count)
{
    (void)state;
    (void)channels;
    heard_lost += lost_count;
}

static const struct strategy_ops ops = {.name = "test", .on_event = on_event, .on_order = on_order, .on_lost = on_lost};

static void event_send(enum md_type type, uint16_t instrument, uint64_t ref)
{
    const struct md_event event = {.type = (uint8_t)type,
                                   .instrument = instrument,
                                   .ref = ref,
                                   .exchange_ns = 1000,
                                   .bid_price = 1000000,
                                   .bid_qty = 500,
                                   .ask_price = 1000200,
                                   .ask_qty = 500};
    strategy_event(lcore, &event);
}

static void time_send(uint64_t now_ns)
{
    const struct md_event event = {.type = MD_TIME, .instrument = MD_INSTRUMENT_NONE, .exchange_ns = now_ns};
    strategy_event(lcore, &event);
}

static void start(void)
{
    static const struct order_frame_route route = {
        .local_ip = 0x0a000001, .peer_ip = 0x0a000002, .local_port = 1, .peer_port = 2};
    static const struct risk_limits limits = {.order_qty_max = 1000,
                                              .order_notional_max = UINT64_C(1) << 60,
                                              .collar_bps = 100,
                                              .rate_per_s = 1000000,
                                              .rate_burst = 1000000,
                                              .position_max = 2000};
    const uint32_t counts[1] = {INSTRUMENTS};

    eal_fixture_start("submit");
    pool = rte_pktmbuf_pool_create("orders", 127, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
    wire = rte_ring_create("wire", WIRE_SLOTS, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);
    struct rte_ring *unused = rte_ring_create("unused", WIRE_SLOTS, 0, 0);
    const int id = rte_eth_from_rings("orders", &unused, 1, &wire, 1, 0);
    cr_assert(pool && wire && id >= 0);
    port_id = (uint16_t)id;
    const struct rte_eth_conf conf = {0};
    cr_assert_eq(rte_eth_dev_configure(port_id, 1, 1, &conf), 0);
    cr_assert_eq(rte_eth_rx_queue_setup(port_id, 0, 64, 0, NULL, pool), 0);
    cr_assert_eq(rte_eth_tx_queue_setup(port_id, 0, 64, 0, NULL), 0);
    cr_assert_eq(rte_eth_dev_start(port_id), 0);

    lcore = aligned_alloc(64, (sizeof(*lcore) + 63) / 64 * 64);
    memset(lcore, 0, sizeof(*lcore));
    lcore->path = calloc(1, sizeof(*lcore->path));
    lcore->path->carrier = CONFIG_CARRIER_UDP;
    lcore->path->tx = malloc(sizeof(*lcore->path->tx));
    cr_assert_eq(order_tx_init(lcore->path->tx, &route, port_id, 0, pool, FRAMES), 0);
    market_memory = aligned_alloc(64, market_footprint(counts, 1));
    market_init(&lcore->market, market_memory, counts, 1);
    open_memory = malloc(open_footprint(64));
    open_init(&lcore->open, open_memory, 64, 1, 1000);
    risk_init(&lcore->risk, &limits, false);
    lcore->risk.session_up = true;
    strategy_hists_init(lcore);
    lcore->strategy[0] = (struct strategy_slot){.ops = &ops, .name = "test"};
    lcore->strategy_count = 1;
    lcore->hashing = true;
    time_send(1);
    event_send(MD_DEFINE, 1, md_symbol("ABC"));
}

static void stop(void)
{
    order_tx_finish(lcore->path->tx);
    free(lcore->path->tx);
    free(lcore->path);
    free(lcore);
    free(market_memory);
    free(open_memory);
    rte_eth_dev_stop(port_id);
    rte_eth_dev_close(port_id);
    eal_fixture_stop();
}

TestSuite(submit, .init = start, .fini = stop, .timeout = 60);

static struct order_intent buy(uint32_t qty)
{
    return (struct order_intent){.action = ORDER_NEW, .side = 'B', .tif = ORDER_IOC, .instrument = 1, .price = 1000200,
                                 .qty = qty, .tag = 7};
}

static void wish(struct order_intent intent)
{
    next_out.intent[next_out.count++] = intent;
}

static const struct market_instrument *abc(void)
{
    return market_find(&lcore->market, 0, 1);
}

/* The next order off the wire; false: none. */
static bool wire_take(struct ouch_enter *ret_enter)
{
    void *frame;
    uint32_t message_len;

    if (rte_ring_dequeue(wire, &frame) != 0)
        return false;
    const uint8_t *message = order_frame_message(rte_pktmbuf_mtod((struct rte_mbuf *)frame, uint8_t *), &message_len);
    cr_assert_eq(ouch_decode_enter(message, message_len, ret_enter), 0);
    rte_pktmbuf_free(frame);
    return true;
}

Test(submit, an_order_is_sent_reserved_and_told)
{
    struct ouch_enter enter;

    wish(buy(100));
    event_send(MD_ADD, 1, 5);
    cr_assert(wire_take(&enter));
    cr_assert_eq(enter.user_ref, 1u);
    cr_assert_eq(enter.qty, 100u);
    cr_assert_eq(enter.symbol, md_symbol("ABC"));
    cr_assert_eq(abc()->open_buy_qty, 100u);
    cr_assert_eq(heard_count, 1u);
    cr_assert_eq(heard[0].type, ORDER_SENT);
    cr_assert_eq(heard[0].tag, 7u);
    cr_assert_eq(lcore->risk.verdict_count[RISK_PASS], 1u);
    cr_assert_eq(lcore->stage[STAGE_SENT].count, 1u);
}

Test(submit, a_reservation_is_released_when_its_time_is_over_and_not_before)
{
    struct ouch_enter enter;

    time_send(5000);
    wish(buy(100));
    event_send(MD_ADD, 1, 5);
    cr_assert(wire_take(&enter));
    time_send(5999);
    cr_assert_eq(abc()->open_buy_qty, 100u);
    time_send(6000);
    cr_assert_eq(abc()->open_buy_qty, 0u);
    cr_assert_eq(heard[heard_count - 1].type, ORDER_RELEASED);
    cr_assert_eq(heard[heard_count - 1].qty, 100u);
    cr_assert_eq(lcore->open.count, 0u);
}

Test(submit, an_immediate_fill_moves_the_position_and_frees_the_reservation)
{
    struct ouch_enter enter;

    static struct order_sink sink;
    struct order_record record;

    order_sink_init(&sink, NULL, true);
    lcore->sink = &sink;
    lcore->fills_immediate = true;
    wish(buy(300));
    event_send(MD_ADD, 1, 5);
    struct order_intent sell = buy(100);
    sell.side = 'S';
    sell.price = 1000000;
    wish(sell);
    event_send(MD_ADD, 1, 6);
    cr_assert(wire_take(&enter) && wire_take(&enter));
    cr_assert_eq(enter.side, 'S');
    cr_assert_eq(abc()->position, 200);
    cr_assert_eq(abc()->open_buy_qty + abc()->open_sell_qty, 0u);
    cr_assert_eq(lcore->fill_count, 2u);
    cr_assert(order_sink_take(&sink, &record) && record.fill_qty == 0 && record.user_ref == 1);
    cr_assert(order_sink_take(&sink, &record) && record.user_ref == 1);
    cr_assert(record.fill_qty == 300 && record.fill_side == 'B' && record.fill_left_qty == 0);
    cr_assert(order_sink_take(&sink, &record) && record.fill_qty == 0 && record.user_ref == 2);
    cr_assert(order_sink_take(&sink, &record) && record.fill_qty == 100 && record.fill_side == 'S');
    cr_assert_not(order_sink_take(&sink, &record));
    cr_assert_eq(heard[1].type, ORDER_FILLED);
}

Test(submit, a_refusal_has_its_reason_and_reserves_nothing)
{
    struct ouch_enter enter;

    wish(buy(1001));
    event_send(MD_ADD, 1, 5);
    cr_assert_not(wire_take(&enter));
    cr_assert_eq(heard[0].type, ORDER_REFUSED);
    cr_assert_eq(heard[0].reason, RISK_QTY);
    cr_assert_eq(heard[0].user_ref, 0u);
    cr_assert_eq(lcore->risk.verdict_count[RISK_QTY], 1u);
    cr_assert_eq(abc()->open_buy_qty, 0u);
}

Test(submit, a_full_queue_gives_the_reservation_back)
{
    struct ouch_enter enter;
    struct rte_mbuf *filler;

    while ((filler = rte_pktmbuf_alloc(pool)) && rte_ring_enqueue(wire, filler) == 0)
        ;
    wish(buy(100));
    event_send(MD_ADD, 1, 5);
    cr_assert_eq(heard[0].type, ORDER_REFUSED);
    cr_assert_eq(heard[0].reason, RISK_TX_FULL);
    cr_assert_eq(abc()->open_buy_qty, 0u);
    cr_assert_eq(lcore->open.count, 0u);
    cr_assert_eq(lcore->open.next_ref, 1u, "the number was not used");

    void *frame;
    while (rte_ring_dequeue(wire, &frame) == 0)
        rte_pktmbuf_free(frame);
    wish(buy(100));
    event_send(MD_ADD, 1, 6);
    cr_assert(wire_take(&enter));
    cr_assert_eq(enter.user_ref, 1u);
}

Test(submit, frames_that_are_all_with_the_driver_refuse_the_next_order)
{
    for (uint32_t i = 0; i < FRAMES; i++) {
        wish(buy(10));
        event_send(MD_ADD, 1, i);
    }
    cr_assert_eq(rte_ring_count(wire), FRAMES);
    wish(buy(10));
    event_send(MD_ADD, 1, 99);
    cr_assert_eq(lcore->risk.verdict_count[RISK_TX_FULL], 1u);
    cr_assert_eq(abc()->open_buy_qty, 10u * FRAMES);
}

Test(submit, a_full_table_of_open_orders_refuses_the_next_one)
{
    struct ouch_enter enter;

    for (uint32_t i = 0; i < 64; i++) {
        wish(buy(1));
        event_send(MD_ADD, 1, i);
        cr_assert(wire_take(&enter));
        heard_count = 0;
    }
    wish(buy(1));
    event_send(MD_ADD, 1, 99);
    cr_assert_eq(heard[0].reason, RISK_OPEN_FULL);
    cr_assert_eq(abc()->open_buy_qty, 64u);
    cr_assert_not(wire_take(&enter));
}

Test(submit, a_cancel_passes_a_closed_gate_and_a_new_order_does_not)
{
    struct ouch_enter enter;
    void *frame;
    uint32_t message_len;
    struct ouch_cancel cancel;

    wish(buy(100));
    event_send(MD_ADD, 1, 5);
    cr_assert(wire_take(&enter));
    risk_kill(&lcore->risk, true);
    wish(buy(100));
    wish((struct order_intent){.action = ORDER_CANCEL, .orig_ref = 1});
    event_send(MD_ADD, 1, 6);
    cr_assert_eq(lcore->risk.verdict_count[RISK_KILLED], 1u);
    cr_assert_eq(rte_ring_dequeue(wire, &frame), 0, "the cancel is out");
    const uint8_t *message = order_frame_message(rte_pktmbuf_mtod((struct rte_mbuf *)frame, uint8_t *), &message_len);
    cr_assert_eq(ouch_decode_cancel(message, message_len, &cancel), 0);
    cr_assert_eq(cancel.user_ref, 1u);
    rte_pktmbuf_free(frame);
    cr_assert_eq(abc()->open_buy_qty, 100u, "nobody has confirmed it");
}

Test(submit, a_strategy_that_stops_after_an_overrun_may_still_cancel)
{
    struct ouch_enter enter;
    void *frame;

    wish(buy(100));
    event_send(MD_ADD, 1, 5);
    cr_assert(wire_take(&enter));
    lcore->strategy[0].stop_on_overrun = true;
    market_lost(&lcore->market, 1);
    const struct md_event refreshed = {.type = MD_STALE_END, .flags = MD_REFRESH, .instrument = MD_INSTRUMENT_NONE};
    strategy_event(lcore, &refreshed); /* up to date again, which is not enough for this one */
    wish(buy(100));
    wish((struct order_intent){.action = ORDER_REPLACE, .orig_ref = 1, .price = 1000100, .qty = 50});
    wish((struct order_intent){.action = ORDER_CANCEL, .orig_ref = 1});
    event_send(MD_ADD, 1, 6);
    cr_assert_eq(lcore->risk.verdict_count[RISK_OVERRUN], 2u);
    cr_assert_eq(rte_ring_dequeue(wire, &frame), 0, "the cancel is out");
    rte_pktmbuf_free(frame);
    cr_assert_not(wire_take(&enter), "and nothing else");
    cr_assert_eq(abc()->open_buy_qty, 100u);
    lcore->strategy[0].stop_on_overrun = false;
    wish(buy(100));
    event_send(MD_ADD, 1, 7);
    cr_assert(wire_take(&enter), "one that does not stop goes on after its refresh");
    const struct md_event session = {.type = MD_SESSION, .instrument = MD_INSTRUMENT_NONE};
    strategy_event(lcore, &session);
    event_send(MD_DEFINE, 1, md_symbol("ABC"));
    lcore->strategy[0].stop_on_overrun = true;
    wish(buy(100));
    event_send(MD_ADD, 1, 8);
    cr_assert(wire_take(&enter), "and the other one with the next session");
}

Test(submit, a_replace_keeps_the_larger_of_the_two_reserved)
{
    struct ouch_enter enter;
    void *frame;

    wish(buy(300));
    event_send(MD_ADD, 1, 5);
    cr_assert(wire_take(&enter));
    struct order_intent smaller = {.action = ORDER_REPLACE, .orig_ref = 1, .price = 1000100, .qty = 100};
    wish(smaller);
    event_send(MD_ADD, 1, 6);
    cr_assert_eq(rte_ring_dequeue(wire, &frame), 0);
    rte_pktmbuf_free(frame);
    cr_assert_eq(abc()->open_buy_qty, 300u);
    struct order_intent larger = {.action = ORDER_REPLACE, .orig_ref = 2, .price = 1000100, .qty = 450};
    wish(larger);
    event_send(MD_ADD, 1, 7);
    cr_assert_eq(rte_ring_dequeue(wire, &frame), 0);
    rte_pktmbuf_free(frame);
    cr_assert_eq(abc()->open_buy_qty, 450u);
    cr_assert_eq(lcore->open.count, 1u);
    wish(smaller); /* of number 1, which is gone */
    event_send(MD_ADD, 1, 8);
    cr_assert_eq(lcore->risk.verdict_count[RISK_UNKNOWN_ORDER], 1u);
    time_send(1000000);
    cr_assert_eq(abc()->open_buy_qty, 0u);
}

Test(submit, orders_that_follow_from_news_are_bounded_and_counted)
{
    news_out.count = 1;
    news_out.intent[0] = buy(2000); /* refused, told, and so on for ever */
    wish(buy(2000));
    event_send(MD_ADD, 1, 5);
    cr_assert_eq(lcore->risk.verdict_count[RISK_QTY], SUBMIT_INTENTS_MAX);
    cr_assert_eq(lcore->intent_overflow_count, 1u);
}

Test(submit, a_strategy_that_claims_more_intents_than_there_is_room_for_is_not_believed)
{
    next_out = (struct strategy_out){.count = UINT32_MAX}; /* those that there are mean nothing */
    event_send(MD_ADD, 1, 5);
    cr_assert_eq(lcore->intent_overflow_count, UINT32_MAX - ORDER_INTENTS_MAX);
    cr_assert_eq(lcore->risk.verdict_count[RISK_BAD_INTENT], ORDER_INTENTS_MAX);
    cr_assert_eq(lcore->strategy[0].intent_count, ORDER_INTENTS_MAX);
}

Test(submit, a_strategy_that_goes_on_writing_to_its_answer_gets_no_more_intents_for_it)
{
    spoils = true;
    wish(buy(2000)); /* refused, and in the news of it there are more */
    event_send(MD_ADD, 1, 5);
    cr_assert_eq(kept_out->count, UINT32_MAX);
    cr_assert_eq(lcore->risk.verdict_count[RISK_QTY], 1u);
    cr_assert_eq(lcore->risk.verdict_count[RISK_BAD_INTENT], 0u);
}

Test(submit, an_order_names_the_tick_that_led_to_it_and_none_where_there_was_none)
{
    struct ouch_enter enter;

    lcore->midnight[0] = 0x7fffff00; /* the venue's time is 1000 + 0x100 since then, modulo 2^24 ... */
    wish(buy(1));
    event_send(MD_ADD, 1, 5);
    cr_assert(wire_take(&enter));
    cr_assert_arr_eq(enter.cl_ord_id, "0004E800000001", 14);
    news_out.intent[0] = buy(1);
    news_out.count = 1;
    time_send(UINT64_C(1) << 40); /* the order's time is over, and its strategy wants another one */
    cr_assert(wire_take(&enter));
    cr_assert_arr_eq(enter.cl_ord_id, "00000000000002", 14);
}

static void news_send(struct order_news news)
{
    cr_assert(order_link_tell(lcore->link, &news));
    order_owner_poll(lcore);
    if (lcore->cancelling != ORDER_OWNER_CANCEL_NONE)
        order_owner_sweep(lcore);
}

static void answer_send(uint8_t type, uint32_t user_ref, uint32_t qty)
{
    news_send((struct order_news){.type = ORDER_NEWS_ANSWER,
                                  .answer = {.type = type, .user_ref = user_ref, .qty = qty, .side = 'B', .state = 'L',
                                             .symbol = md_symbol("ABC"), .price = 1000200}});
}

/* The owner's part of a turn of the strategy loop. */
static void turn(void)
{
    order_owner_poll(lcore);
    if (lcore->cancelling != ORDER_OWNER_CANCEL_NONE)
        order_owner_sweep(lcore);
}

Test(submit, a_stop_cancels_what_a_rejected_replace_leaves_open)
{
    struct order_intent replace = buy(150);

    replace.action = ORDER_REPLACE;
    replace.orig_ref = 1;
    lcore->answered = true;
    lcore->link = lcore->path->link = aligned_alloc(64, (sizeof(*lcore->link) + 63) / 64 * 64);
    order_link_init(lcore->link, UINT32_MAX);
    news_send((struct order_news){.type = ORDER_NEWS_BEGIN, .epoch = 1, .value = 1});
    turn();
    wish(buy(100));
    event_send(MD_ADD, 1, 1);
    answer_send(OUCH_ACCEPTED, 1, 100);
    wish(replace);
    event_send(MD_ADD, 1, 2);
    news_send((struct order_news){.type = ORDER_NEWS_CANCEL_ALL});
    turn();
    cr_assert_eq(lcore->own_cancel_count, 1u, "of the replacement");
    answer_send(OUCH_REJECTED, 2, 0);
    turn();
    turn();
    cr_assert_eq(lcore->own_cancel_count, 2u, "order 1 goes on, so it is cancelled, once");
    cr_assert_eq(open_find(&lcore->open, 1)->state, OPEN_PENDING_CANCEL);
    news_send((struct order_news){.type = ORDER_NEWS_END});
    cr_assert_eq(lcore->cancelling, ORDER_OWNER_CANCEL_NONE);
    free(lcore->link);
}

/* What the end of a turn does with the session. */
static void own_turn(void)
{
    order_owner_poll(lcore);
    if (kill_lcore_turn(&lcore->kill))
        order_owner_round(lcore);
    if (lcore->cancelling != ORDER_OWNER_CANCEL_NONE)
        order_owner_sweep(lcore);
}

Test(submit, a_broken_trade_is_heard_of_and_noted_after_its_order_is_done)
{
    static struct order_sink sink;
    static struct trades trades;
    struct order_record record;

    order_sink_init(&sink, NULL, true);
    lcore->sink = &sink;
    lcore->market.trades = &trades;
    lcore->answered = true;
    lcore->link = lcore->path->link = aligned_alloc(64, (sizeof(*lcore->link) + 63) / 64 * 64);
    order_link_init(lcore->link, UINT32_MAX);
    news_send((struct order_news){.type = ORDER_NEWS_BEGIN, .epoch = 1, .value = 1});
    turn();
    wish(buy(100));
    event_send(MD_ADD, 1, 1);
    answer_send(OUCH_ACCEPTED, 1, 100);
    answer_send(OUCH_EXECUTED, 1, 100);
    cr_assert(abc()->position == 100 && lcore->open.count == 0);
    answer_send(OUCH_BROKEN, 1, 0);
    cr_assert_eq(abc()->position, 0);
    const struct order_event *event = &heard[heard_count - 1];
    cr_assert(event->type == ORDER_BROKEN && event->qty == 100 && event->price == 1000200 && event->left_qty == 0);
    cr_assert(order_sink_take(&sink, &record) && record.fill_qty == 0);
    cr_assert(order_sink_take(&sink, &record) && record.fill_qty == 100 && !record.fill_broken);
    cr_assert(order_sink_take(&sink, &record) && record.fill_qty == 100 && record.fill_broken);
    cr_assert(record.fill_side == 'B' && record.fill_price == 1000200 && record.fill_symbol == md_symbol("ABC"));
    free(lcore->link);
}

/* Rounds of the kill: each cancels what may be cancelled then, the new order of a replace in flight too; none goes on
 * once the gate is open again. */
Test(submit, a_round_of_the_kill_cancels_everything_and_the_next_what_is_left)
{
    struct order_intent replace = buy(150);

    replace.action = ORDER_REPLACE;
    replace.orig_ref = 1;
    lcore->answered = true;
    lcore->link = lcore->path->link = aligned_alloc(64, (sizeof(*lcore->link) + 63) / 64 * 64);
    order_link_init(lcore->link, UINT32_MAX);
    news_send((struct order_news){.type = ORDER_NEWS_BEGIN, .epoch = 1, .value = 1});
    own_turn();
    wish(buy(100));
    event_send(MD_ADD, 1, 1);
    answer_send(OUCH_ACCEPTED, 1, 100);
    wish(replace);
    event_send(MD_ADD, 1, 2);
    wish(buy(70)); /* not answered yet */
    event_send(MD_ADD, 1, 3);
    risk_kill(&lcore->risk, true);
    lcore->kill.round = 1;
    own_turn();
    own_turn();
    cr_assert_eq(lcore->kill.seen, 1u);
    cr_assert_eq(lcore->own_cancel_count, 2u, "the replacement and the new order");
    answer_send(OUCH_REJECTED, 2, 0); /* order 1 goes on */
    own_turn();
    cr_assert_eq(lcore->own_cancel_count, 2u);
    lcore->kill.round = 2;
    own_turn();
    cr_assert_eq(lcore->own_cancel_count, 3u);
    cr_assert_eq(open_find(&lcore->open, 1)->state, OPEN_PENDING_CANCEL);
    wish(buy(10));
    event_send(MD_ADD, 1, 4);
    cr_assert_eq(lcore->risk.verdict_count[RISK_KILLED], 1u);
    risk_kill(&lcore->risk, false);
    lcore->kill.round = 3;
    own_turn();
    wish(buy(10));
    event_send(MD_ADD, 1, 5);
    own_turn();
    cr_assert_eq(lcore->own_cancel_count, 3u, "armed: it is left alone");
    cr_assert_eq(lcore->cancelling, ORDER_OWNER_CANCEL_NONE);
    free(lcore->link);
}

/* Twice the same, with walks in between: the second order is the same to the byte, and nothing else has changed. */
Test(submit, a_walk_of_the_warm_path_leaves_no_trace)
{
    struct ouch_enter enter, again;
    void *frame;

    memset(&enter, 0, sizeof(enter)); /* compared whole: what lies between its fields too */
    memset(&again, 0, sizeof(again));
    cr_assert(lcore->market.channel_count == 1 && !lcore->warm.known);
    event_send(MD_ADD, 1, 4);
    cr_assert(warm_walk(lcore), "before the first order it finds an instrument by itself");
    wish(buy(100));
    event_send(MD_ADD, 1, 5);
    cr_assert(wire_take(&enter));
    cr_assert_eq(enter.user_ref, 1u);
    cr_assert(lcore->warm.known && lcore->warm.intent.qty == 100);

    struct risk *risk = malloc(sizeof(*risk));
    struct open_orders *open = malloc(sizeof(*open));
    uint8_t *market = malloc(INSTRUMENTS * sizeof(struct market_instrument)), *orders = malloc(open_footprint(64));
    const uint64_t hash = lcore->order_hash, count = lcore->order_count, sent = lcore->path->tx->sent_count;
    const uint32_t told = heard_count, next = lcore->path->tx->next;
    memcpy(risk, &lcore->risk, sizeof(*risk));
    memcpy(open, &lcore->open, sizeof(*open));
    memcpy(market, lcore->market.channel[0].instruments, INSTRUMENTS * sizeof(struct market_instrument));
    memcpy(orders, open_memory, open_footprint(64));
    for (uint32_t i = 0; i < 2000; i++)
        cr_assert(warm_walk(lcore));
    cr_assert_eq(memcmp(risk, &lcore->risk, sizeof(*risk)), 0, "gate: no token, no reservation, no counter");
    cr_assert_eq(memcmp(open, &lcore->open, sizeof(*open)), 0, "no number is used");
    cr_assert_eq(memcmp(market, lcore->market.channel[0].instruments, INSTRUMENTS * sizeof(struct market_instrument)),
                 0);
    cr_assert_eq(memcmp(orders, open_memory, open_footprint(64)), 0);
    cr_assert_eq(lcore->path->tx->busy_count + lcore->path->tx->full_count, 0u);
    cr_assert(lcore->order_hash == hash && lcore->order_count == count && lcore->path->tx->sent_count == sent &&
              lcore->path->tx->next == next && heard_count == told && lcore->stage[STAGE_SENT].count == 1);
    cr_assert_neq(rte_ring_dequeue(wire, &frame), 0, "nothing has left");

    wish(buy(100));
    event_send(MD_ADD, 1, 5);
    cr_assert(wire_take(&again));
    cr_assert_eq(again.user_ref, 2u);
    again.user_ref = enter.user_ref;
    memcpy(again.cl_ord_id, enter.cl_ord_id, sizeof(enter.cl_ord_id));
    cr_assert_eq(memcmp(&again, &enter, sizeof(enter)), 0);

    risk_kill(&lcore->risk, true);
    cr_assert_not(warm_walk(lcore), "a shut gate ends it");
    free(risk);
    free(open);
    free(market);
    free(orders);
}

Test(submit, idle_turns_walk_at_the_interval_and_busy_ones_never)
{
    event_send(MD_ADD, 1, 4);
    for (uint32_t i = 0; i < 1000; i++)
        strategy_turn_end(lcore, false);
    cr_assert_eq(lcore->warm.walk_count, 0u, "off");
    lcore->warm.ticks = 1;
    for (uint32_t i = 0; i < 1000; i++)
        strategy_turn_end(lcore, true);
    cr_assert_eq(lcore->warm.walk_count, 0u);
    for (uint32_t i = 0; i < 10 * WARM_IDLE_TURNS; i++)
        strategy_turn_end(lcore, false);
    cr_assert_eq(lcore->warm.walk_count, 10u);
    lcore->warm.ticks = UINT64_MAX / 2;
    for (uint32_t i = 0; i < 10 * WARM_IDLE_TURNS; i++)
        strategy_turn_end(lcore, false);
    cr_assert_eq(lcore->warm.walk_count, 11u, "once, then not before its time");
}

Test(submit, tick_to_trade_has_a_row_by_the_time_since_the_last_send)
{
    struct ouch_enter enter;

    for (uint32_t i = 0; i < SINCE_COUNT - 1; i++)
        lcore->since_tsc[i] = UINT64_MAX / 2;
    for (uint32_t i = 0; i < 2; i++) {
        wish(buy(100));
        event_send(MD_ADD, 1, 5);
        cr_assert(wire_take(&enter));
    }
    cr_assert_eq(lcore->since[SINCE_LONGER].count, 1u, "the first");
    cr_assert_eq(lcore->since[SINCE_1_MS].count, 1u);
    for (uint32_t i = 0; i < 3; i++)
        lcore->since_tsc[i] = 0;
    wish(buy(100));
    event_send(MD_ADD, 1, 5);
    cr_assert(wire_take(&enter));
    cr_assert_eq(lcore->since[SINCE_1_S].count, 1u);
}

/* ---- what stops an order outside the gate, and that it stops no cancel ---- */

static struct order_link *link_make(void)
{
    struct order_link *link = aligned_alloc(64, (sizeof(*link) + 63) / 64 * 64);

    order_link_init(link, UINT32_MAX);
    lcore->path->link = link;
    return link;
}

static uint64_t refusals(enum risk_verdict verdict, struct order_intent intent)
{
    const uint64_t before = lcore->risk.verdict_count[verdict], buys = abc()->open_buy_qty;

    wish(intent);
    event_send(MD_ADD, 1, 9);
    cr_assert_eq(abc()->open_buy_qty, buys, "what does not go out is not reserved");
    return lcore->risk.verdict_count[verdict] - before;
}

Test(submit, an_order_that_waits_for_its_answer_is_left_alone)
{
    struct order_intent replace = buy(150), cancel = {.action = ORDER_CANCEL, .orig_ref = 1};

    replace.action = ORDER_REPLACE;
    replace.orig_ref = 1;
    lcore->answered = true;
    wish(buy(100));
    event_send(MD_ADD, 1, 1);
    wish(cancel);
    event_send(MD_ADD, 1, 2);
    cr_assert_eq(open_find(&lcore->open, 1)->state, OPEN_PENDING_CANCEL);
    cr_assert_eq(refusals(RISK_ORDER_BUSY, replace), 1u);
    cr_assert_eq(refusals(RISK_ORDER_BUSY, cancel), 1u);
    cr_assert_eq(lcore->order_count, 2u);
}

Test(submit, an_order_that_is_another_strategys_or_none_is_unknown)
{
    wish(buy(100));
    event_send(MD_ADD, 1, 1);
    open_find(&lcore->open, 1)->strategy = 5;
    const struct order_intent cancel = {.action = ORDER_CANCEL, .orig_ref = 1};
    cr_assert_eq(refusals(RISK_UNKNOWN_ORDER, cancel), 1u);
    struct order_intent what = buy(100);
    what.action = 77;
    cr_assert_eq(refusals(RISK_BAD_INTENT, what), 1u);
}

Test(submit, without_a_session_no_cancel_goes_out)
{
    wish(buy(100));
    event_send(MD_ADD, 1, 1);
    lcore->risk.session_up = false;
    const struct order_intent cancel = {.action = ORDER_CANCEL, .orig_ref = 1};
    cr_assert_eq(refusals(RISK_NO_SESSION, cancel), 1u);
}

Test(submit, cancels_pass_whatever_closes_the_gate_and_are_counted_as_messages)
{
    const struct order_intent cancel = {.action = ORDER_CANCEL, .orig_ref = 1};

    for (uint32_t i = 0; i < 3; i++) {
        wish(buy(1));
        event_send(MD_ADD, 1, 1);
    }
    const uint64_t before = lcore->order_count;
    lcore->risk.lost = 1u << RISK_LCORE;
    cr_assert_eq(refusals(RISK_LOSS, buy(1)), 1u);
    cr_assert_eq(refusals(RISK_PASS, cancel), 1u);
    lcore->risk.lost = 0;
    struct risk_limits limits = lcore->risk.limits;
    limits.no_early = true;
    risk_limit_lcore(&lcore->risk, &limits);
    cr_assert_eq(refusals(RISK_EARLY, buy(1)), 1u);
    cr_assert_eq(refusals(RISK_PASS, cancel), 1u);
    limits.no_early = false;
    limits.messages_per_s = limits.messages_reserve = 1;
    limits.messages_burst = 2;
    risk_limit_lcore(&lcore->risk, &limits);
    lcore->risk.messages.level_ns = (int64_t)lcore->risk.messages.full_ns;
    lcore->risk.messages.refilled_ns = UINT64_MAX;
    cr_assert_eq(refusals(RISK_PASS, cancel), 1u);
    cr_assert_eq(refusals(RISK_MESSAGES, buy(1)), 1u);
    cr_assert_eq(refusals(RISK_PASS, cancel), 1u);
    cr_assert_eq(refusals(RISK_PASS, cancel), 1u, "also beyond what the venue allows");
    cr_assert_lt(lcore->risk.messages.level_ns, 0);
    cr_assert_eq(lcore->order_count, before + 5);
}

Test(submit, numbers_that_may_not_be_given_out_yet_stop_orders_and_no_cancel)
{
    wish(buy(100));
    event_send(MD_ADD, 1, 1);
    lcore->open.ref_limit = lcore->open.next_ref;
    cr_assert_eq(refusals(RISK_REFS_USED_UP, buy(100)), 1u);
    const struct order_intent cancel = {.action = ORDER_CANCEL, .orig_ref = 1};
    cr_assert_eq(refusals(RISK_PASS, cancel), 1u);
}

Test(submit, what_a_duplicate_is_counts_from_what_was_sent)
{
    struct ouch_enter enter;

    struct risk_limits limits = lcore->risk.limits;
    limits.duplicate_ms = 1000;
    risk_limit_lcore(&lcore->risk, &limits);
    lcore->open.ref_limit = lcore->open.next_ref;
    cr_assert_eq(refusals(RISK_REFS_USED_UP, buy(100)), 1u);
    lcore->open.ref_limit = UINT32_MAX;
    wish(buy(100));
    event_send(MD_ADD, 1, 1);
    cr_assert(wire_take(&enter), "the first one was not sent");
    cr_assert_eq(refusals(RISK_DUPLICATE, buy(100)), 1u);
}

Test(submit, a_connection_that_takes_nothing_now_refuses_orders_where_the_slow_path_is_not_allowed)
{
    struct order_link *link = link_make();

    lcore->path->carrier = CONFIG_CARRIER_TCP;
    lcore->path->slow_allowed = false;
    send_log_begin(&link->log, 1, 1); /* and no limit yet */
    cr_assert_eq(refusals(RISK_WINDOW, buy(100)), 1u);
    link->log.next_slot += SEND_LOG_SLOTS;
    cr_assert_eq(refusals(RISK_LOG_FULL, buy(100)), 1u);
    lcore->path->carrier = CONFIG_CARRIER_KERNEL;
    cr_assert_eq(refusals(RISK_LOG_FULL, buy(100)), 1u);
    cr_assert_eq(lcore->order_count, 0u);
    free(link);
}

Test(submit, a_connection_without_a_free_frame_refuses_orders)
{
    struct order_link *link = link_make();

    for (uint32_t i = 0; i < FRAMES; i++) { /* nobody takes them off the wire */
        wish(buy(1));
        event_send(MD_ADD, 1, 1);
    }
    cr_assert_eq(refusals(RISK_TX_FULL, buy(1)), 1u);
    lcore->path->carrier = CONFIG_CARRIER_TCP;
    lcore->path->slow_allowed = true;
    send_log_begin(&link->log, 1, 1);
    cr_assert_eq(refusals(RISK_TX_FULL, buy(1)), 1u);
    free(link);
}

Test(submit, a_simulated_venue_that_has_too_many_requests_takes_no_more)
{
    const struct sim_params params = {.book = {{.instruments_max = 4, .orders_max = 1024, .levels_max = 1024}},
                                      .channel_count = 1,
                                      .orders_max = 16,
                                      .requests_max = 1,
                                      .answers_max = 64,
                                      .order_ns = 1000,
                                      .answer_ns = 1000};
    void *memory = aligned_alloc(64, (sim_footprint(&params) + 63) / 64 * 64);

    cr_assert_gt(sim_footprint(&params), 0u);
    lcore->answered = true;
    lcore->sim = sim_init(memory, &params);
    wish(buy(100));
    event_send(MD_ADD, 1, 1);
    cr_assert_eq(lcore->order_count, 1u);
    cr_assert_eq(refusals(RISK_LOG_FULL, buy(100)), 1u);
    free(memory);
}

Test(submit, hashes_cover_events_and_orders_but_not_time)
{
    const uint64_t before = lcore->event_hash[0];
    time_send(99);
    cr_assert_eq(lcore->event_hash[0], before);
    cr_assert_eq(lcore->order_hash, 0u);
    wish(buy(1));
    event_send(MD_ADD, 1, 5);
    cr_assert_neq(lcore->event_hash[0], before);
    cr_assert_neq(lcore->order_hash, 0u);
    cr_assert_eq(lcore->event_count[0], 2u);
    cr_assert_eq(lcore->order_count, 1u);
}

Test(submit, lost_events_make_every_channel_stale_and_the_strategy_hears)
{
    static struct md_slot slots[64];
    struct md_ring ring;
    struct md_ring_reader reader;
    const struct md_event event = {.type = MD_ADD, .instrument = 1, .bid_price = 1, .ask_price = 2};

    md_ring_init(&ring, slots, 64, 1);
    md_ring_reader_init(&reader, &ring);
    lcore->reader[0] = &reader;
    lcore->reader_count = 1;
    for (uint32_t i = 0; i < 100; i++)
        md_ring_push(&ring, &event);
    strategy_poll(lcore);
    strategy_poll(lcore);
    strategy_poll(lcore);
    cr_assert_eq(lcore->lost_count, 64u, "the reader goes on at the number that it found");
    cr_assert_eq(heard_lost, 64u);
    cr_assert(lcore->market.channel[0].stale);
    wish(buy(1));
    event_send(MD_ADD, 1, 5);
    cr_assert_eq(heard[0].reason, RISK_STALE);
}
