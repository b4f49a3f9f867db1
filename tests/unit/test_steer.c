/* steer: the filter is as narrow as the device allows, and every rule is validated before it is made. The device is
 * played by the functions below, which the linker puts in the place of DPDK's. */
#include "gateway/port/steer.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <string.h>

#define GROUP 0xe9360c6fu /* 233.54.12.111 */
#define RULES_MAX 16u

/* What the device can, and what was asked of it. */
static struct {
    bool filters, allmulticast, promiscuous;
    bool ports;                /* looks at UDP ports */
    uint32_t room;             /* rules */
    struct rte_ether_addr mac[STEER_GROUPS_MAX];
    uint32_t mac_count;
    struct steer_rule rule[RULES_MAX];
    uint32_t rule_count, validated_count, flushed_count;
    struct steer_rule validated;
} device;

int __wrap_rte_eth_dev_set_mc_addr_list(uint16_t port, struct rte_ether_addr *list, uint32_t count);
int __wrap_rte_eth_allmulticast_enable(uint16_t port);
int __wrap_rte_eth_promiscuous_enable(uint16_t port);
int __wrap_rte_flow_validate(uint16_t port, const struct rte_flow_attr *attr, const struct rte_flow_item pattern[],
                             const struct rte_flow_action actions[], struct rte_flow_error *error);
struct rte_flow *__wrap_rte_flow_create(uint16_t port, const struct rte_flow_attr *attr,
                                        const struct rte_flow_item pattern[], const struct rte_flow_action actions[],
                                        struct rte_flow_error *error);
int __wrap_rte_flow_flush(uint16_t port, struct rte_flow_error *error);

int __wrap_rte_eth_dev_set_mc_addr_list(uint16_t port, struct rte_ether_addr *list, uint32_t count)
{
    cr_assert_eq(port, 5);
    if (!device.filters)
        return -ENOTSUP;
    cr_assert_leq(count, STEER_GROUPS_MAX);
    memcpy(device.mac, list, count * sizeof(*list));
    device.mac_count = count;
    return 0;
}

int __wrap_rte_eth_allmulticast_enable(uint16_t port)
{
    cr_assert_eq(port, 5);
    return device.allmulticast ? 0 : -ENOTSUP;
}

int __wrap_rte_eth_promiscuous_enable(uint16_t port)
{
    cr_assert_eq(port, 5);
    return device.promiscuous ? 0 : -ENOTSUP;
}

/* The rule that a pattern says, as a driver reads it. */
static struct steer_rule rule_of(const struct rte_flow_attr *attr, const struct rte_flow_item pattern[],
                                 const struct rte_flow_action actions[])
{
    const struct rte_flow_item_ipv4 *ipv4 = pattern[1].spec, *ipv4_mask = pattern[1].mask;
    const struct rte_flow_item_udp *udp = pattern[2].spec, *udp_mask = pattern[2].mask;
    const struct rte_flow_action_queue *queue = actions[0].conf;

    cr_assert(attr->ingress && !attr->egress && !attr->transfer);
    cr_assert(pattern[0].type == RTE_FLOW_ITEM_TYPE_ETH && !pattern[0].spec);
    cr_assert(pattern[1].type == RTE_FLOW_ITEM_TYPE_IPV4 && pattern[2].type == RTE_FLOW_ITEM_TYPE_UDP &&
              pattern[3].type == RTE_FLOW_ITEM_TYPE_END);
    cr_assert(actions[0].type == RTE_FLOW_ACTION_TYPE_QUEUE && actions[1].type == RTE_FLOW_ACTION_TYPE_END);
    cr_assert_eq(ipv4_mask->hdr.dst_addr, UINT32_MAX);
    cr_assert_eq(ipv4_mask->hdr.src_addr, 0u);
    cr_assert(!udp == !udp_mask);
    cr_assert(!udp || (udp_mask->hdr.dst_port == UINT16_MAX && udp_mask->hdr.src_port == 0));
    return (struct steer_rule){.group = ntohl(ipv4->hdr.dst_addr),
                               .udp_port = udp ? ntohs(udp->hdr.dst_port) : 0,
                               .queue_id = queue->index};
}

int __wrap_rte_flow_validate(uint16_t port, const struct rte_flow_attr *attr, const struct rte_flow_item pattern[],
                             const struct rte_flow_action actions[], struct rte_flow_error *error)
{
    cr_assert_eq(port, 5);
    device.validated = rule_of(attr, pattern, actions);
    device.validated_count++;
    if (device.validated.udp_port != 0 && !device.ports) {
        error->message = "UDP is not looked at";
        return -ENOTSUP;
    }
    if (device.rule_count == device.room) {
        error->message = "no room";
        return -ENOSPC;
    }
    return 0;
}

struct rte_flow *__wrap_rte_flow_create(uint16_t port, const struct rte_flow_attr *attr,
                                        const struct rte_flow_item pattern[], const struct rte_flow_action actions[],
                                        struct rte_flow_error *error)
{
    const struct steer_rule rule = rule_of(attr, pattern, actions);

