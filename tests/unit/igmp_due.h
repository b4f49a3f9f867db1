/* When something is due of a membership: what igmp_next shall keep to, said once more. For tests alone, which let time
 * jump there; the gateway looks at its membership each step. */
#ifndef TESTS_UNIT_IGMP_DUE_H
#define TESTS_UNIT_IGMP_DUE_H

#include "gateway/port/igmp.h"

static inline uint64_t igmp_sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* When igmp_next will have something if nothing arrives meanwhile; IGMP_NEVER: never. 0: now. */
static inline uint64_t igmp_due_ns(const struct igmp *igmp)
{
    uint64_t due_ns = igmp_sooner(igmp->change_due_ns, igmp_sooner(igmp->all_due_ns, igmp->refresh_due_ns));

    if (igmp->emission != IGMP_EMIT_NOTHING)
        return 0;
    for (uint32_t i = 0; i < igmp->group_count; i++)
        due_ns = igmp_sooner(due_ns, igmp->group[i].due_ns);
    return due_ns;
}

#endif
