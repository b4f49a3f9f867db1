/* One config_load in progress: what its passes share. Text to nodes (config_lines) to words (config_schema) to values
 * (config_convert) → what keys mean together (config_check). Main thread. */
#ifndef CONFIG_CONFIG_LOAD_H
#define CONFIG_CONFIG_LOAD_H

#include "config/config.h"
#include "config/config_lines.h"
#include "config/config_schema.h"

#define CONFIG_IDX_NONE UINT32_MAX /* a name that leads nowhere: a finding was made, later checks leave it alone */

struct config_load {
    const char *path;
    struct config_lines lines;
    struct config_findings *findings;
};

/* A key path made from its format: the key that a value is read from and that findings name. */
struct config_at {
    char path[CONFIG_PATH_MAX];
};
struct config_at config_at(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A finding about `key`, a path as in "feeds[0].lines[1].group". Its line is the key's, or where there is no such key,
 * that of the mapping that lacks it. */
void config_say(const struct config_load *load, bool warning, const char *key, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Values: ranges, addresses, names, dates, defaults. 0 or -ENOMEM; what is wrong with the text becomes a finding and
 * leaves a value in `config` that config_check does not stumble over. */
int config_convert(struct config_load *load, const struct raw *raw, struct config *config);

/* Parts of config_convert that have a file of their own, by section. 0 or -ENOMEM. */
int config_ports_convert(const struct config_load *load, const struct raw *raw, struct config *config);
int config_feeds_convert(const struct config_load *load, const struct raw *raw, struct config *config);
int config_strategies_convert(const struct config_load *load, const struct raw *raw, struct config *config);
int config_orders_convert(const struct config_load *load, const struct raw_orders *raw, const struct config *config,
                          struct config_orders *orders);
/* The section `firewall`, likewise. */
void config_convert_firewall(const struct config_load *load, const struct raw_firewall *raw, struct config *config);
/* The section `admin`, with what its keys mean together. 0 or -ENOMEM. */
int config_admin(const struct config_load *load, const struct raw_admin *raw, struct config_admin *admin);
/* The device of a port that begins with "net_": a driver that DPDK has, and the interface where it needs one. What is
 * wrong becomes a finding about `key`. */
void config_dpdk_device(const struct config_load *load, const char *key, const char *device);
/* The device of a port that begins with "socket": its arguments. What is wrong becomes a finding about `key`. */
void config_socket(const struct config_load *load, const char *key, const char *device,
                   struct config_socket *ret_socket);

/* What a port of sockets cannot do: carry orders, requests, or keys of an Ethernet device. */
void config_socket_check(const struct config_load *load, const struct config *config);

/* The sections `risk`, also those of strategies, by themselves (0 or -ENOMEM) and with the rest. */
int config_risk_convert(const struct config_load *load, const struct raw *raw, struct config *config);
void config_risk_check(const struct config_load *load, const struct config *config);
/* What membership and address of a port mean beside the rest. */
void config_membership_check(const struct config_load *load, const struct config *config);

/* What only several keys together can tell. */
void config_check(const struct config_load *load, const struct config *config);

#endif
