/* See place.h. mmap rather than rte_malloc: books are large, live as long as the process, and are also used where there
 * is no EAL. */
#include "gateway/place.h"

#include "config/config.h"

#include <errno.h>
#include <numa.h>
#include <numaif.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE_BYTES ((size_t)2 << 20)

int place_node_of_cpu(unsigned cpu)
{
    if (numa_available() < 0)
        return 0;
    const int node = numa_node_of_cpu((int)cpu);
    return node < 0 ? 0 : node;
}

int place_node_of_memory(const void *memory)
{
    int node = -1;

    if (numa_available() < 0 ||
        get_mempolicy(&node, NULL, 0, (void *)(uintptr_t)memory, MPOL_F_NODE | MPOL_F_ADDR) != 0)
        return -1;
    return node;
}

const char *place_odd(const int nodes[3])
{
    const bool frames_apart = nodes[0] >= 0 && nodes[1] >= 0 && nodes[0] != nodes[1];
    const bool device_apart = nodes[0] >= 0 && nodes[2] >= 0 && nodes[0] != nodes[2];

    if (frames_apart && device_apart && nodes[1] == nodes[2])
        return "every frame crosses to the CPU";
    if (frames_apart)
        return "every frame lies on the wrong node";
    return device_apart ? "every frame crosses from the device" : NULL;
}

static void *map(size_t bytes, int flags)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void *place_alloc(struct place *place, size_t bytes, int node)
{
    if (place->count == PLACE_BLOCKS_MAX || bytes == 0)
        return NULL;
    /* Small objects would waste a huge page each. */
    const size_t unit = bytes >= HUGE_PAGE_BYTES / 2 ? HUGE_PAGE_BYTES : 4096;
    bytes = (bytes + unit - 1) / unit * unit;

    void *memory = unit == HUGE_PAGE_BYTES ? map(bytes, MAP_HUGETLB) : NULL;
    if (memory) {
        place->huge_bytes += bytes;
    } else {
        memory = unit == 4096 || bytes / 1024 <= config_host_available_kb() ? map(bytes, 0) : NULL;
        if (!memory)
            return NULL;
        (void)madvise(memory, bytes, MADV_HUGEPAGE);
        place->small_bytes += bytes;
    }
    if (numa_available() >= 0)
        numa_tonode_memory(memory, bytes, node);
    memset(memory, 0, bytes); /* touch: the pages are taken now, on that node */
    place->block[place->count++] = (struct place_block){memory, bytes};
    return memory;
}

int place_lock(void)
{
    /* Both at once: the limit is held against what is there already, so that no later mapping is refused for it. */
    return mlockall(MCL_CURRENT | MCL_FUTURE) == 0 ? 0 : -errno;
}

void place_free(struct place *place)
{
    while (place->count > 0) {
        place->count--;
        munmap(place->block[place->count].memory, place->block[place->count].bytes);
    }
    place->huge_bytes = place->small_bytes = 0;
}
