/* See steer.h. */
#include "gateway/port/steer.h"

#include <errno.h>
#include <netinet/in.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <stdio.h>
#include <string.h>

bool steer_filter(uint16_t port_id, bool promiscuous, const uint32_t *groups, uint32_t group_count,
                  char ret_text[STEER_TEXT_MAX])
{
    struct rte_ether_addr list[STEER_GROUPS_MAX];
    uint32_t count = 0;

    if (promiscuous) {
        const bool done = rte_eth_promiscuous_enable(port_id) == 0;
        snprintf(ret_text, STEER_TEXT_MAX, "%s",
                 done ? "promiscuous (as configured)" : "promiscuous refused by the device");
        return done;
    }
    for (uint32_t i = 0; i < group_count && count < STEER_GROUPS_MAX; i++) {
        const struct rte_ether_addr mac = {.addr_bytes = {0x01, 0x00, 0x5e, (uint8_t)(groups[i] >> 16 & 0x7f),
                                                          (uint8_t)(groups[i] >> 8), (uint8_t)groups[i]}};
        bool listed = false; /* lines that differ in their UDP port only, or groups that share an address */
        for (uint32_t j = 0; j < count && !listed; j++)
            listed = memcmp(&list[j], &mac, sizeof(mac)) == 0;
        if (!listed)
            list[count++] = mac;
    }
    if (group_count <= STEER_GROUPS_MAX && rte_eth_dev_set_mc_addr_list(port_id, list, count) == 0) {
        snprintf(ret_text, STEER_TEXT_MAX, "multicast filter of %u addresses", count);
        return true;
    }
    if (rte_eth_allmulticast_enable(port_id) == 0)
        snprintf(ret_text, STEER_TEXT_MAX, "all multicast (the device takes no address list)");
    else if (rte_eth_promiscuous_enable(port_id) == 0)
        snprintf(ret_text, STEER_TEXT_MAX, "promiscuous (the device has no multicast filter)");
    else
        snprintf(ret_text, STEER_TEXT_MAX, "as the device comes (it has no filter to set)");
    return false;
}

void steer_flow_init(struct steer_flow *flow, const struct steer_rule *rule)
{
    memset(flow, 0, sizeof(*flow));
    flow->attr.ingress = 1;
    flow->ipv4.hdr.dst_addr = htonl(rule->group);
    flow->ipv4_mask.hdr.dst_addr = UINT32_MAX;
    flow->udp.hdr.dst_port = htons(rule->udp_port);
    flow->udp_mask.hdr.dst_port = UINT16_MAX;
    flow->queue.index = rule->queue_id;
    flow->pattern[0].type = RTE_FLOW_ITEM_TYPE_ETH;
    flow->pattern[1] = (struct rte_flow_item){
        .type = RTE_FLOW_ITEM_TYPE_IPV4, .spec = &flow->ipv4, .mask = &flow->ipv4_mask};
    flow->pattern[2] = (struct rte_flow_item){
        .type = RTE_FLOW_ITEM_TYPE_UDP, .spec = &flow->udp, .mask = &flow->udp_mask};
    if (rule->udp_port == 0)
        flow->pattern[2].spec = flow->pattern[2].mask = NULL;
    flow->pattern[3].type = RTE_FLOW_ITEM_TYPE_END;
    flow->action[0] = (struct rte_flow_action){.type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &flow->queue};
    flow->action[1].type = RTE_FLOW_ACTION_TYPE_END;
}

/* Validated, then made. */
static int rule_set(uint16_t port_id, const struct steer_rule *rule, struct rte_flow_error *ret_error)
{
    struct steer_flow flow;

    steer_flow_init(&flow, rule);
    memset(ret_error, 0, sizeof(*ret_error));
    const int error = rte_flow_validate(port_id, &flow.attr, flow.pattern, flow.action, ret_error);
    if (error)
        return error;
    if (rte_flow_create(port_id, &flow.attr, flow.pattern, flow.action, ret_error))
        return 0;
    return rte_errno ? -rte_errno : -EIO;
}

/* Do all lines of this rule's group go to its queue? */
static bool group_whole(const struct steer_rule *rules, uint32_t rule_count, const struct steer_rule *rule)
{
    for (uint32_t i = 0; i < rule_count; i++)
        if (rules[i].group == rule->group && rules[i].queue_id != rule->queue_id)
            return false;
    return true;
}

int steer_rules(uint16_t port_id, const struct steer_rule *rules, uint32_t rule_count, char ret_text[STEER_TEXT_MAX])
{
    struct rte_flow_error why;
    uint32_t wide_count = 0;

    for (uint32_t i = 0; i < rule_count; i++) {
        const struct steer_rule wide = {.group = rules[i].group, .queue_id = rules[i].queue_id};
        int error = rule_set(port_id, &rules[i], &why);
        if (error && group_whole(rules, rule_count, &rules[i])) {
            error = rule_set(port_id, &wide, &why);
            wide_count += error == 0;
        }
        if (error == 0 || error == -EEXIST) /* the group's rule is there already, by another line of it */
            continue;
        snprintf(ret_text, STEER_TEXT_MAX, "no rule for %u.%u.%u.%u:%u: %s", rules[i].group >> 24,
                 rules[i].group >> 16 & 0xff, rules[i].group >> 8 & 0xff, rules[i].group & 0xff, rules[i].udp_port,
                 why.message ? why.message : strerror(-error));
        rte_flow_flush(port_id, &why);
        return error;
    }
    snprintf(ret_text, STEER_TEXT_MAX, "%u flow rules to queues%s", rule_count,
             wide_count > 0 ? " (some by group alone)" : "");
    return 0;
}
