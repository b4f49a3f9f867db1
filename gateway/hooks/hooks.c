/* See hooks.h. libbpf loads the program and finds the kernel's types; the links are made by bpf(2) itself, since links
 * of this kind are younger than Debian's libbpf and headers. */
#include "gateway/hooks/hooks.h"

#include "gateway/cmd/cmd.h"
#include "gateway/hooks/hooks_object.h" /* made by clang and embed.py at build time */

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* linux/bpf.h of 6.4 and later. */
#define PROG_TYPE_NETFILTER   ((enum bpf_prog_type)32)
#define ATTACH_TYPE_NETFILTER ((enum bpf_attach_type)45)
#define FAMILY_IPV4           2u     /* NFPROTO_IPV4 */
#define PRIORITY              (-399) /* before connection tracking and every table; two of us are refused (EBUSY) */

#define SECONDS_MAX 86400u

static const char help[] =
    "usage: tickgate hooks [--port PROTOCOL:PORT]... [--drop HOOK:PROTOCOL:PORT]... [--seconds N] [--json]\n"
    "Count IPv4 packets at the kernel's netfilter hooks, by protocol and by destination port, until SIGINT, SIGTERM "
    "or\n"
    "the end of the time; then print what was counted. Root, Linux 6.4 or later with CONFIG_NETFILTER_BPF_LINK.\n\n"
    "  --port udp:26477        count packets to this port, too (udp or tcp)\n"
    "  --drop input:udp:26477  ... and drop them at this hook: prerouting, input, forward, output, postrouting\n"
    "  --seconds N             stop by itself, 1 to 86400\n"
    "  --json                  print JSON\n"
    "  --help                  this text\n\n"
    "Packets that DPDK or AF_XDP take never come here. When the process ends, however it ends, nothing of it stays.\n"
    "exit code: 0 counted, 1 the kernel refused, 2 arguments are wrong\n";

struct hooks {
    struct hooks_ports ports;
    uint32_t seconds; /* 0 = until a signal */
    bool json;
    struct bpf_object *object;
    int map_fd;
    int link_fd[HOOKS_COUNT];
    int cpu_count;
};

static int silent(enum libbpf_print_level level, const char *format, va_list list)
{
    (void)level;
    (void)format;
    (void)list;
    return 0;
}

static int complain(const char *what, int error)
{
    fprintf(stderr, "tickgate hooks: %s: %s%s\n", what, strerror(error),
            error == EPERM || error == EACCES ? "; it takes root" : "");
    return CMD_FAILED;
}

static int load(struct hooks *hooks)
{
    LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = "tickgate_hooks");

    libbpf_set_print(silent);
    hooks->cpu_count = libbpf_num_possible_cpus();
    hooks->object = bpf_object__open_mem(hooks_object, sizeof(hooks_object), &options);
    if (!hooks->object)
        return complain("the program cannot be read", errno);
    struct bpf_program *program = bpf_object__find_program_by_name(hooks->object, "hooks_prog");
    bpf_program__set_type(program, PROG_TYPE_NETFILTER);
    bpf_program__set_expected_attach_type(program, ATTACH_TYPE_NETFILTER);
    const int error = -bpf_object__load(hooks->object);
    if (error == EINVAL || error == ESRCH || error == ENOENT) { /* no such program type, or no types to find */
        fputs(
            "tickgate hooks: this kernel has no BPF programs at its netfilter hooks; it takes Linux 6.4 or later with "
            "CONFIG_NETFILTER_BPF_LINK and CONFIG_DEBUG_INFO_BTF\n",
            stderr);
        return CMD_FAILED;
    }
    if (error)
        return complain("the kernel does not take the program", error);
    hooks->map_fd = bpf_object__find_map_fd_by_name(hooks->object, "hooks_flows");
    return CMD_OK;
}

/* An empty flow, on every CPU. */
static int enter(const struct hooks *hooks, struct hooks_key key, bool drop)
{
    struct hooks_flow *flows = calloc((size_t)hooks->cpu_count, sizeof(*flows));

    if (!flows)
        return ENOMEM;
    for (int cpu = 0; cpu < hooks->cpu_count; cpu++)
        flows[cpu].drop = drop;
    const int error = bpf_map_update_elem(hooks->map_fd, &key, flows, BPF_ANY) == 0 ? 0 : errno;
    free(flows);
    return error;
}

