/* Line health. Contract in health.h. */
#include "feed/health.h"

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

void health_quiet(struct health *health, uint32_t line, uint64_t now_ns)
{
    struct health_line *mine = &health->line[line];
    const uint64_t quiet_ns = mine->last_ns != 0 && now_ns > mine->last_ns ? now_ns - mine->last_ns : 0;

    if (health->first_ns == 0) {
        store(&health->first_ns, now_ns);
        health_alive(health, now_ns); /* the alarm's time begins with the first packet, whatever it says */
    }
    if (quiet_ns > mine->silence_max_ns)
        store(&mine->silence_max_ns, quiet_ns);
    if (quiet_ns >= health->silence_ns && health->silence_ns != 0)
        store(&mine->silence_count, mine->silence_count + 1);
    mine->unheard_ns = health->silence_ns != 0 && health->silence_ns <= mine->silence_max_ns ? health->silence_ns - 1
                                                                                          : mine->silence_max_ns;
}

/* In a capture out of time order the first to come may not have been the first. */
void health_behind(struct health *health, uint32_t line, const struct health_seen *seen, uint64_t now_ns)
{
    struct health_line *mine = &health->line[line], *other = &health->line[seen->line];
    const bool behind = now_ns >= seen->now_ns;
    const uint64_t margin_ns = behind ? now_ns - seen->now_ns : seen->now_ns - now_ns;
    const uint32_t bucket_idx = hist_bucket(margin_ns);

    store(&mine->duplicate_count, mine->duplicate_count + 1);
    hist_record_in(behind ? &mine->behind : &mine->ahead, bucket_idx, margin_ns);
    hist_record_in(behind ? &other->ahead : &other->behind, bucket_idx, margin_ns);
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
