/* risk_model: random streams of market events, orders, cancels, replaces, answers of a venue, breaks, losses and jumps
 * of time, through the gate with its accounts and through a slow and obvious model of the same rules. They agree on
 * every verdict, and on every sum after every step. The model keeps lists and walks over them; of the gate's code it
 * shares nothing but the limits and the names of the verdicts. */
#include "gateway/order/answer.h"
#include "gateway/order/open.h"
#include "gateway/order/risk.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { CHANNELS = 2, INSTRUMENTS = 3, STRATEGIES = 3, TABLE = 32, SENT = 4096, SEEDS = 60, STEPS = 5000 };

#define NONE  MD_PRICE_NONE
#define START UINT64_C(1700000000000000000)

typedef __int128 wide;

static uint64_t random_state;
static uint32_t below(uint32_t bound)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((random_state >> 33) % bound);
}
static bool one_in(uint32_t n)
{
    return below(n) == 0;
}

/* ---- what the day begins with ---- */

static const struct reference_row rows[] = {
    {.symbol = 1, .close_price = 500, .tick = REFERENCE_TICK_ANY, .flags = REFERENCE_KNOWN | REFERENCE_BORROWABLE},
    {.symbol = 2, .close_price = 480, .tick = REFERENCE_TICK_SIZE, .tick_size = 5, .lot = 10, .flags = REFERENCE_KNOWN},
    {.symbol = 3, .close_price = NONE, .flags = REFERENCE_KNOWN | REFERENCE_RESTRICTED},
};
static const struct reference reference = {rows, 3};

/* ---- the model ---- */

struct m_order {
    bool used, waiting; /* waiting: a replace without an answer */
    uint32_t ref, orig, left, asked, filled, base;
    uint8_t strategy, side;
    uint16_t channel, instrument;
    int32_t price;
};
struct m_instrument {
    int32_t bid, ask, last, close, mark, tick;
    uint32_t lot;
    bool ours, untradable, known, restricted, borrowable;
    uint64_t symbol;
    uint8_t state, operational, short_sale;
    int64_t position[1 + STRATEGIES]; /* of the lcore, of each strategy */
};
struct m_bucket {
    wide level, token, full;
    uint64_t at;
};
struct m_sent {
    struct order_intent intent;
    uint64_t ns;
};
static struct {
    struct {
        bool stale, silent, lost, ended;
        uint8_t system;
        struct m_instrument instrument[INSTRUMENTS];
    } channel[CHANNELS];
    struct m_order order[TABLE];
    struct risk_limits lcore, share, strategy[STRATEGIES]; /* of strategies 1 and 2 */
    struct m_bucket rate, share_rate, strategy_rate[STRATEGIES], messages;
    wide cash[1 + STRATEGIES], base[1 + STRATEGIES], base_share;
    bool lost[1 + STRATEGIES], lost_share, killed, session_up, jumped, mid;
    uint64_t jumped_ns, now_ns;
    struct m_sent sent[STRATEGIES][SENT];
    uint32_t sent_count[STRATEGIES];
} m;

static bool counted(uint32_t scope)
{
    return scope == 0 || scope == 2; /* the lcore, and strategy 1: strategy 2 has limits but no account */
}

static const struct m_order *orig_of(const struct m_order *order)
{
    for (uint32_t i = 0; i < TABLE; i++)
        if (m.order[i].used && m.order[i].ref == order->orig)
            return &m.order[i];
    return NULL;
}

/* Shares that an order may still add to its side, beyond what the order that it replaces may. */
static wide reserved(const struct m_order *order)
{
    if (!order->waiting)
        return order->left;
    const struct m_order *orig = orig_of(order);
    const wide rest = (wide)order->asked - (orig->filled - order->base) - orig->left;
    return rest > 0 ? rest : 0;
}

static bool in_scope(const struct m_order *order, uint32_t scope)
{
    return order->used && (scope == 0 || order->strategy + 1u == scope);
}

static wide open_qty(uint32_t scope, uint16_t channel, uint16_t instrument, bool buy)
{
    wide sum = 0;

    for (uint32_t i = 0; i < TABLE; i++)
        if (in_scope(&m.order[i], scope) && m.order[i].channel == channel && m.order[i].instrument == instrument &&
            (m.order[i].side == 'B') == buy)
            sum += reserved(&m.order[i]);
    return sum;
}

static uint32_t open_count(uint32_t scope)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < TABLE; i++)
        count += in_scope(&m.order[i], scope);
    return count;
}

struct m_sums {
    wide gross, bought, sold, value;
};
static struct m_sums sums(uint32_t scope)
{
    struct m_sums sum = {.gross = 0};

    for (uint16_t c = 0; c < CHANNELS; c++)
        for (uint16_t i = 0; i < INSTRUMENTS; i++) {
            const struct m_instrument *its = &m.channel[c].instrument[i];
            if (its->mark == NONE)
                continue;
            const wide p = its->position[scope], b = open_qty(scope, c, i, true), s = open_qty(scope, c, i, false);
            sum.gross += (p + b > s - p ? p + b : s - p) * its->mark;
            sum.bought += (p + b) * its->mark;
            sum.sold += (p - s) * its->mark;
            sum.value += p * its->mark;
        }
    return sum;
}

static wide profit(uint32_t scope)
{
    return m.cash[scope] + sums(scope).value;
}

