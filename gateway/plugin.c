/* See plugin.h. Cold code; but for the look-up by address, which reads what was written before armed. */
#include "gateway/plugin.h"

#include "gateway/strategy/strategy_table.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <libgen.h>
#include <link.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPS_BYTES_MIN 72u /* of version 1.0 */

/* writer: main thread, before armed; readers: any thread after it */
static struct plugin plugin[CONFIG_STRATEGIES_MAX];
static uint32_t plugin_count;

__attribute__((format(printf, 3, 4)))
static int fail(char ret_error[PLUGIN_ERROR_MAX], int error, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    vsnprintf(ret_error, PLUGIN_ERROR_MAX, format, list);
    va_end(list);
    return error;
}

/* Only root and we may change it: neither by its owner nor by a mode open to the world. A directory with the sticky bit
 * lets nobody replace what is another's, so it will do on the way; but not as the file's own. */
static bool trusted(const struct stat *stat, bool own_directory)
{
    if (stat->st_uid != 0 && stat->st_uid != geteuid())
        return false;
    if ((stat->st_mode & S_IWOTH) == 0)
        return true;
    return S_ISDIR(stat->st_mode) && (stat->st_mode & S_ISVTX) && !own_directory;
}

/* The file, and each directory up to the root. `path` is resolved. */
static int path_check(const char *path, char ret_error[PLUGIN_ERROR_MAX])
{
    char part[PATH_MAX];
    struct stat stat_;

    snprintf(part, sizeof(part), "%s", path);
    if (stat(part, &stat_) != 0)
        return fail(ret_error, -errno, "%s: %s", path, strerror(errno));
    if (!S_ISREG(stat_.st_mode))
        return fail(ret_error, -ENOEXEC, "%s is not a file; write the path of a shared object", path);
    for (uint32_t depth = 0;; depth++) {
        if (!trusted(&stat_, depth == 1))
            return fail(ret_error, -EPERM,
                        "%s can be changed by others than root and this user, and a plug-in is code that trades; "
                        "give it to one of them and chmod o-w",
                        part);
        if (strcmp(part, "/") == 0)
            return 0;
        dirname(part);
        if (stat(part, &stat_) != 0)
            return fail(ret_error, -errno, "%s: %s", part, strerror(errno));
    }
}

static bool name_good(const char *name)
{
    const size_t len = name ? strnlen(name, CONFIG_NAME_MAX + 1) : 0;

    return len > 0 && len <= CONFIG_NAME_MAX && name[0] != '-' &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == len;
}

/* The table in the object `handle`, judged and copied. */
static int ops_take(void *handle, const char *path, struct strategy_ops *ret_ops, char ret_error[PLUGIN_ERROR_MAX])
{
    const struct strategy_ops *theirs = dlsym(handle, "tickgate_strategy");
    struct strategy_ops ops;
    ElfW(Sym) *symbol = NULL;
    Dl_info info;

    if (!theirs)
        return fail(ret_error, -ENOEXEC,
                    "%s does not define tickgate_strategy, so it is no strategy; define it as docs/STRATEGIES.md "
                    "says, or write the path of one that does",
                    path);
    /* One that was built for a struct of another make may end before what we would read. */
    if (!dladdr1(theirs, &info, (void **)&symbol, RTLD_DL_SYMENT) || !symbol ||
        ELF64_ST_TYPE(symbol->st_info) != STT_OBJECT || symbol->st_size < offsetof(struct strategy_ops, name))
        return fail(ret_error, -ENOEXEC,
                    "%s: its tickgate_strategy is not a struct strategy_ops; define it as one, outside of any function",
                    path);
    if (theirs->abi_major != STRATEGY_ABI_MAJOR || theirs->abi_minor > STRATEGY_ABI_MINOR)
        return fail(ret_error, -EPROTO,
                    "%s was built for version %u.%u of the strategy interface, this gateway has %u.%u; build it anew "
                    "with this gateway's tickgate_strategy.h",
                    path, theirs->abi_major, theirs->abi_minor, STRATEGY_ABI_MAJOR, STRATEGY_ABI_MINOR);
    if (theirs->ops_bytes < OPS_BYTES_MIN || theirs->ops_bytes > sizeof(ops) || theirs->ops_bytes > symbol->st_size)
        return fail(ret_error, -ENOEXEC,
                    "%s: its tickgate_strategy says that it has %u bytes, which is not version %u.%u; begin it with "
                    "STRATEGY_ABI",
                    path, theirs->ops_bytes, theirs->abi_major, theirs->abi_minor);
    memset(&ops, 0, sizeof(ops));
    memcpy(&ops, theirs, theirs->ops_bytes);
    if (!name_good(ops.name) || !ops.summary)
        return fail(ret_error, -ENOEXEC,
                    "%s: its strategy has no name, or no summary; write a .name of up to %u letters, digits, '_' and "
                    "'-', and a .summary",
                    path, CONFIG_NAME_MAX);
    if (!ops.state_size || !ops.init || !ops.on_event || !ops.on_order || !ops.on_lost)
        return fail(ret_error, -ENOEXEC,
                    "%s: strategy %s lacks one of state_size, init, on_event, on_order, on_lost; give it all five",
                    path, ops.name);
    if (strategy_table_find(ops.name))
        return fail(ret_error, -EEXIST, "%s: a strategy called %s is built in; give it another name", path, ops.name);
    for (uint32_t i = 0; i < plugin_count; i++)
        if (strcmp(plugin[i].ops.name, ops.name) == 0)
            return fail(ret_error, -EEXIST,
                        "%s: a strategy called %s has come from %s already; give it another name", path, ops.name,
                        plugin[i].path);
    *ret_ops = ops;
    return 0;
}

