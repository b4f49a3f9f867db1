/* See world.h. In travel order: what is published, what becomes of it on the lines, the gateway's side, the servers,
 * the comparison. */
#include "tools/world.h"

#include "feed/frame.h"
#include "feed/glimpse.h"
#include "gateway/fault.h"
#include "ring/check.h"
#include "tools/session.h"
#include "tools/venue.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINES 2u
#define SESSIONS_MAX 2u
#define SYMBOLS_MAX 64u
#define US UINT64_C(1000)
#define MS UINT64_C(1000000)
#define S UINT64_C(1000000000)
#define BEGIN_NS (UINT64_C(1767589200) * S) /* midnight in New York, 2026-01-05 */
#define TICK_NS (100 * US)                  /* how often servers are looked after while nothing comes */
#define BEAT_NS (200 * MS)
#define PATIENCE_NS (300 * S)               /* after the last message: not whole then is never */
#define PACKET_MESSAGES_MAX 12u
#define REPLIES_MAX 64u
#define FAULT_QUEUE_BYTES (8u << 20)
#define STREAM_SLICE 16384u                 /* bytes of a snapshot that arrive in one tick, at most */

struct message { uint32_t offset; uint32_t len; uint64_t ts_ns; };

/* What the venue says in one session. */
struct script {
    char session[MOLD_SESSION_LEN];
    struct message *message; /* by sequence - 1 */
    uint64_t count;
    uint8_t *bytes;
    uint64_t begin_ns;       /* on the clock of the run */
};

struct reply { uint64_t due_ns; uint32_t len; uint8_t payload[VENUE_PAYLOAD_MAX]; };

struct world {
    struct channel_ahead ahead;
    uint32_t look_count;
    struct session_random random;
    struct world_counters *counters;
    char *sentence;
    bool diverged;
    uint64_t now_ns;
    /* the venue */
    struct script script[SESSIONS_MAX];
    uint32_t script_count, script_idx; /* the one being said */
    struct venue *venue;
    uint64_t line_seq[LINES];          /* next to be published on the line */
    uint64_t join_ns;                  /* frames before are not seen */
    struct fault *fault;
    /* servers */
    uint32_t reply_loss_percent, dead_percent;
    uint64_t trip_ns;
    struct reply reply[REPLIES_MAX];
    uint32_t reply_count;
    struct venue_spin *spin;
    struct glimpse glimpse;
    uint32_t spin_number;
    uint32_t spin_break_percent, spin_wrong_percent, spin_refused_percent;
    uint8_t block[2032];
    uint32_t block_len;
    enum glimpse_verdict spin_verdict;
    bool spin_running;
    /* the gateway */
    struct channel *channel;
    void *channel_memory;
    uint32_t session_idx;              /* that the channel is in */
    bool session_known;
    bool stale_at_once;
    /* the truth */
    struct channel *truth;
    void *truth_memory;
    uint32_t truth_idx;
    uint64_t truth_seq;                /* next that it will see */
};

static bool chance(struct world *world, uint32_t percent)
{
    return session_random_below(&world->random, 100) < percent;
}

static uint64_t between(struct world *world, uint64_t min, uint64_t max)
{
    return min + session_random_next(&world->random) % (max - min + 1);
}

__attribute__((format(printf, 2, 3))) static void diverge(struct world *world, const char *format, ...)
{
    va_list list;

    if (world->diverged)
        return;
    world->diverged = true;
    va_start(list, format);
    vsnprintf(world->sentence, WORLD_SENTENCE_MAX, format, list);
    va_end(list);
}

/* ---- what is published ---- */

static void *must(void *memory)
{
    CHECK(memory);
    return memory;
}

