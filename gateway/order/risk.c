/* The gate. Contract in risk.h. Runs on the strategy lcore, once for each new order or replace; pure. Integers only: a
 * product of an int32 price and a uint32 quantity fits into 63 bits, one of a price and 20,000 into 46; sums of money
 * have 128. */
#include "gateway/order/risk.h"

#define BPS       10000
#define SECOND_NS UINT64_C(1000000000)
#define MS_NS     UINT64_C(1000000)

static inline bool is_buy(uint8_t side)
{
    return side == 'B';
}

static inline bool well_formed(const struct order_intent *intent, uint8_t strategy)
{
    const bool side = intent->side == 'B' || intent->side == 'S' || intent->side == 'T' || intent->side == 'E';

    return side && (intent->tif == ORDER_DAY || intent->tif == ORDER_IOC) && intent->price > 0 && intent->qty > 0 &&
           strategy < RISK_STRATEGIES_MAX;
}

/* --- losses and time --- */

static inline bool loses(const struct risk_limits *limits, const struct account_total *total, __int128 profit_base)
{
    return limits->loss_max != 0 && profit_base - account_profit(total) >= (__int128)limits->loss_max;
}

/* Which scopes have lost what they may? A scope once closed stays closed. */
static void watch(struct risk *risk, const struct market *market)
{
    const struct account *account = &market->account;
    uint32_t lost = risk->lost;

    if (UNLIKELY(risk->rearming != 0)) {
        for (uint32_t bits = risk->rearming; bits != 0; bits &= bits - 1) {
            const uint32_t scope = (uint32_t)__builtin_ctz(bits);
            const bool strategy = scope != RISK_LCORE && scope != RISK_GATEWAY;
            risk->profit_base[scope] = account_profit(strategy ? &account->strategy[scope - 1] : &account->lcore);
        }
        lost &= ~risk->rearming;
        risk->rearming = 0;
    }
    if (loses(&risk->limits, &account->lcore, risk->profit_base[RISK_LCORE]))
        lost |= 1u << RISK_LCORE;
    if (risk->shared && loses(&risk->share, &account->lcore, risk->profit_base[RISK_GATEWAY]))
        lost |= 1u << RISK_GATEWAY;
    for (uint32_t bits = risk->limited; bits != 0; bits &= bits - 1) {
        const uint32_t i = (uint32_t)__builtin_ctz(bits);
        if (loses(&risk->strategy[i].limits, &account->strategy[i], risk->profit_base[RISK_STRATEGY(i)]))
            lost |= 1u << RISK_STRATEGY(i);
    }
    if (UNLIKELY(lost != risk->lost))
        __atomic_store_n(&risk->lost, lost, __ATOMIC_RELAXED); /* paired with: risk_lost */
}

static int64_t cut(__int128 money)
{
    return money > INT64_MAX ? INT64_MAX : money < INT64_MIN ? INT64_MIN : (int64_t)money;
}

static void show(struct risk *risk, const struct account_total *total)
{
    struct risk_shown *now = &risk->now;

    __atomic_store_n(&now->gross, cut(total->gross), __ATOMIC_RELAXED);
    __atomic_store_n(&now->net_long, cut(total->bought), __ATOMIC_RELAXED);
    __atomic_store_n(&now->net_short, cut(-total->sold), __ATOMIC_RELAXED);
    __atomic_store_n(&now->profit, cut(account_profit(total)), __ATOMIC_RELAXED);
    __atomic_store_n(&now->realised, cut(total->realised), __ATOMIC_RELAXED);
    __atomic_store_n(&now->open_count, total->open_count, __ATOMIC_RELAXED);
    __atomic_store_n(&now->taken, risk->post.taken, __ATOMIC_RELEASE); /* paired with: budget */
}

void risk_frame(struct risk *risk, const struct market *market, uint64_t before_ns)
{
    const uint64_t now_ns = market->now_ns;
    const uint64_t back_ns = risk->limits.clock_back_ms * MS_NS, ahead_ns = risk->limits.clock_ahead_ms * MS_NS;
    const bool back = back_ns != 0 && before_ns > now_ns && before_ns - now_ns > back_ns;
    const bool ahead = ahead_ns != 0 && now_ns > before_ns && now_ns - before_ns > ahead_ns;

    if (UNLIKELY(before_ns != 0 && (back || ahead))) {
        risk->jumped = true;
        risk->jumped_ns = now_ns;
        risk->clock_jump_count++;
    }
    watch(risk, market);
    show(risk, &market->account.lcore);
}

