/* See firewall.h. Two things take an unconfirmed change back. The kernel: elements of the sets that lead into it
 * time out. And the guard, a process of its own session that nobody waits for: it removes the remains, so that the
 * table is as it was. It is there before the change is; it holds no lock, and what it does fails as a whole if the
 * change was confirmed. */
#include "gateway/cmd/firewall.h"

#include "gateway/cmd/cmd.h"
#include "gateway/cmd/firewall_rules.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <net/if.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define SECONDS_DEFAULT 60u
#define TEXT_MAX        (1u << 20) /* of what nft prints: our table is a few KiB */
#define GUARD_TRIES     5u

static const char help[] =
    "usage: tickgate firewall show | apply CONFIG [--seconds N | --now] [--dry-run] | confirm | rollback | remove\n"
    "Rules for the interfaces that the section `firewall` of CONFIG names: management by its sources and ports, the\n"
    "order session and the feeds by what else the config says of them, and nothing besides. Other interfaces, and\n"
    "tables that are not ours, stay as they are. Root.\n\n"
    "  show               the rules in force, and whether a change waits\n"
    "  apply CONFIG       put the rules in force, as one transaction; unless confirmed they are taken back by "
    "themselves\n"
    "    --seconds N      ... after so long, 1 to 86400 (default 60)\n"
    "    --now            ... never: in force without a confirmation, for boot scripts\n"
    "    --dry-run        print the rules, let the kernel check them, change nothing\n"
    "  confirm            keep what was applied\n"
    "  rollback           take back what was applied and not confirmed yet\n"
    "  remove             remove all rules of ours\n"
    "  --help             this text\n\n"
    "exit code: 0 done, 1 not done, 2 arguments or config are wrong\n";

struct nft {
    int status; /* exit code of nft; 127: it could not be run */
    char *text; /* what it printed, on both streams; never NULL after nft_run has returned 0 */
};

static void nft_free(struct nft *nft)
{
    free(nft->text);
    nft->text = NULL;
}

#define ARGUMENTS_MAX 8u

static void child_exec(const char *const *arguments, int in, int out)
{
    char *argv[ARGUMENTS_MAX] = {NULL}; /* exec's type is of C before const */

    for (uint32_t i = 0; arguments[i] && i + 1 < ARGUMENTS_MAX; i++)
        argv[i] = strdup(arguments[i]);
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    execvp("nft", argv);
    execv("/usr/sbin/nft", argv); /* PATH of an ordinary shell lacks it */
    _exit(127);
}

/* Everything that comes, TEXT_MAX at most, ended by a NUL. NULL: no memory. */
static char *read_all(int fd)
{
    size_t len = 0, size = 4096;
    char *text = malloc(size);

    while (text && len < TEXT_MAX) {
        if (len + 1 == size) {
            char *more = realloc(text, size *= 2);
            if (!more)
                free(text);
            text = more;
            continue;
        }
        const ssize_t got = read(fd, text + len, size - len - 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        len += (size_t)got;
    }
    if (text)
        text[len] = '\0';
    return text;
}

/* Run nft with these arguments and `input` (may be NULL) on its standard input. 0: see *ret_nft; -errno: it was not
 * run. The input goes through a file in memory: nobody has to read while somebody writes. */
static int nft_run(const char *const *arguments, const char *input, struct nft *ret_nft)
{
    const int in = memfd_create("nft", MFD_CLOEXEC);
    int out[2] = {-1, -1}, error = 0;
    pid_t pid = -1;

    if (in < 0 || pipe2(out, O_CLOEXEC) != 0)
        error = -errno;
    const size_t input_len = input ? strlen(input) : 0;
    if (error == 0 && (write(in, input ? input : "", input_len) != (ssize_t)input_len || lseek(in, 0, SEEK_SET) != 0))
        error = -EIO;
    if (error == 0 && (pid = fork()) < 0)
        error = -errno;
    if (pid == 0)
        child_exec(arguments, in, out[1]);
    if (in >= 0)
        close(in);
    if (out[1] >= 0)
        close(out[1]);
    if (error == 0) {
        int status = 0;
        ret_nft->text = read_all(out[0]);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
        ret_nft->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
        error = ret_nft->text ? 0 : -ENOMEM;
    }
    if (out[0] >= 0)
        close(out[0]);
    return error;
}

/* A sentence for what nft could not do. */
static int complain(const char *what, int error, const struct nft *nft)
{
    if (error)
        fprintf(stderr, "tickgate: %s: %s\n", what, strerror(-error));
    else if (nft->status == 127)
        fprintf(stderr, "tickgate: %s: the program nft is not there; install the package nftables\n", what);
    else
        fprintf(stderr, "tickgate: %s; nft says: %s%s", what, nft->text,
                nft->text[0] && nft->text[strlen(nft->text) - 1] == '\n' ? "" : "\n");
    return CMD_FAILED;
}

/* CMD_OK, or CMD_FAILED with a sentence. */
static int transact(const char *rules, bool dry, const char *what)
{
    const char *const arguments[] = {"nft", "-f", "-", dry ? "-c" : NULL, NULL};
    struct nft nft = {0};

    const int error = nft_run(arguments, rules, &nft);
    const int exit_code = error || nft.status ? complain(what, error, &nft) : CMD_OK;
    nft_free(&nft);
    return exit_code;
}

/* Our table as nft prints it: memory that the caller frees; an empty text where there is none, NULL after a
 * sentence. */
static char *listing(void)
{
    static const char *const arguments[] = {"nft", "list", "table", "inet", "tickgate", NULL};
    struct nft nft = {0};

    const int error = nft_run(arguments, NULL, &nft);
    if (error == 0 && nft.status == 0)
        return nft.text;
    if (error == 0 && strstr(nft.text, "No such file or directory") && nft.status != 127) {
        nft.text[0] = '\0';
        return nft.text;
    }
    complain("the rules cannot be read", error, &nft);
    nft_free(&nft);
    return NULL;
}

static int state_now(struct firewall_rules_state *ret_state)
{
    char *text = listing();

    if (!text)
        return CMD_FAILED;
    *ret_state = firewall_rules_state(text);
    free(text);
    return CMD_OK;
}

enum verb { VERB_CONFIRM, VERB_ROLLBACK };

/* The transaction's text, in memory that the caller frees. */
static char *rules_text(const struct firewall_rules_state *state, enum verb verb)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    if (!out)
        return NULL;
    if (verb == VERB_CONFIRM)
        firewall_rules_confirm(out, state);
    else
        firewall_rules_rollback(out, state);
    fclose(out);
    return text;
}

