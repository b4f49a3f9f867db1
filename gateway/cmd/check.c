/* `tickgate check CONFIG`: is it right, and what does it mean? Reads the file and this host's CPUs, NUMA nodes and
 * folders, loads plug-ins; starts nothing and touches no hardware. Also check_strategies, which `run` and `replay` call
 * before they build anything. Main thread. */
#include "gateway/cmd/check.h"

#include "gateway/cmd/check_parts.h"
#include "gateway/cmd/cmd.h"
#include "gateway/params.h"
#include "gateway/plugin.h"
#include "gateway/reference_file.h"
#include "gateway/strategy/strategy_table.h"
#include "ring/md_ring.h"

#include <errno.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The line of the parameter that the strategy's sentence is about, else the strategy's. The longest name wins, since
 * one may be part of another. */
static uint32_t param_line(const struct config_strategy *strategy, const char *sentence)
{
    uint32_t line = strategy->line;
    size_t longest = 0;

    for (uint32_t i = 0; i < strategy->param_count; i++) {
        const size_t len = strlen(strategy->param_list[i].key);
        if (len > longest && strstr(sentence, strategy->param_list[i].key)) {
            longest = len;
            line = strategy->param_list[i].line;
        }
    }
    return line;
}

/* A trial start in memory that is thrown away: the strategy alone knows what it takes. Pages are taken where it writes
 * only; what the host has not got is refused, since the gateway takes all of them. */
static void trial(const struct config *config, uint32_t idx, const struct strategy_ops *ops,
                  struct config_findings *findings)
{
    const struct config_strategy *strategy = &config->strategy[idx];
    const size_t host_bytes = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
    struct params_strategy params;
    char error[STRATEGY_ERROR_MAX] = "";
    char key[48];

    params_strategy(config, idx, &params);
    snprintf(key, sizeof(key), "strategies[%u].params", idx);
    const size_t state_bytes = ops->state_size(&params.setup);
    void *state = state_bytes > 0 && state_bytes <= host_bytes
                      ? mmap(NULL, state_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                      : MAP_FAILED;
    if (state == MAP_FAILED) {
        config_find(findings, false, config->path, strategy->line, key,
                    "no memory for %zu bytes of state; trade fewer instruments", state_bytes);
        return;
    }
    if (ops->init(state, &params.setup, error) != 0)
        config_find(findings, false, config->path, param_line(strategy, error), key, "%s",
                    error[0] ? error : "the strategy does not start with these; see config/example.yaml");
    munmap(state, state_bytes);
}

int check_strategies(const struct config *config, struct config_findings *findings)
{
    const uint32_t errors_before = findings->error_count;

    for (uint32_t i = 0; i < config->strategy_count; i++) {
        const struct config_strategy *strategy = &config->strategy[i];
        const struct strategy_ops *ops;
        char error[PLUGIN_ERROR_MAX];
        char key[48];

        if (plugin_strategy(strategy, &ops, error) == 0) {
            trial(config, i, ops, findings);
            continue;
        }
        snprintf(key, sizeof(key), "strategies[%u].%s", i, strategy->plugin ? "plugin" : "kind");
        config_find(findings, false, config->path, strategy->line, key, "%s", error);
    }
    return findings->error_count > errors_before ? -EINVAL : 0;
}

/* The files of the day, as a run would read them, but each by itself: what is wrong with one does not hide what is
 * wrong with the other. */
static void check_daily(const struct config *config, struct config_findings *findings)
{
    static struct config one;
    char error[REFERENCE_FILE_ERROR_MAX];
    struct reference_file daily;

    one = *config;
    one.risk.positions_file = NULL;
    if (reference_file_load(&daily, &one, error) == 0)
        reference_file_free(&daily);
    else
        config_find(findings, false, config->path, config->risk.reference_line, "risk.reference_file", "%s", error);
    one.risk.positions_file = config->risk.positions_file;
    one.risk.reference_file = NULL;
    if (reference_file_load(&daily, &one, error) == 0)
        reference_file_free(&daily);
    else
        config_find(findings, false, config->path, config->risk.positions_line, "risk.positions_file", "%s", error);
}

/* A file that a run makes goes into a folder that is there by then: it may be the service manager that makes it. */
static void check_folder(const struct config *config, uint32_t line, const char *key, const char *path,
                         struct config_findings *findings)
{
    char copy[PATH_MAX];
    struct stat status;

