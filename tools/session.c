/* Phases and time of the session generator.
 *
 * A session runs through phases (directory, standing book, opening, flow, close). The flow draws the kind of each
 * message from shares that are those of a Nasdaq day, nudged so that the number of live orders stays near a target.
 * Time comes in clusters of messages, clusters in calm and stormy spells. Symbols follow Zipf's law, prices walk inside
 * a window of LEVELS ticks, order lifetimes are a mixture of LIVES exponentials whose rates differ by a factor of four
 * each: nearly a power law, without a timer. */
#include "tools/session_model.h"

#include "ring/md_event.h"

#include <stdlib.h>

#define STANDING_MIN 64u    /* orders in the books before the open, at least */
#define FLOW_MIN 64u        /* messages between open and close, at least */
#define NOII_SYMBOLS_MAX 50u
#define PARTICIPANT_EVERY 16u
#define CLUSTER_MEAN_X10 27u
#define CLOSE_COUNT 4u      /* messages behind the flow */
#define BOOK_LEAD_NS UINT64_C(900000000) /* before the open: more than a second after the directory, so that the line is
                                          * quiet long enough for a heartbeat */
#define CLOSE_PAUSE_NS UINT64_C(1200000000)
#define NS_PER_S UINT64_C(1000000000)

/* What has to appear at least once, in this order, spread over the flow. */
enum forced {
    FORCED_ADD_MPID, FORCED_EXECUTED, FORCED_EXECUTED_PRICE, FORCED_CANCEL, FORCED_REPLACE, FORCED_DELETE, FORCED_TRADE,
    FORCED_BROKEN, FORCED_PAUSE, FORCED_COLLAR, FORCED_QUOTE, FORCED_RESUME, FORCED_HALT, FORCED_NO_HALT, FORCED_RETAIL,
    FORCED_COUNT
};

static uint64_t prologue_count(uint32_t symbols)
{
    const uint64_t participants = (symbols + PARTICIPANT_EVERY - 1) / PARTICIPANT_EVERY;
    return 3 + 3 * (uint64_t)symbols + participants + 2;
}

static uint64_t opening_count(uint32_t symbols)
{
    return (symbols < NOII_SYMBOLS_MAX ? symbols : NOII_SYMBOLS_MAX) + 1 + (uint64_t)symbols;
}

uint64_t session_messages_min(uint32_t symbols)
{
    return prologue_count(symbols) + STANDING_MIN + opening_count(symbols) + FLOW_MIN + CLOSE_COUNT;
}

static uint32_t orders_target(uint32_t symbols)
{
    const uint32_t target = symbols * 60;
    return target < 1000 ? 1000 : target > 80000 ? 80000 : target;
}

uint32_t session_orders_max(uint32_t symbols)
{
    return 2 * orders_target(symbols);
}

/* Symbols of four letters that do not look numbered: 91,193 has no factor in common with 26^4. */
static uint64_t symbol_name(uint32_t i)
{
    char text[5] = {0};
    uint32_t number = (i * 91193u + 12345u) % (26u * 26u * 26u * 26u);
    for (unsigned k = 0; k < 4; k++, number /= 26)
        text[k] = (char)('A' + number % 26);
    return md_symbol(text);
}

static void symbols_fill(struct session *s)
{
    const uint32_t count = s->params.symbols;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct session_symbol *symbol = &s->symbols[i];
        symbol->stock = symbol_name(i);
        const int32_t cents = session_below(s, 20) == 0 ? 20000 + (int32_t)session_below(s, 30000)
                                                        : 500 + (int32_t)session_below(s, 19500);
        symbol->price_zero = (cents - LEVELS / 2) * TICK_E4;
        symbol->fair = LEVELS / 2;
        symbol->best_bid = -1;
        symbol->best_ask = LEVELS;
        s->by_rank[i] = (uint16_t)i;
        s->cumulative[i] = sum += (UINT64_C(1) << 40) / (i + 1);
    }
    for (uint32_t i = count - 1; i > 0; i--) {
        const uint32_t k = session_below(s, i + 1);
        const uint16_t symbol = s->by_rank[i];
        s->by_rank[i] = s->by_rank[k];
        s->by_rank[k] = symbol;
    }
}

static void orders_fill(struct session *s)
{
    for (uint32_t i = 0; i < s->orders_max; i++)
        s->orders[i].next = i + 1 < s->orders_max ? i + 1 : NONE;
    for (uint32_t i = 0; i < STREAMS; i++)
        s->next_ref[i] = 1 + session_below(s, 1000);
}

