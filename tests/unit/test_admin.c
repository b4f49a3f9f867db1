/* admin: who may speak, that nobody can keep another out or the control thread waiting, and what is done about the
 * file. */
#include "gateway/admin/admin.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECOND_NS UINT64_C(1000000000)

static char folder[] = "/tmp/tickgate-admin-XXXXXX";
static char path[64], log_path[64];
static char error[AUDIT_ERROR_MAX];
static struct config_admin config = {.present = true, .socket = path, .mode = 0600};
static struct audit audit = {.fd = -1};
static struct admin admin;
static uint64_t now_ns = SECOND_NS;

static struct admin_line last_line;
static struct admin_peer last_peer;
static uint32_t act_count;
static uint32_t sets_max = UINT32_MAX; /* sets that need not wait */
static uint32_t set_count[10]; /* done, by value */
static uint32_t reply_len; /* of the answer to positions */

static enum admin_outcome act(void *arg, const struct admin_line *line, const struct admin_peer *peer,
                              struct json *reply, char ret_error[ADMIN_ERROR_MAX])
{
    cr_assert_eq(arg, &act_count);
    last_line = *line;
    last_peer = *peer;
    act_count++;
    if (line->verb == ADMIN_ARM) {
        json_text(reply, "half", "an answer that is taken back");
        snprintf(ret_error, ADMIN_ERROR_MAX, "it is armed");
        return ADMIN_REFUSED;
    }
    json_text(reply, "verb", admin_verb_name(line->verb));
    for (uint32_t len = 0; line->verb == ADMIN_POSITIONS && len < reply_len; len += 8)
        json_u64(reply, "key", 1);
    if (line->verb != ADMIN_SET)
        return ADMIN_DONE;
    if (sets_max == 0)
        return ADMIN_LATER;
    sets_max--;
    set_count[line->word[2][0] - '0']++;
    return ADMIN_DONE;
}

static void start(void)
{
    cr_assert_not_null(mkdtemp(folder));
    cr_assert_eq(chmod(folder, 0755), 0);
    snprintf(path, sizeof(path), "%s/socket", folder);
    snprintf(log_path, sizeof(log_path), "%s/audit", folder);
    admin_init(&admin);
    cr_assert_eq(audit_open(&audit, log_path, 1, error), 0, "%s", error);
}

static void end(void)
{
    admin_close(&admin);
    audit_close(&audit);
    unlink(path);
    unlink(log_path);
    rmdir(folder);
}

TestSuite(admin, .init = start, .fini = end, .timeout = 60);

static int try_open(void)
{
    return admin_open(&admin, &config, &audit, act, &act_count, error);
}

static void open_admin(void)
{
    cr_assert_eq(try_open(), 0, "%s", error);
}

static void steps(void)
{
    for (uint32_t i = 0; i < 1000 && admin_step(&admin, now_ns); i++)
        ;
}

static int connect_to(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        const int failed = errno;
        close(fd);
        errno = failed;
        return -1;
    }
    return fd;
}

static int come(void)
{
    const int fd = connect_to();

    cr_assert_geq(fd, 0);
    steps();
    return fd;
}