static void m_watch(void)
{
    for (uint32_t scope = 0; scope <= STRATEGIES; scope++) {
        const struct risk_limits *limits = scope == 0 ? &m.lcore : &m.strategy[scope - 1];
        if (counted(scope) && limits->loss_max && m.base[scope] - profit(scope) >= (wide)limits->loss_max)
            m.lost[scope] = true;
    }
    if (m.share.loss_max && m.base_share - profit(0) >= (wide)m.share.loss_max)
        m.lost_share = true;
}

static void m_mark(struct m_instrument *its)
{
    const bool two = its->bid != NONE && its->ask != NONE && its->bid <= its->ask;
    const int32_t sum = two ? its->bid + its->ask : 0, middle = (sum - (sum & 1)) / 2;

    if (!its->ours)
        return;
    if (two && m.mid)
        its->mark = middle;
    else if (its->last != NONE)
        its->mark = its->last;
    else if (its->close != NONE)
        its->mark = its->close;
    else if (two)
        its->mark = middle;
}

static void m_own(struct m_instrument *its, int32_t price)
{
    if (its->ours && its->mark != NONE)
        return;
    its->ours = true;
    m_mark(its);
    if (its->mark == NONE)
        its->mark = price;
}

static void m_forget(uint16_t c)
{
    for (uint32_t i = 0; i < INSTRUMENTS; i++) {
        struct m_instrument *its = &m.channel[c].instrument[i];
        its->bid = its->ask = its->last = its->close = NONE;
        its->symbol = its->state = its->operational = its->short_sale = 0;
        its->untradable = its->known = its->restricted = its->borrowable = false;
        its->tick = 0;
        its->lot = 0;
    }
    m.channel[c].system = 0;
}

static void m_event(const struct md_event *event)
{
    if (event->type == MD_TIME) {
        const uint64_t before = m.now_ns, now = event->exchange_ns;
        m.now_ns = now;
        const bool back = m.lcore.clock_back_ms && before > now + m.lcore.clock_back_ms * UINT64_C(1000000);
        const bool ahead = m.lcore.clock_ahead_ms && now > before + m.lcore.clock_ahead_ms * UINT64_C(1000000);
        if (before && (back || ahead)) {
            m.jumped = true;
            m.jumped_ns = now;
        }
        m_watch();
        return;
    }
    const bool refresh = (event->flags & MD_REFRESH) != 0;
    if (event->instrument == MD_INSTRUMENT_NONE) {
        const uint16_t c = event->channel;
        if (event->type == MD_STALE_BEGIN) {
            m.channel[c].stale = true;
            m.channel[c].silent = event->qty == 0 && !refresh;
            if (refresh)
                m.channel[c].lost = false;
        } else if (event->type == MD_STALE_END) {
            m.channel[c].silent = false;
            if (refresh)
                m.channel[c].lost = false;
            m.channel[c].stale = m.channel[c].lost;
            m.channel[c].ended = m.channel[c].ended && refresh;
        } else if (event->type == MD_SESSION) {
            m.channel[c].stale = m.channel[c].silent = m.channel[c].lost = m.channel[c].ended = false;
            m_forget(c);
        } else if (event->type == MD_RESET) {
            m.channel[c].stale = (event->flags & MD_STALE) != 0;
            m.channel[c].lost = m.channel[c].silent = false;
            m_forget(c);
        } else if (event->type == MD_SYSTEM) {
            m.channel[c].system = event->side;
        } else if (event->type == MD_SESSION_END) {
            m.channel[c].ended = true;
        }
        return;
    }
    struct m_instrument *its = &m.channel[event->channel].instrument[event->instrument];
    its->bid = event->bid_price;
    its->ask = event->ask_price;
    its->untradable = (event->flags & MD_UNTRADABLE) != 0;
    if (event->type == MD_DEFINE) {
        its->symbol = event->ref;
        for (uint32_t i = 0; i < 3; i++)
            if (rows[i].symbol == event->ref) {
                its->known = true;
                its->restricted = rows[i].flags & REFERENCE_RESTRICTED;
                its->borrowable = rows[i].flags & REFERENCE_BORROWABLE;
                its->close = rows[i].close_price;
                its->tick = rows[i].tick_size;
                its->lot = rows[i].lot;
            }
    }
    if ((event->type == MD_TRADE || event->type == MD_EXECUTE || event->type == MD_CROSS) && event->price > 0)
        its->last = event->price;
    if (event->type == MD_STATE)
        its->state = event->side;
    if (event->type == MD_OPERATIONAL)
        its->operational = event->side;
    if (event->type == MD_SHORT_SALE)
        its->short_sale = event->side;
    m_mark(its);
}

static struct m_bucket m_bucket(uint32_t per_s, uint32_t burst)
{
    const wide token = per_s ? (1000000000 + (wide)per_s - 1) / per_s : 1000000000;

    return (struct m_bucket){.level = token * burst, .token = token, .full = token * burst};
}

static bool m_holds(struct m_bucket *bucket, uint32_t tokens, uint64_t now_ns)
{
    if (now_ns > bucket->at) {
        bucket->level += now_ns - bucket->at;
        bucket->at = now_ns;
    }
    if (bucket->level > bucket->full)
        bucket->level = bucket->full;
    return bucket->level >= bucket->token * tokens;
}

