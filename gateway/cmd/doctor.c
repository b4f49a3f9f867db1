/* See doctor.h: the table of checks, and what is said of them. */
#include "gateway/cmd/doctor.h"

#include "gateway/cmd/cmd.h"
#include "gateway/cmd/doctor_nic.h"
#include "gateway/json.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

/* In the order of a preparation: CPUs, interrupts, power, time, memory, cards. `id` is what a script looks for. */
static const struct { const char *id; doctor_check *check; const char *why; } checks[] = {
    {"cpus_online", doctor_online, "A thread cannot be pinned to a CPU that is not there: the start is refused."},
    {"isolcpus", doctor_isolcpus,
     "The scheduler puts other threads on a hot CPU: each visit costs 5 us to 4 ms of blindness."},
    {"nohz_full", doctor_nohz_full,
     "The timer tick interrupts a hot CPU 250 to 1000 times a second, 1 to 10 us each."},
    {"rcu_nocbs", doctor_rcu_nocbs, "RCU callbacks run in a softirq on the hot CPU, some 10 us at a time."},
    {"irq_affinity", doctor_irq_affinity, "A device interrupt on a hot CPU costs 2 to 50 us with its softirq."},
    {"irqbalance", doctor_irqbalance,
     "It moves interrupts onto hot CPUs again, ten seconds after you moved them away."},
    {"smt_siblings", doctor_smt,
     "Two threads of one core share its units and first caches: whatever the sibling does, the hot one feels."},
    {"governor", doctor_governor, "A clock that rises with load is low when the burst comes."},
    {"c_states", doctor_cstates,
     "A core that sleeps deeply needs its latency to wake: blocking sockets and the control thread wait for it."},
    {"tsc_invariant", doctor_tsc, "Every latency is measured by the TSC; one that changes its rate measures nothing."},
    {"clocksource", doctor_clocksource, "A clock source other than the TSC makes each clock_gettime a slow read."},
    {"steal", doctor_steal, "A hypervisor takes CPUs away unseen; no setting of this host prevents it."},
    {"nmi_watchdog", doctor_nmi_watchdog, "It interrupts every CPU by a performance counter, hot ones too."},
    {"soft_watchdog", doctor_soft_watchdog, "It wakes a thread of highest priority on every CPU every few seconds."},
    {"vmstat", doctor_vmstat, "Memory counters of each CPU are folded by a worker on that very CPU."},
    {"kernel", doctor_kernel, "What is missing in a kernel is found out at the first start, or never."},
    {"hugepages", doctor_hugepages, "Books and frames on 4 KiB pages miss the TLB on nearly every access."},
    {"thp", doctor_thp, "Compaction for transparent huge pages stalls whoever touches memory."},
    {"numa_balancing", doctor_numa_balancing, "It unmaps pages to see who touches them: page faults on hot threads."},
    {"swap", doctor_swap, "A page that was swapped out costs milliseconds when it is touched."},
    {"memlock", doctor_memlock, "AF_XDP and locked memory fail where the limit is lower than what they need."},
    {"nic_node", doctor_nic_node, "A card on another node than its lcore: each descriptor crosses sockets, 100 ns."},
    {"pcie_link", doctor_pcie, "A link below what the card can do delays every frame and drops in bursts."},
    {"pause_frames", doctor_pause, "A pause frame of a neighbour stops the orders; one of ours stops the feed."},
    {"coalescing", doctor_coalesce, "A card that waits before it interrupts delays what the kernel receives."},
    {"firmware", doctor_firmware, "Compare with the vendor's release notes before a problem does it for you."},
    {"busy_poll", doctor_busy_poll, "Without deferred interrupts the card interrupts beside the poll."},
    {"socket_buffers", doctor_buffers, "A socket whose buffer is short drops bursts."},
};
#define CHECKS (sizeof(checks) / sizeof(checks[0]))

const char *doctor_status_name(enum doctor_status status)
{
    static const char *const names[] = {
        [DOCTOR_OK] = "ok", [DOCTOR_WARN] = "warn", [DOCTOR_BAD] = "bad", [DOCTOR_UNKNOWN] = "unknown"};
    return status <= DOCTOR_UNKNOWN ? names[status] : "unknown";
}

