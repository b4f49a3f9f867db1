/* Wire to wire, as the venue sees it: from the packet that took a tick out to the order that names this tick in its
 * ClOrdID, by the kernel's timestamps at both ends, and by the network card's where it has them. Nobody has to guess
 * which tick led to which order, and what the gateway says of itself is not asked.
 *
 * Packets may go out at offered rates, one after another, each on a schedule of its own that no late packet moves
 * (--rates); then every rate has a row of its own. One exchange in a program, so its state is the module's own. */
#ifndef TOOLS_EXCHANGE_WIRE_H
#define TOOLS_EXCHANGE_WIRE_H

#include "tools/exchange.h"

#include <sys/types.h>

/* Timestamps, ns since the UTC epoch (of the network card: of its own clock); 0 = not known. */
struct exchange_wire_stamp { uint64_t kernel_ns, card_ns; };

void exchange_wire_open(const struct exchange_options *options);
/* What is sent on this socket of a line is stamped; `ip` is its interface's. */
void exchange_wire_line(uint32_t line, int descriptor, uint32_t ip);
/* What comes in on this connection is stamped. */
void exchange_wire_client(int descriptor);

/* A message of the feed is said as `seq` (they come in order), at a rate of the sweep. */
void exchange_wire_said(uint64_t seq, const uint8_t *message, uint32_t message_len, uint32_t rate);
/* A packet with these messages went into the line's socket. Each send of a line is told, a heartbeat with count 0. */
void exchange_wire_sent(uint32_t line, uint64_t seq, uint32_t count);

/* The same, where it is known at once when it was out. */
void exchange_wire_sent_at(uint32_t line, uint64_t seq, uint32_t count, uint64_t ns);

/* Take the timestamps of packets that are out: often, the kernel keeps but some hundreds. */
void exchange_wire_collect(void);

/* recv(2), and when what was read last came in. */
ssize_t exchange_wire_receive(int descriptor, void *ret_bytes, size_t bytes_max, struct exchange_wire_stamp *ret_stamp);
/* A request came, as OUCH. */
void exchange_wire_request(const uint8_t *message, uint32_t len, struct exchange_wire_stamp stamp);

/* ,"wire":{...} of the last line. */
void exchange_wire_report(void);

#endif
