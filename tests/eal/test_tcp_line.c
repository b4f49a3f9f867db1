/* tcp_line against the TCP of the Linux kernel. The test's one thread is owner, control thread, network and server in
 * turn, so that every interleaving can be written down. Time is the clock's, since the kernel's is. Needs root. */
#include "gateway/order/ouch.h"
#include "ring/md_event.h"
#include "tests/eal/eal_fixture.h"
#include "tests/eal/tap_rig.h"

#define MESSAGE_LEN (3u + OUCH_ENTER_LEN)
#define PROBE_NS UINT64_C(100000000) /* more than Linux delays an acknowledgement by */

static uint32_t order_count;      /* entered by the owner */
static uint32_t received_orders;  /* whole ones that the server has */
static uint32_t received_bytes;
static uint8_t partial[MESSAGE_LEN];
static uint32_t refused;          /* orders that found no room in window or log */
static bool deaf;                 /* the server does not read */

static void start(void)
{
    if (geteuid() != 0)
        cr_skip_test("a TAP device needs root");
    if (access("/dev/net/tun", R_OK | W_OK) != 0)
        cr_skip_test("there is no /dev/net/tun");
    eal_fixture_start("tcp-line");
    tap_rig_open(PROBE_NS);
}

static void stop(void)
{
    if (!rig.pool)
        return;
    tap_rig_close();
    eal_fixture_stop();
}

TestSuite(tcp_line, .init = start, .fini = stop, .timeout = 60);

/* --- the server: every byte must be the next order's */

static void serve(void)
{
    uint8_t bytes[4096];
    ssize_t len;

    while ((len = recv(rig.server, bytes, sizeof(bytes), 0)) > 0)
        for (ssize_t i = 0; i < len; i++) {
            partial[received_bytes++ % MESSAGE_LEN] = bytes[i];
            if (received_bytes % MESSAGE_LEN != 0)
                continue;
            struct ouch_enter enter;
            received_orders++;
            cr_assert_eq(load_be16(partial), 1 + OUCH_ENTER_LEN);
            cr_assert_eq(partial[2], 'U');
            cr_assert_eq(ouch_decode_enter(partial + 3, OUCH_ENTER_LEN, &enter), 0);
            cr_assert_eq(enter.user_ref, received_orders, "order %u came as number %u", enter.user_ref,
                         received_orders);
        }
}

static void turn(void)
{
    tap_rig_carry();
    tcp_line_step(&rig.line, tap_rig_now_ns());
    tap_rig_carry();
    if (!deaf)
        serve();
}

static void until(bool (*done)(void))
{
    const uint64_t begin_ns = tap_rig_now_ns();

    while (!done()) {
        cr_assert(tap_rig_now_ns() - begin_ns < TAP_RIG_PATIENCE_NS, "%u of %u orders arrived, %s", received_orders,
                  order_count, rig.line.pcb ? "connected" : "closed");
        turn();
    }
}

static bool all_arrived(void)
{
    return received_orders == order_count && tcp_line_quiet(&rig.line);
}

/* --- the owner */

/* Any tick will do, as long as it is another one. */
static struct order_frame_id id_of(uint32_t user_ref)
{
    return (struct order_frame_id){.user_ref = user_ref, .tick_ns = user_ref * 0x9e3779b1u};
}

static struct rte_mbuf *encode(uint32_t ack)
{
    const struct order_intent intent = {
        .action = ORDER_NEW, .side = 'B', .tif = ORDER_IOC, .price = 1234500, .qty = 100 + order_count};
    const struct order_frame_at at = {.seq = rig.log.next_seq, .ack = ack};
    struct rte_mbuf *frame = order_tx_encode(&rig.tx, &intent, md_symbol("AAPL"), id_of(order_count + 1), at);

    cr_assert_not_null(frame);
    return frame;
}

static struct send_log_slot *reserve(const struct rte_mbuf *frame)
{
    uint32_t len;
    const uint8_t *stream =
        order_frame_stream(&rig.tx.template, rte_pktmbuf_mtod(frame, const uint8_t *), ORDER_NEW, &len);

