/* See igmp.h. In the order of a membership's life: groups, join, queries and the version, what is due, leave. */
#include "gateway/port/igmp.h"

#include "feed/wire.h"

#include <string.h>

#define SECOND IGMP_NS_PER_S
#define MILLISECOND (IGMP_NS_PER_S / 1000)
#define ROBUSTNESS_DEFAULT 2u               /* RFC 3376 section 8.1 */
#define INTERVAL_DEFAULT_S 125u             /* RFC 3376 section 8.2 */
#define UNSOLICITED_NS SECOND               /* RFC 3376 section 8.11 */
#define LEAVE_REPEAT_NS (100 * MILLISECOND) /* inside that interval too; a stop should not take seconds */
#define LATE_NS (100 * MILLISECOND)         /* whoever calls igmp_next is not exact: answers keep off the end */
#define ALL_GAP_NS (50 * MILLISECOND)       /* two reports of everything are not closer than this */
#define TOKEN UINT64_C(1000)

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* splitmix64: a moment in (0, max_ns], and of a longer time not in its last part. */
static uint64_t random_delay(struct igmp *igmp, uint64_t max_ns)
{
    uint64_t z = igmp->random += UINT64_C(0x9e3779b97f4a7c15);
    const uint64_t range_ns = max_ns - earlier(max_ns / 4, LATE_NS);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    z ^= z >> 31;
    return range_ns == 0 ? 0 : 1 + z % range_ns;
}

/* --- groups
 * ----------------------------------------------------------------------------------------------------------- */

void igmp_begin(struct igmp *igmp, const struct igmp_setup *setup)
{
    memset(igmp, 0, sizeof(*igmp));
    igmp->setup = *setup;
    igmp->version = setup->version == 2 ? 2 : 3;
    igmp->robustness = ROBUSTNESS_DEFAULT;
    igmp->random = setup->seed;
    igmp->change_due_ns = igmp->all_due_ns = igmp->refresh_due_ns = IGMP_NEVER;
    igmp->tokens = IGMP_RATE_BURST * TOKEN;
}

static struct igmp_group *group_find(struct igmp *igmp, uint32_t ip)
{
    for (uint32_t i = 0; i < igmp->group_count; i++)
        if (igmp->group[i].ip == ip)
            return &igmp->group[i];
    return NULL;
}

/* Make room for, or give back, `count` sources at the end of a group's. */
static void sources_move(struct igmp *igmp, const struct igmp_group *group, int32_t count)
{
    const uint32_t end = group->source_first + group->source_count;
    const uint32_t to = (uint32_t)((int32_t)end + count);

    memmove(&igmp->source[to], &igmp->source[end], (igmp->source_count - end) * sizeof(igmp->source[0]));
    for (uint32_t i = 0; i < igmp->group_count; i++)
        if (&igmp->group[i] != group && igmp->group[i].source_first >= end)
            igmp->group[i].source_first = (uint32_t)((int32_t)igmp->group[i].source_first + count);
    igmp->source_count = (uint32_t)((int32_t)igmp->source_count + count);
}

bool igmp_add(struct igmp *igmp, uint32_t ip, uint32_t source)
{
    struct igmp_group *group = group_find(igmp, ip);

    if (ip == IGMP_ALL_SYSTEMS) /* RFC 3376 section 6: always a member, never reported */
        return true;
    if (!group) {
        if (igmp->group_count == IGMP_GROUPS_MAX || (source != 0 && igmp->source_count == IGMP_SOURCES_MAX))
            return false;
        group = &igmp->group[igmp->group_count++];
        *group = (struct igmp_group){.ip = ip, .source_first = igmp->source_count, .due_ns = IGMP_NEVER};
    } else if (group->source_count == 0) {
        return true; /* from all already */
    }
    if (source == 0) {
        sources_move(igmp, group, -(int32_t)group->source_count);
        group->source_count = 0;
        return true;
    }
    for (uint32_t i = 0; i < group->source_count; i++)
        if (igmp->source[group->source_first + i] == source)
            return true;
    if (igmp->source_count == IGMP_SOURCES_MAX)
        return false;
    sources_move(igmp, group, 1);
    igmp->source[group->source_first + group->source_count++] = source;
    return true;
}

/* --- join and leave
 * --------------------------------------------------------------------------------------------------- */

static void change_begin(struct igmp *igmp, uint64_t now_ns)
{
    /* RFC 2236 knows no second leave; version 1 no leave at all. */
    igmp->change_left = !igmp->leaving ? igmp->robustness : igmp->version == 3 ? igmp->robustness : igmp->version - 1u;
    igmp->change_due_ns = igmp->change_left > 0 && igmp->group_count > 0 ? now_ns : IGMP_NEVER;
    igmp->emission = IGMP_EMIT_NOTHING;
}