/* Has time been steady for long enough? */
static bool steady(struct risk *risk, uint64_t now_ns)
{
    if (now_ns >= risk->jumped_ns && now_ns - risk->jumped_ns >= risk->limits.clock_steady_ms * MS_NS)
        risk->jumped = false;
    return !risk->jumped;
}

/* --- the checks, in their order --- */

/* May anything new be sent at all? */
static inline enum risk_verdict check_session(struct risk *risk, const struct market *market, uint8_t strategy,
                                              uint64_t now_ns)
{
    const uint32_t scopes = 1u << RISK_LCORE | 1u << RISK_GATEWAY | 1u << RISK_STRATEGY(strategy);

    if (UNLIKELY(__atomic_load_n(&risk->killed, __ATOMIC_RELAXED))) /* paired with: risk_kill */
        return RISK_KILLED;
    if (UNLIKELY(!risk->session_up))
        return RISK_NO_SESSION;
    watch(risk, market);
    if (UNLIKELY((risk->lost & scopes) != 0))
        return RISK_LOSS;
    if (UNLIKELY(risk->jumped && !steady(risk, now_ns)))
        return RISK_CLOCK;
    return RISK_PASS;
}

/* Is the instrument in a state to be traded, as far as this lcore has seen? */
static inline enum risk_verdict check_instrument(const struct risk *risk, const struct market_channel *channel,
                                                 const struct market_instrument *instrument)
{
    if (UNLIKELY(channel->stale && !risk->limits.allow_stale))
        return channel->silent ? RISK_SILENT : RISK_STALE;
    if (UNLIKELY(instrument->untradable))
        return RISK_UNTRADABLE;
    if (UNLIKELY((instrument->state != 0 && instrument->state != 'T') || instrument->operational == 'H' ||
                 channel->session_ended))
        return RISK_HALTED;
    const bool early = channel->system == 0 || channel->system == 'O' || channel->system == 'S';
    if (UNLIKELY(risk->limits.no_early && early))
        return RISK_EARLY;
    if (UNLIKELY(risk->limits.no_late && !early && channel->system != 'Q'))
        return RISK_LATE;
    return RISK_PASS;
}

/* What the reference file says of it. */
static inline enum risk_verdict check_reference(const struct risk *risk, const struct market *market,
                                                const struct market_instrument *instrument,
                                                const struct order_intent *intent)
{
    if (UNLIKELY(instrument->reference == 0 && market->reference && risk->limits.no_reference == RISK_RULE_REFUSE))
        return RISK_NO_REFERENCE;
    if (UNLIKELY((instrument->reference & REFERENCE_RESTRICTED) != 0))
        return RISK_RESTRICTED;
    if (UNLIKELY(!reference_on_tick(instrument->tick, instrument->tick_size, intent->price)))
        return RISK_TICK;
    if (UNLIKELY(instrument->lot > 1 && intent->qty % instrument->lot != 0))
        return RISK_LOT;
    return RISK_PASS;
}

/* The price of another kind that a rule names, MD_PRICE_NONE where there is none. */
static int32_t named_price(const struct market_instrument *instrument, enum risk_rule rule, int32_t other)
{
    switch (rule) {
    case RISK_RULE_OTHER:
        return other;
    case RISK_RULE_LAST:
        return instrument->last_price;
    case RISK_RULE_CLOSE:
        return instrument->close_price;
    default:
        return MD_PRICE_NONE;
    }
}

/* What an order is measured against: the best price of the opposite side, or what the rules say. */
static inline enum risk_verdict check_bbo(const struct risk *risk, const struct market_instrument *instrument,
                                          uint8_t side, int32_t *ret_touch)
{
    const struct risk_limits *limits = &risk->limits;
    const int32_t bid = instrument->bid_price, ask = instrument->ask_price;
    int32_t touch = is_buy(side) ? ask : bid;

    if (LIKELY(bid != MD_PRICE_NONE && ask != MD_PRICE_NONE)) {
        if (UNLIKELY(bid == ask && limits->locked == RISK_RULE_REFUSE))
            return RISK_LOCKED;
        if (UNLIKELY(bid > ask && limits->crossed == RISK_RULE_REFUSE))
            return RISK_CROSSED;
    } else if (bid == ask) { /* none */
        touch = named_price(instrument, (enum risk_rule)limits->no_bbo, MD_PRICE_NONE);
    } else {
        if (limits->one_sided == RISK_RULE_REFUSE)
            return RISK_ONE_SIDED;
        if (touch == MD_PRICE_NONE)
            touch = named_price(instrument, (enum risk_rule)limits->one_sided, is_buy(side) ? bid : ask);
    }
    *ret_touch = touch;
    return UNLIKELY(touch == MD_PRICE_NONE) ? RISK_NO_BBO : RISK_PASS;
}

