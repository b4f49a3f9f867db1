/* gateway/firewall_rules: what a config becomes, and what is read from nft's listing, however it looks. What the
 * kernel makes of the rules is in tests/e2e/test_firewall.py. */
#include "gateway/cmd/firewall_rules.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char CONFIG[] = "gateway: {mode: inline}\n"
                             "lcores: [{name: rx0, role: rx, cpu: 0}]\n"
                             "ports: [{name: md, device: net_ring}]\n"
                             "feeds:\n"
                             "  - name: itch\n"
                             "    session_date: 2023-08-22\n"
                             "    time_zone: UTC\n"
                             "    retransmission: {servers: [{address: 198.51.100.21, udp_port: 17000}]}\n"
                             "    snapshot: {servers: [{address: 198.51.100.31, tcp_port: 18000}], username: a}\n"
                             "    lines:\n"
                             "      - {name: A, group: 233.54.12.111, udp_port: 26477, source: 198.51.100.7}\n"
                             "      - {name: B, group: 233.54.12.112, udp_port: 26478}\n"
                             "orders: {carrier: kernel, peer_ip: 198.51.100.40, peer_port: 40000, username: a,\n"
                             "         refs_file: x.refs, cancel_on_disconnect: true}\n"
                             "firewall:\n"
                             "  management:\n"
                             "    - {interface: mg, sources: [10.78.0.0/24, 192.0.2.1], tcp_ports: [22, 443]}\n"
                             "  order_interfaces: [og]\n"
                             "  feed_interfaces: [f1, f2]\n";

static struct config *config_of(const char *text)
{
    static struct config_findings findings;
    struct config *config = NULL;
    char path[] = "/tmp/test_firewall_rules.XXXXXX";
    const int fd = mkstemp(path);

