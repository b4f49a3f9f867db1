/* quoter: keeps a day order on each side of the instruments that it trades, `distance` behind the best price, and
 * replaces it when that has moved by `requote`. Where there is no market its orders are cancelled. What a quote is left
 * at is seen in its order news alone: a fill makes room for a new one.
 *
 *   distance    from the best price, in the instrument's price unit (default 100: a cent)
 *   requote     least difference between a quote and where it should be (default 100)
 *   quantity    shares an order (default 100)
 *   pause_us    of a side after its order was refused, rejected or filled (default 10000) */
#include "gateway/strategy/instruments.h"

enum quote_state { QUOTE_NONE, QUOTE_ENTERING, QUOTE_WORKING, QUOTE_REPLACING, QUOTE_CANCELLING };

struct quote {
    uint32_t user_ref; /* of the order that is there, 0 = none */
    uint32_t next_ref; /* REPLACING: of the one that shall take its place */
    int32_t price;
    uint8_t state;     /* enum quote_state */
    uint64_t resume_ns;
};

struct quoter_instrument {
    struct instruments_mark mark;
    struct quote quote[2]; /* buy, sell; the index is the tag of its intents */
};

struct quoter {
    struct instruments instruments;
    int32_t distance, requote;
    uint32_t qty;
    uint64_t pause_ns;
};

extern const struct strategy_ops quoter_ops;

static size_t state_size(const struct strategy_setup *setup)
{
    return sizeof(struct quoter) + instruments_bytes(setup, sizeof(struct quoter_instrument));
}

static int init(void *state, const struct strategy_setup *setup, char ret_error[STRATEGY_ERROR_MAX])
{
    static const char *const known[] = {"distance", "requote", "quantity", "pause_us", NULL};
    struct quoter *quoter = state;
    uint64_t distance, requote, qty, pause_us;
    int error;

    if ((error = strategy_params_known(setup, known, ret_error)) != 0 ||
        (error = strategy_param_u64(setup, "distance", 100, 0, 100000000, &distance, ret_error)) != 0 ||
        (error = strategy_param_u64(setup, "requote", 100, 1, 100000000, &requote, ret_error)) != 0 ||
        (error = strategy_param_u64(setup, "quantity", 100, 1, 1000000, &qty, ret_error)) != 0 ||
        (error = strategy_param_u64(setup, "pause_us", 10000, 0, 86400000000, &pause_us, ret_error)) != 0)
        return error;
    quoter->distance = (int32_t)distance;
    quoter->requote = (int32_t)requote;
    quoter->qty = (uint32_t)qty;
    quoter->pause_ns = pause_us * 1000;
    instruments_init(&quoter->instruments, quoter + 1, setup, sizeof(struct quoter_instrument));
    return 0;
}

static struct order_intent *intent_add(struct strategy_out *out, const struct md_event *event, uint8_t action,
                                       uint32_t tag)
{
    struct order_intent *intent = &out->intent[out->count++];

    *intent = (struct order_intent){.action = action,
                                    .side = tag == 0 ? 'B' : 'S',
                                    .tif = ORDER_DAY,
                                    .channel = event->channel,
                                    .instrument = event->instrument,
                                    .tag = tag};
    return intent;
}

/* One side. `price` <= 0: there is no place for a quote. */
static void requote(const struct quoter *quoter, struct quote *quote, const struct md_event *event, uint32_t tag,
                    int64_t price, uint64_t now_ns, struct strategy_out *out)
{
    const int64_t off = price - quote->price;
    struct order_intent *intent;

    if (quote->state == QUOTE_WORKING && price <= 0) {
        intent = intent_add(out, event, ORDER_CANCEL, tag);
        intent->orig_ref = quote->user_ref;
        quote->state = QUOTE_CANCELLING;
    } else if (price > 0 && price <= INT32_MAX && now_ns >= quote->resume_ns &&
               (quote->state == QUOTE_NONE ||
                (quote->state == QUOTE_WORKING && (off >= quoter->requote || off <= -quoter->requote)))) {
        const bool replace = quote->state == QUOTE_WORKING;
        intent = intent_add(out, event, replace ? ORDER_REPLACE : ORDER_NEW, tag);
        intent->orig_ref = replace ? quote->user_ref : 0;
        intent->price = (int32_t)price;
        intent->qty = quoter->qty;
        quote->state = replace ? QUOTE_REPLACING : QUOTE_ENTERING;
        quote->next_ref = 0;
    }
}

