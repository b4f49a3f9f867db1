/* Faults for frames. Contract in fault.h.
 *
 * Called by the loader of a replay, tools/impair and the campaign, on their one thread; never on a hot lcore. Each line
 * is a list in the order in which its frames go out, since frames of one line keep their order but for those that are
 * held back to be overtaken; taking is a merge of the lines. Memory is taken for each frame and bounded in all. */
#include "gateway/fault.h"

#include "feed/frame.h"
#include "feed/mold.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HELD_MAX 4u       /* packets of a line that wait to be overtaken */
#define OVERTAKERS_MAX 4u
#define BITS_MAX 4u       /* turned in a corrupted packet */
#define ETHER_LEN 14u
#define GOLDEN UINT64_C(0x9e3779b97f4a7c15)

struct queued {
    struct queued *next;  /* of its line */
    uint64_t due_ns;
    uint64_t order;       /* what is due at the same time goes out as it came in */
    uint32_t len;
    uint32_t size_bytes;  /* of all this */
    uint32_t copy_count;  /* still to be given out */
    uint32_t overtaker_count; /* packets that it still waits for */
    bool overtaken;
    uint8_t bytes[];
};

struct fault_line {
    struct fault_line_params params;
    struct fault_counters counters;
    uint64_t seed;
    uint64_t first_ns;    /* of its first frame: where the spans between stalls begin */
    uint64_t last_due_ns;
    struct queued *head;
    struct queued **tail;
    struct queued *held[HELD_MAX];
    uint32_t held_count;
};

struct fault {
    uint64_t now_ns;      /* of the newest frame */
    uint64_t order;
    size_t used_bytes, queue_bytes;
    struct queued *given; /* taken, its bytes still readable */
    uint32_t line_count;
    struct fault_line line[]; /* line_count, and one for frames of no line */
};

/* --- dice: splitmix64, one sequence for each frame
 * -------------------------------------------------------------------- */

