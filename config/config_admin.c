/* Section admin: where a running gateway is spoken to, by whom, and where that is written down. Values and what they
 * mean together, in one place. See config_load.h. */
#include "config/config_values.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define SOCKET_LEN_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

/* The text of a key that was spelt well; NULL: absent, or a finding was made. */
static const char *text_of(const struct config_load *load, const char *key, const char *raw)
{
    const uint32_t node = config_lines_find(&load->lines, key, NULL);

    return raw && !(node != CONFIG_NODE_NONE && load->lines.node[node].bad) ? raw : NULL;
}

/* Octal, as chmod takes it. A finding leaves `fallback`. */
static uint32_t mode_of(const struct config_load *load, const char *raw, uint32_t fallback)
{
    const char *text = text_of(load, "admin.mode", raw);

    if (!text)
        return fallback;
    const size_t len = strlen(text);
    const uint32_t mode = (uint32_t)strtoul(text, NULL, 8);
    if (strspn(text, "01234567") != len || len < 3 || len > 4 || mode > 0777)
        config_say(load, false, "admin.mode",
                   "'%.48s' is no file mode; write three octal digits behind a 0, as in 0660", text);
    else if ((mode & 0600) != 0600)
        config_say(load, false, "admin.mode", "%s keeps the gateway's own user out; write 06 in front, as in 0600",
                   text);
    else
        return mode;
    return fallback;
}

static void group_take(const struct config_load *load, const char *raw, char ret_group[CONFIG_NAME_MAX + 1])
{
    const char *text = text_of(load, "admin.group", raw);

    if (!text)
        return;
    if (strlen(text) > CONFIG_NAME_MAX || strpbrk(text, " :\t") || text[0] == '-')
        config_say(load, false, "admin.group", "'%.48s' is no name of a group; write one of /etc/group", text);
    else
        memcpy(ret_group, text, strlen(text) + 1);
}

int config_admin(const struct config_load *load, const struct raw_admin *raw, struct config_admin *admin)
{
    uint32_t nearest;

    *admin = (struct config_admin){.present = raw != NULL};
    if (!raw)
        return 0;
    (void)config_lines_find(&load->lines, "admin", &nearest);
    admin->line = load->lines.node[nearest].line;
    admin->socket_line = config_line_of(load, config_at("admin.socket"));
    admin->audit_line = config_line_of(load, config_at("admin.audit_file"));
    const char *socket = text_of(load, "admin.socket", raw->socket);
    const char *audit_file = text_of(load, "admin.audit_file", raw->audit_file);

    group_take(load, raw->group, admin->group);
    admin->mode = mode_of(load, raw->mode, raw->group ? 0660 : 0600);
    if (!raw->audit_file)
        config_say(load, false, "admin.audit_file", "is missing; write the path of a file that survives restarts");
    if (socket && strlen(socket) > SOCKET_LEN_MAX)
        config_say(load, false, "admin.socket",
                   "has %zu letters, but the path of a socket has at most %zu; choose a "
                   "shorter one",
                   strlen(socket), SOCKET_LEN_MAX);
    if (!raw->socket && (raw->mode || raw->group))
        config_say(load, false, raw->group ? "admin.group" : "admin.mode",
                   "means nothing without a socket; add socket, "
                   "or remove it");
    if (admin->group[0] && (admin->mode & 0020) == 0)
        config_say(load, false, "admin.mode",
                   "%04o does not let group '%s' write to the socket, so it could not connect; "
                   "write 0660",
                   admin->mode, admin->group);
    if (admin->mode & 0002)
        config_say(load, true, "admin.mode",
                   "%04o lets everybody connect; those who may not are refused all the same, "
                   "but write 0660 to keep them out",
                   admin->mode);
    admin->socket = socket ? strdup(socket) : NULL;
    admin->audit_file = audit_file ? strdup(audit_file) : NULL;
    return (socket && !admin->socket) || (audit_file && !admin->audit_file) ? -ENOMEM : 0;
}
