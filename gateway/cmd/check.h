/* Checks of a config that need the tables of the gateway: strategy kinds and their parameters. Main thread. */
#ifndef GATEWAY_CMD_CHECK_H
#define GATEWAY_CMD_CHECK_H

#include "config/config.h"

/* Every strategy's kind exists and takes its parameters. Adds to findings. 0 or -EINVAL. */
int check_strategies(const struct config *config, struct config_findings *findings);

#endif
