/* See eal.h. */
#include "gateway/port/eal.h"

#include "gateway/port/device.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ARGS_MAX 64
#define ARG_LEN_MAX 512

struct args {
    int count;
    char text[ARGS_MAX][ARG_LEN_MAX];
    char *argv[ARGS_MAX + 1];
};

__attribute__((format(printf, 2, 3))) static void arg(struct args *args, const char *format, ...)
{
    va_list list;

    if (args->count == ARGS_MAX)
        return;
    va_start(list, format);
    vsnprintf(args->text[args->count], ARG_LEN_MAX, format, list);
    va_end(list);
    args->argv[args->count] = args->text[args->count];
    args->count++;
}

/* Free 2 MiB pages, in MiB. */
static uint64_t hugepages_free_mb(void)
{
    FILE *file = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "r");
    unsigned long pages = 0;

    if (!file)
        return 0;
    if (fscanf(file, "%lu", &pages) != 1)
        pages = 0;
    fclose(file);
    return (uint64_t)pages * 2;
}

/* '0@1,1@0,2@(0,1)': each lcore on its own CPU, the main thread on all that this process may use. */
static void lcores_arg(struct args *args, const struct config *config)
{
    char text[ARG_LEN_MAX];
    size_t len = 0;
    cpu_set_t allowed;
    const char *separator = "";

    for (uint32_t i = 0; i < config->lcore_count; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%u@%u,", i, config->lcore[i].cpu);
    len += (size_t)snprintf(text + len, sizeof(text) - len, "%u@(", config->lcore_count);
    CPU_ZERO(&allowed);
    sched_getaffinity(0, sizeof(allowed), &allowed);
    for (unsigned cpu = 0; cpu < CPU_SETSIZE && len < sizeof(text) - 8; cpu++) {
        if (!CPU_ISSET(cpu, &allowed))
            continue;
        unsigned last = cpu; /* ranges: a large host has more CPUs than an argument has room for */
        while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, &allowed))
            last++;
        len += (size_t)(last > cpu ? snprintf(text + len, sizeof(text) - len, "%s%u-%u", separator, cpu, last)
                                   : snprintf(text + len, sizeof(text) - len, "%s%u", separator, cpu));
        separator = ",";
        cpu = last;
    }
    snprintf(text + len, sizeof(text) - len, ")");
    arg(args, "--lcores=%s", text);
    arg(args, "--main-lcore=%u", config->lcore_count);
}

static void devices_arg(struct args *args, const struct eal *eal, const struct config *config, bool replay)
{
    bool pci = false;

    for (uint32_t i = 0; i < config->port_count && !replay; i++) {
        if (strncmp(config->port[i].device, "net_", 4) == 0 || config->port[i].socket.present)
            continue;
        arg(args, "--allow=%s", config->port[i].device);
        pci = true;
    }
    for (uint32_t i = 0; i < config->port_count && !replay; i++)
        if (device_wants_single_file(&config->port[i]) && eal->hugepages) {
            arg(args, "--single-file-segments");
            break;
        }
    if (!pci)
        arg(args, "--no-pci");
}

/* The EAL never removes its run directory; with a process id in its name they would pile up. Only what lies in it
 * goes: it holds files and sockets, no directories. */
static void directory_remove(const char *path)
{
    DIR *directory = opendir(path);
    const struct dirent *entry;

    if (!directory)
        return;
    while ((entry = readdir(directory)))
        if (entry->d_type != DT_DIR)
            unlinkat(dirfd(directory), entry->d_name, 0);
    closedir(directory);
    rmdir(path);
}

/* Run directories of earlier lives of this gateway that were killed: named after processes that are no more. */
static void leftovers_remove(const char *own, const char *name)
{
    char parent[sizeof(((struct eal *)0)->directory)], prefix[64], path[sizeof(parent) + NAME_MAX + 1];
    const struct dirent *entry;
    char *end;

    snprintf(parent, sizeof(parent), "%s", own);
    char *slash = strrchr(parent, '/');
    if (!slash)
        return;
    *slash = '\0';
    const size_t prefix_len = (size_t)snprintf(prefix, sizeof(prefix), "tickgate-%s-", name);
    DIR *directory = opendir(parent);
    while (directory && (entry = readdir(directory))) {
        const char *digits = entry->d_name + prefix_len;
        if (strncmp(entry->d_name, prefix, prefix_len) != 0 || *digits < '1' || *digits > '9')
            continue;
        const long pid = strtol(digits, &end, 10);
        if (*end || pid > INT_MAX || kill((pid_t)pid, 0) == 0 || errno != ESRCH)
            continue;
        snprintf(path, sizeof(path), "%s/%s", parent, entry->d_name);
        directory_remove(path);
    }
    if (directory)
        closedir(directory);
}

