/* replay_source: frames reach the wire whole, in order, when they are due, and never where a reader has no room. */
#include "gateway/replay_source.h"

#include "feed/channel.h"
#include "tests/eal/eal_fixture.h"

#include <rte_mbuf_dyn.h>
#include <stdlib.h>
#include <string.h>

#define WIRE_SLOTS 64u

static struct replay_source *source;
static struct place place;
static struct rte_ring *wire;
static struct rte_mempool *pool;
static size_t dynfield;

static void start(void)
{
    uint64_t dynflag;
    int offset;

    eal_fixture_start("replay-source");
    source = aligned_alloc(64, (sizeof(*source) + 63) / 64 * 64);
    cr_assert_eq(replay_source_init(source, &place, 2 * sizeof(struct replay_block), 0), 0);
    pool = rte_pktmbuf_pool_create("frames", 127, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
    wire = rte_ring_create("wire", WIRE_SLOTS, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);
    cr_assert_eq(rte_mbuf_dyn_rx_timestamp_register(&offset, &dynflag), 0);
    dynfield = (size_t)offset;
    source->pool = pool;
    source->wire = wire;
    source->port_id = 3;
    source->dynfield = dynfield;
    source->dynflag = dynflag;
}

static void stop(void)
{
    place_free(&place);
    free(source);
    eal_fixture_stop();
}

TestSuite(replay_source, .init = start, .fini = stop, .timeout = 60);

/* A frame whose bytes and length follow from its number. */
static uint32_t frame_make(uint64_t number, uint8_t *bytes)
{
    const uint32_t len = 60 + (uint32_t)(number * 37 % 1400);
    for (uint32_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(number * 131 + i);
    return len;
}

static bool add(uint64_t number, uint64_t ts_ns)
{
    uint8_t bytes[2048];
    const struct capture_frame frame = {.ts_ns = ts_ns, .data = bytes, .len = frame_make(number, bytes)};
    return replay_source_add(source, &frame);
}

static struct rte_mbuf *take(void)
{
    void *frame = NULL;
    return rte_ring_dequeue(wire, &frame) == 0 ? frame : NULL;
}

Test(replay_source, streams_more_than_its_memory_in_order_and_whole)
{
    const uint64_t total = 20000; /* some 15 MiB through 2 MiB of blocks */
    uint64_t added = 0, seen = 0;
    bool finished = false;
    uint8_t expected[2048];

    while (!source->ended || rte_ring_count(wire) > 0) {
        while (added < total && add(added, 1000 + added * 7))
            added++;
        if (added == total && !finished)
            finished = replay_source_finish(source);
        replay_source_step(source, 32);
        for (struct rte_mbuf *frame; (frame = take()); seen++) {
            cr_assert_eq(rte_pktmbuf_pkt_len(frame), frame_make(seen, expected), "length of frame %lu", seen);
            cr_assert_arr_eq(rte_pktmbuf_mtod(frame, uint8_t *), expected, rte_pktmbuf_pkt_len(frame));
            cr_assert_eq(*RTE_MBUF_DYNFIELD(frame, dynfield, uint64_t *), 1000 + seen * 7);
            cr_assert_eq(frame->port, 3);
            rte_pktmbuf_free(frame);
        }
    }
    cr_assert_eq(seen, total);
    cr_assert_eq(source->frame_count, total);
}

Test(replay_source, an_empty_replay_ends_at_once)
{
    cr_assert(replay_source_finish(source));
    replay_source_step(source, 32);
    cr_assert(source->ended);
    cr_assert_null(take());
}

Test(replay_source, a_frame_is_not_put_before_it_is_due)
{
    source->paced = true;
    source->first_ts_ns = 5000;
    source->start_tsc = clock_tsc();
    source->ticks_per_ns = 1e9; /* a nanosecond lasts for ever: only the first frame comes due */
    cr_assert(add(0, 5000) && add(1, 5001) && replay_source_finish(source));
    replay_source_step(source, 32);
    cr_assert_eq(rte_ring_count(wire), 1u);
    cr_assert_eq(source->lateness.count, 1u);
    replay_source_step(source, 32);
    cr_assert_eq(rte_ring_count(wire), 1u);
    cr_assert_not(source->ended);
    source->ticks_per_ns = 0; /* everything is due */
    replay_source_step(source, 32);
    cr_assert_eq(rte_ring_count(wire), 2u);
    cr_assert_eq(source->lateness.count, 2u, "lateness is recorded once a frame");
    rte_pktmbuf_free(take());
    rte_pktmbuf_free(take());
}

Test(replay_source, holds_back_while_a_reader_has_no_room)
{
    static struct md_slot slots[1024];
    struct md_ring ring;
    struct md_ring_reader reader;
    const struct md_event event = {.type = MD_ADD};

    md_ring_init(&ring, slots, 1024, 1);
    md_ring_reader_init(&reader, &ring);
    source->ring = &ring;
    source->room[source->room_count++].position = &reader.position;
    for (uint32_t i = 0; i < 1010; i++) /* 14 slots are free, the frame may give 24 events */
        md_ring_push(&ring, &event);
    cr_assert(add(0, 1) && replay_source_finish(source));
    replay_source_step(source, 32);
    cr_assert_eq(rte_ring_count(wire), 0u);
    cr_assert_eq(source->held_back_count, 1u);

    struct md_event popped;
    while (md_ring_pop(&reader, &popped) == MD_RING_EVENT)
        ;
    md_ring_reader_export(&reader);
    replay_source_step(source, 32);
    cr_assert_eq(rte_ring_count(wire), 1u, "the reader has caught up");
    rte_pktmbuf_free(take());
}

Test(replay_source, does_not_wait_for_ever_when_one_frame_may_fill_the_whole_ring)
{
    static struct md_slot slots[64];
    struct md_ring ring;
    struct md_ring_reader reader;

    md_ring_init(&ring, slots, 64, 1);
    md_ring_reader_init(&reader, &ring);
    source->ring = &ring;
    source->room[source->room_count++].position = &reader.position;
    cr_assert(add(39, 1) && add(39, 2) && replay_source_finish(source)); /* 103 bytes and more: up to 36 events each */
    replay_source_step(source, 32);
    cr_assert_eq(rte_ring_count(wire), 1u, "one is let through to the empty ring, the second waits for the reader");
    rte_pktmbuf_free(take());
}

Test(replay_source, without_mbufs_nothing_is_lost_but_time)
{
    struct rte_mbuf *all[127];

    cr_assert_eq(rte_pktmbuf_alloc_bulk(pool, all, 127), 0);
    cr_assert(add(0, 1) && replay_source_finish(source));
    replay_source_step(source, 32);
    cr_assert_eq(source->no_mbuf_count, 1u);
    cr_assert_eq(source->frame_count, 0u);
    rte_pktmbuf_free_bulk(all, 127);
    replay_source_step(source, 32);
    cr_assert_eq(source->frame_count, 1u);
    rte_pktmbuf_free(take());
}
