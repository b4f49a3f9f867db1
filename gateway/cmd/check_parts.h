/* What `tickgate check` says of a config that is right, by subject: each has its words as text and as JSON in one file.
 * Main thread. */
#ifndef GATEWAY_CMD_CHECK_PARTS_H
#define GATEWAY_CMD_CHECK_PARTS_H

#include "config/config.h"
#include "gateway/json.h"

void check_ports_text(const struct config *config, FILE *out);
void check_ports_json(struct json *json, const struct config *config);
void check_feeds_text(const struct config *config, FILE *out);
void check_feeds_json(struct json *json, const struct config *config);
/* Orders with what limits and kills them; of strategies, plug-ins are asked what they are. */
void check_strategies_text(const struct config *config, FILE *out);
void check_strategies_json(struct json *json, const struct config *config);
void check_orders_text(const struct config *config, FILE *out);
void check_orders_json(struct json *json, const struct config *config);

/* An IPv4 address in host byte order. */
void check_address_text(uint32_t address, char ret_text[16]);
/* null: 0, which is none. */
void check_json_address(struct json *json, const char *key, uint32_t ip);

#endif