/* Times of the session start at `begin_ns`, however early its day begins. */
static void script_write(struct world *world, struct script *script, uint32_t idx, uint64_t messages, uint32_t symbols,
                         uint64_t begin_ns)
{
    const struct session_params params = {.seed = session_random_next(&world->random),
                                          .messages = messages,
                                          .open_ns = SESSION_OPEN_NS,
                                          .symbols = symbols,
                                          .rate_per_s = (uint32_t)between(world, 5000, 80000)};
    struct session *session = must(session_open(&params));
    struct itch_msg msg;
    uint32_t offset = 0;
    uint64_t first_ns = 0;

    memcpy(script->session, idx == 0 ? "CAMPAIGN 1" : "CAMPAIGN 2", MOLD_SESSION_LEN);
    script->message = must(malloc(messages * sizeof(script->message[0])));
    script->bytes = must(malloc(messages * ITCH_LENGTH_MAX));
    script->begin_ns = begin_ns;
    script->count = 0;
    while (session_next(session, &msg)) {
        if (script->count == 0)
            first_ns = msg.timestamp_ns;
        const uint32_t len = itch_encode(&msg, script->bytes + offset);
        script->message[script->count++] =
            (struct message){.offset = offset, .len = len, .ts_ns = begin_ns + msg.timestamp_ns - first_ns};
        offset += len;
    }
    session_close(session);
}

static uint64_t script_end_ns(const struct script *script)
{
    return script->message[script->count - 1].ts_ns;
}

/* Everything up to now has been said. */
static void venue_advance(struct world *world)
{
    const struct script *script = &world->script[world->script_idx];

    for (uint64_t seq = venue_next_seq(world->venue);
         seq <= script->count && script->message[seq - 1].ts_ns <= world->now_ns; seq++) {
        const struct message *message = &script->message[seq - 1];
        CHECK(venue_say(world->venue, script->bytes + message->offset, message->len) == seq);
        world->counters->message_count++;
    }
}

static void line_send(struct world *world, uint32_t line, const uint8_t *payload, uint32_t len)
{
    uint8_t frame[CAPTURE_HEADERS_LEN + VENUE_PAYLOAD_MAX];

    memcpy(frame + CAPTURE_HEADERS_LEN, payload, len);
    const struct capture_frame captured = {
        .ts_ns = world->now_ns,
        .data = frame,
        .len = capture_encode_udp(frame, 0xefc00101u + (line << 8), (uint16_t)(26477 + line), 0x0a0a0101u, 26400, len),
    };
    fault_put(world->fault, line, &captured);
}

/* A packet on `line` of what has been said and not yet been published there; never more than PACKET_MESSAGES_MAX. */
static void line_publish(struct world *world, uint32_t line)
{
    uint8_t payload[VENUE_PAYLOAD_MAX];

    while (world->line_seq[line] < venue_next_seq(world->venue)) {
        const uint32_t most = 1 + session_random_below(&world->random, PACKET_MESSAGES_MAX);
        const uint64_t left = venue_next_seq(world->venue) - world->line_seq[line];
        const uint32_t message_count = left < most ? (uint32_t)left : most;
        const uint32_t len = venue_packet(world->venue, world->line_seq[line], message_count, payload);
        world->line_seq[line] += message_count;
        line_send(world, line, payload, len);
    }
}

/* ---- the comparison ---- */

static void cursor_drain(struct channel *channel, struct channel_cursor *cursor)
{
    while (channel_next(channel, cursor))
        ;
}

/* The truth as it is after message `end_seq` - 1 of the session that the channel is in. */
static void truth_advance(struct world *world, uint64_t end_seq)
{
    uint8_t payload[MOLD_HEADER_LEN + 2 + ITCH_LENGTH_MAX];
    struct channel_cursor cursor;

    if (world->truth_idx != world->session_idx) {
        world->truth_idx = world->session_idx;
        world->truth_seq = 1;
    }
    const struct script *script = &world->script[world->truth_idx];
    for (; world->truth_seq < end_seq && world->truth_seq <= script->count; world->truth_seq++) {
        const struct message *message = &script->message[world->truth_seq - 1];
        mold_encode_header(payload, script->session, world->truth_seq, 1);
        payload[MOLD_HEADER_LEN] = 0;
        payload[MOLD_HEADER_LEN + 1] = (uint8_t)message->len;
        memcpy(payload + MOLD_HEADER_LEN + 2, script->bytes + message->offset, message->len);
        if (channel_receive(world->truth, 0, payload, MOLD_HEADER_LEN + 2 + message->len, 0, 0, &cursor))
            cursor_drain(world->truth, &cursor);
    }
}

