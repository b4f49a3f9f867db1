/* Guarded and exact copies of fuzz inputs. Contract in fuzz.h. Fuzz targets only, one thread. */
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ring/check.h"

const uint8_t *fuzz_copy_guarded(const uint8_t *data, size_t len)
{
    static uint8_t *end; /* first byte that cannot be read */
    CHECK(len <= FUZZ_GUARDED_MAX);
    if (end == NULL) {
        const size_t page_len = (size_t)sysconf(_SC_PAGESIZE);
        uint8_t *memory =
            mmap(NULL, FUZZ_GUARDED_MAX + page_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(memory != MAP_FAILED);
        end = memory + FUZZ_GUARDED_MAX;
        CHECK(mprotect(end, page_len, PROT_NONE) == 0);
    }
    if (len > 0)
        memcpy(end - len, data, len);
    return end - len;
}

uint8_t *fuzz_copy_exact(const uint8_t *data, size_t len)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    CHECK(copy != NULL);
    if (len > 0)
        memcpy(copy, data, len);
    return copy;
}

uint32_t fuzz_read_all(const uint8_t *data, size_t len)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < len; i++)
        sum += data[i];
    __asm__ volatile("" : : "r"(sum)); /* the reads must happen */
    return sum;
}
