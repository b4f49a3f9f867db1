/* See admin.h. */
#include "gateway/admin/admin.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define BACKLOG         16
#define ACCEPTS_A_STEP  4u
#define REFUSED_LINE_NS UINT64_C(1000000000)
#define GROUPS_MAX      256u
#define LOCK_TRIES      100u
#define LOCK_TRY_NS     10000000

void admin_init(struct admin *admin)
{
    *admin = (struct admin){.fd = -1};
    for (uint32_t i = 0; i < ADMIN_CLIENTS_MAX; i++)
        admin->client[i].fd = -1;
}

/* --- opening */

static int fail(struct admin *admin, int error, const char *what, char ret_error[AUDIT_ERROR_MAX])
{
    snprintf(ret_error, AUDIT_ERROR_MAX, "admin.socket %s: %s", admin->config->socket, what);
    return error;
}

static int fail_errno(struct admin *admin, const char *what, char ret_error[AUDIT_ERROR_MAX])
{
    const int error = -errno;
    char text[200];

    snprintf(text, sizeof(text), "%s: %s; name a path in a folder that can be written", what, strerror(-error));
    return fail(admin, error, text, ret_error);
}

/* Two gateways that look at the same old file at the same time would each take the other's new one for it: they take
 * turns, by a lock on the folder. Its descriptor, or -errno. */
static int folder_lock(const char *path)
{
    const struct timespec pause = {.tv_nsec = LOCK_TRY_NS};
    char copy[PATH_MAX];

    snprintf(copy, sizeof(copy), "%s", path); /* a socket's path is shorter */
    const int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    for (uint32_t i = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; i++) {
        if (errno != EWOULDBLOCK || i == LOCK_TRIES) {
            const int error = -errno;
            close(fd);
            return error;
        }
        nanosleep(&pause, NULL);
    }
    return fd;
}

/* Make room for our file. */
static int predecessor_remove(struct admin *admin, const struct sockaddr_un *address, char ret_error[AUDIT_ERROR_MAX])
{
    struct stat status;

    if (lstat(address->sun_path, &status) != 0)
        return errno == ENOENT ? 0 : fail_errno(admin, "cannot be looked at", ret_error);
    if (!S_ISSOCK(status.st_mode))
        return fail(admin, -EEXIST, "is there and is no socket; name another, or remove it", ret_error);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fail_errno(admin, "cannot be tried", ret_error);
    const int error = connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ? 0 : errno;
    close(fd);
    if (error != ECONNREFUSED) /* also EAGAIN: somebody listens and is busy; EPROTOTYPE: another kind of socket */
        return fail(admin, -EADDRINUSE, "another process listens there; each gateway needs a socket of its own",
                    ret_error);
    return unlink(address->sun_path) == 0
               ? 0
               : fail_errno(admin, "was left by another gateway and cannot be removed", ret_error);
}

/* The file gets its mode with its name, so that there is no moment in which others could come in. */
static int listen_at(struct admin *admin, const struct sockaddr_un *address, char ret_error[AUDIT_ERROR_MAX])
{
    struct stat status;

    admin->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (admin->fd < 0)
        return fail_errno(admin, "cannot be made", ret_error);
    if (fchmod(admin->fd, 0600) != 0 || bind(admin->fd, (const struct sockaddr *)address, sizeof(*address)) != 0)
        return fail_errno(admin, "cannot be made", ret_error);
    if (lstat(address->sun_path, &status) != 0)
        return fail_errno(admin, "cannot be looked at", ret_error);
    admin->file_dev = status.st_dev;
    admin->file_ino = status.st_ino;
    if (admin->config->group[0] && lchown(address->sun_path, (uid_t)-1, admin->gid) != 0)
        return fail_errno(admin, "cannot be given to admin.group", ret_error);
    if (chmod(address->sun_path, admin->config->mode) != 0)
        return fail_errno(admin, "cannot be given admin.mode", ret_error);
    return listen(admin->fd, BACKLOG) == 0 ? 0 : fail_errno(admin, "cannot be listened at", ret_error);
}

