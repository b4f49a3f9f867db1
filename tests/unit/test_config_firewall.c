/* config/config_firewall: what a good section means, and the sentence that each wrong one gets. */
#include "config/config.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char GOOD[] = "gateway: {mode: inline}\n"
                           "lcores: [{name: rx0, role: rx, cpu: 0}]\n"
                           "ports: [{name: md, device: net_ring}]\n"
                           "feeds:\n"
                           "  - name: itch\n"
                           "    time_zone: UTC\n"
                           "    lines:\n"
                           "      - {name: A, group: 233.54.12.111, udp_port: 26477}\n"
                           "      - {name: B, group: 233.54.12.112, udp_port: 26477}\n"
                           "firewall:\n"
                           "  management:\n"
                           "    - interface: eth0\n"
                           "      sources: [192.0.2.0/24, 198.51.100.7]\n"
                           "      tcp_ports: [22, 65535]\n"
                           "  order_interfaces: [eth1]\n"
                           "  feed_interfaces: [eth2, eth3.100]\n";

static struct config_findings findings;
static char path[64];

/* GOOD with the first `from` replaced by `to`. */
static int load_with(const char *from, const char *to, struct config **ret_config)
{
    const char *place = strstr(GOOD, from);

    cr_assert_not_null(place, "'%s' is in the text", from);
    snprintf(path, sizeof(path), "/tmp/test_config_firewall.XXXXXX");
    const int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    dprintf(fd, "%.*s%s%s", (int)(place - GOOD), GOOD, to, place + strlen(from));
    close(fd);
    const int error = config_load(path, ret_config, &findings);
    unlink(path);
    return error;
}

static void refused_with(const char *from, const char *to, const char *sentence)
{
    struct config *config = NULL;

    cr_assert_neq(load_with(from, to, &config), 0, "must be refused: %s", sentence);
    cr_expect_eq(findings.error_count, 1);
    cr_expect_str_eq(findings.finding[0].text + strlen(path), sentence);
}

Test(config_firewall, a_good_section_comes_back_as_written)
{
    struct config *config = NULL;

    cr_assert_eq(load_with("UTC", "UTC", &config), 0, "%s", findings.finding[0].text);
    const struct config_firewall *firewall = &config->firewall;
    cr_expect(firewall->present);
    cr_expect_eq(firewall->line, 10);
    cr_assert_eq(firewall->management_count, 1);
    cr_expect_str_eq(firewall->management[0].interface, "eth0");
    cr_assert_eq(firewall->management[0].source_count, 2);
    cr_expect_eq(firewall->management[0].source[0].ip, 0xc0000200);
    cr_expect_eq(firewall->management[0].source[0].len, 24);
    cr_expect_eq(firewall->management[0].source[1].ip, 0xc6336407);
    cr_expect_eq(firewall->management[0].source[1].len, 32, "one address");
    cr_assert_eq(firewall->management[0].tcp_port_count, 2);
    cr_expect_eq(firewall->management[0].tcp_port[1], 65535);
    cr_assert_eq(firewall->order_interface_count, 1);
    cr_expect_str_eq(firewall->order_interface[0], "eth1");
    cr_assert_eq(firewall->feed_interface_count, 2);
    cr_expect_str_eq(firewall->feed_interface[1], "eth3.100");
    config_free(config);
}

Test(config_firewall, without_the_section_nothing_is_guarded)
{
    struct config *config = NULL;

    cr_assert_eq(load_with(strstr(GOOD, "firewall:"), "", &config), 0);
    cr_expect(!config->firewall.present);
    config_free(config);
}

Test(config_firewall, everybody_may_be_let_in_but_it_has_to_be_said)
{
    struct config *config = NULL;

    cr_assert_eq(load_with("192.0.2.0/24", "0.0.0.0/0", &config), 0, "%s", findings.finding[0].text);
    cr_expect_eq(config->firewall.management[0].source[0].len, 0);
    config_free(config);
    refused_with("      sources: [192.0.2.0/24, 198.51.100.7]\n", "",
                 ":12: firewall.management[0].sources: is missing; list the networks that may connect, as in "
                 "[192.0.2.0/24]");
}

Test(config_firewall, what_is_no_prefix_is_refused)
{
    static const char *const bad[] = {"192.0.2.0/33", "192.0.2.0/", "192.0.2.0/024", "192.0.2/24",     "192.0.2.0/2x",
                                      "/24",          "somewhere",  "2001:db8::/32", "192.0.2.0/24/24"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char sentence[160];
        snprintf(sentence, sizeof(sentence),
                 ":13: firewall.management[0].sources[0]: '%s' is no IPv4 prefix; write one as in 192.0.2.0/24",
                 bad[i]);
        refused_with("192.0.2.0/24", bad[i][0] == '2' ? "\"2001:db8::/32\"" : bad[i], sentence);
    }
    refused_with(
        "192.0.2.0/24", "192.0.2.9/24",
        ":13: firewall.management[0].sources[0]: 192.0.2.9/24 has bits set behind its /24; write 192.0.2.0/24");
}

Test(config_firewall, what_is_no_interface_is_refused)
{
    refused_with(
        "interface: eth0", "interface: '\"} ; flush'",
        ":12: firewall.management[0].interface: '\"} ; flush' is no interface of the kernel; write one that `ip "
        "link` shows, as in eth0");
    refused_with(
        "[eth1]", "[a_name_of_16_let]",
        ":15: firewall.order_interfaces[0]: 'a_name_of_16_let' is no interface of the kernel; write one that `ip "
        "link` shows, as in eth0");
    refused_with("interface: eth0", "tcp_ports: [22]\n      interface: eth2\n      #",
                 ":16: firewall.management[0].tcp_ports: is given twice, first on line 12; remove one");
}

Test(config_firewall, an_interface_is_guarded_once)
{
    refused_with("[eth1]", "[eth3.100]",
                 ":16: firewall.feed_interfaces: eth3.100 is guarded already; name each interface once");
}

Test(config_firewall, a_host_without_management_would_be_lost)
{
    refused_with(
        "  management:\n    - interface: eth0\n      sources: [192.0.2.0/24, 198.51.100.7]\n      tcp_ports: [22, "
        "65535]\n",
        "",
        ":10: firewall.management: is missing; say by what interface, from where and to what port this host is "
        "managed");
    refused_with("[22, 65535]", "[22, 65536]",
                 ":14: firewall.management[0].tcp_ports[1]: 65536 is out of range; write a number from 1 to 65535");
}