static void say(int fd, const char *text)
{
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

/* Everything that has come; *ret_closed: and then the end. */
static char heard[ADMIN_REPLY_MAX * 2];
static void hear(int fd, bool *ret_closed)
{
    size_t len = 0;
    ssize_t got;

    while ((got = read(fd, heard + len, sizeof(heard) - 1 - len)) > 0)
        len += (size_t)got;
    heard[len] = '\0';
    if (ret_closed)
        *ret_closed = got == 0 || (got < 0 && errno == ECONNRESET);
}

static void heard_is(int fd, const char *wanted)
{
    bool closed;

    steps();
    hear(fd, &closed);
    cr_assert_str_eq(heard, wanted);
    cr_assert_not(closed);
}

#define OK(verb) "{\"ok\":true,\"verb\":\"" verb "\"}\n"
#define NO(why)  "{\"ok\":false,\"error\":\"" why "\"}\n"

Test(admin, a_line_is_answered_by_a_line_and_says_who)
{
    open_admin();
    const int fd = come();
    say(fd, "status\nset gateway order_qty_max 5\n");
    heard_is(fd, OK("status") OK("set"));
    cr_assert_str_eq(last_line.word[2], "5");
    cr_assert_eq(last_peer.uid, getuid());
    cr_assert_eq(last_peer.pid, getpid());
    char who[ADMIN_WHO_MAX];
    snprintf(who, sizeof(who), "uid:%u,pid:%d", (unsigned)getuid(), (int)getpid());
    cr_assert_str_eq(last_peer.who, who);
    say(fd, "\n\r\n");
    heard_is(fd, "");
    say(fd, "arm\n");
    heard_is(fd, NO("it is armed"));
    say(fd, "fly\nstatus");
    heard_is(fd, NO("there is no command 'fly'; help lists them"));
    say(fd, "\n");
    heard_is(fd, OK("status"));
    cr_assert_eq(admin.command_count, 3u);
    cr_assert_eq(admin.rejected_count, 2u);
    close(fd);
}

Test(admin, a_line_that_has_to_wait_is_tried_again_and_holds_only_its_own_peer)
{
    open_admin();
    sets_max = 0;
    const int waiting = come(), other = come();
    say(waiting, "set gateway order_qty_max 5\nstatus\n");
    heard_is(waiting, "");
    say(other, "status\n");
    heard_is(other, OK("status"));
    cr_assert_not(admin_step(&admin, now_ns), "the control thread sleeps meanwhile");
    heard_is(waiting, "");
    sets_max = 1;
    heard_is(waiting, OK("set") OK("status"));
    cr_assert_eq(admin.command_count, 3u);
    say(waiting, "set gateway order_qty_max 6\n");
    heard_is(waiting, "");
    close(waiting);
    steps();
    sets_max = 1;
    const uint32_t before = act_count;
    steps();
    cr_assert_eq(act_count, before + 1, "it was said, so it is done");
    steps();
    cr_assert_eq(act_count, before + 1);
    close(other);
}

/* Each change waits for the one before: nobody sees others served again and again meanwhile, whoever asks beside. */
Test(admin, those_who_wait_for_the_same_thing_get_it_in_turn)
{
    char text[40];
    int changer[3];

    open_admin();
    for (uint32_t i = 0; i < 3; i++)
        changer[i] = come();
    const int asker = come();
    for (uint32_t i = 0; i < 3; i++)
        for (uint32_t j = 0; j < 9; j++) {
            snprintf(text, sizeof(text), "set gateway order_qty_max %u\n", i + 1);
            say(changer[i], text);
        }
    for (uint32_t round = 1; round <= 9; round++) {
        say(asker, "status\n");
        sets_max = 1;
        cr_assert(admin_step(&admin, now_ns));
        for (uint32_t i = 1; i <= 3; i++)
            cr_assert_eq(set_count[i], (round + 3 - i) / 3, "peer %u in round %u", i, round);
    }
    for (uint32_t i = 0; i < 3; i++)
        close(changer[i]);
    close(asker);
}

Test(admin, peers_are_independent_of_each_other)
{
    open_admin();
    const int a = come(), b = come();
    say(a, "stat");
    say(b, "limits\n");
    heard_is(b, OK("limits"));
    say(b, "arm\n");
    say(a, "us\n");
    steps();
    heard_is(a, OK("status"));
    heard_is(b, NO("it is armed"));
    close(a);
    steps();
    say(b, "status\n");
    heard_is(b, OK("status"));
    close(b);
}

Test(admin, whoever_says_all_and_hangs_up_is_still_obeyed)
{
    open_admin();
    int fd = come();
    say(fd, "status\nkill fat finger\nset gateway order_qty_max 1");
    shutdown(fd, SHUT_WR);
    steps();
    bool closed;
    hear(fd, &closed);
    cr_assert_str_eq(heard, OK("status") OK("kill"));
    cr_assert(closed, "what had no end was not done");
    cr_assert_eq(act_count, 2u);
    cr_assert_str_eq(last_line.reason, "fat finger");
    close(fd);
    fd = connect_to();
    say(fd, "kill\n");
    close(fd); /* gone before anybody looked */
    steps();
    cr_assert_eq(act_count, 3u);
    cr_assert_eq(last_line.verb, ADMIN_KILL);
    for (uint32_t i = 0; i < ADMIN_CLIENTS_MAX; i++)
        cr_assert_eq(admin.client[i].fd, -1);
}

Test(admin, a_line_without_an_end_is_the_last_one)
{
    char text[ADMIN_LINE_MAX + 100];
    bool closed;

    open_admin();
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    const int fd = come();
    say(fd, text);
    steps();
    hear(fd, &closed);
    cr_assert_str_eq(heard, NO("there is no command 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'; help lists them"));
    cr_assert(closed);
    const int killer = come();
    memcpy(text, "kill ", 5);
    say(killer, text);
    steps();
    cr_assert_eq(last_line.verb, ADMIN_KILL, "a kill is a kill");
    close(fd);
    close(killer);
}

Test(admin, hostile_bytes_are_answered_or_end_the_connection)
{
    uint64_t random = 1;

    open_admin();
    for (uint32_t round = 0; round < 300; round++) {
        char bytes[700];
        const int fd = come();
        for (size_t i = 0; i < sizeof(bytes); i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            bytes[i] = random >> 60 == 0 ? '\n' : (char)(random >> 33);
        }
        cr_assert_eq(write(fd, bytes, sizeof(bytes)), (ssize_t)sizeof(bytes));
        steps();
        hear(fd, NULL);
        cr_assert(heard[0] == '\0' || strncmp(heard, "{\"ok\":false,\"error\":\"", 21) == 0);
        close(fd);
        steps();
    }
    cr_assert_eq(act_count, 0u);
    const int fd = come();
    say(fd, "status\n");
    heard_is(fd, OK("status"));
    close(fd);
}

Test(admin, a_peer_that_does_not_read_is_not_asked_for_more_and_holds_nobody)
{
    struct pollfd fds[ADMIN_FDS_MAX];

    open_admin();
    reply_len = 60000;
    const int deaf = come(), other = come();
    for (uint32_t i = 0; i < 50; i++)
        say(deaf, "positions\n");
    steps();
    const uint32_t done = act_count;
    cr_assert(done > 0 && done < 50, "%u answers fit into the socket", done);
    say(other, "status\n");
    heard_is(other, OK("status"));
    cr_assert_not(admin_step(&admin, now_ns), "there is nothing to do until it reads");
    cr_assert_eq(admin_fds(&admin, fds), 3u);
    cr_assert_eq(fds[1].events, POLLOUT);
    cr_assert_eq(fds[2].events, POLLIN);
    cr_assert_eq(poll(fds, 3, 0), 0, "and the control thread sleeps");
    size_t heard_len = 0;
    for (uint32_t i = 0; i < 1000; i++) { /* it reads at last: every answer is there, whole */
        hear(deaf, NULL);
        for (const char *at = heard; (at = strstr(at, "{\"ok\":true")); at++)
            heard_len++;
        steps();
    }
    cr_assert_eq(act_count, 51u);
    cr_assert_eq(heard_len, 50u);
    close(deaf);
    close(other);
}

Test(admin, an_answer_that_is_too_long_says_so)
{
    open_admin();
    const int fd = come();
    reply_len = ADMIN_REPLY_MAX;
    say(fd, "positions\n");
    heard_is(fd, NO("it was done, but the answer is too long"));
    for (reply_len = ADMIN_REPLY_MAX - 100; reply_len < ADMIN_REPLY_MAX; reply_len++) {
        say(fd, "positions\n");
        steps();
        hear(fd, NULL);
        const size_t len = strlen(heard);
        cr_assert_eq(heard[len - 1], '\n');
        cr_assert(strncmp(heard, "{\"ok\":false", 11) == 0 || strcmp(heard + len - 3, "1}\n") == 0, "%u", reply_len);
    }
    close(fd);
}

Test(admin, one_more_peer_takes_the_place_of_the_quietest)
{
    int fd[ADMIN_CLIENTS_MAX + 1];
    bool closed;

    open_admin();
    for (uint32_t i = 0; i < ADMIN_CLIENTS_MAX; i++) {
        now_ns += SECOND_NS;
        fd[i] = come();
    }
    now_ns += SECOND_NS;
    say(fd[0], "status\n");
    heard_is(fd[0], OK("status"));
    now_ns += SECOND_NS;
    fd[ADMIN_CLIENTS_MAX] = come();
    cr_assert_eq(admin.displaced_count, 1u);
    for (uint32_t i = 0; i <= ADMIN_CLIENTS_MAX; i++) {
        hear(fd[i], &closed);
        cr_assert_eq(closed, i == 1, "peer %u", i);
    }
    say(fd[ADMIN_CLIENTS_MAX], "kill\n");
    heard_is(fd[ADMIN_CLIENTS_MAX], OK("kill"));
    for (uint32_t i = 0; i <= ADMIN_CLIENTS_MAX; i++)
        close(fd[i]);
}

/* --- who may */

/* Connect as another user in a child; what it heard, or "" and *ret_errno. */
static void hear_as(uid_t uid, gid_t gid, gid_t more, int *ret_errno)
{
    int pipes[2];
    char bytes[512] = "";

    cr_assert_eq(pipe(pipes), 0);
    const pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        int failed = 0;
        signal(SIGPIPE, SIG_IGN); /* whoever may not speak is hung up on, maybe before he has spoken */
        if (setgroups(more != gid, &more) != 0 || setgid(gid) != 0 || setuid(uid) != 0)
            _exit(1);
        const int fd = connect_to();
        if (fd < 0)
            failed = errno;
        if (write(pipes[1], &failed, sizeof(failed)) != (ssize_t)sizeof(failed))
            _exit(1);
        if (fd < 0)
            _exit(0);
        fcntl(fd, F_SETFL, 0);
        if (write(fd, "status\n", 7) == 7)
            shutdown(fd, SHUT_WR);
        ssize_t got;
        while ((got = read(fd, bytes, sizeof(bytes))) > 0)
            if (write(pipes[1], bytes, (size_t)got) != got)
                break;
        _exit(0);
    }
    close(pipes[1]);
    cr_assert_eq(read(pipes[0], ret_errno, sizeof(*ret_errno)), (ssize_t)sizeof(*ret_errno));
    while (waitpid(child, NULL, WNOHANG) == 0)
        steps();
    const ssize_t len = read(pipes[0], heard, sizeof(heard) - 1);
    heard[len > 0 ? len : 0] = '\0';
    close(pipes[0]);
}

