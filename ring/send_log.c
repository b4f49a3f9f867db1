/* See send_log.h. */
#include "ring/send_log.h"

void send_log_init(struct send_log *log)
{
    memset(log, 0, sizeof(*log));
    for (uint32_t i = 0; i < SEND_LOG_SLOTS; i++)
        log->slot[i].word = ~UINT64_C(0); /* no slot has this number */
    log->limit = UINT32_MAX;              /* one before the first byte: shut */
}

void send_log_begin(struct send_log *log, uint16_t epoch, uint32_t seq)
{
    log->next_seq = seq;
    log->epoch = epoch;
    log->slow_slot = log->next_slot; /* what is still in the log is of the connection before: let it be taken first */
    __atomic_store_n(&log->owner_epoch, epoch, __ATOMIC_RELEASE); /* paired with: send_log_owner_epoch */
}

void send_log_end(struct send_log *log)
{
    log->epoch = 0; /* connections count from 1 */
    __atomic_store_n(&log->owner_epoch, 0, __ATOMIC_RELEASE); /* paired with: send_log_owner_epoch */
}

const struct send_log_slot *send_log_peek(const struct send_log *log, uint32_t ahead, enum send_log_state *ret_state)
{
    const uint32_t number = log->drained + ahead;
    const struct send_log_slot *slot = &log->slot[number % SEND_LOG_SLOTS];
    const uint64_t word = __atomic_load_n(&slot->word, __ATOMIC_ACQUIRE); /* paired with: reserve, mark */

    if (ahead >= SEND_LOG_SLOTS || word >> 2 != number)
        return NULL;
    *ret_state = (enum send_log_state)(word & 3);
    return slot;
}

void send_log_limit(struct send_log *log, uint32_t ack, uint32_t limit)
{
    __atomic_store_n(&log->limit, (uint64_t)ack << 32 | limit, __ATOMIC_RELAXED);
}

void send_log_taken(struct send_log *log, uint32_t count, uint32_t ack, uint32_t limit)
{
    send_log_limit(log, ack, limit);
    __atomic_store_n(&log->drained, log->drained + count, __ATOMIC_RELEASE); /* paired with: room, may */
}

uint16_t send_log_owner_epoch(const struct send_log *log)
{
    return (uint16_t)__atomic_load_n(&log->owner_epoch, __ATOMIC_ACQUIRE);
}