    order_count++;
    return send_log_reserve(&rig.log, stream, len);
}

/* One order by delegated send; false: it may not be sent so now. */
static bool order(void)
{
    uint32_t ack;

    if (!send_log_room(&rig.log) || !send_log_may(&rig.log, MESSAGE_LEN, &ack)) {
        refused++;
        return false;
    }
    struct rte_mbuf *frame = encode(ack);
    struct send_log_slot *slot = reserve(frame);
    send_log_mark(&rig.log, slot, order_tx_send(&rig.tx, frame));
    return true;
}

static void orders(uint32_t count, uint32_t between)
{
    const uint64_t begin_ns = tap_rig_now_ns();

    for (uint32_t i = 0; i < count;) {
        cr_assert(tap_rig_now_ns() - begin_ns < TAP_RIG_PATIENCE_NS, "%u of %u orders could be sent", i, count);
        const bool sent = order();
        i += sent;
        if (!sent || i % between == 0)
            turn();
    }
}

static uint64_t resends(void)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < TCP_LINE_RESEND_COUNT; i++)
        sum += rig.line.counters.resend_count[i];
    return sum;
}

Test(tcp_line, every_order_goes_out_once_and_lwip_sends_none)
{
    tap_rig_connect();
    turn(); /* the first limit */
    orders(2000, 1);
    until(all_arrived);
    cr_assert_eq(rig.line.counters.delegated_count, 2000u);
    cr_assert_eq(rig.line.counters.slow_count, 0u);
    cr_assert_eq(rig.data_frames, 2000u, "each segment was on the wire once, by whomever");
    cr_assert_eq(resends(), 0u);
    cr_assert_eq(refused, 0u);
}

Test(tcp_line, a_burst_stops_at_the_window_and_goes_on_with_acknowledgements)
{
    tap_rig_connect();
    orders(3000, 1000); /* the log has 64 slots and the congestion window is small at first */
    until(all_arrived);
    cr_assert_eq(received_orders, 3000u);
    cr_assert(refused > 0);
    cr_assert_eq(resends(), 0u);
    cr_assert_eq(rig.data_frames, 3000u);
}

static enum tap_rig_fate lose_seventh(uint32_t data_frame, uint32_t seq, bool delegated)
{
    (void)seq;
    return delegated && data_frame % 50 == 7 ? TAP_RIG_LOSE : TAP_RIG_CARRY;
}

Test(tcp_line, isolated_losses_are_repaired_by_lwip)
{
    tap_rig_connect();
    rig.network = lose_seventh;
    orders(500, 2);
    until(all_arrived);
    cr_assert(resends() >= 9, "%lu", resends());
    cr_assert_eq(rig.line.counters.broken_count, 0u);
}

static enum tap_rig_fate jumble(uint32_t data_frame, uint32_t seq, bool delegated)
{
    (void)seq;
    (void)delegated;
    return data_frame % 11 == 3 ? TAP_RIG_DELAY : data_frame % 7 == 5 ? TAP_RIG_DOUBLE : TAP_RIG_CARRY;
}

Test(tcp_line, reordered_and_doubled_segments_arrive_once_in_order)
{
    tap_rig_connect();
    rig.network = jumble;
    orders(1000, 3);
    until(all_arrived);
    cr_assert_eq(received_orders, 1000u);
}

/* The venue speaks too, in numbered bytes, and frames of both ways are lost and doubled. */
static uint64_t said_bytes, heard_bytes;

static void converse(void)
{
    uint8_t bytes[512];
    uint32_t heard;

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)((said_bytes + i) % 251);
    const ssize_t sent = send(rig.server, bytes, 1 + (said_bytes * 7) % sizeof(bytes), MSG_NOSIGNAL);
    said_bytes += sent > 0 ? (uint64_t)sent : 0;
    while ((heard = tcp_line_read(&rig.line, bytes, 1 + (uint32_t)(heard_bytes % 300))) > 0)
        for (uint32_t i = 0; i < heard; i++, heard_bytes++)
            cr_assert_eq(bytes[i], (uint8_t)(heard_bytes % 251), "byte %lu", heard_bytes);
}

