/* The gate from outside: how it begins, how its limits are changed, who closes it. See risk.h. */
#include "gateway/order/risk.h"

#define MS_NS UINT64_C(1000000)

const char *risk_verdict_name(enum risk_verdict verdict)
{
    static const char *const names[RISK_VERDICT_COUNT] = {
        [RISK_PASS] = "pass",
        [RISK_BAD_INTENT] = "bad_intent",
        [RISK_KILLED] = "killed",
        [RISK_NO_SESSION] = "no_session",
        [RISK_UNKNOWN_INSTRUMENT] = "unknown_instrument",
        [RISK_UNKNOWN_ORDER] = "unknown_order",
        [RISK_STALE] = "stale",
        [RISK_UNTRADABLE] = "untradable",
        [RISK_HALTED] = "halted",
        [RISK_NO_BBO] = "no_bbo",
        [RISK_QTY] = "qty",
        [RISK_NOTIONAL] = "notional",
        [RISK_COLLAR] = "collar",
        [RISK_POSITION] = "position",
        [RISK_RATE] = "rate",
        [RISK_OPEN_FULL] = "open_full",
        [RISK_TX_FULL] = "tx_full",
        [RISK_OVERRUN] = "overrun",
        [RISK_ORDER_BUSY] = "order_busy",
        [RISK_REFS_USED_UP] = "refs_used_up",
        [RISK_WINDOW] = "window",
        [RISK_LOG_FULL] = "log_full",
        [RISK_LOSS] = "loss",
        [RISK_SILENT] = "silent",
        [RISK_CLOCK] = "clock",
        [RISK_HOURS] = "hours",
        [RISK_EARLY] = "early",
        [RISK_LATE] = "late",
        [RISK_NO_REFERENCE] = "no_reference",
        [RISK_RESTRICTED] = "restricted",
        [RISK_TICK] = "tick",
        [RISK_LOT] = "lot",
        [RISK_ONE_SIDED] = "one_sided",
        [RISK_LOCKED] = "locked",
        [RISK_CROSSED] = "crossed",
        [RISK_COLLAR_LAST] = "collar_last",
        [RISK_COLLAR_CLOSE] = "collar_close",
        [RISK_SHORT_UNMARKED] = "short_unmarked",
        [RISK_SHORT_LOCATE] = "short_locate",
        [RISK_SHORT_PRICE] = "short_price",
        [RISK_SELF_CROSS] = "self_cross",
        [RISK_OPEN_ORDERS] = "open_orders",
        [RISK_GROSS] = "gross",
        [RISK_NET] = "net",
        [RISK_MESSAGES] = "messages",
        [RISK_DUPLICATE] = "duplicate",
    };
    return (unsigned)verdict < RISK_VERDICT_COUNT ? names[verdict] : "unknown";
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The stricter of two limits that are off where they are 0. */
static uint64_t stricter(uint64_t a, uint64_t b)
{
    return a != 0 && b != 0 ? smaller(a, b) : a | b;
}

/* `strict` becomes as strict as `limits` in what concerns an order by itself ... */
static void tighten_order(struct risk_limits *strict, const struct risk_limits *limits)
{
    const bool hours = (strict->hours_from_s | strict->hours_to_s) != 0;

    strict->order_qty_max = (uint32_t)smaller(strict->order_qty_max, limits->order_qty_max);
    strict->order_notional_max = smaller(strict->order_notional_max, limits->order_notional_max);
    strict->collar_bps = (uint32_t)smaller(strict->collar_bps, limits->collar_bps);
    strict->collar_last_bps = (uint32_t)stricter(strict->collar_last_bps, limits->collar_last_bps);
    strict->collar_close_bps = (uint32_t)stricter(strict->collar_close_bps, limits->collar_close_bps);
    if (hours && (limits->hours_from_s | limits->hours_to_s) != 0) {
        if (limits->hours_from_s > strict->hours_from_s)
            strict->hours_from_s = limits->hours_from_s;
        strict->hours_to_s = (uint32_t)smaller(strict->hours_to_s, limits->hours_to_s);
    } else if (!hours) {
        strict->hours_from_s = limits->hours_from_s;
        strict->hours_to_s = limits->hours_to_s;
    }
    if (limits->duplicate_ms > strict->duplicate_ms)
        strict->duplicate_ms = limits->duplicate_ms;
}

/* ... and in what concerns what is held and open. */
static void tighten_held(struct risk_limits *strict, const struct risk_limits *limits)
{
    strict->position_max = (uint32_t)smaller(strict->position_max, limits->position_max);
    strict->open_orders_max = (uint32_t)stricter(strict->open_orders_max, limits->open_orders_max);
    strict->gross_max = stricter(strict->gross_max, limits->gross_max);
    strict->net_max = stricter(strict->net_max, limits->net_max);
}

/* What has to be asked so that these limits are kept. */
static uint32_t ask_of(const struct risk_limits *limits)
{
    return (limits->no_early || limits->no_late ? RISK_ASK_MARKET_HOURS : 0) |
           (limits->no_reference == RISK_RULE_REFUSE ? RISK_ASK_REFERENCE : 0) |
           ((limits->hours_from_s | limits->hours_to_s) != 0 ? RISK_ASK_HOURS : 0) |
           ((limits->collar_last_bps | limits->collar_close_bps) != 0 ? RISK_ASK_COLLARS : 0) |
           (limits->open_orders_max != 0 ? RISK_ASK_OPEN_ORDERS : 0) |
           ((limits->gross_max | limits->net_max) != 0 ? RISK_ASK_MONEY : 0) |
           (limits->short_sale ? RISK_ASK_SHORT : 0) | (limits->self_cross ? RISK_ASK_SELF_CROSS : 0) |
           (limits->duplicate_ms != 0 ? RISK_ASK_DUPLICATE : 0) |
           (limits->messages_per_s != 0 ? RISK_ASK_MESSAGES : 0);
}

/* Losses have to be looked at before the next order; and whenever something is worth something else, where they have
 * limits. */
static void watch_anew(struct risk *risk, bool losses)
{
    risk->watch_mask = losses || risk->rearming != 0 ? UINT64_MAX : 0;
    risk->watched = 0;
}

/* Limits have changed: the strictest of all scopes for each strategy, and what is asked of its orders. */
static void tighten(struct risk *risk)
{
    bool losses = risk->limits.loss_max != 0 || (risk->shared && risk->share.loss_max != 0);

    for (uint32_t i = 0; i < RISK_STRATEGIES_MAX; i++) {
        struct risk_strict *strict = &risk->strict[i];
        const struct risk_limits *its = &risk->strategy[i].limits;
        const bool limited = (risk->limited >> i & 1) != 0;

        strict->limits = risk->limits;
        if (risk->shared)
            tighten_held(&strict->limits, &risk->share);
        if (limited)
            tighten_order(&strict->limits, its);
        strict->window_ns = strict->limits.duplicate_ms * MS_NS;
        strict->ask = ask_of(&strict->limits) | (risk->shared ? RISK_ASK_SHARE_RATE : 0);
        losses |= limited && its->loss_max != 0;
        if (limited)
            strict->ask |= RISK_ASK_STRATEGY | RISK_ASK_STRATEGY_RATE |
                           (ask_of(its) & (RISK_ASK_OPEN_ORDERS | RISK_ASK_MONEY));
    }
    watch_anew(risk, losses);
}

static void limits_apply(struct risk *risk, const struct risk_limits *limits)
{
    risk->limits = *limits;
    risk_bucket_set(&risk->rate, limits->rate_per_s, limits->rate_burst);
    risk_bucket_set(&risk->messages, limits->messages_per_s, limits->messages_burst);
    tighten(risk);
}

static void strategy_apply(struct risk *risk, uint32_t strategy, const struct risk_limits *limits)
{
    CHECK(strategy < RISK_STRATEGIES_MAX); /* whoever posts looks at the scope, too */
    struct risk_strategy *its = &risk->strategy[strategy];

    if ((risk->limited >> strategy & 1) == 0)
        its->rate.level_ns = INT64_MAX; /* its first limits: the bucket begins full */
    risk->limited |= 1u << strategy;
    its->limits = *limits;
    risk_bucket_set(&its->rate, limits->rate_per_s, limits->rate_burst);
    tighten(risk);
}

static void share_apply(struct risk *risk, const struct risk_limits *share)
{
    risk->share = *share;
    risk_bucket_set(&risk->share_rate, share->rate_per_s, share->rate_burst);
    tighten(risk);
}

static void rearm(struct risk *risk, uint32_t scope)
{
    risk->rearming |= 1u << scope;
    watch_anew(risk, true);
}

void risk_limit_lcore(struct risk *risk, const struct risk_limits *limits)
{
    limits_apply(risk, limits);
    risk->shown[RISK_LCORE] = *limits;
}

void risk_limit_strategy(struct risk *risk, uint32_t strategy, const struct risk_limits *limits)
{
    strategy_apply(risk, strategy, limits);
    risk->shown[RISK_STRATEGY(strategy)] = *limits;
}

void risk_limit_share(struct risk *risk, const struct risk_limits *share)
{
    risk->shared = true;
    risk->share_rate.level_ns = INT64_MAX;
    share_apply(risk, share);
    risk->shown[RISK_GATEWAY] = *share;
}

void risk_share_of(struct risk_limits *limits, uint32_t lcores)
{
    CHECK(lcores > 0 && (limits->open_orders_max == 0 || limits->open_orders_max >= lcores));
    CHECK((limits->gross_max == 0 || limits->gross_max >= lcores) &&
          (limits->net_max == 0 || limits->net_max >= lcores));
    limits->position_max /= lcores;
    limits->rate_per_s /= lcores;
    limits->rate_burst /= lcores;
    limits->open_orders_max /= lcores;
    limits->gross_max /= lcores;
    limits->net_max /= lcores;
}

void risk_init(struct risk *risk, const struct risk_limits *limits, bool killed)
{
    *risk = (struct risk){.killed = killed};
    risk->rate.level_ns = risk->messages.level_ns = INT64_MAX;
    limits_apply(risk, limits);
    for (uint32_t i = RISK_LCORE; i < RISK_GATEWAY; i++)
        risk->shown[i] = *limits; /* what holds for a strategy until it has limits of its own */
}

void risk_kill(struct risk *risk, bool killed)
{
    __atomic_store_n(&risk->killed, killed ? 1u : 0u, __ATOMIC_RELAXED); /* paired with: reserve */
}

static bool post(struct risk *risk, enum risk_post_what what, uint32_t scope, const struct risk_limits *limits)
{
    struct risk_post *post = &risk->post;

    CHECK(scope < RISK_SCOPES_MAX);
    if (!risk_post_taken(risk))
        return false;
    post->what = what;
    post->scope = scope;
    if (limits)
        risk->shown[scope] = post->limits = *limits;
    for (uint32_t i = 0; limits && scope == RISK_LCORE && i < RISK_STRATEGIES_MAX; i++)
        if ((risk->limited >> i & 1) == 0) /* the owner's; it changes with a post alone, and the last one is taken */
            risk->shown[RISK_STRATEGY(i)] = *limits;
    __atomic_store_n(&post->posted, post->posted + 1, __ATOMIC_RELEASE); /* paired with: risk_take_post */
    return true;
}

bool risk_post_limits(struct risk *risk, uint32_t scope, const struct risk_limits *limits)
{
    return post(risk, RISK_POST_LIMITS, scope, limits);
}

bool risk_post_rearm(struct risk *risk, uint32_t scope)
{
    return post(risk, RISK_POST_REARM, scope, NULL);
}

bool risk_post_taken(const struct risk *risk)
{
    return __atomic_load_n(&risk->post.taken, __ATOMIC_ACQUIRE) == risk->post.posted; /* paired with: risk_take_post */
}

void risk_take_post(struct risk *risk)
{
    const struct risk_post *post = &risk->post;
    const uint32_t posted = __atomic_load_n(&post->posted, __ATOMIC_ACQUIRE); /* paired with: post */

    if (post->what == RISK_POST_REARM)
        rearm(risk, post->scope);
    else if (post->scope == RISK_LCORE)
        limits_apply(risk, &post->limits);
    else if (post->scope == RISK_GATEWAY)
        share_apply(risk, &post->limits);
    else
        strategy_apply(risk, post->scope - 1, &post->limits);
    __atomic_store_n(&risk->post.taken, posted, __ATOMIC_RELEASE); /* paired with: risk_post_taken */
}