/* Is `price` outside `bps` around `from`, on the side that hurts or on both? */
static bool outside(wide price, wide from, wide bps, bool up, bool down)
{
    const wide size = (from < 0 ? -from : from) * bps;
    return (up && price * 10000 > from * 10000 + size) || (down && price * 10000 < from * 10000 - size);
}

static enum risk_verdict m_order(const struct risk_limits *limits, const struct m_instrument *its,
                                 const struct order_intent *intent, int32_t touch, uint64_t now_ns)
{
    const bool buy = intent->side == 'B';
    const uint64_t second = (now_ns - START) / 1000000000; /* midnight is START */

    if ((limits->hours_from_s || limits->hours_to_s) &&
        (now_ns < START || second < limits->hours_from_s || second >= limits->hours_to_s))
        return RISK_HOURS;
    if (intent->qty > limits->order_qty_max)
        return RISK_QTY;
    if ((wide)intent->price * intent->qty > (wide)limits->order_notional_max)
        return RISK_NOTIONAL;
    if (outside(intent->price, touch, limits->collar_bps, buy, !buy))
        return RISK_COLLAR;
    if (limits->collar_last_bps && its->last != NONE &&
        outside(intent->price, its->last, limits->collar_last_bps, true, true))
        return RISK_COLLAR_LAST;
    if (limits->collar_close_bps && its->close != NONE &&
        outside(intent->price, its->close, limits->collar_close_bps, true, true))
        return RISK_COLLAR_CLOSE;
    return RISK_PASS;
}

static enum risk_verdict m_held(const struct risk_limits *limits, uint32_t scope, const struct m_instrument *its,
                                const struct order_intent *intent, uint32_t more, bool fresh)
{
    const bool buy = intent->side == 'B';
    const wide p = its->position[scope], b = open_qty(scope, intent->channel, intent->instrument, true),
               s = open_qty(scope, intent->channel, intent->instrument, false);
    const wide worst = p + b > s - p ? p + b : s - p;
    const wide mine = buy ? p + b + more : s - p + more;
    const wide price = its->mark != NONE && its->mark > intent->price ? its->mark : intent->price;
    const struct m_sums sum = sums(scope);

    if (fresh && limits->open_orders_max && open_count(scope) >= limits->open_orders_max)
        return RISK_OPEN_ORDERS;
    if (more == 0)
        return RISK_PASS;
    if (mine > limits->position_max)
        return RISK_POSITION;
    if (limits->gross_max && mine > worst && sum.gross + (mine - worst) * price > (wide)limits->gross_max)
        return RISK_GROSS;
    if (limits->net_max && (buy ? sum.bought + more * price : more * price - sum.sold) > (wide)limits->net_max)
        return RISK_NET;
    return RISK_PASS;
}

static int32_t m_named(const struct m_instrument *its, uint8_t rule, int32_t other)
{
    return rule == RISK_RULE_OTHER   ? other
           : rule == RISK_RULE_LAST  ? its->last
           : rule == RISK_RULE_CLOSE ? its->close
                                     : NONE;
}

/* `had`: shares that a replace has already. */
static enum risk_verdict m_ask(const struct order_intent *intent, uint8_t strategy, uint32_t had, uint64_t now_ns)
{
    const bool buy = intent->side == 'B', fresh = intent->action == ORDER_NEW;
    const uint32_t more = intent->qty > had ? intent->qty - had : 0;
    const struct risk_limits *all = &m.lcore, *its_limits = strategy > 0 ? &m.strategy[strategy] : NULL;
    enum risk_verdict verdict;