static bool bbo_equal(const struct book_bbo *a, const struct book_bbo *b)
{
    return a->bid_price == b->bid_price && a->bid_qty == b->bid_qty && a->ask_price == b->ask_price &&
           a->ask_qty == b->ask_qty;
}

static void compare_event(struct world *world, const struct md_event *event, uint64_t seq)
{
    const struct book_bbo said = {.bid_price = event->bid_price,
                                  .bid_qty = event->bid_qty,
                                  .ask_price = event->ask_price,
                                  .ask_qty = event->ask_qty};

    truth_advance(world, seq + 1);
    if (world->truth_seq != seq + 1)
        diverge(world, "an event of sequence %" PRIu64 " came out of turn: the truth is at %" PRIu64, seq,
                world->truth_seq);
    else if (!bbo_equal(&said, book_bbo(channel_book(world->truth), event->instrument)))
        diverge(world, "not stale, and the BBO of instrument %u is wrong at sequence %" PRIu64, event->instrument, seq);
}

/* "I am whole": then every instrument is as the truth has it. */
static void compare_bbos(struct world *world, uint64_t next_seq)
{
    truth_advance(world, next_seq);
    for (uint32_t i = 0; i <= SYMBOLS_MAX; i++)
        if (!bbo_equal(book_bbo(channel_book(world->channel), i), book_bbo(channel_book(world->truth), i)))
            diverge(world, "no longer stale, and the BBO of instrument %u is wrong at sequence %" PRIu64, i, next_seq);
}

/* The whole book of an instrument as bytes: levels best first, orders in their queues with what is ahead of them. */
static size_t book_write(struct book *book, uint32_t instrument, uint8_t *ret_bytes, size_t bytes_max)
{
    static struct book_level_view levels[4096];
    static uint64_t refs[8192];
    size_t at = 0;

    for (uint32_t side = 0; side < 2; side++) {
        const uint8_t letter = side == 0 ? 'B' : 'S';
        const uint32_t level_count = book_levels(book, instrument, letter, 4096, levels);
        for (uint32_t i = 0; i < level_count; i++) {
            const uint32_t ref_count = book_queue(book, instrument, letter, levels[i].price, 8192, refs);
            CHECK(at + 24 + 16 * (size_t)ref_count <= bytes_max);
            memcpy(ret_bytes + at, &levels[i].price, 4);
            memcpy(ret_bytes + at + 4, &levels[i].order_count, 4);
            memcpy(ret_bytes + at + 8, &levels[i].qty, 8);
            at += 16;
            for (uint32_t j = 0; j < ref_count; j++) {
                uint64_t ahead_qty = 0;
                CHECK(book_queue_ahead(book, refs[j], &ahead_qty));
                memcpy(ret_bytes + at, &refs[j], 8);
                memcpy(ret_bytes + at + 8, &ahead_qty, 8);
                at += 16;
            }
        }
        ret_bytes[at++] = letter;
    }
    return at;
}

static void compare_books(struct world *world)
{
    static uint8_t ours[1 << 20], true_ones[1 << 20];

    truth_advance(world, UINT64_MAX);
    if (channel_order_count(world->channel) != channel_order_count(world->truth))
        diverge(world, "in the end %u orders live, and not %u", channel_order_count(world->channel),
                channel_order_count(world->truth));
    for (uint32_t i = 0; i <= SYMBOLS_MAX; i++) {
        const size_t len = book_write(channel_book(world->channel), i, ours, sizeof(ours));
        const size_t true_len = book_write(channel_book(world->truth), i, true_ones, sizeof(true_ones));
        if (len != true_len || memcmp(ours, true_ones, len) != 0)
            diverge(world, "in the end the book of instrument %u is not the true one", i);
    }
}

