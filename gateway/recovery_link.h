/* Between a channel on its rx lcore and the control thread, which asks servers for what is missing: two ck_rings, made
 * before armed, one pair for each channel with recovery.
 *
 *   asks     rx lcore -> control thread: what to ask for, by value
 *   answers  control thread -> rx lcore: blocks of bytes; empty ones go back
 *
 * A full ring never makes the rx lcore wait: an ask that finds no room is counted and made again when its time-out
 * ends. */
#ifndef GATEWAY_RECOVERY_LINK_H
#define GATEWAY_RECOVERY_LINK_H

#include "feed/mold.h"

#include <ck_ring.h>
#include <stdbool.h>
#include <stdint.h>

#define RECOVERY_LINK_ASKS 256u      /* slots, a power of two */
#define RECOVERY_LINK_BLOCKS 256u    /* answers on their way, at most 255 */
#define RECOVERY_LINK_BYTES 2032u    /* of an answer */

enum recovery_ask_type {
    RECOVERY_REQUEST = 1,   /* retransmission of [seq, seq + count) from `server` */
    RECOVERY_SPIN,          /* begin a snapshot spin; one that runs is broken off */
    RECOVERY_SPIN_STOP,     /* break the spin off: it is not wanted any more */
};

struct recovery_ask {
    uint8_t type;
    uint8_t server;         /* index into the servers of the config; a spin's attempt chooses by itself */
    uint16_t count;
    uint32_t spin;          /* number of the spin, from 1; answers carry it, so that late ones are known */
    uint64_t seq;
    uint8_t session[MOLD_SESSION_LEN];
};

enum recovery_answer_type {
    RECOVERY_PACKET = 1,    /* a MoldUDP64 payload from a re-request server */
    RECOVERY_MESSAGES,      /* snapshot messages: blocks of {length u16 big-endian, message} */
    RECOVERY_SPIN_END,      /* the snapshot is complete: live messages go on from `seq` */
    RECOVERY_SPIN_LOST,     /* the spin was broken off, refused, timed out or damaged: `seq` = enum glimpse_verdict */
};

struct recovery_answer {
    uint8_t type;
    uint8_t reserved;
    uint16_t len;           /* of bytes */
    uint32_t spin;
    uint64_t seq;
    uint8_t bytes[RECOVERY_LINK_BYTES];
};

CK_RING_PROTOTYPE(recovery_ask, recovery_ask)

struct recovery_link {
    ck_ring_t ask CK_CC_CACHELINE;
    ck_ring_t answer CK_CC_CACHELINE;
    ck_ring_t empty CK_CC_CACHELINE;
    struct recovery_ask ask_slots[RECOVERY_LINK_ASKS];
    ck_ring_buffer_t answer_slots[RECOVERY_LINK_BLOCKS];
    ck_ring_buffer_t empty_slots[RECOVERY_LINK_BLOCKS];
    struct recovery_answer block[RECOVERY_LINK_BLOCKS - 1] CK_CC_CACHELINE;
};

void recovery_link_init(struct recovery_link *link);

/* rx lcore. False: no room. */
bool recovery_link_ask(struct recovery_link *link, const struct recovery_ask *ask);
/* rx lcore: the next answer, or NULL; to be given back with recovery_link_done. */
struct recovery_answer *recovery_link_take(struct recovery_link *link);
void recovery_link_done(struct recovery_link *link, struct recovery_answer *answer);

/* Control thread: the next ask. */
bool recovery_link_next(struct recovery_link *link, struct recovery_ask *ret_ask);
/* Control thread: an empty block to fill, or NULL: the rx lcore is behind, leave the bytes in the socket. */
struct recovery_answer *recovery_link_block(struct recovery_link *link);
void recovery_link_answer(struct recovery_link *link, struct recovery_answer *answer);

#endif
