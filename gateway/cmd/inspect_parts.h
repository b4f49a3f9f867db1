/* What the parts of the report of `tickgate inspect` share: values as they are printed, and the books. Main thread. */
#ifndef GATEWAY_CMD_INSPECT_PARTS_H
#define GATEWAY_CMD_INSPECT_PARTS_H

#include "gateway/cmd/inspect.h"

/* Foreign bytes of a fixed width, padding taken off, anything that a terminal may act on replaced: up to `len` letters
 * and a 0. Returns ret_text, as the next one does. */
const char *inspect_plain_text(const void *bytes, size_t len, char *ret_text);
const char *inspect_price_text(int64_t price_e4, char ret_text[24]);
/* null: 0, which is no sequence number, since MoldUDP64 counts from 1. */
void inspect_json_seq(struct json *json, const char *key, uint64_t seq);
/* [price, quantity], null for an empty side. */
void inspect_json_side(struct json *json, const char *key, int32_t side_price, uint64_t qty);

/* Best prices, levels, orders and quantity of each book that was ever used, by symbol. */
void inspect_books_text(const struct inspect *inspect);
void inspect_books_json(struct json *json, const struct inspect *inspect);

#endif
