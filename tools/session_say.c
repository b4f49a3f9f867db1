/* The messages of the session generator, one function for each kind; session_model.h declares them.
 *
 * Called by session.c on the thread that owns the session. Each fills everything but the time and changes the model
 * accordingly; one that returns false has written nothing and said nothing. */
#include "tools/session_model.h"

#include "ring/md_event.h"

#include <string.h>

static void walk(struct session *s, struct session_symbol *symbol)
{
    const uint32_t dice = session_below(s, 48);
    if (dice == 0 && symbol->fair < FAIR_MAX)
        symbol->fair++;
    else if (dice == 1 && symbol->fair > FAIR_MIN)
        symbol->fair--;
}

/* messages of the flow; false: not possible now, nothing was changed */

void session_say(struct session *s, uint8_t type, const struct session_symbol *symbol, struct itch_msg *ret_msg)
{
    *ret_msg = (struct itch_msg){.type = type, .locate = symbol == NULL ? 0 : (uint16_t)(symbol - s->symbols + 1)};
    ret_msg->tracking = symbol == NULL ? 0 : (uint16_t)(2 * (ret_msg->locate % STREAMS));
}

bool session_say_execution(struct session *s, uint32_t rank, uint8_t side, bool with_price, struct itch_msg *ret_msg)
{
    struct session_symbol *symbol = session_symbol_at(s, rank);
    const int32_t level = side == 'B' ? symbol->best_bid : symbol->best_ask;
    if (symbol->halted || level < 0 || level >= LEVELS)
        return false;
    struct session_order *order = &s->orders[symbol->head[level]];
    const uint32_t qty =
        order->qty > 1 && session_below(s, 100) < 35 ? 1 + session_below(s, order->qty - 1) : order->qty;
    session_say(s, with_price ? ITCH_EXECUTED_PRICE : ITCH_EXECUTED, symbol, ret_msg);
    ret_msg->executed.ref = order->ref;
    ret_msg->executed.qty = qty;
    ret_msg->executed.match = ++s->next_match;
    ret_msg->executed.printable = 'Y';
    if (with_price) { /* better by a tick for whoever came, or part of a cross and not to be printed */
        ret_msg->executed.price = (uint32_t)(session_price_e4(symbol, level) + (side == 'B' ? TICK_E4 : -TICK_E4));
        ret_msg->executed.printable = session_below(s, 4) == 0 ? 'N' : 'Y';
    }
    s->executed_count++;
    order->qty -= qty;
    if (order->qty == 0)
        session_order_leave(s, order);
    return true;
}

bool session_say_add(struct session *s, uint32_t rank, uint8_t type, bool may_cross, struct itch_msg *ret_msg)
{
    struct session_symbol *symbol = session_symbol_at(s, rank);
    const uint8_t side = session_below(s, 2) == 0 ? 'B' : 'S';
    if (s->order_count == s->orders_max)
        return false;
    walk(s, symbol);
    int32_t level = session_draw_level(s, symbol, side);
    const int32_t resting = session_level_behind(symbol, side, level);
    /* An order that crosses executes, unless executions have had their share: then it is post-only. */
    if (level != resting && may_cross && !symbol->halted && s->executed_count * 100 < (s->count - s->flow_begin) * 3) {
        const uint8_t other = side == 'B' ? 'S' : 'B';
        s->sweep_rank = rank;
        s->sweep_side = other;
        s->sweep_left = session_heads(s, 400, 8);
        return session_say_execution(s, rank, other, false, ret_msg);
    }
    level = resting;
    const struct session_order *order =
        session_order_enter(s, (uint32_t)(symbol - s->symbols), side, level, session_draw_qty(s));
    session_say(s, type, symbol, ret_msg);
    ret_msg->add.ref = order->ref;
    ret_msg->add.side = side;
    ret_msg->add.qty = order->qty;
    ret_msg->add.stock = symbol->stock;
    ret_msg->add.price = (uint32_t)session_price_e4(symbol, level);
    if (type == ITCH_ADD_MPID)
        ret_msg->add.mpid = md_symbol((const char *[]){"TGMA", "TGMB", "TGMC", "TGMD"}[session_below(s, 4)]);
    return true;
}

bool session_say_delete(struct session *s, struct itch_msg *ret_msg)
{
    if (s->order_count == 0)
        return false;
    struct session_order *order = session_pick_order(s);
    session_say(s, ITCH_DELETE, &s->symbols[order->symbol], ret_msg);
    ret_msg->delete.ref = order->ref;
    session_order_leave(s, order);
    return true;
}

