/* impair: a bridge between two interfaces that harms what goes one way, or both, for live tests on veth pairs where the
 * kernel has no netem. Faults are those of a replay (gateway/fault.h): the same frames and the same seed give the same
 * losses. Everything else goes through unharmed, both ways.
 *
 * One thread, two packet sockets. Frames that are late wait in the faults' queue, poll sleeps until the next one is
 * due. */
#include "feed/frame.h"
#include "feed/wire.h"
#include "gateway/fault.h"
#include "tools/options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S          UINT64_C(1000000000)
#define GROUPS_MAX        16u
#define QUEUE_BYTES       (16u << 20)
#define SOCKET_BYTES      (8 << 20)
#define FRAME_BYTES       65600u /* longer than what any interface gives */
#define VLAN_LEN          4u
#define ADDRESSES_LEN     12u    /* in front of a VLAN tag */
#define BURST_FRAMES      64u    /* of one side, before the other has its turn */

static const char *const help =
    "usage: impair --in IF --out IF [options]\n"
    "Bridge two interfaces; harm UDP packets, or TCP segments, on their way from --in to --out. Needs CAP_NET_RAW.\n"
    "Kernel senders behind it must fill in checksums and cut segments themselves:\n"
    "ethtool -K IF tx off tso off gso off.\n\n"
    "  --fault KEY=VALUE[,KEY=VALUE]...\n"
    "                    loss, duplicate, reorder, corrupt, truncate (percent of packets), skew_us, jitter_us,\n"
    "                    stall_every_ms with stall_ms, restart_at (MoldUDP64 sequence)\n"
    "  --back KEY=VALUE[,KEY=VALUE]...\n"
    "                    the same for the way back, from --out to --in\n"
    "  --tcp             harm TCP segments, of both directions of a connection\n"
    "  --group IP:PORT   harm this destination only; up to 16 times, each with dice of its own\n"
    "  --only-multicast  harm multicast packets only\n"
    "  --seed N          seed of the faults (default 1)\n"
    "  --help            this text\n\n"
    "Says \"ready\" when frames pass. SIGINT or SIGTERM: lets go what waits, prints counts as JSON and ends.\n"
    "exit code: 0 stopped, 1 an interface failed, 2 arguments are wrong\n";

struct group { uint32_t ip; uint16_t port; };

struct side {
    const char *name;
    int socket;
    uint64_t received_count, sent_count;
    uint64_t send_error_count;
    uint64_t unfinished_count; /* frames whose sender left the checksum to a device that is not there */
};

static struct impair {
    struct side in, out;
    struct group group[GROUPS_MAX];
    uint32_t group_count;
    bool only_multicast;
    bool tcp;
    uint64_t seed;
    struct fault_line_params params, back_params;
    struct fault *fault, *back;
} impair = {.seed = 1};

static uint64_t clock_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

/* --- frames
 * ----------------------------------------------------------------------------------------------------------- */

/* The kernel takes the VLAN tag out of a frame and tells it apart: put it back. */
static uint8_t *tag_restore(uint8_t *frame, const struct tpacket_auxdata *aux)
{
    if (!(aux->tp_status & TP_STATUS_VLAN_VALID))
        return frame;
    memmove(frame - VLAN_LEN, frame, ADDRESSES_LEN);
    frame -= VLAN_LEN;
    store_be16(frame + ADDRESSES_LEN,
               aux->tp_status & TP_STATUS_VLAN_TPID_VALID ? aux->tp_vlan_tpid : (uint16_t)ETHERTYPE_VLAN);
    store_be16(frame + ADDRESSES_LEN + 2, aux->tp_vlan_tci);
    return frame;
}

