/* risk_limits: the table names each limit once, and setting one changes that one alone. */
#include "gateway/order/risk_limits.h"

#include <criterion/criterion.h>
#include <string.h>

Test(risk_limits, each_limit_is_found_by_its_name_and_by_no_other)
{
    for (uint32_t i = 0; i < risk_limits_count(); i++) {
        cr_assert_eq(risk_limits_find(risk_limits_row(i)->name), i);
        cr_assert(risk_limits_row(i)->scopes != 0 && risk_limits_row(i)->unit[0] != '\0');
        cr_assert_lt(risk_limits_row(i)->min, risk_limits_row(i)->max);
    }
    cr_assert_eq(risk_limits_find(""), UINT32_MAX);
    cr_assert_eq(risk_limits_find("order_qty"), UINT32_MAX);
    cr_assert_eq(risk_limits_find("order_qty_max_"), UINT32_MAX);
}

Test(risk_limits, a_value_is_taken_from_its_least_to_its_largest)
{
    for (uint32_t i = 0; i < risk_limits_count(); i++) {
        const struct risk_limits_row *row = risk_limits_row(i);
        struct risk_limits limits = {.order_qty_max = 1};
        cr_assert(risk_limits_set(&limits, i, row->max), "%s", row->name);
        cr_assert_eq(risk_limits_get(&limits, i), row->max);
        cr_assert(risk_limits_set(&limits, i, row->min));
        cr_assert_eq(risk_limits_get(&limits, i), row->min);
        cr_assert_not(risk_limits_set(&limits, i, row->max + 1));
        cr_assert_not(risk_limits_set(&limits, i, UINT64_MAX));
        if (row->min > 0)
            cr_assert_not(risk_limits_set(&limits, i, row->min - 1));
        cr_assert_eq(risk_limits_get(&limits, i), row->min, "a refused value changes nothing");
    }
}

Test(risk_limits, setting_one_leaves_the_others_alone)
{
    for (uint32_t i = 0; i < risk_limits_count(); i++) {
        struct risk_limits limits;
        memset(&limits, 0x55, sizeof(limits));
        const struct risk_limits before = limits;
        cr_assert(risk_limits_set(&limits, i, risk_limits_row(i)->max));
        uint32_t changed = 0;
        for (uint32_t j = 0; j < risk_limits_count(); j++)
            changed += risk_limits_get(&limits, j) != risk_limits_get(&before, j);
        cr_assert_eq(changed, 1u, "%s", risk_limits_row(i)->name);
    }
}

Test(risk_limits, the_names_are_those_of_the_members)
{
    struct risk_limits limits = {.loss_max = 1};
    cr_assert(risk_limits_set(&limits, risk_limits_find("order_qty_max"), 17));
    cr_assert(risk_limits_set(&limits, risk_limits_find("gross_max"), UINT64_C(1) << 40));
    cr_assert(risk_limits_set(&limits, risk_limits_find("clock_steady_ms"), 3));
    cr_assert(limits.order_qty_max == 17 && limits.gross_max == UINT64_C(1) << 40 && limits.clock_steady_ms == 3);
    cr_assert_eq(limits.loss_max, 1u);
}
