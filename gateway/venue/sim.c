/* Engines behind the orders of a replay. Contract in sim.h. Called by the strategy loop, on its lcore, with each event.
 * Never allocates, logs or asks for the time.
 *
 * No answer is ever lost: the answers in flight, one for each resting order (its last fill, or its cancel) and one for
 * each request in flight (its reject) always fit in the queue together; what is left of it is spare. A request leaves
 * while anything is spare; an order is taken when all that it may lead to at once fits in there. What the background
 * does to resting orders is reserved for, but one fill: the last order that it meets may go on (make_room). */
#include "gateway/venue/sim.h"

#include "gateway/venue/match.h"
#include "ring/check.h"

#include <string.h>

#define NONE UINT32_MAX
#define QUEUE_LIMIT (1u << 24)
#define SHARES_MAX 999999u             /* OUCH: below 1,000,000 */
#define PRICE_MAX UINT64_C(1999999900) /* OUCH: at most $199,999.9900 */

struct request {
    uint64_t due_ns;                  /* at the engine */
    uint32_t len;
    uint8_t message[OUCH_MESSAGE_MAX];
};

struct answer {
    uint64_t due_ns;                  /* at the lcore */
    struct ouch_answer answer;
};

/* A resting order; while it trades on its way in, one that has been accepted. */
struct order {
    uint32_t user_ref;                /* 0 = slot free; also its key in the engine */
    uint32_t open_qty;
    uint32_t executed_qty;            /* of the orders that it replaced too */
    uint32_t instrument;              /* among those of all channels */
    uint64_t symbol;
    uint16_t channel;
    uint8_t side, display, capacity, iso, cross;
};

struct instrument {
    uint64_t symbol;                  /* 0 = never defined; kept when the channel begins anew */
    int64_t position;
    int64_t cash;                     /* received less paid */
    uint32_t chain;                   /* next of those whose symbols share a bucket */
    bool defined;                     /* since the channel began */
    uint8_t state, operational;       /* as in struct market_instrument */
};

struct channel {
    struct match *match;
    uint32_t first;                   /* its instruments begin here */
    uint32_t instrument_count;
    uint64_t replaced_ref;            /* of the first half of a replace, whose second is still to come */
    bool replacing;
};

struct sim {
    struct request *requests;
    struct answer *answers;
    struct order *orders;
    struct instrument *instruments;
    uint32_t *symbols;                /* buckets: first instrument */
    uint32_t symbol_mask, instrument_count;
    struct sim_params params;
    struct channel channel[SIM_CHANNELS_MAX];
    uint64_t now_ns;                  /* of the engines; never goes back */
    uint32_t request_head, request_tail; /* run freely; head: the oldest */
    uint32_t answer_head, answer_tail;
    uint32_t open_count;
    uint32_t last_ref;                /* newest UserRefNum that was used */
    struct sim_counters counters;
};

/* ---- layout ---- */

struct layout {
    size_t requests, answers, orders, instruments, symbols, match[SIM_CHANNELS_MAX], bytes;
    uint32_t instrument_count, symbol_count;
};

static size_t lay(size_t *at, size_t bytes)
{
    const size_t here = *at;
    *at += (bytes + CACHE_LINE_BYTES - 1) / CACHE_LINE_BYTES * CACHE_LINE_BYTES;
    return here;
}

static bool queue_size(uint32_t count)
{
    return count != 0 && count <= QUEUE_LIMIT && (count & (count - 1)) == 0;
}

/* The background has its own limits; clients' orders, and one that replaces another, come on top. */
static struct match_params engine_params(const struct sim_params *params, uint32_t channel)
{
    struct match_params engine = {.book = params->book[channel], .client_orders_max = params->orders_max};

    engine.book.orders_max += params->orders_max + 1;
    engine.book.levels_max += params->orders_max + 1;
    return engine;
}