/* Is `price` further beyond `from` than `bps` of it? Multiplied out rather than divided: exact, so never wider than the
 * rule. The width is of the price's size, not of its sign: a negative BBO has a collar too. */
static inline bool beyond(int64_t price, int64_t from, uint32_t bps)
{
    return (price - from) * BPS > (from < 0 ? -from : from) * (int64_t)bps;
}

static inline bool away(int64_t price, int64_t from, uint32_t bps)
{
    return beyond(price, from, bps) || beyond(2 * from - price, from, bps);
}

static inline bool in_hours(const struct risk_limits *limits, uint64_t midnight_ns, uint64_t now_ns)
{
    return now_ns >= midnight_ns + limits->hours_from_s * SECOND_NS &&
           now_ns < midnight_ns + limits->hours_to_s * SECOND_NS;
}

/* The order by itself: when, how much, at what price. */
static inline enum risk_verdict check_order(const struct risk_limits *limits, const struct market_channel *channel,
                                            const struct market_instrument *instrument,
                                            const struct order_intent *intent, int32_t touch, uint64_t now_ns)
{
    if (UNLIKELY((limits->hours_from_s | limits->hours_to_s) != 0 && !in_hours(limits, channel->midnight_ns, now_ns)))
        return RISK_HOURS;
    if (UNLIKELY(intent->qty > limits->order_qty_max))
        return RISK_QTY;
    if (UNLIKELY((uint64_t)intent->price * intent->qty > limits->order_notional_max))
        return RISK_NOTIONAL;
    const int64_t price = intent->price;
    if (UNLIKELY(beyond(is_buy(intent->side) ? price : 2 * (int64_t)touch - price, touch, limits->collar_bps)))
        return RISK_COLLAR;
    if (UNLIKELY(limits->collar_last_bps != 0 && instrument->last_price != MD_PRICE_NONE &&
                 away(price, instrument->last_price, limits->collar_last_bps)))
        return RISK_COLLAR_LAST;
    if (UNLIKELY(limits->collar_close_bps != 0 && instrument->close_price != MD_PRICE_NONE &&
                 away(price, instrument->close_price, limits->collar_close_bps)))
        return RISK_COLLAR_CLOSE;
    return RISK_PASS;
}

/* What is held and open, were everything open on this side, and the order, to trade. Only the bound that the order
 * moves towards is asked: an order that brings back is never refused for it. Money of the order itself is counted at
 * its price or at the mark, whichever is more. `more` shares; `fresh`: one more open order. */
static inline enum risk_verdict check_held(const struct risk_limits *limits, const struct account_total *total,
                                           const struct account_share *held, int32_t mark,
                                           const struct order_intent *intent, uint32_t more, bool fresh)
{
    const bool buy = is_buy(intent->side);
    const int64_t bought = held->position + (int64_t)held->open_buy_qty;
    const int64_t sold = held->position - (int64_t)held->open_sell_qty;
    const int64_t then = buy ? bought + more : more - sold; /* how far from flat, on this side */
    const int64_t now = bought > -sold ? bought : -sold;    /* on the larger one */
    const int64_t price = intent->price > mark ? intent->price : mark;

    if (UNLIKELY(fresh && limits->open_orders_max != 0 && total->open_count >= limits->open_orders_max))
        return RISK_OPEN_ORDERS;
    if (more == 0)
        return RISK_PASS; /* a replace that asks for no more than there is */
    if (UNLIKELY(then > (int64_t)limits->position_max))
        return RISK_POSITION;
    if (limits->gross_max != 0 && then > now &&
        UNLIKELY(total->gross + (__int128)(then - now) * price > (__int128)limits->gross_max))
        return RISK_GROSS;
    if (limits->net_max != 0 &&
        UNLIKELY((buy ? total->bought : -total->sold) + (__int128)more * price > (__int128)limits->net_max))
        return RISK_NET;
    return RISK_PASS;
}

