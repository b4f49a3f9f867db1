/* maker: quotes both sides of each of its instruments around the best prices and keeps its position within a limit. A
 * template: what it wants (quotes_want, quote_qty) and how a quote gets there (quote_move) are apart, and what it knows
 * of an order is what the news of it have said.
 *
 *   quantity      shares a quote (default 100)
 *   position_max  shares long or short of an instrument, what is open counted in (default 500)
 *   distance      from the best price, in the instrument's price unit (default 0: joins it)
 *   skew          both quotes move down by so much for each `quantity` held, up for each short (default 100: a cent)
 *   requote       least difference between a quote and where it should be (default 100)
 *   tick          prices are multiples of it (default 100)
 *   pause_us      of a side after it was refused, rejected or filled (default 10000)
 *
 * A quote joins the best price of its side at most and never betters it: its own order is part of that price, and it
 * would follow itself. A side that would go beyond position_max asks for less, in the end for nothing. Sales are
 * marked: what is held is sold as such ('S'), and no more than that; what is not held is a short sale ('T').
 *
 * position + what is open to buy <= position_max, and so for sales, at all times: a side has one order, or one and its
 * replace, of which only one trades; and a fill moves shares from open to position. The position is what it has traded
 * itself since it was started: limits beyond that are the gate's. */
#include "gateway/strategy/instruments.h"

enum side { BUY, SELL, SIDES }; /* also the tag of its intents */

enum quote_state {
    QUOTE_NONE,
    QUOTE_ENTERING,   /* asked for, not answered */
    QUOTE_WORKING,
    QUOTE_REPLACING,  /* what is there goes on until the venue says otherwise */
    QUOTE_CANCELLING,
    QUOTE_UNKNOWN,    /* the session broke: it may trade still; the gateway finds out, and cancels it */
};

struct quote {
    int32_t want_price;   /* 0 = none is wanted */
    int32_t price;        /* of the order that is there, or asked for */
    int32_t next_price;   /* of the one that shall take its place, 0 = none */
    uint32_t user_ref;    /* 0 = none */
    uint32_t next_ref;    /* of the one that shall take its place, 0 = none */
    uint8_t state;        /* enum quote_state */
    uint8_t mark;         /* side as the venue has it: 'B', 'S', 'T' */
    uint64_t resume_ns;   /* nothing new before that time ... */
    uint64_t cancel_ns;   /* ... and no cancel before that */
};

struct maker_instrument {
    struct instruments_mark mark;
    struct quote quote[SIDES];
    int64_t position;     /* from fills of ours */
    bool halted;          /* by the venue, as the feed has said */
    bool broken;          /* a trade of ours was broken: a human has to look before it is quoted again */
};

struct maker {
    struct instruments instruments;
    int32_t distance, skew, requote, tick;
    uint32_t qty;
    int64_t position_max;
    uint64_t pause_ns;
    bool pulling;         /* a channel is stale: its quotes are being cancelled, as far as there is room in each call */
    uint16_t pull_channel;
    uint32_t pull_cursor; /* its instruments below have been looked at */
};

extern const struct strategy_ops maker_ops;

static size_t state_size(const struct strategy_setup *setup)
{
    return sizeof(struct maker) + instruments_bytes(setup, sizeof(struct maker_instrument));
}

static int init(void *state, const struct strategy_setup *setup, char ret_error[STRATEGY_ERROR_MAX])
{
    static const char *const known[] = {"quantity", "position_max", "distance", "skew",
                                        "requote",  "tick",         "pause_us", NULL};
    struct maker *maker = state;
    uint64_t qty, position_max, distance, skew, requote, tick, pause_us;
    int error;

    if ((error = strategy_params_known(setup, known, ret_error)) != 0 ||
        (error = strategy_param_u64(setup, "quantity", 100, 1, 999999, &qty, ret_error)) != 0 ||
        (error = strategy_param_u64(setup, "position_max", 500, 1, 1000000000, &position_max, ret_error)) != 0 ||
        (error = strategy_param_u64(setup, "distance", 0, 0, 100000000, &distance, ret_error)) != 0 ||
        (error = strategy_param_u64(setup, "skew", 100, 0, 1000000, &skew, ret_error)) != 0 ||
        (error = strategy_param_u64(setup, "requote", 100, 1, 100000000, &requote, ret_error)) != 0 ||
        (error = strategy_param_u64(setup, "tick", 100, 1, 1000000, &tick, ret_error)) != 0 ||
        (error = strategy_param_u64(setup, "pause_us", 10000, 1, 86400000000, &pause_us, ret_error)) != 0)
        return error;
    maker->qty = (uint32_t)qty;
    maker->position_max = (int64_t)position_max;
    maker->distance = (int32_t)distance;
    maker->skew = (int32_t)skew;
    maker->requote = (int32_t)requote;
    maker->tick = (int32_t)tick;
    maker->pause_ns = pause_us * 1000;
    instruments_init(&maker->instruments, maker + 1, setup, sizeof(struct maker_instrument));
    return 0;
}

