/* `tickgate run` and `tickgate replay`: the same gateway, the same loops; a replay feeds it from captures. Main
 * thread. */
#include "gateway/cmd/check.h"
#include "gateway/cmd/cmd.h"
#include "gateway/control.h"
#include "gateway/report/report.h"
#include "gateway/report/telemetry.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_MB_DEFAULT 512u
#define FAULT_OPTIONS_MAX 64u
#define WHOLE   "0123456789"
#define DECIMAL WHOLE "."

static const char *const run_help =
    "usage: tickgate run CONFIG [options]\n"
    "Run the gateway live on the ports that CONFIG names, until SIGINT, SIGTERM or SIGHUP.\n\n"
    "  --duration SECONDS  stop by itself after so long, 0.001 to 1000000000\n"
    "  --journal FILE      add one line per order and per execution: what, when, and what caused an order\n"
    "  --json              print the final report as JSON\n"
    "  --help              this text\n\n"
    "exit code: 0 stopped cleanly, 1 something failed, 2 arguments or config are wrong\n";

static const char *const replay_help =
    "usage: tickgate replay CONFIG --capture FILE [--capture FILE]... [options]\n"
    "Run the gateway of CONFIG on captures: pcap, pcapng, Nasdaq BinaryFILE (.itch), each also gzipped, merged by "
    "time.\n\n"
    "  --capture FILE   a capture; up to 16, A and B lines may be separate files\n"
    "  --speed X        1.0 = original timing (default), N = N times as fast, 0.000001 to 1000000, max = as fast as\n"
    "                   the readers take it\n"
    "  --burst N        frames per receive burst, 1 to 64, instead of the config's\n"
    "  --mode MODE      inline or two-core, instead of the config's (two-core configs only)\n"
    "  --venue sim      a matching engine on the captured flow answers orders, in virtual time with the config's\n"
    "                   latencies (orders.sim), so that fills are part of the replay\n"
    "  --orders FILE    write the order frames to a pcap\n"
    "  --journal FILE   write one line per order and per execution: what, when, and what caused an order\n"
    "  --no-throttle    do not hold frames back for slow readers: overruns become possible\n"
    "  --no-hash        do not compute the event and order hashes\n"
    "  --prove          trap every system call of the hot threads and count it; any fails the run\n"
    "  --buffer-mb N    memory for frames loaded ahead of time, 2 to 4095 (default 512)\n"
    "  --fault FEED/LINE:KEY=VALUE[,KEY=VALUE]...\n"
    "                   put faults into a line (FEED/*: every line of a feed, *: of all feeds) on top of the\n"
    "                   config's: loss, duplicate, reorder, corrupt, truncate (percent of packets), skew_us,\n"
    "                   jitter_us, stall_every_ms with stall_ms, restart_at (sequence); may be given several times\n"
    "  --fault-seed N   seed of the faults, a whole number, instead of the config's\n"
    "  --json           print the report as JSON\n"
    "  --help           this text\n\n"
    "exit code: 0 good, 1 damaged capture, lost events (hash void), stopped before the end or another failure,\n"
    "2 arguments or config are wrong\n";

struct options {
    bool replay;
    const char *config_path;
    char *capture[CAPTURE_MERGE_MAX];
    uint32_t capture_count;
    double speed;               /* 0 = max */
    const char *orders_path, *journal_path;
    const char *mode;
    uint32_t burst;             /* 0 = the config's */
    bool no_throttle, no_hash, prove, json, sim;
    uint64_t buffer_mb;
    char *fault[FAULT_OPTIONS_MAX];
    uint32_t fault_count;
    const char *fault_seed;     /* NULL = the config's */
    double duration_s;
};

enum { OPTION_CAPTURE = 1, OPTION_SPEED, OPTION_BURST, OPTION_MODE, OPTION_ORDERS, OPTION_JOURNAL, OPTION_NO_THROTTLE,
       OPTION_NO_HASH, OPTION_PROVE, OPTION_BUFFER, OPTION_FAULT, OPTION_FAULT_SEED, OPTION_JSON, OPTION_HELP,
       OPTION_DURATION, OPTION_VENUE };

