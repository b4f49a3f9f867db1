/* See xdp_guard.h. libbpf loads the program from memory; what libxdp needs to put its sockets into it is in
 * guard.bpf.c. */
#include "gateway/xdp/xdp_guard.h"

#include "gateway/xdp/guard_object.h" /* made by clang and embed.py at build time */

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define OBJECT_NAME  "xsk_def_tickgate" /* its first eight letters begin the name of the map that libxdp counts in */
#define PROGRAM_NAME "xsk_def_prog"
#define COUNT_MAP    "tickgate_guard"
#define MAPS_MAX     16u

bool xdp_guard_built(void)
{
    return true;
}

__attribute__((format(printf, 4, 5))) static int fail(char ret_error[XDP_GUARD_ERROR_MAX], const char *interface,
                                                      int error, const char *format, ...)
{
    va_list list;
    const size_t len = (size_t)snprintf(ret_error, XDP_GUARD_ERROR_MAX, "interface %s: ", interface);

    va_start(list, format);
    vsnprintf(ret_error + len, XDP_GUARD_ERROR_MAX - len, format, list);
    va_end(list);
    return error;
}

static int silent(enum libbpf_print_level level, const char *format, va_list list)
{
    (void)level;
    (void)format;
    (void)list;
    return 0;
}

static int flows_fill(const struct bpf_object *object, const struct xdp_guard_params *params)
{
    const int fd = bpf_object__find_map_fd_by_name(object, "guard_flows");

    for (uint32_t i = 0; i < params->flow_count; i++)
        if (bpf_map_update_elem(fd, &params->key[i], &params->flow[i], BPF_ANY) != 0)
            return -errno;
    return 0;
}

static int settings_fill(struct bpf_object *object, const struct guard_settings *settings)
{
    struct bpf_map *map;

    for (map = bpf_object__next_map(object, NULL); map; map = bpf_object__next_map(object, map))
        if (strstr(bpf_map__name(map), ".rodata"))
            return bpf_map__set_initial_value(map, settings, sizeof(*settings));
    return -ENOENT;
}

int xdp_guard_load(struct xdp_guard *guard, const struct xdp_guard_params *params, char ret_error[XDP_GUARD_ERROR_MAX])
{
    LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = OBJECT_NAME);

    *guard = (struct xdp_guard){.program_fd = -1, .count_fd = -1, .lock_fd = -1};
    snprintf(guard->interface, sizeof(guard->interface), "%s", params->interface);
    const libbpf_print_fn_t print = libbpf_set_print(silent);
    struct bpf_object *object = bpf_object__open_mem(guard_object, sizeof(guard_object), &options);
    int error = object ? settings_fill(object, &params->settings) : -errno;
    if (error == 0)
        error = bpf_object__load(object);
    if (error == 0)
        error = flows_fill(object, params);
    (void)libbpf_set_print(print);
    if (error) {
        bpf_object__close(object);
        return fail(ret_error, params->interface, error,
                    "the kernel does not load the XDP guard (%s); root, or the capabilities bpf, net_admin and "
                    "sys_admin, and a kernel from 5.10 on are needed",
                    strerror(-error));
    }
    guard->object = object;
    guard->program_fd = bpf_program__fd(bpf_object__find_program_by_name(object, PROGRAM_NAME));
    guard->count_fd = bpf_object__find_map_fd_by_name(object, COUNT_MAP);
    guard->cpu_count = libbpf_num_possible_cpus();
    return 0;
}

bool xdp_guard_socket(const struct xdp_guard *guard, uint32_t queue, int socket_fd)
{
    const int map_fd = bpf_object__find_map_fd_by_name(guard->object, "xsks_map");

    return bpf_map_update_elem(map_fd, &queue, &socket_fd, BPF_ANY) == 0;
}

/* Is this program a guard of tickgate's, of whatever life? By the name of one of its maps. */
static bool program_ours(int program_fd)
{
    struct bpf_prog_info info = {0};
    struct bpf_map_info map = {0};
    uint32_t ids[MAPS_MAX] = {0};
    uint32_t info_len = sizeof(info), map_len = sizeof(map);
    bool ours = false;

    info.nr_map_ids = MAPS_MAX;
    info.map_ids = (uintptr_t)ids;
    if (bpf_obj_get_info_by_fd(program_fd, &info, &info_len) != 0)
        return false;
    for (uint32_t i = 0; i < info.nr_map_ids && i < MAPS_MAX && !ours; i++) {
        const int fd = bpf_map_get_fd_by_id(ids[i]);
        if (fd < 0)
            continue;
        map_len = sizeof(map);
        ours = bpf_obj_get_info_by_fd(fd, &map, &map_len) == 0 && strcmp(map.name, COUNT_MAP) == 0;
        close(fd);
    }
    return ours;
}

static void program_name(int program_fd, char ret_name[BPF_OBJ_NAME_LEN])
{
    struct bpf_prog_info info = {0};
    uint32_t info_len = sizeof(info);

    snprintf(ret_name, BPF_OBJ_NAME_LEN, "%s",
             bpf_obj_get_info_by_fd(program_fd, &info, &info_len) == 0 ? info.name : "?");
}