/* The guard: a process without parent, terminal or open files, in a session of its own. When `seconds` are over it
 * removes the change, if that is the one it was made for and still waits. Never returns. */
static void guard(const struct firewall_rules_state *change, uint32_t seconds)
{
    struct timespec due;
    struct nft nft;

    clock_gettime(CLOCK_MONOTONIC, &due);
    due.tv_sec += (time_t)seconds;
    signal(SIGHUP, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    const int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd <= STDERR_FILENO && null >= 0; fd++)
        dup2(null, fd);
    if (chdir("/") != 0)
        _exit(1);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR)
        ;
    static const char *const list[] = {"nft", "list", "table", "inet", "tickgate", NULL};
    static const char *const apply[] = {"nft", "-f", "-", NULL};
    char *rules = rules_text(change, VERB_ROLLBACK);
    for (uint32_t i = 0; rules && i < GUARD_TRIES; i++, due.tv_sec++) {
        if (nft_run(apply, rules, &nft) == 0 && nft.status == 0) {
            syslog(LOG_WARNING, "tickgate firewall: nobody confirmed the new rules; they are taken back");
            _exit(0);
        }
        if (nft_run(list, NULL, &nft) == 0) {
            const struct firewall_rules_state state = firewall_rules_state(nft.status == 0 ? nft.text : "");
            if (state.token != change->token)
                _exit(0); /* confirmed, or taken back, meanwhile */
        }
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR)
            ;
    }
    syslog(LOG_ERR, "tickgate firewall: rules that nobody confirmed could not be removed; they are out of force");
    _exit(1);
}

/* Start the guard; its pid, or -errno. It is nobody's child when this returns. */
static pid_t guard_start(const struct firewall_rules_state *change, uint32_t seconds)
{
    int pid_pipe[2], status;
    pid_t pid = 0;

    if (pipe2(pid_pipe, O_CLOEXEC) != 0)
        return -errno;
    const pid_t middle = fork();
    if (middle == 0) {
        setsid();
        pid = fork();
        if (pid == 0) {
            close(pid_pipe[0]);
            close(pid_pipe[1]);
            guard(change, seconds);
        }
        _exit(write(pid_pipe[1], &pid, sizeof(pid)) == (ssize_t)sizeof(pid) && pid > 0 ? 0 : 1);
    }
    int error = middle < 0 ? -errno : 0;
    while (error == 0 && waitpid(middle, &status, 0) < 0 && errno == EINTR)
        ;
    if (error == 0 && (read(pid_pipe[0], &pid, sizeof(pid)) != (ssize_t)sizeof(pid) || pid <= 0))
        error = -ECHILD;
    close(pid_pipe[0]);
    close(pid_pipe[1]);
    return error ? error : pid;
}