static void need_root(void)
{
    if (getuid() != 0)
        cr_skip_test("another user's part is played by root only");
}

#define NOBODY   65534u
#define GROUP_ID 54321u

Test(admin, the_mode_of_the_file_keeps_others_out)
{
    int failed;

    need_root();
    open_admin();
    hear_as(NOBODY, NOBODY, NOBODY, &failed);
    cr_assert_eq(failed, EACCES);
    cr_assert_eq(admin.refused_count, 0u);
    struct stat status;
    cr_assert_eq(stat(path, &status), 0);
    cr_assert_eq(status.st_mode, (mode_t)(S_IFSOCK | 0600));
}

Test(admin, whoever_comes_through_is_asked_who_he_is)
{
    static char text[1 << 16];
    int failed;

    need_root();
    config.mode = 0666;
    open_admin();
    hear_as(NOBODY, NOBODY, NOBODY, &failed);
    cr_assert_eq(failed, 0);
    cr_assert_str_eq(heard, NO("you may not speak here; ask for a place in admin.group"));
    cr_assert_eq(act_count, 0u);
    cr_assert_eq(admin.refused_count, 1u);
    cr_assert_eq(audit.seq, 1u);
    for (uint32_t i = 0; i < 5; i++)
        hear_as(NOBODY, NOBODY, NOBODY, &failed);
    cr_assert_eq(admin.refused_count, 6u);
    cr_assert_eq(audit.seq, 1u, "one line a second at most");
    now_ns += SECOND_NS;
    steps();
    cr_assert_eq(audit.seq, 2u);
    now_ns += SECOND_NS;
    steps();
    cr_assert_eq(audit.seq, 2u, "nothing new");
    FILE *file = fopen(log_path, "r");
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    cr_assert_not_null(strstr(text, "\"who\":\"uid:65534,pid:"));
    cr_assert_not_null(
        strstr(text, "\"what\":\"connect\",\"old\":null,\"new\":\"1\",\"result\":\"refused: may not speak"));
    cr_assert_not_null(strstr(text, "\"new\":\"5\",\"result\":\"refused: may not speak"));
    const int fd = come();
    say(fd, "status\n");
    heard_is(fd, OK("status"));
    close(fd);
}

