/* `tickgate admin`: one command to a running gateway, its answer, and an exit code. Main thread; no EAL. */
#include "gateway/admin/admin_line.h"
#include "gateway/cmd/cmd.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define TIMEOUT_S_DEFAULT 10.0
#define INDENT_DEPTH_MAX  3u

static const char *const help_head = "usage: tickgate admin [--timeout SECONDS] SOCKET COMMAND [WORD]...\n"
                                     "Say COMMAND to the running gateway whose config names SOCKET (admin.socket), and "
                                     "print its answer: one JSON object,\n"
                                     "indented on a terminal.\n\n";
static const char *const help_tail =
    "\n  --timeout SECONDS  longest wait for the answer, 0.001 to 3600 (default 10)\n"
    "  --help             this text\n\n"
    "SCOPE is the name of a strategy, of its lcore, or gateway; money is in 1/10000 of the currency.\n"
    "docs/OPERATIONS.md says more.\n\n"
    "exit code: 0 done, 1 refused, 2 arguments are wrong, or no gateway answers\n";

static int usage(const char *what, const char *value)
{
    fprintf(stderr, "tickgate: admin: %s%s%s; see --help\n", what, value ? ": " : "", value ? value : "");
    return CMD_USAGE;
}

static void help(void)
{
    char text[ADMIN_USAGE_MAX];
    const char *summary;

    fputs(help_head, stdout);
    for (uint32_t i = 0; admin_line_usage(i, text, &summary); i++)
        printf("  %-22s %s\n", text, summary);
    fputs(help_tail, stdout);
}

/* The words as one line. False: it is too long. A newline in a word would be a second command. */
static bool line_make(int argc, char **argv, char ret_line[ADMIN_LINE_MAX + 1])
{
    const bool cut = strcmp(argv[0], "kill") == 0; /* a kill is not refused for the length of its reason */
    size_t len = 0;

    for (int i = 0; i < argc; i++) {
        const size_t word_len = strlen(argv[i]);
        if (len + (i > 0) + word_len + 1 > ADMIN_LINE_MAX && !cut)
            return false;
        if (i > 0 && len + 1 < ADMIN_LINE_MAX)
            ret_line[len++] = ' ';
        for (size_t j = 0; j < word_len && len + 1 < ADMIN_LINE_MAX; j++)
            ret_line[len++] = argv[i][j] == '\n' ? ' ' : argv[i][j];
    }
    ret_line[len++] = '\n';
    ret_line[len] = '\0';
    return true;
}

static int gateway_connect(const char *path, double timeout_s)
{
    const struct timeval timeout = {.tv_sec = (time_t)timeout_s,
                                    .tv_usec = (suseconds_t)((timeout_s - (double)(time_t)timeout_s) * 1e6)};
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof(address.sun_path)) {
        fprintf(stderr, "tickgate: admin: %s: is longer than the path of a socket\n", path);
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path));
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) == 0 &&
        connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    const int error = errno;
    struct stat status;
    if (error == ECONNREFUSED && stat(path, &status) == 0 && !S_ISSOCK(status.st_mode))
        fprintf(stderr, "tickgate: admin: %s: is no socket; write the one that admin.socket of the gateway's config "
                        "names\n", path);
    else
        fprintf(stderr, "tickgate: admin: %s: %s%s\n", path, strerror(error),
                error == ECONNREFUSED || error == ENOENT ? "; no gateway is running there"
                : error == EACCES                        ? "; its permissions (admin.mode, admin.group) keep you out"
                                                         : "");
    if (fd >= 0)
        close(fd);
    return -1;
}

/* The answer: one line. NULL: there is none, and stderr says so. */
static char *answer_read(int fd)
{
    char *line = NULL;
    size_t size = 0;
    FILE *in = fdopen(fd, "r");

    errno = 0;
    const ssize_t len = in ? getline(&line, &size, in) : -1;
    if (len <= 0 || line[len - 1] != '\n') {
        fprintf(stderr, "tickgate: admin: no answer: %s\n",
                errno == EAGAIN ? "the time is over; the command may have been done: look at status"
                : errno         ? strerror(errno)
                                : "the gateway has hung up");
        free(line);
        line = NULL;
    }
    if (in)
        fclose(in);
    else
        close(fd);
    return line;
}

/* For people: a line for each member of the outer objects. */
static void indent(const char *text, FILE *out)
{
    bool quoted = false;
    int depth = 0;

    for (const char *at = text; *at && *at != '\n'; at++) {
        const bool close_now = !quoted && (*at == '}' || *at == ']');
        const bool open_now = !quoted && (*at == '{' || *at == '[');
        if (close_now && depth-- <= (int)INDENT_DEPTH_MAX && at[-1] != '{' && at[-1] != '[')
            fprintf(out, "\n%*s", depth * 2, "");
        fputc(*at, out);
        if (quoted && *at == '\\' && at[1]) {
            fputc(*++at, out);
            continue;
        }
        quoted ^= *at == '"';
        depth += open_now;
        if (!quoted && *at == ':')
            fputc(' ', out);
        if (depth <= (int)INDENT_DEPTH_MAX && !quoted && (*at == ',' || (open_now && at[1] != '}' && at[1] != ']')))
            fprintf(out, "\n%*s", depth * 2, "");
        else if (!quoted && *at == ',')
            fputc(' ', out);
    }
    fputc('\n', out);
}

static int say(const char *path, const char *line, double timeout_s)
{
    const int fd = gateway_connect(path, timeout_s);

    if (fd < 0)
        return CMD_USAGE;
    /* Whoever may not speak is told so and hung up on: the answer is there, whether this arrives or not. */
    (void)!send(fd, line, strlen(line), MSG_NOSIGNAL);
    char *answer = answer_read(fd);
    if (!answer)
        return CMD_USAGE;
    if (isatty(STDOUT_FILENO))
        indent(answer, stdout);
    else
        fputs(answer, stdout);
    const bool ok = strncmp(answer, "{\"ok\":true", strlen("{\"ok\":true")) == 0;
    free(answer);
    return ok ? CMD_OK : CMD_FAILED;
}

int cmd_admin(int argc, char **argv)
{
    static const struct option options[] = {
        {"timeout", required_argument, NULL, 't'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
    char line[ADMIN_LINE_MAX + 1], error[ADMIN_ERROR_MAX], *end;
    double timeout_s = TIMEOUT_S_DEFAULT;
    struct admin_line parsed;
    int option;

    optind = 1;
    while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1) {
        if (option == 'h') {
            help();
            return CMD_OK;
        }
        if (option != 't') {
            fputs("tickgate admin --help says more\n", stderr);
            return CMD_USAGE; /* getopt has said what */
        }
        timeout_s = strtod(optarg, &end);
        /* digits alone: it would take 0x10 and 1e3 too */
        if (end == optarg || *end || optarg[strspn(optarg, "0123456789.")] ||
            !(timeout_s >= 0.001 && timeout_s <= 3600)) {
            fprintf(stderr, "tickgate: admin: --timeout wants a number from 0.001 to 3600, not %s; see --help\n",
                    optarg);
            return CMD_USAGE;
        }
    }
    if (argc - optind < 2)
        return usage(optind == argc ? "SOCKET is missing" : "COMMAND is missing", NULL);
    if (!line_make(argc - optind - 1, argv + optind + 1, line))
        return usage("the command is longer than a line may be", NULL);
    if (!admin_line_parse(line, (uint32_t)strlen(line) - 1, &parsed, error)) {
        fprintf(stderr, "tickgate: admin: %s\n", error);
        return CMD_USAGE;
    }
    return say(argv[optind], line, timeout_s);
}
