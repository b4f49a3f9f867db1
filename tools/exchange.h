/* What the options of tools/exchange say: exchange_options.c reads them, exchange.c does it. Nobody else includes
 * this. */
#ifndef TOOLS_EXCHANGE_H
#define TOOLS_EXCHANGE_H

#include "tools/desk.h"
#include "tools/session.h"
#include "tools/venue.h"

#include <stdbool.h>
#include <stdint.h>

#define EXCHANGE_SERVERS_MAX 4u
#define EXCHANGE_RANGES_MAX 16u
#define EXCHANGE_PAUSES_MAX 16u
#define EXCHANGE_RATES_MAX 16u

struct exchange_address { uint32_t ip; uint16_t port; }; /* host byte order */
struct exchange_range { uint64_t first, last; };

struct exchange_options {
    struct session_params session;
    const char *itch_path;         /* NULL: a generated session */
    char session_text[MOLD_SESSION_LEN];
    double speed;
    uint64_t end_s;
    bool wait_start;
    uint64_t pause[EXCHANGE_PAUSES_MAX]; /* ascending */
    uint32_t pause_count;
    struct exchange_line {
        uint32_t interface;
        struct exchange_address group;
        uint32_t loss;             /* chance of a packet, of OPTIONS_CHANCE_PARTS */
        struct exchange_range drop[EXCHANGE_RANGES_MAX];
        uint32_t drop_count;
        uint64_t skew_ns;
    } line[2];
    uint32_t loss_both;
    uint32_t ttl;
    struct exchange_server {
        struct exchange_address address;
        uint32_t reply_loss;       /* chance of an answer */
    } server[EXCHANGE_SERVERS_MAX];
    uint32_t server_count;
    bool request_dead;             /* no server ever answers */
    bool glimpse;                  /* is there a snapshot server? */
    struct exchange_address glimpse_address;
    char username[SOUP_USERNAME_LEN], password[SOUP_PASSWORD_LEN];
    uint64_t spin_break_after;     /* of the first spin; 0 = whole */
    int64_t spin_wrong_end;        /* of the first spin that is whole */
    bool orders;                   /* is there an order desk? */
    struct exchange_address orders_address;
    struct desk_params desk;
    const char *order_log;         /* NULL: none */
    bool wire_to_wire;             /* measure, by timestamps */
    const char *port;              /* a DPDK device in place of the lines' sockets; NULL: none */
    uint64_t rate[EXCHANGE_RATES_MAX]; /* packets a second, one after another, instead of the session's own times */
    uint32_t rate_count;
    uint64_t rate_s;               /* how long each */
};

/* Ends the program when they are wrong, or for --help. */
void exchange_options_parse(int argc, char **argv, struct exchange_options *ret_options);

#endif
