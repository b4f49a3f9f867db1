/* The strategies that are built in, by name. Set-up. */
#ifndef GATEWAY_STRATEGY_STRATEGY_TABLE_H
#define GATEWAY_STRATEGY_STRATEGY_TABLE_H

#include "gateway/strategy/strategy.h"

/* The strategy called `name`, or NULL. */
const struct strategy_ops *strategy_table_find(const char *name);
/* The i-th strategy of the table, NULL past its end. */
const struct strategy_ops *strategy_table_at(uint32_t index);

#endif