/* ---- the gateway's side ---- */

static void event_take(struct world *world, const struct channel_cursor *cursor, const struct md_event *event)
{
    world->counters->event_count++;
    switch (event->type) {
    case MD_SESSION:
        world->session_idx = world->session_known ? world->session_idx + 1 : 0;
        world->session_known = true;
        if (world->session_idx >= world->script_count)
            diverge(world, "a session began that the venue never had");
        return;
    case MD_STALE_END:
        compare_bbos(world, event->ref);
        return;
    default:
        break;
    }
    if (!(event->flags & MD_STALE) && (channel_stale(world->channel) || cursor->line == CHANNEL_LINE_SNAPSHOT))
        diverge(world, "an event of type %u is not marked stale, and the channel is", event->type);
    if (event->flags & (MD_STALE | MD_MORE) || event->instrument == MD_INSTRUMENT_NONE || cursor->seq == 0)
        return;
    world->counters->fresh_event_count++;
    compare_event(world, event, cursor->seq);
}

/* Honest at every moment: what is known to be missing, and what is kept for later, makes the channel stale, from the
 * first sight where that is wanted. */
static void compare_staleness(struct world *world)
{
    const struct arb *arb = channel_arb(world->channel);

    if (world->stale_at_once && arb->newest_seq > arb->next_seq && !channel_stale(world->channel))
        diverge(world, "not stale, though %" PRIu64 " messages are known that were not delivered",
                arb->newest_seq - arb->next_seq);
}

static void events_take(struct world *world, struct channel_cursor *cursor)
{
    while (!world->diverged && channel_next(world->channel, cursor))
        for (uint32_t i = 0; i < cursor->event_count && !world->diverged; i++)
            event_take(world, cursor, &cursor->event[i]);
    compare_staleness(world);
}

static void frame_receive(struct world *world, const struct capture_frame *frame)
{
    struct frame_view view;
    struct channel_cursor cursor;

    if (frame->ts_ns < world->join_ns || frame_parse(frame->data, frame->len, &view) != FRAME_UDP ||
        !frame_checksum_good(frame->data, frame->len, &view))
        return;
    const uint32_t line = (uint32_t)view.dst_port - 26477;
    if (line >= LINES)
        return;
    /* As the receive loop does it, in bursts of one: the second stage of a look is sometimes that of a packet whose
     * turn has passed. */
    struct channel_look look;
    channel_look(world->channel, &world->ahead, view.payload, view.payload_len, &look);
    if (++world->look_count % 3 != 0)
        channel_look_end(&world->ahead);
    if (channel_receive_looked(world->channel, line, &world->ahead, &look, world->now_ns, 0, &cursor))
        events_take(world, &cursor);
}

/* ---- servers ---- */

static void spin_close(struct world *world)
{
    if (world->spin)
        venue_spin_close(world->spin);
    world->spin = NULL;
    world->spin_running = false;
}

/* A wrong end of a snapshot, of the kinds that can be known to be wrong: far in the future, or of messages that are
 * seconds older than what the snapshot holds. */
static int64_t wrong_end_add(struct world *world)
{
    const struct script *script = &world->script[world->script_idx];
    const uint64_t next_seq = venue_next_seq(world->venue);
    const uint64_t seq = between(world, 1, next_seq);

    if (seq < next_seq && script->message[seq - 1].ts_ns + 3 * S < world->now_ns && chance(world, 50))
        return (int64_t)seq - (int64_t)next_seq;
    return (int64_t)between(world, 1u << 30, 1u << 31);
}

