/* strategy_table: every strategy that is built in is found, whole, and of this version. */
#include "gateway/strategy/strategy_table.h"

#include <criterion/criterion.h>
#include <string.h>

Test(strategy_table, it_is_found_by_name_and_by_number)
{
    uint32_t count = 0;

    for (const struct strategy_ops *ops; (ops = strategy_table_at(count)); count++) {
        cr_assert_eq(strategy_table_find(ops->name), ops);
        cr_assert(ops->state_size && ops->init && ops->on_event && ops->on_order && ops->on_lost);
        cr_assert(ops->abi_major == STRATEGY_ABI_MAJOR && ops->abi_minor == STRATEGY_ABI_MINOR);
        cr_assert_eq(ops->ops_bytes, sizeof(*ops));
        cr_assert_gt(strlen(ops->summary), 10u);
    }
    cr_assert_geq(count, 2u);
    cr_assert_null(strategy_table_find("nobody"));
    cr_assert_null(strategy_table_find(""));
}
