/* Checks of `tickgate doctor` about the ports of a config: where the card sits, how it is connected, what it waits for.
 * What only the driver knows is asked by ethtool's ioctl; doctor_nic_ask is the real one. See doctor.h. */
#include "gateway/cmd/doctor.h"

#include "gateway/cmd/doctor_nic.h"

#include <inttypes.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- asking */

static bool ask(int fd, const char *iface, void *data)
{
    struct ifreq request = {0};

    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", iface);
    request.ifr_data = data;
    return ioctl(fd, SIOCETHTOOL, &request) == 0;
}

/* Fields of fixed length without an end of their own, into words that end. */
static void word(char ret_word[DOCTOR_WORD_MAX], const char *field, size_t field_len)
{
    snprintf(ret_word, DOCTOR_WORD_MAX, "%.*s", (int)field_len, field);
    for (char *c = ret_word; *c; c++)
        if ((unsigned char)*c < ' ' || (unsigned char)*c > '~')
            *c = '?';
}

bool doctor_nic_ask(const char *iface, struct doctor_nic *ret_nic)
{
    struct ethtool_drvinfo driver = {.cmd = ETHTOOL_GDRVINFO};
    struct ethtool_pauseparam pause = {.cmd = ETHTOOL_GPAUSEPARAM};
    struct ethtool_coalesce coalesce = {.cmd = ETHTOOL_GCOALESCE};
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    *ret_nic = (struct doctor_nic){0};
    if (fd < 0)
        return false;
    ret_nic->driver_known = ask(fd, iface, &driver);
    ret_nic->pause_known = ask(fd, iface, &pause);
    ret_nic->coalesce_known = ask(fd, iface, &coalesce);
    close(fd);
    word(ret_nic->driver, driver.driver, sizeof(driver.driver));
    word(ret_nic->driver_version, driver.version, sizeof(driver.version));
    word(ret_nic->firmware, driver.fw_version, sizeof(driver.fw_version));
    ret_nic->pause_rx = pause.rx_pause != 0;
    ret_nic->pause_tx = pause.tx_pause != 0;
    ret_nic->pause_autoneg = pause.autoneg != 0;
    ret_nic->adaptive_rx = coalesce.use_adaptive_rx_coalesce != 0;
    ret_nic->rx_usecs = coalesce.rx_coalesce_usecs;
    return ret_nic->driver_known || ret_nic->pause_known || ret_nic->coalesce_known;
}

bool doctor_nic_iface(const struct config_port *port, char ret_iface[CONFIG_INTERFACE_MAX + 1])
{
    static const char key[] = ",iface=";
    const char *at = strstr(port->device, key);
    size_t len = 0;

    if (at)
        len = strcspn(at + sizeof(key) - 1, ",");
    if (!at || len == 0 || len > CONFIG_INTERFACE_MAX || memchr(at + sizeof(key) - 1, '/', len))
        return false;
    if (strspn(at + sizeof(key) - 1, ".") >= len) /* "." and "..": no names below /sys/class/net */
        return false;
    memcpy(ret_iface, at + sizeof(key) - 1, len);
    ret_iface[len] = '\0';
    return true;
}

/* Directory of a port's device, below the root; false: it is none of hardware. */
static bool device_of(const struct doctor *doctor, const struct config_port *port, char ret_place[128])
{
    char iface[CONFIG_INTERFACE_MAX + 1];

    if (doctor_nic_iface(port, iface))
        snprintf(ret_place, 128, "/sys/class/net/%s/device", iface);
    else if (strncmp(port->device, "net_", 4) != 0 && !port->socket.present)
        snprintf(ret_place, 128, "/sys/bus/pci/devices/%s%.32s", strlen(port->device) == 12 ? "" : "0000:",
                 port->device);
    else
        return false;
    return sysfile_exists(doctor->root, "%s", ret_place);
}

/* --- one finding for each port */

typedef void port_check(struct doctor *doctor, struct doctor_finding *finding, const struct config_port *port);

static void each_port(struct doctor *doctor, struct doctor_finding *finding, port_check *check)
{
    if (!doctor->config) {
        doctor_say(finding, DOCTOR_UNKNOWN, "no config says which ports");
        return;
    }
    const char *const why = finding->why;
    for (uint32_t i = 0; i < doctor->config->port_count; i++) {
        const struct config_port *port = &doctor->config->port[i];
        if (i == 0)
            snprintf(finding->subject, sizeof(finding->subject), "%s", port->name);
        else
            finding = doctor_next(doctor, finding, port->name);
        finding->why = why; /* that of the port before may have been another */
        check(doctor, finding, port);
    }
}

/* A card by its address, which this host, that tells of its cards, has not got. Once it is bad, then unknown. */
static bool card_missing(const struct doctor *doctor, struct doctor_finding *finding, const struct config_port *port,
                         enum doctor_status status)
{
    char place[128], iface[CONFIG_INTERFACE_MAX + 1];

