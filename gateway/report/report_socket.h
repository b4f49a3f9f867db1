/* The part of a report that is about lines through sockets of the kernel. Control thread, after the hot threads have
 * ended and before the topology is closed. */
#ifndef GATEWAY_REPORT_REPORT_SOCKET_H
#define GATEWAY_REPORT_REPORT_SOCKET_H

#include "gateway/json.h"
#include "gateway/socket_rx.h"

/* A line for each socket, and what the kernel did with its datagrams before they were ours. */
void report_socket_text(const struct socket_rx *sockets, FILE *out);
/* "sockets": {...} */
void report_socket_json(struct json *json, const struct socket_rx *sockets);

#endif