static bool layout_make(const struct sim_params *params, struct layout *ret_layout)
{
    struct layout layout = {.symbol_count = 1};
    size_t at = 0;

    if (params->channel_count == 0 || params->channel_count > SIM_CHANNELS_MAX || !queue_size(params->orders_max) ||
        !queue_size(params->requests_max) || !queue_size(params->answers_max))
        return false;
    lay(&at, sizeof(struct sim));
    for (uint32_t i = 0; i < params->channel_count; i++) {
        const struct match_params engine = engine_params(params, i);
        const size_t bytes = book_footprint(&params->book[i]) != 0 ? match_footprint(&engine) : 0;
        if (bytes == 0)
            return false;
        layout.match[i] = lay(&at, bytes);
        layout.instrument_count += params->book[i].instruments_max;
    }
    while (layout.symbol_count < layout.instrument_count)
        layout.symbol_count *= 2;
    layout.requests = lay(&at, params->requests_max * sizeof(struct request));
    layout.answers = lay(&at, params->answers_max * sizeof(struct answer));
    layout.orders = lay(&at, params->orders_max * sizeof(struct order));
    layout.instruments = lay(&at, layout.instrument_count * sizeof(struct instrument));
    layout.symbols = lay(&at, layout.symbol_count * sizeof(uint32_t));
    layout.bytes = at;
    *ret_layout = layout;
    return true;
}

size_t sim_footprint(const struct sim_params *params)
{
    struct layout layout;

    return layout_make(params, &layout) ? layout.bytes : 0;
}

static match_hear hear;

struct sim *sim_init(void *memory, const struct sim_params *params)
{
    struct sim *sim = memory;
    uint8_t *bytes = memory;
    struct layout layout;
    uint32_t first = 0;

    CHECK(layout_make(params, &layout));
    CHECK((uintptr_t)memory % CACHE_LINE_BYTES == 0);
    *sim = (struct sim){
        .requests = (struct request *)(void *)(bytes + layout.requests),
        .answers = (struct answer *)(void *)(bytes + layout.answers),
        .orders = (struct order *)(void *)(bytes + layout.orders),
        .instruments = (struct instrument *)(void *)(bytes + layout.instruments),
        .symbols = (uint32_t *)(void *)(bytes + layout.symbols),
        .symbol_mask = layout.symbol_count - 1,
        .instrument_count = layout.instrument_count,
        .params = *params,
    };
    memset(sim->orders, 0, params->orders_max * sizeof(struct order));
    memset(sim->instruments, 0, layout.instrument_count * sizeof(struct instrument));
    for (uint32_t i = 0; i < layout.symbol_count; i++)
        sim->symbols[i] = NONE;
    for (uint32_t i = 0; i < params->channel_count; i++) {
        const struct match_params engine = engine_params(params, i);
        sim->channel[i] = (struct channel){.match = match_init(bytes + layout.match[i], &engine, hear, sim),
                                           .first = first,
                                           .instrument_count = params->book[i].instruments_max};
        first += params->book[i].instruments_max;
    }
    return sim;
}

/* ---- symbols ---- */

static uint32_t *symbol_bucket(const struct sim *sim, uint64_t symbol)
{
    return &sim->symbols[(symbol * 0x9e3779b97f4a7c15u) >> 32 & sim->symbol_mask];
}

/* A locate does not change its meaning within a day; should it all the same, its position stays where it is, as in
 * struct market. */
static void symbol_define(struct sim *sim, uint32_t idx, uint64_t symbol)
{
    struct instrument *instrument = &sim->instruments[idx];

    instrument->defined = true;
    if (instrument->symbol == symbol)
        return;
    if (instrument->symbol != 0) {
        uint32_t *link = symbol_bucket(sim, instrument->symbol);
        while (*link != idx)
            link = &sim->instruments[*link].chain;
        *link = instrument->chain;
    }
    uint32_t *bucket = symbol_bucket(sim, symbol);
    instrument->symbol = symbol;
    instrument->chain = *bucket;
    *bucket = idx;
}

/* Of the first channel that knows it; NONE: none does. */
static uint32_t symbol_find(const struct sim *sim, uint64_t symbol)
{
    uint32_t found = NONE;

    for (uint32_t i = *symbol_bucket(sim, symbol); i != NONE; i = sim->instruments[i].chain)
        if (sim->instruments[i].symbol == symbol && sim->instruments[i].defined && i < found)
            found = i;
    return found;
}

int64_t sim_position(const struct sim *sim, uint64_t symbol)
{
    int64_t position = 0;

    for (uint32_t i = *symbol_bucket(sim, symbol); i != NONE; i = sim->instruments[i].chain)
        if (sim->instruments[i].symbol == symbol)
            position += sim->instruments[i].position;
    return position;
}

