/* The order session, its control-thread side: connection (own TCP or the kernel's), login, replay, query, heartbeats,
 * reconnection; what the venue says goes to the owner, a strategy lcore, which sends the orders itself.
 *
 *   venue --bytes--> tcp_line or kernel_line --> order_session --answers--> order_link --> owner
 *   owner --segments--> wire;  owner --send log--> tcp_line
 *
 * It keeps a book of record of its own from the same answers: what is open and the positions by symbol, also those of
 * earlier lives. Reports show it, a clean stop and the kill wait for it to be empty, and what the owner does not cancel
 * is cancelled from it. */
#ifndef GATEWAY_ORDERS_H
#define GATEWAY_ORDERS_H

#include "config/config.h"
#include "gateway/kernel_line.h"
#include "gateway/kill.h"
#include "gateway/order/answer.h"
#include "gateway/order/order_session.h"
#include "gateway/order_link.h"
#include "gateway/reference_file.h"
#include "gateway/refs.h"
#include "gateway/strategy_loop.h"
#include "gateway/tcp_line.h"

#define ORDERS_ERROR_MAX 512u
#define ORDERS_BOOK_MIN 65536u  /* open orders that the book of record has room for, at least: more than an owner has */

struct orders_counters {
    uint64_t break_count;        /* connections that were lost while they were the owner's */
    uint64_t answer_count;
    uint64_t malformed_count;    /* sequenced messages that are no OUCH answers: passed over */
    uint64_t unreadable_count;   /* of them those about what is open or was executed; executions of no order that is
                                  * open, breaks of no known trade: positions are not known any more */
    uint64_t reject_count;       /* of the venue: the book of record knows orders from Accepted on */
    uint64_t late_count;         /* connections aborted because an order had no answer in time */
    uint64_t owner_lost_count;   /* times that the owner hung: at most one */
    uint64_t taken_over_count;   /* times that the session was taken over for a kill */
    uint64_t heartbeat_count;    /* asked of the owner */
    uint64_t own_cancel_count;   /* orders that were cancelled here, not by the owner */
};

enum orders_stop { ORDERS_RUNNING = 0, ORDERS_CANCELLING, ORDERS_ENDING, ORDERS_LEAVING, ORDERS_STOPPED };

struct orders {
    const struct config *config; /* NULL: there is no session */
    bool tcp;
    struct strategy_lcore *owner;
    struct order_link *link;
    uint8_t local_mac[6];
    struct order_session session;
    struct stack stack;
    struct tcp_line tcp_line;
    struct kernel_line kernel_line;
    struct refs refs;
    bool refs_open;
    uint16_t epoch;
    bool begun;                  /* the connection is the owner's */
    bool owner_lost;             /* it gets no connection any more, and no news */
    bool aside;                  /* the owner gets no connection for now: the control thread cancels for it */
    uint64_t aside_login;        /* logins when the one or the other began */
    uint64_t cancel_login;       /* login under which orders were cancelled for the owner */
    struct order_frame_route route;
    uint64_t route_ns;           /* when it was looked at */
    uint64_t owner_sends;
    uint64_t leap_count;         /* numbers of the venue's that were not believed, as far as it was said */
    uint64_t unbooked_count;     /* answers that the owner had no room for, as far as it was said */
    uint32_t said;               /* a bit for each way of losing a connection that was said since the session was up */
    uint32_t sent_ref, answered_ref; /* newest new order; newest that was answered */
    uint64_t answered_ns;        /* since when answered_ref has been behind without change; 0 = it is not behind */
    uint32_t told_count;         /* answers that the owner was told, modulo 2^32 */
    uint32_t asked_count, asked_told; /* requests of the owner, and the above, as far as they were looked at */
    uint64_t asked_ns;           /* since when nothing at all was said behind a request; 0 = it is not so */
    enum orders_stop stop;
    uint64_t stop_ns;
    struct open_orders book;
    struct market positions;
    struct answer_counters answers;
    struct orders_counters counters;
};

/* What topology has made for it. */
struct orders_setup {
    struct strategy_lcore *owner;
    struct order_link *link;
    struct stack_params stack;   /* tcp */
    const struct reference_file *daily; /* positions at the start of the day; NULL: none */
};

/* Open stack and file of numbers, before armed; the owner's first UserRefNum is set. 0, or -errno and one sentence;
 * then orders_close still has to be called. */
int orders_open(struct orders *orders, const struct config *config, const struct orders_setup *setup,
                uint64_t now_ns, char ret_error[ORDERS_ERROR_MAX]);
/* One step. True: there was something to do. */
bool orders_step(struct orders *orders, uint64_t now_ns);
/* What the kill has to know of it. */
void orders_look(const struct orders *orders, struct kill_look *ret_look);
/* For the kill. The owner makes no turn: it may be in the middle of anything, and nobody looks after its orders. Its
 * connection is aborted, the control thread logs in itself and cancels what is open. The owner gets none any more. */
void orders_owner_lost(struct orders *orders, uint64_t now_ns);
/* The same of an owner that turns, which gets its session back with orders_return. What is open is said by number. */
void orders_take_over(struct orders *orders, uint64_t now_ns);
void orders_return(struct orders *orders);
/* Begin to stop: cancel what is open, log out, close. */
void orders_stop(struct orders *orders, uint64_t now_ns);
static inline bool orders_stopped(const struct orders *orders)
{
    return orders->stop == ORDERS_STOPPED || !orders->config;
}
/* The process dies: reset the connection as it is. What the owner has sent is taken in before, since a reset with an
 * older sequence number would be none to the peer. Nothing else works afterwards. */
void orders_abort(struct orders *orders, uint64_t now_ns);
/* After the hot threads have ended. */
void orders_close(struct orders *orders);
/* For poll(2): the kernel carrier's socket, -1 = none. */
int orders_fd(const struct orders *orders);

/* The book of record, for reports: the next open order; `*cursor` begins with 0, NULL past the last. */
const struct open_order *orders_open_next(struct orders *orders, uint32_t *cursor);
/* The book of record, for reports: i-th symbol with a position or open orders; false past the last. */
bool orders_position(const struct orders *orders, uint32_t index, struct market_carried *ret_carried);

#endif
