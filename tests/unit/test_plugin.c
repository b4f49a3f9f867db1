/* plugin: what is loaded, what is refused and with which sentence. The shared objects are made in tests/plugin. */
#include "gateway/plugin.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct plugin *opened;
static char sentence[PLUGIN_ERROR_MAX];

static const char *object(const char *name)
{
    static char path[2][PATH_MAX];
    static unsigned turn;
    const char *directory = getenv("PLUGIN_DIR");

    if (!directory)
        cr_skip_test("PLUGIN_DIR is not set");
    turn ^= 1;
    snprintf(path[turn], sizeof(path[turn]), "%s/%s.so", directory, name);
    return path[turn];
}

static void refused(const char *name, int error, const char *part)
{
    opened = NULL;
    sentence[0] = '\0';
    cr_expect_eq(plugin_open(object(name), &opened, sentence), error, "%s: %s", name, sentence);
    cr_expect_null(opened);
    cr_expect(strstr(sentence, part), "%s: %s", name, sentence);
    cr_expect(strstr(sentence, name), "the file is named: %s", sentence);
}

Test(plugin, a_strategy_is_loaded_once_and_found_by_its_table_and_its_code)
{
    const struct plugin *again;

    cr_assert_eq(plugin_open(object("momentum"), &opened, sentence), 0, "%s", sentence);
    cr_expect_str_eq(opened->ops.name, "momentum");
    cr_expect_eq(opened->ops.ops_bytes, sizeof(struct strategy_ops));
    cr_assert_eq(plugin_open(object("../plugin/momentum"), &again, sentence), 0, "%s", sentence);
    cr_expect_eq(again, opened);
    cr_expect_eq(plugin_of(&opened->ops), opened);
    cr_expect_null(plugin_of((const struct strategy_ops *)object("x")));
    cr_expect_lt(opened->begin, opened->end);
    cr_expect_eq(plugin_at((uintptr_t)opened->ops.on_event), opened);
    cr_expect_eq(plugin_at(opened->end - 1), opened);
    cr_expect_null(plugin_at(opened->end));
    cr_expect_null(plugin_at((uintptr_t)plugin_open));
    cr_expect_null(plugin_at(0));
}

Test(plugin, what_is_not_there_or_no_strategy_is_refused)
{
    char directory[] = "/tmp/tickgate-plugin-XXXXXX", file[64];

    refused("nobody", -ENOENT, "No such file or directory; write the path of a shared object");
    refused("wrong_symbol", -ENOEXEC, "does not define tickgate_strategy, so it is no strategy; define it as");
    refused("wrong_type", -ENOEXEC, "is not a struct strategy_ops; define it as one");
    refused("wrong_calls", -ENOEXEC, "lacks one of state_size, init, on_event, on_order, on_lost; give it all five");
    refused("wrong_name", -ENOEXEC, "has no name, or no summary; write a .name of up to 32 letters");
    cr_assert_not_null(mkdtemp(directory));
    snprintf(file, sizeof(file), "%s/script.so", directory);
    FILE *script = fopen(file, "w");
    cr_assert(script && fputs("#!/bin/sh\n", script) >= 0 && fclose(script) == 0);
    cr_expect_eq(plugin_open(file, &opened, sentence), -ENOEXEC);
    cr_expect(strstr(sentence, "cannot be loaded") && strstr(sentence, file), "%s", sentence);
    cr_expect(strstr(sentence, "build it for this host with -fPIC -shared"), "%s", sentence);
    cr_expect_eq(plugin_open("/tmp", &opened, sentence), -ENOEXEC);
    cr_expect(strstr(sentence, "is not a file"), "%s", sentence);
    unlink(file);
    rmdir(directory);
}

Test(plugin, another_version_is_refused_with_both_numbers)
{
    char text[64];

    snprintf(text, sizeof(text), "version %u.%u of the strategy interface, this gateway has %u.%u",
             STRATEGY_ABI_MAJOR + 1, STRATEGY_ABI_MINOR, STRATEGY_ABI_MAJOR, STRATEGY_ABI_MINOR);
    refused("wrong_major", -EPROTO, text);
    snprintf(text, sizeof(text), "version %u.%u of the strategy interface, this gateway has %u.%u", STRATEGY_ABI_MAJOR,
             STRATEGY_ABI_MINOR + 1, STRATEGY_ABI_MAJOR, STRATEGY_ABI_MINOR);
    refused("wrong_minor", -EPROTO, text);
    refused("wrong_bytes_short", -ENOEXEC, "64 bytes");
    refused("wrong_bytes_long", -ENOEXEC, "80 bytes");
}

