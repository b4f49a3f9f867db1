/* See request_tx.h. */
#include "gateway/port/request_tx.h"

#include "ring/check.h"

#include <netinet/in.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>
#include <string.h>

#define FRAME_LEN_MIN 60u /* without the check sequence, which the NIC adds */
#define IPV4_TTL 64u

#define HEADERS_LEN (sizeof(struct rte_ether_hdr) + sizeof(struct rte_ipv4_hdr) + sizeof(struct rte_udp_hdr))

_Static_assert(HEADERS_LEN + REQUEST_TX_PAYLOAD_MAX == REQUEST_TX_FRAME_MAX, "Ethernet, IPv4, UDP");

void request_tx_init(struct request_tx *tx, uint16_t port_id, uint16_t queue_id, struct rte_mempool *pool,
                     const uint8_t local_mac[6], const uint8_t peer_mac[6], uint32_t local_ip, uint16_t local_port)
{
    *tx = (struct request_tx){
        .pool = pool, .port_id = port_id, .queue_id = queue_id, .local_ip = local_ip, .local_port = local_port};
    memcpy(tx->local_mac, local_mac, sizeof(tx->local_mac));
    memcpy(tx->peer_mac, peer_mac, sizeof(tx->peer_mac));
}

uint32_t request_tx_encode(const struct request_tx *tx, uint32_t ip, uint16_t port, const uint8_t *payload,
                           uint32_t len, uint8_t *ret_frame)
{
    struct rte_ether_hdr *ether = (struct rte_ether_hdr *)ret_frame;
    struct rte_ipv4_hdr *ipv4 = (struct rte_ipv4_hdr *)(ether + 1);
    struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(ipv4 + 1);
    const uint32_t frame_len = (uint32_t)HEADERS_LEN + len;

    CHECK(len <= REQUEST_TX_PAYLOAD_MAX);
    memset(ret_frame, 0, HEADERS_LEN);
    memcpy(&ether->dst_addr, tx->peer_mac, sizeof(tx->peer_mac));
    memcpy(&ether->src_addr, tx->local_mac, sizeof(tx->local_mac));
    ether->ether_type = htons(RTE_ETHER_TYPE_IPV4);
    ipv4->version_ihl = RTE_IPV4_VHL_DEF;
    ipv4->total_length = htons((uint16_t)(sizeof(*ipv4) + sizeof(*udp) + len));
    ipv4->fragment_offset = htons(RTE_IPV4_HDR_DF_FLAG); /* so that an identification of 0 is legal (RFC 6864) */
    ipv4->time_to_live = IPV4_TTL;
    ipv4->next_proto_id = IPPROTO_UDP;
    ipv4->src_addr = htonl(tx->local_ip);
    ipv4->dst_addr = htonl(ip);
    ipv4->hdr_checksum = rte_ipv4_cksum(ipv4);
    udp->src_port = htons(tx->local_port);
    udp->dst_port = htons(port);
    udp->dgram_len = htons((uint16_t)(sizeof(*udp) + len));
    memcpy(udp + 1, payload, len);
    udp->dgram_cksum = rte_ipv4_udptcp_cksum(ipv4, udp);
    if (frame_len >= FRAME_LEN_MIN)
        return frame_len;
    memset(ret_frame + frame_len, 0, FRAME_LEN_MIN - frame_len);
    return FRAME_LEN_MIN;
}

bool request_tx_send(struct request_tx *tx, uint32_t ip, uint16_t port, const uint8_t *payload, uint32_t len)
{
    struct rte_mbuf *frame = rte_pktmbuf_alloc(tx->pool);

    if (!frame) {
        tx->no_mbuf_count++;
        return false;
    }
    CHECK(rte_pktmbuf_tailroom(frame) >= RTE_MAX(HEADERS_LEN + len, FRAME_LEN_MIN));
    frame->pkt_len = request_tx_encode(tx, ip, port, payload, len, rte_pktmbuf_mtod(frame, uint8_t *));
    frame->data_len = (uint16_t)frame->pkt_len;
    if (rte_eth_tx_burst(tx->port_id, tx->queue_id, &frame, 1) != 1) {
        rte_pktmbuf_free(frame);
        tx->full_count++;
        return false;
    }
    tx->sent_count++;
    return true;
}
