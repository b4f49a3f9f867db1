/* What the text of a port's device says: driver, arguments, interface. See config.h. */
#include "config/config.h"

#include <string.h>

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
