/* instruments: symbols become numbers when the feed defines them, and a reset forgets everything but that. */
#include "gateway/strategy/instruments.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

struct block { bool traded; uint64_t value; };

static const uint32_t counts[2] = {3, 5};

static void *memory_of(struct instruments *instruments, const uint64_t *symbols, uint32_t symbol_count)
{
    const struct strategy_setup setup = {.channel_count = 2,
                                         .instrument_counts = counts,
                                         .symbols = symbols,
                                         .symbol_count = symbol_count,
                                         .symbols_channel = 1};
    void *memory = calloc(1, instruments_bytes(&setup, sizeof(struct block)));
    instruments_init(instruments, memory, &setup, sizeof(struct block));
    return memory;
}

static struct block *of(struct instruments *instruments, enum md_type type, uint16_t channel, uint16_t instrument,
                        uint64_t ref)
{
    const struct md_event event = {.type = (uint8_t)type, .channel = channel, .instrument = instrument, .ref = ref};
    return instruments_of(instruments, &event);
}

Test(instruments, are_traded_from_their_definition_on)
{
    struct instruments instruments;
    void *memory = memory_of(&instruments, NULL, 0);
    cr_assert_null(of(&instruments, MD_ADD, 1, 2, 0));
    cr_assert_not_null(of(&instruments, MD_DEFINE, 1, 2, 55));
    cr_assert_not_null(of(&instruments, MD_ADD, 1, 2, 0));
    cr_assert_null(of(&instruments, MD_ADD, 0, 2, 0), "the other channel's");
    cr_assert_null(of(&instruments, MD_DEFINE, 0, 3, 55), "beyond its channel");
    cr_assert_null(of(&instruments, MD_DEFINE, 2, 0, 55));
    cr_assert_null(of(&instruments, MD_STALE_BEGIN, 1, MD_INSTRUMENT_NONE, 0));
    free(memory);
}

Test(instruments, a_definition_as_something_else_ends_it)
{
    struct instruments instruments;
    const uint64_t wanted[] = {55};
    void *memory = memory_of(&instruments, wanted, 1);
    cr_assert_not_null(of(&instruments, MD_DEFINE, 1, 2, 55));
    cr_assert_null(of(&instruments, MD_DEFINE, 0, 2, 55), "the symbols are on channel 1");
    cr_assert_null(of(&instruments, MD_DEFINE, 1, 2, 56), "another session gives the number to another symbol");
    cr_assert_null(of(&instruments, MD_ADD, 1, 2, 55));
    free(memory);
}

Test(instruments, have_blocks_of_their_own_and_a_reset_empties_them)
{
    struct instruments instruments;
    void *memory = memory_of(&instruments, NULL, 0);
    for (uint16_t channel = 0; channel < 2; channel++)
        for (uint16_t i = 0; i < counts[channel]; i++)
            of(&instruments, MD_DEFINE, channel, i, 1)->value = channel * 100u + i;
    for (uint16_t channel = 0; channel < 2; channel++)
        for (uint16_t i = 0; i < counts[channel]; i++)
            cr_assert_eq(of(&instruments, MD_ADD, channel, i, 1)->value, channel * 100u + i);
    instruments_reset(&instruments);
    for (uint16_t channel = 0; channel < 2; channel++)
        for (uint16_t i = 0; i < counts[channel]; i++) {
            cr_assert_not_null(of(&instruments, MD_ADD, channel, i, 1), "still traded");
            cr_assert_eq(of(&instruments, MD_ADD, channel, i, 1)->value, 0u);
        }
    free(memory);
}
