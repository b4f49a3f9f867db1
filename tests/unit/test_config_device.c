/* config/config_device.c and what a config says of its ports: devices taken apart, queues, and the guard of an AF_XDP
 * interface. */
#include "config/config.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char TEXT[] = "gateway: {mode: inline}\n"
                           "lcores: [{name: rx0, role: rx, cpu: 0}]\n"
                           "ports:\n"
                           "  - {name: a, device: 'net_af_xdp,iface=eth1'%s}\n"
                           "  - {name: b, device: '%s'%s}\n"
                           "feeds:\n"
                           "  - name: itch\n"
                           "    time_zone: UTC\n"
                           "    lines:\n"
                           "      - {name: A, port: a, group: 233.54.12.111, udp_port: 26477}\n"
                           "      - {name: B, port: b, group: 233.49.196.111, udp_port: 26477}\n";

static struct config_findings findings;

/* The config with these words at its two ports; NULL: refused. */
static struct config *load(const char *a_more, const char *b_device, const char *b_more)
{
    char path[] = "/tmp/test_config_device.XXXXXX", text[2048];
    struct config *config = NULL;
    const int len = snprintf(text, sizeof(text), TEXT, a_more, b_device, b_more);
    const int fd = mkstemp(path);

    cr_assert(fd >= 0 && write(fd, text, (size_t)len) == len);
    close(fd);
    (void)config_load(path, &config, &findings);
    unlink(path);
    return config;
}

static void refused(const char *a_more, const char *b_device, const char *b_more, const char *words)
{
    cr_assert_null(load(a_more, b_device, b_more), "must be refused: %s", words);
    cr_expect_eq(findings.error_count, 1);
    cr_expect_not_null(strstr(findings.finding[0].text, words), "%s\nis not: %s", findings.finding[0].text, words);
}

Test(config_device, a_device_is_taken_apart)
{
    char value[16], interface[CONFIG_INTERFACE_MAX + 1];

    cr_expect(config_device_is("net_af_xdp,iface=eth1", "net_af_xdp"));
    cr_expect(config_device_is("net_af_xdp0,iface=eth1", "net_af_xdp"));
    cr_expect(config_device_is("net_ring", "net_ring"));
    cr_expect_not(config_device_is("net_af_xdpx,iface=eth1", "net_af_xdp"));
    cr_expect_not(config_device_is("net_af_packet,iface=net_af_xdp", "net_af_xdp"));
    cr_expect(config_device_argument("net_x,one=1,two=22", "two", value, sizeof(value)));
    cr_expect_str_eq(value, "22");
    cr_expect(config_device_argument("net_x,one=1,two=22", "one", value, sizeof(value)));
    cr_expect_str_eq(value, "1");
    cr_expect_not(config_device_argument("net_x,tone=1", "one", value, sizeof(value)));
    cr_expect_not(config_device_argument("net_x,one=", "one", value, sizeof(value)));
    cr_expect_not(config_device_argument("net_x,one=0123456789abcdef", "one", value, sizeof(value)), "too long");
    cr_expect_str_eq(value, "");
    cr_expect(config_device_interface("net_tap,iface=tg0", interface));
    cr_expect_str_eq(interface, "tg0");
    cr_expect_not(config_device_interface("0000:03:00.0,iface=eth1", interface), "a card is nobody's interface");
    cr_expect_not(config_device_interface("net_tap,iface=sixteen_letters_", interface) &&
                  strlen(interface) > CONFIG_INTERFACE_MAX);
}

Test(config_device, a_guard_comes_back_as_written)
{
    struct config *config =
        load(", xdp_guard: {enabled: false, replace: true, control_rate_per_s: 1, control_burst: 2, "
             "feed_rate_per_s: 3, feed_burst: 4, kernel_ports: [22, 65535]}",
             "net_ring", ", rx_queues: 3, checksum: false");

    cr_assert_not_null(config, "%s", findings.finding[0].text);
    const struct config_xdp_guard *guard = &config->port[0].guard;
    cr_expect(guard->given && !guard->enabled && guard->replace);
    cr_expect_eq(guard->control_rate_per_s, 1);
    cr_expect_eq(guard->control_burst, 2);
    cr_expect_eq(guard->feed_rate_per_s, 3);
    cr_expect_eq(guard->feed_burst, 4);
    cr_assert_eq(guard->kernel_port_count, 2);
    cr_expect_eq(guard->kernel_port[0], 22);
    cr_expect_eq(guard->kernel_port[1], 65535);
    cr_expect_eq(guard->line, 4);
    cr_expect_eq(config->port[1].rx_queues, 3);
    cr_expect_not(config->port[1].checksum);
    config_free(config);
}