/* --- for the checks */

void doctor_say(struct doctor_finding *finding, enum doctor_status status, const char *format, ...)
{
    va_list list;

    finding->status = status;
    va_start(list, format);
    vsnprintf(finding->seen, sizeof(finding->seen), format, list);
    va_end(list);
}

void doctor_fix(struct doctor_finding *finding, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    vsnprintf(finding->fix, sizeof(finding->fix), format, list);
    va_end(list);
}

struct doctor_finding *doctor_next(struct doctor *doctor, struct doctor_finding *finding, const char *subject)
{
    if (doctor->count == DOCTOR_FINDINGS_MAX) /* more than a config's ports and checks can make */
        return finding;
    struct doctor_finding *next = &doctor->finding[doctor->count++];
    *next = (struct doctor_finding){.id = finding->id, .why = finding->why};
    snprintf(next->subject, sizeof(next->subject), "%s", subject);
    return next;
}

bool doctor_parameter(const struct doctor *doctor, const char *name, char *ret_value, size_t value_max)
{
    char text[4096];
    const size_t name_len = strlen(name);

    if (sysfile_read(doctor->root, text, sizeof(text), "/proc/cmdline") <= 0)
        return false;
    for (const char *at = text; *at; at += strcspn(at, " \n")) {
        at += strspn(at, " \n");
        if (strncmp(at, name, name_len) != 0 || at[name_len] != '=')
            continue;
        at += name_len + 1;
        snprintf(ret_value, value_max, "%.*s", (int)strcspn(at, " \n"), at);
        return true;
    }
    return false;
}

const struct sysfile_cpus *doctor_hot(const struct doctor *doctor)
{
    return sysfile_cpus_count(&doctor->hot) > 0 ? &doctor->hot : &doctor->online;
}

/* --- looking */

static void cpus_find(struct doctor *doctor)
{
    char text[1024];

    if (sysfile_line(doctor->root, text, sizeof(text), "/sys/devices/system/cpu/online"))
        sysfile_cpus_parse(text, &doctor->online);
    if (doctor->config)
        for (uint32_t i = 0; i < doctor->config->lcore_count; i++)
            sysfile_cpus_add(&doctor->hot, doctor->config->lcore[i].cpu);
    else if (sysfile_line(doctor->root, text, sizeof(text), "/sys/devices/system/cpu/isolated"))
        sysfile_cpus_parse(text, &doctor->hot);
    for (uint32_t cpu = 0; cpu < SYSFILE_CPUS_MAX; cpu++)
        if (sysfile_cpus_has(&doctor->online, cpu) && !sysfile_cpus_has(&doctor->hot, cpu))
            sysfile_cpus_add(&doctor->housekeeping, cpu);
}

void doctor_look(struct doctor *doctor, const char *root, const struct config *config,
                 bool (*nic_ask)(const char *iface, struct doctor_nic *ret_nic))
{
    memset(doctor, 0, sizeof(*doctor));
    doctor->root = root;
    doctor->config = config;
    doctor->nic_ask = nic_ask ? nic_ask : doctor_nic_ask;
    cpus_find(doctor);
    for (size_t i = 0; i < CHECKS && doctor->count < DOCTOR_FINDINGS_MAX; i++) {
        struct doctor_finding *finding = &doctor->finding[doctor->count++];
        *finding = (struct doctor_finding){.id = checks[i].id, .status = DOCTOR_UNKNOWN, .why = checks[i].why};
        checks[i].check(doctor, finding);
    }
    for (uint32_t i = 0; i < doctor->count; i++)
        doctor->status_count[doctor->finding[i].status]++;
}

void doctor_text(const struct doctor *doctor, FILE *out)
{
    char cpus[256];

    fprintf(out, "hot CPUs: %s (%s)\n", sysfile_cpus_text(&doctor->hot, cpus, sizeof(cpus)),
            doctor->config ? "lcores of the config" : "isolated ones; give a CONFIG to look at its own");
    for (uint32_t i = 0; i < doctor->count; i++) {
        const struct doctor_finding *finding = &doctor->finding[i];
        fprintf(out, "%-8s %s%s%s: %s\n", doctor_status_name(finding->status), finding->id,
                finding->subject[0] ? " " : "", finding->subject, finding->seen);
        if (finding->status == DOCTOR_OK || !finding->fix[0])
            continue;
        fprintf(out, "         why: %s\n         fix: %s\n", finding->why, finding->fix);
    }
    fprintf(out, "%u ok, %u warn, %u bad, %u unknown\n", doctor->status_count[DOCTOR_OK],
            doctor->status_count[DOCTOR_WARN], doctor->status_count[DOCTOR_BAD], doctor->status_count[DOCTOR_UNKNOWN]);
}

