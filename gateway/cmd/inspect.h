/* What `tickgate inspect` has found in its captures: filled by inspect.c, printed by inspect_report.c and, as they
 * come, messages by inspect_messages.c.
 *
 * Main thread only, no EAL. Everything here comes from files that nobody vouches for: texts are made harmless when they
 * are printed. */
#ifndef GATEWAY_CMD_INSPECT_H
#define GATEWAY_CMD_INSPECT_H

#include "feed/channel.h"
#include "feed/frame.h"
#include "feed/framing.h"
#include "gateway/capture/capture.h"
#include "gateway/json.h"

#include <stdbool.h>
#include <stdint.h>

#define INSPECT_CHANNELS_MAX    16u
#define INSPECT_GROUPS_MAX      32u
#define INSPECT_GAPS_MAX        65536u /* listed for each channel; more are only counted */
#define INSPECT_INSTRUMENTS_MAX 65536u
#define INSPECT_ERROR_MAX       (CAPTURE_ERROR_MAX * 4u)

struct inspect_group { uint32_t ip; uint16_t udp_port; uint64_t datagram_count; };
struct inspect_gap { uint64_t first_seq, count; };

/* Packets without a message decoder behind them: arbitrated only. */
struct inspect_packets {
    struct arb arb;
    uint64_t verdict[ARB_VERDICT_COUNT];
    uint64_t unsequenced_count;
    uint64_t message_count;                  /* of packets delivered, as the next one */
    uint64_t template_count[UINT16_MAX + 1]; /* by SBE template */
};

/* The datagrams of one MoldUDP64 session, or all MDP 3.0 packets, whatever groups they came on: its lines are
 * arbitrated. */
struct inspect_channel {
    enum framing framing;
    struct channel *channel;      /* NULL where messages are not decoded */
    void *memory;                 /* that it lies in */
    struct inspect_packets *packets; /* instead of it */
    struct health health;
    char session[MOLD_SESSION_LEN];
    struct inspect_group line[ARB_LINES_MAX];
    uint32_t line_count;
    uint64_t first_seq, last_seq; /* of delivered messages, 0 = none */
    struct inspect_gap *gap_list;
    uint32_t gap_count;           /* listed */
    uint64_t gap_unlisted_count;
    uint64_t missed_count;        /* messages in all gaps */
    uint64_t had_orders[INSPECT_INSTRUMENTS_MAX / 64]; /* bit of each instrument whose book was ever used */
};

struct inspect {
    /* asked for */
    char **path_list;
    struct capture *capture[CAPTURE_MERGE_MAX];
    uint32_t capture_count;
    bool json, books, messages;
    struct inspect_group group[INSPECT_GROUPS_MAX]; /* only these; none: all */
    uint32_t group_count;
    enum framing framing;  /* only this; FRAMING_NONE: whatever it is */
    uint32_t orders_max;   /* of each channel */
    uint32_t reorder_packets;
    uint64_t reorder_ns;
    /* found */
    uint64_t frame_count[FRAME_VERDICT_COUNT];
    uint64_t filtered_count;             /* datagrams of other groups than those asked for */
    uint64_t datagram_count;             /* UDP datagrams looked at */
    uint64_t request_count;              /* retransmission requests among them */
    uint64_t mold_count[MOLD_VERDICT_COUNT];
    uint64_t mdp3_count[MDP3_VERDICT_COUNT]; /* refused where MDP 3.0 was to be expected */
    uint64_t bad_session_count;          /* session name that is not text: some other protocol */
    uint64_t too_many_sessions_count;    /* datagrams of sessions beyond INSPECT_CHANNELS_MAX */
    uint64_t first_ts_ns, last_ts_ns;    /* capture time of the oldest and the newest frame */
    struct inspect_channel *channel[INSPECT_CHANNELS_MAX];
    uint32_t channel_count;
    struct json writer;                  /* --json: the document, open from begin to end */
    uint64_t message_line_count;         /* printed by --messages */
    bool no_memory;                      /* for a channel's books: the report ends there */
    char error[INSPECT_ERROR_MAX];       /* sentences, one after the other; "" = all is well */
};

/* One delivered message, printed as it comes (--messages); `orphan`: it referred to an unknown order. */
void inspect_report_message(struct inspect *inspect, uint32_t channel_idx, const struct channel_cursor *cursor,
                            bool orphan);
/* A hole, among the messages. Text only: in JSON the gaps are listed at the end. */
void inspect_report_gap(const struct inspect *inspect, uint32_t channel_idx, struct inspect_gap gap);
/* Before the first message and after the last one. */
void inspect_report_begin(struct inspect *inspect);
void inspect_report_end(struct inspect *inspect);
/* Only an error: no capture could be read. */
void inspect_report_failure(const char *error);

#endif