bool sim_account_next(const struct sim *sim, uint32_t *cursor, struct sim_account *ret_account)
{
    while (*cursor < sim->instrument_count) {
        const struct instrument *instrument = &sim->instruments[(*cursor)++];
        if (instrument->position == 0 && instrument->cash == 0)
            continue;
        *ret_account = (struct sim_account){instrument->symbol, instrument->position, instrument->cash};
        return true;
    }
    return false;
}

/* ---- answers ---- */

static uint64_t later(uint64_t time_ns, uint64_t delay_ns)
{
    return time_ns < UINT64_MAX - delay_ns ? time_ns + delay_ns : UINT64_MAX;
}

/* Places of the queue that nothing is reserved for. */
static uint32_t spare_count(const struct sim *sim)
{
    return sim->params.answers_max - (sim->answer_tail - sim->answer_head) - sim->open_count -
           (sim->request_tail - sim->request_head);
}

/* The caller has seen to it that there is room. The place stays its own until the next event: what is only known later
 * can be filled in. */
static struct ouch_answer *answer_push(struct sim *sim, struct ouch_answer answer)
{
    struct answer *place = &sim->answers[sim->answer_tail & (sim->params.answers_max - 1)];

    CHECK(sim->answer_tail - sim->answer_head < sim->params.answers_max);
    sim->answer_tail++;
    place->due_ns = later(sim->now_ns, sim->params.answer_ns);
    place->answer = answer;
    place->answer.timestamp_ns = sim->now_ns > sim->params.midnight_ns ? sim->now_ns - sim->params.midnight_ns : 0;
    return &place->answer;
}

static void reject(struct sim *sim, uint32_t user_ref, enum sim_reject reason, const char *cl_ord_id)
{
    struct ouch_answer answer = {.type = OUCH_REJECTED, .reason = (uint16_t)reason, .user_ref = user_ref};

    memcpy(answer.cl_ord_id, cl_ord_id, sizeof(answer.cl_ord_id));
    (void)answer_push(sim, answer);
    sim->counters.rejected_count++;
}

/* What an Accepted and a Replaced have in common. */
static struct ouch_answer answer_of(const struct order *order, uint64_t price, uint8_t tif, const char *cl_ord_id)
{
    struct ouch_answer answer = {
        .side = order->side,
        .tif = tif,
        .display = order->display,
        .capacity = order->capacity,
        .iso = order->iso,
        .cross = order->cross,
        .state = 'L',
        .user_ref = order->user_ref,
        .qty = order->open_qty,
        .symbol = order->symbol,
        .price = price,
    };
    memcpy(answer.cl_ord_id, cl_ord_id, sizeof(answer.cl_ord_id));
    return answer;
}

/* ---- orders ---- */

static struct order *order_slot(const struct sim *sim, uint32_t user_ref)
{
    return &sim->orders[user_ref & (sim->params.orders_max - 1)];
}

/* NULL: done, or never heard of. */
static struct order *order_find(const struct sim *sim, uint32_t user_ref)
{
    struct order *order = order_slot(sim, user_ref);
    return user_ref != 0 && order->user_ref == user_ref ? order : NULL;
}

static void order_less(struct sim *sim, struct order *order, uint32_t qty)
{
    DCHECK(qty <= order->open_qty);
    order->open_qty -= qty;
    if (order->open_qty > 0)
        return;
    order->user_ref = 0;
    sim->open_count--;
}

/* `qty` of an order will not trade any more; the engine knows. */
static void canceled(struct sim *sim, struct order *order, uint32_t qty, enum sim_cancel reason)
{
    (void)answer_push(sim, (struct ouch_answer){.type = OUCH_CANCELED,
                                                .reason = (uint16_t)reason,
                                                .user_ref = order->user_ref,
                                                .qty = qty});
    sim->counters.canceled_count++;
    sim->counters.canceled_qty += qty;
    order_less(sim, order, qty);
}

/* Everything of this channel; the engine does not know yet. */
static void cancel_all(struct sim *sim, uint32_t channel)
{
    for (uint32_t i = 0; i < sim->params.orders_max && match_client_count(sim->channel[channel].match) > 0; i++) {
        struct order *order = &sim->orders[i];
        if (order->user_ref == 0 || order->channel != channel)
            continue;
        CHECK(match_client_cut(sim->channel[channel].match, order->user_ref, 0, NULL) == MATCH_OK);
        canceled(sim, order, order->open_qty, SIM_CANCEL_SYSTEM);
    }
}

