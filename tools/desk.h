/* The order desk of a venue, the pure half: SoupBinTCP and OUCH 5.0 as the host speaks them, in front of the matching
 * engine. One desk is one port with one account: requests in, sequenced answers out, kept for the day so that a client
 * that logs in again can have them replayed. tools/exchange puts the socket around it. One owner, any thread; memory
 * grows with the messages.
 *
 *   desk_connected(d, now_ns)
 *   desk_receive(d, bytes, len, now_ns)      what the client sent
 *   len = desk_send(d, now_ns, out, max)     what it shall get, 0 = nothing now
 *   desk_closed(d, now_ns)                   cancels what is open if that is declared
 */
#ifndef TOOLS_DESK_H
#define TOOLS_DESK_H

#include "feed/soup.h"
#include "gateway/order/ouch.h"
#include "gateway/venue/match.h"

#include <stdbool.h>
#include <stdint.h>

struct desk;

struct desk_params {
    char username[SOUP_USERNAME_LEN], password[SOUP_PASSWORD_LEN];
    char session[SOUP_SESSION_LEN];  /* name of the SoupBinTCP session */
    bool cancel_on_disconnect;
    uint64_t heartbeat_ns, timeout_ns; /* we speak after so much silence of ours; the client is given up after so much
                                        * of its */
    uint64_t midnight_ns;            /* the now_ns that is midnight: answers tell the time since then */
    /* Hears each request of a client that is logged in (in: true, seq 0) and each sequenced message as it is made. May
     * be NULL. */
    void (*heard)(void *arg, bool in, uint64_t seq, const uint8_t *message, uint32_t len);
    void *heard_arg;
    /* misbehaviour, for tests */
    double reject_share;             /* of enters and replaces that are rejected (seeded) */
    uint64_t answer_delay_ns;        /* answers are held back so long */
    uint64_t seed;
    uint64_t close_after;            /* requests after which the connection is closed, once; 0 = never */
    uint64_t silent_after;           /* requests after which it neither reads nor speaks on this connection, once */
    uint64_t deaf_after;             /* requests after which it speaks, but does not read on this connection, once */
    uint64_t garbage_after;          /* requests after which it says bytes that are no SoupBinTCP, once; 0 = never */
};

/* The instrument that a symbol names, -1: none. */
typedef int64_t desk_instrument(void *arg, uint64_t symbol);

struct desk_counters {
    uint64_t login_count, refused_login_count, disconnect_count;
    uint64_t enter_count, replace_count, cancel_count, modify_count, query_count; /* requests that were well formed */
    uint64_t malformed_count;        /* requests that were not: dropped */
    uint64_t repeated_count;         /* UserRefNum not above all before: ignored, as the protocol has it */
    uint64_t accepted_count, rejected_count, fill_count, canceled_count, broken_count;
    uint64_t disconnect_cancel_count; /* orders that a disconnect cancelled */
};

/* `match` is told of client orders under keys that the desk makes (its UserRefNums); the desk must be given all news of
 * the engine with desk_news. NULL: no memory. */
struct desk *desk_open(struct match *match, const struct desk_params *params, desk_instrument *instrument,
                       void *instrument_arg);
void desk_close(struct desk *desk);

void desk_connected(struct desk *desk, uint64_t now_ns);
void desk_receive(struct desk *desk, const uint8_t *bytes, uint32_t len, uint64_t now_ns);
uint32_t desk_send(struct desk *desk, uint64_t now_ns, uint8_t *ret_bytes, uint32_t bytes_max);
void desk_closed(struct desk *desk, uint64_t now_ns);
/* The desk wants the connection closed (logout, silence, damage, close_after). */
bool desk_wants_close(const struct desk *desk);
bool desk_logged_in(const struct desk *desk);
/* False: it does not read (silent_after, deaf_after): leave the bytes in the socket, so that the window closes. */
bool desk_reads(const struct desk *desk);
uint64_t desk_deadline_ns(const struct desk *desk); /* when desk_send may have something without any news */

/* A change in the engine: fills of the account's orders become answers. */
void desk_news(struct desk *desk, const struct match_news *news, uint64_t now_ns);

/* The newest execution that is not broken yet is broken: its shares and cash go back, the client is told. False: there
 * is none. */
bool desk_break(struct desk *desk, uint64_t now_ns);

const struct desk_counters *desk_counters(const struct desk *desk);
uint64_t desk_next_seq(const struct desk *desk); /* of the next sequenced message */
/* Shares that the account is long (short: negative) in a symbol. */
int64_t desk_position(const struct desk *desk, uint64_t symbol);
/* What it has received less what it has paid for them, in price units times shares. */
int64_t desk_cash(const struct desk *desk, uint64_t symbol);
/* The account's orders in order of UserRefNum, for reports: what became of each. */
struct desk_order {
    uint32_t user_ref;
    uint64_t symbol;
    uint8_t side;
    uint32_t qty, open_qty, filled_qty; /* asked for; still in the book; executed */
    int64_t price;
    uint32_t replaced_by;               /* UserRefNum, 0 = not */
    bool rejected;
};
uint32_t desk_order_count(const struct desk *desk);
const struct desk_order *desk_order_at(const struct desk *desk, uint32_t index);

#endif
