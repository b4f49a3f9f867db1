/* Random numbers, orders and prices of the session generator; session_model.h says what each function does.
 *
 * Called by session.c and session_say.c on the thread that owns the session. A price level holds orders of one side
 * only, since books never cross, so one queue per level and a bit map of the occupied ones are all that a book needs.
 * Allocates nothing; no floating point, whose library functions differ between machines. */
#include "tools/session_model.h"

#include "ring/check.h"

/* random numbers */

static uint64_t rotate(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

void session_random_init(struct session_random *random, uint64_t seed)
{
    for (unsigned i = 0; i < 4; i++) {
        seed += 0x9e3779b97f4a7c15u;
        uint64_t value = seed;
        value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
        value = (value ^ value >> 27) * 0x94d049bb133111ebu;
        random->state[i] = value ^ value >> 31;
    }
}

uint64_t session_random_next(struct session_random *random)
{
    uint64_t *s = random->state;
    const uint64_t result = rotate(s[1] * 5, 7) * 9;
    const uint64_t shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate(s[3], 45);
    return result;
}

uint32_t session_random_below(struct session_random *random, uint32_t bound)
{
    return (uint32_t)((session_random_next(random) >> 32) * bound >> 32);
}

/* -log2 of a uniform number, its mantissa taken as linear: exact at the powers of two, and the same on every machine,
 * which the logarithm of a C library is not. 43691 / 65536 makes the mean right. */
uint64_t session_random_exponential(struct session_random *random, uint64_t mean)
{
    const uint64_t uniform = session_random_next(random) | 1;
    const uint32_t zeros = (uint32_t)__builtin_clzll(uniform);
    const uint64_t mantissa_q16 = (uniform << zeros << 1) >> 48;
    const uint64_t value_q16 = ((((uint64_t)zeros + 1) << 16) - mantissa_q16) * 43691 >> 16;
    return mean * value_q16 >> 16;
}

uint32_t session_below(struct session *s, uint32_t bound)
{
    return session_random_below(&s->random, bound);
}

uint32_t session_heads(struct session *s, uint32_t permille, uint32_t max)
{
    uint32_t count = 0;
    while (count < max && session_below(s, PERMILLE) < permille)
        count++;
    return count;
}

uint32_t session_pick_rank(struct session *s)
{
    const uint64_t total = s->cumulative[s->params.symbols - 1];
    const uint64_t wanted = session_random_next(&s->random) % total;
    uint32_t low = 0, high = s->params.symbols - 1;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (s->cumulative[middle] <= wanted)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* books */

/* Highest level with orders at or below `level`; -1 = none. */
static int32_t occupied_down(const struct session_symbol *symbol, int32_t level)
{
    if (level < 0)
        return -1;
    int32_t word = level / 64;
    uint64_t bits = symbol->occupied[word] << (63 - level % 64);
    if (bits != 0)
        return level - __builtin_clzll(bits);
    while (--word >= 0)
        if (symbol->occupied[word] != 0)
            return word * 64 + 63 - __builtin_clzll(symbol->occupied[word]);
    return -1;
}

/* Lowest level with orders at or above `level`; LEVELS = none. */
static int32_t occupied_up(const struct session_symbol *symbol, int32_t level)
{
    if (level >= LEVELS)
        return LEVELS;
    int32_t word = level / 64;
    uint64_t bits = symbol->occupied[word] >> (level % 64);
    if (bits != 0)
        return level + __builtin_ctzll(bits);
    while (++word < LEVELS / 64)
        if (symbol->occupied[word] != 0)
            return word * 64 + __builtin_ctzll(symbol->occupied[word]);
    return LEVELS;
}

static void queue_append(struct session *s, struct session_order *order)
{
    struct session_symbol *symbol = &s->symbols[order->symbol];
    const uint32_t idx = (uint32_t)(order - s->orders);
    const uint8_t level = order->level;
    const uint64_t bit = UINT64_C(1) << (level % 64);
    order->next = NONE;
    if ((symbol->occupied[level / 64] & bit) == 0) {
        symbol->occupied[level / 64] |= bit;
        order->prev = NONE;
        symbol->head[level] = idx;
    } else {
        order->prev = symbol->tail[level];
        s->orders[order->prev].next = idx;
    }
    symbol->tail[level] = idx;
    if (order->side == 'B' && level > symbol->best_bid)
        symbol->best_bid = level;
    if (order->side == 'S' && level < symbol->best_ask)
        symbol->best_ask = level;
    DCHECK(symbol->best_bid < symbol->best_ask);
}

static void queue_remove(struct session *s, struct session_order *order)
{
    struct session_symbol *symbol = &s->symbols[order->symbol];
    const uint8_t level = order->level;
    if (order->prev != NONE)
        s->orders[order->prev].next = order->next;
    else
        symbol->head[level] = order->next;
    if (order->next != NONE)
        s->orders[order->next].prev = order->prev;
    else
        symbol->tail[level] = order->prev;
    if (order->prev != NONE || order->next != NONE)
        return;
    symbol->occupied[level / 64] &= ~(UINT64_C(1) << (level % 64));
    if (level == symbol->best_bid)
        symbol->best_bid = occupied_down(symbol, level);
    else if (level == symbol->best_ask)
        symbol->best_ask = occupied_up(symbol, level);
}

static uint64_t take_ref(struct session *s, uint32_t symbol)
{
    const uint32_t stream = symbol % STREAMS;
    s->next_ref[stream] += 1 + session_below(s, 3); /* what is not displayed takes numbers too */
    return s->next_ref[stream] * STREAMS + stream;
}

struct session_order *session_order_enter(struct session *s, uint32_t symbol, uint8_t side, int32_t level, uint32_t qty)
{
    struct session_order *order = &s->orders[s->free_order];
    const int32_t away = side == 'B' ? s->symbols[symbol].fair - 1 - level : level - s->symbols[symbol].fair;
    s->free_order = order->next;
    order->ref = take_ref(s, symbol);
    order->qty = qty;
    order->symbol = (uint16_t)symbol;
    order->side = side;
    order->level = (uint8_t)level;
    /* What is far from the top lives longer. */
    order->life = (uint8_t)session_heads(s, away > 8 ? 700 : 450, LIVES - 1);
    order->life_idx = s->life_count[order->life]++;
    s->by_life[order->life][order->life_idx] = (uint32_t)(order - s->orders);
    s->order_count++;
    queue_append(s, order);
    return order;
}

void session_order_replace(struct session *s, struct session_order *order, int32_t level_wanted, uint32_t qty)
{
    queue_remove(s, order);
    order->level = (uint8_t)session_level_behind(&s->symbols[order->symbol], order->side, level_wanted);
    order->qty = qty;
    order->ref = take_ref(s, order->symbol);
    queue_append(s, order);
}

void session_order_leave(struct session *s, struct session_order *order)
{
    const uint32_t last = --s->life_count[order->life];
    const uint32_t moved = s->by_life[order->life][last];
    s->by_life[order->life][order->life_idx] = moved;
    s->orders[moved].life_idx = order->life_idx;
    queue_remove(s, order);
    order->next = s->free_order;
    s->free_order = (uint32_t)(order - s->orders);
    s->order_count--;
}

struct session_order *session_pick_order(struct session *s)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < LIVES; i++)
        total += (uint64_t)s->life_count[i] << 2 * (LIVES - 1 - i);
    uint64_t wanted = session_random_next(&s->random) % total;
    for (uint32_t i = 0;; i++) {
        const uint64_t weight = (uint64_t)s->life_count[i] << 2 * (LIVES - 1 - i);
        if (wanted < weight)
            return &s->orders[s->by_life[i][wanted >> 2 * (LIVES - 1 - i)]];
        wanted -= weight;
    }
}

uint32_t session_draw_qty(struct session *s)
{
    const uint32_t dice = session_below(s, 100);
    if (dice < 60)
        return 100;
    if (dice < 80)
        return 1 + session_below(s, 99); /* odd lots */
    return 100 * (1 + session_heads(s, 800, 99));
}

int32_t session_draw_level(struct session *s, const struct session_symbol *symbol, uint8_t side)
{
    const uint32_t away = session_below(s, 100) < 85 ? session_heads(s, 600, 20) : session_heads(s, 950, 120);
    const int32_t level = side == 'B' ? symbol->fair - 1 - (int32_t)away : symbol->fair + (int32_t)away;
    return level < 0 ? 0 : level > LEVELS - 1 ? LEVELS - 1 : level;
}

int32_t session_level_behind(const struct session_symbol *symbol, uint8_t side, int32_t level)
{
    if (side == 'B')
        return level < symbol->best_ask ? level : symbol->best_ask - 1;
    return level > symbol->best_bid ? level : symbol->best_bid + 1;
}
