/* Order frames prepared while idle: Ethernet, IPv4, UDP and an OUCH message in bytes that belong to the caller (an
 * mbuf's data room, or a plain buffer in tests). Headers are written and summed once; a send patches the fields that
 * differ and folds their checksum in. Pure; no DPDK. */
#ifndef GATEWAY_ORDER_ORDER_FRAME_H
#define GATEWAY_ORDER_ORDER_FRAME_H

#include "ring/order_intent.h"

#include <stdint.h>

#define ORDER_FRAME_HEADER_LEN 42u /* Ethernet 14, IPv4 20, UDP 8 */
#define ORDER_FRAME_LEN_MAX (ORDER_FRAME_HEADER_LEN + 47u) /* 89 bytes: Enter Order; 60 is the least that is sent */

struct order_frame_route {
    uint8_t local_mac[6], peer_mac[6];
    uint32_t local_ip, peer_ip; /* host byte order */
    uint16_t local_port, peer_port;
};

/* One template for each action, made before armed. */
struct order_frame_template {
    uint8_t bytes[3][96];      /* by action - 1: whole frame with zero in the fields that differ */
    uint32_t udp_sum[3];       /* one's complement sum of pseudo header, UDP header and the constant bytes */
    uint32_t len[3];           /* frame length, padded with zeros to 60 where the datagram is shorter */
    uint32_t message_len[3];   /* OUCH bytes at ORDER_FRAME_HEADER_LEN */
};

void order_frame_template_init(struct order_frame_template *template, const struct order_frame_route *route);

/* Lay the constant part of an Enter Order into `frame` (ORDER_FRAME_LEN_MAX bytes): what is done while idle. */
void order_frame_prepare(const struct order_frame_template *template, uint8_t *frame);

/* Make `frame` the order of `intent`: for ORDER_NEW the frame must be prepared (or hold an earlier ORDER_NEW of the
 * same template), and only the fields that differ are written; for the rarer ORDER_CANCEL and ORDER_REPLACE the
 * whole frame is written, and the frame must be prepared again before an ORDER_NEW. Returns the frame's length; IP
 * and UDP checksums are right. `symbol` as md_symbol(); `user_ref` is the new UserRefNum (cancel: unused). */
uint32_t order_frame_encode(const struct order_frame_template *template, uint8_t *frame,
                            const struct order_intent *intent, uint64_t symbol, uint32_t user_ref);

/* The OUCH message inside an encoded frame, and its length. */
const uint8_t *order_frame_message(const uint8_t *frame, uint32_t *ret_message_len);

#endif