struct session *session_open(const struct session_params *params)
{
    if (params->symbols == 0 || params->symbols > SESSION_SYMBOLS_MAX || params->rate_per_s == 0 ||
        params->rate_per_s > SESSION_RATE_MAX || params->messages < session_messages_min(params->symbols) ||
        params->messages > SESSION_MESSAGES_MAX || params->open_ns < SESSION_LEAD_NS ||
        params->open_ns > 86400 * NS_PER_S || params->orders > SESSION_ORDERS_MAX)
        return NULL;
    struct session *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return NULL;
    s->params = *params;
    s->orders_target = params->orders != 0 ? params->orders : orders_target(params->symbols);
    s->orders_max = 2 * s->orders_target;
    s->cumulative = calloc(params->symbols, sizeof(*s->cumulative));
    s->by_rank = calloc(params->symbols, sizeof(*s->by_rank));
    s->symbols = calloc(params->symbols, sizeof(*s->symbols));
    s->orders = calloc(s->orders_max, sizeof(*s->orders));
    bool complete = s->cumulative != NULL && s->by_rank != NULL && s->symbols != NULL && s->orders != NULL;
    for (uint32_t i = 0; i < LIVES; i++) {
        s->by_life[i] = calloc(s->orders_max, sizeof(*s->by_life[i]));
        complete = complete && s->by_life[i] != NULL;
    }
    if (!complete) {
        session_close(s);
        return NULL;
    }
    session_random_init(&s->random, params->seed);
    symbols_fill(s);
    orders_fill(s);
    const uint64_t rest = params->messages - session_messages_min(params->symbols);
    const uint64_t standing = rest / 10 < s->orders_target / 2 ? rest / 10 : s->orders_target / 2;
    s->standing_count = STANDING_MIN + standing;
    s->flow_count = FLOW_MIN + rest - standing;
    s->flow_begin = params->messages - s->flow_count - CLOSE_COUNT;
    s->time_ns = params->open_ns - SESSION_LEAD_NS;
    s->gap_ns = 5000;
    return s;
}

void session_close(struct session *s)
{
    if (s == NULL)
        return;
    for (uint32_t i = 0; i < LIVES; i++)
        free(s->by_life[i]);
    free(s->cumulative);
    free(s->by_rank);
    free(s->symbols);
    free(s->orders);
    free(s);
}

/* time */

/* Half of all clusters are one message; the mean is CLUSTER_MEAN_X10 / 10. */
static uint32_t cluster_len(struct session *s)
{
    const uint32_t dice = session_below(s, PERMILLE);
    if (dice < 500)
        return 1;
    if (dice < 890)
        return 2 + session_below(s, 4);
    if (dice < 995)
        return 2 + session_heads(s, 820, SESSION_CLUSTER_MAX - 2);
    return 10 + session_below(s, SESSION_CLUSTER_MAX - 9);
}

/* Calm and storm: how far clusters are apart, in thousandths of the mean, for some hundred clusters. The mean over all
 * clusters is 1,000. */
static void spell_begin(struct session *s)
{
    const uint32_t dice = session_below(s, 100);
    s->spell_permille = dice < 35 ? 1614 : dice < 70 ? 1000 : dice < 90 ? 400 : 57;
    s->spell_left = 50 + session_below(s, 400);
}

static void time_advance(struct session *s)
{
    if (s->cluster_left > 0) {
        s->cluster_left--;
        s->time_ns += 40 + session_below(s, 360);
        return;
    }
    if (s->phase == PHASE_FLOW && s->spell_left-- == 0)
        spell_begin(s);
    const uint64_t mean_ns = s->gap_ns * (s->phase == PHASE_FLOW ? s->spell_permille : PERMILLE) / PERMILLE;
    s->time_ns += SESSION_CLUSTER_GAP_NS + session_random_exponential(&s->random, mean_ns);
    s->cluster_left = cluster_len(s) - 1;
    s->cluster_rank = session_pick_rank(s);
}