Test(plugin, a_name_that_is_taken_is_refused)
{
    refused("wrong_name_builtin", -EEXIST, "called taker is built in");
    cr_assert_eq(plugin_open(object("momentum"), &opened, sentence), 0, "%s", sentence);
    refused("wrong_good", -EEXIST, "called momentum has come from");
}

/* A copy of momentum.so in a directory of its own. */
static void copy(char ret_directory[64], char ret_file[96])
{
    char command[PATH_MAX + 128];

    snprintf(ret_directory, 64, "/tmp/tickgate-plugin-XXXXXX");
    cr_assert_not_null(mkdtemp(ret_directory));
    snprintf(ret_file, 96, "%s/momentum.so", ret_directory);
    snprintf(command, sizeof(command), "cp %s %s", object("momentum"), ret_file);
    cr_assert_eq(system(command), 0);
}

Test(plugin, what_others_can_change_is_refused)
{
    char directory[64], file[96], inner[96], deep[128], command[512];

    copy(directory, file);
    cr_assert_eq(chmod(file, 0666), 0);
    cr_expect_eq(plugin_open(file, &opened, sentence), -EPERM);
    cr_expect(strstr(sentence, file) && strstr(sentence, "chmod o-w"), "%s", sentence);
    cr_assert_eq(chmod(file, 0755), 0);
    for (mode_t sticky = 0; sticky <= S_ISVTX; sticky += S_ISVTX) {
        cr_assert_eq(chmod(directory, 0777 | sticky), 0);
        cr_expect_eq(plugin_open(file, &opened, sentence), -EPERM, "a file of that name can come to be here");
        cr_expect(strstr(sentence, directory), "%s", sentence);
    }
    /* The same further up, where a sticky bit is enough: nobody can put another directory in its place. */
    snprintf(inner, sizeof(inner), "%s/inner", directory);
    snprintf(deep, sizeof(deep), "%s/momentum.so", inner);
    snprintf(command, sizeof(command), "mkdir -m 755 %s && cp %s %s", inner, file, deep);
    cr_assert_eq(system(command), 0);
    cr_assert_eq(chmod(directory, 0777), 0);
    cr_expect_eq(plugin_open(deep, &opened, sentence), -EPERM);
    cr_assert_eq(chmod(directory, 01777), 0);
    cr_expect_eq(plugin_open(deep, &opened, sentence), 0, "%s", sentence);
    snprintf(command, sizeof(command), "rm -r %s", directory);
    cr_assert_eq(system(command), 0);
}

Test(plugin, what_belongs_to_somebody_else_is_refused)
{
    char directory[64], file[96], command[128];

    if (geteuid() != 0)
        cr_skip_test("only root can give a file away");
    copy(directory, file);
    cr_assert_eq(chown(file, 65534, 65534), 0);
    cr_expect_eq(plugin_open(file, &opened, sentence), -EPERM);
    cr_assert_eq(chown(file, 0, 0), 0);
    cr_assert_eq(chown(directory, 65534, 65534), 0);
    cr_expect_eq(plugin_open(file, &opened, sentence), -EPERM);
    cr_expect(strstr(sentence, directory), "%s", sentence);
    snprintf(command, sizeof(command), "rm -r %s", directory);
    cr_assert_eq(system(command), 0);
}

Test(plugin, a_link_is_judged_by_what_it_leads_to)
{
    char directory[64], file[96], link[96], command[128];

    copy(directory, file);
    snprintf(link, sizeof(link), "/tmp/tickgate-link-%d.so", getpid());
    cr_assert_eq(symlink(file, link), 0);
    cr_expect_eq(plugin_open(link, &opened, sentence), 0, "%s", sentence);
    cr_expect_str_eq(opened->path, file);
    unlink(link);
    snprintf(command, sizeof(command), "rm -r %s", directory);
    cr_assert_eq(system(command), 0);
}

Test(plugin, a_kind_is_looked_up_where_no_file_is_named)
{
    struct config_strategy strategy = {.kind = "taker"};
    const struct strategy_ops *ops = NULL;

    cr_expect_eq(plugin_strategy(&strategy, &ops, sentence), 0);
    cr_assert_not_null(ops);
    cr_expect_str_eq(ops->name, "taker");
    cr_expect_null(plugin_of(ops));
    snprintf(strategy.kind, sizeof(strategy.kind), "nobody");
    cr_expect_eq(plugin_strategy(&strategy, &ops, sentence), -EINVAL);
    cr_expect(strstr(sentence, "no strategy 'nobody'; write one of: maker, probe,"), "%s", sentence);
}
