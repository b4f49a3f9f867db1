/* Line health. Contract in health.h. */
#include "feed/health.h"

#include "ring/check.h"

void health_init(struct health *health, uint32_t line_count, uint64_t silence_ns)
{
    DCHECK(line_count >= 1 && line_count <= ARB_LINES_MAX);
    *health = (struct health){.silence_ns = silence_ns, .line_count = line_count};
    for (uint32_t i = 0; i < ARB_LINES_MAX; i++) {
        hist_init(&health->line[i].ahead);
        hist_init(&health->line[i].behind);
    }
}

void health_restart(struct health *health)
{
    for (uint32_t i = 0; i < HEALTH_SEEN_SLOTS; i++)
        health->seen[i].seq = 0;
}

/* One writer; any thread may read while we run. */
static inline void store(uint64_t *into, uint64_t value)
{
    __atomic_store_n(into, value, __ATOMIC_RELAXED);
}

void health_packet(struct health *health, uint32_t line, uint64_t seq, uint32_t count, uint64_t now_ns)
{
    struct health_line *mine = &health->line[line];
    const uint64_t quiet_ns = mine->last_ns != 0 && now_ns > mine->last_ns ? now_ns - mine->last_ns : 0;

    store(&mine->last_ns, now_ns);
    store(&health->last_ns, now_ns);
    if (UNLIKELY(health->first_ns == 0))
        store(&health->first_ns, now_ns);
    if (UNLIKELY(quiet_ns > mine->silence_max_ns))
        store(&mine->silence_max_ns, quiet_ns);
    if (UNLIKELY(quiet_ns >= health->silence_ns && health->silence_ns != 0))
        store(&mine->silence_count, mine->silence_count + 1);
    if (UNLIKELY(seq == 0 || count == 0))
        return;
    struct health_seen *seen = &health->seen[seq & (HEALTH_SEEN_SLOTS - 1)];
    if (seen->seq != seq) {
        if (seq > seen->seq) { /* else: older than what is remembered there */
            *seen = (struct health_seen){.seq = seq, .now_ns = now_ns, .line = line};
            store(&mine->first_count, mine->first_count + 1);
        }
        return;
    }
    if (seen->line == line)
        return;
    store(&mine->duplicate_count, mine->duplicate_count + 1);
    /* In a capture out of time order the first to come may not have been the first. */
    struct health_line *other = &health->line[seen->line];
    const bool behind = now_ns >= seen->now_ns;
    const uint64_t margin_ns = behind ? now_ns - seen->now_ns : seen->now_ns - now_ns;
    hist_record(behind ? &mine->behind : &mine->ahead, margin_ns);
    hist_record(behind ? &other->ahead : &other->behind, margin_ns);
}

uint64_t health_deadline_ns(const struct health *health)
{
    return health->silence_ns == 0 || health->last_ns == 0 ? UINT64_MAX : health->last_ns + health->silence_ns;
}

bool health_silent(const struct health *health, uint32_t line, uint64_t now_ns)
{
    const uint64_t last_ns = health->line[line].last_ns;
    const uint64_t since_ns = last_ns != 0 ? last_ns : health->first_ns;

    return health->silence_ns != 0 && since_ns != 0 && now_ns > since_ns && now_ns - since_ns >= health->silence_ns;
}

bool health_all_silent(const struct health *health, uint64_t now_ns)
{
    return health_deadline_ns(health) <= now_ns;
}

/* The k-th smallest of the signed margins, k from 1: `behind` counts downwards from 0, `ahead` upwards. */
static int64_t margin_at(const struct health_line *line, uint64_t k)
{
    if (k <= line->behind.count)
        return -(int64_t)hist_quantile(&line->behind,
                                       (double)(line->behind.count - k + 1) / (double)line->behind.count);
    return (int64_t)hist_quantile(&line->ahead, (double)(k - line->behind.count) / (double)line->ahead.count);
}

struct health_margin health_margin(const struct health *health, uint32_t line)
{
    const struct health_line *from = &health->line[line];
    struct health_margin margin = {.count = from->ahead.count + from->behind.count};

    if (margin.count == 0)
        return margin;
    margin.min_ns = from->behind.count > 0 ? -(int64_t)from->behind.max : (int64_t)from->ahead.min;
    margin.max_ns = from->ahead.count > 0 ? (int64_t)from->ahead.max : -(int64_t)from->behind.min;
    margin.p50_ns = margin_at(from, (margin.count + 1) / 2);
    return margin;
}
