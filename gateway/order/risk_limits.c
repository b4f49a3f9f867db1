/* See risk_limits.h. */
#include "gateway/order/risk_limits.h"

#include "ring/check.h"

#include <stddef.h>
#include <string.h>

#define ALL   (RISK_SCOPE_STRATEGY | RISK_SCOPE_LCORE | RISK_SCOPE_GATEWAY)
#define ORDER (RISK_SCOPE_STRATEGY | RISK_SCOPE_LCORE)
#define ROW(key, what, from, to, where)                                                                                \
    {                                                                                                                  \
        .name = #key, .unit = what, .min = from, .max = to, .scopes = where,                                           \
        .offset = offsetof(struct risk_limits, key), .size = sizeof(((struct risk_limits *)0)->key)                    \
    }

#define MONEY_MAX UINT64_C(1000000000000000000) /* sums and products of it stay within 63 bits */
#define DAY_S     86400

static const struct risk_limits_row rows[] = {
    ROW(order_qty_max, "shares", 1, 999999, ORDER),
    ROW(order_notional_max, "money", 1, UINT64_C(1000000000000000), ORDER),
    ROW(collar_bps, "bps", 0, 10000, ORDER),
    ROW(collar_last_bps, "bps", 0, 10000, ORDER),
    ROW(collar_close_bps, "bps", 0, 10000, ORDER),
    ROW(position_max, "shares", 1, INT32_MAX, ALL),
    ROW(open_orders_max, "orders", 0, 1048576, ALL),
    ROW(gross_max, "money", 0, MONEY_MAX, ALL),
    ROW(net_max, "money", 0, MONEY_MAX, ALL),
    ROW(loss_max, "money", 0, MONEY_MAX, ALL),
    ROW(rate_per_s, "1/s", 1, 10000000, ALL),
    ROW(rate_burst, "orders", 1, 1000000, ALL),
    ROW(messages_per_s, "1/s", 0, 10000000, RISK_SCOPE_LCORE),
    ROW(messages_burst, "messages", 1, 1000000, RISK_SCOPE_LCORE),
    ROW(messages_reserve, "messages", 0, 1000000, RISK_SCOPE_LCORE),
    ROW(duplicate_ms, "ms", 0, 3600000, ORDER),
    ROW(hours_from_s, "s", 0, DAY_S, ORDER),
    ROW(hours_to_s, "s", 0, DAY_S, ORDER),
    ROW(clock_back_ms, "ms", 0, 3600000, RISK_SCOPE_LCORE),
    ROW(clock_ahead_ms, "ms", 0, 3600000, RISK_SCOPE_LCORE),
    ROW(clock_steady_ms, "ms", 0, 3600000, RISK_SCOPE_LCORE),
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

uint32_t risk_limits_count(void)
{
    return ROWS;
}

const struct risk_limits_row *risk_limits_row(uint32_t idx)
{
    CHECK(idx < ROWS);
    return &rows[idx];
}

uint32_t risk_limits_find(const char *name)
{
    for (uint32_t i = 0; i < ROWS; i++)
        if (strcmp(rows[i].name, name) == 0)
            return i;
    return UINT32_MAX;
}

uint64_t risk_limits_get(const struct risk_limits *limits, uint32_t idx)
{
    const struct risk_limits_row *row = risk_limits_row(idx);
    const uint8_t *at = (const uint8_t *)limits + row->offset;
    uint64_t wide;
    uint32_t narrow;

    if (row->size == sizeof(wide)) {
        memcpy(&wide, at, sizeof(wide));
        return wide;
    }
    memcpy(&narrow, at, sizeof(narrow));
    return narrow;
}

bool risk_limits_set(struct risk_limits *limits, uint32_t idx, uint64_t value)
{
    const struct risk_limits_row *row = risk_limits_row(idx);
    uint8_t *at = (uint8_t *)limits + row->offset;
    const uint32_t narrow = (uint32_t)value;

    if (value < row->min || value > row->max)
        return false;
    if (row->size == sizeof(value))
        memcpy(at, &value, sizeof(value));
    else
        memcpy(at, &narrow, sizeof(narrow));
    return true;
}