static void executed(struct sim *sim, uint32_t user_ref, const struct match_news *news, uint8_t liquidity)
{
    struct order *order = order_find(sim, user_ref);

    CHECK(order != NULL);
    (void)answer_push(sim, (struct ouch_answer){.type = OUCH_EXECUTED,
                                                .liquidity = liquidity,
                                                .user_ref = user_ref,
                                                .qty = news->qty,
                                                .price = (uint64_t)news->price,
                                                .match = news->match_number});
    sim->counters.fill_count++;
    sim->counters.fill_qty += news->qty;
    const int64_t shares = order->side == 'B' ? (int64_t)news->qty : -(int64_t)news->qty;
    sim->instruments[order->instrument].position += shares;
    sim->instruments[order->instrument].cash -= shares * news->price;
    order->executed_qty += news->qty;
    order_less(sim, order, news->qty);
}

/* Only trades are news: what else becomes of clients' orders is done from here. */
static void hear(void *arg, const struct match_news *news)
{
    struct sim *sim = arg;

    if (news->type != MATCH_TRADED)
        return;
    if (news->taker != 0)
        executed(sim, (uint32_t)news->taker, news, 'R');
    if (news->owner != 0)
        executed(sim, (uint32_t)news->owner, news, 'A');
}

/* Trades that an order may lead to, at most. */
static uint32_t trades_max(const struct book *book, const struct match_order *order)
{
    const uint8_t side = order->side == 'B' ? 'S' : 'B';
    struct book_level_view level = {.price = BOOK_PRICE_NONE};
    uint32_t count = 0, left_qty = order->qty;

    while (left_qty > 0 && book_level_behind(book, order->instrument, side, level.price, &level) &&
           (side == 'S' ? level.price <= order->price : level.price >= order->price)) {
        count += level.order_count < left_qty ? level.order_count : left_qty;
        left_qty -= level.qty < left_qty ? (uint32_t)level.qty : left_qty;
    }
    return count;
}

/* Room for a fill in each trade and `others_count` answers? Makers' are reserved for; but if the last one goes on, the
 * taker is done, and does not need its own reservation any more. */
static bool trades_fit(const struct sim *sim, const struct match *match, const struct match_order *order,
                       uint32_t others_count)
{
    return (uint64_t)trades_max(match_book(match), order) + others_count <= spare_count(sim);
}

static bool trading(const struct instrument *instrument)
{
    return (instrument->state == 0 || instrument->state == 'T') && instrument->operational != 'H';
}

static bool quantity_sane(uint32_t qty)
{
    return qty > 0 && qty <= SHARES_MAX;
}

static bool price_sane(uint64_t price)
{
    return price > 0 && price <= PRICE_MAX;
}

static bool tif_known(uint8_t tif)
{
    return tif == '0' || tif == '3' || tif == '5' || tif == '6' || tif == 'E';
}

static uint32_t channel_of(const struct sim *sim, uint32_t instrument)
{
    uint32_t channel = 0;

    while (instrument - sim->channel[channel].first >= sim->channel[channel].instrument_count)
        channel++;
    return channel;
}

/* ---- requests at the engine ---- */

/* False: as `*ret_reason` says. */
static bool enter_sane(const struct sim *sim, const struct ouch_enter *enter, uint32_t idx, enum sim_reject *ret_reason)
{
    if (enter->side != 'B' && enter->side != 'S' && enter->side != 'T' && enter->side != 'E')
        *ret_reason = SIM_REJECT_SIDE;
    else if (!quantity_sane(enter->qty))
        *ret_reason = SIM_REJECT_QUANTITY;
    else if (idx == NONE)
        *ret_reason = SIM_REJECT_SYMBOL;
    else if (!price_sane(enter->price))
        *ret_reason = SIM_REJECT_PRICE;
    else if (!tif_known(enter->tif))
        *ret_reason = SIM_REJECT_OTHER;
    else if (enter->cross != 'N')
        *ret_reason = SIM_REJECT_CROSS;
    else if (!trading(&sim->instruments[idx]))
        *ret_reason = SIM_REJECT_HALTED;
    else
        return true;
    return false;
}