int admin_open(struct admin *admin, const struct config_admin *config, struct audit *audit, admin_act *act,
               void *act_arg, char ret_error[AUDIT_ERROR_MAX])
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    admin_init(admin);
    admin->config = config;
    admin->audit = audit;
    admin->act = act;
    admin->act_arg = act_arg;
    if (!config->socket)
        return 0;
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", config->socket); /* the config was checked: it fits */
    if (config->group[0]) {
        const struct group *group = getgrnam(config->group);
        if (!group) {
            snprintf(ret_error, AUDIT_ERROR_MAX,
                     "admin.group: there is no group '%s' on this machine; write one of /etc/group", config->group);
            return -ENOENT;
        }
        admin->gid = group->gr_gid;
    }
    admin->out = malloc((size_t)ADMIN_CLIENTS_MAX * ADMIN_REPLY_MAX);
    if (!admin->out)
        return fail(admin, -ENOMEM, "there is no memory for its answers; free some", ret_error);
    for (uint32_t i = 0; i < ADMIN_CLIENTS_MAX; i++)
        admin->client[i].out = admin->out + (size_t)i * ADMIN_REPLY_MAX;
    const int lock = folder_lock(config->socket);
    if (lock < 0) {
        errno = -lock;
        return fail_errno(admin, "its folder cannot be locked", ret_error);
    }
    int error = predecessor_remove(admin, &address, ret_error);
    if (error == 0)
        error = listen_at(admin, &address, ret_error);
    close(lock);
    return error;
}

/* --- peers */

static void client_close(struct admin_client *client)
{
    close(client->fd);
    client->fd = -1;
}

static bool in_group(int fd, gid_t primary, gid_t wanted)
{
    gid_t groups[GROUPS_MAX];
    socklen_t len = sizeof(groups);

    if (primary == wanted)
        return true;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) != 0)
        return false; /* more groups than anybody has: not one of ours */
    for (size_t i = 0; i < len / sizeof(groups[0]); i++)
        if (groups[i] == wanted)
            return true;
    return false;
}

/* Who is at the other end, as the kernel knows it since it connected; may it speak? */
static bool peer_take(const struct admin *admin, int fd, struct admin_peer *ret_peer)
{
    struct ucred credentials;
    socklen_t len = sizeof(credentials);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &len) != 0) {
        *ret_peer = (struct admin_peer){.who = "unknown"};
        return false;
    }
    *ret_peer = (struct admin_peer){.uid = credentials.uid, .pid = credentials.pid};
    snprintf(ret_peer->who, sizeof(ret_peer->who), "uid:%u,pid:%d", (unsigned)credentials.uid, (int)credentials.pid);
    return credentials.uid == 0 || credentials.uid == geteuid() ||
           (admin->config->group[0] && in_group(fd, credentials.gid, admin->gid));
}

/* Whoever may connect can do so as often as he likes: that must neither fill the disk nor keep the control thread at
 * it. */
static void refusals_write(struct admin *admin, uint64_t now_ns)
{
    char count[24];

    if (admin->refused_unsaid == 0 || (admin->refused_ns != 0 && now_ns - admin->refused_ns < REFUSED_LINE_NS))
        return;
    snprintf(count, sizeof(count), "%" PRIu64, admin->refused_unsaid);
    const struct audit_act act = {
        .who = admin->refused_who, .what = "connect", .new_value = count, .result = "refused: may not speak here"};
    if (audit_write(admin->audit, &act, audit_wall_ns()) == 0)
        admin->refused_unsaid = 0;
    admin->refused_ns = now_ns;
}

/* A free place, or that of the peer that has been quiet for longest. */
static struct admin_client *place(struct admin *admin)
{
    struct admin_client *quietest = &admin->client[0];