static void spin_open(struct world *world, uint32_t number)
{
    struct venue_spin_params params = {0};
    struct glimpse_params client = {.timeout_ns = 2 * S};

    spin_close(world);
    soup_field(params.username, SOUP_USERNAME_LEN, "camp");
    soup_field(params.password, SOUP_PASSWORD_LEN, "secret");
    memcpy(client.login.username, params.username, SOUP_USERNAME_LEN);
    memcpy(client.login.password, params.password, SOUP_PASSWORD_LEN);
    memset(client.login.session, ' ', SOUP_SESSION_LEN);
    if (chance(world, world->spin_refused_percent))
        params.password[0] = 'x';
    if (chance(world, world->spin_break_percent))
        params.break_after = between(world, 1, 200);
    if (chance(world, world->spin_wrong_percent))
        params.end_seq_add = wrong_end_add(world);
    world->spin = must(venue_spin_open(world->venue, &params, world->now_ns));
    world->spin_number = number;
    world->spin_running = true;
    world->spin_verdict = GLIMPSE_MORE;
    world->block_len = 0;
    glimpse_begin(&world->glimpse, &client, world->now_ns);
}

static void block_flush(struct world *world)
{
    struct channel_cursor cursor;

    if (world->block_len > 0 && channel_snapshot(world->channel, world->spin_number, world->block, world->block_len,
                                                 world->now_ns, 0, &cursor))
        events_take(world, &cursor);
    world->block_len = 0;
}

/* Messages that the client has, to the channel, until it wants no more now. */
static void spin_deliver(struct world *world)
{
    const uint8_t *message;
    uint32_t len;

    while (world->spin_running && world->spin_verdict == GLIMPSE_MORE) {
        if (!channel_snapshot_ready(world->channel, world->spin_number))
            return;
        const enum glimpse_verdict verdict = glimpse_next(&world->glimpse, world->now_ns, &message, &len);
        if (verdict == GLIMPSE_MORE)
            return;
        if (verdict != GLIMPSE_MESSAGE) {
            world->spin_verdict = verdict;
            break;
        }
        if (world->block_len + 2 + len > sizeof(world->block))
            block_flush(world);
        world->block[world->block_len] = (uint8_t)(len >> 8);
        world->block[world->block_len + 1] = (uint8_t)len;
        memcpy(world->block + world->block_len + 2, message, len);
        world->block_len += 2 + len;
    }
}

static void spin_step(struct world *world)
{
    uint8_t bytes[STREAM_SLICE];
    struct channel_cursor cursor;
    uint32_t len;

    if (!world->spin_running)
        return;
    while ((len = glimpse_send(&world->glimpse, world->now_ns, bytes, sizeof(bytes))) > 0)
        venue_spin_receive(world->spin, bytes, len, world->now_ns);
    uint32_t most = 1 + session_random_below(&world->random, STREAM_SLICE);
    if (most > glimpse_room(&world->glimpse))
        most = glimpse_room(&world->glimpse);
    len = venue_spin_send(world->spin, world->now_ns, bytes, most);
    if (len > 0)
        glimpse_receive(&world->glimpse, bytes, len);
    else if (most > 0 && venue_spin_ended(world->spin))
        glimpse_closed(&world->glimpse);
    spin_deliver(world);
    if (world->spin_verdict == GLIMPSE_MORE)
        return;
    block_flush(world);
    const uint32_t number = world->spin_number;
    const enum glimpse_verdict verdict = world->spin_verdict;
    spin_close(world);
    if (verdict != GLIMPSE_END)
        channel_snapshot_lost(world->channel, number, world->now_ns);
    else if (channel_snapshot_end(world->channel, number, glimpse_end_seq(&world->glimpse), world->now_ns, 0, &cursor))
        events_take(world, &cursor);
}

