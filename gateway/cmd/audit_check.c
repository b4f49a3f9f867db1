/* `tickgate audit`: is an audit log whole? Main thread; no EAL; also while a gateway writes it. */
#include "gateway/admin/audit.h"
#include "gateway/cmd/cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const help =
    "usage: tickgate audit FILE [--expect LINE:HASH]\n"
    "Check an audit log (admin.audit_file): every line has the hash that follows from it and from the line before, so "
    "that\n"
    "none was changed, removed, put in or moved. The gateway says its last line when it starts and when it ends, and "
    "in\n"
    "`tickgate admin SOCKET status`: with that line a log is also known not to have been cut.\n\n"
    "  --expect LINE:HASH  line LINE must be there and have this hash (at least 8 digits of it)\n"
    "  --help              this text\n\n"
    "exit code: 0 whole (an unfinished last line is what a crash leaves, and said), 1 damaged or cut, 2 arguments are "
    "wrong\n"
    "or the file cannot be read\n";

static int usage(const char *what, const char *value)
{
    fprintf(stderr, "tickgate: audit: %s%s%s; see --help\n", what, value ? ": " : "", value ? value : "");
    return CMD_USAGE;
}

static int report(const char *path, const struct audit_scan *scan, enum audit_verdict verdict,
                  const struct audit_pin *pin)
{
    printf("%s: %" PRIu64 " lines", path, scan->seq);
    if (scan->seq > 0)
        printf(", %s to %s, last hash %s", scan->first_time, scan->last_time, scan->hash);
    putchar('\n');
    if (scan->torn_len > 0)
        printf("%lld bytes of an unfinished line follow: a crash while it was written; what it told of never took "
               "effect\n",
               (long long)scan->torn_len);
    switch (verdict) {
    case AUDIT_DAMAGED:
        printf("DAMAGED: line %" PRIu64 " %s\n", scan->damaged_line, scan->why);
        return CMD_FAILED;
    case AUDIT_CUT:
        printf("CUT: line %" PRIu64 " with hash %s is not in it\n", pin->seq, pin->hash);
        return CMD_FAILED;
    default:
        puts("whole");
        return CMD_OK;
    }
}

int cmd_audit(int argc, char **argv)
{
    static const struct option options[] = {
        {"expect", required_argument, NULL, 'e'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
    struct audit_pin pin = {0};
    struct audit_scan scan;
    enum audit_verdict verdict = AUDIT_WHOLE;
    int option;

    optind = 1;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'h') {
            fputs(help, stdout);
            return CMD_OK;
        }
        if (option != 'e')
            return CMD_USAGE; /* getopt has said what */
        if (!audit_pin_parse(optarg, &pin))
            return usage("not a line and its hash", optarg);
    }
    if (optind + 1 != argc)
        return usage(optind == argc ? "FILE is missing" : "one FILE, not also",
                     optind == argc ? NULL : argv[optind + 1]);
    const int fd = open(argv[optind], O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    const int error = fd < 0 ? -errno : audit_scan(fd, &pin, &scan, &verdict);
    if (fd >= 0)
        close(fd);
    if (error) {
        fprintf(stderr, "tickgate: audit: %s: %s\n", argv[optind], strerror(-error));
        return CMD_USAGE;
    }
    return report(argv[optind], &scan, verdict, &pin);
}