static const struct option run_options[] = {
    {"duration", required_argument, NULL, OPTION_DURATION},
    {"journal", required_argument, NULL, OPTION_JOURNAL},
    {"json", no_argument, NULL, OPTION_JSON},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

static const struct option replay_options[] = {
    {"capture", required_argument, NULL, OPTION_CAPTURE},
    {"speed", required_argument, NULL, OPTION_SPEED},
    {"burst", required_argument, NULL, OPTION_BURST},
    {"mode", required_argument, NULL, OPTION_MODE},
    {"venue", required_argument, NULL, OPTION_VENUE},
    {"orders", required_argument, NULL, OPTION_ORDERS},
    {"journal", required_argument, NULL, OPTION_JOURNAL},
    {"no-throttle", no_argument, NULL, OPTION_NO_THROTTLE},
    {"no-hash", no_argument, NULL, OPTION_NO_HASH},
    {"prove", no_argument, NULL, OPTION_PROVE},
    {"buffer-mb", required_argument, NULL, OPTION_BUFFER},
    {"fault", required_argument, NULL, OPTION_FAULT},
    {"fault-seed", required_argument, NULL, OPTION_FAULT_SEED},
    {"json", no_argument, NULL, OPTION_JSON},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

static int usage(const char *what, const char *value)
{
    fprintf(stderr, "tickgate: %s%s%s; see --help\n", what, value ? ": " : "", value ? value : "");
    return CMD_USAGE;
}

_Static_assert(RX_BURST_MAX == 64 && REPLAY_BLOCKS_MAX == 4096, "ranges as the texts here have them");

/* A number of an option, min ... max, of these characters alone: strtod would take 0x10, 1e3 and inf too. -1 when it is
 * none, which is said: `wants`. */
static double number(const char *text, const char *characters, double min, double max, const char *wants)
{
    char *end;

    errno = 0;
    const double value = strtod(text, &end);
    if (!errno && end != text && !*end && !text[strspn(text, characters)] && value >= min && value <= max)
        return value;
    fprintf(stderr, "tickgate: %s, not %s; see --help\n", wants, text);
    return -1.0;
}

/* CMD_OK to go on, otherwise the exit code; *ret_done when there is nothing more to do (--help). */
static int options_parse(struct options *options, int argc, char **argv, bool *ret_done)
{
    int option;
    double value = 0;

    *ret_done = false;
    optind = 1;
    while ((option = getopt_long(argc, argv, "", options->replay ? replay_options : run_options, NULL)) != -1) {
        switch (option) {
        case OPTION_CAPTURE:
            if (options->capture_count == CAPTURE_MERGE_MAX)
                return usage("at most 16 captures", NULL);
            options->capture[options->capture_count++] = optarg;
            break;
        case OPTION_SPEED:
            options->speed = 0.0;
            if (strcmp(optarg, "max") != 0)
                options->speed = value = number(optarg, DECIMAL, 1e-6, 1e6,
                                                "--speed wants max or a number from 0.000001 to 1000000");
            break;
        case OPTION_BURST:
            value = number(optarg, WHOLE, 1, RX_BURST_MAX, "--burst wants a whole number from 1 to 64");
            options->burst = value < 0 ? 0 : (uint32_t)value;
            break;
        case OPTION_MODE:
            options->mode = optarg;
            if (strcmp(optarg, "inline") != 0 && strcmp(optarg, "two-core") != 0)
                return usage("--mode is inline or two-core, not", optarg);
            break;
        case OPTION_VENUE:
            options->sim = true;
            if (strcmp(optarg, "sim") != 0)
                return usage("--venue is sim, not", optarg);
            break;
        case OPTION_ORDERS:
            options->orders_path = optarg;
            break;
        case OPTION_JOURNAL:
            options->journal_path = optarg;
            break;
        case OPTION_NO_THROTTLE:
            options->no_throttle = true;
            break;
        case OPTION_NO_HASH:
            options->no_hash = true;
            break;
        case OPTION_PROVE:
            options->prove = true;
            break;
        case OPTION_BUFFER:
            value = number(optarg, WHOLE, 2, REPLAY_BLOCKS_MAX - 1, "--buffer-mb wants a whole number from 2 to 4095");
            options->buffer_mb = value < 0 ? 0 : (uint64_t)value;
            break;
        case OPTION_FAULT:
            if (options->fault_count == FAULT_OPTIONS_MAX)
                return usage("at most 64 times --fault", NULL);
            options->fault[options->fault_count++] = optarg;
            break;
        case OPTION_FAULT_SEED:
            options->fault_seed = optarg;
            break;
        case OPTION_JSON:
            options->json = true;
            break;
        case OPTION_DURATION:
            options->duration_s = value =
                number(optarg, DECIMAL, 0.001, 1e9, "--duration wants a number from 0.001 to 1000000000");
            break;
        case OPTION_HELP:
            fputs(options->replay ? replay_help : run_help, stdout);
            *ret_done = true;
            return CMD_OK;
        default:
            fprintf(stderr, "tickgate %s --help says more\n", options->replay ? "replay" : "run");
            return CMD_USAGE; /* getopt has said what */
        }
        if (value < 0)
            return CMD_USAGE;
    }
    if (optind + 1 != argc)
        return usage(optind == argc ? "CONFIG is missing" : "one CONFIG, not also",
                     optind == argc ? NULL : argv[optind + 1]);
    options->config_path = argv[optind];
    if (options->replay && options->capture_count == 0)
        return usage("--capture FILE is missing", NULL);
    return CMD_OK;
}

/* --mode: a two-core config runs inline on its only rx lcore, so that the two can be compared on one config. */
static int mode_set(struct config *config, const char *mode)
{
    uint32_t rx_idx = 0, rx_count = 0;

    if (strcmp(mode, "two-core") == 0) {
        if (config->gateway.mode == CONFIG_TWO_CORE)
            return 0;
        fprintf(stderr, "tickgate: --mode two-core: %s has no strategy lcore; use a two-core config\n", config->path);
        return -EINVAL;
    }
    for (uint32_t i = 0; i < config->lcore_count; i++)
        if (config->lcore[i].role == CONFIG_RX) {
            rx_idx = i;
            rx_count++;
        }
    if (rx_count != 1) {
        fprintf(stderr, "tickgate: --mode inline: %s has %u rx lcores, inline is one\n", config->path, rx_count);
        return -EINVAL;
    }
    config->lcore[0] = config->lcore[rx_idx];
    config->lcore_count = 1;
    for (uint32_t i = 0; i < config->feed_count; i++)
        config->feed[i].lcore_idx = 0;
    for (uint32_t i = 0; i < config->strategy_count; i++)
        config->strategy[i].lcore_idx = 0;
    config->gateway.mode = CONFIG_INLINE;
    return 0;
}

static struct config *config_take(const struct options *options)
{
    static struct config_findings findings;
    struct config *config = NULL;

    memset(&findings, 0, sizeof(findings));
    int error = config_load(options->config_path, &config, &findings);
    if (error == 0 && options->mode && mode_set(config, options->mode) != 0) {
        config_free(config);
        return NULL;
    }
    if (error == 0)
        error = config_check_host(config, &findings) | check_strategies(config, &findings);
    for (uint32_t i = 0; i < findings.count; i++)
        fprintf(stderr, "%s\n", findings.finding[i].text);
    if (error == 0)
        return config;
    if (findings.error_count == 0)
        fprintf(stderr, "tickgate: %s: %s\n", options->config_path, strerror(error < 0 ? -error : EINVAL));
    config_free(config);
    return NULL;
}

static int files_open(struct control *control, const struct options *options)
{
    char error[CAPTURE_ERROR_MAX];

    if (options->orders_path && !(control->orders_out = capture_out_open(options->orders_path, error))) {
        fprintf(stderr, "tickgate: %s\n", error);
        return -EIO;
    }
    /* A life that follows on another, by a start script perhaps, adds to what that one has written. */
    if (options->journal_path && !(control->journal = fopen(options->journal_path, options->replay ? "w" : "a"))) {
        fprintf(stderr, "tickgate: --journal %s: cannot be written: %s\n", options->journal_path, strerror(errno));
        return -EIO;
    }
    return 0;
}

static void files_close(struct control *control)
{
    const int error = control->orders_out ? capture_out_close(control->orders_out) : 0;

    if (control->orders_error == 0)
        control->orders_error = error;
    if (control->journal && fclose(control->journal) != 0 && control->journal_error == 0)
        control->journal_error = -errno;
    control->orders_out = NULL;
    control->journal = NULL;
}

static void speed_set(struct topology *topology, double speed)
{
    struct clock_report clock;

    clock_report_load(&topology->clock, &clock);
    for (uint32_t i = 0; i < topology->rx_count; i++) {
        topology->rx[i]->replay->paced = speed > 0;
        topology->rx[i]->replay->ticks_per_ns = speed > 0 ? (double)clock.tsc_hz / 1e9 / speed : 0;
    }
}

/* --fault and --fault-seed, on top of what the config says. */
static int faults_take(const struct options *options, const struct config *config, struct loader_faults *ret_faults)
{
    char error[CAPTURE_ERROR_MAX], *end;

    if (loader_faults(config, options->fault, options->fault_count, ret_faults, error) != 0) {
        fprintf(stderr, "tickgate: %s\n", error);
        return -EINVAL;
    }
    if (!options->fault_seed)
        return 0;
    errno = 0;
    ret_faults->seed = strtoull(options->fault_seed, &end, 10);
    if (!errno && *options->fault_seed >= '0' && *options->fault_seed <= '9' && !*end)
        return 0;
    usage("--fault-seed is a whole number, not", options->fault_seed);
    return -EINVAL;
}

static int gateway_run(const struct options *options, const struct config *config, const struct loader_faults *faults)
{
    static struct topology topology;
    static struct loader loader;
    struct control control = {.topology = &topology, .signal_fd = -1};
    const struct topology_options topology_options = {
        .replay = options->replay,
        .throttle = !options->no_throttle,
        .recording = options->orders_path || options->journal_path,
        .proof = options->prove,
        .hashing = options->replay && !options->no_hash,
        .sim = options->sim,
        .buffer_bytes = options->buffer_mb << 20,
    };
    char error[TOPOLOGY_ERROR_MAX] = "";
    struct timespec begin, end;
    int exit_code = CMD_FAILED;

    if (options->replay &&
        loader_open(&loader, config, faults, options->capture, options->capture_count, error) != 0) {
        fprintf(stderr, "tickgate: %s\n", error);
        loader_close(&loader);
        return CMD_FAILED;
    }
    control.loader = options->replay ? &loader : NULL;
    control.duration_ns = (uint64_t)(options->duration_s * 1e9);
    control.report_s = options->replay ? 0 : config->telemetry.report_s;
    int result = control_init(&control);
    if (result == 0)
        result = files_open(&control, options);
    if (result == 0)
        result = topology_build(&topology, config, &topology_options, error);
    if (result == 0) {
        if (options->replay)
            speed_set(&topology, options->speed);
        if (config->telemetry.enabled)
            telemetry_register(&control);
        clock_gettime(CLOCK_MONOTONIC, &begin);
        result = control_run(&control, error);
        clock_gettime(CLOCK_MONOTONIC, &end);
    }
    files_close(&control);
    if (result == 0) {
        const struct report report = {
            .topology = &topology,
            .control = &control,
            .loader = control.loader,
            .elapsed_s = (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9,
            .damaged_count = options->replay ? loader_complain(&loader) : 0,
        };
        if (options->json)
            report_json(&report, stdout);
        else
            report_text(&report, stdout);
        fflush(stdout);
        exit_code = report_failures(&report, stderr) ? CMD_FAILED : CMD_OK;
    } else if (error[0]) {
        fprintf(stderr, "tickgate: %s\n", error);
    }
    if (topology.hung) { /* it may still use all that would be given back here */
        fflush(NULL);
        _exit(CMD_FAILED);
    }
    orders_close(&control.orders); /* it stands on ports and memory of the topology */
    topology_close(&topology);
    control_finish(&control);
    loader_close(&loader);
    return exit_code;
}

static int run_or_replay(struct options *options, int argc, char **argv)
{
    static struct loader_faults faults;
    bool done;

    const int exit_code = options_parse(options, argc, argv, &done);
    if (exit_code != CMD_OK || done)
        return exit_code;
    struct config *config = config_take(options);
    if (!config)
        return CMD_USAGE;
    if (options->burst > 0)
        config->gateway.burst = options->burst;
    const bool usable = !options->replay || faults_take(options, config, &faults) == 0;
    const int result = usable ? gateway_run(options, config, &faults) : CMD_USAGE;
    config_free(config);
    return result;
}

int cmd_run(int argc, char **argv)
{
    struct options options = {.replay = false};

    return run_or_replay(&options, argc, argv);
}

int cmd_replay(int argc, char **argv)
{
    struct options options = {.replay = true, .speed = 1.0, .buffer_mb = BUFFER_MB_DEFAULT};

    return run_or_replay(&options, argc, argv);
}
