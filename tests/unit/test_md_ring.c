/* md_ring with one thread: every state that a slot can be in, exact loss counts at every lap distance, sequences at the
 * seams of their range. What only happens between threads is in tests/race/race_md_ring.c. */
#include "ring/md_ring.h"

#include <criterion/criterion.h>
#include <signal.h>

#define SLOTS 64u

static struct md_slot slots[SLOTS];

/* Starts that matter: the first, the seams of 32 and 63 bits, and the last ones before the range ends. */
static const uint64_t FIRST_SEQS[] = {
    1, 2, SLOTS - 1, SLOTS, UINT32_MAX - 70u, UINT32_MAX, (uint64_t)UINT32_MAX + 1, INT64_MAX - 70, INT64_MAX,
    (uint64_t)INT64_MAX + 1, UINT64_MAX - 1000,
};
#define FIRST_SEQ_COUNT (sizeof(FIRST_SEQS) / sizeof(FIRST_SEQS[0]))

static struct md_event event_of(uint64_t seq)
{
    return (struct md_event){
        .type = (uint8_t)seq, .side = (uint8_t)(seq >> 3), .flags = (uint16_t)(seq * 3), .channel = (uint16_t)(seq * 5),
        .instrument = (uint16_t)(seq * 7), .price = (int32_t)(seq * 11), .qty = (uint32_t)(seq * 13), .ref = ~seq,
        .exchange_ns = seq * 17, .rx_tsc = seq * 19, .bid_price = (int32_t)(seq * 23), .bid_qty = (uint32_t)(seq * 29),
        .ask_price = (int32_t)(seq * 31), .ask_qty = (uint32_t)(seq * 37),
    };
}

static void push(struct md_ring *ring, uint64_t seq)
{
    const struct md_event event = event_of(seq);
    cr_assert_eq(md_ring_push(ring, &event), seq);
}

static void expect_event(struct md_ring_reader *reader, uint64_t seq)
{
    const struct md_event wanted = event_of(seq);
    struct md_event event;
    cr_assert_eq(md_ring_pop(reader, &event), MD_RING_EVENT);
    cr_assert_eq(memcmp(&event, &wanted, sizeof(event)), 0, "event %llu is not what was pushed",
                 (unsigned long long)seq);
}

/* EMPTY and OVERRUN leave the caller's event alone. */
static void expect_verdict(struct md_ring_reader *reader, enum md_ring_verdict verdict)
{
    struct md_event event, before;
    memset(&event, 0x5a, sizeof(event));
    before = event;
    cr_assert_eq(md_ring_pop(reader, &event), verdict);
    cr_assert_eq(memcmp(&event, &before, sizeof(event)), 0);
}

Test(md_ring, fresh_ring_is_empty_whatever_its_first_sequence)
{
    for (size_t i = 0; i < FIRST_SEQ_COUNT; i++) {
        struct md_ring ring;
        struct md_ring_reader reader;
        memset(slots, 0xff, sizeof(slots)); /* memory that was used before */
        md_ring_init(&ring, slots, SLOTS, FIRST_SEQS[i]);
        md_ring_reader_init(&reader, &ring);
        expect_verdict(&reader, MD_RING_EMPTY);
        cr_assert_eq(reader.next, FIRST_SEQS[i]);
    }
}

Test(md_ring, events_come_whole_and_in_order_over_several_laps)
{
    for (size_t i = 0; i < FIRST_SEQ_COUNT; i++) {
        struct md_ring ring;
        struct md_ring_reader reader;
        uint64_t pushed = FIRST_SEQS[i], popped = FIRST_SEQS[i];
        md_ring_init(&ring, slots, SLOTS, FIRST_SEQS[i]);
        md_ring_reader_init(&reader, &ring);
        for (unsigned burst = 1; burst <= 40; burst++) { /* 820 events: bursts of every length up to 40 */
            for (unsigned k = 0; k < burst; k++)
                push(&ring, pushed++);
            while (popped != pushed)
                expect_event(&reader, popped++);
            expect_verdict(&reader, MD_RING_EMPTY);
        }
        cr_assert_eq(reader.lost_count, 0);
        cr_assert_eq(reader.overrun_count, 0);
    }
}

Test(md_ring, full_ring_loses_nothing)
{
    struct md_ring ring;
    struct md_ring_reader reader;
    md_ring_init(&ring, slots, SLOTS, 1);
    md_ring_reader_init(&reader, &ring);
    for (uint64_t seq = 1; seq <= SLOTS; seq++)
        push(&ring, seq);
    for (uint64_t seq = 1; seq <= SLOTS; seq++)
        expect_event(&reader, seq);
    expect_verdict(&reader, MD_RING_EMPTY);
}

/* The reader is `behind` events behind when it looks: with more than a ringful it finds the newest event of its slot,
 * and lost + received is always what was published. */
