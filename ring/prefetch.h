/* Lines of memory that will be needed soon, asked for now. By asm, which nobody takes away: GCC 12 takes a function
 * that does nothing but __builtin_prefetch for one that does nothing, and deletes its calls. Any thread; any address,
 * an invalid one does nothing. */
#ifndef RING_PREFETCH_H
#define RING_PREFETCH_H

/* To be read: it stays with whoever has it. */
static inline void prefetch_read(const void *line)
{
#ifdef __x86_64__
    __asm__ volatile("prefetcht0 %0" : : "m"(*(const char *)line));
#else
    __asm__ volatile("" : : "r"(line));
    __builtin_prefetch(line, 0);
#endif
}

/* To be written: it leaves the caches of others before the store has to wait for it. PREFETCHW is older than every
 * x86-64 that DPDK runs on; GCC emits it by itself only with -mprfchw. */
static inline void prefetch_write(const void *line)
{
#ifdef __x86_64__
    __asm__ volatile("prefetchw %0" : : "m"(*(const char *)line));
#else
    __asm__ volatile("" : : "r"(line));
    __builtin_prefetch(line, 1);
#endif
}

#endif
