/* tickgate: one binary, one sub-command at a time. */
#include "gateway/cmd/cmd.h"
#include "gateway/cmd/firewall.h"
#include "gateway/crash.h"
#include "gateway/hooks/hooks.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} commands[] = {
    {"run", cmd_run, "run the gateway live on the ports of a config"},
    {"replay", cmd_replay, "run the same gateway on captures"},
    {"inspect", cmd_inspect, "say what is in a capture"},
    {"check", cmd_check, "check a config without touching hardware"},
    {"doctor", cmd_doctor, "say what this host lacks, why it matters, and the fix"},
    {"firewall", cmd_firewall, "guard this host's own interfaces; rules that nobody confirms are taken back"},
    {"hooks", cmd_hooks, "count packets at the kernel's netfilter hooks, and drop them there on purpose"},
    {"admin", cmd_admin, "say a command to a running gateway"},
    {"audit", cmd_audit, "check an audit log"},
};

static void help(FILE *out)
{
    fputs("usage: tickgate COMMAND [arguments]; tickgate COMMAND --help says more\n\n", out);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].summary);
}

static int command(int argc, char **argv)
{
    static char name[32]; /* getopt begins its own sentences with argv[0] */

    if (argc >= 2)
        for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
            if (strcmp(argv[1], commands[i].name) == 0) {
                snprintf(name, sizeof(name), "tickgate %s", argv[1]);
                argv[1] = name;
                return commands[i].run(argc - 1, argv + 1);
            }
    if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)) {
        help(stdout);
        return CMD_OK;
    }
    if (argc >= 2 && strcmp(argv[1], "--version") == 0) {
        puts("tickgate " TICKGATE_VERSION);
        return CMD_OK;
    }
    if (argc >= 2)
        fprintf(stderr, "tickgate: there is no command '%s'\n", argv[1]);
    help(stderr);
    return CMD_USAGE;
}

int main(int argc, char **argv)
{
    crash_init();
    const int exit_code = command(argc, argv);

    /* A report that went to a full disk is none, and its reader would take what is there for the whole. */
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return exit_code;
    fprintf(stderr, "tickgate: the output could not be written completely%s%s\n", errno ? ": " : "",
            errno ? strerror(errno) : ""); /* else it was an earlier part, and why is forgotten */
    return exit_code == CMD_OK ? CMD_FAILED : exit_code;
}
