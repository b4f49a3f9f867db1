/* The gate. Contract in risk.h. Runs on the strategy lcore, once for each new order or replace; pure. Integers only: a
 * product of an int32 price and a uint32 quantity fits into 63 bits, one of a price and 20,000 into 46. */
#include "gateway/order/risk.h"

#define BPS 10000

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
        [RISK_MARKET_HOURS] = "market_hours",
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

static void limits_apply(struct risk *risk, const struct risk_limits *limits)
{
    const uint32_t rate_per_s = limits->rate_per_s > 0 ? limits->rate_per_s : 1;

    risk->limits = *limits;
    risk->token_ns = (UINT64_C(1000000000) + rate_per_s - 1) / rate_per_s; /* rounded up: never more than the rate */
    risk->bucket_ns = risk->token_ns * limits->rate_burst;
    if (risk->level_ns > risk->bucket_ns)
        risk->level_ns = risk->bucket_ns;
}

void risk_init(struct risk *risk, const struct risk_limits *limits, bool killed)
{
    *risk = (struct risk){.killed = killed, .level_ns = UINT64_MAX};
    limits_apply(risk, limits);
    for (uint32_t i = 0; i < RISK_SCOPES_MAX; i++)
        risk->shown[i] = *limits;
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

    if (post->what == RISK_POST_LIMITS && post->scope == RISK_LCORE)
        limits_apply(risk, &post->limits);
    else if (post->what == RISK_POST_REARM)
        __atomic_store_n(&risk->lost, risk->lost & ~(1u << post->scope), __ATOMIC_RELAXED);
    __atomic_store_n(&risk->post.taken, posted, __ATOMIC_RELEASE); /* paired with: risk_post_taken */
}

void risk_kill(struct risk *risk, bool killed)
{
    __atomic_store_n(&risk->killed, killed ? 1u : 0u, __ATOMIC_RELAXED); /* paired with: check_session */
}

static inline bool is_buy(uint8_t side)
{
    return side == 'B';
}

static inline bool well_formed(const struct order_intent *intent)
{
    const bool side = intent->side == 'B' || intent->side == 'S' || intent->side == 'T' || intent->side == 'E';

    return side && (intent->tif == ORDER_DAY || intent->tif == ORDER_IOC) && intent->price > 0 && intent->qty > 0;
}

/* May anything new be sent at all? */
static inline enum risk_verdict check_session(const struct risk *risk)
{
    if (UNLIKELY(__atomic_load_n(&risk->killed, __ATOMIC_RELAXED))) /* paired with: risk_kill */
        return RISK_KILLED;
    return LIKELY(risk->session_up) ? RISK_PASS : RISK_NO_SESSION;
}

/* The best price of the opposite side: what an order is measured against. */
static inline int32_t touch_of(const struct market_instrument *instrument, uint8_t side)
{
    return is_buy(side) ? instrument->ask_price : instrument->bid_price;
}

/* Is the instrument in a state to be traded, as far as this lcore has seen? */
static inline enum risk_verdict check_instrument(const struct risk *risk, const struct market_channel *channel,
                                                 const struct market_instrument *instrument, uint8_t side)
{
    if (UNLIKELY(channel->stale && !risk->limits.allow_stale))
        return RISK_STALE;
    if (UNLIKELY(instrument->untradable))
        return RISK_UNTRADABLE;
    if (UNLIKELY((instrument->state != 0 && instrument->state != 'T') || instrument->operational == 'H' ||
                 channel->session_ended))
        return RISK_HALTED;
    if (UNLIKELY(touch_of(instrument, side) == MD_PRICE_NONE))
        return RISK_NO_BBO;
    return RISK_PASS;
}

static inline enum risk_verdict check_price(const struct risk *risk, const struct market_instrument *instrument,
                                            const struct order_intent *intent)
{
    if (UNLIKELY(intent->qty > risk->limits.order_qty_max))
        return RISK_QTY;
    if (UNLIKELY((uint64_t)intent->price * intent->qty > risk->limits.order_notional_max))
        return RISK_NOTIONAL;
    /* Multiplied out rather than divided: exact, so never wider than the rule. The width is of the price's size, not
     * of its sign: a negative BBO has a collar too. */
    const int64_t touch = touch_of(instrument, intent->side);
    const int64_t width = (touch < 0 ? -touch : touch) * (int64_t)risk->limits.collar_bps;
    const int64_t beyond = (is_buy(intent->side) ? intent->price - touch : touch - intent->price) * BPS;
    return UNLIKELY(beyond > width) ? RISK_COLLAR : RISK_PASS;
}