static void on_event(void *state, const struct md_event *event, uint64_t now_ns, struct strategy_out *out)
{
    struct quoter *quoter = state;
    struct quoter_instrument *instrument = instruments_of(&quoter->instruments, event);

    if (!instrument || (event->flags & (MD_MORE | MD_REFRESH)))
        return;
    const bool market = (event->flags & (MD_STALE | MD_UNTRADABLE)) == 0 && event->bid_price > 0 &&
                        event->ask_price > event->bid_price;
    requote(quoter, &instrument->quote[0], event, 0, market ? (int64_t)event->bid_price - quoter->distance : 0, now_ns,
            out);
    requote(quoter, &instrument->quote[1], event, 1, market ? (int64_t)event->ask_price + quoter->distance : 0, now_ns,
            out);
}

/* Its order is gone. */
static void done(const struct quoter *quoter, struct quote *quote, uint64_t now_ns)
{
    *quote = (struct quote){.resume_ns = now_ns + quoter->pause_ns};
}

static void on_order(void *state, const struct order_event *event, struct strategy_out *out)
{
    struct quoter *quoter = state;
    struct quoter_instrument *instrument = instruments_at(&quoter->instruments, event->channel, event->instrument);

    (void)out;
    if (!instrument || event->tag > 1)
        return;
    struct quote *quote = &instrument->quote[event->tag];
    switch (event->type) {
    case ORDER_REFUSED: /* of what was asked for just now */
        quote->resume_ns = event->now_ns + quoter->pause_ns;
        quote->state = quote->user_ref != 0 ? QUOTE_WORKING : QUOTE_NONE;
        break;
    case ORDER_SENT:
        if (quote->state == QUOTE_REPLACING)
            quote->next_ref = event->user_ref;
        else
            quote->user_ref = event->user_ref;
        break;
    case ORDER_ACCEPTED:
    case ORDER_RESTATED:
        quote->price = event->price;
        if (quote->state == QUOTE_ENTERING)
            quote->state = QUOTE_WORKING;
        break;
    case ORDER_REPLACED:
        quote->user_ref = event->user_ref;
        quote->next_ref = 0;
        quote->price = event->price;
        if (quote->state == QUOTE_REPLACING)
            quote->state = QUOTE_WORKING;
        break;
    case ORDER_REPLACE_REJECTED:
    case ORDER_CANCEL_REJECTED:
        quote->next_ref = 0;
        quote->resume_ns = event->now_ns + quoter->pause_ns;
        quote->state = QUOTE_WORKING;
        break;
    case ORDER_FILLED:
    case ORDER_RELEASED:
        if (event->left_qty > 0)
            break;
        if (event->user_ref == quote->user_ref && quote->next_ref == 0)
            done(quoter, quote, event->now_ns);
        else if (event->user_ref == quote->user_ref) { /* its replace goes to nothing: news of it will follow */
            quote->user_ref = quote->next_ref;
            quote->next_ref = 0;
        } else if (event->user_ref == quote->next_ref)
            done(quoter, quote, event->now_ns);
        break;
    default: /* pending, unknown, broken: nothing to do but to wait */
        break;
    }
}

/* Best prices come with the next event of each instrument; what is working is known from its news. */
static void on_lost(void *state, uint32_t channels, uint64_t lost_count)
{
    struct quoter *quoter = state;

    (void)channels;
    (void)lost_count;
    instruments_reset(&quoter->instruments);
}

const struct strategy_ops quoter_ops = {
    STRATEGY_ABI,
    .name = "quoter",
    .summary = "a day order on each side, replaced as the best prices move (distance, requote, quantity, pause_us)",
    .state_size = state_size,
    .init = init,
    .on_event = on_event,
    .on_order = on_order,
    .on_lost = on_lost,
};
