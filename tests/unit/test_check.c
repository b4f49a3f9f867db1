/* gateway/cmd/check.c: strategy kinds and parameters are judged by the strategies themselves, and `check` answers with
 * the exit codes of cmd.h. */
#include "gateway/cmd/check.h"
#include "gateway/cmd/check_parts.h"
#include "gateway/cmd/cmd.h"
#include "gateway/strategy/strategy_table.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct config_findings findings;

static struct config *shipped(const char *name, char path[512])
{
    const char *root = getenv("SOURCE_ROOT");
    struct config *config = NULL;
    if (!root)
        cr_skip_test("SOURCE_ROOT is not set");
    snprintf(path, 512, "%s/config/%s.yaml", root, name);
    cr_assert_eq(config_load(path, &config, &findings), 0, "%s", findings.finding[0].text);
    return config;
}

Test(check, strategies_of_the_shipped_configs_start)
{
    static const char *const names[] = {"example", "demo", "inline"};
    for (unsigned i = 0; i < 3; i++) {
        char path[512];
        struct config *config = shipped(names[i], path);
        cr_expect_eq(check_strategies(config, &findings), 0, "%s", findings.finding[0].text);
        config_free(config);
    }
}

Test(check, unknown_kind_is_refused_with_those_that_exist)
{
    char path[512], sentence[640];
    struct config *config = shipped("demo", path);
    snprintf(config->strategy[0].kind, sizeof(config->strategy[0].kind), "nobody");
    cr_expect_eq(check_strategies(config, &findings), -EINVAL);
    cr_expect_eq(findings.error_count, 1);
    snprintf(sentence, sizeof(sentence),
             "%s:%u: strategies[0].kind: there is no strategy 'nobody'; write one of: ", path,
             config->strategy[0].line);
    cr_expect_eq(strncmp(findings.finding[0].text, sentence, strlen(sentence)), 0, "%s", findings.finding[0].text);
    for (uint32_t i = 0; strategy_table_at(i); i++)
        cr_expect_not_null(strstr(findings.finding[0].text + strlen(sentence), strategy_table_at(i)->name));
    config_free(config);
}

Test(check, unknown_parameter_is_refused_at_its_own_line)
{
    char path[512], sentence[640];
    struct config *config = shipped("demo", path);
    struct config_strategy *strategy = &config->strategy[0];
    struct config_param *const kept = strategy->param_list;
    const uint32_t kept_count = strategy->param_count;
    struct config_param params[CONFIG_PARAMS_MAX] = {{"no_such_parameter", "1", 4711}};
    strategy->param_list = params;
    strategy->param_count = 1;
    cr_expect_eq(check_strategies(config, &findings), -EINVAL);
    snprintf(sentence, sizeof(sentence), "%s:4711: strategies[0].params: ", path);
    cr_expect_eq(strncmp(findings.finding[0].text, sentence, strlen(sentence)), 0, "%s", findings.finding[0].text);
    strategy->param_list = kept;
    strategy->param_count = kept_count;
    config_free(config);
}

static int check(char *a, char *b, char *c)
{
    char name[] = "check";
    char *argv[] = {name, a, b, c, NULL};
    int argc = 1;
    while (argv[argc])
        argc++;
    return cmd_check(argc, argv);
}

Test(check, exit_codes_tell_usable_from_not)
{
    char path[512], json[] = "--json", no_host[] = "--no-host", help[] = "--help", nonsense[] = "--nonsense",
                    gone[] = "/nonexistent";
    config_free(shipped("example", path));
    cr_redirect_stdout();
    cr_redirect_stderr();
    cr_expect_eq(check(no_host, path, NULL), CMD_OK);
    cr_expect_eq(check(path, no_host, json), CMD_OK);
    cr_expect_eq(check(help, NULL, NULL), CMD_OK);
    cr_expect_eq(check(NULL, NULL, NULL), CMD_USAGE);
    cr_expect_eq(check(nonsense, path, NULL), CMD_USAGE);
    cr_expect_eq(check(path, path, NULL), CMD_USAGE);
    cr_expect_eq(check(gone, NULL, NULL), CMD_USAGE);
    cr_expect_eq(check(json, gone, NULL), CMD_USAGE);
}