/* The answer, if there is one, is on its way: it may be lost, like the request. */
static void request_serve(struct world *world, const struct channel_ask *ask)
{
    uint8_t request[MOLD_HEADER_LEN];
    struct reply *reply = &world->reply[world->reply_count];

    if (world->reply_count == REPLIES_MAX || (ask->server == 0 && chance(world, world->dead_percent)) ||
        chance(world, world->reply_loss_percent))
        return;
    mold_encode_header(request, (const char *)channel_session(world->channel), ask->seq, (uint16_t)ask->count);
    reply->len = venue_answer(world->venue, request, sizeof(request), reply->payload);
    reply->due_ns = world->now_ns + between(world, world->trip_ns / 2, world->trip_ns * 2);
    world->reply_count += reply->len > 0;
}

static void replies_deliver(struct world *world)
{
    struct channel_cursor cursor;

    for (uint32_t i = 0; i < world->reply_count;) {
        struct reply *reply = &world->reply[i];
        if (reply->due_ns > world->now_ns) {
            i++;
            continue;
        }
        if (channel_reply(world->channel, reply->payload, reply->len, world->now_ns, 0, &cursor))
            events_take(world, &cursor);
        *reply = world->reply[--world->reply_count];
    }
}

/* What the rx loop and the control thread do between two frames. */
static void serve(struct world *world)
{
    struct channel_cursor cursor;
    struct channel_ask ask;

    if (channel_deadline_ns(world->channel) <= world->now_ns &&
        channel_expire(world->channel, world->now_ns, 0, &cursor))
        events_take(world, &cursor);
    replies_deliver(world);
    spin_step(world);
    while (!world->diverged && (ask = channel_ask_next(world->channel, world->now_ns)).type != CHANNEL_ASK_NOTHING) {
        if (ask.type == CHANNEL_ASK_REQUEST)
            request_serve(world, &ask);
        else if (ask.type == CHANNEL_ASK_SPIN)
            spin_open(world, ask.spin);
        else
            spin_close(world);
    }
}

/* ---- a run ---- */

/* Time goes on to `until_ns`: frames that are due, servers between them. */
static void time_pass(struct world *world, uint64_t until_ns)
{
    struct capture_frame frame;

    while (!world->diverged && world->now_ns < until_ns) {
        const bool busy = channel_recovering(world->channel) || world->spin_running || world->reply_count > 0;
        uint64_t next_ns = busy && until_ns - world->now_ns > TICK_NS ? world->now_ns + TICK_NS : until_ns;
        if (channel_deadline_ns(world->channel) > world->now_ns && channel_deadline_ns(world->channel) < next_ns)
            next_ns = channel_deadline_ns(world->channel);
        while (!world->diverged && fault_take(world->fault, next_ns, &frame)) {
            if (frame.ts_ns > world->now_ns)
                world->now_ns = frame.ts_ns;
            serve(world);
            frame_receive(world, &frame);
        }
        world->now_ns = next_ns;
        serve(world);
    }
}

static bool whole(const struct world *world)
{
    const struct script *script = &world->script[world->script_idx];

    return world->session_known && world->session_idx == world->script_idx && !channel_stale(world->channel) &&
           channel_arb(world->channel)->next_seq == script->count + 1;
}