    if (!memchr("BSTE", intent->side, 4) || intent->price <= 0 || intent->qty == 0 ||
        (intent->tif != ORDER_DAY && intent->tif != ORDER_IOC))
        return RISK_BAD_INTENT;
    if (m.killed)
        return RISK_KILLED;
    if (!m.session_up)
        return RISK_NO_SESSION;
    m_watch();
    if (m.lost[0] || m.lost_share || m.lost[strategy + 1])
        return RISK_LOSS;
    if (m.jumped && now_ns >= m.jumped_ns && now_ns - m.jumped_ns >= all->clock_steady_ms * UINT64_C(1000000))
        m.jumped = false;
    if (m.jumped)
        return RISK_CLOCK;
    if (intent->channel >= CHANNELS || intent->instrument >= INSTRUMENTS)
        return RISK_UNKNOWN_INSTRUMENT;
    struct m_instrument *its = &m.channel[intent->channel].instrument[intent->instrument];
    if (its->symbol == 0)
        return RISK_UNKNOWN_INSTRUMENT;
    const uint8_t system = m.channel[intent->channel].system;
    if (m.channel[intent->channel].stale && !all->allow_stale)
        return m.channel[intent->channel].silent ? RISK_SILENT : RISK_STALE;
    if (its->untradable)
        return RISK_UNTRADABLE;
    if ((its->state && its->state != 'T') || its->operational == 'H' || m.channel[intent->channel].ended)
        return RISK_HALTED;
    if (all->no_early && (system == 0 || system == 'O' || system == 'S'))
        return RISK_EARLY;
    if (all->no_late && (system == 'M' || system == 'E' || system == 'C'))
        return RISK_LATE;
    if (!its->known && all->no_reference == RISK_RULE_REFUSE)
        return RISK_NO_REFERENCE;
    if (its->restricted)
        return RISK_RESTRICTED;
    if (its->tick && intent->price % its->tick)
        return RISK_TICK;
    if (its->lot && intent->qty % its->lot)
        return RISK_LOT;
    const int32_t opposite = buy ? its->ask : its->bid, mine = buy ? its->bid : its->ask;
    int32_t touch = opposite;
    if (opposite == NONE && mine == NONE)
        touch = m_named(its, all->no_bbo, NONE);
    else if (opposite == NONE || mine == NONE) {
        if (all->one_sided == RISK_RULE_REFUSE)
            return RISK_ONE_SIDED;
        if (opposite == NONE)
            touch = m_named(its, all->one_sided, mine);
    } else if (its->bid == its->ask && all->locked == RISK_RULE_REFUSE)
        return RISK_LOCKED;
    else if (its->bid > its->ask && all->crossed == RISK_RULE_REFUSE)
        return RISK_CROSSED;
    if (touch == NONE)
        return RISK_NO_BBO;
    if ((verdict = m_order(all, its, intent, touch, now_ns)) || (verdict = m_held(all, 0, its, intent, more, fresh)) ||
        (verdict = m_held(&m.share, 0, its, intent, more, fresh)) ||
        (its_limits && (verdict = m_order(its_limits, its, intent, touch, now_ns))) ||
        (counted(strategy + 1u) && (verdict = m_held(its_limits, strategy + 1u, its, intent, more, fresh))))
        return verdict;
    if (all->short_sale && intent->side == 'S' && more > 0 &&
        its->position[0] - open_qty(0, intent->channel, intent->instrument, false) - more < 0)
        return RISK_SHORT_UNMARKED;
    if (all->short_sale && (intent->side == 'T' || intent->side == 'E') && !its->borrowable)
        return RISK_SHORT_LOCATE;
    if (all->short_sale && intent->side == 'T' && (its->short_sale == '1' || its->short_sale == '2') &&
        (its->bid == NONE || intent->price <= its->bid))
        return RISK_SHORT_PRICE;
    for (uint32_t i = 0; i < TABLE && all->self_cross; i++) {
        const struct m_order *order = &m.order[i];
        if (order->used && order->channel == intent->channel && order->instrument == intent->instrument &&
            (order->side == 'B') != buy && (buy ? intent->price >= order->price : intent->price <= order->price))
            return RISK_SELF_CROSS;
    }
    uint32_t window_ms = all->duplicate_ms;
    if (its_limits && its_limits->duplicate_ms > window_ms)
        window_ms = its_limits->duplicate_ms;
    if (fresh && window_ms) {
        const uint32_t count = m.sent_count[strategy];
        for (uint32_t i = 1; i <= count && i < RECENT_ORDERS; i++) {
            const struct m_sent *sent = &m.sent[strategy][count - i];
            if (sent->intent.channel == intent->channel && sent->intent.instrument == intent->instrument &&
                (sent->intent.side == 'B') == buy && sent->intent.price == intent->price &&
                sent->intent.qty == intent->qty && now_ns < sent->ns + window_ms * UINT64_C(1000000))
                return RISK_DUPLICATE;
        }
        if (count >= RECENT_ORDERS &&
            now_ns < m.sent[strategy][count - RECENT_ORDERS].ns + window_ms * UINT64_C(1000000))
            return RISK_DUPLICATE;
    }
    if (all->messages_per_s && !m_holds(&m.messages, all->messages_reserve + 1, now_ns))
        return RISK_MESSAGES;
    if (!m_holds(&m.rate, 1, now_ns) || !m_holds(&m.share_rate, 1, now_ns) ||
        (its_limits && !m_holds(&m.strategy_rate[strategy], 1, now_ns)))
        return RISK_RATE;
    m.messages.level -= all->messages_per_s ? m.messages.token : 0;
    m.rate.level -= m.rate.token;
    m.share_rate.level -= m.share_rate.token;
    if (its_limits)
        m.strategy_rate[strategy].level -= m.strategy_rate[strategy].token;
    if (more > 0)
        m_own(its, intent->price);
    if (fresh && window_ms)
        m.sent[strategy][m.sent_count[strategy]++] = (struct m_sent){*intent, now_ns};
    return RISK_PASS;
}

static void m_remove(struct m_order *order)
{
    const uint32_t ref = order->ref;

    order->used = false;
    for (uint32_t i = 0; i < TABLE; i++)
        if (m.order[i].used && m.order[i].waiting && m.order[i].orig == ref)
            m.order[i].used = false;
}

/* ---- the gate, with what a strategy lcore has around it ---- */

static struct market *market;
static struct risk *risk;
static struct open_orders open;
static struct answer_counters counters;
static uint64_t verdicts[RISK_VERDICT_COUNT];
static uint64_t seed;
static int step;

static void answer(struct m_order *order, enum ouch_answer_type type, uint32_t qty, int32_t price)
{
    struct ouch_answer answer = {.type = (uint8_t)type,
                                 .side = order->side,
                                 .state = 'L',
                                 .user_ref = order->ref,
                                 .orig_user_ref = type == OUCH_REPLACED || type == OUCH_ACCEPTED ? order->orig : 0,
                                 .qty = qty,
                                 .symbol = open_find(&open, order->ref)->symbol,
                                 .price = (uint64_t)price};
    struct order_event events[ANSWER_EVENTS_MAX];
    uint32_t event_count;
    const enum answer_verdict verdict = answer_apply(&open, market, &answer, m.now_ns, &counters, events, &event_count);

    cr_assert_eq(verdict, ANSWER_APPLIED, "seed %lu, step %d: %s", seed, step, answer_verdict_name(verdict));
}

