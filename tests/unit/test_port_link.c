/* gateway/port_link: what counts as a loss, and what is told of it. */
#include "gateway/port/port_link.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define S UINT64_C(1000000000)

static struct port_link link_of_port;

static const char *told(uint64_t now_ns)
{
    static char text[256];
    FILE *out = fmemopen(text, sizeof(text), "w");

    memset(text, 0, sizeof(text));
    (void)port_link_tell(&link_of_port, "md", now_ns, out);
    fclose(out);
    return text;
}

Test(port_link, a_peer_that_has_not_come_yet_is_no_loss)
{
    for (uint64_t i = 1; i < 5; i++)
        cr_expect_not(port_link_seen(&link_of_port, false, 0, i * S));
    cr_expect_eq(link_of_port.lost_count, 0u);
    cr_expect_str_eq(told(5 * S), "");
    cr_expect(port_link_seen(&link_of_port, true, 0, 6 * S), "it has come up");
    cr_expect_not(port_link_seen(&link_of_port, true, 0, 6 * S));
    cr_expect(link_of_port.up);
    cr_expect_eq(link_of_port.back_count, 0u, "it was never lost");
}

Test(port_link, losses_and_returns_are_counted_and_told)
{
    cr_expect_not(port_link_seen(&link_of_port, true, 0, S), "it was there from the start");
    cr_expect_str_eq(told(S), "");
    port_link_seen(&link_of_port, false, 0, 2 * S);
    port_link_seen(&link_of_port, false, 0, 3 * S);
    cr_expect_eq(link_of_port.lost_count, 1u);
    cr_expect_not_null(strstr(told(3 * S), "port md: THE LINK IS LOST"));
    cr_expect_str_eq(told(4 * S), "", "once");
    cr_expect(port_link_seen(&link_of_port, true, 0, 5 * S));
    cr_expect_eq(link_of_port.back_count, 1u);
    cr_expect_eq(link_of_port.down_ns, 3 * S);
    cr_expect_not_null(strstr(told(5 * S), "the link is back (lost 1 times)"));
}

Test(port_link, a_flap_between_two_looks_is_known_from_its_interrupts)
{
    port_link_seen(&link_of_port, true, 0, S);
    port_link_seen(&link_of_port, true, 1, 2 * S); /* the interrupt of its coming up */
    cr_expect_eq(link_of_port.lost_count, 0u);
    cr_expect(port_link_seen(&link_of_port, true, 3, 3 * S));
    cr_expect_eq(link_of_port.lost_count, 1u);
    cr_expect_eq(link_of_port.back_count, 1u);
    port_link_seen(&link_of_port, true, 3, 4 * S);
    cr_expect_eq(link_of_port.lost_count, 1u, "looked at already");
}

Test(port_link, a_link_that_flaps_is_told_of_once_a_second)
{
    uint32_t lines = 0;

    port_link_seen(&link_of_port, true, 0, S);
    for (uint64_t i = 0; i < 100; i++) {
        port_link_seen(&link_of_port, i % 2 == 1, 0, S + i * S / 20);
        lines += told(S + i * S / 20)[0] != '\0';
    }
    cr_expect_eq(link_of_port.lost_count, 50u);
    cr_expect(lines >= 2 && lines <= 6, "%u lines in five seconds", lines);
}