/* Somebody at a terminal that comes over the network should know before, not after. */
static void warn_of_own_connection(const struct config_firewall *firewall)
{
    const char *connection = getenv("SSH_CONNECTION"); /* client address, its port, our address, our port */
    char client[INET_ADDRSTRLEN] = "";
    unsigned port = 0;
    struct in_addr parsed;

    if (!connection || sscanf(connection, "%15s %*s %*s %u", client, &port) != 2 ||
        inet_pton(AF_INET, client, &parsed) != 1)
        return;
    const uint32_t ip = ntohl(parsed.s_addr);
    for (uint32_t i = 0; i < firewall->management_count; i++) {
        const struct config_management *management = &firewall->management[i];
        for (uint32_t s = 0; s < management->source_count; s++) {
            const uint32_t len = management->source[s].len;
            const uint32_t mask = len == 0 ? 0 : UINT32_MAX << (32 - len);
            for (uint32_t p = 0; (ip & mask) == management->source[s].ip && p < management->tcp_port_count; p++)
                if (management->tcp_port[p] == port)
                    return;
        }
    }
    fprintf(stderr, "warning: this terminal comes from %s to port %u, which no `management` of the config lets in\n",
            client, port);
}

/* A name that no interface has yet may get one later, at boot; or it is misspelt, and nothing is guarded. */
static void interface_check(struct config_findings *findings, const struct config *config, const char *key,
                            const char *name)
{
    if (if_nametoindex(name) == 0)
        config_find(findings, true, config->path, config->firewall.line, key,
                    "there is no interface '%s' in this network namespace: nothing is guarded until there is; "
                    "'ip link' lists them",
                    name);
}

static void interfaces_check(struct config_findings *findings, const struct config *config)
{
    const struct config_firewall *firewall = &config->firewall;

    for (uint32_t i = 0; i < firewall->management_count; i++)
        interface_check(findings, config, "firewall.management", firewall->management[i].interface);
    for (uint32_t i = 0; i < firewall->order_interface_count; i++)
        interface_check(findings, config, "firewall.order_interfaces", firewall->order_interface[i]);
    for (uint32_t i = 0; i < firewall->feed_interface_count; i++)
        interface_check(findings, config, "firewall.feed_interfaces", firewall->feed_interface[i]);
}

static int config_take(const char *path, struct config **ret_config)
{
    static struct config_findings findings;

    const int error = config_load(path, ret_config, &findings);
    if (error == 0)
        interfaces_check(&findings, *ret_config);
    for (uint32_t i = 0; i < findings.count; i++)
        if (error || strstr(findings.finding[i].text, ": firewall"))
            fprintf(stderr, "%s\n", findings.finding[i].text);
    if (error) {
        if (findings.error_count == 0)
            fprintf(stderr, "tickgate: %s: %s\n", path, strerror(-error));
        return CMD_USAGE;
    }
    if ((*ret_config)->firewall.present)
        return CMD_OK;
    fprintf(stderr, "%s: there is no section `firewall`; config/example.yaml shows one, commented out\n", path);
    config_free(*ret_config);
    return CMD_USAGE;
}

struct options {
    const char *config_path;
    uint32_t seconds;
    bool dry;
};

/* The kernel has the rules; the guard, if there is one, is on its way. */
static int apply_rules(const struct options *options, const char *rules, const struct firewall_rules_state *change)
{
    const pid_t guard_pid = options->seconds > 0 ? guard_start(change, options->seconds) : 0;

    if (guard_pid < 0) {
        fprintf(stderr, "tickgate: nothing was changed: the process that takes the rules back cannot be started: %s\n",
                strerror(-guard_pid));
        return CMD_FAILED;
    }
    const int exit_code = transact(rules, false, "nothing was changed");
    if (exit_code != CMD_OK) {
        if (guard_pid > 0)
            kill(guard_pid, SIGKILL);
        return exit_code;
    }
    if (options->seconds > 0)
        printf("applied; taken back in %" PRIu32 " s unless you say: tickgate firewall confirm\n", options->seconds);
    else
        puts("applied");
    return CMD_OK;
}

static int apply(const struct options *options)
{
    struct config *config;
    struct firewall_rules_state state;
    char *rules = NULL;
    size_t rules_len;
    uint32_t token = 0;

    int exit_code = config_take(options->config_path, &config);
    if (exit_code != CMD_OK)
        return exit_code;
    exit_code = state_now(&state);
    if (exit_code == CMD_OK && state.pending && !options->dry) {
        fprintf(stderr, "tickgate: a change of before %s; say `tickgate firewall %s` first\n",
                state.expired ? "was not confirmed, and its remains are still there" : "waits for its confirmation",
                state.expired ? "rollback" : "confirm`, or `tickgate firewall rollback");
        exit_code = CMD_FAILED;
    }
    while (exit_code == CMD_OK && token == 0)
        if (getrandom(&token, sizeof(token), 0) != (ssize_t)sizeof(token))
            exit_code = CMD_FAILED;
    FILE *out = exit_code == CMD_OK ? open_memstream(&rules, &rules_len) : NULL;
    if (out) {
        firewall_rules_apply(out, config, &state, token, options->seconds);
        fclose(out);
        warn_of_own_connection(&config->firewall);
        if (options->dry) {
            fputs(rules, stdout);
            exit_code = transact(rules, true, "the kernel would not take these rules");
        } else {
            struct firewall_rules_state change = state;
            change.pending = firewall_rules_next(&state);
            change.token = token;
            exit_code = apply_rules(options, rules, &change);
        }
    }
    free(rules);
    config_free(config);
    return out ? exit_code : CMD_FAILED;
}