static void phase_begin(struct session *s, enum phase phase)
{
    const uint64_t open_ns = s->params.open_ns;
    uint64_t not_before_ns = 0;
    s->phase = phase;
    s->step = 0;
    s->cluster_left = 0;
    if (phase == PHASE_BOOK) {
        not_before_ns = open_ns - BOOK_LEAD_NS;
        s->gap_ns = BOOK_LEAD_NS / 10 * 7 / (s->standing_count * 10 / CLUSTER_MEAN_X10 + 1);
    } else if (phase == PHASE_NOII) {
        s->gap_ns = 5000;
    } else if (phase == PHASE_OPEN) {
        not_before_ns = open_ns;
    } else if (phase == PHASE_FLOW) {
        const uint64_t mean_ns = NS_PER_S * CLUSTER_MEAN_X10 / 10 / s->params.rate_per_s;
        const uint64_t spent_ns = SESSION_CLUSTER_GAP_NS + 17 * 220 / 10; /* in and behind a cluster in any case */
        s->gap_ns = mean_ns > spent_ns ? mean_ns - spent_ns : 0;
        s->spell_left = 0;
    }
    if (s->time_ns < not_before_ns)
        s->time_ns = not_before_ns;
}

/* phases: each says its next message, or begins the next phase and returns false */

static bool phase_done(struct session *s)
{
    phase_begin(s, (enum phase)(s->phase + 1));
    return false;
}

static bool say_directory(struct session *s, struct itch_msg *ret_msg)
{
    const uint64_t i = s->step / 4;
    if (i == s->params.symbols)
        return phase_done(s);
    struct session_symbol *symbol = &s->symbols[i];
    switch (s->step++ % 4) {
    case 0:
        session_say_directory(s, symbol, ret_msg);
        break;
    case 1:
        session_say_state(s, symbol, 'T', "", ret_msg);
        break;
    case 2:
        session_say(s, ITCH_REG_SHO, symbol, ret_msg);
        ret_msg->reg_sho.stock = symbol->stock;
        ret_msg->reg_sho.action = i % 20 == 7 ? '2' : '0';
        break;
    default:
        if (i % PARTICIPANT_EVERY != 0)
            return false;
        session_say_participant(s, symbol, ret_msg);
    }
    return true;
}

static bool say_opening(struct session *s, struct itch_msg *ret_msg)
{
    if (s->step > s->params.symbols)
        return phase_done(s);
    if (s->step == 0)
        session_say_system(s, 'Q', ret_msg);
    else
        session_say_cross(s, &s->symbols[s->step - 1], ret_msg);
    s->step++;
    return true;
}

static bool say_forced(struct session *s, struct itch_msg *ret_msg)
{
    struct session_symbol *paused = session_symbol_at(s, s->params.symbols / 2);
    struct session_symbol *halted = session_symbol_at(s, s->params.symbols / 3);
    const uint32_t rank = session_pick_rank(s);
    switch ((enum forced)s->forced) {
    case FORCED_ADD_MPID:
        return session_say_add(s, rank, ITCH_ADD_MPID, false, ret_msg);
    case FORCED_EXECUTED:
        return session_say_execution(s, rank, session_below(s, 2) == 0 ? 'B' : 'S', false, ret_msg);
    case FORCED_EXECUTED_PRICE:
        return session_say_execution(s, rank, session_below(s, 2) == 0 ? 'B' : 'S', true, ret_msg);
    case FORCED_CANCEL:
        return session_say_cancel(s, ret_msg);
    case FORCED_REPLACE:
        return session_say_replace(s, ret_msg);
    case FORCED_DELETE:
        return session_say_delete(s, ret_msg);
    case FORCED_TRADE:
        return session_say_trade(s, rank, ret_msg);
    case FORCED_BROKEN:
        session_say(s, ITCH_BROKEN_TRADE, &s->symbols[s->last_trade_symbol], ret_msg);
        ret_msg->broken.match = s->last_trade_match;
        return true;
    case FORCED_PAUSE:
        session_say_state(s, paused, 'P', "LUDP", ret_msg);
        return true;
    case FORCED_COLLAR:
        session_say_collar(s, paused, ret_msg);
        return true;
    case FORCED_QUOTE:
        session_say_state(s, paused, 'Q', "R4", ret_msg);
        return true;
    case FORCED_RESUME:
        session_say_state(s, paused, 'T', "", ret_msg);
        return true;
    case FORCED_HALT:
        session_say_operational(s, halted, 'H', ret_msg);
        return true;
    case FORCED_NO_HALT:
        session_say_operational(s, halted, 'T', ret_msg);
        return true;
    case FORCED_RETAIL:
        session_say_retail(s, session_symbol_at(s, rank), ret_msg);
        return true;
    case FORCED_COUNT:
        break;
    }
    return false;
}

/* The kind of the next message; whatever is not possible now is drawn anew. An add is possible unless the pool is full,
 * a delete unless it is empty, so this ends. */
