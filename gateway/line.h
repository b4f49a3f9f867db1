/* Lines: which channel a datagram belongs to, by destination address and port, in software, since 32 groups share
 * one MAC address. A small table per rx lcore, filled before armed, read by that lcore alone. */
#ifndef GATEWAY_LINE_H
#define GATEWAY_LINE_H

#include "feed/channel.h"

#include <stdbool.h>
#include <stdint.h>

#define LINES_MAX 144u  /* of all feeds of a config, and an address of each for answers to its requests */
#define LINE_SLOTS 256u /* little more than half full at most, so that a search ends soon */

struct line {
    uint32_t group;        /* host byte order; 0 = slot free */
    uint32_t source;       /* only from this address; 0 = any */
    uint16_t udp_port;
    uint8_t line;          /* line of its channel, or CHANNEL_LINE_RETRANSMISSION: answers of re-request servers */
    bool verify;           /* UDP checksums are looked at; set after line_add */
    struct channel *channel;
    uint64_t frame_count;  /* writer: the rx lcore; readers: any */
    uint64_t source_count; /* frames of another source, refused */
};

struct lines {
    struct line slot[LINE_SLOTS];
    uint32_t count;
};

/* False: the table is full, or group and port are taken. */
bool line_add(struct lines *lines, uint32_t group, uint16_t udp_port, uint32_t source, struct channel *channel,
              uint8_t line);

static inline uint32_t line_slot(uint32_t group, uint16_t udp_port)
{
    return ((group ^ (uint32_t)udp_port << 16) * 0x9e3779b1u) >> 24;
}
_Static_assert(LINE_SLOTS == 256, "line_slot gives eight bits");

/* The line of a destination, or NULL: foreign. */
static inline struct line *line_find(struct lines *lines, uint32_t group, uint16_t udp_port)
{
    for (uint32_t i = line_slot(group, udp_port);; i = (i + 1) % LINE_SLOTS) {
        struct line *line = &lines->slot[i];
        if (line->group == 0)
            return NULL;
        if (line->group == group && line->udp_port == udp_port)
            return line;
    }
}

#endif
