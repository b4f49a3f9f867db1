/* What only this machine can tell of a config (config_check_host): which CPUs are online and allowed, which NUMA node
 * they and the PCI ports are on. Reads sysfs and libnuma, opens no device. Main thread. */
#include "config/config.h"

#include <errno.h>
#include <grp.h>
#include <numa.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOST_CPUS_MAX 4096u
#define HOST_LIST_MAX 128u

/* A set of CPUs as a list: "0-3,8". */
static void set_text(const cpu_set_t *set, size_t set_bytes, char ret_text[HOST_LIST_MAX])
{
    size_t len = 0;

    ret_text[0] = '\0';
    for (unsigned cpu = 0; cpu < HOST_CPUS_MAX && len < HOST_LIST_MAX; cpu++) {
        if (!CPU_ISSET_S(cpu, set_bytes, set))
            continue;
        unsigned last = cpu;
        while (last + 1 < HOST_CPUS_MAX && CPU_ISSET_S(last + 1, set_bytes, set))
            last++;
        len += (size_t)snprintf(ret_text + len, HOST_LIST_MAX - len, last > cpu ? "%s%u-%u" : "%s%u", len ? "," : "",
                                cpu, last);
        cpu = last;
    }
}

uint64_t config_host_available_kb(void)
{
    FILE *file = fopen("/proc/meminfo", "re");
    char line[128];
    unsigned long kb;
    bool found = false;

    while (file && !found && fgets(line, sizeof(line), file))
        found = sscanf(line, "MemAvailable: %lu", &kb) == 1;
    if (file)
        fclose(file);
    return found ? kb : UINT64_MAX;
}

/* The first line of a sysfs file. */
static bool sysfs_line(const char *path, char *ret_text, int text_len)
{
    FILE *file = fopen(path, "re");

    if (!file)
        return false;
    const bool good = fgets(ret_text, text_len, file) != NULL;
    fclose(file);
    return good;
}

/* "0-3,8" of sysfs into a set. False where sysfs is not there: then every CPU counts as online. */
static bool cpus_online(cpu_set_t *set, size_t set_bytes)
{
    char text[1024];

    if (!sysfs_line("/sys/devices/system/cpu/online", text, (int)sizeof(text)))
        return false;
    for (char *c = text; *c >= '0' && *c <= '9'; c += *c == ',') {
        unsigned long first = strtoul(c, &c, 10);
        const unsigned long last = *c == '-' ? strtoul(c + 1, &c, 10) : first;
        for (; first <= last && first < HOST_CPUS_MAX; first++)
            CPU_SET_S(first, set_bytes, set);
    }
    return true;
}

/* Of the card behind the port, also where the kernel drives it; a virtual device is nowhere. */
static int port_node(const struct config_port *port)
{
    const char *device = port->device;
    char path[128];
    char text[32];
    char interface[CONFIG_INTERFACE_MAX + 1];

    if (port->socket.present || config_device_interface(device, interface))
        snprintf(path, sizeof(path), "/sys/class/net/%s/device/numa_node",
                 port->socket.present ? port->socket.iface : interface);
    else if (strncmp(device, "net_", 4) == 0)
        return -1;
    else
        snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s%.32s/numa_node", strlen(device) == 12 ? "" : "0000:",
                 device);
    return sysfs_line(path, text, (int)sizeof(text)) ? (int)strtol(text, NULL, 10) : -1;
}

static void check_cpus(const struct config *config, struct config_findings *findings)
{
    cpu_set_t *allowed = CPU_ALLOC(HOST_CPUS_MAX);
    cpu_set_t *online = CPU_ALLOC(HOST_CPUS_MAX);
    const size_t set_bytes = CPU_ALLOC_SIZE(HOST_CPUS_MAX);
    char allowed_text[HOST_LIST_MAX] = "", online_text[HOST_LIST_MAX] = "";

    if (allowed && online) {
        CPU_ZERO_S(set_bytes, allowed);
        CPU_ZERO_S(set_bytes, online);
        const bool online_known = cpus_online(online, set_bytes);
        const bool allowed_known = sched_getaffinity(0, set_bytes, allowed) == 0;
        set_text(allowed, set_bytes, allowed_text);
        set_text(online, set_bytes, online_text);
        for (uint32_t i = 0; i < config->lcore_count; i++) {
            const uint32_t cpu = config->lcore[i].cpu;
            char key[32];
            snprintf(key, sizeof(key), "lcores[%u].cpu", i);
            if (online_known && !CPU_ISSET_S(cpu, set_bytes, online))
                config_find(findings, false, config->path, config->lcore[i].line, key,
                            "CPU %u is not online on this machine; write one of %s", cpu, online_text);
            else if (allowed_known && !CPU_ISSET_S(cpu, set_bytes, allowed))
                config_find(findings, false, config->path, config->lcore[i].line, key,
                            "CPU %u may not be used by this process; "
                            "write one of %s, or widen its cpuset or taskset",
                            cpu, allowed_text);
        }
    }
    CPU_FREE(allowed);
    CPU_FREE(online);
}

