/* What must be so on this host before DPDK is asked for a port's device, so that what is missing is said in one
 * sentence that names the fix, where the driver would say "-22". Reads sysfs, devices and interfaces; changes
 * nothing, but that a dead socket of memif is removed. Control thread, before the EAL starts. */
#ifndef GATEWAY_PORT_DEVICE_H
#define GATEWAY_PORT_DEVICE_H

#include "config/config.h"

#define DEVICE_ERROR_MAX 512u

/* Can this port be made here? `sysfs`: "/sys". 0 or -errno and the sentence. */
int device_check(const struct config_port *port, const char *sysfs, char ret_error[DEVICE_ERROR_MAX]);
/* An address that tickgate answers for may not be the kernel's too. `what`: its key in the config. 0 or -EADDRINUSE. */
int device_check_address(uint32_t ip, const char *what, char ret_error[DEVICE_ERROR_MAX]);
/* Does the memory of the EAL have to be one file a node (--single-file-segments)? vhost shares it by file descriptors,
 * and has room for few. */
bool device_wants_single_file(const struct config_port *port);

#endif
