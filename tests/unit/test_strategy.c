/* strategy: the reading of parameters. */
#include "gateway/strategy/strategy.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static int param(const char *value, uint64_t *ret_value, char ret_error[STRATEGY_ERROR_MAX])
{
    const struct strategy_param params[] = {{"other", "x"}, {"size", value}};
    const struct strategy_setup setup = {.params = params, .param_count = 2};
    return strategy_param_u64(&setup, "size", 7, 5, 1000, ret_value, ret_error);
}

Test(strategy, a_number_in_range_is_taken_and_an_absent_one_replaced)
{
    char error[STRATEGY_ERROR_MAX];
    uint64_t value = 0;
    const struct strategy_setup none = {.param_count = 0};

    cr_assert_eq(param("5", &value, error), 0);
    cr_assert_eq(value, 5u);
    cr_assert_eq(param("1000", &value, error), 0);
    cr_assert_eq(value, 1000u);
    cr_assert_eq(strategy_param_u64(&none, "size", 7, 5, 1000, &value, error), 0);
    cr_assert_eq(value, 7u);
}

Test(strategy, what_is_no_number_in_range_is_refused_with_the_range)
{
    static const char *const bad[] = {
        "4", "1001", "", " 6", "+6", "-6", "6 ", "6x", "12abc", "0x6", "6.0", "1e2", "six",
        "18446744073709551616", "99999999999999999999999999"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char error[STRATEGY_ERROR_MAX] = "";
        uint64_t value = 77;
        cr_assert_eq(param(bad[i], &value, error), -EINVAL, "'%s'", bad[i]);
        cr_assert_eq(value, 77u);
        cr_assert(strstr(error, "size") && strstr(error, "5 to 1000"), "%s", error);
    }
}

Test(strategy, an_unknown_parameter_is_named_with_those_there_are)
{
    static const char *const known[] = {"every", "quantity", NULL};
    const struct strategy_param params[] = {{"every", "1"}, {"quantitty", "1"}};
    const struct strategy_setup setup = {.params = params, .param_count = 2};
    char error[STRATEGY_ERROR_MAX] = "";

    cr_assert_eq(strategy_params_known(&setup, known, error), -EINVAL);
    cr_assert(strstr(error, "'quantitty'") && strstr(error, "every, quantity"), "%s", error);
    const struct strategy_setup good = {.params = params, .param_count = 1};
    cr_assert_eq(strategy_params_known(&good, known, error), 0);
}

Test(strategy, a_parameter_given_twice_counts_as_given_last_and_both_must_be_right)
{
    struct strategy_param params[] = {{"size", "6"}, {"size", "9"}};
    const struct strategy_setup setup = {.params = params, .param_count = 2};
    char error[STRATEGY_ERROR_MAX];
    uint64_t value = 0;

    cr_assert_eq(strategy_param_u64(&setup, "size", 7, 5, 1000, &value, error), 0);
    cr_assert_eq(value, 9u);
    params[0].value = "x";
    cr_assert_eq(strategy_param_u64(&setup, "size", 7, 5, 1000, &value, error), -EINVAL);
}

Test(strategy, the_largest_number_is_a_number)
{
    const struct strategy_param params[] = {{"size", "18446744073709551615"}};
    const struct strategy_setup setup = {.params = params, .param_count = 1};
    char error[STRATEGY_ERROR_MAX];
    uint64_t value = 0;

    cr_assert_eq(strategy_param_u64(&setup, "size", 7, 0, UINT64_MAX, &value, error), 0);
    cr_assert_eq(value, UINT64_MAX);
    const struct strategy_param beyond = {"size", "18446744073709551616"};
    const struct strategy_setup refused = {.params = &beyond, .param_count = 1};
    cr_assert_eq(strategy_param_u64(&refused, "size", 7, 0, UINT64_MAX, &value, error), -EINVAL, "one more is none");
}

Test(strategy, sentences_stay_inside_their_buffer)
{
    static char endless[4096];
    static const char *known[64];
    struct { char text[STRATEGY_ERROR_MAX]; char guard[16]; } error;
    uint64_t value;

    memset(endless, 'k', sizeof(endless) - 1);
    memset(&error, '#', sizeof(error));
    for (int i = 0; i < 63; i++)
        known[i] = "quantity";
    const struct strategy_param params[] = {{endless, "1"}, {"size", endless}};
    const struct strategy_setup setup = {.params = params, .param_count = 2};
    cr_assert_eq(strategy_params_known(&setup, known, error.text), -EINVAL);
    cr_assert_lt(strnlen(error.text, sizeof(error.text)), sizeof(error.text));
    cr_assert_eq(strategy_param_u64(&setup, "size", 1, 1, 2, &value, error.text), -EINVAL);
    cr_assert_lt(strnlen(error.text, sizeof(error.text)), sizeof(error.text));
    for (size_t i = 0; i < sizeof(error.guard); i++)
        cr_assert_eq(error.guard[i], '#');
}
