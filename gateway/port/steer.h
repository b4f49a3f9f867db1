/* Reception exactly as wide as needed: which frames a device lets in, and to which of its receive queues it brings
 * them. Set before armed, on the control thread, when the port has started. The software check of destination address,
 * port and source stays as it is: hardware filters are coarse, 32 groups share one MAC address. */
#ifndef GATEWAY_PORT_STEER_H
#define GATEWAY_PORT_STEER_H

#include <rte_flow.h>
#include <stdbool.h>
#include <stdint.h>

#define STEER_GROUPS_MAX 129u /* the groups of all lines, and all systems for IGMP queries */
#define STEER_TEXT_MAX 160u

/* Multicast frames of exactly these groups (host byte order), if the device can; else, in this order: all multicast,
 * promiscuous, as it comes. `promiscuous`: this at once. ret_text says which. True: as narrow as asked. */
bool steer_filter(uint16_t port_id, bool promiscuous, const uint32_t *groups, uint32_t group_count,
                  char ret_text[STEER_TEXT_MAX]);

/* One line of a feed and the receive queue of its lcore. */
struct steer_rule {
    uint32_t group;      /* host byte order */
    uint16_t udp_port;   /* 0 = any: for devices that do not look so far */
    uint16_t queue_id;
};

/* A rule in rte_flow's words. Points into itself: not to be copied. Pure. */
struct steer_flow {
    struct rte_flow_attr attr;
    struct rte_flow_item_ipv4 ipv4, ipv4_mask;
    struct rte_flow_item_udp udp, udp_mask;
    struct rte_flow_action_queue queue;
    struct rte_flow_item pattern[4];
    struct rte_flow_action action[2];
};
void steer_flow_init(struct steer_flow *flow, const struct steer_rule *rule);

/* Bring every line to its queue. Each rule is validated first; where the device does not look at UDP ports, the group
 * alone decides, if all its lines go to one queue. 0: all are in place. -errno: none is, and ret_text says which the
 * device refused and why. */
int steer_rules(uint16_t port_id, const struct steer_rule *rules, uint32_t rule_count, char ret_text[STEER_TEXT_MAX]);

#endif
