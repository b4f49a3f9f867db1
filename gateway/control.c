/* See control.h. */
#include "gateway/control.h"

#include "gateway/crash.h"
#include "gateway/log.h"
#include "gateway/order/ouch.h"
#include "gateway/report/report_ports.h"
#include "gateway/topology_parts.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define LOAD_FRAMES_A_STEP 4096u
#define RECORDS_A_STEP 8192u
/* A wake-up costs a hot thread its CPU for some 20 us where CPUs are scarce, so the control thread wakes up often
 * only while something waits for it. */
#define SLEEP_NS UINT64_C(20000000)
#define SLEEP_BUSY_NS UINT64_C(1000000)
#define CLOCK_UPDATE_NS 100000000u
#define LINK_LOOK_NS 50000000u
#define WATCH_TRIES 2000u /* of 50 us: a hot thread that is not in its loop by then is not watched */
#define MS_NS UINT64_C(1000000)
#define START_DELAY_MS 20u /* between arming and the first frame of a paced replay: threads are up by then */

int control_init(struct control *control)
{
    struct sigaction hangup;
    sigset_t set;

    acts_init(&control->acts);
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN) /* as nohup has it */
        sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    signal(SIGPIPE, SIG_IGN); /* whoever reads what we say may go */
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return -errno;
    control->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return control->signal_fd < 0 ? -errno : 0;
}

void control_finish(struct control *control)
{
    acts_close(&control->acts, "failed"); /* closed already after a run that ended well */
    disturb_close(&control->disturb);
    recovery_close(&control->recovery);
    orders_close(&control->orders);
    if (control->signal_fd >= 0)
        close(control->signal_fd);
    control->signal_fd = -1;
}

static const char *line_name(const struct config_feed *feed, uint32_t line)
{
    if (line < feed->line_count)
        return feed->line_list[line].name;
    return line == CHANNEL_LINE_RETRANSMISSION ? "retransmission" : "snapshot";
}

/* One line: when, who, what, why. */
static void journal_write(struct control *control, const struct strategy_lcore *lcore,
                          const struct order_record *record)
{
    const struct rx *rx = control->topology->rx[record->rx_idx];
    struct cause cause = {0};
    struct ouch_enter enter;
    struct ouch_cancel cancel;
    struct ouch_replace replace;
    uint32_t message_len;
    char symbol[9];

    if (record->fill_qty > 0) {
        md_symbol_text(record->fill_symbol, symbol);
        fprintf(control->journal, "%" PRIu64 " %s ref=%" PRIu32 " %s %s %c %" PRIu32 " @ %" PRId32 " left=%" PRIu32
                "\n", record->now_ns, lcore->strategy[record->strategy].name, record->user_ref,
                record->fill_broken ? "broken" : "fill", symbol, record->fill_side, record->fill_qty,
                record->fill_price, record->fill_left_qty);
        return;
    }
    /* An order that news of another order led to has no tick behind it. */
    const bool known = record->event_seq > 0 && cause_find(&rx->causes, record->event_seq, &cause);
    __atomic_store_n(&control->cause_lost_count, control->cause_lost_count + (record->event_seq > 0 && !known),
                     __ATOMIC_RELAXED); /* telemetry reads it */
    const uint8_t *message = order_frame_message(record->frame, &message_len);
    fprintf(control->journal, "%" PRIu64 " %s ref=%" PRIu32, record->now_ns,
            record->strategy < lcore->strategy_count ? lcore->strategy[record->strategy].name : "tickgate",
            record->user_ref);
    if (ouch_decode_enter(message, message_len, &enter) == 0) {
        md_symbol_text(enter.symbol, symbol);
        fprintf(control->journal, " enter %s %c %" PRIu32 " @ %" PRIu64 " tif=%c", symbol, enter.side, enter.qty,
                enter.price, enter.tif);
    } else if (ouch_decode_replace(message, message_len, &replace) == 0) {
        fprintf(control->journal, " replace %" PRIu32 " %" PRIu32 " @ %" PRIu64, replace.orig_user_ref, replace.qty,
                replace.price);
    } else if (ouch_decode_cancel(message, message_len, &cancel) == 0) {
        fprintf(control->journal, " cancel to %" PRIu32, cancel.qty);
    }
    if (!known) {
        fprintf(control->journal, " cause=%s\n", record->event_seq > 0 ? "lost" : "answer");
        return;
    }
    const struct config_feed *feed = &control->topology->config->feed[cause.channel_line >> 32];
    fprintf(control->journal, " cause=%s/%s:%" PRIu64 "\n", feed->name,
            line_name(feed, (uint32_t)cause.channel_line), cause.feed_seq);
}