bool session_say_replace(struct session *s, struct itch_msg *ret_msg)
{
    if (s->order_count == 0)
        return false;
    struct session_order *order = session_pick_order(s);
    struct session_symbol *symbol = &s->symbols[order->symbol];
    session_say(s, ITCH_REPLACE, symbol, ret_msg);
    ret_msg->replace.orig_ref = order->ref;
    const uint32_t qty = session_below(s, 3) == 0 ? session_draw_qty(s) : order->qty;
    session_order_replace(s, order, session_draw_level(s, symbol, order->side), qty);
    ret_msg->replace.ref = order->ref;
    ret_msg->replace.qty = order->qty;
    ret_msg->replace.price = (uint32_t)session_price_e4(symbol, order->level);
    return true;
}

bool session_say_cancel(struct session *s, struct itch_msg *ret_msg)
{
    if (s->order_count == 0)
        return false;
    struct session_order *order = session_pick_order(s);
    if (order->qty < 2)
        return false;
    session_say(s, ITCH_CANCEL, &s->symbols[order->symbol], ret_msg);
    ret_msg->cancel.ref = order->ref;
    ret_msg->cancel.qty = order->qty % 100 == 0 && order->qty > 100 ? 100 : 1 + session_below(s, order->qty - 1);
    order->qty -= ret_msg->cancel.qty;
    return true;
}

/* A trade against what is not displayed, between the two sides; the visible book stays. */
bool session_say_trade(struct session *s, uint32_t rank, struct itch_msg *ret_msg)
{
    const struct session_symbol *symbol = session_symbol_at(s, rank);
    if (symbol->halted || symbol->best_bid < 0 || symbol->best_ask >= LEVELS)
        return false;
    session_say(s, ITCH_TRADE, symbol, ret_msg);
    ret_msg->trade.side = 'B';
    ret_msg->trade.qty = session_draw_qty(s);
    ret_msg->trade.stock = symbol->stock;
    ret_msg->trade.price =
        (uint32_t)((session_price_e4(symbol, symbol->best_bid) + session_price_e4(symbol, symbol->best_ask)) / 2);
    ret_msg->trade.match = s->last_trade_match = ++s->next_match;
    s->last_trade_symbol = (uint32_t)(symbol - s->symbols);
    return true;
}

void session_say_state(struct session *s, struct session_symbol *symbol, uint8_t state, const char *reason,
                      struct itch_msg *ret_msg)
{
    session_say(s, ITCH_TRADING_ACTION, symbol, ret_msg);
    ret_msg->trading_action.stock = symbol->stock;
    ret_msg->trading_action.state = state;
    ret_msg->trading_action.reason = md_symbol(reason);
    symbol->halted = state != 'T';
}

void session_say_operational(struct session *s, struct session_symbol *symbol, uint8_t action, struct itch_msg *ret_msg)
{
    session_say(s, ITCH_OPERATIONAL_HALT, symbol, ret_msg);
    ret_msg->operational.stock = symbol->stock;
    ret_msg->operational.market = 'Q';
    ret_msg->operational.action = action;
    symbol->halted = action == 'H';
}

void session_say_collar(struct session *s, const struct session_symbol *symbol, struct itch_msg *ret_msg)
{
    const uint32_t reference = (uint32_t)session_price_e4(symbol, symbol->fair);
    session_say(s, ITCH_LULD_COLLAR, symbol, ret_msg);
    ret_msg->collar.stock = symbol->stock;
    ret_msg->collar.reference = reference;
    ret_msg->collar.upper = reference + reference / 20;
    ret_msg->collar.lower = reference - reference / 20;
}

void session_say_retail(struct session *s, const struct session_symbol *symbol, struct itch_msg *ret_msg)
{
    session_say(s, ITCH_RPII, symbol, ret_msg);
    ret_msg->rpii.stock = symbol->stock;
    ret_msg->rpii.interest = (uint8_t)"BSAN"[session_below(s, 4)];
}

