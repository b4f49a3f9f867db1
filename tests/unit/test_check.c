/* gateway/check.c: strategy kinds and parameters are judged by the strategies themselves, and `check` answers with the
 * exit codes of cmd.h. */
#include "gateway/check.h"
#include "gateway/cmd.h"
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