/* What is in the journal is the kernel's at the end of each step, so that a death of ours takes no line with it. A
 * write that failed is told at once: the orders go on, and nobody else would know of it before the end. */
static void journal_flush(struct control *control)
{
    errno = 0;
    if ((fflush(control->journal) == 0 && !ferror(control->journal)) || control->journal_error != 0)
        return;
    control->journal_error = errno ? -errno : -EIO;
    fprintf(stderr, "tickgate: the journal cannot be written: %s; lines are missing in it from now on\n",
            strerror(-control->journal_error));
}

/* Orders that went out, to the files that want them. True: there were some. */
static bool records_write(struct control *control)
{
    struct order_record record;
    uint32_t count = 0;

    for (uint32_t i = 0; i < control->topology->strategies_count; i++) {
        struct strategy_lcore *lcore = control->topology->strategies[i];
        while (lcore->sink && count < RECORDS_A_STEP && order_sink_take(lcore->sink, &record)) {
            count++;
            __atomic_store_n(&control->record_count, control->record_count + 1, __ATOMIC_RELAXED); /* likewise */
            if (control->orders_out && control->orders_error == 0 && record.fill_qty == 0)
                control->orders_error =
                    capture_out_write(control->orders_out, record.now_ns, record.frame, record.frame_len);
            if (control->journal)
                journal_write(control, lcore, &record);
        }
    }
    if (count > 0 && control->journal)
        journal_flush(control);
    return count > 0;
}

static bool stop_asked(const struct control *control)
{
    return control->signal_nr != 0 || control->timed_out || control->acts.stop_asked;
}

/* A signal that ends the run? SIGUSR1 kills; arming is an operator's act, and no signal's. */
static bool signalled(struct control *control)
{
    struct signalfd_siginfo info;
    char who[KILL_WHO_MAX];

    while (read(control->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGUSR1) {
            snprintf(who, sizeof(who), "signal:SIGUSR1,uid:%u,pid:%u", info.ssi_uid, info.ssi_pid);
            kill_request(&control->kill, KILL_SIGNAL, who, clock_monotonic_ns());
        } else if (info.ssi_signo == SIGUSR2) {
            fprintf(stderr, "tickgate: SIGUSR2 does nothing: SIGUSR1 kills, and a signal never arms\n");
        } else if (info.ssi_signo == SIGHUP && stop_asked(control)) {
            continue; /* a terminal that closes and its shell send one each: that hurries nobody */
        } else {
            control->signal_nr = (int)info.ssi_signo;
            snprintf(control->signal_who, sizeof(control->signal_who), "signal:SIG%s,uid:%u,pid:%u",
                     sigabbrev_np(control->signal_nr), info.ssi_uid, info.ssi_pid);
            return true;
        }
    }
    return false;
}