    cr_assert(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    const int error = config_load(path, &config, &findings);
    unlink(path);
    cr_assert_eq(error, 0, "%s", findings.count ? findings.finding[0].text : "");
    return config;
}

static char *rules_of(const struct firewall_rules_state *state, uint32_t seconds)
{
    struct config *config = config_of(CONFIG);
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    firewall_rules_apply(out, config, state, 0xabcd1234, seconds);
    fclose(out);
    config_free(config);
    return text;
}

#define HAS(text, part)   cr_assert(strstr(text, part), "lacks '%s':\n%s", part, text)
#define LACKS(text, part) cr_assert(!strstr(text, part), "has '%s':\n%s", part, text)

Test(firewall_rules, what_the_config_says_is_let_through_and_nothing_besides)
{
    const struct firewall_rules_state none = {0};
    char *text = rules_of(&none, 60);

    HAS(text, "iifname \"mg\" ip saddr { 10.78.0.0/24, 192.0.2.1/32 } tcp dport { 22, 443 } ct state new accept\n");
    HAS(text, "iifname { \"og\" } ip saddr 198.51.100.40 tcp sport 40000 accept\n");
    HAS(text, "oifname { \"og\" } ip daddr 198.51.100.40 tcp dport 40000 accept\n");
    HAS(text, "iifname { \"f1\", \"f2\" } ip daddr 233.54.12.111 ip saddr 198.51.100.7 udp dport 26477 accept\n");
    HAS(text, "iifname { \"f1\", \"f2\" } ip daddr 233.54.12.112 udp dport 26478 accept\n");
    HAS(text, "iifname { \"f1\", \"f2\" } ip saddr 198.51.100.21 udp sport 17000 accept\n");
    HAS(text, "oifname { \"f1\", \"f2\" } ip daddr 198.51.100.31 tcp dport 18000 accept\n");
    HAS(text, "iifname { \"og\" } notrack\n");
    uint32_t drops = 0, accepts = 0;
    for (const char *at = text; (at = strstr(at, "counter drop\n")); at++)
        drops++;
    for (const char *at = text; (at = strstr(at, " accept\n")); at++)
        accepts++;
    cr_assert_eq(drops, 2, "both chains of the generation end in a drop");
    cr_assert_eq(accepts, 16, "a line that lets through was added or lost: %u\n%s", accepts, text);
    free(text);
}

Test(firewall_rules, an_order_session_that_is_not_the_kernels_opens_nothing)
{
    const struct firewall_rules_state none = {0};
    struct config *config = config_of(CONFIG);
    char *text = NULL;
    size_t len;

    config->orders.carrier = CONFIG_CARRIER_TCP;
    FILE *out = open_memstream(&text, &len);
    firewall_rules_apply(out, config, &none, 1, 60);
    fclose(out);
    LACKS(text, "198.51.100.40");
    free(text);
    config_free(config);
}

Test(firewall_rules, a_change_is_led_into_by_elements_that_time_out_before_the_generation_in_force)
{
    const struct firewall_rules_state state = {.current = 'a'};
    char *text = rules_of(&state, 45);

    HAS(text,
        "set guarded_b {\n    type ifname\n    flags timeout\n    elements = { \"mg\" timeout 45s, \"og\" timeout 45s, "
        "\"f1\" timeout 45s, \"f2\" timeout 45s }");
    HAS(text, "set pending_b {\n    type mark\n    flags timeout\n    elements = { 0xabcd1234 timeout 45s }");
    const char *timed = strstr(text, "add rule inet tickgate input iifname @guarded_b goto input_b\n");
    const char *before = strstr(text, "add rule inet tickgate input iifname @interfaces_a goto input_a\n");
    cr_assert(timed && before && timed < before);
    LACKS(text, "delete");
    free(text);
}

Test(firewall_rules, without_a_confirmation_to_wait_for_the_old_generation_goes_at_once)
{
    const struct firewall_rules_state state = {.current = 'b'};
    char *text = rules_of(&state, 0);

    HAS(text, "add rule inet tickgate output oifname @interfaces_a goto output_a\n");
    HAS(text, "delete chain inet tickgate raw_in_b\n");
    HAS(text, "delete set inet tickgate interfaces_b\n");
    LACKS(text, "timeout");
    LACKS(text, "@interfaces_b");
    free(text);
}

Test(firewall_rules, a_confirmation_begins_with_what_fails_when_it_is_too_late)
{
    const struct firewall_rules_state state = {.current = 'a', .pending = 'b', .token = 7};
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    firewall_rules_confirm(out, &state);
    fclose(out);
    cr_assert_eq(strncmp(text, "delete element inet tickgate pending_b { 0x00000007 }\n", 54), 0, "%s", text);
    HAS(text, "add rule inet tickgate input iifname @interfaces_b goto input_b\n");
    HAS(text, "delete chain inet tickgate input_a\n");
    LACKS(text, "delete chain inet tickgate input_b\n");
    free(text);
}

Test(firewall_rules, a_rollback_is_of_its_own_change_only_and_leaves_what_was_in_force)
{
    struct firewall_rules_state state = {.current = 'b', .pending = 'a', .token = 0xffffffff};
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    firewall_rules_rollback(out, &state);
    fclose(out);
    cr_assert_eq(strncmp(text, "delete element inet tickgate change_a { 0xffffffff }\n", 53), 0, "%s", text);
    HAS(text, "delete chain inet tickgate output_a\n");
    LACKS(text, "delete table");
    free(text);
    state.current = 0;
    out = open_memstream(&text, &len);
    firewall_rules_rollback(out, &state);
    fclose(out);
    HAS(text, "delete table inet tickgate\n");
    free(text);
}

#define PENDING_B(elements, change)                                                                                    \
    "table inet tickgate {\n\tset pending_b {\n\t\ttype mark\n\t\tflags timeout\n" elements "\t}\n"                    \
    "\tset change_b {\n\t\ttype mark\n\t\telements = { " change " }\n\t}\n\tchain input_b {\n\t}\n}\n"

Test(firewall_rules, the_state_is_read_from_what_nft_lists)
{
    struct firewall_rules_state state = firewall_rules_state("");
    cr_assert(state.current == 0 && state.pending == 0 && state.token == 0);

    state = firewall_rules_state("table inet tickgate {\n\tchain input_a {\n\t}\n}\n");
    cr_assert(state.current == 'a' && state.pending == 0);
    cr_assert_eq(firewall_rules_next(&state), 'b');

    state = firewall_rules_state(PENDING_B("\t\telements = { 0x0000beef timeout 5s expires 2s }\n", "0x0000beef"));
    cr_assert(state.current == 0 && state.pending == 'b' && !state.expired && state.token == 0xbeef);
    cr_assert_eq(firewall_rules_next(&state), 'a');

    state = firewall_rules_state(PENDING_B("", "0x0000beef"));
    cr_assert(state.pending == 'b' && state.expired && state.token == 0xbeef);
}

Test(firewall_rules, a_listing_that_is_cut_anywhere_is_read_to_its_end_and_no_further)
{
    static const char whole[] =
        PENDING_B("\t\telements = { 0x0000beef timeout 5s expires 2s }\n", "0x0000beef") "\tchain input_a {\n\t}\n";

    for (size_t len = 0; len < sizeof(whole); len++) {
        char *cut = strndup(whole, len); /* of its own size: a read past its end is seen by the sanitizer */
        const struct firewall_rules_state state = firewall_rules_state(cut);
        cr_assert(state.token == 0 || state.pending == 'b');
        free(cut);
    }
}
