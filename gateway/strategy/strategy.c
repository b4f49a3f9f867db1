/* What init functions of strategies share. Contract in strategy.h; also in the archive that plug-ins are linked with.
 * Cold code. */
#include "gateway/strategy/strategy.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int strategy_param_u64(const struct strategy_setup *setup, const char *key, uint64_t fallback, uint64_t min,
                       uint64_t max, uint64_t *ret_value, char ret_error[STRATEGY_ERROR_MAX])
{
    uint64_t value = fallback;

    for (uint32_t i = 0; i < setup->param_count; i++) {
        if (strcmp(setup->params[i].key, key) != 0)
            continue;
        const char *text = setup->params[i].value;
        char *end = NULL;
        errno = 0;
        const bool digits = text[0] >= '0' && text[0] <= '9'; /* strtoull takes signs and blanks */
        value = digits ? strtoull(text, &end, 10) : 0;
        if (!digits || *end != '\0' || errno != 0 || value < min || value > max) {
            snprintf(ret_error, STRATEGY_ERROR_MAX,
                     "parameter %s is '%.64s'; give a whole number from %" PRIu64 " to %" PRIu64, key, text, min, max);
            return -EINVAL;
        }
    }
    *ret_value = value;
    return 0;
}

int strategy_params_known(const struct strategy_setup *setup, const char *const *known,
                          char ret_error[STRATEGY_ERROR_MAX])
{
    for (uint32_t i = 0; i < setup->param_count; i++) {
        uint32_t j = 0;
        while (known[j] && strcmp(known[j], setup->params[i].key) != 0)
            j++;
        if (known[j])
            continue;
        size_t len = (size_t)snprintf(ret_error, STRATEGY_ERROR_MAX, "there is no parameter '%.64s'; there are",
                                      setup->params[i].key);
        for (j = 0; known[j] && len < STRATEGY_ERROR_MAX; j++)
            len += (size_t)snprintf(ret_error + len, STRATEGY_ERROR_MAX - len, "%s %s", j ? "," : "", known[j]);
        return -EINVAL;
    }
    return 0;
}