static void status_line(const struct control *control)
{
    const struct topology *topology = control->topology;
    uint64_t frames = 0, events = 0, orders = 0, lost = 0;

    for (uint32_t i = 0; i < control->topology->rx_count; i++) {
        frames += __atomic_load_n(&control->topology->rx[i]->frame_count, __ATOMIC_RELAXED);
        events += __atomic_load_n(&control->topology->rx[i]->event_count, __ATOMIC_RELAXED);
    }
    for (uint32_t i = 0; i < control->topology->strategies_count; i++) {
        orders += __atomic_load_n(&control->topology->strategies[i]->order_count, __ATOMIC_RELAXED);
        lost += __atomic_load_n(&control->topology->strategies[i]->lost_count, __ATOMIC_RELAXED);
    }
    fprintf(stderr, "tickgate: %" PRIu64 " frames, %" PRIu64 " events, %" PRIu64 " orders, %" PRIu64 " events lost",
            frames, events, orders, lost);
    report_ports_status(topology, stderr);
    for (uint32_t i = 0; i < topology->config->feed_count; i++)
        if (!health_heard(channel_health(topology->channel[i])))
            fprintf(stderr, "; NOTHING has come of feed %s yet", topology->config->feed[i].name);
        else if (channel_stale(topology->channel[i]))
            fprintf(stderr, "; feed %s is STALE", topology->config->feed[i].name);
    if (control->orders.config && control->orders.session.state != ORDER_SESSION_UP)
        fprintf(stderr, "; the order session is %s",
                order_session_state_name((enum order_session_state)control->orders.session.state));
    if (control->kill.state != KILL_ARMED)
        fprintf(stderr, "; %s by %s", kill_state_name((enum kill_state)control->kill.state),
                kill_cause_name((enum kill_cause)control->kill.cause));
    if (control->acts.kill_missing)
        fprintf(stderr, ", which is NOT IN THE AUDIT LOG: a restart would trade");
    fputc('\n', stderr);
}

static void links_look(struct control *control, uint64_t now_ns)
{
    struct topology *topology = control->topology;

    for (uint32_t i = 0; i < topology->port_count; i++)
        if (port_link_step(&topology->port[i], now_ns, stderr))
            membership_link_up(&topology->membership, topology->port[i].id, now_ns);
}

static void schedule_start(struct control *control)
{
    struct clock_report clock;

    clock_report_load(&control->topology->clock, &clock);
    const uint64_t start_tsc = clock_tsc() + clock.tsc_hz / 1000 * START_DELAY_MS;

    for (uint32_t i = 0; i < control->topology->rx_count; i++) {
        control->topology->rx[i]->replay->start_tsc = start_tsc;
        control->topology->rx[i]->replay->first_ts_ns = control->loader->first_ts_ns;
    }
}

static bool port_send(void *arg, uint32_t feed_idx, uint32_t ip, uint16_t port, const uint8_t *payload, uint32_t len)
{
    const struct topology *topology = arg;

    return request_tx_send(topology->request_tx[feed_idx], ip, port, payload, len);
}

/* Until a signal, a server's answer, or time for the next look. What hot threads ask for, and what comes to a port,
 * cannot wake us: that would be a system call of theirs. */
static void rest(const struct control *control)
{
    const struct topology *topology = control->topology;
    struct pollfd fds[2 + RECOVERY_FDS_MAX + ADMIN_FDS_MAX] = {{.fd = control->signal_fd, .events = POLLIN}};
    const bool streaming = control->loader && !control->loader->ended;
    const bool looking = streaming || topology->options.recording || control->recovery.feed_count > 0 ||
                         control->kill.state == KILL_KILLING;
    const uint64_t sleep_ns = control->orders.config ? topology->config->gateway.control_sleep_us * UINT64_C(1000)
                              : looking              ? SLEEP_BUSY_NS
                                                     : SLEEP_NS;
    const struct timespec sleep = {.tv_sec = 0, .tv_nsec = (long)sleep_ns}; /* less than a second, all of them */

    fds[1] = (struct pollfd){.fd = orders_fd(&control->orders), .events = POLLIN};
    uint32_t fd_count = 2 + recovery_fds(&control->recovery, fds + 2);
    fd_count += admin_fds(&control->acts.admin, fds + fd_count);
    ppoll(fds, fd_count, &sleep, NULL);
}

static int session_open(struct control *control, char ret_error[TOPOLOGY_ERROR_MAX])
{
    struct topology *topology = control->topology;
    struct strategy_lcore *owner = topology_orders_owner(topology);

    if (!owner)
        return 0;
    const struct orders_setup setup = {.owner = owner, .link = owner->link, .stack = topology->stack,
                                       .daily = &topology->daily};
    return orders_open(&control->orders, topology->config, &setup, clock_monotonic_ns(), ret_error);
}

