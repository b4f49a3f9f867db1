/* The four functions that compilers call by themselves, for tests/counts/counts.c: libc chooses among a dozen of each
 * by the CPU it runs on, and counts would differ from host to host. These take the place of libc's in that program, are
 * counted like any other function, and are written so that they do not call themselves. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint64_t __attribute__((may_alias, aligned(1))) word;

void *memmove(void *to, const void *from, size_t len)
{
    uint8_t *a = to;
    const uint8_t *b = from;
    if ((uintptr_t)a - (uintptr_t)b >= len) { /* forwards is right where `to` does not begin inside of `from` */
        for (; len >= sizeof(word); len -= sizeof(word), a += sizeof(word), b += sizeof(word))
            *(word *)(void *)a = *(const word *)(const void *)b;
        while (len-- > 0)
            *a++ = *b++;
    } else {
        while (len-- > 0)
            a[len] = b[len];
    }
    return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t len)
{
    return memmove(to, from, len);
}

void *memset(void *to, int value, size_t len)
{
    uint8_t *a = to;
    const uint64_t words = (uint8_t)value * UINT64_C(0x0101010101010101);
    for (; len >= sizeof(word); len -= sizeof(word), a += sizeof(word))
        *(word *)(void *)a = words;
    while (len-- > 0)
        *a++ = (uint8_t)value;
    return to;
}

int memcmp(const void *one, const void *other, size_t len)
{
    const uint8_t *a = one, *b = other;
    for (size_t i = 0; i < len; i++)
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    return 0;
}
