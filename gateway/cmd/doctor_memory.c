/* Checks of `tickgate doctor` about memory: what makes a hot thread wait for a page. See doctor.h. */
#include "gateway/cmd/doctor.h"

#include <inttypes.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>

#define NODES_MAX 64u

/* Free and all huge pages of a node, or (node < 0) of the host, in MiB. */
static bool pages_of(const struct doctor *doctor, int node, uint64_t *ret_free_mb, uint64_t *ret_all_mb)
{
    static const struct { uint32_t kb, mb; } sizes[] = {{2048, 2}, {1048576, 1024}};
    bool known = false;

    *ret_free_mb = *ret_all_mb = 0;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint64_t free_count, all_count;
        char place[64];
        if (node < 0)
            snprintf(place, sizeof(place), "/sys/kernel/mm");
        else
            snprintf(place, sizeof(place), "/sys/devices/system/node/node%d", node);
        if (!sysfile_u64(doctor->root, &free_count, "%s/hugepages/hugepages-%ukB/free_hugepages", place, sizes[i].kb) ||
            !sysfile_u64(doctor->root, &all_count, "%s/hugepages/hugepages-%ukB/nr_hugepages", place, sizes[i].kb))
            continue;
        known = true;
        *ret_free_mb += free_count > UINT32_MAX ? 0 : free_count * sizes[i].mb;
        *ret_all_mb += all_count > UINT32_MAX ? 0 : all_count * sizes[i].mb;
    }
    return known;
}

/* Has this node a hot CPU? A host without nodes is one. */
static bool node_hot(const struct doctor *doctor, uint32_t node)
{
    char text[256];
    struct sysfile_cpus cpus;
    const struct sysfile_cpus *hot = doctor_hot(doctor);

    if (!sysfile_line(doctor->root, text, sizeof(text), "/sys/devices/system/node/node%u/cpulist", node) ||
        !sysfile_cpus_parse(text, &cpus))
        return false;
    for (uint32_t i = 0; i < SYSFILE_CPUS_MAX / 64; i++)
        if ((cpus.word[i] & hot->word[i]) != 0)
            return true;
    return false;
}

static void pages_judge(struct doctor *doctor, struct doctor_finding *finding, int node, const char *where)
{
    uint64_t free_mb, all_mb;
    const struct config *config = doctor->config;
    const uint32_t wanted_mb = config ? config->gateway.memory_mb : 0;

    if (!pages_of(doctor, node, &free_mb, &all_mb)) {
        doctor_say(finding, DOCTOR_UNKNOWN, "%s does not tell about huge pages", where);
        return;
    }
    const bool enough = config ? free_mb >= wanted_mb : all_mb > 0;
    enum doctor_status status = enough ? DOCTOR_OK : DOCTOR_WARN;
    if (!enough && config && config->gateway.memory == CONFIG_MEMORY_HUGEPAGES)
        status = DOCTOR_BAD;
    if (config && config->gateway.memory == CONFIG_MEMORY_NO_HUGE)
        doctor_say(finding, DOCTOR_WARN, "gateway.memory: no-huge: they are not used");
    else if (config)
        doctor_say(finding, status, "%" PRIu64 " of %" PRIu64 " MiB free; gateway.memory_mb wants %u, books and rings "
                   "come on top", free_mb, all_mb, wanted_mb);
    else
        doctor_say(finding, status, "%" PRIu64 " of %" PRIu64 " MiB free", free_mb, all_mb);
    if (config && config->gateway.memory == CONFIG_MEMORY_NO_HUGE)
        doctor_fix(finding, "gateway.memory: auto in the config");
    else if (!enough && node >= 0)
        doctor_fix(finding, "echo %u > /sys/devices/system/node/node%d/hugepages/hugepages-2048kB/nr_hugepages",
                   wanted_mb / 2 + 512, node);
    else if (!enough)
        doctor_fix(finding, "echo %u > /proc/sys/vm/nr_hugepages", wanted_mb / 2 + 512);
}

