/* The exchange on a DPDK port instead of sockets: its feed goes out as frames, orders come in as datagrams of OUCH
 * (carrier udp), and what goes out and comes in is stamped with the TSC. For the comparison of receive paths where both
 * sides are in user space (net_memif). One thread, which never sleeps; one port in a program, so its state is the
 * module's own. */
#ifndef TOOLS_EXCHANGE_PORT_H
#define TOOLS_EXCHANGE_PORT_H

#include "tools/exchange.h"

/* `device`: "memif", "memif:SOCKET", or a DPDK device with its arguments. Ends the program when it cannot be had. */
void exchange_port_open(const char *device);
void exchange_port_close(void);

/* A packet of a line, as a frame. When it was out, ns since the UTC epoch by the TSC; 0: the port did not take it. */
uint64_t exchange_port_send(const struct exchange_line *line, uint8_t ttl, const uint8_t *payload, uint32_t len);
/* Take what has come; orders go to exchange_wire_request, everything else is passed over. */
void exchange_port_poll(void);
/* ,"port":{...} of the last line. */
void exchange_port_report(void);

#endif