Test(config_device, absent_keys_of_a_port_get_their_documented_defaults)
{
    struct config *config = load("", "net_ring", "");

    cr_assert_not_null(config, "%s", findings.finding[0].text);
    const struct config_xdp_guard *guard = &config->port[0].guard;
    cr_expect(!guard->given && guard->enabled && !guard->replace);
    cr_expect_eq(guard->control_rate_per_s, 10000);
    cr_expect_eq(guard->control_burst, 2000);
    cr_expect_eq(guard->feed_rate_per_s, 0);
    cr_expect_eq(guard->feed_burst, 100000);
    cr_expect_eq(guard->kernel_port_count, 0);
    cr_expect_eq(config->port[0].rx_queues, 1);
    cr_expect(config->port[0].checksum);
    config_free(config);
}

Test(config_device, the_guard_is_af_xdps_and_the_interfaces)
{
    refused("", "net_af_packet,iface=eth2", ", xdp_guard: {}", "means something to net_af_xdp only");
    refused("", "net_af_xdp,iface=eth2,xdp_prog=/some.o", ", xdp_guard: {enabled: true}",
            "two programs for one interface");
    refused(", xdp_guard: {enabled: true}", "net_af_xdp,iface=eth1,start_queue=1", ", xdp_guard: {enabled: true}",
            "interface 'eth1' has its guard in ports[0] already");
    refused(", xdp_guard: {kernel_ports: [0]}", "net_ring", "", "kernel_ports[0]: 0 is out of range");
    refused(", xdp_guard: {feed_rate_per_s: 100000001}", "net_ring", "", "is out of range");
    config_free(load(", xdp_guard: {enabled: true}", "net_af_xdp,iface=eth2", ", xdp_guard: {enabled: true}"));
    cr_expect_eq(findings.error_count, 0, "two interfaces have two guards");
}

Test(config_device, every_queue_that_a_kernel_device_has_is_polled)
{
    struct config *config = load("", "net_af_packet,iface=eth2,qpairs=4", "");

    cr_assert_not_null(config, "%s", findings.finding[0].text);
    cr_expect_eq(config->port[1].rx_queues, 4, "the device spreads over all of them");
    config_free(config);
    config = load("", "net_af_xdp,iface=eth2,queue_count=2", ", rx_queues: 2");
    cr_assert_not_null(config, "%s", findings.finding[0].text);
    config_free(config);
    refused("", "net_af_packet,iface=eth2,qpairs=4", ", rx_queues: 2", "frames on a queue that nobody polls are lost");
    refused("", "net_af_xdp,iface=eth2", ", rx_queues: 2", "frames on a queue that nobody polls are lost");
    refused("", "net_memif,id=0", ", rx_queues: 17", "17 is out of range; write a number from 1 to 16");
}

/* Of drivers there may be more than DPDK's own. */
static void warned(const char *device, const char *words)
{
    struct config *config = load("", device, "");

    cr_expect_not_null(config, "%s", findings.finding[0].text);
    cr_expect(findings.finding[0].warning);
    cr_expect_not_null(strstr(findings.finding[0].text, words), "%s", findings.finding[0].text);
    config_free(config);
}

Test(config_device, drivers_that_dpdk_lacks_are_named_and_interfaces_that_are_not_named_refused)
{
    static const char *const good[] = {"net_ring",
                                       "net_ring_b",
                                       "net_null0",
                                       "net_tun0,iface=tun7",
                                       "net_pcap,iface=lo",
                                       "net_virtio_user,path=/x",
                                       "net_vdev_netvsc0,iface=eth2",
                                       "net_af_packet0,iface=b"};

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct config *config = load("", good[i], "");
        cr_expect_not_null(config, "%s: %s", good[i], findings.finding[0].text);
        config_free(config);
    }
    warned("net_foo,iface=eth1", "ports[1].device: DPDK itself has no driver 'net_foo'; write one of net_af_xdp");
    warned("net_", "DPDK itself has no driver 'net_'; ");
    refused("", "net_af_packet", "",
            ":5: ports[1].device: names no interface of at most 15 letters; write net_af_packet,iface=eth1");
    refused("", "net_af_packet,iface=", "", "write net_af_packet,iface=eth1");
    refused("", "net_af_xdp0,start_queue=0", "", "write net_af_xdp,iface=eth1");
}
