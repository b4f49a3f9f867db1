/* The receive loop: one rx lcore, the receive queues given to it and everything behind them. */
#ifndef GATEWAY_RX_LOOP_H
#define GATEWAY_RX_LOOP_H

#include "feed/channel.h"
#include "feed/frame.h"
#include "gateway/armed.h"
#include "gateway/cause.h"
#include "gateway/clock.h"
#include "gateway/line.h"
#include "gateway/port/aside.h"
#include "gateway/recovery_link.h"
#include "gateway/replay_source.h"
#include "gateway/socket_rx.h"
#include "gateway/strategy_loop.h"
#include "ring/hist.h"
#include "ring/md_ring.h"

#include <rte_ethdev.h>

#define RX_QUEUES_MAX 16u
#define RX_BURST_MAX 64u
#define RX_CHANNELS_MAX 16u
#define RX_READERS_MAX 16u


/* A datagram of the burst whose line is known, and what its messages will touch. */
struct rx_found {
    struct line *line;         /* NULL: not for us, and counted */
    const uint8_t *payload;
    uint32_t payload_len;
    uint64_t now_ns;           /* the frame's own time */
    struct channel_look look;  /* not of a reply: that is no line's */
};

struct rx_queue {
    uint16_t port_id;
    uint16_t queue_id;
    struct aside *aside; /* where its control traffic goes; NULL: nowhere */
};

struct rx {
    /* read-mostly */
    struct rx_queue queue[RX_QUEUES_MAX];
    uint32_t queue_count;
    uint32_t burst;
    uint32_t lcore_id, cpu;
    const char *name;
    struct lines lines;
    struct channel *channel[RX_CHANNELS_MAX];
    uint32_t channel_count;
    struct recovery_link *link[RX_CHANNELS_MAX];     /* of each channel; NULL: nobody to ask */
    struct recovery_answer *answer[RX_CHANNELS_MAX]; /* taken, not yet applied entirely */
    uint32_t answer_at[RX_CHANNELS_MAX];
    struct md_ring *ring;              /* two-core: where events go */
    struct resync *resync[RX_READERS_MAX]; /* of each reader of the ring: brings it up to date when it was lapped */
    uint32_t resync_count;
    struct strategy_lcore *inline_strategies; /* inline: who is called directly; ring is NULL then */
    struct causes causes;              /* where each event stood in the feed */
    struct replay_source *replay;      /* NULL in a live run */
    struct socket_rx *sockets;         /* lines that come through sockets of the kernel; NULL: none */
    const struct clock *clock;
    bool stage_stamps;
    bool proof;
    bool recovering;                   /* some channel has servers to ask */
    size_t dynfield;                   /* replay: offset of the frame time in the mbuf */
    const uint32_t *stop;              /* writer: control thread, once */
    /* hot */
    uint64_t now_ns;                   /* time of the frame in hand */
    uint64_t told_ns;                  /* the newest MD_TIME */
    uint64_t deadline_ns;              /* no channel has something to do before; may be too early, never too late */
    uint64_t burst_tsc;
    uint16_t line_idx;                 /* line of the frame in hand */
    struct rx_found found[RX_BURST_MAX]; /* of the burst in hand, by frame */
    struct channel_ahead ahead;        /* its messages */
    /* counters: writer this lcore, readers any */
    uint64_t turn_count, idle_count;
    uint64_t frame_count;
    uint64_t frame_verdict[FRAME_VERDICT_COUNT];
    uint64_t early_count;              /* live: frames that came before this lcore was armed: not looked at */
    uint64_t foreign_count;            /* datagrams of no line of ours */
    uint64_t chained_count;            /* frames in more than one mbuf, datagrams cut off: longer than the port's MTU */
    uint64_t checksum_count;           /* datagrams whose checksum is wrong: by the NIC's word, or by ours */
    uint64_t ask_lost_count;           /* asks that found no room: made again after their time-out */
    uint64_t event_count;              /* published, MD_TIME included; the next event's number is one more */
    struct hist parsed, booked; /* ticks since rx_tsc: frame parsed and arbitrated; its first message in the book */
    /* cold */
    struct armed armed;
    uint32_t finished;                 /* replay: everything is published. writer: this lcore, once; reader: control */
};

/* What a channel has to say about the frame or the time in hand, to the strategies. */
void rx_publish(struct rx *rx, struct channel *channel, struct channel_cursor *cursor);
/* When a channel has something to do next, exactly: rx.deadline_ns. */
void rx_deadline(struct rx *rx);
/* rx_recover.c: the channels that have servers to ask, once a turn. */
void rx_recover(struct rx *rx);

/* One turn: a burst of each queue, what is due, recovery and resyncs, and inline the end of the strategies' turn. How
 * many frames came. Owner lcore. */
uint32_t rx_turn(struct rx *rx);

/* The loop, until *stop. `rx` is a struct rx *. Launched on its lcore. Returns 0. */
int rx_loop(void *rx);

#endif
