/* See desk.h. "SoupBinTCP 3.00" and "OUCH 5.0" (Nasdaq), as a host speaks them. Answers of a request come in the order
 * in which a host makes them: Accepted or Replaced, then what traded at once, then Canceled for the rest of an
 * immediate order. The engine tells of trades while it is being called, so the first answer is made before the call,
 * and its order reference is filled in after it. */
#include "tools/desk.h"

#include "feed/wire.h"
#include "ring/check.h"
#include "tools/session.h"

#include <stdlib.h>
#include <string.h>

#define BUFFER_BYTES 131072u
#define SPOKEN_BYTES 1024u      /* packets of the session that wait: login, heartbeats */
#define QUANTITY_MAX 999999u
#define PRICE_MAX UINT64_C(1999999999)
#define ORDER_REF_IN_ACCEPTED 36u
#define ORDER_REF_IN_REPLACED 40u

enum reject { REJECT_SIDE = 0x0009, REJECT_PROCESSING = 0x000a, REJECT_OTHER = 0x000f, REJECT_QUANTITY = 0x0013,
              REJECT_SYMBOL = 0x0017, REJECT_PRICE = 0x001d };

struct order {
    struct desk_order told;   /* what reports show */
    uint32_t instrument;
    uint32_t chain_filled;    /* executed, of the orders that it replaced too */
    uint8_t tif;
    bool open;
};

struct sequenced { uint64_t due_ns; uint32_t at, len; };

struct position { uint64_t symbol; int64_t shares, cash; };

struct desk {
    struct match *match;
    struct desk_params params;
    desk_instrument *instrument;
    void *instrument_arg;
    struct desk_counters counters;
    struct session_random random;
    uint64_t now_ns;
    /* the day */
    struct order *orders;     /* by UserRefNum: they only grow */
    uint32_t order_count, orders_max;
    uint32_t newest_ref;      /* highest that was received */
    struct sequenced *sequenced; /* number i + 1 */
    uint32_t sequenced_count, sequenced_max;
    uint8_t *bytes;
    uint32_t bytes_len, bytes_max;
    struct position *positions;
    uint32_t position_count, positions_max;
    uint64_t request_count;
    bool closed_once, silent_once, deaf_once, garbage_once;
    /* the client */
    bool connected, logged_in, wants_close;
    bool silent, deaf;        /* until the next connection */
    uint64_t next_seq;        /* to be sent to it */
    uint64_t heard_ns, said_ns;
    uint32_t buffer_len, spoken_len;
    uint8_t spoken[SPOKEN_BYTES];
    uint8_t buffer[BUFFER_BYTES];
};

/* A tool without memory has nothing better to do than to end. */
static void *grow(void *memory, uint64_t count, uint32_t *max, size_t size)
{
    if (count < *max)
        return memory;
    *max = 2 * *max + 64;
    void *more = realloc(memory, *max * size);
    CHECK(more);
    return more;
}

struct desk *desk_open(struct match *match, const struct desk_params *params, desk_instrument *instrument,
                       void *instrument_arg)
{
    struct desk *desk = calloc(1, sizeof(*desk));

    if (!desk)
        return NULL;
    desk->match = match;
    desk->params = *params;
    desk->instrument = instrument;
    desk->instrument_arg = instrument_arg;
    session_random_init(&desk->random, params->seed ^ 0x6465736bu);
    return desk;
}

void desk_close(struct desk *desk)
{
    if (!desk)
        return;
    free(desk->orders);
    free(desk->sequenced);
    free(desk->bytes);
    free(desk->positions);
    free(desk);
}

/* --- what is said */

static void speak(struct desk *desk, const uint8_t *bytes, uint32_t len)
{
    if (len > SPOKEN_BYTES - desk->spoken_len) { /* it has not read for very long */
        desk->wants_close = true;
        return;
    }
    memcpy(desk->spoken + desk->spoken_len, bytes, len);
    desk->spoken_len += len;
}

