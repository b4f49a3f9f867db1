/* Faults of frames: what goes in and what comes out are compared, and the counters must say exactly what is seen. */
#include "gateway/fault.h"

#include "feed/frame.h"
#include "feed/mold.h"
#include "feed/wire.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PERCENT (FAULT_PARTS / 100)
#define QUEUE_BYTES (8u << 20)
#define GAP_NS UINT64_C(1000)
#define BEGIN_NS UINT64_C(1000000000000)
#define MESSAGE_LEN 30u
#define OUTS_MAX 300000u

/* A frame that came out: which one it was, and whether its bytes are the same. */
struct out {
    uint64_t ts_ns;
    uint32_t line, number; /* of the message in it; number 0 = cannot be read any more */
    uint32_t len;
    uint64_t hash;
};

static struct out *outs;
static uint32_t out_count;
static uint64_t out_bytes_hash;

static uint64_t hash_of(uint64_t hash, const void *data, size_t len)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* A packet of `count` messages from `seq` on; number and line stand in the source port and address, which no fault
 * touches. */
static uint32_t packet(uint8_t *frame, uint32_t line, uint32_t number, uint64_t seq, uint16_t count)
{
    uint8_t *payload = frame + CAPTURE_HEADERS_LEN;
    uint32_t len = MOLD_HEADER_LEN;
    mold_encode_header(payload, "SESSION00A", seq, count);
    for (uint32_t i = 0; count != MOLD_COUNT_END && i < count; i++) {
        store_be16(payload + len, MESSAGE_LEN);
        for (uint32_t j = 0; j < MESSAGE_LEN; j++)
            payload[len + 2 + j] = (uint8_t)(seq + i + j * 13);
        len += 2 + MESSAGE_LEN;
    }
    return capture_encode_udp(frame, 0xefc00101u + line, 26477, number, 26400, len);
}

static struct capture_frame frame_at(uint64_t ts_ns, const uint8_t *frame, uint32_t len)
{
    return (struct capture_frame){.ts_ns = ts_ns, .data = frame, .len = len};
}

static void take_all(struct fault *fault, uint64_t until_ns)
{
    struct capture_frame frame;
    while (fault_take(fault, until_ns, &frame)) {
        cr_assert_lt(out_count, OUTS_MAX);
        struct out *out = &outs[out_count++];
        *out = (struct out){.ts_ns = frame.ts_ns, .len = frame.len, .hash = hash_of(0, frame.data, frame.len)};
        out_bytes_hash = hash_of(hash_of(out_bytes_hash, &frame.ts_ns, 8), frame.data, frame.len);
        if (frame.len >= 34) {
            out->number = load_be32(frame.data + 26);
            out->line = load_be32(frame.data + 30) - 0xefc00101u;
        }
    }
}

static void setup(void)
{
    outs = calloc(OUTS_MAX, sizeof(*outs));
    out_count = 0;
    out_bytes_hash = 0;
}

static void teardown(void)
{
    free(outs);
}

TestSuite(fault, .init = setup, .fini = teardown);

/* `count` packets of each line, the lines in turns, GAP_NS apart. */
static struct fault *run(uint64_t seed, const struct fault_line_params *lines, uint32_t line_count, uint32_t count)
{
    struct fault *fault = fault_open(seed, lines, line_count, QUEUE_BYTES);
    uint8_t bytes[CAPTURE_FRAME_MAX];
    uint64_t ts_ns = BEGIN_NS;
    cr_assert_not_null(fault);
    out_count = 0;
    out_bytes_hash = 0;
    for (uint32_t i = 1; i <= count; i++, ts_ns += GAP_NS)
        for (uint32_t line = 0; line < line_count; line++) {
            const struct capture_frame frame = frame_at(ts_ns, bytes, packet(bytes, line, i, i, 1));
            take_all(fault, ts_ns);
            fault_put(fault, line, &frame);
        }
    take_all(fault, UINT64_MAX);
    for (uint32_t i = 1; i < out_count; i++)
        cr_assert_leq(outs[i - 1].ts_ns, outs[i].ts_ns, "frame %u goes back in time", i);
    return fault;
}

/* The hash of packet `number` of `line` as it went in. */
static uint64_t hash_in(uint32_t line, uint32_t number)
{
    uint8_t bytes[CAPTURE_FRAME_MAX];
    return hash_of(0, bytes, packet(bytes, line, number, number, 1));
}