/* Every scope that has limits: the strategy, the lcore, the lcore's share of the gateway's. */
static inline enum risk_verdict check_scopes(const struct risk *risk, const struct market *market,
                                             const struct market_instrument *instrument,
                                             const struct order_intent *intent, uint8_t strategy, int32_t touch,
                                             uint32_t more, uint64_t now_ns)
{
    const struct market_channel *channel = &market->channel[intent->channel];
    const struct account_share held = {.position = instrument->position,
                                       .open_buy_qty = instrument->open_buy_qty,
                                       .open_sell_qty = instrument->open_sell_qty};
    const struct account *account = &market->account;
    const bool fresh = intent->action == ORDER_NEW;
    enum risk_verdict verdict;

    if ((verdict = check_order(&risk->limits, channel, instrument, intent, touch, now_ns)) != RISK_PASS)
        return verdict;
    if ((verdict = check_held(&risk->limits, &account->lcore, &held, instrument->mark, intent, more, fresh)) !=
        RISK_PASS)
        return verdict;
    if (risk->shared && (verdict = check_held(&risk->share, &account->lcore, &held, instrument->mark, intent, more,
                                              fresh)) != RISK_PASS)
        return verdict;
    if (LIKELY((risk->limited >> strategy & 1) == 0))
        return RISK_PASS;
    const struct risk_limits *limits = &risk->strategy[strategy].limits;
    if ((verdict = check_order(limits, channel, instrument, intent, touch, now_ns)) != RISK_PASS)
        return verdict;
    if ((account->shared >> strategy & 1) == 0)
        return RISK_PASS; /* its position and money are not counted apart */
    return check_held(limits, &account->strategy[strategy], account_share_of(market, strategy, instrument),
                      instrument->mark, intent, more, fresh);
}

/* Regulation SHO: a sale of more than is held is a short sale and says so (242.200(g)); what is short has to be
 * borrowable (242.203(b)); while the restriction is in force it has to be priced above the best bid (242.201), unless
 * it is exempt. What is open to be sold counts as sold. */
static inline enum risk_verdict check_short(const struct market_instrument *instrument,
                                            const struct order_intent *intent, uint32_t more)
{
    if (intent->side == 'S')
        return instrument->position - (int64_t)instrument->open_sell_qty < (int64_t)more && more > 0
                   ? RISK_SHORT_UNMARKED
                   : RISK_PASS;
    if (UNLIKELY((instrument->reference & REFERENCE_BORROWABLE) == 0))
        return RISK_SHORT_LOCATE;
    const bool restricted = instrument->short_sale == '1' || instrument->short_sale == '2';
    if (UNLIKELY(intent->side == 'T' && restricted &&
                 (instrument->bid_price == MD_PRICE_NONE || intent->price <= instrument->bid_price)))
        return RISK_SHORT_PRICE;
    return RISK_PASS;
}

/* Would it meet an open order of our own? */
static inline bool meets_own(const struct market_instrument *instrument, const struct order_intent *intent)
{
    if (is_buy(intent->side))
        return instrument->own_sell.root != 0 && intent->price >= instrument->own_sell.best_price;
    return instrument->own_buy.root != 0 && intent->price <= instrument->own_buy.best_price;
}

/* For how long may the strategy not send the same order again? */
static inline uint64_t window_ns(const struct risk *risk, uint8_t strategy)
{
    const bool limited = (risk->limited >> strategy & 1) != 0;
    const uint32_t its_ms = limited ? risk->strategy[strategy].limits.duplicate_ms : 0;

    return (its_ms > risk->limits.duplicate_ms ? its_ms : risk->limits.duplicate_ms) * MS_NS;
}

/* How often: messages as the venue counts them, new orders and replaces of each scope. Nothing is taken unless all have
 * it. */
static inline enum risk_verdict check_rates(struct risk *risk, uint8_t strategy, uint64_t now_ns)
{
    const bool limited = (risk->limited >> strategy & 1) != 0;
    struct risk_bucket *its = &risk->strategy[strategy].rate;

    if (risk->limits.messages_per_s != 0 &&
        UNLIKELY(!risk_bucket_holds(&risk->messages, risk->limits.messages_reserve, now_ns)))
        return RISK_MESSAGES;
    if (UNLIKELY(!risk_bucket_holds(&risk->rate, 0, now_ns)))
        return RISK_RATE;
    if (risk->shared && UNLIKELY(!risk_bucket_holds(&risk->share_rate, 0, now_ns)))
        return RISK_RATE;
    if (UNLIKELY(limited && !risk_bucket_holds(its, 0, now_ns)))
        return RISK_RATE;
    if (risk->limits.messages_per_s != 0)
        risk_bucket_take(&risk->messages);
    risk_bucket_take(&risk->rate);
    if (risk->shared)
        risk_bucket_take(&risk->share_rate);
    if (limited)
        risk_bucket_take(its);
    return RISK_PASS;
}