static int enter_all(const struct hooks *hooks)
{
    static const uint8_t protocols[] = {IPPROTO_UDP, IPPROTO_TCP, 0};
    int error = 0;

    for (uint8_t hook = 0; hook < HOOKS_COUNT; hook++) {
        for (size_t i = 0; i < sizeof(protocols) && error == 0; i++)
            error = enter(hooks, (struct hooks_key){.hook = hook, .protocol = protocols[i]}, false);
        for (uint32_t i = 0; i < hooks->ports.count && error == 0; i++) {
            const struct hooks_port *port = &hooks->ports.port[i];
            error = enter(hooks, (struct hooks_key){.hook = hook, .protocol = port->protocol, .port = port->port},
                          (port->drop_mask >> hook & 1) != 0);
        }
    }
    return error ? complain("the ports cannot be entered", error) : CMD_OK;
}

static int attach(struct hooks *hooks)
{
    const int program_fd = bpf_program__fd(bpf_object__find_program_by_name(hooks->object, "hooks_prog"));

    for (uint32_t hook = 0; hook < HOOKS_COUNT; hook++) {
        const struct { /* union bpf_attr, link_create of 6.4 */
            uint32_t program_fd, target_fd, attach_type, flags;
            uint32_t family, hook;
            int32_t priority;
            uint32_t netfilter_flags;
            uint8_t rest[64]; /* of what younger kernels know: zero */
        } attributes = {.program_fd = (uint32_t)program_fd,
                        .attach_type = ATTACH_TYPE_NETFILTER,
                        .family = FAMILY_IPV4,
                        .hook = hook,
                        .priority = PRIORITY};
        hooks->link_fd[hook] = (int)syscall(SYS_bpf, BPF_LINK_CREATE, &attributes, 32u);
        if (hooks->link_fd[hook] < 0 && errno == EBUSY) {
            fputs("tickgate hooks: another `tickgate hooks` is at these hooks already; stop it first\n", stderr);
            return CMD_FAILED;
        }
        if (hooks->link_fd[hook] < 0)
            return complain("the kernel does not attach the program", errno);
    }
    return CMD_OK;
}

/* Until a signal, or the end of the time. */
static int wait_end(const struct hooks *hooks)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    struct pollfd fd = {.fd = signalfd(-1, &set, SFD_CLOEXEC), .events = POLLIN};
    if (fd.fd < 0)
        return complain("signals cannot be waited for", errno);
    fputs("tickgate hooks: counting\n", stderr);
    if (poll(&fd, 1, hooks->seconds > 0 ? (int)hooks->seconds * 1000 : -1) < 0 && errno != EINTR)
        return complain("waiting failed", errno);
    close(fd.fd);
    return CMD_OK;
}

static struct hooks_flow sum(const struct hooks *hooks, const struct hooks_key *key)
{
    struct hooks_flow *flows = calloc((size_t)hooks->cpu_count, sizeof(*flows));
    struct hooks_flow all = {0};

    if (flows && bpf_map_lookup_elem(hooks->map_fd, key, flows) == 0)
        for (int cpu = 0; cpu < hooks->cpu_count; cpu++) {
            all.packets += flows[cpu].packets;
            all.bytes += flows[cpu].bytes;
            all.dropped += flows[cpu].dropped;
        }
    free(flows);
    return all;
}

static void print_row(const struct hooks *hooks, uint8_t hook, uint8_t protocol, uint16_t port, bool *first)
{
    const struct hooks_key key = {.hook = hook, .protocol = protocol, .port = port};
    const struct hooks_flow flow = sum(hooks, &key);
    const char *name = protocol == IPPROTO_UDP ? "udp" : protocol == IPPROTO_TCP ? "tcp" : "other";
    char port_text[8] = "all";

    if (port)
        snprintf(port_text, sizeof(port_text), "%u", port);
    if (hooks->json)
        printf("%s\n  {\"hook\": \"%s\", \"protocol\": \"%s\", \"port\": %u, \"packets\": %" PRIu64
               ", \"bytes\": %" PRIu64 ", \"dropped\": %" PRIu64 "}",
               *first ? "" : ",", hooks_name(hook), name, port, (uint64_t)flow.packets, (uint64_t)flow.bytes,
               (uint64_t)flow.dropped);
    else
        printf("%-12s %-6s %6s %12" PRIu64 " %14" PRIu64 " %12" PRIu64 "\n", hooks_name(hook), name, port_text,
               (uint64_t)flow.packets, (uint64_t)flow.bytes, (uint64_t)flow.dropped);
    *first = false;
}