void session_say_imbalance(struct session *s, const struct session_symbol *symbol, uint8_t cross,
                           struct itch_msg *ret_msg)
{
    const uint32_t reference = (uint32_t)session_price_e4(symbol, symbol->fair);
    session_say(s, ITCH_NOII, symbol, ret_msg);
    ret_msg->noii.stock = symbol->stock;
    ret_msg->noii.paired_qty = 100 * (1 + (uint64_t)session_below(s, 5000));
    ret_msg->noii.imbalance_qty = 100 * (uint64_t)session_below(s, 500);
    ret_msg->noii.direction = ret_msg->noii.imbalance_qty == 0 ? 'N' : session_below(s, 2) == 0 ? 'B' : 'S';
    ret_msg->noii.far_price = reference - 2 * TICK_E4 + TICK_E4 * session_below(s, 5);
    ret_msg->noii.near_price = reference - TICK_E4 + TICK_E4 * session_below(s, 3);
    ret_msg->noii.reference = reference;
    ret_msg->noii.cross = cross;
    ret_msg->noii.variation = 'L';
}

void session_say_system(struct session *s, uint8_t code, struct itch_msg *ret_msg)
{
    session_say(s, ITCH_SYSTEM_EVENT, NULL, ret_msg);
    ret_msg->system_event.code = code;
}

void session_say_directory(struct session *s, const struct session_symbol *symbol, struct itch_msg *ret_msg)
{
    session_say(s, ITCH_STOCK_DIRECTORY, symbol, ret_msg);
    ret_msg->directory.stock = symbol->stock;
    ret_msg->directory.category = 'Q';
    ret_msg->directory.financial = 'N';
    ret_msg->directory.round_lot = 100;
    ret_msg->directory.round_lots_only = 'N';
    ret_msg->directory.classification = 'C';
    memcpy(ret_msg->directory.sub_type, "Z ", 2);
    ret_msg->directory.authenticity = 'T'; /* a test issue: no one should take it for a real one */
    ret_msg->directory.short_sale_threshold = 'N';
    ret_msg->directory.ipo = 'N';
    ret_msg->directory.luld_tier = '1';
    ret_msg->directory.etp = 'N';
    ret_msg->directory.inverse = 'N';
}

void session_say_cross(struct session *s, const struct session_symbol *symbol, struct itch_msg *ret_msg)
{
    session_say(s, ITCH_CROSS_TRADE, symbol, ret_msg);
    ret_msg->cross.qty = 100 * (uint64_t)session_below(s, 5000);
    ret_msg->cross.stock = symbol->stock;
    ret_msg->cross.price = ret_msg->cross.qty == 0 ? 0 : (uint32_t)session_price_e4(symbol, symbol->fair);
    ret_msg->cross.match = ++s->next_match;
    ret_msg->cross.cross = 'O';
}

void session_say_participant(struct session *s, const struct session_symbol *symbol, struct itch_msg *ret_msg)
{
    session_say(s, ITCH_PARTICIPANT, symbol, ret_msg);
    ret_msg->participant.stock = symbol->stock;
    ret_msg->participant.mpid = md_symbol("TGMA");
    ret_msg->participant.primary = 'Y';
    ret_msg->participant.mode = 'N';
    ret_msg->participant.state = 'A';
}

void session_say_ipo(struct session *s, const struct session_symbol *symbol, struct itch_msg *ret_msg)
{
    session_say(s, ITCH_IPO_UPDATE, symbol, ret_msg);
    ret_msg->ipo.stock = symbol->stock;
    ret_msg->ipo.release_s = (uint32_t)(s->params.open_ns / UINT64_C(1000000000));
    ret_msg->ipo.qualifier = 'A';
    ret_msg->ipo.price = (uint32_t)session_price_e4(symbol, symbol->fair);
}

void session_say_listing(struct session *s, const struct session_symbol *symbol, struct itch_msg *ret_msg)
{
    const uint32_t reference = (uint32_t)session_price_e4(symbol, symbol->fair);
    session_say(s, ITCH_DIRECT_LISTING, symbol, ret_msg);
    ret_msg->listing.stock = symbol->stock;
    ret_msg->listing.eligibility = 'Y';
    ret_msg->listing.min_price = reference - reference / 5;
    ret_msg->listing.max_price = reference + reference / 2;
    ret_msg->listing.near_price = reference;
    ret_msg->listing.near_execution_time = s->params.open_ns;
    ret_msg->listing.lower = reference - reference / 10;
    ret_msg->listing.upper = reference + reference / 10;
}

/* Declines of 7, 13 and 20 percent from an index of 6,800 points; price(8). */
void session_say_mwcb_level(struct session *s, struct itch_msg *ret_msg)
{
    static const uint64_t percent[3] = {93, 87, 80};
    session_say(s, ITCH_MWCB_LEVEL, NULL, ret_msg);
    for (unsigned i = 0; i < 3; i++)
        ret_msg->mwcb_level.level_e8[i] = percent[i] * 68 * UINT64_C(100000000);
}
