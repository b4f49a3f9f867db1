/* See stack.h. */
#include "gateway/port/stack.h"

#include "feed/wire.h"

#include <errno.h>
#include <lwip/etharp.h>
#include <lwip/init.h>
#include <lwip/sys.h>
#include <lwip/timeouts.h>
#include <netif/ethernet.h>
#include <rte_ethdev.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define ETHER_LEN 14u
#define IPV4_LEN 20u
#define TYPE_IPV4 0x0800u
#define TYPE_ARP 0x0806u
#define PROTOCOL_ICMP 1u
#define PROTOCOL_TCP 6u
#define NS_PER_MS 1000000u

static uint64_t stack_now_ns; /* lwIP asks for the time by a function without arguments */

/* lwIP's clock, in the place of the library's own: what the caller says it is, so that tests run in their own time. */
u32_t sys_now(void)
{
    return (u32_t)(stack_now_ns / NS_PER_MS);
}

/* lwIP's netif wants its frames out. They are copied: a segment stays lwIP's until it is acknowledged. */
static err_t link_output(struct netif *netif, struct pbuf *pbuf)
{
    struct stack *stack = netif->state;

    /* Headers and data of a segment are in one piece (Debian's lwIP is built with LWIP_NETIF_TX_SINGLE_PBUF). */
    if (stack->suppress && stack->suppress(stack->arg, pbuf->payload, pbuf->len))
        return ERR_OK;
    struct rte_mbuf *frame = rte_pktmbuf_alloc(stack->params.pool);
    if (!frame || rte_pktmbuf_tailroom(frame) < pbuf->tot_len) {
        rte_pktmbuf_free(frame);
        stack->counters.no_mbuf_count++;
        return ERR_OK; /* as if the network had lost it */
    }
    frame->data_len = pbuf_copy_partial(pbuf, rte_pktmbuf_mtod(frame, uint8_t *), pbuf->tot_len, 0);
    frame->pkt_len = frame->data_len;
    if (rte_eth_tx_burst(stack->params.tx.port_id, stack->params.tx.queue_id, &frame, 1) != 1) {
        rte_pktmbuf_free(frame);
        stack->counters.full_count++;
        return ERR_OK;
    }
    stack->counters.sent_count++;
    return ERR_OK;
}

static err_t netif_begin(struct netif *netif)
{
    const struct stack *stack = netif->state;

    netif->name[0] = 't';
    netif->name[1] = 'g';
    netif->output = etharp_output;
    netif->linkoutput = link_output;
    netif->mtu = stack->params.mtu;
    netif->hwaddr_len = ETH_HWADDR_LEN;
    memcpy(netif->hwaddr, stack->params.mac, ETH_HWADDR_LEN);
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_LINK_UP;
    return ERR_OK;
}

static ip4_addr_t address(uint32_t ip)
{
    return (ip4_addr_t){.addr = __builtin_bswap32(ip)};
}

int stack_open(struct stack *stack, const struct stack_params *params)
{
    static bool begun;
    const ip4_addr_t ip = address(params->ip);
    const ip4_addr_t mask = address(params->prefix_len ? UINT32_MAX << (32 - params->prefix_len) : 0);
    const ip4_addr_t gateway = address(params->gateway_ip);
    unsigned seed;

    *stack = (struct stack){.params = *params};
    if (!begun) {
        /* lwIP takes its local ports from rand: two lives of a gateway should not choose the same. */
        if (getrandom(&seed, sizeof(seed), 0) == (ssize_t)sizeof(seed))
            srand(seed);
        lwip_init();
        begun = true;
    }
    if (!netif_add(&stack->netif, &ip, &mask, &gateway, stack, netif_begin, ethernet_input))
        return -ENOMEM;
    netif_set_default(&stack->netif);
    netif_set_up(&stack->netif);
    return 0;
}

void stack_close(struct stack *stack)
{
    if (stack->netif.state)
        netif_remove(&stack->netif);
    stack->netif.state = NULL;
}

void stack_time(struct stack *stack, uint64_t now_ns)
{
    (void)stack;
    stack_now_ns = now_ns;
    sys_check_timeouts();
}

/* Is it ours? Anything else must not reach lwIP: it would forward it. */
static bool ours(struct stack *stack, const struct rte_mbuf *frame)
{
    const uint8_t *bytes = rte_pktmbuf_mtod(frame, const uint8_t *);

    if (frame->nb_segs != 1 || frame->data_len < ETHER_LEN + IPV4_LEN) {
        stack->counters.malformed_count++;
        return false;
    }
    if (memcmp(bytes + 6, stack->params.mac, 6) == 0) {
        stack->counters.own_count++;
        return false;
    }
    const bool to_us = memcmp(bytes, stack->params.mac, 6) == 0;
    const uint16_t type = load_be16(bytes + 12);
    const uint8_t *ip = bytes + ETHER_LEN;
    if (type == TYPE_ARP && (to_us || (bytes[0] & 1)))
        return true;
    if (type == TYPE_IPV4 && to_us && load_be32(ip + 16) == stack->params.ip &&
        (ip[9] == PROTOCOL_TCP || ip[9] == PROTOCOL_ICMP))
        return true;
    stack->counters.foreign_count++;
    return false;
}

void stack_input(struct stack *stack, struct rte_mbuf *frame)
{
    /* Not PBUF_POOL: Debian's library (2.1.3) takes its buffers for longer than they are, and long frames overflow
     * them. */
    struct pbuf *pbuf = pbuf_alloc(PBUF_RAW, frame->data_len, PBUF_RAM);

    if (pbuf) {
        pbuf_take(pbuf, rte_pktmbuf_mtod(frame, const void *), frame->data_len);
        if (stack->netif.input(pbuf, &stack->netif) != ERR_OK)
            pbuf_free(pbuf);
    }
    rte_pktmbuf_free(frame);
    stack->counters.received_count++;
}

uint32_t stack_poll(struct stack *stack)
{
    struct rte_mbuf *frames[STACK_BURST];
    uint32_t count = 0;

    for (uint32_t i = 0; i < stack->params.rx_count; i++) {
        const uint16_t frame_count =
            rte_eth_rx_burst(stack->params.rx[i].port_id, stack->params.rx[i].queue_id, frames, STACK_BURST);
        for (uint16_t j = 0; j < frame_count; j++) {
            if (!ours(stack, frames[j]))
                rte_pktmbuf_free(frames[j]);
            else if (!stack->filter || !stack->filter(stack->arg, frames[j]))
                stack_input(stack, frames[j]);
        }
        count += frame_count;
    }
    return count;
}

bool stack_peer_mac(const struct stack *stack, uint32_t peer_ip, uint8_t ret_mac[6])
{
    const struct stack_params *params = &stack->params;
    const uint32_t mask = params->prefix_len ? UINT32_MAX << (32 - params->prefix_len) : 0;
    const ip4_addr_t hop = address(((peer_ip ^ params->ip) & mask) == 0 ? peer_ip : params->gateway_ip);
    struct eth_addr *mac;
    const ip4_addr_t *found;

    if (etharp_find_addr((struct netif *)(uintptr_t)&stack->netif, &hop, &mac, &found) < 0)
        return false;
    memcpy(ret_mac, mac->addr, 6);
    return true;
}