static struct m_order *any_order(void)
{
    const uint32_t first = below(TABLE);

    for (uint32_t i = 0; i < TABLE; i++)
        if (m.order[(first + i) % TABLE].used)
            return &m.order[(first + i) % TABLE];
    return NULL;
}

static void venue(void)
{
    struct m_order *order = any_order();

    if (!order)
        return;
    struct open_order *real = open_find(&open, order->ref);
    struct m_instrument *its = &m.channel[order->channel].instrument[order->instrument];
    if (order->waiting) {
        if (one_in(3)) {
            answer(order, OUCH_REJECTED, 0, 0);
            m_remove(order);
            return;
        }
        struct m_order *orig = (struct m_order *)(uintptr_t)orig_of(order);
        const uint32_t done = orig->filled - order->base;
        if (order->asked <= done)
            return; /* nothing is left to replace with: the venue will say that the old one is done */
        order->left = order->asked - done;
        order->price += (int32_t)below(3) - 1;
        order->price = order->price > 0 ? order->price : 1;
        answer(order, OUCH_REPLACED, order->left, order->price);
        order->filled = orig->filled;
        order->waiting = false;
        orig->used = false;
        return;
    }
    if (!real->accepted && one_in(2)) {
        if (one_in(4)) {
            answer(order, OUCH_REJECTED, 0, 0);
            m_remove(order);
            return;
        }
        order->price = order->price > 2 && one_in(4) ? order->price - 1 : order->price; /* a venue may slide it */
        answer(order, OUCH_ACCEPTED, order->left, order->price);
        return;
    }
    const uint32_t qty = one_in(2) ? order->left : 1 + below(order->left);
    if (real->accepted && one_in(3)) {
        answer(order, OUCH_CANCELED, qty, 0);
        order->left -= qty;
    } else if (real->accepted && one_in(8)) {
        order->price = 1 + (int32_t)below(1000);
        answer(order, OUCH_PRIORITY, 0, order->price);
    } else {
        const int32_t price = 1 + (int32_t)below(1000);
        const int64_t change = order->side == 'B' ? qty : -(int64_t)qty;
        answer(order, OUCH_EXECUTED, qty, price);
        m_own(its, price);
        its->position[0] += change;
        m.cash[0] -= (wide)change * price;
        its->position[1 + order->strategy] += change;
        m.cash[1 + order->strategy] -= (wide)change * price;
        order->left -= qty;
        order->filled += qty;
    }
    if (order->left == 0)
        m_remove(order);
}

static void enter(const struct order_intent *intent, uint8_t strategy, struct m_order *orig, uint64_t symbol)
{
    const uint32_t ref = open_insert(&open, intent, symbol, strategy, m.now_ns);
    struct open_order *order = open_find(&open, ref);
    struct m_order *mine = m.order;

    if (orig)
        open_replace_sent(open_find(&open, orig->ref), order);
    open_own(&open, market, order);
    while (mine->used)
        mine++;
    *mine = (struct m_order){.used = true,
                             .waiting = orig != NULL,
                             .ref = ref,
                             .orig = orig ? orig->ref : 0,
                             .left = intent->qty,
                             .asked = intent->qty,
                             .base = orig ? orig->filled : 0,
                             .strategy = strategy,
                             .side = intent->side,
                             .channel = intent->channel,
                             .instrument = intent->instrument,
                             .price = intent->price};
}

static void ask(void)
{
    struct order_intent intent = {.action = ORDER_NEW,
                                  .side = (uint8_t) "BBBBSSTEx"[below(one_in(30) ? 9 : 8)],
                                  .tif = one_in(60) ? 9 : ORDER_DAY,
                                  .channel = (uint16_t)(one_in(60) ? below(9) : below(CHANNELS)),
                                  .instrument = (uint16_t)(one_in(60) ? below(9) : below(INSTRUMENTS)),
                                  .price = one_in(8) ? (int32_t)below(1500) - 5 : 480 + (int32_t)below(9) * 5,
                                  .qty = one_in(40) ? 0 : (1 + below(30)) * (one_in(3) ? 1 : 10)};
    uint8_t strategy = (uint8_t)below(STRATEGIES);
    struct m_order *orig = one_in(5) ? any_order() : NULL;
    uint32_t had = 0;

    if (!open_room(&open) || m.sent_count[strategy] == SENT)
        return;
    if (orig) {
        const struct open_order *real = open_find(&open, orig->ref);
        if (!open_replaceable(real))
            return;
        intent.action = ORDER_REPLACE;
        intent.side = orig->side;
        intent.channel = orig->channel;
        intent.instrument = orig->instrument;
        strategy = orig->strategy;
        had = orig->left;
    } else if (one_in(5) && m.sent_count[strategy] > 0) { /* the same once more */
        const uint32_t back = 1 + below(3);
        if (back <= m.sent_count[strategy]) {
            intent = m.sent[strategy][m.sent_count[strategy] - back].intent;
        }
    }
    const uint64_t now_ns = m.now_ns - (one_in(30) ? below(1000000) : 0);
    const enum risk_verdict expected = m_ask(&intent, strategy, had, now_ns);
    const enum risk_verdict verdict = orig ? risk_reserve_replace(risk, market, &intent, had, strategy, now_ns)
                                           : risk_reserve(risk, market, &intent, strategy, now_ns);
    cr_assert_eq(verdict, expected, "seed %lu, step %d: %s, the model says %s", seed, step, risk_verdict_name(verdict),
                 risk_verdict_name(expected));
    verdicts[verdict]++;
    if (verdict != RISK_PASS)
        return;
    const uint32_t more = intent.qty > had ? intent.qty - had : 0;
    if (one_in(20)) { /* no frame was free */
        risk_undo(risk, market, &intent, more, strategy);
        if (!orig && (m.lcore.duplicate_ms || (strategy > 0 && m.strategy[strategy].duplicate_ms)))
            m.sent_count[strategy]--;
        return;
    }
    enter(&intent, strategy, orig, m.channel[intent.channel].instrument[intent.instrument].symbol);
}