void igmp_join(struct igmp *igmp, uint64_t now_ns)
{
    if (igmp->leaving)
        return;
    igmp->joined = true;
    igmp->tokens_ns = now_ns;
    change_begin(igmp, now_ns);
    if (igmp->setup.refresh_ns > 0 && igmp->group_count > 0)
        igmp->refresh_due_ns = now_ns + igmp->setup.refresh_ns;
}

static void version_settle(struct igmp *igmp, uint64_t now_ns);

void igmp_leave(struct igmp *igmp, uint64_t now_ns)
{
    if (!igmp->joined || igmp->leaving)
        return;
    version_settle(igmp, now_ns);
    igmp->leaving = true;
    igmp->all_due_ns = igmp->refresh_due_ns = IGMP_NEVER;
    for (uint32_t i = 0; i < igmp->group_count; i++)
        igmp->group[i].due_ns = IGMP_NEVER;
    change_begin(igmp, now_ns);
}

bool igmp_left(const struct igmp *igmp)
{
    return !igmp->joined ||
           (igmp->leaving && igmp->change_due_ns == IGMP_NEVER && igmp->emission == IGMP_EMIT_NOTHING);
}

/* --- queries, and the version that they bring with them
 * --------------------------------------------------------------------- */

/* RFC 3376 section 7.2.1. It wants what is pending to be cancelled when the version changes; here it goes out in the
 * new one instead, which the other side expects no less. */
static void version_settle(struct igmp *igmp, uint64_t now_ns)
{
    uint8_t version = igmp->setup.version == 2 ? 2 : 3;

    if (igmp->setup.version != 3 && igmp->v1_until_ns > now_ns)
        version = 1;
    else if (igmp->setup.version != 3 && igmp->v2_until_ns > now_ns)
        version = 2;
    if (version == igmp->version)
        return;
    igmp->counters.older_count += version < igmp->version;
    igmp->version = version;
    for (uint32_t i = 0; i < igmp->group_count; i++) {
        igmp->group[i].due_ns = earlier(igmp->group[i].due_ns, igmp->all_due_ns);
        igmp->group[i].whole = true;
    }
    igmp->all_due_ns = IGMP_NEVER;
}

/* What a querier says about itself, and when it is gone. */
static void querier_heard(struct igmp *igmp, const struct igmp_packet *query, uint64_t now_ns)
{
    /* RFC 3376 section 8.12; a query of an older version does not tell its interval, so the default counts. */
    const uint64_t older_until_ns =
        now_ns + igmp->robustness * (INTERVAL_DEFAULT_S * SECOND) + query->max_resp_ns;
    uint64_t interval_ns = INTERVAL_DEFAULT_S * SECOND;

    if (query->version == 1)
        igmp->v1_until_ns = older_until_ns;
    else if (query->version == 2)
        igmp->v2_until_ns = older_until_ns;
    else if (query->robustness != 0) /* RFC 3376 sections 4.1.6, 8.1: must not be 0, should not be 1 */
        igmp->robustness = query->robustness > 2 ? query->robustness : 2;
    if (query->group != 0)
        return;
    if (query->version == 3 && query->interval_s != 0)
        interval_ns = earlier(query->interval_s * SECOND, interval_ns);
    else if (query->version != 3 && igmp->query_ns != 0)
        interval_ns = earlier(later(now_ns - igmp->query_ns, SECOND), interval_ns);
    igmp->query_ns = now_ns;
    /* Beyond this the querier is gone, and whoever snoops still remembers us for a response time. A forged query cannot
     * put the refresh off for longer than a querier of default settings would. */
    if (igmp->setup.refresh_ns > 0)
        igmp->refresh_due_ns = now_ns + ROBUSTNESS_DEFAULT * interval_ns;
}

/* Everything is to be reported within max_ns: RFC 3376 section 5.2 rules 1 and 2. */
static void answer_all(struct igmp *igmp, uint64_t max_ns, uint64_t now_ns)
{
    if (igmp->version == 3) {
        uint64_t due_ns = now_ns + random_delay(igmp, max_ns);
        if (igmp->all_sent_ns != 0)
            due_ns = later(due_ns, igmp->all_sent_ns + ALL_GAP_NS);
        igmp->all_due_ns = earlier(igmp->all_due_ns, due_ns);
        return;
    }
    /* RFC 2236 section 3: a timer for each group, set anew only if the rest of it is too long */
    for (uint32_t i = 0; i < igmp->group_count; i++)
        if (igmp->group[i].due_ns > now_ns + max_ns)
            igmp->group[i].due_ns = now_ns + random_delay(igmp, max_ns);
}