    for (uint32_t i = 0; i < ADMIN_CLIENTS_MAX; i++) {
        if (admin->client[i].fd < 0)
            return &admin->client[i];
        if (admin->client[i].active_ns < quietest->active_ns)
            quietest = &admin->client[i];
    }
    admin->displaced_count++;
    client_close(quietest);
    return quietest;
}

static bool accept_one(struct admin *admin, uint64_t now_ns)
{
    static const char sorry[] = "{\"ok\":false,\"error\":\"you may not speak here; ask for a place in admin.group\"}\n";
    struct admin_peer peer;
    const int fd = accept4(admin->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0)
        return false; /* nobody, gone again, or no descriptor left: the next step tries again */
    if (!peer_take(admin, fd, &peer)) {
        (void)!send(fd, sorry, sizeof(sorry) - 1, MSG_NOSIGNAL);
        close(fd);
        admin->refused_count++;
        admin->refused_unsaid++;
        memcpy(admin->refused_who, peer.who, sizeof(peer.who));
        return true;
    }
    struct admin_client *client = place(admin);
    char *out = client->out;
    *client = (struct admin_client){.fd = fd, .peer = peer, .active_ns = now_ns, .out = out};
    return true;
}

/* --- lines */

/* The answer to a line that was not done. */
static void answer_no(struct admin_client *client, const char *error)
{
    struct json json;
    FILE *out = fmemopen(client->out, ADMIN_REPLY_MAX, "w");

    client->out_at = client->out_len = 0;
    if (!out) {
        client->ended = true;
        return;
    }
    json_init(&json, out);
    json_open(&json, NULL, '{');
    json_bool(&json, "ok", false);
    json_text(&json, "error", error);
    json_close(&json, '}');
    fflush(out);
    client->out_len = (uint32_t)ftell(out);
    fclose(out);
}

/* Do a line, with its answer straight into the peer's buffer. */
static enum admin_outcome answer(struct admin *admin, struct admin_client *client, char ret_error[ADMIN_ERROR_MAX])
{
    struct admin_line line;
    struct json json;

    if (!admin_line_parse(client->line, client->line_len, &line, ret_error))
        return ADMIN_REFUSED;
    FILE *out = fmemopen(client->out, ADMIN_REPLY_MAX, "w");
    if (!out) {
        snprintf(ret_error, ADMIN_ERROR_MAX, "there is no memory for an answer: nothing was done");
        return ADMIN_REFUSED;
    }
    json_init(&json, out);
    json_open(&json, NULL, '{');
    json_bool(&json, "ok", true);
    enum admin_outcome outcome = admin->act(admin->act_arg, &line, &client->peer, &json, ret_error);
    if (outcome == ADMIN_DONE) {
        json_close(&json, '}');
        fflush(out);
        client->out_at = 0;
        client->out_len = (uint32_t)ftell(out);
        if (ferror(out) || client->out_len >= ADMIN_REPLY_MAX - 1) { /* the stream puts a zero where it ends */
            outcome = ADMIN_REFUSED;
            snprintf(ret_error, ADMIN_ERROR_MAX, "it was done, but the answer is too long");
        }
    }
    fclose(out);
    return outcome;
}

/* Send what is left of an answer. True: all of it is out. */
static bool flush(struct admin_client *client)
{
    while (client->out_at < client->out_len) {
        const ssize_t sent =
            send(client->fd, client->out + client->out_at, client->out_len - client->out_at, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
                client->ended = true;
                client->out_at = client->out_len; /* nobody is there to read it */
                return true;
            }
            return false;
        }
        client->out_at += (uint32_t)sent;
    }
    return true;
}

