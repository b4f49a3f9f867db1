/* See device.h. */
#include "gateway/port/device.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <ifaddrs.h>
#include <limits.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define PATH_LEN 512u

__attribute__((format(printf, 4, 5))) static int fail(char ret_error[DEVICE_ERROR_MAX], const struct config_port *port,
                                                      int error, const char *format, ...)
{
    va_list list;
    const size_t len = (size_t)snprintf(ret_error, DEVICE_ERROR_MAX, "port %.32s (%.96s): ", port->name, port->device);

    va_start(list, format);
    vsnprintf(ret_error + len, DEVICE_ERROR_MAX - len, format, list);
    va_end(list);
    return error;
}

/* The last name of what a link of sysfs leads to; empty: there is no such link. */
static void link_name(const char *path, char ret_name[NAME_MAX + 1])
{
    char target[PATH_LEN];
    const ssize_t len = readlink(path, target, sizeof(target) - 1);

    ret_name[0] = '\0';
    if (len <= 0)
        return;
    target[len] = '\0';
    const char *slash = strrchr(target, '/');
    snprintf(ret_name, NAME_MAX + 1, "%.*s", NAME_MAX, slash ? slash + 1 : target);
}

/* The first entry of a directory; empty: there is none. */
static void first_entry(const char *path, char ret_name[NAME_MAX + 1])
{
    DIR *directory = opendir(path);
    const struct dirent *entry;

    ret_name[0] = '\0';
    while (directory && !ret_name[0] && (entry = readdir(directory)))
        if (entry->d_name[0] != '.')
            snprintf(ret_name, NAME_MAX + 1, "%s", entry->d_name);
    if (directory)
        closedir(directory);
}

static bool first_letter_is(const char *path, char letter)
{
    FILE *file = fopen(path, "re");
    const int got = file ? fgetc(file) : EOF;

    if (file)
        fclose(file);
    return got == letter;
}

static int check_vfio(const struct config_port *port, const char *sysfs, char ret_error[DEVICE_ERROR_MAX])
{
    char path[PATH_LEN], name[NAME_MAX + 1];

    snprintf(path, sizeof(path), "%s/kernel/iommu_groups", sysfs);
    first_entry(path, name);
    if (name[0])
        return 0;
    snprintf(path, sizeof(path), "%s/module/vfio/parameters/enable_unsafe_noiommu_mode", sysfs);
    if (first_letter_is(path, 'Y'))
        return 0;
    return fail(
        ret_error, port, -ENODEV,
        "is bound to vfio-pci, but this host's IOMMU is off; boot with intel_iommu=on or amd_iommu=on, or, where "
        "every program is trusted, 'echo Y > /sys/module/vfio/parameters/enable_unsafe_noiommu_mode'");
}

/* A card: there, and bound to a driver that lets DPDK have it. */
static int check_pci(const struct config_port *port, const char *sysfs, char ret_error[DEVICE_ERROR_MAX])
{
    static const char *const shared[] = {"mlx5_core", "mlx4_core"}; /* the kernel's driver and DPDK's side by side */
    static const char *const own[] = {"igb_uio", "uio_pci_generic"};
    const char *domain = strlen(port->device) == 12 ? "" : "0000:";
    char directory[PATH_LEN], path[PATH_LEN + 16], driver[NAME_MAX + 1], interface[NAME_MAX + 1];

    snprintf(directory, sizeof(directory), "%s/bus/pci/devices/%s%s", sysfs, domain, port->device);
    if (access(directory, F_OK) != 0)
        return fail(ret_error, port, -ENODEV, "there is no such PCI device on this host; 'lspci -D' lists them");
    snprintf(path, sizeof(path), "%s/driver", directory);
    link_name(path, driver);
    if (strcmp(driver, "vfio-pci") == 0)
        return check_vfio(port, sysfs, ret_error);
    for (size_t i = 0; i < 2; i++)
        if (strcmp(driver, shared[i]) == 0 || strcmp(driver, own[i]) == 0)
            return 0;
    if (!driver[0])
        return fail(ret_error, port, -ENODEV,
                    "is bound to no driver; bind it: 'modprobe vfio-pci; dpdk-devbind.py --bind=vfio-pci %s%s'", domain,
                    port->device);
    snprintf(path, sizeof(path), "%s/net", directory);
    first_entry(path, interface);
    return fail(ret_error, port, -EBUSY,
                "is the kernel's (driver %.32s); give it to DPDK: 'dpdk-devbind.py --bind=vfio-pci %s%s', or share it: "
                "device: net_af_xdp,iface=%.16s",
                driver, domain, port->device, interface[0] ? interface : "...");
}

