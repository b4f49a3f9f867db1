/* The host side of IGMP on one port: version 3 with source filters (RFC 3376), version 2 (RFC 2236) and 1 where an
 * older querier speaks. One pure state machine: bytes and time in, frames out; no socket, no clock, no DPDK. Called by
 * membership on the control thread, by tests in virtual time.
 *
 *   join     all groups are reported at once, and again [robustness - 1] times within a second each; joined again
 *            where a link was down, since a switch forgets the groups of such a port
 *   query    answered after a random part of its response time; the version of the querier decides about ours
 *   refresh  where no querier speaks, everything is reported each `refresh_ns`: a snooping switch forgets otherwise.
 *            No RFC asks for it
 *   leave    all groups are left, and again [robustness - 1] times within 100 ms each
 *
 * A group is received from all sources (EXCLUDE nothing) or from those listed (INCLUDE these); the set does not change
 * between join and leave. What comes from the wire is believed only as far as igmp_wire checks it, and is bounded in
 * what it costs: beyond IGMP_RATE_PER_S nothing is looked at any more, and everything is reported within a second
 * instead, so that a flood neither starves a membership nor makes us flood. */
#ifndef GATEWAY_PORT_IGMP_H
#define GATEWAY_PORT_IGMP_H

#include "gateway/port/igmp_wire.h"

#define IGMP_GROUPS_MAX 128u
#define IGMP_SOURCES_MAX 128u /* of all groups together */
#define IGMP_RATE_PER_S 100u  /* packets of others that are looked at */
#define IGMP_RATE_BURST 200u
#define IGMP_NEVER UINT64_MAX

struct igmp_setup {
    uint8_t mac[6];
    uint32_t ip;            /* our source address; 0: 0.0.0.0, as hosts without one report (RFC 3376 section 4.2.13) */
    uint16_t mtu;           /* longest packet, 576 ... */
    uint8_t version;        /* 2, 3: this version always (an IGMPv1 querier is answered in version 1 by 2); 0: version 3
                             * unless an older querier speaks */
    uint64_t refresh_ns;    /* 0 = never */
    uint64_t seed;          /* of the random delays */
};

struct igmp_counters {
    uint64_t verdict_count[IGMP_VERDICT_COUNT]; /* packets of others */
    uint64_t query_count[4];                    /* accepted, by version 1 ... 3 */
    uint64_t report_count;                      /* frames sent: reports of any version */
    uint64_t leave_count;                       /* frames sent: leaves, in version 3 reports that leave */
    uint64_t refresh_count;                     /* times that everything was reported because no querier spoke */
    uint64_t suppressed_count;                  /* version 1, 2: another host's report made ours superfluous */
    uint64_t older_count;                       /* times that an older querier made us speak its version */
};

struct igmp_group {
    uint32_t ip;
    uint32_t source_first, source_count; /* in igmp.source; 0: from all */
    uint64_t due_ns;                     /* an answer about this group alone; IGMP_NEVER: none */
    bool whole;                          /* it is about the whole group, not only about the sources marked asked */
};

/* What is going out, a frame at a time. */
enum igmp_emission { IGMP_EMIT_NOTHING, IGMP_EMIT_CHANGE, IGMP_EMIT_ALL };

struct igmp {
    struct igmp_setup setup;
    struct igmp_group group[IGMP_GROUPS_MAX];   /* by address */
    uint32_t group_count;
    uint32_t source[IGMP_SOURCES_MAX];
    bool asked[IGMP_SOURCES_MAX];
    uint32_t source_count;
    bool joined, leaving;
    uint8_t version;            /* that we speak now */
    uint8_t robustness;         /* 2 ... 7, as the querier says */
    uint32_t change_left;       /* reports of the last join or leave that are still to be sent */
    uint64_t change_due_ns;
    uint64_t all_due_ns;        /* answer to a general query */
    uint64_t all_sent_ns;
    uint64_t refresh_due_ns;
    uint64_t v1_until_ns, v2_until_ns;  /* an older querier is present */
    uint64_t query_ns;          /* the newest general query; 0 = none yet */
    enum igmp_emission emission;
    uint32_t emit_at;           /* next group of the emission */
    uint64_t tokens, tokens_ns; /* packets that may be looked at, in 1/1000; as of then */
    uint64_t random;
    struct igmp_counters counters;
};

/* Not a member of anything yet. (igmp_init is a function of lwIP's library, which ours of that name would replace.) */
void igmp_begin(struct igmp *igmp, const struct igmp_setup *setup);
/* Before igmp_join: `group` is wanted from `source`, 0 = from all. Asked for from all once, it is from all. 224.0.0.1
 * is everybody's without a report, and not kept. False: more than IGMP_GROUPS_MAX or IGMP_SOURCES_MAX. */
bool igmp_add(struct igmp *igmp, uint32_t group, uint32_t source);
/* May be called again; not once it leaves. */
void igmp_join(struct igmp *igmp, uint64_t now_ns);
/* Answers are dropped from here on. */
void igmp_leave(struct igmp *igmp, uint64_t now_ns);
/* Has everything been said that there is to say about leaving (or was never joined)? */
bool igmp_left(const struct igmp *igmp);

/* An IPv4 packet of protocol 2, from its header on, arrived. What was seen in it; counted. */
enum igmp_verdict igmp_receive(struct igmp *igmp, const uint8_t *packet, uint32_t len, uint64_t now_ns);
/* The next frame that is due, to be sent at once: its bytes; 0: none now. Call until 0; always ends. */
uint32_t igmp_next(struct igmp *igmp, uint64_t now_ns, uint8_t ret_frame[IGMP_FRAME_MAX]);

#endif
