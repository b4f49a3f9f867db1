/* See line.h. */
#include "gateway/line.h"

bool line_add(struct lines *lines, uint32_t group, uint16_t udp_port, uint32_t source, struct channel *channel,
              uint8_t line)
{
    if (group == 0 || lines->count == LINES_MAX || line_find(lines, group, udp_port))
        return false;
    uint32_t i = line_slot(group, udp_port);
    while (lines->slot[i].group != 0)
        i = (i + 1) % LINE_SLOTS;
    lines->slot[i] =
        (struct line){.group = group, .source = source, .udp_port = udp_port, .line = line, .channel = channel};
    lines->count++;
    return true;
}
