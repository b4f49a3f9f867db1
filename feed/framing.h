/* Framing: which protocol carries a datagram, and what arbitration needs of it. A feed is a pair of a framing and a
 * message decoder; this is the seam between them. Pure; any thread. */
#ifndef FEED_FRAMING_H
#define FEED_FRAMING_H

#include "feed/mdp3.h"
#include "feed/mold.h"

enum framing {
    FRAMING_NONE = 0,  /* unknown, or damaged */
    FRAMING_MOLD,      /* MoldUDP64: the sequence counts messages */
    FRAMING_MDP3,      /* MDP 3.0: the sequence counts packets */
    FRAMING_COUNT
};

/* One packet, as the arbiter sees it. */
struct framing_packet {
    enum framing framing;
    uint64_t seq;           /* first step of sequence; 0 = unsequenced */
    uint32_t count;         /* steps; 0 = heartbeat or end */
    uint32_t block_count;   /* messages, for mold_next or mdp3_next to walk */
    const uint8_t *blocks;  /* the first of them, inside the payload */
    bool end;               /* the venue has ended the session */
    const uint8_t *session; /* MOLD_SESSION_LEN letters, NULL where the protocol has none */
    uint64_t sent_ns;       /* venue's sending time, 0 = not in the header */
};

const char *framing_name(enum framing framing);

/* Take a payload for `wanted`, or with FRAMING_NONE for whatever it is: MoldUDP64 if it is one of a session whose name
 * is text (or zeros: scrubbed captures), else MDP 3.0 if its messages end exactly with it. False: none of these. */
bool framing_parse(enum framing wanted, const uint8_t *payload, uint32_t payload_len,
                   struct framing_packet *ret_packet);

#endif
