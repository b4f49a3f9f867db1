/* The server's side of one GLIMPSE 5.0 connection. Contract in venue.h.
 *
 * "GLIMPSE 5.0" and "SoupBinTCP 3.00" (Nasdaq). Called by tools/exchange for each TCP client, and by tests and the
 * campaign in simulated time, on the thread that owns the venue. What a client says is hostile. */
#include "tools/venue.h"

#include "feed/glimpse.h"
#include "tools/venue_state.h"

#include <stdlib.h>
#include <string.h>

#define CLIENT_PACKET_MAX 256u /* the longest that a client has to say is its login */

enum spin_state {
    SPIN_WAITING, /* for the login */
    SPIN_SAID,    /* all that there is to say stands in `out` */
    SPIN_LEFT,    /* the client is gone, or not one: nothing more is sent */
};

struct venue_spin {
    struct venue *venue;
    struct venue_spin_params params;
    enum spin_state state;
    bool whole;            /* `out` goes to the end of the snapshot */
    uint64_t sent_ns, received_ns;
    uint8_t *out;          /* bytes for the client: out_at of out_len have been taken */
    size_t out_at, out_len, out_bytes_max;
    uint32_t in_len;
    uint8_t in[CLIENT_PACKET_MAX];
};

struct venue_spin *venue_spin_open(struct venue *venue, const struct venue_spin_params *params, uint64_t now_ns)
{
    struct venue_spin *spin = calloc(1, sizeof(*spin));
    if (spin == NULL)
        return NULL;
    spin->venue = venue;
    spin->params = *params;
    spin->sent_ns = spin->received_ns = now_ns;
    return spin;
}

void venue_spin_close(struct venue_spin *spin)
{
    if (spin == NULL)
        return;
    free(spin->out);
    free(spin);
}

static void leave(struct venue_spin *spin)
{
    spin->state = SPIN_LEFT;
    spin->whole = false;
    spin->out_at = spin->out_len = 0;
}

/* Room for `len` bytes at the end of what is to be sent. NULL: no memory. */
static uint8_t *out_extend(struct venue_spin *spin, size_t len)
{
    if (spin->out_len + len > spin->out_bytes_max) {
        const size_t more = 2 * (spin->out_len + len);
        uint8_t *out = realloc(spin->out, more);
        if (out == NULL)
            return NULL;
        spin->out = out;
        spin->out_bytes_max = more;
    }
    spin->out_len += len;
    return spin->out + spin->out_len - len;
}

static bool put(struct venue_spin *spin, uint8_t type, const uint8_t *payload, uint32_t payload_len)
{
    uint8_t *bytes = out_extend(spin, SOUP_HEADER_LEN + payload_len);
    if (bytes == NULL)
        return false;
    (void)soup_encode_header(bytes, type, payload_len);
    if (payload_len > 0)
        memcpy(bytes + SOUP_HEADER_LEN, payload, payload_len);
    return true;
}

/* the snapshot */

static bool put_message(struct venue_spin *spin, const struct itch_msg *msg)
{
    uint8_t message[ITCH_LENGTH_MAX];
    return msg == NULL || put(spin, SOUP_SEQUENCED, message, itch_encode(msg, message));
}

static bool put_orders(struct venue_spin *spin, const struct venue_book *book, uint32_t instrument, uint8_t side)
{
    const struct venue_level *level = venue_book_best(book, instrument, side);
    for (; level != NULL; level = level->worse)
        for (const struct venue_order *order = level->first; order != NULL; order = order->behind) {
            const struct itch_msg msg = {
                .type = order->mpid != 0 ? ITCH_ADD_MPID : ITCH_ADD,
                .locate = (uint16_t)instrument,
                .tracking = order->tracking,
                .timestamp_ns = order->timestamp_ns,
                .add = {.ref = order->ref, .qty = order->qty, .price = (uint32_t)level->price,
                        .stock = venue_book_stock(book, instrument), .side = side, .mpid = order->mpid},
            };
            if (!put_message(spin, &msg))
                return false;
        }
    return true;
}

/* All messages of the snapshot in their order. False: no memory. */
static bool put_snapshot(struct venue_spin *spin)
{
    static const uint8_t types[] = {ITCH_STOCK_DIRECTORY, ITCH_TRADING_ACTION, ITCH_REG_SHO, ITCH_RPII,
                                    ITCH_OPERATIONAL_HALT};
    const struct venue_book *book = spin->venue->book;
    const uint32_t instrument_count = venue_book_instrument_count(book);
    uint8_t end[GLIMPSE_END_LEN];
    bool good = put_message(spin, venue_book_said(book, 0, ITCH_SYSTEM_EVENT));
    for (uint32_t i = 0; i < sizeof(types); i++)
        for (uint32_t instrument = 0; good && instrument < instrument_count; instrument++)
            good = put_message(spin, venue_book_said(book, instrument, types[i]));
    for (uint32_t instrument = 0; good && instrument < instrument_count; instrument++)
        good = put_orders(spin, book, instrument, 'B') && put_orders(spin, book, instrument, 'S');
    const uint64_t end_seq = venue_next_seq(spin->venue) + (uint64_t)spin->params.end_seq_add;
    return good && put(spin, SOUP_SEQUENCED, end, glimpse_encode_end(end, end_seq)) && put(spin, SOUP_END, NULL, 0);
}

/* Where packet `count` behind `at` begins, or the end of session if there are not so many; how many there were. */
static size_t skip(const struct venue_spin *spin, size_t at, uint64_t count, uint64_t *ret_count)
{
    struct soup_packet packet;
    uint64_t i = 0;
    for (; i < count && at < spin->out_len; i++, at += packet.packet_len)
        if (soup_parse(spin->out + at, (uint32_t)(spin->out_len - at), &packet) != SOUP_PACKET ||
            packet.type != SOUP_SEQUENCED)
            break;
    *ret_count = i;
    return at;
}