/* Six standard deviations of a count of `n` with `share`: once in some hundred million seeds, and ours is fixed. */
static void expect_share(uint64_t count, uint32_t n, uint32_t share)
{
    const double p = (double)share / FAULT_PARTS, mean = n * p, difference = (double)count - mean;
    cr_assert(difference * difference <= 36 * n * p * (1 - p), "%lu of %u, expected about %.0f", count, n, mean);
}

Test(fault, without_faults_everything_passes_as_it_came)
{
    const struct fault_line_params lines[2] = {0};
    struct fault *fault = run(1, lines, 2, 1000);
    cr_assert_eq(out_count, 2000);
    for (uint32_t i = 0; i < 2000; i++) {
        cr_assert_eq(outs[i].line, i % 2);
        cr_assert_eq(outs[i].number, 1 + i / 2);
        cr_assert_eq(outs[i].ts_ns, BEGIN_NS + i / 2 * GAP_NS);
        cr_assert_eq(outs[i].hash, hash_in(i % 2, 1 + i / 2));
    }
    const struct fault_counters expected = {.frame_count = 1000};
    cr_assert(memcmp(fault_counters(fault, 0), &expected, sizeof(expected)) == 0);
    cr_assert(memcmp(fault_counters(fault, 1), &expected, sizeof(expected)) == 0);
    fault_close(fault);
}

Test(fault, lost_packets_are_missing_and_counted)
{
    const struct fault_line_params lines[2] = {{.loss = 5 * PERCENT}, {.loss = 20 * PERCENT}};
    struct fault *fault = run(1, lines, 2, 50000);
    uint32_t seen[2] = {0};
    for (uint32_t i = 0; i < out_count; i++) {
        cr_assert_eq(outs[i].hash, hash_in(outs[i].line, outs[i].number));
        seen[outs[i].line]++;
    }
    for (uint32_t line = 0; line < 2; line++) {
        cr_assert_eq(fault_counters(fault, line)->frame_count, 50000);
        cr_assert_eq(fault_counters(fault, line)->lost_count, 50000 - seen[line]);
        expect_share(50000 - seen[line], 50000, lines[line].loss);
    }
    fault_close(fault);
}

Test(fault, no_share_is_never_and_the_whole_is_always)
{
    const struct fault_line_params all = {.loss = FAULT_PARTS};
    struct fault *fault = run(3, &all, 1, 10000);
    cr_assert_eq(out_count, 0);
    cr_assert_eq(fault_counters(fault, 0)->lost_count, 10000);
    fault_close(fault);

    const struct fault_line_params twice = {.duplicate = FAULT_PARTS};
    fault = run(3, &twice, 1, 10000);
    cr_assert_eq(out_count, 20000);
    for (uint32_t i = 0; i < 20000; i++)
        cr_assert_eq(outs[i].number, 1 + i / 2);
    cr_assert_eq(fault_counters(fault, 0)->duplicate_count, 10000);
    fault_close(fault);
}

Test(fault, more_loss_is_the_same_losses_and_further_ones)
{
    struct fault_line_params line = {.loss = 2 * PERCENT};
    static bool kept[20001];
    fault_close(run(9, &line, 1, 20000));
    for (uint32_t i = 0; i < out_count; i++)
        kept[outs[i].number] = true;
    const uint32_t less_lost = out_count;
    line.loss = 4 * PERCENT;
    fault_close(run(9, &line, 1, 20000));
    cr_assert_lt(out_count, less_lost);
    for (uint32_t i = 0; i < out_count; i++)
        cr_assert(kept[outs[i].number], "packet %u was lost at 2 %% and not at 4 %%", outs[i].number);
}

Test(fault, duplicates_follow_their_packet)
{
    const struct fault_line_params line = {.duplicate = 10 * PERCENT};
    struct fault *fault = run(1, &line, 1, 50000);
    uint32_t twice = 0;
    for (uint32_t i = 1; i < out_count; i++) {
        const bool same = outs[i].number == outs[i - 1].number;
        cr_assert(same || outs[i].number == outs[i - 1].number + 1);
        cr_assert(!same || (outs[i].hash == outs[i - 1].hash && outs[i].ts_ns == outs[i - 1].ts_ns));
        twice += same;
    }
    cr_assert_eq(fault_counters(fault, 0)->duplicate_count, twice);
    expect_share(twice, 50000, line.duplicate);
    fault_close(fault);
}