/* One sequenced message; returns where its bytes are. */
static uint32_t say(struct desk *desk, const struct ouch_answer *answer)
{
    struct ouch_answer stamped = *answer;

    stamped.timestamp_ns = desk->now_ns - desk->params.midnight_ns;
    while (desk->bytes_max - desk->bytes_len < OUCH_ANSWER_FIXED_MAX)
        desk->bytes = grow(desk->bytes, desk->bytes_max, &desk->bytes_max, 1);
    desk->sequenced = grow(desk->sequenced, desk->sequenced_count, &desk->sequenced_max, sizeof(*desk->sequenced));
    const uint32_t at = desk->bytes_len, len = ouch_encode_answer(&stamped, desk->bytes + at);
    desk->bytes_len += len;
    desk->sequenced[desk->sequenced_count++] =
        (struct sequenced){.due_ns = desk->now_ns + desk->params.answer_delay_ns, .at = at, .len = len};
    if (desk->params.heard)
        desk->params.heard(desk->params.heard_arg, false, desk->sequenced_count, desk->bytes + at, len);
    return at;
}

/* --- orders */

static struct order *order_find(struct desk *desk, uint32_t user_ref)
{
    uint32_t low = 0, high = desk->order_count;

    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (desk->orders[middle].told.user_ref < user_ref)
            low = middle + 1;
        else
            high = middle;
    }
    return low < desk->order_count && desk->orders[low].told.user_ref == user_ref ? &desk->orders[low] : NULL;
}

static struct order *order_enter(struct desk *desk, const struct order *order)
{
    desk->orders = grow(desk->orders, desk->order_count, &desk->orders_max, sizeof(*desk->orders));
    desk->orders[desk->order_count] = *order;
    return &desk->orders[desk->order_count++];
}

static bool is_buy(uint8_t side)
{
    return side == 'B';
}

static struct position *position_of(const struct desk *desk, uint64_t symbol)
{
    for (uint32_t i = 0; i < desk->position_count; i++)
        if (desk->positions[i].symbol == symbol)
            return &desk->positions[i];
    return NULL;
}

static void position_add(struct desk *desk, uint64_t symbol, int64_t shares, int64_t price)
{
    struct position *position = position_of(desk, symbol);

    if (!position) {
        desk->positions = grow(desk->positions, desk->position_count, &desk->positions_max, sizeof(*desk->positions));
        position = &desk->positions[desk->position_count++];
        *position = (struct position){.symbol = symbol};
    }
    position->shares += shares;
    position->cash -= shares * price;
}

static void fill(struct desk *desk, uint64_t key, const struct match_news *news, uint8_t liquidity)
{
    struct order *order = order_find(desk, (uint32_t)key);
    const struct ouch_answer answer = {.type = OUCH_EXECUTED,
                                       .user_ref = (uint32_t)key,
                                       .qty = news->qty,
                                       .price = (uint64_t)(int64_t)news->price,
                                       .liquidity = liquidity,
                                       .match = news->match_number};

    CHECK(order && order->told.open_qty >= news->qty);
    order->told.open_qty -= news->qty;
    order->told.filled_qty += news->qty;
    order->chain_filled += news->qty;
    order->open = order->told.open_qty > 0;
    desk->counters.fill_count++;
    position_add(desk, order->told.symbol, is_buy(order->told.side) ? (int64_t)news->qty : -(int64_t)news->qty,
                 news->price);
    say(desk, &answer);
}

void desk_news(struct desk *desk, const struct match_news *news, uint64_t now_ns)
{
    desk->now_ns = now_ns;
    if (news->type != MATCH_TRADED)
        return;
    if (news->owner != 0)
        fill(desk, news->owner, news, 'A');
    if (news->taker != 0)
        fill(desk, news->taker, news, 'R');
}

/* The i-th message that was said. */
static struct ouch_answer said_at(const struct desk *desk, uint32_t i)
{
    struct ouch_answer answer;