/* An order has been accepted, or has replaced another, and has traded what it could. */
static void order_settle(struct sim *sim, const struct match *match, uint32_t user_ref, bool immediate,
                         struct ouch_answer *announced)
{
    struct order *order = order_find(sim, user_ref);
    struct match_order resting;

    if (order == NULL)
        return; /* all of it has traded */
    if (immediate)
        canceled(sim, order, order->open_qty, SIM_CANCEL_IMMEDIATE);
    else if (match_client_find(match, user_ref, &resting, &announced->order_ref))
        DCHECK(resting.qty == order->open_qty);
}

static void enter_order(struct sim *sim, const struct ouch_enter *enter)
{
    struct order *order = order_slot(sim, enter->user_ref);
    enum sim_reject reason;

    sim->counters.enter_count++;
    if (enter->user_ref <= sim->last_ref) {
        sim->counters.repeated_count++;
        return;
    }
    sim->last_ref = enter->user_ref;
    const uint32_t idx = symbol_find(sim, enter->symbol);
    if (!enter_sane(sim, enter, idx, &reason)) {
        reject(sim, enter->user_ref, reason, enter->cl_ord_id);
        return;
    }
    const uint32_t channel = channel_of(sim, idx);
    struct match *match = sim->channel[channel].match;
    const struct match_order wanted = {
        .key = enter->user_ref,
        .instrument = idx - sim->channel[channel].first,
        .side = enter->side == 'B' ? 'B' : 'S',
        .immediate = enter->tif == '3',
        .price = (int32_t)enter->price,
        .qty = enter->qty,
    };
    if (order->user_ref != 0 || !trades_fit(sim, match, &wanted, 2)) { /* Accepted, and its own reservation */
        reject(sim, enter->user_ref, SIM_REJECT_PROCESSING, enter->cl_ord_id);
        return;
    }
    *order = (struct order){
        .user_ref = enter->user_ref,
        .open_qty = enter->qty,
        .instrument = idx,
        .symbol = enter->symbol,
        .channel = (uint16_t)channel,
        .side = enter->side,
        .display = enter->display,
        .capacity = enter->capacity,
        .iso = enter->iso,
        .cross = enter->cross,
    };
    sim->open_count++;
    struct ouch_answer *accepted =
        answer_push(sim, answer_of(order, enter->price, enter->tif, enter->cl_ord_id));
    accepted->type = OUCH_ACCEPTED;
    if (match_enter(match, &wanted, NULL) != MATCH_OK) { /* nothing has happened: take it back */
        sim->answer_tail--;
        order_less(sim, order, order->open_qty);
        reject(sim, enter->user_ref, SIM_REJECT_PROCESSING, enter->cl_ord_id);
        return;
    }
    sim->counters.accepted_count++;
    order_settle(sim, match, enter->user_ref, wanted.immediate, accepted);
}

/* "OUCH 5.0", 2.2: ignored without use of the number when the old order is done; the old order is cancelled when the
 * new one cannot be right; rejected, and the old order goes on, when it could be but may not. */
static void replace_order(struct sim *sim, const struct ouch_replace *replace)
{
    struct order *orig = order_find(sim, replace->orig_user_ref);

    sim->counters.replace_count++;
    if (replace->user_ref <= sim->last_ref) {
        sim->counters.repeated_count++;
        return;
    }
    if (orig == NULL) {
        sim->counters.ignored_count++;
        return;
    }
    const struct channel *channel = &sim->channel[orig->channel];
    if (!quantity_sane(replace->qty) || replace->qty <= orig->executed_qty || !price_sane(replace->price) ||
        !tif_known(replace->tif)) {
        CHECK(match_client_cut(channel->match, orig->user_ref, 0, NULL) == MATCH_OK);
        canceled(sim, orig, orig->open_qty, SIM_CANCEL_USER);
        return;
    }
    sim->last_ref = replace->user_ref;
    if (!trading(&sim->instruments[orig->instrument])) {
        reject(sim, replace->user_ref, SIM_REJECT_HALTED, replace->cl_ord_id);
        return;
    }
    const struct match_order wanted = {
        .key = replace->user_ref,
        .instrument = orig->instrument - channel->first,
        .side = orig->side == 'B' ? 'B' : 'S',
        .immediate = replace->tif == '3',
        .price = (int32_t)replace->price,
        .qty = replace->qty - orig->executed_qty,
    };
    struct order *order = order_slot(sim, replace->user_ref);
    if ((order != orig && order->user_ref != 0) || !trades_fit(sim, channel->match, &wanted, 1)) { /* Replaced */
        reject(sim, replace->user_ref, SIM_REJECT_PROCESSING, replace->cl_ord_id);
        return;
    }
    const struct order old = *orig;
    orig->user_ref = 0;
    *order = old;
    order->user_ref = replace->user_ref;
    order->open_qty = wanted.qty;
    order->display = replace->display;
    order->iso = replace->iso;
    struct ouch_answer *replaced =
        answer_push(sim, answer_of(order, replace->price, replace->tif, replace->cl_ord_id));
    replaced->type = OUCH_REPLACED;
    replaced->orig_user_ref = old.user_ref;
    if (match_client_replace(channel->match, old.user_ref, &wanted, NULL) != MATCH_OK) { /* nothing has happened */
        sim->answer_tail--;
        order->user_ref = 0;
        *orig = old;
        reject(sim, replace->user_ref, SIM_REJECT_PROCESSING, replace->cl_ord_id);
        return;
    }
    sim->counters.replaced_count++;
    order_settle(sim, channel->match, replace->user_ref, wanted.immediate, replaced);
}