    if (doctor_nic_iface(port, iface) || strncmp(port->device, "net_", 4) == 0 || port->socket.present ||
        !sysfile_exists(doctor->root, "/sys/bus/pci/devices") || device_of(doctor, port, place))
        return false;
    doctor_say(finding, status, "there is no card %s", port->device);
    if (status == DOCTOR_BAD) {
        finding->why = "A port needs its device: the start is refused.";
        doctor_fix(finding, "lspci -D; then the address in ports: device");
    }
    return true;
}

static void virtual_port(struct doctor_finding *finding, const struct config_port *port)
{
    doctor_say(finding, DOCTOR_OK, "%s is no hardware", port->device);
}

static void node_check(struct doctor *doctor, struct doctor_finding *finding, const struct config_port *port)
{
    char place[128], text[256];
    struct sysfile_cpus local;

    if (card_missing(doctor, finding, port, DOCTOR_BAD))
        return;
    if (!device_of(doctor, port, place)) {
        virtual_port(finding, port);
        return;
    }
    if (!sysfile_line(doctor->root, text, sizeof(text), "%s/local_cpulist", place) ||
        !sysfile_cpus_parse(text, &local)) {
        doctor_say(finding, DOCTOR_UNKNOWN, "%s does not tell its node", port->device);
        return;
    }
    for (uint32_t cpu = 0; cpu < SYSFILE_CPUS_MAX; cpu++)
        if (sysfile_cpus_has(&doctor->hot, cpu) && !sysfile_cpus_has(&local, cpu)) {
            doctor_say(finding, DOCTOR_WARN, "%s is near CPUs %s, hot CPU %u is on another node", port->device, text,
                       cpu);
            doctor_fix(finding, "lcores: cpu: one of %s for those that poll or send on it", text);
            return;
        }
    doctor_say(finding, DOCTOR_OK, "near CPUs %s", text);
}

static void pcie_check(struct doctor *doctor, struct doctor_finding *finding, const struct config_port *port)
{
    char place[128], speed[32], speed_max[32];
    uint64_t width, width_max;

    if (card_missing(doctor, finding, port, DOCTOR_UNKNOWN))
        return;
    if (!device_of(doctor, port, place)) {
        virtual_port(finding, port);
        return;
    }
    if (!sysfile_u64(doctor->root, &width, "%s/current_link_width", place) ||
        !sysfile_u64(doctor->root, &width_max, "%s/max_link_width", place) ||
        !sysfile_line(doctor->root, speed, sizeof(speed), "%s/current_link_speed", place) ||
        !sysfile_line(doctor->root, speed_max, sizeof(speed_max), "%s/max_link_speed", place)) {
        doctor_say(finding, DOCTOR_UNKNOWN, "%s does not tell its link (no PCIe, or a virtual function)", port->device);
        return;
    }
    const bool narrow = width < width_max, slow = strtod(speed, NULL) < strtod(speed_max, NULL);
    doctor_say(finding, narrow || slow ? DOCTOR_WARN : DOCTOR_OK, "x%" PRIu64 " of x%" PRIu64 ", %s of %s", width,
               width_max, speed, speed_max);
    if (narrow || slow)
        doctor_fix(finding, "another slot, or its speed in the firmware; lspci -vv shows LnkSta beside LnkCap");
}

/* What the interface says, or why it cannot be asked. */
static bool asked(struct doctor *doctor, struct doctor_finding *finding, const struct config_port *port,
                  char ret_iface[CONFIG_INTERFACE_MAX + 1], struct doctor_nic *ret_nic)
{
    if (!doctor_nic_iface(port, ret_iface)) {
        if (strncmp(port->device, "net_", 4) == 0)
            virtual_port(finding, port);
        else if (!card_missing(doctor, finding, port, DOCTOR_UNKNOWN))
            doctor_say(finding, DOCTOR_UNKNOWN, "the kernel does not drive %s: ask before it is bound to vfio-pci",
                       port->device);
        return false;
    }
    if (!sysfile_exists(doctor->root, "/sys/class/net/%s", ret_iface)) {
        doctor_say(finding, DOCTOR_BAD, "there is no interface %s", ret_iface);
        doctor_fix(finding, "ip link; then the name in ports: device");
        return false;
    }
    if (!doctor->nic_ask(ret_iface, ret_nic)) {
        doctor_say(finding, DOCTOR_UNKNOWN, "%s does not answer", ret_iface);
        return false;
    }
    return true;
}

static void pause_check(struct doctor *doctor, struct doctor_finding *finding, const struct config_port *port)
{
    char iface[CONFIG_INTERFACE_MAX + 1];
    struct doctor_nic nic;

    if (!asked(doctor, finding, port, iface, &nic))
        return;
    if (!nic.pause_known) {
        doctor_say(finding, DOCTOR_OK, "%s has no pause frames", iface);
        return;
    }
    const bool on = nic.pause_rx || nic.pause_tx;
    doctor_say(finding, on ? DOCTOR_WARN : DOCTOR_OK, "%s: pause frames are %s", iface,
               nic.pause_rx && nic.pause_tx ? "obeyed and sent"
               : nic.pause_rx               ? "obeyed"
               : nic.pause_tx               ? "sent"
                                            : "off");
    if (on)
        doctor_fix(finding, "ethtool -A %s autoneg off rx off tx off", iface);
}