/* Were everything that is open on this side, and `more`, to trade: how far from flat? Only the bound that the order
 * moves towards is asked: an order that brings a position back is never refused for it. */
static inline enum risk_verdict check_position(const struct risk *risk, const struct market_instrument *instrument,
                                               uint8_t side, uint32_t more)
{
    const int64_t limit = risk->limits.position_max;

    if (more == 0)
        return RISK_PASS; /* a replace that asks for no more than there is */
    if (is_buy(side))
        return instrument->position + (int64_t)instrument->open_buy_qty + more > limit ? RISK_POSITION : RISK_PASS;
    return instrument->position - (int64_t)instrument->open_sell_qty - more < -limit ? RISK_POSITION : RISK_PASS;
}

/* Token bucket in nanoseconds: time fills it, an order costs token_ns. Backwards time adds nothing. */
static inline bool token_take(struct risk *risk, uint64_t now_ns)
{
    if (now_ns > risk->refilled_ns) {
        const uint64_t passed_ns = now_ns - risk->refilled_ns;
        const uint64_t room_ns = risk->bucket_ns - risk->level_ns;
        risk->level_ns += passed_ns < room_ns ? passed_ns : room_ns;
        risk->refilled_ns = now_ns;
    }
    if (UNLIKELY(risk->level_ns < risk->token_ns))
        return false;
    risk->level_ns -= risk->token_ns;
    return true;
}

static enum risk_verdict reserve(struct risk *risk, struct market *market, const struct order_intent *intent,
                                 uint32_t more, uint64_t now_ns)
{
    enum risk_verdict verdict;

    risk_take(risk);
    if (UNLIKELY(!well_formed(intent)))
        return RISK_BAD_INTENT;
    if ((verdict = check_session(risk)) != RISK_PASS)
        return verdict;
    struct market_instrument *instrument = market_find(market, intent->channel, intent->instrument);
    if (UNLIKELY(!instrument || instrument->symbol == 0))
        return RISK_UNKNOWN_INSTRUMENT;
    if ((verdict = check_instrument(risk, &market->channel[intent->channel], instrument, intent->side)) != RISK_PASS)
        return verdict;
    if ((verdict = check_price(risk, instrument, intent)) != RISK_PASS)
        return verdict;
    if ((verdict = check_position(risk, instrument, intent->side, more)) != RISK_PASS)
        return verdict;
    if (UNLIKELY(!token_take(risk, now_ns)))
        return RISK_RATE;
    if (is_buy(intent->side))
        instrument->open_buy_qty += more;
    else
        instrument->open_sell_qty += more;
    return RISK_PASS;
}

enum risk_verdict risk_reserve(struct risk *risk, struct market *market, const struct order_intent *intent,
                               uint64_t now_ns)
{
    if (UNLIKELY(intent->action != ORDER_NEW))
        return RISK_BAD_INTENT;
    return reserve(risk, market, intent, intent->qty, now_ns);
}

enum risk_verdict risk_reserve_replace(struct risk *risk, struct market *market, const struct order_intent *intent,
                                       uint32_t open_qty, uint64_t now_ns)
{
    if (UNLIKELY(intent->action != ORDER_REPLACE))
        return RISK_BAD_INTENT;
    return reserve(risk, market, intent, intent->qty > open_qty ? intent->qty - open_qty : 0, now_ns);
}

void risk_release(struct market *market, uint16_t channel, uint16_t instrument_idx, uint8_t side, uint32_t qty)
{
    struct market_instrument *instrument = market_find(market, channel, instrument_idx);

    CHECK(instrument);
    uint64_t *open_qty = is_buy(side) ? &instrument->open_buy_qty : &instrument->open_sell_qty;
    CHECK(*open_qty >= qty); /* more given back than was taken: our own mistake */
    *open_qty -= qty;
}