static void cancel(void)
{
    struct m_order *order = any_order();

    if (!order || !open_cancellable(open_find(&open, order->ref)))
        return;
    open_cancel_sent(open_find(&open, order->ref), 0);
    risk_cancel(risk, m.now_ns);
    (void)m_holds(&m.messages, 0, m.now_ns);
    m.messages.level -= m.lcore.messages_per_s ? m.messages.token : 0;
}

/* The connection breaks; the newest orders never arrived. */
static void broken(void)
{
    struct order_event event;
    uint32_t cursor = 0;
    const uint32_t next = open.next_ref > 3 ? open.next_ref - below(3) : open.next_ref;

    while (answer_break_next(&open, &cursor, m.now_ns, &event))
        ;
    cursor = 0;
    while (answer_resolve_next(&open, market, next, &cursor, m.now_ns, &event))
        if (event.type == ORDER_RELEASED)
            for (uint32_t i = 0; i < TABLE; i++)
                if (m.order[i].used && m.order[i].ref == event.user_ref)
                    m.order[i].used = false;
}

static void event(void)
{
    static const uint8_t types[] = {MD_DEFINE, MD_DEFINE, MD_ADD,   MD_ADD,    MD_EXECUTE,     MD_TRADE,
                                    MD_CROSS,  MD_STATE,  MD_STATE, MD_DELETE, MD_OPERATIONAL, MD_SHORT_SALE};
    static const uint8_t channel_types[] = {MD_STALE_BEGIN, MD_STALE_END, MD_STALE_END, MD_STALE_END, MD_SYSTEM,
                                            MD_SYSTEM,      MD_SYSTEM,    MD_SESSION,   MD_RESET,     MD_SESSION_END};
    const int32_t middle = 490 + (int32_t)below(20);
    struct md_event event = {.type = types[below(sizeof(types))],
                             .channel = (uint16_t)below(CHANNELS),
                             .instrument = (uint16_t)below(INSTRUMENTS),
                             .flags = one_in(25) ? MD_UNTRADABLE : 0,
                             .ref = one_in(30) ? 3 + below(2) : 1 + below(2),
                             .price = one_in(10)   ? NONE
                                      : one_in(20) ? (int32_t)below(900)
                                                   : middle,
                             .bid_price = one_in(15) ? NONE : middle - (int32_t)below(6),
                             .ask_price = one_in(15) ? NONE : middle + (int32_t)below(8) - 1};
    if (event.type == MD_STATE)
        event.side = (uint8_t) "TTTTTTTTTTTTTTTTTTTTTTTTTTTTTHPQ"[below(32)];
    if (event.type == MD_OPERATIONAL)
        event.side = (uint8_t) "TTTTTTTTTTTTTTTTTTTTTTTH"[below(24)];
    if (event.type == MD_SHORT_SALE)
        event.side = (uint8_t) "0012"[below(4)];
    if (one_in(50)) {
        event.type = channel_types[below(one_in(12) ? sizeof(channel_types) : 7)];
        event.instrument = MD_INSTRUMENT_NONE;
        event.flags = event.type == MD_RESET && one_in(2) ? MD_STALE : 0;
        event.qty = below(2);
        event.side = (uint8_t) "OSQQQQQQQQQQME"[below(14)];
    }
    market_apply(market, &event);
    m_event(&event);
}

static void frame(void)
{
    const uint64_t before_ns = market->now_ns;
    struct md_event event = {
        .type = MD_TIME, .instrument = MD_INSTRUMENT_NONE, .exchange_ns = m.now_ns + below(40000000)};

    if (one_in(150))
        event.exchange_ns =
            m.now_ns + (one_in(2) ? below(2000) : (uint64_t) - (int64_t)below(2000)) * UINT64_C(1000000);
    if (event.exchange_ns < START)
        event.exchange_ns = START;
    market_apply(market, &event);
    m_event(&event);
    risk_frame(risk, market, before_ns);
    const struct m_sums sum = sums(0);
    cr_assert(risk->now.gross == (int64_t)sum.gross && risk->now.net_long == (int64_t)sum.bought &&
                  risk->now.net_short == (int64_t)-sum.sold && risk->now.profit == (int64_t)profit(0) &&
                  risk->now.open_count == open_count(0),
              "seed %lu, step %d: what the control thread sees", seed, step);
}

