/* Checks of `tickgate doctor` about CPUs: who else may run on the hot ones, what takes them away for a moment, how they
 * tell time. See doctor.h. */
#include "gateway/cmd/doctor.h"

#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LIST_MAX 256u
#define STATES_MAX 16u
#define DEEP_LATENCY_US 10u   /* a C-state that takes longer to leave is a deep one */
#define SHOWN_MAX 6u          /* interrupts that are listed by number */
#define STEAL_WARN_PPM 1000u  /* of all time since the host started */

static const char *list(const struct sysfile_cpus *cpus, char ret_text[LIST_MAX])
{
    return sysfile_cpus_text(cpus, ret_text, LIST_MAX);
}

/* Hot CPUs that are not in `cpus`. */
static struct sysfile_cpus outside(const struct doctor *doctor, const struct sysfile_cpus *cpus)
{
    struct sysfile_cpus rest = *doctor_hot(doctor);

    for (uint32_t i = 0; i < SYSFILE_CPUS_MAX / 64; i++)
        rest.word[i] &= ~cpus->word[i];
    return rest;
}

/* The three kernel parameters that keep others off: all hot CPUs are in the list, or some are not. */
static void covered(struct doctor *doctor, struct doctor_finding *finding, const char *what,
                    const struct sysfile_cpus *cpus, const char *parameter)
{
    char have[LIST_MAX], lack[LIST_MAX], hot[LIST_MAX];
    const struct sysfile_cpus rest = outside(doctor, cpus);

    if (sysfile_cpus_count(&doctor->hot) == 0)
        doctor_say(finding, DOCTOR_WARN, "%s: %s; no config says which CPUs are hot", what, list(cpus, have));
    else if (sysfile_cpus_count(&rest) == 0)
        doctor_say(finding, DOCTOR_OK, "%s: %s", what, list(cpus, have));
    else
        doctor_say(finding, DOCTOR_WARN, "%s: %s, without hot CPU %s", what, list(cpus, have), list(&rest, lack));
    if (finding->status != DOCTOR_OK)
        doctor_fix(finding, "kernel parameter %s%s, then reboot", parameter,
                   sysfile_cpus_count(&doctor->hot) > 0 ? list(&doctor->hot, hot) : "CPUS");
}

void doctor_online(struct doctor *doctor, struct doctor_finding *finding)
{
    char text[LIST_MAX], lack[LIST_MAX];
    struct sysfile_cpus cpus;

    if (!sysfile_line(doctor->root, text, sizeof(text), "/sys/devices/system/cpu/online")) {
        doctor_say(finding, DOCTOR_UNKNOWN, "/sys/devices/system/cpu/online cannot be read");
        return;
    }
    sysfile_cpus_parse(text, &cpus);
    const struct sysfile_cpus rest = outside(doctor, &cpus);
    if (sysfile_cpus_count(&rest) == 0) {
        doctor_say(finding, DOCTOR_OK, "CPUs online: %s", text);
        return;
    }
    doctor_say(finding, DOCTOR_BAD, "CPUs online: %s, without hot CPU %s", text, list(&rest, lack));
    doctor_fix(finding, "lcores: cpu: ones of %s", text);
}

void doctor_isolcpus(struct doctor *doctor, struct doctor_finding *finding)
{
    char text[LIST_MAX];
    struct sysfile_cpus cpus;

    if (!sysfile_line(doctor->root, text, sizeof(text), "/sys/devices/system/cpu/isolated")) {
        doctor_say(finding, DOCTOR_UNKNOWN, "/sys/devices/system/cpu/isolated cannot be read");
        return;
    }
    sysfile_cpus_parse(text, &cpus);
    covered(doctor, finding, "isolated CPUs", &cpus, "isolcpus=managed_irq,domain,");
}

void doctor_nohz_full(struct doctor *doctor, struct doctor_finding *finding)
{
    char text[LIST_MAX];
    struct sysfile_cpus cpus;

    if (!sysfile_line(doctor->root, text, sizeof(text), "/sys/devices/system/cpu/nohz_full")) {
        doctor_say(finding, DOCTOR_UNKNOWN, "this kernel has no nohz_full (CONFIG_NO_HZ_FULL is off)");
        doctor_fix(finding, "a kernel with CONFIG_NO_HZ_FULL, and its parameter nohz_full=CPUS");
        return;
    }
    sysfile_cpus_parse(text, &cpus);
    covered(doctor, finding, "CPUs without a tick", &cpus, "nohz_full=");
}

