/* gateway/device: what is wrong on a host, in one sentence, before DPDK is asked. PCI devices in a made-up sysfs. */
#include "gateway/port/device.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char root[64];

__attribute__((format(printf, 1, 2))) static void shell(const char *format, ...)
{
    char command[512];
    va_list list;

    va_start(list, format);
    vsnprintf(command, sizeof(command), format, list);
    va_end(list);
    cr_assert_eq(system(command), 0, "%s", command);
}

static void sysfs_begin(void)
{
    snprintf(root, sizeof(root), "/tmp/test_device.XXXXXX");
    cr_assert_not_null(mkdtemp(root));
    shell("mkdir -p %s/kernel/iommu_groups", root);
}

static void sysfs_end(void)
{
    shell("rm -r %s", root);
}

static void card(const char *address, const char *driver)
{
    shell("mkdir -p %s/bus/pci/devices/%s/net/eth7", root, address);
    if (driver)
        shell("ln -s ../../../drivers/%s %s/bus/pci/devices/%s/driver", driver, root, address);
}

static const char *sentence(const char *device, int error_expected)
{
    static char error[DEVICE_ERROR_MAX];
    char text[128];
    const struct config_port port = {.name = "md", .device = text};

    snprintf(text, sizeof(text), "%s", device);
    memset(error, 0, sizeof(error));
    const int got = device_check(&port, root, error);
    cr_expect_eq(got, error_expected, "%s: %d, %s", device, got, error);
    cr_expect_eq(got == 0, error[0] == '\0');
    return error;
}

#define SAYS(device, error, words)                                                                                     \
    do {                                                                                                               \
        const char *said = sentence(device, error);                                                                    \
        cr_expect_not_null(strstr(said, words), "'%s' is not in: %s", words, said);                                    \
    } while (0)

Test(device, cards_need_a_driver_that_gives_them_to_dpdk, .init = sysfs_begin, .fini = sysfs_end)
{
    card("0000:03:00.0", "ice");
    card("0000:04:00.0", "mlx5_core");
    card("0000:05:00.0", NULL);
    SAYS("0000:03:00.0", -EBUSY, "is the kernel's (driver ice)");
    SAYS("03:00.0", -EBUSY, "device: net_af_xdp,iface=eth7");
    SAYS("0000:05:00.0", -ENODEV,
         "is bound to no driver; bind it: 'modprobe vfio-pci; dpdk-devbind.py "
         "--bind=vfio-pci 0000:05:00.0'");
    SAYS("0000:06:00.0", -ENODEV, "there is no such PCI device");
    cr_expect_str_eq(sentence("0000:04:00.0", 0), "", "mlx5 stays with its kernel driver");
}

Test(device, vfio_needs_an_iommu_or_the_word_that_none_is_wanted, .init = sysfs_begin, .fini = sysfs_end)
{
    card("0000:03:00.0", "vfio-pci");
    SAYS("0000:03:00.0", -ENODEV, "this host's IOMMU is off");
    shell("mkdir -p %s/module/vfio/parameters", root);
    shell("echo Y > %s/module/vfio/parameters/enable_unsafe_noiommu_mode", root);
    (void)sentence("0000:03:00.0", 0);
    shell("rm -r %s/module", root);
    shell("mkdir %s/kernel/iommu_groups/0", root);
    (void)sentence("0000:03:00.0", 0);
}

Test(device, interfaces_and_files_must_be_there, .init = sysfs_begin, .fini = sysfs_end)
{
    SAYS("net_af_xdp,iface=no_such_one", -ENODEV, "there is no interface 'no_such_one' in this network namespace");
    SAYS("net_af_packet", -EINVAL, "write net_af_packet,iface=eth1");
    (void)sentence("net_af_packet,iface=lo", 0);
    SAYS("net_memif,role=server,socket=/no/such/place/md.sock,socket-abstract=no", -ENOENT,
         "directory /no/such/place");
    (void)sentence("net_memif,role=server,socket=/no/such/place/md.sock", 0); /* a name of no file system */
    SAYS("net_virtio_user,path=/no/such.sock", -ENOENT, "start the virtual switch that makes this vhost socket first");
    (void)sentence("net_virtio_user,path=/no/such.sock,server=1", 0);
    SAYS("net_pcap,rx_pcap=/no/such.pcap", -ENOENT, "name a capture that exists");
    (void)sentence("net_ring", 0);
}

/* A server's socket in the file system, bound and, if `alive`, listened at. */
static int server(const char *path, bool alive)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    cr_assert_eq(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert(!alive || listen(fd, 1) == 0);
    return fd;
}

Test(device, a_dead_socket_of_memif_makes_room_and_a_living_one_does_not, .init = sysfs_begin, .fini = sysfs_end)
{
    char path[96], device[160];

    snprintf(path, sizeof(path), "%s/md.sock", root);
    snprintf(device, sizeof(device), "net_memif,role=server,socket-abstract=no,socket=%s", path);
    close(server(path, false));
    (void)sentence(device, 0);
    cr_expect_neq(access(path, F_OK), 0, "the dead one is gone");
    const int fd = server(path, true);
    (void)sentence(device, 0);
    cr_expect_eq(access(path, F_OK), 0, "the living one is not");
    close(fd);
}

Test(device, an_address_is_the_kernels_or_ours)
{
    char error[DEVICE_ERROR_MAX] = "";

    cr_expect_eq(device_check_address(0x7f000001, "orders.local_ip", error), -EADDRINUSE);
    cr_expect_not_null(strstr(error, "orders.local_ip: 127.0.0.1 is the kernel's on interface lo"), "%s", error);
    cr_expect_eq(device_check_address(0xc0000263, "orders.local_ip", error), 0);
    cr_expect_eq(device_check_address(0, "orders.local_ip", error), 0, "none is asked for");
}

Test(device, vhost_wants_its_memory_in_few_pieces)
{
    char virtio[] = "net_virtio_user,path=/x", memif[] = "net_memif,zero-copy=yes", copy[] = "net_memif,id=0";
    struct config_port port = {.device = virtio};

    cr_expect(device_wants_single_file(&port));
    port.device = memif;
    cr_expect(device_wants_single_file(&port));
    port.device = copy;
    cr_expect_not(device_wants_single_file(&port));
}
