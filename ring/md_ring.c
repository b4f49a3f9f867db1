/* Set-up of md_ring; the hot half is in the header. Runs before the gateway is armed. */
#include "ring/md_ring.h"

void md_ring_init(struct md_ring *ring, struct md_slot *slots, uint32_t slot_count, uint64_t first_seq)
{
    CHECK(slot_count >= MD_RING_SLOTS_MIN && slot_count <= MD_RING_SLOTS_MAX);
    CHECK((slot_count & (slot_count - 1)) == 0);
    CHECK(first_seq > MD_RING_BUSY);

    ring->slots = slots;
    ring->mask = slot_count - 1;
    ring->head = first_seq;
    memset(slots, 0, (size_t)slot_count * sizeof(*slots));
    for (uint32_t i = 0; i < slot_count; i++) /* BUSY reads as "not yet", whatever the first sequence */
        slots[i].seq = MD_RING_BUSY;
}

void md_ring_reader_init(struct md_ring_reader *reader, struct md_ring *ring)
{
    const uint64_t next = MD_RING_LOAD(&ring->head); /* once: a later position would promise room that is not there */
    *reader = (struct md_ring_reader){
        .slots = ring->slots, .mask = ring->mask, .next = next, .empty_seq = next, .position = next};
}