static void cancel_order(struct sim *sim, const struct ouch_cancel *cancel)
{
    struct order *order = order_find(sim, cancel->user_ref);
    uint32_t taken_qty = 0;

    sim->counters.cancel_count++;
    if (order != NULL) {
        const uint32_t left_qty = cancel->qty > order->executed_qty ? cancel->qty - order->executed_qty : 0;
        CHECK(match_client_cut(sim->channel[order->channel].match, order->user_ref, left_qty, &taken_qty) == MATCH_OK);
    }
    if (taken_qty > 0)
        canceled(sim, order, taken_qty, SIM_CANCEL_USER);
    else
        sim->counters.ignored_count++;
}

static void request_handle(struct sim *sim, const uint8_t *message, uint32_t len)
{
    union {
        struct ouch_enter enter;
        struct ouch_replace replace;
        struct ouch_cancel cancel;
        struct ouch_modify modify;
    } request;

    if (ouch_decode_enter(message, len, &request.enter) == 0) {
        enter_order(sim, &request.enter);
    } else if (ouch_decode_replace(message, len, &request.replace) == 0) {
        replace_order(sim, &request.replace);
    } else if (ouch_decode_cancel(message, len, &request.cancel) == 0) {
        cancel_order(sim, &request.cancel);
    } else if (ouch_decode_modify(message, len, &request.modify) == 0) {
        sim->counters.modify_count++;
    } else if (ouch_decode_query(message, len) == 0) {
        sim->counters.query_count++;
        (void)answer_push(sim, (struct ouch_answer){.type = OUCH_QUERY_ANSWER, .user_ref = sim->last_ref + 1});
    } else {
        sim->counters.malformed_count++;
    }
}

bool sim_order(struct sim *sim, const uint8_t *message, uint32_t message_len, uint64_t now_ns)
{
    struct request *request = &sim->requests[sim->request_tail & (sim->params.requests_max - 1)];

    if (sim->request_tail - sim->request_head == sim->params.requests_max || spare_count(sim) == 0) {
        sim->counters.refused_count++;
        return false;
    }
    sim->request_tail++;
    request->due_ns = later(now_ns > sim->now_ns ? now_ns : sim->now_ns, sim->params.order_ns);
    request->len = message_len <= OUCH_MESSAGE_MAX ? message_len : 0; /* longer than any: as good as no message */
    memcpy(request->message, message, request->len);
    return true;
}

void sim_time(struct sim *sim, uint64_t now_ns)
{
    while (sim->request_head != sim->request_tail) {
        const struct request *request = &sim->requests[sim->request_head & (sim->params.requests_max - 1)];
        if (request->due_ns > now_ns)
            break;
        sim->request_head++;
        sim->now_ns = request->due_ns;
        request_handle(sim, request->message, request->len);
    }
    if (now_ns > sim->now_ns)
        sim->now_ns = now_ns;
}

bool sim_next(struct sim *sim, uint64_t now_ns, struct ouch_answer *ret_answer)
{
    const struct answer *answer = &sim->answers[sim->answer_head & (sim->params.answers_max - 1)];

    if (sim->answer_head == sim->answer_tail || answer->due_ns > now_ns)
        return false;
    *ret_answer = answer->answer;
    sim->answer_head++;
    return true;
}

