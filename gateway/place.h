/* Memory of hot objects: one allocator for all of them, before armed. Each object lies on the NUMA node of the lcore
 * that owns it, on huge pages where there are any, touched once so that no page fault is left for the hot path.
 * Control thread, set-up only. */
#ifndef GATEWAY_PLACE_H
#define GATEWAY_PLACE_H

#include <stddef.h>

#define PLACE_BLOCKS_MAX 256u

struct place_block {
    void *memory;
    size_t bytes;
};

struct place {
    struct place_block block[PLACE_BLOCKS_MAX];
    unsigned count;
    size_t huge_bytes;   /* on huge pages */
    size_t small_bytes;  /* on normal pages */
};

/* NUMA node of a CPU; 0 where the host has no NUMA. */
int place_node_of_cpu(unsigned cpu);

/* NUMA node that memory in use lies on; -1: the kernel does not say. */
int place_node_of_memory(const void *memory);
/* Nodes of a CPU, of the frames that it takes and of the device that fills them, -1 = unknown or of none: what is
 * apart, in words; NULL: nothing. Pure. */
const char *place_odd(const int nodes[3]);

/* `bytes` of zeroed memory, aligned to a page, on NUMA node `node`; NULL when there is not enough. */
void *place_alloc(struct place *place, size_t bytes, int node);

/* Keep all pages of this process in memory, those mapped later included: what a driver maps when its peer comes
 * (net_memif) would otherwise fault on a hot lcore, page by page, for the first round of its ring. Once, behind the
 * last place_alloc, which chooses nodes before it touches. 0, or -errno where so much may not be locked: then nothing
 * has changed, and doctor's memlock has the fix. */
int place_lock(void);

/* Give everything back. */
void place_free(struct place *place);

#endif