/* Both nodes known, and not the same? */
static bool apart(int a, int b)
{
    return a >= 0 && b >= 0 && a != b;
}

int config_check_nodes(const struct config *config, const int *lcore_node, const int *port_nodes,
                       struct config_findings *findings)
{
    const bool warning = !config->gateway.numa_strict;
    const uint32_t errors_before = findings->error_count;
    bool rx_said[CONFIG_LCORES_MAX][CONFIG_PORTS_MAX] = {0};
    bool lcore_said[CONFIG_LCORES_MAX][CONFIG_LCORES_MAX] = {0};

    for (uint32_t f = 0; f < config->feed_count; f++) {
        const uint32_t lcore = config->feed[f].lcore_idx;
        for (uint32_t l = 0; l < config->feed[f].line_count; l++) {
            const uint32_t port = config->feed[f].line_list[l].port_idx;
            if (rx_said[lcore][port] || !apart(lcore_node[lcore], port_nodes[port]))
                continue;
            rx_said[lcore][port] = true;
            config_find(findings, warning, config->path, config->feed[f].line_list[l].line, "lcores",
                        "lcore '%s' is on NUMA node "
                        "%d, but port '%s' that it polls is on node %d; choose a CPU of node %d",
                        config->lcore[lcore].name, lcore_node[lcore], config->port[port].name, port_nodes[port],
                        port_nodes[port]);
        }
    }
    for (uint32_t i = 0; i < config->lcore_count; i++) {
        const bool strategies = config->gateway.mode == CONFIG_INLINE || config->lcore[i].role == CONFIG_STRATEGY;
        const struct config_orders *orders = &config->orders;
        const bool sends = orders->present && (orders->carrier == CONFIG_CARRIER_UDP ||
                                               (orders->carrier == CONFIG_CARRIER_TCP && orders->lcore_idx == i));
        if (strategies && sends && apart(lcore_node[i], port_nodes[orders->port_idx]))
            config_find(findings, warning, config->path, config->lcore[i].line, "lcores",
                        "lcore '%s' is on NUMA node %d, but the "
                        "order port '%s' is on node %d; choose a CPU of node %d",
                        config->lcore[i].name, lcore_node[i], config->port[orders->port_idx].name,
                        port_nodes[orders->port_idx], port_nodes[orders->port_idx]);
    }
    for (uint32_t s = 0; s < config->strategy_count && config->gateway.mode == CONFIG_TWO_CORE; s++) {
        const uint32_t reader = config->strategy[s].lcore_idx;
        const uint32_t rx = config->feed[config->strategy[s].feed_idx].lcore_idx;
        if (lcore_said[reader][rx] || !apart(lcore_node[reader], lcore_node[rx]))
            continue;
        lcore_said[reader][rx] = true;
        config_find(findings, warning, config->path, config->lcore[reader].line, "lcores",
                    "lcore '%s' on NUMA node %d reads the "
                    "ring of lcore '%s' on node %d, so each event crosses sockets; choose CPUs of one node",
                    config->lcore[reader].name, lcore_node[reader], config->lcore[rx].name, lcore_node[rx]);
    }
    return findings->error_count > errors_before ? -EINVAL : 0;
}

int config_check_host(const struct config *config, struct config_findings *findings)
{
    const uint32_t errors_before = findings->error_count;
    const bool numa = numa_available() >= 0; /* -1 in a container or a kernel without NUMA: nothing to compare */
    int lcore_node[CONFIG_LCORES_MAX];
    int port_nodes[CONFIG_PORTS_MAX];

    check_cpus(config, findings);
    if (config->admin.group[0] && !getgrnam(config->admin.group))
        config_find(findings, false, config->path, config->admin.line, "admin.group",
                    "there is no group '%s' on this machine; write one of /etc/group, or make it with groupadd",
                    config->admin.group);
    for (uint32_t i = 0; i < config->lcore_count; i++)
        lcore_node[i] = numa ? numa_node_of_cpu((int)config->lcore[i].cpu) : -1;
    for (uint32_t i = 0; i < config->port_count; i++)
        port_nodes[i] = numa ? port_node(&config->port[i]) : -1;
    (void)config_check_nodes(config, lcore_node, port_nodes, findings);
    return findings->error_count > errors_before ? -EINVAL : 0;
}
