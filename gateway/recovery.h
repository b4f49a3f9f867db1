/* Recovery, the control thread's half: retransmission requests out and answers in, snapshot spins over TCP, for every
 * feed that has servers. What is asked for, when and how often is the channel's word (feed/channel, feed/retransmit);
 * here are sockets. Never blocks. */
#ifndef GATEWAY_RECOVERY_H
#define GATEWAY_RECOVERY_H

#include "config/config.h"
#include "feed/glimpse.h"
#include "gateway/recovery_link.h"

#include <poll.h>

#define RECOVERY_ERROR_MAX 256u
#define RECOVERY_FDS_MAX (2u * CONFIG_FEEDS_MAX)

struct recovery_counters {     /* writer: control thread */
    uint64_t request_count;       /* requests sent */
    uint64_t request_error_count; /* sends that failed; the channel asks again when its time-out ends */
    uint64_t reply_count;         /* datagrams from re-request servers */
    uint64_t reply_foreign_count; /* from elsewhere: dropped */
    uint64_t reply_long_count;    /* from a server, longer than RECOVERY_LINK_BYTES: dropped */
    uint64_t spin_count;          /* spins begun */
    uint64_t spin_stop_count;     /* broken off because the channel asked so, or for another one */
    uint64_t spin_verdict[GLIMPSE_VERDICT_COUNT]; /* how they ended; connection refused counts as broken */
    uint64_t spin_message_count;
};

struct recovery_feed {
    const struct config_feed *config;
    struct recovery_link *link; /* NULL: a feed without recovery */
    struct recovery_counters counters;
    int request_fd;             /* UDP, -1 = none */
    int spin_fd;                /* TCP, -1 = none: no spin, or no socket for it */
    bool spinning;
    bool starved;               /* the newest step found no empty block */
    uint32_t spin;              /* number of the spin that runs */
    uint32_t spin_server;       /* the next spin's */
    struct recovery_answer *answer; /* messages of the spin, being filled; NULL = none taken */
    struct recovery_answer *spare;  /* empty: for the next datagram, the next messages, the end of the spin */
    uint32_t out_at, out_len;
    uint8_t out[SOUP_LOGIN_LEN];    /* what the server of the spin has still to be told */
    struct glimpse glimpse;
};

struct recovery {
    struct recovery_feed *feed; /* by feed of the config */
    uint32_t feed_count;
    /* transport port: sends a UDP datagram through the feed port's control queue; NULL where none is configured */
    bool (*port_send)(void *arg, uint32_t feed_idx, uint32_t ip, uint16_t port, const uint8_t *payload, uint32_t len);
    void *port_send_arg;
};

/* `links[i]` is NULL for a feed without recovery. 0, or -errno and one sentence. port_send is to be set afterwards. */
int recovery_open(struct recovery *recovery, const struct config *config, struct recovery_link *const *links,
                  char ret_error[RECOVERY_ERROR_MAX]);
/* Also after recovery_open has failed, and of one that is all zero. */
void recovery_close(struct recovery *recovery);
/* What poll() should wait for; how many. Sockets of a feed whose blocks are all on their way to the rx lcore are left
 * out: they would wake poll() with what cannot be taken. An rx lcore that gives blocks back wakes nobody, so whoever
 * polls must look again by itself after a millisecond or so, as it must for asks. */
uint32_t recovery_fds(const struct recovery *recovery, struct pollfd ret_fds[RECOVERY_FDS_MAX]);
/* Serve everything that is there. True: something was done. */
bool recovery_step(struct recovery *recovery, uint64_t now_ns);

#endif