/* Every limit that the example sets, of each scope: what a desk reads before it starts. */
Test(check, the_limits_of_every_scope_are_told)
{
    static const char *const words[] = {
        "limits of its own: order_qty_max 200, ", "position_max 1000, gross_max 50000000000, loss_max 50000000, ",
        "all of its limits: order_qty_max 200, ", "position_max 2000, gross_max 50000000000, loss_max 200000000, ",
        "of all strategy lcores together: position_max 4000, gross_max 80000000000, loss_max 300000000, ",
        "\"loss_max\":50000000", "\"loss_max\":200000000", "\"loss_max\":300000000", "\"collar_last_bps\":500"};
    char path[512], *text = NULL;
    size_t len;
    struct config *config = shipped("example", path);
    FILE *out = open_memstream(&text, &len);
    struct json json;

    check_strategies_text(config, out);
    check_orders_text(config, out);
    json_init(&json, out);
    json_open(&json, NULL, '{');
    check_strategies_json(&json, config);
    check_orders_json(&json, config);
    json_close(&json, '}');
    fclose(out);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        cr_expect_not_null(strstr(text, words[i]), "'%s' is not in: %s", words[i], text);
    free(text);
    config_free(config);
}

static const char GOOD[] = "gateway: {mode: inline}\n"
                           "lcores: [{name: rx0, role: rx, cpu: 0}]\n"
                           "ports: [{name: md, device: net_ring}]\n"
                           "feeds:\n"
                           "  - name: itch\n"
                           "    time_zone: UTC\n"
                           "    session_date: '2026-01-05'\n"
                           "    lines: [{name: A, port: md, group: 233.54.12.111, udp_port: 26477}]\n"
                           "strategies: [{name: a, kind: taker, feed: itch}]\n";

/* What `check` says on stderr of GOOD with `more` behind it: these words, or, if they begin with '!', not these. */
static void says(const char *more, char *option, const char *words)
{
    char path[] = "/tmp/test_check.XXXXXX", said[8192];
    const int fd = mkstemp(path), kept = dup(STDERR_FILENO);
    FILE *caught = tmpfile();

    cr_assert(fd >= 0 && kept >= 0 && caught);
    cr_assert_eq(dprintf(fd, "%s%s", GOOD, more), (int)(strlen(GOOD) + strlen(more)));
    close(fd);
    fflush(stderr);
    cr_assert_geq(dup2(fileno(caught), STDERR_FILENO), 0);
    const int exit_code = option ? check(option, path, NULL) : check(path, NULL, NULL);
    fflush(stderr);
    dup2(kept, STDERR_FILENO);
    close(kept);
    rewind(caught);
    said[fread(said, 1, sizeof(said) - 1, caught)] = '\0';
    fclose(caught);
    unlink(path);
    if (words[0] == '!') {
        cr_expect_null(strstr(said, words + 1), "'%s' is in: %s", words + 1, said);
        return;
    }
    cr_expect_eq(exit_code, strstr(said, ": not usable, ") ? CMD_USAGE : CMD_OK, "%s", said);
    cr_expect_not_null(strstr(said, words), "'%s' is not in: %s", words, said);
}

Test(check, folders_that_are_not_there_are_named_at_the_key, .init = cr_redirect_stdout)
{
    static const char admin[] = "admin:\n  socket: /tmp/no/such/a.sock\n  audit_file: /dev/null/a.audit\n",
                      orders[] = "orders: {carrier: kernel, peer_ip: 10.78.1.2, peer_port: 4000, username: a,\n"
                                 "  cancel_on_disconnect: true,\n"
                                 "  refs_file: /tmp/no/such/a.refs}\n";
    char no_host[] = "--no-host";

    says(admin, NULL,
         ":11: warning: admin.socket: /tmp/no/such/a.sock: folder /tmp/no/such cannot be used: No such file or "
         "directory; make it, or write a path in one that is there");
    says(admin, NULL, ":12: admin.audit_file: /dev/null/a.audit: folder /dev/null cannot be used: Not a directory");
    says(admin, NULL, ": not usable, 1 errors, ");
    says(admin, no_host, "!admin.");
    says(orders, NULL,
         ":12: warning: orders.refs_file: /tmp/no/such/a.refs: folder /tmp/no/such cannot be used: No such file");
    says(orders, NULL, "!not usable");
    says(orders, no_host, "!refs_file");
    says("admin: {socket: /tmp/a.sock, audit_file: a.audit}\n", NULL, "!admin.");
}

Test(check, files_of_the_day_are_named_at_their_own_keys, .init = cr_redirect_stdout)
{
    static const char both[] = "risk:\n  reference_file: /no/such.csv\n  positions_file: /tmp\n";

    says(both, NULL, ":11: risk.reference_file: /no/such.csv: cannot be read (No such file or directory); write ");
    says(both, NULL, ":12: risk.positions_file: /tmp: cannot be read (Is a directory); write the path of the day's ");
}