    CHECK(ouch_decode_answer(desk->bytes + desk->sequenced[i].at, desk->sequenced[i].len, &answer) == 0);
    return answer;
}

static bool is_broken(const struct desk *desk, const struct ouch_answer *executed, uint32_t i)
{
    while (++i < desk->sequenced_count) {
        const struct ouch_answer answer = said_at(desk, i);
        if (answer.type == OUCH_BROKEN && answer.match == executed->match && answer.user_ref == executed->user_ref)
            return true;
    }
    return false;
}

bool desk_break(struct desk *desk, uint64_t now_ns)
{
    for (uint32_t i = desk->sequenced_count; i-- > 0;) {
        const struct ouch_answer executed = said_at(desk, i);
        if (executed.type != OUCH_EXECUTED || is_broken(desk, &executed, i))
            continue;
        const struct desk_order *order = &order_find(desk, executed.user_ref)->told;
        const struct ouch_answer broken = {
            .type = OUCH_BROKEN, .user_ref = executed.user_ref, .match = executed.match, .reason = 'E'};
        position_add(desk, order->symbol, is_buy(order->side) ? -(int64_t)executed.qty : (int64_t)executed.qty,
                     (int64_t)executed.price);
        desk->now_ns = now_ns;
        desk->counters.broken_count++;
        say(desk, &broken);
        return true;
    }
    return false;
}

static void canceled(struct desk *desk, struct order *order, uint32_t qty, uint8_t reason)
{
    const struct ouch_answer answer = {
        .type = OUCH_CANCELED, .user_ref = order->told.user_ref, .qty = qty, .reason = reason};

    order->told.open_qty -= qty;
    order->open = order->told.open_qty > 0;
    desk->counters.canceled_count++;
    say(desk, &answer);
}

/* Take an open order down to `left_qty`. */
static void cut(struct desk *desk, struct order *order, uint32_t left_qty, uint8_t reason)
{
    uint32_t taken_qty = 0;

    if (match_client_cut(desk->match, order->told.user_ref, left_qty, &taken_qty) == MATCH_OK && taken_qty > 0)
        canceled(desk, order, taken_qty, reason);
}

static void rejected(struct desk *desk, uint32_t user_ref, enum reject reason, const char *cl_ord_id)
{
    struct ouch_answer answer = {.type = OUCH_REJECTED, .user_ref = user_ref, .reason = (uint16_t)reason};

    memcpy(answer.cl_ord_id, cl_ord_id, sizeof(answer.cl_ord_id));
    desk->counters.rejected_count++;
    say(desk, &answer);
}

static bool dice_reject(struct desk *desk)
{
    return desk->params.reject_share > 0 &&
           session_random_below(&desk->random, 1000000) < desk->params.reject_share * 1000000;
}

/* 0, or the code of what is wrong. */
static uint16_t judge(struct desk *desk, uint8_t side, uint32_t qty, uint64_t price)
{
    if (!side || !memchr("BSTE", side, 4))
        return REJECT_SIDE;
    if (qty == 0 || qty > QUANTITY_MAX)
        return REJECT_QUANTITY;
    if (price == 0 || price > PRICE_MAX)
        return REJECT_PRICE;
    return dice_reject(desk) ? REJECT_OTHER : 0;
}

/* Its number is used up, unless it is not above all before: then the request is as if it had not come. */
static bool ref_take(struct desk *desk, uint32_t user_ref)
{
    if (user_ref <= desk->newest_ref) {
        desk->counters.repeated_count++;
        return false;
    }
    desk->newest_ref = user_ref;
    return true;
}

/* The engine has dealt with it: where it rests is told in the answer made before, and what is left of an immediate one
 * is cancelled. */
