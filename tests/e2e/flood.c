/* flood: frames at a rate, for tests in network namespaces that they made themselves. Sends UDP datagrams from one
 * source address or from many, on an absolute schedule, and says what it has achieved:
 *   flood INTERFACE DST_MAC DST_IP DST_PORT SRC_IP SOURCES RATE_PER_S SECONDS */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define BATCH       64u
#define FRAME_LEN   82u /* Ethernet, IPv4, UDP, 40 bytes */
#define SRC_IP_AT   26u
#define CHECKSUM_AT 24u

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void put16(uint8_t *bytes, uint32_t value)
{
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

/* Source address and the header's checksum over it. */
static void source_set(uint8_t *frame, uint32_t ip)
{
    uint32_t sum = 0;

    put16(frame + SRC_IP_AT, ip >> 16);
    put16(frame + SRC_IP_AT + 2, ip & 0xffff);
    put16(frame + CHECKSUM_AT, 0);
    for (unsigned at = 14; at < 34; at += 2)
        sum += (uint32_t)frame[at] << 8 | frame[at + 1];
    sum = (sum & 0xffff) + (sum >> 16);
    put16(frame + CHECKSUM_AT, ~(sum + (sum >> 16)) & 0xffff);
}

static int fail(const char *what)
{
    fprintf(stderr, "flood: %s: %s\n", what, strerror(errno));
    return 1;
}

int main(int argc, char **argv)
{
    static uint8_t frames[BATCH][FRAME_LEN];
    static struct mmsghdr messages[BATCH];
    static struct iovec pieces[BATCH];
    struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP)};
    struct in_addr dst, src;
    unsigned mac[6];
    const int yes = 1;

    if (argc != 9 || sscanf(argv[2], "%x:%x:%x:%x:%x:%x", mac, mac + 1, mac + 2, mac + 3, mac + 4, mac + 5) != 6 ||
        inet_pton(AF_INET, argv[3], &dst) != 1 || inet_pton(AF_INET, argv[5], &src) != 1) {
        fputs("usage: flood INTERFACE DST_MAC DST_IP DST_PORT SRC_IP SOURCES RATE_PER_S SECONDS\n", stderr);
        return 2;
    }
    const uint32_t port = (uint32_t)strtoul(argv[4], NULL, 10);
    const uint32_t sources = (uint32_t)strtoul(argv[6], NULL, 10);
    const double rate = strtod(argv[7], NULL), seconds = strtod(argv[8], NULL);
    const int fd = socket(AF_PACKET, SOCK_RAW, 0);
    to.sll_ifindex = (int)if_nametoindex(argv[1]);
    if (fd < 0 || to.sll_ifindex == 0 || bind(fd, (const struct sockaddr *)&to, sizeof(to)) != 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &yes, sizeof(yes)) != 0)
        return fail(argv[1]);
    for (uint32_t i = 0; i < BATCH; i++) {
        uint8_t *frame = frames[i];
        for (unsigned j = 0; j < 6; j++)
            frame[j] = (uint8_t)mac[j];
        frame[6] = 0x02;
        put16(frame + 12, 0x0800);
        frame[14] = 0x45;
        put16(frame + 16, FRAME_LEN - 14);
        frame[22] = 1;
        frame[23] = 17;
        memcpy(frame + 30, &dst, 4);
        put16(frame + 34, 40000);
        put16(frame + 36, port);
        put16(frame + 38, FRAME_LEN - 34);
        source_set(frame, ntohl(src.s_addr));
        pieces[i] = (struct iovec){.iov_base = frame, .iov_len = FRAME_LEN};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &pieces[i], .msg_iovlen = 1};
    }
    const uint64_t begin_ns = now_ns(), end_ns = begin_ns + (uint64_t)(seconds * 1e9);
    uint64_t sent = 0, refused = 0, source = 0, at_ns;
    while ((at_ns = now_ns()) < end_ns) {
        const uint64_t due = (uint64_t)((double)(at_ns - begin_ns) * rate / 1e9);
        uint32_t count = due > sent + refused ? BATCH : 0;
        if (count == 0)
            continue;
        for (uint32_t i = 0; i < count && sources > 1; i++)
            source_set(frames[i], ntohl(src.s_addr) + (uint32_t)(source++ % sources));
        const int done = sendmmsg(fd, messages, count, 0);
        sent += done > 0 ? (uint64_t)done : 0;
        refused += done < 0 ? 1 : 0;
    }
    const double elapsed_s = (double)(now_ns() - begin_ns) / 1e9;
    printf("{\"sent\":%" PRIu64 ",\"per_s\":%.0f,\"refused\":%" PRIu64 "}\n", sent, (double)sent / elapsed_s, refused);
    return 0;
}