static void script_play(struct world *world)
{
    const struct script *script = &world->script[world->script_idx];
    uint8_t payload[VENUE_PAYLOAD_MAX];
    uint64_t line_due_ns[LINES] = {script->begin_ns, script->begin_ns};

    world->line_seq[0] = world->line_seq[1] = 1;
    while (!world->diverged && (world->line_seq[0] <= script->count || world->line_seq[1] <= script->count)) {
        const uint32_t line = line_due_ns[0] <= line_due_ns[1] ? 0 : 1;
        time_pass(world, line_due_ns[line]);
        venue_advance(world);
        line_publish(world, line);
        uint64_t next_ns = script_end_ns(script); /* each line cuts at moments of its own */
        if (world->line_seq[line] <= script->count)
            next_ns = script->message[world->line_seq[line] - 1].ts_ns;
        line_due_ns[line] = next_ns + between(world, 0, 60 * US);
        if (world->line_seq[line] > script->count)
            line_due_ns[line] = UINT64_MAX;
    }
    /* Quiet: heartbeats, then the end of the session, until the channel is whole. */
    const uint64_t end_ns = world->now_ns;
    for (uint32_t beat = 0; !world->diverged && (!whole(world) || beat < 4); beat++) {
        for (uint32_t line = 0; line < LINES; line++)
            line_send(world, line, payload,
                      beat < 2 ? venue_packet(world->venue, script->count + 1, 1, payload)
                               : venue_packet_end(world->venue, payload));
        time_pass(world, world->now_ns + BEAT_NS);
        if (world->now_ns - end_ns > PATIENCE_NS)
            diverge(world, "not whole long after the last message: %s, at %" PRIu64 " of %" PRIu64,
                    channel_stale(world->channel) ? "stale" : "not stale", channel_arb(world->channel)->next_seq,
                    script->count + 1);
    }
}

static struct channel *channel_make(const struct channel_params *params, void **ret_memory)
{
    *ret_memory = must(aligned_alloc(CACHE_LINE_BYTES, channel_footprint(params)));
    return channel_init(*ret_memory, params);
}

/* What the seed decides: sizes, faults, servers, recovery. */
static void world_open(struct world *world, const struct world_params *params)
{
    struct fault_line_params lines[LINES];
    const uint32_t loss = (uint32_t)between(world, FAULT_PARTS / 1000, FAULT_PARTS / 5); /* 0.1 to 20 % */
    const uint32_t symbols = (uint32_t)between(world, 4, SYMBOLS_MAX);

    world->script_count = chance(world, 25) ? 2 : 1;
    uint64_t begin_ns = BEGIN_NS + S;
    for (uint32_t i = 0; i < world->script_count; i++) {
        script_write(world, &world->script[i], i, params->messages / world->script_count, symbols, begin_ns);
        begin_ns = script_end_ns(&world->script[i]) + PATIENCE_NS * 2;
    }
    if (chance(world, 25))
        world->join_ns = world->script[0].message[between(world, 1, world->script[0].count - 1)].ts_ns;
    world->counters->late_join_count += world->join_ns > 0;
    for (uint32_t i = 0; i < LINES; i++)
        lines[i] = (struct fault_line_params){
            .loss = (uint32_t)between(world, loss / 2, loss),
            .duplicate = chance(world, 50) ? (uint32_t)between(world, 0, FAULT_PARTS / 20) : 0,
            .reorder = chance(world, 50) ? (uint32_t)between(world, 0, FAULT_PARTS / 20) : 0,
            .corrupt = chance(world, 50) ? (uint32_t)between(world, 0, FAULT_PARTS / 50) : 0,
            .truncate = chance(world, 50) ? (uint32_t)between(world, 0, FAULT_PARTS / 50) : 0,
            .skew_ns = i * between(world, 0, 200 * US),
            .jitter_ns = between(world, 0, 50 * US),
            .stall_every_ns = chance(world, 30) ? between(world, 100 * MS, 2 * S) : 0,
            .stall_ns = between(world, MS, 200 * MS),
        };
    world->fault = must(fault_open(session_random_next(&world->random), lines, LINES, FAULT_QUEUE_BYTES));
    world->venue = must(venue_open(world->script[0].session));
    world->reply_loss_percent = (uint32_t)between(world, 0, 40);
    world->dead_percent = chance(world, 20) ? 100 : 0;
    world->trip_ns = between(world, 100 * US, 5 * MS);
    world->spin_break_percent = (uint32_t)between(world, 0, 40);
    world->spin_wrong_percent = (uint32_t)between(world, 0, 20);
    world->spin_refused_percent = (uint32_t)between(world, 0, 10);

    world->stale_at_once = chance(world, 50);
    struct channel_params channel = {
        .book = {.instruments_max = 2 * SYMBOLS_MAX, .orders_max = 1u << 16, .levels_max = 1u << 15},
        .line_count = LINES,
        .reorder_packets = (uint32_t)between(world, 4, 128),
        .reorder_ns = between(world, 100 * US, 2 * MS),
        .hold_messages = 1u << between(world, 8, 15),
        .stale_at_once = world->stale_at_once,
        .midnight_ns = BEGIN_NS,
        .first_seq = 1,
    };
    world->truth = channel_make(&channel, &world->truth_memory);
    world->truth_seq = 1;
    channel.silence_ns = chance(world, 50) ? between(world, 20 * MS, S) : 0;
    channel.recovery = (struct channel_recovery){
        .retransmit = {.server_count = 2,
                       .request_messages = (uint32_t)between(world, 8, 200),
                       .in_flight = (uint32_t)between(world, 1, 8),
                       .rate_per_s = (uint32_t)between(world, 50, 5000),
                       .rate_burst = (uint32_t)between(world, 1, 50),
                       .attempts = (uint32_t)between(world, 2, 8),
                       .timeout_ns = between(world, MS, 20 * MS),
                       .timeout_max_ns = between(world, 20 * MS, 500 * MS)},
        .gap_max = between(world, 50, channel.hold_messages),
        .snapshot = true,
        .join_snapshot = chance(world, 50),
        .spin_retry_ns = between(world, MS, 50 * MS),
        .spin_retry_max_ns = 500 * MS,
    };
    world->channel = channel_make(&channel, &world->channel_memory);
}