/* A port that DPDK drives polls; interrupts, and so their moderation, matter where the kernel receives. */
static void coalesce_check(struct doctor *doctor, struct doctor_finding *finding, const struct config_port *port)
{
    char iface[CONFIG_INTERFACE_MAX + 1];
    struct doctor_nic nic;

    if (!asked(doctor, finding, port, iface, &nic))
        return;
    if (!nic.coalesce_known) {
        doctor_say(finding, DOCTOR_OK, "%s does not moderate interrupts", iface);
        return;
    }
    const bool late = nic.adaptive_rx || nic.rx_usecs > 0;
    doctor_say(finding, late ? DOCTOR_WARN : DOCTOR_OK, "%s: interrupts wait %u us%s", iface, nic.rx_usecs,
               nic.adaptive_rx ? ", adaptively" : "");
    if (late)
        doctor_fix(finding, "ethtool -C %s adaptive-rx off rx-usecs 0", iface);
}

static void firmware_check(struct doctor *doctor, struct doctor_finding *finding, const struct config_port *port)
{
    char iface[CONFIG_INTERFACE_MAX + 1];
    struct doctor_nic nic;

    if (!asked(doctor, finding, port, iface, &nic))
        return;
    if (nic.driver_known)
        doctor_say(finding, DOCTOR_OK, "%s: driver %s %s, firmware %s", iface, nic.driver, nic.driver_version,
                   nic.firmware[0] ? nic.firmware : "not told");
    else
        doctor_say(finding, DOCTOR_UNKNOWN, "%s does not tell its driver", iface);
}

/* Busy polling pays when the card's interrupts stay away meanwhile. */
static void busy_poll_check(struct doctor *doctor, struct doctor_finding *finding, const struct config_port *port)
{
    char iface[CONFIG_INTERFACE_MAX + 1];
    uint64_t defer = 0, flush_ns = 0;

    if (!port->socket.present || port->socket.busy_poll_us == 0) {
        doctor_say(finding, DOCTOR_OK, "busy polling is not asked for");
        return;
    }
    if (!doctor_nic_iface(port, iface) ||
        !sysfile_u64(doctor->root, &defer, "/sys/class/net/%s/napi_defer_hard_irqs", iface) ||
        !sysfile_u64(doctor->root, &flush_ns, "/sys/class/net/%s/gro_flush_timeout", iface)) {
        doctor_say(finding, DOCTOR_UNKNOWN, "%s does not tell napi_defer_hard_irqs and gro_flush_timeout",
                   port->socket.iface);
        return;
    }
    const bool good = defer > 0 && flush_ns > 0;
    doctor_say(finding, good ? DOCTOR_OK : DOCTOR_WARN, "%s: napi_defer_hard_irqs %" PRIu64 ", gro_flush_timeout %"
               PRIu64 " ns", iface, defer, flush_ns);
    if (!good)
        doctor_fix(finding, "echo 2 > /sys/class/net/%s/napi_defer_hard_irqs; echo 200000 > "
                   "/sys/class/net/%s/gro_flush_timeout", iface, iface);
}

static void buffers_check(struct doctor *doctor, struct doctor_finding *finding, const struct config_port *port)
{
    uint64_t max;

    if (!port->socket.present) {
        doctor_say(finding, DOCTOR_OK, "no socket");
        return;
    }
    if (!sysfile_u64(doctor->root, &max, "/proc/sys/net/core/rmem_max")) {
        doctor_say(finding, DOCTOR_UNKNOWN, "/proc/sys/net/core/rmem_max cannot be read");
        return;
    }
    const uint64_t wanted = (uint64_t)port->socket.buffer_kb * 1024 / 2; /* the kernel doubles what is asked for */
    doctor_say(finding, max < wanted ? DOCTOR_WARN : DOCTOR_OK, "net.core.rmem_max %" PRIu64 ", buffer_kb asks for %"
               PRIu64 "%s", max, wanted, max < wanted ? ": only root gets it" : "");
    if (max < wanted)
        doctor_fix(finding, "sysctl net.core.rmem_max=%" PRIu64, wanted);
}

void doctor_nic_node(struct doctor *doctor, struct doctor_finding *finding)
{
    each_port(doctor, finding, node_check);
}

void doctor_pcie(struct doctor *doctor, struct doctor_finding *finding)
{
    each_port(doctor, finding, pcie_check);
}

void doctor_pause(struct doctor *doctor, struct doctor_finding *finding)
{
    each_port(doctor, finding, pause_check);
}

void doctor_coalesce(struct doctor *doctor, struct doctor_finding *finding)
{
    each_port(doctor, finding, coalesce_check);
}

void doctor_firmware(struct doctor *doctor, struct doctor_finding *finding)
{
    each_port(doctor, finding, firmware_check);
}

void doctor_busy_poll(struct doctor *doctor, struct doctor_finding *finding)
{
    each_port(doctor, finding, busy_poll_check);
}

void doctor_buffers(struct doctor *doctor, struct doctor_finding *finding)
{
    each_port(doctor, finding, buffers_check);
}
