/* Fuzz target of gateway/igmp: the input is a version and what a port receives, packet after packet, with pauses.
 * Nothing is read past an end, each packet is counted once, what goes out is whole and bounded, and a querier is still
 * answered afterwards.
 *
 *   {version u8} then steps of {pause u8 in 100 ms, flags u8 (bit 0: checksums are made right), len u16, bytes} */
#include "gateway/port/igmp.h"

#include "feed/wire.h"
#include "ring/check.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/igmp_due.h"

#include <stdbool.h>
#include <stdlib.h>

#define GROUPS 3u
#define OUR_IP 0xc0000202u
#define GROUP 0xe9360c6fu
#define SOURCE 0xc633640bu
#define STEP_LEN 4u
#define TENTH_NS (IGMP_NS_PER_S / 10)

static void checksum_set(uint8_t *bytes, uint32_t at, uint32_t len)
{
    uint32_t sum = 0;

    bytes[at] = bytes[at + 1] = 0;
    for (uint32_t i = 0; i < len; i++)
        sum += i & 1 ? bytes[i] : (uint32_t)bytes[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    store_be16(bytes + at, (uint16_t)~sum);
}

/* As far as the packet's own lengths allow. */
static void seal(uint8_t *packet, uint32_t len)
{
    if (len < 20)
        return;
    const uint32_t header_len = (packet[0] & 15u) * 4u, total_len = load_be16(packet + 2);
    if (header_len < 20 || total_len > len || total_len < header_len + 4)
        return;
    checksum_set(packet, 10, header_len);
    checksum_set(packet + header_len, 2, total_len - header_len);
}

static uint64_t received(const struct igmp *igmp)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < IGMP_VERDICT_COUNT; i++)
        sum += igmp->counters.verdict_count[i];
    return sum;
}

/* What is due now: whole frames, not without end, and then nothing is due any more. */
static uint32_t drain(struct igmp *igmp, uint64_t now_ns)
{
    uint8_t frame[IGMP_FRAME_MAX];
    uint32_t count = 0, len;

    while ((len = igmp_next(igmp, now_ns, frame)) > 0) {
        CHECK(len >= 60 && len <= IGMP_FRAME_MAX && load_be16(frame + 12) == 0x0800);
        CHECK(load_be16(frame + 16) + 14u <= len && frame[22] == 1);
        CHECK(++count <= 4 * GROUPS);
    }
    CHECK(igmp_due_ns(igmp) > now_ns);
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct igmp igmp;
    static const uint8_t versions[] = {0, 2, 3};
    struct igmp_setup setup = {.mac = {2}, .ip = OUR_IP, .mtu = 576, .refresh_ns = 60 * IGMP_NS_PER_S, .seed = len};
    uint8_t query[36] = {0x46, 0, 0, 36, 0, 0, 0, 0, 1, 2, 0, 0, 192, 0, 2, 1, 224, 0, 0, 1, 0x94, 4, 0, 0, 0x11, 10};
    uint64_t now_ns = 1000 * IGMP_NS_PER_S, count = 0;

    setup.version = len > 0 ? versions[data[0] % 3] : 0;
    igmp_begin(&igmp, &setup);
    CHECK(igmp_add(&igmp, GROUP, SOURCE) && igmp_add(&igmp, GROUP, SOURCE + 1) && igmp_add(&igmp, GROUP + 1, 0) &&
          igmp_add(&igmp, GROUP + 2, SOURCE));
    igmp_join(&igmp, now_ns);
    CHECK(drain(&igmp, now_ns) > 0);
    for (size_t at = 1; at + STEP_LEN <= len;) {
        const uint32_t wanted = load_be16(data + at + 2);
        const uint32_t packet_len = wanted <= len - at - STEP_LEN ? wanted : (uint32_t)(len - at - STEP_LEN);
        uint8_t *packet = fuzz_copy_exact(data + at + STEP_LEN, packet_len);
        now_ns += data[at] * TENTH_NS;
        if (data[at + 1] & 1)
            seal(packet, packet_len);
        igmp_receive(&igmp, packet, packet_len, now_ns);
        free(packet);
        drain(&igmp, now_ns);
        CHECK(received(&igmp) == ++count);
        at += STEP_LEN + packet_len;
    }
    /* All of it forgotten, or as good as: a querier is answered in its response time. */
    now_ns += 4000 * IGMP_NS_PER_S;
    drain(&igmp, now_ns);
    seal(query, sizeof(query));
    CHECK(igmp_receive(&igmp, query, sizeof(query), now_ns) == IGMP_QUERY);
    CHECK(drain(&igmp, now_ns + IGMP_NS_PER_S) > 0);
    igmp_leave(&igmp, now_ns + 2 * IGMP_NS_PER_S);
    for (uint32_t i = 0; i < 8 && !igmp_left(&igmp); i++)
        drain(&igmp, now_ns + (3 + i) * IGMP_NS_PER_S);
    CHECK(igmp_left(&igmp) && igmp_due_ns(&igmp) == IGMP_NEVER);
    return 0;
}
