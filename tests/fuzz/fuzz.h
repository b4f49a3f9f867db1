/* What the fuzz targets share: the entry point that libFuzzer and fuzz_main call, and copies of an input that show a
 * read past its end. A target checks properties with CHECK and gives the code under test nothing but copies. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Run the target on one input. Always 0; a broken property aborts. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* A copy whose last byte is the last before a page that cannot be read: a read past the end is a SIGSEGV in any build.
 * Valid until the next call. `len` at most FUZZ_GUARDED_MAX. */
#define FUZZ_GUARDED_MAX (1u << 20)
const uint8_t *fuzz_copy_guarded(const uint8_t *data, size_t len);

/* A copy on the heap of exactly its size, for the address sanitizer; to be freed. */
uint8_t *fuzz_copy_exact(const uint8_t *data, size_t len);

/* Read every byte; the sum is only there to be used. */
uint32_t fuzz_read_all(const uint8_t *data, size_t len);

#endif
