/* place: memory that is zeroed, whole, apart from its neighbours, and given back. */
#include "gateway/place.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

Test(place, blocks_are_zeroed_page_aligned_and_apart)
{
    static struct place place;
    static const size_t sizes[] = {1, 4096, 4097, 1 << 20, (2 << 20) + 1, 5 << 20};
    uint8_t *block[6];

    for (size_t i = 0; i < 6; i++) {
        block[i] = place_alloc(&place, sizes[i], 0);
        cr_assert_not_null(block[i]);
        cr_assert_eq((uintptr_t)block[i] % 4096, 0u);
        for (size_t j = 0; j < sizes[i]; j++)
            cr_assert_eq(block[i][j], 0);
        for (size_t j = 0; j < sizes[i]; j++)
            block[i][j] = (uint8_t)(i + 1);
    }
    for (size_t i = 0; i < 6; i++)
        for (size_t j = 0; j < sizes[i]; j += 97)
            cr_assert_eq(block[i][j], i + 1);
    cr_assert_geq(place.huge_bytes + place.small_bytes, (size_t)8 << 20);
    place_free(&place);
    cr_assert_eq(place.count, 0u);
}

Test(place, nothing_and_too_many_are_refused)
{
    static struct place place;

    cr_assert_null(place_alloc(&place, 0, 0));
    for (unsigned i = 0; i < PLACE_BLOCKS_MAX; i++)
        cr_assert_not_null(place_alloc(&place, 64, 0));
    cr_assert_null(place_alloc(&place, 64, 0));
    place_free(&place);
}

Test(place, more_than_the_host_has_is_refused_before_it_is_touched)
{
    static struct place place;
    const size_t all = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);

    cr_assert_null(place_alloc(&place, all, 0), "the kernel would kill whom it likes");
    cr_assert_eq(place.count, 0u);
}

Test(place, a_cpu_has_a_node)
{
    cr_assert_geq(place_node_of_cpu(0), 0);
    cr_assert_eq(place_node_of_cpu(100000), 0, "an unknown CPU is no reason to fail here");
}

Test(place, memory_in_use_lies_on_a_node_and_an_odd_one_is_named)
{
    static const struct { int nodes[3]; const char *word; } rows[] = {
        {{0, 0, 0}, NULL},   {{0, 0, -1}, NULL},   {{0, -1, 0}, NULL},       {{-1, 1, 0}, NULL},
        {{0, 1, 0}, "lies"}, {{0, 0, 1}, "device"}, {{0, 1, 1}, "to the CPU"}, {{0, 1, -1}, "lies"},
    };
    static char used[64] = {1};
    const int node = place_node_of_memory(used);

    cr_expect(node == -1 || node == place_node_of_cpu(0) || node > 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *odd = place_odd(rows[i].nodes);
        cr_expect_eq(odd == NULL, rows[i].word == NULL, "row %zu", i);
        cr_expect(!odd || strstr(odd, rows[i].word), "row %zu: %s", i, odd);
    }
}

/* Sanitizers do not lock: they say 0 and do nothing. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
Test(place, what_is_mapped_after_a_lock_is_there_before_it_is_touched)
{
    const size_t bytes = 64 * 4096;
    unsigned char resident[64];
    const int error = place_lock();
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    cr_assert_neq(memory, MAP_FAILED, "a limit on locked memory must not refuse memory later");
    cr_assert_eq(mincore(memory, bytes, resident), 0);
    if (error == 0)
        for (size_t i = 0; i < sizeof(resident); i++)
            cr_expect(resident[i] & 1, "page %zu", i);
    else
        cr_expect(error == -ENOMEM || error == -EPERM);
    munmap(memory, bytes);
}
#endif
