/* The host's firewall as text: what `tickgate firewall` tells nft, and what nft says of it. Pure but for the
 * stream that the text goes to; called by gateway/cmd/firewall.c on the main thread.
 *
 * All that is ours is one table, `inet tickgate`; nothing else is read or changed. A rule set is a *generation*, a
 * or b: the sets and chains whose names end in that letter. Four base chains lead into the generations:
 *
 *   packet ──▶ input ──▶ interface in @guarded_b (new, elements that the kernel removes in N s)? ──▶ input_b
 *                   └──▶ else in @interfaces_a (confirmed)? ──▶ input_a
 *                   └──▶ else accept
 *
 * So a change that nobody confirms ends in the kernel, by the time-out of set elements, even if every process of
 * ours is gone; what was in force before is in force again. A confirmation is a transaction that deletes an
 * element which has the same time-out: when it comes too late it fails as a whole. */
#ifndef GATEWAY_CMD_FIREWALL_RULES_H
#define GATEWAY_CMD_FIREWALL_RULES_H

#include "config/config.h"

#include <stdio.h>

struct firewall_rules_state {
    char current;   /* generation in force and confirmed, 'a' or 'b'; 0 = none */
    char pending;   /* generation that waits for its confirmation; 0 = none */
    bool expired;   /* ... and has waited for too long: only its remains are there */
    uint32_t token; /* names that change; 0 = none */
};

/* From what `nft list table inet tickgate` prints; an empty text: there is no such table. Never fails: what is not
 * recognised is not there. */
struct firewall_rules_state firewall_rules_state(const char *listing);

/* The generation that a new change takes. */
static inline char firewall_rules_next(const struct firewall_rules_state *state)
{
    return state->current == 'a' ? 'b' : 'a';
}

/* One transaction each, for `nft -f`. `state` must have no pending change for apply. `seconds` 1 ... 86,400: it
 * waits so long for its confirmation; 0: it is in force at once, and the one before is gone. `token` is not 0. */
void firewall_rules_apply(FILE *out, const struct config *config, const struct firewall_rules_state *state,
                          uint32_t token, uint32_t seconds);
/* Make the pending generation the current one. Fails in the kernel if its time is over. */
void firewall_rules_confirm(FILE *out, const struct firewall_rules_state *state);
/* Remove the pending generation. Fails in the kernel if the change called state->token waits no more. */
void firewall_rules_rollback(FILE *out, const struct firewall_rules_state *state);

#endif
