/* order_tx over a net_ring port: frames are owned, lent and taken back by reference count. EAL without hugepages,
 * each test in its own process. */
#include "gateway/order/order_tx.h"

#include "gateway/order/ouch.h"
#include "ring/md_event.h"
#include "tests/eal/eal_fixture.h"

#include <rte_eth_ring.h>
#include <rte_ethdev.h>

#define FRAMES 4u
#define WIRE_SLOTS 8u /* a ring of 8 holds 7 */

static const struct order_frame_at nowhere;
static struct rte_mempool *pool;
static struct rte_ring *wire;
static uint16_t port_id;
static struct order_tx tx;

static const struct order_frame_route route = {
    .local_mac = {2, 0, 0, 0, 0, 1},
    .peer_mac = {2, 0, 0, 0, 0, 2},
    .local_ip = 0x0a010101,
    .peer_ip = 0x0a010102,
    .local_port = 40000,
    .peer_port = 26000,
};

static void start(void)
{
    eal_fixture_start("order-tx");
    pool = rte_pktmbuf_pool_create("orders", 63, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
    wire = rte_ring_create("wire", WIRE_SLOTS, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);
    cr_assert(pool && wire);
    struct rte_ring *unused = rte_ring_create("unused", WIRE_SLOTS, 0, 0);
    const int id = rte_eth_from_rings("orders", &unused, 1, &wire, 1, 0);
    cr_assert(id >= 0);
    port_id = (uint16_t)id;
    const struct rte_eth_conf conf = {0};
    cr_assert_eq(rte_eth_dev_configure(port_id, 1, 1, &conf), 0);
    cr_assert_eq(rte_eth_rx_queue_setup(port_id, 0, 64, 0, NULL, pool), 0);
    cr_assert_eq(rte_eth_tx_queue_setup(port_id, 0, 64, 0, NULL), 0);
    cr_assert_eq(rte_eth_dev_start(port_id), 0);
    cr_assert_eq(order_tx_init(&tx, &route, port_id, 0, pool, FRAMES), 0);
}

static void stop(void)
{
    order_tx_finish(&tx);
    rte_eth_dev_stop(port_id);
    rte_eth_dev_close(port_id);
    eal_fixture_stop();
}

TestSuite(order_tx, .init = start, .fini = stop, .timeout = 60);

static struct order_intent intent_of(uint32_t qty)
{
    return (struct order_intent){.action = ORDER_NEW, .side = 'B', .tif = ORDER_IOC, .price = 1234500, .qty = qty};
}

static struct rte_mbuf *take(void)
{
    void *frame = NULL;
    return rte_ring_dequeue(wire, &frame) == 0 ? frame : NULL;
}

/* Any tick will do, as long as it is another one. */
static struct order_frame_id id_of(uint32_t user_ref)
{
    return (struct order_frame_id){.user_ref = user_ref, .tick_ns = user_ref * 0x9e3779b1u};
}

Test(order_tx, what_is_sent_is_what_was_meant)
{
    const struct order_intent intent = intent_of(300);
    struct rte_mbuf *frame = order_tx_encode(&tx, &intent, md_symbol("AAPL"), id_of(77), nowhere);
    cr_assert_not_null(frame);
    cr_assert(order_tx_send(&tx, frame));

    struct rte_mbuf *out = take();
    cr_assert_eq(out, frame, "the prepared frame itself goes out, not a copy");
    uint32_t message_len;
    struct ouch_enter enter;
    const uint8_t *message = order_frame_message(rte_pktmbuf_mtod(out, uint8_t *), &message_len);
    cr_assert_eq(message_len, OUCH_ENTER_LEN);
    cr_assert_eq(ouch_decode_enter(message, message_len, &enter), 0);
    cr_assert_eq(enter.user_ref, 77u);
    cr_assert_eq(enter.qty, 300u);
    cr_assert_eq(enter.price, 1234500u);
    cr_assert_eq(enter.symbol, md_symbol("AAPL"));
    cr_assert_eq(rte_pktmbuf_data_len(out), ORDER_FRAME_UDP_LEN + OUCH_ENTER_LEN);
    rte_pktmbuf_free(out);
    cr_assert_eq(rte_mbuf_refcnt_read(frame), 1, "after the driver's free it is ours alone");
}

Test(order_tx, a_frame_still_with_the_driver_is_not_patched)
{
    struct rte_mbuf *sent[FRAMES];

    for (uint32_t i = 0; i < FRAMES; i++) {
        const struct order_intent intent = intent_of(i + 1);
        sent[i] = order_tx_encode(&tx, &intent, md_symbol("X"), id_of(i + 1), nowhere);
        cr_assert_not_null(sent[i]);
        cr_assert(order_tx_send(&tx, sent[i]));
        cr_assert_eq(rte_mbuf_refcnt_read(sent[i]), 2);
    }
    const struct order_intent intent = intent_of(99);
    cr_assert_null(order_tx_encode(&tx, &intent, md_symbol("X"), id_of(99), nowhere));
    cr_assert_eq(tx.busy_count, 1u);

    rte_pktmbuf_free(take()); /* the driver lets the first one go */
    cr_assert_eq(order_tx_encode(&tx, &intent, md_symbol("X"), id_of(99), nowhere), sent[0]);
}

Test(order_tx, a_full_queue_takes_nothing_and_the_frame_is_free_again)
{
    struct rte_mbuf *fillers[WIRE_SLOTS];
    for (uint32_t i = 0; i < WIRE_SLOTS - 1; i++) {
        fillers[i] = rte_pktmbuf_alloc(pool);
        cr_assert_eq(rte_ring_enqueue(wire, fillers[i]), 0);
    }
    const struct order_intent intent = intent_of(1);
    struct rte_mbuf *frame = order_tx_encode(&tx, &intent, md_symbol("X"), id_of(1), nowhere);
    cr_assert_not(order_tx_send(&tx, frame));
    cr_assert_eq(tx.full_count, 1u);
    cr_assert_eq(tx.sent_count, 0u);
    cr_assert_eq(rte_mbuf_refcnt_read(frame), 1);

    rte_pktmbuf_free(take());
    cr_assert_eq(order_tx_encode(&tx, &intent, md_symbol("X"), id_of(1), nowhere), frame,
                 "the same frame is tried again");
    cr_assert(order_tx_send(&tx, frame));
}

Test(order_tx, a_cancel_between_orders_leaves_no_trace_in_them)
{
    const struct order_intent order = intent_of(500);
    const struct order_intent cancel = {.action = ORDER_CANCEL, .orig_ref = 1};
    struct rte_mbuf *frame;

    for (uint32_t i = 0; i < 3 * FRAMES; i++) { /* every frame carries both kinds in turn */
        frame = order_tx_encode(&tx, i % 3 == 1 ? &cancel : &order, md_symbol("MSFT"), id_of(i + 1), nowhere);
        cr_assert_not_null(frame);
        cr_assert(order_tx_send(&tx, frame));
        struct rte_mbuf *out = take();
        uint32_t message_len;
        const uint8_t *message = order_frame_message(rte_pktmbuf_mtod(out, uint8_t *), &message_len);
        if (i % 3 == 1) {
            struct ouch_cancel decoded;
            cr_assert_eq(ouch_decode_cancel(message, message_len, &decoded), 0);
            cr_assert_eq(decoded.user_ref, 1u);
        } else {
            struct ouch_enter decoded;
            cr_assert_eq(ouch_decode_enter(message, message_len, &decoded), 0);
            cr_assert_eq(decoded.qty, 500u);
            cr_assert_eq(decoded.user_ref, i + 1);
            cr_assert_eq(decoded.capacity, 'P');
        }
        rte_pktmbuf_free(out);
    }
}