    (void)error;
    cr_assert_eq(port, 5);
    cr_assert_eq(memcmp(&rule, &device.validated, sizeof(rule)), 0, "validated first");
    for (uint32_t i = 0; i < device.rule_count; i++)
        if (memcmp(&device.rule[i], &rule, sizeof(rule)) == 0) {
            rte_errno = EEXIST;
            return NULL;
        }
    device.rule[device.rule_count++] = rule;
    return (struct rte_flow *)&device;
}

int __wrap_rte_flow_flush(uint16_t port, struct rte_flow_error *error)
{
    (void)error;
    cr_assert_eq(port, 5);
    device.flushed_count++;
    device.rule_count = 0;
    return 0;
}

Test(steer, the_filter_holds_each_mac_address_once)
{
    const uint32_t groups[] = {GROUP, GROUP + 1, GROUP, GROUP ^ 0x01000000u, GROUP ^ 0x00800000u, 0xe0000001u};
    char text[STEER_TEXT_MAX];

    device.filters = true;
    cr_assert(steer_filter(5, false, groups, sizeof(groups) / sizeof(groups[0]), text));
    cr_expect_eq(device.mac_count, 3u, "32 groups share an address");
    cr_expect_eq(memcmp(&device.mac[0], "\x01\x00\x5e\x36\x0c\x6f", 6), 0);
    cr_expect_eq(memcmp(&device.mac[2], "\x01\x00\x5e\x00\x00\x01", 6), 0);
    cr_expect_str_eq(text, "multicast filter of 3 addresses");
}

Test(steer, a_device_without_filter_is_widened_as_little_as_it_allows_and_says_so)
{
    const uint32_t groups[] = {GROUP};
    char text[STEER_TEXT_MAX];

    device.allmulticast = device.promiscuous = true;
    cr_expect_not(steer_filter(5, false, groups, 1, text));
    cr_expect_str_eq(text, "all multicast (the device takes no address list)");
    device.allmulticast = false;
    cr_expect_not(steer_filter(5, false, groups, 1, text));
    cr_expect_str_eq(text, "promiscuous (the device has no multicast filter)");
    device.promiscuous = false;
    cr_expect_not(steer_filter(5, false, groups, 1, text));
    cr_expect_str_eq(text, "as the device comes (it has no filter to set)");
    cr_expect_not(steer_filter(5, true, groups, 1, text));
    cr_expect_str_eq(text, "promiscuous refused by the device");
    device.promiscuous = device.filters = true;
    cr_expect(steer_filter(5, true, groups, 1, text));
    cr_expect_str_eq(text, "promiscuous (as configured)");
    cr_expect_eq(device.mac_count, 0u);
}

Test(steer, each_line_has_its_rule_validated_and_made)
{
    const struct steer_rule rules[] = {{GROUP, 26477, 0}, {GROUP, 26478, 1}, {GROUP + 1, 26477, 2}};
    char text[STEER_TEXT_MAX];

    device.ports = true;
    device.room = RULES_MAX;
    cr_assert_eq(steer_rules(5, rules, 3, text), 0);
    cr_expect_eq(device.rule_count, 3u);
    cr_expect_eq(memcmp(device.rule, rules, sizeof(rules)), 0);
    cr_expect_eq(device.validated_count, 3u);
    cr_expect_str_eq(text, "3 flow rules to queues");
}

Test(steer, where_ports_are_not_looked_at_the_group_decides_if_it_can)
{
    const struct steer_rule good[] = {{GROUP, 26477, 0}, {GROUP, 26478, 0}, {GROUP + 1, 26477, 1}};
    const struct steer_rule torn[] = {{GROUP + 1, 26477, 1}, {GROUP, 26477, 0}, {GROUP, 26478, 1}};
    char text[STEER_TEXT_MAX];

    device.room = RULES_MAX;
    cr_assert_eq(steer_rules(5, good, 3, text), 0);
    cr_expect_eq(device.rule_count, 2u, "one for both lines of a group");
    cr_expect_eq(device.rule[0].udp_port, 0);
    cr_expect_str_eq(text, "3 flow rules to queues (some by group alone)");
    device.rule_count = 0;
    cr_expect_eq(steer_rules(5, torn, 3, text), -ENOTSUP, "its lines go to two queues");
    cr_expect_str_eq(text, "no rule for 233.54.12.111:26477: UDP is not looked at");
    cr_expect_eq(device.flushed_count, 1u, "none or all");
    cr_expect_eq(device.rule_count, 0u);
}

Test(steer, a_device_that_runs_out_of_room_keeps_none)
{
    const struct steer_rule rules[] = {{GROUP, 26477, 0}, {GROUP + 1, 26477, 1}, {GROUP + 2, 26477, 0}};
    char text[STEER_TEXT_MAX];

    device.ports = true;
    device.room = 2;
    cr_expect_eq(steer_rules(5, rules, 3, text), -ENOSPC);
    cr_expect_str_eq(text, "no rule for 233.54.12.113:26477: no room");
    cr_expect_eq(device.rule_count, 0u);
}