void doctor_json(const struct doctor *doctor, FILE *out)
{
    struct json json;
    char cpus[1024];

    json_init(&json, out);
    json_open(&json, NULL, '{');
    json_text(&json, "hot_cpus", sysfile_cpus_text(&doctor->hot, cpus, sizeof(cpus)));
    json_open(&json, "findings", '[');
    for (uint32_t i = 0; i < doctor->count; i++) {
        const struct doctor_finding *finding = &doctor->finding[i];
        json_open(&json, NULL, '{');
        json_text(&json, "id", finding->id);
        if (finding->subject[0])
            json_text(&json, "subject", finding->subject);
        json_text(&json, "status", doctor_status_name(finding->status));
        json_text(&json, "seen", finding->seen);
        json_text(&json, "why", finding->why);
        json_text(&json, "fix", finding->fix);
        json_close(&json, '}');
    }
    json_close(&json, ']');
    for (uint32_t i = 0; i <= DOCTOR_UNKNOWN; i++)
        json_u64(&json, doctor_status_name((enum doctor_status)i), doctor->status_count[i]);
    json_close(&json, '}');
}

/* --- the command */

static const char *const help =
    "usage: tickgate doctor [CONFIG] [options]\n"
    "Is this host prepared for hot threads? Looks at CPUs, interrupts, power, clocks, memory and cards; changes\n"
    "nothing. With CONFIG at the CPUs, nodes and ports that it names, otherwise at the isolated CPUs.\n\n"
    "  --json       print findings[{id, subject, status, seen, why, fix}]; status: ok, warn, bad, unknown\n"
    "  --root DIR   read DIR/proc and DIR/sys, which must be there, instead of this host's\n"
    "  --help       this text\n\n"
    "exit code: 0 nothing to do, 1 something is warn or bad, 2 arguments or config are wrong\n";

static int config_take(const char *path, struct config **ret_config)
{
    static struct config_findings findings;
    const int error = config_load(path, ret_config, &findings);

    for (uint32_t i = 0; i < findings.count && error; i++)
        fprintf(stderr, "%s\n", findings.finding[i].text);
    if (error && findings.error_count == 0)
        fprintf(stderr, "tickgate: %s: %s\n", path, strerror(-error));
    return error;
}

int cmd_doctor(int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'}, {"root", required_argument, NULL, 'r'}, {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0}};
    static struct doctor doctor;
    struct config *config = NULL;
    const char *root = "";
    bool json = false;
    int option;

    optind = 1;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'j':
            json = true;
            break;
        case 'r':
            root = optarg;
            break;
        case 'h':
            fputs(help, stdout);
            return CMD_OK;
        default: /* getopt has said what */
            fputs("tickgate doctor --help says more\n", stderr);
            return CMD_USAGE;
        }
    }
    if (optind + 1 < argc) {
        fprintf(stderr, "tickgate: one CONFIG, not also: %s; see --help\n", argv[optind + 1]);
        return CMD_USAGE;
    }
    if (!sysfile_exists(root, "/proc") || !sysfile_exists(root, "/sys")) {
        fprintf(stderr, "tickgate: --root %s holds no proc and sys: nothing could be looked at; see --help\n", root);
        return CMD_USAGE;
    }
    if (optind < argc && config_take(argv[optind], &config) != 0)
        return CMD_USAGE;
    doctor_look(&doctor, root, config, NULL);
    if (json)
        doctor_json(&doctor, stdout);
    else
        doctor_text(&doctor, stdout);
    if (config)
        config_free(config);
    return doctor.status_count[DOCTOR_WARN] + doctor.status_count[DOCTOR_BAD] > 0 ? CMD_FAILED : CMD_OK;
}
