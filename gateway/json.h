/* Writing JSON, for reports: keys and strings are escaped, commas and nesting are kept right. Cold code only. */
#ifndef GATEWAY_JSON_H
#define GATEWAY_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define JSON_DEPTH_MAX 16u

struct json {
    FILE *out;
    uint32_t depth;
    bool empty[JSON_DEPTH_MAX]; /* nothing written at this depth yet */
};

void json_init(struct json *json, FILE *out);
/* `key` is NULL inside arrays and for the outermost value. */
void json_open(struct json *json, const char *key, char bracket); /* '{' or '[' */
void json_close(struct json *json, char bracket);                 /* '}' or ']'; a newline after the outermost */
void json_u64(struct json *json, const char *key, uint64_t value);
void json_i64(struct json *json, const char *key, int64_t value);
void json_f64(struct json *json, const char *key, double value);
void json_bool(struct json *json, const char *key, bool value);
void json_null(struct json *json, const char *key);
void json_text(struct json *json, const char *key, const char *text);
void json_text_or_null(struct json *json, const char *key, const char *text);

#endif