/* A device on an interface of the kernel, which must be there. */
static int check_interface(const struct config_port *port, char ret_error[DEVICE_ERROR_MAX])
{
    char name[CONFIG_INTERFACE_MAX + 1];

    if (!config_device_interface(port->device, name))
        return fail(ret_error, port, -EINVAL, "names no interface of at most %u letters; write %.16s,iface=eth1",
                    CONFIG_INTERFACE_MAX, port->device);
    if (if_nametoindex(name) == 0)
        return fail(ret_error, port, -ENODEV,
                    "there is no interface '%s' in this network namespace; 'ip link' lists them", name);
    return 0;
}

/* A file of the device's arguments that somebody else must have made: `key`, and who. */
static int check_path(const struct config_port *port, const char *key, const char *missing,
                      char ret_error[DEVICE_ERROR_MAX])
{
    char path[PATH_LEN];

    if (!config_device_argument(port->device, key, path, sizeof(path)) || access(path, F_OK) == 0)
        return 0;
    return fail(ret_error, port, -ENOENT, "%s is not there: %s", path, missing);
}

static bool argument_is(const struct config_port *port, const char *key, const char *value)
{
    char text[16];

    return config_device_argument(port->device, key, text, sizeof(text)) && strcmp(text, value) == 0;
}

/* A socket of memif that has a name in the file system (by default it has not): its directory must exist, and one
 * that a killed server left, at which nobody listens, would be in its successor's way. */
static int check_memif(const struct config_port *port, char ret_error[DEVICE_ERROR_MAX])
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char *path = address.sun_path;

    if (!argument_is(port, "socket-abstract", "no") ||
        !config_device_argument(port->device, "socket", path, sizeof(address.sun_path)))
        return 0;
    if (argument_is(port, "role", "server") && access(path, F_OK) == 0) {
        const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 && errno == ECONNREFUSED)
            unlink(path);
        if (fd >= 0)
            close(fd);
    }
    char *slash = strrchr(path, '/');
    if (!slash || slash == path)
        return 0;
    *slash = '\0';
    if (access(path, W_OK) == 0)
        return 0;
    return fail(ret_error, port, -ENOENT, "directory %s of its socket cannot be written to; make it", path);
}

int device_check(const struct config_port *port, const char *sysfs, char ret_error[DEVICE_ERROR_MAX])
{
    const char *device = port->device;

    if (strncmp(device, "net_", 4) != 0)
        return check_pci(port, sysfs, ret_error);
    if (config_device_is(device, "net_af_xdp") || config_device_is(device, "net_af_packet"))
        return check_interface(port, ret_error);
    if (config_device_is(device, "net_tap") && access("/dev/net/tun", R_OK | W_OK) != 0)
        return fail(ret_error, port, -errno,
                    "/dev/net/tun cannot be opened (%s); 'modprobe tun', and root or net_admin are needed",
                    strerror(errno));
    if (config_device_is(device, "net_memif"))
        return check_memif(port, ret_error);
    if (config_device_is(device, "net_virtio_user") && !argument_is(port, "server", "1"))
        return check_path(port, "path", "start the virtual switch that makes this vhost socket first, or add server=1",
                          ret_error);
    if (config_device_is(device, "net_pcap"))
        return check_path(port, "rx_pcap", "name a capture that exists", ret_error);
    return 0;
}

int device_check_address(uint32_t ip, const char *what, char ret_error[DEVICE_ERROR_MAX])
{
    struct ifaddrs *all, *one;
    int error = 0;

    if (ip == 0 || getifaddrs(&all) != 0)
        return 0;
    for (one = all; one && error == 0; one = one->ifa_next) {
        const struct sockaddr_in *address = (const struct sockaddr_in *)(const void *)one->ifa_addr;
        if (!address || address->sin_family != AF_INET || address->sin_addr.s_addr != htonl(ip))
            continue;
        error = -EADDRINUSE;
        snprintf(
            ret_error, DEVICE_ERROR_MAX,
            "%s: %u.%u.%u.%u is the kernel's on interface %s, which would answer too, and reset the connection; take "
            "it off there ('ip addr del'), or write an address that nobody has",
            what, ip >> 24, ip >> 16 & 0xff, ip >> 8 & 0xff, ip & 0xff, one->ifa_name);
    }
    freeifaddrs(all);
    return error;
}

bool device_wants_single_file(const struct config_port *port)
{
    return config_device_is(port->device, "net_virtio_user") || config_device_is(port->device, "net_vhost") ||
           (config_device_is(port->device, "net_memif") && argument_is(port, "zero-copy", "yes"));
}
