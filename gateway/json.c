/* See json.h. */
#include "gateway/json.h"

#include "ring/check.h"

#include <inttypes.h>
#include <math.h>

void json_init(struct json *json, FILE *out)
{
    *json = (struct json){.out = out};
    json->empty[0] = true;
}

static void text(struct json *json, const char *value)
{
    fputc('"', json->out);
    for (const unsigned char *c = (const unsigned char *)value; *c; c++) {
        if (*c == '"' || *c == '\\')
            fprintf(json->out, "\\%c", *c);
        else if (*c < 0x20 || *c >= 0x7f) /* bytes from the wire need not be text: show each as its code point */
            fprintf(json->out, "\\u%04x", *c);
        else
            fputc(*c, json->out);
    }
    fputc('"', json->out);
}

static void begin(struct json *json, const char *key)
{
    if (!json->empty[json->depth])
        fputc(',', json->out);
    json->empty[json->depth] = false;
    if (key) {
        text(json, key);
        fputc(':', json->out);
    }
}

void json_open(struct json *json, const char *key, char bracket)
{
    begin(json, key);
    fputc(bracket, json->out);
    CHECK(json->depth + 1 < JSON_DEPTH_MAX);
    json->empty[++json->depth] = true;
}

void json_close(struct json *json, char bracket)
{
    CHECK(json->depth > 0);
    json->depth--;
    fputc(bracket, json->out);
    if (json->depth == 0)
        fputc('\n', json->out);
}

void json_u64(struct json *json, const char *key, uint64_t value)
{
    begin(json, key);
    fprintf(json->out, "%" PRIu64, value);
}

void json_i64(struct json *json, const char *key, int64_t value)
{
    begin(json, key);
    fprintf(json->out, "%" PRId64, value);
}

void json_f64(struct json *json, const char *key, double value)
{
    begin(json, key);
    if (isfinite(value))
        fprintf(json->out, "%.6g", value);
    else
        fputs("null", json->out);
}

void json_bool(struct json *json, const char *key, bool value)
{
    begin(json, key);
    fputs(value ? "true" : "false", json->out);
}

void json_null(struct json *json, const char *key)
{
    begin(json, key);
    fputs("null", json->out);
}

void json_text(struct json *json, const char *key, const char *value)
{
    begin(json, key);
    text(json, value);
}

void json_text_or_null(struct json *json, const char *key, const char *value)
{
    if (value)
        json_text(json, key, value);
    else
        json_null(json, key);
}