void doctor_rcu_nocbs(struct doctor *doctor, struct doctor_finding *finding)
{
    char text[LIST_MAX];
    struct sysfile_cpus cpus = {0}, full;

    if (!sysfile_exists(doctor->root, "/proc/cmdline")) {
        doctor_say(finding, DOCTOR_UNKNOWN, "/proc/cmdline cannot be read");
        return;
    }
    if (doctor_parameter(doctor, "rcu_nocbs", text, sizeof(text))) {
        if (strcmp(text, "all") == 0)
            cpus = doctor->online;
        else
            sysfile_cpus_parse(text, &cpus);
    }
    /* nohz_full takes callbacks off its CPUs by itself. */
    if (sysfile_line(doctor->root, text, sizeof(text), "/sys/devices/system/cpu/nohz_full") &&
        sysfile_cpus_parse(text, &full))
        for (uint32_t i = 0; i < SYSFILE_CPUS_MAX / 64; i++)
            cpus.word[i] |= full.word[i];
    covered(doctor, finding, "CPUs without RCU callbacks", &cpus, "rcu_nocbs=");
}

/* --- interrupts */

/* May interrupt `irq` come to a hot CPU? Where it really goes is known to newer kernels only. */
static bool irq_hot(const struct doctor *doctor, const char *irq)
{
    char text[LIST_MAX];
    struct sysfile_cpus cpus;

    if (!sysfile_line(doctor->root, text, sizeof(text), "/proc/irq/%s/effective_affinity_list", irq) &&
        !sysfile_line(doctor->root, text, sizeof(text), "/proc/irq/%s/smp_affinity_list", irq))
        return false;
    if (!sysfile_cpus_parse(text, &cpus))
        return false;
    const struct sysfile_cpus *hot = doctor_hot(doctor);
    for (uint32_t i = 0; i < SYSFILE_CPUS_MAX / 64; i++)
        if ((cpus.word[i] & hot->word[i]) != 0)
            return true;
    return false;
}

void doctor_irq_affinity(struct doctor *doctor, struct doctor_finding *finding)
{
    char path[SYSFILE_PATH_MAX], shown[LIST_MAX] = "", house[LIST_MAX];
    uint32_t count = 0, hot_count = 0;
    size_t len = 0;

    snprintf(path, sizeof(path), "%s/proc/irq", doctor->root);
    DIR *directory = opendir(path);
    if (!directory) {
        doctor_say(finding, DOCTOR_UNKNOWN, "/proc/irq cannot be read");
        return;
    }
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (strlen(entry->d_name) > 8 || strspn(entry->d_name, "0123456789") != strlen(entry->d_name))
            continue;
        count++;
        if (!irq_hot(doctor, entry->d_name))
            continue;
        if (hot_count++ < SHOWN_MAX)
            len += (size_t)snprintf(shown + len, sizeof(shown) - len, "%s%s", hot_count > 1 ? ", " : "",
                                    entry->d_name);
    }
    closedir(directory);
    if (hot_count == 0) {
        doctor_say(finding, DOCTOR_OK, "none of %u device interrupts goes to a hot CPU", count);
        return;
    }
    doctor_say(finding, DOCTOR_WARN, "%u of %u device interrupts may go to a hot CPU: %s%s", hot_count, count, shown,
               hot_count > SHOWN_MAX ? " ..." : "");
    doctor_fix(finding, "for irq in /proc/irq/[0-9]*; do echo %s > $irq/smp_affinity_list; done (managed ones refuse: "
               "isolcpus=managed_irq moves them)",
               sysfile_cpus_count(&doctor->housekeeping) > 0 ? list(&doctor->housekeeping, house) : "0");
}