/* The next frame that has come in; false: none. `buffer` has FRAME_BYTES. */
static bool frame_receive(struct side *side, uint8_t *buffer, struct capture_frame *ret_frame)
{
    for (;;) {
        union { struct cmsghdr align; uint8_t bytes[CMSG_SPACE(sizeof(struct tpacket_auxdata))]; } control;
        struct iovec into = {.iov_base = buffer + VLAN_LEN, .iov_len = FRAME_BYTES - VLAN_LEN};
        struct sockaddr_ll from = {0};
        struct msghdr message = {.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &into, .msg_iovlen = 1,
                                 .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)};
        const ssize_t len = recvmsg(side->socket, &message, 0);
        if (len < 0)
            return false;
        if (from.sll_pkttype == PACKET_OUTGOING || len < (ssize_t)ADDRESSES_LEN)
            continue; /* what we have sent ourselves */
        const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        struct tpacket_auxdata aux = {0};
        if (header && header->cmsg_level == SOL_PACKET && header->cmsg_type == PACKET_AUXDATA)
            memcpy(&aux, CMSG_DATA(header), sizeof(aux));
        uint8_t *frame = tag_restore(buffer + VLAN_LEN, &aux);
        side->received_count++;
        side->unfinished_count += (aux.tp_status & TP_STATUS_CSUMNOTREADY) != 0;
        *ret_frame = (struct capture_frame){
            .ts_ns = clock_ns(), .data = frame, .len = (uint32_t)(buffer + VLAN_LEN + len - frame)};
        return true;
    }
}

static void frame_send(struct side *side, const struct capture_frame *frame)
{
    const bool sent = send(side->socket, frame->data, frame->len, MSG_DONTWAIT) == (ssize_t)frame->len;

    side->sent_count += sent;
    side->send_error_count += !sent;
}

#define TYPE_AT 12u
#define PROTOCOL_AT 23u

/* Which dice are rolled for it. */
static uint32_t line_of(const struct capture_frame *frame)
{
    struct frame_view view;

    if (impair.tcp)
        return frame->len > PROTOCOL_AT && load_be16(frame->data + TYPE_AT) == ETHERTYPE_IP &&
                       frame->data[PROTOCOL_AT] == IPPROTO_TCP
                   ? 0
                   : FAULT_LINE_NONE;
    if (frame_parse(frame->data, frame->len, &view) != FRAME_UDP || (impair.only_multicast && view.dst_ip >> 28 != 0xe))
        return FAULT_LINE_NONE;
    for (uint32_t i = 0; i < impair.group_count; i++)
        if (impair.group[i].ip == view.dst_ip && impair.group[i].port == view.dst_port)
            return i;
    return impair.group_count > 0 ? FAULT_LINE_NONE : 0;
}

static void send_due(struct fault *fault, struct side *to, uint64_t until_ns)
{
    struct capture_frame frame;

    while (fault_take(fault, until_ns, &frame))
        frame_send(to, &frame);
}

static void forward(struct side *from, struct side *to, struct fault *fault)
{
    static uint8_t buffer[FRAME_BYTES];
    struct capture_frame frame;

    for (uint32_t i = 0; i < BURST_FRAMES && frame_receive(from, buffer, &frame); i++) {
        send_due(fault, to, frame.ts_ns);
        if (frame.len > CAPTURE_FRAME_MAX) /* no datagram of a feed, and too long for the queue */
            frame_send(to, &frame);
        else
            fault_put(fault, line_of(&frame), &frame);
    }
    send_due(fault, to, clock_ns());
}

/* --- set-up and report
 * ------------------------------------------------------------------------------------------------ */

static void side_open(struct side *side)
{
    const int one = 1, bytes = SOCKET_BYTES;
    const struct sockaddr_ll at = {.sll_family = AF_PACKET,
                                   .sll_protocol = htons(ETH_P_ALL),
                                   .sll_ifindex = (int)if_nametoindex(side->name)};
    const struct packet_mreq promiscuous = {.mr_ifindex = at.sll_ifindex, .mr_type = PACKET_MR_PROMISC};

    if (at.sll_ifindex == 0)
        options_refuse(1, side->name, "there is no such interface; 'ip link' lists them");
    /* Protocol 0: nothing comes in before the socket is bound to its interface. */
    side->socket = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (side->socket < 0 || setsockopt(side->socket, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)) != 0 ||
        bind(side->socket, (const struct sockaddr *)&at, sizeof(at)) != 0 ||
        setsockopt(side->socket, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof(promiscuous)) != 0)
        options_refuse(1, side->name, errno == EPERM ? "takes root or cap_net_raw" : strerror(errno));
    if (setsockopt(side->socket, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) != 0)
        setsockopt(side->socket, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)); /* less; dropped frames are reported */
}

