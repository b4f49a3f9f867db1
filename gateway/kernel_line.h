/* The connection of an order session over a socket of the kernel: the life of tcp_line, without a TCP of ours. Until it
 * is handed over (kernel_line_begin) the control thread writes; then the owner, a strategy lcore, sends each order by
 * itself, with a system call. What the socket does not take goes into the send log, and the control thread sends it, in
 * order, before the owner may send again.
 *
 * A socket that is the owner's when its connection ends is disconnected at once, but its number stays taken until the
 * owner has moved on (owner_epoch): it may be about to send, and on that number must be nobody else. There is one such
 * socket at most: an owner that has not come to a later connection yet has never been let in there.
 *
 * Of the log only slots and epoch matter. Bytes are not numbered: each connection begins with 1, and kernel_line_send
 * keeps it there. So the limit is a door: open (far ahead of 1) while the owner is in the connection at hand and the
 * socket has taken every byte before, shut (behind 1) otherwise. The control thread need not know what the owner has
 * sent by itself. The door is set before a slot counts as taken, for what that slot has left unsent, and an owner whose
 * bytes are in the log looks at the door only when all of them are taken: so none of its bytes overtakes another. */
#ifndef GATEWAY_KERNEL_LINE_H
#define GATEWAY_KERNEL_LINE_H

#include "ring/send_log.h"

#include <stdbool.h>
#include <stdint.h>

#define KERNEL_LINE_PENDING_MAX 256u /* bytes that the socket has not taken yet */

enum kernel_line_event { KERNEL_LINE_NONE = 0, KERNEL_LINE_CONNECTED, KERNEL_LINE_CLOSED };
enum kernel_line_sent { KERNEL_LINE_WHOLE = 0, KERNEL_LINE_LOGGED };

struct kernel_line {
    struct send_log *log;
    int fd;                    /* -1: no connection */
    uint8_t event;             /* not taken yet */
    bool connecting;
    bool begun;                /* handed over */
    uint16_t epoch;            /* 0: not handed over yet */
    int left_fd;               /* disconnected, its number still the owner's; -1: none */
    uint16_t left_epoch;
    uint8_t pending[KERNEL_LINE_PENDING_MAX]; /* of the control thread, or of the slot in hand */
    uint32_t pending_len;
    uint64_t slow_count;       /* slots that were sent for the owner */
    uint64_t stale_count;      /* slots of an earlier connection: dropped */
};

void kernel_line_init(struct kernel_line *line, struct send_log *log);
/* Begin to connect; addresses in host byte order, 0 = any. 0 or -errno; then CONNECTED or CLOSED follows. */
int kernel_line_connect(struct kernel_line *line, uint32_t local_ip, uint16_t local_port, uint32_t peer_ip,
                        uint16_t peer_port);
enum kernel_line_event kernel_line_event(struct kernel_line *line); /* each is said once */
/* Bytes of the control thread: all of them, or false. */
bool kernel_line_write(struct kernel_line *line, const uint8_t *bytes, uint32_t len);
uint32_t kernel_line_read(struct kernel_line *line, uint8_t *ret_bytes, uint32_t bytes_max); /* 0 = none */
/* Connected, and nothing of ours waits. */
bool kernel_line_quiet(const struct kernel_line *line);
/* Hand it over as connection `epoch`: *ret_seq is for send_log_begin. The door opens when the owner has said that it
 * knows. kernel_line_quiet must be true. */
void kernel_line_begin(struct kernel_line *line, uint16_t epoch, uint32_t *ret_seq);
/* Take it back: the door is shut at once. */
void kernel_line_end(struct kernel_line *line);
/* One step: connection, log, door. True: there was something to do. */
bool kernel_line_step(struct kernel_line *line, uint64_t now_ns);
void kernel_line_close(struct kernel_line *line); /* orderly; CLOSED is not said for it */
void kernel_line_abort(struct kernel_line *line); /* with RST */
int kernel_line_fd(const struct kernel_line *line); /* for poll(2), -1 = none */

/* Owner: send, or leave it (or what is left of it) to the control thread. send_log_room must have been true. An error
 * of the socket counts as sent: the session's recovery says what became of it. */
enum kernel_line_sent kernel_line_send(int fd, struct send_log *log, const uint8_t *bytes, uint32_t len);

#endif
