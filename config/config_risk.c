/* The risk section, and those of strategies: values, and what they mean together. The defaults are small on purpose:
 * whoever wants more has to write it down. See config_load.h. */
#include "config/config_values.h"

#include <errno.h>
#include <string.h>

#define MONEY_MAX         1000000000000000000u /* as the table of limits in gateway/order/risk_limits.c has it */
#define OR(raw, fallback) ((raw) ? *(raw) : (fallback))

/* Nothing that is off is asked for; what must be given is as wide as it may be. */
static const struct config_limits unlimited = {.order_qty_max = 999999,
                                               .order_notional_max = 1000000000000000,
                                               .collar_bps = 10000,
                                               .position_max = INT32_MAX,
                                               .rate_per_s = 10000000,
                                               .rate_burst = 1000000};
static const struct config_limits small = {.order_qty_max = 100,
                                           .order_notional_max = 500000000,
                                           .collar_bps = 100,
                                           .position_max = 1000,
                                           .rate_per_s = 10,
                                           .rate_burst = 10};

/* HH:MM or HH:MM:SS, in seconds; 24:00 is the end of the day. */
static uint32_t time_of_day(const struct config_load *load, struct config_at at, const char *raw)
{
    static const char format[] = "dd:dd:dd";
    const size_t len = raw ? strlen(raw) : 0;
    bool good = len == 5 || len == 8;

    if (!raw || config_bad(load, &at))
        return 0;
    for (size_t i = 0; i < len && good; i++)
        good = format[i] == 'd' ? raw[i] >= '0' && raw[i] <= '9' : raw[i] == format[i];
    if (good) {
        const uint32_t hours = (uint32_t)(raw[0] - '0') * 10 + (uint32_t)(raw[1] - '0');
        const uint32_t minutes = (uint32_t)(raw[3] - '0') * 10 + (uint32_t)(raw[4] - '0');
        const uint32_t seconds = len == 8 ? (uint32_t)(raw[6] - '0') * 10 + (uint32_t)(raw[7] - '0') : 0;
        const uint32_t value = hours * 3600 + minutes * 60 + seconds;
        if (minutes < 60 && seconds < 60 && value <= 86400)
            return value;
    }
    config_say(load, false, at.path, "'%.48s' is no time of day; write HH:MM or HH:MM:SS, up to 24:00", raw);
    return 0;
}