/* In each position, the number of packets before it that went in after it. */
static uint32_t overtakers(uint32_t i)
{
    uint32_t count = 0;
    for (uint32_t j = i > 16 ? i - 16 : 0; j < i; j++)
        count += outs[j].number > outs[i].number;
    return count;
}

Test(fault, reordered_packets_are_overtaken_by_one_to_four)
{
    const struct fault_line_params line = {.reorder = 2 * PERCENT};
    struct fault *fault = run(1, &line, 1, 50000);
    uint32_t late = 0, by[9] = {0};
    cr_assert_eq(out_count, 50000);
    for (uint32_t i = 0; i < out_count; i++) {
        const uint32_t count = overtakers(i);
        /* Up to four, and as many as were held back themselves in front of it and let go before. */
        cr_assert_leq(count, 8);
        by[count]++;
        late += count > 0;
        cr_assert_eq(outs[i].hash, hash_in(0, outs[i].number));
    }
    cr_assert_eq(fault_counters(fault, 0)->reordered_count, late);
    expect_share(late, 50000, line.reorder);
    for (uint32_t i = 1; i <= 4; i++)
        cr_assert_gt(by[i], 50000 / 50 / 8, "overtaken by %u: %u", i, by[i]);
    fault_close(fault);
}

Test(fault, reordering_everything_still_lets_everything_through)
{
    const struct fault_line_params line = {.reorder = FAULT_PARTS};
    struct fault *fault = run(1, &line, 1, 10000);
    static uint8_t seen[10001];
    uint32_t late = 0;
    cr_assert_eq(out_count, 10000);
    for (uint32_t i = 0; i < out_count; i++) {
        cr_assert_eq(seen[outs[i].number]++, 0);
        late += overtakers(i) > 0;
    }
    cr_assert_eq(fault_counters(fault, 0)->reordered_count, late);
    fault_close(fault);
}

Test(fault, last_packet_that_nothing_overtakes_comes_at_the_end)
{
    const struct fault_line_params line = {.reorder = FAULT_PARTS};
    struct fault *fault = run(1, &line, 1, 1);
    cr_assert_eq(out_count, 1);
    cr_assert_eq(outs[0].ts_ns, BEGIN_NS);
    cr_assert_eq(fault_counters(fault, 0)->reordered_count, 0);
    fault_close(fault);
}

Test(fault, corruption_turns_one_to_four_bits_of_the_payload_and_the_checksum_tells)
{
    const struct fault_line_params line = {.corrupt = FAULT_PARTS};
    struct fault *fault = fault_open(5, &line, 1, QUEUE_BYTES);
    uint8_t bytes[CAPTURE_FRAME_MAX];
    uint32_t by[5] = {0};
    struct capture_frame out;
    for (uint32_t i = 1; i <= 40000; i++) {
        const struct capture_frame frame = frame_at(BEGIN_NS + i, bytes, packet(bytes, 0, i, i, (uint16_t)(i % 8)));
        fault_put(fault, 0, &frame);
        cr_assert(fault_take(fault, frame.ts_ns, &out));
        cr_assert_eq(out.len, frame.len);
        uint32_t bits = 0;
        for (uint32_t j = 0; j < out.len; j++) {
            const int turned = __builtin_popcount(out.data[j] ^ bytes[j]);
            cr_assert(turned == 0 || j >= CAPTURE_HEADERS_LEN, "byte %u", j);
            bits += (uint32_t)turned;
        }
        cr_assert(bits >= 1 && bits <= 4, "%u bits", bits);
        by[bits]++;
        struct frame_view view;
        cr_assert_eq(frame_parse(out.data, out.len, &view), FRAME_UDP);
        cr_assert_not(frame_checksum_good(out.data, out.len, &view), "packet %u", i);
    }
    for (uint32_t i = 1; i <= 4; i++)
        cr_assert_gt(by[i], 8000, "%u bits: %u times", i, by[i]);
    cr_assert_eq(fault_counters(fault, 0)->corrupt_count, 40000);
    fault_close(fault);
}