/* Take in what the peer sends, as far as there is room. */
static void receive(struct admin_client *client)
{
    struct admin_input *input = &client->input;

    if (client->ended || input->len == ADMIN_LINE_MAX)
        return;
    const ssize_t got = recv(client->fd, input->bytes + input->len, ADMIN_LINE_MAX - input->len, 0);
    if (got > 0)
        input->len += (uint32_t)got;
    else if (got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
        client->ended = true; /* lines that came before are still done, unfinished ones are not */
}

/* The next line that is to be done; false: there is none. */
static bool line_take(struct admin_client *client, uint64_t now_ns)
{
    while (client->line_len == 0) {
        switch (admin_input_take(&client->input, client->line, &client->line_len)) {
        case ADMIN_TAKEN_NONE:
            return false;
        case ADMIN_TAKEN_OVERLONG: /* what it was meant to be is lost, unless it begins as a kill does */
            memcpy(client->line, client->input.bytes, ADMIN_LINE_MAX);
            client->line_len = ADMIN_LINE_MAX;
            client->input.len = 0;
            client->ended = true;
            break;
        default:
            break;
        }
        client->active_ns = now_ns;
    }
    return true;
}

/* True: a line was done, or refused. */
static bool client_step(struct admin *admin, struct admin_client *client, uint64_t now_ns)
{
    char error[ADMIN_ERROR_MAX] = "";

    if (!flush(client))
        return false;
    receive(client);
    if (!line_take(client, now_ns)) {
        if (client->ended)
            client_close(client);
        return false;
    }
    const enum admin_outcome outcome = answer(admin, client, error);
    if (outcome == ADMIN_LATER)
        return false;
    client->line_len = 0;
    if (outcome == ADMIN_REFUSED)
        answer_no(client, error);
    admin->command_count += outcome == ADMIN_DONE;
    admin->rejected_count += outcome == ADMIN_REFUSED;
    flush(client);
    return true;
}

bool admin_step(struct admin *admin, uint64_t now_ns)
{
    bool busy = false;

    if (admin->fd < 0)
        return false;
    for (uint32_t i = 0; i < ACCEPTS_A_STEP && accept_one(admin, now_ns); i++)
        busy = true;
    refusals_write(admin, now_ns); /* whoever is answered below can read of them */
    const uint32_t first = admin->first;
    bool waiting = false;
    for (uint32_t i = first; i < first + ADMIN_CLIENTS_MAX; i++) {
        struct admin_client *client = &admin->client[i % ADMIN_CLIENTS_MAX];
        if (client->fd < 0)
            continue;
        busy |= client_step(admin, client, now_ns);
        if (client->line_len > 0 && !waiting) { /* those who wait for the same thing get it in turn */
            waiting = true;
            admin->first = i % ADMIN_CLIENTS_MAX;
        }
    }
    return busy;
}

uint32_t admin_fds(const struct admin *admin, struct pollfd ret_fds[ADMIN_FDS_MAX])
{
    uint32_t count = 0;

    if (admin->fd < 0)
        return 0;
    ret_fds[count++] = (struct pollfd){.fd = admin->fd, .events = POLLIN};
    for (uint32_t i = 0; i < ADMIN_CLIENTS_MAX; i++) {
        const struct admin_client *client = &admin->client[i];
        if (client->fd >= 0)
            ret_fds[count++] =
                (struct pollfd){.fd = client->fd, .events = client->out_at < client->out_len ? POLLOUT : POLLIN};
    }
    return count;
}

void admin_close(struct admin *admin)
{
    struct stat status;

    for (uint32_t i = 0; i < ADMIN_CLIENTS_MAX; i++)
        if (admin->client[i].fd >= 0) {
            flush(&admin->client[i]);
            client_close(&admin->client[i]);
        }
    if (admin->fd >= 0) {
        close(admin->fd);
        if (admin->file_ino != 0 && lstat(admin->config->socket, &status) == 0 && status.st_dev == admin->file_dev &&
            status.st_ino == admin->file_ino)
            unlink(admin->config->socket);
    }
    free(admin->out);
    admin_init(admin);
}
