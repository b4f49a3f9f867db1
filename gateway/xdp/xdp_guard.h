/* The XDP guard of an AF_XDP interface: a program in the kernel that lets the feed and what else is ours pass to the
 * socket, leaves the kernel its own, and drops the rest (guard.bpf.c). It is attached, with its maps filled, before the
 * port is opened, and taken off after the port is closed. What a killed life left attached is replaced; a program that
 * is not ours never is, unless the config says so. Control thread; counts are read by any thread.
 *
 * Without clang or libbpf at build time there is no guard (xdp_guard_absent.c): libxdp's own program then gives every
 * frame to the socket. */
#ifndef GATEWAY_XDP_XDP_GUARD_H
#define GATEWAY_XDP_XDP_GUARD_H

#include "config/config.h"
#include "gateway/xdp/guard_map.h"

#define XDP_GUARD_ERROR_MAX 512u
#define XDP_GUARD_NOTE_MAX  160u

struct xdp_guard_params {
    char interface[CONFIG_INTERFACE_MAX + 1];
    bool replace;
    struct guard_settings settings;
    struct guard_flow_key key[GUARD_FLOWS_MAX];
    struct guard_flow flow[GUARD_FLOWS_MAX];
    uint32_t flow_count;
};

struct xdp_guard {
    bool attached;
    char interface[CONFIG_INTERFACE_MAX + 1];
    char note[XDP_GUARD_NOTE_MAX]; /* what was found attached and replaced; empty otherwise */
    int ifindex;
    uint32_t attach_flags;
    int program_fd, count_fd;
    int cpu_count; /* possible CPUs: each has its counts */
    int lock_fd;   /* nobody else guards this interface while we do */
    struct guard_count early; /* of GUARD_NO_SOCKET: frames that came before the ports were open */
    void *object;  /* libbpf's */
};

/* Was this build made with the guard? */
bool xdp_guard_built(void);
/* What the config means for `interface`: every group, server, address and port of all ports on it. Pure. False: more
 * flows than GUARD_FLOWS_MAX. */
bool xdp_guard_params(const struct config *config, const char *interface, struct xdp_guard_params *ret_params);
/* Load, fill, attach. 0 or -errno and one sentence. */
int xdp_guard_open(struct xdp_guard *guard, const struct xdp_guard_params *params, char ret_error[XDP_GUARD_ERROR_MAX]);
/* The ports are open: frames that came on a queue without socket until now were early, and are not counted. */
void xdp_guard_begin(struct xdp_guard *guard);
/* Take it off, if it is still ours that is attached. */
void xdp_guard_close(struct xdp_guard *guard);
/* Frames and bytes so far by rule, over all CPUs; zeros where they cannot be read. */
void xdp_guard_counts(const struct xdp_guard *guard, struct guard_count ret_counts[GUARD_RULE_COUNT]);
/* One rule in words, and as a key of JSON. */
const char *xdp_guard_rule_name(enum guard_rule rule);
const char *xdp_guard_rule_key(enum guard_rule rule);

/* For tests: load and fill without attaching; program_fd can be run on frames. */
int xdp_guard_load(struct xdp_guard *guard, const struct xdp_guard_params *params, char ret_error[XDP_GUARD_ERROR_MAX]);
/* For tests: what a driver does with its socket of a queue. */
bool xdp_guard_socket(const struct xdp_guard *guard, uint32_t queue, int socket_fd);

#endif
