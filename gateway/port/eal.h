/* DPDK's environment, started from config: which CPU carries which lcore, which memory, which devices. Main thread. */
#ifndef GATEWAY_PORT_EAL_H
#define GATEWAY_PORT_EAL_H

#include "config/config.h"

#include <stdbool.h>

#define EAL_ERROR_MAX 512u
#define EAL_NOTE_MAX 256u

struct eal {
    bool started;
    bool hugepages;
    char note[EAL_NOTE_MAX]; /* what running without hugepages, or without locked memory, costs; empty otherwise */
    char directory[128];     /* run directory, removed at the end */
    char own[32];            /* what was made for it to lie in, likewise; empty otherwise */
};

/* Start the EAL: lcore i of the config is EAL lcore i on its CPU; the main thread floats over all CPUs as lcore
 * lcore_count. `replay`: devices of the config are not touched. 0 or -errno and one sentence. */
int eal_start(struct eal *eal, const struct config *config, bool replay, char ret_error[EAL_ERROR_MAX]);
/* `threads_left`: threads under proof have gone without a word to the EAL; its own clean-up would wait for them for
 * ever, so only the run directory is removed and the process must end. */
void eal_stop(struct eal *eal, bool threads_left);

#endif