static void print_all(const struct hooks *hooks)
{
    bool first = true;

    if (hooks->json)
        fputs("{\"hooks\": [", stdout);
    else
        printf("%-12s %-6s %6s %12s %14s %12s\n", "hook", "", "port", "packets", "bytes", "dropped");
    for (uint8_t hook = 0; hook < HOOKS_COUNT; hook++) {
        print_row(hooks, hook, IPPROTO_UDP, 0, &first);
        print_row(hooks, hook, IPPROTO_TCP, 0, &first);
        print_row(hooks, hook, 0, 0, &first);
        for (uint32_t i = 0; i < hooks->ports.count; i++)
            print_row(hooks, hook, hooks->ports.port[i].protocol, hooks->ports.port[i].port, &first);
    }
    if (hooks->json)
        fputs("\n]}\n", stdout);
}

static int usage(const char *sentence, const char *what)
{
    fprintf(stderr, "tickgate hooks: %s%s%s; tickgate hooks --help says more\n", sentence, what ? " " : "",
            what ? what : "");
    return CMD_USAGE;
}

/* CMD_OK; else, or with *ret_done, there is nothing more to do. */
static int options_parse(struct hooks *hooks, int argc, char **argv, bool *ret_done)
{
    static const struct option long_options[] = {
        {"port", required_argument, NULL, 'p'},    {"drop", required_argument, NULL, 'd'},
        {"seconds", required_argument, NULL, 's'}, {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},          {0}};
    int option, error;
    char *end;

    *ret_done = false;
    optind = 0;
    while ((option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        switch (option) {
        case 'p':
        case 'd':
            error = hooks_ports_add(&hooks->ports, optarg, option == 'd');
            if (error == -ENOSPC)
                return usage("too many ports; it stops at", optarg);
            if (error)
                return usage(option == 'd' ? "--drop is HOOK:PROTOCOL:PORT, as in input:udp:26477, not"
                                           : "--port is PROTOCOL:PORT, as in udp:26477, not",
                             optarg);
            break;
        case 's':
            hooks->seconds = (uint32_t)strtoul(optarg, &end, 10);
            if (optarg[0] < '1' || optarg[0] > '9' || *end || strlen(optarg) > 5 || hooks->seconds > SECONDS_MAX)
                return usage("--seconds is a whole number from 1 to 86400, not", optarg);
            break;
        case 'j':
            hooks->json = true;
            break;
        case 'h':
            fputs(help, stdout);
            *ret_done = true;
            return CMD_OK;
        default:
            return usage("there is no such option", NULL);
        }
    }
    return optind == argc ? CMD_OK : usage("takes no argument, not", argv[optind]);
}

int cmd_hooks(int argc, char **argv)
{
    struct hooks hooks = {.map_fd = -1, .link_fd = {-1, -1, -1, -1, -1}};
    sigset_t set;
    bool done;

    int exit_code = options_parse(&hooks, argc, argv, &done);
    if (exit_code != CMD_OK || done)
        return exit_code;
    sigemptyset(&set); /* before the program is attached: a signal in between must end in the printed counts */
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    exit_code = load(&hooks);
    if (exit_code == CMD_OK)
        exit_code = enter_all(&hooks);
    if (exit_code == CMD_OK)
        exit_code = attach(&hooks);
    if (exit_code == CMD_OK)
        exit_code = wait_end(&hooks);
    for (uint32_t hook = 0; hook < HOOKS_COUNT; hook++) /* off before it is read: the numbers stand still */
        if (hooks.link_fd[hook] >= 0)
            close(hooks.link_fd[hook]);
    if (exit_code == CMD_OK)
        print_all(&hooks);
    bpf_object__close(hooks.object);
    return exit_code;
}