/* --- what it wants */

static int64_t at_least(int64_t value, int64_t least) { return value > least ? value : least; }
static int64_t at_most(int64_t value, int64_t most) { return value < most ? value : most; }

static void quotes_want(const struct maker *maker, struct maker_instrument *instrument, const struct md_event *event)
{
    int32_t *buy = &instrument->quote[BUY].want_price, *sell = &instrument->quote[SELL].want_price;

    *buy = *sell = 0;
    if ((event->flags & (MD_STALE | MD_UNTRADABLE)) || instrument->halted || instrument->broken ||
        event->bid_price <= 0 || event->ask_price <= event->bid_price)
        return; /* no market, or none that is to be trusted */
    const int64_t shift = maker->skew * instrument->position / (int64_t)maker->qty;
    const int64_t below = at_least(maker->distance + shift, 0), above = at_least(maker->distance - shift, 0);
    const int64_t bid = (event->bid_price - below) / maker->tick * maker->tick;
    const int64_t ask = (event->ask_price + above + maker->tick - 1) / maker->tick * maker->tick;

    *buy = bid > 0 ? (int32_t)bid : 0;
    *sell = ask <= INT32_MAX ? (int32_t)ask : 0;
}

/* Shares that a new order, or one in the place of the one that is there, may have. */
static uint32_t quote_qty(const struct maker *maker, const struct maker_instrument *instrument, enum side side)
{
    const int64_t held = instrument->position;
    const int64_t room = side == BUY ? maker->position_max - held : held > 0 ? held : maker->position_max + held;

    return (uint32_t)at_most(maker->qty, at_least(room, 0));
}

/* --- how it gets there */

/* Would an order at `price` meet one of our own on the other side, there or on its way? */
static bool meets_own(const struct maker_instrument *instrument, enum side side, int32_t price)
{
    const struct quote *other = &instrument->quote[side == BUY ? SELL : BUY];

    if (other->state == QUOTE_NONE)
        return false;
    if (side == BUY)
        return price >= other->price || (other->next_price > 0 && price >= other->next_price);
    return price <= other->price || price <= other->next_price;
}

static void quote_move(const struct maker *maker, struct maker_instrument *instrument, uint16_t channel,
                       uint16_t number, enum side side, uint64_t now_ns, struct strategy_out *out)
{
    struct quote *quote = &instrument->quote[side];
    const uint8_t mark = side == BUY ? 'B' : instrument->position > 0 ? 'S' : 'T';
    const int64_t off = (int64_t)quote->want_price - quote->price;
    const uint32_t qty = quote->want_price > 0 ? quote_qty(maker, instrument, side) : 0;
    struct order_intent intent = {.tif = ORDER_DAY, .channel = channel, .instrument = number, .tag = side};

    if (out->count == ORDER_INTENTS_MAX || (quote->state != QUOTE_NONE && quote->state != QUOTE_WORKING))
        return; /* one request at a time: its answer brings us back here */
    const bool there = quote->state == QUOTE_WORKING, misplaced = off >= maker->requote || off <= -maker->requote;
    if (there && (qty == 0 || (misplaced && mark != quote->mark))) { /* a replace cannot change the mark */
        if (now_ns < quote->cancel_ns)
            return;
        intent.action = ORDER_CANCEL;
        quote->state = QUOTE_CANCELLING;
    } else {
        if (qty == 0 || (there && !misplaced) || now_ns < quote->resume_ns ||
            meets_own(instrument, side, quote->want_price))
            return;
        intent.action = there ? ORDER_REPLACE : ORDER_NEW;
        intent.side = mark;
        intent.price = quote->want_price;
        intent.qty = qty;
        *(there ? &quote->next_price : &quote->price) = quote->want_price;
        quote->mark = mark;
        quote->state = there ? QUOTE_REPLACING : QUOTE_ENTERING;
    }
    intent.orig_ref = quote->user_ref; /* 0 of a new one */
    out->intent[out->count++] = intent;
}

/* A stale channel: nothing says that more of its events will come, so each call goes on where the last one had no more
 * room, and the answers to cancels are calls too. */
static void pull(struct maker *maker, uint64_t now_ns, struct strategy_out *out)
{
    const uint16_t channel = maker->pull_channel;
    struct maker_instrument *instrument;

    while (maker->pulling && out->count + SIDES <= ORDER_INTENTS_MAX) {
        const uint16_t number = (uint16_t)maker->pull_cursor;
        instrument = maker->pull_cursor < UINT16_MAX ? instruments_at(&maker->instruments, channel, number) : NULL;
        if (!instrument) {
            maker->pulling = false;
            return;
        }
        maker->pull_cursor++;
        for (enum side side = BUY; side < SIDES; side++) {
            instrument->quote[side].want_price = 0;
            quote_move(maker, instrument, channel, number, side, now_ns, out);
        }
    }
}

