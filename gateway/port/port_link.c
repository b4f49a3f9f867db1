/* See port_link.h. */
#include "gateway/port/port_link.h"

#include <inttypes.h>

#define TELL_NS UINT64_C(1000000000)

static void count(uint64_t *counter)
{
    __atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

bool port_link_seen(struct port_link *link, bool up, uint32_t event_count, uint64_t now_ns)
{
    const uint32_t events = event_count - link->seen_count;
    const bool came_up = up && link->looked && (!link->up || events >= 2);

    link->looked = true;
    if (link->known && !link->up)
        link->down_ns += now_ns - link->seen_ns;
    link->seen_ns = now_ns;
    link->seen_count = event_count;
    if (!link->known) {
        link->known = link->up = link->said_up = up;
        return came_up;
    }
    if (up && link->up && events >= 2) { /* down and up again since the last look */
        count(&link->lost_count);
        count(&link->back_count);
    } else if (up && !link->up) {
        count(&link->back_count);
    } else if (!up && link->up) {
        count(&link->lost_count);
    }
    link->up = up;
    return came_up;
}

bool port_link_tell(struct port_link *link, const char *name, uint64_t now_ns, FILE *out)
{
    if (link->up == link->said_up || (link->said_ns != 0 && now_ns - link->said_ns < TELL_NS))
        return false;
    link->said_up = link->up;
    link->said_ns = now_ns;
    if (link->up)
        fprintf(out, "tickgate: port %s: the link is back (lost %" PRIu64 " times)\n", name, link->lost_count);
    else
        fprintf(out, "tickgate: port %s: THE LINK IS LOST; look at the cable and at the other side\n", name);
    return true;
}