Test(fault, shares_of_corruption_and_truncation_are_what_is_seen)
{
    const struct fault_line_params line = {.corrupt = 3 * PERCENT, .truncate = 4 * PERCENT};
    struct fault *fault = run(11, &line, 1, 50000);
    const uint32_t len = CAPTURE_HEADERS_LEN + MOLD_HEADER_LEN + 2 + MESSAGE_LEN;
    uint32_t cut = 0, corrupt = 0, shortest = len;
    cr_assert_eq(out_count, 50000);
    for (uint32_t i = 0; i < out_count; i++) {
        cr_assert(outs[i].len >= 14 && outs[i].len <= len);
        cut += outs[i].len < len;
        corrupt += outs[i].len == len && outs[i].hash != hash_in(0, i + 1);
        shortest = outs[i].len < shortest ? outs[i].len : shortest;
    }
    cr_assert_eq(fault_counters(fault, 0)->truncated_count, cut);
    cr_assert_eq(fault_counters(fault, 0)->corrupt_count, corrupt);
    cr_assert_eq(shortest, 14, "cut right behind the Ethernet header too");
    expect_share(cut, 50000, line.truncate);
    expect_share(corrupt, 50000, (uint32_t)(0.03 * 0.96 * FAULT_PARTS));
    fault_close(fault);
}

Test(fault, frames_that_have_nothing_to_harm_are_not_counted_as_harmed)
{
    const struct fault_line_params line = {.corrupt = FAULT_PARTS, .restart_at = 1};
    struct fault *fault = fault_open(1, &line, 1, QUEUE_BYTES);
    uint8_t bytes[CAPTURE_FRAME_MAX];
    struct capture_frame out;
    const uint32_t empty_len = capture_encode_udp(bytes, 0xefc00101u, 1, 1, 1, 0);
    for (uint32_t len = 0; len <= empty_len; len++) {
        const struct capture_frame frame = frame_at(BEGIN_NS, bytes, len);
        fault_put(fault, 0, &frame);
        cr_assert(fault_take(fault, BEGIN_NS, &out));
        cr_assert(out.len == len && memcmp(out.data, bytes, len) == 0);
    }
    cr_assert_eq(fault_counters(fault, 0)->corrupt_count, 0);
    cr_assert_eq(fault_counters(fault, 0)->restart_count, 0);
    fault_close(fault);

    const struct fault_line_params truncating = {.truncate = FAULT_PARTS};
    fault = fault_open(1, &truncating, 1, QUEUE_BYTES);
    for (uint32_t len = 0; len <= 14; len++) {
        const struct capture_frame frame = frame_at(BEGIN_NS, bytes, len);
        fault_put(fault, 0, &frame);
        cr_assert(fault_take(fault, BEGIN_NS, &out));
        cr_assert_eq(out.len, len);
    }
    cr_assert_eq(fault_counters(fault, 0)->truncated_count, 0);
    fault_close(fault);
}

Test(fault, skew_makes_one_line_late_and_jitter_keeps_its_order)
{
    const struct fault_line_params lines[2] = {{0}, {.skew_ns = 50 * GAP_NS, .jitter_ns = 20 * GAP_NS}};
    struct fault *fault = run(1, lines, 2, 20000);
    uint32_t next[2] = {1, 1};
    uint64_t least = UINT64_MAX, most = 0;
    cr_assert_eq(out_count, 40000);
    for (uint32_t i = 0; i < out_count; i++) {
        const struct out *out = &outs[i];
        const uint64_t late_ns = out->ts_ns - (BEGIN_NS + (out->number - 1) * GAP_NS);
        cr_assert_eq(out->number, next[out->line]++);
        if (out->line == 0) {
            cr_assert_eq(late_ns, 0);
            continue;
        }
        least = late_ns < least ? late_ns : least;
        most = late_ns > most ? late_ns : most;
    }
    cr_assert(least >= 50 * GAP_NS && most <= 70 * GAP_NS);
    cr_assert_gt(most, 68 * GAP_NS, "jitter is spread");
    fault_close(fault);
}

Test(fault, stalled_line_is_silent_and_then_gives_all_at_once)
{
    const struct fault_line_params line = {.stall_every_ns = 100 * GAP_NS, .stall_ns = 30 * GAP_NS};
    struct fault *fault = run(1, &line, 1, 13000);
    uint32_t stalled = 0;
    cr_assert_eq(out_count, 13000);
    for (uint32_t i = 0; i < out_count; i++) {
        const uint64_t in_ns = i * GAP_NS, into_ns = in_ns % (130 * GAP_NS);
        cr_assert_eq(outs[i].number, i + 1);
        cr_assert_eq(outs[i].ts_ns, BEGIN_NS + (into_ns < 100 * GAP_NS ? in_ns : in_ns - into_ns + 130 * GAP_NS));
        stalled += into_ns >= 100 * GAP_NS;
    }
    cr_assert_eq(fault_counters(fault, 0)->stall_count, stalled);
    cr_assert_eq(stalled, 13000 / 130 * 30);
    fault_close(fault);
}

