/* The gate. Contract in risk.h. Runs on the strategy lcore, once for each new order or replace; pure. Integers only: a
 * product of an int32 price and a uint32 quantity fits into 63 bits, one of a price and 20,000 into 46; sums of money
 * have 128. */
#include "gateway/order/risk.h"

#define BPS       10000
#define SECOND_NS UINT64_C(1000000000)
#define MS_NS     UINT64_C(1000000)

static inline bool well_formed(const struct order_intent *intent)
{
    return (intent->side == 'B' || intent->side == 'S' || intent->side == 'T' || intent->side == 'E') &&
           (intent->tif == ORDER_DAY || intent->tif == ORDER_IOC) && intent->price > 0 && intent->qty > 0;
}

/* --- losses and time --- */

static inline bool loses(const struct risk_limits *limits, const struct account_total *total, __int128 profit_base)
{
    return limits->loss_max != 0 && profit_base - account_profit(total) >= (__int128)limits->loss_max;
}

/* Which scopes have lost what they may? A scope once closed stays closed. */
static __attribute__((noinline)) void watch(struct risk *risk, const struct market *market)
{
    const struct account *account = &market->account;
    uint32_t lost = risk->lost;

    risk->watched = account->valued & risk->watch_mask;
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

/* Have they been looked at since anything was worth something else? */
static inline bool is_watched(const struct risk *risk, const struct market *market)
{
    return LIKELY(risk->watched == (market->account.valued & risk->watch_mask));
}

static bool is_lost(const struct risk *risk, uint32_t strategy)
{
    return (risk->lost & (1u << RISK_LCORE | 1u << RISK_GATEWAY | 1u << RISK_STRATEGY(strategy))) != 0;
}

static int64_t cut(__int128 money)
{
    return money > INT64_MAX ? INT64_MAX : money < INT64_MIN ? INT64_MIN : (int64_t)money;
}

static __attribute__((noinline)) void show(struct risk *risk, const struct account_total *total)
{
    struct risk_shown *now = &risk->now;

    risk->shown_changes = total->changes;
    __atomic_store_n(&now->gross, cut(total->gross), __ATOMIC_RELAXED);
    __atomic_store_n(&now->net_long, cut(total->net[ACCOUNT_BUY]), __ATOMIC_RELAXED);
    __atomic_store_n(&now->net_short, cut(total->net[ACCOUNT_SELL]), __ATOMIC_RELAXED);
    __atomic_store_n(&now->profit, cut(account_profit(total)), __ATOMIC_RELAXED);
    __atomic_store_n(&now->realised, cut(total->realised), __ATOMIC_RELAXED);
    __atomic_store_n(&now->open_count, total->open_count, __ATOMIC_RELAXED);
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
    if (!is_watched(risk, market))
        watch(risk, market);
    const struct account_total *total = &market->account.lcore;
    if (UNLIKELY(total->changes != risk->shown_changes))
        show(risk, total);
}

void risk_turn(struct risk *risk, const struct market *market)
{
    risk_take_post(risk);
    watch(risk, market);
}

/* Has time been steady for long enough? */
static bool steady(struct risk *risk, uint64_t now_ns)
{
    if (now_ns >= risk->jumped_ns && now_ns - risk->jumped_ns >= risk->limits.clock_steady_ms * MS_NS)
        risk->jumped = false;
    return !risk->jumped;
}

/* --- the checks, in their order --- */

/* An order in hand, and what it is about. */
struct asked {
    const struct order_intent *intent;
    const struct risk_limits *limits; /* the strictest */
    const struct market_channel *channel;
    struct market_instrument *instrument;
    uint64_t now_ns;
    uint32_t ask;         /* enum risk_ask: beside what is asked of every order */
    uint32_t more;        /* shares that it reserves */
    int32_t touch;        /* what its price is measured against */
    uint32_t side;        /* enum account_side */
    uint32_t strategy;
};

/* Is the instrument in a state to be traded, as far as this lcore has seen? */
static inline enum risk_verdict check_state(const struct asked *asked)
{
    const struct market_channel *channel = asked->channel;
    const struct market_instrument *instrument = asked->instrument;

    if (UNLIKELY(channel->stale && !asked->limits->allow_stale))
        return channel->silent ? RISK_SILENT : RISK_STALE;
    if (UNLIKELY(instrument->untradable))
        return RISK_UNTRADABLE;
    if (UNLIKELY((instrument->state != 0 && instrument->state != 'T') || instrument->operational == 'H' ||
                 channel->session_ended))
        return RISK_HALTED;
    const bool early = channel->system == 0 || channel->system == 'O' || channel->system == 'S';
    if (UNLIKELY(asked->limits->no_early && early))
        return RISK_EARLY;
    if (UNLIKELY(asked->limits->no_late && !early && channel->system != 'Q'))
        return RISK_LATE;
    return RISK_PASS;
}

/* What the reference file says of it. */
static inline enum risk_verdict check_reference(const struct market *market, const struct asked *asked)
{
    const struct market_instrument *instrument = asked->instrument;

    if (UNLIKELY(instrument->reference == 0 && market->reference && asked->limits->no_reference == RISK_RULE_REFUSE))
        return RISK_NO_REFERENCE;
    if (UNLIKELY((instrument->reference & REFERENCE_RESTRICTED) != 0))
        return RISK_RESTRICTED;
    if (UNLIKELY(!reference_on_tick(instrument->tick, instrument->tick_size, asked->intent->price)))
        return RISK_TICK;
    if (UNLIKELY(instrument->lot > 1 && asked->intent->qty % instrument->lot != 0))
        return RISK_LOT;
    return RISK_PASS;
}

/* The bytes that tell what is said of an instrument, at a glance: of a state those that are asked, and as they are
 * while nothing stands against an order (of 'H' and 'T' one bit tells them apart); of the reference file those that are
 * 0 while it has no rule for price and quantity. */
#define SAID(byte, bits)                                                                                               \
    ((uint64_t)(bits) << 8 * (offsetof(struct market_instrument, byte) - offsetof(struct market_instrument, said)))
#define SAID_STATE   (SAID(state, UINT8_MAX) | SAID(operational, 'H' & ~'T') | SAID(untradable, UINT8_MAX))
#define SAID_TRADING SAID(state, 'T')
#define SAID_RULES   (SAID(tick, UINT8_MAX) | SAID(reference, REFERENCE_RESTRICTED))

/* State and reference data: what a glance does not settle is asked one by one. */
static inline enum risk_verdict check_instrument(const struct market *market, const struct asked *asked)
{
    const struct market_channel *channel = asked->channel;
    const struct market_instrument *instrument = asked->instrument;

    if (LIKELY((instrument->said & (SAID_STATE | SAID_RULES)) == SAID_TRADING && instrument->lot == 0 &&
               !channel->stale && !channel->session_ended &&
               (asked->ask & (RISK_ASK_MARKET_HOURS | RISK_ASK_REFERENCE)) == 0))
        return RISK_PASS;
    const enum risk_verdict verdict = check_state(asked);
    return verdict != RISK_PASS ? verdict : check_reference(market, asked);
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
static inline enum risk_verdict check_bbo(struct asked *asked)
{
    const struct market_instrument *instrument = asked->instrument;
    const struct risk_limits *limits = asked->limits;
    const int32_t bid = instrument->bid_price, ask = instrument->ask_price;
    int32_t touch = asked->side == ACCOUNT_BUY ? ask : bid;

    asked->touch = touch;
    if (LIKELY(bid != MD_PRICE_NONE) && LIKELY(bid < ask)) /* less than nothing there is nothing */
        return RISK_PASS;
    if (bid != MD_PRICE_NONE && ask != MD_PRICE_NONE) {
        if (bid == ask)
            return limits->locked == RISK_RULE_REFUSE ? RISK_LOCKED : RISK_PASS;
        return limits->crossed == RISK_RULE_REFUSE ? RISK_CROSSED : RISK_PASS;
    }
    if (bid == ask) { /* none */
        touch = named_price(instrument, (enum risk_rule)limits->no_bbo, MD_PRICE_NONE);
    } else {
        if (limits->one_sided == RISK_RULE_REFUSE)
            return RISK_ONE_SIDED;
        if (touch == MD_PRICE_NONE)
            touch = named_price(instrument, (enum risk_rule)limits->one_sided,
                                asked->side == ACCOUNT_BUY ? bid : ask);
    }
    asked->touch = touch;
    return touch == MD_PRICE_NONE ? RISK_NO_BBO : RISK_PASS;
}

/* Is a distance from `from` more than `bps` of it? Multiplied out rather than divided: exact, so never wider than the
 * rule. The width is of the price's size, not of its sign: a negative BBO has a collar too. */
static inline bool beyond(int64_t distance, int64_t from, uint32_t bps)
{
    return distance * BPS > (from < 0 ? -from : from) * (int64_t)bps;
}

static inline bool away(int64_t price, int64_t from, uint32_t bps)
{
    return beyond(price > from ? price - from : from - price, from, bps);
}

static inline bool in_hours(const struct risk_limits *limits, uint64_t midnight_ns, uint64_t now_ns)
{
    return now_ns >= midnight_ns + limits->hours_from_s * SECOND_NS &&
           now_ns < midnight_ns + limits->hours_to_s * SECOND_NS;
}

/* The order by itself: when, how much, at what price. */
static inline enum risk_verdict check_order(const struct risk_limits *limits, const struct asked *asked)
{
    const struct market_instrument *instrument = asked->instrument;
    const int64_t price = asked->intent->price;
    const uint32_t qty = asked->intent->qty;

    if ((asked->ask & RISK_ASK_HOURS) != 0 && (limits->hours_from_s | limits->hours_to_s) != 0 &&
        UNLIKELY(!in_hours(limits, asked->channel->midnight_ns, asked->now_ns)))
        return RISK_HOURS;
    if (UNLIKELY(qty > limits->order_qty_max))
        return RISK_QTY;
    if (UNLIKELY((uint64_t)price * qty > limits->order_notional_max))
        return RISK_NOTIONAL;
    if (UNLIKELY(beyond(account_toward(asked->side, price - asked->touch), asked->touch, limits->collar_bps)))
        return RISK_COLLAR;
    if ((asked->ask & RISK_ASK_COLLARS) == 0)
        return RISK_PASS;
    if (UNLIKELY(limits->collar_last_bps != 0 && instrument->last_price != MD_PRICE_NONE &&
                 away(price, instrument->last_price, limits->collar_last_bps)))
        return RISK_COLLAR_LAST;
    if (UNLIKELY(limits->collar_close_bps != 0 && instrument->close_price != MD_PRICE_NONE &&
                 away(price, instrument->close_price, limits->collar_close_bps)))
        return RISK_COLLAR_CLOSE;
    return RISK_PASS;
}

/* What is held and open, were everything open on this side, and the order, to trade: `step` has that in shares. Only
 * the bound that the order moves towards is asked: an order that brings back is never refused for it. Money of the
 * order itself is counted at its price or at the mark, whichever is more. */
static inline enum risk_verdict check_held(const struct risk_limits *limits, const struct account_total *total,
                                           const struct account_step *step, const struct asked *asked)
{
    if ((asked->ask & RISK_ASK_OPEN_ORDERS) != 0 && asked->intent->action == ORDER_NEW &&
        limits->open_orders_max != 0 && UNLIKELY(total->open_count >= limits->open_orders_max))
        return RISK_OPEN_ORDERS;
    if (UNLIKELY(asked->more == 0))
        return RISK_PASS; /* a replace that asks for no more than there is */
    if (UNLIKELY(step->then > (int64_t)limits->position_max))
        return RISK_POSITION;
    if ((asked->ask & RISK_ASK_MONEY) == 0)
        return RISK_PASS;
    const int32_t own = asked->intent->price, mark = asked->instrument->mark;
    const int64_t price = own > mark ? own : mark;
    if (limits->gross_max != 0 && step->grows > 0 &&
        UNLIKELY(total->gross + (__int128)step->grows * price > (__int128)limits->gross_max))
        return RISK_GROSS;
    if (limits->net_max != 0 &&
        UNLIKELY(total->net[asked->side] + (__int128)asked->more * price > (__int128)limits->net_max))
        return RISK_NET;
    return RISK_PASS;
}

/* What the strategy itself holds and has open, where that is counted apart. */
static inline enum risk_verdict check_strategy(const struct risk *risk, const struct market *market,
                                               const struct asked *asked)
{
    const struct account *account = &market->account;

    if (!account_shares(account, asked->strategy))
        return RISK_PASS;
    const struct account_share *share = account_share_of(market, asked->strategy, asked->instrument);
    const struct account_step step = account_step(share->position, share->open_qty, asked->side, asked->more);
    return check_held(&risk->strategy[asked->strategy].limits, &account->strategy[asked->strategy], &step, asked);
}

/* Regulation SHO: a sale of more than is held is a short sale and says so (242.200(g)); what is short has to be
 * borrowable (242.203(b)); while the restriction is in force it has to be priced above the best bid (242.201), unless
 * it is exempt. What is open to be sold counts as sold. */
static inline enum risk_verdict check_short(const struct asked *asked)
{
    const struct market_instrument *instrument = asked->instrument;
    const struct order_intent *intent = asked->intent;

    if (intent->side == 'S')
        return instrument->position - (int64_t)instrument->open_sell_qty < (int64_t)asked->more && asked->more > 0
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
static inline bool meets_own(const struct asked *asked)
{
    const struct market_instrument *instrument = asked->instrument;

    if (asked->side == ACCOUNT_BUY)
        return instrument->own_sell.root != 0 && asked->intent->price >= instrument->own_sell.best_price;
    return instrument->own_buy.root != 0 && asked->intent->price <= instrument->own_buy.best_price;
}

/* Was the same order sent just now? */
static inline bool is_duplicate(const struct risk *risk, const struct asked *asked)
{
    const struct recent *recent = &risk->strategy[asked->strategy].recent;
    const uint64_t window_ns = risk->strict[asked->strategy].window_ns;

    return recent_find(recent, asked->intent, asked->now_ns, window_ns) ||
           !recent_room(recent, asked->now_ns, window_ns);
}

/* What is not about limits of a scope, and not asked everywhere. */
#define ASK_FURTHER (RISK_ASK_SHORT | RISK_ASK_SELF_CROSS | RISK_ASK_DUPLICATE)
static inline enum risk_verdict check_further(const struct risk *risk, const struct asked *asked)
{
    enum risk_verdict verdict;

    if ((asked->ask & RISK_ASK_SHORT) != 0 && asked->side != ACCOUNT_BUY &&
        (verdict = check_short(asked)) != RISK_PASS)
        return verdict;
    if ((asked->ask & RISK_ASK_SELF_CROSS) != 0 && UNLIKELY(meets_own(asked)))
        return RISK_SELF_CROSS;
    if ((asked->ask & RISK_ASK_DUPLICATE) != 0 && asked->intent->action == ORDER_NEW &&
        UNLIKELY(is_duplicate(risk, asked)))
        return RISK_DUPLICATE;
    return RISK_PASS;
}

/* How often: messages as the venue counts them, new orders and replaces of each scope. Nothing is taken unless all have
 * it. */
static inline enum risk_verdict check_rates(struct risk *risk, const struct asked *asked)
{
    struct risk_bucket *its = &risk->strategy[asked->strategy].rate;
    const uint32_t ask = asked->ask;

    if ((ask & RISK_ASK_MESSAGES) != 0 &&
        UNLIKELY(!risk_bucket_holds(&risk->messages, asked->limits->messages_reserve, asked->now_ns)))
        return RISK_MESSAGES;
    if (UNLIKELY(!risk_bucket_holds(&risk->rate, 0, asked->now_ns)))
        return RISK_RATE;
    if ((ask & (RISK_ASK_MESSAGES | RISK_ASK_SHARE_RATE | RISK_ASK_STRATEGY_RATE)) != 0) {
        if ((ask & RISK_ASK_SHARE_RATE) != 0 && UNLIKELY(!risk_bucket_holds(&risk->share_rate, 0, asked->now_ns)))
            return RISK_RATE;
        if ((ask & RISK_ASK_STRATEGY_RATE) != 0 && UNLIKELY(!risk_bucket_holds(its, 0, asked->now_ns)))
            return RISK_RATE;
        if ((ask & RISK_ASK_MESSAGES) != 0)
            risk_bucket_take(&risk->messages);
        if ((ask & RISK_ASK_SHARE_RATE) != 0)
            risk_bucket_take(&risk->share_rate);
        if ((ask & RISK_ASK_STRATEGY_RATE) != 0)
            risk_bucket_take(its);
    }
    risk_bucket_take(&risk->rate);
    return RISK_PASS;
}

static inline struct asked asked_of(const struct risk_strict *strict, const struct market *market,
                                    const struct order_intent *intent, uint32_t strategy,
                                    struct market_instrument *instrument, uint32_t more, uint64_t now_ns)
{
    return (struct asked){.intent = intent, .limits = &strict->limits, .channel = &market->channel[intent->channel],
                          .instrument = instrument, .now_ns = now_ns, .ask = strict->ask, .more = more,
                          .side = account_side(intent->side), .strategy = strategy};
}

/* The strictest limits are not kept. Scope after scope, as docs/RISK.md has them: which one is it? */
static __attribute__((cold, noinline)) enum risk_verdict
reason_of(const struct risk *risk, struct market *market, const struct order_intent *intent, uint32_t strategy,
          uint32_t more, uint64_t now_ns)
{
    struct market_instrument *instrument = market_find(market, intent->channel, intent->instrument);
    struct asked asked = asked_of(&risk->strict[strategy], market, intent, strategy, instrument, more, now_ns);
    const struct account_step step = account_step(instrument->position, instrument->open_qty, asked.side, more);
    const struct account_total *total = &market->account.lcore;
    enum risk_verdict verdict = check_bbo(&asked);

    if (verdict == RISK_PASS)
        verdict = check_order(&risk->limits, &asked);
    if (verdict == RISK_PASS)
        verdict = check_held(&risk->limits, total, &step, &asked);
    if (verdict == RISK_PASS && risk->shared)
        verdict = check_held(&risk->share, total, &step, &asked);
    if (verdict == RISK_PASS && (asked.ask & RISK_ASK_STRATEGY) != 0)
        verdict = check_order(&risk->strategy[strategy].limits, &asked);
    if (verdict == RISK_PASS && (asked.ask & RISK_ASK_STRATEGY) != 0)
        verdict = check_strategy(risk, market, &asked);
    CHECK(verdict != RISK_PASS); /* the strictest are some of these */
    return verdict;
}

static enum risk_verdict reserve_asked(struct risk *risk, struct market *market, const struct order_intent *intent,
                                       uint32_t strategy, uint32_t more, uint64_t now_ns);

/* What is rare is done aside, and the order begins anew: so nothing has to be kept for its return. */
static __attribute__((cold, noinline)) enum risk_verdict
reserve_posted(struct risk *risk, struct market *market, const struct order_intent *intent, uint32_t strategy,
               uint32_t more, uint64_t now_ns)
{
    risk_take_post(risk);
    return reserve_asked(risk, market, intent, strategy, more, now_ns);
}

static __attribute__((noinline)) enum risk_verdict
reserve_watched(struct risk *risk, struct market *market, const struct order_intent *intent, uint32_t strategy,
                uint32_t more, uint64_t now_ns)
{
    watch(risk, market);
    return reserve_asked(risk, market, intent, strategy, more, now_ns);
}

/* Nothing was reserved of this instrument before, or the strategy is accounted for apart. */
static __attribute__((noinline)) enum risk_verdict reserve_first(struct market *market,
                                                                 struct market_instrument *instrument,
                                                                 const struct order_intent *intent, uint32_t strategy,
                                                                 uint32_t more)
{
    if (more > 0)
        account_reserve_first(market, instrument, strategy, account_side(intent->side), more, intent->price);
    return RISK_PASS;
}

static __attribute__((noinline)) enum risk_verdict reserve_share(struct market *market,
                                                                 struct market_instrument *instrument,
                                                                 uint32_t strategy, uint32_t side, uint32_t more)
{
    account_reserve_share(market, instrument, strategy, side, more);
    return RISK_PASS;
}

/* The checks, in their order. `ask`: of strict, or 0 where the caller knows that it is: made twice by the compiler,
 * once without all that is off. */
static inline __attribute__((always_inline)) enum risk_verdict
reserve(struct risk *risk, const struct risk_strict *strict, struct market *market, const struct order_intent *intent,
        uint32_t strategy, uint32_t ask, uint32_t more, uint64_t now_ns)
{
    struct account_total *total = &market->account.lcore;
    enum risk_verdict verdict;

    if (UNLIKELY(!well_formed(intent)))
        return RISK_BAD_INTENT;
    if (UNLIKELY(__atomic_load_n(&risk->killed, __ATOMIC_RELAXED))) /* paired with: risk_kill */
        return RISK_KILLED;
    if (UNLIKELY(!risk->session_up))
        return RISK_NO_SESSION;
    if (UNLIKELY(!is_watched(risk, market)))
        return reserve_watched(risk, market, intent, strategy, more, now_ns);
    if (UNLIKELY(risk->lost != 0) && is_lost(risk, strategy))
        return RISK_LOSS;
    if (UNLIKELY(risk->jumped && !steady(risk, now_ns)))
        return RISK_CLOCK;
    if (UNLIKELY(!market_has(market, intent->channel, intent->instrument)))
        return RISK_UNKNOWN_INSTRUMENT;
    struct market_instrument *instrument = &market->channel[intent->channel].instruments[intent->instrument];
    if (UNLIKELY(instrument->symbol == 0))
        return RISK_UNKNOWN_INSTRUMENT;
    struct asked asked = asked_of(strict, market, intent, strategy, instrument, more, now_ns);
    asked.ask = ask;
    if ((verdict = check_instrument(market, &asked)) != RISK_PASS)
        return verdict;
    if ((verdict = check_bbo(&asked)) != RISK_PASS)
        return verdict;
    if (UNLIKELY(check_order(asked.limits, &asked) != RISK_PASS))
        return reason_of(risk, market, intent, strategy, more, now_ns);
    const struct account_step step = account_step(instrument->position, instrument->open_qty, asked.side, more);
    if (UNLIKELY(check_held(asked.limits, total, &step, &asked) != RISK_PASS))
        return reason_of(risk, market, intent, strategy, more, now_ns);
    if ((ask & RISK_ASK_STRATEGY) != 0 && UNLIKELY(check_strategy(risk, market, &asked) != RISK_PASS))
        return reason_of(risk, market, intent, strategy, more, now_ns);
    if ((ask & ASK_FURTHER) != 0 && (verdict = check_further(risk, &asked)) != RISK_PASS)
        return verdict;
    if (UNLIKELY(risk->rehearsing))
        return RISK_PASS;
    if ((verdict = check_rates(risk, &asked)) != RISK_PASS)
        return verdict;

    if ((ask & RISK_ASK_DUPLICATE) != 0 && intent->action == ORDER_NEW)
        recent_push(&risk->strategy[strategy].recent, intent, now_ns);
    if (UNLIKELY(!account_owns(instrument)))
        return reserve_first(market, instrument, intent, strategy, more);
    account_book(total, instrument->open_qty, asked.side, more, step.grows, instrument->mark);
    if (UNLIKELY(account_shares(&market->account, strategy)))
        return reserve_share(market, instrument, strategy, asked.side, more);
    return RISK_PASS;
}

static __attribute__((noinline)) enum risk_verdict reserve_asked(struct risk *risk, struct market *market,
                                                                 const struct order_intent *intent, uint32_t strategy,
                                                                 uint32_t more, uint64_t now_ns)
{
    const struct risk_strict *strict = &risk->strict[strategy];

    return reserve(risk, strict, market, intent, strategy, strict->ask, more, now_ns);
}

enum risk_verdict risk_reserve(struct risk *risk, struct market *market, const struct order_intent *intent,
                               uint8_t strategy, uint64_t now_ns)
{
    const uint32_t whose = strategy;

    if (UNLIKELY(intent->action != ORDER_NEW || whose >= RISK_STRATEGIES_MAX))
        return RISK_BAD_INTENT;
    if (UNLIKELY(risk_posted(risk)))
        return reserve_posted(risk, market, intent, whose, intent->qty, now_ns);
    const struct risk_strict *strict = &risk->strict[whose];
    if (strict->ask != 0)
        return reserve_asked(risk, market, intent, whose, intent->qty, now_ns);
    return reserve(risk, strict, market, intent, whose, 0, intent->qty, now_ns);
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
    if (UNLIKELY(intent->action != ORDER_REPLACE || strategy >= RISK_STRATEGIES_MAX))
        return RISK_BAD_INTENT;
    risk_take(risk);
    return reserve_asked(risk, market, intent, strategy, intent->qty > open_qty ? intent->qty - open_qty : 0, now_ns);
}

void risk_undo(struct risk *risk, struct market *market, const struct order_intent *intent, uint32_t reserved,
               uint8_t strategy)
{
    if (reserved > 0)
        risk_release(market, intent->channel, intent->instrument, intent->side, strategy, reserved);
    if (intent->action == ORDER_NEW && (risk->strict[strategy].ask & RISK_ASK_DUPLICATE) != 0)
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
    CHECK(market_has(market, channel, instrument_idx));
    account_reserve(market, &market->channel[channel].instruments[instrument_idx], strategy, side, -(int64_t)qty,
                    MD_PRICE_NONE);
}