static void settle(struct desk *desk, uint32_t user_ref, uint32_t answer_at, uint32_t order_ref_at)
{
    struct order *order = order_find(desk, user_ref);
    struct match_order resting;
    uint64_t ref;

    if (match_client_find(desk->match, user_ref, &resting, &ref))
        store_be64(desk->bytes + answer_at + order_ref_at, ref);
    else if (order->told.open_qty > 0)
        canceled(desk, order, order->told.open_qty, 'I');
}

static struct match_order match_order_of(const struct order *order)
{
    return (struct match_order){.key = order->told.user_ref,
                                .instrument = order->instrument,
                                .side = is_buy(order->told.side) ? 'B' : 'S',
                                .immediate = order->tif == '3',
                                .price = (int32_t)order->told.price,
                                .qty = order->told.open_qty};
}

static void hear_enter(struct desk *desk, const struct ouch_enter *enter)
{
    desk->counters.enter_count++;
    if (!ref_take(desk, enter->user_ref))
        return;
    const int64_t instrument = desk->instrument(desk->instrument_arg, enter->symbol);
    uint16_t reason = judge(desk, enter->side, enter->qty, enter->price);
    if (reason == 0 && instrument < 0)
        reason = REJECT_SYMBOL;
    struct order order = {.told = {.user_ref = enter->user_ref,
                                   .symbol = enter->symbol,
                                   .side = enter->side,
                                   .qty = enter->qty,
                                   .price = (int64_t)enter->price,
                                   .rejected = reason != 0},
                          .instrument = (uint32_t)instrument,
                          .tif = enter->tif};
    if (reason != 0) {
        order_enter(desk, &order);
        rejected(desk, enter->user_ref, reason, enter->cl_ord_id);
        return;
    }
    order.told.open_qty = enter->qty;
    order.open = true;
    order_enter(desk, &order);
    struct ouch_answer answer = {.type = OUCH_ACCEPTED, .user_ref = enter->user_ref, .side = enter->side,
                                 .qty = enter->qty, .symbol = enter->symbol, .price = enter->price, .tif = enter->tif,
                                 .display = enter->display, .capacity = enter->capacity, .iso = enter->iso,
                                 .cross = enter->cross, .state = 'L'};
    memcpy(answer.cl_ord_id, enter->cl_ord_id, sizeof(answer.cl_ord_id));
    const uint32_t at = say(desk, &answer);
    desk->counters.accepted_count++;
    const struct match_order engine_order = match_order_of(&order);
    const enum match_verdict verdict = match_enter(desk->match, &engine_order, NULL);
    if (verdict != MATCH_OK) /* no room */
        canceled(desk, order_find(desk, enter->user_ref), enter->qty, 'Z');
    else
        settle(desk, enter->user_ref, at, ORDER_REF_IN_ACCEPTED);
}