/* One packet through a line that restarts at message 100: what it says then. */
static enum mold_verdict restarted(uint64_t seq, uint16_t count, struct mold_packet *ret_packet, bool *ret_new)
{
    static const struct fault_line_params line = {.restart_at = 100};
    static uint8_t kept[CAPTURE_FRAME_MAX];
    struct fault *fault = fault_open(1, &line, 1, QUEUE_BYTES);
    uint8_t bytes[CAPTURE_FRAME_MAX];
    struct capture_frame out;
    struct frame_view view;
    const struct capture_frame frame = frame_at(BEGIN_NS, bytes, packet(bytes, 0, 1, seq, count));
    fault_put(fault, 0, &frame);
    cr_assert(fault_take(fault, BEGIN_NS, &out));
    memcpy(kept, out.data, out.len);
    cr_assert_eq(frame_parse(kept, out.len, &view), FRAME_UDP);
    cr_assert(frame_checksum_good(kept, out.len, &view));
    const enum mold_verdict verdict = mold_parse(view.payload, view.payload_len, ret_packet);
    cr_assert(verdict <= MOLD_END);
    *ret_new = memcmp(ret_packet->session, "SESSION00B", MOLD_SESSION_LEN) == 0;
    cr_assert(*ret_new || memcmp(ret_packet->session, "SESSION00A", MOLD_SESSION_LEN) == 0);
    cr_assert_eq(fault_counters(fault, 0)->restart_count, *ret_new);
    fault_close(fault);
    return verdict;
}

/* The messages from `seq` of the old session on. */
static void expect_messages(const struct mold_packet *packet, uint64_t seq)
{
    const uint8_t *block = packet->blocks, *message;
    uint32_t len;
    for (uint32_t i = 0; i < packet->count; i++) {
        block = mold_next(block, &message, &len);
        cr_assert_eq(len, MESSAGE_LEN);
        cr_assert_eq(message[0], (uint8_t)(seq + i));
        cr_assert_eq(message[MESSAGE_LEN - 1], (uint8_t)(seq + i + (MESSAGE_LEN - 1) * 13));
    }
}

Test(fault, restarted_session_is_numbered_from_its_first_message)
{
    struct mold_packet packet;
    bool new;

    cr_assert_eq(restarted(90, 10, &packet, &new), MOLD_DATA);
    cr_assert(!new && packet.seq == 90 && packet.count == 10, "what ends before it is of the old session");
    cr_assert_eq(restarted(100, 7, &packet, &new), MOLD_DATA);
    cr_assert(new && packet.seq == 1 && packet.count == 7);
    expect_messages(&packet, 100);
    cr_assert_eq(restarted(107, 3, &packet, &new), MOLD_DATA);
    cr_assert(new && packet.seq == 8 && packet.count == 3);
    expect_messages(&packet, 107);
    for (uint16_t count = 2; count <= 20; count++)
        for (uint64_t seq = 101 - count; seq < 100; seq++) {
            cr_assert_eq(restarted(seq, count, &packet, &new), MOLD_DATA);
            cr_assert(new && packet.seq == 1 && packet.count == seq + count - 100, "a packet across it begins with it");
            expect_messages(&packet, 100);
        }
}

Test(fault, heartbeats_and_the_end_of_a_restarted_session_are_numbered_too)
{
    struct mold_packet packet;
    bool new;

    cr_assert_eq(restarted(100, 0, &packet, &new), MOLD_HEARTBEAT);
    cr_assert(!new && packet.seq == 100, "message 100 has not been sent yet");
    cr_assert_eq(restarted(150, 0, &packet, &new), MOLD_HEARTBEAT);
    cr_assert(new && packet.seq == 51);
    cr_assert_eq(restarted(1000, MOLD_COUNT_END, &packet, &new), MOLD_END);
    cr_assert(new && packet.seq == 901);
    cr_assert_eq(restarted(0, 3, &packet, &new), MOLD_DATA);
    cr_assert(!new && packet.seq == 0, "unsequenced packets have no place in any session");
}

