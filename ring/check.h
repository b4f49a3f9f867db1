/* Our own mistakes, and only ours. CHECK aborts with file and line; DCHECK is the same on hot paths and exists only in
 * debug, sanitizer and fuzz builds. Neither is ever used on bytes from the wire, on resource pressure or on config. */
#ifndef RING_CHECK_H
#define RING_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (__builtin_expect(!(condition), 0)) {                                                                       \
            fprintf(stderr, "%s:%d: impossible state: %s\n", __FILE__, __LINE__, #condition);                          \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

#ifdef TICKGATE_DCHECK
#define DCHECK(condition) CHECK(condition)
#else
#define DCHECK(condition) ((void)sizeof(!(condition)))
#endif

#define LIKELY(condition) __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define CACHE_LINE_BYTES 64

/* A pointer that is to stay in its register: GCC would compute the address of an element anew for each use. */
#define KEEP(pointer) __asm__("" : "+r"(pointer))

#endif