static enum risk_verdict reserve(struct risk *risk, struct market *market, const struct order_intent *intent,
                                 uint8_t strategy, uint32_t more, uint64_t now_ns)
{
    const bool fresh = intent->action == ORDER_NEW;
    enum risk_verdict verdict;
    int32_t touch;

    risk_take(risk);
    if (UNLIKELY(!well_formed(intent, strategy)))
        return RISK_BAD_INTENT;
    if ((verdict = check_session(risk, market, strategy, now_ns)) != RISK_PASS)
        return verdict;
    struct market_instrument *instrument = market_find(market, intent->channel, intent->instrument);
    if (UNLIKELY(!instrument || instrument->symbol == 0))
        return RISK_UNKNOWN_INSTRUMENT;
    if ((verdict = check_instrument(risk, &market->channel[intent->channel], instrument)) != RISK_PASS)
        return verdict;
    if ((verdict = check_reference(risk, market, instrument, intent)) != RISK_PASS)
        return verdict;
    if ((verdict = check_bbo(risk, instrument, intent->side, &touch)) != RISK_PASS)
        return verdict;
    verdict = check_scopes(risk, market, instrument, intent, strategy, touch, more, now_ns);
    if (verdict != RISK_PASS)
        return verdict;
    if (risk->limits.short_sale && !is_buy(intent->side) &&
        (verdict = check_short(instrument, intent, more)) != RISK_PASS)
        return verdict;
    if (risk->limits.self_cross && UNLIKELY(meets_own(instrument, intent)))
        return RISK_SELF_CROSS;
    struct recent *recent = &risk->strategy[strategy].recent;
    const uint64_t window = fresh ? window_ns(risk, strategy) : 0;
    if (window != 0 && UNLIKELY(recent_find(recent, intent, now_ns, window) || !recent_room(recent, now_ns, window)))
        return RISK_DUPLICATE;
    if (UNLIKELY(risk->rehearsing))
        return RISK_PASS;
    if ((verdict = check_rates(risk, strategy, now_ns)) != RISK_PASS)
        return verdict;
    if (more > 0)
        account_reserve(market, instrument, strategy, intent->side, more, intent->price);
    if (window != 0)
        recent_push(recent, intent, now_ns);
    return RISK_PASS;
}

enum risk_verdict risk_reserve(struct risk *risk, struct market *market, const struct order_intent *intent,
                               uint8_t strategy, uint64_t now_ns)
{
    if (UNLIKELY(intent->action != ORDER_NEW))
        return RISK_BAD_INTENT;
    return reserve(risk, market, intent, strategy, intent->qty, now_ns);
}

enum risk_verdict risk_rehearse(struct risk *risk, struct market *market, const struct order_intent *intent,
                                uint8_t strategy, uint64_t now_ns)
{
    risk->rehearsing = true;
    const enum risk_verdict verdict = risk_reserve(risk, market, intent, strategy, now_ns);
    risk->rehearsing = false;
    return verdict;
}

enum risk_verdict risk_reserve_replace(struct risk *risk, struct market *market, const struct order_intent *intent,
                                       uint32_t open_qty, uint8_t strategy, uint64_t now_ns)
{
    if (UNLIKELY(intent->action != ORDER_REPLACE))
        return RISK_BAD_INTENT;
    return reserve(risk, market, intent, strategy, intent->qty > open_qty ? intent->qty - open_qty : 0, now_ns);
}

void risk_undo(struct risk *risk, struct market *market, const struct order_intent *intent, uint32_t reserved,
               uint8_t strategy)
{
    if (reserved > 0)
        risk_release(market, intent->channel, intent->instrument, intent->side, strategy, reserved);
    if (intent->action == ORDER_NEW && window_ns(risk, strategy) != 0)
        recent_pop(&risk->strategy[strategy].recent);
}

void risk_cancel(struct risk *risk, uint64_t now_ns)
{
    if (risk->limits.messages_per_s == 0)
        return;
    (void)risk_bucket_holds(&risk->messages, 0, now_ns); /* what time has brought comes first */
    risk_bucket_take(&risk->messages);
}

void risk_release(struct market *market, uint16_t channel, uint16_t instrument_idx, uint8_t side, uint8_t strategy,
                  uint32_t qty)
{
    struct market_instrument *instrument = market_find(market, channel, instrument_idx);

    CHECK(instrument);
    account_reserve(market, instrument, strategy, side, -(int64_t)qty, MD_PRICE_NONE);
}