void doctor_irqbalance(struct doctor *doctor, struct doctor_finding *finding)
{
    char path[SYSFILE_PATH_MAX], name[32];
    bool running = false;

    snprintf(path, sizeof(path), "%s/proc", doctor->root);
    DIR *directory = opendir(path);
    if (!directory) {
        doctor_say(finding, DOCTOR_UNKNOWN, "/proc cannot be read");
        return;
    }
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL && !running;)
        running = isdigit((unsigned char)entry->d_name[0]) && strlen(entry->d_name) < 16 &&
                  sysfile_line(doctor->root, name, sizeof(name), "/proc/%s/comm", entry->d_name) &&
                  strcmp(name, "irqbalance") == 0;
    closedir(directory);
    if (!running) {
        doctor_say(finding, DOCTOR_OK, "irqbalance does not run");
        return;
    }
    doctor_say(finding, DOCTOR_WARN, "irqbalance runs");
    doctor_fix(finding, "systemctl disable --now irqbalance, or IRQBALANCE_BANNED_CPULIST=CPUS in "
               "/etc/default/irqbalance");
}

/* --- power */

void doctor_cstates(struct doctor *doctor, struct doctor_finding *finding)
{
    const struct sysfile_cpus *hot = doctor_hot(doctor);
    bool known = false;

    for (uint32_t cpu = 0; cpu < SYSFILE_CPUS_MAX; cpu++)
        for (uint32_t state = 0; sysfile_cpus_has(hot, cpu) && state < STATES_MAX; state++) {
            char name[32];
            uint64_t latency_us = 0, disabled = 0;
            if (!sysfile_u64(doctor->root, &latency_us, "/sys/devices/system/cpu/cpu%u/cpuidle/state%u/latency", cpu,
                             state))
                break;
            known = true;
            (void)sysfile_u64(doctor->root, &disabled, "/sys/devices/system/cpu/cpu%u/cpuidle/state%u/disable", cpu,
                              state);
            if (disabled || latency_us <= DEEP_LATENCY_US)
                continue;
            if (!sysfile_line(doctor->root, name, sizeof(name), "/sys/devices/system/cpu/cpu%u/cpuidle/state%u/name",
                              cpu, state))
                snprintf(name, sizeof(name), "state%u", state);
            doctor_say(finding, DOCTOR_WARN, "CPU %u may enter %s, which takes %" PRIu64 " us to leave", cpu, name,
                       latency_us);
            doctor_fix(finding, "cpupower idle-set -D %u, or kernel parameters intel_idle.max_cstate=1 "
                       "processor.max_cstate=1", DEEP_LATENCY_US);
            return;
        }
    if (known)
        doctor_say(finding, DOCTOR_OK, "no C-state deeper than %u us on hot CPUs", DEEP_LATENCY_US);
    else
        doctor_say(finding, DOCTOR_UNKNOWN, "no cpuidle here: firmware or a hypervisor decides");
}

void doctor_governor(struct doctor *doctor, struct doctor_finding *finding)
{
    const struct sysfile_cpus *hot = doctor_hot(doctor);
    bool known = false;
    char text[32];

    for (uint32_t cpu = 0; cpu < SYSFILE_CPUS_MAX; cpu++) {
        if (!sysfile_cpus_has(hot, cpu) ||
            !sysfile_line(doctor->root, text, sizeof(text), "/sys/devices/system/cpu/cpu%u/cpufreq/scaling_governor",
                          cpu))
            continue;
        known = true;
        if (strcmp(text, "performance") == 0)
            continue;
        doctor_say(finding, DOCTOR_WARN, "CPU %u has governor %s", cpu, text);
        doctor_fix(finding, "cpupower frequency-set -g performance");
        return;
    }
    if (known)
        doctor_say(finding, DOCTOR_OK, "performance on all hot CPUs");
    else
        doctor_say(finding, DOCTOR_UNKNOWN, "no cpufreq here: firmware or a hypervisor decides");
}

