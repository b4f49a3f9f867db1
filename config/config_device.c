/* What the text of a port's device says: driver, arguments, interface. See config.h and config_load.h. */
#include "config/config_load.h"

#include <stdio.h>
#include <string.h>

/* The drivers of DPDK that make an Ethernet device out of nothing but their name, on any host. DPDK knows them once it
 * runs only; what is here is known before. */
static const char *const drivers[] = {"net_af_xdp",      "net_af_packet", "net_tap",     "net_tun",        "net_memif",
                                      "net_virtio_user", "net_vhost",     "net_pcap",    "net_ring",       "net_null",
                                      "net_bonding",     "net_failsafe",  "net_softnic", "net_vdev_netvsc"};
#define DRIVERS (sizeof(drivers) / sizeof(drivers[0]))

bool config_device_is(const char *device, const char *driver)
{
    const size_t len = strcspn(device, ",");

    /* A vdev may carry a number behind its driver's name: net_af_xdp0. */
    return strncmp(device, driver, strlen(driver)) == 0 &&
           strspn(device + strlen(driver), "0123456789") == len - strlen(driver);
}

bool config_device_argument(const char *device, const char *key, char *ret_value, size_t value_size)
{
    const size_t key_len = strlen(key);

    ret_value[0] = '\0';
    for (const char *at = strchr(device, ','); at; at = strchr(at + 1, ',')) {
        if (strncmp(at + 1, key, key_len) != 0 || at[1 + key_len] != '=')
            continue;
        const char *value = at + key_len + 2;
        const size_t len = strcspn(value, ",");
        if (len == 0 || len >= value_size)
            return false;
        memcpy(ret_value, value, len);
        ret_value[len] = '\0';
        return true;
    }
    return false;
}

bool config_device_interface(const char *device, char ret_name[CONFIG_INTERFACE_MAX + 1])
{
    ret_name[0] = '\0';
    return strncmp(device, "net_", 4) == 0 &&
           config_device_argument(device, "iface", ret_name, CONFIG_INTERFACE_MAX + 1);
}

void config_dpdk_device(const struct config_load *load, const char *key, const char *device)
{
    char names[256], interface[CONFIG_INTERFACE_MAX + 1];
    size_t len = 0, i = 0;

    /* as DPDK has it: whatever stands behind the driver's name is the device's own */
    while (i < DRIVERS && strncmp(device, drivers[i], strlen(drivers[i])) != 0)
        i++;
    if (i == DRIVERS) {
        for (i = 0; i < DRIVERS && len < sizeof(names); i++)
            len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s", i ? ", " : "", drivers[i]);
        len = strcspn(device, ",");
        config_say(load, true, key,
                   "DPDK itself has no driver '%.*s'; write one of %s, or ignore this for one of your own",
                   len < 64 ? (int)len : 64, device, names);
    } else if ((config_device_is(device, "net_af_xdp") || config_device_is(device, "net_af_packet")) &&
               !config_device_interface(device, interface)) {
        config_say(load, false, key, "names no interface of at most %u letters; write %s,iface=eth1",
                   CONFIG_INTERFACE_MAX, drivers[i]);
    }
}