Test(fault, restart_mends_no_checksum_that_was_wrong_and_adds_none)
{
    static const struct fault_line_params line = {.restart_at = 1};
    struct fault *fault = fault_open(1, &line, 1, QUEUE_BYTES);
    uint8_t bytes[CAPTURE_FRAME_MAX];
    struct capture_frame out;
    struct frame_view view;
    const uint32_t len = packet(bytes, 0, 1, 5, 2);
    const struct capture_frame frame = frame_at(BEGIN_NS, bytes, len);

    bytes[41] ^= 1;
    fault_put(fault, 0, &frame);
    cr_assert(fault_take(fault, BEGIN_NS, &out));
    cr_assert_eq(frame_parse(out.data, out.len, &view), FRAME_UDP);
    cr_assert_not(frame_checksum_good(out.data, out.len, &view));
    bytes[40] = bytes[41] = 0;
    fault_put(fault, 0, &frame);
    cr_assert(fault_take(fault, BEGIN_NS, &out));
    cr_assert(out.data[40] == 0 && out.data[41] == 0);
    cr_assert_eq(fault_counters(fault, 0)->restart_count, 2);
    fault_close(fault);
}

static const struct fault_line_params mixed[2] = {
    {.loss = PERCENT, .duplicate = PERCENT, .reorder = PERCENT, .corrupt = PERCENT, .truncate = PERCENT,
     .jitter_ns = 10 * GAP_NS, .restart_at = 5000},
    {.loss = 3 * PERCENT, .duplicate = 2 * PERCENT, .reorder = 4 * PERCENT, .skew_ns = 70 * GAP_NS,
     .stall_every_ns = 400 * GAP_NS, .stall_ns = 300 * GAP_NS},
};

Test(fault, same_seed_gives_the_same_bytes_and_another_seed_others)
{
    fault_close(run(7, mixed, 2, 10000));
    const uint64_t hash = out_bytes_hash;
    cr_assert_gt(out_count, 15000);
    fault_close(run(7, mixed, 2, 10000));
    cr_assert_eq(out_bytes_hash, hash);
    fault_close(run(8, mixed, 2, 10000));
    cr_assert_neq(out_bytes_hash, hash);
}

static uint64_t line_hash(uint32_t line)
{
    uint64_t hash = 0;
    for (uint32_t i = 0; i < out_count; i++)
        if (outs[i].line == line && outs[i].len >= 34)
            hash = hash_of(hash_of(hash, &outs[i].ts_ns, 8), &outs[i].hash, 8);
    return hash;
}

Test(fault, faults_of_a_line_do_not_depend_on_the_other_line)
{
    fault_close(run(7, mixed, 2, 10000));
    const uint64_t hash = line_hash(0), other_hash = line_hash(1);
    fault_close(run(7, mixed, 1, 10000));
    cr_assert_eq(line_hash(0), hash);
    struct fault_line_params changed[2] = {mixed[0], mixed[1]};
    changed[0].loss = 50 * PERCENT;
    fault_close(run(7, changed, 2, 10000));
    cr_assert_neq(line_hash(0), hash);
    cr_assert_eq(line_hash(1), other_hash);
}

Test(fault, frames_of_no_line_pass_unharmed_in_their_turn)
{
    const struct fault_line_params line = {.loss = FAULT_PARTS};
    struct fault *fault = fault_open(1, &line, 1, QUEUE_BYTES);
    uint8_t bytes[CAPTURE_FRAME_MAX];
    for (uint32_t i = 1; i <= 1000; i++) {
        const struct capture_frame frame = frame_at(BEGIN_NS + i, bytes, packet(bytes, 7, i, i, 1));
        fault_put(fault, i % 2 ? FAULT_LINE_NONE : 0, &frame);
        take_all(fault, frame.ts_ns);
    }
    cr_assert_eq(out_count, 500);
    for (uint32_t i = 0; i < out_count; i++)
        cr_assert(outs[i].hash == hash_in(7, outs[i].number) && outs[i].number == 1 + 2 * i);
    cr_assert_eq(fault_counters(fault, FAULT_LINE_NONE)->frame_count, 500);
    fault_close(fault);
}

