/* One value of the config, from its text or number: is it there, can it be, and what stands for it if not. What is
 * wrong becomes a finding about the key; where its spelling was found wrong already, none is made again. Main
 * thread. */
#ifndef CONFIG_CONFIG_VALUES_H
#define CONFIG_CONFIG_VALUES_H

#include "config/config_load.h"

#define CONFIG_REQUIRED UINT64_MAX /* in place of a default */
#define CONFIG_OR(raw, fallback) ((raw) ? *(raw) : (fallback))

/* Was its spelling already found wrong? */
bool config_bad(const struct config_load *load, const struct config_at *at);
/* The line of an entry: findings made later name it. */
uint32_t config_line_of(const struct config_load *load, struct config_at at);

/* The number, `fallback` where the key is absent or out of range; CONFIG_REQUIRED (truncated by the caller: all ones)
 * after a finding. */
uint64_t config_number(const struct config_load *load, struct config_at at, const uint64_t *raw, uint64_t min,
                       uint64_t max, uint64_t fallback);
uint32_t config_power_of_two(const struct config_load *load, struct config_at at, const uint64_t *raw, uint64_t min,
                             uint64_t max, uint64_t fallback);
/* A percentage, in parts of CONFIG_FAULT_PARTS; 0 where the key is absent. */
uint32_t config_share(const struct config_load *load, struct config_at at, const char *raw);

/* `fallback` NULL: it must be given. */
void config_name(const struct config_load *load, struct config_at at, const char *raw, const char *fallback,
                 char ret_name[CONFIG_NAME_MAX + 1]);
/* The index of the thing called `raw`, in a list of structs with a `name`; when absent, `fallback`. */
uint32_t config_index_of(const struct config_load *load, struct config_at at, const char *raw, const char *what,
                         const char *first_name, size_t stride, uint32_t count, uint32_t fallback);
#define CONFIG_INDEX_OF(load, at, raw, what, list, count, fallback)                                                    \
    config_index_of(load, at, raw, what, (list)[0].name, sizeof((list)[0]), count, fallback)

/* The only lcore of a role, which needs no naming; CONFIG_IDX_NONE where there is none or more. */
uint32_t config_lcore_only(const struct config *config, enum config_role role);

/* IPv4 in host byte order; 0: there is none, or a finding was made. A multicast group must be given. */
uint32_t config_multicast(const struct config_load *load, struct config_at at, const char *raw);
uint32_t config_unicast(const struct config_load *load, struct config_at at, const char *raw, bool required);
/* A UDP or TCP port that must be given. */
uint16_t config_ip_port(const struct config_load *load, struct config_at at, const uint64_t *raw);
/* `sent`: what is sent to it, of one that must be given; NULL: it need not. */
void config_mac(const struct config_load *load, struct config_at at, const char *raw, const char *sent,
                uint8_t ret_mac[6]);
void config_credential(const struct config_load *load, struct config_at at, const char *raw, bool required,
                       uint32_t len_max, char *ret_text);
/* Only letters that show: no blank, nothing outside ASCII. */
bool config_printable(const char *text);

#endif