static void control(void)
{
    const uint32_t what = m.killed ? 0 : !m.session_up ? 1 : risk_lost(risk) ? 2 : below(5);

    if (what == 0) {
        m.killed = !m.killed && one_in(3);
        risk_kill(risk, m.killed);
    } else if (what == 1) {
        risk->session_up = m.session_up = !m.session_up || !one_in(3);
    } else if (what == 2) {
        uint32_t scope = below(3) == 0 ? RISK_GATEWAY : below(2) ? RISK_LCORE : RISK_STRATEGY(1);
        if (risk_lost(risk))
            scope = (uint32_t)__builtin_ctz(risk_lost(risk));
        cr_assert(risk_post_rearm(risk, scope));
        risk_take(risk);
        risk_frame(risk, market, market->now_ns);
        if (scope == RISK_GATEWAY) {
            m.base_share = profit(0);
            m.lost_share = false;
        } else {
            m.base[scope ? 2 : 0] = profit(scope ? 2 : 0);
            m.lost[scope ? 2 : 0] = false;
        }
        m_watch();
    } else if (what == 3) {
        const uint32_t channels = 1 + below(3);
        market_lost(market, channels);
        for (uint32_t c = 0; c < CHANNELS; c++)
            if (channels >> c & 1)
                m.channel[c].stale = m.channel[c].lost = true;
    } else if (what == 4) { /* and everything begins anew */
        for (uint16_t c = 0; c < CHANNELS; c++) {
            const struct md_event session = {.type = MD_SESSION, .channel = c, .instrument = MD_INSTRUMENT_NONE};
            market_apply(market, &session);
            m_event(&session);
        }
    }
}

/* Every sum, and the best of our own prices, against walks over the lists. */
static void compare(void)
{
    for (uint16_t c = 0; c < CHANNELS; c++)
        for (uint16_t i = 0; i < INSTRUMENTS; i++) {
            const struct market_instrument *its = market_find(market, c, i);
            const struct m_instrument *mine = &m.channel[c].instrument[i];
            int32_t best_buy = NONE, best_sell = NONE;
            for (uint32_t k = 0; k < TABLE; k++) {
                const struct m_order *order = &m.order[k];
                if (!order->used || order->channel != c || order->instrument != i)
                    continue;
                if (order->side == 'B' && (best_buy == NONE || order->price > best_buy))
                    best_buy = order->price;
                if (order->side != 'B' && (best_sell == NONE || order->price < best_sell))
                    best_sell = order->price;
            }
            cr_assert(its->position == mine->position[0] && its->open_buy_qty == open_qty(0, c, i, true) &&
                          its->open_sell_qty == open_qty(0, c, i, false),
                      "seed %lu, step %d, instrument %u.%u", seed, step, c, i);
            cr_assert(its->mark == mine->mark, "seed %lu, step %d: mark %d, %d", seed, step, its->mark, mine->mark);
            cr_assert((its->own_buy.root != 0) == (best_buy != NONE) &&
                          (its->own_sell.root != 0) == (best_sell != NONE),
                      "seed %lu, step %d", seed, step);
            cr_assert((best_buy == NONE || its->own_buy.best_price == best_buy) &&
                          (best_sell == NONE || its->own_sell.best_price == best_sell),
                      "seed %lu, step %d", seed, step);
        }
    for (uint32_t scope = 0; scope <= STRATEGIES; scope++) {
        const struct account_total *total = scope == 0 ? &market->account.lcore : &market->account.strategy[scope - 1];
        cr_assert_eq(total->open_count, open_count(scope), "seed %lu, step %d", seed, step);
        if (!counted(scope))
            continue;
        const struct m_sums sum = sums(scope);
        cr_assert(total->gross == sum.gross && total->net[ACCOUNT_BUY] == sum.bought &&
                      total->net[ACCOUNT_SELL] == -sum.sold &&
                      total->value == sum.value && total->cash == m.cash[scope],
                  "seed %lu, step %d, scope %u", seed, step, scope);
    }
    cr_assert_eq(risk_lost(risk),
                 (uint32_t)(m.lost[0] << RISK_LCORE | m.lost[2] << RISK_STRATEGY(1) | m.lost_share << RISK_GATEWAY),
                 "seed %lu, step %d", seed, step);
}

static struct risk_limits random_limits(void)
{
    return (struct risk_limits){.order_qty_max = one_in(3) ? 999999 : 250,
                                .order_notional_max = one_in(3) ? UINT64_MAX : 90000 + below(50000),
                                .collar_bps = one_in(4) ? 10000 : below(400),
                                .collar_last_bps = one_in(2) ? 0 : 1 + below(700),
                                .collar_close_bps = one_in(2) ? 0 : 1 + below(900),
                                .position_max = 300 + below(one_in(2) ? 300 : 3000),
                                .open_orders_max = one_in(2) ? 0 : 1 + below(12),
                                .gross_max = one_in(2) ? 0 : 100000 + below(900000),
                                .net_max = one_in(2) ? 0 : 100000 + below(400000),
                                .loss_max = one_in(3) ? 0 : 20000 + below(400000),
                                .rate_per_s = 1 + below(150),
                                .rate_burst = 2 + below(one_in(2) ? 6 : 100),
                                .messages_per_s = one_in(2) ? 0 : 1 + below(150),
                                .messages_burst = 2 + below(one_in(2) ? 4 : 100),
                                .messages_reserve = below(2),
                                .duplicate_ms = one_in(2) ? 0 : 1 + below(2000),
                                .hours_from_s = one_in(4) ? 1 + below(3) : 0,
                                .hours_to_s = 0,
                                .clock_back_ms = one_in(2) ? 0 : 1 + below(500),
                                .clock_ahead_ms = one_in(2) ? 0 : 1 + below(500),
                                .clock_steady_ms = below(300),
                                .no_bbo = (uint8_t[]){RISK_RULE_USUAL, RISK_RULE_LAST, RISK_RULE_CLOSE}[below(3)],
                                .one_sided = (uint8_t)below(RISK_RULE_COUNT),
                                .locked = (uint8_t)below(2),
                                .crossed = (uint8_t)below(2),
                                .no_reference = (uint8_t)below(2),
                                .self_cross = one_in(2),
                                .short_sale = one_in(3),
                                .no_early = one_in(6),
                                .no_late = one_in(4),
                                .allow_stale = one_in(6)};
}