static void limits(const struct config_load *load, const char *path, const struct raw_limits *raw,
                   const struct config_limits *fallback, struct config_limits *ret)
{
#define LIMIT(key, min, max)                                                                                           \
    ret->key = (__typeof__(ret->key))config_number(load, config_at("%s." #key, path), raw->key, min, max, fallback->key)
    *ret = (struct config_limits){.present = true, .line = config_line_of(load, config_at("%s", path))};
    LIMIT(order_qty_max, 1, 999999);
    LIMIT(order_notional_max, 1, 1000000000000000);
    LIMIT(collar_bps, 0, 10000);
    LIMIT(collar_last_bps, 0, 10000);
    LIMIT(collar_close_bps, 0, 10000);
    LIMIT(position_max, 1, INT32_MAX);
    LIMIT(open_orders_max, 0, 1048576);
    LIMIT(gross_max, 0, MONEY_MAX);
    LIMIT(net_max, 0, MONEY_MAX);
    LIMIT(loss_max, 0, MONEY_MAX);
    LIMIT(rate_per_s, 1, 10000000);
    LIMIT(rate_burst, 1, 1000000);
    LIMIT(duplicate_ms, 0, 3600000);
#undef LIMIT
    ret->hours_from_s = time_of_day(load, config_at("%s.hours_from", path), raw->hours_from);
    ret->hours_to_s = time_of_day(load, config_at("%s.hours_to", path), raw->hours_to);
    if (!raw->hours_from != !raw->hours_to)
        config_say(load, false, config_at("%s.%s", path, raw->hours_from ? "hours_from" : "hours_to").path,
                   "does nothing without %s; give both or neither", raw->hours_from ? "hours_to" : "hours_from");
    else if (raw->hours_from && ret->hours_from_s >= ret->hours_to_s)
        config_say(load, false, config_at("%s.hours_to", path).path,
                   "is not after hours_from; write a later time of the same day");
}

int config_risk_convert(const struct config_load *load, const struct raw *root, struct config *config)
{
    static const struct raw_risk nothing;
    const struct raw_risk *raw = root->risk ? root->risk : &nothing;
    struct config_risk *risk = &config->risk;

    risk->line = config_line_of(load, config_at("risk"));
    risk->kill = OR(raw->kill, false);
    limits(load, "risk", &raw->limits, &small, &risk->limits);
    if (raw->gateway)
        limits(load, "risk.gateway", raw->gateway, &unlimited, &risk->gateway);
    for (uint32_t i = 0; i < config->strategy_count; i++)
        if (root->strategies[i].risk)
            limits(load, config_at("strategies[%u].risk", i).path, root->strategies[i].risk, &risk->limits,
                   &config->strategy[i].risk);
    const struct {
        uint32_t *value;
        const char *key;
        const uint64_t *raw;
        uint64_t min, max, fallback;
    } rows[] = {
        {&risk->messages_per_s, "risk.messages_per_s", raw->messages_per_s, 0, 10000000, 0},
        {&risk->messages_burst, "risk.messages_burst", raw->messages_burst, 1, 1000000, 100},
        {&risk->messages_reserve, "risk.messages_reserve", raw->messages_reserve, 0, 1000000, 20},
        {&risk->clock_back_ms, "risk.clock_back_ms", raw->clock_back_ms, 0, 3600000, 1000},
        {&risk->clock_ahead_ms, "risk.clock_ahead_ms", raw->clock_ahead_ms, 0, 3600000, 0},
        {&risk->clock_steady_ms, "risk.clock_steady_ms", raw->clock_steady_ms, 0, 3600000, 1000},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        *rows[i].value = (uint32_t)config_number(load, config_at("%s", rows[i].key), rows[i].raw, rows[i].min,
                                                 rows[i].max, rows[i].fallback);
    risk->no_bbo = OR(raw->no_bbo, CONFIG_RULE_USUAL);
    risk->one_sided = OR(raw->one_sided, CONFIG_RULE_USUAL);
    risk->locked = OR(raw->locked, CONFIG_RULE_USUAL);
    risk->crossed = OR(raw->crossed, CONFIG_RULE_REFUSE);
    risk->missing_symbol = OR(raw->missing_symbol, CONFIG_RULE_REFUSE);
    risk->self_cross = OR(raw->self_cross, CONFIG_REFUSE);
    risk->early = OR(raw->early, CONFIG_ALLOW);
    risk->late = OR(raw->late, CONFIG_ALLOW);
    risk->short_sale = OR(raw->short_sale, raw->positions_file ? CONFIG_SHORT_SALE_CHECK : CONFIG_SHORT_SALE_OFF);
    risk->mark = OR(raw->mark, CONFIG_MARK_LAST);
    risk->allow_stale = OR(raw->allow_stale, false);
    risk->reference_file = raw->reference_file ? strdup(raw->reference_file) : NULL;
    risk->positions_file = raw->positions_file ? strdup(raw->positions_file) : NULL;
    risk->reference_line = config_line_of(load, config_at("risk.reference_file"));
    risk->positions_line = config_line_of(load, config_at("risk.positions_file"));
    return !raw->reference_file == !risk->reference_file && !raw->positions_file == !risk->positions_file ? 0 : -ENOMEM;
}

/* A strategy can be held tighter than its lcore, not wider: both are asked. */
static void check_strategy(const struct config_load *load, const struct config *config, uint32_t i)
{
    const struct config_limits *its = &config->strategy[i].risk, *lcore = &config->risk.limits;
    const struct {
        const char *key;
        uint64_t its, lcore;
    } rows[] = {
        {"order_qty_max", its->order_qty_max, lcore->order_qty_max},
        {"order_notional_max", its->order_notional_max, lcore->order_notional_max},
        {"collar_bps", its->collar_bps, lcore->collar_bps},
        {"position_max", its->position_max, lcore->position_max},
        {"rate_per_s", its->rate_per_s, lcore->rate_per_s},
        {"rate_burst", its->rate_burst, lcore->rate_burst},
    };
    for (size_t j = 0; j < sizeof(rows) / sizeof(rows[0]); j++)
        if (rows[j].its > rows[j].lcore)
            config_say(load, false, config_at("strategies[%u].risk.%s", i, rows[j].key).path,
                       "%lu is more than risk.%s %lu, which holds for every strategy; lower it, or raise the other",
                       (unsigned long)rows[j].its, rows[j].key, (unsigned long)rows[j].lcore);
}

/* Each strategy lcore has an equal part of these: none of them may come to nothing. */
static void check_gateway(const struct config_load *load, const struct config *config)
{
    const struct config_limits *gateway = &config->risk.gateway;
    const struct {
        const char *key;
        uint64_t value;
        bool off;
    } rows[] = {
        {"position_max", gateway->position_max, false},
        {"open_orders_max", gateway->open_orders_max, gateway->open_orders_max == 0},
        {"gross_max", gateway->gross_max, gateway->gross_max == 0},
        {"net_max", gateway->net_max, gateway->net_max == 0},
        {"rate_per_s", gateway->rate_per_s, false},
        {"rate_burst", gateway->rate_burst, false},
    };
    uint32_t lcores = 0;

    for (uint32_t i = 0; i < config->lcore_count; i++)
        lcores += config->lcore[i].role == CONFIG_STRATEGY;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (!rows[i].off && rows[i].value < lcores)
            config_say(load, false, config_at("risk.gateway.%s", rows[i].key).path,
                       "%lu cannot be divided among %u strategy lcores; write at least that much",
                       (unsigned long)rows[i].value, lcores);
}

void config_risk_check(const struct config_load *load, const struct config *config)
{
    const struct config_risk *risk = &config->risk;
    const struct config_limits *lcore = &risk->limits;

    if (lcore->order_qty_max > lcore->position_max)
        config_say(load, true, "risk.order_qty_max",
                   "%u is more than position_max %u, so orders that large are always refused; "
                   "lower one or raise the other",
                   lcore->order_qty_max, lcore->position_max);
    if (risk->allow_stale)
        config_say(load, true, "risk.allow_stale",
                   "lets orders pass while the feed has a hole; set false outside a laboratory");
    if (risk->messages_per_s > 0 && risk->messages_reserve >= risk->messages_burst)
        config_say(load, false, "risk.messages_reserve",
                   "%u is not less than messages_burst %u, so no new order could ever be sent; write less",
                   risk->messages_reserve, risk->messages_burst);
    if (risk->short_sale == CONFIG_SHORT_SALE_CHECK && !risk->positions_file)
        config_say(load, true, "risk.short_sale",
                   "is checked against positions that begin flat; name a positions_file, or write off");
    if ((lcore->collar_close_bps > 0 || risk->no_bbo == CONFIG_RULE_CLOSE || risk->one_sided == CONFIG_RULE_CLOSE) &&
        !risk->reference_file)
        config_say(load, false, "risk.reference_file",
                   "is missing, but a previous close is asked for; name the file that has it");
    if (risk->gateway.present)
        check_gateway(load, config);
    for (uint32_t i = 0; i < config->strategy_count; i++)
        if (config->strategy[i].risk.present)
            check_strategy(load, config, i);
}