Test(md_ring, lost_and_received_add_up_at_every_lap_distance)
{
    for (size_t i = 0; i < FIRST_SEQ_COUNT; i++) {
        for (uint64_t behind = 0; behind <= 5 * SLOTS + 3; behind++) {
            struct md_ring ring;
            struct md_ring_reader reader;
            const uint64_t first = FIRST_SEQS[i];
            md_ring_init(&ring, slots, SLOTS, first);
            md_ring_reader_init(&reader, &ring);
            for (uint64_t k = 0; k < behind; k++)
                push(&ring, first + k);

            const uint64_t lost = behind <= SLOTS ? 0 : (behind - 1) / SLOTS * SLOTS;
            if (lost > 0) {
                expect_verdict(&reader, MD_RING_OVERRUN);
                cr_assert_eq(reader.overrun_count, 1);
            }
            cr_assert_eq(reader.lost_count, lost);
            for (uint64_t k = lost; k < behind; k++)
                expect_event(&reader, first + k);
            expect_verdict(&reader, MD_RING_EMPTY);
            cr_assert_eq(reader.lost_count, lost);
        }
    }
}

Test(md_ring, second_overrun_adds_to_the_first)
{
    struct md_ring ring;
    struct md_ring_reader reader;
    md_ring_init(&ring, slots, SLOTS, 1);
    md_ring_reader_init(&reader, &ring);
    for (uint64_t seq = 1; seq <= SLOTS + 1; seq++)
        push(&ring, seq);
    expect_verdict(&reader, MD_RING_OVERRUN); /* 1 ... 64 lost, 65 found */
    for (uint64_t seq = SLOTS + 2; seq <= 2 * SLOTS + 1; seq++)
        push(&ring, seq);
    expect_verdict(&reader, MD_RING_OVERRUN); /* 65 ... 128 lost before one was read */
    cr_assert_eq(reader.lost_count, 2 * SLOTS);
    cr_assert_eq(reader.overrun_count, 2);
    expect_event(&reader, 2 * SLOTS + 1);
    expect_verdict(&reader, MD_RING_EMPTY);
}

/* The three moments of md_ring_push as a reader may meet them, laid out by hand. */
Test(md_ring, slot_that_is_being_written_is_never_new)
{
    struct md_ring ring;
    struct md_ring_reader reader;
    md_ring_init(&ring, slots, SLOTS, 1);
    md_ring_reader_init(&reader, &ring);
    push(&ring, 1);

    struct md_slot *slot = &slots[1];
    slot->seq = MD_RING_BUSY; /* marked, payload old */
    expect_verdict(&reader, MD_RING_EMPTY);
    slot->word[0] = UINT64_MAX; /* payload half new */
    expect_verdict(&reader, MD_RING_EMPTY);
    slot->seq = 1 + SLOTS; /* published: the reader was lapped by exactly one ringful */
    expect_verdict(&reader, MD_RING_OVERRUN);
    cr_assert_eq(reader.lost_count, SLOTS);
    cr_assert_eq(reader.next, 1 + SLOTS);
}

Test(md_ring, push_leaves_the_sequence_that_matches_the_slot_and_moves_the_head)
{
    struct md_ring ring;
    md_ring_init(&ring, slots, SLOTS, SLOTS * 10);
    for (uint64_t seq = SLOTS * 10; seq < SLOTS * 12; seq++) {
        push(&ring, seq);
        cr_assert_eq(slots[seq % SLOTS].seq, seq);
        cr_assert_eq(ring.head, seq + 1);
    }
}

Test(md_ring, reader_that_joins_late_begins_with_the_next_event)
{
    for (uint64_t before = 0; before < 3 * SLOTS; before++) {
        struct md_ring ring;
        struct md_ring_reader reader;
        md_ring_init(&ring, slots, SLOTS, 1);
        for (uint64_t seq = 1; seq <= before; seq++)
            push(&ring, seq);
        md_ring_reader_init(&reader, &ring);
        expect_verdict(&reader, MD_RING_EMPTY); /* the slot it waits on may hold an event of the lap before */
        push(&ring, before + 1);
        expect_event(&reader, before + 1);
        cr_assert_eq(reader.lost_count, 0);
    }
}

Test(md_ring, readers_do_not_see_each_other)
{
    struct md_ring ring;
    struct md_ring_reader fast, slow;
    md_ring_init(&ring, slots, SLOTS, 1);
    md_ring_reader_init(&fast, &ring);
    md_ring_reader_init(&slow, &ring);
    for (uint64_t seq = 1; seq <= SLOTS + 6; seq++) {
        push(&ring, seq);
        expect_event(&fast, seq);
    }
    expect_verdict(&slow, MD_RING_OVERRUN);
    cr_assert_eq(slow.lost_count, SLOTS);
    for (uint64_t seq = SLOTS + 1; seq <= SLOTS + 6; seq++)
        expect_event(&slow, seq);
    cr_assert_eq(fast.lost_count, 0);
}