void doctor_hugepages(struct doctor *doctor, struct doctor_finding *finding)
{
    bool any = false;

    for (uint32_t node = 0; node < NODES_MAX; node++) {
        char name[16];
        if (!node_hot(doctor, node))
            continue;
        snprintf(name, sizeof(name), "node%u", node);
        if (any)
            finding = doctor_next(doctor, finding, name);
        else
            snprintf(finding->subject, sizeof(finding->subject), "%s", name);
        pages_judge(doctor, finding, (int)node, name);
        any = true;
    }
    if (!any)
        pages_judge(doctor, finding, -1, "this host");
}

void doctor_numa_balancing(struct doctor *doctor, struct doctor_finding *finding)
{
    uint64_t on;

    if (!sysfile_u64(doctor->root, &on, "/proc/sys/kernel/numa_balancing")) {
        doctor_say(finding, DOCTOR_OK, "this kernel has no automatic NUMA balancing");
        return;
    }
    doctor_say(finding, on ? DOCTOR_WARN : DOCTOR_OK, "automatic NUMA balancing is %s", on ? "on" : "off");
    if (on)
        doctor_fix(finding, "sysctl kernel.numa_balancing=0");
}

void doctor_thp(struct doctor *doctor, struct doctor_finding *finding)
{
    char text[128];

    if (!sysfile_line(doctor->root, text, sizeof(text), "/sys/kernel/mm/transparent_hugepage/enabled")) {
        doctor_say(finding, DOCTOR_OK, "this kernel has no transparent huge pages");
        return;
    }
    const bool always = strstr(text, "[always]") != NULL;
    doctor_say(finding, always ? DOCTOR_WARN : DOCTOR_OK, "transparent huge pages: %s", text);
    if (always)
        doctor_fix(finding, "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled");
}

void doctor_swap(struct doctor *doctor, struct doctor_finding *finding)
{
    char text[1024];

    if (sysfile_read(doctor->root, text, sizeof(text), "/proc/swaps") < 0) {
        doctor_say(finding, DOCTOR_OK, "this kernel has no swap");
        return;
    }
    const char *first = strchr(text, '\n');
    const bool swaps = first && first[1] != '\0';
    doctor_say(finding, swaps ? DOCTOR_WARN : DOCTOR_OK, swaps ? "there is swap space" : "there is no swap space");
    if (swaps)
        doctor_fix(finding, "swapoff -a, and no swap in /etc/fstab");
}

/* Root and its like are not held to the limit. */
static bool may_lock(const struct doctor *doctor)
{
    static const char label[] = "\nCapEff:";
    char text[4096];
    const char *line = sysfile_read(doctor->root, text, sizeof(text), "/proc/self/status") > 0 ? strstr(text, label)
                                                                                               : NULL;

    return line && (strtoull(line + sizeof(label) - 1, NULL, 16) >> CAP_IPC_LOCK & 1) != 0;
}

void doctor_memlock(struct doctor *doctor, struct doctor_finding *finding)
{
    static const char label[] = "Max locked memory";
    char text[4096];
    const uint64_t wanted = (uint64_t)(doctor->config ? doctor->config->gateway.memory_mb : 64) << 20;
    const char *line = sysfile_read(doctor->root, text, sizeof(text), "/proc/self/limits") > 0 ? strstr(text, label)
                                                                                               : NULL;

    if (!line) {
        doctor_say(finding, DOCTOR_UNKNOWN, "/proc/self/limits does not tell");
        return;
    }
    line += sizeof(label) - 1;
    line += strspn(line, " ");
    const uint64_t limit = strncmp(line, "unlimited", 9) == 0 ? UINT64_MAX : strtoull(line, NULL, 10);
    if (limit >= wanted || may_lock(doctor)) {
        doctor_say(finding, DOCTOR_OK, "memory may be locked");
        return;
    }
    doctor_say(finding, DOCTOR_WARN, "only %" PRIu64 " KiB may be locked", limit >> 10);
    doctor_fix(finding, "ulimit -l unlimited, or memlock in /etc/security/limits.conf, or LimitMEMLOCK=infinity in its "
               "systemd unit");
}
