/* The receive loop: one rx lcore, the receive queues given to it and everything behind them. */
#ifndef GATEWAY_RX_LOOP_H
#define GATEWAY_RX_LOOP_H

#include "feed/channel.h"
#include "feed/frame.h"
#include "gateway/armed.h"
#include "gateway/clock.h"
#include "gateway/replay_source.h"
#include "gateway/strategy_loop.h"
#include "ring/hist.h"
#include "ring/md_ring.h"

#include <rte_ethdev.h>

#define RX_QUEUES_MAX 16u
#define RX_BURST_MAX 64u
#define RX_LINES_MAX 128u
#define RX_LINE_SLOTS 256u /* hash of (group, port): at most half full */
#define RX_CHANNELS_MAX 16u

struct rx_queue {
    uint16_t port_id;
    uint16_t queue_id;
};

/* A line of a feed: what is received for it is told by destination address and port, in software (32 groups share one
 * MAC address). */
struct rx_line {
    uint32_t group;        /* host byte order; 0 = slot free */
    uint32_t source;       /* only from this address; 0 = any */
    uint16_t udp_port;
    uint8_t line;          /* line of its channel */
    struct channel *channel;
    uint64_t frame_count;
    uint64_t source_count; /* frames of another source, refused */
};

/* Where an event stood in the feed: kept on the producer's side, indexed and tagged by the event's number (its ring
 * sequence; inline: counted alike), so that the event itself pays nothing. Writer: rx lcore, event_seq last; reader:
 * control thread, event_seq before and after. */
struct rx_cause {
    uint64_t event_seq;
    uint64_t feed_seq;
    uint16_t channel;
    uint16_t line;         /* that brought the packet */
    uint32_t reserved;
};

struct rx {
    /* read-mostly */
    struct rx_queue queue[RX_QUEUES_MAX];
    uint32_t queue_count;
    uint32_t burst;
    uint32_t lcore_id, cpu;
    const char *name;
    struct rx_line line[RX_LINE_SLOTS];
    struct channel *channel[RX_CHANNELS_MAX];
    uint32_t channel_count;
    struct md_ring *ring;              /* two-core: where events go */
    struct strategy_lcore *inline_strategies; /* inline: who is called directly; ring is NULL then */
    struct rx_cause *cause;            /* by number of the event, cause_mask + 1 of them */
    uint64_t cause_mask;
    struct replay_source *replay;      /* NULL in a live run */
    const struct clock *clock;
    bool stage_stamps;
    bool proof;
    size_t dynfield;                   /* replay: offset of the frame time in the mbuf */
    const uint32_t *stop;              /* writer: control thread, once */
    /* hot */
    uint64_t now_ns;                   /* time of the frame in hand */
    uint64_t deadline_ns;              /* earliest end of a reorder window */
    uint64_t burst_tsc;
    uint16_t line_idx;                 /* line of the frame in hand */
    /* counters: writer this lcore, readers any */
    uint64_t turn_count, idle_count;
    uint64_t frame_count;
    uint64_t frame_verdict[FRAME_VERDICT_COUNT];
    uint64_t foreign_count;            /* datagrams of no line of ours */
    uint64_t chained_count;            /* frames in more than one mbuf: longer than the port's MTU */
    uint64_t event_count;              /* published, MD_TIME included; the next event's number is one more */
    struct hist parsed, booked;        /* ticks since rx_tsc: frame parsed and arbitrated; its first message in the book */
    /* cold */
    struct armed armed;
    uint32_t finished;                 /* replay: everything is published. writer: this lcore, once; reader: control */
};

/* The cause of event `event_seq`. False: overwritten since ("cause lost"). Control thread. */
bool rx_cause_find(const struct rx *rx, uint64_t event_seq, struct rx_cause *ret_cause);

/* Enter a line into the table. False: full, or group and port are taken. */
bool rx_line_add(struct rx *rx, uint32_t group, uint16_t udp_port, uint32_t source, struct channel *channel, uint8_t line);

/* The loop, until *stop. `rx` is a struct rx *. Launched on its lcore. Returns 0. */
int rx_loop(void *rx);

#endif