static void hear_replace(struct desk *desk, const struct ouch_replace *replace)
{
    desk->counters.replace_count++;
    if (replace->user_ref <= desk->newest_ref) {
        desk->counters.repeated_count++;
        return;
    }
    struct order *orig = order_find(desk, replace->orig_user_ref);
    if (!orig || !orig->open)
        return; /* done before: as the protocol has it, nothing is said */
    desk->newest_ref = replace->user_ref;
    const uint16_t reason = judge(desk, orig->told.side, replace->qty, replace->price);
    if (reason == REJECT_OTHER) {
        const struct order order = {.told = {.user_ref = replace->user_ref, .symbol = orig->told.symbol,
                                             .side = orig->told.side, .qty = replace->qty,
                                             .price = (int64_t)replace->price, .rejected = true}};
        order_enter(desk, &order);
        rejected(desk, replace->user_ref, reason, replace->cl_ord_id);
        return;
    }
    if (reason != 0 || replace->qty <= orig->chain_filled) { /* it cannot be right: what it is about is taken down */
        cut(desk, orig, 0, 'U');
        return;
    }
    struct order order = *orig;
    order.told.user_ref = replace->user_ref;
    order.told.qty = replace->qty;
    order.told.price = (int64_t)replace->price;
    order.told.open_qty = replace->qty - orig->chain_filled;
    order.told.filled_qty = 0;
    order.tif = replace->tif;
    orig->told.replaced_by = replace->user_ref;
    orig->told.open_qty = 0;
    orig->open = false;
    order_enter(desk, &order); /* orig is not to be used any more */
    struct ouch_answer answer = {.type = OUCH_REPLACED, .orig_user_ref = replace->orig_user_ref,
                                 .user_ref = replace->user_ref, .side = order.told.side,
                                 .qty = order.told.open_qty, .symbol = order.told.symbol, .price = replace->price,
                                 .tif = replace->tif, .display = replace->display, .capacity = 'P',
                                 .iso = replace->iso, .cross = 'N', .state = 'L'};
    memcpy(answer.cl_ord_id, replace->cl_ord_id, sizeof(answer.cl_ord_id));
    const uint32_t at = say(desk, &answer);
    desk->counters.accepted_count++;
    const struct match_order engine_order = match_order_of(&order);
    if (match_client_replace(desk->match, replace->orig_user_ref, &engine_order, NULL) != MATCH_OK) {
        uint32_t taken_qty;
        match_client_cut(desk->match, replace->orig_user_ref, 0, &taken_qty);
        canceled(desk, order_find(desk, replace->user_ref), order.told.open_qty, 'Z');
        return;
    }
    settle(desk, replace->user_ref, at, ORDER_REF_IN_REPLACED);
}

/* The intended size counts what was executed before. */
static uint32_t left_of(const struct order *order, uint32_t intended_qty)
{
    return intended_qty > order->chain_filled ? intended_qty - order->chain_filled : 0;
}

static void hear_cancel(struct desk *desk, const struct ouch_cancel *cancel)
{
    struct order *order = order_find(desk, cancel->user_ref);

    desk->counters.cancel_count++;
    if (order && order->open)
        cut(desk, order, left_of(order, cancel->qty), 'U');
}

static void hear_modify(struct desk *desk, const struct ouch_modify *modify)
{
    struct order *order = order_find(desk, modify->user_ref);
    uint32_t taken_qty;

    desk->counters.modify_count++;
    if (!order || !order->open || is_buy(order->told.side) != is_buy(modify->side) ||
        match_client_cut(desk->match, modify->user_ref, left_of(order, modify->qty), &taken_qty) != MATCH_OK)
        return;
    order->told.side = modify->side;
    order->told.open_qty -= taken_qty;
    order->open = order->told.open_qty > 0;
    const struct ouch_answer answer = {.type = OUCH_MODIFIED, .user_ref = modify->user_ref, .side = modify->side,
                                       .qty = order->told.open_qty};
    say(desk, &answer);
}

static void hear_query(struct desk *desk)
{
    const struct ouch_answer answer = {.type = OUCH_QUERY_ANSWER, .user_ref = desk->newest_ref + 1};

    desk->counters.query_count++;
    say(desk, &answer);
}

/* Is a misbehaviour due after so many requests? Once. */
static bool due(const struct desk *desk, uint64_t after, bool *once)
{
    if (after == 0 || desk->request_count < after || *once)
        return false;
    *once = true;
    return true;
}

static void misbehave(struct desk *desk)
{
    const struct desk_params *params = &desk->params;

    if (due(desk, params->close_after, &desk->closed_once))
        desk->wants_close = true;
    if (due(desk, params->garbage_after, &desk->garbage_once))
        speak(desk, (const uint8_t[]){0, 0, 'x', 0, 0}, 5); /* a length of 0 has no type */
    if (due(desk, params->silent_after, &desk->silent_once))
        desk->silent = true;
    if (due(desk, params->deaf_after, &desk->deaf_once))
        desk->deaf = true;
}