static enum tap_rig_fate harm_back(uint32_t frame)
{
    return frame % 13 == 4 ? TAP_RIG_LOSE : frame % 17 == 9 ? TAP_RIG_DOUBLE : TAP_RIG_CARRY;
}

static bool all_said(void)
{
    converse();
    return received_orders == order_count && tcp_line_quiet(&rig.line) && heard_bytes > 200000;
}

Test(tcp_line, both_sides_speak_over_a_network_that_harms_both)
{
    tap_rig_connect();
    rig.network = jumble;
    rig.back = harm_back;
    const uint64_t begin_ns = tap_rig_now_ns();
    while (order_count < 1500) {
        cr_assert(tap_rig_now_ns() - begin_ns < TAP_RIG_PATIENCE_NS);
        order();
        converse();
        turn();
    }
    rig.back = NULL;
    until(all_said);
    cr_assert_eq(rig.line.counters.broken_count, 0u);
}

/* The tail: nothing comes behind it, so nobody sends duplicate acknowledgements. */
static enum tap_rig_fate lose_last_delegated(uint32_t data_frame, uint32_t seq, bool delegated)
{
    (void)data_frame;
    return delegated && seq == 9 * MESSAGE_LEN ? TAP_RIG_LOSE : TAP_RIG_CARRY;
}

Test(tcp_line, a_lost_tail_is_probed_for)
{
    tap_rig_connect();
    rig.network = lose_last_delegated;
    orders(10, 1);
    until(all_arrived);
    cr_assert_eq(rig.line.counters.resend_count[TCP_LINE_RESEND_PROBE], 1u);
    cr_assert_eq(resends(), 1u, "lwIP's own timer was not needed");
    cr_assert_eq(rig.line.record[0].seq, 9 * MESSAGE_LEN + 1);
    cr_assert_eq(rig.line.record[0].len, MESSAGE_LEN);
}

/* Thirty first transmissions are lost, and everything that is sent again for them until the timer of lwIP has fired;
 * orders go on behind them. */
static uint32_t lost_first, lost_again;
static enum tap_rig_fate lose_thirty(uint32_t data_frame, uint32_t seq, bool delegated)
{
    (void)data_frame;
    if (delegated && seq >= 20 * MESSAGE_LEN && seq < 50 * MESSAGE_LEN) {
        lost_first++;
        return TAP_RIG_LOSE;
    }
    if (!delegated && rig.line.counters.resend_count[TCP_LINE_RESEND_TIMEOUT] == 0) {
        lost_again++;
        return TAP_RIG_LOSE;
    }
    return TAP_RIG_CARRY;
}

static bool timed_out(void)
{
    if (order_count < 400 && rig.line.counters.delegated_count == order_count && tap_rig_now_ns() % 8 == 0)
        order();
    return rig.line.counters.resend_count[TCP_LINE_RESEND_TIMEOUT] > 0;
}

Test(tcp_line, lwips_timer_fires_with_delegated_bytes_behind_it)
{
    tap_rig_connect();
    rig.network = lose_thirty;
    orders(60, 1);
    until(timed_out);
    orders(100, 1);
    until(all_arrived);
    cr_assert_eq(lost_first, 30u);
    cr_assert(lost_again > 0);
    cr_assert(rig.line.counters.resend_count[TCP_LINE_RESEND_TIMEOUT] > 0);
    cr_assert_eq(rig.line.counters.broken_count, 0u);
    cr_assert_eq(received_orders, order_count);
    const uint64_t before = resends();
    rig.network = NULL;
    orders(500, 1);
    until(all_arrived);
    cr_assert_eq(resends(), before, "it is as good as new");
}

static uint64_t held_until_ns;
static bool hold_over(void)
{
    return tap_rig_now_ns() >= held_until_ns;
}

