/* The exchange takes orders: the session's messages pass through a matching engine, whose news are what the feed says,
 * and a desk on a TCP socket enters clients' orders into the same engine. One exchange in a program, so its state is
 * the module's own. */
#ifndef TOOLS_EXCHANGE_ORDERS_H
#define TOOLS_EXCHANGE_ORDERS_H

#include "tools/exchange.h"

#include <poll.h>

#define EXCHANGE_ORDERS_FDS 2u

/* Say one ITCH message of the book on the feed, now. */
typedef void exchange_orders_say(const uint8_t *message, uint32_t message_len);

/* `session_ns`: the session's time now, since midnight, for messages that the engine leads to. Ends the program when
 * the address cannot be had. */
void exchange_orders_open(const struct exchange_options *options, exchange_orders_say *say,
                          uint64_t (*session_ns)(void));
void exchange_orders_close(void);
uint16_t exchange_orders_port(void);

/* A message of the session: said as it is, or what the engine makes of it. */
void exchange_orders_flow(const uint8_t *message, uint32_t message_len);

/* Sockets for poll, what became of them, and when something is due without any of them. */
void exchange_orders_fds(struct pollfd ret_fds[EXCHANGE_ORDERS_FDS]);
void exchange_orders_step(const struct pollfd fds[EXCHANGE_ORDERS_FDS], uint64_t now_ns);
uint64_t exchange_orders_deadline_ns(void);

/* "disconnect": the client's connection is closed; "reset": with RST; "break": its newest trade is broken, then the one
 * before it. False: no such command. */
bool exchange_orders_command(const char *line, uint64_t now_ns);
/* ,"orders":{...} of the last line. */
void exchange_orders_report(void);

#endif