static void begin(void)
{
    static const uint32_t counts[CHANNELS] = {INSTRUMENTS, INSTRUMENTS};

    memset(&m, 0, sizeof(m));
    random_state = seed * 0x9e3779b97f4a7c15u;
    m.lcore = random_limits();
    for (uint32_t i = 1; i < STRATEGIES; i++)
        m.strategy[i] = random_limits();
    m.share = random_limits();
    for (uint32_t i = 0; i < 2 + STRATEGIES; i++) {
        struct risk_limits *limits = i == 0 ? &m.lcore : i == 1 ? &m.share : &m.strategy[i - 2];
        if (limits->hours_from_s)
            limits->hours_to_s = limits->hours_from_s + 3 + below(40);
    }
    m.mid = one_in(3);
    m.session_up = true;
    market_init(market, market->channel[0].instruments, counts, CHANNELS);
    market->reference = &reference;
    market->account.mark = m.mid ? ACCOUNT_MARK_MID : ACCOUNT_MARK_LAST;
    static struct account_share share[CHANNELS * INSTRUMENTS];
    memset(share, 0, sizeof(share));
    account_strategy(market, 1, share);
    risk_init(risk, &m.lcore, false);
    risk->session_up = true;
    risk_limit_strategy(risk, 1, &m.strategy[1]);
    risk_limit_strategy(risk, 2, &m.strategy[2]);
    risk_limit_share(risk, &m.share);
    m.rate = m_bucket(m.lcore.rate_per_s, m.lcore.rate_burst);
    m.messages = m_bucket(m.lcore.messages_per_s, m.lcore.messages_burst);
    m.share_rate = m_bucket(m.share.rate_per_s, m.share.rate_burst);
    for (uint32_t i = 1; i < STRATEGIES; i++)
        m.strategy_rate[i] = m_bucket(m.strategy[i].rate_per_s, m.strategy[i].rate_burst);
    open_init(&open, open.slots, TABLE, 1, 0);
    for (uint16_t c = 0; c < CHANNELS; c++) {
        market->channel[c].midnight_ns = START;
        m_forget(c);
        for (uint16_t i = 0; i < INSTRUMENTS; i++)
            m.channel[c].instrument[i].mark = NONE;
    }
    m.now_ns = market->now_ns = START + 1;
}

Test(risk_model, random_streams_agree_on_every_verdict_and_every_sum, .timeout = 110)
{
    static const uint32_t counts[CHANNELS] = {INSTRUMENTS, INSTRUMENTS};
    const char *only = getenv("RISK_MODEL_SEED"); /* one stream alone, to look at */

    market = malloc(sizeof(*market));
    risk = malloc(sizeof(*risk));
    market->channel[0].instruments = aligned_alloc(CACHE_LINE_BYTES, market_footprint(counts, CHANNELS));
    open.slots = aligned_alloc(CACHE_LINE_BYTES, open_footprint(TABLE));
    for (seed = only ? strtoull(only, NULL, 10) : 1; seed <= (only ? seed : SEEDS); seed++) {
        begin();
        for (step = 0; step < STEPS; step++) {
            const uint32_t dice = below(100);
            if (dice < 35)
                event();
            else if (dice < 45)
                frame();
            else if (dice < 75)
                ask();
            else if (dice < 95)
                venue();
            else if (dice < 98)
                cancel();
            else if (one_in(4))
                broken();
            else
                control();
            if ((m.killed || !m.session_up || risk_lost(risk)) && one_in(12))
                control();
            compare();
        }
        if (only)
            break;
    }
    printf("# seeds 1 to %d, %d steps each; verdicts:", SEEDS, STEPS);
    for (uint32_t i = 0; i < RISK_VERDICT_COUNT; i++)
        printf(" %s %lu", risk_verdict_name((enum risk_verdict)i), verdicts[i]);
    printf("\n");
    for (uint32_t i = 0; i < RISK_VERDICT_COUNT && !only; i++) {
        const bool elsewhere = i == RISK_UNKNOWN_ORDER || i == RISK_OPEN_FULL || i == RISK_TX_FULL ||
                               i == RISK_OVERRUN || i == RISK_ORDER_BUSY || i == RISK_REFS_USED_UP ||
                               i == RISK_WINDOW || i == RISK_LOG_FULL;
        if (!elsewhere)
            cr_assert_gt(verdicts[i], 15u, "%s was hardly reached: %lu", risk_verdict_name((enum risk_verdict)i),
                         verdicts[i]);
    }
    free(market->channel[0].instruments);
    free(market);
    free(risk);
    free(open.slots);
}
