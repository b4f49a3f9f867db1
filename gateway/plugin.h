/* Strategies from shared objects. A plug-in is loaded before the gateway is armed, checked, and stays until the process
 * ends; its table is copied, so that one built for an older minor version of the interface is as long as ours. A file
 * is code that runs as the gateway: what others can change is refused. Main thread, set-up; but for plugin_of and
 * plugin_at, which any thread may call once armed, a signal handler too. */
#ifndef GATEWAY_PLUGIN_H
#define GATEWAY_PLUGIN_H

#include "config/config.h"
#include "gateway/strategy/strategy.h"

#include <limits.h>

#define PLUGIN_ERROR_MAX 640u /* a sentence with a path in it */

struct plugin {
    struct strategy_ops ops;
    char path[PATH_MAX];     /* resolved */
    uintptr_t begin, end;    /* where its code and data are mapped */
};

/* The plug-in in the file `path`, loaded unless it is already. -errno and a sentence: -ENOENT no such file; -EPERM the
 * file, or a directory on the way to it, can be changed by others than root and us; -ENOEXEC not a shared object of
 * this host, something is missing in it, or it is no strategy; -EPROTO another version of the interface; -EEXIST a
 * strategy of that name is built in or came from another file; -ENOSPC there are CONFIG_STRATEGIES_MAX already. */
int plugin_open(const char *path, const struct plugin **ret_plugin, char ret_error[PLUGIN_ERROR_MAX]);

/* The table of a strategy of the config, built in or from its plug-in. -errno and a sentence as above; -EINVAL: there
 * is no such kind. */
int plugin_strategy(const struct config_strategy *strategy, const struct strategy_ops **ret_ops,
                    char ret_error[PLUGIN_ERROR_MAX]);

/* The plug-in that a table came from; NULL: it is built in. */
const struct plugin *plugin_of(const struct strategy_ops *ops);

/* The plug-in that is mapped at an address, or NULL. */
const struct plugin *plugin_at(uintptr_t address);

#endif