/* One gateway to an interface: an abstract socket, of this network namespace, that ends with its process. */
static int interface_lock(struct xdp_guard *guard, char ret_error[XDP_GUARD_ERROR_MAX])
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    guard->lock_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const int len = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "tickgate/xdp/%s", guard->interface);
    if (guard->lock_fd >= 0 && bind(guard->lock_fd, (const struct sockaddr *)&address,
                                    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len)) == 0)
        return 0;
    return fail(ret_error, guard->interface, -errno,
                errno == EADDRINUSE
                    ? "another tickgate that runs guards this interface; stop it, or use another interface"
                    : "its guard cannot be locked (%s)",
                strerror(errno));
}

/* Attach, in place of what is there if it is ours or may be replaced. */
static int attach(struct xdp_guard *guard, bool replace, char ret_error[XDP_GUARD_ERROR_MAX])
{
    LIBBPF_OPTS(bpf_xdp_query_opts, found);
    LIBBPF_OPTS(bpf_xdp_attach_opts, options);
    char name[BPF_OBJ_NAME_LEN];
    int error = bpf_xdp_query(guard->ifindex, 0, &found);
    if (error)
        return fail(ret_error, guard->interface, error, "its XDP programs cannot be read (%s)", strerror(-error));
    if (found.attach_mode == XDP_ATTACHED_MULTI)
        return fail(ret_error, guard->interface, -EBUSY,
                    "several XDP programs are attached to it; take them off ('ip link set dev %s xdp off; ip link set "
                    "dev %s xdpgeneric off')",
                    guard->interface, guard->interface);
    guard->attach_flags = found.attach_mode == XDP_ATTACHED_SKB ? XDP_FLAGS_SKB_MODE : 0;
    int old_fd = -1;
    if (found.prog_id != 0) {
        old_fd = bpf_prog_get_fd_by_id(found.prog_id);
        const bool ours = old_fd >= 0 && program_ours(old_fd);
        program_name(old_fd, name);
        if (!ours && !replace) {
            if (old_fd >= 0)
                close(old_fd);
            return fail(ret_error, guard->interface, -EBUSY,
                        "the XDP program '%s' (id %u) is attached to it and is not tickgate's; take it off ('ip link "
                        "set dev %s xdp off'), or set xdp_guard.replace: true",
                        name, found.prog_id, guard->interface);
        }
        snprintf(guard->note, sizeof(guard->note), "replaced %s XDP program '%s' (id %u) that was attached to %s",
                 ours ? "an earlier life's" : "the", name, found.prog_id, guard->interface);
        options.old_prog_fd = old_fd;
    }
    error =
        bpf_xdp_attach(guard->ifindex, guard->program_fd,
                       guard->attach_flags | (old_fd >= 0 ? XDP_FLAGS_REPLACE : XDP_FLAGS_UPDATE_IF_NOEXIST), &options);
    if (old_fd >= 0)
        close(old_fd);
    if (error)
        return fail(ret_error, guard->interface, error, "the XDP guard cannot be attached (%s)", strerror(-error));
    guard->attached = true;
    return 0;
}

int xdp_guard_open(struct xdp_guard *guard, const struct xdp_guard_params *params, char ret_error[XDP_GUARD_ERROR_MAX])
{
    int error = xdp_guard_load(guard, params, ret_error);
    if (error)
        return error;
    guard->ifindex = (int)if_nametoindex(params->interface);
    if (guard->ifindex == 0)
        error = fail(ret_error, params->interface, -ENODEV,
                     "there is no such interface in this network namespace; 'ip link' lists them");
    if (error == 0)
        error = interface_lock(guard, ret_error);
    if (error == 0)
        error = attach(guard, params->replace, ret_error);
    if (error)
        xdp_guard_close(guard);
    return error;
}

void xdp_guard_close(struct xdp_guard *guard)
{
    LIBBPF_OPTS(bpf_xdp_attach_opts, options, .old_prog_fd = guard->program_fd);
    const libbpf_print_fn_t print = libbpf_set_print(silent);

    /* Fails where another program has taken its place, or the driver, which takes off what is there when its port is
     * closed, was first. */
    if (guard->attached)
        (void)bpf_xdp_detach(guard->ifindex, guard->attach_flags, &options);
    (void)libbpf_set_print(print);
    guard->attached = false;
    if (guard->object)
        bpf_object__close(guard->object);
    guard->object = NULL;
    if (guard->lock_fd >= 0)
        close(guard->lock_fd);
    guard->lock_fd = -1;
}

void xdp_guard_counts(const struct xdp_guard *guard, struct guard_count ret_counts[GUARD_RULE_COUNT])
{
    struct guard_count *cpus =
        guard->object && guard->cpu_count > 0 ? calloc((size_t)guard->cpu_count, sizeof(*cpus)) : NULL;

    memset(ret_counts, 0, GUARD_RULE_COUNT * sizeof(ret_counts[0]));
    for (uint32_t rule = 0; cpus && rule < GUARD_RULE_COUNT; rule++)
        if (bpf_map_lookup_elem(guard->count_fd, &rule, cpus) == 0)
            for (int i = 0; i < guard->cpu_count; i++) {
                ret_counts[rule].frames += cpus[i].frames;
                ret_counts[rule].bytes += cpus[i].bytes;
            }
    free(cpus);
    ret_counts[GUARD_NO_SOCKET].frames -= guard->early.frames;
    ret_counts[GUARD_NO_SOCKET].bytes -= guard->early.bytes;
}

void xdp_guard_begin(struct xdp_guard *guard)
{
    struct guard_count counts[GUARD_RULE_COUNT];

    guard->early = (struct guard_count){0};
    xdp_guard_counts(guard, counts);
    guard->early = counts[GUARD_NO_SOCKET];
}