static uint64_t mix(uint64_t value)
{
    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

static uint64_t random_next(uint64_t *random)
{
    return mix(*random += GOLDEN);
}

static uint32_t random_below(uint64_t *random, uint32_t bound)
{
    return (uint32_t)((random_next(random) >> 32) * bound >> 32);
}

static bool happens(uint64_t *random, uint32_t share)
{
    return random_below(random, FAULT_PARTS) < share;
}

/* --- the queue
 * -------------------------------------------------------------------------------------------------------- */

static struct queued *queued_open(struct fault *fault, const struct capture_frame *frame)
{
    const uint32_t len = frame->len < CAPTURE_FRAME_MAX ? frame->len : CAPTURE_FRAME_MAX;
    const size_t bytes = sizeof(struct queued) + len;
    struct queued *queued = fault->used_bytes + bytes <= fault->queue_bytes ? malloc(bytes) : NULL;

    if (!queued)
        return NULL;
    *queued = (struct queued){.len = len, .size_bytes = (uint32_t)bytes, .copy_count = 1};
    memcpy(queued->bytes, frame->data, len);
    fault->used_bytes += bytes;
    return queued;
}

static void queued_close(struct fault *fault, struct queued *queued)
{
    if (!queued)
        return;
    fault->used_bytes -= queued->size_bytes;
    free(queued);
}

/* Is there no room for one more frame, whatever its length? */
static bool full(const struct fault *fault)
{
    return fault->used_bytes + sizeof(struct queued) + CAPTURE_FRAME_MAX > fault->queue_bytes;
}

static void append(struct fault *fault, struct fault_line *line, struct queued *queued)
{
    if (queued->due_ns < line->last_due_ns)
        queued->due_ns = line->last_due_ns;
    line->last_due_ns = queued->due_ns;
    queued->order = fault->order++;
    *line->tail = queued;
    line->tail = &queued->next;
}

/* One more packet of the line has gone in front of those that are held back. */
static void overtake(struct fault *fault, struct fault_line *line)
{
    uint32_t left = 0;

    for (uint32_t i = 0; i < line->held_count; i++) {
        struct queued *queued = line->held[i];
        line->counters.reordered_count += !queued->overtaken;
        queued->overtaken = true;
        if (--queued->overtaker_count > 0)
            line->held[left++] = queued;
        else
            append(fault, line, queued);
    }
    line->held_count = left;
}

/* Nobody will overtake them any more. */
static void release_held(struct fault *fault)
{
    for (uint32_t i = 0; i <= fault->line_count; i++) {
        for (uint32_t j = 0; j < fault->line[i].held_count; j++)
            append(fault, &fault->line[i], fault->line[i].held[j]);
        fault->line[i].held_count = 0;
    }
}

static bool before(const struct queued *queued, const struct queued *other)
{
    return queued->due_ns != other->due_ns ? queued->due_ns < other->due_ns : queued->order < other->order;
}

/* The line whose first frame is the first of all; NULL: none is queued. */
static struct fault_line *earliest(struct fault *fault)
{
    struct fault_line *first = NULL;

    for (uint32_t i = 0; i <= fault->line_count; i++)
        if (fault->line[i].head && (!first || before(fault->line[i].head, first->head)))
            first = &fault->line[i];
    return first;
}

/* --- what is done to a frame
 * ------------------------------------------------------------------------------------------ */

static void truncate_frame(struct fault_line *line, struct queued *queued, uint64_t *random)
{
    if (queued->len <= ETHER_LEN)
        return;
    queued->len = ETHER_LEN + random_below(random, queued->len - ETHER_LEN);
    line->counters.truncated_count++;
}

static void corrupt_frame(struct fault_line *line, struct queued *queued, uint64_t *random)
{
    struct frame_view view;

    if (frame_parse(queued->bytes, queued->len, &view) != FRAME_UDP || view.payload_len == 0)
        return;
    uint8_t *payload = queued->bytes + (view.payload - queued->bytes);
    const uint32_t payload_bits = view.payload_len * 8, bit_count = 1 + random_below(random, BITS_MAX);
    /* A first bit and steps that cannot come back to it: all are different. */
    const uint32_t first = random_below(random, payload_bits);
    const uint32_t step = 1 + random_below(random, payload_bits / BITS_MAX);
    for (uint32_t i = 0; i < bit_count; i++) {
        const uint32_t bit = (first + i * step) % payload_bits;
        payload[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    /* Bits of equal weight may cancel out in the sum. One of them alone never does. */
    if (bit_count > 1 && frame_checksum_good(queued->bytes, queued->len, &view))
        payload[first / 8] ^= (uint8_t)(1u << first % 8);
    line->counters.corrupt_count++;
}

/* What MoldUDP64 says of a packet decides alone whether it is of the new session: lines need not know of each other. A
 * heartbeat that announces restart_at itself is still of the old one. */
static void restart_session(struct fault_line *line, struct queued *queued)
{
    const uint64_t restart_at = line->params.restart_at;
    struct frame_view view;
    struct mold_packet packet;
    char session[MOLD_SESSION_LEN];

    if (restart_at == 0 || frame_parse(queued->bytes, queued->len, &view) != FRAME_UDP)
        return;
    const enum mold_verdict verdict = mold_parse(view.payload, view.payload_len, &packet);
    if (verdict > MOLD_END || packet.seq == 0 || packet.seq + packet.count <= restart_at)
        return;

    const bool checksum_good = frame_checksum_good(queued->bytes, queued->len, &view);
    uint8_t *payload = queued->bytes + (view.payload - queued->bytes);
    const uint8_t *block = packet.blocks, *message;
    uint32_t message_len;
    for (; packet.seq < restart_at; packet.seq++, packet.count--)
        block = mold_next(block, &message, &message_len);
    /* What is left moves to the front, with zeros behind it that no count counts: the lengths of the frame stay. */
    const uint32_t lost_len = (uint32_t)(block - packet.blocks);
    memmove(payload + MOLD_HEADER_LEN, block, packet.blocks_len - lost_len);
    memset(payload + MOLD_HEADER_LEN + packet.blocks_len - lost_len, 0, lost_len);
    memcpy(session, packet.session, sizeof(session));
    session[MOLD_SESSION_LEN - 1]++;
    mold_encode_header(payload, session, packet.seq - restart_at + 1,
                       verdict == MOLD_END ? MOLD_COUNT_END : (uint16_t)packet.count);
    if (checksum_good)
        frame_checksum_set(queued->bytes, queued->len, &view);
    line->counters.restart_count++;
}

/* Later by so much, but never beyond the end of time: hostile captures have times near it. */
static uint64_t later(uint64_t time_ns, uint64_t by_ns)
{
    return time_ns <= UINT64_MAX - by_ns ? time_ns + by_ns : UINT64_MAX;
}

/* When a packet gets through that comes now. */
static uint64_t stall_end(struct fault_line *line, uint64_t now_ns)
{
    const struct fault_line_params *params = &line->params;

    if (params->stall_every_ns == 0 || params->stall_ns == 0)
        return now_ns;
    const uint64_t into_ns = (now_ns - line->first_ns) % (params->stall_every_ns + params->stall_ns);
    if (into_ns < params->stall_every_ns)
        return now_ns;
    line->counters.stall_count++;
    return later(now_ns, params->stall_every_ns + params->stall_ns - into_ns);
}

/* --- frames in, frames out
 * -------------------------------------------------------------------------------------------- */

void fault_put(struct fault *fault, uint32_t line_idx, const struct capture_frame *frame)
{
    struct fault_line *line = &fault->line[line_idx < fault->line_count ? line_idx : fault->line_count];
    const struct fault_line_params *params = &line->params;
    struct fault_counters *counters = &line->counters;
    uint64_t random = mix(line->seed + counters->frame_count * GOLDEN);
    /* Each is rolled in any case, so that none depends on the shares of others. */
    const bool lost = happens(&random, params->loss);
    const bool twice = happens(&random, params->duplicate);
    const bool overtaken = happens(&random, params->reorder);
    const bool truncated = happens(&random, params->truncate);
    const bool corrupt = happens(&random, params->corrupt);
    const uint64_t jitter_ns = random_next(&random) % (params->jitter_ns + 1);
    const uint32_t overtaker_count = 1 + random_below(&random, OVERTAKERS_MAX);

    queued_close(fault, fault->given);
    fault->given = NULL;
    if (fault->now_ns < frame->ts_ns)
        fault->now_ns = frame->ts_ns;
    if (counters->frame_count++ == 0)
        line->first_ns = fault->now_ns;
    struct queued *queued = lost ? NULL : queued_open(fault, frame);
    if (!queued) {
        counters->lost_count++;
        counters->overflow_count += !lost;
        return;
    }
    restart_session(line, queued);
    if (truncated)
        truncate_frame(line, queued, &random);
    else if (corrupt)
        corrupt_frame(line, queued, &random);
    queued->due_ns = later(stall_end(line, fault->now_ns), params->skew_ns + jitter_ns);
    queued->copy_count += twice;
    counters->duplicate_count += twice;
    if (overtaken && line->held_count < HELD_MAX) {
        queued->overtaker_count = overtaker_count;
        line->held[line->held_count++] = queued;
        return;
    }
    append(fault, line, queued);
    overtake(fault, line);
}

bool fault_take(struct fault *fault, uint64_t until_ns, struct capture_frame *ret_frame)
{
    queued_close(fault, fault->given);
    fault->given = NULL;
    struct fault_line *line = earliest(fault);
    if (until_ns == UINT64_MAX || (!line && full(fault))) {
        release_held(fault);
        line = earliest(fault);
    }
    if (!line)
        return false;
    if (until_ns < fault->now_ns)
        until_ns = fault->now_ns; /* what comes next cannot be due before */
    struct queued *queued = line->head;
    const bool early = queued->due_ns > until_ns;
    if (early && !full(fault))
        return false;
    line->counters.overflow_count += early;
    *ret_frame = (struct capture_frame){
        .ts_ns = early ? until_ns : queued->due_ns, .data = queued->bytes, .len = queued->len};
    if (--queued->copy_count > 0)
        return true;
    line->head = queued->next;
    if (!line->head)
        line->tail = &line->head;
    fault->given = queued;
    return true;
}

uint64_t fault_due_ns(const struct fault *fault)
{
    uint64_t due_ns = UINT64_MAX;

    for (uint32_t i = 0; i <= fault->line_count; i++)
        if (fault->line[i].head && fault->line[i].head->due_ns < due_ns)
            due_ns = fault->line[i].head->due_ns;
    return due_ns;
}

const struct fault_counters *fault_counters(const struct fault *fault, uint32_t line)
{
    return &fault->line[line < fault->line_count ? line : fault->line_count].counters;
}

/* --- set-up
 * ----------------------------------------------------------------------------------------------------------- */

static bool params_good(const struct fault_line_params *params)
{
    return params->loss <= FAULT_PARTS && params->duplicate <= FAULT_PARTS && params->reorder <= FAULT_PARTS &&
           params->corrupt <= FAULT_PARTS && params->truncate <= FAULT_PARTS &&
           params->skew_ns <= FAULT_TIME_NS_MAX && params->jitter_ns <= FAULT_TIME_NS_MAX &&
           params->stall_every_ns <= FAULT_TIME_NS_MAX && params->stall_ns <= FAULT_TIME_NS_MAX;
}

struct fault *fault_open(uint64_t seed, const struct fault_line_params *lines, uint32_t line_count, size_t queue_bytes)
{
    if (line_count > FAULT_LINES_MAX || queue_bytes < FAULT_QUEUE_BYTES_MIN)
        return NULL;
    for (uint32_t i = 0; i < line_count; i++)
        if (!params_good(&lines[i]))
            return NULL;
    struct fault *fault = calloc(1, sizeof(*fault) + (line_count + 1) * sizeof(fault->line[0]));
    if (!fault)
        return NULL;
    fault->queue_bytes = queue_bytes;
    fault->line_count = line_count;
    for (uint32_t i = 0; i <= line_count; i++) {
        if (i < line_count)
            fault->line[i].params = lines[i];
        fault->line[i].seed = mix(seed ^ mix(i + 1));
        fault->line[i].tail = &fault->line[i].head;
    }
    return fault;
}

void fault_close(struct fault *fault)
{
    if (!fault)
        return;
    release_held(fault);
    for (uint32_t i = 0; i <= fault->line_count; i++)
        for (struct queued *queued = fault->line[i].head, *next; queued; queued = next) {
            next = queued->next;
            free(queued);
        }
    free(fault->given);
    free(fault);
}

#define SHARE(name) {#name, offsetof(struct fault_line_params, name), true, FAULT_PARTS, 0}
#define NUMBER(key, field, max, unit) {#key, offsetof(struct fault_line_params, field), false, max, unit}
#define PAIR_LEN_MAX 63u

static const struct key {
    const char *name;
    size_t offset;
    bool share;    /* uint32_t in parts, otherwise uint64_t in `unit` */
    uint64_t max, unit;
} keys[] = {
    SHARE(loss),
    SHARE(duplicate),
    SHARE(reorder),
    SHARE(corrupt),
    SHARE(truncate),
    NUMBER(skew_us, skew_ns, 10000000, 1000),
    NUMBER(jitter_us, jitter_ns, 10000000, 1000),
    NUMBER(stall_every_ms, stall_every_ns, 3600000, 1000000),
    NUMBER(stall_ms, stall_ns, 3600000, 1000000),
    NUMBER(restart_at, restart_at, UINT64_MAX, 1),
};

/* Digits, and a point with up to `decimals` digits behind it, as a multiple of 10^-decimals. */
static bool parse_number(const char *text, uint32_t decimals, uint64_t max, uint64_t *ret_value)
{
    uint64_t value = 0;
    bool digit = false, point = false;

    for (; *text; text++) {
        if (*text == '.' && decimals > 0 && !point) {
            point = true;
            continue;
        }
        if (*text < '0' || *text > '9' || (point && decimals == 0) || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value))
            return false;
        digit = true;
        decimals -= point;
    }
    for (; decimals > 0; decimals--)
        if (__builtin_mul_overflow(value, 10, &value))
            return false;
    *ret_value = value;
    return digit && value <= max;
}

static int parse_one(const char *name, const char *text, struct fault_line_params *params,
                     char ret_error[FAULT_ERROR_MAX])
{
    uint64_t value;

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const struct key *key = &keys[i];
        uint8_t *field = (uint8_t *)params + key->offset;
        if (strcmp(key->name, name) != 0)
            continue;
        if (!parse_number(text, key->share ? 7 : 0, key->max, &value)) {
            if (key->share)
                snprintf(ret_error, FAULT_ERROR_MAX,
                         "%s is a percentage, 0 ... 100 with up to 7 decimals, not '%s'", name, text);
            else
                snprintf(ret_error, FAULT_ERROR_MAX, "%s is a whole number, 0 ... %" PRIu64 ", not '%s'", name,
                         key->max, text);
            return -EINVAL;
        }
        if (key->share)
            *(uint32_t *)(void *)field = (uint32_t)value;
        else
            *(uint64_t *)(void *)field = value * key->unit;
        return 0;
    }
    snprintf(ret_error, FAULT_ERROR_MAX, "unknown key '%s'; keys are", name);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        snprintf(ret_error + strlen(ret_error), FAULT_ERROR_MAX - strlen(ret_error), "%s%s", i > 0 ? ", " : " ",
                 keys[i].name);
    return -EINVAL;
}

int fault_parse(const char *text, struct fault_line_params *params, char ret_error[FAULT_ERROR_MAX])
{
    struct fault_line_params parsed = *params;

    for (const char *at = text;; at++) {
        char pair[PAIR_LEN_MAX + 1];
        const size_t len = strcspn(at, ",");
        snprintf(pair, sizeof(pair), "%.*s", (int)(len <= PAIR_LEN_MAX ? len : PAIR_LEN_MAX), at);
        char *equals = strchr(pair, '=');
        if (!equals || len > PAIR_LEN_MAX) {
            snprintf(ret_error, FAULT_ERROR_MAX, "'%s' is not KEY=VALUE", pair);
            return -EINVAL;
        }
        *equals = '\0';
        if (parse_one(pair, equals + 1, &parsed, ret_error) != 0)
            return -EINVAL;
        at += len;
        if (*at == '\0')
            break;
    }
    if ((parsed.stall_every_ns > 0) != (parsed.stall_ns > 0)) {
        snprintf(ret_error, FAULT_ERROR_MAX, "stall_every_ms does nothing without stall_ms, nor the other way round");
        return -EINVAL;
    }
    *params = parsed;
    return 0;
}