struct map_search {
    const struct link_map *map;
    struct plugin *plugin;
};

/* Where it lies; and its pages are taken now, so that no fault is left for the hot path. */
static int map_look(struct dl_phdr_info *info, size_t info_bytes, void *context)
{
    const struct map_search *search = context;
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

    (void)info_bytes;
    if (info->dlpi_addr != search->map->l_addr || strcmp(info->dlpi_name, search->map->l_name) != 0)
        return 0;
    for (uint16_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        if (segment->p_type != PT_LOAD)
            continue;
        const uintptr_t at = info->dlpi_addr + segment->p_vaddr;
        const uintptr_t begin = at & ~(page - 1), end = (at + segment->p_memsz + page - 1) & ~(page - 1);
        /* A kernel that does not know this takes them at their first use. */
        (void)madvise((void *)begin, end - begin, segment->p_flags & PF_W ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
        search->plugin->begin = begin < search->plugin->begin ? begin : search->plugin->begin;
        search->plugin->end = end > search->plugin->end ? end : search->plugin->end;
    }
    return 1;
}

int plugin_open(const char *path, const struct plugin **ret_plugin, char ret_error[PLUGIN_ERROR_MAX])
{
    struct plugin *found = &plugin[plugin_count];
    struct map_search search = {.plugin = found};
    char real[PATH_MAX];

    if (!realpath(path, real))
        return fail(ret_error, -errno,
                    "%s: %s; write the path of a shared object, a relative one from the working directory", path,
                    strerror(errno));
    for (uint32_t i = 0; i < plugin_count; i++)
        if (strcmp(plugin[i].path, real) == 0) {
            *ret_plugin = &plugin[i];
            return 0;
        }
    int error = path_check(real, ret_error);
    if (error)
        return error;
    if (plugin_count == CONFIG_STRATEGIES_MAX)
        return fail(ret_error, -ENOSPC, "%s: there are %u plug-ins already", real, plugin_count);
    void *handle = dlopen(real, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        return fail(ret_error, -ENOEXEC,
                    "cannot be loaded: %s; build it for this host with -fPIC -shared and what pkg-config --libs "
                    "tickgate-strategy says",
                    dlerror());
    error = ops_take(handle, real, &found->ops, ret_error);
    if (error == 0 && dlinfo(handle, RTLD_DI_LINKMAP, &search.map) != 0)
        error = fail(ret_error, -ENOEXEC, "%s: %s", real, dlerror());
    if (error) {
        dlclose(handle);
        return error;
    }
    memcpy(found->path, real, sizeof(real));
    found->begin = UINTPTR_MAX;
    found->end = 0;
    dl_iterate_phdr(map_look, &search);
    plugin_count++;
    *ret_plugin = found;
    return 0;
}

int plugin_strategy(const struct config_strategy *strategy, const struct strategy_ops **ret_ops,
                    char ret_error[PLUGIN_ERROR_MAX])
{
    const struct plugin *opened;
    const struct strategy_ops *ops;
    size_t len;

    if (strategy->plugin) {
        const int error = plugin_open(strategy->plugin, &opened, ret_error);
        if (error == 0)
            *ret_ops = &opened->ops;
        return error;
    }
    ops = strategy_table_find(strategy->kind);
    if (ops) {
        *ret_ops = ops;
        return 0;
    }
    len = (size_t)snprintf(ret_error, PLUGIN_ERROR_MAX, "there is no strategy '%s'; write one of:", strategy->kind);
    for (uint32_t i = 0; (ops = strategy_table_at(i)) != NULL && len < PLUGIN_ERROR_MAX; i++)
        len += (size_t)snprintf(ret_error + len, PLUGIN_ERROR_MAX - len, "%s %s", i ? "," : "", ops->name);
    return -EINVAL;
}

const struct plugin *plugin_of(const struct strategy_ops *ops)
{
    for (uint32_t i = 0; i < plugin_count; i++)
        if (ops == &plugin[i].ops)
            return &plugin[i];
    return NULL;
}

const struct plugin *plugin_at(uintptr_t address)
{
    for (uint32_t i = 0; i < plugin_count; i++)
        if (address >= plugin[i].begin && address < plugin[i].end)
            return &plugin[i];
    return NULL;
}