Test(tcp_line, an_owner_held_before_the_wire_loses_its_slot)
{
    uint32_t ack;

    tap_rig_connect();
    orders(10, 1);
    cr_assert(send_log_may(&rig.log, MESSAGE_LEN, &ack));
    struct rte_mbuf *frame = encode(ack);
    struct send_log_slot *slot = reserve(frame);
    held_until_ns = tap_rig_now_ns() + 6 * PROBE_NS;
    until(hold_over);
    cr_assert_eq(rig.line.counters.taken_over_count, 1u);
    cr_assert_eq(received_orders, 11u, "its bytes were in the log");
    send_log_mark(&rig.log, slot, order_tx_send(&rig.tx, frame)); /* it goes on, and sends what has arrived long ago */
    orders(100, 1);
    until(all_arrived);
    cr_assert_eq(received_orders, 111u);
    cr_assert_eq(rig.line.counters.delegated_count, 110u);
}

Test(tcp_line, an_owner_held_behind_the_wire_holds_nobody)
{
    uint32_t ack;

    tap_rig_connect();
    orders(10, 1);
    cr_assert(send_log_may(&rig.log, MESSAGE_LEN, &ack));
    struct rte_mbuf *frame = encode(ack);
    struct send_log_slot *slot = reserve(frame);
    cr_assert(order_tx_send(&rig.tx, frame)); /* acknowledged before anybody has said that it was sent */
    held_until_ns = tap_rig_now_ns() + PROBE_NS / 2;
    while (!hold_over()) {
        turn();
        if (rig.server >= 0 && send(rig.server, "x", 1, MSG_NOSIGNAL) == 1)
            usleep(2000); /* application data with that acknowledgement, and behind it */
    }
    cr_assert(rig.line.counters.held_count > 0);
    send_log_mark(&rig.log, slot, true);
    until(all_arrived);
    cr_assert_eq(rig.line.counters.taken_over_count, 0u);
    cr_assert_eq(received_orders, 11u);
    cr_assert_eq(resends(), 0u);
    orders(100, 1);
    until(all_arrived);
    cr_assert_eq(resends(), 0u);
}

Test(tcp_line, many_short_holds_are_not_a_long_one)
{
    const uint64_t begin_ns = tap_rig_now_ns();
    uint32_t ack;

    tap_rig_connect();
    while (tap_rig_now_ns() - begin_ns < 8 * PROBE_NS) {
        if (!send_log_room(&rig.log) || !send_log_may(&rig.log, MESSAGE_LEN, &ack)) {
            turn();
            continue;
        }
        struct rte_mbuf *frame = encode(ack);
        struct send_log_slot *slot = reserve(frame);
        turn(); /* the control thread sees it reserved each time */
        send_log_mark(&rig.log, slot, order_tx_send(&rig.tx, frame));
        turn();
    }
    until(all_arrived);
    cr_assert(order_count > 100);
    cr_assert_eq(rig.line.counters.taken_over_count, 0u);
    cr_assert_eq(resends(), 0u);
}

Test(tcp_line, what_the_queue_does_not_take_lwip_sends)
{
    uint32_t ack;

    tap_rig_connect();
    orders(5, 1);
    cr_assert(send_log_may(&rig.log, MESSAGE_LEN, &ack));
    send_log_mark(&rig.log, reserve(encode(ack)), false);
    order_tx_pass(&rig.tx);
    cr_assert_not(send_log_may(&rig.log, MESSAGE_LEN, &ack), "nothing may overtake it");
    until(all_arrived);
    cr_assert_eq(rig.line.counters.slow_count, 1u);
    cr_assert_eq(resends(), 0u);
    orders(50, 1);
    until(all_arrived);
    cr_assert_eq(rig.line.counters.delegated_count, 55u);
}

/* For so many turns that nothing is on its way which could open it at once. */
static bool shut(void)
{
    static uint32_t shut_turns;
    uint32_t ack;

    shut_turns = send_log_may(&rig.log, MESSAGE_LEN, &ack) ? 0 : shut_turns + 1;
    (void)order();
    return shut_turns >= 1000;
}

Test(tcp_line, a_closed_window_stops_the_owner_and_opens_again)
{
    tap_rig_connect();
    orders(10, 1);
    until(all_arrived);
    deaf = true;
    until(shut);
    cr_assert(order_count > 100);
    deaf = false;
    until(all_arrived);
    orders(100, 1);
    until(all_arrived);
    cr_assert_eq(rig.line.counters.broken_count, 0u);
}

