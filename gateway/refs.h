/* UserRefNum, strictly increasing for ever: a file keeps the number from which on none has been given out. Numbers are
 * reserved on disk ahead of their use, so a crash wastes some and never gives one out twice. Control thread.
 *
 * The file holds two lines of fixed length, "tickgate-refs 1 GENERATION NEXT CHECKSUM". A reservation is written over
 * the older one and made durable (fdatasync) before a number of it may be used. Of two good lines the higher generation
 * counts. A write that is torn leaves a line whose checksum does not fit; the other one is then the truth, and it is
 * enough: what the torn one would have reserved was not given out. But a line may also have gone bad after it was in
 * force, which looks the same: so with one good line a headroom is left out, as far as the next reservation reached. A
 * new file comes into being whole, by link(2), so one of another length is damaged. */
#ifndef GATEWAY_REFS_H
#define GATEWAY_REFS_H

#include <stdint.h>

#define REFS_ERROR_MAX 512u

struct refs {
    int fd;              /* locked as long as it is open: two gateways cannot share a file; -1: not open */
    uint32_t headroom;
    uint32_t first;      /* where this life begins */
    uint32_t limit;      /* numbers from here on may not be given out yet; UINT32_MAX is the end of all */
    uint64_t generation; /* of the newest line */
    uint32_t retry_ref;  /* after a failed write: no new attempt before this number ... */
    uint32_t stuck_count; /* ... or, when all are given out, before so many calls */
};

/* Open or create, lock, and reserve [first, limit). 0, or -errno and one sentence. */
int refs_open(struct refs *refs, const char *path, uint32_t headroom, char ret_error[REFS_ERROR_MAX]);
/* The venue expects `next`: first and limit are raised to it, never lowered. 0 or -errno: nothing has changed. */
int refs_raise(struct refs *refs, uint32_t next);
/* `next_ref` is the next number to be given out: reserve more when less than half of the headroom is left. 1: limit has
 * risen; 0; -errno: it could not be written. Then it is tried again a sixteenth of the headroom later, and when none is
 * left every 4,096 calls. */
int refs_step(struct refs *refs, uint32_t next_ref);
/* `next_ref`: numbers from it on were not used and are given back; 0: not known, the reservation stays. */
void refs_close(struct refs *refs, uint32_t next_ref);

#endif