static void side_say(const char *key, const struct side *side)
{
    struct tpacket_stats stats = {0};
    socklen_t len = sizeof(stats);

    getsockopt(side->socket, SOL_PACKET, PACKET_STATISTICS, &stats, &len);
    printf("\"%s\":{\"received\":%" PRIu64 ",\"sent\":%" PRIu64 ",\"send_errors\":%" PRIu64
           ",\"checksum_missing\":%" PRIu64 ",\"dropped_by_kernel\":%u},",
           key, side->received_count, side->sent_count, side->send_error_count, side->unfinished_count,
           stats.tp_drops);
}

static void lines_say(const char *key, const struct fault *fault)
{
    char ip[INET_ADDRSTRLEN];

    printf("\"%s\":[", key);
    for (uint32_t i = 0; i == 0 || i < impair.group_count; i++) {
        const struct fault_counters *counters = fault_counters(fault, i);
        const struct in_addr address = {.s_addr = htonl(impair.group[i].ip)};
        printf("%s{", i > 0 ? "," : "");
        if (impair.group_count > 0)
            printf("\"group\":\"%s:%u\",", inet_ntop(AF_INET, &address, ip, sizeof(ip)), impair.group[i].port);
        printf("\"packets\":%" PRIu64 ",\"lost\":%" PRIu64 ",\"duplicated\":%" PRIu64 ",\"reordered\":%" PRIu64
               ",\"corrupted\":%" PRIu64 ",\"truncated\":%" PRIu64 ",\"stalled\":%" PRIu64 ",\"restarted\":%" PRIu64
               ",\"early\":%" PRIu64 "}",
               counters->frame_count, counters->lost_count, counters->duplicate_count, counters->reordered_count,
               counters->corrupt_count, counters->truncated_count, counters->stall_count, counters->restart_count,
               counters->overflow_count);
    }
    printf("]");
}

static void say_counts(void)
{
    printf("{");
    side_say("in", &impair.in);
    side_say("out", &impair.out);
    lines_say("lines", impair.fault);
    printf(",");
    lines_say("back", impair.back);
    printf("}\n");
}

static void group_add(char *text)
{
    char *colon = strchr(text, ':');

    if (!colon || impair.group_count == GROUPS_MAX)
        options_refuse(OPTIONS_EXIT, "--group is IP:PORT, up to 16 times, not", text);
    *colon = '\0';
    impair.group[impair.group_count++] = (struct group){
        .ip = options_ip("group", text), .port = (uint16_t)options_u64("group", colon + 1, 1, 65535)};
}

enum { OPTION_IN = 1, OPTION_OUT, OPTION_FAULT, OPTION_BACK, OPTION_TCP, OPTION_GROUP, OPTION_ONLY_MULTICAST,
       OPTION_SEED, OPTION_HELP };