/* Room is exact: that many events more and nothing is lost, one more and something is. */
Test(md_ring, room_is_what_can_be_published_without_a_loss)
{
    for (size_t i = 0; i < FIRST_SEQ_COUNT; i++) {
        for (uint64_t lag = 0; lag <= SLOTS; lag++) {
            for (unsigned more = 0; more < 2; more++) {
                struct md_ring ring;
                struct md_ring_reader reader;
                const uint64_t first = FIRST_SEQS[i];
                md_ring_init(&ring, slots, SLOTS, first);
                md_ring_reader_init(&reader, &ring);
                for (uint64_t k = 0; k < lag; k++)
                    push(&ring, first + k);
                const uint64_t room = md_ring_room(&ring, &reader.position);
                cr_assert_eq(room, SLOTS - lag);
                for (uint64_t k = 0; k < room + more; k++)
                    push(&ring, first + lag + k);
                if (more > 0)
                    expect_verdict(&reader, MD_RING_OVERRUN);
                else
                    expect_event(&reader, first);
            }
        }
    }
}

Test(md_ring, room_goes_by_the_exported_position_only)
{
    struct md_ring ring;
    struct md_ring_reader reader;
    md_ring_init(&ring, slots, SLOTS, 1);
    md_ring_reader_init(&reader, &ring);
    for (uint64_t seq = 1; seq <= 10; seq++)
        push(&ring, seq);
    for (uint64_t seq = 1; seq <= 4; seq++)
        expect_event(&reader, seq);
    cr_assert_eq(md_ring_room(&ring, &reader.position), SLOTS - 10);
    md_ring_reader_export(&reader);
    cr_assert_eq(md_ring_room(&ring, &reader.position), SLOTS - 6);
}

Test(md_ring, lapped_reader_has_no_room_until_it_exports_again)
{
    struct md_ring ring;
    struct md_ring_reader reader;
    md_ring_init(&ring, slots, SLOTS, 1);
    md_ring_reader_init(&reader, &ring);
    for (uint64_t seq = 1; seq <= 3 * SLOTS; seq++) {
        push(&ring, seq);
        cr_assert_eq(md_ring_room(&ring, &reader.position), seq <= SLOTS ? SLOTS - seq : 0);
    }
    expect_verdict(&reader, MD_RING_OVERRUN);
    md_ring_reader_export(&reader);
    cr_assert_eq(md_ring_room(&ring, &reader.position), 0);
    expect_event(&reader, 2 * SLOTS + 1);
    md_ring_reader_export(&reader);
    cr_assert_eq(md_ring_room(&ring, &reader.position), 1);
}

Test(md_ring, every_slot_has_its_turn_and_neighbours_lie_apart)
{
    static uint8_t seen[4096];
    for (uint64_t count = MD_RING_SLOTS_MIN; count <= sizeof(seen); count *= 2) {
        memset(seen, 0, sizeof(seen));
        for (uint64_t seq = UINT64_MAX - count / 2; seq != count / 2 - 1; seq++) { /* past the end of the range too */
            const uint64_t idx = md_ring_slot_idx(count - 1, seq), next = md_ring_slot_idx(count - 1, seq + 1);
            cr_assert_lt(idx, count);
            cr_assert_eq(seen[idx], 0);
            seen[idx] = 1;
            cr_assert_eq((next - idx) & (count - 1), MD_RING_STRIDE & (count - 1));
        }
    }
}

/* Only a reader that lags fetches ahead: one that waits at the head would take lines from under the producer. */
Test(md_ring, reader_remembers_where_it_found_the_ring_empty)
{
    struct md_ring ring;
    struct md_ring_reader reader;
    md_ring_init(&ring, slots, SLOTS, 1);
    md_ring_reader_init(&reader, &ring);
    cr_assert_eq(reader.empty_seq, 1);
    for (uint64_t seq = 1; seq <= 20; seq++)
        push(&ring, seq);
    for (uint64_t seq = 1; seq <= 20; seq++) {
        expect_event(&reader, seq);
        cr_assert_eq(reader.empty_seq, 1);
    }
    expect_verdict(&reader, MD_RING_EMPTY);
    cr_assert_eq(reader.empty_seq, 21);
}

Test(md_ring, writers_have_lines_of_their_own)
{
    cr_assert_eq(sizeof(struct md_slot), CACHE_LINE_BYTES);
    cr_assert_eq(offsetof(struct md_ring, head) % CACHE_LINE_BYTES, 0);
    cr_assert_eq(offsetof(struct md_ring_reader, position) % CACHE_LINE_BYTES, 0);
    cr_assert_geq(offsetof(struct md_ring_reader, position), CACHE_LINE_BYTES);
}

Test(md_ring, slot_counts_out_of_range_are_our_own_mistake, .signal = SIGABRT)
{
    struct md_ring ring;
    md_ring_init(&ring, slots, SLOTS - 1, 1);
}

Test(md_ring, sequence_zero_is_busy_and_cannot_be_the_first, .signal = SIGABRT)
{
    struct md_ring ring;
    md_ring_init(&ring, slots, SLOTS, 0);
}