/* Login accepted, and the snapshot from message `sequence` on: it is made whole behind room for the acceptance, which
 * then is put before where the client begins. */
static void accept(struct venue_spin *spin, uint64_t sequence)
{
    const size_t lead = spin->out_len;
    uint64_t count, passed, given;
    if (out_extend(spin, SOUP_ACCEPTED_LEN) == NULL || !put_snapshot(spin)) {
        leave(spin);
        return;
    }
    const size_t first = lead + SOUP_ACCEPTED_LEN;
    (void)skip(spin, first, UINT64_MAX, &count);
    const size_t begin = skip(spin, first, sequence == 0 ? count - 1 : sequence - 1, &passed);
    memmove(spin->out + begin - SOUP_ACCEPTED_LEN - lead, spin->out, lead); /* a heartbeat still on its way */
    spin->out_at += begin - first;
    (void)soup_encode_accepted(spin->out + begin - SOUP_ACCEPTED_LEN, spin->venue->session, passed + 1);
    spin->state = SPIN_SAID;
    spin->whole = true;
    spin->venue->counters.spin_count++;
    if (spin->params.break_after > 0) {
        spin->out_len = skip(spin, begin, spin->params.break_after, &given);
        spin->whole = false;
    }
}

static void reject(struct venue_spin *spin, char reason)
{
    (void)put(spin, SOUP_LOGIN_REJECTED, (const uint8_t *)&reason, 1);
    spin->state = SPIN_SAID;
}

/* the client */

/* Sessions are padded on either side; a blank one is the current one. */
static bool session_matches(const char session[MOLD_SESSION_LEN], const char wanted[SOUP_SESSION_LEN])
{
    char field[SOUP_SESSION_LEN];
    uint32_t blanks = 0;
    while (blanks < SOUP_SESSION_LEN && wanted[blanks] == ' ')
        blanks++;
    memset(field, ' ', sizeof(field));
    memcpy(field, wanted + blanks, SOUP_SESSION_LEN - blanks);
    return blanks == SOUP_SESSION_LEN || memcmp(field, session, SOUP_SESSION_LEN) == 0;
}

static void log_in(struct venue_spin *spin, const struct soup_packet *packet)
{
    struct soup_login login;
    if (!soup_decode_login(packet, &login))
        leave(spin);
    else if (memcmp(login.username, spin->params.username, SOUP_USERNAME_LEN) != 0 ||
             memcmp(login.password, spin->params.password, SOUP_PASSWORD_LEN) != 0)
        reject(spin, 'A');
    else if (!session_matches(spin->venue->session, login.session))
        reject(spin, 'S');
    else
        accept(spin, login.sequence);
}

static void take_packet(struct venue_spin *spin, const struct soup_packet *packet)
{
    switch (packet->type) {
    case SOUP_LOGIN:
        if (spin->state == SPIN_WAITING)
            log_in(spin, packet);
        else
            leave(spin);
        break;
    case SOUP_CLIENT_HEARTBEAT:
    case SOUP_DEBUG:
        break;
    default: /* logout, and what GLIMPSE has no use for */
        leave(spin);
        break;
    }
}

void venue_spin_receive(struct venue_spin *spin, const uint8_t *bytes, uint32_t len, uint64_t now_ns)
{
    struct soup_packet packet;
    enum soup_verdict verdict = SOUP_MORE;
    if (len > 0)
        spin->received_ns = now_ns;
    while (len > 0 && spin->state != SPIN_LEFT) {
        const uint32_t taken = len < CLIENT_PACKET_MAX - spin->in_len ? len : CLIENT_PACKET_MAX - spin->in_len;
        uint32_t at = 0;
        memcpy(spin->in + spin->in_len, bytes, taken);
        spin->in_len += taken;
        bytes += taken;
        len -= taken;
        while (spin->state != SPIN_LEFT &&
               (verdict = soup_parse(spin->in + at, spin->in_len - at, &packet)) == SOUP_PACKET) {
            take_packet(spin, &packet);
            at += packet.packet_len;
        }
        spin->in_len -= at;
        memmove(spin->in, spin->in + at, spin->in_len);
        if (verdict == SOUP_BAD || spin->in_len == CLIENT_PACKET_MAX)
            leave(spin);
    }
}

uint32_t venue_spin_send(struct venue_spin *spin, uint64_t now_ns, uint8_t *ret_bytes, uint32_t bytes_max)
{
    if (now_ns - spin->received_ns >= VENUE_PATIENCE_NS)
        leave(spin);
    if (spin->state == SPIN_WAITING && now_ns - spin->sent_ns >= SOUP_HEARTBEAT_NS && spin->out_at == spin->out_len) {
        spin->out_at = spin->out_len = 0;
        (void)put(spin, SOUP_SERVER_HEARTBEAT, NULL, 0);
    }
    const size_t left = spin->out_len - spin->out_at;
    const uint32_t len = left < bytes_max ? (uint32_t)left : bytes_max;
    if (len == 0)
        return 0;
    memcpy(ret_bytes, spin->out + spin->out_at, len);
    spin->out_at += len;
    spin->sent_ns = now_ns;
    if (spin->whole && spin->out_at == spin->out_len) {
        spin->venue->counters.spin_end_count++;
        spin->whole = false;
    }
    return len;
}

bool venue_spin_ended(const struct venue_spin *spin)
{
    return spin->state != SPIN_WAITING;
}
