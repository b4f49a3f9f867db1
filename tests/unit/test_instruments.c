/* instruments: symbols become numbers when the feed defines them; a reset makes every block unseen, and no more. */
#include "gateway/strategy/instruments.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

struct block { struct instruments_mark mark; uint64_t value; };

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

Test(instruments, have_blocks_of_their_own_and_a_reset_makes_each_unseen_once)
{
    struct instruments instruments;
    void *memory = memory_of(&instruments, NULL, 0);
    for (uint16_t channel = 0; channel < 2; channel++)
        for (uint16_t i = 0; i < counts[channel]; i++) {
            struct block *block = of(&instruments, MD_DEFINE, channel, i, 1);
            cr_assert_not(block->mark.seen);
            block->mark.seen = true;
            block->value = channel * 100u + i;
        }
    for (int round = 0; round < 3; round++) {
        if (round > 0)
            instruments_reset(&instruments);
        for (uint16_t channel = 0; channel < 2; channel++)
            for (uint16_t i = 0; i < counts[channel]; i++) {
                struct block *block = of(&instruments, MD_ADD, channel, i, 1);
                cr_assert_not_null(block, "still traded");
                cr_assert_eq(block->value, channel * 100u + i, "what is its own it keeps");
                cr_assert_eq(block->mark.seen, round == 0);
                block->mark.seen = true;
                cr_assert(((struct block *)of(&instruments, MD_ADD, channel, i, 1))->mark.seen, "once for each reset");
            }
    }
    free(memory);
}

Test(instruments, lost_twice_between_two_events_is_lost_once)
{
    struct instruments instruments;
    void *memory = memory_of(&instruments, NULL, 0);
    instruments.epoch[0] = instruments.forgotten[0] = UINT32_MAX - 2; /* the counter wraps on the way */
    of(&instruments, MD_DEFINE, 0, 1, 1)->mark.seen = true;
    for (uint32_t i = 0; i < 5; i++) {
        instruments_reset(&instruments);
        instruments_reset(&instruments);
        cr_assert_not(of(&instruments, MD_ADD, 0, 1, 1)->mark.seen);
        of(&instruments, MD_ADD, 0, 1, 1)->mark.seen = true;
        cr_assert(of(&instruments, MD_ADD, 0, 1, 1)->mark.seen);
    }
    cr_assert_eq(instruments.epoch[0], 7u);
    free(memory);
}

Test(instruments, behind_any_number_of_symbols_blocks_are_aligned)
{
    static const uint64_t wanted[] = {11, 22, 33};
    for (uint32_t n = 0; n <= 3; n++) {
        struct instruments instruments;
        void *memory = memory_of(&instruments, wanted, n);
        for (uint16_t i = 0; i < counts[1]; i++) {
            const struct block *block = of(&instruments, MD_DEFINE, 1, i, 11);
            cr_assert_not_null(block);
            cr_assert_eq((uintptr_t)block % _Alignof(struct block), 0u);
            cr_assert_leq((const uint8_t *)(block + 1), (const uint8_t *)memory + n * 8 + 8 * sizeof(struct block));
        }
        free(memory);
    }
}

Test(instruments, a_new_session_knows_none_until_it_defines_them)
{
    struct instruments instruments;
    const struct md_event session = {.type = MD_SESSION, .channel = 1, .instrument = MD_INSTRUMENT_NONE};
    void *memory = memory_of(&instruments, NULL, 0);
    for (uint16_t i = 0; i < 3; i++) {
        of(&instruments, MD_DEFINE, 0, i, 1)->mark.seen = true;
        of(&instruments, MD_DEFINE, 1, i, 1)->mark.seen = true;
    }
    of(&instruments, MD_SESSION, 1, 0, 0);
    cr_assert_not_null(of(&instruments, MD_ADD, 1, 0, 0), "a session begins for a channel, never for an instrument");
    for (uint8_t type = MD_TIME; type < MD_TYPE_COUNT; type++)
        if (type != MD_SESSION && type != MD_RESET)
            cr_assert_null(of(&instruments, (enum md_type)type, 1, MD_INSTRUMENT_NONE, 0));
    for (uint16_t i = 0; i < 3; i++) {
        const struct block *block = of(&instruments, MD_ADD, 1, i, 0);
        cr_assert(block && block->mark.seen, "no other news of the channel ends it");
    }
    cr_assert_null(instruments_of(&instruments, &session));
    for (uint16_t i = 0; i < 3; i++) {
        cr_assert_null(of(&instruments, MD_ADD, 1, i, 0), "the number may be another symbol's now");
        cr_assert(of(&instruments, MD_ADD, 0, i, 0)->mark.seen, "the other channel goes on");
        const struct block *block = of(&instruments, MD_DEFINE, 1, i, 1);
        cr_assert_not_null(block);
        cr_assert_not(block->mark.seen, "prices of the session before are no reference");
    }
    free(memory);
}

Test(instruments, a_reset_leaves_none_until_what_is_known_has_followed)
{
    struct instruments instruments;
    const struct md_event reset = {
        .type = MD_RESET, .flags = MD_REFRESH, .channel = 1, .instrument = MD_INSTRUMENT_NONE};
    void *memory = memory_of(&instruments, NULL, 0);
    of(&instruments, MD_DEFINE, 0, 2, 1)->mark.seen = true;
    of(&instruments, MD_DEFINE, 1, 2, 1)->mark.seen = true;
    of(&instruments, MD_ADD, 1, 2, 1)->value = 77;
    cr_assert_null(instruments_of(&instruments, &reset));
    cr_assert_null(of(&instruments, MD_ADD, 1, 2, 0));
    cr_assert(of(&instruments, MD_ADD, 0, 2, 0)->mark.seen, "the other channel goes on");
    const struct block *block = of(&instruments, MD_DEFINE, 1, 2, 1);
    cr_assert(block && !block->mark.seen && block->value == 77, "what is the strategy's own stays");
    free(memory);
}

Test(instruments, the_channel_as_a_whole_is_no_instrument_however_many_there_are)
{
    struct instruments instruments;
    static const uint32_t all[1] = {65536};
    const struct strategy_setup setup = {.channel_count = 1, .instrument_counts = all};
    void *memory = calloc(1, instruments_bytes(&setup, sizeof(struct block)));
    instruments_init(&instruments, memory, &setup, sizeof(struct block));
    cr_assert_not_null(of(&instruments, MD_DEFINE, 0, MD_INSTRUMENT_NONE - 1, 1));
    cr_assert_null(of(&instruments, MD_DEFINE, 0, MD_INSTRUMENT_NONE, 1));
    cr_assert_null(of(&instruments, MD_STALE_BEGIN, 0, MD_INSTRUMENT_NONE, 0));
    free(memory);
}