/* --- the kill */

static void kill_strategies_add(struct kill *kill, struct strategy_lcore *lcore, const struct strategy_lcore *owner)
{
    struct kill_lcore entry = {.name = lcore->name,
                               .turn_count = &lcore->turn_count,
                               .risk = &lcore->risk,
                               .line = &lcore->kill,
                               .calling = &lcore->calling,
                               .open_count = &lcore->open.count,
                               .inherited_count = &lcore->open.inherited_count,
                               .strategy_count = lcore->strategy_count,
                               .owner = lcore == owner};

    for (uint32_t i = 0; i < lcore->strategy_count; i++)
        entry.strategy_name[i] = lcore->strategy[i].name;
    kill_lcore_add(kill, &entry);
}

/* Every hot lcore; in a replay nobody watches them, since it may stand still. */
static void kill_open(struct control *control)
{
    const struct topology *topology = control->topology;
    const struct config_kill *config = &topology->config->kill;
    const struct kill_params params = {.watchdog_ns = control->loader ? 0 : config->watchdog_ms * MS_NS,
                                       .repeat_ns = config->repeat_ms * MS_NS,
                                       .confirm_ns = config->confirm_ms * MS_NS};

    kill_init(&control->kill, &params, topology->config->risk.kill, clock_monotonic_ns());
    for (uint32_t i = 0; i < topology->strategies_count; i++)
        kill_strategies_add(&control->kill, topology->strategies[i], topology_orders_owner(topology));
    for (uint32_t i = 0; i < topology->rx_count && topology->config->gateway.mode == CONFIG_TWO_CORE; i++)
        kill_lcore_add(&control->kill, &(struct kill_lcore){.name = topology->rx[i]->name,
                                                            .turn_count = &topology->rx[i]->turn_count});
}

static void kill_serve(struct control *control, uint64_t now_ns)
{
    struct kill_look look;

    kill_watch(&control->kill, now_ns);
    orders_look(&control->orders, &look);
    switch (kill_step(&control->kill, &look, now_ns)) {
    case KILL_OWNER_LOST:
        orders_owner_lost(&control->orders, now_ns);
        break;
    case KILL_TAKE_OVER:
        orders_take_over(&control->orders, now_ns);
        break;
    default:
        break;
    }
    if (control->kill.state == KILL_ARMED)
        orders_return(&control->orders);
}

/* A signal, a command, or the end of the time: the order session ends first, while the hot threads still run, then
 * the groups are left. A second signal waits for neither. */
static bool ending(struct control *control, uint64_t now_ns)
{
    struct membership *membership = &control->topology->membership;

    if (!stop_asked(control))
        return false;
    acts_stop(&control->acts, control->signal_nr ? control->signal_who : "gateway");
    orders_stop(&control->orders, now_ns);
    const bool hurried = control->orders.stop != ORDERS_RUNNING && signalled(control);
    if (!orders_stopped(&control->orders) && !hurried)
        return false;
    membership_leave(membership, now_ns);
    membership_step(membership, now_ns);
    return membership_left(membership) || hurried;
}

/* A hot thread has faulted and waits for us, on its way to the end of the process. */
static void dying(struct control *control, uint64_t now_ns)
{
    orders_abort(&control->orders, now_ns);
    crash_answer();
    for (;;)
        pause();
}

/* The hot threads say who they are when they enter their loops: at once, unless a feed drops what came early. */
static bool watch_ready(const struct topology *topology)
{
    for (uint32_t i = 0; i < topology->rx_count; i++)
        if (armed_tid(&topology->rx[i]->armed) == 0)
            return false;
    for (uint32_t i = 0; i < topology->strategies_count && topology->config->gateway.mode == CONFIG_TWO_CORE; i++)
        if (armed_tid(&topology->strategies[i]->armed) == 0)
            return false;
    return true;
}

