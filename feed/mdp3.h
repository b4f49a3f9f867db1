/* CME MDP 3.0 framing: "MDP 3.0 - Binary Packet Header" and "Message Header" (CME Group client systems wiki).
 * Little-endian: packet sequence u32, sending time u64 (ns since the epoch), then messages of {size u16 that counts
 * itself, SBE header of 8 bytes, body}. The sequence counts packets, not messages, so that a packet is one step of
 * arbitration. Messages are not decoded. Pure; any thread. */
#ifndef FEED_MDP3_H
#define FEED_MDP3_H

#include <stdbool.h>
#include <stdint.h>

#define MDP3_HEADER_LEN         12u
#define MDP3_MESSAGE_HEADER_LEN 10u /* size and SBE header */
#define MDP3_SCHEMA             1u /* id of CME's market data schema in each SBE header; its version is not looked at */

enum mdp3_verdict {
    MDP3_DATA = 0,     /* one message at least, and they end exactly where the payload does */
    MDP3_SHORT,        /* shorter than the packet header */
    MDP3_EMPTY,        /* a header alone: twelve bytes of anything look like that, and heartbeats are messages here */
    MDP3_BAD_SIZE,     /* a message shorter than its header, or running past the payload */
    MDP3_BAD_SCHEMA,   /* a message of another schema: some other protocol */
    MDP3_VERDICT_COUNT
};

struct mdp3_packet {
    uint32_t seq;
    uint64_t sent_ns;
    uint32_t message_count;  /* 1 or more */
    const uint8_t *messages; /* inside the payload */
    uint32_t messages_len;
};

struct mdp3_message {
    uint16_t template_id;
    const uint8_t *body;    /* behind the SBE header */
    uint32_t body_len;
};

const char *mdp3_verdict_name(enum mdp3_verdict verdict);

/* Parse one UDP payload: every message is walked, so that a packet is good as a whole or not at all. `ret_packet` is
 * written only with MDP3_DATA. */
enum mdp3_verdict mdp3_parse(const uint8_t *payload, uint32_t payload_len, struct mdp3_packet *ret_packet);

/* The message at `at`; returns where the next one begins. Only for messages that mdp3_parse has accepted, not more than
 * message_count of them. */
const uint8_t *mdp3_next(const uint8_t *at, struct mdp3_message *ret_message);

#endif