static int settle(enum verb verb)
{
    struct firewall_rules_state state;

    int exit_code = state_now(&state);
    if (exit_code != CMD_OK)
        return exit_code;
    if (!state.pending) {
        fputs("tickgate: no change waits for a confirmation; `tickgate firewall show` says what is in force\n", stderr);
        return CMD_FAILED;
    }
    if (verb == VERB_CONFIRM && state.expired) {
        fputs("tickgate: too late: the new rules were taken back when their time was over; apply them again\n", stderr);
        return CMD_FAILED;
    }
    char *rules = rules_text(&state, verb);
    if (!rules)
        return CMD_FAILED;
    exit_code = transact(rules, false,
                         verb == VERB_CONFIRM ? "not confirmed: their time may just be over"
                                              : "not taken back: the change may just have been settled");
    free(rules);
    if (exit_code == CMD_OK)
        puts(verb == VERB_CONFIRM ? "confirmed" : "taken back");
    return exit_code;
}

static int show(void)
{
    char *text = listing();

    if (!text)
        return CMD_FAILED;
    const struct firewall_rules_state state = firewall_rules_state(text);
    fputs(text, stdout);
    if (state.pending)
        puts(state.expired ? "# a change was not confirmed in time and is out of force: tickgate firewall rollback"
                           : "# a change waits for its confirmation (see `expires` of set pending_*)");
    else
        puts(state.current ? "# in force and confirmed" : "# there are no rules of ours");
    free(text);
    return CMD_OK;
}

static int take_away(void)
{
    struct firewall_rules_state state;

    const int exit_code = state_now(&state);
    if (exit_code != CMD_OK || (!state.current && !state.pending)) {
        if (exit_code == CMD_OK)
            puts("there are no rules of ours");
        return exit_code;
    }
    if (transact("delete table inet tickgate\n", false, "not removed") != CMD_OK)
        return CMD_FAILED;
    puts("removed");
    return CMD_OK;
}

static int usage(const char *sentence)
{
    fprintf(stderr, "tickgate firewall: %s; tickgate firewall --help says more\n", sentence);
    return CMD_USAGE;
}

int cmd_firewall(int argc, char **argv)
{
    static const struct option long_options[] = {{"seconds", required_argument, NULL, 's'},
                                                 {"now", no_argument, NULL, 'n'},
                                                 {"dry-run", no_argument, NULL, 'd'},
                                                 {"help", no_argument, NULL, 'h'},
                                                 {0}};
    struct options options = {.seconds = SECONDS_DEFAULT};
    bool seconds_given = false, now = false;
    int option;

    optind = 0;
    while ((option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        char *end;
        switch (option) {
        case 's':
            options.seconds = (uint32_t)strtoul(optarg, &end, 10);
            if (optarg[0] < '1' || optarg[0] > '9' || *end || strlen(optarg) > 5 ||
                options.seconds > FIREWALL_SECONDS_MAX)
                return usage("--seconds is a whole number from 1 to 86400");
            seconds_given = true;
            break;
        case 'n':
            now = true;
            break;
        case 'd':
            options.dry = true;
            break;
        case 'h':
            fputs(help, stdout);
            return CMD_OK;
        default:
            return usage("there is no such option");
        }
    }
    if (now && seconds_given)
        return usage("--now and --seconds exclude each other");
    if (now)
        options.seconds = 0;
    if (optind == argc)
        return usage("what? show, apply, confirm, rollback or remove");
    const char *verb = argv[optind];
    const bool applying = strcmp(verb, "apply") == 0;
    if (argc - optind != (applying ? 2 : 1))
        return usage(applying ? "apply takes one config" : "takes no further argument");
    if (!applying && (options.dry || now || seconds_given))
        return usage("options are for apply");
    if (applying) {
        options.config_path = argv[optind + 1];
        return apply(&options);
    }
    if (strcmp(verb, "confirm") == 0 || strcmp(verb, "rollback") == 0)
        return settle(verb[0] == 'c' ? VERB_CONFIRM : VERB_ROLLBACK);
    if (strcmp(verb, "show") == 0)
        return show();
    return strcmp(verb, "remove") == 0 ? take_away() : usage("what? show, apply, confirm, rollback or remove");
}
