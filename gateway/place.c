/* See place.h. mmap rather than rte_malloc: books are large, live as long as the process, and are also used where there
 * is no EAL. */
#include "gateway/place.h"

#include <numa.h>
#include <stdint.h>
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
        memory = map(bytes, 0);
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

void place_free(struct place *place)
{
    while (place->count > 0) {
        place->count--;
        munmap(place->block[place->count].memory, place->block[place->count].bytes);
    }
    place->huge_bytes = place->small_bytes = 0;
}
