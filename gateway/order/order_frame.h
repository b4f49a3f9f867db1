/* Order frames prepared while idle: Ethernet, IPv4, then UDP, or TCP and a SoupBinTCP header, and an OUCH message, in
 * bytes that belong to the caller (an mbuf's data room, or a plain buffer in tests). Headers are written and summed
 * once; a send patches the fields that differ and folds their checksum in. Pure; no DPDK. */
#ifndef GATEWAY_ORDER_ORDER_FRAME_H
#define GATEWAY_ORDER_ORDER_FRAME_H

#include "ring/order_intent.h"

#include <stdbool.h>
#include <stdint.h>

#define ORDER_FRAME_UDP_LEN 42u  /* Ethernet 14, IPv4 20, UDP 8 */
#define ORDER_FRAME_TCP_LEN 54u  /* Ethernet 14, IPv4 20, TCP 20; SoupBinTCP comes next */
#define ORDER_FRAME_HEADER_MAX (ORDER_FRAME_TCP_LEN + 3u)
#define ORDER_FRAME_LEN_MAX (ORDER_FRAME_HEADER_MAX + 47u) /* 104 bytes: Enter Order; 60 is the least that is sent */

struct order_frame_route {
    bool tcp;
    uint8_t local_mac[6], peer_mac[6];
    uint32_t local_ip, peer_ip; /* host byte order */
    uint16_t local_port, peer_port;
    uint16_t window;            /* tcp: the window field of every segment */
};

/* One template for each action, and one for a heartbeat, made before armed; of a TCP connection made anew with each. */
#define ORDER_FRAME_HEARTBEAT 4u     /* beside enum order_action: SoupBinTCP client heartbeat, tcp only */
struct order_frame_template {
    bool tcp;
    uint32_t header_len;             /* where the OUCH message begins */
    uint8_t bytes[4][112];           /* by action - 1: whole frame with zero in the fields that differ */
    uint32_t sum[4];                 /* one's complement sum of pseudo header, UDP or TCP header, constant bytes */
    uint32_t len[4];                 /* frame length, padded with zeros to 60 where the message is shorter */
    uint32_t message_len[4];         /* OUCH bytes */
};

void order_frame_template_init(struct order_frame_template *template, const struct order_frame_route *route);

/* Lay the constant part of an Enter Order into `frame` (ORDER_FRAME_LEN_MAX bytes): what is done while idle. */
void order_frame_prepare(const struct order_frame_template *template, uint8_t *frame);

/* Whose order it is: its UserRefNum (cancel: unused), and the low bits of the time of the message that led to it, as
 * the feed has it (ITCH: ns since midnight); 0 = none did. Both are its ClOrdID, in hexadecimal: six digits of the
 * tick, eight of the UserRefNum. So whoever sees feed and orders on a wire can tell tick to trade of each. */
struct order_frame_id { uint32_t user_ref, tick_ns; };

/* Where a segment stands in its connection. */
struct order_frame_at { uint32_t seq, ack; };

/* Make `frame` the order of `intent`: for ORDER_NEW the frame must be prepared (or hold an earlier ORDER_NEW of the
 * same template), and only the fields that differ are written; for the rarer ORDER_CANCEL, ORDER_REPLACE and heartbeat
 * the whole frame is written, and the frame must be prepared again before an ORDER_NEW. Returns the frame's length; IP
 * and UDP or TCP checksums are right. `symbol` as md_symbol(); `at`: tcp only. */
uint32_t order_frame_encode(const struct order_frame_template *template, uint8_t *frame,
                            const struct order_intent *intent, uint64_t symbol,
                            struct order_frame_id id, struct order_frame_at at);

/* The OUCH message inside an encoded frame, and its length; a heartbeat has 0. */
const uint8_t *order_frame_message(const uint8_t *frame, uint32_t *ret_message_len);
/* The bytes of the connection: SoupBinTCP header and message. tcp only. */
static inline const uint8_t *order_frame_stream(const struct order_frame_template *template, const uint8_t *frame,
                                                uint8_t action, uint32_t *ret_len)
{
    *ret_len = 3 + template->message_len[action - 1];
    return frame + ORDER_FRAME_TCP_LEN;
}

#endif