static void world_close(struct world *world)
{
    struct world_counters *counters = world->counters;
    const struct channel_counters *seen = channel_counters(world->channel);

    counters->other_line_count += seen->filled_line_count;
    counters->retransmission_count += seen->filled_request_count;
    counters->request_count += channel_retransmit(world->channel)->request_count;
    counters->back_off_count += channel_retransmit(world->channel)->again_count;
    counters->snapshot_count += seen->spliced_count;
    counters->spin_restart_count += seen->spin_lost_count + seen->spin_old_count + seen->spin_far_count;
    counters->overflow_count += seen->overflow_count;
    counters->session_change_count += seen->session_count - 1;
    counters->stale_count += seen->stale_count;
    counters->silent_count += seen->silent_count;
    for (uint32_t i = 0; i < LINES; i++) {
        const struct fault_counters *faults = fault_counters(world->fault, i);
        counters->lost_frame_count += faults->lost_count;
        counters->duplicate_frame_count += faults->duplicate_count;
        counters->reordered_frame_count += faults->reordered_count;
        counters->corrupt_frame_count += faults->corrupt_count;
        counters->truncated_frame_count += faults->truncated_count;
        counters->stalled_frame_count += faults->stall_count;
    }
    spin_close(world);
    venue_close(world->venue);
    fault_close(world->fault);
    for (uint32_t i = 0; i < world->script_count; i++) {
        free(world->script[i].message);
        free(world->script[i].bytes);
    }
    free(world->channel_memory);
    free(world->truth_memory);
}

bool world_run(const struct world_params *params, struct world_counters *counters,
               char ret_sentence[WORLD_SENTENCE_MAX])
{
    struct world *world = must(calloc(1, sizeof(*world)));

    world->counters = counters;
    world->sentence = ret_sentence;
    ret_sentence[0] = '\0';
    session_random_init(&world->random, params->seed);
    world_open(world, params);
    for (; world->script_idx < world->script_count && !world->diverged; world->script_idx++) {
        const struct script *script = &world->script[world->script_idx];
        if (world->script_idx > 0)
            CHECK(venue_restart(world->venue, script->session));
        world->now_ns = script->begin_ns;
        script_play(world);
        if (!world->diverged)
            compare_books(world);
    }
    const bool converged = !world->diverged;
    world_close(world);
    free(world);
    return converged;
}