/* Where the EAL of an ordinary user makes its run directory: below XDG_RUNTIME_DIR, which it takes at its word and
 * fails where that is empty or gone, else below /tmp, in a directory "dpdk" that whoever comes first makes for himself
 * alone. Where that is somebody else's, in one of our own. */
static void runtime_choose(char ret_own[32])
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    struct stat status;
    char own[32];

    ret_own[0] = '\0';
    if (runtime && access(runtime, W_OK) == 0)
        return;
    unsetenv("XDG_RUNTIME_DIR");
    if (geteuid() == 0 || access("/tmp/dpdk", F_OK) != 0 || access("/tmp/dpdk", W_OK | X_OK) == 0)
        return;
    snprintf(own, sizeof(own), "/tmp/tickgate-%u", (unsigned)geteuid());
    if (mkdir(own, 0700) != 0 && (lstat(own, &status) != 0 || !S_ISDIR(status.st_mode) || status.st_uid != geteuid()))
        return;
    setenv("XDG_RUNTIME_DIR", own, 1);
    memcpy(ret_own, own, sizeof(own));
}

int eal_start(struct eal *eal, const struct config *config, bool replay, char ret_error[EAL_ERROR_MAX])
{
    static struct args args; /* the EAL keeps pointers into its arguments */
    const uint64_t free_mb = hugepages_free_mb(), available_mb = config_host_available_kb() / 1024;

    memset(eal, 0, sizeof(*eal));
    runtime_choose(eal->own);
    args.count = 0;
    eal->hugepages = config->gateway.memory == CONFIG_MEMORY_HUGEPAGES ||
                     (config->gateway.memory == CONFIG_MEMORY_AUTO && free_mb >= config->gateway.memory_mb);
    if (config->gateway.memory == CONFIG_MEMORY_HUGEPAGES && free_mb < config->gateway.memory_mb) {
        snprintf(ret_error, EAL_ERROR_MAX,
                 "gateway.memory: hugepages: %u MiB are wanted and %llu are free; run 'echo %u > "
                 "/proc/sys/vm/nr_hugepages' as "
                 "root, or set memory: auto",
                 config->gateway.memory_mb, (unsigned long long)free_mb, config->gateway.memory_mb / 2 + 128);
        return -ENOMEM;
    }
    /* A live gateway locks all of it when it is armed: the kernel would kill whom it likes then. */
    if (!eal->hugepages && !replay && available_mb < config->gateway.memory_mb) {
        snprintf(ret_error, EAL_ERROR_MAX,
                 "gateway.memory_mb: %u MiB are wanted and %llu MiB are available on this host; write less",
                 config->gateway.memory_mb, (unsigned long long)available_mb);
        return -ENOMEM;
    }
    if (!eal->hugepages)
        snprintf(
            eal->note, sizeof(eal->note),
            "no hugepages (%llu MiB free, %u wanted): running on normal pages, which costs TLB misses in books and "
            "frames",
            (unsigned long long)free_mb, config->gateway.memory_mb);

    arg(&args, "tickgate");
    arg(&args, "--file-prefix=tickgate-%s-%d", config->gateway.name, (int)getpid());
    lcores_arg(&args, config);
    devices_arg(&args, eal, config, replay);
    if (eal->hugepages)
        arg(&args, "--in-memory"); /* leaves no file behind, whatever happens, and works for an ordinary user */
    else
        arg(&args, "--no-huge");
    arg(&args, "-m");
    arg(&args, "%u", config->gateway.memory_mb);
    if (!config->telemetry.enabled)
        arg(&args, "--no-telemetry");
    arg(&args, "--log-level=*:error");

    if (rte_eal_init(args.count, args.argv) < 0) {
        snprintf(ret_error, EAL_ERROR_MAX, "DPDK does not start (%s); its own words stand above",
                 rte_errno ? rte_strerror(rte_errno) : "look at /var/run/dpdk, and at gateway.memory_mb");
        return -EIO;
    }
    eal->started = true;
    snprintf(eal->directory, sizeof(eal->directory), "%s", rte_eal_get_runtime_dir());
    leftovers_remove(eal->directory, config->gateway.name);
    return 0;
}

void eal_stop(struct eal *eal, bool threads_left)
{
    if (!eal->started)
        return;
    if (!threads_left)
        rte_eal_cleanup();
    directory_remove(eal->directory);
    if (eal->own[0]) { /* unless another gateway of ours is in it */
        char dpdk[40];
        snprintf(dpdk, sizeof(dpdk), "%s/dpdk", eal->own);
        rmdir(dpdk);
        rmdir(eal->own);
    }
    eal->started = false;
}