Test(fault, time_that_runs_backwards_is_held_at_the_newest)
{
    const struct fault_line_params lines[2] = {{.skew_ns = 5}, {0}};
    struct fault *fault = fault_open(1, lines, 2, QUEUE_BYTES);
    uint8_t bytes[CAPTURE_FRAME_MAX];
    const uint64_t times[] = {100, 50, 0, 101, UINT64_MAX, UINT64_MAX - 1};
    for (uint32_t i = 0; i < 6; i++) {
        const struct capture_frame frame = frame_at(times[i], bytes, packet(bytes, i % 2, i + 1, i + 1, 1));
        take_all(fault, times[i]);
        fault_put(fault, i % 2, &frame);
    }
    take_all(fault, UINT64_MAX);
    cr_assert_eq(out_count, 6);
    for (uint32_t i = 1; i < out_count; i++)
        cr_assert_leq(outs[i - 1].ts_ns, outs[i].ts_ns);
    fault_close(fault);
}

Test(fault, full_queue_sends_the_earliest_on_early)
{
    const struct fault_line_params lines[2] = {{.skew_ns = FAULT_TIME_NS_MAX, .reorder = 20 * PERCENT}, {0}};
    struct fault *fault = fault_open(1, lines, 2, FAULT_QUEUE_BYTES_MIN);
    uint8_t bytes[CAPTURE_FRAME_MAX];
    const uint32_t count = 20000;
    uint32_t early = 0, seen[2] = {0};
    for (uint32_t i = 1; i <= count; i++)
        for (uint32_t line = 0; line < 2; line++) {
            const uint32_t len = packet(bytes, line, i, i, (uint16_t)(i % 40));
            const struct capture_frame frame = frame_at(BEGIN_NS + i, bytes, len);
            take_all(fault, frame.ts_ns);
            fault_put(fault, line, &frame);
        }
    for (uint32_t i = 0; i < out_count; i++)
        early += outs[i].line == 0;
    take_all(fault, UINT64_MAX);
    for (uint32_t i = 0; i < out_count; i++) {
        cr_assert(i == 0 || outs[i - 1].ts_ns <= outs[i].ts_ns);
        seen[outs[i].line]++;
    }
    cr_assert_eq(seen[0], count);
    cr_assert_eq(seen[1], count);
    cr_assert_eq(fault_counters(fault, 0)->overflow_count, early);
    cr_assert_eq(fault_counters(fault, 1)->overflow_count, 0);
    cr_assert_eq(fault_counters(fault, 0)->lost_count, 0);
    cr_assert_gt(early, count * 9 / 10, "64 KiB hold only a few of them");
    fault_close(fault);
}

Test(fault, who_never_takes_loses_what_does_not_fit)
{
    const struct fault_line_params line = {0};
    struct fault *fault = fault_open(1, &line, 1, FAULT_QUEUE_BYTES_MIN);
    uint8_t bytes[CAPTURE_FRAME_MAX];
    for (uint32_t i = 1; i <= 1000; i++) {
        const struct capture_frame frame = frame_at(BEGIN_NS, bytes, packet(bytes, 0, i, i, 30));
        fault_put(fault, 0, &frame);
    }
    take_all(fault, BEGIN_NS);
    cr_assert_lt(out_count, 1000);
    cr_assert_eq(fault_counters(fault, 0)->lost_count, 1000 - out_count);
    cr_assert_eq(fault_counters(fault, 0)->overflow_count, 1000 - out_count);
    fault_close(fault);
}

Test(fault, what_waits_says_when_it_is_due)
{
    const struct fault_line_params line = {.skew_ns = 1000};
    struct fault *fault = fault_open(1, &line, 1, QUEUE_BYTES);
    uint8_t bytes[CAPTURE_FRAME_MAX];
    struct capture_frame out;
    cr_assert_eq(fault_due_ns(fault), UINT64_MAX);
    const struct capture_frame frame = frame_at(BEGIN_NS, bytes, packet(bytes, 0, 1, 1, 1));
    fault_put(fault, 0, &frame);
    cr_assert_eq(fault_due_ns(fault), BEGIN_NS + 1000);
    cr_assert_not(fault_take(fault, BEGIN_NS + 999, &out));
    cr_assert(fault_take(fault, BEGIN_NS + 1000, &out));
    cr_assert_eq(out.ts_ns, BEGIN_NS + 1000);
    cr_assert_eq(fault_due_ns(fault), UINT64_MAX);
    fault_put(fault, 0, &frame);
    fault_close(fault); /* with a frame still in it */
}