    if (!path || snprintf(copy, sizeof(copy), "%s", path) >= (int)sizeof(copy))
        return; /* too long: whoever opens it says so */
    const char *folder = dirname(copy);
    const int error = stat(folder, &status) != 0 ? errno : S_ISDIR(status.st_mode) ? 0 : ENOTDIR;
    if (error)
        config_find(findings, error == ENOENT, config->path, line, key,
                    "%s: folder %s cannot be used: %s; make it, or write a path in one that is there", path, folder,
                    strerror(error));
}

/* Of the host on which the config runs; a replay makes none of these files. */
static void check_folders(const struct config *config, struct config_findings *findings)
{
    const struct config_admin *admin = &config->admin;

    if (config->orders.present && config->orders.carrier != CONFIG_CARRIER_UDP)
        check_folder(config, config->orders.refs_line, "orders.refs_file", config->orders.refs_file, findings);
    if (!admin->present)
        return;
    check_folder(config, admin->socket_line, "admin.socket", admin->socket, findings);
    check_folder(config, admin->audit_line, "admin.audit_file", admin->audit_file, findings);
}

void check_address_text(uint32_t address, char ret_text[16])
{
    snprintf(ret_text, 16, "%u.%u.%u.%u", address >> 24, address >> 16 & 0xff, address >> 8 & 0xff, address & 0xff);
}

void check_json_address(struct json *json, const char *key, uint32_t ip)
{
    char text[16];

    check_address_text(ip, text);
    json_text_or_null(json, key, ip ? text : NULL);
}

static const char *mode_text(const struct config *config)
{
    return config->gateway.mode == CONFIG_INLINE ? "inline" : "two-core";
}

static const char *memory_text(const struct config *config)
{
    static const char *const texts[] = {
        [CONFIG_MEMORY_AUTO] = "auto", [CONFIG_MEMORY_HUGEPAGES] = "hugepages", [CONFIG_MEMORY_NO_HUGE] = "no-huge"};
    return texts[config->gateway.memory];
}

static void text_admin(const struct config_admin *admin, FILE *out)
{
    if (!admin->present)
        return;
    if (admin->socket)
        fprintf(out, "admin: socket %s, mode %04o, for root, the gateway's own user%s%s\n", admin->socket, admin->mode,
                admin->group[0] ? " and group " : "", admin->group);
    fprintf(out, "admin: audit log %s\n", admin->audit_file);
}

static void text_summary(const struct config *config, FILE *out)
{
    fprintf(out, "gateway %s: %s, memory %s %u MiB, burst %u, ring of %u events (%u KiB)\n", config->gateway.name,
            mode_text(config), memory_text(config), config->gateway.memory_mb, config->gateway.burst,
            config->gateway.ring_slots, config->gateway.ring_slots / (1024 / (uint32_t)CACHE_LINE_BYTES));
    for (uint32_t i = 0; i < config->lcore_count; i++) {
        const char *role = config->lcore[i].role == CONFIG_STRATEGY ? "strategy" : "rx";
        fprintf(out, "lcore %s: CPU %u, %s\n", config->lcore[i].name, config->lcore[i].cpu,
                config->gateway.mode == CONFIG_INLINE ? "rx and strategy" : role);
    }
    check_ports_text(config, out);
    check_feeds_text(config, out);
    check_strategies_text(config, out);
    check_orders_text(config, out);
    text_admin(&config->admin, out);
    fprintf(out, "stage stamps %s, telemetry %s, status line ", config->latency.stages ? "on" : "off",
            config->telemetry.enabled ? "on" : "off");
    if (config->telemetry.report_s)
        fprintf(out, "every %u s\n", config->telemetry.report_s);
    else
        fputs("off\n", out);
}

static void json_admin(struct json *json, const struct config_admin *admin)
{
    char mode[8];

    json_open(json, "admin", '{');
    snprintf(mode, sizeof(mode), "%04o", admin->mode);
    json_text_or_null(json, "socket", admin->socket);
    json_text_or_null(json, "mode", admin->socket ? mode : NULL);
    json_text_or_null(json, "group", admin->group[0] ? admin->group : NULL);
    json_text_or_null(json, "audit_file", admin->audit_file);
    json_close(json, '}');
}

static void json_summary(struct json *json, const struct config *config)
{
    json_open(json, "gateway", '{');
    json_text(json, "name", config->gateway.name);
    json_text(json, "mode", mode_text(config));
    json_text(json, "memory", memory_text(config));
    json_u64(json, "memory_mb", config->gateway.memory_mb);
    json_u64(json, "burst", config->gateway.burst);
    json_u64(json, "ring_slots", config->gateway.ring_slots);
    json_bool(json, "numa_strict", config->gateway.numa_strict);
    json_u64(json, "control_sleep_us", config->gateway.control_sleep_us);
    json_close(json, '}');
    json_open(json, "lcores", '[');
    for (uint32_t i = 0; i < config->lcore_count; i++) {
        json_open(json, NULL, '{');
        json_text(json, "name", config->lcore[i].name);
        json_text(json, "role", config->lcore[i].role == CONFIG_RX ? "rx" : "strategy");
        json_u64(json, "cpu", config->lcore[i].cpu);
        json_close(json, '}');
    }
    json_close(json, ']');
    check_ports_json(json, config);
    check_feeds_json(json, config);
    check_strategies_json(json, config);
    check_orders_json(json, config);
    json_admin(json, &config->admin);
    json_open(json, "latency", '{');
    json_bool(json, "stages", config->latency.stages);
    json_close(json, '}');
    json_open(json, "telemetry", '{');
    json_bool(json, "enabled", config->telemetry.enabled);
    json_u64(json, "report_s", config->telemetry.report_s);
    json_close(json, '}');
}

static void print_json(const char *path, const struct config *config, const struct config_findings *findings, FILE *out)
{
    struct json json;

    json_init(&json, out);
    json_open(&json, NULL, '{');
    json_text(&json, "config", path);
    json_bool(&json, "good", findings->error_count == 0);
    json_u64(&json, "error_count", findings->error_count);
    json_u64(&json, "warning_count", findings->warning_count);
    json_open(&json, "findings", '[');
    for (uint32_t i = 0; i < findings->count; i++) {
        json_open(&json, NULL, '{');
        json_text(&json, "severity", findings->finding[i].warning ? "warning" : "error");
        json_text(&json, "text", findings->finding[i].text);
        json_close(&json, '}');
    }
    json_close(&json, ']');
    if (config)
        json_summary(&json, config);
    json_close(&json, '}');
}

static void print_text(const char *path, const struct config *config, const struct config_findings *findings)
{
    for (uint32_t i = 0; i < findings->count; i++)
        fprintf(stderr, "%s\n", findings->finding[i].text);
    const uint32_t unseen = findings->error_count + findings->warning_count - findings->count;
    if (unseen > 0)
        fprintf(stderr, "%s: and %u more\n", path, unseen);
    if (config && findings->error_count == 0)
        text_summary(config, stdout);
    /* the verdict last, where the eye is; on stderr when it is bad */
    fprintf(findings->error_count ? stderr : stdout, "%s: %s, %u errors, %u warnings\n", path,
            findings->error_count ? "not usable" : "good", findings->error_count, findings->warning_count);
}

static void help(FILE *out)
{
    const struct strategy_ops *ops;

    fputs("usage: tickgate check [--json] [--no-host] CONFIG\n\n"
          "Reads CONFIG, says everything that is wrong with it by file, line and key, and what it means when it is "
          "right.\n"
          "Starts nothing and touches no hardware; plug-ins are loaded and asked about their parameters.\n\n"
          "  --json      the answer as one JSON object on stdout\n"
          "  --no-host   leave out what concerns this machine (CPUs, NUMA nodes, the group, folders): to check a\n"
          "              config made for another\n"
          "  --help      this text\n\n"
          "Exit code: 0 usable (there may be warnings), 2 not usable, or wrong arguments.\n\n"
          "Strategy kinds (others come from plug-ins):\n",
          out);
    for (uint32_t i = 0; (ops = strategy_table_at(i)) != NULL; i++)
        fprintf(out, "  %-11s %s\n", ops->name, ops->summary);
}

int cmd_check(int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'}, {"no-host", no_argument, NULL, 'n'}, {"help", no_argument, NULL, 'h'}, {0}};
    struct config_findings findings;
    struct config *config = NULL;
    bool json = false, host = true;
    int option;

    optind = 0; /* tests call this more than once in one process */
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (option) {
        case 'j':
            json = true;
            break;
        case 'n':
            host = false;
            break;
        case 'h':
            help(stdout);
            return CMD_OK;
        default: /* getopt_long has said what it does not know */
            fputs("tickgate check --help says more\n", stderr);
            return CMD_USAGE;
        }
    }
    if (argc - optind != 1) {
        fprintf(stderr, "tickgate check: %s; tickgate check --help says more\n",
                argc - optind == 0 ? "which config? give its path" : "one config at a time");
        return CMD_USAGE;
    }
    const char *path = argv[optind];
    if (config_load(path, &config, &findings) == 0) {
        (void)check_strategies(config, &findings);
        check_daily(config, &findings);
        if (host) {
            (void)config_check_host(config, &findings);
            check_folders(config, &findings);
        }
    }
    if (json)
        print_json(path, config, &findings, stdout);
    else
        print_text(path, config, &findings);
    config_free(config);
    return findings.error_count == 0 ? CMD_OK : CMD_USAGE;
}
