/* Retransmission requests. Contract in retransmit.h. */
#include "feed/retransmit.h"

#include "ring/check.h"

#define NS_PER_S UINT64_C(1000000000)
#define HOLES_A_CALL 64u /* holes looked at for something to ask: bounds the work */

void retransmit_init(struct retransmit *retransmit, const struct retransmit_params *params)
{
    *retransmit = (struct retransmit){.params = *params};
}

void retransmit_reset(struct retransmit *retransmit)
{
    retransmit->range_count = 0;
    retransmit->check_ns = 0;
    retransmit->limited = false;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* What has come of the ranges in flight. An answer holds as many messages as fit into a datagram: the rest is asked for
 * at once. */
static void retire(struct retransmit *retransmit, const struct retransmit_view *view, uint64_t now_ns)
{
    for (uint32_t i = 0; i < retransmit->range_count;) {
        struct retransmit_range *range = &retransmit->range[i];
        const uint64_t from_seq = range->first_seq > view->next_seq ? range->first_seq : view->next_seq;
        const uint64_t first_seq =
            from_seq < range->end_seq ? hold_next_missing(view->hold, from_seq, range->end_seq) : range->end_seq;
        if (first_seq >= range->end_seq) {
            retransmit->filled_count++;
            *range = retransmit->range[--retransmit->range_count];
            continue;
        }
        if (first_seq > range->first_seq) {
            range->first_seq = first_seq;
            range->due_ns = now_ns;
            range->attempt = 0;
        }
        i++;
    }
}

/* One past the range in flight that `seq` lies in, or `seq`: none. */
static uint64_t range_end(const struct retransmit *retransmit, uint64_t seq)
{
    for (uint32_t i = 0; i < retransmit->range_count; i++)
        if (seq >= retransmit->range[i].first_seq && seq < retransmit->range[i].end_seq)
            return retransmit->range[i].end_seq;
    return seq;
}

/* Where the next range in flight behind `seq` begins, or end_seq. */
static uint64_t range_next(const struct retransmit *retransmit, uint64_t seq, uint64_t end_seq)
{
    for (uint32_t i = 0; i < retransmit->range_count; i++)
        if (retransmit->range[i].first_seq > seq && retransmit->range[i].first_seq < end_seq)
            end_seq = retransmit->range[i].first_seq;
    return end_seq;
}

/* Take up one more range, the first that nobody was asked for. False: there is none whose time has come. */
static bool range_add(struct retransmit *retransmit, const struct retransmit_view *view, uint64_t now_ns)
{
    uint64_t seq = view->next_seq;

    for (uint32_t i = 0; i < HOLES_A_CALL; i++) {
        seq = hold_next_missing(view->hold, seq, view->newest_seq);
        if (seq >= view->newest_seq)
            return false;
        const uint64_t end_seq = hold_next(view->hold, seq, view->newest_seq);
        const struct hold_slot *behind = hold_find(view->hold, end_seq);
        const uint64_t seen_ns = behind ? behind->seen_ns : view->tail_seen_ns;
        const uint64_t mature_ns = seen_ns <= UINT64_MAX - view->reorder_ns ? seen_ns + view->reorder_ns : UINT64_MAX;
        if (seq >= view->forced_seq && mature_ns > now_ns) {
            retransmit->check_ns = min_u64(retransmit->check_ns, mature_ns);
            seq = end_seq;
            continue;
        }
        const uint64_t free_seq = range_end(retransmit, seq);
        if (free_seq != seq) {
            seq = free_seq;
            continue;
        }
        const uint64_t most_seq = seq + min_u64(end_seq - seq, retransmit->params.request_messages);
        retransmit->range[retransmit->range_count++] = (struct retransmit_range){
            .first_seq = seq, .end_seq = range_next(retransmit, seq, most_seq), .due_ns = now_ns};
        return true;
    }
    retransmit->check_ns = min_u64(retransmit->check_ns, now_ns + retransmit->params.timeout_ns);
    return false;
}

/* A token bucket in time: each request takes 1 / rate, at most `burst` of them are saved up. */
static bool token_take(struct retransmit *retransmit, uint64_t now_ns)
{
    const uint64_t step_ns = NS_PER_S / retransmit->params.rate_per_s;
    const uint64_t saved_ns = step_ns * retransmit->params.rate_burst;

    if (now_ns > saved_ns && retransmit->token_ns < now_ns - saved_ns)
        retransmit->token_ns = now_ns - saved_ns;
    if (retransmit->token_ns + step_ns > now_ns) {
        retransmit->limited_count += !retransmit->limited;
        retransmit->limited = true;
        retransmit->check_ns = min_u64(retransmit->check_ns, retransmit->token_ns + step_ns);
        return false;
    }
    retransmit->token_ns += step_ns;
    retransmit->limited = false;
    return true;
}

static uint64_t timeout_ns(const struct retransmit *retransmit, uint32_t attempt)
{
    const uint64_t max_ns = retransmit->params.timeout_max_ns;

    return attempt < 32 && retransmit->params.timeout_ns <= max_ns >> attempt
               ? retransmit->params.timeout_ns << attempt
               : max_ns;
}

static void range_ask(struct retransmit *retransmit, struct retransmit_range *range, uint64_t now_ns,
                      struct retransmit_request *ret_request)
{
    if (range->attempt > 0) {
        const uint32_t next = (range->server + 1) % retransmit->params.server_count;
        if (retransmit->server == range->server)
            retransmit->server = next;
        range->server = next;
        retransmit->again_count++;
    } else {
        range->server = retransmit->server;
        retransmit->request_count++;
    }
    *ret_request = (struct retransmit_request){.seq = range->first_seq,
                                               .count = (uint32_t)(range->end_seq - range->first_seq),
                                               .server = range->server};
    retransmit->message_count += ret_request->count;
    range->due_ns = now_ns + timeout_ns(retransmit, range->attempt);
    range->attempt++;
}

enum retransmit_verdict retransmit_next(struct retransmit *retransmit, const struct retransmit_view *view,
                                        uint64_t now_ns, struct retransmit_request *ret_request)
{
    const uint32_t room = retransmit->params.in_flight;

    retransmit->check_ns = UINT64_MAX;
    retire(retransmit, view, now_ns);
    while (retransmit->range_count < room && range_add(retransmit, view, now_ns))
        ;
    for (uint32_t i = 0; i < retransmit->range_count; i++) {
        struct retransmit_range *range = &retransmit->range[i];
        if (range->due_ns > now_ns) {
            retransmit->check_ns = min_u64(retransmit->check_ns, range->due_ns);
            continue;
        }
        if (range->attempt >= retransmit->params.attempts) {
            if (range->first_seq > view->next_seq)
                continue;
            retransmit->exhausted_count++;
            return RETRANSMIT_EXHAUSTED;
        }
        if (!token_take(retransmit, now_ns))
            break;
        range_ask(retransmit, range, now_ns, ret_request);
        return RETRANSMIT_REQUEST;
    }
    return RETRANSMIT_NOTHING;
}