/* RFC 3376 section 5.2 rules 1, 3, 4, 5; RFC 2236 section 3. A group received from all answers with its whole state
 * when asked about sources too: what a querier makes of that includes each of them (section 6.4.1), and no list of a
 * stranger's length is kept. */
static void answer_group(struct igmp *igmp, const struct igmp_packet *query, uint64_t now_ns)
{
    struct igmp_group *group = group_find(igmp, query->group);

    if (!group)
        return;
    if (igmp->version != 3) {
        if (group->due_ns > now_ns + query->max_resp_ns)
            group->due_ns = now_ns + random_delay(igmp, query->max_resp_ns);
        return;
    }
    const uint64_t due_ns = now_ns + random_delay(igmp, query->max_resp_ns);
    bool concerned = query->source_count == 0 || group->source_count == 0;
    if (igmp->all_due_ns <= due_ns)
        return; /* said with everything else */
    if (group->due_ns == IGMP_NEVER) {
        group->whole = false;
        memset(&igmp->asked[group->source_first], 0, group->source_count);
    }
    group->whole = group->whole || concerned;
    for (uint32_t i = 0; i < group->source_count; i++)
        for (uint32_t j = 0; j < query->source_count; j++)
            if (load_be32(query->sources + (size_t)j * 4) == igmp->source[group->source_first + i])
                concerned = igmp->asked[group->source_first + i] = true;
    if (concerned)
        group->due_ns = earlier(group->due_ns, due_ns);
}

/* RFC 2236 section 3: another host has said it. */
static void report_heard(struct igmp *igmp, const struct igmp_packet *report)
{
    struct igmp_group *group = igmp->version < 3 ? group_find(igmp, report->group) : NULL;

    if (!group || group->due_ns == IGMP_NEVER)
        return;
    group->due_ns = IGMP_NEVER;
    igmp->counters.suppressed_count++;
}

static bool token_take(struct igmp *igmp, uint64_t now_ns)
{
    const uint64_t passed_ns = now_ns > igmp->tokens_ns ? now_ns - igmp->tokens_ns : 0;
    const uint64_t earned = passed_ns >= IGMP_RATE_BURST * SECOND / IGMP_RATE_PER_S
                                ? IGMP_RATE_BURST * TOKEN
                                : passed_ns * IGMP_RATE_PER_S / (SECOND / TOKEN);

    if (earned > 0) {
        igmp->tokens = earlier(igmp->tokens + earned, IGMP_RATE_BURST * TOKEN);
        igmp->tokens_ns = now_ns;
    }
    if (igmp->tokens < TOKEN)
        return false;
    igmp->tokens -= TOKEN;
    return true;
}

enum igmp_verdict igmp_receive(struct igmp *igmp, const uint8_t *packet, uint32_t len, uint64_t now_ns)
{
    struct igmp_packet parsed;
    const bool member = igmp->joined && !igmp->leaving;

    version_settle(igmp, now_ns);
    const enum igmp_verdict verdict = token_take(igmp, now_ns)
                                          ? igmp_wire_parse(packet, len, igmp->setup.ip, &parsed)
                                          : IGMP_LIMITED;
    igmp->counters.verdict_count[verdict]++;
    if (verdict == IGMP_REPORT) {
        report_heard(igmp, &parsed);
    } else if (verdict == IGMP_LIMITED && member) {
        answer_all(igmp, SECOND, now_ns);
    } else if (verdict == IGMP_QUERY) {
        igmp->counters.query_count[parsed.version]++;
        if (!member)
            return verdict;
        querier_heard(igmp, &parsed, now_ns);
        version_settle(igmp, now_ns);
        if (parsed.group == 0)
            answer_all(igmp, parsed.max_resp_ns, now_ns);
        else
            answer_group(igmp, &parsed, now_ns);
    }
    return verdict;
}

/* --- what is due
 * ------------------------------------------------------------------------------------------------------ */

/* One record of version 3: how the group stands, or what changed. False: no room in this frame. */
static bool record_add(const struct igmp *igmp, struct igmp_report *report, const struct igmp_group *group)
{
    static const enum igmp_record records[2][2][2] = {
        /* [change][leaving][some sources only] */
        {{IGMP_IS_EX, IGMP_IS_IN}, {IGMP_IS_EX, IGMP_IS_IN}},
        {{IGMP_TO_EX, IGMP_ALLOW}, {IGMP_TO_IN, IGMP_BLOCK}},
    };
    const bool change = igmp->emission == IGMP_EMIT_CHANGE;

    return igmp_report_add(report, records[change][igmp->leaving][group->source_count > 0], group->ip,
                           &igmp->source[group->source_first], group->source_count);
}