/* From here on it is counted what disturbs them. */
static void watch_begin(struct control *control)
{
    const struct topology *topology = control->topology;
    const struct timespec nap = {.tv_nsec = 50000};

    for (uint32_t i = 0; i < WATCH_TRIES && !watch_ready(topology); i++)
        nanosleep(&nap, NULL);
    for (uint32_t i = 0; i < topology->rx_count; i++)
        disturb_add(&control->disturb, topology->rx[i]->name, topology->rx[i]->cpu,
                    armed_tid(&topology->rx[i]->armed));
    for (uint32_t i = 0; i < topology->strategies_count && topology->config->gateway.mode == CONFIG_TWO_CORE; i++)
        disturb_add(&control->disturb, topology->strategies[i]->name, topology->strategies[i]->cpu,
                    armed_tid(&topology->strategies[i]->armed));
    disturb_begin(&control->disturb);
}

int control_run(struct control *control, char ret_error[TOPOLOGY_ERROR_MAX])
{
    struct topology *topology = control->topology;

    kill_open(control);
    if (control->loader) { /* what fits is in memory before the first frame is due */
        while (loader_step(control->loader, topology, LOAD_FRAMES_A_STEP) && !signalled(control))
            ;
        schedule_start(control);
    }
    int error = 0;
    if (topology_recovering(topology)) {
        error = recovery_open(&control->recovery, topology->config, topology->link, ret_error);
        control->recovery.port_send = port_send;
        control->recovery.port_send_arg = topology;
    }
    if (error == 0)
        error = session_open(control, ret_error);
    if (error == 0 && !control->loader)
        error = acts_open(&control->acts, topology, &control->orders, &control->kill, ret_error);
    if (error == 0 && disturb_open(&control->disturb, "") != 0)
        error = topology_fail(ret_error, -ENOMEM, "no memory to read /proc/interrupts");
    if (error == 0)
        error = membership_open(&topology->membership, topology->config, ret_error);
    if (error == 0)
        error = topology_arm(topology, ret_error);
    if (error)
        return error;
    membership_join(&topology->membership, clock_monotonic_ns());
    if (!control->loader) {
        fprintf(stderr, "tickgate: armed; SIGINT or SIGTERM stops it\n");
        log_open();
    }
    watch_begin(control);
    const uint64_t begin_ns = clock_monotonic_ns();
    uint64_t clock_due_ns = begin_ns, link_due_ns = begin_ns;
    uint64_t report_due_ns = begin_ns + (uint64_t)control->report_s * 1000000000u;
    for (;;) {
        const uint64_t now_ns = clock_monotonic_ns();
        if (crash_said())
            dying(control, now_ns);
        if (control->signal_nr == 0)
            signalled(control);
        if (ending(control, now_ns))
            break;
        bool busy = records_write(control);
        if (control->loader)
            busy |= loader_step(control->loader, topology, LOAD_FRAMES_A_STEP);
        busy |= recovery_step(&control->recovery, now_ns);
        busy |= orders_step(&control->orders, now_ns);
        busy |= membership_step(&topology->membership, now_ns);
        busy |= admin_step(&control->acts.admin, now_ns);
        kill_serve(control, now_ns);
        acts_kill(&control->acts);
        if (now_ns >= clock_due_ns) {
            clock_update(&topology->clock);
            clock_due_ns = now_ns + CLOCK_UPDATE_NS;
        }
        if (now_ns >= link_due_ns) {
            links_look(control, now_ns);
            link_due_ns = now_ns + LINK_LOOK_NS;
        }
        if (control->report_s > 0 && now_ns >= report_due_ns) {
            status_line(control);
            report_due_ns = now_ns + (uint64_t)control->report_s * 1000000000u; /* one, however long we stood still */
        }
        if (control->loader && topology_finished(topology))
            break;
        control->timed_out = control->duration_ns > 0 && now_ns - begin_ns >= control->duration_ns;
        if (!busy)
            rest(control);
    }
    disturb_end(&control->disturb);
    topology_stop(topology);
    while (records_write(control))
        ;
    acts_close(&control->acts, "done");
    log_close();
    return 0;
}
