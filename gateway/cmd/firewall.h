/* `tickgate firewall`: rules for the interfaces of this host that the kernel has, built from a config, applied as
 * one transaction, taken back by themselves unless somebody confirms them. Main thread; starts no EAL. The rules
 * are made by firewall_rules; nft (package nftables) is run for what it does with the kernel: its library is under
 * a licence that ours may not be linked with. */
#ifndef GATEWAY_CMD_FIREWALL_H
#define GATEWAY_CMD_FIREWALL_H

#include <stdint.h>

#define FIREWALL_SECONDS_MAX 86400u

/* The sub-command; see cmd.h. */
int cmd_firewall(int argc, char **argv);

#endif