/* An order by the slow path: the log takes it, lwIP has to transmit it. False: the log is full. */
static bool order_slowly(void)
{
    if (!send_log_room(&rig.log))
        return false;
    send_log_mark(&rig.log, reserve(encode(0)), false);
    order_tx_pass(&rig.tx);
    return true;
}

static bool log_full(void)
{
    return !order_slowly();
}

Test(tcp_line, more_orders_than_lwip_can_keep_wait_in_the_log)
{
    const int least = 1;

    tap_rig_connect();
    orders(10, 1);
    until(all_arrived);
    deaf = true;
    setsockopt(rig.server, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least));
    until(log_full);
    for (int i = 0; i < 100; i++)
        turn();
    cr_assert(log_full() && order_count > 500, "after lwIP's buffer the log is full, and that is all");
    cr_assert_eq(rig.line.counters.broken_count, 0u);
    deaf = false;
    until(all_arrived);
    orders(100, 1);
    until(all_arrived);
    cr_assert_eq(rig.line.counters.broken_count, 0u);
}

Test(tcp_line, what_the_limit_said_of_a_connection_does_not_hold_for_the_next)
{
    const struct linger reset = {.l_onoff = 1};
    uint32_t ack;

    tap_rig_connect();
    orders(2000, 1); /* far ahead of where the next connection's numbers begin */
    until(all_arrived);
    tcp_line_abort(&rig.line);
    send_log_end(&rig.log);
    setsockopt(rig.server, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(rig.server);
    order_count = received_orders = received_bytes = 0;
    tap_rig_connect();
    cr_assert_not(send_log_may(&rig.log, MESSAGE_LEN, &ack), "nothing before the control thread's first step");
    orders(20, 1);
    until(all_arrived);
    cr_assert_eq(resends(), 0u);
}

static bool is_closed(void)
{
    return !rig.line.pcb;
}

Test(tcp_line, what_was_sent_in_an_earlier_connection_is_not_sent_in_the_next)
{
    uint32_t ack;

    tap_rig_connect();
    orders(20, 1);
    until(all_arrived);
    cr_assert(send_log_may(&rig.log, MESSAGE_LEN, &ack));
    struct rte_mbuf *frame = encode(ack);
    const struct linger reset = {.l_onoff = 1};
    setsockopt(rig.server, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(rig.server);
    until(is_closed);
    cr_assert_eq(tcp_line_event(&rig.line), TCP_LINE_CLOSED);
    cr_assert_not(send_log_may(&rig.log, MESSAGE_LEN, &ack), "the limit is shut");
    send_log_mark(&rig.log, reserve(frame), false); /* an owner that had looked before */
    order_count--;
    tap_rig_connect();
    orders(20, 1);
    until(all_arrived);
    cr_assert_eq(received_orders, 40u);
    cr_assert_eq(rig.line.counters.stale_count, 1u);
}

Test(tcp_line, frames_for_others_never_reach_lwip)
{
    uint8_t frame[74] = {0};

    tap_rig_connect();
    memcpy(frame, tap_rig_mac, 6);
    store_be16(frame + 12, 0x0800);
    frame[14] = 0x45;
    store_be16(frame + 16, 60);
    frame[22] = 64;
    frame[23] = 6;
    store_be32(frame + 26, TAP_RIG_PEER_IP);
    store_be32(frame + 30, 0x0a630103); /* not ours: lwIP would forward it */
    struct rte_mbuf *foreign = rte_pktmbuf_alloc(rig.pool);
    memcpy(rte_pktmbuf_append(foreign, sizeof(frame)), frame, sizeof(frame));
    const uint64_t sent = rig.stack.counters.sent_count, counted = rig.stack.counters.foreign_count;
    cr_assert_eq(rte_ring_enqueue(rig.in, foreign), 0);
    tcp_line_step(&rig.line, tap_rig_now_ns());
    cr_assert(rig.stack.counters.foreign_count > counted);
    cr_assert_eq(rig.stack.counters.sent_count, sent);
}