/* The next frame of what is going out: in version 3 as many groups as it holds, before that one. */
static uint32_t emit(struct igmp *igmp, uint8_t *ret_frame)
{
    struct igmp_report report;
    const bool leaves = igmp->emission == IGMP_EMIT_CHANGE && igmp->leaving;
    const struct igmp_group *group = &igmp->group[igmp->emit_at];
    uint32_t len;

    if (igmp->version == 3) {
        igmp_report_begin(&report, ret_frame, igmp->setup.mtu);
        while (igmp->emit_at < igmp->group_count && record_add(igmp, &report, &igmp->group[igmp->emit_at]))
            igmp->emit_at++;
        len = igmp_report_end(&report, igmp->setup.mac, igmp->setup.ip);
    } else {
        len = igmp_wire_encode(igmp->setup.mac, igmp->setup.ip,
                               leaves                ? IGMP_TYPE_LEAVE
                               : igmp->version == 2 ? IGMP_TYPE_V2_REPORT
                                                    : IGMP_TYPE_V1_REPORT,
                               group->ip, ret_frame);
        igmp->emit_at++;
    }
    if (igmp->emit_at == igmp->group_count)
        igmp->emission = IGMP_EMIT_NOTHING;
    igmp->counters.report_count += !leaves;
    igmp->counters.leave_count += leaves;
    return len;
}

/* An answer about one group: in version 3 the sources that were asked about, or all of it. */
static uint32_t emit_group(struct igmp *igmp, struct igmp_group *group, uint8_t *ret_frame)
{
    uint32_t sources[IGMP_SOURCES_MAX], count = 0;
    struct igmp_report report;

    group->due_ns = IGMP_NEVER;
    igmp->counters.report_count++;
    if (igmp->version != 3)
        return igmp_wire_encode(igmp->setup.mac, igmp->setup.ip,
                                igmp->version == 2 ? IGMP_TYPE_V2_REPORT : IGMP_TYPE_V1_REPORT, group->ip, ret_frame);
    for (uint32_t i = group->source_first; i < group->source_first + group->source_count; i++)
        if (group->whole || igmp->asked[i])
            sources[count++] = igmp->source[i];
    igmp_report_begin(&report, ret_frame, igmp->setup.mtu);
    igmp_report_add(&report, group->source_count > 0 ? IGMP_IS_IN : IGMP_IS_EX, group->ip, sources, count);
    return igmp_report_end(&report, igmp->setup.mac, igmp->setup.ip);
}

/* Begin what has become due for all groups. */
static void emission_begin(struct igmp *igmp, uint64_t now_ns)
{
    igmp->emit_at = 0;
    if (now_ns >= igmp->change_due_ns) {
        igmp->emission = IGMP_EMIT_CHANGE;
        igmp->change_left--;
        igmp->change_due_ns =
            igmp->change_left == 0
                ? IGMP_NEVER
                : now_ns + random_delay(igmp, igmp->leaving ? LEAVE_REPEAT_NS : UNSOLICITED_NS);
    } else if (now_ns >= igmp->all_due_ns || now_ns >= igmp->refresh_due_ns) {
        igmp->emission = IGMP_EMIT_ALL;
        igmp->counters.refresh_count += now_ns >= igmp->refresh_due_ns;
        if (now_ns >= igmp->refresh_due_ns)
            igmp->refresh_due_ns = now_ns + igmp->setup.refresh_ns;
        igmp->all_due_ns = IGMP_NEVER;
        igmp->all_sent_ns = now_ns;
        for (uint32_t i = 0; i < igmp->group_count; i++)
            igmp->group[i].due_ns = IGMP_NEVER; /* said with it */
    }
}

uint32_t igmp_next(struct igmp *igmp, uint64_t now_ns, uint8_t ret_frame[IGMP_FRAME_MAX])
{
    if (!igmp->joined || igmp->group_count == 0)
        return 0;
    version_settle(igmp, now_ns);
    if (igmp->emission == IGMP_EMIT_NOTHING)
        emission_begin(igmp, now_ns);
    if (igmp->emission != IGMP_EMIT_NOTHING)
        return emit(igmp, ret_frame);
    for (uint32_t i = 0; i < igmp->group_count; i++)
        if (now_ns >= igmp->group[i].due_ns)
            return emit_group(igmp, &igmp->group[i], ret_frame);
    return 0;
}
