/* Values of command-line options, as feedgen and exchange take them. A value that will not do ends the program with one
 * sentence on stderr that names the option and what is wanted. Main thread, at start-up. */
#ifndef TOOLS_OPTIONS_H
#define TOOLS_OPTIONS_H

#include "feed/mold.h"
#include "tools/session.h"

#include <stdint.h>

#define OPTIONS_CHANCE_PARTS 1000000000u
#define OPTIONS_EXIT 2 /* arguments are wrong */

/* "program: what: value" */
_Noreturn void options_refuse(int exit_code, const char *what, const char *value);
/* The address that `option` names cannot be used: why (an errno), and what to do. */
_Noreturn void options_refuse_address(const char *option, uint32_t ip, uint16_t port, int error);

/* `name` is the option's, without dashes. */
uint64_t options_u64(const char *name, const char *text, uint64_t min, uint64_t max);
uint32_t options_chance(const char *name, const char *text); /* percent to parts of OPTIONS_CHANCE_PARTS */
uint32_t options_ip(const char *name, const char *text);     /* IPv4, host byte order */
uint64_t options_start(const char *text);                    /* HH:MM to ns since midnight */
void options_session(const char *text, char ret_session[MOLD_SESSION_LEN]);
/* Do as many messages hold what so many symbols take? */
void options_check_session(const struct session_params *params);

/* Does it happen? */
static inline bool options_happens(struct session_random *random, uint32_t chance)
{
    return session_random_below(random, OPTIONS_CHANCE_PARTS) < chance;
}

#endif