static void on_event(void *state, const struct md_event *event, uint64_t now_ns, struct strategy_out *out)
{
    struct maker *maker = state;
    struct maker_instrument *instrument = instruments_of(&maker->instruments, event);

    if (event->type == MD_STALE_BEGIN) {
        maker->pulling = true;
        maker->pull_channel = event->channel;
        maker->pull_cursor = 0;
    }
    if (instrument && event->type == MD_STATE)
        instrument->halted = event->side != 'T' && event->side != 0;
    if (instrument && !(event->flags & (MD_MORE | MD_REFRESH))) {
        quotes_want(maker, instrument, event);
        for (enum side side = BUY; side < SIDES; side++)
            quote_move(maker, instrument, event->channel, event->instrument, side, now_ns, out);
    }
    if (maker->pulling)
        pull(maker, now_ns, out);
}

/* --- what it hears */

/* An order of the quote is done: the one that was there, with or without a replace on its way, or the replace alone. */
static void quote_done(struct quote *quote, uint32_t user_ref)
{
    if (user_ref == quote->next_ref) {
        quote->next_ref = 0;
        quote->next_price = 0;
        if (quote->state == QUOTE_REPLACING)
            quote->state = QUOTE_WORKING;
    } else if (user_ref == quote->user_ref) {
        quote->user_ref = quote->next_ref; /* the replace goes to nothing: news of it follow */
        quote->next_ref = 0;
    }
    if (quote->user_ref == 0) {
        quote->next_price = 0;
        quote->state = QUOTE_NONE;
    }
}

static void on_order(void *state, const struct order_event *event, struct strategy_out *out)
{
    struct maker *maker = state;
    struct maker_instrument *instrument = instruments_at(&maker->instruments, event->channel, event->instrument);

    if (!instrument || event->tag >= SIDES)
        return;
    struct quote *quote = &instrument->quote[event->tag];
    const uint64_t resume_ns = event->now_ns + maker->pause_ns;
    switch (event->type) {
    case ORDER_REFUSED: /* what was asked for just now: nothing of it is there */
        *(quote->state == QUOTE_CANCELLING ? &quote->cancel_ns : &quote->resume_ns) = resume_ns;
        quote->next_price = 0;
        quote->state = quote->user_ref != 0 ? QUOTE_WORKING : QUOTE_NONE;
        break;
    case ORDER_SENT:
        *(quote->state == QUOTE_REPLACING ? &quote->next_ref : &quote->user_ref) = event->user_ref;
        break;
    case ORDER_ACCEPTED:
    case ORDER_REPLACED:
        quote->user_ref = event->user_ref;
        quote->price = event->price;
        quote->next_ref = 0;
        quote->next_price = 0;
        quote->state = QUOTE_WORKING;
        break;
    case ORDER_RESTATED:
        quote->price = event->price;
        break;
    case ORDER_REPLACE_REJECTED:
        quote->resume_ns = resume_ns;
        quote_done(quote, event->user_ref);
        break;
    case ORDER_CANCEL_REJECTED:
        quote->cancel_ns = resume_ns;
        quote->state = QUOTE_WORKING;
        break;
    case ORDER_FILLED:
    case ORDER_RELEASED:
        if (event->type == ORDER_FILLED)
            instrument->position += event->tag == BUY ? (int64_t)event->qty : -(int64_t)event->qty;
        if (event->left_qty > 0)
            break;
        quote->resume_ns = resume_ns;
        quote_done(quote, event->user_ref);
        break;
    case ORDER_UNKNOWN:
        quote->state = QUOTE_UNKNOWN;
        break;
    case ORDER_BROKEN:
        instrument->position -= event->tag == BUY ? (int64_t)event->qty : -(int64_t)event->qty;
        instrument->broken = true;
        instrument->quote[BUY].want_price = instrument->quote[SELL].want_price = 0;
        break;
    default: /* cancel pending: the venue will; and what later versions may say */
        break;
    }
    for (enum side side = BUY; side < SIDES; side++)
        quote_move(maker, instrument, event->channel, event->instrument, side, event->now_ns, out);
    if (maker->pulling)
        pull(maker, event->now_ns, out);
}

static void on_lost(void *state, uint32_t channels, uint64_t lost_count)
{
    struct maker *maker = state;

    (void)channels;
    (void)lost_count;
    instruments_reset(&maker->instruments); /* prices come with the next event; what is open is known from its news */
}

const struct strategy_ops maker_ops = {
    STRATEGY_ABI,
    .name = "maker",
    .summary = "quotes both sides, its position within a limit "
               "(quantity, position_max, distance, skew, requote, tick, pause_us)",
    .state_size = state_size,
    .init = init,
    .on_event = on_event,
    .on_order = on_order,
    .on_lost = on_lost,
};