static void options_parse(int argc, char **argv)
{
    static const struct option options[] = {
        {"in", required_argument, NULL, OPTION_IN},
        {"out", required_argument, NULL, OPTION_OUT},
        {"fault", required_argument, NULL, OPTION_FAULT},
        {"back", required_argument, NULL, OPTION_BACK},
        {"tcp", no_argument, NULL, OPTION_TCP},
        {"group", required_argument, NULL, OPTION_GROUP},
        {"only-multicast", no_argument, NULL, OPTION_ONLY_MULTICAST},
        {"seed", required_argument, NULL, OPTION_SEED},
        {"help", no_argument, NULL, OPTION_HELP},
        {NULL, 0, NULL, 0},
    };
    char error[FAULT_ERROR_MAX];
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case OPTION_IN:
            impair.in.name = optarg;
            break;
        case OPTION_OUT:
            impair.out.name = optarg;
            break;
        case OPTION_FAULT:
            if (fault_parse(optarg, &impair.params, error) != 0)
                options_refuse(OPTIONS_EXIT, "--fault", error);
            break;
        case OPTION_BACK:
            if (fault_parse(optarg, &impair.back_params, error) != 0)
                options_refuse(OPTIONS_EXIT, "--back", error);
            break;
        case OPTION_TCP:
            impair.tcp = true;
            break;
        case OPTION_GROUP:
            group_add(optarg);
            break;
        case OPTION_ONLY_MULTICAST:
            impair.only_multicast = true;
            break;
        case OPTION_SEED:
            impair.seed = options_u64("seed", optarg, 0, UINT64_MAX);
            break;
        case OPTION_HELP:
            fputs(help, stdout);
            exit(0);
        default:
            exit(OPTIONS_EXIT); /* getopt has said what */
        }
    }
    if (optind != argc)
        options_refuse(OPTIONS_EXIT, "not an option", argv[optind]);
    if (impair.tcp && (impair.group_count > 0 || impair.only_multicast))
        options_refuse(OPTIONS_EXIT, "--tcp", "goes with no group and no multicast");
    if (!impair.in.name || !impair.out.name || strcmp(impair.in.name, impair.out.name) == 0)
        options_refuse(OPTIONS_EXIT, "missing", "--in IF and --out IF, two interfaces");
}

int main(int argc, char **argv)
{
    struct fault_line_params lines[GROUPS_MAX], back[GROUPS_MAX];
    sigset_t signals;

    options_parse(argc, argv);
    const uint32_t line_count = impair.group_count > 0 ? impair.group_count : 1;
    for (uint32_t i = 0; i < GROUPS_MAX; i++) {
        lines[i] = impair.params;
        back[i] = impair.back_params;
    }
    impair.fault = fault_open(impair.seed, lines, line_count, QUEUE_BYTES);
    impair.back = fault_open(impair.seed ^ 0x6261636b, back, line_count, QUEUE_BYTES);
    if (!impair.fault || !impair.back)
        options_refuse(1, "memory", strerror(ENOMEM));
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    prctl(PR_SET_TIMERSLACK, 1); /* ns; the default of 50 us is what a frame would be late by */
    side_open(&impair.in);
    side_open(&impair.out);
    struct pollfd polled[] = {
        {.fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK), .events = POLLIN},
        {.fd = impair.in.socket, .events = POLLIN},
        {.fd = impair.out.socket, .events = POLLIN},
    };
    puts("ready");
    fflush(stdout);
    while (!(polled[0].revents & POLLIN)) {
        const uint64_t there_ns = fault_due_ns(impair.fault), back_ns = fault_due_ns(impair.back);
        const uint64_t due_ns = there_ns < back_ns ? there_ns : back_ns, now_ns = clock_ns();
        const uint64_t wait_ns = due_ns > now_ns ? due_ns - now_ns : 0;
        const struct timespec timeout = {.tv_sec = (time_t)(wait_ns / NS_PER_S), .tv_nsec = (long)(wait_ns % NS_PER_S)};
        if (ppoll(polled, 3, due_ns == UINT64_MAX ? NULL : &timeout, NULL) < 0 && errno != EINTR)
            options_refuse(1, "poll", strerror(errno));
        forward(&impair.in, &impair.out, impair.fault);
        forward(&impair.out, &impair.in, impair.back);
    }
    send_due(impair.fault, &impair.out, UINT64_MAX);
    send_due(impair.back, &impair.in, UINT64_MAX);
    say_counts();
    fault_close(impair.fault);
    fault_close(impair.back);
    return 0;
}
