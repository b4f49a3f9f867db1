/* gateway/hooks/hooks_ports: what names a port at a hook, and what does not. What the kernel does with it is in
 * tests/e2e/test_hooks.py. */
#include "gateway/hooks/hooks.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>

Test(hooks_ports, a_port_is_entered_once_whatever_is_said_of_it)
{
    struct hooks_ports ports = {.count = 0};

    cr_assert_eq(hooks_ports_add(&ports, "udp:26477", false), 0);
    cr_assert_eq(hooks_ports_add(&ports, "input:udp:26477", true), 0);
    cr_assert_eq(hooks_ports_add(&ports, "postrouting:udp:26477", true), 0);
    cr_assert_eq(hooks_ports_add(&ports, "tcp:26477", false), 0);
    cr_assert_eq(ports.count, 2);
    cr_expect_eq(ports.port[0].protocol, IPPROTO_UDP);
    cr_expect_eq(ports.port[0].port, 26477);
    cr_expect_eq(ports.port[0].drop_mask, 1u << 1 | 1u << 4, "hooks have the kernel's numbers");
    cr_expect_eq(ports.port[1].protocol, IPPROTO_TCP);
    cr_expect_eq(ports.port[1].drop_mask, 0);
}

Test(hooks_ports, what_is_no_port_is_refused)
{
    static const char *const bad[] = {
        "",       ":",      "udp",    "udp:",       "udp:0",       "udp:65536", "udp:099",
        "udp:1x", "udp:-1", "sctp:1", "udp:123456", "input:udp:1", "udp:1:2",   "averyveryverylongword:1"};
    static const char *const bad_drops[] = {"udp:1", "input:udp", "ingress:udp:1", "input::1", "input:udp:0"};
    struct hooks_ports ports = {.count = 0};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_expect_eq(hooks_ports_add(&ports, bad[i], false), -EINVAL, "'%s'", bad[i]);
    for (size_t i = 0; i < sizeof(bad_drops) / sizeof(bad_drops[0]); i++)
        cr_expect_eq(hooks_ports_add(&ports, bad_drops[i], true), -EINVAL, "'%s'", bad_drops[i]);
    cr_expect_eq(ports.count, 0);
}

Test(hooks_ports, as_many_as_the_map_of_the_kernel_has_room_for)
{
    struct hooks_ports ports = {.count = 0};
    char text[32];

    for (uint32_t i = 0; i < HOOKS_PORTS_MAX; i++) {
        snprintf(text, sizeof(text), "tcp:%u", i + 1);
        cr_assert_eq(hooks_ports_add(&ports, text, false), 0);
    }
    cr_expect_eq(hooks_ports_add(&ports, "tcp:9999", false), -ENOSPC);
    cr_expect_eq(hooks_ports_add(&ports, "tcp:1", false), 0, "one that is there needs no room");
    cr_expect_leq((HOOKS_PORTS_MAX + 3) * HOOKS_COUNT, HOOKS_FLOWS_MAX);
}

Test(hooks_ports, names_and_numbers_of_hooks_are_the_kernels)
{
    cr_expect_eq(hooks_number("prerouting"), 0);
    cr_expect_eq(hooks_number("forward"), 2);
    cr_expect_eq(hooks_number("output"), 3);
    cr_expect_eq(hooks_number("Output"), -1);
    cr_expect_str_eq(hooks_name(4), "postrouting");
    cr_expect_str_eq(hooks_name(5), "unknown");
}