/* ---- the background flow ---- */

static void background(struct sim *sim, enum match_verdict verdict)
{
    sim->counters.background_dropped_count += verdict == MATCH_UNKNOWN;
    sim->counters.background_refused_count += verdict != MATCH_OK && verdict != MATCH_UNKNOWN;
}

/* Books and directory begin anew. */
static void channel_clear(struct sim *sim, uint32_t idx)
{
    struct channel *channel = &sim->channel[idx];

    cancel_all(sim, idx);
    match_clear(channel->match);
    for (uint32_t i = 0; i < channel->instrument_count; i++) {
        struct instrument *instrument = &sim->instruments[channel->first + i];
        instrument->defined = false;
        instrument->state = instrument->operational = 0;
    }
}

/* The flow may trade now: with room for the answer that is not reserved for, or with nobody. */
static void make_room(struct sim *sim, uint32_t channel)
{
    const uint32_t open_count = sim->open_count;

    if (LIKELY(spare_count(sim) > 0) || match_client_count(sim->channel[channel].match) == 0)
        return;
    cancel_all(sim, channel);
    __atomic_store_n(&sim->counters.overflow_cancel_count,
                     sim->counters.overflow_cancel_count + (open_count - sim->open_count),
                     __ATOMIC_RELAXED); /* telemetry reads it */
}

/* The first half of a replace whose second does not follow is a plain delete. */
static void replace_end(struct sim *sim, struct channel *channel)
{
    channel->replacing = false;
    background(sim, match_delete(channel->match, channel->replaced_ref));
}

static void add(struct sim *sim, struct channel *channel, const struct md_event *event)
{
    if (channel->replacing) {
        channel->replacing = false;
        background(sim, match_replace(channel->match, channel->replaced_ref, event->ref, event->price, event->qty));
    } else {
        background(sim,
                   match_add(channel->match, event->instrument, event->ref, event->side, event->price, event->qty));
    }
}

void sim_event(struct sim *sim, const struct md_event *event)
{
    const bool of_replace = (event->flags & MD_REPLACE) != 0;

    if (event->type == MD_TIME) {
        sim_time(sim, event->exchange_ns);
        return;
    }
    if ((event->flags & MD_REFRESH) != 0)
        return;
    if (UNLIKELY(event->channel >= sim->params.channel_count)) {
        sim->counters.out_of_range_count++;
        return;
    }
    struct channel *channel = &sim->channel[event->channel];
    if (UNLIKELY(channel->replacing && !(event->type == MD_ADD && of_replace)))
        replace_end(sim, channel);
    if (event->instrument == MD_INSTRUMENT_NONE) {
        if (event->type == MD_SESSION || event->type == MD_RESET)
            channel_clear(sim, event->channel);
        return;
    }
    if (UNLIKELY(event->instrument >= channel->instrument_count)) {
        sim->counters.out_of_range_count++;
        return;
    }
    struct instrument *instrument = &sim->instruments[channel->first + event->instrument];
    switch (event->type) {
    case MD_DEFINE:
        if (event->ref != 0)
            symbol_define(sim, channel->first + event->instrument, event->ref);
        break;
    case MD_STATE:
        instrument->state = event->side;
        break;
    case MD_OPERATIONAL:
        instrument->operational = event->side;
        break;
    case MD_ADD:
        make_room(sim, event->channel);
        add(sim, channel, event);
        break;
    case MD_EXECUTE:
        make_room(sim, event->channel);
        background(sim, match_execute(channel->match, event->ref, event->qty));
        break;
    case MD_CANCEL:
        background(sim, match_reduce(channel->match, event->ref, event->qty));
        break;
    case MD_DELETE:
        channel->replacing = of_replace;
        channel->replaced_ref = event->ref;
        if (!of_replace)
            background(sim, match_delete(channel->match, event->ref));
        break;
    default:
        break;
    }
}

const struct sim_counters *sim_counters(const struct sim *sim)
{
    return &sim->counters;
}

uint32_t sim_open_count(const struct sim *sim)
{
    return sim->open_count;
}

const struct book *sim_book(const struct sim *sim, uint32_t channel)
{
    return match_book(sim->channel[channel].match);
}
