/* json: what it writes is JSON, whatever the strings hold. */
#include "gateway/json.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static char *text;
static size_t text_len;

static struct json begin(void)
{
    struct json json;
    json_init(&json, open_memstream(&text, &text_len));
    return json;
}

static const char *end(struct json *json)
{
    fclose(json->out);
    return text;
}

Test(json, commas_stand_between_values_and_nowhere_else)
{
    struct json json = begin();
    json_open(&json, NULL, '{');
    json_u64(&json, "a", UINT64_MAX);
    json_open(&json, "b", '[');
    json_i64(&json, NULL, INT64_MIN);
    json_null(&json, NULL);
    json_open(&json, NULL, '[');
    json_close(&json, ']');
    json_close(&json, ']');
    json_open(&json, "c", '{');
    json_close(&json, '}');
    json_bool(&json, "d", true);
    json_close(&json, '}');
    cr_assert_str_eq(end(&json),
                     "{\"a\":18446744073709551615,\"b\":[-9223372036854775808,null,[]],\"c\":{},\"d\":true}\n");
}

Test(json, every_byte_of_a_string_becomes_legal)
{
    struct json json = begin();
    json_open(&json, NULL, '{');
    json_text(&json, "quote\"back\\slash", "line\nnul-free\x01\x7f\xff");
    json_close(&json, '}');
    cr_assert_str_eq(end(&json), "{\"quote\\\"back\\\\slash\":\"line\\u000anul-free\\u0001\\u007f\\u00ff\"}\n");
}

Test(json, what_is_not_a_number_is_null)
{
    struct json json = begin();
    json_open(&json, NULL, '[');
    json_f64(&json, NULL, NAN);
    json_f64(&json, NULL, INFINITY);
    json_f64(&json, NULL, 0.25);
    json_close(&json, ']');
    cr_assert_str_eq(end(&json), "[null,null,0.25]\n");
}
