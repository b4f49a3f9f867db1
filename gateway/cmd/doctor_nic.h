/* Network cards as `tickgate doctor` sees them. Main thread. */
#ifndef GATEWAY_CMD_DOCTOR_NIC_H
#define GATEWAY_CMD_DOCTOR_NIC_H

#include "gateway/cmd/doctor.h"

/* Ask an interface of this host by ioctl. False: it does not answer. */
bool doctor_nic_ask(const char *iface, struct doctor_nic *ret_nic);
/* The kernel interface behind a port (iface=NAME of its device). False: the kernel does not have it. */
bool doctor_nic_iface(const struct config_port *port, char ret_iface[CONFIG_INTERFACE_MAX + 1]);

#endif
