/* Byte order as a type: what every wire format of feed/ and gateway/order/ is spelled with, on any thread. A wire
 * struct is made of these, so nothing is packed, no access is unaligned, and a field can only be read in host order.
 * The load_ functions take plain pointers, for parsers that walk bytes. They check nothing: the caller has compared
 * the length. */
#ifndef FEED_WIRE_H
#define FEED_WIRE_H

#include <stdint.h>
#include <string.h>

struct be16 { uint8_t b[2]; };
struct be32 { uint8_t b[4]; };
struct be48 { uint8_t b[6]; };
struct be64 { uint8_t b[8]; };
struct alpha4 { uint8_t b[4]; }; /* ASCII, left-justified, space padded */
struct alpha8 { uint8_t b[8]; };

static inline uint16_t load_be16(const void *from)
{
    uint16_t value;
    memcpy(&value, from, sizeof(value));
    return __builtin_bswap16(value);
}

static inline uint32_t load_be32(const void *from)
{
    uint32_t value;
    memcpy(&value, from, sizeof(value));
    return __builtin_bswap32(value);
}

static inline uint64_t load_be64(const void *from)
{
    uint64_t value;
    memcpy(&value, from, sizeof(value));
    return __builtin_bswap64(value);
}

/* Reads exactly six bytes. */
static inline uint64_t load_be48(const void *from)
{
    const uint8_t *bytes = from;
    return (uint64_t)load_be16(bytes) << 32 | load_be32(bytes + 2);
}

static inline void store_be16(void *to, uint16_t value)
{
    value = __builtin_bswap16(value);
    memcpy(to, &value, sizeof(value));
}

static inline void store_be32(void *to, uint32_t value)
{
    value = __builtin_bswap32(value);
    memcpy(to, &value, sizeof(value));
}

static inline void store_be48(void *to, uint64_t value)
{
    uint8_t *bytes = to;
    store_be16(bytes, (uint16_t)(value >> 32));
    store_be32(bytes + 2, (uint32_t)value);
}

static inline void store_be64(void *to, uint64_t value)
{
    value = __builtin_bswap64(value);
    memcpy(to, &value, sizeof(value));
}

/* Eight ASCII letters as md_symbol() packs them: first letter in the lowest byte. */
static inline uint64_t load_alpha8(const void *from)
{
    uint64_t value;
    memcpy(&value, from, sizeof(value));
    return value;
}

/* Four ASCII letters, space padded to the eight of a symbol. */
static inline uint64_t load_alpha4(const void *from)
{
    uint32_t value;
    memcpy(&value, from, sizeof(value));
    return (uint64_t)value | (uint64_t)0x20202020u << 32;
}

static inline void store_alpha8(void *to, uint64_t value)
{
    memcpy(to, &value, sizeof(value));
}

/* The first four letters; the others are not on the wire. */
static inline void store_alpha4(void *to, uint64_t value)
{
    const uint32_t letters = (uint32_t)value;
    memcpy(to, &letters, sizeof(letters));
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tickgate runs on little-endian hosts");

#endif