void doctor_smt(struct doctor *doctor, struct doctor_finding *finding)
{
    const struct sysfile_cpus *hot = doctor_hot(doctor);
    char text[LIST_MAX];
    bool known = false;

    for (uint32_t cpu = 0; cpu < SYSFILE_CPUS_MAX; cpu++) {
        struct sysfile_cpus siblings;
        if (!sysfile_cpus_has(hot, cpu) ||
            !sysfile_line(doctor->root, text, sizeof(text),
                          "/sys/devices/system/cpu/cpu%u/topology/thread_siblings_list", cpu) ||
            !sysfile_cpus_parse(text, &siblings))
            continue;
        known = true;
        for (uint32_t other = 0; other < SYSFILE_CPUS_MAX; other++) {
            if (other == cpu || !sysfile_cpus_has(&siblings, other) || !sysfile_cpus_has(&doctor->online, other))
                continue;
            const bool both = sysfile_cpus_has(&doctor->hot, other) && sysfile_cpus_has(&doctor->hot, cpu);
            doctor_say(finding, both ? DOCTOR_BAD : DOCTOR_WARN, "CPU %u shares its core with CPU %u%s", cpu, other,
                       both ? ", which is hot too" : "");
            if (both)
                doctor_fix(finding, "give the lcores CPUs of different cores (lscpu -e)");
            else
                doctor_fix(finding, "echo 0 > /sys/devices/system/cpu/cpu%u/online, or SMT off in the firmware", other);
            return;
        }
    }
    if (known)
        doctor_say(finding, DOCTOR_OK, "no hot CPU has a sibling that is online");
    else
        doctor_say(finding, DOCTOR_UNKNOWN, "the kernel does not tell which CPUs share a core");
}

/* --- time */

void doctor_tsc(struct doctor *doctor, struct doctor_finding *finding)
{
    char text[8192];

    if (sysfile_read(doctor->root, text, sizeof(text), "/proc/cpuinfo") <= 0) {
        doctor_say(finding, DOCTOR_UNKNOWN, "/proc/cpuinfo cannot be read");
        return;
    }
    const bool constant = strstr(text, " constant_tsc") != NULL, nonstop = strstr(text, " nonstop_tsc") != NULL;
    if (constant && nonstop) {
        doctor_say(finding, DOCTOR_OK, "the TSC runs at one rate and never stops");
        return;
    }
    doctor_say(finding, constant ? DOCTOR_WARN : DOCTOR_BAD, "the TSC is not %s", constant ? "nonstop" : "constant");
    doctor_fix(finding, "let the hypervisor pass invtsc, or use another CPU");
}

void doctor_clocksource(struct doctor *doctor, struct doctor_finding *finding)
{
    char text[32];

    if (!sysfile_line(doctor->root, text, sizeof(text),
                      "/sys/devices/system/clocksource/clocksource0/current_clocksource")) {
        doctor_say(finding, DOCTOR_UNKNOWN, "the kernel does not tell its clock source");
        return;
    }
    const bool good = strcmp(text, "tsc") == 0 || strcmp(text, "kvm-clock") == 0;
    doctor_say(finding, good ? DOCTOR_OK : DOCTOR_WARN, "clock source %s", text);
    if (!good)
        doctor_fix(finding, "kernel parameters clocksource=tsc tsc=reliable, where the TSC is trusted");
}

void doctor_steal(struct doctor *doctor, struct doctor_finding *finding)
{
    unsigned long long user, nice, system, idle, iowait, irq, softirq, steal;
    char text[512], info[8192];

    if (sysfile_read(doctor->root, text, sizeof(text), "/proc/stat") <= 0 ||
        sscanf(text, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle, &iowait, &irq,
               &softirq, &steal) != 8) {
        doctor_say(finding, DOCTOR_UNKNOWN, "/proc/stat does not tell");
        return;
    }
    const bool guest = sysfile_read(doctor->root, info, sizeof(info), "/proc/cpuinfo") > 0 &&
                       strstr(info, " hypervisor") != NULL;
    const double all = (double)user + (double)nice + (double)system + (double)idle + (double)iowait + (double)irq +
                       (double)softirq + (double)steal;
    const double share_ppm = all > 0 ? (double)steal / all * 1e6 : 0;
    if (share_ppm >= STEAL_WARN_PPM)
        doctor_say(finding, DOCTOR_WARN, "the hypervisor took %.2f %% of all time for others", share_ppm / 1e4);
    else
        doctor_say(finding, guest ? DOCTOR_WARN : DOCTOR_OK, guest ? "a virtual machine; nothing to speak of was stolen"
                                                                   : "no hypervisor, nothing stolen");
    if (finding->status != DOCTOR_OK)
        doctor_fix(finding, "a host of your own, or dedicated and pinned CPUs from the provider");
}

