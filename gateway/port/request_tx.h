/* Retransmission requests through a transmit queue of the feed's own port, for interfaces that the kernel does not
 * have: the control thread's queue, never an lcore's and never one for orders. Frames are written whole, one at a time;
 * a request may take its time. Control thread. */
#ifndef GATEWAY_PORT_REQUEST_TX_H
#define GATEWAY_PORT_REQUEST_TX_H

#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>

#define REQUEST_TX_PAYLOAD_MAX 1472u /* of a datagram in an Ethernet frame of 1,500 bytes */
#define REQUEST_TX_FRAME_MAX (42u + REQUEST_TX_PAYLOAD_MAX)

struct request_tx {
    struct rte_mempool *pool;      /* its own */
    uint16_t port_id, queue_id;
    uint8_t local_mac[6], peer_mac[6];
    uint32_t local_ip;             /* host byte order */
    uint16_t local_port;
    uint64_t sent_count;
    uint64_t full_count;           /* the queue took nothing */
    uint64_t no_mbuf_count;        /* all frames are still with the driver */
};

/* Address and port in host byte order, `peer_mac` the next hop's. The mbufs of `pool` have room for the longest frame
 * that is to be sent, and there are more of them than the queue has descriptors: drivers give frames back only when
 * those run short. Before armed. */
void request_tx_init(struct request_tx *tx, uint16_t port_id, uint16_t queue_id, struct rte_mempool *pool,
                     const uint8_t local_mac[6], const uint8_t peer_mac[6], uint32_t local_ip, uint16_t local_port);

/* The frame of a datagram to ip:port: Ethernet, IPv4, UDP, both checksums right, padded with zeros to 60 bytes. Pure.
 * `len` <= REQUEST_TX_PAYLOAD_MAX, `ret_frame` at an even address. Returns the frame's bytes. */
uint32_t request_tx_encode(const struct request_tx *tx, uint32_t ip, uint16_t port, const uint8_t *payload,
                           uint32_t len, uint8_t *ret_frame);

/* Send it. False: no mbuf, or the queue took nothing; both are counted. */
bool request_tx_send(struct request_tx *tx, uint32_t ip, uint16_t port, const uint8_t *payload, uint32_t len);

#endif
