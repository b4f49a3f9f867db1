/* md_event: its layout is what readers on other cores and captures of events rely on; its hash is what a replay is
 * compared by. */
#include "ring/md_event.h"

#include <criterion/criterion.h>
#include <string.h>

static const struct md_event SAMPLE = {
    .type = MD_ADD, .side = 'B', .flags = MD_MORE, .channel = 3, .instrument = 4711, .price = 1234500, .qty = 300,
    .ref = 0x1122334455667788u, .exchange_ns = 1700000000123456789u, .rx_tsc = 99, .bid_price = 1234500, .bid_qty = 800,
    .ask_price = 1234600, .ask_qty = 100,
};

Test(md_event, every_field_lies_where_the_layout_says)
{
    cr_assert_eq(sizeof(struct md_event), 56);
    cr_assert_eq(offsetof(struct md_event, type), 0);
    cr_assert_eq(offsetof(struct md_event, side), 1);
    cr_assert_eq(offsetof(struct md_event, flags), 2);
    cr_assert_eq(offsetof(struct md_event, channel), 4);
    cr_assert_eq(offsetof(struct md_event, instrument), 6);
    cr_assert_eq(offsetof(struct md_event, price), 8);
    cr_assert_eq(offsetof(struct md_event, qty), 12);
    cr_assert_eq(offsetof(struct md_event, ref), 16);
    cr_assert_eq(offsetof(struct md_event, exchange_ns), 24);
    cr_assert_eq(offsetof(struct md_event, rx_tsc), 32);
    cr_assert_eq(offsetof(struct md_event, bid_price), 40);
    cr_assert_eq(offsetof(struct md_event, bid_qty), 44);
    cr_assert_eq(offsetof(struct md_event, ask_price), 48);
    cr_assert_eq(offsetof(struct md_event, ask_qty), 52);
}

Test(md_event, type_numbers_are_frozen_because_recorded_hashes_depend_on_them)
{
    const int types[][2] = {
        {MD_TIME, 1},        {MD_DEFINE, 2},          {MD_ADD, 3},          {MD_EXECUTE, 4},      {MD_CANCEL, 5},
        {MD_DELETE, 6},      {MD_TRADE, 7},           {MD_CROSS, 8},        {MD_BROKEN, 9},       {MD_STATE, 10},
        {MD_SHORT_SALE, 11}, {MD_COLLAR, 12},         {MD_OPERATIONAL, 13}, {MD_IPO, 14},         {MD_IMBALANCE, 15},
        {MD_IMBALANCE_REF, 16}, {MD_RETAIL, 17},      {MD_PARTICIPANT, 18}, {MD_MWCB_LEVEL, 19},  {MD_MWCB_BREACH, 20},
        {MD_LISTING, 21},    {MD_LISTING_COLLAR, 22}, {MD_SYSTEM, 23},      {MD_STALE_BEGIN, 24}, {MD_STALE_END, 25},
        {MD_SESSION, 26},    {MD_SESSION_END, 27},
    };
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        cr_assert_eq(types[i][0], types[i][1]);
    cr_assert_eq(MD_STALE | MD_MORE | MD_REFRESH | MD_SATURATED | MD_REPLACE | MD_CORRECTS | MD_HIDDEN | MD_UNTRADABLE |
                     MD_AUCTION,
                 0x1ff);
}

Test(md_event, symbol_holds_its_first_letter_in_the_lowest_byte_and_is_space_padded)
{
    cr_assert_eq(md_symbol("AAPL"), 0x202020204c504141u);
    cr_assert_eq(md_symbol(""), 0x2020202020202020u);
    cr_assert_eq(md_symbol("ABCDEFGH"), 0x4847464544434241u);
}

Test(md_event, symbol_ignores_letters_behind_the_eighth_and_reads_nothing_behind_the_end)
{
    cr_assert_eq(md_symbol("ABCDEFGHIJ"), md_symbol("ABCDEFGH"));
    const char cut[8] = {'Z', '\0', 'X', 'X', 'X', 'X', 'X', 'X'};
    cr_assert_eq(md_symbol(cut), md_symbol("Z"));
    const char whole[8] = {'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H'}; /* not terminated: ASan watches its end */
    cr_assert_eq(md_symbol(whole), md_symbol("ABCDEFGH"));
}

Test(md_event, symbol_text_is_the_inverse_of_symbol)
{
    const char *const names[] = {"", "A", "AAPL", "BRK.A", "ZVZZT", "ABCDEFGH", "A B", "Z+"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char text[9];
        memset(text, '#', sizeof(text));
        md_symbol_text(md_symbol(names[i]), text);
        cr_assert_str_eq(text, names[i]);
    }
}

Test(md_event, symbol_text_of_zero_is_empty)
{
    char text[9] = "########";
    md_symbol_text(0, text);
    cr_assert_str_eq(text, "");
}

/* Flip each single bit of the event. The TSC is measurement only and must not matter; every other bit must. The bits of
 * MD_TIME and MD_REFRESH change what kind of event it is, to one that is left out: that is a change as well. */
Test(md_event, hash_sees_every_bit_except_the_tsc)
{
    const uint64_t hash = md_event_hash(7, &SAMPLE);
    for (unsigned bit = 0; bit < 8 * sizeof(struct md_event); bit++) {
        uint8_t bytes[sizeof(struct md_event)];
        struct md_event event;
        memcpy(bytes, &SAMPLE, sizeof(bytes));
        bytes[bit / 8] = (uint8_t)(bytes[bit / 8] ^ (1u << bit % 8));
        memcpy(&event, bytes, sizeof(event));
        const size_t at = bit / 8;
        const bool is_tsc = at >= offsetof(struct md_event, rx_tsc) && at < offsetof(struct md_event, bid_price);
        if (is_tsc)
            cr_assert_eq(md_event_hash(7, &event), hash, "bit %u of the TSC changed the hash", bit);
        else
            cr_assert_neq(md_event_hash(7, &event), hash, "bit %u did not change the hash", bit);
    }
}

Test(md_event, hash_passes_time_marks_and_refreshes_over)
{
    struct md_event event = SAMPLE;
    event.type = MD_TIME;
    cr_assert_eq(md_event_hash(0x1234, &event), 0x1234u);
    event = SAMPLE;
    event.flags |= MD_REFRESH;
    cr_assert_eq(md_event_hash(0x1234, &event), 0x1234u);
}

Test(md_event, hash_depends_on_the_order_of_events)
{
    struct md_event other = SAMPLE;
    other.ref++;
    const uint64_t forth = md_event_hash(md_event_hash(0, &SAMPLE), &other);
    const uint64_t back = md_event_hash(md_event_hash(0, &other), &SAMPLE);
    cr_assert_neq(forth, back);
}

Test(md_event, hash_counts_a_repeated_event_as_often_as_it_comes)
{
    uint64_t seen[64];
    uint64_t hash = 0;
    for (unsigned i = 0; i < 64; i++) {
        hash = md_event_hash(hash, &SAMPLE);
        seen[i] = hash;
        for (unsigned k = 0; k < i; k++)
            cr_assert_neq(seen[k], hash, "%u and %u repeats look the same", k + 1, i + 1);
    }
}

/* Freezes the function itself: golden files hold its values. */
Test(md_event, hash_of_a_known_event_never_changes)
{
    const uint64_t hash = md_event_hash(0, &SAMPLE);
    cr_assert_eq(hash, 0xfe00604ed76fdc1fu, "is %#llx", (unsigned long long)hash);
}