/* --- what the kernel does by itself */

void doctor_nmi_watchdog(struct doctor *doctor, struct doctor_finding *finding)
{
    uint64_t on;

    if (!sysfile_u64(doctor->root, &on, "/proc/sys/kernel/nmi_watchdog")) {
        doctor_say(finding, DOCTOR_UNKNOWN, "/proc/sys/kernel/nmi_watchdog cannot be read");
        return;
    }
    doctor_say(finding, on ? DOCTOR_WARN : DOCTOR_OK, on ? "the NMI watchdog is on" : "the NMI watchdog is off");
    if (on)
        doctor_fix(finding, "sysctl kernel.nmi_watchdog=0");
}

void doctor_soft_watchdog(struct doctor *doctor, struct doctor_finding *finding)
{
    char text[LIST_MAX], house[LIST_MAX];
    struct sysfile_cpus cpus;
    uint64_t on;

    if (!sysfile_u64(doctor->root, &on, "/proc/sys/kernel/soft_watchdog")) {
        doctor_say(finding, DOCTOR_UNKNOWN, "/proc/sys/kernel/soft_watchdog cannot be read");
        return;
    }
    if (on && sysfile_line(doctor->root, text, sizeof(text), "/proc/sys/kernel/watchdog_cpumask") &&
        sysfile_cpus_parse(text, &cpus)) {
        const struct sysfile_cpus rest = outside(doctor, &cpus); /* hot CPUs that are not watched */
        on = sysfile_cpus_count(&rest) < sysfile_cpus_count(doctor_hot(doctor));
    }
    doctor_say(finding, on ? DOCTOR_WARN : DOCTOR_OK,
               on ? "the soft lockup watchdog runs on hot CPUs" : "no soft lockup watchdog on hot CPUs");
    if (on)
        doctor_fix(finding, "sysctl kernel.watchdog_cpumask=%s",
                   sysfile_cpus_count(&doctor->housekeeping) > 0 ? list(&doctor->housekeeping, house) : "0");
}

void doctor_vmstat(struct doctor *doctor, struct doctor_finding *finding)
{
    uint64_t interval_s;

    if (!sysfile_u64(doctor->root, &interval_s, "/proc/sys/vm/stat_interval")) {
        doctor_say(finding, DOCTOR_UNKNOWN, "/proc/sys/vm/stat_interval cannot be read");
        return;
    }
    doctor_say(finding, interval_s < 10 ? DOCTOR_WARN : DOCTOR_OK, "memory counters are folded every %" PRIu64 " s",
               interval_s);
    if (interval_s < 10)
        doctor_fix(finding, "sysctl vm.stat_interval=120");
}

/* Kernels that lack what tickgate can use. Ascending. */
static const struct { unsigned major, minor; const char *lacks; } traps[] = {
    {4, 18, "has no AF_XDP: net_af_xdp ports do not start"},
    {5, 4, "has no need-wakeup flag for AF_XDP: every send wakes the driver"},
    {5, 11, "has no SO_PREFER_BUSY_POLL, and locks AF_XDP memory against RLIMIT_MEMLOCK"},
    {6, 4, "has no BPF netfilter links"},
};

void doctor_kernel(struct doctor *doctor, struct doctor_finding *finding)
{
    char text[DOCTOR_WORD_MAX];
    unsigned major, minor;

    if (!sysfile_line(doctor->root, text, sizeof(text), "/proc/sys/kernel/osrelease") ||
        sscanf(text, "%u.%u", &major, &minor) != 2) {
        doctor_say(finding, DOCTOR_UNKNOWN, "/proc/sys/kernel/osrelease does not tell");
        return;
    }
    for (size_t i = 0; i < sizeof(traps) / sizeof(traps[0]); i++) {
        if (major > traps[i].major || (major == traps[i].major && minor >= traps[i].minor))
            continue;
        doctor_say(finding, i < 2 ? DOCTOR_BAD : DOCTOR_WARN, "Linux %s %s", text, traps[i].lacks);
        doctor_fix(finding, "a kernel from %u.%u on", traps[i].major, traps[i].minor);
        return;
    }
    doctor_say(finding, DOCTOR_OK, "Linux %s", text);
}
