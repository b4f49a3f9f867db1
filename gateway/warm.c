/* See warm.h. */
#include "gateway/warm.h"

#include "gateway/strategy_loop.h"

#define CHOOSE_STEPS 64u /* instruments that one walk looks at */

/* Before the first order: an instrument that has a market, for the first strategy. */
static void choose(struct strategy_lcore *lcore)
{
    struct market *market = &lcore->market;
    struct order_intent *intent = &lcore->warm.intent;

    *intent = (struct order_intent){.action = ORDER_NEW,
                                    .side = 'B',
                                    .tif = ORDER_IOC,
                                    .channel = intent->channel,
                                    .instrument = intent->instrument,
                                    .qty = 1};
    for (uint32_t step = 0; step < CHOOSE_STEPS && !lcore->warm.known; step++) {
        if (++intent->instrument >= market->channel[intent->channel].instrument_count) {
            intent->instrument = 0;
            intent->channel = (uint16_t)((intent->channel + 1u) % market->channel_count);
        }
        const struct market_instrument *instrument = market_find(market, intent->channel, intent->instrument);
        lcore->warm.known = instrument && instrument->symbol != 0 && instrument->bid_price != MD_PRICE_NONE &&
                            instrument->ask_price != MD_PRICE_NONE;
    }
}

bool warm_walk(struct strategy_lcore *lcore)
{
    struct warm *warm = &lcore->warm;

    if (!lcore->path || !lcore->risk.session_up || lcore->strategy_count == 0 || lcore->market.channel_count == 0)
        return false;
    if (!warm->known)
        choose(lcore);
    if (!warm->known)
        return false;
    const struct market_instrument *instrument =
        market_find(&lcore->market, warm->intent.channel, warm->intent.instrument);
    if (!instrument)
        return false;
    warm->intent.price = warm->intent.side == 'B' ? instrument->ask_price : instrument->bid_price; /* of now */
    warm->walk_count++;
    if (risk_rehearse(&lcore->risk, &lcore->market, &warm->intent, warm->strategy, lcore->market.now_ns) != RISK_PASS)
        return false;
    /* A frame that is with the driver would be counted. */
    if (lcore->path->tx && !order_tx_free(lcore->path->tx))
        return false;
    const struct order_frame_id id = {.user_ref = lcore->open.next_ref, .tick_ns = (uint32_t)lcore->market.now_ns};
    return order_path_encode(lcore->path, &warm->intent, instrument->symbol, id) == RISK_PASS;
}

void warm_turn(struct strategy_lcore *lcore)
{
    struct warm *warm = &lcore->warm;

    if (LIKELY(++warm->idle_count % WARM_IDLE_TURNS != 0))
        return;
    const uint64_t tsc = clock_tsc();
    if (tsc < warm->due_tsc)
        return;
    warm->due_tsc = tsc + warm->ticks;
    warm_walk(lcore);
}