Test(admin, members_of_the_group_may_by_their_first_or_another_group)
{
    int failed;

    need_root();
    config.mode = 0660;
    snprintf(config.group, sizeof(config.group), "%s", "daemon");
    const struct group *group = getgrnam("daemon");
    if (!group)
        cr_skip_test("there is no group daemon");
    const gid_t daemon_gid = group->gr_gid;
    open_admin();
    struct stat status;
    cr_assert_eq(stat(path, &status), 0);
    cr_assert_eq(status.st_mode, (mode_t)(S_IFSOCK | 0660));
    cr_assert_eq(status.st_gid, daemon_gid);
    hear_as(NOBODY, daemon_gid, daemon_gid, &failed);
    cr_assert_str_eq(heard, OK("status"));
    hear_as(NOBODY, NOBODY, daemon_gid, &failed);
    cr_assert_str_eq(heard, OK("status"));
    cr_assert_eq(last_peer.uid, NOBODY);
    hear_as(NOBODY, GROUP_ID, NOBODY, &failed);
    cr_assert_eq(failed, EACCES);
    cr_assert_eq(admin.refused_count, 0u);
    admin_close(&admin);
    config.mode = 0666;
    open_admin();
    hear_as(NOBODY, GROUP_ID, NOBODY, &failed);
    cr_assert_eq(failed, 0);
    cr_assert_eq(admin.refused_count, 1u);
}

