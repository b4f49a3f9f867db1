/* In the place of xdp_guard.c in a build without clang or libbpf. See xdp_guard.h. */
#include "gateway/xdp/xdp_guard.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

bool xdp_guard_built(void)
{
    return false;
}

int xdp_guard_load(struct xdp_guard *guard, const struct xdp_guard_params *params, char ret_error[XDP_GUARD_ERROR_MAX])
{
    memset(guard, 0, sizeof(*guard));
    snprintf(ret_error, XDP_GUARD_ERROR_MAX,
             "interface %s: this tickgate was built without the XDP guard; install clang and libbpf-dev and build it "
             "again",
             params->interface);
    return -ENOTSUP;
}

bool xdp_guard_socket(const struct xdp_guard *guard, uint32_t queue, int socket_fd)
{
    (void)guard;
    (void)queue;
    (void)socket_fd;
    return false;
}

int xdp_guard_open(struct xdp_guard *guard, const struct xdp_guard_params *params, char ret_error[XDP_GUARD_ERROR_MAX])
{
    return xdp_guard_load(guard, params, ret_error);
}

void xdp_guard_begin(struct xdp_guard *guard)
{
    (void)guard;
}

void xdp_guard_close(struct xdp_guard *guard)
{
    guard->attached = false;
}

void xdp_guard_counts(const struct xdp_guard *guard, struct guard_count ret_counts[GUARD_RULE_COUNT])
{
    (void)guard;
    memset(ret_counts, 0, GUARD_RULE_COUNT * sizeof(ret_counts[0]));
}
