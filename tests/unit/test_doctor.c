/* doctor: hosts made of files. On the good one nothing is to be done; on the bad one everything is, each with why and
 * fix; where nothing is told, nothing is claimed; and what a hostile tree says is only ever text. */
#include "gateway/cmd/doctor.h"
#include "gateway/cmd/doctor_nic.h"

#include "tests/unit/sysfile_rig.h"

static struct doctor doctor;
static struct config config;
static struct doctor_nic nic;
static bool nic_answers;

static bool nic_ask(const char *iface, struct doctor_nic *ret_nic)
{
    cr_assert_str_eq(iface, "eth1");
    *ret_nic = nic;
    return nic_answers;
}

static void cpu_files(unsigned cpu, const char *siblings, const char *governor, const char *latency_us)
{
    char path[128];

    snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/topology/thread_siblings_list", cpu);
    rig_file(path, siblings);
    snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/cpufreq/scaling_governor", cpu);
    rig_file(path, governor);
    snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/cpuidle/state0/latency", cpu);
    rig_file(path, "0\n");
    snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/cpuidle/state1/latency", cpu);
    rig_file(path, latency_us);
    snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/cpuidle/state1/name", cpu);
    rig_file(path, "C6\n");
}

static void host_good(void)
{
    rig_file("/sys/devices/system/cpu/online", "0-3\n");
    rig_file("/sys/devices/system/cpu/isolated", "2-3\n");
    rig_file("/sys/devices/system/cpu/nohz_full", "2-3\n");
    rig_file("/proc/cmdline", "root=/dev/x isolcpus=2-3 rcu_nocbs=2,3 quiet\n");
    rig_file("/proc/irq/7/effective_affinity_list", "0\n");
    rig_file("/proc/irq/7/smp_affinity_list", "0-3\n");
    rig_file("/proc/irq/default_smp_affinity", "f\n");
    rig_file("/proc/1/comm", "init\n");
    for (unsigned cpu = 0; cpu < 4; cpu++)
        cpu_files(cpu, cpu == 2 ? "2\n" : cpu == 3 ? "3\n" : "0-1\n", "performance\n", "2\n");
    rig_file("/proc/cpuinfo", "model name : x\nflags : fpu tsc constant_tsc nonstop_tsc\n");
    rig_file("/sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n");
    rig_file("/proc/stat", "cpu  100 0 100 1000000 0 0 0 0 0 0\n");
    rig_file("/proc/sys/kernel/nmi_watchdog", "0\n");
    rig_file("/proc/sys/kernel/soft_watchdog", "1\n");
    rig_file("/proc/sys/kernel/watchdog_cpumask", "0-1\n");
    rig_file("/proc/sys/vm/stat_interval", "120\n");
    rig_file("/proc/sys/kernel/osrelease", "6.12.1-amd64\n");
    rig_file("/sys/devices/system/node/node0/cpulist", "0-1\n");
    rig_file("/sys/devices/system/node/node1/cpulist", "2-3\n");
    rig_file("/sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages", "1024\n");
    rig_file("/sys/devices/system/node/node1/hugepages/hugepages-2048kB/free_hugepages", "1000\n");
    rig_file("/proc/sys/kernel/numa_balancing", "0\n");
    rig_file("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
    rig_file("/proc/swaps", "Filename\tType\tSize\n");
    rig_file("/proc/self/limits", "Limit  Soft\nMax locked memory         unlimited            unlimited  bytes\n");
    rig_file("/sys/class/net/eth1/device/local_cpulist", "2-3\n");
    rig_file("/sys/class/net/eth1/device/current_link_width", "8\n");
    rig_file("/sys/class/net/eth1/device/max_link_width", "8\n");
    rig_file("/sys/class/net/eth1/device/current_link_speed", "16.0 GT/s PCIe\n");
    rig_file("/sys/class/net/eth1/device/max_link_speed", "16.0 GT/s PCIe\n");
    rig_file("/sys/class/net/eth1/napi_defer_hard_irqs", "2\n");
    rig_file("/sys/class/net/eth1/gro_flush_timeout", "200000\n");
    rig_file("/proc/sys/net/core/rmem_max", "16777216\n");
    nic = (struct doctor_nic){.driver_known = true, .pause_known = true, .coalesce_known = true, .driver = "ice",
                              .driver_version = "6.12", .firmware = "4.40"};
    nic_answers = true;
}

static void start(void)
{
    rig_open();
    memset(&config, 0, sizeof(config));
    config.gateway.memory_mb = 512;
    config.lcore_count = 2;
    config.lcore[0].cpu = 2;
    config.lcore[1].cpu = 3;
    config.port_count = 1;
    snprintf(config.port[0].name, sizeof(config.port[0].name), "md");
    static char device[] = "socket,iface=eth1,busy_poll_us=50";
    config.port[0].device = device;
    config.port[0].socket = (struct config_socket){
        .present = true, .iface = "eth1", .busy_poll_us = 50, .buffer_kb = 8192};
}

TestSuite(doctor, .init = start, .fini = rig_close, .timeout = 60);

/* The only finding of this check. */
static const struct doctor_finding *found(const char *id)
{
    const struct doctor_finding *result = NULL;

    for (uint32_t i = 0; i < doctor.count; i++)
        if (strcmp(doctor.finding[i].id, id) == 0) {
            cr_assert_not(result, "%s twice", id);
            result = &doctor.finding[i];
        }
    cr_assert(result, "%s", id);
    return result;
}

static void expect(const char *id, enum doctor_status status, const char *seen, const char *fix)
{
    doctor_look(&doctor, rig_root, &config, nic_ask);
    const struct doctor_finding *finding = found(id);
    cr_expect_eq(finding->status, status, "%s: %s: %s", id, doctor_status_name(finding->status), finding->seen);
    cr_expect(strstr(finding->seen, seen), "%s: seen '%s', expected '%s'", id, finding->seen, seen);
    cr_expect_eq(finding->fix[0] != '\0', fix != NULL, "%s: fix '%s'", id, finding->fix);
    if (fix)
        cr_expect(strstr(finding->fix, fix), "%s: fix '%s', expected '%s'", id, finding->fix, fix);
}

Test(doctor, nothing_is_to_be_done_on_a_good_host)
{
    host_good();
    doctor_look(&doctor, rig_root, &config, nic_ask);
    for (uint32_t i = 0; i < doctor.count; i++) {
        const struct doctor_finding *finding = &doctor.finding[i];
        cr_expect_eq(finding->status, DOCTOR_OK, "%s: %s: %s", finding->id, doctor_status_name(finding->status),
                     finding->seen);
        cr_expect_str_eq(finding->fix, "", "%s", finding->id);
        cr_expect_neq(finding->why[0], '\0');
    }
    cr_expect_eq(doctor.count, 28);
}

Test(doctor, each_thing_that_is_wrong_is_found_with_its_fix)
{
    host_good();
    rig_file("/sys/devices/system/cpu/isolated", "3\n");
    expect("isolcpus", DOCTOR_WARN, "isolated CPUs: 3, without hot CPU 2", "isolcpus=managed_irq,domain,2-3");
    rig_file("/proc/cmdline", "quiet rcu_nocbs=3 xrcu_nocbs=2\n");
    rig_file("/sys/devices/system/cpu/nohz_full", "(null)\n");
    expect("nohz_full", DOCTOR_WARN, "CPUs without a tick: none, without hot CPU 2-3", "nohz_full=2-3");
    expect("rcu_nocbs", DOCTOR_WARN, "without hot CPU 2", "rcu_nocbs=2-3");
    rig_file("/proc/irq/9/smp_affinity_list", "1-2\n");
    expect("irq_affinity", DOCTOR_WARN, "1 of 2 device interrupts may go to a hot CPU: 9", "echo 0-1 > ");
    rig_file("/proc/412/comm", "irqbalance\n");
    expect("irqbalance", DOCTOR_WARN, "irqbalance runs", "systemctl disable --now irqbalance");
    cpu_files(3, "1,3\n", "powersave\n", "120\n");
    expect("smt_siblings", DOCTOR_WARN, "CPU 3 shares its core with CPU 1", "cpu1/online");
    expect("governor", DOCTOR_WARN, "CPU 3 has governor powersave", "cpupower frequency-set -g performance");
    expect("c_states", DOCTOR_WARN, "CPU 3 may enter C6, which takes 120 us to leave", "cpupower idle-set -D 10");
    rig_file("/proc/cpuinfo", "flags : fpu tsc constant_tsc hypervisor\n");
    expect("tsc_invariant", DOCTOR_WARN, "the TSC is not nonstop", "invtsc");
    expect("steal", DOCTOR_WARN, "a virtual machine", "dedicated");
    rig_file("/proc/stat", "cpu  100 0 100 10000 0 0 0 100 0 0\n");
    expect("steal", DOCTOR_WARN, "took 0.97 % of all time", "dedicated");
    rig_file("/sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n");
    expect("clocksource", DOCTOR_WARN, "clock source hpet", "clocksource=tsc");
    rig_file("/proc/sys/kernel/nmi_watchdog", "1\n");
    expect("nmi_watchdog", DOCTOR_WARN, "on", "sysctl kernel.nmi_watchdog=0");
    rig_file("/proc/sys/kernel/watchdog_cpumask", "0-2\n");
    expect("soft_watchdog", DOCTOR_WARN, "runs on hot CPUs", "sysctl kernel.watchdog_cpumask=0-1");
    rig_file("/proc/sys/vm/stat_interval", "1\n");
    expect("vmstat", DOCTOR_WARN, "every 1 s", "sysctl vm.stat_interval=120");
    rig_file("/proc/sys/kernel/osrelease", "5.10.0-9-amd64\n");
    expect("kernel", DOCTOR_WARN, "Linux 5.10.0-9-amd64 has no SO_PREFER_BUSY_POLL", "from 5.11 on");
    rig_file("/proc/sys/kernel/osrelease", "4.4.0\n");
    expect("kernel", DOCTOR_BAD, "has no AF_XDP", "from 4.18 on");
    rig_file("/sys/devices/system/node/node1/hugepages/hugepages-2048kB/free_hugepages", "255\n");
    expect("hugepages", DOCTOR_WARN, "510 of 2048 MiB free; gateway.memory_mb wants 512",
           "echo 768 > /sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages");
    config.gateway.memory = CONFIG_MEMORY_HUGEPAGES;
    expect("hugepages", DOCTOR_BAD, "510 of 2048", "echo 768");
    rig_file("/sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n");
    expect("thp", DOCTOR_WARN, "[always]", "echo madvise");
    rig_file("/proc/sys/kernel/numa_balancing", "1\n");
    expect("numa_balancing", DOCTOR_WARN, "on", "sysctl kernel.numa_balancing=0");
    rig_file("/proc/swaps", "Filename\n/dev/sda2 partition 1 0 -2\n");
    expect("swap", DOCTOR_WARN, "there is swap space", "swapoff -a");
    rig_file("/proc/self/limits", "Max locked memory         8388608              8388608   bytes\n");
    rig_file("/proc/self/status", "Name:\tx\nCapEff:\t0000000000003fff\n");
    expect("memlock", DOCTOR_WARN, "only 8192 KiB may be locked", "ulimit -l unlimited");
    rig_file("/proc/self/status", "Name:\tx\nCapEff:\t0000000000004000\n");
    expect("memlock", DOCTOR_OK, "memory may be locked", NULL);
    rig_file("/sys/class/net/eth1/device/local_cpulist", "0-1\n");
    expect("nic_node", DOCTOR_WARN, "near CPUs 0-1, hot CPU 2 is on another node", "one of 0-1");
    rig_file("/sys/class/net/eth1/device/current_link_width", "4\n");
    expect("pcie_link", DOCTOR_WARN, "x4 of x8", "another slot");
    rig_file("/sys/class/net/eth1/device/current_link_width", "8\n");
    rig_file("/sys/class/net/eth1/device/current_link_speed", "8.0 GT/s PCIe\n");
    expect("pcie_link", DOCTOR_WARN, "8.0 GT/s PCIe of 16.0 GT/s PCIe", "another slot");
    nic.pause_rx = true;
    expect("pause_frames", DOCTOR_WARN, "eth1: pause frames are obeyed", "ethtool -A eth1");
    nic.rx_usecs = 50;
    expect("coalescing", DOCTOR_WARN, "eth1: interrupts wait 50 us", "ethtool -C eth1 adaptive-rx off rx-usecs 0");
    rig_file("/sys/class/net/eth1/gro_flush_timeout", "0\n");
    expect("busy_poll", DOCTOR_WARN, "gro_flush_timeout 0 ns", "/sys/class/net/eth1/gro_flush_timeout");
    rig_file("/proc/sys/net/core/rmem_max", "212992\n");
    expect("socket_buffers", DOCTOR_WARN, "rmem_max 212992, buffer_kb asks for 4194304",
           "sysctl net.core.rmem_max=4194304");
}

Test(doctor, two_hot_cpus_of_one_core_are_bad)
{
    host_good();
    cpu_files(2, "2-3\n", "performance\n", "2\n");
    expect("smt_siblings", DOCTOR_BAD, "CPU 2 shares its core with CPU 3, which is hot too", "different cores");
}

Test(doctor, a_hot_cpu_that_is_not_there_is_bad)
{
    host_good();
    rig_file("/sys/devices/system/cpu/online", "0-2\n");
    expect("cpus_online", DOCTOR_BAD, "CPUs online: 0-2, without hot CPU 3", "lcores: cpu: ones of 0-2");
}

Test(doctor, a_card_that_is_not_there_is_bad)
{
    host_good();
    config.port[0].device = (char[]){"03:00.0"};
    config.port[0].socket.present = false;
    expect("nic_node", DOCTOR_OK, "03:00.0 is no hardware", NULL); /* a host that tells of no cards at all */
    rig_file("/sys/bus/pci/devices/0000:04:00.0/local_cpulist", "0-1\n");
    expect("nic_node", DOCTOR_BAD, "there is no card 03:00.0", "lspci -D");
    cr_expect(strstr(found("nic_node")->why, "refused"), "not of nodes: %s", found("nic_node")->why);
    expect("pcie_link", DOCTOR_UNKNOWN, "there is no card 03:00.0", NULL);
    expect("firmware", DOCTOR_UNKNOWN, "there is no card 03:00.0", NULL);
}

Test(doctor, an_interface_that_is_not_there_is_bad)
{
    host_good();
    config.port[0].device = (char[]){"net_af_xdp,iface=eth9"};
    expect("pause_frames", DOCTOR_BAD, "there is no interface eth9", "ip link");
}

Test(doctor, a_card_without_a_kernel_driver_is_looked_at_where_it_sits)
{
    host_good();
    config.port[0].device = (char[]){"03:00.0"};
    config.port[0].socket.present = false;
    rig_file("/sys/bus/pci/devices/0000:03:00.0/local_cpulist", "0-1\n");
    expect("nic_node", DOCTOR_WARN, "03:00.0 is near CPUs 0-1", "one of 0-1");
    expect("firmware", DOCTOR_UNKNOWN, "the kernel does not drive 03:00.0", NULL);
}

Test(doctor, every_port_has_a_finding_of_its_own)
{
    host_good();
    config.port_count = 2;
    snprintf(config.port[1].name, sizeof(config.port[1].name), "orders");
    config.port[1].device = (char[]){"net_ring"};
    doctor_look(&doctor, rig_root, &config, nic_ask);
    uint32_t seen = 0;
    for (uint32_t i = 0; i < doctor.count; i++)
        if (strcmp(doctor.finding[i].id, "pcie_link") == 0) {
            cr_expect_str_eq(doctor.finding[i].subject, seen == 0 ? "md" : "orders");
            seen++;
        }
    cr_expect_eq(seen, 2);
}

Test(doctor, without_a_config_the_isolated_cpus_are_the_hot_ones)
{
    char cpus[32];

    host_good();
    doctor_look(&doctor, rig_root, NULL, nic_ask);
    cr_expect_str_eq(sysfile_cpus_text(&doctor.hot, cpus, sizeof(cpus)), "2-3");
    cr_expect_str_eq(sysfile_cpus_text(&doctor.housekeeping, cpus, sizeof(cpus)), "0-1");
    cr_expect_eq(doctor.status_count[DOCTOR_WARN] + doctor.status_count[DOCTOR_BAD], 0);
    cr_expect_eq(found("nic_node")->status, DOCTOR_UNKNOWN);
}

/* An empty host: nothing that needs a file may be called good, but for features that such a kernel does not have. */
Test(doctor, where_nothing_is_told_nothing_is_claimed)
{
    static const char *const absent[] = {"numa_balancing", "thp", "swap"};

    nic_answers = false;
    doctor_look(&doctor, rig_root, &config, nic_ask);
    for (uint32_t i = 0; i < doctor.count; i++) {
        const struct doctor_finding *finding = &doctor.finding[i];
        bool excused = false;
        for (unsigned j = 0; j < sizeof(absent) / sizeof(absent[0]); j++)
            excused = excused || strcmp(finding->id, absent[j]) == 0;
        if (strcmp(finding->id, "nic_node") == 0 || strcmp(finding->id, "pcie_link") == 0)
            continue; /* without a device the port is no hardware */
        cr_expect(excused || finding->status == DOCTOR_UNKNOWN || finding->status == DOCTOR_BAD, "%s: %s: %s",
                  finding->id, doctor_status_name(finding->status), finding->seen);
    }
}

static int hostile_one(const char *path, const struct stat *stat, int type, struct FTW *walk)
{
    static const char noise[] = "\x1b[2J%s%n\xff\xfe-99999999999999999999999999 [always] 0-99999999999,,,--\n\n\n\t:";

    (void)stat;
    (void)walk;
    if (type == FTW_F) {
        FILE *file = fopen(path, "w");
        cr_assert(file);
        for (unsigned i = 0; i < 400; i++)
            fwrite(noise, 1, sizeof(noise), file);
        fclose(file);
    }
    return 0;
}

Test(doctor, a_hostile_tree_is_only_text)
{
    static char text[1 << 18];

    host_good();
    nftw(rig_root, hostile_one, 16, FTW_PHYS);
    memset(&nic, 'x', sizeof(nic));
    nic.driver[DOCTOR_WORD_MAX - 1] = nic.driver_version[DOCTOR_WORD_MAX - 1] = nic.firmware[DOCTOR_WORD_MAX - 1] = 0;
    nic.driver_known = nic.pause_known = nic.coalesce_known = nic.pause_rx = nic.pause_tx = true;
    nic.adaptive_rx = nic.pause_autoneg = true;
    doctor_look(&doctor, rig_root, &config, nic_ask);
    for (int json = 0; json < 2; json++) {
        FILE *out = fmemopen(text, sizeof(text), "w");
        if (json)
            doctor_json(&doctor, out);
        else
            doctor_text(&doctor, out);
        fclose(out);
        for (const char *c = text; *c; c++)
            cr_assert(*c == '\n' || (*c >= ' ' && *c <= '~'), "byte %02x", (unsigned char)*c);
    }
    cr_assert_eq(doctor.status_count[DOCTOR_OK] + doctor.status_count[DOCTOR_WARN] + doctor.status_count[DOCTOR_BAD] +
                     doctor.status_count[DOCTOR_UNKNOWN], doctor.count);
}

Test(doctor, the_interface_of_a_port_is_read_from_its_device)
{
    static const struct { const char *device, *iface; } rows[] = {
        {"net_af_xdp,iface=eth1,start_queue=1", "eth1"}, {"net_af_packet,qpairs=2,iface=ens3f0", "ens3f0"},
        {"socket,iface=vg", "vg"}, {"0000:03:00.0", NULL}, {"net_ring", NULL}, {"net_tap,iface=", NULL},
        {"net_af_xdp,iface=../../../etc", NULL}, {"net_af_xdp,iface=..", NULL},
        {"net_af_xdp,iface=abcdefghijklmnopqrst", NULL}};

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char iface[CONFIG_INTERFACE_MAX + 1] = "";
        char device[64];
        snprintf(device, sizeof(device), "%s", rows[i].device);
        const struct config_port port = {.device = device};
        cr_expect_eq(doctor_nic_iface(&port, iface), rows[i].iface != NULL, "%s", rows[i].device);
        cr_expect_str_eq(iface, rows[i].iface ? rows[i].iface : "", "%s", rows[i].device);
    }
}

/* This host's loopback answers for itself, and an interface that is not there does not. */
Test(doctor, an_interface_is_asked_by_ioctl)
{
    struct doctor_nic asked;

    cr_assert_not(doctor_nic_ask("tgnone", &asked));
    if (doctor_nic_ask("lo", &asked))
        cr_assert(asked.driver_known || asked.pause_known || asked.coalesce_known);
}