Test(admin, a_group_that_is_not_there_is_named)
{
    snprintf(config.group, sizeof(config.group), "%s", "no-such-group");
    cr_assert_eq(try_open(), -ENOENT);
    cr_assert_not_null(strstr(error, "admin.group: there is no group 'no-such-group'"));
}

/* --- the file */

Test(admin, the_file_of_a_killed_gateway_is_replaced)
{
    open_admin();
    close(admin.fd); /* as a kill -9 does: the file stays */
    struct stat before, after;
    cr_assert_eq(stat(path, &before), 0);
    cr_assert_eq(connect_to(), -1);
    cr_assert_eq(errno, ECONNREFUSED);
    admin.fd = -1;
    admin_close(&admin);
    cr_assert_eq(stat(path, &after), 0);
    open_admin();
    const int fd = come();
    say(fd, "status\n");
    heard_is(fd, OK("status"));
    close(fd);
    admin_close(&admin);
    cr_assert_eq(stat(path, &after), -1, "a clean end removes it");
}

Test(admin, the_file_of_a_living_gateway_is_left_alone)
{
    struct admin other;

    open_admin();
    cr_assert_eq(admin_open(&other, &config, &audit, act, &act_count, error), -EADDRINUSE);
    cr_assert_not_null(strstr(error, "another process listens there; each gateway needs a socket of its own"));
    admin_close(&other);
    const int fd = come();
    say(fd, "status\n");
    heard_is(fd, OK("status"));
    close(fd);
    int waiting[64], count = 0; /* also one that is so busy that it takes nobody in */
    while (count < 64 && (waiting[count] = connect_to()) >= 0)
        count++;
    cr_assert_lt(count, 64);
    cr_assert_eq(admin_open(&other, &config, &audit, act, &act_count, error), -EADDRINUSE);
    admin_close(&other);
    while (count > 0)
        close(waiting[--count]);
}

Test(admin, a_file_that_is_no_socket_is_left_alone)
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fclose(file);
    cr_assert_eq(try_open(), -EEXIST);
    cr_assert_not_null(strstr(error, "is there and is no socket; name another, or remove it"));
    admin_close(&admin);
    cr_assert_eq(access(path, F_OK), 0);
    unlink(path);
    cr_assert_eq(symlink("/nonexistent/x", path), 0);
    cr_assert_eq(try_open(), -EEXIST, "nor is a link followed");
    admin_close(&admin);
}

Test(admin, a_file_that_was_replaced_meanwhile_is_not_removed)
{
    open_admin();
    unlink(path);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fclose(file);
    admin_close(&admin);
    cr_assert_eq(access(path, F_OK), 0);
}

Test(admin, a_folder_that_is_not_there_or_is_held_is_named)
{
    config.socket = strdup("/nonexistent/socket");
    cr_assert_eq(try_open(), -ENOENT);
    cr_assert_not_null(strstr(error, "admin.socket /nonexistent/socket: its folder cannot be locked: No such file"));
    admin_close(&admin);
    free(config.socket);
    config.socket = path;
    const int held = open(folder, O_RDONLY | O_DIRECTORY);
    cr_assert_eq(flock(held, LOCK_EX), 0);
    cr_assert_eq(try_open(), -EWOULDBLOCK, "it does not wait for ever");
    admin_close(&admin);
    close(held);
    open_admin();
}

Test(admin, without_a_socket_nobody_is_listened_to)
{
    struct pollfd fds[ADMIN_FDS_MAX];

    config.socket = NULL;
    open_admin();
    cr_assert_not(admin_step(&admin, now_ns));
    cr_assert_eq(admin_fds(&admin, fds), 0u);
}