static void hear_request(struct desk *desk, const uint8_t *message, uint32_t len)
{
    union {
        struct ouch_enter enter;
        struct ouch_replace replace;
        struct ouch_cancel cancel;
        struct ouch_modify modify;
    } request;

    desk->request_count++;
    if (desk->params.heard)
        desk->params.heard(desk->params.heard_arg, true, 0, message, len);
    if (ouch_decode_enter(message, len, &request.enter) == 0)
        hear_enter(desk, &request.enter);
    else if (ouch_decode_replace(message, len, &request.replace) == 0)
        hear_replace(desk, &request.replace);
    else if (ouch_decode_cancel(message, len, &request.cancel) == 0)
        hear_cancel(desk, &request.cancel);
    else if (ouch_decode_modify(message, len, &request.modify) == 0)
        hear_modify(desk, &request.modify);
    else if (len > 0 && ouch_decode_query(message, len) == 0)
        hear_query(desk);
    else
        desk->counters.malformed_count++;
    misbehave(desk);
}

/* --- the session */

static void hear_login(struct desk *desk, const struct soup_packet *packet)
{
    uint8_t bytes[SOUP_ACCEPTED_LEN];
    struct soup_login login;
    const uint64_t next_seq = UINT64_C(1) + desk->sequenced_count;

    if (desk->logged_in || !soup_decode_login(packet, &login)) {
        desk->wants_close = true;
        return;
    }
    if (memcmp(login.username, desk->params.username, SOUP_USERNAME_LEN) != 0 ||
        memcmp(login.password, desk->params.password, SOUP_PASSWORD_LEN) != 0) {
        soup_encode_header(bytes, SOUP_LOGIN_REJECTED, 1);
        bytes[SOUP_HEADER_LEN] = 'A';
        speak(desk, bytes, SOUP_HEADER_LEN + 1);
        desk->counters.refused_login_count++;
        desk->wants_close = true;
        return;
    }
    desk->logged_in = true;
    desk->counters.login_count++;
    desk->next_seq = login.sequence == 0 || login.sequence > next_seq ? next_seq : login.sequence;
    speak(desk, bytes, soup_encode_accepted(bytes, desk->params.session, desk->next_seq));
}

static void hear(struct desk *desk, const struct soup_packet *packet)
{
    if (packet->type == SOUP_LOGIN)
        hear_login(desk, packet);
    else if (packet->type == SOUP_LOGOUT || !desk->logged_in)
        desk->wants_close = true;
    else if (packet->type == SOUP_UNSEQUENCED)
        hear_request(desk, packet->payload, packet->payload_len);
}

bool desk_logged_in(const struct desk *desk)
{
    return desk->logged_in;
}

bool desk_reads(const struct desk *desk)
{
    return !desk->silent && !desk->deaf;
}

void desk_connected(struct desk *desk, uint64_t now_ns)
{
    desk->connected = true;
    desk->logged_in = desk->wants_close = desk->silent = desk->deaf = false;
    desk->buffer_len = desk->spoken_len = 0;
    desk->now_ns = desk->heard_ns = desk->said_ns = now_ns;
}

void desk_receive(struct desk *desk, const uint8_t *bytes, uint32_t len, uint64_t now_ns)
{
    uint32_t at = 0;

    desk->now_ns = desk->heard_ns = now_ns;
    if (!desk->connected || desk->wants_close || len > BUFFER_BYTES - desk->buffer_len) {
        desk->wants_close = desk->connected; /* longer than any packet, or after the end */
        return;
    }
    memcpy(desk->buffer + desk->buffer_len, bytes, len);
    desk->buffer_len += len;
    while (!desk->wants_close && desk_reads(desk)) {
        struct soup_packet packet;
        const enum soup_verdict verdict = soup_parse(desk->buffer + at, desk->buffer_len - at, &packet);
        desk->wants_close = verdict == SOUP_BAD;
        if (verdict != SOUP_PACKET)
            break;
        at += packet.packet_len;
        hear(desk, &packet);
    }
    memmove(desk->buffer, desk->buffer + at, desk->buffer_len - at);
    desk->buffer_len -= at;
}

