/* The table of built-in strategies. Contract in strategy_table.h. Cold code. */
#include "gateway/strategy/strategy_table.h"

#include <string.h>

extern const struct strategy_ops maker_ops; /* maker.c */
extern const struct strategy_ops probe_ops; /* probe.c */
extern const struct strategy_ops taker_ops; /* taker.c */

static const struct strategy_ops *const table[] = {&maker_ops, &probe_ops, &taker_ops};
#define TABLE_COUNT (sizeof(table) / sizeof(table[0]))

const struct strategy_ops *strategy_table_at(uint32_t index)
{
    return index < TABLE_COUNT ? table[index] : NULL;
}

const struct strategy_ops *strategy_table_find(const char *name)
{
    for (uint32_t i = 0; i < TABLE_COUNT; i++)
        if (strcmp(table[i]->name, name) == 0)
            return table[i];
    return NULL;
}