Test(fault, parameters_out_of_range_are_refused)
{
    struct fault_line_params line = {0};
    cr_assert_null(fault_open(1, &line, FAULT_LINES_MAX + 1, QUEUE_BYTES));
    cr_assert_null(fault_open(1, &line, 1, FAULT_QUEUE_BYTES_MIN - 1));
    uint32_t *const shares[] = {&line.loss, &line.duplicate, &line.reorder, &line.corrupt, &line.truncate};
    for (uint32_t i = 0; i < 5; i++) {
        *shares[i] = FAULT_PARTS + 1;
        cr_assert_null(fault_open(1, &line, 1, QUEUE_BYTES));
        *shares[i] = FAULT_PARTS;
    }
    uint64_t *const times[] = {&line.skew_ns, &line.jitter_ns, &line.stall_every_ns, &line.stall_ns};
    for (uint32_t i = 0; i < 4; i++) {
        *times[i] = FAULT_TIME_NS_MAX + 1;
        cr_assert_null(fault_open(1, &line, 1, QUEUE_BYTES));
        *times[i] = FAULT_TIME_NS_MAX;
    }
    line.restart_at = UINT64_MAX;
    struct fault *fault = fault_open(1, &line, 1, QUEUE_BYTES);
    cr_assert_not_null(fault);
    fault_close(fault);
    fault_close(NULL);
}

Test(fault, text_gives_parameters_on_top_of_those_there)
{
    struct fault_line_params params = {.loss = 1, .skew_ns = 7};
    char error[FAULT_ERROR_MAX];
    cr_assert_eq(fault_parse("loss=0.5,duplicate=100,reorder=0.0000001,corrupt=0,truncate=12.5,jitter_us=10000000,"
                             "stall_every_ms=1000,stall_ms=20,restart_at=18446744073709551615", &params, error), 0);
    const struct fault_line_params expected = {
        .loss = FAULT_PARTS / 200, .duplicate = FAULT_PARTS, .reorder = 1, .truncate = FAULT_PARTS / 8, .skew_ns = 7,
        .jitter_ns = UINT64_C(10000000000), .stall_every_ns = 1000000000, .stall_ns = 20000000,
        .restart_at = UINT64_MAX,
    };
    cr_assert(memcmp(&params, &expected, sizeof(params)) == 0);
}

Test(fault, wrong_text_is_refused_with_a_reason_and_changes_nothing)
{
    static const struct { const char *text, *reason; } wrong[] = {
        {"", "KEY=VALUE"}, {"loss", "KEY=VALUE"}, {"loss=1,", "KEY=VALUE"}, {",loss=1", "KEY=VALUE"},
        {"lost=1", "unknown key 'lost'; keys are loss, duplicate,"}, {"=1", "unknown key"},
        {"loss=", "percentage"}, {"loss=100.0000001", "percentage"}, {"loss=101", "percentage"},
        {"loss=-1", "percentage"}, {"loss=1e1", "percentage"}, {"loss=nan", "percentage"}, {"loss=.", "percentage"},
        {"loss=1.2.3", "percentage"}, {"loss=0.00000001", "percentage"}, {"loss= 1", "percentage"},
        {"loss=99999999999999999999", "percentage"}, {"skew_us=1.5", "whole number, 0 ... 10000000"},
        {"skew_us=10000001", "whole number"}, {"jitter_us=x", "whole number"}, {"stall_ms=3600001", "whole number"},
        {"restart_at=18446744073709551616", "whole number"}, {"loss=1=2", "percentage"},
        {"stall_ms=5", "stall_every_ms"}, {"stall_every_ms=5", "stall_every_ms"},
        {"loss=1111111111111111111111111111111111111111111111111111111111111111111", "KEY=VALUE"},
        {"loss=2,skew_us=oh", "skew_us"},
    };
    for (uint32_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct fault_line_params params = {.loss = 5};
        const struct fault_line_params before = params;
        char error[FAULT_ERROR_MAX] = "";
        cr_assert_eq(fault_parse(wrong[i].text, &params, error), -EINVAL, "'%s'", wrong[i].text);
        cr_assert(strstr(error, wrong[i].reason) != NULL, "'%s': %s", wrong[i].text, error);
        cr_assert(memcmp(&params, &before, sizeof(params)) == 0, "'%s'", wrong[i].text);
    }
}