static void say_drawn(struct session *s, struct itch_msg *ret_msg)
{
    const uint32_t adds = s->order_count < s->orders_target ? 452 : 425; /* with deletes, 860 in a thousand */
    for (;;) {
        const uint32_t dice = session_below(s, PERMILLE);
        const uint32_t rank = session_below(s, 2) == 0 ? s->cluster_rank : session_pick_rank(s);
        bool said;
        if (dice < adds)
            said = session_say_add(s, rank, session_below(s, 20) == 0 ? ITCH_ADD_MPID : ITCH_ADD, true, ret_msg);
        else if (dice < 860)
            said = session_say_delete(s, ret_msg);
        else if (dice < 950)
            said = session_say_replace(s, ret_msg);
        else if (dice < 979)
            said = s->executed_count * 100 < (s->count - s->flow_begin) * 3 &&
                   session_say_execution(s, rank, dice & 1 ? 'B' : 'S', dice < 953, ret_msg);
        else if (dice < 989)
            said = session_say_cancel(s, ret_msg);
        else
            said = session_say_trade(s, rank, ret_msg);
        if (said)
            return;
    }
}

static bool say_flow(struct session *s, struct itch_msg *ret_msg)
{
    if (s->step == s->flow_count)
        return phase_done(s);
    s->step++;
    if (s->forced < FORCED_COUNT && s->step * (FORCED_COUNT + 1) >= (s->forced + 1) * s->flow_count &&
        say_forced(s, ret_msg)) {
        s->forced++;
        return true;
    }
    if (s->sweep_left > 0) {
        s->sweep_left--;
        if (session_say_execution(s, s->sweep_rank, s->sweep_side, false, ret_msg))
            return true;
    }
    say_drawn(s, ret_msg);
    return true;
}

static bool say_close(struct session *s, struct itch_msg *ret_msg)
{
    switch (s->step++) {
    case 0: /* after the last order: a real breach would have halted the market */
        session_say(s, ITCH_MWCB_STATUS, NULL, ret_msg);
        ret_msg->mwcb_status.level = '1';
        break;
    case 1:
        session_say_system(s, 'M', ret_msg);
        break;
    case 2:
        s->time_ns += CLOSE_PAUSE_NS;
        session_say_system(s, 'E', ret_msg);
        break;
    default:
        session_say_system(s, 'C', ret_msg);
    }
    return true;
}

static bool say_next(struct session *s, struct itch_msg *ret_msg)
{
    switch (s->phase) {
    case PHASE_BEGIN:
        if (s->step == 3)
            return phase_done(s);
        if (s->step == 2)
            session_say_mwcb_level(s, ret_msg);
        else
            session_say_system(s, s->step == 0 ? 'O' : 'S', ret_msg);
        s->step++;
        return true;
    case PHASE_DIRECTORY:
        return say_directory(s, ret_msg);
    case PHASE_SPECIAL:
        if (s->step == 2)
            return phase_done(s);
        if (s->step++ == 0)
            session_say_ipo(s, &s->symbols[s->params.symbols - 1], ret_msg);
        else
            session_say_listing(s, &s->symbols[s->params.symbols - 1], ret_msg);
        return true;
    case PHASE_BOOK:
        if (s->step == s->standing_count)
            return phase_done(s);
        s->step++;
        return session_say_add(s, session_pick_rank(s), ITCH_ADD, false, ret_msg);
    case PHASE_NOII:
        if (s->step == NOII_SYMBOLS_MAX || s->step == s->params.symbols)
            return phase_done(s);
        session_say_imbalance(s, session_symbol_at(s, (uint32_t)s->step), 'O', ret_msg);
        s->step++;
        return true;
    case PHASE_OPEN:
        return say_opening(s, ret_msg);
    case PHASE_FLOW:
        return say_flow(s, ret_msg);
    case PHASE_CLOSE:
        return say_close(s, ret_msg);
    }
    return false;
}

bool session_next(struct session *s, struct itch_msg *ret_msg)
{
    if (s->count == s->params.messages)
        return false;
    while (!say_next(s, ret_msg))
        ; /* a phase has ended, or has nothing for this step */
    time_advance(s);
    ret_msg->timestamp_ns = s->time_ns;
    s->count++;
    return true;
}

uint64_t session_count(const struct session *session)
{
    return session->count;
}

bool session_flowing(const struct session *session)
{
    return session->phase == PHASE_FLOW;
}

uint32_t session_order_count(const struct session *session)
{
    return session->order_count;
}
