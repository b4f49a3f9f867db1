/* lwIP over a DPDK port: the one IPv4 address of the order session. ARP, ICMP and TCP come from it; it forwards
 * nothing: only frames for our MAC and IP, and ARP, reach it. lwIP keeps its state in variables of its own, so there is
 * one stack in a process. Time is passed in. Control thread. */
#ifndef GATEWAY_PORT_STACK_H
#define GATEWAY_PORT_STACK_H

#include <lwip/netif.h>
#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>

#define STACK_QUEUES_MAX 16u
#define STACK_BURST 32u

struct stack_queue { uint16_t port_id, queue_id; };

struct stack_params {
    uint8_t mac[6];
    uint32_t ip;                  /* host byte order */
    uint32_t prefix_len;
    uint32_t gateway_ip;          /* 0 = none */
    uint16_t mtu;
    struct stack_queue rx[STACK_QUEUES_MAX];
    uint32_t rx_count;
    struct stack_queue tx;        /* nobody else's; never a queue of a strategy lcore */
    struct rte_mempool *pool;     /* of frames that are sent */
};

struct stack_counters {
    uint64_t received_count;      /* given to lwIP */
    uint64_t foreign_count;       /* not for our MAC or IP, or of a protocol that is nobody's here */
    uint64_t own_count;           /* our own, seen again: AF_PACKET shows what other sockets of the interface send */
    uint64_t malformed_count;     /* too short for what they say, in pieces */
    uint64_t sent_count;
    uint64_t no_mbuf_count, full_count; /* not sent: TCP sends again */
};

/* Looks at a frame before lwIP gets it; true: it has been taken, and will be given back with stack_input. */
typedef bool stack_filter(void *arg, struct rte_mbuf *frame);
/* Looks at a frame that lwIP wants to send; true: it is not to be transmitted. */
typedef bool stack_suppress(void *arg, const uint8_t *frame, uint32_t len);

struct stack {
    struct stack_params params;
    struct netif netif;
    stack_filter *filter;         /* NULL: none */
    stack_suppress *suppress;
    void *arg;
    struct stack_counters counters;
};

/* Before armed. The stack must stay where it is. 0 or -errno. */
int stack_open(struct stack *stack, const struct stack_params *params);
void stack_close(struct stack *stack);

/* Time goes on: for everything that lwIP does until the next call. Then its timers, if they are due. */
void stack_time(struct stack *stack, uint64_t now_ns);
/* Take what the queues have, at most STACK_BURST of each. How many frames. */
uint32_t stack_poll(struct stack *stack);
/* Give a frame to lwIP; it is freed. */
void stack_input(struct stack *stack, struct rte_mbuf *frame);
/* Hardware address of an on-link peer or the gateway to it, as ARP knows it. False: not yet. */
bool stack_peer_mac(const struct stack *stack, uint32_t peer_ip, uint8_t ret_mac[6]);

#endif
