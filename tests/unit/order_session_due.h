/* When something is due of an order session: what its timers shall keep to, said once more. For tests alone, which let
 * time jump there; the gateway looks at its session each step. */
#ifndef TESTS_UNIT_ORDER_SESSION_DUE_H
#define TESTS_UNIT_ORDER_SESSION_DUE_H

#include "gateway/order/order_session.h"

#define ORDER_SESSION_LOGOUT_NS UINT64_C(1000000000) /* patience behind a logout */

/* Earliest time at which order_session_want or order_session_send will have something; UINT64_MAX = never. */
static inline uint64_t order_session_due_ns(const struct order_session *session)
{
    const struct order_session_params *params = &session->params;
    uint64_t deadline_ns = UINT64_MAX;

    if (session->closing)
        return 0;
    if (session->state == ORDER_SESSION_DOWN)
        return session->retry_due_ns;
    if (session->state == ORDER_SESSION_CONNECTING)
        return session->state_ns + params->login_timeout_ns;
    if (session->state < ORDER_SESSION_LOGIN || session->state > ORDER_SESSION_LOGOUT)
        return UINT64_MAX;
    if ((session->state == ORDER_SESSION_LOGIN && !session->login_sent) ||
        (session->state == ORDER_SESSION_REPLAY && session->query_due) ||
        (session->stop && session->state != ORDER_SESSION_LOGOUT))
        return 0;
    if (session->state == ORDER_SESSION_LOGIN)
        deadline_ns = session->state_ns + params->login_timeout_ns;
    else if (session->state == ORDER_SESSION_REPLAY && session->queries_unanswered > 0)
        deadline_ns = session->progress_ns + params->login_timeout_ns;
    else if (session->state == ORDER_SESSION_LOGOUT)
        deadline_ns = session->state_ns + ORDER_SESSION_LOGOUT_NS;
    if (session->state != ORDER_SESSION_LOGOUT && session->sent_ns + params->heartbeat_ns < deadline_ns)
        deadline_ns = session->sent_ns + params->heartbeat_ns;
    return session->received_ns + params->timeout_ns < deadline_ns ? session->received_ns + params->timeout_ns
                                                                   : deadline_ns;
}

#endif