void desk_closed(struct desk *desk, uint64_t now_ns)
{
    desk->now_ns = now_ns;
    if (!desk->connected)
        return;
    desk->connected = false;
    desk->counters.disconnect_count++;
    if (desk->logged_in && desk->params.cancel_on_disconnect)
        for (uint32_t i = 0; i < desk->order_count; i++)
            if (desk->orders[i].open) {
                cut(desk, &desk->orders[i], 0, 'Z');
                desk->counters.disconnect_cancel_count++;
            }
    desk->logged_in = false;
}

bool desk_wants_close(const struct desk *desk)
{
    return desk->connected && desk->wants_close && desk->spoken_len == 0;
}

uint32_t desk_send(struct desk *desk, uint64_t now_ns, uint8_t *ret_bytes, uint32_t bytes_max)
{
    uint32_t len = 0;

    if (!desk->connected || desk->silent)
        return 0;
    if (now_ns > desk->heard_ns && now_ns - desk->heard_ns >= desk->params.timeout_ns)
        desk->wants_close = true;
    if (desk->logged_in && desk->spoken_len == 0 && now_ns > desk->said_ns &&
        now_ns - desk->said_ns >= desk->params.heartbeat_ns) {
        uint8_t heartbeat[SOUP_HEADER_LEN];
        speak(desk, heartbeat, soup_encode_header(heartbeat, SOUP_SERVER_HEARTBEAT, 0));
    }
    if (desk->spoken_len > bytes_max)
        return 0;
    memcpy(ret_bytes, desk->spoken, desk->spoken_len);
    len = desk->spoken_len;
    desk->spoken_len = 0;
    while (desk->logged_in && !desk->wants_close && desk->next_seq <= desk->sequenced_count) {
        const struct sequenced *sequenced = &desk->sequenced[desk->next_seq - 1];
        if (sequenced->due_ns > now_ns || SOUP_HEADER_LEN + sequenced->len > bytes_max - len)
            break;
        len += soup_encode_header(ret_bytes + len, SOUP_SEQUENCED, sequenced->len);
        memcpy(ret_bytes + len, desk->bytes + sequenced->at, sequenced->len);
        len += sequenced->len;
        desk->next_seq++;
    }
    if (len > 0)
        desk->said_ns = now_ns;
    return len;
}

uint64_t desk_deadline_ns(const struct desk *desk)
{
    uint64_t deadline_ns = UINT64_MAX;

    if (!desk->connected || desk->silent)
        return UINT64_MAX;
    if (desk->spoken_len > 0)
        return 0;
    deadline_ns = desk->heard_ns + desk->params.timeout_ns;
    if (desk->logged_in && desk->said_ns + desk->params.heartbeat_ns < deadline_ns)
        deadline_ns = desk->said_ns + desk->params.heartbeat_ns;
    if (desk->logged_in && desk->next_seq <= desk->sequenced_count &&
        desk->sequenced[desk->next_seq - 1].due_ns < deadline_ns)
        deadline_ns = desk->sequenced[desk->next_seq - 1].due_ns;
    return deadline_ns;
}

/* --- reports */

const struct desk_counters *desk_counters(const struct desk *desk)
{
    return &desk->counters;
}

uint64_t desk_next_seq(const struct desk *desk)
{
    return UINT64_C(1) + desk->sequenced_count;
}

int64_t desk_position(const struct desk *desk, uint64_t symbol)
{
    const struct position *position = position_of(desk, symbol);

    return position ? position->shares : 0;
}

int64_t desk_cash(const struct desk *desk, uint64_t symbol)
{
    const struct position *position = position_of(desk, symbol);

    return position ? position->cash : 0;
}

uint32_t desk_order_count(const struct desk *desk)
{
    return desk->order_count;
}

const struct desk_order *desk_order_at(const struct desk *desk, uint32_t index)
{
    return index < desk->order_count ? &desk->orders[index].told : NULL;
}
